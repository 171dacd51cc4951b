"""The run folder: where each value of a run lives, written atomically.

Layout (ids are safe as file names)::

    run.json                      RunRecord, the manifest
    path.json                     ChosenPath
    search.json  screening.json   SearchRound…, ScreenedPaper…
    status.json                   StatusCheck…: retraction status when the report was written
    papers/<paper>.json           Paper          documents/<paper>.json         Document (canonical text)
    datasets/<dataset>.json       Dataset        checks.json                    DatasetCheck…
    datasets_found.json           Dataset…, all that were found
    facts.json  looks.json        Audit, LookRecord…: the author's looks, then the reviewer's
    reports/<paper>.json          PaperReport    analyses/<paper>.json          ReferabilityAnalysis
    design/…                      headings, outlines and parts as they were before assembly
    protocol.json  protocol.md  protocol-evidence.md  protocol-script.py
    registration.json             Registration: digests and time of the approved protocol, and its amendments
    registered/                   the plan as it was approved: protocol.json, protocol.md; never changed
    tasks/<task>/                 task.json, record.json, code.py, attempts/, outputs/
    revisions/<n>/                revision.json (Revision), before.json, after.json, diff.txt, tasks/
    rounds.json  review.json      DraftReview…, Review
    report.md  report.html  report/*.html  report/*.md  evidence.json   EvidenceGraph
    questions.jsonl               LibraryAnswer…, a line a question
    events.jsonl  ledger.sqlite  checkpoints.sqlite  lock
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from bioresearcher.errors import RunFolderError, WorkspaceError
from bioresearcher.schemas.base import Value

V = TypeVar("V", bound=Value)

_SAFE_ID = re.compile(r"[^A-Za-z0-9._-]+")


def safe_name(text: str) -> str:
    """Make a file name of any text: ASCII letters, digits, `.`, `_`, `-`; never empty, never hidden."""
    name = _SAFE_ID.sub("-", text).strip("-.")[:80]
    return name or "item"


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: temporary file in the same folder, fsync, rename.

    Raises:
        WorkspaceError: The folder cannot be written (permissions, full disk).
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Like `write_text`, for bytes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise WorkspaceError(
            f"cannot write {path}: {error.strerror or error}.",
            hint="Check permissions and free space, or choose another folder with --workspace DIR.",
        ) from error


def file_sha256(path: Path) -> str:
    """Compute the sha256 of a file, in hex; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


class RunFolder:
    """Typed access to a run folder. Values are JSON, UTF-8, two-space indented, keys in schema order."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, *parts: str) -> Path:
        """Return a path inside the folder."""
        return self.root.joinpath(*parts)

    def has(self, *parts: str) -> bool:
        """Check whether a file exists."""
        return self.path(*parts).is_file()

    def write(self, value: Value, *parts: str) -> None:
        """Write one value."""
        write_text(self.path(*parts), value.model_dump_json(indent=2) + "\n")

    def read(self, kind: type[V], *parts: str) -> V:
        """Read one value.

        Raises:
            RunFolderError: The file is missing or does not fit the schema.
        """
        path = self.path(*parts)
        try:
            return kind.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise RunFolderError(
                f"{path} is missing.", hint="Is this a finished run? `bioresearcher resume` completes one."
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise RunFolderError(f"{path} is not a valid {kind.__name__}: {where}: {first['msg']}.") from error

    def write_list(self, values: Iterable[Value], *parts: str) -> None:
        """Write values as a JSON array."""
        rows = [json.loads(v.model_dump_json()) for v in values]
        write_text(self.path(*parts), json.dumps(rows, indent=2, ensure_ascii=False) + "\n")

    def read_list(self, kind: type[V], *parts: str) -> tuple[V, ...]:
        """Read a JSON array of values; a missing file is an empty array."""
        path = self.path(*parts)
        if not path.is_file():
            return ()
        try:
            return tuple(TypeAdapter(list[kind]).validate_json(path.read_bytes()))  # type: ignore[valid-type] # the kind is a value here
        except ValidationError as error:
            raise RunFolderError(f"{path} is not a valid list of {kind.__name__}.") from error

    def append(self, value: Value, *parts: str) -> None:
        """Add a value as a line of a JSONL file; the line is written at once.

        Raises:
            WorkspaceError: The folder cannot be written.
        """
        path = self.path(*parts)
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                size = os.fstat(handle).st_size
                torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a crash cut the line before this one
                os.write(handle, b"\n" * torn + value.model_dump_json().encode("utf-8") + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise WorkspaceError(f"cannot write {path}: {error.strerror}.") from error

    def read_lines(self, kind: type[V], *parts: str) -> tuple[V, ...]:
        """Read the values of a JSONL file in order; none when it is missing. A line that a crash cut is skipped."""
        path = self.path(*parts)
        lines = path.read_bytes().splitlines() if path.is_file() else []
        found = []
        for line in lines:
            with suppress(ValidationError):
                found.append(kind.model_validate_json(line))
        return tuple(found)

    def read_all(self, kind: type[V], folder: str) -> tuple[V, ...]:
        """Read all values in a folder of JSON files, by file name."""
        base = self.path(folder)
        names = sorted(p.name for p in base.glob("*.json")) if base.is_dir() else []
        return tuple(self.read(kind, folder, name) for name in names)
