"""Checks of statistics and design: corrections, checks, replicates, controls, batches, leakage."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, quote_match
from bioresearcher.review.checks_references import ACCESSION
from bioresearcher.review.vocabulary import (
    BATCH,
    BEST_CUTOFF,
    CONTROL,
    CORRECTION,
    CORRELATION,
    COX,
    DIFFERENTIAL,
    EARLY_SELECTION,
    ENRICHMENT,
    FLEXIBLE,
    MEASURES,
    MERGE,
    PH_CHECK,
    PREDICTION,
    RANDOM,
    REPLICATES,
    RESAMPLING,
    SEED,
    VALIDATION,
)
from bioresearcher.schemas.review import Severity
from bioresearcher.text.format import listing

_TESTS = re.compile(
    r"\bp[- ]?values?\b|\bsignifican|\btest|\bidentif|\banaly|\bperform|\bfit\b|\bcompar|\blimma\b", re.I
)
_EACH_FEATURE = re.compile(
    r"\b(?:test|compar|fit|model|assess)\w*\b[^.;\n]{0,40}?\b(?:each|every|all) (?:\w+ )?"
    r"(?:genes?|proteins?|peptides?|metabolites?|tax(?:on|a)|gen(?:us|era)|features?|probes?|variants?|CpGs?|sites?)\b"
    r"|\b(?:test|compar)\w* (?:\w+ ){0,2}(?:genes|proteins|peptides|metabolites|taxa|genera|features|variants)\b",
    re.I,
)
_MANY = re.compile(
    r"\bcorrelation (?:matrix|coefficients)\b|\b(?:each|every|all|per)[ -](?:gene|probe|protein|feature|pair)", re.I
)


def no_correction(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Many tests without a correction in the step or elsewhere in its part."""
    for s in view.steps:
        many = DIFFERENTIAL.search(s.head) or ENRICHMENT.search(s.head)
        many = many or _EACH_FEATURE.search(s.head) or (CORRELATION.search(s.head) and _MANY.search(s.body))
        if not many or not _TESTS.search(s.body) or _corrected(view, s):
            continue
        message = f"tests many hypotheses without a correction for multiple testing: {quote_match(many)}"
        advice = "Name the correction, such as Benjamini–Hochberg, and the FDR."
        yield CheckHit(s.location, message, advice, "note" if _ONE_TEST.search(s.body) else None)


_ONE_TEST = re.compile(
    r"\b(?:one|single|only|sole)\b[^.;\n]{0,40}\b(?:test|hypothesis|comparison)\b|\b(?:primary|confirmatory) test\b"
    r"|\bno (?:\w+ )?(?:adjustment|correction)\b|\b(?:fixed|hierarchical|gatekeep\w*)[- ](?:sequence|testing|order)"
    r"|\bdescriptive\b|\bwithout (?:a )?tests?\b|\bnot tested\b",
    re.I,
)
"""Words by which a step says that there is one test, or none: who reads it can judge that, and is told."""


def _corrected(view: CheckedProtocol, s: StepView) -> bool:
    """Return True if a step of the part corrects; the part's purpose counts only in a protocol read from free text."""
    if view.from_text:
        return bool(CORRECTION.search(view.part_texts[s.part_index]))
    return any(CORRECTION.search(x.full) for x in view.steps if x.part_index == s.part_index)


def no_ph_check(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Cox models whose assumption of proportional hazards is never checked."""
    if PH_CHECK.search(view.text):
        return
    for s in view.steps:
        cox = COX.search(s.body)
        if cox:
            message = f"fits a Cox model, and nothing checks proportional hazards: {quote_match(cox)}"
            yield CheckHit(s.location, message, "Add a check on Schoenfeld residuals and what follows from it.")
            return


def no_resampling(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Prediction models that are never tested on samples they were not made from."""
    for s in view.steps:
        model = PREDICTION.search(s.head)
        if model and not RESAMPLING.search(view.part_texts[s.part_index]) and not RESAMPLING.search(view.text):
            message = f"makes a prediction model without cross-validation or an independent set: {quote_match(model)}"
            yield CheckHit(s.location, message, "Add (nested) cross-validation or a cohort kept aside.")


_LEARNS = re.compile(
    r"\b(?:train|fit|discover|select|derive|develop|build|learn|identif)\w*\b"
    r"|\bdifferential(?:ly)?[ -]express",
    re.I,
)


def leakage(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Validations in the data from which the model or gene list was made."""
    datasets = view.context.datasets or {}
    learnt: dict[str, StepView] = {}
    for s in view.steps:
        named = set(s.step.datasets) | {m.group() for m in ACCESSION.finditer(s.body) if m.group().startswith("GSE")}
        validates = VALIDATION.search(s.head)
        if validates and named:
            roles = {datasets[n].role for n in named if n in datasets}
            if len(roles) == 1 and "discovery" in roles and named <= set(datasets):
                message = f"validates in {listing(sorted(named))}, which is the discovery set"
                sure: Severity | None = (
                    None if VALIDATION.search(s.step.title) and not _INTERNAL.search(s.body) else "warning"
                )
                yield CheckHit(s.location, message, "Validate in data that took no part in the discovery.", sure)
            elif not roles and named <= set(learnt):
                where = learnt[min(named)].location
                message = f"validates in {listing(sorted(named))}, from which {where} already learnt"
                yield CheckHit(s.location, message, "Validate in data that took no part in the discovery.", "warning")
        elif _LEARNS.search(s.head):
            for name in named:
                learnt.setdefault(name, s)


_INTERNAL = re.compile(
    r"\binternal\w*\b|\bbootstrap\w*|\bcross-?validat|\boptimism\b|\bheld?[- ]?out\b|\bbefore\b", re.I
)
"""Words of a validation in resampled data, or of what is settled before one: no leak."""
_SAME_SAMPLES = re.compile(
    r"\b(?:validat|test|evaluat|assess|report)\w*\s+(?:\w+\s+){0,5}?(?:in|on|with|from)\s+(?:the\s+)?(?:very\s+)?"
    r"(?:same (?:samples|data|patients|cohort|set|individuals)\b(?!\s+(?:of|as) (?:the )?(?:test|validation))"
    r"|(?:samples|data|patients) (?:that were )?used for (?:fitting|training)|training (?:samples|data|set))"
    r"|\b(?:tun|optimi[sz]|choos|select|fit|adjust|train)\w*\b[^.;\n]{0,50}\b(?:on|in|using|with) the (?:validation"
    r"|test|held-?out"
    r"|independent|external) (?:cohort|set|data|samples)\b"
    r"|\b(?:test|validation|held-?out) (?:samples|data|set|cohort)\b[^.;\n]{0,30}\bused for (?:training|fitting"
    r"|selection)\b"
    r"|\b(?:test|train) on the same (?:samples|data|patients)\b",
    re.I,
)


def early_selection(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Selection or scaling on all samples before they are split."""
    for s in view.steps:
        again = _SAME_SAMPLES.search(s.body)
        if again:
            yield CheckHit(
                s.location,
                f"judges what was learnt in the samples it was learnt from: {quote_match(again, 5)}",
                "Judge it in samples that were kept aside.",
            )
        found = EARLY_SELECTION.search(s.body)
        if found and not re.search(
            r"\b(?:in|on|within|inside) (?:the |each )?(?:training|folds?)\b", found.group(), re.I
        ):
            message = f"lets test samples into the training: {quote_match(found, 5)}"
            yield CheckHit(s.location, message, "Do it inside each training fold.")


def no_replicates(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Bench measurements without replicates in the step or its part."""
    for s in view.steps:
        measure = MEASURES.search(s.body) if s.step.kind == "wet" else None
        if measure and not REPLICATES.search(view.part_texts[s.part_index]):
            message = f"measures without replicates: {quote_match(measure)}"
            yield CheckHit(s.location, message, "State the biological and technical replicates.")


_LOW_BIOMASS = re.compile(r"\b16S|\bmicrobio|\bmetagenom|\bamplicon|\bITS\b", re.I)
_EXTRACTION = re.compile(r"\b(?:extract|isolat)\w*\s+(?:\w+\s+){0,2}?DNA\b", re.I)


def no_controls(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Bench measurements without a control in the step or its part, and microbial DNA extracted without a blank."""
    for s in view.steps:
        dna = _EXTRACTION.search(s.body) if s.step.kind == "wet" else None
        if dna and _LOW_BIOMASS.search(view.text) and not CONTROL.search(view.part_texts[s.part_index]):
            message = f"extracts DNA of microbes without a blank: {quote_match(dna)}"
            yield CheckHit(s.location, message, "Add extraction blanks and a mock community.")
            continue
        measure = MEASURES.search(s.body) if s.step.kind == "wet" else None
        if measure and not CONTROL.search(view.part_texts[s.part_index]):
            message = f"measures without a control: {quote_match(measure)}"
            yield CheckHit(s.location, message, "Name the negative and positive controls.")


def no_batch(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Data sets put together without a word about batches."""
    if BATCH.search(view.text) or _one_origin(view):
        return
    for s in view.steps:
        merged = MERGE.search(s.body)
        if merged:
            message = f"puts data sets together without dealing with batches: {quote_match(merged, 5)}"
            yield CheckHit(s.location, message, "Correct for batch, or analyse each set and combine the results.")


def _one_origin(view: CheckedProtocol) -> bool:
    """Return True if all data sets of the run, and all that the text names, are one set or prepared from it."""
    datasets = (view.context.datasets or {}).values()
    named = {m.group() for m in ACCESSION.finditer(view.text) if m.group().startswith(("GSE", "E-", "TCGA"))}
    return len({d.prepared_from or d.id for d in datasets if d.role != "reference"}) == 1 and len(named) <= 1


def flexible_threshold(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Thresholds that may be changed once the results are seen, and cut-offs chosen for the best p-value."""
    for s in view.steps:
        moved = FLEXIBLE.search(s.body)
        if moved:
            yield CheckHit(
                s.location, f"lets a threshold move: {quote_match(moved, 5)}", "Fix thresholds before the analysis."
            )
        best = BEST_CUTOFF.search(s.body)
        if best and not CORRECTION.search(s.body) and not RESAMPLING.search(s.body):
            message = f"chooses the cut-off that fits best: {quote_match(best)}"
            yield CheckHit(
                s.location, message, "Use a cut-off fixed before, or correct for the search and validate it."
            )


_SEEDED = re.compile(
    r"\b(?:default_rng|RandomState|SeedSequence|(?:manual_|set\.|random\.)?seed|Random)\(\s*(?!None\b)[\w(-]"
    r"|\b(?:random_state|seed)\s*=\s*(?!None\b)[\w(]"
)
"""A seed that code sets: an argument that is there and is not None."""


def no_seed(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Random procedures without a seed anywhere in the protocol or its script."""
    p = view.protocol
    code = (*(d.code for d in p.definitions), *(s.code for part in p.parts for s in part.steps))
    if SEED.search(view.text) or any(_SEEDED.search(text) for text in code):
        return
    random = [(s, m) for s in view.steps if not s.step.skill and (m := RANDOM.search(s.body))]
    if random:
        s, m = random[0]
        more = f" (and {len(random) - 1} more steps)" if len(random) > 1 else ""
        yield CheckHit(s.location, f"draws at random without a seed{more}: {quote_match(m)}", "Fix and state the seed.")


CHECKS: tuple[Check, ...] = (
    Check("G-STA-01", "many tests are corrected for", "warning", "correctness", no_correction),
    Check("G-STA-02", "proportional hazards are checked", "warning", "correctness", no_ph_check, (), "protocol"),
    Check(
        "G-STA-03",
        "prediction is tested on unseen samples",
        "warning",
        "logical_soundness",
        no_resampling,
        (),
        "protocol",
    ),
    Check(
        "G-STA-04", "validation data took no part in discovery", "error", "logical_soundness", leakage, (), "protocol"
    ),
    Check("G-STA-05", "nothing is chosen on test samples", "warning", "logical_soundness", early_selection),
    Check("G-STA-06", "measurements are replicated", "warning", "logical_soundness", no_replicates),
    Check("G-STA-07", "measurements have controls", "warning", "logical_soundness", no_controls),
    Check("G-STA-08", "batches are dealt with", "warning", "logical_soundness", no_batch, (), "protocol"),
    Check("G-STA-09", "thresholds are fixed before the analysis", "warning", "logical_soundness", flexible_threshold),
    Check("G-STA-10", "random procedures have a seed", "note", "level_of_detail", no_seed, (), "protocol"),
)
