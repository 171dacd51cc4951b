"""Data sets with a dataset.toml: what is read, and how mistakes in it are said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bioresearcher.sources.datasets.load import load_datasets

SAMPLES = [f"P{i}" for i in range(8)]
MATRIX = (
    "gene\t"
    + "\t".join(SAMPLES)
    + "\n"
    + "".join(f"G{g}\t" + "\t".join(f"{g + s / 10}" for s in range(8)) + "\n" for g in range(5))
)
SHEET = "id\ter\ttime\tevent\tage\n" + "".join(
    f"P{i}\t{'pos' if i % 2 else 'neg'}\t{i + 1}\t{1 if i < 6 else 0}\t{40 + i}\n" for i in range(8)
)
HEAD = 'title = "Tumours"\nsource = "own"\n'
FILES = """
[[files]]
name = "expression"
kind = "expression"
path = "m.tsv.gz"
feature_column = "gene"
scale = "log2"
[[files]]
name = "samples"
kind = "samples"
path = "s.tsv"
sample_column = "id"
"""
COLUMNS = """
[files.columns.er]
role = "group"
label = "oestrogen receptor"
aliases = ["ER"]
case = "pos"
control = "neg"
[files.columns.time]
role = "time"
unit = "days"
[files.columns.event]
role = "event"
"""


def folder(tmp_path: Path, toml: str, *, sheet: str = SHEET, matrix: str = MATRIX, name: str = "set") -> Path:
    root = tmp_path / name
    root.mkdir()
    (root / "m.tsv.gz").write_bytes(gzip.compress(matrix.encode()))
    (root / "s.tsv").write_text(sheet, encoding="utf-8")
    (root / "dataset.toml").write_text(toml, encoding="utf-8")
    return root


def mistakes(root: Path) -> list[str]:
    datasets, failures = load_datasets([root])
    assert not datasets
    assert all("\n" not in f.message and f.stage == "load_datasets" for f in failures)
    return [f.message for f in failures]


def test_everything_stated_is_carried_over(tmp_path: Path) -> None:
    toml = (
        'accession = "GSE1"\norganism = "Homo sapiens"\nrole = "discovery"\nnotes = ["a caveat"]\nendpoint = "death"\n'
    )
    root = folder(tmp_path, HEAD + toml + FILES + COLUMNS)
    [dataset], failures = load_datasets([root])
    assert failures == []
    assert (dataset.id, dataset.accession, dataset.described_by) == ("GSE1", "GSE1", "dataset.toml")
    assert (dataset.n_samples, dataset.n_features, dataset.problems) == (8, 5, ())
    assert dataset.notes == ("a caveat",)
    matrix, sheet = dataset.files
    assert (matrix.samples, matrix.scale, matrix.feature_column, matrix.columns) == (8, "log2", "gene", ())
    assert sheet.sample_column == "id"
    er = next(c for c in sheet.columns if c.name == "er")
    assert (er.role, er.levels, er.case, er.control, er.aliases) == ("group", ("neg", "pos"), "pos", "neg", ("ER",))
    time = dataset.column("time")
    assert time is not None
    assert time.unit == "days"
    assert dataset.column("id") == next(c for c in sheet.columns if c.name == "id")


def test_what_is_not_stated_is_noted_and_stays_open(tmp_path: Path) -> None:
    root = folder(tmp_path, HEAD + FILES.replace('scale = "log2"\n', "") + COLUMNS.replace('unit = "days"\n', ""))
    [dataset], _ = load_datasets([root])
    assert dataset.endpoint is None
    text = " ".join(dataset.notes)
    assert "unit of 'time'" in text
    assert "What counts as an event" in text
    assert "scale of m.tsv.gz is not stated; its values run from 0 to 4.7" in text


def test_a_folder_of_data_sets_and_a_description_named_directly(tmp_path: Path) -> None:
    one = folder(tmp_path, HEAD + FILES, name="one")
    folder(tmp_path, HEAD + FILES, name="two")
    both, failures = load_datasets([tmp_path])
    assert [d.id for d in both] == ["one", "two"]
    assert not failures
    same, _ = load_datasets([one / "dataset.toml", one])
    assert [d.id for d in same] == ["one", "one-2"]


def test_one_bad_description_does_not_stop_the_others(tmp_path: Path) -> None:
    folder(tmp_path, "title = 3", name="bad")
    folder(tmp_path, HEAD + FILES, name="good")
    datasets, failures = load_datasets([tmp_path])
    assert [d.id for d in datasets] == ["good"]
    assert {f.item for f in failures} == {"bad/dataset.toml"}


def test_every_mistake_is_named_with_its_field(tmp_path: Path) -> None:
    toml = 'titel = "x"\nsource = ""\nrole = "training"\nnotes = "one"\n' + FILES.replace(
        '"samples"\npath', '"sheet"\npath'
    )
    found = mistakes(folder(tmp_path, toml + '[files.columns.er]\nrole = "grouping"\ncaze = "pos"\n'))
    text = "\n".join(found)
    assert "title: must be given" in found
    assert "titel: unknown field; did you mean `title`?" in found
    assert any(m.startswith("source: ") for m in found)
    assert "role: 'training' is not possible" in text
    assert "notes: expected a list, not 'one'" in found
    assert "files[2] (samples).kind: 'sheet' is not possible" in text
    assert "files[2] (samples).columns.er.role: 'grouping' is not possible" in text
    assert "files[2] (samples).columns.er.caze: unknown field; did you mean `case`?" in found


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        (HEAD, "files: must be given"),
        (HEAD + "files = []\n", "files: "),
        ("title = [", "not valid TOML"),
        (HEAD + FILES.replace('"samples"\nkind', '"expression"\nkind'), "files: the name 'expression' is used twice"),
        (HEAD + FILES + '[files.columns.er]\nrole = "group"\ncase = "pos"\n', "give both `case` and `control`"),
        (HEAD + FILES + '[files.columns.er]\nrole = "group"\ncase = "a"\ncontrol = "a"\n', "are the same level"),
        (
            HEAD + FILES + '[files.columns.sex]\nrole = "group"\n',
            "files[2] (samples).columns.sex: s.tsv has no such column",
        ),
        (
            HEAD + FILES.replace('sample_column = "id"', 'sample_column = "pid"'),
            "sample_column: s.tsv has no column 'pid'",
        ),
        (HEAD + FILES.replace('"gene"', '"symbol"'), "feature_column: m.tsv.gz has no column 'symbol'"),
        (HEAD + FILES.replace("s.tsv", "t.tsv"), "files[2] (samples).path: 't.tsv' is not there"),
        (HEAD + FILES.replace('name = "samples"', 'name = "my samples"'), "must begin with a letter"),
        (HEAD + FILES + 'feature_column = "id"\n', "belong to files of kind 'expression'"),
    ],
)
def test_a_mistake_is_one_line_naming_the_field(tmp_path: Path, toml: str, expected: str) -> None:
    found = mistakes(folder(tmp_path, toml))
    assert any(expected in m for m in found), found


@pytest.mark.parametrize(
    "path", ["../outside.tsv", "/etc/passwd", "sub/../../outside.tsv", "~/x.tsv", "link.tsv", "linked/outside.tsv"]
)
def test_paths_cannot_leave_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.tsv").write_text(SHEET, encoding="utf-8")
    root = folder(tmp_path, HEAD + FILES.replace("s.tsv", path))
    (root / "link.tsv").symlink_to(tmp_path / "outside.tsv")
    (root / "linked").symlink_to(tmp_path)
    [message] = mistakes(root)
    assert message.startswith("files[2] (samples).path: ")
    assert "out of the data set's folder" in message


def test_a_link_inside_the_folder_is_fine(tmp_path: Path) -> None:
    root = folder(tmp_path, HEAD + FILES.replace("s.tsv", "link.tsv"))
    (root / "link.tsv").symlink_to(root / "s.tsv")
    [dataset], failures = load_datasets([root])
    assert not failures
    assert dataset.n_samples == 8


def test_levels_written_as_numbers_and_extra_missing_values(tmp_path: Path) -> None:
    sheet = "id\ter\n" + "".join(f"P{i}\t{i % 2}\n" for i in range(6)) + "P6\tx\nP7\tNA\n"
    columns = '[files.columns.er]\nrole = "group"\ncase = 1\ncontrol = 0\nmissing_values = ["x"]\n'
    [dataset], failures = load_datasets([folder(tmp_path, HEAD + FILES + columns, sheet=sheet)])
    assert not failures
    er = dataset.files[1].columns[1]
    assert (er.case, er.control, er.levels, er.missing, er.dtype) == ("1", "0", ("0", "1"), 2, "integer")
    assert set(er.missing_values) == {"x", "NA"}


def test_a_case_that_does_not_occur_is_a_problem(tmp_path: Path) -> None:
    toml = HEAD + FILES + COLUMNS.replace('case = "pos"', 'case = "positive"')
    [dataset], _ = load_datasets([folder(tmp_path, toml)])
    assert any("case 'positive' has 0 samples (levels: neg (4), pos (4))" in p for p in dataset.problems)


def test_a_scale_that_cannot_be_is_a_problem(tmp_path: Path) -> None:
    matrix = MATRIX.replace("G0\t0.0", "G0\t12345")
    [dataset], _ = load_datasets([folder(tmp_path, HEAD + FILES, matrix=matrix)])
    assert any("said to be log2, but values up to 12345" in p for p in dataset.problems)
