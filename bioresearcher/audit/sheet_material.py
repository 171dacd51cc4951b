"""Variables of a data set's samples, as the facts need them: columns, fields in texts, series in names, events."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bioresearcher.audit.tables import FactDraft, MatrixNames, Sheet, behind
from bioresearcher.audit.text_fields import TextField, text_fields
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.columns import MAX_LEVELS, as_number
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.schemas.facts import FactKind, FactNumber

LEAST_SERIES = 3
"""Least samples of a series that is looked at by itself."""

_BREAK = re.compile(r"[-_.:/ ()#]+")
_BATCH = re.compile(
    r"(?<![a-z])(batch|plate|run|lane|chip|slide|array_?date|date|cent(er|re)|site|scan|hospital|institut\w*|inst|"
    r"cohort|series|study|lab|laboratory|operator|platform|flow_?cell|print|source_site|tss)(?![a-z])"
)
_NOT_BATCH = re.compile(r"birth|death|relapse|follow|last|seen|\bcr\b|diagnos|surg|onset|tumou?r|primary|biopsy|organ")
_TIME = re.compile(
    r"surv|follow|(^|_)(os|dfs|rfs|dss|pfs|efs|ttp|pfi|tdm|dmfs)(_|$)|^time|_time$|_(days|months|years)$|days_to_"
)
_EVENT = re.compile(
    r"event|vital_status|^status$|^(dead|died|death|deceased)$|^(e|event|status)_|"
    r"^(os|dfs|rfs|dss|pfs|efs|pfi|dmfs)(_?(status|event|censor))?$"
)
_YES = frozenset("1 true yes dead deceased died event 1:deceased 1:recurred/progressed 1:progression".split())
_NO = frozenset("0 false no alive living censored 0:living 0:diseasefree 0:censored".split()) | {"no event"}


def normal(name: str) -> str:
    """Normalise a variable's name: lower case, every run of other characters as `_`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


@dataclass(frozen=True)
class Event:
    """An event that the sheet states.

    Attributes:
        column: Its column.
        happened: For every row True, False, or None where it is not known.
    """

    column: str
    happened: tuple[bool | None, ...]


@dataclass(frozen=True)
class Material:
    """Samples of a data set with all that is known of them; rows are those of the sheet, else the matrix's samples."""

    dataset: Dataset
    objective: Objective
    sheet: Sheet
    matrix: MatrixNames | None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for every row."""
        return self.sheet.labels if self.sheet.columns else self.matrix.samples if self.matrix else ()

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @property
    def named(self) -> bool:
        """True when the labels are names of samples and no numbers of rows."""
        return bool(self.sheet.ids or not self.sheet.columns)

    @cached_property
    def columns(self) -> Mapping[str, list[str]]:
        """Column → its cells, empty where not known; without the sample column."""
        return {name: cells for name, cells in self.sheet.known.items() if name != self.sheet.sample_column}

    @cached_property
    def fields(self) -> list[TextField]:
        """Fields inside the texts of columns."""
        return [f for name, cells in self.columns.items() for f in text_fields(name, cells)]

    @cached_property
    def variables(self) -> dict[str, list[str]]:
        """Columns and fields by name; a column of texts with fields is replaced by these."""
        with_fields = {f.column for f in self.fields}
        found = {name: cells for name, cells in self.columns.items() if name not in with_fields}
        found.update({f.name: list(f.values) for f in self.fields})
        return found

    def describe(self, name: str) -> Column | None:
        """Return the description of a column."""
        return self.sheet.described.get(name)

    def role(self, name: str) -> str:
        """Return the role of a variable; fields have none (`other`)."""
        column = self.describe(name)
        return column.role if column else "other"

    def is_batch(self, name: str) -> bool:
        """Return True for a variable that names the circumstances of a measurement rather than of a patient."""
        if self.role(name) in ("group", "event", "time", "id"):
            return False
        text = normal(name)
        return self.role(name) == "batch" or (_BATCH.search(text) is not None and _NOT_BATCH.search(text) is None)

    def is_outcome(self, name: str) -> bool:
        """Return True for a time or an event, by role or by name."""
        text = normal(name)
        return self.role(name) in ("time", "event") or bool(_TIME.search(text) or _EVENT.search(text))

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Variables that are compared: those with the role of a group that have 2 to 12 levels and are no outcome."""
        found = {}
        for name, cells in self.variables.items():
            if self.role(name) == "group" and not self.is_outcome(name) and 2 <= len(levels(cells)) <= MAX_LEVELS:
                found[name] = cells
        return found

    @cached_property
    def batches(self) -> dict[str, list[str]]:
        """Batch-like variables, and the series in the samples' names."""
        found = {name: cells for name, cells in self.variables.items() if self.is_batch(name)}
        found = {name: cells for name, cells in found.items() if 2 <= len(levels(cells)) <= max(12, self.n // 3)}
        if self.series:
            found[SERIES] = list(self.series)
        return found

    @cached_property
    def series(self) -> tuple[str, ...]:
        """Series that the samples' names begin with, one for every row; empty when names show none."""
        found = series_of(self.labels) if self.named else ()
        return () if found and any(spells(found, cells) for cells in self.groups.values()) else found

    @cached_property
    def event(self) -> Event | None:
        """The event: the column with that role, else the one column named like it with two levels that say so."""
        named = self.sheet.with_role("event")
        candidates = named or [
            n for n in self.columns if _EVENT.search(normal(n)) and self.role(n) in ("other", "group")
        ]
        found = [event for name in candidates if (event := self._as_event(name))]
        return found[0] if found and (named or len(found) == 1) else None

    def _as_event(self, name: str) -> Event | None:
        cells = [re.sub(r"\s+", "", c.casefold()) if ":" in c else c.casefold() for c in self.columns[name]]
        cells = [{"1.0": "1", "0.0": "0"}.get(c, c) for c in cells]
        seen = {c for c in cells if c}
        if not seen or not seen <= _YES | _NO or "censor" in normal(name):
            return None
        return Event(name, tuple(None if not c else c in _YES for c in cells))

    @cached_property
    def time(self) -> str:
        """The column of the follow-up time; empty when none has that role."""
        return next(iter(self.sheet.with_role("time")), "")

    def events_among(self, rows: Iterable[int]) -> tuple[int, int] | None:
        """Count (events, rows with known event) among rows; None without an event."""
        if self.event is None:
            return None
        known = [h for i in rows if (h := self.event.happened[i]) is not None]
        return sum(known), len(known)

    def draft(
        self,
        kind: FactKind,
        weight: Literal[1, 2, 3],
        statement: str,
        consequence: str,
        shown_by: str,
        numbers: Mapping[str, float] | None = None,
        rows: Iterable[str] = (),
    ) -> FactDraft:
        """Make a fact about this data set."""
        listed, count = behind(rows)
        return FactDraft(
            kind=kind,
            dataset=self.dataset.id,
            statement=statement,
            consequence=consequence,
            weight=weight,
            shown_by=f"audit.{shown_by}",
            numbers=tuple(FactNumber(name=n, value=v) for n, v in (numbers or {}).items()),
            rows=listed,
            row_count=count,
        )


def few_enough(names: Sequence[str], rows: int, most: int) -> list[str]:
    """Cut variables that are compared pair by pair, so that no more than some million cells are looked at."""
    return list(names)[: max(4, min(most, int((1_000_000 / max(1, rows)) ** 0.5)))]


SERIES = "series in the sample names"
"""Name of the variable made of the samples' names."""


def levels(cells: Iterable[str]) -> Counter[str]:
    """Count the known values."""
    return Counter(cell for cell in cells if cell)


def counted(counts: Mapping[str, int], most: int = 8) -> str:
    """List values with their counts, the most frequent first: `BR (31), UB (21) and 3 more`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{clipped(name)} ({count})" for name, count in ordered[:most])
    return text + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def clipped(text: str, most: int = 60) -> str:
    """Shorten a text for a statement."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def listed(names: Sequence[str], most: int = 8) -> str:
    """List names: `a, b, c and 4 more`."""
    shown = ", ".join(clipped(n) for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def numbers_in(cells: Sequence[str]) -> list[float] | None:
    """Parse a column of numbers; None unless every known cell is one."""
    known = [cell for cell in cells if cell]
    found = [number for cell in known if (number := as_number(cell)) is not None]
    return found if known and len(found) == len(known) else None


def segments(name: str) -> list[str]:
    """Split a sample's name at punctuation and blanks."""
    return [part for part in _BREAK.split(name) if part]


def series_of(names: Sequence[str]) -> tuple[str, ...]:
    """Find the series that names begin with: letters before a number, or a first part that several names share.

    Leading parts that all names share (`TCGA`) are passed over. Two series of at least `LEAST_SERIES` names must
    cover 70 % of the names, else there is none.
    """
    split = [segments(name) for name in names]
    if len(split) < 2 * LEAST_SERIES or not all(split):
        return ()
    while all(len(parts) > 1 for parts in split) and len({parts[0] for parts in split}) == 1:
        split = [parts[1:] for parts in split]
    firsts = [parts[0] for parts in split]
    repeats = Counter(firsts)
    sites = all(re.match(r"TCGA-\w\w-", name) for name in names)  # the second part is the tissue source site
    found = []
    for parts in split:
        first = parts[0]
        letters = re.match(r"[A-Za-z]+(?=\d|$)", first)
        whole = len(parts) > 1 and repeats[first] >= LEAST_SERIES
        found.append(first if sites or (whole and not letters) else letters[0] if letters else "")
    sizes = Counter(s for s in found if s)
    large = {s for s, size in sizes.items() if size >= LEAST_SERIES}
    covered = sum(sizes[s] for s in large)
    if len(large) < 2 or len(large) > max(12, len(names) // 6) or covered < 0.7 * len(names):
        return ()
    return tuple(found)


def spells(series: Sequence[str], cells: Sequence[str]) -> bool:
    """Return True when a part of the names writes a variable's levels, in full or shortened (`ctrl`, `kd`)."""
    pairs = Counter((s.casefold(), c.casefold()) for s, c in zip(series, cells, strict=True) if s and c)
    if not pairs or len({s for s, _ in pairs}) != len(pairs) or len({c for _, c in pairs}) != len(pairs):
        return False
    return all(_shortens(s, c) or _shortens(c, s) for s, c in pairs)


def _shortens(short: str, long: str) -> bool:
    if not short or not long or short[0] != long[0]:
        return False
    rest = iter(long)
    return all(letter in rest for letter in short)
