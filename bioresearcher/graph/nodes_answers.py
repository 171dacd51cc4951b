"""The step that answers a run's questions in words, once its tasks are done."""

from __future__ import annotations

from langgraph.runtime import Runtime

from bioresearcher.graph.context import QUESTIONS, RunContext
from bioresearcher.graph.run_totals import ANSWER, answer_material, answers
from bioresearcher.graph.state import RunState, Update
from bioresearcher.schemas.paper import Document, Paper
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.answer_page import judge_page, judged_by_rule
from bioresearcher.stages.write_answers import write_answers


async def answer_questions(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Answer every question by checked sentences over its findings, compare with the papers, and judge the page."""
    c = runtime.context
    if not c.folder.has(QUESTIONS):
        return {}
    read = [d for d in c.folder.read_all(Document, "documents") if d.id in set(state["kept"])]
    corpus = PaperCorpus(c.folder.read_all(Paper, "papers"), read) if read else None
    material = answer_material(c, corpus)
    written = await write_answers(c.caller, material, answers(c))
    if c.short:  # its sentences were reviewed one by one
        page = judged_by_rule(material, written)
        c.folder.write(written.model_copy(update={"page": page}), ANSWER)
    else:
        c.folder.write(await judge_page(c.caller, material, written), ANSWER)
    return {}
