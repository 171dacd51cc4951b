"""Whole runs with a model that answers anything its schema allows: they end, and what they leave can be relied on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_answers as answers
import pytest

from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.examples import load_example
from bioresearcher.graph import prepare
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.run import Runner, new_run_folder
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.offline.backend import offline_backend
from bioresearcher.report.run_data import load_view
from bioresearcher.review.checks import run_checks
from bioresearcher.review.run_context import context_of_run
from bioresearcher.runfolder import RunFolder, safe_name
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.execution import DryLabTask, Limits, TaskRecord
from bioresearcher.schemas.paper import Document
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import METRICS, Review
from bioresearcher.schemas.run import RunRecord
from bioresearcher.settings import Settings

pytestmark = pytest.mark.timeout(300)

REFERENCE_GATES = ("G-FLO-01", "G-FLO-02", "G-FLO-03", "G-FLO-04", "G-FLO-06", "G-STR-01")
"""Gates that tell of ids and sources that lead nowhere; what a text names is left for a reader to see."""
OBJECTIVE = Objective(
    id="er-status",
    text="Which genes differ between oestrogen-receptor-positive and -negative breast tumours?",
    requirements=(Requirement(id="R1", text="Differential expression with control of the false discovery rate"),),
)


@dataclass(frozen=True)
class Done:
    """A run that came to its end."""

    record: RunRecord
    folder: RunFolder
    events: list[dict[str, Any]]

    def notes(self) -> str:
        return "\n".join(e["message"] for e in self.events if e["kind"] == "note")


class WordForWord:
    """The rules; as the author they say the same again in every run that shares `said`.

    A model is shown a choice of the material and the rules all of it, so that asked as a model they would say less.
    """

    def __init__(self, rules: Any, said: dict[str, str]) -> None:
        self._rules, self._said = rules, said

    async def complete(self, request: Request) -> Reply:
        if request.prompt in self._said:
            return Reply(self._said[request.prompt])
        reply = await self._rules.complete(request)
        if request.prompt in {"designer/plan_protocol", "designer/write_steps"}:
            self._said[request.prompt] = reply.text
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rules, name)


@pytest.fixture
def model_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs the small objective with an arbitrary model, the rules behind it; without a sandbox unless asked for."""
    example = load_example("breast-cancer")
    notes = tuple(example.papers[0] / n for n in ("benjamini-hochberg-1995.md", "perou-2000.md"))
    inputs = RunInputs(OBJECTIVE, papers=notes, data=(example.data[0],))

    def none_works(level: str) -> None:
        raise SandboxUnavailableError("no sandbox works on this machine: none was found.")

    async def run(
        seed: int,
        name: str = "w",
        *,
        sandbox: bool = False,
        by_rule: bool = False,
        said: dict[str, str] | None = None,
        read_all: bool = False,
        **options: Any,
    ) -> Done:
        if not sandbox:
            monkeypatch.setattr(prepare, "choose_sandbox", none_works)
        workspace = tmp_path / name
        limits = Limits(wall_s=60, cpu_s=60)
        folder = new_run_folder(workspace, "er-status")

        def backend(library: Any) -> Any:
            rules = WordForWord(offline_backend(library.similarities), {} if said is None else said)
            return rules if by_rule else answers.ModelAnswers(seed, rules=rules, **options)

        settings = Settings(workspace=workspace, backend="offline", limits=limits, read_all=read_all)
        record = await Runner(folder, inputs, settings, make_backend=backend).run()
        lines = folder.path("events.jsonl").read_text(encoding="utf-8").splitlines()
        return Done(record, folder, [json.loads(line) for line in lines])

    return run


def check(done: Done, workspace: Path) -> None:
    """What must hold of a run whatever its model answered."""
    assert done.record.status == "done", done.record.stopped_by
    protocol = done.folder.read(Protocol, "protocol.json")
    check_protocol(protocol, done.folder)
    check_quotes(done.folder)
    check_tasks(done, protocol)
    review = done.folder.read(Review, "review.json")
    assert {*review.metrics} == {*METRICS}
    assert all(m.evidence for m in review.metrics.values())
    check_files(done.folder, workspace)
    view = load_view(done.folder)
    assert view.problems == ()
    page = done.folder.path("report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page + done.folder.path("report.md").read_text(encoding="utf-8")
    assert not {"\u202e", "\u200b", "\x1b"} & {*page}


def check_protocol(protocol: Protocol, folder: RunFolder) -> None:
    assert 1 <= len(protocol.parts) <= 12
    assert [p.id for p in protocol.parts] == [str(n) for n in range(1, len(protocol.parts) + 1)]
    for part in protocol.parts:
        assert len(part.steps) <= 20
        ids = [line.id for line in part.outline] or [s.id for s in part.steps]
        assert [s.id for s in part.steps] == [i for i in ids if i in {s.id for s in part.steps}]
        assert all(s.title.strip() and s.action.strip() for s in part.steps)
    assert protocol.steps, "the rules have steps for this objective"
    found = run_checks(protocol, context_of_run(folder.root))
    wrong = [f for f in found if f.gate.startswith(REFERENCE_GATES)]
    assert wrong == []


def check_quotes(folder: RunFolder) -> None:
    documents = {d.id: d for d in folder.read_all(Document, "documents")}
    reports = folder.read_all(PaperReport, "reports")
    for report in reports:
        assert report.quotes == report.quotes_located + len(report.dropped)
        for step in (s for p in report.parts for s in p.steps):
            assert step.supported == bool(step.evidence)
            for e in (*step.evidence, *(e for r in step.results for e in r.evidence)):
                assert documents[report.paper_id].text[e.start : e.end] == e.text
    steps = {(r.paper_id, p.id, s.id) for r in reports for p in r.parts for s in p.steps if s.supported}
    links = [link for s in folder.read(Protocol, "protocol.json").steps for link in s.links]
    assert {(link.paper_id, link.part_id, link.step_id) for link in links} <= steps


def check_tasks(done: Done, protocol: Protocol) -> None:
    tasks = done.folder.read_list(DryLabTask, "tasks.json")
    assert len(tasks) <= 40
    earlier: set[str] = set()
    for task in tasks:
        assert {*task.needs} <= earlier
        assert {*task.step_ids} <= {s.id for s in protocol.steps if s.kind == "dry"}
        earlier.add(task.id)
        done.folder.read(TaskRecord, "tasks", task.id, "record.json")
    assert len(done.record.failures) <= 40


def check_files(folder: RunFolder, workspace: Path) -> None:
    """Nothing outside the run folder, the library and the limits of services, and no name that was not made by us."""
    assert {p.name for p in workspace.iterdir()} <= {"runs", "library", "limits"}
    assert [p.name for p in (workspace / "runs").iterdir()] == [folder.root.name]
    for place in ("design/parts", "papers", "reports", "analyses", "documents", "tasks"):
        for path in folder.path(place).glob("*"):
            assert safe_name(path.name) == path.name


@pytest.mark.parametrize(
    ("mode", "trouble", "seed"),
    [
        *((mode, trouble, seed) for mode, trouble in (("wild", 0.0), ("plausible", 0.2)) for seed in (1, 2)),
        *(
            pytest.param(mode, trouble, seed, marks=pytest.mark.slow)
            for mode, trouble in (("wild", 0.0), ("wild", 0.3), ("plausible", 0.0))
            for seed in range(10, 16)
        ),
    ],
)
async def test_a_run_ends_well_whatever_its_model_answers(
    model_run: Callable[..., Any], tmp_path: Path, mode: str, trouble: float, seed: int
) -> None:
    done = await model_run(seed, mode=mode, trouble=trouble)
    check(done, tmp_path / "w")


@pytest.mark.slow
@pytest.mark.parametrize(
    "only",
    [
        "designer/explore_data",
        "designer/plan_protocol",
        "designer/write_steps",
        "designer/revise_protocol",
        "literature/",
        "reviewer/",
    ],
)
async def test_a_run_ends_well_whatever_one_role_answers(
    model_run: Callable[..., Any], tmp_path: Path, only: str
) -> None:
    done = await model_run(3, mode="plausible", only=(only,))
    check(done, tmp_path / "w")


async def test_the_same_answers_give_the_same_run(model_run: Callable[..., Any]) -> None:
    """What a replay rests on: no question holds what chance decides."""
    first, second = [await model_run(4, name, mode="plausible", trouble=0.1) for name in ("one", "two")]
    for name in ("protocol.json", "review.json", "tasks.json", "rounds.json", "screening.json"):
        assert first.folder.path(name).read_bytes() == second.folder.path(name).read_bytes(), name
    keys = [sorted(e["data"]["key"] for e in done.events if e["kind"] == "call") for done in (first, second)]
    assert keys[0] == keys[1]


async def test_answers_that_are_good_pass_unchanged(model_run: Callable[..., Any], tmp_path: Path) -> None:
    """A model that answers as the rules do gives the rules' run, apart from who is said to have written it."""
    said: dict[str, str] = {}
    offline = (await model_run(0, "x", by_rule=True, said=said)).folder
    assert {*said} == {"designer/plan_protocol", "designer/write_steps"}
    done = await model_run(0, only=("nothing/",), said=said, read_all=True)  # rules set no given paper aside
    check(done, tmp_path / "w")
    protocol = done.folder.read(Protocol, "protocol.json")
    assert {s.origin for s in protocol.steps} == {"model"}
    assert all(s.skill for s in protocol.steps)
    assert "rule" not in done.notes().replace("scored by rule", "")
    for name in ("protocol.json", "tasks.json"):
        wanted = offline.path(name).read_text(encoding="utf-8").replace('"offline"', '"model"')
        wanted = re.sub(r'"Not judged: [^"]*"', '"(who judged)"', wanted)
        found = done.folder.path(name).read_text(encoding="utf-8").replace(" and judged by a model", "")
        found = re.sub(r'"One model wrote this protocol and reviewed it [^"]*"', '"(who judged)"', found)
        assert found == wanted


def made(done: Any, name: str) -> list[Path]:
    """Files of this name in the folders of the run's tasks."""
    return sorted(done.folder.root.glob(f"tasks/*/{name}"))


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_code_that_does_nothing_takes_the_place_of_no_vetted_analysis(
    model_run: Callable[..., Any], tmp_path: Path
) -> None:
    code = tuple(c for c in answers.CODE if "while True" not in c)
    done = await model_run(5, sandbox=True, only=("programmer/",), code=code, trouble=0.1)
    check(done, tmp_path / "w")
    # The rules behind this model see what a model is shown: columns of a prepared data set only once, under its
    # original. So their plan is shorter, and a cohort table without a named column depends on the number of rows alone.
    records = [done.folder.read(TaskRecord, "tasks", p.parent.name, "record.json") for p in made(done, "record.json")]
    said = [r.message for r in records if not r.verified]
    assert len(records) - len(said) >= 2
    assert all(m.endswith("only the names and the number of rows matter") for m in said), said
    assert all(r.attempts[0].code_origin == "offline" for r in records)  # the skill's own code comes first
    assert {a.code_origin for r in records for a in r.attempts} == {"offline", "model"}
    assert all(r.attempts[-1].code_origin == "offline" for r in records if r.verified)
