"""What a run will spend on models, and what it spent."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from bioresearcher.cli.forecast import confirm
from bioresearcher.graph.backends import budget_of, describe_backend
from bioresearcher.graph.expect import forecast_of
from bioresearcher.graph.prepare import Inputs
from bioresearcher.llm.choose import Choice
from bioresearcher.llm.prices import load_prices
from bioresearcher.report.text import count_of
from bioresearcher.schemas.run import RunRecord
from bioresearcher.schemas.usage import Usage, UsageRow
from bioresearcher.settings import Settings


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
    """What models were used for, by role and model; steps are in run.json."""
    groups: dict[tuple[str, str], list[UsageRow]] = {}
    for row in record.usage:
        groups.setdefault((row.role, row.model), []).append(row)
    lines = []
    for (role, model), rows in groups.items():
        total = sum((r.usage for r in rows), Usage())
        said = [count_of(total.calls, "call"), tokens_text(total)]
        repaired, by_rule = sum(r.repaired for r in rows), sum(r.by_rule for r in rows)
        said += [f"{repaired} repaired"] if repaired else []
        said += [f"{by_rule} answered by rule instead"] if by_rule else []
        lines.append(f"{role} {model}: {', '.join(said)} · {cost_text(total)}")
    if len(groups) > 1:
        total = sum((r.usage for r in record.usage), Usage())
        lines.append(f"all models: {count_of(total.calls, 'call')}, {tokens_text(total)} · {cost_text(total)}")
    return lines


def tokens_text(usage: Usage) -> str:
    """Tokens in and out, with what of them was cached or reasoning."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    reasoning = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out{reasoning}"


def cost_text(usage: Usage) -> str:
    """The cost, or that it is not known."""
    return "cost unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
