"""The state of runs as their folders show it: which there are, where one stands, and its pages as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from bioresearcher.errors import RunFolderError
from bioresearcher.events import Event, past_events
from bioresearcher.limits.file_lock import take_lock
from bioresearcher.runfolder import RunFolder
from bioresearcher.text.visible import visible

if TYPE_CHECKING:
    from bioresearcher.schemas.run import RunRecord

PAGES: Final = {
    "report": "report.md",
    "protocol": "protocol.md",
    "evidence": "protocol-evidence.md",
    "answers": "answer.json",
    "review": "review.json",
}
"""Name of a page of a run -> its file."""
MOST_PAGE: Final = 200_000
"""Characters of a page that are given away."""

State = Literal["running", "done", "stopped", "failed", "broken off"]
"""As in `run.json`; `broken off`: it says running, but no process holds the folder."""


@dataclass(frozen=True)
class RunSummary:
    """A run in short; `record` is None before its manifest is written, or when it cannot be read."""

    root: Path
    state: State
    record: RunRecord | None
    problem: str = ""


def read_summary(root: Path) -> RunSummary:
    """Read where a run stands.

    Raises:
        RunFolderError: The folder is not a run's.
    """
    from bioresearcher.schemas.run import RunRecord  # built when a run is read: see `doors.answers`

    folder = RunFolder(root)
    if not folder.has("run.json"):
        if not folder.has("events.jsonl") and not folder.has("lock"):
            raise RunFolderError(f"{root} is not a run folder.", hint="`list_runs` names the runs.")
        return RunSummary(root, "running" if _held(root) else "broken off", None)
    try:
        record = folder.read(RunRecord, "run.json")
    except RunFolderError as error:
        return RunSummary(root, "failed", None, error.message)
    broken = record.status == "running" and not _held(root)
    return RunSummary(root, "broken off" if broken else record.status, record)


def summaries(workspace: Path, most: int) -> Iterator[RunSummary]:
    """Read the runs of a workspace, the latest first."""
    runs = workspace / "runs"
    found = [p for p in runs.iterdir() if p.is_dir() and not p.is_symlink()] if runs.is_dir() else []
    found.sort(key=lambda p: (p.stat().st_mtime, p.name), reverse=True)
    given = 0
    for root in found:
        if given == most:
            return
        with suppress(RunFolderError):  # something else lies there
            yield read_summary(root)
            given += 1


def read_page(root: Path, page: str) -> str:
    """Read a page of a run, at most `MOST_PAGE` characters, without what a reader would not see.

    Raises:
        RunFolderError: There is no such page, or the run has none yet.
    """
    if page not in PAGES:
        raise RunFolderError(f"there is no page {page[:80]!r}.", hint=f"Pages: {', '.join(PAGES)}.")
    path = root / PAGES[page]
    if path.is_symlink() or not path.is_file():
        raise RunFolderError(f"{root.name} has no {page} yet.", hint="`run_status` says where it stands.")
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(MOST_PAGE + 1)
    cut = len(text) > MOST_PAGE
    return visible(text[:MOST_PAGE]) + ("\n\n(The rest is in the file.)\n" if cut else "")


def last_events(root: Path, most: int) -> list[Event]:
    """Read the last events of a run that a person would be told: steps, tasks, approvals, failures."""
    told = [e for e in past_events(root / "events.jsonl") if e.kind not in ("call", "item")]
    return told[-most:]


def event_line(event: Event) -> str:
    """Describe an event in a line."""
    words = [event.stage, event.state if event.state != "info" else "", event.message]
    return " ".join(word for word in words if word)[:300]


def _held(root: Path) -> bool:
    """Tell if a process holds the run."""
    lock = root / "lock"
    if not lock.is_file():
        return False
    try:
        held = take_lock(lock)
    except OSError:
        return False
    if held is None:
        return True
    held.close()
    return False
