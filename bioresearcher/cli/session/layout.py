"""What views are made of, drawn for a terminal's width, or as one line per fact for screen readers, logs and pipes.

All text is untrusted: control sequences and invisible characters are removed, and nothing is read as Rich's markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bioresearcher.text.visible import one_line, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

NARROW: Final = 70
"""Columns below which a table is drawn as a list: a record under the other."""
_LAST: Final = 28
"""Columns that the last cells of a table need; with fewer it is drawn as a list, too."""
_WIDEST: Final = 120
"""Columns that lines of prose use at most, however wide the terminal is."""


@dataclass(frozen=True)
class Heading:
    """A title over what follows."""

    text: str


@dataclass(frozen=True)
class Line:
    """A sentence; `mark` stands before it, and `style` colours it where there is colour."""

    text: str
    mark: str = ""
    style: str = ""
    indent: int = 0


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Rows of cells under column names.

    Attributes:
        columns: Their names.
        rows: A cell for each column.
        numbers: Names of the columns that are set to the right.
        styles: A style for each row, or for none.
        named: Places of the cells that name the row where it is not drawn as a table.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    styles: tuple[str, ...] = ()
    named: tuple[int, ...] = (0,)

    @property
    def told(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Each row as its name and what is known of it, by column; empty cells are left out."""
        for row in self.rows:
            cells = [(c, one_line(v)) for c, v in zip(self.columns, row, strict=True)]
            known = [cell for n, cell in enumerate(cells) if n not in self.named and cell[1]]
            yield " ".join(cells[n][1] for n in self.named), known


@dataclass(frozen=True)
class Drawn:
    """A line that was drawn elsewhere and keeps its spaces, such as one of the stage tree."""

    text: Text


Block = Heading | Drawn | Line | Facts | Listing


class Sheet:
    """Blocks that Rich draws for the width there is; `lines` are the same for those who read line by line."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.blocks = tuple(blocks)

    def lines(self) -> list[str]:
        """One line per fact, each to be understood by itself; no terminal has to draw anything."""
        return [line for block in self.blocks for line in _lines(block)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What Rich asks for."""
        for number, block in enumerate(self.blocks):
            if isinstance(block, Heading) and number:
                yield ""
            yield from _drawn(block, options.max_width)


def _lines(block: Block) -> Iterator[str]:
    """A block in plain lines: every one can be understood by itself."""
    match block:
        case Heading(text):
            yield one_line(text)
        case Drawn(drawn):
            yield visible(drawn.plain)
        case Line(text, mark, _, indent):
            yield " " * indent + " ".join(filter(None, (one_line(mark), one_line(text))))
        case Facts(rows):
            yield from (f"{one_line(name)}: {one_line(value)}" for name, value in rows)
        case Listing():
            yield from (f"{name}: " + "; ".join(f"{c} {v}" for c, v in known) for name, known in block.told)


def _drawn(block: Block, width: int) -> list[RenderableType]:
    from rich.constrain import Constrain
    from rich.text import Text

    reach = min(width, _WIDEST)
    match block:
        case Heading(text):
            return [Text(one_line(text), "bold", overflow="fold")]
        case Drawn(drawn):
            return [drawn]
        case Line(text, mark, style, indent):
            hang = len(mark) + 1 if mark else 0
            return [_hanging(mark, Text(one_line(text), style, overflow="fold"), reach, indent, hang)]
        case Facts(rows):
            if max((len(name) for name, _ in rows), default=0) + 24 > width:
                texts = [Text.assemble((f"{one_line(n)}: ", "bold"), one_line(v), overflow="fold") for n, v in rows]
                return [Constrain(text, reach) for text in texts]
            return [_facts(rows, reach)]
        case Listing():
            return [_table(block, width)] if width >= NARROW and _fits(block, width) else _stacked(block, reach)


def _hanging(mark: str, text: Text, width: int, indent: int, hang: int) -> RenderableType:
    """A line whose wrapped rest stands under its first word, not under its mark."""
    from rich.constrain import Constrain
    from rich.table import Table
    from rich.text import Text

    if indent + hang == 0:
        return Constrain(text, width)
    grid = Table.grid(padding=0, collapse_padding=True)
    grid.width = width
    grid.add_column(width=indent + hang, no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_row(Text(" " * indent + mark), text)
    return grid


def _facts(rows: Sequence[tuple[str, str]], width: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2), collapse_padding=True)
    grid.width = width
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for name, value in rows:
        grid.add_row(Text(one_line(name), "dim"), Text(one_line(value), overflow="fold"))
    return grid


def _fits(block: Listing, width: int) -> bool:
    """Whether the last column has room beside the others."""
    rows = (block.columns, *block.rows)
    widest = [max(len(one_line(row[n])) for row in rows) + 2 for n in range(len(block.columns))]
    return width - sum(widest[:-1]) >= min(widest[-1], _LAST)


def _table(block: Listing, width: int) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.width = None if width > _WIDEST else width
    last = len(block.columns) - 1
    for number, name in enumerate(block.columns):
        right = name in block.numbers
        table.add_column(
            Text(name), justify="right" if right else "left", no_wrap=right, overflow="fold",
            ratio=1 if number == last and table.width else None, min_width=4 if number == last else None,
        )  # fmt: skip
    for number, row in enumerate(block.rows):
        style = block.styles[number] if number < len(block.styles) else ""
        table.add_row(*(Text(one_line(cell), overflow="fold") for cell in row), style=style or None)
    return table


def _stacked(block: Listing, width: int) -> list[RenderableType]:
    """A record under the other: its name, then what is known of it."""
    from rich.text import Text

    found: list[RenderableType] = []
    for number, (name, known) in enumerate(block.told):
        style = block.styles[number] if number < len(block.styles) else ""
        found.append(Text(name, f"bold {style}".strip(), overflow="fold"))
        found += [_hanging("", Text(f"{c}: {v}", style, overflow="fold"), width, 2, 0) for c, v in known]
    return found
