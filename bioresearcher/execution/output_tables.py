"""Read the tables and findings that a task wrote, and check them against what was declared and computed.

Tables are read within limits on the standard library. Findings are statements; each number in them must be found in
what the task computed.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from bioresearcher.execution.code_patterns import PLACEHOLDER_CELL, PLACEHOLDER_TEXT
from bioresearcher.schemas.execution import ColumnRule, Finding, TaskOutput
from bioresearcher.schemas.missing import blanked, codes_of, is_missing, key

MAX_CELLS = 1_500_000
MAX_FIELD = 1_000_000
MAX_COLUMNS = 20_000
MAX_FINDINGS_BYTES = 2_000_000
MAX_FINDINGS = 200
SMALL_TABLE_CELLS = 2_000


# Reading tables


class TableError(ValueError):
    """The file is no table; the message says where it fails."""


@dataclass(frozen=True)
class OutputTable:
    """A table as text cells; `cut` if rows beyond `MAX_CELLS` cells were not read."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: bool = False

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        index = self.header.index(name)
        return [row[index] for row in self.rows]


def read_table(path: Path) -> OutputTable:
    """Read a TSV or CSV (by suffix; other suffixes by the header's tabs).

    Raises:
        TableError: Not UTF-8, no header, repeated column names, or rows that do not fit the header.
    """
    csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return _collect(_rows(lines, path.suffix.lower()))
    except UnicodeDecodeError as error:
        raise TableError("not UTF-8 text") from error
    except csv.Error as error:
        raise TableError(f"cannot be parsed: {error}") from error


def _rows(lines: Iterator[str], suffix: str) -> Iterator[list[str]]:
    first = next(lines, "")
    tabs = suffix in {".tsv", ".tab"} or (suffix != ".csv" and "\t" in first)

    def everything() -> Iterator[str]:
        yield first
        yield from lines

    return (row for row in csv.reader(everything(), delimiter="\t" if tabs else ",") if row)


def _collect(rows: Iterator[list[str]]) -> OutputTable:
    header = next(rows, [])
    if not any(cell.strip() for cell in header):
        raise TableError("the file is empty")
    if len(header) > MAX_COLUMNS:
        raise TableError(f"{len(header)} columns; at most {MAX_COLUMNS} are read")
    collected: list[tuple[str, ...]] = []
    for number, row in enumerate(rows, start=2):
        if not collected and len(row) == len(header) + 1:
            header = ["", *header]  # row names without a heading, as R writes them
        if len(row) != len(header):
            raise TableError(f"row {number} has {len(row)} fields where the header has {len(header)}")
        if (len(collected) + 1) * len(header) > MAX_CELLS:
            return OutputTable(tuple(header), tuple(collected), cut=True)
        collected.append(tuple(row))
    twice = sorted({name for name in header if header.count(name) > 1}) if len(header) < 500 else []
    if twice or len(set(header)) < len(header):
        raise TableError(f"column {twice[0] if twice else ''!r} occurs more than once")
    return OutputTable(tuple(header), tuple(collected))


def to_number(cell: str) -> float | None:
    """Return the cell as a float (also inf), None if it is no number."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if math.isnan(value) or "_" in cell else value


def column_numbers(cells: Sequence[str]) -> list[float | None] | None:
    """Return a column as numbers, None where one is missing; None if a cell is neither a number nor missing."""
    values = [to_number(cell) for cell in cells]
    others = {cell for cell, value in zip(cells, values, strict=True) if value is None}
    some = next((cell for cell, value in zip(cells, values, strict=True) if value is not None), "")
    missing = codes_of({*others, some}) if others else ()
    return values if all(key(cell) in missing for cell in others) else None


# Tables against their declaration
_P = re.compile(r"(?:p|p[_. -]?val(?:ue)?|pvalue|nominal p(?:[_. -]?val(?:ue)?)?|nom p-val)", re.IGNORECASE)
_Q = re.compile(
    r"fdr(?:[_. -]?(?:q|p|bh|value|q-val))?|q(?:[_. -]?val(?:ue)?)?|p[_. -]?adj(?:usted)?"
    r"|adj(?:usted)?[_. -]?p(?:[_. -]?val(?:ue)?)?",
    re.IGNORECASE,
)
_MAY_BE_EMPTY = re.compile(
    r"\b(?:may|can|might|could) (?:rightly |well |also )?(?:be|stay|remain|turn out|come out) (?:\w+ )?"
    r"(?:empty|NaN|missing|blank)\b"
    r"|\b(?:empty|no rows?|without rows|zero rows|NaN|blank|header only) (?:if|when|where|unless)\b"
    r"|\bpossibly empty\b|\bmay (?:have|hold) no (?:rows?|values?)\b",
    re.IGNORECASE,
)
_PLANNED_EMPTY = re.compile(
    r"\((?:still )?empty\)|\b(?:planned|left|still) empty\b|\bempty (?:table|form|template)\b|\bto be filled\b",
    re.IGNORECASE,
)
_NUMERIC_START = frozenset({"", *"0123456789+-."})


def table_problem(table: OutputTable, output: TaskOutput) -> str:
    """Return the first way in which a table is not as declared; empty when there is none."""
    wanted = [rule.name for rule in output.columns]
    absent = [name for name in wanted if name not in table.header]
    if absent:
        has = ", ".join(table.header[:12]) + (", …" if len(table.header) > 12 else "")
        hint = " (is it separated by commas?)" if len(table.header) == 1 and "," in table.header[0] else ""
        return f"column {absent[0]!r} is missing; it has: {has[:300]}{hint}"
    if len(table.rows) < output.min_rows and (table.rows or not may_be_empty(output)):
        return f"{len(table.rows)} rows where at least {output.min_rows} are expected"
    found = next(filter(None, (rule_problem(table.column(r.name), r) for r in output.columns)), "")
    return found or _nothing_known(table, output) or _probability_problem(table)


def rule_problem(cells: list[str], rule: ColumnRule) -> str:
    """Return the first way in which a column breaks its rule; empty when it does not."""
    known = [c for c in cells if not is_missing(c)] if _is_bounded(rule) else [c for c in blanked(cells) if c]
    missing = 1 - len(known) / len(cells) if cells else 0.0
    if missing > rule.max_missing:
        return f"column {rule.name!r}: {missing:.0%} missing; at most {rule.max_missing:.0%} are allowed"
    if not _is_bounded(rule):
        return ""
    for cell in known:
        value = to_number(cell)
        if value is None:
            return f"column {rule.name!r} holds {cell[:40]!r} where a number is expected"
        if rule.minimum is not None and value < rule.minimum:
            return f"column {rule.name!r} holds {cell}, below its minimum {rule.minimum:g}"
        if rule.maximum is not None and value > rule.maximum:
            return f"column {rule.name!r} holds {cell}, above its maximum {rule.maximum:g}"
    return ""


def may_be_empty(output: TaskOutput) -> bool:
    """Return True if an output's declaration says that it may hold no rows or no values, as when nothing is called.

    A form for a later step or a person is empty by plan, unless columns of it are declared.
    """
    planned = not output.columns and _PLANNED_EMPTY.search(output.description)
    return bool(planned or _MAY_BE_EMPTY.search(output.description))


def empty_columns(table: OutputTable, output: TaskOutput) -> tuple[str, ...]:
    """Return the declared columns of numbers without any number (e.g. a median that was not reached)."""
    wanted = [r.name for r in output.columns if _is_bounded(r) and r.name in table.header]
    return tuple(n for n in wanted if table.rows and all(map(is_missing, table.column(n))))


def _is_bounded(rule: ColumnRule) -> bool:
    return rule.numeric or rule.minimum is not None or rule.maximum is not None


def _nothing_known(table: OutputTable, output: TaskOutput) -> str:
    """Return a problem if the columns of numbers or p-values are empty, or all columns beside the rows' names."""
    empty = empty_columns(table, output)
    tests = [name for name in empty if _P.fullmatch(name) or _Q.fullmatch(name)]
    if may_be_empty(output):
        return ""
    if tests or (empty and len(empty) == sum(map(_is_bounded, output.columns))):
        return f"column {(tests or empty)[0]!r} holds no value at all (NaN only)"
    if not table.rows or len(table.header) < 2:
        return ""
    known = any(any(blanked(cells)) for cells in list(zip(*table.rows, strict=True))[1:])
    return "" if known else "no cell beside the first column holds a value (NaN only)"


def _probability_problem(table: OutputTable) -> str:
    """Return a problem if a p-value or false discovery rate is outside 0 to 1, or an adjusted p-value below its own.

    Ranked enrichment (a table with an NES) is let off the second rule: its rates come from a pooled null
    distribution of normalised scores, not from adjusting the p-values.
    """
    p_columns = [i for i, name in enumerate(table.header) if _P.fullmatch(name.strip())]
    q_columns = [i for i, name in enumerate(table.header) if _Q.fullmatch(name.strip())]
    for i in (*p_columns, *q_columns):
        for row in table.rows:
            value = to_number(row[i])
            if value is not None and not 0 <= value <= 1:
                return f"column {table.header[i]!r} holds {row[i]}, which is no probability"
    permuted = any(name.strip().lower() == "nes" for name in table.header)
    if len(p_columns) != 1 or len(q_columns) != 1 or permuted:
        return ""
    for row in table.rows:
        p, q = to_number(row[p_columns[0]]), to_number(row[q_columns[0]])
        if p is not None and q is not None and q < p * (1 - 1e-3) - 1e-12:
            names = table.header[q_columns[0]], table.header[p_columns[0]]
            return f"row {row[0]!r}: {names[0]} {q:g} is below {names[1]} {p:g}, which adjustment cannot give"
    return ""


def table_placeholder(table: OutputTable) -> str:
    """Return placeholder text in the header or the first thousand rows; empty when there is none."""
    words = {cell for row in (table.header, *table.rows[:1000]) for cell in row if cell[:1] not in _NUMERIC_START}
    for cell in sorted(words):
        if PLACEHOLDER_TEXT.search(cell) or (cell.strip() and PLACEHOLDER_CELL.fullmatch(cell)):
            return cell.strip()[:60]
    return ""


# Findings and the numbers in them
_NUMBER = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)(?P<sign>(?<![\w).%])[-−])?"
    r"(?P<body>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?P<power>[eE][-+−]?\d+|\s?[×x]\s?10(?:\^|\*\*)?[-−]?\d+)?(?P<percent>\s?%)?(?![A-Za-z\d_]|\.\d|[′'’](?:UTR|-|\s?end))"
)
_LEVEL = r"(?:0\.(?:001|005|01|025|05|10?|15|20?|25)|(?:0\.1|1|2\.5|5|10|15|20|25)\s?%)(?!\d|\.\d|\s?%)"
_CONVENTION = re.compile(
    r"\b9[059](?:\.\d)?\s?%(?=[ -]?(?:[A-Za-z]+[ -]){0,2}?(?:CIs?|confidence|credible|intervals?|limits?|bounds?)\b)"
    r"|(?:\bat|\b(?:threshold|cut-?off|level|limit|criterion)(?: of| is| was)?|\balpha|α)(?: an?| the)?"
    r"(?: (?:FDR|BH FDR|q|p|padj|adjusted p|false discovery rate|significance level|level))?"
    rf"\s*(?:of|<|≤|<=|below|under)?\s*{_LEVEL}"
    r"|\bet al\.?,? \(?(?:19|20)\d\d\)?(?!\w|\.\d)",
    re.IGNORECASE,
)
"""Numbers that are no results: the coverage of an interval, a usual level of calling, years of papers."""
_LESS = re.compile(r"(?:<|≤|below|under|less than|at most)\s*$")
_MORE = re.compile(r"(?:>|≥|above|over|more than|at least)\s*$")
_DOWN = re.compile(r"\b(?:down|lower|less|decreas|reduc|negativ|below|loss|fell|fewer|weaker|shorter)", re.IGNORECASE)
_PROBABILITY_KEY = re.compile(r"(?:^|_)(?:p|q|fdr|padj|p_?val(?:ue)?|q_?val(?:ue)?)(?:_|$)", re.IGNORECASE)
_DATE = re.compile(
    r"\b(?:19|20)\d\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:\s?(?:Z|UTC|[+-]\d\d:?\d\d))?(?![\w-])"
    r"|\b\d{1,2}(?:st|nd|rd|th)?\.? (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?,? (?:19|20)\d\d\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d\b"
    r"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"
)
_LIST = TypeAdapter(list[Finding])


class FindingsError(ValueError):
    """The findings file cannot be used; the message says why."""


@dataclass(frozen=True)
class WrittenNumber:
    """A number as written: its value, half a unit of its last digit, and `<` or `>` if it is a bound."""

    text: str
    value: float
    half_unit: float
    bound: str = ""

    def agrees(self, value: float) -> bool:
        """Return True if a computed value rounds to this number, or lies beyond it where it is a bound."""
        if not math.isfinite(self.value):
            return False
        beyond = (self.bound == "<" and 0 <= value < self.value) or (self.bound == ">" and value > self.value)
        return beyond or self.rounds(value)

    def rounds(self, value: float, either_sign: bool = False) -> bool:
        """Return True if a computed value, rounded as written, is this number."""
        away = min(abs(value - self.value), abs(value + self.value) if either_sign else math.inf)
        return math.isfinite(self.value) and away <= self.half_unit * (1 + 1e-9) + 1e-12 * abs(self.value)


def read_findings(path: Path) -> tuple[Finding, ...]:
    """Read `[{"statement", "values"}]`.

    Raises:
        FindingsError: Not that shape, empty, or larger than the limits.
    """
    if path.stat().st_size > MAX_FINDINGS_BYTES:
        raise FindingsError(f"is larger than {MAX_FINDINGS_BYTES // 1_000_000} MB")
    try:
        found = _LIST.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "top"
        raise FindingsError(f"is no list of {{statement, values}}: {where}: {first['msg']}") from error
    if not found or len(found) > MAX_FINDINGS:
        raise FindingsError(f"holds {len(found)} findings; 1 to {MAX_FINDINGS} are expected")
    if not all(f.statement.strip() for f in found):
        raise FindingsError("holds an empty statement")
    return tuple(found)


def without_dates(text: str) -> str:
    """Blank dates and times of day in a text: they come from the run, not from the data."""
    return _DATE.sub(lambda m: " " * len(m[0]), text)


def numbers_in(statement: str) -> tuple[WrittenNumber, ...]:
    """Return the numbers in a statement; digits inside names (`E2F`, `IL-6`, `GSE1992`) and `95% CI` are none."""
    text = _CONVENTION.sub(lambda m: " " * len(m[0]), statement)
    return tuple(_written_number(match, text[: match.start()]) for match in _NUMBER.finditer(text))


def _written_number(match: re.Match[str], before: str) -> WrittenNumber:
    body = match["body"].replace(",", "")
    power = (match["power"] or "").replace("−", "-")
    exponent = int(re.sub(r"^(?:[eE]|\s?[×x]\s?10(?:\^|\*\*)?)", "", power)) if power else 0
    exponent = max(-400, min(400, exponent)) - (2 if match["percent"] else 0)
    decimals = len(body.partition(".")[2])
    value = float(f"{body}e{exponent}") * (-1 if match["sign"] else 1)
    bound = "<" if _LESS.search(before) else ">" if _MORE.search(before) else ""
    return WrittenNumber(match[0].strip(), value, 0.5 * float(f"1e{exponent - decimals}"), bound)


def numbers_of(value: JsonValue) -> Iterator[float]:
    """Yield the finite numbers in a JSON value, also those written inside its texts."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        number = _as_float(value)
        if number is not None:
            yield number
    elif isinstance(value, str):
        yield from (stated.value for stated in numbers_in(value))
    else:
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_of(item)


def _as_float(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def unsupported_numbers(
    finding: Finding,
    tables: Sequence[OutputTable],
    parameters: JsonValue,
    given: Iterable[float] = (),
    bounds: Sequence[float] = (),
) -> tuple[str, ...]:
    """Return all numbers of a statement that are nowhere in its values, the parameters, the tables or `given`.

    Numbers are compared as rounded in the statement; a percentage stands for its share and for itself; dates are no
    numbers. A bound counts that stands among the declared `bounds`, but not of a probability that `values` hold. Of
    tables with more than `SMALL_TABLE_CELLS` cells only the rows count whose name the statement mentions.
    """
    statement = without_dates(finding.statement)
    stated = numbers_in(statement)
    if not stated:
        return ()
    either_sign = bool(_DOWN.search(statement))
    near = [*numbers_of(dict(finding.values)), *numbers_of(parameters), *given]
    chances = [v for k, x in finding.values.items() if _PROBABILITY_KEY.search(k) for v in numbers_of(x)]
    cells: list[float] | None = None
    missing = []
    for number in stated:
        forms = [number, _without_percent(number)] if "%" in number.text else [number]
        bounded = chances if chances and number.bound == "<" and number.value <= 1 else near
        found = any(form.agrees(v) for form in forms for v in bounded)
        found = found or (bounded is near and bool(number.bound) and any(form.value in bounds for form in forms))
        if found or any(form.rounds(v, either_sign) for form in forms for v in near):
            continue
        cells = list(_cells(tables, statement)) if cells is None else cells
        if not any(form.rounds(v, either_sign) for v in cells for form in forms):
            missing.append(number.text)
    return tuple(dict.fromkeys(missing))


def _without_percent(number: WrittenNumber) -> WrittenNumber:
    """Return a percentage as the number before its sign."""
    return WrittenNumber(number.text, number.value * 100, number.half_unit * 100, number.bound)


def _cells(tables: Iterable[OutputTable], statement: str) -> Iterator[float]:
    words = set(re.findall(r"[\w.+-]*\w", statement))
    for table in tables:
        large = len(table.rows) * len(table.header) > SMALL_TABLE_CELLS
        for row in table.rows:
            if large and row[0].strip() not in words:
                continue
            yield from (value for value in map(to_number, row) if value is not None and math.isfinite(value))


def in_other_units(number: float) -> Iterator[float]:
    """Yield a number as it may be written otherwise: in per cent, in thousands, as the rest of a whole, as a change."""
    yield from (number, 100 * number, number / 100, 1_000 * number, number / 1_000)
    yield from (1 - number, 100 - number, 100 * (1 - number), 100 * (number - 1))


def of_two(one: float, other: float) -> Iterator[float]:
    """Yield what plain arithmetic makes of two numbers: sum, difference, share, multiple, change in per cent."""
    yield from (one + other, one - other, 100 * (one - other))
    if other:
        yield from (one / other, 100 * one / other, 100 * (one - other) / other)


MOST_OPERANDS: Final = 8
"""Numbers of a sentence that are added, divided and so on, two by two."""


def follows(number: WrittenNumber, finding: Finding) -> bool:
    """Tell whether a number of a finding's statement follows from the finding's own values.

    It is the length of a list among them, a share or decimal in another unit, or what two values give that the
    statement itself states: of values that are not said, some two give nearly any number.
    """
    lengths = {float(len(v)) for v in finding.values.values() if isinstance(v, list | dict)}
    forms = [number, _without_percent(number)] if "%" in number.text else [number]
    own = list(dict.fromkeys(numbers_of(dict(finding.values))))
    if any(form.value in lengths for form in forms[:1]):
        return True
    digits = re.sub(r"[^\d]", "", re.split(r"[eE×x]", number.text)[0]).lstrip("0")
    several = len(digits) > 1 and ("%" in number.text or "." in number.text)
    if several and any(form.rounds(v) for a in own for v in in_other_units(a) for form in forms):
        return True
    said = [n for n in numbers_in(without_dates(finding.statement)) if n != number]
    operands = [v for v in own if any(n.rounds(v) for n in said)][:MOST_OPERANDS]
    return any(form.rounds(v) for a, b in permutations(operands, 2) for v in of_two(a, b) for form in forms)
