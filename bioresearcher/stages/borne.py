"""Whether a sentence says no more than the quotes it stands on. Pure functions.

A quote that was found proves nothing of a sentence that says something else. These checks are lines of defence, not an
understanding: they see numbers, names, words, negations and directions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bioresearcher.library.lexical import terms
from bioresearcher.stages.reconcile import missing_numbers

LEAST_SHARED: Final = 0.5
"""Share of a sentence's content words that must stand in its quotes."""

_NAME: Final = re.compile(r"\b(?=\w*[^\W\d_])(?:\w*[A-Z]\w*[A-Z0-9]\w*|\w*\d\w*)(?:[-/]\w+)*")
_PROPER: Final = re.compile(r"(?<=[^\W_][\s,;(–-])[A-Z][^\W\d_]{2,}(?:['’]s)?\b")
"""A word with a capital in the middle of a sentence: a person, a place, a method named after someone."""
_AMOUNT: Final = re.compile(
    r"\d+(?:[.,]\d+)*\s?(?:%|‰|°\s?C|[kmµμnp]?(?:g|l|L|M|m|mol|Hz|Da|Gy|IU|U)\b|(?:second|minute|hour|day|week|month|year)s?\b)"
)
_SIGN: Final = re.compile(r"[<>≤≥]")
_NOT: Final = re.compile(
    r"\b(?:not|no|none|nor|neither|never|without|cannot|lack\w*|fail\w*|absen\w+|unable|unchanged|unaffected"
    r"|insignificant|non-?significant)\b|n['’]t\b",
    re.IGNORECASE,
)
_UP: Final = re.compile(
    r"\b(?:increas\w*|elevat\w*|enhanc\w*|up-?regulat\w*|higher|greater|more|larger|longer|rais\w+|ris(?:e|es|en|ing)"
    r"|gain\w*|above|exceed\w*)\b",
    re.IGNORECASE,
)
_DOWN: Final = re.compile(
    r"\b(?:decreas\w*|reduc\w*|lower\w*|down-?regulat\w*|suppress\w*|diminish\w*|less|fewer|smaller|shorter|declin\w*"
    r"|fell|los[st]\w*|below)\b",
    re.IGNORECASE,
)


def why_not_borne(text: str, quotes: Sequence[str]) -> str:
    """Why the quotes do not bear a sentence out, in a few words; empty when nothing speaks against it."""
    missing = missing_numbers([text], quotes) or _missing_amounts(text, quotes)
    if missing:
        return f"its quotes do not hold {', '.join(missing[:4])}"
    names = missing_names(text, quotes)
    if names:
        return f"its quotes do not name {', '.join(names[:4])}"
    turned = _turned(text, quotes)
    if turned:
        return turned
    wanted, given = set(terms(text)), {t for q in quotes for t in terms(q)}
    if not wanted or len(wanted & given) < LEAST_SHARED * len(wanted):
        return "its quotes say something else"
    return ""


def new_words(text: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """The content words of a sentence that stand in none of its quotes, in any form; for a person to look at."""
    given = {t for q in quotes for t in terms(q)}
    found = (w for w in re.findall(r"\w+(?:['’-]\w+)*", text) if not re.search(r"\d", w))
    return tuple(dict.fromkeys(w for w in found if (stems := set(terms(w))) and not stems & given))


def _missing_amounts(text: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """Numbers with their units that stand in none of the quotes so."""
    known = {_amount(m[0]) for q in quotes for m in _AMOUNT.finditer(q)}
    return tuple(dict.fromkeys(m[0] for m in _AMOUNT.finditer(text) if _amount(m[0]) not in known))


def _amount(text: str) -> str:
    return re.sub(r"\s|(?<=[a-z]{3})s$|,(?=\d{3})", "", text.replace("μ", "µ"))


def missing_names(text: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """Names in a sentence (genes, accessions, persons, places) that stand in none of the quotes."""
    known = {_plain(m[0]) for q in quotes for m in re.finditer(r"\w+(?:[-/]\w+)*", q)}
    known |= {_plain(w) for q in quotes for w in re.findall(r"\w+", q)}
    found = dict.fromkeys(m[0] for pattern in (_NAME, _PROPER) for m in pattern.finditer(text))
    return tuple(n for n in found if _plain(n) not in known and not known.issuperset(map(_plain, re.split("[-/]", n))))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", re.sub(r"['’]s$", "", name)).casefold()


def _turned(text: str, quotes: Sequence[str]) -> str:
    """Whether a negation, a direction or a comparison sign stands on one side only."""
    denies, denied = bool(_NOT.search(text)), [bool(_NOT.search(q)) for q in quotes]
    if denies and not any(denied):
        return "it denies what its quotes do not deny"
    if not denies and all(denied):
        return "its quotes deny something, and it does not"
    up, down = bool(_UP.search(text)), bool(_DOWN.search(text))
    ups, downs = any(map(_UP.search, quotes)), any(map(_DOWN.search, quotes))
    if (up and not down and downs and not ups) or (down and not up and ups and not downs):
        return "it and its quotes point in opposite directions"
    if not {m[0] for q in quotes for m in _SIGN.finditer(q)}.issuperset(_SIGN.findall(text)):
        return "its quotes hold another comparison sign"
    return ""
