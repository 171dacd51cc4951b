"""Questions in words, made of their fields alone."""

from __future__ import annotations

from bioresearcher.analysis.terms import endpoint_words
from bioresearcher.schemas.question import Measure, Question, Questions, Unbound


def measure_text(measure: Measure) -> str:
    """A measure in words."""
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
    if question.leave_out:
        parts.append(f"without {', '.join(out.text for out in question.leave_out)}")
    if question.pair:
        parts.append(f"paired by {question.pair}")
    if question.blocks:
        parts.append(f"with {', '.join(question.blocks)} as blocks")
    if question.adjust:
        parts.append(f"adjusted for {', '.join(question.adjust)}")
    named = [n for n in (question.model, question.test) if n]
    if named:
        parts.append(f"by {' and '.join(named)}")
    if question.derived:
        parts.append(", ".join(f"{d.name} read from {d.source}" for d in question.derived))
    if question.scores:
        parts.append(", ".join(f"{s.name} being {s.text}" for s in question.scores))
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


def questions_lines(questions: Questions) -> list[str]:
    """Lines that say which questions will be answered, which not and why, and which words were not understood."""
    ready = [q for q in questions.questions if not q.cannot]
    lines = ["This will be answered:", *(f"  {q.id} {q.text}" for q in ready)] if ready else []
    lost = [q for q in questions.questions if q.cannot]
    lines += ["This cannot be answered:"] if lost else []
    for question in lost:
        lines.append(f"  {question.id} {question.text or question.words}")
        lines.append(f"     because {question.cannot}" + (f" — to settle it: {question.mend}" if question.mend else ""))
    for title, absent in (("Not in the data:", True), ("Not understood:", False)):
        told = dict.fromkeys(unbound_text(u) for u in questions.not_understood if u.narrows and u.absent is absent)
        lines += [title, *(f"  {text}" for text in told)] if told else []
    spare = [u.words for u in questions.not_understood if not u.narrows]
    if spare:
        lines.append(f"Words that choose nothing here: {', '.join(f'“{w}”' for w in spare[:12])}")
    return [*lines, *questions.notes]


def unbound_text(unbound: Unbound) -> str:
    """Words that are bound to nothing, with the reason and what may be meant."""
    where = f" ({unbound.where})" if unbound.where else ""
    hint = f"; {unbound.suggestion}" if unbound.suggestion else ""
    return f"“{unbound.words}”{where}: {unbound.why}{hint}"


def questions_lacking(questions: Questions) -> list[str]:
    """Sentences on questions that are not answered, and on words that were not understood."""
    said = [f"{q.id} is not answered: {q.cannot.rstrip('.')}. ({q.text})" for q in questions.questions if q.cannot]
    told = [u for u in questions.not_understood if u.narrows]
    said += [f"{'Not in the data' if u.absent else 'Not understood'}: {unbound_text(u)}." for u in told]
    return said
