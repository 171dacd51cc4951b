"""Finds the sections and paragraphs in a PDF's lines, by fonts and by the usual headings of papers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from bioresearcher.papers.canonical import HEADING_NUMBER, DocumentBuilder, section_kind
from bioresearcher.papers.pdf_layout import Line, join, vocabulary
from bioresearcher.schemas.paper import SectionKind

_CAPTION: Final = re.compile(
    r"((?:supplement\w+|additional|extended data)\s+)?(fig(?:ure|\.)?|t ?a ?b ?l ?e|scheme|box)\s*"
    r"(S?\d{1,2}[A-Z]?)\b\s*([.:|])?",
    re.IGNORECASE,
)
_RUN_IN: Final = re.compile(r"(abstract|summary|key ?words)\b\s*[.:—–-]?\s+(?=[A-Z(])", re.IGNORECASE)
_LABELLED: Final = re.compile(r"(background|objectives?|purpose|aims?|introduction|context|importance)\s*:\s", re.I)
_BACK_RUN_IN: Final = re.compile(
    r"(acknowledge?ments?|ethical standards|conflicts? of interests?|competing interests|funding|open access)"
    r"[.:]?\s+(?=[A-Z])",
    re.IGNORECASE,
)
_PLAIN_HEADING: Final = re.compile(
    r"abstract|introduction|background|((materials?|patients|subjects) and )?methods|experimental procedures"
    r"|results( and discussion)?|discussion( and conclusions?)?|conclusions?|references",
    re.IGNORECASE,
)
_SENTENCE_END: Final = re.compile(r"[.!?:][)\]”’\"']*$")
_TEXT_RUN: Final = 60
"""Lines in a row with the same letter size from which it is a size of running text (methods in small print)."""

_TOP: Final = frozenset(["introduction", "methods", "results", "discussion", "references"])


@dataclass(frozen=True, slots=True)
class _Look:
    """The typography of the paper: its running text, and the size of its main headings."""

    body_font: str
    body_size: float
    top_size: float
    text_sizes: tuple[float, ...]
    heading_styles: frozenset[tuple[str, float]]
    width: float


@dataclass(slots=True)
class _Writer:
    """Writes lines to the builder; holds the paragraph that is not complete yet."""

    builder: DocumentBuilder
    look: _Look
    words: set[str]
    kind: SectionKind = "front"
    title: str = "Front matter"
    level: int = 1
    parent: SectionKind = "front"
    page: int = 0
    held: list[Line] = field(default_factory=list)
    later: list[list[Line]] = field(default_factory=list)
    aside: list[Line] = field(default_factory=list)
    abstract: list[str] = field(default_factory=list)
    abstract_seen: bool = False

    def mark(self, page: int) -> None:
        """Start pages in the builder up to this one."""
        while self.page < page:
            self.builder.page()
            self.page += 1

    def begin(self, title: str, kind: SectionKind, level: int, page: int, *, heading: bool = True) -> None:
        """Start a section; the open paragraph ends."""
        self.flush()
        self.mark(page)
        self.kind, self.title, self.level = kind, title, level
        self.builder.section(title, kind, level, heading=heading)

    def flush(self) -> None:
        """Write the open paragraph, and then the captions from its later pages."""
        lines, self.held = self.held, []
        if lines:
            self.write(lines)
        floats, self.later = self.later, []
        for caption in floats:
            self.caption(caption)
        aside, self.aside = self.aside, []
        if aside:
            self.mark(aside[-1].page)
            if aside[0].page == 1:
                self.builder.section("Notes on the first page", "front", self.level + 1, heading=False)
            else:
                self.builder.section("Text in a figure", "legend", self.level + 1, heading=False)
            for line in aside:
                self.builder.paragraph(line.text)
            self.builder.section(self.title, self.kind, self.level, heading=False)

    def write(self, lines: list[Line]) -> None:
        """Write one paragraph; where it runs over a page end, the new page starts inside it."""
        parts = _by_page(lines, self.words)
        self.mark(lines[0].page)
        self.page += len(parts) - 1
        self.builder.paragraph(*parts)
        if self.kind == "abstract":
            self.abstract.append(" ".join(parts))

    def caption(self, lines: list[Line]) -> None:
        """Write a figure or table with its caption as a section of its own, then go on with the section."""
        match = _CAPTION.match(lines[0].text)
        word = match[2].replace(" ", "").capitalize() if match else "Figure"  # letter-spaced: "Ta bl e 2"
        label = f"{match[1] or ''}{word} {match[3]}" if match else word
        table = word == "Table"
        self.mark(lines[0].page)
        self.builder.section(label, "table" if table else "legend", self.level + 1)
        rest = lines if match is None else [Line(lines[0].text[match.end() :], *_place(lines[0])), *lines[1:]]
        if table:
            for line in rest:
                self.builder.paragraph(line.text)
        else:
            self.builder.paragraph(*_by_page([x for x in rest if x.text.strip()], self.words))
        self.builder.section(self.title, self.kind, self.level, heading=False)

    def float(self, lines: list[Line]) -> None:
        """Write a caption before the open paragraph when they share the page it begins on, else after it."""
        if self.held and lines[0].page > self.held[0].page:
            self.later.append(lines)
        else:
            self.caption(lines)

    def body(self, line: Line) -> None:
        """Add a line of running text."""
        if self.held and _ends(self.held[-1], line, self.look, listed=self.kind == "references"):
            self.flush()
        self.held.append(line)


def write_sections(pages: list[list[Line]], builder: DocumentBuilder, *, title: str) -> str:
    """Write a paper's lines into the builder as sections; returns the text of the abstract."""
    look = _look(pages)
    writer = _Writer(builder, look, vocabulary(pages))
    writer.mark(1)
    builder.section("Title", "title", 0, heading=False)
    builder.paragraph(title)
    builder.section("Front matter", "front", 1, heading=False)
    lines = [line for page in pages for line in page]
    i = 0
    while i < len(lines):
        i = _step(lines, i, writer)
    writer.flush()
    writer.mark(len(pages))
    return " ".join(writer.abstract)


def _step(lines: list[Line], i: int, writer: _Writer) -> int:
    """Write the caption, heading or running text that begins at line `i`; returns the index of the next line."""
    line, look = lines[i], writer.look
    end = _caption_end(lines, i, look)
    if end:
        writer.float(lines[i:end])
        return end
    run_in = _RUN_IN.match(line.text)
    if run_in and writer.kind in ("front", "abstract"):
        word = run_in[1].capitalize()
        kind: SectionKind = "front" if word.startswith("Key") else "abstract"
        writer.begin(word, kind, 1, line.page)
        writer.abstract_seen = writer.abstract_seen or kind == "abstract"
        writer.body(Line(line.text[run_in.end() :], *_place(line)))
        return i + 1
    run_in = _BACK_RUN_IN.match(line.text)
    if run_in and writer.parent in ("discussion", "other") and len(line.text) > 40:
        writer.parent = "other"
        writer.begin(run_in[1], "other", 1, line.page)
        writer.body(Line(line.text[run_in.end() :], *_place(line)))
        return i + 1
    if _LABELLED.match(line.text) and writer.kind == "front" and not writer.abstract_seen:
        writer.abstract_seen = True
        writer.begin("Abstract", "abstract", 1, line.page, heading=False)
        writer.body(line)
        return i + 1
    size = _heading_size(lines, i, writer)
    if size:
        _open_section(lines[i : i + size], writer)
        return i + size
    if _aside(line, writer):
        writer.aside.append(line)
    else:
        writer.body(line)
    return i + 1


def _aside(line: Line, writer: _Writer) -> bool:
    """Return True for text in a size that running text never has: labels in a figure, addresses at a page's foot."""
    if writer.parent not in ("introduction", "methods", "results", "discussion"):
        return False
    return all(abs(line.size - size) > 0.6 for size in writer.look.text_sizes)


def _open_section(lines: list[Line], writer: _Writer) -> None:
    text = ""
    for line in lines:
        text = join(text, line.text, writer.words) if text else line.text
    stated = section_kind(text)
    top = lines[0].size >= writer.look.top_size - 0.3 and (
        stated is not None or lines[0].style in writer.look.heading_styles
    )
    inside = writer.parent in ("abstract", "methods", "results", "discussion", "introduction")
    if stated in ("references", "data_availability", "supplementary", "abstract"):
        top = True
    kind = writer.parent if inside and not top else stated or ("other" if top else writer.parent)
    if top or not inside:
        writer.parent = kind
    writer.abstract_seen = writer.abstract_seen or kind == "abstract"
    writer.begin(text, kind, 1 if top else 2, lines[0].page)


def _heading_size(lines: list[Line], i: int, writer: _Writer) -> int:
    """Number of lines, 0 to 3, of a heading that starts at line `i`."""
    line, look = lines[i], writer.look
    if _usual_heading(line, writer):
        return 1
    if writer.parent in ("front", "references") or not _prominent(line, look):
        return 0
    size = 1
    while size < 3 and i + size < len(lines) and lines[i + size].style == line.style:
        size += 1
    if i + size < len(lines) and lines[i + size].style == line.style:
        return 0  # running text in that style, no heading
    text = " ".join(x.text for x in lines[i : i + size])
    letters = sum(c.isalpha() or c.isspace() for c in text)
    fits = 4 <= len(text) <= 160 and letters >= 0.7 * len(text) and _titled(text) and not text.endswith((".", ",", ";"))
    return size if fits else 0


def _usual_heading(line: Line, writer: _Writer) -> bool:
    """Return True for a heading that nearly every paper has; in the running text's own style only the plainest."""
    look = writer.look
    if len(line.text) > 70 or section_kind(line.text) is None or not _titled(line.text):
        return False
    if line.size < look.body_size * 0.8:
        return False
    if line.style == (look.body_font, look.body_size):
        before = writer.held[-1] if writer.held else None
        ended = before is None or _SENTENCE_END.search(before.text) or before.style != line.style
        return bool(ended and _PLAIN_HEADING.fullmatch(HEADING_NUMBER.sub("", line.text).strip()))
    return True


def _prominent(line: Line, look: _Look) -> bool:
    if line.style in look.heading_styles:
        return True
    bold = re.search(r"bold|black|heavy|semib|-B$", line.font, re.IGNORECASE) is not None
    other = line.font != look.body_font
    return line.size >= look.body_size - 0.2 and other and (bold or line.size > look.body_size + 0.4)


def _titled(text: str) -> bool:
    first = HEADING_NUMBER.sub("", text)[:1]
    return first.isupper() or not first.isascii()


def _look(pages: list[list[Line]]) -> _Look:
    lines = [line for page in pages for line in page]
    listed = next((i for i, x in enumerate(lines) if section_kind(x.text) == "references"), len(lines))
    prose = lines[:listed] if listed > len(lines) // 3 else lines
    weights: Counter[tuple[str, float]] = Counter()
    for line in prose:
        weights[line.style] += len(line.text)
    (font, size), _ = weights.most_common(1)[0] if weights else (("", 0.0), 0)
    headings = [
        line
        for line in lines
        if len(line.text) <= 70 and line.style != (font, size) and section_kind(line.text) in _TOP
    ]
    heights = Counter(line.size for line in headings)
    repeated = [s for s, n in heights.items() if n >= 2]
    lengths = sorted(len(x.text) for x in lines if x.style == (font, size))
    return _Look(
        body_font=font,
        body_size=size,
        top_size=max(repeated or heights, default=size),
        text_sizes=(size, *(s for s, run in groupby(x.size for x in prose) if len(list(run)) >= _TEXT_RUN)),
        heading_styles=frozenset(line.style for line in headings if line.size >= size - 0.2),
        width=float(lengths[len(lengths) * 3 // 4]) if lengths else 80.0,
    )


def _caption_end(lines: list[Line], i: int, look: _Look) -> int:
    """The index after a caption (and the rows of its table) that starts at line `i`; 0 when none does."""
    line = lines[i]
    match = _CAPTION.match(line.text)
    if match is None or not line.text[:1].isupper():
        return 0
    body = (look.body_font, look.body_size)
    if line.style == body and not match[4]:
        return 0
    if line.style == body:
        end = i + 1
        while (
            end < len(lines)
            and end - i < 12
            and lines[end].style == body
            and not _ends(lines[end - 1], lines[end], look, listed=False)
        ):
            end += 1
        return end
    end = i + 1
    while (
        end < len(lines)
        and end - i < 120
        and lines[end].page == line.page
        and lines[end].style != body
        and lines[end].size <= max(line.size, look.body_size) + 0.3
        and not _CAPTION.match(lines[end].text)
        and section_kind(lines[end].text) is None
    ):
        end += 1
    return end


def _ends(previous: Line, line: Line, look: _Look, *, listed: bool) -> bool:
    """Return True if a paragraph ends between two lines."""
    if listed:
        return bool(re.match(r"\[?\d{1,3}[.\]]\s", line.text)) or (
            previous.text.endswith(".") and bool(re.match(r"[A-Z][\w’'-]+ [A-Z]{1,3}\b[ ,(]", line.text))
        )
    if abs(previous.size - line.size) > 0.6 and line.size > 0:
        return True
    complete = bool(_SENTENCE_END.search(previous.text))
    return complete and len(previous.text) < 0.85 * look.width and not line.text[:1].islower()


def _by_page(lines: list[Line], words: set[str]) -> list[str]:
    """A paragraph's text, one part for each page it runs over; a divided word stays on the earlier page."""
    parts: list[str] = []
    page = 0
    for line in lines:
        if not parts or line.page != page:
            text, page = line.text, line.page
            if parts and parts[-1].endswith("-"):
                word, _, rest = text.partition(" ")
                parts[-1] = join(parts[-1], word, words)
                text = rest
            parts.append(text)
        else:
            parts[-1] = join(parts[-1], line.text, words) if parts[-1] else line.text
    return parts


def _place(line: Line) -> tuple[int, str, float]:
    return line.page, line.font, line.size


def find_title(pages: list[list[Line]]) -> str:
    """The text in the largest letters at the head of the first two pages; empty when nothing stands out."""
    best: tuple[float, str] = (0.0, "")
    for page in pages[:2]:
        head = page[:60]
        for size in {line.size for line in head}:
            run = [line for line in head if line.size == size]
            text = " ".join(line.text for line in run)
            if 20 <= len(text) <= 300 and len(text.split()) >= 4 and len(run) <= 6 and size > best[0]:
                best = (size, text)
    return re.sub(r"(\w)- (?=[a-z])", r"\1", best[1])
