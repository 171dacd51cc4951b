"""Ratings of items by people and machines, read from a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.review.check import short
from bioresearcher.schemas.review import Level
from bioresearcher.text.visible import one_line

MAX_BYTES = 50_000_000
"""Largest file that is read."""
MAX_LABELS = 50
"""Largest number of different labels; a column with more holds no ratings."""

_COLUMNS = "Columns: item, rater, label, and the machine's labels as column `machine` (or `machine_…`) or as raters."


@dataclass(frozen=True)
class Item:
    """A rated item; labels are positions in the scale."""

    name: str
    human: tuple[int, ...]
    machine: tuple[int, ...]


@dataclass(frozen=True)
class Ratings:
    """All items with at least one human label, the scale, and notes on what was left out.

    Attributes:
        by_rater: For each person, item name -> position of the label in the scale.
    """

    labels: tuple[str, ...]
    level: Level
    items: tuple[Item, ...]
    by_rater: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """The labels as numbers; their positions where they are words."""
        return tuple(float(x) for x in self.labels) if _numbers(self.labels) else tuple(map(float, range(len(self))))

    def __len__(self) -> int:
        return len(self.labels)


def read_ratings(
    path: Path, *, machines: Sequence[str] = (), level: Level | None = None, scale: Sequence[str] = ()
) -> Ratings:
    """Read ratings in long form: a line per item and rater.

    Args:
        path: A CSV or TSV file with a header; other columns are left alone.
        machines: Raters that are machines, in addition to the columns whose name starts with `machine`.
        level: Level of measurement; ordinal for numbers and nominal for words by default.
        scale: All labels in order, for scales with labels that nobody used.

    Raises:
        InputError: Not a readable table, a column is missing, labels do not fit the scale, or no person rated.
    """
    rows, names = _rows(path)
    rater_column = names.get("rater")
    lacking = [c for c in ("item", "label") if c not in names] + ([] if rater_column else ["rater"])
    if lacking:
        raise InputError(f"{path} has no column {', '.join(lacking)}.", hint=_COLUMNS)
    machine_columns = [original for low, original in names.items() if low.startswith("machine")]
    human: dict[str, dict[str, str]] = {}
    machine: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, 2):
        item, rater = (row.get(names["item"]) or "").strip(), (row.get(names["rater"]) or "").strip()
        label = (row.get(names["label"]) or "").strip()
        if not item:
            continue
        if rater and label:
            _put(machine if rater in machines else human, item, rater, label, path, number)
        for column in machine_columns:
            label = (row.get(column) or "").strip()
            if label:
                _put(machine, item, column, label, path, number)
    return _ratings(path, human, machine, level, scale)


def _put(found: dict[str, dict[str, str]], item: str, rater: str, label: str, path: Path, line: int) -> None:
    known = found.setdefault(item, {}).setdefault(rater, label)
    if known != label:
        both = f"{one_line(known, 40)} and {one_line(label, 40)}"
        raise InputError(
            f"{path}, line {line}: {one_line(rater, 40)} labels {one_line(item, 40)} both {both}.",
            hint="One label per item and rater.",
        )


def _rows(path: Path) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Read the rows, and the mapping of lower-case column names to those in the file."""
    if not path.is_file():
        raise InputError(f"{path} is not there.", hint="Check the name.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES // 10**6} MB.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text.", hint=_COLUMNS) from error
    head = text.partition("\n")[0]
    delimiter = max("\t;,", key=head.count)
    try:
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
        rows = [{k: v for k, v in row.items() if isinstance(k, str) and isinstance(v, str)} for row in reader]
    except csv.Error as error:
        raise InputError(f"{path} is not a readable table: {short(str(error))}.", hint=_COLUMNS) from error
    return rows, {name.strip().lower(): name for name in reader.fieldnames or ()}


def _ratings(
    path: Path,
    human: dict[str, dict[str, str]],
    machine: dict[str, dict[str, str]],
    level: Level | None,
    scale: Sequence[str],
) -> Ratings:
    if not human:
        raise InputError(f"{path} holds no label by a person.", hint=_COLUMNS)
    labels = _scale(path, [x for table in (human, machine) for row in table.values() for x in row.values()], scale)
    place = {_key(label): n for n, label in enumerate(labels)}
    kept = level or ("ordinal" if _numbers(labels) or scale else "nominal")
    if kept == "interval" and not _numbers(labels):
        raise InputError("--level interval needs labels that are numbers.", hint="Use ordinal or nominal.")
    by_rater: dict[str, dict[str, int]] = {}
    for item, row in human.items():
        for rater, label in row.items():
            by_rater.setdefault(rater, {})[item] = place[_key(label)]
    items = tuple(
        Item(
            name=item,
            human=tuple(place[_key(x)] for x in row.values()),
            machine=tuple(place[_key(x)] for x in machine.get(item, {}).values()),
        )
        for item, row in human.items()
    )
    lost = sorted(set(machine) - set(human))
    notes = [f"{len(lost)} items have machine labels only and are left out"] if lost else []
    bare = sum(not i.machine for i in items)
    if machine and bare:
        notes.append(f"{bare} of {len(items)} items have no machine label; they count among people only")
    if not machine:
        notes.append("there are no machine labels: only people are compared")
    return Ratings(labels, kept, items, by_rater, tuple(notes))


def _scale(path: Path, found: list[str], scale: Sequence[str]) -> tuple[str, ...]:
    keys = {_key(x): x for x in reversed(found)}
    if scale:
        known = {_key(x) for x in scale}
        foreign = [x for k, x in keys.items() if k not in known]
        if foreign:
            raise InputError(f"{path}: the label {one_line(foreign[0], 40)} is not on the scale.", hint="See --scale.")
        return tuple(scale)
    if len(keys) > MAX_LABELS:
        raise InputError(
            f"{path} holds {len(keys)} different labels; at most {MAX_LABELS} are compared.",
            hint="Round the labels to the scale people used.",
        )
    numbers = _numbers(keys.values())
    return tuple(sorted(keys.values(), key=float) if numbers else sorted(keys.values()))


def _key(label: str) -> str:
    """Normalise the spelling of a label: `3` and `3.0`, `Good` and `good` become equal."""
    try:
        number = float(label)
    except ValueError:
        return label.casefold()
    return repr(number) if math.isfinite(number) else label.casefold()


def _numbers(labels: Iterable[str]) -> bool:
    try:
        return all(math.isfinite(float(x)) for x in labels)
    except ValueError:
        return False
