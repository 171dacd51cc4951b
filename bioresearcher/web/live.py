"""The events of a run as they are written, each with the place in the file where the next one begins.

That place is the id of an event for the browser: one that slept or lost its line sends the last it saw, and gets all
that came after. A line is given once it is whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from bioresearcher.events import Event
from bioresearcher.progress import RunProgress, event_text

LOOK_S: Final = 0.5
"""Seconds between looks at a file that has grown."""
LONGEST_LINE: Final = 1 << 20
_PIECE: Final = 1 << 20
MOST_LINES: Final = 200
"""Lines of the log that a page begins with; all others are in the file."""


@dataclass(frozen=True)
class Line:
    """An event with the place after it in the file."""

    after: int
    event: Event

    @property
    def text(self) -> str:
        """The event as a line for people; empty when it is not for them."""
        return event_text(self.event)

    def told(self) -> str:
        """Return what a page needs of it, as JSON."""
        return json.dumps({"time": self.event.time, "text": self.text, "kind": self.event.kind})


def read_from(path: Path, start: int) -> Iterator[Line]:
    """Read the whole lines of the file from a place on, in order; a place behind its end means its beginning.

    What is no event, and a line that is longer than any event, is passed over. A link is not followed.
    """
    try:
        if path.is_symlink() or not path.is_file():
            return
        with path.open("rb") as file:
            start = start if 0 <= start <= path.stat().st_size else 0
            file.seek(start)
            place, rest = start, b""
            while piece := file.read(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    place += len(line) + 1
                    with suppress(ValidationError):
                        yield Line(place, Event.model_validate_json(line))
                if len(rest) > LONGEST_LINE:
                    place, rest = place + len(rest), b""
    except OSError:
        return


def progress_of(path: Path) -> tuple[RunProgress, list[Line], int]:
    """Return the state of a run after all its events, the last lines for people, and the place after them."""
    progress, shown, after = RunProgress(), list[Line](), 0
    for line in read_from(path, 0):
        progress.event(line.event)
        after = line.after
        if line.text:
            shown.append(line)
            del shown[:-MOST_LINES]
    return progress, shown, after


async def follow(path: Path, start: int, *, look_s: float = LOOK_S) -> AsyncIterator[list[Line]]:
    """Yield new lines as they are written, from a place on; an empty list when there was nothing new. Never ends."""
    while True:
        lines = await asyncio.to_thread(lambda place: list(read_from(path, place)), start)
        start = lines[-1].after if lines else start
        yield lines
        await asyncio.sleep(look_s)
