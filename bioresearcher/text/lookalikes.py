"""Letters of other alphabets that look like Latin ones: finds words that mix them, and folds them for comparison.

Such text reads like English to a person and like something else to a program. Folded text serves comparison alone:
text that is quoted or passed on is never changed.
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
    """The characters that look like an ASCII letter or digit and survive NFKC → that letter or digit."""
    text = (resources.files(__package__) / "lookalikes.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {chr(int(code, 16)): ascii_ for ascii_, codes in rows for code in codes.split()}


class _Folded(dict[int, str | None]):
    """Translation table that is filled on demand: look-alikes become ASCII, marks such as accents are removed."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        mark = unicodedata.category(character) in ("Mn", "Me")
        self[code] = table().get(character, None if mark else character)
        return self[code]


_FOLDED: Final = _Folded()


def fold(text: str) -> str:
    """Fold a text for comparison: look-alikes and compatibility forms as ASCII, no accents and invisible characters."""
    shown = visible(text)
    if shown.isascii():
        return shown
    alike = "".join(table().get(c, c) for c in shown)  # a few of them NFKD takes apart
    return unicodedata.normalize("NFKD", alike).translate(_FOLDED)


def lookalikes(text: str) -> tuple[str, ...]:
    """The words that mix letters of different scripts so that they look like others, in order, each once.

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
