"""What GEO says of its series, samples and data sets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value

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
        """Whether it only bundles other series."""
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
    description: str = ""
    processing: str = Field(default="", description="how its values were computed")
    value_means: str = Field(default="", description="what the table says its VALUE column is")
    rows: int | None = Field(default=None, description="rows of its table as stated; None when not stated")
    supplementary: tuple[str, ...] = Field(default=(), description="addresses of its files")


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
    notes: tuple[str, ...] = Field(default=(), description="what was noticed when it was read")

    def related(self, relation: Literal["SuperSeries of", "SubSeries of", "Superseded by"]) -> tuple[str, ...]:
        """Accessions it stands in a relation to, e.g. its sub-series."""
        found = [r.split(":", 1) for r in self.relations if ":" in r]
        return tuple(v.strip() for k, v in found if k.strip().casefold() == relation.casefold())
