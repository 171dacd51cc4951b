"""`bioresearcher review`: quality checks and scores of any protocol, and their agreement with people's ratings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands, add_budget_options, add_model_options, add_place_options
from bioresearcher.cli.output import draw, put
from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.review.check import CheckContext
    from bioresearcher.review.render import FileReview, ProtocolComparison
    from bioresearcher.schemas.base import Objective
    from bioresearcher.schemas.protocol import Protocol
    from bioresearcher.schemas.review import Review
    from bioresearcher.settings import Settings


_EXAMPLES = """examples:
  bioresearcher review workspace/runs/2025-01-31-breast
  bioresearcher review protocol.docx --format html --output review.html
  bioresearcher review *.md --json --fail-on error
  bioresearcher review plan.docx --kind "analysis plan"
  bioresearcher review --list-checks                              (how right each check was on real text)
  bioresearcher review --diff old.md new.md --fail-on warning     (counts what is new in new.md)
  bioresearcher review protocol.pdf --model reviewer=openai:gpt-5-mini
  bioresearcher review agreement ratings.csv                      (see its own --help)

exit codes: 0 done · 1 below --min-score or a finding of --fail-on · 2 a file could not be read, or holds no steps
(what could be read is still reviewed) · 4 the model's server"""

_KINDS = (
    "bench protocol",
    "dry-lab plan",
    "analysis plan",
    "trial protocol",
    "animal study",
    "finished study",
    "grant proposal",
    "other text",
)
"""Kinds of documents (`review.reading.kind.KINDS`, which is not imported for the help alone)."""

_SEVERE = {"error": {"error"}, "warning": {"error", "warning"}, "note": {"error", "warning", "note"}}


@dataclass(frozen=True)
class _Loaded:
    """A protocol with its context, or a result with the reason why it cannot be reviewed."""

    result: FileReview
    protocol: Protocol | None = None
    context: CheckContext | None = None


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "review",
        help="check any protocol; a model judges it",
        description="Check protocols (Markdown, text, PDF, DOCX, JSON of protocols.io, JSON-LD, run folder). Checks "
        "need no model and no network and give findings; a document from elsewhere is judged by a model only.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a protocol or a run folder")
    parser.add_argument("--diff", nargs=2, type=Path, metavar=("OLD", "NEW"), help="what got better or worse")
    parser.add_argument(
        "--format", choices=("table", "json", "markdown", "html", "sarif"), default="table", help="what to print"
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--min-score", type=_score, metavar="X", help="exit code 1 when a mean is below X (1 to 5)")
    parser.add_argument("--fail-on", choices=tuple(_SEVERE), help="exit code 1 on a finding this severe or more")
    parser.add_argument("--objective", type=Path, metavar="FILE", help="objective file (TOML) to check against")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument("--kind", choices=_KINDS, help="take each file for a document of this kind")
    parser.add_argument(
        "--list-checks",
        "--list-gates",
        dest="list_checks",
        action="store_true",
        help="print all checks with their records on real text, and end",
    )
    add_model_options(parser)
    add_budget_options(parser)
    add_place_options(parser)
    parser.set_defaults(run=run)


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 5")
    return value


def run(args: argparse.Namespace) -> int:
    """Review the files; return 0, 1 (below the asked quality) or 2 (a file could not be read)."""
    from bioresearcher.examples import load_objective_file

    form = "json" if args.json else args.format
    if args.list_checks:
        from bioresearcher.review.render import check_list

        put(check_list(form), args.output)
        return 0
    files = _files(args)
    objective = load_objective_file(args.objective).objective if args.objective else None
    results = _reviewed([_load(path, objective, args.kind or "") for path in files], args)
    if len(files) == 1 and results[0].review is None:
        raise InputError(results[0].error, hint=results[0].hint)
    change = _compared(results) if args.diff else None
    text = _rendered(results[-1:] if args.diff else results, change, form)
    (draw if form == "table" else put)(text, args.output)
    for r in results:
        problem = f"{r.error} {r.hint}".rstrip() if r.review is None else r.problem
        if problem:
            print(f"bioresearcher: error: {problem}", file=sys.stderr)
    return _exit_code(results, change, args.min_score, args.fail_on)


def _files(args: argparse.Namespace) -> list[Path]:
    if args.diff and args.files:
        raise InputError("--diff compares two files and takes no others.", hint="Give --diff OLD NEW alone.")
    files = list(args.diff or args.files)
    if not files:
        raise InputError("no file was given.", hint="Name a protocol, or use --list-checks; see --help.")
    return files


def _load(path: Path, objective: Objective | None, kind: str) -> _Loaded:
    """Load a protocol and its context; a file that cannot be read is a result too."""
    from bioresearcher.review.check import CheckContext
    from bioresearcher.review.checks import applicability
    from bioresearcher.review.reading.protocol import places_in, read_protocol
    from bioresearcher.review.render import FileReview
    from bioresearcher.review.run_context import context_of_run

    try:
        reading = read_protocol(path)
        context = context_of_run(path) if path.is_dir() else CheckContext()
    except InputError as error:
        return _Loaded(FileReview(str(path), error=error.message, hint=error.hint))
    if objective is not None:
        context = replace(context, objective=objective)
    result = FileReview(
        file=str(path),
        title=reading.protocol.title,
        form=reading.form,
        kind=kind or reading.kind.name,
        kind_reason="as asked for" if kind else reading.kind.reason,
        warnings=reading.warnings,
        problem=reading.problem,
        gates=applicability(context),
        places=places_in(reading.protocol),
    )
    return _Loaded(result, reading.protocol, context)


def _reviewed(loaded: list[_Loaded], args: argparse.Namespace) -> list[FileReview]:
    """Review each file by rule, with a model's scores where one is configured and there are steps to judge."""
    import asyncio

    from bioresearcher.review.metrics import review_without_model

    known = [(r.protocol, r.context) for r in loaded if r.protocol is not None and r.context is not None]
    settings = _settings_with_model(args) if any(p.steps for p, _ in known) else None
    foreign = next((r.result.file for r in loaded if r.protocol is not None and r.protocol.origin == "source"), None)
    if args.min_score is not None and settings is None and foreign is not None:
        raise InputError(
            f"--min-score needs scores, and {foreign} has none: without a model a document from elsewhere is"
            f" not judged.",
            hint="Name a model (--model reviewer=NAME), or use --fail-on, which follows findings alone.",
        )
    reviews = iter(
        asyncio.run(_scored(known, settings)) if settings else [review_without_model(p, c) for p, c in known]
    )
    return [r.result if r.protocol is None else replace(r.result, review=next(reviews)) for r in loaded]


def _compared(results: list[FileReview]) -> ProtocolComparison:
    from bioresearcher.review.render import compare

    old, new = results
    for r in results:
        if r.review is None:
            raise InputError(r.error, hint=r.hint)
    if old.review is None or new.review is None:
        raise InputError("both files are needed to compare.")
    return compare(old.file, old.review, new.file, new.review)


def _exit_code(
    results: list[FileReview], change: ProtocolComparison | None, min_score: float | None, fail_on: str | None
) -> int:
    judged = results[-1:] if change else results
    if any(r.review is None or r.problem for r in judged):
        return 2
    severe = _SEVERE.get(fail_on or "", set())
    reviews = [r.review for r in judged if r.review is not None]
    if min_score is not None and not all(r.judged for r in reviews):
        print("bioresearcher: error: --min-score needs scores, and the model gave none that count.", file=sys.stderr)
        return 2
    low = min_score is not None and any(r.mean_score < min_score for r in reviews)
    findings = change.new if change else [f for r in reviews for f in r.findings]
    return 1 if low or any(f.severity in severe for f in findings) else 0


def _rendered(results: list[FileReview], change: ProtocolComparison | None, form: str) -> str:
    if form == "html":
        from bioresearcher.review.render import as_html

        return as_html(results, change)
    if form == "sarif":
        from bioresearcher.review.sarif import as_sarif

        return as_sarif(results, change)
    from bioresearcher.review.render import as_json, as_markdown, comparison_json, comparison_markdown

    if change is not None:
        return comparison_json(change) if form == "json" else comparison_markdown(change)
    return as_json(results) if form == "json" else as_markdown(results)


def _settings_with_model(args: argparse.Namespace) -> Settings | None:
    """Return the settings when a model reviews; None when the deterministic rules do.

    Raises:
        InputError: The model is not configured rightly.
        ModelUnavailableError: Its server does not answer.
    """
    import asyncio

    from bioresearcher.llm.select_backend import choose_backend
    from bioresearcher.settings import load_settings

    settings = load_settings(vars(args))
    reviewer = settings.models.get("reviewer") or settings.models.get("default")
    if reviewer is not None:  # no other role is asked here, and none of their servers is probed
        settings = settings.model_copy(update={"models": {"default": reviewer}})
    choice = asyncio.run(choose_backend(settings))
    if choice.kind == "offline":
        return None
    print(f"bioresearcher: {choice.reason} --backend offline keeps to the rules.", file=sys.stderr)
    return choice.applied(settings)


async def _scored(protocols: Sequence[tuple[Protocol, CheckContext]], settings: Settings) -> list[Review]:
    """Review protocols with a model's scores, one after the other.

    Answers are kept in the workspace, so that the same protocol is not paid for twice.

    Raises:
        BudgetError: The budget is used up.
        ModelRefusedError: The server does not accept the key, or has no such model.
        ModelUnavailableError: The server does not answer.
    """
    import tempfile

    from bioresearcher.cli.output import usage_text
    from bioresearcher.events import Event, EventLog
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.graph.services import budget_of, make_caller
    from bioresearcher.llm.budget import Meter
    from bioresearcher.llm.ledger import Ledger
    from bioresearcher.prompts import PromptBook
    from bioresearcher.resources import load_cards
    from bioresearcher.retrieval.index import Library
    from bioresearcher.schemas.base import Usage
    from bioresearcher.stages.score import score_protocol

    def print_note(event: Event) -> None:
        if event.kind == "note":
            print(f"bioresearcher: {event.message}", file=sys.stderr)

    resources = resources_of(settings)
    folder = settings.workspace / "reviews"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Library(Path(scratch) / "library") as library:
        ledger = Ledger(folder / "ledger.sqlite")
        try:
            caller = make_caller(
                settings, library, ledger, PromptBook(resources), load_cards(resources), EventLog(None, print_note)
            )
            # the ledger also holds what earlier reviews cost; a budget is for this command
            meter = Meter(budget_of(settings), Usage(), 0)
            caller = replace(caller, meter=meter)
            try:
                return [await score_protocol(caller, c.objective, p, c) for p, c in protocols]
            finally:
                print(f"bioresearcher: {usage_text(meter.spent)}.", file=sys.stderr)
                await caller.close(wait=False)
        finally:
            ledger.close()


_AGREEMENT_EXAMPLES = """a line of RATINGS.csv for each item and rater:
  item,rater,label,machine
  protocol-1,anna,4,4
  protocol-1,ben,3,4

examples:
  bioresearcher review agreement ratings.csv --chart perception.png
  bioresearcher review agreement ratings.csv --machine gpt-judge --scale 1,2,3,4,5 --format json"""


def add_agreement_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "review agreement",
        help="compare scores with people's ratings",
        description="Krippendorff's alpha and Randolph's kappa of people with each other and with a machine, by how "
        "sure people are, the binned Jensen-Shannon distance, and perception charts (after arXiv 2410.03775).",
        epilog=_AGREEMENT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("ratings", type=Path, metavar="RATINGS.csv", help="columns item, rater, label, machine…")
    parser.add_argument(
        "--machine", action="append", default=[], metavar="RATER", help="a rater that is a machine (repeatable)"
    )
    parser.add_argument(
        "--level",
        choices=("nominal", "ordinal", "interval"),
        help="comparison of labels (ordinal for numbers, else nominal)",
    )
    parser.add_argument("--scale", metavar="A,B,…", help="all labels in order, also those nobody gave")
    parser.add_argument(
        "--chart",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="perception chart, .png or .svg (repeatable)",
    )
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table", help="what to print")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.set_defaults(run=measure_agreement)


def measure_agreement(args: argparse.Namespace) -> int:
    """Compare ratings and print; return 0, or raise when the ratings cannot be used."""
    from bioresearcher.review.calibration.agreement import measure_agreement
    from bioresearcher.review.calibration.charts import as_json, as_markdown, draw_perception
    from bioresearcher.review.calibration.ratings import read_ratings

    scale = [x.strip() for x in (args.scale or "").split(",") if x.strip()]
    found = measure_agreement(read_ratings(args.ratings, machines=args.machine, level=args.level, scale=scale))
    for path in args.chart:
        draw_perception(found, path)
    text = as_json(found) if args.format == "json" else as_markdown(found)
    (draw if args.format == "table" else put)(text, args.output)
    for path in args.chart:
        print(f"chart: {path}", file=sys.stderr)
    return 0
