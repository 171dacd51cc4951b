"""Dose-response curves of four parameters, with the EC50 and its interval."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bioskill import (
    PALETTE,
    Task,
    fail,
    figure,
    listed,
    load_task,
    number,
    p_value,
    plain_text,
    read_table,
    result,
    rounded,
    save_figure,
    shown_p,
    to_numbers,
    where,
    write_findings,
    write_table,
)
from bioterms import named_column
from scipy import optimize, stats

DOSES = 5
"""Fewest distinct doses of a curve, that of no substance among them."""
PLATEAU = 0.2
"""Largest share of the span between the plateaus that the curve may be away from them at the ends of the doses."""
MOST = 200
"""Most curves of one table."""
_DOSE = re.compile(r"(dose|conc|concentration)s?(_?(n|u|m|p)?(m|g)?(ol)?(_?(per_)?(l|ml|kg))?)?")
_RESPONSE = re.compile(r"(response|effect|viability|inhibition|signal|activity|absorbance|growth|survival)(_?\w+)?")
_CURVE = re.compile(r"(curve|compound|drug|substance|treatment|agent)(_?(id|name))?")


@dataclass(frozen=True)
class Fit:
    """A fitted curve: response = bottom + (top - bottom) / (1 + exp(-slope (ln dose - ln EC50))).

    Attributes:
        ec50: Dose half way between the plateaus.
        error: Standard error of ln EC50.
        free: Residual degrees of freedom.
        p: Of the test against no dependence on dose (F on 3 degrees of freedom).
        p_lack: Of the test for lack of fit against the means of the doses; nan without replicates.
    """

    bottom: float
    top: float
    slope: float
    ec50: float
    error: float
    free: int
    residual: float
    p: float
    p_lack: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the EC50, by t on its logarithm."""
        wide = stats.t.ppf(0.975, self.free) * self.error
        return float(self.ec50 * np.exp(-wide)), float(self.ec50 * np.exp(wide))

    def share(self, dose: np.ndarray) -> np.ndarray:
        """The way from the plateau of no dose to that of high doses, 0 to 1."""
        return _rise(np.log(np.maximum(dose, 1e-300)), np.log(self.ec50), self.slope)

    def at(self, dose: np.ndarray) -> np.ndarray:
        """The response at doses."""
        return self.bottom + (self.top - self.bottom) * self.share(dose)


def _rise(log_dose: np.ndarray, middle: float, slope: float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(slope * (log_dose - middle), -500, 500)))


def fit(dose: np.ndarray, response: np.ndarray) -> Fit | str:
    """Fit by least squares from several starting points; the reason where no curve can be fitted.

    `bottom` is the response without substance, `top` that of high doses, whichever is larger; the slope is positive.
    """
    logs = np.log(np.maximum(dose, 1e-300))
    positive = np.unique(dose[dose > 0])

    def curve(p: np.ndarray) -> np.ndarray:
        return p[0] + (p[1] - p[0]) * _rise(logs, p[2], float(np.exp(np.clip(p[3], -5, 5))))

    first, last = response[dose == dose.min()].mean(), response[dose == dose.max()].mean()
    best: Any = None
    for middle in np.quantile(np.log(positive), (0.25, 0.5, 0.75)):
        for slope in (0.0, 1.0):
            start = np.array([first, last, middle, slope])
            found = optimize.least_squares(
                lambda p: curve(p) - response, start, method="lm", x_scale=np.array([np.ptp(response)] * 2 + [1, 1])
            )
            if best is None or found.cost < best.cost:
                best = found
    rss, free = float(2 * best.cost), len(response) - 4
    total = float(((response - response.mean()) ** 2).sum())
    p = float(stats.f.sf((total - rss) / 3 / (rss / free), 3, free)) if rss > 1e-24 * total else 0.0
    if p >= 0.05:
        return f"no dependence on dose is shown (F test against a constant, {p_value(p)})"
    if not abs(best.x[3]) < 5:
        return "the slope is not determined: the response jumps between two doses, or hardly rises"
    try:
        covariance = np.linalg.inv(best.jac.T @ best.jac) * rss / free
    except np.linalg.LinAlgError:
        return "the curve is not determined by these doses"
    means = pd.Series(response).groupby(dose).transform("mean").to_numpy()
    k = len(np.unique(dose))
    pure, lack = float(((response - means) ** 2).sum()), k - 4
    p_lack = np.nan
    if len(response) > k and lack > 0 and pure > 0:
        p_lack = float(stats.f.sf(max(0.0, rss - pure) / lack / (pure / (len(response) - k)), lack, len(response) - k))
    bottom, top, middle, slope = best.x
    middle = float(np.exp(np.clip(middle, -700, 700)))
    error = float(np.sqrt(max(covariance[2, 2], 0.0)))
    return Fit(
        float(bottom), float(top), float(np.exp(slope)), middle, error, free, float(np.sqrt(rss / free)), p, p_lack
    )


def without_plateau(found: Fit, dose: np.ndarray) -> str:
    """The reason why an EC50 is not given: a plateau was not reached within the doses."""
    positive = dose[dose > 0]
    if not positive.min() <= found.ec50 <= positive.max():
        return f"no plateau: half the effect would lie at {number(found.ec50)}, outside the doses that were tested"
    low, high = (float(found.share(np.array([d]))[0]) for d in (dose.min(), dose.max()))
    if 1 - high > PLATEAU:
        return f"no plateau at high doses: at {number(dose.max())} the curve has come {100 * high:.0f} % of its way"
    if low > PLATEAU:
        return f"no plateau at low doses: at {number(dose.min())} the curve has already come {100 * low:.0f} %"
    return ""


def read_wells(task: Task) -> tuple[pd.DataFrame, int]:
    """Wells with `curve`, `dose` and `response`, and how many rows lack one of them."""
    table = read_table(task.input("wells"))
    names = [
        named_column(task, table, p, pattern, what)
        for p, pattern, what in (
            ("dose_column", _DOSE, "dose"),
            ("response_column", _RESPONSE, "response"),
            ("curve_column", _CURVE, "name of the curve"),
        )
    ]
    for name, parameter, what in zip(names, ("dose_column", "response_column"), ("dose", "response"), strict=False):
        if name is None:
            fail(f"no column holds the {what} (there are: {listed(table.columns, 12)}); name it by {parameter}")
    dose, response = (to_numbers(table[n]) for n in names[:2])
    for name, values in ((names[0], dose), (names[1], response)):
        if np.isinf(values).any():
            fail(f"column {name!r} holds infinite values")
    if (dose < 0).any():
        fail(
            f"column {names[0]!r} holds a negative dose ({number(dose.min())}); give doses, not their logarithms, "
            "and 0 for no substance"
        )
    curve = table[names[2]].astype(str).where(table[names[2]].notna()) if names[2] else pd.Series("all", table.index)
    wells = pd.DataFrame({"curve": curve, "dose": dose.astype(float), "response": response.astype(float)})
    known = wells.dropna()
    if known["curve"].nunique() > MOST:
        fail(f"{known['curve'].nunique()} curves; at most {MOST} are fitted at once")
    return known, len(wells) - len(known)


def fit_curve(name: str, wells: pd.DataFrame) -> tuple[dict[str, Any], Fit | None]:
    """The row of one curve in the table, and its fit; the reason where there is no EC50."""
    dose, response = wells["dose"].to_numpy(), wells["response"].to_numpy()
    k = len(np.unique(dose))
    row: dict[str, Any] = {"curve": name, "n": len(dose), "doses": k, "why_not": ""}
    if k < DOSES or len(dose) < DOSES + 1:
        return row | {
            "why_not": f"{len(dose)} wells at {k} doses; {DOSES} doses and {DOSES + 1} wells are needed"
        }, None
    if np.ptp(response) == 0:
        return row | {"why_not": "the response does not vary"}, None
    found = fit(dose, response)
    if isinstance(found, str):
        return row | {"why_not": found}, None
    if why := without_plateau(found, dose):
        return row | {"why_not": why}, None
    low, high = found.interval
    row |= {"ec50": found.ec50, "low": low, "high": high, "error_of_log_ec50": found.error, "slope": found.slope}
    row |= {"without_substance": found.bottom, "at_high_doses": found.top, "residual_sd": found.residual}
    return row | {"p": found.p, "p_lack_of_fit": found.p_lack, "replicated": len(dose) > k}, found


def finding(task: Task, row: dict[str, Any], unit: str) -> Any:
    """The EC50 of one curve, or why it has none."""
    values: dict[str, Any] = {"dataset": task.parameter("dataset_label", ""), "curve": row["curve"]}
    values |= {"n": row["n"], "doses": row["doses"]}
    place = f"{where(task)}{'the curve' if row['curve'] == 'all' else row['curve']}"
    if row["why_not"]:
        numbers = [float(x) for x in re.findall(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?", row["why_not"])]
        return f"{place} has no EC50: {row['why_not']}.", values | {"why_not": row["why_not"], "numbers": numbers}
    text = (
        f"{place} has an EC50 of {number(row['ec50'])}{unit} (95 % CI {number(row['low'])} to {number(row['high'])}; "
        f"four-parameter log-logistic, slope {number(row['slope'])}, response from {number(row['without_substance'])} "
        f"without substance to {number(row['at_high_doses'])}; {row['n']} wells at {row['doses']} doses)."
    )
    values |= {k: rounded(row[k]) for k in ("ec50", "low", "high", "slope", "without_substance", "at_high_doses")}
    values |= {"confidence_percent": 95, "p": shown_p(row["p"])}
    if not row["replicated"]:
        text += " No dose has replicates, so it cannot be tested if the curve fits."
    elif np.isfinite(row["p_lack_of_fit"]):
        verdict = "does not fit" if row["p_lack_of_fit"] < 0.05 else "is not shown to misfit"
        text += f" The curve {verdict} the means of the doses ({p_value(row['p_lack_of_fit'])})."
        values["p_lack_of_fit"] = shown_p(row["p_lack_of_fit"])
    text += " Wells are taken as independent."
    fields: dict[str, Any] = {"effect": "EC50", "estimate": row["ec50"], "low": row["low"], "high": row["high"]}
    fields |= {"p": row["p"], "measure": row["curve"], "test": "four-parameter log-logistic curve"}
    return text, values, result(task, "association", row["n"], **fields)


def draw(task: Task, wells: pd.DataFrame, fits: dict[str, Fit | None], unit: str) -> None:
    """Wells and curves on a logarithmic axis of doses; those without substance stand at the left end."""
    fig, ax = figure(6.2, 4.4)
    least = float(wells.loc[wells["dose"] > 0, "dose"].min())
    zero = least / 4
    grid = np.geomspace(least, wells["dose"].max(), 200)
    for n, (name, found) in enumerate(list(fits.items())[: len(PALETTE)]):
        part, colour = wells[wells["curve"] == name], PALETTE[n]
        ax.plot(part["dose"].clip(lower=zero), part["response"], "o", color=colour, markersize=4, alpha=0.7)
        label = plain_text(name, 30) if name != "all" else "fit"
        if found is not None:
            low, high = found.interval
            label += f": EC50 {number(found.ec50)} ({number(low)} to {number(high)})"
            ax.plot(grid, found.at(grid), color=colour, label=label)
            ax.axvline(found.ec50, color=colour, lw=0.7, ls=":")
        else:
            ax.plot([], [], "o", color=colour, label=f"{label}: no EC50")
    ax.set_xscale("log")
    if (wells["dose"] == 0).any():
        ax.annotate("0", (zero, 0), xycoords=("data", "axes fraction"), xytext=(0, -12), textcoords="offset points")
    ax.set_xlabel(f"Dose{unit and f' ({unit.strip()})'}")
    ax.set_ylabel(f"Response (n = {len(wells)} wells)")
    ax.legend(frameon=False, fontsize=8)
    save_figure(fig, *(task.outputs[n] for n in ("figure", "figure_svg") if n in task.outputs))


def main() -> None:
    task = load_task()
    wells, missing = read_wells(task)
    rows, fits = [], {}
    for name, part in wells.groupby("curve", sort=False):
        row, fits[str(name)] = fit_curve(str(name), part)
        rows.append(row)
    if not any(fits.values()):
        said = f"{rows[0]['why_not']}" if rows else "no row has both a dose and a response"
        fail(f"no curve has an EC50: {said}")
    columns = ["curve", "n", "doses", "ec50", "low", "high", "error_of_log_ec50", "slope", "without_substance"]
    columns += ["at_high_doses", "residual_sd", "p", "p_lack_of_fit", "why_not"]
    print(f"{len(rows)} curves, {len(wells)} wells, {missing} rows without dose or response left out")
    write_table(pd.DataFrame(rows).reindex(columns=columns), task.outputs["table"])
    unit = f" {task.parameter('dose_unit')}" if task.parameter("dose_unit") else ""
    draw(task, wells, fits, unit)
    write_findings([finding(task, row, unit) for row in rows], task.outputs["findings"])


if __name__ == "__main__":
    main()
