"""`bioresearcher library show`: what was taken from a paper, and what stands on it, over a workspace's runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.cli.common import Commands
from bioresearcher.errors import InputError


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command to those of `library`."""
    parser = commands.add_parser("show", help="what was taken from a paper, and what stands on it, over all runs")
    parser.add_argument("paper", metavar="PAPER", help="the paper's id here, its PMID, PMC id or DOI")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="where runs and the library live (./workspace)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the paper's uses; the exit code.

    Raises:
        InputError: No run of the workspace knows the paper.
    """
    import json

    from bioresearcher.report.evidence import uses_in_runs
    from bioresearcher.settings import load_settings

    workspace = load_settings(flags={"workspace": args.workspace} if args.workspace else {}).workspace
    found = list(uses_in_runs(workspace / "runs", args.paper))
    if not found:
        raise InputError(
            f"no run in {workspace / 'runs'} knows a paper {args.paper!r}.",
            hint="Give its id, PMID, PMC id or DOI; each run lists its papers in papers/.",
        )
    if args.json:
        print(json.dumps([{"run": name, **use.model_dump(mode="json")} for name, _, use in found], ensure_ascii=False))
        return 0
    paper = found[0][1]
    named = [f"PMID {paper.pmid}" if paper.pmid else "", paper.pmcid or "", f"doi {paper.doi}" if paper.doi else ""]
    print(f"{paper.id}  {paper.title}")
    print(", ".join(filter(None, [*named, paper.journal or "", str(paper.year or ""), f"status: {paper.status}"])))
    for name, _, use in found:
        print(f"\n{name}")
        print(f"  read: {len(use.report_steps)} steps with {use.quotes} quotes{_list(use.report_steps)}")
        print(f"  taken over: {len(use.taken)} of them{_list(use.taken)}")
        print(f"  protocol steps that stand on it: {len(use.protocol_steps)}{_list(use.protocol_steps)}")
        print(f"  tasks that carry those out: {len(use.tasks)}{_list(use.tasks)}")
    return 0


def _list(ids: tuple[str, ...]) -> str:
    return f": {', '.join(ids)}" if ids else ""
