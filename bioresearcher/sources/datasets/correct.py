"""Correction of a data set's description: `dataset.toml` is written where there is none, and single lines are set."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

from bioresearcher.errors import InputError
from bioresearcher.runfolder import write_text
from bioresearcher.schemas.dataset import Dataset, Reading
from bioresearcher.sources.datasets.convert import RECORD
from bioresearcher.sources.datasets.describe import is_data_file, load_stated
from bioresearcher.sources.datasets.spec import DESCRIPTION, ColumnSpec, FileSpec, parse_spec, read_spec
from bioresearcher.sources.datasets.write import described_text

OPEN: Final = "…"
"""Stands in a line for what only a person knows."""
_KEY: Final = re.compile(r"([a-z_]+)\s*=\s*(.+)", re.DOTALL)
_TABLE: Final = re.compile(r"\s*\[")


def open_readings(dataset: Dataset) -> tuple[Reading, ...]:
    """Return the statements that decide a result and are not sure, each with the line that settles it."""
    return tuple(r for r in dataset.readings if r.open and r.line)


def write_description(given: Path, dataset: Dataset, elsewhere: Path | None = None, *, beside: bool = False) -> Path:
    """Write a description beside the tables, or with a copy of them where they were converted or lie among others.

    Args:
        given: The file or folder that the researcher gave.
        dataset: The data set as it was read.
        elsewhere: Folder of the copy where nothing can be written beside the tables.
        beside: True where the description is to lie beside tables that were converted, under their own names.

    Raises:
        InputError: There is a description already, or it cannot be written.
    """
    made_of = _originals(given, dataset) if beside else {}
    if made_of:
        files = tuple(f.model_copy(update={"path": made_of[f.path]}) for f in dataset.files)
        readings = tuple(r.model_copy(update={"file": made_of.get(r.file, r.file)}) for r in dataset.readings)
        dataset = dataset.model_copy(update={"files": files, "readings": readings, "root": str(given)})
    root = Path(dataset.root)
    folder = root
    if not given.is_dir() or not root.resolve().is_relative_to(given.resolve()):
        folder = given.resolve().with_name(f"{given.resolve().name}.described")
    _refuse_second(folder)
    try:
        return _write(folder, dataset)
    except OSError as error:
        if elsewhere is None:
            raise InputError(f"{folder / DESCRIPTION} cannot be written: {error.strerror or error}.") from error
    _refuse_second(elsewhere)
    try:
        return _write(elsewhere, dataset)
    except OSError as error:
        raise InputError(f"{elsewhere / DESCRIPTION} cannot be written: {error.strerror or error}.") from error


def _originals(given: Path, dataset: Dataset) -> dict[str, str]:
    """Table in plain form -> the file it was made of, where each is made of one; empty where files were put together.

    A description beside the files themselves is read before they are brought to the plain form, so that its lines
    (`thousands`, `zeros`, `below_limit`) decide how; beside a copy they would come too late.
    """
    record = Path(dataset.root, RECORD)
    if not given.is_dir() or not record.is_file():
        return {}
    made = json.loads(record.read_text(encoding="utf-8"))["made"]
    found = {target: source for source, target in made}
    paths = {f.path for f in dataset.files}
    there = {p.name for p in given.iterdir() if is_data_file(p)}
    single = len(found) == len({*found.values()}) == len(made)
    return found if single and paths == {*found} and there == {*found.values()} else {}


def _refuse_second(folder: Path) -> None:
    if (folder / DESCRIPTION).exists():
        raise InputError(
            f"{folder / DESCRIPTION} is there already; nothing was written.",
            hint="Correct it and give its folder as data, or move it away first.",
        )


def _write(folder: Path, dataset: Dataset) -> Path:
    root = Path(dataset.root)
    folder.mkdir(parents=True, exist_ok=True)
    if folder != root:
        for file in dataset.files:
            shutil.copyfile(root / file.path, folder / Path(file.path).name)
    write_text(folder / DESCRIPTION, described_text(dataset))
    return folder / DESCRIPTION


def filled(line: str, answer: str) -> str:
    """Return the line that an answer to an open reading means: yes, the whole line, or the values it leaves open.

    Raises:
        InputError: The answer is no such thing.
    """
    line = line.partition("  # ")[0]
    said = answer.strip()
    if said.lower() in {"yes", "y"} and OPEN not in line:
        return line
    key, _, value = line.partition(" = ")
    if _KEY.fullmatch(said) and said.partition("=")[0].strip() in {*ColumnSpec.model_fields, *FileSpec.model_fields}:
        return said
    places = line.count(f'"{OPEN}"')
    values = [v.strip().strip("\"'") for v in said.split(",")] if places > 1 else [said.strip("\"'")]
    if said.lower() not in {"yes", "y"} and all(values):
        if places == len(values):
            for text in values:
                line = line.replace(f'"{OPEN}"', json.dumps(text, ensure_ascii=False), 1)
            return line
        if not places and value.startswith('"'):
            return f"{key} = {json.dumps(values[0], ensure_ascii=False)}"
    raise InputError(
        f"{said[:60]!r} does not settle it.",
        hint=f"Type the line ({line}), " + (f"{places} values with commas between." if places > 1 else "or its value."),
    )


def as_line(key: str, value: str) -> str:
    """Return a line of TOML; a bare word is a text."""
    bare = not value.strip().startswith(('"', "'", "[", "{"))
    return f"{key} = {json.dumps(value.strip(), ensure_ascii=False) if bare else value.strip()}"


def check_level(dataset: Dataset, file: str, column: str, line: str) -> None:
    """Check that a line names a level that the column has.

    Raises:
        InputError: It names another one.
    """
    key, _, value = line.partition(" = ")
    found = next((c for f in dataset.files if f.path == file for c in f.columns if c.name == column), None)
    if key not in {"event_level", "case", "control"} or found is None or not found.levels:
        return
    levels = {*found.levels, *(level for _, level in found.codes)}
    if value.strip().strip("\"'") not in levels:
        raise InputError(f"{column} has no level {value.strip()}.", hint=f"Its levels are {', '.join(found.levels)}.")


def with_line(dataset: Dataset, file: str, column: str, line: str) -> Dataset:
    """Read a column anew as a line of the description says; nothing is written, and no other column changes.

    What the line opens beside what it says becomes an open reading.

    Raises:
        InputError: The line contradicts the description, or the file cannot be read by it.
    """
    raw: dict[str, Any] = tomllib.loads(described_text(dataset))
    try:
        said = tomllib.loads(line)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{line}: is no TOML ({error}).") from error
    stated: dict[str, Any] = next((f for f in raw["files"] if f["path"] == file), {})
    stated.setdefault("columns", {}).setdefault(column, {}).update(said)
    spec, mistakes = parse_spec(raw)
    described = next((f for f in spec.files if f.path == file), None) if spec is not None else None
    if mistakes or described is None:
        raise InputError(f"{line}: {mistakes[0] if mistakes else f'{file} is not described'}.")
    loaded = load_stated(Path(dataset.root), described, dataset.endpoint)
    again = {c.name: c for c in loaded.file.columns if c.name == column}
    if loaded.mistakes or not again:
        raise InputError(f"{line}: {loaded.mistakes[0] if loaded.mistakes else f'there is no column {column!r}'}.")
    files = tuple(
        f.model_copy(update={"columns": tuple(again.get(c.name, c) for c in f.columns)}) if f.path == file else f
        for f in dataset.files
    )
    known = {(r.column, r.says) for r in dataset.readings if r.file == file}
    more = (r for r in loaded.readings if r.open and r.column == column and (column, r.says) not in known)
    return dataset.model_copy(update={"files": files, "readings": (*dataset.readings, *more)})


def set_line(folder: Path, file: str, column: str, line: str) -> None:
    """Set a line in the folder's description, of a column or of a file; comments on the same key are taken out.

    Raises:
        InputError: The file or column is not described, or the description would be wrong; it stays as it was.
    """
    path = folder / DESCRIPTION
    before = path.read_text(encoding="utf-8")
    key = line.partition("=")[0].strip()
    lines = before.splitlines()
    start = _file_at(lines, file)
    if start is None:
        raise InputError(f"{path} does not describe {file}.", hint="Add its [[files]] by hand.")
    at = start if not column else _column_at(lines, start, column)
    if at is None:
        end = next((n for n in range(start + 1, len(lines)) if lines[n].strip() == "[[files]]"), len(lines))
        lines[end:end] = ["", f"[files.columns.{json.dumps(column, ensure_ascii=False)}]"]
        at = end + 1
    end = next((n for n in range(at + 1, len(lines)) if _TABLE.match(lines[n])), len(lines))
    same = re.compile(rf"\s*(?:#\s*)?{re.escape(key)}\s*=")
    lines[at + 1 : end] = [line, *(text for text in lines[at + 1 : end] if not same.match(text))]
    write_text(path, "\n".join(lines) + "\n")
    _, mistakes = read_spec(folder)
    if mistakes:
        write_text(path, before)
        raise InputError(f"{line}: {mistakes[0]}.", hint="Nothing was changed.")


def _file_at(lines: list[str], file: str) -> int | None:
    """Return the number of the line that begins the description of a file."""
    begin = None
    for n, text in enumerate(lines):
        if text.strip() == "[[files]]":
            begin = n
        elif begin is not None and re.match(r"\s*path\s*=", text):
            try:
                said = tomllib.loads(text.strip()).get("path")
            except tomllib.TOMLDecodeError:
                continue
            if said in (file, Path(file).name):
                return begin
    return None


def _column_at(lines: list[str], start: int, column: str) -> int | None:
    for n in range(start + 1, len(lines)):
        text = lines[n].strip()
        if text == "[[files]]":
            return None
        if text.startswith("[files.columns."):
            try:
                found = tomllib.loads(text)["files"]["columns"]
            except tomllib.TOMLDecodeError:
                continue
            if column in found:
                return n
    return None
