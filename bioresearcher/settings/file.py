"""Reading `bioresearcher.toml`.

Top-level keys are the fields of `Settings`; `[models.default]`, `[models.reader]` and so on hold the fields of
`ModelSettings`, with `model = "PROVIDER:NAME"` as a short form. Paths are relative to the file. Keys of providers do
not belong in it: `api_key_env` names the environment variable that holds one.

Telling keys apart from settings, so that no key is stored or shown.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bioresearcher.errors import InputError
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.model import ModelSettings, ServiceSettings
from bioresearcher.settings.values import MODEL_KEYS, Settings

_NAME = re.compile(r"(?:^|[_.-])(?:api_?key|key|secret|token|password|passwd|credential|bearer)s?(?:$|[_.-])", re.I)
_HARMLESS = {"api_key_env", "max_tokens", "tokens_per_minute", "ncbi_key_env"}
_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{6,}|AIza[A-Za-z0-9_-]{20,}|(?:hf|gsk|ghp|xai|pplx|nvapi)[_-][A-Za-z0-9_-]{16,})"
)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""Upper case only, as variables with keys are written everywhere: a key pasted here instead does not fit."""


def looks_like_key(text: str) -> bool:
    """Whether a text holds what looks like a provider's key."""
    return _VALUE.search(text) is not None


def is_variable_name(text: str) -> bool:
    """Whether a text can name an environment variable with a key, rather than be one."""
    return _VARIABLE.fullmatch(text) is not None and not looks_like_key(text)


def find_key(table: Mapping[str, object], where: str = "") -> str | None:
    """The first field of a parsed file that holds a key, by its name or by its value; None when there is none."""
    return next(_keys(table, where, depth=0), None)


def _keys(value: object, where: str, depth: int) -> Iterator[str]:
    if depth > 20:  # no setting lies that deep, and the rest is refused as unknown
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            place = f"{where}.{name}" if where else str(name)
            if looks_like_key(str(name)):
                yield f"{where or 'a field'} (a key stands where a name should)"
            elif str(name) not in _HARMLESS and _NAME.search(str(name)):
                yield place
            else:
                yield from _keys(inner, place, depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield from _keys(inner, f"{where}[{number}]", depth + 1)
    elif isinstance(value, str) and looks_like_key(value):
        yield where


NAME = "bioresearcher.toml"
_MAX_BYTES = 1 << 20
_PATHS = ("workspace", "project", "agents_dir", "prompts_dir", "skills_dir", "prices")
_KEYS = tuple(k for k in Settings.model_fields if k not in {"config", "every_model"})


@dataclass(frozen=True)
class SettingsFile:
    """What a file sets; each value fits its field, but a model's table need not be complete. `where` names the file."""

    where: str
    values: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def find_settings_file(named: Path | None, project: Path | None, folder: Path) -> Path | None:
    """The file to read: the one that was named, else the project's, else the current folder's, else None."""
    if named is not None:
        return named
    for place in (project, folder):
        if place is not None and (place / NAME).is_file():
            return place / NAME
    return None


def read_settings_file(path: Path) -> SettingsFile:
    """What a file sets.

    Raises:
        InputError: It cannot be read, is not TOML, holds a key, or a field is unknown or of a wrong type; the message
            names the file and the field, and what is possible there. It never shows what stands in an address or key.
    """
    return settings_from(_parse(path), str(path), path.parent)


def settings_from(raw: Mapping[str, Any], where: str, folder: Path) -> SettingsFile:
    """What a parsed file, or a part of one, sets; paths are relative to `folder`.

    Raises:
        InputError: As `read_settings_file`; messages begin with `where`.
    """
    key = find_key(raw)
    if key is not None:
        raise InputError(
            f"{where}: {key}: keys are not read from files.",
            hint='Put it into an environment variable and name that one: api_key_env = "MY_KEY".',
        )
    _refuse_unknown(where, "", raw, _KEYS)
    tables = _table(where, "models", raw.get("models", {}))
    _refuse_unknown(where, "models.", tables, MODEL_KEYS)
    models = {name: _model(where, f"models.{name}", table) for name, table in tables.items()}
    values = {
        name: _path(where, folder, name, value) if name in _PATHS else value
        for name, value in raw.items()
        if name != "models"
    }
    if "pubmed_xml" in values:
        values["pubmed_xml"] = _path_list(where, folder, "pubmed_xml", values["pubmed_xml"])
    if "limits" in values:
        limits = _table(where, "limits", values["limits"])
        _refuse_unknown(where, "limits.", limits, Limits.model_fields)
        values["limits"] = _checked(where, "limits.", Limits, limits)
    if "services" in values:
        services = _table(where, "services", values["services"])
        _refuse_unknown(where, "services.", services, ServiceSettings.model_fields)
        variable = services.get("ncbi_key_env")
        if isinstance(variable, str) and not is_variable_name(variable):
            raise InputError(
                f"{where}: services.ncbi_key_env: must be the name of an environment variable, in capitals."
            )
        values["services"] = _checked(where, "services.", ServiceSettings, services)
    _checked(where, "", Settings, values)
    if values.get("sandbox") == "none":  # a file may come with somebody's project; giving up protection may not
        raise InputError(
            f"{where}: sandbox: none cannot be set in a file.", hint="Say it yourself: --sandbox none, for this run."
        )
    return SettingsFile(where, values, models)


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: is larger than 1 MB and no settings file.")
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text.", hint="Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise InputError(f"{path}: is nested too deeply for a settings file.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read ({reason}).", hint="Check --config.") from error


def _refuse_unknown(where: str, prefix: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean `{close[0]}`?" if close else "."
            raise InputError(f"{where}: {prefix}{name}: unknown key{meant}", hint=f"Possible: {', '.join(known)}.")


def _table(where: str, name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(
            f"{where}: {name}: must be a table, not {value!r:.60}.", hint=f"Write [{name}] on a line of its own."
        )
    return value


def _path(where: str, folder: Path, name: str, value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(f"{where}: {name}: must be a path in quotes, not {value!r}.")
    try:
        return folder / Path(value).expanduser()
    except RuntimeError as error:  # the home of somebody who does not exist
        raise InputError(f"{where}: {name}: {value!r}: {error}.") from error


def _path_list(where: str, folder: Path, name: str, value: object) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise InputError(f"{where}: {name}: must be a list of paths, not {value!r:.60}.")
    return tuple(_path(where, folder, name, item) for item in value)


def _model(where: str, name: str, value: object) -> dict[str, Any]:
    """A model's table; each field fits, whether or not provider and model are named."""
    table = _table(where, name, value)
    _refuse_unknown(where, f"{name}.", table, ModelSettings.model_fields)
    variable = table.get("api_key_env")
    if isinstance(variable, str) and not is_variable_name(variable):
        raise InputError(
            f"{where}: {name}.api_key_env: must be the name of an environment variable, in capitals.",
            hint='For example: api_key_env = "LAB_API_KEY". The key itself belongs into that variable.',
        )
    _checked(where, f"{name}.", ModelSettings, {"provider": "compatible", "model": "any", **table})
    return table


def _checked(where: str, prefix: str, kind: type[Any], values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    try:
        return kind.model_validate(values, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {prefix}{place}: {complaint(place, first['msg'], first['input'])}.") from error


def complaint(place: str, message: str, value: object) -> str:
    """What is wrong with a value; addresses and variables are not shown, for a key may stand in them."""
    text = message.removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    hidden = place.rpartition(".")[2] in {"base_url", "api_key_env"} or not isinstance(value, str | int | float)
    shown = repr(value)
    return text if hidden else f"{text} (got {shown if len(shown) <= 80 else shown[:80] + '…'})"
