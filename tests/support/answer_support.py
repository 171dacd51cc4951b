"""Findings of the packaged example, as its tasks wrote them, and the questions that they answer."""

from __future__ import annotations

import json
from pathlib import Path

from bioresearcher.schemas.ask_answer import AnsweredQuestion, CitedFinding

FINDINGS = tuple(
    CitedFinding.model_validate(row)
    for row in json.loads(
        (Path(__file__).parents[1] / "fixtures" / "example_findings.json").read_text(encoding="utf-8")
    )
)
ER = AnsweredQuestion(
    id="A1",
    kind="difference",
    text="Difference of all features of the matrix by er_positive: 1 against 0 (GSE1992).",
    column="er_positive",
    case="1",
    control="0",
)
OUTCOME = AnsweredQuestion(
    id="A2",
    kind="time to event",
    text="Time to event by the score of HALLMARK_E2F_TARGETS; adjusted for node_status, grade (GSE1992).",
    terms=("name_series", "node_status", "grade", "fac_size", "age"),
)
