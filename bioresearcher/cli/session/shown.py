"""What Rich shows, as text: for a terminal's width, or a fact a line for those who read line by line."""

from __future__ import annotations

import io
import os
import shutil
import textwrap
from typing import Protocol, runtime_checkable

from rich.console import Console, RenderableType

LEAST_WIDTH = 40
_WIDEST = 10_000


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
    lines = shown.lines() if isinstance(shown, Lined) else as_text(shown, _WIDEST, colour=False).splitlines()
    return [line.rstrip() for line in lines if line.strip()] or [""]
