"""Tables as programs, spreadsheets and people write them are read as they are meant, or their doubt is said."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.sources.datasets.convert import turned_copy
from bioresearcher.sources.datasets.load import load_datasets

SAMPLES = [f"S{i}" for i in range(1, 9)]
GENES = [f"GENE{i}" for i in range(60)]
RNG = np.random.default_rng(20260930)
COUNTS = RNG.negative_binomial(2, 0.01, (60, 8))
LOGS = np.round(RNG.normal(8, 1.5, (60, 8)), 3)


def load(folder: Path) -> Dataset:
    [dataset], failures = load_datasets([folder], folder.parent / "store")
    assert not failures
    return dataset


def matrix(dataset: Dataset) -> pd.DataFrame:
    file = dataset.file("expression")
    assert file is not None
    separator = "," if file.path.endswith(".csv") else "\t"
    return pd.read_csv(Path(dataset.root, file.path), sep=separator, index_col=0, na_values=["NA"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "cohort"
    path.mkdir()
    rows = "".join(f"{s},{'treated' if i % 2 else 'control'}\n" for i, s in enumerate(SAMPLES))
    (path / "samples.csv").write_text(f"sample,group\n{rows}", encoding="utf-8")
    return path


def write(path: Path, values: np.ndarray, names: list[str] = GENES, header: str = "gene", sep: str = "\t") -> Path:
    lines = [sep.join([header, *SAMPLES])]
    lines += [sep.join([n, *map(str, row)]) for n, row in zip(names, values.tolist(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def equal(dataset: Dataset, values: np.ndarray) -> None:
    found = matrix(dataset)
    assert list(found.columns) == SAMPLES
    assert np.allclose(found.to_numpy(float), values)


def noted(dataset: Dataset, words: str) -> bool:
    return any(words in note for note in dataset.notes)


def test_the_columns_and_comments_of_featurecounts_are_no_samples(folder: Path) -> None:
    lines = ['# Program:featureCounts v2; Command:"a" ";" "b;c"', "Geneid\tChr\tStart\tEnd\tStrand\tLength\t"]
    lines[1] += "\t".join(f"out/{s}.sorted.bam" for s in SAMPLES)
    for gene, row in zip(GENES, COUNTS.tolist(), strict=True):
        lines.append("\t".join([gene, "chr1;chr1", "1;500", "90;800", "+;+", "391", *map(str, row)]))
    (folder / "counts.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dataset = load(folder)
    equal(dataset, COUNTS)
    assert dataset.n_samples == 8
    assert noted(dataset, "'Chr', 'Start', 'End', 'Strand', 'Length'")


@pytest.mark.parametrize("header", ["Entrez_Gene_Id", "Length", "gene_biotype", "Total"])
def test_a_column_of_identifiers_lengths_or_totals_is_no_sample(folder: Path, header: str) -> None:
    table = pd.DataFrame(COUNTS, index=pd.Index(GENES, name="Hugo_Symbol"), columns=SAMPLES)
    table.insert(0, header, "protein" if header == "gene_biotype" else np.arange(1000, 1060))
    table.to_csv(folder / "counts.csv")
    dataset = load(folder)
    equal(dataset, COUNTS)
    assert noted(dataset, repr(header))


def test_rows_that_count_reads_without_a_feature_are_no_features(folder: Path) -> None:
    special = ["__no_feature", "__ambiguous", "N_unmapped", "Total"]
    write(folder / "counts.tsv", np.vstack([COUNTS, np.full((4, 8), 90_000)]), [*GENES, *special])
    dataset = load(folder)
    equal(dataset, COUNTS)
    assert noted(dataset, "__no_feature")
    assert noted(dataset, "rows of totals")


def test_estimated_counts_with_a_second_name_stay_counts(folder: Path) -> None:
    values = COUNTS.astype(float)
    values[::3] += 0.372
    table = pd.DataFrame(values, index=pd.Index(GENES, name="gene_id"), columns=SAMPLES)
    table.insert(0, "gene_name", [g.lower() for g in GENES])
    table.to_csv(folder / "salmon.merged.gene_counts.tsv", sep="\t")
    dataset = load(folder)
    equal(dataset, values)
    file = dataset.file("expression")
    assert file is not None
    assert file.scale == "counts"


@pytest.mark.parametrize("listed", [True, False])
def test_files_of_one_sample_each_are_set_side_by_side(folder: Path, listed: bool) -> None:
    for at, sample in enumerate(SAMPLES):
        name = f"lane_{at}.txt" if listed else f"{sample}.counts.txt"
        rows = [f"{g}\t{v}" for g, v in zip(GENES, COUNTS[:, at], strict=True)]
        (folder / name).write_text("\n".join([*rows, "__no_feature\t99999"]) + "\n", encoding="utf-8")
    if listed:
        rows = [f"{s},lane_{at}.txt,{'ab'[at % 2]}" for at, s in enumerate(SAMPLES)]
        (folder / "samples.csv").write_text("sample,file,group\n" + "\n".join(rows) + "\n", encoding="utf-8")
    dataset = load(folder)
    equal(dataset, COUNTS)
    assert dataset.n_samples == 8


def test_folders_of_one_sample_each_are_set_side_by_side(folder: Path) -> None:
    for at, sample in enumerate(SAMPLES):
        (folder / sample).mkdir()
        rows = [f"{g}\t900\t700.5\t1.5\t{v}.25" for g, v in zip(GENES, COUNTS[:, at], strict=True)]
        text = "\n".join(["Name\tLength\tEffectiveLength\tTPM\tNumReads", *rows])
        (folder / sample / "quant.sf").write_text(text + "\n", encoding="utf-8")
    equal(load(folder), COUNTS + 0.25)


def test_symbols_turned_into_dates_are_set_back_only_where_one_symbol_fits(folder: Path) -> None:
    names = [*GENES[:54], "1-Sep", "3-Mar", "1-Dec", "1-Mar", "1-Mar", "2-Mar"]
    dataset = load(write(folder / "logs.tsv", LOGS, names).parent)
    found = matrix(dataset)
    assert list(found.index[-3:]) == ["SEPT1", "MARCH3", "DEC1"]
    assert len(found) == 57
    assert any("1-Mar" in n and "cannot be told apart" in n for n in dataset.notes)


def test_rows_that_are_days_are_left_alone(folder: Path) -> None:
    names = [f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(60)]
    assert len(matrix(load(write(folder / "logs.tsv", LOGS, names).parent))) == 60


def test_a_gene_called_na_among_genes_of_influenza_is_kept(folder: Path) -> None:
    names = ["PB2", "PB1", "PA", "HA", "NP", "NA", "M", "NS"]
    dataset = load(write(folder / "logs.tsv", LOGS[:8], names).parent)
    assert "NA (neuraminidase)" in matrix(dataset).index
    assert len(matrix(dataset)) == 8


def test_zeros_of_intensities_and_marked_rows_of_maxquant(folder: Path) -> None:
    values = np.round(2.0 ** RNG.normal(26, 2, (60, 8)))
    values[RNG.random(values.shape) < 0.2] = 0
    table = pd.DataFrame({"Protein IDs": GENES, "Majority protein IDs": GENES, "Score": 9.5, "Q-value": 0})
    for at, sample in enumerate(SAMPLES):
        table[f"Intensity {sample}"] = values[:, at] * 2
    for at, sample in enumerate(SAMPLES):
        table[f"LFQ intensity {sample}"] = values[:, at]
    table["Reverse"] = ["+", *[""] * 59]
    table["Potential contaminant"] = [*[""] * 59, "+"]
    table.to_csv(folder / "proteinGroups.txt", sep="\t", index=False)
    dataset = load(folder)
    found = matrix(dataset)
    assert list(found.columns) == SAMPLES
    assert np.allclose(found.to_numpy(), np.where(values == 0, np.nan, values)[1:59], equal_nan=True)


@pytest.mark.parametrize("sep", [";", "\t"])
def test_thousands_points_and_decimal_commas(folder: Path, sep: str) -> None:
    big = COUNTS * 23
    lines = [sep.join(["gene", *SAMPLES])]
    for gene, row in zip(GENES, big.tolist(), strict=True):
        lines.append(sep.join([gene, *(f"{v:,}".replace(",", ".") for v in row)]))
    path = folder / "counts.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    equal(load(folder), big)
    path.unlink()
    lines = [sep.join(["gene", *SAMPLES])]
    for gene, row in zip(GENES, LOGS.tolist(), strict=True):
        lines.append(sep.join([gene, *(str(v).replace(".", ",") for v in row)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    equal(load(folder), LOGS)


def test_measured_values_with_three_decimals_keep_their_points(folder: Path) -> None:
    values = LOGS.copy()
    values[0] = 7
    equal(load(write(folder / "logs.tsv", values).parent), values)


def test_samples_in_rows_are_turned(folder: Path) -> None:
    pd.DataFrame(LOGS.T, index=pd.Index(SAMPLES, name="sample_id"), columns=GENES).to_csv(folder / "expr.csv")
    dataset = load(folder)
    equal(dataset, LOGS)
    column = dataset.column("group")
    assert column is not None
    assert column.name == "group"


def patients(count: int) -> pd.DataFrame:
    """Patients in rows, with what describes them among the genes."""
    frame = pd.DataFrame(LOGS.T[:, :count], columns=[f"X{i}_at" for i in range(count)])
    frame.insert(0, "patient", SAMPLES)
    frame.insert(1, "e_tdm", [0, 1] * 4)
    frame.insert(2, "t_tdm_days", [100.0 * i for i in range(1, 9)])
    frame["size"] = [1.5, 2, 3, 1, 2, 2.5, 3, 1]
    frame["chemo"] = [1, 1, 0, 0, 1, 0, 1, 0]
    return frame


def test_numbers_that_describe_patients_are_no_genes_of_a_table_that_is_turned(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    patients(60).to_csv(path, index=False)
    [dataset], _ = load_datasets([path], tmp_path / "store")
    assert dataset.n_features == 60
    sheet = dataset.file("samples")
    assert sheet is not None
    roles = {c.name: (c.role, c.endpoint) for c in sheet.columns}
    assert {"size", "chemo"} < set(roles)
    assert (roles["e_tdm"], roles["t_tdm_days"]) == (("event", "TDM"), ("time", "TDM"))
    assert noted(dataset, "has the samples in rows, 60 columns of numbers and 4 others")


def test_a_table_that_is_not_turned_by_itself_can_be_turned_on_request(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    patients(12).to_csv(path, index=False)
    [dataset], _ = load_datasets([path], tmp_path / "store")
    assert dataset.file("expression") is None
    [turned], _ = load_datasets([turned_copy(path, tmp_path / "turned")], tmp_path / "store")
    assert (turned.n_features, turned.n_samples) == (12, 8)
    assert np.allclose(matrix(turned).to_numpy(float), LOGS[:12])
    path.write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be turned"):
        turned_copy(path, tmp_path / "other")


def test_two_header_lines_of_a_workbook_become_names_and_groups(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    root.mkdir()
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Supplementary Table 2"])
    sheet.append(["Gene", "Control", None, None, None, "Tumour"])
    sheet.append([None, *SAMPLES])
    sheet.merge_cells("B2:E2")
    for gene, row in zip(GENES, LOGS.tolist(), strict=True):
        sheet.append([gene, *row])
    book.save(root / "Table_S2.xlsx")
    dataset = load(root)
    equal(dataset, LOGS)
    column = dataset.column("group")
    assert column is not None
    assert column.levels == ("Control", "Tumour")


@pytest.mark.parametrize(
    "form", ["utf-16", "latin-1", "crlf", "bom", "gzip", "zip", "workbook", "tabs in csv", "quotes"]
)
def test_the_bytes_of_a_table_may_be_of_any_form(folder: Path, form: str) -> None:
    name = "données" if form == "latin-1" else "gene"
    path = write(folder / "logs.csv", LOGS, header=name, sep="\t" if form == "tabs in csv" else ",")
    text = path.read_text(encoding="utf-8")
    if form in ("utf-16", "latin-1"):
        path.write_bytes(text.encode(form))
    elif form == "crlf":
        path.write_bytes(text.replace("\n", "\r\n").encode())
    elif form == "bom":
        path.write_bytes(text.encode("utf-8-sig"))
    elif form == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    elif form == "zip":
        with zipfile.ZipFile(folder / "new", "w") as archive:
            archive.writestr("inside.csv", text)
        (folder / "new").replace(path)
    elif form == "workbook":
        frame = pd.DataFrame(LOGS, index=pd.Index(GENES, name="gene"), columns=SAMPLES)
        frame.to_excel(folder / "new.xlsx")
        (folder / "new.xlsx").replace(path)
    elif form == "quotes":
        path.write_text(text.replace("GENE0,", '"GENE0\nof a line",', 1), encoding="utf-8")
    dataset = load(folder)
    equal(dataset, LOGS)
    assert dataset.n_samples == 8


def test_an_empty_first_heading_and_a_header_of_r_are_read(folder: Path) -> None:
    text = (folder / "samples.csv").read_text(encoding="utf-8").replace("sample,", '"",', 1)
    (folder / "samples.csv").write_text(text, encoding="utf-8")
    write(folder / "logs.tsv", LOGS)
    text = (folder / "logs.tsv").read_text(encoding="utf-8").replace("gene\t", "", 1)
    (folder / "logs.tsv").write_text(text, encoding="utf-8")
    dataset = load(folder)
    equal(dataset, LOGS)
    sheet = dataset.file("samples")
    assert sheet is not None
    assert sheet.sample_column == "id"
    assert dataset.n_samples == 8


@pytest.mark.parametrize(("sheet", "written"), [("{:03d}", "{}"), ("9-a/{}", "X9.a.{}"), ("{}", "run/{}_counts.bam")])
def test_sample_names_that_a_program_wrote_otherwise_are_made_equal(folder: Path, sheet: str, written: str) -> None:
    numbers = [5, 9, 10, 11, 23, 95, 101, 120]
    rows = "".join(f"{sheet.format(n)},{'ab'[i % 2]}\n" for i, n in enumerate(numbers))
    (folder / "samples.csv").write_text(f"sample,group\n{rows}", encoding="utf-8")
    frame = pd.DataFrame(LOGS, index=pd.Index(GENES, name="gene"), columns=[written.format(n) for n in numbers])
    frame.to_csv(folder / "logs.csv")
    dataset = load(folder)
    assert dataset.n_samples == 8
    assert list(matrix(dataset).columns) == [sheet.format(n) for n in numbers]


def test_patients_and_samples_of_cbioportal_are_joined(tmp_path: Path) -> None:
    root = tmp_path / "study"
    root.mkdir()
    heads = "#Patient\tAge\n#Patient\tAge\n#STRING\tNUMBER\n#1\t1\n"
    rows = "".join(f"P{i}\t{40 + i}\n" for i in range(8))
    (root / "data_clinical_patient.txt").write_text(f"{heads}PATIENT_ID\tAGE\n{rows}", encoding="utf-8")
    rows = "".join(f"P{i}\tS{i + 1}\tPrimary\n" for i in range(8))
    heads = (
        heads.replace("\tAge", "\tSample\tType").replace("\tNUMBER", "\tSTRING\tSTRING").replace("#1\t1", "#1\t1\t1")
    )
    text = f"{heads}PATIENT_ID\tSAMPLE_ID\tSAMPLE_TYPE\n{rows}"
    (root / "data_clinical_sample.txt").write_text(text, encoding="utf-8")
    write(root / "data_mrna.txt", LOGS, header="Hugo_Symbol")
    dataset = load(root)
    assert dataset.n_samples == 8
    sheet = dataset.file("samples")
    assert sheet is not None
    assert [c.name for c in sheet.columns] == ["PATIENT_ID", "SAMPLE_ID", "SAMPLE_TYPE", "AGE"]


def test_values_below_a_limit_are_asked_for_and_then_counted_as_stated(folder: Path) -> None:
    write(folder / "logs.tsv", LOGS)
    text = (folder / "logs.tsv").read_text(encoding="utf-8").replace(str(LOGS[3, 3]), "<0.5", 1)
    (folder / "logs.tsv").write_text(text, encoding="utf-8")
    dataset = load(folder)
    assert any("limit of detection" in p and 'below_limit = "half"' in p for p in dataset.problems)
    (folder / "dataset.toml").write_text(
        'title = "x"\nsource = "x"\n[[files]]\nname = "expression"\nkind = "expression"\npath = "logs.tsv"\n'
        'below_limit = "half"\n',
        encoding="utf-8",
    )
    assert matrix(load(folder)).iloc[3, 3] == 0.25


def test_a_description_speaks_of_files_in_any_form(folder: Path) -> None:
    write(folder / "counts.tsv", np.vstack([COUNTS, np.full((1, 8), 90_000)]), [*GENES, "__no_feature"])
    (folder / "dataset.toml").write_text(
        'title = "x"\nsource = "x"\n[[files]]\nname = "expression"\nkind = "expression"\npath = "counts.tsv"\n'
        '[[files]]\nname = "samples"\nkind = "samples"\npath = "samples.csv"\nsample_column = "sample"\n',
        encoding="utf-8",
    )
    dataset = load(folder)
    equal(dataset, COUNTS)
    assert (dataset.described_by, dataset.n_samples) == ("dataset.toml", 8)


def test_a_plain_table_is_used_where_it_lies(folder: Path) -> None:
    write(folder / "logs.tsv", LOGS)
    assert Path(load(folder).root) == folder


def series_matrix(folder: Path, channels: list[tuple[str, str]], values: np.ndarray | None) -> Path:
    quoted = [f'"GSM{i}"' for i in range(len(channels))]
    lines = ['!Series_title\t"x"', '!Series_geo_accession\t"GSE1"', "!Sample_geo_accession\t" + "\t".join(quoted)]
    lines.append("!Sample_title\t" + "\t".join(f'"{s}"' for s in SAMPLES[: len(channels)]))
    lines.append("!Sample_channel_count\t" + "\t".join(['"2"' if channels[0][1] else '"1"'] * len(channels)))
    for at in (0, 1):
        if channels[0][at]:
            cells = "\t".join(f'"treatment: {pair[at]}"' for pair in channels)
            lines.append(f"!Sample_characteristics_ch{at + 1}\t{cells}")
    lines += ["!series_matrix_table_begin", "\t".join(['"ID_REF"', *quoted])]
    for gene, row in zip(GENES, [] if values is None else values.tolist(), strict=False):
        lines.append("\t".join([f'"{gene}"', *map(str, row[: len(channels)])]))
    path = folder / "GSE1_series_matrix.txt"
    path.write_text("\n".join([*lines, "!series_matrix_table_end"]) + "\n", encoding="utf-8")
    return path


def said_of_dyes(path: Path, words: str) -> Path:
    """Name the dyes of the channels, and say how the values were computed."""
    before, rest = path.read_text(encoding="utf-8").split("!series_matrix_table_begin")
    count = before.count('"GSM') or 1
    dyes = [f"!Sample_label_ch{at}\t" + "\t".join([f'"{dye}"'] * count) for at, dye in ((1, "Cy3"), (2, "Cy5"))]
    lines = [*dyes, *([f'!Series_overall_design\t"{words}"'] if words else [])]
    path.write_text(f"{before}{chr(10).join(lines)}\n!series_matrix_table_begin{rest}", encoding="utf-8")
    return path


SWAPPED = [("drug", "none"), ("none", "drug")] * 4


def test_swapped_dyes_are_refused_with_the_line_that_says_the_direction(tmp_path: Path) -> None:
    path = said_of_dyes(series_matrix(tmp_path, SWAPPED, LOGS - 8), "")
    datasets, [failure] = load_datasets([path], tmp_path / "store")
    assert not datasets
    assert "swapped dyes" in failure.message
    assert '!Series_overall_design\t"VALUE is log2(Cy5/Cy3)"' in (failure.hint or "")


@pytest.mark.parametrize(
    ("words", "to_second"),
    [
        ("VALUE is log2(Cy5/Cy3)", [1] * 8),
        ("VALUE is log2(Cy3/Cy5)", [-1] * 8),
        ("Log ratios of channel 2 / channel 1", [1] * 8),
        ("Normalised log2 of red over green", [1] * 8),
        ("VALUE is log2(drug / none)", [-1, 1] * 4),
    ],
)
def test_ratios_of_swapped_dyes_are_turned_as_stated(tmp_path: Path, words: str, to_second: list[int]) -> None:
    dataset = load(said_of_dyes(series_matrix(tmp_path, SWAPPED, LOGS - 8), words))
    sheet = dataset.file("samples")
    assert sheet is not None
    assert (sheet.row_is, dataset.n_samples) == ("channel", 16)
    assert {c.name: c.role for c in sheet.columns} | {"treatment": "group", "array": "pair"} == {
        c.name: c.role for c in sheet.columns
    }
    cells = pd.read_csv(Path(dataset.root, sheet.path), sep="\t", index_col="sample", keep_default_na=False)
    values = matrix(dataset)
    for at in range(8):
        drug, none = (
            next(i for i in cells.index if i.startswith(f"GSM{at}.") and cells.treatment[i] == level)
            for level in ("drug", "none")
        )
        sign = to_second[at] * (1 if SWAPPED[at][1] == "drug" else -1)
        assert np.allclose(values[drug] - values[none], sign * (LOGS[:, at] - 8), atol=1e-6)


@pytest.mark.parametrize(
    "words",
    ["log2 ratio; the ratios of swapped arrays were inverted", "Cy5/Cy3 of the first, Cy3/Cy5 of the second half"],
)
def test_a_direction_that_is_not_plain_is_not_guessed(tmp_path: Path, words: str) -> None:
    path = said_of_dyes(series_matrix(tmp_path, SWAPPED, LOGS - 8), words)
    datasets, [failure] = load_datasets([path], tmp_path / "store")
    assert not datasets
    assert "of which channel to which" in failure.message


def test_ratios_to_a_reference_in_either_channel_are_turned_to_the_sample(tmp_path: Path) -> None:
    pairs = [("pool", "drug"), ("drug", "pool"), ("pool", "none"), ("none", "pool")] * 2
    dataset = load(said_of_dyes(series_matrix(tmp_path, pairs, LOGS - 8), "VALUE is log2(Cy5/Cy3)"))
    assert dataset.n_samples == 8
    assert np.allclose(matrix(dataset).to_numpy(float), (LOGS - 8) * np.array([1, -1] * 4))
    column = dataset.column("group")
    assert column is not None
    assert column.levels == ("drug", "none")


def test_arrays_in_a_loop_are_not_answered(tmp_path: Path) -> None:
    pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "b")] * 2
    path = said_of_dyes(series_matrix(tmp_path, pairs, LOGS - 8), "VALUE is log2(Cy5/Cy3)")
    datasets, [failure] = load_datasets([path], tmp_path / "store")
    assert not datasets
    assert "no vetted analysis does this" in failure.message


def test_beside_a_common_reference_the_other_channel_is_the_sample(tmp_path: Path) -> None:
    pairs = [("pool", "drug"), ("pool", "none")] * 4
    dataset = load(series_matrix(tmp_path, pairs, LOGS - 8))
    column = dataset.column("group")
    assert column is not None
    assert column.levels == ("drug", "none")
    assert noted(dataset, "channel 1 holds a common reference")


def test_counts_beside_an_empty_series_matrix_get_its_samples(tmp_path: Path) -> None:
    root = tmp_path / "GSE1"
    root.mkdir()
    series_matrix(root, [("drug", ""), ("none", "")] * 4, None)
    write(root / "GSE1_counts.tsv", COUNTS)
    dataset = load(root)
    equal(dataset, COUNTS)
    assert (dataset.accession, dataset.n_samples) == ("GSE1", 8)
    column = dataset.column("group")
    assert column is not None
    assert column.levels == ("drug", "none")


def test_mutations_become_frequencies_and_columns_of_the_sheet(folder: Path) -> None:
    people = [f"TCGA-AA-{i:04d}" for i in range(20)]
    rows = "".join(f"{p},{i % 2}\n" for i, p in enumerate(people))
    (folder / "samples.csv").write_text(f"patient_id,arm\n{rows}", encoding="utf-8")
    lines = ["#version 2.4", "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode"]
    for i, person in enumerate(people[:18]):
        gene, kind = ("TP53", "Missense_Mutation") if i < 8 else ("TTN", "Silent")
        lines += [f"{gene}\t{kind}\t{person}-01A-11D"] * 2
    (folder / "mutations.maf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    dataset = load(folder)
    sheet = dataset.file("samples")
    assert sheet is not None
    table = pd.read_csv(Path(dataset.root, sheet.path), sep="\t")
    assert list(table["TP53_mutation"]) == ["mutated"] * 8 + ["wild type"] * 10 + ["not listed"] * 2
    assert "TTN_mutation" not in table


def test_files_that_are_not_read_are_named(folder: Path) -> None:
    write(folder / "logs.tsv", LOGS)
    (folder / "raw.bam").write_bytes(b"x")
    assert noted(load(folder), "not read: raw.bam")


def test_a_table_of_results_is_no_matrix(folder: Path) -> None:
    frame = pd.DataFrame(RNG.random((60, 5)), index=pd.Index(GENES, name="gene"))
    frame.columns = ["baseMean", "log2FoldChange", "lfcSE", "pvalue", "padj"]
    frame.to_csv(folder / "results.csv")
    dataset = load(folder)
    assert dataset.file("expression") is None


def test_a_scale_that_the_values_leave_open_is_asked_for(folder: Path) -> None:
    values = np.round(COUNTS // 9 * np.array([1, 1, 1, 1, 4, 4, 4, 4]) * 1.0137, 4)
    values[0] = 0
    dataset = load(write(folder / "values.tsv", values).parent)
    assert any("scale linear" in p and "dataset.toml" in p for p in dataset.problems)
    assert any(r.decides and not r.sure for r in dataset.readings)
    sure = load(write(folder / "values.tsv", COUNTS).parent)
    assert not any(r.decides and not r.sure for r in sure.readings)


def test_a_sheet_of_numbers_beside_a_matrix_is_no_matrix(folder: Path) -> None:
    write(folder / "counts.tsv", COUNTS)
    rows = "".join(f"{s} {i}.5 1.{i} 0.3 {'ab'[i % 2]}\n" for i, s in enumerate(SAMPLES))
    (folder / "samples.csv").unlink()
    (folder / "samples.txt").write_text(f"id conc 260_280 260_230 arm\n{rows}", encoding="utf-8")
    dataset = load(folder)
    sheet = dataset.file("samples")
    assert sheet is not None
    assert [c.name for c in sheet.columns] == ["id", "conc", "260_280", "260_230", "arm"]
    assert dataset.n_samples == 8


def test_a_file_of_one_sample_is_refused(tmp_path: Path) -> None:
    rows = "\n".join(f"{g}\t{i}\t{i}\t0" for i, g in enumerate(["N_unmapped", "N_noFeature", *GENES]))
    (tmp_path / "ReadsPerGene.out.tab").write_text(rows + "\n", encoding="utf-8")
    datasets, [failure] = load_datasets([tmp_path], tmp_path / "store")
    assert not datasets
    assert "one sample (STAR)" in failure.message


def test_empty_columns_at_the_end_and_a_wrong_size_of_a_workbook(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    root.mkdir()
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["gene", *SAMPLES, None])
    for gene, row in zip(GENES, LOGS.tolist(), strict=True):
        sheet.append([gene, *row, " "])
    book.save(root / "first.xlsx")
    with zipfile.ZipFile(root / "first.xlsx") as old, zipfile.ZipFile(root / "table.xlsx", "w") as new:
        for item in old.namelist():
            data = old.read(item)
            new.writestr(item, data.replace(b'<dimension ref="A1:J61"', b'<dimension ref="A1:A1"'))
    (root / "first.xlsx").unlink()
    equal(load(root), LOGS)


def test_the_first_patients_of_a_sheet_with_few_numbers_are_no_second_header_line(folder: Path) -> None:
    write(folder / "expression.tsv", LOGS)
    (folder / "samples.csv").unlink()
    rows = ["S1\tnone\tI\t12.5\tunknown", *(f"S{i}\ttamoxifen\tII\t{i}.5\t4{i}" for i in range(2, 9))]
    (folder / "samples.tsv").write_text("\n".join(["sample\ttreatment\tstage\ttime\tage", *rows]) + "\n")
    sheet = load(folder).file("samples")
    assert sheet is not None
    assert [c.name for c in sheet.columns] == ["sample", "treatment", "stage", "time", "age"]
    assert sheet.rows == 8


def test_columns_that_describe_the_features_of_a_matrix_stand_beside_it(folder: Path) -> None:
    frame = pd.DataFrame(LOGS, columns=SAMPLES)
    frame.insert(0, "probe", [f"{n}_at" for n in range(60)])
    frame.insert(1, "description", [f"protein number {n} of a family" for n in range(60)])
    frame.insert(2, "Gene Symbol", GENES)
    frame.to_csv(folder / "values.csv", index=False)
    dataset = load(folder)
    equal(dataset, LOGS)
    table = next(f for f in dataset.files if f.path == "values-features.tsv.gz")
    assert table.kind == "table"
    kept = pd.read_csv(Path(dataset.root, table.path), sep="\t", dtype=str)
    assert kept.to_dict("list") == {
        "probe": list(frame["probe"]),
        "description": list(frame["description"]),
        "Gene Symbol": GENES,
    }
    assert any("describe its features: 'description', 'Gene Symbol'" in n for n in dataset.notes)
    assert dataset.file("samples").path == "samples.csv"
