"""Rows on which a question is answered: from all of a sheet to those left, each step with its reason and count."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bioresearcher.analysis.mentions import canonical, levels_of
from bioresearcher.analysis.words import forms
from bioresearcher.audit.tables import Sheet
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.question import AnalysisSet, Exclusion, Filter, FlowStep, GroupCount, Question
from bioresearcher.text.visible import one_line

FEWEST: Final = 2
"""Rows in a group, and events, below which nothing can be compared."""
_TCGA: Final = re.compile(r"(TCGA|TARGET)-[A-Z0-9]{2}-[A-Z0-9]{4,6}-(\d\d)[A-Z]?(?:[-.].*)?", re.IGNORECASE)
_MATRIX: Final = ("features", "gene", "signature", "gene sets")


@dataclass
class Rows:
    """Rows of a sheet that are left, with the steps that led to them.

    Attributes:
        left: Numbers of the rows, in file order.
        cells: Column → cells as canonical levels, the empty string where nothing is known; all rows of the sheet.
        repeats: Kind of row that a unit has more than once, in words; empty when none has.
    """

    sheet: Sheet
    left: list[int]
    cells: dict[str, list[str]]
    steps: list[FlowStep] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)

    def keep(self, test: Callable[[int], bool], reason: str) -> None:
        """Keep the rows that meet a test; a step that leaves all of them is not recorded."""
        kept = [n for n in self.left if test(n)]
        if len(kept) < len(self.left):
            self.steps.append(FlowStep(reason=reason, left_out=len(self.left) - len(kept), left=len(kept)))
            self.left = kept

    def counts(self, column: str) -> Counter[str]:
        """Levels of a column among the rows left."""
        return Counter(self.cells[column][n] for n in self.left)


def canonical_cells(sheet: Sheet, name: str) -> list[str]:
    """The cells of a column as canonical levels; the empty string where nothing is known."""
    column = sheet.described.get(name)
    known = sheet.known[name]
    if column is None:
        return list(known)
    missing = {code.casefold() for code in column.missing_values}
    means = {cell: canonical(column, cell) for cell in {*known} if cell and cell.casefold() not in missing}
    return ["" if (level := means.get(cell, "")).casefold() in missing else level for cell in known]


def event_cells(sheet: Sheet, question: Question) -> list[str]:
    """Events as 1 and 0; the empty string where nothing is known."""
    end = question.endpoint
    if end is None:
        return []
    column = sheet.described.get(end.event_column)
    cells = canonical_cells(sheet, end.event_column)
    raw = sheet.known[end.event_column]
    wanted = {v.casefold() for v in end.event_level}
    numbers = {n for v in end.event_level if (n := as_number(v)) is not None}
    coded = column is not None and bool(column.codes)

    def is_event(cell: str, level: str) -> bool:
        number = None if coded else as_number(cell)
        return cell.casefold() in wanted or level.casefold() in wanted or (number is not None and number in numbers)

    return ["" if not level else "1" if is_event(cell, level) else "0" for cell, level in zip(raw, cells, strict=True)]


def analyse(
    question: Question, sheet: Sheet, samples: Sequence[str] | None, *, without: frozenset[str] = frozenset()
) -> tuple[AnalysisSet, Rows]:
    """Choose the rows of a question and count them.

    Args:
        question: The question; one that has `cannot` is not given.
        sheet: The sample sheet of its data set.
        samples: Names of the matrix's columns; None where there is no matrix.
        without: Labels of rows that a plan leaves out, beside those that the question's conditions do.
    """
    lost = [c for c in question.columns if c not in sheet.columns]
    named = {n for n in question.columns if n in sheet.columns}
    rows = Rows(sheet, list(range(sheet.rows)), {n: canonical_cells(sheet, n) for n in named})
    start = AnalysisSet(
        id=question.id,
        question=question.id,
        source=question.dataset,
        start=sheet.rows,
        filters=(
            *(f.text for f in question.population),
            *(f"without {out.text}" for out in question.leave_out),
        ),
        unit=question.unit,
        terms=tuple(n for n in (question.pair, *question.blocks, *question.adjust) if n),
        endpoint=question.endpoint.name if question.endpoint else "",
        contrast_column=question.contrast.column if question.contrast else "",
        case=question.contrast.case if question.contrast else None,
        control=question.contrast.control if question.contrast else None,
        levels=question.contrast.levels if question.contrast else (),
    )
    if lost:
        return start.model_copy(update={"problem": f"{question.dataset} has no column {lost[0]!r}"}), rows
    if samples is not None and (question.measure.kind in _MATRIX or question.scores) and sheet.ids:
        have = {s.strip() for s in samples}
        rows.keep(lambda n: sheet.ids[n] in have, "not in the matrix")
    if without:
        rows.keep(lambda n: sheet.labels[n] not in without, "left out by the protocol")
    for out in question.leave_out:
        _without(rows, out)
    for one in question.population:
        _filter(rows, one)
    _tumours(rows, question)
    _contrast(rows, question)
    events = _endpoint(rows, question)
    if question.outcome and question.outcome in rows.cells:
        outcome = rows.cells[question.outcome]
        rows.keep(lambda n: bool(outcome[n]), f"{question.outcome} is not known")
    units = _units(rows, question)
    pairs = _pairs(rows, question)
    return _counted(start, rows, question, events, units, pairs), rows


def _without(rows: Rows, out: Exclusion) -> None:
    """Leave out rows by name and by level; those of which the column is not known stay, and a caution counts them."""
    cells = rows.cells.get(out.column) if out.levels else None
    gone = {v.casefold() for v in out.levels}
    named = {*out.samples}
    unknown = sum(not cells[n] for n in rows.left) if cells is not None else 0
    if unknown:
        rows.cautions.append(f"{unknown} rows stay in of which {out.column} is not known")
    why = f": {one_line(out.reason.rstrip('.'), 160)}" if out.reason else ""

    def stays(n: int) -> bool:
        return rows.sheet.labels[n] not in named and (cells is None or cells[n].casefold() not in gone)

    before = len(rows.left)
    rows.keep(stays, f"{out.text}{why}")
    if len(rows.left) == before:
        rows.cautions.append(f"no row is left out by {out.text}")


def _filter(rows: Rows, one: Filter) -> None:
    cells = rows.cells[one.column]
    rows.keep(lambda n: bool(cells[n]), f"{one.column} is not known")
    if one.levels:
        wanted = {v.casefold() for v in one.levels}
        rows.keep(lambda n: cells[n].casefold() in wanted, f"{one.column} is not {' or '.join(one.levels)}")
        return
    numbers = {n: as_number(cells[n]) for n in rows.left}
    low, high = one.least, one.most

    def inside(n: int) -> bool:
        number = numbers[n]
        if number is None:
            return False
        above = low is None or number > low or (number == low and not one.above)
        return above and (high is None or number < high or (number == high and not one.below))

    rows.keep(inside, f"not {one.text}")


def _tumours(rows: Rows, question: Question) -> None:
    """Keep tumours where a measure of tissue is related to an endpoint and rows of normal tissue are there, too."""
    if question.kind != "time to event" or question.measure.kind not in ("gene", "signature", "features"):
        return
    for column in rows.sheet.described.values():
        if column.role not in ("group", "covariate", "other") or column.name in question.columns:
            continue
        levels = levels_of(column)
        normal = {v for v in levels if {"normal"} & {*forms(v)}}
        tumour = {v for v in levels if {"tumor", "cancer", "carcinoma"} & {*forms(v)} - normal} - normal
        if normal and tumour:
            _leave_out(rows, column.name, normal)
            return


def _leave_out(rows: Rows, name: str, levels: set[str]) -> None:
    cells = canonical_cells(rows.sheet, name)
    rows.keep(lambda n: cells[n] not in levels, f"{name} is {' or '.join(sorted(levels))}")


def _contrast(rows: Rows, question: Question) -> None:
    contrast = question.contrast
    if contrast is None:
        return
    cells = rows.cells[contrast.column]
    rows.keep(lambda n: bool(cells[n]), f"{contrast.column} is not known")
    if contrast.levels:
        wanted = {v.casefold() for v in contrast.levels}
        named = contrast.levels
        said = f"neither {' nor '.join(named)}" if len(named) == 2 else f"none of {', '.join(named)}"
        rows.keep(lambda n: cells[n].casefold() in wanted, f"{contrast.column} is {said}")


def _endpoint(rows: Rows, question: Question) -> list[str]:
    """Keep rows with time and event; returns the events of all rows."""
    end = question.endpoint
    if end is None:
        return []
    events = event_cells(rows.sheet, question)
    if end.censored_time_column:
        last = rows.cells[end.censored_time_column]
        happened = rows.cells[end.time_column]
        rows.cells[end.time_column] = [
            first if event == "1" else other for first, other, event in zip(happened, last, events, strict=True)
        ]
    times = [as_number(cell) for cell in rows.cells[end.time_column]]
    name = end.name or "follow-up"
    rows.keep(lambda n: times[n] is not None and events[n] != "", f"no {name} time or event")
    rows.keep(lambda n: (times[n] or 0.0) >= 0 and math.isfinite(times[n] or 0.0), f"the {name} time is negative")
    rows.cells[end.event_column] = events
    return events


def unit_names(sheet: Sheet, column: str) -> list[str]:
    """The unit of each row: by its column, else by the patient's part of a TCGA barcode; empty when it is its own."""
    if column in sheet.columns:
        return canonical_cells(sheet, column)
    if sheet.ids and all(_TCGA.fullmatch(i) for i in sheet.ids):
        return ["-".join(i.split("-")[:3]) for i in sheet.ids]
    return [""] * sheet.rows


def _units(rows: Rows, question: Question) -> list[str]:
    """Keep one row for each unit, unless pairs are asked for or units are in several of the groups compared."""
    sheet = rows.sheet
    units = unit_names(sheet, question.unit)
    level = rows.cells[question.contrast.column] if question.contrast and question.contrast.levels else None
    if question.pair or not any(units):
        return units
    spread = {u for u, n in Counter(units[n] for n in rows.left).items() if u and n > 1}
    if not spread:
        return units
    kinds = [m[2] if (m := _TCGA.fullmatch(i)) else "" for i in sheet.ids] if sheet.ids else []
    tumour = {n for n in rows.left if kinds and kinds[n] and kinds[n] < "10"}
    if tumour and level is None and len(tumour) < len(rows.left):
        rows.keep(lambda n: n in tumour, "normal tissue or another kind of sample by its barcode")
    first: dict[tuple[str, str], int] = {}
    order = sorted(rows.left, key=lambda n: (kinds[n] != "01" if kinds else False, sheet.ids[n] if kinds else "", n))
    for n in order:
        first.setdefault((units[n] or f"row {n}", level[n] if level else ""), n)
    kept = {*first.values()}
    what = question.unit or "patient"
    rows.keep(lambda n: n in kept, f"further rows of the same {what}")
    if level is not None:
        groups: dict[str, set[str]] = defaultdict(set)
        for n in rows.left:
            if units[n]:
                groups[units[n]].add(level[n])
        both = sum(len(g) > 1 for g in groups.values())
        if both:
            rows.cautions.append(
                f"{both} of {len(groups)} values of {what} are in more than one group, and no pairing was asked for"
            )
    return units


def _pairs(rows: Rows, question: Question) -> int | None:
    """Keep complete pairs or sets: one row of each level; returns their number."""
    contrast = question.contrast
    if not question.pair or contrast is None or not contrast.levels:
        return None
    pair, level = rows.cells[question.pair], rows.cells[contrast.column]
    folded = [v.casefold() for v in contrast.levels]
    rows.keep(lambda n: bool(pair[n]), f"{question.pair} is not known")
    members: dict[str, dict[str, int]] = defaultdict(dict)
    for n in rows.left:
        members[pair[n]].setdefault(level[n].casefold(), n)
    whole = {name: rows_of for name, rows_of in members.items() if all(v in rows_of for v in folded)}
    kept = {n for rows_of in whole.values() for n in rows_of.values()}
    partners = set(whole)
    rows.keep(lambda n: pair[n] in partners, f"no partner of the same {question.pair}")
    rows.keep(lambda n: n in kept, f"further rows of the same {question.pair} and level")
    return len(whole)


def _counted(
    start: AnalysisSet, rows: Rows, question: Question, events: list[str], units: list[str], pairs: int | None
) -> AnalysisSet:
    """The analysis set with its counts, and with the reason why it cannot be analysed if there is one."""
    terms = [t for t in start.terms if t in rows.cells]
    measured = [m for m in question.measure.names if question.measure.kind == "column" and m in rows.cells]
    complete = [n for n in rows.left if all(rows.cells[t][n] for t in (*terms, *measured))]

    def happened(left: Sequence[int]) -> int | None:
        return sum(events[n] == "1" for n in left) if question.endpoint else None

    found = start.model_copy(
        update={
            "flow": tuple(rows.steps),
            "n": len(rows.left),
            "units": len({units[n] or f"row {n}" for n in rows.left}),
            "pairs": pairs,
            "groups": _groups(rows, question, events, rows.left),
            "events": happened(rows.left),
            "complete": len(complete),
            "complete_events": happened(complete),
            "complete_groups": _groups(rows, question, events, complete),
            "samples_digest": digest([rows.sheet.labels[n] for n in rows.left]),
            "cautions": tuple(rows.cautions),
        }
    )
    problem = _problem(found, rows, question)
    cautions = (*found.cautions, *_cautions(found, measured))
    return found.model_copy(update={"problem": problem, "cautions": cautions})


def digest(samples: Sequence[str]) -> str:
    """A sum over the sorted names of samples."""
    return hashlib.sha256("\n".join(sorted(samples)).encode()).hexdigest()


def _groups(rows: Rows, question: Question, events: list[str], left: Sequence[int]) -> tuple[GroupCount, ...]:
    contrast = question.contrast
    if contrast is None or not contrast.levels:
        return ()
    cells = rows.cells[contrast.column]
    found = []
    for level in contrast.levels:
        own = [n for n in left if cells[n].casefold() == level.casefold()]
        count = sum(events[n] == "1" for n in own) if question.endpoint else None
        found.append(GroupCount(level=level, n=len(own), events=count))
    return tuple(found)


def _problem(found: AnalysisSet, rows: Rows, question: Question) -> str:
    """The reason why nothing can be computed from the rows left; empty when something can."""
    last = f" (last left out: {found.flow[-1].reason}, {found.flow[-1].left_out})" if found.flow else ""
    before = found.n + (found.flow[-1].left_out if found.flow and found.pairs is not None else 0)
    if question.pair and found.pairs is not None and found.pairs < FEWEST and before:
        return f"nobody is paired: {found.pairs} values of {question.pair} have all of {', '.join(found.levels)}"
    if found.n == 0:
        return f"no row is left of {found.start}{last}"
    small = [g for g in found.groups if g.n < FEWEST]
    if small:
        counts = ", ".join(f"{g.level} {g.n}" for g in found.groups)
        return f"too few rows to compare {found.contrast_column}: {counts} of {found.start} rows{last}"
    if found.events is not None and found.events < FEWEST:
        return f"{found.events} of {found.n} rows have the event, so no time to event can be analysed"
    if found.n < FEWEST + 1:
        return f"{found.n} rows are left of {found.start}{last}"
    return _confounded(found, rows, question)


def _confounded(found: AnalysisSet, rows: Rows, question: Question) -> str:
    """The reason why a term cannot be told from the groups: each of its levels is in one group only."""
    contrast = question.contrast
    if contrast is None or not contrast.levels:
        return ""
    level = rows.cells[contrast.column]
    for term in (*question.blocks, *question.adjust):
        cells = rows.cells[term]
        known = [n for n in rows.left if cells[n]]
        seen: dict[str, set[str]] = defaultdict(set)
        for n in known:
            seen[cells[n]].add(level[n])
        numeric = len(seen) > 6 and all(as_number(v) is not None for v in seen)
        if len(seen) > 1 and not numeric and all(len(g) == 1 for g in seen.values()):
            return (
                f"{term} cannot be told from {contrast.column}: every level of {term} is in one group only, so no "
                "model can adjust for it"
            )
    return ""


def _cautions(found: AnalysisSet, measured: Sequence[str]) -> tuple[str, ...]:
    said = [f"{g.level} has {g.n} rows only" for g in found.groups if FEWEST <= g.n < 5]
    if found.events is not None and FEWEST <= found.events < 10:
        said.append(f"only {found.events} events")
    needed = (*measured, *found.terms)
    if needed and found.complete < found.n:
        said.append(f"{found.complete} of {found.n} rows have all of {', '.join(needed)}")
    return tuple(said)
