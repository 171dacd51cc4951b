"""Title and authors on a PDF's first page. A file's properties name its typesetter as often as its authors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from bioresearcher.papers.canonical import section_kind
from bioresearcher.papers.pdf_layout import Line

_STAMP: Final = re.compile(
    r"arxiv:|biorxiv|medrxiv|\bpreprint\b|\bissn\b|https?://|www\.|\bdoi\b|©|\(c\)|open access|all rights reserved"
    r"|^(research|review|original|short|case|brief|technical)\b.{0,20}\b(article|report|paper|communication|research)s?$"
    r"|^(vol(ume|\.)|proceedings)\b|^\W*[A-Z](?: [A-Z])+\b",
    re.IGNORECASE,
)
_LETTER_SPACED: Final = re.compile(r"(?:\b\w ){4,}")
_MARKS: Final = re.compile(
    r"\[[\d, ]+\]|[\d*†‡§¶#∗⁎∥‖◦°¹²³⁴⁵⁶⁷⁸⁹⁰^✉☯¤]+(?:\s*[,–-]\s*[\d*†‡§¶#∗]+)*|\s+[a-h](?=,|$)|,\s*[a-h]\b"
)
_DEGREE: Final = re.compile(
    r",?\s*\b(M\.?D\.?|Ph\.?\s?D\.?|M\.?Sc|B\.?Sc|M\.?P\.?H|MBBS|MBChB|FRCP\w*|FRCS\w*|FACS|Dr\.?\s?med|DVM|RN|MS|BS|MA"
    r"|DrPH|MRCP|DPhil|PharmD|Jr|Sr)\b\.?(?=\W|$)"
)
_NAME: Final = re.compile(
    r"(?:(?:[^\W\d_a-z][\w.’'‐–-]{0,24}|de|del|della|di|da|dos|van|von|der|den|la|le|el|bin|al|ter|ten|y|e)[ ]){1,5}"
    r"[^\W\d_a-z][^\W\d_]*(?:[’'‐–-][^\W\d_]+)*"
)
_PLACE: Final = re.compile(
    r"\b(universit\w*|institut\w*|department|hospital|school|college|centre|center|laborator\w*|faculty|division|inc|gmbh|ltd"
    r"|academy|research|sciences?|medicine|foundation|clinic|unit|program\w*|correspond\w+|received|accepted|published|edit\w*"
    r"|author\w*|address|email|copyright|journal|street|road|medical|health|biology|group|consortium)\b|@",
    re.IGNORECASE,
)
_HEAD: Final = 60
"""Lines of a page among which the title is looked for."""
_BELOW: Final = 25
"""Lines below the title among which the authors are looked for."""
_MOST_NAME_LINES: Final = 12


def find_title(pages: Sequence[Sequence[Line]]) -> str:
    """The text in the largest letters at the head of the first two pages that is no stamp; empty without one."""
    return _joined(title_lines(pages))


def title_lines(pages: Sequence[Sequence[Line]]) -> list[Line]:
    """The lines of the title; empty when nothing stands out.

    A title of three words or fewer counts when no longer text is clearly larger than the running text.
    """
    long: list[Line] = []
    short: list[Line] = []
    for page in pages[:2]:
        heads = [x for x in page if not _is_stamp(x)]
        head = sorted(heads, key=lambda x: -x.y)[:_HEAD] if any(x.y for x in heads) else heads[:_HEAD]
        usual = Counter(x.size for x in page for _ in x.text).most_common(1)
        large = 1.15 * usual[0][0] if usual else 0.0
        for size in sorted({x.size for x in head}):
            for run in _runs([x for x in head if x.size == size]):
                text = " ".join(x.text for x in run)
                if not 10 <= len(text) <= 300 or len(run) > 6 or len(text.split()) < 2:
                    continue
                if len(text) >= 20 and len(text.split()) >= 4:
                    long = run if not long or run[0].size > long[0].size else long
                elif run[0].size > large + 2:
                    short = run if not short or run[0].size > short[0].size else short
        if long and long[0].size > large:
            return long
        if short:
            return short
    return long


def _runs(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of one style that stand below each other."""
    runs: list[list[Line]] = []
    for line in lines:
        last = runs[-1][-1] if runs else None
        if last is not None and (not line.y or 0 <= last.y - line.y < 2.2 * max(line.size, 1.0)):
            runs[-1].append(line)
        else:
            runs.append([line])
    return runs


def _is_stamp(line: Line) -> bool:
    return line.turned or bool(_STAMP.search(line.text) or _LETTER_SPACED.search(line.text))


def _joined(lines: Sequence[Line]) -> str:
    text = " ".join(x.text for x in lines).replace("\u00ad ", "")
    return re.sub(r"(\w)- (?=[a-z])", r"\1", text)


def find_authors(pages: Sequence[Sequence[Line]]) -> tuple[str, ...]:
    """The names below the title; empty when the lines there are not all names."""
    title = title_lines(pages)
    if not title:
        return ()
    page = next(p for p in pages if p and p[0].page == title[0].page)
    at = page.index(title[-1])
    below = [x for x in page[at + 1 : at + 1 + _BELOW] if not x.turned]
    if title[-1].y:
        below = [x for x in below if x.y < title[-1].y]
    lines: list[Line] = []
    for line in below:
        if section_kind(line.text) is not None or len(lines) >= _MOST_NAME_LINES:
            break
        if _PLACE.search(line.text) or (lines and abs(line.size - lines[0].size) > 0.6):
            if lines:
                break
            continue
        lines.append(line)
    listed = ", " if all(names_in(x.text) and "," not in x.text for x in lines) else " "
    return tuple(dict.fromkeys(names_in(listed.join(x.text for x in lines))))


def names_in(text: str) -> list[str]:
    """The names in a line of authors; empty when a piece of it is no name."""
    if _PLACE.search(text):
        return []
    plain = _MARKS.sub(",", _DEGREE.sub("", text)).replace("·", ",").replace("•", ",")
    pieces = [p.strip(" .,;") for p in re.split(r"[,;]|\band\b|&", plain)]
    pieces = [p for p in pieces if len(p) > 1 and not re.fullmatch(r"[a-z]{1,2}|[A-Z]{1,4}", p)]
    return pieces if pieces and all(_NAME.fullmatch(p) and len(p) <= 60 for p in pieces) else []
