"""The model of each role as it will be called: provider, address, and the variable its key is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import ValidationError

from bioresearcher.errors import InputError
from bioresearcher.schemas.model import ModelSettings
from bioresearcher.settings.file import complaint
from bioresearcher.settings.secrets import looks_like_key
from bioresearcher.settings.tables import Cell, Table, inherited, provider_of, url_of, with_value
from bioresearcher.settings.values import MODEL_KEYS, ModelOptions

STANDARD_KEY: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
}
"""The variable with the key for a provider's own address."""
OLLAMA_ADDRESS = "http://127.0.0.1:11434"
_OWN_HOSTS = {
    "api.openai.com": "openai",
    "eu.api.openai.com": "openai",
    "us.api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google",
}


@dataclass(frozen=True)
class Surroundings:
    """What else decides about addresses and keys."""

    environ: Mapping[str, str]
    local: bool


def resolve(
    tables: Mapping[str, Table], options: Table, around: Surroundings
) -> tuple[dict[str, ModelSettings], dict[str, str]]:
    """The models by role as far as they are set, and the origin of each value (`models.reader.seed` → where from).

    Raises:
        InputError: A model lacks its name or address, or a value does not fit.
    """
    models: dict[str, ModelSettings] = {}
    origin: dict[str, str] = {}
    default = tables.get("default", {})
    for key in MODEL_KEYS:
        table = tables.get(key)
        if not table:
            continue
        whole = table if key == "default" else inherited(key, table, default)
        if "model" not in whole:
            if key == "default":
                continue
            place = next(iter(table.values())).place
            raise InputError(f"{place}: models.{key}: no model is named.", hint=f"Set models.{key}.model.")
        whole = _complete(key, whole | options, around)
        models[key] = _validated(key, whole)
        origin |= {f"models.{key}.{name}": cell.origin for name, cell in whole.items()}
    return models, origin


def left_over(tables: Mapping[str, Table]) -> ModelOptions:
    """How a default model without a name is to be called, whichever it will be."""
    default = tables.get("default", {})
    if "model" in default:
        return ModelOptions()
    return ModelOptions(**{k: c.value for k, c in default.items() if k in ModelOptions.model_fields})


def _complete(key: str, table: Table, around: Surroundings) -> Table:
    """Provider, address and the key's variable, where nothing names them."""
    table = dict(table)
    shared = around.environ.get("OPENAI_BASE_URL", "")
    model = table["model"]
    provider = provider_of(table)
    plain = provider in (None, "compatible") and "base_url" not in table
    if shared and "base_url" not in table and (provider == "openai" or (plain and _usable(shared, around))):
        table["base_url"] = Cell(shared, "OPENAI_BASE_URL", "environment")
    if "provider" not in table:
        url = url_of(table)
        meant = (_own(url) or "compatible") if url else "compatible" if around.local else "openai"
        table["provider"] = with_value(model, meant)
    _complete_address(key, table, around)
    if "api_key_env" not in table:
        variable = _key_variable(table, around.environ)
        if variable is not None:
            table["api_key_env"] = Cell(variable, "default", "environment")
    return table


def _usable(url: str, around: Surroundings) -> bool:
    """Whether a name without an address may be looked for at `OPENAI_BASE_URL`: not elsewhere when local was asked."""
    host = _parts(url)[1]
    return not around.local or host in {"localhost", "::1"} or host.startswith("127.")


def _complete_address(key: str, table: Table, around: Surroundings) -> None:
    provider = table["provider"].value
    if provider == "ollama" and "base_url" not in table:
        table["base_url"] = Cell(OLLAMA_ADDRESS, "default", "environment")
    if provider == "azure":
        for name, variable in (("base_url", "AZURE_OPENAI_ENDPOINT"), ("api_version", "OPENAI_API_VERSION")):
            if name not in table and around.environ.get(variable):
                table[name] = Cell(around.environ[variable], variable, "environment")
    missing = provider in ("azure", "compatible") and "base_url" not in table
    if missing and not (around.local and provider == "compatible"):
        what = "an Azure resource" if provider == "azure" else "a compatible server"
        raise InputError(
            f"{table['model'].place}: models.{key} is at {what} whose address is not set.",
            hint="Add --base-url URL, or base_url in bioresearcher.toml.",
        )


def _key_variable(table: Table, environ: Mapping[str, str]) -> str | None:
    """The variable whose key goes to a model's address, by default.

    The provider's own address gets the provider's key. An address that the user gave in this shell gets the key that
    is set in it. An address from a file gets none: who wrote the file decides where it points.
    """
    provider, url = str(table["provider"].value), table.get("base_url")
    if url is None or (_own(str(url.value)) == provider):
        return STANDARD_KEY.get(provider)
    if url.layer == "file" or provider == "ollama":
        return None
    if provider in ("openai", "compatible"):
        return "OPENAI_API_KEY" if environ.get("OPENAI_API_KEY") else None
    return STANDARD_KEY.get(provider)


def _own(url: str) -> str | None:
    """The provider whose own address this is."""
    scheme, host = _parts(url)
    return _OWN_HOSTS.get(host) if scheme == "https" else None


def _parts(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.hostname or ""


def _validated(key: str, table: Table) -> ModelSettings:
    if "base_url" in table:
        _check_address(table["base_url"], f"models.{key}.base_url")
    try:
        return ModelSettings.model_validate({name: cell.value for name, cell in table.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        place = table[name].place if name in table else f"models.{key}"
        if name in table and table[name].layer == "file":
            place += f": models.{key}.{name}"
        raise InputError(f"{place}: {complaint(name, first['msg'], first['input'])}.") from error


def _check_address(cell: Cell, name: str) -> None:
    """Refuse what no base URL has and what would show a key: a query, a fragment, a port that is none."""
    place = f"{cell.place}: {name}" if cell.layer == "file" else cell.place
    try:
        parts = urlsplit(str(cell.value))
        wrong = bool(parts.query or parts.fragment) or parts.port == 0
    except ValueError:
        wrong = True
    if wrong or not str(cell.value).isprintable() or looks_like_key(str(cell.value)):
        raise InputError(
            f"{place}: this is no base URL.", hint="It is like http://HOST:PORT/v1, without a key or a query."
        )
