"""Conformance checks: what an answer must be, and how a round of checks ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import conftest_conformance as lib
import pytest

from bioresearcher.cards import load_cards
from bioresearcher.errors import (
    BudgetError,
    DefectError,
    EmptyReplyError,
    ModelUnavailableError,
    RefusalError,
    TruncatedError,
)
from bioresearcher.events import EventLog
from bioresearcher.execution.describe import describe_inputs
from bioresearcher.llm.ask import Caller
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.scripted import Script, ScriptedBackend
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources
from bioresearcher.sandbox.none import UnsandboxedSandbox
from bioresearcher.schemas.ask_design import HeadingsDraft
from bioresearcher.schemas.ask_program import CodeDraft
from bioresearcher.schemas.ask_read import PaperOutline
from bioresearcher.schemas.model import ROLES, ModelSettings
from bioresearcher.schemas.protocol import ReportPartRef
from bioresearcher.stages.conformance import judge
from bioresearcher.stages.conformance.checks import CHECKS, Kit
from bioresearcher.stages.conformance.material import (
    LONGEST_PROMPT,
    PROTOCOL,
    TABLE,
    TABLE_NAME,
    TABLE_SEEN,
    Material,
    headings_values,
    load_material,
    long_prompt,
    outline_values,
    score_values,
)
from bioresearcher.stages.conformance.run import CheckResult, Round, verdicts

PROTOCOL_TEXT = "\n".join(f"**{s.title}.** {s.action} {s.acceptance}" for s in PROTOCOL.steps)
MODEL = ModelSettings(provider="compatible", model="m", base_url="https://models.example/v1")
HERE = MODEL.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})


@pytest.fixture(scope="module")
def material() -> Material:
    return load_material()


class Backend(ScriptedBackend):
    """Scripted, for a model with a limited context."""

    context: int | None = None

    def room(self, request: Request) -> int | None:
        return self.context and self.context - request.max_output_tokens


def caller(folder: Path, backend: ScriptedBackend) -> Caller:
    resources = Resources()
    return Caller(
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
        self.backend = Backend(answers())

    def round(
        self, models: Mapping[str, ModelSettings] | None = None, unfit: Mapping[str, tuple[str, str]] | None = None
    ) -> Round:
        kit = Kit(self.material, PROTOCOL_TEXT, self.folder, self.sandbox, {})
        models = dict.fromkeys(ROLES, MODEL) if models is None else models
        return Round(caller(self.folder, self.backend), kit, models, unfit or {}, lambda role, step: "schema")

    def results(self, limit_s: float = 30, **changed: Script | list[Script]) -> dict[str, CheckResult]:
        self.backend = Backend(answers(**changed))
        return {r.check: r for r in asyncio.run(self.round().run(limit_s=limit_s))}


@pytest.fixture
def bench(tmp_path: Path, material: Material) -> Bench:
    return Bench(tmp_path, material)


def test_good_answers_work_for_every_role(bench: Bench) -> None:
    results = bench.results()
    assert {name: r.state for name, r in results.items()} == dict.fromkeys((c.name for c in CHECKS), "works")
    assert verdicts(list(results.values())) == dict.fromkeys(ROLES, "works")
    assert [r.role for r in results.values()] == ["reader", "reader", "designer", "coder", "reviewer"]
    first = results["schema"]
    assert (first.usage.calls, first.usage.output_tokens, first.structured) == (1, 20, "schema")
    assert "not run, as no sandbox works here" in results["code"].detail
    bench.backend.assert_used_up()


def test_an_answer_that_was_repaired_is_told_apart(bench: Bench) -> None:
    results = bench.results(outline_paper=["{}", lib.GOOD["literature/outline_paper"]])
    assert results["schema"].state == "works with repair"
    assert results["schema"].usage.calls == 2
    assert results["long context"].state == "works"
    assert verdicts(list(results.values()))["reader"] == "works with repair"


@pytest.mark.parametrize(
    ("error", "says", "hint"),
    [
        (TruncatedError("cut at 4096 tokens"), "cut at", "max_output"),
        (RefusalError("declined"), "declined", "another model"),
        (EmptyReplyError("nothing", hint="Look at the server."), "nothing", "Look at the server."),
        (ModelUnavailableError("503", hint="Later."), "503", "Later."),
    ],
)
def test_what_went_wrong_is_said_with_what_to_do(bench: Bench, error: Exception, says: str, hint: str) -> None:
    result = bench.results(design_headings=error)["design"]
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
    ("answer", "problem"),
    [
        (lib.outline(2, 3), ""),
        (PaperOutline(parts=()), "no part"),
        (lib.outline(2, 99), "do not exist: 99"),
        (lib.outline(), "no section"),
    ],
)
def test_an_outline_names_sections_that_exist(material: Material, answer: PaperOutline, problem: str) -> None:
    judged = judge.judge_outline(outline_values(material), answer)
    assert problem in judged.problem
    assert bool(judged.problem) == bool(problem)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lib.part(lib.QUOTE), ""),
        (lib.part_with_result(lib.QUOTE.upper()), ""),
        (lib.part(lib.QUOTE.replace("largest", "smallest")), "none of them"),
        (lib.part(lib.ELSEWHERE), "1 quote, none of them"),
        (lib.part(), "no quote"),
    ],
)
def test_a_quote_of_the_passage_in_the_middle_must_come_back(
    tmp_path: Path, material: Material, answer: object, problem: str
) -> None:
    asked = long_prompt(material, caller(tmp_path, Backend([])))
    judged = judge.judge_long(asked, answer)
    assert problem in judged.problem
    assert bool(judged.problem) == bool(problem)


@pytest.mark.parametrize("context", [None, 4096 + 1500, 4096 + 3000, 128_000])
def test_the_long_prompt_fills_the_model_with_the_telling_passage_in_the_middle(
    tmp_path: Path, material: Material, context: int | None
) -> None:
    backend = Backend([])
    backend.context = context
    asked = long_prompt(material, caller(tmp_path, backend))
    most = min(LONGEST_PROMPT, asked.room or LONGEST_PROMPT)
    assert 0.85 * most <= asked.tokens <= most
    assert (asked.room is None) == (context is None)
    texts = [p.text for p in asked.values.passages]
    at = texts.index(asked.telling.text)
    assert texts[0] != asked.telling.text != texts[-1]
    assert lib.QUOTE in asked.telling.text
    before, after = sum(map(len, texts[:at])), sum(map(len, texts[at + 1 :]))
    assert abs(before - after) <= max(map(len, texts))


def test_a_context_too_small_for_the_prompt_fails_with_a_hint(bench: Bench) -> None:
    bench.backend = Backend(answers())
    bench.backend.context = 4096 + 300
    results = {r.check: r for r in asyncio.run(bench.round().run())}
    assert results["long context"].state == "fails"
    assert "larger context" in results["long context"].hint


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lib.headings(), ""),
        (lib.headings(id="7"), "depends on ['1']"),
        (HeadingsDraft(title="t", summary="s", parts=()), "no part"),
        (lib.headings(depends_on=("2",)), "depends on ['2']"),
        (lib.headings(learns_from=(ReportPartRef(paper_id="PMID1", part_id="9"),)), "PMID1 part 9"),
    ],
)
def test_headings_use_known_ids_only(material: Material, answer: HeadingsDraft, problem: str) -> None:
    values = headings_values(material)
    judged = judge.judge_headings(values, answer)
    assert problem in judged.problem
    assert bool(judged.problem) == bool(problem)
    known = values.known[0]
    ref = ReportPartRef(paper_id=known.paper_id, part_id=known.part_id)
    assert "1 of 3 report parts" in judge.judge_headings(values, lib.headings(learns_from=(ref,))).seen


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        (lib.STEP.action, True),
        (f"“{lib.STEP.action.rstrip('.').upper()}”", True),
        ("Use Fisher's exact test on the counts.", False),
        ("mean ages", False),
        ("", False),
    ],
)
def test_scores_rest_on_words_of_the_protocol(evidence: str, found: bool) -> None:
    judged = judge.judge_scores(PROTOCOL_TEXT, lib.scores(evidence))
    assert bool(judged.problem) != found
    assert found or "completeness" in judged.problem


def test_a_metric_left_out_fails() -> None:
    answer = lib.scores()
    lacking = answer.model_copy(update={"metrics": {k: v for k, v in answer.metrics.items() if k != "correctness"}})
    assert judge.judge_scores(PROTOCOL_TEXT, lacking).problem == "no score for correctness"


async def test_the_table_is_shown_as_a_run_would_show_it(tmp_path: Path) -> None:
    table = tmp_path / TABLE_NAME
    table.write_text(TABLE, encoding="utf-8")
    assert await describe_inputs({"samples": table}, UnsandboxedSandbox()) == TABLE_SEEN


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
    ("first", "second", "state", "says"),
    [
        (lib.SCRIPT, None, "works", "verified"),
        ("def (:", lib.SCRIPT, "works with repair", "verified"),
        (lib.READ, lib.READ, "fails", "no_output"),
        (lib.READ + "raise KeyError('x')", "def (:", "fails", "syntax"),
    ],
)
def test_code_is_run_and_may_be_repaired_once(
    bench: Bench, first: str, second: str | None, state: str, says: str
) -> None:
    bench.sandbox = UnsandboxedSandbox()
    repair: list[Script] = [] if second is None else [CodeDraft(code=second)]
    result = bench.results(write_code=CodeDraft(code=first), repair_code=repair)["code"]
    assert (result.state, says in result.detail) == (state, True)
    assert result.usage.calls == (1 if second is None else 2)


class Slow(Backend):
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
    assert [n for n, r in results.items() if r.state == "not reached in time"] == ["long context"]
    assert "asked, but had not finished" in results["long context"].detail
    assert (backend.under_way, backend.cancelled) == (0, 1)


def test_a_server_on_this_machine_is_asked_one_thing_at_a_time(bench: Bench) -> None:
    bench.backend = backend = Slow(lambda prompt: prompt == "designer/design_headings")
    results = asyncio.run(bench.round(dict.fromkeys(ROLES, HERE)).run(limit_s=1))
    assert backend.most == 1
    assert [r.state for r in results if r.check == "schema"] == ["works"]
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
    bench.backend = backend = Slow(lambda prompt: prompt == "literature/report_part")
    backend._by_prompt["reviewer/score_protocol"] = []
    with pytest.raises(DefectError, match="no scripted reply"):
        asyncio.run(bench.round().run())
    assert (backend.under_way, backend.cancelled) == (0, 1)


def test_the_protocol_of_two_steps_has_no_error_of_its_own() -> None:
    values = score_values(PROTOCOL_TEXT)
    assert len(values.protocol.steps) == 2
    assert [f for f in values.by_rule.findings if f.severity == "error"] == []
