"""`bioresearcher.toml`: found, read, checked; and never a place for keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.settings import Settings, load_settings_with_origin
from bioresearcher.settings.file import find_key, is_variable_name, looks_like_key, read_settings_file

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-" + "proj-0123456789abcdef"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "bioresearcher.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder: Path, text: str | bytes) -> str:
    path = written(folder, text)
    with pytest.raises(InputError) as caught:
        read_settings_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_named_file_goes_before_the_projects_and_this_before_the_one_here(tmp_path: Path) -> None:
    for number, name in enumerate(("here", "project", "named"), start=1):
        (tmp_path / name).mkdir()
        written(tmp_path / name, f"max_papers = {number}\n")
    here, project = tmp_path / "here", tmp_path / "project"
    named = tmp_path / "named" / "bioresearcher.toml"

    def papers(flags: dict[str, object], environ: dict[str, str] | None = None) -> int:
        return load_settings_with_origin(flags, environ or {}, folder=here)[0].max_papers

    assert papers({}) == 1
    assert papers({"project": project}) == papers({}, {"BIORESEARCHER_PROJECT": str(project)}) == 2
    assert papers({"project": project, "config": named}) == 3
    assert papers({"project": project}, {"BIORESEARCHER_CONFIG": str(named)}) == 3
    (project / "bioresearcher.toml").unlink()
    assert papers({"project": project}) == 1


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'workspace = "w"\nprices = "/etc/prices.toml"\nskills_dir = "../skills"\n')
    settings, _ = load_settings_with_origin({"config": path}, {}, folder=Path("/nowhere"))
    assert settings.workspace == tmp_path / "w"
    assert settings.prices == Path("/etc/prices.toml")
    assert settings.skills_dir == tmp_path / ".." / "skills"


def test_limits_are_set_one_by_one(tmp_path: Path) -> None:
    path = written(tmp_path, "[limits]\nwall_s = 10\n")
    settings, origin = load_settings_with_origin({"config": path}, {}, folder=tmp_path)
    assert (settings.limits.wall_s, settings.limits.files) == (10, Settings().limits.files)
    assert {k for k in origin if k.startswith("limits")} == {"limits.wall_s"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_paper = 3", "max_paper: unknown key; did you mean `max_papers`? Possible: "),
        ("config = 'x'", "config: unknown key"),
        ("every_model = 1", "every_model: unknown key"),
        ("[models.writer]\nmodel = 'x'", "models.writer: unknown key. Possible: default, reader, "),
        ("[models.reader]\ntemprature = 1", "models.reader.temprature: unknown key; did you mean `temperature`?"),
        ("[limits]\nwal_s = 1", "limits.wal_s: unknown key; did you mean `wall_s`?"),
        ("jobs = true", "jobs: input should be a valid integer"),
        ("jobs = '4'", "jobs: input should be a valid integer"),
        ("jobs = 900", "jobs: input should be less than or equal to 64 (got 900)"),
        ("max_usd = inf", "max_usd: input should be a finite number"),
        ("max_usd = 2020-01-01", "max_usd: input should be a valid number"),
        ("backend = 'cloud'", "backend: input should be 'auto', 'offline', 'local' or 'chat' (got 'cloud')"),
        ("sandbox = 'none'", "sandbox: none cannot be set in a file"),
        ("workspace = 3", "workspace: must be a path in quotes"),
        ("workspace = \"a\\u0000b\"", "workspace: must be a path in quotes"),
        ("models = 3", "models: must be a table"),
        ("[models]\nreader = 'openai:x'", "models.reader: must be a table"),
        ("limits = 3", "limits: must be a table"),
        ("[models.default]\ntemperature = 'warm'", "models.default.temperature: input should be a valid number"),
        ("[models.default]\ntemperature = 5", "models.default.temperature: input should be less than or equal to 2"),
        ("[models.default]\nprovider = 'bard'", "models.default.provider: input should be 'openai', "),
        ("[models.default]\nmodel = ''", "models.default.model: string should have at least 1 character"),
        ("[models.default]\nbase_url = 'ftp://x'", "models.default.base_url: must be an http or https address"),
        ("x = [", "is not valid TOML"),
        (b"x = '\xff'", "is not UTF-8 text"),
        ("x = " + "[" * 5000, "is n"),
        (b"#" * (2 << 20), "is larger than 1 MB"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_key_and_what_is_possible(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert refusal(tmp_path, text).startswith(said)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_settings_file(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        f"[models.default]\nmodel = 'a'\napi_key = '{KEY}'",
        f"openai_api_key = '{KEY}'",
        "[models.reader]\nAPI-KEY = 'x'",
        "[models.reader]\ntoken = 'x'",
        "[models.reader]\nclient_secret = 'x'",
        "password = 'x'",
        f"[models.default]\nmodel = '{KEY}'",
        f"[models.default]\nmodel = 'openai:{KEY}'",
        f"[models.default]\napi_key_env = '{KEY}'",
        f"workspace = 'a/{KEY}'",
        f"[[models.default.x]]\ny = ['{KEY}']",
        f"'{KEY}' = 1",
        f"[models.default]\nbase_url = 'https://lab.example.org/v1?key={KEY}'",
    ],
)
def test_a_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    said = refusal(tmp_path, text)
    assert "keys are not read from files" in said
    assert "api_key_env" in said
    assert KEY not in said
    assert "0123456789" not in said


def test_a_key_of_unknown_form_in_place_of_a_variable_is_not_shown(tmp_path: Path) -> None:
    said = refusal(tmp_path, "[models.default]\napi_key_env = 'd3adbeefd3adbeef'")
    assert said.startswith("models.default.api_key_env: must be the name of an environment variable")
    assert "d3adbeef" not in said


def test_credentials_in_an_address_are_not_shown(tmp_path: Path) -> None:
    said = refusal(tmp_path, "[models.default]\nbase_url = 'http://me:hunter2@lab/v1'")
    assert said.startswith("models.default.base_url: must not hold a user name or password")
    assert "hunter2" not in said


def test_ordinary_fields_are_not_taken_for_keys() -> None:
    fine = {
        "max_tokens": 1,
        "models": {"reader": {"api_key_env": "LAB_KEY", "tokens_per_minute": 5, "model": "task-sk-x"}},
    }
    assert find_key(fine) is None
    assert not looks_like_key("qwen2.5-coder:1.5b")
    assert is_variable_name("OPENAI_API_KEY")
    assert not is_variable_name("openai_api_key")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(["model", "provider", "base_url", "temperature", "context", "api_key_env", "stream"]))
def test_any_value_of_a_models_field_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, value: object, name: str
) -> None:
    text = toml_of(value)
    if text is None:
        return
    start = "[models.default]\n" + ("" if name == "model" else "model = 'a'\n")
    path = written(tmp_path_factory.mktemp("any"), f"{start}{name} = {text}\n")
    said = str(path)
    try:
        load_settings_with_origin({"config": path}, {}, folder=path.parent)
    except InputError as error:
        said = str(error)
    assert str(path) in said


def toml_of(value: object) -> str | None:
    """The value in TOML; None where TOML has no such value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if -(2**63) <= value < 2**63 else None
    if isinstance(value, str):
        return json.dumps(value) if value.isprintable() else None
    if isinstance(value, list):
        parts = [toml_of(v) for v in value]
        return None if None in parts else f"[{', '.join(p for p in parts if p is not None)}]"
    return None


@pytest.mark.parametrize("source", ["file", "flag", "environment"])
def test_the_structured_value_of_earlier_versions_is_read_and_kept_for_a_resumed_run(
    tmp_path: Path, source: str
) -> None:
    line = 'structured = "tools"\n' if source == "file" else ""
    path = written(tmp_path, f'[models.default]\nmodel = "openai:m"\n{line}')
    flags = {"config": path} | ({"structured": "tools"} if source == "flag" else {})
    settings, _ = load_settings_with_origin(
        flags, {"BIORESEARCHER_STRUCTURED": "tools"} if source == "environment" else {}
    )
    assert settings.models["default"].structured == "tools"
    again = Settings.model_validate(json.loads(json.dumps(settings.record())))
    assert again == settings  # so that recorded answers are found: the value is part of a call's key


def test_the_shipped_example_says_nothing_wrong(tmp_path: Path) -> None:
    """As it is it sets nothing; with its comments opened, every line of it is understood."""
    text = (ROOT / "docs" / "bioresearcher.toml").read_text(encoding="utf-8")
    assert read_settings_file(written(tmp_path, text)).values == {}
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    opened = [
        line for line in lines if line.startswith("[") or (line.partition(" = ")[0].isidentifier() and " = " in line)
    ]
    path = written(tmp_path, "\n".join(opened))
    settings, _ = load_settings_with_origin({"config": path}, {}, folder=tmp_path)
    assert set(settings.models) == {"default", "reader", "coder", "reviewer"}
    assert settings.models["reader"].api_key_env == "LAB_API_KEY"
    assert settings.max_tokens == 2_000_000
