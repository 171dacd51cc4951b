"""Units of analysis in a sample sheet: patients, donors and pairs by columns, barcodes and the names of samples.

A barcode of TCGA names the patient in its first three fields and the kind of tissue in the fourth (01 to 09 tumour, 10
to 14 normal). Names such as `CTRL_1` or `s01_ALL` hold groups where no sheet states them.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.endpoints import normal

_UNIT_NAME: Final = re.compile(
    r"(^|_)(patient|subject|donor|individual|participant|person|animal|mouse|rat|proband)s?(_?(id|no|nr|num|number|code|barcode"
    r"|name|key))?$|^bcr_patient_(barcode|uuid)$|^(case|record)_?(id|no|nr|number|submitter_id)$|^pid$|^ptid$|^mrn$"
    r"|^cases_submitter_id$"
)
_PAIR_NAME: Final = re.compile(
    r"^(pair|pairs|paired|matched|match|twin|block|pairing)(_?(id|no|nr|num|number|set|pair))?$"
)
_TCGA: Final = re.compile(r"^X?(TCGA)[-.](\w{2})[-.](\w{4})(?:[-.](\d\d)([A-Z])?([-.]\w+)*)?$")
_CELL: Final = re.compile(r"(^|[_:#-])[ACGT]{12,}(-\d+)?([_-]\w+)?$|^cell[_-]?\d+$", re.I)
_GSM: Final = re.compile(r"^GSM\d{3,}$")
_TCGA_KINDS: Final[Mapping[str, str]] = {
    "01": "primary tumour",
    "02": "recurrent tumour",
    "03": "primary blood cancer",
    "05": "additional new primary",
    "06": "metastasis",
    "07": "additional metastasis",
    "09": "primary blood cancer",
    "10": "blood normal",
    "11": "solid tissue normal",
    "12": "buccal normal",
    "14": "bone marrow normal",
    "20": "control",
}
_REPLICATE: Final = re.compile(
    r"^(rep|replicate|r|n|s|sample|b|biorep|bio|tech|run|lane|l|gsm|srr|id|no|nr|x|v)?\.?\d+[a-c]?$", re.I
)
_OWNER: Final = re.compile(r"^(p|pt|pat|patient|donor|d|subj|subject|mouse|m|animal|ind)\.?\d+$", re.I)
MAX_GROUPS: Final = 8
"""Most levels of a part of the samples' names that may be groups."""


@dataclass(frozen=True)
class Unit:
    """A column that names the unit of analysis or a pair."""

    column: str
    pair: bool
    word: str
    units: int
    repeated: int
    why: str


@dataclass(frozen=True)
class NameColumn:
    """A column that the samples' names hold: its cells in the order of the names."""

    name: str
    role: str
    cells: tuple[str, ...]
    label: str


def find_unit(columns: Mapping[str, Sequence[str]], sample_column: str | None) -> list[Unit]:
    """Find the columns that name units and pairs, by name and values; at most one of each kind."""
    found: list[Unit] = []
    for name, cells in columns.items():
        text = normal(name)
        unit = _UNIT_NAME.search(text)
        if name == sample_column or not (unit or _PAIR_NAME.search(text)):
            continue
        known = [c for c in cells if c]
        sizes = Counter(known)
        if len(sizes) < 2 or len(known) < 0.5 * len(cells) or not _names_things(sizes, len(known)):
            continue
        pair = unit is None
        if pair and sum(n >= 2 for n in sizes.values()) < 0.5 * len(sizes):
            continue
        if any(f.pair == pair for f in found):
            continue
        repeated = sum(n > 1 for n in sizes.values())
        why = f"its name, and {len(sizes)} different values in {len(known)} rows"
        word = "pair" if pair else _word(text)
        found.append(Unit(name, pair, word, len(sizes), repeated, why))
    return found


def _word(name: str) -> str:
    words = ("donor", "animal", "mouse", "rat", "subject", "participant", "individual", "person")
    return next((word for word in words if word in name), "patient")


def _names_things(sizes: Mapping[str, int], rows: int) -> bool:
    """Check that values name single things: with digits, or many, or letters; not two levels of a group."""
    digits = sum(any(ch.isdigit() for ch in value) for value in sizes)
    if all(as_number(v) is not None for v in sizes) and len(sizes) <= 2 < rows / 4:
        return False
    letters = all(len(v) == 1 for v in sizes) and len(sizes) > 2
    return digits >= 0.5 * len(sizes) or len(sizes) >= max(3, rows / 4) or letters


def row_word(names: Sequence[str], column: str | None, units: Sequence[Unit]) -> str:
    """Name what a row of a sheet is, by its names and the units beside them; empty if that is not known."""
    known = [n for n in names if n]
    if known and sum(_CELL.search(n) is not None for n in known) > 0.8 * len(known):
        return "cell"
    if column is not None and re.search(r"(^|_)cell(_?(id|barcode|name))?$", normal(column)):
        return "cell"
    if any(not u.pair and u.repeated for u in units):
        return "sample"
    codes = [m for n in known if (m := _TCGA.match(n))]
    if known and len(codes) > 0.8 * len(known):
        return "sample" if any(m[4] for m in codes) else "patient"
    if known and sum(_GSM.match(n) is not None for n in known) > 0.8 * len(known):
        return "sample"
    if column is not None and _UNIT_NAME.search(normal(column)):
        return _word(normal(column))
    return "sample" if column is not None else ""


def barcode_columns(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> list[NameColumn]:
    """Read patients and kinds of tissue from barcodes, where they matter and no column states them.

    They matter when a patient has several samples or when the samples are of several kinds.
    """
    codes = [_TCGA.match(n) for n in names]
    if not names or sum(m is not None and m[4] is not None for m in codes) < 0.9 * len(names):
        return []
    patients = tuple(f"TCGA-{m[2]}-{m[3]}" if m else "" for m in codes)
    kinds = tuple(_TCGA_KINDS.get(m[4] or "", f"code {m[4]}") if m else "" for m in codes)
    several, repeated = len(set(kinds) - {""}) > 1, len(set(patients)) < len(patients)
    found = []
    if (several or repeated) and not any(_agrees(patients, cells) for cells in columns.values()):
        name = _free("patient", columns)
        found.append(NameColumn(name, "unit", patients, "patient, the first three fields of the sample's barcode"))
    if several and not any(_agrees(kinds, cells) for cells in columns.values()):
        name = _free("tissue_by_barcode", columns)
        found.append(NameColumn(name, "group", kinds, "kind of tissue, the fourth field of the sample's barcode"))
    return found


def _free(name: str, columns: Mapping[str, Sequence[str]]) -> str:
    taken = {normal(c) for c in columns}
    return next(n for n in (name, f"{name}_from_name", *(f"{name}_{i}" for i in range(2, 99))) if n not in taken)


def _agrees(one: Sequence[str], other: Sequence[str]) -> bool:
    """Check that two columns divide the rows in the same way, apart from rows that one of them does not know."""
    pairs = {(a, b) for a, b in zip(one, other, strict=True) if a and b}
    known = sum(1 for b in other if b)
    return known >= 0.9 * len(one) and len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def name_columns(names: Sequence[str]) -> list[NameColumn]:
    """Read groups, and owners that each occur in several groups, from the parts of the samples' names."""
    if len(names) < 4:
        return []
    parts = [_parts(n) for n in names]
    width = min(len(p) for p in parts)
    if width != max(len(p) for p in parts):
        parts = [p[-width:] if _ends_agree(parts, width) else p[:width] for p in parts]
    groups: list[tuple[int, tuple[str, ...]]] = []
    for at in range(width):
        cells = tuple(p[at] for p in parts)
        if _is_grouping(cells) and not any(_agrees(cells, other) for _, other in groups):
            groups.append((at, cells))
    found = [
        NameColumn(
            "group" if len(groups) == 1 else f"group_{n}", "group", cells, f"part {at + 1} of the samples' names"
        )
        for n, (at, cells) in enumerate(groups, start=1)
    ]
    if groups and (owner := _owner(names, groups[0][1])) is not None:
        found.append(
            NameColumn("subject", "unit", owner, "the part of the samples' names that says whose sample it is")
        )
    return found


def _parts(name: str) -> list[str]:
    """Split a name at punctuation and before the number at the end of a word of letters."""
    found: list[str] = []
    for token in re.split(r"[\s_.\-:/|]+", name.strip()):
        if not token:
            continue
        numbered = re.fullmatch(r"([A-Za-z+]{2,}?)(\d+)", token)
        if numbered and not _REPLICATE.match(token) and not _OWNER.match(token):
            found += [numbered[1], numbered[2]]
        else:
            found.append(token)
    return found or [name]


def _ends_agree(parts: Sequence[Sequence[str]], width: int) -> bool:
    return any(_is_grouping(tuple(p[len(p) - width + i] for p in parts)) for i in range(width))


def _is_grouping(cells: Sequence[str]) -> bool:
    sizes = Counter(cells)
    if not 2 <= len(sizes) <= min(MAX_GROUPS, len(cells) // 2) or min(sizes.values()) < 2:
        return False
    return all(not _REPLICATE.match(v) and not _OWNER.match(v) and re.search(r"[A-Za-z]", v) for v in sizes)


def _owner(names: Sequence[str], group: Sequence[str]) -> tuple[str, ...] | None:
    """Find the part that names a person or an animal, each of which occurs in several groups."""
    found = []
    for name in names:
        tokens = [t for t in re.split(r"[\s_.\-:/|]+", name.strip()) if _OWNER.match(t)]
        if len(tokens) != 1:
            return None
        found.append(tokens[0])
    seen: dict[str, set[str]] = defaultdict(set)
    for owner, level in zip(found, group, strict=True):
        seen[owner].add(level)
    shared = sum(len(levels) > 1 for levels in seen.values())
    return tuple(found) if len(seen) > 1 and shared >= 0.5 * len(seen) else None
