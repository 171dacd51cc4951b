"""What a session says at the end of a run."""

from __future__ import annotations

from bioresearcher.cli.drive import done_lines
from bioresearcher.cli.spending import usage_lines
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import RunRecord


def ending(folder: RunFolder, record: RunRecord) -> list[str]:
    """How the run ended, and how one can go on."""
    if record.status == "done":
        return [*done_lines(folder, record), "/ask asks the papers, /feedback changes the protocol, /new begins anew."]
    lines = [f"stopped: {record.stopped_by}", *usage_lines(record)]
    if "declined" in record.stopped_by:
        change = "; /feedback changes its protocol" if folder.has("protocol.json") else ""
        return [*lines, f"The answer stands for this run; /new starts another{change}."]
    return [*lines, f"It can be resumed: /resume here, or `bioresearcher resume {folder.root}` later."]
