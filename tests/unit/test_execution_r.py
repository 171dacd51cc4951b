"""Tasks in R: run under the sandbox's policy, judged on the same ladder, and right on real data."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from lifelines.statistics import logrank_test
from scipy import stats

from bioresearcher.examples import load_example
from bioresearcher.execution import languages
from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.code_checks import check_code, read_r_code
from bioresearcher.execution.languages import can_run, missing_package, program_of, r_literal, rscript
from bioresearcher.resources import Resources
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome, TaskCode, TaskInput, TaskOutput
from bioresearcher.skills import load_skills, shared_modules

SKILLS = load_skills(Resources())
LIMITS = Limits(wall_s=120, cpu_s=120)
needs_r = pytest.mark.skipif(rscript() is None and not os.environ.get("REQUIRE_R"), reason="R is not installed")


def task(*packages: str, **changes: Any) -> DryLabTask:
    fields: dict[str, Any] = {
        "id": "T1", "title": "means", "goal": "means of groups", "step_ids": ("1.1",), "language": "r",
        "packages": packages, "inputs": (TaskInput(name="samples", dataset="d", file="samples"),),
        "outputs": (TaskOutput(name="table", file="means.tsv", kind="table"),),
    }  # fmt: skip
    return DryLabTask(**(fields | changes))


def code(text: str) -> TaskCode:
    return TaskCode(code=text, support=shared_modules(SKILLS, "r"), origin="model")


START = (
    'source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])), '
    '"bioskill.R"))\ntask <- bs_load_task()\n'
)
GOOD = START + (
    "t <- bs_read_table(task$inputs$samples)\nm <- aggregate(age ~ group, t, mean)\n"
    "bs_write_table(m, task$outputs$table)\n"
)


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[..., Any]:
    samples = tmp_path / "samples.tsv"
    samples.write_text("sample\tage\tgroup\n" + "".join(f"s{i}\t{30 + i * 7 % 41}\t{'ab'[i % 2]}\n" for i in range(30)))

    async def attempted(text: str, wanted: DryLabTask | None = None) -> AttemptResult:
        return await run_attempt(
            wanted or task(), code(text), inputs={"samples": samples}, folder=tmp_path / "T1", number=1,
            sandbox=choose_sandbox("auto"), limits=LIMITS,
        )  # fmt: skip

    return attempted


@needs_r
@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome.VERIFIED, GOOD),
        (Outcome.SYNTAX, START + "x <- (1 +\n"),
        (Outcome.RUNTIME, START + "stop('no way')\n"),
        (Outcome.BLOCKED, START + "bs_fail('only one group')\n"),
        (Outcome.NO_OUTPUT, START + "print(1)\n"),
        (Outcome.RUNTIME, START + "download.file('http://example.org/x', 'x')\n"),
        (Outcome.PLACEHOLDER, START + "t <- read.csv('path/to/data.csv')\n"),
        (Outcome.PLACEHOLDER, "t <- data.frame(group = c('a', 'b'), age = rnorm(2))\nwrite.table(t, 'means.tsv')\n"),
        (Outcome.DEPENDENCY, START + "library(notThere)\n"),
        (Outcome.INPUT_INDEPENDENT, START + "t <- data.frame(group = 'a', age = 41.5)\n"
                                            "bs_write_table(t, task$outputs$table)\n"),
        (Outcome.INPUT_INDEPENDENT, START + "t <- bs_read_table(task$inputs$samples)\n"
                                            "set.seed(sum(t$age * seq_along(t$age)))\nt$p <- runif(nrow(t))\n"
                                            "bs_write_table(t, task$outputs$table)\n"),
        (Outcome.VERIFIED, START + "t <- bs_read_table(task$inputs$samples)\n"
                                   "t$p <- sapply(t$age, function(x) mean(sample(t$age, 200, TRUE) >= x))\n"
                                   "bs_write_table(t, task$outputs$table)\n"),
        (Outcome.KILLED, START + "x <- list()\nwhile (TRUE) x[[length(x) + 1]] <- rep(1.5, 5e6)\n"),
    ],
)  # fmt: skip
async def test_r_code_gets_its_rung(attempt: Callable[..., Any], outcome: Outcome, text: str) -> None:
    result = await attempt(text)
    assert (result.attempt.outcome, result.attempt.message) == (outcome, result.attempt.message)


@needs_r
@pytest.mark.sandbox
async def test_r_sees_no_network_no_home_and_none_of_our_environment(
    attempt: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    result = await attempt(GOOD + "cat(Sys.getenv('A_SECRET'), Sys.getenv('HOME'), dir.exists('/home'))\n")
    assert result.attempt.stdout == " /tmp FALSE"


@needs_r
@pytest.mark.sandbox
async def test_a_missing_package_is_told_before_anything_runs(attempt: Callable[..., Any]) -> None:
    result = await attempt(GOOD, task("notThere"))
    assert result.attempt.outcome is Outcome.DEPENDENCY
    assert "try r-cran-notthere or r-bioc-notthere" in result.attempt.message
    assert result.attempt.exit_code is None


def test_without_r_its_analyses_are_not_offered_and_its_tasks_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(languages, "rscript", lambda: None)
    assert "r-base-core" in missing_package(task())
    assert [s.name for s in SKILLS.values() if s.contract.language == "r" and can_run(s.contract)] == []


def skill_task(name: str, parameters: dict[str, Any]) -> DryLabTask:
    contract = SKILLS[name].contract
    return DryLabTask(
        id="T1", title=name, goal=name, step_ids=("1.1",), language="r", packages=contract.packages, skill=name,
        inputs=tuple(TaskInput(name=i.name, dataset="d", file=i.name) for i in contract.inputs),
        outputs=contract.outputs, parameters=parameters,
    )  # fmt: skip


async def carried_out(folder: Path, name: str, inputs: dict[str, Path], **parameters: Any) -> AttemptResult:
    if not can_run(SKILLS[name].contract):
        pytest.skip(f"{name}: {missing_package(skill_task(name, {}))}")
    skill = SKILLS[name]
    return await run_attempt(
        skill_task(name, parameters), TaskCode(code=skill.code, support=skill.support, origin="offline", skill=name),
        inputs=inputs, folder=folder / "T1", number=1, sandbox=choose_sandbox("auto"), limits=LIMITS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """GSE1992 of the packaged example, every twelfth gene."""
    source = load_example("breast-cancer").data[0]
    matrix = pd.read_csv(source / "expression_log2.tsv.gz", sep="\t").iloc[::12]
    path = tmp_path_factory.mktemp("cohort") / "matrix.tsv"
    matrix.to_csv(path, sep="\t", index=False)
    return {"matrix": path, "samples": source / "clinical.tsv"}


GROUPS = {"group_column": "er_positive", "case": "1", "control": "0", "dataset_label": "GSE1992"}


def outputs(folder: Path) -> dict[str, pd.DataFrame]:
    return {p.name: pd.read_csv(p, sep="\t") for p in (folder / "T1" / "attempts" / "1" / "outputs").glob("*.tsv")}


@needs_r
@pytest.mark.sandbox
@pytest.mark.slow
async def test_limma_is_a_moderated_t_test_of_the_same_groups(cohort: dict[str, Path], tmp_path: Path) -> None:
    result = await carried_out(tmp_path, "limma-differential-expression", cohort, **GROUPS)
    assert result.verified, result.attempt.message
    table = outputs(tmp_path)["limma.tsv"].set_index("gene")
    matrix, sheet = (
        pd.read_csv(cohort["matrix"], sep="\t", index_col=0),
        pd.read_csv(cohort["samples"], sep="\t", dtype=str),
    )
    sheet = sheet.set_index(sheet.columns[0])
    matrix = matrix.groupby(level=0).mean()
    case = [s for s in matrix.columns if sheet["er_positive"].get(s) == "1"]
    control = [s for s in matrix.columns if sheet["er_positive"].get(s) == "0"]
    means = matrix[case].mean(axis=1) - matrix[control].mean(axis=1)
    assert np.allclose(table["difference"], means.loc[table.index], atol=1e-8)
    welch = stats.ttest_ind(matrix.loc[table.index, case], matrix.loc[table.index, control], axis=1, nan_policy="omit")
    assert stats.spearmanr(table["t"], welch.statistic).statistic > 0.98
    assert np.allclose(table["fdr"], stats.false_discovery_control(table["p"]))


@needs_r
@pytest.mark.sandbox
async def test_a_level_called_none_is_a_group_and_words_among_numbers_are_missing(tmp_path: Path) -> None:
    rows = [
        f"s{i}\t{'not reported' if i == 0 else 5 + i * 17 % 61}\t{i % 3 % 2}\t{('none', 'drug')[i % 2]}"
        for i in range(40)
    ]
    samples = tmp_path / "samples.tsv"
    samples.write_text("sample\ttime\tevent\tarm\n" + "\n".join(rows) + "\n")
    result = await carried_out(
        tmp_path, "survival-in-r", {"samples": samples}, time_column="time", event_column="event", group_column="arm",
        case="drug", control="none", dataset_label="d", missing_values=["sample=none"],
    )  # fmt: skip
    assert result.verified, result.attempt.message
    groups = outputs(tmp_path)["survival_groups.tsv"]
    assert list(zip(groups["group"], groups["n"], strict=True)) == [("arm = none", 19), ("arm = drug", 20)]


@needs_r
@pytest.mark.sandbox
@pytest.mark.slow
async def test_survival_agrees_with_an_independent_implementation(cohort: dict[str, Path], tmp_path: Path) -> None:
    sheet = pd.read_csv(cohort["samples"], sep="\t")
    result = await carried_out(
        tmp_path, "survival-in-r", {"samples": cohort["samples"]}, time_column="time", event_column="event", **GROUPS
    )
    assert result.verified, result.attempt.message
    known = sheet[["time", "event", "er_positive"]].apply(pd.to_numeric, errors="coerce").dropna()
    fit = CoxPHFitter().fit(known, "time", "event").summary.loc["er_positive"]
    model = outputs(tmp_path)["cox_model.tsv"].iloc[0]
    assert math.isclose(model["hazard_ratio"], fit["exp(coef)"], rel_tol=1e-3)
    assert math.isclose(model["p"], fit["p"], rel_tol=1e-2)
    one, other = (known[known["er_positive"] == level] for level in (1, 0))
    test = logrank_test(one["time"], other["time"], one["event"], other["event"])
    assert math.isclose(outputs(tmp_path)["survival_groups.tsv"]["logrank_p"].iloc[0], test.p_value, rel_tol=1e-3)


@needs_r
@pytest.mark.sandbox
@pytest.mark.slow
async def test_the_heat_map_is_drawn_and_its_clusters_counted(cohort: dict[str, Path], tmp_path: Path) -> None:
    result = await carried_out(tmp_path, "heatmap-in-r", cohort, **GROUPS)
    assert result.verified, result.attempt.message
    clusters = outputs(tmp_path)["sample_clusters.tsv"]
    counts = pd.crosstab(clusters["cluster"], clusters["group"])
    (finding,) = result.findings
    assert finding.values["cluster_one_case"] == counts.loc[1].get(1, 0)
    assert math.isclose(finding.values["p"], stats.fisher_exact(counts).pvalue, rel_tol=0.01)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31) + 1, 2**31 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("ab c\"'\\", min_size=1, max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_an_r_literal_only_builds_values(value: Any) -> None:
    bare = read_r_code(r_literal(value))
    text = "".join(bare_text(r_literal(value)))
    assert set(text.split()) <= {"list", "TRUE", "FALSE", "NULL"} | {w for w in text.split() if w[0] in "-0123456789"}
    assert not bare.packages


def bare_text(text: str) -> str:
    """The literal without its strings and punctuation."""
    plain, quoted, at = [], False, 0
    while at < len(text):
        if text[at] == '"':
            quoted = not quoted
        elif quoted and text[at] == "\\":
            at += 1
        elif not quoted:
            plain.append(" " if text[at] in "(),=" else text[at])
        at += 1
    assert not quoted
    return "".join(plain)


@needs_r
def test_r_reads_back_what_was_written(tmp_path: Path) -> None:
    import subprocess

    value = {"a b": ['x"y\\z', "µ – 日本", 1, 2.5, True, None, [], {}], "path": "/data/one/t.csv", "big": 12345678901}
    (tmp_path / "task.R").write_text(r_literal(value), encoding="utf-8")
    script = tmp_path / "s.R"
    script.write_text(
        'v <- dget(commandArgs(TRUE)[1]); cat(v$`a b`[[1]], v$`a b`[[2]], v$`a b`[[4]], v$`a b`[[5]], v$path, '
        'sprintf("%.0f", v$big), sep = "|")', encoding="utf-8",
    )  # fmt: skip
    done = subprocess.run(
        [*program_of("r"), str(script), str(tmp_path / "task.R")], capture_output=True, text=True, check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout == 'x"y\\z|µ – 日本|2.5|TRUE|/data/one/t.csv|12345678901'


def test_strings_comments_and_code_are_told_apart() -> None:
    seen = read_r_code(
        '# library(hidden)\nx <- "library(quoted)"\nlibrary("limma"); survival::Surv(1)\nset.seed(1); y <- rnorm(3)'
    )
    assert set(seen.packages) == {"limma", "survival"}
    assert (seen.packages["limma"], seen.random, seen.varies) == (3, 4, False)
    assert read_r_code("y <- rnorm(3)").varies
    report = check_code(task(), TaskCode(code="t <- Sys.time()\nsystem('ls')", origin="model"))
    assert report.varies
    assert any("hides what the code does" in warning for warning in report.warnings)


def test_every_r_skill_is_described_like_the_others() -> None:
    found = [s for s in SKILLS.values() if s.contract.language == "r"]
    assert len(found) >= 3
    for skill in found:
        assert "bioskill.R" in skill.support
        assert not any(name.endswith(".py") for name in skill.support)
        assert json.dumps(skill.contract.model_dump(mode="json"))
