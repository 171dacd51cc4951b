"""State of the pipeline: ids and small frozen values; everything large is in the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypedDict, TypeVar

from bioresearcher.schemas.paper import Failure, QueryPlan, SearchRound
from bioresearcher.schemas.review import DraftReview
from bioresearcher.schemas.run import Decision

T = TypeVar("T")
Update = dict[str, Any]
"""Changes that a node makes to the state, by key."""
CLASSES: Final = (QueryPlan, SearchRound, Failure, DraftReview, Decision)
"""Classes of values in the state. Checkpoints hold their modules and names, and only these are rebuilt from them: a
class that moves makes the checkpoints of earlier versions unreadable."""


def merge(old: Sequence[T], new: Sequence[T]) -> list[T]:
    """Append the new items that are not there yet, so that repeating a step adds nothing."""
    return [*old, *(item for item in new if item not in old)]


def revisions_of(decisions: Sequence[Decision]) -> int:
    """Return the number of the protocol's last revision, 0 before any."""
    return max((d.revision for d in decisions), default=0)


def standing(decisions: Sequence[Decision], approval: str) -> Decision | None:
    """Return the decision in force at an approval: the last; on protocol and tasks, the last on the last revision."""
    last = revisions_of(decisions)
    revised = approval in ("approve_protocol", "approve_tasks")
    about = [d for d in decisions if d.gate == approval and (not revised or d.revision == last)]
    return about[-1] if about else None


class RunState(TypedDict):
    """State of the main line. Lists with `merge` are written by several branches at once."""

    plan: QueryPlan | None
    rounds: list[SearchRound]
    found: list[str]
    kept: list[str]
    datasets: list[str]
    read: Annotated[list[str], merge]
    parts: list[str]
    written: Annotated[list[str], merge]
    passed: Annotated[list[str], merge]
    tasks: list[str]
    done: Annotated[list[str], merge]
    failures: Annotated[list[Failure], merge]
    reviews: Annotated[list[DraftReview], merge]
    decisions: Annotated[list[Decision], merge]


class PaperTask(TypedDict):
    """One paper to read."""

    paper_id: str


class CodeTask(TypedDict):
    """One dry-lab task to program."""

    task_id: str


def initial_state() -> RunState:
    """Return the state before the first step."""
    return RunState(
        plan=None,
        rounds=[],
        found=[],
        kept=[],
        datasets=[],
        read=[],
        parts=[],
        written=[],
        passed=[],
        tasks=[],
        done=[],
        failures=[],
        reviews=[],
        decisions=[],
    )
