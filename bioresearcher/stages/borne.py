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

_NAME: Final = re.compile(r"\b(?=\w*[A-Z0-9])(?=\w*[^\W\d_])(?:\w*[A-Z]\w*[A-Z0-9]\w*|\w*\d\w*)(?:[-/]\w+)*")
_NOT: Final = re.compile(
    r"\b(?:not|no|none|nor|neither|never|without|cannot|lack\w*|fail\w*|absen\w+|unable|unchanged|unaffected"
    r"|insignificant|non-?significant)\b|n['’]t\b",
    re.IGNORECASE,
)
_UP: Final = re.compile(
    r"\b(?:increas\w*|elevat\w*|enhanc\w*|up-?regulat\w*|higher|greater|more|larger|longer|rais\w+|ris(?:e|es|en|ing)|gain\w*)\b",
    re.IGNORECASE,
)
_DOWN: Final = re.compile(
    r"\b(?:decreas\w*|reduc\w*|lower\w*|down-?regulat\w*|suppress\w*|diminish\w*|less|fewer|smaller|shorter|declin\w*|fell|los[st]\w*)\b",
    re.IGNORECASE,
)


def why_not_borne(text: str, quotes: Sequence[str]) -> str:
    """Why the quotes do not bear a sentence out, in a few words; empty when nothing speaks against it."""
    numbers = missing_numbers([text], quotes)
    if numbers:
        return f"its quotes do not hold {', '.join(numbers[:4])}"
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


def missing_names(text: str, quotes: Sequence[str]) -> tuple[str, ...]:
    """Identifiers of a sentence (genes, accessions, names with capitals or digits) that stand in none of the quotes."""
    known = {_plain(m[0]) for q in quotes for m in re.finditer(r"\w+(?:[-/]\w+)*", q)}
    known |= {_plain(w) for q in quotes for w in re.findall(r"\w+", q)}
    found = dict.fromkeys(m[0] for m in _NAME.finditer(text))
    return tuple(n for n in found if _plain(n) not in known and not known.issuperset(map(_plain, re.split("[-/]", n))))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _turned(text: str, quotes: Sequence[str]) -> str:
    """Whether a negation or direction stands on one side only."""
    denies, denied = bool(_NOT.search(text)), [bool(_NOT.search(q)) for q in quotes]
    if denies and not any(denied):
        return "it denies what its quotes do not deny"
    if not denies and all(denied):
        return "its quotes deny something, and it does not"
    up, down = bool(_UP.search(text)), bool(_DOWN.search(text))
    ups, downs = any(map(_UP.search, quotes)), any(map(_DOWN.search, quotes))
    if (up and not down and downs and not ups) or (down and not up and ups and not downs):
        return "it and its quotes point in opposite directions"
    return ""
