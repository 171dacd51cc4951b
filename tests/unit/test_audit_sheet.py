"""Facts about sample sheets: on small sheets of their own, on real data, and against counts made with pandas."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.contingency import association

from bioresearcher.audit.sheet import MAX_FACTS, sheet_facts
from bioresearcher.audit.sheet_outcome import cramers_v
from bioresearcher.audit.tables import FactDraft, read_matrix, read_names, read_sheet
from bioresearcher.audit.text_fields import text_fields
from bioresearcher.examples import load_example
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.sources.datasets.load import load_datasets

OBJECTIVE = Objective(id="o", text="Compare the groups.")


def make(folder: Path, sheet: Mapping[str, Sequence[str]], roles: str = "", features: Sequence[str] = ()) -> Dataset:
    """Write a described data set and load it; the first column names the samples."""
    frame = pd.DataFrame(sheet)
    frame.to_csv(folder / "samples.tsv", sep="\t", index=False)
    described = "".join(
        f'[files.columns."{name}"]\nrole = "{role}"\n' for name, role in (r.split("=") for r in roles.split())
    )
    matrix = ""
    if features:
        values = np.random.default_rng(1).normal(8, 1, (len(features), len(frame))).round(3)
        table = pd.DataFrame(values, index=list(features), columns=list(frame.iloc[:, 0]))
        table.to_csv(folder / "expression.tsv", sep="\t", index_label="gene")
        matrix = (
            '[[files]]\nname = "expression"\nkind = "expression"\npath = "expression.tsv"\nfeature_column = "gene"\n'
        )
    (folder / "dataset.toml").write_text(
        f'title = "t"\nsource = "s"\n{matrix}[[files]]\nname = "samples"\nkind = "samples"\npath = "samples.tsv"\n'
        f'sample_column = "{frame.columns[0]}"\n{described}'
    )
    datasets, failures = load_datasets([folder])
    assert failures == []
    return datasets[0]


def the(facts: Sequence[FactDraft], kind: str, *words: str) -> FactDraft:
    """The one fact of a kind whose statement holds all words."""
    found = [f for f in facts if f.kind == kind and all(w in f.statement for w in words)]
    assert len(found) == 1, [f.statement for f in facts]
    return found[0]


def numbers(fact: FactDraft) -> dict[str, float]:
    return {n.name: n.value for n in fact.numbers}


NAMES = [f"P{i:02}" for i in range(20)]


def test_samples_of_another_kind_are_counted_with_their_events(tmp_path: Path) -> None:
    names = [*NAMES[:17], "P17-LN-Met", "P18 post-chemo", "P19-RECUR"]
    event = ["0"] * 14 + ["1"] * 6
    facts = sheet_facts(
        make(tmp_path, {"s": names, "t": [str(i) for i in range(1, 21)], "e": event}, "t=time e=event"), OBJECTIVE
    )
    together = the(facts, "sample kinds", "Together")
    assert numbers(together)["of another kind"] == 3
    assert numbers(together)["events among them"] == 3
    assert set(together.rows) == {"P17-LN-Met", "P18 post-chemo", "P19-RECUR"}
    assert "only suggests" in the(facts, "sample kinds", "metastases", "name alone").statement


@pytest.mark.parametrize("text", ["no metastasis", "non-metastatic", "untreated", "pre-treatment", "metastasis-free"])
def test_what_a_text_denies_is_not_found(tmp_path: Path, text: str) -> None:
    sheet = {"s": NAMES, "tissue": [text] * 5 + ["primary"] * 15}
    assert [f for f in sheet_facts(make(tmp_path, sheet), OBJECTIVE) if f.kind == "sample kinds"] == []


def test_a_group_that_is_compared_is_no_other_kind(tmp_path: Path) -> None:
    sheet = {"s": NAMES, "tissue": ["normal"] * 8 + ["tumour"] * 12}
    assert [f for f in sheet_facts(make(tmp_path, sheet, "tissue=group"), OBJECTIVE) if f.kind == "sample kinds"] == []


def test_fields_in_texts_are_parsed_and_compared_with_columns(tmp_path: Path) -> None:
    texts = [f"Age = {40 + i}; Grade = {1 + i % 3}" for i in range(20)]
    age = [str(40 + i) for i in range(20)]
    age[3] = "99"
    facts = sheet_facts(make(tmp_path, {"s": NAMES, "note": texts, "age": age}, "age=covariate"), OBJECTIVE)
    fact = the(facts, "text", "'note'")
    assert (numbers(fact)["with Age"], numbers(fact)["with Grade"]) == (20, 20)
    assert "No column of their own have Grade." in fact.statement
    assert the(facts, "contradiction", "disagree in 1 of 20").rows == ("P03",)


@pytest.mark.parametrize(
    ("cells", "keys"),
    [
        (["age: 4 | sex: F", "age: 5 | sex: M", "sex: F | age: 7"], {"age": "457", "sex": "FMF"}),
        (["tissue: lung", "tissue: liver", "tissue: skin"], {"tissue": None}),
        (["t(4;11)", "t(9;22)", "del(6q)"], {}),
        (["seen at http://a.b/c", "12:30", "none"], {}),
    ],
)
def test_text_fields(cells: list[str], keys: Mapping[str, str | None]) -> None:
    found = {f.key: "".join(f.values) for f in text_fields("c", cells)}
    assert set(found) == set(keys)
    assert all(found[k] == v for k, v in keys.items() if v is not None)


@given(st.lists(st.text(max_size=60), max_size=12))
def test_any_texts_give_fields_with_a_value_for_every_row(cells: list[str]) -> None:
    for field in text_fields("c", cells):
        assert len(field.values) == len(cells)
        assert all(value in cell for value, cell in zip(field.values, cells, strict=True))


def test_spellings_of_a_level_are_merged_but_signs_are_not(tmp_path: Path) -> None:
    tissue = ["Tumor"] * 5 + ["tumor"] * 4 + ["tumour "] * 1 + ["Normal"] * 10
    facts = sheet_facts(
        make(tmp_path, {"s": NAMES, "tissue": tissue, "er": ["+", "-"] * 10}, "tissue=group"), OBJECTIVE
    )
    fact = the(facts, "contradiction", "spells")
    assert fact.weight == 3
    assert numbers(fact)["spellings"] == 4
    assert "'er'" not in fact.statement


def test_codes_for_not_known_stand_out(tmp_path: Path) -> None:
    dose = [str(40 + i) for i in range(17)] + ["999"] * 3
    visits = ["1", "2", "3", "2"] * 4 + ["-9"] * 4
    high = [str(i) for i in range(85, 105)]
    sheet = {"s": NAMES, "dose": dose, "visits": visits, "karno": high}
    facts = [f for f in sheet_facts(make(tmp_path, sheet), OBJECTIVE) if "look like codes" in f.statement]
    assert {(f.statement.split("'")[1], int(numbers(f)["codes"])) for f in facts} == {("dose", 3), ("visits", 4)}


def test_patients_that_repeat_and_ids_that_may_be_two_persons(tmp_path: Path) -> None:
    patient = ["001", "001", "1", "1", "7", "7", "8", "9"]
    sheet = {
        "s": NAMES[:8],
        "patient": patient,
        "tissue": ["T", "N", "T", "N", "T", "N", "T", "N"],
        "age": ["70", "70", "51", "51", "60", "44", "50", "50"],
    }
    facts = sheet_facts(make(tmp_path, sheet, "tissue=group age=covariate"), OBJECTIVE)
    repeats = numbers(the(facts, "repeats", "column 'patient'"))
    assert (repeats["patients"], repeats["patients with several samples"], repeats["with both levels of tissue"]) == (
        5,
        3,
        3,
    )
    assert the(facts, "contradiction", "'age'", "differ between them").rows == ("7: 44, 60",)
    assert "1 of them differ in age or sex" in the(facts, "contradiction", "leading zeros").statement


def test_names_that_match_only_after_a_change(tmp_path: Path) -> None:
    make(tmp_path, {"s": [f"{i}-A" for i in range(1, 13)], "g": ["a", "b"] * 6}, features=["TP53", "ESR1"])
    table = pd.read_csv(tmp_path / "expression.tsv", sep="\t", index_col=0)
    table.columns = pd.Index([f"X{i}.A" for i in range(1, 13)])
    table.to_csv(tmp_path / "expression.tsv", sep="\t")
    fact = the(sheet_facts(load_datasets([tmp_path])[0][0], OBJECTIVE), "identifiers", "make.names")
    assert (numbers(fact)["names in both"], numbers(fact)["match after a change"], fact.weight) == (0, 12, 3)


def test_feature_names_that_programs_changed(tmp_path: Path) -> None:
    features = ["1-Mar", "1-Mar", "2-Sep", "__no_feature", "ENSG00000141510.17", "TP53", "MAR-Q"]
    facts = sheet_facts(make(tmp_path, {"s": NAMES, "g": ["a", "b"] * 10}, features=features), OBJECTIVE)
    assert numbers(the(facts, "identifiers", "dates"))["dates"] == 3
    assert the(facts, "identifiers", "summary of reads").rows == ("__no_feature",)
    assert numbers(the(facts, "identifiers", "Ensembl"))["with version"] == 1


def test_complete_confounding_is_grave(tmp_path: Path) -> None:
    sheet = {"s": NAMES, "group": ["a"] * 10 + ["b"] * 10, "plate": ["1"] * 5 + ["2"] * 5 + ["3"] * 10}
    fact = the(sheet_facts(make(tmp_path, sheet, "group=group"), OBJECTIVE), "batch", "cannot be told apart")
    assert fact.weight == 3
    assert numbers(fact)["Cramér's V"] == 1


def test_names_that_spell_the_group_are_no_batch(tmp_path: Path) -> None:
    sheet = {"s": [f"{g}_{i}" for g in ("ctrl", "kd") for i in range(6)], "g": ["control"] * 6 + ["knockdown"] * 6}
    assert [f for f in sheet_facts(make(tmp_path, sheet, "g=group"), OBJECTIVE) if f.kind == "batch"] == []


def test_names_that_the_objective_uses_and_that_are_not_there(tmp_path: Path) -> None:
    sheet = {"s": NAMES, "er_status": ["1", "0"] * 10, "stage": ["I", "II"] * 10}
    objective = Objective(
        id="o",
        text="Compare er_status = 1 with er_status = 0, adjusted for tumour_size, FDR = 0.05, HALLMARK_E2F_TARGETS.",
        requirements=(Requirement(id="R1", text="Use stage = IV and the column `centre`."),),
    )
    facts = sheet_facts(make(tmp_path, sheet), objective)
    assert the(facts, "not there", "2 names").rows == ("tumour_size", "centre")
    assert the(facts, "not there", "stage = IV").weight == 3


def test_an_endpoint_that_is_asked_for_and_not_taken(tmp_path: Path) -> None:
    times = [str(i) for i in range(1, 21)]
    sheet = {
        "s": NAMES,
        "OS_MONTHS": times,
        "OS_STATUS": ["0", "1"] * 10,
        "RFS_MONTHS": times,
        "RFS_STATUS": ["1"] * 20,
    }
    dataset = make(tmp_path, sheet, "OS_MONTHS=time OS_STATUS=event")
    asked = the(
        sheet_facts(dataset, Objective(id="o", text="Relapse-free survival by score")), "outcome", "2 endpoints"
    )
    given_ = the(sheet_facts(dataset, Objective(id="o", text="Overall survival by score")), "outcome", "2 endpoints")
    assert (asked.weight, given_.weight) == (3, 2)
    assert "The objective asks for RFS" in asked.statement


def test_contradicting_texts_and_exceptions(tmp_path: Path) -> None:
    group = ["tumour"] * 10 + ["normal"] * 10
    titles = [f"{g} tissue {i}" for i, g in enumerate(group)]
    titles[2] = "normal tissue 2"
    sheet = {"s": NAMES, "title": titles, "g": group}
    fact = the(sheet_facts(make(tmp_path, sheet, "g=group"), OBJECTIVE), "contradiction", "'title'")
    assert fact.rows == ("P02",)
    assert numbers(fact)["samples that name a level"] == 20


def test_no_data_and_no_sheet_give_no_facts(tmp_path: Path) -> None:
    empty = Dataset(id="d", title="t", source="s", root=str(tmp_path), files=())
    assert sheet_facts(empty, OBJECTIVE) == []
    assert read_matrix(empty) is None
    assert read_sheet(empty).rows == 0


def test_a_large_matrix_is_read_in_even_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bioresearcher.audit.tables.MAX_MATRIX_ROWS", 10)
    rows = "".join(f"g{i}\t{i}\tNA\tbad\n" for i in range(95))
    (tmp_path / "m.tsv").write_text(f"gene\ta\tb\tc\n{rows}")
    for stated in (95, 0):
        file = DataFile(name="m", kind="expression", path="m.tsv", rows=stated, bytes=1, sha256="0")
        dataset = Dataset(id="d", title="t", source="s", root=str(tmp_path), files=(file,))
        matrix = read_matrix(dataset)
        assert matrix is not None
        assert 5 <= len(matrix.features) <= 10
        steps = np.diff(matrix.values[:, 0])
        assert len(set(steps)) == 1
        assert [f"g{int(v)}" for v in matrix.values[:, 0]] == list(matrix.features)
        assert np.isnan(matrix.values[:, 1:]).all()
        assert (matrix.rows_total, "was read" in matrix.note, "text instead" in matrix.note) == (95, True, True)
        names = read_names(dataset)
        assert names is not None
        assert len(names.features) == 95


SHEETS = st.integers(12, 40).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "group": st.lists(st.sampled_from(["a", "b"]), min_size=n, max_size=n),
            "batch": st.lists(st.sampled_from(["x1", "x2", "x3"]), min_size=n, max_size=n),
            "event": st.lists(st.sampled_from(["0", "1", ""]), min_size=n, max_size=n),
            "time": st.lists(st.integers(0, 120).map(str), min_size=n, max_size=n),
            "grade": st.lists(st.sampled_from(["1", "2", "3", "", ""]), min_size=n, max_size=n),
        }
    )
)


@settings(max_examples=40, deadline=None)
@given(SHEETS)
def test_counts_are_those_of_pandas(columns: dict[str, list[str]]) -> None:
    n = len(columns["group"])
    with tempfile.TemporaryDirectory() as folder:
        roles = "group=group batch=batch event=event time=time grade=covariate"
        dataset = make(Path(folder), {"s": [f"n{i}" for i in range(n)], **columns}, roles)
        facts = sheet_facts(dataset, OBJECTIVE)
    frame = pd.DataFrame(columns).replace("", np.nan)
    events = pd.to_numeric(frame["event"])
    assert len(facts) <= MAX_FACTS
    assert [f.weight for f in facts] == sorted((f.weight for f in facts), reverse=True)
    if events.notna().any() and frame["event"].nunique() == 2:
        total = numbers(the(facts, "outcome", "with known 'event'"))
        assert (total["events"], total["known event"]) == (events.sum(), events.notna().sum())
        assert total["median follow-up"] == statistics.median(map(int, columns["time"]))
    for fact in facts:
        got = numbers(fact)
        if fact.statement.startswith("'batch' against 'group'"):
            table = pd.crosstab(frame["batch"], frame["group"])
            assert got["levels with one group"] == ((table > 0).sum(axis=1) == 1).sum()
            assert got["Cramér's V"] == pytest.approx(association(table.to_numpy(), method="cramer"), abs=1e-3)
        if fact.statement.startswith("Events by batch"):
            for level, rows in frame[events.notna()].groupby("batch"):
                assert got[f"events in {level}"] == pd.to_numeric(rows["event"]).sum()
                assert got[f"samples in {level}"] == len(rows)
                assert got[f"median follow-up in {level}"] == pd.to_numeric(rows["time"]).median()
        if "samples are complete" in fact.statement:
            complete = frame[["group", "event", "time", "grade"]].notna().all(axis=1)
            assert (got["complete"], got["missing grade"]) == (complete.sum(), frame["grade"].isna().sum())


def test_cramers_v_of_a_known_table() -> None:
    one = ["a"] * 50 + ["b"] * 50
    other = ["x"] * 40 + ["y"] * 10 + ["x"] * 15 + ["y"] * 35
    table = np.array([[40, 10], [15, 35]])
    assert cramers_v(one, other) == pytest.approx(association(table, method="cramer", correction=False))
    assert np.isnan(cramers_v(one, ["z"] * 100))


@pytest.fixture
def example() -> Callable[[str], list[FactDraft]]:
    def facts(identity: str) -> list[FactDraft]:
        datasets, _ = load_datasets(list(load_example("breast-cancer").data))
        return sheet_facts(next(d for d in datasets if d.id == identity), OBJECTIVE)

    return facts


def test_the_example_has_metastases_recurrences_and_treated_samples(example: Callable[[str], list[FactDraft]]) -> None:
    facts = example("GSE1992")
    together = numbers(the(facts, "sample kinds", "Together"))
    assert (together["of another kind"], together["events among them"]) == (7, 7)
    assert "No event in UB (n = 21)" in the(facts, "follow-up", "series").statement


def test_the_example_has_print_series_in_its_names(example: Callable[[str], list[FactDraft]]) -> None:
    fact = the(example("GSE4335"), "batch", "prefixes")
    sizes = {"svcc": 39, "svl": 26, "shby": 20, "shaz": 16, "shac": 8, "shbg": 3, "svn": 2, "svj": 1}
    assert {n: int(c) for n, c in numbers(fact).items() if n != "prefixes"} == {
        f"names with {s}": c for s, c in sizes.items()
    }


def test_a_real_series_whose_titles_contradict_its_groups(shared_data: Path, tmp_path: Path) -> None:
    datasets, _ = load_datasets([shared_data / "geo" / "soft" / "GSE781-GPL96_trimmed_family.soft.gz"], tmp_path)
    facts = sheet_facts(datasets[0], OBJECTIVE)
    assert numbers(the(facts, "contradiction", "'title'", "apart from its numbers"))["contradict"] == 3
    assert "001 and 1" in the(facts, "contradiction", "leading zeros").statement
    assert numbers(the(facts, "repeats", "'title'"))["with both levels of source_name"] == 7


def test_real_sample_names_that_lost_their_zeros(shared_data: Path) -> None:
    folder = shared_data / "expression" / "all_chiaretti"
    fact = the(sheet_facts(load_datasets([folder])[0][0], OBJECTIVE), "identifiers", "'cod'")
    frame = pd.read_csv(folder / "phenotype.tsv", sep="\t", dtype=str)
    assert numbers(fact)["without their zeros"] == (frame["sample"] != frame["cod"]).sum()


def test_of_a_large_sheet_the_columns_with_roles_and_the_first_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bioresearcher.audit.tables.MAX_SHEET_CELLS", 240)
    sheet = {"s": NAMES, **{f"c{i}": ["1", "2"] * 10 for i in range(15)}, "group": ["a", "b"] * 10}
    read = read_sheet(make(tmp_path, sheet, "group=group"))
    assert list(read.columns) == ["s", *(f"c{i}" for i in range(10)), "group"]
    assert "12 of 17 columns" in read.note


def test_a_missing_code_that_is_the_only_other_value_may_be_a_level(tmp_path: Path) -> None:
    sheet = {"s": NAMES, "region": ["EU", "NA"] * 10, "site": ["x"] * 20}
    fact = the(sheet_facts(make(tmp_path, sheet), OBJECTIVE), "missingness", "may be a level")
    assert numbers(fact) == {"EU": 10, "NA": 10}
    sheet["grade"] = ["1", "2", "3", "NA"] * 5
    assert not any("may be a level" in f.statement for f in sheet_facts(make(tmp_path, sheet), OBJECTIVE))


def test_barcodes_of_samples_match_those_of_patients(tmp_path: Path) -> None:
    patients = [f"TCGA-A{i % 3}-{1000 + i}" for i in range(12)]
    make(tmp_path, {"s": patients, "g": ["a", "b"] * 6}, features=["TP53", "ESR1"])
    table = pd.read_csv(tmp_path / "expression.tsv", sep="\t", index_col=0)
    table.columns = pd.Index([f"{p}-01" for p in patients])
    table.to_csv(tmp_path / "expression.tsv", sep="\t")
    fact = the(sheet_facts(load_datasets([tmp_path])[0][0], OBJECTIVE), "identifiers", "three parts of TCGA")
    assert numbers(fact)["match after a change"] == 12


def test_one_variable_under_two_names_is_told(tmp_path: Path) -> None:
    sheet = {
        "sample": [f"s{i}" for i in range(12)],
        "tumor_grade": ["1", "2", "3", "2", "1", "2"] + [""] * 6,
        "adjacent_tumor_grade": [""] * 6 + ["3", "2", "1", "2", "3", "1"],
        "tumor_site": ["left"] * 6 + [""] * 6,
        "metastasis_site": [""] * 6 + ["lung"] * 6,
        "age": ["50", "61"] * 3 + [""] * 6,
        "age_at_death": ["", "", "", "", "", "70"] + ["71"] * 6,
    }
    fact = the(sheet_facts(make(tmp_path, sheet), OBJECTIVE), "missingness", "as if one variable stood under two names")
    assert "'tumor_grade' (6) and 'adjacent_tumor_grade' (6)" in fact.statement
    assert numbers(fact) == {"samples": 12, "pairs": 1}, "other words, other levels, and both given are no such pair"
