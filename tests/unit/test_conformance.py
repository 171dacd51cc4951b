"""Conformance checks: what an answer must be, and how a round of checks ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import conformance_support as lib
import pytest
from scripted_backend import Script, ScriptedBackend

from bioresearcher.errors import (
    BudgetError,
    DefectError,
    EmptyReplyError,
    ModelUnavailableError,
    RefusalError,
    TruncatedError,
)
from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.llm.ledger import Ledger
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.review.check import CheckContext
from bioresearcher.review.metrics import review_by_rule
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.ask_design import ProtocolPlan
from bioresearcher.schemas.ask_literature import PaperOutline
from bioresearcher.schemas.ask_program import CodeDraft
from bioresearcher.schemas.model import ROLES, ModelSettings
from bioresearcher.stages.conformance.material import PROTOCOL, TWO_STEPS, Material, load_material
from bioresearcher.stages.conformance.run import CHECKS, CheckResult, ConformanceKit, ConformanceRound

MODEL = ModelSettings(provider="compatible", model="m", base_url="https://models.example/v1")
HERE = MODEL.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})


@pytest.fixture(scope="module")
def material() -> Material:
    return load_material()


def caller(folder: Path, backend: ScriptedBackend) -> ModelClient:
    resources = Resources()
    return ModelClient(
        backend, Ledger(folder / "ledger.sqlite"), PromptBook(resources), load_cards(resources), EventLog(None)
    )


def answers(**changed: Script | list[Script]) -> dict[str, list[Script]]:
    """The good answers, some replaced; `write_code` stands for `programmer/write_code`."""
    found: dict[str, list[Script]] = {name: [answer] for name, answer in lib.GOOD.items()}
    names = {name.split("/")[1]: name for name in [*found, "programmer/repair_code"]}
    return found | {names[k]: v if isinstance(v, list) else [v] for k, v in changed.items()}


class Bench:
    """A round of checks against a scripted backend."""

    def __init__(self, folder: Path, material: Material) -> None:
        self.folder, self.material = folder, material
        self.sandbox: UnsandboxedSandbox | None = None
        self.backend: ScriptedBackend = ScriptedBackend(answers())

    def round(
        self, models: Mapping[str, ModelSettings] | None = None, unfit: Mapping[str, tuple[str, str]] | None = None
    ) -> ConformanceRound:
        kit = ConformanceKit(self.material, self.folder, self.sandbox, {})
        models = dict.fromkeys(ROLES, MODEL) if models is None else models
        return ConformanceRound(
            caller(self.folder, self.backend), kit, models, unfit or {}, lambda role, step: "schema"
        )

    def results(self, limit_s: float = 30, **changed: Script | list[Script]) -> dict[str, CheckResult]:
        self.backend = ScriptedBackend(answers(**changed))
        return {r.check: r for r in asyncio.run(self.round().run(limit_s=limit_s))}


@pytest.fixture
def bench(tmp_path: Path, material: Material) -> Bench:
    return Bench(tmp_path, material)


def test_good_answers_work_for_every_role(bench: Bench) -> None:
    results = bench.results()
    assert {name: r.state for name, r in results.items()} == dict.fromkeys((c.name for c in CHECKS), "works")
    assert [r.role for r in results.values()] == list(ROLES)
    first = results["reading"]
    assert (first.usage.calls, first.usage.output_tokens, first.structured) == (2, 40, "schema")
    assert "not run, as no sandbox works here" in results["code"].detail
    bench.backend.assert_used_up()


def test_an_answer_that_was_repaired_is_told_apart(bench: Bench) -> None:
    results = bench.results(outline_paper=["{}", lib.GOOD["literature/outline_paper"]])
    assert results["reading"].state == "works with repair"
    assert results["reading"].usage.calls == 3
    assert results["design"].state == "works"


@pytest.mark.parametrize(
    ("error", "says", "hint"),
    [
        (TruncatedError("cut at 4096 tokens", hint="Raise `max_output`."), "cut at", "max_output"),
        (RefusalError("declined"), "declined", "Another model"),
        (EmptyReplyError("nothing", hint="Look at the server."), "nothing", "Look at the server."),
        (ModelUnavailableError("503", hint="Later."), "503", "Later."),
    ],
)
def test_what_went_wrong_is_said_with_what_to_do(bench: Bench, error: Exception, says: str, hint: str) -> None:
    result = bench.results(plan_protocol=error)["design"]
    assert result.state == "fails"
    assert says in result.detail
    assert hint in result.hint


def test_an_answer_that_never_fits_fails(bench: Bench) -> None:
    result = bench.results(score_protocol=["{}", "{}"])["score"]
    assert (result.state, result.usage.calls) == ("fails", 2)
    assert "metrics" in result.detail
    assert result.hint


def test_a_used_up_budget_is_no_fault_of_the_model(bench: Bench) -> None:
    result = bench.results(score_protocol=BudgetError("the budget of 10 tokens is used up."))["score"]
    assert (result.state, result.works) == ("not asked", False)


@pytest.mark.parametrize(
    ("outline", "part", "problem"),
    [
        (lib.outline(2, 3), lib.part(lib.QUOTE), ""),
        (lib.outline(2, 3), lib.part(lib.QUOTE.upper()), ""),
        (PaperOutline(parts=()), None, "no part"),
        (lib.outline(2, 99), lib.part(lib.QUOTE.replace("largest", "smallest")), "its quotes do not"),
        (lib.outline(2, 3), lib.part(lib.ELSEWHERE), "its quotes do not"),
        (lib.outline(2, 3), lib.part(), "no quote"),
    ],
)
def test_what_is_read_must_stand_in_the_note(
    bench: Bench, outline: PaperOutline, part: Script | None, problem: str
) -> None:
    result = bench.results(outline_paper=outline, report_part=[] if part is None else part)["reading"]
    assert problem in result.detail
    assert result.state == ("fails" if problem else "works")
    assert bool(result.hint) == bool(problem)


@pytest.mark.parametrize(
    ("answer", "state", "says"),
    [
        ([lib.plan()], "works", "parts: 2; steps: 2; papers used: 0 of 3"),
        ([lib.plan("PMID9999")], "works", "used: 0 of 3"),
        ([lib.plan("PMID16199517")], "works", "used: 1 of 3"),
        ([lib.plan().model_copy(update={"parts": ()})] * 2, "fails", "no part with a step"),
    ],
)
def test_a_design_has_parts_with_steps_and_uses_what_there_is(
    bench: Bench, answer: list[ProtocolPlan], state: str, says: str
) -> None:
    result = bench.results(plan_protocol=answer)["design"]
    assert (result.state, says in result.detail) == (state, True)


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        (lib.STEP.action, True),
        (f"“{lib.STEP.action.rstrip('.').upper()}”", True),
        ("Use Fisher's exact test on the counts.", False),
        ("", False),
    ],
)
def test_scores_rest_on_words_of_the_protocol(bench: Bench, evidence: str, found: bool) -> None:
    result = bench.results(score_protocol=lib.scores(evidence))["score"]
    assert result.works == found
    assert found or "no words of the protocol were quoted" in result.detail


def test_a_metric_left_out_fails(bench: Bench) -> None:
    answer = lib.scores()
    lacking = answer.model_copy(update={"metrics": {k: v for k, v in answer.metrics.items() if k != "correctness"}})
    result = bench.results(score_protocol=[lacking.model_dump_json()] * 2)["score"]
    assert result.state == "fails"
    assert "correctness" in result.detail


@pytest.mark.parametrize(
    ("code", "state", "says"),
    [
        ("def (:", "fails", "not valid Python"),
        ("", "fails", "no code"),
        (lib.SCRIPT, "works", "not run"),
    ],
)
def test_without_a_sandbox_code_is_only_read(bench: Bench, code: str, state: str, says: str) -> None:
    result = bench.results(write_code=CodeDraft(code=code))["code"]
    assert (result.state, says in result.detail) == (state, True)


@pytest.mark.parametrize(
    ("codes", "state", "says"),
    [
        ([lib.SCRIPT], "works", "verified"),
        (["def (:", lib.SCRIPT], "works with repair", "verified"),
        ([lib.READ, lib.READ], "fails", "no_output"),
        ([lib.READ + "raise KeyError('x')", "def (:", "def (:"], "fails", "KeyError"),
    ],
)
def test_code_is_run_and_may_be_repaired_as_in_a_run(bench: Bench, codes: list[str], state: str, says: str) -> None:
    bench.sandbox = UnsandboxedSandbox()
    first, *repairs = (CodeDraft(code=code) for code in codes)
    result = bench.results(write_code=first, repair_code=[*repairs])["code"]
    assert (result.state, says in result.detail) == (state, True)
    assert result.usage.calls == len(codes)


class Slow(ScriptedBackend):
    """Some prompts are answered when the event is set, which is never."""

    def __init__(self, slow: Callable[[str], bool]) -> None:
        super().__init__(answers())
        self.slow, self.under_way, self.most, self.cancelled = slow, 0, 0, 0

    async def complete(self, request: Request) -> Reply:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await (asyncio.Event().wait() if self.slow(request.prompt) else asyncio.sleep(0))
            return await super().complete(request)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1


def test_what_is_not_finished_in_time_is_said_and_ended(bench: Bench) -> None:
    bench.backend = backend = Slow(lambda prompt: prompt == "literature/report_part")
    results = {r.check: r for r in asyncio.run(bench.round().run(limit_s=1))}
    assert [n for n, r in results.items() if r.state == "not reached in time"] == ["reading"]
    assert "asked, but had not finished" in results["reading"].detail
    assert (backend.under_way, backend.cancelled) == (0, 1)


def test_a_server_on_this_machine_is_asked_one_thing_at_a_time(bench: Bench) -> None:
    bench.backend = backend = Slow(lambda prompt: prompt == "designer/plan_protocol")
    results = asyncio.run(bench.round(dict.fromkeys(ROLES, HERE)).run(limit_s=1))
    assert backend.most == 1
    assert [r.state for r in results if r.check == "reading"] == ["works"]
    assert "not asked any more" in next(r.detail for r in results if r.check == "score")


def test_a_slow_endpoint_does_not_hold_up_another(bench: Bench) -> None:
    bench.backend = Slow(lambda prompt: prompt.startswith("literature/"))
    models = {**dict.fromkeys(ROLES, MODEL), "reader": HERE}
    results = asyncio.run(bench.round(models).run(limit_s=1))
    assert {r.role: r.state for r in results if r.role != "reader"} == dict.fromkeys(ROLES[1:], "works")


def test_only_configured_roles_are_asked_and_unfit_models_are_not(bench: Bench) -> None:
    other = MODEL.model_copy(update={"model": "typo"})
    models = {"coder": MODEL, "reviewer": other}
    unfit = {"reviewer": ("there is no model `typo`.", "Known are: m.")}
    results = asyncio.run(bench.round(models, unfit).run())
    assert [(r.check, r.state) for r in results] == [("code", "works"), ("score", "fails")]
    assert [r.prompt for r in bench.backend.requests] == ["programmer/write_code"]
    assert (results[1].detail, results[1].hint) == unfit["reviewer"]


def test_a_bug_ends_the_round_and_leaves_nothing_running(bench: Bench) -> None:
    bench.backend = backend = Slow(lambda prompt: prompt == "literature/outline_paper")
    backend._by_prompt["reviewer/score_protocol"] = []
    with pytest.raises(DefectError, match="no scripted reply"):
        asyncio.run(bench.round().run())
    assert (backend.under_way, backend.cancelled) == (0, 1)


def test_the_protocol_of_two_steps_has_no_error_of_its_own() -> None:
    review = review_by_rule(PROTOCOL, CheckContext(objective=TWO_STEPS))
    assert len(PROTOCOL.steps) == 2
    assert [f for f in review.findings if f.severity == "error"] == []
