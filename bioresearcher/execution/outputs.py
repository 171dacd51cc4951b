"""Check the files a task wrote against what it declared."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from bioresearcher.execution.code_patterns import PLACEHOLDER_CELL, PLACEHOLDER_TEXT
from bioresearcher.execution.declared_texts import declared_numbers, is_declared
from bioresearcher.execution.figures import FigureError, read_figure
from bioresearcher.execution.number_sources import Given, declared_bounds, given_numbers
from bioresearcher.execution.output_comparison import Part, file_digest, split_parts
from bioresearcher.execution.output_tables import (
    FindingsError,
    OutputTable,
    TableError,
    empty_columns,
    follows,
    may_be_empty,
    numbers_in,
    numbers_of,
    read_findings,
    read_table,
    table_placeholder,
    table_problem,
    unsupported_numbers,
    without_dates,
)
from bioresearcher.schemas.execution import Artifact, DryLabTask, Finding, Outcome, TaskOutput
from bioresearcher.text.format import listing

MAX_TEXT_BYTES = 5_000_000
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_GOES_ON = re.compile(
    r"(?:This|That|These|Those|It|They|Both|Thus|So|Hence|Therefore|Accordingly|Consequently|Of (?:these|them|those))\b"
)
"""Beginnings of sentences that go on from the one before."""


@dataclass(frozen=True)
class OutputReport:
    """The worst problem of a task's outputs (None when all is well), and the contents of the files."""

    outcome: Outcome | None
    message: str
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _FileCheck:
    """One output file after its check."""

    summary: str = ""
    bad: str = ""
    placeholder: str = ""
    table: OutputTable | None = None
    findings: tuple[Finding, ...] = ()
    warning: str = ""


def check_outputs(
    task: DryLabTask, folder: Path, *, base: Path, inputs: Mapping[str, Path] | None = None, source: str = ""
) -> OutputReport:
    """Check each declared output in `folder`; artifact paths are relative to `base`.

    Numbers in findings and texts may come from `inputs`, those in declared rules also from `source`, the text of the
    protocol's steps.

    The worst rung counts: a missing file, then unreadable or implausible content, then placeholder content.
    """
    present = [o for o in task.outputs if (folder / o.file).is_file()]
    missing = [o.file for o in task.outputs if o not in present]
    checks = {o.name: _check_file(o, folder / o.file) for o in present}
    tables = [check.table for check in checks.values() if check.table is not None]
    findings = tuple(f for check in checks.values() for f in check.findings)
    bad = [f"{o.file}: {checks[o.name].bad}" for o in present if checks[o.name].bad]
    stating = [o for o in present if o.kind in {"text", "findings"} and not checks[o.name].bad]
    given = given_numbers(task, inputs or {}) if stating else Given()
    known = Known(tables, dict(task.parameters), given, declared_bounds(source) if stating else ())
    findings, unsupported, struck = _told(findings, known)
    bad += unsupported
    declared = declared_numbers(task, source)
    for output in stating:
        if output.kind == "text":
            bad += _unsupported_text(output, folder, findings, known, declared if is_declared(output) else ())
    placeholders = [f"{o.file}: {checks[o.name].placeholder}" for o in present if checks[o.name].placeholder]
    outcome, message = _worst(missing, bad, placeholders)
    return OutputReport(
        outcome,
        message,
        tuple(_artifact(o, folder / o.file, base, checks[o.name].summary) for o in present),
        findings,
        (*(f"{o.file}: {checks[o.name].warning}" for o in present if checks[o.name].warning), *struck),
    )


def _worst(missing: list[str], bad: list[str], placeholders: list[str]) -> tuple[Outcome | None, str]:
    if missing:
        return Outcome.NO_OUTPUT, f"declared but not written: {', '.join(missing)}"
    for outcome, problems in ((Outcome.BAD_OUTPUT, bad), (Outcome.PLACEHOLDER, placeholders)):
        if problems:
            return outcome, "; ".join(problems[:8]) + (f" (and {len(problems) - 8} more)" if len(problems) > 8 else "")
    return None, ""


@dataclass(frozen=True)
class Known:
    """Sources of the numbers that findings and texts state."""

    tables: Sequence[OutputTable]
    parameters: JsonValue
    given: Given
    bounds: Sequence[float] = ()

    def lacks(self, statement: str, values: Mapping[str, JsonValue], more: Sequence[float] = ()) -> str:
        """Return all numbers of a statement that are in no source, listed; empty when there are none."""
        return listing(self.lacking(Finding(statement=statement, values=dict(values)), more), 12)

    def lacking(self, finding: Finding, more: Sequence[float] = ()) -> tuple[str, ...]:
        """Return all numbers of a finding's statement that are in no source."""
        given = [*self.given.numbers(finding.statement), *(len(t.rows) for t in self.tables), *more]
        return unsupported_numbers(finding, self.tables, self.parameters, given, self.bounds)


def _told(findings: Sequence[Finding], known: Known) -> tuple[tuple[Finding, ...], list[str], list[str]]:
    """Return the findings, the problems of those that state what nothing computed, and the sentences left out.

    Where the values stand and only some numbers of a sentence neither have a source nor follow from the values, the
    sentence alone is left out: code that computes the right values needs no repair.
    """
    told: list[Finding] = []
    problems, struck = [], []
    for finding in findings:
        numbers = {n.text: n for n in numbers_in(without_dates(finding.statement))}
        lacking = tuple(t for t in known.lacking(finding) if t not in numbers or not follows(numbers[t], finding))
        said = f"the finding {finding.statement[:400]!r} states {listing(lacking, 12)}, which is neither among its "
        said += "values nor in a table, input or parameter of this task"
        if lacking and {*numbers} - {*lacking} and any(True for _ in numbers_of(dict(finding.values))):
            struck.append(f"a sentence was left out, its values stand: {said}")
            told.append(finding.model_copy(update={"statement": _without(finding, lacking)}))
            continue
        if lacking:
            problems.append(said)
        told.append(finding)
    return tuple(told), problems, struck


def _without(finding: Finding, lacking: Collection[str]) -> str:
    """Write a finding without the sentences that state some numbers, or that go on from these; else by its values."""
    kept: list[str] = []
    before = False
    for sentence in _SENTENCES.split(finding.statement.strip()):
        wrong = any(n.text in lacking for n in numbers_in(without_dates(sentence)))
        before = wrong or (before and bool(_GOES_ON.match(sentence)))
        kept += [] if before else [sentence]
    why = f"states {listing(tuple(lacking), 12)}, which nothing computed"
    if kept:
        return f"{' '.join(kept)} (a sentence is left out: it {why})"
    computed = [f"{k} = {v}" for k, v in finding.values.items() if isinstance(v, int | float | str)]
    return f"{'; '.join(computed[:12])} (its sentence is left out: it {why})"


def struck_sentences(
    task: DryLabTask, folder: Path, *, inputs: Mapping[str, Path] | None = None, source: str = ""
) -> tuple[str, ...]:
    """Return the sentences of findings that a run's check would leave out or refuse, each with its numbers.

    For a warning before anything is registered: `folder` holds what a rehearsal wrote. Outputs that are not there or
    cannot be read say nothing here.
    """
    checks = [_check_file(o, folder / o.file) for o in task.outputs if (folder / o.file).is_file()]
    tables = [check.table for check in checks if check.table is not None]
    findings = tuple(f for check in checks for f in check.findings)
    known = Known(tables, dict(task.parameters), given_numbers(task, inputs or {}), declared_bounds(source))
    _, problems, struck = _told(findings, known)
    return (*problems, *struck)


def _unsupported_text(
    output: TaskOutput, folder: Path, findings: Sequence[Finding], known: Known, declared: Sequence[float]
) -> list[str]:
    """Return a problem of a text that states numbers which no table, finding, input or parameter of the task holds.

    A task that writes nothing but text has nothing to hold it against: there the perturbed run decides.
    """
    values: dict[str, JsonValue] = {str(n): f.values for n, f in enumerate(findings)}
    if not known.tables and not findings:
        return []
    lines = (folder / output.file).read_text(encoding="utf-8").splitlines()
    lacking = [(line.strip()[:100], lacks) for line in lines if (lacks := known.lacks(line, values, declared))]
    if not lacking:
        return []
    told = "; ".join(f"{line!r} states {numbers}" for line, numbers in lacking[:8])
    more = f" (and {len(lacking) - 8} more lines)" if len(lacking) > 8 else ""
    return [f"{output.file}: {told}{more}, which is in no table, finding, input or parameter of this task"]


def _artifact(output: TaskOutput, path: Path, base: Path, summary: str) -> Artifact:
    return Artifact(
        name=output.name,
        path=path.relative_to(base).as_posix(),
        kind=output.kind,
        sha256=file_digest(path),
        bytes=path.stat().st_size,
        summary=summary,
    )


# One output file


def _check_file(output: TaskOutput, path: Path) -> _FileCheck:
    if path.stat().st_size == 0:
        return _FileCheck(bad="the file is empty")
    check = {"table": _check_table, "figure": _check_figure, "text": _check_text, "findings": _check_findings}
    return check.get(output.kind, _check_model)(output, path)


def _check_table(output: TaskOutput, path: Path) -> _FileCheck:
    try:
        table = read_table(path)
    except TableError as error:
        return _FileCheck(bad=str(error))
    shape = f"{len(table.rows)} rows × {len(table.header)} columns"
    word = table_placeholder(table)
    notes = ["only the first rows were checked"] if table.cut else []
    notes += ["no rows, as its declaration allows"] if not table.rows and may_be_empty(output) else []
    notes += [f"no value in column {name!r}" for name in empty_columns(table, output)]
    return _FileCheck(
        summary=shape + (" were read; the file is longer" if table.cut else ""),
        bad=table_problem(table, output),
        placeholder=f"holds placeholder text {word!r}" if word else "",
        table=table,
        warning="; ".join(notes),
    )


def _check_figure(_: TaskOutput, path: Path) -> _FileCheck:
    try:
        return _FileCheck(summary=read_figure(path).summary)
    except FigureError as error:
        return _FileCheck(bad=str(error))


def _check_text(_: TaskOutput, path: Path) -> _FileCheck:
    if path.stat().st_size > MAX_TEXT_BYTES:
        return _FileCheck(bad=f"is larger than {MAX_TEXT_BYTES // 1_000_000} MB, too large for a text")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return _FileCheck(bad="not UTF-8 text")
    if not text.strip():
        return _FileCheck(bad="the file holds nothing but blanks")
    return _FileCheck(summary=f"{len(text.split())} words", placeholder=_placeholder(text))


def _check_findings(_: TaskOutput, path: Path) -> _FileCheck:
    try:
        findings = read_findings(path)
    except FindingsError as error:
        return _FileCheck(bad=str(error))
    word = next(filter(None, (_placeholder(f.statement) for f in findings)), "")
    return _FileCheck(summary=f"{len(findings)} findings", placeholder=word, findings=findings)


def _check_model(_: TaskOutput, path: Path) -> _FileCheck:
    """Check a fitted model without loading it (unpickling would run it); one in JSON must hold finite numbers."""
    if path.suffix.lower() != ".json":
        return _FileCheck(summary="model, not opened")
    if path.stat().st_size > MAX_TEXT_BYTES:
        return _FileCheck(bad=f"is larger than {MAX_TEXT_BYTES // 1_000_000} MB, too large for a model in JSON")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return _FileCheck(bad="not JSON")
    count = sum(1 for _ in numbers_of(value))
    if not count:
        return _FileCheck(bad="a model without any finite number")
    return _FileCheck(summary=f"model with {count} numbers")


def _placeholder(text: str) -> str:
    match = PLACEHOLDER_TEXT.search(text) or PLACEHOLDER_CELL.fullmatch(text)
    return f"holds placeholder text {match[0].strip()[:60]!r}" if match else ""


def read_parts(task: DryLabTask, folder: Path) -> dict[str, dict[str, Part]]:
    """Read the comparable parts of each declared output that exists, by output name."""
    files = {o.name: (o, folder / o.file) for o in task.outputs}
    return {name: split_parts(o, path) for name, (o, path) in files.items() if path.is_file()}
