"""Run a task's code once in the sandbox, classify its end, and clean its output.

The output's tail goes into the repair question, which is part of the ledger's key: with an address or a duration in it,
a replay would not find the answer that was given to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from bioresearcher.execution.folders import CODE, fresh_folder, remove
from bioresearcher.execution.languages import program_of, r_literal
from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.sandbox.artifacts import collect
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.limits import explain
from bioresearcher.schemas.execution import DryLabTask, ExecResult, Limits, Outcome, TaskCode

WORK = "work"
RUN_DATE_SCRIPT = Path(__file__).with_name("inside") / "run_date.py"
_START_UP = "sitecustomize.py"
_CLOCK = re.compile(r"\b(?:today|now|utcnow|time|time_ns|localtime|gmtime|ctime|strftime)\s*\(")
DATA_ERROR = 65
"""Exit code of a script whose data do not allow the analysis (EX_DATAERR)."""

TAIL_CHARS = 1500
"""Characters kept from the end of each output stream."""

_FILE_NAME = re.compile(r"[A-Za-z0-9][\w .+-]{0,119}")
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Iteration)?(?::|$)")


class TakenTogether(Protocol):
    """Runs of one script that carries out several tasks, of which each takes its own outputs."""

    @property
    def inputs(self) -> Mapping[str, Path]:
        """The files of all its tasks."""

    async def run(
        self, context: AttemptContext, inputs: Mapping[str, Path], outputs: str, go: Execute, *, shift: int = 0
    ) -> Run:
        """Execute the script, or take from a run of it on the same inputs, what one of its tasks declares."""


@dataclass(frozen=True)
class AttemptContext:
    """The values that all runs of one attempt share.

    Attributes:
        folder: The attempt's.
        source: Text of the protocol's steps that the task carries out.
        date: The run's date as ISO text, which scripts see as today; empty: the clock's.
        together: Runs that the task shares with others of the same script; None: its code is its own.
        parts: The tasks whose outputs one run of a shared script writes, each into a folder of its name.
    """

    task: DryLabTask
    code: TaskCode
    sandbox: Sandbox
    limits: Limits
    seed: int
    folder: Path
    source: str = ""
    date: str = ""
    together: TakenTogether | None = None
    parts: Sequence[DryLabTask] = ()

    def own(self, inputs: Mapping[str, Path]) -> dict[str, Path]:
        """Return those of some input files that the task itself declares."""
        return {i.name: inputs[i.name] for i in self.task.inputs if i.name in inputs}


@dataclass(frozen=True)
class Run:
    """One run: the end of its process, the folder of its declared outputs, and the files that were not collected."""

    result: ExecResult
    outputs: Path
    refused: tuple[str, ...]
    undeclared: tuple[str, ...]
    late: frozenset[str] = frozenset()


ENDED: Final = "part-ended"
"""File in the folder of a part of a shared script that says that everything it declares was written."""

Execute = Callable[[AttemptContext], Awaitable[Run]]
"""Writes the code of a context, runs it once, and collects its outputs."""


async def run_once(
    context: AttemptContext, inputs: Mapping[str, Path], outputs: str, go: Execute, *, shift: int = 0
) -> Run:
    """Execute a task's code on some inputs, or take its outputs from the run of the script that it is a part of."""
    if context.together is None:
        return await go(context)
    return await context.together.run(context, inputs, outputs, go, shift=shift)


def bad_output_name(task: DryLabTask) -> str | None:
    """Return the first declared output file that is no plain file name of its own; None if all are."""
    files = [output.file for output in task.outputs]
    bad = (f for f in files if not _FILE_NAME.fullmatch(f) or files.count(f) > 1 or f in {"task.json", "task.R"})
    return next(bad, None)


def make_job(context: AttemptContext, inputs: Mapping[str, Path], code: str = CODE) -> Job:
    """Return the job that runs the code on some inputs; `code/` and `work/` need not exist yet."""
    job = Job(
        code_dir=context.folder / code,
        script=context.task.code_file,
        work_dir=context.folder / WORK,
        data=mounts(inputs),
        limits=context.limits,
        env={"PYTHONHASHSEED": "0"},
        program=program_of(context.task.language),
    )
    place = context.sandbox.layout(job).code
    if reads_clock(context):
        job = replace(job, env={**job.env, "RUN_DATE": context.date, "PYTHONPATH": place})
    return replace(job, args=(f"{place}/task.json",))


def reads_clock(context: AttemptContext) -> bool:
    """Return True if Python code may read the clock and the run has a date, which it is shown as today's."""
    texts = (context.code.code, *context.code.support.values())
    return bool(context.date) and context.task.language == "python" and any(map(_CLOCK.search, texts))


def write_code(context: AttemptContext, job: Job, inputs: Mapping[str, Path]) -> None:
    """Write the code folder with the task file, which names files by their paths inside the sandbox."""
    folder = fresh_folder(job.code_dir)
    for name, text in {context.task.code_file: context.code.code, **context.code.support}.items():
        write_text(folder / name, text)
    if reads_clock(context):
        write_text(folder / _START_UP, RUN_DATE_SCRIPT.read_text(encoding="utf-8"))
    work = context.sandbox.layout(job).work
    task_file = {
        "task": context.task.id,
        "title": context.task.title,
        "inputs": inside_paths(context.sandbox, job, inputs),
        "outputs": {o.name: f"{work}/{o.file}" for o in context.task.outputs},
        "parameters": context.task.parameters,
        "seed": context.seed,
        **({"date": context.date} if context.date else {}),
    }
    if context.parts:
        task_file["parts"] = {t.id: {o.name: f"{work}/{t.id}/{o.file}" for o in t.outputs} for t in context.parts}
    write_text(folder / "task.json", json.dumps(task_file, indent=2, ensure_ascii=False) + "\n")
    if context.task.language == "r":  # R itself reads no JSON
        write_text(folder / "task.R", r_literal(task_file) + "\n")


def mounts(inputs: Mapping[str, Path]) -> dict[str, Path]:
    """Return the input files by names that are safe as folder names and differ from each other."""
    return {_mount_name(index, name): path for index, (name, path) in enumerate(inputs.items())}


def _mount_name(index: int, name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name)
    return name if plain else f"input{index}-{safe_name(name).replace('.', '-')}"[:60]


def inside_paths(sandbox: Sandbox, job: Job, inputs: Mapping[str, Path]) -> dict[str, str]:
    """Return input name -> path of the file as the script sees it."""
    shown = sandbox.layout(job).data
    return {name: shown[_mount_name(index, name)] for index, name in enumerate(inputs)}


async def run_code(context: AttemptContext, job: Job, outputs: str) -> Run:
    """Run a written job in a fresh work folder, and collect the declared outputs into the folder `outputs`.

    The work folder is removed, also when the run is cancelled.
    """
    work = fresh_folder(job.work_dir)
    try:
        result = await context.sandbox.run(job)
        folder = fresh_folder(context.folder / outputs)
        late = _changed_late(work, context.parts)
        names, refused = collect(work, folder, limits=context.limits)
    finally:
        remove(work)
    declared = {output.file for output in context.task.outputs} if not context.parts else {t.id for t in context.parts}
    for name in sorted({name.split("/")[0] for name in names} - declared):
        remove(folder / name)
    return Run(result, folder, refused, tuple(name for name in names if name not in declared), late)


def _changed_late(work: Path, parts: Iterable[DryLabTask]) -> frozenset[str]:
    """Return the parts of a shared script in whose folder something is younger than the mark of their end."""
    late = set()
    for task in parts:
        folder = work / task.id
        try:
            ended = (folder / ENDED).lstat().st_mtime_ns
            younger = folder.is_symlink() or any(p.lstat().st_mtime_ns > ended for p in folder.iterdir())
        except FileNotFoundError:
            continue
        except OSError:
            younger = True
        if younger:
            late.add(task.id)
    return frozenset(late)


def classify(result: ExecResult, limits: Limits) -> tuple[Outcome, str] | None:
    """Return the rung of a process that did not end well, and the reason; None for exit code 0."""
    if result.killed:
        return Outcome.KILLED, explain(result.killed, limits)
    if result.exit_code == 0:
        return None
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    if result.exit_code == DATA_ERROR:
        data = next((line.strip() for line in reversed(lines) if line.startswith("DATA: ")), "")
        if data:
            return Outcome.BLOCKED, data[:500]
    if (failed := _r_failure(lines)) is not None:
        return failed
    last = next((line.strip() for line in reversed(lines) if _EXCEPTION.match(line)), "")
    message = (last or (lines[-1].strip() if lines else "no message"))[:500]
    if last.startswith("ModuleNotFoundError"):
        return Outcome.DEPENDENCY, message
    if last.startswith(("SyntaxError", "IndentationError", "TabError")):
        return Outcome.SYNTAX, message
    return Outcome.RUNTIME, f"exit code {result.exit_code}: {message}"


def _r_failure(lines: list[str]) -> tuple[Outcome, str] | None:
    """Return the rung of a script that R stopped, and R's message; None for other programs."""
    if not lines or lines[-1].strip() != "Execution halted":
        return None
    start = next((n for n in reversed(range(len(lines))) if lines[n].startswith("Error")), 0)
    message = " ".join(" ".join(lines[start:-1]).split())[:500]
    if "there is no package called" in message:
        return Outcome.DEPENDENCY, message
    if re.match(r"Error: (?:unexpected|attempt to use zero-length|.{0,40}INCOMPLETE_STRING)", message):
        return Outcome.SYNTAX, message
    return Outcome.RUNTIME, message or "R stopped without a message"


# Output without what differs between identical runs
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_UNIT = r"(?:µs|μs|us|ns|ms|s|secs?|seconds?|min|minutes?)\b"
_TEMPORARY = r"(?:private/)?(?:tmp|var/tmp|var/folders|dev/shm|run)"
_PATTERNS = (
    (r"\b0x[0-9a-fA-F]{4,16}\b", "0x…"),
    (r"(?<![^\s'\"<>(])[^\s'\"<>(]*/((?:site|dist)-packages/|lib/python3\.\d+/)", r"…/\1"),
    (rf"(?<![\w.…])/{_TEMPORARY}/[^\s'\"<>|:;,)\]}}]+", "…/temporary"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
    (r"(?i)\b(p(?:ro(?:cess)?)?[ _-]?id|process|thread|worker|\w{0,20}Process)([ =:#-]{1,3})\d+\b", r"\1\2…"),
    (rf"(?i)\b((?:in|took|after|elapsed|times?|duration)\W{{1,3}}){_NUMBER}\s?{_UNIT}", r"\1<duration>"),
    (rf"\b(?:{_NUMBER}\s?(?:µs|μs|us|ns|ms)|\d+\.\d+\s?(?:s|secs?|seconds?))\b", "<duration>"),
    (rf"\b{_NUMBER}\s?(?:it|rows?|items?|B|[kM]B)/s\b", "<speed>"),
)
_CHANCE = tuple((re.compile(pattern), instead) for pattern, instead in _PATTERNS)
"""Pattern -> replacement: addresses, places of installation, temporary files, times, processes."""
_PLACES = _CHANCE[:3]
"""Those for addresses and places, which no printed number looks like."""


def output_tail(stdout: str, stderr: str, *places: Path) -> str:
    """Return the last `TAIL_CHARS` characters of each stream without what chance decides; standard error last."""
    ends = (without_chance(text[-8 * TAIL_CHARS :], *places)[-TAIL_CHARS:] for text in (stdout, stderr))
    return "\n".join(ends).strip()


def without_places(text: str, *places: Path) -> str:
    """Replace addresses, places of installation, temporary paths and `places` in a text; numbers stay as printed."""
    return _replaced(text, places, _PLACES)


def without_chance(text: str, *places: Path) -> str:
    """Replace addresses, temporary paths, times, durations, process numbers and `places` in a text.

    `places` are folders that are elsewhere in another run; what lies in them keeps its name.
    """
    return _replaced(text, places, _CHANCE)


def _replaced(text: str, places: Iterable[Path], patterns: Iterable[tuple[re.Pattern[str], str]]) -> str:
    for place in sorted({str(p) for given in places for p in (given, given.resolve())}, key=len, reverse=True):
        text = text.replace(place, "…")
    for pattern, instead in patterns:
        text = pattern.sub(instead, text)
    return text
