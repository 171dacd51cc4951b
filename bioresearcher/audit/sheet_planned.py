"""Columns and levels that an objective names and a data set does not have; only names that can be nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.audit.sheet_material import Material, levels, listed, normal, numbers_in
from bioresearcher.audit.tables import FactDraft
from bioresearcher.schemas.columns import MAX_LEVELS

_UNDERSCORED = re.compile(r"(?<![\w./\\-])[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+(?![\w/\\]|\.\w)")
_COLUMN = r"(?:columns?|variables?|fields?|covariates?)"
_QUOTED = re.compile(
    rf"{_COLUMN}\s+[\"'`‘“]([\w. -]{{1,40}})[\"'`’”]|[\"'`‘“]([\w. -]{{1,40}})[\"'`’”]\s+{_COLUMN}|`([\w.]{{2,40}})`",
    re.IGNORECASE,
)
_EQUAL = re.compile(r"(?<![\w.])([A-Za-z]\w*)\s*={1,2}\s*[\"'`‘“]?([\w+-]+(?:\.\d+)?)")
_GENE_SET = re.compile(r"^(HALLMARK|GO|GOBP|GOMF|GOCC|KEGG|REACTOME|BIOCARTA|WP|PID|C[1-8])_")

_STATISTIC = re.compile(
    r"(?i)^(p|q|adj|padj|adjusted_p|log2?|log2_fold|fold|hazard|odds|t|z|f)_(value|val|p|fc|change|ratio|test|score)s?$"
)


def planned_facts(material: Material) -> Iterator[FactDraft]:
    """State columns and levels that the objective, its conditions or requirements name and that are not there.

    Certain names are those in quotes beside the word column or variable, in backticks, with underscores, or before an
    equals sign when a column of that name exists or the name holds an underscore.
    """
    if not material.sheet.columns:
        return
    objective = material.objective
    texts = [objective.text, *objective.conditions, *(r.text for r in objective.requirements)]
    names: dict[str, None] = {}
    absent_levels = []
    for text in texts:
        names.update({m[0]: None for m in _UNDERSCORED.finditer(text)})
        names.update({next(g for g in m.groups() if g): None for m in _QUOTED.finditer(text)})
        absent_levels += [found for m in _EQUAL.finditer(text) if (found := _absent_level(material, m[1], m[2]))]
    known = _known_names(material)
    absent = [n for n in names if normal(n) not in known and not _GENE_SET.match(n) and not _STATISTIC.match(n)]
    if absent:
        yield material.draft(
            "not there",
            2,
            f"{len(absent)} names that the objective or its requirements use are no column, level, sample or feature "
            f"of this data set: {listed(absent)}.",
            "Find the column that is meant, say that it stands in another data set, or that the step cannot be done.",
            "sheet_planned.planned_facts",
            {"names that are not there": len(absent)},
            absent,
        )
    for column, level, present in dict.fromkeys(absent_levels):
        yield material.draft(
            "not there",
            3,
            f"The objective or its requirements use {column} = {level}, but this column has only "
            f"{listed(present, 12)}.",
            "Find the level that is meant, or say that the step cannot be done.",
            "sheet_planned.planned_facts",
            {"levels": len(present)},
            [f"{column} = {level}"],
        )


def _absent_level(material: Material, name: str, level: str) -> tuple[str, str, tuple[str, ...]] | None:
    column = next((n for n in material.variables if normal(n) == normal(name)), None)
    if column is None:
        return None
    present = sorted(levels(material.variables[column]))
    if len(present) > MAX_LEVELS or (numbers_in(present) is not None and len(present) > 6):
        return None
    return None if normal(level) in {normal(p) for p in present} else (column, level, tuple(present))


def _known_names(material: Material) -> set[str]:
    """All names that the data set gives a meaning to, normalised."""
    found = {*material.sheet.columns, *material.labels, material.dataset.id, material.dataset.accession or ""}
    for name, cells in material.variables.items():
        found |= {name, name.split(": ")[-1]}
        if len(levels(cells)) <= 60:
            found |= set(cells)
    for column in material.sheet.described.values():
        found |= {column.name, *column.aliases, *column.label.split(",")}
    for file in material.dataset.files:
        found |= {file.name, file.path, file.path.split(".")[0], *file.entries, *(c.name for c in file.columns)}
    if material.matrix is not None:
        found |= {*material.matrix.samples, *material.matrix.features}
    return {normal(name) for name in found if name}
