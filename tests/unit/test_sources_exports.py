"""Exports of databases and reference managers are read entry by entry, whatever their file is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.schemas.paper import Failure, Paper
from bioresearcher.sources.literature.bibliography import is_bibliography
from bioresearcher.sources.literature.bibtex import read_bibtex
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.sources.literature.references import Reference, UnreadableReference

MEDLINE = """PMID- 11
OWN - NLM
DP  - 1996 Jul 9
TI  - The structure of an
      invented enzyme.
AB  - Crystals were grown at 23 degrees.
FAU - Alpha, Ann
AU  - Alpha A
PMC - PMC77
PT  - Journal Article
JT  - Invented structures
AID - 10.9999/inv.1 [doi]

PMID- 12
OWN - NLM
DP  - 2015 Winter
TI  - Another invented enzyme.
AB  - Cells were transfected.
PT  - Journal Article
PT  - Retracted Publication
RIN - Inv J. 2016;3:4. PMID: 13

PMID- 13
OWN - NLM
DP  - 2016
TI  - Retraction: Another invented enzyme.
AB  - We retract it.
PT  - Retraction of Publication
ROF - Inv J. 2015;1:2. PMID: 12
"""
WOS = """FN Clarivate Analytics Web of Science
VR 1.0
PT J
AU Alpha, A
   Beta, B
AF Alpha, Ann
   Beta, Bea
TI Malic enzyme in an
   invented yeast
SO INVENTED MICROBIOLOGY
PY 2011
AB Yeast was grown in bioreactors.
DI 10.9999/inv.2
ER

PT J
AU Gamma, G
TI A second yeast
PY 2010
AB Growth was measured.
ER

EF
"""
RIS = "TY - JOUR\nA1 - Alpha, Ann\nTI - A method\nPY - 2012\nUR - https://doi.org/10.9999/inv.3\nAB - It works.\nER -\n"
REFWORKS = "RT Journal Article\nSR Electronic\nA1 Alpha,Ann\nT1 A book of cells\nYR 2002\nAB Cells are described.\n"
REFER = "%0 Journal Article\n%A Alpha, Ann\n%T A paper on cells\n%D 2003\n%X Cells grew.\n%R 10.9999/inv.4\n"
ENDNOTE = """<?xml version="1.0" encoding="UTF-8"?><xml><records><record><contributors><authors><author>
<style face="normal">Alpha, Ann</style></author></authors></contributors><titles><title><style face="normal">Growth at
10</style><style face="superscript">6</style><style face="normal"> cells</style></title></titles><dates><year>2004
</year></dates><abstract>Cells grew.</abstract><electronic-resource-num>10.9999/inv.5</electronic-resource-num>
<accession-num>2004123</accession-num></record></records></xml>"""


def load(tmp_path: Path, name: str, text: str) -> tuple[list[Paper], list[Failure]]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    papers, failures = OwnPapers([path]).load()
    return [p for p, _ in papers], failures


@pytest.mark.parametrize("name", ["pubmed-set.txt", "pubmed.nbib"])
def test_medline_entries_are_papers_with_their_retractions(tmp_path: Path, name: str) -> None:
    papers, failures = load(tmp_path, name, MEDLINE)
    assert not failures
    assert [p.id for p in papers] == ["PMID11", "PMID12", "PMID13"]
    assert papers[0].title == "The structure of an invented enzyme."
    assert (papers[0].authors, papers[0].year, papers[0].doi) == (("Alpha, Ann",), 1996, "10.9999/inv.1")
    assert [p.status for p in papers] == ["unknown", "retracted", "unknown"]
    assert {n.pmid for n in papers[1].notices} == {"13"}
    assert [t.pmid for t in papers[2].notice_of] == ["12"]


def test_web_of_science_entries_are_papers_and_a_cut_one_is_named(tmp_path: Path) -> None:
    papers, failures = load(tmp_path, "savedrecs.txt", WOS)
    assert [(p.title, p.authors, p.year) for p in papers] == [
        ("Malic enzyme in an invented yeast", ("Alpha, Ann", "Beta, Bea"), 2011),
        ("A second yeast", ("Gamma, G",), 2010),
    ]
    assert not failures
    papers, failures = load(tmp_path, "cut.txt", WOS.partition("ER\n\nEF")[0])
    assert len(papers) == 1
    assert "cut before its ER" in failures[0].message


@pytest.mark.parametrize(
    ("name", "text", "title", "year", "doi"),
    [
        ("one-space.ris", RIS, "A method", 2012, "10.9999/inv.3"),
        ("scopus.txt", RIS.replace(" - ", "  - ").replace("ER -", "ER  - "), "A method", 2012, "10.9999/inv.3"),
        ("refworks.txt", REFWORKS, "A book of cells", 2002, None),
        ("endnote.enw", REFER, "A paper on cells", 2003, "10.9999/inv.4"),
        ("endnote.xml", ENDNOTE, "Growth at 10^6 cells", 2004, "10.9999/inv.5"),
        ("cells.txt", "@article{a, title={Cells}, year=2001, abstract={They grew.}}", "Cells", 2001, None),
    ],
)
def test_other_exports_are_known_by_their_first_lines(
    tmp_path: Path, name: str, text: str, title: str, year: int, doi: str | None
) -> None:
    (paper,), failures = load(tmp_path, name, text)
    assert not failures
    assert (paper.title, paper.year, paper.doi, paper.pmid) == (title, year, doi, None)


@pytest.mark.parametrize(
    "text",
    [
        "# Notes\n\nPT J is the type of a journal.\n",
        "RT was 25 degrees.\nWe used TRIzol.\n",
        "PMID 12 is cited.\n",
        "TY - who knows\n",
        "<note>records</note>",
    ],
)
def test_a_note_is_no_export(tmp_path: Path, text: str) -> None:
    (tmp_path / "note.txt").write_text(text)
    assert not is_bibliography(tmp_path / "note.txt")


@pytest.mark.parametrize(
    "issued", ['"2019-03"', '{"edtf": "2019-03~"}', '[{"year": 2019}]', '{"date-parts": [["2019"]]}', "2019"]
)
def test_csl_dates_in_their_forms_give_the_year(tmp_path: Path, issued: str) -> None:
    text = (
        '[{"title": "Water (H<sub>2</sub>O) at 10<sup>3</sup> Pa", "abstract": "Cells grew.", "issued": %s, "author": '
        '[{"family": "Beethoven", "given": "L.", "dropping-particle": "van", "suffix": "Jr."}]}]'
    )
    (paper,), _ = load(tmp_path, "x.json", text % issued)
    assert (paper.title, paper.year) == ("Water (H2O) at 10^3 Pa", 2019)
    assert paper.authors == ("van Beethoven, L., Jr.",)


def test_a_date_without_a_year_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.ris").write_text("TY  - JOUR\nTI  - T\nAB  - It works.\nPY  - in press\nER  - \n")
    ((_, document),), _ = OwnPapers([tmp_path]).load()
    assert "its date “in press” names no year." in document.warnings


def entries(text: str) -> list[Reference | UnreadableReference]:
    return read_bibtex(text)


def test_bibtex_values_are_joined_and_looked_up_in_every_entry() -> None:
    first, second, third = entries(
        '@string{jcb = "J. Cell Biol."}\n@string{long = jcb # " and more"}\n'
        "@article{k, title={One {DNA}}, author={Smith, J. and Doe, K.}, journal=jcb, doi={{10.1083/jcb.1}}}\n"
        "@article{k, title={Two}, author={Smith, J. and Roe, K.}, journal=long, doi={10.1083/jcb.2}}\n"
        '@article{d, title="The " # "{MYC} paper", author="Doe, K. and " # "Poe, L.", month=mar # "~1"}\n'
    )
    assert isinstance(first, Reference)
    assert isinstance(second, Reference)
    assert isinstance(third, Reference)
    assert (first.title, first.journal, first.doi) == ("One DNA", "J. Cell Biol.", "10.1083/jcb.1")
    assert (second.title, second.journal, second.doi) == ("Two", "J. Cell Biol. and more", "10.1083/jcb.2")
    assert second.authors == ("Smith, J.", "Roe, K.")
    assert (third.title, third.authors) == ("The MYC paper", ("Doe, K.", "Poe, L."))


def test_a_missing_comma_is_a_broken_entry_and_the_next_is_read() -> None:
    broken, good = entries("@article{a, title={A}\n author={Poe, L.}, year=2021}\n@article{b, title={B}, year=2022}\n")
    assert broken == UnreadableReference(1, "the entry is broken: a comma is missing after “title”.")
    assert isinstance(good, Reference)
    assert good.title == "B"


def test_powers_in_latex_stay_powers() -> None:
    (entry,) = entries(r"@article{a, title={At 10\textsuperscript{6} and $10^{-6}$ with H\textsubscript{2}O}}")
    assert isinstance(entry, Reference)
    assert entry.title == "At 10^6 and 10^-6 with H2O"


def test_an_author_of_thousands_of_characters_is_cut_and_named(tmp_path: Path) -> None:
    text = f"TY  - JOUR\nTI  - T\nAU  - {'x' * 5000}\nAB  - It works.\nER  - \n"
    (paper,), (failure,) = load(tmp_path, "x.ris", text)
    assert len(paper.authors[0]) == 300
    assert "an author of 5,000 characters was cut" in failure.message
