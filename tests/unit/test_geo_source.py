"""GEO as a source, over HTTP: found, named, inspected, fetched; and what happens when it answers badly."""

from __future__ import annotations

import errno
import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from geo_server import Fault, GeoServer, GeoWorld, real_world, record

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import QueryPlan, SearchQuery
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.sources.geo.client import GeoAddresses, GeoSource
from bioresearcher.sources.http import Http
from bioresearcher.stages import datasets

KIDNEY = Objective(id="k", text="Find genes that differ between renal cell carcinoma and normal kidney in patients")
MOUSE = Objective(id="m", text="Effect of CNTF on gene expression of mouse oligodendrocyte progenitor cells")


@pytest.fixture(scope="module")
def world(shared_data: Path) -> GeoWorld:
    return real_world(shared_data)


@pytest.fixture
def server(world: GeoWorld) -> Iterator[GeoServer]:
    with GeoServer(world) as running:
        yield running


def http() -> Http:
    async def at_once(_: float) -> None:
        return

    return Http(per_second={"": 1000}, sleep=at_once)


def source(server: GeoServer, store: Path, max_bytes: int = 50 << 20) -> GeoSource:
    at = GeoAddresses(eutils=f"{server.root}/eutils", page=f"{server.root}/acc.cgi", files=f"{server.root}/geo")
    return GeoSource(http(), store, at, max_bytes=max_bytes)


async def inspected(geo: GeoSource, accession: str) -> Dataset:
    [found], failures = await geo.named({accession: ["asked for"]})
    assert not failures
    return await geo.inspect(found)


async def test_series_are_found_by_query(server: GeoServer, tmp_path: Path) -> None:
    found = await source(server, tmp_path).search('"liposarcoma" AND "immune"', 5)
    assert "GSE202361" in {d.accession for d in found}
    assert all(d.remote and d.remote.found_by == ('query: "liposarcoma" AND "immune"',) and not d.files for d in found)
    assert "gse%5BETYP%5D" in server.requests[0]
    assert len(server.requests) == 2


async def test_accessions_are_resolved_and_missing_ones_said(server: GeoServer, tmp_path: Path) -> None:
    named = {"GDS507": ["named in PMID1"], "GSM11805": ["named in PMID2"], "GSE999999": ["x"], "PMID12": ["y"]}
    found, failures = await source(server, tmp_path).named(named)
    [dataset] = found
    assert dataset.remote is not None
    assert dataset.accession == "GSE781"
    assert dataset.remote.found_by == ("GDS507: named in PMID1", "GSM11805: named in PMID2")
    assert {f.item: f.message for f in failures} == {
        "GSE999999": "GEO has no GSE999999 (cannot get document summary).",
        "PMID12": "PMID12 is no accession of GEO.",
    }


async def test_a_project_of_the_sequence_archives_leads_to_its_series(server: GeoServer, tmp_path: Path) -> None:
    found, [failure] = await source(server, tmp_path).named({"PRJNA389387": ["named in PMID3"], "SRP999999": ["x"]})
    assert {d.id: d.remote.found_by for d in found if d.remote} == {"GSE99709": ("PRJNA389387: named in PMID3",)}
    assert failure.message == "GEO has no series of SRP999999; its raw reads are not fetched."


async def test_a_series_is_judged_before_anything_large_is_asked_for(server: GeoServer, tmp_path: Path) -> None:
    dataset = await inspected(source(server, tmp_path), "GSE781")
    remote = dataset.remote
    assert remote is not None
    assert (dataset.n_samples, dataset.organism, remote.inspected, remote.matrix_empty) == (
        17,
        "Homo sapiens",
        True,
        False,
    )
    assert {f.name: f.contents for f in remote.files} == {
        "GSE781_series_matrix.txt.gz": "series matrix",
        "GSE781_RAW.tar": "archive",
    }
    check = check_dataset(dataset, KIDNEY)
    assert (check.verdict, check.relevant) == ("usable with work", True)
    assert (
        "labels contradict each other in 3 of 17 samples (GSM12283: title says tumour, source says normal"
        in (check.reasons[0])
    )
    assert any(r.startswith("group 'source_name'") for r in check.reasons)
    assert not any("series_matrix" in r for r in server.requests)


async def test_the_series_matrix_becomes_genes_by_samples(server: GeoServer, tmp_path: Path) -> None:
    geo = source(server, tmp_path)
    dataset = await geo.fetch_dataset(await inspected(geo, "GSE781"))
    assert (dataset.id, dataset.n_samples, dataset.n_features, dataset.problems) == ("GSE781", 17, 12632, ())
    assert any("by column 'Gene Symbol' of GPL96: 22,283 probes, 12,632 genes" in n for n in dataset.notes)
    table = pd.read_csv(Path(dataset.root, "expression.tsv.gz"), sep="\t", index_col=0)
    assert table.shape == (12632, 17)
    check = check_dataset(dataset, KIDNEY)
    assert check.verdict == "usable with work"
    assert any(r.startswith("Labels contradict each other in 3 of 17 samples") for r in check.reasons)
    before = len(server.requests)
    again = await geo.fetch_dataset(await inspected(geo, "GSE781"))
    assert again == dataset
    assert not any("series_matrix.txt" in r or "annot.gz" in r for r in server.requests[before:]), "kept in the store"
    assert not list(tmp_path.rglob("*.part"))


async def test_an_empty_series_matrix_is_noticed_and_the_counts_used(server: GeoServer, tmp_path: Path) -> None:
    geo = source(server, tmp_path)
    dataset = await inspected(geo, "GSE99709")
    check = check_dataset(dataset, MOUSE)
    assert "GEO's own table is empty: a supplementary table is used" in check.reasons
    assert "is a SubSeries of: GSE99797" in check.reasons
    assert "group 'treated_with': CNTF (6), Vehicle (6)" in check.reasons
    fetched = await geo.fetch_dataset(dataset)
    assert (fetched.n_samples, fetched.n_features) == (12, 59)
    assert any("12 of 12 of its columns could be linked to samples" in n for n in fetched.notes)
    expression = fetched.file("expression")
    assert expression is not None
    assert expression.scale == "counts"
    group = fetched.column("group")
    assert group is not None
    assert not any("significant-genes" in r for r in server.requests)


async def test_large_files_are_refused_by_their_announced_size(world: GeoWorld, tmp_path: Path) -> None:
    name = "series/GSE90nnn/GSE90001/suppl/GSE90001_counts.txt.gz"
    large = GeoWorld(
        {"GSE90001": record("GSE90001", "Renal carcinoma", "tumour and normal kidney", n_samples=20)},
        {"GSE90001": world.pages["GSE99709"].replace(b"GSE99709", b"GSE90001")},
        {name: b"x"},
        {name: 2 << 30},
    )
    with GeoServer(large) as server:
        geo = source(server, tmp_path)
        dataset = await inspected(geo, "GSE90001")
        said = "GSE90001_counts.txt.gz has 2.0 GB; at most 50.0 MB are fetched (max_data_mb)"
        assert said in check_dataset(dataset, KIDNEY, 50 << 20).reasons
        with pytest.raises(InputError, match=r"has 2\.0 GB; at most 50\.0 MB are fetched"):
            await geo.fetch_dataset(dataset)
        assert not any(r.endswith("counts.txt.gz") for r in server.requests)


FAULTS: dict[str, tuple[Fault, str]] = {
    "an error page": (lambda p: (200, "text/html", b"<html>Error</html>"), "Error"),
    "a server error": (lambda p: (500, "text/plain", b"oops"), "status 500"),
    "half an answer": (lambda p: (200, "application/json", b'{"esearchresult": {"idlist": ["2'), "not valid JSON"),
    "an error in JSON": (
        lambda p: (200, "application/json", b'{"esearchresult": {"ERROR": "bad query"}}'),
        "bad query",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bad_answer_is_one_line_and_the_other_source_goes_on(
    world: GeoWorld, tmp_path: Path, name: str
) -> None:
    fault, said = FAULTS[name]
    with GeoServer(world, fault) as bad, GeoServer(world) as good:
        with pytest.raises(OutsideError, match=said):
            await source(bad, tmp_path).search("kidney", 3)
        sources = [source(bad, tmp_path), source(good, tmp_path)]
        plan = QueryPlan(literature=(), datasets=(SearchQuery(query='"renal cell carcinoma"', purpose="x"),))
        found, [failure] = await datasets.search_datasets(sources, plan, {})
    assert "GSE781" not in failure.item
    assert said in failure.message
    assert "\n" not in failure.message
    assert found


async def test_trouble_that_passes_is_waited_for(world: GeoWorld, tmp_path: Path) -> None:
    left = [(429, "text/plain", b""), (503, "text/plain", b"")]
    with GeoServer(world, lambda _: left.pop() if left else None) as server:
        assert await source(server, tmp_path).search("liposarcoma", 3)
        assert len(server.requests) == 4


async def test_a_file_that_ends_too_early_is_no_file(world: GeoWorld, tmp_path: Path) -> None:
    name = "series/GSEnnn/GSE781/matrix/GSE781_series_matrix.txt.gz"
    short = GeoWorld(world.records, world.pages, world.files, {name: len(world.files[name]) + 9})
    with GeoServer(short) as server:
        geo = source(server, tmp_path)
        dataset = await inspected(geo, "GSE781")
        with pytest.raises(OutsideError, match=r"cannot be reached|broke|connection"):
            await geo.fetch_dataset(dataset)
    assert not list(tmp_path.rglob("*.gz"))
    assert not list(tmp_path.rglob("dataset.toml"))


async def test_a_full_disk_is_one_line(world: GeoWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with GeoServer(world) as server:
        geo = source(server, tmp_path)
        dataset = await inspected(geo, "GSE781")

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("pathlib.Path.open", full)
        [], [failure] = await datasets.fetch_datasets([geo], [dataset])
    assert failure.item == "GSE781"
    assert "No space left on device" in failure.message
    assert "\n" not in failure.message
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.part"))


async def test_lists_and_records_that_cannot_be_had_are_notes(world: GeoWorld, tmp_path: Path) -> None:
    def fault(path: str) -> tuple[int, str, bytes] | None:
        if path.endswith("/suppl/"):
            return 200, "text/html", b"<html>maintenance</html>"
        return (503, "text/plain", b"") if "acc.cgi" in path else None

    with GeoServer(world, fault) as server:
        dataset = await inspected(source(server, tmp_path), "GSE781")
        check = check_dataset(dataset, KIDNEY)
    assert dataset.remote is not None
    assert not dataset.remote.inspected
    assert len(dataset.notes) == 2
    assert check.verdict == "usable with work"
    assert "its sample descriptions were not read" in check.reasons


async def test_a_damaged_matrix_is_refused_and_nothing_is_kept(world: GeoWorld, tmp_path: Path) -> None:
    def fault(path: str) -> tuple[int, str, bytes] | None:
        name = path.split("/geo/")[-1]
        return (200, "x", world.files[name][:-5000]) if path.endswith("matrix.txt.gz") else None

    with GeoServer(world, fault) as server:
        geo = source(server, tmp_path)
        dataset = await inspected(geo, "GSE781")
        for _ in range(2):
            with pytest.raises(InputError, match="cut off"):
                await geo.fetch_dataset(dataset)
        assert sum("matrix.txt" in r for r in server.requests) == 1, "what is of no use is not fetched again"
    assert not list(tmp_path.rglob("dataset.toml"))


async def test_super_series_wrong_organisms_and_assays_are_unusable(server: GeoServer, tmp_path: Path) -> None:
    geo = source(server, tmp_path)
    found, _ = await geo.named({a: ["x"] for a in ("GSE125652", "GSE55466", "GSE57749", "GSE202361")})
    human = Objective(id="h", text="Immune classes of liposarcoma by gene expression in patients")
    checks = {d.id: check_dataset(d, human) for d in found}
    assert {i: c.verdict for i, c in checks.items()} == {
        "GSE125652": "unusable", "GSE55466": "unusable", "GSE57749": "unusable", "GSE202361": "usable with work",
    }  # fmt: skip
    assert "organism Mus musculus, but the objective is about human" in checks["GSE125652"].reasons
    assert "a SuperSeries that only bundles others: use those" in checks["GSE55466"].reasons
    assert any("but expression is needed" in r for r in checks["GSE57749"].reasons)


async def test_the_parts_of_a_named_super_series_are_found_too(world: GeoWorld, tmp_path: Path) -> None:
    bundle = GeoWorld(dict(world.records), dict(world.pages), world.files)
    bundle.records["GSE99797"] = record(
        "GSE99797", "Stat3", "This SuperSeries is composed of the SubSeries listed below.", n_samples=20
    )
    bundle.pages["GSE99797"] = b"^SERIES = GSE99797\n!Series_relation = SuperSeries of: GSE99709\n"
    with GeoServer(bundle) as server:
        found, failures = await source(server, tmp_path).named({"GSE99797": ["named in PMID7"]})
    assert not failures
    assert {d.id: d.remote.found_by for d in found if d.remote} == {
        "GSE99797": ("named in PMID7",),
        "GSE99709": ("part of GSE99797: named in PMID7",),
    }


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("GSM2650749_link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["htseq", "featurecounts", "rsem"])
async def test_tables_of_single_samples_in_an_archive_are_put_together(
    world: GeoWorld, tmp_path: Path, form: str
) -> None:
    names = [f"GSM{n}" for n in range(2650749, 2650761)]
    members = {f"{n}_x.txt.gz": gzip.compress(single(form, i).encode()) for i, n in enumerate(names)}
    members |= {"../../GSM2650750_out.txt": b"G1\t1\n", "GSM1_other.txt": b"G1\t1\n"}
    rows = "".join(f"File\t{m}\tdate\t9\tTXT\n" for m in members)
    folder = "series/GSE99nnn/GSE99709/suppl"
    files = {
        f"{folder}/GSE99709_RAW.tar": tar_of(members),
        f"{folder}/filelist.txt": f"#Archive/File\tName\tTime\tSize\tType\n{rows}".encode(),
    }
    with GeoServer(GeoWorld(world.records, world.pages, files)) as server:
        geo = source(server, tmp_path)
        dataset = await inspected(geo, "GSE99709")
        assert any("GSE99709_RAW.tar (values, 14 TXT" in r for r in check_dataset(dataset, MOUSE).reasons)
        fetched = await geo.fetch_dataset(dataset)
    table = pd.read_csv(Path(fetched.root, "expression.tsv.gz"), sep="\t", index_col=0)
    assert list(table.columns) == names
    assert table.to_numpy().tolist() == [[g * 10 + i for i in range(12)] for g in range(1, 5)]
    assert any("12 tables of single samples in GSE99709_RAW.tar" in n for n in fetched.notes)


def single(form: str, sample: int) -> str:
    values = [(f"G{g}", g * 10 + sample) for g in range(1, 5)]
    if form == "htseq":
        return "".join(f"{n}\t{v}\n" for n, v in values) + "__no_feature\t9\n"
    if form == "rsem":
        return "gene_id\tlength\texpected_count\tTPM\n" + "".join(f"{n}\t900\t{v}\t0.5\n" for n, v in values)
    return "# Program\nGeneid\tChr\tLength\tx.bam\n" + "".join(f"{n}\tchr1\t900\t{v}\n" for n, v in values)


async def test_an_archive_of_raw_files_only_is_unusable(world: GeoWorld, tmp_path: Path) -> None:
    folder = "series/GSE99nnn/GSE99709/suppl"
    listed = b"#Archive/File\tName\tTime\tSize\tType\n" + b"File\tGSM1.CEL.gz\td\t9\tCEL\n" * 3
    files = {f"{folder}/GSE99709_RAW.tar": b"x", f"{folder}/filelist.txt": listed}
    with GeoServer(GeoWorld(world.records, world.pages, files)) as server:
        dataset = await inspected(source(server, tmp_path), "GSE99709")
    check = check_dataset(dataset, MOUSE)
    assert check.verdict == "unusable"
    assert "no file seems to hold values per sample" in check.reasons[0]
    assert any("GSE99709_RAW.tar (archive, 3 CEL" in r for r in check.reasons)
