"""A document from elsewhere judged by the reviewer: in pieces, by a rubric of its kind and the standard checklists.

Rules check, the model judges: the checks' findings are claims that it may dispute. What it says counts only with words
of the document; a finding without them is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.shorten import tokens_of
from bioresearcher.review.check import CheckContext
from bioresearcher.review.checks import CHECKS
from bioresearcher.review.metrics import review_without_model
from bioresearcher.review.pieces import cut, outline_of, step_of, stretches
from bioresearcher.review.reading.kind import kind_of
from bioresearcher.review.record import most_severe_in_foreign
from bioresearcher.review.rubrics import (
    METRIC_QUESTIONS,
    Checklist,
    checklist_named,
    choose_checklists,
    rubrics,
)
from bioresearcher.schemas.ask_judge import (
    CheckClaim,
    DocumentJudgement,
    GivenAnswer,
    GivenFinding,
    GivenScore,
    Item,
    JudgeDocumentInput,
    VerifyFindingsInput,
)
from bioresearcher.schemas.judgement import (
    AnsweredItem,
    Confidence,
    DisputedClaim,
    DocumentKind,
    ItemAnswer,
    JudgedFinding,
    Judgement,
)
from bioresearcher.schemas.protocol import Consequence, Protocol
from bioresearcher.schemas.review import CheckFinding, Metric, MetricName, Review, Severity
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import JUDGE_DOCUMENT, VERIFY_FINDINGS
from bioresearcher.text.normalise import known_id, stands_in, title_of
from bioresearcher.text.visible import one_line

PIECE_TOKENS = 6_500
"""Largest piece of a document in one question, in estimated tokens; 40 steps at the bench have 2,000 to 5,000."""
MOST_FINDINGS = 15
MOST_CLAIMS = 20
_CARRY_CHARS = 1_500
GRAVITY: tuple[Consequence, ...] = get_args(Consequence)
CONFIDENCE: tuple[Confidence, ...] = get_args(Confidence)
SEVERITY: dict[Consequence, Severity] = {
    "invalidates the result": "error",
    "changes the result": "warning",
    "weakens it": "note",
    "wording": "note",
}
Verdict = Literal["pass", "revise", "fail"]
_CLAIMED = frozenset({"yes", "partly"})
_BEST: tuple[ItemAnswer, ...] = ("yes", "partly", "no", "not applicable", "not assessable")
"""Answers of several pieces to one item: the first of these that was given counts."""


@dataclass(frozen=True)
class JudgeOptions:
    """Options of judging a document.

    Attributes:
        kind: Kind given by the user; None: recognised, and open to the reviewer's correction.
        checklists: Names of checklists to use instead of those chosen by kind and words.
        passes: 2 for a second look at each finding.
    """

    kind: DocumentKind | None = None
    checklists: tuple[str, ...] = ()
    passes: int = 1


@dataclass
class _Said:
    """All that the reviewer said on the pieces so far."""

    findings: list[JudgedFinding] = field(default_factory=list)
    answers: dict[str, AnsweredItem] = field(default_factory=dict)
    disputed: dict[str, DisputedClaim] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    not_assessable: list[str] = field(default_factory=list)
    carry: str = ""
    last: DocumentJudgement | None = None


async def judge_document(
    caller: ModelClient, protocol: Protocol, text: str, context: CheckContext, options: JudgeOptions
) -> Review:
    """Judge a document and return its review, with `Review.judgement`.

    Args:
        caller: Whom to ask.
        protocol: The document as steps, for the checks and for places.
        text: The document's own words, all of them.
        context: What is known of its run, if it has one.
        options: Kind, checklists, passes.

    Returns:
        The review; the checks' own where the model gave no usable answer to the first question, as the note says.
    """
    by_rule = review_without_model(protocol, context)
    caller = replace(caller, rules=None)  # there is nothing a rule could say
    kind, reason = (options.kind, "as asked for") if options.kind else kind_of(text, protocol)
    try:
        said, kind, reason, lists, pieces = await _asked(caller, protocol, text, by_rule, options, (kind, reason))
    except AnswerError as error:
        note(caller, JUDGE_DOCUMENT, f"not judged: {error.message}")
        return by_rule
    last = said.last or DocumentJudgement(kind=kind, findings=())
    findings = ranked(said.findings)
    if options.passes > 1 and findings:
        findings = await _verified(caller, kind, text, findings, said.dropped)
    metrics, refused = _metrics(last.scores, text, protocol)
    worst = _most_serious(findings, last, pieces)
    judgement = Judgement(
        kind=kind,
        kind_reason=reason,
        checklists=tuple(f"{c.name} ({c.source})" for c in lists),
        findings=findings,
        most_serious=worst.id if worst else "",
        invalidates=worst is not None and worst.consequence == GRAVITY[0],
        not_assessable=tuple(dict.fromkeys([*said.not_assessable, *refused])),
        confidence=last.confidence,
        conclusion=last.conclusion if kind == "finished study" else None,
        items=tuple(_all_items(lists, said.answers)),
        disputed=tuple(said.disputed.values()),
        dropped=tuple(said.dropped),
        pieces=pieces,
        passes=options.passes,
    )
    undisputed = _undisputed(by_rule.findings, judgement.disputed)
    return Review(
        metrics=metrics,
        findings=(*undisputed, *as_check_findings(findings, protocol)),
        verdict=_with_claims(verdict_of(findings), undisputed)
        if findings or metrics or kind != "other text"
        else "not judged",
        summary=last.summary.strip() or _summary(findings),
        origin="model",
        judgement=judgement,
    )


async def _asked(
    caller: ModelClient,
    protocol: Protocol,
    text: str,
    by_rule: Review,
    options: JudgeOptions,
    taken: tuple[DocumentKind, str],
) -> tuple[_Said, DocumentKind, str, tuple[Checklist, ...], int]:
    """Ask piece by piece; once anew where the reviewer names another kind than was recognised.

    Raises:
        AnswerError: The first piece was not answered.
    """
    kind, reason = taken
    claimed = _claimed(by_rule.findings)
    claims = tuple(
        CheckClaim(id=f"C{n}", check=f.gate, location=f.location, message=one_line(f.message, 200))
        for n, f in enumerate(claimed, 1)
    )
    fixed = options.kind is not None
    pieces = cut(text, PIECE_TOKENS)
    outline = outline_of(text) if len(pieces) > 1 else ""
    said, lists = _Said(), _lists(kind, text, options)
    n = 0
    while n < len(pieces):
        values = JudgeDocumentInput(
            title=one_line(protocol.title, 200),
            kind=kind,
            kind_fixed=fixed,
            questions=rubrics()[kind].questions,
            items=tuple(Item(id=i.id, question=i.question) for i in _open_items(lists, said.answers)),
            metrics=tuple(f"`{name}` ({question})" for name, question in METRIC_QUESTIONS.items()),
            claims=claims if n == 0 else (),
            piece=n + 1,
            pieces=len(pieces),
            outline=outline,
            carried=said.carry,
            found=tuple(f"{f.location}: {one_line(f.problem, 160)}" for f in said.findings),
            text=pieces[n],
            most=MOST_FINDINGS,
        )
        try:
            answer = (await ask(caller, JUDGE_DOCUMENT, values)).value
        except AnswerError as error:
            if n == 0:
                raise
            said.not_assessable.append(f"piece {n + 1} of {len(pieces)} was not answered: {error.message}")
            n += 1
            continue
        if n == 0 and not fixed and answer.kind != kind:
            reason = f"the reviewer's reading, not “{kind}”: {one_line(answer.kind_reason, 300)}"
            kind, fixed = answer.kind, True
            lists = _lists(kind, text, options)
            continue
        _take(answer, said, text, lists, claimed)
        n += 1
    return said, kind, reason, lists, len(pieces)


def _claimed(findings: Sequence[CheckFinding]) -> tuple[CheckFinding, ...]:
    """Return the findings that are shown as claims, each for itself, so that a dispute concerns one place.

    Checks without a record on documents from elsewhere stay out, and those of form, which say nothing of the science.
    """
    form = {c.id for c in CHECKS if c.metric in ("structural_soundness", "completeness", "level_of_detail")}
    claims = [f for f in findings if most_severe_in_foreign(f.gate) is not None and f.gate not in form]
    return tuple(claims[:MOST_CLAIMS])


def _lists(kind: DocumentKind, text: str, options: JudgeOptions) -> tuple[Checklist, ...]:
    if options.checklists:
        return tuple(checklist_named(name) for name in options.checklists)
    return choose_checklists(kind, text)


def _open_items(lists: Sequence[Checklist], answers: dict[str, AnsweredItem]) -> list[Item]:
    settled = {name for name, a in answers.items() if a.answer in {"yes", "not applicable"}}
    return [Item(id=i.id, question=i.question) for c in lists for i in c.items if i.id not in settled]


def _take(
    answer: DocumentJudgement,
    said: _Said,
    text: str,
    lists: Sequence[Checklist],
    claimed: Sequence[CheckFinding],
) -> None:
    """Take what counts of an answer: findings and answers with words of the document, disputes of known claims."""
    for given in answer.findings[:MOST_FINDINGS]:
        if not title_of(given.problem):
            continue
        if stands_in(given.quote, text):
            said.findings.append(_finding(given, len(said.findings) + 1))
        else:
            where = one_line(given.location, 80)
            said.dropped.append(f"{where}: {one_line(given.problem, 160)} (its words stand nowhere in the document)")
    for item in answer.items:
        _take_answer(item, said, text, lists)
    by_id = {f"C{n}": f for n, f in enumerate(claimed, 1)}
    for dispute in answer.disputed:
        number = known_id(dispute.claim, by_id) or ""
        claim = by_id.get(number)
        if claim is not None and title_of(dispute.why):
            said.disputed[number] = DisputedClaim(
                check=claim.gate, location=claim.location, message=claim.message, why=one_line(dispute.why, 400)
            )
    said.not_assessable += [one_line(x, 300) for x in answer.not_assessable if title_of(x)]
    said.carry = f"{said.carry}\n{answer.carry}".strip()[-_CARRY_CHARS:]
    said.last = answer


def _finding(given: GivenFinding, n: int) -> JudgedFinding:
    return JudgedFinding(
        id=f"A{n}",
        location=one_line(given.location, 120) or "document",
        quote=one_line(given.quote, 400),
        problem=one_line(given.problem, 600),
        why=one_line(given.why, 600),
        consequence=given.consequence,
        mend=one_line(given.mend, 500),
        confidence=given.confidence,
    )


def _take_answer(given: GivenAnswer, said: _Said, text: str, lists: Sequence[Checklist]) -> None:
    items = {i.id: i for c in lists for i in c.items}
    item = items.get(known_id(given.item, items) or "")
    if item is None:
        return
    answer, remark = given.answer, ""
    if answer in _CLAIMED and not stands_in(given.quote, text):
        answer, remark = "not assessable", f"answered “{given.answer}” without words of the document"
    before = said.answers.get(item.id)
    if before is None or _BEST.index(answer) < _BEST.index(before.answer):
        said.answers[item.id] = AnsweredItem(
            item=item.id,
            question=item.question,
            source=item.source,
            answer=answer,
            quote=one_line(given.quote, 300) if answer in _CLAIMED else "",
            note=remark,
        )


def _all_items(lists: Sequence[Checklist], answers: dict[str, AnsweredItem]) -> list[AnsweredItem]:
    """Return every item in its order; one that was not answered is not assessable."""
    return [
        answers.get(i.id)
        or AnsweredItem(item=i.id, question=i.question, source=i.source, answer="not assessable", note="not answered")
        for c in lists
        for i in c.items
    ]


def ranked(findings: Sequence[JudgedFinding]) -> tuple[JudgedFinding, ...]:
    """Rank findings by consequence, then confidence, then order; number them anew and leave repeats out."""
    distinct: dict[tuple[str, str], JudgedFinding] = {}
    for f in findings:
        distinct.setdefault((f.quote.casefold(), f.problem.casefold()), f)
    ordered = sorted(distinct.values(), key=lambda f: (GRAVITY.index(f.consequence), CONFIDENCE.index(f.confidence)))
    return tuple(f.model_copy(update={"id": f"A{n}"}) for n, f in enumerate(ordered, 1))


def _most_serious(findings: Sequence[JudgedFinding], last: DocumentJudgement, pieces: int) -> JudgedFinding | None:
    """Return the finding the reviewer called the gravest, where it is one of the gravest kind; else the first."""
    if not findings:
        return None
    number = last.most_serious
    if pieces == 1 and 0 < number <= len(last.findings):
        given = last.findings[number - 1]
        for f in findings:
            if f.problem == one_line(given.problem, 600) and f.consequence == findings[0].consequence:
                return f
    return findings[0]


async def _verified(
    caller: ModelClient, kind: DocumentKind, text: str, findings: Sequence[JudgedFinding], dropped: list[str]
) -> tuple[JudgedFinding, ...]:
    """Ask for a second look at each finding; those that do not hold, or cannot be quoted, are left out."""
    whole = tokens_of(text) <= PIECE_TOKENS
    shown = text if whole else stretches(text, [f.quote for f in findings])
    values = VerifyFindingsInput(kind=kind, findings=tuple(findings), text=shown, whole=whole)
    try:
        answer = (await ask(caller, VERIFY_FINDINGS, values)).value
    except AnswerError as error:
        note(caller, VERIFY_FINDINGS, f"no second look: {error.message}")
        return tuple(findings)
    ids = {f.id for f in findings}
    looked = {known_id(v.finding, ids): v for v in answer.findings}
    kept = []
    for f in findings:
        look = looked.get(f.id)
        if look is None:
            kept.append(f.model_copy(update={"confidence": "possible"}))
        elif not look.holds:
            dropped.append(f"{f.location}: {one_line(f.problem, 160)} (second look: {one_line(look.reason, 200)})")
        elif not stands_in(look.quote, text):
            dropped.append(f"{f.location}: {one_line(f.problem, 160)} (the second look could not quote it)")
        else:
            kept.append(f.model_copy(update={"quote": one_line(look.quote, 400), "consequence": look.consequence}))
    return ranked(kept)


def _metrics(scores: Sequence[GivenScore], text: str, protocol: Protocol) -> tuple[dict[MetricName, Metric], list[str]]:
    """Return the scores that count, and why others do not."""
    metrics: dict[MetricName, Metric] = {}
    refused = []
    given = {s.metric: s for s in scores}
    for name in METRIC_QUESTIONS:
        s, words = given.get(name), name.replace("_", " ")
        if s is None or s.score is None:
            refused.append(f"{words}: {one_line(s.reason, 200) if s and s.reason else 'the reviewer gave no score'}")
        elif not (s.score * 2).is_integer():
            refused.append(f"{words}: its score {s.score:g} is no level of the rubric")
        elif not stands_in(s.quote, text):
            refused.append(f"{words}: its score rests on no words of the document")
        else:
            place = step_of(s.quote, protocol) or "protocol"
            metrics[name] = Metric(
                score=s.score, evidence=(one_line(s.quote, 300),), reason=one_line(s.reason, 400), places=(place,)
            )
    return metrics, refused


def _with_claims(verdict: Verdict, undisputed: Sequence[CheckFinding]) -> Verdict:
    """Return `revise` for `pass` where an error of a check stands that the reviewer, who is not to repeat it, left."""
    return "revise" if verdict == "pass" and any(f.severity == "error" for f in undisputed) else verdict


def verdict_of(findings: Sequence[JudgedFinding]) -> Verdict:
    """Return `fail` where a more than possible finding invalidates the result, `revise` where one changes it."""
    firm = {f.consequence for f in findings if f.confidence != "possible"}
    if GRAVITY[0] in firm:
        return "fail"
    return "revise" if GRAVITY[1] in firm or any(f.consequence == GRAVITY[0] for f in findings) else "pass"


def _summary(findings: Sequence[JudgedFinding]) -> str:
    return findings[0].problem if findings else "The reviewer found nothing that must change."


def _undisputed(findings: Sequence[CheckFinding], disputed: Sequence[DisputedClaim]) -> tuple[CheckFinding, ...]:
    """Return the checks' findings without those the reviewer disputes; others of the same check stay."""
    claims = {(d.check, d.location, d.message) for d in disputed}
    return tuple(f for f in findings if (f.gate, f.location, f.message) not in claims)


def as_check_findings(findings: Sequence[JudgedFinding], protocol: Protocol) -> tuple[CheckFinding, ...]:
    """Write the reviewer's findings as findings of the check `REVIEWER`, for tables, SARIF and exit codes."""
    return tuple(
        CheckFinding(
            gate="REVIEWER",
            severity="note" if f.confidence == "possible" else SEVERITY[f.consequence],
            location=step_of(f.quote, protocol) or "protocol",
            message=f"{f.problem} {f.why} (“{f.quote}”)",
            suggestion=f.mend,
        )
        for f in findings
    )
