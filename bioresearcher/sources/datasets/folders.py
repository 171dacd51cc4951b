"""Files that a program or a portal writes together: one protocol by which readers of folders give what they hold.

A reader is given the files of a data set and takes those that it knows; the others are left for the next reader and in
the end for the readers of single tables. What it knows and does not read it names, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bioresearcher.sources.datasets.formats import Table


@dataclass
class SideBySide:
    """A matrix of samples set side by side, with what was done."""

    samples: list[str]
    features: list[str]
    columns: list[dict[str, str]]
    used: list[Path]
    notes: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[list[str]]:
        """Yield the header and the rows."""
        yield ["gene", *self.samples]
        for feature in self.features:
            yield [feature, *(column.get(feature, "") for column in self.columns)]


@dataclass
class Found:
    """Result of a reader of folders.

    Attributes:
        tables: Each with the file that it came from; the names of the tables name their files.
        used: Files that no other reader is to look at.
        left: Files that were recognised and are not read, each with the reason.
        notes: What was done.
    """

    tables: list[tuple[Path, Table]] = field(default_factory=list)
    used: set[Path] = field(default_factory=set)
    left: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class FolderReader(Protocol):
    """A reader of files that belong together; None where there are none that it knows.

    Raises:
        InputError: They belong together, and cannot be read.
    """

    def __call__(self, paths: Sequence[Path], /) -> Found | None:
        """Take the files that belong together."""
        ...


def left_out(left: dict[Path, str]) -> list[str]:
    """The notes that name what was recognised and not read, a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for path, why in left.items():
        reasons.setdefault(why, []).append(path.name)
    return [f"Not read: {', '.join(sorted(names))} ({why})" for why, names in reasons.items()]
