"""Questions and requirements after a run: answered, partly or not, counting only what was carried out."""

from __future__ import annotations

from bioresearcher.cli.run_messages import answer_lines
from bioresearcher.schemas.answer import Answers, QuestionAnswer
from bioresearcher.schemas.base import Requirement
from bioresearcher.schemas.execution import DryLabTask, Finding, Outcome, Result, TaskInput, TaskOutput, TaskRecord
from bioresearcher.schemas.protocol import Coverage, NotDone, Protocol
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets, FlowStep, Measure, Question, Questions, Unbound
from bioresearcher.stages.answers import answer_questions, citable, flow_text

TASK = DryLabTask(
    id="T1",
    title="t",
    goal="g",
    step_ids=("1.1",),
    questions=("A1",),
    inputs=(),
    outputs=(TaskOutput(name="findings", file="findings.json", kind="findings"),),
)
FOUND = Finding(statement="It differs.", result=Result(kind="difference", n=40, population="d"))
ROWS = AnalysisSet(
    id="A1",
    question="A1",
    source="d",
    population="d",
    start=50,
    n=40,
    flow=(FlowStep(reason="er is not negative", left_out=10, left=40),),
)


def question(number: int = 1, cannot: str = "", mend: str = "") -> Question:
    return Question(id=f"A{number}", kind="difference", text=f"Question {number}.", cannot=cannot, mend=mend)


def record(outcome: Outcome, message: str = "", findings: tuple[Finding, ...] = ()) -> TaskRecord:
    return TaskRecord(task_id="T1", outcome=outcome, message=message, exit_ok=True, findings=findings)


def told(
    questions: Questions,
    *records: TaskRecord,
    tasks: tuple[DryLabTask, ...] = (TASK,),
    coverage: Coverage | None = None,
) -> Answers:
    protocol = Protocol(
        id="p", title="p", objective_id="o", parts=(), coverage=(coverage,) if coverage else (), origin="offline"
    )
    asked = (Requirement(id="R1", text="Batch is in the model"),) if coverage else ()
    return answer_questions(questions, AnalysisSets(sets=(ROWS,)), asked, protocol, tasks, records)


def test_a_verified_finding_answers_its_question_and_the_way_to_its_rows_is_said() -> None:
    found = told(Questions(questions=(question(),)), record(Outcome.VERIFIED, findings=(FOUND,)))
    assert found.headline == "1 of 1 question answered"
    assert found.questions[0].findings == ("It differs.",)
    assert found.questions[0].flow == "50 rows, 10 left out (er is not negative), 40 analysed"
    assert not found.nothing


def test_words_that_bind_to_nothing_leave_a_question_partly_answered() -> None:
    lost = Unbound(words="smokers", why="no column holds smoking")
    found = told(
        Questions(questions=(question(),), not_understood=(lost,)), record(Outcome.VERIFIED, findings=(FOUND,))
    )
    assert found.headline == "0 of 1 question answered, 1 partly"
    assert "“smokers” (no column holds smoking)" in found.questions[0].why
    assert not found.nothing


def test_a_task_that_is_not_verified_answers_nothing_and_its_reason_is_the_real_one() -> None:
    found = told(Questions(questions=(question(),)), record(Outcome.BLOCKED, "DATA: no sample of a.tsv is in b.tsv"))
    assert found.nothing
    assert found.questions[0].why == "task T1: blocked: no sample of a.tsv is in b.tsv"


def test_of_a_task_that_waited_in_vain_the_reason_is_that_of_the_task_before_it() -> None:
    before = TASK.model_copy(update={"id": "T2", "questions": ()})
    waits = TaskInput(name="matrix", task="T2", output="findings")
    mine = TASK.model_copy(update={"inputs": (waits,)})
    failed = record(Outcome.BLOCKED, "DATA: m.tsv: two columns are called 'A'").model_copy(update={"task_id": "T2"})
    in_vain = record(Outcome.BLOCKED, "input matrix is missing: an earlier task did not make it")
    found = told(Questions(questions=(question(),)), in_vain, failed, tasks=(mine, before))
    assert found.questions[0].why == "task T2: blocked: m.tsv: two columns are called 'A'"


def test_a_question_without_a_task_and_one_that_cannot_be_answered_are_not_answered() -> None:
    cannot = question(2, "no vetted analysis does this (none uses anova)", "columns.x.role")
    found = told(Questions(questions=(question(), cannot)), tasks=())
    assert [q.why for q in found.questions] == ["no step of the protocol carries it out", cannot.cannot]
    assert found.headline == "0 of 2 questions answered, because no step of the protocol carries it out"
    lines = answer_lines(found)
    assert lines[0] == found.headline
    assert any("to settle it: columns.x.role" in line for line in lines)


def test_a_requirement_is_met_by_what_was_carried_out_only() -> None:
    met = Coverage(requirement="R1", steps=("1.1",), met=True)
    asked = Questions(questions=(question(),))
    assert told(asked, record(Outcome.VERIFIED, findings=(FOUND,)), coverage=met).requirements[0].state == "answered"
    planned = told(asked, record(Outcome.RUNTIME, "it stopped"), coverage=met).requirements[0]
    assert (planned.state, planned.why) == ("not answered", "step 1.1 planned, but nothing of it was carried out")
    undone = NotDone(what="The error in the independent samples (R1)", why="No file holds them.")
    plan = Protocol(id="p", title="p", objective_id="o", parts=(), coverage=(met,), origin="model", not_done=(undone,))
    asks = (Requirement(id="R1", text="The error in the independent set"),)
    (row,) = answer_questions(
        asked, AnalysisSets(sets=(ROWS,)), asks, plan, (TASK,), (record(Outcome.VERIFIED, findings=(FOUND,)),)
    ).requirements
    assert (row.state, "No file holds them." in row.why) == ("partly answered", True), "its steps only prepare it"
    lost = told(asked, coverage=Coverage(requirement="R1", steps=(), met=False, reason="nothing does it"))
    assert lost.requirements[0].why == "nothing does it"


def test_results_of_a_models_script_stand_beside_questions_that_are_not_answered() -> None:
    panel = Finding(statement="2 of 38 are called wrong.", result=Result(kind="prediction", n=38, population="d"))
    overview = Finding(statement="38 samples.", result=Result(kind="description", n=38, population="d"))
    own = TASK.model_copy(update={"id": "T2", "questions": ()})
    done = record(Outcome.VERIFIED, findings=(overview, panel)).model_copy(update={"task_id": "T2"})
    plan = Protocol(id="p", title="p", objective_id="o", parts=(), origin="model")
    asked = Questions(questions=(question(cannot="nothing names the independent set"),))
    for origin, beside in (("model", ["T2.2"]), ("offline", [])):
        planned = plan.model_copy(update={"origin": origin})
        found = answer_questions(asked, AnalysisSets(sets=(ROWS,)), (), planned, (own,), (done,))
        assert [b.findings[0] for b in found.beside] == beside
        assert found.nothing, "what no question asks for answers none"
        assert ("  found beside the questions, T2.2: 2 of 38 are called wrong." in answer_lines(found)) is bool(beside)
    failed = done.model_copy(update={"outcome": Outcome.BAD_OUTPUT})
    assert answer_questions(asked, AnalysisSets(sets=(ROWS,)), (), plan, (own,), (failed,)).beside == ()


def scored(*, agree: bool) -> Answers:
    asked = question().model_copy(update={"measure": Measure(kind="signature", names=("WANG",))})
    read = TASK.model_copy(update={"inputs": (TaskInput(name="expression", dataset="d", file="expression"),)})
    values = {"gene_set": "wang", "genes_agree": agree, "genes_negative": 24, "genes_used": 76}
    found = FOUND.model_copy(
        update={"result": Result(kind="difference", n=40, population="d", measure="WANG"), "values": values}
    )
    covered = Coverage(requirement="R1", steps=("1.1",), met=True)
    return told(
        Questions(questions=(asked,)), record(Outcome.VERIFIED, findings=(found,)), tasks=(read,), coverage=covered
    )


def test_a_list_of_genes_that_do_not_agree_is_not_the_published_score_and_no_whole_answer() -> None:
    found = scored(agree=False)
    assert (found.questions[0].state, found.requirements[0].state) == ("partly answered", "partly answered")
    assert "not the published score of wang" in found.questions[0].why
    assert "24 of 76 genes go against the others" in found.requirements[0].why
    assert found.headline == "0 of 1 question answered, 1 partly"
    assert scored(agree=True).headline == "1 of 1 question answered"


def test_the_end_of_a_run_repeats_three_statements_at_most_one_of_each_question_first() -> None:
    rows = [
        QuestionAnswer(id="A1", text="t", state="answered", findings=("one", "more of one", "still more")),
        QuestionAnswer(id="A2", text="t", state="partly answered", findings=("two",)),
    ]
    found = Answers(questions=tuple(rows))
    assert found.found == ("A1: one", "A2, partly answered: two", "A1: more of one")
    assert "  found, A2, partly answered: two" in answer_lines(found)


def test_the_way_to_the_rows_names_those_that_an_adjusted_model_rests_on() -> None:
    rows = ROWS.model_copy(update={"terms": ("age", "grade"), "complete": 26, "events": 19, "complete_events": 11})
    assert flow_text(rows).endswith("40 analysed, 19 events, 26 complete in the covariates age, grade (11 events)")
    whole = rows.model_copy(update={"complete": 40, "complete_events": 19})
    assert flow_text(whole).endswith("40 analysed, 19 events")
    paired = ROWS.model_copy(update={"terms": ("patient",), "pairs": 20, "complete": 40})
    assert paired.covariates == ()


def test_other_rows_of_the_same_data_are_no_replication() -> None:
    rows = ROWS.model_copy(update={"population": "d-A1"})
    origins = {"d": "d", "d-A1": "d", "d-A2": "d", "d-ready": "d", "v": "v", "v-A3": "v"}
    places = ["d-A1", "d-A2", "d-ready", "d", "v", "v-A3", ""]
    results = [Result(kind="difference", n=40, population=p) for p in places]
    results = [results[0], *(r.model_copy(update={"kind": "association"}) for r in results[1:])]
    found = tuple(Finding(statement=f"In {p}.", result=r) for p, r in zip(places, results, strict=True))
    told = Finding(statement="It replicated.", values={"replicated": True})
    done = record(Outcome.VERIFIED, findings=(*found, told))
    cited = citable(question(), rows, (TASK,), (done,), origins=origins)
    roles = {f.statement: f.role for f in cited}
    assert roles == {
        "In d-A1.": "result",
        "In d-A2.": "robustness",
        "In d-ready.": "robustness",
        "In d.": "result",
        "In v.": "replication",
        "In v-A3.": "replication",
        "In .": "result",
        "It replicated.": "replication",
    }
