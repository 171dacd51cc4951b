"""What a text states literally is found by rule, and nothing else is."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.papers.mining import approved_symbols, gene_symbols, mine, mine_document
from bioresearcher.papers.reading_process import load_paper


def found(text: str, kind: str) -> list[str]:
    return [f.label for f in mine(text) if f.kind == kind]


@pytest.mark.parametrize(
    ("text", "kind", "labels"),
    [
        ("Profiles of GSE21124 (GPL96) and E-MTAB-1234 were used.", "accession", ["GSE21124", "GPL96", "E-MTAB-1234"]),
        ("Arrays were analysed with limma version 3.50 in R.", "software", ["limma 3.50", "R"]),
        ("correcting the background using the gcRMA6 package in R. [7]", "software", ["gcRMA", "R"]),
        ("fitted using the mgcv package", "software", ["mgcv"]),
        ("models were fitted using R 4.1.2 and in R (version 3.6.1)", "software", ["R 4.1.2", "R 3.6.1"]),
        ("We used the same package.", "software", []),
        ("the R value and R = 0.4", "software", []),
        ("a cluster of cells in the survival curve", "software", []),
        ("incubated at 37 °C for 4, 8, 16, and 24 hours", "number",
         ["temperature 37 °C", "duration 4, 8, 16, and 24 hours"]),
        ("pH 7.5, 50 mM NaCl for 12–16 h", "number", ["concentration 50 mM", "duration 12–16 h"]),
        ("a bootstrap with 1 000 replications", "number", ["repeats 1 000 replications"]),
        ("adjusted P-value < 0.05 and FDR of 10%", "number", ["adjusted P-value < 0.05", "FDR 10 %"]),
        ("an adjusted P-value ,0.001 and a |log2(fold change)| .1,", "number",
         ["adjusted P-value 0.001", "|log2(fold change)| 1"]),
        ("scores were .0.4 here, P .05 there", "number", ["P .05"]),
        ("Welch's t-test, Mann–Whitney U test and one-way ANOVA with Bonferroni correction", "test",
         ["Welch's t-test", "Mann–Whitney U test", "one-way ANOVA", "Bonferroni correction"]),
        ("46 DDLPS specimens and nine normal fat tissue controls (n = 55)", "cohort",
         ["DDLPS specimens 46", "normal fat tissue controls nine", "n 55"]),
        ("CDK4, MDM2 and PC were up; the PC was slow; SDS buffer; CAT mRNA; NOTAGENE7", "gene",
         ["CDK4", "MDM2", "PC", "CAT"]),
    ],
)  # fmt: skip
def test_what_stands_there_is_found(text: str, kind: str, labels: list[str]) -> None:
    assert found(text, kind) == labels


def test_a_lost_sign_is_not_made_up() -> None:
    (number,) = [f for f in mine("genes with degree \ufffd10 were hubs") if f.kind == "number"]
    assert (number.name, number.value) == ("degree", "10")


def test_the_list_of_symbols_is_that_of_the_hgnc() -> None:
    symbols = approved_symbols()
    assert len(symbols) > 25_000
    assert {"TP53", "ESR1", "MIR21", "MALAT1"} <= symbols
    assert not {"p53", "HER2", "PCR", "DNA"} & symbols


@given(st.text(max_size=300))
def test_any_text_is_mined_and_every_find_is_a_stretch_of_it(text: str) -> None:
    for find in mine(text):
        assert 0 <= find.start < find.end <= len(text)
    for symbol, start, end in gene_symbols(text):
        assert text[start:end] == symbol


@given(
    st.lists(
        st.sampled_from("GSE1992 limma version 3.2 P < 0.05 37 °C 46 patients n = TP53 , t-test".split()),
        max_size=30,
    )
)
def test_words_in_any_order_are_found_as_they_stand(words: list[str]) -> None:
    text = " ".join(words)
    for find in mine(text):
        stretch = text[find.start : find.end]
        assert find.name.split()[0] in stretch or find.kind == "number"
        assert all(part in stretch for part in find.value.split())


def test_a_real_paper_is_mined_outside_its_reference_list(shared_data: Path) -> None:
    _, document = load_paper(shared_data / "fulltext" / "pdf" / "PMC5481278.pdf")
    kinds = defaultdict(set)
    outside = [s for s in document.sections if s.kind != "references"]
    for mention in mine_document(document):
        kinds[mention.kind].add(mention.name if mention.kind != "software" else mention.name.casefold())
        assert any(s.start <= mention.start < mention.end <= s.end for s in outside)
    assert {"GSE21124", "GPL96"} == kinds["accession"]
    assert {"limma", "gcrma", "string", "david", "cytoscape", "r", "kegg"} == kinds["software"]
    assert {"CDK4", "MDM2", "PCNA", "CDKN2A"} <= kinds["gene"]
    assert "independent samples t-tests" in kinds["test"]
    assert {"DDLPS specimens", "normal fat tissue controls"} <= kinds["cohort"]
