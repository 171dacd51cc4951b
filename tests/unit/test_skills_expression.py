"""The vetted analyses from tables to gene sets: what they compute, say, refuse, and that they repeat themselves."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bioresearcher.execution.code_checks import check_code
from bioresearcher.execution.figures import read_figure
from bioresearcher.execution.output_tables import (
    read_findings,
    read_table,
    table_placeholder,
    table_problem,
    unsupported_numbers,
)
from bioresearcher.schemas.execution import DryLabTask, TaskCode, TaskInput
from bioresearcher.schemas.skill import SkillContract
from bioresearcher.skills import load_skill

ROOT = Path(__file__).parents[2]
SKILLS = ROOT / "agents" / "skills"
LIBRARY = SKILLS / "_lib"
DATA = Path(os.environ.get("BIORESEARCHER_TEST_DATA") or ROOT.parent / "shared" / "data")
NAMES = (
    "table-quality-control",
    "cohort-table",
    "expression-filtering",
    "pca-plot",
    "differential-expression",
    "clustered-heatmap",
    "over-representation",
)
needs_data = pytest.mark.skipif(not (DATA / "expression").is_dir(), reason="the test data are not here")


def contract_of(name: str) -> SkillContract:
    return SkillContract.model_validate(tomllib.loads((SKILLS / name / "contract.toml").read_text("utf-8")))


def load(path: Path, name: str) -> ModuleType:
    if str(LIBRARY) not in sys.path:
        sys.path.insert(0, str(LIBRARY))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def script(skill: str) -> ModuleType:
    name = f"skill_{skill.replace('-', '_')}"
    return sys.modules.get(name) or load(SKILLS / skill / "scripts" / "run.py", name)


@pytest.fixture(scope="module")
def bioskill() -> ModuleType:
    return sys.modules.get("bioskill") or load(LIBRARY / "bioskill.py", "bioskill")


def write_task(skill: str, out: Path, inputs: dict[str, Path], parameters: dict[str, Any]) -> Path:
    contract = contract_of(skill)
    defaults = {p.name: p.default for p in contract.parameters}
    assert parameters.keys() <= defaults.keys()
    out.mkdir(parents=True, exist_ok=True)
    task = {
        "inputs": {name: str(path) for name, path in inputs.items()},
        "outputs": {o.name: str(out / o.file) for o in contract.outputs},
        "parameters": defaults | parameters,
    }
    path = out / "task.json"
    path.write_text(json.dumps(task), encoding="utf-8")
    return path


def run(skill: str, out: Path, inputs: dict[str, Path], parameters: dict[str, Any]) -> list[str]:
    """Run a skill here, hold every output against its contract, and give back the statements."""
    task = write_task(skill, out, inputs, parameters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["run.py", str(task)])
        script(skill).main()
    contract, tables, said = contract_of(skill), [], []
    for output in contract.outputs:
        path = out / output.file
        if output.kind == "table":
            table = read_table(path)
            tables.append(table)
            assert table_problem(table, output) == ""
            assert table_placeholder(table) == ""
        elif output.kind == "figure":
            assert read_figure(path).summary
        else:
            found = read_findings(path)
            assert 1 <= len(found) <= 4
            for finding in found:
                assert unsupported_numbers(finding, (), {}) == (), finding
                said.append(finding.statement)
    return said


def chain(
    out: Path, expression: Path, sheet: Path, sets: Path, group: dict[str, Any], shared: dict[str, Any]
) -> dict[str, list[str]]:
    """All seven, each reading what the earlier ones wrote."""
    keep = {s: {p.name for p in contract_of(s).parameters} for s in NAMES}
    given_ = group | shared
    inputs = {"expression": expression, "samples": sheet}
    matrix = {"matrix": out / "expression-filtering" / "filtered_expression.tsv", "samples": sheet}
    table = {"differential": out / "differential-expression" / "differential_expression.tsv"}
    reads = dict.fromkeys(NAMES[:3], inputs) | dict.fromkeys(NAMES[3:5], matrix)
    reads |= {NAMES[5]: matrix | table, NAMES[6]: table | {"gene_sets": sets}}
    return {s: run(s, out / s, reads[s], {k: v for k, v in given_.items() if k in keep[s]}) for s in NAMES}


# -- synthetic data with a planted difference ------------------------------------------------


def planted(seed: int = 3, genes: int = 200, samples: int = 24, shifted: int = 30) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    names = [f"S{i:02d}" for i in range(samples)]
    matrix = pd.DataFrame(rng.normal(8, 1, (genes, samples)), [f"GEN{i}" for i in range(genes)], names)
    half = samples // 2
    matrix.iloc[:shifted, :half] += 3
    sheet = pd.DataFrame(
        {
            "sample": names,
            "arm": ["drug"] * half + ["none"] * (samples - half),
            "age": rng.integers(30, 80, samples),
            "stage": rng.choice(["I", "II"], samples),
            "time": rng.integers(1, 99, samples),
            "event": rng.integers(0, 2, samples),
        }
    )
    return matrix, sheet


def write(folder: Path, matrix: pd.DataFrame, sheet: pd.DataFrame) -> tuple[Path, Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    expression, samples, sets = folder / "größe matrix.tsv", folder / "Proben Tabelle.csv", folder / "sets.gmt"
    matrix.rename_axis("gene").to_csv(expression, sep="\t")
    sheet.to_csv(samples, index=False)
    genes = [f"GEN{i}" for i in range(200)]
    sets.write_text("".join(f"SET_{i}\tsource\t" + "\t".join(genes[i * 20 : i * 20 + 20]) + "\n" for i in range(10)))
    return expression, samples, sets


ARM = {"group_column": "arm", "case": "drug", "control": "none"}


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]], tuple[Path, Path, Path]]:
    base = tmp_path_factory.mktemp("synthetic data ü")
    files = write(base, *planted())
    shared = {"covariates": ["age", "stage"], "time_column": "time", "event_column": "event"}
    return base, chain(base / "out", *files, ARM, shared), files


def test_planted_difference_is_found(synthetic: tuple[Path, dict[str, list[str]], Any]) -> None:
    base, said, _ = synthetic
    table = pd.read_csv(base / "out/differential-expression/differential_expression.tsv", sep="\t")
    called = set(table.loc[table["fdr"] < 0.05, "gene"])
    assert {f"GEN{i}" for i in range(30)} <= called
    assert len(called) <= 36
    assert table["p"].is_monotonic_increasing
    assert (table.loc[table["gene"].isin([f"GEN{i}" for i in range(30)]), "difference"] > 1).all()
    assert "arm = drug (n = 12)" in said["differential-expression"][0]
    sets = pd.read_csv(base / "out/over-representation/over_representation.tsv", sep="\t")
    assert list(sets.loc[(sets["direction"] == "up") & (sets["fdr"] < 0.05), "gene_set"]) == ["SET_0", "SET_1"]


def test_nothing_is_said_about_a_unit_of_time(synthetic: tuple[Path, dict[str, list[str]], Any]) -> None:
    text = " ".join(synthetic[1]["cohort-table"])
    assert "time has a median of" in text
    assert not re.search(r"month|day|year|week", text)


def test_shuffled_groups_give_no_genes_and_no_sets(tmp_path: Path) -> None:
    matrix, sheet = planted(shifted=0)
    said = chain(tmp_path / "out", *write(tmp_path, matrix, sheet), ARM, {"covariates": ["age"]})
    assert " 0 of 200 tested genes differ" in said["differential-expression"][0]
    sets = pd.read_csv(tmp_path / "out/over-representation/over_representation.tsv", sep="\t")
    assert (sets["p"] == 1).all()
    assert "no independent evidence" in said["clustered-heatmap"][0]


AGAIN = """
import json, runpy, sys
for path in sys.argv[1:]:
    script, task = json.loads(path)
    sys.argv = [script, task]
    runpy.run_path(script, run_name="__main__")
"""


def fresh(arguments: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """A new interpreter with another hash seed and nothing of this one's environment."""
    environment = {"PYTHONPATH": str(LIBRARY), "PYTHONHASHSEED": "7", "PATH": os.defpath, "HOME": str(home)}
    command = [sys.executable, "-B", "-W", "error", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_second_run_gives_the_same_bytes(synthetic: tuple[Path, dict[str, list[str]], Any], tmp_path: Path) -> None:
    """The first run was in this process, the second is in another one."""
    calls, pairs = [], []
    for skill in NAMES:
        first, again = synthetic[0] / "out" / skill, tmp_path / skill
        task = json.loads((first / "task.json").read_text("utf-8"))
        task["outputs"] = {k: str(again / Path(v).name) for k, v in task["outputs"].items()}
        again.mkdir()
        (again / "task.json").write_text(json.dumps(task), encoding="utf-8")
        calls.append(json.dumps([str(SKILLS / skill / "scripts" / "run.py"), str(again / "task.json")]))
        pairs += [(first / Path(v).name, Path(v)) for v in task["outputs"].values()]
    done = fresh(["-c", AGAIN, *calls], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for one, other in pairs:
        assert one.read_bytes() == other.read_bytes(), one.name


def test_documented_command_line_works_and_refuses(tmp_path: Path) -> None:
    matrix, sheet = planted()
    for folder, rows, code, said in (
        ("good", sheet, 0, ""),
        ("bad", sheet.iloc[:3], 65, "DATA: only 3 samples are in"),
    ):
        expression, samples, _ = write(tmp_path / folder, matrix, rows)
        inputs = {"expression": expression, "samples": samples}
        task = write_task("expression-filtering", tmp_path / folder / "out", inputs, {})
        done = fresh([str(SKILLS / "expression-filtering" / "scripts" / "run.py"), str(task)], tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1 if code else 0)
        assert done.stderr.startswith(said)


# -- the shipped descriptions --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_skill_is_described_and_its_code_passes_the_reading_check(name: str) -> None:
    skill = load_skill(SKILLS / name, LIBRARY, "shipped")
    contract = skill.contract
    assert 20 < len(skill.description) <= 1024
    assert 'license: MIT\nmetadata:\n  version: "' in (SKILLS / name / "SKILL.md").read_text("utf-8")
    assert [o.file for o in contract.outputs if o.name == "findings"] == ["findings.json"]
    wording = contract.protocol.model_dump_json()
    assert set(re.findall(r"\{(\w+)\}", wording)) <= {
        p.name for p in contract.parameters if p.required or p.default is not None
    }
    assert all(t == t.lower() for t in contract.triggers)
    for item in (*contract.inputs, *contract.parameters, *contract.outputs):
        assert f"`{item.name}`" in skill.instructions
    task = DryLabTask(
        id="T1",
        title=name,
        goal=name,
        step_ids=("1.1",),
        inputs=tuple(TaskInput(name=i.name, dataset="d", file=i.name) for i in contract.inputs),
        outputs=contract.outputs,
        packages=contract.packages,
    )
    report = check_code(task, TaskCode(code=skill.code, support=skill.support, origin="offline"))
    assert (report.outcome, report.warnings, report.varies, report.reads_bytes) == (None, (), False, False)


def test_inputs_taken_from_other_skills_exist() -> None:
    for name in NAMES:
        for item in contract_of(name).inputs:
            if item.kind == "output":
                assert item.skill is not None
                assert item.output in {o.name for o in contract_of(item.skill).outputs}


# -- real data -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def breast(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    out, folder = tmp_path_factory.mktemp("breast"), DATA / "expression" / "breast_gse1992"
    shared = {"sample_column": "pid", "feature_column": "gene", "scale": "log2", "dataset_label": "GSE1992"}
    shared |= {"covariates": ["node_status", "grade", "age"], "time_column": "time", "event_column": "event"}
    group = {"group_column": "er_positive", "case": "1", "control": "0", "missing_values": ["missing"]}
    sets = DATA / "gene_sets" / "h.all.v7.0.symbols.gmt"
    return out, chain(out, folder / "expression_log2.tsv.gz", folder / "clinical.tsv", sets, group, shared)


@needs_data
def test_known_results_of_gse1992(breast: tuple[Path, dict[str, list[str]]]) -> None:
    out, said = breast
    table = pd.read_csv(out / "differential-expression/differential_expression.tsv", sep="\t")
    assert len(table) == 4951
    assert int((table["fdr"] < 0.05).sum()) == 1840
    assert {"GATA3", "ESR1"} <= set(table["gene"][:5])
    assert set(table["n_case"]) == {72}
    assert set(table["n_control"]) == {50}
    assert "1840 of 4951 tested genes differ between er_positive = 1 (n = 72)" in said["differential-expression"][0]
    sets = pd.read_csv(out / "over-representation/over_representation.tsv", sep="\t").groupby("direction")
    assert sets.get_group("up")["gene_set"].iloc[0] == "HALLMARK_ESTROGEN_RESPONSE_EARLY"
    assert sets.get_group("down")["gene_set"].iloc[0] == "HALLMARK_E2F_TARGETS"
    assert "n = 2" in said["cohort-table"][0]
    assert "35 of 124" in said["cohort-table"][1]


@needs_data
def test_filtering_leaves_log2_values_as_they_are(
    breast: tuple[Path, dict[str, list[str]]], bioskill: ModuleType
) -> None:
    before = bioskill.read_expression(DATA / "expression" / "breast_gse1992" / "expression_log2.tsv.gz")
    after = bioskill.read_expression(breast[0] / "expression-filtering" / "filtered_expression.tsv")
    pd.testing.assert_frame_equal(after, before.loc[after.index], check_names=False, check_exact=True)


@needs_data
def test_sex_genes_lead_in_leukaemia(tmp_path: Path) -> None:
    folder = DATA / "expression" / "all_chiaretti"
    group = {"group_column": "sex", "case": "F", "control": "M"}
    sets = DATA / "gene_sets" / "h.all.v7.0.symbols.gmt"
    shared = {"sample_column": "sample", "covariates": ["age", "BT", "mol.biol", "citog"]}
    chain(tmp_path, folder / "expression_log2.tsv.gz", folder / "phenotype.tsv", sets, group, shared)
    table = pd.read_csv(tmp_path / "differential-expression/differential_expression.tsv", sep="\t", index_col=0)
    assert list(table.index[:2]) == ["KDM5D", "DDX3Y"]
    assert table.loc["DDX3Y", "difference"] < 0 < table.loc["XIST", "difference"]


@needs_data
def test_description_column_is_left_out_and_log10_becomes_log2(tmp_path: Path, bioskill: ModuleType) -> None:
    source = DATA / "expression" / "golub" / "golub_all_aml.tsv.gz"
    raw = pd.read_csv(source, sep="\t", index_col=0).iloc[:, 1:]
    sheet = tmp_path / "sheet.tsv"
    pd.DataFrame({"sample": raw.columns, "type": [c[-3:] for c in raw.columns]}).to_csv(sheet, sep="\t", index=False)
    run("expression-filtering", tmp_path / "f", {"expression": source, "samples": sheet}, {"scale": "log10"})
    made = bioskill.read_expression(tmp_path / "f" / "filtered_expression.tsv")
    np.testing.assert_allclose(made, raw.loc[made.index] * np.log2(10), rtol=1e-5)
    said = run(
        "differential-expression",
        tmp_path / "d",
        {"matrix": tmp_path / "f" / "filtered_expression.tsv", "samples": sheet},
        {"group_column": "type", "case": "AML", "control": "ALL", "scale": "log10"},
    )
    assert "type = AML (n = 11) and type = ALL (n = 27)" in said[0]


# -- scales --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "scale", "action"),
    [
        (lambda x: x, None, "left as it is"),
        (lambda x: 2**x, None, "log2(value + 1)"),
        (lambda x: (2**x).round(), None, "log2 counts per million"),
        (lambda x: (2**x).round(), "linear", "log2(value + 1)"),
        (lambda x: x, "counts", "log2 counts per million"),
        (lambda x: x, "z-score", "left as it is"),
        (lambda x: 2**x - 60, None, "log2(value + 1); "),
    ],
)
def test_scale_follows_the_declaration_or_the_rule(tmp_path: Path, make: Any, scale: str | None, action: str) -> None:
    matrix, sheet = planted()
    expression, samples, _ = write(tmp_path, make(matrix), sheet)
    said = run(
        "expression-filtering", tmp_path / "out", {"expression": expression, "samples": samples}, {"scale": scale}
    )
    assert action in said[1]


def test_features_without_information_are_dropped_and_counted(tmp_path: Path) -> None:
    matrix, sheet = planted()
    matrix.iloc[0] = 5.0
    matrix.iloc[1, :10] = np.nan
    matrix.iloc[2, :2] = np.nan
    expression, samples, _ = write(tmp_path, matrix, sheet)
    said = run("expression-filtering", tmp_path / "out", {"expression": expression, "samples": samples}, {})
    assert "198 of 200 features were kept" in said[0]
    assert "1 for share of missing values above 0.2; 1 for same value in all samples" in said[0]
    assert "2 values" in said[2]


def test_odd_and_copied_samples_are_named_but_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    matrix, sheet = planted(shifted=0)
    matrix = matrix.add(rng.normal(0, 3, len(matrix)), axis=0)
    matrix["S03"] = rng.permutation(matrix["S03"])
    matrix["S05"] = matrix["S06"]
    expression, samples, _ = write(tmp_path, matrix, sheet)
    said = run("table-quality-control", tmp_path / "out", {"expression": expression, "samples": samples}, {})
    assert "1 of 24 samples are unlike the others" in said[1]
    assert "(S03)" in said[1]
    assert "copies: 1" in said[1]
    checks = pd.read_csv(tmp_path / "out" / "quality_checks.tsv", sep="\t", index_col=0)
    assert checks.loc["pairs of samples that are copies", "detail"] == "S05 = S06"


def test_sample_sheet_alone_can_be_checked_and_described(tmp_path: Path) -> None:
    _, samples, _ = write(tmp_path, *planted())
    assert len(run("table-quality-control", tmp_path / "q", {"samples": samples}, {})) == 1
    said = run("cohort-table", tmp_path / "c", {"samples": samples}, {"covariates": ["age"]})
    assert said[0].endswith("the cohort has 24 samples.")


# -- bad data ------------------------------------------------------------------------------------------

Change = Any


def _text(matrix: pd.DataFrame, sheet: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    matrix = matrix.astype(object)
    matrix.iloc[3, 4] = "high"
    return matrix, sheet


BAD: dict[str, tuple[Change, str]] = {
    "text among numbers": (_text, "column 'S04', row 'GEN3' holds text where a number is expected: 'high'"),
    "infinite": (lambda m, s: (m.replace(m.iloc[0, 0], np.inf), s), "holds infinite values"),
    "other names": (lambda m, s: (m.add_prefix("X"), s), "only 0 samples are in both the matrix (24)"),
    "three samples": (lambda m, s: (m.iloc[:, :3], s.iloc[:3]), "only 3 samples are in both"),
    "repeated sample": (lambda m, s: (m, pd.concat([s, s.iloc[:1]])), "sample 'S00' occurs more than once"),
    "repeated column": (lambda m, s: (m.rename(columns={"S01": "S00"}), s), "two columns are called 'S00'"),
}


@pytest.mark.parametrize("problem", BAD)
@pytest.mark.parametrize("skill", NAMES[:3])
def test_unusable_tables_end_with_one_clear_line(
    skill: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, message = BAD[problem]
    expression, samples, _ = write(tmp_path, *change(*planted()))
    refused(skill, tmp_path, {"expression": expression, "samples": samples}, ARM, message, capsys)


def refused(
    skill: str, tmp_path: Path, inputs: dict[str, Path], parameters: dict[str, Any], message: str, capsys: Any
) -> None:
    known = {p.name for p in contract_of(skill).parameters}
    with pytest.raises(SystemExit) as ended:
        run(skill, tmp_path / "out", inputs, {k: v for k, v in parameters.items() if k in known})
    assert ended.value.code == 65
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("DATA: ")
    assert message in lines[0]


@pytest.mark.parametrize("skill", [NAMES[1], *NAMES[3:6]])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (ARM | {"control": "placebo"}, "'placebo' has 0 samples"),
        (ARM | {"group_column": "nope"}, "the sample sheet has no column 'nope' (it has: arm, age"),
    ],
)
def test_missing_group_or_column_is_named(
    skill: str, parameters: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expression, samples, _ = write(tmp_path, *planted())
    table = tmp_path / "de.tsv"
    pd.DataFrame({"gene": ["GEN0", "GEN1", "GEN2"], "p": [0.1, 0.2, 0.3]}).to_csv(table, sep="\t", index=False)
    inputs = {"matrix": expression, "samples": samples, "differential": table}
    refused(skill, tmp_path, inputs, parameters, message, capsys)


def test_declared_logarithm_that_the_values_contradict_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix, sheet = planted()
    expression, samples, _ = write(tmp_path, 2**matrix, sheet)
    inputs = {"expression": expression, "samples": samples}
    refused("expression-filtering", tmp_path, inputs, {"scale": "log2"}, "declared as 'log2' but the 99th", capsys)


def test_gene_sets_of_other_identifiers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, sets = tmp_path / "de.tsv", tmp_path / "sets.gmt"
    pd.DataFrame({"gene": ["a", "b"], "difference": [1, -1], "fdr": [0.01, 0.5]}).to_csv(table, sep="\t", index=False)
    sets.write_text("SET\tx\tENSG1\tENSG2\n")
    inputs = {"differential": table, "gene_sets": sets}
    refused("over-representation", tmp_path, inputs, {}, "none of the 1 gene sets has 10 to 500 genes", capsys)
