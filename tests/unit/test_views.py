"""What a session shows of a run: right at every width, one line a fact where lines are read out, hostile text tamed."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_support import build_run
from rich.cells import cell_len
from rich.text import Text

from bioresearcher.cli.session.export import export, file_lines, path_of
from bioresearcher.cli.session.layout import Sheet, as_lines, as_text
from bioresearcher.cli.session.paper_questions import ask_view
from bioresearcher.cli.session.run_control import Live
from bioresearcher.cli.session.views import VIEWS, view
from bioresearcher.errors import InputError
from bioresearcher.llm.backend import Reply
from bioresearcher.llm.budget import Budget, Meter
from bioresearcher.llm.ledger import Ledger, LedgerEntry, usage_rows
from bioresearcher.report.summaries import OUTCOMES
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.library import AnswerSentence, Citation, LeftOut, LibraryAnswer
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.run import RunRecord
from bioresearcher.text.format import md, md_code_block, md_list, md_table
from bioresearcher.text.visible import one_line

WIDTHS = (40, 80, 200)
ASKED = (
    *((name, "") for name in VIEWS), ("papers", "1"), ("papers", "all"), ("papers", "own-5a1f"), ("papers", "10963602"),
    ("datasets", "1"), ("protocol", "1"), ("protocol", "1.1"), ("protocol", "limitations"), ("tasks", "T1"),
    ("tasks", "2"), ("review", "error"), ("review", "level of detail"),
)  # fmt: skip
ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069]")


def built(root: Path) -> RunFolder:
    folder = build_run(root)
    tasks = [folder.read(DryLabTask, "tasks", f"T{n}", "task.json") for n in (1, 2, 3, 10)]
    folder.write_list(tasks, "tasks.json")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with a hostile paper, tasks of all outcomes, and a review; only to be read."""
    return built(tmp_path_factory.mktemp("views") / "run")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("name", "argument"), ASKED, ids=[f"{n} {a}".strip() for n, a in ASKED])
def test_a_view_fits_its_width_and_shows_no_control_characters(
    run: RunFolder, name: str, argument: str, width: int
) -> None:
    sheet = view(run, name, argument, width=width)
    text = as_text(sheet, width, colour=False)
    assert text.strip()
    assert not ODD.search(text.replace("\n", ""))
    assert max(cell_len(line) for line in text.splitlines()) <= width
    coloured = as_text(sheet, width, colour=True)
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured).split() == text.split()
    told = "".join("".join(sheet.lines()).split())
    assert not ODD.search(told)
    for line in as_lines(sheet):
        assert line in sheet.lines()


@pytest.mark.parametrize("width", [40, 80])
def test_nothing_that_is_told_is_lost_where_it_is_narrow(run: RunFolder, width: int) -> None:
    for name, argument in ASKED:
        sheet = view(run, name, argument, width=width)
        shown = set(re.findall(r"\w{4,12}", " ".join(sheet.lines()).casefold()))
        narrow = "".join(as_text(sheet, width, colour=False).replace("▌", "").casefold().split())
        assert [word for word in shown if word not in narrow] == [], (name, argument)


def test_markup_in_a_title_is_text(run: RunFolder) -> None:
    sheet = view(run, "papers", "own-5a1f")
    for text in (" ".join(as_text(sheet, 120, colour=False).split()), "\n".join(sheet.lines())):
        assert "[click](javascript:alert(2))" in text
        assert "**bold**" in text
        assert "<img src=x onerror=alert(1)>" in text


def test_one_paper_says_what_was_taken_and_what_stands_on_it(run: RunFolder) -> None:
    lines = "\n".join(view(run, "papers", "PMID10963602").lines())
    assert re.search(r"^Read: \d+ steps with \d+ quotes: ", lines, re.M)
    assert re.search(r"^Protocol steps that stand on it: [1-9]", lines, re.M)
    assert re.search(r"^Tasks that carry those out: [1-9]", lines, re.M)


def test_one_task_says_where_its_code_is_and_what_became_of_it(run: RunFolder) -> None:
    tasks = json.loads(run.path("tasks.json").read_text(encoding="utf-8"))
    for task in tasks:
        lines = "\n".join(view(run, "tasks", task["id"]).lines())
        if run.has("tasks", task["id"], "record.json"):
            record = json.loads(run.path("tasks", task["id"], "record.json").read_text(encoding="utf-8"))
            assert OUTCOMES[record["outcome"]] in lines.splitlines()
            assert f"What decided: {one_line(record['message'])}" in lines
            assert ("Stated, but not verified: no results" in lines) is (task["id"] == "T3")
        if run.has("tasks", task["id"], "code.py"):
            assert f"Code: code.py (./tasks/{task['id']}/code.py)" in lines


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("papers", "99"),
        ("papers", "0"),
        ("papers", "nobody"),
        ("datasets", "GSE0"),
        ("protocol", "9.9"),
        ("tasks", "T99"),
    ],
)
def test_what_is_not_there_is_one_line_that_says_what_is(run: RunFolder, name: str, argument: str) -> None:
    with pytest.raises(InputError, match=f"/{name}: .*{argument}") as said:
        view(run, name, argument)
    assert said.value.hint
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", VIEWS)
def test_a_run_that_has_only_begun_can_be_looked_at(tmp_path: Path, name: str) -> None:
    assert as_text(view(RunFolder(tmp_path), name), 40, colour=False).strip()
    assert list(tmp_path.iterdir()) == []


def test_costs_come_from_the_ledger_also_while_it_is_written(tmp_path: Path) -> None:
    folder = built(tmp_path / "run")
    ledger = Ledger(folder.path("ledger.sqlite"))
    for number, step in enumerate(("literature/report_part", "literature/answer_question")):
        used = Usage(calls=1, input_tokens=1_000, output_tokens=10, cost_usd=0.25)
        ledger.record(LedgerEntry(f"k{number}", step, "reader", "m", "model", Reply("{}", used, "maker:m")))
    lines = view(folder, "cost").lines()
    assert lines[0].startswith("$0.5000 for 2 calls")
    assert any(line.startswith("literature/answer_question: role reader; model maker:m; calls 1") for line in lines)
    assert lines[-1] == "In all: 2 calls, 2,000 tokens in, 20 out, cost $0.5000"
    assert usage_rows(folder.path("ledger.sqlite")) == ledger.rows()
    ledger.close()
    folder.path("ledger.sqlite").write_bytes(b"no database")
    assert usage_rows(folder.path("ledger.sqlite")) is None
    assert view(folder, "cost").lines()
    assert folder.path("ledger.sqlite").read_bytes() == b"no database"


def test_a_budget_says_what_is_left_and_what_is_not_known() -> None:
    def told(budget: Budget, spent: Usage) -> list[str]:
        live = Live(lambda width: [Text("✓ read")], Meter(budget, spent, 90))
        return view(RunFolder(Path("nowhere")), "budget", live=live).lines()

    spent = Usage(calls=2, input_tokens=900, output_tokens=100, cost_usd=1.5)
    lines = told(Budget(max_usd=2, max_tokens=1_000), spent)
    assert "money: 1.50 USD of 2.00 USD, 25 % left" in lines
    assert "tokens: 1,000 of 1,000: used up" in lines
    assert any(line.startswith("time: ") and line.endswith("no limit") for line in lines)
    unknown = told(Budget(max_usd=2), spent.model_copy(update={"cost_usd": None}))
    assert "money: what was spent is not known, so that the limit of 2.00 USD cannot be kept" in unknown


def test_the_status_of_a_run_under_way_shows_its_tree(run: RunFolder) -> None:
    live = Live(lambda width: [Text("● read     read_paper 3/9 done"), Text(f"{width} columns")])
    lines = view(run, "status", width=61, live=live).lines()
    assert "● read     read_paper 3/9 done" in lines
    assert "61 columns" in lines


def answer(**more) -> LibraryAnswer:
    quote = Evidence(document="P1", section="Methods\x1b[2J", page=3, start=0, end=9, text="a [bold]quote\u202e")
    citation = Citation(number=1, paper_id="P1", title="T [red]", year=2001, status="retracted", evidence=quote)
    given = {
        "number": 1, "time": "", "question": "q", "in_library": True, "origin": "model", "answered_by": "maker:m",
        "sentences": (AnswerSentence(text="Said \x07so", citations=(1,)),), "citations": (citation,), "papers": 2,
        "left_out": (LeftOut(text="Not so", reason="its quotes say something else"),), "passages": 4, "quotes": 2,
        "quotes_located": 1, "usage": Usage(calls=1, input_tokens=10, output_tokens=2, cost_usd=0.0123),
    }  # fmt: skip
    return LibraryAnswer.model_validate({**given, **more})


def test_an_answer_shows_its_quotes_what_was_left_out_and_the_cost() -> None:
    lines = ask_view(answer()).lines()
    assert lines[0] == "Said so [1]"
    assert "[1] RETRACTED P1 T [red] (2001), Methods[2J, page 3: “a [bold]quote”" in lines
    assert "left out, as its quotes say something else: Not so" in lines
    assert lines[-1].endswith("1 of 2 quotes found · by maker:m · 1 call, 10 tokens in, 2 out, 0.0123 USD")
    for width in WIDTHS:
        text = as_text(ask_view(answer()), width, colour=False)
        assert max(map(cell_len, text.splitlines())) <= width
        assert "[bold]" in text
    no = ask_view(answer(in_library=False, sentences=(), citations=(), left_out=())).lines()
    assert no[0].startswith("Not in the library")


def test_a_damaged_file_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    folder = built(tmp_path / "run")
    folder.path("papers", "own-5a1f.json").write_text("{")
    lines = view(folder, "papers").lines()
    assert lines[-1].startswith("papers/own-5a1f.json cannot be used")
    assert any("PMID10963602" in line for line in lines)


TEXTS = st.text(max_size=60)


@settings(max_examples=40)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4), TEXTS, st.integers(40, 140))
def test_any_text_can_be_shown(rows: list[tuple[str, str, str]], text: str, width: int) -> None:
    parts = [
        f"# x{md(text)}", "", f"x{md(text)}", "", *md_list(f"x{md(row[0])}" for row in rows),
        *md_table(("a", "b", "c"), [("x", *map(md, row[1:])) for row in rows], (False, True)),
        *md_code_block(f"x{text}"),
    ]  # fmt: skip
    sheet = Sheet("\n".join(parts), Text("1   as it is"))
    shown = as_text(sheet, width, colour=False)
    assert not ODD.search(shown.replace("\n", ""))
    assert max(cell_len(line) for line in shown.splitlines()) <= width
    assert len(sheet.lines()) >= 4 + 2 * len(rows)
    assert all(len(line.splitlines()) <= 1 for line in sheet.lines())
    for line in ("x" + one_line(text), *("x" + one_line(row[0]) for row in rows)):
        assert " ".join(line.split()) in [" ".join(one.split()) for one in sheet.lines()]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_is_a_list_of_its_rows_where_it_does_not_fit(width: int) -> None:
    rows = [("T1 Cohort table", "verified", "1"), ("T2 " + "Volcano plot " * 5, "**ended with an error**", "")]
    sheet = Sheet("\n".join(md_table(("Task", "Outcome", "Attempts"), rows, (False, False, True))))
    text = as_text(sheet, width, colour=False)
    assert ("Outcome: verified; Attempts: 1" in text) is (width == 40)
    assert "*" not in text
    assert sheet.lines() == [
        "T1 Cohort table: outcome verified; attempts 1",
        f"T2 {'Volcano plot ' * 5}".strip() + ": outcome ended with an error",
    ]


def test_files_are_named_with_their_places(run: RunFolder, tmp_path: Path) -> None:
    lines = file_lines(run)
    assert lines[0] == f"Run folder: {run.root.resolve()}"
    assert any(line.startswith(f"report: {run.path('report.html').resolve()} (") for line in lines) or not run.has(
        "report.html"
    )
    assert path_of(run, "folder") == run.root.resolve()
    for wrong in ("../../etc/passwd", "ledger", "ledger.sqlite"):
        with pytest.raises(InputError, match="/open"):
            path_of(run, wrong)
    assert "No report" in file_lines(RunFolder(tmp_path))[1]


def contents(place: Path) -> dict[str, bytes]:
    if place.is_dir():
        return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    with zipfile.ZipFile(place) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_export_holds_what_people_need_and_nothing_else(tmp_path: Path) -> None:
    folder = built(tmp_path / "run")
    for name in ("report.md", "report.html", "evidence.json", "notebook.ipynb", "protocol.md"):
        folder.path(name).write_text(f"this is {name}", encoding="utf-8")
    for name in ("ledger.sqlite", "events.jsonl", "checkpoints.sqlite", "lock", "questions.jsonl"):
        folder.path(name).write_text("not to be given away", encoding="utf-8")
    as_folder = export(folder, str(tmp_path / "out" / "copy"))
    as_zip = export(folder, str(tmp_path / "copy.zip"))
    first, second = contents(as_folder.target), contents(as_zip.target)
    assert first == second
    assert {"report.html", "report.md", "protocol.md", "evidence.json", "notebook.ipynb"} <= set(first)
    assert any(re.fullmatch(r"tasks/T\d+/outputs/.+\.(tsv|png|svg)", name) for name in first)
    assert not any(b"not to be given away" in data for data in first.values())
    assert set(first) == set(as_folder.files)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    again = export(folder, str(tmp_path / "again.zip"))
    assert again.target.read_bytes() == as_zip.target.read_bytes()


@pytest.mark.parametrize("name", ["there", "there.zip", "dangling.zip"])
def test_an_export_overwrites_nothing(tmp_path: Path, name: str) -> None:
    folder = built(tmp_path / "run")
    place = tmp_path / name
    if name == "there":
        place.mkdir()
    elif name == "there.zip":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="exists; nothing is overwritten"):
        export(folder, str(place))
    assert not (tmp_path / "elsewhere").exists()
    assert name != "there.zip" or place.read_text() == "mine"


@pytest.mark.parametrize("target", ["", "  ", "{run}/copy", "{run}/tasks/x.zip", "a\0b"])
def test_an_export_goes_nowhere_it_should_not(tmp_path: Path, target: str) -> None:
    folder = built(tmp_path / "run")
    before = sorted(folder.root.rglob("*"))
    with pytest.raises(InputError, match="/export"):
        export(folder, target.format(run=folder.root))
    assert sorted(folder.root.rglob("*")) == before


def test_an_export_follows_no_link_and_no_path_out_of_the_run(tmp_path: Path) -> None:
    folder = built(tmp_path / "run")
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret", encoding="utf-8")
    record_path = folder.path("tasks", "T1", "record.json")
    record = json.loads(record_path.read_text(encoding="utf-8"))
    names = [artifact["path"] for artifact in record["artifacts"]]
    folder.path("tasks", "T1", names[0]).unlink()
    folder.path("tasks", "T1", names[0]).symlink_to(secret)
    record["artifacts"][1]["path"] = "../../../secret.txt"
    record_path.write_text(json.dumps(record), encoding="utf-8")
    folder.path("report.md").unlink(missing_ok=True)
    folder.path("report.md").symlink_to(secret)
    given = contents(export(folder, str(tmp_path / "copy.zip")).target)
    assert not any(b"the secret" in data for data in given.values())
    assert not any(".." in name for name in given)


def test_there_is_nothing_to_export_of_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="nothing to export"):
        export(RunFolder(tmp_path / "run"), str(tmp_path / "copy"))
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_interventions_are_not_counted_before_the_run_has_counted_them(tmp_path: Path) -> None:
    folder = built(tmp_path / "run")
    record = folder.read(RunRecord, "run.json")
    assert "by people" in as_text(view(folder, "status"), 80, colour=False)
    folder.write(record.model_copy(update={"status": "running"}), "run.json")
    text = as_text(view(folder, "status"), 80, colour=False)
    assert "by people" not in text
    assert "not finished: it was cut off, or another process works on it" in text
