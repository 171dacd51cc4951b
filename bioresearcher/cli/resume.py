"""`bioresearcher resume`: go on with a run that stopped or died."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.cli.common import Commands, add_budget_options, add_run_options, find_run


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("resume", help="go on with a run that was stopped or killed")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    add_run_options(parser)
    add_budget_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Resume; the exit code."""
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
