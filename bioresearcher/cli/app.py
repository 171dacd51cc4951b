"""`bioresearcher`: parses the command line and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from bioresearcher import __version__
from bioresearcher.cli import ask, batch, doctor, library, prompts, report, review, run
from bioresearcher.cli.session import command as session
from bioresearcher.errors import BioresearcherError

EXIT_CODES = """exit codes: 0 done · 1 quality below the asked threshold · 2 wrong use or bad input ·
  3 stopped (Ctrl-C, open gate); resumable · 4 trouble outside the program · 5 a bug"""

_OF_TWO_WORDS = (["review", "agreement"], ["batch", "summary"], ["batch", "compare"])


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(
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
        ask.add_parser,
        batch.add_parser,
        batch.add_summary_parser,
        batch.add_compare_parser,
        review.add_parser,
        review.add_agreement_parser,
        report.add_parser,
        report.add_reproduce_parser,
        library.add_parser,
        prompts.add_parser,
        doctor.add_parser,
    ):
        add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(_commands(sys.argv[1:] if argv is None else argv))
    if not hasattr(args, "run"):
        parser.print_help()
        return 0
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except BioresearcherError as error:
        return _tell(f"error: {error}", error.exit_code, debug=args.debug)
    except KeyboardInterrupt:
        return _tell("stopped.", 3, debug=False)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing more to say, also not when the interpreter flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is said in one line
        text = f"this is a bug: {type(error).__name__}: {error} (please report it; --debug shows where)"
        return _tell(text, 5, debug=args.debug)
    return code


def _commands(argv: Sequence[str]) -> list[str]:
    """The command line with commands of two words as one, which they are to the parser, and with `session` named.

    Without a command the session opens, when there is somebody to talk to or an option says how.
    """
    given = list(argv)
    options = [word for word in given if word != "--debug"]
    if (not options and session.can_talk()) or (options and _for_session(options[0])):
        debug = given[: len(given) - len(options)] if given[:1] == ["--debug"] else []
        return [*debug, "session", *options]
    place = next((n for n, word in enumerate(given) if not word.startswith("-")), 0)
    words = given[place : place + 2]
    return [*given[:place], " ".join(words), *given[place + 2 :]] if words in _OF_TWO_WORDS else given


def _for_session(word: str) -> bool:
    """Whether a command line that begins with this word names no command."""
    return word.startswith("-") and word not in {"-h", "--help", "--version"}


def _tell(message: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"bioresearcher: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
