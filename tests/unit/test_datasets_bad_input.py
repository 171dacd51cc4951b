"""Data as it comes: broken, mismatched, hostile, huge. Each gets one clear line."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits

IDS = [f"S{i}" for i in range(10)]


def matrix(ids: list[str] = IDS, extra: str = "") -> str:
    rows = "".join(f"G{g}\t" + "\t".join(str((g + i) % 9 / 2) for i in range(len(ids))) + "\n" for g in range(20))
    return "gene\t" + "\t".join(ids) + "\n" + rows + extra


def sheet(ids: list[str] = IDS, event: str = "01") -> str:
    rows = "".join(f"{s}\t{'ab'[i % 2]}\t{i + 1}\t{event[i % len(event)]}\n" for i, s in enumerate(ids))
    return "sample\tgroup\ttime\tevent\n" + rows


def load(tmp_path: Path, **files: str | bytes) -> Dataset:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name.replace("__", ".")).write_bytes(data)
    [dataset], failures = load_datasets([tmp_path])
    assert not failures
    assert all("\n" not in p for p in dataset.problems)
    return dataset


def only_failure(path: Path) -> str:
    datasets, [failure] = load_datasets([path])
    assert datasets == []
    assert failure.item
    assert "\n" not in failure.message
    return f"{failure.message} {failure.hint}"


def test_nothing_there_says_what_is_accepted(tmp_path: Path) -> None:
    empty = tmp_path / "empty folder"
    empty.mkdir()
    with pytest.raises(InputError, match=r"empty folder: no data in this folder\. Give a folder with dataset\.toml"):
        load_datasets([empty])
    with pytest.raises(InputError, match="no such file or folder"):
        load_datasets([tmp_path / "nowhere"])
    (tmp_path / "table.docx").write_bytes(b"PK")
    with pytest.raises(InputError, match="is no table"):
        load_datasets([tmp_path / "table.docx"])


def test_duplicate_genes(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix(extra="G1" + "\t1.5" * 10 + "\nG3" + "\t0.5" * 10 + "\n"), s__tsv=sheet())
    assert any("2 rows repeat a feature name, e.g. 'G1', 'G3'" in p for p in dataset.problems)
    assert dataset.n_features == 22


def test_text_in_a_numeric_matrix_names_value_row_and_column(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix().replace("G2\t1.0\t1.5", "G2\t1.0\tabc"), s__tsv=sheet())
    assert any("'abc' (row 'G2', line 4, column 'S1')" in p for p in dataset.problems)


def test_infinite_numbers_are_no_numbers(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix().replace("G2\t1.0\t1.5", "G2\tinf\tnan"), s__tsv=sheet())
    assert any("1 cells hold text" in p and "'inf'" in p for p in dataset.problems)
    assert any("1 of 200 cells of m.tsv are missing" in n for n in dataset.notes)


def test_text_among_numbers_in_a_sheet(tmp_path: Path) -> None:
    dataset = load(tmp_path, s__tsv=sheet().replace("S3\tb\t4", "S3\tb\t4 mo"))
    assert any(
        "column 'time' holds text where numbers are expected: 1 of 10 values, first '4 mo' in line 5" in p
        for p in dataset.problems
    )


def test_samples_that_do_not_match(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix(), s__tsv=sheet([*IDS[:7], "X1", "X2"]))
    assert dataset.n_samples == 7
    assert any("3 of 10 samples in m.tsv are not in s.tsv, e.g. 'S7', 'S8', 'S9'" in p for p in dataset.problems)
    assert any("2 of 9 samples in s.tsv are not in m.tsv, e.g. 'X1', 'X2'" in p for p in dataset.problems)


def test_no_sample_matches_but_would_without_punctuation(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix([f"TCGA.{s}" for s in IDS]), s__tsv=sheet([f"tcga-{s}" for s in IDS]))
    assert dataset.n_samples == 0
    assert any("10 would match if case and punctuation were ignored" in p for p in dataset.problems)


def test_a_transposed_matrix_is_recognised(tmp_path: Path) -> None:
    rows = "".join(f"{s}\t" + "\t".join(f"{i}.5" for _ in range(12)) + "\n" for i, s in enumerate(IDS))
    text = "id\t" + "\t".join(f"GENE{g}" for g in range(12)) + "\n" + rows
    dataset = load(tmp_path, m__tsv=text, s__tsv=sheet())
    assert any("transpose it, features must be rows" in p for p in dataset.problems)


def test_three_samples(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix(IDS[:3]), s__tsv=sheet(IDS[:3]))
    assert any("only 3 samples; at least 6 are needed" in p for p in dataset.problems)


def test_all_censored_and_too_few_events(tmp_path: Path) -> None:
    dataset = load(tmp_path, s__tsv=sheet(event="0"))
    assert any("holds no event: every sample is censored" in p for p in dataset.problems)
    other = tmp_path / "b"
    other.mkdir()
    assert any("holds 1 events; at least 5" in p for p in load(other, s__tsv=sheet(event="0000010000")).problems)


def test_sample_names_that_repeat(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix(), s__tsv=sheet([*IDS, "S1"]))
    assert any("must name every sample once" in p for p in dataset.problems)
    assert dataset.n_samples == 0


def test_ragged_rows_and_missing_name_of_the_first_column(tmp_path: Path) -> None:
    dataset = load(tmp_path, s__tsv=sheet() + "S11\ta\n")
    assert any("1 rows do not have 4 cells as the header has (first: line 12 with 2)" in p for p in dataset.problems)
    other = tmp_path / "r"
    other.mkdir()
    r_style = load(other, m__csv=matrix().replace("gene\t", "").replace("\t", ","))
    assert any("first column has no name; add one" in p for p in r_style.problems)


def test_encodings_and_byte_order_marks(tmp_path: Path) -> None:
    text = sheet().replace("S3", "Grün")
    dataset = load(tmp_path, s__csv=text.replace("\t", ",").encode("latin-1"))
    assert any("line 5 is not UTF-8 and was read as Latin-1" in p for p in dataset.problems)
    marked = tmp_path / "bom"
    marked.mkdir()
    dataset = load(marked, s__csv=b"\xef\xbb\xbf" + text.replace("\t", ",").encode())
    assert dataset.files[0].columns[0].name == "sample"
    assert any("byte order mark" in p for p in dataset.problems)


def test_other_separators_are_said(tmp_path: Path) -> None:
    dataset = load(tmp_path, s__csv=sheet().replace("\t", ";"))
    assert any("its name holds ';': use commas in .csv files" in p for p in dataset.problems)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.tsv", b"", "empty.tsv: the file is empty."),
        ("blank.csv", b"\n\n\n", "blank.csv: the file is empty."),
        ("wide.csv", "a,b\n1,2\n".encode("utf-16"), "the text is UTF-16"),
        ("binary.tsv", b"a\tb\n\x00\x01\t2\n", "line 2 holds binary data"),
        (
            "broken.tsv.gz",
            gzip.compress(b"a\tb\n" + os.urandom(4000).hex().encode())[:-900],
            "cannot be read as a table",
        ),
        ("nogz.tsv.gz", b"a\tb\n1\t2\n", "cannot be read as a table"),
        ("quote.csv", b'a,b\n"' + b"x" * 200_000, "cannot be read as a table"),
        ("none.gmt", b"only one field\n", "no gene sets found"),
        ("latin.gmt", b"A\tb\tGr\xfcn\n", "not UTF-8"),
    ],
)
def test_unreadable_files_are_failures_and_not_crashes(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert expected in only_failure(tmp_path / name)


def test_a_header_without_rows(tmp_path: Path) -> None:
    assert any("there is a header but no row" in p for p in load(tmp_path, s__tsv="sample\tgroup\n").problems)


def test_column_names_that_repeat(tmp_path: Path) -> None:
    dataset = load(tmp_path, m__tsv=matrix([*IDS[:9], "S0"]), s__tsv=sheet())
    assert any("1 column names occur more than once, e.g. 'S0'" in p for p in dataset.problems)


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.tsv").write_text(sheet(), encoding="utf-8")
    inner = tmp_path / "set"
    inner.mkdir()
    (inner / "link.tsv").symlink_to(tmp_path / "secret.tsv")
    with pytest.raises(InputError, match="no data in this folder"):
        load_datasets([inner])


def test_a_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tsv")
    with pytest.raises(InputError, match="no data"):
        load_datasets([tmp_path])


def test_a_line_without_end_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    path = tmp_path / "line.tsv"
    path.write_bytes(b"a\tb\n" + b"1\t" * 3000)
    with RowStream(path, TableLimits(line_bytes=4096)) as stream, pytest.raises(InputError, match="line 2 is longer"):
        list(stream.rows())


def test_rows_after_the_limit_are_counted_and_said(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\n" + "1\t2\n" * 1000 + "1\t2", encoding="utf-8")
    with RowStream(path, TableLimits(text_bytes=400)) as stream:
        seen = len(list(stream.rows()))
    assert seen == stream.rows_seen < 200
    assert stream.truncated
    assert stream.rows_total == 1001


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["x.csv", "x.tsv", "x.tsv.gz", "x.gmt", "x.txt"]))
def test_any_bytes_give_a_data_set_or_a_failure(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    try:
        datasets, failures = load_datasets([path])
    except InputError:
        assert name == "x.txt"
        return
    assert len(datasets) + len(failures) == 1


def test_a_large_file_does_not_grow_the_process(tmp_path: Path) -> None:
    """50 MB of matrix, loaded in a process of its own, whose peak memory is read afterwards."""
    row = "\t".join(f"{i * 37 % 2000 / 100 - 10:.4f}" for i in range(2000)) + "\n"
    rows = 50_000_000 // len(row)
    with (tmp_path / "m.tsv").open("w", encoding="utf-8") as file:
        file.write("gene\t" + "\t".join(f"S{i}" for i in range(2000)) + "\n")
        for i in range(rows):
            file.write(f"G{i}\t{row}")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from bioresearcher.sources.datasets.load import load_datasets\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "[d], f = load_datasets([Path(sys.argv[1])])\n"
        "print(d.n_features, len(f), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    features, failures, grown_kb = map(int, done.stdout.split())
    assert (features, failures) == (rows, 0)
    assert grown_kb < 30_000


def test_an_unclosed_quote_is_refused_whatever_limit_other_code_has_set(tmp_path: Path) -> None:
    (tmp_path / "quote.csv").write_bytes(b'a,b\n"' + b"x" * 200_000)
    before = csv.field_size_limit(10_000_000)
    try:
        assert "cannot be read as a table" in only_failure(tmp_path / "quote.csv")
    finally:
        csv.field_size_limit(before)
