"""Mistyped command lines: one line that says what is wrong and guesses at what was meant."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

_CHOICE = re.compile(r"invalid choice: '(?P<given>[^']*)' \(choose from (?P<known>.*)\)")
_NEAR = 0.75
"""Least likeness of an option of another command, from 0 to 1."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are a line and where help is, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        """Print the error; end with exit code 2."""
        found = _CHOICE.search(message)
        if found and message.startswith("argument -"):  # a value: no guess, which might be the unsafe one
            message = (
                f"{message.partition(': ')[0]}: {found['given']!r} is none of {found['known'].replace(chr(39), '')}"
            )
        elif found:
            message = self._wrong_choice(found["given"], re.findall(r"[a-z][\w-]*(?: [a-z][\w-]*)?", found["known"]))
        print(f"{self.prog}: error: {message}\nhelp: {self.prog} --help", file=sys.stderr)
        sys.exit(2)

    def _wrong_choice(self, given: str, known: Sequence[str]) -> str:
        near = difflib.get_close_matches(given.lower(), known, n=1)
        guess = f"; did you mean {near[0]}?" if near else ""
        if " " in self.prog:
            return f"{given!r} is none of {', '.join(known)}{guess}"
        more = "" if near else '; an objective is given as: bioresearcher run --objective "…"'
        return f"there is no command {given!r}{guess}{more}"


def wrong_arguments(
    unknown: Sequence[str], command: argparse.ArgumentParser, run: argparse.ArgumentParser, given: Sequence[str]
) -> str:
    """Return the message for arguments that a command does not know.

    Args:
        unknown: The arguments.
        command: The command's parser.
        run: The parser of `run`, whose options are often given without it.
        given: The whole command line.
    """
    message = f"unrecognized arguments: {' '.join(unknown)}"
    if all(not word.startswith("-") for word in unknown):
        return f"{message}; {_quoted(unknown, command, given)}"
    known, others = _options(command), _options(run)
    near = {n for word in unknown for n in difflib.get_close_matches(_name(word), known, n=1)}
    if command.prog.endswith(" session"):
        closest = difflib.get_close_matches(_name(unknown[0]), others, n=1, cutoff=_NEAR)
        if closest:
            return f"{message}; did you mean: bioresearcher run {closest[0]} …?"
    return f"{message}; did you mean {' or '.join(sorted(near))}?" if near else message


def _quoted(unknown: Sequence[str], command: argparse.ArgumentParser, given: Sequence[str]) -> str:
    """Return how a text with blanks is given, with the words that were given."""
    first = list(given).index(unknown[0])
    before = first
    of_run = command.prog.endswith(" run")
    while before > 1 and not given[before - 1].startswith("-") and (of_run or before == first):
        before -= 1
    text = " ".join([*given[before:first], *unknown]).replace('"', "'")
    option = given[before - 1] if given[before - 1].startswith("--") else "--objective" if of_run else ""
    return f'quote the {"objective" if option == "--objective" else "text"}: {option} "{text}"'.replace(":  ", ": ")


def _options(parser: argparse.ArgumentParser) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", parser.format_help()))


def _name(word: str) -> str:
    return word.partition("=")[0]
