"""Conversion of data files to gzipped TSV, the form the analyses read, in a store of the workspace.

A folder of the store belongs to the exact bytes of the files it was made from: changed files are converted anew,
unchanged ones never again. The data set's notes say which table came from which file.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Reading
from bioresearcher.schemas.missing import is_missing
from bioresearcher.sources.datasets.as_written import judge_names, restore_zeros
from bioresearcher.sources.datasets.cbioportal import study_files
from bioresearcher.sources.datasets.folders import FolderReader, left_out
from bioresearcher.sources.datasets.formats import (
    READERS,
    Table,
    excel_tables,
    plain_file,
)
from bioresearcher.sources.datasets.mutations import take_mutations
from bioresearcher.sources.datasets.one_quantity import one_quantity
from bioresearcher.sources.datasets.per_sample import files_of_samples, refuse_single
from bioresearcher.sources.datasets.plink import phenotypes
from bioresearcher.sources.datasets.roles import names_clinical, names_description
from bioresearcher.sources.datasets.sheets import is_study_table
from bioresearcher.sources.datasets.spec import FileSpec
from bioresearcher.sources.datasets.table_form import Plain, RowsAgain, find_form
from bioresearcher.sources.datasets.table_stream import is_table, open_lines, plain_suffix, sha256_of
from bioresearcher.sources.datasets.tenx import single_cells
from bioresearcher.sources.datasets.text_source import find_source, is_workbook
from bioresearcher.sources.datasets.write import make_once, open_gzip, write_rows
from bioresearcher.sources.geo.matrix import CuratedRows, MatrixRows, Rows, read_platform, side_by_side
from bioresearcher.sources.geo.prepare import cell, write_geo_folder
from bioresearcher.sources.geo.soft import read_series_matrix, read_series_soft

VERSION = "6"
"""Part of a store folder's name; a new one if the same bytes are converted differently."""
RECORD = "converted.json"
"""File of a store folder: which table was made of which file, notes, and readings."""
FOLDER_READERS: tuple[FolderReader, ...] = (study_files, one_quantity, single_cells, files_of_samples, phenotypes)
"""Readers of files that belong together, in this order; each is given what the ones before it left."""
_SELECTING: tuple[FolderReader, ...] = (study_files, one_quantity)
"""Those that choose among files; a description chooses itself."""
_MOST_CELLS = 40_000_000
FEWEST = 2
"""Columns of measurements below which no table is turned."""
_MANY = 20
"""Numeric columns from which a table of samples in rows is a matrix."""


def geo_kind(path: Path) -> str:
    """Tell GEO's formats by the first line of text: `soft`, `matrix`, or empty for another format."""
    if plain_suffix(path) not in (".soft", ".txt", ".tsv", ".tab"):
        return ""
    try:
        with open_lines(path) as lines:
            first = next((line for line in lines if line.strip()), "")
    except InputError:
        first = ""
    if plain_suffix(path) == ".soft" or re.match(r"\^[A-Za-z]+\s*=", first):
        return "soft"
    return "matrix" if re.match(r'"?!(Series|Sample)_\w+"?\t', first) else ""


def is_empty_matrix(path: Path) -> bool:
    """Check whether a file is a series matrix that describes samples and holds no row of values."""
    if geo_kind(path) != "matrix":
        return False
    try:
        series = read_series_matrix(path)
    except InputError:
        return False
    return bool(series.samples) and any("table is empty" in n for n in series.notes)


def convert_geo(path: Path, store: Path) -> Path:
    """Convert a SOFT or series matrix file to a folder of the store with its `dataset.toml`.

    Raises:
        InputError: It is damaged, or holds neither values nor samples.
        WorkspaceError: The store cannot be written.
    """
    name = re.sub(r"(_family|_series_matrix)$", "", re.sub(r"\.(soft|txt|tsv|tab)(\.gz)?$", "", path.name, flags=re.I))
    digest = sha256_of(path)
    folder = _place(store, [("", digest)], name)
    kind = geo_kind(path)
    source = f"GEO file given by the researcher: {cell(path.name)} (sha256 {digest[:12]}…)"
    return make_once(folder, lambda place: _write_geo(path, kind, place, source))


def _write_geo(path: Path, kind: str, place: Path, source: str) -> None:
    if kind == "matrix":
        write_geo_folder(place, read_series_matrix(path), MatrixRows(path), None, source=source)
        return
    series = read_series_soft(path)
    with _soft_rows(path, series.accession, series.platforms) as (rows, notes):
        platform = series.platforms[0] if series.platforms else ""
        write_geo_folder(place, series, rows, read_platform(path, platform), source=source, notes=notes)


@contextmanager
def _soft_rows(path: Path, accession: str, platforms: Sequence[str]) -> Iterator[tuple[Rows | None, list[str]]]:
    if accession.startswith("GDS"):
        yield CuratedRows(path), []
        return
    platform = platforms[0] if len(platforms) > 1 else ""
    notes = [f"Of the platforms {', '.join(platforms)} only {platform} was used."] if platform else []
    try:
        with side_by_side(path, platform) as rows:
            yield rows, notes
    except InputError as error:
        if "no sample has a table" not in error.message:
            raise
        yield None, notes


@dataclass(frozen=True)
class Converted:
    """Tables in plain form in the store: their folder, the table made of each file, notes, and readings of them."""

    folder: Path
    made: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    readings: tuple[Reading, ...]


def convert_tables(
    paths: Sequence[Path],
    store: Path,
    name: str,
    stated: Mapping[str, FileSpec] | None = None,
    *,
    always: bool = False,
) -> Converted | None:
    """Bring files to the plain form in one folder of the store; None if they have it already.

    Files that need nothing are copied, with `always` even if none needs anything. `stated` is what a description
    says of files, by their names.

    Raises:
        InputError: A file cannot be read; nothing is stored.
        WorkspaceError: The store cannot be written.
    """
    digests = [(f"{p.parent.name}/{p.name}", sha256_of(p)) for p in paths]
    said = {
        n: f.model_dump_json(include={"scale", "thousands", "zeros", "below_limit"}) for n, f in (stated or {}).items()
    }
    folder = _place(store, [*digests, *sorted(said.items())], name)
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(prefix="bioresearcher-") as spool:
            tables, copied, notes = _survey(paths, Path(spool), dict(stated or {}))
            if not always and not notes and not any(t.changed or t.readings for t in tables):
                return None
            make_once(
                folder, lambda place: _write_all(place, tables, copied, notes, dict(zip(paths, digests, strict=True)))
            )
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return Converted(
        folder,
        tuple((a, b) for a, b in record["made"]),
        tuple(record["notes"]),
        tuple(Reading.model_validate(r) for r in record["readings"]),
    )


def _place(store: Path, digests: Sequence[tuple[str, str]], name: str) -> Path:
    text = "\n".join([VERSION, *(f"{n}\0{d}" for n, d in digests)])
    return store / hashlib.sha256(text.encode()).hexdigest()[:16] / safe_name(name)


def _survey(
    paths: Sequence[Path], spool: Path, stated: Mapping[str, FileSpec]
) -> tuple[list[Plain], list[Path], list[str]]:
    """Find the plain form of every file: tables, files that are copied, and notes on files put together."""
    notes: list[str] = []
    tables: list[Plain] = []
    rest = list(paths)
    for reader in FOLDER_READERS:
        found = None if stated and reader in _SELECTING else reader(rest)
        if found is None:
            continue
        rest = [p for p in rest if p not in found.used]
        notes += [*found.notes, *left_out(found.left)]
        for path, made in found.tables:
            tables += _spooled_tables(path, made, spool)
    copied = [p for p in rest if p.suffix.lower() == ".gmt"]
    for path in rest:
        if path not in copied:
            refuse_single(path)
            tables += _tables_of(path, spool, stated.get(path.name))
    measured = {s for t in tables if t.matrix for s in t.header[1:]}
    for at, table in enumerate(tables):
        if table.matrix and table.again is not None and _describes(table, measured):
            form = find_form(table.again, table.source.name, stated.get(table.source.name), "samples")
            if form is not None:
                tables[at] = Plain.of(table.source, table.name, form, table.again)
                tables[at].changed = table.changed or form.changed
    return arrange(tables), copied, notes


def _describes(table: Plain, measured: set[str]) -> bool:
    """Tell a sheet of numbers from a matrix: its rows are samples of another matrix, its columns are none."""
    names = next(iter(table.ids().values()), [])
    own = set(table.header[1:])
    return bool(names) and len(table.header) < 40 and sum(n in measured - own for n in names) >= 0.5 * len(names)


def _spooled_tables(path: Path, table: Table, spool: Path) -> list[Plain]:
    """The plain form of a table that a reader of folders made."""
    again = _spooled(table.rows, spool, table.name)
    form = find_form(again, f"{table.name}.tsv", None)
    if form is None:
        return []
    plain = Plain.of(path, table.name, form, again)
    plain.changed = True
    plain.notes = [*table.notes, *plain.notes]
    return [plain]


def _tables_of(path: Path, spool: Path, stated: FileSpec | None) -> list[Plain]:
    reader = READERS.get(plain_suffix(path)) or (excel_tables if is_workbook(path) else None)
    stem = safe_name(re.sub(r"(\.(csv|tsv|tab|txt|gct|zip|xlsx|xlsm|parquet|h5ad|gz))+$", "", path.name, flags=re.I))
    hint = stated.kind if stated is not None else ""
    if reader is None:
        source = find_source(path)
        form = find_form(source.rows, path.name, stated, hint)
        if form is None:
            raise InputError(f"{path.name}: the file is empty.", hint="Remove it or fill it.")
        table = Plain.of(path, stem, form, source.rows)
        table.notes = [*source.notes, *table.notes]
        table.changed = table.changed or not source.usual or not is_table(path)
        return [table]
    found = []
    with plain_file(path) as plain:
        for each in reader(plain):
            name = f"{stem}-{safe_name(each.name)}"
            again = _spooled(each.rows, spool, name)
            form = find_form(again, path.name, stated, hint or each.kind)
            if form is None:
                continue
            found.append(Plain.of(path, name, form, again))
            found[-1].changed = True
            found[-1].notes = [*each.notes, *found[-1].notes]
            found[-1].origin = each.name
    if not found:
        raise InputError(f"{path.name}: there is no table in it.")
    return found


def _spooled(rows: Iterator[Sequence[str]], spool: Path, name: str) -> RowsAgain:
    """Write rows to a temporary file, so that they can be read again."""
    place = spool / f"{name}-{len(list(spool.iterdir()))}.tsv"
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows(rows)

    def again() -> Iterator[list[str]]:
        with place.open(encoding="utf-8", newline="") as file:
            yield from (row for row in csv.reader(file, delimiter="\t") if any(row))

    return again


def _write_all(
    place: Path,
    tables: Sequence[Plain],
    copied: Sequence[Path],
    notes: list[str],
    digests: Mapping[Path, tuple[str, str]],
) -> None:
    made: list[tuple[str, str]] = []
    readings: list[Reading] = []
    for path in copied:
        shutil.copyfile(path, place / path.name)
        made.append((path.name, path.name))
    for table in tables:
        source, digest = table.source.name, digests[table.source][1]
        if not table.changed:
            shutil.copyfile(table.source, place / source)
            made.append((source, source))
            readings += table.readings
            continue
        target = place / f"{safe_name(table.name)}.tsv.gz"
        if target.exists():
            raise InputError(f"{source}: two tables would be named {target.name}.")
        width = len(table.header)
        with open_gzip(target) as out:
            count = write_rows(out, [cell(n) for n in table.header], (_cells(row, width) for row in table.rows()))
        made.append((source, target.name))
        origin = f"{table.origin!r} of " if table.origin else ""
        notes.append(f"{target.name}: {count:,} rows, made from {origin}{source} (sha256 {digest[:12]}…)")
        notes += table.notes
        if table.matrix and table.about and table.described is not None:
            beside = place / f"{safe_name(table.name)}-features.tsv.gz"
            rows = (_cells(row, len(table.about) + 1) for row in table.described())
            with open_gzip(beside) as out:
                write_rows(out, [cell(n) for n in (table.header[0], *table.about)], rows)
            made.append((source, beside.name))
            said = ", ".join(map(repr, table.about))
            notes.append(f"{beside.name}: the columns of {source} that describe its features: {said}")
        readings += [r.model_copy(update={"file": target.name}) for r in table.readings]
    record = {
        "made": made,
        "notes": [f"{cell(n).removesuffix('.')}." for n in notes],
        "readings": [r.model_dump() for r in readings],
    }
    write_text(place / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")


def _cells(row: Sequence[str], width: int) -> list[str]:
    cells = [cell(c) for c in row]
    return cells[:width] + ["NA"] * (width - len(cells)) if not any(c != "NA" for c in cells[width:]) else cells


def arrange(tables: list[Plain]) -> list[Plain]:
    """Bring the tables of one folder together; tables are changed in place, joined ones and new sheets are added."""
    _split_wide(tables)
    _turn(tables)
    _sheets_of_headers(tables)
    _join_patients(tables)
    _join_sheets(tables)
    take_mutations(tables)
    _equal_names(tables)
    return tables


def _numeric_columns(table: Plain) -> list[int]:
    rows = list(islice(table.rows(), 200))
    found = []
    for at in range(1, len(table.header)):
        known = [row[at] for row in rows if at < len(row) and not is_missing(row[at])]
        if known and all(as_number(c) is not None for c in known):
            found.append(at)
    return found


def _turn(tables: list[Plain]) -> None:
    """Turn matrices that have the samples in rows, as another table's names of samples show."""
    for table in tables:
        others = [o for o in tables if o is not table]
        numeric = _numeric_columns(table)
        if len(numeric) < min(_MANY, max(3, len(table.header) - 1)) or len(numeric) < 0.8 * (len(table.header) - 1):
            continue
        if names_clinical([table.header[at] for at in numeric]) or _named_as_samples(table, others):
            continue
        ids = next(iter(table.ids().values()), [])
        linked = [
            (o, column)
            for o in others
            if not o.matrix or len(o.header) < _MANY
            for column, cells in o.ids().items()
            if len(set(ids) & set(cells)) >= 0.5 * len(ids) > 0 and not set(table.header[1:]) & set(cells)
        ]
        if not linked or len(ids) * len(table.header) > _MOST_CELLS:
            continue
        sheet, column = linked[0]
        turn_table(table, numeric)
        sheet.matrix = False
        table.notes.append(
            f"{table.source.name}: has samples in rows (named in column {column!r} of {sheet.source.name}); "
            "it was turned, features in rows"
        )


def _named_as_samples(table: Plain, others: Sequence[Plain]) -> bool:
    """Tell a matrix whose columns are samples already: another one has the same, or a sheet names them."""
    own = set(table.header[1:])
    known = [set(o.header[1:]) for o in others if o.matrix]
    known += [set(cells) for o in others if not o.matrix for cells in o.ids().values()]
    return any(len(own & names) >= 0.5 * len(own) for names in known)


def turn_table(table: Plain, columns: Sequence[int]) -> None:
    """Turn a table of samples in rows; `columns` are those that hold values."""
    before, header = table.rows, table.header

    def names() -> list[str]:
        return [row[0] for row in before()]

    def turned() -> Iterator[list[str]]:
        rows = list(before())
        for at in columns:
            name = judged.renamed.get(header[at], header[at])
            if header[at] not in judged.dropped:
                yield [name, *(row[at] if at < len(row) else "" for row in rows)]

    judged = judge_names(header[at] for at in columns)
    table.notes += [f"{table.source.name}: {note}" for note in (*judged.notes, *judged.unsure)]
    table.header = ["gene", *names()]
    table.rows = turned
    table.about = ()  # what described a row is a sample's now
    table.matrix = table.changed = True


def _split_wide(tables: list[Plain]) -> None:
    """Divide a table of samples that holds the measurements beside the descriptions, where there is no matrix."""
    if any(t.matrix for t in tables) or len(tables) != 1:
        return
    [table] = tables
    numeric = _measurements(table, _numeric_columns(table))
    rest = len(table.header) - 1 - len(numeric)
    if len(numeric) >= 50 and len(numeric) >= 4 * rest and rest and table.header[0] in table.ids():
        _divide(tables, table, numeric)


def _divide(tables: list[Plain], table: Plain, numeric: Sequence[int]) -> None:
    """Make a sheet of the columns that describe samples, and a turned matrix of the others."""
    rest = [at for at in range(1, len(table.header)) if at not in set(numeric)]
    before, header, source = table.rows, table.header, table.source.name

    def described() -> Iterator[list[str]]:
        for row in before():
            yield [row[0], *(row[at] if at < len(row) else "" for at in rest)]

    sheet = Plain(
        table.source, f"{table.name}-samples", [header[0], *(header[at] for at in rest)], described, False, True
    )
    turn_table(table, numeric)
    table.notes.append(
        f"{source}: has the samples in rows, {len(numeric)} columns of numbers and {len(rest)} others: these were the "
        "sample sheet, the numbers the matrix, which was turned"
    )
    tables.append(sheet)


def turned_copy(path: Path, target: Path) -> Path:
    """Write a copy of a table of samples in rows as a folder: a sample sheet, and a matrix with features in rows.

    Raises:
        InputError: The table has no names of samples in its first column, or fewer than two columns of measurements.
        WorkspaceError: The folder cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="bioresearcher-") as spool:
        tables = _tables_of(path, Path(spool), FileSpec(name="samples", kind="samples", path=path.name))
        table = tables[0]
        numeric = _measurements(table, _numeric_columns(table))
        if len(tables) != 1 or table.header[0] not in table.ids() or len(numeric) < FEWEST:
            raise InputError(
                f"{path.name}: cannot be turned: it is no single table with samples named in its first column "
                f"({table.header[0]!r}) and measurements in others.",
                hint="Give a matrix with features in rows and samples in columns.",
            )
        _divide(tables, table, numeric)
        digests = {path: (path.name, sha256_of(path))}
        return make_once(target, lambda place: _write_all(place, tables, [], [], digests))


def _measurements(table: Plain, numeric: Sequence[int]) -> list[int]:
    """Tell columns of measurements from numbers that describe the samples, such as an event or a size.

    The latter are called like a clinical variable or outcome, or in lower case without a number where nearly all
    others have a capital letter or a number, as genes and probes do.
    """
    names = {at: table.header[at] for at in numeric}
    called = [at for at, name in names.items() if not names_description(name)]
    plain = {at for at in called if not re.search(r"[A-Z0-9]", names[at])}
    return [at for at in called if at not in plain] if len(plain) <= 0.1 * len(called) else called


def _sheets_of_headers(tables: list[Plain]) -> None:
    """Make a sample sheet of a header line of groups."""
    for table in list(tables):
        groups = [(sample, level) for sample, level in table.groups if sample in table.header]
        if not table.matrix or not groups:
            continue
        levels = [level for _, level in groups]
        if len(set(levels)) < 2:
            continue
        name = f"{table.name}-groups"

        def rows(found: Sequence[tuple[str, str]] = tuple(groups)) -> Iterator[list[str]]:
            return (list(pair) for pair in found)

        tables.append(Plain(table.source, name, ["sample", "group"], rows, False, True))


def _join_patients(tables: list[Plain]) -> None:
    """Join a sheet of patients to a sheet of samples that names the patient of each, as cBioPortal divides them."""
    matrices = [t for t in tables if t.matrix]
    sheets = [t for t in tables if not t.matrix]
    measured = {s for m in matrices for s in m.header[1:]}
    for samples in sheets:
        sample_ids = {c for c, cells in samples.ids().items() if measured & set(cells) or not measured}
        for patients in sheets:
            if patients is samples:
                continue
            for key in [c for c in samples.header if c in patients.ids() and c not in sample_ids]:
                ids = patients.ids()[key]
                if measured & set(ids) or not sample_ids:
                    continue
                at = samples.header.index(key)
                named = {row[at] for row in samples.rows()}
                if len(named & set(ids)) >= 0.8 * len(named):
                    _join(tables, samples, patients, key)
                    return


def _join(tables: list[Plain], samples: Plain, patients: Plain, key: str) -> None:
    before, own = samples.rows, samples.header
    at, place = own.index(key), patients.header.index(key)
    more = [n for n, c in enumerate(patients.header) if c not in own]
    other = {row[place]: row for row in patients.rows()}
    blank = [""] * len(patients.header)

    def rows() -> Iterator[list[str]]:
        for row in before():
            found = other.get(row[at], blank)
            yield [*row, *(found[n] if n < len(found) else "" for n in more)]

    samples.notes.append(
        f"{samples.source.name}: the columns of {patients.source.name} were added by {key!r}"
        + ("" if key in samples.ids() else "; a patient with several samples stands in several rows")
    )
    samples.header = [*own, *(patients.header[n] for n in more)]
    samples.rows = rows
    samples.changed = True
    samples.notes += patients.notes
    samples.readings += patients.readings
    tables.remove(patients)


def _join_sheets(tables: list[Plain]) -> None:
    """Join sheets whose rows are named alike, as Xena and PLINK divide what they say of the same samples."""
    measured = {s for t in tables if t.matrix for s in t.header[1:]}
    sheets = [t for t in tables if not t.matrix and not is_study_table(t.header)]
    for one, other in combinations(sheets, 2):
        if one not in tables or other not in tables:
            continue
        for key, cells in one.ids().items():
            same = next((c for c, own in other.ids().items() if _alike(cells, own)), None)
            if same is None or (measured and not measured & set(cells)) or all(as_number(c) is not None for c in cells):
                continue
            repeated = [c for c in other.header if c in one.header and c != same]
            if any(not _equal_columns(one, key, other, same, c) for c in repeated):
                continue
            other.header = [key if c == same else c for c in other.header]
            _join(tables, one, other, key)
            break


def _alike(cells: Sequence[str], others: Sequence[str]) -> bool:
    """Return True if two columns of names are those of the same samples, but for one in five."""
    return len(set(cells) & set(others)) >= 0.8 * max(len(cells), len(others)) > 0


def _equal_columns(one: Plain, key: str, other: Plain, same: str, column: str) -> bool:
    """Return True if a column that two sheets have says the same in both."""
    at, of = one.header.index(key), one.header.index(column)
    known = {row[at]: row[of] for row in one.rows() if len(row) > max(at, of)}
    at, of = other.header.index(same), other.header.index(column)
    return all(known.get(r[at], r[of]) == r[of] for r in other.rows() if len(r) > max(at, of))


def _equal_names(tables: list[Plain]) -> None:
    """Give the samples of a matrix the names of the sheet, where a program wrote them otherwise."""
    sheets = [t for t in tables if not t.matrix]
    for matrix in (t for t in tables if t.matrix):
        names = matrix.header[1:]
        columns = [(s, c, cells) for s in sheets for c, cells in s.ids().items()]
        exact = max((len(set(names) & set(cells)) for _, _, cells in columns), default=0)
        best: tuple[dict[str, str], str] = {}, ""
        for sheet, column, cells in columns:
            found = restore_zeros(names, cells)
            if len(found) > max(exact, len(best[0])):
                best = found, f"{column!r} of {sheet.source.name}"
        mapped, where = best
        new = [mapped.get(n, n) for n in names]
        if not mapped or len(set(new)) < len(new):
            continue
        old, name = next((o, n) for o, n in mapped.items() if o != n)
        matrix.header = [matrix.header[0], *new]
        matrix.changed = True
        matrix.notes.append(
            f"{matrix.source.name}: {len(mapped)} sample names were written otherwise than in {where}, made equal "
            f"one to one, e.g. {old!r} = {name!r}"
        )
