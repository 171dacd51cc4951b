"""`bioresearcher trace`: where a number of a run comes from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands, find_run

if TYPE_CHECKING:
    from bioresearcher.schemas.trace import NumberTrace, TracedPlace

_EXAMPLES = """examples:
  bioresearcher trace workspace/runs/2025-01-31-breast 0.0083
  bioresearcher trace 2025-01-31-breast "1.11 to 2.06" --format json
  bioresearcher trace 2025-01-31-breast 23.9%
  bioresearcher trace 2025-01-31-breast -- -2e-5              (after -- whatever begins with a minus)

exit codes: 0 found · 1 not found (the nearest numbers are told) · 2 no number, or no run"""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "trace",
        help="where a number of a run comes from: sentence, finding, cell, script, rows, input files",
        description="Look a number up as it is written in the answer or in a table. A number matches where it is the "
        "same, or where one of the two is the other one rounded. All places are told.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    parser.add_argument("number", metavar="NUMBER", help="a number or an interval")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the form of the answer (text)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trace and print; return 0, or 1 when the number is nowhere."""
    from bioresearcher.cli.output import put
    from bioresearcher.graph.run import read_record
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.stages.trace import check_run, trace_number

    folder = RunFolder(find_run(args.run_folder))
    read_record(folder)
    check_run(folder)
    found = trace_number(folder, args.number)
    text = found.model_dump_json(indent=2) if args.format == "json" else "\n".join(_lines(found))
    put(text + "\n", None)
    return 0 if found.places or found.flows else 1


def _lines(found: NumberTrace) -> Iterator[str]:
    from bioresearcher.text.format import count_of
    from bioresearcher.text.visible import one_line

    if not found.places and not found.flows:
        yield f"{found.asked} is in no finding, table or analysis set of {found.run_id}."
        if found.near:
            yield "The nearest numbers:"
        yield from (f"  {one_line(n.text, 40)}  ({one_line(n.place, 120)}; {n.difference})" for n in found.near)
        return
    total = len(found.places) + len(found.flows) + found.left_out
    yield f"{found.asked} in {found.run_id}: {count_of(total, 'place')}"
    for place in found.places:
        yield ""
        yield from _place(place)
    for flow in found.flows:
        yield f"analysis set {flow.id} ({one_line(flow.population, 60)}): {one_line(flow.flow, 300)}"
    if found.left_out:
        yield f"and {found.left_out} more tables that hold it, which no finding states"


def _place(place: TracedPlace) -> Iterator[str]:
    from bioresearcher.text.visible import one_line

    head = f"finding {place.finding}" if place.finding else f"table of {place.task}"
    yield f"{head}: {one_line(place.title, 120)} ({place.outcome})"
    yield from (f"  answer     {s.question}: {one_line(s.text, 400)}" for s in place.sentences)
    if place.statement:
        yield f"  statement  {one_line(place.statement, 400)}"
    if place.keys:
        yield f"  values     {', '.join(one_line(k, 60) for k in place.keys)}"
    if place.exact:
        yield f"  unrounded  {', '.join(repr(v) for v in place.exact)}"
    for cell in place.cells:
        where = f"{cell.file}, row {cell.row} ({one_line(cell.row_name, 80)}), column {one_line(cell.column, 60)}"
        yield f"  cell       {where}: {one_line(cell.value, 40)}"
    if place.more_cells:
        yield f"             and {place.more_cells} more cells that round to it"
    yield from (f"  script     {n.file}:{n.line}  {n.text}  [{n.why}]" for n in place.lines)
    yield from (f"  rows       {s.id} ({one_line(s.population, 60)}): {one_line(s.flow, 300)}" for s in place.sets)
    for given in place.inputs:
        through = f", read by {given.through}" if given.through else ""
        yield f"  input      {one_line(given.file, 100)}  sha256 {given.sha256}  {given.state}{through}"
