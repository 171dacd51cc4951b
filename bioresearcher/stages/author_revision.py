"""The author's revision of a protocol after its review: changed, new and dropped steps, an answer to each finding."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from bioresearcher.errors import AnswerError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.schemas.ask_design import (
    FindingAnswer,
    ProtocolStepDraft,
    RefusedEdit,
    RepairEditsInput,
    RevisedProtocol,
    ReviseProtocolInput,
)
from bioresearcher.schemas.base import Origin, Value
from bioresearcher.schemas.conversation import Conversation, Said
from bioresearcher.schemas.facts import LookRecord
from bioresearcher.schemas.protocol import OutlineLine, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.review import RankedFinding
from bioresearcher.stages.author import MOST_WORDS, clean_step, words_of
from bioresearcher.stages.claims import cut_claims
from bioresearcher.stages.design import protocol_step
from bioresearcher.stages.design_context import DesignContext, assemble_again
from bioresearcher.stages.draft_cleanup import StepReferences, line_of, with_sources
from bioresearcher.stages.fallback import note
from bioresearcher.stages.material import material
from bioresearcher.stages.prompts import REPAIR_EDITS, REVISE_PROTOCOL
from bioresearcher.stages.review_findings import renumbered
from bioresearcher.stages.text_edits import place_of, texts_of, with_edits
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import known_id, known_ids, title_of

V = TypeVar("V", bound=Value)

TAKEN_OUT: Final = " (taken out)"
"""Mark after the old number of a step that was taken out."""
LOOK_CHARS: Final = 700
"""Characters of what a reviewer's look printed that the author is shown."""
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
        bench: The author's material, with the reviewer's looks that were shown.
        talk: The conversation so far.
    """

    def __init__(self, caller: ModelClient, bench: DesignContext, talk: Conversation) -> None:
        self._caller = caller
        self.bench = bench
        self.talk = talk

    async def __call__(
        self, protocol: Protocol, findings: Sequence[RankedFinding], looks: Sequence[LookRecord] = ()
    ) -> tuple[Protocol, tuple[FindingAnswer, ...], Mapping[str, str]]:
        """Revise the protocol; return it with the answers to the findings and the new numbers (`revise_protocol`).

        The reviewer's looks, those of them that were run, can be cited from now on.
        """
        known = {k.id for k in self.bench.looks}
        more = tuple(k for k in looks if k.id and not k.refused and k.id not in known)
        self.bench = replace(self.bench, looks=(*self.bench.looks, *more))
        revised = await revise_protocol(self._caller, self.bench, self.talk, protocol, findings, looks)
        self.talk = revised.talk
        return revised.protocol, revised.answers, revised.moved


async def revise_protocol(
    caller: ModelClient,
    bench: DesignContext,
    talk: Conversation,
    protocol: Protocol,
    findings: Sequence[RankedFinding],
    looks: Sequence[LookRecord] = (),
) -> RevisedDraft:
    """Let the author revise the protocol; what is not named stays word for word.

    The author is shown the reviewer's looks that findings rest on, and the citations that were cut. Small changes that
    cannot be made go back once, all together, in a second turn.

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
        **material(bench),
        said=talk.said,
        results=talk.results,
        protocol=protocol,
        findings=tuple(findings),
        cut=cut_claims(bench, protocol),
        looks=_shown_by(findings, looks),
    )
    if not talk.said:
        shown = f"The protocol as it stands: {_shown(protocol)}"
        values = values.model_copy(update={"results": "\n\n".join(t for t in (talk.results, shown) if t)})
    answer = await ask(replace(caller, rules=None), REVISE_PROTOCOL, values)
    draft, said = answer.value, [*talk.said, *answer.exchange]
    edited, refused = with_edits(protocol, draft.edits)
    parts, told = _Revision(bench, edited, draft, answer.origin).parts()
    page = edited.model_copy(update={**_page(bench, edited, draft), "parts": parts})
    refused = tuple(r for r in refused if not _overwritten(r, draft, edited))
    if refused:
        page, refused, exchange = await _repaired(caller, bench, said, page, refused)
        said += exchange
        told += [f"an edit of {title_of(r.place)} was not made: {r.why}" for r in refused]
    parts, page = page.parts, page.model_copy(update={"parts": protocol.parts})
    parts, lost = with_sources(parts)  # before numbers change: an old number may come to mean another step
    told += [f"inputs that no step makes any more, left out: {listing(lost)}"] if lost else []
    parts, page, moved = _numbered(parts, page)
    note(caller, REVISE_PROTOCOL, "; ".join(told))
    changed = parts != protocol.parts or page != protocol
    given = (a for f in findings if (a := _answer(f, draft, changed=changed)) is not None)
    answers = tuple(a.model_copy(update={"answer": renumbered(a.answer, moved)}) for a in given)
    revised = assemble_again(bench, page, parts, told) if changed else protocol
    numbers = ", ".join(f"{old} is now {now}" for old, now in moved.items() if not now.endswith(TAKEN_OUT))
    results = f"Steps were numbered anew: {numbers}." if numbers else ""
    return RevisedDraft(revised, answers, Conversation(said=tuple(said), results=results), moved)


async def _repaired(
    caller: ModelClient, bench: DesignContext, said: Sequence[Said], protocol: Protocol, refused: Sequence[RefusedEdit]
) -> tuple[Protocol, tuple[RefusedEdit, ...], tuple[Said, ...]]:
    """Ask once more for changes that could not be made; return what is still refused, and the turn."""
    values = RepairEditsInput(**material(bench), said=tuple(said), refused=tuple(refused))
    try:
        answer = await ask(replace(caller, rules=None), REPAIR_EDITS, values)
    except AnswerError as error:
        note(caller, REPAIR_EDITS, f"changes that could not be made were not given again: {error.message}")
        return protocol, tuple(refused), ()
    made, still = with_edits(protocol, answer.value.edits)
    return made, still, answer.exchange


def _overwritten(edit: RefusedEdit, draft: RevisedProtocol, protocol: Protocol) -> bool:
    """Check whether the place of an edit was given anew in full, or taken out, in the same answer."""
    place = place_of(edit.place, {t.place for t in texts_of(protocol)})
    if place is None:
        return False
    steps = {f"step {s.id}" for s in protocol.steps if known_id(s.id, [*(d.id for d in draft.steps), *draft.dropped])}
    return place in steps or bool(getattr(draft, place, None) if place in _PAGE else None)


def _shown_by(findings: Sequence[RankedFinding], looks: Sequence[LookRecord]) -> tuple[LookRecord, ...]:
    """Return the looks that findings rest on, with the beginning of what was printed."""
    named = {i for f in findings for i in re.findall(r"\b[A-Z]\d+\b", f.shown_by)}
    rows = (k for k in looks if k.id in named and not k.refused)
    return tuple(k.model_copy(update={"shown": _printed(k.shown)}) for k in rows)


def _printed(shown: str) -> str:
    """Return the beginning of what a look printed, without our lines around it."""
    lines = [x for x in shown.splitlines() if not x.startswith("<<<untrusted") and x != ">>>"]
    text = "\n".join(lines)
    return text if len(text) <= LOOK_CHARS else f"{text[:LOOK_CHARS]} […]"


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
    facts = [*bench.known.facts, *bench.known.looks]
    if "decisions" in new:
        ids = {*facts, *bench.known.sources}
        new["decisions"] = tuple(d.model_copy(update={"cites": known_ids(d.cites, ids)}) for d in new["decisions"])
    if "facts" in new:
        found = ((f, known_id(f.fact, facts)) for f in new["facts"])
        new["facts"] = tuple(f.model_copy(update={"fact": name}) for f, name in found if name)
    if new.get("definitions"):
        coded = {d.name: d.code for d in protocol.definitions}
        new["definitions"] = tuple(
            d if d.code.strip() else d.model_copy(update={"code": coded.get(d.name, "")}) for d in new["definitions"]
        )
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
        for draft in sorted(self._draft.steps, key=lambda d: [int(n) for n in re.findall(r"\d{1,9}", d.id)[:2]]):
            if draft.action.strip():
                self._put(draft, known_id(draft.id, [s.id for steps in self._parts.values() for s in steps]))
        if dropped >= {s.id for steps in self._parts.values() for s in steps}:  # also where new steps had no place
            self._told += ["the revision would drop every step; none was dropped"] if dropped else []
            dropped = set()
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
        """Return a draft as a step; citations that did not change keep what the check of them found."""
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
        made = protocol_step(self._bench, step, self._origin)
        old = next((s for p in self._given for s in p.steps if s.id == line.id), None)
        if old is not None and not made.code.strip():
            made = made.model_copy(update={"code": old.code})
        return made if old is None else _with_verdicts(made, old)


def _with_verdicts(step: ProtocolStep, old: ProtocolStep) -> ProtocolStep:
    """Return a step whose citations that stood in its earlier form have the states that were found then."""
    found = {(known_id(c.ref, [o.ref for o in old.citations]), c.claim): c for c in step.citations}
    before = {(o.ref, o.claim): o for o in old.citations}
    states = {c: before[key] for key, c in found.items() if key in before}
    claims = {c.claim for c in states.values() if c.state == "supported"}
    links = tuple(k for k in old.links if k.claim in claims)
    return step.model_copy(update={"citations": tuple(states.get(c, c) for c in step.citations), "links": links})


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
