"""The work of `bioresearcher batch`: check the file, ask for the cost, carry out, print the end."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console

from bioresearcher.batch.check import BatchFile, BatchFileError, CheckedEntry, load_batch_file
from bioresearcher.batch.folder import SPENT, BatchFolder
from bioresearcher.batch.local import Executor, LocalExecutor
from bioresearcher.batch.plan import (
    Backends,
    BatchOptions,
    BatchWork,
    batch_folder,
    deadline,
    described,
    make_plan,
    same_each_time,
    settle_backends,
    tasks_inside,
    work_of,
)
from bioresearcher.batch.run import BatchRun, Display
from bioresearcher.batch.schema import BatchPlan, JobOutcome
from bioresearcher.batch.shared_budget import Spent
from bioresearcher.batch.summary_output import write_summary
from bioresearcher.cli.batch_display import make_display
from bioresearcher.cli.output import console_for, cost_text, print_json, say
from bioresearcher.cli.spending import confirm
from bioresearcher.errors import InputError
from bioresearcher.graph.lock import RunLock
from bioresearcher.graph.prepare import forecast_of
from bioresearcher.graph.run import limit_memory
from bioresearcher.llm.budget import Budget
from bioresearcher.llm.forecast import Forecast, StepForecast
from bioresearcher.llm.select_backend import SelectedBackend
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Usage
from bioresearcher.text.format import count_of, duration

if TYPE_CHECKING:
    from distributed import Security

    from bioresearcher.batch.dask_worker import WorkerRequest

_LOOKED_AT = 20
"""Objectives whose papers and data are read for the forecast; more are taken to be like them."""
STOPPED, FAILED = 3, 4


@dataclass(frozen=True)
class Placement:
    """A choice of machines: runs side by side, tasks inside of each run, and a function that makes the executor."""

    slots: int | None
    inside: int | None
    make: Callable[[int], Executor]


def start(args: argparse.Namespace) -> int:
    """Start a batch or go on with it; return the exit code."""
    limit_memory()
    console = console_for(args)
    file = load_batch_file(args.file, vars(args))
    place = _placement(args, file.settings.workspace)
    options = BatchOptions(
        args.jobs or place.slots or os.cpu_count() or 1, args.repeats, _budget(args), ("bioresearcher", *sys.argv[1:])
    )
    backends = settle_backends(file, options.budget)
    say(console, *described(file, backends))
    _agree(file, options, backends, args, console)
    folder = batch_folder(file.settings.workspace, file.path, args.name)
    with RunLock(RunFolder(folder.root)):
        plan, notes = make_plan(folder, file, options, named=args.name is not None)
        outcomes, stopped_by = _carry_out(folder, file, plan, backends, args, console, notes, place)
        write_summary(folder)
    return _tell_end(folder, plan, outcomes, stopped_by, args, console)


def check(args: argparse.Namespace) -> int:
    """Check the file only; return the exit code."""
    try:
        file = load_batch_file(args.file, vars(args))
    except BatchFileError as error:
        if args.json:
            print_json({"problems": [vars(p) for p in error.problems]})
            return error.exit_code
        raise
    if args.json:
        print_json({"objectives": len(file.ready), "problems": []})
    elif not args.quiet:
        runs = sum(one.entry.repeats or args.repeats for one in file.ready)
        print(f"{args.file}: {count_of(len(file.ready), 'objective')}, {count_of(runs, 'run')}; nothing is wrong")
    return 0


def _placement(args: argparse.Namespace, workspace: Path) -> Placement:
    """Choose the machines and make sure that they can do the work. Nothing is written before that is sure.

    Raises:
        InputError: Options do not fit, the cluster's file is wrong, or a package is missing.
        OutsideError: The scheduler does not answer within seconds, or its workers cannot do the work.
        WorkspaceError: The workspace cannot be written.
    """
    named = [name for name in ("scheduler", "cluster") if getattr(args, name)]
    if args.executor == "local":
        if named:
            raise InputError(f"--{named[0]} goes with --executor dask.")
        return Placement(None, None, LocalExecutor)
    if len(named) != 1:
        raise InputError("--executor dask needs one of --scheduler ADDRESS and --cluster FILE.")
    return _dask(args, workspace / "batches")


def _dask(args: argparse.Namespace, folder: Path) -> Placement:
    from bioresearcher.batch import dask_cluster as dask

    dask.need("distributed", "dask")
    security = dask.Tls(args.tls_ca, args.tls_cert, args.tls_key).security()
    if args.scheduler:
        dask.check_address(args.scheduler)
        threads, asked = asyncio.run(_threads(args.scheduler, security, folder))
        return Placement(threads, 1, lambda slots: dask.DaskExecutor(args.scheduler, slots, asked, security=security))
    dask.need("dask_jobqueue", "cluster")
    cluster = dask.read_cluster(args.cluster)
    dask.check_here(cluster)
    request = dask.probe_in(folder)

    def make(slots: int) -> Executor:
        return dask.DaskExecutor(lambda: dask.start_cluster(cluster, security), slots, request, security=security)

    return Placement(cluster.slots, cluster.tasks_inside, make)


async def _threads(address: str, security: Security | None, folder: Path) -> tuple[int, WorkerRequest]:
    """Return the number of threads of a scheduler's workers, and the request they were probed with."""
    from bioresearcher.batch.dask_cluster import connected, fit, probe_in

    async with connected(address, security) as client:
        request = probe_in(folder)
        return await fit(client, request), request


def _agree(
    file: BatchFile, options: BatchOptions, backends: Backends, args: argparse.Namespace, console: Console
) -> None:
    """Print the forecast of the runs with each set of models, and ask when they cost money.

    Raises:
        InputError: It has to be asked, but there is no terminal.
        StoppedError: The answer was no.
    """
    groups: dict[int, list[CheckedEntry]] = {}
    choices: dict[int, SelectedBackend] = {}
    for one in file.ready:
        choice = backends.of(one.settings)
        if choice.kind == "chat":
            groups.setdefault(id(choice), []).append(one)
            choices[id(choice)] = choice
    for key, ready in groups.items():
        runs = sum(one.entry.repeats or options.repeats for one in ready)
        looked_at = ready[:_LOOKED_AT]
        note = "" if len(ready) == len(looked_at) else f", judged by the first {len(looked_at)}"
        say(console, f"{count_of(runs, 'run')} with models{note}:")
        interactive = sys.stdin.isatty() and console.is_terminal
        forecast = _forecast(looked_at, runs, options, choices[key])
        confirm(forecast, yes=args.yes, budget=options.budget, console=console, interactive=interactive)


def _forecast(looked_at: Sequence[CheckedEntry], runs: int, options: BatchOptions, choice: SelectedBackend) -> Forecast:
    """Return the forecast of all runs, scaled from the entries that were looked at with their repeats."""
    seen = sum(one.entry.repeats or options.repeats for one in looked_at)
    steps: list[StepForecast] = []
    found: Forecast | None = None
    for one in looked_at:
        found = forecast_of(one.inputs, choice.applied(one.settings))
        times = (one.entry.repeats or options.repeats) * runs / seen
        steps.extend(step.times(times) for step in found.steps)
    return Forecast(steps=tuple(steps), models=found.models if found else {})


def _budget(args: argparse.Namespace) -> Budget:
    """Return the budget of all runs together.

    Raises:
        InputError: A limit is not possible; the message names the option.
    """
    try:
        return Budget.model_validate({name: getattr(args, name) for name in Budget.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise InputError(f"{option}: {first['msg'][:1].lower()}{first['msg'][1:]} (got {first['input']}).") from error


def _carry_out(
    folder: BatchFolder,
    file: BatchFile,
    plan: BatchPlan,
    backends: Backends,
    args: argparse.Namespace,
    console: Console,
    notes: list[str],
    place: Placement,
) -> tuple[dict[tuple[str, int], JobOutcome], str]:
    """Carry out the jobs that are left; return the last outcome of every run, and the reason of a stop."""
    spent = Spent(folder.path(SPENT))
    runs = len(plan.expected())
    work = work_of(folder, file, plan, backends, place.inside or tasks_inside(min(plan.jobs, runs)))
    until = deadline(plan, spent.seconds() / 60)
    jobs = [job.model_copy(update={"until": until}) for job in work.jobs]
    folder.write_plan(plan)
    for outcome in work.found:
        folder.add(outcome)
    display = make_display(console, runs, work.done, silent=args.json or args.quiet)
    display.note(f"batch folder: {folder.root}")
    for note in (*notes, *_notes(file, plan, backends, work)):
        display.note(note)
    executor = place.make(min(plan.jobs, max(1, len(jobs))))
    batch = BatchRun(folder, jobs, plan.budget, executor, display, spent)
    if jobs:
        with display:
            asyncio.run(_with_signals(batch, executor, display))
    last = folder.outcomes()
    digests = {entry.id: entry.digest for entry in plan.entries}
    current = {key: last[key] for key in plan.expected() if key in last and last[key].digest == digests[key[0]]}
    return current, batch.stopped_by


def _notes(file: BatchFile, plan: BatchPlan, backends: Backends, work: BatchWork) -> list[str]:
    """Return messages to be printed before the start."""
    notes = []
    again = [job for job in work.jobs if (job.run / "run.json").is_file()]
    if work.done or again:
        notes.append(
            f"going on: {count_of(len(work.done), 'run')} done before, {len(again)} taken up again, "
            f"{len(work.jobs) - len(again)} not yet begun"
        )
    same = same_each_time(file, plan, backends)
    if same:
        notes.append(
            f"{count_of(len(same), 'objective')} repeated without a model: the rules give the same each time, "
            "so their repeats show no spread"
        )
    return notes


async def _with_signals(batch: BatchRun, executor: Executor, display: Display) -> None:
    """Run the batch; the first signal stops all runs after their running steps, the second kills them."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(batch.run())
    heard: list[str] = []

    def on_signal(name: str) -> None:
        heard.append(name)
        if name == "SIGHUP":
            _leave_terminal()
        if len(heard) == 1:
            batch.stop(name)
            display.note(f"{name}: stopping when the running steps end; once more stops at once.")
        else:
            executor.kill()

    for sign, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")):
        loop.add_signal_handler(sign, on_signal, name)
    await task


def _leave_terminal() -> None:
    """Redirect standard output and error from a terminal that is gone to nowhere."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    for stream in (1, 2):
        if os.isatty(stream):
            os.dup2(null, stream)


def _tell_end(
    folder: BatchFolder,
    plan: BatchPlan,
    outcomes: dict[tuple[str, int], JobOutcome],
    stopped_by: str,
    args: argparse.Namespace,
    console: Console,
) -> int:
    """Print the outcomes of the batch; return the exit code."""
    states: Counter[str] = Counter(outcome.status for outcome in outcomes.values())
    left = len(plan.expected()) - len(outcomes)
    code = STOPPED if left or states["stopped"] else FAILED if states["failed"] else 0
    if args.json:
        print_json(
            {
                "name": plan.name,
                "folder": str(folder.root),
                "exit_code": code,
                "stopped_by": stopped_by,
                "runs": len(plan.expected()),
                **{name: states[name] for name in ("done", "stopped", "failed")},
                "not_begun": left,
                "outcomes": [outcomes[key].model_dump(mode="json") for key in plan.expected() if key in outcomes],
            }
        )
        return code
    if args.quiet:
        print(folder.root)
        return code
    say(console, *_end_lines(list(outcomes.values()), len(plan.expected()), states, left))
    if code:
        print(f"stopped: {stopped_by}" if stopped_by else "not all is done", file=sys.stderr)
        print(f"go on with the same command; what is done is left alone: {folder.root}", file=sys.stderr)
    return code


def _end_lines(outcomes: list[JobOutcome], runs: int, states: Counter[str], left: int) -> list[str]:
    """Return the counts of a batch in a few lines."""
    spent = sum((_usage(outcome) for outcome in outcomes), Usage())
    totals = [outcome.totals for outcome in outcomes]
    tasks, verified, exit_ok = (sum(getattr(t, name) for t in totals) for name in ("tasks", "verified", "exit_ok"))
    questions, answered = (sum(getattr(t, name) for t in totals) for name in ("questions", "answered"))
    told = [f"{answered} of {count_of(questions, 'question')} answered"] if questions else []
    return [
        "",
        *told,
        f"{count_of(runs, 'run')}: {states['done']} done, {states['failed']} failed, {states['stopped']} stopped, "
        f"{left} not begun",
        f"{count_of(tasks, 'task')}: {exit_ok} ended with exit code 0, {verified} verified",
        f"{spent.input_tokens + spent.output_tokens:,} tokens, {cost_text(spent)}, "
        f"{duration(sum(t.wall_s for t in totals))} of running in all",
    ]


def _usage(outcome: JobOutcome) -> Usage:
    t = outcome.totals
    return Usage(calls=t.calls, input_tokens=t.input_tokens, output_tokens=t.output_tokens, cost_usd=t.cost_usd)
