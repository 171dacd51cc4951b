"""Groups of samples that values are compared between: series in names, technical columns, groups of the study."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bioresearcher.audit.sheet_material import SERIES, series_of, spells
from bioresearcher.audit.tables import Sheet

Source = Literal["name", "technical", "study"]

_TECHNICAL = re.compile(
    r"(?i)(^|[_. -])(batch|plate|array|chip|slide|lane|run|cent(er|re)|site|scanner|platform|series|print|hyb\w*|"
    r"lib(rary)?[_. -]?prep\w*|kit|flow[_. -]?cell|machine|instrument|lab|operator|cohort|study|tissue[_. -]source\w*)"
    r"($|[_. -]|id$|no$|\d+$)"
)
_OUTCOME = re.compile(
    r"(?i)surviv|relaps|recur|respon|death|dead|died|deceas|outcome|event|progress|vital|remission|metasta|censor|"
    r"follow|(^|[_. -])(os|pfs|dfs|rfs|dss|dmfs|cr|ccr|time)($|[_. -])"
)
_MAX_LEVELS = 40


@dataclass(frozen=True)
class Grouping:
    """A division of the samples; `of` has the level of each sample of the matrix, empty where it is not known."""

    name: str
    source: Source
    of: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name in a sentence."""
        return self.name if self.source == "name" else f"column {self.name!r}"

    @property
    def sizes(self) -> dict[str, int]:
        """Level -> samples, largest first; samples of unknown level are left out."""
        return dict(sorted(Counter(filter(None, self.of)).items(), key=lambda pair: (-pair[1], pair[0])))

    def members(self, level: str) -> npt.NDArray[np.intp]:
        """Positions of the samples of a level."""
        return np.flatnonzero([one == level for one in self.of])


def is_outcome(name: str) -> bool:
    """Tell from its name that a column holds an outcome or follow-up; no fact joins one with values of a matrix."""
    return bool(_OUTCOME.search(name))


def aligned(sheet: Sheet, column: str, samples: Sequence[str]) -> tuple[str, ...]:
    """Return a column's known cells in the order of the matrix's samples; empty where a sample has no row."""
    cells = dict(zip(sheet.ids, sheet.known[column], strict=False))
    return tuple(cells.get(sample.strip(), "") for sample in samples)


def groupings(sheet: Sheet, samples: Sequence[str]) -> list[Grouping]:
    """List the divisions of the samples: series in their names, technical columns, groups of the study.

    A column counts with 2 to 40 levels that repeat. Columns of time and event, and those whose name is an outcome's,
    are never among them.
    """
    found = []
    series = series_of(samples)
    studied = [aligned(sheet, column, samples) for column in sheet.with_role("group")] if sheet.ids else []
    if series and not any(spells(series, cells) for cells in studied):
        found.append(Grouping(SERIES, "name", series))
    for column in sheet.columns if sheet.ids else ():
        described = sheet.described.get(column)
        role = described.role if described else "other"
        if column == sheet.sample_column or role in ("id", "time", "event") or is_outcome(column):
            continue
        technical = role == "batch" or (role != "group" and bool(_TECHNICAL.search(column)))
        if not technical and role != "group":
            continue
        of = aligned(sheet, column, samples)
        sizes = Counter(filter(None, of))
        if 2 <= len(sizes) <= _MAX_LEVELS and len(sizes) <= sum(sizes.values()) / 2:
            found.append(Grouping(column, "technical" if technical else "study", of))
    return found


def eta_squared(values: npt.NDArray[np.float64], of: Sequence[str]) -> tuple[float, float]:
    """Return the share of a variance that lies between levels, as it is and adjusted for their number (epsilon²).

    eta² = SS_between / SS_total; epsilon² = (SS_between − (k − 1) MS_within) / SS_total (Kelley 1935), which is
    about 0 when levels say nothing. Samples without level or value are left out; (0, 0) where nothing can be said.
    """
    levels = np.array(of)
    use = (levels != "") & np.isfinite(values)
    values, levels = values[use], levels[use]
    names, codes = np.unique(levels, return_inverse=True)
    n, k = len(values), len(names)
    total = float(((values - values.mean()) ** 2).sum()) if n else 0.0
    if k < 2 or n <= k or total <= 0:
        return 0.0, 0.0
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum())
    within = (total - between) / (n - k)
    return between / total, max(0.0, (between - (k - 1) * within) / total)
