"""`bioresearcher review calibrate`: a panel of reviewers learns from rated documents."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from bioresearcher.cli.options import Commands, add_budget_options, add_model_options, add_place_options
from bioresearcher.errors import InputError

_EXAMPLES = """RATED is one of
  rated.csv     columns file,label: documents and what a person thought of each (pass, revise, fail, or a score);
                with --panel, every reviewer is asked about each, and the reviews go to rated.jsonl
  rated.jsonl   the reviews themselves, a line a document; set "agreed" of findings to true or false to let the panel
                learn which findings to trust

examples:
  bioresearcher review calibrate rated.csv --panel openai:gpt-5-mini,openai:gpt-5 --output panel.json
  bioresearcher review calibrate rated.jsonl --panel-budget 9000 --output panel.json
  bioresearcher review protocol.md --panel openai:gpt-5-mini,openai:gpt-5 --calibration panel.json"""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "review calibrate",
        help="learn from rated documents whom of a panel to ask",
        description="Learn from rated documents in what order reviewers are asked, when the panel stops, and how their "
        "answers become one. With fewer than 50 the most accurate single reviewer decides.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rated", type=Path, metavar="RATED", help="rated documents (.csv) or reviews (.jsonl)")
    parser.add_argument("--panel", metavar="A,B,…", help="models to ask about the documents of a .csv")
    parser.add_argument("--panel-budget", type=_positive, metavar="TOKENS", help="mean tokens a document may take")
    parser.add_argument("--output", type=Path, default=Path("panel.json"), metavar="FILE", help="(panel.json)")
    add_model_options(parser)
    add_budget_options(parser)
    add_place_options(parser)
    parser.set_defaults(run=run, kind=None, checklist=[], passes=1, calibration=None)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def run(args: argparse.Namespace) -> int:
    """Calibrate and write the result; return 0.

    Raises:
        InputError: RATED cannot be used.
    """
    from bioresearcher.review.panel.calibrate import calibrate, read_rated

    rated = args.rated
    if rated.suffix.lower() == ".csv":
        rated = _ask_all(args)
    found = calibrate(read_rated(rated), args.panel_budget)
    args.output.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(f"{found.items} rated documents, labels {', '.join(found.labels)}")
    for name, share in sorted(found.accuracy.items(), key=lambda pair: -pair[1]):
        print(f"  {name}: the person's label in {share:.0%}, {found.costs[name]:,.0f} tokens a document")
    for p in found.ranking[:5]:
        diversity = "" if p.focal_diversity is None else f", focal diversity {p.focal_diversity:.2f}"
        print(f"  fused {' + '.join(p.reviewers)}: {p.accuracy:.0%}{diversity}, {p.cost:,.0f} tokens")
    decides = " > ".join(found.order)
    print(f"decides: {decides}; expected {found.expected_accuracy:.0%} at {found.expected_cost:,.0f} tokens a document")
    for text in found.notes:
        print(f"note: {text}")
    print(f"written: {args.output}")
    return 0


def _ask_all(args: argparse.Namespace) -> Path:
    """Ask every reviewer about every document of the CSV file, and write the reviews beside it.

    Raises:
        InputError: The file, a document or the panel cannot be used.
    """
    import asyncio

    from bioresearcher.cli.review_model import options_of, panel_names, reviewers_of, settings_with_model
    from bioresearcher.review.check import CheckContext
    from bioresearcher.review.panel.decide import in_numbers
    from bioresearcher.review.pieces import document_text
    from bioresearcher.review.reading.protocol import read_protocol
    from bioresearcher.schemas.panel import RatedItem

    names = panel_names(args.panel)
    if not names:
        raise InputError(f"{args.rated} names documents; say who is to review them.", hint="Add --panel A,B.")
    rows = _rows(args.rated)
    readings = [read_protocol(args.rated.parent / file) for file, _ in rows]
    settings = [s for s in (settings_with_model(args, name) for name in names) if s is not None]
    if len(settings) < len(names):
        raise InputError("--panel asks models, and --backend offline asks none.", hint="Leave one of them out.")

    async def asked() -> list[RatedItem]:
        items = []
        async with reviewers_of(names, settings, options_of(args)) as reviewers:
            for (file, label), reading in zip(rows, readings, strict=True):
                document = (reading.protocol, reading.text or document_text(reading.protocol), CheckContext())
                reviews = {r.name: await r.review(document) for r in reviewers}
                numbers = {name: in_numbers(review, tokens) for name, (review, tokens) in reviews.items()}
                items.append(RatedItem(item=file, label=label, reviews=numbers))
        return items

    path: Path = args.rated.with_suffix(".jsonl")
    lines = [json.dumps(i.model_dump(mode="json"), ensure_ascii=False) for i in asyncio.run(asked())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f'bioresearcher: reviews in {path}; mark findings there with "agreed".', file=sys.stderr)
    return path


def _rows(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            table = csv.DictReader(handle)
            if not {"file", "label"} <= set(table.fieldnames or ()):
                raise InputError(f"{path} has not the columns file and label.", hint="See --help.")
            rows = [((r["file"] or "").strip(), (r["label"] or "").strip()) for r in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    empty = next((n for n, row in enumerate(rows, 2) if not all(row)), None)
    if empty is not None or not rows:
        raise InputError(f"{path}: line {empty or 2} has no file or no label.")
    return rows
