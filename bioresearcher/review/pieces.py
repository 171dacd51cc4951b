"""A document cut into pieces for a reviewer: every line is in exactly one piece, in full."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bioresearcher.llm.shorten import tokens_of
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.text.normalise import stands_in
from bioresearcher.text.visible import one_line

_HEADING = re.compile(r"^\s*(?:#{1,6}\s+\S|\*\*[^*]{3,80}\*\*\s*$|[A-Z][^.!?]{2,70}:\s*$)")
_OUTLINE_LINES = 60


def document_text(protocol: Protocol) -> str:
    """Write a protocol that was not read from running text, as text with its own numbers."""
    lines = [protocol.title, protocol.summary]
    for part in protocol.parts:
        lines += ["", f"## {part.id} {part.title}".rstrip()]
        lines += [x for x in (part.purpose, part.reason) if x.strip()]
        for s in part.steps:
            title = "" if s.action.startswith(s.title) else f"{s.title}: "
            lines.append(f"{s.id} {title}{s.action}".strip())
            lines += [f"   {p.name} = {p.value} {p.unit}".rstrip() for p in s.parameters]
    return "\n".join(lines).strip()


def cut(text: str, max_tokens: int) -> tuple[str, ...]:
    """Cut a text into pieces of at most `max_tokens` (estimated), between blank lines, lines or sentences.

    The pieces joined are the text. A piece may be larger only where a single word is. Pieces are about equally large,
    so that the last one is not a rest.
    """
    count = -(-tokens_of(text) // max_tokens)
    if count <= 1:
        return (text,)
    target = min(max_tokens, int(tokens_of(text) / count * 1.1) + 1)
    pieces: list[str] = []
    current, size = "", 0
    for block in _blocks(text, target):
        n = tokens_of(block)
        if current and size + n > target:
            pieces.append(current)
            current, size = "", 0
        current += block
        size += n
    return tuple([*pieces, current] if current else pieces)


def _blocks(text: str, limit: int) -> list[str]:
    """Divide a text into blocks of at most `limit` tokens, at the largest boundaries that do."""
    for boundary in (r"(?<=\n)(?=\s*\n)", r"(?<=\n)", r"(?<=[.;。])(?=\s)", r"(?<=\s)(?=\S)"):
        parts = [p for p in re.split(boundary, text) if p]
        if len(parts) > 1:
            return [b for p in parts for b in ([p] if tokens_of(p) <= limit else _blocks(p, limit))]
    return [text]


def outline_of(text: str) -> str:
    """List the headings of a text, one a line; empty when it has none."""
    found = [one_line(line, 100) for line in text.splitlines() if _HEADING.match(line)]
    more = [f"({len(found) - _OUTLINE_LINES} more headings)"] if len(found) > _OUTLINE_LINES else []
    return "\n".join([*found[:_OUTLINE_LINES], *more])


def step_of(quote: str, protocol: Protocol) -> str | None:
    """Find the step that holds a quote, e.g. `step 2.1`; None where none does."""
    for part in protocol.parts:
        for s in part.steps:
            if stands_in(quote, f"{s.title}\n{s.action}"):
                return f"step {s.id}"
    return None


def stretches(text: str, quotes: Sequence[str], around: int = 2) -> str:
    """Return the lines that hold quotes with `around` lines before and after, gaps marked by `[…]`."""
    lines = text.splitlines()
    wanted: set[int] = set()
    for quote in quotes:
        for n, line in enumerate(lines):
            window = "\n".join(lines[n : n + 3])
            if stands_in(quote, line) or (
                stands_in(quote, window) and not stands_in(quote, "\n".join(lines[n + 1 : n + 3]))
            ):
                wanted |= set(range(max(0, n - around), min(len(lines), n + 3 + around)))
                break
    shown: list[str] = []
    last = -1
    for n in sorted(wanted):
        if n != last + 1:
            shown.append("[…]")
        shown.append(lines[n])
        last = n
    return "\n".join(shown)
