"""Where sentences begin and end in scientific prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_END: Final = re.compile(r"[.!?]+[)\]”’\"']*(?=\s+)")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(\[“‘\"'])(?:e\.?g|i\.?e|et al|cf|vs?|viz|resp|approx|ca|etc|fig|figs|eq|eqs|ref|refs|tab|sec|no|nos|"
    r"vol|pp?|dr|prof|mr|mrs|ms|st|jr|sr|inc|ltd|co|corp|dept|univ|sp|spp|subsp|var|suppl|supp|min|max|temp|"
    r"conc|wt|exp|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|u\.s|u\.k|a\.m|p\.m|i\.v|i\.p|s\.c|s\.d|s\.e|[A-Z])\.$",
    re.IGNORECASE,
)
_ALWAYS_GOES_ON: Final = re.compile(r"(?:e\.?g|i\.?e|cf|vs|viz|figs?|eqs?|refs?|nos?|approx|dr|prof)\.$", re.IGNORECASE)


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """The (start, end) of each sentence of a paragraph, without the space between them.

    A full stop after an abbreviation, an initial or before a lower-case word ends nothing; a paragraph without
    any is one sentence. Together the sentences cover everything but whitespace.
    """
    stop = len(text) if end is None else end
    begin = start
    for match in _END.finditer(text, start, stop):
        after = match.end()
        while after < stop and text[after].isspace():
            after += 1
        if after >= stop or not _ends(text[begin : match.end()], text[after : after + 2]):
            continue
        yield begin, match.end()
        begin = after
    while begin < stop and text[begin].isspace():
        begin += 1
    while stop > begin and text[stop - 1].isspace():
        stop -= 1
    if begin < stop:
        yield begin, stop


def _ends(sentence: str, following: str) -> bool:
    first = following[:1]
    if first.islower() and not following[1:2].isupper():  # "mRNA" may begin a sentence, "was" may not
        return False
    tail = sentence[-24:]
    if not tail.endswith("."):
        return True
    if _ALWAYS_GOES_ON.search(tail) and _ABBREVIATION.search(tail):
        return False
    if _ABBREVIATION.search(tail):
        last = tail.rsplit(None, 1)[-1].lstrip("([“‘\"'").lower()
        if last in ("al.", "etc.", "min.", "max.", "sp.", "spp.", "co.", "inc.", "ltd.", "exp.", "dec.", "mar."):
            return first.isupper() and following[1:2].islower()
        return False
    return True
