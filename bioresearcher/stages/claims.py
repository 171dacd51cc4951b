"""Checks of citations: what a step takes from a fact or a passage must stand there.

By rule: the source exists, holds the claim's numbers, does not point in the opposite direction, and shares at least one
content word with the claim. A model then answers one closed question for each claim on a passage, all in few calls. A
claim that does not pass is cut: it stays in the record, and supports nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.retrieval.bm25 import terms
from bioresearcher.schemas.ask_design import CutClaim
from bioresearcher.schemas.ask_review import Claim, ClaimJudgement, JudgeClaimsInput
from bioresearcher.schemas.facts import Fact
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.protocol import Citation, Link, Protocol, ProtocolStep
from bioresearcher.stages.design_context import DesignContext, assemble_again
from bioresearcher.stages.fallback import note
from bioresearcher.stages.prompts import JUDGE_CLAIMS
from bioresearcher.stages.quote_checks import missing_numbers, opposed
from bioresearcher.text.normalise import known_id, title_of
from bioresearcher.text.visible import clip

CLAIMS_PER_CALL: Final = 40
STEP_CHARS: Final = 160
SOURCE_CHARS: Final = 900
SAID_CHARS: Final = 360
"""Characters of a source that are shown to the author of a claim that was cut."""
BY_RULE: Final = "checked by rule"
BY_MODEL: Final = "checked by rule and judged by a model"


@dataclass(frozen=True)
class _Checked:
    """A citation as the rules find it; `link` is set for a passage that may support the claim."""

    citation: Citation
    link: Link | None = None


async def check_claims(caller: ModelClient, bench: DesignContext, protocol: Protocol) -> Protocol:
    """Check all citations that are not checked yet; return the protocol with their states.

    Steps gain a link for each passage that supports a claim of theirs; what was cut stands among the limitations.
    Without a model, or when its answer cannot be used, the rules' verdict stands.
    """
    checked = {(s.id, n): _by_rule(bench, c) for s in protocol.steps for n, c in _open(s)}
    asked = [key for key, found in checked.items() if found.link is not None]
    if asked and not caller.by_rule:
        by_id = {s.id: s for s in protocol.steps}
        claims = [_claim(f"C{n}", by_id[key[0]], checked[key]) for n, key in enumerate(asked, 1)]
        judged = await _judged(caller, claims)
        for n, key in enumerate(asked, 1):
            checked[key] = _with_judgement(checked[key], judged.get(f"C{n}"))
    parts = tuple(
        part.model_copy(update={"steps": tuple(_with_citations(s, checked) for s in part.steps)})
        for part in protocol.parts
    )
    return assemble_again(bench, protocol, parts)


def _open(step: ProtocolStep) -> Iterator[tuple[int, Citation]]:
    """Yield the citations of a step that are still to be checked, with their places."""
    return ((n, c) for n, c in enumerate(step.citations) if c.state == "not checked" and c.kind != "general")


def _with_citations(step: ProtocolStep, checked: dict[tuple[str, int], _Checked]) -> ProtocolStep:
    own = [checked.get((step.id, n)) for n in range(len(step.citations))]
    if not any(own):
        return step
    citations = tuple(found.citation if found else c for found, c in zip(own, step.citations, strict=True))
    links = [*step.links, *(f.link for f in own if f is not None and f.link is not None)]
    return step.model_copy(update={"citations": citations, "links": tuple(dict.fromkeys(links))})


def _by_rule(bench: DesignContext, citation: Citation) -> _Checked:
    """Check a citation by rule; a reference that exists as the other kind is taken as that."""
    fact_id = known_id(citation.ref, [f.id for f in bench.facts])
    if fact_id is not None:
        named = citation.model_copy(update={"kind": "fact", "ref": fact_id})
        fact = next(f for f in bench.facts if f.id == fact_id)
        source = next((k.code for k in bench.looks if k.id and k.id == fact.shown_by and not k.refused), "")
        why = why_not(citation.claim, _fact_texts(fact), _constants(source))
        return _Checked(_verdict(named, why))
    look_id = known_id(citation.ref, [k.id for k in bench.looks if k.id and not k.refused])
    if look_id is not None:
        named = citation.model_copy(update={"kind": "fact", "ref": look_id})
        look = next(k for k in bench.looks if k.id == look_id)
        return _Checked(_verdict(named, why_not(citation.claim, [look.shown], _constants(look.code))))
    found = passages_of(bench, citation.ref)
    if found is None:
        return _Checked(_verdict(citation, f"there is no {citation.kind} {title_of(citation.ref) or 'without a name'}"))
    ref, part_id, step_id, evidence = found
    named = citation.model_copy(update={"kind": "passage", "ref": ref})
    if not evidence:
        return _Checked(_verdict(named, "no quote of it was located in the paper"))
    paper_id = evidence[0].document
    paper = bench.papers.get(paper_id)
    if paper is not None and paper.status == "retracted":
        return _Checked(_verdict(named, "the paper was retracted"))
    why = why_not(citation.claim, [e.text for e in evidence])
    if why:
        return _Checked(_verdict(named, why))
    wanted = set(terms(citation.claim))
    best = max(evidence, key=lambda e: len(wanted & set(terms(e.text))))
    link = Link(paper_id=paper_id, part_id=part_id, step_id=step_id, evidence=best, claim=citation.claim)
    return _Checked(_verdict(named, ""), link)


def cut_claims(bench: DesignContext, protocol: Protocol) -> tuple[CutClaim, ...]:
    """Return the citations of a protocol that were cut, each with the reason and what its source says."""
    return tuple(
        CutClaim(step=s.id, ref=c.ref, claim=c.claim, reason=c.reason, source=clip(_said(bench, c.ref), SAID_CHARS))
        for s in protocol.steps
        for c in s.citations
        if c.state == "cut"
    )


def _said(bench: DesignContext, ref: str) -> str:
    """Return what a source says; empty when there is none."""
    fact = next((f for f in bench.facts if f.id == known_id(ref, [f.id])), None)
    look = next((k for k in bench.looks if k.id and k.id == known_id(ref, [k.id])), None)
    if fact or look:
        return fact.statement if fact else look.shown if look else ""
    found = passages_of(bench, ref)
    return " … ".join(e.text for e in found[3]) if found else ""


def _verdict(citation: Citation, why: str) -> Citation:
    return citation.model_copy(update={"state": "cut" if why else "supported", "reason": why or BY_RULE})


def _fact_texts(fact: Fact) -> list[str]:
    numbers = (f"{n.name} {n.value:g} {n.unit}" for n in fact.numbers)
    return [fact.statement, fact.consequence, *numbers, " ".join(fact.rows), f"{fact.row_count} {fact.dataset}"]


def passages_of(bench: DesignContext, ref: str) -> tuple[str, str, str, tuple[Evidence, ...]] | None:
    """Return the reference as it is written, report part and step, and the quotes that a passage reference names.

    Part and step are empty for a passage that was read outside a report. None when there is no such passage.
    """
    read = {p.id: p for p in bench.passages}
    passage_id = known_id(ref, read)
    if passage_id is not None:
        return passage_id, "", "", (read[passage_id].evidence,)
    found = bench.report_step(ref)
    if found is None:
        return None
    paper_id, part_id, step = found
    quotes = (*step.evidence, *(e for r in step.results for e in r.evidence))
    return f"{paper_id}/{step.id}", part_id, step.id, quotes


def _constants(code: str) -> str:
    """Return the numbers that a look's code states as such, its thresholds and sizes; empty when it cannot be read."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    found = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    return " ".join(f"{v:g}" for v in found if isinstance(v, int | float) and not isinstance(v, bool))


def why_not(claim: str, texts: Sequence[str], constants: str = "") -> str:
    """Return in a few words why the texts of a source do not hold a claim; empty when no rule fails.

    Of `constants`, the numbers of a look's code, none is missing; what was found must stand in the texts.
    """
    if not claim.strip():
        return "it says nothing that could be checked"
    missing = missing_numbers([claim], [*texts, constants])
    if missing:
        return f"its source does not hold {', '.join(missing[:4])}"
    if opposed(claim, texts):
        return "it and its source point in opposite directions"
    if not set(terms(claim)) & {t for text in texts for t in terms(text)}:
        return "its source shares no word with it"
    return ""


def _claim(name: str, step: ProtocolStep, checked: _Checked) -> Claim:
    text = checked.link.evidence.text if checked.link else ""
    return Claim(
        id=name,
        step=clip(f"{step.title}. {step.action}", STEP_CHARS),
        claim=checked.citation.claim,
        source=clip(text, SOURCE_CHARS),
    )


async def _judged(caller: ModelClient, claims: Sequence[Claim]) -> dict[str, ClaimJudgement]:
    """Return the model's answers by claim; none for a call whose answer cannot be used."""
    judge = replace(caller, rules=None)
    found: dict[str, ClaimJudgement] = {}
    for start in range(0, len(claims), CLAIMS_PER_CALL):
        batch = tuple(claims[start : start + CLAIMS_PER_CALL])
        try:
            answer = await ask(judge, JUDGE_CLAIMS, JudgeClaimsInput(claims=batch))
        except AnswerError as error:
            note(caller, JUDGE_CLAIMS, f"{len(batch)} claims were checked by rule only: {error.message}")
            continue
        for judgement in answer.value.claims:
            name = known_id(judgement.id, [c.id for c in batch])
            if name is not None:
                found.setdefault(name, judgement)
    return found


def _with_judgement(checked: _Checked, judgement: ClaimJudgement | None) -> _Checked:
    if judgement is None:
        return checked
    if judgement.supports:
        return replace(checked, citation=checked.citation.model_copy(update={"reason": BY_MODEL}))
    return _Checked(_verdict(checked.citation, title_of(judgement.reason, "a model finds that it does not say this")))
