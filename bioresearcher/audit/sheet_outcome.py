"""Counts of events and follow-up by series and groups, and how batches go with groups; no test of any outcome."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from bioresearcher.audit.sheet_material import (
    Material,
    clipped,
    counted,
    levels,
    listed,
    normal,
    numbers_in,
)
from bioresearcher.audit.tables import FactDraft
from bioresearcher.schemas.columns import as_number

LEAST_LEVEL = 5
"""Least samples of a level whose lack of events is stated as grave."""
_MOST_TABLES = 6
_ENDPOINTS = {
    "os": "overall survival",
    "dfs": "disease[- ]free",
    "rfs": "relapse[- ]free|recurrence[- ]free",
    "dss": "disease[- ]specific|cancer[- ]specific",
    "pfs": "progression[- ]free",
    "efs": "event[- ]free",
    "pfi": "progression[- ]free interval",
    "dmfs": "metastasis[- ]free",
    "mfs": "metastasis[- ]free",
}
"""Abbreviation of an endpoint → pattern of its name in words."""


def cramers_v(one: Sequence[str], other: Sequence[str]) -> float:
    """Cramér's V of two variables, 0 (independent) to 1 (one determines the other), over rows where both are known.

    V = sqrt(χ² / (n · (min(rows, columns) - 1))), χ² being Pearson's without correction.

    Source: Cramér H. Mathematical Methods of Statistics. Princeton University Press 1946, chapter 21.

    Returns:
        V; nan when one of them has fewer than two levels.
    """
    table = cross_table(one, other)
    rows, columns = {a for a, _ in table}, {b for _, b in table}
    smaller = min(len(rows), len(columns)) - 1
    if smaller < 1:
        return float("nan")
    row_at, column_at = {a: i for i, a in enumerate(sorted(rows))}, {b: i for i, b in enumerate(sorted(columns))}
    counts = np.zeros((len(rows), len(columns)))
    for (a, b), count in table.items():
        counts[row_at[a], column_at[b]] = count
    total = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / total
    return float(np.sqrt(((counts - expected) ** 2 / expected).sum() / (total * smaller)))


def cross_table(one: Sequence[str], other: Sequence[str]) -> Counter[tuple[str, str]]:
    """Count the pairs of known values."""
    return Counter((a, b) for a, b in zip(one, other, strict=True) if a and b)


def batch_facts(material: Material) -> Iterator[FactDraft]:
    """State how batch-like variables go with the groups that are compared, the most confounded first."""
    found: list[tuple[bool, float, FactDraft]] = []
    for group, cells in material.groups.items():
        for batch, levels_of in material.batches.items():
            if batch == group:
                continue
            table = cross_table(levels_of, cells)
            by_batch: dict[str, Counter[str]] = defaultdict(Counter)
            for (b, g), count in table.items():
                by_batch[b][g] += count
            large = {b: sizes for b, sizes in by_batch.items() if sum(sizes.values()) >= 2}
            if len(large) < 2 or len({g for sizes in by_batch.values() for g in sizes}) < 2:
                continue
            v = cramers_v(levels_of, cells)
            confounded = all(len(sizes) == 1 for sizes in by_batch.values())
            found.append((not confounded, -v, _cross_fact(material, batch, group, by_batch, v, confounded)))
    yield from (fact for _, _, fact in sorted(found, key=lambda f: f[:2])[:_MOST_TABLES])


def _cross_fact(
    material: Material, batch: str, group: str, table: Mapping[str, Counter[str]], v: float, confounded: bool
) -> FactDraft:
    ordered = sorted(table, key=lambda b: (-sum(table[b].values()), b))
    parts = "; ".join(f"{clipped(b)}: {counted(table[b], 4)}" for b in ordered[:10])
    more = f"; and {len(ordered) - 10} more" if len(ordered) > 10 else ""
    alone = [b for b in ordered if len(table[b]) == 1]
    total = sum(sum(sizes.values()) for sizes in table.values())
    end = (
        "every level of the one holds one level of the other only, so that their effects cannot be told apart"
        if confounded
        else f"{len(alone)} of {len(ordered)} hold one group only"
    )
    weight: Literal[1, 2, 3] = 3 if confounded else 2 if v >= 0.3 else 1
    consequence = (
        "The comparison cannot be adjusted for it: say so at the head, and compare within levels that hold both groups "
        "if there are any."
        if confounded
        else "Have it in the model, and compare within its levels as a check; levels with one group add nothing."
    )
    return material.draft(
        "batch",
        weight,
        f"{batch!r} against {group!r} in {total} samples: {parts}{more}; {end} (Cramér's V {v:.2f}).",
        consequence,
        "sheet_outcome.batch_facts",
        {"samples": total, "levels": len(ordered), "levels with one group": len(alone), "Cramér's V": round(v, 4)},
        [f"{b}: {counted(table[b], 6)}" for b in ordered],
    )


def outcome_facts(material: Material) -> Iterator[FactDraft]:
    """State the number of events and the follow-up, over all and by series and groups, and further endpoints."""
    yield from _endpoints(material)
    yield from _spelt_events(material)
    if material.event is None:
        return
    events, known = material.events_among(range(material.n)) or (0, 0)
    times = material.variables.get(material.time) if material.time else None
    values = [t for c in times if (t := as_number(c)) is not None] if times else []
    numbers: dict[str, float] = {"samples": material.n, "known event": known, "events": events}
    text = f"{events} events among {known} samples with known {material.event.column!r}"
    if values:
        median = statistics.median(values)
        column = material.describe(material.time)
        unit = column.unit if column else None
        text += f"; follow-up {material.time!r} has a median of {median:g} {unit or '(unit not stated)'} over all "
        text += f"samples, from {min(values):g} to {max(values):g}"
        numbers |= {"median follow-up": median, "shortest": min(values), "longest": max(values)}
        zero = sum(v <= 0 for v in values)
        if zero:
            text += f"; {zero} are 0 or less"
            numbers["follow-up of 0 or less"] = zero
    weight: Literal[1, 2, 3] = 3 if events < 10 else 2 if events < 50 or (values and min(values) <= 0) else 1
    yield material.draft(
        "outcome",
        weight,
        text + ("." if material.dataset.endpoint else "; what an event is (death, relapse) is not stated."),
        f"About {max(1, events // 10)} parameters can be estimated by a rule of ten events a parameter; say what the "
        "endpoint is, or that it is not stated.",
        "sheet_outcome.outcome_facts",
        numbers,
    )
    yield from _by_level(material)


def _by_level(material: Material) -> Iterator[FactDraft]:
    """State events, and for batches the follow-up, by their levels."""
    event = material.event
    if event is None:
        return
    times = material.variables.get(material.time) if material.time else None
    for name, cells in {**material.batches, **material.groups}.items():
        rows_of: dict[str, list[int]] = defaultdict(list)
        for i, cell in enumerate(cells):
            if cell and event.happened[i] is not None:
                rows_of[cell].append(i)
        if len(rows_of) < 2 or len(rows_of) > 40:
            continue
        ordered = sorted(rows_of, key=lambda level: (-len(rows_of[level]), level))
        numbers: dict[str, float] = {}
        parts: list[str] = []
        none: list[str] = []
        every: list[str] = []
        for level in ordered:
            rows = rows_of[level]
            happened = sum(event.happened[i] is True for i in rows)
            known = [t for i in rows if times and (t := as_number(times[i])) is not None]
            parts.append(
                f"{clipped(level)} {happened} of {len(rows)}"
                + (f" (median follow-up {statistics.median(known):g})" if known and name in material.batches else "")
            )
            numbers |= {f"events in {level}": happened, f"samples in {level}": len(rows)}
            if known and name in material.batches:
                numbers[f"median follow-up in {level}"] = statistics.median(known)
            if happened in (0, len(rows)) and len(rows) >= LEAST_LEVEL:
                (every if happened else none).append(f"{clipped(level)} (n = {len(rows)})")
        is_batch = name in material.batches
        yield material.draft(
            "follow-up" if is_batch else "outcome",
            3 if none or every else 2 if is_batch else 1,
            f"Events by {name}: {', '.join(parts[:12])}{' …' if len(parts) > 12 else ''}"
            + (f". No event in {listed(none)}" if none else "")
            + (f". An event in every sample of {listed(every)}" if every else "")
            + ".",
            "Follow-up or eligibility differs between them: stratify by it or leave such levels out by a stated rule."
            if is_batch
            else "Group sizes and events limit what a comparison within groups can show.",
            "sheet_outcome.outcome_facts",
            dict(list(numbers.items())[:36]),
            parts,
        )


def _endpoints(material: Material) -> Iterator[FactDraft]:
    """State further endpoints beside the one with roles."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in material.columns:
        match = re.search(rf"(?<![a-z])({'|'.join(_ENDPOINTS)})(?![a-z])", normal(name).replace("_", " "))
        if match:
            found[match[1]].append(name)
    full = {e: names for e, names in found.items() if len(names) >= 2}
    if len(full) < 2:
        return
    used = [n for n in material.columns if material.role(n) in ("time", "event")]
    objective = material.objective
    words = " ".join([objective.text, *objective.conditions, *(r.text for r in objective.requirements)])
    asked = [e for e in full if re.search(rf"(?<!\w){e.upper()}(?!\w)", words) or re.search(_ENDPOINTS[e], words, re.I)]
    other = [e for e in asked if not set(full[e]) & set(used)]
    ending = f" The objective asks for {listed([e.upper() for e in asked])}." if asked else ""
    yield material.draft(
        "outcome",
        3 if other or not asked else 2,
        f"The sheet holds {len(full)} endpoints: {'; '.join(f'{e.upper()} ({listed(n)})' for e, n in full.items())}. "
        + (f"The description takes {listed(used)}." if used else "The description takes none of them.")
        + ending,
        "Name the endpoint that the objective asks for, and use its time and event together.",
        "sheet_outcome.outcome_facts",
        {"endpoints": len(full)},
        [n for names in full.values() for n in names],
    )


def _spelt_events(material: Material) -> Iterator[FactDraft]:
    """State times and events that stand in the sheet without a role: dead/alive, days to death and to last contact."""
    if material.sheet.with_role("event"):
        return
    event = material.event
    times = [
        n
        for n, c in material.columns.items()
        if numbers_in(c) and re.search(r"surv|follow|days_to_|months|time", normal(n)) and len(levels(c)) > 5
    ]
    if event is None or not times:
        return
    numbers = {"events": sum(h is True for h in event.happened), "samples": material.n}
    said = counted(levels(material.columns[event.column]))
    text = f"No column has the role of an event, but {event.column!r} says it ({said})"
    text += f"; times stand in {listed(times)}"
    rows = []
    death = next((n for n in times if "death" in normal(n)), None)
    last = next((n for n in times if re.search(r"follow|last|contact", normal(n)) and n != death), None)
    if death and last:
        pairs = list(zip(material.labels, material.columns[death], material.columns[last], event.happened, strict=True))
        both = [x for x, d, f, _ in pairs if d and f]
        wrong = [x for x, d, _, h in pairs if (d and h is False) or (not d and h is True)]
        differ = [x for x, d, f, _ in pairs if d and f and float(d) != float(f)]
        text += f"; {len(both)} samples have both {death!r} and {last!r} ({len(differ)} of them differ)"
        text += f", and {len(wrong)} contradict {event.column!r}"
        numbers |= {"both times": len(both), "both and different": len(differ), "contradict the event": len(wrong)}
        rows = [*wrong, *both]
    yield material.draft(
        "outcome",
        3,
        text + ".",
        "Say how time and event are made of these columns (time of death for the dead, of last contact for the others) "
        "before survival is analysed.",
        "sheet_outcome.outcome_facts",
        numbers,
        rows,
    )
