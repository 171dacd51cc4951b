"""What processes tell each other of a server: when it was asked, how long it wants to be left alone, who waits.

Times are seconds since 1970, because processes on several machines may share them. Nothing in here reads a clock or
a file.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Final, Self

from bioresearcher.limits.window import Window

GRAIN_S: Final = 0.25
"""Uses are kept in steps of so many seconds: at most 240 of a minute, however many calls there are."""
STALE_S: Final = 1.0
"""Who did not look for so long is not waited for: it ended, or is busy with something else. It keeps its place."""
GONE_S: Final = 120.0
"""Who did not look for so long has left the line."""
LONGEST_PAUSE_S: Final = 3600.0
"""A pause is no longer than this: who asks afterwards is told again."""
NEXT_LOOK_S: Final = 0.05
"""How soon to look again when nothing but the line or a free place is waited for."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may go to a server; None sets no limit.

    Attributes:
        interval_s: Seconds from one request to the next at least.
        requests_per_minute: Most requests in 60 seconds.
        tokens_per_minute: Most tokens of the requests in 60 seconds.
    """

    interval_s: float = 0.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(slots=True)
class Waiting:
    """A process in line: since when, and when it last looked."""

    since: float
    seen: float


@dataclass(slots=True)
class State:
    """The record of one server."""

    last: float = -math.inf
    requests: Window = field(default_factory=lambda: Window(grain_s=GRAIN_S))
    tokens: Window = field(default_factory=lambda: Window(grain_s=GRAIN_S))
    pause_set: float = -math.inf
    paused_until: float = -math.inf
    line: dict[str, Waiting] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, now: float) -> Self:
        """The record from its bytes; a new one when they are none (the machine lost power while they were written).

        A clock that was put back leaves moments in the future behind. They count as now, and a pause is as long as
        it was when it was set, so that nobody waits for the old time to come round again.
        """
        try:
            found: dict[str, Any] = json.loads(data)
            pause_set, until = map(float, found["pause"])
            late = max(0.0, pause_set - now)
            return cls(
                last=min(float(found["last"]), now),
                requests=_window(found["requests"], now),
                tokens=_window(found["tokens"], now),
                pause_set=pause_set - late,
                paused_until=min(until, pause_set + LONGEST_PAUSE_S) - late,
                line={str(who): Waiting(min(a, now), min(b, now)) for who, (a, b) in found["line"].items()},
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def write(self) -> bytes:
        """The record as bytes."""
        return json.dumps(
            {
                "last": self.last,
                "requests": self.requests.used,
                "tokens": self.tokens.used,
                "pause": [self.pause_set, self.paused_until],
                "line": {who: [waiting.since, waiting.seen] for who, waiting in self.line.items()},
            }
        ).encode()

    def wait_s(self, who: str, limits: Limits, tokens: int, now: float) -> float:
        """Seconds until a process may ask, by all that is known now; 0 when it may now.

        The process stands in line from then on. Whoever came before and still looks goes first.
        """
        self.line = {name: waiting for name, waiting in self.line.items() if now - waiting.seen < GONE_S}
        mine = self.line.setdefault(who, Waiting(now, now))
        if now - mine.seen >= NEXT_LOOK_S * 4:
            mine.seen = now
        before = sum(
            (waiting.since, name) < (mine.since, who) and now - waiting.seen < STALE_S
            for name, waiting in self.line.items()
        )
        opens = max(
            self.paused_until,
            self.last + limits.interval_s,
            self.requests.opens(now, 1, limits.requests_per_minute),
            self.tokens.opens(now, tokens, limits.tokens_per_minute),
        )
        wait_s = max(0.0, opens - now) + before * limits.interval_s
        return wait_s if wait_s or not before else NEXT_LOOK_S * (1 + before)

    def take(self, who: str, tokens: int, now: float) -> None:
        """Note that a process asks now; it leaves the line."""
        self.line.pop(who, None)
        self.last = now
        self.requests.add(now, 1)
        self.tokens.add(now, tokens)

    def pause(self, seconds: float, now: float) -> None:
        """Let nobody ask for so many seconds; a pause under way is made longer, never shorter."""
        until = now + min(seconds, LONGEST_PAUSE_S)
        if until > self.paused_until:
            self.pause_set, self.paused_until = now, until


def _window(used: list[tuple[float, int]], now: float) -> Window:
    return Window(((min(float(at), now), int(amount)) for at, amount in used), grain_s=GRAIN_S)
