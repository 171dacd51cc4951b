"""The author of a protocol: looks, plans, writes and revises in one conversation, whatever the model answers."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import model_answers as answers
import pytest
from author_support import OBJECTIVE, TEXT, VIEW, bench, dataset, fact, high, plan, report, step, steps
from hypothesis import given, settings
from hypothesis import strategies as st
from stages_support import caller, notes

from bioresearcher.errors import AnswerError, EmptyReplyError, RefusalError, TruncatedError
from bioresearcher.events import Event
from bioresearcher.llm.converse import Place, Seen
from bioresearcher.llm.shorten import tokens_of_messages
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_design import (
    ExploreDataInput,
    PlanProtocolInput,
    ProtocolPlan,
    StepsDraft,
)
from bioresearcher.schemas.conversation import ActionTurn, Conversation, FactAction, LookAction, ReadAction
from bioresearcher.schemas.dataset import Column, DatasetCheck
from bioresearcher.schemas.facts import Audit, Proposal
from bioresearcher.schemas.paper import Document, Paper, Section
from bioresearcher.schemas.question import Measure, Question, Questions
from bioresearcher.schemas.review import RankedFinding
from bioresearcher.skills import load_skills
from bioresearcher.stages import author
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.author_revision import revise_protocol
from bioresearcher.stages.design import parts_of
from bioresearcher.stages.design_context import DesignContext, assemble_protocol
from bioresearcher.stages.explore import FactTool, ReadTool, explore_data, limits_for, tools_of
from bioresearcher.stages.material import material
from bioresearcher.stages.prompts import EXPLORE_DATA, PLAN_PROTOCOL, WRITE_STEPS


def asked(request) -> list[str]:
    """Ids of the lines that a request for steps asks for."""
    return re.findall(r"^(\d+\.\d+) Line", request.messages[-1].content, re.MULTILINE)


def write(request) -> StepsDraft:
    """A model that writes whatever it is asked for."""
    return steps(*(step(i) for i in asked(request)))


async def written(tmp_path: Path, replies, *, rules: bool = True, draft: ProtocolPlan | None = None, **changes):
    events: list[Event] = []
    door = caller(tmp_path, replies, events, rules=rules)
    found = await author.write_steps(door, bench(**changes), Conversation(), draft or plan())
    door.backend.assert_used_up()
    return found, door.backend.requests, notes(events)


async def test_all_steps_are_written_in_one_call_when_the_answer_has_room(tmp_path: Path) -> None:
    found, requests, _ = await written(tmp_path, [write], draft=plan(8, parts=2))
    assert len(requests) == 1
    assert [s.id for p in found.parts for s in p.steps] == [f"{p}.{n}" for p in (1, 2) for n in range(1, 9)]
    assert {s.origin for p in found.parts for s in p.steps} == {"model"}
    assert [s.role for s in found.talk.said] == ["user", "assistant"]
    assert found.told == ()


async def test_many_steps_are_written_in_few_calls_each_with_what_was_said_before(tmp_path: Path) -> None:
    found, requests, _ = await written(tmp_path, [write, write], draft=plan(14, parts=2))
    assert sum(len(p.steps) for p in found.parts) == 28
    assert [len(asked(r)) for r in requests] == [14, 14]
    first, second = (r.messages for r in requests)
    assert second[: len(first)] == first
    assert "1.14 Task 1.14 → table" in second[-1].content


async def test_a_line_that_was_left_out_is_asked_for_once_more(tmp_path: Path) -> None:
    found, requests, _ = await written(tmp_path, [steps(step("1.1"), step("1.3")), write])
    assert [s.id for s in found.parts[0].steps] == ["1.1", "1.2", "1.3"]
    assert "Not written yet: 1.2." in requests[1].messages[-1].content
    assert asked(requests[1]) == ["1.2"]


async def test_a_line_that_stays_out_is_named_and_never_written_by_rule(tmp_path: Path) -> None:
    found, _, said = await written(tmp_path, [steps(step("1.1"), step("1.3")), steps()])
    assert [(s.id, s.origin) for s in found.parts[0].steps] == [("1.1", "model"), ("1.3", "model")]
    assert "Planned steps that the author did not write: 1.2" in said
    protocol = assemble_protocol(bench(), found.plan, found.parts, told=found.told)
    assert "Planned steps that could not be written: 1.2." in protocol.limitations


async def test_an_answer_that_is_cut_is_asked_for_in_halves(tmp_path: Path) -> None:
    found, requests, _ = await written(tmp_path, [TruncatedError("cut"), write, write], draft=plan(4))
    assert [len(asked(r)) for r in requests] == [4, 2, 2]
    assert len(found.parts[0].steps) == 4
    assert len(found.talk.said) == 4


async def test_a_model_that_refuses_is_not_asked_for_ever(tmp_path: Path) -> None:
    found, requests, said = await written(
        tmp_path, [RefusalError("no")], rules=False, draft=plan(3), datasets=(), reports={}, analyses={}
    )
    assert (len(requests), found.parts[0].steps) == (1, ())
    assert "did not write: 1.1, 1.2, 1.3 (no)" in said


async def test_without_any_step_the_rules_design_the_whole(tmp_path: Path) -> None:
    found, _, said = await written(tmp_path, [EmptyReplyError("nothing")])
    assert {s.origin for p in found.parts for s in p.steps} == {"offline"}
    assert "designed anew by rule" in said
    assert found.told == ("The whole protocol was designed by rule: no step of the model's could be used.",)


async def test_a_step_of_3000_words_is_asked_for_again_in_fewer(tmp_path: Path) -> None:
    long = step("1.2", action="word " * 3000)
    found, requests, _ = await written(
        tmp_path, [steps(step("1.1"), long, step("1.3")), steps(step("1.2", action="Short."))]
    )
    assert "Step 1.2 has 3,003 words" in requests[1].messages[-1].content
    assert found.parts[0].steps[1].action == "Short."
    assert found.told == ()


async def test_a_step_that_stays_overlong_is_kept_and_told(tmp_path: Path) -> None:
    long, longer = step("1.2", action="word " * 3000), step("1.2", action="word " * 4000)
    found, _, _ = await written(tmp_path, [steps(step("1.1"), long, step("1.3")), steps(longer)])
    assert author.words_of(found.parts[0].steps[1]) == 3003
    assert found.told == ("Steps that stayed overlong: 1.2 (3,003 words)",)


async def test_a_skill_that_is_not_bound_is_lost_and_the_step_is_kept(tmp_path: Path) -> None:
    given = step("1.1", action="My own words.", skill="differential-expression")
    found, _, said = await written(tmp_path, [steps(given)], draft=plan(1))
    (kept,) = found.parts[0].steps
    assert (kept.action, kept.skill, kept.origin) == ("My own words.", None, "model")
    assert "1.1: it goes without the skill differential-expression, as input matrix" in said


async def test_invented_data_sets_and_sources_are_cut_and_told(tmp_path: Path) -> None:
    inputs = [{"name": "a", "source": "dataset:gse1/samples"}, {"name": "b", "source": "dataset:GSE9/samples"}]
    found, _, said = await written(tmp_path, [steps(step("1.1", inputs=inputs, datasets=["GSE9"]))], draft=plan(1))
    (kept,) = found.parts[0].steps
    assert ([i.source for i in kept.inputs], kept.datasets) == (["dataset:GSE1/samples"], ("GSE1",))
    assert "1.1: inputs without a source that exists, left out: dataset:GSE9/samples" in said
    assert "1.1: data sets that are not there, left out: GSE9" in said


async def test_later_steps_may_take_outputs_that_the_plan_did_not_name(tmp_path: Path) -> None:
    first = step("1.1", outputs=[{"name": "extra", "kind": "table"}])
    second = step("1.2", inputs=[{"name": "x", "source": "step:1.1/extra"}])
    found, _, _ = await written(tmp_path, [steps(first, second)], draft=plan(2))
    assert [i.source for i in found.parts[0].steps[1].inputs] == ["step:1.1/extra"]


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_whatever_a_model_writes_becomes_steps_of_the_plan(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    replies = [answers.answer_of(StepsDraft, seed), answers.answer_of(StepsDraft, seed + 1)]
    door = caller(tmp_path_factory.mktemp("any"), replies, [], rules=False)
    found = asyncio.run(author.write_steps(door, bench(), Conversation(), plan(4, parts=2)))
    lines = [line.id for p in plan(4, parts=2).parts for line in p.lines]
    ids = [s.id for p in found.parts for s in p.steps]
    assert ids == [i for i in lines if i in ids]
    protocol = assemble_protocol(bench(), found.plan, found.parts, told=found.told)
    there = {f"step:{s.id}/{o.name}" for s in protocol.steps for o in s.outputs}
    assert all(i.source in there for s in protocol.steps for i in s.inputs if i.source.startswith("step:"))


# The plan


async def planned(tmp_path: Path, replies, *, rules: bool = True, **changes):
    events: list[Event] = []
    door = caller(tmp_path, replies, events, rules=rules)
    found = await author.plan_protocol(door, bench(**changes), Conversation())
    door.backend.assert_used_up()
    return found, door.backend.requests, notes(events)


async def test_a_plan_with_invented_facts_and_papers_loses_them_and_the_author_is_told(tmp_path: Path) -> None:
    page = {
        "facts": [{"fact": "F1", "consequence": "c"}, {"fact": "F77", "consequence": "c"}],
        "papers": [{"paper_id": "PMID404", "use": "everything"}],
    }
    found, _, said = await planned(tmp_path, [plan(**page)])
    assert ([f.fact for f in found.plan.facts], found.plan.papers) == (["F1"], ())
    assert "F77, PMID404" in said
    assert "F77, PMID404" in found.talk.results
    protocol = assemble_protocol(bench(), found.plan, parts_of(found.plan))
    assert [(p.paper_id, p.reason) for p in protocol.papers] == [("P1", "not named by the author")]


async def test_the_author_is_told_when_parts_are_numbered_anew(tmp_path: Path) -> None:
    draft = plan(1, parts=2)
    turned = draft.model_copy(
        update={"parts": (draft.parts[0].model_copy(update={"depends_on": ("2",)}), draft.parts[1])}
    )
    found, _, _ = await planned(tmp_path, [turned])
    assert [p.title for p in found.plan.parts] == ["Part 2", "Part 1"]
    assert "numbered anew:\n1 Part 2\n  1.1 Line 2.1\n2 Part 1" in found.talk.results


async def test_a_part_without_lines_is_asked_for_once_and_then_left_out(tmp_path: Path) -> None:
    whole = plan(1, parts=3)
    bare = whole.parts[1].model_copy(update={"lines": ()})
    last = whole.parts[2].model_copy(update={"depends_on": ("1", "2")})
    draft = whole.model_copy(update={"parts": (whole.parts[0], bare, last)})
    found, requests, _ = await planned(tmp_path, [draft, draft])
    assert len(requests) == 2
    assert "G-OUT-01" in requests[1].messages[-1].content
    assert [(p.id, p.title, p.depends_on) for p in found.plan.parts] == [("1", "Part 1", ()), ("2", "Part 3", ("1",))]
    assert found.plan.parts[1].lines[0].id == "2.1"
    assert found.told[-1] == "parts without any step left out: Part 2"


async def test_headings_that_a_person_settled_stay_and_get_the_lines(tmp_path: Path) -> None:
    first, second = parts_of(plan(1, parts=2))
    fixed = (first.model_copy(update={"title": "Mine", "outline": ()}), second.model_copy(update={"outline": ()}))
    door = caller(tmp_path, [plan(2, parts=3)], [])
    found = await author.plan_protocol(door, bench(), Conversation(), fixed=fixed)
    assert [(p.id, p.title, len(p.lines)) for p in found.plan.parts] == [("1", "Mine", 2), ("2", "Part 2", 2)]
    assert "1 Mine: p (depends on nothing)" in door.backend.requests[0].messages[-1].content


@pytest.mark.parametrize("reply", [TruncatedError("cut"), plan(0, parts=0)])
async def test_without_a_usable_plan_the_rules_plan(tmp_path: Path, reply) -> None:
    replies = [reply] if isinstance(reply, Exception) else [reply, reply]
    found, _, said = await planned(tmp_path, replies)
    assert (found.origin, bool(found.plan.parts)) == ("offline", True)
    assert "planned by rule" in said
    assert "The plan, made by rule" in found.talk.results


async def test_without_rules_a_plan_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AnswerError):
        await planned(tmp_path, [TruncatedError("cut")], rules=False)


async def test_what_a_person_settled_is_said_to_the_author(tmp_path: Path) -> None:
    draft = plan(2)
    assert author.settle(draft, parts_of(draft), Conversation()) == (draft, Conversation())
    (part,) = parts_of(draft)
    renamed = part.model_copy(update={"title": "Mine", "outline": part.outline[:1]})
    new, talk = author.settle(draft, (renamed,), Conversation())
    assert [(p.title, [line.id for line in p.lines]) for p in new.parts] == [("Mine", ["1.1"])]
    door = caller(tmp_path, [write], [])
    await author.write_steps(door, bench(), talk, new)
    assert (
        "A person settled the outline; it holds from now on:\n1 Mine\n  1.1 Line 1.1"
        in door.backend.requests[0].messages[-1].content
    )


async def test_by_rule_the_same_functions_plan_and_write(tmp_path: Path) -> None:
    door = caller(tmp_path, [], [])
    rules = replace(door, backend=door.rules, rules=None)
    assert (await explore_data(rules, bench(views=(VIEW,)), {})).talk == Conversation()
    found = await author.plan_protocol(rules, bench(), Conversation())
    whole = await author.write_steps(rules, bench(), found.talk, found.plan)
    assert {s.id for p in whole.parts for s in p.steps} == {line.id for p in found.plan.parts for line in p.lines}
    protocol = assemble_protocol(bench(), whole.plan, whole.parts, told=whole.told)
    assert (protocol.origin, protocol.title) == ("offline", found.plan.title)
    finding = RankedFinding(id="A1", consequence="wording", location="protocol", problem="p", do="d")
    revised = await revise_protocol(rules, bench(), Conversation(), protocol, [finding])
    assert (revised.protocol, revised.answers) == (protocol, ())


# The opening


def opening(made: DesignContext) -> tuple[int, str]:
    values = PlanProtocolInput(**material(made))
    loaded = PromptBook(Resources()).get(PLAN_PROTOCOL)
    messages = loaded.render(values)
    return tokens_of_messages(messages), messages[-1].content


def test_the_opening_names_what_is_at_hand() -> None:
    tokens, text = opening(bench(views=(VIEW,)))
    for words in ("F1 [2] GSE1: 12 of 40", "P1/1.1 Test each gene", "GSE1/open", "status [group]", "Requirement R1"):
        assert words in text
    assert tokens < 12_000


def test_without_data_and_papers_the_opening_says_so() -> None:
    _, text = opening(DesignContext(OBJECTIVE, {}, {}, (), {}))
    assert "the protocol must say which data it needs" in text.casefold()
    assert "No passage can be cited." in text


def test_ten_data_sets_and_many_papers_stay_within_the_budget_and_what_is_left_out_is_said() -> None:
    facts = tuple(fact(n, 1 + n % 3, where=f"GSE{n % 10}", statement="12 of 40 samples. " * 12) for n in range(200))
    proposals = tuple(
        Proposal(
            id=f"P{n}",
            dataset="GSE0",
            kind="leave out samples",
            what="w " * 40,
            reason="r " * 40,
            facts=("F1",),
            samples=tuple(f"S{k}" for k in range(300)),
        )
        for n in range(60)
    )
    names = [f"P{n}" for n in range(12)]
    made = bench(
        datasets=tuple(dataset(f"GSE{n}", columns=60, notes=20) for n in range(10)),
        reports={n: report(n, steps=20, length=60) for n in names},
        analyses={n: high(n) for n in names},
        audit=Audit(facts=facts, proposals=proposals),
    )
    tokens, text = opening(made)
    assert tokens < 25_000
    assert all(f"GSE{n} (" in text for n in range(10))
    assert all(name in text for name in names)
    shown = re.findall(r"^(F\d+) \[(\d)\]", text, re.MULTILINE)
    assert {weight for _, weight in shown} == {"3"}
    assert f"{200 - len(shown)} facts of less weight, left out here" in text
    assert re.search(r"\(\d+ more columns\)", text)
    assert material(made) == material(made)
    whole = material(made, whole=True)
    assert (len(whole["facts"]), len(whole["proposals"]), whole["datasets"]) == (200, 60, made.datasets)


def test_texts_are_shown_in_whole_sentences_and_steps_that_are_left_out_are_counted() -> None:
    long = "It was measured in every array of the series and in no other. " * 5
    proposal = Proposal(
        id="P1", dataset="GSE1", kind="leave out samples", what="Leave out 7.", reason=f"First. {long}", facts=("F1",)
    )
    told = Column(name="remarks", dtype="text", levels=("ok", "a text of a sheet that is longer than a level is"))
    matrix, sheet = dataset().files
    given = dataset().model_copy(
        update={"title": "A title " * 30, "files": (matrix, sheet.model_copy(update={"columns": (told,)}))}
    )
    made = bench(
        datasets=(given,),
        reports={"P1": report("P1", steps=30, length=20)},
        audit=Audit(facts=(fact(1),), proposals=(proposal,)),
    )
    values = material(made)
    assert "…" not in repr({n: values[n] for n in ("known", "proposals", "datasets", "skills")})
    assert values["proposals"][0].reason == f"First. {long[: long.index('. ') + 1]} {long[: long.index('. ') + 1]}"
    (paper,) = values["known"]
    shown = sum(len(p.steps) for p in paper.parts)
    assert f"; {30 - shown} steps not shown" in paper.read
    assert "levels ok / (1 long text)" in opening(made)[1]


def test_the_rows_of_a_question_show_only_what_the_data_set_does_not() -> None:
    original = dataset(columns=5, notes=3)
    read = Column(name="patient", dtype="text", role="pair", levels=("p1", "p2"))
    matrix, sheet = original.files
    files = (matrix, sheet.model_copy(update={"columns": (*sheet.columns, read)}))
    rows = original.model_copy(update={"id": "GSE1-A1", "files": files, "analysis_of": "GSE1"})
    checks = tuple(
        DatasetCheck(dataset_id=n, relevant=True, verdict="usable", reasons=("it fits",), origin="model")
        for n in ("GSE1", "GSE1-A1")
    )
    _, text = opening(bench(datasets=(original, rows), checks=checks))
    own = text.split("GSE1-A1 (")[1].split(">>>")[0]
    assert "rows of GSE1 that the question is about; columns as in GSE1" in own
    assert "- patient [pair] text, levels p1 / p2" in own
    assert "it fits" not in own
    assert "- status" not in own
    assert text.count("it fits") == 1


def test_the_opening_names_skills_for_such_questions_and_data_only() -> None:
    asked = Question(
        id="A1", kind="time to event", text="Does it?", dataset="GSE1", measure=Measure(kind="signature", names=("H",))
    )
    made = bench(questions=Questions(questions=(asked,)), skills=load_skills(Resources()))
    named = {s.name for s in material(made)["skills"]}
    assert {"cox-regression", "kaplan-meier", "signature-scoring", "expression-filtering", "cohort-table"} <= named
    assert not named & {
        "dose-response",
        "meta-analysis",
        "protein-abundance",
        "methylation-difference",
        "clinical-regression",
    }
    assert {s.name for s in material(made, whole=True)["skills"]} == {*load_skills(Resources())}
    without = bench(skills=load_skills(Resources()))
    assert "dose-response" in {s.name for s in material(without)["skills"]}


def test_a_prepared_data_set_shows_only_what_was_added() -> None:
    original = dataset(columns=5)
    added = Column(name="series", dtype="text", role="batch", levels=("x", "y"))
    matrix, sheet = original.files
    files = (matrix, sheet.model_copy(update={"columns": (*sheet.columns, added)}))
    prepared = original.model_copy(
        update={"id": "GSE1-prepared", "files": files, "prepared_from": "GSE1", "proposals": ("P1",)}
    )
    _, text = opening(bench(datasets=(original, prepared)))
    assert "prepared from GSE1 by P1" in text
    assert text.count("- measured variable 1 ") == 1
    assert "- series [batch] text, levels x / y" in text


@pytest.mark.parametrize("prompt", [EXPLORE_DATA, PLAN_PROTOCOL, WRITE_STEPS])
def test_turns_share_their_opening(prompt) -> None:
    assert PromptBook(Resources()).get(prompt).system == PromptBook(Resources()).get(EXPLORE_DATA).system


# Looking and reading


class Look:
    kind = "look"
    prefix = "L"
    pure = True
    repeatable = False

    def key(self, action: LookAction) -> str:
        return action.code

    async def run(self, action: LookAction, place: Place) -> Seen:
        return Seen("exit 0 · 12 bytes shown\n7 of 40 in y", {"exit_code": 0, "killed": "", "bytes_seen": 12})


def corpus() -> PaperCorpus:
    text = f"Methods\n\n{TEXT}\n\nScores were compared between batches by analysis of variance."
    sections = (Section(title="Methods", kind="methods", level=1, start=0, end=len(text)),)
    paper = Document(id="P1", text=text, sections=sections, kind="note", sha256="0" * 64)
    return PaperCorpus([Paper(id="P1", title="A paper", source="own")], [paper])


LOOK = LookAction(kind="look", why="w", view="GSE1/open", code="print(1)")
READ = ReadAction(kind="read", why="w", query="false discovery rate of the t test")


def keep(statement: str) -> FactAction:
    return FactAction(kind="fact", look="L1", statement=statement, consequence="c")


async def test_looks_facts_and_passages_come_back_with_ids_and_the_conversation_goes_on(tmp_path: Path) -> None:
    turn = ActionTurn(do=(LOOK, keep("7 of 40 samples are in batch y."), keep("9 of 40 are in x."), READ), finish=False)
    again = ActionTurn(do=(READ.model_copy(update={"query": "discovery rate"}),), finish=True)
    door = caller(tmp_path, [turn, again, plan()], [])
    made = bench(views=(VIEW,))
    found = await explore_data(door, made, tools_of(Look(), ReadTool(corpus()), made))
    assert [(f.id, f.dataset, f.shown_by, f.statement) for f in found.facts] == [
        ("F3", "GSE1", "L1", "7 of 40 samples are in batch y.")
    ]
    assert [(k.id, k.round, k.exit_code, k.refused) for k in found.looks] == [("L1", 1, 0, "")]
    ids = [p.id for p in found.passages]
    assert ids == [f"Q{n}" for n in range(1, len(ids) + 1)]
    assert all(p.evidence.text and p.evidence.document == "P1" for p in found.passages)
    assert "Not kept" in door.backend.requests[1].messages[-1].content
    more = replace(made, looked=found.facts, passages=found.passages)
    assert "F3" in more.known.facts
    assert "Q1" in more.known.sources
    planned_now = await author.plan_protocol(door, more, found.talk)
    before, after = (r.messages for r in door.backend.requests[1:])
    assert after[: len(before)] == before
    assert planned_now.talk.said[: len(found.talk.said)] == found.talk.said


async def test_a_paper_that_is_not_there_is_said_to_the_model() -> None:
    tool = ReadTool(corpus())
    seen = await tool.run(READ.model_copy(update={"paper": "PMID1"}), Place("", 1, ()))
    assert seen.text == "There is no paper 'PMID1' in this run. There is: P1."
    assert "empty" in (await tool.run(READ.model_copy(update={"query": " "}), Place("", 1, ()))).text


async def test_a_fact_needs_a_look() -> None:
    seen = await FactTool([fact(4)]).run(keep("7 of 40."), Place("", 1, ()))
    assert (seen.text.startswith("Not kept"), dict(seen.meta)) == (True, {})


async def test_nothing_is_asked_where_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    made = bench(reports={}, analyses={})
    found = await explore_data(caller(tmp_path, [], []), made, tools_of(Look(), ReadTool(corpus()), made))
    assert (found.facts, found.talk) == ((), Conversation())


def test_the_last_round_is_said_at_the_end() -> None:
    loaded = PromptBook(Resources()).get(EXPLORE_DATA)
    last = loaded.render(ExploreDataInput(**material(bench()), round=6, rounds=6))[-1].content
    first = loaded.render(ExploreDataInput(**material(bench()), round=1, rounds=6))[-1].content
    assert "This is the last round" in last
    assert "This is the last round" not in first


def test_looking_has_tokens_for_four_or_five_rounds_after_the_opening_at_hand() -> None:
    for opening in (4_000, 9_000, 12_000):
        most = limits_for(opening).sent_tokens
        assert sum(opening + n * 2_000 for n in range(4)) <= most <= 80_000
    assert limits_for(9_000).sent_tokens >= sum(9_000 + n * 2_000 for n in range(5))
