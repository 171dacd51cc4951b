"""Questions in words, made of their fields alone."""

from __future__ import annotations

from bioresearcher.analysis.terms import endpoint_words
from bioresearcher.schemas.question import Measure, Question


def measure_text(measure: Measure) -> str:
    """What is measured, in words."""
    names = " and ".join(measure.names[:6]) + (f" and {len(measure.names) - 6} more" if len(measure.names) > 6 else "")
    return {
        "features": "all features of the matrix",
        "gene": f"the expression of {names}",
        "signature": f"the score of {names}",
        "column": names,
        "gene sets": "the gene sets",
        "none": "",
    }[measure.kind]


def question_text(question: Question) -> str:
    """A question in one sentence, made of its fields."""
    parts = [_core(question)]
    if question.population:
        parts.append(f"only where {' and '.join(f.text for f in question.population)}")
    if question.pair:
        parts.append(f"paired by {question.pair}")
    if question.blocks:
        parts.append(f"with {', '.join(question.blocks)} as blocks")
    if question.adjust:
        parts.append(f"adjusted for {', '.join(question.adjust)}")
    named = [n for n in (question.model, question.test) if n]
    if named:
        parts.append(f"by {' and '.join(named)}")
    where = f" ({question.dataset})" if question.dataset else ""
    return f"{'; '.join(parts)}{where}."


def _core(question: Question) -> str:
    what, contrast = measure_text(question.measure), question.contrast
    if question.kind == "time to event":
        end = question.endpoint
        name = (endpoint_words(end.name) or f"time to {end.event_column}") if end else "time to an event"
        whom = " and ".join(p for p in (what, contrast.text if contrast else "") if p) or "all together"
        return f"{name[0].upper()}{name[1:]} by {whom}"
    if question.kind == "difference":
        return f"Difference of {what or 'the measure'} by {contrast.text if contrast else 'groups'}"
    if question.kind == "association":
        explained = contrast.text if contrast and contrast.levels else question.outcome or "the outcome"
        return f"Association of {what or 'measures'} with {explained}"
    if question.kind == "enrichment":
        return f"Enrichment of gene sets by {contrast.text if contrast else 'groups'}"
    if question.kind == "prediction":
        return f"Prediction of {contrast.text if contrast else 'the endpoint'}"
    return {
        "structure": "Structure of the samples by all features",
        "description": "Description of the samples",
        "synthesis": "Synthesis of results of several studies",
    }[question.kind]
