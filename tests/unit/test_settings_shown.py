"""`doctor --settings`: every value with its origin, and never a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bioresearcher.cli.app import build_parser, main
from bioresearcher.cli.doctor import models_line
from bioresearcher.errors import InputError
from bioresearcher.settings import Settings, load_settings_with_origin

SECRET = "sk-" + "verysecret0123456789"
FILE = """
max_papers = 5
[models.default]
model = "compatible:qwen"
base_url = "http://lab:8000/v1"
api_key_env = "LAB_KEY"
[models.reader]
temperature = 0
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    Path("bioresearcher.toml").write_text(FILE, encoding="utf-8")


def rows(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[dict[str, tuple[object, str]], str]:
    assert main(["doctor", "--settings", "--json", *args]) == 0
    out = capsys.readouterr().out
    return {row["name"]: (row["value"], row["origin"]) for row in json.loads(out)["settings"]}, out


def test_every_value_has_its_origin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIORESEARCHER_MAX_USD", "2")
    found, _ = rows(capsys, "--max-tokens", "9", "--seed", "4")
    assert found["max_papers"] == (5, "bioresearcher.toml")
    assert found["max_usd"] == (2, "BIORESEARCHER_MAX_USD")
    assert found["max_tokens"] == (9, "flag --max-tokens")
    assert found["max_minutes"] == (None, "default")
    assert found["config"] == ("bioresearcher.toml", "current folder")
    assert found["limits.wall_s"] == (300, "default")
    assert found["models.reader.temperature"] == (0, "bioresearcher.toml")
    assert found["models.reader.seed"] == (4, "flag --seed")
    assert found["models.coder"] == ("as models.default", "default")
    shown = {name for name in found if "." not in name}
    assert shown == set(Settings.model_fields) - {"models", "every_model", "limits", "services"}


def test_keys_are_set_or_not_and_never_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    _, out = rows(capsys)
    assert json.loads(out)["keys"] == [
        {"variable": "LAB_KEY", "set": False, "used_by": ["models.default", "models.reader"]},
        {"variable": "OPENAI_API_KEY", "set": True, "used_by": []},
    ]
    assert main(["doctor", "--settings"]) == 0
    text = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "key in LAB_KEY not set models.default, models.reader" in lines
    assert "key in OPENAI_API_KEY set used by no model" in lines
    assert SECRET not in out + text


def test_options_without_a_model_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bioresearcher.toml").unlink()
    found, _ = rows(capsys, "--backend", "local", "--temperature", "0.5")
    assert found["models"] == (None, "default")
    assert found["every model: temperature"] == (0.5, "flag --temperature")


def test_a_mistake_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bioresearcher.toml").write_text(f"api_key = '{SECRET}'")
    assert main(["doctor", "--settings"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bioresearcher: error: bioresearcher.toml: api_key: keys are not read from files.")
    assert SECRET not in error


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        ({}, {"LAB_KEY": SECRET}, "configured: compatible:qwen at lab:8000 for all roles"),
        ({"backend": "offline"}, {}, "the offline backend was asked for"),
        ({"model": ["reader=ollama:a"]}, {"LAB_KEY": SECRET}, "configured: ollama:a at 127.0.0.1:11434 for reader; "),
    ],
)
def test_doctor_says_which_models_are_configured(flags: dict[str, object], environ: dict[str, str], said: str) -> None:
    settings, _ = load_settings_with_origin(flags, environ)
    assert models_line(settings, environ).startswith(said)


def test_doctor_says_when_a_key_is_not_set() -> None:
    settings, _ = load_settings_with_origin({}, {})
    with pytest.raises(InputError, match="compatible:qwen needs a key, but LAB_KEY is not set"):
        models_line(settings, {})


def test_doctor_without_models() -> None:
    assert models_line(Settings(), {"OPENAI_API_KEY": SECRET}).startswith("none configured: the offline backend")
    assert "looks for a server on this machine" in models_line(Settings(backend="local"), {})
    with pytest.raises(InputError, match="no model is configured"):
        models_line(Settings(backend="chat"), {})


def test_the_commands_take_their_options() -> None:
    parser = build_parser()
    args = parser.parse_args(["run", "--model", "a", "--model", "reader=b", "--max-usd", "2", "--config", "c.toml"])
    assert (args.model, args.max_usd, args.config) == (["a", "reader=b"], 2.0, Path("c.toml"))
    args = parser.parse_args(["resume", "R", "--max-tokens", "5", "--max-minutes", "1", "--prices", "p.toml"])
    assert (args.max_tokens, args.max_minutes, args.prices) == (5, 1.0, Path("p.toml"))
    with pytest.raises(SystemExit):
        parser.parse_args(["resume", "R", "--model", "a"])
