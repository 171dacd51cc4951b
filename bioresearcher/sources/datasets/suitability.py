"""Deterministic check of a data set against the objective, before any code is written."""

from __future__ import annotations

import re
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column, DataFile, Dataset, DatasetCheck
from bioresearcher.sources.datasets.endpoints import ENDPOINT_WORDS
from bioresearcher.sources.datasets.files import MIN_EVENTS, MIN_GROUP, MIN_SAMPLES, counts, events_of
from bioresearcher.sources.datasets.scan import SheetScan, scan_sheet
from bioresearcher.sources.geo.suitability import MAX_BYTES, check_remote

_ORGANISMS = {
    "human": r"\bhumans?\b|homo sapiens|\bpatients?\b|\bwomen\b|\bmen\b",
    "mouse": r"\bmouse\b|\bmice\b|mus musculus|\bmurine\b",
    "rat": r"\brats?\b|rattus",
    "zebrafish": r"zebrafish|danio rerio",
    "fruit fly": r"drosophila|fruit fl(y|ies)",
    "worm": r"c(aenorhabditis|\.) elegans",
    "yeast": r"\byeast\b|saccharomyces",
    "thale cress": r"arabidopsis",
}
_SURVIVAL = re.compile(r"\bsurviv|prognos|\boutcome|hazard|\bcox\b|kaplan|relapse|recurrence|time[- ]to[- ]event", re.I)
_SETS = re.compile(r"gene[- ]?sets?|enrich|pathway|signature|hallmark|over-?representation|gsea|ontology", re.I)
_COMPARISON = re.compile(r"\bdiffer|compar|versus|\bvs\b|between|associat", re.I)
_COMMON = frozenset(
    "data dataset datasets gene genes expression cohort cohorts samples sample with from that this which their "
    "analysis analyses study studies using used between other given public based human homo sapiens series "
    "discovery validation reference status table file files tables test whether time event column values".split()
)


def check_dataset(dataset: Dataset, objective: Objective, max_bytes: int = MAX_BYTES) -> DatasetCheck:
    """Check whether a data set can be analysed and is about the subject of the objective.

    `unusable` means that no file can be analysed or that its organism is not the objective's; `usable with work`
    that something in it must be corrected or that a part of the objective cannot be met with it. Group sizes and
    events are counted in the sample sheet. Of a data set that is still at its source, its summary, sample descriptions
    and file lists are judged; files larger than `max_bytes` are not fetched.
    """
    asked = _asked_text(objective)
    organism_fits, organism = _organism(dataset, objective.text, asked)
    if dataset.remote is not None and not dataset.files:
        return check_remote(dataset, objective, (organism_fits, organism), max_bytes=max_bytes)
    blocking = _blocking(dataset)
    relevant, relevance = _relevance(dataset, objective, asked)
    lacking, contents = _contents(dataset, asked)
    lacking += [n for n in dataset.notes if n.startswith("Labels contradict")]
    reasons = (*blocking, organism, relevance, *contents, *lacking, *(f"to correct: {p}" for p in dataset.problems))
    work = bool(dataset.problems or lacking)
    verdict = "unusable" if blocking or not organism_fits else "usable with work" if work else "usable"
    return DatasetCheck(
        dataset_id=dataset.id,
        verdict=verdict,
        reasons=tuple(r for r in reasons if r),
        relevant=relevant and organism_fits,
        origin="offline",
    )


def _asked_text(objective: Objective) -> str:
    return "\n".join((objective.text, *objective.conditions, *(r.text for r in objective.requirements)))


def _blocking(dataset: Dataset) -> list[str]:
    readable = [f for f in dataset.files if f.rows > 0]
    if not readable:
        return ["no file holds data that can be analysed"]
    matrix = dataset.file("expression")
    if dataset.file("samples") is None and matrix is None:
        return []  # a bare table: nothing is known against it
    if dataset.n_samples < MIN_SAMPLES:
        return [f"{dataset.n_samples} samples can be analysed; at least {MIN_SAMPLES} are needed"]
    for file in (f for f in dataset.files if f.kind in ("samples", "expression")):
        if any(p.startswith(f"{file.path}: only one column was found") for p in dataset.problems):
            return [f"{file.path} could not be split into columns"]
    return []


def _organism(dataset: Dataset, main: str, asked: str) -> tuple[bool, str]:
    """Check the organism: it does not fit if the objective names other organisms only."""
    if dataset.organism is None:
        return True, "" if _only_sets(dataset) else "the organism is not stated"
    here = [name for name, pattern in _ORGANISMS.items() if re.search(pattern, dataset.organism, re.I)]
    wanted = [name for name, pattern in _ORGANISMS.items() if re.search(pattern, asked, re.I)]
    if not any(re.search(_ORGANISMS[name], main, re.I) for name in wanted):
        return True, f"organism {dataset.organism}; the objective names none"
    if here and not set(here) & set(wanted):
        return False, f"organism {dataset.organism}, but the objective is about {' and '.join(wanted)}"
    return True, f"organism {dataset.organism}, as in the objective" if here else f"organism {dataset.organism}"


def _only_sets(dataset: Dataset) -> bool:
    """Return True if the data set has gene sets and no samples."""
    kinds = {f.kind for f in dataset.files}
    return "gene_sets" in kinds and not kinds & {"expression", "samples"}


def _relevance(dataset: Dataset, objective: Objective, asked: str) -> tuple[bool, str]:
    if _only_sets(dataset):
        wanted = _SETS.search(asked) is not None
        return wanted, "gene sets are asked for" if wanted else "the objective asks for no gene sets"
    if dataset.accession and dataset.accession.lower() in asked.lower():
        return True, f"{dataset.accession} is named in the objective or its conditions"
    shared = sorted(_words(_described(dataset)) & _words(asked))
    if shared:
        return True, f"shares with the objective: {', '.join(shared[:6])}"
    if dataset.described_by == "inferred":
        return True, "given by the researcher without a description: whether it fits was not checked"
    return False, "its description shares no subject word with the objective"


def _described(dataset: Dataset) -> str:
    columns = [c for f in dataset.files for c in f.columns]
    parts = [dataset.title, dataset.assay or "", dataset.citation or "", dataset.endpoint or ""]
    parts += [f"{c.label} {' '.join(c.aliases)}" for c in columns if c.role in ("group", "covariate")]
    return "\n".join(parts)


def _words(text: str) -> set[str]:
    """Extract content words, roughly without plural and British spelling."""
    words = re.findall(r"[a-z][a-z0-9]{3,}", text.lower())
    plain = {re.sub(r"s$", "", w.replace("oestro", "estro").replace("tumour", "tumor")) for w in words}
    return {w for w in plain if len(w) > 3} - _COMMON


def _contents(dataset: Dataset, asked: str) -> tuple[list[str], list[str]]:
    """List what the files lack for the objective, and what they hold."""
    if _only_sets(dataset):
        return [], [f"{f.rows} gene sets in {f.path}" for f in dataset.files if f.kind == "gene_sets"]
    there = [f"assay: {dataset.assay}" if dataset.assay else "the assay is not stated"]
    matrix, sheet = dataset.file("expression"), dataset.file("samples")
    if matrix is not None:
        scale = f"on the {matrix.scale} scale" if matrix.scale else "on a scale that is not stated"
        there.append(f"{dataset.n_features} features × {matrix.samples or 0} samples, processed, {scale}")
    if sheet is None:
        lacking = ["no sample sheet: samples cannot be grouped or followed up"] if matrix is not None else []
        return lacking, there
    there.append(f"{dataset.n_samples} samples with data and description")
    scan = _scan(dataset, sheet)
    groups_lacking, groups = _groups(sheet, scan, asked)
    survival_lacking, survival = _survival(dataset, scan, asked)
    return groups_lacking + survival_lacking, there + groups + survival


def _scan(dataset: Dataset, sheet: DataFile) -> SheetScan | None:
    """Scan the sample sheet again for its counts; None if the file has gone since it was loaded."""
    try:
        path = Path(dataset.root) / sheet.path
        return scan_sheet(path, {c.name: c.missing_values for c in sheet.columns})
    except (InputError, OSError):
        return None


def _groups(sheet: DataFile, scan: SheetScan | None, asked: str) -> tuple[list[str], list[str]]:
    columns = [c for c in sheet.columns if c.role == "group"]
    there = [f"group {_title(c)}: {_sizes(c, scan)}" for c in columns]
    lacking = []
    if not columns and _COMPARISON.search(asked):
        lacking.append("no column with groups to compare")
    small = [c for c in columns if _largest_two(c, scan) < MIN_GROUP]
    lacking += [f"group {_title(c)} has no two levels with {MIN_GROUP} samples" for c in small]
    open_ones = [_title(c) for c in columns if c.case is None]
    lacking += [f"case and control are not stated for {', '.join(open_ones)}"] if open_ones else []
    return lacking, there


def _title(column: Column) -> str:
    return f"{column.name!r} ({column.label})" if column.label else repr(column.name)


def _sizes(column: Column, scan: SheetScan | None) -> str:
    found = scan.column(column.name) if scan is not None else None
    if found is None:
        return f"levels {', '.join(column.levels)}"
    unknown = f", {found.missing} not known" if found.missing else ""
    return counts(found) + unknown


def _largest_two(column: Column, scan: SheetScan | None) -> int:
    """Return the size of the second largest level, or `MIN_GROUP` if sizes are not known."""
    found = scan.column(column.name) if scan is not None else None
    if found is None or found.levels is None:
        return MIN_GROUP
    return sorted((0, 0, *found.groups.values()))[-2]


def _survival(dataset: Dataset, scan: SheetScan | None, asked: str) -> tuple[list[str], list[str]]:
    wanted = _SURVIVAL.search(asked) is not None
    open_ones = [r for r in dataset.readings if r.open and r.line.startswith(("event_level", "endpoint"))]
    lacking = [f"column {r.column!r} {r.says}: {r.reason}; settle it with {r.line} in dataset.toml" for r in open_ones]
    endpoints = [e for e in dataset.endpoints if e.settled]
    if not endpoints:
        none = [] if lacking else ["no time and event columns: outcome cannot be analysed with it"]
        return (lacking + none if wanted else []), []
    there = []
    for one in endpoints:
        found = scan.column(one.event.name) if scan is not None else None
        name = f" ({one.name})" if len(endpoints) > 1 else ""
        if found is not None:
            known = sum(n for cell, n in (found.levels or {}).items() if one.event.is_event(cell) is not None)
            events = events_of(one.event, found)
            there.append(f"survival{name}: {events} events in {known} samples")
            if events < MIN_EVENTS and wanted:
                lacking.append(f"{events} events{name}; at least {MIN_EVENTS} are needed for survival analysis")
        unit = f"time in {one.time.unit}" if one.time.unit else "time unit not stated"
        words = (
            ENDPOINT_WORDS.get(one.name, one.name) if len(endpoints) > 1 or not dataset.endpoint else dataset.endpoint
        )
        there.append(f"{unit}; {f'endpoint: {words}' if words else 'endpoint not stated'}")
    return (lacking if wanted else []), there
