"""GEO as a source of data sets: found by query or by accession, inspected by small answers, fetched if chosen.

Searches and summaries use E-utilities (`db=gds`); sample descriptions come from GEO's accession page as brief SOFT;
file lists and files from the HTTPS folders. Nothing large is requested before `fetch`.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.limits.file_lock import single_flight
from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.schemas.dataset import Column, Dataset, GeoSeries, GeoSummary, Remote, RemoteFile
from bioresearcher.schemas.paper import Failure
from bioresearcher.sources.datasets.files import counts
from bioresearcher.sources.datasets.load import load_fetched
from bioresearcher.sources.datasets.table_stream import LineLimits, Lines, sha256_of
from bioresearcher.sources.datasets.write import make_once
from bioresearcher.sources.geo.matrix import GeneMap, MatrixRows, Rows, read_platform
from bioresearcher.sources.geo.prepare import SAMPLE, sheet_of, sheet_roles, write_geo_folder
from bioresearcher.sources.geo.sample_labels import agreement
from bioresearcher.sources.geo.soft import series_of
from bioresearcher.sources.geo.suitability import MAX_BYTES, too_large, values_in
from bioresearcher.sources.geo.summary import folder_of, platform_of, read_listing, read_summaries, read_uids, uid_of
from bioresearcher.sources.geo.supplement import SupplementRows, archive_rows, read_filelist
from bioresearcher.sources.protocols import Web

VERSION = "2"
"""Part of a store folder's name; a new one if the same files are prepared differently."""
_SUMMARIES = 100
"""Summaries per request."""
_RECORD_BYTES = 96 << 20
_ARCHIVED = re.compile(r"[SED]RP\d{6,9}|PRJ(NA|EB|DB)\d{2,9}")
_REFUSED_S = 7 * 86_400
_PARTS = 10
_PATIENCE_S = 3600.0
"""Longest wait for another process that makes the same data set, before this one makes it."""
_TRIES = 3
"""Most tables of values that are tried for a series."""
_SINGLE_CELL = re.compile(
    r"\bsingle[- ](cell|nucle)|\bsc(RNA|ATAC)|\bsn(RNA)|\b10x genomics|drop-?seq|smart-?seq", re.I
)


@dataclass(frozen=True)
class GeoAddresses:
    """Addresses of GEO, which settings can replace by a mirror or a test server.

    Attributes:
        eutils: Folder of the E-utilities.
        page: GEO's accession page.
        files: Folder of GEO's files.
        parameters: What every E-utilities request carries, e.g. `tool`, `email`, `api_key`.
    """

    eutils: str = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
    page: str = "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi"
    files: str = "https://ftp.ncbi.nlm.nih.gov/geo"
    parameters: Mapping[str, str] = field(default_factory=dict)


class GeoSource:
    """Source of data sets; `store` keeps fetched ones for all runs, `max_bytes` limits a single file."""

    name = "GEO"

    def __init__(
        self, web: Web, store: Path, addresses: GeoAddresses | None = None, *, max_bytes: int = MAX_BYTES
    ) -> None:
        self._web = web
        self._store = store
        self._at = addresses or GeoAddresses()
        self._max_bytes = max_bytes

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that are asked, each once."""
        at = self._at
        return tuple(dict.fromkeys(urlsplit(u).hostname or "" for u in (at.eutils, at.page, at.files)))

    async def search(self, query: str, limit: int) -> list[Dataset]:
        """Find the series that match a Boolean query, in GEO's order (newest first), at most `limit`.

        Raises:
            OutsideError: GEO cannot be reached or its answer cannot be used.
        """
        term = f"({query}) AND gse[ETYP]"
        answer = await self._eutils("esearch", {"term": term, "retmax": str(max(1, limit))}, "geo-search")
        uids = read_uids(answer, f"GEO search for {query[:60]!r}")[:limit]
        found, _ = await self._summaries(uids)
        return [self._dataset(s, (f"query: {query}",)) for s in found if s.entry_type == "GSE"]

    async def named(self, accessions: Mapping[str, Sequence[str]]) -> tuple[list[Dataset], list[Failure]]:
        """Find the series of accessions (GSE, or the series of GDS and GSM), and list a failure for each other.

        Args:
            accessions: Accession -> where it was found, in words; studies (SRP) and projects (PRJNA) of the sequence
                archives are looked up, too.

        Raises:
            OutsideError: GEO cannot be reached or its answer cannot be used.
        """
        uids = {uid: a for a in accessions if (uid := uid_of(a)) is not None}
        archived = [a for a in accessions if _ARCHIVED.fullmatch(a)]
        strange = [a for a in accessions if uid_of(a) is None and a not in archived]
        failures = [_failed(a, f"{a} is no accession of GEO.") for a in strange]
        found, errors = await self._summaries(list(uids))
        for uid, error in errors.items():
            failures.append(
                _failed(uids.get(uid, uid), f"GEO has no {uids.get(uid, uid)} ({' '.join(error.split())}).")
            )
        datasets: dict[str, Dataset] = {}
        parents: dict[str, list[str]] = {}
        for summary in found:
            where = accessions.get(summary.accession, ())
            if summary.entry_type == "GSE":
                datasets[summary.accession] = self._dataset(summary, tuple(where))
                for part in await self._parts(summary):
                    parents.setdefault(part, []).append(f"part of {summary.accession}: {'; '.join(where)}")
            elif summary.entry_type in ("GDS", "GSM"):
                for parent in summary.series[:2]:
                    parents.setdefault(parent, []).append(f"{summary.accession}: {'; '.join(where)}")
        wanted = [uid for p in parents if p not in datasets and (uid := uid_of(p)) is not None]
        more, _ = await self._summaries(wanted)
        for accession in archived:
            series = await self._of_archive(accession)
            if not series:
                failures.append(_failed(accession, f"GEO has no series of {accession}; its raw reads are not fetched."))
            for summary in series:
                parents.setdefault(summary.accession, []).append(f"{accession}: {'; '.join(accessions[accession])}")
            more += [s for s in series if s.accession not in datasets]
        for summary in more:
            datasets[summary.accession] = self._dataset(summary, tuple(parents[summary.accession]))
        return list(datasets.values()), failures

    async def _of_archive(self, accession: str) -> list[GeoSummary]:
        """Find the series whose records name a study or project of the sequence archives."""
        term = f"{accession}[All Fields] AND gse[ETYP]"
        answer = await self._eutils("esearch", {"term": term, "retmax": "5"}, "geo-search")
        found, _ = await self._summaries(read_uids(answer, f"GEO search for {accession}"))
        return [s for s in found if s.bioproject == accession or any(accession in r.split() for r in s.relations)]

    async def _parts(self, summary: GeoSummary) -> tuple[str, ...]:
        """List the sub-series of a SuperSeries, which a paper often names instead; at most ten."""
        if not summary.is_super_series:
            return ()
        series, _ = await self._record(summary.accession, "self")
        return series.related("SuperSeries of")[:_PARTS] if series is not None else ()

    async def inspect(self, dataset: Dataset) -> Dataset:
        """Describe the samples and files of a data set; its notes name what could not be fetched."""
        accession = dataset.accession or dataset.id
        series, record = await self._record(accession)
        matrices, first = await self._listing(accession, "matrix")
        supplement, second = await self._listing(accession, "suppl")
        supplement = [await self._contents(f, supplement) if f.contents == "archive" else f for f in supplement]
        return with_inspection(dataset, series, [*matrices, *supplement], [n for n in (record, first, second) if n])

    async def fetch(self, dataset_id: str) -> Dataset:
        """Fetch a data set by its accession.

        Raises:
            InputError: GEO has no such series, or nothing in it can be used.
            OutsideError: Its files cannot be had.
        """
        found, failures = await self.named({dataset_id: ("asked for",)})
        if not found:
            raise InputError(failures[0].message if failures else f"GEO has no series {dataset_id}.")
        return await self.fetch_dataset(await self.inspect(found[0]))

    async def fetch_dataset(self, dataset: Dataset) -> Dataset:
        """Fetch an inspected data set into the store: genes × samples and a sample sheet.

        Raises:
            InputError: Nothing in it can be used: no values, or too large.
            OutsideError: Its files cannot be had.
            WorkspaceError: The store cannot be written.
        """
        remote = dataset.remote or Remote(url="")
        accession = dataset.accession or dataset.id
        candidates = values_in(remote)
        if not candidates:
            raise InputError(f"{accession}: no file seems to hold values per sample.")
        small = [f for f in candidates if (f.bytes or 0) <= self._max_bytes]
        if not small:
            raise InputError(f"{accession}: {too_large(candidates[0], self._max_bytes)}.")
        series, problem = await self._record(accession)
        if series is None:
            raise InputError(f"{accession}: its samples are not known ({problem}).")
        problems: list[str] = []
        for file in small[:_TRIES]:
            try:
                return await self._fetch_table(dataset, series, file, problems)
            except InputError as error:
                problems.append(error.message)
        raise InputError(f"{accession}: no table could be used: {'; '.join(problems)}")

    async def _fetch_table(
        self, dataset: Dataset, series: GeoSeries, file: RemoteFile, problems: Sequence[str]
    ) -> Dataset:
        accession = dataset.accession or dataset.id
        key = hashlib.sha256(f"{VERSION}\0{series.updated}\0{file.url}\0{file.bytes}".encode()).hexdigest()[:12]
        place = self._store / safe_name(accession) / key / safe_name(accession)
        refused = place.with_name("refused.txt")
        if refused.is_file() and time.time() - refused.stat().st_mtime < _REFUSED_S:  # a repeat fetches nothing
            raise InputError(refused.read_text(encoding="utf-8"))
        if not place.is_dir():
            # other processes wait for the one that makes it
            async with single_flight(place.with_name("making.lock"), patience_s=_PATIENCE_S):
                if not place.is_dir():
                    await self._make(place, refused, series, file, accession, problems)
        return await asyncio.to_thread(load_fetched, place, dataset)

    async def _make(
        self, place: Path, refused: Path, series: GeoSeries, file: RemoteFile, accession: str, problems: Sequence[str]
    ) -> None:
        """Download the files and write the data set's folder."""
        table = await self._download(file, accession)
        platform, note = await self._platform(file, series)
        fetched = SeriesFiles(
            series=series, table=table, file=file, platform=platform, notes=tuple(n for n in (*problems, note) if n)
        )
        try:
            await asyncio.to_thread(write_fetched, place, fetched)
        except InputError as error:
            write_text(refused, error.message)
            raise
        finally:
            table.unlink(missing_ok=True)  # its values are in the folder now, or useless

    async def _download(self, file: RemoteFile, accession: str) -> Path:
        target = self._store / "downloads" / safe_name(accession) / safe_name(file.name)
        await self._web.download(file.url, target, max_bytes=self._max_bytes)
        return target

    async def _platform(self, file: RemoteFile, series: GeoSeries) -> tuple[Path | None, str]:
        """Download the table of a series matrix's platform: GEO's annotation, else the submitter's own table."""
        name = platform_of(file.name, series.platforms[0] if series.platforms else "")
        if file.contents != "series matrix" or not name or all("SRA" in s.kind for s in series.samples):
            return None, ""
        folder = self._store / "downloads" / safe_name(name)
        try:
            target = folder / f"{name}.annot.gz"
            url = f"{folder_of(self._at.files, name)}annot/{target.name}"
            await self._web.download(url, target, max_bytes=self._max_bytes)
            return target, ""
        except OutsideError:
            pass  # most platforms have none
        try:
            target = folder / f"{name}.soft"
            url = f"{self._at.page}?acc={name}&targ=self&form=text&view=full"
            await self._web.download(url, target, max_bytes=self._max_bytes)
            return target, ""
        except OutsideError as error:
            return None, f"The table of {name} could not be had: {error.message}"

    async def _record(self, accession: str, what: str = "all") -> tuple[GeoSeries | None, str]:
        """Get the series' brief SOFT record, or the reason for none."""
        query = {"acc": accession, "targ": what, "form": "text", "view": "brief"}
        try:
            answer = await self._web.get(self._at.page, query, kind="geo-record", max_bytes=_RECORD_BYTES)
            lines = Lines(io.BytesIO(answer.body), f"{accession} (brief record)", LineLimits())
            return await asyncio.to_thread(series_of, lines), ""
        except (OutsideError, InputError) as error:
            return None, f"The sample descriptions of {accession} could not be had: {error.message}"

    async def _listing(self, accession: str, part: str) -> tuple[list[RemoteFile], str]:
        folder = f"{folder_of(self._at.files, accession)}{part}/"
        try:
            answer = await self._web.get(folder, None, kind="geo-listing", max_bytes=8 << 20)
            return read_listing(answer.body, folder), ""
        except OutsideError as error:
            if getattr(error, "status", None) == 404:
                return [], ""
            return [], f"The list of files in {accession}/{part} could not be had: {error.message}"

    async def _contents(self, archive: RemoteFile, beside: Sequence[RemoteFile]) -> RemoteFile:
        """Describe the contents of an archive by GEO's list of them, if there is one."""
        listed = next((f for f in beside if f.name == "filelist.txt"), None)
        if listed is None:
            return archive
        try:
            answer = await self._web.get(listed.url, None, kind="geo-listing", max_bytes=16 << 20)
        except OutsideError:
            return archive
        return read_filelist(answer.body, archive)

    async def _summaries(self, uids: Sequence[str]) -> tuple[list[GeoSummary], dict[str, str]]:
        found: list[GeoSummary] = []
        errors: dict[str, str] = {}
        for start in range(0, len(uids), _SUMMARIES):
            part = ",".join(uids[start : start + _SUMMARIES])
            body = await self._eutils("esummary", {"id": part}, "geo-summary")
            records, wrong = read_summaries(body, "GEO summaries")
            found += records
            errors |= wrong
        return found, errors

    async def _eutils(self, tool: str, query: Mapping[str, str], kind: str) -> bytes:
        full = {"db": "gds", "retmode": "json", **query, **self._at.parameters}
        answer = await self._web.get(f"{self._at.eutils.rstrip('/')}/{tool}.fcgi", full, kind=kind, max_bytes=32 << 20)
        return answer.body

    def _dataset(self, summary: GeoSummary, found_by: Sequence[str]) -> Dataset:
        return dataset_of(summary, f"{self._at.page}?acc={summary.accession}", found_by)


def _failed(item: str, message: str) -> Failure:
    return Failure(item=item[:40], stage="search_datasets", message=message, hint="Check the accession.")


def dataset_of(summary: GeoSummary, page_url: str, found_by: Sequence[str]) -> Dataset:
    """Build a data set from its summary; none of its files is here yet."""
    return Dataset(
        id=summary.accession,
        accession=summary.accession,
        title=summary.title,
        organism=summary.organism or None,
        assay="; ".join(summary.assays) or None,
        platform="; ".join(summary.platforms) or None,
        source=GeoSource.name,
        citation=", ".join(f"PMID {p}" for p in summary.pubmed_ids) or None,
        root="",
        files=(),
        n_samples=summary.n_samples,
        remote=Remote(
            url=page_url,
            summary=summary.summary,
            found_by=tuple(found_by),
            published=summary.published,
            relations=summary.relations,
            single_cell=_SINGLE_CELL.search(f"{summary.title} {summary.summary}") is not None,
        ),
        described_by="source",
    )


def with_inspection(
    dataset: Dataset, series: GeoSeries | None, files: Sequence[RemoteFile], notes: Sequence[str]
) -> Dataset:
    """Add the descriptions of samples and files to a data set; `series` is None if they are not known."""
    remote = dataset.remote or Remote(url="")
    update: dict[str, object] = {"files": tuple(files), "inspected": series is not None}
    known: dict[str, object] = {"notes": tuple(dict.fromkeys((*dataset.notes, *notes)))}
    if series is not None:
        update |= _of_samples(series)
        update["relations"] = tuple(dict.fromkeys((*remote.relations, *series.relations)))
        update["design"] = series.design
        update["summary"] = remote.summary or series.summary
        text = f"{series.title} {series.summary} {series.design}"
        update["single_cell"] = remote.single_cell or _SINGLE_CELL.search(text) is not None
        known |= {
            "n_samples": len(series.samples) or dataset.n_samples,
            "organism": "; ".join(series.organisms) or dataset.organism,
            "platform": "; ".join(series.platforms) or dataset.platform,
            "assay": "; ".join(series.assays) or dataset.assay,
        }
    return dataset.model_copy(update={**known, "remote": remote.model_copy(update=update)})


def _of_samples(series: GeoSeries) -> dict[str, object]:
    header, rows, _ = sheet_of(series.samples)
    columns: list[Column] = []
    groups: list[str] = []
    largest = 0
    for scan, guess in sheet_roles(header, rows):
        if scan.name in (SAMPLE, "title"):
            continue
        columns.append(
            Column(
                name=scan.name,
                dtype=scan.dtype,
                role=guess.role,
                levels=tuple(sorted(scan.levels or {})),
                case=guess.case,
                control=guess.control,
                missing=scan.missing,
            )
        )
        if guess.role == "group":
            groups.append(f"group {scan.name!r}: {counts(scan)}")
            largest = max(largest, sorted(scan.groups.values(), reverse=True)[1])
    agreements = agreement(series.samples)
    stated = [s.rows for s in series.samples if s.rows is not None]
    return {
        "columns": tuple(columns),
        "groups": tuple(groups),
        "largest_groups": largest,
        "labels": tuple(a.sentence for a in agreements),
        "contradicted": max((a.count for a in agreements), default=0),
        "matrix_empty": not any(stated) if stated else None,
    }


@dataclass(frozen=True)
class SeriesFiles:
    """Downloaded files of a series.

    Attributes:
        table: The series matrix or supplementary table that `file` names.
        platform: The platform's table (SOFT), if there is one.
        notes: Notes for the description.
    """

    series: GeoSeries
    table: Path
    file: RemoteFile
    platform: Path | None
    notes: tuple[str, ...]


def write_fetched(place: Path, fetched: SeriesFiles) -> None:
    """Write the data set's folder from downloaded files.

    Raises:
        InputError: The table is damaged or holds no values.
        WorkspaceError: The store cannot be written.
    """
    name = platform_of(fetched.file.name, "")
    series = fetched.series
    if name:
        series = series.model_copy(update={"platforms": (name,)})
    source = f"GEO, {fetched.file.url} (sha256 {sha256_of(fetched.table)[:12]}…)"
    genes = _genes(fetched, name)
    with _rows(fetched) as (rows, notes):
        make_once(place, lambda folder: write_geo_folder(folder, series, rows, genes, source=source, notes=notes))


@contextmanager
def _rows(fetched: SeriesFiles) -> Iterator[tuple[Rows, list[str]]]:
    notes = list(fetched.notes)
    file, samples = fetched.file, fetched.series.samples
    if file.contents == "series matrix":
        rows = MatrixRows(fetched.table)
        if next(iter(rows), None) is None:
            raise InputError(f"{file.name}: its expression table is empty")
        yield rows, notes
    elif file.name.endswith(".tar"):
        with archive_rows(fetched.table, samples) as single:
            notes.append(f"The values are those of {len(single.samples)} tables of single samples in {file.name}.")
            yield single, notes
    else:
        table = SupplementRows(fetched.table, samples)
        if not table.linked and samples:
            raise InputError(f"{file.name}: none of its {len(table.samples)} columns could be linked to a sample")
        yield table, [*notes, *_link_notes(file.name, table)]


def _link_notes(name: str, table: SupplementRows) -> list[str]:
    notes = [
        f"The values are those of the supplementary file {name}; {table.linked} of {len(table.samples)} of its columns "
        "could be linked to samples by accession, title or description."
    ]
    lost = [w for w, s in zip(table.written, table.samples, strict=True) if w == s and not w.startswith("GSM")][:5]
    return notes + ([f"Not linked: {', '.join(lost)}."] if table.linked < len(table.samples) and lost else [])


def _genes(fetched: SeriesFiles, platform: str) -> GeneMap | None:
    if fetched.platform is None:
        return None
    try:
        return read_platform(fetched.platform, platform)
    except InputError:
        return None
