"""The approvals of headings and outlines as dialogues: approve, drop, edit, or have them designed again."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, TypedCommand, Verb, verbs_of
from bioresearcher.graph.approvals import HEADINGS
from bioresearcher.graph.nodes_approvals import PLAN_FILE, text_of
from bioresearcher.schemas.ask_design import ProtocolPlan
from bioresearcher.schemas.protocol import OutlineLine
from bioresearcher.schemas.run import Decision
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.forms import FormError
from bioresearcher.stages.outline_form import (
    drop_items,
    headings_form,
    outlines_form,
    read_headings,
    read_outlines,
)
from bioresearcher.text.visible import one_line, visible

MOST_DIFFERENCE: Final = 120
VERBS: Final = verbs_of(
    Verb("list", "nothing", "the outline"),
    Verb("why", "items", "what a part was learnt from", "why 2"),
    Verb("approve", "nothing", "go on with it (also yes)"),
    Verb("drop", "items", "leave out a part, or a step", "drop 2 3.1"),
    Verb("edit", "nothing", "the outline as YAML in your editor"),
    Verb("comment", "text", "it is designed again as you say", 'comment "…"'),
    yes="approve",
    y="approve",
    ok="approve",
    done="approve",
    show="list",
)


@dataclass(frozen=True)
class _Draft:
    """The plan whose headings or outlines are to be approved.

    Attributes:
        form: Their YAML form.
        differs: Returns True if a form changes anything; raises `FormError` where it cannot be read.
    """

    plan: ProtocolPlan
    outlined: bool
    form: str
    differs: Callable[[str], bool]


async def decide(dialogue: ApprovalDialogue) -> Decision | None:
    """Return the person's next answer: a change of the draft, or the approval's end."""
    draft = _draft(dialogue)
    name = str(dialogue.question.get("before", ""))
    if dialogue.begin():
        dialogue.say(*outline_lines(draft.plan, outlined=draft.outlined))
    elif name:
        before, now = (text_of(dialogue.context, dialogue.approval, file) for file in (name, PLAN_FILE))
        dialogue.say(*difference(before, now))
    dialogue.say("approve, comment “…”, drop 2, edit, why 2; list shows all, help says more.")
    prompt = "outlines> " if draft.outlined else "headings> "
    return await dialogue.decide(prompt, VERBS, lambda line, typed: _carry_out(dialogue, line, typed, draft))


def _draft(dialogue: ApprovalDialogue) -> _Draft:
    context = dialogue.context
    plan = context.folder.read(ProtocolPlan, "design", PLAN_FILE)
    if dialogue.approval == HEADINGS:
        most = context.settings.max_parts
        return _Draft(plan, False, headings_form(plan), lambda text: read_headings(text, plan, most) != plan)
    bench = context.bench()
    ids = [d.id for d in bench.datasets]
    return _Draft(plan, True, outlines_form(plan), lambda text: read_outlines(text, plan, ids, bench.skills) != plan)


def outline_lines(plan: ProtocolPlan, *, outlined: bool) -> Iterator[RenderableType]:
    """Yield the numbered outline: headings with purpose and needs, outlines with a line per step.

    Before the headings stand the plan's decisions, and what it does not do.
    """
    what = "Outlines: the steps to be written" if outlined else "Headings: the parts of the protocol"
    yield Text(f"{what}. {one_line(plan.title, 200)}", style="bold")
    if not outlined:
        yield one_line(plan.summary, 1_200)
        yield from (one_line(f"decided: {d.question} {d.choice}", 400) for d in plan.decisions)
        yield from (one_line(f"not done: {n.what}: {n.why}", 400) for n in plan.not_done)
    for part in plan.parts:
        yield Text(f"{part.id}. {one_line(part.title, 200)}", style="bold")
        if outlined:
            yield from (Padding(Text(_line_text(line)), (0, 0, 0, 3)) for line in part.lines)
            continue
        yield Padding(Text(one_line(part.purpose, 600)), (0, 0, 0, 3))
        learnt = ", ".join(dict.fromkeys(r.paper_id for r in part.learns_from)) or "no report"
        needs = f"needs {', '.join(part.depends_on)}; " if part.depends_on else ""
        yield Padding(Text(one_line(f"{needs}learns from {learnt}", 300), style="dim"), (0, 0, 0, 3))


def _line_text(line: OutlineLine) -> str:
    how = [f"on {', '.join(line.datasets)}" if line.datasets else "", line.skill or ""]
    detail = "; ".join(filter(None, [*how, f"gives {', '.join(line.outputs)}" if line.outputs else ""]))
    return one_line(f"{line.id} {line.title}{f' ({detail})' if detail else ''}", 400)


def difference(before: str, after: str) -> list[str]:
    """Return the changed lines of two texts, or that nothing changed."""
    found = difflib.unified_diff(visible(before).splitlines(), visible(after).splitlines(), n=1, lineterm="")
    lines = [line for line in list(found)[2:] if not line.startswith("@@")]
    if not lines:
        return ["It is as it was before."]
    more = [f"… {len(lines) - MOST_DIFFERENCE} more lines"] if len(lines) > MOST_DIFFERENCE else []
    return [*lines[:MOST_DIFFERENCE], *more]


async def _carry_out(dialogue: ApprovalDialogue, line: str, typed: TypedCommand, draft: _Draft) -> Decision | None:
    """Return the decision that a line means; None when it only shows something, or cannot be done."""
    if typed.verb == "approve":
        return dialogue.decision(line, approved=True)
    if typed.verb == "list":
        dialogue.say(*outline_lines(draft.plan, outlined=draft.outlined))
        return None
    if typed.verb == "comment":
        if not dialogue.context.caller.by_rule:
            dialogue.say("Designing again …")
        return dialogue.decision(line, comment=typed.text)
    if typed.verb == "edit":
        text = await dialogue.edited_form(draft.form, draft.differs)
        return None if text is None else dialogue.decision(line, text=text)
    if typed.verb == "why":
        dialogue.say(*_reasons(typed.items, draft.plan, dialogue.context.bench()))
        return None
    names = tuple(n.removesuffix(".") for n in typed.items)
    try:
        drop_items(draft.plan, names)
    except FormError as error:
        dialogue.say(*(m.text for m in error.mistakes))
        return None
    return dialogue.decision(line, drop=names)


def _reasons(items: Sequence[str], plan: ProtocolPlan, bench: DesignContext) -> Iterator[RenderableType]:
    """Yield the paper reports that parts learn from, and how far those can be reused."""
    known = {(k.paper_id, p.part_id): (k, p) for k in bench.known_papers() for p in k.parts}
    ids = {i.split(".")[0] for i in items}
    parts = [p for p in plan.parts if p.id in ids]
    if not parts:
        yield f"There is no such part; there is {', '.join(p.id for p in plan.parts)}."
    for part in parts:
        yield Text(f"{part.id}. {one_line(part.title, 200)}", style="bold")
        if part.reason:
            yield one_line(part.reason, 600)
        for relation in part.relations:
            yield one_line(f"{relation.kind} part {relation.part}: {relation.reason}", 300)
        for ref in part.learns_from:
            paper, known_part = known.get((ref.paper_id, ref.part_id), (None, None))
            what = ""
            if paper and known_part:
                reuse = f" Reuse: {known_part.reuse}" if known_part.reuse else ""
                what = f"“{known_part.title}” of {paper.title}: referability {known_part.level}.{reuse}"
            yield one_line(f"learns from {ref.paper_id} part {ref.part_id}: {what}", 500)
        if not part.learns_from:
            yield "It learns from no report."
        for name in dict.fromkeys(line.skill for line in part.lines if line.skill):
            skill = bench.skills.get(name)
            yield one_line(f"skill {name}: {skill.description if skill else ''}", 400)
