"""Specifications of one analysis: the alternatives that were declared, and all their combinations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TypeVar

import numpy as np
import pandas as pd
from bioskill import fail, group_levels, level_text, listed, numeric_column

T = TypeVar("T")
MOST = 512
"""Most specifications that are fitted; more are refused, as a part of them would be a choice."""
NO_COVARIATES = "without covariates"
_EXCLUDING = re.compile(r"excluding (?P<column>.+?) (?P<sign>=|<=|>=|<|>) (?P<value>.+)")
_WITH = re.compile(r"(?P<sign>with|without) (?P<columns>.+)")
_TEST = re.compile(r"test (?P<name>\w+)")
_NORMALISED = re.compile(r"normalisation (?P<name>\w+)")


@dataclass(frozen=True)
class Exclusion:
    """Rows that an alternative leaves out: a level of a column, or numbers beyond a limit."""

    column: str
    sign: str
    value: str

    @property
    def text(self) -> str:
        """The exclusion as it was declared."""
        return f"excluding {self.column} {self.sign} {self.value}"

    def left(self, sheet: pd.DataFrame) -> pd.Series:
        """True for rows that stay; a row whose value is not known is not excluded by it."""
        if self.sign == "=":
            return ~group_levels(sheet, self.column).isin([level_text(v) for v in self.value.split(" | ")])
        values, limit = numeric_column(sheet, self.column), float(self.value)
        beyond = {"<": values < limit, "<=": values <= limit, ">": values > limit, ">=": values >= limit}
        return ~beyond[self.sign]


@dataclass(frozen=True)
class Specification:
    """One way to carry the analysis out."""

    covariates: tuple[str, ...]
    excluded: tuple[Exclusion, ...]
    test: str
    normalisation: str
    registered: bool = False

    @property
    def choices(self) -> tuple[str, str, str, str]:
        """Its choice on each axis, in words."""
        return (
            ", ".join(self.covariates) or "none",
            "; ".join(e.text.removeprefix("excluding ") for e in self.excluded) or "nobody",
            self.test,
            self.normalisation,
        )


@dataclass(frozen=True)
class Declared:
    """The registered analysis and the alternatives to it, by axis."""

    registered: Specification
    without: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    bare: bool = False
    exclusions: tuple[Exclusion, ...] = ()
    tests: tuple[str, ...] = ()
    normalisations: tuple[str, ...] = ()

    def specifications(self) -> list[Specification]:
        """All combinations, the registered one first; more than `MOST` are refused."""
        sets = [*self._covariate_sets()]
        exclusions = [*_subsets(self.exclusions)]
        tests = dict.fromkeys((self.registered.test, *self.tests))
        normalised = dict.fromkeys((self.registered.normalisation, *self.normalisations))
        count = len(sets) * len(exclusions) * len(tests) * len(normalised)
        if count > MOST:
            fail(f"the alternatives make {count} specifications; at most {MOST} are fitted: declare fewer")
        if count < 2:
            fail("no alternative is declared that differs from the registered analysis")
        made = [Specification(*one) for one in product(sets, exclusions, tests, normalised)]
        return [replace(s, registered=n == 0) for n, s in enumerate(made)]

    def _covariate_sets(self) -> Iterator[tuple[str, ...]]:
        """Sets of covariates, the registered one first: each declared one with and without, and none where asked."""
        seen = set[frozenset[str]]()
        found = []
        for left in _subsets(self.without):
            for more in _subsets(self.added):
                found.append((*(c for c in self.registered.covariates if c not in left), *more))
        for one in (*found, *([()] if self.bare else [])):
            if frozenset(one) not in seen:
                seen.add(frozenset(one))
                yield one


def _subsets(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """All subsets, the empty one first."""
    for size in range(len(items) + 1):
        yield from combinations(items, size)


def read_alternatives(
    texts: Sequence[str], registered: Specification, sheet: pd.DataFrame, tests: Sequence[str], matrix: bool
) -> Declared:
    """Read what was declared, as `without age`, `excluding age > 80` or `test robust`; anything else is refused."""
    without, added, exclusions = list[str](), list[str](), list[Exclusion]()
    other: dict[str, list[str]] = {"test": [], "normalisation": []}
    bare = False
    for text in dict.fromkeys(" ".join(str(t).split()) for t in texts):
        if text == NO_COVARIATES:
            bare = True
        elif found := _EXCLUDING.fullmatch(text):
            exclusions.append(_exclusion(Exclusion(found["column"], found["sign"], found["value"]), sheet))
        elif found := _TEST.fullmatch(text):
            other["test"].append(_known(found["name"], tests, "test"))
        elif found := _NORMALISED.fullmatch(text):
            if not matrix:
                fail(f"{text!r} is declared, but no gene of a matrix is measured")
            other["normalisation"].append(_known(found["name"], [*NORMALISATIONS], "normalisation"))
        elif found := _WITH.fullmatch(text):
            for name in found["columns"].split(" + "):
                if name not in sheet.columns:
                    fail(f"{text!r}: the sample sheet has no column {name!r} (it has: {listed(sheet.columns, 30)})")
                known = name in registered.covariates
                if (found["sign"] == "without") is not known:
                    fail(f"{text!r}: {name} is {'already' if known else 'not'} among the registered covariates")
                (without if known else added).append(name)
        else:
            fail(
                f"alternative {text!r} is not understood; write `without age`, `with grade`, `{NO_COVARIATES}`, "
                "`excluding stage = IV`, `excluding age > 80`, `test robust` or `normalisation quantile`"
            )
    beside = tuple(other["test"]), tuple(other["normalisation"])
    return Declared(registered, tuple(without), tuple(added), bare, tuple(exclusions), *beside)


def _exclusion(one: Exclusion, sheet: pd.DataFrame) -> Exclusion:
    """An exclusion that leaves some rows out and some in."""
    if one.sign != "=":
        try:
            float(one.value)
        except ValueError:
            fail(f"{one.text!r}: {one.value!r} is no number")
    left = one.left(sheet)
    if left.all():
        fail(f"{one.text!r} leaves nobody out of the {len(sheet)} rows")
    if not left.any():
        fail(f"{one.text!r} leaves all {len(sheet)} rows out")
    return one


def _known(name: str, names: Sequence[str], what: str) -> str:
    if name not in names:
        fail(f"{what} {name!r} is none of {', '.join(names)}")
    return name


def _median(matrix: pd.DataFrame) -> pd.DataFrame:
    middle = matrix.median()
    return matrix - middle + middle.mean()


def _quantile(matrix: pd.DataFrame) -> pd.DataFrame:
    """Quantile normalisation (Bolstad et al. 2003) with ties at the mean of their ranks; complete features only."""
    whole = matrix.dropna()
    target = np.sort(whole.to_numpy(float), axis=0).mean(axis=1)
    ranks = whole.rank(method="average").to_numpy() - 1
    return pd.DataFrame(np.interp(ranks, np.arange(len(target)), target), index=whole.index, columns=whole.columns)


NORMALISATIONS = {"given": lambda m: m, "median": _median, "quantile": _quantile}
"""Normalisations of a logarithmic matrix: as it is, equal medians of the samples, equal distributions."""
