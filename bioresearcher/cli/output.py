"""Printing for all commands: text and Markdown to a file or the terminal, JSON, and the cost of models in words."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from bioresearcher.schemas.base import Usage
    from bioresearcher.schemas.run import RunRecord


def put(text: str, output: Path | None) -> None:
    """Write to the file and print its name, or print the text; letters unknown to the terminal become question marks.

    Raises:
        InputError: The file cannot be written.
    """
    if output is not None:
        from bioresearcher.runfolder import write_text

        try:
            write_text(output, text)
        except OSError as error:
            raise InputError(f"--output {output} cannot be written: {error.strerror}.") from error
        print(output)
        return
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))


def draw(markdown: str, output: Path | None = None) -> None:
    """Draw Markdown in the terminal; into a file or a pipe it goes as plain lines.

    Raises:
        InputError: The file cannot be written.
    """
    from rich.console import Console

    from bioresearcher.cli.session.layout import Sheet

    sheet = Sheet(markdown)
    if output is None and sys.stdout.isatty():
        Console(highlight=False).print(sheet)
    else:
        put("\n".join([*sheet.lines(), ""]), output)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def console_for(args: argparse.Namespace) -> Console:
    """Return a console for messages: on standard error with --json, silent with --quiet."""
    from rich.console import Console

    return Console(stderr=args.json or args.quiet, quiet=args.quiet, highlight=False)


def say(console: Console, *lines: str) -> None:
    """Print lines as they are; a terminal that is gone is no reason to stop."""
    try:
        for line in lines:
            console.print(line, soft_wrap=True, markup=False)
    except OSError:
        return


def cost_text(usage: Usage) -> str:
    """Return the cost in words, also when it is not known."""
    return "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"


def usage_text(usage: Usage) -> str:
    """Return calls, tokens and cost in words."""
    from bioresearcher.text.format import count_of

    calls = count_of(usage.calls, "model call")
    return f"{calls}, {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out, {cost_text(usage)}"


def usage_lines(record: RunRecord) -> list[str]:
    """Return a run's use of models, by step, role and model, and in all; empty when none was asked."""
    if not record.usage:
        return []
    from bioresearcher.cli.session.layout import Sheet
    from bioresearcher.report.markdown import model_lines

    return Sheet("\n".join(model_lines(record.usage))).lines()
