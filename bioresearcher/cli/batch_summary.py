"""`bioresearcher batch summary`: what came of a batch, with intervals."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.cli.common import Commands

FORMATS = ("table", "csv", "json", "html")


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command; the line `batch summary` comes in as one word (see `app`)."""
    parser = commands.add_parser(
        "batch summary",
        description="Success, scores, outcomes, tokens, cost and time of a batch, per objective and over all, with "
        "bootstrap intervals. Each start of a batch also writes it into its folder (summary.csv, .json, .html).",
    )
    parser.add_argument("batch", type=Path, metavar="BATCH", help="a batch's folder, or its name in the workspace")
    parser.add_argument("--format", choices=FORMATS, default="table", help="what is printed (table)")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="(./workspace)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print it; the exit code."""
    from bioresearcher.batch.summary import find_batch, summarise
    from bioresearcher.batch.summary_write import as_text

    summary = summarise(find_batch(args.batch, args.workspace))
    if args.format == "table":
        from rich.console import Console

        from bioresearcher.batch.summary_text import as_table

        Console(highlight=False).print(as_table(summary))
    else:
        print(as_text(summary, args.format), end="")
    return 0
