"""The registered plan as text under the questions of AsPredicted, which those of OSF's short forms repeat."""

from __future__ import annotations

from collections.abc import Iterator

from bioresearcher.errors import InputError
from bioresearcher.export.content import RunContent
from bioresearcher.export.protocol_forms import step_text
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.stages.answers import flow_text
from bioresearcher.stages.deviations import deviation_lines
from bioresearcher.stages.registration import read_registration, registered_protocol

_NOTHING = "Nothing is stated in the plan."


def plan_text(content: RunContent) -> str:
    """Write the plan as it was registered, not as it was changed later.

    Raises:
        InputError: No plan was registered, or the plan as registered is not kept.
    """
    registration, plan = read_registration(content.folder), registered_protocol(content.folder)
    if registration is None:
        raise InputError(
            f"{content.folder.root} has no registered plan: no protocol was approved in it.",
            hint="A plan is registered when the protocol is approved (`bioresearcher resume`).",
        )
    if plan is None:
        raise InputError(
            f"{content.folder.root}: the plan as registered is not kept, or was changed.",
            hint="`bioresearcher review` of the run says what differs.",
        )
    lines = [
        f"Preregistration: {content.words(plan.title, 200) or content.title}",
        "",
        f"Registered on {registration.registered} (by {registration.approved_by}), before any outcome was analysed.",
        f"Digest of the plan (sha256 over canonical JSON): {registration.protocol}",
        f"Digest of plan, facts, looks and data together: {registration.digest}",
        "",
    ]
    for n, (question, answer) in enumerate(_questions(content, plan), 1):
        lines += [f"{n}) {question}", *(answer or [_NOTHING]), ""]
    lines += ["Since the registration", *deviation_lines(content.deviations), ""]
    return content.clean.text("\n".join(lines)).rstrip() + "\n"


def _questions(content: RunContent, plan: Protocol) -> Iterator[tuple[str, list[str]]]:
    words = content.words
    datasets = [d for d in content.recorded.datasets.values() if d.prepared_from is None and d.analysis_of is None]
    yield (
        "Data collection. Have any data been collected for this study already?",
        [
            "Yes: the analysis uses data that exist. They were described, checked and prepared without looking at "
            "outcomes before the plan was registered.",
            *(f"- {words(d.id, 60)}: {words(d.title, 200)}; {words(d.source, 300)}" for d in datasets),
        ],
    )
    asked = [f"- {words(q.id, 20)}: {words(q.text, 500)}" for q in content.answers.questions]
    rule = [f"- {words(r, 500)}" for r in plan.answer_rule]
    yield "Hypothesis. What is the main question being asked?", [words(content.run.objective.text), *asked, *rule]
    measured = [
        f"- {s.question}: endpoint {words(s.endpoint, 60) or 'not stated by the source'}"
        + (f", {s.events} events" if s.events is not None else "")
        for s in content.sets.sets
        if not s.problem and (s.endpoint or s.events is not None)
    ]
    defined = [f"- {words(d.name, 80)}: {words(d.text, 500)}" for d in plan.definitions]
    yield "Dependent variable. What is measured, and how?", [*measured, *defined]
    groups = [
        f"- {s.question}: {words(s.contrast_column, 60)}: "
        + "; ".join(f"{words(g.level, 40)}, n = {g.n}" for g in s.groups)
        for s in content.sets.sets
        if s.groups
    ]
    yield "Conditions. Which groups are compared?", groups
    yield (
        "Analyses. Exactly which analyses are conducted?",
        [
            line
            for part in plan.parts
            for line in (
                f"{words(part.id, 20)} {words(part.title, 200)}: {words(part.purpose, 400)}",
                *(
                    f"  {words(s.id, 20)} {words(s.title, 200)} [{'wet' if s.kind == 'wet' else 'dry'} lab]: "
                    f"{step_text(content, s)}"
                    for s in part.steps
                ),
            )
        ],
    )
    left = [
        f"- {s.question}: {step.left_out} rows, {words(step.reason, 200)}"
        for s in content.sets.sets
        for step in s.flow
        if step.left_out
    ]
    yield "Outliers and exclusions. How are observations excluded?", left
    sizes = [f"- {s.question}: {words(flow_text(s), 500)}" for s in content.sets.sets if not s.problem]
    yield "Sample size. How many observations, and what determines them?", sizes
    other = [f"- not done: {words(n.what, 300)} ({words(n.why, 300)})" for n in plan.not_done]
    other += [f"- limitation: {words(x, 400)}" for x in plan.limitations]
    yield "Other. Anything else to pre-register?", other
    yield "Name. A title for this pre-registration", [content.title]
