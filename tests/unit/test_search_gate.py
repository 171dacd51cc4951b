"""The selection gate: what a person sees at 80 columns, and what their answers mean."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from bioresearcher.cli.approvals import ask_person, show_selection
from bioresearcher.graph.nodes_selection import unreached
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import DataFile, Dataset, DatasetCheck
from bioresearcher.schemas.paper import Failure, Paper, QueryTrail, ScreenedPaper, SearchRound
from bioresearcher.schemas.run import Decision
from bioresearcher.settings import Settings

QUESTION = {"gate": "approve_selection", "papers": ["PMID1"], "datasets": ["GSE1"]}


def screened(name: str, *, kept: bool, **more) -> ScreenedPaper:
    values = {"score": 4, "relevance": 0.51, "answers": None, "reason": "Score 4 of 5. It fits.", "origin": "offline"}
    return ScreenedPaper(paper_id=name, kept=kept, **{**values, **more})


@pytest.fixture
def context(tmp_path: Path) -> SimpleNamespace:
    folder = RunFolder(tmp_path)
    title = "A long title of a paper about [bold]liposarcoma[/bold] and much else that does not fit on a single line"
    for name, status in (("PMID1", "concern"), ("PMID2", "retracted"), ("PMID3", "ok")):
        folder.write(
            Paper(id=name, title=title, source="pubmed", status=status, pmid=name[4:]), "papers", f"{name}.json"
        )
    rows = [
        screened("PMID1", kept=True),
        screened("PMID2", kept=False, decided_by="retraction", reason="It is retracted (PMID 9): not used."),
        screened("PMID3", kept=False, decided_by="score", reason="Score 1 of 5. No."),
    ]
    folder.write_list(rows, "screening.json")
    trail = QueryTrail(query="a", source="pubmed", purpose="the subject", hits=1200, found=("PMID1", "PMID2"))
    folder.write_list([SearchRound(round=1, trail=(trail,), stop_reason="all 1 rounds were used")], "search.json")
    file = DataFile(name="samples", kind="samples", path="s.tsv", bytes=1, sha256="0" * 64)
    folder.write(Dataset(id="GSE1", title="t", source="own", root="/d", files=(file,)), "datasets", "GSE1.json")
    checks = [
        DatasetCheck(dataset_id="GSE1", verdict="usable", reasons=("12 samples",), relevant=True, origin="offline"),
        DatasetCheck(dataset_id="GSE2", verdict="unusable", reasons=("no values",), relevant=True, origin="offline"),
    ]
    folder.write_list(checks, "checks.json")
    return SimpleNamespace(folder=folder, settings=Settings())


def test_a_service_that_was_not_reached_is_said_where_its_papers_would_stand(context: SimpleNamespace) -> None:
    lost = Failure(item="pubmed", stage="search_papers", message="service.example cannot be reached.")
    other = Failure(item="notes.pdf", stage="load_papers", message="it cannot be reached as text.")
    out = io.StringIO()
    question = {**QUESTION, "papers": [], "unreached": unreached([lost, lost, other])}
    show_selection(question, context, Console(file=out, width=80, color_system=None))
    text = out.getvalue()
    assert text.count("! pubmed not reached, so nothing of it is here: service.example cannot be reached.") == 1
    assert "notes.pdf" not in text


def test_the_tables_fit_80_columns_and_need_no_colour(context: SimpleNamespace) -> None:
    out = io.StringIO()
    show_selection(QUESTION, context, Console(file=out, width=80, color_system=None))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "PMID1", "EXPRESSION OF CONCERN", "[bold]liposarcoma[/bold]", "4 of 5", "0.51", "Score 4 of 5. It fits.",
        "2 papers not read:", "PMID2", "It is retracted (PMID 9)", "pubmed: 1,200 hits → 2 taken → 1 kept: the subject",
        "GSE1", "12 samples", "data set not used: GSE2: not usable: no values", "all 1 rounds were used",
    ):  # fmt: skip
        assert words in " ".join(text.split()) or words in text, words


def test_what_was_named_on_the_command_line_is_shown_as_chosen(context: SimpleNamespace) -> None:
    out = io.StringIO()
    context.settings = Settings(include=("PMID:2",), exclude=("1", "GSE1"))
    show_selection(QUESTION, context, Console(file=out, width=80, color_system=None))
    assert "PMID2 RETRACTED" in out.getvalue()
    assert "Papers to read: 1" in out.getvalue()
    assert "data set not used: GSE1: taken out with --exclude" in out.getvalue()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a pipe whose other end is standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writing
    os.close(writing)


async def asked_again(out: io.StringIO, times: int) -> None:
    """Wait until the question was put again so often: a terminal gives one line at a time."""
    for _ in range(1000):
        if out.getvalue().count("Please answer") >= times:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(out.getvalue())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("y\n", Decision(gate="approve_selection", approved=True, by="human")),
        (
            "no, other data\n",
            Decision(gate="approve_selection", approved=False, by="human", comment="no, other data\n"),
        ),
        ("PMID1 GSE1\n", Decision(gate="approve_selection", approved=True, by="human", drop=("PMID1", "GSE1"))),
        (
            "nonsense\n+PMID2, -PMID1\n",
            Decision(gate="approve_selection", approved=True, by="human", drop=("PMID1",), add=("PMID2",)),
        ),
    ],
)
async def test_a_person_accepts_declines_leaves_out_and_takes_in(
    context: SimpleNamespace, typed: int, lines: str, expected: Decision
) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None)
    asking = asyncio.create_task(ask_person(QUESTION, context, console, asyncio.Event()))
    for number, line in enumerate(lines.splitlines(keepends=True)):
        await asked_again(out, number)
        os.write(typed, line.encode())
    assert await asking == expected
    assert ("Please answer" in out.getvalue()) == lines.startswith("nonsense")
