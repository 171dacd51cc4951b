"""Files of a run as a browser may have them: found inside the run folder only, with types that nobody guesses."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from bioresearcher.runfolder import RunFolder

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".ipynb": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
"""Suffix -> content type; `TEXTS` are plain text, and all else is given as bytes to be saved."""
TEXTS: Final = frozenset(
    ".md .txt .tsv .csv .jsonl .log .py .r .toml .yaml .yml .xml .ris .bib .diff .bed .gmt".split()
)
BYTES: Final = "application/octet-stream"
_MOST_PARTS: Final = 12
_PRIVATE: Final = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock")
PAGES: Final = (
    ("report.html", "Report"),
    ("protocol.md", "Protocol"),
    ("protocol-evidence.md", "Evidence of the protocol"),
    ("report.md", "Report as text"),
    ("notebook.ipynb", "Notebook"),
    ("manuscript.docx", "Manuscript"),
    ("ro-crate-metadata.json", "Research object crate"),
)
"""Files of a run that are named on its page, as far as they are there."""


def find_file(folder: RunFolder, relative: str) -> Path | None:
    """Find a file of a run by its path in the folder; None for all that a browser does not get.

    Nothing outside of the folder, nothing behind a link, nothing hidden, and neither databases nor locks.
    """
    pure = PurePosixPath(relative)
    parts = pure.parts
    if not parts or pure.is_absolute() or len(parts) > _MOST_PARTS or "\0" in relative or "\\" in relative:
        return None
    if any(part.startswith(".") for part in parts) or pure.name == "lock" or pure.name.endswith(_PRIVATE):
        return None
    path = folder.root
    try:
        for part in parts:
            path = path / part
            if path.is_symlink():
                return None
        return path if path.is_file() else None
    except OSError:
        return None


def content_type(path: Path) -> str:
    """Return the content type by the suffix."""
    suffix = path.suffix.lower()
    return TYPES.get(suffix, "text/plain; charset=utf-8" if suffix in TEXTS else BYTES)


def named_pages(folder: RunFolder) -> list[tuple[str, str]]:
    """Return path and title of the files that people read, then the other pages of the report."""
    found = [(name, title) for name, title in PAGES if find_file(folder, name)]
    more = sorted(p.name for p in folder.path("report").glob("*.html")) if folder.path("report").is_dir() else []
    return found + [(f"report/{name}", f"Report: {name.removesuffix('.html').replace('-', ' ')}") for name in more]
