"""Markdown drawn for a terminal's width, or as plain lines for screen readers, logs and pipes.

Text that is not ours comes escaped (`text.format.md`); nothing is read as Rich's markup.

What Rich shows, as text: for a terminal's width, or a fact a line for those who read line by line.
"""

from __future__ import annotations

import io
import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, runtime_checkable

from markdown_it import MarkdownIt
from rich.console import Console, RenderableType
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement, TableElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from bioresearcher.text.visible import visible

if TYPE_CHECKING:
    from markdown_it.token import Token
    from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult


NARROW: Final = 70
"""Columns below which a table is drawn as a list: a record under the other."""
_LEAST: Final = 28
"""Columns that long cells of a table need to be read; with fewer it is drawn as a list, too."""
_SHORT: Final = 160
"""Columns that what is known of a record takes at most to be written in one paragraph."""
_WIDEST: Final = 120
"""Columns that are used at most, however wide the terminal is."""
_STYLES: Final = Theme(
    {f"markdown.h{level}": "bold" for level in range(1, 7)}
    | {"markdown.code": "cyan", "markdown.block_quote": "dim", "markdown.code_block": "dim", "markdown.link": "none"}
    | {"markdown.link_url": "dim", "markdown.item.bullet": "dim", "markdown.table.header": "dim"}
)


class Sheet:
    """Markdown, with lines between it that were drawn elsewhere and keep their spaces."""

    def __init__(self, *parts: str | Text) -> None:
        self.parts = parts

    def lines(self) -> list[str]:
        """A line a fact, each to be understood by itself; no terminal has to draw anything."""
        return [line for part in self.parts for line in _lines(part)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The drawing, as Rich asks for it."""
        within = options.update(width=min(options.max_width, _WIDEST))
        for part in self.parts:
            if isinstance(part, Text):
                yield part
                continue
            with console.use_theme(_STYLES):
                drawn = [*console.render(_Drawn(part, hyperlinks=False), within)]
            yield from drawn


class _Heading(Heading):
    """A heading at the left, however high it is."""

    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}


class _Records(TableElement):
    """A table without rules, or a list of its rows where it does not fit."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header = [cell.content for cell in self.header.row.cells] if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        yield from _table(header, rows) if _fits(header, rows, options.max_width) else _stacked(header, rows)


class _Verbatim(CodeBlock):
    """Lines as they are, without colours of a language."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Padding(Text(self.text.plain.rstrip(), "dim", overflow="fold"), (0, 0, 0, 2))


class _Drawn(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "table_open": _Records,
        "fence": _Verbatim,
    }


def _fits(header: Sequence[Text], rows: Sequence[Sequence[Text]], width: int) -> bool:
    """True when the table leaves each of its columns enough room to be read."""
    widest = (max(row[n].cell_len for row in (header, *rows)) for n in range(len(header)))
    return width >= NARROW and sum(min(wide, _LEAST) + 2 for wide in widest) <= width


def _table(header: Sequence[Text], rows: Iterable[Sequence[Text]]) -> Iterator[Table]:
    table = Table(box=None, pad_edge=False, header_style="markdown.table.header")
    for name in header:
        table.add_column(name, justify=name.justify or "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    yield table


def _stacked(header: Sequence[Text], rows: Iterable[Sequence[Text]]) -> Iterator[Text | Padding]:
    """A record under the other: what the first cell calls it, then what is known of it, in a line if that is short."""
    for first, *cells in rows:
        known = [Text.assemble(name, ": ", cell) for name, cell in zip(header[1:], cells, strict=True) if cell.plain]
        together = Text("; ").join(known)
        first.stylize("bold")
        yield Text.assemble(first, overflow="fold")
        for line in [together] if together.cell_len <= _SHORT else known:
            line.overflow = "fold"
            yield Padding(line, (0, 0, 0, 2))


def _lines(part: str | Text) -> Iterator[str]:
    """Markdown as a line a paragraph, list item or row of a table."""
    if isinstance(part, Text):
        yield visible(part.plain)
        return
    header: list[str] = []
    cells: list[str] | None = None
    for token in MarkdownIt().enable("table").parse(part):
        if token.type == "inline" and cells is None:
            yield "".join(_said(token.children or ()))
        elif token.type == "inline" and cells is not None:
            cells.append("".join(_said(token.children or ())))
        elif token.type == "fence":
            yield from filter(str.strip, token.content.splitlines())
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close" and cells is not None:
            if header:
                yield _row(header, cells)
            header, cells = header or cells, None
        elif token.type == "table_close":
            header = []


def _row(header: Sequence[str], cells: Sequence[str]) -> str:
    """A row of a table in words: what the first cell calls it, then each cell with its column."""
    only = len(header) == 2
    known = [v if only else f"{c.lower()} {v}" for c, v in zip(header[1:], cells[1:], strict=True) if v]
    return f"{cells[0]}: {'; '.join(known)}" if known else cells[0]


def _said(tokens: Iterable[Token]) -> Iterator[str]:
    """The words of a line of Markdown; where a link leads stands behind it."""
    target = ""
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            yield f" ({target})"
        else:
            yield " " if token.type in {"softbreak", "hardbreak"} else token.content


LEAST_WIDTH = 40
_WIDEST_CELL = 10_000


@runtime_checkable
class Lined(Protocol):
    """Something with a form of its own for reading line by line, such as `layout.Sheet`."""

    def lines(self) -> list[str]:
        """A line a fact."""


def columns() -> int:
    """The terminal's columns, at least 40."""
    return max(LEAST_WIDTH, shutil.get_terminal_size().columns)


def wants_colour() -> bool:
    """Whether colour may be used: see https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def as_text(shown: RenderableType, width: int, *, colour: bool) -> str:
    """What is shown, with escape sequences for colour where wanted; ends with a line's end. A `str` is not wrapped."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        legacy_windows=False,
    )
    console.print(shown, markup=False, soft_wrap=isinstance(shown, str))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def wrapped(text: str, width: int) -> str:
    """The text with lines that are broken between words; a path stays whole, so that it can be copied."""
    lines: list[str] = []
    for line in text.splitlines():
        if len(line) < width:
            lines.append(line)
        else:
            indent = " " * min(len(line) - len(line.lstrip()), width // 2)
            lines += textwrap.wrap(
                line, width - 1, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
                drop_whitespace=True,
            )  # fmt: skip
    return "\n".join(lines)


def as_lines(shown: RenderableType) -> list[str]:
    """The lines of something shown, to be read one by one."""
    lines = shown.lines() if isinstance(shown, Lined) else as_text(shown, _WIDEST_CELL, colour=False).splitlines()
    return [line.rstrip() for line in lines if line.strip()] or [""]
