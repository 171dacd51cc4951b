"""Sums of transcripts to genes by a table that lies beside the quantifications, as tximport's default makes them.

A gene's count is the sum of the estimated counts of its transcripts (Soneson, Love and Robinson 2015). Differences of
transcript length between samples are not modelled: which transcript of a gene is used can shift its count a little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.sources.datasets.folders import SideBySide
from bioresearcher.sources.datasets.text_source import find_source

_HEAD = 2_000
_LEAST_READS = 0.5
"""Share of the reads whose transcripts must be in the table."""


def sum_to_genes(joined: SideBySide, tables: Iterable[Path]) -> tuple[SideBySide, Path | None]:
    """Sum transcripts to genes by the first table that names the gene of each; unchanged without such a table.

    Raises:
        InputError: More than half of the reads belong to transcripts that the table does not name.
    """
    features = {_bare(f) for f in joined.features}
    for path in tables:
        genes = _genes_by_transcript(path, features)
        if genes:
            return _summed(joined, genes, path), path
    return joined, None


def _bare(name: str) -> str:
    """A transcript's identifier without its version, and the first of several that are joined by bars."""
    text = name.split("|")[0]
    head, dot, tail = text.rpartition(".")
    return head if dot and tail.isdigit() else text


def _genes_by_transcript(path: Path, features: set[str]) -> dict[str, str]:
    """Transcript → gene, of a table with a column of transcripts and one of genes; empty of another table."""
    try:
        rows = find_source(path).rows()
        head = list(islice(rows, _HEAD))
        if not head or not 2 <= len(head[0]) <= 6:
            return {}
        width = len(head[0])
        shares = [sum(len(r) > at and _bare(r[at]) in features for r in head) / len(head) for at in range(width)]
        of = max(range(width), key=lambda at: shares[at])
        if shares[of] < 0.2:
            return {}
        gene = next((at for at in range(width) if at != of and _groups(head, of, at)), None)
        if gene is None:
            return {}
        body = [*head, *rows]
    except InputError:
        return {}
    return {_bare(r[of]): r[gene] for r in body if len(r) > max(of, gene) and r[gene] and r[of]}


def _groups(head: Sequence[Sequence[str]], of: int, at: int) -> bool:
    """Return True if a column is text that several transcripts share."""
    cells = [r[at] for r in head[1:] if len(r) > max(of, at) and r[at]]
    return bool(cells) and as_number(cells[0]) is None and len(set(cells)) < len(cells)


def _summed(joined: SideBySide, genes: dict[str, str], path: Path) -> SideBySide:
    columns: list[dict[str, str]] = []
    kept = lost = 0.0
    of = {f: genes.get(_bare(f), "") for f in joined.features}
    for column in joined.columns:
        sums: dict[str, float] = {}
        for feature, gene in of.items():
            value = as_number(column.get(feature, "")) or 0.0
            if gene:
                sums[gene] = sums.get(gene, 0.0) + value
                kept += value
            else:
                lost += value
        columns.append({g: f"{v:.3f}".rstrip("0").rstrip(".") for g, v in sums.items()})
    missing = sum(not g for g in of.values())
    share = kept / (kept + lost) if kept + lost else 0.0
    if share < _LEAST_READS:
        raise InputError(
            f"{path.name}: names the genes of transcripts with {100 * share:.0f} % of the reads only; "
            f"{missing:,} of {len(of):,} transcripts are not in it.",
            hint="Give the table of the annotation that the index was made of.",
        )
    notes = [n for n in joined.notes if "no genes were summed up" not in n]
    notes.append(
        f"Transcripts were summed to {len(columns[0]):,} genes by {path.name}; differences of transcript length "
        "between samples are not modelled"
    )
    if missing:
        notes.append(
            f"{missing:,} of {len(of):,} transcripts ({100 * (1 - share):.2g} % of the reads) are not in {path.name} "
            "and were left out"
        )
    return SideBySide(joined.samples, list(columns[0]), columns, [*joined.used, path], notes)
