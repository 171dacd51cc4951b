"""The views of a session: sections of the run's report, and what only a run under way knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bioresearcher.cli.session.layout import Sheet
from bioresearcher.llm.budget import Budget, dollars
from bioresearcher.report.sections import SECTIONS, section, usage_of
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.run import RunRecord
from bioresearcher.text.format import duration, md, md_list

if TYPE_CHECKING:
    from bioresearcher.cli.session.run_control import Live

VIEWS: Final = (*SECTIONS, "budget")
"""Their names."""


def view(folder: RunFolder, name: str, item: str = "", *, live: Live | None = None, width: int = 80) -> Sheet:
    """A view of a run; it reads the folder, finished or not, and changes nothing.

    Args:
        folder: The run folder.
        name: One of `VIEWS`.
        item: What followed the name, such as the 3 of `/papers 3`.
        live: None when the run is not under way in this process.
        width: Columns that the stage tree is drawn for.

    Raises:
        InputError: The item means nothing.
        RunFolderError: `run.json` cannot be used.
    """
    if name == "budget":
        return Sheet(_budget(folder, live))
    if name != "status":
        return Sheet(section(folder, name, item))
    place = f"- folder: {md(str(folder.root.resolve()))}\n"
    record = _record(folder)
    if live is None and record is not None and record.status == "running":
        place += "- **not finished: it was cut off, or another process works on it**\n"
    return Sheet(section(folder, name), place, *(live.tree(width) if live else ()))


def _record(folder: RunFolder) -> RunRecord | None:
    """The manifest, or None before the run has written it."""
    return folder.read(RunRecord, "run.json") if folder.has("run.json") else None


def _budget(folder: RunFolder, live: Live | None) -> str:
    """Each limit with what is spent and left."""
    meter, record = live.meter if live else None, _record(folder)
    known = record.settings if record else {}
    budget = meter.budget if meter else Budget.model_validate({name: known.get(name) for name in Budget.model_fields})
    spent = meter.spent if meter else sum((r.usage for r in usage_of(folder, record.usage if record else ())), Usage())
    seconds = meter.elapsed_s if meter else record.totals.wall_s if record else 0.0
    tokens = spent.input_tokens + spent.output_tokens
    rows = (
        f"money: {_money(spent, budget)}",
        f"tokens: {_of(f'{tokens:,}', budget.max_tokens, tokens, '{:,}'.format)}",
        f"time: {_of(duration(seconds), budget.max_minutes, seconds / 60, '{:g} minutes'.format)}",
        f"calls: {spent.calls:,}",
    )
    none = "There is no limit. /budget 5 usd, /budget 200000 tokens or /budget 30 minutes sets one."
    return "\n".join(("" if budget.limited else none, "", *md_list(map(md, rows))))


def _money(spent: Usage, budget: Budget) -> str:
    if spent.cost_usd is None:
        limit = f", so that the limit of {dollars(budget.max_usd)} USD cannot be kept" if budget.max_usd else ""
        return f"what was spent is not known{limit}"
    return _of(f"{dollars(spent.cost_usd)} USD", budget.max_usd, spent.cost_usd, lambda n: f"{dollars(n)} USD")


def _of(said: str, limit: float | None, spent: float, shown: Callable[[float], str]) -> str:
    """The amount spent, with its limit and the rest."""
    if limit is None:
        return f"{said}, no limit"
    left = max(limit - spent, 0)
    return f"{said} of {shown(limit)}" + (f", {100 * left / limit:.0f} % left" if left else ": used up")
