"""Questions to the run's papers: of a run that works, and of one that does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bioresearcher.graph.questions import Desk, open_desk
from bioresearcher.graph.run import read_record, settings_of
from bioresearcher.runfolder import RunFolder

if TYPE_CHECKING:
    from bioresearcher.graph.context import Context
    from bioresearcher.graph.run import Runner
    from bioresearcher.schemas.answer import LibraryAnswer


class Desks:
    """Where questions are asked; what was prepared for one question serves the next."""

    def __init__(self) -> None:
        self._desk: Desk | None = None

    async def ask_running(self, runner: Runner, context: Context, question: str) -> LibraryAnswer:
        """The answer from a run that works; in the run's event loop.

        Raises:
            BioresearcherError: No answer could be had.
        """
        if self._desk is None or self._desk.caller is not context.caller:
            self._desk = Desk.of(context)
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
