"""Citations of a skill's step, by rule: facts about its data, and passages that name the same method."""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.offline.paper_steps import known_parts
from bioresearcher.schemas.ask_design import CitationDraft, KnownPaper, KnownStep
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact, FactKind
from bioresearcher.schemas.skill import SkillContract
from bioresearcher.text.visible import clip
from bioresearcher.text.words import normalised, sentence_texts

MOST_FACTS = 3
MOST_PASSAGES = 2
SHAPES = 2
"""Least weight of a fact that a step cites: it shapes a step."""
_OF_MATRIX: tuple[FactKind, ...] = ("filled values", "missingness", "scale")
_OF_SHEET: tuple[FactKind, ...] = ("identifiers", "text", "contradiction", "repeats")
_OF_OUTCOME: tuple[FactKind, ...] = ("sample kinds", "outcome", "follow-up")


def concerned(contract: SkillContract) -> frozenset[FactKind]:
    """The kinds of facts that bear on a skill, by what it reads."""
    reads = {i.kind for i in contract.inputs}
    sources = {p.source for p in contract.parameters}
    kinds: set[FactKind] = set()
    if "expression" in reads:
        kinds |= {*_OF_MATRIX}
    if "samples" in reads and contract.always:
        kinds |= {*_OF_SHEET, "sample kinds"}
    if {"time", "event"} & {*contract.needs_columns}:
        kinds |= {*_OF_OUTCOME}
    if "batch_column" in sources:
        kinds.add("batch")
    if "gene_set" in sources or "gene_sets" in reads:
        kinds.add("gene sets")
    return frozenset(kinds)


def about(facts: Sequence[Fact], datasets: Sequence[Dataset]) -> list[Fact]:
    """The facts about the data sets, and about those they were prepared from, the weightiest first."""
    ids = {i for d in datasets for i in (d.id, d.prepared_from)}
    return sorted((f for f in facts if f.dataset in ids), key=lambda f: -f.weight)


def fact_citations(
    contract: SkillContract, facts: Sequence[Fact], datasets: Sequence[Dataset]
) -> tuple[CitationDraft, ...]:
    """Cite the facts that shape a step of the skill on these data, in their own first sentence."""
    kinds = concerned(contract)
    chosen = [f for f in about(facts, datasets) if f.weight >= SHAPES and f.kind in kinds][:MOST_FACTS]
    return tuple(
        CitationDraft(kind="fact", ref=f.id, claim=next(iter(sentence_texts(f.statement)), f.statement)) for f in chosen
    )


def names_method(contract: SkillContract, step: KnownStep) -> bool:
    """Return True if the paper's own words of a step name the skill's method."""
    words = normalised(" ".join(step.quotes))
    return any(normalised(term) in words for term in contract.method_terms)


def passage_citations(contract: SkillContract, known: Sequence[KnownPaper]) -> tuple[CitationDraft, ...]:
    """Cite the steps of papers whose own words name the skill's method: those naming most of it first."""
    found: list[tuple[int, KnownStep]] = []
    for paper, part in known_parts(known):
        if paper.warning:  # a retracted paper supports nothing
            continue
        for step in part.steps:
            if names_method(contract, step):
                words = normalised(" ".join(step.quotes))
                found.append((sum(normalised(term) in words for term in contract.method_terms), step))
    found.sort(key=lambda pair: -pair[0])
    papers: dict[str, KnownStep] = {}
    for _, step in found:
        papers.setdefault(step.ref.partition("/")[0], step)
    return tuple(
        CitationDraft(kind="passage", ref=s.ref, claim=clip(s.action, 400)) for s in [*papers.values()][:MOST_PASSAGES]
    )
