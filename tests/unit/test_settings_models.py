"""Which model, address and key each role ends up with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.schemas.model import ModelSettings
from bioresearcher.settings import Settings, load_settings_with_origin

LAB = """
[models.default]
model = "compatible:qwen"
base_url = "http://lab:8000/v1"
api_key_env = "LAB_KEY"
context = 8192
temperature = 0.5
timeout_s = 900
"""


def models(
    folder: Path, flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, toml: str = ""
) -> dict[str, ModelSettings]:
    return load(folder, flags, environ, toml)[0].models


def load(
    folder: Path, flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, toml: str = ""
) -> tuple[Settings, dict[str, str]]:
    (folder / "bioresearcher.toml").write_text(toml, encoding="utf-8")
    return load_settings_with_origin(flags or {}, environ or {}, folder=folder)


def place(model: ModelSettings) -> tuple[str, str | None, str | None]:
    return model.label, model.base_url, model.api_key_env


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-5", ("openai:gpt-5", None, "OPENAI_API_KEY")),
        ("openai:gpt-5", ("openai:gpt-5", None, "OPENAI_API_KEY")),
        ("OpenAI:gpt-5", ("openai:gpt-5", None, "OPENAI_API_KEY")),
        ("anthropic:claude", ("anthropic:claude", None, "ANTHROPIC_API_KEY")),
        ("google:gemini", ("google:gemini", None, "GOOGLE_API_KEY")),
        ("ollama:qwen:7b", ("ollama:qwen:7b", "http://127.0.0.1:11434", None)),
        ("qwen2.5:7b", ("openai:qwen2.5:7b", None, "OPENAI_API_KEY")),
        ("org/model-name", ("openai:org/model-name", None, "OPENAI_API_KEY")),
    ],
)
def test_a_name_with_and_without_provider(
    tmp_path: Path, name: str, expected: tuple[str, str | None, str | None]
) -> None:
    assert place(models(tmp_path, {"model": [name]})["default"]) == expected
    assert place(models(tmp_path, environ={"BIORESEARCHER_MODEL": name})["default"]) == expected
    assert place(models(tmp_path, toml=f"[models.default]\nmodel = '{name}'")["default"]) == expected


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"model": ["writer=x"]}, "--model: 'writer' is no role"),
        ({"model": ["a", "b"]}, "--model: two models for all roles"),
        ({"model": ["reader=a", "reader=b"]}, "--model: two models for reader"),
        ({"model": [""]}, "--model: '' names no model"),
        ({"model": ["openai:"]}, "--model: 'openai:' names no model"),
        ({"model": ["reader="]}, "--model: '' names no model"),
        ({"model": ["http://lab/v1"]}, "--model: 'http://lab/v1' is an address"),
        ({"model": ["a\x1b[31m"]}, "--model: "),
        ({"model": ["sk-0123456789abcdef"]}, "--model: this looks like a key"),
        ({"model": ["compatible:x"]}, "--model: models.default is at a compatible server whose address is not set"),
        ({"model": ["azure:x"]}, "--model: models.default is at an Azure resource whose address is not set"),
        ({"base_url": "http://lab/v1"}, "--base-url: no model is named. Add --model NAME."),
        ({"model": ["x"], "base_url": "lab:8000"}, "--base-url: "),
        ({"model": ["x"], "base_url": "http://u:hunter2@lab/v1"}, "--base-url: must not hold a user name"),
        ({"model": ["x"], "base_url": "http://lab/v1?api_key=hunter2"}, "--base-url: this is no base URL"),
        ({"model": ["x"], "base_url": "http://lab:99999/v1"}, "--base-url: this is no base URL"),
        ({"model": ["ollama:x", "reader=openai:y"], "base_url": "http://lab"}, "--base-url: it is not clear"),
    ],
)
def test_a_wrong_flag_is_one_line(tmp_path: Path, flags: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        models(tmp_path, flags)
    assert str(caught.value).startswith(said)
    assert "hunter2" not in str(caught.value)
    assert "0123456789" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_variable_for_a_role_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="BIORESEARCHER_MODEL_READR: there is no such role"):
        models(tmp_path, environ={"BIORESEARCHER_MODEL_READR": "x"})


def test_roles_have_their_own_models_and_variables(tmp_path: Path) -> None:
    environ = {"BIORESEARCHER_MODEL": "a", "BIORESEARCHER_MODEL_CODER": "anthropic:c", "BIORESEARCHER_SEED": "3"}
    settings, origin = load(tmp_path, {"model": ["reader=ollama:r"], "temperature": 0.0}, environ)
    assert {k: m.label for k, m in settings.models.items()} == {
        "default": "openai:a",
        "reader": "ollama:r",
        "coder": "anthropic:c",
    }
    assert {(m.seed, m.temperature) for m in settings.models.values()} == {(3, 0.0)}
    assert origin["models.coder.model"] == "BIORESEARCHER_MODEL_CODER"
    assert origin["models.reader.provider"] == "flag --model"
    assert origin["models.reader.temperature"] == "flag --temperature"
    assert origin["models.reader.seed"] == "BIORESEARCHER_SEED"


def test_a_roles_table_inherits_from_the_same_server_only(tmp_path: Path) -> None:
    toml = (
        LAB
        + """
[models.reader]
temperature = 0.1
[models.designer]
model = "llama"
[models.coder]
model = "openai:gpt-5"
[models.reviewer]
base_url = "http://other:8000/v1"
model = "judge"
"""
    )
    found = models(tmp_path, toml=toml, environ={"OPENAI_API_KEY": "x"})
    assert place(found["reader"]) == ("compatible:qwen", "http://lab:8000/v1", "LAB_KEY")
    assert (found["reader"].temperature, found["reader"].context) == (0.1, 8192)
    assert place(found["designer"]) == ("compatible:llama", "http://lab:8000/v1", "LAB_KEY")
    assert (found["designer"].context, found["designer"].timeout_s) == (None, 900)  # another model's context
    assert place(found["coder"]) == ("openai:gpt-5", None, "OPENAI_API_KEY")
    assert (found["coder"].temperature, found["coder"].timeout_s) == (None, None)
    assert place(found["reviewer"]) == ("compatible:judge", "http://other:8000/v1", None)


def test_a_bare_name_beside_another_provider_is_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"models.reader: 'b' names no provider, and models.default is ollama's"):
        models(tmp_path, toml="[models.default]\nmodel = 'ollama:a'\n[models.reader]\nmodel = 'b'")
    with pytest.raises(InputError, match=r"--model: 'b' names no provider.* Write ollama:b or openai:b"):
        models(tmp_path, {"model": ["b"]}, toml="[models.default]\nmodel = 'ollama:a'")


def test_a_role_without_any_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"models.reader: no model is named"):
        models(tmp_path, toml="[models.reader]\ntemperature = 0")
    with pytest.raises(InputError, match=r"models.default: no model is named"):
        models(tmp_path, toml="[models.default]\nbase_url = 'http://lab/v1'")


def test_a_model_by_flag_stays_at_the_files_server_unless_it_names_another_provider(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "x"}
    same = models(tmp_path, {"model": ["llama"]}, environ, LAB)["default"]
    assert place(same) == ("compatible:llama", "http://lab:8000/v1", "LAB_KEY")
    assert (same.context, same.timeout_s) == (None, 900)
    other = models(tmp_path, {"model": ["openai:gpt-5"]}, environ, LAB)["default"]
    assert place(other) == ("openai:gpt-5", None, "OPENAI_API_KEY")
    assert other.timeout_s is None


def test_a_model_for_all_roles_replaces_lower_layers_models_of_single_roles(tmp_path: Path) -> None:
    toml = "[models.default]\nmodel = 'a'\n[models.reader]\nmodel = 'anthropic:r'\n[models.coder]\ntemperature = 0\n"
    found = models(tmp_path, {"model": ["ollama:mine"]}, {"BIORESEARCHER_MODEL_REVIEWER": "openai:v"}, toml)
    assert {m.label for m in found.values()} == {"ollama:mine"}
    assert found["coder"].temperature == 0
    kept = models(tmp_path, {"model": ["reviewer=ollama:mine"]}, {}, toml)
    assert {k: m.label for k, m in kept.items()} == {
        "default": "openai:a",
        "reader": "anthropic:r",
        "coder": "openai:a",
        "reviewer": "ollama:mine",
    }


def test_an_address_by_flag_takes_the_key_of_the_environment_not_the_files(tmp_path: Path) -> None:
    flags = {"base_url": "http://other:1/v1"}
    assert place(models(tmp_path, flags, {"OPENAI_API_KEY": "x"}, LAB)["default"]) == (
        "compatible:qwen",
        "http://other:1/v1",
        "OPENAI_API_KEY",
    )
    assert models(tmp_path, flags, {}, LAB)["default"].api_key_env is None
    assert models(tmp_path, {"base_url": "http://lab:8000/v1/"}, {}, LAB)["default"].api_key_env == "LAB_KEY"


def test_an_address_in_a_file_gets_no_key_unless_one_is_named(tmp_path: Path) -> None:
    keys = {"OPENAI_API_KEY": "x", "AZURE_OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x"}
    for provider in ("openai", "compatible", "azure", "anthropic"):
        toml = f"[models.default]\nprovider = '{provider}'\nmodel = 'm'\nbase_url = 'https://elsewhere.example.org/v1'"
        assert models(tmp_path, environ=keys, toml=toml)["default"].api_key_env is None
    own = "[models.default]\nmodel = 'm'\nbase_url = 'https://api.openai.com/v1'"
    assert models(tmp_path, environ=keys, toml=own)["default"].api_key_env == "OPENAI_API_KEY"
    plain = "[models.default]\nmodel = 'openai:m'\nbase_url = 'http://api.openai.com/v1'"
    assert models(tmp_path, environ=keys, toml=plain)["default"].api_key_env is None


def test_openai_base_url_stands_in_for_openais_own_address(tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": "http://vllm:8000/v1", "OPENAI_API_KEY": "x"}
    assert place(models(tmp_path, {"model": ["m"]}, environ)["default"]) == (
        "compatible:m",
        "http://vllm:8000/v1",
        "OPENAI_API_KEY",
    )
    assert place(models(tmp_path, {"model": ["openai:m"]}, environ)["default"])[:2] == (
        "openai:m",
        "http://vllm:8000/v1",
    )
    assert models(tmp_path, {"model": ["anthropic:m"]}, environ)["default"].base_url is None
    assert models(tmp_path, toml=LAB, environ=environ)["default"].base_url == "http://lab:8000/v1"
    own = {"OPENAI_BASE_URL": "https://api.openai.com/v1"}
    assert models(tmp_path, {"model": ["m"]}, own)["default"].label == "openai:m"


def test_the_address_in_the_environment_waits_for_a_model(tmp_path: Path) -> None:
    environ = {"BIORESEARCHER_BASE_URL": "http://lab:1/v1"}
    assert models(tmp_path, environ=environ) == {}
    assert place(models(tmp_path, {"model": ["m"]}, environ)["default"])[:2] == ("compatible:m", "http://lab:1/v1")
    assert place(models(tmp_path, {"model": ["reader=m"]}, environ)["reader"])[:2] == (
        "compatible:m",
        "http://lab:1/v1",
    )
    assert models(tmp_path, {"model": ["openai:m"]}, environ)["default"].base_url is None


def test_an_address_is_for_the_models_that_need_one(tmp_path: Path) -> None:
    flags = {"model": ["qwen", "reviewer=openai:gpt-5"], "base_url": "http://lab:1/v1"}
    found = models(tmp_path, flags, {"OPENAI_API_KEY": "x"})
    assert place(found["default"])[:2] == ("compatible:qwen", "http://lab:1/v1")
    assert place(found["reviewer"])[:2] == ("openai:gpt-5", None)
    assert models(tmp_path, {"model": ["ollama:q"], "base_url": "http://gpu:11434"})["default"].api_key_env is None


def test_azure_takes_its_usual_variables(tmp_path: Path) -> None:
    environ = {"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/", "OPENAI_API_VERSION": "2024-10-21"}
    found = models(tmp_path, {"model": ["azure:dep"]}, environ)["default"]
    assert place(found) == ("azure:dep", "https://r.openai.azure.com", "AZURE_OPENAI_API_KEY")
    assert found.api_version == "2024-10-21"


def test_with_local_a_bare_name_is_looked_for_on_this_machine(tmp_path: Path) -> None:
    flags = {"model": ["qwen:7b"], "backend": "local"}
    environ = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "https://far.example.org/v1"}
    assert place(models(tmp_path, flags, environ)["default"]) == ("compatible:qwen:7b", None, None)
    near = {"OPENAI_BASE_URL": "http://localhost:8089/v1"}
    assert place(models(tmp_path, flags, near)["default"])[1] == "http://localhost:8089/v1"


def test_what_is_set_for_every_model_is_kept_for_one_that_is_found_later(tmp_path: Path) -> None:
    settings, origin = load(
        tmp_path, {"backend": "local", "seed": 1}, toml="[models.default]\nstream = true\nseed = 2\n"
    )
    assert (settings.models, settings.every_model.seed, settings.every_model.stream) == ({}, 1, True)
    assert origin["every_model.seed"] == "flag --seed"


def test_a_roles_key_stays_at_the_server_it_was_written_for(tmp_path: Path) -> None:
    """Found by the property below: a role's key went along when a flag moved the default model elsewhere."""
    own_key = LAB + "[models.reader]\napi_key_env = 'READER_KEY'\n"
    assert models(tmp_path, toml=own_key)["reader"].api_key_env == "READER_KEY"
    assert models(tmp_path, {"model": ["llama"]}, toml=own_key)["reader"].api_key_env == "READER_KEY"
    keys = {"OPENAI_API_KEY": "x"}
    for flags in (
        {"base_url": "http://elsewhere:1/v1"},
        {"model": ["anthropic:claude"]},
        {"model": ["reader=openai:gpt-5"]},
        {"model": ["reader=x"], "base_url": "http://elsewhere:1/v1"},
    ):
        found = models(tmp_path, flags, keys, own_key)
        assert found.get("reader", found["default"]).api_key_env in {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"}
    with pytest.raises(InputError, match=r"models.reader.api_key_env: no server is named for it"):
        models(tmp_path, {"model": ["x"]}, toml="[models.reader]\napi_key_env = 'K'")


ADDRESSES = ("http://a.example.org/v1", "http://b.example.org/v1", "https://api.openai.com/v1")
NAMES = ("m", "n", "openai:m", "anthropic:m", "google:m", "ollama:m", "compatible:m")
TABLE = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(NAMES),
        "base_url": st.sampled_from(ADDRESSES),
        "api_key_env": st.sampled_from(("A_KEY", "B_KEY")),
        "temperature": st.sampled_from((0.1, 0.2)),
        "timeout_s": st.sampled_from((10, 20)),
    },
)
ROLE = st.sampled_from(("default", "reader", "coder"))


@given(
    tables=st.dictionaries(ROLE, TABLE, max_size=3),
    named=st.dictionaries(ROLE, st.sampled_from(NAMES), max_size=2),
    variables=st.fixed_dictionaries(
        {},
        optional={
            "BIORESEARCHER_MODEL": st.sampled_from(NAMES),
            "BIORESEARCHER_MODEL_READER": st.sampled_from(NAMES),
            "BIORESEARCHER_BASE_URL": st.sampled_from(ADDRESSES[:2]),
            "OPENAI_BASE_URL": st.sampled_from(ADDRESSES),
            "OPENAI_API_KEY": st.just("x"),
        },
    ),
    address=st.none() | st.sampled_from(("http://flag.example.org/v1",)),
)
def test_keys_and_addresses_stay_where_they_were_configured(
    tmp_path_factory: pytest.TempPathFactory,
    tables: dict[str, dict[str, object]],
    named: dict[str, str],
    variables: dict[str, str],
    address: str | None,
) -> None:
    """A file's key goes only to the server of its own table or to that of a table it shares a server with."""
    lines = []
    for key, table in tables.items():
        lines += [f"[models.{key}]", *(f"{k} = {v!r}" for k, v in table.items())]
    flags = {"model": [f"{k}={v}" for k, v in named.items()], "base_url": address}
    try:
        found = models(tmp_path_factory.mktemp("p"), flags, variables, "\n".join(lines))
    except InputError:
        return
    in_file = {str(t["base_url"]) for t in tables.values() if "base_url" in t}
    given_here = {address, variables.get("BIORESEARCHER_BASE_URL"), variables.get("OPENAI_BASE_URL")} - {None}
    named_here = {*named.values(), *variables.values(), *(t.get("model") for t in tables.values())}
    for model in found.values():
        assert {model.label, model.model} & named_here, "nobody named this model"
        if model.base_url is None:
            assert model.provider in {"openai", "anthropic", "google"}
            assert model.api_key_env in {
                {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GOOGLE_API_KEY"}[
                    model.provider
                ],
                "A_KEY",
                "B_KEY",
            }
        elif model.base_url not in given_here and "api.openai.com" not in model.base_url and model.provider != "ollama":
            assert model.base_url in in_file
            assert model.api_key_env in {None, "A_KEY", "B_KEY"}, "a key of the shell went to an address from a file"
        if model.api_key_env in {"A_KEY", "B_KEY"} and model.base_url == "http://flag.example.org/v1":
            raise AssertionError("a key of the file went to an address from a flag")
    for key in ("A_KEY", "B_KEY"):
        homes = [table.get("base_url") for table in tables.values() if table.get("api_key_env") == key]
        if len(homes) == 1 and homes[0] is not None:
            assert {m.base_url for m in found.values() if m.api_key_env == key} <= {homes[0]}
