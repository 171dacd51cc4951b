"""`bioresearcher batch compare`: two batches, paired by objective and repeat."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.cli.common import Commands


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command; the line `batch compare` comes in as one word (see `app`)."""
    parser = commands.add_parser(
        "batch compare",
        description="How batch B differs from batch A: differences over the same objectives and repeats, with "
        "bootstrap intervals and a sign-flip test. What only one of them has is listed.",
    )
    parser.add_argument("a", type=Path, metavar="A", help="a batch's folder, or its name in the workspace")
    parser.add_argument("b", type=Path, metavar="B", help="the other one")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="(./workspace)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, and print it; the exit code."""
    from bioresearcher.batch.compare import compare
    from bioresearcher.batch.summary import find_batch

    comparison = compare(find_batch(args.a, args.workspace), find_batch(args.b, args.workspace))
    if args.json:
        print(comparison.model_dump_json(indent=2))
        return 0
    from rich.console import Console

    from bioresearcher.batch.summary_text import compared

    Console(highlight=False).print(compared(comparison))
    return 0
