"""A part of the protocol as text: it comes back as it was, and what cannot be read is named by line."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.cli.session.approval_dialogue import with_mistakes
from bioresearcher.events import EventLog
from bioresearcher.examples import load_example
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.ledger import Ledger
from bioresearcher.offline.backend import offline_backend
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.review.check import CheckContext
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.conversation import Conversation
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.author import Written, plan_protocol, write_steps
from bioresearcher.stages.design_context import DesignContext, assemble_protocol
from bioresearcher.stages.draft_cleanup import StepReferences
from bioresearcher.stages.forms import FormError, Mistake
from bioresearcher.stages.part_form import FIELDS, KINDS, part_form, read_part
from bioresearcher.stages.revise import edit_part, step_references
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
    ground = StepReferences(OBJECTIVE, (part,), (), {})
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
    ground = StepReferences(OBJECTIVE, (part,), (), {})
    text = part_form(part.model_copy(update={"steps": (wanted,)}))
    (found,) = read_part(text, part, ground).steps
    assert found == wanted.model_copy(update={"origin": "human"})


@given(STEPS.filter(lambda s: s.parameters))
def test_what_is_not_touched_beside_a_change_stays_byte_for_byte(step: ProtocolStep) -> None:
    part = part_of([step])
    (old,) = part.steps
    text = part_form(part).replace("  parameters:\n", "  parameters:\n  - {name: new one, value: 1.50}\n", 1)
    (found,) = read_part(text, part, StepReferences(OBJECTIVE, (part,), (), {})).steps
    added = Parameter(name="new one", value="1.50")
    assert found == old.model_copy(update={"parameters": (added, *old.parameters), "origin": "human"})


@pytest.mark.parametrize("typed", ["1.10", "no", "0x1F", "1e3", "2024-01-01", "12:30", ".inf", "1_000", "'null'"])
def test_a_value_is_text_as_it_was_typed(typed: str) -> None:
    part = part_of([ProtocolStep(id="1.1", title="A", action="do", kind="dry", origin="model")])
    text = part_form(part).replace("parameters: []", f"parameters: [{{name: n, value: {typed}}}]")
    (found,) = read_part(text, part, StepReferences(OBJECTIVE, (part,), (), {})).steps
    assert found.parameters == (Parameter(name="n", value=typed.strip("'")),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  software: &a x", "line 16: &a names something to be used again"),
        ("  software: *a", "line 16: *a stands for something above"),
        ("  software: !!python/object/apply:os.mkdir [x]", "line 16: tag:yaml.org,2002:python/object/apply:"),
        ("  software: !x y", "line 16: !x is a tag"),
        ("  <<: {object: x}", "line 16: there is no field <<; there are id, title"),
        ("  kind: dry\n  kind: wet", "line 17: the field 'kind' is given twice"),
        ("  software: works: on: it", "line 16: is not valid YAML: mapping values are not allowed in this context"),
        (f"  software: {'[' * 100}", "line 16: is nested too deeply for a form"),
        (f"  software: {'x' * 400_001}", "line 1: the text has 400,"),
        ("  ? [software]\n  : x", "line 16: the name of a field must be a word"),
        ("---\nmore: x", "line 16: is not valid YAML: but found another document"),
    ],
)  # fmt: skip
def test_yaml_that_could_harm_or_surprise_is_refused_with_its_line(line: str, said: str) -> None:
    head, _, _ = part_form(
        part_of([ProtocolStep(id="1.1", title="A", action="do", kind="dry", origin="model")])
    ).partition("  kind:")
    assert str(mistakes_in(f"{head}{line}\n")[0]).startswith(said)


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """titel: x
steps:
- id: 1.1
  titel: x
  kind: damp
  parameters:
  - {name: a, value: 1, unt: s}
  - {value: 1}
- id: 1.1
- id: new
  action:
  outputs: [{name: a b, kind: table}, {name: c, kind: blob}]
- word
"""
    assert [str(m) for m in mistakes_in(text)] == [
        "line 1: there is no field titel; there are title, purpose, steps",
        "line 4: there is no field titel; there are " + ", ".join(("id", *FIELDS)),
        "line 5: kind: 'damp' is not possible; use one of 'dry' or 'wet'",
        "line 7: there is no field unt; there are name, value, unit",
        "line 8: parameters[2].name: must be given",
        "line 9: 1.1 stands here twice",
        "line 10: title is empty",
        "line 11: action is empty",
        "line 12: outputs[2] (c).kind: 'blob' is not possible; use one of "
        "'table', 'figure', 'text', 'model', 'material' or 'decision'",
        "line 13: begin with the name of a field and a colon; there are " + ", ".join(("id", *FIELDS)),
    ]


LINES = (
    "title: t", "steps:", "- id: 1.1", "- id: new", "- id: 1.9", "- nonsense", "  title: A", "  action: do",
    "  kind: damp", "  outputs:", "    - {name: x, kind: table}", "    - y", "  datasets: [GSE9]", "  inputs:",
    "    - {name: a, source: step:1.1/x}", "    - {name: a, source: step:9.9/x}", "    - {nam: a}", "  skill: magic",
    "# note", "", "  software: [{a: b}]", "  parameters: [{name: {x: y}}]", "  inputs: [[a]]", "  requirements: [R9]",
    "  software: {a: b}", "  software: !!str x", "\tbad", "  ? [a]",
)  # fmt: skip


def mistakes_in(text: str) -> tuple[Mistake, ...]:
    part = part_of([ProtocolStep(id="1.1", title="A", action="do", kind="dry", origin="model")])
    try:
        read_part(text, part, StepReferences(OBJECTIVE, (part,), (), {}))
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
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[DesignContext, Protocol]:
    """The packaged example's protocol, from its data alone."""
    place = tmp_path_factory.mktemp("form")
    given_inputs = load_example("breast-cancer")
    datasets, _ = load_datasets(given_inputs.data, place)
    bench = DesignContext(given_inputs.objective, {}, {}, tuple(datasets), SKILLS)
    resources, ledger = Resources(), Ledger(place / "ledger.sqlite")
    rules = offline_backend(similar)
    caller = ModelClient(rules, ledger, PromptBook(resources), load_cards(resources), EventLog(None), rules=rules)
    found = asyncio.run(written(caller, bench))
    ledger.close()
    return bench, assemble_protocol(bench, found.plan, found.parts)


async def written(caller: ModelClient, bench: DesignContext) -> Written:
    planned = await plan_protocol(caller, bench, Conversation())
    return await write_steps(caller, bench, planned.talk, planned.plan)


def edited(example: tuple[DesignContext, Protocol], part_id: str, old: str, new: str):
    bench, protocol = example
    part = next(p for p in protocol.parts if p.id == part_id)
    text = part_form(part)
    assert old in text
    context = CheckContext(skills=frozenset(SKILLS))
    return edit_part(bench, protocol, part_id, text.replace(old, new, 1), context, number=1)


def test_only_the_step_that_was_edited_is_a_persons(example: tuple[DesignContext, Protocol]) -> None:
    _, protocol = example
    part = next(p for p in protocol.parts if any(q.name == "fdr" for s in p.steps for q in s.parameters))
    made = edited(example, part.id, "fdr, value: '0.05'", "fdr, value: 0.01")
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
    assert edited(example, part.id, "fdr, value: '0.05'", "fdr, value: 0.05") is None


def test_a_step_that_is_dropped_takes_those_that_need_it_with_it(example: tuple[DesignContext, Protocol]) -> None:
    bench, protocol = example
    step = next(s for s in protocol.steps if s.skill == "expression-filtering")
    part = next(p for p in protocol.parts if step in p.steps)
    text = part_form(part)
    start = text.index(f"- id: '{step.id}'")
    end = text.find("\n- id", start)
    made = edited(example, part.id, text[start : end if end > 0 else len(text)], "")
    assert made is not None
    gone = {c.step for c in made.revision.changes if c.what == "dropped"}
    needing = {s.id for s in protocol.steps if any(i.source.startswith(f"step:{step.id}/") for i in s.inputs)}
    assert {step.id} < gone
    assert needing <= gone | {c.step for c in made.revision.changes if c.what == "changed"}
    assert not {s.id for s in made.protocol.steps} & gone
    step_references(bench, made.protocol)


def test_a_field_is_emptied_by_deleting_what_stands_behind_its_colon(example: tuple[DesignContext, Protocol]) -> None:
    made = edited(example, "1", "  skill: table-quality-control\n", "  skill:\n")
    assert made is not None
    assert (made.protocol.steps[0].skill, made.protocol.steps[0].origin) == (None, "human")
    made = edited(example, "1", "  datasets: [GSE1992]\n", "")
    assert made is None, "a field that is left out stays as it is"


def test_a_new_step_gets_a_number_of_its_own_and_its_words(example: tuple[DesignContext, Protocol]) -> None:
    _, protocol = example
    part = protocol.parts[0]
    text = part_form(part)
    new = (
        "\n- id: new\n  title: Ask a pathologist\n  kind: wet\n  action: >-\n    Show\n    the slides.\n"
        "  outputs: [{name: opinion, kind: decision}]\n"
    )
    made = edited(example, part.id, text, text + new)
    assert made is not None
    step = made.protocol.parts[0].steps[-1]
    assert step.id not in {s.id for s in protocol.steps}
    assert (step.kind, step.origin, step.novelty, step.grounded) == ("wet", "human", "", False)
    assert [(c.kind, c.claim) for c in step.citations] == [("general", "A person added it.")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: dry", "kind: damp", "kind: 'damp' is not possible; use one of 'dry' or 'wet'"),
        ("kind: dry", "sort: dry", "there is no field sort; there are id, title, kind"),
        ("kind: dry", "kind: [dry]", "kind: ['dry'] is not possible"),
        ("title: Data quality", "titel: Data quality", "there is no field titel; there are title, purpose, steps"),
        ("id: '1.1'", "id: 1.7", "part 1 has no step 1.7"),
        ("skill: table-quality-control", "skill: magic", "skill: there is no magic; there is "),
        ("datasets: [GSE1992]", "datasets: [GSE1]", "datasets: there is no GSE1; there is GSE1992"),
        ("name: checks", "name: other", "the outputs of table-quality-control are"),
        ("name: sample_column, ", "nam: sample_column, ", "parameters[1].name: must be given"),
        ("name: sample_column, ", "name: s, unt: x, ", "there is no field unt; there are name, value, unit"),
        (
            "name: sample_column, value",
            "name: sample_column, values",
            "parameters[1] (sample_column).value: must be given",
        ),
        (
            "name: sample_column, value: ",
            "name: sample_column, value: no-",
            "parameter sample_column of table-quality-control cannot be no-",
        ),
        ("source: 'dataset:GSE1992/", "source: 'dataset:GSE1992/no-", "there is no source dataset:GSE1992/no-"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(
    example: tuple[DesignContext, Protocol], old: str, new: str, said: str
) -> None:
    text = part_form(example[1].parts[0])
    with pytest.raises(FormError) as caught:
        edited(example, "1", old, new)
    (mistake, *_) = caught.value.mistakes
    assert said in mistake.text
    line = text.replace(old, new, 1).split("\n")[mistake.line - 1]
    assert new in line or line.startswith("- id: ")
