"""A batch on Dask workers through the command line, one of which is killed in the middle of an objective."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from dask_support import dask

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.events import Event
from bioresearcher.examples import load_example

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_an_objective_whose_worker_is_killed_goes_on_elsewhere(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(load_example("breast-cancer").papers[0] / "perou-2000.md", tmp_path)
    entry = {"id": "one", "objective": "How are tumours grouped by expression?", "papers": ["perou-2000.md"]}
    (tmp_path / "b.jsonl").write_text(json.dumps(entry))
    folder = BatchFolder(program.workspace / "batches" / "b")
    with dask(tmp_path, program.environment()) as cluster:
        cluster.workers(2, pretend=False)
        batch = program.start("batch", "b.jsonl", "--executor", "dask", "--scheduler", cluster.address)
        while "screen_papers" not in done(folder):
            assert batch.poll() is None, batch.communicate()
            time.sleep(0.02)
        (carrying,) = (worker for worker in cluster.processes[1:] if children(worker.pid))
        carrying.kill()
        said, errors = batch.communicate(timeout=400)
    assert batch.returncode == 0, errors
    assert "1 run: 1 done" in said
    assert folder.outcomes()["one", 1].status == "done"
    assert len(folder.path("outcomes.jsonl").read_text("utf-8").splitlines()) == 1
    steps = done(folder)
    assert "score_protocol" in steps
    assert steps.count("screen_papers") == 1  # what was done before the kill was not done again
    assert folder.path("summary.html").is_file()


SBATCH = """#!/bin/sh
cp "$1" "$0.job"
setsid sh "$0.job" >"$0.log" 2>&1 </dev/null &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
echo "$1" >>"$0.said"
kill -9 -- "-$1"
"""
CLUSTER = 'system = "slurm"\njobs = 1\ncores = 1\nmemory = "2GB"\nwalltime = "01:00:00"\ninterface = "lo"\n'


def test_a_batch_submits_its_own_jobs_and_ends_them(
    program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stand-ins for the batch system's commands, which start the job script on this machine."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    shutil.copy(load_example("breast-cancer").papers[0] / "perou-2000.md", tmp_path)
    entry = {"id": "one", "objective": "How are tumours grouped by expression?", "papers": ["perou-2000.md"]}
    (tmp_path / "b.jsonl").write_text(json.dumps(entry))
    (tmp_path / "cluster.toml").write_text(CLUSTER)
    ended = program.run("batch", "b.jsonl", "--executor", "dask", "--cluster", "cluster.toml", timeout=500)
    assert ended.returncode == 0, ended.stderr
    assert "1 run: 1 done" in ended.stdout
    assert (tools / "scancel.said").read_text().strip().isdigit()


def done(folder: BatchFolder) -> list[str]:
    """The steps that the only run has done, in order."""
    for path in folder.path("runs").glob("*/events.jsonl"):
        lines = [line for line in path.read_text("utf-8").splitlines() if line.endswith("}")]
        events = map(Event.model_validate_json, lines)
        return [event.stage for event in events if event.kind == "step" and event.state == "done"]
    return []


def children(pid: int) -> list[str]:
    return [word for path in Path("/proc", str(pid), "task").glob("*/children") for word in path.read_text().split()]
