"""The approval of the protocol as a dialogue: part by part approved, edited or commented on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from bioresearcher.cli.run_messages import revision_lines
from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, TypedCommand, Verb, verbs_of
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.graph.revisions import REVISIONS_FOLDER
from bioresearcher.report import protocol_markdown as markdown
from bioresearcher.report.protocol_content import ProtocolContent
from bioresearcher.report.run_data import read_audit
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import Protocol, ProtocolPart
from bioresearcher.schemas.review import DraftReview
from bioresearcher.schemas.run import Decision, Revision
from bioresearcher.stages.part_form import part_form, read_part
from bioresearcher.stages.revise import step_references
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line, visible

PROMPT: Final = "protocol> "
REGISTERS: Final = "Approving registers the plan: its digest and the time are written down before any outcome is read."
VERBS: Final = verbs_of(
    Verb("list", "nothing", "the parts, and which are approved"),
    Verb("show", "rest", "a part, or all of the protocol", "show [2|all]"),
    Verb("next", "nothing", "the next part"),
    Verb("back", "nothing", "the part before"),
    Verb("yes", "nothing", "approve all of it and carry out its dry-lab part (also done)"),
    Verb("approve", "rest", "the part shown, others, or all of it", "approve [2|all]"),
    Verb("edit", "rest", "the part as YAML in your editor", "edit [2]"),
    Verb("comment", "item and text", "only the parts that it concerns are revised", 'comment [2] "…"'),
    Verb("why", "rest", "what the steps of a part were learnt from", "why [2|2.1]"),
    y="yes",
    done="yes",
    ok="approve",
    parts="list",
)


@dataclass
class _Place:
    """A place in the dialogue: the protocol, its approved parts, and the index of the part shown last."""

    protocol: Protocol
    approved: list[str]
    at: int = 0
    ids: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = [p.id for p in self.protocol.parts]

    @property
    def part(self) -> ProtocolPart:
        return self.protocol.parts[self.at]

    @property
    def left(self) -> list[str]:
        return [i for i in self.ids if i not in self.approved]


async def decide(dialogue: ApprovalDialogue) -> Decision | None:
    """Return the person's next answer: a part approved, edited or commented on, or the approval's end."""
    folder = dialogue.context.folder
    place = _Place(folder.read(Protocol, "protocol.json"), [str(i) for i in dialogue.question.get("approved", ())])
    first = dialogue.begin()
    if first:
        _overview(dialogue, place)
    number = int(dialogue.question.get("revision", 0))
    changed = _difference(dialogue, number) if number and not first else []
    last = [str(i) for i in dialogue.question.get("last", ())]
    place.at = _first_to_show(place, changed, last)
    if first or changed or last:  # else nothing is new since it was shown
        dialogue.say(*part_lines(place.part, place.protocol, folder))
    where = f"Part {place.part.id} ({place.at + 1} of {len(place.ids)})"
    dialogue.say(f"{where}: approve, edit, comment, next, yes (all); help says more.")
    return await dialogue.decide(PROMPT, VERBS, lambda line, typed: _carry_out(dialogue, line, typed, place))


def _first_to_show(place: _Place, changed: Sequence[str], last: Sequence[str]) -> int:
    """Return the index of the first changed part, else of the first not yet approved after the last one."""
    there = [place.ids.index(i) for i in changed if i in place.ids]
    if there:
        return there[0]
    after = max((place.ids.index(i) for i in last if i in place.ids), default=-1)
    order = [*range(after + 1, len(place.ids)), *range(after + 1)]
    return next((n for n in order if place.ids[n] in place.left), 0)


def _overview(dialogue: ApprovalDialogue, place: _Place) -> None:
    dialogue.say(Text(one_line(place.protocol.title, 200), style="bold"))
    dialogue.say(*first_page(dialogue.context.folder, place.protocol), REGISTERS)
    for part in place.protocol.parts:
        mark = "approved" if part.id in place.approved else f"{len(part.steps)} steps"
        dialogue.say(f"{part.id}. {one_line(part.title, 160)} ({mark})")
    unmet = (f"! {c.requirement} is not met: {c.reason}" for c in place.protocol.coverage if not c.met)
    dialogue.say(*(one_line(said, 400) for said in unmet))
    dialogue.say(*(one_line(f"! {limitation}", 400) for limitation in place.protocol.limitations))
    dialogue.say(f"whole: {dialogue.context.folder.path('protocol.md')}")


def _difference(dialogue: ApprovalDialogue, number: int) -> list[str]:
    """Print what the last revision changed; return the changed parts."""
    folder = dialogue.context.folder
    revision = folder.read(Revision, REVISIONS_FOLDER, str(number), "revision.json")
    text = visible(folder.path(REVISIONS_FOLDER, str(number), "diff.txt").read_text("utf-8"))
    dialogue.say(*revision_lines(revision, text))
    return list(revision.changed_parts)


def content_of(folder: RunFolder, protocol: Protocol) -> ProtocolContent:
    """Return a protocol with the run's facts, proposals and data sets."""
    return ProtocolContent(protocol, read_audit(folder), folder.read_all(Dataset, "datasets"))


def first_page(folder: RunFolder, protocol: Protocol) -> Iterator[RenderableType]:
    """Yield the protocol's first page: decisions, facts, what is left out or not done, the decision rule."""
    yield Sheet("\n".join(markdown.first_page_lines(content_of(folder, protocol), 2)))


def part_lines(part: ProtocolPart, protocol: Protocol, folder: RunFolder) -> Iterator[RenderableType]:
    """Yield a part with its steps, and its last review."""
    yield Sheet("\n".join(markdown.part_lines(part, content_of(folder, protocol), None, 1)))
    reviews = [r for r in folder.read_list(DraftReview, "rounds.json") if r.kept and _is_about(r.draft, part.id)]
    if reviews:
        found = count_of(len(reviews[-1].findings), "finding")
        yield f"checks of this part: {found}, {'passed' if reviews[-1].passed else 'did not pass'}"
        yield from (
            one_line(f"  {f.gate} {f.severity} at {f.location}: {f.message}", 300) for f in reviews[-1].findings
        )


def _is_about(draft: str, part_id: str) -> bool:
    return draft.split(",")[0] == f"steps of part {part_id}"


async def _carry_out(dialogue: ApprovalDialogue, line: str, typed: TypedCommand, place: _Place) -> Decision | None:
    """Return the decision that a line means; None when it only shows something, or cannot be done."""
    if typed.verb == "yes":
        return dialogue.decision(line, approved=True, parts=tuple(place.ids))
    if typed.verb == "list":
        _overview(dialogue, place)
        return None
    if typed.verb in {"next", "back"}:
        place.at = (place.at + (1 if typed.verb == "next" else -1)) % len(place.ids)
        dialogue.say(*part_lines(place.part, place.protocol, dialogue.context.folder))
        return None
    if typed.verb == "comment":
        about = f"part {typed.items[0]}: " if typed.items else ""
        dialogue.say("Revising …")
        return dialogue.decision(line, comment=f"{about}{typed.text}")
    ids = _named(dialogue, typed.text, place)
    if ids is None:
        return None
    if typed.verb == "approve":
        return await _approved(dialogue, line, ids, place)
    if typed.verb == "edit":
        return await _edited(dialogue, line, ids[0], place)
    for part in place.protocol.parts:
        if part.id in ids:
            place.at = place.ids.index(part.id)
            dialogue.say(
                *(
                    part_lines(part, place.protocol, dialogue.context.folder)
                    if typed.verb == "show"
                    else _why(part, content_of(dialogue.context.folder, place.protocol), typed.text)
                )
            )
    return None


def _named(dialogue: ApprovalDialogue, text: str, place: _Place) -> list[str] | None:
    """Return the parts meant by `2`, `part 2`, `2.1` or `all`; without a word the one shown last."""
    word = text.casefold().removeprefix("part").strip()
    if not word:
        return [place.part.id]
    if word == "all":
        return place.ids
    found = [w.split(".")[0] for w in word.replace(",", " ").split()]
    strange = [w for w in found if w not in place.ids]
    if strange:
        dialogue.say(f"There is no part {one_line(strange[0], 40)}; there is {', '.join(place.ids)}, or all.")
        return None
    return list(dict.fromkeys(found))


async def _approved(dialogue: ApprovalDialogue, line: str, ids: Sequence[str], place: _Place) -> Decision | None:
    left = [i for i in place.left if i not in ids]
    if not set(ids) & set(place.left) and left:
        dialogue.say(f"Part {', '.join(ids)} is approved already; left: {', '.join(left)}.")
        return None
    if left:
        dialogue.say(f"Part {', '.join(ids)} is approved; left: {', '.join(left)}.")
        return dialogue.decision(line, parts=tuple(ids))
    if list(ids) == place.ids or await dialogue.confirmed(
        "That was the last part. Type yes to carry out the protocol: "
    ):
        return dialogue.decision(line, approved=True, parts=tuple(ids))
    dialogue.say("Nothing was approved; the approval stays open.")
    return None


async def _edited(dialogue: ApprovalDialogue, line: str, part_id: str, place: _Place) -> Decision | None:
    part = next(p for p in place.protocol.parts if p.id == part_id)
    ground = step_references(dialogue.context.bench(), place.protocol)
    text = await dialogue.edited_form(part_form(part), lambda text: read_part(text, part, ground) != part)
    return None if text is None else dialogue.decision(line, text=text, parts=(part_id,))


def _why(part: ProtocolPart, content: ProtocolContent, text: str) -> Iterator[RenderableType]:
    """Yield a part's steps with the facts and passages they rest on, in full."""
    one = text.casefold().removeprefix("part").strip()
    if part.reason:
        yield one_line(f"why part {part.id} is there: {part.reason}", 600)
    for step in [s for s in part.steps if s.id == one] or part.steps:
        yield Sheet("\n".join(markdown.step_lines(step, content, None, 1)))
