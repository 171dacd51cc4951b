"""A level called `none` or `unknown` goes through the whole program, from the loader to the Kaplan-Meier curves."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, TaskRecord

OBJECTIVE = """
id = "treatment"
objective = "Does survival differ between patients treated with tamoxifen and those with none, and is the \
PROLIFERATION signature score associated with survival?"
requirements = ["Kaplan-Meier curves with log-rank test", "Cox regression adjusted for treatment"]
data = ["data"]
"""


def made_trial(folder: Path) -> None:
    """60 patients: treatment none or tamoxifen, stage with `unknown` as a level, age and time with codes."""
    rng, n = np.random.default_rng(1), 60
    factor = rng.normal(size=n)
    values = rng.normal(size=(40, n))
    values[:12] += 1.5 * factor
    time = rng.exponential(30 / np.exp(0.9 * factor)) + 0.5
    event = (rng.random(n) < 0.7).astype(int)
    rows = [["sample", "time", "event", "treatment", "stage", "age"]]
    for i in range(n):
        follow_up = "not reported" if i == 3 else f"{time[i]:.2f}"
        age = "unknown" if i % 10 == 0 else str(40 + i % 31)
        rows.append(
            [f"S{i}", follow_up, str(event[i]), ("none", "tamoxifen")[i % 2], ("I", "II", "unknown")[i % 3], age]
        )
    matrix = [["gene", *(f"S{i}" for i in range(n))], *([f"G{g}", *map("{:.4f}".format, values[g])] for g in range(40))]
    folder.mkdir()
    for name, table in (("samples.tsv", rows), ("expression.tsv", matrix)):
        (folder / name).write_text("".join("\t".join(row) + "\n" for row in table), encoding="utf-8")
    genes = "\t".join(f"G{i}" for i in range(12))
    (folder / "sets.gmt").write_text(f"PROLIFERATION\tmade\t{genes}\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(400)
def test_a_level_called_none_reaches_the_curves_and_words_among_numbers_do_not(program: Any, tmp_path: Path) -> None:
    made_trial(tmp_path / "data")
    (tmp_path / "objective.toml").write_text(OBJECTIVE, encoding="utf-8")
    done = program.run("run", str(tmp_path / "objective.toml"), "--yes", "--json", timeout=380)
    assert done.returncode in (0, 1), done.stderr  # 1: no question was answered
    folder = RunFolder(program.folder())

    [dataset] = [d for d in folder.read_all(Dataset, "datasets") if d.analysis_of is None]
    sheet = dataset.file("samples")
    assert sheet is not None
    columns = {c.name: c for c in sheet.columns}
    assert (columns["treatment"].levels, columns["treatment"].missing) == (("none", "tamoxifen"), 0)
    assert columns["stage"].levels == ("I", "II", "unknown")
    assert {n: (columns[n].missing, columns[n].missing_values) for n in ("time", "age")} == {
        "time": (1, ("not reported",)),
        "age": (6, ("unknown",)),
    }

    tasks = {t.skill: t for t in folder.read_list(DryLabTask, "tasks.json")}
    records = {name: folder.read(TaskRecord, "tasks", t.id, "record.json") for name, t in tasks.items()}
    assert {name: r.message for name, r in records.items() if not r.verified} == {}

    def table(skill: str, output: str) -> list[dict[str, str]]:
        artifact = next(a for a in records[skill].artifacts if a.name == output)
        with folder.path("tasks", tasks[skill].id, artifact.path).open(encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    parameters = tasks["cohort-table"].parameters
    assert (parameters["case"], parameters["control"]) == ("tamoxifen", "none")
    shown = {(row["variable"], row["level"]): row["missing"] for row in table("cohort-table", "table")}
    assert shown["stage", "unknown"] == "0"
    assert shown["age", "median (quartiles)"] == "6"
    assert sum(int(row["n"]) for row in table("kaplan-meier", "summary")) == 59
    terms = json.dumps(table("cox-regression", "table"))
    assert "treatment: none" in terms or "against none" in terms
