"""What Rich shows, as text: for a terminal's width, or a fact a line for those who read line by line."""

from __future__ import annotations

import io
import os
import shutil
import textwrap
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from rich.console import Console, Group, RenderableType
from rich.table import Table

LEAST_WIDTH = 40
_WIDEST = 10_000
_DRAWN = {ord(c): None for c in "│┃╎┆║╭╮╰╯┌┐└┘├┤┬┴┼╞╡╪╘╛╒╕┏┓┗┛┡┩━─═╇╈╍┄┅▏▕█░▒▓"}
"""Characters that only draw; a screen reader would read each of them out."""


@runtime_checkable
class Lined(Protocol):
    """What knows itself how it reads line by line, such as `layout.Sheet`."""

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
    """What is shown without drawing: of a table a line a row, each cell with its heading."""
    return [line for line in _facts(shown) if line.strip()] or [""]


def _facts(shown: RenderableType) -> Iterator[str]:
    if isinstance(shown, Group):
        for part in shown.renderables:
            yield from _facts(part)
    elif isinstance(shown, Lined):
        yield from shown.lines()
    elif isinstance(shown, Table):
        yield from _rows(shown)
    else:
        text = as_text(shown, _WIDEST, colour=False)
        yield from (line.translate(_DRAWN).rstrip() for line in text.splitlines())


def _rows(table: Table) -> Iterator[str]:
    if table.title:
        yield from _facts(table.title)
    names = [" ".join(_facts(c.header)).strip() for c in table.columns]
    for row in zip(*(c.cells for c in table.columns), strict=True):
        cells = [" ".join(" ".join(_facts(cell)).split()) for cell in row]
        between = "; " if any(names) else " "
        yield between.join(f"{n}: {c}" if n else c for n, c in zip(names, cells, strict=True) if c)
    if table.caption:
        yield from _facts(table.caption)
