"""Starting, resuming and finishing a run."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command

from bioresearcher.errors import BioresearcherError, InputError, RunFolderError, WorkspaceError
from bioresearcher.events import Event, now
from bioresearcher.graph.build import build_pipeline
from bioresearcher.graph.context import Context
from bioresearcher.graph.lock import RunLock
from bioresearcher.graph.prepare import Inputs, MakeBackend, input_digests, open_context, resource_digests, versions
from bioresearcher.graph.state import initial_state
from bioresearcher.graph.totals import known_limits, totals
from bioresearcher.report.doubts import not_verified
from bioresearcher.report.view import load_view
from bioresearcher.report.write import write_reports
from bioresearcher.runfolder import RunFolder, safe_name
from bioresearcher.schemas.run import RUN_FORMAT, Decision, RunRecord
from bioresearcher.settings import Settings

AnswerGate = Callable[[dict[str, Any], Context], Awaitable[Decision | None]]
"""Answers a gate's question; None leaves it open and stops the run."""
CONFIG: RunnableConfig = {"configurable": {"thread_id": "run"}, "recursion_limit": 500, "max_concurrency": 16}
"""One run per database, so the thread's name is constant; the limit ends a loop that no rule ended."""


async def approve_all(question: dict[str, Any], context: Context) -> Decision:
    """What `--yes` answers."""
    return Decision(gate=str(question["gate"]), approved=True, by="--yes")


def new_run_folder(workspace: Path, objective_id: str) -> RunFolder:
    """A fresh folder `<workspace>/runs/<date>-<objective>[-n]`.

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
    """One run in this process. `stop()` asks it to stop at the next step border."""

    def __init__(
        self,
        folder: RunFolder,
        inputs: Inputs,
        settings: Settings,
        *,
        answer: AnswerGate = approve_all,
        listener: Callable[[Event], None] | None = None,
        make_backend: MakeBackend | None = None,
        command: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self._command = command
        self._inputs = inputs
        self._settings = settings
        self._answer = answer
        self._listener = listener
        self._make_backend = make_backend
        self._control = RunControl()
        self._values: dict[str, Any] = {}

    def stop(self, reason: str) -> None:
        """Ask for an orderly stop; safe from a signal handler."""
        self._control.request_drain(reason)

    async def run(self) -> RunRecord:
        """Run from the start, or on from where the folder's checkpoints end.

        Raises:
            RunFolderError: The folder is in use, or its inputs changed since the run started.
            BioresearcherError: The run failed; `run.json` says so and the run can be resumed.
        """
        started = time.monotonic()
        with RunLock(self.folder):
            opening = open_context(self.folder, self._inputs, self._settings, self._listener, self._make_backend)
            async with opening as context:
                record = self._begin(context)
                try:
                    status, stopped_by = await self._drive(context)
                except BioresearcherError as error:
                    self._finish(context, record, started, "failed", f"{type(error).__name__}: {error}")
                    raise
                return self._finish(context, record, started, status, stopped_by)

    def _begin(self, context: Context) -> RunRecord:
        """The manifest at the start of this process's work on the run."""
        digests = input_digests(context)
        if self.folder.has("run.json"):
            record = read_record(self.folder)
            changed = [p for p, d in digests.items() if record.inputs and record.inputs.get(p) != d]
            if changed:
                raise RunFolderError(
                    f"{changed[0]} changed since the run started.", hint="Start a new run with the changed files."
                )
            record = record.model_copy(update={"status": "running", "stopped_by": "", "finished": None})
        else:
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
                backend=context.caller.backend.name,
                versions=versions(),
            )
        record = record.model_copy(
            update={
                "inputs": digests,
                "digests": resource_digests(self._settings),
                "sandbox": context.sandbox.name if context.sandbox else "",
            }
        )
        self.folder.write(record, "run.json")
        context.caller.events.emit("run", "run", "start", context.objective.text)
        return record

    async def _drive(self, context: Context) -> tuple[str, str]:
        """Drive the graph to its end, a stop, or an open gate: (status, what stopped it)."""
        path = self.folder.path("checkpoints.sqlite")
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            graph = build_pipeline().compile(checkpointer=saver)
            try:
                return await self._steps(graph, context)
            finally:
                self._values = (await graph.aget_state(CONFIG)).values

    async def _steps(self, graph: Any, context: Context) -> tuple[str, str]:  # noqa: ANN401 - a compiled graph
        state = await graph.aget_state(CONFIG)
        # not `next`: it is empty, too, when a step was recorded but the process died before the step after it began
        if state.values and not state.tasks:
            return _outcome(state.values)
        question: Any = None if state.values else initial_state()
        while True:
            if state.interrupts:
                question = await self._answered(context, state.interrupts[0].value)
                if question is None:
                    return "stopped", f"the gate {state.interrupts[0].value['gate']} is open"
            try:
                await graph.ainvoke(question, CONFIG, context=context, durability="sync", control=self._control)
            except GraphDrained:
                return "stopped", self._control.drain_reason or "stop asked for"
            state = await graph.aget_state(CONFIG)
            if not state.interrupts:
                return _outcome(state.values)

    async def _answered(self, context: Context, value: dict[str, Any]) -> Command[Any] | None:
        context.caller.events.emit("gate", str(value["gate"]), "waiting")
        decision = await self._answer(value, context)
        if decision is None:
            return None
        context.caller.events.emit("gate", str(value["gate"]), "done", f"by {decision.by}", approved=decision.approved)
        return Command(resume=decision.model_dump(mode="json"))

    def _finish(self, context: Context, record: RunRecord, started: float, status: str, stopped_by: str) -> RunRecord:
        """The manifest and the reports at the end of this process's work."""
        spent = totals(context, self._values, record.totals.wall_s + time.monotonic() - started)
        record = RunRecord.model_validate(
            {
                **record.model_dump(),
                "status": status,
                "stopped_by": stopped_by,
                "finished": now(),
                "totals": spent,
                "decisions": self._values.get("decisions", []),
                "failures": self._values.get("failures", []),
                "not_verified": known_limits(context),
            }
        )
        self.folder.write(record, "run.json")
        doubts = not_verified(load_view(self.folder))
        record = record.model_copy(update={"not_verified": doubts})
        self.folder.write(record, "run.json")
        write_reports(self.folder)
        context.caller.events.emit("run", "run", "done" if status == "done" else "failed", stopped_by or status)
        return record


def _outcome(values: dict[str, Any]) -> tuple[str, str]:
    declined = [d.gate for d in values.get("decisions", []) if not d.approved]
    return ("stopped", f"declined at {declined[0]}") if declined else ("done", "")


def read_record(folder: RunFolder) -> RunRecord:
    """The manifest of a run folder.

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


def inputs_of(record: RunRecord) -> Inputs:
    """The inputs a run was started with."""

    def paths(name: str) -> tuple[Path, ...]:
        values = record.settings.get(name)
        return tuple(Path(str(v)) for v in values) if isinstance(values, list) else ()

    return Inputs(objective=record.objective, papers=paths("papers"), data=paths("data"))


def settings_of(record: RunRecord) -> Settings:
    """The settings a run was started with."""
    return Settings.model_validate({k: v for k, v in record.settings.items() if k in Settings.model_fields})
