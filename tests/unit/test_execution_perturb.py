"""Changed copies of inputs: what changes, what stays, and that it is the same every time."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioresearcher.execution.inside.describe_inputs import LIMIT, texts
from bioresearcher.execution.inside.perturb_inputs import VARIANTS, perturb_file

KEEP_ROWS = ("resample", "permute", "touch", "rewrite")


def perturb(source: Path, variant: str, seed: int = 1) -> tuple[str, dict]:
    target = source.with_name("out" + (".gz" if source.suffix == ".gz" else ".dat"))
    said = perturb_file(source, target, variant, random.Random(seed))
    raw = target.read_bytes()
    return (gzip.decompress(raw) if source.suffix == ".gz" else raw).decode(), said


def grid(text: str, separator: str = "\t") -> list[list[str]]:
    return [line.split(separator) for line in text.splitlines()]


def sheet(folder: Path, rows: int = 30) -> Path:
    path = folder / "sheet.tsv"
    rng = random.Random(5)
    lines = [f"s{i}\t{rng.randint(20, 90)}.5\t{rng.choice('ab')}\tname {i}\t" for i in range(rows)]
    path.write_text("id\tage\tgroup\tlabel\tempty\n" + "\n".join(lines) + "\n")
    return path


def test_a_sheet_keeps_names_and_changes_values(tmp_path: Path) -> None:
    path = sheet(tmp_path)
    before = grid(path.read_text())
    for variant in ("resample", "permute", "touch"):
        text, said = perturb(path, variant)
        after = grid(text)
        assert said == {"kind": "table", "changed": True, **({"rows": 30} if variant == "touch" else {})}
        assert after[0] == before[0]
        assert [r[0] for r in after] == [r[0] for r in before]
        assert [r[3] for r in after] == [r[3] for r in before]
        assert {r[1] for r in after[1:]} <= {r[1] for r in before[1:]}
        moved = sum(a[1] != b[1] for a, b in zip(after, before, strict=True))
        assert moved == 1 if variant == "touch" else moved > 15
        same_counts = Counter(r[2] for r in after) == Counter(r[2] for r in before)
        assert same_counts == (variant == "permute")
    kept = {r[0] for r in grid(perturb(path, "drop")[0])}
    assert 0.7 * len(before) < len(kept) < len(before)


def test_the_same_values_can_be_written_in_other_bytes(tmp_path: Path) -> None:
    path = sheet(tmp_path)
    text, _ = perturb(path, "rewrite")
    assert text != path.read_text()
    assert [[r[0], float(r[1]), r[2]] for r in grid(text)[1:]] == [
        [r[0], float(r[1]), r[2]] for r in grid(path.read_text())[1:]
    ]
    path.write_text("id\tn\ns1\t1\ns2\t2\n")
    assert grid(perturb(path, "rewrite")[0]) == grid(path.read_text())
    assert "\r\n" in (tmp_path / "out.dat").read_bytes().decode()


def test_a_matrix_changes_within_its_rows(shared_data: Path, tmp_path: Path) -> None:
    lines = gzip.decompress(
        (shared_data / "expression/breast_gse1992/expression_log2.tsv.gz").read_bytes()
    ).splitlines()
    path = tmp_path / "matrix.tsv.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines[:400]) + b"\n"))
    before = grid(gzip.decompress(path.read_bytes()).decode())
    text, said = perturb(path, "resample")
    after = grid(text)
    assert said["changed"]
    assert after[0] == before[0]
    assert [r[0] for r in after] == [r[0] for r in before]
    assert all(set(a) <= set(b) for a, b in zip(after, before, strict=True))
    touched = grid(perturb(path, "touch")[0])
    assert all(
        sum(x != y for x, y in zip(a, b, strict=True)) == 1 for a, b in zip(touched[1:], before[1:], strict=True)
    )


def test_clinical_numbers_are_no_matrix(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "clinical.tsv"
    path.write_bytes((shared_data / "expression/breast_gse1992/clinical.tsv").read_bytes())
    before, after = grid(path.read_text()), grid(perturb(path, "resample")[0])
    for column in range(1, len(before[0])):
        assert {r[column] for r in after} <= {r[column] for r in before}


def test_gene_sets_keep_names_and_sizes_and_exchange_members(tmp_path: Path) -> None:
    path = tmp_path / "sets.gmt"
    path.write_text("".join(f"SET{i}\tabout\t" + "\t".join(f"G{i}_{j}" for j in range(8)) + "\n" for i in range(10)))
    before = grid(path.read_text())
    for variant in ("resample", "permute", "touch"):
        after = grid(perturb(path, variant)[0])
        assert [r[:2] for r in after] == [r[:2] for r in before]
        assert [len(r) for r in after] == [len(r) for r in before]
        assert Counter(x for r in after for x in r) == Counter(x for r in before for x in r)
        assert after != before


def test_json_numbers_change_places(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"w": {"A": 1.5, "B": 2.5, "C": -3.5}, "n": 3, "m": 4, "name": "x", "on": true}')
    before, after = json.loads(path.read_text()), json.loads(perturb(path, "permute", 4)[0])
    assert sorted(after["w"].values()) == sorted(before["w"].values())
    assert after != before
    assert (after["name"], after["on"], {after["n"], after["m"]}) == ("x", True, {3, 4})


def test_a_list_of_names_loses_some(tmp_path: Path) -> None:
    path = tmp_path / "genes.txt"
    path.write_text("gene\n" + "\n".join(f"G{i}" for i in range(20)) + "\n")
    for variant in ("resample", "permute", "touch"):
        after = perturb(path, variant)[0].split()
        assert after[0] == "gene"
        assert len(set(after)) < 21


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.png", b"\x89PNG\r\n"),
        ("x.json", b"{broken"),
        ("x.md", b"# Notes"),
        ("x.tsv.gz", b"not compressed"),
        ("x.csv", b'a,b\n"' + b"x" * 11_000_000),
    ],
)
def test_what_is_not_understood_is_copied(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    said = perturb_file(tmp_path / name, tmp_path / "out.dat", "resample", random.Random(1))
    assert said["changed"] is False
    assert (tmp_path / "out.dat").read_bytes() == data


@pytest.mark.parametrize("data", ["", "\n", "a\n", "a\tb\n", "# note\na\tb\n", "a\tb\n1\t2\n", "\ta\nr1\t1\t2\n\n\n"])
def test_tiny_tables_pass(data: str, tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(data)
    for variant in VARIANTS:
        perturb(path, variant)


cell = st.text(st.characters(blacklist_characters="\r\n\t", blacklist_categories=["Cs"]), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(cell, min_size=3, max_size=3), min_size=1, max_size=12),
    variant=st.sampled_from(KEEP_ROWS),
    separator=st.sampled_from(["\t", ","]),
)
def test_shape_names_and_cells_survive(rows, variant, separator, tmp_path: Path) -> None:
    import csv
    import io

    path = tmp_path / ("x.csv" if separator == "," else "x.tsv")
    rows = [[f"r{i}", *row] for i, row in enumerate(rows)]
    table = [["id", "a", "b", "c"], *rows]
    file = io.StringIO()
    if separator == ",":
        csv.writer(file).writerows(table)
    else:
        file.write("".join("\t".join(row) + "\n" for row in table))
    path.write_text(file.getvalue(), newline="")
    first, again = perturb(path, variant)[0], perturb(path, variant)[0]
    assert first == again
    lines = io.StringIO(first, newline="")
    found = list(csv.reader(lines)) if separator == "," else [line.rstrip("\r\n").split("\t") for line in lines]
    assert [r[0] for r in found] == [r[0] for r in table]
    if variant != "rewrite":
        for i in (1, 2, 3):
            assert {r[i] for r in found} <= {r[i] for r in table}


def describe(path: Path) -> str:
    return texts([{"name": "samples", "path": str(path)}])[0]


def test_of_a_huge_table_all_rows_are_counted_and_the_first_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bioresearcher.execution.inside import describe_inputs

    monkeypatch.setattr(describe_inputs, "FULL_CELLS", 100)
    path = tmp_path / "m.tsv"
    path.write_text("g\ta\tb\tc\n" + "".join(f"g{i}\t{i}\t2\t3\n" for i in range(60)))
    text = describe(path)
    assert "60 rows × 4 columns" in text
    assert "those of the first 25 rows" in text
    assert "a: integer, 0 missing; 0 to 24" in text


def test_a_description_says_what_a_programmer_needs(shared_data: Path) -> None:
    text = describe(shared_data / "expression/breast_gse1992/clinical.tsv")
    assert "124 rows × 9 columns, tab-separated" in text
    assert "grade: integer, 4 missing; values '1'" in text
    assert "er_positive: integer, 2 missing" in text
    assert "age: integer, 0 missing; 25 to" in text or "age:" in text
    assert "BR00-0504" in text
    matrix = describe(shared_data / "expression/breast_gse1992/expression_log2.tsv.gz")
    assert "4951 rows × 125 columns" in matrix
    assert "124 numeric columns (BR00-0504" in matrix
    sets = describe(shared_data / "gene_sets/h.all.v7.0.symbols.gmt")
    assert "50 gene sets" in sets
    assert max(map(len, (text, matrix, sets))) <= LIMIT


def test_a_description_stays_small_and_on_its_lines_whatever_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wide\n\x1b[31m.csv"
    path.write_text(
        ",".join("c" * 300 + str(i) for i in range(900)) + "\n" + ",".join("\x1b[2Jx" for _ in range(900)) + "\n"
    )
    text = describe(path)
    assert len(text) <= LIMIT
    assert "\x1b" not in text
    for name, data in (("e.csv", b""), ("b.bin", b"\0\1"), ("n.gz", b"x"), ("x.gmt", b"one line")):
        (tmp_path / name).write_bytes(data)
        assert describe(tmp_path / name)
    assert "cannot be read" in describe(tmp_path / "missing.tsv")


@pytest.mark.parametrize(
    "name", ["soft_ex_family.txt", "GSM32878.txt", "GDS507.soft.gz", "GSE99709_series_matrix.txt.gz"]
)
def test_tables_inside_geos_files_change_and_the_rest_stays(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes((shared_data / "geo" / "soft" / name).read_bytes())
    before = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    after, said = perturb(path, "permute")
    assert said["kind"] == "soft"
    lines, other = before.splitlines(), after.splitlines()
    assert len(lines) == len(other)
    described = [n for n, line in enumerate(lines) if line[:1] in {"!", "^", "#"}]
    assert [lines[n] for n in described] == [other[n] for n in described]
    assert said["changed"] == (lines != other)
    if name != "GSE99709_series_matrix.txt.gz":  # its table is empty
        assert said["changed"]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("variant", ["resample", "permute", "touch"])
def test_the_numbers_of_an_h5ad_file_change(tmp_path: Path, sparse: bool, variant: str) -> None:
    h5py, np = pytest.importorskip("h5py"), pytest.importorskip("numpy")
    path = tmp_path / "cells.h5ad"
    values = np.arange(60, dtype="f4").reshape(6, 10)
    with h5py.File(path, "w") as file:
        if sparse:
            file["X/data"], file["X/indices"], file["X/indptr"] = (
                values.ravel(),
                np.tile(range(10), 6),
                range(0, 61, 10),
            )
        else:
            file["X"] = values
        file["obs/cell"] = [f"c{n}" for n in range(6)]
    said = perturb_file(path, tmp_path / "out.dat", variant, random.Random(1))
    assert said == {"kind": "h5ad", "changed": True}
    with h5py.File(tmp_path / "out.dat") as file:
        found = file["X/data"][:] if sparse else file["X"][:]
        assert set(found.ravel()) <= set(values.ravel())
        assert file["obs/cell"].asstr()[0] == "c0"
    assert perturb_file(path, tmp_path / "bytes.dat", "rewrite", random.Random(1))["changed"]
    assert (tmp_path / "bytes.dat").read_bytes() != path.read_bytes()


def test_a_file_that_is_no_h5ad_is_copied_with_a_word(tmp_path: Path) -> None:
    path = tmp_path / "broken.h5ad"
    path.write_bytes(b"not hdf5")
    said = perturb_file(path, tmp_path / "out.dat", "permute", random.Random(1))
    assert said == {"kind": "other (OSError)", "changed": False}
    assert (tmp_path / "out.dat").read_bytes() == b"not hdf5"
