"""Views of data sets for looks: true copies that miss only the link which is the question.

In each view, samples have codes of their own (HMAC of the run's secret, the view and the sample) and stand in the order
of these codes, so two views cannot be joined by name or by row. The secret never enters the sandbox. Files have our
names; nothing of the original files, their names, sizes or formats is shown.

Which views there are:

- an outcome (time, event, response, a measured value that is asked about): `open` with sheet and matrix, without the
  outcome and what gives it away; `outcome` with the outcome's columns and nothing else;
- compared groups: `open` with the matrix, technical columns and those covariates that neither give the group away nor
  would join the views; `design` with groups and covariates, without the matrix;
- both: `open` without outcome, without groups and without what gives either away; `outcome`; `design` with groups and
  covariates, without outcome, without what gives the outcome away, and without the matrix. So no view holds two of
  matrix, groups and outcome. An outcome whose groups are themselves compared has a file of its own in `outcome`, with
  other codes than the remaining outcomes, whose link to it is the question;
- a sheet without a matrix: `open` and `outcome`; the compared groups are the outcome if there is no other, else they
  stay in `open`, where their link to the outcome is not to be seen;
- a matrix without a sheet: `open`, and `design` with the sample names as written, which may hold the groups;
- a table of genes (`sheet_views.is_gene_table`), alone or beside others: as it is, in `open`; beside a matrix only
  without results of a comparison;
- gene sets, and tables of genes of a data set without samples: as they are, in the folder `.beside` beside the data
  sets, where looks at every view can read them; they say nothing about samples;
- columns that give an outcome away and are in no other view (treatment after relapse, dates): in `outcome` in a file in
  which each column stands by itself in an order of its own;
- calls and other measures of each value: beside the matrix in `open`, with the same codes.

Columns are derived from dates and names that are not withheld (`audit.derived`): the year, the series.

Not hidden: groups that the matrix itself shows (sex, tumour or normal), and what is published.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bioresearcher.audit.derived import ACCESSION, NAME_PREFIX
from bioresearcher.audit.sheet_views import RESULTS, SheetPlan, is_gene_table, plan_sheet
from bioresearcher.audit.tables import MAX_NAMES, feature_place
from bioresearcher.errors import InputError, WorkspaceError
from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.facts import View, ViewFile
from bioresearcher.sources.datasets.endpoints import normal
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits

GENE_SETS = ".beside"
"""Folder of gene sets and tables of genes, beside those of the data sets; no data set's folder can have its name."""
SAMPLE = "sample"
"""Column with the codes."""
RULES = "views-5"
"""Version of the rules; views made by others are made again."""

_CODE_CHARS = 10
_NAMES = "names.json"  # beside the views, in none of them
_SHOWN_COLUMNS = 8
_LARGE = 10_000_000  # values from which a look can hardly load a whole matrix
_MOST_GENE_TABLE = 50 << 20  # bytes of a table that is read to see if it is one of genes
_MATRIX = TableLimits(text_bytes=8 << 30)

Kind = Literal["open", "outcome", "design"]
Sheet = dict[str, list[str]]


@dataclass(frozen=True)
class _Written:
    """A file of a view with its digest."""

    file: ViewFile
    sha256: str


def make_views(datasets: Sequence[Dataset], objective: Objective, folder: Path, secret: bytes) -> tuple[View, ...]:
    """Write the views of all data sets to `<folder>/<data set>/<kind>/` and gene sets to `<folder>/.beside/`.

    Views of the same files, question and secret are not made again. A data set that cannot be read has none; the
    audit's notes say why, since it reads the same files.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    views: list[View] = []
    try:
        for dataset in datasets:
            _copy_gene_sets(dataset, folder / GENE_SETS)
            if any(f.kind in ("expression", "samples", "table") for f in dataset.files):
                made = _views_of(dataset, objective, folder / safe_name(dataset.id), secret)
                _copy_gene_tables(dataset, made, folder)
                views += made
    except OSError as error:
        raise WorkspaceError(
            f"the views of the data cannot be written to {folder} ({error.strerror or error}).",
            hint="Check permissions and free space of the workspace.",
        ) from error
    sets = tuple(sorted(p.name for p in (folder / GENE_SETS).glob("*")))
    return tuple(v.model_copy(update={"beside": sets}) for v in views)


def view_folder(folder: Path, view: View) -> Path:
    """Folder of a view below the folder given to `make_views`."""
    return folder / safe_name(view.dataset) / view.kind


def view_names(folder: Path, view: View) -> dict[str, str]:
    """Return sample name -> code of an open view below the folder given to `make_views`.

    Only names that say nothing themselves (accessions, numbers) have codes to be asked for, and in no other view: two
    views in which names were known could be joined.
    """
    path = folder / safe_name(view.dataset) / _NAMES
    if view.kind != "open" or not path.is_file():
        return {}
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def files_digest(folder: Path, files: Iterable[ViewFile]) -> str:
    """Sha256 over names and contents of a view's files.

    Raises:
        OSError: One cannot be read.
    """
    parts = []
    for file in files:
        with (folder / file.name).open("rb") as stream:
            parts.append((file.name, hashlib.file_digest(stream, "sha256").hexdigest()))
    return _digest(parts)


def _digest(parts: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()


def _copy_gene_sets(dataset: Dataset, folder: Path) -> None:
    for file in (f for f in dataset.files if f.kind == "gene_sets"):
        target = folder / f"{safe_name(dataset.id)}-{safe_name(file.name)}.gmt"
        source = Path(dataset.root) / file.path
        if source.is_file() and not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _copy_gene_tables(dataset: Dataset, views: Sequence[View], folder: Path) -> None:
    """Lay the tables of genes of a data set without samples beside all views."""
    if any(f.kind in ("expression", "samples") for f in dataset.files):
        return
    for view in (v for v in views if v.kind == "open"):
        for file in (f for f in view.files if f.source):
            target = folder / GENE_SETS / f"{safe_name(dataset.id)}-{safe_name(file.source)}.csv"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(view_folder(folder, view) / file.name, target)


def _views_of(dataset: Dataset, objective: Objective, folder: Path, secret: bytes) -> list[View]:
    wanted = _key(dataset, objective, secret)
    made = folder / "made.json"
    if (views := _made(made, wanted)) is not None:
        return views
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as name:
        try:
            maker = _Maker(dataset, objective, Path(name), secret)
            views = maker.views()
        except InputError:
            return []
        for kind in ("open", "outcome", "design"):
            if (folder / kind).exists():
                shutil.rmtree(folder / kind)
            if (Path(name) / kind).exists():
                (Path(name) / kind).rename(folder / kind)
    write_text(folder / _NAMES, json.dumps(maker.names()))
    write_text(made, json.dumps({"key": wanted, "views": [v.model_dump(mode="json") for v in views]}, indent=1))
    return views


def _key(dataset: Dataset, objective: Objective, secret: bytes) -> str:
    """Digest of everything that the views of a data set depend on."""
    stated = [dataset.id, objective.text, [r.text for r in objective.requirements]]
    files = [f.model_dump(mode="json", exclude={"path"}) for f in dataset.files]
    return _hmac(secret, RULES, json.dumps([stated, files], sort_keys=True))


def _made(path: Path, wanted: str) -> list[View] | None:
    """Return the views that were made before, if they are those that are wanted and unchanged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        views = [View.model_validate(v) for v in found["views"]] if found["key"] == wanted else None
        whole = views is not None and all(files_digest(path.parent / v.kind, v.files) == v.digest for v in views)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return views if whole else None


def _hmac(secret: bytes, *parts: str) -> str:
    return hmac.new(secret, "\0".join(parts).encode("utf-8", "surrogatepass"), "sha256").hexdigest()


class _Maker:
    """Writes the views of one data set to a folder."""

    def __init__(self, dataset: Dataset, objective: Objective, folder: Path, secret: bytes) -> None:
        self._dataset, self._folder, self._secret = dataset, folder, secret
        self._root = Path(dataset.root)
        self._matrices = [f for f in dataset.files if f.kind == "expression"]
        self._measures = [f for f in dataset.files if f.kind == "table" and f.feature_column and self._matrices]
        read = [(f, self._genes(f)) for f in dataset.files if f.kind == "table" and f not in self._measures]
        self._gene_tables = [(f, cells) for f, cells in read if cells]
        tables = [f for f, cells in read if not cells]
        self._sheet_file = dataset.file("samples") or (tables[0] if tables and not self._matrices else None)
        shown = [self._sheet_file, *self._measures, *(f for f, _ in self._gene_tables)]
        self._others = [f for f in dataset.files if f.kind in ("samples", "table") and f not in shown]
        self._sheet: Sheet = {}
        self._left_out = 0
        self._units: list[str] = []
        self._plan: SheetPlan | None = None
        if self._sheet_file is not None:
            self._sheet, self._left_out = _read_sheet(self._root / self._sheet_file.path)
            name = self._sheet_file.sample_column if self._sheet_file.sample_column in self._sheet else None
            rows = len(next(iter(self._sheet.values())))
            self._units = [v.strip() for v in self._sheet[name]] if name else [f"row {i}" for i in range(rows)]
            self._plan = plan_sheet(
                self._sheet,
                self._sheet_file.columns,
                objective,
                units=self._units,
                id_column=name,
                measured=bool(self._matrices or self._others),
            )
            self._sheet |= {n: list(v) for n, v in self._plan.derived.items()}

    def views(self) -> list[View]:
        """Write all views; `open` is first."""
        plan = self._plan
        views = [self._open(plan)]
        if plan is None:
            return [*views, self._names()] if self._matrices else views
        if plan.outcomes:
            files = [
                self._table("outcome", "samples.csv" if i == 0 else f"samples_{i + 1}.csv", columns, part=i)
                for i, columns in enumerate(plan.outcomes)
            ]
            files += [self._alone(plan.alone)] if plan.alone else []
            views.append(self._view("outcome", files, ["everything but the outcome: its links are the question"]))
        if plan.design:
            design = [self._table("design", "samples.csv", plan.design)]
            seen = {*plan.design, *plan.open, *plan.derived}
            hidden = [n for n in self._sheet if n not in seen]
            kept = f"{', '.join(hidden)}: outcomes, what gives them away, texts, and names" if hidden else ""
            views.append(self._view("design", design, ["the matrix: its link to the groups is the question", kept]))
        return views

    def names(self) -> dict[str, str]:
        """Return sample name -> code in the open view, where every name is an accession or a number."""
        plain = self._matrices and self._plan is not None
        if not plain or not all(ACCESSION.fullmatch(u) or u.isdecimal() for u in self._units):
            return {}
        return {unit: self._code("open", unit) for unit in self._units}

    def _view(self, kind: Kind, files: Sequence[_Written], withheld: Iterable[str]) -> View:
        return View(
            id=f"{self._dataset.id}/{kind}",
            dataset=self._dataset.id,
            kind=kind,
            files=tuple(w.file for w in files),
            withheld=tuple(w for w in withheld if w),
            digest=_digest([(w.file.name, w.sha256) for w in files]),
        )

    def _open(self, plan: SheetPlan | None) -> View:
        (self._folder / "open").mkdir(parents=True)
        files, withheld = [], list(plan.withheld) if plan is not None else []
        if plan is not None and (plan.open or plan.prefix):
            files.append(self._table("open", "samples.csv", plan.open, prefix=plan.prefix))
        for number, matrix in enumerate(self._matrices):
            name = "matrix.csv" if number == 0 else f"matrix_{number + 1}.csv"
            written, results = self._matrix(matrix, name, first=number == 0)
            files.append(written)
            withheld += [f"{column}: looks like the result of a comparison" for column in results]
        for measure in self._measures:
            files.append(self._matrix(measure, f"{safe_name(measure.name)}.csv", first=False)[0])
        for number, (table, cells) in enumerate(self._gene_tables):
            files.append(self._gene_table(table, cells, "table.csv" if number == 0 else f"table_{number + 1}.csv"))
        withheld += [f"{f.name}: a further table, whose rows may name samples or outcomes" for f in self._others]
        if plan is None and self._matrices:
            withheld.append("names of samples: recoded, because they may hold the groups")
        return self._view("open", files, withheld)

    def _names(self) -> View:
        """Write the sample names of a matrix without a sheet, in the order of codes that are not the open view's."""
        header = _header(self._root / self._matrices[0].path)
        at = feature_place(self._matrices[0], header)
        names = [n.strip() for i, n in enumerate(header) if i != at]
        self._sheet, self._units = {"name": names}, names
        return self._view(
            "design", [self._table("design", "samples.csv", ["name"])], ["the matrix: its link to the names is hidden"]
        )

    def _genes(self, file: DataFile) -> Sheet:
        """Return the cells of a table that is shown as it is; empty for any other."""
        if file.sample_column is not None or file.bytes > _MOST_GENE_TABLE:
            return {}
        try:
            cells, _ = _read_sheet(self._root / file.path)
        except InputError:
            return {}
        if self._matrices and any(RESULTS.search(normal(n)) for n in cells):
            return {}
        described = {n.strip() for m in self._matrices for n in _header(self._root / m.path)}
        at = {m.feature_column for m in self._matrices}
        if any(n.strip() in described - at for n in cells):
            return {}
        return cells if is_gene_table(cells, file.columns, self._features(cells)) else {}

    def _features(self, cells: Sheet) -> set[str]:
        """Names of the rows of those matrices whose feature column has a name of the table's."""
        found: set[str] = set()
        for matrix in (m for m in self._matrices if m.feature_column in cells):
            with RowStream(self._root / matrix.path, _MATRIX) as stream:
                at = feature_place(matrix, stream.header)
                found |= {row[at].strip() for row in stream.rows(MAX_NAMES)}
        return found

    def _gene_table(self, table: DataFile, cells: Sheet, name: str) -> _Written:
        """Write a table of genes as it is."""
        rows = [list(row) for row in zip(*cells.values(), strict=True)]
        what = f"reference table {table.name}, as given: its rows are about genes, not samples"
        file = ViewFile(
            name=name, rows=len(rows), columns=tuple(cells), n_columns=len(cells), what=what, source=table.name
        )
        return _Written(file, _write(self._folder / "open" / name, [*cells], rows))

    def _code(self, kind: str, unit: str) -> str:
        return "s" + _hmac(self._secret, f"{self._dataset.id}/{kind}", unit)[:_CODE_CHARS]

    def _table(
        self, kind: Kind, name: str, columns: Sequence[str], *, prefix: Sequence[str] = (), part: int = 0
    ) -> _Written:
        """Write columns of the sheet, rows in the order of their codes."""
        recoded = self._plan.recoded if self._plan is not None else frozenset()
        label = kind if part == 0 else f"{kind}-{part}"
        shown = [
            [self._person(label, n, v) for v in self._sheet[n]] if n in recoded else self._sheet[n] for n in columns
        ]
        header = list(columns)
        if prefix:
            header, shown = (
                [NAME_PREFIX if NAME_PREFIX not in header else f"{NAME_PREFIX}_", *header],
                [[*prefix], *shown],
            )
        code = SAMPLE if SAMPLE not in header else f"{SAMPLE}_code"
        units = self._units
        if kind != "open" or not self._matrices:  # repeated names would join views by how often they repeat
            units = [f"{unit}\0{row}" for row, unit in enumerate(units)]
        rows = sorted([self._code(label, unit), *cells] for unit, *cells in zip(units, *shown, strict=True))
        left = f"; {self._left_out} rows of another width were left out" if self._left_out else ""
        what = f"a row is a sample, with a code that means nothing outside this file's view{left}"
        file = ViewFile(name=name, rows=len(rows), columns=(code, *header), n_columns=len(header) + 1, what=what)
        return _Written(file, _write(self._folder / kind / name, [code, *header], rows))

    def _alone(self, columns: Sequence[str]) -> _Written:
        """Write columns of which each stands in an order of its own, so that no row is a sample."""
        shown = [
            [v for _, v in sorted((self._code(f"alone/{n}", f"{u}\0{row}"), v) for row, (u, v) in enumerate(pairs))]
            for n in columns
            if (pairs := list(zip(self._units, self._sheet[n], strict=True)))
        ]
        rows = [list(row) for row in zip(*shown, strict=True)]
        what = "each column by itself, in an order of its own: a row is no sample, and columns must not be crossed"
        file = ViewFile(name="alone.csv", rows=len(rows), columns=tuple(columns), n_columns=len(columns), what=what)
        return _Written(file, _write(self._folder / "outcome" / "alone.csv", columns, rows))

    def _person(self, label: str, column: str, value: str) -> str:
        code = _hmac(self._secret, f"{self._dataset.id}/{label}/{column}", value.strip())[:_CODE_CHARS]
        return f"p{code}" if value.strip() else ""

    def _matrix(self, matrix: DataFile, name: str, *, first: bool) -> tuple[_Written, list[str]]:
        """Write a matrix with codes for its samples, as a stream; also return the columns that were left out."""
        described = set(self._units)
        with RowStream(self._root / matrix.path, _MATRIX) as stream:
            names = [n.strip() for n in stream.header]
            at = feature_place(matrix, stream.header)
            results = [i for i, n in enumerate(names) if i != at and n not in described and RESULTS.search(normal(n))]
            places = [i for i in range(len(names)) if i != at and i not in set(results)]
            samples = sorted((self._code("open", names[i]), i) for i in places)
            order = [at, *(i for _, i in samples)]
            header = [names[at] or "feature", *(code for code, _ in samples)]
            sha = _write(self._folder / "open" / name, header, ([row[i] for i in order] for row in stream.rows()))
            rows, ragged = stream.rows_seen, stream.ragged
        both = sum(names[i] in described for i in places)
        what = "" if first else f"{matrix.name} ({matrix.path}), which the notes describe: "
        what += "a row is a feature, a column a sample by its code; values as in the original file"
        what += f"; {both} of {len(places)} samples are in the sample sheet" if self._plan is not None else ""
        what += f"; {ragged} rows of another width were left out" if ragged else ""
        what += "; large: load parts of it, with `nrows` or `usecols`" if rows * len(header) > _LARGE else ""
        file = ViewFile(
            name=name,
            rows=rows,
            columns=tuple(header[:_SHOWN_COLUMNS]),
            n_columns=len(header),
            what=what,
            source=matrix.name,
        )
        return _Written(file, sha), [names[i] for i in results]


def _header(path: Path) -> list[str]:
    with RowStream(path, _MATRIX) as stream:
        return list(stream.header)


def _read_sheet(path: Path) -> tuple[Sheet, int]:
    """Read a sheet by columns; names that repeat get a number. Also count the rows that were left out.

    Raises:
        InputError: It cannot be read.
    """
    with RowStream(path, _MATRIX) as stream:
        names: list[str] = []
        for name in stream.header:
            count = names.count(name) + sum(n.startswith(f"{name}.") for n in names)
            names.append(name if name not in names else f"{name}.{count + 1}")
        rows = list(stream.rows())
        return {name: [row[i] for row in rows] for i, name in enumerate(names)}, stream.ragged


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table as CSV and return its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    with path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()
