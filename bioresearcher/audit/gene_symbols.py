"""Human gene symbols: approved names, and earlier or other names that mean one gene only.

The shipped table (`hgnc_symbols.tsv.gz`, made by `benchmarks/make_gene_symbols.py`) is HGNC's, CC0. It states which
names a gene had before, not when it was renamed.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("hgnc_symbols.tsv.gz")
_READING_FRAME = re.compile(r"C(\d+|X|Y)ORF\d+\S*")


@dataclass(frozen=True)
class Symbols:
    """Approved symbols, and for each name that is no approved symbol the genes it was or is also used for."""

    approved: frozenset[str]
    previous: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, tuple[str, ...]]

    def gene(self, name: str) -> str | None:
        """Return the approved symbol that a name means; None when it means none or more than one.

        An approved symbol means itself. A previous symbol counts before an alias, as HGNC resolves them, and only
        when one gene had it; an alias only when no gene had it as its symbol and one gene has it as alias.
        """
        name = name.strip()
        if name in self.approved:
            return name
        if _READING_FRAME.fullmatch(name):
            name = name.replace("ORF", "orf")
            if name in self.approved:
                return name
        found = self.previous.get(name) or self.aliases.get(name) or ()
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class Coverage:
    """Coverage of a list of gene symbols by what was measured.

    Attributes:
        present: Symbols that were measured as written.
        renamed: Symbol -> the one other name under which its gene was measured.
        several: Symbols whose gene was measured under more than one other name.
        absent: Symbols that were measured under no name that means their gene alone.
    """

    present: tuple[str, ...]
    renamed: Mapping[str, str]
    several: tuple[str, ...]
    absent: tuple[str, ...]


@cache
def symbols() -> Symbols:
    """Read the shipped table."""
    approved: set[str] = set()
    previous: dict[str, list[str]] = defaultdict(list)
    aliases: dict[str, list[str]] = defaultdict(list)
    for line in gzip.decompress(_TABLE.read_bytes()).decode("utf-8").splitlines():
        if line.startswith("#"):
            continue
        symbol, before, others = line.split("\t")
        old, alias = before.split("|") if before else [], others.split("|") if others else []
        approved.add(symbol)
        for name in old:
            previous[name].append(symbol)
        for name in alias:
            aliases[name].append(symbol)
    return Symbols(
        frozenset(approved),
        {n: tuple(g) for n, g in previous.items() if n not in approved},
        {n: tuple(g) for n, g in aliases.items() if n not in approved},
    )


def by_gene(measured: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Group measured names by the approved symbol of the gene that each alone means; others are left out."""
    table = symbols()
    found: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(measured):
        gene = table.gene(name)
        if gene:
            found[gene].append(name)
    return {gene: tuple(names) for gene, names in found.items()}


def coverage(wanted: Iterable[str], measured: frozenset[str], genes: Mapping[str, tuple[str, ...]]) -> Coverage:
    """Sort wanted symbols into measured, measured under another name, and absent.

    Args:
        wanted: Symbols as a gene set or a protocol writes them.
        measured: Names of the measured features.
        genes: `by_gene(measured)`, made once for many lists.
    """
    table = symbols()
    present, renamed, several, absent = [], {}, [], []
    for name in dict.fromkeys(wanted):
        gene = table.gene(name)
        others = genes.get(gene, ()) if gene else ()
        if name in measured:
            present.append(name)
        elif len(others) == 1:
            renamed[name] = others[0]
        elif others:
            several.append(name)
        else:
            absent.append(name)
    return Coverage(tuple(present), renamed, tuple(several), tuple(absent))
