"""Text forms: what a person edits in an editor, and how it is read back.

::

    # a note: lines that begin with # are not read
    name: a value, which may go on
      in lines that begin with blanks
    list:
      - an item
    [1] a block, with fields of its own
    name: value

Pure functions. What stands in a form is untrusted text without line ends and marks that are not seen; a value that is
as it was shown is taken to be unchanged, so that a form that was not edited changes nothing.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bioresearcher.text.visible import one_line

WIDTH = 100
MOST_CHARS = 400_000
NONE = "–"
"""How an empty list is written."""
_BLOCK = re.compile(r"\[([^\[\]]{0,40})\](.*)", re.DOTALL)
_FIELD = re.compile(r"([a-z][a-z ]{0,30}):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What cannot be understood, and in which line."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class FormError(Exception):
    """A form that cannot be read back; one mistake per line that is wrong."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


@dataclass(slots=True)
class Field:
    """A field as it was typed; `pieces` are its lines with their numbers."""

    line: int
    pieces: list[tuple[int, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it on one line."""
        return one_line(" ".join(text for _, text in self.pieces))

    def items(self) -> list[tuple[int, str]]:
        """Its items with their lines: those that begin with `- `, what follows one belongs to it."""
        found: list[tuple[int, str]] = []
        for line, text in self.pieces:
            said = one_line(text)
            if said.startswith("- "):
                found.append((line, said[2:].strip()))
            elif said and said not in {NONE, "-"}:
                if found:
                    found[-1] = (found[-1][0], f"{found[-1][1]} {said}")
                else:
                    found.append((line, said))
        return found

    def names(self) -> list[str]:
        """Its names, separated by commas; none for a dash."""
        return [n for n in (one_line(n) for n in self.text.split(",")) if n and n not in {NONE, "-"}]


@dataclass(slots=True)
class Block:
    """A block as it was typed; the one before the first block has no id."""

    line: int
    id: str
    title: str
    fields: dict[str, Field] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """A field on one line; the default where it was left out."""
        return self.fields[name].text if name in self.fields else default


def write_field(name: str, text: str) -> list[str]:
    """A field in lines that an editor shows whole."""
    said = one_line(text)
    lines = textwrap.wrap(said, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    if not lines:
        return [f"{name}:"]
    head = f"{name}: {lines[0]}"
    if len(lines) == 1 and len(head) <= WIDTH:
        return [head]
    return [f"{name}:", *(f"  {line}" for line in lines)]


def write_items(name: str, items: Iterable[str]) -> list[str]:
    """A field with an item a line."""
    return [f"{name}:", *(f"  - {one_line(item)}" for item in items)]


def write_names(name: str, names: Iterable[str]) -> str:
    """A field with names on one line."""
    return f"{name}: {', '.join(map(one_line, names)) or NONE}"


def read_form(text: str, known: Sequence[str]) -> list[Block]:
    """The blocks of a form, the fields before the first one as a block without id.

    Args:
        text: As it came from the editor.
        known: Names of fields that may stand in it.

    Raises:
        FormError: A line is neither, or a field is unknown or stands twice.
    """
    if len(text) > MOST_CHARS:
        raise FormError([Mistake(1, f"the text has {len(text):,} characters; at most {MOST_CHARS:,} are read")])
    blocks = [Block(0, "", "")]
    mistakes: list[Mistake] = []
    now: Field | None = None
    for number, raw in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = raw.rstrip()
        if not line or line.startswith("#"):
            continue
        if line[0].isspace():
            if now is None:
                mistakes.append(
                    Mistake(number, "this goes on, but nothing stands before it; begin at the first column")
                )
            else:
                now.pieces.append((number, line))
            continue
        head = _BLOCK.fullmatch(line)
        named = _FIELD.fullmatch(line)
        if head:
            blocks.append(Block(number, one_line(head[1]), one_line(head[2])))
            now = None
        elif named and named[1] in known:
            now = Field(number, [(number, named[2])])
            if named[1] in blocks[-1].fields:
                mistakes.append(Mistake(number, f"{named[1]} stands here twice"))
            blocks[-1].fields[named[1]] = now
        elif named:
            mistakes.append(Mistake(number, f"there is no field {named[1]}; there are {', '.join(known)}"))
            now = Field(number)
        else:
            mistakes.append(Mistake(number, "begin with [number] title, with a field's name and a colon, or with #"))
            now = None
    if mistakes:
        raise FormError(mistakes)
    return blocks
