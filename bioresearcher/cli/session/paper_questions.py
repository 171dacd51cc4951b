"""Questions to the run's papers: of a run that works, and of one that does not.

An answer from the run's library, as it is shown: sentences with the numbers of their quotes, then the quotes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bioresearcher.cli.session.layout import Sheet
from bioresearcher.graph.questions import QuestionContext, open_desk
from bioresearcher.graph.run import read_record, settings_of
from bioresearcher.report.summaries import tokens_in, tokens_out
from bioresearcher.runfolder import RunFolder
from bioresearcher.text.format import STAMPS, count_of, md
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.graph.context import RunContext
    from bioresearcher.graph.run import Runner
    from bioresearcher.schemas.library import Citation, LibraryAnswer


class QuestionContexts:
    """Where questions are asked; what was prepared for one question serves the next."""

    def __init__(self) -> None:
        self._desk: QuestionContext | None = None

    async def ask_running(self, runner: Runner, context: RunContext, question: str) -> LibraryAnswer:
        """The answer from a run that works; in the run's event loop.

        Raises:
            BioresearcherError: No answer could be had.
        """
        if self._desk is None or self._desk.caller is not context.caller:
            self._desk = QuestionContext.of(context)
        return await self._desk.ask(question)

    async def ask(self, folder: RunFolder, question: str) -> LibraryAnswer:
        """The answer from a run that does not work; in a thread, so that one can type meanwhile.

        Raises:
            BioresearcherError: No answer could be had, or another process works on the run.
        """
        return await asyncio.to_thread(lambda: asyncio.run(self._ask(folder, question)))

    async def _ask(self, folder: RunFolder, question: str) -> LibraryAnswer:
        async with open_desk(folder, settings_of(read_record(folder))) as desk:
            return await desk.ask(question)


NOT_THERE: Final = "Not in the library: the run's papers do not answer this."


def ask_view(answer: LibraryAnswer) -> Sheet:
    """A question's answer."""
    return Sheet("\n".join(answer_lines(answer)))


def answer_lines(answer: LibraryAnswer) -> Iterator[str]:
    """The same as Markdown."""
    if answer.in_library:
        for sentence in answer.sentences:
            yield from (md(f"{sentence.text} [{', '.join(map(str, sentence.citations))}]"), "")
            if sentence.new_words:
                yield from (f"- not in the quotes: {md(', '.join(sentence.new_words))}", "")
        yield from ("# Quotes, as they stand in the papers", "")
        for citation in answer.citations:
            yield md(f"[{citation.number}] {_place(citation)}: “{one_line(citation.evidence.text)}”")
            yield ""
    else:
        yield from (f"**{NOT_THERE}**", "")
    yield from (f"- **{md(note)}**" for note in answer.notes)
    yield from (f"- left out, as {md(f'{left.reason}: {left.text}')}" for left in answer.left_out)
    yield from ("", md(_account(answer)))


def _place(citation: Citation) -> str:
    stamp = f"{STAMPS[citation.status]} " if citation.status in STAMPS else ""
    year = f" ({citation.year})" if citation.year else ""
    evidence = citation.evidence
    where = ", ".join(filter(None, [one_line(evidence.section, 60), f"page {evidence.page}" if evidence.page else ""]))
    return f"{stamp}{citation.paper_id} {one_line(citation.title, 90)}{year}" + (f", {where}" if where else "")


def _account(answer: LibraryAnswer) -> str:
    """Who answered from what, and what it cost."""
    searched = f"{count_of(answer.papers, 'paper')} searched, {count_of(answer.passages, 'passage')} read"
    quotes = f", {answer.quotes_located} of {count_of(answer.quotes, 'quote')} found" if answer.quotes else ""
    return f"{searched}{quotes} · {_answered_by(answer)} · {spent_text(answer)}"


def _answered_by(answer: LibraryAnswer) -> str:
    return "by rule, in the papers' own sentences" if answer.origin == "offline" else f"by {answer.answered_by}"


def spent_text(answer: LibraryAnswer) -> str:
    """What a question cost, in words."""
    usage = answer.usage
    if not usage.calls:
        return "no model call" if answer.origin == "offline" else "answered before: nothing spent"
    cost = "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
    return f"{count_of(usage.calls, 'call')}, {tokens_in(usage)} tokens in, {tokens_out(usage)} out, {cost}"
