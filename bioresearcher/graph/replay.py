"""Replay of a finished run with its recorded answers, inputs, settings and decisions, and comparison of the files."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from bioresearcher.errors import DefectError, RunFolderError, WorkspaceError
from bioresearcher.graph.added_files import ADDED, Added
from bioresearcher.llm.backend import Backend
from bioresearcher.llm.ledger import ReplayBackend, known_format
from bioresearcher.report.summaries import INCIDENTAL_SETTINGS
from bioresearcher.runfolder import RunFolder, file_sha256
from bioresearcher.schemas.run import REVISE, AddedInput, Decision, Replay, RunRecord
from bioresearcher.settings import BUDGET, Settings
from bioresearcher.stages.registration import read_registration

LEDGER = "ledger.sqlite"
COMPARED: Mapping[str, tuple[str, ...]] = {
    "facts": ("facts.json", "looks.json", "looked.json"),
    "protocol": ("protocol.json", "protocol.md", "protocol-evidence.md", "protocol-script.py"),
    "reports": ("reports/*.json",),
    "analyses": ("analyses/*.json",),
    "review": ("review.json", "rounds.json"),
    "code": ("tasks/*/*.py", "tasks/*/attempts/*/code/*.py"),
    "outputs": ("tasks/*/outputs/**/*",),
    "report": ("report.md", "report.html", "report/*.md", "report/*.html"),
}
"""Files that a replay must reproduce byte for byte."""


@dataclass(frozen=True)
class ReplaySource:
    """A finished run that is replayed."""

    folder: RunFolder
    record: RunRecord

    def decision(self, approval: str, turn: int) -> Decision | None:
        """Return decision number `turn`, from 0, at an approval; None when there is none."""
        return next(iter([d for d in self.record.decisions if d.gate == approval][turn:]), None)

    @property
    def registered_at(self) -> datetime | None:
        """Time at which the recorded run's protocol was registered; None when it was not."""
        found = read_registration(self.folder)
        return datetime.fromisoformat(found.registered) if found else None

    def begun(self, record: RunRecord) -> RunRecord:
        """Return the manifest of a replay that begins: the recorded run's, except for values of place and time."""
        old, first = self.record, self.record.replay_of
        command = old.settings.get("command")
        words = tuple(str(word) for word in command) if isinstance(command, list) else ()
        replay = Replay(
            folder=str(self.folder.root),
            run_id=first.run_id if first else old.run_id,
            started=first.started if first else old.started,
            command=first.command if first else words,
        )
        incidental = {name: value for name, value in record.settings.items() if name in INCIDENTAL_SETTINGS}
        return record.model_copy(
            update={
                "settings": {**old.settings, **incidental},
                "backend_reason": old.backend_reason,
                "replay_of": replay,
            }
        )

    def check_inputs(self, now: Mapping[str, str]) -> None:
        """Refuse a replay when a folder of inputs holds other files than in the recorded run.

        Raises:
            RunFolderError: Names the first such file.
        """
        later = Added(
            inputs=list(self.folder.read_list(AddedInput, ADDED))
        ).recorded  # added again at the same decision
        other = sorted(
            now.items() ^ {n: d for n, d in self.record.inputs.items() if n in now or n not in later}.items()
        )
        if other:
            name = other[0][0]
            what = (
                "changed" if name in now and name in self.record.inputs else "was added" if name in now else "is gone"
            )
            raise RunFolderError(
                f"{self.folder.root} cannot be replayed: its input {name} {what} since the run.",
                hint="Start a new run with the files at hand.",
            )

    def copy_ledger(self, target: Path) -> None:
        """Copy the recorded answers, all or nothing.

        Raises:
            RunFolderError: The ledger cannot be used.
            WorkspaceError: The copy cannot be written.
        """
        unfinished = target.with_name(f".tmp-{target.name}")
        try:
            with _snapshot(self.folder.path(LEDGER)) as answers, closing(sqlite3.connect(unfinished)) as copy:
                answers.backup(copy)
            unfinished.replace(target)
        except (OSError, sqlite3.DatabaseError) as error:
            with suppress(OSError):
                unfinished.unlink()
            raise WorkspaceError(f"cannot copy the ledger to {target}: {error}.", hint="Is the disk full?") from error


def open_source(root: Path, record: RunRecord) -> ReplaySource:
    """Open a run to be replayed; its folder is only read.

    Raises:
        RunFolderError: It is not finished, its ledger cannot be used, or an input file changed or is gone.
    """
    if record.status != "done":
        why = f"{record.status}: {record.stopped_by}" if record.stopped_by else record.status
        raise RunFolderError(
            f"{root} cannot be replayed: it is not finished ({why}).", hint=f"Finish it: bioresearcher resume {root}"
        )
    if any(d.gate == REVISE for d in record.decisions):
        raise RunFolderError(
            f"{root} cannot be replayed: its protocol was revised after comments.",
            hint="revisions/ in its folder holds the protocol before and after each; `bioresearcher reproduce` works.",
        )
    folder = RunFolder(root.resolve())
    if any(folder.root.glob(f"{LEDGER}.damaged-*")):
        raise RunFolderError(
            f"{root} cannot be replayed: its ledger was damaged and begun anew, so that recorded answers are missing."
        )
    with _snapshot(folder.path(LEDGER)):
        pass
    for name, digest in record.inputs.items():
        found = file_sha256(Path(name))
        if found != digest:
            what = "changed since the run" if found else "is gone or cannot be read"
            raise RunFolderError(
                f"{root} cannot be replayed: its input {name} {what}.", hint="Start a new run with the files at hand."
            )
    return ReplaySource(folder, record)


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a checked copy of the recorded answers: SQLite writes beside a database even when it only reads it.

    Raises:
        RunFolderError: There is no ledger, or it is damaged, empty or of a newer version.
    """
    if not path.is_file():
        raise RunFolderError(f"{path} is missing: without recorded answers nothing can be replayed.")
    with tempfile.TemporaryDirectory(prefix="bioresearcher-") as place:
        copy = Path(place, LEDGER)
        try:
            shutil.copyfile(path, copy)
            with suppress(FileNotFoundError):  # rows that a killed process had not yet moved into the database
                shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        except OSError as error:
            raise WorkspaceError(f"{path} cannot be copied: {error.strerror}.") from error
        with closing(sqlite3.connect(copy)) as db:
            _check(db, path)
            yield db


def _check(db: sqlite3.Connection, path: Path) -> None:
    try:
        known_format(db, path)
        (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
        (calls,) = db.execute("SELECT count(*) FROM calls").fetchone()
    except sqlite3.DatabaseError as error:
        raise RunFolderError(f"{path} cannot be replayed: it is damaged or no ledger ({error}).") from error
    if state != "ok":
        raise RunFolderError(f"{path} cannot be replayed: it is damaged ({state}).")
    if not calls:
        raise RunFolderError(f"{path} cannot be replayed: it holds no answers.")


def without_budget(settings: Settings) -> Settings:
    """Return the settings without a budget: a replay spends nothing and may take longer than the run did."""
    return settings.model_copy(update=dict.fromkeys(BUDGET))


def answers_of(source: ReplaySource, folder: RunFolder) -> Callable[[Backend], Backend]:
    """Return a wrapper that puts the recorded answers in the place of a backend of the run in `folder`."""

    def explain() -> str:
        return why_missing(source.record, folder.read(RunRecord, "run.json"))

    return lambda backend: ReplayBackend(backend, explain)


def why_missing(before: RunRecord, now: RunRecord) -> str:
    """Explain why a replay may ask a new question: by the first difference between the manifests."""
    changed = changes(before, now)
    if changed:
        return f"The first thing that is not as it was: {changed[0]}."
    return (
        "Versions, prompts, inputs and settings are as they were: a task that ran otherwise this time, or this "
        "machine's arithmetic, changed the question."
    )


def changes(before: RunRecord, now: RunRecord) -> tuple[str, ...]:
    """Return the differences between two manifests, as sentences without a full stop."""
    kept = {k: v for k, v in before.settings.items() if k not in INCIDENTAL_SETTINGS}
    new = {k: v for k, v in now.settings.items() if k not in INCIDENTAL_SETTINGS}
    return (
        *_changed("version of", before.versions, now.versions),
        *_changed("prompt, card or skill", before.digests, now.digests),
        *_changed("input", before.inputs, now.inputs),
        *_changed("setting", kept, new),
        *_changed("", {"sandbox": before.sandbox or "none works"}, {"sandbox": now.sandbox or "none works"}),
    )


def _changed(what: str, before: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> Iterator[str]:
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name, "absent"), now.get(name, "absent")
        if old != new:
            yield f"{what} {name} is {new}, was {old}".strip()


def compare(source: RunFolder, folder: RunFolder) -> tuple[dict[str, int], tuple[str, ...]]:
    """Compare two runs: (files compared per kind, names of those that differ or are in one folder only)."""
    compared, differing = {}, []
    for kind, patterns in COMPARED.items():
        names = sorted(_names(source.root, patterns) | _names(folder.root, patterns))
        compared[kind] = len(names)
        differing += [name for name in names if file_sha256(source.path(name)) != file_sha256(folder.path(name))]
    return compared, tuple(differing)


def _names(root: Path, patterns: tuple[str, ...]) -> set[str]:
    found = (p for pattern in patterns for p in root.glob(pattern) if not p.name.startswith("."))
    return {p.relative_to(root).as_posix() for p in found if p.is_file()}


def ended(source: ReplaySource, folder: RunFolder, record: RunRecord) -> RunRecord:
    """Return the manifest of a finished replay with the differing files."""
    replay = record.replay_of
    if replay is None:
        raise DefectError("a replay ended that had not begun")
    compared, differing = compare(source.folder, folder)
    result = {
        "compared": compared,
        "identical": not differing,
        "differing": differing,
        "changed": changes(source.record, record),
    }
    return record.model_copy(update={"replay_of": replay.model_copy(update=result)})
