"""The review loop keeps the best draft, stops when nothing improves, and records every round."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_backend import ScriptedBackend

from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.ledger import Ledger
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.review import CheckFinding, DraftJudgement
from bioresearcher.stages.review_loop import draft_and_review

OBJECTIVE = Objective(id="o", text="Which genes differ between the groups?")
QUESTIONS = ("answers_objective", "complete", "specific", "consistent", "grounded")


def judgement(score: int) -> DraftJudgement:
    answers = {name: n < score for n, name in enumerate(QUESTIONS)}
    return DraftJudgement.model_validate({**answers, "quote": "", "reason": f"worth {score}"})


@pytest.mark.parametrize(
    ("scores", "errors", "kept", "passed", "stopped"),
    [
        ([5], [0], 0, True, "it passed"),
        ([2, 4], [0, 0], 1, True, "it passed"),
        ([3, 2], [0, 0], 0, False, "it was no better than the best before"),
        ([3, 3], [0, 0], 0, False, "it was no better than the best before"),
        ([1, 2, 3], [0, 0, 0], 2, False, "the rounds are used up"),
        ([5, 5], [1, 0], 1, True, "it passed"),
        ([3, 5], [0, 3], 0, False, "it was no better than the best before"),
    ],
)
async def test_the_best_draft_is_kept_and_every_round_recorded(
    tmp_path: Path, scores: list[int], errors: list[int], kept: int, passed: bool, stopped: str
) -> None:
    resources = Resources()
    ledger = Ledger(tmp_path / "ledger.sqlite")
    backend = ScriptedBackend([judgement(s) for s in scores])
    caller = ModelClient(backend, ledger, PromptBook(resources), load_cards(resources), EventLog(None))
    heard: list[tuple[CheckFinding, ...]] = []

    async def make(findings: tuple[CheckFinding, ...]) -> int:
        heard.append(findings)
        return len(heard) - 1

    def check(draft: int) -> tuple[CheckFinding, ...]:
        found = CheckFinding(gate="G-X", severity="error", location="protocol", message=f"wrong in draft {draft}")
        return (found,) * errors[draft]

    best = await draft_and_review(caller, OBJECTIVE, "steps of part 1", make=make, check=check, show=str)
    ledger.close()
    assert (best.value, best.passed) == (kept, passed)
    assert [r.score for r in best.rounds] == scores
    assert [r.kept for r in best.rounds] == [n == kept for n in range(len(scores))]
    assert [r.stopped for r in best.rounds] == [""] * (len(scores) - 1) + [stopped]
    assert heard[0] == ()
    for number, findings in enumerate(heard[1:]):
        assert findings[-1].message == f"worth {scores[number]}"
        assert len(findings) == errors[number] + 1
