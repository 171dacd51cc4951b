"""Which language a text is written in: by its script, then by its commonest function words."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_SAMPLE: Final = 20_000
_LEAST_WORDS: Final = 20
_WORD: Final = re.compile(r"[^\W\d_]+")
_SCRIPTS: Final[tuple[tuple[str, str], ...]] = (
    ("ja", "\u3040-\u30ff"),
    ("ko", "\uac00-\ud7af"),
    ("zh", "\u4e00-\u9fff"),
    ("ru", "\u0400-\u04ff"),
    ("el", "\u0386-\u03ff"),
    ("ar", "\u0600-\u06ff"),
    ("he", "\u0590-\u05ff"),
    ("hi", "\u0900-\u097f"),
    ("th", "\u0e00-\u0e7f"),
)
# Words that are frequent in one of the languages and in none of the others (nor a sign, gene or unit).
_FUNCTION_WORDS: Final[dict[str, str]] = {
    "en": "the of and were was with for that which from this between",
    "de": "der die das und wurde wurden mit von den bei nicht einer eine zwischen durch",
    "fr": "les des et dans une est ont été avec pour sur aux chez nous cette",
    "es": "los las y una con por para el del fueron entre pacientes mediante como este",
    "pt": "os as e uma com por foram não dos das pelo pela em ao são",
    "it": "il della di gli nel con sono stati delle che tra dei degli alla è",
    "nl": "het een en van werd werden met voor bij de zijn aan niet tussen door",
    "pl": "oraz się nie przez były jest dla z w na do pacjentów badania od po",
    "da": "og af der den med til ikke som blev hos patienter mellem på fra efter",
    "sv": "och av som med att det inte för var hos patienter mellan på från efter",
    "tr": "ve bir ile için olarak bu da olan daha hastaların çalışmada gruplar arasında olduğu göre",
}
_LANGUAGES_OF: Final[dict[str, tuple[str, ...]]] = {
    word: tuple(code for code, words in _FUNCTION_WORDS.items() if word in words.split())
    for word in {word for words in _FUNCTION_WORDS.values() for word in words.split()}
}
NAMES: Final = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "pt": "Portuguese", "it": "Italian",
    "nl": "Dutch", "pl": "Polish", "da": "Danish", "sv": "Swedish", "tr": "Turkish",
    "ja": "Japanese", "ko": "Korean", "zh": "Chinese",
    "ru": "a language in Cyrillic script", "el": "Greek", "ar": "a language in Arabic script", "he": "Hebrew",
    "hi": "a language in Devanagari script", "th": "Thai",
}  # fmt: skip
"""The languages told apart: ISO 639-1 code → what it is called."""


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the language most of a text is written in; None when it is too short or not told.

    A script that only a few languages use stands for the commonest of them (Cyrillic: `ru`). Latin script is told
    apart by function words: the language whose words are most frequent, at least 5 % of all words.
    """
    middle = max(0, len(text) // 2 - _SAMPLE // 2)
    sample = text if len(text) <= 2 * _SAMPLE else text[:_SAMPLE] + text[middle : middle + _SAMPLE]
    letters = sum(map(str.isalpha, sample))
    for code, characters in _SCRIPTS:
        # Japanese mixes in Chinese characters, so a fifth of kana is enough; Greek letters are also symbols
        if letters >= 40 and len(re.findall(f"[{characters}]", sample)) > letters * (0.15 if code == "ja" else 0.4):
            return code
    words = _WORD.findall(sample.lower())
    if len(words) < _LEAST_WORDS:
        return None
    counts: Counter[str] = Counter()
    for word in words:
        for code in _LANGUAGES_OF.get(word, ()):
            counts[code] += 1
    best = counts.most_common(2)
    if not best or best[0][1] < 0.05 * len(words) or (len(best) > 1 and best[0][1] == best[1][1]):
        return None
    return best[0][0]
