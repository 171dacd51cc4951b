"""What a batch will cost, shown before anything is started, and the question whether it may."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from bioresearcher.batch.check import BatchFile, Ready
from bioresearcher.batch.plan import Backends, Wish
from bioresearcher.cli.spending import confirm
from bioresearcher.graph.expect import forecast_of
from bioresearcher.llm.choose import Choice
from bioresearcher.llm.forecast import Forecast, StepForecast
from bioresearcher.text.format import count_of

_LOOKED_AT = 20
"""Objectives whose papers and data are looked at for the forecast; more are taken to be like them."""


def agree(file: BatchFile, wish: Wish, backends: Backends, args: argparse.Namespace, console: Console) -> None:
    """Show what the runs with each set of models will take, and ask when they cost money.

    Raises:
        InputError: It has to be asked, but there is no terminal.
        StoppedError: The answer was no.
    """
    groups: dict[int, list[Ready]] = {}
    choices: dict[int, Choice] = {}
    for one in file.ready:
        choice = backends.of(one.settings)
        if choice.kind == "chat":
            groups.setdefault(id(choice), []).append(one)
            choices[id(choice)] = choice
    for key, ready in groups.items():
        runs = sum(one.entry.repeats or wish.repeats for one in ready)
        looked_at = ready[:_LOOKED_AT]
        note = "" if len(ready) == len(looked_at) else f", judged by the first {len(looked_at)}"
        console.print(f"{count_of(runs, 'run')} with models{note}:", soft_wrap=True, markup=False)
        interactive = sys.stdin.isatty() and console.is_terminal
        forecast = _of_all(looked_at, runs, wish, choices[key])
        confirm(forecast, yes=args.yes, budget=wish.budget, console=console, interactive=interactive)


def _of_all(looked_at: Sequence[Ready], runs: int, wish: Wish, choice: Choice) -> Forecast:
    """The forecast of all runs: those that were looked at with their repeats, scaled to all."""
    seen = sum(one.entry.repeats or wish.repeats for one in looked_at)
    steps: list[StepForecast] = []
    found: Forecast | None = None
    for one in looked_at:
        found = forecast_of(one.inputs, choice.applied(one.settings))
        times = (one.entry.repeats or wish.repeats) * runs / seen
        steps.extend(step.times(times) for step in found.steps)
    return Forecast(steps=tuple(steps), models=found.models if found else {})
