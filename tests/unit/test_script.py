"""The script of a protocol: put together from its code, rehearsed, mended by the author, and printed."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from author_support import OBJECTIVE, dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from stages_support import caller, notes

from bioresearcher.audit.rehearsal import make_copies
from bioresearcher.report.protocol_content import ProtocolContent
from bioresearcher.report.protocol_markdown import render_for_review, render_protocol
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.ask_design import MendedScript, StepCode, TextEdit
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import Definition, Protocol, ProtocolPart, ProtocolStep, Rehearsal, ShapingFact
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.mend_script import Stage, code_changes, rehearsed
from bioresearcher.stages.script import made_files, problem_of, script_of, with_code

READ = 'sheet = table("cohort", "samples")\nvalues = matrix("cohort", "expression")\ncheck("samples", len(sheet), 6)'
WRITE = 'sheet.to_csv(OUT / "sheet.csv", index=False)\nprint(score(values).round(2).tolist())'


def protocol(*codes: str, definition: str = "", **more: object) -> Protocol:
    steps = tuple(
        ProtocolStep(
            id=f"1.{n}",
            title=f"Do {n}",
            action=f"Do the thing {n}.",
            acceptance=f"It is done {n} times.",
            rationale="It is needed.",
            code=code,
            kind="dry",
            origin="model",
        )
        for n, code in enumerate(codes, 1)
    )
    part = ProtocolPart(id="1", title="All", purpose="To do all.", steps=steps)
    known = (Definition(name="Score", text="The mean.", code=definition),) if definition else ()
    values = {"id": "p", "title": 'A "plan"', "objective_id": "o", "parts": (part,), "definitions": known}
    return Protocol.model_validate({**values, "origin": "model", **more})


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Dataset, ...]:
    folder = tmp_path / "cohort"
    folder.mkdir()
    rows = "\n".join(f"s{n},{'tumour' if n % 2 else 'normal'},{20 + n}" for n in range(6))
    (folder / "samples.csv").write_text(f"sample,tissue,age\n{rows}\n")
    cells = "\n".join(",".join([f"G{g}", *(str(g + n / 10) for n in range(6))]) for g in range(4))
    (folder / "expression.csv").write_text(f"gene,{','.join(f's{n}' for n in range(6))}\n{cells}\n")
    return tuple(load_datasets([folder])[0])


def test_the_script_holds_definitions_then_steps_and_knows_whose_each_line_is() -> None:
    script = script_of(protocol("a = 1", "", "b = a + 1", definition="def score(x):\n    return x"), (dataset(),))
    assert script is not None
    lines = script.text.splitlines()
    assert [p for p, _, _ in script.places] == ["definition Score", "step 1.1", "step 1.3"]
    for place, first, last in script.places:
        assert script.place_of(first) == script.place_of(last) == place
    assert lines[script.places[2][1] - 1] == "b = a + 1"
    assert script.place_of(1) == script.place_of(None) == ""
    assert ast.get_docstring(ast.parse(script.text)).startswith("A 'plan'")


def test_a_protocol_without_code_has_no_script() -> None:
    assert script_of(protocol("", ""), ()) is None


@settings(max_examples=25, deadline=None)
@given(title=st.text(max_size=60), heading=st.text(max_size=40))
def test_no_title_breaks_the_script(title: str, heading: str) -> None:
    made = protocol("a = 1", title=title or "t")
    step = made.steps[0].model_copy(update={"title": heading})
    made = made.model_copy(update={"parts": (made.parts[0].model_copy(update={"steps": (step,)}),)})
    script = script_of(made, (dataset(),))
    assert script is not None
    assert problem_of(script) == ("", "")


def test_a_title_begins_no_tag_where_the_script_is_printed() -> None:
    made = protocol("a = 1", title="<script>alert(1)</script> at FDR < 0.05")
    script = script_of(made, (dataset(),))
    assert script is not None
    assert '"""< script>alert(1)< /script> at FDR < 0.05' in script.text


@pytest.mark.parametrize(
    ("code", "said", "place"),
    [("a = (1", "is no Python", "step 1.1"), ("x = '" + "a" * 70_000 + "'", "more than 60,000 bytes", "")],
)
def test_what_cannot_be_run_says_why_and_where(code: str, said: str, place: str) -> None:
    script = script_of(protocol(code), ())
    assert script is not None
    assert said in problem_of(script)[0]
    assert problem_of(script)[1] == place


def test_code_is_put_in_by_the_names_of_steps_and_definitions_and_unknown_places_are_told() -> None:
    before = protocol("a = 1", "b = 2", definition="c = 3")
    pieces = [("Step 1.2", "b = 3"), ("definition: score", "c = 4"), ("step 9.9", "d = 5"), ("1.1 code", "a = 2")]
    after, lost = with_code(before, [StepCode(place=p, code=c) for p, c in pieces])
    assert [s.code for s in after.steps] == ["a = 2", "b = 3"]
    assert after.definitions[0].code == "c = 4"
    assert lost == ("step 9.9",)
    assert "step 1.2:\n```python\nb = 3\n```" in code_changes(before, after)
    assert code_changes(before, before) == ""


def test_the_script_runs_alone_on_the_files_as_given(tmp_path: Path, cohort: tuple[Dataset, ...]) -> None:
    script = script_of(protocol(READ, WRITE, definition="def score(x):\n    return x.mean()"), cohort)
    assert script is not None
    (tmp_path / "p.py").write_text(script.text)
    run = subprocess.run(
        [sys.executable, "p.py"],
        cwd=tmp_path,
        env={**os.environ, "DATA": str(tmp_path), "OUT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines()[0] == "samples: 6"
    assert (tmp_path / "sheet.csv").read_text().startswith("sample,tissue,age\ns0,normal,20")


def test_a_count_that_differs_stops_the_script_and_in_a_rehearsal_only_where_it_can_be_known(tmp_path: Path) -> None:
    for planned, shuffled, rehearsal, code in [
        (5, False, "1", 1),
        (5, True, "1", 0),
        (5, True, "", 1),
        (6, False, "", 0),
    ]:
        script = script_of(protocol(f'check("n", 6, {planned}, shuffled={shuffled})'), ())
        assert script is not None
        (tmp_path / "p.py").write_text(script.text)
        run = subprocess.run(
            [sys.executable, "p.py"], cwd=tmp_path, env={**os.environ, "REHEARSAL": rehearsal}, capture_output=True
        )
        assert run.returncode == code, (planned, shuffled, rehearsal)


async def _stage(tmp_path: Path, cohort: tuple[Dataset, ...], replies, events) -> Stage:
    sandbox = choose_sandbox("bubblewrap")
    copies = make_copies(cohort, OBJECTIVE, tmp_path / "copies")
    return Stage(caller(tmp_path, replies, events, rules=False), OBJECTIVE, cohort, sandbox, copies)


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_script_that_fails_is_mended_and_rehearsed_again(tmp_path: Path, cohort: tuple[Dataset, ...]) -> None:
    mend = MendedScript(
        code=(StepCode(place="step 1.2", code=WRITE),),
        edits=(TextEdit(place="step 1.1", old="the thing 1", new="the thing with 6 samples"),),
    )
    events: list = []
    stage = await _stage(tmp_path, cohort, [mend], events)
    broken = protocol(READ, "print(absent)", definition="def score(x):\n    return x.mean()")
    done = await rehearsed(stage, broken)
    (request,) = stage.caller.backend.requests
    asked = request.messages[-1].content
    assert "it ended in step 1.2" in asked
    assert "NameError" in asked
    assert "samples: 6" in asked
    assert done.rehearsal is not None
    assert done.rehearsal.ok
    assert done.steps[0].action == "Do the thing with 6 samples."
    assert done.steps[1].code == WRITE
    assert await rehearsed(stage, done) == done  # the same script is not run again


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_script_that_never_runs_stays_and_says_so(tmp_path: Path, cohort: tuple[Dataset, ...]) -> None:
    events: list = []
    stage = await _stage(tmp_path, cohort, [MendedScript(), MendedScript(), MendedScript()], events)
    done = await rehearsed(stage, protocol(READ, "raise ValueError('no')"))
    assert done.rehearsal is not None
    assert not done.rehearsal.ok
    assert done.rehearsal.place == "step 1.2"
    text = render_protocol(ProtocolContent(done, datasets=cohort))
    assert "Its last rehearsal did not run to its end" in text
    assert "it ended in step 1.2" in text
    assert "ended in step 1.2" in notes(events)


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_an_error_in_the_head_is_placed_where_the_author_called_it(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    stage = await _stage(tmp_path, cohort, [MendedScript()] * 3, [])
    done = await rehearsed(stage, protocol(READ, 'table("cohort", "absent.csv")'))
    assert done.rehearsal is not None
    assert (done.rehearsal.ok, done.rehearsal.place) == (False, "step 1.2")
    assert "there is no file 'absent.csv'" in done.rehearsal.error
    by_name = protocol('print(len(table("cohort", "samples.csv")))')
    assert (await rehearsed(stage, by_name, 1)).rehearsal.ok


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_how_a_rehearsal_went_is_kept_and_not_run_again(tmp_path: Path, cohort: tuple[Dataset, ...]) -> None:
    stage = await _stage(tmp_path, cohort, [MendedScript()], [])
    first = await rehearsed(stage, protocol(READ))

    class Unused:
        name = "unused"

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"the sandbox was used: {name}")

    later = replace(stage, caller=caller(tmp_path, [MendedScript()], rules=False), sandbox=Unused())
    assert await rehearsed(later, protocol(READ)) == first


@pytest.mark.sandbox
@pytest.mark.usefixtures("no_sandbox_skip")
async def test_a_rehearsal_that_ran_to_its_end_asks_only_where_its_print_shows_a_fault(
    tmp_path: Path, cohort: tuple[Dataset, ...]
) -> None:
    stage = await _stage(tmp_path, cohort, [MendedScript()], [])
    done = await rehearsed(stage, protocol(READ, WRITE, definition="def score(x):\n    return x.mean()"))
    assert done.rehearsal is not None
    assert done.rehearsal.ok
    assert stage.caller.backend.requests == []
    assert "first lines of sheet.csv" in done.rehearsal.shown
    assert "s0,tumour,20" in done.rehearsal.shown  # shuffled
    await rehearsed(stage, protocol(READ, "print('hazard ratio', float('nan'))"))
    (request,) = stage.caller.backend.requests
    assert "hazard ratio nan" in request.messages[-1].content


async def test_nothing_is_rehearsed_without_code_or_without_isolation(tmp_path: Path) -> None:
    stage = Stage(caller(tmp_path, [], [], rules=False), OBJECTIVE, (), None, None)
    for made in (protocol("a = 1"), protocol("")):
        assert await rehearsed(stage, made) == made
    assert "**It was not rehearsed**" in render_protocol(ProtocolContent(protocol("a = 1")))
    assert "rehearsed" not in render_protocol(ProtocolContent(protocol("")))


def test_the_printed_protocol_has_short_steps_and_the_script_at_its_end(cohort: tuple[Dataset, ...]) -> None:
    made = protocol(
        READ,
        "print('```')",
        definition="def score(x):\n    return x",
        answer_rule=("P < 0.05 → supported", "P ≥ 0.05 → inconclusive"),
        facts=(ShapingFact(fact="F1", finding="Two patients share one number.", consequence="Both are left out."),),
        rehearsal=Rehearsal(ok=True, shown="samples: 6", sha256="0"),
    )
    assert "not rehearsed after its last change" in render_protocol(ProtocolContent(made, datasets=cohort))
    script = script_of(made, cohort)
    assert script is not None
    digest = hashlib.sha256(script.text.encode()).hexdigest()
    made = made.model_copy(update={"rehearsal": Rehearsal(ok=True, shown="samples: 6", sha256=digest)})
    text = render_protocol(ProtocolContent(made, datasets=cohort))
    assert "| P &lt; 0.05 | supported |" in text or "| P < 0.05 | supported |" in text
    assert "| Two patients share one number. | Both are left out. |" in text
    assert text.index("## Script") > text.index("### 1.2 Do 2")
    assert "Rehearsed from end to end" in text
    assert "*Check.* It is done 1 times." in text
    assert "Inputs:" not in text
    assert "Rests on" not in text
    assert "## Notes" not in text
    assert text.count("\n````python\n") == 1 == text.count("def score")
    review = render_for_review(made, ProtocolContent(made).audit)
    assert review.count("def score") == 1
    assert review.index("def score") < review.index("### 1.1 Do 1")
    assert "samples: 6" in review


def test_the_rows_of_a_question_lie_beside_a_script_that_reads_them(cohort: tuple[Dataset, ...]) -> None:
    rows = cohort[0].model_copy(update={"id": "cohort-A1", "analysis_of": "cohort"})
    told = protocol('finding("It is so.", n=6, population="cohort-A1")', definition=READ)
    assert made_files(told, (*cohort, rows)) == ()
    read = protocol('sheet = table("cohort-A1", "samples")')
    assert {d.id for d, _ in made_files(read, (*cohort, rows))} == {"cohort-A1"}


def test_what_the_rules_did_not_understand_is_no_limitation_of_a_plan_that_carries_a_script() -> None:
    said = ("Not understood: “adult”: no column is called so.", "One cohort only.")
    scripted = ProtocolContent(protocol("a = 1", limitations=said))
    assert (scripted.statements, scripted.messages) == (("One cohort only.",), said[:1])
    assert ProtocolContent(protocol("", limitations=said)).statements == said
