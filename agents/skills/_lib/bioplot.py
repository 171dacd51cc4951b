"""Parts of figures that several skills draw alike."""

from __future__ import annotations

from typing import Any

from bioskill import Task, figure, level_text, plain_text


def panels(width: float, height: float, rows: int, columns: int, **options: Any) -> tuple[Any, Any]:
    """Make a figure in the house style with a grid of axes; `options` are those of matplotlib's `Figure.subplots`."""
    fig, ax = figure(width, height)
    ax.remove()
    return fig, fig.subplots(rows, columns, **options)


def legend_below(fig: Any, ax: Any, columns: int = 2, **options: Any) -> None:
    """Draw the legend of one of the axes below the whole figure."""
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, frameon=False, **options)


def group_name(task: Task) -> str:
    """Return the name of the grouping for a figure."""
    return plain_text(task.parameter("group_label") or task.need("group_column"), 30)


def level_name(level: Any) -> str:
    """Return the name of a group level for a figure."""
    return plain_text(level_text(level), 24)
