"""What the report takes from a run folder, finished, broken off or damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import report_support as builder

from bioresearcher.errors import RunFolderError
from bioresearcher.report import html as html_pages
from bioresearcher.report import markdown as text_pages
from bioresearcher.report import summaries
from bioresearcher.report.caveats import not_verified
from bioresearcher.report.first_page_markdown import render_first_page
from bioresearcher.report.html import render_html
from bioresearcher.report.run_data import load_view
from bioresearcher.report.write import write_reports
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers, QuestionAnswer
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets, FlowStep


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return builder.build_run(tmp_path_factory.mktemp("run") / "2026-01-05-breast")


@pytest.fixture
def folder(whole, tmp_path):
    return RunFolder(Path(shutil.copytree(whole.root, tmp_path / whole.root.name)))


def edit(folder: RunFolder, name: str, **changes: object) -> None:
    path = folder.path(*name.split("/"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_finished_run_misses_nothing(whole):
    view = load_view(whole)
    assert (view.missing, view.problems) == ((), ())
    assert [t.task.id for t in view.tasks] == ["T1", "T2", "T3", "T10"]
    assert set(view.quotes.values()) == {"found"}


def test_both_rates_stand_side_by_side(whole):
    counted = summaries.task_rates(load_view(whole))
    assert (counted.verified, counted.exit_ok, counted.tasks) == (2, 3, 4)
    assert (counted.verified_rate, counted.exit_rate) == ("50 %", "75 %")
    assert sum(n for _, n in counted.ladder) == 4


def test_findings_come_from_verified_tasks_only_and_stand_under_their_part(whole):
    view = load_view(whole)
    parts = summaries.findings_by_part(view)
    assert [(p.title, len(p.rows)) for p in parts] == [("Expression differences", 2), ("Survival", 2)]
    assert all(row.task.verified for part in parts for row in part.rows)
    assert parts[1].rows[0].datasets == ("GSE1992", "GSE4335")


def test_what_did_not_replicate_is_taken_from_the_statement(whole):
    rows = summaries.negative_findings(summaries.findings_by_part(load_view(whole)))
    assert [r.task.task.id for r in rows] == ["T2"]


@pytest.mark.parametrize(
    ("statement", "negative"),
    [
        ("The association did not replicate in B.", True),
        ("The signature was not confirmed.", True),
        ("It failed to replicate.", True),
        ("It could not be validated.", True),
        ("The association replicated in B.", False),
        ("Samples without replicates were dropped.", False),
    ],
)
def test_negative_statements_are_recognised(whole, statement, negative):
    row = summaries.findings_by_part(load_view(whole))[0].rows[0]
    other = row.finding.model_copy(update={"statement": statement})
    assert summaries.FindingRow(row.task, other, ()).negative is negative


def test_a_verified_task_whose_output_was_changed_states_no_result(folder):
    folder.path("tasks", "T1", "outputs", "differential.tsv").write_text("gene\nX\n")
    view = load_view(folder)
    assert [p.title for p in summaries.findings_by_part(view)] == ["Survival"]
    assert summaries.task_rates(view).verified == 1
    assert any("outputs are not as the task wrote them (differential)" in s for s in not_verified(view))
    assert any(s.tone == "bad" and "changed" in s.text for s in summaries.stamps(view))


def test_a_quote_that_left_its_text_is_said(folder):
    edit(folder, "documents/PMID10963602.json", text="x" * 900)
    view = load_view(folder)
    assert "not found" in view.quotes.values()
    assert any("no longer found in the stored text" in s for s in not_verified(view))


def test_a_quote_without_its_text_is_not_called_found(folder):
    shutil.rmtree(folder.path("documents"))
    assert set(load_view(folder).quotes.values()) == {"not rechecked"}


def test_tasks_without_a_sandbox_are_stamped(tmp_path):
    view = load_view(builder.build_run(tmp_path / "run", sandbox="none"))
    assert summaries.Stamp("3 tasks ran UNSANDBOXED", "bad") in summaries.stamps(view)
    assert any(s.startswith("Code ran without a sandbox in T1, T2, T3") for s in not_verified(view))


def test_a_run_without_any_sandbox_and_code_says_so(tmp_path):
    folder = RunFolder(tmp_path)
    builder.write_run(folder, status="stopped", sandbox="")
    texts = [s.text for s in summaries.stamps(load_view(folder))]
    assert texts == ["Run stopped: budget", "No sandbox was used: no code was run"]


def test_what_was_not_verified_names_everything_open(whole):
    said = not_verified(load_view(whole))
    for words in (
        "Task T3 is not verified (bad_output): clusters.tsv",
        "Task T10 is not verified (blocked): task T3",
        "Effect sizes were not compared with the publications.",
        "Protocol steps without support in what was read or found in the data: 1.2, 2.2, 3.1.",
        "Requirement R3 is not met: no proteome data were given.",
        "own-5a1f is RETRACTED and was used all the same",
        "GSE1992: the unit of the time column os_time is not stated by the source.",
        "No version of part 2 passed its review",
        "scan.pdf failed in read_paper: no text in the file.",
        "1 quote dropped because the words could not be found in the paper.",
    ):
        assert any(words in s for s in said), words
    assert len(said) == len(set(said))


def test_papers_know_the_steps_that_rest_on_them(whole):
    rows = {r.paper.id: r for r in summaries.paper_views(load_view(whole))}
    assert rows["PMID10963602"].used_by == ("1.1", "2.1")
    assert rows["PMID11111"].used_by == ()


def test_data_sets_are_found_through_other_tasks_also_in_a_circle(folder):
    assert summaries.task_datasets(load_view(folder))["T10"] == ("GSE1992",)
    edit(folder, "tasks/T3/task.json", inputs=[{"name": "x", "task": "T10", "output": "validation"}])
    assert summaries.task_datasets(load_view(folder))["T10"] == ()


def test_a_run_that_has_just_begun_says_what_is_missing(tmp_path):
    folder = RunFolder(tmp_path)
    builder.write_run(folder, status="running")
    view = load_view(folder)
    assert len(view.missing) == 5
    assert summaries.headline(view).text == "No task was run"
    for page in (render_html(view), render_first_page(view)):
        assert "No protocol: protocol.json was not written" in page
        assert "This report is incomplete" in page


def test_no_run_is_an_error_with_the_file_named(tmp_path):
    with pytest.raises(RunFolderError, match=r"run\.json is missing"):
        load_view(RunFolder(tmp_path))


def test_a_newer_run_is_refused(folder):
    edit(folder, "run.json", format=99)
    with pytest.raises(RunFolderError, match="format 99"):
        load_view(folder)


def test_every_file_may_be_missing_or_damaged(folder):
    files = [p for p in sorted(folder.root.rglob("*")) if p.is_file() and p.name != "run.json"]
    assert len(files) > 25
    for path in files:
        kept = path.read_bytes()
        path.unlink()
        builder.every_page(load_view(folder))
        path.write_bytes(b'{"broken": ')
        view = load_view(folder)
        builder.every_page(view)
        if path.suffix == ".json" and "outputs" not in path.parts:
            assert any(path.name in s for s in view.problems), path
        path.write_bytes(kept)


def test_commands_are_quoted_for_the_shell(folder):
    run = json.loads(folder.path("run.json").read_text())
    edit(folder, "run.json", settings={**run["settings"], "command": ["bioresearcher", "run", "my objective.toml"]})
    assert summaries.commands(load_view(folder))[0][1] == "bioresearcher run 'my objective.toml'"


def test_results_from_data_that_do_not_look_relevant_are_marked_at_the_head(folder):
    checks = json.loads(folder.path("checks.json").read_text())
    for check in checks:
        check["relevant"] = False
    folder.path("checks.json").write_text(json.dumps(checks))
    view = load_view(folder)
    assert "GSE1992" in summaries.irrelevant_datasets(view)
    assert "Data do not look relevant to the objective" in {s.text for s in summaries.stamps(view)}
    assert "need not answer the objective" in not_verified(view)[1], "second only to a retracted paper in use"
    assert "1 retracted paper in use" in {s.text for s in summaries.stamps(view)}
    assert "Data do not look relevant" in render_first_page(view)
    assert "Data do not look relevant" in render_html(view)


def test_a_run_without_papers_is_not_called_incomplete_for_it(folder):
    for paper in [*folder.path("papers").glob("*.json"), *folder.path("reports").glob("*.json")]:
        paper.unlink()
    settings = json.loads(folder.path("run.json").read_text())["settings"]
    edit(folder, "run.json", settings={**settings, "papers": []})
    assert not any("paper" in said.lower() for said in load_view(folder).missing)
    edit(folder, "run.json", settings={**settings, "papers": ["/p"]})
    assert "No paper: the folder papers holds none." in load_view(folder).missing


def test_a_run_that_set_all_its_papers_aside_is_not_called_incomplete(folder):
    for paper in folder.path("reports").glob("*.json"):
        paper.unlink()
    assert any("No report of a paper" in said for said in load_view(folder).missing)
    rows = json.loads(folder.path("screening.json").read_text())
    kept = [{**row, "kept": False} for row in rows]
    kept += [{**rows[0], "kept": False, "paper_id": p.id} for p in load_view(folder).papers]
    folder.path("screening.json").write_text(json.dumps(kept))
    assert not any("paper" in said.lower() for said in load_view(folder).missing)


def test_a_replay_reports_the_run_that_asked(folder):
    before = load_view(folder)
    run = json.loads(folder.path("run.json").read_text())
    first = {"run_id": run["run_id"], "started": run["started"], "command": run["settings"]["command"]}
    other = {
        **run["settings"],
        "command": ["bioresearcher", "run", "--replay", "/runs/x"],
        "workspace": "/y",
        "jobs": 7,
    }
    totals = {**run["totals"], "wall_s": 1.5, "cpu_s": 0.5}
    edit(folder, "run.json", run_id="again", started="2027-01-01T00:00:00", settings=other, totals=totals)
    assert builder.every_page(load_view(folder)) != builder.every_page(before)
    edit(folder, "run.json", replay_of={"folder": "/runs/x", **first})
    assert builder.every_page(load_view(folder)) == builder.every_page(before)


def row(step: str, cost: float | None) -> dict[str, object]:
    usage = {"calls": 2, "input_tokens": 9_000, "output_tokens": 1_000, "cost_usd": cost}
    return {"step": step, "role": "coder", "model": "m", "usage": usage}


def test_the_report_says_how_far_programming_went_by_itself(folder):
    told = dict(summaries.automation_rows(load_view(folder)))
    assert told["Attempts that failed, by class"] == "unusable output: 1; ended with an error: 1"
    assert told["Tokens of the programmer per verified task"] == told["Cost per verified task"] == "no model was asked"
    edit(folder, "run.json", usage=[row("programmer/write_code", 0.5), row("reviewer/score_protocol", 9.0)])
    told = dict(summaries.automation_rows(load_view(folder)))
    assert told["Tokens of the programmer per verified task"] == "5,000"
    assert told["Cost per verified task"] == "$0.2500"
    edit(folder, "run.json", usage=[row("programmer/write_code", None)])
    for page in builder.pages(load_view(folder), "tasks"):
        assert "Human interventions" in page
        assert "totals.cpu_s" in page
    assert dict(summaries.automation_rows(load_view(folder)))["Cost per verified task"] == "not known"


def test_a_run_folder_from_before_these_counts_is_read(folder):
    run = json.loads(folder.path("run.json").read_text())
    new = ("task_outcomes", "attempts", "error_classes", "tokens_per_verified", "cost_per_verified_usd")
    edit(folder, "run.json", totals={k: v for k, v in run["totals"].items() if k not in new})
    view = load_view(folder)
    assert (view.run.totals.attempts, view.run.totals.tokens_per_verified) == (0, None)
    assert "Attempts, repairs included" in builder.pages(view, "tasks")[0]


def test_what_chance_decides_is_not_in_the_report(folder):
    path = folder.path("tasks", "T1", "record.json")
    record = json.loads(path.read_text())
    record["outcome"], record["message"] = "runtime", "exit code 1: ValueError: <object object at 0x7f87f87a4170>"
    for attempt in record["attempts"]:
        attempt |= {"use": {"wall_s": 77.7, "cpu_s": 88.8, "peak_memory_mb": 6543}, "outcome": "runtime"}
        attempt |= {"message": record["message"], "stdout": "took 12.5 s", "stderr": f"in {folder.path('tasks')}/T1"}
    path.write_text(json.dumps(record))
    for page in builder.pages(load_view(folder), "tasks"):
        assert "object at 0x…" in page
        for chance in ("0x7f87", "77.7", "88.8", "78 s", "6,543", "12.5 s", str(folder.root)):
            assert chance not in page, chance


def test_a_limit_that_ended_a_task_is_told_as_it_is(folder):
    path = folder.path("tasks", "T1", "record.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "outcome": "killed", "message": "ended after 300 s of wall time"}))
    assert "ended after 300 s of wall time" in html_pages.render_pages(load_view(folder))["tasks"]


def test_models_are_listed_with_what_they_were_used_for(folder):
    usage = {"calls": 12, "input_tokens": 3456, "cached_tokens": 400, "output_tokens": 789, "reasoning_tokens": 70}
    row = {"step": "search/plan_queries", "role": "reader", "model": "openai:<b>", "repaired": 1, "by_rule": 2}
    edit(folder, "run.json", usage=[{**row, "usage": {**usage, "cost_usd": None}}])
    cells = ("search/plan_queries", "reader", "openai:&lt;b>", "12", "3,456 (400 cached)", "789 (70 reasoning)")
    assert f"| {' | '.join((*cells, 'not known', '1', '2'))} |" in text_pages.render_pages(load_view(folder))["record"]
    page = html_pages.render_pages(load_view(folder))["record"]
    for text in ("openai:&lt;b&gt;", "3,456 (400 cached)", "789 (70 reasoning)", "not known"):
        assert text in page
    edit(folder, "run.json", usage=[{**row, "usage": {**usage, "cost_usd": 0.0123}}])
    assert "$0.0123" in html_pages.render_pages(load_view(folder))["record"]


def test_the_flow_of_a_question_stands_in_the_report_as_table_and_figure(folder):
    step = FlowStep(reason="er_status is not <b>negative</b>", left_out=20, left=97)
    sets = AnalysisSets(
        sets=(
            AnalysisSet(id="A1", question="A1", source="D", population="D-A1", start=117, n=97, flow=(step,)),
            AnalysisSet(id="A2", question="A2", source="D", problem="no row is left"),
        )
    )
    asked = Answers(questions=(QuestionAnswer(id="A1", text="Is it so?", state="answered"),))
    edit(folder, "run.json", answers=asked.model_dump(mode="json"))
    folder.write(sets, "analysis", "sets.json")
    write_reports(folder)
    text = folder.path("report", "tasks.md").read_text("utf-8")
    [line] = [line for line in text.splitlines() if line.startswith("| er") and line.endswith("| 20 | 97 |")]
    assert "<b>" not in line.replace("\\<", "")
    assert "![Flow of A1](<../analysis/A1/flow.svg>)" in text
    assert folder.has("analysis", "A1", "flow.svg")
    html = folder.path("report", "tasks.html").read_text("utf-8")
    assert 'alt="Figure: flow of A1 from 117 rows to 97 that are analysed"' in html
    assert "<b>negative" not in html
    assert "Flow of A2" not in html + text
