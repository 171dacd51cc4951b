"""The pipeline's state: ids and small frozen values; everything bulky lies in the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, TypedDict, TypeVar

from bioresearcher.schemas.paper import Failure, QueryPlan, SearchRound
from bioresearcher.schemas.review import DraftReview
from bioresearcher.schemas.run import Decision

T = TypeVar("T")
CLASSES: Final = (QueryPlan, SearchRound, Failure, DraftReview, Decision)
"""Classes of values in the state. Checkpoints hold their modules and names, and nothing else is rebuilt from them: a
class that moves leaves the checkpoints of earlier versions unreadable."""


def merge(old: Sequence[T], new: Sequence[T]) -> list[T]:
    """Old items, then the new ones not yet there: repeating a step adds nothing."""
    return [*old, *(item for item in new if item not in old)]


def revisions_of(decisions: Sequence[Decision]) -> int:
    """The number of the last revision of the protocol, 0 before any."""
    return max((d.revision for d in decisions), default=0)


def standing(decisions: Sequence[Decision], gate: str) -> Decision | None:
    """The decision in force at a gate: the last one; on the protocol and its tasks, one about its last revision."""
    last = revisions_of(decisions)
    late = gate in ("approve_protocol", "approve_tasks")
    about = [d for d in decisions if d.gate == gate and (not late or d.revision == last)]
    return about[-1] if about else None


class RunState(TypedDict):
    """State of the main line. Lists with `merge` are written by several branches."""

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


class PartTask(TypedDict):
    """One part to write."""

    part_id: str


class CodeTask(TypedDict):
    """One dry-lab task to program."""

    task_id: str


def initial_state() -> RunState:
    """The state before the first step."""
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
