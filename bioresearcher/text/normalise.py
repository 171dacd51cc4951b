"""Normalises names, ids and quotes as models write them, so that they can be compared."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from bioresearcher.text.visible import clip, one_line, visible

TITLE_CHARS = 160
LEAST_QUOTE = 12
"""Shortest quote in characters; fewer would be found in any text."""
_LEAST_LINE = 4
"""Shortest quote that is a whole line, such as an entry of a list."""

_NOUN = r"part|step|line|task|requirement|paper|data\s?set|analysis|skill"
_CALLED = re.compile(rf"(?:{_NOUN})\s*[:#]?\s*(\S.*)", re.IGNORECASE | re.DOTALL)
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")
_BULLET = re.compile(r"^(?:[-+•·#>]+|\d{1,3}[.)])\s*")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_MARKUP = re.compile(r"[\\*_`|]+")
MARKS = {
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("‘’‚‛′´`ʹʼ＇", "'"),
    **dict.fromkeys("“”„‟″«»＂", '"'),
}
"""Dashes, apostrophes and quotation marks → their ASCII forms."""
_ALIKE = str.maketrans(MARKS)


def known_id(text: str, ids: Collection[str]) -> str | None:
    """The id that a text means, or None.

    Exact, else apart from case, blanks or underscores for hyphens, and a noun before it (`Part 2`).
    """
    if text in ids:
        return text
    by_key = {_key(i): i for i in reversed(list(ids))}
    called = _CALLED.fullmatch(text.strip())
    return by_key.get(_key(text)) or (by_key.get(_key(called[1])) if called else None)


def known_ids(texts: Iterable[str], ids: Collection[str]) -> tuple[str, ...]:
    """The ids that texts mean, without repeats; texts that mean none are left out."""
    return tuple(dict.fromkeys(i for i in (known_id(t, ids) for t in texts) if i is not None))


def _key(text: str) -> str:
    return re.sub(r"[\s_]+", "-", text.strip().casefold())


def plain_name(text: str) -> str:
    """A short name of ASCII letters, digits and underscores; empty when nothing is left."""
    return _NO_NAME.sub("_", text).strip("_")[:40].rstrip("_")


def title_of(*candidates: str) -> str:
    """The first text that is not empty, on one line and not longer than a title."""
    lines = map(one_line, candidates)
    return clip(next((line for line in lines if line), ""), TITLE_CHARS)


def stands_in(quote: str, text: str) -> bool:
    """Return True if a quote is copied from a text, apart from case, white space, markup and quotation marks."""
    wanted = _comparable(quote).strip(" \"'.")
    if _length(wanted) >= LEAST_QUOTE:
        return wanted in _comparable(text)
    return _length(wanted) >= _LEAST_LINE and wanted in {
        _BULLET.sub("", _comparable(line)).strip(" \"'.:;,") for line in text.splitlines()
    }


def _length(text: str) -> int:
    """Length of a text in letters; a Chinese, Japanese or Korean sign says as much as three."""
    return len(text) + 2 * len(_WIDE.findall(text))


def _comparable(text: str) -> str:
    return " ".join(_MARKUP.sub("", visible(text).translate(_ALIKE)).casefold().split())
