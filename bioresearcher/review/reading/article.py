"""Reader of published articles for review: JATS XML with the sections, and the numbers of sections, that it has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.papers.canonical import BREAK
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.review.reading.kind import Recognised, kind_of
from bioresearcher.review.reading.sections import role_of
from bioresearcher.review.reading.text import make_step
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.paper import Document, Section
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.text.format import listing

_WORK: Final = ("methods", "results", "discussion")
"""Sections whose subsections are read as steps, so that findings name them."""
_BODY: Final = ("introduction", "other", "discussion")
"""Sections that are read in the same way where an article has neither methods nor results."""
_FLOATS: Final = ("legend", "table")
_NUMBERED: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3})*)\.?\s+(?=\S)")


@dataclass
class _Block:
    title: str
    paragraphs: list[str] = field(default_factory=list)


def read_article(path: Path) -> tuple[Protocol, str, Recognised, tuple[str, ...]]:
    """Read a JATS file; return its parts, its own words as Markdown, its kind with the reason, and caveats.

    References are left out of the words. Tables and legends stand in the words only.

    Raises:
        InputError: The file is no readable article, or holds nothing but a title.
    """
    paper, document = load_paper(path)
    title = paper.title or path.stem
    parts = _parts(document, _WORK if _top(document) & {"methods", "results"} else _BODY)
    if not parts:
        raise InputError(f"{path.name} is an article without a body.", hint="Give the article's full text.")
    protocol = Protocol(
        id=safe_name(path.stem).lower(),
        title=title[:300],
        objective_id="",
        summary=" ".join(_words(document, s) for s in document.sections if s.kind == "abstract")[:4000],
        parts=parts,
        origin="source",
    )
    text = _markdown(title, document)
    return protocol, text, _kind(document, text, protocol), document.warnings


def _top(document: Document) -> set[str]:
    return {s.kind for s in document.sections if s.level == 1}


def _parts(document: Document, kinds: Sequence[str]) -> tuple[ProtocolPart, ...]:
    """Make a part of each section at the top, and a step of each section in it, with the article's own numbers."""
    found: list[tuple[str, list[_Block]]] = []
    inside = False
    for s in document.sections:
        if s.level <= 1:
            inside = s.kind in kinds and role_of(s.title) != "aside"
            if inside:
                found.append((s.title, [_Block(s.title)]))
        if not inside or s.kind in _FLOATS:
            continue
        blocks = found[-1][1]
        if s.level == 2:
            blocks.append(_Block(s.title))
        elif s.level > 2:
            blocks[-1].paragraphs.append(s.title)
        blocks[-1].paragraphs += [p for p in _words(document, s).split(BREAK) if p]
    told = [(title, [b for b in blocks if b.paragraphs]) for title, blocks in found]
    return _numbered([(title, blocks) for title, blocks in told if blocks])


def _numbered(found: list[tuple[str, list[_Block]]]) -> tuple[ProtocolPart, ...]:
    """Give parts and steps their numbers: the article's own where each names one of them, else counted ones."""
    own = [_number(title) or str(n) for n, (title, _) in enumerate(found, 1)]
    names = own if len(set(own)) == len(own) else [str(n) for n in range(1, len(own) + 1)]
    parts = []
    for name, (title, blocks) in zip(names, found, strict=True):
        labels = [_number(b.title) for b in blocks]
        kept = all(labels) and len(set(labels)) == len(labels) and all(x.split(".")[0] == name for x in labels)
        ids = labels if kept else [f"{name}.{k}" for k in range(1, len(blocks) + 1)]
        steps: tuple[ProtocolStep, ...] = tuple(
            make_step(b.title, b.paragraphs, {}, i) for b, i in zip(blocks, ids, strict=True)
        )
        parts.append(ProtocolPart(id=name, title=title[:300], purpose="", steps=steps))
    return tuple(parts)


def _number(title: str) -> str:
    m = _NUMBERED.match(title)
    return m.group(1) if m else ""


def _words(document: Document, section: Section) -> str:
    """Return a section's own words, without those of the sections in it and without its heading."""
    text = document.text[section.start : section.end]
    return text.removeprefix(section.title).strip()


def _markdown(title: str, document: Document) -> str:
    lines = [f"# {title}"]
    for s in document.sections:
        if s.kind in ("title", "references"):
            continue
        words = _words(document, s)
        lines += [f"{'#' * (min(s.level, 4) + 1)} {s.title}".rstrip("# ") if s.title else "", words]
    return BREAK.join(x for x in lines if x)


def _kind(document: Document, text: str, protocol: Protocol) -> Recognised:
    """Say that an article with results is a finished study; one with methods alone is known by its words."""
    heads = {s.kind: s.title for s in reversed(document.sections) if s.level == 1 and s.kind in _WORK}
    if "results" in heads and len(heads) > 1:
        names = [f"“{heads[k]}”" for k in _WORK if k in heads]
        return Recognised("finished study", f"is a published article with {listing(names, len(names))}")
    if "methods" in heads:
        return kind_of(text, protocol)
    return Recognised("other text", "is a published article without methods")
