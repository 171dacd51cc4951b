"""Whole runs of an author that sees the questions: its registered script answers them, also replayed on another day."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import author_support as author
import pytest
from model_answers import as_the_rules

from bioresearcher.graph import nodes_approvals
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.replay import open_source
from bioresearcher.graph.run import Runner, new_run_folder, read_record
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.offline.backend import offline_backend
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.ask_program import CodeDraft
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome, TaskRecord
from bioresearcher.schemas.run import RunRecord
from bioresearcher.settings import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.usefixtures("no_sandbox_skip"),
    pytest.mark.timeout(400),
]

OTHER_DAY = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
OBJECTIVE = Objective(
    id="tissue",
    text="Which genes differ between tumour and normal tissue? Is age associated with tissue?",
)
READ = 'sheet = table("cohort", "samples").set_index("sample")\nvalues = matrix("cohort")\nGONE = []\n'
GAPS = """
groups = sheet["tissue"].reindex(values.columns).drop(GONE)
kept = values[groups.index]
gaps = kept.loc[:, groups == "tumour"].mean(axis=1) - kept.loc[:, groups == "normal"].mean(axis=1)
gaps.rename("gap").to_csv(OUT / "gaps.csv")
higher, lower = int((gaps > 0).sum()), int((gaps < 0).sum())
"""
TELL = """
finding(
    f"{higher} genes are higher and {lower} lower in tumour.",
    {"higher": higher, "lower": lower}, kind="difference", n=len(groups), measure="features",
    contrast={"column": "tissue", "case": "tumour", "control": "normal"},
    groups={k: int(v) for k, v in groups.value_counts().items()}, effect="mean log2 fold change",
    estimate=float(gaps.mean()), tested=len(gaps), higher=higher, lower=lower,
)
"""
AGES = """
age = sheet["age"].astype(float)
d = age[sheet["tissue"] == "tumour"].mean() - age[sheet["tissue"] == "normal"].mean()
pd.DataFrame({"difference": [d]}).to_csv(OUT / "ages.csv", index=False)
"""
TELL_AGES = """
finding(f"Age differs by {d:.2f} years.", {"difference": d}, kind=KIND, n=len(sheet), measure="age", estimate=d,
    contrast={"column": "tissue", "case": "tumour", "control": "normal"}, effect="difference of means",
    groups={k: int(v) for k, v in sheet["tissue"].value_counts().items()})
"""
REPAIR = """
import csv, datetime, json, os, sys, time
import bioskill
task = bioskill.load_task()
print("run on", datetime.date.today(), "by", os.getpid(), time.perf_counter_ns())
FAIL
with open(next(p for n, p in task.inputs.items() if n.endswith("samples")), newline="") as file:
    rows = list(csv.DictReader(file))
by = {x: [float(r["age"]) for r in rows if r["tissue"] == x] for x in ("tumour", "normal")}
d = sum(by["tumour"]) / len(by["tumour"]) - sum(by["normal"]) / len(by["normal"])
for name, path in task.outputs.items():
    if path.name == "ages.csv":
        with open(path, "w") as out:
            out.write(f"difference,day\\n{d},{datetime.date.today()}\\n")
result = bioskill.result(task, KIND, len(rows), measure="age", estimate=d, effect="difference of means",
    contrast={"column": "tissue", "case": "tumour", "control": "normal"}, groups={k: len(v) for k, v in by.items()})
said = f"On {datetime.date.today()} age differs by {d:.2f} years."
bioskill.write_findings([(said, {"difference": d}, result)], task.outputs["findings"])
"""


class Author:
    """A model that writes a protocol with a script for the questions it is shown; all else as the rules say it.

    Attributes:
        requests: What it was asked, in order.
        broken: Whether the second step's script states what nothing computed, so that it is repaired, twice.
        gone: Samples that its plan leaves out by name, with the reason.
    """

    name = "author"
    origin = "model"

    def __init__(self, rules: Backend, *, broken: bool = False, gone: tuple[str, ...] = ()) -> None:
        self._rules, self._broken, self._gone = rules, broken, gone
        self.requests: list[Request] = []
        self._kind = ""

    def identity(self, request: Request) -> str:
        return "author/1"

    def room(self, request: Request) -> int | None:
        return None

    async def aclose(self) -> None:
        """Nothing is open."""

    async def complete(self, request: Request) -> Reply:
        request.admit()
        self.requests.append(request)
        if request.prompt == "designer/plan_protocol":
            return Reply(author.plan(1, parts=2).model_dump_json())
        if request.prompt == "designer/write_steps":
            return Reply(self._steps(request).model_dump_json())
        if request.prompt.startswith("programmer/repair_code"):
            tries = sum(r.prompt == request.prompt for r in self.requests)
            fail = 'raise ValueError(f"{os.getpid()} {time.time_ns()}")' if tries == 1 else ""
            code = REPAIR.replace("FAIL", fail).replace("KIND", repr(self._kind))
            return Reply(CodeDraft(code=code).model_dump_json())
        return await as_the_rules(self._rules, request)

    def _steps(self, request: Request) -> Any:
        """Bind the steps to the questions by the ids and kinds that the opening shows."""
        lines = [str(line) for line in request.values.questions]
        shown = {
            line.split(":")[0]: next(k for k in ("difference", "association") if f"`{k}`" in line) for line in lines
        }
        genes, age = (next(i for i in shown if ("feature" in _line(lines, i)) is wanted) for wanted in (True, False))
        self._kind = shown[age]
        leave = f"Leave out {' and '.join(self._gone)}, whose labels contradict the markers." if self._gone else ""
        code = READ.replace("[]", repr([*self._gone])) + GAPS + TELL
        ages = "finding('999 of 888 patients.', {})\n" if self._broken else TELL_AGES.replace("KIND", repr(self._kind))
        return author.steps(
            author.step("1.1", action=f"Compare all genes. {leave}", code=code, questions=[genes], datasets=["cohort"]),
            author.step("2.1", action="Compare ages.", code=AGES + ages, questions=[age], datasets=["cohort"]),
        )


def _line(lines: list[str], question: str) -> str:
    return next(line for line in lines if line.startswith(question)).casefold()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs the objective on a small cohort; returns its folder, record and author."""
    data, papers = tmp_path / "cohort", tmp_path / "papers"
    data.mkdir()
    papers.mkdir()
    names = [f"GSM{n}" for n in range(1, 25)]
    rows = "\n".join(f"{s},{'tumour' if n % 2 else 'normal'},{30 + n * 17 % 40 + 0.5}" for n, s in enumerate(names))
    (data / "samples.csv").write_text(f"sample,tissue,age\n{rows}\n")
    cells = "\n".join(
        ",".join(
            [f"GENE{g}", *(f"{6 + g % 5 + (n * 7 + g * 3) % 11 / 10 + n % 2 * (g % 4) / 4:.3f}" for n in range(24))]
        )
        for g in range(40)
    )
    (data / "expression.csv").write_text(f"gene,{','.join(names)}\n{cells}\n")
    (papers / "note.md").write_text("# Tumour and normal tissue\n\n## Methods\n\nGenes were compared by t tests.\n")
    tmp_path.chmod(0o755)
    inputs = RunInputs(OBJECTIVE, papers=(papers / "note.md",), data=(data,))
    settings = Settings(workspace=tmp_path / "w", backend="offline", limits=Limits(wall_s=60, cpu_s=60))

    async def done(replay: Path | None = None, **how: Any) -> tuple[RunFolder, RunRecord, list[Author]]:
        made: list[Author] = []

        def backend(library: Any) -> Any:
            made.append(Author(offline_backend(library.similarities), **how))
            return made[0]

        folder = new_run_folder(tmp_path / "w", "tissue")
        if replay is None:
            record = await Runner(folder, inputs, settings, make_backend=backend).run()
        else:
            source = open_source(replay, read_record(RunFolder(replay)))
            record = await Runner(folder, inputs, settings, make_backend=backend, replay=source).run()
        return folder, record, made

    return done


def outcomes(folder: RunFolder) -> list[tuple[Outcome, int]]:
    tasks = folder.read_list(DryLabTask, "tasks.json")
    records = [folder.read(TaskRecord, "tasks", t.id, "record.json") for t in tasks]
    return [(r.outcome, len(r.attempts)) for r in records]


async def test_an_author_that_sees_the_questions_answers_all_of_them(run: Callable[..., Any]) -> None:
    folder, record, (model,) = await run()
    assert record.status == "done", record.stopped_by
    answers = folder.read(Answers, "answer.json")
    assert answers.headline == "2 of 2 questions answered", answers
    assert outcomes(folder) == [(Outcome.VERIFIED, 1)] * 2
    asked = {r.prompt for r in model.requests}
    assert "designer/write_steps" in asked
    assert not [p for p in asked if p.startswith(("programmer/write", "programmer/repair"))]


async def test_a_plan_that_leaves_samples_out_answers_part_of_its_question(run: Callable[..., Any]) -> None:
    folder, _, _ = await run(gone=("GSM3", "GSM8"))
    answers = folder.read(Answers, "answer.json")
    assert answers.count("answered") == 1, answers
    (part,) = [q for q in answers.questions if q.state == "partly answered"]
    assert "on 22 of 24 rows; the registered protocol leaves out GSM3, GSM8" in part.why


async def test_code_that_varies_and_prints_the_date_is_replayed_on_another_day(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class ThatDay(datetime):
        """A clock that stands on another day."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return OTHER_DAY.astimezone(tz)

    with monkeypatch.context() as patch:
        patch.setattr(nodes_approvals, "datetime", ThatDay)
        first, record, (model,) = await run(broken=True)
    assert record.status == "done", record.stopped_by
    assert sum(r.prompt == "programmer/repair_code" for r in model.requests) == 2
    assert outcomes(first) == [(Outcome.VERIFIED, 1), (Outcome.VERIFIED, 3)]
    assert folder_headline(first) == "2 of 2 questions answered"
    (table,) = first.root.glob("tasks/*/outputs/ages.csv")
    assert ",2031-02-03\n" in table.read_text()
    again, repeated, (silent,) = await run(replay=first.root)
    assert silent.requests == []
    assert repeated.replay_of is not None
    assert repeated.replay_of.changed == ()
    assert repeated.replay_of.differing == ("report/tasks.html", "report/tasks.md"), "what failing code printed differs"
    pages = [f.path("report", "tasks.md").read_text().splitlines() for f in (first, again)]
    differing = [line for line, other in zip(*pages, strict=True) if line != other]
    assert len(differing) == 1
    assert "Attempt 2: ended with an error" in differing[0]
    (same,) = again.root.glob("tasks/*/outputs/ages.csv")
    assert same.read_bytes() == table.read_bytes()
    notes = [json.loads(line) for line in again.path("events.jsonl").read_text().splitlines()]
    assert not [n for n in notes if n["kind"] == "error"]


def folder_headline(folder: RunFolder) -> str:
    return folder.read(Answers, "answer.json").headline
