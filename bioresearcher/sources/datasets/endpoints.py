"""Endpoints of a sample sheet: times and events by their names, which belong together, and the event among the levels.

A column's name that says its endpoint (`RFS_MONTHS`, `OS.time`, `relapse`, `vital_status`) gives the endpoint its
short name. The level that is the event is read from words (`Dead`, `1:DECEASED`) or from 0 and 1; numbers such as 1 and
2, and a column called `censored` with 0 and 1, have more than one reading and stay open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bioresearcher.schemas.columns import ColumnScan, as_number

_NAMES: Final[tuple[tuple[str, str], ...]] = (
    ("LRFS", r"lrr?fs|loco?_?(regional)?_(relapse|recurrence)\w*|local_(relapse|recurrence)\w*"),
    ("BRFS", r"brfs|bcrfs|biochemical_(relapse|recurrence|failure)\w*|psa_(relapse|recurrence|failure)"),
    ("IDFS", r"idfs|invasive_disease_free\w*"),
    ("DMFS", r"dmfs|dm?rfs|distant_(metasta\w+|relapse|recurrence)(_free)?\w*"),
    ("TDM", r"ttdm|tdm"),
    ("MFS", r"mfs|metastas[ie]s_free\w*|metastas[ie]s(?=_(event|status|time|days|months|years))"),
    ("RFS", r"rfs|(relapse|recurrence)_?free\w*|relapsed?|recurrences?|recurred"),
    ("PFS", r"pfs|progression_?free_survival|progression_?free(?!_interval)|progress(ion|ed)"),
    ("PFI", r"pfi|progression_?free_interval"),
    ("TTP", r"ttp|time_to_progression"),
    ("TTR", r"ttr|time_to_(relapse|recurrence)"),
    ("DFS", r"dfs|disease_?free(?!_interval)\w*"),
    ("DFI", r"dfi|disease_?free_interval"),
    ("EFS", r"efs|event_?free\w*"),
    ("FFS", r"ffs|failure_?free\w*"),
    ("DSS", r"dss|css|bcss|(disease|cancer|breast_cancer|cause)_?specific\w*"),
    ("OS", r"os|overall_?surv\w*|vital_?(status|state)|deaths?|dead|died|deceased|mortality|alive"),
)
_SUFFIX: Final = r"(?=$|_|time|days?|months?|years?|weeks?|status|stat|event|cens)"
_ENDPOINTS: Final = tuple((name, re.compile(rf"(?<![a-z])({words}){_SUFFIX}")) for name, words in _NAMES)
_UNIT: Final = re.compile(
    r"(?:(?<![a-z])|(?<=time)|(?<=os)|(?<=fs)|(?<=surv))(days?|weeks?|months?|years?|mo|yrs?)(?![a-z])"
)
_UNITS: Final = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
_SHORT: Final = r"(os|[a-z]{0,4}fs|dss|css|pfi|dfi|ttp|ttr|tt?dm)"
_UNIT_WORDS: Final = r"(days?|weeks?|months?|mo|years?|yrs?)"
_TIME: Final = re.compile(
    rf"^(time|t|futime|fu|duration|tte|{_UNIT_WORDS})$|surv(ival)?_?(time|{_UNIT_WORDS})|time_to|follow_?up|^f_?u_"
    rf"|^(t|time)_{_SHORT}(_{_UNIT_WORDS})?$|^{_SHORT}_?(time|{_UNIT_WORDS})|^{_SHORT}$"
    rf"|{_UNIT_WORDS}_to_|_time$|^time_|_duration$|surv\w*_{_UNIT_WORDS}$|_free_surv\w*$|^overall_surv\w*$"
    rf"|(relapse|recurrence|progression|death|survival|free)_(time|{_UNIT_WORDS})$|^death_{_UNIT_WORDS}_to$"
    rf"|^last_contact_{_UNIT_WORDS}_to$"
)
_NO_TIME: Final = re.compile(
    r"(days|months|years|time)_to_(birth|sampling|processing|freez\w*|collection|harvest\w*|procurement|diagnosis"
    r"|initial\w*|sample\w*|index|treatment\w*|surgery)|treat\w*_time|harvest|collection|processing|storage|ischa?emi"
)
_EVENT: Final = re.compile(
    r"(?<![a-z])events?(?![a-z])|^((?:demographic_|diagnoses_|follow_ups_)?vital_status|status|vital_?(status|state)|deaths?|dead|died|deceased|alive|relapsed?|recurr\w+"
    r"|progress(ion|ed)|metastasis_event|outcome|survival|fustat|mortality|cens|censor\w*)$"
    rf"|^(e|event|status|stat|cens\w*)_{_SHORT}$|^{_SHORT}(_?(status|stat|event|ind|cens\w*|e|s))?$|surv\w*_status|survstat"
    r"|^(is_)?(dead|deceased)$|(relapse|recurrence|progression|death|dead|free|free_surv\w*|vital)_(status|event|stat)$"
    r"|_event$|_free_survival$|^overall_survival$|censor"
)
_DEATH: Final = re.compile(rf"(^|_)({_UNIT_WORDS}|time)_to_death$|(^|_)death_{_UNIT_WORDS}_to$")
_LAST: Final = re.compile(
    rf"(^|_)({_UNIT_WORDS}|time)_to_(last_?(follow_?up|contact|known\w*|seen|visit)|follow_?up)$"
    rf"|(^|_)last_contact_{_UNIT_WORDS}_to$"
)
_IS_CENSORED: Final = re.compile(
    r"^(alive|living|survived|survivor|censor\w*|no|not|non|none|false|free)\b|\bfree\b|^(disease|relapse|recurrence"
    r"|progression|event|tumou?r)[ _-]?free|^no[ _-]|^lost\b|^ongoing"
)
_IS_EVENT: Final = re.compile(
    r"^(dead|deceased|died|death|dod|doc|expired|yes|true"
    r"|(relapsed?|recurr\w*|progress\w*|events?|metasta\w*|fail\w*)(?![ -]free))\b"
)
_OF_DISEASE: Final = re.compile(r"(of|from|with|by) (the )?(disease|cancer|tumou?r|breast cancer)|\bdod\b")
_CODE: Final = re.compile(r"^([01])\s*[:=\-]\s*(.+)$")
_CODES_ASIDE: Final = re.compile(r"[(\[][^)\]]*[=:][^)\]]*[)\]]|\d+\s*[:=].*$")
_CODES_IN_NAME: Final = re.compile(r"(?<![\w.])(\d+)\s*[:=]\s*([A-Za-z][A-Za-z -]*)")
_YES: Final = frozenset(("yes", "true", "y", "t"))
_NO: Final = frozenset(("no", "false", "n", "f"))


ENDPOINT_WORDS: Final[Mapping[str, str]] = {
    "OS": "overall survival",
    "RFS": "relapse-free survival",
    "DFS": "disease-free survival",
    "PFS": "progression-free survival",
    "DMFS": "distant-metastasis-free survival",
    "MFS": "metastasis-free survival",
    "DSS": "disease-specific survival",
    "EFS": "event-free survival",
    "FFS": "failure-free survival",
    "IDFS": "invasive-disease-free survival",
    "LRFS": "local-relapse-free survival",
    "BRFS": "freedom from biochemical relapse",
    "PFI": "progression-free interval",
    "DFI": "disease-free interval",
    "TTP": "time to progression",
    "TTR": "time to relapse",
    "TDM": "time to distant metastasis",
}
"""Short names of endpoints and their words."""


def normal(name: str) -> str:
    """Normalise a column's name: lower case, every run of other characters as `_`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def endpoint_of(name: str) -> str:
    """Return the short name of the endpoint that a column's name or a phrase says; empty if it says none."""
    text = normal(name)
    return next((short for short, pattern in _ENDPOINTS if pattern.search(text)), "")


def unit_of(name: str) -> str | None:
    """Return the unit of time that a column's name says: days, weeks, months or years."""
    found = _UNIT.search(normal(name))
    return _UNITS[found.group(1)[0]] if found else None


@dataclass(frozen=True)
class EventCoding:
    """Reading of an event's levels.

    Attributes:
        event_level: The level (of `codes`, if there are any) that is the event; None when it stays open.
        codes: Cell as written -> level it means.
        likely: The cell that is probably the event where it stays open.
    """

    event_level: str | None
    reason: str
    codes: Mapping[str, str] = field(default_factory=dict)
    likely: str = ""


def read_events(name: str, levels: Mapping[str, int], endpoint: str = "", label: str = "") -> EventCoding | None:
    """Read which level of a column is the event; None if the levels are no coding of an event.

    Args:
        name: The column's name.
        levels: Known levels with their counts, those that mean "not known" left out.
        endpoint: Short name of the column's endpoint.
        label: Its label, which may say what its values mean.
    """
    if not levels or len(levels) > 8:
        return None
    censor = "censor" in normal(name) or re.search(r"(^|_)cens(_|$)", normal(name)) is not None
    alive = normal(name) == "alive"
    if named := codes_in_name(f"{name} {label}", levels):
        said = _words({word: levels[cell] for cell, word in named.items()}, endpoint)
        if said is not None and said.event_level is not None:
            codes = {cell: said.codes.get(word, word) for cell, word in named.items()}
            return EventCoding(said.event_level, "its name says what its values mean", codes)
    numbers = [as_number(level) for level in levels]
    if all(n is not None for n in numbers):
        if re.search(r"surviv(al|ed|ors?)$", normal(name)) and set(numbers) <= {0.0, 1.0}:
            zero = next((v for v in levels if as_number(v) == 0.0), "0")
            why = (
                "the values are 0 and 1 in a column called survival, and whether 1 means survived or died is not stated"
            )
            return EventCoding(None, why, likely=zero)
        return _numeric(levels, {float(n) for n in numbers if n is not None}, censor=censor, alive=alive)
    plain = {level: level.strip().lower() for level in levels}
    if set(plain.values()) <= _YES | _NO:
        wanted = _NO if censor or alive else _YES
        found = [level for level, text in plain.items() if text in wanted]
        if not found:
            other = next(iter(levels))
            return EventCoding(None, f"its only value is {other!r}")
        return _merged(found, levels, f"{found[0]!r} in a column called {name!r}")
    return _words(levels, endpoint)


def codes_in_name(name: str, levels: Iterable[str]) -> dict[str, str]:
    """Return the meaning of each level that a column's name or label states (`status (1=alive, 2=dead)`), if of all."""
    stated = {code: word.strip() for code, word in _CODES_IN_NAME.findall(name)}
    found = {level: stated.get(level.strip().removesuffix(".0"), "") for level in levels}
    return found if found and all(found.values()) and len(set(found.values())) == len(found) else {}


def _numeric(levels: Mapping[str, int], numbers: set[float], *, censor: bool, alive: bool) -> EventCoding | None:
    if numbers <= {0.0, 1.0}:
        one = next((v for v in levels if as_number(v) == 1.0), "1")
        zero = next((v for v in levels if as_number(v) == 0.0), "0")
        if censor:
            return EventCoding(
                None, "the values are 0 and 1, and whether 1 means censored or event is not stated", likely=zero
            )
        if alive:
            return EventCoding(zero, "0 and 1 in a column called alive: 0 is not alive")
        return EventCoding(one, "its values are 0 and 1")
    if numbers == {1.0, 2.0}:
        two = next(v for v in levels if as_number(v) == 2.0)
        return EventCoding(
            None, "its values are 1 and 2, whose meaning is not stated (by R's convention 2 is the event)", likely=two
        )
    if all(n.is_integer() for n in numbers) and 2 <= len(numbers) <= 4:
        one = next((v for v in levels if as_number(v) == 1.0), max(levels, key=lambda v: as_number(v) or 0.0))
        shown = ", ".join(sorted(levels, key=lambda v: as_number(v) or 0.0))
        return EventCoding(None, f"its values are {shown}, whose meaning is not stated", likely=one)
    return None


def _words(levels: Mapping[str, int], endpoint: str) -> EventCoding | None:
    """Read levels that are words, with or without a leading `0:` or `1:`."""
    coded = {level: m for level in levels if (m := _CODE.match(level.strip()))}
    if len(coded) == len(levels):
        events = [level for level, m in coded.items() if m[1] == "1"]
        word = {level: m[2].strip() for level, m in coded.items()}
        contradicted = [v for v in events if _said(word[v]) is False] + [
            v for v in levels if v not in events and _said(word[v]) is True and endpoint != "DSS"
        ]
        if contradicted or not events:
            why = f"{contradicted[0]!r} contradicts the code before it" if contradicted else "no value begins with 1"
            return EventCoding(None, why, likely=events[0] if events else "")
        found = _merged(events, {word[v]: n for v, n in levels.items()}, "the code 1 before its words", word)
        return found
    said = {level: _said(level) for level in levels}
    if any(v is None for v in said.values()) or (len(levels) == 1 and not endpoint):
        return None
    events = [level for level, is_event in said.items() if is_event]
    if not events:
        return EventCoding(None, "none of its values is an event")
    if endpoint == "DSS" and len(events) > 1:
        events = [v for v in events if _OF_DISEASE.search(v.lower())]
        if not events:
            return EventCoding(None, "which deaths are of the disease is not stated")
    shown = " and ".join(repr(v) for v in events[:3])
    return _merged(events, levels, f"{shown} {'is' if len(events) == 1 else 'are'} the event by the words themselves")


def _said(level: str) -> bool | None:
    text = re.sub(r"[_\s]+", " ", level.strip().lower())
    if _IS_EVENT.search(text):
        return True
    return False if _IS_CENSORED.search(text) else None


def _merged(
    events: Sequence[str], levels: Mapping[str, int], why: str, words: Mapping[str, str] | None = None
) -> EventCoding:
    """Make one level of all cells that mean the event; `words` are the words without the codes before them."""
    words = words or {}
    level = max((words.get(e, e) for e in events), key=lambda v: levels.get(v, 0))
    if len({e.strip().casefold() for e in events}) > 1:
        level = "dead" if all(re.match(r"(dea|die|dec|do[dc])", e.strip().lower()) for e in events) else "event"
    codes = {cell: word for cell, word in words.items() if cell != word}
    codes.update({e: level for e in events if e != level})
    return EventCoding(level, why, codes)


@dataclass(frozen=True)
class Pair:
    """A time and an event that belong together.

    Attributes:
        censored_time: Time of those without the event, where `time` holds for those with it only.
    """

    endpoint: str
    time: str
    event: str
    coding: EventCoding
    why: str
    unit: str | None
    censored_time: str = ""

    @property
    def sure(self) -> bool:
        """True when it is known which level is the event."""
        return self.coding.event_level is not None


@dataclass(frozen=True)
class LeftEvent:
    """An event by its name and values, with the endpoint that they say."""

    name: str
    endpoint: str
    coding: EventCoding


@dataclass(frozen=True)
class Endpoints:
    """Endpoints of a sheet.

    Attributes:
        open: (column, reason, line of `dataset.toml`) of the times that rules cannot give to an event; no line where
            cells must be corrected.
        left: Events beside those times, with their endpoint and coding.
        same_times: Column -> the time that it holds in another unit.
    """

    pairs: tuple[Pair, ...] = ()
    left: tuple[LeftEvent, ...] = ()
    open: tuple[tuple[str, str, str], ...] = ()
    same_times: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> set[str]:
        """Names of all columns of the pairs."""
        return {n for p in self.pairs for n in (p.time, p.event, p.censored_time) if n}


def is_time(column: ColumnScan) -> bool:
    """Return True if a column can hold times: numbers from 0 that are more than a code."""
    return column.known > 0 and column.texts == 0 and column.minimum >= 0 and not column.binary


def names_time(name: str) -> bool:
    """Return True if a column is called like a time of follow-up."""
    return _TIME.search(normal(name)) is not None and _NO_TIME.search(normal(name)) is None


def find_endpoints(columns: Iterable[ColumnScan]) -> Endpoints:
    """Find the times and events of a sheet that belong together, by names and values."""
    scans = list(columns)
    times = [c for c in scans if names_time(c.name) and _may_be_time(c)]
    events = []
    for column in scans:
        if column not in times and (found := _event(column)) is not None:
            events.append(found)
    pairs, rest_times, rest_events = _composite(times, events)
    open_: list[tuple[str, str, str]] = []
    same: dict[str, str] = {}
    taken = {p.endpoint for p in pairs}
    for name in dict.fromkeys(e.endpoint for e in rest_events if e.endpoint):
        own_events = [e for e in rest_events if e.endpoint == name]
        own_times = [t for t in rest_times if endpoint_of(t.name) == name]
        if not own_times:
            continue
        time = own_times[0]
        event = _best(own_events)
        if name in taken:
            same.update({t.name: next(p.time for p in pairs if p.endpoint == name) for t in own_times})
        else:
            pairs.append(_pair(name, time, event, f"both are named after {name}"))
            taken.add(name)
            same.update({t.name: time.name for t in own_times[1:]})
        rest_times = [t for t in rest_times if t not in own_times]
        rest_events = [e for e in rest_events if e.endpoint != name]
    _pair_the_rest(pairs, open_, rest_times, rest_events)
    left = [e for e in rest_events if open_ and e.name not in {p.event for p in pairs}]
    below = [c for c in scans if events and names_time(c.name) and c.known and not c.texts and c.minimum < 0]
    open_ += [(c.name, f"it is called like a time, and holds negative values (least {c.minimum:g})", "") for c in below]
    return Endpoints(tuple(pairs), tuple(left), tuple(open_), same)


def _may_be_time(column: ColumnScan) -> bool:
    codes = column.levels or {}
    whole = set(map(as_number, codes)) if codes else set()
    return is_time(column) and not (0 < len(whole) <= 2 and column.known > 8)


def _event(column: ColumnScan) -> LeftEvent | None:
    name = normal(_CODES_ASIDE.sub("", column.name))
    endpoint = endpoint_of(column.name)
    named = _EVENT.search(name) is not None
    if not named and not (len(column.groups) == 2 and column.texts and _deaths(column.groups)):
        return None
    coding = read_events(column.name, column.groups, endpoint)
    if coding is None:
        return None
    if not endpoint and _deaths(column.groups):
        endpoint = "OS"
    return LeftEvent(column.name, endpoint, coding)


def _deaths(levels: Mapping[str, int]) -> bool:
    texts = [re.sub(r"^[01]\s*[:=]\s*", "", v.strip().lower()) for v in levels]
    return len(texts) > 1 and all(re.match(r"(alive|living|dead|deceased|died)\b", t) for t in texts)


def _best(events: Sequence[LeftEvent]) -> LeftEvent:
    return next((e for e in events if e.coding.event_level is not None), events[0])


def _pair(name: str, time: ColumnScan, event: LeftEvent, why: str, censored_time: str = "") -> Pair:
    return Pair(name, time.name, event.name, event.coding, why, unit_of(time.name), censored_time)


def _composite(
    times: Sequence[ColumnScan], events: Sequence[LeftEvent]
) -> tuple[list[Pair], list[ColumnScan], list[LeftEvent]]:
    """Pair a time to death and a time to the last contact with the vital status."""
    to_death = [t for t in times if _DEATH.search(normal(t.name))]
    to_last = [t for t in times if _LAST.search(normal(t.name))]
    rest = [t for t in times if t not in to_death and t not in to_last]
    if to_death and not to_last:
        to_last = [t for t in rest if not endpoint_of(t.name) and t.missing >= 0.8 * to_death[0].known]
        rest = [t for t in rest if t not in to_last]
    status = [e for e in events if e.endpoint == "OS"]
    own = [t for t in rest if endpoint_of(t.name) == "OS"]
    if to_death and to_last and status and not own:
        event = _best(status)
        why = "the time to death of the dead and the time to the last contact of the others"
        pair = _pair("OS", to_death[0], event, why, to_last[0].name)
        return [pair], rest, [e for e in events if e.endpoint != "OS"]
    if to_death:
        return [], rest, list(events)
    return [], list(times), list(events)


def _pair_the_rest(
    pairs: list[Pair], open_: list[tuple[str, str, str]], times: Sequence[ColumnScan], events: Sequence[LeftEvent]
) -> None:
    """Pair what is left: a time and an event, of which at least one does not say its endpoint."""
    taken = {p.endpoint for p in pairs}
    events = [e for e in events if e.endpoint not in taken or not e.endpoint]
    plain = [t for t in times if not endpoint_of(t.name)]
    named = [t for t in times if endpoint_of(t.name) and endpoint_of(t.name) not in taken]
    unnamed = [e for e in events if not e.endpoint]
    if len(plain) > 1 and len(events) == 1 and not named:
        words = [t for t in plain if re.search(r"surv|follow|time|^f_?u|duration|tte", normal(t.name))]
        plain = words if len(words) == 1 else plain
    if len(plain) == 1 and len(events) == 1 and not named:
        event = events[0]
        why = "the only time and the only event" + (
            f" ({event.endpoint} by its name or values)" if event.endpoint else ""
        )
        pairs.append(_pair(event.endpoint, plain[0], event, why))
    elif len(named) == 1 and len(unnamed) == 1 and not plain:
        name = endpoint_of(named[0].name)
        pairs.append(_pair(name, named[0], unnamed[0], f"the only event beside the time of {name}"))
    elif (plain or named) and events:
        shown = ", ".join(repr(e.name) for e in events[:4])
        for time in [*plain, *named][:4]:
            line = f'endpoint = "{events[0].endpoint or "OS"}"'
            open_.append((time.name, f"it is a time, and which of {shown} it belongs to is not stated", line))
