"""Bibliographies of lines with tags: RIS, PubMed's MEDLINE format, Web of Science, RefWorks, EndNote's refer format.

The formats are so small that reading them takes less than repairing a library's result: rispy 0.10 joins a RIS entry
without `ER` to the next one without a word, drops the last one, and knows no line numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bioresearcher.papers.canonical import clean
from bioresearcher.sources.literature.references import Reference, UnreadableReference

_Fields = dict[str, list[str]]
_DOI: Final = re.compile(r"10\.[0-9]{4,9}/[^\s\"<>{}|\\^`\]]+", re.IGNORECASE)


def _values(fields: _Fields, *tags: str) -> list[str]:
    return [value for tag in tags for value in fields.get(tag, [])]


def _first(fields: _Fields, *tags: str) -> str:
    return next((fields[t][0] for t in tags if fields.get(t) and fields[t][0]), "")


def _running(fields: _Fields, *tags: str) -> str:
    """The first of these fields on one line; its lines were divided at a width, not at the end of a paragraph."""
    return " ".join(_first(fields, *tags).split())


# RIS: lines `TAG  - value`, an entry from `TY` to `ER`; other lines continue the value above. Some programs write one
# space for two: a file whose first tag does so is read so.

_TAG: Final = re.compile(r"([A-Z][A-Z0-9])  - ?(.*)")
_NARROW: Final = re.compile(r"([A-Z][A-Z0-9]) {1,2}- ?(.*)")
_BEGINS_NARROW: Final = re.compile(r"^TY - ", re.MULTILINE)


def read_ris(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries in their order; one without `TY` or `ER` is unreadable."""
    return [
        UnreadableReference(line, problem) if problem else _ris_entry(line, fields)
        for line, fields, problem in _ris_blocks(text)
    ]


def _ris_blocks(text: str) -> Iterator[tuple[int, _Fields, str]]:
    """Split the text into entries: first line, fields, and the problem if it is broken."""
    pattern = _NARROW if _BEGINS_NARROW.search(text) else _TAG
    fields: _Fields = {}
    start, tag, stray = 0, "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        match = pattern.fullmatch(raw.rstrip())
        if match is None:
            if start and tag and raw.strip():
                fields[tag][-1] += f"\n{raw.strip()}"
            elif raw.strip() and not stray:
                stray = number
                yield number, {}, f"{clean(raw)[:60]!r} is no part of an entry."
            continue
        tag, value = "AU" if match[1] == "A1" else match[1], match[2].strip()
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


def _ris_entry(line: int, fields: _Fields) -> Reference:
    title = _first(fields, "TI", "T1", "CT", "BT")
    from_pubmed = any("pubmed" in value.lower() for value in _values(fields, "DB", "DP", "SR"))
    linked = _DOI.search(" ".join(_values(fields, "DO", "DI", "M3", "L3", "UR", "LK")))
    return Reference(
        line=line,
        label=clean(_first(fields, "ID") or title)[:60] or fields["TY"][0] or "entry",
        title=title,
        authors=tuple(_values(fields, "AU")),  # `A1` is the same, and their order counts
        date=_first(fields, "PY", "Y1", "DA"),
        journal=_first(fields, "T2", "JO", "JF", "JA", "J2"),
        pmid=_first(fields, "AN") if from_pubmed else "",
        doi=linked[0] if linked else "",
        note=" ".join(_values(fields, "N1", "U1", "M1", "C1", "C2", "C6", "AN")),
        abstract=_first(fields, "AB", "N2"),
        types=tuple(_values(fields, "M3")),
        files=tuple(line for value in _values(fields, "L1", "L2") for line in value.split("\n")),
    )


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Form of a tagged file: a line with a tag, the tag that begins an entry, one that ends it, and tags outside."""

    line: re.Pattern[str]
    begins: str
    ends: str = ""
    outside: frozenset[str] = frozenset()


_MEDLINE: Final = _Dialect(re.compile(r"([A-Z]{2,4}) *- ?(.*)"), "PMID")
_ERIC: Final = _Dialect(_MEDLINE.line, "OWN")
_WOS: Final = _Dialect(re.compile(r"([A-Z][A-Z0-9])(?: (.*))?"), "PT", "ER", frozenset(["FN", "VR", "EF"]))
_REFWORKS: Final = _Dialect(re.compile(r"([A-Z][A-Z0-9]) (.*)"), "RT", "ER")
_REFER: Final = _Dialect(re.compile(r"%([0-9A-Za-z@!#$*+^&~<>()\[\]=?|]) ?(.*)"), "0")


def _blocks(text: str, form: _Dialect) -> Iterator[tuple[int, _Fields, str]]:
    """Split the text into entries: first line, fields, and the problem if it is broken; indented lines continue."""
    fields: _Fields = {}
    start, tag = 0, ""
    for number, raw in enumerate(text.split("\n"), 1):
        match = form.line.fullmatch(raw.rstrip()) if raw[:1].strip() else None
        if match is None:
            if start and tag and raw.strip():
                fields[tag][-1] += f"\n{raw.strip()}"
            continue
        tag, value = match[1], (match[2] or "").strip()
        if tag == form.begins:
            if start:
                missing = f"the entry does not end: {form.ends} is missing before line {number}."
                yield start, fields, missing if form.ends == "ER" and form is _WOS else ""
            start, fields = number, {tag: [value]}
        elif tag == form.ends and start:
            yield start, fields, ""
            start, fields, tag = 0, {}, ""
        elif start and tag not in form.outside:
            fields.setdefault(tag, []).append(value)
        elif tag not in form.outside:
            tag = ""
    if start:
        yield start, fields, "the entry does not end: the file is cut before its ER." if form is _WOS else ""


def read_medline(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries of a file in PubMed's MEDLINE format (`.nbib`; "MEDLINE/PubMed Data Element Descriptions")."""
    form = _MEDLINE if re.search(r"^PMID *-", text, re.MULTILINE) else _ERIC
    return [_medline_entry(line, fields) for line, fields, _ in _blocks(text, form)]


_NOTICE_TAGS: Final = {"RIN": "retraction", "ECI": "concern", "EIN": "correction", "CRI": "correction"}


def _medline_entry(line: int, fields: _Fields) -> Reference:
    located = [v for v in _values(fields, "AID", "LID") if "[doi]" in v.lower()]
    return Reference(
        line=line,
        label=f"PMID {_first(fields, 'PMID')}" if "PMID" in fields else clean(_first(fields, "OID"))[:60] or "entry",
        title=_running(fields, "TI", "BTI", "TT").strip("[]"),
        authors=tuple(_values(fields, "FAU") or _values(fields, "AU")) + tuple(_values(fields, "CN")),
        date=_first(fields, "DP"),
        journal=_running(fields, "JT", "TA"),
        pmid=_first(fields, "PMID"),
        pmcid=_first(fields, "PMC"),
        doi=located[0].partition("[")[0].strip() if located else "",
        abstract=_running(fields, "AB"),
        types=tuple(_values(fields, "PT")),
        notice_of=tuple(_values(fields, "ROF", "ECF", "EFR", "CRF")),
        noticed=tuple((kind, value) for tag, kind in _NOTICE_TAGS.items() for value in _values(fields, tag)),
    )


def read_wos(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries of a plain-text export of Web of Science; one that is cut off is unreadable."""
    return [
        UnreadableReference(line, problem) if problem else _wos_entry(line, fields)
        for line, fields, problem in _blocks(text, _WOS)
    ]


def _wos_entry(line: int, fields: _Fields) -> Reference:
    title = _running(fields, "TI")
    people = _first(fields, "AF", "AU") or _first(fields, "CA")
    return Reference(
        line=line,
        label=clean(_first(fields, "UT") or title)[:60] or "entry",
        title=title,
        authors=tuple(filter(None, people.split("\n"))),
        date=_first(fields, "PY", "EY"),
        journal=_running(fields, "SO", "JI"),
        pmid=_first(fields, "PM"),
        doi=_first(fields, "DI", "D2"),
        abstract=_running(fields, "AB"),
        types=tuple(t.strip() for value in _values(fields, "DT") for t in value.split(";")),
    )


def read_refworks(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries of a tagged export of RefWorks."""
    return [_refworks_entry(line, fields) for line, fields, _ in _blocks(text, _REFWORKS)]


def _refworks_entry(line: int, fields: _Fields) -> Reference:
    title = _running(fields, "T1")
    return Reference(
        line=line,
        label=clean(_first(fields, "ID") or title)[:60] or "entry",
        title=title,
        authors=tuple(_values(fields, "A1")),
        date=_first(fields, "YR", "FD"),
        journal=_running(fields, "JF", "JO"),
        doi=_first(fields, "DO"),
        note=" ".join(_values(fields, "AN", "NO", "ID")),
        abstract=_running(fields, "AB"),
    )


def read_refer(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries of a file in EndNote's refer format (`.enw`)."""
    return [_refer_entry(line, fields) for line, fields, _ in _blocks(text, _REFER)]


def _refer_entry(line: int, fields: _Fields) -> Reference:
    title = _running(fields, "T")
    return Reference(
        line=line,
        label=clean(_first(fields, "F") or title)[:60] or "entry",
        title=title,
        authors=tuple(_values(fields, "A")),
        date=_first(fields, "D", "8"),
        journal=_running(fields, "J", "B"),
        doi=_first(fields, "R"),
        note=" ".join(_values(fields, "M", "Z", "2")),
        abstract=_running(fields, "X"),
    )
