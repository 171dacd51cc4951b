"""`bioresearcher session`, which `bioresearcher` without a command opens, too."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import (
    Commands,
    add_budget_options,
    add_model_options,
    add_place_options,
    add_search_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bioresearcher.cli.session.plain_terminal import Line, ScriptTerminal
    from bioresearcher.cli.session.terminal import SessionTerminal
    from bioresearcher.settings import Settings

SWITCHED_S = 0.000_5
"""Seconds after which a thread of the run yields the interpreter to the prompt (Python's default: 5 ms)."""
EPILOG = """a script has an answer a line; lines that begin with # and blank lines are skipped, "" is an empty answer,
<<END begins an answer of several lines, and a line that begins with ! is given while a run works:
  example
  start
  !/status
  approve"""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "session",
        help="talk a run through, step by step (what `bioresearcher` alone does)",
        description="Asks for an objective and for approvals, shows what happens, and listens to commands meanwhile.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="take the answers from a file; print a transcript")
    parser.add_argument("--plain", action="store_true", help="a line a fact, nothing is drawn: for screen readers")
    add_search_options(parser)
    add_model_options(parser)
    add_budget_options(parser)
    add_place_options(parser)
    parser.set_defaults(run=run)


def can_talk() -> bool:
    """Return True if standard input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def run(args: argparse.Namespace) -> int:
    """Hold the session; return the exit code."""
    import asyncio

    from bioresearcher.cli.session.plain_terminal import read_script
    from bioresearcher.errors import InputError
    from bioresearcher.graph.run import limit_memory
    from bioresearcher.settings import load_settings_with_origin
    from bioresearcher.settings.values import APPROVALS

    if not (args.script or args.plain or can_talk()):
        raise InputError(
            "there is no terminal to talk in.", hint="Use --script FILE or --plain, or `bioresearcher run`."
        )
    settings, origin = load_settings_with_origin(vars(args))
    if "gates" not in origin:  # who holds a session wants to be asked
        settings = settings.model_copy(update={"gates": APPROVALS})
    lines = read_script(args.script) if args.script else []
    limit_memory()
    sys.setswitchinterval(SWITCHED_S)
    return asyncio.run(_hold(args, settings, lines))


async def _hold(args: argparse.Namespace, settings: Settings, lines: list[Line]) -> int:
    import asyncio
    import signal

    from bioresearcher.cli.session.plain_terminal import ScriptTerminal
    from bioresearcher.cli.session.session import Session

    terminal = _terminal(args, settings, lines, lambda: session.interrupt())
    session = Session(terminal, settings)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, session.interrupt)
    loop.add_signal_handler(signal.SIGTERM, session.end, "SIGTERM")
    loop.add_signal_handler(signal.SIGHUP, lambda: session.end("SIGHUP", lost=True))
    code = await session.converse()
    if isinstance(terminal, ScriptTerminal):
        return _script_code(terminal, args.script, code, begun=session.run.folder is not None)
    return code


def _script_code(terminal: ScriptTerminal, script: Path, code: int, *, begun: bool) -> int:
    """Return the exit code of a script: 3 when it ended before anything was begun.

    Raises:
        InputError: Lines were not used.
    """
    from bioresearcher.errors import InputError

    if terminal.left:
        line = terminal.left[0]
        raise InputError(f"--script: {script}:{line.number}: nothing asked for this line: {line.text[:80]!r}.")
    return code if begun or not terminal.ran_out else 3


def _terminal(
    args: argparse.Namespace, settings: Settings, lines: list[Line], interrupt: Callable[[], None]
) -> SessionTerminal:
    """Return the terminal that was asked for, or the best that works here."""
    import os

    from bioresearcher.cli.session.plain_terminal import PlainTerminal, ScriptTerminal

    if args.script:
        return ScriptTerminal(lines, plain=args.plain)
    if args.plain or os.environ.get("TERM", "dumb") in {"dumb", "unknown"}:
        return PlainTerminal()
    from bioresearcher.cli.session.prompt_terminal import PromptTerminal
    from bioresearcher.cli.session.session import COMMANDS

    names = [f"/{name}" for name in COMMANDS]
    return PromptTerminal(settings.workspace / "history", names=names, interrupt=interrupt)
