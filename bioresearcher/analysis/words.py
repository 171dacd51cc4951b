"""Words of an objective with their places, and the words that mean the same as a level or a column of a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from bioresearcher.text.words import normalised

_TOKEN: Final = re.compile(r"[^\W_]+")
_SIGN: Final = re.compile(r"(?<![\w+-])([A-Za-z][A-Za-z0-9]{1,9})(\+|−|-|–)(?=[\s,;:./)\]?!]|$)")
_SENTENCE: Final = re.compile(r"(?<=[.?!;])\s+|\n+|,?\s+and\s+(?=(?:test|tests|ask|asks|check|determine|assess)\b)")

GENERIC: Final = frozenset(
    """status type group id level score value class category at of the initial pathologic pathological diagnosis ajcc
    clinical patient sample tumor month day year mg l dl ml kg cm mm ng binary factor fac num ph is has bcr code name
    number first new history with and for to in on by from x y variable data column mean total primary disease cancer
    yes no time event date""".split()
)
"""Words of a column's name that do not name it by themselves."""

SAME: Final[tuple[tuple[str, ...], ...]] = (
    ("male", "man", "men", "m", "boy", "males"),
    ("female", "woman", "women", "f", "girl", "females", "w"),
    ("tumor", "tumoral", "cancer", "carcinoma", "malignant", "cancerous", "t", "tumorous", "neoplastic"),
    ("normal", "adjacent normal", "normal tissue", "nat", "non tumor", "nontumor", "n", "solid tissue normal"),
    ("healthy", "healthy control", "healthy donor", "hc"),
    ("control", "ctrl", "ctl", "con", "ctr", "controls"),
    ("untreated", "vehicle", "mock", "dmso", "unstimulated", "no treatment"),
    ("treated", "treatment", "trt", "stimulated"),
    ("case", "cases"),
    ("knockdown", "kd", "sirna", "shrna", "knock down", "silenced"),
    ("knockout", "ko", "knock out", "null"),
    ("wildtype", "wt", "wild type", "wild"),
    ("mutant", "mut", "mutated", "mutation"),
    ("responder", "r", "response", "responding", "resp", "responders"),
    ("nonresponder", "nr", "non responder", "no response", "non responders", "nonresp"),
    ("pre", "before", "baseline", "pretreatment", "pre treatment"),
    ("post", "after", "posttreatment", "post treatment"),
    ("positive", "pos", "p"),
    ("negative", "neg"),
    ("high", "hi"),
    ("low", "lo"),
    ("resistant", "res", "resistance"),
    ("sensitive", "sens", "sensitivity"),
    ("primary", "primary tumor", "primary solid tumor"),
    ("metastasis", "metastatic", "metastase", "met", "mets"),
    ("dead", "deceased", "died"),
    ("alive", "living", "survived"),
    ("placebo", "pbo"),
    ("infected", "infection"),
    ("disease", "diseased", "patient", "sick"),
)
"""Words for the same level; short ones are taken for levels of a column only, never looked for in a text."""

CONTROL_WORDS: Final = frozenset(
    """control ctrl ctl con ctr normal healthy untreated vehicle mock dmso placebo wildtype wt negative neg no false
    low pre before baseline nonresponder nr benign unexposed unstimulated sensitive 0 none never n absent without
    standard nat shctrl sictrl shcontrol sicontrol scramble scrambled scr shscr nontargeting ntc empty uninfected
    noncarrier nontumor unaffected""".split()
) | {
    "wild type",
    "no treatment",
    "non tumor",
    "non responder",
    "healthy control",
    "healthy donor",
    "adjacent normal",
    "solid tissue normal",
    "non smoker",
    "never smoker",
    "normal tissue",
}
"""Levels that are the reference by their meaning."""

YES: Final = frozenset({"yes", "y", "true", "1", "present", "positive", "pos", "ever", "current"})
NO: Final = frozenset({"no", "n", "false", "0", "absent", "negative", "neg", "never", "none"})
POLAR: Final = {
    "positive": "yes",
    "pos": "yes",
    "negative": "no",
    "neg": "no",
    "mutant": "yes",
    "mutated": "yes",
    "amplified": "yes",
    "overexpressing": "yes",
}
"""Words beside a column's name that mean one of its two levels."""

COLUMNS: Final[tuple[tuple[str, ...], ...]] = (
    ("sex", "gender"),
    ("er", "estrogen receptor", "esr1", "oestrogen receptor"),
    ("pr", "pgr", "progesterone receptor"),
    ("her2", "erbb2", "her 2"),
    ("bmi", "body mass index"),
    ("crp", "c reactive protein"),
    ("ecog", "performance status", "ecog performance status"),
    ("karno", "karnofsky"),
    ("node", "nodal", "lymph node", "nodes"),
    ("smok", "smoking", "smoker", "tobacco"),
    ("arm", "treatment arm", "randomised arm", "randomized arm"),
    ("race", "ethnicity"),
    ("batch", "run", "plate", "processing batch", "sequencing run", "center", "site", "lane"),
    ("subtype", "molecular subtype"),
    ("treatment", "therapy", "drug"),
    ("ldh", "lactate dehydrogenase"),
    ("psa", "prostate specific antigen"),
    ("egfr", "glomerular filtration rate"),
    ("creatinine", "crea"),
    ("diabetes", "diabetic"),
    ("hypertension", "hypertensive"),
)
"""Names for the same variable; the first of a row stands for it."""

ROMAN: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}


def singular(word: str) -> str:
    """A word without its plural ending."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def stem(word: str) -> str:
    """A word without the endings of an activity or a person: smoking, smoker and smoke are one, age and aged too."""
    for ending in ("ing", "ers", "er", "ed", "ic", "al", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word[:-1] if word.endswith("e") and len(word) > 4 else word


def forms(text: str) -> tuple[str, ...]:
    """The words of a text in the form in which words are compared: small letters, one spelling, no plural."""
    return tuple(singular(w) for w in normalised(text).split())


@dataclass(frozen=True)
class Token:
    """A word of a text: as written, as compared, and its place in characters."""

    raw: str
    form: str
    start: int
    end: int


@dataclass(frozen=True)
class Text:
    """A text as words with places; `ER+` and `ER-` count as positive and negative."""

    given: str

    @cached_property
    def raw(self) -> str:
        """The text with signs behind a name written as words."""
        sign = {"+": "positive"}
        return _SIGN.sub(lambda m: f"{m[1]} {sign.get(m[2], 'negative')}", self.given)

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """All words in order."""
        found = []
        for match in _TOKEN.finditer(self.raw):
            words = forms(match[0])
            found.append(Token(match[0], words[0] if words else match[0].casefold(), match.start(), match.end()))
        return tuple(found)

    @cached_property
    def breaks(self) -> tuple[int, ...]:
        """Places of the characters where a new sentence or wish begins."""
        return tuple(m.end() for m in _SENTENCE.finditer(self.raw))

    def clauses(self) -> tuple[tuple[int, int], ...]:
        """First and last place, in characters, of each sentence."""
        cuts = [0, *self.breaks, len(self.raw)]
        return tuple((a, b) for a, b in pairwise(cuts) if self.raw[a:b].strip())

    def words(self, first: int, end: int) -> str:
        """The text as written from the token `first` up to, and without, the token `end`."""
        return self.raw[self.tokens[first].start : self.tokens[end - 1].end] if first < end else ""

    def between(self, end: int, first: int) -> str:
        """The characters between two runs of tokens."""
        left = self.tokens[end - 1].end if end else 0
        right = self.tokens[first].start if first < len(self.tokens) else len(self.raw)
        return self.raw[left:right]

    def before(self, first: int, count: int = 6) -> list[str]:
        """The forms of the words before a token within its clause, nearest first."""
        start = max((b for b in self.breaks if b <= self.tokens[first].start), default=0)
        return [t.form for t in reversed(self.tokens[max(0, first - count) : first]) if t.start >= start]

    def after(self, end: int, count: int = 6) -> list[str]:
        """The forms of the words from a token on within the clause."""
        last = self.tokens[end - 1].start if end else 0
        stop = min((b for b in self.breaks if b > last), default=len(self.raw))
        return [t.form for t in self.tokens[end : end + count] if t.start < stop]

    def tokens_in(self, start: int, end: int) -> range:
        """The tokens that lie in a run of characters."""
        inside = [n for n, t in enumerate(self.tokens) if t.start >= start and t.end <= end]
        return range(inside[0], inside[-1] + 1) if inside else range(0)


def occurrences(text: Text, wanted: Sequence[str]) -> Iterable[int]:
    """The places where a run of word forms stands in a text."""
    size, given = len(wanted), [t.form for t in text.tokens]
    return (n for n in range(len(given) - size + 1) if tuple(given[n : n + size]) == tuple(wanted)) if size else ()
