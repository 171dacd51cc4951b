"""Whole runs of objectives that say what is computed: few calls, no search, no design, and the same verification."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from model_answers import as_the_rules

from bioresearcher.errors import InputError
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.replay import open_source
from bioresearcher.graph.run import Runner, new_run_folder, read_record
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.offline.backend import offline_backend
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.ask_program import CodeDraft
from bioresearcher.schemas.ask_questions import QuestionProposal, QuestionProposals
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome, TaskRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import Review
from bioresearcher.schemas.run import ChosenPath, RunRecord
from bioresearcher.settings import Settings
from bioresearcher.stages.computation import NOT_REVIEWED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.usefixtures("no_sandbox_skip"),
    pytest.mark.timeout(300),
]

TEXT = "What is the mean of second?"
MEAN = """
import bioskill
task = bioskill.load_task()
values = bioskill.to_numbers(bioskill.read_table(task.input("samples"))["second"]).dropna()
mean = MEAN
told = bioskill.result(task, "description", len(values), measure="second", estimate=mean, population="scores")
said = f"The mean of second is {mean:.3f}."
bioskill.write_findings([(said, {"mean": round(mean, 3)}, told)], task.outputs["findings"])
with open(task.outputs["results"], "w") as out:
    out.write(f"name\\tvalue\\nmean\\t{mean:.6f}\\n")
"""
"""A script; MEAN is what it calls the mean."""


class Model:
    """Binds the one question as `kind`, writes the script, and else says what the rules say."""

    name = "model"
    origin = "model"

    def __init__(self, rules: Backend, kind: str, mean: str) -> None:
        self._rules, self._kind, self._mean = rules, kind, mean
        self.asked: list[str] = []

    def identity(self, request: Request) -> str:
        return "model/1"

    def room(self, request: Request) -> int | None:
        return None

    async def aclose(self) -> None:
        """Nothing is open."""

    async def complete(self, request: Request) -> Reply:
        request.admit()
        self.asked.append(request.prompt)
        if request.prompt == "designer/ask_questions":
            one = {"kind": self._kind, "words": TEXT, "measure": "column", "columns": ["second"], "outcome": ""}
            if self._kind == "association":
                one |= {"outcome": "third"}
            proposals = QuestionProposals(
                questions=(QuestionProposal.model_validate(one | {"otherwise": "It says so."}),)
            )
            return Reply(proposals.model_dump_json())
        if request.prompt.startswith("programmer/"):
            return Reply(CodeDraft(code=MEAN.replace("MEAN", self._mean)).model_dump_json())
        return await as_the_rules(self._rules, request)


@pytest.fixture
def made() -> list[Model]:
    """The models of the test's runs, in order."""
    return []


@pytest.fixture
def run(tmp_path: Path, made: list[Model]) -> Callable[..., Any]:
    """Runs the objective on a table that is taken for a matrix; returns its folder, record and model."""
    data = tmp_path / "data"
    data.mkdir()
    rows = "\n".join(f"site{n},{n * 1.5:.2f},{n * n % 17 * 0.25:.3f},{-n * 0.75:.2f},{n % 7}" for n in range(1, 31))
    (data / "scores.csv").write_text(f"site,first,second,third,fourth\n{rows}\n", encoding="utf-8")
    tmp_path.chmod(0o755)

    async def done(
        kind: str = "description", mean: str = "float(values.mean())", replay: Path | None = None, **how: Any
    ) -> tuple[RunFolder, RunRecord, Model]:
        def backend(library: Any) -> Any:
            made.append(Model(offline_backend(library.similarities), kind, mean))
            return made[0]

        settings = Settings(
            workspace=tmp_path / "w", backend="offline", only_own=True, limits=Limits(wall_s=60, cpu_s=60), **how
        )
        folder = new_run_folder(tmp_path / "w", "mean")
        inputs = RunInputs(Objective(id="mean", text=TEXT), data=(data / "scores.csv",))
        source = open_source(replay, read_record(RunFolder(replay))) if replay is not None else None
        record = await Runner(folder, inputs, settings, make_backend=backend, replay=source).run()
        return folder, record, made[0]

    return done


async def test_a_mean_is_computed_verified_and_answered_in_few_calls(run: Callable[..., Any]) -> None:
    folder, record, model = await run()
    assert record.status == "done", record.stopped_by
    assert folder.read(ChosenPath, "path.json").short
    answers = folder.read(Answers, "answer.json")
    assert answers.headline == "1 of 1 question answered", answers
    expected = sum(n * n % 17 * 0.25 for n in range(1, 31)) / 30
    assert f"{expected:.3f}" in answers.questions[0].findings[0]
    assert set(model.asked) == {
        "designer/ask_questions",
        "programmer/write_code",
        "designer/answer_questions",
        "reviewer/judge_sentences",
    }
    assert len(model.asked) <= 8
    assert NOT_REVIEWED in folder.read(Protocol, "protocol.json").limitations
    assert folder.read(Review, "review.json").verdict == "not judged"
    assert folder.has("registration.json")
    assert NOT_REVIEWED in record.not_verified
    again, repeated, _ = await run(replay=folder.root)
    assert repeated.replay_of is not None
    assert repeated.replay_of.identical, repeated.replay_of.differing
    assert again.path("protocol.json").read_bytes() == folder.path("protocol.json").read_bytes()
    assert "nobody reviewed the plan" in folder.path("report.md").read_text(encoding="utf-8")


async def test_a_number_that_does_not_follow_the_data_is_no_answer(run: Callable[..., Any]) -> None:
    folder, record, _ = await run(mean="2.025")
    assert record.status == "done", record.stopped_by
    (task,) = folder.read_list(DryLabTask, "tasks.json")
    assert folder.read(TaskRecord, "tasks", task.id, "record.json").outcome is not Outcome.VERIFIED
    assert folder.read(Answers, "answer.json").headline.startswith("0 of 1 question answered")


@pytest.mark.parametrize(
    ("kind", "how", "why"),
    [
        ("association", {}, "how it is computed is not said"),
        ("description", {"plan": "full"}, "it is asked for"),
    ],
)
async def test_what_is_to_be_designed_goes_the_whole_way(
    kind: str, how: dict[str, str], why: str, run: Callable[..., Any], made: list[Model], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no protocol can be designed"):  # the table is no matrix of enough samples
        await run(kind, **how)
    (folder,), (model,) = map(RunFolder, (tmp_path / "w" / "runs").iterdir()), made
    chosen = folder.read(ChosenPath, "path.json")
    assert not chosen.short
    assert why in chosen.why
    assert "search/plan_queries" in model.asked
    notes = [json.loads(line) for line in folder.path("events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any(why in n["message"] for n in notes if n["stage"] == "choose_path" and n["kind"] == "note")
