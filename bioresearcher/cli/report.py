"""`bioresearcher report`: writes a run's report again, or lists the steps that fall without a paper.

`bioresearcher reproduce`: executes a run's tasks again from its folder alone, and compares.

`bioresearcher ask`: answers a question from a run's papers alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import SANDBOXES, Commands, add_budget_options, find_run, given_text

if TYPE_CHECKING:
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.schemas.execution import ArtifactCheck, Reproduction
    from bioresearcher.schemas.library import LibraryAnswer, StepLoss, Without
    from bioresearcher.schemas.run import RunRecord


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
    """Write report.md and report.html, or list what would fall; return the exit code."""
    from bioresearcher.cli.output import print_json
    from bioresearcher.graph.run import read_record
    from bioresearcher.report.write import write_reports
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.stages.deviations import deviation_lines, deviations

    folder = RunFolder(find_run(args.run_folder))
    read_record(folder)
    if args.without:
        return _without(folder.root, args.without, as_json=args.json)
    markdown, html = write_reports(folder)
    found = deviations(folder)
    if args.json:
        said = found.model_dump(mode="json")
        print_json({"markdown": str(markdown), "html": str(html), "deviations": said})
    else:
        print(f"{markdown}\n{html}")
        for line in deviation_lines(found) if found.registered else ():
            print(line, file=sys.stderr)
    return 0


def _without(root: Path, names: list[str], *, as_json: bool) -> int:
    """Print the steps that would fall; return 1 when a step falls or follows, else 0.

    Raises:
        InputError: A paper is not one of the run's.
    """
    from bioresearcher.errors import InputError
    from bioresearcher.papers.evidence_graph import named_papers, removal_effects
    from bioresearcher.report.run_data import load_view
    from bioresearcher.report.summaries import run_evidence_graph
    from bioresearcher.runfolder import RunFolder

    view = load_view(RunFolder(root))
    gone: set[str] = set()
    for name in names:
        found = named_papers(view.papers, name)
        if not found:
            known = ", ".join(p.id for p in view.papers[:8]) or "it has none"
            raise InputError(f"{root.name} has no paper {name!r}.", hint=f"Its papers: {known}.")
        gone |= {p.id for p in found}
    result = removal_effects(run_evidence_graph(view), gone)
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
    lines += [f"  falls     {_name(s)}" for s in result.having("falls")]
    lines += [f"  follows   {_name(s)} (needs {', '.join(s.through)})" for s in result.having("follows")]
    lines += [f"  weakened  {_name(s)} (still stands on {', '.join(s.left)})" for s in weak]
    return lines + ([f"Tasks that carry out fallen steps: {', '.join(result.tasks)}."] if result.tasks else [])


def _name(step: StepLoss) -> str:
    return f"{step.step_id}  {step.title}"


def add_reproduce_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "reproduce",
        help="execute a run's tasks again from its folder, offline, and compare the outputs",
        description="Exit code 0 when every recorded output came out the same, 1 when one differs or cannot be made.",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    parser.add_argument("--task", action="append", metavar="ID", help="only this task (repeatable)")
    parser.add_argument("--jobs", type=int, metavar="N", help="tasks side by side (number of processors)")
    parser.add_argument("--sandbox", choices=SANDBOXES, default="auto", help="none runs the code unprotected (auto)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(run=reproduce)


def reproduce(args: argparse.Namespace) -> int:
    """Execute and compare; return the exit code."""
    import asyncio

    from bioresearcher.graph.run import read_record
    from bioresearcher.runfolder import RunFolder

    folder = RunFolder(find_run(args.run_folder))
    result = asyncio.run(_reproduce(folder, read_record(folder), args))
    if args.json:
        print(result.model_dump_json(indent=2))
    else:
        _print(result)
    return 0 if result.count("same") == len(result.checks) else 1


async def _reproduce(folder: RunFolder, record: RunRecord, args: argparse.Namespace) -> Reproduction:
    import asyncio
    import os

    from bioresearcher.errors import InputError
    from bioresearcher.execution.reproduce import Recorded, reproduce_task
    from bioresearcher.graph.prepare import versions
    from bioresearcher.sandbox.choose import choose_sandbox
    from bioresearcher.schemas.execution import Limits, Reproduction

    recorded = Recorded.load(folder)
    wanted = args.task or list(recorded.tasks)
    unknown = [t for t in wanted if t not in recorded.tasks]
    if unknown:
        known = ", ".join(recorded.tasks) or "none"
        raise InputError(f"{folder.root} has no task {unknown[0]!r}.", hint=f"Its tasks are: {known}.")
    sandbox = await asyncio.to_thread(choose_sandbox, args.sandbox)
    limits = Limits.model_validate(record.settings.get("limits") or {})
    slots = asyncio.Semaphore(max(1, args.jobs or os.cpu_count() or 1))
    repeatable = [t for t in wanted if t in recorded.records and recorded.records[t].artifacts]

    async def one(task_id: str) -> list[ArtifactCheck]:
        async with slots:
            return await reproduce_task(recorded, task_id, sandbox, limits)

    checks = await asyncio.gather(*map(one, repeatable))
    left = {t: recorded.records.get(t) for t in wanted if t not in repeatable}
    now = versions()
    return Reproduction(
        run_id=record.run_id,
        sandbox=sandbox.name,
        checks=tuple(check for found in checks for check in found),
        no_outputs={t: f"{r.outcome}: {r.message}" if r else "it was not worked on" for t, r in left.items()},
        changed={n: (v, now.get(n, "missing")) for n, v in record.versions.items() if now.get(n) != v},
    )


def _print(result: Reproduction) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table("task", "output", "verdict", "compared", box=None, pad_edge=False)
    styles = {"same": "green", "differs": "bold red", "cannot": "yellow"}
    for check in result.checks:
        mark = Text(check.verdict, styles[check.verdict])
        table.add_row(check.task_id, Text(check.file), mark, Text(check.detail))
    if result.checks:
        console.print(table)
    for task_id, why in result.no_outputs.items():
        console.print(Text(f"{task_id}: nothing to compare ({why})"))
    if result.changed:
        changes = ", ".join(f"{name} {then} → {now}" for name, (then, now) in sorted(result.changed.items()))
        console.print(Text(f"other versions than at the run: {changes}"))
    same, differs, cannot = (result.count(verdict) for verdict in ("same", "differs", "cannot"))
    counts = f"{same} the same, {differs} different, {cannot} not possible"
    console.print(Text(f"{len(result.checks)} outputs: {counts}; sandbox: {result.sandbox}"))


def add_ask_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "ask",
        help="a question to a run's papers, answered with quotes that were found in them",
        description="Exit code 0 when the run's papers answer, 1 when they do not: “not in the library”.",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    parser.add_argument("question", metavar="QUESTION", help="in words; @FILE reads it from a text file")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    add_budget_options(parser)
    parser.set_defaults(run=ask)


def ask(args: argparse.Namespace) -> int:
    """Ask and print; return the exit code."""
    import asyncio

    from bioresearcher.cli.output import draw
    from bioresearcher.cli.session.paper_questions import answer_lines

    answer = asyncio.run(_ask(args))
    if args.json:
        print(answer.model_dump_json(indent=2))
    else:
        draw("\n".join(answer_lines(answer)))
    return 0 if answer.in_library else 1


async def _ask(args: argparse.Namespace) -> LibraryAnswer:
    from bioresearcher.graph.questions import open_question_context
    from bioresearcher.graph.run import read_record, settings_of
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.settings import with_budget
    from bioresearcher.stages.answer import question_of

    question = question_of(given_text(args.question, "question"))
    folder = RunFolder(find_run(args.run_folder))
    settings = with_budget(settings_of(read_record(folder)), vars(args))
    async with open_question_context(folder, settings) as desk:
        return await desk.ask(question)
