"""Study folders of cBioPortal (https://docs.cbioportal.org/file-formats/): which of their files are read, and as what.

`meta_*.txt` files say what each data file holds; where they are missing, the usual names of the data files do. One
matrix is read: measured expression, never its z-scores (they are relative to other samples), nor copy numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.sources.datasets.folders import Found

_NAMES = (
    (r"data_clinical(_supp\w*)?_?(patients?|samples?)?\.txt", "CLINICAL", ""),
    (r"data_(mrna|rna|expression|microarray|RNA_Seq|rppa_?|protein).*z_?-?scores.*\.txt", "EXPRESSION", "Z-SCORE"),
    (r"data_(mrna|rna|expression|RNA_Seq).*\.txt", "MRNA_EXPRESSION", "CONTINUOUS"),
    (r"data_mutations?(_\w+)?\.(txt|maf)", "MUTATION_EXTENDED", "MAF"),
    (r"data_(linear_|log2_?)?cna.*\.(txt|seg)", "COPY_NUMBER_ALTERATION", ""),
    (r"data_methylation.*\.txt", "METHYLATION", ""),
    (r"data_(rppa|protein).*\.txt", "PROTEIN_LEVEL", ""),
    (r"data_(sv|fusions?|structural_variants?)\.txt", "STRUCTURAL_VARIANT", ""),
    (r"data_timeline.*\.txt", "TIMELINE", ""),
    (r"data_.+", "OTHER", ""),
)
_WORDS = {
    "COPY_NUMBER_ALTERATION": "copy numbers",
    "METHYLATION": "methylation",
    "PROTEIN_LEVEL": "proteins",
    "STRUCTURAL_VARIANT": "structural variants",
    "TIMELINE": "a time line of treatments and specimens",
}
_PLATFORMS = ("rna_seq_v2", "rna_seq", "rnaseq", "median", "u133", "agilent", "microarray")
"""Words of names, the matrix that is read first."""


@dataclass(frozen=True)
class _Item:
    path: Path
    kind: str
    data: str

    @property
    def rank(self) -> tuple[int, str]:
        name = self.path.name.lower()
        return next((n for n, w in enumerate(_PLATFORMS) if w in name), len(_PLATFORMS)), name


def study_files(paths: Sequence[Path]) -> Found | None:
    """Take from a cBioPortal study what is not read: descriptions, all matrices but one, further kinds of data.

    Clinical tables, one matrix of expression and the mutations are left for the readers of single tables.
    """
    metas = {p: _meta(p) for p in paths if re.fullmatch(r"meta_.+\.txt", p.name)}
    metas = {p: m for p, m in metas.items() if "cancer_study_identifier" in m or "data_filename" in m}
    named = [p for p in paths if re.fullmatch(r"data_clinical.*\.txt", p.name)]
    if not metas and not named:
        return None
    said = {m["data_filename"]: m for m in metas.values() if "data_filename" in m}
    items = [_item(p, said.get(p.name)) for p in paths if p not in metas and re.match(r"data_|case", p.name)]
    items += [_item(p, said[p.name]) for p in paths if p.name in said and not re.match(r"data_|case", p.name)]
    matrices = sorted((i for i in items if i.kind == "MRNA_EXPRESSION" and i.data != "Z-SCORE"), key=lambda i: i.rank)
    found = Found(used={*metas})
    for item in items:
        if item.kind in ("CLINICAL", "MUTATION_EXTENDED") or item in matrices[:1]:
            continue
        found.used.add(item.path)
        found.left[item.path] = _why(item, matrices)
    if matrices:
        found.notes.append(f"{matrices[0].path.name}: the matrix of this cBioPortal study that is read")
    return found if found.used else None


def _why(item: _Item, matrices: Sequence[_Item]) -> str:
    if item.data == "Z-SCORE":
        return "z-scores, relative to other samples: not what was measured"
    if item.kind == "MRNA_EXPRESSION":
        return f"another matrix of expression; {matrices[0].path.name} is read. To analyse this one, give it alone"
    kind = _WORDS.get(item.kind)
    return f"{kind}: to analyse them, give the file with the clinical tables alone" if kind else "no reader for it"


def _item(path: Path, meta: dict[str, str] | None) -> _Item:
    if meta is not None:
        return _Item(path, meta.get("genetic_alteration_type", "OTHER").upper(), meta.get("datatype", "").upper())
    for pattern, kind, data in _NAMES:
        if re.fullmatch(pattern, path.name, re.I):
            return _Item(path, kind, data)
    return _Item(path, "OTHER", "")


def _meta(path: Path) -> dict[str, str]:
    """Read `key: value` lines; empty where a line is none."""
    found: dict[str, str] = {}
    with path.open("rb") as file:
        lines = file.read(1 << 16).decode("utf-8", "replace").splitlines()
    for line in lines:
        key, mark, value = line.partition(":")
        if mark:
            found[key.strip()] = value.strip()
        elif line.strip():
            return {}
    return found
