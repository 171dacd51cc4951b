"""The helper module beside every analysis: it reads what many programs write, and refuses in one line."""

from __future__ import annotations

import gzip
import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.skills import load_skill, shared_modules

LIBRARY = Path(__file__).parents[2] / "agents" / "skills" / "_lib"


def load() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LIBRARY))
        return importlib.import_module("bioskill")


@pytest.fixture
def bioskill() -> ModuleType:
    return load()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.tsv", b""),
        ("broken.tsv.gz", gzip.compress(b"gene\tS1\nA\t1\n" * 500, mtime=0)[:40]),
        ("plain.tsv.gz", b"gene\tS1\nA\t1\n"),
        ("binary.csv", bytes(range(256))),
        ("header.tsv", b"gene\tS1\tS2\n"),
    ],
)
def test_unreadable_matrix_is_one_line(
    name: str, content: bytes, tmp_path: Path, bioskill: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        bioskill.read_expression(tmp_path / name)
    error = capsys.readouterr().err
    assert ended.value.code == 65
    assert error.startswith(f"DATA: {name}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "gene\tS1\tS2\nA\t1\t2\nB\t3\t4\n",
        "S1\tS2\nA\t1\t2\nB\t3\t4\n",
        "gene\tS1\tS2\nA\t1\t2\t\nB\t3\t4\t\n",
        "\ufeffgene\tS1\tS2\r\nA\t1\t2\r\nB\t3\t4\r\n",
        "gene\tS1 \tS2\nA\t1\t1\nA\t1\t3\nB\t3\t4\n",
        "gene\tdescription\tS1\tS2\nA\tfirst\t1\t2\nB\tsecond\t3\t4\n",
    ],
    ids=["plain", "row names as R writes them", "trailing tabs", "byte order mark", "repeated feature", "description"],
)
def test_matrices_of_many_writers_read_the_same(text: str, tmp_path: Path, bioskill: ModuleType) -> None:
    path = tmp_path / "matrix.tsv"
    path.write_text(text, encoding="utf-8", newline="")
    made = bioskill.read_expression(path)
    assert made.loc[["A", "B"], ["S1", "S2"]].to_numpy().tolist() == [[1, 2], [3, 4]]
    assert made.shape == (2, 2)


@given(st.integers(-1000, 1000))
def test_whole_levels_are_the_same_with_and_without_a_point(value: int) -> None:
    bioskill = load()
    assert bioskill.level_text(f"{value}.0") == bioskill.level_text(value) == str(value)
    assert bioskill.level_text(f"0{abs(value)}.5") == f"0{abs(value)}.5"


def test_malformed_task_files_are_one_line(
    tmp_path: Path, bioskill: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    for content in ("", "[1, 2]", '{"inputs": 3}', '{"seed": "soon"}'):
        (tmp_path / "task.json").write_text(content, encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            bioskill.load_task([str(tmp_path / "task.json")])
        error = capsys.readouterr().err
        assert ended.value.code == 65
        assert error.startswith("DATA: task.json: ")
        assert error.count("\n") == 1


def test_an_input_that_the_task_lacks_is_named(
    tmp_path: Path, bioskill: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "task.json").write_text('{"inputs": {"samples": "s.tsv"}}', encoding="utf-8")
    task = bioskill.load_task([str(tmp_path / "task.json")])
    assert task.input("samples") == Path("s.tsv")
    with pytest.raises(SystemExit) as ended:
        task.input("matrix")
    assert ended.value.code == 65
    assert capsys.readouterr().err == "DATA: the task gives no input 'matrix'\n"


def test_what_fails_says_what_it_is_about_and_only_there(
    bioskill: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        with pytest.raises(SystemExit), bioskill.about("validation cohort"), bioskill.about("samples.tsv"):
            bioskill.fail("no samples")
        assert capsys.readouterr().err == "DATA: validation cohort: samples.tsv: no samples\n"
    with bioskill.about("discovery cohort"):
        pass
    with pytest.raises(SystemExit):
        bioskill.fail("no samples")
    assert capsys.readouterr().err == "DATA: no samples\n"


def test_packed_tables_have_the_same_bytes_at_any_time(tmp_path: Path, bioskill: ModuleType) -> None:
    import pandas as pd

    table = pd.DataFrame({"gene": ["A", "B"], "value": [1 / 3, None]})
    bioskill.write_table(table, tmp_path / "x" / "t.tsv.gz")
    content = (tmp_path / "x" / "t.tsv.gz").read_bytes()
    assert content[4:8] == bytes(4)
    assert gzip.decompress(content).decode() == "gene\tvalue\nA\t0.333333\nB\tNA\n"


def test_level_without_samples_is_named_with_those_found(
    bioskill: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    import pandas as pd

    samples = pd.DataFrame({"er": ["1.0", "0.0", None] * 4})
    assert bioskill.two_groups(samples, "er", 1, "0").sum() == 4
    with pytest.raises(SystemExit):
        bioskill.two_groups(samples, "er", "1", "2")
    assert "group er = '2' has 0 samples; at least 3 are needed (levels found: '0', '1')" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        bioskill.two_groups(samples, "er", "1", 1)
    assert "both '1'" in capsys.readouterr().err


def test_code_that_is_no_skills_own_gets_the_shared_modules_only(tmp_path: Path) -> None:
    source = LIBRARY.parent / "cohort-table"
    for file in (p for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc"):
        copied = tmp_path / "skills" / source.name / file.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(file.read_bytes())
    (tmp_path / "skills" / source.name / "scripts" / "mine.py").write_text("LIMIT = 3\n", encoding="utf-8")
    library = {p.name: p.read_text(encoding="utf-8") for p in LIBRARY.glob("*.py")}
    own = load_skill(tmp_path / "skills" / source.name, LIBRARY, str(tmp_path))
    plain = load_skill(LIBRARY.parent / "pca-plot", LIBRARY, "shipped")
    assert own.support == library | {"mine.py": "LIMIT = 3\n"}
    assert shared_modules({own.name: own, plain.name: plain}) == library
    twin = plain.model_copy(update={"source": own.source})
    assert shared_modules({own.name: own, twin.name: twin}) == library
    assert shared_modules({}) == {}


@pytest.mark.parametrize(
    "text",
    [
        "gene\tS1\tS2\n" + "".join(f"g{n}\t{n}\t{n / 7}\n" for n in range(40)),
        "gene\tS1\tS2\n" + "".join(f"g{n}\tNA\t{n}\n" for n in range(20)),
        "gene\tS1\tS2\n" + "".join(f"g{n}\t{n}\t{'' if n % 3 else n}\n" for n in range(40)),
        "gene\tS1\tS2\nNA\t1\t2\nB\t3\t4\n",
        "S1\tS2\n" + "".join(f"g{n}\t{n}\t2\n" for n in range(9)),
        "gene\tS1 \tS2\nA\t1\t1\nA\t1\t3\nB\t3\t4\n",
        "gene\tabout\tS1\n" + "".join(f"g{n}\tx\t{n}\n" for n in range(9)),
        "gene\tS1\n" + "".join(f"{n:03}\t{n}\n" for n in range(9)) + "late\t4\n",
    ],
)
def test_a_matrix_that_is_read_in_parts_is_the_same(
    text: str, tmp_path: Path, bioskill: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.tsv").write_text(text)
    whole = bioskill.read_expression(tmp_path / "m.tsv")
    monkeypatch.setattr(bioskill, "_MANY_COLUMNS", 0)
    monkeypatch.setattr(bioskill, "_CELLS_AT_ONCE", 12)
    parts = bioskill.read_expression(tmp_path / "m.tsv")
    assert parts.index.equals(whole.index)
    assert list(parts.columns) == list(whole.columns)
    assert ((parts == whole) | (parts.isna() & whole.isna())).all(axis=None)


def test_work_by_rows_is_that_on_all(bioskill: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(70.0).reshape(14, 5)
    for cells in (5, 17, 1000):
        monkeypatch.setattr(bioskill, "_CELLS_AT_ONCE", cells)
        assert (bioskill.by_rows(values, lambda part: part * 2) == values * 2).all()
        assert (bioskill.by_rows(values, lambda part: part.sum(axis=1)) == values.sum(axis=1)).all()
