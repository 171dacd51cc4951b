"""The numbers of a fact, held against what its look printed: as printed, or as plain arithmetic over it gives them.

What arithmetic certainly gives: the result of a sum that the statement writes out, a share of two numbers in it, a
printed share told in percent, a number of rows of a printed table (of all, of those with a level that the clause names,
of those in a range whose ends it names), the length of a list that the statement writes out in printed words, and the
sum of a printed list or column where the clause says that it is a sum. A table that was cut has no number of rows.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

NUMBER: Final = re.compile(
    r"(?<![\w.])(?:[-−+](?=[\d.]))?(?:\d+(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))(?:[eE][-+]?\d+)?(?![A-Za-z_\d])"
)
_OURS: Final = re.compile(r"^<<<untrusted .*$|^>>>$|\[… [\d,]+ bytes left out …\]", re.MULTILINE)
_CUT: Final = re.compile(r"\[… [\d,]+ bytes left out …\]|^\.\.\. [\d,]+ more ", re.MULTILINE)
_SPELT: Final = {
    word: float(number)
    for number, word in enumerate("two three four five six seven eight nine ten eleven twelve".split(), start=2)
}
_SPELT_WORD: Final = re.compile(rf"\b({'|'.join(_SPELT)})\b", re.IGNORECASE)
_CLAUSE: Final = re.compile(r"[;:]|[.,](?=\s)|\band\b")
_SUM: Final = re.compile(r"\b(?:in all|altogether|together|total|sum|sums|summed)\b", re.IGNORECASE)
_ROWS: Final = re.compile(
    r"\b(?:rows?|lines?|listed|printed|shown|samples?|arrays?|patients?|genes?|features?|probes?|sets?)\b",
    re.IGNORECASE,
)
_STEPS: Final = re.compile(r"(?<![\w.])([\d.,]+)((?:\s*[-+−×x*/]\s*[\d.,]*\d)+)(?![\w])")
_BRACKETS: Final = re.compile(r"\{([^{}]*)\}|\[([^\[\]]*)\]")
_RANGE: Final = re.compile(r"\b(?:from|between)\s+(\S+)\s+(?:to|and)\s+(\S+)", re.IGNORECASE)
_FEWEST: Final = 2


@dataclass(frozen=True)
class _Said:
    """A number of a statement: as written, its value, and where it stands."""

    text: str
    value: float
    start: int
    end: int


def unseen_numbers(statement: str, shown: str, sizes: Iterable[float] = ()) -> tuple[str, ...]:
    """Return the numbers of a statement that neither stand in what a look printed nor follow from it.

    Thousands separators and zeros at the end do not matter; a rounded number counts only where it was printed so.
    Numbers inside names (`E2F1`, `GSE4335`) are no numbers. The first line of `shown`, which is ours, does not count.

    Args:
        statement: The fact.
        shown: What the look showed.
        sizes: Numbers that are known without what was printed: rows and samples of the view's files, and the quantiles
            that the look's code asks for.
    """
    printed = shown.partition("\n")[2]
    output = _OURS.sub(" ", printed)
    known = {_value(m[0]) for m in NUMBER.finditer(output)} | {float(n) for n in sizes}
    known |= {_value(m[0]) for m in NUMBER.finditer(re.sub(r"(?<=\d),(?=\d)", " , ", output))}  # `12,345` in a list
    known |= {_SPELT[m[0].lower()] for m in _SPELT_WORD.finditer(output)}
    said = [_Said(m[0], _value(m[0]), *m.span()) for m in NUMBER.finditer(statement)]
    said += [_Said(m[0], _SPELT[m[0].lower()], *m.span()) for m in _SPELT_WORD.finditer(statement)]
    left = [s for s in said if s.value not in known]
    if left:
        tables = () if _CUT.search(printed) else tuple(_tables(output))
        counted = {s for s in left if _counted(s, statement, output, tables)}
        known |= {s.value for s in counted}
        computed = {s for s in left if s not in counted and _computed(s, statement, known)}
        left = [s for s in left if s not in counted | computed]
    return tuple(dict.fromkeys(s.text for s in left))


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def _computed(said: _Said, statement: str, known: set[float]) -> bool:
    """True for the result of a sum that is written out, a share of two numbers, or percent, all of which are known."""
    if _percent(said, statement) and any(math.isclose(100 * v, said.value) for v in known if 0 <= v <= 1):
        return True
    return _of_equation(said, statement, known) or _share(said, statement, known)


def _percent(said: _Said, statement: str) -> bool:
    return statement[said.end :].lstrip().startswith(("%", "percent", "per cent"))


def _of_equation(said: _Said, statement: str, known: set[float]) -> bool:
    """`162 = 120 + 42`, `120 + 42 = 162`."""
    for found in _STEPS.finditer(statement):
        before, after = statement[: found.start()].rstrip(), statement[found.end() :].lstrip()
        left = before.endswith("=") and said.end == len(before[:-1].rstrip())
        right = after.startswith("=") and said.start == len(statement) - len(after[1:].lstrip())
        if not left and not right:
            continue
        parts = re.split(r"\s*([-+−×x*/])\s*", found[0])
        try:
            numbers = [_value(p.strip(",")) for p in parts[::2]]
        except ValueError:
            continue
        if set(numbers) <= known and _same(_result(numbers, parts[1::2]), said):
            return True
    return False


def _result(numbers: Sequence[float], signs: Sequence[str]) -> float:
    """Carry out signs of one kind from left to right; nan where products and sums are mixed."""
    products = {s in "×x*/" for s in signs}
    if len(products) != 1:
        return math.nan
    result = numbers[0]
    for sign, number in zip(signs, numbers[1:], strict=True):
        if sign == "+":
            result += number
        elif sign in "-−":
            result -= number
        elif sign == "/":
            result = result / number if number else math.nan
        else:
            result *= number
    return result


def _share(said: _Said, statement: str, known: set[float]) -> bool:
    """`42 of 120 (35 %)`, `35 % (42 of 120)`, `0.35 (42/120)`: beside the share, both numbers being known."""
    percent = _percent(said, statement)
    for found in re.finditer(
        r"(?<![\w.])([\d.,]*\d)\s*(?:of|out of|/)\s*(?:the\s+|all\s+)?([\d.,]*\d)(?![\w])", statement
    ):
        beside = statement[min(said.end, found.end()) : max(said.start, found.start())]
        if len(beside) > len(" percent of them (") or re.search(r"\d", beside):
            continue
        part, whole = _value(found[1].strip(",")), _value(found[2].strip(","))
        if {part, whole} <= known and whole and _same(part / whole * (100 if percent else 1), said):
            return True
    return False


def _same(value: float, said: _Said) -> bool:
    """True if a number is the one that was said, at the digits with which it was said."""
    digits = len(re.split("[eE]", said.text)[0].partition(".")[2]) if said.text[-1].isdigit() else 0
    return math.isfinite(value) and abs(value - said.value) <= 0.5 * 10.0**-digits * (1 + 1e-9)


def _counted(said: _Said, statement: str, output: str, tables: Sequence[_Table]) -> bool:
    """True for a number of printed rows, of listed things, or a printed sum."""
    if not said.value.is_integer() or not said.value >= 0:
        return False
    clause = _clause(statement, said)
    return (
        _listed(said, statement, output)
        or any(_rows_said(said, clause, table) for table in tables)
        or bool(_SUM.search(clause) and said.value in _sums(output, tables))
    )


def _clause(statement: str, said: _Said) -> str:
    """Return the part of the statement between signs in which a number stands; the ends of a range stay together."""
    text = _RANGE.sub(lambda m: m[0].replace(" and ", " \0\0\0 "), statement)
    cuts = [0, *(m.end() for m in _CLAUSE.finditer(text)), len(text)]
    return next((statement[a:b] for a, b in pairwise(cuts) if a <= said.start < b), statement)


def _listed(said: _Said, statement: str, output: str) -> bool:
    """`seven couples: 50 M, 58 M, …`, `two sets (A, B)`, `51.4 and 32.6 in two arrays`: every item was printed."""
    after = re.match(r"[^.;:()\d]{0,80}(?::|\()\s*([^.;:()]*(?:\.\d[^.;:()]*)*)", statement[said.end :])
    before = re.search(r"((?:[^\s,;:]+, )*[^\s,;:]+ and [^\s,;:]+) in $", statement[: said.start])
    lines = [set(re.split(r"[\s,;|()\[\]{}'\"]+", line)) for line in output.splitlines()]
    for found in filter(None, (after, before)):
        items = [i.split() for i in re.split(r",\s*(?:and\s+)?|\s+and\s+", found[1].strip()) if i.strip()]
        if len(items) == said.value and all(any({*item} <= line for line in lines) for item in items):
            return len({tuple(i) for i in items}) == len(items)
    return False


@dataclass(frozen=True)
class _Table:
    """Printed lines of as many cells, with the names of the columns where there are as many."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def _tables(output: str) -> Iterator[_Table]:
    """Yield the tables of an output: neighbouring lines of one number of cells, at least two and two."""
    lines = [tuple(line.split("\t") if "\t" in line else line.split()) for line in output.splitlines()]
    start = 0
    for end in range(1, len(lines) + 1):
        if end < len(lines) and len(lines[end]) == len(lines[start]):
            continue
        block, width = lines[start:end], len(lines[start])
        head = lines[start - 1] if start else ()
        if block and not any(map(_is_number, block[0])) and any(map(_is_number, (c for r in block[1:] for c in r))):
            head, block = block[0], block[1:]
        if width >= _FEWEST and len(block) >= _FEWEST:
            names = head if len(head) == width else ("", *head) if len(head) == width - 1 else ("",) * width
            yield _Table(tuple(n.strip() for n in names), tuple(tuple(c.strip() for c in r) for r in block))
        start = end


def _is_number(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell.strip()))


def _rows_said(said: _Said, clause: str, table: _Table) -> bool:
    """True if the clause names as many rows as the table has, by a range, by levels, or all of them."""
    columns = list(zip(*table.rows, strict=True))
    if (found := _RANGE.search(clause)) is not None:
        ends = [m[0] for text in found.groups() if (m := NUMBER.match(text.strip("(),")))]
        return len(ends) == _FEWEST and _in_range(said, columns, *map(_value, ends))
    words = {w.strip(".,;:()\"'") for w in clause.split()}
    named = [
        {n for n, cell in enumerate(cells) if cell in words}
        for cells in columns
        if any(c in words and not _is_number(c) for c in cells)
    ]
    if named:
        return len(set.intersection(*named)) == said.value
    return len(table.rows) == said.value and bool(_ROWS.search(clause))


def _in_range(said: _Said, columns: Iterable[Sequence[str]], low: float, high: float) -> bool:
    """True if in every column that holds both ends so many values lie between them."""
    counts = set()
    for cells in columns:
        values = [_value(c) for c in cells if _is_number(c)]
        if low in values and high in values:
            counts.add(sum(low <= v <= high for v in values))
    return counts == {said.value}


def _sums(output: str, tables: Sequence[_Table]) -> set[float]:
    """Return the sums of printed lists and of whole columns of numbers."""
    found = set()
    for match in _BRACKETS.finditer(output):
        cells = [c.rpartition(":")[2].strip() for c in re.split(r",\s", match[1] or match[2] or "")]
        if len(cells) > 1 and all(map(_is_number, cells)):
            found.add(sum(map(_value, cells)))
    for table in tables:
        for column in zip(*table.rows, strict=True):
            if all(map(_is_number, column)):
                found.add(sum(map(_value, column)))
    return found
