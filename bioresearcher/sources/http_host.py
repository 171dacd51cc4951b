"""When a host may be asked again, by this process and by those that share a folder with it."""

from __future__ import annotations

import email.utils
import time
from typing import TYPE_CHECKING

from bioresearcher.errors import OutsideError
from bioresearcher.limits.rate_limits import Limiter

if TYPE_CHECKING:
    import httpx


class Host(Limiter):
    """One host's turns.

    Attributes:
        down: Why the host is not asked any more.
    """

    down: OutsideError | None = None

    async def turn(self) -> None:
        """Wait until the host may be asked again.

        Raises:
            WorkspaceError: The folder that processes share cannot be written.
        """
        async with self.slot():
            return


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds the server asks to wait, from a number or a date."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        when = email.utils.parsedate_to_datetime(said)
    except (TypeError, ValueError):
        return None
    return max(0.0, when.timestamp() - time.time())
