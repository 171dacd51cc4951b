"""Queries by rule: concepts of an objective, and how queries are relaxed and narrowed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.examples import load_example
from bioresearcher.offline.search import broader, find_concepts, objective_concepts, plan_queries
from bioresearcher.schemas.ask_literature import PlanQueriesInput
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.paper import SearchQuery
from bioresearcher.sources.pubmed_offline import mesh
from bioresearcher.sources.pubmed_offline.boolean import parse, positive_words
from bioresearcher.stages.search import and_clauses, ignored, narrow, relax

LIPOSARCOMA = Objective(
    id="br-16317",
    text="Classification of the Immune Microenvironment and Identification of Key Genes in Liposarcoma Based on "
    "Transcriptomics",
    requirements=(Requirement(id="R1", text="A Cox regression of the classes."),),
)


def headings(text: str) -> list[str]:
    return [c.heading for c in find_concepts(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LIPOSARCOMA.text, ["Tumor Microenvironment", "Liposarcoma", "Gene Expression Profiling"]),
        ("pancreatic cancer and pancreatitis", ["Pancreatic Neoplasms", "Pancreatitis"]),
        ("breast tumours, breast cancers, breast neoplasm", ["Breast Neoplasms"]),
        ("acute myeloid leukaemia", ["Leukemia, Myeloid, Acute"]),
        ("the genes of the patients with a tumour", []),
        ("", []),
    ],
)
def test_concepts_are_found_by_any_of_their_names(text: str, expected: list[str]) -> None:
    assert headings(text) == expected


def test_the_disease_above_is_taken_from_the_vocabulary() -> None:
    (disease,) = find_concepts("liposarcoma")
    above = broader(disease)
    assert above is not None
    assert above.heading == "Sarcoma"


def test_headings_are_those_of_the_real_vocabulary(shared_data: Path) -> None:
    """What is shipped is a selection: every heading stands in the full table of diseases and methods."""
    with gzip.open(shared_data / "gene_sets" / "mesh_disease_methods.tsv.gz", "rt", encoding="utf-8") as lines:
        real = {line.split("\t")[1] for line in lines}
    shipped = [heading.name for heading in mesh.headings()]
    shipped = [h for h in shipped if not h.startswith("#")]
    assert len(shipped) > 2000
    assert not {*shipped} - real


def planned(objective: Objective, number: int, previous: tuple[SearchQuery, ...] = ()) -> tuple[SearchQuery, ...]:
    values = PlanQueriesInput(objective=objective, round=number, previous=previous, known_titles=())
    return plan_queries(values).literature


def test_the_first_round_asks_different_things_with_mesh_terms_and_fields() -> None:
    queries = planned(LIPOSARCOMA, 1)
    assert len(queries) >= 4
    assert len({frozenset(positive_words(parse(q.query))) for q in queries}) == len(queries)
    assert all('"Liposarcoma"[MeSH Terms]' in q.query for q in queries)
    assert any('"Proportional Hazards Models"[MeSH Terms]' in q.query and "R1" in q.purpose for q in queries)
    assert all("[Title/Abstract]" in q.query for q in queries)


def test_later_rounds_are_broader_and_repeat_nothing() -> None:
    first = planned(LIPOSARCOMA, 1)
    second = planned(LIPOSARCOMA, 2, first)
    third = planned(LIPOSARCOMA, 3, (*first, *second))
    assert any('"Sarcoma"[MeSH Terms]' in q.query for q in second)
    texts = [q.query for q in (*first, *second, *third)]
    assert len(texts) == len({*texts})


def test_data_sets_that_are_at_hand_are_looked_for_by_their_accession() -> None:
    queries = planned(load_example("breast-cancer").objective, 1)
    assert any("GSE1992" in q.query and "GSE4335" in q.query for q in queries)


@pytest.mark.parametrize(
    "text", ["Why do people like music?", "Metabolic rate in craniosynostosis patients", "x y z", "12345 67890"]
)
def test_an_objective_of_no_known_concept_still_gives_queries_or_none(text: str) -> None:
    objective = Objective(id="o", text=text)
    assert all(positive_words(parse(q.query)) for q in planned(objective, 1))
    assert isinstance(objective_concepts(objective), list)


QUERY = (
    '("Liposarcoma"[MeSH Terms] OR "liposarcoma"[Title/Abstract]) AND '
    '("immune microenvironment"[Title/Abstract] OR "frozen tissue"[Title/Abstract]) AND "key genes"[Title]'
)


def steps(query: str, move) -> list[tuple[str, str]]:
    found = []
    while (step := move(query)) is not None:
        query = step.query
        found.append((query, step.rule))
        assert len(found) < 20
    return found


def test_phrases_that_stand_nowhere_go_first() -> None:
    step = relax(QUERY, ["Key Genes", "frozen tissue"])
    assert step is not None
    assert step.query == (
        '("Liposarcoma"[MeSH Terms] OR "liposarcoma"[Title/Abstract]) AND "immune microenvironment"[Title/Abstract]'
    )
    assert "stands nowhere" in step.rule


def test_a_term_that_one_field_lacks_is_kept_in_the_other() -> None:
    query = '("Sarcoma"[MeSH Terms] OR "sarcoma"[Title/Abstract]) AND "review"[Publication Type]'
    step = relax(query, ["Sarcoma[MeSH Terms]"])
    assert step is not None
    assert step.query == '"sarcoma"[Title/Abstract] AND "review"[Publication Type]'
    unsaid = relax(query, ["sarcoma"])
    assert unsaid is not None
    assert "sarcoma" in unsaid.query
    assert "stands nowhere" not in unsaid.rule


def test_relaxing_ends_with_what_the_query_is_about() -> None:
    found = steps(QUERY, relax)
    last, rule = found[-1]
    assert and_clauses(last) == [last]
    assert "liposarcoma" in last.lower()
    assert "without" in rule
    assert len({q for q, _ in found}) == len(found)


def test_narrowing_takes_fields_then_key_terms_then_titles() -> None:
    found = steps("liposarcoma AND (immune OR T-cells[All Fields])", lambda q: narrow(q, ("liposarcoma", "RNA-seq")))
    queries = [q for q, _ in found]
    assert queries[0] == "liposarcoma[Title/Abstract] AND (immune[Title/Abstract] OR T-cells[Title/Abstract])"
    assert queries[1].endswith(' AND "RNA-seq"[Title/Abstract]')
    assert queries[2].startswith("liposarcoma[Title] AND")
    assert len(queries) == 3


@pytest.mark.parametrize(
    ("query", "clauses"),
    [
        ("a AND b", ["a", "b"]),
        ("(a AND b) OR c", ["(a AND b) OR c"]),
        ('"x AND y" AND (b OR c) NOT d', ['"x AND y"', "(b OR c) NOT d"]),
        ("a AND (b", ["a", "(b"]),
        ("", []),
    ],
)
def test_clauses_are_what_the_outermost_ands_join(query: str, clauses: list[str]) -> None:
    assert and_clauses(query) == clauses


def test_what_a_service_left_out_is_noticed() -> None:
    translation = '"liposarcoma"[MeSH Terms] OR "liposarcoma"[All Fields]'
    assert ignored('"liposarcoma" AND "zebra crossing"', translation) == ("zebra crossing",)
    assert ignored('"liposarcoma"', "") == ()


@given(st.text('ab "()[]ANDORTi/', max_size=80), st.lists(st.text("ab ", max_size=5), max_size=2))
def test_any_query_can_be_relaxed_and_narrowed_to_an_end(query: str, words: list[str]) -> None:
    for move in (lambda q: relax(q, words), lambda q: narrow(q, tuple(words))):
        current, seen = query, {query}
        for _ in range(60):
            step = move(current)
            if step is None or step.query in seen:
                break
            current = step.query
            seen.add(current)
        else:
            raise AssertionError(f"no end for {query!r}")
