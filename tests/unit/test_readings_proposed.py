"""Open readings of data that a model settles: each proposal is checked, told, and never taken as certain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stages_support import caller

from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.errors import EmptyReplyError, RefusalError
from bioresearcher.schemas.ask_literature import ReadingProposal, ReadingProposals
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.sources.datasets.correct import open_readings
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.stages.describe_data import propose_readings, proposed_notes

OBJECTIVE = Objective(id="o", text="Is arm associated with overall survival?")
EVENT = 'event_level = "2"'
REASON = "the notes say that 2 stands for those who died"


def cohort(folder: Path, described: str = "") -> Dataset:
    """Forty patients whose status and arm are written as 1 and 2, with remarks in words."""
    folder.mkdir(exist_ok=True)
    rows = [
        f"p{n:02d},{20 + 7 * n % 90},{1 + (n % 3 == 0)},{1 + n % 2},{999 if n % 13 == 5 else 40 + n},remark {n}"
        for n in range(40)
    ]
    (folder / "cohort.csv").write_text("patient,os_months,os_status,arm,marker,remark\n" + "\n".join(rows) + "\n")
    if described:
        (folder / "dataset.toml").write_text(described)
    (found,), failures = load_datasets([folder], folder.parent / "store")
    assert failures == []
    return found


@pytest.fixture
def given(tmp_path: Path) -> Dataset:
    return cohort(tmp_path / "cohort")


def number_of(dataset: Dataset, key: str) -> int:
    """Number under which a model is asked for the reading that a key settles."""
    return 1 + [r.line.split(" =")[0] for r in open_readings(dataset) if r.column].index(key)


def column(dataset: Dataset, name: str) -> Column:
    return next(c for f in dataset.files for c in f.columns if c.name == name)


def one(dataset: Dataset, key: str, line: str, **more: Any) -> ReadingProposals:
    proposal = {"number": number_of(dataset, key), "line": line, "reason": REASON, "certainty": "high", **more}
    return ReadingProposals(readings=(ReadingProposal.model_validate(proposal),))


async def answered(
    tmp_path: Path, dataset: Dataset, *replies: object, rules: bool = False
) -> tuple[Dataset, list[Any]]:
    tmp_path.mkdir(exist_ok=True)
    door = caller(tmp_path, list(replies), rules=rules)
    (found,) = await propose_readings(door, OBJECTIVE, [dataset])
    return found, door.backend.requests


def bound(dataset: Dataset) -> Any:
    (question,) = bind_questions(OBJECTIVE, [Data(dataset, frozenset(), ())]).questions
    return question


async def test_a_model_sees_names_levels_values_and_what_is_open(tmp_path: Path, given: Dataset) -> None:
    _, (request,) = await answered(tmp_path, given, ReadingProposals(readings=()))
    said = request.messages[-1].content
    for words in (OBJECTIVE.text, "os_status", "levels 1 / 2", "remark 9", EVENT, 'codes = {"1" = "…", "2" = "…"}'):
        assert words in said
    assert "remark 10" not in said  # ten values
    assert "p07" not in said  # names of patients say nothing


async def test_a_proposal_that_holds_reads_the_column_so_and_says_where_it_is_from(
    tmp_path: Path, given: Dataset
) -> None:
    assert "nothing says which of them is the event" in bound(given).cannot
    first, _ = await answered(tmp_path, given, one(given, "event_level", EVENT))
    found, _ = await answered(tmp_path, first, one(first, "codes", 'codes = {"1" = "surgery", "2" = "both"}'))
    assert column(found, "os_status").event_level == "2"
    assert column(found, "arm").codes == (("1", "surgery"), ("2", "both"))
    question = bound(found)
    assert question.cannot == ""
    assert question.endpoint.event_level == ("2",)
    reading = next(r for r in found.readings if r.line == EVENT)
    assert (reading.sure, reading.decides, reading.proposed, reading.open) == (False, True, True, False)
    assert "a model proposed" in reading.says
    assert f"os_status: {EVENT} was proposed by the model and is confirmed by nobody: {REASON}" in found.notes
    assert len(proposed_notes([found])) == 2
    assert EVENT not in " ".join(check_dataset(found, OBJECTIVE).reasons)
    others = [c for c in given.files[0].columns if c.name not in ("os_status", "arm")]
    assert [c for c in found.files[0].columns if c.name not in ("os_status", "arm")] == others


async def test_values_that_mean_not_known_are_counted_as_such(tmp_path: Path, given: Dataset) -> None:
    asked = next(r for r in open_readings(given) if r.line.startswith("missing_values"))
    found, _ = await answered(tmp_path, given, one(given, "missing_values", asked.line))
    assert column(given, "marker").missing == 0
    assert column(found, "marker").missing == 3
    kept, _ = await answered(tmp_path / "again", given, one(given, "missing_values", "missing_values = []"))
    assert column(kept, "marker") == column(given, "marker")
    assert not any(r.column == "marker" for r in open_readings(kept))


@pytest.mark.parametrize(
    ("key", "line", "said"),
    [
        ("event_level", 'event_level = "3"', "os_status has no level '3'"),
        ("event_level", 'event = "2"', "'event' is no key of a column"),
        ("event_level", 'label = "status"', "label does not settle event_level"),
        ("event_level", "the second one", "is no line of dataset.toml"),
        ("event_level", 'event_level = "2"\nrole = "event"', "is not one line"),
        ("event_level", "event_level = [2]", "is no value of event_level"),
        ("event_level", "", "is not one line"),
        ("codes", 'codes = {"1" = "a", "3" = "b"}', "the cells that are asked about are '1', '2'"),
        ("codes", 'codes = {"1" = "a", "2" = "A"}', "one level of several"),
        ("codes", 'codes = {"1" = "2", "2" = "1"}', "one level of several"),
        ("codes", 'codes = {"1" = "a", "2" = "unknown"}', "what '2' stands for"),
        ("event_level", "event_level = " + "[" * 5000, "is no line of dataset.toml"),
        ("codes", 'codes = {"1" = "a\\u007f", "2" = "b"}', "is no name of a level"),
        ("codes", 'codes = {"1" = "…", "2" = "…"}', "what '1' stands for"),
        ("missing_values", 'missing_values = ["41"]', "'41' is none of the values in question"),
    ],
)
async def test_a_proposal_that_fails_a_check_is_told_and_changes_nothing(
    tmp_path: Path, given: Dataset, key: str, line: str, said: str
) -> None:
    found, _ = await answered(tmp_path, given, one(given, key, line))
    assert said in found.notes[-1]
    assert "a proposal of the model was refused" in found.notes[-1]
    assert found.model_copy(update={"notes": given.notes}) == given


async def test_a_proposal_that_is_not_certain_is_a_hint(tmp_path: Path, given: Dataset) -> None:
    found, _ = await answered(tmp_path, given, one(given, "event_level", EVENT, certainty="low"))
    assert "the model is not certain of" in found.notes[-1]
    assert found.model_copy(update={"notes": given.notes}) == given


async def test_proposals_that_differ_or_settle_nothing_that_is_open_are_refused(tmp_path: Path, given: Dataset) -> None:
    (first,) = one(given, "event_level", EVENT).readings
    other = first.model_copy(update={"line": 'event_level = "1"'})
    strange = first.model_copy(update={"number": 99})
    found, _ = await answered(tmp_path, given, ReadingProposals(readings=(first, other, strange)))
    assert "several lines that differ" in found.notes[-2]
    assert "there is no open reading 99" in found.notes[-1]
    assert found.files == given.files


@pytest.mark.parametrize("rules", [False, True])
@pytest.mark.parametrize("trouble", [EmptyReplyError("nothing"), RefusalError("it will not")])
async def test_a_model_that_does_not_answer_leaves_the_data_as_the_rules_had_them(
    tmp_path: Path, given: Dataset, trouble: Exception, rules: bool
) -> None:
    found, _ = await answered(tmp_path, given, trouble, rules=rules)
    assert f"was not asked of the model: {trouble}" in found.notes[-1]
    assert found.readings == given.readings


async def test_nothing_is_asked_where_nothing_is_open(tmp_path: Path) -> None:
    described = """title = "T"
source = "a ward"
[[files]]
name = "samples"
kind = "samples"
path = "cohort.csv"
sample_column = "patient"
[files.columns.os_status]
event_level = "2"
[files.columns.arm]
role = "group"
codes = {"1" = "surgery", "2" = "both"}
[files.columns.marker]
missing_values = ["999"]
"""
    settled = cohort(tmp_path / "settled", described)
    found, requests = await answered(tmp_path, settled)
    assert (found, requests) == (settled, [])


async def test_data_that_are_not_the_researchers_own_files_are_not_asked_about(tmp_path: Path, given: Dataset) -> None:
    for update in ({"files": ()}, {"prepared_from": "D"}, {"analysis_of": "D"}):
        derived = given.model_copy(update=update)
        found, requests = await answered(tmp_path, derived)
        assert (found, requests) == (derived, [])
