"""Facts about names of samples and features: patterns, mangled names, matching of both tables, repeated patients."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bioresearcher.audit.sheet_kinds import names_a_kind
from bioresearcher.audit.sheet_material import (
    Material,
    clipped,
    counted,
    levels,
    listed,
    normal,
    numbers_in,
    segments,
)
from bioresearcher.audit.tables import FactDraft
from bioresearcher.schemas.columns import MAX_LEVELS, as_number
from bioresearcher.text.format import count_of

_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec"
_DATE = re.compile(
    rf"\d{{1,2}}[-/. ]({_MONTHS})|({_MONTHS})[-/. ]\d{{1,2}}|\d{{4}}[-/]\d{{2}}[-/]\d{{2}}( 00:00:00)?", re.IGNORECASE
)
_VERSION = re.compile(r"(ENS[A-Z]*[GTP]\d{11})\.\d+(_PAR_Y)?")
_COUNTERS = re.compile(
    r"(X?__)(no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique)|N_(unmapped|"
    r"multimapping|noFeature|ambiguous)"
)
_PATIENT = re.compile(
    r"(^|_)(patient|subject|donor|individual|participant|person|case_?id|animal|mouse|mouse_id|pair|pairs|family)"
    r"(_?(id|no|nr|number|code|barcode|name))?$|^bcr_patient_barcode$|^pid$|^ptid$"
)
_PATIENT_IN_TEXT = re.compile(
    r"(?<![A-Za-z])(patient|subject|donor|individual|participant|pt|case|mouse|animal|rat)[ _#.:-]*"
    r"(?:no\.?|id|nr\.?)?[ _#.:-]*([A-Za-z]{0,3}\d+)(?![A-Za-z\d])",
    re.IGNORECASE,
)
_TCGA = re.compile(r"(TCGA-\w\w-\w{4})-\d\d")
_PAIRED_WITH = re.compile(r"(?:paired|pair|matched)[ _-]*(?:with|to|of)?[ _:-]*([A-Za-z]*\d[\w-]*)", re.IGNORECASE)
_STABLE = re.compile(r"(^|_)(age|sex|gender|race|ethnicity|birth|dob)(_|$)")
_SIDES = frozenset(
    "t n tumor tumour normal adjacent pre post before after baseline relapse diagnosis primary met metastasis".split()
)


def name_facts(material: Material) -> Iterator[FactDraft]:
    """State what names of samples and features show."""
    yield from _repeated_names(material)
    yield from _matching(material)
    yield from _features(material)
    if material.named and material.n:
        yield from _patterns(material)
        yield from _parts(material)


def _repeated_names(material: Material) -> Iterator[FactDraft]:
    """State names that the column of sample names holds more than once."""
    sizes = levels(material.sheet.ids)
    repeated = {name: count for name, count in sizes.items() if count > 1}
    empty = sum(not name for name in material.sheet.ids)
    if repeated or empty:
        column = material.sheet.sample_column
        yield material.draft(
            "identifiers",
            3,
            f"Column {column!r}, taken as the samples' names, holds {len(sizes)} different names in {material.n} rows: "
            f"{len(repeated)} repeat ({counted(repeated, 4)}) and {empty} are empty.",
            "Find what names a sample; without that rows cannot be joined with a matrix or counted as patients.",
            "sheet_names.name_facts",
            {"rows": material.n, "different names": len(sizes), "repeat": len(repeated), "empty": empty},
            list(repeated),
        )


def _make_names(name: str) -> str:
    """Apply R's make.names: other characters become points, and a name that begins with a digit gets an X."""
    text = re.sub(r"[^\w.]", ".", name)
    return text if re.match(r"[A-Za-z]|\.(?!\d)", text) else f"X{text}"


def _barcode(name: str, length: int) -> str:
    """Shorten a TCGA barcode; other names stay."""
    return name[:length] if re.match(r"TCGA-\w\w-\w{4}", name) else name


_CHANGES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("blanks at their ends are cut", str.strip),
    ("upper and lower case are taken as equal", lambda n: n.strip().casefold()),
    ("leading zeros are dropped", lambda n: re.sub(r"(?<![\d.])0+(?=\d)", "", n.strip())),
    ("R's make.names is applied to the sheet's names (points for other characters, X before digits)", _make_names),
    ("hyphens, points, underscores and blanks are taken as equal", lambda n: re.sub(r"[-._\s]+", ".", n).casefold()),
    ("only the first three parts of TCGA barcodes are compared", lambda n: _barcode(n, 12)),
    ("only the first 15 characters of TCGA barcodes are compared", lambda n: _barcode(n, 15)),
)
"""Changes that may have parted equal names: in words, and as a function that undoes or repeats them."""


def _matching(material: Material) -> Iterator[FactDraft]:
    """Compare the sheet's names with the matrix's."""
    if material.matrix is None or not material.sheet.ids:
        return
    sheet, matrix = list(dict.fromkeys(material.sheet.ids)), list(dict.fromkeys(material.matrix.samples))
    both = set(sheet) & set(matrix)
    only_sheet, only_matrix = [n for n in sheet if n not in both], [n for n in matrix if n not in both]
    if not only_sheet and not only_matrix:
        return
    change, more = _best_change(only_sheet, only_matrix)
    numbers = {
        "names in both": len(both),
        "only in the sheet": len(only_sheet),
        "only in the matrix": len(only_matrix),
        "match after a change": more,
    }
    text = (
        f"{len(both)} sample names stand in both sheet and matrix, {len(only_sheet)} only in the sheet "
        f"and {len(only_matrix)} only in the matrix"
    )
    examples = f" (sheet: {listed(only_sheet, 3) or 'none'}; matrix: {listed(only_matrix, 3) or 'none'})"
    if more:
        text += f"; {more} more match when {change}"
    happened = material.events_among(i for i, n in enumerate(material.sheet.ids) if n in set(only_sheet))
    if happened and only_sheet:
        text += f"; of those only in the sheet {happened[0]} of {happened[1]} have an event"
    yield material.draft(
        "identifiers",
        3 if more or len(both) < 0.5 * min(len(sheet), len(matrix)) else 2,
        text + examples + ".",
        "State the rule by which samples are joined and how many are analysed; never join by position."
        if more
        else "State the number of samples analysed, and compare those left out with the others.",
        "sheet_names.name_facts",
        numbers,
        [*only_sheet, *only_matrix],
    )


def _best_change(sheet: Sequence[str], matrix: Sequence[str]) -> tuple[str, int]:
    """Find the change after which most names match one to one; ("", 0) when none does."""
    best, most = "", 0
    for words, change in _CHANGES:
        ours, theirs = Counter(map(change, sheet)), Counter(n if change is _make_names else change(n) for n in matrix)
        matched = sum(1 for name, count in ours.items() if count == 1 and theirs[name] == 1)
        if matched > most:
            best, most = words, matched
    return best, most


def _features(material: Material) -> Iterator[FactDraft]:
    """Look for feature names that a program changed."""
    names = material.matrix.features if material.matrix else ()
    dates = [n for n in names if _DATE.fullmatch(n)]
    if dates:
        repeated = {n: c for n, c in Counter(dates).items() if c > 1}
        text = f"{len(dates)} of {len(names)} feature names are dates, as spreadsheets make them of gene symbols"
        text += f" (SEPT1, MARCH1): {counted(Counter(dates))}"
        if repeated:
            text += f"; {len(repeated)} dates stand for more than one row, so that the genes cannot be told apart"
        yield material.draft(
            "identifiers",
            2,
            text + ".",
            "Leave these rows out or map them back where the mapping is one to one; never average rows of one date.",
            "sheet_names.name_facts",
            {"features": len(names), "dates": len(dates), "dates that repeat": len(repeated)},
            dates,
        )
    versions = [m for n in names if (m := _VERSION.fullmatch(n))]
    if versions:
        merged = len(versions) - len({(m[1], m[2]) for m in versions})
        yield material.draft(
            "identifiers",
            1,
            f"{len(versions)} of {len(names)} features are Ensembl ids with a version (e.g. {versions[0][0]}); "
            f"without it {merged} repeat another.",
            "Cut the versions before ids are compared with gene sets or annotation.",
            "sheet_names.name_facts",
            {"features": len(names), "with version": len(versions), "repeat without version": merged},
            [m[0] for m in versions],
        )
    counters = [n for n in names if _COUNTERS.fullmatch(n)]
    if counters:
        yield material.draft(
            "identifiers",
            3,
            f"{len(counters)} rows of the matrix are no genes but a counter's summary of reads: {listed(counters)}.",
            "Leave these rows out before library sizes are computed.",
            "sheet_names.name_facts",
            {"rows that are no genes": len(counters)},
            counters,
        )


def _patterns(material: Material) -> Iterator[FactDraft]:
    """State series, mangled names and lost zeros."""
    names = material.labels
    if material.series:
        sizes = levels(material.series)
        none = [n for n, s in zip(names, material.series, strict=True) if not s]
        rest = f"; {len(none)} names have no such beginning" if none else ""
        yield material.draft(
            "batch",
            2,
            f"The sample names begin with {len(sizes)} different prefixes: {counted(sizes, 14)}{rest}. "
            "What they mean (site, series, array print, or the group itself) is not stated by the names.",
            "Treat the prefix as a possible batch: show it in the first look at the data, and have it in the model or "
            "say why not.",
            "sheet_names.name_facts",
            {"prefixes": len(sizes), **{f"names with {s}": c for s, c in sizes.most_common(12)}},
            [f"{s} ({c})" for s, c in sizes.most_common()],
        )
    mangled = [n for n in names if re.fullmatch(r"X\d[\w.]*", n)]
    if len(mangled) >= 3 and len(mangled) >= 0.5 * len(names):
        yield material.draft(
            "identifiers",
            1,
            f"{len(mangled)} of {len(names)} sample names begin with X and a digit, as R's make.names writes names "
            "that begin with a digit.",
            "Undo it (no X, points may have been other characters) before joining with another table.",
            "sheet_names.name_facts",
            {"names": len(names), "with X before a digit": len(mangled)},
            mangled,
        )
    yield from _lost_zeros(material)


def _lost_zeros(material: Material) -> Iterator[FactDraft]:
    """Find a column that repeats the sample names without their leading zeros."""
    names = material.labels
    padded = [n for n in names if re.fullmatch(r"0\d+", n)]
    for column, cells in material.columns.items() if padded else ():
        lost = [
            n
            for n, c in zip(names, cells, strict=True)
            if c and c != n and re.fullmatch(r"0+\d+", n) and n.lstrip("0") == c
        ]
        same = sum(n == c for n, c in zip(names, cells, strict=True))
        if len(lost) >= 3 and len(lost) + same >= 0.8 * len(names):
            yield material.draft(
                "identifiers",
                2,
                f"Column {column!r} repeats the sample names, but {len(lost)} of {len(names)} lost their leading zeros "
                f"({lost[0]} became {lost[0].lstrip('0')}).",
                "Read identifiers as text, join by the sample names and not by this column.",
                "sheet_names.name_facts",
                {"samples": len(names), "without their zeros": len(lost)},
                lost,
            )
            return
    bare = [n for n in names if re.fullmatch(r"[1-9]\d*", n)]
    width = max((len(n) for n in padded), default=0)
    short = [n for n in bare if len(n) < width]
    if len(padded) >= 3 and short:
        yield material.draft(
            "identifiers",
            2,
            f"{len(padded)} sample names are numbers with leading zeros ({padded[0]}) and {len(short)} shorter ones "
            f"have none ({short[0]}): zeros may have been lost.",
            "Read identifiers as text; check that names that differ only in zeros are two samples.",
            "sheet_names.name_facts",
            {"with leading zeros": len(padded), "shorter without": len(short)},
            [*short, *padded],
        )


def _parts(material: Material) -> Iterator[FactDraft]:
    """State a part of the names that has few levels and stands in no column, and rare endings of unknown meaning."""
    names, n = material.labels, material.n
    split = [segments(name) for name in names]
    endings = [parts[-1] if len(parts) > 1 else "" for parts in split]
    words = [e if re.fullmatch(r"[A-Za-z+]{1,24}[+-]?", e) else "" for e in endings]
    sizes = levels(words)
    if 2 <= len(sizes) <= 6 and sum(sizes.values()) >= 0.9 * n and min(sizes.values()) >= 2:
        if not any(_same_partition(words, cells) for cells in material.variables.values()):
            yield material.draft(
                "identifiers",
                2,
                f"The last part of the sample names has {len(sizes)} levels, {counted(sizes)}, that stand in no "
                f"column{'' if material.sheet.columns else ' (there is no sample sheet)'}.",
                "It may be the group that is to be compared: make a column of it and say that it comes from names.",
                "sheet_names.name_facts",
                {"samples": n, **{f"names ending in {k}": v for k, v in sizes.items()}},
                names,
            )
        return
    marked = [re.fullmatch(r".*\d([A-Za-z]{1,2})", name) for name in names]
    rare = sizes + Counter(m[1] for m in marked if m)
    unexplained = {e: c for e, c in rare.items() if 2 <= c <= 0.3 * n and not names_a_kind(e)}
    if unexplained and sum(unexplained.values()) <= 0.5 * n:
        rows = [
            x for x, w, m in zip(names, words, marked, strict=True) if w in unexplained or (m and m[1] in unexplained)
        ]
        yield material.draft(
            "identifiers",
            1,
            f"Some sample names end in letters whose meaning is not stated: {counted(unexplained)}, of {n} samples.",
            "Ask the source or look at these samples beside the others before they are pooled; a name only suggests.",
            "sheet_names.name_facts",
            {"samples": n, **{f"ending in {e}": c for e, c in unexplained.items()}},
            rows,
        )


def _same_partition(one: Sequence[str], other: Sequence[str]) -> bool:
    pairs = {(a, b) for a, b in zip(one, other, strict=True) if a and b}
    known = sum(1 for a, b in zip(one, other, strict=True) if a and b)
    return known >= 0.8 * len(one) and len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def repeat_facts(material: Material) -> Iterator[FactDraft]:
    """State patients with several samples, ids that may be two persons, and rows that are the same in all columns."""
    found = _patients(material)
    for source, patients in found.items():
        yield from _repeats(material, source, patients)
    yield from _loose_ids(material)
    yield from _partners(material)
    yield from _same_rows(material)


def _patients(material: Material) -> dict[str, list[str]]:
    """Find who each sample is from: columns and fields of patients, else ids inside names or texts."""
    found = {
        f"column {n!r}": cells for n, cells in material.variables.items() if _PATIENT.search(normal(n.split(": ")[-1]))
    }
    found = {name: cells for name, cells in found.items() if len(levels(cells)) >= 2}
    if found:
        return dict(list(found.items())[:2])
    texts = {"the sample names": list(material.labels)} if material.named else {}
    texts.update(
        {
            f"the texts of {n!r}": c
            for n, c in material.columns.items()
            if len(levels(c)) > MAX_LEVELS and numbers_in(c) is None
        }
    )
    for name, cells in texts.items():
        tcga = [m[1] if (m := _TCGA.match(c)) else "" for c in cells]
        stated = [f"{m[1].lower()} {m[2]}" if (m := _PATIENT_IN_TEXT.search(c)) else "" for c in cells]
        sides = [_without_side(c) for c in cells] if name == "the sample names" else [""] * len(cells)
        for ids in (tcga, stated, sides, _after_letter(cells)):
            if sum(map(bool, ids)) >= max(4, 0.5 * len(cells)):
                return {name: ids}
    return {}


def _without_side(name: str) -> str:
    """Drop a last part that says which of several samples of a patient it is; empty when there is none."""
    parts = segments(name)
    if len(parts) > 1 and parts[-1].casefold() in _SIDES and any(ch.isdigit() for ch in "".join(parts[:-1])):
        return "-".join(parts[:-1])
    glued = re.fullmatch(r"(.*\d)([TN])", name)
    return glued[1] if glued else ""


def _after_letter(cells: Sequence[str]) -> list[str]:
    """Numbers after one of two letters that texts begin with (`C035`, `N035`), when they cannot be mere counting."""
    first = [re.fullmatch(r"([A-Z])(\d+)", (segments(c) or [""])[0]) for c in cells]
    found = [m[2] if m else "" for m in first]
    numbers = {int(f) for f in found if f}
    letters = {m[1] for m in first if m}
    if len(letters) != 2 or numbers <= set(range(len(numbers) + 1)):
        return [""] * len(cells)
    return found


def _repeats(material: Material, source: str, patients: Sequence[str]) -> Iterator[FactDraft]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for i, patient in enumerate(patients):
        if patient:
            rows_of[patient].append(i)
    several = {p: rows for p, rows in rows_of.items() if len(rows) > 1}
    if not several:
        return
    known, samples = sum(map(len, rows_of.values())), sum(map(len, several.values()))
    numbers = {
        "samples with a patient": known,
        "patients": len(rows_of),
        "patients with several samples": len(several),
        "samples of these": samples,
    }
    text = (
        f"By {source}, {known} samples come from {len(rows_of)} patients or subjects: {len(several)} of them have "
        f"several ({samples} samples)"
    )
    pairs: list[str] = []
    for name, cells in material.groups.items():
        if len(levels(cells)) == 2 and sum(map(bool, cells)) >= 0.9 * material.n:
            sides = [{cells[i] for i in rows} - {""} for rows in rows_of.values()]
            complete = sum(len(side) == 2 for side in sides)
            alone = Counter(next(iter(side)) for side in sides if len(side) == 1)
            numbers[f"with both levels of {name}"] = complete
            if complete and len(pairs) < 3:
                pairs.append(
                    f"{complete} have both levels of {name!r} and {alone.total()} only one"
                    + (f" ({counted(alone)})" if alone else "")
                )
            elif len(pairs) < 3:
                pairs.append(f"every one has one level of {name!r} only ({counted(alone)})")
    yield material.draft(
        "repeats",
        3,
        text + (f"; {'; '.join(pairs)}" if pairs else "") + ".",
        "Samples of one patient are not independent: analyse pairs as pairs, or take one sample a patient by a rule "
        "stated beforehand, or model the patient; count each patient's outcome once.",
        "sheet_names.repeat_facts",
        numbers,
        [f"{p}: {', '.join(material.labels[i] for i in rows)}" for p, rows in several.items()],
    )
    yield from _changing(material, source, several)


def _changing(material: Material, source: str, several: Mapping[str, Sequence[int]]) -> Iterator[FactDraft]:
    """Find patients whose age or sex differs between their samples."""
    for name, cells in material.variables.items():
        if not _STABLE.search(normal(name)):
            continue
        differ = {p: sorted({cells[i].casefold() for i in rows if cells[i]}) for p, rows in several.items()}
        differ = {p: found for p, found in differ.items() if _apart(found)}
        if differ:
            yield material.draft(
                "contradiction",
                3,
                f"{len(differ)} of {len(several)} patients with several samples (by {source}) differ between them in "
                f"{name!r}, e.g. {next(iter(differ))}: {', '.join(next(iter(differ.values())))}.",
                "One id may stand for two persons, or samples were swapped: settle it before samples are paired.",
                "sheet_names.repeat_facts",
                {"patients with several samples": len(several), f"differ in {name}": len(differ)},
                [f"{p}: {', '.join(found)}" for p, found in differ.items()],
            )


def _apart(values: Sequence[str]) -> bool:
    """Return True for values that one person cannot have; ages may be years apart when samples are."""
    numbers = [as_number(v) for v in values]
    known = [n for n in numbers if n is not None]
    return max(known) - min(known) > 2 if known and len(known) == len(values) else len(values) > 1


def _loose_ids(material: Material) -> Iterator[FactDraft]:
    """Find ids that differ in leading zeros only, and compare the rest of their rows."""
    columns = _patients(material)
    if material.named:
        columns = {"the sample names": list(material.labels), **columns}
    for name, cells in columns.items():
        rows_of: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for i, cell in enumerate(cells):
            if cell:
                rows_of[re.sub(r"(?<!\d)0+(?=\d)", "", cell)][cell].append(i)
        doubtful = {k: spelt for k, spelt in rows_of.items() if len(spelt) > 1}
        if not doubtful:
            continue
        differing: dict[str, list[str]] = {}
        for spelt in doubtful.values():
            rows = [i for found in spelt.values() for i in found]
            others = [
                n
                for n, c in material.variables.items()
                if _STABLE.search(normal(n)) and _apart(sorted({c[i].casefold() for i in rows if c[i]}))
            ]
            if others:
                differing[" and ".join(spelt)] = others
        text = f"{len(doubtful)} ids in {name} are written in more than one way that differs in leading zeros only"
        text += f" (e.g. {' and '.join(next(iter(doubtful.values())))})"
        if differing:
            text += f"; {len(differing)} of them differ in age or sex and may be two persons"
        yield material.draft(
            "contradiction",
            3,
            text + ".",
            "Keep ids as text; take such ids as one person only when their other data agree.",
            "sheet_names.repeat_facts",
            {"ids written in several ways": len(doubtful), "that differ in age or sex": len(differing)},
            [" and ".join(spelt) for spelt in doubtful.values()],
        )


def _partners(material: Material) -> Iterator[FactDraft]:
    """Find names that say which sample they are paired with."""
    if not material.named:
        return
    stated = {n: m[1] for n in material.labels if (m := _PAIRED_WITH.search(n))}
    if not stated:
        return
    absent = {n: p for n, p in stated.items() if not any(o != n and p in o.split("(")[0] for o in material.labels)}
    yield material.draft(
        "repeats",
        2,
        f"{count_of(len(stated), 'sample name says', 'sample names say')} with which sample "
        f"{'it is' if len(stated) == 1 else 'they are'} paired; of {len(absent)} the partner is not in this data set "
        f"(e.g. {clipped(next(iter(stated)))}).",
        "Pairs are not independent samples: decide which sample of a pair is analysed.",
        "sheet_names.repeat_facts",
        {"names with a partner": len(stated), "partner not here": len(absent)},
        list(stated),
    )


def _same_rows(material: Material) -> Iterator[FactDraft]:
    """Find samples that agree in every column, among them a number that seldom repeats."""
    fine = [n for n, c in material.columns.items() if len(levels(c)) >= max(10, 0.3 * material.n)]
    if len(material.columns) < 5 or not fine:
        return
    seen: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i in range(material.n):
        row = tuple(cells[i] for cells in material.columns.values())
        if sum(map(bool, row)) >= 5 and all(material.columns[n][i] for n in fine[:2]):
            seen[row].append(i)
    same = [rows for rows in seen.values() if len(rows) > 1]
    if same:
        yield material.draft(
            "repeats",
            2,
            f"{sum(map(len, same))} samples agree with another in all {len(material.columns)} columns of the sheet "
            f"({len(same)} sets), so that they may be of one patient.",
            "Look whether their profiles are copies, and count a patient once.",
            "sheet_names.repeat_facts",
            {"samples": sum(map(len, same)), "sets": len(same), "columns": len(material.columns)},
            [", ".join(material.labels[i] for i in rows) for rows in same],
        )
