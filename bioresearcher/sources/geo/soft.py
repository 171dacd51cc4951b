"""Readers of GEO's text formats as streams: SOFT, series matrix files, and the series that either describes.

In SOFT `^KIND = name` begins an entity, `!key = value` is an attribute (repeated keys are lists), `#COLUMN = …`
describes a column; an entity has at most one table, between `!…_table_begin` and `!…_table_end`
(old files lack these marks).
A series matrix has the attributes of a series and its samples above one table.
Format: https://www.ncbi.nlm.nih.gov/geo/info/soft.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import GeoSample, GeoSeries
from bioresearcher.sources.datasets.table_stream import Lines, StreamedTable, open_lines

MAX_ATTRIBUTES = 200_000
"""Most attribute lines of an entity: a series of 100,000 samples has that many."""
MAX_ATTRIBUTE_CHARS = 64 << 20
"""Characters of an entity's attributes."""
MAX_HEAD_CHARS = 512 << 20
"""Characters above the table of a series matrix."""
NOT_SOFT = "Expected SOFT text: lines that begin with ^, ! or #, as GEO gives them."
NOT_MATRIX = "Expected GEO's series matrix text: lines that begin with !Series_ or !Sample_, then a table."
_PAIR = re.compile(r"\s*([A-Za-z][A-Za-z0-9 _/().-]{1,40}?)\s*(?:=|:(?!//))\s*(\S[^;]*)")
"""`key = value` within a description."""

Attributes = dict[str, list[str]]


@dataclass
class SoftEntity(StreamedTable):
    """Entity of a SOFT file. Read its table by `rows()` before the next entity, or not at all.

    Attributes:
        kind: `SERIES`, `SAMPLE`, `PLATFORM`, `DATASET`, `SUBSET`, `DATABASE`, … in upper case.
        name: What stands after `=`; an accession in files from GEO.
        attributes: Key without the kind before it, in lower case -> values in order, empty ones left out.
        columns: Column name -> its description.
    """

    kind: str
    name: str
    attributes: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)

    def first(self, key: str) -> str:
        """Return the first value of an attribute; empty if there is none."""
        return next(iter(self.attributes.get(key, ())), "")

    def text(self, key: str) -> str:
        """Join all values of an attribute."""
        return " ".join(self.attributes.get(key, ()))


def entities(lines: Lines) -> Iterator[SoftEntity]:
    """Yield the file's entities in order.

    Raises:
        InputError: It is no SOFT file, or beyond the limits.
    """
    reader = _Reader(lines)
    while (entity := reader.next_entity()) is not None:
        yield entity
        for _ in entity.rows():
            pass  # skip the table if the caller did not read it


class _Reader:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._iterator = iter(lines)
        self._held: str | None = None

    def _line(self) -> str | None:
        if self._held is not None:
            line, self._held = self._held, None
            return line
        return next(self._iterator, None)

    def next_entity(self) -> SoftEntity | None:
        line = self._line()
        while line is not None and not line.strip():
            line = self._line()
        if line is None:
            if self._lines.number == 0:
                raise InputError(f"{self._lines.name}: the file is empty.")
            return None
        if not line.startswith("^"):
            raise InputError(
                f"{self._lines.name}: line {self._lines.number} begins no entity ({line[:40]!r}).", hint=NOT_SOFT
            )
        kind, _, name = line[1:].partition("=")
        entity = SoftEntity(kind.strip().upper(), name.strip())
        self._read_attributes(entity)
        return entity

    def _read_attributes(self, entity: SoftEntity) -> None:
        count = chars = 0
        while (line := self._line()) is not None:
            if line.startswith("^"):
                self._held = line
                return
            if line.startswith("!"):
                key, value = _attribute(line)
                if key.endswith("table_begin"):
                    self._begin_table(entity, marked=True)
                    return
                if not value or key.endswith("table_end"):
                    continue
                entity.attributes.setdefault(key, []).append(value)
            elif line.startswith("#"):
                name, _, value = line[1:].partition("=")
                entity.columns[name.strip()] = value.strip()
            elif line.strip():
                self._held = line
                self._begin_table(entity, marked=False)
                return
            count, chars = count + 1, chars + len(line)
            if count > MAX_ATTRIBUTES or chars > MAX_ATTRIBUTE_CHARS:
                raise InputError(f"{self._lines.name}: {entity.kind} {entity.name[:40]} has too many attributes.")

    def _begin_table(self, entity: SoftEntity, *, marked: bool) -> None:
        line = self._line()
        if line is not None and not (marked and _ends_table(line)):
            entity.header = line.split("\t")
            entity._rows = self._table(entity, marked=marked)

    def _table(self, entity: SoftEntity, *, marked: bool) -> Iterator[list[str]]:
        while (line := self._line()) is not None:
            if marked and _ends_table(line):
                return
            if not marked and line.startswith(("^", "!")):
                self._held = line
                return
            if line:
                yield line.split("\t")
        if marked:
            raise _cut_off(self._lines, f"the table of {entity.name[:40]}")


def _ends_table(line: str) -> bool:
    return line.startswith("!") and line.rstrip().lower().endswith("_table_end")


def _attribute(line: str) -> tuple[str, str]:
    """Split `!Sample_title = x` into (`title`, `x`)."""
    name, _, value = line[1:].partition("=")
    name = name.strip().lower()
    prefix, _, key = name.partition("_")
    return (key or prefix), value.strip()


@dataclass
class SeriesMatrix(StreamedTable):
    """Head of a series matrix file; `rows()` reads the table, once.

    Attributes:
        series: Series attribute, lower case, without `Series_` -> values.
        samples: Sample attribute, lower case, without `Sample_` -> one list for each line, of one value per sample.
    """

    series: dict[str, list[str]] = field(default_factory=dict)
    samples: dict[str, list[list[str]]] = field(default_factory=dict)


def read_matrix(lines: Lines) -> SeriesMatrix:
    """Read the head up to the table.

    Raises:
        InputError: It is no series matrix, or beyond the limits.
    """
    matrix = SeriesMatrix()
    iterator = iter(lines)
    chars = 0
    for line in iterator:
        if not line.strip():
            continue
        if not line.startswith("!"):
            raise InputError(
                f"{lines.name}: line {lines.number} is none of a series matrix ({line[:40]!r}).", hint=NOT_MATRIX
            )
        chars += len(line)
        if chars > MAX_HEAD_CHARS:
            raise InputError(f"{lines.name}: its head is longer than {MAX_HEAD_CHARS >> 20} MB.")
        key, *values = line[1:].split("\t")
        name = key.strip().lower()
        if name == "series_matrix_table_begin":
            matrix._rows = _matrix_table(iterator, lines)
            matrix.header = next(matrix._rows, [])
            return matrix
        if name.startswith("series_"):
            matrix.series.setdefault(name.removeprefix("series_"), []).extend(v for v in map(plain, values) if v)
        elif name.startswith("sample_"):
            matrix.samples.setdefault(name.removeprefix("sample_"), []).append([plain(v) for v in values])
    if not matrix.series and not matrix.samples:
        raise InputError(f"{lines.name}: the file is empty.", hint=NOT_MATRIX)
    raise InputError(f"{lines.name}: the file ends before its table: it is cut off.", hint="Download it again.")


def _matrix_table(iterator: Iterator[str], lines: Lines) -> Iterator[list[str]]:
    """Yield the header and the rows; nothing if the table is empty."""
    for line in iterator:
        if _ends_table(line):
            return
        if line:
            yield [plain(cell) for cell in line.split("\t")]
    raise _cut_off(lines, "its table")


def _cut_off(lines: Lines, part: str) -> InputError:
    return InputError(f"{lines.name}: the file ends within {part}: it is cut off.", hint="Download it again.")


def plain(cell: str) -> str:
    """Remove the quotes around a cell."""
    text = cell.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('""', '"').strip()
    return text


def read_series_soft(path: Path) -> GeoSeries:
    """Read the series of a SOFT file (family, brief answer, GDS, or samples alone); rows of tables are only counted.

    Raises:
        InputError: It is no SOFT file, is cut off, or describes no series and no sample.
    """
    with open_lines(path) as lines:
        return series_of(lines)


def series_of(lines: Lines) -> GeoSeries:
    """Read the series of SOFT lines, like `read_series_soft`."""
    series: SoftEntity | None = None
    samples: list[GeoSample] = []
    notes: list[str] = []
    platforms: list[str] = []
    subsets: list[SoftEntity] = []
    organisms: list[str] = []
    for entity in entities(lines):
        note = _counted(entity)
        notes += [note] if note else []
        if entity.kind in ("SERIES", "DATASET") and series is None:
            series = entity
        elif entity.kind == "DATASET" and series is not None:  # a curated set's table stands in a second part
            series.columns |= entity.columns
        elif entity.kind == "SUBSET":
            subsets.append(entity)
        elif entity.kind == "PLATFORM":
            platforms.append(entity.name)
            organisms += entity.attributes.get("organism", [])
        elif entity.kind == "SAMPLE":
            samples.append(sample_of(entity.name, entity.attributes, entity.columns.get("VALUE", "")))
    if lines.latin1_line:
        notes.append(f"line {lines.latin1_line} is not UTF-8 and was read as Latin-1")
    if series is None and not samples:
        raise InputError(f"{lines.name}: it describes no series and no sample.")
    if series is not None and series.kind == "DATASET":
        return _curated(series, subsets, notes)
    attributes = series.attributes if series is not None else {}
    if series is not None:
        name = series.name
    else:  # a file of samples alone
        name = samples[0].accession if len(samples) == 1 else lines.name.split(".")[0]
    return _series(name, attributes, samples, platforms, organisms, _summed(notes))


def read_series_head(matrix: SeriesMatrix) -> GeoSeries:
    """Build the series from the head of a series matrix file."""
    width = max((len(row) for rows in matrix.samples.values() for row in rows), default=0)
    columns = [Attributes() for _ in range(width)]
    for key, rows in matrix.samples.items():
        for row in rows:
            for column, value in zip_longest(columns, row):
                if column is not None and value:
                    column.setdefault(key, []).append(value)
    header = matrix.header[1:]
    samples = []
    for number, column in enumerate(columns):
        name = next(iter(column.get("geo_accession", ())), "") or (header[number] if number < len(header) else "")
        samples.append(sample_of(name, column, ""))
    accession = next(iter(matrix.series.get("geo_accession", ())), "")
    return _series(accession, matrix.series, samples, [], [], [])


def read_series_matrix(path: Path) -> GeoSeries:
    """Read the series of a series matrix file, with a note if its table is empty.

    Raises:
        InputError: It is no series matrix or is cut off.
    """
    with open_lines(path) as lines:
        matrix = read_matrix(lines)
        series = read_series_head(matrix)
        first = next(matrix.rows(), None)
    if first is None:
        return series.model_copy(update={"notes": (*series.notes, f"{path.name}: its expression table is empty")})
    return series


def _series(
    name: str,
    attributes: Attributes,
    samples: Sequence[GeoSample],
    platforms: Sequence[str],
    organisms: Sequence[str],
    notes: Sequence[str],
) -> GeoSeries:
    found = list(dict.fromkeys([*attributes.get("platform_id", ()), *platforms, *(s.platform for s in samples)]))
    species = list(dict.fromkeys(s.organism for s in samples if s.organism)) or list(dict.fromkeys(organisms))
    return GeoSeries(
        accession=name,
        title=_text(attributes, "title") or (samples[0].title if len(samples) == 1 else ""),
        summary=_text(attributes, "summary"),
        design=_text(attributes, "overall_design"),
        assays=_all(attributes, "type"),
        platforms=tuple(p for p in found if p),
        organisms=tuple(species),
        pubmed_ids=_all(attributes, "pubmed_id"),
        relations=_all(attributes, "relation"),
        supplementary=_supplementary(attributes),
        status=_text(attributes, "status"),
        updated=_text(attributes, "last_update_date"),
        samples=tuple(samples),
        notes=tuple(notes),
    )


def _curated(entity: SoftEntity, subsets: Sequence[SoftEntity], notes: Sequence[str]) -> GeoSeries:
    """Build the series of a GDS; its subsets become its samples' characteristics."""
    titles = {c: d for c, d in entity.columns.items() if re.fullmatch(r"GSM\d+", c)}
    facts: dict[str, list[tuple[str, str]]] = {c: [] for c in titles}
    for subset in subsets:
        kind, value = subset.first("type") or "subset", subset.first("description")
        for sample in re.split(r"[,\s]+", subset.first("sample_id")):
            facts.setdefault(sample, []).append((kind, value))
    platform, organism = entity.first("platform"), entity.first("sample_organism") or entity.first("platform_organism")
    samples = tuple(
        GeoSample(
            accession=name,
            title=_title(titles.get(name, "")),
            organism=organism,
            platform=platform,
            molecule=entity.first("sample_type"),
            characteristics=tuple(facts[name]),
            value_means=entity.first("value_type"),
        )
        for name in facts
        if name
    )
    return GeoSeries(
        accession=entity.name,
        title=entity.text("title"),
        summary=entity.text("description"),
        assays=tuple(entity.attributes.get("type", ())),
        platforms=(platform,) if platform else (),
        organisms=(organism,) if organism else (),
        pubmed_ids=tuple(entity.attributes.get("pubmed_id", ())),
        relations=tuple(f"Curated from: {s}" for s in entity.attributes.get("reference_series", ())),
        updated=entity.text("update_date"),
        samples=samples,
        notes=tuple(notes),
    )


def _title(described: str) -> str:
    """Cut the title out of `Value for GSM11815: title; src: source`."""
    return re.sub(r"^Value for GSM\d+:\s*", "", described).split("; src:")[0].strip()


def sample_of(name: str, attributes: Attributes, value_means: str) -> GeoSample:
    """Build a sample from its attributes."""
    rows = _text(attributes, "data_row_count")
    channels = _text(attributes, "channel_count")
    return GeoSample(
        accession=_text(attributes, "geo_accession") or name,
        title=_text(attributes, "title"),
        source=_text(attributes, "source_name_ch1") or _text(attributes, "target_source1"),
        organism=_text(attributes, "organism_ch1") or _text(attributes, "organism"),
        platform=_text(attributes, "platform_id"),
        molecule=_text(attributes, "molecule_ch1"),
        kind=_text(attributes, "type"),
        channels=int(channels) if channels.isdecimal() and len(channels) < 3 else 1,
        characteristics=_characteristics(attributes),
        source2=_text(attributes, "source_name_ch2"),
        characteristics2=tuple(_split(value) for value in attributes.get("characteristics_ch2", ())),
        description=_text(attributes, "description"),
        processing=_text(attributes, "data_processing"),
        value_means=value_means,
        rows=int(rows) if rows.isdecimal() and len(rows) < 12 else None,
        supplementary=_supplementary(attributes),
    )


def _characteristics(attributes: Attributes) -> tuple[tuple[str, str], ...]:
    """Split `key: value` of the first channel or, without any, `key = value` pairs of the description."""
    values = attributes.get("characteristics_ch1") or attributes.get("characteristics") or []
    if values:
        return tuple(_split(value) for value in values)
    found: list[tuple[str, str]] = []
    for line in attributes.get("description", ()):
        parts = [p for p in line.split(";") if p.strip()]
        pairs = [m for p in parts if (m := _PAIR.fullmatch(p)) and "=" in p]
        if len(parts) > 1 and len(pairs) >= 2:
            found += [(m[1].strip(), m[2].strip().removesuffix(".")) for m in pairs]
    return tuple(found)


def _split(value: str) -> tuple[str, str]:
    key, colon, rest = value.partition(":")
    if colon and rest.strip() and len(key) <= 60 and not rest.startswith("//"):
        return key.strip(), rest.strip()
    return "", value.strip()


def _counted(entity: SoftEntity) -> str:
    """Skip and count the rows of an entity's table; describe a difference to its stated number of rows."""
    for _ in entity.rows():
        pass
    stated = entity.first("data_row_count") or entity.first("feature_count")
    if entity.header and stated.isdecimal() and int(stated) != entity.rows_read + entity.ragged:
        return f"{entity.name}: says {int(stated):,} rows, holds {entity.rows_read:,}"
    return f"{entity.name}: {entity.ragged} rows have more cells than the header" if entity.ragged else ""


def _summed(notes: Sequence[str]) -> list[str]:
    return [*notes[:3], f"… and {len(notes) - 3} more samples like this"] if len(notes) > 4 else list(notes)


def _text(attributes: Attributes, key: str) -> str:
    return " ".join(attributes.get(key, ()))


def _all(attributes: Attributes, key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v.strip() for v in attributes.get(key, ()) if v.strip()))


def _supplementary(attributes: Attributes) -> tuple[str, ...]:
    files = (v for k, values in attributes.items() if k.startswith("supplementary_file") for v in values)
    return tuple(v for v in files if v.upper() != "NONE")
