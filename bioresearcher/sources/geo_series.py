"""What a SOFT or series matrix file says of a series and its samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.geo import GeoSample, GeoSeries
from bioresearcher.sources.lines import Lines, open_lines
from bioresearcher.sources.series_matrix import SeriesMatrix, read_matrix
from bioresearcher.sources.soft import SoftEntity, entities

Attributes = dict[str, list[str]]
_PAIR = re.compile(r"\s*([A-Za-z][A-Za-z0-9 _/().-]{1,40}?)\s*(?:=|:(?!//))\s*(\S[^;]*)")


def read_series_soft(path: Path) -> GeoSeries:
    """The series of a SOFT file (family, brief answer, GDS, or samples alone); tables are skipped, but counted.

    Raises:
        InputError: It is no SOFT file, is cut off, or describes no series and no sample.
    """
    with open_lines(path) as lines:
        return series_of(lines)


def series_of(lines: Lines) -> GeoSeries:
    """The same from lines that are open already."""
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
            samples.append(sample_of(entity.name, entity.attributes, _value_column(entity)))
    if lines.latin1_line:
        notes.append(f"line {lines.latin1_line} is not UTF-8 and was read as Latin-1")
    if series is None and not samples:
        raise InputError(f"{lines.name}: it describes no series and no sample.")
    if series is not None and series.kind == "DATASET":
        return _curated(series, subsets, notes)
    attributes = series.attributes if series is not None else {}
    name = series.name if series is not None else _own_series(samples, lines.name)
    return _series(name, attributes, samples, platforms, organisms, _summed(notes))


def read_series_head(matrix: SeriesMatrix) -> GeoSeries:
    """The series of a series matrix file."""
    columns = [dict[str, list[str]]() for _ in range(_sample_count(matrix))]
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
    """The series of a series matrix file, with a note when its table holds no row.

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


def _sample_count(matrix: SeriesMatrix) -> int:
    return max((len(row) for rows in matrix.samples.values() for row in rows), default=0)


def _own_series(samples: Sequence[GeoSample], name: str) -> str:
    return samples[0].accession if len(samples) == 1 else name.split(".")[0]


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
        supplementary=tuple(
            v for k, vs in attributes.items() if k.startswith("supplementary_file") for v in vs if v.upper() != "NONE"
        ),
        status=_text(attributes, "status"),
        updated=_text(attributes, "last_update_date"),
        samples=tuple(samples),
        notes=tuple(notes),
    )


def _curated(entity: SoftEntity, subsets: Sequence[SoftEntity], notes: Sequence[str]) -> GeoSeries:
    """A GDS: its subsets are its samples' characteristics."""
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
    """`Value for GSM11815: title; src: source` -> the title."""
    return re.sub(r"^Value for GSM\d+:\s*", "", described).split("; src:")[0].strip()


def sample_of(name: str, attributes: Attributes, value_means: str) -> GeoSample:
    """A sample from its attributes."""
    rows = _text(attributes, "data_row_count")
    channels = _text(attributes, "channel_count")
    description = " ".join(attributes.get("description", ()))
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
        description=description,
        processing=" ".join(attributes.get("data_processing", ())),
        value_means=value_means,
        rows=int(rows) if rows.isdecimal() and len(rows) < 12 else None,
        supplementary=tuple(
            v for k, vs in attributes.items() if k.startswith("supplementary_file") for v in vs if v.upper() != "NONE"
        ),
    )


def _characteristics(attributes: Attributes) -> tuple[tuple[str, str], ...]:
    """`key: value` of the first channel; of records that have none, `key = value` pairs of the description."""
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


def _value_column(entity: SoftEntity) -> str:
    return entity.columns.get("VALUE", "")


def _counted(entity: SoftEntity) -> str:
    """What does not fit between an entity's table and what is said of it; brief answers have no tables."""
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
    return tuple(dict.fromkeys(_flat(attributes.get(key, ()))))


def _flat(values: Iterable[str]) -> Iterable[str]:
    return (v.strip() for v in values if v.strip())
