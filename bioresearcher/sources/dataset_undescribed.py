"""A description for tables that come without `dataset.toml`: guessed, and every guess noted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.dataset import FileKind
from bioresearcher.sources.dataset_files import LoadedFile, load_file
from bioresearcher.sources.dataset_infer import ColumnGuess, file_kinds, guess_roles, peek, unusable_events
from bioresearcher.sources.dataset_scan import SheetScan, scan_sheet
from bioresearcher.sources.dataset_spec import ColumnSpec, DatasetSpec, FileSpec

UNDESCRIBED = "the researcher's own files; no description was given"
"""The `source` of a data set without a description."""

MANY_NUMBERS = 12
"""Numeric columns from which a sample sheet without a matrix may hold the measurements itself."""

_KIND_WORDS = {
    "expression": "an expression matrix (features in rows)",
    "samples": "the sample sheet",
    "gene_sets": "gene sets",
    "table": "a table",
}


def describe_tables(folder: Path, paths: Sequence[Path]) -> tuple[DatasetSpec, list[LoadedFile]]:
    """Guess what the tables are and load them so; the guesses are in the description's notes.

    Raises:
        InputError: A table cannot be read.
    """
    tables = [p for p in paths if p.suffix.lower() != ".gmt"]
    peeks = [peek(p) for p in tables]
    kinds = file_kinds(peeks)
    samples = {s for p in peeks if kinds[p.path] == "expression" for s in p.header[1:]}
    notes = [
        "There is no dataset.toml: what follows was inferred from names and values, "
        "and nothing of it was confirmed by the source."
    ]
    taken: set[str] = set()
    loaded: list[LoadedFile] = []
    specs: list[FileSpec] = []
    for path in paths:
        kind: FileKind = kinds.get(path, "gene_sets")
        spec, scan, found = _describe(path, kind, samples, _name(path, kind, taken))
        notes += found
        specs.append(spec)
        loaded.append(load_file(folder, spec, scan))
    title = paths[0].name if len(paths) == 1 else folder.resolve().name
    spec_id = safe_name(paths[0].name.split(".")[0] if len(paths) == 1 else title)
    dataset = DatasetSpec(
        id=spec_id,
        title=title,
        source=UNDESCRIBED,
        role="reference"
        if {f.kind for f in specs} <= {"gene_sets", "table"} and len(tables) < len(paths)
        else "unspecified",
        notes=tuple(notes),
        files=tuple(specs),
    )
    return dataset, loaded


def _name(path: Path, kind: FileKind, taken: set[str]) -> str:
    """The kind for the first file of a kind (tables: the file's name), numbered when it is taken."""
    stem = safe_name(path.name.split(".")[0]) if kind == "table" else kind
    base = (stem if stem[0].isalpha() else f"t-{stem}").replace(".", "-")[:36]
    name = next(n for n in (base, *(f"{base}-{i}" for i in range(2, 1000))) if n not in taken)
    taken.add(name)
    return name


def _describe(path: Path, kind: FileKind, samples: set[str], name: str) -> tuple[FileSpec, SheetScan | None, list[str]]:
    notes = [f"{path.name} was taken as {_KIND_WORDS[kind]}."]
    if kind in ("expression", "gene_sets"):
        return FileSpec(name=name, kind=kind, path=path.name), None, notes
    scan = scan_sheet(path)
    sample_column, why = _sample_column(scan, samples) if kind == "samples" else (None, "")
    guesses = guess_roles(scan.columns, sample_column, why)
    notes += [_note(path.name, column, guess) for column, guess in guesses.items() if guess.why]
    notes += [
        f"{path.name}: column {column!r} may be the event, but {why}: no survival data were assumed."
        for column, why in unusable_events(scan.columns)
    ]
    numbers = [c.name for c in scan.columns if guesses[c.name].role == "other" and c.numbers and not c.texts]
    if kind == "samples" and not samples and len(numbers) >= MANY_NUMBERS:
        notes.append(
            f"{path.name}: {len(numbers)} further columns hold numbers ({numbers[0]}, …). If they are measurements, "
            "give them as a matrix of their own, features in rows and samples in columns: as they are, no analysis "
            "of measurements uses them."
        )
    columns = {
        column: ColumnSpec(role=guess.role, case=guess.case, control=guess.control, unit=guess.unit)
        for column, guess in guesses.items()
        if guess.role != "other"
    }
    spec = FileSpec(
        name=name,
        kind=kind,
        path=path.name,
        sample_column=sample_column,
        columns=columns,
    )
    return spec, scan, notes


def _sample_column(scan: SheetScan, samples: set[str]) -> tuple[str | None, str]:
    """(column that names the samples, why): the matrix's samples, else unique names, else the first column."""
    shared = {name: len(samples & set(ids)) for name, ids in scan.ids.items()}
    best = max(shared, key=lambda name: shared[name], default=None)
    if best is not None and shared[best] > 0:
        return best, "its values are samples of the matrix"
    names = [n for n in scan.ids if (c := scan.column(n)) is not None and c.texts > 0]
    if names:
        return names[0], "its values are names that all differ"
    return (scan.columns[0].name or None) if scan.columns else None, "it is the first column"


def _note(file: str, column: str, guess: ColumnGuess) -> str:
    text = f"{file}: column {column!r} was taken as {guess.role} ({guess.why})"
    if guess.case is not None:
        text += f", with {guess.case!r} as case and {guess.control!r} as control"
    if guess.unit is not None:
        text += f", in {guess.unit} as its name says"
    return text + "."
