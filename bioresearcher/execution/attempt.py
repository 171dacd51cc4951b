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
| `input_independent` | `dependence`, `reruns`, `output_comparison`, `chance` | no output changes with the data |
| `off_question` | `question_check` | a finding rests on other rows, groups, endpoint or terms than its question |
|  | `spare_columns` | or changes with columns that its question does not name |
|  | `planted_effect` | or says the opposite of an effect that was planted |
| `verified` | as above | an output changes with the data, and chance does not explain it |

`statistics_warnings` adds remarks and decides nothing.

For the dependence on the data see `dependence.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bioresearcher.execution import statistics_warnings
from bioresearcher.execution.code_checks import StaticReport, check_code
from bioresearcher.execution.dependence import DependenceVerdict, judge_dependence
from bioresearcher.execution.folders import OUTPUTS, attempt_folder, fresh_folder, remove
from bioresearcher.execution.languages import missing_package
from bioresearcher.execution.outputs import OutputReport, check_outputs
from bioresearcher.execution.planted_effect import against_planted
from bioresearcher.execution.process import (
    AttemptContext,
    Run,
    TakenTogether,
    bad_output_name,
    classify,
    inside_paths,
    make_job,
    run_code,
    run_once,
    write_code,
)
from bioresearcher.execution.question_check import Asked, off_question, with_left_out
from bioresearcher.execution.reruns import RERUN_FOLDERS, Trial
from bioresearcher.execution.spare_columns import moved_by_left_out, moved_by_spare
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
    source: str = "",
    date: str = "",
    together: TakenTogether | None = None,
) -> AttemptResult:
    """Make attempt `number` (from 1) at a task in the task's `folder`, and place it on the outcome ladder.

    `inputs` maps the task's input names to files; `asked` are the questions that its findings are held against,
    `source` is the text of the protocol's steps that the task carries out, `date` the run's (ISO), today for scripts;
    `together` are the runs of a script of which the code is the beginning, up to the task's part.
    An attempt of the same number is replaced, so one that was
    cut short is simply made again. The code runs once on the real inputs and, when its outputs are as declared, up to
    eleven times more (on changed inputs, with other seeds, and as a control). Whatever the code does is a value.

    Raises:
        SandboxUnavailableError: The sandbox cannot work; nothing of the code ran.
        WorkspaceError: The folder cannot be written.
    """
    place = fresh_folder(attempt_folder(folder, number))
    context = AttemptContext(task, code, sandbox, limits, seed, place, source, date, together)
    builder = _ResultBuilder(context, number, folder, tuple(asked))
    files = context.own(inputs)
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
    every = files if context.together is None else context.together.inputs

    async def go(shared: AttemptContext) -> Run:
        if shared is context:
            return await run_code(context, job, OUTPUTS)
        joint = make_job(shared, every)
        write_code(shared, joint, every)
        return await run_code(shared, joint, OUTPUTS)

    run = await run_once(context, every, OUTPUTS, go)
    ended = classify(run.result, context.limits)
    checked = await asyncio.to_thread(
        check_outputs, context.task, run.outputs, base=builder.folder, inputs=files, source=context.source
    )
    warnings = (*report.warnings, *checked.warnings, *_left_out(run))
    if ended is not None:
        return builder.build(*ended, result=run.result, artifacts=checked.artifacts, warnings=warnings)
    if checked.outcome is not None:
        message = checked.message + _why_missing(run, checked)
        return builder.build(
            checked.outcome, message, result=run.result, artifacts=checked.artifacts, warnings=warnings
        )
    verdict = await judge_dependence(context, every, run, report)
    written = {o.name: run.outputs / o.file for o in context.task.outputs}
    doubts = await asyncio.to_thread(statistics_warnings.warn, context.task, files, written)
    departs = off_question(checked.findings, builder.asked) if verdict.depends else ""
    if verdict.depends and not departs and builder.asked:
        alone = replace(context, together=None)  # what is changed for one question concerns no other task
        trial = Trial(alone, files, {}, {}, run.result.use.wall_s).hurried()
        departs = await moved_by_left_out(trial, with_left_out(checked.findings, builder.asked), builder.asked)
        departs = departs or await moved_by_spare(trial, checked.findings, builder.asked)
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
        findings=with_left_out(checked.findings, builder.asked),
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
