"""Loading reads the label of each different cell once, and misses none by that."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.schemas.dataset import Dataset
from bioresearcher.sources.datasets import labels
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.geo.sample_labels import CONCEPTS, label, may_differ


def loaded(folder: Path, header: list[str], rows: list[list[str]]) -> Dataset:
    folder.mkdir()
    text = "".join(",".join(row) + "\n" for row in (header, *rows))
    (folder / "sheet.csv").write_text(text, encoding="utf-8")
    [dataset], failures = load_datasets([folder])
    assert not failures
    return dataset


def test_labels_are_read_once_for_each_different_cell_and_not_for_each_pair_of_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(text: str, concept: str) -> str | None:
        asked.append(text)
        return label(text, concept)

    monkeypatch.setattr(labels, "label", counted)
    header = ["sample", "group", *(f"note_{i}" for i in range(12))]
    rows = [[f"S{i}", ("tumour", "normal")[i % 2], *[("treated", "untreated")[i % 2]] * 12] for i in range(200)]
    rows[8][5] = "untreated"
    dataset = loaded(tmp_path / "data", header, rows)
    found = [r for r in dataset.readings if r.says.startswith("labels contradict")]
    assert len(found) == 11
    assert "S8: " in found[0].says
    assert len(asked) <= 13 * 2 * len(CONCEPTS)


@pytest.mark.parametrize("concept", [c for c in CONCEPTS if c != "marker"])
def test_a_search_of_all_cells_misses_no_label_of_any(concept: str) -> None:
    cells = "normal,tumour,untreated,drug-treated,+/+,-/-,wt,ko,M, f ,male,woman,x".split(",")
    for one in cells:
        for other in cells:
            told = {label(one, concept), label(other, concept)} - {None}
            assert len(told) < 2 or may_differ({one, other}, concept)
