"""Skills on scores and outcome: contracts, real cohorts, bad data, and the properties that keep them honest."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from bioresearcher.execution.code_checks import check_code
from bioresearcher.execution.figures import read_figure
from bioresearcher.execution.output_tables import (
    read_findings,
    read_table,
    table_placeholder,
    table_problem,
    unsupported_numbers,
)
from bioresearcher.schemas.execution import DryLabTask, Finding, TaskCode, TaskInput
from bioresearcher.schemas.skill import SkillContract
from bioresearcher.skills import load_skill

ROOT = Path(__file__).resolve().parents[2]
SKILLS = ROOT / "agents" / "skills"
DATA = Path(os.environ.get("BIORESEARCHER_TEST_DATA", ROOT.parent / "shared" / "data"))
OUTCOME = ("kaplan-meier", "cox-regression", "penalised-model", "signature-validation")
NAMES = ("ranked-gene-set-enrichment", "signature-scoring", "correlation", *OUTCOME)
SURVIVAL = {"sample_column": "id", "time_column": "time", "event_column": "event"}


def contract(name: str) -> SkillContract:
    return SkillContract.model_validate(tomllib.loads((SKILLS / name / "contract.toml").read_text("utf-8")))


def run(name, inputs, parameters, folder):
    """Run a skill as a task would; its exit code (0 or 65) and output paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = contract(name)
    outputs = {o.name: folder / o.file for o in shape.outputs}
    task = {
        "inputs": {i.name: str(inputs[i.name]) for i in shape.inputs if i.name in inputs},
        "outputs": {k: str(v) for k, v in outputs.items()},
        "parameters": {p.name: parameters.get(p.name, p.default) for p in shape.parameters},
    }
    path = folder / "task.json"
    path.write_text(json.dumps(task), encoding="utf-8")
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SKILLS / "_lib"))
        patch.setattr(sys, "argv", ["run.py", str(path)])
        try:
            runpy.run_path(str(SKILLS / name / "scripts" / "run.py"), run_name="__main__")
        except SystemExit as stop:
            code = stop.code
    return code, outputs


def good(name, inputs, parameters, folder):
    """Output paths of a run that must succeed with outputs as its contract says."""
    code, outputs = run(name, inputs, parameters, folder)
    assert code == 0
    check_outputs(name, outputs)
    return outputs


def functions(name):
    """A script's functions without running it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SKILLS / "_lib"))
        return runpy.run_path(str(SKILLS / name / "scripts" / "run.py"), run_name="skill")


def findings(outputs):
    return json.loads(outputs["findings"].read_text("utf-8"))


def check_outputs(name, outputs):
    """Every declared output is what its contract says, and every number in a statement is among its values."""
    for output in contract(name).outputs:
        path = outputs[output.name]
        if output.kind == "table":
            table = read_table(path)
            assert (table_problem(table, output), table_placeholder(table)) == ("", "")
        elif output.kind == "figure":
            assert read_figure(path).summary
        else:
            rows = read_findings(path)
            assert 1 <= len(rows) <= 4
            assert [unsupported_numbers(row, (), {}) for row in rows] == [()] * len(rows)


def made_cohort(folder, seed=1, effect=0.9, samples=60, genes=150):
    """A cohort whose first 20 genes share a factor that raises the hazard by `effect` per SD."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=samples)
    x = rng.normal(size=(genes, samples))
    x[:20] += 1.5 * factor
    ids = [f"S{i:03d}" for i in range(samples)]
    time = rng.exponential(30 / np.exp(effect * factor)) + 0.5
    limit = rng.uniform(20, 80, samples)
    sheet = pd.DataFrame(
        {
            "id": ids,
            "time": np.minimum(time, limit).round(2),
            "event": (time <= limit).astype(int),
            "group": np.where(factor + rng.normal(size=samples) > 0, "A", "B"),
            "age": rng.integers(30, 80, samples),
            "grade": rng.integers(1, 4, samples),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    matrix = pd.DataFrame(x, index=[f"G{i}" for i in range(genes)], columns=ids).rename_axis("gene")
    matrix.to_csv(folder / "expression.tsv", sep="\t", float_format="%.5f")
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    sets = {"DRIVER": range(20), "NOISE": range(40, 70), "TINY": range(3)}
    lines = ["\t".join([n, "made", *(f"G{i}" for i in m)]) for n, m in sets.items()]
    (folder / "sets.gmt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    score = stats.zscore(x[:20].mean(axis=0), ddof=1)
    pd.DataFrame({"sample": ids, "score": score}).to_csv(folder / "scores.tsv", sep="\t", index=False)
    t = stats.ttest_ind(x[:, sheet["group"] == "A"], x[:, sheet["group"] == "B"], axis=1).statistic
    pd.DataFrame({"gene": matrix.index, "t": t}).to_csv(folder / "de.tsv", sep="\t", index=False)
    return folder


def made_task(folder, other=None):
    """Inputs and parameters of any skill on a made cohort (validation: the other one)."""
    second = other or folder
    files = {
        "expression": folder / "expression.tsv",
        "matrix": folder / "expression.tsv",
        "samples": folder / "samples.tsv",
        "scores": folder / "scores.tsv",
        "gene_sets": folder / "sets.gmt",
        "table": folder / "de.tsv",
        "validation_expression": second / "expression.tsv",
        "validation_samples": second / "samples.tsv",
    }
    values = SURVIVAL | {"gene_set": "DRIVER", "dataset_label": "cohort one", "feature_column": "gene"}
    values |= {"group_column": "group", "case": "A", "control": "B", "covariates": ["age", "grade"]}
    values |= {f"validation_{k}": v for k, v in (SURVIVAL | {"dataset_label": "cohort two"}).items()}
    values |= {"permutations": 100, "repeats": 1, "shuffles": 2, "genes_per_model": 5}
    return files, values


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return made_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.mark.parametrize("name", NAMES)
def test_description_and_contract_agree(name):
    skill = load_skill(SKILLS / name, SKILLS / "_lib", "shipped")
    front, shape = (SKILLS / name / "SKILL.md").read_text("utf-8").split("---\n", 2)[1], skill.contract
    head = yaml.safe_load(front)
    assert 40 < len(head["description"]) <= 1024
    assert head["license"] == "MIT"
    assert all(isinstance(v, str) for v in head["metadata"].values())
    known = {p.name for p in shape.parameters}
    for text in (shape.protocol.action, shape.protocol.rationale, shape.protocol.acceptance):
        assert set(re.findall(r"\{(\w+)\}", text)) <= known
    assert [(o.file, o.kind) for o in shape.outputs if o.name == "findings"] == [("findings.json", "findings")]
    assert all(t == t.lower() for t in shape.triggers)
    example = json.loads(re.search(r"```json\n(.*?)```", skill.instructions, re.DOTALL).group(1))
    assert set(example["parameters"]) <= known
    assert set(example["outputs"]) == {o.name for o in shape.outputs}
    assert set(example["inputs"]) <= {i.name for i in shape.inputs}


@pytest.mark.parametrize("name", NAMES)
def test_inputs_exist_and_code_passes_the_static_checks_of_a_task(name):
    skill = load_skill(SKILLS / name, SKILLS / "_lib", "shipped")
    for given in (i for i in skill.contract.inputs if i.kind == "output"):
        assert given.output in {o.name for o in contract(given.skill).outputs}
        assert contract(given.skill).order < skill.contract.order
    inputs = tuple(TaskInput(name=i.name, dataset="d", file="f") for i in skill.contract.inputs)
    task = DryLabTask(id="T1", title="t", goal="g", step_ids=(), inputs=inputs, outputs=skill.contract.outputs)
    report = check_code(task, TaskCode(code=skill.code, support=skill.support, origin="offline"))
    assert (report.outcome, report.warnings, report.varies, report.reads_bytes) == (None, (), False, False)


@pytest.mark.parametrize("name", NAMES)
def test_same_task_gives_same_bytes_and_valid_outputs(name, cohort, tmp_path, capsys):
    inputs, parameters = made_task(cohort)
    for attempt in ("one", "two"):
        outputs = good(name, inputs, parameters, tmp_path / attempt)
        assert capsys.readouterr().err == ""
    for path in outputs.values():
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_names_with_spaces_and_letters_of_all_kinds_work(name, cohort, tmp_path, capsys):
    odd = tmp_path / "Daten – Übersicht 样本 (kopie)"
    odd.mkdir()
    for path in cohort.iterdir():
        (odd / f"é {path.name}").write_bytes(path.read_bytes())
    inputs, parameters = made_task(cohort)
    moved = {k: odd / f"é {v.name}" for k, v in inputs.items()}
    parameters |= dict.fromkeys(("dataset_label", "validation_dataset_label"), "β $x^2$_{z} cohort")
    good(name, moved, parameters, odd / "out put")
    assert capsys.readouterr().err == ""


def spoil(kind, folder):
    """A copy of the made cohort with one thing wrong."""
    sheet = pd.read_csv(folder / "samples.tsv", sep="\t", dtype=str)
    matrix = pd.read_csv(folder / "expression.tsv", sep="\t")
    scores = pd.read_csv(folder / "scores.tsv", sep="\t")
    if kind == "all censored":
        sheet = sheet.assign(event="0")
    if kind == "other samples":
        sheet["id"] = "X" + sheet["id"]
    if kind == "text time":
        sheet.loc[4, "time"] = "soon"
    if kind == "three samples":
        matrix, scores = matrix.iloc[:, :4], scores.head(3)
    if kind == "other symbols":
        (folder / "sets.gmt").write_text("SET\tx\tENSG1\tENSG2\tENSG3\n", encoding="utf-8")
    if kind == "text in matrix":
        matrix = matrix.astype(object)
        matrix.iloc[7, 3] = "high"
    sheet.to_csv(folder / "samples.tsv", sep="\t", index=False)
    matrix.to_csv(folder / "expression.tsv", sep="\t", index=False)
    scores.to_csv(folder / "scores.tsv", sep="\t", index=False)


BAD = [
    *(("all censored", n, "events") for n in OUTCOME),
    *(("other samples", n, "samples are in") for n in (*OUTCOME, "correlation")),
    *(("text time", n, "'soon'") for n in OUTCOME),
    *(("three samples", n, "3") for n in (*OUTCOME, "correlation", "signature-scoring")),
    ("other symbols", "ranked-gene-set-enrichment", "identifiers"),
    *(("text in matrix", n, "'high'") for n in ("signature-scoring", "signature-validation", "penalised-model")),
]


@pytest.mark.parametrize(("kind", "name", "hint"), BAD)
def test_bad_data_end_in_one_clear_line(kind, name, hint, tmp_path, capsys):
    folder = made_cohort(tmp_path / "bad")
    spoil(kind, folder)
    code, outputs = run(name, *made_task(folder), tmp_path / "out")
    said = capsys.readouterr().err
    assert code == 65
    assert (said[:6], said.count("\n"), hint in said) == ("DATA: ", 1, True)
    assert not outputs["findings"].exists()


@pytest.mark.parametrize("name", ["signature-scoring", "signature-validation"])
@pytest.mark.parametrize(("gene_set", "hint"), [("DRIVERS", "DRIVER"), ("TINY", "at least 5")])
def test_absent_or_tiny_gene_set_is_refused(name, gene_set, hint, cohort, tmp_path, capsys):
    inputs, parameters = made_task(cohort)
    code, _ = run(name, inputs, parameters | {"gene_set": gene_set}, tmp_path)
    said = capsys.readouterr().err
    assert (code, said.count("\n"), gene_set in said, hint in said) == (65, 1, True, True)


def test_trouble_in_one_of_two_cohorts_names_it(cohort, tmp_path, capsys):
    bad = made_cohort(tmp_path / "bad", seed=2)
    spoil("all censored", bad)
    code, _ = run("signature-validation", *made_task(cohort, bad), tmp_path / "out")
    assert code == 65
    assert capsys.readouterr().err.startswith("DATA: validation cohort: 0 events")


def test_gene_list_replaces_a_named_set(cohort, tmp_path):
    inputs, parameters = made_task(cohort)
    genes = {"genes": [f"G{i}" for i in range(20)], "gene_set": None}
    _, named = run("signature-scoring", inputs, parameters, tmp_path / "a")
    _, listed = run("signature-scoring", {"expression": inputs["expression"]}, parameters | genes, tmp_path / "b")
    assert named["scores"].read_bytes() == listed["scores"].read_bytes()


@pytest.mark.parametrize("turned", [0, 12])
def test_genes_that_go_against_each_other_have_no_score_to_be_interpreted(cohort, tmp_path, turned):
    matrix = pd.read_csv(cohort / "expression.tsv", sep="\t", index_col=0)
    rng = np.random.default_rng(7)
    shared = rng.normal(size=matrix.shape[1])
    sign = np.where(np.arange(20) < turned, -1, 1)[:, None]
    matrix.iloc[:20] = 8 + sign * shared + rng.normal(scale=0.5, size=(20, matrix.shape[1]))
    path = tmp_path / "made.tsv"
    matrix.to_csv(path, sep="\t")
    inputs, parameters = made_task(cohort)
    genes = {"genes": [f"G{i}" for i in range(20)], "gene_set": "SIGNATURE"}
    outputs = good("signature-scoring", inputs | {"expression": path}, parameters | genes, tmp_path / "out")
    second = json.loads(outputs["findings"].read_text("utf-8"))[1]
    assert ("not the published score; do not interpret it" in second["statement"]) is bool(turned)
    assert second["values"]["genes_agree"] is not bool(turned)


def test_missing_values_and_constant_genes_are_left_out_of_the_score(cohort, tmp_path):
    matrix = pd.read_csv(cohort / "expression.tsv", sep="\t", index_col=0)
    matrix.iloc[0, :30] = np.nan
    matrix.iloc[1] = 4.0
    matrix.iloc[2, :3] = np.nan
    path = tmp_path / "gaps.tsv"
    matrix.to_csv(path, sep="\t")
    inputs, parameters = made_task(cohort)
    code, outputs = run("signature-scoring", inputs | {"expression": path}, parameters, tmp_path / "out")
    assert code == 0
    status = pd.read_csv(outputs["genes"], sep="\t").set_index("gene")["status"]
    assert status[["G0", "G1", "G2"]].tolist() == ["too many missing", "constant", "used"]
    scores = pd.read_csv(outputs["scores"], sep="\t")["score"]
    assert (scores.mean(), scores.std()) == pytest.approx((0, 1), abs=1e-5)


def test_an_association_in_both_cohorts_is_called_replicated(cohort, tmp_path):
    second = made_cohort(tmp_path / "two", seed=3)
    _, outputs = run("signature-validation", *made_task(cohort, second), tmp_path / "out")
    last = findings(outputs)[-1]
    assert (last["values"]["replicated"], " replicated in cohort two" in last["statement"]) == (True, True)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ((1.5, 0.01), (1.3, 0.11), "did not replicate"),
        ((1.5, 0.01), (0.6, 0.001), "opposite direction"),
        ((1.1, 0.4), (1.5, 0.001), "did not replicate"),
        ((1.5, 0.01), (1.4, 0.001), " replicated in "),
        ((0.7, 0.01), (0.7, 0.049), " replicated in "),
    ],
)
def test_verdict_follows_the_rule(first, second, words):
    rows = [
        {"cohort": c, "hr": hr, "p": p, "hr_low": hr * 0.7, "hr_high": hr * 1.4}
        for c, (hr, p) in zip(("one", "two"), (first, second), strict=True)
    ]
    text, values, replicated = functions("signature-validation")["verdict"](*rows, "S", 0.05)
    assert words in text
    assert replicated == (" replicated in " in text)
    assert unsupported_numbers(Finding(statement=text, values=values), (), {}) == ()


def test_unknown_unit_and_endpoint_are_said_and_known_ones_used(cohort, tmp_path):
    inputs, parameters = made_task(cohort)
    _, silent = run("kaplan-meier", inputs, parameters, tmp_path / "a")
    said = " ".join(f["statement"] for f in findings(silent))
    assert "does not state the endpoint or the time unit" in said
    known = parameters | {"time_unit": "weeks", "endpoint": "relapse"}
    _, stated = run("kaplan-meier", inputs, known, tmp_path / "b")
    said = " ".join(f["statement"] for f in findings(stated))
    assert all(("time to relapse" in said, "weeks" in said, "not state" not in said))


def test_unusable_covariates_are_named_and_collinear_ones_reported(cohort, tmp_path, capsys):
    sheet = pd.read_csv(cohort / "samples.tsv", sep="\t").assign(twin=lambda d: d["grade"], blank="missing")
    path = tmp_path / "s.tsv"
    sheet.to_csv(path, sep="\t", index=False)
    inputs, parameters = made_task(cohort)
    asked = {"covariates": ["grade", "twin", "blank", "nowhere", "id", "time"]}
    code, outputs = run("cox-regression", inputs | {"samples": path}, parameters | asked, tmp_path / "out")
    printed = capsys.readouterr()
    assert (code, printed.err, printed.out.count("is left out")) == (0, "", 3)
    assert "could not be used" in findings(outputs)[1]["statement"]
    assert set(pd.read_csv(outputs["table"], sep="\t")["model"]) == {"univariable"}


def test_filter_statistic_is_the_log_rank_statistic_for_two_groups():
    from lifelines.statistics import logrank_test

    rng = np.random.default_rng(5)
    group, time, event = rng.integers(0, 2, 80), rng.permutation(80) + 1.0, rng.integers(0, 2, 80)
    statistic = functions("penalised-model")["cox_score_statistic"](group[:, None].astype(float), time, event)
    inside = group == 1
    expected = logrank_test(time[inside], time[~inside], event[inside], event[~inside]).test_statistic
    assert statistic[0] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["survival", "group"])
def test_held_out_samples_do_not_touch_the_model(kind, cohort):
    code = functions("penalised-model")
    x = pd.read_csv(cohort / "expression.tsv", sep="\t", index_col=0).T
    sheet = pd.read_csv(cohort / "samples.tsv", sep="\t", index_col=0)
    y = sheet[["time", "event"]] if kind == "survival" else pd.DataFrame({"case": (sheet["group"] == "A") * 1})
    problem = code["Problem"](x, y, kind, "", "")
    method, plan = code["method_for"](problem, 5), (5, 1, 3)
    _, held_out, before = code["cross_validate"](problem, method, plan, 3, used=1)
    changed = x.copy()
    changed.loc[held_out["sample"]] = 1e3 * np.random.default_rng(0).normal(size=(len(held_out), x.shape[1]))
    _, _, after = code["cross_validate"](code["Problem"](changed, y, kind, "", ""), method, plan, 3, used=1)
    pd.testing.assert_frame_equal(before, after)


def test_nested_cross_validation_finds_nothing_in_noise():
    code, rng = functions("penalised-model"), np.random.default_rng(8)
    values = []
    for seed in range(8):
        x = pd.DataFrame(rng.normal(size=(60, 300)))
        y = pd.DataFrame({"case": rng.permutation([0, 1] * 30)})
        problem = code["Problem"](x, y, "group", "AUC", "")
        folds, _, _ = code["cross_validate"](problem, code["method_for"](problem, 10), (5, 1, 2), seed, used=2)
        values.append(folds["value"].mean())
    assert abs(np.mean(values) - 0.5) < 0.1


def test_spearman_matches_scipy_also_with_gaps():
    rng = np.random.default_rng(4)
    score = pd.Series(rng.normal(size=40))
    rows = pd.DataFrame(rng.integers(0, 9, size=(12, 40)).astype(float))
    rows.iloc[3, :6] = np.nan
    rows.iloc[4, :32] = np.nan
    rows.iloc[5] = 2.0
    table = functions("correlation")["spearman"](rows, score)
    for row in (0, 1, 3):
        keep = rows.loc[row].notna()
        expected = stats.spearmanr(rows.loc[row][keep], score[keep])
        assert table.loc[row, "rho"] == pytest.approx(expected.statistic)
        assert table.loc[row, "p"] == pytest.approx(expected.pvalue)
    assert table.loc[[4, 5], "rho"].isna().all()


def test_genes_of_the_scored_set_are_marked_and_not_counted(cohort, tmp_path):
    _, outputs = run("correlation", *made_task(cohort), tmp_path)
    table = pd.read_csv(outputs["table"], sep="\t", keep_default_na=False)
    genes = table[table["kind"] == "gene"]
    assert set(genes.loc[genes["in_set"] == "yes", "name"]) == {f"G{i}" for i in range(20)}
    assert findings(outputs)[1]["values"]["tested"] == 130
    assert genes["fdr"].astype(float).to_numpy() == pytest.approx(
        stats.false_discovery_control(genes["p"].astype(float)), rel=1e-3
    )


def test_equal_ranks_do_not_make_the_order_arbitrary(cohort):
    tied = pd.Series([2.0, 2.0, 2.0, 1.0, -1.0, -1.0], index=list("abcdef"))
    apart = functions("ranked-gene-set-enrichment")["untied"](tied)
    assert apart.is_unique
    assert list(apart.sort_values(ascending=False).index) == list("abcdef")


@pytest.fixture(scope="module")
def breast():
    one, two = DATA / "expression" / "breast_gse1992", DATA / "expression" / "breast_gse4335"
    if not one.is_dir():
        pytest.skip("the test data are not here")
    inputs = {
        "expression": one / "expression_log2.tsv.gz",
        "samples": one / "clinical.tsv",
        "validation_expression": two / "expression_log2.tsv.gz",
        "validation_samples": two / "clinical.tsv",
        "gene_sets": DATA / "gene_sets" / "h.all.v7.0.symbols.gmt",
    }
    columns = {"sample_column": "pid", "time_column": "time", "event_column": "event", "feature_column": "gene"}
    values = columns | {"gene_set": "HALLMARK_E2F_TARGETS", "dataset_label": "GSE1992", "missing_values": ["missing"]}
    values |= {"covariates": ["grade", "fac_size", "age", "node_status"]}
    values |= {"group_column": "er_positive", "case": "1", "control": "0"}
    values |= {f"validation_{k}": v for k, v in columns.items()}
    values |= {"validation_dataset_label": "GSE4335", "validation_missing_values": ["na", "x"]}
    return inputs, values


@pytest.fixture(scope="module")
def breast_scores(breast, tmp_path_factory):
    inputs, values = breast
    outputs = good("signature-scoring", inputs, values, tmp_path_factory.mktemp("scores"))
    return inputs | {"scores": outputs["scores"]}, values


def test_e2f_score_is_found_in_discovery_and_does_not_replicate(breast, tmp_path):
    outputs = good("signature-validation", *breast, tmp_path)
    table = pd.read_csv(outputs["table"], sep="\t").set_index("role")
    assert table[["n", "events", "genes_used"]].to_numpy().tolist() == [[124, 35, 162], [115, 38, 162]]
    assert table["hr"].to_numpy() == pytest.approx([1.512, 1.298], abs=0.001)
    assert table["p"].to_numpy() == pytest.approx([0.0083, 0.1106], abs=0.0005)
    assert "did not replicate in GSE4335" in findings(outputs)[-1]["statement"]


def test_cox_and_curves_of_the_discovery_cohort(breast_scores, tmp_path):
    cox = good("cox-regression", *breast_scores, tmp_path / "cox")
    table = pd.read_csv(cox["table"], sep="\t")
    score = table[table["term"] == "score"].set_index("model")
    assert score.loc["univariable", "hr"] == pytest.approx(1.512, abs=0.001)
    assert score.loc["univariable", "ph_p"] < 0.05
    assert score.loc["multivariable", ["n", "events"]].tolist() == [118, 33]
    said = [f["statement"] for f in findings(cox)]
    assert "fragile" in said[1]
    assert said[2].startswith("Proportional hazards are doubtful")
    km = good("kaplan-meier", *breast_scores, tmp_path / "km")
    groups = pd.read_csv(km["summary"], sep="\t").set_index("group")
    assert groups[["n", "events"]].to_numpy().tolist() == [[62, 25], [62, 10]]


def test_e2f_score_falls_with_receptor_and_rises_with_grade(breast_scores, tmp_path):
    outputs = good("correlation", *breast_scores, tmp_path)
    rho = pd.read_csv(outputs["table"], sep="\t").set_index("name")["rho"]
    assert (rho["er_positive"] < -0.5, rho["grade"] > 0.3, rho["RAD51"] > 0.8) == (True, True, True)


def test_oestrogen_response_up_and_e2f_targets_down_in_receptor_positive_tumours(breast, tmp_path):
    inputs, values = breast
    x = pd.read_csv(inputs["expression"], sep="\t", index_col=0)
    status = pd.read_csv(inputs["samples"], sep="\t", dtype=str).set_index("pid")["er_positive"].reindex(x.columns)
    t = stats.ttest_ind(x.loc[:, status == "1"], x.loc[:, status == "0"], axis=1, equal_var=False).statistic
    path = tmp_path / "de.tsv"
    pd.DataFrame({"gene": x.index, "t": t}).to_csv(path, sep="\t", index=False, float_format="%.6g")
    outputs = good("ranked-gene-set-enrichment", inputs | {"table": path}, values, tmp_path / "out")
    table = pd.read_csv(outputs["table"], sep="\t").set_index("gene_set")
    up = table.loc[["HALLMARK_ESTROGEN_RESPONSE_EARLY", "HALLMARK_ESTROGEN_RESPONSE_LATE"]]
    assert ((up["nes"] > 2) & (up["fdr"] < 0.05)).all()
    assert table.loc["HALLMARK_E2F_TARGETS", "nes"] < -2
    assert table["p"].min() == pytest.approx(0.001)


def test_ridge_cox_does_not_circle_around_its_optimum_with_few_events(breast):
    from lifelines import CoxPHFitter

    code, (inputs, _) = functions("penalised-model"), breast
    some = np.random.default_rng(9).permutation(124)[:66]  # here the default step of the library never arrives
    x = pd.read_csv(inputs["expression"], sep="\t", index_col=0).T.to_numpy()[some]
    y = pd.read_csv(inputs["samples"], sep="\t")[["time", "event"]].iloc[some].reset_index(drop=True)
    z = stats.zscore(x[:, np.argsort(-code["cox_score_statistic"](x, *y.to_numpy().T))[:20]], ddof=1)
    careful = CoxPHFitter(penalizer=0.1).fit(y.join(pd.DataFrame(z)), *y.columns, fit_options={"step_size": 0.05})
    assert code["fit_cox"](z, y, 0.1) == pytest.approx(careful.params_.to_numpy(), abs=1e-3)


@pytest.mark.parametrize("name", ["cox-regression", "kaplan-meier", "correlation"])
def test_a_column_of_any_table_takes_the_place_of_the_score(name, cohort, tmp_path):
    inputs, values = made_task(cohort)
    known = good(name, inputs, values, tmp_path / "score")
    scores = pd.read_csv(inputs["scores"], sep="\t")
    scores = scores.assign(proliferation=10 * scores["score"] + 3).drop(columns="score")
    scores.to_csv(tmp_path / "own.tsv", sep="\t", index=False)
    own = inputs | {"scores": tmp_path / "own.tsv"}
    made = good(name, own, values | {"score_column": "proliferation"}, tmp_path / "own")
    assert [f["statement"] for f in findings(made)] == [f["statement"] for f in findings(known)]
    code, _ = run(name, own, values, tmp_path / "unnamed")
    assert code == 65


@pytest.mark.parametrize("name", ["cox-regression", "kaplan-meier", "correlation"])
def test_a_column_of_the_sample_sheet_takes_the_place_of_the_score(name, cohort, tmp_path):
    inputs, values = made_task(cohort)
    values |= {"score_column": "age", "gene_set": None, "covariates": ["grade"], "sample_column": "id"}
    made = good(name, inputs | {"scores": inputs["samples"]}, values, tmp_path / "age")
    assert "age" in findings(made)[0]["statement"]


def test_a_column_with_one_value_is_no_score(cohort, tmp_path, capsys):
    inputs, values = made_task(cohort)
    sheet = pd.read_csv(inputs["samples"], sep="\t").assign(plate=1)
    sheet.to_csv(tmp_path / "flat.tsv", sep="\t", index=False)
    flat = inputs | {"scores": tmp_path / "flat.tsv"}
    code, _ = run("cox-regression", flat, values | {"score_column": "plate", "sample_column": "id"}, tmp_path / "flat")
    assert code == 65
    assert "column 'plate' has one value only" in capsys.readouterr().err
