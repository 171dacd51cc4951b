"""Cells: Python that the programmer runs in a kernel of the task before it hands in a script.

A task has a kernel of its own, under the policy and limits of a run: it sees the task's inputs read-only, the task
file, the helper modules, and a work folder that is thrown away with it. Nothing of it reaches the script's run. Nothing
about a cell raises: one that fails, hangs, fills the disk or ends the kernel says so in its first line.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from pydantic import JsonValue

from bioresearcher.errors import BioresearcherError
from bioresearcher.execution.attempt import SEED
from bioresearcher.execution.process import AttemptContext, make_job, without_places, write_code
from bioresearcher.llm.converse import FAILED, Done, Place, Seen, TalkLimits
from bioresearcher.prompts import untrusted
from bioresearcher.runfolder import file_sha256
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.sandbox.kernel import MEMORY_SHARE, CellRun, Kernel, TalkingSandbox
from bioresearcher.schemas.conversation import CellAction, ResetAction
from bioresearcher.schemas.execution import DryLabTask, Limits, TaskCode
from bioresearcher.stages.look import end_of, head_and_tail
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import visible

CODE_BYTES: Final = 8_000
"""Bytes of a cell's code at most."""
SHOWN_BYTES, ERROR_BYTES, TAIL_BYTES = 4096, 2000, 1200
"""Bytes shown of what a cell printed, of its error within them, and of the end where the middle was not kept."""
CELL_S: Final = 60.0
"""Seconds of one cell at most; less where the task itself has less."""
CELLS: Final = 16
"""Cells of a task's first rounds at most."""
STAGE_TOKENS: Final = 250_000
"""Input tokens that programming all tasks of a protocol is to send."""
LEAST_SENT, MOST_SENT = 16_000, 45_000
"""Input tokens of one task at least and at most, whatever the number of tasks."""
ROUNDS_SHARE: Final = 0.6
"""Part of a task's tokens that rounds with cells may send; the rest is for the call that writes the script."""
_KERNEL_S: Final = 12 * 3600.0  # of a kernel in all: between two cells it waits for the model
_TOOL = "cell-1"


def limits_for(tasks: int, spent: int = 0, *, rounds: int = 6) -> TalkLimits:
    """Return the limits of a task's rounds: an equal share of the stage's tokens, less what it has sent already."""
    share = min(MOST_SENT, max(LEAST_SENT, STAGE_TOKENS // max(1, tasks)))
    left = max(0, int(ROUNDS_SHARE * share) - spent)
    return TalkLimits(rounds=rounds, actions=3, per_kind={"cell": CELLS}, sent_tokens=left)


class Cells:
    """The kernel of one task; it starts with the first cell that is run, and is closed on leaving."""

    def __init__(
        self,
        sandbox: TalkingSandbox,
        task: DryLabTask,
        inputs: Mapping[str, Path],
        support: Mapping[str, str],
        limits: Limits,
    ) -> None:
        """Prepare a kernel.

        Args:
            sandbox: Where it runs.
            task: Its task file lies where a script finds it.
            inputs: Input name -> file.
            support: Helper modules: file name -> text.
            limits: Limits of the task's runs; time counts for each cell, at most `CELL_S`, and twice for all of them.
        """
        self._sandbox = sandbox
        self._task = task
        self._inputs = dict(inputs)
        self._support = dict(support)
        self.limits = limits
        self.cell_s = min(CELL_S, limits.wall_s)
        self._folder: Path | None = None
        self._kernel: Kernel | None = None

    async def __aenter__(self) -> Cells:
        """Start nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the kernel and remove its folder."""
        await self.close()

    async def close(self) -> None:
        """End the kernel, if there is one, and remove its folder."""
        kernel, folder, self._kernel, self._folder = self._kernel, self._folder, None, None
        try:
            if kernel is not None:
                await kernel.close()
        finally:
            if folder is not None:
                remove_tree(folder)

    @property
    def places(self) -> tuple[Path, ...]:
        """Folders whose names differ from run to run."""
        return (*([self._folder] if self._folder else []), Path(sys.prefix), Path(sys.base_prefix))

    def digest(self) -> str:
        """Return a digest of all that a cell can see: inputs, task file, helpers, interpreter, limits."""
        seen = {
            "inputs": {name: file_sha256(path) for name, path in self._inputs.items() if path.is_file()},
            "task": self._task.model_dump(mode="json"),
            "support": self._support,
            "python": platform.python_version(),
            "limits": self.limits.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()

    async def run(self, code: str, before: Sequence[Done]) -> tuple[CellRun, str]:
        """Run a cell; return its end, and a sentence if the variables of earlier cells had to be made again.

        Raises:
            BioresearcherError: The kernel could not be started.
        """
        remark = ""
        if self._kernel is None or not self._kernel.alive:
            await self.close()
            self._kernel = await self._started()
            remark = await self._rebuilt(self._kernel, before)
        return await self._kernel.run(code, self.cell_s), remark

    async def reset(self) -> None:
        """Forget all variables; a kernel that is gone or was not started has none."""
        if self._kernel is not None and not await self._kernel.reset():
            await self.close()

    async def _started(self) -> Kernel:
        folder = self._folder = temporary_folder()
        (folder / "work").mkdir()
        limits = self.limits.model_copy(update={"wall_s": _KERNEL_S, "cpu_s": 3 * self.limits.cpu_s + 60})
        context = AttemptContext(
            self._task,
            TaskCode(code="", support=self._support, origin="model"),
            self._sandbox,
            limits,
            SEED,
            folder,
        )
        job = make_job(context, self._inputs)
        write_code(context, job, self._inputs)
        return await Kernel.start(self._sandbox, job, job.args[0])

    async def _rebuilt(self, kernel: Kernel, before: Sequence[Done]) -> str:
        """Run the recorded cells again whose variables a continued conversation relies on; say what differs."""
        lasting: list[Done] = []
        for done in before:
            if isinstance(done.action, ResetAction) or done.meta.get("lost") or done.meta.get("fresh"):
                lasting = []
            ran = isinstance(done.action, CellAction) and not done.refused and not done.meta.get(FAILED)
            if ran and not done.meta.get("lost") and not done.meta.get("interrupted"):
                lasting.append(done)
        differ = []
        for done in lasting:
            if isinstance(done.action, CellAction):
                again = await kernel.run(done.action.code, self.cell_s)
                if visible(shown_of(again, self.cell_s, self.places)).strip() != done.text:
                    differ.append(done.id)
        if not differ:
            return ""
        return f"The earlier cells were run again to go on; {', '.join(differ)} printed something else than before."


def shown_of(run: CellRun, limit_s: float, places: Sequence[Path], remark: str = "") -> str:
    """Write what is shown of a cell: a first line of ours, remarks, and at most 4 kB of output and error."""
    error = end_of(without_places(run.error, *places).strip(), ERROR_BYTES)
    head = without_places(run.head, *places).strip("\n")
    tail = without_places(run.tail, *places).strip("\n")
    room = SHOWN_BYTES - len(error.encode())
    if tail:
        end = end_of(tail, TAIL_BYTES)
        gap = f"[… of {run.size:,} bytes the middle is left out …]"
        out = f"{_first(head, room - len((end + gap).encode()) - 2)}\n{gap}\n{end}"
    else:
        out = head_and_tail(head, room)
    parts = [part for part in (out, f"error:\n{error}" if error else "") if part]
    lines = [f"{_ended(run, limit_s)} · {_amount(run, head, tail, out)}", *_remarks(run, remark)]
    if parts:
        lines.append(untrusted("\n".join(parts), "output of the cell"))
    return "\n".join(lines)


def _first(text: str, most: int) -> str:
    piece = text.encode()[: max(0, most)].decode(errors="ignore")
    return piece.rpartition("\n")[0] or piece


def _amount(run: CellRun, head: str, tail: str, out: str) -> str:
    if not run.size and not head:
        return "nothing was printed"
    cut = bool(tail) or out != head
    return f"{len(out.encode()):,} of {run.size:,} bytes shown" if cut else "all it printed is shown"


def _ended(run: CellRun, limit_s: float) -> str:
    if run.died:
        return f"killed: {run.died}"
    if run.lost:
        return "killed"
    if run.interrupted:
        return f"stopped at its limit of {limit_s:g} s"
    return "failed" if run.error else "ok"


def _remarks(run: CellRun, remark: str) -> list[str]:
    said = [remark] if remark else []
    if run.lost_before:
        said.append("The process had ended after the cell before, so this one began without any variables.")
    if run.lost:
        said.append("All variables are gone; the next cell begins with none.")
    if run.left_running:
        said.append(f"It left {count_of(run.left_running, 'process')} running, which were killed.")
    if run.figures:
        said.append("Figures that it left open, now closed:")
        said.append(untrusted(visible("\n".join(run.figures)), "figures"))
    return said


class CellTool:
    """Carries out `cell`."""

    kind = "cell"
    prefix = "C"
    pure = False
    """Its output depends on all cells before it."""
    repeatable = True

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._digest = cells.digest()

    def key(self, action: CellAction) -> str:
        """Return a digest of the code and of all that it can see."""
        parts = [_TOOL, action.code, self._digest, self._cells.cell_s]
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()

    async def run(self, action: CellAction, place: Place) -> Seen:
        """Run the cell; a refusal is a result, too."""
        cells, size = self._cells, len(action.code.encode("utf-8", "replace"))
        used = sum(_seconds(done) for done in place.before)
        if size > CODE_BYTES:
            return _not_run(f"the code has {size:,} bytes, more than the {CODE_BYTES:,} of a cell")
        if not action.code.strip():
            return _not_run("there is no code")
        if used >= 2 * cells.limits.wall_s:
            return _not_run(f"all cells together have used their {2 * cells.limits.wall_s:g} s")
        last = place.before[-1] if place.before else None
        if last and isinstance(last.action, CellAction) and last.id and last.action.code == action.code:
            return _not_run(f"it is the same as {last.id}, right before it")
        try:
            run, remark = await cells.run(action.code, place.before)
        except (BioresearcherError, OSError) as error:
            said = error.message if isinstance(error, BioresearcherError) else "the folder cannot be written"
            return _not_run(said.rstrip("."))
        meta: dict[str, JsonValue] = {
            "seconds": run.seconds,
            "bytes_seen": run.size,
            "error": bool(run.error),
            "interrupted": run.interrupted,
            "lost": run.lost,
            "fresh": run.lost_before,
            "died": run.died,
        }
        return Seen(shown_of(run, cells.cell_s, cells.places, remark), meta)


class ResetTool:
    """Carries out `reset`."""

    kind = "reset"
    prefix = ""
    pure = False
    repeatable = True

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def key(self, action: ResetAction) -> str:
        """Return a constant: what is reset is told by the actions before."""
        return "reset"

    async def run(self, action: ResetAction, place: Place) -> Seen:
        """Forget all variables."""
        await self._cells.reset()
        return Seen("All variables are gone.")


def _not_run(reason: str) -> Seen:
    return Seen(f"not run: {reason}", {FAILED: True, "refused": reason})


def _seconds(done: Done) -> float:
    value = done.meta.get("seconds", 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def words_of_limits(limits: Limits, *, cells: bool) -> tuple[str, ...]:
    """Return what the sandbox allows, in words, for whoever writes code for it."""
    said = (
        f"a run ends after {limits.wall_s:g} s of wall time or {limits.cpu_s:g} s of CPU time, and takes at most "
        f"{limits.memory_mb:,} MB of memory and {limits.processes} processes and threads",
        f"it writes at most {limits.disk_mb:,} MB in {limits.files:,} files, {limits.file_mb:,} MB in one, and "
        f"{limits.tmp_mb:,} MB to its temporary folder; it prints at most {limits.output_bytes:,} bytes",
        "no network; the inputs are read-only; libraries use one thread",
    )
    if not cells:
        return said
    return (
        *said,
        f"a cell ends after {min(CELL_S, limits.wall_s):g} s, all cells together after {2 * limits.wall_s:g} s; the "
        f"variables of cells take at most {int(limits.memory_mb * MEMORY_SHARE):,} MB",
    )
