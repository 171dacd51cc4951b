"""Tokens to program one task: the questions that a recording server gets, JSON schemas included, without repairs.

Of a task of no vetted analysis with wide inputs; and the tasks of a registered script, which cost no call, like vetted
analyses. Tokens are counted as in `bench_reading`.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_reading import _backend, _caller, _size, _tokenizer
from figures import ROOT, Figure

from bioresearcher.resources import Resources
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, Limits, TaskInput, TaskOutput
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.program import Workbench, program_task
from bioresearcher.stages.script_tasks import script_tasks
from bioresearcher.stages.tasks import accept_tasks

sys.path.insert(0, str(ROOT / "tests" / "support"))
from model_server import ModelServer, Seen

TOKENS = 12_000
GENES, SAMPLES, COLUMNS = 5_000, 300, 60


def measure(quick: bool) -> list[Figure]:
    """What a task without a vetted analysis takes, and the tasks of a registered script, which take nothing."""
    del quick
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        place.chmod(0o755)
        wide = f"one task without a vetted analysis, {GENES:,} genes × {SAMPLES} samples, {COLUMNS} clinical columns"
        return [_figure(wide, place / "wide", *_wide(place)), _registered()]


def _registered() -> Figure:
    """Tasks that the registered script of 25 steps on the example's data becomes, and the steps they carry out."""
    protocol = Protocol.model_validate_json((ROOT / "benchmarks" / "registered_protocol.json").read_bytes())
    data = ROOT / "bioresearcher" / "_examples" / "breast-cancer" / "data"
    datasets = tuple(load_datasets([data / d for d in ("GSE1992", "GSE4335", "hallmark")])[0])
    tasks = accept_tasks(script_tasks(protocol, datasets), (), protocol, datasets).tasks
    done = {i for t in tasks for i in t.step_ids}
    said = f"{len(tasks)} tasks for {len(done)} of {len(protocol.steps)} steps, without a call"
    return Figure("tasks of a registered script", said, "8–20 tasks, every step",
                  8 <= len(tasks) <= 20 and len(done) == len(protocol.steps))  # fmt: skip


def _figure(title: str, place: Path, data: dict[str, Dataset], tasks: Sequence[DryLabTask]) -> Figure:
    (place / "tasks").mkdir(parents=True)
    place.chmod(0o755)
    bench = Workbench(
        place / "tasks", data, {t.id: t for t in tasks}, load_skills(Resources()), choose_sandbox(), Limits()
    )
    name, count = _tokenizer()
    with ModelServer(_answer) as server:
        records = asyncio.run(_program(server.url, place, bench, tasks))
        sizes = {_task_of(seen): _size(seen, count) for seen in server.calls}
    most = max(sizes, key=lambda task: sizes[task], default="")
    sizes.setdefault(most, 0)  # vetted analyses are asked about nowhere
    done = sum(r.verified for r in records)
    said = f"{sizes[most]:,} ({name})"
    if len(tasks) > 1:
        said += f"; mean {sum(sizes.values()) / len(sizes):,.0f}; {done} of {len(tasks)} verified"
    once = len(server.calls) <= len(tasks)
    return Figure(f"input tokens to program {title}" + ("" if once else "; ASKED AGAIN"), said, f"≤ {TOKENS:,}",
                  sizes[most] <= TOKENS and once)  # fmt: skip


async def _program(url: str, place: Path, bench: Workbench, tasks: Sequence[DryLabTask]) -> list[Any]:
    backend = _backend(url)
    caller = _caller(place / "model.sqlite", backend)
    try:
        return [await program_task(caller, bench, task) for task in tasks]
    finally:
        await backend.aclose()
        caller.ledger.close()


def _task_of(seen: Seen) -> str:
    found = re.search(r"^Task (\w+):", seen.text, re.MULTILINE)
    return found[1] if found else "?"


def _answer(seen: Seen) -> dict[str, str]:
    """The task's vetted analysis where there is one, else no code."""
    named = re.search(r"single line `(vetted: [\w-]+)`", seen.text)
    return {"code": named[1] if named else "", "note": "as it stands" if named else "nothing fits"}


def _wide(place: Path) -> tuple[dict[str, Dataset], list[DryLabTask]]:
    rng = random.Random(1)
    names = [f"SAMPLE-{n:04d}" for n in range(SAMPLES)]
    with (place / "expression.tsv").open("w", encoding="utf-8") as file:
        file.write("gene\t" + "\t".join(names) + "\n")
        for gene in range(GENES):
            file.write(f"GENE{gene}\t" + "\t".join(f"{rng.gauss(8, 2):.4f}" for _ in names) + "\n")
    columns = [f"clinical_variable_{n}_{kind}" for n in range(COLUMNS // 3) for kind in ("status", "score", "name")]
    with (place / "clinical.tsv").open("w", encoding="utf-8") as file:
        file.write("\t".join(["sample", *columns]) + "\n")
        for name in names:
            cells = [(f"{rng.choice('abc')}", f"{rng.gauss(0, 1):.5f}", f"note {rng.random()}") for _ in columns[::3]]
            file.write("\t".join([name, *(cell for three in cells for cell in three)]) + "\n")
    files = tuple(
        DataFile(name=n, kind=k, path=f"{f}.tsv", bytes=1, sha256="0" * 64)
        for n, k, f in (("expression", "expression", "expression"), ("samples", "samples", "clinical"))
    )
    dataset = Dataset(id="WIDE", title="wide", source="own", root=str(place), files=files, n_samples=SAMPLES)
    inputs = tuple(TaskInput(name=f.name, dataset="WIDE", file=f.name) for f in files)
    outputs = (
        TaskOutput(name="table", file="table.tsv", kind="table", description="genes with hazard ratio, p and FDR"),
        TaskOutput(name="figure", file="figure.png", kind="figure", description="curves of the best gene"),
        TaskOutput(name="findings", file="findings.json", kind="findings"),
    )
    task = DryLabTask(
        id="W1",
        title="Survival models of every gene, adjusted for clinical variables",
        goal="Fit a Cox model per gene with covariates, correct for multiple testing, draw the best.",
        step_ids=("1.1",),
        inputs=inputs,
        outputs=outputs,
        parameters={"time_column": "clinical_variable_3_score"},
    )
    return {"WIDE": dataset}, [task]


if __name__ == "__main__":
    from figures import show

    print(show(measure("--quick" in sys.argv)))
