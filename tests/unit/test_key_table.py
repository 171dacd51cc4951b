"""The table that shows an answer: its columns, and the rows that the question names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bioresearcher.report.key_table import MOST_COLUMNS, key_table
from bioresearcher.report.run_data import PreviewColumn, TablePreview

HEADER = ("set", "pairs", "difference", "low", "high", "sd", "genes", "score", "p", "q", "verdict")


def preview(names: tuple[str, ...], rows: int, header: tuple[str, ...] = HEADER) -> TablePreview:
    columns = tuple(PreviewColumn(n, numeric=n not in ("set", "verdict")) for n in header)
    cells = tuple(tuple((f"{name}", f"{name}") if n == 0 else ("1", "1") for n in range(len(header))) for name in names)
    return TablePreview(columns, cells, rows, len(header))


def task(*tables: TablePreview) -> Any:
    outputs = [SimpleNamespace(table=t, artifact=SimpleNamespace(path=f"{n}.tsv")) for n, t in enumerate(tables)]
    return SimpleNamespace(outputs=outputs, task=SimpleNamespace(id="T1"))


NAMES = ("HALLMARK_HYPOXIA", "HALLMARK_GLYCOLYSIS", "HALLMARK_MYC_TARGETS_V1", "HALLMARK_MYC_TARGETS_V2")


def test_effects_intervals_and_tests_are_shown_in_the_tables_order() -> None:
    found = key_table([task(preview(NAMES, 4))], "Which sets differ?")
    assert found is not None
    assert [c.name for c in found.columns] == ["set", "difference", "low", "high", "p", "q", "verdict"]
    assert len(found.columns) == MOST_COLUMNS
    assert ([r[0][0] for r in found.rows], found.total, found.named) == ([*NAMES], 4, False)


def test_an_effect_by_another_name_is_shown() -> None:
    header = ("gene_set", "genes", "pairs", "sd", "t", "df", "mean", "low", "high", "p", "q", "call")
    found = key_table([task(preview(NAMES, 4, header))], "Which sets differ?")
    assert found is not None
    assert [c.name for c in found.columns] == ["gene_set", "genes", "mean", "low", "high", "p", "q"]


def test_a_question_for_one_set_shows_its_row() -> None:
    found = key_table([task(preview(NAMES, 4))], "Difference of the score of HALLMARK_MYC_TARGETS_V1 by tissue.")
    assert found is not None
    assert ([r[0][0] for r in found.rows], found.total, found.named) == (["HALLMARK_MYC_TARGETS_V1"], 4, True)


def test_a_table_of_tests_comes_before_one_of_samples() -> None:
    samples = preview(("s1", "s2", "s3", "s4", "s5"), 5, ("sample", "age"))
    found = key_table([task(samples, preview(NAMES, 4))], "Which?")
    assert found is not None
    assert found.output.artifact.path == "1.tsv"
    alone = key_table([task(samples)], "Which?")
    assert alone is not None
    assert alone.output.artifact.path == "0.tsv"
    assert key_table([], "Which?") is None
