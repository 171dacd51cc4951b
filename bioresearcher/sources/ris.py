"""RIS: lines `TAG  - value`, an entry from `TY` to `ER`; other lines go on with the value above.

The format is so small that reading it takes less than a library's repair: rispy 0.10 joins an entry whose `ER` is
missing with the next one without a word, drops the last one, and knows no line numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bioresearcher.library.canonical import clean
from bioresearcher.sources.references import Broken, Entry

_TAG: Final = re.compile(r"([A-Z][A-Z0-9])  - ?(.*)")
_TITLE: Final = ("TI", "T1", "CT")
_JOURNAL: Final = ("T2", "JO", "JF", "JA", "J2")

_Fields = dict[str, list[str]]


def read_ris(text: str) -> list[Entry | Broken]:
    """The entries in their order; one without `TY`, `ER` or title is broken and says its line."""
    found: list[Entry | Broken] = []
    for line, fields, complaint in _blocks(text):
        found.append(Broken(line, complaint) if complaint else _entry(line, fields))
    return found


def _blocks(text: str) -> Iterator[tuple[int, _Fields, str]]:
    """(first line, fields, what is wrong) of each entry."""
    fields: _Fields = {}
    start, tag, stray = 0, "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        match = _TAG.fullmatch(raw.rstrip())
        if match is None:
            if start and tag and raw.strip():
                fields[tag][-1] += f"\n{raw.strip()}"
            elif raw.strip() and not stray:
                stray = number
                yield number, {}, f"{clean(raw)[:60]!r} is no part of an entry."
            continue
        tag, value = match[1], match[2].strip()
        if tag == "TY":
            if start:
                yield start, {}, f"the entry does not end: ER is missing before line {number}."
            start, fields, stray = number, {"TY": [value]}, 0
        elif not start:
            if not stray:
                stray = number
                yield number, {}, f"{tag} stands before the entry's first line, TY."
        elif tag == "ER":
            yield start, fields, ""
            start, fields, tag = 0, {}, ""
        else:
            fields.setdefault(tag, []).append(value)
    if start:
        yield start, {}, "the entry does not end: the file is cut before its ER."


def _first(fields: _Fields, *tags: str) -> str:
    return next((fields[t][0] for t in tags if fields.get(t) and fields[t][0]), "")


def _entry(line: int, fields: _Fields) -> Entry:
    title = _first(fields, *_TITLE)
    from_pubmed = any("pubmed" in v.lower() for t in ("DB", "DP", "SR") for v in fields.get(t, []))
    notes = [v for t in ("N1", "U1", "M1", "C1", "C2", "C6", "AN") for v in fields.get(t, [])]
    return Entry(
        line=line,
        label=clean(_first(fields, "ID") or title)[:60] or fields["TY"][0] or "entry",
        title=title,
        authors=tuple(v for t in ("AU", "A1") for v in fields.get(t, [])),
        date=_first(fields, "PY", "Y1", "DA"),
        journal=_first(fields, *_JOURNAL),
        pmid=_first(fields, "AN") if from_pubmed else "",
        doi=_first(fields, "DO"),
        note=" ".join(notes),
        abstract=_first(fields, "AB", "N2"),
        files=tuple(v for t in ("L1", "L2") for value in fields.get(t, []) for v in value.split("\n")),
    )
