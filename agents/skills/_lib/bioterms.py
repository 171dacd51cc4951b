"""Columns of a sample sheet as terms of a regression: numbers per unit, levels against a reference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from biocohort import level_counts
from bioskill import Task, fail, level_text, listed

MOST_LEVELS = 10
"""A column of text with more different levels is a name or a remark rather than groups."""
_REFERENCES = frozenset(
    "no none never false absent negative neg control controls placebo normal healthy untreated wildtype wt "
    "wild-type low standard vehicle".split()
)
"""Levels that are a reference by their meaning."""
_ROMAN = {text: n for n, text in enumerate("0 I II III IV V VI".split())}
_GRADE = re.compile(r"(?P<name>[A-Za-z]*?)[\s_-]*(?P<step>\d+|[IV]+)[A-Ca-c]?")


@dataclass(frozen=True)
class Term:
    """One coefficient of a model.

    Attributes:
        column: Its column in the design.
        variable: The column of the sheet that it is made of.
        level: Of text, the level; empty for a number.
        reference: Of text, the level that it is compared with; empty for a number.
    """

    column: str
    variable: str
    level: str = ""
    reference: str = ""

    @property
    def name(self) -> str:
        """The term in words: `age`, `stage = III`."""
        return f"{self.variable} = {self.level}" if self.level else self.variable

    @property
    def unit(self) -> str:
        """The step that the coefficient stands for."""
        return f"against {self.reference}" if self.level else "per unit"


def named_levels(pieces: Sequence[str], found: Iterable[str]) -> list[str]:
    """Return levels that were written as one list with commas, also where a level has a comma of its own."""
    known = {"".join(level.split()).replace(",", ", "): level for level in found}
    parts, names = [str(p) for p in pieces], list[str]()
    while parts:
        for size in range(len(parts), 0, -1):
            joined = ", ".join("".join(p.split()) for p in parts[:size])
            if joined in known or size == 1:
                names.append(known.get(joined, parts[0].strip()))
                parts = parts[size:]
                break
    return names


def reference_of(values: pd.Series) -> str:
    """Return the level that others are compared with: one by its meaning, the lowest grade, else the commonest."""
    levels = list(level_counts(values).index)
    meant = [x for x in levels if x.casefold() in _REFERENCES]
    if len(meant) == 1:
        return str(meant[0])
    grades = [_GRADE.fullmatch(x) for x in levels]
    steps = {x: _step(g["step"]) for x, g in zip(levels, grades, strict=True) if g}
    if len(steps) == len(levels) and len({g["name"] for g in grades if g}) == 1:
        return str(min(levels, key=lambda x: (steps[x], x)))
    return str(levels[0])


def _step(text: str) -> int:
    """The number of a grade in Arabic or Roman figures."""
    return int(text) if text.isdigit() else _ROMAN.get(text, len(_ROMAN))


def encode(values: pd.Series, name: str, levels: Sequence[str] = ()) -> tuple[pd.DataFrame, list[Term]]:
    """Return the design columns of one variable and their terms; no term when it does not vary.

    Numbers are taken per unit. Text, and what is given as `levels` (the reference last), is taken as levels against
    one of them. Unknown values stay unknown.
    """
    known = values.dropna()
    numbers = pd.to_numeric(known, errors="coerce")
    if not levels and len(known) and numbers.notna().all():
        if numbers.nunique() < 2:
            return pd.DataFrame(index=values.index), []
        return pd.to_numeric(values).astype(float).to_frame(name), [Term(name, name)]
    texts = values.map(level_text, na_action="ignore")
    found = list(levels) or list(level_counts(texts.dropna()).index)
    if len(found) < 2:
        return pd.DataFrame(index=values.index), []
    if len(found) > MOST_LEVELS:
        fail(
            f"column {name!r} is text with {len(found)} levels; at most {MOST_LEVELS} can be terms of a model. "
            "Put levels together in the sample sheet, or leave the column out"
        )
    reference = levels[-1] if levels else reference_of(texts.dropna())
    others = [x for x in (levels or sorted(found)) if x != reference]
    terms = [Term(f"{name} = {x}", name, x, reference) for x in others]
    columns = {t.column: (texts == t.level).astype(float).where(texts.notna()) for t in terms}
    return pd.DataFrame(columns, index=values.index), terms


@dataclass(frozen=True)
class Design:
    """Terms of a model on the rows in which each of them is known.

    Attributes:
        frame: A column per term.
        left_out: Variables that do not vary in these rows.
    """

    frame: pd.DataFrame
    terms: tuple[Term, ...]
    left_out: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns of the sheet that are in the model."""
        return tuple(dict.fromkeys(t.variable for t in self.terms))

    def of(self, variable: str) -> list[Term]:
        """The terms of one variable."""
        return [t for t in self.terms if t.variable == variable]


def need_columns(sheet: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse a name that is no column of the sheet."""
    for name in names:
        if name not in sheet.columns:
            fail(f"the sample sheet has no column {name!r} (it has: {listed(sheet.columns, 30)})")


def named_column(task: Task, table: pd.DataFrame, parameter: str, names: re.Pattern[str], what: str) -> str | None:
    """Return the column that a parameter names, else the only one whose name says what it holds; None when none does.

    Names are compared in lower case, with runs of other characters as `_`. Several that fit are an error.
    """
    stated = task.parameter(parameter)
    if stated is not None:
        if str(stated) not in table.columns:
            fail(f"there is no column {str(stated)!r} (there are: {listed(table.columns, 12)})")
        return str(stated)
    found = [str(c) for c in table.columns if names.fullmatch(re.sub(r"[^a-z0-9]+", "_", str(c).lower()).strip("_"))]
    if len(found) > 1:
        fail(f"{listed(found)} may all hold the {what}; name it by {parameter}")
    return found[0] if found else None


def design(sheet: pd.DataFrame, names: Sequence[str], levels: dict[str, Sequence[str]] | None = None) -> Design:
    """Return the design of some columns on the complete rows of a sheet; terms that others determine are refused."""
    need_columns(sheet, names)
    whole = sheet[sheet[list(names)].notna().all(axis=1)] if names else sheet
    frames, terms, flat = [pd.DataFrame(index=whole.index)], list[Term](), list[str]()
    for name in dict.fromkeys(names):
        columns, own = encode(whole[name], name, (levels or {}).get(name, ()))
        frames.append(columns)
        terms += own
        flat += [] if own else [name]
    frame = pd.concat(frames, axis=1)
    determined(frame, terms)
    return Design(frame, tuple(terms), tuple(flat))


def determined(frame: pd.DataFrame, terms: Sequence[Term]) -> None:
    """Refuse terms of which one is determined by the others, naming it: no model can tell them apart."""
    values = np.ones((len(frame), 1))
    for term in terms:
        column = frame[term.column].to_numpy(float)
        spread = column.std()
        scaled = (column - column.mean()) / spread if spread > 0 else column * 0
        wider = np.column_stack([values, scaled])
        if np.linalg.matrix_rank(wider, tol=1e-8 * max(wider.shape)) < wider.shape[1]:
            others = dict.fromkeys(t.variable for t in terms if t.variable != term.variable)
            fail(
                f"{term.name!r} is determined by the other terms ({listed(others) or 'none'}) in the {len(frame)} "
                "rows with all values, so no model can tell them apart: leave one of them out"
            )
        values = wider
