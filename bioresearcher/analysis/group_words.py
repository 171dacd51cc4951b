"""Words for the groups of a contrast: as a reader calls them, and as a sentence may mention them."""

from __future__ import annotations

import re
from typing import Final

_YES: Final = frozenset({"1", "yes", "y", "true", "positive", "pos", "+"})
_NO: Final = frozenset({"0", "no", "n", "false", "negative", "neg", "-"})
_SIGNED: Final = re.compile(r"^(?P<what>\w+?)[_ .-]?(?:positive|pos|status)$", re.IGNORECASE)
_NEVER: Final = re.compile(r"(?!)")


def group_words(column: str, level: str) -> str:
    """Return what a reader calls a group: `ER-positive` for `er_positive` = 1, else `column = level` or the level.

    A level that is a word speaks for itself; a number or a letter does not.
    """
    signed = _SIGNED.match(column)
    if signed and level.casefold() in _YES | _NO:
        what = signed["what"]
        shown = what.upper() if len(what) <= 4 else what.replace("_", " ")
        return f"{shown}-{'positive' if level.casefold() in _YES else 'negative'}"
    return level.replace("_", " ") if re.fullmatch(r"[A-Za-z][A-Za-z_ -]{2,}", level) else f"{column} = {level}"


def group_pattern(column: str, level: str | None, other: str | None) -> re.Pattern[str]:
    """Return the pattern of phrases that mention a group; it matches nothing where there is no level.

    Args:
        column: Column of the contrast.
        level: Level of the group.
        other: Level of the group it is compared with: words of both cannot tell them apart and are left out.
    """
    if not level:
        return _NEVER
    phrases = [rf"{re.escape(column)}\s*(?:=|is|of)\s*{re.escape(level)}(?![\w.])"]
    phrases += [rf"(?:status|group)\s*(?:=|is|of)\s*{re.escape(level)}(?![\w.])"]
    said = group_words(column, level)
    if "=" not in said:
        words = (re.escape(word) for word in re.split(r"[ _-]", said))
        phrases.append(rf"(?<!\w){'[-‐‑ _]'.join(words)}s?(?!\w)")
    signs = {"positive": _YES, "negative": _NO}
    for word, levels in signs.items():
        if (
            level.casefold() in levels
            and other
            and other.casefold() in signs["negative" if levels is _YES else "positive"]
        ):
            phrases.append(rf"\b{word}\b")
            if re.fullmatch(r"[A-Za-z_]{4,}", column) and not _SIGNED.match(column):
                named = re.escape(column).replace("_", "[ _-]")
                without = rf"(?:no|non|without|free of|never)[ -](?:[\w-]+ )??{named}"
                phrases.append(
                    without if word == "negative" else rf"(?<!no )(?<!non-)(?<!without )(?<!\w){named}(?!\w)"
                )
    return re.compile("|".join(phrases), re.IGNORECASE)
