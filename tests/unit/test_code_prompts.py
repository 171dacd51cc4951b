"""What the programmer is shown: whole steps and definitions, and every identifier that its instructions mention."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bioresearcher.execution.inside.describe_inputs import LIMIT, texts
from bioresearcher.prompts import LoadedPrompt
from bioresearcher.resources import Resources
from bioresearcher.schemas.ask_program import CodeDraft, CodeEdit, ProgrammerTurn, RepairCodeInput, WriteCodeInput
from bioresearcher.schemas.conversation import CellAction, Said
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome
from bioresearcher.schemas.protocol import Definition, Protocol
from bioresearcher.skills import load_skills
from bioresearcher.stages.cells import words_of_limits
from bioresearcher.stages.code_material import (
    definitions_for,
    examples_for,
    helper_lines,
    step_briefs,
    unread_citations,
)
from bioresearcher.stages.prompts import REPAIR_CODE, WRITE_CODE

SKILLS = load_skills(Resources())
RULE = "Clause (f): drop both samples of a pair whose XIST lies above 6.5 and whose label says male. " * 40
STEP = {
    "id": "2.1",
    "title": "Apply the written rules",
    "action": f"Apply rules (a) to (f) to the eligible samples. {RULE}",
    "rationale": "Labels contradict the markers.",
    "parameters": [{"name": "xist_limit", "value": "6.5", "unit": "log2"}],
    "inputs": [{"name": "samples", "source": "dataset:D1/samples"}],
    "outputs": [{"name": "kept", "kind": "table", "description": "samples that stay"}],
    "software": ["pandas"],
    "acceptance": "At least 60 pairs stay, and no pair has one sample.",
    "kind": "dry",
    "origin": "model",
    "citations": [
        {"kind": "passage", "ref": "PMC77/2.3", "claim": "XIST tells sex", "state": "supported"},
        {"kind": "passage", "ref": "PMC78/1.1", "claim": "a claim that was cut", "state": "cut"},
    ],
}


def protocol() -> Protocol:
    definitions = [
        {"name": "Eligible sample", "text": "A primary tumour of a patient with a known Stage rule."},
        {"name": "Stage rule", "text": "T3 or above.", "code": "STAGE_MIN = 3\ndef stage_ok(x):\n    return x >= 3"},
        {"name": "Hypoxia score", "text": "The mean of 54 genes."},
    ]
    part = {"id": "2", "title": "p", "purpose": "p", "steps": [STEP, {**STEP, "id": "2.2", "action": "Another."}]}
    return Protocol.model_validate(
        {
            "id": "o",
            "title": "t",
            "objective_id": "o",
            "parts": [part],
            "origin": "model",
            "definitions": definitions,
        }
    )


def task(language: str = "python", skill: str | None = None) -> DryLabTask:
    outputs = [
        {"name": "table", "file": "kept.tsv", "kind": "table", "columns": [{"name": "sample"}]},
        {"name": "findings", "file": "findings.json", "kind": "findings"},
        {"name": "figure", "file": "f.png", "kind": "figure"},
    ]
    inputs = [
        {"name": "samples", "dataset": "D1", "file": "samples"},
        {"name": "expression", "dataset": "D1", "file": "expression"},
        {"name": "matrix", "task": "T1", "output": "matrix"},
    ]
    return DryLabTask.model_validate(
        {
            "id": "T2",
            "title": "Rules on survival",
            "goal": "Apply the rules to score and survival",
            "step_ids": ["2.1"],
            "inputs": inputs,
            "outputs": outputs,
            "parameters": {"sample_column": "sample"},
            "language": language,
            "skill": skill,
        }
    )


def material(language: str = "python", skill: str | None = None) -> ProgrammerTurn:
    one = task(language, skill)
    return ProgrammerTurn(
        packages=("pandas 2", "numpy 2"),
        limits=words_of_limits(Limits(), cells=language == "python"),
        helpers=helper_lines(SKILLS, one.language, f"{one.title} {one.goal}"),
        examples=examples_for(one, SKILLS),
        definitions=definitions_for(protocol(), one),
        task=one,
        steps=step_briefs(protocol(), one),
        questions=("A1: does it differ; kind `difference`",),
        input_schemas="samples (s.tsv): 20 rows",
        cells=language == "python",
    )


def first_turn(language: str = "python", skill: str | None = None) -> str:
    fields = {n: getattr(material(language, skill), n) for n in ProgrammerTurn.model_fields}
    values = WriteCodeInput(**fields, round=1, rounds=6)
    return "\n".join(m.content for m in WRITE_CODE.load(Resources()).render(values))


def repair_turn(language: str = "python", code: str = "") -> str:
    fields = {n: getattr(material(language), n) for n in ProgrammerTurn.model_fields}
    said = () if code else (Said(role="user", text="u"), Said(role="assistant", text="a"))
    values = RepairCodeInput(
        **{**fields, "said": said},
        round=1,
        rounds=4,
        code=code,
        outcome=Outcome.BAD_OUTPUT,
        message="3 numbers stand in no table: 4.2, 17, 0.03",
        output_tail="",
        another_way=True,
    )
    loaded: LoadedPrompt[RepairCodeInput, CodeDraft] = REPAIR_CODE.load(Resources())
    return "\n".join(m.content for m in loaded.render(values))


def test_the_whole_step_and_what_it_names_are_shown_and_nothing_is_cut() -> None:
    shown = first_turn()
    for words in (
        RULE.strip(),
        "Labels contradict the markers.",
        "Parameter xist_limit = 6.5 log2",
        "It succeeded if: At least 60 pairs stay, and no pair has one sample.",
        "XIST tells sex (PMC77/2.3)",
        "A primary tumour of a patient",
        "STAGE_MIN = 3",
        "a run ends after 300 s of wall time",
        "at most 2,048 MB of memory",
    ):
        assert words in shown
    assert "a claim that was cut" not in shown
    assert "Hypoxia score" not in shown, "a definition that nothing names is left out"
    assert "Another." not in shown, "other steps are not the task's"
    assert "…" not in shown.replace('[{"statement": …, "values": {…}, "result": {…}}]', "")


def test_the_checks_that_outputs_meet_are_announced_in_both_languages() -> None:
    for language in ("python", "r"):
        shown = first_turn(language)
        for words in ("changed copies of its inputs", "Every number in a text output", "A findings file is a list"):
            assert words in shown
        assert ("Cells:" in shown) == (language == "python")


@pytest.mark.parametrize("language", ["python", "r"])
def test_every_identifier_that_instructions_mention_is_defined_by_what_is_shown(language: str) -> None:
    """Names in backquotes are helpers shown with a signature, fields of the answer or of a file, or outcomes."""
    values = material(language)
    helpers = {line.split("(")[0].split(":")[0] for line in values.helpers}
    answer = {*CodeDraft.model_fields, *CodeEdit.model_fields, *CellAction.model_fields, "cell", "reset"}
    files = {"inputs", "outputs", "parameters", "seed", "statement", "values", "result", "population", "dataset_label"}
    outcomes = {o.value for o in Outcome}
    shown = {*helpers, *answer, *files, *outcomes, "features", "kind", "difference"}
    for text in (first_turn(language), repair_turn(language), repair_turn(language, "x = 1")):
        for mention in re.findall(r"`([^`\n]+)`", text.split("Helper functions:")[0] + text.split("Language:")[-1]):
            name = re.findall(r"[\w.$]+", mention)[0]
            known = name in shown or name.startswith(("python", "Rscript", "task$", "list"))
            assert known or name in {"bioskill.R", "vetted"}, mention
    called = set(re.findall(r"\b(bioskill\.\w+|bs_\w+)\(", first_turn(language)))
    assert called <= helpers | {"bs_fail"}, called - helpers


def test_helpers_fit_a_page_and_special_modules_come_with_their_tasks() -> None:
    plain = helper_lines(SKILLS, "python", "a table of ages")
    survival = helper_lines(SKILLS, "python", "Cox model of overall survival")
    assert not any(line.startswith("biosurvival.") for line in plain)
    assert any(line.startswith("biosurvival.fit_cox(data, time='time', event='event')") for line in survival)
    assert len("\n".join(plain)) < 6_500
    assert all("\n" not in line for line in survival)


def test_a_failure_has_everything_at_once_and_the_script_only_where_it_is_not_said_already() -> None:
    assert "4.2, 17, 0.03" in repair_turn()
    assert "Your script was run clean." in repair_turn()
    assert "x = 1" in repair_turn(code="x = 1")
    assert RULE.strip() in repair_turn(code="x = 1"), "a repair that begins anew has the whole step, too"


def test_definitions_are_found_by_name_and_by_the_functions_of_their_code() -> None:
    plan = protocol()
    by_code = Definition(name="Zeta", text="t", code="def tumour_sets(x):\n    return x")
    step = plan.parts[0].steps[0].model_copy(update={"action": "Call tumour_sets on all."})
    part = plan.parts[0].model_copy(update={"steps": (step,)})
    plan = plan.model_copy(update={"parts": (part,), "definitions": (*plan.definitions, by_code)})
    assert [d.name for d in definitions_for(plan, task())] == ["Zeta"]
    assert definitions_for(None, task()) == ()


@pytest.mark.parametrize(
    ("code", "cited"),
    [
        ("# as Ritchie et al. (2015)\nx = 1", ("Ritchie et al. (2015",)),
        ("x = 'PMID: 26000000'", ("PMID: 26000000",)),
        ("# doi:10.1000/xyz.1", ("doi:10.1000/xyz.1",)),
        ("# PMC77 says so; Benjamini-Hochberg\ny = 2015", ()),
        ("import numpy\n# Cox model, 10.5 of 12", ()),
    ],
)
def test_citations_of_what_nobody_read_are_found(code: str, cited: tuple[str, ...]) -> None:
    assert unread_citations(code, ["PMC77/2.3"]) == cited
    assert unread_citations(code, [code]) == ()


def describe(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return texts([{"name": "x", "path": str(folder / name)}])[0]


def test_texts_are_shown_in_full_and_long_ones_with_both_ends(tmp_path: Path) -> None:
    rules = "\n".join(f"({c}) If a, b and c, then the sample is dropped; rule {c}." for c in "abcdefgh" * 5)
    assert rules in describe(tmp_path, "rules.txt", rules)
    assert rules in describe(tmp_path, "rules.md", rules)
    long = describe(tmp_path, "long.txt", rules * 9 + "\nTHE END")
    assert "THE END" in long
    assert "(a) If a, b" in long
    assert "left out" in long
    assert "3 rows × 2 columns" in describe(tmp_path, "table.txt", "a\tb\n1\t2\n3\t4\n5\t6\n")
    assert "2 rows × 2 columns" in describe(tmp_path, "table2.txt", "a,b\n1,2\n3,4\n")


def test_json_is_shown_as_the_tree_of_its_keys_with_values(tmp_path: Path) -> None:
    small = {"limit": 6.5, "rule": "drop both"}
    assert '"limit": 6.5' in describe(tmp_path, "small.json", json.dumps(small))
    large = {"limits": {"xist": 6.5, "text": "x" * 100}, "genes": [f"G{n}" for n in range(2000)], "deep": [{"a": [1]}]}
    shown = describe(tmp_path, "large.json", json.dumps(large))
    for words in ('"xist": 6.5', '"genes": 2000 items', 'item 1: "G0"', "x" * 100):
        assert words in shown
    assert len(shown) <= LIMIT
    assert "cannot be read" in describe(tmp_path, "bad.json", "{" * 4000)


def test_columns_show_ten_identifiers_all_levels_and_whole_cells(tmp_path: Path) -> None:
    levels = [f"level {n} of a grouping" for n in range(12)]
    title = "N035 Normal Human Kidney, adjacent to the tumour of patient 35; age 63, male, cortex, second hybridisation"
    rows = [f"N{n:03d}\t{levels[n % 12]}\t{title} {n}" for n in range(40)]
    shown = describe(tmp_path, "s.tsv", "sample\tgroup\ttitle\n" + "\n".join(rows) + "\n")
    assert all(f"'N{n:03d}'" in shown for n in range(10))
    assert all(f"{level!r} (" in shown for level in levels)
    assert f"{title} 0" in shown
