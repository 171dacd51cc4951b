"""The sample sheet of a GEO series: one row per sample, one column per characteristic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from bioresearcher.schemas.geo import GeoSample
from bioresearcher.text.visible import one_line

SAMPLE = "sample"
MAX_KEYS = 60
"""Characteristics that become columns, the most frequent ones."""

_REPLICATE = re.compile(
    r"[\s_,;:.()\[\]-]*(?:(?:biol(?:ogical)?|tech(?:nical)?)?[\s_.-]*"
    r"(?:rep(?:licate|l)?|sample|patient|donor|subject|mouse|animal|tumou?r|case|n|no|nr|#)[\s_.#:-]*)?\d+[a-z]?"
    r"[\s)\]]*$",
    re.I,
)


def sheet_of(samples: Sequence[GeoSample]) -> tuple[list[str], list[list[str]], list[str]]:
    """(header, rows, notes). Cells that are not known are `NA`; tabs and line breaks become spaces.

    A characteristic that a sample has twice is joined with `; `; one without a key is called `characteristic`.
    Where titles without their replicate number form 2 to 6 groups of at least 2, they become `title_group`.
    """
    records = [_record(s) for s in samples]
    counts = Counter(key for record in records for key in record)
    keys = [k for k, _ in counts.most_common(MAX_KEYS)]
    order = {k: n for n, k in enumerate(dict.fromkeys(k for record in records for k in record))}
    keys.sort(key=lambda k: order[k])
    names = _names(keys)
    header = [SAMPLE, "title", "source_name"]
    fixed: list[list[str]] = [[s.accession, s.title, s.source] for s in samples]
    for name, values in (("organism", [s.organism for s in samples]), ("platform", [s.platform for s in samples])):
        if len({v for v in values if v}) > 1:
            header.append(name)
            fixed = [[*row, value] for row, value in zip(fixed, values, strict=True)]
    notes = []
    groups = title_groups([s.title for s in samples])
    if groups:
        header.append("title_group")
        fixed = [[*row, value] for row, value in zip(fixed, groups, strict=True)]
        notes.append("title_group holds the samples' titles without their replicate numbers: inferred, not stated.")
    if len(counts) > len(keys):
        notes.append(f"{len(counts)} characteristics were found; the {len(keys)} most frequent ones are in the sheet.")
    rows = [
        [cell(v) for v in row] + [cell(record.get(k, "")) for k in keys]
        for row, record in zip(fixed, records, strict=True)
    ]
    return header + names, rows, notes


def _record(sample: GeoSample) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for key, value in sample.characteristics:
        found.setdefault(" ".join(key.split()).lower() or "characteristic", []).append(value)
    return {key: "; ".join(dict.fromkeys(values)) for key, values in found.items()}


def _names(keys: Sequence[str]) -> list[str]:
    """Column names: the keys with `_` for other characters, each once and none that is taken."""
    taken = {SAMPLE, "title", "source_name", "organism", "platform", "title_group"}
    names = []
    for key in keys:
        base = re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_")[:40] or "characteristic"
        name = next(n for n in (base, *(f"{base}_{i}" for i in range(2, 1000))) if n not in taken)
        taken.add(name)
        names.append(name)
    return names


def title_groups(titles: Sequence[str]) -> list[str]:
    """The titles without replicate numbers, when that makes 2 to 6 groups of at least 2; else nothing."""
    stems = [re.sub(r"[\s_,;:-]+$", "", _REPLICATE.sub("", t)).strip() for t in titles]
    counts = Counter(stems)
    if not 2 <= len(counts) <= 6 or min(counts.values(), default=0) < 2 or "" in counts:
        return []
    return stems


def cell(value: str) -> str:
    """A cell of a TSV file; what is not known is `NA`."""
    return one_line(value).replace('"', "'").strip() or "NA"
