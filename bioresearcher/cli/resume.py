"""`bioresearcher resume`: go on with a run that stopped or died."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.cli.common import Commands, add_run_options, find_run


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("resume", help="go on with a run that was stopped or killed")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    add_run_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Resume; the exit code."""
    from bioresearcher.cli.drive import drive
    from bioresearcher.graph.run import inputs_of, read_record, settings_of
    from bioresearcher.runfolder import RunFolder

    folder = RunFolder(find_run(args.run_folder))
    record = read_record(folder)
    return drive(folder, inputs_of(record), settings_of(record), args)
