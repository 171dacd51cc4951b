"""Checks of data sets: they exist, and have the organism, assay, groups, times and size a step needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, quote_match, short
from bioresearcher.review.vocabulary import (
    ARRAY_DATA,
    ARRAY_ONLY,
    COMPARISON,
    COX,
    DIFFERENTIAL,
    ORGAN_WORDS,
    PAN_CANCER,
    SEQUENCING_DATA,
    SEQUENCING_ONLY,
    SURVIVAL,
    TCGA_PROJECTS,
)
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.text.format import listing

MIN_SAMPLES = 6
"""Fewest samples for a comparison of two groups: three in each."""
FEW_SAMPLES = 20
"""Fewest samples for a survival model: with fewer there is hardly an event per coefficient."""


def _used(view: CheckedProtocol, s: StepView) -> list[Dataset]:
    """Data sets of the run that a step names in `datasets` or takes files from."""
    datasets = view.context.datasets or {}
    names = [*s.step.datasets, *(i.source[8:].split("/")[0] for i in s.step.inputs if i.source.startswith("dataset:"))]
    by_accession = {d.accession: d for d in datasets.values() if d.accession}
    found = (datasets.get(n) or by_accession.get(n) for n in dict.fromkeys(names))
    return list({d.id: d for d in found if d is not None}.values())


def unknown_dataset(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps that name a data set the run does not have."""
    datasets = view.context.datasets or {}
    known = {*datasets, *(d.accession for d in datasets.values()), *(d.title for d in datasets.values())}
    for s in view.steps:
        foreign = [d for d in s.step.datasets if d not in known]
        if foreign:
            advice = f"Data sets of this run: {listing(datasets) or 'none'}."
            yield CheckHit(s.location, f"uses {listing(foreign)}, which this run does not have", advice)


_ORGANISMS: dict[str, re.Pattern[str]] = {
    "human": re.compile(r"\b(?:human|homo sapiens|patients?|org\.Hs\.eg\.db|hsa|GRCh3[78]|hg(?:19|38))\b", re.I),
    "mouse": re.compile(
        r"\b(?:mouse|mice|murine|mus musculus|org\.Mm\.eg\.db|mmu|GRCm3[89]|mm(?:9|10"
        r"|39))\b",
        re.I,
    ),
    "rat": re.compile(r"\b(?:rats?|rattus norvegicus|org\.Rn\.eg\.db)\b", re.I),
    "zebrafish": re.compile(r"\b(?:zebrafish|danio rerio)\b", re.I),
}


def _organisms(text: str) -> set[str]:
    return {name for name, pattern in _ORGANISMS.items() if pattern.search(text)}


def organism(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Data sets of another organism than the step that uses them, or else the objective, names."""
    objective = _organisms(view.context.objective.text) if view.context.objective else set()
    for s in view.steps:
        wanted = _organisms(s.body) or objective
        for d in _used(view, s):
            has = _organisms(d.organism or "")
            if has and wanted and not has & wanted:
                message = f"speaks of {listing(sorted(wanted))}, but {d.id} is {short(d.organism or '')}"
                yield CheckHit(
                    s.location, message, "Use a data set of this organism, or map the genes to their orthologues."
                )


def assay(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Methods for counts on arrays, methods for arrays on sequencing data."""
    for s in view.steps:
        known = " ".join(f"{d.assay or ''} {d.platform or ''}" for d in _used(view, s))
        text = known if known.strip() else s.body
        arrays, reads = bool(ARRAY_DATA.search(text)), bool(SEQUENCING_DATA.search(text))
        for method, fits, misfits, what in (
            (SEQUENCING_ONLY.search(s.body), reads, arrays, "sequencing counts, but the data are microarrays"),
            (ARRAY_ONLY.search(s.body), arrays, reads, "microarrays, but the data are sequencing reads"),
        ):
            if method and misfits and not fits:
                message = f"{method.group()} is made for {what}: {quote_match(method)}"
                yield CheckHit(s.location, message, "Use a method made for these data.")


def survival_columns(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Survival analyses on data sets without a time and an event."""
    for s in view.steps:
        if not SURVIVAL.search(s.head):
            continue
        used = _used(view, s)
        lacking = [d for d in used if not (d.column("time") and d.column("event"))]
        if used and len(lacking) == len(used):
            message = f"analyses survival, but {listing(d.id for d in lacking)} has no time and event columns"
            models = COX.search(s.head) or re.search(r"kaplan|log-?rank|\bsurvival\b", s.head, re.I)
            advice = "Use a data set with follow-up, or leave the analysis out."
            yield CheckHit(s.location, message, advice, None if models else "warning")
        elif lacking and not s.step.inputs:
            message = f"{listing(d.id for d in lacking)} has no time and event columns"
            yield CheckHit(s.location, message, "Leave it out of the survival analysis.", "warning")


_GROUPS = re.compile(r"\bgroups?\b|\b(?:positive|negative|cases?|controls?|treated|versus|vs)\b", re.I)


def group_column(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Comparisons of groups on data sets without a group column."""
    for s in view.steps:
        compares = DIFFERENTIAL.search(s.head) or (COMPARISON.search(s.head) and _GROUPS.search(s.head))
        if not compares or SURVIVAL.search(s.head):
            continue
        for d in _used(view, s):
            sheet = d.file("samples")
            if d.file("expression") and not d.column("group") and not (sheet and any(c.levels for c in sheet.columns)):
                message = f"compares groups, but {d.id} has no column that names groups"
                yield CheckHit(s.location, message, "Say how the groups are formed, or use another data set.")


def few_samples(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Statistics on too few samples."""
    for s in view.steps:
        survival = bool(SURVIVAL.search(s.head))
        if not survival and not DIFFERENTIAL.search(s.head) and not COMPARISON.search(s.head):
            continue
        need = FEW_SAMPLES if survival else MIN_SAMPLES
        for d in _used(view, s):
            if 0 < d.n_samples < need:
                message = f"{d.id} has {d.n_samples} samples; this analysis needs at least {need}"
                yield CheckHit(s.location, message, "Use a larger data set, or describe the data without testing.")


_SHEET_COLUMN = re.compile(r"(?:group|time|event|sample|batch|stratum|strata)_columns?|covariates")
"""Parameters that name a column of a sample sheet; others name columns of tables that steps make."""


def named_columns(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Parameters that name a column the data set's sample sheet does not have."""
    for s in view.steps:
        sheets = [f for d in _used(view, s) for f in d.files if f.columns]
        columns = {n for f in sheets for c in f.columns for n in (c.name, *c.aliases)}
        columns |= {f.feature_column or "" for d in _used(view, s) for f in d.files}
        if not columns - {""}:
            continue
        for p in s.step.parameters:
            name = p.name.strip().lower().replace(" ", "_")
            if not _SHEET_COLUMN.fullmatch(name) or not p.value.strip():
                continue
            wrong = [v for v in _terms(p.value, columns) if v not in columns and v.lower() not in _NO_COLUMN]
            wrong = [v for v in wrong if s.step.skill or not _made_elsewhere(view, s, v)]
            if wrong:
                message = f"{p.name} is {listing(wrong)}, which the data set has no column for"
                advice = f"Columns: {listing(sorted(columns - {''}), 12)}."
                yield CheckHit(s.location, message, advice, None if s.step.skill else "warning")


_NO_COLUMN = frozenset({"none", "not stated", "1", "0", "intercept"})
_JOINED = re.compile(r"\s*(?:[,;+*:~|()]|\band\b|&)\s*")


def _terms(value: str, columns: set[str]) -> list[str]:
    """Return the columns that a value names: one, a list, or the terms of a formula without its functions."""
    if value.strip() in columns:
        return [value.strip()]
    bare = re.sub(r"\b[A-Za-z_.]\w*\(", "(", value)
    return [t for v in _JOINED.split(bare) if (t := v.strip().strip("'\"`")) and not re.fullmatch(r"[\d.^-]+", t)]


def _made_elsewhere(view: CheckedProtocol, s: StepView, name: str) -> bool:
    """Return True if a step or a definition speaks of a variable that the sample sheet does not have."""
    said = (x.body for x in view.steps if x is not s)
    texts = (*said, s.step.action, *(f"{d.name} {d.text}" for d in view.protocol.definitions))
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for text in texts)


_TIME_UNIT = re.compile(r"\b\d+(?:\.\d+)?[\s-]*(?:months?|years?|days?|weeks?)\b", re.I)


def invented_time_unit(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Survival times given a unit that the data set's source does not state."""
    for s in view.steps:
        unit = next((m for m in _TIME_UNIT.finditer(s.body) if not _of_age(s.body, m)), None)
        unit = unit if SURVIVAL.search(s.head) else None
        times = [c for d in _used(view, s) if (c := d.column("time"))] if unit else []
        if unit and times and all(c.unit is None for c in times):
            message = f"gives survival times a unit the source does not state: {quote_match(unit)}"
            yield CheckHit(s.location, message, "Leave the unit out, or find it in the source.")


def _of_age(text: str, m: re.Match[str]) -> bool:
    """Return True if a time is a person's age or the unit of a coefficient, and not a time of follow-up."""
    before, after = text[max(0, m.start() - 40) : m.start()], text[m.end() : m.end() + 40]
    return bool(re.search(r"\bper\s*$|\bage[ds]?\b[^.;]*$", before, re.I) or re.match(r"\s*(?:old|of\b)", after, re.I))


def known_problems(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Data sets used although reading them showed problems."""
    used = {d.id: d for s in view.steps for d in _used(view, s)}
    for d in used.values():
        if d.problems:
            yield CheckHit(
                "protocol", f"{d.id} is used although: {short(d.problems[0])}", "Say how this is dealt with."
            )


def idle_dataset(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Data sets of the run that no step uses."""
    used = {d.id for s in view.steps for d in _used(view, s)}
    idle = [d.id for d in (view.context.datasets or {}).values() if d.id not in used and d.role != "reference"]
    if idle and used:
        yield CheckHit("protocol", f"{listing(idle)} is in this run, but no step uses it", "Use it, or say why not.")


_TCGA = re.compile(r"(?<![A-Za-z0-9])TCGA-([A-Z]{2,4})(?![A-Za-z0-9-])")


def other_tumour(view: CheckedProtocol) -> Iterator[CheckHit]:
    """TCGA projects of a tumour that neither the protocol nor the objective is about."""
    objective = view.context.objective.text if view.context.objective else ""
    whole = _TCGA.sub(" ", f"{view.text}\n{objective}")
    if PAN_CANCER.search(whole):
        return
    for s in view.steps:
        codes = [c for c in dict.fromkeys(_TCGA.findall(s.full)) if c in ORGAN_WORDS]
        wrong = [c for c in codes if not re.search(ORGAN_WORDS[c], whole, re.I)]
        if wrong:
            named = listing(f"TCGA-{c} ({TCGA_PROJECTS[c]})" for c in wrong)
            yield CheckHit(
                s.location, f"uses {named}, a tumour this protocol is not about", "Use the project of this tumour."
            )


CHECKS: tuple[Check, ...] = (
    Check("G-DAT-01", "named data sets are in this run", "error", "correctness", unknown_dataset, ("datasets",)),
    Check("G-DAT-02", "data sets are of the right organism", "warning", "correctness", organism, ("datasets",)),
    Check("G-DAT-03", "methods fit the assay", "warning", "correctness", assay),
    Check("G-DAT-04", "survival data have time and event", "error", "correctness", survival_columns, ("datasets",)),
    Check("G-DAT-05", "compared groups exist", "warning", "correctness", group_column, ("datasets",)),
    Check("G-DAT-06", "there are enough samples", "warning", "correctness", few_samples, ("datasets",)),
    Check("G-DAT-07", "named columns exist", "error", "correctness", named_columns, ("datasets",)),
    Check(
        "G-DAT-08", "time units are those of the source", "warning", "correctness", invented_time_unit, ("datasets",)
    ),
    Check(
        "G-DAT-09", "known problems of data sets are dealt with", "note", "correctness", known_problems, ("datasets",)
    ),
    Check("G-DAT-10", "selected data sets are used", "note", "completeness", idle_dataset, ("datasets",), "protocol"),
    Check("G-DAT-11", "TCGA projects are of this tumour", "warning", "correctness", other_tumour),
)
