"""Findings: statements whose every number must be found in what the task computed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from bioresearcher.execution.tables import Table, to_number
from bioresearcher.schemas.execution import Finding

MAX_BYTES = 2_000_000
MAX_FINDINGS = 200
SMALL_TABLE_CELLS = 2_000
_NUMBER = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)(?P<sign>(?<![\w).%])[-−])?"
    r"(?P<body>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?P<power>[eE][-+−]?\d+|\s?[×x]\s?10(?:\^|\*\*)?[-−]?\d+)?(?P<percent>\s?%)?(?![A-Za-z\d_]|\.\d|[′'’](?:UTR|-|\s?end))"
)
_CONVENTION = re.compile(r"\b9[059](?:\.\d)?\s?%(?=[ -]?(?:CI|confidence|credible|interval))", re.IGNORECASE)
_LESS = re.compile(r"(?:<|≤|below|under|less than|at most)\s*$")
_MORE = re.compile(r"(?:>|≥|above|over|more than|at least)\s*$")
_DOWN = re.compile(r"\b(?:down|lower|less|decreas|reduc|negativ|below|loss|fell|fewer|weaker|shorter)", re.IGNORECASE)
_PROBABILITY_KEY = re.compile(r"(?:^|_)(?:p|q|fdr|padj|p_?val(?:ue)?|q_?val(?:ue)?)(?:_|$)", re.IGNORECASE)
_LIST = TypeAdapter(list[Finding])


class FindingsError(ValueError):
    """The findings file is not as agreed, or states a number that is nowhere; the message says which."""


@dataclass(frozen=True)
class Stated:
    """A number as written: its value, and half a unit of its last digit."""

    text: str
    value: float
    half_unit: float
    bound: str = ""

    def agrees(self, value: float) -> bool:
        """Whether a computed value rounds to this number, or lies beyond it where it is stated as a bound."""
        if not math.isfinite(self.value):
            return False
        beyond = (self.bound == "<" and 0 <= value < self.value) or (self.bound == ">" and value > self.value)
        return beyond or self.rounds(value)

    def rounds(self, value: float, either_sign: bool = False) -> bool:
        """Whether a computed value, rounded as written, is this number."""
        away = min(abs(value - self.value), abs(value + self.value) if either_sign else math.inf)
        return math.isfinite(self.value) and away <= self.half_unit * (1 + 1e-9) + 1e-12 * abs(self.value)


def read_findings(path: Path) -> tuple[Finding, ...]:
    """Read `[{"statement", "values"}]`.

    Raises:
        FindingsError: Not that shape, empty, or larger than the limits.
    """
    if path.stat().st_size > MAX_BYTES:
        raise FindingsError(f"is larger than {MAX_BYTES // 1_000_000} MB")
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


def numbers_in(statement: str) -> tuple[Stated, ...]:
    """The numbers a statement states; digits inside names (`E2F`, `IL-6`, `GSE1992`) and `95% CI` are none."""
    text = _CONVENTION.sub(lambda m: " " * len(m[0]), statement)
    return tuple(_stated(match, text[: match.start()]) for match in _NUMBER.finditer(text))


def _stated(match: re.Match[str], before: str) -> Stated:
    body = match["body"].replace(",", "")
    power = (match["power"] or "").replace("−", "-")
    exponent = int(re.sub(r"^(?:[eE]|\s?[×x]\s?10(?:\^|\*\*)?)", "", power)) if power else 0
    exponent = max(-400, min(400, exponent)) - (2 if match["percent"] else 0)
    decimals = len(body.partition(".")[2])
    value = float(f"{body}e{exponent}") * (-1 if match["sign"] else 1)
    bound = "<" if _LESS.search(before) else ">" if _MORE.search(before) else ""
    return Stated(match[0].strip(), value, 0.5 * float(f"1e{exponent - decimals}"), bound)


def numbers_of(value: JsonValue) -> Iterator[float]:
    """The finite numbers in a JSON value, also those written inside its texts."""
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


def unsupported_number(finding: Finding, tables: Sequence[Table], parameters: JsonValue) -> str:
    """The first number of a statement that is nowhere in its values, the task's parameters or its tables.

    Numbers are compared as rounded in the statement; a percentage stands for its share and for itself. Of
    tables with more than `SMALL_TABLE_CELLS` cells only the rows count whose name the statement mentions.
    """
    stated = numbers_in(finding.statement)
    if not stated:
        return ""
    either_sign = bool(_DOWN.search(finding.statement))
    near = [*numbers_of(dict(finding.values)), *numbers_of(parameters)]
    chances = [v for k, x in finding.values.items() if _PROBABILITY_KEY.search(k) for v in numbers_of(x)]
    for number in stated:
        forms = [number, _whole(number)] if "%" in number.text else [number]
        bounded = chances if chances and number.bound == "<" and number.value <= 1 else near
        found = any(form.agrees(v) for form in forms for v in bounded)
        found = found or any(form.rounds(v, either_sign) for form in forms for v in near)
        cells = () if found else _cells(tables, finding.statement)
        if not found and not any(form.rounds(v, either_sign) for v in cells for form in forms):
            return number.text
    return ""


def _whole(number: Stated) -> Stated:
    """A percentage read as the number before its sign."""
    return Stated(number.text, number.value * 100, number.half_unit * 100, number.bound)


def _cells(tables: Iterable[Table], statement: str) -> Iterator[float]:
    words = set(re.findall(r"[\w.+-]*\w", statement))
    for table in tables:
        large = len(table.rows) * len(table.header) > SMALL_TABLE_CELLS
        for row in table.rows:
            if large and row[0].strip() not in words:
                continue
            yield from (value for value in map(to_number, row) if value is not None and math.isfinite(value))
