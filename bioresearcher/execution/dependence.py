"""Whether a task's outputs follow from its inputs: the same code runs again on changed inputs.

In the changes that decide, the names of rows and columns and the number of rows stay as they are, so that
numbers made up for the real names do not pass. A refusal or a crash on changed data shows nothing (comparing
the input's check sum would do as much), so gentler changes follow; only an output that differs is accepted.
Outputs that also differ between two runs on the same values do not count, nor do numbers that were drawn or made
from names (see `drawing.py`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bioresearcher.execution.compare import changed_outputs, differing_parts
from bioresearcher.execution.drawing import Changes, Drawing, look_for_drawing
from bioresearcher.execution.reruns import Rerun, Trial, change_inputs, rerun
from bioresearcher.execution.static import StaticReport
from bioresearcher.schemas.execution import PerturbedRun

HOW = {
    "resample": "values drawn anew with replacement, within columns or matrix rows",
    "permute": "values of each column shuffled over the rows",
    "touch": "one value per column or matrix row replaced",
    "drop": "values shuffled and a tenth of the rows left out",
    "rewrite": "the same values written in other bytes",
}
DECIDING = ("resample", "permute", "touch")
_CONTROLS = 3


@dataclass(frozen=True)
class Verdict:
    """`depends` decides between `verified` and `input_independent`; `run` is the record, `reason` its summary."""

    depends: bool
    run: PerturbedRun
    warnings: tuple[str, ...] = ()


async def check_dependence(trial: Trial, report: StaticReport) -> Verdict:
    """Run the code on changed inputs until an output differs, at most three times, then rule out chance.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    trial = trial.hurried()
    failures: list[str] = []
    ran = False
    for variant in DECIDING:
        changed = await change_inputs(trial, variant)
        if changed.problem:
            return _undone(f"dependence on the inputs could not be shown: {changed.problem}")
        again = await rerun(trial, changed.files)
        if again.parts is None:
            failures.append(f"{HOW[variant]}: {again.problem}")
            continue
        ran = True
        if await asyncio.to_thread(changed_outputs, trial.parts, again.parts):
            changes = Changes(again, variant, changed.whole)
            return await _rule_out_chance(trial, report, changes, failures)
    return await _explain_sameness(trial) if ran else _undone(_all_failed(failures))


def _undone(reason: str) -> Verdict:
    return Verdict(False, PerturbedRun(done=False, reason=reason))


def _all_failed(failures: list[str]) -> str:
    return (
        "the code ran on the real data only and failed on every changed copy, even with one value per column "
        f"replaced, so its outputs may be canned ({'; '.join(failures)[:600]})"
    )


async def _explain_sameness(trial: Trial) -> Verdict:
    """No output differed: say whether at least the number of rows matters."""
    unchanged = tuple(trial.parts)
    reason = "no declared output changed when the values of the inputs did"
    changed = await change_inputs(trial, "drop")
    again = await rerun(trial, changed.files) if not changed.problem else Rerun(None)
    if again.parts is not None and changed_outputs(trial.parts, again.parts):
        reason += "; only the names and the number of rows matter"
    return Verdict(False, PerturbedRun(done=True, unchanged=unchanged, reason=reason))


async def _rule_out_chance(trial: Trial, report: StaticReport, changes: Changes, failures: list[str]) -> Verdict:
    """Leave out of account what differs between runs on the same values, and what was drawn."""
    after = changes.run.parts or {}
    unstable, problem = await _unstable(trial, report, changes)
    drawing = Drawing()
    if not problem and not trial.vetted and changed_outputs(trial.parts, after, ignore=unstable):
        drawing = await look_for_drawing(trial, report, changes)
        problem = drawing.problem
        for name, columns in (drawing.drawn or {}).items():
            unstable[name] = unstable.get(name, frozenset()) | {f"column {column}" for column in columns}
    changed = () if problem else changed_outputs(trial.parts, after, ignore=unstable)
    unchanged = tuple(name for name in trial.parts if name not in changed)
    reason = HOW[changes.how] + (f" (stronger changes failed: {'; '.join(failures)[:400]})" if failures else "")
    if problem:
        reason = f"the outputs cannot be attributed to the data: {problem}"
    elif not changed:
        reason = (
            "the outputs differ just as much between two runs on the same values (random numbers without a fixed "
            "seed, the clock, or a look at the file instead of its values)"
        )
    run = PerturbedRun(done=True, changed=changed, unchanged=unchanged, reason=reason)
    return Verdict(bool(changed), run, drawing.warnings)


async def _unstable(trial: Trial, report: StaticReport, changes: Changes) -> tuple[dict[str, frozenset[str]], str]:
    """The parts that differ between runs on the same values; and why there is no such run."""
    after = changes.run.parts or {}
    unstable: dict[str, frozenset[str]] = {}
    for _ in range(_controls(trial, report, changes.run)):
        again = await _control(trial, report)
        if again.parts is None:
            return unstable, again.problem
        for name, parts in trial.parts.items():
            found = differing_parts(parts, again.parts.get(name, {}))
            unstable[name] = unstable.get(name, frozenset()) | found
        if not changed_outputs(trial.parts, after, ignore=unstable):
            break
    return unstable, ""


def _controls(trial: Trial, report: StaticReport, seen: Rerun) -> int:
    """How often to run again on the same values.

    Code that uses something which varies needs several runs: chance may repeat itself. Vetted code of this
    program that does not, needs none, nor does plain code that was seen to draw nothing.
    """
    if report.varies:
        return _CONTROLS
    if report.plain and seen.undrawn:
        return 0
    return int(report.reads_bytes or not trial.vetted)


async def _control(trial: Trial, report: StaticReport) -> Rerun:
    """A run on the same values: in other bytes, and only if that fails (and bytes are not looked at) as they are."""
    if report.reads_bytes or not trial.vetted:
        rewritten = await change_inputs(trial, "rewrite")
        again = Rerun(None) if rewritten.problem else await rerun(trial, rewritten.files)
        if again.parts is not None:
            return again
        if report.reads_bytes:
            return Rerun(None, f"with {HOW['rewrite']} the code fails ({rewritten.problem or again.problem})")
    again = await rerun(trial, trial.inputs)
    if again.parts is None:
        return Rerun(None, f"a second run on the same data fails ({again.problem})")
    return again
