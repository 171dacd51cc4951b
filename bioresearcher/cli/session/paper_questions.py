"""Questions to a run's papers, and their answers as Markdown: sentences with numbered quotes, then the quotes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bioresearcher.cli.output import cost_text
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.graph.questions import ABOUT_RESULTS, QuestionContext, open_question_context
from bioresearcher.graph.run import read_record, settings_of
from bioresearcher.papers.markup import gap_in
from bioresearcher.report.summaries import tokens_in, tokens_out
from bioresearcher.runfolder import RunFolder
from bioresearcher.text.format import STAMPS, count_of, md
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.graph.context import RunContext
    from bioresearcher.graph.run import Runner
    from bioresearcher.schemas.library import Citation, LibraryAnswer, SeenPassages


class PaperQuestions:
    """Asks questions about a run that works or does not; a prepared context serves the next question."""

    def __init__(self) -> None:
        self._context: QuestionContext | None = None

    async def ask_running(self, runner: Runner, context: RunContext, question: str) -> LibraryAnswer:
        """Answer from a run that works; awaited in the run's event loop.

        Raises:
            BioresearcherError: No answer could be had.
        """
        if self._context is None or self._context.caller is not context.caller:
            self._context = QuestionContext.of(context)
        return await self._context.ask(question)

    async def ask(self, folder: RunFolder, question: str) -> LibraryAnswer:
        """Answer from a run that does not work, in a thread, so that one can type meanwhile.

        Raises:
            BioresearcherError: No answer could be had, or another process works on the run.
        """

        async def answer() -> LibraryAnswer:
            async with open_question_context(folder, settings_of(read_record(folder))) as context:
                return await context.ask(question)

        return await asyncio.to_thread(lambda: asyncio.run(answer()))


NOT_THERE: Final = "Not in the library: the run's papers do not answer this."


def ask_view(answer: LibraryAnswer) -> Sheet:
    """Return an answer to be shown in a session."""
    return Sheet("\n".join(answer_lines(answer)))


def answer_lines(answer: LibraryAnswer) -> Iterator[str]:
    """Yield an answer as lines of Markdown."""
    notes = [f"- **{md(note)}**" for note in answer.notes]
    if answer.notes and answer.notes[0].startswith(ABOUT_RESULTS):
        yield from (*notes, "")
        notes = []
    if answer.in_library:
        for sentence in answer.sentences:
            yield from (md(f"{sentence.text} [{', '.join(map(str, sentence.citations))}]"), "")
            if sentence.new_words:
                yield from (f"- not in the quotes: {md(', '.join(sentence.new_words))}", "")
        yield from ("# Quotes, as they stand in the papers", "")
        for citation in answer.citations:
            yield md(f"[{citation.number}] {_place(citation)}: “{one_line(citation.evidence.text)}”")
            yield ""
            if gap := gap_in(citation.evidence.text):
                yield from (f"- [{citation.number}] **not whole**: {gap}", "")
    else:
        yield from (f"**{NOT_THERE}**", "")
    yield from notes
    yield from (f"- left out, as {md(f'{left.reason}: {left.text}')}" for left in answer.left_out)
    if answer.looked_at:
        yield f"- looked at: {md('; '.join(map(_seen, answer.looked_at)))}"
    yield from ("", md(_summary(answer)))


def _place(citation: Citation) -> str:
    stamp = f"{STAMPS[citation.status]} " if citation.status in STAMPS else ""
    year = f" ({citation.year})" if citation.year else ""
    evidence = citation.evidence
    page = f"page {evidence.page}" if evidence.page else ""
    read = f"read: {one_line(citation.basis, 160)}" if citation.basis else ""
    where = ", ".join(filter(None, [one_line(evidence.section, 60), page, read]))
    return f"{stamp}{citation.paper_id} {one_line(citation.title, 90)}{year}" + (f", {where}" if where else "")


def _seen(seen: SeenPassages) -> str:
    """Return a section that was read for an answer, with its pages or the number of its passages."""
    pages = f" (p. {', '.join(map(str, seen.pages))})" if seen.pages else ""
    times = f" ×{seen.passages}" if seen.passages > 1 else ""
    return f"{seen.paper_id} {one_line(seen.section, 50) or 'text'}{pages}{times}"


def _summary(answer: LibraryAnswer) -> str:
    """Return the backend, what was searched, and the cost."""
    searched = f"{count_of(answer.papers, 'paper')} searched, {count_of(answer.passages, 'passage')} read"
    by = "by rule, in the papers' own sentences" if answer.origin == "offline" else f"by {answer.answered_by}"
    quotes = f", {answer.quotes_located} of {count_of(answer.quotes, 'quote')} found" if answer.quotes else ""
    return f"{searched}{quotes} · {by} · {_spent(answer)}"


def _spent(answer: LibraryAnswer) -> str:
    usage = answer.usage
    if not usage.calls:
        return "no model call" if answer.origin == "offline" else "answered before: nothing spent"
    calls = count_of(usage.calls, "call")
    return f"{calls}, {tokens_in(usage)} tokens in, {tokens_out(usage)} out, {cost_text(usage)}"
