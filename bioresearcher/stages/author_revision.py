"""The author's revision of a protocol after its review: changed, new and dropped steps, an answer to each finding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.schemas.ask_design import (
    FindingAnswer,
    ProtocolStepDraft,
    RevisedProtocol,
    ReviseProtocolInput,
    TextEdit,
)
from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.conversation import Conversation
from bioresearcher.schemas.protocol import OutlineLine, Protocol, ProtocolPart, ProtocolStep, StepOutput
from bioresearcher.schemas.review import RankedFinding
from bioresearcher.stages.author import MOST_WORDS, clean_step, words_of
from bioresearcher.stages.design import protocol_step
from bioresearcher.stages.design_context import DesignContext, assemble_again
from bioresearcher.stages.draft_cleanup import StepReferences, line_of, with_sources
from bioresearcher.stages.fallback import note
from bioresearcher.stages.material import material
from bioresearcher.stages.prompts import REVISE_PROTOCOL
from bioresearcher.stages.review_findings import renumbered
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import known_id, known_ids, title_of

V = TypeVar("V", bound=Value)

TAKEN_OUT: Final = " (taken out)"
"""Mark after the old number of a step that was taken out."""
_PAGE: Final = ("decisions", "facts", "not_done", "answer_rule", "definitions")


@dataclass(frozen=True)
class RevisedDraft:
    """A revised protocol, the author's answers to the findings, and the conversation after it.

    Attributes:
        moved: New number, or the old one marked as taken out, of each step whose number changed; the answers have the
            new ones.
    """

    protocol: Protocol
    answers: tuple[FindingAnswer, ...]
    talk: Conversation
    moved: Mapping[str, str] = field(default_factory=dict)


class Reviser:
    """The author during a review: every call is the next turn of the same conversation.

    Attributes:
        talk: The conversation so far.
    """

    def __init__(self, caller: ModelClient, bench: DesignContext, talk: Conversation) -> None:
        self._caller = caller
        self._bench = bench
        self.talk = talk

    async def __call__(
        self, protocol: Protocol, findings: Sequence[RankedFinding]
    ) -> tuple[Protocol, tuple[FindingAnswer, ...], Mapping[str, str]]:
        """Revise the protocol; return it with the answers to the findings and the new numbers (`revise_protocol`)."""
        revised = await revise_protocol(self._caller, self._bench, self.talk, protocol, findings)
        self.talk = revised.talk
        return revised.protocol, revised.answers, revised.moved


async def revise_protocol(
    caller: ModelClient,
    bench: DesignContext,
    talk: Conversation,
    protocol: Protocol,
    findings: Sequence[RankedFinding],
) -> RevisedDraft:
    """Let the author revise the protocol; what is not named stays word for word.

    Steps are numbered anew within their part, and what refers to them follows. Citations of changed steps are not
    checked yet (`claims.check_claims`). An answer that says something was done counts as not done where nothing
    changed. No rule revises: by rule the protocol stays as it is, without answers.

    Raises:
        AnswerError: The author's answer cannot be used.
        StoppedError: The budget is used up, or the run is stopping.
    """
    if not findings or caller.by_rule:
        return RevisedDraft(protocol, (), talk)
    values = ReviseProtocolInput(
        **material(bench), said=talk.said, results=talk.results, protocol=protocol, findings=tuple(findings)
    )
    if not talk.said:
        shown = f"The protocol as it stands: {_shown(protocol)}"
        values = values.model_copy(update={"results": "\n\n".join(t for t in (talk.results, shown) if t)})
    answer = await ask(replace(caller, rules=None), REVISE_PROTOCOL, values)
    draft = answer.value
    edited, not_made = with_edits(protocol, draft.edits)
    parts, told = _Revision(bench, edited, draft, answer.origin).parts()
    told = [*not_made, *told]
    parts, lost = with_sources(parts)  # before numbers change: an old number may come to mean another step
    told += [f"inputs that no step makes any more, left out: {listing(lost)}"] if lost else []
    page = edited.model_copy(update=_page(bench, edited, draft))
    parts, page, moved = _numbered(parts, page)
    note(caller, REVISE_PROTOCOL, "; ".join(told))
    changed = parts != protocol.parts or page != protocol
    given = (a for f in findings if (a := _answer(f, draft, changed=changed)) is not None)
    answers = tuple(a.model_copy(update={"answer": renumbered(a.answer, moved)}) for a in given)
    revised = assemble_again(bench, page, parts, told) if changed else protocol
    numbers = ", ".join(f"{old} is now {now}" for old, now in moved.items() if not now.endswith(TAKEN_OUT))
    results = f"Steps were numbered anew: {numbers}." if numbers else ""
    return RevisedDraft(revised, answers, Conversation(said=(*talk.said, *answer.exchange), results=results), moved)


def with_edits(protocol: Protocol, edits: Sequence[TextEdit]) -> tuple[Protocol, list[str]]:
    """Return the protocol with small changes made, and sentences on those whose words do not stand there just once."""
    told = []
    for edit in edits:
        values = _place_values(protocol, edit.place)
        texts = [
            (n, f, t)
            for n, (value, fields) in enumerate(values)
            for f in fields
            if edit.old in (t := getattr(value, f))
        ]
        if not edit.old.strip() or len(texts) != 1 or texts[0][2].count(edit.old) != 1:
            count = sum(t.count(edit.old) for _, _, t in texts) if edit.old.strip() else 0
            told.append(f"an edit of {title_of(edit.place)} was not made: its words stand there {count} times")
            continue
        number, field, text = texts[0]
        old = values[number][0]
        protocol = _replaced(protocol, old, old.model_copy(update={field: text.replace(edit.old, edit.new)}))
    return protocol, told


_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "decisions": ("question", "choice", "why"),
    "facts": ("consequence",),
    "not_done": ("what", "why"),
    "definitions": ("name", "text"),
}
_STEP_TEXTS: Final = ("title", "action", "rationale", "acceptance")


def _place_values(protocol: Protocol, place: str) -> list[tuple[Value, tuple[str, ...]]]:
    """Return the values at a place with the names of their texts; none where there is no such place."""
    name = place.strip().casefold()
    if name in _TEXTS:
        return [(value, _TEXTS[name]) for value in getattr(protocol, name)]
    if name == "summary":
        return [(protocol, ("summary",))]
    if name == "answer_rule":
        return [(_Rule(text=rule), ("text",)) for rule in protocol.answer_rule]
    number = known_id(name.removeprefix("step").strip(), [s.id for s in protocol.steps])
    steps = [s for s in protocol.steps if s.id == number]
    return [*((s, _STEP_TEXTS) for s in steps), *((o, ("description",)) for s in steps for o in s.outputs)]


class _Rule(Value):
    """A sentence of the rule for the answer, as a value."""

    text: str


def _replaced(protocol: Protocol, old: Value, new: Value) -> Protocol:
    """Return the protocol with one of its values in another form."""
    if isinstance(new, Protocol):
        return new
    if isinstance(old, _Rule) and isinstance(new, _Rule):
        rules = tuple(new.text if rule == old.text else rule for rule in protocol.answer_rule)
        return protocol.model_copy(update={"answer_rule": rules})
    if isinstance(old, ProtocolStep | StepOutput):
        parts = tuple(
            p.model_copy(update={"steps": tuple(_changed_step(s, old, new) for s in p.steps)}) for p in protocol.parts
        )
        return protocol.model_copy(update={"parts": parts})
    lists = {n: tuple(new if v is old else v for v in getattr(protocol, n)) for n in _TEXTS}
    return protocol.model_copy(update=lists)


def _changed_step(step: ProtocolStep, old: Value, new: Value) -> ProtocolStep:
    """Return a step with itself, or one of its outputs, in another form."""
    if step is old and isinstance(new, ProtocolStep):
        return new
    outputs = tuple(new if o is old and isinstance(new, StepOutput) else o for o in step.outputs)
    return step.model_copy(update={"outputs": outputs}) if outputs != step.outputs else step


def _shown(protocol: Protocol) -> str:
    """Return the protocol as the author wrote it, without what the program added."""
    added = {"id", "objective_id", "coverage", "limitations", "origin", "revision", "answered"}
    parts = tuple(
        p.model_copy(
            update={"outline": (), "steps": tuple(s.model_copy(update={"links": ()}) for s in p.steps)},
        )
        for p in protocol.parts
    )
    return protocol.model_copy(update={"parts": parts}).model_dump_json(exclude=added, exclude_defaults=True)


def _answer(finding: RankedFinding, draft: RevisedProtocol, *, changed: bool) -> FindingAnswer | None:
    """Return the author's answer to a finding, or None; a change that was said and not made counts as none."""
    given = next((a for a in draft.answers if known_id(a.finding, [finding.id]) and a.answer.strip()), None)
    if given is None:
        return None
    text = given.answer.strip()
    if given.done and not changed:
        text = f"said to be done, but nothing was changed: {text}"
    return FindingAnswer(finding=finding.id, done=given.done and changed, answer=text)


def _page(bench: DesignContext, protocol: Protocol, draft: RevisedProtocol) -> dict[str, Any]:
    """Return the lists of the first page that change, without references to what does not exist."""
    new = {name: given for name in _PAGE if (given := getattr(draft, name)) is not None}
    facts = [f.id for f in bench.facts]
    if "decisions" in new:
        ids = {*facts, *bench.known.sources}
        new["decisions"] = tuple(d.model_copy(update={"cites": known_ids(d.cites, ids)}) for d in new["decisions"])
    if "facts" in new:
        found = ((f, known_id(f.fact, facts)) for f in new["facts"])
        new["facts"] = tuple(f.model_copy(update={"fact": name}) for f, name in found if name)
    return {name: given or getattr(protocol, name) for name, given in new.items()}  # a list is changed, never emptied


class _Revision:
    """The parts of a protocol while changes are put in."""

    def __init__(self, bench: DesignContext, protocol: Protocol, draft: RevisedProtocol, origin: Origin) -> None:
        self._bench = bench
        self._draft = draft
        self._origin = origin
        self._parts = {p.id: list(p.steps) for p in protocol.parts}
        self._given = protocol.parts
        self._told: list[str] = []

    def parts(self) -> tuple[tuple[ProtocolPart, ...], list[str]]:
        """Return the parts with all changes, and sentences on what could not be taken over."""
        ids = [s.id for part in self._given for s in part.steps]
        dropped = set(known_ids(self._draft.dropped, ids))
        unknown = [d for d in self._draft.dropped if known_id(d, ids) is None]
        if unknown:
            self._told.append(f"steps to drop that are not there: {', '.join(map(title_of, unknown))}")
        if dropped and dropped == set(ids) and not any(d.action.strip() for d in self._draft.steps):
            self._told.append("the revision would drop every step; none was dropped")
            dropped = set()
        for draft in sorted(self._draft.steps, key=lambda d: [int(n) for n in re.findall(r"\d{1,9}", d.id)[:2]]):
            if draft.action.strip():
                self._put(draft, known_id(draft.id, [s.id for steps in self._parts.values() for s in steps]))
        for part_id, steps in self._parts.items():
            self._parts[part_id] = [s for s in steps if s.id not in dropped]
        return tuple(_with_steps(p, tuple(self._parts[p.id])) for p in self._given), self._told

    def _put(self, draft: ProtocolStepDraft, step_id: str | None) -> None:
        """Put a changed step in its place, or a new one at the end of its part."""
        if step_id is not None:
            part_id = next(i for i, steps in self._parts.items() if any(s.id == step_id for s in steps))
            place = next(n for n, s in enumerate(self._parts[part_id]) if s.id == step_id)
            self._parts[part_id][place] = self._step(draft, OutlineLine(id=step_id, title=draft.title))
            return
        named = re.match(r"\D*(\d+)\.", draft.id)
        part_id = named[1] if named and named[1] in self._parts else ""
        if not part_id:
            self._told.append(
                f"a new step {title_of(draft.id)} is in no part and was left out: {title_of(draft.title)}"
            )
            return
        taken = [int(s.id.split(".")[1]) for s in self._parts[part_id] if s.id.split(".")[-1].isdigit()]
        named = re.search(rf"\b{part_id}\.(\d{{1,3}})\b", draft.id)
        number = int(named[1]) if named and int(named[1]) > max(taken, default=0) else max(taken, default=0) + 1
        line = OutlineLine(id=f"{part_id}.{number}", title=title_of(draft.title, draft.action))
        self._parts[part_id].append(self._step(draft.model_copy(update={"id": line.id}), line, draft.id))

    def _step(self, draft: ProtocolStepDraft, line: OutlineLine, given: str = "") -> ProtocolStep:
        rows = []
        for part in self._given:
            lines = [line if s.id == line.id else line_of(s) for s in self._parts[part.id]]
            new = line.id.startswith(f"{part.id}.") and all(row.id != line.id for row in lines)
            rows.append(part.model_copy(update={"outline": (*lines, line) if new else tuple(lines)}))
        ground = StepReferences(self._bench.objective, tuple(rows), self._bench.datasets, self._bench.skills)
        step, lost = clean_step(draft, line, ground)
        self._told += lost
        if words_of(step) > MOST_WORDS:
            self._told.append(f"step {given or line.id} has {words_of(step):,} words, too many to be checked")
        return protocol_step(self._bench, step, self._origin)


def _with_steps(part: ProtocolPart, steps: tuple[ProtocolStep, ...]) -> ProtocolPart:
    """Return a part with other steps and their outline; the same part when they are the same."""
    if steps == part.steps:
        return part
    return part.model_copy(update={"steps": steps, "outline": tuple(map(line_of, steps))})


def _numbered(
    parts: tuple[ProtocolPart, ...], page: Protocol
) -> tuple[tuple[ProtocolPart, ...], Protocol, dict[str, str]]:
    """Number the steps of each part 1, 2, 3 … and let inputs, texts and the first page follow; return what moved."""
    new = {s.id: f"{p.id}.{n}" for p in parts for n, s in enumerate(p.steps, 1)}
    ids = {s.id: f"{s.id}{TAKEN_OUT}" for s in page.steps if s.id not in new}
    numbers = {old: now for old, now in new.items() if old != now}
    moved = {**ids, **numbers}
    if not moved:
        return parts, page, {}
    found = tuple(_with_steps(p, tuple(_moved_step(s, moved) for s in p.steps)) for p in parts)
    update = {
        "summary": renumbered(page.summary, moved),
        "answer_rule": tuple(renumbered(r, moved) for r in page.answer_rule),
        "decisions": tuple(_moved_value(d, ("choice", "why"), moved) for d in page.decisions),
        "facts": tuple(_moved_value(f, ("consequence",), moved) for f in page.facts),
        "not_done": tuple(_moved_value(n, ("what", "why"), moved) for n in page.not_done),
        "definitions": tuple(_moved_value(d, ("text",), moved) for d in page.definitions),
        "papers": tuple(_moved_value(p, ("use", "reason"), moved) for p in page.papers),
    }
    return found, page.model_copy(update=update), moved


def _moved_step(step: ProtocolStep, moved: Mapping[str, str]) -> ProtocolStep:
    inputs = []
    for given in step.inputs:
        kind, _, rest = given.source.partition(":")
        owner, _, output = rest.partition("/")
        source = f"step:{moved[owner]}/{output}" if kind == "step" and owner in moved else given.source
        inputs.append(given.model_copy(update={"source": source}))
    texts = _moved_value(step, ("title", "action", "rationale", "acceptance"), moved)
    return texts.model_copy(update={"id": moved.get(step.id, step.id), "inputs": tuple(inputs)})


def _moved_value(value: V, fields: Sequence[str], moved: Mapping[str, str]) -> V:
    return value.model_copy(update={name: renumbered(getattr(value, name), moved) for name in fields})
