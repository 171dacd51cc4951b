"""The forecast of what a run will spend on models, and the question whether it may."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from bioresearcher.cli.output import console_for, say
from bioresearcher.errors import InputError, StoppedError
from bioresearcher.graph.prepare import RunInputs, forecast_of
from bioresearcher.graph.services import budget_of, describe_backend
from bioresearcher.llm.budget import Budget, load_prices
from bioresearcher.llm.forecast import Forecast
from bioresearcher.llm.select_backend import SelectedBackend
from bioresearcher.settings import Settings

_YES = {"y", "yes"}


def confirm(forecast: Forecast, *, yes: bool, budget: Budget, console: Console, interactive: bool) -> None:
    """Print the forecast, and ask for agreement when the run may cost money.

    `--yes` or any limit of the budget is agreement. Models on this machine cost nothing unless a price is listed for
    them. Anything but a yes is a no.

    Raises:
        InputError: It has to be asked, but there is nobody to answer.
        StoppedError: The answer was no; nothing was started or written.
    """
    say(console, *forecast.lines)
    if not forecast.may_cost or yes or budget.limited:
        return
    if not interactive:
        flag = "--max-tokens" if forecast.unpriced else "--max-usd"
        raise InputError(f"this run would cost {forecast.cost_text}: add --yes or {flag}.")
    console.print("Go on? [y/N] ", end="", markup=False, highlight=False)
    try:
        answer = console.input()
    except (EOFError, KeyboardInterrupt):
        console.print()
        answer = ""
    if answer.strip().lower() not in _YES:
        raise StoppedError("not started, as its cost was not agreed to.", hint="Nothing was spent or written.")


def agree(inputs: RunInputs, settings: Settings, choice: SelectedBackend, args: argparse.Namespace) -> tuple[str, ...]:
    """Print the backend and the forecast, and ask when it costs money; return the forecast's lines.

    Raises:
        InputError: It has to be asked, but there is no terminal; or the budget cannot be kept.
        StoppedError: The answer was no.
    """
    console = console_for(args)
    say(console, f"backend: {describe_backend(settings, choice.kind)} ({choice.reason.rstrip('.')})", *choice.notes)
    if choice.kind == "offline":
        return ()
    budget = budget_of(settings)
    budget.check_possible(choice.models, load_prices(settings.prices))
    expected = forecast_of(inputs, settings)
    interactive = sys.stdin.isatty() and console.is_terminal
    confirm(expected, yes=args.yes, budget=budget, console=console, interactive=interactive)
    return tuple(expected.lines)
