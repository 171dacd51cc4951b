"""Markdown drawn for a terminal's width, or as plain lines for screen readers, logs and pipes.

Text that is not ours comes escaped (`text.format.md`); nothing is read as Rich's markup. In a narrow terminal a table
becomes a list of its rows.
"""

from __future__ import annotations

import io
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
"""Columns below which a table is drawn as a list: one record below the other."""
_LEAST: Final = 28
"""Columns that long cells of a table need to be readable; with fewer it is drawn as a list, too."""
_SHORT: Final = 160
"""Most columns of a record's cells for them to be written in one paragraph."""
_WIDEST: Final = 120
"""Most columns that are used, however wide the terminal is."""
_STYLES: Final = Theme(
    {f"markdown.h{level}": "bold" for level in range(1, 7)}
    | {"markdown.code": "cyan", "markdown.block_quote": "dim", "markdown.code_block": "dim", "markdown.link": "none"}
    | {"markdown.link_url": "dim", "markdown.item.bullet": "dim", "markdown.table.header": "dim"}
)


class Sheet:
    """Parts of Markdown, and lines between them that were drawn elsewhere and keep their spaces."""

    def __init__(self, *parts: str | Text) -> None:
        self.parts = parts

    def lines(self) -> list[str]:
        """Return the content as plain lines, one fact each, understandable by itself."""
        return [line for part in self.parts for line in _lines(part)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, as Rich asks for."""
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
    """Return True if the table leaves each of its columns enough room to be read."""
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
    """Draw rows as records: the first cell as name, then the other cells, in one line if that is short."""
    for first, *cells in rows:
        known = [Text.assemble(name, ": ", cell) for name, cell in zip(header[1:], cells, strict=True) if cell.plain]
        together = Text("; ").join(known)
        first.stylize("bold")
        yield Text.assemble(first, overflow="fold")
        for line in [together] if together.cell_len <= _SHORT else known:
            line.overflow = "fold"
            yield Padding(line, (0, 0, 0, 2))


def _lines(part: str | Text) -> Iterator[str]:
    """Yield a line for each paragraph, list item and table row of Markdown."""
    if isinstance(part, Text):
        yield visible(part.plain)
        return
    header: list[str] = []
    cells: list[str] | None = None
    for token in MarkdownIt().enable("table").parse(part):
        if token.type == "inline" and cells is None:
            yield "".join(_words(token.children or ()))
        elif token.type == "inline" and cells is not None:
            cells.append("".join(_words(token.children or ())))
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
    """Return a table row in words: the first cell as name, then each cell with its column."""
    only = len(header) == 2
    known = [v if only else f"{c.lower()} {v}" for c, v in zip(header[1:], cells[1:], strict=True) if v]
    return f"{cells[0]}: {'; '.join(known)}" if known else cells[0]


def _words(tokens: Iterable[Token]) -> Iterator[str]:
    """Yield the words of a line of Markdown; a link's target stands behind it."""
    target = ""
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            yield f" ({target})"
        else:
            yield " " if token.type in {"softbreak", "hardbreak"} else token.content


_WIDEST_CELL = 10_000


@runtime_checkable
class Lined(Protocol):
    """A renderable with its own form for reading line by line, such as `Sheet`."""

    def lines(self) -> list[str]:
        """Return the lines, one fact each."""


def as_text(shown: RenderableType, width: int, *, colour: bool) -> str:
    """Render as text, with escape sequences for colour if wanted; it ends with a line end. A `str` is not wrapped."""
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


def as_lines(shown: RenderableType) -> list[str]:
    """Render as lines to be read one by one."""
    lines = shown.lines() if isinstance(shown, Lined) else as_text(shown, _WIDEST_CELL, colour=False).splitlines()
    return [line.rstrip() for line in lines if line.strip()] or [""]
