"""Clinical tables without a matrix through the command line: what is asked is answered with numbers, and verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.usefixtures("no_sandbox_skip")]


def patients(folder: Path) -> Path:
    """A table of 150 patients: three arms, age unknown in a third, `Alive` and `Dead`, a complication."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    table = pd.DataFrame({"patient": [f"P{i:03d}" for i in range(150)]})
    table["arm"] = rng.choice(["drug A", "drug B", "placebo"], 150)
    table["age"] = rng.integers(40, 85, 150).astype(float)
    table["stage"] = rng.choice(["I", "II", "III"], 150)
    time = rng.exponential(20 / np.exp(0.7 * (table["arm"] == "placebo")))
    limit = rng.uniform(5, 50, 150)
    table["os_months"] = np.minimum(time, limit).round(1)
    table["vital_status"] = np.where(time <= limit, "Dead", "Alive")
    table["complication"] = np.where(rng.random(150) < 1 / (1 + np.exp(0.06 * (60 - table["age"]))), "yes", "no")
    table.loc[rng.choice(150, 50, replace=False), "age"] = np.nan
    table.to_csv(folder / "patients.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("objective", "skill", "said"),
    [
        (
            "Does overall survival differ by arm, adjusted for stage?",
            "clinical-survival",
            ("arm = drug A against placebo", "log-rank chi-square", "n = 150"),
        ),
        (
            "Are age and stage associated with overall survival?",
            "clinical-survival",
            ("with stage in the model, age", "n = 100", "50 rows without a value"),
        ),
        (
            "Which risk factors are associated with complication? Odds ratios of age, arm and stage.",
            "clinical-regression",
            ("odds ratio of age per unit", "n = 100"),
        ),
    ],
)
def test_a_question_to_a_clinical_table_is_answered(
    objective: str, skill: str, said: tuple[str, ...], program: Any, tmp_path: Path
) -> None:
    data = patients(tmp_path / "data")
    done = program.run("run", "--objective", objective, "--data", str(data), "--yes", "--quiet", "--only-own")
    assert done.returncode == 0, done.stderr + done.stdout
    (question,) = json.loads((program.folder() / "answer.json").read_text())["questions"]
    assert question["state"] == "answered"
    text = " ".join(question["findings"])
    assert all(words in text for words in said), text
    tasks = [json.loads(p.read_text()) for p in program.folder().glob("tasks/*/task.json")]
    assert skill in {t["skill"] for t in tasks}
    records = [json.loads(p.read_text())["outcome"] for p in program.folder().glob("tasks/*/record.json")]
    assert {*records} == {"verified"}
