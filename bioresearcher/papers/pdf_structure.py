"""Finds the sections and paragraphs in a PDF's lines, by fonts and by the usual headings of papers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from bioresearcher.papers.canonical import DocumentBuilder, section_kind
from bioresearcher.papers.pdf_layout import Line, join, vocabulary
from bioresearcher.papers.pdf_typography import (
    MOST_HEADING_LINES,
    SENTENCE_END,
    Look,
    Style,
    can_be_heading,
    continues_number,
    heads_text,
    is_plain_heading,
    is_titled,
    led_heading,
    look_of,
    number_of,
    stands_alone,
    stands_between,
    stands_out,
    style_of,
)
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
_BACK_MATTER: Final = re.compile(
    r"acknowledge?ment|funding|financial|competing|conflict|disclosure|authors?['’]? contribution|abbreviation", re.I
)
_NOTICE: Final = re.compile(
    r"^(©|\(c\) |copyright )|\bthis is an open[- ]access article|\bdistributed under the terms of the creative", re.I
)
_MOST_ASIDE: Final = 1_500
"""Letters in a row from which small print is no label of a figure or note, but text."""
_MOST_ABSTRACT: Final = 3_500
"""Letters after which running text that follows an abstract is the paper's own."""
_MOST_KEYWORDS: Final = 400
_UNTITLED: Final = "Text without headings"


UNPARTED: Final = "[cells of this table are not told apart]"
"""The mark at the end of a table whose rows are lines of text."""


@dataclass(slots=True)
class _Writer:
    """Writes lines to the builder; holds the paragraph that is not complete yet."""

    builder: DocumentBuilder
    look: Look
    words: set[str]
    headings: bool = True
    kind: SectionKind = "front"
    title: str = "Front matter"
    level: int = 1
    parent: SectionKind = "front"
    page: int = 0
    letters: int = 0
    own_size: float = 0.0
    number: tuple[int, ...] = ()
    kinds: dict[tuple[int, ...], SectionKind] = field(default_factory=dict)
    below: set[Style] = field(default_factory=set)
    body_seen: bool = False
    held: list[Line] = field(default_factory=list)
    later: list[list[Line]] = field(default_factory=list)
    aside: list[Line] = field(default_factory=list)
    abstract: list[str] = field(default_factory=list)
    abstract_seen: bool = False
    abstract_style: Style = ("", 0.0, False)
    shown_title: str = ""
    bare: bool = False

    def mark(self, page: int) -> None:
        """Start pages in the builder up to this one."""
        while self.page < page:
            self.builder.page()
            self.page += 1

    def begin(self, title: str, kind: SectionKind, level: int, page: int, *, heading: bool = True) -> None:
        """Start a section; the open paragraph ends."""
        self.flush()
        self.mark(page)
        self.kind, self.title, self.level, self.letters, self.own_size = kind, title, level, 0, 0.0
        self.body_seen = self.body_seen or kind in ("introduction", "methods", "results", "discussion")
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
            if sum(len(x.text) for x in aside) > _MOST_ASIDE:
                self.builder.section("Text in small print", "other", self.level + 1, heading=False)
            elif aside[0].page == 1:
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
        self.letters += sum(map(len, parts))
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
                self.builder.paragraph(line.cells or line.text)
            if len(rest) > 1 and not _is_parted(rest):
                self.builder.paragraph(UNPARTED)
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


def write_sections(pages: list[list[Line]], builder: DocumentBuilder, *, title: str, headings: bool = True) -> str:
    """Write a paper's lines into the builder as sections; returns the text of the abstract.

    Without `headings` only the plainest headings of main sections count.
    """
    lines = [line for page in pages for line in page]
    writer = _Writer(
        builder, look_of(lines), vocabulary(pages), headings, shown_title=title, bare=not headings or _is_bare(lines)
    )
    writer.mark(1)
    builder.section("Title", "title", 0, heading=False)
    builder.paragraph(title)
    builder.section("Front matter", "front", 1, heading=False)
    i = 0
    while i < len(lines):
        i = _step(lines, i, writer)
    writer.flush()
    writer.mark(len(pages))
    return " ".join(writer.abstract)


def _is_bare(lines: Sequence[Line]) -> bool:
    """Return True if the first pages have neither an abstract nor the heading of an introduction."""
    first = [x.text for x in lines if x.page <= 2]
    named = any(section_kind(t) in ("abstract", "introduction", "methods") for t in first)
    return not (named or any(_RUN_IN.match(t) or _LABELLED.match(t) for t in first))


def _step(lines: list[Line], i: int, writer: _Writer) -> int:
    """Write the caption, heading or running text that begins at line `i`; returns the index of the next line."""
    line, look = lines[i], writer.look
    end = _caption_end(lines, i, look)
    if end:
        writer.float(lines[i:end])
        return end
    if i in look.listed:
        if writer.kind != "references":
            writer.parent = "references"
            writer.begin("References", "references", 1, line.page, heading=False)
        writer.body(line)
        return i + 1
    if writer.kind == "references" and i - 1 in look.listed:
        writer.flush()
    run_in = _run_in(line, writer)
    if run_in:
        writer.body(Line(line.text[run_in:].lstrip(), *_place(line)))
        return i + 1
    size, led = _led(lines, i, writer)
    if led:
        last = lines[i + size - 1]
        named = replace(last, text=last.text[:led].rstrip(" .:"), font=last.lead_font)
        _open_section([*lines[i : i + size - 1], named], 0, size, writer)
        writer.own_size = last.size
        if last.text[led:].strip():
            writer.body(replace(last, text=last.text[led:].strip(), lead="", lead_font=""))
        return i + size
    size = _heading_size(lines, i, writer)
    if size:
        _open_section(lines, i, size, writer)
        return i + size
    if _aside(line, writer) or _is_stray(lines, i, writer):
        writer.aside.append(line)
        return i + 1
    if _is_untitled_text(line, writer):
        writer.parent = "other"
        writer.begin(_UNTITLED, "other", 1, line.page, heading=False)
    if not writer.own_size:
        writer.own_size = line.size
    writer.body(line)
    return i + 1


def _led(lines: Sequence[Line], i: int, writer: _Writer) -> tuple[int, int]:
    """Lines of the heading with which a paragraph of a main section begins, and its length in the last; else zeros."""
    if not writer.headings or not i or writer.parent not in ("introduction", "methods", "results", "discussion"):
        return 0, 0
    if writer.held and not SENTENCE_END.search(writer.held[-1].text):
        return 0, 0
    size = 1
    while (
        size < MOST_HEADING_LINES
        and i + size < len(lines)
        and _is_led(lines[i + size - 1], lines[i + size], writer.look)
    ):
        size += 1
    last = lines[i + size - 1]
    length = led_heading(last, goes_on=size > 1, known=True) if last.lead_font in writer.look.lead_fonts else 0
    if not last.lead and last.font in writer.look.lead_fonts and _fills_line(lines, i + size - 1, writer.look):
        length = len(last.text)
    return (size, length) if length else (0, 0)


def _fills_line(lines: Sequence[Line], i: int, look: Look) -> bool:
    """Return True for a heading of that kind that ends with its line, and running text goes on below."""
    line = lines[i]
    if not line.even or not line.text.endswith((".", ":")) or not is_titled(line.text) or len(line.text) > 120:
        return False
    return i + 1 < len(lines) and lines[i + 1].font != line.font and heads_text(lines, i + 1, look)


def _is_led(line: Line, after: Line, look: Look) -> bool:
    """Return True if a full line is wholly in a font of such headings, and the next one goes on in it."""
    if line.lead or line.font not in look.lead_fonts or line.page != after.page or line.text.endswith((".", ":")):
        return False
    if len(line.text) < 0.7 * look.width or abs(line.size - after.size) > 0.6 or number_of(after.text):
        return False
    return is_titled(line.text) and line.font in (after.lead_font, "" if after.lead else after.font)


def _run_in(line: Line, writer: _Writer) -> int:
    """Begin the section that a line's first words name; returns the length of these words, 0 when there are none."""
    run_in = _RUN_IN.match(line.text)
    if run_in and writer.kind in ("front", "abstract") and not writer.body_seen:
        word = run_in[1].capitalize()
        kind: SectionKind = "front" if word.startswith("Key") else "abstract"
        writer.parent = kind
        writer.begin(word, kind, 1, line.page)
        writer.abstract_seen = writer.abstract_seen or kind == "abstract"
        return run_in.end()
    run_in = _BACK_RUN_IN.match(line.text)
    if run_in and writer.parent in ("discussion", "other", "references") and len(line.text) > 40:
        writer.parent = "other"
        writer.begin(run_in[1], "other", 1, line.page)
        return run_in.end()
    if _LABELLED.match(line.text) and writer.kind == "front" and not writer.abstract_seen:
        writer.abstract_seen = True
        writer.parent = "abstract"
        writer.begin("Abstract", "abstract", 1, line.page, heading=False)
        writer.body(line)
        return len(line.text)
    return 0


def _is_untitled_text(line: Line, writer: _Writer) -> bool:
    """Return True for running text that no heading parts from the abstract or the key words before it."""
    look = writer.look
    if line.style != (look.body_font, look.body_size) or writer.parent not in ("front", "abstract") or not writer.held:
        return False
    before = writer.held[-1]
    if not writer.abstract_seen:
        return writer.bare and len(line.text) > 0.7 * look.width and before.style != line.style
    ended = SENTENCE_END.search(before.text) is not None
    held = sum(len(x.text) for x in writer.held)
    if writer.kind == "front":
        short = len(before.text) < 0.85 * look.width and not before.text.endswith((",", ";", "-"))
        apart = bool(look.gap) and (before.page != line.page or not 0 < before.y - line.y < 1.3 * look.gap)
        return before.style != line.style or held > _MOST_KEYWORDS or apart or (short and line.text[:1].isupper())
    apart = before.style != line.style and before.size != line.size
    return ended and ((apart and held + writer.letters > _MOST_KEYWORDS) or held + writer.letters > _MOST_ABSTRACT)


def _aside(line: Line, writer: _Writer) -> bool:
    """Return True for text that is set apart: labels in a figure, addresses at a page's foot, notes in the margin."""
    if line.turned:
        return True
    if writer.parent == "abstract" and writer.held:
        return line.size < min(writer.held[0].size, writer.look.body_size) - 0.6
    if writer.parent not in ("introduction", "methods", "results", "discussion"):
        return False
    if line.size < writer.look.body_size - 0.6 and _is_notice(line, writer):
        return True
    if writer.own_size and abs(line.size - writer.own_size) <= 0.6:
        return False
    return all(abs(line.size - size) > 0.6 for size in writer.look.text_sizes)


def _is_notice(line: Line, writer: _Writer) -> bool:
    """Return True for the notice of rights at a page's foot, and for what goes on in its style right below."""
    if _NOTICE.search(line.text):
        return True
    above = writer.aside[-1] if writer.aside else None
    return above is not None and above.style == line.style and _is_below(above, line, writer.look)


def _open_section(lines: list[Line], i: int, size: int, writer: _Writer) -> None:
    text = ""
    for line in lines[i : i + size]:
        text = join(text, line.text, writer.words) if text else line.text
    first, page, look = lines[i], lines[i].page, writer.look
    stated = section_kind(text)
    if stated == "abstract" and writer.body_seen:
        stated = "discussion"  # a summary at the end
    if writer.parent == "abstract" and _is_of_the_abstract(lines, i, size, stated, writer):
        writer.begin(text, "abstract", 2, page)
        return
    number = number_of(text) if look.numbered else ()
    style = style_of(first)
    top = _is_top(first, text, stated, number, writer)
    inside = writer.parent in ("abstract", "methods", "results", "discussion", "introduction")
    kind = writer.parent if inside and not top else stated or ("other" if top else writer.parent)
    if len(number) > 1 and number[:-1] in writer.kinds:
        kind = writer.kinds[number[:-1]]
    if top or writer.parent in ("front", "references"):
        writer.parent = kind
    if top:
        writer.below = set()
    elif not writer.letters and not writer.held:
        writer.below.add(style)
    if number:
        writer.number = number
        writer.kinds[number] = kind
    if kind == "abstract":
        writer.abstract_seen, writer.abstract_style = True, style
    writer.begin(text, kind, 1 if top else max(2, len(number)), page)
    following = lines[i + size] if i + size < len(lines) else first
    writer.own_size = following.size


def _is_top(line: Line, text: str, stated: SectionKind | None, number: tuple[int, ...], writer: _Writer) -> bool:
    """Return True if a heading opens a main section."""
    look, style = writer.look, style_of(line)
    if stated in ("references", "data_availability", "supplementary", "abstract"):
        return True
    if number and look.numbered:
        return len(number) == 1
    large = line.size >= look.top_size - 0.3
    if stated is not None and is_plain_heading(text):
        # a paper's results may end in conclusions of their own
        return large or writer.parent in ("front", "abstract") or stated in ("methods", "results")
    if not large:
        return stated == "other" and _BACK_MATTER.match(text) is not None
    if style in look.top_styles:
        # a heading right below another without a word between them is a part of it, and so are its like
        unnamed = stated is None and not number
        alike = style in writer.below or (writer.parent == "methods" and not writer.letters and not writer.held)
        return not (unnamed and alike)
    return stated is not None and (not look.top_styles or line.size > look.body_size)


def _is_of_the_abstract(lines: Sequence[Line], i: int, size: int, kind: SectionKind | None, writer: _Writer) -> bool:
    """Return True for a heading inside an abstract: the paper has another of its kind."""
    if kind not in ("introduction", "methods", "results", "discussion"):
        return False
    later = [x for x in lines[i + size :] if len(x.text) < 60 and x.even and is_titled(x.text)]
    if style_of(lines[i]) == writer.abstract_style:
        return any(x.text == lines[i].text and x.style == lines[i].style for x in later)
    kinds = [k for x in later if (k := section_kind(x.text)) is not None]
    if kind == "introduction" and kinds[:1] == ["methods"]:
        return kinds.count("methods") > 1 or "introduction" in kinds
    return kind in kinds and kinds[:1] != [kind]


def _heading_size(lines: list[Line], i: int, writer: _Writer) -> int:
    """Number of lines, 0 to 3, of a heading that starts at line `i`."""
    if _usual_heading(lines, i, writer):
        return 1
    if writer.parent == "front" or not writer.headings:
        return 0
    return _set_apart(lines, i, writer) or int(_numbered_heading(lines, i, writer))


def _set_apart(lines: list[Line], i: int, writer: _Writer) -> int:
    """Number of lines of a heading that its style or the space around it sets apart."""
    line, look = lines[i], writer.look
    minor = _is_minor(line, writer)
    apart = minor or stands_alone(lines, i, look) or stands_between(lines, i, look)
    if not apart and not stands_out(line, look):
        return 0
    size = 1
    while size < MOST_HEADING_LINES and i + size < len(lines) and _goes_on(lines[i + size - 1], lines[i + size]):
        size += 1
    if i + size < len(lines) and lines[i + size].style == line.style and _goes_on(lines[i + size - 1], lines[i + size]):
        return 0  # running text in that style, no heading
    text = " ".join(x.text for x in lines[i : i + size])
    if not can_be_heading(text, look, titled=not (minor and line.size > look.body_size + 0.6)):
        return 0
    numbered = look.numbered and bool(number_of(text)) and style_of(line) in look.top_styles
    return size if numbered or heads_text(lines, i + size, look) else 0


def _is_minor(line: Line, writer: _Writer) -> bool:
    """Return True for a line in a style of minor headings where a paragraph can begin."""
    ended = not writer.held or SENTENCE_END.search(writer.held[-1].text) is not None
    return ended and line.even and not line.turned and style_of(line) in writer.look.minor_styles


def _goes_on(line: Line, after: Line) -> bool:
    """Return True if a heading goes on in the next line."""
    near = not line.y or not after.y or 0 < line.y - after.y < 2.0 * max(line.size, 1.0)
    if after.style != line.style or line.page != after.page or not after.even or not near:
        return False
    if section_kind(line.text) is not None and (is_plain_heading(line.text) or is_plain_heading(after.text)):
        return False
    return (line.text.upper() == line.text) == (after.text.upper() == after.text) and not number_of(after.text)


def _usual_heading(lines: list[Line], i: int, writer: _Writer) -> bool:
    """Return True for a heading that nearly every paper has; in the running text's own style only the plainest."""
    line, look = lines[i], writer.look
    if len(line.text) > 70 or section_kind(line.text) is None or not is_titled(line.text) or line.turned:
        return False
    if writer.parent == "front" and line.text in writer.shown_title and not is_plain_heading(line.text):
        return False
    if section_kind(line.text) == "references" and i + 1 not in look.listed:
        return writer.body_seen and is_plain_heading(line.text) and style_of(line) in look.top_styles
    if line.text.endswith((",", ";", "-")) or not line.even:
        return False
    if line.size < look.body_size * 0.8:
        return i + 1 in look.listed
    if line.style == (look.body_font, look.body_size):
        before = writer.held[-1] if writer.held else None
        ended = before is None or SENTENCE_END.search(before.text) or before.style != line.style
        return bool(ended and is_plain_heading(line.text))
    if not is_plain_heading(line.text) and not stands_out(line, look):
        return stands_alone(lines, i, look) or i + 1 in look.listed
    return not (line.text.endswith(".") and len(line.text.split()) > 5)


def _numbered_heading(lines: list[Line], i: int, writer: _Writer) -> bool:
    """Return True for a numbered heading in the running text's own style: its number follows the one before."""
    line, look = lines[i], writer.look
    number = number_of(line.text)
    if not number or not writer.number or not continues_number(number, writer.number):
        return False
    before = writer.held[-1] if writer.held else None
    ended = before is None or bool(SENTENCE_END.search(before.text))
    short = len(line.text) < 0.8 * look.width and not line.text.endswith(".")
    listed = i + 1 < len(lines) and bool(number_of(lines[i + 1].text)) and len(number) == 1
    return ended and short and not listed and can_be_heading(line.text, look)


def _is_below(before: Line, line: Line, look: Look) -> bool:
    """Return True for a line right below another on its page, and where places are not known."""
    if before.page != line.page:
        return False
    return not look.gap or (abs(before.x - line.x) < 2 * line.size and 0 < before.y - line.y < 1.6 * look.gap)


def _is_stray(lines: Sequence[Line], i: int, writer: _Writer) -> bool:
    """Return True for a stamp: a short line in another font, away from its neighbours, where a sentence goes on."""
    line, look = lines[i], writer.look
    if not writer.held or not look.gap or line.font == look.body_font or not line.even:
        return False
    before = writer.held[-1]
    if SENTENCE_END.search(before.text) or len(line.text) > 0.5 * look.width:
        return False
    near = before.page == line.page and -2 < before.y - line.y < 1.6 * look.gap
    return not near and not (i + 1 < len(lines) and _is_below(line, lines[i + 1], look))


def _is_within_text(lines: list[Line], i: int, look: Look) -> bool:
    """Return True for a line right below one whose sentence has not ended: “as reported in / Table 1. The …”."""
    before, line = lines[i - 1] if i else None, lines[i]
    if before is None or before.style != line.style or before.page != line.page or not look.gap:
        return False
    return not SENTENCE_END.search(before.text) and 0 < before.y - line.y < 1.3 * look.gap


def _caption_end(lines: list[Line], i: int, look: Look) -> int:
    """The index after a caption (and the rows of its table) that starts at line `i`; 0 when none does."""
    line = lines[i]
    match = _CAPTION.match(line.text)
    if match is None or not line.text[:1].isupper() or i in look.listed:
        return 0
    body = (look.body_font, look.body_size)
    led = _CAPTION.fullmatch(line.lead.strip()) is not None
    if line.style == body and not led and (not match[4] or _is_within_text(lines, i, look)):
        return 0
    end = i + 1
    if line.style == body:
        while (
            end < len(lines)
            and end - i < 12
            and lines[end].style == body
            and _is_below(lines[end - 1], lines[end], look)
            and not _ends(lines[end - 1], lines[end], look, listed=False)
        ):
            end += 1
        if not led:
            return end
    while (
        end < len(lines)
        and end - i < 120
        and lines[end].page == line.page
        and (lines[end].style != body or (led and _is_below(lines[end - 1], lines[end], look)))
        and lines[end].size <= max(line.size, look.body_size) + 0.3
        and not _CAPTION.match(lines[end].text)
        and section_kind(lines[end].text) is None
        and end not in look.listed
    ):
        end += 1
    return end


def _ends(previous: Line, line: Line, look: Look, *, listed: bool) -> bool:
    """Return True if a paragraph ends between two lines."""
    if listed:
        return bool(re.match(r"\[?\d{1,3}[.\]]\s", line.text)) or (
            previous.text.endswith(".") and bool(re.match(r"[A-Z][\w’'-]+ [A-Z]{1,3}\b[ ,(]", line.text))
        )
    if abs(previous.size - line.size) > 0.6 and line.size > 0:
        return True
    complete = bool(SENTENCE_END.search(previous.text))
    return complete and len(previous.text) < 0.85 * look.width and not line.text[:1].islower()


def _is_parted(rows: Sequence[Line]) -> bool:
    """Return True if at least two rows in a row have the same number of cells."""
    counts = [row.cells.count(" | ") for row in rows]
    return any(a and a == b for a, b in pairwise(counts))


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


def _place(line: Line) -> tuple[int, str, float, float, float]:
    return line.page, line.font, line.size, line.x, line.y
