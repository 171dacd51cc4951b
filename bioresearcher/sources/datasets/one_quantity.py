"""Several matrices of the same samples that one program wrote: which of them is read, by the names of the files.

nf-core/rnaseq writes counts, scaled counts and rates, of genes and of transcripts; DIA-NN protein groups, genes and
precursors; MaxQuant protein groups and peptides. The others are named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bioresearcher.sources.datasets.folders import Found

_PROGRAMS = (
    (
        "nf-core/rnaseq",
        (
            r"(?P<of>.*\.merged)\.gene_counts\.(tsv|txt|csv)",
            r"(?P<of>.*\.merged)\.gene_counts(_length)?_scaled\.(tsv|txt|csv)",
            r"(?P<of>.*\.merged)\.gene_(tpm|lengths)\.(tsv|txt|csv)",
            r"(?P<of>.*\.merged)\.transcript_(counts|tpm|lengths)\.(tsv|txt|csv)",
        ),
    ),
    (
        "DIA-NN",
        (
            r"(?P<of>.*)\.pg_matrix\.(tsv|txt)",
            r"(?P<of>.*)\.(unique_genes|gg)_matrix\.(tsv|txt)",
            r"(?P<of>.*)\.pr_matrix\.(tsv|txt)",
            r"(?P<of>.*)\.(stats|protein_description|log)\.(tsv|txt)",
        ),
    ),
    (
        "MaxQuant",
        (r"(?P<of>)proteinGroups\.txt", r"(?P<of>)(peptides|evidence|msms|summary|parameters|allPeptides)\.txt"),
    ),
    (
        "FragPipe",
        (
            r"(?P<of>)combined_protein\.tsv",
            r"(?P<of>)combined_(peptide|ion|modified_peptide)\.tsv|(?P<more>psm|ion)\.tsv",
        ),
    ),
)


def one_quantity(paths: Sequence[Path]) -> Found | None:
    """Leave out further matrices of a program whose first one is there; None where none is recognised."""
    left: dict[Path, str] = {}
    for program, patterns in _PROGRAMS:
        ranked: dict[str, list[tuple[int, str, Path]]] = {}
        for path in paths:
            name = path.name.removesuffix(".gz")
            for rank, pattern in enumerate(patterns):
                if match := re.fullmatch(pattern, name, re.I):
                    ranked.setdefault(match["of"] or "", []).append((rank, path.name, path))
                    break
        for listed in ranked.values():
            first, *others = sorted(listed)
            if first[0] < len(patterns) - 1:
                left |= {p: f"another table of {program}; {first[2].name} is read" for _, _, p in others}
    return Found(used={*left}, left=left) if left else None
