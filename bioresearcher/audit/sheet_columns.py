"""Facts about the columns of a sample sheet: fields in texts, spelling, codes, contradictions, missing values."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bioresearcher.audit.sheet_material import (
    Material,
    clipped,
    counted,
    few_enough,
    levels,
    listed,
    normal,
    numbers_in,
)
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
_LEAST_PART = 2


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
        event = any(material.is_outcome(n) for n in coded)
        yield material.draft(
            "contradiction",
            3 if event else 2 if any(material.role(n) in _PLANNED for n in coded) else 1,
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
    names = few_enough(list(numeric), material.n, 60)
    values = {name: np.array([float(c) if c else np.nan for c in numeric[name]]) for name in names}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            both = ~(np.isnan(values[one]) | np.isnan(values[other]))
            n_both, unequal = int(both.sum()), both & (values[one] != values[other])
            if n_both < 8 or unequal.sum() > 0.1 * n_both or len(np.unique(values[one][both])) < 3:
                continue
            differ = [material.labels[k] for k in np.flatnonzero(unequal)]
            text = f"Columns {one!r} and {other!r} hold the same numbers in {n_both - len(differ)} of {n_both} "
            yield material.draft(
                "contradiction",
                2 if differ else 1,
                text + f"samples{f' and differ in {len(differ)}' if differ else ''}.",
                "Put only one of them into a model" + (", and settle the samples that differ." if differ else "."),
                "sheet_columns.contradiction_facts",
                {"samples with both": n_both, "differ": len(differ)},
                differ or [one, other],
            )


def agreement_facts(material: Material) -> Iterator[FactDraft]:
    """State samples whose columns, or whose texts and columns, contradict what holds in all others."""
    found_in_texts = list(_texts_against_groups(material))
    yield from found_in_texts or _templates_against_groups(material)
    coarse = {n: c for n, c in material.variables.items() if 2 <= len(levels(c)) <= MAX_LEVELS}
    coarse = {n: c for n, c in coarse.items() if not material.is_outcome(n) and not material.is_batch(n)}
    found = []
    for one, other in itertools.permutations(few_enough(list(coarse), material.n, 40), 2):
        odd = _exceptions(coarse[one], coarse[other])
        if odd:
            found.append((len(odd), one, other, odd))
    taken: set[frozenset[str]] = set()
    for _, one, other, odd in sorted(found, key=lambda f: (f[0], f[1], f[2])):
        pair = frozenset((one, other))
        if pair in taken or len(taken) >= _MOST_GAPS:
            continue
        taken.add(pair)
        i = odd[0]
        both = sum(1 for a, b in zip(coarse[one], coarse[other], strict=True) if a and b)
        yield material.draft(
            "contradiction",
            2,
            f"In {both - len(odd)} of {both} samples {one!r} follows from {other!r}; {len(odd)} are exceptions "
            f"(e.g. {material.labels[i]}: {clipped(coarse[one][i])} with {clipped(coarse[other][i])}).",
            "Errors or true exceptions: settle it before either column chooses samples or defines a group.",
            "sheet_columns.agreement_facts",
            {"samples with both": both, "exceptions": len(odd)},
            [material.labels[i] for i in odd],
        )


def _exceptions(one: Sequence[str], other: Sequence[str]) -> list[int]:
    """Rows that break the rule by which one variable nearly follows from another; empty without such a rule."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    known = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a and b]
    for i in known:
        table[other[i]][one[i]] += 1
    usual = {b: sizes.most_common(1)[0][0] for b, sizes in table.items()}
    odd = [i for i in known if one[i] != usual[other[i]]]
    sizes = Counter(one[i] for i in known)
    if len(set(usual.values())) < 2 or not sizes:
        return []
    smaller = sizes.total() - sizes.most_common(1)[0][1]
    return odd if len(odd) <= 0.05 * len(known) and len(odd) <= 0.15 * smaller else []


def _texts_against_groups(material: Material) -> Iterator[FactDraft]:
    """Find texts that name another level of a group than its column."""
    texts = {n: c for n, c in material.columns.items() if len(levels(c)) > MAX_LEVELS and numbers_in(c) is None}
    if material.named:
        texts["sample names"] = list(material.labels)
    for group, cells in material.groups.items():
        words = {level: _word(level) for level in levels(cells) if re.search(r"[A-Za-z]{3}", level)}
        if len(words) < 2:
            continue
        for name, column in texts.items():
            said = [{level for level, word in words.items() if word.search(text)} for text in column]
            right = [i for i, found in enumerate(said) if found == {cells[i]}]
            wrong = [i for i, found in enumerate(said) if len(found) == 1 and cells[i] and found != {cells[i]}]
            if wrong and len(right) >= max(3, 3 * len(wrong)):
                i = wrong[0]
                yield material.draft(
                    "contradiction",
                    3,
                    f"{len(wrong)} of {len(wrong) + len(right)} samples whose {name!r} names a level of {group!r} name "
                    f"another one than the column (e.g. {clipped(column[i])!r} with {cells[i]}).",
                    "Settle the group of these samples, by markers if need be, or leave them out.",
                    "sheet_columns.agreement_facts",
                    {"samples that name a level": len(wrong) + len(right), "contradict": len(wrong)},
                    [material.labels[i] for i in wrong],
                )


def _templates_against_groups(material: Material) -> Iterator[FactDraft]:
    """Find samples whose text, apart from numbers, is that of another level: `N2 Renal Carcinoma` among the normals."""
    texts = {n: c for n, c in material.columns.items() if len(levels(c)) > MAX_LEVELS and numbers_in(c) is None}
    for group, cells in material.groups.items():
        for name, column in texts.items():
            said = [" ".join(w for w in re.split(r"[\s_]+", c) if w and not re.search(r"\d", w)) for c in column]
            table: dict[str, Counter[str]] = defaultdict(Counter)
            for text, cell in zip(said, cells, strict=True):
                if text and cell:
                    table[text][cell] += 1
            usual = {text: sizes.most_common(1)[0][0] for text, sizes in table.items()}
            known = sum(sizes.total() for sizes in table.values())
            clear = all(sizes.total() >= 3 and 2 * max(sizes.values()) > sizes.total() for sizes in table.values())
            if (
                known < 0.9 * material.n
                or not clear
                or not 2 <= len(table) <= 6
                or set(usual.values()) != set(levels(cells))
            ):
                continue
            odd = [i for i, c in enumerate(cells) if c and said[i] and usual[said[i]] != c]
            if odd and len(odd) <= 0.25 * known:
                i = odd[0]
                yield material.draft(
                    "contradiction",
                    3,
                    f"In {len(odd)} of {known} samples the text of {name!r}, apart from its numbers, is that of "
                    f"another level of {group!r} (e.g. {clipped(column[i])!r} with {cells[i]}).",
                    "Settle the group of these samples, by markers if need be, or leave them out.",
                    "sheet_columns.agreement_facts",
                    {"samples with both": known, "contradict": len(odd)},
                    [material.labels[i] for i in odd],
                )


def _word(level: str) -> re.Pattern[str]:
    """Pattern of a level as words of its own; a hyphenated `non-responder` is no `responder`."""
    parts = [re.escape(part) for part in re.split(r"[\s_-]+", level.strip()) if part]
    return re.compile(rf"(?<![A-Za-z])(?<!non[\s_-]){r'[-_ ]+'.join(parts)}(?![A-Za-z])", re.IGNORECASE)


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
            2 if len(complete) < 0.9 * n and material.dataset.described_by != "inferred" else 1,
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
    yield from _divided(material, cells_of)
    yield from _uneven(material, gaps)


def _divided(material: Material, cells_of: Mapping[str, Sequence[str]]) -> Iterator[FactDraft]:
    """State columns that are never both given, together complete, and named and filled as one variable would be."""
    known = {name: {i for i, c in enumerate(cells) if not _unknown(c)} for name, cells in cells_of.items()}
    partly = few_enough([n for n, rows in known.items() if _LEAST_PART <= len(rows) < material.n], material.n, 60)
    pairs = [
        (one, other)
        for one, other in itertools.combinations(partly, 2)
        if not known[one] & known[other]
        and len(known[one] | known[other]) == material.n
        and _one_name(one, other)
        and _one_scale(*([cells_of[name][i] for i in known[name]] for name in (one, other)))
    ]
    if pairs:
        parts = [f"{one!r} ({len(known[one])}) and {other!r} ({len(known[other])})" for one, other in pairs]
        more = f" and {len(parts) - 5} more pairs" if len(parts) > 5 else ""
        yield material.draft(
            "missingness",
            2,
            f"Pairs of columns are never both given and together complete in all {material.n} samples, as if one "
            f"variable stood under two names: {'; '.join(parts[:5])}{more}.",
            "Read each pair as one variable where the source means the same, and do not call it incomplete; which of "
            "the two is given tells the kind of sample.",
            "sheet_columns.missing_facts",
            {"samples": material.n, "pairs": len(pairs)},
            [name for pair in pairs for name in pair],
        )


def _one_name(one: str, other: str) -> bool:
    """True if one name ends, or begins, with the whole other: `adjacent_tumor_grade` and `tumor_grade`."""
    short, long = sorted((normal(one), normal(other)), key=len)
    return long.endswith(f"_{short}") or long.startswith(f"{short}_")


def _one_scale(one: Sequence[str], other: Sequence[str]) -> bool:
    """True if two columns hold numbers, or share a level."""
    numeric = [all(as_number(c) is not None for c in cells) for cells in (one, other)]
    return all(numeric) or bool({*one} & {*other})


def _unknown(cell: str) -> bool:
    return not cell or key(cell) in NO_GROUP


def _uneven(material: Material, gaps: Mapping[str, int]) -> Iterator[FactDraft]:
    """State the gaps that lie in some levels of a group or batch, the most uneven first."""
    found = []
    for name in gaps:
        for by, cells in {**material.batches, **material.groups}.items():
            if by == name or len(levels(cells)) > 30 or name.startswith(f"{by}: "):
                continue
            sizes = levels(cells)
            values = material.variables[name]
            lost = Counter(c for c, v in zip(cells, values, strict=True) if c and _unknown(v))
            rates = {level: lost[level] / size for level, size in sizes.items() if size >= 5}
            if len(rates) >= 2 and max(rates.values()) - min(rates.values()) >= 0.4:
                found.append((max(rates.values()) - min(rates.values()), name, by, sizes, lost))
    worst: dict[str, tuple[float, str, Counter[str], Counter[str]]] = {}
    for gap, name, by, sizes, lost in sorted(found, key=lambda f: (-f[0], f[1], f[2])):
        worst.setdefault(name, (gap, by, sizes, lost))
    by_group: dict[str, list[tuple[str, Counter[str], Counter[str]]]] = defaultdict(list)
    for name, (_, by, sizes, lost) in worst.items():
        by_group[by].append((name, sizes, lost))
    for by, gaps_of in list(by_group.items())[:_MOST_GAPS]:
        numbers: dict[str, float] = {}
        parts = []
        for name, sizes, lost in gaps_of[:5]:
            large = sorted((x for x in sizes if sizes[x] >= 5), key=lambda level: (-lost[level] / sizes[level], level))
            shown = large if len(large) <= 6 else [*large[:4], *large[-2:]]
            parts.append(f"{name!r} ({', '.join(f'{clipped(x, 40)} {lost[x]} of {sizes[x]}' for x in shown)})")
            numbers |= {f"missing {name} in {level}": lost[level] for level in shown}
        more = f" and {len(gaps_of) - 5} more" if len(gaps_of) > 5 else ""
        yield material.draft(
            "missingness",
            2,
            f"{len(gaps_of)} variables are missing unevenly by {by!r}: {'; '.join(parts)}{more}.",
            "A model with such a variable drops samples by group: compare with a model without it.",
            "sheet_columns.missing_facts",
            numbers,
            [name for name, _, _ in gaps_of],
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
    for name, value in same.items():
        written = Counter(cell.strip() for cell in material.sheet.columns.get(name, ()) if cell.strip())
        others = {cell: count for cell, count in written.items() if cell != value}
        code, count = next(iter(others.items()), ("", 0))
        elsewhere = any(code in map(str.strip, c) for n, c in material.sheet.columns.items() if n != name)
        if len(others) == 1 and count >= 0.2 * material.n and not elsewhere:
            yield material.draft(
                "missingness",
                2,
                f"{name!r} is {value!r} in {written[value]} samples and {code!r} in {count}; {code!r} is taken as not "
                "known, but as the only other value, and in this column only, it may be a level (North America).",
                "Ask the source what it means before the column is used or its samples are dropped.",
                "sheet_columns.constant_facts",
                {value: written[value], code: count},
                [name],
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
