"""`bioresearcher diff`: what changed from one run to another."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands, find_run

if TYPE_CHECKING:
    from bioresearcher.schemas.run_diff import RunDiff

MOST_SHOWN = 25


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "diff",
        help="what changed between two runs: questions, data, protocol, answers, numbers, versions",
        description="Compare two runs. Exit code 0, whatever differs.",
    )
    parser.add_argument("first", type=Path, metavar="RUN1", help="a run folder, or its name in ./workspace/runs")
    parser.add_argument("second", type=Path, metavar="RUN2", help="the later run")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the form of the answer (text)")
    parser.add_argument("--all", action="store_true", help=f"text: all differences, not the first {MOST_SHOWN} a part")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare and print; return 0."""
    from bioresearcher.cli.output import put
    from bioresearcher.graph.run import read_record
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.stages.run_diff import compare_runs

    first, second = (RunFolder(find_run(path)) for path in (args.first, args.second))
    read_record(first)
    read_record(second)
    found = compare_runs(first, second)
    text = found.model_dump_json(indent=2) if args.format == "json" else "\n".join(_lines(found, shorten=not args.all))
    put(text + "\n", None)
    return 0


def _lines(found: RunDiff, *, shorten: bool) -> Iterator[str]:
    from bioresearcher.text.format import count_of

    if found.same:
        counts = ", ".join(f"{n} {part}" for part, n in found.compared.items())
        yield f"{found.first} and {found.second} are the same ({counts})."
        return
    yield f"{found.first} → {found.second}: {count_of(len(found.differences), 'difference')}"
    yield from found.not_compared
    for part, total in found.compared.items():
        mine = [d for d in found.differences if d.part == part]
        if not mine:
            yield f"{part}: the same ({total})"
            continue
        yield f"{part}: {len(mine)} of {total} differ"
        shown = mine[:MOST_SHOWN] if shorten else mine
        for d in shown:
            if not d.before:
                yield f"  + {d.name}: {d.after}"
            elif not d.after:
                yield f"  - {d.name}: {d.before}"
            else:
                yield f"  {d.name}: {d.before} → {d.after}"
        if len(mine) > len(shown):
            yield f"  … and {len(mine) - len(shown)} more (--all)"
