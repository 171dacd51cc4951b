"""The gates of the headings and of the outlines: a person approves, drops, edits, or has them designed again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from bioresearcher.errors import RunFolderError
from bioresearcher.graph.approvals import HEADINGS, OUTLINES, asked, is_asked, made_at
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.state import RunState
from bioresearcher.offline import comment as spoken
from bioresearcher.runfolder import write_bytes
from bioresearcher.schemas.ask_design import HeadingsDraft
from bioresearcher.schemas.protocol import ProtocolPart
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.schemas.run import Decision
from bioresearcher.stages.forms import FormError
from bioresearcher.stages.outline_form import (
    Headings,
    Parts,
    headings_form,
    outlines_form,
    read_headings,
    read_outlines,
    without,
)

Update = dict[str, Any]
HEADINGS_FILE, OUTLINES_FILE = "headings.json", "outlines.json"
MOST_COMMENTS = 5
"""Comments on one draft; after that it can still be edited."""
CANNOT = (
    "nothing was changed: without a model a comment can only drop parts or steps (“drop part 2”); use drop or edit."
)
ENOUGH = f"nothing was changed: {MOST_COMMENTS} comments were followed; use drop or edit, or approve."


async def approve_headings(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Asks a person whether the protocol's parts are right, where the settings name this gate."""
    c = runtime.context
    if not is_asked(c, HEADINGS):
        return {}
    decision = asked(c, state, HEADINGS, left=_left(state, HEADINGS), before=_before(state, HEADINGS))
    if not decision.more:
        return {"decisions": [decision]}
    headings = Headings.of(c.folder.read(HeadingsDraft, "design", as_it_was(c, HEADINGS_FILE, decision.turn)))
    said, after = "", headings
    try:
        if decision.text:
            after = read_headings(decision.text, headings, c.settings.max_parts)
        elif decision.drop:
            after = Headings(headings.title, headings.summary, without(headings.parts, decision.drop))
        else:
            said, parts = _commented(c, state, HEADINGS, decision, headings.parts)
            after = Headings(headings.title, headings.summary, parts)
    except FormError as error:
        said = _lines(error)
    if after != headings:
        c.folder.write(after.draft, "design", HEADINGS_FILE)
    changed = after != headings or _is_followed(c, decision, said)
    told = decision.model_copy(update={"outcome": said, "changed": changed})
    return {"decisions": [told], "parts": [p.id for p in after.parts]}


async def approve_outlines(state: RunState, runtime: Runtime[RunContext]) -> Update:
    """Asks a person whether the steps to be written are right, where the settings name this gate."""
    c = runtime.context
    if not is_asked(c, OUTLINES):
        return {}
    decision = asked(c, state, OUTLINES, left=_left(state, OUTLINES), before=_before(state, OUTLINES))
    if not decision.more:
        return {"decisions": [decision]}
    parts = c.folder.read_list(ProtocolPart, "design", as_it_was(c, OUTLINES_FILE, decision.turn))
    said, after = "", parts
    try:
        if decision.text:
            bench = c.bench()
            after = read_outlines(decision.text, parts, [d.id for d in bench.datasets], bench.skills)
        elif decision.drop:
            after = without(parts, decision.drop)
        else:
            said, after = _commented(c, state, OUTLINES, decision, parts)
    except FormError as error:
        said = _lines(error)
    if after != parts:
        c.folder.write_list(after, "design", OUTLINES_FILE)
        _follow(c, after)
    changed = after != parts or _is_followed(c, decision, said)
    told = decision.model_copy(update={"outcome": said, "changed": changed})
    return {"decisions": [told], "parts": [p.id for p in after]}


def _follow(c: RunContext, parts: Parts) -> None:
    """The headings of the parts that are left, so that both files say the same."""
    draft = c.folder.read(HeadingsDraft, "design", HEADINGS_FILE)
    c.folder.write(Headings(draft.title, draft.summary, parts).draft, "design", HEADINGS_FILE)


def _lines(error: FormError) -> str:
    return "\n".join(str(m) if m.line else m.text for m in error.mistakes)


def _is_followed(c: RunContext, decision: Decision, said: str) -> bool:
    """Whether the draft is designed again after a comment."""
    return bool(decision.comment) and not said and not c.caller.by_rule


def _commented(c: RunContext, state: RunState, gate: str, decision: Decision, parts: Parts) -> tuple[str, Parts]:
    """What rules make of a comment when no model answers; with one it is left to the next draft."""
    if _left(state, gate) <= 0:
        return ENOUGH, parts
    if not c.caller.by_rule:
        return "", parts
    gone = [p.id for p in parts if spoken.drops(decision.comment, p)[0]]
    there = {line.id for p in parts for line in p.outline}
    for clause in spoken.clauses(decision.comment):
        if spoken.drops_something(clause):
            gone += spoken.named_steps(clause, there)
    return ("", without(parts, gone)) if gone else (CANNOT, parts)


def _left(state: RunState, gate: str) -> int:
    """How many comments may still be made."""
    return MOST_COMMENTS - len(comments(state, gate))


def comments(state: RunState, gate: str) -> list[str]:
    """The comments at a gate that were or are to be followed, in order."""
    return [d.comment for d in made_at(state["decisions"], gate) if d.more and d.comment and d.changed]


def after_comments(name: str, said: Sequence[str]) -> str:
    """What a draft is called in the record of the review loop."""
    return f"{name} after comment {len(said)}" if said else name


def as_findings(said: Sequence[str], before: str) -> tuple[CheckFinding, ...]:
    """A person's comments as findings on the draft that they were made on; the last one counts most."""
    if not said:
        return ()
    earlier = f" Before, the person said: {' / '.join(said[:-1])}." if said[:-1] else ""
    message = f"A person who read this draft asks: {said[-1]}.{earlier} The draft was:\n{before}"
    suggestion = "Do what the person asks and keep everything else of that draft as it is."
    return (CheckFinding(gate="PERSON", severity="error", location="draft", message=message, suggestion=suggestion),)


def commented_draft(c: RunContext, state: RunState, gate: str) -> tuple[list[str], str]:
    """The comments that the next draft is to follow, and the draft that the last one was made on, as text."""
    said = comments(state, gate)
    if not said:
        return [], ""
    name = HEADINGS_FILE if gate == HEADINGS else OUTLINES_FILE
    return said, text_of(c, as_it_was(c, name, made_at(state["decisions"], gate)[-1].turn))


def as_it_was(c: RunContext, name: str, turn: int) -> str:
    """The file that holds headings or outlines as they were before an answer.

    It is written when the answer is first carried out, and read when that was cut short and is done again.
    """
    kept = before_file(name, turn)
    if not c.folder.has("design", kept):
        write_bytes(c.folder.path("design", kept), c.folder.path("design", name).read_bytes())
    return kept


def before_file(name: str, turn: int) -> str:
    """What headings or outlines as they were before an answer are called."""
    return f"{name.removesuffix('.json')}-before-{turn}.json"


def text_of(c: RunContext, name: str) -> str:
    """Headings or outlines as text, without notes.

    Raises:
        RunFolderError: The file is not there.
    """
    if name.startswith("headings"):
        form = headings_form(Headings.of(c.folder.read(HeadingsDraft, "design", name)))
    else:
        parts = c.folder.read_list(ProtocolPart, "design", name)
        if not parts:
            raise RunFolderError(f"{c.folder.path('design', name)} holds no part.")
        form = outlines_form(parts)
    return "\n".join(line for line in form.splitlines() if not line.startswith("#")).strip()


def _before(state: RunState, gate: str) -> str:
    """The file with the draft before the last answer, if that changed it; empty otherwise."""
    made = made_at(state["decisions"], gate)
    name = HEADINGS_FILE if gate == HEADINGS else OUTLINES_FILE
    return before_file(name, made[-1].turn) if made and made[-1].more and made[-1].changed else ""


def passed_now(state: RunState, name: str, passed: bool) -> Any:  # noqa: ANN401 - a list, or LangGraph's sign for one
    """What passed the review loop, after a level was designed once or once more."""
    if name in state["passed"] and not passed:
        return Overwrite([p for p in state["passed"] if p != name])
    return [name] if passed else []
