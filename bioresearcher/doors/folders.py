"""Containment of the paths that a client names: only what lies below the folders named at start."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bioresearcher.errors import InputError

MOST_ENTRIES: Final = 20_000
"""Files and folders of a folder that are looked at for links that lead out."""


class Folders:
    """The workspace and the folders whose files may be used; relative paths begin in the first of them."""

    def __init__(self, workspace: Path, more: Sequence[Path] = ()) -> None:
        """Resolve the folders.

        Raises:
            InputError: A folder is not there.
        """
        for folder in more:
            if not folder.is_dir():
                raise InputError(f"--folder {folder}: there is no such folder.")
        self.workspace = workspace.resolve()
        self.roots = tuple(dict.fromkeys([*(folder.resolve() for folder in more), self.workspace]))

    def path(self, name: str) -> Path:
        """Return an existing file or folder below one of the folders.

        Raises:
            InputError: It is elsewhere, also by a link in it, or is not there.
        """
        if not name.strip() or "\0" in name or len(name) > 4_096:
            raise InputError("a path is empty, too long, or holds a NUL.")
        try:
            found = (self.roots[0] / name).resolve()
            inside = self._holds(found)
            there = inside and found.exists()
        except (OSError, RuntimeError) as error:
            raise InputError(f"{name[:200]} cannot be used as a path.") from error
        if not inside:
            raise InputError(f"{name[:200]} lies outside the folders of this server.", hint=self.hint)
        if not there:
            raise InputError(f"{name[:200]} is not there.", hint=self.hint)
        self._refuse_links(found, name)
        return found

    def run(self, name: str) -> Path:
        """Return a run folder by its name in the workspace or its path.

        Raises:
            InputError: There is none, or it lies elsewhere.
        """
        runs = self.workspace / "runs"
        if name not in ("", "..") and name == Path(name).name and (runs / name).is_dir():
            name = str(runs / name)
        found = self.path(name)
        if not found.is_dir():
            raise InputError(f"{name[:200]} is a file, not a run folder.", hint="list_runs names the runs.")
        return found

    @property
    def hint(self) -> str:
        """The folders in words."""
        return f"Its folders: {', '.join(map(str, self.roots))}."

    def _holds(self, path: Path) -> bool:
        return any(path == root or path.is_relative_to(root) for root in self.roots)

    def _refuse_links(self, folder: Path, name: str) -> None:
        """Refuse a folder with a link that leads out, or with too many files to tell."""
        seen = 0
        for place, folders, files in os.walk(folder):
            for entry in (*folders, *files):
                path = Path(place, entry)
                if path.is_symlink() and not self._holds(Path(os.path.realpath(path))):
                    raise InputError(f"{name[:200]} holds a link that leads out of the folders: {entry[:200]}.")
                seen += 1
                if seen > MOST_ENTRIES:
                    raise InputError(f"{name[:200]} holds more than {MOST_ENTRIES:,} files.", hint="Name one of them.")
