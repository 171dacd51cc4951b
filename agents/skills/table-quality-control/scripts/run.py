"""Check an expression matrix and its sample sheet before anything is computed from them."""

from __future__ import annotations

from typing import Any

import bioskill
import numpy as np
import pandas as pd
from biocohort import level_counts, read_sheet
from bioplot import panels

Checks = list[dict[str, Any]]
COLUMNS = 50
"""Samples whose quartiles are computed at once."""
OUTLIER_LIMIT = 3.5
"""Modified z-score beyond which a sample is looked at (Iglewicz and Hoaglin 1993)."""


def check(name: str, value: Any, *, look: bool = False, detail: str = "") -> dict[str, Any]:
    """One row of the table of checks."""
    return {"check": name, "value": value, "status": "look" if look else "ok", "detail": detail}


def modified_z(values: pd.Series) -> pd.Series:
    """Distance from the median in units of the median absolute deviation (0.6745 makes it comparable to a z-score)."""
    spread = (values - values.median()).abs().median()
    return 0.6745 * (values - values.median()) / spread if spread > 0 else values * 0.0


def describe_samples(matrix: pd.DataFrame, maximum: int) -> pd.DataFrame:
    """Per sample: quartiles, missing share, and its mean correlation with the other samples."""
    linear = bioskill.looks_linear(matrix.to_numpy())

    def logged(values: Any) -> pd.DataFrame:
        return pd.DataFrame(np.log2(values.clip(min=0) + 1) if linear else values)

    variance = bioskill.by_rows(matrix.to_numpy(), lambda part: logged(part).var(axis=1).to_numpy())
    variable = pd.Series(variance).sort_values(ascending=False, kind="stable").index[:maximum]
    together = logged(matrix.to_numpy()[variable]).set_axis(matrix.columns, axis=1).corr(min_periods=3)
    others = (together.sum() - 1) / (together.notna().sum() - 1)
    parts = [matrix.iloc[:, at : at + COLUMNS] for at in range(0, matrix.shape[1], COLUMNS)]
    quartiles = pd.concat([part.quantile([0.25, 0.5, 0.75]) for part in parts], axis=1)
    z = modified_z(others)
    table = pd.DataFrame(
        {
            "q25": quartiles.loc[0.25],
            "median": quartiles.loc[0.5],
            "q75": quartiles.loc[0.75],
            "missing_share": matrix.isna().mean(),
            "mean_correlation": others,
            "modified_z": z,
            "look": np.where(z < -OUTLIER_LIMIT, "yes", "no"),
        }
    )
    close = together.where(np.triu(np.ones(together.shape, dtype=bool), 1)).stack()
    table.attrs["copies"] = [pair for pair, r in close.items() if r > 0.9999]
    return table


def matrix_checks(rows: pd.DataFrame, matrix: pd.DataFrame, per_sample: pd.DataFrame) -> Checks:
    """Checks of the matrix by itself."""
    values = matrix.to_numpy()
    missing = float(np.isnan(values).mean())
    spread = bioskill.by_rows(values, lambda part: np.fmax.reduce(part, axis=1) - np.fmin.reduce(part, axis=1))
    constant = int((spread <= 1e-9).sum())
    repeated = len(rows) - len(matrix)
    flagged = list(per_sample.index[per_sample["look"] == "yes"])
    copies = per_sample.attrs["copies"]
    linear = bioskill.looks_linear(values)
    return [
        check("samples in the matrix", matrix.shape[1]),
        check("features in the matrix", len(matrix), detail="after averaging rows of the same name"),
        check("rows that repeat a feature name", repeated, look=repeated > 0, detail="they are averaged"),
        check("missing values in the matrix (%)", round(100 * missing, 2), look=missing > 0.05),
        check("features with one value in all samples", constant, look=constant > 0),
        check("smallest value", float(np.nanmin(values))),
        check("largest value", float(np.nanmax(values))),
        check("scale", "looks linear" if linear else "looks logarithmic", detail="99th percentile and range"),
        check("samples unlike the others", len(flagged), look=bool(flagged), detail=bioskill.listed(flagged, 10)),
        check(
            "pairs of samples that are copies",
            len(copies),
            look=bool(copies),
            detail=bioskill.listed((" = ".join(pair) for pair in copies), 5),
        ),
    ]


def sheet_checks(samples: pd.DataFrame, columns: pd.DataFrame) -> Checks:
    """Checks of the sample sheet by itself."""
    sparse = list(columns.loc[columns["missing_share"] > 0.2, "column"])
    single = list(columns.loc[columns["distinct"] <= 1, "column"])
    return [
        check("samples in the sheet", len(samples)),
        check("columns in the sheet", len(columns)),
        check(
            "columns with more than 20 % missing", len(sparse), look=bool(sparse), detail=bioskill.listed(sparse, 10)
        ),
        check("columns with one value only", len(single), look=bool(single), detail=bioskill.listed(single, 10)),
    ]


def match_checks(matrix: pd.DataFrame, samples: pd.DataFrame) -> Checks:
    """Whether the two tables are about the same samples."""
    only_matrix = [c for c in matrix.columns if c not in samples.index]
    only_sheet = [c for c in samples.index if c not in matrix.columns]
    both = matrix.shape[1] - len(only_matrix)
    return [
        check("samples in both tables", both),
        check(
            "samples in the matrix only",
            len(only_matrix),
            look=bool(only_matrix),
            detail=bioskill.listed(only_matrix, 10),
        ),
        check(
            "samples in the sheet only", len(only_sheet), look=bool(only_sheet), detail=bioskill.listed(only_sheet, 10)
        ),
    ]


def describe_columns(samples: pd.DataFrame) -> pd.DataFrame:
    """Per sample sheet column: type, known and missing values, distinct values, examples."""
    rows = []
    for column in samples.columns:
        known = samples[column].dropna()
        numbers = pd.to_numeric(known, errors="coerce")
        kind = "empty" if known.empty else "number" if numbers.notna().all() else "text"
        mixed = kind == "text" and bool(numbers.notna().mean() > 0.5)
        if kind == "number":  # 2.0 and 2.00 are one value
            known = numbers.map("{:g}".format)
        levels = level_counts(known)
        rows.append(
            {
                "column": column,
                "type": "mixed" if mixed else kind,
                "known": len(known),
                "missing": len(samples) - len(known),
                "missing_share": 1 - len(known) / len(samples),
                "distinct": int(known.nunique()),
                "most_frequent": bioskill.listed((f"{bioskill.plain_text(v, 30)} ({k})" for v, k in levels.items()), 3),
            }
        )
    return pd.DataFrame(rows)


def draw(per_sample: pd.DataFrame | None, columns: pd.DataFrame, title: str, path: Any) -> None:
    """Distribution of each sample above, missing sample-sheet values below."""
    shown = columns.head(24).iloc[::-1]
    extra = 0.0 if per_sample is None else 2.7
    low = 0.9 + 0.2 * len(shown)
    heights = [extra, low] if extra else [1]
    fig, grid = panels(7.2, low + extra, len(heights), 1, squeeze=False, height_ratios=heights)
    axes = list(grid[:, 0])
    if per_sample is not None:
        draw_samples(axes[0], per_sample)
    share = 100 * shown["missing_share"]
    axes[-1].barh([bioskill.plain_text(c, 32) for c in shown["column"]], share, color=bioskill.NEUTRAL_COLOUR)
    for y, (value, count) in enumerate(zip(share, shown["missing"], strict=True)):
        axes[-1].text(value + 1, y, f"{value:.1f} % ({count})", va="center", fontsize=7.5, in_layout=False)
    axes[-1].set_xlim(0, 118)
    axes[-1].set_xticks(range(0, 101, 20))
    axes[-1].set_xlabel("missing in the sample sheet (%)")
    fig.suptitle(bioskill.plain_text(title, 90), fontsize=10)
    bioskill.save_figure(fig, path)


def draw_samples(ax: Any, per_sample: pd.DataFrame) -> None:
    """Median and quartiles of every sample, in the order of the matrix."""
    x = np.arange(1, len(per_sample) + 1)
    half = [per_sample["median"] - per_sample["q25"], per_sample["q75"] - per_sample["median"]]
    ax.errorbar(
        x,
        per_sample["median"],
        yerr=half,
        fmt="o",
        ms=2.5,
        lw=0.8,
        color=bioskill.CONTROL_COLOUR,
        ecolor="#A6C8E0",
        label="median and quartiles",
    )
    flagged = (per_sample["look"] == "yes").to_numpy()
    if flagged.any():
        text = f"unlike the others ({int(flagged.sum())})"
        ax.plot(x[flagged], per_sample["median"][flagged], "D", ms=5, color=bioskill.CASE_COLOUR, label=text)
    ax.set_xlim(0, len(x) + 1)
    ax.set_xlabel("samples, in the order of the matrix")
    ax.set_ylabel("expression value")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2)


def statements(
    task: bioskill.Task, checks: Checks, columns: pd.DataFrame, has_matrix: bool
) -> list[tuple[str, dict[str, Any]]]:
    """Size, agreement of the tables, and what to look at."""
    place, value = bioskill.where(task), {c["check"]: c["value"] for c in checks}
    detail = {c["check"]: c["detail"] for c in checks}
    label = {"dataset": task.parameter("dataset_label", "")}
    n = value["samples in the sheet"]
    found: list[tuple[str, dict[str, Any]]] = []
    if has_matrix:
        names = ("samples in the matrix", "features in the matrix", "samples in both tables")
        missing, repeated = value["missing values in the matrix (%)"], value["rows that repeat a feature name"]
        found.append(
            (
                f"{place}the matrix holds {value[names[1]]} features and {value[names[0]]} samples, of which "
                f"{value[names[2]]} are among the {n} samples of the sample sheet; {missing}% of its values are "
                f"missing and {repeated} rows repeat a feature name.",
                label
                | {"sheet_samples": n, "missing_percent": missing, "repeated_rows": repeated}
                | {name.replace(" ", "_"): value[name] for name in names},
            )
        )
        odd, copies = value["samples unlike the others"], value["pairs of samples that are copies"]
        which = f" ({detail['samples unlike the others']})" if odd else ""
        found.append(
            (
                f"{place}{odd} of {value[names[0]]} samples are unlike the others by their mean correlation (modified "
                f"z-score below -{OUTLIER_LIMIT}){which}; pairs of samples that look like copies: {copies}; "
                "no sample was removed.",
                label
                | {"samples": value[names[0]], "unusual": odd, "z_limit": -OUTLIER_LIMIT, "copies": copies}
                | {"which": detail["samples unlike the others"]},
            )
        )
    sparse = value["columns with more than 20 % missing"]
    worst = columns.sort_values("missing", ascending=False, kind="stable").iloc[0]
    share = bioskill.percent(worst["missing"], n)
    text = f"{place}{sparse} of {len(columns)} sample-sheet columns miss more than 20% of their values"
    text += f" (most: {worst['column']}, {worst['missing']} of {n}, {share}%)." if worst["missing"] else "."
    numbers = {"columns": len(columns), "sparse_columns": sparse, "limit_percent": 20, "column": worst["column"]}
    found.append((text, label | numbers | {"missing": int(worst["missing"]), "samples": n, "missing_percent": share}))
    return found


def main() -> None:
    task = bioskill.load_task()
    samples = read_sheet(task)
    if samples.empty or samples.shape[1] == 0:
        bioskill.fail(f"{task.input('samples').name}: a sample sheet needs samples and at least one further column")
    columns = describe_columns(samples)
    sheet = pd.DataFrame({"sample": samples.index, "missing_columns": samples.isna().sum(axis=1).to_numpy()})
    checks, per_sample = sheet_checks(samples, columns), None
    if "expression" in task.inputs:
        rows = bioskill.read_expression_rows(task.input("expression"), task.parameter("feature_column"))
        matrix = rows.groupby(level=0, sort=False).mean() if rows.index.has_duplicates else rows
        bioskill.match_samples(matrix, samples)
        per_sample = describe_samples(matrix, int(task.parameter("top_features", 2000)))
        checks = [*matrix_checks(rows, matrix, per_sample), *checks, *match_checks(matrix, samples)]
        sheet = sheet.merge(per_sample.rename_axis("sample").reset_index(), on="sample", how="outer", sort=True)
    looks = sum(c["status"] == "look" for c in checks)
    print(f"{len(checks)} checks, {looks} to look at")
    bioskill.write_table(pd.DataFrame(checks), task.outputs["checks"])
    bioskill.write_table(columns, task.outputs["columns"])
    bioskill.write_table(sheet, task.outputs["samples"])
    title = f"{task.parameter('dataset_label') or 'sample sheet'}: {len(samples)} samples"
    draw(per_sample, columns, title, task.outputs["figure"])
    found = statements(task, checks, columns, per_sample is not None)
    bioskill.write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
