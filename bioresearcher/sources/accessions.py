"""Accessions of data sets named in a text, found by pattern and guarded against look-alikes.

Known: GEO (GSE, GDS, GSM, GPL), the sequence archives' studies (SRP, ERP, DRP) and projects (PRJNA, PRJEB, PRJDB),
ArrayExpress (E-MTAB, E-MEXP, …; E-GEOD is GEO's), and TCGA project codes. Forms after the databases' own rules:
https://www.ncbi.nlm.nih.gov/geo/info/overview.html, https://ena-docs.readthedocs.io (accession numbers),
https://gdc.cancer.gov/resources-tcga-users/tcga-code-tables/tcga-study-abbreviations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["GSE", "GDS", "GSM", "GPL", "study", "project", "ArrayExpress", "TCGA"]

TCGA_PROJECTS: Final = frozenset(
    "ACC BLCA BRCA CESC CHOL COAD DLBC ESCA GBM HNSC KICH KIRC KIRP LAML LGG LIHC LUAD LUSC MESO OV PAAD PCPG PRAD "
    "READ SARC SKCM STAD TGCT THCA THYM UCEC UCS UVM".split()
)
MAX_RANGE = 20
"""A range of more series than this is no list of data sets, but a slip."""

_AROUND: Final = 60
_LONGEST: Final = {"GSE": 6, "GDS": 4, "GSM": 8, "GPL": 6}
_SHORTEST: Final = {"GSE": 2, "GDS": 3, "GSM": 4, "GPL": 2}
_KINDS: Final[dict[str, Kind]] = {"GSE": "GSE", "GDS": "GDS", "GSM": "GSM", "GPL": "GPL"}
_START, _END = r"(?<![A-Za-z0-9_.])", r"(?![A-Za-z0-9_])"
_SEPARATOR = r"[ \u00a0\u2009-]?"
_GEO = re.compile(rf"{_START}(GSE|GDS|GSM|GPL)({_SEPARATOR})([1-9]\d{{0,8}}){_END}", re.ASCII)
_LOWER_GSE = re.compile(rf"{_START}gse([1-9]\d{{2,5}}){_END}", re.ASCII)
_RANGE = re.compile(r"\s?(?:-|\u2013|\u2014|to|through)\s?(?:GSE\s?)?([1-9]\d{1,5})" + _END, re.ASCII)
_STUDY = re.compile(rf"{_START}([SED]RP\d{{6,9}}){_END}", re.ASCII)
_PROJECT = re.compile(rf"{_START}(PRJ(?:NA|EB|DB)[1-9]\d{{1,8}}){_END}", re.ASCII)
_ARRAY = re.compile(rf"{_START}(E-([A-Z]{{4}})-([1-9]\d{{0,5}})){_END}", re.ASCII)
_ARRAY_KINDS: Final = frozenset("MTAB MEXP GEOD TABM MIMR MARS ATMX NASC AFMX UMCU SMDB BAIR ERAD BIOD BUGS".split())
_TCGA = re.compile(rf"{_START}TCGA[- _]([A-Z]{{2,4}}){_END}(?!-[A-Z0-9]{{4}}\b)", re.ASCII)
_GEO_CONTEXT = re.compile(r"\bGEO\b|gene expression omnibus|accession|data ?sets?\b|deposit", re.I)
_LICENCE = re.compile(r"licen[cs]|\bGNU\b|open[- ]source|copyleft", re.I)
_MOBILE = re.compile(r"[MG]Hz|\bmobile\b|cell(?:ular)? phone|\bband\b|radio ?frequency", re.I)
_SCALE = re.compile(r"self-efficacy|depression|deterioration|geriatric|\bscale\b|\bscore", re.I)


@dataclass(frozen=True)
class Accession:
    """An accession with where it stands.

    Attributes:
        id: Normalised, e.g. `GSE1992`, `TCGA-SARC`; of `E-GEOD-1992` GEO's own `GSE1992`.
        start: Where it begins in the text, `end` where it ends; of series named by a range, the whole range.
    """

    id: str
    kind: Kind
    start: int
    end: int


def find_accessions(text: str) -> list[Accession]:
    """The accessions of a text in order, each place once."""
    found = [*_geo(text), *_lower(text), *_ranges(text)]
    found += [Accession(m[1], "study", m.start(), m.end()) for m in _STUDY.finditer(text)]
    found += [Accession(m[1], "project", m.start(), m.end()) for m in _PROJECT.finditer(text)]
    for m in _ARRAY.finditer(text):
        if m[2] == "GEOD":
            found.append(Accession(f"GSE{m[3]}", "GSE", m.start(), m.end()))
        elif m[2] in _ARRAY_KINDS:
            found.append(Accession(m[1], "ArrayExpress", m.start(), m.end()))
    for m in _TCGA.finditer(text):
        if m[1] in TCGA_PROJECTS:
            found.append(Accession(f"TCGA-{m[1]}", "TCGA", m.start(), m.end()))
    return sorted(set(found), key=lambda a: (a.start, a.end, len(a.id), a.id))


def normalise(text: str) -> str | None:
    """One accession from a user's word, e.g. ` gse 1992` -> `GSE1992`; None when it is none."""
    word = text.strip()
    if len(word) > 40:
        return None
    if (match := re.fullmatch(r"(GSE|GDS|GSM|GPL)[ -]?([1-9]\d{0,8})", word, re.I | re.ASCII)) is not None:
        kind = match[1].upper()
        return f"{kind}{match[2]}" if len(match[2]) <= _LONGEST[kind] else None
    found = find_accessions(word.upper())
    return found[0].id if len(found) == 1 and (found[0].start, found[0].end) == (0, len(word)) else None


def _geo(text: str) -> Iterator[Accession]:
    for m in _GEO.finditer(text):
        kind, separator, digits = m[1], m[2], m[3]
        if len(digits) > _LONGEST[kind]:
            continue
        around = text[max(0, m.start() - _AROUND) : m.end() + _AROUND]
        if _meant(kind, separator, digits, around, text[m.end() : m.end() + 2]):
            yield Accession(f"{kind}{digits}", _KINDS[kind], m.start(), m.end())


def _meant(kind: str, separator: str, digits: str, around: str, after: str) -> bool:
    """Whether a match is an accession: GPL is a licence, too, GSM a network, GSE and GDS are questionnaires."""
    if kind == "GSE":  # also the General Self-Efficacy scale, with 10 items
        clear = len(digits) >= (4 if separator else _SHORTEST[kind])
        return clear or (_GEO_CONTEXT.search(around) is not None and not _SCALE.search(around))
    if separator and kind != "GPL":
        return False
    if kind == "GPL":
        version = after[:1] == "." and after[1:2].isdigit()
        return not version and not _LICENCE.search(around) and (not separator or len(digits) >= 3)
    if kind == "GSM":
        if len(digits) >= 5:
            return True
        return _GEO_CONTEXT.search(around) is not None and not _MOBILE.search(around)
    if len(digits) < _SHORTEST[kind]:
        return _GEO_CONTEXT.search(around) is not None and not _SCALE.search(around)
    return not _SCALE.search(around)


def _lower(text: str) -> Iterator[Accession]:
    for m in _LOWER_GSE.finditer(text):
        yield Accession(f"GSE{m[1]}", "GSE", m.start(), m.end())


def _ranges(text: str) -> Iterator[Accession]:
    """The series between the ends of `GSE100-GSE104`; the ends themselves are found as any other."""
    for m in _GEO.finditer(text):
        if m[1] != "GSE" or len(m[3]) > _LONGEST["GSE"]:
            continue
        rest = _RANGE.match(text, m.end())
        if rest is None:
            continue
        first, last = int(m[3]), int(rest[1])
        if len(rest[1]) == len(m[3]) and first < last <= first + MAX_RANGE:
            for number in range(first + 1, last + 1):
                yield Accession(f"GSE{number}", "GSE", m.start(), rest.end())
