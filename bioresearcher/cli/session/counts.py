"""How many items of each step a run has, and how many of them are done, from its folder."""

from __future__ import annotations

from bioresearcher.errors import RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.ask_design import HeadingsDraft
from bioresearcher.schemas.paper import ScreenedPaper
from bioresearcher.schemas.task import DryLabTask


def counts(folder: RunFolder) -> dict[str, tuple[int, int]]:
    """By the step's name: (done, all); steps of which nothing is known yet are left out."""
    found: dict[str, tuple[int, int]] = {}
    try:
        papers = sum(row.kept for row in folder.read_list(ScreenedPaper, "screening.json"))
        tasks = len(folder.read_list(DryLabTask, "tasks.json"))
        parts = 0
        if folder.has("design", "headings.json"):
            parts = len(folder.read(HeadingsDraft, "design", "headings.json").parts)
    except RunFolderError:
        return found
    for step, total, pattern in (
        ("read_paper", papers, "reports/*.json"),
        ("write_steps", parts, "design/parts/*.json"),
        ("program_task", tasks, "tasks/*/record.json"),
    ):
        if total:
            found[step] = (len([*folder.root.glob(pattern)]), total)
    return found
