"""Loading of the researcher's own data: folders with `dataset.toml`, folders of tables, single tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.paper import Failure
from bioresearcher.sources.datasets.convert import Converted, convert_geo, convert_tables, geo_kind, is_empty_matrix
from bioresearcher.sources.datasets.derive import derive, write_derived
from bioresearcher.sources.datasets.describe import UNDESCRIBED, describe_tables, is_data_file, load_stated
from bioresearcher.sources.datasets.endpoints import ENDPOINT_WORDS
from bioresearcher.sources.datasets.files import LoadedFile, shared_samples
from bioresearcher.sources.datasets.formats import ACCEPTED, CONVERTED_SUFFIXES
from bioresearcher.sources.datasets.per_sample import in_subfolders
from bioresearcher.sources.datasets.scan import MatrixScan
from bioresearcher.sources.datasets.spec import DESCRIPTION, DatasetSpec, FileSpec, contained, read_spec
from bioresearcher.sources.datasets.table_stream import plain_suffix

_STAGE = "load_datasets"
_NO_DATA = frozenset(
    ".md .txt .pdf .docx .doc .html .png .svg .jpg .jpeg .r .py .rmd .ipynb .sh .yml .yaml .bib".split()
)
"""Suffixes of files that nobody expects to be read as data."""
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
            before = len(datasets)
            _load_into(datasets, failures, root, files, store)
            if path.is_dir() and files and len(datasets) > before and (left := _unread(root, files)):
                note = f"Files of the folder that were not read: {', '.join(left[:8])}{' …' if len(left) > 8 else ''}."
                datasets[-1] = datasets[-1].model_copy(update={"notes": (*datasets[-1].notes, note)})
    return datasets, failures


def _unread(folder: Path, files: Sequence[Path]) -> list[str]:
    """List the files of a folder that are no data, apart from texts, figures and programs."""
    return sorted(
        p.name
        for p in folder.iterdir()
        if p.is_file()
        and p not in files
        and not p.name.startswith(".")
        and not is_data_file(p)
        and plain_suffix(p) not in _NO_DATA
    )


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
        loaded = _described(root, store) if files is None else _undescribed(root, files, store)
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
        given = root if files is None or len(files) != 1 else files[0]
        if Path(loaded.root) != root:
            loaded = loaded.model_copy(update={"given": str(given)})
        datasets.append(_unique(loaded, {d.id for d in datasets}))


def _undescribed(root: Path, files: tuple[Path, ...], store: Path | None) -> Dataset | list[str]:
    """Load tables without a description; those in another format are converted first."""
    geo = next((f for f in files if geo_kind(f)), None)
    if store is None:
        other = geo or next((f for f in files if plain_suffix(f) in CONVERTED_SUFFIXES), None)
        if other is not None:
            raise InputError(f"{other.name}: is no table of text, and there is no workspace to convert it in.")
        return _inferred(root, files, store)
    if geo is not None and len(files) == 1:
        return _described(convert_geo(geo, store))
    named = _described(convert_geo(geo, store)) if geo is not None else None
    if isinstance(named, Dataset):
        sheets = tuple(Path(named.root, f.path) for f in named.files if f.kind == "samples")
        files = (*(f for f in files if f != geo), *sheets)
    name = files[0].name.split(".")[0] if len(files) == 1 else root.resolve().name
    done = convert_tables(files, store, name, always=geo is not None)
    if done is None:
        return _inferred(root, files, store)
    tables = _tables(done.folder, sorted(done.folder.iterdir(), key=lambda p: p.name))
    title = files[0].name if len(files) == 1 else root.resolve().name
    dataset = _inferred(done.folder, tables, store)
    dataset = _with(dataset, done).model_copy(update={"id": safe_name(name), "title": title})
    return _of_series(dataset, named) if isinstance(named, Dataset) else dataset


def _of_series(dataset: Dataset, series: Dataset) -> Dataset:
    """Describe tables that lay beside a GEO series without values by that series."""
    fields = ("accession", "title", "organism", "assay", "platform", "source", "licence", "citation")
    note = f"The samples are those of {series.accession or series.title}, whose own table of values is empty."
    return dataset.model_copy(update={**{f: getattr(series, f) for f in fields}, "notes": (note, *dataset.notes)})


def _with(dataset: Dataset, done: Converted, stated: Sequence[FileSpec] = ()) -> Dataset:
    """Add what bringing its files to the plain form showed; readings that are not sure are problems, too.

    A reading of a column's levels is no longer open where the description states its codes or missing values.
    """
    settled = {(f.path, name) for f in stated for name, c in f.columns.items() if c.codes or c.missing_values}
    readings = [r for r in done.readings if not (r.column and (r.file, r.column) in settled)]
    open_ones = [
        f"{r.file}: {r.says}: {r.reason}{f'; settle it in dataset.toml: {r.line}' if r.line else ''}"
        for r in readings
        if r.decides and not r.sure
    ]
    return dataset.model_copy(
        update={
            "notes": (*done.notes, *dataset.notes),
            "problems": tuple(dict.fromkeys((*open_ones, *dataset.problems))),
            "readings": (*readings, *dataset.readings),
        }
    )


def _unique(dataset: Dataset, taken: set[str]) -> Dataset:
    if dataset.id not in taken:
        return dataset
    number = next(n for n in range(2, len(taken) + 3) if f"{dataset.id}-{n}" not in taken)
    return dataset.model_copy(update={"id": f"{dataset.id}-{number}"})


def check_is_data(path: Path) -> None:
    """Refuse a path at which there is no data set; nothing of a table is read.

    Raises:
        InputError: It is no table, or a folder without tables and description.
    """
    next(_sources(path), None)


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
    own = {p.parent.name for p in in_subfolders(children)}
    yield from _bare(folder, children)
    for child in children:
        if not child.is_dir() or child.name.startswith("."):
            continue
        if (child / DESCRIPTION).is_file():
            yield child, None
        elif child.name not in own:
            yield from _bare(child, sorted(child.iterdir(), key=lambda p: p.name))


def _bare(folder: Path, children: Sequence[Path]) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """List the data sets of a folder without description: its tables together, and each of its GEO files."""
    files = (
        *_tables(folder, children),
        *(p for p in in_subfolders(children) if not (p.parent / DESCRIPTION).is_file()),
    )
    geo = [f for f in files if geo_kind(f)]
    tables = tuple(f for f in files if f not in geo)
    empty = [f for f in geo if is_empty_matrix(f)]
    if tables and len(empty) == 1:  # sequencing: the values lie beside GEO's descriptions of the samples
        yield folder, (*tables, *empty)
        geo = [f for f in geo if f not in empty]
    elif tables:
        yield folder, tables
    yield from ((folder, (f,)) for f in geo)


def _tables(folder: Path, children: Sequence[Path]) -> tuple[Path, ...]:
    """List the folder's data files; links that lead out of it are not followed."""
    return tuple(p for p in children if not contained(folder, p.name) and is_data_file(p))


def _described(folder: Path, store: Path | None = None) -> Dataset | list[str]:
    """Load a described folder: the data set, or the mistakes in its description.

    With a `store`, files that are not in the plain form are brought to it first; the description then speaks of them.
    """
    spec, mistakes = read_spec(folder)
    if spec is None:
        return mistakes
    done = None
    if store is not None and not any(geo_kind(folder / f.path) for f in spec.files):
        stated = {Path(f.path).name: f for f in spec.files}
        done = convert_tables([folder / f.path for f in spec.files], store, safe_name(folder.resolve().name), stated)
    if done is not None:
        made = dict(done.made)
        if all(Path(f.path).name in made for f in spec.files) and len(made) == len(done.made):
            folder = done.folder
            files = tuple(_renamed(f, made[Path(f.path).name]) for f in spec.files)
            spec = spec.model_copy(update={"files": files})
        else:
            done = None
    loaded = [load_stated(folder, file, spec.endpoint) for file in spec.files]
    wrong = [f"files[{i}] ({one.file.name}).{m}" for i, one in enumerate(loaded, start=1) for m in one.mistakes]
    if wrong:
        return wrong
    dataset = _assemble(folder, spec, loaded, described=True)
    return _with(dataset, done, spec.files) if done is not None else dataset


def _renamed(file: FileSpec, path: str) -> FileSpec:
    """Let a file's description speak of its plain form, whose first column keeps its name."""
    return file if file.path == path else file.model_copy(update={"path": path})


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
    wrong = next((m.removeprefix("scale: ") for one in loaded for m in one.mistakes), "")
    if wrong:
        raise InputError(f"{wrong}.")
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
        stated = any(f.path == one.file.path and f.scale for f in spec.files)
        notes += _open_scale(one.file, one.scan if isinstance(one.scan, MatrixScan) else None, stated=stated)
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


def _open_scale(file: DataFile, scan: MatrixScan | None, *, stated: bool) -> list[str]:
    notes = []
    if scan is not None and scan.minimum <= scan.maximum and not stated:
        read = f"; read as {file.scale} ({scan.scale.why})" if file.scale else ""
        notes.append(
            f"The scale of {file.path} is not stated; its values run from {scan.minimum:g} to {scan.maximum:g}{read}."
        )
    if scan is not None and scan.missing:
        notes.append(f"{scan.missing:,} of {scan.rows * len(scan.samples):,} cells of {file.path} are missing.")
    return notes
