"""Lines of a PDF made readable: running heads, page numbers, doubled text and unmapped fonts removed, signs restored.

Typesetters' sign fonts put `=` where other fonts have `5`, `<` where they have the comma, and so on (the layout of the
font Mathematical Pi 1). Text taken from such a file reads "P,0.05" where the paper prints "P<0.05". The sign is
recognised by its outline: a "5" of two rectangles is an equals sign.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

LIGATURES: Final = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
"""Latin ligatures and their letters."""

_ACCENTS: Final = dict(zip("`´ˆ˜¨˘ˇ¸˚˙", "\u0300\u0301\u0302\u0303\u0308\u0306\u030c\u0327\u030a\u0307", strict=True))
_ACCENT: Final = re.compile(r"(?<=[^\W\d_])([`´ˆ˜¨˘ˇ¸˚˙])([^\W\d_])")

BOLD: Final = re.compile(r"bold|black|heavy|semib|medi\b|CMBX|-B$|\.B$", re.IGNORECASE)
"""Names of bold fonts."""

_STROKE: Final = re.compile(r"^(\d{1,2}(?:\.\d{1,2}){0,3})\s*\|\s*(?=[^\W\d_])")
_MOST_HEADING: Final = 120
_EDGE: Final = 6
_DIGITS: Final = re.compile(r"\d+")
_FREQUENT: Final = frozenset("etaoinsrETAOINSR")
_PAGE_NUMBER: Final = re.compile(r"(page )?[-–— ]*\d{1,5}[-–— ]*( ?(of|/) ?\d{1,4})?", re.IGNORECASE)


_ETAL: Final = re.compile(r"\b([A-Z][a-zà-ÿ]{2,20})etal\b")
_WHOLE_WORD: Final = re.compile(r"(?<!\w)[^\W\d_]+(?!\w)")
_LONG_RUN: Final = re.compile(r"(?<![\w-])[^\W_]{20,200}(?![\w-])")
_SHORT: Final = frozenset(
    "a i an as at be by do he if in is it no of on or so to up us we all and any are but can did for had has her his "
    "day how its may new nor not now off old one our out own per run saw see set she ten the too two use was way who "
    "yet".split()
)
"""Words of up to three letters that a run may be divided into."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page with the font name and size (points) of most of its letters.

    Attributes:
        x: Left edge in points from the page's left; 0 where it is not known.
        y: Base line in points from the page's foot; 0 where it is not known.
        even: At least nine of ten letters have this font, or all are bold.
        turned: Drawn sideways on an upright page.
        lead: Its first words, where they are in another font than what follows them.
        lead_font: The font of these words.
        cells: The text with ` | ` between its cells, where it is a row of a table.
    """

    text: str
    page: int
    font: str
    size: float
    x: float = 0.0
    y: float = 0.0
    even: bool = True
    turned: bool = False
    cells: str = ""
    lead: str = ""
    lead_font: str = ""

    @property
    def style(self) -> tuple[str, float]:
        """Font and size."""
        return self.font, self.size


def tidy(pages: list[list[Line]]) -> list[list[Line]]:
    """Remove everything from the pages' lines that is not the paper's running text, and spell out ligatures."""
    unmapped = _unmapped_fonts(pages)
    kept = [
        _single(
            [
                replace(x, text=_numbered(_accented(x.text.translate(LIGATURES))), lead=x.lead.translate(LIGATURES))
                for x in page
                if x.font not in unmapped
            ]
        )
        for page in pages
    ]
    heads = _running_heads(kept)
    words = counted_words(kept)
    return [
        [
            replace(x, text=unglued(x.text, words))
            for x in _without_line_numbers([x for x in _cropped(page, heads) if not _debris(x.text)])
        ]
        for page in kept
    ]


def _accented(text: str) -> str:
    """Put accents that a font draws before their letters on them: `Bel´em`."""

    def whole(found: re.Match[str]) -> str:
        letter = unicodedata.normalize("NFC", found[2].replace("ı", "i") + _ACCENTS[found[1]])
        return letter if len(letter) == 1 else found[0]

    return _ACCENT.sub(whole, text)


def _numbered(text: str) -> str:
    """A heading whose number a stroke parts from its words, as `2.1 | Mice`, without the stroke."""
    return _STROKE.sub(r"\1 ", text) if len(text) <= _MOST_HEADING else text


def _cropped(page: list[Line], heads: set[str]) -> list[Line]:
    """Remove the running heads and page numbers at the top and bottom of a page."""
    first, last = 0, len(page)
    while first < min(_EDGE, last) and _is_head(page[first].text, heads):
        first += 1
    while last > max(len(page) - _EDGE, first) and _is_head(page[last - 1].text, heads):
        last -= 1
    return page[first:last]


def _unmapped_fonts(pages: list[list[Line]]) -> set[str]:
    """Fonts whose letters cannot be language: glyph numbers read as characters (in figures)."""
    letters: dict[str, Counter[bool]] = {}
    for page in pages:
        for line in page:
            counts = letters.setdefault(line.font, Counter())
            counts.update(c in _FREQUENT for c in line.text if c.isascii() and c.isalpha())
    return {font for font, counts in letters.items() if counts.total() >= 40 and counts[True] < 0.3 * counts.total()}


def _single(page: list[Line]) -> list[Line]:
    """Remove the second copy of a page drawn twice (for a shadow or a print layer) and of lines drawn twice."""
    half = len(page) // 2
    texts = [line.text for line in page]
    if half >= 5 and len(page) % 2 == 0 and texts[:half] == texts[half:]:
        page = page[:half]
    return [x for i, x in enumerate(page) if i == 0 or len(x.text) < 15 or x.text != page[i - 1].text]


def _shape(text: str) -> str:
    return _DIGITS.sub("#", "".join(text.casefold().split()))


def _running_heads(pages: list[list[Line]]) -> set[str]:
    """Shapes (digits masked) of lines at the edge of several pages."""
    counts: Counter[str] = Counter()
    for page in pages:
        edge = page if len(page) <= 2 * _EDGE else page[:_EDGE] + page[-_EDGE:]
        counts.update({_shape(line.text) for line in edge})
    least = max(2, min(4, len(pages) // 3))
    return {shape for shape, n in counts.items() if n >= least and len(shape) > 1} if len(pages) > 1 else set()


def _is_head(text: str, heads: set[str]) -> bool:
    return _shape(text) in heads or bool(_PAGE_NUMBER.fullmatch(text))


def _debris(text: str) -> bool:
    """Return True for axis labels and marks of figures, with hardly a letter or digit in them."""
    solid = sum(c.isalnum() for c in text)
    return solid == 0 or (len(text) >= 6 and solid < 0.25 * len(text))


def _without_line_numbers(page: list[Line]) -> list[Line]:
    """Remove line numbers in the margin of a manuscript (1, 2, 3 … or every fifth), in front of or between lines."""
    leading = [re.match(r"(\d{1,4}) (?=\S)", line.text) for line in page]
    numbers = [int(m[1]) for m in leading if m]
    if len(page) >= 10 and len(numbers) >= 0.8 * len(page) and _rising(numbers):
        return [replace(line, text=line.text[m.end() :]) if m else line for line, m in zip(page, leading, strict=True)]
    alone = [int(line.text) for line in page if line.text.isdigit() and len(line.text) <= 4]
    if len(alone) >= 8 and _rising(alone) and len({b - a for a, b in itertools.pairwise(alone)}) == 1:
        return [line for line in page if not (line.text.isdigit() and len(line.text) <= 4)]
    return page


def _rising(numbers: list[int]) -> bool:
    steps = [b - a for a, b in itertools.pairwise(numbers)]
    return bool(steps) and sum(0 < s <= 5 for s in steps) >= 0.9 * len(steps)


def counted_words(pages: list[list[Line]]) -> Counter[str]:
    """The number of times each word (lower case, letters only) occurs in the lines."""
    counts: Counter[str] = Counter()
    for page in pages:
        for line in page:
            counts.update(_WHOLE_WORD.findall(line.text.lower()))
    return counts


def unglued(text: str, words: Counter[str]) -> str:
    """Restore the spaces that tight setting took away from a line ("allthestudyanimalshadweaned").

    Only where it is certain: a run of 20 characters or more that occurs once and consists of at least four words
    which the paper uses elsewhere; and `et al` behind a name.
    """
    text = _ETAL.sub(r"\1 et al", text)
    return _LONG_RUN.sub(lambda m: _parted(m[0], words), text)


def _parted(run: str, words: Counter[str]) -> str:
    """Divide a run of letters into known words, the likeliest division by frequency; unchanged if there is none."""
    if words[run.lower()] > 1:
        return run
    total = words.total() or 1
    best: list[tuple[float, int]] = [(0.0, 0)] + [(-math.inf, 0)] * len(run)
    for end in range(1, len(run) + 1):
        for start in range(max(0, end - 24), end):
            part = run[start:end].lower()
            number = part.isdigit() and not run[end : end + 1].isdigit() and not run[start - 1 : start].isdigit()
            known = words[part] if len(part) > 3 else words[part] if words[part] >= 3 and part in _SHORT else 0
            if (number or known) and part != run.lower():
                score = best[start][0] + math.log((known or 1) / total)
                if score > best[end][0]:
                    best[end] = score, start
    if best[-1][0] == -math.inf:
        return run
    parts, end = [], len(run)
    while end:
        start = best[end][1]
        parts.append(run[start:end])
        end = start
    return " ".join(reversed(parts)) if len(parts) >= 4 else run


def vocabulary(pages: list[list[Line]]) -> set[str]:
    """Words (lower case, inner hyphens kept) inside lines, to decide if a hyphen at a line end belongs to a word."""
    words: set[str] = set()
    for page in pages:
        for line in page:
            tokens = line.text.split()
            words.update(t.strip(".,;:()[]'\"“”‘’").lower() for t in (tokens[:-1] if "-" in line.text[-2:] else tokens))
    return words


def join(left: str, right: str, words: set[str]) -> str:
    """Join two lines of a paragraph, and make a word whole that was divided at the line's end.

    The hyphen stays when the hyphenated form (or its last part as a word after another prefix) is what the
    paper uses elsewhere, or when the next line does not go on in lower case.
    """
    if left.endswith("\u00ad"):
        return left[:-1] + right
    if not re.search(r"[A-Za-zÀ-ɏα-ω]-$", left):
        glued = re.search(r"\d[–-]$|[(/\[]$", left)
        return left + right if glued else f"{left} {right}"
    head, tail = left[:-1], right
    first = re.split(r"[ ,.;:()]", head)[-1].lower().lstrip("([“‘'\"")
    second = re.split(r"[ ,.;:()\]]", tail, maxsplit=1)[0].lower()
    if not tail[:1].islower() or f"{first}-{second}" in words:
        return left + right
    if f"{first}{second}" in words or second not in words or first not in words:
        return head + right
    return left + right if len(first) >= 3 and len(second) >= 3 else head + right
