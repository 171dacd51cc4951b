"""Verified execution: one attempt at a task, placed on the outcome ladder.

An attempt goes through inputs, packages, code, run, outputs and dependence on the data; the first that fails decides.

| rung | decided in | evidence |
|---|---|---|
| `not_run` | `_blocked`, `task_records` | no declared output, or a bad name of one; no attempt was made |
| `blocked` | `_blocked`, `process.classify` | a missing input file; exit code 65 with a line `DATA: …` |
| `syntax` | `code_checks`, `process.classify` | code that cannot be parsed; the interpreter's syntax error |
| `dependency` | `languages`, `code_checks`, `process.classify` | a package that is not installed; an import error |
| `runtime` | `process.classify` | an exit code other than 0, and the last line of the error |
| `killed` | `process.classify`, `sandbox.limits` | the limit that ended the run |
| `no_output` | `outputs` | a declared file that was not written |
| `bad_output` | `outputs`, `output_tables`, `figures` | a file not as declared; a number that is in no table |
| `placeholder` | `code_checks`, `outputs` | a path of no file, random numbers for data; text such as TODO |
| `input_independent` | `check_dependence`, `reruns`, `output_comparison`, `chance` | no output changes with the data |
| `off_question` | `question_check` | a finding rests on other rows, groups, endpoint or terms than its question |
|  | `spare_columns` | or changes with columns that its question does not name |
|  | `planted_effect` | or says the opposite of an effect that was planted |
| `verified` | as above | an output changes with the data, and chance does not explain it |

`statistics_warnings` adds remarks and decides nothing.

Dependence on the data: the same code runs again on changed inputs. In the changes that decide, the names of rows and
columns and the number of rows stay as they are, so that numbers made up for the real names do not pass. A refusal or a
crash on changed data shows nothing (comparing the input's check sum would do as much), so gentler changes follow; only
an output that differs is accepted. Outputs that also differ between two runs on the same values do not count, nor do
numbers that were drawn or made from names (see `chance.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bioresearcher.execution import statistics_warnings
from bioresearcher.execution.chance import ChanceVerdict, Changes, rule_out_chance
from bioresearcher.execution.code_checks import StaticReport, check_code
from bioresearcher.execution.folders import OUTPUTS, attempt_folder, fresh_folder, remove
from bioresearcher.execution.languages import missing_package
from bioresearcher.execution.output_comparison import changed_outputs, differing_parts, read_columns
from bioresearcher.execution.outputs import OutputReport, check_outputs, read_parts
from bioresearcher.execution.planted_effect import against_planted
from bioresearcher.execution.process import (
    AttemptContext,
    Run,
    bad_output_name,
    classify,
    inside_paths,
    make_job,
    run_code,
    write_code,
)
from bioresearcher.execution.question_check import Asked, off_question
from bioresearcher.execution.reruns import RERUN_FOLDERS, Rerun, Trial, change_inputs, rerun
from bioresearcher.execution.spare_columns import moved_by_spare
from bioresearcher.runfolder import write_text
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.schemas.execution import (
    Artifact,
    Attempt,
    DryLabTask,
    ExecResult,
    Finding,
    Limits,
    Outcome,
    PerturbedRun,
    ResourceUse,
    TaskCode,
)

SEED = 20240917
"""Seed of the task file and of the changed inputs."""

_VARIANT_TEXT = {
    "resample": "values drawn anew with replacement, within columns or matrix rows",
    "permute": "values of each column shuffled over the rows",
    "touch": "one value per column or matrix row replaced",
    "drop": "values shuffled and a tenth of the rows left out",
    "rewrite": "the same values written in other bytes",
}
_DECIDING_VARIANTS = ("resample", "permute", "touch")
_CONTROLS = 3
_SCRATCH = ("work", *RERUN_FOLDERS)


@dataclass(frozen=True)
class AttemptResult:
    """An attempt with its outputs, findings and warnings.

    Attributes:
        attempt: Outcome, message, process output and resources of the real run (not of the reruns).
        artifacts: Declared outputs that were written, whatever the outcome; paths are relative to the task's folder.
        findings: Only of a verified attempt: before that nothing shows that they come from the data.
        perturbed: The rerun on changed inputs; None when the attempt did not get that far.
        warnings: Remarks for a reader, which did not decide the outcome.
    """

    attempt: Attempt
    artifacts: tuple[Artifact, ...] = ()
    findings: tuple[Finding, ...] = ()
    perturbed: PerturbedRun | None = None
    warnings: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """True if the attempt reached the top of the ladder."""
        return self.attempt.outcome is Outcome.VERIFIED


async def run_attempt(
    task: DryLabTask,
    code: TaskCode,
    *,
    inputs: Mapping[str, Path],
    folder: Path,
    number: int,
    sandbox: Sandbox,
    limits: Limits,
    seed: int = SEED,
    asked: Sequence[Asked] = (),
) -> AttemptResult:
    """Make attempt `number` (from 1) at a task in the task's `folder`, and place it on the outcome ladder.

    `inputs` maps the task's input names to files; `asked` are the questions that its findings are held against. An
    attempt of the same number is replaced, so one that was
    cut short is simply made again. The code runs once on the real inputs and, when its outputs are as declared, up to
    eleven times more (on changed inputs, with other seeds, and as a control). Whatever the code does is a value.

    Raises:
        SandboxUnavailableError: The sandbox cannot work; nothing of the code ran.
        WorkspaceError: The folder cannot be written.
    """
    place = fresh_folder(attempt_folder(folder, number))
    context = AttemptContext(task, code, sandbox, limits, seed, place)
    builder = _ResultBuilder(context, number, folder, tuple(asked))
    files = {i.name: inputs[i.name] for i in task.inputs if i.name in inputs}
    try:
        return builder.write(await _work(builder, files))
    finally:
        for name in _SCRATCH:
            remove(place / name)


async def _work(builder: _ResultBuilder, files: Mapping[str, Path]) -> AttemptResult:
    context = builder.context
    blocked = _blocked(context.task, files)
    if blocked is not None:
        return builder.build(*blocked)
    lacking = missing_package(context.task)
    if lacking:
        return builder.build(Outcome.DEPENDENCY, lacking)
    job = make_job(context, files)
    paths = inside_paths(context.sandbox, job, files).values()
    report = check_code(context.task, context.code, inside=(*paths, context.sandbox.layout(job).work))
    if report.outcome is not None:
        return builder.build(report.outcome, report.message, warnings=report.warnings)
    write_code(context, job, files)
    return await _run(builder, job, files, report)


def _blocked(task: DryLabTask, files: Mapping[str, Path]) -> tuple[Outcome, str] | None:
    """Return the rung and the reason if nothing can be run."""
    bad = bad_output_name(task)
    if bad is not None:
        return Outcome.NOT_RUN, f"the task cannot be run: the output file {bad[:80]!r} is not a plain name of its own"
    if not task.outputs:
        return Outcome.NOT_RUN, "the task cannot be run: it declares no output"
    for wanted in task.inputs:
        path = files.get(wanted.name)
        if path is None:
            source = wanted.task or wanted.dataset or "nobody"
            return Outcome.BLOCKED, f"input {wanted.name!r} (from {source}) was not produced"
        if not path.is_file():
            return Outcome.BLOCKED, f"input {wanted.name!r}: the file {path.name} is missing"
    return None


async def _run(builder: _ResultBuilder, job: Job, files: Mapping[str, Path], report: StaticReport) -> AttemptResult:
    context = builder.context
    run = await run_code(context, job, OUTPUTS)
    ended = classify(run.result, context.limits)
    checked = await asyncio.to_thread(check_outputs, context.task, run.outputs, base=builder.folder)
    warnings = (*report.warnings, *checked.warnings, *_left_out(run))
    if ended is not None:
        return builder.build(*ended, result=run.result, artifacts=checked.artifacts, warnings=warnings)
    if checked.outcome is not None:
        message = checked.message + _why_missing(run, checked)
        return builder.build(
            checked.outcome, message, result=run.result, artifacts=checked.artifacts, warnings=warnings
        )
    verdict = await _dependence(context, files, run, report)
    written = {o.name: run.outputs / o.file for o in context.task.outputs}
    doubts = await asyncio.to_thread(statistics_warnings.warn, context.task, files, written)
    departs = off_question(checked.findings, builder.asked) if verdict.depends else ""
    if verdict.depends and not departs and builder.asked:
        trial = Trial(context, files, {}, {}, run.result.use.wall_s).hurried()
        departs = await moved_by_spare(trial, checked.findings, builder.asked)
        departs = departs or await against_planted(trial, checked.findings, builder.asked)
    return _finish(builder, run, checked, verdict, (*warnings, *doubts), departs)


def _left_out(run: Run) -> tuple[str, ...]:
    undeclared = ", ".join(run.undeclared[:5])
    notes = [f"not collected: {line}" for line in run.refused[:5]]
    return (*notes, *([f"written but not declared, so not kept: {undeclared}"] if undeclared else []))


def _why_missing(run: Run, checked: OutputReport) -> str:
    """Return why an output is missing, if it was there but could not be collected."""
    if checked.outcome is not Outcome.NO_OUTPUT or not run.refused:
        return ""
    return f" (not collected: {'; '.join(run.refused[:3])[:300]})"


def _finish(
    builder: _ResultBuilder,
    run: Run,
    checked: OutputReport,
    verdict: DependenceVerdict,
    warnings: tuple[str, ...],
    departs: str,
) -> AttemptResult:
    perturbed, warnings = verdict.run, (*warnings, *verdict.warnings)
    if not verdict.depends:
        return builder.build(
            Outcome.INPUT_INDEPENDENT,
            perturbed.reason,
            result=run.result,
            artifacts=checked.artifacts,
            perturbed=perturbed,
            warnings=warnings,
        )
    if perturbed.unchanged:
        names = ", ".join(perturbed.unchanged)
        warnings = (*warnings, f"did not change when the inputs did: {names}")
    if departs:
        return builder.build(
            Outcome.OFF_QUESTION,
            departs,
            result=run.result,
            artifacts=checked.artifacts,
            perturbed=perturbed,
            warnings=warnings,
        )
    total = len(perturbed.changed) + len(perturbed.unchanged)
    return builder.build(
        Outcome.VERIFIED,
        f"{len(perturbed.changed)} of {total} outputs changed with the inputs ({perturbed.reason})",
        result=run.result,
        artifacts=checked.artifacts,
        findings=checked.findings,
        perturbed=perturbed,
        warnings=warnings,
    )


@dataclass(frozen=True)
class _ResultBuilder:
    """Builds the attempt's result and writes its record."""

    context: AttemptContext
    number: int
    folder: Path
    asked: tuple[Asked, ...] = ()

    def build(
        self,
        outcome: Outcome,
        message: str,
        *,
        result: ExecResult | None = None,
        artifacts: tuple[Artifact, ...] = (),
        findings: tuple[Finding, ...] = (),
        perturbed: PerturbedRun | None = None,
        warnings: tuple[str, ...] = (),
    ) -> AttemptResult:
        """Return the result with this outcome; `result` is None if the code did not run."""
        code = self.context.code
        attempt = Attempt(
            number=self.number,
            outcome=outcome,
            message=" ".join(message.split())[:1000],
            exit_code=result.exit_code if result else None,
            stdout=result.stdout if result else "",
            stderr=result.stderr if result else "",
            code_sha256=code_digest(code),
            code_origin=code.origin,
            skill=code.skill,
            use=result.use if result else ResourceUse(),
            sandbox=result.sandbox if result else "",
        )
        return AttemptResult(attempt, artifacts, findings, perturbed, warnings)

    def write(self, result: AttemptResult) -> AttemptResult:
        """Write the attempt's record, by which a finished attempt is recognised."""
        write_text(self.context.folder / "attempt.json", result.attempt.model_dump_json(indent=2) + "\n")
        return result


def code_digest(code: TaskCode) -> str:
    """Return the sha256 of a script and its helper files, names and texts in order."""
    digest = hashlib.sha256()
    for name, text in (("code.py", code.code), *sorted(code.support.items())):
        for part in (name, text):
            data = part.encode("utf-8", errors="surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


# Dependence of the outputs on the inputs


@dataclass(frozen=True)
class DependenceVerdict:
    """The answer to whether outputs depend on the inputs: `verified` if `depends`, else `input_independent`."""

    depends: bool
    run: PerturbedRun
    warnings: tuple[str, ...] = ()


async def _dependence(
    context: AttemptContext, files: Mapping[str, Path], run: Run, report: StaticReport
) -> DependenceVerdict:
    if not files:
        return _undone("the task declares no inputs, so nothing can show that its outputs come from data")
    parts = await asyncio.to_thread(read_parts, context.task, run.outputs)
    trial = Trial(context, files, parts, {}, run.result.use.wall_s)
    if not trial.own_code:
        trial = replace(trial, columns=await asyncio.to_thread(read_columns, context.task, run.outputs))
    return await check_dependence(trial, report)


async def check_dependence(trial: Trial, report: StaticReport) -> DependenceVerdict:
    """Run the code on changed inputs until an output differs, at most three times, then rule out chance.

    Raises:
        SandboxUnavailableError: The sandbox stopped working.
    """
    trial = trial.hurried()
    failures: list[str] = []
    ran = False
    for variant in _DECIDING_VARIANTS:
        changed = await change_inputs(trial, variant)
        if changed.problem:
            return _undone(f"dependence on the inputs could not be shown: {changed.problem}")
        again = await rerun(trial, changed.files)
        if again.parts is None:
            failures.append(f"{_VARIANT_TEXT[variant]}: {again.problem}")
            continue
        ran = True
        if await asyncio.to_thread(changed_outputs, trial.parts, again.parts):
            changes = Changes(again, variant, changed.whole)
            return await _confirm(trial, report, changes, failures)
    return await _explain_sameness(trial) if ran else _undone(_all_failed(failures))


def _undone(reason: str) -> DependenceVerdict:
    return DependenceVerdict(False, PerturbedRun(done=False, reason=reason))


def _all_failed(failures: list[str]) -> str:
    return (
        "the code ran on the real data only and failed on every changed copy, even with one value per column "
        f"replaced, so its outputs may be canned ({'; '.join(failures)[:600]})"
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
        if again.parts is not None:
            return again
        if report.reads_bytes:
            return Rerun(None, f"with {_VARIANT_TEXT['rewrite']} the code fails ({rewritten.problem or again.problem})")
    again = await rerun(trial, trial.inputs)
    if again.parts is None:
        return Rerun(None, f"a second run on the same data fails ({again.problem})")
    return again
