"""`bioresearcher ask`: a question about a run, answered from its papers alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands, add_budget_options, find_run, given_text

if TYPE_CHECKING:
    from bioresearcher.schemas.library import LibraryAnswer


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
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
    from bioresearcher.graph.questions import open_desk
    from bioresearcher.graph.run import read_record, settings_of
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.settings import with_budget
    from bioresearcher.stages.answer import question_of

    question = question_of(given_text(args.question, "question"))
    folder = RunFolder(find_run(args.run_folder))
    settings = with_budget(settings_of(read_record(folder)), vars(args))
    async with open_desk(folder, settings) as desk:
        return await desk.ask(question)
