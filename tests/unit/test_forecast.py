"""The forecast: against what a run really asks, and how it is shown and agreed to."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import sqlite3
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from rich.console import Console

from bioresearcher.cards import Card, load_cards
from bioresearcher.cli.forecast import confirm
from bioresearcher.errors import InputError, SandboxUnavailableError, StoppedError
from bioresearcher.examples import load_example
from bioresearcher.llm.budget import Budget
from bioresearcher.llm.forecast import Forecast, forecast
from bioresearcher.llm.prices import Prices, load_prices
from bioresearcher.llm.workload import ObjectiveSize, Range, exactly, prompt_lengths, size_of, steps_of, total
from bioresearcher.prompts import LoadedPrompt, Message, PromptBook
from bioresearcher.resources import Resources
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets import load_datasets
from bioresearcher.sources.papers import OwnPapers
from bioresearcher.stages import prompts as step_prompts

PRICES = load_prices(None, today=dt.date(2026, 11, 22))
MINI = ModelSettings(provider="openai", model="gpt-4o-mini")
LARGE = ModelSettings(provider="anthropic", model="claude-opus-5-5")
OLLAMA = ModelSettings(provider="ollama", model="qwen3")
ELSEWHERE = ModelSettings(provider="compatible", model="llama", base_url="https://gpu.example.org/v1")


@pytest.fixture(scope="module")
def cards() -> dict[str, Card]:
    return load_cards(Resources())


@pytest.fixture(scope="module")
def lengths() -> dict[str, int]:
    return prompt_lengths(PromptBook(Resources()), step_prompts.ALL)


@pytest.fixture(scope="module")
def example() -> ObjectiveSize:
    inputs = load_example("breast-cancer")
    papers, _ = OwnPapers(inputs.papers).load()
    datasets, _ = load_datasets(inputs.data)
    return size_of(inputs.objective, papers, datasets, load_skills(Resources()).values(), max_papers=20)


def everyone(settings: ModelSettings, **roles: ModelSettings) -> dict[Role, ModelSettings]:
    return {role: roles.get(role, settings) for role in ROLES}


def foreseen(
    size: ObjectiveSize,
    cards: dict[str, Card],
    lengths: dict[str, int],
    models: dict[Role, ModelSettings] | None = None,
    prices: Prices = PRICES,
) -> Forecast:
    return forecast(size, models or everyone(MINI), prices, cards, lengths)


@pytest.mark.slow
def test_the_examples_run_asks_what_was_forecast(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    example: ObjectiveSize,
    cards: dict[str, Card],
    lengths: dict[str, int],
) -> None:
    """Calls per prompt in the ledger, tasks, and the lengths of questions and answers lie within the ranges."""
    from bioresearcher.cli.app import main

    asked: dict[str, list[int]] = defaultdict(list)
    render = LoadedPrompt.render

    def rendered(self: LoadedPrompt[Value, BaseModel], values: Value) -> tuple[Message, ...]:
        messages = render(self, values)
        asked[self.prompt.name].append(sum(len(m.content) for m in messages))
        return messages

    def none(_level: str) -> None:
        raise SandboxUnavailableError("no sandbox in this test: the tasks need not run")

    monkeypatch.setattr(LoadedPrompt, "render", rendered)
    monkeypatch.setattr("bioresearcher.graph.prepare.choose_sandbox", none)
    assert main(["run", "--example", "breast-cancer", "--yes", "--quiet", "--workspace", str(tmp_path)]) == 0
    capsys.readouterr()
    (folder,) = (tmp_path / "runs").iterdir()
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT prompt, count(*), avg(length(reply)) FROM calls GROUP BY prompt").fetchall()
    ledger.close()
    steps = steps_of(example, cards)
    for prompt, calls, answer in rows:
        step = steps[prompt]
        assert step.calls.low <= calls <= step.calls.high, prompt
        schema = len(json.dumps(_output(prompt).model_json_schema(), separators=(",", ":")))
        question = sum(asked[prompt]) / len(asked[prompt]) + schema
        assert 0.75 * (lengths[prompt] + step.question.low) <= question, prompt
        assert question <= 1.25 * (lengths[prompt] + step.question.high), prompt
        if prompt != "reviewer/review_draft":  # the rules say less there than any model
            assert step.answer.low * 0.75 <= answer <= step.answer.high * 1.25, prompt
    unasked = {p for p, s in steps.items() if s.calls.low > 0} - {prompt for prompt, _, _ in rows}
    assert unasked == {"programmer/write_code"}
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    assert steps["programmer/write_code"].calls.low <= len(tasks) <= steps["programmer/write_code"].calls.high


def _output(prompt: str) -> type[BaseModel]:
    return next(p.output for p in step_prompts.ALL if p.name == prompt)


def test_every_prompt_of_the_pipeline_is_foreseen(cards: dict[str, Card], example: ObjectiveSize) -> None:
    assert set(steps_of(example, cards)) == {p.name for p in step_prompts.ALL if p not in step_prompts.ON_REQUEST}


def test_real_papers_are_read_in_parts(shared_data: Path, cards: dict[str, Card], lengths: dict[str, int]) -> None:
    papers, _ = OwnPapers([shared_data / "fulltext" / "jats"]).load()
    objective = load_example("breast-cancer").objective
    size = size_of(objective, papers, [], [], max_papers=5)
    assert (size.papers, size.read) == (12, 5)
    parts = steps_of(size, cards)["literature/report_part"].calls
    assert 3 * 5 <= parts.likely <= 8 * 5
    whole = foreseen(size, cards, lengths)
    read = [s for s in whole.steps if s.prompt.startswith("literature/")]
    assert total(s.input_tokens for s in read).likely / 5 <= 40_000


def test_the_cost_is_tokens_times_prices(
    example: ObjectiveSize, cards: dict[str, Card], lengths: dict[str, int]
) -> None:
    seen = foreseen(example, cards, lengths)
    assert seen.usd is not None
    expected = (seen.input_tokens.likely * 0.15 + seen.output_tokens.likely * 0.6) / 1e6
    assert seen.usd.likely == pytest.approx(expected, rel=0.01)
    assert seen.usd.low < seen.usd.likely < seen.usd.high
    assert 1.5 < seen.usd.high / seen.usd.likely < 5


def test_roles_have_their_own_models(example: ObjectiveSize, cards: dict[str, Card], lengths: dict[str, int]) -> None:
    cheap = foreseen(example, cards, lengths)
    mixed = foreseen(example, cards, lengths, everyone(MINI, coder=LARGE))
    assert mixed.usd is not None
    assert cheap.usd is not None
    assert mixed.usd.likely > cheap.usd.likely
    assert mixed.of_role("reader").usd == cheap.of_role("reader").usd
    parts = [mixed.of_role(role).usd for role in ROLES]
    assert total(p for p in parts if p).likely == pytest.approx(mixed.usd.likely)
    assert [line.split(" about")[0].strip() for line in mixed.lines[2:]] == [
        "reader openai:gpt-4o-mini:", "designer openai:gpt-4o-mini:", "coder anthropic:claude-opus-5-5:",
        "reviewer openai:gpt-4o-mini:",
    ]  # fmt: skip


def test_questions_and_answers_are_never_longer_than_the_model_allows(
    example: ObjectiveSize, cards: dict[str, Card], lengths: dict[str, int]
) -> None:
    small = ModelSettings(provider="ollama", model="small", context=4096, max_output=512)
    for step in foreseen(example, cards, lengths, everyone(small)).steps:
        assert step.output_tokens.high <= step.calls.high * 1.3 * 512 * 1.0001
        assert step.input_tokens.high <= step.calls.high * 1.3 * (4096 - 512) * 1.0001


def test_more_to_read_is_never_forecast_to_cost_less(cards: dict[str, Card], lengths: dict[str, int]) -> None:
    costs = []
    for papers in (0, 1, 5, 20, 200):
        size = ObjectiveSize(
            text=200, objective=900, papers=papers, abstracts=1_500 * papers, read=papers, body=38_000 * papers
        )
        usd = foreseen(size, cards, lengths).usd
        assert usd is not None
        costs.append(usd.likely)
    assert costs == sorted(costs)


def test_nothing_is_programmed_where_no_code_can_run(
    example: ObjectiveSize, cards: dict[str, Card], lengths: dict[str, int]
) -> None:
    without = foreseen(example.model_copy(update={"program": False}), cards, lengths)
    assert {s.prompt for s in without.steps if s.role == "coder"} == {"programmer/extract_tasks"}


numbers = st.floats(0.001, 1e6)
ranges = st.tuples(numbers, numbers, numbers).map(sorted).map(lambda n: Range(low=n[0], likely=n[1], high=n[2]))


@given(ranges, ranges)
def test_ranges_stay_in_order_and_products_are_less_uncertain_than_their_worst_cases(a: Range, b: Range) -> None:
    product = a * b
    assert product.low <= product.likely * (1 + 1e-9)
    assert product.likely <= product.high * (1 + 1e-9)
    assert product.likely == pytest.approx(a.likely * b.likely)
    assert product.high <= a.high * b.high * (1 + 1e-9)
    assert product.low >= a.low * b.low * (1 - 1e-9)
    one = a * exactly(1)
    assert math.isclose(one.low, a.low) and math.isclose(one.high, a.high)  # noqa: PT018
    assert (a + b).high == a.high + b.high


def test_a_product_with_nothing_is_nothing_at_least() -> None:
    assert exactly(0) * Range(low=1, likely=2, high=3) == exactly(0)
    assert (Range(low=0, likely=1, high=2) * exactly(5)).low == 0


def test_the_words_for_costs(example: ObjectiveSize, cards: dict[str, Card], lengths: dict[str, int]) -> None:
    def said(models: dict[Role, ModelSettings]) -> str:
        return foreseen(example, cards, lengths, models).lines[1]

    assert said(everyone(OLLAMA)) == "cost: unknown, as no price is listed, on this machine"
    assert said(everyone(ELSEWHERE)) == "cost: an unknown amount, as no price is known for compatible:llama"
    known = said(everyone(MINI))
    assert known.startswith("cost: about 0.")
    assert known.endswith("(prices as seen on 2026-05-27)")
    assert " USD (0.0" in known
    both = said(everyone(MINI, coder=ELSEWHERE))
    assert "USD (" in both
    assert "and an unknown amount" in both
    assert "on this machine" not in said(everyone(OLLAMA, coder=MINI))


class Terminal:
    """A console with prepared answers, and what was shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: str = "") -> None:
        self.shown = io.StringIO()
        self.console = Console(file=self.shown, width=60)
        monkeypatch.setattr("sys.stdin", io.StringIO(answers))


@pytest.fixture
def costly(example: ObjectiveSize, cards: dict[str, Card], lengths: dict[str, int]) -> Forecast:
    return foreseen(example, cards, lengths)


@pytest.mark.parametrize(
    ("yes", "budget"), [(True, Budget()), (False, Budget(max_usd=1)), (False, Budget(max_minutes=5))]
)
@pytest.mark.parametrize("interactive", [True, False])
def test_yes_or_a_budget_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, costly: Forecast, yes: bool, budget: Budget, interactive: bool
) -> None:
    terminal = Terminal(monkeypatch)
    confirm(costly, yes=yes, budget=budget, console=terminal.console, interactive=interactive)
    assert terminal.shown.getvalue().splitlines() == list(costly.lines)


@pytest.mark.parametrize("answer", ["y\n", "Yes\n", " y \n"])
def test_a_yes_starts_the_run(monkeypatch: pytest.MonkeyPatch, costly: Forecast, answer: str) -> None:
    terminal = Terminal(monkeypatch, answer)
    confirm(costly, yes=False, budget=Budget(), console=terminal.console, interactive=True)
    assert terminal.shown.getvalue().endswith("Go on? [y/N] ")


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yep\n"])
def test_anything_else_does_not(monkeypatch: pytest.MonkeyPatch, costly: Forecast, answer: str) -> None:
    terminal = Terminal(monkeypatch, answer)
    with pytest.raises(StoppedError) as caught:
        confirm(costly, yes=False, budget=Budget(), console=terminal.console, interactive=True)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


def test_with_nobody_to_ask_the_cost_is_an_error(
    monkeypatch: pytest.MonkeyPatch, costly: Forecast, example: ObjectiveSize, cards: dict[str, Card],
    lengths: dict[str, int],
) -> None:  # fmt: skip
    terminal = Terminal(monkeypatch)
    with pytest.raises(InputError, match=r"this run would cost about .* USD .*: add --yes or --max-usd\.") as caught:
        confirm(costly, yes=False, budget=Budget(), console=terminal.console, interactive=False)
    assert caught.value.exit_code == 2
    unknown = foreseen(example, cards, lengths, everyone(ELSEWHERE))
    with pytest.raises(InputError, match=r"an unknown amount.* add --yes or --max-tokens"):
        confirm(unknown, yes=False, budget=Budget(), console=terminal.console, interactive=False)


def test_models_on_this_machine_are_not_asked_about_unless_they_have_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: ObjectiveSize, cards: dict[str, Card],
    lengths: dict[str, int],
) -> None:  # fmt: skip
    terminal = Terminal(monkeypatch)
    local = foreseen(example, cards, lengths, everyone(OLLAMA))
    confirm(local, yes=False, budget=Budget(), console=terminal.console, interactive=False)
    assert "tokens to read" in terminal.shown.getvalue()
    path = tmp_path / "prices.toml"
    path.write_text('["ollama:qwen3"]\ninput = 1\noutput = 1\n', encoding="utf-8")
    priced = foreseen(example, cards, lengths, everyone(OLLAMA), load_prices(path))
    with pytest.raises(InputError, match="would cost about"):
        confirm(priced, yes=False, budget=Budget(), console=terminal.console, interactive=False)
