"""Driving a run from the terminal: progress, gates, Ctrl-C, and what is said at the end.

`bioresearcher run --replay`: a finished run once more, from its recorded answers.

`bioresearcher run --feedback`: the protocol of a run with what a comment asks for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bioresearcher.cli.approvals import ask_person
from bioresearcher.cli.display import Plain, Progress, Silent
from bioresearcher.cli.options import find_run
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
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.replay import ReplaySource
from bioresearcher.graph.run import Runner, approve_all, keep_lean, read_record
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import Decision, Replay, RunRecord
from bioresearcher.settings import Settings
from bioresearcher.text.format import count_of, duration
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.schemas.run import Replay, Revision, RunRecord
    from bioresearcher.settings import Settings


ALLOWED = {"replay", "workspace", "jobs", "yes", "json", "quiet", "debug", "run", "sandbox"}
"""Options that go with a replay; all others would change what it repeats. For the sandbox see `_check_sandbox`."""
MOST_DIFFERENCES = 20
_COUNTED = {"reports": "report of a paper", "analyses": "analysis of a paper", "outputs": "output"}
"""What is said with its number -> its name in the singular."""


def replay(args: argparse.Namespace) -> int:
    """Run again and compare; the exit code, 1 when something differs."""
    from bioresearcher.graph.replay import open_source
    from bioresearcher.graph.run import inputs_of, new_run_folder, read_record, settings_of
    from bioresearcher.runfolder import RunFolder

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
        if name not in ALLOWED and value not in (None, False, []):
            option = "FILE" if name == "file" else "--" + name.replace("_", "-")
            raise InputError(
                f"{option} cannot be given with --replay.",
                hint="A replay takes objective, inputs and settings from the recorded run.",
            )


def _check_sandbox(asked: str | None, record: RunRecord) -> None:
    """A run folder may come from somebody else: what it holds is run unprotected only when asked for here, too.

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
    """The settings of this process; only the workspace and the number of jobs are used.

    Raises:
        InputError: The workspace would lie in the replayed run folder.
    """
    from bioresearcher.settings import load_settings

    settings = load_settings({"workspace": args.workspace, "jobs": args.jobs})
    if settings.workspace.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"the workspace {settings.workspace} would lie in the run folder to be replayed.",
            hint="Use --workspace DIR.",
        )
    return settings


def replay_lines(replay: Replay) -> list[str]:
    """What a finished replay says: what is identical, or which files differ and what else is not as it was."""
    from bioresearcher.text.format import count_of
    from bioresearcher.text.visible import one_line

    if replay.identical:
        said = (count_of(n, _COUNTED[k], k) if k in _COUNTED else k for k, n in replay.compared.items() if n)
        return [f"identical: {', '.join(said)}"]
    number, most = len(replay.differing), MOST_DIFFERENCES
    lines = [f"{number} of {count_of(sum(replay.compared.values()), 'file')} not identical to {replay.folder}:"]
    lines += [f"differs: {name}" for name in replay.differing[:most]]
    if number > most:
        lines.append(f"and {number - most} more: see replay_of in run.json")
    return lines + [f"not as it was: {one_line(text, 200)}" for text in replay.changed[:most]]


MOST_LINES = 200
"""Lines of a difference that the terminal shows; the whole is in the run folder."""


def feedback(args: argparse.Namespace) -> int:
    """Revise a run's protocol and go on with it; the exit code."""
    from bioresearcher.graph.run import inputs_of, read_record, settings_of
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.settings import with_budget

    refuse_other_inputs(args)
    folder = RunFolder(find_run(args.file))
    record = read_record(folder)
    if record.replay_of:
        raise InputError(
            f"{folder.root} is a replay and stays as it is.", hint=f"Comment on its origin: {record.replay_of.folder}"
        )
    settings = with_budget(settings_of(record), vars(args))
    return drive(folder, inputs_of(record), settings, args, feedback=args.feedback)


def refuse_other_inputs(args: argparse.Namespace) -> None:
    """Refuse what a run that exists cannot be given any more.

    Raises:
        InputError: No run was named, or inputs beside it.
    """
    if args.file is None:
        raise InputError("--feedback needs the run it is about.", hint='bioresearcher run --feedback "…" RUN')
    other = {"--example": args.example, "--objective": args.objective, "--papers": args.papers, "--data": args.data,
             "--requirement": args.requirement, "--condition": args.condition}  # fmt: skip
    given = [name for name, value in other.items() if value]
    if given:
        raise InputError(
            f"--feedback is about a run that exists and takes no {given[0]}.",
            hint="Say what to change in the comment, or start a new run.",
        )


def revision_lines(revision: Revision, difference: str) -> list[str]:
    """What a revision did, part by part with the reason, and the difference."""
    lines = [f"revision {revision.number}: {one_line(revision.comment, 200)}"]
    lines += [f"  part {c.part} is concerned: {one_line(c.reason, 200)}" for c in revision.concerned]
    lines += [f"  step {c.step} {c.what}: {one_line(c.why, 200)}" for c in revision.changes]
    lines += [f"  {i} is excluded" for i in revision.excluded]
    lines += [f"  requirement {r.id} added: {one_line(r.text, 200)}" for r in revision.requirements]
    lines += [f"  not done: {one_line(n, 300)}" for n in revision.not_done]
    shown = difference.splitlines()
    lines += shown[:MOST_LINES]
    if len(shown) > MOST_LINES:
        lines.append(f"… {len(shown) - MOST_LINES} more lines in revisions/{revision.number}/diff.txt")
    found = f"{count_of(len(revision.found), 'finding')} of the gates new, {len(revision.resolved)} resolved"
    lines += [f"{f.gate} {f.severity} at {f.location}: {one_line(f.message, 200)}" for f in revision.found]
    parts = ", ".join(revision.changed_parts) or "none"
    return [*lines, f"parts changed: {parts}; all others are as they were. {found}."]


EXIT = {"done": 0, "stopped": 3}
MOST_DOUBTS = 8
_TROUBLE = re.compile(
    r"^Task \S+ is not verified|^Requirement |without a sandbox|no sandbox|was judged unusable|relevant"
    r"|RETRACTED|expression of concern"
)
"""Doubts that the terminal repeats: those that change what the run is worth."""


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
    """Run, resume, revise or replay in a folder; the exit code."""
    keep_lean()
    console = Console(stderr=args.json or args.quiet, highlight=False)
    past = past_events(folder.path("events.jsonl"))
    display = (
        Silent() if args.json or args.quiet else Progress(console, past) if console.is_terminal else Plain(console)
    )

    async def answer(question: dict[str, Any], context: RunContext) -> Decision | None:
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
