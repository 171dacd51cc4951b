"""Reading and checking of `dataset.toml`, a researcher's description of a data set.

The file lies in the data set's folder; paths are relative to it and may not leave it. Only `title`, `source` and
one `[[files]]` with `name`, `kind` and `path` must be there::

    accession = "GSE1992"              # id follows it; set `id` for another
    title = "Breast tumours, discovery cohort"
    organism = "Homo sapiens"
    assay = "gene expression microarray"
    platform = "…"
    role = "discovery"                 # or validation, reference, unspecified
    source = "where the numbers come from, in words"
    licence = "…"
    citation = "…"
    endpoint = "relapse or death"      # what an event is; leave out when it is not stated
    notes = ["a caveat to be carried into the report"]

    [[files]]
    name = "expression"                # what tasks call it
    kind = "expression"                # or samples, gene_sets, table
    path = "expression.tsv.gz"
    feature_column = "gene"
    scale = "log2"                     # leave out when it is not stated
                                       # a table with feature_column holds what else is known of each value: calls
    zeros = "missing"                  # or "values"; leave out when it is not stated
    thousands = "."                    # what separates thousands ("" nothing); leave out when it is plain
    below_limit = "half"               # what `<0.5` counts as: missing, limit, half; leave out without such cells

    [[files]]
    name = "samples"
    kind = "samples"
    path = "clinical.tsv"
    sample_column = "patient"

    [files.columns.er]                 # a column of the file just above
    role = "group"                     # or id, unit, pair, time, event, covariate, batch, annotation, other
    label = "oestrogen receptor status"
    aliases = ["ER", "estrogen receptor"]
    case = "1"
    control = "0"
    missing_values = ["x"]             # what `schemas.missing` does not find: also `unknown` as a level of texts
    unit = "months"                    # of a time; leave out when it is not stated

    [files.columns.vital_status]
    event_level = "2"                  # the level that is the event; makes the role event
    codes = {"1" = "alive", "2" = "2"} # what cells mean; {} if no two of them are the same level
    endpoint = "OS"                    # what a time and its event share
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from bioresearcher.config_text import describe_toml_error
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.dataset import ColumnRole, FileKind
from bioresearcher.sources.datasets.endpoints import endpoint_of

DESCRIPTION = "dataset.toml"
_MAX_DESCRIPTION_BYTES = 1 << 20

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Exact = Annotated[str, StringConstraints(min_length=1)]


def _level(value: object) -> object:
    """Accept a level written as a bare number; the tables hold text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Level = Annotated[str, BeforeValidator(_level)]


class ColumnSpec(Value):
    """Description of a column, `[files.columns.<name>]`."""

    role: ColumnRole = "other"
    label: str = ""
    aliases: tuple[Text, ...] = ()
    case: Level | None = None
    control: Level | None = None
    missing_values: tuple[Level, ...] = ()
    unit: Text | None = None
    codes: dict[str, Level] = Field(default_factory=dict)
    endpoint: str = ""
    event_level: Level | None = None
    time_of: Literal["", "event", "censored"] = ""

    @model_validator(mode="before")
    @classmethod
    def _event_by_its_level(cls, value: object) -> object:
        """Give a column whose event is stated the role of an event."""
        if isinstance(value, dict) and value.get("event_level") is not None and value.get("role", "other") == "other":
            return {**value, "role": "event"}
        return value


class FileSpec(Value):
    """Description of a file, `[[files]]`."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
    kind: FileKind
    path: Exact
    sample_column: Exact | None = None
    feature_column: Exact | None = None
    scale: Text | None = None
    row_is: str = ""
    thousands: Literal[".", ",", " ", ""] | None = None
    zeros: Literal["missing", "values"] | None = None
    below_limit: Literal["missing", "limit", "half"] | None = None
    columns: dict[str, ColumnSpec] = Field(default_factory=dict)


class DatasetSpec(Value):
    """Content of `dataset.toml`."""

    id: Text | None = None
    accession: Text | None = None
    title: Text
    organism: Text | None = None
    assay: Text | None = None
    platform: Text | None = None
    role: Literal["discovery", "validation", "reference", "unspecified"] = "unspecified"
    source: Text
    licence: Text | None = None
    citation: Text | None = None
    endpoint: Text | None = None
    notes: tuple[Text, ...] = ()
    files: tuple[FileSpec, ...] = Field(min_length=1)


def read_spec(folder: Path) -> tuple[DatasetSpec | None, list[str]]:
    """Read the folder's `dataset.toml`; None with one line per mistake, each naming its field, if it is invalid."""
    path = folder / DESCRIPTION
    try:
        if path.stat().st_size > _MAX_DESCRIPTION_BYTES:
            return None, ["the file is larger than 1 MB; it should hold a description only"]
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None, ["the file is not UTF-8 text; save it as UTF-8"]
    except tomllib.TOMLDecodeError as error:
        return None, [f"not valid TOML: {error}"]
    except OSError as error:
        return None, [f"cannot be read ({error.strerror})"]
    spec, mistakes = parse_spec(raw)
    if spec is None:
        return None, mistakes
    mistakes += [
        f"files[{i}] ({file.name}).path: {problem}"
        for i, file in enumerate(spec.files, start=1)
        if (problem := contained(folder, file.path))
    ]
    return (None, mistakes) if mistakes else (spec, [])


def parse_spec(raw: Mapping[str, object]) -> tuple[DatasetSpec | None, list[str]]:
    """Check a description that was read: it, or None if it is none, and one line per mistake and contradiction."""
    try:
        spec = DatasetSpec.model_validate(raw)
    except ValidationError as error:
        return None, [describe_toml_error(e, raw, _known_fields(e["loc"])) for e in error.errors()]
    return spec, _contradictions(spec)


def _known_fields(loc: tuple[str | int, ...]) -> list[str]:
    """List the valid fields of the table in which an unknown field was found."""
    if "columns" in loc[:-1]:
        return list(ColumnSpec.model_fields)
    in_file = loc[0] == "files" and len(loc) > 1
    return list(FileSpec.model_fields if in_file else DatasetSpec.model_fields)


def _contradictions(spec: DatasetSpec) -> list[str]:
    found = []
    names = [f.name for f in spec.files]
    found += [f"files: the name {n!r} is used twice" for n in dict.fromkeys(names) if names.count(n) > 1]
    for i, file in enumerate(spec.files, start=1):
        where = f"files[{i}] ({file.name})"
        if file.kind not in ("samples", "table") and file.columns:
            found.append(f"{where}.columns: only files of kind 'samples' or 'table' have described columns")
        if file.kind != "expression" and (
            file.scale or file.zeros or file.below_limit or (file.feature_column and file.kind != "table")
        ):
            found.append(f"{where}: feature_column, scale, zeros and below_limit belong to files of kind 'expression'")
        if file.kind == "table" and file.feature_column and file.columns:
            found.append(f"{where}.columns: beside the feature_column of a table there are samples, not described")
        if file.kind != "samples" and file.sample_column:
            found.append(f"{where}.sample_column: belongs to files of kind 'samples'")
        for name, column in file.columns.items():
            found += [f"{where}.columns.{name}{mistake}" for mistake in _column_mistakes(column)]
        found += [f"{where}.columns: {mistake}" for mistake in _repeated_roles(file)]
    return found


def _column_mistakes(column: ColumnSpec) -> list[str]:
    """List what contradicts itself in one column; each begins after the column's name."""
    found = []
    if (column.case is None) != (column.control is None):
        found.append(": give both `case` and `control`, or neither")
    elif column.case is not None and column.case == column.control:
        found.append(": `case` and `control` are the same level")
    elif column.case is not None and column.role != "group":
        found.append('.case: belongs to columns of role "group"')
    if column.event_level is not None and column.role != "event":
        found.append('.event_level: belongs to columns of role "event"')
    if column.time_of and column.role != "time":
        found.append('.time_of: belongs to columns of role "time"')
    return found


def _repeated_roles(file: FileSpec) -> list[str]:
    """List roles that one column at most may have: of times and events, one for each endpoint."""
    found = []
    for role, of in (("id", ""), ("event", ""), ("time", ""), ("time", "event"), ("time", "censored")):
        several = [(n, c) for n, c in file.columns.items() if c.role == role and c.time_of == of]
        for endpoint in sorted({"" if role == "id" else _endpoint(n, c) for n, c in several}):
            names = [n for n, c in several if role == "id" or _endpoint(n, c) == endpoint]
            if len(names) > 1:
                mend = "" if role == "id" else "; give each its `endpoint`"
                found.append(f"more than one column has the role {role!r}: {names}{mend}")
    return found


def _endpoint(name: str, column: ColumnSpec) -> str:
    """Return the endpoint of a time or event, as stated or as its name says."""
    return column.endpoint or endpoint_of(name)


def contained(folder: Path, relative: str) -> str:
    """Explain why `relative` is no regular file inside `folder` (links followed); empty if it is one."""
    path = Path(relative)
    if path.is_absolute() or ".." in path.parts or "\0" in relative or relative.startswith("~"):
        return f"{relative!r} leads out of the data set's folder; put the file into the folder"
    try:
        target = (folder / path).resolve()
        if not target.is_relative_to(folder.resolve()):
            return f"{relative!r} is a link that leads out of the data set's folder; put the file there"
        if not target.is_file():
            return f"{relative!r} is not there" if not target.exists() else f"{relative!r} is no file"
    except (OSError, RuntimeError) as error:
        return f"{relative!r} cannot be read ({error})"
    return ""
