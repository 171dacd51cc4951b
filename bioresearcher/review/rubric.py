"""The written rubric: what each score of each metric means. Prompts and documentation print it from here."""

from __future__ import annotations

from dataclasses import dataclass

from bioresearcher.schemas.review import METRICS, MetricName


@dataclass(frozen=True)
class Criterion:
    """One metric: the question it answers, and what each score from 1 to 5 looks like (`anchors[0]` is 1)."""

    title: str
    question: str
    anchors: tuple[str, str, str, str, str]


RUBRIC: dict[MetricName, Criterion] = {
    "completeness": Criterion(
        "Completeness",
        "Is everything there that is needed to answer the objective: data, steps, checks, requirements?",
        (
            "A fragment: a sentence or two, or one phase of the work; inputs and outputs are missing.",
            "Main phases are missing (no data acquisition, no statistics, no validation), or most requirements are.",
            "All main phases are there; several steps lack inputs, outputs or a criterion, or a requirement is open.",
            "Everything needed is there; a few steps lack a field, and what is left out is said with its reason.",
            "Every step has inputs, action, outputs and a criterion; every requirement is met or its lack explained.",
        ),
    ),
    "level_of_detail": Criterion(
        "Level of detail",
        "Could a colleague carry it out without asking back?",
        (
            "Only intentions: no values, tools or amounts; or placeholders where they should be.",
            "Some tools are named; hardly any values; many words such as “appropriate” or “e.g.”.",
            "Tools and main thresholds are named; a number of choices are left open.",
            "Parameters, units and tools are given nearly everywhere; few choices are open.",
            "Every choice is made: parameters with units, tools with versions, criteria with numbers.",
        ),
    ),
    "correctness": Criterion(
        "Correctness",
        "Are methods, values, identifiers and references right?",
        (
            "Invented identifiers or impossible values throughout, or nothing concrete enough to be checked.",
            "Several invented or wrong identifiers, or methods that do not fit the data.",
            "Methods fit; a needed correction or check is missing, or some references cannot be looked up.",
            "Methods, values and identifiers hold; small statistical points are open.",
            "All identifiers exist and were retrieved, methods fit the data, statistics are sound, steps have sources.",
        ),
    ),
    "logical_soundness": Criterion(
        "Logical soundness",
        "Does each step follow from those before it, and would the whole answer the question?",
        (
            "Steps do not build on each other, or the order cannot work.",
            "Circular or missing inputs, or validation on the data of the discovery.",
            "The order works; some inputs come from nowhere, or controls or validation are missing.",
            "Inputs are all made or given before; controls and validation are there with small gaps.",
            "A closed chain from given data to conclusion, with controls, independent validation and fixed thresholds.",
        ),
    ),
    "structural_soundness": Criterion(
        "Structural soundness",
        "Is it divided, titled and numbered so that one can find one's way?",
        (
            "No division into parts and steps, or an empty frame.",
            "Parts without steps, repeated ids, or the same steps written again.",
            "Parts and steps are recognisable; titles are generic, or parts badly cut.",
            "Clear parts and steps with telling titles; small slips in numbering or length.",
            "Parts and steps well cut, titled and numbered without gaps; nothing twice, nothing that is no experiment.",
        ),
    ),
}


def rubric_text(metrics: tuple[MetricName, ...] = METRICS) -> str:
    """The rubric as Markdown, for prompts and documentation."""
    blocks = []
    for name in metrics:
        c = RUBRIC[name]
        anchors = "\n".join(f"- {score}: {text}" for score, text in enumerate(c.anchors, 1))
        blocks.append(f"### {c.title} (`{name}`)\n{c.question}\n{anchors}")
    return "\n\n".join(blocks)
