"""What a run will spend on models, and what it spent."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from bioresearcher.errors import InputError, StoppedError
from bioresearcher.graph.backends import budget_of, describe_backend
from bioresearcher.graph.expect import forecast_of
from bioresearcher.graph.prepare import Inputs
from bioresearcher.llm.budget import Budget
from bioresearcher.llm.choose import Choice
from bioresearcher.llm.forecast import Forecast
from bioresearcher.llm.prices import load_prices
from bioresearcher.report.labels import tokens_in, tokens_out
from bioresearcher.schemas.run import RunRecord
from bioresearcher.schemas.usage import Usage, UsageRow
from bioresearcher.settings import Settings
from bioresearcher.text.format import count_of

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


def agree(inputs: Inputs, settings: Settings, choice: Choice, args: argparse.Namespace) -> tuple[str, ...]:
    """Say who will answer and why, show what that will cost, and ask when it costs money; the forecast's lines.

    Raises:
        InputError: It has to be asked, but there is no terminal; or the budget cannot be kept.
        StoppedError: The answer was no.
    """
    console = Console(stderr=args.json or args.quiet, quiet=args.quiet, highlight=False)
    for line in (f"backend: {describe_backend(settings, choice.kind)} ({choice.reason.rstrip('.')})", *choice.notes):
        console.print(line, soft_wrap=True, markup=False)
    if choice.kind == "offline":
        return ()
    budget = budget_of(settings)
    budget.check_possible(choice.models, load_prices(settings.prices))
    expected = forecast_of(inputs, settings)
    interactive = sys.stdin.isatty() and console.is_terminal
    confirm(expected, yes=args.yes, budget=budget, console=console, interactive=interactive)
    return tuple(expected.lines)


def usage_lines(record: RunRecord) -> list[str]:
    """What models were used for, by step, role and model, and in all; empty when none was asked."""
    if not record.usage:
        return []
    rows = [(r.step, r.role, r.model, r.usage, _remarks(r)) for r in record.usage]
    rows.append(("in all", "", "", sum((r.usage for r in record.usage), Usage()), ""))
    cells = [
        (step, role, model, count_of(u.calls, "call"), *_tokens(u), cost_text(u), remarks)
        for step, role, model, u, remarks in rows
    ]
    widths = [max(len(row[n]) for row in cells) for n in range(7)]
    lines = []
    for row in cells:
        left = (row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].ljust(widths[2]))
        right = tuple(row[n].rjust(widths[n]) for n in range(3, 7))
        lines.append("  ".join((*left, *right, row[7])).rstrip())
    return lines


def _tokens(usage: Usage) -> tuple[str, str]:
    return f"{tokens_in(usage)} in", f"{tokens_out(usage)} out"


def _remarks(row: UsageRow) -> str:
    said = [f"{row.repaired} repaired"] if row.repaired else []
    return ", ".join(said + ([f"{row.by_rule} by rule"] if row.by_rule else []))


def cost_text(usage: Usage) -> str:
    """The cost, or that it is not known."""
    return "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
