"""Cells of one column that mean the same level, and numbers that stand for "not known".

Spellings are joined where nothing but case, blanks or British spelling differs; short ones (`t` and `T`) may be
different things and stay open. A number is a code for "not known" where the variable cannot have that value; where it
could, it stays open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.endpoints import names_time, normal

_BRITISH: Final = (
    ("tumour", "tumor"),
    ("oestr", "estr"),
    ("leukaem", "leukem"),
    ("anaem", "anem"),
    ("haem", "hem"),
    ("oedema", "edema"),
    ("grey", "gray"),
    ("centre", "center"),
    ("oesoph", "esoph"),
    ("paed", "ped"),
)
_SYNONYMS: Final = (
    (re.compile(r"sex|gender"), ({"m", "male", "man"}, {"f", "female", "woman"})),
    (re.compile(r""), ({"y", "yes"}, {"n", "no"})),
    (re.compile(r"_status$|^(er|pr|her2)$"), ({"positive", "pos", "+"}, {"negative", "neg", "-"})),
)
_NEGATIVE: Final = (-1.0, -7.0, -8.0, -9.0, -88.0, -99.0, -888.0, -999.0, -9999.0, -99999.0)
_POSITIVE: Final = (88.0, 99.0, 888.0, 999.0, 9998.0, 9999.0, 99999.0, 999.9, 99.9)
_NINE: Final = 9.0
_SUSPECTS: Final = frozenset((*_NEGATIVE, *_POSITIVE, _NINE))
_LIMITS: Final = (
    (re.compile(r"^age|_age$|_age_|age_at"), 0.0, 125.0),
    (re.compile(r"grade|^(path\w*_|clin\w*_|tumou?r_|ajcc_)?stage"), 0.0, 8.0),
    (re.compile(r"^bmi|_bmi$|body_mass"), 5.0, 98.0),
    (re.compile(r"percent|_pct$|^pct_|purity"), 0.0, 100.0),
    (re.compile(r"sex|gender"), 0.0, 3.0),
    (re.compile(r"ecog|karnofsky|^ph_|performance"), 0.0, 100.0),
    (
        re.compile(r"weight|height|size|diameter|nodes?|_(mm|cm|kg|mg_l|g_l|u_l)$|count|psa|number|smok|pack|crp"),
        0.0,
        float("inf"),
    ),
)
_ECOG: Final = re.compile(r"ecog")


@dataclass(frozen=True)
class Spellings:
    """Cells that are joined to one level, and those (cell, level) that may be."""

    codes: Mapping[str, str] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MissingCodes:
    """Numbers that mean "not known" for sure, and those that may, each with its reason."""

    sure: Mapping[str, str] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)


def _plain(level: str) -> str:
    text = re.sub(r"\s+", " ", level.strip().casefold())
    for british, american in _BRITISH:
        text = text.replace(british, american)
    return re.sub(r"(?<=[a-z])[\s_-]+(?=[a-z])", " ", text)


def spellings(name: str, levels: Mapping[str, int]) -> Spellings:
    """Find levels that are spelt in several ways; the most frequent spelling stands for all of them."""
    spelt: dict[str, list[str]] = {}
    numeric = all(as_number(level) is not None for level in levels)
    for level in levels:
        number = as_number(level)
        spelt.setdefault(f"{number:g}" if numeric and number is not None else _plain(level), []).append(level)
    codes: dict[str, str] = {}
    opened: dict[str, str] = {}
    for found in spelt.values():
        level = max(found, key=lambda v: (levels[v], v[:1].isupper()))
        others = {v: level for v in found if v != level}
        if numeric or len(level.strip()) > 2 or _says_sex_or_yes(name, levels):
            codes.update(others)
        else:
            opened.update(others)
    codes.update(_synonyms(name, levels, codes))
    return Spellings(codes, opened)


def _says_sex_or_yes(name: str, levels: Mapping[str, int]) -> bool:
    texts = {level.strip().casefold() for level in levels}
    return re.search("sex|gender", normal(name)) is not None or texts <= {"y", "n", "yes", "no"}


def _synonyms(name: str, levels: Mapping[str, int], codes: Mapping[str, str]) -> dict[str, str]:
    """Join the words of a pair (m and male), if all levels are such words."""
    texts = {level: level.strip().casefold() for level in levels}
    for pattern, pair in _SYNONYMS:
        if not pattern.search(normal(name)) or not set(texts.values()) <= pair[0] | pair[1]:
            continue
        joined = {}
        for words in pair:
            found = [level for level in levels if texts[level] in words]
            if len({texts[v] for v in found}) > 1:
                level = max(found, key=lambda v: (levels[v], len(v)))
                joined.update({v: level for v in found if v != level})
        return joined
    return {}


def missing_codes(name: str, cells: Sequence[str]) -> MissingCodes:
    """Find numbers that stand for "not known" in a column of numbers; `cells` are its known cells."""
    numbers = [as_number(cell) for cell in cells]
    if not numbers or any(n is None for n in numbers):
        return MissingCodes()
    sizes = Counter(n for n in numbers if n is not None)
    text = normal(name)
    limits = next(((low, high) for pattern, low, high in _LIMITS if pattern.search(text)), None)
    if limits is None and names_time(name):
        limits = (0.0, float("inf"))
    rest = [n for n in sizes if n not in _NEGATIVE and n not in _POSITIVE]
    if not rest:
        return MissingCodes()
    suspects = {n: count for n, count in sizes.items() if n in _SUSPECTS}
    if not suspects:
        return MissingCodes()
    texts: dict[float, dict[str, None]] = {number: {} for number in suspects}
    for cell, number in zip(cells, numbers, strict=True):
        if number in suspects:
            texts[number][cell.strip()] = None
    sure: dict[str, str] = {}
    opened: dict[str, str] = {}
    for number, count in suspects.items():
        others = [n for n in rest if n != number]
        verdict, why = _verdict(text, number, count, others, limits) if others else ("", "")
        if verdict:
            (sure if verdict == "sure" else opened).update(dict.fromkeys(texts[number], why))
    return MissingCodes(sure, opened)


def _verdict(
    name: str,
    number: float,
    count: int,
    rest: Sequence[float],
    limits: tuple[float, float] | None,
) -> tuple[str, str]:
    """Return (sure, open or empty, reason) for one number of a column."""
    low, high = min(rest), max(rest)
    if number in _NEGATIVE and low >= 0:
        if limits is not None:
            return "sure", f"{number:g} occurs {count} times, and {name} cannot be negative"
        if number <= -9 or (number == -1 and len(rest) <= 5):
            return "open", f"{number:g} occurs {count} times, and no other value is negative"
        return "", ""
    if number == _NINE and high <= 5 and len(rest) <= 5 and all(n.is_integer() for n in rest):
        if re.search(r"grade|stage|sex|gender", name):
            return "sure", f"9 occurs {count} times, and {name} has no such value"
        return "open", f"9 occurs {count} times among values from {low:g} to {high:g}"
    if number in _POSITIVE and number > high:
        if limits is not None and number > limits[1]:
            return "sure", f"{number:g} occurs {count} times, and {name} has no such value"
        far = number > 1.5 * high + 10 or (len(rest) <= 6 and number > 5 * max(high, 1.0))
        if far and (count >= 2 or number >= 888):
            return "open", f"{number:g} occurs {count} times, and the other values end at {high:g}"
        if count >= 3 and number > high + 5 and number in (99.0, 999.0, 9999.0):
            return "open", f"{number:g} occurs {count} times, and the other values end at {high:g}"
    return "", ""
