"""Questions that a model binds where rules could not: every name is checked, and nothing asked for may be lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stages_support import caller

from bioresearcher.analysis.bind import Data
from bioresearcher.errors import EmptyReplyError
from bioresearcher.schemas.ask_design import QuestionProposal, QuestionProposals
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.question import Endpoint, Filter, Measure, Question, Questions, Unbound
from bioresearcher.stages.questions import bound_by, propose_questions


def data() -> Data:
    columns = (
        Column(name="recept", dtype="text", role="covariate", levels=("erbb2 amp", "erbb2 wt")),
        Column(name="m1", dtype="number", role="time", endpoint="OS"),
        Column(name="d1", dtype="integer", role="event", levels=("0", "1"), endpoint="OS"),
        Column(name="m2", dtype="number", role="time", endpoint="RFS"),
        Column(name="d2", dtype="integer", role="event", levels=("0", "1"), endpoint="RFS"),
    )
    files = (
        DataFile(name="expression", kind="expression", path="e.tsv", bytes=1, sha256="0" * 64),
        DataFile(name="samples", kind="samples", path="s.tsv", columns=columns, bytes=1, sha256="0" * 64),
    )
    dataset = Dataset(id="D", title="D", source="own", root="/d", files=files, n_samples=9)
    return Data(dataset, frozenset({"MKI67"}), ())


END = Endpoint(name="OS", time_column="m1", event_column="d1", event_level=("1",))
ASKED = Question(
    id="A1",
    kind="time to event",
    text="",
    dataset="D",
    endpoint=END,
    measure=Measure(kind="gene", names=("MKI67",)),
    cannot="“HER2-positive”: no column or level of the data is called so",
)


def proposed(**values: Any) -> tuple[Question, str]:
    return bound_by(QuestionProposal.model_validate({"id": "A1", **values}), ASKED, data())


def test_a_proposal_that_holds_settles_the_question() -> None:
    found, refused = proposed(population=[{"column": "recept", "levels": ["erbb2 amp"]}])
    assert refused == ""
    assert (found.cannot, found.origin) == ("", "model")
    assert "recept = erbb2 amp" in found.text
    assert found.endpoint == END


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"population": [{"column": "her2", "levels": ["1"]}]}, "there is no column 'her2'"),
        ({"population": [{"column": "recept", "levels": ["positive"]}]}, "has no level 'positive'"),
        ({"population": [{"column": "recept", "least": 3}]}, "holds no numbers"),
        ({"time_column": "m2", "event_column": "d2"}, "OS was asked for"),
        ({"time_column": "m1", "event_column": "d2"}, "different endpoints"),
        ({"genes": ["FOXM1"]}, "no 'FOXM1'"),
        ({"compared_column": "recept", "levels": ["erbb2 amp", "other"]}, "has no level 'other'"),
    ],
)
def test_a_proposal_with_a_name_that_is_not_there_changes_nothing(values: dict[str, Any], said: str) -> None:
    found, refused = proposed(**values)
    assert said in refused
    assert found == ASKED


def test_a_proposal_may_not_widen_the_population() -> None:
    limited = ASKED.model_copy(update={"population": (Filter(column="recept", levels=("erbb2 wt",)),)})
    found, refused = bound_by(QuestionProposal(id="A1"), limited, data())
    assert "it leaves out that recept = erbb2 wt" in refused
    assert found == limited


OBJECTIVE = Objective(id="o", text="In HER2-positive patients, is MKI67 associated with overall survival?")
OPEN = Questions(
    questions=(ASKED, ASKED.model_copy(update={"id": "A2", "cannot": ""})),
    not_understood=(Unbound(words="HER2-positive", why="no column or level is called so", narrows=True),),
)


async def asked_of_a_model(tmp_path: Path, reply: object, *, rules: bool = False) -> tuple[Questions, list[Any]]:
    door = caller(tmp_path, [reply], rules=rules)
    found = await propose_questions(door, OBJECTIVE, OPEN, {"D": data()})
    return found, door.backend.requests


async def test_a_model_is_shown_what_is_open_and_its_proposal_settles_it(tmp_path: Path) -> None:
    level = Filter(column="recept", levels=("erbb2 amp",))
    proposals = (QuestionProposal(id="A1", population=(level,)), QuestionProposal(id="A9"))
    found, (request,) = await asked_of_a_model(
        tmp_path, QuestionProposals(questions=proposals, understood=("HER2-positive",))
    )
    said = request.messages[-1].content
    for words in (OBJECTIVE.text, "A1", "HER2-positive", "recept", "erbb2 amp / erbb2 wt", "m1", "RFS"):
        assert words in said
    first, second = found.questions
    assert (first.origin, first.cannot, first.population) == ("model", "", (level,))
    assert second == OPEN.questions[1]
    assert found.not_understood == ()
    assert found.origin == "mixed"


async def test_a_proposal_that_fails_a_check_is_told_and_changes_nothing(tmp_path: Path) -> None:
    strange = Filter(column="recept", levels=("positive",))
    reply = QuestionProposals(
        questions=(QuestionProposal(id="A1", population=(strange,)),), understood=("HER2-positive",)
    )
    found, _ = await asked_of_a_model(tmp_path, reply)
    assert found.questions == OPEN.questions
    assert found.not_understood == OPEN.not_understood
    assert any("A1: a proposal of the model was refused" in n and "has no level 'positive'" in n for n in found.notes)


@pytest.mark.parametrize("rules", [False, True])
async def test_a_model_that_does_not_answer_leaves_the_questions_as_rules_had_them(tmp_path: Path, rules: bool) -> None:
    found, _ = await asked_of_a_model(tmp_path, EmptyReplyError("nothing"), rules=rules)
    assert found.questions == OPEN.questions
    assert "was not asked of the model: nothing" in found.notes[-1]
