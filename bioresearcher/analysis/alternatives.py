"""Alternatives to the analysis of a question, which an objective or requirement declares for a specification curve."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bioresearcher.analysis.mentions import Lexicon, levels_of
from bioresearcher.analysis.reading import read_wishes
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.question import Filter, Question, Questions, Unbound

_NAMED: Final = re.compile(
    r"(?i)[,;(]?\s*(?:(?:and\s+)?(?:show|draw|give|report|make|with|as)\s+)?(?:an?\s+|the\s+)?"
    r"(?:specification[\s-]curve|multiverse)(?:\s+analys[ie]s)?(?P<rest>(?:[^.?!\n]|\.(?=\d))*)[.?!]?"
)
"""Words that ask for the curve, up to the end of their sentence."""
_LEAD: Final = re.compile(r"(?i)^\s*(?:[:(–-]|over|of|under|with\s+the\s+alternatives?|for)\s*:?\s*")
_BEGINS: Final = r"(?:with|without|excluding|exclude|leaving|robust|median|rank|wilcoxon|mann|quantile|unadjusted)\b"
_CUT: Final = re.compile(rf"(?i)\s*;\s*|\s*,?\s+(?:and|or)\s+(?={_BEGINS})|\s*,\s*(?={_BEGINS})")
_BARE: Final = re.compile(r"(?i)^(?:without\s+(?:any\s+)?(?:covariates?|adjust\w*)|unadjusted|no\s+covariates?)$")
_TESTS: Final = (
    (re.compile(r"(?i)robust|sandwich|huber|HC3"), "test robust"),
    (re.compile(r"(?i)median\s+regression|quantile\s+regression"), "test median"),
    (re.compile(r"(?i)\brank|wilcoxon|mann"), "test rank"),
    (re.compile(r"(?i)quantile[\s-]+normali[sz]"), "normalisation quantile"),
    (re.compile(r"(?i)median[\s-]+(?:normali[sz]|cent)"), "normalisation median"),
)
_OUT: Final = re.compile(r"(?i)\b(?:excluding|exclude|leaving\s+out)\b")
ONE_EFFECT: Final = ("difference", "association", "time to event")


def set_apart(objective: Objective) -> tuple[Objective, tuple[str, ...] | None]:
    """Return the objective without the words that declare alternatives, and these one by one; None where none do.

    They limit no population and name no covariate of the question itself.
    """
    declared: list[str] = []
    asked = False
    texts = []
    for text in (objective.text, *(r.text for r in objective.requirements)):
        found = _NAMED.search(text)
        if found is not None:
            asked = True
            rest = _LEAD.sub("", found["rest"]).rstrip(" ).")
            declared += [p.strip() for p in _CUT.split(rest) if p.strip()]
            before = text[: found.start()].rstrip()
            stop = "." if before and before[-1] not in ".?!" else ""
            text = f"{before}{stop}{text[found.end() :]}"
        texts.append(text)
    if not asked:
        return objective, None
    requirements = [r.model_copy(update={"text": t}) for r, t in zip(objective.requirements, texts[1:], strict=True)]
    return objective.model_copy(update={"text": texts[0], "requirements": tuple(requirements)}), tuple(declared)


def with_alternatives(
    questions: Questions, declared: tuple[str, ...] | None, datasets: Mapping[str, Dataset]
) -> Questions:
    """Add what was declared to each question of one effect; words that are bound to nothing are said."""
    if declared is None:
        return questions
    lost: list[Unbound] = []
    found = []
    for question in questions.questions:
        dataset = datasets.get(question.dataset)
        if dataset is not None and _one_effect(question):
            bound, missed = _bound(question, declared, dataset)
            lost += missed
            question = question.model_copy(update={"alternatives": bound})
        found.append(question)
    if not any(q.alternatives for q in found) and not lost:
        why = "no question is about one effect (of a gene, a column or groups), or no alternatives are declared"
        what = "ask about one gene or column, and write “specification curve: without age; excluding stage IV”"
        lost.append(Unbound(words="specification curve", why=why, suggestion=what, narrows=False))
    return questions.model_copy(
        update={
            "questions": tuple(found),
            "not_understood": tuple(dict.fromkeys((*questions.not_understood, *lost))),
        }
    )


def _one_effect(question: Question) -> bool:
    measured = question.measure
    one = measured.kind in ("gene", "column") and len(measured.names) == 1
    groups = question.contrast is not None and question.contrast.case is not None
    if question.kind == "time to event":
        return one or (measured.kind == "none" and groups)
    return question.kind in ONE_EFFECT and one and (groups or question.kind == "association")


def _bound(question: Question, declared: Sequence[str], dataset: Dataset) -> tuple[tuple[str, ...], list[Unbound]]:
    """The alternatives in the words of the skill; where none are named, each covariate of the question left out."""
    lexicon = Lexicon.of(dataset)
    found, lost = list[str](), list[Unbound]()
    for words in declared:
        bound = _piece(words, question, lexicon)
        found += bound
        if not bound:
            lost.append(
                Unbound(
                    words=words,
                    why="no alternative of a specification curve: no column, level, limit, model or normalisation",
                    suggestion="write “without age”, “with grade”, “excluding stage IV” or “robust standard errors”",
                    narrows=False,
                    questions=(question.id,),
                )
            )
    if not declared:
        found = [f"without {c}" for c in question.adjust]
    return tuple(dict.fromkeys(found)), lost


def _piece(words: str, question: Question, lexicon: Lexicon) -> list[str]:
    """One declared alternative, as the skill reads it; empty when it is bound to nothing."""
    if _BARE.match(words):
        return ["without covariates"] if question.adjust else []
    for pattern, bound in _TESTS:
        if pattern.search(words):
            return [bound]
    if _OUT.search(words):
        levels = [f for f, _, _ in read_wishes(Text(words), lexicon).filters if f.levels]
        numbers = [f for f, _, _ in read_wishes(Text(_OUT.sub(" ", words)), lexicon).filters if not f.levels]
        return [a for a in (_exclusion(f, lexicon) for f in (*levels, *numbers)) if a]
    text = Text(words)
    names = dict.fromkeys(m.name for m in lexicon.column_mentions(text))
    usable = [n for n in names if n not in _taken(question)]
    if words.casefold().startswith("without"):
        return [f"without {n}" for n in usable if n in question.adjust]
    if words.casefold().startswith("with"):
        return [f"with {n}" for n in usable if n not in question.adjust]
    return []


def _taken(question: Question) -> set[str]:
    """The columns that are no covariates: of the outcome, the groups, the measure, pairs and blocks."""
    end = question.endpoint
    named = {question.outcome, question.pair, *question.blocks, question.contrast.column if question.contrast else ""}
    named |= {*question.measure.names} if question.measure.kind == "column" else set()
    return named | ({end.time_column, end.event_column} if end else set())


def _exclusion(found: Filter, lexicon: Lexicon) -> str:
    """An exclusion in the words of the skill: levels as they are written in the data, or a limit.

    Levels are given as those that stay, numbers as those that leave.
    """
    column = lexicon.columns[found.column]
    if found.levels:
        left = [v for v in levels_of(column) if v not in found.levels]
        cells = [c for v in left for c in column.levels if column.level_of(c) == v]
        return f"excluding {found.column} = {' | '.join(cells)}" if cells else ""
    if found.least is not None and found.most is not None:
        return ""
    if found.least is not None:
        return f"excluding {found.column} {'>' if found.above else '>='} {found.least:g}"
    return f"excluding {found.column} {'<' if found.below else '<='} {found.most:g}"
