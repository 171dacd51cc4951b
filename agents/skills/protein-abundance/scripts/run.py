"""Label-free proteomics: zeros as missing, normalisation, and moderated tests of every protein, without imputation."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import read_sheet
from biogroups import Words, analyse, read_groups
from biolinear import MINIMUM_N, read_design
from biospecs import NORMALISATIONS

MOST_LOST = 0.9
"""Share of missing proteins from which a sample is refused: it was hardly measured."""
WIDEST = 50
"""Range of logarithms to base 2 that a mass spectrometer can span; more are no logarithms."""
LOGARITHMS = {"log2": 1.0, "log10": np.log2(10), "ln": np.log2(np.e)}


def on_log2(task: bioskill.Task, matrix: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Intensities on a log2 scale with zeros as missing, and what was done."""
    declared = str(task.parameter("scale", "")).strip().lower()
    values = matrix.to_numpy()
    seen = bioskill.scale_of(values)
    zeros = int((values == 0).sum())
    spread = float(np.nanmax(values) - np.nanmin(values))
    if declared in LOGARITHMS or (not declared and seen.kind == "log2" and spread <= WIDEST):
        step = LOGARITHMS.get(declared, 1.0)
        missing = seen.zeros_missing
        done = {"zeros": zeros if missing else 0, "scale": declared or "log2"}
        return (matrix.mask(matrix == 0) if missing else matrix) * step, done
    if declared in ("counts", "spectral counts") or (not declared and seen.kind == "counts"):
        bioskill.fail(
            f"the matrix looks like counts ({seen.why}); this analysis is for intensities: state scale = "
            '"linear" if they are, or use an analysis for counts'
        )
    if (values < 0).any():
        bioskill.fail('intensities are negative; state scale = "log2" if they are logarithms')
    return np.log2(matrix.mask(matrix == 0)), {"zeros": zeros, "scale": declared or "linear"}


def measured(matrix: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The proteins with any value, and how many have none; a sample that was hardly measured is refused."""
    kept = matrix[matrix.notna().any(axis=1)]
    if kept.empty:
        bioskill.fail("every value is missing or zero")
    lost = kept.isna().mean()
    if (lost > MOST_LOST).any():
        name = lost.idxmax()
        bioskill.fail(
            f"sample {name!r} lacks {100 * lost[name]:.0f} % of {len(kept)} proteins; at most "
            f"{100 * MOST_LOST:g} % may "
            "be missing: leave the sample out"
        )
    return kept, len(matrix) - len(kept)


def only_one(table: pd.DataFrame, matrix: pd.DataFrame, groups: pd.Series) -> dict[str, list[str]]:
    """Proteins with enough values in one level and none in all others, by level: no test can compare them."""
    counts = pd.DataFrame({x: matrix[groups.index[groups == x]].notna().sum(axis=1) for x in groups.unique()})
    counts = counts.drop(index=table["gene"], errors="ignore")
    others = counts.sum(axis=1)
    return {
        str(x): [str(g) for g in counts.index[(counts[x] >= MINIMUM_N) & (others == counts[x])]] for x in counts.columns
    }


def statements(
    task: bioskill.Task, done: dict[str, Any], matrix: pd.DataFrame, alone: dict[str, list[str]]
) -> list[Any]:
    """What was done to the values, and the proteins that were seen in one group only."""
    place, label = bioskill.where(task), task.parameter("dataset_label", "")
    share = bioskill.percent(int(matrix.isna().to_numpy().sum()), matrix.size)
    text = (
        f"{place}{len(matrix)} proteins in {matrix.shape[1]} samples were analysed (scale "
        f"{done['scale']}, normalisation "
        f"{done['normalisation']}): {done['zeros']} zeros were taken as missing, {share} % of the values are missing, "
        f"{done['never']} proteins have no value. Nothing was imputed."
    )
    values = {"dataset": label, "proteins": len(matrix), "samples": matrix.shape[1], "missing_percent": share, **done}
    values["digits"] = [int(d) for d in ("2", "10") if d in done["scale"]]
    found: list[Any] = [(text, values)]
    if any(alone.values()):
        parts = [f"{len(v)} in {x} ({bioskill.listed(v)})" for x, v in alone.items() if v]
        text = (
            f"{place}proteins with at least {MINIMUM_N} values in one group and none elsewhere cannot be tested: "
            f"{'; '.join(parts)}. Absence may be a matter of the detection limit."
        )
        numbers = {f"only: {x}": len(v) for x, v in alone.items()}
        more = [max(0, len(v) - 5) for v in alone.values()]
        found.append((text, {"dataset": label, "minimum_n": MINIMUM_N, **numbers, "names": alone, "further": more}))
    return found


def main() -> None:
    task = bioskill.load_task()
    given = bioskill.read_expression(task.input("expression"), task.parameter("feature_column"))
    given, samples = bioskill.match_samples(given, read_sheet(task))
    scaled, done = on_log2(task, given)
    scaled, done["never"] = measured(scaled)
    name = str(task.parameter("normalisation", "median"))
    if name not in ("none", "median"):
        bioskill.fail(f"parameter normalisation is {name!r}; use median or none")
    done["normalisation"] = name
    matrix = NORMALISATIONS["given" if name == "none" else name](scaled)
    words = Words("proteins", f"log2 intensity ({name} normalisation)", "log2 fold change")
    table, found = analyse(task, matrix, samples, words)
    groups, _ = read_groups(task, samples)
    alone = only_one(table, matrix, groups[read_design(task, samples, groups).samples])
    bioskill.write_table(table.rename(columns={"gene": "protein"}), task.outputs["table"])
    bioskill.write_findings([*found, *statements(task, done, matrix, alone)], task.outputs["findings"])


if __name__ == "__main__":
    main()
