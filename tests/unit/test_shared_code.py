"""The helper module of a protocol's definitions: what is in it, that it was imported, and that tasks can import it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from stages_support import caller

from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.ask_program import CodeDraft
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import DryLabTask, Limits, Outcome, TaskInput, TaskOutput
from bioresearcher.schemas.protocol import Definition, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages import program, shared_code
from bioresearcher.stages.script import code_for

SCORE = "def score(x):\n    return float(np.mean(x))"


def protocol(*codes: str) -> Protocol:
    known = tuple(Definition(name=f'D{n} "x" \\', text="t", code=c) for n, c in enumerate(codes, 1))
    step = ProtocolStep(id="1.1", title="s", action="Do.", kind="dry", origin="model")
    part = ProtocolPart(id="1", title="p", purpose="p", steps=(step,))
    values = {"id": "p", "title": "t", "objective_id": "o", "parts": (part,), "definitions": known, "origin": "model"}
    return Protocol.model_validate(values)


def test_the_module_has_the_definitions_that_read_no_file() -> None:
    reads, uses = 'SHEET = table("d", "samples")', "def rows():\n    return len(SHEET)"
    module = shared_code.definitions_module(protocol(SCORE, reads, uses, "x = (1", "", "LIMIT = 0.05"))
    made = {n.name for n in ast.parse(module.text).body if isinstance(n, ast.FunctionDef)}
    assert made == {"score"}
    assert "LIMIT = 0.05" in module.text
    assert re.findall(r"as they ([\w ]+): (D\d)", module.told) == [
        ("read files", "D2"),
        ("build on such", "D3"),
        ("are no Python", "D4"),
    ]


def test_a_definition_that_reads_no_file_is_not_said_to_read_one() -> None:
    states = 'def told(x):\n    finding(f"It is {x}.")'
    module = shared_code.definitions_module(protocol("SHUFFLES = 20 if REHEARSAL else 1000", states))
    assert re.findall(r"as they ([\w ]+): (D\d)", module.told) == [("write files or state findings and counts", "D2")]
    assert "REHEARSAL = False" in module.text
    assert "SHUFFLES = 20 if REHEARSAL else 1000" in module.text


def test_a_protocol_without_code_has_no_module() -> None:
    assert shared_code.definitions_module(protocol("", " ")) == shared_code.SharedCode()


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (SCORE, ""),
        ("LIMIT = 1 / 0", "ZeroDivisionError: division by zero"),
        ("import not_installed_anywhere", "No module named 'not_installed_anywhere'"),
    ],
)
async def test_a_module_is_offered_once_it_was_imported(code: str, told: str) -> None:
    module = await shared_code.tried(choose_sandbox("auto"), shared_code.definitions_module(protocol(code)))
    assert bool(module.text) is (told == "")
    assert told in module.told


def test_code_that_is_shown_says_that_the_definitions_can_be_imported() -> None:
    shown = code_for(protocol(SCORE), ("1.1",), shared_code.NAME)
    assert shown.splitlines()[0] == "# These definitions can be imported: from protocol_definitions import …"
    assert "def score" in shown
    assert code_for(protocol(""), ("1.1",), shared_code.NAME) == ""


@pytest.fixture
def cohort(tmp_path: Path) -> Dataset:
    folder = tmp_path / "cohort"
    folder.mkdir()
    rows = "\n".join(f"s{n},{'ab'[n % 2]},{20 + n}" for n in range(12))
    (folder / "samples.csv").write_text(f"sample,tissue,age\n{rows}\n")
    return load_datasets([folder])[0][0]


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_models_script_imports_the_definitions(tmp_path: Path, cohort: Dataset) -> None:
    code = (
        "import bioskill\nfrom protocol_definitions import score\ntask = bioskill.load_task()\n"
        "ages = bioskill.read_table(task.input('samples'))['age'].astype(float)\nage = score(ages)\n"
        "bioskill.write_findings([(f'The mean is {age:.2f}.', {'mean': age})], task.outputs['findings'])\n"
    )
    from bioresearcher.resources import Resources
    from bioresearcher.skills import load_skills

    task = DryLabTask(
        id="T1",
        title="Mean age",
        goal="Mean age.",
        step_ids=("1.1",),
        inputs=(TaskInput(name="samples", dataset=cohort.id, file="samples"),),
        outputs=(TaskOutput(name="findings", file="findings.json", kind="findings"),),
    )
    plan = protocol(SCORE)
    tmp_path.chmod(0o755)
    bench = program.Workbench(
        tmp_path / "tasks",
        {cohort.id: cohort},
        {"T1": task},
        load_skills(Resources()),
        choose_sandbox("auto"),
        Limits(wall_s=60, cpu_s=60),
        protocol=plan,
        definitions=shared_code.definitions_module(plan).text,
    )
    door = caller(tmp_path, [CodeDraft(code=code)], rules=False)
    record = await program.program_task(door, bench, task)
    assert record.outcome is Outcome.VERIFIED, record.message
    assert "from protocol_definitions import" in door.backend.requests[0].messages[-1].content
