"""Blocks of a sheet's columns whose link to the rest a rehearsal must not show, and how they lie on other samples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from bioresearcher.audit.derived import name_prefix, series_of
from bioresearcher.audit.leaks import Withheld, find_withheld, gives_away
from bioresearcher.audit.sheet_views import plan_sheet
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import DataFile
from bioresearcher.schemas.question import Question

T = TypeVar("T", str, tuple[str, ...])

_NAME_CHARS, _NAME_WORDS = 40, 4
_PIECE = re.compile(r"([A-Za-z0-9]+)")


@dataclass(frozen=True)
class Blocks:
    """Blocks of a sheet's columns.

    Attributes:
        blocks: Label -> columns, outcomes or groups first.
        main: Label -> number of these; not of a column that is a block of its own.
        persons: Columns with units of analysis, persons or pairs that stay with their samples.
        texts: Columns with free texts.
        named: Columns with names of samples and persons.
        names_tell: True if the samples' names give an outcome or a group away.
    """

    blocks: Mapping[str, tuple[str, ...]]
    main: Mapping[str, int]
    persons: tuple[str, ...]
    texts: tuple[str, ...]
    named: frozenset[str]
    names_tell: bool


def plan_blocks(cells: Mapping[str, Sequence[str]], file: DataFile, objective: Objective, *, measured: bool) -> Blocks:
    """Divide a sheet's columns into blocks; those in none stay with their samples."""
    id_column = file.sample_column if file.sample_column in cells else None
    units = units_of(cells, id_column)
    plan = plan_sheet(cells, file.columns, objective, units=units, id_column=id_column, measured=measured)
    placed = {*plan.open, *plan.design, *plan.alone, *(n for part in plan.outcomes for n in part)}
    left = [n for n in cells if n not in placed and n != id_column]
    names = {n for n in left if names_rows(cells[n])}
    persons = set(plan.recoded)
    ids = names | persons | ({id_column} if id_column is not None else set())
    found = find_withheld(cells, file.columns, objective, measured=measured, ids=ids)
    main = _main_blocks(found)
    blocks = {label: [w.column for w in members] for label, members in main.items()}
    for leak in (w for w in found if w.reason == "gives it away"):
        told = {b for b, members in main.items() if gives_away(cells[leak.column], members, cells)}
        told |= {b for b, members in main.items() if leak.of in {w.column for w in members}}
        blocks.setdefault(told.pop() if len(told) == 1 else f"column {leak.column}", []).append(leak.column)
    taken = {n for members in blocks.values() for n in members}
    texts = [n for n in left if n not in names | taken]
    for text in texts:
        blocks.setdefault(next(iter(main)) if len(main) == 1 else f"column {text}", []).append(text)
    ends = [w for members in main.values() for w in members]
    for name in sorted((names | persons) - {id_column}):
        if _tells(cells[name], ends, cells):
            blocks[f"column {name}"] = [name]
    taken = {n for members in blocks.values() for n in members}
    roles = {c.name: c.role for c in file.columns}
    owners = [n for n in cells if n not in taken and (n in persons or roles.get(n) in ("unit", "pair"))]
    return Blocks(
        blocks={label: tuple(members) for label, members in blocks.items()},
        main={label: len(members) for label, members in main.items()},
        persons=tuple(sorted(owners, key=lambda n: (roles.get(n) != "unit", roles.get(n) != "pair"))),
        texts=tuple(texts),
        named=frozenset(ids),
        names_tell=id_column is not None and _tells(units, ends, cells),
    )


def keep_together(
    plan: Blocks, cells: Mapping[str, Sequence[str]], questions: Sequence[Question], id_column: str | None
) -> Blocks:
    """Let columns that a question reads off others move with the groups it compares.

    So patients in titles still have a sample of each group when the groups lie on other samples.

    Args:
        plan: The blocks without the questions.
        cells: The sheet with the columns that are read off others.
        questions: Those of this data set.
        id_column: Column of the samples' names, which are shuffled by other means.
    """
    blocks = {label: list(members) for label, members in plan.blocks.items()}
    main = dict(plan.main)
    for question in questions:
        groups = question.contrast.column if question.contrast is not None else ""
        read = {d.name: d.source for d in question.derived if d.source in cells and d.source != id_column}
        wanted = list(dict.fromkeys(n for n in (read.get(groups, groups), *read.values()) if n in cells))
        if not read or groups not in cells:
            continue
        home = _label_of(wanted[0], blocks) or f"column {wanted[0]}"
        members = blocks.setdefault(home, [])
        for name in wanted:
            label = _label_of(name, blocks)
            if label is not None and label != home:  # what goes with it comes along
                members += blocks.pop(label)
                main.pop(label, None)
            elif label is None:
                members.append(name)
        if groups in read and groups not in members:  # the level decides which samples of a person are alike
            members.insert(0, groups)
            main[home] = main.get(home, 0) + 1 if home in plan.main else 1
    taken = {n for members in blocks.values() for n in members}
    pairs = [q.pair for q in questions if q.pair and q.pair in cells and q.pair not in {d.name for d in q.derived}]
    return replace(
        plan,
        blocks={label: tuple(members) for label, members in blocks.items()},
        main=main,
        persons=tuple(n for n in dict.fromkeys((*plan.persons, *pairs)) if n not in taken),
    )


def _label_of(name: str, blocks: Mapping[str, Sequence[str]]) -> str | None:
    return next((label for label, members in blocks.items() if name in members), None)


def _main_blocks(found: Sequence[Withheld]) -> dict[str, list[Withheld]]:
    """Divide outcomes and groups: outcomes together, each that is itself compared alone, groups together."""
    main: dict[str, list[Withheld]] = {}
    for one in found:
        if one.reason == "compared group":
            main.setdefault("groups", []).append(one)
        elif one.reason != "gives it away":
            main.setdefault(f"outcome {one.column}" if one.asked else "outcome", []).append(one)
    return main


def units_of(cells: Mapping[str, Sequence[str]], id_column: str | None) -> list[str]:
    """Return the name of each row: its cell in the id column, else its number."""
    if id_column is not None:
        return [v.strip() for v in cells[id_column]]
    return [f"row {i}" for i in range(len(next(iter(cells.values()), ())))]


def names_rows(values: Sequence[str]) -> bool:
    """Return True for short texts or numbers that differ in nearly all rows."""
    known = [v.strip() for v in values if v.strip()]
    short = all(len(v) <= _NAME_CHARS and len(v.split()) <= _NAME_WORDS for v in known)
    return len(known) > 1 and short and len(set(known)) > 0.9 * len(known)


def _tells(names: Sequence[str], ends: Sequence[Withheld], cells: Mapping[str, Sequence[str]]) -> bool:
    """Return True if a part of the names gives an outcome or a group away: letters, a field, a number, their order."""
    first = list({n.strip(): i for i, n in reversed(list(enumerate(names)))}.values())  # a person's samples are alike
    cells = {w.column: [cells[w.column][i] for i in first] for w in ends}
    names = [names[i].strip() for i in first]
    pieces = [_PIECE.findall(n) for n in names]
    parts = [name_prefix(names), series_of(names), [re.sub(r"\d+", "#", n) for n in names]]
    parts += [[p[k] if -len(p) <= k < len(p) else "" for p in pieces] for k in (0, 1, 2, -1)]
    parts += [[m.group() if (m := re.search(form, n)) else "" for n in names] for form in (r"[A-Za-z]+$", r"\d+$")]
    return any(gives_away(part, ends, cells) for part in parts if len(part) == len(names))


class Mask:
    """Cuts names out of texts, with or without zeros before them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, list[list[str]]] = {}
        for name in {*names}:
            if pieces := self._pieces(name):
                self._by_first.setdefault(pieces[0], []).append(pieces)

    @staticmethod
    def _pieces(text: str) -> list[str]:
        return [p.lower().lstrip("0") for p in _PIECE.findall(text)]

    def __call__(self, text: str) -> str:
        """Return the text with `…` for each name; a text that is nothing but a name stays."""
        parts, pieces, found = _PIECE.split(text), self._pieces(text), False
        at = 0
        while at < len(pieces):
            fits = [n for n in self._by_first.get(pieces[at], ()) if pieces[at : at + len(n)] == n]
            size = max(map(len, fits), default=0)
            if size == len(pieces):
                return text
            if size:
                found = True
                parts[2 * at + 1 : 2 * (at + size)] = ["…", *[""] * (2 * size - 2)]
            at += size or 1
        return "".join(parts) if found else text


def _order(label: str, size: int) -> list[int]:
    seed = hashlib.sha256(label.encode("utf-8", "surrogatepass")).digest()
    return [int(i) for i in np.random.default_rng(int.from_bytes(seed[:8], "big")).permutation(size)]


def shuffled_order(items: Iterable[T], label: str) -> list[T]:
    """Sort and shuffle, so that the result depends on the items and the label, and on no order."""
    ranked = sorted(items)
    return [ranked[i] for i in _order(label, len(ranked))]


def laid_on_others(
    rows: Sequence[tuple[str, ...]], units: Sequence[str], persons: Iterable[Sequence[str]], main: int, label: str
) -> list[tuple[str, ...]]:
    """Lay the rows of a block on other samples.

    Where all samples of a person are alike in the first `main` columns, they stay alike; where each person (or pair)
    has the same levels of them, each gets them again. So a script that counts persons or pairs finds them.

    Args:
        rows: The block's row of each sample.
        units: Name of each sample.
        persons: For each column with persons or pairs, the cell of each sample.
        main: Columns of the block that are outcomes or groups; the others go with them.
        label: Seed.
    """
    places = sorted(range(len(rows)), key=lambda i: (units[i], i))
    found = list(rows)
    for column in persons:
        members: dict[str, list[int]] = {}
        for i in places:
            members.setdefault(column[i].strip() or f"\0{units[i]}\0{i}", []).append(i)
        owned = [members[name] for name in sorted(members)]
        levels = {tuple(sorted(rows[i][:main] for i in own)) for own in owned}
        if len(owned) == len(rows) or len(owned) == 1:
            continue
        if all(len(set(held)) == 1 for held in levels):
            bundles = shuffled_order(
                (tuple("\0".join(r) for r in sorted(rows[i] for i in own)) for own in owned), label
            )
            for own, bundle in zip(owned, bundles, strict=True):
                for number, i in enumerate(own):
                    found[i] = tuple(bundle[number % len(bundle)].split("\0"))
            return found
        if len(levels) == 1:
            held = next(iter(levels))
            left = {level: iter(shuffled_order((r for r in rows if r[:main] == level), label)) for level in held}
            for number, own in enumerate(owned):
                for i, place in zip(own, _order(f"{label}\0{number}", len(own)), strict=True):
                    found[i] = next(left[held[place]])
            return found
    for place, row in zip(places, shuffled_order(rows, label), strict=True):
        found[place] = row
    return found


class Names:
    """New names of samples: the same names, on other samples of the same stratum; empty where names stay."""

    def __init__(self, dataset: str, stratum: Callable[[str], str]) -> None:
        self._label, self._stratum = dataset, stratum
        self._new: dict[str, str] = {}

    def add(self, names: Iterable[str]) -> None:
        """Let those names that are not known yet change places with each other."""
        new = list(dict.fromkeys(n for n in names if n and n not in self._new))
        for stratum in sorted({self._stratum(n) for n in new}):
            own = [n for n in new if self._stratum(n) == stratum]
            self._new |= dict(zip(own, shuffled_order(own, f"{self._label}\0names{stratum}"), strict=True))

    def __call__(self, name: str) -> str:
        """Return the new name; one that is not known stays."""
        return self._new.get(name.strip(), name)

    def __contains__(self, name: str) -> bool:
        return name in self._new
