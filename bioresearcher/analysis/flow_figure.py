"""The flow of an analysis set as a figure: rows at the start, left out by reason, left, groups and events (SVG).

The drawing is made of the counts alone, so the same analysis set gives the same bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape
from typing import Final

from bioresearcher.schemas.question import AnalysisSet
from bioresearcher.text.visible import one_line, visible

WIDTH: Final = 680
_LINE, _PAD, _GAP = 17, 9, 26
_MAIN, _SIDE = (20, 270), (350, 310)
"""Left end and width of the column of rows that are left, and of that of rows left out."""
_PER_ROW: Final = 3
_LEFT_COLOUR, _OUT_COLOUR, _GROUP_COLOURS = "#ddeaf6", "#f3f3f3", ("#cde3d5", "#fbe3c8", "#e3dcf0")
_CHARACTER: Final = 7.1
"""Width of a letter at the figure's size, on the safe side."""


def flow_svg(rows: AnalysisSet) -> str:
    """Draw the way from all rows to those that are analysed; units are rows of the sample sheet, n counts them."""
    drawn: list[str] = []
    steps = [step for step in rows.flow if step.left_out]
    y = 16
    y, middle = _box(drawn, _MAIN, y, [f"All rows: n = {rows.start}"], _LEFT_COLOUR)
    for step in steps:
        text = _wrapped(f"Left out: {step.left_out} ({step.reason})", _SIDE[1])
        top = y
        y, middle = _box(drawn, _SIDE, y + _GAP // 2, text, _OUT_COLOUR)
        axis = _MAIN[0] + _MAIN[1] // 2
        y += _GAP // 2
        drawn.append(f'<path d="M{axis} {top}V{y}" class="line" marker-end="url(#end)"/>')
        drawn.append(f'<path d="M{axis} {middle}H{_SIDE[0]}" class="line" marker-end="url(#end)"/>')
        if step is not steps[-1]:
            y, _ = _box(drawn, _MAIN, y, [f"Left: n = {step.left}"], _LEFT_COLOUR)
    counted = [f"Analysed: n = {rows.n}" + (f", {rows.pairs} pairs" if rows.pairs is not None else "")]
    counted += [f"{rows.endpoint or 'events'}: {rows.events} with event"] if rows.events is not None else []
    if rows.terms and rows.complete < rows.n:
        counted += _wrapped(f"{rows.complete} with all of {', '.join(rows.terms)}", _MAIN[1])
    y = y if steps else _arrow(drawn, y)
    y, _ = _box(drawn, _MAIN, y, counted, _LEFT_COLOUR, bold=True)
    if rows.groups:
        y = _groups(drawn, rows, y)
    title = f"Flow of {rows.question}: {rows.start} rows at the start, {rows.n} analysed"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 16}" '
            f'viewBox="0 0 {WIDTH} {y + 16}" role="img" font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">',
            f"<title>{escape(visible(title))}</title>",
            "<style>.line{stroke:#333;stroke-width:1.2;fill:none}.box{stroke:#333;stroke-width:1}</style>",
            '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0 0L8 4L0 8z" fill="#333"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{y + 16}" fill="#ffffff"/>',
            *drawn,
            "</svg>",
            "",
        )
    )


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(one_line(visible(text), 400), int((width - 2 * _PAD) / _CHARACTER)) or [""]


def _box(
    drawn: list[str], column: tuple[int, int], y: int, lines: Sequence[str], colour: str, *, bold: bool = False
) -> tuple[int, int]:
    """Draw a box with lines of text; return its lower end and its middle."""
    x, width = column
    height = len(lines) * _LINE + 2 * _PAD
    drawn.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{colour}" class="box"/>')
    for n, line in enumerate(lines):
        weight = ' font-weight="bold"' if bold and n == 0 else ""
        place = y + _PAD + 13 + n * _LINE
        drawn.append(f'<text x="{x + width // 2}" y="{place}" text-anchor="middle"{weight}>{escape(line)}</text>')
    return y + height, y + height // 2


def _arrow(drawn: list[str], y: int) -> int:
    axis = _MAIN[0] + _MAIN[1] // 2
    drawn.append(f'<path d="M{axis} {y}V{y + _GAP}" class="line" marker-end="url(#end)"/>')
    return y + _GAP


def _groups(drawn: list[str], rows: AnalysisSet, y: int) -> int:
    """Draw the groups side by side, three in a line, each with n and events."""
    axis, width = _MAIN[0] + _MAIN[1] // 2, (WIDTH - 40 - 2 * 16) // _PER_ROW
    first = y
    for begin in range(0, len(rows.groups), _PER_ROW):
        some = rows.groups[begin : begin + _PER_ROW]
        texts = []
        for group in some:
            role = {rows.case: "case, ", rows.control: "reference, "}.get(group.level, "") if rows.case else ""
            text = _wrapped(f"{rows.contrast_column} = {group.level}", width)
            text.append(f"{role}n = {group.n}" + (f", {group.events} events" if group.events is not None else ""))
            texts.append(text)
        most = max(len(t) for t in texts)
        top = y + _GAP
        for n, text in enumerate(texts):
            x = 20 + n * (width + 16)
            if y == first:
                bend = first + _GAP // 2
                drawn.append(
                    f'<path d="M{axis} {first}V{bend}H{x + width // 2}V{top}" class="line" marker-end="url(#end)"/>'
                )
            colour = _GROUP_COLOURS[(begin + n) % len(_GROUP_COLOURS)]
            _box(drawn, (x, width), top, [*text, *[""] * (most - len(text))], colour)
        y = top + most * _LINE + 2 * _PAD
    return y
