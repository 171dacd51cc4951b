"""Which parts of a protocol a comment concerns, and why."""

from __future__ import annotations

from collections.abc import Sequence

from bioresearcher.llm.ask import Caller, ask
from bioresearcher.llm.offline import comment as spoken
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.ask_revise import ChoosePartsInput
from bioresearcher.schemas.protocol import ProtocolPart
from bioresearcher.schemas.revision import ConcernedPart
from bioresearcher.stages.changes import Parts
from bioresearcher.stages.prompts import CHOOSE_PARTS
from bioresearcher.text.normalise import known_id, title_of


async def concerned_parts(
    caller: Caller, parts: Parts, comment: str, skills: Sequence[SkillBrief]
) -> tuple[ConcernedPart, ...]:
    """The parts that a comment concerns, in the protocol's order.

    Those that it names, by number, by the number or title of a step, or by a parameter; where it names none, those that
    a closed question to the designer picks (by rule: the closest by words and meaning).
    """
    named = tuple(ConcernedPart(part=p.id, reason=why) for p in parts if (why := _named(p, comment, skills)))
    if named or not parts:
        return named
    answer = await ask(caller, CHOOSE_PARTS, ChoosePartsInput(comment=comment, parts=parts))
    ids = [p.id for p in parts]
    chosen: dict[str, str] = {}
    for concern in answer.value.parts:
        part_id = known_id(concern.part, ids)
        if concern.concerned and part_id is not None:
            chosen.setdefault(part_id, title_of(concern.reason, "chosen without a reason"))
    return tuple(ConcernedPart(part=i, reason=chosen[i]) for i in ids if i in chosen)


def _named(part: ProtocolPart, comment: str, skills: Sequence[SkillBrief]) -> str:
    """In which way a comment names a part; empty when it does not."""
    if spoken.named_parts(comment, [part.id]):
        return f"the comment names part {part.id}"
    steps = spoken.named_steps(comment, [s.id for s in part.steps]) or spoken.titled(comment, part.steps)
    if steps:
        return f"the comment names step {', '.join(steps)}"
    if spoken.titled(comment, [part]):
        return "the comment names its title"
    set_here = spoken.settings_in(comment, part)
    if set_here:
        return f"the comment sets {', '.join(sorted({n for _, n in set_here}))}, which it uses"
    dropped = spoken.drops(comment, part, skills)[1]
    return f"the comment names the method of step {', '.join(dropped)}" if dropped else ""
