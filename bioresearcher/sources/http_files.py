"""Files that are being downloaded: continued where they broke off, when the server's file is still the same."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class TooLarge(Exception):
    """The file has more bytes than may be fetched; `bytes` is how many, as far as is known."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.bytes = size


def resume_headers(part: Path) -> dict[str, str]:
    """What asks for the rest of a file, on the condition that it did not change; empty when it must be begun anew.

    Without an ETag or date nobody could tell whether the rest belongs to what is there.
    """
    try:
        have, same = part.stat().st_size, _note(part).read_text(encoding="ascii")
    except (OSError, ValueError):
        return {}
    return {"Range": f"bytes={have}-", "If-Range": same} if have and same else {}


def forget(part: Path) -> None:
    """Remove what is there of a file."""
    for path in (part, _note(part)):
        with suppress(OSError):
            path.unlink()


def finish(part: Path, dest: Path) -> None:
    """Give a whole file its name.

    Raises:
        OSError: It cannot be renamed.
    """
    part.replace(dest)
    forget(part)


async def save(answer: httpx.Response, part: Path, most: int) -> None:
    """Write an answer's bytes behind what is there when it is the rest, else in its place.

    Raises:
        TooLarge: The file has more than `most` bytes; nothing is kept.
        OSError: It cannot be written.
    """
    found = _RANGE.fullmatch(answer.headers.get("content-range", "")) if answer.status_code == 206 else None
    have = part.stat().st_size if found and part.exists() else 0
    rest = found is not None and int(found[1]) == have
    total = _length(answer) + (have if rest else 0)
    if total > most:
        forget(part)
        raise TooLarge(total)
    if not rest:
        forget(part)
        same = answer.headers.get("etag", "")
        same = answer.headers.get("last-modified", "") if not same or same.startswith("W/") else same
        _note(part).write_text(same.encode("ascii", "ignore").decode(), encoding="ascii")
    with part.open("ab" if rest else "wb") as file:
        async for piece in answer.aiter_raw():
            file.write(piece)
            if file.tell() > most:
                break
        size = file.tell()
    if size > most:
        forget(part)
        raise TooLarge(size)


def _note(part: Path) -> Path:
    """Beside the part: which version of the file it is of."""
    return part.with_name(f"{part.name}.etag.part")


def _length(answer: httpx.Response) -> int:
    said = answer.headers.get("content-length", "")
    return int(said) if said.isascii() and said.isdecimal() else 0
