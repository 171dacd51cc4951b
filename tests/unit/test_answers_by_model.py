"""A model's answers: its right words are used, wrong ones left out, and what the reviewer denies is mended once."""

from __future__ import annotations

from pathlib import Path

from answer_support import FINDINGS
from stages_support import caller

from bioresearcher.schemas.answer import Answers, QuestionAnswer
from bioresearcher.schemas.ask_answer import JudgedPage, LineDraft, PageReply, WrittenAnswer
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.execution import DryLabTask, Finding, Outcome, TaskRecord
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets, Measure, Question, Questions
from bioresearcher.stages.answer_page import judge_page
from bioresearcher.stages.write_answers import AnswerMaterial, still_holding, write_answers

RIGHT = "A higher score goes with a higher hazard: HR per SD 1.87 (95 % CI 1.16 to 3.00, p = 0.01; n = 76, 25 events)."
WRONG = "A higher score goes with a higher hazard: HR per SD 2.87 (95 % CI 1.16 to 3.00, p = 0.01)."
VAGUE = "The model has 5 events for each of its 5 coefficients."
PLAIN = "With 25 events for 5 coefficients the estimate is fragile."


def material(outcome: Outcome = Outcome.VERIFIED) -> AnswerMaterial:
    question = Question(
        id="A2",
        kind="time to event",
        text="Time to event by the score of HALLMARK_E2F_TARGETS (GSE1992).",
        dataset="GSE1992-prepared",
        measure=Measure(kind="signature", names=("HALLMARK_E2F_TARGETS",)),
    )
    rows = AnalysisSet(
        id="A2", question="A2", source="GSE1992-prepared", population="GSE1992-prepared", start=117, n=117, events=28
    )
    task = DryLabTask(id="T16", title="Cox", goal="", step_ids=("6.2",), questions=("A2",), inputs=(), outputs=())
    stated = [f for f in FINDINGS if f.id.startswith("T16.")]
    findings = tuple(Finding(statement=f.statement, values=f.values, result=f.result) for f in stated)
    record = TaskRecord(task_id="T16", outcome=outcome, message="", exit_ok=True, findings=findings)
    objective = Objective(id="o", text="Is the score associated with outcome?")
    return AnswerMaterial(
        objective, Questions(questions=(question,)), AnalysisSets(sets=(rows,)), (task,), (record,), ()
    )


def written(*texts: str) -> WrittenAnswer:
    return WrittenAnswer(sentences=tuple(LineDraft(text=t, findings=("T16.2",)) for t in texts))


STATES = Answers(questions=(QuestionAnswer(id="A2", text="Q.", state="answered", tasks=("T16",), flow="117 rows"),))
WRITE, JUDGE = "designer/answer_questions", "reviewer/judge_page"


async def test_right_words_of_a_model_are_used_and_wrong_ones_counted(tmp_path: Path) -> None:
    door = caller(tmp_path, {WRITE: [written(RIGHT, WRONG)]})
    (found,) = (await write_answers(door, material(), STATES)).questions
    assert [s.text for s in found.sentences] == [RIGHT]
    assert [row.text for row in found.left_out] == [WRONG]
    assert found.sentences[0].origin == door.backend.origin


async def test_a_question_that_is_not_answered_is_not_written_about(tmp_path: Path) -> None:
    states = Answers(questions=(QuestionAnswer(id="A2", text="Q.", state="not answered", why="the task failed"),))
    found = await write_answers(caller(tmp_path, {}), material(Outcome.RUNTIME), states)
    assert found == states


async def test_what_the_reviewer_denies_with_words_of_the_page_is_written_once_more(tmp_path: Path) -> None:
    no = PageReply(id="O2", yes=False, quote=VAGUE, reason="it does not say that the estimate is fragile")
    yes = PageReply(id="O2", yes=True)
    door = caller(
        tmp_path,
        {
            WRITE: [written(RIGHT, VAGUE), written(RIGHT, PLAIN)],
            JUDGE: [JudgedPage(answers=(no,)), JudgedPage(answers=(yes,))],
        },
    )
    states = await write_answers(door, material(), STATES)
    found = await judge_page(door, material(), states)
    assert [s.text for s in found.questions[0].sentences] == [RIGHT, PLAIN]
    (answer,) = (a for a in found.page if a.id == "O2")
    assert (answer.yes, answer.mended) == (True, True)


async def test_a_no_whose_words_are_not_on_the_page_changes_nothing(tmp_path: Path) -> None:
    no = PageReply(id="O1", yes=False, quote="the score drives death", reason="it claims a cause")
    door = caller(tmp_path, {WRITE: [written(RIGHT)], JUDGE: [JudgedPage(answers=(no,))]})
    found = await judge_page(door, material(), await write_answers(door, material(), STATES))
    assert all(a.yes for a in found.page)


async def test_sentences_fall_with_their_findings(tmp_path: Path) -> None:
    told = await write_answers(caller(tmp_path, {WRITE: [written(RIGHT)]}), material(), STATES)
    assert still_holding(told, material()).questions[0].sentences
    assert still_holding(told, material(Outcome.RUNTIME)).questions[0].sentences == ()
