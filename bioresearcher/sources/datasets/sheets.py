"""Reading of a sample sheet or another small table: a role for each column, units, endpoints, codes, contradictions.

Each statement is a `Reading` with its reason; those that decide a result and have more than one meaning are marked as
not sure, with the line of `dataset.toml` that settles them. A description that is there wins: only what it leaves open
is read by rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.dataset import Reading
from bioresearcher.schemas.missing import blanked
from bioresearcher.sources.datasets.endpoints import (
    ENDPOINT_WORDS,
    Endpoints,
    endpoint_of,
    find_endpoints,
    normal,
    read_events,
)
from bioresearcher.sources.datasets.labels import contradictions
from bioresearcher.sources.datasets.levels import missing_codes, spellings
from bioresearcher.sources.datasets.roles import ColumnGuess, guess_roles
from bioresearcher.sources.datasets.scan import MAX_COLUMNS, SheetScan
from bioresearcher.sources.datasets.spec import ColumnSpec, FileSpec
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits
from bioresearcher.sources.datasets.units import Unit, find_unit, row_word

_MOST_ROWS: Final = 50_000
GENES_HEADER: Final = ("gene", "mutated", "listed", "percent_of_listed")
"""Columns of the table that a list of mutations is taken to: how many of those who are listed carry one in a gene."""
_MANY_NUMBERS: Final = 12
"""Numeric columns from which a sample sheet without a matrix may hold the measurements itself."""
_STATED: Final = "stated in dataset.toml"
_ESTIMATE: Final = re.compile(
    r"^((log|ln)_?)?(hr|or|rr|irr|rd|md|smd|wmd|beta|es|d|g|effect(_size)?|estimate|hazard_ratio|odds_ratio|risk_ratio"
    r"|relative_risk|mean_difference|yi|te)$"
)
_PRECISION: Final = re.compile(
    r"^((95_?)?ci_?(low|lower|l|lb)|(low|lower|lcl|ll|lci)(_?(ci|95|limit|bound))*|ci95?_?(low|lower)|sei?|sete|vi|variance"
    r"|(se|std_?err(or)?|standard_error)(_?(of_)?(log|ln)_?\w*)?|std_?err\w*|(95_)?ci_?(95)?|confidence_interval|l95|lower_95)$"
)
_STUDY: Final = re.compile(
    r"^(study|trial|author|first_author|reference|paper|source|cohort)(_?(id|name|year|label))?$"
)
_OF_STUDIES: Final = (
    (_STUDY, "study"),
    (_ESTIMATE, "effect estimate"),
    (_PRECISION, "precision of the effect estimate"),
    (re.compile(r"high|upper|ucl|hi$|u95"), "precision of the effect estimate"),
    (re.compile(r"^n(_|$)|participants|patients|sample_size|total"), "participants"),
)


@dataclass
class SheetReading:
    """Description of the columns of a sheet as read by rule, with the reasons.

    Attributes:
        notes: What is to be said of it in words, beside the readings.
    """

    columns: dict[str, ColumnSpec]
    sample_column: str | None
    row_is: str
    readings: list[Reading]
    notes: list[str] = field(default_factory=list)


def read_cells(path: Path, limits: TableLimits) -> dict[str, list[str]]:
    """Read the cells of a sheet's columns, without blanks around them; of a large sheet the first rows.

    Raises:
        InputError: The file cannot be read as a table.
    """
    with RowStream(path, limits) as stream:
        header = stream.header[:MAX_COLUMNS]
        columns: list[list[str]] = [[] for _ in header]
        for count, row in enumerate(stream.rows()):
            if count >= _MOST_ROWS:
                break
            for cells, value in zip(columns, row, strict=False):
                cells.append(value.strip())
    return dict(zip(header, columns, strict=True))


def is_study_table(header: Sequence[str]) -> bool:
    """Return True if the columns are those of a table of studies: effect estimates with their precision."""
    names = [normal(n) for n in header]
    precise = any(_PRECISION.search(n) for n in names)
    return (
        precise
        and any(_ESTIMATE.search(n) for n in names)
        and (any(_STUDY.search(n) for n in names) or len(names) <= 12)
    )


def scans_of(columns: Mapping[str, Sequence[str]], missing: Mapping[str, Sequence[str]]) -> list[ColumnScan]:
    """Scan columns whose cells are at hand."""
    scans = []
    for name, cells in columns.items():
        scan = ColumnScan(name, frozenset(v.strip().lower() for v in missing.get(name, ())))
        for line, cell in enumerate(cells, start=2):
            scan.add(cell, line)
        scan.finish()
        scans.append(scan)
    return scans


def read_sheet(
    file: str,
    scan: SheetScan,
    columns: Mapping[str, Sequence[str]],
    sample_column: str | None,
    why_sample: str,
    *,
    measured: bool,
) -> SheetReading:
    """Read a sheet without a description.

    Args:
        file: Its path in the data set, for the readings.
        scan: Its scan, for the columns' order.
        columns: Its cells.
        sample_column: The column of sample names; None when rows have no name.
        why_sample: Reason for that.
        measured: Whether the measurements are in another file.
    """
    known = {name: blanked(cells) for name, cells in columns.items()}
    units = find_unit(known, sample_column)
    named = {u.column for u in units} | ({sample_column} if sample_column else set())
    readings: list[Reading] = []
    missing = _missing(file, {n: c for n, c in known.items() if n not in named}, readings)
    scans = scans_of(columns, missing)
    found = find_endpoints(s for s in scans if s.name not in named)
    guesses = guess_roles(
        [s for s in scans if s.name not in named or s.name == sample_column], sample_column, why_sample, found
    )
    for unit in units:
        guesses[unit.column] = ColumnGuess("pair" if unit.pair else "unit", why=unit.why)
    if tuple(columns) == GENES_HEADER:
        says = [Reading(file=file, says="a row is a mutated gene", reason="made of a list of mutations")]
        return SheetReading({n: ColumnSpec() for n in columns}, None, "mutated gene", says, [])
    if is_study_table(list(columns)):
        return _studies(file, scan, guesses, sample_column)
    if not measured:
        _covariates([s for s in scans if s.name not in {p.event for p in found.pairs}], guesses)
    for name, codes in missing.items():
        guesses[name] = replace(guesses[name], missing_values=codes)
    guesses = {name: guesses.get(name, ColumnGuess()) for name in columns}
    row_is = row_word(known.get(sample_column or "", ()), sample_column, units)
    if sample_column is None and why_sample:
        row_is = row_is or "patient"
    readings = [
        *_row_readings(file, row_is, sample_column, why_sample, units, scan.rows),
        *(r for s in scans for r in _column_readings(file, s, guesses[s.name])),
        *_open_endpoints(file, found),
        *readings,
    ]
    specs = {name: guess.spec() for name, guess in guesses.items()}
    readings += _between_columns(file, known, specs)
    return SheetReading(
        specs, sample_column, row_is, readings, [_note(file, n, g) for n, g in guesses.items() if g.why]
    )


def _missing(file: str, known: Mapping[str, Sequence[str]], readings: list[Reading]) -> dict[str, tuple[str, ...]]:
    """Find numbers that mean "not known"; those that are not sure become readings only."""
    sure: dict[str, tuple[str, ...]] = {}
    for name, cells in known.items():
        codes = missing_codes(name, [c for c in cells if c])
        if codes.sure:
            sure[name] = tuple(codes.sure)
            reason = "; ".join(dict.fromkeys(codes.sure.values()))
            readings.append(
                Reading(
                    file=file, column=name, says=f"{_listed(codes.sure)} means not known", reason=reason, decides=True
                )
            )
        if codes.open:
            both = [*codes.sure, *codes.open]
            reason = f"{'; '.join(dict.fromkeys(codes.open.values()))}; [] if it is a value"
            readings.append(
                Reading(
                    file=file,
                    column=name,
                    says=f"{_listed(codes.open)} may mean not known",
                    reason=reason,
                    sure=False,
                    decides=True,
                    line=f"missing_values = [{', '.join(quoted(v) for v in both)}]",
                )
            )
    return sure


def _listed(values: Mapping[str, str]) -> str:
    return " and ".join(repr(v) for v in values)


def quoted(text: str) -> str:
    """Write a text as TOML."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _covariates(scans: Sequence[ColumnScan], guesses: dict[str, ColumnGuess]) -> None:
    """Take numbers of a sheet that stands alone as covariates, unless they are so many that they are measurements."""
    left = [
        s.name
        for s in scans
        if guesses[s.name].role == "other" and not guesses[s.name].why and s.numbers and not s.texts
    ]
    if len(left) < _MANY_NUMBERS:
        for name in left:
            guesses[name] = replace(
                guesses[name], role="covariate", why="a number for each row of a sheet without a matrix"
            )


def _studies(file: str, scan: SheetScan, guesses: dict[str, ColumnGuess], sample_column: str | None) -> SheetReading:
    """Describe a table of studies: estimates and their precision are not samples' values."""
    specs = {}
    for column in scan.columns:
        text = normal(column.name)
        role = "id" if column.name == sample_column else "other"
        label = next((words for pattern, words in _OF_STUDIES if pattern.search(text)), "")
        specs[column.name] = ColumnSpec(role="id" if role == "id" else "other", label=label)
    reason = "it has effect estimates with standard errors or limits of their intervals"
    readings = [Reading(file=file, says="a row is a study", reason=reason, decides=True)]
    readings += [
        Reading(file=file, column=n, says=s.label or f"role {s.role}", reason="its name") for n, s in specs.items()
    ]
    return SheetReading(specs, sample_column, "study", readings, [f"{file}: a row is a study ({reason})."])


def _row_readings(
    file: str, row_is: str, sample_column: str | None, why: str, units: Sequence[Unit], rows: int
) -> list[Reading]:
    found = []
    if sample_column is None:
        found.append(
            Reading(
                file=file,
                says="rows have no name and are numbered; each is taken as one patient",
                reason="no column holds names that all differ",
                sure=False,
                line='sample_column = "…"',
            )
        )
    elif row_is:
        found.append(Reading(file=file, says=f"a row is a {row_is}", reason=f"column {sample_column!r}: {why}"))
    for unit in units:
        if unit.pair:
            says = f"{unit.units} pairs in {rows} rows"
        else:
            says = f"the unit of analysis is a {unit.word}: {unit.units} in {rows} rows, {unit.repeated} several times"
        found.append(Reading(file=file, column=unit.column, says=says, reason=unit.why, decides=unit.repeated > 0))
    return found


def _column_readings(file: str, scan: ColumnScan, guess: ColumnGuess) -> list[Reading]:
    """State the role, codes and endpoint of one column, and which of them stay open."""
    if guess.role in ("unit", "pair"):
        return []
    found = []
    if guess.why:
        decides = guess.role == "event" and guess.event_level is not None
        found.append(Reading(file=file, column=scan.name, says=_says(guess), reason=guess.why, decides=decides))
    if guess.role == "event" and not guess.endpoint:
        says, line = "the endpoint is not stated", 'endpoint = "OS"'
        found.append(Reading(file=file, column=scan.name, says=says, reason="no name says it", sure=False, line=line))
    if guess.role == "time" and guess.unit is None:
        says = "the unit of time is not stated"
        found.append(
            Reading(
                file=file, column=scan.name, says=says, reason="its name has none", sure=False, line='unit = "months"'
            )
        )
    if guess.codes:
        found.append(_codes_reading(file, scan.name, guess.codes))
    if guess.role in ("group", "covariate"):
        found += [] if guess.codes else _unnamed_levels(file, scan)
        if open_ := spellings(scan.name, scan.groups).open:
            found.append(_open_spelling(file, scan.name, open_))
    return found


def _says(guess: ColumnGuess) -> str:
    parts = [f"role {guess.role}"]
    if guess.endpoint:
        parts.append(f"endpoint {guess.endpoint} ({ENDPOINT_WORDS.get(guess.endpoint, guess.endpoint)})")
    if guess.event_level is not None:
        parts.append(f"event {guess.event_level!r}")
    if guess.time_of:
        parts.append("of those with the event" if guess.time_of == "event" else "of those without the event")
    if guess.unit:
        parts.append(f"in {guess.unit}")
    if guess.case is not None:
        parts.append(f"case {guess.case!r}, control {guess.control!r}")
    return ", ".join(parts)


def _unnamed_levels(file: str, scan: ColumnScan) -> list[Reading]:
    """State that numbers stand for levels whose names nobody stated: a sex, or 1 and 2 of a group."""
    numbers = sorted({n for level in scan.groups if (n := as_number(level)) is not None})
    sex = re.search(r"^(sex|gender)$|_sex$|_gender$", normal(scan.name)) is not None
    if len(numbers) != len(scan.groups) or not ((sex and len(numbers) == 2) or numbers == [1.0, 2.0]) or scan.texts:
        return []
    if not sex and re.search(r"grade|stage|size|nodes?|score|number|count", normal(scan.name)):
        return []
    names = ("male", "female") if sex else ("…", "…")
    inner = ", ".join(f"{quoted(level)} = {quoted(n)}" for level, n in zip(sorted(scan.groups), names, strict=True))
    return [
        Reading(
            file=file,
            column=scan.name,
            says=f"which level {' and which '.join(sorted(scan.groups))} stands for is not known",
            reason="its values are numbers, and no description names them",
            sure=False,
            decides=True,
            line=f"codes = {{{inner}}}",
        )
    ]


def _codes_reading(file: str, column: str, codes: Mapping[str, str]) -> Reading:
    says = "codes " + ", ".join(f"{cell} = {level}" for cell, level in codes.items())
    return Reading(file=file, column=column, says=says, reason="spellings or codes of the same level", decides=True)


def _open_spelling(file: str, column: str, codes: Mapping[str, str]) -> Reading:
    inner = ", ".join(f"{quoted(cell)} = {quoted(level)}" for cell, level in codes.items())
    return Reading(
        file=file,
        column=column,
        says="levels " + ", ".join(f"{cell!r} and {level!r}" for cell, level in codes.items()) + " may be the same",
        reason="they differ in case only and are short; two names of your own if they are not the same",
        sure=False,
        decides=True,
        line=f"codes = {{{inner}}}",
    )


def _open_endpoints(file: str, found: Endpoints) -> list[Reading]:
    """State the events whose level is not known, and the times that belong to none for sure."""
    readings = []
    for event, coding in [(p.event, p.coding) for p in found.pairs] + [(e.name, e.coding) for e in found.left]:
        if coding.event_level is None:
            readings.append(_open_event(file, event, coding.reason, coding.likely))
    for name, why, line in found.open:
        says = "a time that belongs to no event for sure"
        readings.append(Reading(file=file, column=name, says=says, reason=why, sure=False, decides=True, line=line))
    return readings


def _open_event(file: str, column: str, reason: str, likely: str) -> Reading:
    says = "may be the event, but which of its values is the event is not known"
    line = f"event_level = {quoted(likely or '…')}"
    return Reading(file=file, column=column, says=says, reason=reason, sure=False, decides=True, line=line)


def _between_columns(file: str, known: Mapping[str, Sequence[str]], specs: Mapping[str, ColumnSpec]) -> list[Reading]:
    """State labels that contradict each other, and a batch that goes with a group."""
    readings = [
        Reading(file=file, column=found.column, says=found.sentence, reason=found.reason, decides=True)
        for found in contradictions(known, specs)
    ]
    groups = [n for n, s in specs.items() if s.role == "group"]
    for batch in (n for n, s in specs.items() if s.role == "batch"):
        for group in groups:
            if (text := _confounded(known[batch], known[group], specs[group])) != "":
                reason = f"batch {batch!r} against group {group!r}"
                readings.append(Reading(file=file, column=batch, says=text, reason=reason, decides=True))
    return readings


def _confounded(batch: Sequence[str], group: Sequence[str], spec: ColumnSpec) -> str:
    """Describe how a batch and a group go together; empty if they do not."""
    table: dict[str, dict[str, int]] = {}
    for b, g in zip(batch, group, strict=True):
        if b and g:
            row = table.setdefault(b, {})
            level = spec.codes.get(g, g)
            row[level] = row.get(level, 0) + 1
    levels = {level for row in table.values() for level in row}
    if not 2 <= len(table) <= 12 or not 2 <= len(levels) <= 12:
        return ""
    total = sum(sum(row.values()) for row in table.values())
    best = sum(max(row.values()) for row in table.values())
    base = max(sum(row.get(level, 0) for row in table.values()) for level in levels)
    shown = "; ".join(
        f"{b}: {', '.join(f'{n} {v}' for v, n in sorted(row.items()))}" for b, row in sorted(table.items())
    )
    if all(len(row) == 1 for row in table.values()):
        return f"batch and group cannot be told apart ({shown})"
    return f"batch and group go together ({shown})" if (best - base) > 0.4 * (total - base) else ""


def complete(
    file: FileSpec, scan: SheetScan, columns: Mapping[str, Sequence[str]], endpoint: str | None
) -> SheetReading:
    """Read by rule what the description of a sheet leaves open; it is never overruled.

    Args:
        file: Its description.
        scan: Its scan.
        columns: Its cells.
        endpoint: What an event is, in the words of the data set's description.
    """
    path = Path(file.path).as_posix()
    sample_column = file.sample_column or next((n for n, c in file.columns.items() if c.role == "id"), None)
    if sample_column is None and file.kind == "samples":
        first = scan.columns[0].name if scan.columns else None
        free = first not in file.columns or file.columns[first].role == "other"
        sample_column = first if first in scan.ids and free else None
    readings: list[Reading] = []
    stated = {n: c for n, c in file.columns.items() if n in columns}
    open_missing = {
        n: blanked(c)
        for n, c in columns.items()
        if n != sample_column and (n not in stated or "missing_values" not in stated[n].model_fields_set)
    }
    missing = _missing(path, open_missing, readings)
    known = {
        n: blanked(c, (*missing.get(n, ()), *(stated[n].missing_values if n in stated else ())))
        for n, c in columns.items()
    }
    units = [u for u in find_unit(known, sample_column) if u.column not in stated]
    if any(c.role == "unit" for c in stated.values()):
        units = [u for u in units if u.pair]
    specs: dict[str, ColumnSpec] = dict(file.columns)
    for scanned in scans_of(columns, {n: missing.get(n, ()) for n in columns}):
        name = scanned.name
        spec = stated.get(name, ColumnSpec())
        update: dict[str, object] = {"missing_values": missing[name]} if name in missing else {}
        if name in stated:
            readings.append(_stated(path, name, spec))
            update |= _left_open(path, spec, scanned, readings)
        if update:
            specs[name] = spec.model_copy(update=update)
    for unit in units:
        specs[unit.column] = specs.get(unit.column, ColumnSpec()).model_copy(
            update={"role": "pair" if unit.pair else "unit"}
        )
    _name_endpoints(specs, endpoint)
    row_is = file.row_is or (
        "study" if is_study_table(list(columns)) else row_word(known.get(sample_column or "", ()), sample_column, units)
    )
    why = _STATED if file.sample_column else "its role or place"
    if sample_column or file.kind == "samples":
        readings[:0] = _row_readings(path, row_is, sample_column, why, units, scan.rows)
    readings += _between_columns(path, known, {n: specs.get(n, ColumnSpec()) for n in columns})
    return SheetReading(specs, sample_column, row_is, readings)


def _stated(file: str, name: str, spec: ColumnSpec) -> Reading:
    parts = [f"role {spec.role}"]
    parts += [f"endpoint {spec.endpoint}"] if spec.endpoint else []
    parts += [f"event {spec.event_level!r}"] if spec.event_level is not None else []
    parts += [f"case {spec.case!r}, control {spec.control!r}"] if spec.case is not None else []
    parts += [f"in {spec.unit}"] if spec.unit else []
    return Reading(file=file, column=name, says=", ".join(parts), reason=_STATED)


def _left_open(path: str, spec: ColumnSpec, scan: ColumnScan, readings: list[Reading]) -> dict[str, object]:
    """Read the event's level and the spellings of levels that a description does not state."""
    update: dict[str, object] = {}
    codes = dict(spec.codes)
    if spec.role in ("group", "covariate", "batch") and "codes" not in spec.model_fields_set:
        spelt = spellings(scan.name, scan.groups)
        chosen = {spelt.codes.get(v, v): v for v in (spec.case, spec.control) if v is not None}
        joined = {cell: chosen.get(level, level) for cell, level in spelt.codes.items()}
        joined |= {level: v for level, v in chosen.items() if level in spelt.codes.values()}
        codes = {cell: level for cell, level in joined.items() if cell != level}
        if codes:
            update["codes"] = codes
            readings.append(_codes_reading(path, scan.name, codes))
        if spelt.open:
            readings.append(_open_spelling(path, scan.name, spelt.open))
    if spec.role in ("group", "covariate") and not codes and not spec.label and spec.case is None:
        readings += _unnamed_levels(path, scan)
    if spec.role == "event" and spec.event_level is None:
        levels: dict[str, int] = {}
        for cell, count in scan.groups.items():
            level = codes.get(cell, cell)
            levels[level] = levels.get(level, 0) + count
        endpoint = spec.endpoint or endpoint_of(scan.name)
        coding = read_events(scan.name, levels, endpoint, spec.label)
        if coding is not None and coding.event_level is not None:
            update["event_level"] = coding.event_level
            update["codes"] = {**codes, **coding.codes}
            says = f"event {coding.event_level!r}"
            readings.append(Reading(file=path, column=scan.name, says=says, reason=coding.reason, decides=True))
        else:
            reason = coding.reason if coding is not None else "its values are no coding of an event that is known"
            readings.append(_open_event(path, scan.name, reason, coding.likely if coding is not None else ""))
    return update


def _name_endpoints(specs: dict[str, ColumnSpec], endpoint: str | None) -> None:
    """Give times and events the endpoint that their names say, or that of the only one beside them."""
    timed = {n: s for n, s in specs.items() if s.role in ("time", "event")}
    names = {n: s.endpoint or endpoint_of(n) for n, s in timed.items()}
    said = {v for v in names.values() if v}
    only = next(iter(said)) if len(said) == 1 else ""
    if not said and endpoint:
        only = endpoint_of(endpoint)
    several = [r for r in ("time", "event") if sum(s.role == r for s in timed.values()) > 1]
    for name, spec in timed.items():
        value = names[name] or ("" if several else only)
        if value and value != spec.endpoint:
            specs[name] = spec.model_copy(update={"endpoint": value})


def _note(file: str, column: str, guess: ColumnGuess) -> str:
    text = f"{file}: column {column!r} was taken as {guess.role} ({guess.why})"
    if guess.case is not None:
        text += f", with {guess.case!r} as case and {guess.control!r} as control"
    if guess.unit is not None:
        text += f", in {guess.unit} as its name says"
    if guess.event_level is not None and guess.role == "event":
        text += f", the event being {guess.event_level!r}"
    return text + "."
