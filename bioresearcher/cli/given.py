"""What a person gives as text: typed, pasted, or `@FILE`; every mistake is one line."""

from __future__ import annotations

import re
from pathlib import Path

from bioresearcher.errors import InputError

MOST_BYTES = 1 << 20
_BULLET = re.compile(r"^\s*(?:[-*•–]|R?\d{1,4}[.):])\s+")


def given_text(value: str, what: str) -> str:
    """The text itself, or the contents of the file after `@`.

    Raises:
        InputError: The file is not there, a folder, empty, too large, or no text; `what` says what was asked for.
    """
    value = value.strip()
    if not value.startswith("@"):
        return value
    path = Path(value[1:].strip()).expanduser()
    try:
        if path.is_dir():
            raise InputError(f"{what}: {path} is a folder.", hint="Name a text file in it: @FILE.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{what}: {path} is larger than 1 MB.", hint="Papers and data are given as such.")
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, ValueError, RuntimeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else ""
        reason = reason or getattr(error, "strerror", None) or str(error)
        raise InputError(f"{what}: {path} cannot be read as text: {reason}.") from error
    if "\0" in text:
        raise InputError(f"{what}: {path} cannot be read as text: it is binary.")
    if not text.strip():
        raise InputError(f"{what}: {path} is empty.")
    return text.strip()


def given_items(value: str, what: str) -> list[str]:
    """The entries of a list: an item a line, without bullets and numbers.

    Raises:
        InputError: A file after `@` cannot be read.
    """
    lines = (" ".join(_BULLET.sub("", line).split()) for line in given_text(value, what).splitlines())
    return [line for line in lines if line]


def given_paths(value: str, what: str) -> list[Path]:
    """Files and folders, a path a line; each is there.

    Raises:
        InputError: One is not there, or is a folder with nothing in it.
    """
    found = []
    for line in value.splitlines():
        name = line.strip().strip("'\"").removeprefix("@")
        if not name:
            continue
        try:
            path = Path(name).expanduser().resolve()
            there = path.exists()
            filled = not path.is_dir() or any(path.iterdir())
        except (OSError, ValueError, RuntimeError) as error:  # over-long, NUL, a home of nobody, no permission
            raise InputError(f"{what}: {name[:200]} cannot be read: {error}.") from error
        if not there:
            raise InputError(f"{what}: {path} is not there.", hint="Paths are relative to the current folder.")
        if not filled:
            raise InputError(f"{what}: the folder {path} is empty.")
        found.append(path)
    return found
