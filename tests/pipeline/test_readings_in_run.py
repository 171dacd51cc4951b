"""A whole run with a model that says what the data's notes say of a column: the approval and the record show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import model_answers as answers
import pytest

from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.graph import prepare
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.run import Runner, new_run_folder
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.offline.backend import offline_backend
from bioresearcher.schemas.ask_literature import ReadingProposal, ReadingProposals
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.question import Questions
from bioresearcher.settings import Settings

pytestmark = pytest.mark.timeout(300)

LINE = 'event_level = "1"'
DESCRIBED = """title = "Patients of a ward"
source = "a ward"
notes = ["Status 1 is a patient who died, 2 one who was seen alive."]
[[files]]
name = "samples"
kind = "samples"
path = "ward.csv"
sample_column = "patient"
[files.columns.os_status]
role = "event"
endpoint = "OS"
[files.columns.os_months]
role = "time"
endpoint = "OS"
unit = "months"
"""


class ReadsNotes:
    """Answers as the rules do, and which status is the event as the data's notes do."""

    name, origin = "notes", "model"

    def __init__(self, rules: Any, line: str) -> None:
        self._rules, self._line = rules, line

    def identity(self, request: Request) -> str:
        return f"notes/{self._line}"

    def room(self, request: Request) -> int | None:
        return None

    async def aclose(self) -> None:
        """Nothing is open."""

    async def complete(self, request: Request) -> Reply:
        if request.prompt != "search/describe_data":
            return await answers.as_the_rules(self._rules, request)
        (reading,) = request.values.open
        found = ReadingProposal(number=reading.number, line=self._line, reason="1 is who died", certainty="high")
        return Reply(ReadingProposals(readings=(found,)).model_dump_json())


async def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> Any:
    def none_works(level: str) -> None:
        raise SandboxUnavailableError("no sandbox works on this machine: none was found.")

    monkeypatch.setattr(prepare, "choose_sandbox", none_works)
    data = tmp_path / "ward"
    data.mkdir()
    rows = [f"p{n:02d},{5 + 7 * n % 60},{1 + (n % 3 == 0)},{'AB'[n % 2]}" for n in range(60)]
    (data / "ward.csv").write_text("patient,os_months,os_status,arm\n" + "\n".join(rows) + "\n")
    (data / "dataset.toml").write_text(DESCRIBED)
    inputs = RunInputs(Objective(id="arm", text="Does overall survival differ by arm?"), data=(data,))
    settings = Settings(workspace=tmp_path / "w", backend="offline", limits=Limits(wall_s=60, cpu_s=60), only_own=True)
    folder = new_run_folder(settings.workspace, "arm")
    runner = Runner(
        folder, inputs, settings, make_backend=lambda lib: ReadsNotes(offline_backend(lib.similarities), line)
    )
    record = await runner.run()
    assert record.status == "done", record.stopped_by
    events = [json.loads(e)["message"] for e in folder.path("events.jsonl").read_text().splitlines()]
    return folder.read(Questions, "questions.json"), folder.read(Dataset, "datasets", "ward.json"), "\n".join(events)


async def test_a_proposal_that_holds_lets_the_question_be_asked_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, dataset, events = await ran(tmp_path, monkeypatch, LINE)
    (question,) = questions.questions
    assert question.cannot == ""
    assert question.endpoint is not None
    assert question.endpoint.event_level == ("1",)
    said = f"os_status: {LINE} was proposed by the model and is confirmed by nobody: 1 is who died"
    assert said in questions.notes
    assert said in dataset.notes
    assert said in events
    assert [r.sure for r in dataset.readings if r.proposed] == [False]


async def test_a_proposal_that_fails_leaves_the_question_stopped_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, dataset, events = await ran(tmp_path, monkeypatch, 'event_level = "dead"')
    (question,) = questions.questions
    assert "nothing says which of them is the event" in question.cannot
    assert "event_level" in question.mend
    assert "a proposal of the model was refused: os_status has no level 'dead'" in events
    assert not any(r.proposed for r in dataset.readings)
