"""A part of the protocol as text: it comes back as it was, and what cannot be read is named by line."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.cards import load_cards
from bioresearcher.cli.session.gate_form import with_mistakes
from bioresearcher.events import EventLog
from bioresearcher.examples import load_example
from bioresearcher.llm.ask import Caller
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.offline.handlers import offline_backend
from bioresearcher.prompts import PromptBook
from bioresearcher.report.protocol_markdown import render_bare_protocol
from bioresearcher.resources import Resources
from bioresearcher.review.gates import GateContext
from bioresearcher.schemas.objective import Objective, Requirement
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.schemas.report import Parameter
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets import load_datasets
from bioresearcher.stages import design
from bioresearcher.stages.assemble import assemble_protocol
from bioresearcher.stages.bench import Bench
from bioresearcher.stages.edited import edit_part, ground_of
from bioresearcher.stages.forms import FormError, Mistake
from bioresearcher.stages.part_form import KINDS, part_form, read_part
from bioresearcher.stages.revise import Desk
from bioresearcher.stages.steps import Ground
from bioresearcher.text.normalise import plain_name

SKILLS = load_skills(Resources())
OBJECTIVE = Objective(id="o", text="What differs?", requirements=(Requirement(id="R1", text="Correct for many tests"),))
TEXTS = st.text(max_size=120)
NAMES = st.text(alphabet="abcdefgh_0123", min_size=1, max_size=12).filter(lambda n: n.strip("_"))


def similar(left, right):
    return np.full((len(left), len(right)), 0.5, dtype=np.float32)


STEPS = st.builds(
    ProtocolStep,
    id=st.just("1.1"),
    title=TEXTS,
    object=TEXTS,
    action=TEXTS,
    rationale=TEXTS,
    parameters=st.lists(st.builds(Parameter, name=TEXTS, value=TEXTS, unit=TEXTS), max_size=3).map(tuple),
    inputs=st.lists(st.builds(StepInput, name=TEXTS, source=TEXTS), max_size=3).map(tuple),
    outputs=st.lists(st.builds(StepOutput, name=TEXTS, kind=st.sampled_from(KINDS), description=TEXTS), max_size=3).map(
        tuple
    ),
    datasets=st.lists(NAMES, max_size=2).map(tuple),
    software=st.lists(TEXTS, max_size=3).map(tuple),
    acceptance=TEXTS,
    kind=st.sampled_from(["dry", "wet"]),
    requirements=st.lists(NAMES, max_size=2).map(tuple),
    novelty=TEXTS,
    origin=st.just("model"),
)
"""Steps with whatever a model may have written into them."""


def part_of(steps: list[ProtocolStep], title: str = "A part", purpose: str = "To see.") -> ProtocolPart:
    numbered = tuple(
        s.model_copy(update={"id": f"1.{n}", "title": s.title if s.title.strip() else "t"})
        for n, s in enumerate(steps, 1)
    )
    return ProtocolPart(id="1", title=title, purpose=purpose, steps=numbered)


@given(st.lists(STEPS, min_size=1, max_size=3), TEXTS, TEXTS)
@settings(max_examples=150)
def test_a_part_that_was_not_edited_comes_back_as_the_same_object(
    steps: list[ProtocolStep], title: str, purpose: str
) -> None:
    part = part_of(
        [s for s in steps if s.title.isprintable()] or [steps[0].model_copy(update={"title": "t"})], title, purpose
    )
    ground = Ground(OBJECTIVE, (part,), (), {})
    assert read_part(part_form(part), part, ground) is part
    assert read_part(part_form(part).replace("\n", "\r\n"), part, ground) is part


CLEAN = st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=60)


@given(
    STEPS, CLEAN, CLEAN, st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=3), st.lists(NAMES, max_size=3, unique=True)
)
@settings(max_examples=100)
def test_what_a_person_writes_is_what_the_step_says(
    step: ProtocolStep, action: str, why: str, parameters: list[tuple[str, str, str]], outputs: list[str]
) -> None:
    names = list(dict.fromkeys(plain_name(n) for n in outputs))
    wanted = part_of([step]).steps[0].model_copy(
        update={
            "title": "Another title",
            "action": action,
            "rationale": why,
            "parameters": tuple(Parameter(name=n, value=v, unit=u) for n, v, u in parameters),
            "inputs": (StepInput(name="x", source="given"),),
            "outputs": tuple(StepOutput(name=n, kind="table", description="rows") for n in names),
            "datasets": (),
            "requirements": ("R1",),
            "software": ("R, version 4",),
        }
    )  # fmt: skip
    part = part_of([step])
    ground = Ground(OBJECTIVE, (part,), (), {})
    text = part_form(part.model_copy(update={"steps": (wanted,)}))
    (found,) = read_part(text, part, ground).steps
    assert found == wanted.model_copy(update={"origin": "human"})


LINES = (
    "[1.1] A", "[new] B", "[1.9] C", "action: do", "kind: damp", "outputs:", "  - x (table)", "  - y", "nonsense",
    "title: t", "data: GSE9", "inputs:", "  - a = step:1.1/x", "  - a = step:9.9/x", "analysis: magic", "# note", "",
    "meets: R9",
)  # fmt: skip


def mistakes_in(text: str) -> tuple[Mistake, ...]:
    part = part_of([ProtocolStep(id="1.1", title="A", action="do", kind="dry", origin="model")])
    try:
        read_part(text, part, Ground(OBJECTIVE, (part,), (), {}))
    except FormError as error:
        return error.mistakes
    return ()


@given(st.text(max_size=400) | st.lists(st.sampled_from(LINES), max_size=14).map("\n".join))
def test_any_text_is_a_part_or_a_list_of_lines_that_are_wrong(text: str) -> None:
    mistakes = mistakes_in(text)
    assert all(0 <= m.line <= len(text.split("\n")) and len(m.text.splitlines()) == 1 for m in mistakes)
    marked = with_mistakes(text, mistakes)
    assert with_mistakes(marked, ()) == "\n".join(x for x in text.split("\n") if not x.startswith("#! "))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Protocol]:
    """The packaged example's protocol, from its data alone."""
    place = tmp_path_factory.mktemp("form")
    given_inputs = load_example("breast-cancer")
    datasets, _ = load_datasets(given_inputs.data, place)
    bench = Bench(given_inputs.objective, {}, {}, tuple(datasets), SKILLS)
    resources, ledger = Resources(), Ledger(place / "ledger.sqlite")
    rules = offline_backend(similar)
    caller = Caller(rules, ledger, PromptBook(resources), load_cards(resources), EventLog(None), rules=rules)
    headings, parts = asyncio.run(design.design_by_rule(caller, bench, similar))
    ledger.close()
    return bench, assemble_protocol(bench, headings.title, headings.summary, parts, passed=True)


def edited(example: tuple[Bench, Protocol], part_id: str, old: str, new: str):
    bench, protocol = example
    part = next(p for p in protocol.parts if p.id == part_id)
    text = part_form(part)
    assert old in text
    desk = Desk(similar, GateContext(skills=frozenset(SKILLS)), render_bare_protocol)
    return edit_part(bench, protocol, part_id, text.replace(old, new, 1), desk, number=1)


def test_only_the_step_that_was_edited_is_a_persons(example: tuple[Bench, Protocol]) -> None:
    _, protocol = example
    part = next(p for p in protocol.parts if any(q.name == "fdr" for s in p.steps for q in s.parameters))
    made = edited(example, part.id, "- fdr = 0.05", "- fdr = 0.01")
    assert made is not None
    assert made.revision.changed_parts == (part.id,)
    (change,) = made.revision.changes
    after = {s.id: s for s in made.protocol.steps}
    for step in protocol.steps:
        if step.id == change.step:
            assert after[step.id].origin == "human"
            assert "0.01" in {p.value for p in after[step.id].parameters}
        else:
            assert after[step.id] == step
    assert edited(example, part.id, "- fdr = 0.05", "- fdr = 0.05") is None


def test_a_step_that_is_dropped_takes_those_that_need_it_with_it(example: tuple[Bench, Protocol]) -> None:
    bench, protocol = example
    step = next(s for s in protocol.steps if s.skill == "expression-filtering")
    part = next(p for p in protocol.parts if step in p.steps)
    text = part_form(part)
    start = text.index(f"[{step.id}]")
    end = text.find("\n[", start)
    made = edited(example, part.id, text[start : end if end > 0 else len(text)], "")
    assert made is not None
    gone = {c.step for c in made.revision.changes if c.what == "dropped"}
    needing = {s.id for s in protocol.steps if any(i.source.startswith(f"step:{step.id}/") for i in s.inputs)}
    assert {step.id} < gone
    assert needing <= gone | {c.step for c in made.revision.changes if c.what == "changed"}
    assert not {s.id for s in made.protocol.steps} & gone
    ground_of(bench, made.protocol)


def test_a_new_step_gets_a_number_of_its_own_and_its_words(example: tuple[Bench, Protocol]) -> None:
    _, protocol = example
    part = protocol.parts[0]
    text = part_form(part)
    new = "\n[new] Ask a pathologist\nkind: wet\naction: Show the slides.\noutputs:\n  - opinion (decision)\n"
    made = edited(example, part.id, text, text + new)
    assert made is not None
    step = made.protocol.parts[0].steps[-1]
    assert step.id not in {s.id for s in protocol.steps}
    assert (step.kind, step.origin, step.novelty) == ("wet", "human", "A person added it.")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: dry", "kind: damp", "kind is dry or wet"),
        ("kind: dry", "sort: dry", "there is no field sort"),
        ("[1.1]", "[1.7]", "part 1 has no step 1.7"),
        ("analysis: table-quality-control", "analysis: magic", "there is no vetted analysis magic"),
        ("data: GSE1992", "data: GSE1", "data: there is no GSE1; there is GSE1992"),
        ("- checks (table)", "- other (table)", "the outputs of table-quality-control are"),
        ("- sample_column = ", "- sample column: ", "write a parameter as name = value [unit]"),
        (
            "- sample_column = ",
            "- sample_column = no-",
            "parameter sample_column of table-quality-control cannot be no-",
        ),
        ("= dataset:GSE1992/", "= dataset:GSE1992/no-", "there is no source dataset:GSE1992/no-"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(example: tuple[Bench, Protocol], old: str, new: str, said: str) -> None:
    text = part_form(example[1].parts[0])
    with pytest.raises(FormError) as caught:
        edited(example, "1", old, new)
    (mistake, *_) = caught.value.mistakes
    assert said in mistake.text
    line = text.replace(old, new, 1).split("\n")[mistake.line - 1]
    assert new in line or line.startswith("[1.")
