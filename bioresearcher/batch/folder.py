"""The folder of a batch: its manifest, outcomes, spending and run folders.

Layout, in `<workspace>/batches/<name>/`::

    batch.json          BatchPlan: the manifest
    outcomes.jsonl      JobOutcome…: a line per finished attempt; the last one of an (id, repeat) counts
    spent.jsonl         the cost of every model call, a line each: the batch's budget is counted from it
    runs/<id>-r<repeat>-<digest>/    a run folder each, as those of `bioresearcher run`, with worker.log
    lock                held by the process that works on the batch
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from bioresearcher.batch.schema import BATCH_FORMAT, BatchPlan, JobOutcome
from bioresearcher.errors import RunFolderError, WorkspaceError
from bioresearcher.runfolder import write_text

PLAN, OUTCOMES, SPENT = "batch.json", "outcomes.jsonl", "spent.jsonl"


class BatchFolder:
    """Typed access to the folder of a batch."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, *parts: str) -> Path:
        """Return a path inside the folder."""
        return self.root.joinpath(*parts)

    def run_folder(self, name: str, repeat: int, digest: str) -> Path:
        """Return the run folder of an entry: the same for the same entry, so that no crash makes two of one."""
        return self.path("runs", f"{name}-r{repeat}-{digest[:8]}")

    def plan(self) -> BatchPlan | None:
        """Read the manifest; None when the batch was never started.

        Raises:
            RunFolderError: It is damaged, or was written by a newer version.
        """
        path = self.path(PLAN)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WorkspaceError(f"{path} cannot be read: {error.strerror}.") from error
        try:
            version = json.loads(raw)["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{path} is damaged or no batch manifest.") from error
        if not isinstance(version, int) or version > BATCH_FORMAT:
            raise RunFolderError(
                f"{self.root} was written by a newer version (format {version}, this version knows {BATCH_FORMAT}).",
                hint="Upgrade bioresearcher to work on it.",
            )
        try:
            return BatchPlan.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise RunFolderError(f"{path} is not a valid batch manifest: {where}: {first['msg']}.") from error

    def write_plan(self, plan: BatchPlan) -> None:
        """Write the manifest."""
        write_text(self.path(PLAN), plan.model_dump_json(indent=2) + "\n")

    def outcomes(self) -> dict[tuple[str, int], JobOutcome]:
        """Return the last outcome of each (id, repeat); a line that was cut off by a crash is passed over."""
        path, found = self.path(OUTCOMES), {}
        try:
            raw = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise WorkspaceError(f"{path} cannot be read: {error.strerror}.") from error
        for line in raw.splitlines():
            with suppress(ValidationError):
                outcome = JobOutcome.model_validate_json(line)
                found[outcome.id, outcome.repeat] = outcome
        return found

    def add(self, outcome: JobOutcome) -> None:
        """Append an outcome; it is on the disk when this returns.

        Raises:
            WorkspaceError: The file cannot be written.
        """
        append_line(self.path(OUTCOMES), outcome.model_dump_json(), sync=True)


def append_line(path: Path, line: str, *, sync: bool = False) -> None:
    """Append a line in one write; a last line that a crash had cut off is ended first, to spoil no other.

    Raises:
        WorkspaceError: The file cannot be written.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            text = (b"\n" if torn else b"") + line.encode("utf-8") + b"\n"
            if os.write(handle, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror}.", hint="Check permissions and space.") from error
