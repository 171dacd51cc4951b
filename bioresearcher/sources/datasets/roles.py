"""Roles of the columns of a sample sheet, by rules from names and values, each with its reason.

Outcome columns are recognised here for all that keep outcomes apart; times and events themselves by `endpoints`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from bioresearcher.schemas.columns import ColumnScan
from bioresearcher.schemas.dataset import ColumnRole
from bioresearcher.sources.datasets.endpoints import (
    Endpoints,
    EventCoding,
    codes_in_name,
    endpoint_of,
    find_endpoints,
    is_time,
    names_time,
    normal,
    unit_of,
)
from bioresearcher.sources.datasets.levels import spellings
from bioresearcher.sources.datasets.spec import ColumnSpec

_CLINICAL: Final = re.compile(
    r"^(age|sex|gender|race|bmi|time|event|status|group|condition|treatment|arm|grade|stage|diagnosis|"
    r"histology|subtype|batch|tissue|phenotype|outcome|er|pr|her2|os|pfs|dfs|rfs)$"
    r"|surviv|follow|censor|relapse|recurren|metasta|tumou?r_?size|_status$|^status_|"
    r"^(patient|subject|sample|case)(_?(id|name|number))?$|_(days|months|years)$"
)
_ENDPOINTS: Final = "(os|pfs|dfs|rfs|dss|dmfs|tdm)"
_EVENT: Final = re.compile(
    r"event|^(status|vital_status|death|dead|died|deceased|relapse|recurrence|progression|metastasis_event)$"
    rf"|^(e|event|status)_{_ENDPOINTS}$|^{_ENDPOINTS}_?status$|surv(ival)?_status|^(is_)?(dead|deceased)$"
)
_OUTCOME: Final = re.compile(
    r"surviv|censor|relapse|recurren|(?<![a-z])(event|outcome|endpoint|end_point|remission|(non)?respond(er|ers|ed)|futime|"
    r"dead|death|died|deceased|alive|mortality|progress(ion|ed)|ttp|ttr|recist|complication|readmission)s?(?![a-z])"
    rf"|(?<![a-z]){_ENDPOINTS}(?![a-z])|vital_?(status|state)|follow_?up|^f_u(_|$)|last_?(seen|contact|visit|follow)"
    r"|(days|months|years|time)_to_(?!sampling|processing|freez|collection|harvest)|metastasis_(event|free|time)"
    r"|(?<![a-z])(clinical|treatment|tumou?r|best|overall|objective|pathologic(al)?|complete)_response|^response(_|$)"
    r"|(?<![a-z])pcr_(status|response)|^surv(_|$)"
)
_OUTCOME_LEVELS: Final = re.compile(
    r"^(\d\s*[:=]\s*)?(dead|alive|deceased|living|died|survived|relapsed?|censored|progressed"
    r"|(non|no)?[ _-]?respon(d|s)\w*|(dead|died|alive) \w.*|(complete|partial) (response|remission)"
    r"|(stable|progressive) disease)$"
)
_ORDINAL: Final = re.compile(
    r"grade|stage|size|node|^(n|t)_stage$|^age|_age$|_age_|bmi|score|batch|cent(er|re)|site|sex|gender"
)
_DESCRIBES: Final = re.compile(
    r"(^|_)(age|size|grade|stage|nodes?|bmi|score|sex|gender|weight|height|dose|site|centre|center|batch|arm)(_|$)"
)
_GROUP: Final = re.compile(
    r"group|condition|class|phenotype|diagnos|disease|treatment|arm$|subtype|case|cohort|response|mutation|"
    r"^(er|pr|her2)$|_(status|positive)$|genotype|type$"
)
_BATCH: Final = re.compile(
    r"^batch(es)?$|(^|_)batch(_?(id|no|nr|number))?$|^(seq\w*_|library_|array_)?(run|lane|plate|flow_?cell|chip|slide)"
    r"(_?(id|no|nr|number|barcode))?$|^scan_?date$"
)
_ANNOTATION: Final = re.compile(
    r"^(title|description|comments?|notes?|remarks?|url|link|file|files?_?names?|path|fastq\w*|bam\w*|sra\w*|srr|srx|run_accession"
    r"|bio_?sample|bio_?project|md5|relation|supplementary\w*|uuid|doi|pmid|\w*_uuid)$"
)
_CONTROL_WORDS: Final = frozenset(
    "control ctrl normal healthy negative neg - no false wt wildtype untreated placebo vehicle benign nonresponder "
    "0".split()
) | {"wild type"}


@dataclass(frozen=True)
class ColumnGuess:
    """Reading of a column of an undescribed table; `why` is empty for columns without a role."""

    role: ColumnRole = "other"
    case: str | None = None
    control: str | None = None
    unit: str | None = None
    why: str = ""
    label: str = ""
    codes: Mapping[str, str] = field(default_factory=dict)
    missing_values: tuple[str, ...] = ()
    endpoint: str = ""
    event_level: str | None = None
    time_of: Literal["", "event", "censored"] = ""

    def spec(self) -> ColumnSpec:
        """Return it as a part of a description."""
        return ColumnSpec(
            role=self.role,
            label=self.label,
            case=self.case,
            control=self.control,
            missing_values=self.missing_values,
            unit=self.unit,
            codes=dict(self.codes),
            endpoint=self.endpoint,
            event_level=self.event_level,
            time_of=self.time_of,
        )


def names_clinical(header: Sequence[str]) -> bool:
    """Return True if one of some columns is called like a clinical variable; names with numbers are not looked at."""
    names = [normal(name) for name in header]
    return any(_CLINICAL.search(n) is not None for n in names if n == "her2" or not re.search(r"\d", n))


def names_description(name: str) -> bool:
    """Return True if a column of numbers is called like a description of samples rather than a measurement."""
    said = normal(name)
    return names_clinical([name]) or names_outcome(name) or bool(_DESCRIBES.search(said) or _EVENT.search(said))


def names_outcome(name: str, levels: Sequence[str] = ()) -> bool:
    """Return True if a column's name or most of its levels say that it holds an outcome: survival, relapse, response.

    Unlike the guess of roles this asks for no pair of time and event; a column named only `time` or `status` is none.
    """
    if _OUTCOME.search(normal(name)):
        return True
    known = [level.strip().lower() for level in levels]
    return len(known) > 1 and 2 * sum(bool(_OUTCOME_LEVELS.match(level)) for level in known) > len(known)


def pairs_outcome(columns: Sequence[ColumnScan]) -> tuple[str, ...]:
    """Return the names of a time and of events beside it, whatever the events' two codes are; empty if there are none.

    A column named `time` is a follow-up time only beside one named like an event.
    """
    times = [c.name for c in columns if names_time(c.name) and is_time(c)]
    events = [c for c in columns if re.search(rf"{_EVENT.pattern}|censor", normal(c.name)) and len(c.groups) == 2]
    coded = [c.name for c in events if not c.texts or names_outcome(c.name, list(c.groups))]
    return (*times, *coded) if times and coded else ()


def guess_roles(
    columns: Sequence[ColumnScan],
    id_column: str | None,
    why_id: str = "",
    endpoints: Endpoints | None = None,
) -> dict[str, ColumnGuess]:
    """Guess the roles of a table's columns; times and events only together, a pair for each endpoint."""
    guesses = {c.name: ColumnGuess() for c in columns}
    rest = [c for c in columns if c.name != id_column]
    if id_column is not None:
        guesses[id_column] = ColumnGuess("id", why=why_id)
    found = find_endpoints(rest) if endpoints is None else endpoints
    guesses.update(of_endpoints(found))
    open_ones = {p.event for p in found.pairs}
    for column in rest:
        if guesses[column.name].role == "other" and column.name not in open_ones:
            guesses[column.name] = group_or_covariate(column)
    for name in found.same_times:
        guesses[name] = ColumnGuess("annotation", why=f"the same time as {found.same_times[name]!r}")
    return guesses


def of_endpoints(found: Endpoints) -> dict[str, ColumnGuess]:
    """Return the readings of times and events; an event of 0 and 1 that stays open has no role."""
    guesses: dict[str, ColumnGuess] = {}
    for pair in found.pairs:
        coding = pair.coding
        why = pair.why
        time = ColumnGuess("time", unit=pair.unit, why=f"its name, and values from 0; {why}", endpoint=pair.endpoint)
        guesses[pair.time] = replace(time, time_of="event") if pair.censored_time else time
        if pair.censored_time:
            guesses[pair.censored_time] = replace(time, time_of="censored")
        guesses[pair.event] = _of_event(coding, pair.endpoint)
    for name, why, _ in found.open:
        guesses[name] = ColumnGuess("time", unit=unit_of(name), why=f"its name; {why}", endpoint=endpoint_of(name))
    guesses.update({left.name: _of_event(left.coding, left.endpoint) for left in found.left})
    return guesses


def _of_event(coding: EventCoding, endpoint: str) -> ColumnGuess:
    if coding.event_level is None and _reads_as_event(coding.likely):
        return ColumnGuess(endpoint=endpoint)
    return ColumnGuess(
        "event",
        why=f"its name; {coding.reason}",
        codes=coding.codes,
        endpoint=endpoint,
        event_level=coding.event_level,
    )


def _reads_as_event(likely: str) -> bool:
    """Return True for an open coding by 0 and 1, which whoever does not look at `event_level` takes for the usual."""
    return likely in ("0", "0.0")


def group_or_covariate(column: ColumnScan) -> ColumnGuess:
    """Guess the role of a column that is no name, time or event."""
    name = normal(column.name)
    levels = column.groups
    if _ANNOTATION.search(name):
        return ColumnGuess("annotation", why="its name")
    if column.mostly_numbers:
        return ColumnGuess()
    if _BATCH.search(name):
        return ColumnGuess("batch", why="its name") if len(levels) >= 2 else ColumnGuess()
    if _ORDINAL.search(name) and not _GROUP.search(name):
        codes = codes_in_name(column.name, levels) or spellings(column.name, levels).codes
        return ColumnGuess("covariate", why="its name", codes=codes) if column.known else ColumnGuess()
    named = codes_in_name(column.name, levels)
    numeric_codes = column.texts == 0 and not column.binary and not named
    codes = named or spellings(column.name, levels).codes
    sizes = merged(levels, codes)
    if 2 <= len(sizes) <= 6 and (not numeric_codes or _GROUP.search(name)):
        case, control = case_control(sizes)
        return ColumnGuess("group", case=case, control=control, why=f"it has {len(sizes)} levels", codes=codes)
    return ColumnGuess()


def merged(levels: Mapping[str, int], codes: Mapping[str, str]) -> dict[str, int]:
    """Count levels after cells that mean the same were joined."""
    sizes: dict[str, int] = {}
    for cell, count in levels.items():
        level = codes.get(cell, cell)
        sizes[level] = sizes.get(level, 0) + count
    return sizes


def case_control(levels: Iterable[str]) -> tuple[str | None, str | None]:
    """Find (case, control) of two levels, if exactly one of them is a word for a reference."""
    known = list(levels)
    if len(known) != 2:
        return None, None
    control = [level for level in known if level.strip().lower() in _CONTROL_WORDS]
    if len(control) != 1:
        return None, None
    return next(level for level in known if level != control[0]), control[0]
