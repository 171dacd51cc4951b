"""A protocol is reviewed with looks, answered, rechecked; the version with the least weight of findings is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scripted_backend import Script, ScriptedBackend

from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.backend import Request
from bioresearcher.llm.converse import Place, Seen
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.shorten import tokens_of, tokens_of_messages
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.schemas.ask_design import FindingAnswer
from bioresearcher.schemas.ask_review import FindingLeft, FindingsLeft, RankedReview, ReviewerTurn
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.conversation import ActionTurn, Condition, CountAction, FactAction, LookAction
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact, LookRecord, View, ViewFile
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import CheckFinding, DisputedCheck, DraftReview, RankedFinding
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.prompts import CHOOSE_PARTS
from bioresearcher.stages.review_findings import (
    ONLY_CHANGED,
    ONLY_NEAR,
    OUT_NOT_SHOWN,
    Evidence,
    changes,
    numbered_checks,
    verified,
    weight_of,
)
from bioresearcher.stages.review_protocol import NOT_JUDGED, Reviewed, ReviewMaterial, review_and_revise

OBJECTIVE = Objective(id="o", text="Does the score mark patients with worse outcome?")
LIMIT = "Accept when at least 80 % of the 40 genes are measured on the array."
EXAMINE, REVIEW, RECHECK = (f"reviewer/{n}" for n in ("examine_statements", "review_protocol", "recheck_findings"))


def protocol(*actions: str) -> Protocol:
    steps = tuple(
        ProtocolStep(id=f"1.{n}", title=f"Step {n}", action=action, kind="dry", origin="model")
        for n, action in enumerate(actions, 1)
    )
    part = ProtocolPart(id="1", title="Score", purpose="Make the score", steps=steps)
    return Protocol(id="o", title="A plan", objective_id="o", parts=(part,), origin="model")


def render(plan: Protocol) -> str:
    lines = [f"# {plan.title}", ""]
    for step in plan.steps:
        lines += [f"### {step.id} {step.title}", "", step.action, ""]
    return "\n".join(lines)


FIRST = protocol(LIMIT, "Fit a Cox model with the score and grade.")
SECOND = protocol("Count the genes measured; below 32 of 40 stop.", "Fit a Cox model with the score and grade.")
THIRD = protocol("Count the genes measured; below 20 of 40 stop.", "Fit a Cox model with the score alone.")


def finding(consequence: str = "changes the result", **more: str) -> RankedFinding:
    base = {"id": "A1", "location": "step 1.1", "problem": "The limit cannot act.", "do": "Lower it."}
    return RankedFinding.model_validate({**base, "consequence": consequence, **more})


def review(*findings: RankedFinding, disputed: Sequence[DisputedCheck] = ()) -> RankedReview:
    return RankedReview(findings=findings, disputed=tuple(disputed))


def recheck(*new: RankedFinding, **left: bool) -> FindingsLeft:
    rows = tuple(FindingLeft(finding=name, reason="seen", left=is_left) for name, is_left in left.items())
    return FindingsLeft(findings=rows, new=new)


def look(code: str) -> ActionTurn:
    action = LookAction(kind="look", why="can the limit act?", view="D/open", code=code)
    return ActionTurn(do=(action,), finish=False)


DONE = ActionTurn(do=(), finish=True)


class Looks:
    """A tool that shows the code it is given, or fails as a script does."""

    kind, prefix, pure, repeatable = "look", "V", True, False

    def __init__(self, shown: str = "") -> None:
        self.shown = shown
        self.ran: list[str] = []

    def key(self, action: LookAction) -> str:
        return f"{action.view} {action.code}"

    async def run(self, action: LookAction, place: Place) -> Seen:
        self.ran.append(action.code)
        if "refuse" in action.code:
            return Seen("Not run: there is no such view.", {"refused": "there is no such view"})
        if "fail" in action.code:
            return Seen("exit 1\nKeyError: 'er'", {"exit_code": 1})
        return Seen(f"exit 0\n{self.shown or action.code}", {"exit_code": 0, "bytes_seen": len(action.code)})


class ModelsOfRoles(ScriptedBackend):
    """A scripted backend whose roles have models of their own."""

    def __init__(self, replies: dict[str, list[Script]], models: dict[str, str]) -> None:
        super().__init__(replies)
        self.models = models

    def identity(self, request: Request) -> str:
        return self.models.get(request.model_role, "scripted")


@dataclass
class Desk:
    """The callables of a review, with what they were given."""

    versions: list[Protocol] = field(default_factory=lambda: [SECOND])
    answers: list[tuple[FindingAnswer, ...]] = field(default_factory=list)
    errors: dict[str, tuple[CheckFinding, ...]] = field(default_factory=dict)
    handed: list[tuple[RankedFinding, ...]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)

    async def revise(
        self, plan: Protocol, findings: tuple[RankedFinding, ...], looks: Sequence[LookRecord]
    ) -> tuple[Protocol, Sequence[FindingAnswer], Mapping[str, str]]:
        self.handed.append(findings)
        self.looks = [k.id for k in looks]
        answers = [FindingAnswer(finding=f.id, done=True, answer="The rule is new.") for f in findings]
        return self.versions.pop(0), self.answers.pop(0) if self.answers else answers, self.moved

    async def check(self, plan: Protocol) -> tuple[Protocol, tuple[CheckFinding, ...]]:
        return plan, self.errors.get(plan.steps[0].action, ())


MATERIAL = ReviewMaterial(
    OBJECTIVE,
    facts=(
        Fact(id="F1", kind="gene sets", dataset="D", statement="38 of 40 genes are measured.", shown_by="gene_sets"),
        Fact(id="F2", kind="look", dataset="D", statement="The score goes with the series.", shown_by="L2", weight=3),
    ),
    views=(
        View(
            id="D/open",
            dataset="D",
            kind="open",
            files=(ViewFile(name="matrix.csv", rows=40, columns=("gene",), n_columns=12, what="a gene a row"),),
            withheld=("time and event: the outcome",),
            digest="0" * 64,
        ),
    ),
)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., object]:
    """Review the first protocol with scripted answers, all of which must be asked for."""

    async def review_with(
        replies: dict[str, list[Script]],
        desk: Desk,
        *,
        looks: Looks | None = None,
        datasets: tuple[Dataset, ...] = (),
        models: dict[str, str] | None = None,
        origin: str = "model",
        before: Callable[[ModelClient], object] | None = None,
    ) -> tuple[Reviewed, ModelsOfRoles]:
        resources = Resources()
        backend = ModelsOfRoles(replies, models or {})
        backend.origin = origin
        ledger = Ledger(tmp_path / "ledger.sqlite")
        caller = ModelClient(backend, ledger, PromptBook(resources), load_cards(resources), EventLog(None))
        if before is not None:
            await before(caller)
        material = MATERIAL if looks is None else replace(MATERIAL, look=looks, datasets=datasets)
        found = await review_and_revise(caller, material, FIRST, revise=desk.revise, render=render, check=desk.check)
        backend.assert_used_up()
        ledger.close()
        return found, backend

    return review_with


async def test_findings_are_shown_by_looks_answered_and_rechecked(run) -> None:
    looks, desk = Looks(), Desk()
    replies = {
        EXAMINE: [look("print(38)"), DONE],
        REVIEW: [
            review(
                finding("weakens it", problem="No seed."),
                finding("invalidates the result", statement=LIMIT, shown_by="V1"),
            )
        ],
        RECHECK: [recheck(A1=False, A2=False)],
    }
    found, backend = await run(replies, desk, looks=looks)
    assert looks.ran == ["print(38)"]
    assert desk.looks == ["V1"]
    assert [(f.id, f.consequence, f.statement, f.shown_by) for f in desk.handed[0]] == [
        ("A1", "invalidates the result", LIMIT, "V1"),
        ("A2", "weakens it", "", ""),
    ]
    assert found.protocol.steps == SECOND.steps
    assert found.passed
    assert [(r.weight, r.kept, r.passed, r.stopped) for r in found.rounds] == [
        (10, False, False, ""),
        (0, True, True, "nothing is left to answer"),
    ]
    assert [(a.finding, a.look, a.done, a.left) for a in found.answered] == [
        ("A1", "V1", True, False),
        ("A2", "", True, False),
    ]
    assert found.protocol.answered == found.answered
    assert [(r.id, r.by, r.round, r.view, r.exit_code) for r in found.looks] == [("V1", "reviewer", 1, "D/open", 0)]
    asked = "\n".join(m.content for m in backend.requests[-1].messages)
    assert "+ Count the genes measured; below 32 of 40 stop." in asked
    assert f"− {LIMIT}" in asked
    assert "Cox" not in asked  # what did not change is not sent again


async def test_answered_findings_have_the_numbers_that_steps_have_after_the_revision(run) -> None:
    desk = Desk(
        versions=[protocol("Fit a Cox model with the score and grade, by series.")],
        answers=[(FindingAnswer(finding="A1", done=True, answer="Step 1.1 is by series now."),)],
        moved={"1.1": "1.1 (taken out)", "1.2": "1.1"},
    )
    first = finding(location="step 1.2", problem="Step 1.2 pools what step 1.1 keeps apart.")
    replies = {EXAMINE: [DONE], REVIEW: [review(first)], RECHECK: [recheck(A1=False)]}
    found, backend = await run(replies, desk, looks=Looks())
    assert [(f.location, f.problem) for f in found.rounds[0].ranked] == [(first.location, first.problem)]
    (answered,) = found.protocol.answered
    assert answered.location == "step 1.1"
    assert answered.said == "Step 1.1 pools what step 1.1 (taken out) keeps apart."
    assert answered.answer == "Step 1.1 is by series now."
    assert "at step 1.1" in "\n".join(m.content for m in backend.requests[-1].messages)


async def test_the_reviewer_sees_facts_with_their_source_and_nothing_of_the_author(run) -> None:
    replies = {EXAMINE: [DONE], REVIEW: [review()]}
    _, backend = await run(replies, Desk(), looks=Looks())
    first, second = backend.requests
    text = first.messages[-1].content
    assert LIMIT in text
    assert "F2 [3; L2]" in text
    assert "withheld: time and event: the outcome" in text
    assert second.messages[: len(first.messages)] == first.messages  # the prefix is found in a provider's cache
    assert set(ReviewerTurn.model_fields) & {"known", "skills", "conversation"} == set()


async def test_the_reviewer_counts_and_its_findings_rest_on_counts(run, tmp_path: Path) -> None:
    (tmp_path / "D").mkdir()
    rows = [f"s{n},{'ab'[n % 2]},{n % 3}" for n in range(30)]
    (tmp_path / "D" / "samples.csv").write_text("\n".join(["sample,arm,dose", *rows]) + "\n")
    (tmp_path / "D" / "dataset.toml").write_text(
        'id = "D"\ntitle = "t"\nsource = "made"\n[[files]]\nname = "samples"\nkind = "samples"\n'
        'path = "samples.csv"\nsample_column = "sample"\n'
    )
    datasets, _ = load_datasets([tmp_path / "D"])
    rules = (Condition(column="arm", values=("a",)),)
    counted = CountAction(kind="count", why="is arm a large enough?", dataset="D", where=rules, columns=("dose",))
    replies = {
        EXAMINE: [ActionTurn(do=(counted,), finish=False), DONE],
        REVIEW: [review(finding(shown_by="W1"))],
        RECHECK: [recheck(A1=False)],
    }
    desk = Desk()
    found, _ = await run(replies, desk, looks=Looks(), datasets=tuple(datasets))
    assert desk.handed[0][0].shown_by == "W1"
    (record,) = found.looks
    assert (record.id, record.by, record.view, record.refused) == ("W1", "reviewer", "D/counts", "")
    assert "arm 'a': 15 left" in record.shown


async def test_made_up_quotes_and_looks_are_dropped_and_said(run) -> None:
    made_up = finding(statement="Accept when 95 % of the genes are measured.", shown_by="V7, F1")
    against = finding(problem="Only 12 genes are measured.", contradicts="F1", shown_by="F2", location="step 1.2")
    refused = finding(problem="The view holds no batch.", shown_by="V1", location="Step 1.2")
    replies = {
        EXAMINE: [look("refuse"), DONE],
        REVIEW: [review(made_up, against, refused)],
        RECHECK: [recheck(A1=False, A2=False)],
    }
    desk = Desk()
    found, _ = await run(replies, desk, looks=Looks())
    assert [(f.id, f.statement, f.shown_by, f.location) for f in desk.handed[0]] == [
        ("A1", "", "F1", "step 1.1"),
        ("A2", "", "", "step 1.2"),
    ]
    said = "\n".join(found.rounds[0].notes)
    assert "A1: the words it quotes do not stand in the protocol" in said
    assert "no look or fact V7 is known" in said
    assert "no look or fact V1 is known" in said
    assert "contradicts F1 without a look that shows otherwise" in said
    assert "Only 12 genes are measured." in said


async def test_a_finding_against_a_fact_counts_when_a_look_shows_it(run) -> None:
    against = finding(problem="Only 12 genes are measured.", contradicts="F1", shown_by="V1")
    replies = {EXAMINE: [look("print(12)"), DONE], REVIEW: [review(against)], RECHECK: [recheck(A1=False)]}
    desk = Desk()
    await run(replies, desk, looks=Looks())
    assert [(f.contradicts, f.shown_by) for f in desk.handed[0]] == [("F1", "V1")]


async def test_unanswered_findings_and_idle_promises_are_recorded(run) -> None:
    desk = Desk(
        versions=[FIRST],
        answers=[
            (FindingAnswer(finding="A1", done=True, answer="Done."), FindingAnswer(finding="A9", done=True, answer="x"))
        ],
    )
    replies = {REVIEW: [review(finding(), finding("wording", problem="Unclear."))], RECHECK: [recheck(A1=True)]}
    found, _ = await run(replies, desk)
    assert [(a.finding, a.done, a.answer) for a in found.rounds[0].answers] == [
        ("A1", False, "Done."),
        ("A2", False, "The author gave no answer."),
    ]
    said = "\n".join(found.rounds[0].notes + found.rounds[1].notes)
    assert "A1 is said to be done, but nothing was changed." in said
    assert "A2 was not answered." in said
    assert "A9, which is no finding" in said
    assert "A2 was not rechecked, and is taken as left." in said
    assert not found.passed
    assert any("A1 of the review is left (changes the result)" in text for text in found.protocol.limitations)


async def test_an_older_version_is_kept_when_the_revision_is_worse(run) -> None:
    worse = finding(
        "invalidates the result", problem="The new limit is never reached.", statement="below 32 of 40 stop"
    )
    replies = {REVIEW: [review(finding())], RECHECK: [recheck(worse, A1=False)]}
    found, _ = await run(replies, Desk())
    assert found.protocol.steps == FIRST.steps
    assert [(r.weight, r.kept) for r in found.rounds] == [(4, True), (8, False)]
    assert found.rounds[1].ranked[0].id == "A2"
    assert found.rounds[1].stopped == "the revision left as much as there was before it"
    assert [(a.finding, a.done, a.left) for a in found.answered] == [("A1", False, True)]
    assert "was not kept" in found.answered[0].answer


async def test_errors_that_a_revision_brings_weigh(run) -> None:
    wrong = CheckFinding(gate="G-FLO-01", severity="error", location="step 1.1", message="No step makes this input.")
    desk = Desk(errors={SECOND.steps[0].action: (wrong,)})
    found, _ = await run({REVIEW: [review(finding("weakens it"))], RECHECK: [recheck(A1=False)]}, desk)
    assert found.protocol.steps == FIRST.steps
    assert [r.weight for r in found.rounds] == [2, 4]


async def test_rounds_end_at_the_limit_of_the_card_and_what_is_left_is_said(run) -> None:
    grave = finding("invalidates the result", problem="Still an artefact.")
    replies = {
        REVIEW: [review(grave, finding(problem="A second one."), finding("weakens it", problem="A third."))],
        RECHECK: [recheck(A1=True, A2=False, A3=True), recheck(A1=True, A3=False)],
    }
    found, _ = await run(replies, Desk(versions=[SECOND, THIRD]))
    assert [(r.weight, r.kept) for r in found.rounds] == [(14, False), (10, False), (8, True)]
    assert found.rounds[-1].stopped == "the rounds are used up"
    assert [(a.finding, a.left) for a in found.answered] == [("A1", True), ("A2", False), ("A3", False)]
    assert found.protocol.steps == THIRD.steps


async def test_no_other_round_for_findings_of_lesser_consequence(run) -> None:
    replies = {
        REVIEW: [review(finding(), finding("wording", problem="Unclear."))],
        RECHECK: [recheck(A1=False, A2=True)],
    }
    found, _ = await run(replies, Desk())
    assert found.passed
    assert found.rounds[-1].stopped == "only findings of lesser consequence are left"
    assert [(a.finding, a.left) for a in found.answered] == [("A1", False), ("A2", True)]


async def test_checks_reach_the_author_unless_the_reviewer_disputes_them(run) -> None:
    wrong = CheckFinding(gate="G-FLO-01", severity="error", location="step 1.1", message="No step makes this input.")
    false = CheckFinding(gate="G-VAG-02", severity="error", location="step 1.2", message="'///' is vague.")
    desk = Desk(errors={LIMIT: (wrong, false), SECOND.steps[0].action: (false,)})
    disputed = [DisputedCheck(check="C2", why="It is a separator."), DisputedCheck(check="C8", why="?")]
    found, backend = await run({REVIEW: [review(disputed=disputed)], RECHECK: [recheck()]}, desk)
    assert "C1 G-FLO-01 error at step 1.1" in backend.requests[0].messages[-1].content
    assert [f.id for f in desk.handed[0]] == ["C1"]
    assert found.rounds[0].disputed == ("G-VAG-02 at step 1.2: It is a separator.",)
    assert found.rounds[1].findings == (false,)
    assert found.passed  # the dispute holds for the same finding in the next version
    assert "names no check" in found.rounds[0].notes[0]


async def test_a_reviewer_whose_looks_fail_reviews_all_the_same(run) -> None:
    bad = FactAction(kind="fact", look="V1", statement="38 genes.", consequence="none")
    replies = {
        EXAMINE: [look("fail"), ActionTurn(do=(bad,), finish=True)],
        REVIEW: [review(finding(shown_by="V1"))],
        RECHECK: [recheck(A1=False)],
    }
    found, backend = await run(replies, Desk(), looks=Looks())
    assert found.passed
    assert [(r.id, r.exit_code) for r in found.looks] == [("V1", 1)]
    assert "there is no action `fact` here" in backend.requests[2].messages[-1].content


async def test_looks_are_limited_in_number_and_rounds(run) -> None:
    many = [LookAction(kind="look", why="w", view="D/open", code=f"print({n})") for n in range(8)]
    looks = Looks()
    replies = {
        EXAMINE: [ActionTurn(do=tuple(many[:4]), finish=False), ActionTurn(do=tuple(many[4:]), finish=False)],
        REVIEW: [review()],
    }
    found, _ = await run(replies, Desk(), looks=looks)
    assert len(looks.ran) == 6
    assert sum(bool(r.refused) for r in found.looks) == 2


async def test_a_review_that_cannot_be_used_is_not_judged(run) -> None:
    found, _ = await run({REVIEW: ["no JSON", "none"]}, Desk())
    assert [r.judged for r in found.rounds] == [False]
    assert found.protocol.steps == FIRST.steps
    assert NOT_JUDGED in found.protocol.limitations
    assert "could not be used" in found.rounds[0].notes[0]


async def test_a_revision_that_was_not_rechecked_is_kept_and_said(run) -> None:
    found, _ = await run({REVIEW: [review(finding())], RECHECK: ["no JSON", "none"]}, Desk())
    assert found.protocol.steps == SECOND.steps
    assert [(r.judged, r.weight) for r in found.rounds] == [(True, 4), (False, 4)]
    assert any("was not rechecked" in text for text in found.protocol.limitations)
    assert not found.passed


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ({"designer": "openai:gpt-5", "reviewer": "openai:gpt-5"}, "One model wrote this protocol and reviewed it"),
        (
            {"designer": "openai:gpt-5", "reviewer": "azure:gpt-5-mini"},
            "are of one family (openai:gpt-5, azure:gpt-5-mini)",
        ),
        ({"designer": "ollama:llama3.1:8b", "reviewer": "compatible:meta-llama/Llama-3.3-70B"}, "are of one family"),
        ({"designer": "openai:gpt-5", "reviewer": "anthropic:claude-opus-4"}, ""),
    ],
)
async def test_a_model_that_reviews_itself_is_named(run, models: dict[str, str], said: str) -> None:
    async def write(caller: ModelClient) -> None:
        await ask(caller, CHOOSE_PARTS, CHOOSE_PARTS.inputs(comment="c", parts=FIRST.parts))

    replies: dict[str, list[Script]] = {CHOOSE_PARTS.name: ['{"parts": []}'], REVIEW: [review()]}
    found, _ = await run(replies, Desk(), models=models, before=write)
    told = [text for text in found.protocol.limitations if "may miss the same" in text]
    assert bool(told) is bool(said)
    assert all(said in text and text in found.rounds[0].notes for text in told)


async def test_by_rule_nothing_is_judged_and_no_score_is_made_up(run) -> None:
    wrong = CheckFinding(gate="G-FLO-01", severity="error", location="step 1.1", message="No step makes this input.")
    found, backend = await run({}, Desk(errors={LIMIT: (wrong,)}), origin="offline", looks=Looks())
    assert backend.requests == []
    (row,) = found.rounds
    assert (row.judged, row.score, row.passed, row.kept) == (False, None, False, True)
    assert row.findings == (wrong,)
    assert row.reason.startswith("Not judged by a model")
    assert NOT_JUDGED in found.protocol.limitations
    assert found.answered == ()


SENTENCE = (
    "Score each array of GSE4335 as the mean of z-scaled log2 ratios of the 40 measured genes (at least 32), centre it "
    "by print series, and fit a Cox model with score, grade and lymph node status (128 patients, 41 events). "
)


async def test_a_long_protocol_is_reviewed_within_its_budget(run, monkeypatch) -> None:
    long = protocol(*(SENTENCE * 6 + f"Write table {n}." for n in range(24)))
    assert 5_800 <= len(render(long).split()) <= 6_200
    steps = (
        *THIRD.steps[:1],
        *long.parts[0].steps[1:4],
        *(s.model_copy(update={"action": s.action + " Report n."}) for s in long.steps[4:10]),
        *long.steps[10:],
    )
    revised = long.model_copy(update={"parts": (long.parts[0].model_copy(update={"steps": steps}),)})
    statement = (
        "Of 4,951 values of each of the 53 arrays of the series svcc and svj 1,980 to 2,073 are the constant -0.14."
    )
    facts = tuple(
        Fact(id=f"F{n}", kind="filled values", dataset="GSE4335", statement=statement, shown_by="filled_values")
        for n in range(1, 26)
    )
    monkeypatch.setitem(globals(), "FIRST", long)
    monkeypatch.setitem(globals(), "MATERIAL", replace(MATERIAL, facts=facts))
    problem = "The limit of 80 % is met by construction, as only measured genes are counted; the step would never stop."
    found_twelve = [
        finding(problem=f"{problem} {n}", do="Count the genes of the set, not of the array.") for n in range(12)
    ]
    replies = {
        EXAMINE: [
            ActionTurn(do=tuple(look(f"print(table.iloc[:, {n}].describe())").do[0] for n in range(3)), finish=True)
        ],
        REVIEW: [review(*found_twelve)],
        RECHECK: [recheck(**{f"A{n}": False for n in range(1, 13)})],
    }
    found, backend = await run(replies, Desk(versions=[revised]), looks=Looks("0.125,0.250;" * 160))
    assert found.passed
    sent = [tokens_of_messages(r.messages) for r in backend.requests]
    print(sent, sum(sent), "new:", sent[1] + sent[2])
    assert sent[-2] + sent[-1] <= 35_000  # the rounds' messages are the review's prefix: sent again, and not anew
    assert sum(sent) <= 42_000


def test_rows_of_earlier_versions_can_be_read() -> None:
    old = {"draft": "part 2", "round": 1, "score": 4, "passed": True, "findings": [], "reason": "fits", "kept": True}
    row = DraftReview.model_validate_json(json.dumps(old))
    assert (row.score, row.weight, row.ranked, row.answers) == (4, None, (), ())


lines = st.lists(st.sampled_from(["", "# A", "## B", "one", "two", "three", "- four"]), max_size=12)


@given(lines, lines)
def test_the_account_of_changes_holds_every_line_that_changed(before: list[str], after: list[str]) -> None:
    account, note = changes("\n".join(before), "\n".join(after))
    assert note == ""
    put = [x for x in account.splitlines() if x.startswith("+ ")]
    out = [x for x in account.splitlines() if x.startswith("− ")]
    written = [x for x in after if x.strip()]
    had = [x for x in before if x.strip()]
    assert bool(put or out) is (written != had)
    for line in set(written) | set(had):
        gained = sum(x == f"+ {line}" for x in put) - sum(x == f"− {line}" for x in out)
        assert gained == written.count(line) - had.count(line)


def steps_of(*actions: str) -> str:
    return render(protocol(*actions))


def test_every_changed_step_is_shown_whole_under_its_heading() -> None:
    before = steps_of("Keep this. Take 32 of 40 genes. And this.", "Nothing happens here.")
    account, note = changes(before, steps_of("Keep this. Take 20 of 40 genes. And this.", "Nothing happens here."))
    assert (account.splitlines(), note) == (
        ["### 1.1 Step 1", "  Keep this.", "− Take 32 of 40 genes.", "+ Take 20 of 40 genes.", "  And this."],
        "",
    )


@given(st.integers(min_value=20, max_value=4_000))
@example(3_500)
def test_a_long_account_of_changes_loses_no_line_put_in(most: int) -> None:
    old = [f"A{n}. " * 15 + f"old {n}. " + f"B{n}. " * 15 for n in range(30)]
    account, note = changes(steps_of(*old), steps_of(*(a.replace("old", "new") for a in old)), most)
    lines = account.splitlines()
    for n in range(30):
        place = lines.index(f"+ new {n}.")
        assert lines[place - 1] in {f"  A{n}.", f"− old {n}."}
        assert f"### 1.{n + 1} Step {n + 1}" in lines[:place]
    assert bool(note) or tokens_of(account) <= most
    assert ("− old 1." not in lines) is (OUT_NOT_SHOWN in note)


def test_lines_taken_out_are_left_out_after_all_unchanged_ones() -> None:
    old = [f"A{n}. " * 15 + f"old {n}. " + f"B{n}. " * 15 for n in range(30)]
    before, after = steps_of(*old), steps_of(*(a.replace("old", "new") for a in old))
    for note in (ONLY_NEAR, ONLY_CHANGED):
        most = tokens_of(changes(before, after)[0])
        while changes(before, after, most)[1] != note:
            most -= 50
        account, _ = changes(before, after, most)
        assert account.count("− old") == account.count("+ new") == 30


@given(st.lists(st.sampled_from(["invalidates the result", "changes the result", "weakens it", "wording"]), max_size=8))
def test_a_finding_less_is_always_a_better_version(kinds: list[str]) -> None:
    ranked = tuple(finding(kind) for kind in kinds)
    assert all(weight_of(ranked[:n], 1) < weight_of(ranked[: n + 1], 1) for n in range(len(ranked)))


async def test_findings_on_style_alone_come_last_and_numbers_that_nobody_saw_are_handed_over(run) -> None:
    style = finding("invalidates the result", problem="The phrasing of the part is verbose.", do="Shorten it.")
    unseen = CheckFinding(gate="G-NUM-01", severity="warning", location="step 1.1", message="seen nowhere: 97")
    desk = Desk(errors={LIMIT: (unseen,)})
    replies = {REVIEW: [review(style, finding("weakens it"))], RECHECK: [recheck(A1=False, A2=False)]}
    found, _ = await run(replies, desk)
    assert [(f.id, f.consequence) for f in desk.handed[0]] == [
        ("A1", "weakens it"),
        ("A2", "wording"),
        ("C1", "weakens it"),
    ]
    assert "seen nowhere: 97" in desk.handed[0][2].problem
    assert found.passed


def test_findings_keep_the_numbers_that_their_reviewer_gave_them() -> None:
    kinds = ("weakens it", "invalidates the result", "wording", "changes the result")
    given = [finding(k, id=f"A{n}", problem=f"Problem {n}.") for n, k in enumerate(kinds, 1)]
    kept, _ = verified(given, render(FIRST), FIRST, Evidence())
    assert [(f.id, f.problem) for f in kept] == [(f"A{n}", f"Problem {n}.") for n in (2, 4, 1, 3)]
    without, _ = verified(given[1:], render(FIRST), FIRST, Evidence())
    assert [f.id for f in without] == ["A2", "A4", "A3"], "one that is missing moves no other"
    for ids in (("N1", "N2"), ("A1", "A1"), ("A3", "A9")):
        new = [finding(id=i, problem=f"New {i} {n}.") for n, i in enumerate(ids)]
        kept, _ = verified(new, render(FIRST), FIRST, Evidence(), first=5)
        assert [f.id for f in kept] == ["A5", "A6"], "numbers that are taken or repeat are given anew"


def test_findings_of_checks_keep_their_numbers_over_versions() -> None:
    def check(message: str, gate: str = "G-X-01") -> CheckFinding:
        return CheckFinding(gate=gate, severity="error", location="step 1.1", message=message)

    first = numbered_checks([check("one"), check("two"), check("three")])
    assert [c.id for c in first] == ["C1", "C2", "C3"]
    second = numbered_checks([check("three"), check("four"), check("two")], first)
    assert {c.shown.message: c.id for c in second} == {"three": "C3", "four": "C4", "two": "C2"}
    third = numbered_checks([check("one"), check("five")], [*first, *second])
    assert {c.shown.message: c.id for c in third} == {"one": "C1", "five": "C5"}
