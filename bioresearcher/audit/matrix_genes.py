"""Genes of a matrix: what its features are, coverage of gene sets and planned genes, also under earlier symbols."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioresearcher.audit.gene_symbols import Coverage, by_gene, coverage, symbols
from bioresearcher.audit.matrix_filled import Filled
from bioresearcher.audit.matrix_groups import Grouping
from bioresearcher.audit.tables import MAX_FACT_ROWS, FactDraft, Matrix, behind
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.facts import FactNumber
from bioresearcher.sources.datasets.table_stream import open_lines

_SHOWN_BY = "audit.matrix_genes"
_FORMS = (
    ("Ensembl gene ids", re.compile(r"ENS[A-Z]{0,4}G\d{8,}(\.\d+)?")),
    ("Ensembl transcript ids", re.compile(r"ENS[A-Z]{0,4}T\d{8,}(\.\d+)?")),
    ("RefSeq ids", re.compile(r"[NX][MR]_\d+(\.\d+)?")),
    ("Affymetrix probe sets", re.compile(r"\S+_at")),
    ("Illumina probes", re.compile(r"ILMN_\d+")),
    ("CpG probes", re.compile(r"c[gh]\d{6,}(\.\d+\S*)?|ch\.\S+")),
    ("UniProt accessions", re.compile(r"([OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d([A-Z][A-Z0-9]{2}\d){1,2})(-\d+)?")),
    ("numbers, as Entrez ids", re.compile(r"\d+")),
)
_WORD = re.compile(r"(?<![\w-])[A-Z][A-Z0-9]{2,}(?:-[A-Z0-9]+)*(?![\w-])")
_NOT_GENES = frozenset("AIM ALL AML AUC CAT CLL COPE IMPACT MAX MDS MET PC REST SDS SET STAR TANK WAS".split())
"""Words and abbreviations in capitals that are gene symbols, too; taken for genes only when a digit follows."""


@dataclass(frozen=True)
class GeneSets:
    """A collection of gene sets; `name` is the data set it belongs to."""

    name: str
    sets: Mapping[str, tuple[str, ...]]


def feature_form(features: Sequence[str]) -> str:
    """Name what most features are: `gene symbols`, another identifier, or empty when nothing fits half of them."""
    part = features[:: max(1, len(features) // 3_000)]
    if not part:
        return ""
    table = symbols()
    if sum(table.gene(f) is not None for f in part) >= 0.5 * len(part):
        return "gene symbols"
    for name, form in _FORMS:
        if sum(bool(form.fullmatch(f)) for f in part) >= 0.5 * len(part):
            return name
    return ""


def set_facts(
    dataset: str,
    features: Sequence[str],
    collections: Sequence[GeneSets],
    objective: Objective,
    matrix: Matrix,
    filled: Filled,
    groups: Sequence[Grouping],
) -> list[FactDraft]:
    """State how gene sets are covered: each that the objective names, and each collection summed up."""
    measured, genes = frozenset(features), by_gene(features)
    facts = []
    for collection in collections:
        every = coverage((g for s in collection.sets.values() for g in s), measured, genes)
        if len(every.present) + len(every.renamed) < 0.1 * len({g for s in collection.sets.values() for g in s}):
            facts.append(_foreign_fact(dataset, features, collection, len(every.present)))
            continue
        facts.append(_collection_fact(dataset, collection, every))
        for name in named_sets(collection, objective):
            found = coverage(collection.sets[name], measured, genes)
            facts.append(_set_fact(dataset, name, collection.sets[name], found, matrix, filled, groups))
    return facts


def read_gene_sets(name: str, path: Path) -> GeneSets:
    """Read a GMT file; lines that are no gene set are passed over.

    Raises:
        InputError: The file cannot be read as text.
    """
    sets: dict[str, tuple[str, ...]] = {}
    with open_lines(path) as lines:
        for line in lines:
            fields = line.rstrip("\r\n").split("\t")
            if len(fields) >= 3 and fields[0]:
                sets[fields[0]] = tuple(dict.fromkeys(gene for gene in map(str.strip, fields[2:]) if gene))
    return GeneSets(name, sets)


def named_sets(collection: GeneSets, objective: Objective) -> list[str]:
    """List sets whose distinctive words the objective or its requirements name, at most six, in the file's order.

    The collection's own words (those that begin more than half of the names) are not distinctive.
    """
    text = " ".join([objective.text, *(r.text for r in objective.requirements)])
    words = {_stem(w) for w in re.findall(r"[A-Za-z0-9]+", text)}
    names = list(collection.sets)
    first = [re.findall(r"[A-Za-z0-9]+", n)[:1] for n in names]
    common = {w[0] for w in first if w and sum(f == w for f in first) > len(names) / 2} if len(names) > 1 else set()
    found = []
    for name in names:
        own = [_stem(w) for w in re.findall(r"[A-Za-z0-9]+", name) if w not in common]
        if own and all(w in words for w in own):
            found.append(name)
    return found[:6]


def _stem(word: str) -> str:
    word = word.casefold().replace("oe", "e")
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _foreign_fact(dataset: str, features: Sequence[str], collection: GeneSets, present: int) -> FactDraft:
    """State that a collection's symbols are not what the features are named by."""
    form = feature_form(features)
    total = len({gene for genes in collection.sets.values() for gene in genes})
    return FactDraft(
        kind="gene sets",
        dataset=dataset,
        statement=f"Of the {total:,} symbols in the {len(collection.sets):,} gene sets of {collection.name}, "
        f"{present:,} are names of features here"
        + (f": the features are {form}" if form and form != "gene symbols" else "")
        + f" (e.g. {', '.join(features[:3])}).",
        consequence="Gene sets need a mapping of the features to their symbols first; state which.",
        weight=3,
        shown_by=f"{_SHOWN_BY}.set_facts",
        numbers=(FactNumber(name="symbols", value=total), FactNumber(name="measured as written", value=present)),
        rows=tuple(features[:5]),
        row_count=len(features),
    )


def _collection_fact(dataset: str, collection: GeneSets, every: Coverage) -> FactDraft:
    total = len(every.present) + len(every.renamed) + len(every.several) + len(every.absent)
    numbers = (
        FactNumber(name="symbols", value=total),
        FactNumber(name="measured as written", value=len(every.present)),
        FactNumber(name="measured under another name", value=len(every.renamed)),
        FactNumber(name="absent", value=len(every.absent)),
    )
    rows, count = behind(f"{new} measured as {old}" for new, old in every.renamed.items())
    return FactDraft(
        kind="gene sets",
        dataset=dataset,
        statement=(
            f"Of the {total:,} symbols in the {len(collection.sets):,} gene sets of {collection.name}, "
            f"{len(every.present):,} are measured as written, {len(every.renamed):,} under one other symbol "
            f"(HGNC, unambiguous; dates of renaming are not in the source), {len(every.several):,} under several, "
            f"{len(every.absent):,} under none."
        ),
        consequence="Translate the renamed symbols before scores and tests, and report the coverage of every set used.",
        weight=2 if every.renamed or len(every.absent) > 0.1 * total else 1,
        shown_by=f"{_SHOWN_BY}.set_facts",
        numbers=numbers,
        rows=rows,
        row_count=count,
    )


def _set_fact(
    dataset: str,
    name: str,
    wanted: Sequence[str],
    found: Coverage,
    matrix: Matrix,
    filled: Filled,
    groups: Sequence[Grouping],
) -> FactDraft:
    total = len(set(wanted))
    renamed = [f"{new} as {old}" for new, old in found.renamed.items()]
    listed = renamed[:MAX_FACT_ROWS]
    rows, count = behind([*(f"renamed: {r}" for r in renamed), *(f"absent: {a}" for a in found.absent)])
    filled_text, filled_numbers = _filled_genes(found, matrix, filled, groups)
    return FactDraft(
        kind="gene sets",
        dataset=dataset,
        statement=(
            f"Of the {total} genes of {name}, {len(found.present)} are measured as written, {len(renamed)} under "
            f"another symbol"
            + (f" ({', '.join(listed)}{', …' if len(renamed) > len(listed) else ''})" if renamed else "")
            + f", {len(found.absent) + len(found.several)} not at all or not clearly.{filled_text}"
        ),
        consequence="Fix the score's genes from these before looking at outcome"
        + (", and take values filled in as missing." if filled_text else "."),
        weight=3 if filled_text else 2,
        shown_by=f"{_SHOWN_BY}.set_facts",
        numbers=(
            FactNumber(name="genes", value=total),
            FactNumber(name="measured as written", value=len(found.present)),
            FactNumber(name="measured under another name", value=len(renamed)),
            FactNumber(name="absent", value=len(found.absent) + len(found.several)),
            *filled_numbers,
        ),
        rows=rows,
        row_count=count,
    )


def _filled_genes(
    found: Coverage, matrix: Matrix, filled: Filled, groups: Sequence[Grouping]
) -> tuple[str, tuple[FactNumber, ...]]:
    """Say which share of a set's measured genes is filled in, by the division of samples that shows it most."""
    names = {*found.present, *found.renamed.values()}
    rows = np.array([i for i, feature in enumerate(matrix.features) if feature in names], dtype=np.intp)
    if not len(filled.found) or not len(rows):
        return "", ()
    shares = (matrix.values[rows] == filled.inner).mean(0)
    best: dict[str, float] = {}
    for group in groups:
        medians = {level: float(np.median(shares[group.members(level)])) for level, n in group.sizes.items() if n >= 2}
        if len(medians) >= 2 and max(medians.values()) - min(medians.values()) > max(best.values(), default=0.0) - min(
            best.values(), default=0.0
        ):
            best = medians
    if not best or max(best.values()) - min(best.values()) < 0.02:
        median = float(np.median(shares))
        text = f" Filled in are {median:.0%} of its measured genes in a median sample." if median >= 0.02 else ""
        return text, (FactNumber(name="median share filled in", value=round(median, 4)),) if text else ()
    ordered = sorted(best.items(), key=lambda p: -p[1])
    text = ", ".join(f"{level} {share:.0%}" for level, share in ordered[:10])
    return f" Of its measured genes, filled in per sample (median): {text}.", tuple(
        FactNumber(name=f"median share filled in, {level}", value=round(share, 4)) for level, share in ordered[:20]
    )


def planned_facts(dataset: str, features: Sequence[str], objective: Objective) -> list[FactDraft]:
    """State genes that the objective names and that are not measured, or measured under another name."""
    wanted = planned_genes(objective)
    if not wanted or feature_form(features) != "gene symbols":
        return []
    found = coverage(wanted, frozenset(features), by_gene(features))
    if len(found.present) == len(wanted):
        return []
    parts = [f"{new} is measured as {old}" for new, old in found.renamed.items()]
    parts += [f"{name} is not measured" for name in (*found.absent, *found.several)]
    rows, count = behind(parts)
    return [
        FactDraft(
            kind="not there",
            dataset=dataset,
            statement=f"Of {len(wanted)} genes that the objective names ({', '.join(wanted[:10])}): "
            f"{'; '.join(parts[:10])}.",
            consequence="Use the name that was measured; plan nothing on a gene that was not.",
            weight=3 if found.absent or found.several else 2,
            shown_by=f"{_SHOWN_BY}.planned_facts",
            numbers=(
                FactNumber(name="genes named", value=len(wanted)),
                FactNumber(name="not measured", value=len(found.absent) + len(found.several)),
            ),
            rows=rows,
            row_count=count,
        )
    ]


def planned_genes(objective: Objective) -> tuple[str, ...]:
    """List words in capitals of the objective and its requirements that are approved or earlier gene symbols.

    Words of three letters or more count; those that are ordinary words or abbreviations, too, do not, nor does a text
    that is in capitals as a whole. An earlier symbol counts only with a digit in it, an alias never.
    """
    table = symbols()
    found: dict[str, None] = {}
    for text in (objective.text, *(r.text for r in objective.requirements)):
        letters = [c for c in text if c.isalpha()]
        if sum(c.isupper() for c in letters) > 0.6 * len(letters):
            continue
        for word in _WORD.findall(text):
            earlier = any(c.isdigit() for c in word) and len(table.previous.get(word, ())) == 1
            if word not in _NOT_GENES and (word in table.approved or earlier):
                found[word] = None
    return tuple(found)
