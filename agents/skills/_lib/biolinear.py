"""Linear models of every feature: groups with pairs, blocks and covariates beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from biocohort import level_counts
from biomoderate import Prior, fit_prior, moderated
from bioskill import Task, fail, level_text, listed, match_samples, read_expression
from scipy import stats

MAX_LEVELS = 6
"""A covariate of more different numbers than this is a number, one of fewer a factor unless it is stated otherwise."""
MINIMUM_N = 3
"""Fewest values in a group for which a feature is tested."""


@dataclass(frozen=True)
class Design:
    """What a model holds beside the groups: columns of the sheet, and what they are.

    Attributes:
        pair: Column that says which samples belong together; empty when they are independent.
        blocks: Columns whose levels each have a mean of their own, such as batches.
        covariates: Columns that the difference is adjusted for.
    """

    pair: str = ""
    blocks: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """All its columns, without repeats."""
        named = [*([self.pair] if self.pair else []), *self.blocks, *self.covariates]
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True)
class Terms:
    """The design's columns as numbers, on the samples in which each of them is known."""

    frame: pd.DataFrame
    design: Design
    pairs: pd.Series = field(default_factory=lambda: pd.Series(dtype=str))

    @property
    def samples(self) -> pd.Index:
        """The samples that can be analysed."""
        return self.frame.index


def design_of(task: Task, group: str) -> Design:
    """Return the design that the parameters `pair_column`, `block_columns` and `adjust_columns` state."""
    pair = str(task.parameter("pair_column") or "")
    named = {
        k: tuple(str(c) for c in task.parameter(k, ()) if str(c) != group) for k in ("block_columns", "adjust_columns")
    }
    blocks = tuple(c for c in dict.fromkeys(named["block_columns"]) if c != pair)
    return Design(pair, blocks, tuple(c for c in dict.fromkeys(named["adjust_columns"]) if c not in {pair, *blocks}))


def read_design(task: Task, samples: pd.DataFrame, groups: pd.Series) -> Terms:
    """Return the terms of the task's design for the samples in `groups` (their level), complete cases and pairs only.

    What is left out is said on standard output.
    """
    design = design_of(task, str(task.need("group_column")))
    sheet = samples.loc[groups.index]
    for name in design.terms:
        if name not in sheet.columns:
            fail(f"the sample sheet has no column {name!r} (it has: {', '.join(map(str, sheet.columns))})")
        if sheet[name].isna().all():
            fail(f"column {name!r} has no value in the samples that are compared, so it cannot be in the model")
    known = sheet[list(design.terms)].notna().all(axis=1) if design.terms else pd.Series(True, index=sheet.index)
    if not known.all():
        print(f"{int((~known).sum())} samples are left out for want of a value of {', '.join(design.terms)}")
    sheet, groups = sheet[known], groups[known]
    pairs = pd.Series(dtype=str)
    if design.pair:
        pairs = sheet[design.pair].map(level_text)
        whole = complete(pairs, groups)
        if not whole.all():
            left = int((~whole).sum())
            print(f"{left} samples are left out: their pair in {design.pair!r} is not one sample of each group")
        sheet, pairs = sheet[whole], pairs[whole]
        if pairs.nunique() < MINIMUM_N:
            fail(
                f"column {design.pair!r} gives {pairs.nunique()} complete pairs; at least {MINIMUM_N} are needed. "
                "Without pairs, leave the parameter pair_column out"
            )
    frames = [pd.DataFrame(index=sheet.index)]
    for name in (*([design.pair] if design.pair else []), *design.blocks):
        frames.append(factor(sheet[name].map(level_text), name))
    frames += [covariate(sheet[name], name) for name in design.covariates]
    frame = pd.concat(frames, axis=1)
    if not design.pair:  # what is constant within pairs is determined by them, and harmless
        _independent(frame)
    return Terms(frame, design, pairs)


def _independent(frame: pd.DataFrame) -> None:
    """Refuse a term that the terms before it determine, naming it: the design is not of full rank."""
    values = np.ones((len(frame), 1))
    for name in frame.columns:
        column = frame[name].to_numpy(float)
        spread = column.std()
        wider = np.column_stack([values, (column - column.mean()) / spread if spread > 0 else column * 0])
        if np.linalg.matrix_rank(wider, tol=1e-8 * max(wider.shape)) < wider.shape[1]:
            others = [c for c in frame.columns if c != name]
            fail(
                f"the design is not of full rank: {name!r} is constant or determined by the other terms "
                f"({listed(others) or 'none'}) in {len(frame)} samples; leave one of them out"
            )
        values = wider


def complete(pairs: pd.Series, groups: pd.Series) -> pd.Series:
    """Return True for samples whose pair holds exactly one sample of every group: with repeats nobody knows which."""
    counts = pd.crosstab(pairs, groups)
    return pairs.isin(counts.index[(counts == 1).all(axis=1)])


def factor(levels: pd.Series, name: str) -> pd.DataFrame:
    """Return a column per level but the commonest, 1 where a sample has it."""
    names = list(level_counts(levels).index)
    return pd.DataFrame({f"{name}: {x}": (levels == x).astype(float) for x in names[1:]}, index=levels.index)


def covariate(values: pd.Series, name: str) -> pd.DataFrame:
    """Return a covariate as a column of numbers (mean 0), or as a factor when it is text with few levels."""
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all():
        return (numbers - numbers.mean()).astype(float).to_frame(name)
    levels = values.map(level_text)
    if levels.nunique() > MAX_LEVELS:
        fail(f"covariate {name!r} is text with {levels.nunique()} levels; at most {MAX_LEVELS} can be adjusted for")
    return factor(levels, name)


def moderate(table: pd.DataFrame, levels: int) -> tuple[pd.DataFrame, Prior]:
    """Replace the tests of `fit_features` by moderated ones, with the prior of the variances (Smyth 2004)."""
    free = table["df"].to_numpy(float)
    variance = table["variance"].to_numpy(float)
    prior = fit_prior(variance, free)
    squeezed, df = moderated(variance, free, prior)
    ratio = variance / squeezed
    if levels == 2:
        statistic = table["statistic"].to_numpy(float) * np.sqrt(ratio)
        p = 2 * stats.t.sf(np.abs(statistic), df)
    else:
        statistic = table["statistic"].to_numpy(float) * ratio
        p = stats.f.sf(statistic, levels - 1, df)
    return table.assign(statistic=statistic, p=p, df=df, variance=squeezed), prior


def fit_features(matrix: pd.DataFrame, groups: pd.Series, terms: Terms, levels: tuple[str, ...]) -> pd.DataFrame:
    """Fit every feature and test its groups; the first of `levels` is the reference.

    A row per feature that can be tested: means and n of every level (`mean: x`, `n: x`), `difference` (of the second
    level from the first, for two), `statistic` (t for two levels, F for more), degrees of freedom `df`,
    `variance` of the residuals, and `p`.
    Missing values are left out feature by feature, with their pairs.
    """
    groups, values = groups[terms.samples], matrix[terms.samples]
    present = values.notna().to_numpy()
    if terms.design.pair:
        present = _whole_pairs(present, terms.pairs)
    rows = []
    masks, member = np.unique(present, axis=0, return_inverse=True)
    for number, mask in enumerate(masks):
        genes = np.flatnonzero(member.ravel() == number)
        rows.append(_fit(values.iloc[genes, mask], groups[mask], terms.frame[mask], levels))
    table = pd.concat(rows) if rows else pd.DataFrame()
    return table.reindex(index=[g for g in matrix.index if g in set(table.index)]) if len(table) else table


def _whole_pairs(present: np.ndarray, pairs: pd.Series) -> np.ndarray:
    """Return the values whose pair is whole in that feature."""
    out = present.copy()
    for places in pairs.reset_index(drop=True).groupby(pairs.to_numpy()).groups.values():
        out[:, list(places)] &= present[:, list(places)].all(axis=1)[:, None]
    return out


def _fit(values: pd.DataFrame, groups: pd.Series, terms: pd.DataFrame, levels: tuple[str, ...]) -> pd.DataFrame:
    """Fit the features that are measured in the same samples; empty when these cannot be tested."""
    counts = {x: int((groups == x).sum()) for x in levels}
    of_groups = np.column_stack([(groups == x).to_numpy(float) for x in levels[1:]])
    other = np.column_stack([np.ones(len(groups)), terms.to_numpy(float)])
    whole = np.column_stack([of_groups, other])
    rank, without = np.linalg.matrix_rank(whole), np.linalg.matrix_rank(other)
    free = len(groups) - rank
    if min(counts.values()) < MINIMUM_N or free < 2:
        return pd.DataFrame()
    if rank - without < len(levels) - 1:
        fail(
            f"the groups cannot be told apart from {listed(dict.fromkeys(c.partition(': ')[0] for c in terms))}: "
            "every level of one lies in a level of the other, so no model can separate them"
        )
    y = values.to_numpy(float).T
    inverse = np.linalg.pinv(whole.T @ whole)
    beta = inverse @ whole.T @ y
    residual = ((y - whole @ beta) ** 2).sum(axis=0)
    usable = residual > 1e-10 * np.maximum(((y - y.mean(axis=0)) ** 2).sum(axis=0), 1e-300)
    variance = np.where(usable, residual / free, np.nan)
    if len(levels) == 2:
        statistic = beta[0] / np.sqrt(variance * inverse[0, 0])
        p = 2 * stats.t.sf(np.abs(statistic), free)
    else:
        reduced = ((y - other @ np.linalg.lstsq(other, y, rcond=None)[0]) ** 2).sum(axis=0)
        statistic = (reduced - residual) / (len(levels) - 1) / variance
        p = stats.f.sf(statistic, len(levels) - 1, free)
    table = pd.DataFrame({f"mean: {x}": values.loc[:, (groups == x).to_numpy()].mean(axis=1) for x in levels})
    table = table.assign(**{f"n: {x}": counts[x] for x in levels})
    difference = beta[0] if len(levels) == 2 else np.full(y.shape[1], np.nan)
    return table.assign(difference=difference, statistic=statistic, df=int(free), variance=variance, p=p)[usable]


def read_for_test(task: Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the input `matrix` and the sample sheet on the samples they share."""
    from biocohort import read_sheet

    return match_samples(read_expression(task.input("matrix")), read_sheet(task))
