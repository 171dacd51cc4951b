"""`run --feedback` on a finished run: the protocol changes where the comment says, and only those tasks run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def tables(folder: Path) -> Path:
    """24 samples in two groups, 30 genes of which 5 differ."""
    folder.mkdir()
    names = [f"S{n:02d}" for n in range(24)]
    lines = [",".join(["gene", *names])]
    for gene in range(30):
        values = [f"{7 + ((gene * 7 + n * 13) % 11) / 10 + (gene < 5) * (n % 2):.2f}" for n in range(24)]
        lines.append(",".join([f"G{gene}", *values]))
    (folder / "expr.csv").write_text("\n".join(lines) + "\n")
    rows = [f"{n},{'tumour' if i % 2 else 'normal'}" for i, n in enumerate(names)]
    (folder / "samples.csv").write_text("\n".join(["sample,status", *rows]) + "\n")
    return folder


def record_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text()))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_finished_run_is_revised_approved_and_finished_again(program: Any, tmp_path: Path) -> None:
    asked = "Which genes differ between tumour and normal samples? Differential expression and principal components."
    first = program.run("run", "--objective", asked, "--data", str(tables(tmp_path / "data")), "--yes")
    assert first.returncode == 0, first.stderr
    (folder,) = (program.workspace / "runs").iterdir()
    before = {p.parent.name: p.stat().st_mtime_ns for p in folder.glob("tasks/*/record.json")}
    spent = {p.name: p.read_bytes() for p in folder.glob("*.json")}

    useless = program.run("run", "--feedback", "Make it more elegant", str(folder), "--yes")
    assert useless.returncode == 2
    assert "anything else needs a model" in useless.stderr
    assert {p.name: p.read_bytes() for p in folder.glob("*.json")} == spent

    stopped = program.run("run", "--feedback", "set fdr to 0.01 in step 3.1", str(folder))
    assert stopped.returncode == 3, stopped.stderr
    assert "+parameter fdr = 0.01" in stopped.stdout
    assert "parts changed: 3;" in stopped.stdout
    assert record_of(folder)["status"] == "stopped"

    done = program.run("resume", str(folder), "--yes")
    assert done.returncode == 0, done.stderr
    after = {p.parent.name: p.stat().st_mtime_ns for p in folder.glob("tasks/*/record.json")}
    assert after.keys() == before.keys()
    (changed,) = (t for t in after if after[t] != before[t])
    assert json.loads((folder / "tasks" / changed / "task.json").read_text())["parameters"]["fdr"] == 0.01
    assert (folder / "revisions" / "1" / "tasks" / changed / "record.json").is_file()
    record = record_of(folder)
    comments = [d["comment"] for d in record["decisions"] if d["gate"] == "revise_protocol"]
    assert comments == ["set fdr to 0.01 in step 3.1"]
    assert record["totals"]["human_interventions"] == 1
    assert record["totals"]["tasks"] == len(after)

    replay = program.run("run", "--replay", str(folder))
    assert replay.returncode == 2
    assert "was revised after comments" in replay.stderr
