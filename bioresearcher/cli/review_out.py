"""Where what `review` has to say goes: a file or the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from bioresearcher.errors import InputError


def put(text: str, output: Path | None) -> None:
    """Write to the file and name it, or print; letters the terminal does not know become question marks.

    Raises:
        InputError: The file cannot be written.
    """
    if output is not None:
        from bioresearcher.runfolder import write_text

        try:
            write_text(output, text)
        except OSError as error:
            raise InputError(f"--output {output} cannot be written: {error.strerror}.") from error
        print(output)
        return
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))


def draw(markdown: str, output: Path | None) -> None:
    """Draw Markdown in the terminal; into a file or a pipe it goes as plain lines.

    Raises:
        InputError: The file cannot be written.
    """
    from rich.console import Console

    from bioresearcher.cli.session.layout import Sheet

    sheet = Sheet(markdown)
    if output is None and sys.stdout.isatty():
        Console(highlight=False).print(sheet)
    else:
        put("\n".join([*sheet.lines(), ""]), output)
