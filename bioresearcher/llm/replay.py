"""A backend that never calls out: what the ledger does not hold is an error that says so."""

from __future__ import annotations

from collections.abc import Callable

from bioresearcher.errors import BackendError
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.schemas.base import Origin


class ReplayBackend:
    """Stands in for the backend of a recorded run.

    It asks the same questions under the same content keys, so that `ask` finds every answer in the ledger; rules are
    not computed anew either. Only the inner backend's name, origin, identity and room are used: no key and no network.
    """

    def __init__(self, inner: Backend, explain: Callable[[], str]) -> None:
        """Stand in for `inner`; `explain` says in a sentence why an answer may be missing."""
        self.name: str = inner.name
        self.origin: Origin = inner.origin
        self._inner = inner
        self._explain = explain

    def identity(self, request: Request) -> str:
        """What would have answered: the recorded run's model and sampling parameters."""
        return self._inner.identity(request)

    def room(self, request: Request) -> int | None:
        """As in the recorded run, so that prompts are shortened in the same way."""
        return self._inner.room(request)

    async def aclose(self) -> None:
        """Close what the recorded run's backend would open."""
        await self._inner.aclose()

    async def complete(self, request: Request) -> Reply:
        """Never answers: the ledger was asked before.

        Raises:
            BackendError: Always; it names the prompt and what is not as it was in the recorded run.
        """
        raise BackendError(
            f"{request.prompt}: the replayed run has no recorded answer to this question.", hint=self._explain()
        )
