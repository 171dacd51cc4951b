"""The gates of the headings and of the outlines as conversations, through the real graph."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from gate_desk import QUESTION, Desk, values
from model_answers import as_the_rules
from rich.console import Console

from bioresearcher.cli import approvals
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.replay import open_source
from bioresearcher.graph.run import Runner, new_run_folder
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.offline.backend import offline_backend
from bioresearcher.retrieval.index import Library
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.ask_design import ProtocolPlan
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.run import Decision
from bioresearcher.settings import Settings


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
        reply = await as_the_rules(self._rules, request)
        said = [f.message for f in getattr(request.values, "findings", ()) if f.gate == "PERSON"]
        if request.prompt != "designer/plan_protocol" or not said:
            return reply
        self.asked += said
        draft = ProtocolPlan.model_validate_json(reply.text)
        first = draft.parts[0].model_copy(update={"title": "Quality before all"})
        return Reply(draft.model_copy(update={"parts": (first, *draft.parts[1:])}).model_dump_json())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_headings_and_outlines_are_changed_before_steps_are_written(desk: Desk) -> None:
    def editor(text: str) -> str:
        if "#! " in text:
            return text.replace("depends_on: [7]", "depends_on: ['1']")
        new = "- id: new\n  title: Talk to a pathologist\n  purpose: To know.\n  depends_on: [7]"
        return text.replace("depends_on: []", f"depends_on: []\n\n{new}")

    asked = ("headings", "outlines", "tasks")
    first, folder = await desk.run(
        "why 2", "drop 9", "comment nicer", "edit", "yes", "drop 3", gates=asked, editor=editor
    )
    assert first.stopped_by == "the approval approve_headings is open"
    assert "2. Differential expression It learns from no report" in desk.text or "needs output of part 1" in desk.text
    assert "there is no 9; there is 1, 1.1, 1.2, 1.3, 2, 2.1" in desk.text
    assert "without a model a comment can only drop parts or steps" in desk.text
    assert "it needs part 7, which does not stand above it" in desk.text
    assert "+ title: Talk to a pathologist" in desk.text, "the difference is shown"
    assert [p["title"] for p in values(folder, "design", "plan.json")["parts"]] == [
        "Data quality and cohorts",
        "Talk to a pathologist",
    ]
    assert first.totals.human_interventions == 2, "the comment changed nothing"

    def write_line(text: str) -> str:
        return text.replace("# Talk to a pathologist\n  steps:\n", "#\n  steps:\n\n  - title: Show the slides\n")

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
    assert "- title: Cohort table of data" in desk.text
    parts = values(folder, "protocol.json")["parts"]
    assert [line["title"] for p in parts for line in p["outline"]] == [
        "Quality control of the tables of data",
        "Show the slides",
    ]
    assert values(folder, "design", "outlines-before-1.json")["parts"][0]["lines"][1]["title"] == "Cohort table of data"
    replayed, again = await desk.run(replay=open_source(folder.root, record))
    assert replayed.replay_of is not None
    assert replayed.replay_of.differing == ()
    assert replayed.decisions == record.decisions
    assert values(again, "design", "plan.json") == values(folder, "design", "plan.json")


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
    assert "- title: Data quality and cohorts" in desk.text
    assert "+ title: Quality before all" in desk.text
    assert "It is as it was before." in desk.text, "the second comment made no other draft"
    assert values(folder, "protocol.json")["parts"][0]["title"] == "Quality before all"
    (asked, *_), (last, *_) = made[0].asked[:1], made[0].asked[-1:]
    assert asked.startswith("A person who read this draft asks: quality before all else, please.")
    assert "- id: '1'\n  title: Data quality and cohorts" in asked
    assert "Before, the person said: quality before all else, please." in last
    talks = {path.name for path in folder.path("design").glob("talk-planned-*.json")}
    assert talks == {"talk-planned-0-0.json", "talk-planned-1-0.json", "talk-planned-2-0.json"}


async def test_an_answer_that_was_cut_short_is_carried_out_once_when_the_run_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RunFolder.write

    def dying(self: RunFolder, value: Any, *name: str) -> None:
        write(self, value, *name)
        if name[-1] == "plan.json" and len(value.parts[0].lines) == 2:
            raise RuntimeError("the process dies here")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write", dying)
        with pytest.raises(RuntimeError, match="dies"):
            await desk.run("drop 1.2", gates=("outlines", "protocol"))
    (root,) = (desk.root / "ws" / "runs").iterdir()
    folder = RunFolder(root)
    assert len(values(folder, "design", "plan.json")["parts"][0]["lines"]) == 2, "it was written, and not recorded"
    record, _ = await desk.run("approve", "no", folder=folder)
    titles = [s["title"] for p in values(folder, "protocol.json")["parts"] for s in p["steps"]]
    assert "Cohort table of data" not in titles
    assert len(titles) == 3, "1.2 was not dropped a second time"
    made = [(d.turn, d.drop, d.approved) for d in record.decisions if d.gate == "approve_outlines"]
    assert made == [(0, ("1.2",), False), (1, (), True)]


async def test_other_gates_can_be_answered_without_a_session(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    answers: list[str] = []

    async def line(_: asyncio.Event) -> str:
        return answers.pop(0)

    monkeypatch.setattr(approvals, "_line", line)

    async def answer(question: dict[str, Any], context: RunContext) -> Decision | None:
        if question["gate"] == "approve_protocol":
            return None
        answers[:] = ["maybe\n", "y\n"]
        console = Console(file=out, width=80, color_system=None, highlight=False)
        return await approvals.ask_person(question, context, console, asyncio.Event())

    settings = Settings.model_validate(
        {"workspace": desk.root / "ws", "only_own": True, "backend": "offline", "sandbox": "none", "max_parts": 3,
         "gates": ("headings", "outlines", "protocol")}
    )  # fmt: skip
    inputs, folder = RunInputs(QUESTION, (), (desk.data,)), new_run_folder(settings.workspace, "o")
    record = await Runner(folder, inputs, settings, answer=answer).run()
    assert record.stopped_by == "the approval approve_protocol is open"
    text = " ".join(out.getvalue().split())
    assert text.count("Go on with this? [y]es or [n]o:") == 4
    assert "1.2 Cohort table of data (on data; cohort-table; gives table, findings)" in text
