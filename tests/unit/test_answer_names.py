"""Names behind an answer to “which”: read from the table of tests of a verified task, class by class."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.schemas.execution import Artifact, TaskRecord
from bioresearcher.stages.answer_tables import names_of

SETS = [f"SET_{n}" for n in range(8)]


def record(tmp_path: Path, name: str, text: str) -> TaskRecord:
    folder = tmp_path / "T3" / "outputs"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    artifact = Artifact.model_construct(name="tests", kind="table", path=f"outputs/{name}")
    return TaskRecord.model_construct(task_id="T3", artifacts=(artifact,))


def test_names_are_listed_by_class_the_clearest_first(tmp_path: Path) -> None:
    rows = [f'{s},{n / 100},"changed, {"up" if n < 3 else "down"}"' for n, s in enumerate(SETS[:5])]
    rows += [f"{s},0.{n},no change" for n, s in enumerate(SETS[5:], 5)]
    found = names_of(tmp_path, record(tmp_path, "sets.csv", "\n".join(["set,q,answer", *reversed(rows)])))
    assert found == (
        "changed, up (3): SET_0, SET_1, SET_2 (T3, sets.csv)",
        "changed, down (2): SET_3, SET_4 (T3, sets.csv)",
        "no change (3): SET_5, SET_6, SET_7 (T3, sets.csv)",
    )


def test_of_yes_and_no_those_that_are_called_are_listed(tmp_path: Path) -> None:
    rows = [f"{s},{n / 100},{n < 2}" for n, s in enumerate(SETS)]
    found = names_of(tmp_path, record(tmp_path, "genes.csv", "\n".join(["gene,q,called", *rows])))
    assert found == ("called (2): SET_0, SET_1 (T3, genes.csv)",)


def test_of_mere_directions_only_what_is_called_is_listed(tmp_path: Path) -> None:
    rows = [f"{s},{n / 50 + 0.001},{'up' if n % 2 else 'down'}" for n, s in enumerate(SETS)]
    found = names_of(tmp_path, record(tmp_path, "sets.csv", "\n".join(["set,fdr,direction", *rows])))
    assert found == (
        "fdr ≤ 0.05, down (2): SET_0, SET_2 (T3, sets.csv)",
        "fdr ≤ 0.05, up (1): SET_1 (T3, sets.csv)",
    )
    bare = record(tmp_path / "bare", "sets.csv", "\n".join(["set,p,direction", *rows]))
    assert names_of(tmp_path / "bare", bare) == ()


def test_without_classes_those_with_the_smallest_corrected_value_are_listed(tmp_path: Path) -> None:
    rows = [f"G{n}\t{n / 40}\t{(40 - n) / 40}" for n in range(1, 40)]
    (found,) = names_of(tmp_path, record(tmp_path, "genes.tsv", "\n".join(["gene\tp\tfdr", *rows])))
    assert found.startswith("The 25 with the smallest fdr of 39: G39, G38, G37")


def test_a_short_table_does_not_say_that_it_lists_more_than_it_has(tmp_path: Path) -> None:
    rows = [f"{s},{n / 100}" for n, s in enumerate(SETS)]
    (found,) = names_of(tmp_path, record(tmp_path, "sets.csv", "\n".join(["set,p", *rows])))
    assert found.startswith("The 8 with the smallest p of 8: SET_0, SET_1")


def test_increased_and_decreased_are_directions_of_every_row(tmp_path: Path) -> None:
    rows = [f"{s},{n / 50 + 0.001},{'increased' if n % 2 else 'decreased'}" for n, s in enumerate(SETS)]
    found = names_of(tmp_path, record(tmp_path, "sets.csv", "\n".join(["set,padj,direction", *rows])))
    assert [line.partition(":")[0] for line in found] == ["padj ≤ 0.05, decreased (2)", "padj ≤ 0.05, increased (1)"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pairs.csv", "pairs,p_limit\n7,0.05\n7,0.001\n"),
        ("adjacent.csv", "set,adjacent_mean\n" + "\n".join(f"{s},0.{n}" for n, s in enumerate(SETS))),
        ("few.csv", "set,q,answer\nA,0.1,up\nB,0.2,down\n"),
        ("twice.csv", "set,q\n" + "A,0.1\n" * 9),
        ("plain.csv", "set,size\n" + "\n".join(f"{s},{n}" for n, s in enumerate(SETS))),
        ("ragged.csv", "set,q\nA,0.1,3\nB\n"),
        ("empty.csv", ""),
    ],
)
def test_other_tables_name_nothing(tmp_path: Path, name: str, text: str) -> None:
    assert names_of(tmp_path, record(tmp_path, name, text)) == ()
