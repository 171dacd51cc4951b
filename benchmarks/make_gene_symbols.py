"""Make the shipped table of gene symbols from an export of HGNC.

    python benchmarks/make_gene_symbols.py hgnc_approved.tsv.gz

The export has the columns "Approved symbol", "Previous symbols" and "Alias symbols" (custom download at
genenames.org; HGNC's data are CC0). The same export gives the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "bioresearcher" / "audit" / "hgnc_symbols.tsv.gz"
HEAD = (
    "# Gene symbols approved by the HUGO Gene Nomenclature Committee (genenames.org), CC0: "
    "approved, previous and alias symbols. The export states no dates of renaming."
)


def names(cell: str) -> str:
    """Join the names of a cell by `|`, each once, in their order."""
    return "|".join(dict.fromkeys(name.strip() for name in cell.split(",") if name.strip()))


def main() -> int:
    """Write the table."""
    with gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="") as file:
        rows = sorted(
            (row["Approved symbol"], names(row["Previous symbols"]), names(row["Alias symbols"]))
            for row in csv.DictReader(file, delimiter="\t")
        )
    text = "\n".join([HEAD, *("\t".join(row) for row in rows)]) + "\n"
    TABLE.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    sys.stdout.write(f"{len(rows):,} symbols, {TABLE.stat().st_size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
