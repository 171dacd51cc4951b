"""The typography of a PDF's lines: which is the running text, which are headings, and which are lists of references.

Letter sizes alone decide nothing: a review has more letters in its reference list than in its text, and methods are
often set smaller than results. Lists of references are found first, by their entries; the rest tells the running text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from bioresearcher.papers.canonical import HEADING_NUMBER, section_kind
from bioresearcher.papers.pdf_layout import BOLD, Line

TOP: Final = frozenset(["introduction", "methods", "results", "discussion", "references"])
"""The kinds of sections that nearly every paper has."""

Style = tuple[str, float, bool]
"""Font, size in points, and if it is set in capitals."""

_TEXT_RUN: Final = 25
"""Lines in a row with the same letter size from which it is a size of running text (methods in small print)."""
_LEAST_ENTRIES: Final = 5
"""Entries in a row, numbered one after another, that make a list of references without a heading."""
_ENTRY: Final = re.compile(r"[\[(]?(\d{1,3})[.\])]*\s+[^\W\d_a-z][\w’'`-]+")
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d[a-z]?\b")
_NAMES: Final = re.compile(r"[^\W\d_][\w’'-]+,? (?:[A-Z]\.? ?){1,3}[,.:;]|\bet al\b|\bdoi\b|\d+:\s?\d+[-–]\d+")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_LATIN: Final = re.compile(r"[A-Za-zÀ-ɏ]")
_NUMBERED: Final = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3})(?:\.\s*|\s+)(?=[^\W\d_])")
_PLAIN: Final = re.compile(
    r"abstract|introduction|background|((materials?|patients|subjects) and )?methods|experimental procedures"
    r"|results( and discussion)?|discussion( and conclusions?)?|conclusions?|references",
    re.IGNORECASE,
)
SENTENCE_END: Final = re.compile(r"[.!?:][)\]”’\"']*(\s?\[[\d,\s–−-]+\]|\^\d{1,3})?$")
"""The end of a sentence, with the citations behind it."""
_CITING: Final = re.compile(r"^(fig|table|scheme|box|note|keywords?|corresp)|et al\.$|[,;]|\b[A-Z]\.$", re.IGNORECASE)
_LABEL: Final = re.compile(r"^(fig|table|scheme|box|note|keywords?|corresp)|et al\.$", re.IGNORECASE)
_LEAST_PLAIN: Final = 0.85
_LEAST_BOLD: Final = 0.7
"""Size of a minor heading at least, as a share of the running text's."""
_LEAST_ALIKE: Final = 3
"""Headings of one style at least, from which the style is one of headings."""
MOST_HEADING_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Look:
    """The typography of a paper.

    Attributes:
        body_font: Font of the running text.
        body_size: Its size in points.
        text_sizes: All sizes in which running text is set.
        top_size: Size of the main headings.
        top_styles: Styles in which main headings are set.
        numbered: Main headings carry numbers.
        width: Letters in a full line of running text.
        gap: Points from one line of running text to the next; 0 where places are not known.
        listed: Numbers of the lines that are entries of a reference list.
        latin: The paper is written in Latin letters.
        minor_styles: Styles other than the text's in which several short lines stand at the head of paragraphs.
        lead_fonts: Fonts in which several paragraphs begin with a heading in the line.
    """

    body_font: str
    body_size: float
    text_sizes: tuple[float, ...]
    top_size: float
    top_styles: frozenset[Style]
    numbered: bool
    width: float
    gap: float
    listed: frozenset[int]
    latin: bool
    minor_styles: frozenset[Style] = frozenset()
    lead_fonts: frozenset[str] = frozenset()


def style_of(line: Line) -> Style:
    """The style of a line that may be a heading."""
    return line.font, line.size, line.text.upper() == line.text


def is_plain_heading(text: str) -> bool:
    """Return True for the heading of a main section in its plainest words, with or without a number."""
    return _PLAIN.fullmatch(HEADING_NUMBER.sub("", text).strip().rstrip(".:")) is not None


def number_of(text: str) -> tuple[int, ...]:
    """The number of a heading: `5.1. Mice` is (5, 1); empty without one."""
    match = _NUMBERED.match(text)
    return tuple(map(int, match[1].split("."))) if match else ()


def look_of(lines: Sequence[Line]) -> Look:
    """Find the running text, the styles of headings and the lists of references of a paper."""
    listed = reference_lines(lines)
    prose = [x for i, x in enumerate(lines) if i not in listed and not x.turned]
    weights: Counter[tuple[str, float]] = Counter()
    for line in prose:
        weights[line.style] += len(line.text)
    (font, size), _ = weights.most_common(1)[0] if weights else (("", 0.0), 0)
    headings = [
        x for x in prose if len(x.text) <= 70 and x.even and x.style != (font, size) and section_kind(x.text) in TOP
    ]
    headings += [x for i, x in enumerate(lines) if i + 1 in listed and i not in listed and x.style != (font, size)]
    plain = [x for x in headings if is_plain_heading(x.text)] or headings
    heights = Counter(x.size for x in plain)
    repeated = [s for s, n in heights.items() if n >= 2]
    top = max(repeated or heights, default=size)
    own = [x for x in prose if x.style == (font, size)]
    lengths = sorted(len(x.text) for x in own)
    gaps = [a.y - b.y for a, b in pairwise(own) if a.page == b.page and 0 < a.y - b.y < 3 * size]
    letters = [c for x in own[:400] for c in x.text if c.isalpha()]
    return Look(
        body_font=font,
        body_size=size,
        text_sizes=(size, *(s for s, run in groupby(x.size for x in prose) if len(list(run)) >= _TEXT_RUN)),
        top_size=top,
        top_styles=frozenset(style_of(x) for x in plain if x.size >= top - 0.3),
        numbered=_is_numbered(plain, prose),
        width=float(lengths[len(lengths) * 3 // 4]) if lengths else 80.0,
        gap=median(gaps) if gaps else 0.0,
        listed=listed,
        latin=sum(bool(_LATIN.match(c)) for c in letters) >= 0.7 * len(letters),
        minor_styles=_minor_styles(prose, (font, size)),
        lead_fonts=_lead_fonts(prose, (font, size)),
    )


def _minor_styles(prose: Sequence[Line], body: tuple[str, float]) -> frozenset[Style]:
    counts = Counter(style_of(prose[i]) for i in range(1, len(prose) - 1) if _heads_paragraph(prose, i, body))
    return frozenset(style for style, n in counts.items() if n >= _LEAST_ALIKE)


def _heads_paragraph(prose: Sequence[Line], i: int, body: tuple[str, float]) -> bool:
    """Return True for a line in another font between the end of a sentence, or a heading, and running text."""
    before, line, after = prose[i - 1], prose[i], prose[i + 1]
    least = _LEAST_BOLD if BOLD.search(line.font) else _LEAST_PLAIN
    if line.font == body[0] or not line.even or line.size < least * body[1] or not 4 <= len(line.text) <= 90:
        return False
    if after.style == line.style and i + 2 < len(prose):
        after = prose[i + 2]
    ended = SENTENCE_END.search(before.text) is not None or before.font != body[0]
    below = after.style == body and after.page == line.page and 0 < line.y - after.y < 5 * line.size
    return (
        ended and below and abs(line.x - after.x) < 60 and is_titled(line.text) and not line.text.endswith((".", ","))
    )


def _lead_fonts(prose: Sequence[Line], body: tuple[str, float]) -> frozenset[str]:
    counts = Counter(
        line.lead_font
        for before, line in pairwise(prose)
        if line.lead_font != body[0]
        and led_heading(line)
        and (SENTENCE_END.search(before.text) or before.font != body[0])
    )
    return frozenset(font for font, n in counts.items() if n >= _LEAST_ALIKE)


def led_heading(line: Line, *, goes_on: bool = False, known: bool = False) -> int:
    """Length of the heading with which a line of running text begins, or which goes on in it; 0 when there is none.

    It is in another font than what follows, a title, and ends with a full stop or a colon. A font that is `known` to
    set such headings may set commas in them.
    """
    solid = len("".join(line.lead.split()))
    named = goes_on or (solid >= 4 and is_titled(line.lead) and _WORD.search(line.lead) is not None)
    if not named or not 0 < solid <= 120:
        return 0
    end = seen = 0
    while end < len(line.text) and seen < solid:
        seen += not line.text[end].isspace()
        end += 1
    head, rest = line.text[:end], line.text[end:]
    if "".join(head.split()) != "".join(line.lead.split()):
        return 0
    if not head.endswith((".", ":")):
        if not rest.startswith((". ", ": ")):
            return 0
        end, rest = end + 1, rest[1:]
    citing = _LABEL if known else _CITING
    return end if re.match(r"\s*[^a-z,;]", rest) and not citing.search(head) else 0


def _is_numbered(plain: Sequence[Line], prose: Sequence[Line]) -> bool:
    """Return True if main headings carry numbers: two of the plainest, or one and two others in its style."""
    named = [x for x in plain if number_of(x.text)]
    alike = {x.style for x in named}
    return len(named) >= 2 or (len(named) == 1 and sum(bool(number_of(x.text)) for x in prose if x.style in alike) >= 3)


def reference_lines(lines: Sequence[Line]) -> frozenset[int]:
    """Numbers of the lines of reference lists: below a heading that names them, and entries numbered in a row."""
    found: set[int] = set()
    begun = False
    for i, line in enumerate(lines):
        begun = begun or (len(line.text) < 60 and section_kind(line.text) in ("abstract", "introduction", "methods"))
        if i in found or not begun or not _is_list_heading(line):
            continue
        if i < 0.6 * len(lines) and line.text.rstrip(".: ").lower() == "reference":
            continue  # a column of a table
        end = i + 1
        while end < len(lines) and not (
            (
                section_kind(lines[end].text) not in (None, "references")
                and lines[end].even
                and len(lines[end].text) < 60
            )
            and (lines[end].style == line.style or lines[end].size > lines[end - 1].size + 0.6)
        ):
            end += 1
        block = lines[i + 1 : end]
        cited = [bool(_YEAR.search(x.text) or _NAMES.search(x.text)) for x in block]
        if block and sum(cited) >= 0.3 * len(block) and sum(cited[:10]) >= 0.3 * len(cited[:10]):
            found.update(range(i + 1, end))
    return frozenset(found | _numbered_entries(lines))


def _is_list_heading(line: Line) -> bool:
    return len(line.text) < 40 and section_kind(line.text) == "references"


def _numbered_entries(lines: Sequence[Line]) -> set[int]:
    """Numbers of the lines of entries numbered 1, 2, 3 … that name people and years."""
    found: set[int] = set()
    run: list[int] = []
    last = 0
    for i, line in enumerate([*lines, Line("", 0, "", 0.0)]):
        match = _ENTRY.match(line.text)
        follows = bool(run) and match is not None and 0 < int(match[1]) - last <= 3 and i - run[-1] <= 12
        if follows and match is not None:
            run.append(i)
            last = int(match[1])
            continue
        anew = match is not None and len(run) < _LEAST_ENTRIES  # a number in the text began the run
        far = run and (anew or i - run[-1] > 12)
        if run and (far or i == len(lines)):
            found |= _entries(lines, run)
            run, last = [], 0
        if not run and match is not None:
            run, last = [i], int(match[1])
    return found


def _entries(lines: Sequence[Line], run: list[int]) -> set[int]:
    """The lines from the first entry to the end of the last; none when they are no references."""
    if len(run) < _LEAST_ENTRIES:
        return set()
    end = run[-1] + 1
    size = lines[run[-1]].size
    while end < len(lines) and end - run[-1] < 8 and abs(lines[end].size - size) < 0.3 and lines[end].even:
        if section_kind(lines[end].text) is not None or lines[end - 1].text.endswith((".", "]")):
            break
        end += 1
    block = [x for x in lines[run[0] : end] if abs(x.size - size) < 0.6]
    text = " ".join(x.text for x in block)
    cited = len(_YEAR.findall(text)), len(_NAMES.findall(text))
    if cited[0] < 0.6 * len(run) or cited[1] < 0.6 * len(run):
        return set()
    return {i for i in range(run[0], end) if abs(lines[i].size - size) < 0.6}


def stands_out(line: Line, look: Look) -> bool:
    """Return True for a line that is set apart from the running text: bold, larger, or another font throughout."""
    if line.turned or not line.even:
        return False
    if style_of(line) in look.top_styles:
        return True
    other = line.font != look.body_font
    bold = other and BOLD.search(line.font) is not None and not BOLD.search(look.body_font)
    if bold and line.size >= 0.85 * look.body_size:
        return True
    return other and line.size > look.body_size + 0.4


def stands_between(lines: Sequence[Line], i: int, look: Look) -> bool:
    """Return True for a short line in the running text's style with more space above it and below it than in a text."""
    if not look.gap or not 0 < i < len(lines) - 1 or lines[i].style != (look.body_font, look.body_size):
        return False
    before, line, after = lines[i - 1 : i + 2]
    if len(line.text) > 0.7 * look.width or not line.even or line.turned or line.text.endswith("."):
        return False
    above = before.page != line.page or before.y - line.y > 1.5 * look.gap
    below = after.page == line.page and 1.3 * look.gap < line.y - after.y < 3 * look.gap
    return above and below and after.style == line.style and bool(SENTENCE_END.search(before.text))


def stands_alone(lines: Sequence[Line], i: int, look: Look) -> bool:
    """Return True for a short line in another font than the running text, with space above and text below it."""
    line = lines[i]
    if i == 0 or i + 1 >= len(lines) or not look.gap or line.font == look.body_font or not line.even or line.turned:
        return False
    before, after = lines[i - 1], lines[i + 1]
    apart = before.page != line.page or not 0 < before.y - line.y < 1.3 * look.gap
    ended = bool(SENTENCE_END.search(before.text)) or len(before.text) < 60
    below = after.style == (look.body_font, look.body_size) and after.page == line.page and after.y < line.y
    return apart and ended and below and abs(line.size - look.body_size) < 0.8 and len(line.text) < 0.95 * look.width


def can_be_heading(text: str, look: Look, *, titled: bool = True) -> bool:
    """Return True for words that can be a heading: a title of words, no sentence, no row of labels."""
    if not 4 <= len(text) <= 160 or text.endswith((",", ";", "-")) or not _WORD.search(text):
        return False
    if text.endswith(".") and not (HEADING_NUMBER.match(text) and len(text) < 70):
        return False
    letters = [c for c in text if c.isalpha()]
    if look.latin and sum(bool(_LATIN.match(c)) for c in letters) < 0.7 * len(letters):
        return False
    named = HEADING_NUMBER.sub("", text)
    words = sum(c.isalpha() or c.isspace() for c in named)
    return words >= 0.65 * len(named) and (not titled or is_titled(text))


def heads_text(lines: Sequence[Line], after: int, look: Look) -> bool:
    """Return True if running text follows within three lines, as it does below a heading and not below a label."""
    for line in lines[after : after + 3]:
        if len(line.text) < 70 and section_kind(line.text) is not None:
            return True
        if len(line.text) >= 0.5 * look.width and any(abs(line.size - s) <= 0.6 for s in look.text_sizes):
            return True
    return after >= len(lines)


def is_titled(text: str) -> bool:
    """Return True if the words after a heading's number begin with a capital, a digit or a foreign letter."""
    words = HEADING_NUMBER.sub("", text)
    first, name = words[:1], words.split(" ", 1)[0]
    if first.islower() and (any(c.isupper() or c.isdigit() for c in name)):
        return True  # siRNA, p53
    return first.isupper() or not first.isascii() or (first.isdigit() and not text.replace(" ", "").isdigit())


def continues_number(number: tuple[int, ...], before: tuple[int, ...]) -> bool:
    """Return True if a heading's number follows the one before: 2 and 2.1 after 1.3, 2.1.1 after 2.1."""
    if not number or not before:
        return number in ((1,), (0,))
    if number in ((*before, 1), (*before, 2)):  # the one before it may have been missed
        return True
    depth = len(number)
    if depth > len(before) or number[:-1] != before[: depth - 1]:
        return False
    return 0 < number[-1] - before[depth - 1] <= (2 if depth > 2 else 1)
