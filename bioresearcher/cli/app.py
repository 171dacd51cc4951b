"""The program `bioresearcher`: parses the command line and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import traceback
from collections.abc import Sequence

from bioresearcher import __version__
from bioresearcher.cli import (
    batch,
    data,
    diff,
    doctor,
    export,
    library,
    mcp,
    prompts,
    report,
    review,
    review_calibrate,
    run,
    setup,
    trace,
    view,
)
from bioresearcher.cli.mistyped import Parser, wrong_arguments
from bioresearcher.cli.session import command as session
from bioresearcher.errors import BioresearcherError

EXIT_CODES = """exit codes: 0 done · 1 quality below the asked threshold · 2 wrong use or bad input ·
  3 stopped (Ctrl-C, open approval); resumable · 4 trouble outside the program · 5 a bug"""

_TWO_WORDS = (["review", "agreement"], ["review", "calibrate"], ["batch", "summary"], ["batch", "compare"])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser: argparse.ArgumentParser = Parser(
        prog="bioresearcher",
        description="From a biomedical objective to a grounded protocol, verified dry-lab results and a report.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bioresearcher {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (
        session.add_parser,
        run.add_parser,
        run.add_resume_parser,
        report.add_ask_parser,
        batch.add_parser,
        batch.add_summary_parser,
        batch.add_compare_parser,
        review.add_parser,
        review.add_agreement_parser,
        review_calibrate.add_parser,
        report.add_parser,
        report.add_reproduce_parser,
        view.add_parser,
        trace.add_parser,
        export.add_parser,
        diff.add_parser,
        data.add_parser,
        library.add_parser,
        prompts.add_parser,
        mcp.add_parser,
        doctor.add_parser,
        setup.add_parser,
    ):
        add(commands)
    for command in commands.choices.values():
        command.set_defaults(command=command, run_command=commands.choices["run"])
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    gc.set_threshold(
        50_000, 20, 100
    )  # what imports make stays: looking through it again and again takes a fifth longer
    parser = build_parser()
    given = _commands(sys.argv[1:] if argv is None else argv)
    args, unknown = parser.parse_known_args(given)
    command, run_command = (vars(args).pop(name, parser) for name in ("command", "run_command"))
    if unknown:
        command.error(wrong_arguments(unknown, command, run_command, given))
    if not hasattr(args, "run"):
        parser.print_help()
        return 0
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except BioresearcherError as error:
        return _fail(f"error: {error}", error.exit_code, debug=args.debug)
    except KeyboardInterrupt:
        return _fail("stopped.", 3, debug=False)
    except BrokenPipeError:
        # The reader went away (`| head`): write nothing more, also not when the interpreter flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is reported in one line
        text = f"this is a bug: {type(error).__name__}: {error} (please report it; --debug shows where)"
        return _fail(text, 5, debug=args.debug)
    return code


def _commands(argv: Sequence[str]) -> list[str]:
    """Return the command line with commands of two words as one word for the parser, and with `session` named.

    Without a command the session opens if there is a terminal, or if the first option is one of the session.
    """
    given = list(argv)
    options = [word for word in given if word != "--debug"]
    other = {"-h", "--help", "--version"}
    if options[0].startswith("-") and options[0] not in other if options else session.can_talk():
        debug = given[: len(given) - len(options)] if given[:1] == ["--debug"] else []
        return [*debug, "session", *options]
    place = next((n for n, word in enumerate(given) if not word.startswith("-")), 0)
    words = given[place : place + 2]
    return [*given[:place], " ".join(words), *given[place + 2 :]] if words in _TWO_WORDS else given


def _fail(message: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"bioresearcher: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
