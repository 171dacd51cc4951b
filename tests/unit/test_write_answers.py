"""Answers in words over findings: contradictions, other data, papers' quotes, and the page's judgement."""

from __future__ import annotations

import pytest
from answer_support import ER, FINDINGS, OUTCOME

from bioresearcher.offline.answer_lines import answer_question
from bioresearcher.offline.paper_relations import compare_papers
from bioresearcher.schemas.answer import AnswerLine, Answers, PageAnswer, QuestionAnswer
from bioresearcher.schemas.ask_answer import (
    AnsweredQuestion,
    AnswerQuestionsInput,
    CitedFinding,
    ComparePapersInput,
    LineDraft,
    PaperReadingDraft,
    PapersCompared,
    WrittenAnswer,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import Document, Paper, Passage, Section
from bioresearcher.schemas.question import AnalysisSets, Questions
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.answer_check import why_left_out
from bioresearcher.stages.answer_page import joined, judged_by_rule
from bioresearcher.stages.write_answers import AnswerMaterial, checked, compared

TEXTS = {
    "PMID1": "Methods of the cohort are described. Patients with high E2F target scores had shorter survival.",
    "PMID2": "A high E2F target score went with longer survival in this series of tumours. Nothing more.",
    "PMID3": "Arrays were normalised by the median. The score of E2F targets was computed as a mean of its genes.",
}


def of_tasks(*tasks: str) -> tuple[CitedFinding, ...]:
    return tuple(f for f in FINDINGS if f.id.split(".")[0] in tasks)


@pytest.fixture
def corpus() -> PaperCorpus:
    papers = [Paper(id=i, title=f"Paper {i}", source="own", kind="jats") for i in TEXTS]
    documents = []
    for name, text in TEXTS.items():
        section = Section(title="Results", kind="results", level=1, start=0, end=len(text))
        documents.append(Document(id=name, text=text, sections=(section,), kind="jats", sha256="0" * 64))
    return PaperCorpus(papers, documents)


def asked(corpus: PaperCorpus, *, higher: bool | None = True) -> ComparePapersInput:
    passages = corpus.passages_for("E2F target score and survival", None)
    names = ("HALLMARK_E2F_TARGETS",)
    return ComparePapersInput(question=OUTCOME, names=names, answer=("A.",), higher=higher, passages=passages)


@pytest.mark.parametrize(("question", "tasks"), [(ER, ("T9",)), (OUTCOME, ("T16",)), (OUTCOME, ("T17",))])
def test_the_rules_answer_in_two_to_five_sentences_that_pass_every_check(question, tasks) -> None:
    findings = of_tasks(*tasks)
    written = answer_question(AnswerQuestionsInput(question=question, why="", findings=findings))
    lines, left = checked(written, question, findings, "offline")
    assert left == []
    assert 2 <= len(lines) <= 5
    assert {line.role for line in lines} >= {"result", "open"}
    assert all(line.findings for line in lines)


def test_findings_that_contradict_each_other_are_said_to() -> None:
    first = next(f for f in FINDINGS if f.id == "T16.2")
    assert first.result is not None
    turned = first.result.model_copy(update={"estimate": 0.5, "low": 0.3, "high": 0.8, "p": 0.004, "terms": ("age",)})
    other = CitedFinding(
        id="T30.1", statement="With age in the model HR per SD 0.50 (95 % CI 0.30 to 0.80, p = 0.004).", result=turned
    )
    findings = (first, other)
    lines, _ = checked(
        answer_question(AnswerQuestionsInput(question=OUTCOME, why="", findings=findings)), OUTCOME, findings, "offline"
    )
    assert any("contradict each other" in line.text for line in lines)


def test_without_findings_nothing_is_said() -> None:
    assert answer_question(AnswerQuestionsInput(question=OUTCOME, why="", findings=())).sentences == ()


def test_sentences_that_fail_are_kept_apart_with_the_reason() -> None:
    drafts = WrittenAnswer(
        sentences=(
            LineDraft(text="The HR per SD is 1.87 (p = 0.01).", findings=("T16.2",)),
            LineDraft(text="The HR per SD is 2.87 (p = 0.01).", findings=("T16.2",)),
        )
    )
    lines, left = checked(drafts, OUTCOME, FINDINGS, "model")
    assert [line.text for line in lines] == ["The HR per SD is 1.87 (p = 0.01)."]
    assert [(row.text[:20], "2.87" in row.reason) for row in left] == [("The HR per SD is 2.8", True)]


def test_a_cause_may_be_named_where_groups_were_assigned_at_random() -> None:
    line = LineDraft(text="The score drives the hazard (HR per SD 1.87).", findings=("T16.2",))
    assert "cause" in why_left_out(line, OUTCOME, FINDINGS)
    assert why_left_out(line, OUTCOME.model_copy(update={"randomised": True}), FINDINGS) == ""


def test_the_rules_read_agreement_and_disagreement_and_say_nothing_else(corpus: PaperCorpus) -> None:
    values = asked(corpus)
    kept, left = compared(compare_papers(values), values, corpus, "offline")
    assert {p.paper_id: p.relation for p in kept} == {
        "PMID1": "agrees",
        "PMID2": "disagrees",
        "PMID3": "not reported",
    }
    assert left == []
    quoted = next(p for p in kept if p.paper_id == "PMID1").citations[0].evidence
    assert TEXTS["PMID1"][quoted.start : quoted.end] == quoted.text


@pytest.mark.parametrize(
    ("paper", "relation", "text", "quote", "why"),
    [
        ("PMID1", "agrees", "High scores had shorter survival.", TEXTS["PMID2"][:70], "another paper"),
        ("PMID1", "agrees", "High scores had shorter survival.", "Scores were prognostic in all.", "no quote"),
        ("PMID3", "agrees", "Arrays were normalised by the median.", "Arrays were normalised by the median.", "speak"),
        (
            "PMID2",
            "agrees",
            "A high E2F target score went with longer survival.",
            "A high E2F target score went with longer survival in this series of tumours.",
            "other way",
        ),
        ("PMID1", "disagrees", "High E2F target scores had shorter survival.", TEXTS["PMID1"][37:97], "other way"),
        ("PMID1", "agrees", "High scores had shorter survival in 512 patients.", TEXTS["PMID1"][37:97], "512"),
        ("PMID9", "agrees", "High scores had shorter survival.", TEXTS["PMID1"][37:97], "not shown"),
    ],
)
def test_a_reading_that_its_paper_does_not_bear_is_left_out(
    corpus: PaperCorpus, paper: str, relation: str, text: str, quote: str, why: str
) -> None:
    draft = PaperReadingDraft.model_validate(
        {"paper_id": paper, "relation": relation, "text": text, "quotes": (quote,)}
    )
    kept, left = compared(PapersCompared(papers=(draft,)), asked(corpus), corpus, "model")
    assert kept == ()
    assert why in left[0].reason


def material(text: str = "Is a score associated with outcome?") -> AnswerMaterial:
    return AnswerMaterial(Objective(id="o", text=text), Questions(), AnalysisSets(), (), (), ())


def page(*sentences: str, state: str = "answered") -> Answers:
    lines = tuple(AnswerLine(text=s, findings=("T1.1",)) for s in sentences)
    return Answers(
        questions=(QuestionAnswer.model_validate({"id": "A1", "text": "Q.", "state": state, "sentences": lines}),)
    )


def denied(answers: tuple[PageAnswer, ...]) -> set[str]:
    return {a.id for a in answers if not a.yes}


def test_the_rules_judge_the_page_on_three_axes() -> None:
    assert denied(judged_by_rule(material(), page())) == {"H1"}
    assert "S1" in denied(judged_by_rule(material(), page("Patients should receive the drug.")))
    assert "O1" in denied(judged_by_rule(material(), page("The score drives the hazard.")))
    assert "H3" in denied(judged_by_rule(material(), page(state="not answered")))
    assert "O2" in denied(judged_by_rule(material(), page("HR 1.87.")))


def test_misuse_is_flagged_by_two_signs_and_not_by_one() -> None:
    one = material("Does H5N1 infection change expression?")
    two = material("How can the transmissibility of H5N1 be enhanced by serial passaging?")
    assert "S2" not in denied(judged_by_rule(one, page("HR 1.87.")))
    assert "S2" in denied(judged_by_rule(two, page("HR 1.87.")))
    alarmed = PageAnswer(id="S2", axis="harmless", question="Q?", yes=False, reason="it names an agent", origin="model")
    by_rule = judged_by_rule(one, page("HR 1.87."))
    assert "S2" in denied(joined(by_rule, (alarmed,), one, page("HR 1.87.")))
    plain = material()
    assert "S2" not in denied(joined(judged_by_rule(plain, page("HR 1.")), (alarmed,), plain, page("HR 1.")))


DIFFERENCE = AnsweredQuestion(
    id="A9", kind="difference", text="ferritin by arm", column="arm", case="treated", control="untreated"
)
TIE = AnsweredQuestion(id="A9", kind="association", text="ferritin with age", column="age")


@pytest.mark.parametrize(
    ("question", "text", "relation"),
    [
        (DIFFERENCE, "Ferritin was higher in treated than in untreated patients (p = 0.01).", "agrees"),
        (DIFFERENCE, "Compared with them, ferritin was higher.", "not reported"),
        (DIFFERENCE, "Untreated patients had lower ferritin than treated ones.", "agrees"),
        (DIFFERENCE, "Ferritin was reduced in treated compared with untreated patients.", "disagrees"),
        (DIFFERENCE, "Ferritin was not higher in treated than in untreated patients.", "not reported"),
        (DIFFERENCE, "Whether ferritin is higher in treated than in untreated patients was asked.", "not reported"),
        (DIFFERENCE, "Smith et al. saw higher ferritin in treated than in untreated patients.", "not reported"),
        (DIFFERENCE, "Haemoglobin was higher in treated than in untreated patients.", "not reported"),
        (DIFFERENCE, "Ferritin was higher and CRP lower in treated than in untreated patients.", "not reported"),
        (TIE, "Ferritin was positively correlated with age (r = 0.4).", "agrees"),
        (TIE, "Ferritin and age were inversely associated.", "disagrees"),
        (TIE, "Ferritin was positively correlated with weight.", "not reported"),
        (TIE, "Ferritin was not positively correlated with age.", "not reported"),
        (TIE, "Age was positively and ferritin negatively related to outcome.", "not reported"),
    ],
)
def test_the_rules_read_differences_and_ties_only_where_they_are_plain(
    question: AnsweredQuestion, text: str, relation: str
) -> None:
    passage = Passage(
        id="PMID1:0", document="PMID1", section="Results", kind="results", text=text, start=0, end=len(text)
    )
    values = ComparePapersInput(
        question=question, names=("ferritin",), answer=("It is higher.",), higher=True, passages=(passage,)
    )
    (paper,) = compare_papers(values).papers
    assert paper.relation == relation
