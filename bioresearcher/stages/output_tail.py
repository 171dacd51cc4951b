"""What a script printed, without what differs between identical runs.

The repair question is part of the ledger's key: with an address or a duration in it, a replay would not find the answer
that was given to it.
"""

from __future__ import annotations

import re
from pathlib import Path

TAIL_CHARS = 1500

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_UNIT = r"(?:µs|μs|us|ns|ms|s|secs?|seconds?|min|minutes?)\b"
_TEMPORARY = r"(?:private/)?(?:tmp|var/tmp|var/folders|dev/shm|run)"
_PATTERNS = (
    (r"\b0x[0-9a-fA-F]{4,16}\b", "0x…"),
    (r"(?<![^\s'\"<>(])[^\s'\"<>(]*/((?:site|dist)-packages/|lib/python3\.\d+/)", r"…/\1"),
    (rf"(?<![\w.…])/{_TEMPORARY}/[^\s'\"<>|:;,)\]}}]+", "…/temporary"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b", "<time>"),
    (r"(?i)\b(p(?:ro(?:cess)?)?[ _-]?id|process|thread|worker|\w{0,20}Process)([ =:#-]{1,3})\d+\b", r"\1\2…"),
    (rf"(?i)\b((?:in|took|after|elapsed|times?|duration)\W{{1,3}}){_NUMBER}\s?{_UNIT}", r"\1<duration>"),
    (rf"\b(?:{_NUMBER}\s?(?:µs|μs|us|ns|ms)|\d+\.\d+\s?(?:s|secs?|seconds?))\b", "<duration>"),
    (rf"\b{_NUMBER}\s?(?:it|rows?|items?|B|[kM]B)/s\b", "<speed>"),
)
_CHANCE = tuple((re.compile(pattern), instead) for pattern, instead in _PATTERNS)
"""What chance decides and what stands for it: addresses, places of installation, temporary files, times, processes."""


def output_tail(stdout: str, stderr: str, *places: Path) -> str:
    """The last 1,500 characters of each stream, without what chance decides; standard error last."""
    ends = (without_chance(text[-8 * TAIL_CHARS :], *places)[-TAIL_CHARS:] for text in (stdout, stderr))
    return "\n".join(ends).strip()


def without_chance(text: str, *places: Path) -> str:
    """The text without addresses, temporary paths, times, durations and process numbers, and without `places`.

    `places` are folders that are elsewhere in another run; what lies in them keeps its name.
    """
    for place in sorted({str(p) for given in places for p in (given, given.resolve())}, key=len, reverse=True):
        text = text.replace(place, "…")
    for pattern, instead in _CHANCE:
        text = pattern.sub(instead, text)
    return text
