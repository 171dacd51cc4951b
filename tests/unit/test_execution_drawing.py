"""Numbers that were drawn are told from numbers that were computed, and seeds can be shifted from outside."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import execution_support as lib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bioresearcher.execution.attempt import run_attempt
from bioresearcher.execution.chance import drawn_columns, informative_columns, unchanged_columns
from bioresearcher.execution.output_comparison import OutputColumns, read_columns
from bioresearcher.execution.reruns import SCRIPTS
from bioresearcher.resources import Resources
from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, ExecResult, Limits, TaskCode, TaskInput, TaskOutput
from bioresearcher.skills import load_skills, shared_modules

STREAMS = """
import json, pickle, random, sys
import numpy as np
random.seed(3)
old = np.random.RandomState([1, 2])
np.random.seed(3)
made = [
        random.random(), random.Random("x").random(), np.random.rand(), old.rand(), np.random.default_rng(3).random(),
        np.random.default_rng(np.random.SeedSequence(3)).random(),
        np.random.Generator(np.random.Philox(key=3)).random(),
        np.random.default_rng([1, 2]).spawn(1)[0].random(), pickle.loads(pickle.dumps(old)).rand()]
print(json.dumps(made))
"""


def run(code: str, folder: Path, shift: int | None) -> list[float]:
    """What a script prints; `shift` None runs it without the start-up file."""
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    if shift is not None:
        (folder / "sitecustomize.py").write_text((SCRIPTS / "shift_seeds.py").read_text())
        env |= {"PYTHONPATH": str(folder), "SEED_SHIFT": str(shift)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_fixed_seed_gives_another_stream_when_shifted_and_the_same_when_not(tmp_path: Path) -> None:
    plain, watched, shifted = (run(STREAMS, tmp_path, shift) for shift in (None, 0, 1))
    assert (tmp_path / "seeds-were-fixed").is_file()
    assert watched == plain
    assert all(a != b for a, b in zip(plain, shifted, strict=True))
    assert run(STREAMS, tmp_path, 1) == shifted


def test_a_library_that_fixes_a_seed_while_it_is_imported_is_no_draw(tmp_path: Path) -> None:
    assert run("import numpy, random, scipy.stats\nprint([random.random(), numpy.random.rand()])", tmp_path, 1)
    assert not (tmp_path / "seeds-were-fixed").exists()
    assert not (tmp_path / "nothing-was-drawn").exists()


def test_that_nothing_was_drawn_is_said(tmp_path: Path) -> None:
    run("import random, numpy, scipy.stats\nprint([])", tmp_path, 0)
    assert (tmp_path / "nothing-was-drawn").exists()


@pytest.mark.parametrize(
    "code",
    [
        "import random\nrandom.random()",
        "import random\nrandom.Random()",
        "import numpy\nnumpy.random.rand()",
        "import numpy\nnumpy.random.default_rng()",
        "import numpy\nnumpy.random.seed(1)",
    ],
)
def test_that_something_may_have_been_drawn_is_seen(tmp_path: Path, code: str) -> None:
    run(f"{code}\nprint([])", tmp_path, 0)
    assert not (tmp_path / "nothing-was-drawn").exists()


class Counting(UnsandboxedSandbox):
    """Counts the runs of a script of its name."""

    def __init__(self) -> None:
        self.scripts: list[str] = []

    async def run(self, job: Job) -> ExecResult:
        self.scripts.append(job.script)
        return await super().run(job)


PLAIN = """
import sys
import pandas as pd
import bioskill
task = bioskill.load_task()
sheet = pd.read_csv(task.input("samples"), sep="\\t")
table = sheet.groupby("group", as_index=False).agg(mean=("age", "mean"))
table["p_value"] = 1 / (1 + table["mean"])
bioskill.write_table(table, task.outputs["result"])
"""


@pytest.mark.parametrize(
    ("code", "runs"),
    [
        (PLAIN, 2),  # the real one and one on changed data
        (PLAIN.replace("import sys", "import os"), 3),  # and a control
    ],
)
async def test_code_that_is_plain_and_draws_nothing_needs_no_control(tmp_path: Path, code: str, runs: int) -> None:
    sandbox, support = Counting(), shared_modules(load_skills(Resources()))
    result = await run_attempt(
        lib.make_task(), TaskCode(code=code, support=support, origin="model"),
        inputs={"samples": lib.write_samples(tmp_path)}, folder=tmp_path / "task", number=1, sandbox=sandbox,
        limits=Limits(wall_s=60),
    )  # fmt: skip
    assert result.verified, result.attempt.message
    assert sandbox.scripts.count("code.py") == runs


def sheet(names: list[str] | None = None, **columns: list[float]) -> OutputColumns:
    rows = len(next(iter(columns.values())))
    names = names or [f"g{i}" for i in range(rows)]
    return OutputColumns(tuple(names), {c: tuple(map(repr, v)) for c, v in columns.items()}, frozenset(columns))


def normal(seed: int, count: int, spread: float = 1.0) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0, spread) for _ in range(count)]


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(64, 200))
def test_drawn_columns_are_found_and_those_that_jitter_are_not(seed: int, rows: int) -> None:
    truth = normal(seed, rows)
    near = [[x + d for x, d in zip(truth, normal(seed + n, rows, 0.3), strict=True)] for n in (1, 2)]
    far = [[n * (-1) ** i * 7.0 + i % 5 for i in range(rows)] for n in (1, 2)]  # like nothing before
    real = sheet(jitters=truth, jumps=truth)
    shifted = [sheet(jitters=a, jumps=b) for a, b in zip(near, far, strict=True)]
    data = [sheet(jitters=normal(seed + 3, rows), jumps=normal(seed + 4, rows))]
    found = drawn_columns(real, shifted, data)
    assert "jitters" not in found
    alike = any(abs(correlation(truth, b)) >= 0.2 for b in far)
    assert alike or found == {"jumps"}


def correlation(one: list[float], other: list[float]) -> float:
    return float(max(abs(np.corrcoef(one, other)[0, 1]), abs(stats.spearmanr(one, other).statistic)))


def test_layouts_that_turn_and_labels_that_are_exchanged_are_no_draws() -> None:
    x, y = normal(1, 120), normal(2, 120)
    turned = y, [-a for a in x]
    groups = [float(a > 0) + float(b > 0) for a, b in zip(x, y, strict=True)]
    real = sheet(x=x, y=y, group=groups)
    other = sheet(x=turned[0], y=turned[1], group=[(g + 1) % 3 for g in groups])
    data = [sheet(x=normal(3, 120), y=normal(4, 120), group=[float(i % 3) for i in range(120)])]
    assert drawn_columns(real, [other], data) == frozenset()
    drawn = sheet(x=normal(5, 120), y=normal(6, 120), group=[float(i % 3) for i in range(120)])
    assert drawn_columns(real, [drawn, drawn], data) == {"x", "y", "group"}


def test_clusters_that_changed_their_numbers_are_no_draws() -> None:
    real, other = sheet(size=[40.0, 60.5, 24.0]), sheet(size=[24.2, 40.0, 60.0])
    assert drawn_columns(real, [other] * 4, [sheet(size=[44.0, 30.0, 50.0])]) == frozenset()


def test_numbers_that_stay_with_names_or_rows_are_seen_and_grids_are_not() -> None:
    values = normal(1, 30)
    real = sheet(score=values, mean=normal(2, 30), grid=[i / 29 for i in range(30)], k=[5.0] * 30)
    kept = list(range(3, 30))
    by_name = OutputColumns(tuple(f"g{i}" for i in kept), {"score": tuple(repr(values[i]) for i in kept)})
    assert unchanged_columns(real, by_name) == {"score"}
    by_row = sheet([f"h{i}" for i in range(20)], score=values[:20], mean=normal(3, 20))
    assert unchanged_columns(real, by_row) == {"score"}
    assert informative_columns(real) == {"score", "mean"}


def test_a_table_whose_first_column_repeats_is_named_by_its_texts_and_findings_by_their_places(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("gene\tgroup\tx\tp\nA\ta\t1\t0.5\nA\tb\t2\t\nB\ta\t3\tinf\n")
    said = [{"statement": "s", "values": {"hr": 1.5, "ci": [1, 2], "up": True, "who": "x"}}]
    (tmp_path / "f.json").write_text(json.dumps(said))
    rules = (ColumnRule(name="p", numeric=True),)
    wanted = DryLabTask(
        id="T", title="t", goal="g", step_ids=("1",), inputs=(TaskInput(name="i", dataset="d", file="f"),),
        outputs=(TaskOutput(name="t", file="t.tsv", kind="table", columns=rules),
                 TaskOutput(name="f", file="f.json", kind="findings"),
                 TaskOutput(name="x", file="x.tsv", kind="table")),
    )  # fmt: skip
    found = read_columns(wanted, tmp_path)
    assert set(found) == {"t", "f"}
    assert found["t"].names == ("A\x1fa", "A\x1fb", "B\x1fa")
    assert found["t"].numbers == {"p": (0.5, None, math.inf), "x": (1.0, 2.0, 3.0)}
    assert found["t"].declared == {"p"}
    assert set(found["f"].numbers) == {"1.hr", "1.ci.0", "1.ci.1"}


@pytest.mark.parametrize("header", ["iteration", "permutation", "boot_id"])
def test_repeats_of_an_experiment_may_be_drawn(tmp_path: Path, header: str) -> None:
    (tmp_path / "t.tsv").write_text(f"{header}\tx\n1\t0.5\n2\t0.6\n")
    wanted = DryLabTask(
        id="T", title="t", goal="g", step_ids=("1",), inputs=(TaskInput(name="i", dataset="d", file="f"),),
        outputs=(TaskOutput(name="t", file="t.tsv", kind="table"),),
    )  # fmt: skip
    assert read_columns(wanted, tmp_path)["t"].replicates
