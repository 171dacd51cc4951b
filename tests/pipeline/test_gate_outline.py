"""The gates of the headings and of the outlines as conversations, through the real graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_desk import Desk, values

from bioresearcher.graph.replay import open_source
from bioresearcher.library.index import Library
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.llm.offline.handlers import offline_backend
from bioresearcher.schemas.ask_design import HeadingsDraft
from bioresearcher.schemas.base import Origin


class Follower:
    """A model that answers as the rules do, and does what a person asks of the headings."""

    name = "follower"
    origin: Origin = "model"

    def __init__(self, library: Library) -> None:
        self._rules = offline_backend(library.similarities)
        self.asked: list[str] = []

    def identity(self, request: Request) -> str:
        return "follower/1"

    def room(self, request: Request) -> int | None:
        return None

    async def aclose(self) -> None:
        return

    async def complete(self, request: Request) -> Reply:
        reply = await self._rules.complete(request)
        said = [f.message for f in getattr(request.values, "findings", ()) if f.gate == "PERSON"]
        if request.prompt != "designer/design_headings" or not said:
            return reply
        self.asked += said
        draft = HeadingsDraft.model_validate_json(reply.text)
        first = draft.parts[0].model_copy(update={"title": "Quality before all"})
        return Reply(draft.model_copy(update={"parts": (first, *draft.parts[1:])}).model_dump_json())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_headings_and_outlines_are_changed_before_steps_are_written(desk: Desk) -> None:
    def editor(text: str) -> str:
        if "#! " in text:
            return text.replace("needs: 7", "needs: 1")
        return text.replace("needs: –", "needs: –\n\n[new] Talk to a pathologist\npurpose: To know.\nneeds: 7")

    gates = ("headings", "outlines", "tasks")
    first, folder = await desk.run(
        "why 2", "drop 9", "comment nicer", "edit", "yes", "drop 3", gates=gates, editor=editor
    )
    assert first.stopped_by == "the gate approve_headings is open"
    assert "2. Differential expression It learns from no report" in desk.text or "needs output of part 1" in desk.text
    assert "there is no 9; there is 1, 2" in desk.text
    assert "without a model a comment can only drop parts or steps" in desk.text
    assert "line 17: there is no part [7] above this one" in desk.text or "there is no part [7]" in desk.text
    assert "+[2] Talk to a pathologist" in desk.text, "the difference is shown"
    assert [p["title"] for p in values(folder, "design", "headings.json")["parts"]] == [
        "Data quality and cohorts",
        "Talk to a pathologist",
    ]
    assert first.totals.human_interventions == 2, "the comment changed nothing"

    def write_line(text: str) -> str:
        return text.replace("[2] Talk to a pathologist\n", "[2] Talk to a pathologist\n\n[new] Show the slides\n")

    record, _ = await desk.run(
        "approve",
        "edit",
        "drop 1.2",
        "comment “drop step 1.2”",
        "yes",
        "skip 1",
        "run",
        folder=folder,
        editor=write_line,
    )
    assert record.status == "done"
    assert "-[1.2] Cohort table of data" in desk.text
    parts = values(folder, "protocol.json")["parts"]
    assert [line["title"] for p in parts for line in p["outline"]] == [
        "Quality control of the tables of data",
        "Show the slides",
    ]
    assert values(folder, "design", "outlines-before-1.json")[0]["outline"][1]["title"] == "Cohort table of data"
    replayed, again = await desk.run(replay=open_source(folder.root, record))
    assert replayed.replay_of is not None
    assert replayed.replay_of.differing == ()
    assert replayed.decisions == record.decisions
    assert values(again, "design", "headings.json") == values(folder, "design", "headings.json")


async def test_a_comment_has_the_headings_designed_again_with_it_as_a_finding(desk: Desk) -> None:
    made: list[Follower] = []

    def backend(library: Library) -> Backend:
        made.append(Follower(library))
        return made[-1]

    record, folder = await desk.run(
        "comment “quality before all else, please”", "comment again", "approve", "no", gates=("headings", "protocol"),
        make_backend=backend,
    )  # fmt: skip
    assert record.stopped_by == "declined at approve_protocol"
    assert "-[1] Data quality and cohorts" in desk.text
    assert "+[1] Quality before all" in desk.text
    assert "It is as it was before." in desk.text, "the second comment made no other draft"
    assert values(folder, "protocol.json")["parts"][0]["title"] == "Quality before all"
    (asked, *_), (last, *_) = made[0].asked[:1], made[0].asked[-1:]
    assert asked.startswith("A person who read this draft asks: quality before all else, please.")
    assert "[1] Data quality and cohorts" in asked
    assert "Before, the person said: quality before all else, please." in last
    drafts = {r["draft"] for r in values(folder, "rounds.json")}
    assert {"headings", "headings after comment 1", "headings after comment 2"} <= drafts
