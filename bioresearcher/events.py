"""Event log of a run: a line in `events.jsonl` and a call of the listener for every event."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from bioresearcher.errors import WorkspaceError
from bioresearcher.schemas.base import Value

EventKind = Literal["run", "step", "call", "item", "task", "gate", "note", "failure"]


def now() -> str:
    """Current time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Event(Value):
    """One event of a run; `stage` is the graph node."""

    time: str
    kind: EventKind
    stage: str = ""
    state: Literal["start", "done", "failed", "waiting", "info"] = "info"
    message: str = ""
    data: dict[str, JsonValue] = Field(default_factory=dict)


def past_events(path: Path) -> Iterator[Event]:
    """Read the events of a file in order; none if there is no file. Lines that are not events are skipped."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValidationError):
            yield Event.model_validate_json(line)


class EventLog:
    """Appends events to a file and passes them to a listener; a line is written whole or not at all."""

    def __init__(self, path: Path | None, listener: Callable[[Event], None] | None = None) -> None:
        self._path = path
        self._listener = listener

    def emit(
        self,
        kind: EventKind,
        stage: str = "",
        state: Literal["start", "done", "failed", "waiting", "info"] = "info",
        message: str = "",
        **data: JsonValue,
    ) -> None:
        """Record an event and pass it on.

        Raises:
            WorkspaceError: The run folder cannot be written.
        """
        event = Event(time=now(), kind=kind, stage=stage, state=state, message=message, data=data)
        if self._path is not None:
            line = json.dumps(event.model_dump(mode="json"), ensure_ascii=False) + "\n"
            try:
                handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
                try:
                    os.write(handle, line.encode("utf-8"))
                finally:
                    os.close(handle)
            except OSError as error:
                raise WorkspaceError(f"cannot write {self._path}: {error.strerror}.") from error
        if self._listener is not None:
            self._listener(event)
