"""Numbers of parts and steps as the document itself gives them, so that findings name places its reader can find."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_NUMBER: Final = re.compile(r"\d{1,3}")
_DOTTED: Final = re.compile(r"\d{1,3}(?:\.\d{1,3})+")


def own_numbers(parts: Sequence[tuple[str, Sequence[str]]]) -> tuple[list[str], list[list[str]]]:
    """Give ids to parts and steps from the labels they have in the document.

    Args:
        parts: The label of each part and those of its steps; empty where there is none.

    Returns:
        The parts' ids, and for each part its steps' ids. Numbers of the document are kept where each names one step;
        otherwise steps are numbered `<part>.<number>`, with the step's own number where the part counts on from one.
    """
    counted = [_counted(labels) for _, labels in parts]
    names = [label if label else str(n) for n, (label, _) in enumerate(parts, 1)]
    if len(set(names)) < len(names) or not all(
        label for (label, _), steps in zip(parts, counted, strict=True) if steps
    ):
        names = [str(n) for n in range(1, len(parts) + 1)]
    flat = [label for labels in counted for label in labels]
    given = [label for _, labels in parts for label in labels]
    unique = len(set(flat)) == len(flat)
    if unique and flat and all(map(_DOTTED.fullmatch, flat)):
        return names, counted
    owned = bool(flat) and names == [label for label, _ in parts]
    if unique and not owned and flat == given and all(map(_NUMBER.fullmatch, flat)):
        return names, counted
    made = [
        [label if _DOTTED.fullmatch(label) else f"{name}.{label}" for label in labels]
        for name, labels in zip(names, counted, strict=True)
    ]
    steps = [step for labels in made for step in labels]
    if len(set(steps)) == len(steps):
        return names, made
    return names, [
        [f"{name}.{k}" for k in range(1, len(labels) + 1)] for name, labels in zip(names, counted, strict=True)
    ]


def _counted(labels: Sequence[str]) -> list[str]:
    """Return a part's labels, or 1, 2, 3 … where they do not tell its steps apart (`1. 1. 1.`, bullets)."""
    if len(set(labels)) == len(labels) and all(re.fullmatch(r"[\w.]+", label) for label in labels):
        return list(labels)
    return [str(k) for k in range(1, len(labels) + 1)]
