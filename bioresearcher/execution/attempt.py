"""One attempt at a task: check the code, run it, check what it wrote, and see whether that follows from the data.

Whether a task's outputs follow from its inputs: the same code runs again on changed inputs.

In the changes that decide, the names of rows and columns and the number of rows stay as they are, so that
numbers made up for the real names do not pass. A refusal or a crash on changed data shows nothing (comparing
the input's check sum would do as much), so gentler changes follow; only an output that differs is accepted.
Outputs that also differ between two runs on the same values do not count, nor do numbers that were drawn or made
from names (see `drawing.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.execution import statistics_warnings
from bioresearcher.execution.chance import ChanceVerdict, Changes, look_for_drawing
from bioresearcher.execution.code_checks import StaticReport, check_code
from bioresearcher.execution.folders import OUTPUTS, attempt_folder, fresh_folder, remove
from bioresearcher.execution.languages import missing_package
from bioresearcher.execution.output_comparison import changed_outputs, differing_parts, read_sheets
from bioresearcher.execution.outputs import OutputReport, check_outputs, read_parts
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
from bioresearcher.execution.reruns import RERUN_FOLDERS, Rerun, Trial, change_inputs, rerun
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
    drawing = ChanceVerdict()
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


SEED = 20240917
_SCRATCH = ("work", *RERUN_FOLDERS)


@dataclass(frozen=True)
class AttemptResult:
    """An attempt with what it produced.

    Attributes:
        attempt: Outcome, message, process output and resources of the real run (not of the reruns).
        artifacts: Declared outputs that were written, whatever the outcome; paths are relative to the task's folder.
        findings: Only of a verified attempt: before that nothing shows that they come from the data.
        perturbed: The rerun on changed inputs; None when the attempt did not get that far.
        warnings: What a reader should know, though it did not decide the outcome.
    """

    attempt: Attempt
    artifacts: tuple[Artifact, ...] = ()
    findings: tuple[Finding, ...] = ()
    perturbed: PerturbedRun | None = None
    warnings: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether the attempt reached the top of the ladder."""
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
) -> AttemptResult:
    """Make attempt `number` (from 1) at a task in the task's `folder`, and place it on the outcome ladder.

    `inputs` maps the task's input names to files. An attempt of the same number is replaced, so one that was
    cut short is simply made again. The code runs once on the real inputs and, when its outputs are as declared,
    up to eleven times more (on changed inputs, with other
    seeds, and as a control). Whatever the code does is a value; see `Outcome`
    for the rungs.

    Raises:
        SandboxUnavailableError: The sandbox cannot work; nothing of the code ran.
        WorkspaceError: The folder cannot be written.
    """
    place = fresh_folder(attempt_folder(folder, number))
    bench = AttemptContext(task, code, sandbox, limits, seed, place)
    judge = _Judge(bench, number, folder)
    given = {i.name: inputs[i.name] for i in task.inputs if i.name in inputs}
    try:
        return judge.close(await _work(judge, given))
    finally:
        for name in _SCRATCH:
            remove(place / name)


async def _work(judge: _Judge, given: Mapping[str, Path]) -> AttemptResult:
    bench = judge.bench
    blocked = _blocked(bench.task, given)
    if blocked is not None:
        return judge.stop(*blocked)
    lacking = missing_package(bench.task)
    if lacking:
        return judge.stop(Outcome.DEPENDENCY, lacking)
    job = make_job(bench, given)
    paths = inside_paths(bench.sandbox, job, given).values()
    report = check_code(bench.task, bench.code, inside=(*paths, bench.sandbox.layout(job).work))
    if report.outcome is not None:
        return judge.stop(report.outcome, report.message, warnings=report.warnings)
    write_code(bench, job, given)
    return await _run(judge, job, given, report)


async def _run(judge: _Judge, job: Job, given: Mapping[str, Path], report: StaticReport) -> AttemptResult:
    bench = judge.bench
    run = await run_code(bench, job, OUTPUTS)
    ended = classify(run.result, bench.limits)
    checked = await asyncio.to_thread(check_outputs, bench.task, run.outputs, base=judge.folder)
    warnings = (*report.warnings, *checked.warnings, *_left_out(run))
    if ended is not None:
        return judge.stop(*ended, result=run.result, artifacts=checked.artifacts, warnings=warnings)
    if checked.outcome is not None:
        message = checked.message + _why_missing(run, checked)
        return judge.stop(checked.outcome, message, result=run.result, artifacts=checked.artifacts, warnings=warnings)
    verdict = await _dependence(bench, given, run, report)
    written = {o.name: run.outputs / o.file for o in bench.task.outputs}
    doubts = await asyncio.to_thread(statistics_warnings.warn, bench.task, given, written)
    return _finish(judge, run, checked, verdict, (*warnings, *doubts))


async def _dependence(bench: AttemptContext, given: Mapping[str, Path], run: Run, report: StaticReport) -> Verdict:
    if not given:
        reason = "the task declares no inputs, so nothing can show that its outputs come from data"
        return Verdict(False, PerturbedRun(done=False, reason=reason))
    parts = await asyncio.to_thread(read_parts, bench.task, run.outputs)
    sheets = {} if bench.code.origin == "offline" else await asyncio.to_thread(read_sheets, bench.task, run.outputs)
    trial = Trial(bench, given, parts, sheets, run.result.use.wall_s)
    return await check_dependence(trial, report)


def _finish(
    judge: _Judge, run: Run, checked: OutputReport, verdict: Verdict, warnings: tuple[str, ...]
) -> AttemptResult:
    perturbed, warnings = verdict.run, (*warnings, *verdict.warnings)
    if not verdict.depends:
        return judge.stop(
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
    total = len(perturbed.changed) + len(perturbed.unchanged)
    return judge.stop(
        Outcome.VERIFIED,
        f"{len(perturbed.changed)} of {total} outputs changed with the inputs ({perturbed.reason})",
        result=run.result,
        artifacts=checked.artifacts,
        findings=checked.findings,
        perturbed=perturbed,
        warnings=warnings,
    )


def _blocked(task: DryLabTask, given: Mapping[str, Path]) -> tuple[Outcome, str] | None:
    """Why nothing can be run, if so."""
    bad = bad_output_name(task)
    if bad is not None:
        return Outcome.NOT_RUN, f"the task cannot be run: the output file {bad[:80]!r} is not a plain name of its own"
    if not task.outputs:
        return Outcome.NOT_RUN, "the task cannot be run: it declares no output"
    for wanted in task.inputs:
        path = given.get(wanted.name)
        if path is None:
            source = wanted.task or wanted.dataset or "nobody"
            return Outcome.BLOCKED, f"input {wanted.name!r} (from {source}) was not produced"
        if not path.is_file():
            return Outcome.BLOCKED, f"input {wanted.name!r}: the file {path.name} is missing"
    return None


def _left_out(run: Run) -> tuple[str, ...]:
    undeclared = ", ".join(run.undeclared[:5])
    notes = [f"not collected: {line}" for line in run.refused[:5]]
    return (*notes, *([f"written but not declared, so not kept: {undeclared}"] if undeclared else []))


def _why_missing(run: Run, checked: OutputReport) -> str:
    """A missing output that was there but could not be collected is told with the reason."""
    if checked.outcome is not Outcome.NO_OUTPUT or not run.refused:
        return ""
    return f" (not collected: {'; '.join(run.refused[:3])[:300]})"


@dataclass(frozen=True)
class _Judge:
    """Puts results together and records them in the attempt's folder."""

    bench: AttemptContext
    number: int
    folder: Path

    def stop(
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
        """The result with this outcome; `result` is None when the code did not run."""
        code = self.bench.code
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

    def close(self, result: AttemptResult) -> AttemptResult:
        """Write the attempt's record, by which a finished attempt is recognised."""
        write_text(self.bench.folder / "attempt.json", result.attempt.model_dump_json(indent=2) + "\n")
        return result


def code_digest(code: TaskCode) -> str:
    """The sha256 of a script and its helper files, names and texts in order."""
    digest = hashlib.sha256()
    for name, text in (("code.py", code.code), *sorted(code.support.items())):
        for part in (name, text):
            data = part.encode("utf-8", errors="surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
