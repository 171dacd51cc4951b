"""SOFT, GEO's text format: entities with attributes and, each, at most one table; read as a stream.

`^KIND = name` begins an entity, `!key = value` is an attribute (repeated keys are lists), `#COLUMN = …` describes a
column; a table stands between `!…_table_begin` and `!…_table_end`, in old files without these marks.
Format: https://www.ncbi.nlm.nih.gov/geo/info/soft.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bioresearcher.errors import InputError
from bioresearcher.sources.lines import Lines, StreamedTable

MAX_ATTRIBUTES = 200_000
"""Attribute lines an entity may have: a series of 100,000 samples has that many."""

MAX_ATTRIBUTE_CHARS = 64 << 20

NOT_SOFT = "Expected SOFT text: lines that begin with ^, ! or #, as GEO gives them."


@dataclass
class SoftEntity(StreamedTable):
    """One entity. Its table, if any, is read from the stream: go through `rows()` before the next entity, or never.

    Attributes:
        kind: `SERIES`, `SAMPLE`, `PLATFORM`, `DATASET`, `SUBSET`, `DATABASE`, … in upper case.
        name: What stands after `=`; an accession in files from GEO.
        attributes: Key without the kind before it, in lower case -> values in order, empty ones left out.
        columns: Column name -> its description.
    """

    kind: str
    name: str
    attributes: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)

    def first(self, key: str) -> str:
        """The first value of an attribute; empty when there is none."""
        return next(iter(self.attributes.get(key, ())), "")

    def text(self, key: str) -> str:
        """All values of an attribute as one text."""
        return " ".join(self.attributes.get(key, ()))


def entities(lines: Lines) -> Iterator[SoftEntity]:
    """The file's entities in order.

    Raises:
        InputError: It is no SOFT file, or beyond the limits.
    """
    reader = _Reader(lines)
    while (entity := reader.next_entity()) is not None:
        yield entity
        for _ in entity.rows():
            pass  # a table nobody wanted


class _Reader:
    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._iterator = iter(lines)
        self._held: str | None = None

    def _line(self) -> str | None:
        if self._held is not None:
            line, self._held = self._held, None
            return line
        return next(self._iterator, None)

    def next_entity(self) -> SoftEntity | None:
        line = self._line()
        while line is not None and not line.strip():
            line = self._line()
        if line is None:
            if self._lines.number == 0:
                raise InputError(f"{self._lines.name}: the file is empty.")
            return None
        if not line.startswith("^"):
            raise InputError(
                f"{self._lines.name}: line {self._lines.number} begins no entity ({line[:40]!r}).", hint=NOT_SOFT
            )
        kind, _, name = line[1:].partition("=")
        entity = SoftEntity(kind.strip().upper(), name.strip())
        self._read_attributes(entity)
        return entity

    def _read_attributes(self, entity: SoftEntity) -> None:
        count = chars = 0
        while (line := self._line()) is not None:
            if line.startswith("^"):
                self._held = line
                return
            if line.startswith("!"):
                key, value = _attribute(line)
                if key.endswith("table_begin"):
                    self._begin_table(entity, marked=True)
                    return
                if not value or key.endswith("table_end"):
                    continue
                entity.attributes.setdefault(key, []).append(value)
            elif line.startswith("#"):
                name, _, value = line[1:].partition("=")
                entity.columns[name.strip()] = value.strip()
            elif line.strip():
                self._held = line
                self._begin_table(entity, marked=False)
                return
            count, chars = count + 1, chars + len(line)
            if count > MAX_ATTRIBUTES or chars > MAX_ATTRIBUTE_CHARS:
                raise InputError(f"{self._lines.name}: {entity.kind} {entity.name[:40]} has too many attributes.")

    def _begin_table(self, entity: SoftEntity, *, marked: bool) -> None:
        line = self._line()
        if line is not None and not (marked and _ends_table(line)):
            entity.header = line.split("\t")
            entity._rows = self._table(entity, marked=marked)

    def _table(self, entity: SoftEntity, *, marked: bool) -> Iterator[list[str]]:
        while (line := self._line()) is not None:
            if marked and _ends_table(line):
                return
            if not marked and line.startswith(("^", "!")):
                self._held = line
                return
            if line:
                yield line.split("\t")
        if marked:
            raise InputError(
                f"{self._lines.name}: the file ends within the table of {entity.name[:40]}: it is cut off.",
                hint="Download it again.",
            )


def _ends_table(line: str) -> bool:
    return line.startswith("!") and line.rstrip().lower().endswith("_table_end")


def _attribute(line: str) -> tuple[str, str]:
    """`!Sample_title = x` -> (`title`, `x`)."""
    name, _, value = line[1:].partition("=")
    name = name.strip().lower()
    prefix, _, key = name.partition("_")
    return (key or prefix), value.strip()
