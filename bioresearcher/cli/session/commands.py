"""The slash commands of a session: what each is called, and what it does."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.cli.session.conversation import Session

_COMMAND = re.compile(r"/([A-Za-z][A-Za-z-]*)(?:\s+(.*))?", re.DOTALL)
_AMOUNT = re.compile(r"\$?\s*([\d.,_]+)\s*([A-Za-z$]*)|([A-Za-z]+)\s+([\d.,_]+)")
_LIMITS = {
    "usd": "max_usd", "$": "max_usd", "dollar": "max_usd", "dollars": "max_usd",
    "tokens": "max_tokens", "token": "max_tokens",
    "minutes": "max_minutes", "minute": "max_minutes", "min": "max_minutes",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A slash command. `act` gets the session and what follows the name."""

    usage: str
    summary: str
    act: Callable[[Session, str], Awaitable[None]]


def parse(line: str) -> tuple[str, str] | None:
    """Name and rest of a line that is a slash command; None for any other, such as a path."""
    found = _COMMAND.fullmatch(line.strip())
    return (found[1].lower(), (found[2] or "").strip()) if found else None


def nearest(name: str) -> str:
    """What to say of a command that does not exist."""
    close = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
    return f"/{name}: there is no such command. " + (f"Did you mean /{close[0]}?" if close else "/help lists them.")


def parse_budget(text: str) -> dict[str, object]:
    """The limit that is named: `5 usd`, `$5`, `200,000 tokens`, `30 minutes`.

    Raises:
        InputError: It is none.
    """
    found = _AMOUNT.fullmatch(text.strip())
    wrong = InputError(
        f"/budget: {text[:60]!r} is no limit.", hint="For example: /budget 5 usd, 200000 tokens, 30 minutes."
    )
    if not found:
        raise wrong
    number, unit = (found[1], found[2]) if found[1] else (found[4], found[3])
    name = _LIMITS.get(unit.lower() or ("$" if "$" in text else ""))
    try:
        value = float(number.replace(",", "").replace("_", ""))
    except ValueError:
        raise wrong from None
    if name is None:
        raise wrong
    return {name: int(value) if name == "max_tokens" else value}


async def _help(session: Session, _: str) -> None:
    lines = [f"{c.usage}  {c.summary}" for c in COMMANDS.values()]
    session.terminal.say("\n".join([*lines, "Ctrl-C stops a run at its next step; twice leaves at once."]))


async def _quit(session: Session, _: str) -> None:
    session.leave("/quit")


async def _stop(session: Session, _: str) -> None:
    session.interrupt("/stop")


async def _new(session: Session, _: str) -> None:
    session.begin_anew()


async def _resume(session: Session, name: str) -> None:
    await session.resume(name)


async def _feedback(session: Session, comment: str) -> None:
    await session.comment(comment)


async def _ask(session: Session, question: str) -> None:
    if not question:
        raise InputError("/ask: say what to ask the papers.", hint="/ask How was batch corrected?")
    await session.question(question)


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
        await _show(path)
    else:
        session.terminal.say("\n".join(file_lines(folder)))  # as they are: a path is there to be copied


async def _export(session: Session, target: str) -> None:
    from bioresearcher.cli.session.export import export

    done = await asyncio.to_thread(export, session.run.current(), target)
    session.terminal.say("\n".join(done.lines()))


async def _show(path: Path) -> None:
    """Open a file with the desktop's program, where there is a desktop."""
    opener = shutil.which("xdg-open")
    if opener is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("there is no desktop to open it with.", hint="Copy the path.")
    nothing = asyncio.subprocess.DEVNULL
    await asyncio.create_subprocess_exec(opener, str(path), stdin=nothing, stdout=nothing, stderr=nothing)


def _viewed(name: str) -> Callable[[Session, str], Awaitable[None]]:
    async def show(session: Session, rest: str) -> None:
        await session.view(name, rest)

    return show


COMMANDS: Mapping[str, Command] = {
    "status": Command("/status", "what is done, what runs, what waits", _viewed("status")),
    "papers": Command(
        "/papers [3|ID|all]", "papers that are read; of one, what was taken from it and stands on it", _viewed("papers")
    ),
    "datasets": Command(
        "/datasets [2|ID]", "data sets, and whether they fit; of one, its columns and what uses it", _viewed("datasets")
    ),
    "protocol": Command("/protocol [2|2.1]", "the protocol, a part or a step of it", _viewed("protocol")),
    "tasks": Command("/tasks [T3]", "what became of the tasks; of one, code, attempts, outputs", _viewed("tasks")),
    "review": Command("/review [WORD]", "scores and findings, or those on something", _viewed("review")),
    "cost": Command("/cost", "what was spent on models, by step", _viewed("cost")),
    "budget": Command("/budget [5 usd]", "the limits, or a new one: usd, tokens, minutes", _budget),
    "ask": Command("/ask QUESTION", "an answer from the run's papers only, with quotes", _ask),
    "open": Command("/open [report]", "where the files are; opens one on a desktop", _open),
    "export": Command("/export DIR|FILE.zip", "a copy of protocol, report, notebook, tables and figures", _export),
    "new": Command("/new", "another objective", _new),
    "feedback": Command("/feedback TEXT", "change the protocol of the run", _feedback),
    "resume": Command("/resume [RUN]", "go on with this run, or with an earlier one", _resume),
    "stop": Command("/stop", "what Ctrl-C does", _stop),
    "help": Command("/help", "this list", _help),
    "quit": Command("/quit", "leave; a run stops in order and can be resumed", _quit),
}
AT_ONCE = frozenset({"help", "new", "quit", "stop"})
"""Commands that need nothing of the pipeline, and are carried out while it is still being imported."""
