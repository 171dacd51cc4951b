"""Long pastes: a stand-in in the line, the text itself beside it."""

from __future__ import annotations

import re
from collections import OrderedDict

from bioresearcher.text.format import count_of

LONGEST_SHOWN = 2_000
"""Characters; a line editor that draws much more after every key is slow."""
MOST_KEPT = 32
_MARK = re.compile(r"\[pasted text \d+: [\d,]+ characters?, [\d,]+ lines?\]")


class Pasted:
    """Texts that were pasted and are too long to be drawn; the oldest are forgotten."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._number = 0

    def stand_in(self, text: str) -> str:
        """The text itself when it is short, else a mark that stands for it."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if len(text) <= LONGEST_SHOWN:
            return text
        self._number += 1
        size = f"{count_of(len(text), 'character')}, {count_of(text.count(chr(10)) + 1, 'line')}"
        mark = f"[pasted text {self._number}: {size}]"
        self._texts[mark] = text
        while len(self._texts) > MOST_KEPT:
            self._texts.popitem(last=False)
        return mark

    def put_back(self, line: str) -> str:
        """The line with the texts instead of their marks."""
        return _MARK.sub(lambda found: self._texts.get(found[0], found[0]), line)


def has_mark(line: str) -> bool:
    """Whether something in the line stands for a pasted text."""
    return _MARK.search(line) is not None
