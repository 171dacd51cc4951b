"""`bioresearcher review`: quality checks and scores of any protocol, and their agreement with people's ratings."""

from __future__ import annotations

import argparse
import sys
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
    text: str = ""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "review",
        help="check any protocol; a model judges it",
        description="Check protocols (Markdown, text, PDF, DOCX, JSON of protocols.io, JSON-LD, JATS XML, run folder). "
        "Checks need no model and no network and give findings; a document from elsewhere is judged by a model only.",
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
    _add_judging(parser)
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


def _add_judging(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how a model judges documents from elsewhere."""
    group = parser.add_argument_group("judging by models", "for documents that this program did not write")
    group.add_argument("--kind", choices=_KINDS, help="take each file for a document of this kind")
    group.add_argument(
        "--checklist",
        action="append",
        default=[],
        metavar="NAME",
        help="SPIRIT, ARRIVE, … (by kind; repeatable)",
    )
    group.add_argument("--passes", type=int, choices=(1, 2), default=1, help="2: a second look at each finding")
    group.add_argument("--panel", metavar="A,B,…", help="several models, the cheapest first, as in --model")
    group.add_argument("--calibration", type=Path, metavar="FILE", help="what `review calibrate` wrote for this panel")


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
    from bioresearcher.review.pieces import document_text
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
    if (path / "run.json").is_file():
        from bioresearcher.runfolder import RunFolder
        from bioresearcher.stages.deviations import deviation_lines, deviations

        found = deviations(RunFolder(path))
        result = replace(result, deviations=found, deviation_lines=tuple(deviation_lines(found)))
    return _Loaded(result, reading.protocol, context, reading.text or document_text(reading.protocol))


def _reviewed(loaded: list[_Loaded], args: argparse.Namespace) -> list[FileReview]:
    """Review each file by rule, or by the models that are configured where there are steps to judge."""
    from bioresearcher.review.metrics import review_without_model

    known = [(r.protocol, r.text, r.context) for r in loaded if r.protocol is not None and r.context is not None]
    asked = None
    if any(p.steps for p, _, _ in known):
        from bioresearcher.cli.review_model import Document, review_with_models

        asked = review_with_models([Document(*k) for k in known], args)
    barred = loaded[-1:] if args.diff else loaded
    foreign = next((r.result.file for r in barred if r.protocol is not None and r.protocol.origin == "source"), None)
    if args.min_score is not None and asked is None and foreign is not None:
        raise InputError(
            f"--min-score needs scores, and {foreign} has none: without a model a document from elsewhere is"
            f" not judged.",
            hint="Name a model (--model reviewer=NAME), or use --fail-on, which follows findings alone.",
        )
    reviews = iter(asked if asked is not None else [review_without_model(p, c) for p, _, c in known])
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
    low = min_score is not None and any(r.mean_score is not None and r.mean_score < min_score for r in reviews)
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
