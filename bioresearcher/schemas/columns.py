"""Summary of the cells of one column, counted while a table is read, in bounded memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from bioresearcher.schemas.missing import CODES, NO_GROUP, WORDS, is_number, key

MAX_LEVELS = 12


@dataclass
class ColumnScan:
    """Counts of the cells of one column, valid after `finish`; `levels` is None once there are more than `MAX_LEVELS`.

    Words that may mean "missing" are decided at the end only, by the rule of `schemas.missing`: until then each waits
    with its count and its first line.
    """

    name: str
    declared: frozenset[str] = frozenset()
    missing: int = 0
    missing_seen: set[str] = field(default_factory=set)
    integers: int = 0
    numbers: int = 0
    texts: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    levels: dict[str, int] | None = field(default_factory=dict)
    first_text: tuple[int, str] | None = None
    _words: dict[str, tuple[int, int]] = field(default_factory=dict)
    _of_text: bool = False

    def add(self, value: str, line: int) -> None:
        """Count one cell; `line` is its line in the file."""
        text = value.strip()
        code = text.lower()
        if code in CODES or code in self.declared:
            self._add_missing(text)
        elif code in WORDS:
            count, first = self._words.get(text, (0, line))
            self._words[text] = count + 1, first
        else:
            number = as_number(text)
            self._of_text = self._of_text or not (is_number(text) if number is None else text.isascii())
            self._add_known(text, line, number)

    def finish(self) -> None:
        """Count the waiting words as missing or as levels, now that all other cells were counted."""
        of_numbers = self.known > 0 and not self._of_text
        words, self._words = self._words, {}
        for text, (count, line) in words.items():
            if of_numbers:
                self._add_missing(text, count)
            else:
                self._add_known(text, line, as_number(text), count)

    def _add_missing(self, text: str, count: int = 1) -> None:
        self.missing += count
        if text:
            self.missing_seen.add(text)

    def _add_known(self, text: str, line: int, number: float | None, count: int = 1) -> None:
        if self.levels is not None:
            self.levels[text] = self.levels.get(text, 0) + count
            if len(self.levels) > MAX_LEVELS:
                self.levels = None
        if number is None:
            self.texts += count
            self.first_text = self.first_text or (line, text)
            return
        self.numbers += 1
        self.integers += number.is_integer() and "." not in text
        self.minimum, self.maximum = min(self.minimum, number), max(self.maximum, number)

    @property
    def known(self) -> int:
        """Cells that are not missing."""
        return self.numbers + self.texts

    @property
    def dtype(self) -> Literal["integer", "number", "text", "boolean"]:
        """Narrowest type that all known cells fit."""
        if self.levels and {level.lower() for level in self.levels} <= {"true", "false"}:
            return "boolean"
        if self.texts or not self.known:
            return "text"
        return "integer" if self.integers == self.numbers else "number"

    @property
    def groups(self) -> dict[str, int]:
        """Levels that can be compared, with their sizes: without those that mean "not known"."""
        return {level: n for level, n in (self.levels or {}).items() if key(level) not in NO_GROUP}

    @property
    def binary(self) -> bool:
        """True when the known cells are 0 and 1 only."""
        return bool(self.levels) and all(as_number(level) in (0.0, 1.0) for level in self.levels or ())

    @property
    def mostly_numbers(self) -> bool:
        """True when there are a few texts among numbers: at least four numbers for each text."""
        return self.texts > 0 and self.numbers >= 4 * self.texts


def as_number(text: str) -> float | None:
    """Parse the finite number in a cell; None when there is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
