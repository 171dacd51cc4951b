"""Putting the settings together, every value with its origin."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from bioresearcher.errors import InputError
from bioresearcher.schemas.model import ROLES
from bioresearcher.settings.file import SettingsFile, complaint, find_settings_file, read_settings_file
from bioresearcher.settings.models import Cell, Layer, Surroundings, Table, apply_layer, file_tables, left_over, resolve
from bioresearcher.settings.values import BUDGET, MODEL_KEYS, ModelOptions, Settings

_ENVIRONMENT = {
    f"BIORESEARCHER_{suffix}": field
    for suffix, field in {
        "WORKSPACE": "workspace",
        "AGENTS": "agents_dir",
        "PROMPTS": "prompts_dir",
        "SKILLS": "skills_dir",
        "PROJECT": "project",
        "SANDBOX": "sandbox",
        "ONLY_OWN": "only_own",
        "CHROMA_URL": "chroma_url",
        "PUBMED_XML": "pubmed_xml",
        "JOBS": "jobs",
        "BACKEND": "backend",
        "MAX_USD": "max_usd",
        "MAX_TOKENS": "max_tokens",
        "MAX_MINUTES": "max_minutes",
        "PRICES": "prices",
    }.items()
}
_MODEL = "BIORESEARCHER_MODEL"
_OPTIONS = ("temperature", "seed", "context", "max_output", "structured")
"""What flags and the environment can set for all models."""
_NOT_FLAGS = {"models", "every_model", "config", "limits", "services"}
_PATH_LISTS = {"pubmed_xml"}
_TABLES = ("limits", "services")
_PATHS = {"project", "agents_dir", "prompts_dir", "skills_dir", "prices"}


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str] | None = None, *, over: SettingsFile | None = None
) -> Settings:
    """Settings from flags (None = not given), the environment, `over`, `bioresearcher.toml`, defaults, in this order.

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
    """Settings, and where each value that is no default comes from.

    Args:
        flags: Option (`max_usd`, `model`, …) → value; None is not given, other names are ignored.
        environ: The environment; None is this process's.
        folder: Where a `bioresearcher.toml` is looked for when neither a file nor a project is named; None is the
            current folder.
        over: What a batch file sets for one objective; its models, if any, stand in for all of the settings file.

    Returns:
        The settings, and a mapping like `max_usd` → `flag --max-usd`, `models.reader.model` → `BIORESEARCHER_MODEL`,
        `limits.wall_s` → `bioresearcher.toml`. What is not in it is a default.

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
    every = _every_model(tables, options)
    unnamed = {} if "model" in tables.get("default", {}) else tables.get("default", {})
    origin |= {f"every_model.{name}": cell.origin for name, cell in (unnamed | options).items()}
    values: dict[str, Any] = {name: _from_anywhere(name, cell.value) for name, cell in cells.items()}
    origin |= {name: cell.origin for name, cell in cells.items() if name not in _TABLES}
    for table in _TABLES:
        for given in (f for f in (file, over) if f and table in f.values):
            origin |= {f"{table}.{name}": given.where for name in given.values[table].model_fields_set}
    try:
        return Settings.model_validate({**values, "models": models, "every_model": every}), origin
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        place = cells[name].place if name in cells else name
        raise InputError(f"{place}: {complaint(name, first['msg'], first['input'])}.") from error


def _from_anywhere(name: str, value: object) -> object:
    """A path that also holds when the run is resumed or replayed from another folder."""
    if name in _PATH_LISTS and value:
        parts = value.split(os.pathsep) if isinstance(value, str) else cast(Iterable[str | Path], value)
        return tuple(Path(part).absolute() for part in parts if part)
    return Path(value).absolute() if name in _PATHS and isinstance(value, str | Path) else value


def with_budget(settings: Settings, flags: Mapping[str, object]) -> Settings:
    """The settings of a run that goes on, with the budget and the price file that were given anew.

    Raises:
        InputError: A value does not fit; the message names the option.
    """
    given = {name: flags[name] for name in (*BUDGET, "prices") if flags.get(name) is not None}
    try:
        return Settings.model_validate({**settings.model_dump(), **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise InputError(f"{_option(name)}: {complaint(name, first['msg'], first['input'])}.") from error


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
    """Everything but models, with its origin."""
    cells: dict[str, Cell] = {}
    if file is not None:
        cells = {name: Cell(value, file.where, "file") for name, value in file.values.items()}
        origin = _named_by(flags, environ, "config") or _named_by(flags, environ, "project") or "current folder"
        cells["config"] = Cell(Path(file.where), origin, "flag" if origin.startswith("flag") else "environment")
    if over is not None:
        cells |= {name: Cell(_laid_over(cells, name, value), over.where, "file") for name, value in over.values.items()}
    for variable, name in _ENVIRONMENT.items():
        if environ.get(variable):
            cells[name] = Cell(environ[variable], variable, "environment")
    for name, value in flags.items():
        if value is not None and name in Settings.model_fields and name not in _NOT_FLAGS:
            cells[name] = Cell(value, f"flag {_option(name)}", "flag")
    return cells


def _laid_over(cells: Mapping[str, Cell], name: str, value: Any) -> object:  # noqa: ANN401 - a setting of any type
    """A value over the one below; of a table only what it says."""
    if name not in _TABLES or name not in cells:
        return value
    said = {n: getattr(value, n) for n in value.model_fields_set}
    return cast(BaseModel, cells[name].value).model_copy(update=said)


def _named_by(flags: Mapping[str, object], environ: Mapping[str, str], name: str) -> str:
    """Which flag or variable names the settings file or its folder."""
    if flags.get(name):
        return f"flag {_option(name)}"
    variable = f"BIORESEARCHER_{name.upper()}"
    return variable if environ.get(variable) else ""


def _environment_layer(environ: Mapping[str, str]) -> Layer:
    """Models and address in the environment.

    Raises:
        InputError: A variable names a role that does not exist: it would be ignored without a word.
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
    """Models and address among the flags: `NAME` for all roles, `ROLE=NAME` for one.

    Raises:
        InputError: A role does not exist, or has two models.
    """
    given = flags.get("model") or ()
    names: dict[str, Cell] = {}
    for text in (given,) if isinstance(given, str) else given:  # type: ignore[attr-defined]
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
    """What is set for all models, whichever they are."""
    table: Table = {}
    for name in _OPTIONS:
        variable = f"BIORESEARCHER_{name.upper()}"
        if flags.get(name) is not None:
            table[name] = Cell(flags[name], f"flag {_option(name)}", "flag")
        elif environ.get(variable):
            table[name] = Cell(environ[variable], variable, "environment")
    return table


def _every_model(tables: Mapping[str, Table], options: Table) -> ModelOptions:
    """The same as a value, with what the file says of a default model without a name."""
    anyone = Cell("any", "", "environment")
    around = Surroundings({}, local=True)
    checked, _ = resolve({"default": {"model": anyone}}, options, around)
    given = {name: getattr(checked["default"], name) for name in options}
    return left_over(tables).model_copy(update=given)


def _refuse_idle_address(
    flags: Mapping[str, object], tables: Mapping[str, Table], models: Mapping[str, object]
) -> None:
    """Refuse an address that was given without a model to ask for there.

    Raises:
        InputError: There is one, by a flag or in the file. A variable may be set for other runs.
    """
    if models:
        return
    if flags.get("base_url"):
        raise InputError("--base-url: no model is named.", hint="Add --model NAME.")
    for name, cell in tables.get("default", {}).items():
        if cell.layer == "file" and name in {"provider", "base_url"}:
            raise InputError(f"{cell.place}: models.default: no model is named.", hint="Set models.default.model.")
