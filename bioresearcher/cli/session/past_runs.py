"""Runs of the workspace, and settings that go on with another budget.

What a session says at the end of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.drive import done_lines
from bioresearcher.cli.spending import usage_lines
from bioresearcher.errors import RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import RunRecord
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.settings import Settings


MOST_LISTED = 20


def earlier_run(workspace: Path, name: str) -> RunFolder:
    """A run of the workspace by its name, or any by its path.

    Raises:
        RunFolderError: It is none.
    """
    for candidate in (workspace / "runs" / name, Path(name).expanduser()):
        try:
            if (candidate / "run.json").is_file():
                return RunFolder(candidate)
        except (OSError, ValueError):
            continue
    raise RunFolderError(f"there is no run {name[:200]!r}.", hint="/resume lists the runs of this workspace.")


def run_names(workspace: Path) -> list[str]:
    """The workspace's runs, the newest first."""
    found = [*(workspace / "runs").glob("*/run.json")]
    return [p.parent.name for p in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)]


def earlier_runs(workspace: Path) -> str:
    """The newest runs, a line each: how they ended and what they were about."""
    from bioresearcher.graph.run import read_record

    names = run_names(workspace)
    lines = []
    for name in names[:MOST_LISTED]:
        try:
            record = read_record(RunFolder(workspace / "runs" / name))
            lines.append(f"{name}  {record.status}: {one_line(record.objective.text, 100)}")
        except RunFolderError as error:
            lines.append(f"{name}  unreadable: {one_line(error.message, 100)}")
    if len(names) > MOST_LISTED:
        lines.append(f"… and {len(names) - MOST_LISTED} more in {workspace / 'runs'}")
    return "\n".join(lines) or f"There are no runs in {workspace / 'runs'} yet."


def settings_with(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """The settings with other limits.

    Raises:
        InputError: A limit is no number above 0, or one in money cannot be kept.
    """
    from bioresearcher.graph.services import budget_of
    from bioresearcher.llm.budget import load_prices
    from bioresearcher.settings import models_by_role, with_budget

    changed = with_budget(settings, changes)
    budget_of(changed).check_possible(models_by_role(changed), load_prices(changed.prices))
    return changed


def ending(folder: RunFolder, record: RunRecord) -> list[str]:
    """How the run ended, and how one can go on."""
    if record.status == "done":
        return [*done_lines(folder, record), "/ask asks the papers, /feedback changes the protocol, /new begins anew."]
    lines = [f"stopped: {record.stopped_by}", *usage_lines(record)]
    if "declined" in record.stopped_by:
        change = "; /feedback changes its protocol" if folder.has("protocol.json") else ""
        return [*lines, f"The answer stands for this run; /new starts another{change}."]
    return [*lines, f"It can be resumed: /resume here, or `bioresearcher resume {folder.root}` later."]
