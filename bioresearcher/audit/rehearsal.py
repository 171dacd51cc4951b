"""Copies of data sets on which a protocol's script is rehearsed: whole files whose outcomes and groups are shuffled.

A copy has the name, separator, compression and columns of its file, so a script reads it as it reads the original. But
nothing that a script prints of it depends on the link of an outcome or a compared group to the rest:

- in a sample sheet, columns form blocks (`leaks.find_withheld` finds them): an outcome with what gives it away, and
  compared groups with what gives them away. The rows of a block are sorted, shuffled with a seed of the data set's id
  and laid on the samples in the order of their names, so the copy depends only on which rows a block has. A column that
  gives two blocks away would join them, and is a block of its own;
- free texts go with the only block there is, else each is a block; names of samples or persons in them are cut out.
  Names that give a block away are never part of it, because they would say whose row it is: each column is its own;
- columns that a question reads off others (patients in titles) stay with the groups that it compares;
- the rows that a question is answered on change places among themselves, and stand in its set as in its data set;
- a further table of samples: its ids stay, the rest is one block;
- where the samples' names give outcome or groups away, and in a matrix without a sheet, names change places: all
  matrices and the sheet are told the same, so everything else stays together;
- columns of a matrix that hold results of a comparison are a block over its rows;
- gene sets, tables of genes, other matrices and measures are as given.

Not hidden: the order of rows and columns of the files, and groups that a matrix itself shows.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bioresearcher.audit.rehearsal_columns import (
    Blocks,
    Mask,
    Names,
    keep_together,
    laid_on_others,
    names_rows,
    plan_blocks,
    shuffled_order,
    units_of,
)
from bioresearcher.audit.rehearsal_tables import (
    Table,
    is_packed,
    opened_new,
    read_table,
    readable,
    table_rows,
    with_header,
)
from bioresearcher.audit.sheet_views import RESULTS, is_gene_table
from bioresearcher.audit.tables import MAX_NAMES, feature_place
from bioresearcher.errors import InputError, WorkspaceError
from bioresearcher.runfolder import file_sha256, safe_name, write_text
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import DataFile, Dataset, FileKind
from bioresearcher.schemas.question import Question
from bioresearcher.sources.datasets.endpoints import normal

RULES = "rehearsal-3"
"""Version of the rules; copies made by others are made again."""
AS_GIVEN = "as given"
"""Words for a file that is no other than the original."""

RENAMED = "names of samples shuffled"
"""Words for a file whose samples have each other's names."""

_RECORDS = ".made"
_MOST_GENE_TABLE = 50 << 20
_PROBED = 50  # rows by which a matrix's columns with numbers are known


@dataclass(frozen=True)
class CopiedFile:
    """A file of the copies.

    Attributes:
        dataset: Id of its data set.
        name: Name that tasks use.
        kind: Kind of file.
        path: Path relative to the folder of the copies.
        what: `as given`, or what was shuffled, in words.
    """

    dataset: str
    name: str
    kind: FileKind
    path: str
    what: str


@dataclass(frozen=True)
class Copies:
    """Copies of data sets.

    Attributes:
        folder: Folder with a folder for each data set.
        files: The copied files.
        shuffled: Id of each data set -> columns whose link to the rest is broken.
        notes: Files that were left out, and why.
        digest: Sha256 over paths and contents.
    """

    folder: Path
    files: tuple[CopiedFile, ...]
    shuffled: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    digest: str


def make_copies(
    datasets: Sequence[Dataset], objective: Objective, folder: Path, questions: Sequence[Question] = ()
) -> Copies:
    """Copy all files of all data sets to `<folder>/<data set>/`, with outcomes and compared groups shuffled.

    Copies of the same files and questions are not made again. A file that cannot be read is left out, with a note.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    files: list[CopiedFile] = []
    shuffled: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    digests: dict[str, str] = {}
    places: set[str] = set()
    try:
        (folder / _RECORDS).mkdir(parents=True, exist_ok=True)
        places_of: dict[str, str] = {}
        for dataset in sorted(datasets, key=lambda d: d.analysis_of is not None):
            place = places_of[dataset.id] = _free(safe_name(dataset.id), places)
            asked = [q for q in questions if q.dataset in (dataset.id, dataset.analysis_of)]
            given = _Given(
                objective=objective,
                questions=asked,
                rows=tuple(_ids_of(d) for d in datasets if d.analysis_of == (dataset.analysis_of or dataset.id)),
                source=_copied_sheet(folder, places_of, files, dataset.analysis_of),
                renamed=any(RENAMED in f.what for f in files if f.dataset == dataset.analysis_of),
            )
            made = _copies_of(dataset, given, folder, place)
            files += made.files
            shuffled[dataset.id] = tuple(made.shuffled)
            notes += made.notes
            digests |= made.digests
        for record in (folder / _RECORDS).glob("*.json"):
            if record.stem not in places:  # a data set that is no longer there
                shutil.rmtree(folder / record.stem, ignore_errors=True)
                record.unlink()
    except OSError as error:
        raise WorkspaceError(
            f"the copies of the data cannot be written to {folder} ({error.strerror or error}).",
            hint="Check permissions and free space of the workspace.",
        ) from error
    digest = hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()
    return Copies(folder, tuple(files), shuffled, tuple(notes), digest)


def copied(folder: Path) -> dict[str, Path]:
    """Return name -> folder of each data set below the folder of the copies; nothing else that lies there."""
    records = sorted((folder / _RECORDS).glob("*.json"))
    return {r.stem: folder / r.stem for r in records if (folder / r.stem).is_dir()}


def _free(name: str, taken: set[str]) -> str:
    """Number a name that is taken, and take it."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found)
    return found


@dataclass
class _Made:
    """Copies of one data set, as they are recorded; `digests` has the sha256 of each path."""

    files: list[CopiedFile] = field(default_factory=list)
    shuffled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Given:
    """All that a data set's copies depend on beside the data set.

    Attributes:
        rows: For each set of rows that a question of it is answered on, the names of the samples; for such a set, of
            all those that were taken from the same data set.
        source: Of such a set of rows, the copied sheet of the data set it was taken from, by column.
        renamed: True if names of samples were shuffled in that.
    """

    objective: Objective
    questions: Sequence[Question] = ()
    rows: tuple[frozenset[str], ...] = ()
    source: Mapping[str, Sequence[str]] = field(default_factory=dict)
    renamed: bool = False

    def stratum(self, name: str) -> str:
        """Return which sets of rows hold a sample: those that the same sets hold change places with each other."""
        return "".join("1" if name in rows else "0" for rows in self.rows)


def _ids_of(dataset: Dataset) -> frozenset[str]:
    """Return the names of the samples of a set of rows; none where it has no sheet that can be read."""
    sheet = dataset.file("samples")
    if sheet is None or sheet.sample_column is None:
        return frozenset()
    try:
        return frozenset(v.strip() for v in read_table(Path(dataset.root) / sheet.path).cells[sheet.sample_column])
    except (InputError, KeyError):
        return frozenset()


def _copied_sheet(
    folder: Path, places: Mapping[str, str], files: Sequence[CopiedFile], dataset: str | None
) -> dict[str, list[str]]:
    """Return the copied sample sheet of a data set by column; empty where there is none."""
    copy = next((f for f in files if f.dataset == dataset and f.kind == "samples"), None)
    if dataset is None or dataset not in places or copy is None:
        return {}
    return read_table(folder / copy.path).cells


def _copies_of(dataset: Dataset, given: _Given, folder: Path, place: str) -> _Made:
    objective = given.objective
    stated = [RULES, place, dataset.id, objective.text, [r.text for r in objective.requirements]]
    stated += [q.model_dump_json(include={"contrast", "pair", "derived"}) for q in given.questions]
    stated += [json.dumps([[sorted(rows) for rows in given.rows], given.source, given.renamed], sort_keys=True)]
    files = [f.model_dump(mode="json") for f in dataset.files]
    wanted = hashlib.sha256(json.dumps([stated, files], sort_keys=True).encode()).hexdigest()
    record = folder / _RECORDS / f"{place}.json"
    if (found := _recorded(record, folder, wanted)) is not None:
        return found
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as name:
        new = Path(name) / place
        new.mkdir()
        made = _Maker(dataset, given, new).make()
        if (folder / place).exists():
            shutil.rmtree(folder / place)
        new.rename(folder / place)
    made.digests = {f.path: file_sha256(folder / f.path) for f in made.files}
    write_text(record, json.dumps({"key": wanted, **asdict(made)}, indent=1))
    return made


def _recorded(record: Path, folder: Path, wanted: str) -> _Made | None:
    """Return the copies that were made before, if they are those that are wanted and unchanged."""
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        if found["key"] != wanted:
            return None
        files = [CopiedFile(**f) for f in found["files"]]
        made = _Made(files, list(found["shuffled"]), list(found["notes"]), dict(found["digests"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = all(digest and file_sha256(folder / path) == digest for path, digest in made.digests.items())
    return made if whole and len(made.digests) == len({f.path for f in files}) else None


# Data sets


class _Maker:
    """Copies the files of one data set."""

    def __init__(self, dataset: Dataset, given: _Given, folder: Path) -> None:
        self._dataset, self._given, self._folder = dataset, given, folder
        self._objective, self._questions = given.objective, given.questions
        self._root = Path(dataset.root)
        self._made = _Made()
        self._names = Names(dataset.analysis_of or dataset.id, given.stratum)
        self._taken: set[str] = set()
        self._paths: dict[str, CopiedFile] = {}
        self._known: set[str] = set()  # names of samples and persons in the sheet

    def make(self) -> _Made:
        """Copy all files; sheets decide first, because matrices may take their names from them."""
        files = self._dataset.files
        matrices = [f for f in files if f.kind == "expression"]
        measures = [f for f in files if f.kind == "table" and f.feature_column and matrices]
        tables = {
            f.name: t for f in files if f.kind in ("samples", "table") and f not in measures if (t := self._table(f))
        }
        genes = [
            f for f in files if f.kind == "table" and f.name in tables and self._of_genes(f, tables[f.name], matrices)
        ]
        rest = [f for f in files if f.name in tables and f not in genes and f not in measures]
        sheet = next((f for f in rest if f.kind == "samples"), None if matrices or not rest else rest[0])
        others = [f for f in rest if f is not sheet]
        plan = None
        if sheet is not None:
            cells = tables[sheet.name].cells
            plan = plan_blocks(cells, sheet, self._objective, measured=bool(matrices or others))
            plan = keep_together(plan, cells | self._read(cells), self._questions, sheet.sample_column)
            self._known = {v.strip() for n in plan.named for v in cells[n] if v.strip()}
        renamed = self._given.renamed if self._given.source else plan is None or plan.names_tell
        for matrix in (*matrices, *measures):
            self._matrix(matrix, renamed=renamed)
        if sheet is not None and plan is not None and not self._rows_of_source(sheet, tables[sheet.name]):
            self._sheet(sheet, tables[sheet.name], plan)
        for other in others:
            self._further(other, tables[other.name])
        for given in (*genes, *(f for f in files if f.kind == "gene_sets")):
            self._as_given(given)
        order = {f.name: i for i, f in enumerate(files)}
        self._made.files.sort(key=lambda f: order[f.name])
        return self._made

    def _table(self, file: DataFile) -> Table | None:
        try:
            return read_table(self._root / file.path)
        except InputError as error:
            self._leave_out(file, error)
            return None

    def _leave_out(self, file: DataFile, error: Exception) -> None:
        self._made.notes.append(f"{self._dataset.id}: {file.name} is not among the copies: {error}")

    def _target(self, file: DataFile) -> Path:
        """Return the place of a copy; files of one name from different folders stand in folders of their own."""
        name = Path(file.path).name
        number = 1
        while (found := name if number == 1 else f"{number}/{name}") in self._taken:
            number += 1
        self._taken.add(found)
        (self._folder / found).parent.mkdir(parents=True, exist_ok=True)
        return self._folder / found

    def _add(self, file: DataFile, target: Path, what: str, columns: Iterable[str] = ()) -> None:
        path = f"{self._folder.name}/{target.relative_to(self._folder).as_posix()}"
        self._made.files.append(CopiedFile(self._dataset.id, file.name, file.kind, path, what))
        self._made.shuffled += [c for c in columns if c not in self._made.shuffled]

    def _as_given(self, file: DataFile) -> None:
        source = (self._root / file.path).resolve()
        try:
            with readable(source), source.open("rb") as opened:
                opened.read(1)
        except InputError as error:
            self._leave_out(file, error)
            return
        target = self._target(file)
        try:
            target.hardlink_to(source)
        except OSError:  # another file system, or somebody else's file
            shutil.copyfile(source, target)
        self._add(file, target, AS_GIVEN)

    def _of_genes(self, file: DataFile, table: Table, matrices: Sequence[DataFile]) -> bool:
        """Return True for a table about genes, which is copied as it is; see `sheet_views.is_gene_table`."""
        cells = table.cells
        if file.sample_column is not None or file.bytes > _MOST_GENE_TABLE:
            return False
        if matrices and any(RESULTS.search(normal(n)) for n in cells):
            return False
        features: set[str] = set()
        try:
            for matrix in matrices:
                with table_rows(self._root / matrix.path) as (header, rows, _):
                    at = feature_place(matrix, header)
                    if any(n.strip() in cells for i, n in enumerate(header) if i != at):
                        return False
                    if matrix.feature_column in cells:
                        features |= {row[at].strip() for row, _ in zip(rows, range(MAX_NAMES), strict=False)}
        except InputError:
            return False
        return is_gene_table(cells, file.columns, features)

    def _rows_of_source(self, file: DataFile, table: Table) -> bool:
        """Write the rows of a question as they stand in the copy of their data set; False where they do not."""
        source, cells, names = self._given.source, table.cells, file.sample_column
        if names is None or names not in cells or names not in source:
            return False
        place = {name.strip(): n for n, name in enumerate(source[names])}
        if any(name.strip() not in place for name in cells[names]):
            return False
        known = {n: [source[n][place[name.strip()]] for name in cells[names]] for n in cells if n in source}
        read = [d for q in self._questions for d in q.derived if d.source in known and d.name in cells]
        known |= {d.name: [d.of(cell) for cell in known[d.source]] for d in read if d.name not in source}
        changed = [n for n in known if known[n] != list(cells[n])]
        target = self._target(file)
        table.rows = [list(row) for row in zip(*(cells | known).values(), strict=True)]
        table.write(target)
        self._add(file, target, f"columns {', '.join(changed)} as in the copy of their data set", changed)
        return True

    def _read(self, cells: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Return the columns that the questions read off the sheet's own."""
        derived = [d for q in self._questions for d in q.derived if d.source in cells and d.name not in cells]
        return {d.name: [d.of(cell) for cell in cells[d.source]] for d in derived}

    def _sheet(self, file: DataFile, table: Table, plan: Blocks) -> None:
        cells = table.cells
        read = self._read(cells)
        cells |= read
        id_column = file.sample_column if file.sample_column in cells else None
        if plan.names_tell and id_column is not None:
            self._names.add(v.strip() for v in cells[id_column])
            cells[id_column] = [self._names(v) for v in cells[id_column]]
        mask = Mask(self._known)
        for name in {*plan.texts, *(n for n in plan.named if f"column {n}" in plan.blocks)}:
            cells[name] = [mask(v) for v in cells[name]]
        units = units_of(cells, id_column)
        persons = [list(cells[n]) for n in plan.persons]
        said = [RENAMED] if plan.names_tell else []
        self._write(file, table, cells, plan.blocks, units, persons, plan.main, said, left_out={*read})

    def _further(self, file: DataFile, table: Table) -> None:
        """Copy a further table: what names its rows stays, all else is one block, other names each alone."""
        cells = table.cells
        ids = [n for n in cells if n == file.sample_column or self._holds_names(cells[n])] or [next(iter(cells))]
        first = file.sample_column if file.sample_column in cells else ids[0]
        mask = Mask({*self._known, *(v.strip() for n in ids for v in cells[n] if v.strip())})
        blocks: dict[str, list[str]] = {}
        for name in (n for n in cells if n not in ids):
            alone = names_rows(cells[name]) and any(as_number(v) is None for v in cells[name] if v.strip())
            blocks.setdefault(f"column {name}" if alone else "rest", []).append(name)
            cells[name] = [mask(v) if as_number(v) is None else v for v in cells[name]]
        self._write(file, table, cells, blocks, units_of(cells, first), [cells[n] for n in ids], {}, [])

    def _holds_names(self, values: Sequence[str]) -> bool:
        known = [v.strip() for v in values if v.strip()]
        texts = [v for v in known if as_number(v) is None] or known
        return bool(texts) and sum(v in self._known for v in texts) > 0.5 * len(known)

    def _write(
        self,
        file: DataFile,
        table: Table,
        cells: dict[str, list[str]],
        blocks: Mapping[str, Sequence[str]],
        units: Sequence[str],
        persons: Sequence[Sequence[str]],
        main: Mapping[str, int],
        said: list[str],
        left_out: Collection[str] = (),
    ) -> None:
        """Shuffle the blocks, lay them on the rows in the order of their units, and write the table.

        Columns to be left out stand in no file; they only move with their block.
        """
        places = [i for i in range(len(units)) if i not in table.wide]
        for label, columns in blocks.items():
            for stratum in sorted({self._given.stratum(units[i]) for i in places}):
                inside = [i for i in places if self._given.stratum(units[i]) == stratum]
                laid = laid_on_others(
                    [tuple(cells[n][i] for n in columns) for i in inside],
                    [units[i] for i in inside],
                    [[column[i] for i in inside] for column in persons],
                    main.get(label, len(columns)),
                    f"{self._dataset.id}\0{file.name}\0{label}{stratum}",
                )
                for place, row in zip(inside, laid, strict=True):
                    for name, cell in zip(columns, row, strict=True):
                        cells[name][place] = cell
        cells = {name: column for name, column in cells.items() if name not in left_out}
        columns = [n for n in cells if any(n in members for members in blocks.values())]
        said = [f"columns {', '.join(columns)} shuffled"] * bool(columns) + said
        said += [f"{len(table.wide)} rows with too many cells are blank"] * bool(table.wide)
        if not said:
            self._as_given(file)
            return
        target = self._target(file)
        table.rows = [list(row) for row in zip(*cells.values(), strict=True)]
        table.write(target)
        self._add(file, target, "; ".join(said), columns)

    def _matrix(self, file: DataFile, *, renamed: bool) -> None:
        path = self._root / file.path
        try:
            header, samples, results = self._parts(file)
        except InputError as error:
            self._leave_out(file, error)
            return
        if renamed:
            self._names.add(header[i].strip() for i in samples)
        if not results and not renamed:
            self._as_given(file)
            return
        target = self._target(file)
        new = [self._names(n) if i in set(samples) else n for i, n in enumerate(header)] if renamed else header
        try:
            if results:
                self._with_results(path, target, new, results)
            else:
                with_header(path, target, new)
        except InputError as error:  # damaged further down
            target.unlink(missing_ok=True)
            self._leave_out(file, error)
            return
        columns = [header[i] for i in results]
        said = [RENAMED] * renamed + [f"columns {', '.join(columns)} shuffled"] * bool(columns)
        self._add(file, target, "; ".join(said), columns)

    def _parts(self, file: DataFile) -> tuple[list[str], list[int], list[int]]:
        """Return a matrix's header, and the places of samples and of results of a comparison."""
        with table_rows(self._root / file.path) as (header, rows, _):
            probed = [row for row, _ in zip(rows, range(_PROBED), strict=False) if len(row) == len(header)]
        at = feature_place(file, header)
        results, samples = [], []
        for i, name in enumerate(header):
            known = [row[i] for row in probed if row[i].strip()]
            numbers = sum(as_number(v) is not None for v in known)
            if i == at or not name.strip():
                continue
            if name.strip() not in self._known and RESULTS.search(normal(name)):
                results.append(i)
            elif name.strip() in self._names or name.strip() in self._known or 2 * numbers >= len(known):
                samples.append(i)
        return header, samples, results

    def _with_results(self, path: Path, target: Path, header: Sequence[str], results: Sequence[int]) -> None:
        """Write a matrix whose results of a comparison are laid on other rows."""
        with table_rows(path) as (_, rows, _):
            block = [tuple(row[i] for i in results) for row in rows if len(row) == len(header)]
        laid = iter(shuffled_order(block, f"{self._dataset.id}\0{target.name}\0results"))
        with table_rows(path) as (_, rows, delimiter), opened_new(target, is_packed(path)) as file:
            text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
            writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
            writer.writerow(header)
            for row in rows:
                if len(row) == len(header):
                    for i, cell in zip(results, next(laid), strict=True):
                        row[i] = cell
                writer.writerow(row if len(row) == len(header) else [""] * len(row))
            text.detach()
