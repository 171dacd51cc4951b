"""Screening: rules that leave papers out, what is judged, what a person names, and how it is shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_backend import ScriptedBackend

from bioresearcher.errors import OutsideError, RefusalError
from bioresearcher.events import EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.ledger import Ledger
from bioresearcher.prompts import PromptBook
from bioresearcher.report.caveats import not_verified
from bioresearcher.report.markdown import count_by_reason, left_out_lines, not_read_papers, searched_lines
from bioresearcher.report.run_data import RunView
from bioresearcher.resources import Resources, load_cards
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import Notice, Paper, PaperAnswers, QueryTrail, ScreenedPaper, SearchRound
from bioresearcher.schemas.run import RunRecord
from bioresearcher.settings.values import LEFT_OUT_TYPES
from bioresearcher.stages.screen import ScreeningRules, check_status, ruled_out, screen_papers

OBJECTIVE = Objective(id="o", text="Immune classes of liposarcoma and their key genes")
QUOTE = "Immune classes of liposarcoma"


def paper(name: str, **more) -> Paper:
    return Paper(id=name, title=f"{QUOTE} {name}", source=more.pop("source", "pubmed"), **more)


def answers(yes: int) -> PaperAnswers:
    names = ("same_condition", "usable_method", "fits_data", "meets_requirement", "same_question")
    return PaperAnswers(**{n: i < yes for i, n in enumerate(names)}, quote=QUOTE, reason="It says so.")


def caller(folder: Path, replies: list[PaperAnswers]) -> ModelClient:
    backend = ScriptedBackend(replies)
    backend.origin = "model"
    resources = Resources()
    ledger = Ledger(folder / "ledger.sqlite")
    return ModelClient(backend, ledger, PromptBook(resources), load_cards(resources), EventLog(None, None))


async def screened(folder: Path, papers: list[Paper], yes: list[int], **rules) -> dict[str, ScreenedPaper]:
    """Papers in falling order of similarity, each judged paper with so many yes answers."""
    close = [0.9 - 0.1 * i for i in range(len(papers))]
    door = caller(folder, [answers(n) for n in yes])
    rows = await screen_papers(door, OBJECTIVE, papers, close, ScreeningRules(**rules))
    assert {r.paper_id for r in rows} == {p.id for p in papers}
    return {r.paper_id: r for r in rows}


RETRACTED = paper("PMID1", status="retracted", notices=(Notice(what="retraction", pmid="99"),))


async def test_a_retracted_paper_is_left_out_without_being_judged_and_says_why(tmp_path: Path) -> None:
    rows = await screened(tmp_path, [RETRACTED, paper("PMID2")], [4])
    row = rows["PMID1"]
    assert (row.kept, row.decided_by) == (False, "retraction")
    assert row.reason == "It is retracted (PMID 99): not used. --include PMID1 would use it all the same."
    assert rows["PMID2"].kept


async def test_a_retracted_own_paper_is_left_out_too(tmp_path: Path) -> None:
    rows = await screened(tmp_path, [RETRACTED.model_copy(update={"source": "own"})], [])
    assert not rows["PMID1"].kept


@pytest.mark.parametrize(
    ("yes", "more", "kept", "decided_by"),
    [
        (0, {}, False, "set aside"),
        (1, {}, True, "own"),
        (0, {"read_all": True}, True, "own"),
        (0, {"include": ["PMID1"]}, True, "person"),
    ],
)
async def test_a_given_paper_of_no_use_is_set_aside_and_named(
    tmp_path: Path, yes: int, more, kept: bool, decided_by: str
) -> None:
    rows = await screened(tmp_path, [paper("PMID1", source="own")], [yes], **more)
    row = rows["PMID1"]
    assert (row.kept, row.decided_by) == (kept, decided_by)
    assert ("--read-all reads it" in row.reason) is (decided_by == "set aside")


async def test_a_given_paper_that_could_not_be_judged_is_read(tmp_path: Path) -> None:
    door = replace(caller(tmp_path, [RefusalError("it declined")]), rules=None)
    (row,) = await screen_papers(door, OBJECTIVE, [paper("PMID1", source="own")], [0.9], ScreeningRules())
    assert (row.kept, row.decided_by) == (True, "own")


async def test_an_included_retracted_paper_is_used_and_stamped(tmp_path: Path) -> None:
    rows = await screened(tmp_path, [RETRACTED], [0], include=["PMID1"])
    assert (rows["PMID1"].kept, rows["PMID1"].decided_by) == (True, "person")
    assert rows["PMID1"].reason.startswith("RETRACTED (PMID 99). Taken in with --include.")


@pytest.mark.parametrize(
    ("status", "words"), [("concern", "expression of concern"), ("corrected", "corrected after publication")]
)
async def test_concerns_and_corrections_are_said_and_the_paper_is_judged(tmp_path: Path, status, words) -> None:
    rows = await screened(tmp_path, [paper("PMID1", status=status)], [4])
    assert rows["PMID1"].kept
    assert words in rows["PMID1"].reason


@pytest.mark.parametrize(
    ("more", "decided_by"),
    [
        ({"publication_types": ("Journal Article", "editorial")}, "type"),
        ({"publication_types": ("Retraction of Publication",)}, "type"),
        ({"languages": ("ger",)}, "language"),
        ({"year": 1999}, "year"),
        ({"year": 2031}, "year"),
        ({"languages": ("ger", "eng"), "year": 2010}, None),
        ({}, None),
    ],
)
def test_types_languages_and_years_are_rules(more, decided_by) -> None:
    rules = ScreeningRules(since=2000, until=2030, languages=("eng",), left_out_types=LEFT_OUT_TYPES)
    found = ruled_out(paper("PMID1", **more), rules)
    assert (found[0] if found else None) == decided_by
    assert ruled_out(paper("PMID1", source="own", **more), rules) is None


def test_a_preprint_yields_to_what_was_published_of_it() -> None:
    found = ruled_out(paper("doi-x"), ScreeningRules(preprints={"doi-x": "PMID1"}))
    assert found == ("preprint", "A preprint of PMID1, which was found, too.")


async def test_only_the_closest_are_judged_and_own_papers_always(tmp_path: Path) -> None:
    papers = [paper("PMID1"), paper("PMID2"), paper("PMID3"), paper("own-1", source="own")]
    rows = await screened(tmp_path, papers, [5, 5, 1], judged=2)
    assert rows["PMID3"].reason == "Not judged: number 3 by similarity, and the closest 2 are judged."
    assert rows["PMID3"].decided_by == "distance"
    assert rows["own-1"].kept


async def test_a_person_takes_papers_in_and_out_and_the_limit_does_not_undo_it(tmp_path: Path) -> None:
    papers = [paper("PMID1"), paper("PMID2"), paper("PMID3")]
    rows = await screened(tmp_path, papers, [5, 0], limit=1, include=["PMID3"], exclude=["PMID2"])
    assert [i for i, r in rows.items() if r.kept] == ["PMID3"]
    assert {i: r.decided_by for i, r in rows.items()} == {"PMID3": "person", "PMID1": "limit", "PMID2": "person"}


async def test_condition_and_question_together_are_enough(tmp_path: Path) -> None:
    both = PaperAnswers(
        same_condition=True, same_question=True, usable_method=False, fits_data=False, meets_requirement=False,
        quote=QUOTE, reason="r",
    )  # fmt: skip
    rows = await screen_papers(caller(tmp_path, [both]), OBJECTIVE, [paper("PMID1")], [0.5], ScreeningRules())
    assert (rows[0].kept, rows[0].score) == (True, 2)


def view(papers: list[Paper], rows: list[ScreenedPaper], rounds: list[SearchRound]) -> RunView:
    run = RunRecord(run_id="r", status="done", started="s", objective=OBJECTIVE, settings={}, backend="b", versions={})
    return RunView(run=run, papers=tuple(papers), screening=tuple(rows), rounds_of_search=tuple(rounds))


async def test_the_report_counts_what_was_left_out_and_cuts_long_lists(tmp_path: Path) -> None:
    papers = [RETRACTED, *(paper(f"PMID{n}", languages=("ger",)) for n in range(100, 170))]
    rows = list((await screened(tmp_path, papers, [], languages=("eng",))).values())
    assert count_by_reason(rows) == "70 in another language, 1 retracted"
    assert not_read_papers(rows, papers)[0].paper_id == "PMID1"
    lines = list(left_out_lines(view(papers, rows, [])))
    assert lines[2] == "71 papers: 70 in another language, 1 retracted."
    assert lines[4].startswith("- PMID1 ")
    assert lines[-2] == "- and 21 more: see screening.json."


def test_the_report_shows_the_trail() -> None:
    trail = QueryTrail(
        query="a AND b", source="pubmed", translation='"a"[All Fields]', hits=1234, found=("PMID1",), new=1, kept=1,
        warnings=("“b” was left out of the search",),
    )  # fmt: skip
    rounds = [SearchRound(round=1, trail=(trail,), stop_reason="all 1 rounds were used")]
    text = "\n".join(searched_lines(view([], [], rounds)))
    assert "1,234 | 1 | 1 | 1 |" in text
    for words in ("understood as", "left out of the search", "Searching ended: all 1 rounds were used."):
        assert words in text


def test_trails_are_stored_and_read_as_they_were() -> None:
    row = SearchRound(round=1, trail=(QueryTrail(query="q", hits=0, rule="relaxed: x", adjusts="p"),))
    assert SearchRound.model_validate(json.loads(row.model_dump_json())) == row


class Registry:
    """A source that knows of retractions, or cannot be reached."""

    name = "registry"

    def __init__(self, known: dict[str, str] | None) -> None:
        self._known = known

    async def recheck(self, papers):
        if self._known is None:
            raise OutsideError("registry.example cannot be reached.")
        return [p.model_copy(update={"status": self._known[p.id]}) for p in papers if p.id in self._known]


async def test_the_worse_status_counts_and_nothing_known_is_forgotten() -> None:
    papers = [paper("PMID1", status="ok"), RETRACTED.model_copy(update={"id": "PMID2"}), paper("PMID3")]
    registry = Registry({"PMID1": "retracted", "PMID2": "ok"})
    checked, rows, failures = await check_status([registry], papers, "check_status")
    assert failures == []
    assert [p.status for p in checked] == ["retracted", "retracted", "unknown"]
    assert [(r.before, r.now, r.sources) for r in rows] == [
        ("ok", "retracted", ("registry",)),
        ("retracted", "retracted", ("registry",)),
        ("unknown", "unknown", ()),
    ]
    said = not_verified(replace(view(checked, [], []), status_checks=tuple(rows)))
    assert "PMID1 was ok when it was selected and is retracted since." in said


async def test_a_registry_that_cannot_be_reached_is_a_failure_and_it_is_said_that_nothing_was_checked() -> None:
    papers = [paper("PMID1", status="ok")]
    checked, rows, failures = await check_status([Registry(None)], papers, "check_status")
    assert checked == papers
    assert [f.message for f in failures] == [
        "retraction status could not be asked of registry: registry.example cannot be reached."
    ]
    said = not_verified(replace(view(checked, [], []), status_checks=tuple(rows)))
    assert "Retraction status was not checked again when the report was written, for 1 paper." in said
