"""Counts under rules of eligibility, against pandas."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.audit.counts import count
from bioresearcher.audit.tables import Sheet, read_sheet
from bioresearcher.schemas.conversation import Condition
from bioresearcher.sources.datasets.load import load_datasets


def test_a_real_sheet_gives_the_counts_of_pandas(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "expression" / "all_chiaretti"
    (dataset,), failures = load_datasets([folder], tmp_path)
    assert not failures
    rules = (
        Condition(column="BT", values=("B", "B1", "B2", "B3", "B4")),
        Condition(column="mol.biol", values=("BCR/ABL", "NEG")),
        Condition(column="CR", values=("CR",)),
        Condition(column="transplant", values=("False",), not_known=True),
    )
    said = count(read_sheet(dataset), rules, ("relapse",))
    table = pd.read_csv(folder / "phenotype.tsv", sep="\t", dtype=str, keep_default_na=False)
    left = table[table["BT"].str.startswith("B") & table["mol.biol"].isin(["BCR/ABL", "NEG"]) & (table["CR"] == "CR")]
    left = left[left["transplant"].isin(["False", "", "NA"])]
    assert said.splitlines()[0] == "start: 128 rows"
    assert [int(n) for n in re.findall(r": (\d+) left", said)][-1] == len(left)
    for level, n in left["relapse"].value_counts().items():
        if level in ("True", "False"):
            assert f"{level} {n}" in said


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.sampled_from("01")), min_size=20, max_size=60))
def test_any_sheet_gives_the_counts_of_pandas(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str]]
) -> None:
    place = tmp_path_factory.mktemp("sheet")
    table = pd.DataFrame(rows, columns=["arm", "dose", "event"])
    table.insert(0, "sample", [f"s{n}" for n in range(len(table))])
    table["time"] = 5
    table.to_csv(place / "samples.csv", index=False)
    (place / "dataset.toml").write_text(
        'title = "t"\nsource = "made"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "samples.csv"\n'
        'sample_column = "sample"\n[files.columns.event]\nrole = "event"\n[files.columns.time]\nrole = "time"\n'
    )
    (dataset,), failures = load_datasets([place])
    assert not failures
    said = count(read_sheet(dataset), (Condition(column="arm", values=("a",)), Condition(column="dose", least=3)), ())
    left = table[(table["arm"] == "a") & (table["dose"] >= 3)]
    assert f"dose ≥ 3: {len(left)} left" in said
    if len(left) >= 5:
        line = next(x for x in said.splitlines() if x.startswith("event: "))
        assert {k: int(n) for k, n in re.findall(r"([01]) (\d+)", line)} == left["event"].value_counts().to_dict()
    elif len(left):
        assert "event: " not in said, "too few to be counted by outcome"


def test_samples_cannot_be_picked_by_their_names(shared_data: Path, tmp_path: Path) -> None:
    (dataset,), _ = load_datasets([shared_data / "expression" / "breast_gse4335"], tmp_path)
    sheet = read_sheet(dataset)
    with pytest.raises(ValueError, match="'pid' names samples"):
        count(sheet, (Condition(column="pid", values=("shaz133",)),), ())
    with pytest.raises(ValueError, match="there is no column 'nodes'; there is pid, "):
        count(sheet, (Condition(column="nodes"),), ())


def sheet_in(folder: Path) -> Sheet:
    """Make a sheet of 40 samples of two centres, three of which are of a rare kind."""
    rows = ["sample,entered,arm,kind,batch,event,time"]
    for n in range(40):
        kind = "rare" if n < 3 else "common"
        centre = "12" if n % 4 else "28"
        rows.append(f"{centre}{n * 17:03},{1 + n % 12}/5/{1997 + n % 2},{'ab'[n % 2]},{kind},B{n % 5},{n % 2},{n + 1}")
    (folder / "samples.csv").write_text("\n".join(rows) + "\n")
    (folder / "dataset.toml").write_text(
        'title = "t"\nsource = "made"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "samples.csv"\n'
        'sample_column = "sample"\n[files.columns.event]\nrole = "event"\n[files.columns.time]\nrole = "time"\n'
    )
    (dataset,), failures = load_datasets([folder])
    assert not failures
    return read_sheet(dataset)


def test_years_and_series_are_counted_and_combinations_when_asked(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path)
    said = count(sheet, (Condition(column="sample", starts=("28",)),), ("entered_year", "name_prefix")).splitlines()
    assert said[1] == "sample begins with '28': 10 left"
    assert said[2:4] == ["entered_year: 1997 10", "name_prefix: 28 10"]
    assert count(sheet, (Condition(column="entered_year", values=("1998",)),), ()).splitlines()[1].endswith("20 left")
    assert count(sheet, (Condition(column="batch", contains=("3", "4")),), ()).splitlines()[1].endswith("16 left")
    joint = count(sheet, (), ("arm", "name_prefix"), joint=True)
    assert "arm × name_prefix: b / 12 20, a / 28 10, a / 12 10" in joint


def test_few_samples_are_counted_exactly_but_not_their_outcomes(tmp_path: Path) -> None:
    sheet = sheet_in(tmp_path)
    said = count(sheet, (Condition(column="kind", values=("rare",)),), ("arm", "batch"))
    assert "kind 'rare': 3 left" in said
    assert "arm: a 2, b 1" in said
    assert "levels of event are not counted among fewer than 5 samples" in said
    rare = (Condition(column="event", values=("1",)), Condition(column="kind", values=("rare",)))
    assert "levels of arm are not counted" in count(sheet, rare, ("arm",)), "they would tell whose event it is"
    with pytest.raises(ValueError, match="'event' is an outcome"):
        count(sheet, (), ("arm", "event"), joint=True)
    with pytest.raises(ValueError, match="that at least 5 of them share"):
        count(sheet, (Condition(column="sample", starts=("1201",)),), ())
