"""Data sets: their files, their check against the objective, and GEO's records of series and samples."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.missing import CODES, NO_GROUP, WORDS, key
from bioresearcher.schemas.question import Question

FileKind = Literal["expression", "samples", "gene_sets", "table"]
ColumnRole = Literal["id", "unit", "pair", "group", "time", "event", "covariate", "batch", "annotation", "other"]
"""Roles of columns. `unit` names the unit of analysis (a patient, whose samples may be several and of several levels),
`pair` a matched pair or set that is no such unit, `annotation` is not to be analysed."""


class Column(Value):
    """A column of a sample sheet or table."""

    name: str
    dtype: Literal["integer", "number", "text", "boolean"]
    role: ColumnRole = "other"
    label: str = Field(default="", description="what it means, in words; empty when not stated")
    aliases: tuple[str, ...] = Field(default=(), description="other names of the same variable")
    levels: tuple[str, ...] = Field(default=(), description="distinct values when there are at most 12")
    case: str | None = Field(default=None, description="the level of interest of a group column")
    control: str | None = Field(default=None, description="the reference level of a group column")
    missing: int = 0
    missing_values: tuple[str, ...] = Field(default=(), description="strings that mean 'not known' in this column")
    unit: str | None = Field(default=None, description="None when the source does not state it")
    codes: tuple[tuple[str, str], ...] = Field(
        default=(), description="(cell as written, level it means) of cells that mean the same or stand for a level"
    )
    endpoint: str = Field(default="", description="of a time or an event: e.g. `OS`, `RFS`; a pair shares it")
    event_level: str | None = Field(default=None, description="of an event: the level (of `codes`) that is the event")
    time_of: Literal["", "event", "censored"] = Field(
        default="", description="of a time that holds only for those with or without the event; the endpoint has both"
    )

    @property
    def groups(self) -> tuple[str, ...]:
        """Levels that can be compared: each once, without those that mean "not known"."""
        levels = dict.fromkeys(self.level_of(level) for level in self.levels)
        return tuple(level for level in levels if key(level) not in NO_GROUP)

    def level_of(self, cell: str) -> str:
        """Return the level that a known cell means, by `codes`."""
        text = cell.strip()
        return dict(self.codes).get(text, text)

    def is_event(self, cell: str) -> bool | None:
        """Return True if a cell of an event is the event, and None if that is not known."""
        text = cell.strip()
        unknown = CODES | NO_GROUP | {key(v) for v in self.missing_values}
        if self.event_level is None or key(text) in unknown:
            return None
        return self.event_level in (text, self.level_of(text))

    @property
    def stated_codes(self) -> tuple[str, ...]:
        """Those of `missing_values` that only the description states, unlike those that `schemas.missing` finds."""
        found = CODES | WORDS if self.dtype in ("integer", "number") else CODES
        return tuple(code for code in self.missing_values if key(code) not in found)


class Reading(Value):
    """A statement about a data set that was read from its files, with its reason and its certainty."""

    file: str = Field(description="path of the file; empty for the data set as a whole")
    column: str = Field(default="", description="empty for the file as a whole")
    says: str = Field(description="e.g. `role event`, `codes 1 = censored, 2 = dead`")
    reason: str
    sure: bool = True
    decides: bool = Field(default=False, description="a result depends on it; unsure, it is asked for or refused")
    line: str = Field(default="", description="the line of `dataset.toml` that settles it")
    proposed: bool = Field(default=False, description="read as `line` says because a model proposed it")

    @property
    def open(self) -> bool:
        """True when a result depends on it, and neither rules nor a person nor a checked proposal settle it."""
        return self.decides and not self.sure and not self.proposed


class DataFile(Value):
    """One file of a data set; `path` is relative to the data set's folder."""

    name: str = Field(description="short name used by tasks, e.g. `expression`")
    kind: FileKind
    path: str
    rows: int = 0
    row_is: str = Field(
        default="", description="e.g. `feature`, `sample`, `patient`, `cell`, `study`; empty: not known"
    )
    columns: tuple[Column, ...] = Field(default=(), description="empty for expression matrices and gene sets")
    sample_column: str | None = Field(default=None, description="samples table: the column with the sample ids")
    feature_column: str | None = Field(
        default=None,
        description="expression: the column with the gene symbols; of a table, it says that the others are samples",
    )
    samples: int | None = Field(default=None, description="features × samples: number of sample columns")
    scale: str | None = Field(default=None, description="expression: e.g. `log2`; None when not stated")
    entries: tuple[str, ...] = Field(default=(), description="gene_sets: the sets' names, at most 1,000")
    bytes: int
    sha256: str


class Endpoint(Value):
    """A time and an event of a sample sheet that belong together.

    `time` holds for those with the event only where there is a `censored_time` for the others.
    """

    name: str = Field(description="e.g. `OS`; empty when it is not stated")
    time: Column
    event: Column
    censored_time: Column | None = None

    @property
    def settled(self) -> bool:
        """True when it is known which level is the event."""
        return self.event.event_level is not None


Contents = Literal["series matrix", "values", "results", "raw", "archive", "description", "other"]
"""Likely contents of a remote file: values (counts, TPM, …), results of tests, raw data, an archive, a description."""


class RemoteFile(Value):
    """A file of a data set at its source."""

    name: str
    url: str
    bytes: int | None = Field(default=None, description="as announced; rounded where the source rounds it")
    contents: Contents = "other"
    inside: tuple[str, ...] = Field(default=(), description="contents of an archive as the source states them")


class Remote(Value):
    """Description of a data set at its source, before its files are fetched."""

    url: str = Field(description="its page")
    summary: str = ""
    design: str = ""
    found_by: tuple[str, ...] = Field(
        default=(), description="queries, papers that name it, or the researcher's request"
    )
    published: str = ""
    relations: tuple[str, ...] = Field(default=(), description="e.g. `SubSeries of: GSE99797`")
    files: tuple[RemoteFile, ...] = ()
    columns: tuple[Column, ...] = Field(default=(), description="of the sample sheet, with the roles they seem to have")
    groups: tuple[str, ...] = Field(default=(), description="group columns with their levels and sizes, in words")
    largest_groups: int = Field(default=0, description="samples in the second largest level of the best group column")
    labels: tuple[str, ...] = Field(default=(), description="whether title, source and characteristics agree, in words")
    contradicted: int = Field(default=0, description="samples whose labels contradict each other")
    matrix_empty: bool | None = Field(default=None, description="whether the source's own table holds no row")
    single_cell: bool = Field(default=False, description="whether it seems to hold single cells")
    inspected: bool = Field(default=False, description="whether sample descriptions and file lists were read")


class Dataset(Value):
    """A data set: description, files, and remarks of the reader."""

    id: str = Field(description="the accession when there is one, else a slug of the folder's name")
    accession: str | None = None
    title: str
    organism: str | None = None
    assay: str | None = None
    platform: str | None = None
    role: Literal["discovery", "validation", "reference", "unspecified"] = "unspecified"
    source: str = Field(description="where the numbers come from, in words")
    licence: str | None = None
    citation: str | None = None
    endpoint: str | None = Field(default=None, description="meaning of the event; None when not stated")
    root: str = Field(description="folder holding the files, as given by the user; empty until they are fetched")
    given: str = Field(default="", description="path the user gave, where `root` is a copy in plain form")
    files: tuple[DataFile, ...] = Field(description="empty until they are fetched")
    remote: Remote | None = Field(default=None, description="None for the researcher's own data")
    n_samples: int = Field(default=0, description="samples present in the matrix and in the sample sheet")
    n_features: int = 0
    notes: tuple[str, ...] = Field(default=(), description="caveats the source or the reader states")
    problems: tuple[str, ...] = Field(default=(), description="problems of the files; tasks may still use them")
    readings: tuple[Reading, ...] = Field(default=(), description="how files and columns were read, and why")
    described_by: Literal["dataset.toml", "inferred", "source"] = "inferred"
    prepared_from: str | None = Field(default=None, description="id of the data set it was prepared from by proposals")
    proposals: tuple[str, ...] = Field(default=(), description="ids of the proposals that were carried out on it")
    analysis_of: str | None = Field(default=None, description="id of the data set whose rows for a question it holds")
    questions: tuple[Question, ...] = Field(default=(), description="questions that are answered on it")

    def file(self, kind: FileKind) -> DataFile | None:
        """Return the first file of a kind, or None."""
        return next((f for f in self.files if f.kind == kind), None)

    def rows_are(self, what: str) -> DataFile | None:
        """Return the first file whose rows are of a kind, such as `study`, or None."""
        return next((f for f in self.files if f.row_is == what), None)

    def column(self, role: ColumnRole) -> Column | None:
        """Return the sample sheet's first column with a role, or None; a time and an event of one endpoint.

        Of events whose level is not known, and of times that hold for a part of the samples, there is none.
        """
        sheet = self.file("samples")
        if sheet is None:
            return None
        if role in ("time", "event") and self.readings:
            first = next((e for e in self.endpoints if e.settled and e.censored_time is None), None)
            return None if first is None else first.time if role == "time" else first.event
        return next((c for c in sheet.columns if c.role == role), None)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Times and events of the sample sheet that belong together, in the order of the times."""
        sheet = self.file("samples")
        columns = sheet.columns if sheet else ()
        times = [c for c in columns if c.role == "time" and c.time_of != "censored"]
        events = [c for c in columns if c.role == "event"]
        only = len(times) == len(events) == 1
        found = []
        for time in times:
            own = [e for e in events if e.endpoint == time.endpoint] or (events if only else [])
            last = [c for c in columns if c.time_of == "censored" and c.endpoint == time.endpoint and c.role == "time"]
            if own:
                name = time.endpoint or own[0].endpoint
                found.append(Endpoint(name=name, time=time, event=own[0], censored_time=last[0] if last else None))
        return tuple(found)


class DatasetCheck(Value):
    """Check of a data set against the objective, made before any code is written."""

    dataset_id: str
    verdict: Literal["usable", "usable with work", "unusable"]
    reasons: tuple[str, ...]
    relevant: bool
    origin: Origin


EntryType = Literal["GSE", "GDS", "GPL", "GSM"]


class GeoSummary(Value):
    """One record of an esummary answer for `db=gds`."""

    uid: str
    accession: str
    entry_type: EntryType
    title: str
    summary: str = ""
    organism: str = Field(default="", description="as GEO writes it; several are separated by semicolons")
    assays: tuple[str, ...] = Field(default=(), description="GEO's series types, e.g. `Expression profiling by array`")
    platforms: tuple[str, ...] = Field(default=(), description="GPL accessions")
    series: tuple[str, ...] = Field(default=(), description="GSE accessions; of a GDS or GSM those it belongs to")
    n_samples: int = 0
    samples: tuple[tuple[str, str], ...] = Field(default=(), description="(GSM accession, title); may be shortened")
    supplementary: tuple[str, ...] = Field(default=(), description="kinds of supplementary files, e.g. `CEL`")
    published: str = Field(default="", description="date as GEO writes it")
    pubmed_ids: tuple[str, ...] = ()
    relations: tuple[str, ...] = Field(default=(), description="e.g. `SRA SRP108660`")
    bioproject: str = ""
    folder: str = Field(default="", description="address of its files as GEO gives it")

    @property
    def is_super_series(self) -> bool:
        """True when it only bundles other series."""
        return "superseries is composed of" in self.summary.lower()


class GeoSample(Value):
    """A sample (GSM) without its table."""

    accession: str
    title: str = ""
    source: str = Field(default="", description="source name; of two channels the first")
    organism: str = ""
    platform: str = ""
    molecule: str = ""
    kind: str = Field(default="", description="GEO's sample type, e.g. `RNA` or `SRA`")
    channels: int = 1
    characteristics: tuple[tuple[str, str], ...] = Field(default=(), description="(key, value); the key may be empty")
    source2: str = Field(default="", description="source name of the second channel")
    characteristics2: tuple[tuple[str, str], ...] = Field(default=(), description="of the second channel")
    description: str = ""
    processing: str = Field(default="", description="how its values were computed")
    value_means: str = Field(default="", description="the table's own description of its VALUE column")
    rows: int | None = Field(default=None, description="rows of its table as stated; None when not stated")
    supplementary: tuple[str, ...] = Field(default=(), description="addresses of its files")
    fields: tuple[tuple[str, str], ...] = Field(
        default=(), description="(attribute, text) of its record beside the above: description, protocols, dates"
    )


class GeoSeries(Value):
    """A series (GSE), or a data set (GDS) seen as one, with its samples."""

    accession: str
    title: str = ""
    summary: str = ""
    design: str = ""
    assays: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    organisms: tuple[str, ...] = ()
    pubmed_ids: tuple[str, ...] = ()
    relations: tuple[str, ...] = Field(default=(), description="e.g. `SubSeries of: GSE99797`")
    supplementary: tuple[str, ...] = Field(default=(), description="addresses of the series' files")
    status: str = ""
    updated: str = ""
    samples: tuple[GeoSample, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="remarks of the reader")

    def related(self, relation: Literal["SuperSeries of", "SubSeries of", "Superseded by"]) -> tuple[str, ...]:
        """Return the accessions of a relation, e.g. its sub-series."""
        found = [r.split(":", 1) for r in self.relations if ":" in r]
        return tuple(v.strip() for k, v in found if k.strip().casefold() == relation.casefold())
