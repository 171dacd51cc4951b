"""`bioresearcher report`: write a run's report again."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.cli.common import Commands, find_run


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("report", help="write the report of a run again (also of an unfinished one)")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    parser.add_argument("--json", action="store_true", help="print the paths as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write report.md and report.html; the exit code."""
    import json

    from bioresearcher.graph.run import read_record
    from bioresearcher.report.write import write_reports
    from bioresearcher.runfolder import RunFolder

    folder = RunFolder(find_run(args.run_folder))
    read_record(folder)
    markdown, html = write_reports(folder)
    if args.json:
        print(json.dumps({"markdown": str(markdown), "html": str(html)}))
    else:
        print(f"{markdown}\n{html}")
    return 0
