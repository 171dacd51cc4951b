"""Data in other forms than plain tables: Excel, Parquet, h5ad, semicolons, GEO files; read, or refused in one line."""

from __future__ import annotations

import datetime as dt
import gzip
import zipfile
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import pandas as pd
import pytest

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.sources.datasets.formats import READERS, refuse_old_excel
from bioresearcher.sources.datasets.load import load_datasets

IDS = [f"S{i}" for i in range(8)]
GENES = [f"G{i}" for i in range(20)]
VALUES = [[round((g * 3 + s) % 7 / 2 + 0.25, 2) for s in range(8)] for g in range(20)]
GROUPS = ["tumour", "normal"] * 4


def load(path: Path, store: Path) -> Dataset:
    [dataset], failures = load_datasets([path], store)
    assert not failures
    return dataset


def refusal(path: Path, store: Path) -> str:
    datasets, [failure] = load_datasets([path], store)
    assert not datasets
    assert failure.item == path.name
    assert "\n" not in failure.message
    assert not list(store.glob("*/*")), "nothing half made is kept"
    return f"{failure.message} {failure.hint}"


def values(dataset: Dataset) -> list[list[float]]:
    matrix = dataset.file("expression")
    assert matrix is not None
    table = pd.read_csv(Path(dataset.root, matrix.path), sep="\t", index_col=0)
    assert list(table.index) == GENES
    assert list(table.columns) == IDS
    return table.to_numpy().tolist()


def workbook(path: Path, *, gene: object = "G0", odd: object = None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "log2 values"
    sheet.append(["gene", *IDS])
    for name, row in zip([gene, *GENES[1:]], VALUES, strict=True):
        sheet.append([name, *row])
    if odd is not None:
        sheet["C5"] = odd
    clinical = book.create_sheet("clinical")
    clinical.append(["sample", "diagnosis", "age"])
    for s, g in zip(IDS, GROUPS, strict=True):
        clinical.append([s, g, 50])
    book.create_sheet("empty")
    book.save(path)
    return path


def test_a_workbook_is_a_data_set_of_its_sheets(tmp_path: Path) -> None:
    dataset = load(workbook(tmp_path / "cohort.xlsx"), tmp_path / "store")
    assert values(dataset) == VALUES
    assert (dataset.id, dataset.n_samples, dataset.problems) == ("cohort", 8, ())
    column = dataset.column("group")
    assert column is not None
    assert (column.name, column.case, column.control) == ("diagnosis", "tumour", "normal")
    assert any("'clinical' of cohort.xlsx" in n for n in dataset.notes)


def test_gzipped_workbooks_are_unpacked(tmp_path: Path) -> None:
    plain = workbook(tmp_path / "cohort.xlsx")
    packed = tmp_path / "packed.xlsx.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert values(load(packed, tmp_path / "store")) == VALUES


def test_a_text_cell_of_a_workbook_is_named_and_gene_dates_are_noticed(tmp_path: Path) -> None:
    path = workbook(tmp_path / "cohort.xlsx", gene=dt.date(2024, 9, 2), odd="n. d.")
    dataset = load(path, tmp_path / "store")
    assert dataset.n_samples == 8
    [problem] = [p for p in dataset.problems if "text where numbers are expected" in p]
    assert "'n. d.' (row 'G3', line 5, column 'S1')" in problem
    assert any("1 cells of the first column of sheet 'log2 values' are dates" in n for n in dataset.notes)


def test_parquet_is_read_with_its_index(tmp_path: Path) -> None:
    root = tmp_path / "my cohort"
    root.mkdir()
    pd.DataFrame(VALUES, index=pd.Index(GENES, name="gene"), columns=IDS).to_parquet(
        root / "matrix.parquet", engine="fastparquet"
    )
    (root / "clinical.csv").write_text(
        "sample,diagnosis\n" + "".join(f"{s},{g}\n" for s, g in zip(IDS, GROUPS, strict=True)), encoding="utf-8"
    )
    dataset = load(root, tmp_path / "store")
    assert values(dataset) == VALUES
    assert (dataset.title, dataset.n_samples, dataset.problems) == ("my cohort", 8, ())


@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_h5ad_becomes_genes_by_observations(tmp_path: Path, form: str) -> None:
    path = tmp_path / "cells.h5ad"
    x = np.array(VALUES).T
    with h5py.File(path, "w") as file:
        if form == "dense":
            file["X"] = x
        else:
            write_sparse(file.create_group("X"), x if form == "csr" else x.T, f"{form}_matrix")
        obs, var = file.create_group("obs"), file.create_group("var")
        obs.attrs["_index"] = var.attrs["_index"] = "_index"
        obs.attrs["column-order"] = ["diagnosis", "age"]
        obs["_index"], var["_index"] = IDS, GENES
        obs["age"] = np.arange(8) + 40.5
        diagnosis = obs.create_group("diagnosis")
        diagnosis["categories"], diagnosis["codes"] = ["normal", "tumour"], np.array([1, 0] * 4, dtype="i1")
    dataset = load(path, tmp_path / "store")
    assert values(dataset) == VALUES
    assert dataset.n_samples == 8
    column = dataset.column("group")
    assert column is not None
    assert column.case == "tumour"


@pytest.mark.parametrize("way", ["external storage", "external link", "soft link"])
def test_h5ad_leads_to_no_other_file(tmp_path: Path, way: str) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(64.0).tobytes())
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        for name, names in (("obs", IDS), ("var", IDS)):
            file.create_group(name)["_index"] = names
        if way == "external storage":
            file.create_dataset("X", shape=(8, 8), dtype="f8", external=[(str(secret), 0, 512)])
        else:
            file["X"] = h5py.ExternalLink(str(secret), "/x") if way == "external link" else h5py.SoftLink("/obs")
    assert "leads out of the file" in refusal(path, tmp_path / "store")


def write_sparse(group: h5py.Group, x: np.ndarray, form: str) -> None:
    group.attrs["encoding-type"] = form
    rows = [np.flatnonzero(row) for row in x]
    group["indices"] = np.concatenate(rows).astype("i4")
    group["data"] = np.concatenate([row[at] for row, at in zip(x, rows, strict=True)])
    group["indptr"] = np.cumsum([0, *(len(r) for r in rows)]).astype("i4")


def test_semicolons_with_decimal_commas_are_read(tmp_path: Path) -> None:
    root = tmp_path / "weit"
    root.mkdir()
    rows = ["gene;" + ";".join(IDS)]
    rows += [f"{g};" + ";".join(str(v).replace(".", ",") for v in row) for g, row in zip(GENES, VALUES, strict=True)]
    (root / "matrix.csv").write_text("\n".join(rows) + "\n", encoding="latin-1")
    (root / "klinik.csv").write_text(
        "sample;diagnosis\n" + "".join(f"{s};{g}\n" for s, g in zip(IDS, GROUPS, strict=True)), encoding="utf-8"
    )
    dataset = load(root, tmp_path / "store")
    assert values(dataset) == VALUES
    assert dataset.problems == ()
    assert any("decimal commas" in n for n in dataset.notes)


def test_semicolons_with_one_decimal_comma_a_row_are_no_commas(tmp_path: Path) -> None:
    rows = [f"{s};{g};{n},5;{50 + n}" for n, (s, g) in enumerate(zip(IDS, GROUPS, strict=True))]
    (tmp_path / "klinik.csv").write_text("\n".join(["sample;diagnosis;crp;alter", *rows]) + "\n", encoding="utf-8")
    [dataset], failures = load_datasets([tmp_path / "klinik.csv"], tmp_path / "store")
    assert not failures
    sheet = dataset.file("samples")
    assert sheet is not None
    assert {c.name: c.dtype for c in sheet.columns if c.name in ("crp", "alter")} == {
        "crp": "number",
        "alter": "integer",
    }


def test_geo_files_are_read_from_a_folder_one_data_set_each(shared_data: Path, tmp_path: Path) -> None:
    names = ["GDS507.soft.gz", "GSE781-GPL96_trimmed_family.soft.gz", "GSE99709_series_matrix.txt.gz"]
    root = tmp_path / "geo"
    root.mkdir()
    for name in names:
        (root / name).symlink_to(shared_data / "geo/soft" / name)
    datasets, failures = load_datasets([root / n for n in names], tmp_path / "store")
    assert not failures
    curated, family, counts = datasets
    assert (curated.id, curated.n_samples, curated.n_features, curated.problems) == ("GDS507", 17, 17952, ())
    state = curated.column("group")
    assert state is not None
    assert (state.name, state.case, state.control) == ("disease_state", "RCC", "normal")
    assert (family.accession, family.n_samples, family.n_features) == ("GSE781", 17, 12632)
    notes = " ".join(family.notes)
    for said in (
        "by column 'Gene Symbol' of GPL96: 22,283 probes, 12,632 genes", "largest mean", "inferred from the values",
        "Labels contradict each other in 3 of 17 samples (GSM12283: title says tumour, source says normal",
    ):  # fmt: skip
        assert said in notes
    assert "68 probes that name no gene" in " ".join(curated.notes), "controls are no gene"
    files = {f.name: (f.kind, f.rows, f.samples) for f in family.files if f.name != "samples"}
    assert files["features"] == ("expression", 22283, 17)
    assert files["abs_call"] == ("table", 22283, 17)
    assert "column 'ABS_CALL' of the samples' tables: MAS 5.0 Absent, Marginal, Present call" in notes
    sheet = pd.read_csv(Path(family.root, "samples.tsv"), sep="\t", dtype=str)
    assert sheet["lot_batch"].value_counts().to_dict() == {"2004638": 11, "2004076": 6}
    assert (counts.n_samples, counts.file("expression")) == (12, None)
    assert "There is no expression table: GEO's is empty" in counts.notes[0]


def test_the_values_of_a_curated_set_are_geos_own(shared_data: Path, tmp_path: Path) -> None:
    dataset = load(shared_data / "geo/soft/GDS507.soft.gz", tmp_path / "store")
    table = pd.read_csv(Path(dataset.root, "expression.tsv.gz"), sep="\t", index_col=0, dtype=str)
    genes = pd.read_csv(Path(dataset.root, "feature_genes.tsv.gz"), sep="\t")
    probes = genes[genes["kept"] == "yes"].set_index("gene")["feature"].sort_index()
    features = pd.read_csv(Path(dataset.root, "features.tsv.gz"), sep="\t", index_col=0, dtype=str)
    kept = {p: g for g, p in probes.items()}
    best: dict[str, tuple[float, str]] = {}
    with gzip.open(shared_data / "geo/soft/GDS507.soft.gz", "rt") as lines:
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            if len(cells) != 19 or cells[0] == "ID_REF":
                continue
            mean = float(np.mean([float(c) for c in cells[2:]]))
            assert features.loc[cells[0]].tolist() == cells[2:]
            if cells[1] != cells[0] and not cells[1].startswith("--") and mean > best.get(cells[1], (-1.0, ""))[0]:
                best[cells[1]] = (mean, cells[0])
            if cells[0] in kept:
                assert table.loc[kept[cells[0]]].tolist() == cells[2:]
    assert {g: p for g, (_, p) in best.items()} == dict(probes.items())


def test_the_same_bytes_are_converted_once_and_changed_ones_anew(tmp_path: Path) -> None:
    store, path = tmp_path / "store", workbook(tmp_path / "cohort.xlsx")
    first = load(path, store)
    again = load(path, store)
    assert first == again
    assert len(list(store.glob("*/*"))) == 1
    workbook(path, gene="CHANGED")
    assert load(path, store).root != first.root


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><Types/>")


def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    bad = {
        "old.xls": (b"\xd0\xcf\x11\xe0", "old Excel format"),
        "noise.xlsx": (b"no zip", "is no Excel workbook of 2007 or later"),
        "noise.parquet": (b"no parquet at all", "cannot be read as a Parquet file"),
        "noise.h5ad": (b"no hdf5", "cannot be read as an h5ad file"),
        "packed.h5ad.gz": (gzip.compress(b"x"), "cannot be read as an h5ad file"),
        "cut.xlsx.gz": (gzip.compress(b"x" * 9000)[:-9], "the gzip file is damaged"),
        "page.soft": (b"<html>", "begins no entity"),
        "platform.soft": (b"^PLATFORM = GPL1\n", "no series and no sample"),
    }
    for name, (content, said) in bad.items():
        (tmp_path / name).write_bytes(content)
        assert said in refusal(tmp_path / name, store)
    bomb(tmp_path / "bomb.xlsx")
    assert "declares a document type" in refusal(tmp_path / "bomb.xlsx", store)
    with h5py.File(tmp_path / "large.h5ad", "w") as file:
        file.create_dataset("X", shape=(100_000, 40_000), chunks=(100, 100), dtype="f4")
        for name, n in (("obs", 100_000), ("var", 40_000)):
            file.create_group(name)["_index"] = np.array([b"x"] * n)
    assert "100,000 observations × 40,000 genes are too many" in refusal(tmp_path / "large.h5ad", store)


def counts_of_twelve(place: Path, **cells: float) -> Path:
    drawn = np.random.default_rng(4).negative_binomial(2, 0.02, (60, 12)).astype(float)
    for name, value in cells.items():
        drawn[5, int(name.removeprefix("S"))] = value
    place.mkdir()
    table = pd.DataFrame(drawn, index=[f"G{i}" for i in range(60)], columns=[f"S{i}" for i in range(12)])
    table.to_csv(place / "counts.csv", index_label="gene")
    return place


STATED = """id = "mine"
title = "mine"
source = "own"
files = [{ name = "counts", kind = "expression", path = "counts.csv", scale = "counts", feature_column = "gene" }]
"""


def test_counts_below_0_are_refused_by_row_and_column(tmp_path: Path) -> None:
    folder = counts_of_twelve(tmp_path / "own", S3=-7)
    _, [failure] = load_datasets([folder], tmp_path / "store")
    said = failure.message
    assert "counts.csv holds counts, which cannot be negative, but -7 (row 'G5', column 'S3'); correct these" in said
    (folder / "dataset.toml").write_text(STATED)
    _, [failure] = load_datasets([folder], tmp_path / "store")
    assert "which cannot be negative, but -7 (row 'G5', column 'S3')" in failure.message


@pytest.mark.parametrize(("value", "said"), [(12.37, "taken as estimated counts (Salmon, RSEM)"), (12, "")])
def test_stated_counts_with_decimals_are_told(tmp_path: Path, value: float, said: str) -> None:
    folder = counts_of_twelve(tmp_path / "own", S3=value)
    (folder / "dataset.toml").write_text(STATED)
    problems = " ".join(load(folder, tmp_path / "store").problems)
    assert ("counts.csv: said to be counts, but values have decimals" in problems) is bool(said)
    assert said in problems


def test_a_10x_folder_without_barcodes_is_named(tmp_path: Path) -> None:
    for donor in ("D1", "D2", "D3"):
        (tmp_path / "own" / donor).mkdir(parents=True)
        (tmp_path / "own" / donor / "matrix.mtx").write_text(
            "%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 3\n"
        )
        (tmp_path / "own" / donor / "features.tsv").write_text("ENSG1\tG1\tGene Expression\n")
    said = refusal(tmp_path / "own", tmp_path / "store")
    assert "D1/matrix.mtx: is a sparse matrix, and the barcodes that belong to it are not beside it." in said


def test_without_a_workspace_other_forms_are_a_failure(tmp_path: Path) -> None:
    datasets, [failure] = load_datasets([workbook(tmp_path / "cohort.xlsx")])
    assert not datasets
    assert "no workspace to convert it in" in failure.message


def test_every_format_with_a_reader_is_taken_and_named_in_the_hint(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"x")
    with pytest.raises(InputError, match="is no table") as refused:
        load_datasets([tmp_path / "image.png"])
    for suffix, reader in READERS.items():
        (tmp_path / f"noise{suffix}").write_bytes(b"x")
        assert f"noise{suffix}: " in refusal(tmp_path / f"noise{suffix}", tmp_path / "store")
        assert (f"{suffix}," in refused.value.hint) == (reader is not refuse_old_excel)


def cells_file(
    path: Path,
    *,
    donor: str | None = "donor",
    whole: bool = True,
    sparse: bool = False,
    types: tuple[str, ...] = (),
) -> np.ndarray:
    rng = np.random.default_rng(7)
    counts = rng.poisson(2, (120, 20)).astype("float32")
    x = counts if whole else np.log1p(counts)
    with h5py.File(path, "w") as file:
        if sparse:
            write_sparse(file.create_group("X"), x, "csr_matrix")
        else:
            file["X"] = x
        obs, var = file.create_group("obs"), file.create_group("var")
        obs.attrs["_index"] = var.attrs["_index"] = "_index"
        columns = {"n_genes": np.arange(120), "leiden": np.arange(120) % 5, "condition": np.repeat([0, 1], 60)}
        if donor:
            columns[donor] = np.repeat(np.arange(6), 20)
        columns |= dict.fromkeys(types, np.arange(120) % 3)
        obs.attrs["column-order"] = list(columns)
        for name, values in columns.items():
            obs[name] = values
        bases = np.array(list("ACGT"))
        obs["_index"] = ["".join(bases[rng.integers(0, 4, 16)]) + "-1" for _ in range(120)]
        var["_index"] = GENES
    return counts


@pytest.mark.parametrize("sparse", [False, True])
def test_single_cells_are_summed_for_each_donor(tmp_path: Path, sparse: bool) -> None:
    counts = cells_file(tmp_path / "cells.h5ad", sparse=sparse)
    dataset = load(tmp_path / "cells.h5ad", tmp_path / "store")
    matrix = dataset.file("expression")
    assert matrix is not None
    table = pd.read_csv(Path(dataset.root, matrix.path), sep="\t", index_col=0)
    assert (table.to_numpy() == counts.reshape(6, 20, 20).sum(axis=1).T).all()
    assert dataset.n_samples == 6
    assert any("no independent samples" in n for n in dataset.notes)
    assert any("left out: n_genes, leiden" in n for n in dataset.notes)


def test_single_cells_are_summed_for_each_cell_type_and_donor_where_one_column_names_the_types(tmp_path: Path) -> None:
    counts = cells_file(tmp_path / "cells.h5ad", types=("cell_type",))
    dataset = load(tmp_path / "cells.h5ad", tmp_path / "store")
    [file] = [f for f in dataset.files if f.kind == "table"]
    assert (file.row_is, file.samples) == ("gene of a cell type", 6)
    table = pd.read_csv(Path(dataset.root, file.path), sep="\t")
    for kind, own in table.groupby("cell_type"):
        cells = np.arange(120) % 3 == kind
        sums = [(counts * cells[:, None])[20 * d : 20 * d + 20].sum(axis=0) for d in range(6)]
        assert (own[own["gene"] != "number of cells"].iloc[:, 2:].to_numpy() == np.array(sums).T).all()
        number = own[own["gene"] == "number of cells"].iloc[0, 2:]
        assert list(number) == [int(cells[20 * d : 20 * d + 20].sum()) for d in range(6)]
    cells_file(tmp_path / "two.h5ad", types=("cell_type", "broad_cell_type"))
    assert all(f.kind != "table" for f in load(tmp_path / "two.h5ad", tmp_path / "store").files)


@pytest.mark.parametrize(("change", "words"), [({"donor": None}, "names the donors"), ({"whole": False}, "no counts")])
def test_single_cells_that_cannot_be_summed_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    cells_file(tmp_path / "cells.h5ad", **change)
    assert words in refusal(tmp_path / "cells.h5ad", tmp_path / "store")


def test_categories_of_anndata_0_7_keep_their_words(tmp_path: Path) -> None:
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:
        file["X"] = np.array(VALUES).T
        obs, var = file.create_group("obs"), file.create_group("var")
        obs.attrs["_index"] = var.attrs["_index"] = "_index"
        obs.attrs["column-order"] = ["diagnosis"]
        obs["_index"], var["_index"] = IDS, GENES
        obs["diagnosis"] = np.array([1, 0, 1, 0, 1, 0, -1, 0], dtype="int8")
        obs.create_group("__categories")["diagnosis"] = ["normal", "tumour"]
    column = load(path, tmp_path / "store").column("group")
    assert column is not None
    assert (column.levels, column.missing, column.case) == (("normal", "tumour"), 1, "tumour")


def test_records_of_anndata_before_0_7_are_read(tmp_path: Path) -> None:
    path = tmp_path / "older.h5ad"
    with h5py.File(path, "w") as file:
        file["X"] = np.array(VALUES).T
        kind = [("index", "S8"), ("diagnosis", "i1")]
        file["obs"] = np.array([(s.encode(), g == "tumour") for s, g in zip(IDS, GROUPS, strict=True)], dtype=kind)
        file["var"] = np.array([(g.encode(),) for g in GENES], dtype=[("index", "S8")])
        file.create_group("uns")["diagnosis_categories"] = ["normal", "tumour"]
    dataset = load(path, tmp_path / "store")
    assert values(dataset) == VALUES
    column = dataset.column("group")
    assert column is not None
    assert column.levels == ("normal", "tumour")
