"""Proposals and prepared copies: what the copy holds agrees with an independent computation; originals stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.audit.audit import audit
from bioresearcher.audit.prepare import prepare
from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Audit, Proposal
from bioresearcher.sources.datasets.load import load_datasets

EXAMPLE = Path(__file__).resolve().parents[2] / "bioresearcher" / "_examples" / "breast-cancer" / "data"
OBJECTIVE = Objective(id="o", text="Is an E2F target score associated with outcome?")
OTHERS = {
    "030064-BC-Brain-Met",
    "PB120-LN-Met",
    "A4-LLL-Lung-Met",
    "A5-Skin#1-Right-Met",
    "BC00057-post-chemo",
    "BC00052-post-chemo",
    "BC00064-RECUR",
}


@pytest.fixture(scope="module")
def datasets() -> dict[str, Dataset]:
    loaded, failures = load_datasets([EXAMPLE])
    assert failures == []
    return {d.id: d for d in loaded}


@pytest.fixture(scope="module")
def found(datasets: dict[str, Dataset]) -> Audit:
    return audit(list(datasets.values()), OBJECTIVE)


def read(dataset: Dataset, kind: str) -> pd.DataFrame:
    file = next(f for f in dataset.files if f.kind == kind)
    return pd.read_csv(Path(dataset.root) / file.path, sep="\t", index_col=0, dtype=str, keep_default_na=False)


def test_the_example_s_proposals_name_samples_values_and_series(found: Audit, datasets: dict[str, Dataset]) -> None:
    by = {(p.dataset, p.kind): p for p in found.proposals}
    assert [p.id for p in found.proposals] == [f"P{i}" for i in range(1, len(found.proposals) + 1)]
    assert set(by["GSE1992", "leave out samples"].samples) == OTHERS
    assert ("GSE4335", "leave out samples") not in by  # the metastasis column may be the patient's
    series = by["GSE4335", "add column"]
    assert all(s.startswith(level) for s, level in zip(series.samples, series.levels, strict=True))
    frame = read(datasets["GSE4335"], "expression")
    missing = by["GSE4335", "treat as missing"]
    modes = {s: float(frame[s].value_counts().index[0]) for s in frame}
    assert dict(zip(missing.samples, missing.values, strict=True)) == {s: modes[s] for s in missing.samples}
    ids = {f.id for f in found.facts}
    assert all(p.facts and ids.issuperset(p.facts) and p.reason for p in found.proposals)


@pytest.mark.parametrize("name", ["GSE1992", "GSE4335"])
def test_a_prepared_copy_agrees_with_pandas(
    name: str, found: Audit, datasets: dict[str, Dataset], tmp_path: Path
) -> None:
    original = datasets[name]
    before = {p: p.read_bytes() for p in Path(original.root).iterdir()}
    copy = prepare(original, found.proposals, tmp_path)
    mine = [p for p in found.proposals if p.dataset == name]
    frame = read(original, "expression")
    sheet = read(original, "samples")
    for p in mine:
        if p.kind == "treat as missing":
            for sample, value in zip(p.samples, p.values, strict=True):
                frame.loc[frame[sample].astype(float) == value, sample] = ""
        elif p.kind == "add column":
            sheet[p.column] = pd.Series(p.levels, p.samples).reindex(sheet.index)
    gone = [s for p in mine if p.kind == "leave out samples" for s in p.samples]
    pd.testing.assert_frame_equal(read(copy, "expression"), frame.drop(columns=gone))
    pd.testing.assert_frame_equal(read(copy, "samples"), sheet.drop(index=gone))
    assert {p: p.read_bytes() for p in Path(original.root).iterdir()} == before
    assert copy.n_samples == original.n_samples - len(gone)


def test_a_prepared_copy_says_what_was_done_and_keeps_the_description(
    found: Audit, datasets: dict[str, Dataset], tmp_path: Path
) -> None:
    original = datasets["GSE1992"]
    copy = prepare(original, found.proposals, tmp_path)
    mine = [p for p in found.proposals if p.dataset == original.id]
    assert (copy.id, copy.prepared_from) == ("GSE1992-prepared", "GSE1992")
    assert copy.proposals == tuple(p.id for p in mine)
    for p, note in zip(mine, copy.notes, strict=False):
        assert p.id in note
        assert p.what in note
        assert p.reason in note
    assert set(original.notes) <= set(copy.notes)
    assert (copy.role, copy.licence, copy.described_by) == (original.role, original.licence, original.described_by)
    group = copy.column("group")
    assert group is not None
    assert (group.name, group.case, group.control) == ("er_positive", "1", "0")
    batch = copy.column("batch")
    assert batch is not None
    assert batch.name == "name_series"
    assert copy.problems == original.problems


def test_the_same_proposals_give_the_same_bytes(found: Audit, datasets: dict[str, Dataset], tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "a"]
    made = [prepare(datasets["GSE1992"], found.proposals, folder) for folder in folders]
    contents = [{p.name: p.read_bytes() for p in Path(m.root).iterdir()} for m in made]
    assert contents[0] == contents[1] == contents[2]


def test_prepared_sets_are_not_audited_again(found: Audit, datasets: dict[str, Dataset], tmp_path: Path) -> None:
    copy = prepare(datasets["GSE1992"], found.proposals, tmp_path)
    assert audit([copy], OBJECTIVE) == Audit()


def test_proposals_do_not_follow_from_events(found: Audit, datasets: dict[str, Dataset], tmp_path: Path) -> None:
    original = datasets["GSE1992"]
    folder = tmp_path / "GSE1992"
    folder.mkdir()
    for file in Path(original.root).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    sheet = pd.read_csv(folder / "clinical.tsv", sep="\t", dtype=str, keep_default_na=False)
    sheet["event"] = sheet["event"].sample(frac=1, random_state=3).to_numpy()
    sheet.to_csv(folder / "clinical.tsv", sep="\t", index=False)
    loaded, _ = load_datasets([folder])
    before = [(p.kind, p.what, p.samples, p.values, p.levels) for p in found.proposals if p.dataset == "GSE1992"]
    again = audit(loaded, OBJECTIVE).proposals
    assert [(p.kind, p.what, p.samples, p.values, p.levels) for p in again] == before


def small(folder: Path, frame: pd.DataFrame, sheet: bool = True) -> Dataset:
    folder.mkdir(parents=True)
    frame.to_csv(folder / "expression.csv", index_label="gene")
    if sheet:
        rows = pd.DataFrame({"sample": frame.columns, "group": ["a", "b"] * (frame.shape[1] // 2)})
        rows["text"] = ['a "quoted", text', "plain"] * (frame.shape[1] // 2)
        rows.to_csv(folder / "samples.csv", index=False)
    loaded, failures = load_datasets([folder])
    assert failures == []
    return loaded[0].model_copy(update={"id": "small"})


@given(seed=st.integers(0, 2**31), data=st.data())
def test_cells_that_hold_the_value_become_empty_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("prepare")
    frame = pd.DataFrame(
        np.random.default_rng(seed).normal(0, 1, (40, 8)).round(2),
        [f"g{i}" for i in range(40)],
        [f"x{i + 1}" for i in range(8)],
    )
    chosen = data.draw(st.sets(st.sampled_from(list(frame.columns))))
    gone = data.draw(st.sets(st.sampled_from(list(frame.columns)), max_size=4))
    values = {s: float(frame[s].iloc[data.draw(st.integers(0, 39))]) for s in sorted(chosen)}
    given_ = [
        Proposal(
            id="P1",
            dataset="small",
            kind="treat as missing",
            what="w",
            reason="r",
            facts=("F1",),
            samples=tuple(values),
            values=tuple(values.values()),
        ),
        Proposal(
            id="P2",
            dataset="small",
            kind="leave out samples",
            what="w",
            reason="r",
            facts=("F1",),
            samples=tuple(sorted(gone)),
        ),
        Proposal(
            id="P3",
            dataset="another",
            kind="leave out samples",
            what="w",
            reason="r",
            facts=("F1",),
            samples=tuple(frame.columns),
        ),
    ]
    copy = prepare(small(folder / "in", frame), given_, folder / "out")
    matrix = next(f for f in copy.files if f.kind == "expression")
    written = pd.read_csv(Path(copy.root) / matrix.path, sep="\t", index_col=0)
    wanted = frame.mask(frame.eq(pd.Series(values).reindex(frame.columns), axis=1)).drop(columns=sorted(gone))
    np.testing.assert_array_equal(written.to_numpy(dtype=float), wanted.to_numpy(dtype=float))
    sheet = read(copy, "samples")
    assert list(sheet.index) == list(wanted.columns)
    assert set(sheet["text"]) <= {'a "quoted", text', "plain"}
    assert copy.proposals == ("P1", "P2")


def test_without_a_sheet_an_added_column_makes_one(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.arange(80.0).reshape(10, 8), [f"g{i}" for i in range(10)], [f"x{i}" for i in range(8)])
    proposal = Proposal(
        id="P1",
        dataset="small",
        kind="add column",
        what="w",
        reason="r",
        facts=("F1",),
        samples=tuple(frame.columns),
        column="series",
        levels=tuple("aaaabbbb"),
    )
    copy = prepare(small(tmp_path / "in", frame, sheet=False), [proposal], tmp_path / "out")
    assert read(copy, "samples")["series"].tolist() == list("aaaabbbb")
    batch = copy.column("batch")
    assert batch is not None
    assert batch.levels == ("a", "b")


def test_leaving_out_every_sample_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.arange(80.0).reshape(10, 8), [f"g{i}" for i in range(10)], [f"x{i}" for i in range(8)])
    proposal = Proposal(
        id="P1",
        dataset="small",
        kind="leave out samples",
        what="w",
        reason="r",
        facts=("F1",),
        samples=tuple(frame.columns),
    )
    with pytest.raises(InputError, match="nothing would be left"):
        prepare(small(tmp_path / "in", frame), [proposal], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
