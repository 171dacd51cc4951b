"""Text with lists, tables and code, cut into blocks that can be shown without trusting it.

Only what a plan of work needs is kept: list items, table rows, line breaks, code, words in bold. Everything else
(headings, links, images, HTML, quotes) is shown literally.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bioresearcher.text.format import md, md_code, md_code_block, md_literal, md_table
from bioresearcher.text.visible import one_line, visible

MAX_DEPTH: Final = 3
"""Levels of nested lists; deeper ones are shown on the last."""
_ITEM = re.compile(r"([-*+•]|(\d{1,3})[.)])\s+(\S.*)")
_FENCE = re.compile(r"(`{3,}|~{3,})\s*\w*")
_HEADING = re.compile(r"#{1,6}\s+(.*\S)")
_RULE_CELL = re.compile(r":?-+:?")
_CELL_END = re.compile(r"(?<!\\)\|")
_CODE = r"(?<!`)`([^`]*[^`\s][^`]*)`(?!`)"
# Bold begins and ends at a letter or digit, or at another sign with white space outside: else Markdown shows asterisks.
_BOLD = (
    r"(?<![\w*\\])\*\*(?:(?<=\s\*\*)(?=[^\s*])|(?<=^\*\*)(?=[^\s*])|(?=[A-Za-z0-9]))"
    r"([^*`]*(?:[A-Za-z0-9](?=\*\*(?![\w*]))|[^\s*`\\](?=\*\*(?:\s|$))))\*\*"
)
_SPAN = re.compile(f"{_CODE}|{_BOLD}")


@dataclass(frozen=True)
class Block:
    """A paragraph, list item, table or piece of code.

    Attributes:
        lines: Its lines; of a table none.
        depth: Level of a list item, from 1; of a paragraph that belongs to an item that item's level, else 0.
        marker: `-`, or the number of a list item such as `2.`.
        rows: Cells of a table, the header first; all rows have as many.
        right: True for the columns of a table that are set to the right.
    """

    kind: Literal["paragraph", "item", "table", "code"]
    lines: tuple[str, ...] = ()
    depth: int = 0
    marker: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    right: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Span:
    """A piece of a line: plain text, code or bold text."""

    kind: Literal["text", "code", "bold"]
    text: str


def text_blocks(text: str) -> tuple[Block, ...]:
    """Cut a text into blocks; no word is lost, but for the rule below a table's header."""
    return tuple(_Cutter().cut(visible(text).expandtabs(4).split("\n")))


def spans(line: str) -> tuple[Span, ...]:
    """Cut a line into plain text, code between backticks, and bold text between two asterisks each."""
    flat, found, at = one_line(line), list[Span](), 0
    for match in _SPAN.finditer(flat):
        if match.start() > at:
            found.append(Span("text", flat[at : match.start()]))
        found.append(Span("code", match[1].strip()) if match[1] else Span("bold", match[2]))
        at = match.end()
    return (*found, Span("text", flat[at:])) if at < len(flat) else tuple(found)


def md_blocks(text: str) -> list[str]:
    """Write a text as lines of Markdown that hold lists, tables, code and bold words, and nothing else of it.

    No HTML, link, image, heading or quote can arise from it. The last line is empty.
    """
    found: list[str] = []
    offsets = [0]  # columns at which the text of the open items begins
    last = Block("paragraph")
    for block in text_blocks(text):
        offsets = offsets[: max(1, block.depth + (block.kind != "item"))]
        indent = " " * offsets[-1]
        if found and (block.kind != "item" or _needs_gap(last, block)):
            found.append("")
        if block.kind == "table":
            header, *rows = ([md_spans(cell) for cell in row] for row in block.rows)
            found += [*md_table(header, rows, block.right)][:-1]
        elif block.kind == "code":
            found += [*md_code_block("\n".join(block.lines))][:-1]
        else:
            lead = f"{block.marker} " if block.kind == "item" else ""
            hang = indent + " " * len(lead)
            lines = [md_spans(line) for line in block.lines]
            found += [f"{hang if n else indent + lead}{line}" for n, line in enumerate(_broken(lines))]
            offsets = [*offsets, len(hang)] if lead else offsets
        last = block
    return [*found, ""]


def _needs_gap(last: Block, item: Block) -> bool:
    """Check whether an empty line must stand before a list item: a number other than 1 cannot interrupt a text."""
    if last.kind != "item" or last.depth < item.depth:
        return last.kind != "item" or item.marker not in {"-", "1."}
    return last.depth == item.depth and (last.marker == "-") != (item.marker == "-")


def _broken(lines: Sequence[str]) -> list[str]:
    """Mark the breaks between lines."""
    return [*(f"{line}  " for line in lines[:-1]), *lines[-1:]]


def md_spans(line: str) -> str:
    """Write a line as Markdown that shows it literally, but for code and bold text."""
    found = ""
    for span in spans(line):
        if span.kind == "code":
            found += md_code(span.text)
        elif span.kind == "bold":
            found += f"**{md_literal(span.text)}**"
        else:
            found += md_literal(span.text) if found else _begun(span.text)
    return found


def _begun(text: str) -> str:
    """Write the beginning of a line; the space at its end stays."""
    return md(text) + " " * (text != text.rstrip() and bool(text.strip()))


class _Cutter:
    """Cuts lines into blocks in one pass."""

    def __init__(self) -> None:
        self._done: list[Block] = []
        self._indents: list[int] = []  # of the open list items in the source
        self._gap = True  # an empty line stands before

    def cut(self, lines: Sequence[str]) -> list[Block]:
        at = 0
        while at < len(lines):
            table = _rows(lines[at:])
            code = [*_fenced(lines[at:])]
            if not lines[at].strip():
                self._gap, at = True, at + 1
                continue
            if table:
                right = [c.endswith(":") and not c.startswith(":") for c in _cells(lines[at + 1])]
                right = [*right, *[False] * len(table[0])][: len(table[0])]
                self._plain(Block("table", rows=_even(table), right=tuple(right)))
                at += len(table) + 1
            elif code:
                inside = [line.rstrip() for line in code[1:-1]]
                self._plain(Block("code", tuple(inside)))
                at += len(code)
            else:
                self._line(lines[at])
                at += 1
            self._gap = False
        return [b for b in self._done if b.kind == "table" or any(line.strip() for line in b.lines)]

    def _plain(self, block: Block) -> None:
        self._indents = []
        self._done.append(block)

    def _line(self, line: str) -> None:
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        item = _ITEM.fullmatch(bare)
        if item:
            while self._indents and indent <= self._indents[-1]:
                self._indents.pop()
            self._indents = [*self._indents, indent][:MAX_DEPTH]
            marker = f"{int(item[2])}." if item[2] else "-"
            self._done.append(Block("item", (item[3],), len(self._indents), marker))
            return
        heading = _HEADING.fullmatch(bare)
        if heading:
            self._plain(Block("paragraph", (f"**{heading[1]}**" if "*" not in heading[1] else heading[1],)))
            self._gap = True
            return
        while self._indents and indent <= self._indents[-1]:
            self._indents.pop()
        last = self._done[-1] if self._done else None
        joins = last and last.kind in {"paragraph", "item"} and last.depth == len(self._indents) and not self._gap
        if last and joins:
            self._done[-1] = Block(last.kind, (*last.lines, bare), last.depth, last.marker)
        else:
            self._done.append(Block("paragraph", (bare,), len(self._indents)))


def _fenced(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a piece of code with its fences; nothing when no code begins here or it does not end."""
    fence = _FENCE.fullmatch(lines[0].strip())
    if fence is None:
        return
    end = next((n for n, line in enumerate(lines[1:], 1) if line.strip() == fence[1]), 0)
    yield from lines[: end + 1] if end else ()


def _rows(lines: Sequence[str]) -> list[list[str]]:
    """Return the cells of the table that begins here, without its rule; empty when none does."""
    if len(lines) < 2 or not _is_row(lines[0]) or not _is_row(lines[1]):
        return []
    if not all(map(_RULE_CELL.fullmatch, _cells(lines[1]))):
        return []
    found = [_cells(lines[0])]
    for line in lines[2:]:
        if not _is_row(line):
            break
        found.append(_cells(line))
    return found


def _is_row(line: str) -> bool:
    return line.strip().startswith("|") and line.strip().count("|") > 1


def _cells(line: str) -> list[str]:
    inside = line.strip().removeprefix("|")
    inside = inside[:-1] if _CELL_END.search(inside[-1:]) and not inside.endswith("\\|") else inside
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(inside)]


def _even(rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Fill short rows; what is too much in a row joins its last cell."""
    width = len(rows[0])
    even = ((*row[: width - 1], " | ".join(row[width - 1 :])) if len(row) > width else row for row in rows)
    return tuple((*row, *[""] * (width - len(row))) for row in even)
