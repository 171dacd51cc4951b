"""Two batches beside each other, paired by objective and repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.intervals import LEVEL, RESAMPLES, SEED, mean_interval, sign_flip_p
from bioresearcher.batch.summary import MEASURES, Ran, read_runs
from bioresearcher.batch.summary_schema import Comparison, Difference, Figure, Measure, Method
from bioresearcher.errors import InputError

Key = tuple[str, int]
Unit = Literal["objective", "run"]


def compare(a: BatchFolder, b: BatchFolder) -> Comparison:
    """How batch B differs from batch A.

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
    measure: Measure, keys: Sequence[Key], a: Mapping[Key, Ran], b: Mapping[Key, Ran], unit: Unit
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
        difference=Figure(value=_mean(changes) if changes else None, low=low, high=high, n=len(changes)),
        more=sum(change > 0 for change in changes),
        less=sum(change < 0 for change in changes),
        same=sum(change == 0 for change in changes),
        p=sign_flip_p(changes),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _named(runs: Mapping[Key, Ran], others: Mapping[Key, Ran]) -> tuple[str, ...]:
    return tuple(f"{name} #{repeat}" for name, repeat in runs if (name, repeat) not in others)
