"""Locates quotes in a document, and splits documents into passages, the unit that is stored and searched.

A quote is looked for exactly, then normalised, then aligned with small repairs. The evidence is always the document's
own text. A quote that only resembles it (another number, another comparison sign, a lost `not`) is not found.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bioresearcher.papers.canonical import clean, page_of, paragraphs, section_at, text_hash
from bioresearcher.schemas.paper import Document, Evidence, Passage, Section
from bioresearcher.text.normalise import MARKS
from bioresearcher.text.words import sentences

MIN_CHARACTERS: Final = 20
"""Shortest quote; a shorter one would be found in most papers."""

MAX_CHARACTERS: Final = 4_000
SIMILARITY: Final = 0.95
"""Least share of a quote's letters that must be unchanged in the text found for it."""

_CANDIDATES: Final = 24
_CELLS: Final = 800_000
_WALL: Final = "\0"

_SAME: Final = str.maketrans(
    {
        **MARKS,
        **{c: f"^{i}" for i, c in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
        "⁻": "^-",
        "·": ".",
        "∼": "~",
        "μ": "µ",
    }
)
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_SIGN: Final = re.compile(r"[<>≤≥=±≠≈~×%‰]")
_SYMBOL: Final = re.compile(r"\b(?=\w*[A-Z]\w*[A-Z0-9])\w+")
_POLARITY: Final = re.compile(
    r"\b(?:not|no|non|nor|never|neither|without|cannot|none|lacks?|lacking|fail\w*|absen\w+|except\w*|un\w+"
    r"|increas\w*|decreas\w*|reduc\w*|elevat\w*|enhanc\w*|inhibit\w*|activat\w*|suppress\w*|induc\w*|promot\w*"
    r"|up|down|up-?regulat\w*|down-?regulat\w*|high\w*|low\w*|more|less|fewer|greater|smaller|larger|better|worse"
    r"|longer|shorter|positiv\w*|negativ\w*|hyper\w*|hypo\w*|in?significan\w*|significan\w*|before|after|with"
    r"|above|below|early|late|gain\w*|loss\w*|first|second|one|two|three|four|five|six|seven|eight|nine|ten"
    r"|may|might|could|must|always|all|some|only|male|female|in|ex)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Normal:
    """Normalised text and, for each of its characters, the position it came from."""

    text: str
    at: array[int]


def locate(document: Document, quote: str) -> Evidence | None:
    """Find a quote in a document; None when it is not there.

    Three attempts: the quote as it is; without regard to case, white space and the variants of quotation
    marks, dashes and ligatures; then aligned, where at least 95 % of its letters must agree and its numbers,
    comparison signs, symbols in capitals and words that turn a statement round must be the same. A quote begins
    and ends with whole words, lies in one section, and never in the reference list. Quotes of fewer than 20 or more
    than 4,000 characters are not looked for.
    """
    wanted = clean(quote).strip("\"“”'‘’ ")
    if not MIN_CHARACTERS <= len(wanted) <= MAX_CHARACTERS:
        return None
    span = _exact(document, wanted) or _normalised(document, wanted) or _aligned(document, wanted)
    if span is None:
        return None
    start, end = span
    section = section_at(document, start)
    return Evidence(
        document=document.id,
        section=section.title if section else "",
        page=page_of(document, start),
        start=start,
        end=end,
        text=document.text[start:end],
    )


def _allowed(document: Document, start: int, end: int) -> bool:
    """Return True if a span lies in one section other than the reference list and cuts no word or number."""
    section = section_at(document, start)
    if section is None or section.kind == "references" or end > section.end:
        return False
    return not (_cuts(document.text, start) or _cuts(document.text, end))


def _cuts(text: str, at: int) -> bool:
    """Return True if a position lies within a word, within a number, or between a number and its sign."""
    if at <= 0 or at >= len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isalnum() and after.isalnum():
        return True
    if after.isdigit() and before in ".,-−–^" and at >= 2:
        return before in "-−–^" or text[at - 2].isdigit()
    return before.isdigit() and after in ".,^" and text[at + 1 : at + 2].isdigit()


def _occurrences(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _exact(document: Document, wanted: str) -> tuple[int, int] | None:
    for start in _occurrences(document.text, wanted):
        if _allowed(document, start, start + len(wanted)):
            return start, start + len(wanted)
    return None


@lru_cache(maxsize=4096)
def _letters(character: str) -> str:
    """The letters that one character is compared as; none for white space and the mark of a superscript."""
    if character.isspace():
        return ""
    same = unicodedata.normalize("NFKC", character.translate(_SAME)).casefold().translate(_SAME)
    return same.replace("^", "")


def _normalise(text: str) -> str:
    return "".join(_letters(c) for c in text)


@lru_cache(maxsize=8)
def _normal(document_text: str, walls: tuple[int, ...]) -> _Normal:
    """Normalise a document's text for comparison; `walls` are section starts, over which no quote reaches."""
    pieces: list[str] = []
    at = array("L")
    ends = set(walls)
    for i, character in enumerate(document_text):
        if i in ends:
            pieces.append(_WALL)
            at.append(i)
        letters = _letters(character)
        pieces.append(letters)
        at.extend([i] * len(letters))
    return _Normal("".join(pieces), at)


def _of(document: Document) -> _Normal:
    return _normal(document.text, tuple(s.start for s in document.sections))


def _span(normal: _Normal, first: int, last: int) -> tuple[int, int]:
    """The document's positions for the normalised characters `first` to `last` (exclusive)."""
    return normal.at[first], normal.at[last - 1] + 1


def _normalised(document: Document, wanted: str) -> tuple[int, int] | None:
    normal, target = _of(document), _normalise(wanted)
    if len(target) < MIN_CHARACTERS * 3 // 4:
        return None
    for first in _occurrences(normal.text, target):
        start, end = _span(normal, first, first + len(target))
        if _allowed(document, start, end) and _facts(wanted) == _facts(document.text[start:end]):
            return start, end
    return None


def _facts(text: str) -> tuple[Counter[str], Counter[str]]:
    """The numbers and comparison signs of a text, which must be the same in a quote."""
    same = text.translate(_SAME)
    return Counter(_NUMBER.findall(same)), Counter(_SIGN.findall(same))


def _same_statement(wanted: str, found: str) -> bool:
    """Return True if two texts that differ by small repairs can be the same statement."""
    if _facts(wanted) != _facts(found):
        return False
    polarity = [Counter(w.lower() for w in _POLARITY.findall(_undivided(t))) for t in (wanted, found)]
    if polarity[0] != polarity[1]:
        return False
    symbols = [{_normalise(w) for w in _SYMBOL.findall(t)} for t in (wanted, found)]
    words = [_normalise(t) for t in (wanted, found)]
    return all(s in words[1] for s in symbols[0]) and all(s in words[0] for s in symbols[1])


def _undivided(text: str) -> str:
    """Remove hyphens inside words: a line's end may have added or removed one."""
    return re.sub(r"(?<=[^\W\d])-(?=[^\W\d])", "", text.translate(_SAME))


def _aligned(document: Document, wanted: str) -> tuple[int, int] | None:
    """Find a stretch within the allowed number of edits, likeliest places first.

    When at most k letters differ, one of k + 1 equal pieces of the quote stands unchanged in the text, so
    these pieces give every place where the quote can be (Wu and Manber's partition filter); each place is
    then checked by edit distance within a band of k.
    """
    normal, target = _of(document), _normalise(wanted)
    edits = int(len(target) * (1 - SIMILARITY))
    if edits < 1 or len(target) < MIN_CHARACTERS:
        return None
    cells = 0
    for offset, _ in _places(normal.text, target, edits).most_common(_CANDIDATES):
        cells += len(target) * (4 * edits + 3)
        if cells > _CELLS:
            break
        low = max(0, offset - 2 * edits)
        window = normal.text[low : offset + len(target) + 2 * edits]
        match = _fit(target, window, edits, offset - low)
        if match:
            start, end = _whole_words(document.text, *_span(normal, low + match[1], low + match[2]))
            if _allowed(document, start, end) and _same_statement(wanted, document.text[start:end]):
                return start, end
    return None


def _places(text: str, target: str, edits: int) -> Counter[int]:
    """Possible starts of the quote with the number of its pieces that agree; near starts are counted as one."""
    size = max(8, len(target) // (edits + 1))
    votes: Counter[int] = Counter()
    for first in range(0, len(target) - size + 1, size):
        piece = target[first : first + size]
        for number, at in enumerate(_occurrences(text, piece)):
            if number >= 50:
                break
            votes[(at - first) // (edits + 1) * (edits + 1)] += 1
    return votes


def _fit(target: str, window: str, edits: int, shift: int) -> tuple[int, int, int] | None:
    """(edits, start, end) of the stretch of `window` nearest to `target`, or None beyond `edits`.

    Edit distance with free ends in the window, computed only near the diagonal that starts at `shift`.
    """
    reach = 2 * edits + 1
    far = edits + 1
    costs = dict.fromkeys(range(max(0, shift - reach), min(len(window), shift + reach) + 1), 0)
    starts = {j: j for j in costs}
    for i, letter in enumerate(target, 1):
        low, high = max(0, shift + i - reach), min(len(window), shift + i + reach)
        new: dict[int, int] = {}
        begun: dict[int, int] = {}
        for j in range(low, high + 1):
            options = (
                (costs.get(j - 1, far) + (letter != window[j - 1]) if j else far, starts.get(j - 1, j)),
                (costs.get(j, far) + 1, starts.get(j, j)),
                (new.get(j - 1, far) + 1, begun.get(j - 1, j)),
            )
            new[j], begun[j] = min(options, key=lambda o: o[0])
        costs, starts = new, begun
        if not costs or min(costs.values()) > edits:
            return None
    end = min(costs, key=lambda j: (costs[j], abs(j - starts[j] - len(target))))
    found = costs[end], starts[end], end
    wall = _WALL in window[found[1] : found[2]]
    return None if found[0] > edits or wall or found[2] <= found[1] else found


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span by at most a few characters so that it cuts no word."""
    for _ in range(12):
        if not _cuts(text, start):
            break
        start -= 1
    for _ in range(12):
        if not _cuts(text, end):
            break
        end += 1
    return start, end


TARGET: Final = 800
"""Characters at which a passage is full; the embedding reads about as much."""

LONGEST: Final = 1_200
"""Longest passage in characters; a longer sentence is divided at a space."""

_LEAST: Final = 200


def split_passages(document: Document) -> tuple[Passage, ...]:
    """Split a document into passages in reading order.

    A passage holds whole sentences of one section without its heading; `document.text[p.start:p.end] == p.text`.
    The reference list is kept with kind `references`, so that it can be left out where evidence is looked for.
    A text that the document repeats word for word is one passage, at its first place, because the id is made
    of the text: the same document always has the same passages.
    """
    found: dict[str, Passage] = {}
    for section in document.sections:
        for start, end in _spans(document, section):
            text = document.text[start:end]
            identifier = f"{document.id}:{text_hash(text)[:12]}"
            if identifier not in found:
                found[identifier] = Passage(
                    id=identifier,
                    document=document.id,
                    section=section.title,
                    kind=section.kind,
                    page=page_of(document, start),
                    start=start,
                    end=end,
                    text=text,
                )
    return tuple(found.values())


def _spans(document: Document, section: Section) -> Iterator[tuple[int, int]]:
    """Gather sentences until a passage is full; a short rest joins the passage before it."""
    spans: list[tuple[int, int]] = []
    for start, end in _units(document, section):
        if spans and end - spans[-1][0] <= TARGET:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    if len(spans) > 1 and spans[-1][1] - spans[-1][0] < _LEAST and spans[-1][1] - spans[-2][0] <= LONGEST:
        last = spans.pop()
        spans[-1] = (spans[-1][0], last[1])
    yield from spans


def _units(document: Document, section: Section) -> Iterator[tuple[int, int]]:
    for start, end in paragraphs(document, section):
        for first, last in sentences(document.text, start, end):
            yield from _pieces(document.text, first, last)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Divide a sentence that is too long at spaces into parts of about `TARGET` characters."""
    while end - start > LONGEST:
        cut = max((m.start() for m in re.finditer(r" ", text[start + TARGET // 2 : start + TARGET])), default=-1)
        at = start + TARGET // 2 + cut if cut >= 0 else start + TARGET
        yield start, at
        start = at
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
