"""The runs and batches of a workspace, listed from their manifests, each parsed once as long as it is the same.

A folder counts only if it lies in the workspace itself: what a link points to is not listed and not found.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from bioresearcher.errors import RunFolderError
from bioresearcher.graph.lock import working_process
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import RUN_FORMAT, RunRecord
from bioresearcher.text.visible import one_line

State = Literal["working", "done", "stopped", "failed", "cut off", "unreadable"]
STATES: Final[tuple[State, ...]] = ("working", "done", "stopped", "failed", "cut off", "unreadable")


@dataclass(frozen=True)
class RunRow:
    """A run as a line of a list.

    Attributes:
        key: Its place below the workspace, such as `runs/NAME` or `batches/B/runs/NAME`; the path of its page.
        name: Its folder's name.
        batch: The batch that it belongs to; empty for a run by itself.
        state: `cut off` when the manifest says that it runs and no process does.
        changed: When its manifest was last written, in seconds since 1970.
        words: The objective, or the reason why the manifest cannot be read.
    """

    key: str
    name: str
    batch: str
    state: State
    changed: float
    words: str
    started: str = ""
    backend: str = ""
    questions: int = 0
    answered: int = 0
    tasks: int = 0
    verified: int = 0
    cost_usd: float | None = None
    wall_s: float = 0.0


@dataclass(frozen=True)
class Place:
    """The folder of a run, before its manifest is read; `stamp` changes when the manifest does."""

    root: Path
    key: str
    batch: str
    stamp: tuple[int, int, int]


@dataclass(frozen=True)
class Filter:
    """A choice of runs; what is empty leaves none out."""

    words: str = ""
    state: str = ""
    batch: str = ""

    def __bool__(self) -> bool:
        return bool(self.words.strip() or self.state or self.batch)

    def takes(self, row: RunRow) -> bool:
        """True if a run fits: all words occur in its name or objective."""
        text = f"{row.name} {row.words}".casefold()
        fits = all(word in text for word in self.words.casefold().split())
        batch = not self.batch or row.batch == ("" if self.batch == "-" else self.batch)
        return fits and batch and (not self.state or row.state == self.state)


@dataclass
class Catalogue:
    """The runs of a workspace, or a single run folder when `only` is given.

    Attributes:
        workspace: The workspace's folder.
        only: The one run folder that is shown; None shows all of the workspace.
    """

    workspace: Path
    only: Path | None = None
    _rows: dict[str, tuple[tuple[int, int, int], RunRow]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def places(self) -> list[Place]:
        """Return all run folders with a manifest, the one changed last first."""
        if self.only is not None:
            found = [_place(self.only, f"runs/{self.only.name}", "")]
        else:
            found = [_place(path, f"runs/{path.name}", "") for path in _folders(self.workspace / "runs")]
            for batch in self.batches():
                runs = _folders(self.workspace / "batches" / batch / "runs")
                found += [_place(path, f"batches/{batch}/runs/{path.name}", batch) for path in runs]
        return sorted(filter(None, found), key=lambda place: place.stamp, reverse=True)

    def batches(self) -> list[str]:
        """Return the names of the batches, sorted."""
        if self.only is not None:
            return []
        folders = _folders(self.workspace / "batches")
        return sorted(path.name for path in folders if (path / "batch.json").is_file())

    def row(self, place: Place) -> RunRow:
        """Return a run as a line of a list; whether a process works on it is looked up each time."""
        with self._guard:
            known = self._rows.get(place.key)
        if known is None or known[0] != place.stamp:
            known = (place.stamp, _read(place))
            with self._guard:
                self._rows[place.key] = known
        return _now(place, known[1]) if known[1].state in {"working", "cut off"} else known[1]

    def rows(self, choice: Filter) -> list[RunRow]:
        """Return the chosen runs; every manifest is read that was not before."""
        return [row for place in self.places() if choice.takes(row := self.row(place))]

    def find(self, key: str) -> RunFolder | None:
        """Find a run by its key; None for all that is no folder of a run in this workspace."""
        return next((RunFolder(place.root) for place in self._named(key)), None)

    def find_batch(self, name: str) -> Path | None:
        """Find the folder of a batch by its name."""
        return self.workspace / "batches" / name if name in self.batches() else None

    def _named(self, key: str) -> Iterator[Place]:
        parts = key.split("/")
        if self.only is not None:
            found = _place(self.only, f"runs/{self.only.name}", "")
        elif len(parts) == 2 and parts[0] == "runs" and _plain(parts[1]):
            found = _inside(self.workspace / "runs", parts[1], key, "")
        elif len(parts) == 4 and parts[0] == "batches" and parts[2] == "runs" and _plain(parts[1]) and _plain(parts[3]):
            batch = self.find_batch(parts[1])
            found = _inside(batch / "runs", parts[3], key, parts[1]) if batch else None
        else:
            found = None
        if found is not None and found.key == key:
            yield found


def _plain(name: str) -> bool:
    """True for the name of a folder that is neither hidden nor a way out."""
    return bool(name) and not name.startswith(".") and not set(name) & set("/\\\0")


def _inside(base: Path, name: str, key: str, batch: str) -> Place | None:
    folder = base / name
    if base.is_symlink() or folder.is_symlink() or not folder.is_dir():
        return None
    return _place(folder, key, batch)


def _folders(base: Path) -> list[Path]:
    """Return the folders directly in a folder; links are left out, and a link in its place has none."""
    if base.is_symlink():
        return []
    try:
        with os.scandir(base) as entries:
            return [Path(e.path) for e in entries if _plain(e.name) and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _place(root: Path, key: str, batch: str) -> Place | None:
    """Return the place of a run; None without a manifest, as in its first moments."""
    try:
        stat = (root / "run.json").stat(follow_symlinks=False)
    except OSError:
        return None
    return Place(root, key, batch, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def _read(place: Place) -> RunRow:
    folder = RunFolder(place.root)
    changed = place.stamp[0] / 1e9
    try:
        record = read_manifest(folder)
    except RunFolderError as error:
        said = error.message.replace(str(place.root), place.root.name)
        return RunRow(place.key, place.root.name, place.batch, "unreadable", changed, one_line(said, 300))
    return _row(place, record, changed)


def read_manifest(folder: RunFolder) -> RunRecord:
    """Read the manifest of a run; the graph's own reader would bring the whole pipeline into memory.

    Raises:
        RunFolderError: It is missing, damaged, or was written by a newer version.
    """
    try:
        record = folder.read(RunRecord, "run.json")
    except OSError as error:
        raise RunFolderError(f"{folder.path('run.json')} cannot be read: {error.strerror}.") from error
    if record.format > RUN_FORMAT:
        raise RunFolderError(
            f"{folder.root} was written by a newer version (format {record.format}, this version knows {RUN_FORMAT})."
        )
    return record


def _row(place: Place, record: RunRecord, changed: float) -> RunRow:
    totals = record.totals
    return RunRow(
        key=place.key,
        name=place.root.name,
        batch=place.batch,
        state="working" if record.status == "running" else record.status,
        changed=changed,
        words=one_line(record.objective.text, 300),
        started=record.started,
        backend=record.backend,
        questions=totals.questions,
        answered=totals.answered,
        tasks=totals.tasks,
        verified=totals.verified,
        cost_usd=totals.cost_usd if totals.calls else None,
        wall_s=totals.wall_s,
    )


def _now(place: Place, row: RunRow) -> RunRow:
    """Return the row with its state as the processes of this machine are."""
    works = working_process(RunFolder(place.root)) is not None
    return replace(row, state="working" if works else "cut off")
