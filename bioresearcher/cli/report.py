"""`bioresearcher report`: write a run's report again, or say what would fall without a paper."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.common import Commands, find_run

if TYPE_CHECKING:
    from bioresearcher.schemas.evidence import Fall, Without


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("report", help="write the report of a run again (also of an unfinished one)")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    parser.add_argument("--json", action="store_true", help="print the paths (or what would fall) as JSON")
    parser.add_argument(
        "--without",
        action="append",
        metavar="PAPER",
        help="write nothing: list the protocol steps that would fall without this paper (id, PMID, PMC id or DOI; "
        "repeatable); exit code 1 when one does",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write report.md and report.html, or list what would fall; the exit code."""
    import json

    from bioresearcher.graph.run import read_record
    from bioresearcher.report.write import write_reports
    from bioresearcher.runfolder import RunFolder

    folder = RunFolder(find_run(args.run_folder))
    read_record(folder)
    if args.without:
        return _without(folder.root, args.without, as_json=args.json)
    markdown, html = write_reports(folder)
    if args.json:
        print(json.dumps({"markdown": str(markdown), "html": str(html)}))
    else:
        print(f"{markdown}\n{html}")
    return 0


def _without(root: Path, names: list[str], *, as_json: bool) -> int:
    """Print what would fall; 1 when a step falls or follows, else 0.

    Raises:
        InputError: A paper is not one of the run's.
    """
    from bioresearcher.errors import InputError
    from bioresearcher.library.evidence import named_papers, without
    from bioresearcher.report.evidence import graph_of
    from bioresearcher.report.view import load_view
    from bioresearcher.runfolder import RunFolder

    view = load_view(RunFolder(root))
    gone: set[str] = set()
    for name in names:
        found = named_papers(view.papers, name)
        if not found:
            known = ", ".join(p.id for p in view.papers[:8]) or "it has none"
            raise InputError(f"{root.name} has no paper {name!r}.", hint=f"Its papers: {known}.")
        gone |= {p.id for p in found}
    result = without(graph_of(view), gone)
    if as_json:
        print(result.model_dump_json())
    else:
        print("\n".join(_lines(result, len(view.protocol.steps) if view.protocol else 0)))
    return 1 if result.having("falls") or result.having("follows") else 0


def _lines(result: Without, steps: int) -> list[str]:
    down, weak = [*result.having("falls"), *result.having("follows")], result.having("weakened")
    lines = [
        f"Without {', '.join(result.papers)}: {len(down)} of {steps} protocol steps fall, {len(weak)} are weakened."
    ]
    lines += [f"  falls     {_said(s)}" for s in result.having("falls")]
    lines += [f"  follows   {_said(s)} (needs {', '.join(s.through)})" for s in result.having("follows")]
    lines += [f"  weakened  {_said(s)} (still stands on {', '.join(s.left)})" for s in weak]
    return lines + ([f"Tasks that carry out fallen steps: {', '.join(result.tasks)}."] if result.tasks else [])


def _said(step: Fall) -> str:
    return f"{step.step_id}  {step.title}"
