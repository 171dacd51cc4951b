"""Signs that a text was made to look like another: letters that look like Latin ones but are not.

Such text reads like English to a person and like something else to a program. Nothing is changed in what is shown or
quoted: a quote must stay what the paper says. Folded text serves comparison alone.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from bioresearcher.text.visible import visible

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
# Greek letters that cannot be told from Latin ones in print; β, μ, κ and others belong into TNFβ, μm, NFκB.
_GREEK_LIKE_LATIN: Final = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧΙονιρυϲϳ")
_FOREIGN: Final = frozenset({"CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
_NOT_FOREIGN: Final = frozenset({"LATIN", "GREEK", "MATHEMATICAL", "DOUBLE-STRUCK"})


@cache
def table() -> dict[str, str]:
    """The characters that look like an ASCII letter or digit and survive NFKC, with what they look like."""
    text = (resources.files(__package__) / "lookalikes.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {chr(int(code, 16)): ascii_ for ascii_, codes in rows for code in codes.split()}


class _Folded(dict[int, str | None]):
    """Translation table filled as characters are met: look-alikes become ASCII, marks such as accents nothing."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        mark = unicodedata.category(character) in ("Mn", "Me")
        self[code] = table().get(character, None if mark else character)
        return self[code]


_FOLDED: Final = _Folded()


def fold(text: str) -> str:
    """A text as it looks: compatibility forms resolved, marks and invisible characters gone, look-alikes as ASCII."""
    seen = visible(text)
    if seen.isascii():
        return seen
    alike = "".join(table().get(c, c) for c in seen)  # a few of them NFKD takes apart
    return unicodedata.normalize("NFKD", alike).translate(_FOLDED)


def lookalikes(text: str) -> tuple[str, ...]:
    """The words that mix letters of different scripts in a way that hides what they spell, in order, each once.

    Latin with letters of another script that look Latin, or with Cyrillic, Armenian, Cherokee or full-width ones; Latin
    with Greek letters that look Latin; words in mathematical letters. `TNFα`, `NFκB`, `μm` and single mathematical
    letters are none.
    """
    if text.isascii():
        return ()
    found = dict.fromkeys(match[0] for match in _WORD.finditer(text) if not match[0].isascii() and _odd(match[0]))
    return tuple(found)


def _odd(word: str) -> bool:
    scripts = [_script(c) for c in word]
    kinds = set(scripts)
    if "FULLWIDTH" in kinds or scripts.count("MATHEMATICAL") >= 3:
        return True
    if "LATIN" not in kinds:
        return False
    if kinds & _FOREIGN or any(c in table() and s not in _NOT_FOREIGN for c, s in zip(word, scripts, strict=True)):
        return True
    return any(c in _GREEK_LIKE_LATIN for c in word) and len(word) >= 4 and scripts.count("LATIN") >= 3


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """The first word of a character's name, which is its script's for letters."""
    return unicodedata.name(character, "").partition(" ")[0]
