"""Checks of references and identifiers: they must exist, and must have been retrieved in this run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, quote_match
from bioresearcher.review.vocabulary import LITERATURE_WAVE, TCGA_OTHER, TCGA_PROJECTS
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Link
from bioresearcher.schemas.review import Severity
from bioresearcher.text.format import listing

ACCESSION = re.compile(
    r"(?<![A-Za-z0-9-])(?:GSE\d+|GSM\d+|GPL\d+|GDS\d+|E-[A-Z]{4}-\d+|[SED]R[PRXS]\d+|PRJ[NED][A-Z]\d+|phs\d{6}"
    r"|TCGA-[A-Z]{2,5}(?![A-Za-z0-9-])|PMC\d+|PMID:?\s*\d+|10\.\d{4,9}/[^\s;,'\"<>()\[\]]+)"
)
"""Identifiers of data sets and papers. Word case matters: `gse` in a file name is not an accession."""

_MALFORMED = re.compile(
    r"(?<![A-Za-z0-9-])(?:GSE(?:[xX]{2,}|0\d*|\d{8,})|GSM(?:[xX]{2,}|\d{9,})|GPL(?:[xX]{2,}|\d{7,})"
    r"|PMID:?\s*(?:\d{9,}|[xX]{2,}|0+)"
    r"|PMC(?:[xX]{3,}|\d{9,})|10\.(?:\d{4,9}/x{3,}|x{4}/\w+)|SR[PRX][xX]{2,}|(?:E-[A-Z]{4}-|PRJ[NED][A-Z]|phs|PXD"
    r"|GCST|EGA[SD])\d*[xX]{2,})(?![A-Za-z0-9])"
)
_TCGA = re.compile(r"(?<![A-Za-z0-9])TCGA-([A-Z0-9]{1,12})((?:-[A-Z0-9]{1,8})*)(?![A-Za-z0-9])")
_AUTHOR_YEAR = re.compile(
    r"\b[A-Z][^\W\d_'’-]{1,30}(?:,? [A-Z]\.?){0,3},? (?:et al\.?|(?:and|&) (?:colleagues|co-?workers"
    r"|[A-Z][^\W\d_]{1,30})),?\s*\(?(?:19"
    r"|20)\d\d(?!\d)\)?"
)
_IDENTIFIER = re.compile(r"PMID|PMC\d|doi|10\.\d{4,9}/", re.I)


def _links(view: CheckedProtocol) -> Iterator[tuple[StepView, Link]]:
    return ((s, link) for s in view.steps for link in s.step.links)


def unknown_paper(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Links and learnt-from notes that name a paper which is not among the run's papers."""
    known = view.context.paper_ids or frozenset()
    advice = "Link a paper of this run, or leave the step unsupported."
    for part in view.protocol.parts:
        for ref in part.learns_from:
            if ref.paper_id not in known:
                yield CheckHit(f"part {part.id}", f"learns from {ref.paper_id}, which is not in this run", advice)
    for s, link in _links(view):
        if link.paper_id not in known:
            yield CheckHit(s.location, f"is linked to {link.paper_id}, which is not a paper of this run", advice)


def unknown_report_step(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Links and learnt-from notes whose report part or step does not exist."""
    reports = view.context.reports or {}
    for part in view.protocol.parts:
        for ref in part.learns_from:
            report = reports.get(ref.paper_id)
            if report is not None and ref.part_id not in {p.id for p in report.parts}:
                where = f"part {ref.part_id} of {ref.paper_id}"
                yield CheckHit(f"part {part.id}", f"learns from {where}, which its report does not have")
    for s, link in _links(view):
        report = reports.get(link.paper_id)
        if link.step_id and report is not None and not _has(report, link.part_id, link.step_id):
            where = f"step {link.step_id} of part {link.part_id} of {link.paper_id}"
            yield CheckHit(s.location, f"is linked to {where}, which that report does not have", "Remove the link.")


def _has(report: PaperReport, part_id: str, step_id: str) -> bool:
    return any(p.id == part_id and any(s.id == step_id for s in p.steps) for p in report.parts)


def impossible_evidence(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Quotes that are empty, whose span does not fit their length, or that come from another document."""
    for s, link in _links(view):
        e = link.evidence
        if not e.text.strip():
            yield CheckHit(
                s.location, f"its link to {link.paper_id} quotes nothing", "Quote the passage or drop the link."
            )
        elif e.start < 0 or e.end - e.start != len(e.text):
            span = f"{e.start}–{e.end} for {len(e.text)} characters"
            yield CheckHit(
                s.location, f"its quote from {link.paper_id} has an impossible span ({span})", "Locate it again."
            )
        elif e.document != link.paper_id:
            yield CheckHit(
                s.location, f"its link to {link.paper_id} quotes another document, {e.document}", "Fix the link."
            )


def foreign_evidence(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Quotes that are not among the quotes of the report step they are linked to."""
    reports = view.context.reports or {}
    for s, link in _links(view):
        report = reports.get(link.paper_id)
        if report is None or not _has(report, link.part_id, link.step_id):
            continue
        steps = (r for p in report.parts if p.id == link.part_id for r in p.steps if r.id == link.step_id)
        quotes = {(e.start, e.end) for r in steps for e in (*r.evidence, *(x for t in r.results for x in t.evidence))}
        inside = any(a <= link.evidence.start and link.evidence.end <= b for a, b in quotes)
        if not inside:
            where = f"step {link.step_id} of {link.paper_id}"
            yield CheckHit(
                s.location, f"quotes a passage that {where} does not stand on", "Link the step that it supports."
            )


def _normal(identifier: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(?:pmid|doi)[\s:-]*", "", identifier.strip().lower()))


def paper_identifiers(papers: Iterable[Paper]) -> frozenset[str]:
    """Collect all identifiers of papers (own id, PMID, PMCID, DOI), for `CheckContext.paper_ids`."""
    names = (n for p in papers for n in (p.id, p.pmid and f"PMID{p.pmid}", p.pmcid, p.doi))
    return frozenset(n for n in names if n)


def _known_identifiers(view: CheckedProtocol) -> frozenset[str]:
    """Identifiers known in this run: of its data sets and papers, in the objective, and in steps of paper reports."""
    c = view.context
    texts: list[str] = [*(c.paper_ids or ())]
    for d in (c.datasets or {}).values():
        texts += [d.id, d.accession or "", d.platform or "", d.source, d.citation or "", d.title, *d.notes, *d.problems]
        texts += [t for f in d.files for c in f.columns for t in (c.name, c.label, *c.levels)]
    for report in (c.reports or {}).values():
        for step in (s for p in report.parts for s in p.steps):
            texts += [step.action, step.details, *step.datasets, *(e.text for e in step.evidence)]
    texts += c.shown or ()
    if c.objective is not None:
        texts += [c.objective.text, *c.objective.conditions, *(r.text for r in c.objective.requirements)]
    found = {_normal(m.group().rstrip(".")) for t in texts for m in ACCESSION.finditer(t)}
    named = (*texts[: len(c.paper_ids or ())], *(c.datasets or {}), *c.identifiers)
    return frozenset(found | {_normal(t) for t in named})


def invented_identifier(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Identifiers in the text that nothing retrieved in this run mentions."""
    known = _known_identifiers(view)
    for s in view.steps:
        foreign = [m for m in ACCESSION.finditer(s.full) if _normal(m.group().rstrip(".")) not in known]
        if foreign:
            names = listing(m.group().rstrip(".") for m in foreign)
            sample_only = all(m.group().startswith(("GSM", "GPL")) for m in foreign)
            message = f"names {names}, not retrieved in this run: {quote_match(foreign[0])}"
            advice = "Use a data set or paper of this run, or search for this one first."
            yield CheckHit(s.location, message, advice, "warning" if sample_only else None)


@lru_cache(maxsize=256)
def _bad_tcga(code: str, rest: str) -> bool:
    """Return True if a TCGA name is neither a project, a companion resource, nor a barcode."""
    if code in TCGA_PROJECTS or code in TCGA_OTHER:
        return False
    return not (re.fullmatch(r"[A-Z0-9]{2}", code) and re.match(r"-[A-Z0-9]{4}(?:-|$)", rest)) or set(code) <= {"X"}


def impossible_identifier(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Identifiers that cannot exist: wrong length, crossed-out digits, TCGA projects that are none of the 33."""
    for s in view.steps:
        bad = list(_MALFORMED.finditer(s.full))
        bad += [m for m in _TCGA.finditer(s.full) if _bad_tcga(m.group(1), m.group(2))]
        if bad:
            names = listing(m.group() for m in bad)
            message = f"names {names}, which cannot be an identifier: {quote_match(bad[0])}"
            advice = "Look it up: TCGA has 33 projects." if "TCGA" in names else "Look the identifier up."
            yield CheckHit(s.location, message, advice)


def few_links(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps that no passage and no fact supports, counted over the protocol."""
    bare = [s.step for s in view.steps if not s.step.grounded]
    if view.from_text or not bare or not view.steps:
        return
    message = (
        f"{len(bare)} of {len(view.steps)} steps rest on no passage and no fact: {listing((s.id for s in bare), 8)}"
    )
    silent = [s for s in bare if not any(c.kind == "general" for c in s.citations)]
    severity: Severity = "warning" if len(silent) * 2 > len(view.steps) else "note"
    yield CheckHit("protocol", message, "Cite what supports each step, or say that it is general knowledge.", severity)


def uncheckable_citation(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Citations by author and year without an identifier, and appeals to "the literature"."""
    for s in view.steps:
        cited = _AUTHOR_YEAR.search(s.full)
        if cited and not _IDENTIFIER.search(s.full):
            yield CheckHit(s.location, f"cites without an identifier: {quote_match(cited, 10)}", "Add the PMID or DOI.")
        wave = LITERATURE_WAVE.search(s.full)
        if wave and not s.step.links and not _IDENTIFIER.search(s.full):
            yield CheckHit(
                s.location, f"appeals to literature without naming any: {quote_match(wave)}", "Name the paper.", "note"
            )


def unknown_skill(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps assigned to a skill that is not installed."""
    for s in view.steps:
        if s.step.skill and s.step.skill not in view.context.skills:
            known = listing(sorted(view.context.skills))
            yield CheckHit(
                s.location, f"names the skill {s.step.skill!r}, which is not installed", f"Installed: {known}."
            )


CHECKS: tuple[Check, ...] = (
    Check(
        "G-REF-01",
        "linked papers are papers of this run",
        "error",
        "correctness",
        unknown_paper,
        ("paper_ids",),
        "headings",
    ),
    Check(
        "G-REF-02",
        "linked report parts and steps exist",
        "error",
        "correctness",
        unknown_report_step,
        ("reports",),
        "headings",
    ),
    Check("G-REF-03", "quotes are there and their spans are possible", "error", "correctness", impossible_evidence),
    Check(
        "G-REF-04", "quotes belong to the linked report step", "warning", "correctness", foreign_evidence, ("reports",)
    ),
    Check(
        "G-REF-05",
        "identifiers in the text were retrieved in this run",
        "error",
        "correctness",
        invented_identifier,
        ("paper_ids", "datasets"),
    ),
    Check("G-REF-06", "identifiers in the text are possible", "error", "correctness", impossible_identifier),
    Check("G-REF-07", "steps rest on a passage or a fact", "warning", "correctness", few_links, (), "protocol"),
    Check("G-REF-08", "citations can be looked up", "warning", "correctness", uncheckable_citation),
    Check("G-REF-09", "named skills are installed", "error", "correctness", unknown_skill, ("skills",)),
)
