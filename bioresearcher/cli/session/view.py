"""What a view is made from: a run folder, what was asked of it, and what a run in this process knows better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bioresearcher.errors import InputError
from bioresearcher.llm.ledger import usage_rows
from bioresearcher.schemas.run import RunRecord

if TYPE_CHECKING:
    from rich.text import Text

    from bioresearcher.llm.budget import Meter
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.schemas.usage import UsageRow

STAMPS: Final = {"retracted": "RETRACTED", "concern": "EXPRESSION OF CONCERN", "corrected": "corrected later"}
"""How a paper is marked that something was published about."""


@dataclass(frozen=True)
class Live:
    """What a run under way in this process knows better than its folder.

    Attributes:
        tree: The lines of its stage tree, for a width.
        meter: What it spent against its budget; None when there is no limit.
    """

    tree: Callable[[int], Sequence[Text]]
    meter: Meter | None = None


@dataclass(frozen=True)
class View:
    """A question to a run folder, such as `/papers 3`.

    Attributes:
        folder: The run folder, finished or not.
        argument: What followed the name; empty for the whole.
        width: Columns of the terminal.
        live: None when the run is not under way in this process.
    """

    folder: RunFolder
    argument: str = ""
    width: int = 80
    live: Live | None = None

    @property
    def asked(self) -> str:
        """The argument without white space around it."""
        return self.argument.strip()

    def record(self) -> RunRecord | None:
        """The manifest, or None before the run has written it."""
        return self.folder.read(RunRecord, "run.json") if self.folder.has("run.json") else None

    def usage(self) -> tuple[UsageRow, ...]:
        """What models were asked so far, from the ledger; from the manifest when that cannot be read."""
        rows = usage_rows(self.folder.path("ledger.sqlite")) if self.folder.has("ledger.sqlite") else ()
        record = self.record() if rows is None else None
        return rows if rows is not None else record.usage if record else ()


def chosen(view: View, name: str, ids: Sequence[str]) -> str:
    """The id that the argument means: as it is, apart from case, or its number in the list, from 1 on.

    Raises:
        InputError: It means none of them.
    """
    asked = view.asked
    for identifier in ids:
        if identifier.casefold() == asked.casefold():
            return identifier
    if asked.isdecimal() and 1 <= int(asked) <= len(ids):
        return ids[int(asked) - 1]
    known = f"1 to {len(ids)}, or an id such as {ids[0]}" if ids else "there is none yet"
    raise InputError(f"/{name}: {asked[:60]!r} is not in the list.", hint=f"Say {known}.")
