"""Reader of the settings file `bioresearcher.toml`, which refuses keys of providers.

Top-level keys are the fields of `Settings`; `[models.default]`, `[models.reader]` and so on hold the fields of
`ModelSettings`, with `model = "PROVIDER:NAME"` as a short form. Paths are relative to the file. Keys of providers do
not belong in it, so that none is stored or shown: `api_key_env` names the environment variable that holds one.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

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
"""Upper case only, as is usual for variables with keys: a key pasted here instead does not match."""


def looks_like_key(text: str) -> bool:
    """Check whether a text contains something like a provider's key."""
    return _VALUE.search(text) is not None


def is_variable_name(text: str) -> bool:
    """Check whether a text can be the name of an environment variable, and is not a key itself."""
    return _VARIABLE.fullmatch(text) is not None and not looks_like_key(text)


def find_key(table: Mapping[str, object], where: str = "") -> str | None:
    """Find the first field of a parsed file that holds a key, by its name or value; None when there is none."""
    return next(_keys(table, where, depth=0), None)


def _keys(value: object, where: str, depth: int) -> Iterator[str]:
    if depth > 20:  # no setting is nested that deep; the file is refused anyway
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
TABLES: Mapping[str, type[BaseModel]] = {"limits": Limits, "services": ServiceSettings}
_PATHS = ("workspace", "project", "agents_dir", "prompts_dir", "skills_dir", "prices")
_KEYS = tuple(k for k in Settings.model_fields if k not in {"config", "every_model"})


@dataclass(frozen=True)
class SettingsFile:
    """Settings in a file; each value fits its field, but a model's table may be incomplete. `where` names the file."""

    where: str
    values: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def find_settings_file(named: Path | None, project: Path | None, folder: Path) -> Path | None:
    """Find the settings file: the named one, else the project's, else the current folder's, else None."""
    if named is not None:
        return named
    for place in (project, folder):
        if place is not None and (place / NAME).is_file():
            return place / NAME
    return None


def read_settings_file(path: Path) -> SettingsFile:
    """Read a settings file.

    Raises:
        InputError: It cannot be read, is not TOML, holds a key, or a field is unknown or of a wrong type; the message
            names the file, the field and its possible values. It never shows the value of an address or key.
    """
    return settings_from(_parse(path), str(path), path.parent)


def settings_from(raw: Mapping[str, Any], where: str, folder: Path) -> SettingsFile:
    """Check a parsed file, or a part of one; paths are relative to `folder`.

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
    for name, kind in TABLES.items():
        if name in values:
            table = _table(where, name, values[name])
            _refuse_unknown(where, f"{name}.", table, kind.model_fields)
            _require_variable_name(where, f"{name}.ncbi_key_env", table.get("ncbi_key_env"))
            _checked(where, f"{name}.", kind, table)
    _checked(where, "", Settings, {name: value for name, value in values.items() if name not in TABLES})
    if values.get("sandbox") == "none":  # a file may come with somebody's project; giving up protection may not
        raise InputError(
            f"{where}: sandbox: none cannot be set in a file.", hint="Say it yourself: --sandbox none, for this run."
        )
    return SettingsFile(where, values, models)


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: is larger than 1 MB and cannot be a settings file.")
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
    except RuntimeError as error:  # the home of an unknown user
        raise InputError(f"{where}: {name}: {value!r}: {error}.") from error


def _path_list(where: str, folder: Path, name: str, value: object) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise InputError(f"{where}: {name}: must be a list of paths, not {value!r:.60}.")
    return tuple(_path(where, folder, name, item) for item in value)


def _model(where: str, name: str, value: object) -> dict[str, Any]:
    """Check a model's table field by field; provider and model may be missing."""
    table = _table(where, name, value)
    _refuse_unknown(where, f"{name}.", table, ModelSettings.model_fields)
    _require_variable_name(where, f"{name}.api_key_env", table.get("api_key_env"))
    _checked(where, f"{name}.", ModelSettings, {"provider": "compatible", "model": "any", **table})
    return table


def _require_variable_name(where: str, place: str, value: object) -> None:
    if isinstance(value, str) and not is_variable_name(value):
        raise InputError(
            f"{where}: {place}: must be the name of an environment variable, in capitals.",
            hint=f'For example: {place.rpartition(".")[2]} = "LAB_API_KEY". The key itself belongs into that variable.',
        )


def _checked(where: str, prefix: str, kind: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Validate values strictly; only their fit matters, defaults are not added."""
    try:
        kind.model_validate(values, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {prefix}{place}: {complaint(place, first['msg'], first['input'])}.") from error


def complaint(place: str, message: str, value: object) -> str:
    """Describe what is wrong with a value; addresses and variables are not shown, as they may contain a key."""
    text = message.removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    hidden = place.rpartition(".")[2] in {"base_url", "api_key_env"} or not isinstance(value, str | int | float)
    shown = repr(value)
    return text if hidden else f"{text} (got {shown if len(shown) <= 80 else shown[:80] + '…'})"
