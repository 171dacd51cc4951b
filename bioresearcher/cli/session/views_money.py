"""`/cost` and `/budget`: what models were used for and what it cost, and how much of the limits is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bioresearcher.cli.session.layout import Block, Facts, Heading, Line, Listing, Sheet
from bioresearcher.cli.session.view import View
from bioresearcher.llm.budget import Budget, dollars
from bioresearcher.report.labels import tokens_in, tokens_out
from bioresearcher.schemas.usage import Usage, UsageRow
from bioresearcher.text.format import count_of, duration

if TYPE_CHECKING:
    from bioresearcher.schemas.run import RunRecord


def cost_view(view: View) -> Sheet:
    """Use of models by step, role and model, and in all; what questions cost is among it."""
    return Sheet(_cost(view))


def _cost(view: View) -> Iterator[Block]:
    rows = [
        r for r in view.usage() if not view.asked or view.asked.casefold() in f"{r.step} {r.role} {r.model}".casefold()
    ]
    record = view.record()
    answers = f"answered by: {record.backend}" if record else "no run has begun"
    if not rows:
        yield Line(f"No model was asked; {answers}.")
        return
    total = sum((r.usage for r in rows), Usage())
    yield Heading(f"{cost_of(total)} for {count_of(total.calls, 'call')}; {answers}")
    cells = [
        (r.step, r.role, str(r.usage.calls), tokens_in(r.usage), tokens_out(r.usage), cost_of(r.usage), _model(r))
        for r in rows
    ]
    cells.append(("in all", "", f"{total.calls:,}", tokens_in(total), tokens_out(total), cost_of(total), ""))
    columns = ("step", "role", "calls", "tokens in", "tokens out", "cost", "model")
    styles = (*[""] * len(rows), "bold")
    yield Listing(columns, tuple(cells), frozenset({"calls", "tokens in", "tokens out", "cost"}), styles)


def _model(row: UsageRow) -> str:
    remarks = [f"{row.repaired} repaired"] if row.repaired else []
    remarks += [f"{row.by_rule} by rule"] if row.by_rule else []
    return f"{row.model} ({', '.join(remarks)})" if remarks else row.model


def cost_of(usage: Usage) -> str:
    """The cost in US dollars, or that it is not known."""
    return "cost unknown" if usage.cost_usd is None else f"{dollars(usage.cost_usd)} USD"


def budget_view(view: View) -> Sheet:
    """Each limit with what is spent and left."""
    return Sheet(_budget(view))


def _budget(view: View) -> Iterator[Block]:
    meter = view.live.meter if view.live else None
    record = view.record()
    budget = meter.budget if meter else _budget_of(record)
    spent = meter.spent if meter else sum((r.usage for r in view.usage()), Usage())
    seconds = meter.elapsed_s if meter else record.totals.wall_s if record else 0.0
    if not budget.limited:
        yield Line("There is no limit. /budget 5 usd, /budget 200000 tokens or /budget 30 minutes sets one.")
    tokens = spent.input_tokens + spent.output_tokens
    yield Facts(
        (
            ("money", _money(spent, budget)),
            ("tokens", _of(f"{tokens:,}", budget.max_tokens, tokens, "{:,}".format)),
            ("time", _of(duration(seconds), budget.max_minutes, seconds / 60, "{:g} minutes".format)),
            ("calls", f"{spent.calls:,}"),
        )
    )


def _budget_of(record: RunRecord | None) -> Budget:
    known = record.settings if record else {}
    return Budget.model_validate({name: known.get(name) for name in Budget.model_fields})


def _money(spent: Usage, budget: Budget) -> str:
    if spent.cost_usd is None:
        limit = f", so that the limit of {dollars(budget.max_usd)} USD cannot be kept" if budget.max_usd else ""
        return f"what was spent is not known{limit}"
    return _of(f"{dollars(spent.cost_usd)} USD", budget.max_usd, spent.cost_usd, lambda n: f"{dollars(n)} USD")


def _of(said: str, limit: float | None, spent: float, shown: Callable[[float], str]) -> str:
    """What is spent, of how much, and what is left."""
    if limit is None:
        return f"{said}, no limit"
    left = max(limit - spent, 0)
    return (
        f"{said} of {shown(limit)}, {100 * left / limit:.0f} % left" if left else f"{said} of {shown(limit)}: used up"
    )
