"""Driving a run from the terminal: progress, gates, Ctrl-C, and what is said at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sqlite3
import sys
from typing import Any

from rich.console import Console

from bioresearcher.cli.display import Plain, Progress, Silent
from bioresearcher.cli.feedback import revision_lines
from bioresearcher.cli.gates import ask_person
from bioresearcher.cli.replay import replay_lines
from bioresearcher.cli.selection import show_selection
from bioresearcher.cli.spending import usage_lines
from bioresearcher.errors import (
    BioresearcherError,
    DefectError,
    InputError,
    NothingRevisedError,
    RunFolderError,
    WorkspaceError,
)
from bioresearcher.events import past_events
from bioresearcher.graph.context import Context
from bioresearcher.graph.lean import keep_lean
from bioresearcher.graph.prepare import Inputs
from bioresearcher.graph.replay import Source
from bioresearcher.graph.run import Runner, approve_all, read_record
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import Decision, Replay, RunRecord
from bioresearcher.settings import Settings
from bioresearcher.text.format import count_of, duration
from bioresearcher.text.visible import one_line

EXIT = {"done": 0, "stopped": 3}
MOST_DOUBTS = 8
_TROUBLE = re.compile(
    r"^Task \S+ is not verified|^Requirement |without a sandbox|no sandbox|was judged unusable|relevant"
    r"|RETRACTED|expression of concern"
)
"""Doubts that the terminal repeats: those that change what the run is worth."""


def drive(
    folder: RunFolder,
    inputs: Inputs,
    settings: Settings,
    args: argparse.Namespace,
    *,
    backend_reason: str = "",
    forecast: tuple[str, ...] = (),
    replay: Source | None = None,
    feedback: str | None = None,
) -> int:
    """Run, resume, revise or replay in a folder; the exit code."""
    keep_lean()
    console = Console(stderr=args.json or args.quiet, highlight=False)
    past = past_events(folder.path("events.jsonl"))
    display = (
        Silent() if args.json or args.quiet else Progress(console, past) if console.is_terminal else Plain(console)
    )

    async def answer(question: dict[str, Any], context: Context) -> Decision | None:
        if args.yes:
            if question["gate"] == "approve_selection" and not args.json and not args.quiet:
                with display.paused():
                    show_selection(question, context, console)
            return await approve_all(question, context)
        if not sys.stdin.isatty() or not console.is_terminal:
            return None
        with display.paused():
            return await ask_person(question, context, console, runner_stopped)

    command = ("bioresearcher", *sys.argv[1:])
    runner = Runner(
        folder,
        inputs,
        settings,
        answer=answer,
        listener=display.event,
        command=command,
        backend_reason=backend_reason,
        forecast=forecast,
        replay=replay,
        feedback=feedback,
        show_revision=lambda revision, text: display.say("\n".join(revision_lines(revision, text))),
    )
    runner_stopped = asyncio.Event()
    display.say(f"run folder: {folder.root}")
    try:
        with display:
            record = asyncio.run(_run(runner, runner_stopped, display))
    except asyncio.CancelledError:
        display.say("stopped at once.")
        _tell_resume(folder)
        return 3
    except BrokenPipeError:
        raise
    except (BioresearcherError, OSError, sqlite3.DatabaseError) as error:
        begun = folder.has("run.json")
        said = trouble(folder, error)
        if begun and isinstance(said, InputError):
            if folder.has("report.md") and not isinstance(said, RunFolderError | NothingRevisedError):
                display.say(f"report: {folder.path('report.md')}")
        elif begun and (replay is None or not isinstance(error, BioresearcherError)):
            _tell_resume(folder)  # but a replay that failed would fail again: what has no recorded answer gets none
        if said is error:
            raise
        raise said from error
    _tell_end(folder, record, args, console)
    return EXIT.get(record.status, 4) or int(_differs(record))


async def _run(runner: Runner, stopped: asyncio.Event, display: Silent) -> RunRecord:
    """The run with its signals: the first stops at the next border, the second at once."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(runner.run())

    def on_signal(name: str) -> None:
        if stopped.is_set():
            task.cancel()
            return
        stopped.set()
        runner.stop(name)
        display.say(f"{name}: stopping when the running steps end; once more stops at once.")

    for sign, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")):
        loop.add_signal_handler(sign, on_signal, name)
    return await task


def trouble(folder: RunFolder, error: Exception) -> BioresearcherError:
    """What ended a run, in words; when nothing was started, no empty folder is left behind."""
    if not folder.has("run.json"):
        _remove_empty(folder)
    if isinstance(error, BioresearcherError):
        return error
    if isinstance(error, OSError | sqlite3.DatabaseError):
        return WorkspaceError(
            f"the run in {folder.root} cannot go on: {error}.",
            hint="Check space and permissions, then try again. A damaged checkpoints.sqlite may be deleted: what is "
            "recorded elsewhere is used again.",
        )
    return DefectError(f"this is a bug: {type(error).__name__}: {error} (please report it; --debug shows where)")


def _remove_empty(folder: RunFolder) -> None:
    """Remove a run folder in which nothing but the fresh ledger and lock lie."""
    for name in ("lock", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "events.jsonl"):
        folder.path(name).unlink(missing_ok=True)
    try:
        folder.root.rmdir()
    except OSError:
        return


def end_lines(record: RunRecord) -> list[str]:
    """What a finished run says of itself: its counts, then what went wrong, in the words of the manifest."""
    t = record.totals
    read = f"{count_of(t.papers_read, 'paper')} read"
    if t.quotes:
        read += f", {t.quotes_located} of {count_of(t.quotes, 'quote')} located"
    steps = f"{count_of(t.steps, 'protocol step')}, {t.steps_linked} linked to what was read"
    ran = f"{count_of(t.tasks, 'task')}: {t.exit_ok} ended with exit code 0, {t.verified} verified"
    spent = f"{duration(t.wall_s)}, {count_of(t.calls, 'model call')}"
    lines = ["", f"{read} · {steps}", f"{ran if t.tasks else 'no task was run'} · {spent}", *usage_lines(record)]
    lines += [f"! {one_line(f'{f.item}: {f.message}', 300)}" for f in record.failures]
    telling = [d for d in record.not_verified if _TROUBLE.search(d)]
    lines += [f"! {one_line(d, 200)}" for d in telling[:MOST_DOUBTS]]
    if len(record.not_verified) > len(telling[:MOST_DOUBTS]):
        lines.append(
            f"{count_of(len(record.not_verified), 'doubt')} in all: the report's section “What was not verified”"
        )
    return lines


def done_lines(folder: RunFolder, record: RunRecord) -> list[str]:
    """The same, and where to read on."""
    return [*end_lines(record), f"protocol: {folder.path('protocol.md')}", f"report:   {folder.path('report.html')}"]


def _differs(record: RunRecord) -> bool:
    return record.replay_of is not None and record.replay_of.identical is False


def _tell_compared(replay: Replay, console: Console, *, silent: bool) -> None:
    """What the comparison gave; differences are said on standard error, whatever else is shown."""
    if replay.identical and not silent:
        console.print(replay_lines(replay)[0], soft_wrap=True, markup=False)
    elif not replay.identical:
        print("\n".join(replay_lines(replay)), file=sys.stderr)


def _tell_resume(folder: RunFolder) -> None:
    print(f"go on with: bioresearcher resume {folder.root}", file=sys.stderr)


def tell_finished(folder: RunFolder, args: argparse.Namespace) -> int:
    """Say what a finished run gave; the exit code."""
    console = Console(stderr=args.json or args.quiet, highlight=False)
    console.print(f"nothing changed since {folder.root.name}: this is its result", soft_wrap=True, markup=False)
    _tell_end(folder, read_record(folder), args, console)
    return 0


def _tell_end(folder: RunFolder, record: RunRecord, args: argparse.Namespace, console: Console) -> None:
    if args.json:
        print(json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=2))
    elif args.quiet and record.status == "done":
        print(folder.path("report.html"))
    elif record.status == "done":
        for line in done_lines(folder, record):
            console.print(line, soft_wrap=True, markup=False)
    if record.replay_of and record.status == "done":
        _tell_compared(record.replay_of, console, silent=args.json or args.quiet)
    if record.status == "stopped":
        print(f"stopped: {record.stopped_by}", file=sys.stderr)
        for line in usage_lines(record):
            print(line, file=sys.stderr)
        if "declined" in record.stopped_by:
            change = "; --feedback changes its protocol" if folder.has("protocol.json") else ""
            print(f"the answer stands for this run; start a new one to choose again{change}", file=sys.stderr)
            return
        if "gate" in record.stopped_by:
            print("answer it in a terminal, or add --yes", file=sys.stderr)
        _tell_resume(folder)
