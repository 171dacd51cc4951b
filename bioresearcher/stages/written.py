"""Whether what a reader took from a paper is written there: its numbers, and the names of data sets and software."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bioresearcher.schemas.report import Parameter
from bioresearcher.text.visible import clip

SHOWN_CHARS = 60

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d*\.?\d+")
_WORD = re.compile(r"[^\W\d_]+|\d*\.?\d+")


class Written:
    """The words and numbers of a text.

    Attributes:
        refused: What was found not to stand in it, in the order in which it was asked for.
    """

    def __init__(self, text: str) -> None:
        self._numbers = set(_numbers(text))
        self._words = set(_words(text))
        self.refused: list[str] = []

    def parameters(self, parameters: Iterable[Parameter]) -> tuple[Parameter, ...]:
        """Those with a name and a value whose numbers all stand in the text; each once."""
        kept = []
        for parameter in dict.fromkeys(parameters):
            if not parameter.name.strip() or not parameter.value.strip():
                continue
            if self._numbers.issuperset(_numbers(parameter.value)):
                kept.append(parameter)
            else:
                self.refused.append(clip(f"{parameter.name} = {parameter.value}", SHOWN_CHARS))
        return tuple(kept)

    def names(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those whose words and numbers all stand in the text; each once."""
        kept = []
        for name in dict.fromkeys(n.strip() for n in names):
            if name and self._words.issuperset(_words(name)):
                kept.append(name)
            elif name:
                self.refused.append(clip(name, SHOWN_CHARS))
        return tuple(kept)


def _numbers(text: str) -> list[float]:
    return [float(n) for n in _NUMBER.findall(_THOUSANDS.sub("", text))]


def _words(text: str) -> list[str | float]:
    found = _WORD.findall(_THOUSANDS.sub("", text.casefold()))
    return [float(w) if w[-1].isdigit() else w for w in found]
