"""A table read as it is written: every row and column, numbers as programs write them, nothing where that is unsure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.plain import as_plain_table, plain_columns


def load(path: Path, store: Path) -> Dataset:
    """The one data set at a path."""
    (dataset,), failures = load_datasets([path], store)
    assert failures == []
    return dataset


def written(folder: Path, name: str, *lines: str) -> Path:
    """A file of lines."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """A table of named rows and numbers, which is taken for a matrix."""
    rows = [f"site{n},{n * 1.5:.2f},{n * 0.25:.3f},{-n * 0.75:.2f},{n % 7}" for n in range(1, 31)]
    return written(tmp_path / "data", "scores.csv", "site,first,second,third,fourth", *rows)


def test_a_table_that_was_taken_for_a_matrix_has_all_its_columns(scores: Path, tmp_path: Path) -> None:
    dataset = load(scores, tmp_path / "store")
    assert dataset.file("samples") is None
    plain = as_plain_table(dataset, tmp_path / "store")
    sheet = plain.file("samples")
    assert plain_columns(dataset) == ("site", "first", "second", "third", "fourth")
    assert sheet is not None
    assert tuple(c.name for c in sheet.columns) == plain_columns(dataset)
    assert (sheet.rows, plain.id, plain.title, plain.given) == (30, dataset.id, dataset.title, str(scores))


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (lambda n: f"{n},{n % 10}5", "1.15"),
        (lambda n: f"{n % 9 + 1}.{99 + n}" if n % 2 else f"{n * 10 + 1}", "2100"),
    ],
)
def test_decimal_commas_and_points_of_thousands_are_set_right(
    cells: Callable[[int], str], first: str, tmp_path: Path
) -> None:
    rows = [f"g{n};{cells(n)};{cells(n + 2)}" for n in range(1, 61)]
    path = written(tmp_path / "data", "german.csv", "gene;one;two", *rows)
    plain = as_plain_table(load(path, tmp_path / "store"), tmp_path / "store")
    assert Path(plain.root, "table.tsv").read_text(encoding="utf-8").splitlines()[1].split("\t")[1] == first


def test_decimals_beside_whole_numbers_of_another_column_are_not_taken_for_thousands(tmp_path: Path) -> None:
    rows = [f"p{n},{n + 20},{n % 9 + 1}.{100 + 10 * n}" for n in range(1, 61)]
    path = written(tmp_path / "data", "clinic.csv", "patient,age,ldl", *rows)
    with pytest.raises(InputError, match="not certain"):
        as_plain_table(load(path, tmp_path / "store"), tmp_path / "store")


def test_odd_headers_and_rows_stay_apart(tmp_path: Path) -> None:
    rows = [f'"row, {n}",{n},{n + 1}' for n in range(1, 9)]
    path = written(tmp_path / "data", "odd.csv", "name,value,value,", *rows, '"=cmd()",3')
    plain = as_plain_table(load(path, tmp_path / "store"), tmp_path / "store")
    lines = Path(plain.root, "table.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "name\tvalue\tvalue (3)\tcolumn 4"
    assert lines[1] == "row, 1\t1\t2\t"
    assert lines[-1] == "=cmd()\t3\t\t"


def test_a_described_or_joined_data_set_is_no_plain_table(scores: Path, tmp_path: Path) -> None:
    written(scores.parent, "more.csv", "sample,group", *(f"s{n},{'ab'[n % 2]}" for n in range(8)))
    dataset = load(scores.parent, tmp_path / "store")
    assert plain_columns(dataset) == ()
    with pytest.raises(InputError, match="is not one table"):
        as_plain_table(dataset, tmp_path / "store")
    stated = load(scores, tmp_path / "store").model_copy(update={"described_by": "dataset.toml"})
    assert plain_columns(stated) == ()
