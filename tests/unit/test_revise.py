"""A protocol revised after a comment: only what is concerned changes, and what cannot be done is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_backend import ScriptedBackend

from bioresearcher.errors import InputError, NothingRevisedError
from bioresearcher.events import EventLog
from bioresearcher.examples import load_example
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.revisions import kept_ids
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.ledger import Ledger
from bioresearcher.offline.backend import offline_backend
from bioresearcher.offline.comment import as_draft
from bioresearcher.offline.skill_binding import extract_tasks
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.review.check import CheckContext
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.ask_design import CitationDraft, PartConcern, PartsChosen, RevisedPart, SkillBrief
from bioresearcher.schemas.ask_program import ExtractTasksInput
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.conversation import Conversation
from bioresearcher.schemas.facts import Audit, Fact
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.run import Revision
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.author import plan_protocol, write_steps
from bioresearcher.stages.design_context import DesignContext, assemble_protocol
from bioresearcher.stages.revise import Revised, revise
from bioresearcher.stages.revise_rules import difference

SKILLS = load_skills(Resources())


def similar(left, right):
    return np.full((len(left), len(right)), 0.5, dtype=np.float32)


def caller(folder: Path, replies=None) -> ModelClient:
    backend = ScriptedBackend(replies) if replies is not None else offline_backend(similar)
    if replies is not None:
        backend.origin = "model"
    resources = Resources()
    ledger = Ledger(folder / "ledger.sqlite")
    return ModelClient(
        backend, ledger, PromptBook(resources), load_cards(resources), EventLog(None), rules=offline_backend(similar)
    )


@cache
def bench(folder: Path) -> DesignContext:
    example = load_example("breast-cancer")
    datasets, _ = load_datasets(example.data, folder)
    return DesignContext(example.objective, {}, {}, tuple(datasets), SKILLS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("revise")
    bench.cache_clear()


@pytest.fixture(scope="module")
def protocol(place: Path) -> Protocol:
    """The example's protocol, from its data alone."""
    door = caller(place)
    made = asyncio.run(written(door, bench(place)))
    door.ledger.close()
    return made


async def written(door: ModelClient, bench: DesignContext) -> Protocol:
    """A protocol that the rules wrote."""
    planned = await plan_protocol(door, bench, Conversation())
    found = await write_steps(door, bench, planned.talk, planned.plan)
    return assemble_protocol(bench, found.plan, found.parts)


def revised(place: Path, protocol: Protocol, comment: str, replies=None, number: int = 1) -> Revised:
    folder = place / str(abs(hash((comment, number, replies is None))))
    folder.mkdir(exist_ok=True)
    door = caller(folder, replies)
    context = CheckContext(skills=frozenset(SKILLS))
    try:
        return asyncio.run(revise(door, bench(place), protocol, comment, context, number=number))
    finally:
        door.ledger.close()


COMMENTS = st.lists(
    st.one_of(
        st.integers(0, 9).map(lambda n: f"drop part {n}"),
        st.tuples(st.integers(0, 8), st.integers(1, 5)).map(lambda n: f"remove step {n[0]}.{n[1]}"),
        st.tuples(
            st.sampled_from(["fdr", "alpha", "permutations", "top features", "components", "nothing"]),
            st.sampled_from(["0.01", "0.1", "100", "7", "-1", "1.5", "true"]),
        ).map(lambda p: f"set {p[0]} to {p[1]}"),
        st.sampled_from(
            ["exclude GSE4335", "do not use hallmark", "leave out GSE1992", "add a heat map", "add a penalised model"]
        ),
        st.sampled_from(["requirement: report how many samples were left out", "make it nicer", "?", "Teil 3 weg"]),
        st.text(max_size=30),
    ),
    min_size=1,
    max_size=3,
).map("; ".join)


@given(COMMENTS)
@settings(max_examples=12, deadline=None)
def test_parts_that_are_not_concerned_stay_byte_for_byte(place: Path, protocol: Protocol, comment: str) -> None:
    try:
        found = revised(place, protocol, comment)
    except InputError:
        return
    after = {p.id: p.model_dump_json() for p in found.protocol.parts}
    for part in protocol.parts:
        if part.id not in found.revision.changed_parts:
            assert after[part.id] == part.model_dump_json()
    touched = {c.step for c in found.revision.changes}
    for step in protocol.steps:
        if step.id not in touched:
            assert step in found.protocol.steps
    ids = [s.id for s in found.protocol.steps]
    made = {f"step:{s.id}/{o.name}" for s in found.protocol.steps for o in s.outputs}
    sources = {i.source for s in found.protocol.steps for i in s.inputs if i.source.startswith("step:")}
    assert len(ids) == len(set(ids))
    assert sources <= made
    assert bool(difference(protocol, found.protocol)) >= bool(found.revision.changed_parts)


def skills_of(protocol: Protocol) -> list[str | None]:
    return [s.skill for s in protocol.steps]


def test_a_parameter_is_set_where_it_is_used_in_the_list_and_in_the_words(place: Path, protocol: Protocol) -> None:
    step = next(s for s in protocol.steps if s.skill == "differential-expression")
    found = revised(place, protocol, f"Set fdr to 0.01 in step {step.id}.")
    (new,) = (s for s in found.protocol.steps if s.id == step.id)
    assert {p.name: p.value for p in new.parameters}["fdr"] == "0.01"
    assert "FDR < 0.01" in new.action
    assert "FDR < 0.05" not in new.action
    assert found.revision.changed_parts == (step.id.split(".")[0],)
    tasks = extract_tasks(ExtractTasksInput(protocol=found.protocol, datasets=(), skills=briefs())).tasks
    assert next(t for t in tasks if t.step_ids == (step.id,)).parameters["fdr"] == 0.01


def briefs() -> tuple[SkillBrief, ...]:
    return tuple(SkillBrief(name=s.name, description=s.description, contract=s.contract) for s in SKILLS.values())


def test_a_dropped_step_takes_along_what_cannot_be_done_without_it(place: Path, protocol: Protocol) -> None:
    steps = [s.id for s in protocol.steps if s.skill == "signature-scoring"]
    found = revised(place, protocol, f"drop steps {' and '.join(steps)}")
    assert "signature-scoring" not in skills_of(found.protocol)
    assert "kaplan-meier" not in skills_of(found.protocol)
    why = {c.step: c.why for c in found.revision.changes}
    lost = next(s for s in protocol.steps if s.skill == "kaplan-meier")
    assert any(f"of step {i}" in why[lost.id] for i in steps)
    assert f"── step {steps[0]} (dropped)" in difference(protocol, found.protocol)
    assert any(not c.met and "kaplan-meier" in c.reason for c in found.protocol.coverage)


def test_an_excluded_data_set_is_used_by_no_step(place: Path, protocol: Protocol) -> None:
    found = revised(place, protocol, "Please exclude GSE4335")
    assert found.revision.excluded == ("GSE4335",)
    assert all("GSE4335" not in s.model_dump_json() for s in found.protocol.steps)
    assert "Revision 1 excluded GSE4335." in found.protocol.summary
    assert found.revision.concerned == ()


def test_a_method_with_a_vetted_analysis_is_added_under_new_ids(place: Path, protocol: Protocol) -> None:
    found = revised(place, protocol, "Add a correlation of genes")
    (new,) = (s for s in found.protocol.steps if s.skill == "correlation")
    assert new.id not in {s.id for s in protocol.steps}
    assert all(s in found.protocol.steps for s in protocol.steps)
    tasks = [extract_tasks(ExtractTasksInput(protocol=p, datasets=(), skills=briefs())).tasks
             for p in (protocol, found.protocol)]  # fmt: skip
    kept = kept_ids(tasks[1], tasks[0])
    assert [t for t in kept if t.step_ids != (new.id,)] == list(tasks[0])


def test_ids_are_not_used_again_for_something_else(place: Path, protocol: Protocol) -> None:
    part = next(p for p in protocol.parts if len(p.steps) > 2)
    found = revised(place, protocol, f"drop step {part.steps[0].id}")
    left = next((p for p in found.protocol.parts if p.id == part.id), None)
    assert left is None or left.steps[0].id != part.steps[0].id


def test_a_requirement_is_added_with_the_steps_that_meet_it_or_why_none_does(place: Path, protocol: Protocol) -> None:
    found = revised(place, protocol, "Requirement: calibrate the mass spectrometer weekly")
    assert found.revision.requirements[-1].id == "R9"
    assert found.protocol.coverage[-1].met is False
    assert "no skill" in found.protocol.coverage[-1].reason
    assert found.revision.changed_parts == ()


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("Make it more elegant.", "anything else needs a model"),
        ("Drop step 77.1", "no step 77.1"),
        ("set fdr to 5", "fdr lies between 0 and 1"),
        ("leave out GSE1992, and exclude GSE4335, and exclude hallmark", "would leave no step"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(place: Path, protocol: Protocol, comment: str, said: str) -> None:
    with pytest.raises(NothingRevisedError, match=said) as caught:
        revised(place, protocol, comment)
    assert "\n" not in caught.value.message


def test_a_half_understood_comment_says_which_half(place: Path, protocol: Protocol) -> None:
    found = revised(place, protocol, "set permutations to 500; sing a song")
    assert any(n.startswith("“sing a song”") for n in found.revision.not_done)


def test_a_model_chooses_the_parts_and_rewrites_only_those(place: Path, protocol: Protocol) -> None:
    part = protocol.parts[0]
    draft = as_draft(part.steps[0]).model_copy(update={"rationale": "Because the reviewer asked."})
    chosen = PartsChosen(
        parts=tuple(PartConcern(part=p.id, reason="r", concerned=p.id == part.id) for p in protocol.parts)
    )
    answer = RevisedPart(steps=(draft,), reason="a reason was asked for")
    found = revised(place, protocol, "Say why the tables are looked at", [chosen, answer])
    assert found.revision.changed_parts == (part.id,)
    assert [c.step for c in found.revision.changes] == [part.steps[0].id]
    assert found.protocol.parts[0].steps[1:] == part.steps[1:]
    assert found.protocol.origin == "mixed"
    assert [r.kept for r in found.revision.rounds] == [True]


def test_the_objective_of_a_run_gains_a_requirement_as_soon_as_a_revision_is_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    values: dict[str, Any] = dict.fromkeys(f.name for f in fields(RunContext))
    start = Objective(id="o", text="Which genes differ?", requirements=(Requirement(id="R1", text="a volcano plot"),))
    context = RunContext(**{**values, "folder": folder, "started_with": start})
    assert context.objective == start
    more = Requirement(id="R2", text="a heat map")
    parts: dict[str, Any] = {"concerned": (), "changed_parts": (), "changes": (), "origin": "offline"}
    revision = Revision(number=1, comment="Requirement: a heat map", requirements=(more,), **parts)
    folder.write(revision, "revisions", "1", "revision.json")
    assert [r.id for r in context.objective.requirements] == ["R1", "R2"]


def test_citations_of_a_rewritten_step_are_checked_and_go_with_excluded_data(place: Path, protocol: Protocol) -> None:
    facts = tuple(
        Fact(id=i, kind="sample kinds", dataset=d, statement=s, shown_by="audit")
        for i, d, s in (("F1", "GSE1992", "7 samples are metastases."), ("F2", "GSE4335", "118 arrays have a series."))
    )
    known = replace(bench(place), audit=Audit(facts=facts))
    part = protocol.parts[0]
    cited = (
        CitationDraft(kind="fact", ref="F1", claim="7 samples are metastases."),
        CitationDraft(kind="fact", ref="F2", claim="The 118 arrays have a series."),
        CitationDraft(kind="fact", ref="F1", claim="9 samples are metastases."),
        CitationDraft(kind="general", claim="Metastases differ from primaries."),
    )
    draft = as_draft(part.steps[0]).model_copy(update={"citations": cited})
    chosen = PartsChosen(
        parts=tuple(PartConcern(part=p.id, reason="r", concerned=p.id == part.id) for p in protocol.parts)
    )
    folder = place / "claims"
    folder.mkdir(exist_ok=True)
    door = caller(folder, [chosen, RevisedPart(steps=(draft,), reason="as asked")])
    context = CheckContext(skills=frozenset(SKILLS))
    found = asyncio.run(revise(door, known, protocol, "Say what the tables rest on", context)).protocol
    states = [(c.ref, c.state) for c in found.parts[0].steps[0].citations]
    assert states == [("F1", "supported"), ("F2", "supported"), ("F1", "cut"), ("", "not checked")]
    assert found.parts[0].steps[0].grounded
    rules = replace(door, backend=offline_backend(similar), rules=None)
    without = asyncio.run(revise(rules, known, found, "Please exclude GSE4335", context, number=2)).protocol
    door.ledger.close()
    assert not [c for s in without.steps for c in s.citations if c.ref == "F2"]
    assert [n.what for n in without.not_done][-1] == "Use of GSE4335"
    assert not [t for t in without.limitations if t.startswith("GSE4335: ")]
