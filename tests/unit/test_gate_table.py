"""The selection as numbered rows that fit 40 and 80 columns and stay numbered as they are."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bioresearcher.cli.session.approve_selection import Known, addition, named, rows_of, table
from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper, ScreenedPaper

HOSTILE = "A [bold]long[/bold] title \x1b[31mof a paper\x07 about liposarcoma‮ and much else that fits on no single line"


def known(papers: list[str], datasets: list[str]) -> Known:
    return Known(
        papers={p: Paper(id=p, title=HOSTILE, source="pubmed", status="retracted", year=2001) for p in papers},
        screened={
            p: ScreenedPaper(
                paper_id=p, score=4, relevance=0.5, answers=None, kept=True, reason=HOSTILE, origin="offline"
            )
            for p in papers
        },
        datasets={d: Dataset(id=d, title=HOSTILE, source="GEO", root="", files=()) for d in datasets},
        checks={
            d: DatasetCheck(dataset_id=d, verdict="usable", reasons=(HOSTILE,), relevant=False, origin="offline")
            for d in datasets
        },
    )


@pytest.mark.parametrize("width", [40, 63, 64, 80, 132])
def test_tables_fit_the_terminal_and_show_hostile_text_as_it_is(width: int) -> None:
    rows = rows_of({"papers": ["PMID1"], "datasets": []}, known(["PMID1", "doi-10.1101-2020.01.01.123456"], ["GSE1"]))
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(table(rows, "Papers to read"))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "‮" not in text
    flat = "".join(text.split())
    for words in ("Paperstoread:3", "PMID1", "2001", "[bold]long[/bold]", "RETRACTED", "4/5", "0.50", "usable"):
        assert words in flat, words


@given(st.sets(st.sampled_from(["PMID1", "PMID2", "GSE1", "GSE2"])), st.lists(st.sampled_from(["PMID9", "GSE9"])))
def test_numbers_do_not_depend_on_what_is_used_or_added_later(used: set[str], added: list[str]) -> None:
    before = rows_of({"papers": [], "datasets": []}, known(["PMID1", "PMID2"], ["GSE1", "GSE2"]))
    new = dict.fromkeys(added)
    papers, sets = [i for i in new if i[0] == "P"], [i for i in new if i[0] == "G"]
    question = {"papers": [*used], "datasets": [*used], "added": added}
    after = rows_of(question, known(["PMID1", "PMID2", *papers], ["GSE1", "GSE2", *sets]))
    assert [(r.number, r.id) for r in after[:4]] == [(r.number, r.id) for r in before]
    assert [r.id for r in after[4:]] == [*new]
    assert {r.id for r in after if r.used} == used


def test_rows_are_named_by_number_and_by_id() -> None:
    rows = rows_of({"papers": [], "datasets": []}, known(["PMID1"], ["GSE1"]))
    meant, strange = named(rows, ("2", "#1", "gse1", "3", "x"))
    assert [r.id for r in meant] == ["GSE1", "PMID1"]
    assert strange == ["3", "x"]


@given(
    st.text(max_size=80) | st.sampled_from(["~nobody/x", "\0", "/" * 5000, "a" * 5000, "paper ", "data x", "/dev/zero"])
)
def test_whatever_is_to_be_added_is_a_name_or_one_line(word: str) -> None:
    with contextlib.suppress(InputError):
        assert addition(word)


def test_files_are_told_from_identifiers(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    (tmp_path / "b.tsv").write_text("gene\tS1\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "b.csv").write_text("gene,S1\n")
    assert addition(str(tmp_path / "a.md")) == f"paper:{tmp_path / 'a.md'}"
    assert addition(str(tmp_path / "b.tsv")) == f"data:{tmp_path / 'b.tsv'}"
    assert addition(str(tmp_path / "set")) == f"data:{tmp_path / 'set'}"
    assert addition(f"paper {tmp_path / 'b.tsv'}") == f"paper:{tmp_path / 'b.tsv'}"
    assert addition("gse 12") == "GSE12"
    assert addition("PMID:12") == "PMID:12"
    with pytest.raises(InputError, match="does not exist"):
        addition("./nothing.md")
    with pytest.raises(InputError, match="neither a file nor an identifier"):
        addition("marmots")
