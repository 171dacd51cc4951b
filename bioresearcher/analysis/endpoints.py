"""Endpoint of a time-to-event question: the pair of time and event that the objective names, or the only one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bioresearcher.analysis.mentions import levels_of, mend_line, mend_of
from bioresearcher.analysis.terms import endpoint_words, endpoints_named
from bioresearcher.analysis.wishes import Wishes
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.schemas.question import Endpoint

Stop = tuple[str, str]
"""A reason why a question cannot be answered, and what would settle it."""


_LAST = re.compile(r"(?i)last|follow|contact|censor|alive|seen")
"""Names of the times of those without an event."""
_ROLES = (
    'role = "time" under [files.columns.<the time>]; role = "event" and event_level = "<its event>", without '
    "case and control, under [files.columns.<the event>] of dataset.toml"
)
"""The lines that name a time and an event where no reading does."""


def pairs_of(dataset: Dataset) -> list[tuple[str, Column, Column]]:
    """(endpoint, time column, event column) of a data set; the endpoint is empty where no column names it."""
    sheet = dataset.file("samples")
    columns = sheet.columns if sheet else ()
    times, events = [c for c in columns if c.role == "time"], [c for c in columns if c.role == "event"]
    found = []
    for event in events:
        own = [t for t in times if t.endpoint == event.endpoint]
        time = next((t for t in own if not _LAST.search(t.name)), own[0] if own else None)
        if time is None and len(times) == 1 and len(events) == 1:
            time = times[0]
        if time is not None:
            found.append((event.endpoint or time.endpoint or _called(event, time), time, event))
    return found


def _called(*columns: Column) -> str:
    """The endpoint that names or labels of columns say."""
    for column in columns:
        named = endpoints_named(Text(f"{column.name.replace('_', ' ')} {column.label}"))
        if named:
            return named[0].name
    return ""


def event_cells(event: Column) -> tuple[str, ...]:
    """The cells that mean an event; empty when it is not known."""
    if event.event_level is not None:
        same = [cell for cell, level in event.codes if level == event.event_level]
        return tuple(dict.fromkeys((*same, event.event_level)))
    levels = [v for v in levels_of(event) if as_number(v) in (0.0, 1.0)]
    if event.levels and len(levels) == len(levels_of(event)):
        return tuple(v for v in levels if as_number(v) == 1.0) or ("1",)
    if event.dtype == "boolean":
        return tuple(v for v in event.levels if v.casefold() == "true") or ("True", "TRUE", "true")
    return ("1",) if not event.levels else ()


def bind_endpoint(dataset: Dataset, wishes: Wishes, words: str) -> tuple[Endpoint | None, Stop | None]:
    """Bind the endpoint that the words name; where they name none, the only one at hand."""
    pairs = pairs_of(dataset)
    named = list(dict.fromkeys(n.name for n in wishes.endpoints if n.words in words))
    said = next((n.words for n in wishes.endpoints if n.words in words), "")
    if not pairs:
        return None, _no_pair(dataset, named)
    have = {name: (time, event) for name, time, event in pairs}
    if len(named) > 1 and sum(n in have for n in named) > 1:
        both = " and ".join(endpoint_words(n) for n in named)
        return None, (f"{both} are asked for at once", "ask for one endpoint in a run")
    wanted = next((n for n in named if n in have), "")
    if wanted:
        return _endpoint(dataset, wanted, *have[wanted], said)
    if named and set(have) != {""}:
        known = ", ".join(endpoint_words(n) or "one without a name" for n in have)
        return None, (f"{endpoint_words(named[0])} is asked for, and the data hold {known}", f"ask for {known}")
    if named:
        time, event = have[""]
        return _endpoint(dataset, named[0], time, event, said)
    loose, loose_words = wishes.loose if wishes.loose[1] in words else ((), "")
    possible = [n for n in have if n in loose]
    if len(possible) == 1:
        return _endpoint(dataset, possible[0], *have[possible[0]], loose_words)
    if len(have) == 1:
        name, (time, event) = next(iter(have.items()))
        if loose and name and name not in loose:
            return None, (f"“{loose_words}” is asked for, and the data hold {endpoint_words(name)}", "")
        return _endpoint(dataset, name, time, event, loose_words)
    known = ", ".join(endpoint_words(n) or "one without a name" for n in have)
    return None, (f"the objective names no endpoint, and the data hold several ({known})", "name one in the objective")


def censored_time(dataset: Dataset, time: Column) -> str:
    """The column of the times of those without the event, where it is not the same; empty when it is."""
    sheet = dataset.file("samples")
    others = [c for c in (sheet.columns if sheet else ()) if c.role == "time" and c.name != time.name]
    same = [c.name for c in others if c.endpoint == time.endpoint and _LAST.search(c.name)]
    return same[0] if len(same) == 1 and not _LAST.search(time.name) else ""


def _endpoint(
    dataset: Dataset, name: str, time: Column, event: Column, words: str
) -> tuple[Endpoint | None, Stop | None]:
    cells = event_cells(event)
    if not cells:
        held = ", ".join(levels_of(event)) or "values"
        return None, (
            f"{event.name} holds {held}, and nothing says which of them is the event",
            mend_of(dataset, event.name, 'event_level = "…"'),
        )
    found = Endpoint(
        name=name,
        time_column=time.name,
        event_column=event.name,
        event_level=cells,
        censored_time_column=censored_time(dataset, time),
        time_unit=time.unit,
        words=words,
    )
    return found, None


def _no_pair(dataset: Dataset, named: Iterable[str]) -> Stop:
    asked = next(iter(named), "")
    sheet = dataset.file("samples")
    if sheet is None:
        return f"{dataset.id} has no sample sheet, so no time and event", "give the sheet with time and event"
    has = [r for r in ("time", "event") if dataset.column(r)]
    about = ("event_level", "role", "endpoint", "time_of")
    unsure = (r for r in dataset.readings if r.open and r.line.startswith(about))
    reading = next(unsure, None)
    lack = "event" if has == ["time"] else "time" if has == ["event"] else "time and event"
    wish = f"{endpoint_words(asked)} is asked for, and " if asked else ""
    below = next((r for r in dataset.readings if r.open and r.column and not r.line and "negative" in r.reason), None)
    if below is not None:
        why = f"{wish}{dataset.id} has no column of {lack} that can be used: {below.column!r}: {below.reason}"
        return why, f"correct these cells, or list them: missing_values under [files.columns.{below.column}]"
    mend = mend_line(reading.column, reading.line) if reading else _ROLES
    return f"{wish}{dataset.id} has no column of {lack}", mend
