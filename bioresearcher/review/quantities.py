"""Quantities of bench work in running text: numbers with units, brought to one unit for each dimension.

A quantity that is doubtful (a unit this module does not know, a decimal comma that could part thousands) is not
returned, so that no arithmetic rests on a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Dimension = Literal[
    "volume", "mass", "time", "temperature", "force", "turns", "molar", "mass per volume", "percent", "fold"
]

_MICRO = "[uµμ]"
_UNITS: Final[tuple[tuple[str, Dimension, float], ...]] = (
    (rf"(?:m?g|{_MICRO}g|ng|kg)\s?/\s?(?:m[lL]|{_MICRO}[lL]|[lL]|dL)", "mass per volume", 0.0),
    (rf"{_MICRO}[lL]|microlit(?:er|re)s?", "volume", 1e-6),
    (r"m[lL]|ML|millilit(?:er|re)s?|cc", "volume", 1e-3),
    (r"n[lL]", "volume", 1e-9),
    (r"[lL]|lit(?:er|re)s?", "volume", 1.0),
    (r"kg", "mass", 1e3),
    (r"mg", "mass", 1e-3),
    (rf"{_MICRO}g", "mass", 1e-6),
    (r"ng", "mass", 1e-9),
    (r"[x×X*]\s?[gG]|(?:rcf|RCF)(?:\s?[x×]?\s?g)?", "force", 1.0),
    (r"(?:rpm|RPM|r\.p\.m\.)", "turns", 1.0),
    (r"(?:g|grams?)", "mass", 1.0),
    (r"seconds?|secs?|s", "time", 1.0),
    (r"minutes?|mins?", "time", 60.0),
    (r"hours?|hrs?|h", "time", 3600.0),
    (r"days?", "time", 86400.0),
    (r"°\s?C|º\s?C|˚\s?C|℃|degrees? C(?:elsius)?|C", "temperature", 1.0),
    (r"mM", "molar", 1e-3),
    (rf"{_MICRO}M", "molar", 1e-6),
    (r"nM", "molar", 1e-9),
    (r"M", "molar", 1.0),
    (r"%", "percent", 1.0),
    (r"[xX×]", "fold", 1.0),
)
_NUMBER: Final = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_QUANTITY: Final = re.compile(
    rf"(?<![\w.,/^])(?P<sign>[-−–]\s?)?(?P<value>{_NUMBER})(?![\d,]*\d)\s?-?\s?(?P<unit>"
    + "|".join(f"(?:{pattern})" for pattern, _, _ in _UNITS)
    + r")(?![A-Za-z0-9/µμ²³])"
)
_NAME: Final = re.compile(r"-[A-Za-z]")
"""A letter with a hyphen begins a name: `L-glutamine`."""
_NUMBERED: Final = re.compile(r"[A-Za-z]-$")
"""A number of a catalogue follows: `F-531L`."""
_RANGE: Final = re.compile(rf"({_NUMBER})\s?(?:[-−–]|to)\s?$")
_MASS: Final = {"kg": 1e3, "g": 1.0, "mg": 1e-3, "ng": 1e-9}


@dataclass(frozen=True)
class Quantity:
    """A number with a unit, and where it stands.

    Attributes:
        value: In the dimension's unit: litres, grams, seconds, degrees Celsius, × g, rpm, mol/l, g/l, per cent, ×.
        number: As written.
        unit: As written.
    """

    value: float
    dimension: Dimension
    number: float
    unit: str
    start: int
    end: int
    text: str


def quantities(text: str) -> Iterator[Quantity]:
    """Find the quantities of a text, in order; of a range, both ends when the first has a unit of its own."""
    for m in _QUANTITY.finditer(text):
        unit = m.group("unit")
        found = _dimension(unit)
        if found is None or (len(unit) == 1 and (_NAME.match(text, m.end()) or _NUMBERED.search(text, 0, m.start()))):
            continue
        dimension, factor = found
        number = float(m.group("value").replace(",", ""))
        minus = bool(m.group("sign")) and dimension == "temperature" and not _RANGE.search(text[: m.start("value")])
        number = -number if minus else number
        start = m.start("sign") if minus else m.start("value")
        yield Quantity(number * factor, dimension, number, unit, start, m.end(), text[start : m.end()])


def _dimension(unit: str) -> tuple[Dimension, float] | None:
    if "/" in unit:
        above, below = (part.strip() for part in unit.split("/"))
        mass = _MASS.get(above, 1e-6)
        litre = {"L": 1.0, "l": 1.0, "dL": 0.1}.get(below, 1e-3 if below[0] == "m" else 1e-6)
        return "mass per volume", mass / litre
    for pattern, dimension, factor in _UNITS[1:]:
        if re.fullmatch(pattern, unit):
            return dimension, factor
    return None


_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+(?=[A-Z(\[])|\n")


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text into sentences, each with its place in the text."""
    start = 0
    for m in _SENTENCE.finditer(text):
        yield start, text[start : m.start()]
        start = m.end()
    yield start, text[start:]
