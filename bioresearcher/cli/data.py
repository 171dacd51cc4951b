"""`bioresearcher data show`: prints how data are read, with reasons, or writes that as `dataset.toml`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bioresearcher.schemas.dataset import Column, DataFile, Dataset, Reading

_EPILOG = """what is not sure is marked; what decides a result and is not sure comes with the line of dataset.toml that
settles it. `data show DIR --write` writes the whole description, to be corrected; an existing one is never
overwritten."""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("data", help="show how data are read: rows, roles, units, codes, endpoints")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="print the description of data, or write it as dataset.toml",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument(
        "data", type=Path, metavar="DIR", help="a folder of tables, a folder of such folders, or one file"
    )
    show.add_argument(
        "--write",
        action="store_true",
        help="write dataset.toml beside the tables (of tables put together and of single ones, beside a copy)",
    )
    show.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed (default: text)")
    show.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print or write the description; return the exit code.

    Raises:
        InputError: There are no data, nothing can be read, or a description is there already.
    """
    import tempfile

    from bioresearcher.cli.output import draw, print_json
    from bioresearcher.errors import InputError
    from bioresearcher.sources.datasets.correct import write_description
    from bioresearcher.sources.datasets.load import load_datasets

    with tempfile.TemporaryDirectory(prefix="bioresearcher-data-") as store:
        datasets, failures = load_datasets([args.data], Path(store))
        if not datasets:
            first = failures[0]
            raise InputError(first.message, hint=first.hint or "")
        written = [write_description(args.data, dataset, beside=True) for dataset in datasets] if args.write else []
        given = str(args.data)
        shown = [d.model_copy(update={"root": given}) if Path(store) in Path(d.root).parents else d for d in datasets]
    if args.format == "json":
        listed = [d.model_dump(mode="json") for d in shown]
        wrong = [f.model_dump(mode="json") for f in failures]
        print_json({"datasets": listed, "failures": wrong, "written": [str(p) for p in written]})
    elif written:
        for dataset, path in zip(shown, written, strict=True):
            count = len(_open(dataset))
            rest = f"{count} statements in it are open and marked as comments" if count else "nothing in it is open"
            print(f"{path}: {rest}; use it with --data {path.parent}")
    else:
        draw("\n".join(line for dataset in shown for line in description_lines(dataset)))
    for failure in failures if args.format == "text" else ():
        print(f"not read: {failure.message}")
    return 2 if failures else 0


def _open(dataset: Dataset) -> list[Reading]:
    return [r for r in dataset.readings if not r.sure and r.line]


def description_lines(dataset: Dataset, most: int | None = None) -> Iterable[str]:
    """Describe one data set as Markdown, with what is open and the lines that settle it.

    Of the columns without a role at most `most` are shown, and the others counted.
    """
    from bioresearcher.text.format import count_of, md, md_code, md_list

    yield f"# {md(dataset.id)}: {md(dataset.title)}"
    yield ""
    facts = [f"described by {dataset.described_by}", count_of(dataset.n_samples, "sample")]
    facts += [count_of(dataset.n_features, "feature")] if dataset.n_features else []
    facts += [f"organism {dataset.organism}"] if dataset.organism else []
    facts += [f"endpoint {dataset.endpoint}"] if dataset.endpoint else []
    yield md("; ".join(facts)) + "."
    yield ""
    for file in dataset.files:
        yield from _file_lines(file, [r for r in dataset.readings if r.file == file.path], most)
    decisive = [r for r in _open(dataset) if r.decides]
    yield "## To settle"
    yield ""
    if not decisive:
        yield "Nothing that decides a result is open."
        yield ""
    for reading in decisive:
        place = f"[files.columns.{reading.column}]" if reading.column else "[[files]]"
        yield f"- {md(reading.file)}, {md(reading.column)}: {md(reading.says)} ({md(reading.reason)})."
        yield f"  Under {md_code(place)} in dataset.toml: {md_code(reading.line)}"
    if decisive:
        yield ""
    if dataset.problems:
        yield "## Problems"
        yield ""
        yield from md_list(dataset.problems)
        yield ""


def _file_lines(file: DataFile, readings: list[Reading], most: int | None) -> Iterable[str]:
    from bioresearcher.text.format import count_of, md, md_table

    yield f"## {md(file.path)}"
    yield ""
    about = [
        file.kind.replace("_", " "),
        count_of(file.rows, "row"),
        f"a row is a {file.row_is}" if file.row_is else "a row is not known",
    ]
    about += [f"samples in {count_of(file.samples, 'column')}"] if file.samples is not None else []
    if file.kind == "expression":
        about.append(f"scale {file.scale or 'not stated'}")
    yield md("; ".join(about)) + "."
    yield ""
    yield from (_sentence(r) for r in readings if not r.column)
    if file.columns:
        spare = [c.name for c in file.columns if c.role == "other" and all(r.column != c.name for r in readings)]
        cut = set() if most is None else {*spare[most:]}
        shown = [c for c in file.columns if c.name not in cut]
        rows = [_row(column, [r for r in readings if r.column == column.name]) for column in shown]
        header = ("Column", "Role", "Type", "Levels and codes", "Not known", "Read because", "Sure")
        yield from md_table(header, rows)
        yield ""
        if cut:
            yield from (f"And {count_of(len(cut), 'further column')} without a role.", "")


def _sentence(reading: Reading) -> str:
    from bioresearcher.text.format import md

    sure = "" if reading.sure else " Not sure."
    return f"{md(reading.says[:1].upper() + reading.says[1:])} ({md(reading.reason)}).{sure}\n"


def _row(column: Column, readings: list[Reading]) -> list[str]:
    from bioresearcher.text.format import listing, md

    role: str = column.role
    role += f" {column.endpoint}" if column.endpoint else ""
    role += f" of those {'with' if column.time_of == 'event' else 'without'} the event" if column.time_of else ""
    kind = f"{column.dtype}, {column.unit}" if column.unit else column.dtype
    codes = dict(column.codes)
    levels = [f"{v} = {codes[v]}" if v in codes else v for v in column.levels]
    meaning = listing(levels, 6, 40)
    meaning += f"; event {column.event_level}" if column.event_level is not None else ""
    meaning += f"; case {column.case}, control {column.control}" if column.case is not None else ""
    unknown = f"{column.missing} ({listing(column.missing_values, 4, 20)})" if column.missing_values else ""
    unknown = unknown or (str(column.missing) if column.missing else "")
    because = "; ".join(dict.fromkeys(f"{r.says}: {r.reason}" if n else r.reason for n, r in enumerate(readings)))
    sure = "" if not readings else "yes" if all(r.sure for r in readings) else "no"
    return [md(cell) for cell in (column.name, role, kind, meaning.strip("; "), unknown, because, sure)]
