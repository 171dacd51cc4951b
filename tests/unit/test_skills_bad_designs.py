"""Designs that no model can estimate are refused in a line that names the column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_skills_pooled import run

GROUPS = {"dataset_label": "D", "group_column": "arm", "case": "a", "control": "b"}


def fitted(place: Path, **parameters: object) -> object:
    rng = np.random.default_rng(4)
    names = [f"s{i}" for i in range(16)]
    age = rng.integers(30, 80, 16)
    sheet = pd.DataFrame({"arm": list("ab") * 8, "age": age, "born": 2020 - age, "one": 7, "none": np.nan})
    sheet["who"] = np.repeat(np.arange(8), 2)
    sheet["centre"] = np.repeat(list("xy"), 8)
    sheet.set_index(pd.Index(names, name="id")).to_csv(place / "s.tsv", sep="\t")
    values = pd.DataFrame(rng.normal(8, 1, (30, 16)), columns=names, index=[f"g{i}" for i in range(30)])
    values.rename_axis("gene").to_csv(place / "m.tsv", sep="\t")
    inputs = {"matrix": place / "m.tsv", "samples": place / "s.tsv"}
    return run("moderated-linear-model", place, inputs, GROUPS | parameters)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"adjust_columns": ["age", "born"]}, "not of full rank: 'born' is constant or determined by the other terms"),
        ({"adjust_columns": ["one"]}, "not of full rank: 'one' is constant"),
        ({"adjust_columns": ["none"]}, "column 'none' has no value in the samples that are compared"),
    ],
)
def test_a_term_that_nothing_can_be_estimated_for_is_named(
    tmp_path: Path, parameters: dict[str, object], said: str
) -> None:
    found = fitted(tmp_path, **parameters)
    assert isinstance(found, str), found
    assert said in found


def test_a_term_that_the_pairs_determine_does_no_harm(tmp_path: Path) -> None:
    alone, beside = (fitted(tmp_path, pair_column="who", **more) for more in ({}, {"block_columns": ["centre"]}))
    assert isinstance(alone, list), alone
    assert isinstance(beside, list), beside
    assert alone[1]["values"]["p_values"] == beside[1]["values"]["p_values"]
