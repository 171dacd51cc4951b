"""Human gene symbols: approved, earlier and other names, and coverage of lists of genes."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.audit.gene_symbols import by_gene, coverage, symbols


@pytest.fixture(scope="module")
def source(shared_data: Path) -> list[dict[str, str]]:
    """The export of HGNC that the shipped table was made from."""
    with gzip.open(shared_data / "gene_sets" / "hgnc_approved.tsv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_approved_symbol_means_itself(source: list[dict[str, str]]) -> None:
    table = symbols()
    assert table.approved == {row["Approved symbol"] for row in source}
    assert all(table.gene(name) == name for name in table.approved)


def test_a_name_means_a_gene_only_if_no_other_gene_had_it(source: list[dict[str, str]]) -> None:
    table = symbols()
    holders: dict[str, set[str]] = {}
    for row in source:
        for name in filter(None, map(str.strip, row["Previous symbols"].split(","))):
            holders.setdefault(name, set()).add(row["Approved symbol"])
    wrong = [
        name
        for name, genes in holders.items()
        if name not in table.approved and table.gene(name) != (next(iter(genes)) if len(genes) == 1 else None)
    ]
    assert len(holders) > 10_000
    assert wrong == []


@pytest.mark.parametrize(
    ("earlier", "now"),
    [("CDC2", "CDK1"), ("ORC6L", "ORC6"), ("DLG7", "DLGAP5"), ("WISP2", "CCN5"), ("SEPT9", "SEPTIN9")],
)
def test_known_renamings(earlier: str, now: str) -> None:
    assert symbols().gene(earlier) == now


def test_open_reading_frames_are_known_in_capitals_too() -> None:
    frames = [name for name in sorted(symbols().approved) if re.match(r"C\d+orf\d", name)]
    assert len(frames) > 100
    assert [symbols().gene(name.upper()) for name in frames] == frames


@pytest.mark.parametrize("name", ["", "no gene", "1552256_a_at", "ENSG00000141510"])
def test_what_is_no_symbol_means_no_gene(name: str) -> None:
    assert symbols().gene(name) is None


def test_coverage_tells_measured_renamed_and_absent() -> None:
    measured = ("CDC2", "ORC6", "TP53")
    found = coverage(("CDK1", "ORC6", "BRCA1", "no gene"), frozenset(measured), by_gene(measured))
    assert found.present == ("ORC6",)
    assert dict(found.renamed) == {"CDK1": "CDC2"}
    assert found.absent == ("BRCA1", "no gene")
    assert found.several == ()


def test_two_names_of_one_gene_are_not_chosen_between() -> None:
    earlier = [n for n, genes in symbols().previous.items() if genes == ("CDK1",)]
    assert earlier
    alias = next(n for n, genes in symbols().aliases.items() if genes == ("CDK1",) and n not in earlier)
    measured = (earlier[0], alias)
    assert coverage(("CDK1",), frozenset(measured), by_gene(measured)).several == ("CDK1",)


@given(st.lists(st.sampled_from(sorted(symbols().approved)[::97]), max_size=30), st.data())
def test_every_wanted_symbol_is_counted_once(wanted: list[str], data: st.DataObject) -> None:
    measured = tuple(data.draw(st.lists(st.sampled_from(sorted(symbols().previous)[::53]), max_size=30)))
    found = coverage(wanted, frozenset(measured), by_gene(measured))
    parts = [*found.present, *found.renamed, *found.several, *found.absent]
    assert sorted(parts) == sorted(set(wanted))
    assert all(symbols().gene(old) == symbols().gene(new) for new, old in found.renamed.items())
