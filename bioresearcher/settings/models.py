"""The model of each role: provider, address and the variable of its key, combined from the layers of settings.

A model named by a higher layer (environment, then flags) replaces the lower layers' settings of it, and a model for all
roles replaces lower layers' models of single roles. Settings of a server (address, key, API version, limits) carry over
only to a model at the same server, so that nothing configured for one provider ever reaches another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import ValidationError

from bioresearcher.errors import InputError
from bioresearcher.schemas.model import ModelSettings, Provider
from bioresearcher.settings.file import complaint, looks_like_key
from bioresearcher.settings.values import MODEL_KEYS, ModelOptions

_PROVIDERS: tuple[str, ...] = get_args(Provider)
_OF_THE_MODEL = {"model", "context"}
_OF_THE_SERVER = {"provider", "base_url"}
_PORTABLE = {"provider", "model", "temperature", "seed", "max_output"}
"""Settings that a model keeps at another address."""
_PLAIN = (None, "openai", "compatible")
"""Providers that a name without a provider can belong to."""


@dataclass(frozen=True)
class Cell:
    """A value with its origin."""

    value: Any
    origin: str
    layer: Literal["file", "environment", "flag"]

    @property
    def place(self) -> str:
        """Name of the origin in an error."""
        return self.origin.removeprefix("flag ")


Table = dict[str, Cell]
"""Settings of one role's model so far: fields of `ModelSettings`."""


@dataclass(frozen=True)
class Layer:
    """Models and address set by the environment, or by the flags."""

    names: Mapping[str, Cell] = field(default_factory=dict)
    base_url: Cell | None = None


def _split_name(text: str, where: str) -> tuple[str | None, str]:
    """Split `PROVIDER:NAME`; the provider is None where none is named.

    Raises:
        InputError: It is empty, an address, or a key.
    """
    text = text.strip()
    if looks_like_key(text):
        raise InputError(f"{where}: this looks like a key, not like a model.", hint="Keys belong into the environment.")
    provider, colon, name = text.partition(":")
    if colon and name.startswith("//"):
        raise InputError(f"{where}: {text!r} is an address, not a model.", hint="Addresses go to --base-url.")
    known = provider.lower() if colon and provider.lower() in _PROVIDERS else None
    name = name.strip() if known else text
    if not name or not name.isprintable():
        raise InputError(f"{where}: {text!r} names no model.", hint=f"PROVIDER:NAME with {', '.join(_PROVIDERS)}.")
    return known, name


def file_tables(tables: Mapping[str, Mapping[str, Any]], origin: str) -> dict[str, Table]:
    """Read the tables of a settings file, splitting the short form `model = "PROVIDER:NAME"`.

    Raises:
        InputError: A name is invalid, or a table names a key but no server.
    """
    found = {}
    for key, values in tables.items():
        table = {name: Cell(value, origin, "file") for name, value in values.items()}
        if "model" in table:
            where = f"{origin}: models.{key}.model"
            if "provider" not in table:
                table = _named(table, table["model"], where)
            elif looks_like_key(str(table["model"].value)):
                _split_name(str(table["model"].value), where)
        found[key] = table
    for key, table in found.items():
        named = (table.keys() | found.get("default", {}).keys()) & {"model", *_OF_THE_SERVER}
        if "api_key_env" in table and not named:
            raise InputError(
                f"{origin}: models.{key}.api_key_env: no server is named for it.",
                hint=f"Set models.{key}.model, or provider or base_url.",
            )
    return found


def _named(table: Table, cell: Cell, where: str) -> Table:
    provider, name = _split_name(str(cell.value), where)
    return {**table, "model": replace(cell, value=name)} | (
        {"provider": replace(cell, value=provider)} if provider else {}
    )


def _provider(table: Table) -> str | None:
    """Return the provider that a table names or, by an address alone, implies."""
    if "provider" in table:
        return str(table["provider"].value)
    return "compatible" if "base_url" in table else None


def _url(table: Table) -> str | None:
    """Return the address that a table names."""
    return str(table["base_url"].value).rstrip("/") if "base_url" in table else None


def apply_layer(tables: Mapping[str, Table], layer: Layer, *, local: bool) -> dict[str, Table]:
    """Apply a higher layer to the tables.

    Raises:
        InputError: A name without a provider, or an address, could be for several providers.
    """
    after = {key: dict(table) for key, table in tables.items()}
    if "default" in layer.names:  # a role that is only tuned stays tuned; one that has a model of its own loses it
        after = {k: t for k, t in after.items() if k == "default" or not (t.keys() & {"model", *_OF_THE_SERVER})}
    old = tables.get("default", {})
    for key, cell in layer.names.items():
        before = _provider(after.get(key, {})) or (_provider(old) if key != "default" else None)
        after[key] = _renamed(after.get(key, {}), before, cell, f"models.{key}", local=local)
    moved: list[str] = []
    if layer.base_url is not None:
        moved = _at_the_address(after, list(layer.names), layer.base_url)
        after |= {key: _moved(after.get(key, {}), layer.base_url) for key in moved}
    if _server(old) != _server(after.get("default", {})):
        for key in after.keys() - {"default", *moved}:
            before_it = tables.get(key, {})
            if "base_url" not in before_it and _follows(before_it, old):  # its key was for the old server
                after[key] = {k: c for k, c in after[key].items() if k in _PORTABLE}
    return after


def _server(table: Table) -> tuple[str | None, str | None]:
    return _provider(table), _url(table)


def _follows(table: Table, default: Table) -> bool:
    """Check whether a role's model is at the default model's server."""
    provider, url = table.get("provider"), _url(table)
    return (provider is None or provider.value == _provider(default)) and (url is None or url == _url(default))


def _renamed(table: Table, before: str | None, cell: Cell, name: str, *, local: bool) -> Table:
    """Name another model than that of the provider `before`; the server's settings stay if the server does."""
    provider, _ = _split_name(str(cell.value), cell.place)
    if provider is None:
        if local and _url(table) is None:  # this is a server of this machine, not the provider's own
            table = {k: c for k, c in table.items() if k not in _OF_THE_SERVER | {"api_key_env"}}
        elif before not in _PLAIN:
            raise _ambiguous(cell, name, str(before))
    elif before not in (None, provider):
        table = {}
    kept = {k: c for k, c in table.items() if k not in _OF_THE_MODEL}
    return _named(kept, cell, cell.place)


def _ambiguous(cell: Cell, other: str, provider: str, field: str = "") -> InputError:
    name, place = str(cell.value), cell.place + (field if cell.layer == "file" else "")
    return InputError(
        f"{place}: {name!r} names no provider, and {other} is {provider}'s.",
        hint=f"Write {provider}:{name} or openai:{name}.",
    )


def _at_the_address(tables: Mapping[str, Table], keys: list[str], url: Cell) -> list[str]:
    """Find the models that an address without a role is for.

    These are the models named in the same layer (`keys`), else the default one, else all. Among several, those that
    need an address; else they must be of one provider.

    Raises:
        InputError: They are of several providers.
    """
    if not keys:
        keys = ["default"] if "model" in tables.get("default", {}) else [k for k, t in tables.items() if "model" in t]
    providers = {key: tables[key]["provider"].value if "provider" in tables[key] else None for key in keys}
    needing = [key for key, provider in providers.items() if provider in (None, "compatible")]
    if needing or not keys:
        return needing or ["default"]
    several = sorted({str(provider) for provider in providers.values()})
    if len(several) > 1:
        raise InputError(
            f"{url.place}: it is not clear which model is there ({', '.join(several)}).",
            hint="Give each model its base_url in bioresearcher.toml.",
        )
    return keys


def _moved(table: Table, cell: Cell) -> Table:
    """Change the address of a table; key, API version and limits belonged to the old one and are dropped."""
    if _url(table) == str(cell.value).rstrip("/"):
        return {**table, "base_url": cell}
    return {k: c for k, c in table.items() if k in _PORTABLE} | {"base_url": cell}


def _inherited(key: str, table: Table, default: Table) -> Table:
    """Complete a role's table by the default one's if both are of the same server.

    Raises:
        InputError: The role names a model but no provider, and the default provider's names are not like OpenAI's.
    """
    if not table.keys() & _OF_THE_SERVER and "model" in table and _provider(default) not in _PLAIN:
        raise _ambiguous(table["model"], "models.default", str(_provider(default)), f": models.{key}")
    if not _follows(table, default):
        return table
    if "base_url" not in table and "base_url" in default and default["base_url"].layer != "file":
        # a file's key was not written for an address that was given elsewhere
        table = {k: c for k, c in table.items() if k != "api_key_env"}
    dropped = _OF_THE_MODEL if "model" in table else set()
    shared = {k: c for k, c in default.items() if k not in dropped}
    return shared | {k: c for k, c in table.items() if k != "base_url" or "base_url" not in shared}


STANDARD_KEY: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
}
"""Variable with the key for a provider's own address."""
_OLLAMA_ADDRESS = "http://127.0.0.1:11434"
_OWN_HOSTS = {
    "api.openai.com": "openai",
    "eu.api.openai.com": "openai",
    "us.api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "google",
}


@dataclass(frozen=True)
class Surroundings:
    """Environment, and whether the backend `local` was asked for."""

    environ: Mapping[str, str]
    local: bool


def resolve(
    tables: Mapping[str, Table], options: Table, around: Surroundings
) -> tuple[dict[str, ModelSettings], dict[str, str]]:
    """Resolve the models by role as far as they are set, and the origin of each value (key `models.reader.seed`).

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
        whole = table if key == "default" else _inherited(key, table, default)
        if "model" not in whole:
            if key == "default":
                continue
            place = next(iter(table.values())).place
            raise InputError(f"{place}: models.{key}: no model is named.", hint=f"Set models.{key}.model.")
        whole = _complete(key, whole | options, around)
        models[key] = _validated(key, whole)
        origin |= {f"models.{key}.{name}": cell.origin for name, cell in whole.items()}
    return models, origin


def option_values(options: Table) -> ModelOptions:
    """Check options that hold for any model; fields of a server are left out.

    Raises:
        InputError: A value does not fit.
    """
    named = {k: c for k, c in options.items() if k in ModelOptions.model_fields}
    some = {k: Cell(v, "", "environment") for k, v in (("provider", "compatible"), ("model", "any"))}
    checked = _validated("default", some | named)
    return ModelOptions(**{name: getattr(checked, name) for name in named})


def _complete(key: str, table: Table, around: Surroundings) -> Table:
    """Add provider, address and the key's variable where no layer names them."""
    table = dict(table)
    shared = around.environ.get("OPENAI_BASE_URL", "")
    provider = _provider(table)
    plain = provider in (None, "compatible") and "base_url" not in table
    if shared and "base_url" not in table and (provider == "openai" or (plain and _usable(shared, around))):
        table["base_url"] = Cell(shared, "OPENAI_BASE_URL", "environment")
    if "provider" not in table:
        url = _url(table)
        meant = (_own(url) or "compatible") if url else "compatible" if around.local else "openai"
        table["provider"] = replace(table["model"], value=meant)
    _complete_address(key, table, around)
    if "api_key_env" not in table:
        variable = _key_variable(table, around.environ)
        if variable is not None:
            table["api_key_env"] = Cell(variable, "default", "environment")
    return table


def _usable(url: str, around: Surroundings) -> bool:
    """Check whether a name without an address may be at `OPENAI_BASE_URL`: with `local`, only on this machine."""
    host = _parts(url)[1]
    return not around.local or host in {"localhost", "::1"} or host.startswith("127.")


def _complete_address(key: str, table: Table, around: Surroundings) -> None:
    provider = table["provider"].value
    if provider == "ollama" and "base_url" not in table:
        table["base_url"] = Cell(_OLLAMA_ADDRESS, "default", "environment")
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
    """Choose the variable whose key goes to a model's address by default.

    The provider's own address gets the provider's key. An address that the user gave in this shell gets the key that is
    set in it. An address from a file gets none, as the author of the file decides where it points.
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
    """Return the provider whose own address this is, or None."""
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
    """Refuse an address with a part that no base URL has or that may hold a key: a query, a fragment, a bad port."""
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
