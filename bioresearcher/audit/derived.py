"""Columns derived from dates and names that identify nobody: the year of a date, the series that names begin with.

Dates and names of samples are in no view, but the year of entry and the centre or series in an id shape a design. A
series counts where at least five samples share it; the others are one level together.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bioresearcher.schemas.columns import as_number

NAME_PREFIX = "name_prefix"
"""Column that holds the letters or digits with which sample names begin, which often name a series of arrays."""
CROWD = 5
"""Samples that share a combination of values, at least, for it to identify nobody."""
OTHER = "other"
"""Level of the samples whose series is too small to be named."""

_DATES = (
    "%Y-%m-%d",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%Y/%m/%d",
    "%m/%d/%y",
    "%d-%b-%Y",
    "%Y-%m-%d %H:%M:%S",
    "%b %d %Y",
)
_ARE_DATES = 0.8
_LEAST_SHARE = 0.5  # of names that are in series large enough
_ENUMERATED = 0.8  # of the numbers from the smallest to the largest that are there: they only count
_MOST_DIGITS, _MOST_SERIES = 2, 50
_NUMBERS = 0.8  # of names that are numbers, for their digits to be cut
ACCESSION = re.compile(r"(GSM|[SED]RR|[SED]RX|[SED]RS|SAM[NED]A?)\d+")
"""Name of a sample in a public archive."""
_SIGNS = re.compile(r"[-_./: ]")


def dates(values: Sequence[str]) -> list[dt.date | None] | None:
    """Read a column of dates in one form; None unless most known cells are such dates."""
    known = sum(bool(v.strip()) for v in values)
    numbers = sum(as_number(v) is not None for v in values)
    if not known or numbers >= 0.5 * known:
        return None
    for form in _DATES:
        found = [_date(v, form) for v in values]
        if sum(d is not None for d in found) >= _ARE_DATES * known:
            return found
    return None


def _date(text: str, form: str) -> dt.date | None:
    if not text[:1].isdigit() and form[1] != "b":
        return None
    try:
        return dt.datetime.strptime(f"{text} +0000", f"{form} %z").date()
    except ValueError:
        return None


def series_of(values: Sequence[str]) -> tuple[str, ...]:
    """Return the series that each name begins with; empty if the names show none.

    Letters, fields between signs (`TCGA-02-0001`) or the first digits of numbers of one kind (`28031`). Numbers that
    only count, and accessions of a public archive, show none.
    """
    names = [v.strip() for v in values]
    known = [n for n in names if n]
    if len(known) < 2 * CROWD or any(ACCESSION.fullmatch(n) for n in known):
        return ()
    best: tuple[str, ...] = ()
    most = (1, 0)
    numbers = sum(n.isdecimal() for n in known) >= _NUMBERS * len(known)
    for parts in _digits(names) if numbers else _fields(names):
        sizes = Counter(p for p in parts if p)
        large = {p for p, n in sizes.items() if n >= CROWD}
        held = sum(sizes[p] for p in large)
        if 1 < len(large) <= _MOST_SERIES and held >= _LEAST_SHARE * len(known) and (len(large), held) >= most:
            most = len(large), held
            best = tuple(p if p in large else OTHER if name else "" for p, name in zip(parts, names, strict=True))
    return best


def name_prefix(names: Sequence[str]) -> tuple[str, ...]:
    """Leading letters, or digits before another sign, of all names; else their series; empty if they show neither."""
    found = [m.group() if (m := re.match(r"[A-Za-z]+|\d+(?=[^\dA-Za-z])", n)) else "" for n in names]
    kinds = set(found)
    few = 2 <= len(kinds) <= max(2, len(found) // 4) and "" not in kinds
    return tuple(found) if few else series_of(names)


def _digits(names: Sequence[str]) -> list[list[str]]:
    """Cut the first digits off numbers, at least two being left; nothing where the numbers only count."""
    numbers = {int(n) for n in names if n.isdecimal()}
    if len(numbers) >= _ENUMERATED * (max(numbers) - min(numbers) + 1):
        return []
    width = max(len(n) for n in names if n.isdecimal())
    padded = [n.zfill(width) if n.isdecimal() else "" for n in names]
    told = [k for k in range(1, min(_MOST_DIGITS, width - 2) + 1) if len({p[k - 1] for p in padded if p}) > 1]
    return [[p[:k] if p else _letters(n) for p, n in zip(padded, names, strict=True)] for k in told]


def _letters(name: str) -> str:
    return m.group() if (m := re.match(r"[A-Za-z]+", name)) else ""


def _fields(names: Sequence[str]) -> list[list[str]]:
    """Cut names after their first field that differs, and after their leading letters."""
    found = []
    split = [_SIGNS.split(n) for n in names]
    for k in range(1, min(map(len, (s for s, n in zip(split, names, strict=True) if n)))):
        parts = ["-".join(s[:k]) if n else "" for s, n in zip(split, names, strict=True)]
        if len({p for p in parts if p}) > 1:
            found.append(parts)
            break
    return [*found, [_letters(n) for n in names]]


def derived_columns(cells: Mapping[str, Sequence[str]], names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Derive columns: `<date>_year` of columns with dates, `<id>_prefix` of columns with names.

    Args:
        cells: Column name -> cells, empty where not known.
        names: Columns that name samples or persons.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, values in cells.items():
        if name in names:
            made, made_name = series_of(values), f"{name}_prefix"
        else:
            days = dates([v.strip() for v in values])
            made = tuple("" if d is None else str(d.year) for d in days) if days is not None else ()
            made_name = f"{name}_year"
        if len({v for v in made if v}) > 1 and made_name not in cells:
            found[made_name] = made
    return found
