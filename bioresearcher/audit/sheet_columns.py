"""Facts about the columns of a sample sheet: fields in texts, spelling, codes, contradictions, missing values."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bioresearcher.audit.sheet_material import Material, clipped, counted, levels, listed, normal, numbers_in
from bioresearcher.audit.tables import FactDraft
from bioresearcher.audit.text_fields import TextField
from bioresearcher.schemas.columns import MAX_LEVELS, as_number
from bioresearcher.schemas.missing import NO_GROUP, key

_SAME_WORDS = (
    ({"m", "male", "man"}, {"f", "female", "woman"}),
    ({"y", "yes"}, {"n", "no"}),
    ({"pos", "positive", "+"}, {"neg", "negative", "-"}),
)
_NEGATIVE_CODES = (-1.0, -8.0, -9.0, -99.0, -999.0, -9999.0)
_POSITIVE_CODES = (88.0, 99.0, 888.0, 999.0, 9999.0)
_PLANNED = ("group", "covariate", "time", "event")
_MOST_GAPS = 4


def text_facts(material: Material) -> Iterator[FactDraft]:
    """State the fields inside texts, and the columns of free text."""
    by_column: dict[str, list[TextField]] = defaultdict(list)
    for field in material.fields:
        by_column[field.column].append(field)
    for column, fields in by_column.items():
        known = {normal(name) for name in material.columns}
        parts = []
        for field in fields:
            sizes = levels(field.values)
            what = counted(sizes, 4) if len(sizes) <= MAX_LEVELS else f"{len(sizes)} values"
            parts.append(f"{field.key} in {sum(sizes.values())} of {material.n} [{what}]")
        only = [f.key for f in fields if normal(f.key) not in known]
        yield material.draft(
            "text",
            2 if only else 1,
            f"The texts of column {column!r} hold {len(fields)} fields: {'; '.join(parts[:10])}"
            f"{' …' if len(parts) > 10 else ''}. "
            + (f"No column of their own have {listed(only, 12)}." if only else "All have a column of their own."),
            "Parse these fields into columns before variables are chosen; state how many samples each is known for.",
            "sheet_columns.text_facts",
            {"samples": material.n, **{f"with {f.key}": sum(map(bool, f.values)) for f in fields[:12]}},
            [f.key for f in fields],
        )
        yield from _against_columns(material, fields)
    free = {}
    for name, cells in material.columns.items():
        sizes = levels(cells)
        words = sum(" " in level for level in sizes)
        if name not in by_column and len(sizes) > MAX_LEVELS and words >= 0.5 * len(sizes):
            free[name] = sizes
    if free:
        parts = [f"{n!r} ({len(s)} different, e.g. {clipped(next(iter(s)), 80)!r})" for n, s in free.items()]
        yield material.draft(
            "text",
            1,
            f"{len(free)} columns are free text: {'; '.join(parts[:5])}.",
            "Read them before samples are chosen: they may say what the other columns do not.",
            "sheet_columns.text_facts",
            {"columns of free text": len(free)},
            list(free),
        )


def _against_columns(material: Material, fields: Sequence[TextField]) -> Iterator[FactDraft]:
    """Compare a field with the column of the same name."""
    for field in fields:
        name = next((n for n in material.columns if normal(n) == normal(field.key)), None)
        if name is None:
            continue
        pairs = zip(material.labels, material.columns[name], field.values, strict=True)
        known = [(label, a, b) for label, a, b in pairs if a and b]
        differ = [(label, a, b) for label, a, b in known if not _equal(a, b)]
        if differ:
            yield material.draft(
                "contradiction",
                3 if material.role(name) in _PLANNED else 2,
                f"Column {name!r} and the field {field.key!r} in {field.column!r} disagree in {len(differ)} of "
                f"{len(known)} samples (e.g. {differ[0][0]}: {clipped(differ[0][1])} and {clipped(differ[0][2])}).",
                "Decide which of the two holds, or leave these samples out of what depends on it.",
                "sheet_columns.text_facts",
                {"samples with both": len(known), "disagree": len(differ)},
                [label for label, _, _ in differ],
            )


def _equal(one: str, other: str) -> bool:
    a, b = as_number(one), as_number(other)
    return a == b if a is not None and b is not None else _same_word(one, other)


def _same_word(one: str, other: str) -> bool:
    a, b = _spelling(one), _spelling(other)
    return a == b or any({one.casefold(), other.casefold()} <= words for pair in _SAME_WORDS for words in pair)


def _spelling(level: str) -> str:
    """Reduce a level to what does not depend on its spelling; signs are kept (`+` and `-` differ)."""
    text = re.sub(r"[\s_.]+|(?<=\w)-(?=\w)", " ", level.strip().casefold()).strip()
    return text.replace("tumour", "tumor").replace("oestr", "estr").replace("aemia", "emia")


def level_facts(material: Material) -> Iterator[FactDraft]:
    """State levels that are spelt in several ways, and codes whose meaning is not stated."""
    raw = {n: c for n, c in material.sheet.columns.items() if n in material.columns}
    raw.update({f.name: list(f.values) for f in material.fields})
    for name, cells in raw.items():
        present = [cell for cell in cells if cell.strip()]
        sizes = Counter(present)
        if not 2 <= len(sizes) <= 60 or numbers_in([cell.strip() for cell in present]) is not None:
            continue
        spelt: dict[str, list[str]] = defaultdict(list)
        for level in sizes:
            spelt[_spelling(level)].append(level)
        twice = [found for found in spelt.values() if len(found) > 1]
        for pair in _SAME_WORDS:
            for words in pair:
                abbreviated = [level for level in sizes if level.strip().casefold() in words]
                if len({level.strip().casefold() for level in abbreviated}) > 1:
                    twice.append(abbreviated)
        if twice:
            parts = [" / ".join(f"{level!r} ({sizes[level]})" for level in found) for found in twice]
            merged = len({_spelling(level) for level in sizes})
            yield material.draft(
                "contradiction",
                3 if material.role(name) == "group" else 2,
                f"Column {name!r} spells {len(twice)} of its levels in several ways: {'; '.join(parts[:5])}; "
                f"{len(sizes)} spellings are {merged} levels apart from case and blanks.",
                "Merge the spellings before groups are counted or compared.",
                "sheet_columns.level_facts",
                {"spellings": len(sizes), **{f"samples {v!r}": sizes[v] for found in twice for v in found}},
                [level for found in twice for level in found],
            )
    coded = {}
    for name, cells in material.columns.items():
        column = material.describe(name)
        text = normal(name)
        stated = column is not None and (column.case is not None or re.search(r"\b1\b.*\b2\b", column.label))
        if (
            set(levels(cells)) == {"1", "2"}
            and not stated
            and not re.search(r"grade|stage|size|nodes?|batch|score", text)
        ):
            coded[name] = levels(cells)
    if coded:
        parts = [f"{n!r} ({counted(s)})" for n, s in coded.items()]
        yield material.draft(
            "contradiction",
            2 if any(material.is_outcome(n) or material.role(n) in _PLANNED for n in coded) else 1,
            f"{len(coded)} columns are coded 1 and 2 without a stated meaning: {'; '.join(parts[:6])}.",
            "Find out what 1 and 2 mean before they are used; for an event, which of them is the event.",
            "sheet_columns.level_facts",
            {f"{n} = {level}": c for n, s in coded.items() for level, c in s.items()},
            list(coded),
        )
    yield from _number_codes(material)


def _number_codes(material: Material) -> Iterator[FactDraft]:
    """State numbers that look like codes of missing values: far outside the others."""
    for name, cells in material.variables.items():
        numbers = numbers_in(cells)
        if numbers is None:
            continue
        sizes = Counter(numbers)
        found = {}
        others = [n for n in numbers if n not in _NEGATIVE_CODES and n not in _POSITIVE_CODES]
        if len(others) < 5:
            continue
        low, high = min(others), max(others)
        found = {c: sizes[c] for c in _NEGATIVE_CODES if sizes[c] and low >= 0}
        found.update({c: sizes[c] for c in _POSITIVE_CODES if sizes[c] and _stands_out(c, sizes[c], high)})
        if found:
            total = sum(found.values())
            rows = [x for x, c in zip(material.labels, cells, strict=True) if c and as_number(c) in found]
            codes = ", ".join(f"{c:g} in {k}" for c, k in found.items())
            yield material.draft(
                "missingness",
                3 if material.role(name) in _PLANNED or re.search(r"age|grade|stage", normal(name)) else 2,
                f'Column {name!r} holds numbers that look like codes for "not known": {codes} of {len(numbers)} '
                f"samples, while the others lie between {low:g} and {high:g}.",
                "Treat them as missing in every step; as numbers they would decide means and models.",
                "sheet_columns.level_facts",
                {"known cells": len(numbers), "codes": total, "others from": low, "others to": high},
                rows,
            )


def _stands_out(code: float, count: int, high: float) -> bool:
    """Return True if a code lies far above the other numbers: twice as high, or (repeated) a tenth."""
    return code > 2 * high or (count >= 3 and code >= 1.1 * high and high > 0)


def contradiction_facts(material: Material) -> Iterator[FactDraft]:
    """State columns that hold the same variable twice, agreeing or not."""
    numeric = {n: c for n, c in material.columns.items() if numbers_in(c) is not None and not material.is_outcome(n)}
    names = list(numeric)[:60]
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pairs = [
                (label, float(a), float(b))
                for label, a, b in zip(material.labels, numeric[one], numeric[other], strict=True)
                if a and b
            ]
            values = {a for _, a, _ in pairs}
            differ = [label for label, a, b in pairs if a != b]
            if len(values) < 3 or len(pairs) < 8 or len(differ) > 0.1 * len(pairs):
                continue
            text = f"Columns {one!r} and {other!r} hold the same numbers in {len(pairs) - len(differ)} of {len(pairs)} "
            yield material.draft(
                "contradiction",
                2 if differ else 1,
                text + f"samples{f' and differ in {len(differ)}' if differ else ''}.",
                "Put only one of them into a model" + (", and settle the samples that differ." if differ else "."),
                "sheet_columns.contradiction_facts",
                {"samples with both": len(pairs), "differ": len(differ)},
                differ or [one, other],
            )


def missing_facts(material: Material) -> Iterator[FactDraft]:
    """State missing values: of columns, together over the planned ones, and unevenly over groups and batches."""
    n = material.n
    cells_of = {name: c for name, c in material.variables.items() if name in material.columns or any(c)}
    missing = {name: sum(map(_unknown, c)) for name, c in cells_of.items()}
    planned = [name for name in material.columns if material.role(name) in _PLANNED]
    gaps = {name: m for name, m in missing.items() if m >= max(2, 0.05 * n) and m < n}
    complete = [i for i in range(n) if not any(_unknown(material.columns[p][i]) for p in planned)]
    if planned and len(complete) < n:
        parts = counted({p: missing[p] for p in planned if missing.get(p)})
        events = material.events_among(complete)
        all_events = material.events_among(range(n))
        numbers = {"samples": n, "complete": len(complete), **{f"missing {p}": missing.get(p, 0) for p in planned}}
        text = (
            f"{len(complete)} of {n} samples are complete in the {len(planned)} columns with a role (missing: {parts})"
        )
        if events and all_events and planned != [material.event.column if material.event else ""]:
            text += f"; {events[0]} of {all_events[0]} events are among them"
            numbers["events among complete"] = events[0]
            numbers["events"] = all_events[0]
        yield material.draft(
            "missingness",
            2 if len(complete) < 0.9 * n else 1,
            text + ".",
            "Plan models with as many parameters as the complete samples and their events allow, or impute by a "
            "stated rule; give the number used in each model.",
            "sheet_columns.missing_facts",
            numbers,
            [material.labels[i] for i in sorted(set(range(n)) - set(complete))],
        )
    high = {name: m for name, m in gaps.items() if m >= 0.2 * n and name not in planned}
    if high:
        yield material.draft(
            "missingness",
            1,
            f"{len(high)} further variables are missing in a fifth of the {n} samples or more: {counted(high, 12)}.",
            "Do not build a main analysis on them; if one is used, say for how many samples it is known.",
            "sheet_columns.missing_facts",
            {"samples": n, **{f"missing {name}": m for name, m in list(high.items())[:12]}},
            list(high),
        )
    yield from _uneven(material, gaps)


def _unknown(cell: str) -> bool:
    return not cell or key(cell) in NO_GROUP


def _uneven(material: Material, gaps: Mapping[str, int]) -> Iterator[FactDraft]:
    """State the gaps that lie in some levels of a group or batch, the most uneven first."""
    found = []
    for name in gaps:
        for by, cells in {**material.batches, **material.groups}.items():
            if by == name or len(levels(cells)) > 30:
                continue
            sizes = levels(cells)
            values = material.variables[name]
            lost = Counter(c for c, v in zip(cells, values, strict=True) if c and _unknown(v))
            rates = {level: lost[level] / size for level, size in sizes.items() if size >= 5}
            if len(rates) >= 2 and max(rates.values()) - min(rates.values()) >= 0.4:
                found.append((max(rates.values()) - min(rates.values()), name, by, sizes, lost))
    taken: set[str] = set()
    for _, name, by, sizes, lost in sorted(found, key=lambda f: (-f[0], f[1], f[2])):
        if name in taken or len(taken) >= _MOST_GAPS:
            continue
        taken.add(name)
        large = [level for level in sizes if sizes[level] >= 5]
        shown = sorted(large, key=lambda level: -lost[level] / sizes[level])
        parts = ", ".join(f"{clipped(level)} {lost[level]} of {sizes[level]}" for level in shown[:8])
        yield material.draft(
            "missingness",
            2,
            f"{name!r} is missing unevenly by {by}: {parts}.",
            "A model with this variable drops these samples by group: compare with a model without it.",
            "sheet_columns.missing_facts",
            {f"missing in {level}": lost[level] for level in shown[:8]}
            | {f"samples in {level}": sizes[level] for level in shown[:8]},
            [f"{level}: {lost[level]} of {sizes[level]}" for level in shown],
        )


def constant_facts(material: Material) -> Iterator[FactDraft]:
    """State variables that hold one value, or nearly."""
    same, nearly = {}, {}
    for name, cells in material.variables.items():
        sizes = levels(cells)
        known = sum(sizes.values())
        if known < 6 or not sizes:
            continue
        value, most = sizes.most_common(1)[0]
        if len(sizes) == 1 and name != (material.event.column if material.event else ""):
            same[name] = value
        elif most >= 0.95 * known and known - most < 5 and material.role(name) in ("group", "covariate"):
            nearly[name] = (value, most, known)
    roles = [n for n in same if material.role(n) in _PLANNED]
    if same and (roles or len(same) < material.n):
        yield material.draft(
            "scale",
            2 if roles else 1,
            f"{len(same)} variables hold the same value wherever they are known: "
            f"{listed([f'{n} = {clipped(v, 30)}' for n, v in same.items()], 10)}.",
            "They cannot be compared, adjusted for or used to choose samples.",
            "sheet_columns.constant_facts",
            {"constant variables": len(same)},
            list(same),
        )
    for name, (value, most, known) in nearly.items():
        yield material.draft(
            "scale",
            2,
            f"{name!r} is {clipped(value)!r} in {most} of {known} samples where it is known; {known - most} differ.",
            "Too few differ for a comparison or an adjustment.",
            "sheet_columns.constant_facts",
            {"known": known, "same": most, "different": known - most},
            [x for x, c in zip(material.labels, material.variables[name], strict=True) if c and c != value],
        )
