"""The session: one conversation over runs, which work in a thread of their own, and its slash commands."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher import __version__
from bioresearcher.cli.session.intake import Draft, Intake, load_pipeline, pipeline_loaded
from bioresearcher.cli.session.run_control import SessionRun
from bioresearcher.cli.session.terminal import SessionTerminal
from bioresearcher.errors import BioresearcherError, InputError

if TYPE_CHECKING:
    from bioresearcher.cli.session.paper_questions import PaperQuestions
    from bioresearcher.graph.context import RunContext
    from bioresearcher.graph.run import Runner
    from bioresearcher.schemas.run import RunRecord
    from bioresearcher.settings import Settings


_COMMAND = re.compile(r"/([A-Za-z][A-Za-z-]*)(?:\s+(.*))?", re.DOTALL)
_AMOUNT = re.compile(r"\$?\s*([\d.,_]+)\s*([A-Za-z$]*)|([A-Za-z]+)\s+([\d.,_]+)")
_LIMITS = {
    unit: name
    for name, units in (("max_usd", "usd $ dollar"), ("max_tokens", "token"), ("max_minutes", "min minute"))
    for unit in units.split()
}


@dataclass(frozen=True)
class Command:
    """A slash command. `act` gets the session and the rest of the line."""

    usage: str
    summary: str
    act: Callable[[Session, str], Awaitable[None] | None]


def parse(line: str) -> tuple[str, str] | None:
    """Return name and rest of a slash command; None for any other line, such as a path."""
    found = _COMMAND.fullmatch(line.strip())
    return (found[1].lower(), (found[2] or "").strip()) if found else None


def unknown_command(name: str) -> str:
    """Return the message for a command that does not exist."""
    close = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    return f"/{name}: there is no such command. " + (f"Did you mean /{close[0]}?" if close else "/help lists them.")


def parse_budget(text: str) -> dict[str, object]:
    """Parse a limit: `5 usd`, `$5`, `200,000 tokens`, `30 minutes`.

    Raises:
        InputError: The text is no limit.
    """
    found = _AMOUNT.fullmatch(text.strip())
    wrong = InputError(
        f"/budget: {text[:60]!r} is no limit.", hint="For example: /budget 5 usd, 200000 tokens, 30 minutes."
    )
    if not found:
        raise wrong
    number, unit = (found[1], found[2]) if found[1] else (found[4], found[3])
    unit = unit.lower() or ("$" if "$" in text else "")
    name = _LIMITS.get(unit) or _LIMITS.get(unit.removesuffix("s"))
    try:
        value = float(number.replace(",", "").replace("_", ""))
    except ValueError:
        raise wrong from None
    if name is None:
        raise wrong
    return {name: int(value) if name == "max_tokens" else value}


def _with_budget(settings: Settings, changes: dict[str, object]) -> Settings:
    """Return the settings with other limits.

    Raises:
        InputError: A limit is no number above 0, or one in money cannot be kept.
    """
    from bioresearcher.graph.services import budget_of
    from bioresearcher.llm.budget import load_prices
    from bioresearcher.settings import models_by_role, with_budget

    changed = with_budget(settings, changes)
    budget_of(changed).check_possible(models_by_role(changed), load_prices(changed.prices))
    return changed


async def _budget(session: Session, text: str) -> None:
    if text:
        await session.change_budget(parse_budget(text), text)
    else:
        await session.view("budget", "")


async def _open(session: Session, what: str) -> None:
    from bioresearcher.cli.session.export import file_lines, path_of

    folder = session.run.current()
    if what:
        path = path_of(folder, what)
        session.terminal.say(str(path))
        await _open_on_desktop(path)
    else:
        session.terminal.say("\n".join(file_lines(folder)))  # as they are: a path is there to be copied


async def _export(session: Session, target: str) -> None:
    from bioresearcher.cli.session.export import export

    done = await asyncio.to_thread(export, session.run.current(), target)
    session.terminal.say("\n".join(done.lines()))


async def _open_on_desktop(path: Path) -> None:
    """Open a file with the desktop's program, where there is a desktop."""
    opener = shutil.which("xdg-open")
    if opener is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("there is no desktop to open it with.", hint="Copy the path.")
    nothing = asyncio.subprocess.DEVNULL
    await asyncio.create_subprocess_exec(opener, str(path), stdin=nothing, stdout=nothing, stderr=nothing)


def _viewed(name: str) -> Callable[[Session, str], Awaitable[None]]:
    return lambda session, item: session.view(name, item)


COMMANDS: Mapping[str, Command] = {
    "status": Command("/status", "what is done, what runs, what waits", _viewed("status")),
    "papers": Command(
        "/papers [3|ID|all]", "papers that are read; of one, what was taken from it and stands on it", _viewed("papers")
    ),
    "datasets": Command(
        "/datasets [2|ID]", "data sets, and whether they fit; of one, its columns and what uses it", _viewed("datasets")
    ),
    "protocol": Command("/protocol [2|2.1]", "the protocol, a part or a step of it", _viewed("protocol")),
    "tasks": Command("/tasks [T3]", "the tasks and their outcomes; of one, code, attempts, outputs", _viewed("tasks")),
    "results": Command("/results [A1|all]", "what was asked, and what was found", _viewed("results")),
    "review": Command("/review [WORD]", "scores and findings, or those on something", _viewed("review")),
    "cost": Command("/cost", "what was spent on models, by step", _viewed("cost")),
    "budget": Command("/budget [5 usd]", "the limits, or a new one: usd, tokens, minutes", _budget),
    "ask": Command(
        "/ask QUESTION",
        "an answer from the run's papers only, with quotes",
        lambda s, text: s.question(text),
    ),
    "open": Command("/open [report]", "where the files are; opens one on a desktop", _open),
    "export": Command("/export DIR|FILE.zip", "a copy of protocol, report, notebook, tables and figures", _export),
    "new": Command(
        "/new",
        "another objective; what was given for the last one is kept until it is changed",
        lambda s, _: s.begin_anew(),
    ),
    "feedback": Command("/feedback TEXT", "change the protocol of the run", lambda s, text: s.comment(text)),
    "resume": Command("/resume [2|RUN]", "go on with this run, or with an earlier one", lambda s, name: s.resume(name)),
    "stop": Command("/stop", "what Ctrl-C does", lambda s, _: s.interrupt("/stop")),
    "tour": Command("/tour", "five steps through a run of the packaged example", lambda s, _: s.tour()),
    "help": Command("/help", "this list", lambda s, _: s.help()),
    "quit": Command("/quit", "leave; a run stops in order and can be resumed", lambda s, _: s.leave("/quit")),
}
AT_ONCE = frozenset({"help", "new", "quit", "stop", "tour"})
"""Commands that need nothing of the pipeline, and are carried out while it is still being imported."""


_LEAVE = frozenset({"quit", "exit"})
"""Words that leave at every question, as `/quit` does."""
_TWICE_S = 3.0
"""Seconds within which a second Ctrl-C leaves when nothing runs."""


class Session:
    """A conversation from the start of the program to its end.

    Attributes:
        terminal: Its terminal.
        settings: The settings of new runs.
        run: The run that the conversation is about.
    """

    def __init__(self, terminal: SessionTerminal, settings: Settings) -> None:
        self.terminal = terminal
        self.settings = settings
        self.run = SessionRun(terminal, self.command, self._listen)
        self._next: Callable[[], Awaitable[None]] | None = None
        self._questions: PaperQuestions | None = None
        self._draft = Draft()
        self._leaving = False
        self._interrupted_s = -_TWICE_S
        self._commands: set[asyncio.Task[None]] = set()

    async def converse(self) -> int:
        """Talk until the person leaves; return the exit code."""
        self.terminal.start()
        try:
            self._greet()
            threading.Thread(target=load_pipeline, daemon=True).start()
            while not self._leaving:
                if self._next is not None:
                    act, self._next = self._next, None
                    await self._carefully(act)
                elif self.run.folder is None:
                    await self._take_in()
                else:
                    await self._idle()
        finally:
            await self.terminal.close()
        return self.run.code

    # what the person can do at any time

    def interrupt(self, name: str = "Ctrl-C") -> None:
        """Stop a run at its next step; the second time, leave the session at once."""
        if not self.run.works:
            now = time.monotonic()
            if now - self._interrupted_s < _TWICE_S:
                self.leave(name)
            else:
                self._interrupted_s = now
                self.terminal.say(f"{name} once more, or /quit, leaves.")
        elif self.run.stopping:
            self.terminal.say(f"{name}: leaving at once.")
            self._leaving = True
            self.run.break_off()
            self.terminal.end()
        else:
            self.terminal.say(f"{name}: stopping when the running steps end; once more leaves at once.")
            self.run.stop(name)

    def leave(self, reason: str) -> None:
        """Leave the session after an orderly stop of the run."""
        self._leaving = True
        if self.run.works and not self.run.stopping:
            self.terminal.say(f"{reason}: stopping when the running steps end.")
            self.run.stop(reason)
        self.terminal.end()

    def end(self, name: str, *, lost: bool = False) -> None:
        """Leave because of a signal; a `lost` terminal is written to no more."""
        if lost:
            self.terminal.lost()
        self.leave(name)

    async def command(self, line: str) -> bool:
        """Carry out a slash command; False when the line is none."""
        parsed = parse(line)
        if parsed is None:
            return False
        name, rest = parsed
        if name in COMMANDS:
            if name not in AT_ONCE:
                await pipeline_loaded()
            await self._carefully(lambda: COMMANDS[name].act(self, rest))
        elif Path(line.strip()).exists():
            return False
        else:
            self.terminal.say(unknown_command(name))
        return True

    def help(self) -> None:
        """List the commands."""
        lines = [f"{command.usage}  {command.summary}" for command in COMMANDS.values()]
        self.terminal.say("\n".join([*lines, "Ctrl-C stops a run at its next step; twice leaves at once."]))

    async def tour(self) -> None:
        """Show the tour, a step at a time; commands can be tried meanwhile."""
        from bioresearcher.cli.session.tour import PROMPT, STEPS

        place, shown = 0, -1
        while place < len(STEPS):
            if shown != place:
                self.terminal.say(f"{place + 1} of {len(STEPS)}: {STEPS[place]}")
                shown = place
            line = await self.terminal.ask(PROMPT, words=("back", "quit"))
            word = (line or "").strip().lower()
            if line is None or word in _LEAVE or self._leaving:
                return
            if word.startswith("/"):
                await self.command(line)
            else:
                place = max(0, place - 1) if word == "back" else place + 1
        self.terminal.say("That was the tour: `example` as the objective starts the packaged one.")

    async def view(self, name: str, rest: str) -> None:
        """Show a view of the run, such as `papers`; the rest names an item of it.

        Raises:
            InputError: No run has begun yet, or there is nothing of that name.
        """
        from bioresearcher.cli.session.views import view

        folder, live, width = self.run.current(), self.run.live(), self.terminal.width
        self.terminal.say(await asyncio.to_thread(view, folder, name, rest, live=live, width=width))

    def begin_anew(self) -> None:
        """Take in another objective.

        Raises:
            InputError: A run is under way.
        """
        self._refuse_while_running()
        self._draft = self._draft.again()
        self._do_next(self._take_in)

    async def resume(self, name: str) -> None:
        """Resume the run that the conversation is about, or another.

        Raises:
            InputError: A run is under way, or it is no run folder.
        """
        from bioresearcher.cli.session.views import find_run, list_runs
        from bioresearcher.graph.run import read_record

        self._refuse_while_running()
        if not name and self.run.folder is None:
            self.terminal.say(list_runs(self.settings.workspace))
            return
        folder = find_run(self.settings.workspace, name) if name else self.run.current()
        record = await asyncio.to_thread(read_record, folder)
        self.run.folder = folder
        if record.status == "done":
            self.run.code = 0
            self.terminal.say(f"{folder.root.name} is finished.")
            self._do_next(self._tell_current)
        else:
            self._do_next(self._go_on)

    async def comment(self, text: str) -> None:
        """Revise the protocol of the run as a comment says, and go on with it.

        Raises:
            InputError: A run is under way, or nothing was said.
        """
        self._refuse_while_running()
        self.run.current()
        if not text:
            raise InputError("/feedback: say what to change.", hint="/feedback drop part 4; set fdr to 0.01")
        self._do_next(lambda: self._go_on(feedback=text))

    async def question(self, text: str) -> None:
        """Ask the papers of the run, whether it works or not.

        Raises:
            InputError: Nothing was asked, or the run has read no paper yet.
        """
        if not text:
            raise InputError("/ask: say what to ask the papers.", hint="/ask How was batch corrected?")
        from bioresearcher.cli.session.paper_questions import PaperQuestions, ask_view

        folder = self.run.current()
        questions = self._questions = self._questions or PaperQuestions()
        if self.run.works:
            answer = await self.run.within(lambda runner, context: questions.ask_running(runner, context, text))
        else:
            answer = await questions.ask(folder, text)
        self.terminal.say(ask_view(answer))

    async def change_budget(self, changes: dict[str, object], text: str) -> None:
        """Set another limit, typed as `text`.

        Raises:
            InputError: It cannot be kept.
        """
        from bioresearcher.graph.run import read_record, settings_of
        from bioresearcher.graph.run_totals import change_budget

        if self.run.works:

            async def change(runner: Runner, context: RunContext) -> None:
                runner.change_budget(_with_budget(runner.settings, changes), text)

            await self.run.within(change)
        elif self.run.folder is not None:
            settings = settings_of(read_record(self.run.folder))
            change_budget(self.run.folder, _with_budget(settings, changes), text)
        else:
            self.settings = _with_budget(self.settings, changes)
        self.terminal.say(f"budget: {text}")

    # the conversation

    def _greet(self) -> None:
        self.terminal.say(
            f"BioResearcher {__version__} · workspace {self.settings.workspace}\n"
            "What is to be found out? Type or paste an objective, @FILE for one in a file, or `example` for the "
            "packaged one. /resume goes on with an earlier run, /help lists the commands, /tour shows the way in five "
            "steps."
        )

    async def _ask(self, prompt: str, *, words: tuple[str, ...] = (), multiline: bool = False) -> str | None:
        """Return an answer that is no slash command; None when the session goes elsewhere."""
        while True:
            line = await self.terminal.ask(prompt, words=words, multiline=multiline)
            if line is None:
                if self._next is None:
                    self.leave("the input ended")
                return None
            if line.strip().lower() in _LEAVE:
                self.leave(line.strip())
                return None
            if not await self.command(line):
                return line
            if self._leaving or self._next is not None:
                return None

    async def _take_in(self) -> None:
        agreed = await Intake(self.terminal, self._ask, lambda: self.settings, self._draft).talk()
        if agreed is not None:
            await self._after(await self.run.begin(agreed))

    async def _go_on(self, feedback: str | None = None) -> None:
        await self._after(await self.run.go_on(feedback))

    async def _after(self, record: RunRecord | None) -> None:
        """Wait for commands under way, and after Ctrl-C ask how to go on."""
        if self._commands:
            await asyncio.wait(self._commands)
        if record is not None and record.status == "stopped" and self.run.stopping and not self._leaving:
            await self._offer()

    async def _offer(self) -> None:
        """Ask after Ctrl-C: stop, go on, or change something."""
        has_protocol = self.run.current().has("protocol.json")
        change = ", or say what to change in the protocol" if has_protocol else ""
        ways = f"[s]top here, [c]ontinue (back) where it was{change}"
        while True:
            line = await self._ask(f"Stopped. {ways}>", words=("stop", "continue", "back"))
            answer = (line or "").strip()
            if answer.lower() in {"c", "continue", "back", "y", "yes"}:
                await self._go_on()
            elif answer.lower() in {"", "s", "stop", "n", "no"}:
                self.terminal.say("Stopped; /resume goes on with it.")
            elif answer.lower() in {"help", "?"} or not has_protocol:
                self.terminal.say(f"Say one of: {ways}; quit leaves.")
                continue
            else:
                await self._go_on(feedback=answer)
            return

    async def _idle(self) -> None:
        """Take a line between runs."""
        line = await self._ask(">", words=tuple(f"/{name}" for name in COMMANDS))
        if line is None or not line.strip():
            return
        if line.strip().lower() in {"help", "?"}:
            self.help()
            return
        if line.strip().lower() == "back":
            self.terminal.say("There is no question before this one.")
        self.terminal.say("/new begins with another objective, /feedback changes the protocol, /help lists commands.")

    async def _listen(self) -> None:
        """Carry out commands while a run works."""
        while not self._leaving:
            line = await self.terminal.listen(">", words=tuple(f"/{name}" for name in COMMANDS))
            if line is None:
                if not self.run.stopping:
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

    def _do_next(self, act: Callable[[], Awaitable[None]]) -> None:
        """Leave the open question, and do this."""
        self._next = act

    def _refuse_while_running(self) -> None:
        if self.run.works:
            raise InputError("a run is under way.", hint="Ctrl-C or /stop stops it first.")

    async def _tell_current(self) -> None:
        from bioresearcher.cli.run_messages import ending
        from bioresearcher.graph.run import read_record

        self.terminal.say("\n".join(ending(self.run.current(), read_record(self.run.current()))))

    async def _carefully(self, act: Callable[[], Awaitable[None] | None]) -> None:
        """Call and await it; an error is printed in one line, and the session goes on."""
        try:
            waiting = act()
            if waiting is not None:
                await waiting
        except BioresearcherError as error:
            self.terminal.say(str(error))
        except OSError as error:
            self.terminal.say(f"that cannot be done: {error}")
