"""`bioresearcher review agreement`: how far a reviewer agrees with people, and people with each other."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_EXAMPLES = """a line of RATINGS.csv for each item and rater:
  item,rater,label,machine
  protocol-1,anna,4,4
  protocol-1,ben,3,4

examples:
  bioresearcher review agreement ratings.csv --chart perception.png
  bioresearcher review agreement ratings.csv --machine gpt-judge --scale 1,2,3,4,5 --format json"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "review agreement",
        help="compare scores with people's ratings",
        description="Krippendorff's alpha and Randolph's kappa of people with each other and with a machine, by how "
        "sure people are, the binned Jensen-Shannon distance, and perception charts (after arXiv 2410.03775).",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ratings", type=Path, metavar="RATINGS.csv", help="columns item, rater, label, machine…")
    parser.add_argument(
        "--machine", action="append", default=[], metavar="RATER", help="a rater that is a machine (repeatable)"
    )
    parser.add_argument("--level", choices=("nominal", "ordinal", "interval"), help="how labels are compared (ordinal "
                        "for numbers, else nominal)")  # fmt: skip
    parser.add_argument("--scale", metavar="A,B,…", help="all labels in order, also those nobody gave")
    parser.add_argument("--chart", action="append", default=[], type=Path, metavar="FILE", help="perception chart, "
                        ".png or .svg (repeatable)")  # fmt: skip
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table", help="what to print")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare and print; the exit code is 0, or 2 when the ratings cannot be used."""
    from bioresearcher.cli.review_out import draw, put
    from bioresearcher.review.agreement import agreement
    from bioresearcher.review.agreement_text import as_json, as_markdown
    from bioresearcher.review.perception import draw_perception
    from bioresearcher.review.ratings import read_ratings

    scale = [x.strip() for x in (args.scale or "").split(",") if x.strip()]
    found = agreement(read_ratings(args.ratings, machines=args.machine, level=args.level, scale=scale))
    for path in args.chart:
        draw_perception(found, path)
    if args.format == "table":
        draw(as_markdown(found), args.output)
    else:
        put((as_json if args.format == "json" else as_markdown)(found), args.output)
    for path in args.chart:
        print(f"chart: {path}", file=sys.stderr)
    return 0
