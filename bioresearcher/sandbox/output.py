"""A job's output made safe to show and store: bounded, valid text, no control sequences."""

from __future__ import annotations

import re
import unicodedata
from collections import deque

SHOWN_BYTES = 64 * 1024
"""What is kept of each stream: half from its beginning, half from its end."""

_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # operating system commands: titles, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # device control strings and the like
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor movements
    r"|\x1b[ -/]*[0-~]?"
)
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


def clean(text: str) -> str:
    """Text without terminal sequences, control, formatting (direction, zero-width) and unassigned characters.

    Every kind of line end becomes a newline, so that a progress bar cannot overwrite what stood before it.
    """
    text = _LINE_ENDS.sub("\n", _SEQUENCES.sub("", text))
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)


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
