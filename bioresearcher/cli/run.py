"""`bioresearcher run`: from an objective to its run report. `bioresearcher resume`: go on with a stopped run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import (
    Commands,
    add_budget_options,
    add_model_options,
    add_place_options,
    add_run_options,
    add_search_options,
    find_run,
)
from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.graph.prepare import RunInputs
    from bioresearcher.settings import Settings


EPILOG = """examples:
  bioresearcher run --example breast-cancer --yes
  bioresearcher run --objective "Which genes differ between ALL and AML?" --papers papers/ --data data/
  bioresearcher run objective.toml --yes --json
  bioresearcher run objective.toml --model openai:gpt-5-mini --max-usd 2
  bioresearcher run objective.toml --model reader=ollama:qwen3:8b --model anthropic:claude-sonnet-5

  bioresearcher run --feedback "drop part 4; set fdr to 0.01" workspace/runs/2026-01-05-breast-cancer
  bioresearcher run --replay workspace/runs/2026-01-05-breast-cancer

--replay takes objective, inputs, settings, decisions and every model answer from a finished run, runs its tasks
again, and compares protocol, reports, review, code, outputs and report byte for byte: exit code 0 when all are
identical, 1 when a file differs. No model is asked and no network is used; the replayed run folder is only read.

--feedback changes the protocol of a run that is finished or waits for an approval, only where the comment concerns it,
shows the difference, asks for approval, and runs the tasks that changed. Without a model it can drop parts and steps,
set parameters, add methods that have a skill, add requirements, and exclude data sets and papers.

An objective file is TOML with `objective`, `conditions`, `requirements`, `papers`, `data`; paths are relative to it."""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "run",
        help="carry an objective to a protocol, verified results and a report",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="objective file (TOML), or a run (--feedback)"
    )
    parser.add_argument("--feedback", metavar="TEXT", help="change the protocol of the run FILE as the comment says")
    parser.add_argument("--example", metavar="NAME", help="a packaged example: breast-cancer")
    parser.add_argument("--objective", metavar="TEXT", help="the objective; @FILE reads it from a text file")
    parser.add_argument("--condition", action="append", default=[], metavar="TEXT", help="what is at hand (repeatable)")
    parser.add_argument(
        "--requirement", action="append", default=[], metavar="TEXT", help="what must be in the design (repeatable)"
    )
    parser.add_argument(
        "--papers",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="JATS, PDF, Markdown, BibTeX, RIS, .nbib, CSL JSON",
    )
    parser.add_argument("--data", action="append", default=[], type=Path, metavar="PATH", help="CSV/TSV tables (.gz)")
    add_search_options(parser)
    parser.add_argument(
        "--reuse", action="store_true", help="do not run again what a finished run here already answers"
    )
    parser.add_argument(
        "--replay", type=Path, metavar="RUN", help="run a finished run again from its recorded answers, and compare"
    )
    add_run_options(parser)
    add_model_options(parser)
    add_budget_options(parser)
    add_place_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run; return the exit code."""
    if args.replay is not None or args.feedback is not None:
        from bioresearcher.cli.drive import feedback, replay

        return replay(args) if args.replay is not None else feedback(args)
    import asyncio

    from bioresearcher.cli.spending import agree
    from bioresearcher.graph.prepare import check_inputs, check_names, check_sources
    from bioresearcher.llm.select_backend import choose_backend
    from bioresearcher.settings import load_settings

    _check_kinds(args)
    inputs, only_own = _inputs(args)
    args.only_own = args.only_own if args.only_own is not None else only_own or None
    settings = load_settings(vars(args))
    check_names(settings)
    check_inputs(inputs, settings)
    check_sources(settings)
    choice = asyncio.run(choose_backend(settings))
    settings = choice.applied(settings)
    # importing the pipeline takes a second, which a mistake above need not wait for
    from bioresearcher.cli.drive import drive, tell_finished
    from bioresearcher.graph.run import new_run_folder

    if args.reuse:
        from bioresearcher.graph.run import find_finished

        finished = find_finished(inputs, settings)
        if finished is not None:
            return tell_finished(finished, args)
    _tell_hosts(settings, args)
    forecast = agree(inputs, settings, choice, args)
    folder = new_run_folder(settings.workspace, inputs.objective.id)
    return drive(folder, inputs, settings, args, backend_reason=choice.reason, forecast=forecast)


def _inputs(args: argparse.Namespace) -> tuple[RunInputs, bool]:
    """Return the inputs from exactly one of example, file and --objective, and its `only_own`.

    Raises:
        InputError: None or several were given, or the objective is empty.
    """
    from bioresearcher.cli.options import given_text
    from bioresearcher.examples import load_example, load_objective_file
    from bioresearcher.graph.prepare import inputs_from_file, inputs_from_text, with_additions

    sources = {"FILE": args.file, "--example": args.example, "--objective": args.objective}
    given = [name for name, value in sources.items() if value is not None]
    if len(given) != 1:
        why = "several were given: " + ", ".join(given) if given else "none was given"
        raise InputError(f"name one objective ({why}).", hint="Use --example, --objective TEXT, or a FILE; see --help.")
    if args.objective is not None:
        base, only_own = inputs_from_text(given_text(args.objective, "--objective")), False
    else:
        if args.file is not None:
            _check_file(args.file)
        loaded = load_example(args.example) if args.example else load_objective_file(args.file)
        base, only_own = inputs_from_file(loaded), loaded.only_own
    more = with_additions(
        base, conditions=args.condition, requirements=args.requirement, papers=args.papers, data=args.data
    )
    return more, only_own


def _check_file(path: Path) -> None:
    """Refuse what stands where an objective file should, with how it is given.

    Raises:
        InputError: It is an objective in words, a folder, or another kind of file.
    """
    if path.is_dir():
        is_run = (path / "run.json").is_file()
        hint = f"A run goes on with: bioresearcher resume {path}" if is_run else "Folders go with --papers and --data."
        raise InputError(f"{path} is a folder, not an objective file (TOML).", hint=hint)
    if not path.exists() and (" " in str(path) or not path.suffix):
        raise InputError(
            f"there is no objective file {str(path)[:200]!r}.",
            hint='An objective in words is given as --objective "…".',
        )
    if path.exists() and path.suffix.lower() not in ("", ".toml"):
        raise InputError(
            f"{path} is no objective file (TOML).",
            hint="Papers go with --papers, tables with --data; a protocol is checked with `bioresearcher review`.",
        )


_TABLES = {".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".parquet", ".h5ad", ".gmt"}
_PAPERS = {".pdf", ".nxml", ".docx", ".md", ".bib", ".ris", ".nbib"}


def _check_kinds(args: argparse.Namespace) -> None:
    """Refuse a paper that is given as data, and a table that is given as a paper, before anything is read.

    Raises:
        InputError: With the flag that was meant.
    """
    for paths, other, wrong in ((args.papers, "--data", _TABLES), (args.data, "--papers", _PAPERS)):
        for path in paths:
            kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
            if kind.lower() in wrong and path.is_file():
                raise InputError(f"{path} is given with the wrong flag.", hint=f"Use {other} {path}.")


def _tell_hosts(settings: Settings, args: argparse.Namespace) -> None:
    """Print the hosts that will be asked, before any is."""
    from bioresearcher.cli.output import console_for, say
    from bioresearcher.graph.services import hosts_of

    hosts = hosts_of(settings)
    asked = f"{', '.join(hosts)} will be asked (none with --only-own)" if hosts else "none are asked"
    vectors = f"; vectors are kept by the Chroma server {settings.chroma_url}" if settings.chroma_url else ""
    say(console_for(args), f"services: {asked}{vectors}")


def add_resume_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("resume", help="go on with a run that was stopped or killed")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    add_run_options(parser)
    add_budget_options(parser)
    parser.set_defaults(run=resume)


def resume(args: argparse.Namespace) -> int:
    """Resume; return the exit code."""
    from bioresearcher.cli.drive import drive
    from bioresearcher.graph.replay import open_source
    from bioresearcher.graph.run import inputs_of, read_record, settings_of
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.settings import with_budget

    folder = RunFolder(find_run(args.run_folder))
    record = read_record(folder)
    settings = with_budget(settings_of(record), vars(args))
    replay = None
    if record.replay_of:
        origin = RunFolder(Path(record.replay_of.folder))
        replay = open_source(origin.root, read_record(origin))
    return drive(folder, inputs_of(record), settings, args, replay=replay)
