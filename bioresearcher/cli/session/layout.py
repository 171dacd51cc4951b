"""What views are made of, drawn for a terminal's width, or as one line per fact for screen readers, logs and pipes.

All text is untrusted: control sequences and invisible characters are removed, and nothing is read as Rich's markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bioresearcher.report.text import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

NARROW: Final = 70
"""Columns below which a table is drawn as a list: a record under the other."""
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
    """Rows of cells under column names; the first cell names the row. Columns named in `numbers` are set right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str] = frozenset()
    styles: tuple[str, ...] = ()


Block = Heading | Line | Facts | Listing


def draw(blocks: Iterable[Block], *, width: int, plain: bool = False) -> RenderableType:
    """The blocks as one renderable; in plain mode a string with one line per fact, which no terminal has to wrap."""
    if plain:
        return "\n".join(line for block in blocks for line in _lines(block))
    from rich.console import Group

    found: list[RenderableType] = []
    for block in blocks:
        if isinstance(block, Heading) and found:
            found.append("")
        found += _drawn(block, width)
    return Group(*found)


def _lines(block: Block) -> Iterator[str]:
    """A block in plain lines: every one can be understood by itself."""
    match block:
        case Heading(text):
            yield f"{one_line(text)}:"
        case Line(text, mark, _, indent):
            yield " " * indent + " ".join(filter(None, (one_line(mark), one_line(text))))
        case Facts(rows):
            yield from (f"{one_line(name)}: {one_line(value)}" for name, value in rows)
        case Listing(columns, rows):
            for row in rows:
                told = [f"{c} {one_line(v)}" for c, v in zip(columns[1:], row[1:], strict=True) if v.strip()]
                yield f"{one_line(row[0])}: " + "; ".join(told)


def _drawn(block: Block, width: int) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    reach = min(width, _WIDEST)
    match block:
        case Heading(text):
            return [Text(one_line(text), "bold", overflow="fold")]
        case Line(text, mark, style, indent):
            hang = len(mark) + 1 if mark else 0
            return [_hanging(mark, Text(one_line(text), style, overflow="fold"), reach, indent, hang)]
        case Facts(rows):
            longest = max((len(name) for name, _ in rows), default=0)
            if longest + 24 > width:
                return [
                    Padding(Text.assemble((f"{one_line(n)}: ", "bold"), one_line(v), overflow="fold"), (0, 0, 0, 0))
                    for n, v in rows
                ]
            return [_facts(rows, reach)]
        case Listing():
            return _stacked(block, reach) if width < NARROW else [_table(block, width)]


def _hanging(mark: str, text: Text, width: int, indent: int, hang: int) -> RenderableType:
    """A line whose wrapped rest stands under its first word, not under its mark."""
    from rich.table import Table
    from rich.text import Text

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
    for number, row in enumerate(block.rows):
        style = block.styles[number] if number < len(block.styles) else ""
        found.append(Text(one_line(row[0]), f"bold {style}".strip(), overflow="fold"))
        for name, value in zip(block.columns[1:], row[1:], strict=True):
            if value.strip():
                found.append(_hanging("", Text(f"{name}: {one_line(value)}", style, overflow="fold"), width, 2, 0))
    return found
