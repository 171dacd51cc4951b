"""Output files read back for the report."""

from __future__ import annotations

import hashlib
from pathlib import Path

import output_files as builder
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.report import run_data
from bioresearcher.schemas.execution import Artifact


def artifact(path: str, data: bytes, kind: str = "table") -> Artifact:
    return Artifact(name="x", path=path, kind=kind, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def stored(folder: Path, name: str, data: bytes, kind: str = "table") -> run_data.OutputFile:
    (folder / "outputs").mkdir(exist_ok=True)
    (folder / "outputs" / name).write_bytes(data)
    return run_data.read_output(artifact(f"outputs/{name}", data, kind), folder, "tasks/T1")


def test_a_table_shows_its_first_rows_with_aligned_numbers(tmp_path):
    found = stored(tmp_path, "de.tsv", builder.table(90))
    assert found.state == "same"
    assert found.link == "./tasks/T1/outputs/de.tsv"
    assert [c.numeric for c in found.table.columns] == [False, True, True, True, True]
    assert found.table.extent == "first 10 of 90 rows"
    assert found.table.rows[1][1] == ("2.99", "2.99")
    assert found.table.rows[0][3] == ("1.30e-19", "1.3e-19")


def test_a_table_of_a_collection_of_gene_sets_is_shown_whole(tmp_path):
    found = stored(tmp_path, "sets.tsv", builder.table(50))
    assert (found.table.extent, len(found.table.rows)) == ("50 rows", 50)


def test_a_wide_table_shows_its_first_columns(tmp_path):
    found = stored(tmp_path, "m.tsv", builder.table(3, 200))
    assert found.table.extent == f"3 rows, first {run_data.PREVIEW_COLUMNS} of 205 columns"
    assert all(len(row) == run_data.PREVIEW_COLUMNS for row in found.table.rows)


def test_whole_numbers_stay_as_written_since_they_may_be_identifiers(tmp_path):
    found = stored(tmp_path, "y.csv", b"year,n\n2012,1234567\n")
    assert [shown for shown, _ in found.table.rows[0]] == ["2012", "1234567"]


def test_quoted_line_ends_and_ragged_rows_are_read(tmp_path):
    found = stored(tmp_path, "q.csv", b'a,b\n"x\ny",1\nz\n\n')
    assert found.table.total_rows == 2
    assert [[s for s, _ in row] for row in found.table.rows] == [["x y", "1"], ["z", ""]]


@pytest.mark.parametrize("data", [b"", b"\n"])
def test_an_empty_table_is_said_to_be_empty(tmp_path, data):
    found = stored(tmp_path, "e.csv", data)
    assert found.table is None
    assert found.note == "the table is empty"


def test_a_changed_file_is_not_shown(tmp_path):
    stored(tmp_path, "de.tsv", b"a\tb\n1\t2\n")
    (tmp_path / "outputs" / "de.tsv").write_bytes(b"a\tb\n9\t9\n")
    found = run_data.read_output(artifact("outputs/de.tsv", b"a\tb\n1\t2\n"), tmp_path, "tasks/T1")
    assert found.state == "changed"
    assert found.table is None


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    found = run_data.read_output(artifact("outputs/no.tsv", b""), tmp_path, "tasks/T1")
    assert (found.state, found.link) == ("missing", None)


@pytest.mark.parametrize("path", ["../secret.tsv", "/etc/passwd", "outputs/../../secret.tsv", "", "outputs/\x00"])
def test_paths_out_of_the_task_folder_are_refused(tmp_path, path):
    (tmp_path.parent / "secret.tsv").write_text("a\n1\n")
    assert run_data.read_output(artifact(path, b"a\n1\n"), tmp_path, "t").state == "refused"


def test_symlinks_are_refused_also_as_folders(tmp_path):
    task, outside = tmp_path / "T1", tmp_path / "outside"
    task.mkdir()
    outside.mkdir()
    (outside / "x.tsv").write_bytes(b"a\n1\n")
    (task / "outputs").symlink_to(outside)
    (task / "x.tsv").symlink_to(outside / "x.tsv")
    assert run_data.read_output(artifact("outputs/x.tsv", b"a\n1\n"), task, "t").state == "refused"
    assert run_data.read_output(artifact("x.tsv", b"a\n1\n"), task, "t").state == "refused"


def test_figures_carry_their_size_and_are_known_by_content(tmp_path):
    found = stored(tmp_path, "v.png", builder.png(), "figure")
    assert (found.figure.width, found.figure.height) == (720, 480)
    assert found.figure.data_uri.startswith("data:image/png;base64,")
    assert stored(tmp_path, "c.svg", builder.svg(), "figure").figure.data_uri.startswith("data:image/svg+xml;base64,")
    assert stored(tmp_path, "f.png", b"<html><script>", "figure").figure is None
    assert stored(tmp_path, "t.png", builder.png()[:20], "figure").note == "not a readable PNG or SVG"


def test_a_huge_figure_is_not_embedded(tmp_path, monkeypatch):
    monkeypatch.setattr(run_data, "MAX_FIGURE_BYTES", 100)
    found = stored(tmp_path, "v.png", builder.png(), "figure")
    assert found.figure is None
    assert found.note == "too large to show here"


def test_long_text_is_cut_and_said_so(tmp_path):
    found = stored(tmp_path, "n.txt", b"x" * 10_000, "text")
    assert len(found.text) == run_data.MAX_TEXT_CHARACTERS
    assert found.note


@given(data=st.binary(max_size=300), suffix=st.sampled_from([".tsv", ".csv", ".png", ".svg", ".txt", ".md", ".json"]))
def test_any_bytes_are_a_file_that_can_be_reported(tmp_path_factory, data, suffix):
    folder = tmp_path_factory.mktemp("any")
    found = stored(folder, f"f{suffix}", data)
    assert found.state == "same"
