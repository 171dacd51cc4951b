"""The questions that are open, and who gets the next answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field


@dataclass(eq=False)
class Question:
    """A question that waits for its answer. `idle`: any other goes before it."""

    prompt: str
    words: Sequence[str] = ()
    multiline: bool = False
    idle: bool = False
    answer: Future[str | None] = field(default_factory=Future)


class Questions:
    """The open questions of a session; asked from any thread and any event loop, answered from one."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._open: list[Question] = []
        self._lock = threading.Lock()
        self._changed = changed
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether every question is answered with None from now on."""
        return self._ended

    def current(self) -> Question | None:
        """The one that gets the next answer: the newest that is not idle, else the newest."""
        with self._lock:
            asked = [q for q in self._open if not q.idle]
            return asked[-1] if asked else self._open[-1] if self._open else None

    async def ask(self, question: Question) -> str | None:
        """Wait for its answer."""
        with self._lock:
            if self._ended:
                return None
            self._open.append(question)
        self._changed()
        try:
            return await asyncio.wrap_future(question.answer)
        finally:
            self._drop(question)
            self._changed()

    def answer(self, question: Question, line: str | None) -> bool:
        """Give an answer; False when nobody waits for it any more."""
        self._drop(question)
        try:
            question.answer.set_result(line)
        except InvalidStateError:
            return False
        return True

    def interrupt(self) -> None:
        """Answer all that are open with None."""
        with self._lock:
            waiting = [*self._open]
        for question in waiting:
            self.answer(question, None)

    def end(self) -> None:
        """Answer all with None, now and from now on."""
        with self._lock:
            self._ended = True
        self.interrupt()

    def _drop(self, question: Question) -> None:
        with self._lock:
            if question in self._open:
                self._open.remove(question)
