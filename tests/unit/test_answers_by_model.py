"""A model's answers: its right words are used, wrong ones left out, and what the reviewer denies is mended once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from answer_support import FINDINGS
from stages_support import caller

from bioresearcher.errors import EmptyReplyError
from bioresearcher.llm.ask import ModelClient
from bioresearcher.report.first_page import judged_lines
from bioresearcher.schemas.answer import Answers, QuestionAnswer
from bioresearcher.schemas.ask_answer import (
    JudgedPage,
    LineDraft,
    PageReply,
    SentenceJudgement,
    SentenceJudgements,
    WrittenAnswer,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.execution import Artifact, DryLabTask, Finding, Outcome, TaskRecord
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
WRITE, JUDGE, SENTENCES = "designer/answer_questions", "reviewer/judge_page", "reviewer/judge_sentences"


def model(tmp_path: Path, replies: dict[str, list[object]]) -> ModelClient:
    """A model with these replies that denies no sentence where nothing else is said."""
    return caller(tmp_path, {SENTENCES: [SentenceJudgements(sentences=())] * 4, **replies})


async def test_right_words_of_a_model_are_used_and_wrong_ones_counted(tmp_path: Path) -> None:
    door = model(tmp_path, {WRITE: [written(RIGHT, WRONG)]})
    (found,) = (await write_answers(door, material(), STATES)).questions
    assert [s.text for s in found.sentences] == [RIGHT]
    assert [row.text for row in found.left_out] == [WRONG]
    assert found.sentences[0].origin == door.backend.origin


async def test_a_question_that_is_not_answered_is_not_written_about(tmp_path: Path) -> None:
    states = Answers(questions=(QuestionAnswer(id="A2", text="Q.", state="not answered", why="the task failed"),))
    found = await write_answers(model(tmp_path, {}), material(Outcome.RUNTIME), states)
    assert found == states


async def test_what_the_reviewer_denies_with_words_of_the_page_is_written_once_more(tmp_path: Path) -> None:
    no = PageReply(id="O2", yes=False, quote=VAGUE, reason="it does not say that the estimate is fragile")
    yes = PageReply(id="O2", yes=True)
    door = model(
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
    door = model(tmp_path, {WRITE: [written(RIGHT)], JUDGE: [JudgedPage(answers=(no,))]})
    found = await judge_page(door, material(), await write_answers(door, material(), STATES))
    assert all(a.yes for a in found.page)
    assert judged_lines(found.page) == (
        "Does no sentence claim a cause where groups were not assigned at random? No, which is not counted: "
        "it claims a cause (the words it names are not on the page)",
    )


async def test_what_is_denied_of_honesty_and_harm_is_all_on_the_page_before_the_rest(tmp_path: Path) -> None:
    denied = [
        PageReply(id=i, yes=False, quote=RIGHT, reason=f"for {i}") for i in ("H1", "H2", "H3", "H4", "S1", "O1", "O3")
    ]
    door = model(tmp_path, {WRITE: [written(RIGHT)] * 2, JUDGE: [JudgedPage(answers=tuple(denied))] * 2})
    found = await judge_page(door, material(), await write_answers(door, material(), STATES))
    lines = judged_lines(found.page)
    told = [i for line in lines for i in ("O1", "O3", "S1", "H1", "H2", "H3", "H4") if f"for {i}" in line]
    assert told == ["O1", "O3", "S1", "H1", "H2", "H3"]
    assert all(RIGHT[:40] in line for line in lines[:3])


async def test_one_sign_of_misuse_is_told_and_decides_nothing(tmp_path: Path) -> None:
    no = PageReply(id="S2", yes=False, quote=RIGHT, reason="it may help to do harm")
    door = model(tmp_path, {WRITE: [written(RIGHT)] * 2, JUDGE: [JudgedPage(answers=(no,))] * 2})
    found = await judge_page(door, material(), await write_answers(door, material(), STATES))
    assert all(a.yes for a in found.page)
    assert any("it may help to do harm" in line for line in judged_lines(found.page))


async def test_counts_over_the_rows_of_a_findings_table_are_right_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "T16" / "outputs"
    folder.mkdir(parents=True)
    rows = [f"SET{n},{'yes' if n < 22 else 'no'},{0.01 if n < 30 else 0.5}" for n in range(50)]
    (folder / "sets.csv").write_text("\n".join(["name,changed,fdr", *rows]) + "\n")
    seen = replace(material(), tasks_dir=tmp_path)
    made = Artifact(name="sets", path="outputs/sets.csv", kind="table", sha256="0", bytes=1)
    seen = replace(seen, records=(seen.records[0].model_copy(update={"artifacts": (made,)}),))
    right = ("50 gene sets were tested.", "22 gene sets are changed.", "30 gene sets have an FDR ≤ 0.05.")
    wrong = (
        "22 gene sets were tested.",
        "30 gene sets are changed.",
        "50 patients were tested.",
        "30 sets at FDR ≤ 0.5.",
    )
    door = model(
        tmp_path,
        {WRITE: [WrittenAnswer(sentences=tuple(LineDraft(text=t, findings=("T16.2",)) for t in (*right, *wrong)))]},
    )
    (found,) = (await write_answers(door, seen, STATES)).questions
    assert [s.text for s in found.sentences] == [*right]
    assert {row.text for row in found.left_out} == {*wrong}


async def test_sentences_fall_with_their_findings(tmp_path: Path) -> None:
    told = await write_answers(model(tmp_path, {WRITE: [written(RIGHT)]}), material(), STATES)
    assert still_holding(told, material()).questions[0].sentences
    assert still_holding(told, material(Outcome.RUNTIME)).questions[0].sentences == ()


def judged(*holds: bool) -> SentenceJudgements:
    rows = (SentenceJudgement(id=f"S{n}", reason="It is another number.", holds=h) for n, h in enumerate(holds, 1))
    return SentenceJudgements(sentences=tuple(rows))


async def test_a_sentence_that_the_reviewer_does_not_find_in_its_findings_is_left_out(tmp_path: Path) -> None:
    door = model(tmp_path, {WRITE: [written(RIGHT, PLAIN)], SENTENCES: [judged(True, False)]})
    (found,) = (await write_answers(door, material(), STATES)).questions
    assert [s.text for s in found.sentences] == [RIGHT]
    assert [(row.text, row.reason) for row in found.left_out] == [(PLAIN, "the reviewer: It is another number.")]
    shown = next(r for r in door.backend.requests if r.prompt == SENTENCES).messages[-1].content
    assert RIGHT in shown
    assert "HR per SD" in shown
    assert WRONG not in shown


async def test_a_reviewer_overrules_what_was_read_off_words_and_no_wrong_number(tmp_path: Path) -> None:
    """“about twice” and the like are misread; a number that nothing gives is wrong whoever says otherwise."""
    misread = "Too few events were seen to say more: 25 for 5 coefficients."
    door = model(tmp_path, {WRITE: [written(misread, WRONG)], SENTENCES: [judged(True, True)]})
    (found,) = (await write_answers(door, material(), STATES)).questions
    assert [s.text for s in found.sentences] == [misread]
    assert found.sentences[0].judged
    assert found.sentences[0].overruled
    assert [row.text for row in found.left_out] == [WRONG]
    assert "2.87 is in none of its findings" in found.left_out[0].reason
    assert still_holding(Answers(questions=(found,)), material()).questions[0].sentences == found.sentences


async def test_no_answer_about_the_sentences_leaves_the_verdict_of_the_checks(tmp_path: Path) -> None:
    door = model(tmp_path, {WRITE: [written(RIGHT)], SENTENCES: [EmptyReplyError("nothing")]})
    (found,) = (await write_answers(door, material(), STATES)).questions
    assert [s.text for s in found.sentences] == [RIGHT]
