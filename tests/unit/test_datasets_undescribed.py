"""Tables without a description: what is inferred, and that every guess is said."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.schemas.columns import ColumnScan
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.roles import guess_roles

SAMPLES = [f"Patient {i} Ä" for i in range(12)]


def matrix(samples: list[str] = SAMPLES, genes: int = 30, sep: str = "\t") -> str:
    rows = [sep.join(["symbol", *samples])]
    rows += [
        sep.join([f"GENE{g}", *(f"{(g * 7 + s * 3) % 11 - 5}.5" for s in range(len(samples)))]) for g in range(genes)
    ]
    return "\n".join(rows) + "\n"


def sheet(samples: list[str] = SAMPLES, sep: str = "\t") -> str:
    rows = [sep.join(["patient id", "treatment", "sex", "OS_months", "OS_event", "age", "stage"])]
    rows += [
        sep.join(
            [
                s,
                "placebo" if i % 2 else "drug β",
                "FM"[i % 2],
                str(i * 3 + 1),
                str(int(i % 3 > 0)),
                str(50 + i),
                str(i % 4),
            ]
        )
        for i, s in enumerate(samples)
    ]
    return "\n".join(rows) + "\n"


def one(path: Path) -> Dataset:
    [dataset], failures = load_datasets([path])
    assert not failures
    return dataset


def column(dataset: Dataset, name: str) -> Column:
    return next(c for f in dataset.files for c in f.columns if c.name == name)


def test_a_folder_of_bare_tables_is_one_data_set_with_its_guesses_noted(tmp_path: Path) -> None:
    root = tmp_path / "Meine Kohorte ü"
    root.mkdir()
    (root / "my matrix.tsv").write_text(matrix(), encoding="utf-8")
    (root / "clinical data.csv").write_text(sheet(sep=","), encoding="utf-8")
    (root / "sets.gmt").write_text("A\tna\tGENE1\tGENE2\nB\tna\tGENE3\n", encoding="utf-8")
    (root / "README.txt").write_text("nothing\n", encoding="utf-8")
    dataset = one(root)
    assert {f.kind: f.path for f in dataset.files} == {
        "samples": "clinical data.csv",
        "expression": "my matrix.tsv",
        "gene_sets": "sets.gmt",
    }
    assert (dataset.n_samples, dataset.n_features, dataset.problems) == (12, 30, ())
    assert (dataset.described_by, dataset.title, dataset.organism, dataset.licence) == (
        "inferred",
        "Meine Kohorte ü",
        None,
        None,
    )
    roles = {c.name: c.role for c in dataset.files[0].columns}
    assert roles == {
        "patient id": "id", "treatment": "group", "sex": "covariate", "OS_months": "time", "OS_event": "event",
        "age": "covariate", "stage": "covariate",
    }  # fmt: skip
    treatment = column(dataset, "treatment")
    assert (treatment.case, treatment.control, treatment.levels) == ("drug β", "placebo", ("drug β", "placebo"))
    assert column(dataset, "OS_months").unit == "months"
    assert "nothing of it was confirmed by the source" in dataset.notes[0]
    for word in (
        "'treatment' was taken as group",
        "'placebo' as control",
        "in months as its name says",
        "is not stated",
    ):
        assert any(word in note for note in dataset.notes), word
    assert dataset.files[2].entries == ("A", "B")


def test_names_with_spaces_and_unicode_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "größe & alter.tsv"
    path.write_text(sheet(), encoding="utf-8")
    dataset = one(path)
    assert dataset.files[0].path == "größe & alter.tsv"
    assert dataset.files[0].columns[0].name == "patient id"
    assert dataset.files[0].sample_column == "patient id"
    assert dataset.id.isascii()


def test_a_single_matrix_and_single_gene_sets(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(matrix(sep=","), encoding="utf-8")
    (tmp_path / "h.gmt").write_text("HALLMARK_A\thttp\tX\tY\n", encoding="utf-8")
    dataset, sets = load_datasets([tmp_path / "m.csv", tmp_path / "h.gmt"])[0]
    assert (dataset.id, dataset.n_samples, dataset.files[0].samples) == ("m", 12, 12)
    assert (sets.role, sets.files[0].rows, sets.files[0].kind) == ("reference", 1, "gene_sets")


def test_a_binary_er_status_is_a_group_and_not_an_event(tmp_path: Path) -> None:
    rows = [f"S{i}\t{i % 2}\t{i + 1}\t{int(i > 4)}" for i in range(10)]
    (tmp_path / "s.tsv").write_text("id\ter_status\ttime\tevent\n" + "\n".join(rows) + "\n", encoding="utf-8")
    dataset = one(tmp_path)
    assert column(dataset, "er_status").role == "group"
    assert column(dataset, "event").role == "event"


def test_time_without_an_event_is_no_survival(tmp_path: Path) -> None:
    rows = [f"S{i}\t{i + 1}\t{int(i > 4)}" for i in range(10)]
    for name, why in (("censored", "1 means censored or event is not stated"), ("weight", "")):
        (tmp_path / "s.tsv").write_text(f"id\ttime\t{name}\n" + "\n".join(rows) + "\n", encoding="utf-8")
        dataset = one(tmp_path)
        assert dataset.column("time") is None
        assert dataset.column("event") is None
        assert any("may be the event" in n and why in n for n in dataset.notes) == bool(why)


def test_an_event_in_words_is_read(tmp_path: Path) -> None:
    rows = [f"S{i}\t{i + 1}\t{'alive' if i % 2 else 'dead'}" for i in range(10)]
    (tmp_path / "s.tsv").write_text("id\tos_months\tstatus\n" + "\n".join(rows) + "\n", encoding="utf-8")
    event = one(tmp_path).column("event")
    assert event is not None
    assert (event.name, event.event_level, event.endpoint) == ("status", "dead", "OS")
    assert [event.is_event(cell) for cell in ("dead", "alive", "unknown", "")] == [True, False, None, None]


def test_endpoints_are_paired_with_their_own_times() -> None:
    def scan(name: str, values: list[str]) -> ColumnScan:
        found = ColumnScan(name)
        for i, value in enumerate(values):
            found.add(value, i)
        return found

    columns = [scan("event_rfs", ["0", "1", "1"]), scan("os_status", ["1", "0", "1"]), scan("os_days", ["5", "7", "9"])]
    roles = {name: guess.role for name, guess in guess_roles(columns, None).items()}
    assert roles["os_days"] == "time"
    assert roles["os_status"] == "event"
    assert roles["event_rfs"] != "event"


@given(st.lists(st.text(max_size=6), min_size=1, max_size=30))
def test_a_column_counts_every_cell_once(values: list[str]) -> None:
    scan = ColumnScan("x")
    for line, value in enumerate(values):
        scan.add(value, line)
    scan.finish()
    assert scan.missing + scan.numbers + scan.texts == len(values)
    if scan.levels is not None:
        assert sum(scan.levels.values()) == scan.known
    if scan.dtype in {"integer", "number"}:
        assert scan.texts == 0
        assert scan.minimum <= scan.maximum


def test_real_cohorts_without_their_description() -> None:
    given = os.environ.get("BIORESEARCHER_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data"
    data = Path(given) / "expression"
    if not data.is_dir():
        pytest.skip("no test data")
    datasets, failures = load_datasets([data])
    assert not failures
    found = {d.id: d for d in datasets}
    cohort = found["breast_gse1992"]
    assert (cohort.n_samples, cohort.n_features, cohort.problems) == (124, 4951, ())
    assert column(cohort, "er_positive").role == "group"
    desmedt = found["gse7390_76gene"] if "gse7390_76gene" in found else found["breast_gse7390"]
    assert desmedt.files[0].kind == "samples"
    assert column(desmedt, "t_tdm_days").unit == "days"
    assert [d.n_samples for d in datasets if "golub" in d.id] == [38], "the description of the genes is no sample"
    assert any("'description' holds text in every row" in p for d in datasets if "golub" in d.id for p in d.problems)
    assert found["all_chiaretti"].n_samples == 128


def test_samples_named_after_what_they_are_do_not_make_a_sheet(tmp_path: Path) -> None:
    """Regression: a matrix whose samples are called patient or relapse was taken for a sample sheet."""
    for name in ("Patient {}", "relapse_{}", "tumour metastasis {}"):
        (tmp_path / "m.tsv").write_text(matrix([name.format(i) for i in range(9)]), encoding="utf-8")
        assert one(tmp_path).files[0].kind == "expression"


def test_measurements_inside_the_sample_sheet_are_pointed_out(tmp_path: Path) -> None:
    probes = [f"X{n}_at" for n in range(15)]
    lines = ["\t".join(["patient", "relapse", *probes])]
    lines += ["\t".join([f"P{n}", "ab"[n % 2], *[f"{n + p / 10}" for p in range(15)]]) for n in range(12)]
    (tmp_path / "wide.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    [found], failures = load_datasets([tmp_path / "wide.tsv"])
    assert failures == []
    assert any("15 further columns hold numbers (X0_at, …)" in note for note in found.notes)


def test_a_column_without_a_name_has_the_one_that_pandas_gives_it(tmp_path: Path) -> None:
    root = tmp_path / "from R"
    root.mkdir()
    counts, samples = root / "counts.csv", root / "metadata.csv"
    names = [f"sample{i}" for i in range(8)]
    counts.write_text(
        ",".join(['""', *names]) + "\n" + "".join(f"gene{g},{','.join(map(str, range(g, g + 8)))}\n" for g in range(9))
    )
    samples.write_text('"","condition"\n' + "".join(f"{n},{'AB'[i % 2]}\n" for i, n in enumerate(names)))
    dataset = one(root)
    sheet_file = next(f for f in dataset.files if f.kind == "samples")
    assert sheet_file.sample_column == pd.read_csv(samples).columns[0]
    assert [c.role for c in sheet_file.columns] == ["id", "group"]
    matrix_file = next(f for f in dataset.files if f.kind == "expression")
    assert matrix_file.feature_column == pd.read_csv(counts).columns[0]
    assert (dataset.n_samples, dataset.n_features, dataset.problems[1:]) == (8, 9, ())


def test_a_matrix_whose_first_heading_says_sample_is_known_by_the_samples_of_the_other_table(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    root.mkdir()
    names = [f"TCGA-AA-{i:04}-01" for i in range(12)]
    (root / "HiSeqV2.tsv").write_text(matrix(names).replace("symbol", "sample", 1), encoding="utf-8")
    rows = [f"{name}\t{i % 2}\t{30 * i + 9}\t{name[:12]}" for i, name in enumerate(names)]
    (root / "survival.tsv").write_text("sample\tOS\tOS.time\t_PATIENT\n" + "\n".join(rows) + "\n", encoding="utf-8")
    dataset = one(root)
    kinds = {f.path: f.kind for f in dataset.files}
    assert kinds == {"HiSeqV2.tsv": "expression", "survival.tsv": "samples"}
    assert dataset.n_samples == 12
    assert column(dataset, "OS").event_level == "1"
