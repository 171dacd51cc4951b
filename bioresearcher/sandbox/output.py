"""A job's output made safe to show and store: bounded, valid text, no control sequences."""

from __future__ import annotations

import re
from collections import deque

from bioresearcher.text.visible import visible

SHOWN_BYTES = 64 * 1024
"""What is kept of each stream: half from its beginning, half from its end."""

_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # operating system commands: titles, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # device control strings and the like
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor movements
    r"|\x1b[ -/]*[0-~]?"
)


def clean(text: str) -> str:
    """The visible text without terminal sequences.

    Every kind of line end becomes a newline, so that a progress bar cannot overwrite what stood before it.
    """
    return visible(_SEQUENCES.sub("", text))


class Capture:
    """The beginning and the end of a stream of any length, in bounded memory."""

    def __init__(self, shown_bytes: int = SHOWN_BYTES) -> None:
        self._head_room = shown_bytes // 2
        self._tail_room = shown_bytes - self._head_room
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total += len(data)
        if room := self._head_room - len(self._head):
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail.append(data)
            self._tail_size += len(data)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._tail_room:
            self._tail_size -= len(self._tail.popleft())

    def text(self) -> str:
        """What was kept, cleaned; where something was left out, a line says how much."""
        tail = b"".join(self._tail)[-self._tail_room :]
        left_out = self.total - len(self._head) - len(tail)
        if not left_out:
            return clean((bytes(self._head) + tail).decode("utf-8", "replace"))
        head, end = (clean(part.decode("utf-8", "replace")) for part in (bytes(self._head), tail))
        return f"{head}\n[… {left_out:,} bytes left out …]\n{end}"
