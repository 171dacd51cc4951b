"""A part of the protocol as a form, written and read back: ids and untouched values stay. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from bioresearcher.config_text import Place
from bioresearcher.offline.comment import as_draft
from bioresearcher.schemas.protocol import Citation, OutlineLine, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.stages.draft_cleanup import MAX_STEPS, StepReferences, line_of, source_of, unbound
from bioresearcher.stages.forms import QUOTING, Form, Item, write, write_items
from bioresearcher.stages.revise_rules import next_step_id

KINDS: tuple[str, ...] = get_args(StepOutput.model_fields["kind"].annotation)
NOTE = (
    "# Part {id} of the protocol. Edit it, save and close; close without a change to keep it as it is.",
    "# A step keeps its id; a new one has `id: new`. A deleted one is dropped, with what needs it.",
    "# A field that is left out stays as it is; to empty one, delete what stands behind its colon.",
    QUOTING,
    "# action may have lists and tables; acceptance: how to tell that it succeeded; requirements: ids it helps to meet",
    "# parameters: name, value, unit; inputs: name, source (given, dataset:ID/FILE or step:2.1/OUTPUT)",
    "# outputs: name, kind ({kinds}), description",
    "# skill: the skill that carries the step out, which settles its outputs",
)
FIELDS = (
    "title kind action rationale parameters inputs outputs datasets software acceptance requirements skill"
).split()
"""Fields of a step that a person may change."""
_PART = ("title", "purpose")


def part_form(part: ProtocolPart) -> str:
    """Write a part as a form."""
    notes = "".join(f"{note.format(id=part.id, kinds=', '.join(KINDS))}\n" for note in NOTE)
    return f"{notes}\n{write(part, _PART)}steps:\n{write_items(part.steps, FIELDS)}"


def read_part(text: str, part: ProtocolPart, ground: StepReferences) -> ProtocolPart:
    """Read a part from a form; changed steps get the origin `human`, all others are the same objects.

    Args:
        text: The editor's text.
        part: The part before.
        ground: The whole protocol, its present steps as lines, and the objects that steps may refer to.

    Raises:
        FormError: Holds all mistakes and all references to objects that do not exist.
    """
    form = Form(text, (*_PART, "steps"))
    items = form.items(("steps",), form.fields.pop("steps", ""), FIELDS, MAX_STEPS)
    steps = _Steps(form, part, ground).read(items)
    after, changed = form.read((), form.fields, part, part)
    form.done()
    if steps != part.steps:
        return after.model_copy(update={"steps": steps, "outline": _outline(part, steps)})
    return after if changed else part


def _outline(part: ProtocolPart, steps: Sequence[ProtocolStep]) -> tuple[OutlineLine, ...]:
    """Update the part's outline, where it has one: lines of changed and new steps, none of dropped ones."""
    old = {s.id: s for s in part.steps}
    written = {s.id: line_of(s) for s in steps if old.get(s.id) is not s}
    gone = old.keys() - {s.id for s in steps}
    new = [line for i, line in written.items() if i not in old] if part.outline else []
    return (*(written.get(line.id, line) for line in part.outline if line.id not in gone), *new)


class _Steps:
    """Reads the steps of one part in order; each may refer to those before it."""

    def __init__(self, form: Form, part: ProtocolPart, ground: StepReferences) -> None:
        self._form, self._part, self._ground = form, part, ground
        self._known = {
            "datasets": [d.id for d in ground.datasets],
            "requirements": [r.id for r in ground.objective.requirements],
            "skill": ground.skills,
        }
        self._before: dict[str, OutlineLine] = {}
        for other in ground.parts:
            if other.id == part.id:
                break
            self._before |= {line.id: line for line in other.outline}

    def read(self, items: Sequence[Item]) -> tuple[ProtocolStep, ...]:
        """Read the steps, and note the mistakes in them."""
        old = {s.id: s for s in self._part.steps}
        found = []
        for item in items:
            if item.id and item.id not in old:
                said = f"part {self._part.id} has no step {item.id[:40]}; a new one has `id: new`"
                self._form.wrong((*item.at, "id"), said)
            else:
                found.append(self._step(item, old.get(item.id)))
                self._before[found[-1].id] = line_of(found[-1])
        return tuple(found)

    def _step(self, item: Item, old: ProtocolStep | None) -> ProtocolStep:
        mistakes = len(self._form.mistakes)
        said = (Citation(kind="general", claim="A person added it."),)
        new = ProtocolStep(id=self._next_id(), title="", action="", kind="dry", citations=said, origin="human")
        step, changed = self._form.read(item.at, item.fields, old, new, self._known)
        if "inputs" in changed:
            step = step.model_copy(update={"inputs": tuple(self._inputs(item.at, step, old))})
        if step == old:
            return old
        step = step.model_copy(update={"origin": "human"})
        why = self._problem(step, old) if len(self._form.mistakes) == mistakes else ""
        if why:
            self._form.wrong(item.at, why)
        return step

    def _next_id(self) -> str:
        lines = tuple(OutlineLine(id=i, title="") for i in self._before if i.startswith(f"{self._part.id}."))
        return next_step_id(self._part.model_copy(update={"outline": (*self._part.outline, *lines)}))

    def _inputs(self, at: Place, step: ProtocolStep, old: ProtocolStep | None) -> Iterator[StepInput]:
        """Yield the inputs with sources as the protocol writes them; a source that does not exist is noted."""
        for n, one in enumerate(step.inputs):
            untouched = old is not None and one in old.inputs
            source = one.source if untouched else source_of(one.source, self._before, self._ground.datasets)
            if source is None:
                known = "given, dataset:ID/FILE, step:ID/OUTPUT"
                said = f"there is no source {one.source[:80]} before this step ({known})"
                self._form.wrong((*at, "inputs", n, "source"), said)
            yield one.model_copy(update={"source": source or one.source})

    def _problem(self, step: ProtocolStep, old: ProtocolStep | None) -> str:
        names = [o.name for o in step.outputs]
        untouched = old is not None and old.outputs == step.outputs
        if len(names) != len(set(names)) and not untouched:
            return "two outputs have the same name"
        if step.skill is None:
            return ""
        contract = self._ground.skills[step.skill].contract
        if names != [o.name for o in contract.outputs] and not (untouched and old and old.skill):
            wanted = ", ".join(o.name for o in contract.outputs)
            return f"the outputs of {step.skill} are {wanted}; to have others, empty the field skill"
        lines = tuple(self._before.values())
        parts = (ProtocolPart(id="0", title="", purpose="", outline=(*lines, line_of(step))),)
        ground = StepReferences(self._ground.objective, parts, self._ground.datasets, self._ground.skills)
        was = unbound(as_draft(old), ground) if old is not None and old.skill else ""
        now = unbound(as_draft(step), ground)
        return f"{now}; correct it, or empty the field skill" if now and now != was else ""
