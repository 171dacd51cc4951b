"""The plan of a batch: backends, manifest, and the jobs that earlier starts of the batch left to do."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.batch.check import BatchFile, CheckedEntry
from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.schema import BatchJob, BatchPlan, JobOutcome
from bioresearcher.batch.worker import outcome_of
from bioresearcher.errors import BioresearcherError, InputError, RunFolderError, WorkspaceError
from bioresearcher.events import now
from bioresearcher.graph.prepare import versions
from bioresearcher.graph.run import read_record
from bioresearcher.graph.services import budget_of, describe_backend, hosts_of
from bioresearcher.llm.budget import Budget, load_prices
from bioresearcher.llm.select_backend import SelectedBackend, choose_backend
from bioresearcher.report.summaries import INCIDENTAL_SETTINGS
from bioresearcher.runfolder import RunFolder, safe_name
from bioresearcher.settings import Settings

_NO_SEED = frozenset({"anthropic"})
"""Providers whose models take no seed."""


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch that its file does not contain."""

    jobs: int
    repeats: int
    budget: Budget
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backends:
    """The backend of each entry, chosen before anything is started; entries with the same models share one."""

    choices: dict[str, SelectedBackend]

    def of(self, settings: Settings) -> SelectedBackend:
        """Return the backend of an entry's settings."""
        return self.choices[_models_key(settings)]


def _models_key(settings: Settings) -> str:
    asked = settings.model_dump(mode="json", include={"backend", "models", "every_model"})
    return json.dumps(asked, sort_keys=True)


def settle_backends(file: BatchFile, together: Budget) -> Backends:
    """Choose the backend of each set of models; models that cost money need a price where money is limited.

    Raises:
        InputError: Models, keys or prices are missing; the message names the first objective that needs them.
        OutsideError: A server does not answer.
    """
    choices: dict[str, SelectedBackend] = {}
    for one in file.ready:
        key = _models_key(one.settings)
        try:
            if key not in choices:
                choices[key] = asyncio.run(choose_backend(one.settings))
            if choices[key].kind == "chat":
                prices = load_prices(one.settings.prices)
                for budget in (together, budget_of(one.settings)):
                    budget.check_possible(choices[key].models, prices)
        except BioresearcherError as error:
            error.message = f"{file.path}:{one.entry.line}: {one.entry.id}: {error.message}"
            raise
    return Backends(choices)


def batch_folder(workspace: Path, file: Path, name: str | None) -> BatchFolder:
    """Return the folder of a batch, made if missing; its default name is that of the file.

    Raises:
        WorkspaceError: It cannot be made.
        InputError: The workspace lies inside an installed package, or the name cannot name a folder.
    """
    if name is not None and safe_name(name) != name:
        raise InputError(f"--name: {name!r} cannot name a folder.", hint=f"For example: {safe_name(name)}.")
    if "site-packages" in workspace.resolve().parts:
        raise InputError(f"the workspace {workspace} lies inside an installed package.", hint="Use --workspace DIR.")
    root = workspace.absolute() / "batches" / (name or safe_name(file.stem))
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot create {root}: {error.strerror}.",
            hint="Check permissions and free space, or choose another folder with --workspace DIR.",
        ) from error
    return BatchFolder(root)


def make_plan(
    folder: BatchFolder, file: BatchFile, options: BatchOptions, *, named: bool
) -> tuple[BatchPlan, list[str]]:
    """Return the plan and notes on differences from an earlier one; nothing is written.

    Raises:
        InputError: The folder is another file's batch, or was begun with other settings.
    """
    before = folder.plan()
    plan = BatchPlan(
        name=folder.root.name,
        file=file.path,
        file_sha256=file.sha256,
        started=before.started if before else now(),
        continued=now(),
        entries=tuple(one.entry for one in file.ready),
        repeats=options.repeats,
        settings=file.settings.record(),
        budget=options.budget,
        jobs=options.jobs,
        command=options.command,
        versions=versions(),
    )
    return plan, _differences(before, plan, named=named) if before else []


def _differences(before: BatchPlan, plan: BatchPlan, *, named: bool) -> list[str]:
    """Return notes on the differences from the batch's earlier plan.

    Raises:
        InputError: It belongs to another file, or has other settings.
    """
    if before.file != plan.file and not named:
        raise InputError(
            f"the batch {plan.name} belongs to {before.file}.",
            hint=f"Use --name {plan.name} to go on with it all the same, or --name OTHER for a new one.",
        )
    changed = [
        name
        for name, value in plan.settings.items()
        if name not in INCIDENTAL_SETTINGS | {"prices"} and before.settings.get(name) != value
    ]
    if changed:
        raise InputError(
            f"the batch {plan.name} was begun with other settings: {', '.join(sorted(changed))}.",
            hint="Give the same ones to go on with it, or --name OTHER for a new batch.",
        )
    old, new = ({entry.id: entry.digest for entry in p.entries} for p in (before, plan))
    notes = [f"{name}: changed since, and run anew" for name, digest in new.items() if old.get(name, digest) != digest]
    gone = [name for name in old if name not in new]
    if gone:
        shown = ", ".join(gone[:3]) + (", …" if len(gone) > 3 else "")
        notes.append(f"no longer in the file, and left alone: {shown} ({len(gone)} in all)")
    if before.versions != plan.versions:
        notes.append("the program or a package is another version than when the batch was last worked on")
    return notes


@dataclass
class BatchWork:
    """The work of a batch, done and left.

    Attributes:
        done: Outcomes of finished runs.
        found: Those of them that were not yet recorded.
        jobs: The jobs that are left, in the order of the plan.
    """

    done: list[JobOutcome] = field(default_factory=list)
    found: list[JobOutcome] = field(default_factory=list)
    jobs: list[BatchJob] = field(default_factory=list)


def work_of(folder: BatchFolder, file: BatchFile, plan: BatchPlan, backends: Backends, tasks: int) -> BatchWork:
    """Separate finished runs from the jobs that are left, which run `tasks` tasks side by side each.

    A run that ended without a recorded outcome is found by its folder.

    Raises:
        RunFolderError: A run folder in the batch is damaged.
    """
    ready = {one.entry.id: one for one in file.ready}
    outcomes, work = folder.outcomes(), BatchWork()
    for name, repeat in plan.expected():
        one = ready[name]
        last = outcomes.get((name, repeat))
        last = last if last is not None and last.digest == one.entry.digest else None
        if last is not None and last.status == "done":
            work.done.append(last)
            continue
        job = _job(folder, plan, one, repeat, backends, tasks, last.attempts + 1 if last else 1)
        if _ended(job.run):
            outcome = outcome_of(job.model_copy(update={"attempt": max(1, job.attempt - 1)}), "done", 0, "", now())
            work.done.append(outcome)
            work.found.append(outcome)
        else:
            work.jobs.append(job)
    return work


def _ended(run: Path) -> bool:
    try:
        return run.is_dir() and read_record(RunFolder(run)).status == "done"
    except RunFolderError:
        return False


def _job(
    folder: BatchFolder, plan: BatchPlan, one: CheckedEntry, repeat: int, backends: Backends, tasks: int, attempt: int
) -> BatchJob:
    choice = backends.of(one.settings)
    several = (one.entry.repeats or plan.repeats) > 1
    settings, seed = _with_seed(choice.applied(one.settings), repeat, several=several)
    settings = settings.model_copy(update={"jobs": tasks, "workspace": settings.workspace.absolute()})
    return BatchJob(
        id=one.entry.id,
        repeat=repeat,
        seed=seed,
        digest=one.entry.digest,
        batch=folder.root,
        run=folder.run_folder(one.entry.id, repeat, one.entry.digest),
        objective=one.inputs.objective,
        papers=one.inputs.papers,
        data=one.inputs.data,
        settings=settings.record(),
        together=plan.budget,
        attempt=attempt,
        backend_reason=choice.reason,
        command=plan.command,
    )


def _with_seed(settings: Settings, repeat: int, *, several: bool) -> tuple[Settings, int | None]:
    """Return the settings with the repeat's seed: the one set, or 1, and one more for each further repeat.

    The seed is None where no model takes one: the deterministic rules give the same each time.
    """
    models = {role: model for role, model in settings.models.items() if model.provider not in _NO_SEED}
    given = [model.seed for model in models.values() if model.seed is not None]
    if settings.backend != "chat" or not models or not (several or given):
        return settings, None
    seed = (given[0] if given else 1) + repeat - 1
    seeded = {role: model.model_copy(update={"seed": seed}) for role, model in models.items()}
    return settings.model_copy(update={"models": {**settings.models, **seeded}}), seed


def tasks_inside(runs: int) -> int:
    """Return the tasks side by side inside a run, so that all runs together start about one per processor."""
    return max(1, (os.cpu_count() or 1) // max(1, runs))


def same_each_time(file: BatchFile, plan: BatchPlan, backends: Backends) -> list[str]:
    """Return ids of entries that are repeated although the deterministic rules give the same each time."""
    return [
        one.entry.id
        for one in file.ready
        if (one.entry.repeats or plan.repeats) > 1 and backends.of(one.settings).kind == "offline"
    ]


def described(file: BatchFile, backends: Backends) -> list[str]:
    """Return lines on the backends, with the number of objectives where they differ, and the services asked."""
    lines: dict[str, int] = {}
    for one in file.ready:
        choice = backends.of(one.settings)
        text = f"{describe_backend(choice.applied(one.settings), choice.kind)} ({choice.reason.rstrip('.')})"
        lines[text] = lines.get(text, 0) + 1
    hosts = dict.fromkeys(host for one in file.ready for host in hosts_of(one.settings))
    asked = f"{', '.join(hosts)} will be asked (none with --only-own)" if hosts else "none are asked"
    return [
        *(f"backend: {text}" + (f", {n} objectives" if len(lines) > 1 else "") for text, n in lines.items()),
        f"services: {asked}",
    ]


def deadline(plan: BatchPlan, minutes_before: float) -> float | None:
    """Return the end of the batch's minutes, in seconds since 1970; None when they are not limited."""
    if plan.budget.max_minutes is None:
        return None
    return time.time() + max(0.0, plan.budget.max_minutes - minutes_before) * 60
