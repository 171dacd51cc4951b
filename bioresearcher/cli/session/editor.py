"""Editing a text in the person's own editor."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path

from bioresearcher.errors import InputError

_UNCHANGED = "The text is unchanged."


async def edit_text(text: str, suffix: str) -> str:
    """The text after `$VISUAL` or `$EDITOR` wrote it back; the editor gets the terminal as it is.

    Raises:
        InputError: No editor is set, it cannot be started, it ended with an error, or it left no text.
    """
    setting = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        command = shlex.split(setting)
    except ValueError as error:
        raise InputError(f"EDITOR cannot be understood: {setting!r}.", hint=_UNCHANGED) from error
    if not command:
        raise InputError("no editor is set.", hint="Set EDITOR, for example: export EDITOR=nano")
    handle, name = tempfile.mkstemp(prefix="bioresearcher-", suffix=suffix)
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            process = await asyncio.create_subprocess_exec(*command, name)
        except OSError as error:
            raise InputError(
                f"the editor {command[0]} cannot be started: {error.strerror}.", hint=_UNCHANGED
            ) from error
        code = await process.wait()
        if code != 0:
            raise InputError(f"the editor {command[0]} ended with exit code {code}.", hint=_UNCHANGED)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"what the editor wrote cannot be read: {error}.", hint=_UNCHANGED) from error
    finally:
        with suppress(OSError):
            path.unlink()
