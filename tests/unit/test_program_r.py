"""A task in R by a model: the recording server's questions hold R's rules, and what it answers runs in the real R."""

from __future__ import annotations

import os
from pathlib import Path

import chat_support as chat
import model_server as server
import pytest

from bioresearcher.events import EventLog
from bioresearcher.execution.languages import rscript
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome, TaskInput, TaskOutput, TaskRecord
from bioresearcher.skills import load_skills
from bioresearcher.stages.program import Workbench, program_task

needs_r = pytest.mark.skipif(rscript() is None and not os.environ.get("REQUIRE_R"), reason="R is not installed")
BROKEN = "task <- bs_load_task()\n"
RIGHT = """
source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])), "bioskill.R"))
task <- bs_load_task()
samples <- bs_read_samples(task)
result <- aggregate(age ~ group, samples, mean)
bs_write_table(result, task$outputs$table)
told <- paste0("The mean age is ", bs_number(mean(samples$age)), " years (n = ", nrow(samples), ").")
bs_write_findings(list(list(statement = told, values = list(mean = mean(samples$age), n = nrow(samples)))),
                  task$outputs$findings)
"""


def task() -> DryLabTask:
    outputs = (
        TaskOutput(name="table", file="means.tsv", kind="table"),
        TaskOutput(name="findings", file="findings.json", kind="findings"),
    )
    return DryLabTask(
        id="T1", title="Mean age of each group, in R", goal="Describe age by group.", step_ids=("1.1",), language="r",
        inputs=(TaskInput(name="samples", dataset="D1", file="samples"),), outputs=outputs,
    )  # fmt: skip


async def programmed(folder: Path, *scripts: str) -> tuple[TaskRecord, list[server.Seen]]:
    rows = [f"S{n:02d}\t{'ab'[n % 2]}\t{40 + n * 7 % 23}" for n in range(30)]
    (folder / "sheet.tsv").write_text("sample\tgroup\tage\n" + "\n".join(rows) + "\n")
    file = DataFile(name="samples", kind="samples", path="sheet.tsv", bytes=1, sha256="0" * 64)
    data = Dataset(id="D1", title="t", source="own", root=str(folder), files=(file,), n_samples=30)
    resources, one = Resources(), task()
    bench = Workbench(
        folder / "tasks", {"D1": data}, {"T1": one}, load_skills(resources), choose_sandbox("auto"),
        Limits(wall_s=60, cpu_s=60),
    )  # fmt: skip
    answers = iter(scripts)
    with server.ModelServer(answer=lambda _: {"code": next(answers), "note": "means"}) as api:
        backend = ChatBackend({"coder": chat.settings(api.url)}, chat.NO_PRICES, environ={})
        ledger = Ledger(folder / "ledger.sqlite")
        caller = ModelClient(backend, ledger, PromptBook(resources), load_cards(resources), EventLog(None))
        try:
            return await program_task(caller, bench, one), list(api.calls)
        finally:
            await backend.aclose()
            ledger.close()


@needs_r
@pytest.mark.sandbox
async def test_a_task_in_r_is_asked_for_by_rs_rules_and_runs(tmp_path: Path) -> None:
    record, (asked,) = await programmed(tmp_path, RIGHT)
    assert record.outcome is Outcome.VERIFIED, record.message
    assert record.findings[0].values["n"] == 30
    assert (tmp_path / "tasks/T1/code.R").read_text() == RIGHT
    assert (tmp_path / "tasks/T1/bioskill.R").is_file()
    for said in ("Rscript code.R task.json", "bs_read_samples(task)", "base 4", "Helper functions:", "group: text"):
        assert said in asked.text, said
    assert "import bioskill" not in asked.text
    assert "numpy" not in asked.text


@needs_r
@pytest.mark.sandbox
async def test_a_repair_in_r_is_asked_for_by_rs_rules_too(tmp_path: Path) -> None:
    record, (_, asked) = await programmed(tmp_path, BROKEN, RIGHT)
    assert [a.outcome for a in record.attempts] == [Outcome.RUNTIME, Outcome.VERIFIED]
    assert 'could not find function "bs_load_task"' in asked.text
    assert "How the script is called: `Rscript code.R task.json`" in asked.text
    assert "biocohort" not in asked.text
