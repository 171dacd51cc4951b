"""The first page of a report: its limits, its links, and runs in which little or nothing was answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import report_support as builder

from bioresearcher.report.first_page import first_page
from bioresearcher.report.run_data import load_view
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import AnswerLine, Answers, PageAnswer, PaperReading, QuestionAnswer
from bioresearcher.schemas.library import LeftOut
from bioresearcher.schemas.paper import Paper


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return builder.build_run(tmp_path / "2026-01-05-breast")


def edit(folder: RunFolder, *parts: str, **values: Any) -> None:
    path = folder.path(*parts)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def answered(folder: RunFolder, answers: Answers) -> dict[str, str]:
    edit(folder, "run.json", answers=answers.model_dump(mode="json"))
    return builder.every_page(load_view(folder))


def within_limits(text: str) -> None:
    assert len(text.splitlines()) <= 300
    assert len(text.split()) <= 2_500


def question(number: int, sentences: int, state: str = "answered") -> QuestionAnswer:
    said = "The score goes with the hazard in the cohort: HR per SD 1.87 (95 % CI 1.16 to 3.00, p = 0.01; n = 76)."
    return QuestionAnswer.model_validate(
        {
            "id": f"A{number}",
            "text": f"Time to event by the score of set {number} in all samples of the discovery cohort, adjusted.",
            "state": state,
            "why": "" if state == "answered" else "task T1: the model did not converge on these data " * 4,
            "tasks": [f"T{number}"],
            "sentences": [
                AnswerLine(text=f"{said} Sentence {n}.", findings=(f"T{number}.1",)).model_dump()
                for n in range(sentences)
            ],
        }
    )


def test_a_run_of_fifty_tasks_and_questions_keeps_the_limits(folder: RunFolder) -> None:
    task = json.loads(folder.path("tasks", "T1", "task.json").read_text("utf-8"))
    record = json.loads(folder.path("tasks", "T1", "record.json").read_text("utf-8"))
    for number in range(11, 61):
        place = folder.path("tasks", f"T{number}")
        place.mkdir()
        (place / "task.json").write_text(json.dumps(task | {"id": f"T{number}", "questions": [f"A{number}"]}), "utf-8")
        (place / "record.json").write_text(json.dumps(record | {"task_id": f"T{number}"}), "utf-8")
        for artifact in record["artifacts"]:
            target = place / artifact["path"]
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(folder.path("tasks", "T1", artifact["path"]).read_bytes())
    states = ("answered", "partly answered", "not answered")
    told = Answers(questions=tuple(question(n, 5, states[n % 3]) for n in range(11, 61)))
    pages = answered(folder, told)
    within_limits(pages["report.md"])
    assert "A60" not in pages["report.md"]
    assert re.search(r"and \d+ more questions", pages["report.md"])
    assert pages["report/tasks.html"].count('id="task-T') >= 54, "nothing is lost behind the page"


def test_two_hundred_papers_and_a_title_of_two_thousand_characters_keep_the_limits(folder: RunFolder) -> None:
    for n in range(200):
        paper = Paper(id=f"PMID{90_000_000 + n}", title="A very long title " * 110, source="pubmed")
        folder.write(paper, "papers", f"{paper.id}.json")
    papers = tuple(PaperReading(paper_id=f"PMID{90_000_000 + n}", relation="not reported") for n in range(200))
    edit(folder, "protocol.json", title="Receptors and outcome " * 90)
    one = question(1, 2).model_copy(update={"papers": papers})
    pages = answered(folder, Answers(questions=(one,)))
    within_limits(pages["report.md"])
    assert "and 197 more" in pages["report.md"]
    title = re.search(r"<h1>(.*?)</h1>", pages["report.html"], re.DOTALL)
    assert title is not None
    assert len(title[1]) <= 200


def test_where_nothing_was_answered_the_page_says_why_and_what_settles_it(folder: RunFolder) -> None:
    lost = QuestionAnswer(
        id="A1",
        text="Time to event by the score (GSE1992).",
        state="not answered",
        why="no column tells the event",
        mend='event = "status"',
    )
    pages = answered(folder, Answers(questions=(lost,), not_understood=("“stage III”: no column holds it.",)))
    for text in (pages["report.md"], pages["report.html"]):
        assert "no column tells the event" in text
        assert "stage III" in text
        assert "0 of 1 question answered" in text
    assert "<figure" not in pages["report.html"]


def test_a_run_without_questions_or_tasks_has_a_page(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    builder.write_run(folder, status="stopped")
    pages = builder.every_page(load_view(folder))
    assert "No question was asked of data." in pages["report.md"]
    assert "This report is incomplete" in pages["report.html"]
    within_limits(pages["report.md"])


def test_a_question_of_an_earlier_version_shows_its_findings(folder: RunFolder) -> None:
    old = QuestionAnswer(id="A1", text="Is it so?", state="answered", tasks=("T1",), findings=("It is so (n = 12).",))
    pages = answered(folder, Answers(questions=(old,)))
    assert "It is so" in pages["report.md"]
    assert "It is so (n = 12)." in pages["report.html"]


def test_what_was_left_out_and_what_the_reviewer_denied_is_said(folder: RunFolder) -> None:
    left = LeftOut(text="The score <i>drives</i> outcome.", reason="“drives” claims a cause")
    one = question(1, 1).model_copy(update={"left_out": (left,)})
    denied = PageAnswer(
        id="O2", axis="honest", question="Is it said what is open?", yes=False, reason="A1 says nothing"
    )
    pages = answered(folder, Answers(questions=(one,), page=(denied,)))
    assert "1 sentence was left out" in pages["report.md"]
    assert "Judged by the reviewer: Is it said what is open? No: A1 says nothing" in pages["report.html"]
    assert "drives" not in pages["report.html"]
    assert "claims a cause" in pages["report/review.html"]
    assert "<i>drives" not in pages["report/review.html"]


def test_every_number_leads_to_a_finding_or_a_cell_that_is_there(folder: RunFolder) -> None:
    record = json.loads(folder.path("tasks", "T1", "record.json").read_text("utf-8"))
    assert record["findings"]
    line = AnswerLine(text="1,840 of 8,765 genes differ (p = 1e-09).", findings=("T1.1",))
    one = QuestionAnswer(id="A1", text="Which genes differ?", state="answered", tasks=("T1",), sentences=(line,))
    pages = answered(folder, Answers(questions=(one,)))
    targets = re.findall(r'<a class="number" href="report/tasks\.html#([^"]+)"', pages["report.html"])
    assert len(targets) >= 2
    for target in targets:
        assert f'id="{target}"' in pages["report/tasks.html"]
    found = pages["report/tasks.html"].partition('id="finding-T1.1"')[2][:4_000]
    assert "T1/code.py" in found, "the code stands with the finding"


def test_at_most_five_caveats_stand_on_the_page(folder: RunFolder) -> None:
    page = first_page(load_view(folder))
    assert 1 <= len(page.caveats) <= 5
    assert page.other_caveats > 0


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([{}], "rules; every number and direction was checked by code"),
        ([{"origin": "model"}], "a language model; every number and direction was checked by code"),
        (
            [{"origin": "model", "judged": True}, {"origin": "model", "judged": True, "overruled": "its direction"}],
            "numbers were checked by code, and what each sentence claims was judged by the reviewer; "
            "1 sentence stands against a check's objection",
        ),
    ],
)
def test_the_page_says_who_checked_its_sentences(folder: RunFolder, lines: list[dict[str, Any]], said: str) -> None:
    sentences = tuple(AnswerLine(text=f"Sentence {n}.", findings=("T1.1",), **line) for n, line in enumerate(lines))
    told = question(1, 0).model_copy(update={"sentences": sentences})
    assert said in answered(folder, Answers(questions=(told,)))["report.md"].replace("’", "'")


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("Which gene sets are changed in the tumour, and", "Which gene sets are changed in the tumour?"),
        ("is the hypoxia response among the changed ones?", "Is the hypoxia response among the changed ones?"),
        (
            "Characterise the differences between both kinds of tumours, and",
            "Characterise the differences between both kinds of tumours",
        ),
        ("hypoxia with survival", "Bound."),
    ],
)
def test_a_question_stands_in_the_researchers_words(folder: RunFolder, words: str, asked: str) -> None:
    answer = QuestionAnswer(id="A1", text="Bound.", words=words, state="not answered", why="w")
    answered(folder, Answers(questions=(answer,)))
    (row,) = first_page(load_view(folder)).questions
    assert row.asked == asked.removesuffix(".")
    assert row.read_as == ("" if asked == "Bound." else "Bound")
