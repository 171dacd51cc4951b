"""`bioresearcher review`: quality checks of any protocol."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.review_out import put
from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.review.render import Reviewed
    from bioresearcher.schemas.objective import Objective

_EXAMPLES = """examples:
  bioresearcher review workspace/runs/2025-01-31-breast
  bioresearcher review protocol.docx --format markdown --output review.md
  bioresearcher review *.md --json --min-score 3.5 --fail-on error"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "review",
        help="check any protocol: gates and five quality scores",
        description="Check protocols (JSON, run folder, Markdown, text, PDF, DOCX) without a model or a network.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a protocol or a run folder")
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table", help="what to print")
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--min-score", type=_score, metavar="X", help="exit code 1 when a mean is below X (1 to 5)")
    parser.add_argument("--fail-on", choices=("error", "warning"), help="exit code 1 on a finding this severe")
    parser.add_argument("--objective", type=Path, metavar="FILE", help="objective file (TOML) to check against")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument("--list-gates", action="store_true", help="print all gates and end")
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
    """Review the files; the exit code is 0, 1 (below the asked quality) or 2 (a file could not be read)."""
    from bioresearcher.review.render import gate_list

    form = "json" if args.json else args.format
    if args.list_gates:
        put(gate_list(form), args.output)
        return 0
    if not args.files:
        raise InputError("no file was given.", hint="Name a protocol, or use --list-gates; see --help.")
    objective = _objective(args.objective) if args.objective else None
    results = [_review(path, objective) for path in args.files]
    if len(results) == 1 and results[0].review is None:
        raise InputError(results[0].error, hint=results[0].hint)
    _show(results, form, args.output)
    for r in results:
        if r.review is None:
            print(f"bioresearcher: error: {r.error} {r.hint}".rstrip(), file=sys.stderr)
    return _exit_code(results, args.min_score, args.fail_on)


def _review(path: Path, objective: Objective | None) -> Reviewed:
    """One file's review; what cannot be read is a result too."""
    from dataclasses import replace

    from bioresearcher.review.gates import GateContext, applicability
    from bioresearcher.review.metrics import review_by_rule
    from bioresearcher.review.read_protocol import read_protocol
    from bioresearcher.review.render import Reviewed
    from bioresearcher.review.run_context import context_of_run

    try:
        reading = read_protocol(path)
        context = context_of_run(path) if path.is_dir() else GateContext()
    except InputError as error:
        return Reviewed(str(path), error=error.message, hint=error.hint)
    if objective is not None:
        context = replace(context, objective=objective)
    return Reviewed(
        file=str(path),
        title=reading.protocol.title,
        form=reading.form,
        warnings=reading.warnings,
        review=review_by_rule(reading.protocol, context),
        gates=applicability(context),
    )


def _exit_code(results: list[Reviewed], min_score: float | None, fail_on: str | None) -> int:
    reviews = [r.review for r in results if r.review is not None]
    if len(reviews) < len(results):
        return 2
    severe = {"error": {"error"}, "warning": {"error", "warning"}}.get(fail_on or "", set())
    low = min_score is not None and any(r.mean_score < min_score for r in reviews)
    return 1 if low or any(f.severity in severe for r in reviews for f in r.findings) else 0


def _objective(path: Path) -> Objective:
    from bioresearcher.examples import load_objective_file

    return load_objective_file(path).objective


def _show(results: list[Reviewed], form: str, output: Path | None) -> None:
    from bioresearcher.review.render import as_json, as_markdown, as_text

    if form == "table" and output is None and sys.stdout.isatty():
        from bioresearcher.cli.review_table import print_tables

        print_tables(results)
        return
    render = {"json": as_json, "markdown": as_markdown, "table": as_text}[form]
    put(render(results), output)
