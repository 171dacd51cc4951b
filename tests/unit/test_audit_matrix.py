"""Facts about the values of a matrix: what is stated agrees with an independent count, and noise states nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.audit.audit import MAX_FACTS, MAX_OF_DATASET, audit
from bioresearcher.audit.matrix import examine
from bioresearcher.audit.matrix_filled import find_filled, shortest
from bioresearcher.audit.matrix_genes import GeneSets, named_sets, planned_genes
from bioresearcher.audit.matrix_scale import has_thousands_points
from bioresearcher.audit.tables import FactDraft, Matrix, read_matrix, read_sheet
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Audit
from bioresearcher.sources.datasets.load import load_datasets

EXAMPLE = Path(__file__).resolve().parents[2] / "bioresearcher" / "_examples" / "breast-cancer" / "data"
OBJECTIVE = Objective(id="o", text="Differences by ER, and a proliferation (E2F target) score in two cohorts.")
FILLED_SERIES = {"svcc", "svj", "svl", "svn"}


def written(folder: Path, frame: pd.DataFrame, sheet: pd.DataFrame | None = None) -> Dataset:
    """Write a matrix, and a sheet if there is one, and load them."""
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "expression.tsv", sep="\t", index_label="gene")
    if sheet is not None:
        sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    datasets, failures = load_datasets([folder])
    assert failures == []
    return datasets[0]


def stated(dataset: Dataset, objective: Objective = OBJECTIVE, sets: Sequence[GeneSets] = ()) -> list[FactDraft]:
    matrix = read_matrix(dataset)
    assert matrix is not None
    return list(examine(dataset, read_sheet(dataset), matrix, objective, sets).facts)


def number(fact: FactDraft, name: str) -> float:
    return next(n.value for n in fact.numbers if n.name == name)


def noise(rows: int, columns: int, seed: int) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(7, 2, (rows, columns))
    return pd.DataFrame(values, [f"g{i}" for i in range(rows)], [f"x{i + 1}" for i in range(columns)])


def held(frame: pd.DataFrame) -> Matrix:
    values = frame.to_numpy(dtype=np.float32)
    return Matrix("expression", values, tuple(frame.index), tuple(frame.columns), len(frame))


@pytest.fixture(scope="module")
def example() -> Audit:
    datasets, failures = load_datasets([EXAMPLE])
    assert failures == []
    return audit(datasets, OBJECTIVE)


def test_the_example_s_filled_values_are_stated_per_sample_and_series(example: Audit) -> None:
    frame = pd.read_csv(EXAMPLE / "GSE4335" / "expression_log2.tsv.gz", sep="\t", index_col=0)
    counts = {s: frame[s].value_counts().iloc[0] for s in frame}
    by_series = pd.Series(counts).groupby(lambda s: "".join(c for c in s if c.isalpha()))
    assert set(by_series.groups) >= FILLED_SERIES
    text = next(f.statement for f in example.facts if f.dataset == "GSE4335" and "By series" in f.statement)
    for series in FILLED_SERIES | {"shac"}:
        low, high, size = by_series.min()[series], by_series.max()[series], by_series.size()[series]
        spread = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        assert f"{series}: {spread} in {size} of {size}" in text
    inner = next(
        f for f in example.facts if f.dataset == "GSE4335" and "was filled in, not measured: in these" in f.statement
    )
    assert (inner.weight, inner.kind) == (3, "filled values")
    assert next(n.value for n in inner.numbers if n.name == "most repeats in a sample") == max(counts.values())


def test_the_example_s_filled_genes_and_renamed_symbols_of_the_named_set(example: Audit) -> None:
    fact = next(f for f in example.facts if f.dataset == "GSE4335" and "HALLMARK_E2F_TARGETS" in f.statement)
    values = {n.name: n.value for n in fact.numbers}
    assert (values["genes"], values["measured as written"], values["measured under another name"]) == (200, 162, 3)
    frame = pd.read_csv(EXAMPLE / "GSE4335" / "expression_log2.tsv.gz", sep="\t", index_col=0)
    lines = (EXAMPLE / "hallmark" / "h.all.v7.0.symbols.gmt").read_text(encoding="utf-8").splitlines()
    genes = next(line.split("\t")[2:] for line in lines if line.startswith("HALLMARK_E2F_TARGETS\t"))
    part = frame.loc[[g for g in (*genes, "CDC2", "ORC6L", "DLG7") if g in frame.index]]
    shares = {s: float((part[s] == frame[s].mode().iloc[0]).mean()) for s in frame if s.startswith("svl")}
    assert values["median share filled in, svl"] == pytest.approx(np.median(list(shares.values())), abs=1e-3)


def test_the_example_s_batch_and_equal_rows_are_stated(example: Audit) -> None:
    mine = [f for f in example.facts if f.dataset == "GSE4335"]
    batch = next(f for f in mine if f.shown_by == "audit.matrix_structure.batch_facts")
    assert next(n.value for n in batch.numbers if n.name == "share of component 1 as given") > 0.9
    frame = pd.read_csv(EXAMPLE / "GSE4335" / "expression_log2.tsv.gz", sep="\t", index_col=0)
    same = frame.index[frame.duplicated(keep=False)]
    assert next(f for f in mine if "repeat another row" in f.statement).rows == (" = ".join(same),)


def test_facts_are_numbered_by_weight_and_limited(example: Audit) -> None:
    assert [f.id for f in example.facts] == [f"F{i}" for i in range(1, len(example.facts) + 1)]
    weights = [f.weight for f in example.facts]
    assert weights == sorted(weights, reverse=True)
    assert len(weights) <= MAX_FACTS
    assert max(sum(f.dataset == d for f in example.facts) for d in ("GSE1992", "GSE4335")) <= MAX_OF_DATASET
    assert all(len(f.rows) <= 40 and f.row_count >= len(f.rows) for f in example.facts)


@pytest.mark.parametrize("decimals", [2, 6])
@given(seed=st.integers(0, 2**31), samples=st.integers(4, 9), data=st.data())
def test_an_injected_constant_is_found_with_its_exact_count(
    decimals: int, seed: int, samples: int, data: st.DataObject
) -> None:
    frame = noise(2_000, samples, seed).round(decimals)
    wanted = {}
    for name in data.draw(st.sets(st.sampled_from(list(frame.columns)), min_size=1)):
        count = data.draw(st.integers(150, 1_200), label=name)
        value = round(float(frame[name].median()), decimals)
        at = np.random.default_rng(seed + count).choice(len(frame), count, replace=False)
        frame.iloc[at, frame.columns.get_loc(name)] = value
        wanted[name] = (value, int((frame[name] == value).sum()))
    matrix = held(frame)
    filled = find_filled(matrix)
    found = {matrix.samples[j]: (shortest(filled.inner[j]), int(filled.inner_count[j])) for j in filled.found}
    assert found == wanted


@given(seed=st.integers(0, 2**31), decimals=st.sampled_from([1, 2, 3, 8]), samples=st.integers(4, 30))
def test_continuous_random_values_have_nothing_filled_in(seed: int, decimals: int, samples: int) -> None:
    filled = find_filled(held(noise(1_500, samples, seed).round(decimals)))
    assert not filled.inner_count.any()
    assert not filled.floor_count.any()
    assert not filled.ceiling_count.any()


@given(seed=st.integers(0, 2**31), logs=st.booleans())
def test_counts_and_their_logarithms_have_nothing_filled_in(seed: int, logs: bool) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.negative_binomial(0.3, 0.3 / (0.3 + rng.lognormal(2, 2, (2_000, 1))), (2_000, 8)).astype(float)
    if logs:
        counts = np.log2(counts / counts.sum(0) * 1e6 + 1)
    frame = pd.DataFrame(counts, [f"g{i}" for i in range(2_000)], [f"x{i}" for i in range(8)])
    assert not find_filled(held(frame)).inner_count.any()


def test_a_floor_is_told_from_a_value_filled_in() -> None:
    frame = noise(2_000, 12, 5).clip(lower=6)
    filled = find_filled(held(frame))
    assert not filled.inner_count.any()
    assert filled.floor_count.tolist() == (frame == 6).sum().tolist()


@given(seed=st.integers(0, 2**31))
def test_points_between_thousands_are_told_from_decimals(seed: int) -> None:
    counts = np.random.default_rng(seed).negative_binomial(1, 0.001, 2_000)
    read_as = np.where(counts < 1_000, counts, counts / 1_000)
    assert has_thousands_points(read_as[read_as < 1_000].astype(float))
    assert not has_thousands_points(counts.astype(float))
    assert not has_thousands_points(noise(100, 20, seed).round(3).to_numpy().ravel())


def test_plain_noise_states_its_scale_and_nothing_else(tmp_path: Path) -> None:
    facts = stated(written(tmp_path / "d", noise(600, 20, 3)))
    assert [f.kind for f in facts] == ["scale"]


def test_values_filled_in_by_feature_are_counted(tmp_path: Path) -> None:
    frame = noise(400, 40, 4)
    rng = np.random.default_rng(1)
    for i in range(30):
        frame.iloc[i, rng.choice(40, 12, replace=False)] = frame.iloc[i].mean()
    fact = next(f for f in stated(written(tmp_path / "d", frame)) if f.kind == "filled values")
    assert (number(fact, "features concerned"), number(fact, "values filled in")) == (30, 360)


def test_equal_and_nearly_equal_samples_are_named(tmp_path: Path) -> None:
    frame = noise(500, 20, 6)
    frame["x2"] = frame["x1"]
    frame["x4"] = frame["x3"] + np.random.default_rng(0).normal(0, 0.01, 500)
    facts = [f for f in stated(written(tmp_path / "d", frame)) if f.kind == "repeats"]
    assert [f.rows[0].split(" (")[0] for f in facts] == ["x1 = x2", "x3 and x4"]


def test_constant_and_repeated_features_are_counted(tmp_path: Path) -> None:
    frame = noise(300, 10, 7)
    frame.iloc[:7] = 3.5
    frame.iloc[20] = frame.iloc[21]
    texts = [f.statement for f in stated(written(tmp_path / "d", frame)) if f.kind == "repeats"]
    assert texts[0].startswith("7 of 300 features hold one value")
    assert texts[1].startswith("2 of 300 features repeat another row")


def test_missing_values_are_counted_by_sample_and_group(tmp_path: Path) -> None:
    frame = noise(200, 12, 8)
    frame.iloc[:80, :6] = np.nan
    sheet = pd.DataFrame({"sample": frame.columns, "batch": ["a"] * 6 + ["b"] * 6, "group": ["c", "d"] * 6})
    facts = [f for f in stated(written(tmp_path / "d", frame, sheet)) if f.kind == "missingness"]
    assert number(facts[0], "missing values") == 480
    assert number(facts[1], "median missing, a") == 0.4
    assert len(facts) == 2


def test_a_batch_in_the_values_is_stated_but_never_by_an_outcome(tmp_path: Path) -> None:
    frame = noise(400, 24, 9)
    frame.iloc[:200, :12] += 4
    halves = ["1"] * 12 + ["0"] * 12
    sheet = pd.DataFrame({"sample": frame.columns, "batch": halves, "event": halves, "relapse_status": halves})
    facts = [f for f in stated(written(tmp_path / "d", frame, sheet)) if f.kind == "batch"]
    assert len(facts) == 1
    assert "'batch'" in facts[0].statement
    assert facts[0].weight == 3
    everything = " ".join(f.statement for f in stated(written(tmp_path / "d", frame, sheet)))
    assert "event" not in everything
    assert "relapse" not in everything


def test_nothing_about_values_depends_on_the_outcome(tmp_path: Path) -> None:
    datasets, _ = load_datasets([EXAMPLE / "GSE4335"])
    before = stated(datasets[0])
    sheet = pd.read_csv(EXAMPLE / "GSE4335" / "clinical.tsv", sep="\t", dtype=str)
    frame = pd.read_csv(EXAMPLE / "GSE4335" / "expression_log2.tsv.gz", sep="\t", index_col=0)
    shuffled = sheet.sample(frac=1, random_state=1)
    sheet["event"], sheet["time"] = shuffled["event"].to_numpy(), shuffled["time"].to_numpy()
    other = tmp_path / "d"
    written(other, frame)
    for file in ("dataset.toml", "expression_log2.tsv.gz"):
        (other / file).write_bytes((EXAMPLE / "GSE4335" / file).read_bytes())
    sheet.to_csv(other / "clinical.tsv", sep="\t", index=False)
    again, failures = load_datasets([other])
    assert failures == []
    assert stated(again[0]) == before


def test_measured_sex_of_real_leukaemias_contradicts_some_labels(shared_data: Path) -> None:
    datasets, _ = load_datasets([shared_data / "expression" / "all_chiaretti"])
    fact = next(f for f in stated(datasets[0]) if f.kind == "contradiction")
    folder = shared_data / "expression" / "all_chiaretti"
    frame = pd.read_csv(folder / "expression_log2.tsv.gz", sep="\t", index_col=0)
    sex = pd.read_csv(folder / "phenotype.tsv", sep="\t", dtype=str).set_index("sample")["sex"]
    named = {row.split(" labelled ")[0] for row in fact.rows if " labelled " in row}
    assert number(fact, "with the other sex") == len(named) > 0
    y = frame.loc[["RPS4Y1", "DDX3Y", "KDM5D", "EIF1AY"]].mean()
    for sample in named:
        own, other = (sex[sample], "M" if sex[sample] == "F" else "F")
        assert abs(y[sample] - y[sex == other].median()) < abs(y[sample] - y[sex == own].median())


def test_right_labels_of_sex_are_not_contradicted(tmp_path: Path) -> None:
    frame = noise(300, 20, 11)
    frame.index = ["XIST", "RPS4Y1", "DDX3Y", "KDM5D", *frame.index[4:]]
    woman = np.array([i % 2 == 0 for i in range(20)])
    for gene, high in (("XIST", woman), ("RPS4Y1", ~woman), ("DDX3Y", ~woman), ("KDM5D", ~woman)):
        frame.loc[gene] = np.where(high, 10, 4) + np.random.default_rng(2).normal(0, 0.3, 20)
    labels = ["female" if w else "male" for w in woman]
    sheet = pd.DataFrame({"sample": frame.columns, "sex": labels})
    assert not [f for f in stated(written(tmp_path / "a", frame, sheet)) if f.kind == "contradiction"]
    sheet.loc[4, "sex"] = "male"
    fact = next(f for f in stated(written(tmp_path / "b", frame, sheet)) if f.kind == "contradiction")
    assert fact.rows == ("x5 labelled male",)


def test_a_normal_that_lies_with_the_tumours_is_reported_with_distances(tmp_path: Path) -> None:
    frame = noise(400, 20, 12)
    frame.iloc[:150, 10:] += 4
    sheet = pd.DataFrame({"sample": frame.columns, "tissue type": ["normal"] * 11 + ["tumour"] * 9})
    fact = next(f for f in stated(written(tmp_path / "d", frame, sheet)) if f.kind == "contradiction")
    assert fact.row_count == 1
    assert fact.rows[0].startswith("x11 labelled normal (distances:")


def test_sets_are_named_by_their_distinctive_words() -> None:
    names = ("HALLMARK_E2F_TARGETS", "HALLMARK_HYPOXIA", "HALLMARK_MYC_TARGETS_V1")
    sets = GeneSets("h", dict.fromkeys(names, ("A", "B")))
    assert named_sets(sets, OBJECTIVE) == ["HALLMARK_E2F_TARGETS"]
    assert named_sets(sets, Objective(id="o", text="A hallmark of cancer")) == []


def test_planned_genes_are_told_from_other_words_in_capitals() -> None:
    objective = Objective(
        id="o",
        text="Is TP53 or CDC2 higher in ALL by PCR and FDR, as MET and DNA suggest?",
        requirements=(Requirement(id="R1", text="Report ESR1 with CI and HR."),),
    )
    assert planned_genes(objective) == ("TP53", "CDC2", "ESR1")
    assert planned_genes(Objective(id="o", text="IS TP53 HIGHER")) == ()


def test_planned_genes_that_are_not_measured_are_said(shared_data: Path) -> None:
    datasets, _ = load_datasets([shared_data / "expression" / "breast_gse1992"])
    objective = Objective(id="o", text="Compare CDK1, ESR1 and CD274.")
    fact = next(f for f in stated(datasets[0], objective) if f.kind == "not there")
    frame = pd.read_csv(shared_data / "expression" / "breast_gse1992" / "expression_log2.tsv.gz", sep="\t")
    assert "CDC2" in set(frame["gene"])
    absent = [g for g in ("ESR1", "CD274") if g not in set(frame["gene"])]
    assert fact.rows == ("CDK1 is measured as CDC2", *(f"{g} is not measured" for g in absent))


def test_gene_sets_against_probes_ask_for_a_mapping(shared_data: Path) -> None:
    datasets, _ = load_datasets([shared_data / "expression" / "golub"])
    sets = GeneSets("h", {"A": ("TP53", "ESR1", "CDK1")})
    fact = next(f for f in stated(datasets[0], OBJECTIVE, [sets]) if f.kind == "gene sets")
    assert "Affymetrix probe sets" in fact.statement
    assert fact.weight == 3


def test_annotation_beside_the_samples_is_no_sample(tmp_path: Path) -> None:
    frame = noise(100, 12, 13)
    sheet = pd.DataFrame({"sample": frame.columns, "group": ["a", "b"] * 6})
    frame.insert(0, "Entrez", range(1_000, 1_100))
    found = audit([written(tmp_path / "d", frame, sheet)], OBJECTIVE)
    assert any("1 columns of expression have no row" in note for note in found.notes)
    assert not [f for f in found.facts if "lie apart" in f.statement]


def test_large_whole_intensities_are_no_counts(tmp_path: Path) -> None:
    frame = (2 ** (noise(100, 8, 14) + 15)).round()
    text = stated(written(tmp_path / "d", frame))[0].statement
    assert "as counts" not in text
    assert "not logarithms" in text


def test_what_cannot_be_read_is_a_note_and_the_others_are_audited(tmp_path: Path) -> None:
    good = written(tmp_path / "good", noise(60, 8, 1)).model_copy(update={"id": "good"})
    bad = written(tmp_path / "bad", noise(60, 8, 2)).model_copy(update={"id": "bad"})
    (tmp_path / "bad" / "expression.tsv").unlink()
    empty = good.model_copy(update={"id": "empty", "files": ()})
    found = audit([bad, empty, good], OBJECTIVE)
    assert any(note.startswith("bad:") for note in found.notes)
    assert any(note.startswith("empty:") for note in found.notes)
    assert {f.dataset for f in found.facts} == {"good"}
    assert audit([], OBJECTIVE) == Audit()


def test_a_scale_that_was_read_off_the_values_is_not_told_as_stated(tmp_path: Path) -> None:
    inferred = written(tmp_path, noise(60, 12, 3))
    described = inferred.model_copy(update={"described_by": "dataset.toml", "notes": ()})
    for one, said in ((inferred, "no scale is stated"), (described, "the description says log2")):
        assert any(said in fact.statement for fact in stated(one) if fact.kind == "scale"), said
