"""What was used in the last 60 seconds, and when more may be."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

WINDOW_S = 60.0


class Window:
    """Amounts by the moment of their use.

    Args:
        used: Moments and amounts, oldest first.
        grain_s: Uses within so many seconds of one another are kept as one, as late as the last of them: the record
            stays short, and never allows more than the single uses would.
    """

    def __init__(self, used: Iterable[tuple[float, int]] = (), *, grain_s: float = 0) -> None:
        self._used = deque(used)
        self._sum = sum(amount for _, amount in self._used)
        self._grain_s = grain_s
        self._since = self._used[-1][0] if self._used else -math.inf

    @property
    def used(self) -> list[tuple[float, int]]:
        """Moments and amounts, oldest first."""
        return list(self._used)

    def add(self, now: float, amount: int) -> None:
        """Note a use; amounts of 0 take nothing."""
        if amount <= 0:
            return
        self._sum += amount
        if self._used and now - self._since < self._grain_s:
            self._used[-1] = (max(now, self._used[-1][0]), self._used[-1][1] + amount)
        else:
            self._used.append((now, amount))
            self._since = now

    def forget(self, now: float) -> None:
        """Drop what is older than the window."""
        while self._used and self._used[0][0] + WINDOW_S <= now:
            self._sum -= self._used.popleft()[1]

    def opens(self, now: float, amount: int, most: int | None) -> float:
        """When an amount is free, of at most `most` in a window; in the past when it is free now.

        An amount larger than `most` is free once nothing was used for a whole window. None sets no limit.
        """
        self.forget(now)
        if most is None:
            return -math.inf
        too_many, opened = self._sum + min(amount, most) - most, -math.inf
        for at, used in self._used:
            if too_many <= 0:
                break
            too_many -= used
            opened = at + WINDOW_S
        return opened
