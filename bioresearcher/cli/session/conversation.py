"""The session: one conversation over runs, which work in a thread of their own while it goes on."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from bioresearcher import __version__
from bioresearcher.cli.session.commands import COMMANDS, nearest, parse
from bioresearcher.cli.session.counts import counts
from bioresearcher.cli.session.intake import Agreed, Intake
from bioresearcher.cli.session.terminal import SessionTerminal
from bioresearcher.cli.session.work import Work
from bioresearcher.cli.stage_tree import StageTree, told
from bioresearcher.errors import BioresearcherError, InputError, StoppedError
from bioresearcher.runfolder import RunFolder

if TYPE_CHECKING:
    from bioresearcher.events import Event
    from bioresearcher.graph.context import Context
    from bioresearcher.graph.run import Runner
    from bioresearcher.schemas.run import Decision, RunRecord
    from bioresearcher.settings import Settings

_TWICE_S = 3.0
"""Seconds within which a second Ctrl-C leaves when nothing runs."""
_EXIT = {"done": 0, "stopped": 3}


class Session:
    """What is said and done from the start of the program to its end.

    Attributes:
        terminal: Where it is said.
        settings: Those of runs that begin in it.
        folder: The run that the conversation is about; None before the first.
        code: The exit code: how the last run ended.
    """

    def __init__(self, terminal: SessionTerminal, settings: Settings) -> None:
        self.terminal = terminal
        self.settings = settings
        self.folder: RunFolder | None = None
        self.code = 0
        self._work: Work | None = None
        self._tree = StageTree()
        self._counts: dict[str, tuple[int, int]] = {}
        self._next: Callable[[], Awaitable[None]] | None = None
        self._leaving = False
        self._stopping = ""
        self._interrupted_s = -_TWICE_S
        self._commands: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def converse(self) -> int:
        """Talk until the person leaves; the exit code."""
        self._loop = asyncio.get_running_loop()
        self.terminal.start()
        try:
            self._greet()
            threading.Thread(target=_load_pipeline, daemon=True).start()
            while not self._leaving:
                if self._next is not None:
                    act, self._next = self._next, None
                    await self._carefully(act())
                elif self.folder is None:
                    await self._take_in()
                else:
                    await self._idle()
        finally:
            await self.terminal.close()
        return self.code

    # what the person can do at any time

    def interrupt(self, name: str = "Ctrl-C") -> None:
        """The first time a run stops at its next step; the second time the session is left at once."""
        if self._work is None:
            now = time.monotonic()
            if now - self._interrupted_s < _TWICE_S:
                self.leave(name)
            else:
                self._interrupted_s = now
                self.terminal.say(f"{name} once more, or /quit, leaves.")
        elif self._stopping:
            self.terminal.say(f"{name}: leaving at once.")
            self.code, self._leaving = 3, True
            self._work.break_off()
            self.terminal.end()
        else:
            self.terminal.say(f"{name}: stopping when the running steps end; once more leaves at once.")
            self._stop(name)

    def leave(self, reason: str) -> None:
        """Leave the session; a run stops in order before."""
        self._leaving = True
        if self._work is not None and not self._stopping:
            self.terminal.say(f"{reason}: stopping when the running steps end.")
            self._stop(reason)
        self.terminal.end()

    def end(self, name: str, *, lost: bool = False) -> None:
        """The machine asks to end, or the terminal is gone: as `leave`, without a word to nobody."""
        if lost:
            self.terminal.lost()
        self.leave(name)

    def _stop(self, reason: str) -> None:
        self._stopping = reason
        if self._work is not None:
            self._work.stop(reason)
        self.terminal.interrupt()

    async def command(self, line: str) -> bool:
        """Carry out a slash command; False when the line is none."""
        parsed = parse(line)
        if parsed is None:
            return False
        name, rest = parsed
        if name in COMMANDS:
            await self._carefully(COMMANDS[name].act(self, rest))
        elif Path(line.strip()).exists():
            return False
        else:
            self.terminal.say(nearest(name))
        return True

    def current(self) -> RunFolder:
        """The run that the conversation is about.

        Raises:
            InputError: There is none yet.
        """
        if self.folder is None:
            raise InputError("no run has begun yet.", hint="Say what to find out, or /resume RUN.")
        return self.folder

    def view(self, name: str, rest: str) -> None:
        """Show something of the run."""
        self.terminal.say(f"run folder: {self.current().root}")
        for line in self._tree.lines(self.terminal.width):
            self.terminal.say(line)

    def begin_anew(self) -> None:
        """Take in another objective.

        Raises:
            InputError: A run is under way.
        """
        self._refuse_while_running()
        self._do_next(self._take_in)

    async def resume(self, name: str) -> None:
        """Go on with the run that the conversation is about, or with another.

        Raises:
            InputError: A run is under way, or it is no run folder.
        """
        from bioresearcher.cli.session.earlier import earlier_run, earlier_runs
        from bioresearcher.graph.run import read_record

        self._refuse_while_running()
        if not name and self.folder is None:
            self.terminal.say(earlier_runs(self.settings.workspace))
            return
        folder = earlier_run(self.settings.workspace, name) if name else self.current()
        record = await asyncio.to_thread(read_record, folder)
        self.folder = folder
        if record.status == "done":
            self.code = 0
            self.terminal.say(f"{folder.root.name} is finished.")
            self._do_next(self._tell_current)
        else:
            self._do_next(self._go_on)

    async def comment(self, text: str) -> None:
        """Change the protocol of the run as a comment says, and go on with it.

        Raises:
            InputError: A run is under way, or nothing was said.
        """
        self._refuse_while_running()
        self.current()
        if not text:
            raise InputError("/feedback: say what to change.", hint="/feedback drop part 4; set fdr to 0.01")
        self._do_next(lambda: self._go_on(feedback=text))

    async def change_budget(self, changes: dict[str, object], said: str) -> None:
        """Go on with another limit.

        Raises:
            InputError: It cannot be kept.
        """
        from bioresearcher.cli.session.earlier import settings_with
        from bioresearcher.graph.interventions import change_budget
        from bioresearcher.graph.run import read_record, settings_of

        if self._work is not None:

            async def change(runner: Runner, context: Context) -> None:
                runner.change_budget(settings_with(context.settings, changes), said)

            await self._work.within(change)
        elif self.folder is not None:
            change_budget(self.folder, settings_with(settings_of(read_record(self.folder)), changes), said)
        else:
            self.settings = settings_with(self.settings, changes)
        self.terminal.say(f"budget: {said}")

    # the conversation

    def _greet(self) -> None:
        self.terminal.say(
            f"BioResearcher {__version__} · workspace {self.settings.workspace}\n"
            "What is to be found out? Type or paste an objective, @FILE for one in a file, or `example` for the "
            "packaged one. /resume goes on with an earlier run, /help lists the commands."
        )

    async def _ask(self, prompt: str, *, words: tuple[str, ...] = (), multiline: bool = False) -> str | None:
        """An answer that is no slash command; None when the session goes elsewhere."""
        while True:
            line = await self.terminal.ask(prompt, words=words, multiline=multiline)
            if line is None:
                if self._next is None:
                    self.leave("the input ended")
                return None
            if not await self.command(line):
                return line
            if self._leaving or self._next is not None:
                return None

    async def _take_in(self) -> None:
        agreed = await Intake(self.terminal, self._ask, self.settings).talk()
        if agreed is not None:
            await self._begin(agreed)

    async def _begin(self, agreed: Agreed) -> None:
        from bioresearcher.graph.run import Runner, new_run_folder

        inputs = agreed.draft.inputs()
        self.folder = folder = new_run_folder(agreed.settings.workspace, inputs.objective.id)
        self.terminal.say(f"run folder: {folder.root}")

        def make() -> Runner:
            return Runner(
                folder,
                inputs,
                agreed.settings,
                answer=self._answer,
                listener=self._happened,
                command=("bioresearcher", *sys.argv[1:]),
                backend_reason=agreed.reason,
                forecast=agreed.forecast,
            )

        await self._carry_out(make)

    async def _go_on(self, feedback: str | None = None) -> None:
        from bioresearcher.cli.feedback import revision_lines
        from bioresearcher.graph.run import Runner, inputs_of, read_record, settings_of

        folder = self.current()
        record = read_record(folder)

        def make() -> Runner:
            return Runner(
                folder,
                inputs_of(record),
                settings_of(record),
                answer=self._answer,
                listener=self._happened,
                command=("bioresearcher", *sys.argv[1:]),
                feedback=feedback,
                show_revision=lambda revision, text: self.terminal.say("\n".join(revision_lines(revision, text))),
            )

        await self._carry_out(make)

    async def _carry_out(self, make: Callable[[], Runner]) -> None:
        """Let a run work while commands are listened to, and say how it ended."""
        from bioresearcher.cli.drive import trouble
        from bioresearcher.cli.session.endings import ending

        folder = self.current()
        self._stopping = ""
        self._tree = StageTree(spent=self._spent, counts=lambda: self._counts)
        self._counts = counts(folder)
        self._work = Work(make)
        self._work.start()
        self.terminal.watch(lambda width, rows: self._tree.lines(width, most_tasks=max(0, min(8, rows - 12))))
        listening = asyncio.create_task(self._listen())
        record: RunRecord | None = None
        try:
            record = await self._work.ended()
        except Exception as error:  # noqa: BLE001 - whatever ended the run is said, and the session goes on
            said = trouble(folder, error)
            self.code = said.exit_code
            self.terminal.say(Text(f"error: {said}" if not isinstance(said, StoppedError) else str(said)))
        finally:
            self._work = None
            self.terminal.watch(None)
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            if self._commands:
                await asyncio.wait(self._commands)
        if not folder.has("run.json"):
            self.folder = None
        elif record is not None:
            self.code = _EXIT.get(record.status, 4)
            self.terminal.say("\n".join(ending(folder, record)))
            if record.status == "stopped" and self._stopping and not self._leaving:
                await self._offer()
        elif not self._leaving:
            self.terminal.say("/resume tries again from where it stopped.")

    async def _offer(self) -> None:
        """After Ctrl-C: stop, go on, or change something."""
        has_protocol = self.current().has("protocol.json")
        change = ", or say what to change in the protocol" if has_protocol else ""
        line = await self._ask(f"Stopped. [s]top here, [c]ontinue{change}>", words=("stop", "continue"))
        said = (line or "").strip()
        if said.lower() in {"c", "continue"}:
            await self._go_on()
        elif said.lower() in {"", "s", "stop"} or not has_protocol:
            self.terminal.say("Stopped; /resume goes on with it.")
        else:
            await self._go_on(feedback=said)

    async def _idle(self) -> None:
        """Between runs."""
        line = await self._ask(">", words=tuple(f"/{name}" for name in COMMANDS))
        if line is None or not line.strip():
            return
        self.terminal.say("/new begins with another objective, /feedback changes the protocol, /help lists commands.")

    async def _listen(self) -> None:
        """Commands while a run works."""
        while not self._leaving:
            line = await self.terminal.listen(">", words=tuple(f"/{name}" for name in COMMANDS))
            if line is None:
                if not self._stopping:
                    self.leave("the input ended")
                    return
                await asyncio.sleep(0)
                continue
            task = asyncio.create_task(self._listened(line))
            self._commands.add(task)
            task.add_done_callback(self._commands.discard)
            await asyncio.wait([task])

    async def _listened(self, line: str) -> None:
        if line.strip() and not await self.command(line):
            self.terminal.say("The run is working: commands begin with / (/help), Ctrl-C stops it to change something.")

    # what a run tells and asks, from its own thread

    def _happened(self, event: Event) -> None:
        self._tree.event(event)
        if event.state == "done" and event.kind != "call":
            self._counts = counts(self.current())
        line = told(event)
        if line:
            self.terminal.say(Text(f"{self._tree.elapsed_s:6.1f}s  {line}"))

    async def _answer(self, question: dict[str, Any], context: Context) -> Decision | None:
        from bioresearcher.cli.session.simple_gate import answer_gate

        async def command(line: str) -> bool:
            if self._loop is None:
                return False
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.command(line), self._loop))

        return await answer_gate(question, context, self.terminal, command)

    def _spent(self) -> str:
        context = self._work.context if self._work else None
        meter = context.caller.meter if context else None
        if context is None or meter is None or (context.caller.by_rule and not meter.budget.limited):
            return ""
        return meter.summary()

    # small things

    def _do_next(self, act: Callable[[], Awaitable[None]]) -> None:
        """Leave the question that is open, and do this."""
        self._next = act

    def _refuse_while_running(self) -> None:
        if self._work is not None:
            raise InputError("a run is under way.", hint="Ctrl-C or /stop stops it first.")

    async def _tell_current(self) -> None:
        from bioresearcher.cli.session.endings import ending
        from bioresearcher.graph.run import read_record

        self.terminal.say("\n".join(ending(self.current(), read_record(self.current()))))

    async def _carefully(self, act: Awaitable[None]) -> None:
        """Do it; what is wrong is one line, and the session goes on."""
        try:
            await act
        except BioresearcherError as error:
            self.terminal.say(str(error))
        except OSError as error:
            self.terminal.say(f"that cannot be done: {error}")


def _load_pipeline() -> None:
    """Import what a run needs while the person types: it takes seconds."""
    import bioresearcher.graph.run  # noqa: F401 - imported for its effect
