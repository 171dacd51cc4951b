"""Signs that a text was made to look like another: letters of foreign scripts inside words, hidden characters.

Such text reads like English to a person and like something else to a program. Nothing is changed here: a quote must
stay what the paper says. Whoever shows or passes on a passage can say what is odd about it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_HIDDEN: Final = re.compile(
    "[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]|(?<=[^\\W\\d_])[\u200b-\u200d\u2060\ufeff](?=[^\\W\\d_])"
)
# Greek letters that cannot be told from Latin ones in print; β, μ, κ and others belong into TNFβ, μm, NFκB.
_GREEK_LIKE_LATIN: Final = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧΙονιρυϲϳ")
_SCRIPTS: Final = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "FULLWIDTH", "MATHEMATICAL")


def hidden_characters(text: str) -> int:
    """How many characters of a raw text steer its direction, are tags, or hide inside words.

    `clean` removes them all; their number says whether somebody meant to hide something.
    """
    return len(_HIDDEN.findall(text))


def lookalikes(text: str) -> tuple[str, ...]:
    """The words that mix letters of different scripts in a way that hides what they spell, in order, each once.

    Latin with Cyrillic, Armenian, Cherokee or full-width letters; Latin with Greek letters that look Latin; words
    in mathematical letters. `TNFα`, `NFκB`, `μm` and single mathematical letters are none.
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
    if kinds & {"CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"}:
        return True
    return any(c in _GREEK_LIKE_LATIN for c in word) and len(word) >= 4 and scripts.count("LATIN") >= 3


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    return next((script for script in _SCRIPTS if name.startswith(script)), "")
