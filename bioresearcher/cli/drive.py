"""Driving a run from the terminal: progress, approvals, Ctrl-C, its end; also its replay and its revision."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bioresearcher.cli.display import Plain, Progress, Silent, watch_out
from bioresearcher.cli.options import find_run
from bioresearcher.cli.output import print_json, say, usage_lines
from bioresearcher.cli.run_messages import done_lines, explained, replay_lines, revision_lines
from bioresearcher.errors import BioresearcherError, InputError, NothingRevisedError, RunFolderError
from bioresearcher.events import Event, past_events
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.replay import ReplaySource, open_source
from bioresearcher.graph.run import (
    Runner,
    approve_all,
    inputs_of,
    limit_memory,
    new_run_folder,
    read_record,
    settings_of,
)
from bioresearcher.progress import RunProgress
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import Decision, RunRecord
from bioresearcher.settings import Settings, load_settings, with_budget

WITH_REPLAY = {"replay", "workspace", "jobs", "yes", "json", "quiet", "debug", "run", "sandbox"}
"""Options that go with a replay; any other would change what it repeats. For the sandbox see `_check_sandbox`."""
EXIT = {"done": 0, "stopped": 3}


def replay(args: argparse.Namespace) -> int:
    """Run a finished run again from its recorded answers and compare; return the exit code, 1 if something differs."""
    _refuse_others(args)
    root = find_run(args.replay)
    record = read_record(RunFolder(root))
    _check_sandbox(args.sandbox, record)
    place = _place(args, root)
    source = open_source(root, record)
    settings = settings_of(record).model_copy(update={"workspace": place.workspace, "jobs": place.jobs})
    folder = new_run_folder(settings.workspace, record.objective.id)
    return drive(folder, inputs_of(record), settings, args, replay=source)


def _refuse_others(args: argparse.Namespace) -> None:
    """Refuse what would change objective, inputs or settings.

    Raises:
        InputError: With the first such option.
    """
    for name, value in vars(args).items():
        if name not in WITH_REPLAY and value not in (None, False, []):
            option = "FILE" if name == "file" else "--" + name.replace("_", "-")
            raise InputError(
                f"{option} cannot be given with --replay.",
                hint="A replay takes objective, inputs and settings from the recorded run.",
            )


def _check_sandbox(asked: str | None, record: RunRecord) -> None:
    """Refuse to run the code of a run folder, which may come from somebody else, unprotected unless asked for here.

    Raises:
        InputError: `--sandbox` is not what was recorded, or `none` was recorded and not asked for.
    """
    recorded = record.settings.get("sandbox")
    if recorded == "none" and asked is None:
        raise InputError(
            "the recorded run ran its code without a sandbox.",
            hint="Add --sandbox none to run it unprotected again, with access to your files and network.",
        )
    if asked is not None and asked != recorded:
        raise InputError(f"--sandbox {asked} cannot be given with --replay: the recorded run has {recorded!r}.")


def _place(args: argparse.Namespace, root: Path) -> Settings:
    """Return the settings of this process, of which only the workspace and the number of jobs are used.

    Raises:
        InputError: The workspace would lie in the replayed run folder.
    """
    settings = load_settings({"workspace": args.workspace, "jobs": args.jobs})
    if settings.workspace.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"the workspace {settings.workspace} would lie in the run folder to be replayed.",
            hint="Use --workspace DIR.",
        )
    return settings


def feedback(args: argparse.Namespace) -> int:
    """Revise a run's protocol as a comment says and go on with it; return the exit code."""
    _refuse_other_inputs(args)
    folder = RunFolder(find_run(args.file))
    record = read_record(folder)
    if record.replay_of:
        raise InputError(
            f"{folder.root} is a replay and stays as it is.", hint=f"Comment on its origin: {record.replay_of.folder}"
        )
    settings = with_budget(settings_of(record), vars(args))
    return drive(folder, inputs_of(record), settings, args, feedback=args.feedback)


def _refuse_other_inputs(args: argparse.Namespace) -> None:
    """Refuse inputs of a new run, which an existing run cannot take any more.

    Raises:
        InputError: No run was named, or inputs beside it.
    """
    if args.file is None:
        raise InputError("--feedback needs the run it is about.", hint='bioresearcher run --feedback "…" RUN')
    names = ("example", "objective", "papers", "data", "requirement", "condition")
    given = [f"--{name}" for name in names if getattr(args, name)]
    if given:
        raise InputError(
            f"--feedback is about a run that exists and takes no {given[0]}.",
            hint="Say what to change in the comment, or start a new run.",
        )


def drive(
    folder: RunFolder,
    inputs: RunInputs,
    settings: Settings,
    args: argparse.Namespace,
    *,
    backend_reason: str = "",
    forecast: tuple[str, ...] = (),
    replay: ReplaySource | None = None,
    feedback: str | None = None,
) -> int:
    """Run, resume, revise or replay in a folder; return the exit code."""
    limit_memory()
    console = Console(stderr=args.json or args.quiet, highlight=False)
    past = past_events(folder.path("events.jsonl"))
    display = (
        Silent() if args.json or args.quiet else Progress(console, past) if console.is_terminal else Plain(console)
    )

    progress = RunProgress(past_events(folder.path("events.jsonl")))

    async def answer(question: dict[str, Any], context: RunContext) -> Decision | None:
        if args.yes:
            if question["gate"] == "approve_selection" and not args.json and not args.quiet:
                from bioresearcher.cli.approvals import show_selection

                with display.paused():
                    show_selection(question, context, console)
            return await approve_all(question, context)
        if not sys.stdin.isatty() or not console.is_terminal:
            return None
        from bioresearcher.cli.approvals import ask_person

        with display.paused():
            return await ask_person(question, context, console, stopped)

    runner = Runner(
        folder,
        inputs,
        settings,
        answer=answer,
        listener=lambda event: _happened(event, progress, display),
        command=("bioresearcher", *sys.argv[1:]),
        backend_reason=backend_reason,
        forecast=forecast,
        replay=replay,
        feedback=feedback,
        show_revision=lambda revision, text: display.say("\n".join(revision_lines(revision, text))),
    )
    stopped = asyncio.Event()
    display.say(f"run folder: {folder.root}")
    try:
        with display:
            record = asyncio.run(_run(runner, stopped, display, progress))
    except asyncio.CancelledError:
        display.say("stopped at once.")
        _tell_resume(folder)
        return 3
    except BrokenPipeError:
        raise
    except (BioresearcherError, OSError, sqlite3.DatabaseError) as error:
        begun = folder.has("run.json")
        reason = explained(folder, error)
        if begun and isinstance(reason, InputError):
            if folder.has("report.md") and not isinstance(reason, RunFolderError | NothingRevisedError):
                display.say(f"report: {folder.path('report.md')}")
        elif begun and (replay is None or not isinstance(error, BioresearcherError)):
            _tell_resume(folder)  # but a replay that failed would fail again: what has no recorded answer gets none
        if reason is error:
            raise
        raise reason from error
    _tell_end(folder, record, args, console)
    differs = record.replay_of is not None and record.replay_of.identical is False
    unanswered = record.replay_of is None and record.answers.nothing
    return EXIT.get(record.status, 4) or int(differs or unanswered)


def _happened(event: Event, progress: RunProgress, display: Silent) -> None:
    progress.event(event)
    display.event(event)


async def _run(runner: Runner, stopped: asyncio.Event, display: Silent, progress: RunProgress) -> RunRecord:
    """Run; the first signal stops it after the running steps, the second at once."""
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
    watching = asyncio.create_task(watch_out(progress, display.say))
    try:
        return await task
    finally:
        watching.cancel()


def _tell_resume(folder: RunFolder) -> None:
    print(f"go on with: bioresearcher resume {folder.root}", file=sys.stderr)


def tell_finished(folder: RunFolder, args: argparse.Namespace) -> int:
    """Print the result of a finished run; return the exit code."""
    console = Console(stderr=args.json or args.quiet, highlight=False)
    say(console, f"nothing changed since {folder.root.name}: this is its result")
    _tell_end(folder, read_record(folder), args, console)
    return 0


def _tell_end(folder: RunFolder, record: RunRecord, args: argparse.Namespace, console: Console) -> None:
    """Print the end of a run; how to go on is printed on standard error."""
    if args.json:
        print_json(record.model_dump(mode="json"))
    elif args.quiet and record.status == "done":
        print(folder.path("report.html"))
    elif record.status == "done":
        say(console, *done_lines(folder, record))
    if record.status == "done" and record.replay_of:
        if not record.replay_of.identical:
            print("\n".join(replay_lines(record.replay_of)), file=sys.stderr)
        elif not (args.json or args.quiet):
            say(console, *replay_lines(record.replay_of))
    if record.status == "stopped":
        print("\n".join([f"stopped: {record.stopped_by}", *usage_lines(record)]), file=sys.stderr)
        if "declined" in record.stopped_by:
            change = "; --feedback changes its protocol" if folder.has("protocol.json") else ""
            print(f"the answer stands for this run; start a new one to choose again{change}", file=sys.stderr)
            return
        if "gate" in record.stopped_by or "approval" in record.stopped_by:
            print("answer it in a terminal, or add --yes", file=sys.stderr)
        _tell_resume(folder)
