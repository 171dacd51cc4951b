"""Loading of the researcher's own data: folders with `dataset.toml`, folders of tables, single tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.paper import Failure
from bioresearcher.sources.datasets.convert import NOTES, convert_geo, convert_tables, geo_kind, needs_conversion
from bioresearcher.sources.datasets.derive import derive, write_derived
from bioresearcher.sources.datasets.describe import UNDESCRIBED, describe_tables, is_data_file, load_stated
from bioresearcher.sources.datasets.endpoints import ENDPOINT_WORDS
from bioresearcher.sources.datasets.files import LoadedFile, shared_samples
from bioresearcher.sources.datasets.formats import ACCEPTED
from bioresearcher.sources.datasets.scan import MatrixScan
from bioresearcher.sources.datasets.spec import DESCRIPTION, DatasetSpec, contained, read_spec

_STAGE = "load_datasets"
_HINT = f"Give a folder with dataset.toml, a folder of such folders, a folder of {ACCEPTED}, or one such file."


def load_datasets(paths: Sequence[Path], store: Path | None = None) -> tuple[list[Dataset], list[Failure]]:
    """Describe the data sets found at the given paths, in that order.

    A folder with `dataset.toml` is one data set; without it, its tables are one inferred data set, each GEO file in it
    is one, and each folder directly below it that holds a description or tables is one too. A data set that cannot be
    loaded is a failure (one for each mistake in its description); the others are loaded all the same. Files are read
    as streams: their size does not matter for memory. Excel, Parquet, h5ad, GEO files and semicolon-separated tables
    are converted into the folder `store`; without one they are failures, semicolons apart, which are problems.

    Raises:
        InputError: A path does not exist, is no table, or is a folder without any data.
        WorkspaceError: The store cannot be written.
    """
    datasets: list[Dataset] = []
    failures: list[Failure] = []
    for path in paths:
        for root, files in _sources(path):
            _load_into(datasets, failures, root, files, store)
    return datasets, failures


def _load_into(
    datasets: list[Dataset],
    failures: list[Failure],
    root: Path,
    files: tuple[Path, ...] | None,
    store: Path | None,
) -> None:
    """Load one data set; `files` is None when the folder has a description."""
    item = root.name if files is None or len(files) != 1 else files[0].name
    try:
        loaded = _described(root) if files is None else _undescribed(root, files, store)
    except InputError as error:
        failures.append(Failure(item=item, stage=_STAGE, message=error.message, hint=error.hint))
        return
    except OSError as error:
        reason = error.strerror or str(error)
        failures.append(Failure(item=item, stage=_STAGE, message=f"{item}: cannot be read ({reason})."))
        return
    if isinstance(loaded, list):
        hint = f"Correct {root / DESCRIPTION}."
        failures += [Failure(item=f"{item}/{DESCRIPTION}", stage=_STAGE, message=m, hint=hint) for m in loaded]
    else:
        datasets.append(_unique(loaded, {d.id for d in datasets}))


def _undescribed(root: Path, files: tuple[Path, ...], store: Path | None) -> Dataset | list[str]:
    """Load tables without a description; those in another format are converted first."""
    others = [f for f in files if needs_conversion(f, semicolons=store is not None)]
    if not others:
        return _inferred(root, files, store)
    if store is None:
        raise InputError(f"{others[0].name}: is no table of text, and there is no workspace to convert it in.")
    if geo_kind(others[0]):
        return _described(convert_geo(others[0], store))
    name = files[0].name.split(".")[0] if len(files) == 1 else root.resolve().name
    folder, notes = convert_tables(files, store, name)
    tables = _tables(folder, sorted(folder.iterdir(), key=lambda p: p.name))
    dataset = _inferred(folder, tuple(t for t in tables if t.name != NOTES), store)
    title = files[0].name if len(files) == 1 else root.resolve().name
    return dataset.model_copy(update={"id": safe_name(name), "title": title, "notes": (*notes, *dataset.notes)})


def _unique(dataset: Dataset, taken: set[str]) -> Dataset:
    if dataset.id not in taken:
        return dataset
    number = next(n for n in range(2, len(taken) + 3) if f"{dataset.id}-{n}" not in taken)
    return dataset.model_copy(update={"id": f"{dataset.id}-{number}"})


def _sources(path: Path) -> Iterator[tuple[Path, tuple[Path, ...] | None]]:
    """Find the data sets at `path`: folder, and its tables or None if it has a description."""
    if path.name == DESCRIPTION and path.is_file():
        path = path.parent
    if path.is_file():
        if not is_data_file(path):
            raise InputError(f"{path}: is no table.", hint=_HINT)
        yield path.parent, (path,)
        return
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder.", hint=_HINT)
    found = list(_folder_sources(path))
    if not found:
        raise InputError(f"{path}: no data in this folder.", hint=_HINT)
    yield from found


def _folder_sources(folder: Path) -> Iterator[tuple[Path, tuple[Path, ...] | None]]:
    try:
        children = sorted(folder.iterdir(), key=lambda p: p.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}).") from error
    if (folder / DESCRIPTION).is_file():
        yield folder, None
        return
    yield from _bare(folder, children)
    for child in children:
        if not child.is_dir() or child.name.startswith("."):
            continue
        if (child / DESCRIPTION).is_file():
            yield child, None
        else:
            yield from _bare(child, sorted(child.iterdir(), key=lambda p: p.name))


def _bare(folder: Path, children: Sequence[Path]) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """List the data sets of a folder without description: its tables together, and each of its GEO files."""
    files = _tables(folder, children)
    geo = [f for f in files if geo_kind(f)]
    tables = tuple(f for f in files if f not in geo)
    if tables:
        yield folder, tables
    yield from ((folder, (f,)) for f in geo)


def _tables(folder: Path, children: Sequence[Path]) -> tuple[Path, ...]:
    """List the folder's data files; links that lead out of it are not followed."""
    return tuple(p for p in children if not contained(folder, p.name) and is_data_file(p))


def _described(folder: Path) -> Dataset | list[str]:
    """Load a described folder: the data set, or the mistakes in its description."""
    spec, mistakes = read_spec(folder)
    if spec is None:
        return mistakes
    loaded = [load_stated(folder, file, spec.endpoint) for file in spec.files]
    wrong = [f"files[{i}] ({one.file.name}).{m}" for i, one in enumerate(loaded, start=1) for m in one.mistakes]
    if wrong:
        return wrong
    return _assemble(folder, spec, loaded, described=True)


def load_fetched(folder: Path, before: Dataset) -> Dataset:
    """Load a data set that was fetched into a described folder; id and remote description are kept.

    Raises:
        InputError: The folder cannot be read.
    """
    found = _described(folder)
    if isinstance(found, list):
        raise InputError(f"{folder}: {found[0]}")
    return found.model_copy(update={"id": before.id, "remote": before.remote, "described_by": "source"})


def _inferred(folder: Path, paths: Sequence[Path], store: Path | None) -> Dataset:
    spec, loaded = describe_tables(folder, paths)
    found = derive(folder, loaded)
    if found is None:
        return _assemble(folder, spec, loaded, described=False)
    names = " and ".join(repr(c.name) for c in found.added)
    if store is None:
        note = f"The samples' names hold {names}: {'; '.join(c.label for c in found.added)}."
        spec = spec.model_copy(update={"notes": (*spec.notes, note)})
        return _assemble(folder, spec, loaded, described=False)
    copy = write_derived(folder, loaded, found, store)
    note = f"{found.path}: {names} added from the samples' names: {'; '.join(c.label for c in found.added)}."
    again, loaded = describe_tables(copy, _tables(copy, sorted(copy.iterdir(), key=lambda p: p.name)))
    for one in loaded:
        one.readings += found.readings(one.file.path) if one.file.path == found.path else []
    spec = again.model_copy(update={"id": spec.id, "title": spec.title, "notes": (*again.notes, note)})
    return _assemble(copy, spec, loaded, described=False)


def _assemble(folder: Path, spec: DatasetSpec, loaded: Sequence[LoadedFile], *, described: bool) -> Dataset:
    n_samples, unmatched = shared_samples(loaded)
    matrix = next((f for f in loaded if f.file.kind == "expression"), None)
    problems = [p for one in loaded for p in one.problems] + unmatched
    files = tuple(_with_rows(one.file) for one in loaded)
    named = {c.endpoint for f in files for c in f.columns if c.role == "event" and c.event_level is not None}
    name = next(iter(named)) if len(named) == 1 else ""
    said = f"{ENDPOINT_WORDS[name]} ({name}), by the columns' names" if name in ENDPOINT_WORDS else None
    return Dataset(
        id=safe_name(spec.id or spec.accession or folder.name),
        accession=spec.accession,
        title=spec.title,
        organism=spec.organism,
        assay=spec.assay,
        platform=spec.platform,
        role=spec.role,
        source=spec.source,
        licence=spec.licence,
        citation=spec.citation,
        endpoint=spec.endpoint or said,
        root=str(folder),
        files=files,
        n_samples=n_samples,
        n_features=matrix.file.rows if matrix is not None else 0,
        notes=(*spec.notes, *_not_stated(spec, loaded)),
        problems=tuple(dict.fromkeys(problems)),
        readings=tuple(r for one in loaded for r in one.readings),
        described_by="dataset.toml" if described else "inferred",
    )


def _with_rows(file: DataFile) -> DataFile:
    """Say what a row is where the kind of the file says it."""
    row = {"expression": "feature", "gene_sets": "gene set"}.get(file.kind, "")
    return file.model_copy(update={"row_is": row}) if row and not file.row_is else file


def _not_stated(spec: DatasetSpec, loaded: Sequence[LoadedFile]) -> list[str]:
    """List facts that an analysis needs and the description does not state; they must not be assumed."""
    notes = []
    for one in loaded:
        notes += _open_scale(one.file, one.scan if isinstance(one.scan, MatrixScan) else None)
        times = [c.name for c in one.file.columns if c.role == "time" and c.unit is None]
        events = [c for c in one.file.columns if c.role == "event"]
        notes += [
            f"{level!r} is a level of {c.name!r} in {one.file.name}; list it in missing_values if it means 'not known'."
            for c in one.file.columns
            for level in sorted({*c.levels} - {*c.groups})
        ]
        notes += [f"The unit of {name!r} in {one.file.path} is not stated." for name in times]
        if spec.endpoint is None and any(not c.endpoint for c in events):
            notes.append(f"What counts as an event in {one.file.path} is not stated.")
        if len({c.endpoint for c in events}) > 1:
            names = [f"{c.endpoint or 'not stated'} ({c.name!r})" for c in events]
            notes.append(f"{one.file.path} has {len(events)} endpoints: {', '.join(names)}.")
    if spec.source == UNDESCRIBED:
        notes.append("Organism, assay, source and licence are not stated.")
    return notes


def _open_scale(file: DataFile, scan: MatrixScan | None) -> list[str]:
    notes = []
    if scan is not None and file.scale is None and scan.minimum <= scan.maximum:
        notes.append(
            f"The scale of {file.path} is not stated; its values run from {scan.minimum:g} to {scan.maximum:g}."
        )
    if scan is not None and scan.missing:
        notes.append(f"{scan.missing:,} of {scan.rows * len(scan.samples):,} cells of {file.path} are missing.")
    return notes
