"""What a table probably is, when no `dataset.toml` says so: kinds of files and roles of columns.

Every guess is by rule from names and values, and every guess is written down as a note by the caller; none is
confirmed by the source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.dataset import ColumnRole, FileKind
from bioresearcher.schemas.missing import blanked
from bioresearcher.sources.tables import Limits, RowStream, is_table, plain_suffix

OTHER_SUFFIXES = (".xlsx", ".xlsm", ".xls", ".parquet", ".h5ad", ".soft")
"""Suffixes of data in other forms, which are converted before they are read."""

_PEEK = Limits(text_bytes=32 << 20)
_PEEK_ROWS = 100
_MIN_SAMPLES = 3

_CLINICAL = re.compile(
    r"^(age|sex|gender|race|bmi|time|event|status|group|condition|treatment|arm|grade|stage|diagnosis|"
    r"histology|subtype|batch|tissue|phenotype|outcome|er|pr|her2|os|pfs|dfs|rfs)$"
    r"|surviv|follow|censor|relapse|recurren|metasta|tumou?r_?size|_status$|^status_|"
    r"^(patient|subject|sample|case)(_?(id|name|number))?$|_(days|months|years)$"
)
_ENDPOINTS = "(os|pfs|dfs|rfs|dss|dmfs|tdm)"
_ENDPOINT = re.compile(rf"(?<![a-z]){_ENDPOINTS}(?![a-z])")
_UNIT = re.compile(r"(?<![a-z])(days|months|years)(?![a-z])")
_TIME = re.compile(
    rf"^(time|t|futime|{_ENDPOINTS})$|surv(ival)?_?(time|days|months|years)|time_to|follow_?up"
    rf"|^(t|time)_{_ENDPOINTS}(_(days|months|years))?$|^{_ENDPOINTS}_?(time|days|months|years)"
    r"|(days|months|years)_to_|_time$|^time_"
)
_EVENT = re.compile(
    r"event|^(status|vital_status|death|dead|died|deceased|relapse|recurrence|progression|metastasis_event)$"
    rf"|^(e|event|status)_{_ENDPOINTS}$|^{_ENDPOINTS}_?status$|surv(ival)?_status|^(is_)?(dead|deceased)$"
)
_ORDINAL = re.compile(r"grade|stage|size|node|^(n|t)_stage$|^age|_age$|bmi|score|batch|cent(er|re)|site|sex|gender")
_GROUP = re.compile(
    r"group|condition|class|phenotype|diagnos|disease|treatment|arm$|subtype|case|cohort|response|mutation|"
    r"^(er|pr|her2)$|_(status|positive)$|genotype|type$"
)
_CONTROL_WORDS = (
    "control",
    "ctrl",
    "normal",
    "healthy",
    "negative",
    "neg",
    "-",
    "no",
    "false",
    "wt",
    "wildtype",
    "wild type",
    "untreated",
    "placebo",
    "vehicle",
    "benign",
    "nonresponder",
    "0",
)


@dataclass(frozen=True)
class Peek:
    """The head of a table: its header and, of the first rows, how the columns look."""

    path: Path
    header: tuple[str, ...]
    first_column: tuple[str, ...]
    numeric_share: float
    rows: int


@dataclass(frozen=True)
class ColumnGuess:
    """What a column of an undescribed table seems to be; `why` is empty for columns without a role."""

    role: ColumnRole = "other"
    case: str | None = None
    control: str | None = None
    unit: str | None = None
    why: str = ""


def peek(path: Path) -> Peek:
    """Look at the first rows of a table.

    Raises:
        InputError: The file cannot be read as a table.
    """
    with RowStream(path, _PEEK) as stream:
        rows = list(stream.rows(_PEEK_ROWS))
        header = tuple(stream.header)
    known = numbers = 0
    for i in range(1, len(header)):
        cells = [cell for cell in blanked(row[i] for row in rows) if cell]
        count = sum(as_number(cell) is not None for cell in cells)
        known, numbers = known + len(cells), numbers + count
    return Peek(
        path=path,
        header=header,
        first_column=tuple(row[0].strip() for row in rows),
        numeric_share=numbers / known if known else 0.0,
        rows=len(rows),
    )


def is_data_file(path: Path) -> bool:
    """Whether a file of a folder is taken as data: gene sets, or a table that is no accompanying text."""
    if not path.is_file() or path.name.startswith("."):
        return False
    if path.suffix.lower() == ".gmt" or plain_suffix(path) in OTHER_SUFFIXES:
        return True
    if not is_table(path) or re.match(r"(?i)(readme|licen[cs]e|changelog|notes?|manifest)\b", path.name):
        return False
    if plain_suffix(path) != ".txt" or path.name.lower().endswith(".gz"):
        return True
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    return b"\t" in first or b";" in first or first.startswith(b"^")


def file_kinds(peeks: Sequence[Peek]) -> dict[Path, FileKind]:
    """The kinds of a folder's tables, judged together: sample names link a matrix and its sample sheet."""
    kinds: dict[Path, FileKind] = {p.path: "expression" if _is_matrix(p) else "table" for p in peeks}
    matrices = [p for p in peeks if kinds[p.path] == "expression"]
    sheets = [p for p in peeks if kinds[p.path] == "table"]
    linked = [s for s in sheets if any(_links(m, s) for m in matrices)]
    chosen = linked or [s for s in sheets if _looks_clinical(s)]
    if chosen:
        kinds[chosen[0].path] = "samples"
    return kinds


def _is_matrix(table: Peek) -> bool:
    columns = len(table.header) - 1
    if columns < _MIN_SAMPLES or table.numeric_share < 0.9 or table.rows == 0:
        return False
    if _looks_clinical(table):
        return False
    names = [n for n in table.first_column if n]
    texts = sum(as_number(n) is None for n in names)
    return len(set(names)) >= 0.5 * len(names) and (texts > 0 or columns >= 6)


def _looks_clinical(table: Peek) -> bool:
    """Whether a column is named as clinical variables are; numbered names (relapse_1, patient 2) are samples."""
    names = [normal(name) for name in table.header]
    return any(_CLINICAL.search(n) is not None for n in names if n == "her2" or not re.search(r"\d", n))


def _links(matrix: Peek, sheet: Peek) -> bool:
    samples = set(matrix.header[1:])
    return bool(samples & set(sheet.first_column)) or _looks_clinical(sheet)


def normal(name: str) -> str:
    """A column's name in lower case with every run of other characters as `_`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def guess_roles(columns: Sequence[ColumnScan], id_column: str | None, why_id: str = "") -> dict[str, ColumnGuess]:
    """The roles of a table's columns; at most one time and one event, and those only together."""
    guesses = {c.name: ColumnGuess() for c in columns}
    rest = [c for c in columns if c.name != id_column]
    if id_column is not None:
        guesses[id_column] = ColumnGuess("id", why=why_id)
    pair = _survival_pair(rest)
    if pair:
        time, event = pair
        unit = _UNIT.search(normal(time.name))
        guesses[time.name] = ColumnGuess("time", unit=unit.group() if unit else None, why="its name, and values from 0")
        guesses[event.name] = ColumnGuess("event", why="its name, and values 0 and 1")
    for column in rest:
        if column not in pair:
            guesses[column.name] = _group_or_covariate(column)
    return guesses


def _survival_pair(columns: Sequence[ColumnScan]) -> tuple[ColumnScan, ColumnScan] | tuple[()]:
    times = [c for c in columns if _TIME.search(normal(c.name)) and _is_time(c)]
    events = [c for c in columns if _EVENT.search(normal(c.name)) and c.binary and "censor" not in normal(c.name)]
    for time in times:
        endpoint = _ENDPOINT.search(normal(time.name))
        same = [e for e in events if endpoint and endpoint.group() in normal(e.name).split("_")]
        if same:
            return time, same[0]
    return (times[0], events[0]) if times and events else ()


def unusable_events(columns: Sequence[ColumnScan]) -> list[tuple[str, str]]:
    """(name, why) of columns that are named like an event beside a time, but cannot be taken for one."""
    if _survival_pair(columns) or not any(_TIME.search(normal(c.name)) and _is_time(c) for c in columns):
        return []
    found = []
    for column in columns:
        name = normal(column.name)
        if "censor" in name and column.binary:
            found.append((column.name, "whether 1 means censored or event is not stated"))
        elif _EVENT.search(name) and len(column.groups) == 2 and not column.binary:
            found.append((column.name, f"its values are {' and '.join(map(repr, sorted(column.groups)))}, not 0 and 1"))
    return found


def _is_time(column: ColumnScan) -> bool:
    return column.known > 0 and column.texts == 0 and column.minimum >= 0 and not column.binary


def _group_or_covariate(column: ColumnScan) -> ColumnGuess:
    name = normal(column.name)
    levels = column.groups
    if column.mostly_numbers:
        return ColumnGuess()
    if _ORDINAL.search(name) and not _GROUP.search(name):
        return ColumnGuess("covariate", why="its name") if column.known else ColumnGuess()
    numeric_codes = column.texts == 0 and not column.binary
    if 2 <= len(levels) <= 6 and (not numeric_codes or _GROUP.search(name)):
        case, control = _case_control(levels)
        return ColumnGuess("group", case=case, control=control, why=f"it has {len(levels)} levels")
    return ColumnGuess()


def _case_control(levels: dict[str, int]) -> tuple[str | None, str | None]:
    """(case, control) of two levels, when exactly one of them is a word for a reference."""
    if len(levels) != 2:
        return None, None
    control = [level for level in levels if level.strip().lower() in _CONTROL_WORDS]
    if len(control) != 1:
        return None, None
    return next(level for level in levels if level != control[0]), control[0]
