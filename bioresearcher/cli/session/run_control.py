"""The run of a session: started, resumed, watched and stopped.

It works in a thread of its own, so that nothing it computes holds up what is typed.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text

from bioresearcher.cli.display import StageTree, watch_out
from bioresearcher.cli.session.terminal import SessionTerminal
from bioresearcher.errors import InputError, RunFolderError, StoppedError
from bioresearcher.progress import event_text
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.paper import ScreenedPaper

if TYPE_CHECKING:
    from bioresearcher.cli.session.intake import AgreedInputs
    from bioresearcher.events import Event
    from bioresearcher.graph.context import RunContext
    from bioresearcher.graph.prepare import RunInputs
    from bioresearcher.graph.run import Runner
    from bioresearcher.llm.budget import Meter
    from bioresearcher.schemas.run import Decision, RunRecord
    from bioresearcher.settings import Settings


T = TypeVar("T")
MOST_TASKS = 8
"""Running tasks that are drawn below the prompt."""
_REST_ROWS = 12
"""Rows that are left to the rest of the screen."""
_EXIT = {"done": 0, "stopped": 3}


class RunThread:
    """A run under way in its own thread. Its methods are called from the session's event loop.

    Args:
        make: Makes the run; called in the new thread, as importing the pipeline takes time.
    """

    def __init__(self, make: Callable[[], Runner]) -> None:
        self._make = make
        self._ended: Future[RunRecord] = Future()
        self._runner: Runner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[RunRecord] | None = None
        self._lock = threading.Lock()
        self._stop = ""
        self._broken_off = False

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._main, name="run", daemon=True).start()

    async def ended(self) -> RunRecord:
        """Wait for the end; return the run's record.

        Raises:
            StoppedError: It was broken off.
            BioresearcherError: It failed.
        """
        return await asyncio.shield(asyncio.wrap_future(self._ended))

    def stop(self, reason: str) -> None:
        """Ask for an orderly stop."""
        with self._lock:
            self._stop = reason
            if self._runner is not None:
                self._runner.stop(reason)

    def break_off(self) -> None:
        """Stop at once: calls in flight are lost, what is recorded stays."""
        with self._lock:
            self._broken_off = True
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # it has just ended
                    self._loop.call_soon_threadsafe(self._task.cancel)

    @property
    def context(self) -> RunContext | None:
        """The context of the run; None before it works."""
        return self._runner.context if self._runner else None

    async def within(self, act: Callable[[Runner, RunContext], Awaitable[T]]) -> T:
        """Await a function in the run's own event loop, with runner and context.

        Raises:
            InputError: The run does not work at the moment.
        """
        between = InputError("the run is just beginning or ending.", hint="Try again in a moment.")

        async def inside() -> T:
            if self._runner is None or self._runner.context is None:
                raise between
            return await act(self._runner, self._runner.context)

        if self._loop is None or self._loop.is_closed():
            raise between
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(inside(), self._loop))

    def _main(self) -> None:
        try:
            runner = self._make()
            record = asyncio.run(self._run(runner))
        except asyncio.CancelledError:
            self._ended.set_exception(StoppedError("stopped at once."))
        except BaseException as error:  # noqa: BLE001 - handed over to the session, which waits for it
            self._ended.set_exception(error)
        else:
            self._ended.set_result(record)

    async def _run(self, runner: Runner) -> RunRecord:
        with self._lock:
            self._runner, self._loop = runner, asyncio.get_running_loop()
            self._task = asyncio.create_task(runner.run())
            if self._stop:
                runner.stop(self._stop)
            if self._broken_off:
                self._task.cancel()
        return await self._task


def counts(folder: RunFolder) -> dict[str, tuple[int, int]]:
    """Return step → (items done, all items) from a run folder; steps not yet known are left out."""
    found: dict[str, tuple[int, int]] = {}
    try:
        papers = sum(row.kept for row in folder.read_list(ScreenedPaper, "screening.json"))
        tasks = len(folder.read_list(DryLabTask, "tasks.json"))
    except RunFolderError:
        return found
    for step, total, pattern in (
        ("read_paper", papers, "reports/*.json"),
        ("program_task", tasks, "tasks/*/record.json"),
    ):
        if total:
            found[step] = (len([*folder.root.glob(pattern)]), total)
    return found


@dataclass(frozen=True)
class Live:
    """State of a run under way in this process that is newer than its folder.

    Attributes:
        tree: Returns the lines of its stage tree for a width.
        meter: Its spending against its budget; None when there is no limit.
    """

    tree: Callable[[int], Sequence[Text]]
    meter: Meter | None = None


class SessionRun:
    """The run that a session is about.

    Args:
        terminal: The terminal for its state and its approvals.
        command: Carries out a slash command that is typed in an approval; called in the session's event loop.
        listen: Listens to commands while a run works, until it is cancelled.

    Attributes:
        folder: Its folder; None before the first run.
        code: The exit code of its last end.
        stopping: Reason for which it was asked to stop; empty when it was not.
    """

    def __init__(
        self,
        terminal: SessionTerminal,
        command: Callable[[str], Coroutine[Any, Any, bool]],
        listen: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self.folder: RunFolder | None = None
        self.code = 0
        self.stopping = ""
        self._terminal = terminal
        self._command = command
        self._listen = listen
        self._work: RunThread | None = None
        self._tree = StageTree()
        self._counts: dict[str, tuple[int, int]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def works(self) -> bool:
        """True while it works."""
        return self._work is not None

    def current(self) -> RunFolder:
        """Return its folder.

        Raises:
            InputError: There is none yet.
        """
        if self.folder is None:
            raise InputError("no run has begun yet.", hint="Say what to find out, or /resume RUN.")
        return self.folder

    def live(self) -> Live | None:
        """Return its live state; None while it does not work."""
        context = self._work.context if self._work else None
        return Live(self._tree.lines, context.caller.meter if context else None) if self._work else None

    def stop(self, reason: str) -> None:
        """Stop at the next step; an open approval stays open."""
        self.stopping = reason
        if self._work is not None:
            self._work.stop(reason)
        self._terminal.interrupt()

    def break_off(self) -> None:
        """Stop at once."""
        self.code = 3
        if self._work is not None:
            self._work.break_off()

    async def within(self, act: Callable[[Runner, RunContext], Awaitable[T]]) -> T:
        """Await a function in its event loop, with runner and context.

        Raises:
            InputError: It does not work at the moment.
        """
        if self._work is None:
            raise InputError("no run is under way.")
        return await self._work.within(act)

    async def begin(self, agreed: AgreedInputs) -> RunRecord | None:
        """Start a new run and wait for its end; None when it failed, which is printed."""
        from bioresearcher.graph.run import new_run_folder

        inputs = agreed.draft.inputs()
        self.folder = new_run_folder(agreed.settings.workspace, inputs.objective.id)
        self._terminal.say(f"run folder: {self.folder.root}")
        return await self._carry_out(
            self.folder, inputs, agreed.settings, backend_reason=agreed.reason, forecast=agreed.forecast
        )

    async def go_on(self, feedback: str | None = None) -> RunRecord | None:
        """Resume it, revised as a comment says, and wait for its end; None when it failed, which is printed.

        Raises:
            RunFolderError: Its record cannot be read.
        """
        from bioresearcher.graph.run import inputs_of, read_record, settings_of

        folder = self.current()
        record = read_record(folder)
        return await self._carry_out(folder, inputs_of(record), settings_of(record), feedback=feedback)

    async def _carry_out(
        self,
        folder: RunFolder,
        inputs: RunInputs,
        settings: Settings,
        **options: Any,  # noqa: ANN401 - the runner's own
    ) -> RunRecord | None:
        """Let it work while commands are listened to, and print its end."""
        from bioresearcher.cli.run_messages import ending, explained, revision_lines
        from bioresearcher.events import past_events
        from bioresearcher.graph.run import read_record

        def make() -> Runner:
            from bioresearcher.graph.run import Runner

            return Runner(
                folder,
                inputs,
                settings,
                answer=self._answer,
                listener=self._happened,
                command=("bioresearcher", *sys.argv[1:]),
                show_revision=lambda revision, text: self._terminal.say("\n".join(revision_lines(revision, text))),
                **options,
            )

        self._loop = asyncio.get_running_loop()
        self.stopping = ""
        past = past_events(folder.path("events.jsonl"))
        self._tree = StageTree(past, spent=self._spent, counts=lambda: self._counts)
        self._counts = counts(folder)
        self._work = RunThread(make)
        self._work.start()
        self._terminal.watch(self.lines)
        listening = asyncio.create_task(self._listen())
        watching = asyncio.create_task(watch_out(self._tree.progress, self._terminal.say))
        record: RunRecord | None = None
        try:
            record = await self._work.ended()
        except Exception as error:  # noqa: BLE001 - whatever ended the run is printed, and the session goes on
            reason = explained(folder, error)
            self.code = reason.exit_code
            self._terminal.say(str(reason) if isinstance(reason, StoppedError) else f"error: {reason}")
        finally:
            self._work = None
            self._terminal.watch(None)
            watching.cancel()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        if not folder.has("run.json"):
            self.folder = None
        elif record is None and read_record(folder).status == "done":
            self._terminal.say("The finished run is as it was.")
        elif record is None:
            self._terminal.say("/resume tries again from where it stopped.")
        else:
            self.code = _EXIT.get(record.status, 4)
            self._terminal.say("\n".join(ending(folder, record)))
        return record

    def lines(self, width: int, rows: int) -> list[Text]:
        """Return its state as lines, for so many columns and rows."""
        return self._tree.lines(width, most_tasks=max(0, min(MOST_TASKS, rows - _REST_ROWS)))

    # called from the run's own thread

    def _happened(self, event: Event) -> None:
        self._tree.event(event)
        if event.state == "done" and event.kind != "call":
            self._counts = counts(self.current())
        line = event_text(event)
        if line:
            self._terminal.say(f"{self._tree.elapsed_s:6.1f}s  {line}")

    async def _answer(self, question: dict[str, Any], context: RunContext) -> Decision | None:
        from bioresearcher.cli.approvals import answer_approval

        loop = self._loop or asyncio.get_running_loop()

        async def command(line: str) -> bool:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._command(line), loop))

        return await answer_approval(question, context, self._terminal, command)

    def _spent(self) -> str:
        context = self._work.context if self._work else None
        meter = context.caller.meter if context else None
        if context is None or meter is None or (context.caller.by_rule and not meter.budget.limited):
            return ""
        return meter.summary()
