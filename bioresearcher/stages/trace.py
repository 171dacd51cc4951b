"""The way of a number through a run: from a sentence of the answer back to the files that the tasks read.

A number matches where it is the same, or where one of the two is the other one rounded as it is written. Cells of the
tables of a finding's task are ranked by the names that cell and finding share; lines of scripts are found by names
too, so that they are the places to read first, not a proof.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from bioresearcher.analysis.sets import SETS
from bioresearcher.errors import InputError, RunFolderError
from bioresearcher.execution.output_tables import (
    OutputTable,
    TableError,
    WrittenNumber,
    numbers_in,
    read_table,
    to_number,
)
from bioresearcher.execution.reproduce import Recorded
from bioresearcher.runfolder import RunFolder, file_sha256, safe_name
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.execution import DryLabTask, Finding, TaskRecord
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets
from bioresearcher.schemas.run import RunRecord
from bioresearcher.schemas.trace import (
    NearMiss,
    NumberTrace,
    TracedCell,
    TracedInput,
    TracedPlace,
    TracedSentence,
    TracedSet,
)
from bioresearcher.stages.answers import flow_text
from bioresearcher.stages.trace_lines import traced_lines
from bioresearcher.text.visible import one_line

MOST_CELLS: Final = 4
MOST_PLACES: Final = 40
"""Places in tables only that are told; those with a finding are all told."""
MOST_NEAR: Final = 5
COARSE: Final = 0.075
"""Half a unit of the last digit, as a share of the number, up to which a rounded number stands for a finer one."""
_TABLES: Final = frozenset({".tsv", ".csv"})
_BYTES: Final = 50_000_000
_RANGE: Final = re.compile(
    r"(?<=[\d%])\s*(?:–|—|\bto\b|;|\.\.)\s*(?=[-−+.\d])|(?<=\d),\s+(?=[-−+.\d])|(?<=\d)-(?=[.\d])"
)
_TIMES: Final = re.compile(r"\s*[·*×x]\s*10\s*(?:\^|\*\*)?\s*\(?([-−+]?)([\d⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)\)?")
_RAISED: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")


@dataclass(frozen=True)
class Wanted:
    """A number that is looked for, and the same as a plain number where it was written with a percent sign."""

    written: WrittenNumber
    percent: bool

    @property
    def forms(self) -> tuple[WrittenNumber, ...]:
        """The number as a share and as a percentage."""
        if not self.percent:
            return (self.written,)
        w = self.written
        return w, replace(w, value=w.value * 100, half_unit=w.half_unit * 100)

    def is_value(self, value: float) -> bool:
        """Return True if a computed value, rounded as asked, is the number."""
        return any(form.rounds(value) for form in self.forms)

    def is_written(self, other: WrittenNumber) -> bool:
        """Return True if a number in a text is the same, or one of the two is the other one rounded."""
        if self.written.bound and other.bound and self.written.bound != other.bound:
            return False
        others = [other]
        if other.text.endswith("%"):
            others.append(replace(other, value=other.value * 100, half_unit=other.half_unit * 100))
        return any(f.rounds(o.value) or _rounds_down(o, f.value) for f in self.forms for o in others)

    def is_cell(self, cell: str) -> bool:
        """Return True if a cell holds the number, or holds it rounded."""
        value = to_number(cell)
        if value is None or not any(abs(value - f.value) <= max(f.half_unit, 0.1 * abs(f.value)) for f in self.forms):
            return False
        found = numbers_in(cell)
        return self.is_value(value) or (len(found) == 1 and any(_rounds_down(found[0], f.value) for f in self.forms))


def _rounds_down(coarse: WrittenNumber, value: float) -> bool:
    """Return True if a number of a run is what was asked for, rounded, and still says as much as two digits do."""
    return coarse.half_unit <= COARSE * abs(coarse.value) and coarse.rounds(value)


def wanted_numbers(asked: str) -> tuple[Wanted, ...]:
    """Read the numbers of what was asked: one, or those of an interval, in any common way of writing.

    Raises:
        InputError: There is no number in it, or there are more than four.
    """
    text = one_line(asked, 200).strip("[](){} ").replace("\u00a0", " ").replace("\u202f", "")
    text = _TIMES.sub(lambda m: f"e{m[1].translate(_RAISED)}{m[2].translate(_RAISED)}", text)
    text = re.sub(r"(?<=[eE])\+", "", text.lstrip("+"))
    found = [n for piece in _RANGE.split(text) for n in numbers_in(piece.strip("[](), "))]
    if not found or len(found) > 4 or not all(math.isfinite(n.value) for n in found):
        raise InputError(
            f"{one_line(asked, 60)!r} is no number that can be looked for.",
            hint="Write it as the report does: 0.0083, 8.3e-3, 23.9 %, -0.7, or an interval: '1.11 to 2.06'.",
        )
    return tuple(Wanted(n, n.text.endswith("%")) for n in found)


@dataclass(frozen=True)
class _Run:
    recorded: Recorded
    answers: Answers
    sets: tuple[AnalysisSet, ...]
    read: dict[str, list[tuple[str, OutputTable]]] = field(default_factory=dict)

    def tables(self, task_id: str) -> list[tuple[str, OutputTable]]:
        """Return the tables of a task with their paths in the run folder; those that cannot be read are left out."""
        if task_id not in self.read:
            self.read[task_id] = list(self._tables(task_id))
        return self.read[task_id]

    def _tables(self, task_id: str) -> Iterator[tuple[str, OutputTable]]:
        record = self.recorded.records.get(task_id)
        for artifact in record.artifacts if record else ():
            path = _inside(self.recorded.folder, "tasks", task_id, artifact.path)
            if path is None or path.suffix.lower() not in _TABLES or path.stat().st_size > _BYTES:
                continue
            try:
                yield f"tasks/{task_id}/{artifact.path}", read_table(path)
            except (OSError, TableError):
                continue


def trace_number(folder: RunFolder, asked: str) -> NumberTrace:
    """Find where a number of a run comes from.

    Raises:
        InputError: What was asked is no number.
        RunFolderError: A file of the run is damaged.
    """
    wanted = wanted_numbers(asked)
    run = _Run(Recorded.load(folder), _answers(folder), _sets(folder))
    places = [p for task, n, finding in _findings(run) for p in _place(run, task, n, finding, wanted)]
    with_finding = {p.task for p in places}
    only = [p for t in run.recorded.tasks.values() if t.id not in with_finding for p in _in_tables(run, t, wanted)]
    flows = tuple(_traced_set(s) for s in run.sets if len(wanted) == 1 and _counts(s) & _whole(wanted[0]))
    kept = MOST_PLACES if not places else min(MOST_PLACES, 5)
    near = () if places or only or flows else tuple(_near(run, wanted))
    return NumberTrace(
        run_id=folder.read(RunRecord, "run.json").run_id,
        asked=one_line(asked, 100),
        values=tuple(w.written.value for w in wanted),
        places=(*places, *only[:kept]),
        flows=flows,
        left_out=max(0, len(only) - kept),
        near=near,
    )


def _answers(folder: RunFolder) -> Answers:
    return folder.read(Answers, "answer.json") if folder.has("answer.json") else Answers()


def _sets(folder: RunFolder) -> tuple[AnalysisSet, ...]:
    return folder.read(AnalysisSets, "analysis", SETS).sets if folder.has("analysis", SETS) else ()


def _findings(run: _Run) -> Iterator[tuple[DryLabTask, int, Finding]]:
    for task in run.recorded.tasks.values():
        record = run.recorded.records.get(task.id)
        for n, finding in enumerate(record.findings if record else (), 1):
            yield task, n, finding


# -- a finding ----------------------------------------------------------------------------------------


def _leaves(value: JsonValue, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _leaves(item, f"{name}[{n}]")
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        yield name, float(value)


def _numbers(finding: Finding) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Return the named numbers of a finding: those it states, and those of its result, which are not rounded."""
    result = finding.result.model_dump(mode="json") if finding.result else {}
    return list(_leaves(finding.values)), list(_leaves(result))


def _place(run: _Run, task: DryLabTask, n: int, finding: Finding, wanted: Sequence[Wanted]) -> Iterator[TracedPlace]:
    stated, exact = _numbers(finding)
    written = numbers_in(finding.statement)
    found = [any(w.is_written(o) for o in written) or any(w.is_value(v) for _, v in (*stated, *exact)) for w in wanted]
    if not all(found):
        return
    names = [name for name, v in stated if any(w.is_value(v) or _rounded_is(w, v) for w in wanted)]
    unrounded = [(name, v) for name, v in exact if any(w.is_value(v) or _rounded_is(w, v) for w in wanted)]
    keys = tuple(dict.fromkeys([*names, *(f"result.{name}" for name, _ in unrounded)]))
    cells = _cells(run, task, wanted, finding.statement, [*names, *(name for name, _ in unrounded)])
    mark = f"{task.id}.{n}"
    columns = tuple(dict.fromkeys([c.column for c in cells[:MOST_CELLS]] + [k.rpartition(".")[2] for k in keys]))
    files = tuple(dict.fromkeys(Path(c.file).name for c in cells[:MOST_CELLS]))
    yield _described(run, task).model_copy(
        update={
            "finding": mark,
            "statement": finding.statement,
            "keys": keys,
            "exact": tuple(dict.fromkeys(v for _, v in unrounded if not float(v).is_integer())),
            "sentences": tuple(_sentences(run.answers, mark, finding.statement, wanted)),
            "cells": tuple(cells[:MOST_CELLS]),
            "more_cells": max(0, len(cells) - MOST_CELLS),
            "lines": traced_lines(run.recorded.folder, task, columns, files),
            "sets": tuple(_traced_set(s) for s in _sets_of(run, task, finding)),
        }
    )


def _rounded_is(wanted: Wanted, value: float) -> bool:
    """Return True if a value of a finding is the number that was asked for, rounded as the finding has it."""
    text = repr(value)
    return any(_rounds_down(w, f.value) for w in numbers_in(text) for f in wanted.forms)


def _sentences(answers: Answers, mark: str, statement: str, wanted: Sequence[Wanted]) -> Iterator[TracedSentence]:
    """Yield the sentences of the answer that rest on a finding and hold the number.

    A run of an earlier version has no sentences; the statements stand for them.
    """
    for question in answers.questions:
        lines = [(s.text, mark in s.findings) for s in question.sentences]
        lines = lines or [(text, text == statement) for text in question.findings]
        for text, mine in lines:
            written = numbers_in(text)
            if mine and all(any(w.is_written(o) for o in written) for w in wanted):
                yield TracedSentence(question=question.id, text=text)


def _sets_of(run: _Run, task: DryLabTask, finding: Finding) -> Iterator[AnalysisSet]:
    population = finding.result.population if finding.result else ""
    for found in run.sets:
        if found.question in task.questions or (not task.questions and population and found.population == population):
            yield found


def _traced_set(found: AnalysisSet) -> TracedSet:
    return TracedSet(id=found.id, population=found.population, flow=found.problem or flow_text(found))


def _counts(found: AnalysisSet) -> set[int]:
    numbers = [found.start, found.n, found.pairs, found.events, found.complete, found.complete_events]
    numbers += [x for step in found.flow for x in (step.left_out, step.left)]
    numbers += [x for group in found.groups for x in (group.n, group.events)]
    return {x for x in numbers if x}


def _whole(wanted: Wanted) -> set[int]:
    value = wanted.written.value
    return {int(value)} if value.is_integer() and wanted.written.half_unit == 0.5 else set()


# -- cells --------------------------------------------------------------------------------------------


def _cells(
    run: _Run, task: DryLabTask, wanted: Sequence[Wanted], statement: str, names: Sequence[str]
) -> list[TracedCell]:
    """Return the cells that hold the numbers, best first: those whose column and row the finding names.

    Of several numbers, all must stand in one row.
    """
    words = set(re.findall(r"[\w.+-]*\w", statement.casefold()))
    keys = {name.rpartition(".")[2].casefold() for name in names}
    rated: list[tuple[int, TracedCell]] = []
    for file, table in run.tables(task.id):
        for number, row in enumerate(table.rows, 1):
            hits = [[i for i, cell in enumerate(row) if w.is_cell(cell)] for w in wanted]
            if not all(hits):
                continue
            named = sum(1 for cell in row if to_number(cell) is None and cell.strip().casefold() in words)
            for i in dict.fromkeys(i for hit in hits for i in hit):
                rate = 4 * _alike(table.header[i].casefold(), keys) + min(named, 3)
                rated.append((rate, _cell(file, table, number, i)))
    best = max((rate for rate, _ in rated), default=0)
    rated.sort(key=lambda r: -r[0])
    return [cell for rate, cell in rated if rate == best or (best >= 4 and rate >= 4 and rate >= best - 1)] or [
        cell for _, cell in rated
    ]


def _alike(column: str, keys: Iterable[str]) -> bool:
    return any(column == key or key.endswith(f"_{column}") or column.endswith(f"_{key}") for key in keys)


def _cell(file: str, table: OutputTable, number: int, column: int) -> TracedCell:
    row = table.rows[number - 1]
    labels = [c for c in row[:4] if to_number(c) is None]
    name = ", ".join(one_line(c, 60) for c in labels[:3]) or one_line(row[0], 60)
    return TracedCell(file=file, row=number, row_name=name, column=table.header[column], value=row[column])


def _in_tables(run: _Run, task: DryLabTask, wanted: Sequence[Wanted]) -> Iterator[TracedPlace]:
    """Yield the tables of a task that hold the number, where none of its findings does."""
    cells = [c for c in _cells(run, task, wanted, "", ()) if any(w.is_value(float(c.value)) for w in wanted)]
    for file in dict.fromkeys(c.file for c in cells):
        mine = [c for c in cells if c.file == file]
        columns = tuple(dict.fromkeys(c.column for c in mine[:MOST_CELLS]))
        yield _described(run, task).model_copy(
            update={
                "cells": tuple(mine[:MOST_CELLS]),
                "more_cells": max(0, len(mine) - MOST_CELLS),
                "lines": traced_lines(run.recorded.folder, task, columns, (Path(file).name,)),
                "sets": tuple(_traced_set(s) for s in run.sets if s.question in task.questions),
            }
        )


# -- the task and what it read ------------------------------------------------------------------------


def _described(run: _Run, task: DryLabTask) -> TracedPlace:
    record = run.recorded.records.get(task.id)
    inputs = {(i.file, i.sha256): i for i in _inputs(run, task, "", set())}
    outcome = str(record.outcome) if record else "not run"
    return TracedPlace(task=task.id, title=task.title, outcome=outcome, inputs=tuple(inputs.values()))


def _inputs(run: _Run, task: DryLabTask, through: str, seen: set[str]) -> Iterator[TracedInput]:
    if task.id in seen:
        return
    seen.add(task.id)
    for given in task.inputs:
        if given.task is not None:
            earlier = run.recorded.tasks.get(given.task)
            yield from _output(run.recorded.records.get(given.task), given.name, given.task, given.output, through, run)
            if earlier is not None:
                yield from _inputs(run, earlier, given.task, seen)
            continue
        dataset = run.recorded.datasets.get(given.dataset or "")
        file = next((f for f in dataset.files if f.name == given.file), None) if dataset else None
        if dataset is None or file is None:
            continue
        kept = f"inputs/{file.sha256}/{safe_name(Path(file.path).name)}"
        path = _inside(run.recorded.folder, *kept.split("/"))
        state = "not in the run folder" if path is None else _state(path, file.sha256)
        yield TracedInput(
            name=given.name,
            file=f"{dataset.id}/{file.path}",
            sha256=file.sha256,
            kept=kept if path else "",
            state=state,
            through=through,
        )


def _output(
    record: TaskRecord | None, name: str, task: str, output: str | None, through: str, run: _Run
) -> Iterator[TracedInput]:
    artifact = next((a for a in record.artifacts if a.name == output), None) if record else None
    if artifact is None:
        return
    path = _inside(run.recorded.folder, "tasks", task, artifact.path)
    yield TracedInput(
        name=name,
        file=f"{task}/{output}",
        sha256=artifact.sha256,
        kept=f"tasks/{task}/{artifact.path}" if path else "",
        state="not in the run folder" if path is None else _state(path, artifact.sha256),
        through=through,
    )


def _state(path: Path, sha256: str) -> str:
    return "unchanged" if file_sha256(path) == sha256 else "changed"


def _inside(folder: RunFolder, *parts: str) -> Path | None:
    """Return a file of the run folder; None when it is not there, or a link leads out of the folder."""
    path = folder.path(*parts)
    try:
        inside = path.resolve().is_relative_to(folder.root.resolve())
    except (OSError, RuntimeError):
        return None
    return path if inside and path.is_file() else None


# -- near misses --------------------------------------------------------------------------------------


def _near(run: _Run, wanted: Sequence[Wanted]) -> Iterator[NearMiss]:
    """Yield the nearest numbers of findings and their tables, those that differ by sign or decimal point first."""
    found: dict[tuple[str, float], tuple[float, NearMiss]] = {}
    known: Mapping[tuple[str, str], float] = dict(_known(run))
    for w in wanted:
        for (place, text), value in known.items():
            rate, words = _distance(w.written.value, value)
            miss = NearMiss(text=text, value=value, place=place, difference=words)
            if rate < found.get((place, value), (math.inf, miss))[0]:
                found[place, value] = rate, miss
    ranked = sorted(found.values(), key=lambda f: (f[0], f[1].place))
    yield from (miss for rate, miss in ranked[:MOST_NEAR] if rate <= 1)


def _known(run: _Run) -> Iterator[tuple[tuple[str, str], float]]:
    for task, n, finding in _findings(run):
        for written in numbers_in(finding.statement):
            yield (f"finding {task.id}.{n}", written.text), written.value
        for name, value in [pair for group in _numbers(finding) for pair in group]:
            yield (f"finding {task.id}.{n}, {name}", f"{value:g}"), value
    for task_id in run.recorded.tasks:
        for file, table in run.tables(task_id):
            if len(table.rows) * len(table.header) > 2_000:
                continue
            for number, row in enumerate(table.rows, 1):
                for column, cell in zip(table.header, row, strict=True):
                    value_of = to_number(cell)
                    if value_of is not None and math.isfinite(value_of):
                        yield (f"{file}, row {number}, {column}", cell), value_of


def _distance(asked: float, value: float) -> tuple[float, str]:
    """Return a distance from 0 (near) up, and the difference in words."""
    if asked and math.isclose(asked, -value, rel_tol=0.005):
        return -2, "the other sign"
    shift = next((p for p in (-3, -2, -1, 1, 2, 3) if asked and math.isclose(asked, value * 10**p, rel_tol=0.005)), 0)
    if shift:
        return -1, f"the decimal point is {abs(shift)} {'place' if abs(shift) == 1 else 'places'} away"
    away = abs(asked - value) / max(abs(asked), abs(value), 1e-300)
    return away, f"differs by {away:.2g} of its size"


def check_run(folder: RunFolder) -> None:
    """Check that a run has tasks to look in.

    Raises:
        RunFolderError: No task was worked on.
    """
    if not Recorded.load(folder).records:
        raise RunFolderError(
            f"{folder.root} has no finished task: no number was computed in it.",
            hint="`bioresearcher resume` completes an unfinished run.",
        )
