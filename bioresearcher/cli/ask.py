"""`bioresearcher ask`: a question to the papers of a run, answered from these alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands, add_budget_options, find_run

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
    """Ask and print; the exit code."""
    import asyncio

    from bioresearcher.cli.review_output import draw
    from bioresearcher.cli.session.paper_questions import answer_lines

    answer = asyncio.run(_ask(args))
    if args.json:
        print(answer.model_dump_json(indent=2))
    else:
        draw("\n".join(answer_lines(answer)), None)
    return 0 if answer.in_library else 1


async def _ask(args: argparse.Namespace) -> LibraryAnswer:
    from bioresearcher.graph.questions import open_desk
    from bioresearcher.graph.run import read_record, settings_of
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.settings import with_budget
    from bioresearcher.stages.answer import question_of

    question = question_of(_text(args.question))
    folder = RunFolder(find_run(args.run_folder))
    settings = with_budget(settings_of(read_record(folder)), vars(args))
    async with open_desk(folder, settings) as desk:
        return await desk.ask(question)


def _text(given: str) -> str:
    from bioresearcher.errors import InputError

    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{given[1:]} cannot be read: {error}.") from error
