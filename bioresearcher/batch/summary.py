"""The summary of a batch, per objective and over all, with intervals, and the comparison of two batches.

Both are published as JSON Schemas. Intervals are by the percentile bootstrap, p-values by the sign-flip test of paired
differences.

Sources: Efron B, Tibshirani R. An Introduction to the Bootstrap (1993), ch. 13 (percentile interval) and 15
(permutation tests); Phipson B, Smyth GK (2010), Stat Appl Genet Mol Biol 9:39 (p-values of random permutations are
never 0). Own code, because one set of resamples serves all measures of a batch (3 to 5 times the speed of
`scipy.stats.bootstrap` for each, with 5 and 40 units) and a summary need not import scipy; the tests compare both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from pydantic import Field

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.schema import BatchPlan, JobOutcome
from bioresearcher.errors import BioresearcherError, InputError, RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.execution import Outcome
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.text.format import listing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SUMMARY_FORMAT = 1

Measure = Literal[
    "execution", "verified", "completeness", "level_of_detail", "correctness", "logical_soundness",
    "structural_soundness", "tokens", "cost_usd", "wall_s",
]  # fmt: skip
"""`execution` and `verified` are shares of a protocol's tasks; the next five are the review's scores, 1 to 5."""


class Method(Value):
    """The method of intervals and p-values."""

    interval: str = "percentile bootstrap"
    level: float = 0.95
    resamples: int
    seed: int
    test: str = ""


class Estimate(Value):
    """A number over `n` units with its interval; all are null when it is not known."""

    value: float | None
    low: float | None = Field(default=None, description="of the interval; null with fewer than two units")
    high: float | None = None
    n: int = Field(description="units it is over: runs of an objective, or objectives")


class SummaryRow(Value):
    """One objective over its runs, or all objectives.

    `figures` are over runs for an objective (shares of tasks: all its runs' tasks together), and means of the
    objectives' values for all of them. Runs without an outcome are in `not_begun` and in nothing else; a run counts
    with what it has, also when it failed or stopped. One without tasks has no shares, one without a review no scores,
    and what a run cost is unknown when one of its calls has no price.
    """

    id: str
    runs: int = Field(description="asked for")
    done: int
    failed: int
    stopped: int
    not_begun: int
    tasks: int
    exit_ok: int = Field(description="tasks that ended with exit code 0")
    verified: int = Field(description="tasks with verified outputs")
    questions: int = Field(default=0, description="questions that the objectives ask of data, over all runs")
    answered: int = 0
    partly_answered: int = 0
    outcomes: dict[str, int] = Field(description="rung of the outcome ladder -> tasks")
    figures: dict[Measure, Estimate]
    tokens: int = Field(description="of all runs, in and out")
    cost_usd: float | None = Field(description="of all runs; null: not known")
    wall_s: float = Field(description="of all runs")
    cost_per_verified_usd: float | None = Field(description="null: cost not known, or nothing verified")


class Summary(Value):
    """`summary.json` of a batch folder."""

    format: int = SUMMARY_FORMAT
    name: str
    started: str
    continued: str
    method: Method
    overall: SummaryRow
    objectives: tuple[SummaryRow, ...]
    notes: tuple[str, ...] = ()


class Difference(Value):
    """The difference of B from A in one measure: the mean of the units' differences, B minus A."""

    measure: Measure
    a: float | None = Field(description="mean of A over the same units")
    b: float | None
    difference: Estimate
    more: int = Field(description="units where B has more")
    less: int
    same: int
    p: float | None = Field(description="of the sign-flip test, two-sided; null with fewer than two units")


class Comparison(Value):
    """Two batches, paired by objective and repeat."""

    format: int = SUMMARY_FORMAT
    a: str
    b: str
    unit: Literal["objective", "run"] = Field(description="unit of resampling and sign flips")
    pairs: int
    objectives: int = Field(description="with at least one pair")
    method: Method
    differences: tuple[Difference, ...]
    only_a: tuple[str, ...] = Field(description="ID #REPEAT that only A has an outcome of")
    only_b: tuple[str, ...]
    changed: tuple[str, ...] = Field(description="ids that are not the same objective in both: text, inputs, settings")
    notes: tuple[str, ...] = ()


RESAMPLES: Final = 10_000
SEED: Final = 20_241_229
LEVEL: Final = 0.95
_EXACT: Final = 13
"""Most units for which all sign flips are counted (8,192); above, as many random ones as there are resamples."""
_CELLS: Final = 20_000_000
"""Most units times resamples in memory at a time."""


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval of a mean over units; None with fewer than two."""
    return ratio_interval(values, [1.0] * len(values))


def ratio_interval(above: Sequence[float], below: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval of one sum over another, both over the same units; None with fewer than two.

    Every `below` must be above 0.
    """
    import numpy as np

    number = len(above)
    if number < 2:
        return None
    top, bottom = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    ratios = np.concatenate([top[i].sum(axis=1) / bottom[i].sum(axis=1) for i in _resamples(number)])
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def sign_flip_p(differences: Sequence[float]) -> float | None:
    """Return the two-sided p-value of a mean difference under random signs; None with fewer than two units.

    It is exact up to 13 units. Differences of 0 count as units.
    """
    import numpy as np

    number = len(differences)
    if number < 2:
        return None
    values = np.asarray(differences, dtype=float)
    seen = abs(values.sum())
    slack = 1e-12 * max(1.0, float(np.abs(values).sum()))  # sums of the same numbers in another order are the same
    if number <= _EXACT:
        bits = (np.arange(1 << number)[:, None] >> np.arange(number)) & 1
        return float((np.abs((1 - 2 * bits) @ values) >= seen - slack).mean())
    rng, extreme = np.random.default_rng(SEED), 0
    for size in _parts(number):
        signs = rng.integers(0, 2, (size, number), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ values) >= seen - slack).sum())
    return (extreme + 1) / (RESAMPLES + 1)


def _resamples(number: int) -> list[NDArray[np.int32]]:
    """Return the drawn units, a row per resample; the same for the same number of units."""
    return (_draw if number * RESAMPLES <= _CELLS else _draw.__wrapped__)(number)


@lru_cache(maxsize=4)
def _draw(number: int) -> list[NDArray[np.int32]]:
    import numpy as np

    rng = np.random.default_rng([SEED, number])
    return [rng.integers(0, number, (size, number), dtype=np.int32) for size in _parts(number)]


def _parts(number: int) -> list[int]:
    """Split the number of resamples into parts that fit in memory."""
    most = max(1, _CELLS // number)
    whole, rest = divmod(RESAMPLES, most)
    return [most] * whole + ([rest] if rest else [])


MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
SHARES: Final[tuple[Measure, ...]] = ("execution", "verified")
ALL: Final = "all objectives"


@dataclass(frozen=True)
class MeasuredRun:
    """A run's outcome with its measures; `values` lacks those that the run does not have."""

    outcome: JobOutcome
    values: dict[Measure, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchRuns:
    """The manifest of a batch, its runs with an outcome by (id, repeat), and notes on unreadable ones."""

    plan: BatchPlan
    runs: dict[tuple[str, int], MeasuredRun]
    notes: tuple[str, ...]


def find_batch(path: Path, workspace: Path = Path("workspace")) -> BatchFolder:
    """Find a batch's folder by its path, or by its name in a workspace.

    Raises:
        RunFolderError: There is none.
    """
    for candidate in (path, workspace / "batches" / path):
        folder = BatchFolder(candidate)
        if folder.path("batch.json").is_file():
            return folder
    raise RunFolderError(f"there is no batch {path}.", hint=f"`ls {workspace / 'batches'}` lists the batches here.")


def read_runs(folder: BatchFolder) -> BatchRuns:
    """Read the runs of a batch's folder; outcomes of objectives that were changed since are left out.

    Raises:
        RunFolderError: The folder's manifest is missing, damaged, or from a newer version.
    """
    plan = folder.plan()
    if plan is None:
        raise RunFolderError(f"{folder.root} is no batch's folder: batch.json is missing.")
    digests = {entry.id: entry.digest for entry in plan.entries}
    outcomes, notes, runs = folder.outcomes(), [], {}
    for key in plan.expected():
        outcome = outcomes.get(key)
        if outcome is None:
            continue
        if outcome.digest != digests[key[0]]:
            notes.append(f"{key[0]} #{key[1]} was changed since it ran and is left out.")
            continue
        review, note = _review(folder, outcome)
        notes += [f"{key[0]} #{key[1]}: {note}"] if note else []
        runs[key] = MeasuredRun(outcome, _values(outcome, review))
    return BatchRuns(plan, runs, tuple(notes))


def summarise(folder: BatchFolder) -> Summary:
    """Summarise a batch, as far as it got.

    Raises:
        RunFolderError: The folder's manifest is missing, damaged, or from a newer version.
    """
    read = read_runs(folder)
    expected = Counter(name for name, _ in read.plan.expected())
    rows = []
    for name, number in expected.items():
        own = [run for (one, _), run in read.runs.items() if one == name]
        rows.append(_row(name, number, own, {m: _over_runs(m, own) for m in MEASURES}))
    overall = _row(
        ALL, sum(expected.values()), list(read.runs.values()), {m: _over_objectives(m, rows) for m in MEASURES}
    )
    return Summary(
        name=read.plan.name,
        started=read.plan.started,
        continued=read.plan.continued,
        method=Method(resamples=RESAMPLES, seed=SEED, level=LEVEL),
        overall=overall,
        objectives=tuple(rows),
        notes=(*read.notes, *_notes(rows, read.runs)),
    )


def _review(folder: BatchFolder, outcome: JobOutcome) -> tuple[Review | None, str]:
    """Return the review of a run, or a note on why it cannot be used."""
    root = (folder.root / outcome.run).resolve()
    if not root.is_relative_to(folder.root.resolve()):
        return None, "its run folder is not in the batch's folder."
    run = RunFolder(root)
    if not run.has("review.json"):
        return None, ""
    try:
        return run.read(Review, "review.json"), ""
    except BioresearcherError as error:
        return None, error.message


def _values(outcome: JobOutcome, review: Review | None) -> dict[Measure, float]:
    totals = outcome.totals
    values: dict[Measure, float] = {
        "tokens": totals.input_tokens + totals.output_tokens,
        "wall_s": totals.wall_s,
    }
    if totals.tasks:
        values |= {"execution": totals.exit_ok / totals.tasks, "verified": totals.verified / totals.tasks}
    if totals.cost_usd is not None:
        values["cost_usd"] = totals.cost_usd
    if review is not None:
        values |= {name: float(review.metrics[name].score) for name in METRICS if name in review.metrics}
    return values


def _over_runs(measure: Measure, runs: Sequence[MeasuredRun]) -> Estimate:
    """Estimate a measure over an objective's runs: for shares over all their tasks together, else the mean."""
    known = [run for run in runs if measure in run.values]
    if not known or (measure == "cost_usd" and len(known) < len(runs)):
        return Estimate(value=None, n=0)
    if measure in SHARES:
        below = [float(run.outcome.totals.tasks) for run in known]
        above = [run.values[measure] * tasks for run, tasks in zip(known, below, strict=True)]
        return _estimate(sum(above) / sum(below), ratio_interval(above, below), len(known))
    values = [run.values[measure] for run in known]
    return _estimate(sum(values) / len(values), mean_interval(values), len(values))


def _over_objectives(measure: Measure, rows: Sequence[SummaryRow]) -> Estimate:
    """Estimate the mean of the objectives' values, each counted once; objectives are resampled."""
    found = [row.figures[measure].value for row in rows]
    values = [value for value in found if value is not None]
    begun = sum(row.runs > row.not_begun for row in rows)
    if not values or (measure == "cost_usd" and len(values) < begun):
        return Estimate(value=None, n=0)
    return _estimate(sum(values) / len(values), mean_interval(values), len(values))


def _estimate(value: float, interval: tuple[float, float] | None, number: int) -> Estimate:
    low, high = interval or (None, None)
    return Estimate(value=value, low=low, high=high, n=number)


def _row(name: str, expected: int, runs: Sequence[MeasuredRun], figures: dict[Measure, Estimate]) -> SummaryRow:
    totals = [run.outcome.totals for run in runs]
    states = Counter(run.outcome.status for run in runs)
    costs = [t.cost_usd for t in totals]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known) if len(known) == len(costs) else None
    verified = sum(t.verified for t in totals)
    return SummaryRow(
        id=name,
        runs=expected,
        done=states["done"],
        failed=states["failed"],
        stopped=states["stopped"],
        not_begun=expected - len(runs),
        tasks=sum(t.tasks for t in totals),
        exit_ok=sum(t.exit_ok for t in totals),
        verified=verified,
        questions=sum(t.questions for t in totals),
        answered=sum(t.answered for t in totals),
        partly_answered=sum(t.partly_answered for t in totals),
        outcomes=_outcomes(t.outcomes for t in totals),
        figures=figures,
        tokens=sum(t.input_tokens + t.output_tokens for t in totals),
        cost_usd=cost,
        wall_s=round(sum(t.wall_s for t in totals), 3),
        cost_per_verified_usd=cost / verified if cost is not None and verified else None,
    )


def _outcomes(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Count tasks by outcome, in the order of the ladder."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    order = [outcome.value for outcome in Outcome]
    return {name: total[name] for name in sorted(total, key=lambda n: (order.index(n) if n in order else 99, n))}


def _notes(rows: Sequence[SummaryRow], runs: dict[tuple[str, int], MeasuredRun]) -> list[str]:
    notes = []
    if rows and all(row.runs == 1 for row in rows):
        notes.append("Each objective ran once, so there is no interval per objective; --repeats K gives one.")
    same = []
    for row in rows:
        own = [run.values | {"wall_s": 0.0} for (name, _), run in runs.items() if name == row.id]
        if len(own) > 1 and all(values == own[0] for values in own):
            same.append(row.id)
    if same:
        notes.append(f"All runs gave the same (as rules do), so that intervals have no width: {listing(same)}.")
    return notes


Key = tuple[str, int]
Unit = Literal["objective", "run"]


def compare(a: BatchFolder, b: BatchFolder) -> Comparison:
    """Compare batch B with batch A.

    The unit is the objective: its difference is the mean of those of its pairs. With a single objective in common it
    is the run.

    Raises:
        InputError: They have no run in common.
        RunFolderError: A folder's manifest is missing, damaged, or from a newer version.
    """
    first, second = read_runs(a), read_runs(b)
    both = [key for key in first.plan.expected() if key in first.runs and key in second.runs]
    if not both:
        raise InputError(f"{a.root} and {b.root} have no outcome of the same objective and repeat.")
    names = list(dict.fromkeys(name for name, _ in both))
    digests = [{entry.id: entry.digest for entry in one.plan.entries} for one in (first, second)]
    unit: Unit = "objective" if len(names) > 1 else "run"
    return Comparison(
        a=str(a.root),
        b=str(b.root),
        unit=unit,
        pairs=len(both),
        objectives=len(names),
        method=Method(resamples=RESAMPLES, seed=SEED, level=LEVEL, test="sign flips of the paired differences"),
        differences=tuple(_difference(m, both, first.runs, second.runs, unit) for m in MEASURES),
        only_a=_named(first.runs, second.runs),
        only_b=_named(second.runs, first.runs),
        changed=tuple(name for name in names if digests[0][name] != digests[1][name]),
        notes=(*(f"A: {note}" for note in first.notes), *(f"B: {note}" for note in second.notes)),
    )


def _difference(
    measure: Measure, keys: Sequence[Key], a: Mapping[Key, MeasuredRun], b: Mapping[Key, MeasuredRun], unit: Unit
) -> Difference:
    units: dict[object, list[tuple[float, float]]] = {}
    for key in keys:
        one, other = a[key].values.get(measure), b[key].values.get(measure)
        if one is not None and other is not None:
            units.setdefault(key[0] if unit == "objective" else key, []).append((one, other))
    means = [(_mean([p[0] for p in pairs]), _mean([p[1] for p in pairs])) for pairs in units.values()]
    changes = [_mean([other - one for one, other in pairs]) for pairs in units.values()]
    low, high = mean_interval(changes) or (None, None)
    return Difference(
        measure=measure,
        a=_mean([one for one, _ in means]) if means else None,
        b=_mean([other for _, other in means]) if means else None,
        difference=Estimate(value=_mean(changes) if changes else None, low=low, high=high, n=len(changes)),
        more=sum(change > 0 for change in changes),
        less=sum(change < 0 for change in changes),
        same=sum(change == 0 for change in changes),
        p=sign_flip_p(changes),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _named(runs: Mapping[Key, MeasuredRun], others: Mapping[Key, MeasuredRun]) -> tuple[str, ...]:
    return tuple(f"{name} #{repeat}" for name, repeat in runs if (name, repeat) not in others)
