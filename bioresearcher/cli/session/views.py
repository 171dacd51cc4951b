"""The views of a session: sections of a run's report, the state of a run under way, and the list of earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bioresearcher.cli.session.layout import Sheet
from bioresearcher.errors import RunFolderError
from bioresearcher.graph.run import read_record
from bioresearcher.llm.budget import Budget, dollars
from bioresearcher.report.sections import SECTIONS, section, usage_of
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import MOST_STATEMENT
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.run import RunRecord
from bioresearcher.text.format import duration, md, md_list
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.cli.session.run_control import Live

VIEWS: Final = (*SECTIONS, "budget")
"""Names of the views of a run."""
MOST_LISTED: Final = 20


def view(folder: RunFolder, name: str, item: str = "", *, live: Live | None = None, width: int = 80) -> Sheet:
    """Return a view of a run; it reads the folder, finished or not, and changes nothing.

    Args:
        folder: The run folder.
        name: One of `VIEWS`.
        item: The rest of the command, such as the 3 of `/papers 3`.
        live: State of the run when it is under way in this process.
        width: Columns of the stage tree.

    Raises:
        InputError: The item means nothing.
        RunFolderError: `run.json` cannot be used.
    """
    if name == "budget":
        return Sheet(_budget(folder, live))
    if name == "results" and item.strip().casefold() in {"", "all"}:
        short = "" if item.strip() else _results(folder)
        return Sheet(short or section(folder, name))
    if name != "status":
        return Sheet(section(folder, name, item))
    place = f"- folder: {md(str(folder.root.resolve()))}\n"
    record = _record(folder)
    if live is None and record is not None and record.status == "running":
        place += "- **not finished: it was cut off, or another process works on it**\n"
    return Sheet(section(folder, name), place, *(live.tree(width) if live else ()))


def _results(folder: RunFolder) -> str:
    """Return the headline, each question with its first finding, and how to see more; empty before the answers."""
    record = _record(folder)
    if record is None or not record.answers.questions:
        return ""
    answers = record.answers
    lines = [f"**{md(answers.headline)}**", ""]
    for question in answers.questions:
        said = question.said[0] if question.said else question.why
        lines.append(f"- {md(question.id)} {question.state}: {md(one_line(question.text, 200))}")
        lines += [f"  {md(one_line(said, MOST_STATEMENT))}"] if said else []
    first = answers.questions[0].id
    return "\n".join([*lines, "", f"/results {md(first)} shows one of them, /results all every statement."])


def _record(folder: RunFolder) -> RunRecord | None:
    """Return the manifest, or None before the run has written it."""
    return folder.read(RunRecord, "run.json") if folder.has("run.json") else None


def _budget(folder: RunFolder, live: Live | None) -> str:
    """Return each limit with what is spent and left."""
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


def _of(amount: str, limit: float | None, spent: float, shown: Callable[[float], str]) -> str:
    """Return the amount spent, with its limit and the rest."""
    if limit is None:
        return f"{amount}, no limit"
    left = max(limit - spent, 0)
    return f"{amount} of {shown(limit)}" + (f", {100 * left / limit:.0f} % left" if left else ": used up")


def find_run(workspace: Path, name: str) -> RunFolder:
    """Find a run of the workspace by its number in the list or its name, or any by its path.

    Raises:
        RunFolderError: It is none.
    """
    names = _run_names(workspace) if name.isdecimal() else []
    if names and 1 <= int(name) <= len(names):
        name = names[int(name) - 1]
    for candidate in (workspace / "runs" / name, Path(name).expanduser()):
        try:
            if (candidate / "run.json").is_file():
                return RunFolder(candidate)
        except (OSError, ValueError):
            continue
    raise RunFolderError(f"there is no run {name[:200]!r}.", hint="/resume lists the runs of this workspace.")


def _run_names(workspace: Path) -> list[str]:
    """Return the names of the workspace's runs, the newest first."""
    found = [*(workspace / "runs").glob("*/run.json")]
    return [p.parent.name for p in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)]


def list_runs(workspace: Path) -> str:
    """Return the newest runs, a line each: status and objective."""
    names = _run_names(workspace)
    lines = []
    for number, name in enumerate(names[:MOST_LISTED], 1):
        try:
            record = read_record(RunFolder(workspace / "runs" / name))
            lines.append(f"{number}  {name}  {record.status}: {one_line(record.objective.text, 100)}")
        except RunFolderError as error:
            lines.append(f"{number}  {name}  unreadable: {one_line(error.message, 100)}")
    if len(names) > MOST_LISTED:
        lines.append(f"… and {len(names) - MOST_LISTED} more in {workspace / 'runs'}")
    lines += ["/resume 1, or its name, goes on with one; a finished one is opened."] if lines else []
    return "\n".join(lines) or f"There are no runs in {workspace / 'runs'} yet."
