"""Rehearsal of a protocol's script: one run from end to end in the sandbox, on copies whose outcomes are shuffled.

The script finds the copies below `DATA`, one folder per data set, and `REHEARSAL=1` in its environment. There is no
network, and its working folder is thrown away. Nothing about it raises: what was not run, failed or was killed is told
in the result.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from bioresearcher.audit.rehearsal import copied
from bioresearcher.errors import BioresearcherError
from bioresearcher.execution.outputs import struck_sentences
from bioresearcher.execution.process import without_places
from bioresearcher.runfolder import write_text
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.sandbox.limits import explain
from bioresearcher.schemas.execution import DryLabTask, ExecResult, Limits, TaskInput, TaskOutput
from bioresearcher.stages.script import SCRIPT_BYTES
from bioresearcher.text.visible import one_line, visible

LIMITS: Final = Limits(wall_s=300, cpu_s=300, memory_mb=3072, file_mb=200, disk_mb=200, files=500, tmp_mb=200)
"""Limits of one rehearsal."""
SHOWN_CHARS, ERROR_CHARS = 6000, 1500

_SCRIPT = "script.py"
_TAIL_SHARE = 0.5  # results stand at the end of what a script prints
_FRAMES = 5
FINDINGS: Final = "findings.json"
"""File of a script's findings."""
_CHECKED_BYTES, _CHECKED_TABLES, _MOST_STRUCK = 2_000_000, 40, 6
_MOST_FILES, _DEPTH, _NAME_CHARS = 200, 8, 150
_LEFT_OUT = "[… {:,} characters left out …]"
HEADS_CHARS: Final = 1_500
"""Characters of the first lines of all tables that a script wrote."""
_HEAD_LINES, _HEAD_BYTES, _LINE_CHARS = 3, 2_048, 160
_TABLES: Final = (".csv", ".tsv", ".txt")
_FRAME = re.compile(rf'^\s*File "[^"\n]*/{re.escape(_SCRIPT)}", line (\d+)', re.MULTILINE)
_ANY_FRAME = re.compile(r'^  File "', re.MULTILINE)
_FATAL = "Fatal Python error: "
_TRACEBACK = "Traceback (most recent call last):\n"


@dataclass(frozen=True)
class Rehearsed:
    """Result of a rehearsal.

    Attributes:
        ok: True if it ran to its end with exit code 0.
        exit_code: Exit code; None if it was not run or was killed.
        killed: Name of the limit that ended it; empty otherwise.
        refused: Reason why it was not run; empty when it was.
        shown: Head and tail of what it printed, whole lines, with how much was left out, and the first lines of the
            tables it wrote; of a killed one only the head of what it printed.
        error: Of a failed one, the last frames that lie in the script, and the error's text.
        line: Line of the script in the innermost of these frames.
        files: Names and sizes in bytes of the files that it wrote.
        struck: What a run would leave out of its findings, as no value, table or input has the number.
        seconds: Wall time.
    """

    ok: bool = False
    exit_code: int | None = None
    killed: str = ""
    refused: str = ""
    shown: str = ""
    error: str = ""
    line: int | None = None
    files: tuple[tuple[str, int], ...] = ()
    struck: tuple[str, ...] = ()
    seconds: float = 0.0


async def rehearse(sandbox: Sandbox, copies_folder: Path, script: str, limits: Limits = LIMITS) -> Rehearsed:
    """Run a script on copies of the data.

    Args:
        sandbox: Where it runs; without isolation nothing is run, because the script could read the true outcomes.
        copies_folder: Folder of the copies, as `audit.rehearsal.make_copies` filled it.
        script: Python.
        limits: Limits of the process tree.
    """
    data = copied(copies_folder)
    if refused := _refusal(sandbox, data, script):
        return Rehearsed(refused=refused)
    started = time.perf_counter()
    try:
        place = temporary_folder()
        try:
            result = await _run(sandbox, place, data, script, limits)
            files = _files(place / "work")
            heads = "" if result.killed else _heads(place / "work", files)
            struck = () if result.killed else _struck(place / "work", files, data, script)
        finally:
            remove_tree(place)
    except (BioresearcherError, OSError):
        return Rehearsed(refused="the sandbox could not be set up")
    places = (place, copies_folder, Path(sys.prefix), Path(sys.base_prefix))
    told = replace(_told(result, places, files, limits, time.perf_counter() - started), struck=struck)
    return replace(told, shown="\n".join(t for t in (told.shown, visible(without_places(heads, *places))) if t))


def _refusal(sandbox: Sandbox, data: dict[str, Path], script: str) -> str:
    size = len(script.encode("utf-8", "replace"))
    if sandbox.name == "none":
        return "a rehearsal needs a sandbox that isolates it, because the true outcomes must stay hidden"
    if not script.strip():
        return "there is no script"
    if size > SCRIPT_BYTES:
        return f"the script has {size:,} bytes, more than the {SCRIPT_BYTES:,} of a rehearsal; shorten it"
    return "" if data else "there are no copies of data"


async def _run(sandbox: Sandbox, place: Path, data: dict[str, Path], script: str, limits: Limits) -> ExecResult:
    code, work = place / "code", place / "work"
    for folder in (code, work):
        folder.mkdir()
    write_text(code / _SCRIPT, script.encode("utf-8", "replace").decode())
    job = Job(code_dir=code, script=_SCRIPT, work_dir=work, data=data, limits=limits)
    first = next(iter(sandbox.layout(job).data.values()))
    env = {"DATA": str(PurePosixPath(first).parent), "REHEARSAL": "1"}
    return await sandbox.run(Job(code_dir=code, script=_SCRIPT, work_dir=work, data=data, limits=limits, env=env))


def _told(
    result: ExecResult, places: tuple[Path, ...], files: tuple[tuple[str, int], ...], limits: Limits, seconds: float
) -> Rehearsed:
    out = visible(without_places(result.stdout, *places)).strip("\n")
    killed = result.killed or ""
    failed = bool(killed) or result.exit_code != 0
    error, line = "", None
    if killed:  # a killed process's last words differ from run to run
        error = explain(killed, limits)
    elif failed:
        error, line = _error(visible(without_places(result.stderr, *places)).strip("\n"))
        error = error or f"exit code {result.exit_code}, without a message"
    return Rehearsed(
        ok=not failed,
        exit_code=None if killed else result.exit_code,
        killed=killed,
        shown=_start(out, SHOWN_CHARS) if killed else _head_and_tail(out, SHOWN_CHARS),
        error=error,
        line=line,
        files=files,
        seconds=round(seconds, 3),
    )


def _error(text: str) -> tuple[str, int | None]:
    """Cut an error's text down to the script's own last frames and the message; also return the innermost line."""
    if (fatal := text.find(_FATAL)) >= 0:  # the interpreter itself ended; its innermost frame stands first
        frame = _FRAME.search(text, fatal)
        told = "\n".join([*([frame[0]] if frame else ()), text[fatal:].partition("\n")[0]])
        return _start(told, ERROR_CHARS), int(frame[1]) if frame else None
    last = text.rpartition(_TRACEBACK)[2]
    frames = list(_FRAME.finditer(last))
    if not frames:
        return _end(text, ERROR_CHARS), None
    starts = [m.start() for m in _ANY_FRAME.finditer(last)] or [frames[-1].start()]
    shown = []
    for frame in frames[-_FRAMES:]:
        after = next((s for s in starts if s > frame.start()), len(last))
        lines = last[frame.start() : after].strip("\n").splitlines()
        shown += [lines[0], *(n for n in lines[1:2] if n.startswith("    "))]
    body = last[max(starts[-1], frames[-1].start()) :].splitlines()
    message = [n for i, n in enumerate(body) if i and not n.startswith("    ")]
    head = "\n".join(_start(n, ERROR_CHARS // 6) for n in shown)
    return f"{head}\n{_start(chr(10).join(message), ERROR_CHARS - len(head) - 1)}".strip("\n"), int(frames[-1][1])


def _start(text: str, most: int) -> str:
    """Cut the end off, at a line's end where there is one."""
    if len(text) <= most:
        return text
    piece = text[: max(0, most)]
    line, found, _ = piece.rpartition("\n")
    return line if found else piece


def _end(text: str, most: int) -> str:
    """Cut the beginning off, at a line's end where there is one."""
    if len(text) <= most:
        return text
    piece = text[-most:] if most > 0 else ""
    _, found, lines = piece.partition("\n")
    return lines if found else piece


def _head_and_tail(text: str, most: int) -> str:
    """Cut the middle out at ends of lines."""
    if len(text) <= most:
        return text
    room = most - len(_LEFT_OUT.format(len(text))) - 2
    tail = _end(text, int(room * _TAIL_SHARE))
    head = _start(text, room - len(tail))
    return f"{head}\n{_LEFT_OUT.format(len(text) - len(head) - len(tail))}\n{tail}"


def _files(work: Path) -> tuple[tuple[str, int], ...]:
    """List the regular files that a script left, without following a link; names may be hostile."""
    found: list[tuple[str, int]] = []
    folders = [(work, 0)]
    while folders and len(found) < 10 * _MOST_FILES:
        folder, depth = folders.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders += [(Path(entry.path), depth + 1)] * (depth < _DEPTH)
                elif entry.is_file(follow_symlinks=False):
                    name = Path(entry.path).relative_to(work).as_posix()
                    size = entry.stat(follow_symlinks=False).st_size
                    found.append((one_line(name, _NAME_CHARS), size))
    return tuple(sorted(found)[:_MOST_FILES])


def _heads(work: Path, files: Sequence[tuple[str, int]]) -> str:
    """Return the first lines of the tables that a script left, as far as there is room; the others are named."""
    rows: list[str] = []
    room = HEADS_CHARS
    left = []
    for name, size in files:
        if not name.endswith(_TABLES) or not size:
            continue
        lines = _first_lines(work / name)
        text = "\n".join((f"first lines of {name} ({size:,} bytes):", *lines))
        if lines and len(text) <= room:
            rows.append(text)
            room -= len(text)
        else:
            left.append(name)
    rows += [f"not shown: {', '.join(left)}"] if left else []
    return "\n".join(rows)


def _struck(work: Path, files: Sequence[tuple[str, int]], data: Mapping[str, Path], script: str) -> tuple[str, ...]:
    """Check the findings that a script left as a run checks those of a task; names, sizes and kinds are as listed."""
    names = [name for name, size in files if size <= _CHECKED_BYTES and "/" not in name]
    if FINDINGS not in names:
        return ()
    tables = [n for n in names if n.endswith((".tsv", ".csv"))][:_CHECKED_TABLES]
    outputs = [TaskOutput(name="findings", file=FINDINGS, kind="findings")]
    outputs += [TaskOutput(name=f"table {n}", file=name, kind="table") for n, name in enumerate(tables, 1)]
    read = {f"{name}/{p.name}": p for name, folder in data.items() for p in sorted(folder.rglob("*")) if p.is_file()}
    inputs = tuple(TaskInput(name=name) for name in read)
    task = DryLabTask(id="T1", title="", goal="", step_ids=(), inputs=inputs, outputs=tuple(outputs))
    try:
        return struck_sentences(task, work, inputs=read, source=script)[:_MOST_STRUCK]
    except (OSError, ValueError):
        return ()


def _first_lines(path: Path) -> list[str]:
    """Read the beginning of a regular file without following a link; nothing of one that is none, or is closed."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return []
    with os.fdopen(handle, "rb") as file:
        lines = file.read(_HEAD_BYTES).decode(errors="replace").splitlines()
    return [line if len(line) <= _LINE_CHARS else f"{line[:_LINE_CHARS]} …" for line in lines[:_HEAD_LINES]]
