"""Runs of one script that carries out several tasks: executed once on the same inputs, each task takes its outputs.

Every task's code is a beginning of the script, word for word, up to the end of its own part, and can be run alone.
Here the longest beginning that a task still needs is run instead, on the files of all these tasks. It writes what a
task declares into a folder of its name as soon as the task's part has ended, so that what later parts do to files
or how they fail does not touch it. What is compared, and how strictly, is each task's own affair as before.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bioresearcher.execution.folders import fresh_folder, remove
from bioresearcher.execution.guards import without_guards
from bioresearcher.execution.process import ENDED, AttemptContext, Execute, Run
from bioresearcher.runfolder import file_sha256
from bioresearcher.schemas.execution import DryLabTask, ExecResult, TaskCode

_FORGES: Final = frozenset({"utime", "futimens", "touch", "copystat", "copy2", "ctypes", "getattr", "__dict__", "vars"})
"""Names by which code could set the time of a file; such a script is not run for several tasks at once."""
PART_ENDS: Final = "[end of the part of task {}]"
"""Line that the script prints where a part ends."""


@dataclass(frozen=True)
class _Made:
    """A run of the script, and the tasks whose parts it carried out."""

    run: Run
    tasks: tuple[str, ...]


@dataclass
class SharedRuns:
    """The runs of one script.

    Attributes:
        folder: Place of the runs; removed when no task needs them any more.
        inputs: Input name -> file, of all tasks.
        tasks: The tasks by id, in the script's order.
        codes: Task id -> its code, of which each is the beginning of the next.
        waiting: Tasks that may still need runs.
    """

    folder: Path
    inputs: Mapping[str, Path]
    tasks: Mapping[str, DryLabTask]
    codes: Mapping[str, TaskCode]
    waiting: set[str]
    _made: dict[str, _Made] = field(default_factory=dict)
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    def done(self, task_id: str) -> None:
        """Note that a task needs no more runs; the last one takes the kept runs with it."""
        self.waiting.discard(task_id)
        if not self.waiting:
            self._made.clear()
            remove(self.folder)

    async def run(
        self, context: AttemptContext, inputs: Mapping[str, Path], outputs: str, go: Execute, *, shift: int = 0
    ) -> Run:
        """Return what the script wrote for a task on some inputs; it is run by `go` where no such run is at hand.

        Code that is no beginning of the script is run by itself.

        Raises:
            SandboxUnavailableError: The sandbox stopped working.
        """
        found = self._longest(context)
        if found is None:
            return await go(context)
        upto, code = found
        guarded = code == self.codes[upto].code
        key = await asyncio.to_thread(_key, context, inputs, outputs, shift, guarded=guarded)
        self._asked[context.task.id, key] += 1  # a task's second run on the same data is to be another run
        key = f"{key[:16]}-{self._asked[context.task.id, key]}"
        async with self._locks.setdefault(key, asyncio.Lock()):
            made = self._made.get(key)
            if made is None or context.task.id not in made.tasks:
                made = self._made[key] = await self._executed(context, upto, code, outputs, go, key)
        if context.task.id in made.run.late:  # a later part wrote there: what the task itself does is seen alone
            return await go(context)
        return await asyncio.to_thread(_part_of, made, context, outputs)

    def _longest(self, context: AttemptContext) -> tuple[str, str] | None:
        """Return the last task that is waited for whose code begins with the context's, and that code."""
        own = context.code.code
        wanted = [t for t in self.tasks if t in self.waiting or t == context.task.id]
        for task in reversed(wanted):
            code = self.codes[task].code
            bare = without_guards(code, "python") or ""
            for text in (code, bare):
                if text.startswith(own) and context.task.id in self.codes:
                    return task, text
        return None

    async def _executed(
        self, context: AttemptContext, upto: str, code: str, outputs: str, go: Execute, key: str
    ) -> _Made:
        """Run the script up to a task's part, with a folder for what each task declares."""
        ids = tuple(self.tasks)[: [*self.tasks].index(upto) + 1]
        place = self.folder / key
        await asyncio.to_thread(fresh_folder, place)
        joint = replace(
            context,
            task=self.tasks[upto],
            code=self.codes[upto].model_copy(update={"code": code}),
            folder=place,
            together=None,
            parts=tuple(self.tasks[t] for t in ids),
        )
        run = await go(joint)
        kept = place / "kept"
        await asyncio.to_thread(remove, kept)
        (place / outputs).rename(kept)
        return _Made(replace(run, outputs=kept), ids)


def _key(context: AttemptContext, inputs: Mapping[str, Path], outputs: str, shift: int, *, guarded: bool) -> str:
    """Return a digest of what decides a run: its purpose, the files, the seeds, the guards, and the limits."""
    files = sorted((name, file_sha256(path) or "") for name, path in inputs.items())
    said = [outputs, files, shift, guarded, context.seed, context.date, context.limits.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def keeps_apart(code: str) -> bool:
    """Tell that a script names nothing by which a step could set a file's time or undo a mark of another task's end."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    named = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    named |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    named |= {a.name.rpartition(".")[2] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return not named & _FORGES and not any(ENDED in text or "utime" in text for text in texts)


def _part_of(made: _Made, context: AttemptContext, outputs: str) -> Run:
    """Copy what a run wrote for a task into the attempt's folder; its end is that of the task's part."""
    own, run = context.task.id, made.run
    folder = fresh_folder(context.folder / outputs)
    part = run.outputs / own
    ended = (part / ENDED).is_file()
    names = sorted(p.name for p in part.iterdir() if p.is_file() and p.name != ENDED) if part.is_dir() else []
    for name in names:
        shutil.copyfile(part / name, folder / name)
    declared = {o.file for o in context.task.outputs}
    refused = tuple(line.removeprefix(f"{own}/") for line in run.refused if line.startswith(f"{own}/"))
    result = _up_to_its_end(run.result, own) if ended else run.result
    return Run(result, folder, refused, tuple(n for n in names if n not in declared))


def _up_to_its_end(result: ExecResult, task_id: str) -> ExecResult:
    """Return the end of a task's part; what a later part printed, or how it failed, is not the task's."""
    marker = PART_ENDS.format(task_id)
    before, found, _ = result.stdout.partition(marker)
    printed = before + found + "\n" if found else result.stdout
    if result.exit_code == 0 and not result.killed:
        return result.model_copy(update={"stdout": printed})
    return result.model_copy(update={"stdout": printed, "stderr": "", "exit_code": 0, "killed": None})
