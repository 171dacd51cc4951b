"""Starting, resuming and finishing a run; reading the manifest of one.

Finding a finished run of the same request, so that nothing is computed twice.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command
from pydantic import JsonValue, ValidationError

from bioresearcher.errors import (
    BioresearcherError,
    InputError,
    InputsChangedError,
    NothingRevisedError,
    RunFolderError,
    StoppedError,
    WorkspaceError,
)
from bioresearcher.events import Event, now
from bioresearcher.graph.approvals import DECLINED, has_pending_answer, run_outcome
from bioresearcher.graph.build import build_pipeline
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.finished_run import forget_finished, keep_finished, restore_finished
from bioresearcher.graph.lock import RunLock
from bioresearcher.graph.prepare import RunInputs, open_context, resource_digests, versions
from bioresearcher.graph.replay import LEDGER, ReplaySource, answers_of, ended, without_budget
from bioresearcher.graph.revise import Compiled, ShowRevision, apply_revisions, revise_run
from bioresearcher.graph.run_totals import (
    answers,
    change_budget,
    interventions,
    known_limits,
    note_intervention,
    spent_for,
    totals,
)
from bioresearcher.graph.services import MakeBackend, MakeMeter, ModelOptions, budget_of, describe_backend
from bioresearcher.graph.state import CLASSES, initial_state
from bioresearcher.llm.budget import Meter
from bioresearcher.llm.select_backend import choose_backend
from bioresearcher.report.caveats import not_verified
from bioresearcher.report.run_data import load_view
from bioresearcher.report.summaries import INCIDENTAL_SETTINGS
from bioresearcher.runfolder import RunFolder, file_sha256, safe_name
from bioresearcher.schemas.run import REVISE, RUN_FORMAT, Decision, RunRecord
from bioresearcher.settings import BUDGET, Settings

AnswerApproval = Callable[[dict[str, Any], RunContext], Awaitable[Decision | None]]
"""Answers an approval's question; None leaves it open and stops the run."""
CONFIG: RunnableConfig = {"configurable": {"thread_id": "run"}, "recursion_limit": 500, "max_concurrency": 16}
"""One run per database, so the thread's name is constant; the limit ends a loop that no rule ended."""


async def approve_all(question: dict[str, Any], context: RunContext) -> Decision:
    """Approve, as `--yes` does."""
    return Decision(gate=str(question["gate"]), approved=True, by="--yes")


def new_run_folder(workspace: Path, objective_id: str) -> RunFolder:
    """Make a new folder `<workspace>/runs/<date>-<objective>[-n]`.

    Raises:
        WorkspaceError: It cannot be made; the message says which folder and why.
        InputError: The workspace lies inside an installed package.
    """
    if "site-packages" in workspace.resolve().parts:
        raise InputError(f"the workspace {workspace} lies inside an installed package.", hint="Use --workspace DIR.")
    base = f"{datetime.now(UTC):%Y-%m-%d}-{safe_name(objective_id)[:48]}"
    runs = workspace / "runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = runs / (base if number == 1 else f"{base}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return RunFolder(path)
    except OSError as error:
        raise WorkspaceError(
            f"cannot create a run folder in {runs}: {error.strerror}.",
            hint="Check permissions and free space, or choose another folder with --workspace DIR.",
        ) from error
    raise WorkspaceError(f"{runs} already holds 10,000 runs of this name today.")


class Runner:
    """One run in this process; `stop()` stops it at the next step border."""

    def __init__(
        self,
        folder: RunFolder,
        inputs: RunInputs,
        settings: Settings,
        *,
        answer: AnswerApproval = approve_all,
        listener: Callable[[Event], None] | None = None,
        make_backend: MakeBackend | None = None,
        command: tuple[str, ...] = (),
        backend_reason: str = "",
        forecast: tuple[str, ...] = (),
        replay: ReplaySource | None = None,
        feedback: str | None = None,
        show_revision: ShowRevision | None = None,
        make_meter: MakeMeter = Meter,
    ) -> None:
        self.folder = folder
        self._command = command
        self._inputs = inputs
        self._settings = without_budget(settings) if replay else settings
        self._replay = replay
        self._answer = answer
        self._listener = listener
        self._make_backend = make_backend
        self._backend_reason = backend_reason
        self._forecast = forecast
        self._control = RunControl()
        self._values: dict[str, Any] = {}
        self._feedback = feedback
        self._show_revision = show_revision
        self._make_meter = make_meter
        self._context: RunContext | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._new_budget: dict[str, JsonValue] = {}
        self._last: RunRecord | None = None

    @property
    def context(self) -> RunContext | None:
        """The context of the run, while it works."""
        return self._context

    @property
    def settings(self) -> Settings:
        """The settings with the budget as it is now."""
        return self._settings

    def change_budget(self, settings: Settings, said: str) -> None:
        """Go on with the budget of these settings, and record that a person changed it; in the run's event loop.

        Raises:
            WorkspaceError: The run folder cannot be written.
        """
        change_budget(self.folder, settings, said)
        self._settings = self._settings.model_copy(update={name: getattr(settings, name) for name in BUDGET})
        self._new_budget = {name: self._settings.record()[name] for name in BUDGET}
        if self._context is not None and self._context.caller.meter is not None:
            self._context.caller.meter.budget = budget_of(self._settings)
            self._time_again()

    def stop(self, reason: str) -> None:
        """Ask for an orderly stop; safe from a signal handler."""
        self._control.request_drain(reason)

    async def run(self) -> RunRecord:
        """Run from the start, or on from where the folder's checkpoints end.

        Raises:
            RunFolderError: The folder is in use.
            InputsChangedError: Papers or data changed since the run started.
            BioresearcherError: The run failed; `run.json` says so and the run can be resumed.
        """
        started = time.monotonic()
        with RunLock(self.folder):
            await self._settle_backend()
            last = self._last = read_record(self.folder) if self.folder.has("run.json") else None
            elapsed_s = last.totals.wall_s if last else 0
            if self._replay and not self.folder.has(LEDGER):
                self._replay.copy_ledger(self.folder.path(LEDGER))
            wrap = answers_of(self._replay, self.folder) if self._replay else None
            options = ModelOptions(self._make_backend, elapsed_s, wrap, self._make_meter)
            async with open_context(self.folder, self._inputs, self._settings, self._listener, options) as opened:
                registered_at = self._replay.registered_at if self._replay else None
                context = self._context = replace(opened, registered_at=registered_at)
                record = self._begin(context)
                try:
                    status, stopped_by = await self._within_time(context)
                except StoppedError as error:
                    status, stopped_by = "stopped", str(error)
                except NothingRevisedError:
                    if last is not None:
                        self.folder.write(last, "run.json")
                    raise
                except BioresearcherError as error:
                    await context.caller.close(wait=True)
                    self._finish(context, record, started, "failed", f"{type(error).__name__}: {error}")
                    raise
                await context.caller.close(wait=True)  # what is under way is paid for: it is recorded
                if stopped_by.startswith(DECLINED) and (before := restore_finished(self.folder)) is not None:
                    return self._as_before(context, before, stopped_by)
                return self._finish(context, record, started, status, stopped_by)

    async def _settle_backend(self) -> None:
        """Choose the backend if none was given."""
        if self._make_backend is None and self._settings.backend in {"auto", "local"}:
            choice = await choose_backend(self._settings)
            self._settings, self._backend_reason = choice.applied(self._settings), choice.reason

    async def _within_time(self, context: RunContext) -> tuple[str, str]:
        """Drive the graph; it stops at the next step border when the minutes are used up."""
        self._time_again()
        try:
            return await self._drive(context)
        finally:
            self._context = None
            self._time_again()

    def _time_again(self) -> None:
        """Set the timer that stops the run when its present minutes are used up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        minutes, meter = self._settings.max_minutes, self._context.caller.meter if self._context else None
        if meter is not None and minutes is not None:
            reason = f"the budget of {minutes:g} minutes is used up. Resume with a larger --max-minutes."
            left_s = max(0.0, minutes * 60 - meter.elapsed_s)
            self._timer = asyncio.get_running_loop().call_later(left_s, self.stop, reason)

    def _begin(self, context: RunContext) -> RunRecord:
        """Write the manifest at the start of this process's work on the run."""
        digests = context.input_digests()
        if self.folder.has("run.json"):
            record = read_record(self.folder)
            changed = [p for p, d in digests.items() if record.inputs and record.inputs.get(p) != d]
            if changed:
                raise InputsChangedError(
                    f"{changed[0]} changed since the run started.", hint="Start a new run with the changed files."
                )
            settings = record.settings | {name: self._settings.record()[name] for name in (*BUDGET, "prices")}
            record = record.model_copy(
                update={"status": "running", "stopped_by": "", "finished": None, "settings": settings}
            )
        else:
            if self._replay:
                self._replay.check_inputs(digests)
            record = RunRecord(
                run_id=self.folder.root.name,
                status="running",
                started=now(),
                objective=self._inputs.objective,
                settings={
                    **self._settings.record(),
                    "papers": [str(p) for p in self._inputs.papers],
                    "data": [str(p) for p in self._inputs.data],
                    "command": list(self._command),
                },
                backend=describe_backend(self._settings, context.caller.backend.name),
                backend_reason=self._backend_reason,
                forecast=self._forecast,
                versions=versions(),
            )
            record = self._replay.begun(record) if self._replay else record
        record = record.model_copy(
            update={
                "inputs": digests,
                "digests": resource_digests(self._settings),
                "sandbox": context.sandbox.name if context.sandbox else "",
                "sandbox_test": context.sandbox_test,
            }
        )
        self.folder.write(record, "run.json")
        context.caller.events.emit("run", "run", "start", context.objective.text)
        return record

    async def _drive(self, context: RunContext) -> tuple[str, str]:
        """Drive the graph to its end, a stop, or an open approval: (status, reason for a stop)."""
        path = self.folder.path("checkpoints.sqlite")
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            saver.serde = JsonPlusSerializer(allowed_msgpack_modules=CLASSES)
            graph = build_pipeline().compile(checkpointer=saver)
            if self._feedback is not None:
                kept = self._last is not None and keep_finished(self.folder, self._last)
                try:
                    await revise_run(context, self._feedback, self._show_revision)
                except NothingRevisedError:
                    if kept:
                        forget_finished(self.folder)
                    raise
            await apply_revisions(graph, CONFIG, self.folder)
            try:
                return await self._steps(graph, context, answered=await has_pending_answer(saver, CONFIG))
            finally:
                self._values = (await graph.aget_state(CONFIG)).values

    async def _steps(self, graph: Compiled, context: RunContext, *, answered: bool) -> tuple[str, str]:
        """Run steps and ask questions in turn; a question whose answer was interrupted is not asked again."""
        state = await graph.aget_state(CONFIG)
        # not `next`: it is empty, too, when a step was recorded but the process died before the step after it began
        if state.values and not state.tasks:
            return run_outcome(state.values)
        question: Any = None if state.values else initial_state()
        while True:
            if state.interrupts and not answered:
                question = await self._answered(context, state.interrupts[0].value)
                if question is None:
                    return "stopped", f"the approval {state.interrupts[0].value['gate']} is open"
            answered = False
            try:
                await graph.ainvoke(question, CONFIG, context=context, durability="sync", control=self._control)
            except GraphDrained:
                return "stopped", self._control.drain_reason or "stop asked for"
            state = await graph.aget_state(CONFIG)
            if not state.interrupts:
                return run_outcome(state.values)

    async def _answered(self, context: RunContext, value: dict[str, Any]) -> Command[Any] | None:
        context.caller.events.emit("gate", str(value["gate"]), "waiting")
        turn = int(value.get("turn", 0))
        recorded = self._replay.decision(str(value["gate"]), turn) if self._replay else None
        decision = recorded or await self._answer(value, context)
        if decision is None:
            return None
        context.caller.events.emit("gate", str(value["gate"]), "done", f"by {decision.by}", approved=decision.approved)
        return Command(resume=decision.model_dump(mode="json"))

    def _as_before(self, context: RunContext, before: RunRecord, why: str) -> RunRecord:
        """Write the manifest of a finished run again whose changed protocol was declined: with what that cost."""
        decision = Decision(
            gate=REVISE, approved=False, by="human", outcome=f"{why}: nothing was changed", changed=False
        )
        note_intervention(self.folder, decision)
        rows = context.caller.ledger.rows()
        t = before.totals
        spent = spent_for(rows, papers=t.papers_read, protocols=bool(t.steps), tasks=t.tasks)
        update = {"usage": rows, "spent": spent, "decisions": (*before.decisions, decision)}
        record = RunRecord.model_validate({**before.model_dump(), **update})
        self.folder.write(record, "run.json")
        from bioresearcher.report.write import write_reports

        write_reports(self.folder)
        said = "declined: the finished run is as it was before the comment"
        context.caller.events.emit("note", "run", "info", said)
        context.caller.events.emit("run", "run", "done", record.status)
        return record

    def _finish(
        self, context: RunContext, record: RunRecord, started: float, status: str, stopped_by: str
    ) -> RunRecord:
        """Write the manifest and the reports at the end of this process's work."""
        rows = context.caller.ledger.rows()
        spent = totals(context, self._values, record.totals.wall_s + time.monotonic() - started)
        record = RunRecord.model_validate(
            {
                **record.model_dump(),
                "objective": context.objective,
                "status": status,
                "stopped_by": stopped_by,
                "finished": now(),
                "inputs": dict(sorted({**record.inputs, **context.added.recorded}.items())),
                "totals": spent,
                "usage": rows,
                "spent": spent_for(rows, papers=spent.papers_read, protocols=bool(spent.steps), tasks=spent.tasks),
                "decisions": [*self._values.get("decisions", []), *interventions(self.folder)],
                "settings": record.settings | self._new_budget,
                "failures": self._values.get("failures", []),
                "not_verified": known_limits(context),
                "answers": answers(context),
            }
        )
        self.folder.write(record, "run.json")
        doubts = not_verified(load_view(self.folder))
        record = record.model_copy(update={"not_verified": doubts})
        self.folder.write(record, "run.json")
        from bioresearcher.report.write import write_reports  # at the end, so that a run begins sooner

        write_reports(self.folder)
        if status == "done":
            forget_finished(self.folder)
        if self._replay and status == "done":
            record = ended(self._replay, self.folder, record)
            self.folder.write(record, "run.json")
        context.caller.events.emit("run", "run", "done" if status == "done" else "failed", stopped_by or status)
        return record


def read_record(folder: RunFolder) -> RunRecord:
    """Read the manifest of a run folder.

    Raises:
        RunFolderError: It is no run folder, or was written by a newer version.
    """
    path = folder.path("run.json")
    try:
        found = json.loads(path.read_bytes())
        version = found["format"]
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{folder.root} is no run folder: it has no run.json.",
            hint="A run that was killed in its first seconds has nothing to resume: start it anew.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} is damaged or no run manifest.") from error
    if not isinstance(version, int) or version > RUN_FORMAT:
        raise RunFolderError(
            f"{folder.root} was written by a newer version (format {version}, this version knows {RUN_FORMAT}).",
            hint="Upgrade bioresearcher to work on it.",
        )
    return folder.read(RunRecord, "run.json")


def inputs_of(record: RunRecord) -> RunInputs:
    """Return the inputs a run was started with."""

    def paths(name: str) -> tuple[Path, ...]:
        values = record.settings.get(name)
        return tuple(Path(str(v)) for v in values) if isinstance(values, list) else ()

    return RunInputs(objective=record.objective, papers=paths("papers"), data=paths("data"))


def settings_of(record: RunRecord) -> Settings:
    """Return the settings a run was started with.

    Raises:
        RunFolderError: This version does not know one of them.
    """
    try:
        return Settings.model_validate({k: v for k, v in record.settings.items() if k in Settings.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(
            f"run.json of {record.run_id}: the setting {where} cannot be used: {first['msg']}."
        ) from error


_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
_ARENAS = 2


def limit_memory() -> None:
    """Limit the memory of a long-lived process; call it before threads are started.

    By default glibc gives up to eight arenas per core to threads, and each keeps the memory once freed in it: a run
    then peaks a third higher. Imported modules stay until the end, so the collector of cycles need not visit them
    again and again. Where the C library has no such setting, nothing happens.
    """
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    if setting is not None:
        setting(_ARENA_MAX, _ARENAS)
    gc.freeze()


def find_finished(inputs: RunInputs, settings: Settings) -> RunFolder | None:
    """Return the newest finished run of the workspace with the same objective, inputs, settings, versions and prompts.

    Input files are hashed again: a run on files that changed since is not the same.
    """
    runs = settings.workspace / "runs"
    comparable = {name: value for name, value in settings.record().items() if name not in INCIDENTAL_SETTINGS}
    wanted_versions, wanted_digests = versions(), resource_digests(settings)
    for path in sorted(runs.glob("*/run.json"), key=lambda p: p.stat().st_mtime, reverse=True):
        folder = RunFolder(path.parent)
        try:
            record = read_record(folder)
        except RunFolderError:
            continue
        same = (
            record.status == "done"
            and inputs_of(record) == inputs
            and record.versions == wanted_versions
            and record.digests == wanted_digests
            and all(record.settings.get(name) == value for name, value in comparable.items())
            and folder.has("report.html")
            and all(file_sha256(Path(name)) == digest for name, digest in record.inputs.items())
        )
        if same:
            return folder
    return None
