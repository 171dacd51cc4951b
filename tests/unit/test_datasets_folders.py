"""Files that a program or a portal writes together are read as what they are, and what is not read is named."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Failure
from bioresearcher.sources.datasets.load import load_datasets

RNG = np.random.default_rng(20261201)
SAMPLES = [f"s{i}" for i in range(6)]


def load(folder: Path) -> Dataset:
    [dataset], failures = load_datasets([folder], folder.parent / "store")
    assert not failures
    return dataset


def refused(folder: Path) -> Failure:
    datasets, [failure] = load_datasets([folder], folder.parent / "store")
    assert not datasets
    assert "\n" not in failure.message
    return failure


def matrix(dataset: Dataset) -> pd.DataFrame:
    file = dataset.file("expression")
    assert file is not None
    return pd.read_csv(Path(dataset.root, file.path), sep="\t", index_col=0)


def sheet(dataset: Dataset) -> pd.DataFrame:
    file = dataset.file("samples")
    assert file is not None
    separator = "," if file.path.endswith(".csv") else "\t"
    return pd.read_csv(Path(dataset.root, file.path), sep=separator, dtype=str, keep_default_na=False)


def groups(folder: Path, names: list[str] = SAMPLES) -> None:
    rows = "".join(f"{s},{'case' if i % 2 else 'control'}\n" for i, s in enumerate(names))
    (folder / "samples.csv").write_text(f"sample,condition\n{rows}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cohort"
    path.mkdir()
    return path


def test_gdc_counts_are_named_by_the_sample_sheet_and_genes_by_their_symbols(folder: Path) -> None:
    rows = []
    for i in range(6):
        place = folder / f"0000000{i}-aaaa"
        (place / "logs").mkdir(parents=True)
        lines = [
            "# gene-model: GENCODE v36",
            "gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\ttpm_unstranded",
        ]
        lines += [f"{n}\t\t\t900\t900\t" for n in ("N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous")]
        lines += [f"ENSG{g:011d}.{i % 3 + 1}\tGENE{g}\tprotein_coding\t{10 * g + i}\t1\t0.5" for g in range(30)]
        lines += ["ENSG00000000099.1\tGENE3\tpseudogene\t1000\t1\t0.5"]
        name = f"{i}{i}.rna_seq.augmented_star_gene_counts.tsv"
        (place / name).write_text("\n".join(lines) + "\n")
        rows.append(
            f"0000000{i}-aaaa\t{name}\tTCGA-AA-{i // 2:04d}\tTCGA-AA-{i // 2:04d}-{'01A' if i % 2 else '11A'}\tx"
        )
    header = "File ID\tFile Name\tCase ID\tSample ID\tSample Type\n"
    (folder / "gdc_sample_sheet.tsv").write_text(header + "\n".join(rows) + "\n")
    dataset = load(folder)
    values = matrix(dataset)
    assert values.shape == (30, 6)
    assert values.loc["GENE3", "TCGA-AA-0000-11A"] == 1030
    assert values.loc["GENE7", "TCGA-AA-0002-01A"] == 75
    assert dataset.n_samples == 6
    unit = dataset.column("unit")
    assert unit is not None
    assert unit.name == "Case ID"


def quantify(folder: Path, counts: pd.DataFrame) -> None:
    for sample in counts.columns:
        (folder / sample).mkdir()
        lines = ["Name\tLength\tEffectiveLength\tTPM\tNumReads"]
        lines += [f"{t}\t1000\t800\t1.0\t{counts.loc[t, sample]}" for t in counts.index]
        (folder / sample / "quant.sf").write_text("\n".join(lines) + "\n")


@given(genes=st.lists(st.integers(0, 4), min_size=6, max_size=30), seed=st.integers(0, 999))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_transcripts_are_summed_to_the_genes_of_a_table(
    genes: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("quant") / "cohort"
    place.mkdir()
    names = [f"ENST{n:05d}.2" for n in range(len(genes))]
    values = np.round(np.random.default_rng(seed).uniform(1, 900, (len(genes), 6)), 3)
    counts = pd.DataFrame(values, index=names, columns=SAMPLES)
    quantify(place, counts)
    groups(place)
    table = "".join(f"{n.split('.')[0]},G{g}\n" for n, g in zip(names, genes, strict=True))
    (place / "tx2gene.csv").write_text("transcript,gene\n" + table)
    dataset = load(place)
    expected = counts.groupby([f"G{g}" for g in genes]).sum()
    if len(set(genes)) < len(genes):
        assert np.allclose(matrix(dataset).loc[expected.index], expected, atol=1e-3)
        assert dataset.file("table") is None


def test_a_table_of_genes_of_another_annotation_is_refused(folder: Path) -> None:
    counts = pd.DataFrame(RNG.integers(1, 90, (40, 6)), index=[f"T{i}" for i in range(40)], columns=SAMPLES)
    counts.loc["T39"] = 90_000
    quantify(folder, counts)
    groups(folder)
    (folder / "tx2gene.csv").write_text("tx,gene\n" + "".join(f"T{i},G{i // 2}\n" for i in range(39)))
    failure = refused(folder)
    assert "tx2gene.csv: names the genes of transcripts with" in failure.message
    assert "annotation" in failure.hint


def write_10x(path: Path, *, version: int, barcodes: bool = True) -> np.ndarray:
    """Write a matrix of 20 genes × 15 cells as Cell Ranger does, with one antibody; return the sums of the genes."""
    counts = RNG.poisson(2, (21, 15))
    cells, rows = np.nonzero(counts.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        group["data"] = counts.T[cells, rows].astype("i4")
        group["indices"] = rows.astype("i8")
        group["indptr"] = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=15))])
        group["shape"] = np.array([21, 15])
        if barcodes:
            group["barcodes"] = np.array([f"ACGTACGTACGT{i:02d}-1" for i in range(15)], "S18")
        names = np.array([f"GENE{i}" for i in range(20)] + ["CD3"], "S8")
        if version == 3:
            features = group.create_group("features")
            features["id"], features["name"] = names, names
            features["feature_type"] = np.array(["Gene Expression"] * 20 + ["Antibody Capture"], "S20")
        else:
            group["genes"], group["gene_names"] = names, names
    sums: np.ndarray = counts.sum(axis=1)
    return sums


def test_cells_of_10x_hdf5_are_summed_per_sample_without_antibodies(folder: Path) -> None:
    groups(folder)
    sums = {s: write_10x(folder / f"{s}_filtered_feature_bc_matrix.h5", version=3) for s in SAMPLES}
    dataset = load(folder)
    values = matrix(dataset)
    assert values.shape == (20, 6)
    for sample, own in sums.items():
        assert values[sample].tolist() == own[:20].tolist()
    assert any("no independent" in n or "not independent" in n for n in dataset.notes)


def test_10x_hdf5_of_version_2_is_read_and_one_without_barcodes_refused(folder: Path) -> None:
    groups(folder)
    for sample in SAMPLES:
        write_10x(folder / f"{sample}.h5", version=2)
    assert matrix(load(folder)).shape == (21, 6)
    write_10x(folder / "s0.h5", version=2, barcodes=False)
    assert "s0.h5: the 10x matrix has no barcodes" in refused(folder).message


def test_another_hdf5_file_is_refused_by_name(folder: Path) -> None:
    with h5py.File(folder / "abundance.h5", "w") as file:
        file["est_counts"] = np.ones(3)
    assert "abundance.h5: holds no 10x matrix" in refused(folder).message


def test_plink_phenotypes_mean_what_the_format_says(folder: Path) -> None:
    people = [f"F{i} I{i}" for i in range(12)]
    (folder / "cohort.pheno").write_text(
        "FID IID AFF SBP\n"
        + "".join(f"{p} {-9 if i == 3 else 1 + i % 2} {-9 if i == 3 else 120 + i}\n" for i, p in enumerate(people))
    )
    (folder / "cohort.cov").write_text(
        "FID IID AGE SEX\n" + "".join(f"{p} {40 + i} {1 + i % 2}\n" for i, p in enumerate(people))
    )
    (folder / "cohort.bed").write_bytes(b"\x6c\x1b\x01")
    dataset = load(folder)
    table = sheet(dataset).set_index("IID")
    assert table["AFF"].tolist()[:4] == ["control", "case", "control", "NA"]
    assert table.loc["I3", "SBP"] == "NA"
    assert table.loc["I1", "SEX"] == "female"
    assert table.loc["I4", "SBP"] == "124"
    assert any("not read: cohort.bed" in n for n in dataset.notes)


def test_a_fam_file_has_no_header_and_codes_of_its_own(folder: Path) -> None:
    (folder / "c.fam").write_text("".join(f"F{i} I{i} 0 0 {i % 3} {(0, 1, 2)[i % 3]}\n" for i in range(12)))
    table = sheet(load(folder))
    assert table["phenotype"].tolist()[:3] == ["NA", "control", "case"]
    assert table["sex"].tolist()[:3] == ["NA", "male", "female"]
    (folder / "c.fam").write_text("F1 I1 0 0 1 2\nF1 I1 0 0 1 1\nF2 I2 0 0 1 1\n")
    assert "person F1 I1 stands in it more than once" in refused(folder).message


def write_matrix(path: Path, names: list[str], samples: list[str], low: float = 2, high: float = 9) -> pd.DataFrame:
    table = pd.DataFrame(np.round(RNG.uniform(low, high, (len(names), len(samples))), 3), names, samples)
    table.rename_axis("Hugo_Symbol").to_csv(path, sep="\t")
    return table


def test_of_a_cbioportal_study_one_matrix_is_read_and_the_others_are_named(folder: Path) -> None:
    people = [f"TCGA-AA-{i:04d}" for i in range(10)]
    samples = [f"{p}-01" for p in people]
    genes = [f"GENE{i}" for i in range(30)]
    write_matrix(folder / "data_cna_log2.txt", genes, samples, -1, 1)
    write_matrix(folder / "data_mrna_z.txt", genes, samples, -3, 3)
    wanted = write_matrix(folder / "data_mrna_seq.txt", genes, samples)
    study = "cancer_study_identifier: s\n"
    for name, kind, data in (
        ("data_cna_log2.txt", "COPY_NUMBER_ALTERATION", "LOG2-VALUE"),
        ("data_mrna_z.txt", "MRNA_EXPRESSION", "Z-SCORE"),
        ("data_mrna_seq.txt", "MRNA_EXPRESSION", "CONTINUOUS"),
    ):
        text = f"{study}genetic_alteration_type: {kind}\ndatatype: {data}\ndata_filename: {name}\n"
        (folder / name.replace("data_", "meta_")).write_text(text)
    head = "#Patient\tSample\n#x\ty\n#STRING\tSTRING\n#1\t1\n"
    rows = "".join(f"{p}\t{s}\n" for p, s in zip(people, samples, strict=True))
    (folder / "data_clinical_sample.txt").write_text(f"{head}PATIENT_ID\tSAMPLE_ID\n{rows}")
    rows = "".join(f"{p}\t{10 + i}\t{i % 2}:{'DECEASED' if i % 2 else 'LIVING'}\n" for i, p in enumerate(people))
    head = "#Patient\tMonths\tStatus\n#x\ty\tz\n#STRING\tNUMBER\tSTRING\n#1\t1\t1\n"
    (folder / "data_clinical_patient.txt").write_text(f"{head}PATIENT_ID\tOS_MONTHS\tOS_STATUS\n{rows}")
    dataset = load(folder)
    assert len([f for f in dataset.files if f.kind == "expression"]) == 1
    assert np.allclose(matrix(dataset).loc[genes, samples], wanted)
    notes = " ".join(dataset.notes)
    assert "Not read: data_cna_log2.txt (copy numbers" in notes
    assert "Not read: data_mrna_z.txt (z-scores" in notes
    assert [e.name for e in dataset.endpoints] == ["OS"]


def test_of_the_tables_of_nf_core_the_counts_of_genes_are_read(folder: Path) -> None:
    names = [f"ENSG{i}" for i in range(40)]
    wanted = None
    for what in ("gene_tpm", "gene_counts_length_scaled", "gene_counts"):
        table = pd.DataFrame(RNG.integers(0, 900, (40, 6)) + 0.25, names, SAMPLES)
        table.insert(0, "gene_name", [f"G{i}" for i in range(40)])
        table.rename_axis("gene_id").to_csv(folder / f"salmon.merged.{what}.tsv", sep="\t")
        wanted = table if what == "gene_counts" else wanted
    groups(folder)
    dataset = load(folder)
    assert wanted is not None
    assert np.allclose(matrix(dataset)[SAMPLES], wanted[SAMPLES])
    assert any(
        "Not read: salmon.merged.gene_counts_length_scaled.tsv, salmon.merged.gene_tpm.tsv" in n for n in dataset.notes
    )


def test_two_matrices_of_which_nobody_says_which_is_meant_are_a_question(folder: Path) -> None:
    write_matrix(folder / "one.tsv", [f"A{i}" for i in range(30)], SAMPLES)
    write_matrix(folder / "two.tsv", [f"B{i}" for i in range(30)], SAMPLES)
    groups(folder)
    [reading] = [r for r in load(folder).readings if r.says == "the matrix that is analysed"]
    assert reading.open
    assert "one.tsv, two.tsv" in reading.reason
    assert reading.line.startswith('kind = "table"')


def test_the_precursors_of_dia_nn_are_left_for_its_protein_groups(folder: Path) -> None:
    names = [f"P{i:05d}" for i in range(40)]
    values = pd.DataFrame(
        np.round(np.exp(RNG.normal(14, 2, (40, 6))), 1), columns=[f"D:\\raw\\{s}.raw" for s in SAMPLES]
    )
    head = pd.DataFrame({"Protein.Group": names, "Protein.Ids": names, "Genes": [f"A{i}" for i in range(40)]})
    numbers = pd.DataFrame({"N.Sequences": RNG.integers(1, 9, 40), "N.Proteotypic.Sequences": RNG.integers(1, 9, 40)})
    pd.concat([head, numbers, values], axis=1).to_csv(folder / "report.pg_matrix.tsv", sep="\t", index=False)
    more = pd.DataFrame({"Proteotypic": 1, "Precursor.Charge": 2, "Precursor.Id": [f"PEP{i}2" for i in range(40)]})
    pd.concat([head, more, values], axis=1).to_csv(folder / "report.pr_matrix.tsv", sep="\t", index=False)
    groups(folder)
    dataset = load(folder)
    assert list(matrix(dataset).columns) == SAMPLES
    assert dataset.n_features == 40
    assert any("Not read: report.pr_matrix.tsv" in n for n in dataset.notes)


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (("{} Total Intensity", "{} Unique Intensity", "{} Razor Intensity"), "{} Razor Intensity"),
        (("{}.Signal_A", "{}.AVG_Beta", "{}.Detection Pval"), "{}.AVG_Beta"),
        (("{} Spectral Count", "{} Intensity", "{} MaxLFQ Intensity"), "{} MaxLFQ Intensity"),
    ],
    ids=["FragPipe with three intensities", "Illumina methylation", "FragPipe with MaxLFQ"],
)
def test_of_several_quantities_of_a_sample_one_is_taken(folder: Path, columns: tuple[str, ...], wanted: str) -> None:
    table = pd.DataFrame({"Protein ID": [f"P{i}" for i in range(40)]})
    for sample in SAMPLES:
        for quantity in columns:
            table[quantity.format(sample)] = np.round(RNG.uniform(0.01, 0.99, 40), 4)
    table.to_csv(folder / "all.tsv", sep="\t", index=False)
    groups(folder)
    dataset = load(folder)
    assert dataset.n_samples == 6
    assert np.allclose(matrix(dataset)[SAMPLES], table[[wanted.format(s) for s in SAMPLES]])


def test_xena_names_files_without_a_suffix_and_divides_what_it_says_of_samples(folder: Path) -> None:
    samples = [f"TCGA-AA-{i:04d}-01" for i in range(10)]
    wanted = write_matrix(folder / "HiSeqV2", [f"GENE{i}" for i in range(30)], samples)
    rows = "".join(f"{s}\t{s[:12]}\t{i % 2}\t{100 + i}\n" for i, s in enumerate(samples))
    (folder / "X_survival.txt").write_text(f"sample\t_PATIENT\tOS\tOS.time\n{rows}")
    rows = "".join(f"{s}\t{'MALE' if i % 3 else 'FEMALE'}\n" for i, s in enumerate(samples))
    (folder / "X_clinicalMatrix").write_text(f"sampleID\tgender\n{rows}\n")
    dataset = load(folder)
    assert np.allclose(matrix(dataset), wanted)
    assert {"gender", "OS", "OS.time"} <= {*sheet(dataset).columns}


def write_mutations(folder: Path, people: list[str], listed: int) -> None:
    lines = ["Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode"]
    for i, person in enumerate(people[:listed]):
        lines.append(f"{'TP53' if i % 2 else 'KRAS'}\tMissense_Mutation\t{person}-01A-11D")
        lines.append(f"TTN\tSilent\t{person}-01A-11D")
    (folder / "study.maf").write_text("\n".join(lines) + "\n")
    rows = "".join(f"{p},{5 + i},{i % 2}\n" for i, p in enumerate(people))
    (folder / "clinical.csv").write_text(f"patient_id,os_months,os_event\n{rows}")


def test_patients_of_no_listed_mutation_are_asked_about_and_a_description_settles_it(folder: Path) -> None:
    people = [f"TCGA-ZZ-{i:04d}" for i in range(24)]
    write_mutations(folder, people, 20)
    dataset = load(folder)
    genes = dataset.rows_are("mutated gene")
    assert genes is not None
    counts = pd.read_csv(Path(dataset.root, genes.path), sep="\t").set_index("gene")
    assert counts.loc["TP53", ["mutated", "listed"]].tolist() == [10, 20]
    assert "TTN" not in counts.index
    [reading] = [r for r in dataset.readings if r.column == "TP53_mutation" and r.open]
    assert reading.line.startswith('codes = { "not listed" = "wild type" }')
    (folder / "dataset.toml").write_text(
        'id = "c"\ntitle = "c"\nsource = "own"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "clinical.csv"\n'
        'sample_column = "patient_id"\n[files.columns.TP53_mutation]\nrole = "group"\n'
        'codes = { "not listed" = "wild type" }\n[[files]]\nname = "mutations"\nkind = "table"\npath = "study.maf"\n'
    )
    described = load(folder)
    assert not [r for r in described.readings if r.column == "TP53_mutation" and r.open]
    write_mutations(folder, people, 24)
    (folder / "dataset.toml").unlink()
    assert not [r for r in load(folder).readings if r.open]


def test_columns_of_two_genes_do_not_contradict_each_other(folder: Path) -> None:
    write_mutations(folder, [f"TCGA-ZZ-{i:04d}" for i in range(24)], 24)
    assert not [n for n in load(folder).notes if "contradict" in n]
