"""A finished run as it was before a comment on its protocol, kept until the comment's outcome is approved.

A person who declines the changed protocol gets the finished run back: protocol, tasks, results, report and the place in
the graph. The declined revisions stay beside it, under other names, and the decision is recorded.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from bioresearcher.graph.revisions import REVISIONS_FOLDER, recorded
from bioresearcher.graph.state import revisions_of
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import RunRecord

_KEPT: Final = "finished"
_CHECKPOINTS: Final = "checkpoints.sqlite"
_NOT_KEPT: Final = frozenset({"lock", "events.jsonl", "questions.jsonl", "interventions.json", _CHECKPOINTS})
"""Files of the run's top folder that only grow, or are copied in another way."""
_FOLDERS: Final = ("design", "report", "analysis")


def keep_finished(folder: RunFolder, record: RunRecord) -> bool:
    """Keep a finished run as its files are now; False when one is kept already, or it was not finished."""
    target = folder.path(REVISIONS_FOLDER, _KEPT)
    if record.status != "done" or target.is_dir():
        return False
    part = folder.path(REVISIONS_FOLDER, f".{_KEPT}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for path in folder.root.iterdir():
        if path.is_file() and not path.is_symlink() and path.name not in _NOT_KEPT and ".sqlite" not in path.name:
            shutil.copy2(path, part / path.name)
    for name in _FOLDERS:
        if folder.path(name).is_dir():
            shutil.copytree(folder.path(name), part / name, symlinks=True)
    RunFolder(part).write(record, "run.json")
    with (
        closing(sqlite3.connect(folder.path(_CHECKPOINTS))) as source,
        closing(sqlite3.connect(part / _CHECKPOINTS)) as copy,
    ):
        source.backup(copy)
    part.replace(target)
    return True


def forget_finished(folder: RunFolder) -> None:
    """Drop what was kept: what came after it is in force, or nothing was changed."""
    shutil.rmtree(folder.path(REVISIONS_FOLDER, _KEPT), ignore_errors=True)


def restore_finished(folder: RunFolder) -> RunRecord | None:
    """Put the finished run back and set the revisions since then aside; None when none is kept."""
    kept = folder.path(REVISIONS_FOLDER, _KEPT)
    if not (kept / "run.json").is_file():
        return None
    record = RunFolder(kept).read(RunRecord, "run.json")
    for revision in recorded(folder):
        place = folder.path(REVISIONS_FOLDER, str(revision.number))
        if revision.number > revisions_of(record.decisions):
            _tasks_back(place / "tasks", folder.path("tasks"))
            place.replace(_free(folder.path(REVISIONS_FOLDER), f"declined-{revision.number}"))
    names = {p.name for p in kept.iterdir()}
    for path in folder.root.iterdir():
        made_since = path.is_file() and path.name not in _NOT_KEPT and ".sqlite" not in path.name
        if made_since and path.name not in names:
            path.unlink()
    for tail in ("", "-wal", "-shm"):
        folder.path(_CHECKPOINTS + tail).unlink(missing_ok=True)
    for path in kept.iterdir():
        target = folder.path(path.name)
        if path.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(path, target, symlinks=True)
        else:
            shutil.copy2(path, target)
    forget_finished(folder)
    return record


def _tasks_back(past: Path, tasks: Path) -> None:
    """Move the folders of tasks that a revision had set aside back to their place."""
    if not past.is_dir():
        return
    for path in past.iterdir():
        with suppress(OSError):
            shutil.rmtree(tasks / path.name, ignore_errors=True)
            path.replace(tasks / path.name)


def _free(base: Path, name: str) -> Path:
    """Return a path of that name, or with a number behind it, that does not exist yet."""
    number = 1
    while (base / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return base / (name if number == 1 else f"{name}-{number}")
