"""All rules of the offline backend, by prompt name."""

from __future__ import annotations

from bioresearcher.llm.offline import program, queries, review, revise, search
from bioresearcher.llm.offline.answer import Answerer
from bioresearcher.llm.offline.backend import Handler, OfflineBackend
from bioresearcher.llm.offline.design import Designer
from bioresearcher.llm.offline.read import Reader
from bioresearcher.text.words import Similarity


def offline_backend(similarity: Similarity) -> OfflineBackend:
    """The offline backend with its rules; `similarity` compares texts (the library's embedding)."""
    reader, designer = Reader(similarity), Designer(similarity)
    reviser = revise.Reviser(similarity)
    handlers: dict[str, Handler] = {
        "search/plan_queries": queries.plan_queries,
        "search/screen_paper": search.screen_paper,
        "search/judge_dataset": search.judge_dataset,
        "literature/outline_paper": reader.outline_paper,
        "literature/report_part": reader.report_part,
        "literature/judge_referability": reader.judge_referability,
        "literature/answer_question": Answerer(similarity).answer_question,
        "designer/design_headings": designer.design_headings,
        "designer/design_outlines": designer.design_outlines,
        "designer/write_steps": designer.write_steps,
        "designer/choose_parts": reviser.choose_parts,
        "designer/revise_part": revise.revise_part,
        "programmer/extract_tasks": program.extract_tasks,
        "programmer/write_code": program.write_code,
        "programmer/repair_code": program.repair_code,
        "reviewer/review_draft": review.review_draft,
        "reviewer/score_protocol": review.score_protocol,
    }
    return OfflineBackend(handlers)
