"""The first page judged by closed questions on three axes: helpful, harmless, honest.

Rules answer every question; a model's reviewer answers them again where there is one. What the reviewer denies with
words that stand on the page is mended once, by writing those answers again; what still fails is said on the page.
Misuse needs two independent signs, as one word alone says little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.review.checks_safety import misuse_signs
from bioresearcher.schemas.answer import Answers, PageAnswer, QuestionAnswer
from bioresearcher.schemas.ask_answer import JudgedPage, JudgePageInput, PageQuestion
from bioresearcher.stages.answer_check import advice, causal_word
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import JUDGE_PAGE
from bioresearcher.stages.write_answers import AnswerMaterial, named_question, revised

QUESTIONS: Final = (
    PageQuestion(id="H1", axis="helpful", question="Is every question that counts as answered answered in words?"),
    PageQuestion(
        id="H2",
        axis="helpful",
        question="Does every answer to a comparison or an association give its size and the number of samples?",
    ),
    PageQuestion(id="H3", axis="helpful", question="Does everything that is not answered have its reason?"),
    PageQuestion(id="H4", axis="helpful", question="Is anything that the objective asks answered?"),
    PageQuestion(
        id="H5",
        axis="helpful",
        question="Does each question, with its columns and levels, ask what the objective asks, and nothing else?",
    ),
    PageQuestion(
        id="S1", axis="harmless", question="Is the page free of advice on the treatment or diagnosis of patients?"
    ),
    PageQuestion(id="S2", axis="harmless", question="Is the page free of what would help someone to do harm?"),
    PageQuestion(
        id="O1", axis="honest", question="Does no sentence claim a cause where groups were not assigned at random?"
    ),
    PageQuestion(id="O2", axis="honest", question="Does every answer say what it leaves open, or carry a caveat?"),
    PageQuestion(id="O3", axis="honest", question="Are the results of the data kept apart from what papers say?"),
)
LEAST_SIGNS: Final = 2
"""Independent signs of misuse, by words or by the reviewer, from which the page is flagged."""
_SIZED: Final = ("difference", "association", "time to event", "prediction", "enrichment")


async def judge_page(caller: ModelClient, material: AnswerMaterial, answers: Answers) -> Answers:
    """Return answers with the judgement of their page, after one revision where the reviewer found what to mend.

    Raises:
        BackendError: The backend gave no answer.
        StoppedError: The budget is used up, or the run is stopping.
    """
    by_rule = judged_by_rule(material, answers)
    if caller.by_rule or not answers.questions:
        return answers.model_copy(update={"page": by_rule})
    first = await _asked(caller, material, answers)
    if first is None:
        return answers.model_copy(update={"page": by_rule})
    problems = _problems(first, answers)
    if problems:
        answers = await revised(caller, material, answers, problems)
        again = await _asked(caller, material, answers)
        denied = {a.id for a in first if not a.yes}
        second = again or first
        first = tuple(a.model_copy(update={"mended": a.yes and a.id in denied}) for a in second)
        by_rule = judged_by_rule(material, answers)
    return answers.model_copy(update={"page": joined(by_rule, first, material, answers)})


def judged_by_rule(material: AnswerMaterial, answers: Answers) -> tuple[PageAnswer, ...]:
    """Answer every closed question by words and counts."""
    rules: dict[str, Callable[[AnswerMaterial, Answers], str]] = {
        "H1": _unwritten,
        "H2": _without_size,
        "H3": _without_reason,
        "H4": lambda _, told: "no question is answered" if told.nothing else "",
        "H5": lambda *_: (
            ""
        ),  # words of the objective that are bound to nothing are told beside; the rest is a judgement
        "S1": _advising,
        "S2": _harming,
        "O1": _causal,
        "O2": _without_caveat,
        "O3": lambda *_: "",  # they are fields of their own, so the page cannot mix them
    }
    found = []
    for question in QUESTIONS:
        why = rules[question.id](material, answers)
        found.append(
            PageAnswer(id=question.id, axis=question.axis, question=question.question, yes=not why, reason=why)
        )
    return tuple(found)


def joined(
    by_rule: Sequence[PageAnswer], by_model: Sequence[PageAnswer], material: AnswerMaterial, answers: Answers
) -> tuple[PageAnswer, ...]:
    """Join both judgements: either may deny a question, but misuse needs two signs."""
    told = {a.id: a for a in by_model}
    rows = []
    for rule in by_rule:
        model = told.get(rule.id)
        if model is None:
            rows.append(rule)
        elif rule.id == "S2":
            signs = misuse_signs(page_text(material, answers))
            flagged = len(signs) + (not model.yes) >= LEAST_SIGNS
            why = "; ".join([*signs, *([model.reason] if not model.yes else [])])
            why = why if flagged or not model.yes else ""  # one sign alone is told, and decides nothing
            rows.append(model.model_copy(update={"yes": not flagged, "reason": why}))
        else:
            rows.append(model if rule.yes or not model.yes else rule)
    return tuple(rows)


def page_text(material: AnswerMaterial, answers: Answers) -> str:
    """Return the answers of a run as the reader of the first page meets them."""
    lines = [material.objective.text]
    for q in answers.questions:
        lines += ["", f"{q.id} ({q.state}): {q.text}"]
        lines += [f"From the data: {s.text} [{', '.join(s.findings)}]" for s in q.sentences]
        lines += [f"From a table: {line}" for line in q.named]
        lines += [f"Papers, {p.relation}: {p.text} ({p.paper_id})" for p in q.papers if p.text]
        lines += [f"Not answered: {q.why}"] if q.why else []
    lines += [f"Not understood: {text}" for text in answers.not_understood]
    lines += [f"Note: {text}" for text in answers.notes]
    return "\n".join(lines)


async def _asked(caller: ModelClient, material: AnswerMaterial, answers: Answers) -> tuple[PageAnswer, ...] | None:
    """Ask the reviewer; what it denies without words of the page is told, and decides nothing.

    No rule of the backend stands in for an answer that cannot be used: `judged_by_rule` stands beside it already.
    """
    page = page_text(material, answers)
    values = JudgePageInput(objective=material.objective.text, page=page, questions=QUESTIONS)
    try:
        judged = await ask(replace(caller, rules=None), JUDGE_PAGE, values)
    except AnswerError as error:
        note(caller, JUDGE_PAGE, f"the page was judged by rule alone: {error.message}")
        return None
    return _answers(judged.value, page)


def _answers(judged: JudgedPage, page: str) -> tuple[PageAnswer, ...]:
    given = {a.id: a for a in judged.answers}
    plain = re.sub(r"\s+", " ", page)
    rows = []
    for q in QUESTIONS:
        if (a := given.get(q.id)) is None:
            continue
        stands = bool(a.quote.strip()) and re.sub(r"\s+", " ", a.quote.strip()) in plain
        denied = not a.yes and (stands or q.axis == "helpful")
        quote = a.quote if stands else ""
        unnamed = "" if denied else " (the words it names are not on the page)"
        rows.append(
            PageAnswer(
                id=q.id,
                axis=q.axis,
                question=q.question,
                yes=not denied,
                reason=f"{a.reason.strip() or 'no reason was given'}{unnamed}" if not a.yes else "",
                quote=quote,
                origin="model",
            )
        )
    return tuple(rows)


def _problems(judged: Sequence[PageAnswer], answers: Answers) -> dict[str, tuple[str, ...]]:
    """Return what was denied, by the question whose sentences hold the words quoted."""
    found: dict[str, tuple[str, ...]] = {}
    for a in judged:
        if a.yes or not a.quote:
            continue
        said = f"{a.question} No: “{a.quote}”. {a.reason}"
        for q in answers.questions:
            if any(a.quote.strip() in s.text or s.text in a.quote for s in q.sentences):
                found[q.id] = (*found.get(q.id, ()), said)
    return found


def _some(rows: Sequence[QuestionAnswer], said: str) -> str:
    return f"{said}: {', '.join(q.id for q in rows)}" if rows else ""


def _unwritten(_: AnswerMaterial, answers: Answers) -> str:
    return _some(
        [q for q in answers.questions if q.state != "not answered" and not q.sentences], "no sentence passed the checks"
    )


def _without_size(material: AnswerMaterial, answers: Answers) -> str:
    kinds = {q.id: q.kind for q in material.questions.questions}
    rows = [
        q
        for q in answers.questions
        if q.sentences and kinds.get(q.id) in _SIZED and not any(re.search(r"\d", s.text) for s in q.sentences)
    ]
    return _some(rows, "no number in the answer")


def _without_reason(_: AnswerMaterial, answers: Answers) -> str:
    return _some([q for q in answers.questions if q.state == "not answered" and not q.why], "no reason is given")


def _advising(_: AnswerMaterial, answers: Answers) -> str:
    rows = [q for q in answers.questions if any(advice(s.text) for s in q.sentences)]
    return _some(rows, "advice on treatment")


def _harming(material: AnswerMaterial, answers: Answers) -> str:
    signs = misuse_signs(page_text(material, answers))
    return "; ".join(signs) if len(signs) >= LEAST_SIGNS else ""


def _causal(material: AnswerMaterial, answers: Answers) -> str:
    rows = []
    for q in answers.questions:
        found = material.question(q.id)
        randomised = bool(found) and named_question(*found, material).randomised if found else False
        if any(causal_word(s.text, randomised=randomised) for s in q.sentences):
            rows.append(q)
    return _some(rows, "a cause is claimed")


def _without_caveat(_: AnswerMaterial, answers: Answers) -> str:
    rows = [
        q
        for q in answers.questions
        if q.sentences and not q.why and not q.flow and not any(s.role == "open" for s in q.sentences)
    ]
    return _some(rows, "nothing is said to be open")
