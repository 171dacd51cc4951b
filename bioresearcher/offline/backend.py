"""The offline backend: deterministic rules over the typed values of each prompt; no model, no network.

The rule of the reviewer is here, too: it takes over the scores of the deterministic checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from bioresearcher import __version__
from bioresearcher.errors import DefectError
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.offline import comment, search, skill_binding
from bioresearcher.offline.answer import OfflineAnswerer
from bioresearcher.offline.answer_lines import answer_question
from bioresearcher.offline.design import OfflineDesigner
from bioresearcher.offline.paper_relations import compare_papers
from bioresearcher.offline.read import OfflineReader
from bioresearcher.schemas.ask_program import MetricScore, ProtocolScores, ScoreProtocolInput
from bioresearcher.schemas.base import Origin
from bioresearcher.text.words import Similarity

Handler = Callable[[Any], BaseModel]
"""A rule: answers one prompt from its input value."""
WITHOUT_RULE = frozenset(
    {
        "designer/ask_questions",
        "designer/explore_data",
        "designer/revise_protocol",
        "designer/mend_script",
        "designer/repair_edits",
        "reviewer/examine_statements",
        "reviewer/review_protocol",
        "reviewer/recheck_findings",
        "reviewer/judge_claims",
        "reviewer/judge_page",
        "reviewer/judge_sentences",
        "reviewer/judge_document",
        "reviewer/verify_findings",
        "search/describe_data",
    }
)
"""Prompts that only a model answers: looking, judging a draft and its claims, and revising it by findings."""
AT_ONCE = 8
"""Most rules that run at the same time; more threads would only need more memory."""


class OfflineBackend:
    """Answers each prompt with the rule of its name; the same values always give the same answer."""

    name = "offline"
    origin: Origin = "offline"

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._limit = asyncio.Semaphore(AT_ONCE)

    def identity(self, request: Request) -> str:
        """The version of the rules."""
        return f"offline/{__version__}"

    def room(self, request: Request) -> int | None:
        """None, no limit: the rules read values, not a prompt."""
        return None

    async def aclose(self) -> None:
        """Do nothing: the backend has no connections."""

    async def complete(self, request: Request) -> Reply:
        """Answer by the rule of the prompt, in a thread because embedding text takes time.

        Raises:
            DefectError: The prompt has no rule, or asks for a judgement that no rule makes.
        """
        if request.prompt in WITHOUT_RULE:
            raise DefectError(
                f"{request.prompt} asks for a judgement that no rule makes; without a model it is not asked"
            )
        handler = self._handlers.get(request.prompt)
        if handler is None:
            raise DefectError(f"the offline backend has no rule for {request.prompt}")
        async with self._limit:
            answer = await asyncio.to_thread(handler, request.values)
        return Reply(answer.model_dump_json())


def score_protocol(values: ScoreProtocolInput) -> ProtocolScores:
    """Return the scores that were computed from checks and features."""
    metrics = {
        name: MetricScore(score=m.score, evidence=m.evidence, reason=m.reason)
        for name, m in values.by_rule.metrics.items()
    }
    return ProtocolScores(metrics=metrics, findings=(), summary=values.by_rule.summary)


def offline_backend(similarity: Similarity) -> OfflineBackend:
    """Make the offline backend with its rules; `similarity` compares texts (the library's embedding)."""
    reader, designer = OfflineReader(similarity), OfflineDesigner(similarity)
    reviser = comment.OfflineReviser(similarity)
    handlers: dict[str, Handler] = {
        "search/plan_queries": search.plan_queries,
        "search/screen_paper": search.screen_paper,
        "search/judge_dataset": search.judge_dataset,
        "literature/compare_papers": compare_papers,
        "designer/answer_questions": answer_question,
        "literature/outline_paper": reader.outline_paper,
        "literature/report_part": reader.report_part,
        "literature/judge_referability": reader.judge_referability,
        "literature/answer_question": OfflineAnswerer(similarity).answer_question,
        "designer/plan_protocol": designer.plan_protocol,
        "designer/write_steps": designer.write_steps,
        "designer/choose_parts": reviser.choose_parts,
        "designer/revise_part": comment.revise_part,
        "programmer/extract_tasks": skill_binding.extract_tasks,
        "programmer/write_code": skill_binding.write_code,
        "programmer/repair_code": skill_binding.repair_code,
        "reviewer/score_protocol": score_protocol,
    }
    return OfflineBackend(handlers)
