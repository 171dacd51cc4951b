"""First page of a protocol by rule: decisions, facts that shape it, what is not done, answer rule, definitions, papers.

What needs judgement is not decided here; it is named among what is not done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bioresearcher.offline.citations import SHAPES, concerned
from bioresearcher.offline.skill_binding import NONE, Binding, Use
from bioresearcher.offline.skill_uses import unserved_skills
from bioresearcher.schemas.ask_design import KnownPaper, PlanProtocolInput
from bioresearcher.schemas.facts import Fact, Proposal
from bioresearcher.schemas.protocol import Decision, Definition, NotDone, PaperUse, ShapingFact

MOST_SHAPING = 10
"""Most facts on the first page; the weightiest stay."""
OPEN = "Left open."
"""Beginning of what is said about a fact that no rule acts on; what the fact bears on follows."""
_DONE = {
    "leave out samples": "These samples are left out.",
    "treat as missing": "These values are set to missing.",
    "add column": "It becomes a column, which models can use.",
}
_QUESTIONS = {
    "leave out samples": "Which samples of {dataset} are analysed?",
    "treat as missing": "Which values of {dataset} are measurements?",
    "add column": "Which batches does {dataset} hold?",
}


def filled(text: str, values: Mapping[str, str]) -> str:
    """Replace `{name}` in a text; unknown names stay as they are, nothing else is interpreted."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def carried_out(values: PlanProtocolInput) -> tuple[Proposal, ...]:
    """The proposals that a prepared data set carries."""
    done = {(d.prepared_from, p) for d in values.datasets if d.prepared_from for p in d.proposals}
    return tuple(p for p in values.proposals if (p.dataset, p.id) in done)


def decisions(values: PlanProtocolInput, uses: Sequence[Use], binding: Binding) -> tuple[Decision, ...]:
    """The choices that the rules made: preparation, comparison, batches, and what is a sensitivity analysis."""
    found = []
    reasons: dict[str, str] = {}
    for p in carried_out(values):
        why = f"As for {reasons[p.reason]}." if p.reason in reasons else p.reason
        reasons.setdefault(p.reason, p.dataset)
        question = _QUESTIONS[p.kind].format(dataset=p.dataset)
        found.append(Decision(question=question, choice=p.what, why=why, cites=p.facts))
    main = [u for u in uses if not u.as_given]
    for dataset in {d.id: d for u in main for d in u.datasets}.values():
        batch = dataset.column("batch")
        modelled = [u for u in main if dataset in u.datasets and _printed(u, binding, "batch_column", dataset.id)]
        if batch and modelled:
            what = ", ".join(dict.fromkeys(u.skill.name.replace("-", " ") for u in modelled))
            why = "Samples of one batch are compared with each other only."
            choice = f"{batch.name} has a stratum for each level in: {what}"
            cites = tuple(
                f.id for f in values.facts if f.kind == "batch" and f.dataset in (dataset.id, dataset.prepared_from)
            )
            question = f"How do the batches of {dataset.id} enter the outcome analyses?"
            found.append(Decision(question=question, choice=choice, why=why, cites=cites))
        contrast = binding.contrast(dataset)
        if contrast and any("group" in u.skill.contract.needs_columns and dataset in u.datasets for u in main):
            column, case, control = contrast
            why = " ".join(binding.doubts(dataset)) or "The objective or the data's description names this comparison."
            choice = f"{column.name} = {case} against {column.name} = {control}"
            found.append(Decision(question=f"Which groups of {dataset.id} are compared?", choice=choice, why=why))
    again = [u for u in uses if u.as_given and u.skill.contract.sensitivity]
    if again:
        what = ", ".join(dict.fromkeys(u.skill.name.replace("-", " ") for u in again))
        choice = f"{what} are repeated on the data as given; all else is done once, on the prepared data"
        why = "A reader must see what the preparation did to the answer."
        found.append(Decision(question="What is a sensitivity analysis?", choice=choice, why=why))
    return tuple(found)


def shaping_facts(values: PlanProtocolInput, uses: Sequence[Use]) -> tuple[ShapingFact, ...]:
    """The facts that shape a step, the weightiest first, each with what the plan does about it.

    Of several facts about a data set from which the same follows the first is shown, and the others are named.
    """
    by_fact = {f: p for p in reversed(carried_out(values)) for f in p.facts}
    chosen = [f for f in values.facts if f.weight >= SHAPES or f.id in by_fact]
    chosen = sorted(chosen, key=lambda f: -f.weight)
    rows: dict[tuple[str, str], list[str]] = {}
    for fact in chosen:
        done = _done_about(fact, by_fact.get(fact.id), uses)
        rows.setdefault((done, fact.id if done.startswith(OPEN) else fact.dataset), []).append(fact.id)
    found = []
    said: dict[str, str] = {}
    for (done, _), ids in [*rows.items()][:MOST_SHAPING]:
        first = said.setdefault(done, ids[0]) if done.startswith(OPEN) else ids[0]
        also = f" So says {', '.join(ids[1:])}." if len(ids) == 2 else f" So say {', '.join(ids[1:])}."
        consequence = f"As {first}." if first != ids[0] else done + (also if ids[1:] else "")
        found.append(ShapingFact(fact=ids[0], consequence=consequence))
    return tuple(found)


def _done_about(fact: Fact, proposal: Proposal | None, uses: Sequence[Use]) -> str:
    if proposal is not None:
        return _DONE[proposal.kind]
    if _stratified(fact, uses):
        return "The outcome analyses are stratified by batch."
    return f"{OPEN} {fact.consequence}".strip()


def _stratified(fact: Fact, uses: Sequence[Use]) -> bool:
    """True for a batch fact of a data set whose batch column enters a model of the plan."""
    return fact.kind == "batch" and any(
        d.column("batch") and fact.dataset in (d.id, d.prepared_from) and "batch" in concerned(u.skill.contract)
        for u in uses
        if not u.as_given
        for d in u.datasets
    )


def not_done(values: PlanProtocolInput, uses: Sequence[Use]) -> tuple[NotDone, ...]:
    """Wishes that no skill serves, proposals that were not carried out, and judgements that no rule makes."""
    found = []
    lacking: dict[str, list[str]] = {}
    for skill, reason in unserved_skills(values.objective, values.datasets, values.skills):
        lacking.setdefault(reason, []).append(skill.name.replace("-", " "))
    for reason, what in lacking.items():
        found.append(NotDone(what=f"Asked for but not planned: {', '.join(what)}", why=reason or "it cannot be bound"))
    done = carried_out(values)
    for proposal in values.proposals:
        if proposal not in done:
            why = f"no prepared copy of {proposal.dataset} carries it out"
            found.append(NotDone(what=f"{proposal.id}: {proposal.what}", why=why))
    if done:
        found.append(
            NotDone(
                what="Judging whether the preparation of the data fits the question",
                why="A rule knows patterns of names, texts and values, not the disease; a person must confirm it.",
            )
        )
    dealt = {f for p in done for f in p.facts}
    left = [f.id for f in values.facts if f.weight >= SHAPES and f.id not in dealt and not _stratified(f, uses)]
    if left:
        found.append(
            NotDone(
                what=f"Acting on facts from which no rule knows what follows ({', '.join(left)})",
                why="They stand in the table of facts or in the evidence; a person must read them before approving.",
            )
        )
    main = {d.id: d for u in uses if not u.as_given for d in u.datasets}
    batches = [f"{c.name} of {d.id}" for d in main.values() if (c := d.column("batch")) and d.analysis_of is None]
    if batches:
        why = "Stratifying gives up what differs between them; models are reported without strata, too."
        names = " and ".join(batches)
        found.append(NotDone(what=f"Judging whether {names} stand for measurement or for different patients", why=why))
    outcomes = list(
        {d.analysis_of or d.id: d for d in main.values() if d.column("time") and d.column("event")}.values()
    )
    if len(outcomes) > 1:
        why = (
            "No rule compares endpoints, treatments and eras of patients; the table of data has what the sources state."
        )
        names = " and ".join(d.id for d in outcomes)
        found.append(NotDone(what=f"Judging whether the patients and endpoints of {names} can be compared", why=why))
    if outcomes:
        why = "What confounds the effect, and which effect would matter, is clinical knowledge."
        found.append(NotDone(what="Choosing covariates by subject knowledge, and planning the precision", why=why))
    if uses:
        why = "Rules bind analyses to data by roles of columns and words of the objective."
        found.append(NotDone(what="Weighing other methods, and explaining results biologically", why=why))
    return tuple(found)


def answer_rule(uses: Sequence[Use], binding: Binding) -> tuple[str, ...]:
    """The rules fixed beforehand by the skills, with their settings; the data as given never change the answer."""
    found: dict[str, None] = {}
    for use in uses:
        if not use.as_given:
            fill = {p.name: p.value for p in binding.parameters(use) or ()}
            found |= {filled(rule, fill): None for rule in use.skill.contract.protocol.answer_rule}
    if found and any(u.as_given for u in uses):
        found["A different result on the data as given is reported beside the answer and does not replace it."] = None
    return tuple(found)


def definitions(values: PlanProtocolInput, uses: Sequence[Use], binding: Binding) -> tuple[Definition, ...]:
    """Prepared data sets, the gene set, and the batch columns: what several steps use."""
    found = []
    for dataset in {d.id: d for u in uses for d in u.datasets}.values():
        if dataset.prepared_from:
            text = f"{dataset.prepared_from} after its preparation as decided above ({dataset.n_samples} samples)."
            found.append(Definition(name=dataset.id, text=text))
    if binding.gene_set and any(p.source == "gene_set" for u in uses for p in u.skill.contract.parameters):
        reference = binding.reference()
        source = f" of {reference.title}" if reference else ""
        found.append(Definition(name="gene set", text=f"{binding.gene_set}{source}; fixed before any outcome is seen."))
    return tuple(found)


def paper_uses(values: PlanProtocolInput, cited: Mapping[str, Sequence[str]]) -> tuple[PaperUse, ...]:
    """Every paper with the parts whose steps cite it, or the reason why none does."""
    return tuple(
        PaperUse(paper_id=p.paper_id, use=f"The method of steps in: {', '.join(cited[p.paper_id])}.")
        if p.paper_id in cited
        else PaperUse(paper_id=p.paper_id, reason=_unused(p))
        for p in values.known
    )


def _unused(paper: KnownPaper) -> str:
    if paper.warning:
        return f"Not used: {paper.warning}"
    if not any(part.steps for part in paper.parts):
        return f"Not used: no step worth taking up was read ({paper.read})."
    return (
        "Not used: none of its steps names the method of a planned analysis more closely than the papers cited; "
        "no rule judges what else it says."
    )


def _printed(use: Use, binding: Binding, source: str, dataset: str) -> bool:
    """True if a parameter with the source is bound for the data set in this use."""
    roles = {"discovery": use.main.id, "validation": use.other.id if use.other else use.main.id}
    values = {p.name: p.value for p in binding.parameters(use) or ()}
    return any(
        p.source == source and roles[p.role] == dataset and values.get(p.name, NONE) != NONE
        for p in use.skill.contract.parameters
    )
