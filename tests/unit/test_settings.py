"""Settings: flags before environment before file before defaults, each with its origin."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.settings import Settings, load_settings, load_settings_with_origin, models_by_role, with_budget
from bioresearcher.settings.file import settings_from


def load(
    folder: Path, flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, toml: str | None = None
) -> tuple[Settings, dict[str, str]]:
    if toml is not None:
        (folder / "bioresearcher.toml").write_text(toml, encoding="utf-8")
    return load_settings_with_origin(flags or {}, environ or {}, folder=folder)


def test_without_anything_all_is_default(tmp_path: Path) -> None:
    settings, origin = load(tmp_path)
    assert (settings.backend, settings.models, settings.max_usd, settings.config) == ("auto", {}, None, None)
    assert origin == {}


def test_a_flag_goes_before_the_environment_and_this_before_the_file(tmp_path: Path) -> None:
    toml = "max_usd = 1\nmax_tokens = 1\nmax_minutes = 1\n"
    environ = {"BIORESEARCHER_MAX_USD": "2", "BIORESEARCHER_MAX_TOKENS": "2"}
    settings, origin = load(tmp_path, {"max_usd": 3.0}, environ, toml)
    assert (settings.max_usd, settings.max_tokens, settings.max_minutes) == (3, 2, 1)
    file = str(tmp_path / "bioresearcher.toml")
    assert origin["max_usd"] == "flag --max-usd"
    assert origin["max_tokens"] == "BIORESEARCHER_MAX_TOKENS"
    assert origin["max_minutes"] == file
    assert (settings.config, origin["config"]) == (Path(file), "current folder")


def test_every_plain_variable_is_read(tmp_path: Path) -> None:
    environ = {
        "BIORESEARCHER_WORKSPACE": "w",
        "BIORESEARCHER_BACKEND": "offline",
        "BIORESEARCHER_JOBS": "3",
        "BIORESEARCHER_MAX_MINUTES": "1.5",
        "BIORESEARCHER_PRICES": "p.toml",
        "BIORESEARCHER_SANDBOX": "none",
    }
    settings, origin = load(tmp_path, environ=environ)
    assert (settings.workspace, settings.backend, settings.jobs) == (Path("w"), "offline", 3)
    assert (settings.max_minutes, settings.prices, settings.sandbox) == (1.5, Path("p.toml").absolute(), "none")
    assert set(origin.values()) == set(environ)


def test_an_empty_variable_is_not_given(tmp_path: Path) -> None:
    settings, origin = load(tmp_path, environ={"BIORESEARCHER_MAX_USD": "", "BIORESEARCHER_MODEL": ""})
    assert (settings.max_usd, settings.models, origin) == (None, {}, {})


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        ({"max_usd": float("nan")}, {}, "--max-usd: "),
        ({"max_usd": 0.0}, {}, "--max-usd: "),
        ({"max_tokens": -5}, {}, "--max-tokens: "),
        ({"max_minutes": float("inf")}, {}, "--max-minutes: "),
        ({"max_papers": -3}, {}, "--max-papers: "),
        ({}, {"BIORESEARCHER_MAX_TOKENS": "many"}, "BIORESEARCHER_MAX_TOKENS: "),
        ({}, {"BIORESEARCHER_BACKEND": "cloud"}, "BIORESEARCHER_BACKEND: "),
        ({}, {"BIORESEARCHER_TEMPERATURE": "hot"}, "BIORESEARCHER_TEMPERATURE: "),
        ({"model": ["m"], "temperature": 3.0}, {}, "--temperature: "),
        ({"model": ["m"], "context": 5}, {}, "--context: "),
        ({"model": ["m"]}, {"BIORESEARCHER_MAX_OUTPUT": "1"}, "BIORESEARCHER_MAX_OUTPUT: "),
        ({"config": Path("no-such.toml")}, {}, "no-such.toml: cannot be read"),
    ],
)
def test_a_wrong_value_names_its_option_or_variable(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, flags, environ)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    flags = {"model": ["ollama:a", "reader=openai:b"], "max_usd": 2.5, "seed": 7, "prices": Path("p.toml")}
    settings, _ = load(tmp_path, flags)
    assert Settings.model_validate(settings.record()) == settings


def test_the_record_of_an_earlier_run_is_read(tmp_path: Path) -> None:
    assert Settings.model_validate({"backend": "offline", "workspace": "w"}).models == {}


def test_load_settings_uses_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bioresearcher.toml").write_text("max_papers = 4\n")
    monkeypatch.chdir(tmp_path)
    settings = load_settings({"run": print, "json": True, "file": None})
    assert (settings.max_papers, settings.config) == (4, Path("bioresearcher.toml"))


def test_a_budget_is_raised_and_checked(tmp_path: Path) -> None:
    settings, _ = load(tmp_path, {"max_usd": 1.0, "max_tokens": 10})
    raised = with_budget(settings, {"max_usd": 5.0, "max_tokens": None, "prices": Path("p"), "workspace": Path("x")})
    assert (raised.max_usd, raised.max_tokens, raised.prices) == (5, 10, Path("p"))
    assert raised.workspace == settings.workspace
    with pytest.raises(InputError, match=r"^--max-minutes: "):
        with_budget(settings, {"max_minutes": -1.0})


def test_no_role_without_a_model_gets_another_ones(tmp_path: Path) -> None:
    settings, _ = load(tmp_path, {"model": ["reader=a", "designer=b", "coder=c"]})
    with pytest.raises(InputError, match=r"no model for the role reviewer: set models\.reviewer or models\.default"):
        models_by_role(settings)
    whole, _ = load(tmp_path, {"model": ["reader=a", "x"]})
    assert {role: m.model for role, m in models_by_role(whole).items()} == {
        "reader": "a",
        "designer": "x",
        "coder": "x",
        "reviewer": "x",
    }
    assert models_by_role(Settings()) == {}


@given(
    st.dictionaries(
        st.sampled_from(["max_usd", "max_tokens", "jobs", "max_papers", "backend", "temperature", "model", "base_url"]),
        st.text(max_size=20) | st.sampled_from(["http://lab/v1", "reader=x"]) | st.integers() | st.floats() | st.none(),
    )
)
def test_whatever_the_flags_hold_the_answer_is_settings_or_one_line(flags: dict[str, object]) -> None:
    said = ""
    try:
        load_settings_with_origin({**flags, "model": [str(flags.get("model", "m"))]}, {}, folder=Path("/nowhere"))
    except InputError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        ({"gates": ("dinner",)}, {}, "--gates: "),
        ({"jobs": 0}, {}, "--jobs: "),
        ({}, {"BIORESEARCHER_JOBS": "many"}, "BIORESEARCHER_JOBS: "),
    ],
)
def test_a_value_that_does_not_fit_is_refused_at_its_origin(
    tmp_path: Path, flags: dict[str, object], environ: dict[str, str], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, flags, environ)
    assert str(caught.value).startswith(words)


def test_of_a_table_a_batch_changes_only_the_fields_it_names(tmp_path: Path) -> None:
    over = settings_from({"limits": {"wall_s": 5.0}}, "batch.toml", tmp_path)
    (tmp_path / "bioresearcher.toml").write_text("[limits]\nwall_s = 9.0\ncpu_s = 7.0\n", encoding="utf-8")
    settings, origin = load_settings_with_origin({}, {}, folder=tmp_path, over=over)
    assert (settings.limits.wall_s, settings.limits.cpu_s) == (5, 7)
    assert (origin["limits.wall_s"], origin["limits.cpu_s"]) == ("batch.toml", str(tmp_path / "bioresearcher.toml"))
