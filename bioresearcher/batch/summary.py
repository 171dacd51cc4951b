"""What came of a batch: per objective and over all of them, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.intervals import LEVEL, RESAMPLES, SEED, mean_interval, ratio_interval
from bioresearcher.batch.schema import Outcome, Plan
from bioresearcher.batch.summary_schema import Figure, Measure, Method, Row, Summary
from bioresearcher.errors import BioresearcherError, RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import Outcome as Rung
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.text.format import listing

MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
SHARES: Final[tuple[Measure, ...]] = ("execution", "verified")
ALL: Final = "all objectives"


@dataclass(frozen=True)
class Ran:
    """A run's outcome with what its review says; `values` lacks what the run does not have."""

    outcome: Outcome
    values: dict[Measure, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchRuns:
    """A batch as it was read: the runs that have an outcome, by (id, repeat), and what could not be read."""

    plan: Plan
    runs: dict[tuple[str, int], Ran]
    notes: tuple[str, ...]


def find_batch(path: Path, workspace: Path = Path("workspace")) -> BatchFolder:
    """A batch's folder by its path, or by its name in a workspace.

    Raises:
        RunFolderError: There is none.
    """
    for candidate in (path, workspace / "batches" / path):
        folder = BatchFolder(candidate)
        if folder.path("batch.json").is_file():
            return folder
    raise RunFolderError(f"there is no batch {path}.", hint=f"`ls {workspace / 'batches'}` lists the batches here.")


def read_runs(folder: BatchFolder) -> BatchRuns:
    """What a batch's folder holds of its runs; outcomes of objectives that were changed since are left out.

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
        runs[key] = Ran(outcome, _values(outcome, review))
    return BatchRuns(plan, runs, tuple(notes))


def summarise(folder: BatchFolder) -> Summary:
    """The summary of a batch, as far as it got.

    Raises:
        RunFolderError: The folder's manifest is missing, damaged, or from a newer version.
    """
    read = read_runs(folder)
    expected = Counter(name for name, _ in read.plan.expected())
    rows = []
    for name, number in expected.items():
        own = [ran for (who, _), ran in read.runs.items() if who == name]
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


def _review(folder: BatchFolder, outcome: Outcome) -> tuple[Review | None, str]:
    """The review of a run, and what is wrong with it."""
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


def _values(outcome: Outcome, review: Review | None) -> dict[Measure, float]:
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


def _over_runs(measure: Measure, runs: Sequence[Ran]) -> Figure:
    """A measure over an objective's runs: tasks of all of them together for shares, else the mean."""
    known = [ran for ran in runs if measure in ran.values]
    if not known or (measure == "cost_usd" and len(known) < len(runs)):
        return Figure(value=None, n=0)
    if measure in SHARES:
        below = [float(ran.outcome.totals.tasks) for ran in known]
        above = [ran.values[measure] * tasks for ran, tasks in zip(known, below, strict=True)]
        return _figure(sum(above) / sum(below), ratio_interval(above, below), len(known))
    values = [ran.values[measure] for ran in known]
    return _figure(sum(values) / len(values), mean_interval(values), len(values))


def _over_objectives(measure: Measure, rows: Sequence[Row]) -> Figure:
    """The mean of the objectives' values, each counted once; objectives are resampled."""
    found = [row.figures[measure].value for row in rows]
    values = [value for value in found if value is not None]
    begun = sum(row.runs > row.not_begun for row in rows)
    if not values or (measure == "cost_usd" and len(values) < begun):
        return Figure(value=None, n=0)
    return _figure(sum(values) / len(values), mean_interval(values), len(values))


def _figure(value: float, interval: tuple[float, float] | None, number: int) -> Figure:
    low, high = interval or (None, None)
    return Figure(value=value, low=low, high=high, n=number)


def _row(name: str, expected: int, runs: Sequence[Ran], figures: dict[Measure, Figure]) -> Row:
    totals = [ran.outcome.totals for ran in runs]
    states = Counter(ran.outcome.status for ran in runs)
    costs = [t.cost_usd for t in totals]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known) if len(known) == len(costs) else None
    verified = sum(t.verified for t in totals)
    return Row(
        id=name,
        runs=expected,
        done=states["done"],
        failed=states["failed"],
        stopped=states["stopped"],
        not_begun=expected - len(runs),
        tasks=sum(t.tasks for t in totals),
        exit_ok=sum(t.exit_ok for t in totals),
        verified=verified,
        outcomes=_rungs(t.outcomes for t in totals),
        figures=figures,
        tokens=sum(t.input_tokens + t.output_tokens for t in totals),
        cost_usd=cost,
        wall_s=round(sum(t.wall_s for t in totals), 3),
        cost_per_verified_usd=cost / verified if cost is not None and verified else None,
    )


def _rungs(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Tasks by rung, in the order of the ladder."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    order = [rung.value for rung in Rung]
    return {name: total[name] for name in sorted(total, key=lambda n: (order.index(n) if n in order else 99, n))}


def _notes(rows: Sequence[Row], runs: dict[tuple[str, int], Ran]) -> list[str]:
    said = []
    if rows and all(row.runs == 1 for row in rows):
        said.append("Each objective ran once, so there is no interval per objective; --repeats K gives one.")
    same = []
    for row in rows:
        own = [ran.values | {"wall_s": 0.0} for (name, _), ran in runs.items() if name == row.id]
        if len(own) > 1 and all(values == own[0] for values in own):
            same.append(row.id)
    if same:
        said.append(f"All runs gave the same (as rules do), so that intervals have no width: {listing(same)}.")
    return said
