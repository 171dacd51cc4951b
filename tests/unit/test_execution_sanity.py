"""Warnings about results and samples: raised on real data where something was made wrong, silent where nothing was."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, mannwhitneyu

from bioresearcher.examples import load_example
from bioresearcher.execution.outputs import check_outputs
from bioresearcher.execution.statistics_warnings import cramers_v, in_order, inflation, marker_rows, warn
from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskInput, TaskOutput


def task(**parameters: Any) -> DryLabTask:
    return DryLabTask(
        id="T1", title="t", goal="g", step_ids=("1.1",),
        inputs=tuple(TaskInput(name=n, dataset="d", file=n) for n in ("matrix", "samples")),
        outputs=(TaskOutput(name="table", file="t.tsv", kind="table"),), parameters=parameters,
    )  # fmt: skip


@pytest.fixture
def cohort(tmp_path: Path) -> dict[str, Path]:
    source = load_example("breast-cancer").data[0]
    sheet = tmp_path / "samples.tsv"
    sheet.write_bytes((source / "clinical.tsv").read_bytes())
    return {"matrix": source / "expression_log2.tsv.gz", "samples": sheet}


def relabelled(path: Path, share: float) -> None:
    """Exchange oestrogen-receptor labels of some samples."""
    table = pd.read_csv(path, sep="\t", dtype=str)
    chosen = random.Random(1).sample(range(len(table)), int(share * len(table)))
    table.loc[chosen, "er_positive"] = table.loc[chosen, "er_positive"].map({"1": "0", "0": "1"}).fillna("missing")
    table.to_csv(path, sep="\t", index=False)


def test_real_labels_agree_with_their_marker_gene(cohort: dict[str, Path]) -> None:
    assert set(marker_rows(cohort["matrix"])) >= {"ESR1", "ERBB2"}
    assert warn(task(group_column="er_positive"), cohort, {}) == ()


@pytest.mark.parametrize(("share", "said"), [(1.0, "labels of er_positive swapped"), (0.4, "contradict each other")])
def test_exchanged_labels_are_noticed(cohort: dict[str, Path], share: float, said: str) -> None:
    relabelled(cohort["samples"], share)
    (warning,) = warn(task(group_column="er_positive"), cohort, {})
    assert warning.startswith("ESR1")
    assert said in warning


def test_sex_is_held_against_x_and_y_genes_of_real_samples(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "expression" / "all_chiaretti"
    rows = marker_rows(folder / "expression_log2.tsv.gz")
    if not rows.keys() & {"XIST", "RPS4Y1"}:
        pytest.skip("the matrix has none of these genes")
    sheet = pd.read_csv(folder / "phenotype.tsv", sep="\t", dtype=str)
    right, wrong = tmp_path / "right.tsv", tmp_path / "wrong.tsv"
    sheet.to_csv(right, sep="\t", index=False)
    sheet.assign(sex=sheet["sex"].map({"M": "F", "F": "M"})).to_csv(wrong, sep="\t", index=False)
    files = {"matrix": folder / "expression_log2.tsv.gz"}
    assert warn(task(), files | {"samples": right}, {}) == ()
    assert any("labels of sex swapped" in w for w in warn(task(), files | {"samples": wrong}, {}))


def test_a_batch_that_goes_with_the_group_is_named(cohort: dict[str, Path]) -> None:
    table = pd.read_csv(cohort["samples"], sep="\t", dtype=str)
    table.assign(batch=table["er_positive"].map({"1": "A", "0": "B"})).to_csv(cohort["samples"], sep="\t", index=False)
    (warning,) = warn(task(group_column="er_positive"), cohort, {})
    assert warning == "batch goes with er_positive (Cramér's V = 1.00): what differs may be the batch"
    table.assign(batch=["AB"[n % 2] for n in range(len(table))]).to_csv(cohort["samples"], sep="\t", index=False)
    assert warn(task(group_column="er_positive"), cohort, {}) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gene\tn_case\tn_control\nA\t4\t30\n", "n_case is as low as 4"),
        ("term\thazard_ratio\tp\tevents\nage\t1.1\t0.2\t25\nsize\t1.2\t0.3\t25\ner\t0.8\t0.5\t25\n",
         "25 events for 3 terms: fewer than 10 events per variable"),
        ("term\thazard_ratio\tp\tevents\tph_p\nage\t1.1\t0.2\t95\t0.01\n", "proportional hazards: p = 0.01"),
        ("gene\tp\n" + "".join(f"g{n}\t{(n + 1) / 4000}\n" for n in range(1000)), "smaller than chance gives"),
        ("gene\tp\n" + "".join(f"g{n}\t{0.5 + n / 2001}\n" for n in range(1000)), "larger than chance gives"),
        ("gene\tp\n" + "".join(f"g{n}\t{(n + 0.5) / 1000}\n" for n in range(1000)), ""),
        ("term\thazard_ratio\tp\tevents\tph_p\tn\nage\t1.1\t0.2\t95\t0.4\t120\n", ""),
    ],
)  # fmt: skip
def test_results_are_asked_what_a_statistician_would_ask(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    warnings = warn(task(), {}, {"table": tmp_path / "t.tsv"})
    assert len(warnings) == bool(said)
    assert said in "".join(warnings)


def test_the_inflation_factor_of_uniform_p_values_is_one() -> None:
    assert math.isclose(inflation([n / 10_000 for n in range(1, 10_000)]), 1, abs_tol=0.01)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), min_size=8, max_size=60))
def test_cramers_v_is_that_of_scipy(pairs: list[tuple[str, str]]) -> None:
    found = cramers_v(pairs)
    table = pd.crosstab(pd.Series([a for a, _ in pairs]), pd.Series([b for _, b in pairs]))
    if min(table.shape) < 2:
        assert found is None
        return
    chi2 = chi2_contingency(table, correction=False).statistic
    assert found == pytest.approx(math.sqrt(chi2 / len(pairs) / (min(table.shape) - 1)), abs=1e-9)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_the_share_in_order_is_the_area_under_the_curve(high: list[int], low: list[int]) -> None:
    statistic = mannwhitneyu(high, low).statistic
    assert in_order(high, low) == pytest.approx(statistic / (len(high) * len(low)))


def written(folder: Path, output: TaskOutput, text: str) -> Any:
    (folder / "t.tsv").write_text("gene\tn\nA\t42\n")
    (folder / output.file).write_text(text)
    asked = task(fdr=0.05).model_copy(update={"outputs": (*task().outputs, output)})
    return check_outputs(asked, folder, base=folder)


@pytest.mark.parametrize(("text", "outcome"), [
    ("We tested A in 42 samples at FDR < 0.05.", None), ("A was higher in 17 of 42 samples.", Outcome.BAD_OUTPUT),
    ("No numbers here.", None),
])  # fmt: skip
def test_numbers_in_a_text_stand_in_a_table(tmp_path: Path, text: str, outcome: Outcome | None) -> None:
    report = written(tmp_path, TaskOutput(name="text", file="t.txt", kind="text"), text)
    assert report.outcome is outcome
    assert outcome is None or "states 17" in report.message


@pytest.mark.parametrize(("text", "outcome"), [
    ('{"coefficients": [0.3, 1.2]}', None), ('{"coefficients": []}', Outcome.BAD_OUTPUT), ("{", Outcome.BAD_OUTPUT),
])  # fmt: skip
def test_a_model_in_json_holds_numbers(tmp_path: Path, text: str, outcome: Outcome | None) -> None:
    assert written(tmp_path, TaskOutput(name="model", file="m.json", kind="model"), text).outcome is outcome
