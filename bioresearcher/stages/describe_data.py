"""Open readings of data, proposed by a model and checked against the data by code."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from bioresearcher.errors import AnswerError, InputError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.schemas.ask_literature import ColumnValues, DescribeDataInput, OpenReading, ReadingProposal
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column, Dataset, Reading
from bioresearcher.schemas.missing import CODES, NO_GROUP, key
from bioresearcher.sources.datasets.correct import OPEN, open_readings, with_line
from bioresearcher.sources.datasets.endpoints import ENDPOINT_WORDS
from bioresearcher.sources.datasets.scan import SHEET_LIMITS
from bioresearcher.sources.datasets.sheets import read_cells
from bioresearcher.sources.datasets.spec import ColumnSpec
from bioresearcher.stages.prompts import DESCRIBE_DATA
from bioresearcher.text.visible import clip, one_line

SHOWN_VALUES: Final = 10
"""Values of a column of texts that a model sees."""
_VALUE, _REASON = 60, 300


async def propose_readings(
    caller: ModelClient, objective: Objective, datasets: Sequence[Dataset]
) -> tuple[Dataset, ...]:
    """Let a model propose how columns of own data are read where rules are not sure and a result depends on it.

    A proposal that fails a check changes nothing and is told in the data set's notes. Nothing is asked without a model.
    Readings of a whole file are not asked for: they decide how its numbers are read, before anything is proposed.
    """
    if caller.by_rule:
        return tuple(datasets)
    return tuple(await asyncio.gather(*(_proposed(caller, objective, d) for d in datasets)))


def proposed_notes(datasets: Iterable[Dataset]) -> tuple[str, ...]:
    """A line for each reading that holds because a model proposed it."""
    return tuple(_note(r) for d in datasets for r in d.readings if r.proposed)


def _note(reading: Reading) -> str:
    line = one_line(reading.line)
    return f"{reading.column}: {line} was proposed by the model and is confirmed by nobody: {reading.reason}"


async def _proposed(caller: ModelClient, objective: Objective, dataset: Dataset) -> Dataset:
    """A data set with the proposals of a model that hold."""
    own = dataset.remote is None and dataset.files and dataset.prepared_from is None and dataset.analysis_of is None
    asked = dict(enumerate((r for r in open_readings(dataset) if r.column), start=1))
    if not own or not asked:
        return dataset
    values = DescribeDataInput(
        objective=objective,
        dataset=dataset,
        values=await asyncio.to_thread(_values, dataset),
        open=tuple(
            OpenReading(number=n, file=r.file, column=r.column, says=r.says, reason=r.reason, line=r.line)
            for n, r in asked.items()
        ),
    )
    try:
        answer = await ask(replace(caller, rules=None), DESCRIBE_DATA, values)
    except AnswerError as error:
        note = f"What the rules are not sure of in the data was not asked of the model: {error.message}"
        return dataset.model_copy(update={"notes": (*dataset.notes, note)})
    return await asyncio.to_thread(_with_proposals, dataset, asked, answer.value.readings)


def _values(dataset: Dataset) -> tuple[ColumnValues, ...]:
    """Some values of the columns of texts whose levels are too many to be listed, but for names of rows."""
    found = []
    for file in dataset.files:
        wanted = [c.name for c in file.columns if c.dtype == "text" and not c.levels and c.role not in ("id", "unit")]
        if not wanted:
            continue
        try:
            cells = read_cells(Path(dataset.root, file.path), SHEET_LIMITS)
        except InputError:
            continue
        for name in wanted:
            some = [one_line(v, _VALUE) for v in dict.fromkeys(cells.get(name, ())) if v][:SHOWN_VALUES]
            found.append(ColumnValues(file=file.path, column=name, values=tuple(some)))
    return tuple(found)


def _with_proposals(dataset: Dataset, asked: dict[int, Reading], proposals: Sequence[ReadingProposal]) -> Dataset:
    notes: list[str] = []
    for number, reading in asked.items():
        mine = [p for p in proposals if p.number == number]
        if not mine:
            continue
        try:
            if len({p.line.strip() for p in mine}) > 1:
                raise InputError("it proposes several lines that differ")
            line = checked_line(dataset, reading, mine[0].line)
            reason = clip(mine[0].reason, _REASON)
            if any(p.certainty == "low" for p in mine):
                hint = f"the model is not certain of {one_line(line)} ({reason}); nothing was changed"
                notes.append(f"{reading.column}: {hint}.")
                continue
            dataset = _settled(dataset, reading, line, reason)
        except InputError as error:
            why = one_line(error.message.rstrip("."), _REASON)
            notes.append(f"{reading.column}: a proposal of the model was refused: {why}.")
    unknown = sorted({p.number for p in proposals} - set(asked))
    notes += [f"A proposal of the model was refused: there is no open reading {unknown[0]}."] if unknown else []
    told = [n for n in proposed_notes([dataset]) if n not in dataset.notes]
    return dataset.model_copy(update={"notes": (*dataset.notes, *told, *notes)})


def _settled(dataset: Dataset, reading: Reading, line: str, reason: str) -> Dataset:
    """A data set whose column is read by a line; the reading stays unsure, and says where the line is from.

    Raises:
        InputError: The column cannot be read so, or the line leaves open what it was to settle.
    """
    found = with_line(dataset, reading.file, reading.column, line)
    name = _key(line)
    more = found.readings[len(dataset.readings) :]
    if any(_key(r.line) == name for r in more):
        raise InputError(f"{line} leaves it open")
    says = f"{reading.says}; a model proposed {one_line(line)}"
    done = reading.model_copy(update={"says": says, "reason": reason, "line": line, "proposed": True})
    return found.model_copy(update={"readings": tuple(done if r == reading else r for r in found.readings)})


def _key(line: str) -> str:
    return line.partition("=")[0].strip()


def checked_line(dataset: Dataset, reading: Reading, said: str) -> str:
    """The line that a proposal means, if it settles a reading with names and levels that the data have.

    Raises:
        InputError: It is no such line.
    """
    shown = one_line(said, _VALUE)
    try:
        raw = tomllib.loads(said)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{shown!r} is no line of dataset.toml") from error
    if len(raw) != 1:
        raise InputError(f"{shown!r} is not one line of dataset.toml")
    (name,) = raw
    if name not in ColumnSpec.model_fields:
        raise InputError(f"{one_line(name, _VALUE)!r} is no key of a column")
    if name != _key(reading.line):
        raise InputError(f"{name} does not settle {_key(reading.line)}")
    try:
        spec = ColumnSpec.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{shown!r} is no value of {name}") from error
    sheet = next((f for f in dataset.files if f.path == reading.file), None)
    columns = sheet.columns if sheet is not None else ()
    column = next((c for c in columns if c.name == reading.column), None)
    if column is None:
        raise InputError(f"there is no column {reading.column!r}")
    if name == "event_level":
        return f"{name} = {_text(_event_level(column, spec.event_level or ''))}"
    if name == "codes":
        inner = ", ".join(f"{_text(c)} = {_text(v)}" for c, v in _codes(column, reading, spec.codes).items())
        return f"{name} = {{{inner}}}"
    if name == "missing_values":
        return f"{name} = [{', '.join(map(_text, _missing(column, reading, spec.missing_values)))}]"
    if name == "endpoint":
        return f"{name} = {_text(_endpoint(column, columns, spec.endpoint))}"
    raise InputError(f"{name} is for a person to say")


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _no_value(text: str) -> bool:
    return key(text) in CODES | NO_GROUP or OPEN in text


def _event_level(column: Column, level: str) -> str:
    if level not in {*column.levels, *(v for _, v in column.codes)} or _no_value(level):
        raise InputError(f"{column.name} has no level {one_line(level, _VALUE)!r}")
    return level


def _codes(column: Column, reading: Reading, codes: dict[str, str]) -> dict[str, str]:
    """Names of the cells that the rules ask about: each another, none of them a level that other cells have."""
    asked = ColumnSpec.model_validate(tomllib.loads(reading.line)).codes
    if codes.keys() != asked.keys():
        raise InputError(f"the cells that are asked about are {', '.join(map(repr, asked))}")
    empty = next((c for c, v in codes.items() if not v.strip() or _no_value(v)), None)
    if empty is not None:
        raise InputError(f"it does not say what {empty!r} stands for")
    strange = next((v for v in codes.values() if v != one_line(v, _VALUE)), None)
    if strange is not None:
        raise InputError(f"{one_line(strange, _VALUE)!r} is no name of a level")
    new = {c: v for c, v in codes.items() if v != asked[c]}
    taken = {key(v) for v in column.levels} | {key(v) for c, v in codes.items() if c not in new}
    joined = next((v for c, v in new.items() if key(v) in taken and key(v) != key(c)), None)
    if joined is not None or len({key(v) for v in new.values()}) < len(new):
        raise InputError(f"it makes one level of several: {', '.join(f'{c} = {v}' for c, v in codes.items())}")
    return codes


def _missing(column: Column, reading: Reading, values: Sequence[str]) -> tuple[str, ...]:
    """Those of the values in question that mean "not known", with those of which the rules are sure."""
    asked = ColumnSpec.model_validate(tomllib.loads(reading.line)).missing_values
    strange = next((v for v in values if v not in asked), None)
    if strange is not None:
        raise InputError(f"{one_line(strange, _VALUE)!r} is none of the values in question")
    return tuple(v for v in asked if v in values or v in column.missing_values)


def _endpoint(column: Column, columns: Sequence[Column], name: str) -> str:
    if name not in ENDPOINT_WORDS and name not in {c.endpoint for c in columns if c.role == "event"}:
        raise InputError(f"{one_line(name, _VALUE)!r} is no endpoint that is known")
    if column.role == "time" and not any(c.role == "event" and c.endpoint == name for c in columns):
        raise InputError(f"no event of the data has the endpoint {name}")
    others = [c.name for c in columns if c.role == column.role and c.endpoint == name and c.name != column.name]
    if others:
        raise InputError(f"{others[0]} has the endpoint {name} already")
    return name
