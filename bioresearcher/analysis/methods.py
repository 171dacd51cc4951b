"""The model, the test and the effect measure of a question, by its words and its kind."""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.analysis.terms import Method, Named
from bioresearcher.schemas.question import EffectMeasure, Question


def with_methods(question: Question, named: Sequence[tuple[Method, Named]]) -> Question:
    """Add the model and test that the words of a question name, and the effect measure."""
    model = next((m.name for m, _ in named if m.form == "model"), "")
    if question.kind == "synthesis":
        model = "meta-analysis"  # random effects of studies are no mixed model of rows
        named = [(m, n) for m, n in named if m.form != "analysis"]
    if question.kind != "association":
        named = [(m, n) for m, n in named if m.name != "roc curve"]  # of a model's predictions, its own measure
    test = next((m.name for m, _ in named if m.form == "test"), "")
    other = next((m.name for m, _ in named if m.form == "analysis" and m.name != "kaplan-meier"), "")
    effect: EffectMeasure = ""
    if question.kind == "time to event":
        effect = "hazard ratio"
    elif model == "logistic regression":
        effect = "odds ratio"
    elif question.kind == "difference":
        effect = "log2 fold change" if question.measure.kind in ("features", "gene") else "difference of means"
    elif question.kind == "association" and other == "roc curve":
        effect = "area under the curve"
    elif question.kind == "association" and question.measure.kind == "column":
        effect = "odds ratio" if question.contrast and question.contrast.levels else "regression coefficient"
    elif question.kind == "association":
        effect = "correlation"
    elif question.kind == "enrichment":
        effect = "enrichment score"
    return question.model_copy(update={"model": other or model, "test": test, "effect": effect})
