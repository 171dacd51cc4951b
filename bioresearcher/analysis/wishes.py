"""Wishes that a text holds, as far as they are read: values that the readers of its parts fill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from bioresearcher.analysis.mentions import Mention
from bioresearcher.analysis.terms import (
    Method,
    Named,
    word,
)
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.question import Filter, ScoreColumn, Unbound

STRONG: Final = frozenset({"versus", "vs", "v", "against", "compared", "than", "relative", "minus"})
"""Words that compare what stands on both sides of them."""


JOIN: Final = STRONG | {"and", "or", "to", "from", "with", "nor"}
"""Words that join levels to a list."""


PLAIN: Final = frozenset({"in", "of", "for", "from", "with", "by"})
"""Prepositions before a population, or before anything else."""


BOUND: Final = frozenset({"among", "within", "restricted", "limited", "restrict", "limit", "only", "amongst", "inside"})
"""Words that limit a population."""


SKIP: Final = frozenset(
    """
    the a an all adult human our these those this that to who are have had is were was invasive patient sample tumor
    cancer breast primary advanced early late stage grade status disease having whose subject individual person
    people case tissue with and or newly diagnosed both between untreated cohort subset group of population donor
    participant""".split()
)
"""Words that may stand between a preposition and the level that it is about."""


NOUNS: Final = frozenset(
    """
    patient sample tumor case cell cancer subject individual cohort carcinoma disease woman man group tissue people
    person donor participant mouse mice animal only alone leukemia lymphoma adenocarcinoma melanoma specimen biopsy
    subgroup population arm""".split()
)
"""Nouns behind the level of a population."""


@dataclass(frozen=True)
class Compared:
    """Levels of one column that a text compares, in the order of the text."""

    column: str
    levels: tuple[str, ...]
    first: int
    end: int
    strong: bool = False
    reference: str = ""
    problem: str = ""
    single: bool = False
    syntax: bool = False
    weak: bool = False


@dataclass
class Wishes:
    """All that a text asks for; `used` are the tokens that were understood."""

    text: Text
    filters: list[tuple[Filter, int, bool]] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    by: list[Mention] = field(default_factory=list)
    columns: list[Mention] = field(default_factory=list)
    adjust: list[tuple[str, int]] = field(default_factory=list)
    adjust_all: bool = False
    scores: list[tuple[ScoreColumn, int]] = field(default_factory=list)
    blocks: list[tuple[str, int]] = field(default_factory=list)
    paired: str = ""
    endpoints: list[Named] = field(default_factory=list)
    loose: tuple[tuple[str, ...], str] = ((), "")
    methods: list[tuple[Method, Named]] = field(default_factory=list)
    genes: list[Mention] = field(default_factory=list)
    sets: list[Mention] = field(default_factory=list)
    unbound: list[tuple[Unbound, int]] = field(default_factory=list)
    stops: list[tuple[str, str, int]] = field(default_factory=list)
    reference: dict[str, str] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def use(self, first: int, end: int) -> None:
        """Mark tokens as understood."""
        self.used |= {*range(first, end)}

    def miss(self, words: str, why: str, place: int, suggestion: str = "", *, stops: bool = False) -> None:
        """Note words that are bound to nothing, at a token; with `stops` no answer without them is one."""
        words = " ".join(words.split()).strip(" ,")
        if all(u.words != words for u, _ in self.unbound):
            self.unbound.append((Unbound(words=words, why=why, suggestion=suggestion), place))
        if stops:
            self.stops.append((f"“{words}”: {why}", suggestion, place))


def ends(places: range) -> tuple[int, int]:
    """The first token of a run and the one behind its last."""
    return places.start, places.stop


def close_to(words: str, names: Iterable[str]) -> str:
    """A suggestion with the names nearest to some words; empty when none is near."""
    near = get_close_matches(words.casefold(), {n.casefold(): n for n in names}, 2, 0.6)
    known = {n.casefold(): n for n in names}
    return f"did you mean {' or '.join(known[n] for n in near)}?" if near else ""


def word_list(name: str) -> frozenset[str]:
    """A list of plain words of `terms.toml`."""
    return frozenset(word(name).pattern.split("|"))
