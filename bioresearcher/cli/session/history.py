"""What was typed, kept in the workspace for the next session; only its owner may read it."""

from __future__ import annotations

import os
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from bioresearcher.cli.session.pasted import has_mark

LONGEST_KEPT = 4_000
"""Characters of an entry; longer ones are not kept."""


class _Short(FileHistory):
    """Entries of a sensible length; a stand-in for a pasted text means nothing later."""

    def append_string(self, string: str) -> None:
        if string.strip() and len(string) <= LONGEST_KEPT and not has_mark(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        try:
            super().store_string(string)
        except OSError:  # a full disk: typing goes on, and the run says it itself
            return


def open_history(path: Path) -> History:
    """The history in a file of mode 0600; where it cannot be written, one that is forgotten at the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
    except OSError:
        return InMemoryHistory()
    return _Short(path)
