"""The dialogue that writes a settings file: what it asks, what it writes, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bioresearcher.cli.app import main
from bioresearcher.settings import load_settings_with_origin, models_by_role

KEY = "sk-" + "a1B2" * 10


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "AZURE_OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[str]:
    """Let `input` give these lines; return the list of questions, filled as they are asked."""
    asked: list[str] = []
    left: Iterator[str] = iter(lines)

    def typed(question: str) -> str:
        asked.append(question)
        line = next(left, None)
        if line is None:
            raise EOFError
        return line

    monkeypatch.setattr("builtins.input", typed)
    return asked


def test_a_key_in_the_environment_proposes_a_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    asked = answer(monkeypatch, "", "openai:gpt-5-mini", "2.5", "runs")
    assert main(["setup"]) == 0
    text = (place / "bioresearcher.toml").read_text()
    settings, _ = load_settings_with_origin({}, {}, folder=place)
    models = models_by_role(settings)
    assert (models["designer"].label, models["reviewer"].label) == ("anthropic:claude-sonnet-5", "openai:gpt-5-mini")
    assert (settings.max_usd, settings.workspace) == (2.5, place / "runs")
    assert "anthropic:claude-sonnet-5" in asked[0]
    assert KEY not in text + "".join(asked)


def test_a_server_of_ones_own_is_asked_for_its_address(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "compatible:qwen3", "gpu", "http://gpu:8000/v1", "my key", "LAB_KEY", "", "lots", "", "")
    assert main(["setup", "--config", "lab.toml"]) == 0
    settings, _ = load_settings_with_origin({"config": place / "lab.toml"}, {}, folder=place)
    model = models_by_role(settings)["coder"]
    assert (model.base_url, model.api_key_env) == ("http://gpu:8000/v1", "LAB_KEY")


def test_no_model_is_an_answer(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(answer(monkeypatch, "", "")) == 0
    assert main(["setup"]) == 0
    assert "models" not in (place / "bioresearcher.toml").read_text()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("openai:gpt-5-mini",), "nothing was written"),
        (("openai:gpt-5-mini", KEY, KEY, KEY), "no usable answer"),
        ((f"openai:{KEY}", "", "", "", ""), "key"),
    ],
)
def test_what_does_not_fit_writes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lines: tuple[str, ...], said: str
) -> None:
    answer(monkeypatch, *lines)
    assert main(["setup"]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert KEY not in told.err + told.out
    assert not list(place.iterdir())


def test_a_file_that_is_there_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "bioresearcher.toml").write_text("jobs = 2\n")
    assert main(["setup"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (place / "bioresearcher.toml").read_text() == "jobs = 2\n"
