"""`bioresearcher batch`: many objectives from a file, each in a process of its own; their summary and comparison."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from bioresearcher.cli.options import (
    SANDBOXES,
    Commands,
    add_budget_options,
    add_model_options,
    add_place_options,
    add_where_options,
)

EPILOG = """examples:
  bioresearcher batch objectives.jsonl --check
  bioresearcher batch objectives.yaml --jobs 4
  bioresearcher batch objectives.csv --model openai:gpt-5-mini --max-usd 40 --repeats 3 --yes
  bioresearcher batch objectives.jsonl --executor dask --scheduler tcp://node1:8786 --yes
  bioresearcher batch summary NAME --format html
  bioresearcher batch compare NAME OTHER

FILE is JSONL, CSV, YAML (a list) or TOML (tables [[objectives]]). An objective has `id`, `objective` or `example`, and
may have `conditions`, `requirements`, `papers`, `data`, `settings` (as in bioresearcher.toml), `budget` (max_usd,
max_tokens, max_minutes) and `repeats`; paths are relative to FILE. In CSV, settings and budget are columns such as
settings.max_papers and budget.max_usd, and lists have one item a line within their cell. The whole file is checked
before anything starts. Flags win over an objective's settings; approvals are given as by --yes of `run`.

The same command again goes on: what is done is left alone, what stopped, died or failed is taken up in its run folder,
an objective that was changed in the file is run anew. Everything lies in workspace/batches/NAME.

exit codes: 0 all done · 2 wrong use, or mistakes in FILE (nothing was started) ·
  3 stopped (Ctrl-C, a budget used up); the same command goes on · 4 some failed; the same command tries those again"""


def _count(most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from 1 to `most`, for argparse."""

    def number(text: str) -> int:
        if not text.strip().isascii() or not text.strip().isdigit() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {most:,}")
        return int(text)

    return number


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "batch",
        help="carry out many objectives from a file, side by side",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="objectives: .jsonl, .csv, .yaml or .toml")
    parser.add_argument("--check", action="store_true", help="only check FILE; start nothing")
    parser.add_argument("--name", help="name of the batch (FILE's)")
    parser.add_argument("--jobs", type=_count(1024), metavar="N", help="objectives side by side (number of processors)")
    parser.add_argument(
        "--repeats", type=_count(1000), default=1, metavar="K", help="runs of each objective that does not say it (1)"
    )
    parser.add_argument("--yes", action="store_true", help="start without asking whether it may cost what is forecast")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON at the end and nothing else")
    parser.add_argument("--quiet", action="store_true", help="print the batch's folder and nothing else")
    parser.add_argument("--only-own", action=argparse.BooleanOptionalAction, help="as of `run`")
    parser.add_argument("--sandbox", choices=SANDBOXES, help="as of `run`")
    parser.add_argument("--max-papers", type=int, metavar="N", help="papers read at most, for each objective")
    parser.add_argument("--max-parts", type=int, metavar="N", help="parts of each protocol at most")
    add_model_options(parser)
    add_budget_options(parser, "all runs", "Of all objectives together, beside the `budget` of each in FILE.")
    add_where_options(parser)
    add_place_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check and carry out; return the exit code."""
    from bioresearcher.cli.batch_run import check, start

    return check(args) if args.check else start(args)


def add_summary_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command; `app` passes `batch summary` as one word."""
    parser = commands.add_parser(
        "batch summary",
        description="Success, scores, outcomes, tokens, cost and time of a batch, per objective and over all, with "
        "bootstrap intervals. Each start of a batch also writes it into its folder (summary.csv, .json, .html).",
    )
    parser.add_argument("batch", type=Path, metavar="BATCH", help="a batch's folder, or its name in the workspace")
    parser.add_argument(
        "--format", choices=("table", "csv", "json", "html"), default="table", help="what is printed (table)"
    )
    parser.add_argument("--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="(./workspace)")
    parser.set_defaults(run=summarise)


def summarise(args: argparse.Namespace) -> int:
    """Print the summary of a batch; return the exit code."""
    from rich.console import Console

    from bioresearcher.batch.summary import find_batch, summarise
    from bioresearcher.batch.summary_output import as_table, as_text

    summary = summarise(find_batch(args.batch, args.workspace))
    if args.format == "table":
        Console(highlight=False).print(as_table(summary))
    else:
        print(as_text(summary, args.format), end="")
    return 0


def add_compare_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command; `app` passes `batch compare` as one word."""
    parser = commands.add_parser(
        "batch compare",
        description="Differences of batch B from batch A over the same objectives and repeats, with "
        "bootstrap intervals and a sign-flip test. What only one of them has is listed.",
    )
    parser.add_argument("a", type=Path, metavar="A", help="a batch's folder, or its name in the workspace")
    parser.add_argument("b", type=Path, metavar="B", help="the other one")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="(./workspace)")
    parser.set_defaults(run=compare)


def compare(args: argparse.Namespace) -> int:
    """Print the comparison of two batches; return the exit code."""
    from rich.console import Console

    from bioresearcher.batch.summary import compare, find_batch
    from bioresearcher.batch.summary_output import compared

    comparison = compare(find_batch(args.a, args.workspace), find_batch(args.b, args.workspace))
    if args.json:
        print(comparison.model_dump_json(indent=2))
    else:
        Console(highlight=False).print(compared(comparison))
    return 0
