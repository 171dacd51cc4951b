"""Dependence of a task's outputs on its inputs: the same code runs again on changed copies of them, fairly.

Fair to honest code: the copies stay consistent over all inputs (see `inside/perturb_inputs.py`), check sums of changed
files read as those of the originals (`inside/shift_seeds.py`), and where the code refuses every changed copy, its
guards are taken out for the re-run alone (`guards.py`): what stands behind them must then follow the data, and give on
the real data what it gave with them. Code on names only is run with names exchanged (`name_tasks.py`), and a text that
the task declares as a rule is held against what was declared (`declared_texts.py`).

A refusal or a crash by itself shows nothing, since constants behind a guard refuse changed data as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bioresearcher.execution.chance import ChanceVerdict, Changes, rule_out_chance
from bioresearcher.execution.code_checks import StaticReport
from bioresearcher.execution.declared_texts import held_against_declaration, is_declared_text
from bioresearcher.execution.guards import without_guards
from bioresearcher.execution.name_tasks import made_of_names
from bioresearcher.execution.output_comparison import changed_outputs, differing_parts, read_columns
from bioresearcher.execution.outputs import read_parts
from bioresearcher.execution.process import AttemptContext, Run
from bioresearcher.execution.reruns import Rerun, Trial, change_inputs, rerun
from bioresearcher.schemas.execution import PerturbedRun

_VARIANT_TEXT = {
    "resample": "values drawn anew with replacement, within columns or matrix rows",
    "permute": "values of each column shuffled over the rows",
    "touch": "one value per column or matrix row replaced",
    "nudge": "measured numbers moved by up to a twentieth, all labels kept",
    "drop": "values shuffled and a tenth of the rows left out",
    "rewrite": "the same values written in other bytes",
}
_DECIDING_VARIANTS = ("resample", "permute", "touch", "nudge")
"""The last keeps every label: code that stops on other labels, in whatever words, still shows that it computes."""
_STRONG_VARIANTS = 3
_CONTROLS = 3


@dataclass(frozen=True)
class DependenceVerdict:
    """The answer to whether outputs depend on the inputs: `verified` if `depends`, else `input_independent`."""

    depends: bool
    run: PerturbedRun
    warnings: tuple[str, ...] = ()


async def judge_dependence(
    context: AttemptContext, files: Mapping[str, Path], run: Run, report: StaticReport
) -> DependenceVerdict:
    """Decide whether the outputs of the real `run` depend on its input `files`; up to some fifteen more runs.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    parts = await asyncio.to_thread(read_parts, context.task, run.outputs)
    trial = Trial(context, files, parts, {}, run.result.use.wall_s)
    if not trial.own_code:
        trial = replace(trial, columns=await asyncio.to_thread(read_columns, context.task, run.outputs))
    trial = trial.hurried()
    if files:
        verdict = await _by_changed_inputs(trial, report)
    else:
        verdict = _undone("the task declares no inputs, so nothing can show that its outputs come from data")
    if not verdict.depends and not trial.own_code and is_declared_text(context.task):
        return await _as_declared_text(trial, run, verdict)
    return verdict


async def _by_changed_inputs(trial: Trial, report: StaticReport) -> DependenceVerdict:
    """Run on changed values; without guards where the code refuses all; on names where values do not matter."""
    failures: list[str] = []
    verdict = await _by_values(trial, report, failures)
    if verdict is not None:
        return verdict
    if len(failures) >= _STRONG_VARIANTS:
        return await _without_guards(trial, report, failures)
    verdict = await _explain_sameness(trial)
    if trial.own_code:
        return verdict
    names = await made_of_names(trial, report)
    if not names.changed:
        reason = verdict.run.reason + (f" ({names.problem})" if names.problem else "")
        return replace(verdict, run=verdict.run.model_copy(update={"reason": reason}))
    unchanged = tuple(name for name in trial.parts if name not in names.changed)
    reason = "made of names: parts of the names exchanged in all inputs alike, values as they are"
    return DependenceVerdict(True, PerturbedRun(done=True, changed=names.changed, unchanged=unchanged, reason=reason))


async def _by_values(trial: Trial, report: StaticReport, failures: list[str]) -> DependenceVerdict | None:
    """Run the code on changed inputs until an output differs, at most three times, then rule out chance.

    None: no output differed in the runs that ended well. `failures` takes the reasons of the others.
    """
    for variant in _DECIDING_VARIANTS:
        changed = await change_inputs(trial, variant)
        if changed.problem and variant == "nudge":
            continue
        if changed.problem:
            return _undone(f"dependence on the inputs could not be shown: {changed.problem}")
        again = await rerun(trial, changed.files)
        if again.parts is None:
            failures.append(f"{_VARIANT_TEXT[variant]}: {again.problem}")
        elif await asyncio.to_thread(changed_outputs, trial.parts, again.parts):
            changes = Changes(again, variant, changed.whole)
            return await _confirm(trial, report, changes, failures)
    return None


async def _without_guards(trial: Trial, report: StaticReport, failures: list[str]) -> DependenceVerdict:
    """Run a script that refuses every changed copy without its guards: what stands behind them must follow the data.

    On the real data it must give what it gave with them.
    """
    bare = None if trial.own_code else _bare(trial)
    if bare is None:
        return _undone(_all_failed(failures))
    trial = bare
    again = await rerun(trial, trial.inputs)
    if again.parts is None or changed_outputs(trial.parts, again.parts):
        return _undone(_all_failed(failures))
    more: list[str] = []
    verdict = await _by_values(trial, report, more)
    if verdict is None and len(more) < _STRONG_VARIANTS:
        verdict = await _explain_sameness(trial)
        reason = f"the code refuses changed data, and behind its guards stands a fixed result: {verdict.run.reason}"
        return replace(verdict, run=verdict.run.model_copy(update={"reason": reason}))
    if verdict is None or not verdict.run.done:
        return _undone(_all_failed(failures))
    reason = f"the code refuses changed data; without its guards, in the re-run alone: {verdict.run.reason}"
    return replace(verdict, run=verdict.run.model_copy(update={"reason": reason}))


def _bare(trial: Trial) -> Trial | None:
    """Return the trial of the script without its guards; None when it has none."""
    context = trial.context
    bare = without_guards(context.code.code, context.task.language)
    if bare is None:
        return None
    return replace(trial, context=replace(context, code=context.code.model_copy(update={"code": bare})))


async def _as_declared_text(trial: Trial, run: Run, before: DependenceVerdict) -> DependenceVerdict:
    """Return the verdict on a task that only writes declared texts: they hold nothing that was not declared."""
    problem, digests = await asyncio.to_thread(
        held_against_declaration, trial.context, trial.context.own(trial.inputs), run.outputs
    )
    if problem:
        return replace(before, run=before.run.model_copy(update={"reason": f"{before.run.reason}; {problem}"}))
    again = await rerun(trial, trial.inputs)
    if again.parts is None or changed_outputs(trial.parts, again.parts):
        return replace(before, run=before.run.model_copy(update={"reason": "a second run gives another text"}))
    reason = f"a declared text, which states no result, frozen as {digests}"
    return DependenceVerdict(True, PerturbedRun(done=True, changed=tuple(trial.parts), reason=reason))


def _undone(reason: str) -> DependenceVerdict:
    return DependenceVerdict(False, PerturbedRun(done=False, reason=reason))


def _all_failed(failures: list[str]) -> str:
    return (
        "the code ran on the real data only and failed on every changed copy, even with one value per column "
        f"replaced or all numbers moved a little, so its outputs may be canned ({'; '.join(failures)[:600]})"
    )


async def _explain_sameness(trial: Trial) -> DependenceVerdict:
    """Return the verdict when no output differed; it tells if at least the number of rows matters."""
    unchanged = tuple(trial.parts)
    reason = "no declared output changed when the values of the inputs did"
    changed = await change_inputs(trial, "drop")
    again = await rerun(trial, changed.files) if not changed.problem else Rerun(None)
    if again.parts is not None and changed_outputs(trial.parts, again.parts):
        reason += "; only the names and the number of rows matter"
    return DependenceVerdict(False, PerturbedRun(done=True, unchanged=unchanged, reason=reason))


async def _confirm(trial: Trial, report: StaticReport, changes: Changes, failures: list[str]) -> DependenceVerdict:
    """Return the verdict without parts that differ between runs on the same values, and without drawn columns."""
    after = changes.run.parts or {}
    unstable, problem = await _unstable(trial, report, changes)
    chance = ChanceVerdict()
    if not problem and not trial.own_code and changed_outputs(trial.parts, after, ignore=unstable):
        chance = await rule_out_chance(trial, report, changes)
        problem = chance.problem
        for name, columns in (chance.drawn or {}).items():
            unstable[name] = unstable.get(name, frozenset()) | {f"column {column}" for column in columns}
    changed = () if problem else changed_outputs(trial.parts, after, ignore=unstable)
    unchanged = tuple(name for name in trial.parts if name not in changed)
    reason = _VARIANT_TEXT[changes.variant]
    reason += f" (stronger changes failed: {'; '.join(failures)[:400]})" if failures else ""
    if problem:
        reason = f"the outputs cannot be attributed to the data: {problem}"
    elif not changed:
        reason = (
            "the outputs differ just as much between two runs on the same values (random numbers without a fixed "
            "seed, the clock, or a look at the file instead of its values)"
        )
    run = PerturbedRun(done=True, changed=changed, unchanged=unchanged, reason=reason)
    return DependenceVerdict(bool(changed), run, chance.warnings)


async def _unstable(trial: Trial, report: StaticReport, changes: Changes) -> tuple[dict[str, frozenset[str]], str]:
    """Return the parts that differ between runs on the same values, and the problem if there is no such run."""
    after = changes.run.parts or {}
    unstable: dict[str, frozenset[str]] = {}
    for _ in range(_number_of_controls(trial, report, changes.run)):
        again = await _control(trial, report)
        if again.parts is None:
            return unstable, again.problem
        for name, parts in trial.parts.items():
            found = differing_parts(parts, again.parts.get(name, {}))
            unstable[name] = unstable.get(name, frozenset()) | found
        if not changed_outputs(trial.parts, after, ignore=unstable):
            break
    return unstable, ""


def _number_of_controls(trial: Trial, report: StaticReport, seen: Rerun) -> int:
    """Return the number of runs on the same values.

    Code that uses something which varies needs several runs: chance may repeat itself. This program's own code that
    does not, needs none, nor does plain code that was seen to draw nothing.
    """
    if report.varies:
        return _CONTROLS
    if report.plain and seen.undrawn:
        return 0
    return int(report.reads_bytes or not trial.own_code)


async def _control(trial: Trial, report: StaticReport) -> Rerun:
    """Run on the same values in other bytes, or, only if that fails (and bytes are not looked at), as they are."""
    if report.reads_bytes or not trial.own_code:
        rewritten = await change_inputs(trial, "rewrite")
        again = Rerun(None) if rewritten.problem else await rerun(trial, rewritten.files)
        if again.parts is None and not rewritten.problem and (bare := _bare(trial)) is not None:
            again = await rerun(bare, rewritten.files)  # it may stop on another size than the frozen file's
        if again.parts is not None:
            return again
        if report.reads_bytes:
            return Rerun(None, f"with {_VARIANT_TEXT['rewrite']} the code fails ({rewritten.problem or again.problem})")
    again = await rerun(trial, trial.inputs)
    if again.parts is None:
        return Rerun(None, f"a second run on the same data fails ({again.problem})")
    return again
