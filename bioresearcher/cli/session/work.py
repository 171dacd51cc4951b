"""A run that works in a thread of its own, so that nothing it computes holds up what is typed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from bioresearcher.errors import InputError, StoppedError

if TYPE_CHECKING:
    from bioresearcher.graph.context import Context
    from bioresearcher.graph.run import Runner
    from bioresearcher.schemas.run import RunRecord

T = TypeVar("T")


class Work:
    """One run under way. Its methods are called from the session's event loop.

    Args:
        make: Makes the run; called in the new thread, as importing the pipeline takes its time.
    """

    def __init__(self, make: Callable[[], Runner]) -> None:
        self._make = make
        self._ended: Future[RunRecord] = Future()
        self._runner: Runner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[RunRecord] | None = None
        self._lock = threading.Lock()
        self._stop = ""
        self._broken_off = False

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._main, name="run", daemon=True).start()

    async def ended(self) -> RunRecord:
        """The run's record when it has ended.

        Raises:
            StoppedError: It was broken off.
            BioresearcherError: It failed.
        """
        return await asyncio.shield(asyncio.wrap_future(self._ended))

    def stop(self, reason: str) -> None:
        """Ask for an orderly stop."""
        with self._lock:
            self._stop = reason
            if self._runner is not None:
                self._runner.stop(reason)

    def break_off(self) -> None:
        """Stop at once: what is under way is lost, what is recorded stays."""
        with self._lock:
            self._broken_off = True
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # it has just ended
                    self._loop.call_soon_threadsafe(self._task.cancel)

    @property
    def context(self) -> Context | None:
        """What the run works with, once it works."""
        return self._runner.context if self._runner else None

    async def within(self, act: Callable[[Runner, Context], Awaitable[T]]) -> T:
        """Do something in the run's own event loop, with what it works with.

        Raises:
            InputError: The run does not work at the moment.
        """

        async def inside() -> T:
            context = self.context
            if self._runner is None or context is None:
                raise InputError("the run is just beginning or ending.", hint="Try again in a moment.")
            return await act(self._runner, context)

        if self._loop is None or self._loop.is_closed():
            raise InputError("the run is just beginning or ending.", hint="Try again in a moment.")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(inside(), self._loop))

    def _main(self) -> None:
        try:
            runner = self._make()
            record = asyncio.run(self._run(runner))
        except asyncio.CancelledError:
            self._ended.set_exception(StoppedError("stopped at once."))
        except BaseException as error:  # noqa: BLE001 - handed over to the session, which waits for it
            self._ended.set_exception(error)
        else:
            self._ended.set_result(record)

    async def _run(self, runner: Runner) -> RunRecord:
        with self._lock:
            self._runner, self._loop = runner, asyncio.get_running_loop()
            self._task = asyncio.create_task(runner.run())
            if self._stop:
                runner.stop(self._stop)
            if self._broken_off:
                self._task.cancel()
        return await self._task
