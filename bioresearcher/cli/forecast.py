"""What a run will cost, shown before it starts, and the question whether it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bioresearcher.errors import InputError, StoppedError

if TYPE_CHECKING:
    from rich.console import Console

    from bioresearcher.llm.budget import Budget
    from bioresearcher.llm.forecast import Forecast

_YES = {"y", "yes"}


def confirm(forecast: Forecast, *, yes: bool, budget: Budget, console: Console, interactive: bool) -> None:
    """Show the forecast, and ask when the run may cost money and nothing said before that it may.

    What says so is `--yes` or any limit of the budget. Models on this machine cost nothing unless a price is listed
    for them. Anything but a yes is a no.

    Raises:
        InputError: It has to be asked, but there is nobody to answer.
        StoppedError: The answer was no; nothing was started or written.
    """
    for line in forecast.lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
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
