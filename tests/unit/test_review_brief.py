"""What a reviewer is shown: everything that fits, whole parts left out and named, quotes with their place."""

from __future__ import annotations

from pathlib import Path

import pytest
import review_support as S
from model_server import ModelServer

from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.budget import load_prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.llm.shorten import tokens_of
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.review.brief import merge_findings, write_brief
from bioresearcher.review.checks import run_checks
from bioresearcher.review.metrics import review_by_rule
from bioresearcher.schemas.ask_program import ProtocolScores
from bioresearcher.schemas.model import ROLES, ModelSettings
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, CheckFinding
from bioresearcher.stages.score import QUESTION_TOKENS, question, score_protocol
from bioresearcher.text.normalise import stands_in

WORDS = "Average the z-scores of the 200 E2F target genes per sample"


def long_protocol(steps: int, per_part: int = 10) -> Protocol:
    """The clean protocol's step again and again."""
    base = S.clean_protocol()
    step = base.parts[1].steps[1]
    parts = []
    for n in range(1, -(-steps // per_part) + 1):
        count = min(per_part, steps - (n - 1) * per_part)
        own = tuple(
            step.model_copy(update={"id": f"{n}.{k}", "title": f"{step.title} {n}.{k}", "inputs": ()})
            for k in range(1, count + 1)
        )
        parts.append(base.parts[0].model_copy(update={"id": str(n), "title": f"Part of round {n}", "steps": own}))
    return base.model_copy(update={"parts": tuple(parts), "coverage": ()})


def test_a_short_protocol_is_shown_whole() -> None:
    p = S.clean_protocol()
    shown = write_brief(p, (), 8000)
    assert shown.note == ""
    for s in p.steps:
        assert s.action in shown.text
        assert s.acceptance in shown.text
        assert f"Step {s.id} (dry lab)" in shown.text
    assert shown.place_of(WORDS, stands_in) == "step 2.2"
    assert shown.place_of("words of nobody at all", stands_in) is None


@pytest.mark.parametrize(("steps", "per_part"), [(40, 5), (500, 10), (500, 500), (3000, 10)])
def test_a_long_protocol_loses_whole_parts_and_says_so(steps: int, per_part: int) -> None:
    p = long_protocol(steps, per_part)
    budget = 5_000
    shown = write_brief(p, (), budget)
    assert tokens_of(shown.text) <= budget or steps == 3000
    whole = sum(f"Step {s.id} (dry lab)" in shown.text for s in p.steps)
    assert 0 < whole < steps or steps == 3000
    assert f"{steps - whole} of {steps} steps are not shown in full" in shown.note
    assert shown.note in shown.text
    if per_part < 500:
        counts = {part.id: sum(f"Step {s.id} (dry lab)" in shown.text for s in part.steps) for part in p.parts}
        assert set(counts.values()) <= {0, per_part}


def test_parts_in_which_checks_found_most_are_kept() -> None:
    p = long_protocol(100)
    found = [CheckFinding(gate="G-VAG-01", severity="error", location="step 9.3", message="m")]
    assert "Step 9.3 (dry lab)" in write_brief(p, found, 3_000).text
    assert "Step 9.3 (dry lab)" not in write_brief(p, (), 3_000).text


def test_findings_are_put_together_by_check() -> None:
    p = long_protocol(500)
    told = merge_findings(run_checks(p))
    assert len(told) == len({(f.gate, f.severity) for f in told})
    assert any("and " in f.location for f in told)


def scores(**more: object) -> ProtocolScores:
    metric = {"score": 3.5, "evidence": [WORDS], "reason": "r"}
    return ProtocolScores.model_validate({"metrics": dict.fromkeys(METRICS, metric | more), "summary": "s"})


def caller(server: ModelServer, tmp_path: Path) -> ModelClient:
    model = ModelSettings(provider="compatible", model="m", base_url=server.url)
    return ModelClient(
        backend=ChatBackend(dict.fromkeys(ROLES, model), load_prices(None)),
        ledger=Ledger(tmp_path / "ledger.sqlite"),
        prompts=PromptBook(Resources()),
        cards=load_cards(Resources()),
        events=EventLog(tmp_path / "events.jsonl"),
    )


@pytest.mark.parametrize("steps", [6, 40, 500])
async def test_a_review_stays_below_twelve_thousand_tokens_on_the_server(steps: int, tmp_path: Path) -> None:
    p = S.clean_protocol() if steps == 6 else long_protocol(steps)
    with ModelServer(answer=lambda _: scores().model_dump()) as server:
        door = caller(server, tmp_path)
        review = await score_protocol(door, S.OBJECTIVE, p, S.context())
        await door.close(wait=True)
        used = door.ledger.usage()
        door.ledger.close()
    assert review.origin == "model"
    assert {m.score for m in review.metrics.values()} == {3.5}
    assert all(place.startswith("step ") for m in review.metrics.values() for place in m.places)
    assert used.input_tokens <= 12_000
    assert ("Shortened to fit" in review.summary) == (steps == 500)


@pytest.mark.parametrize("score", [3.7, 4.25])
async def test_a_score_between_the_levels_of_the_rubric_is_refused(score: float, tmp_path: Path) -> None:
    with ModelServer(answer=lambda _: scores(score=score).model_dump()) as server:
        door = caller(server, tmp_path)
        review = await score_protocol(door, S.OBJECTIVE, S.clean_protocol(), S.context())
        await door.close(wait=True)
        door.ledger.close()
    assert review == review_by_rule(S.clean_protocol(), S.context())


def test_the_question_holds_the_checks_findings_and_fits() -> None:
    p = long_protocol(500, 500)
    values, shown = question(None, p, review_by_rule(p))
    assert values.objective is None
    assert values.by_rule.findings
    assert tokens_of(values.protocol_text) < QUESTION_TOKENS
    assert shown.note
