"""Combination of flags, environment, settings file and defaults, every value with its origin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from bioresearcher.errors import InputError
from bioresearcher.schemas.model import ROLES
from bioresearcher.settings.file import TABLES, SettingsFile, complaint, find_settings_file, read_settings_file
from bioresearcher.settings.models import (
    Cell,
    Layer,
    Surroundings,
    Table,
    apply_layer,
    file_tables,
    option_values,
    resolve,
)
from bioresearcher.settings.values import BUDGET, MODEL_KEYS, Settings

_PATHS = ("project", "agents_dir", "prompts_dir", "skills_dir", "prices")
_PATH_LISTS = ("pubmed_xml",)
_PLAIN = ("workspace", "sandbox", "only_own", "plan", "read_all", "chroma_url", "jobs", "backend")
_ENVIRONMENT = {
    f"BIORESEARCHER_{name.removesuffix('_dir').upper()}": name for name in (*_PLAIN, *BUDGET, *_PATHS, *_PATH_LISTS)
}
"""Variable -> the setting it holds."""
_MODEL = "BIORESEARCHER_MODEL"
_OPTIONS = ("temperature", "seed", "context", "max_output", "structured")
"""Options of all models that flags and the environment can set."""
_NOT_FLAGS = {"models", "every_model", "config", "limits", "services"}


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str] | None = None, *, over: SettingsFile | None = None
) -> Settings:
    """Load settings from flags (None = not given), environment, `over`, `bioresearcher.toml`, defaults, in this order.

    Raises:
        InputError: A value does not fit; the message names the option, variable, or file and key.
    """
    return load_settings_with_origin(flags, environ, over=over)[0]


def load_settings_with_origin(
    flags: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    over: SettingsFile | None = None,
) -> tuple[Settings, dict[str, str]]:
    """Load the settings, and the origin of each value that is not a default.

    Args:
        flags: Option (`max_usd`, `model`, …) → value; None: not given. Other names are ignored.
        environ: The environment; None: this process's.
        folder: Folder that is searched for `bioresearcher.toml` when neither a file nor a project is named; None: the
            current folder.
        over: Settings of one objective in a batch file; its models, if any, replace all models of the settings file.

    Returns:
        The settings, and a mapping like `max_usd` → `flag --max-usd`, `models.reader.model` → `BIORESEARCHER_MODEL`,
        `limits.wall_s` → `bioresearcher.toml`. All other values are defaults.

    Raises:
        InputError: A value does not fit; the message names the option, variable, or file and key.
    """
    environ = os.environ if environ is None else environ
    file = _file(flags, environ, Path() if folder is None else folder)
    cells = _cells(file, over, flags, environ)
    local = "backend" in cells and cells["backend"].value == "local"
    named = over if over and over.models else file
    tables = file_tables(named.models, named.where) if named else {}
    for layer in (_environment_layer(environ), _flag_layer(flags)):
        tables = apply_layer(tables, layer, local=local)
    options = _options(flags, environ)
    models, origin = resolve(tables, options, Surroundings(environ, local))
    _refuse_idle_address(flags, tables, models)
    unnamed = {} if "model" in tables.get("default", {}) else tables.get("default", {})
    every = option_values(unnamed | options)
    origin |= {f"every_model.{name}": cell.origin for name, cell in (unnamed | options).items()}
    origin |= {name: cell.origin for name, cell in cells.items()}
    values: dict[str, Any] = {"models": models, "every_model": every}
    for name, cell in cells.items():
        table, _, field = name.rpartition(".")
        (values.setdefault(table, {}) if table else values)[field] = _independent_of_folder(name, cell.value)
    try:
        return Settings.model_validate(values), origin
    except ValidationError as error:
        raise _refusal(error, lambda name: cells[name].place if name in cells else name) from error


def _refusal(error: ValidationError, place: Callable[[str], str]) -> InputError:
    """Make the error for a setting that does not fit; `place` names the origin of its value."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"][: 2 if first["loc"][0] in TABLES else 1]))
    return InputError(f"{place(name)}: {complaint(name, first['msg'], first['input'])}.")


def _independent_of_folder(name: str, value: object) -> object:
    """Make a path absolute, so that it holds when the run is resumed or replayed from another folder."""
    if name in _PATH_LISTS and value:
        parts = value.split(os.pathsep) if isinstance(value, str) else cast(Iterable[str | Path], value)
        return tuple(Path(part).absolute() for part in parts if part)
    return Path(value).absolute() if name in _PATHS and isinstance(value, str | Path) else value


def with_budget(settings: Settings, flags: Mapping[str, object]) -> Settings:
    """Change the budget and the price file of a run that goes on.

    Raises:
        InputError: A value does not fit; the message names the option.
    """
    given = {name: flags[name] for name in (*BUDGET, "prices") if flags.get(name) is not None}
    try:
        return Settings.model_validate({**settings.model_dump(), **given})
    except ValidationError as error:
        raise _refusal(error, _option) from error


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


def _file(flags: Mapping[str, object], environ: Mapping[str, str], folder: Path) -> SettingsFile | None:
    named = flags.get("config") or environ.get("BIORESEARCHER_CONFIG")
    project = flags.get("project") or environ.get("BIORESEARCHER_PROJECT")
    path = find_settings_file(Path(str(named)) if named else None, Path(str(project)) if project else None, folder)
    return None if path is None else read_settings_file(path)


def _cells(
    file: SettingsFile | None, over: SettingsFile | None, flags: Mapping[str, object], environ: Mapping[str, str]
) -> dict[str, Cell]:
    """Collect all settings except models with their origin; a field of a table is named `limits.wall_s`."""
    cells = (_file_cells(file) if file else {}) | (_file_cells(over) if over else {})
    if file is not None:
        origin = _named_by(flags, environ, "config") or _named_by(flags, environ, "project") or "current folder"
        cells["config"] = Cell(Path(file.where), origin, "flag" if origin.startswith("flag") else "environment")
    for variable, name in _ENVIRONMENT.items():
        if environ.get(variable):
            cells[name] = Cell(environ[variable], variable, "environment")
    for name, value in flags.items():
        if value is not None and name in Settings.model_fields and name not in _NOT_FLAGS:
            cells[name] = Cell(value, f"flag {_option(name)}", "flag")
    return cells


def _file_cells(file: SettingsFile) -> dict[str, Cell]:
    """Collect the settings of a file except models."""
    tables = {f"{table}.{name}": v for table in TABLES for name, v in file.values.get(table, {}).items()}
    plain = {name: value for name, value in file.values.items() if name not in TABLES}
    return {name: Cell(value, file.where, "file") for name, value in (plain | tables).items()}


def _named_by(flags: Mapping[str, object], environ: Mapping[str, str], name: str) -> str:
    """Return the flag or variable that names the settings file or its folder; empty if there is none."""
    if flags.get(name):
        return f"flag {_option(name)}"
    variable = f"BIORESEARCHER_{name.upper()}"
    return variable if environ.get(variable) else ""


def _environment_layer(environ: Mapping[str, str]) -> Layer:
    """Read models and address from the environment.

    Raises:
        InputError: A variable names a role that does not exist: it would be ignored silently.
    """
    names: dict[str, Cell] = {}
    for variable in sorted(environ):
        if variable != _MODEL and not variable.startswith(f"{_MODEL}_"):
            continue
        key = variable.removeprefix(_MODEL).lstrip("_").lower() or "default"
        if key not in MODEL_KEYS:
            raise InputError(f"{variable}: there is no such role.", hint=f"Roles: {', '.join(ROLES)}.")
        if environ[variable]:
            names[key] = Cell(environ[variable], variable, "environment")
    url = environ.get("BIORESEARCHER_BASE_URL")
    return Layer(names, Cell(url, "BIORESEARCHER_BASE_URL", "environment") if url else None)


def _flag_layer(flags: Mapping[str, object]) -> Layer:
    """Read models and address from the flags: `NAME` for all roles, `ROLE=NAME` for one.

    Raises:
        InputError: A role does not exist, or has two models.
    """
    given = cast("str | Iterable[str]", flags.get("model") or ())
    names: dict[str, Cell] = {}
    for text in (given,) if isinstance(given, str) else given:
        role, equals, name = str(text).partition("=")
        key = role.strip() if equals else "default"
        if key not in MODEL_KEYS:
            raise InputError(f"--model: {key!r} is no role.", hint=f"Roles: {', '.join(ROLES)}.")
        if key in names:
            raise InputError(f"--model: {'two models for all roles' if key == 'default' else f'two models for {key}'}.")
        names[key] = Cell(name if equals else text, "flag --model", "flag")
    url = flags.get("base_url")
    return Layer(names, Cell(url, "flag --base-url", "flag") if url else None)


def _options(flags: Mapping[str, object], environ: Mapping[str, str]) -> Table:
    """Read the options that hold for all models."""
    table: Table = {}
    for name in _OPTIONS:
        variable = f"BIORESEARCHER_{name.upper()}"
        if flags.get(name) is not None:
            table[name] = Cell(flags[name], f"flag {_option(name)}", "flag")
        elif environ.get(variable):
            table[name] = Cell(environ[variable], variable, "environment")
    return table


def _refuse_idle_address(
    flags: Mapping[str, object], tables: Mapping[str, Table], models: Mapping[str, object]
) -> None:
    """Refuse an address without a model to use there.

    Raises:
        InputError: A flag or the file gives one. A variable is ignored, as it may be set for other runs.
    """
    if models:
        return
    if flags.get("base_url"):
        raise InputError("--base-url: no model is named.", hint="Add --model NAME.")
    for name, cell in tables.get("default", {}).items():
        if cell.layer == "file" and name in {"provider", "base_url"}:
            raise InputError(f"{cell.place}: models.default: no model is named.", hint="Set models.default.model.")
