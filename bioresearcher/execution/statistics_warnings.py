"""Warn of statistical weaknesses in a task's outputs and inputs; warnings never decide an outcome."""

from __future__ import annotations

import csv
import gzip
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from bioresearcher.execution.output_tables import OutputTable, TableError, read_table, to_number
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.missing import blanked

FEWEST_PER_GROUP: Final = 10
EVENTS_PER_VARIABLE: Final = 10
"""Events per variable of a model (Peduzzi et al. 1995, Journal of Clinical Epidemiology 48:1503)."""

FEWEST_TESTS: Final = 200
MOST_INFLATED: Final = 2.0
MOST_DEFLATED: Final = 0.7
CONFOUNDED: Final = 0.8
"""Cramér's V from which a batch can hardly be told from the group."""

MAX_BYTES: Final = 300_000_000
_SHEET_COLUMNS: Final = 300
_BATCH: Final = ("batch", "plate", "centre", "center", "site", "run", "lane", "array_series", "series", "scan_date")
_P: Final = ("p", "p_value", "pvalue", "p.value")
_MEDIAN_CHI2: Final = 0.4549364231195724
"""Median of the chi-square distribution with one degree of freedom."""


@dataclass(frozen=True)
class Marker:
    """A gene whose expression follows a label of the samples.

    Attributes:
        columns: Names that the column of the label may have.
        high: Levels with high values; `low` those with low values.
        order: The share of pairs of a high and a low sample (the area under the ROC curve) that must at least be in
            the right order. Sex is nearly always right; receptors are judged by another method than expression.
    """

    gene: str
    columns: tuple[str, ...]
    high: tuple[str, ...]
    low: tuple[str, ...]
    order: float


_YES, _NO = ("1", "yes", "positive", "pos", "+", "er+", "her2+"), ("0", "no", "negative", "neg", "-", "er-", "her2-")
MARKERS: Final = (
    Marker("XIST", ("sex", "gender"), ("f", "female", "woman"), ("m", "male", "man"), 0.9),
    Marker("RPS4Y1", ("sex", "gender"), ("m", "male", "man"), ("f", "female", "woman"), 0.9),
    Marker("ESR1", ("er", "er_status", "er_positive", "estrogen_receptor", "oestrogen_receptor"), _YES, _NO, 0.7),
    Marker("ERBB2", ("her2", "her2_status", "her2_positive", "erbb2_status"), _YES, _NO, 0.6),
)
"""XIST is transcribed from the inactive X chromosome, RPS4Y1 lies on the Y; ESR1 and ERBB2 code for the receptors."""


def warn(task: DryLabTask, inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> tuple[str, ...]:
    """Return warnings about a task's results and samples, a sentence each, at most ten.

    Args:
        task: Its parameters name the group.
        inputs: Its input files by name.
        outputs: Its output files by name.
    """
    warnings: list[str] = []
    for output in (o for o in task.outputs if o.kind == "table" and o.name in outputs):
        try:
            table = read_table(outputs[output.name])
        except TableError:
            continue
        warnings += [f"{output.file}: {sentence}" for sentence in _of_results(table)]
    warnings += _of_samples(task, inputs)
    return tuple(dict.fromkeys(warnings))[:10]


# Results


def _of_results(table: OutputTable) -> Iterator[str]:
    names = {name.strip().lower(): name for name in table.header}
    yield from _small_groups(table, names)
    yield from _few_events(table, names)
    yield from _not_proportional(table, names)
    p = next((names[n] for n in _P if n in names), None)
    if p is not None:
        yield from _inflated(list(_numbers(table.column(p))))


def _numbers(cells: Iterable[str]) -> Iterator[float]:
    return (value for value in map(to_number, cells) if value is not None and math.isfinite(value))


def _small_groups(table: OutputTable, names: Mapping[str, str]) -> Iterator[str]:
    for name in ("n_case", "n_control", "n"):
        values = list(_numbers(table.column(names[name]))) if name in names else []
        if values and min(values) < FEWEST_PER_GROUP:
            yield f"{names[name]} is as low as {min(values):g}; below {FEWEST_PER_GROUP} a group says little"


def _few_events(table: OutputTable, names: Mapping[str, str]) -> Iterator[str]:
    """Check a Cox or logistic table: one row a term, all with the number of events of the model."""
    ratio = next((n for n in names if n in {"hr", "hazard_ratio", "odds_ratio", "or"}), None)
    if ratio is None or "events" not in names:
        return
    events = list(_numbers(table.column(names["events"])))
    models = {row[table.header.index(names["model"])] for row in table.rows} if "model" in names else {""}
    terms = math.ceil(len(table.rows) / max(1, len(models)))
    if events and min(events) < EVENTS_PER_VARIABLE * terms:
        yield (
            f"{min(events):g} events for {terms} {'term' if terms == 1 else 'terms'}: fewer than "
            f"{EVENTS_PER_VARIABLE} events per variable, so ratios and intervals are unsteady"
        )


def _not_proportional(table: OutputTable, names: Mapping[str, str]) -> Iterator[str]:
    name = next((n for n in names if n in {"ph_p", "ph_p_value", "schoenfeld_p", "p_ph"}), None)
    low = [value for value in _numbers(table.column(names[name])) if value < 0.05] if name else []
    if low:
        yield f"proportional hazards: p = {min(low):.2g}, so one ratio does not describe the whole follow-up"


def _inflated(p_values: Sequence[float]) -> Iterator[str]:
    """Check the inflation factor λ of Devlin and Roeder 1999 (Biometrics 55:997), from the median p-value."""
    if len(p_values) < FEWEST_TESTS:
        return
    ratio = inflation(p_values)
    if ratio > MOST_INFLATED:
        yield (
            f"the p-values are smaller than chance gives (λ = {ratio:.1f} over {len(p_values):,} tests): many real "
            "differences, or structure such as a batch that the test does not know"
        )
    elif ratio < MOST_DEFLATED:
        yield f"the p-values are larger than chance gives (λ = {ratio:.2f}): tests that are too wide, or a confounder"


def inflation(p_values: Sequence[float]) -> float:
    """Return λ: the median chi-square of the p-values over that of the uniform distribution; 1 if nothing differs."""
    from statistics import NormalDist, median

    middle = min(max(median(p_values), 1e-300), 1.0 - 1e-12)
    return NormalDist().inv_cdf(1 - middle / 2) ** 2 / _MEDIAN_CHI2 if middle > 1e-15 else math.inf


# Samples


def _of_samples(task: DryLabTask, inputs: Mapping[str, Path]) -> Iterator[str]:
    """Warn of batches that go with the group, and of labels that a marker gene contradicts."""
    sheets = {n: t for n, p in inputs.items() if (t := _sheet(p)) is not None and len(t.header) <= _SHEET_COLUMNS}
    group = str(task.parameters.get("group_column") or "")
    for sheet in sheets.values():
        if group in sheet.header:
            yield from _confounded(sheet, group)
    for name, path in inputs.items():
        if name in sheets and len(sheets[name].rows) < FEWEST_TESTS:
            continue
        rows = marker_rows(path)
        for sheet in sheets.values():
            yield from _mislabelled(sheet, rows)


def _sheet(path: Path) -> OutputTable | None:
    if not path.is_file() or path.stat().st_size > 20_000_000 or path.suffix.lower() not in {".tsv", ".csv", ".txt"}:
        return None
    try:
        return read_table(path)
    except TableError:
        return None


def _confounded(sheet: OutputTable, group: str) -> Iterator[str]:
    for name in sheet.header:
        if name == group or not any(word == name.lower() or word in name.lower().split("_") for word in _BATCH):
            continue
        pairs = zip(blanked(sheet.column(name)), blanked(sheet.column(group)), strict=True)
        strength = cramers_v([(a, b) for a, b in pairs if a and b])
        if strength is not None and strength >= CONFOUNDED:
            yield f"{name} goes with {group} (Cramér's V = {strength:.2f}): what differs may be the batch"


def cramers_v(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Return Cramér's V of two labels, 0 to 1 (Cramér 1946); None when one of them has a single level or n < 6."""
    rows, columns = sorted({a for a, _ in pairs}), sorted({b for _, b in pairs})
    n = len(pairs)
    if n < 6 or min(len(rows), len(columns)) < 2 or len(rows) > n / 2:
        return None
    count: dict[tuple[str, str], int] = {}
    for pair in pairs:
        count[pair] = count.get(pair, 0) + 1
    by_row = {r: sum(count.get((r, c), 0) for c in columns) for r in rows}
    by_column = {c: sum(count.get((r, c), 0) for r in rows) for c in columns}
    chi2 = 0.0
    for r in rows:
        for c in columns:
            expected = by_row[r] * by_column[c] / n
            chi2 += (count.get((r, c), 0) - expected) ** 2 / expected
    return math.sqrt(chi2 / (n * (min(len(rows), len(columns)) - 1)))


def _mislabelled(sheet: OutputTable, rows: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for marker in MARKERS:
        values = rows.get(marker.gene)
        column = next((name for name in sheet.header if name.strip().lower() in marker.columns), None)
        if not values or column is None:
            continue
        high, low = _sides(sheet, column, marker, values)
        if min(len(high), len(low)) < 5:
            continue
        order = in_order(high, low)
        if order < 0.5:
            yield f"{marker.gene} is lower where {column} says it should be higher: are the labels of {column} swapped?"
        elif order < marker.order:
            yield (
                f"{marker.gene} agrees with {column} in only {order:.0%} of pairs of samples (n = {len(high)} and "
                f"{len(low)}): labels and expression contradict each other"
            )


def _sides(
    sheet: OutputTable, column: str, marker: Marker, values: Mapping[str, float]
) -> tuple[list[float], list[float]]:
    """Return values of the samples labelled high and low; the column with the most sample names is taken for ids."""
    ids = max(sheet.header, key=lambda name: len(values.keys() & set(sheet.column(name))))
    high, low = [], []
    for sample, label in zip(sheet.column(ids), sheet.column(column), strict=True):
        word = label.strip().lower().removesuffix(".0")
        if sample in values and word in marker.high:
            high.append(values[sample])
        elif sample in values and word in marker.low:
            low.append(values[sample])
    return high, low


def in_order(high: Sequence[float], low: Sequence[float]) -> float:
    """Return the share of pairs in which the first is larger, ties counting half: the area under the ROC curve."""
    ordered = sorted(low)
    pairs = sum((bisect_left(ordered, h) + bisect_right(ordered, h)) / 2 for h in high)
    return pairs / (len(high) * len(low))


def marker_rows(path: Path) -> dict[str, dict[str, float]]:
    """Read marker gene -> sample -> value from a table of genes × samples, line by line, so memory stays small."""
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return {}
    stem = path.name.lower().removesuffix(".gz")
    if not stem.endswith((".tsv", ".csv", ".txt")):
        return {}
    wanted = {marker.gene for marker in MARKERS}
    try:
        with _opened(path) as file:
            return _rows(file, "," if stem.endswith(".csv") else "\t", wanted)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error):
        return {}


def _opened(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _rows(file: TextIO, separator: str, wanted: set[str]) -> dict[str, dict[str, float]]:
    header = next(csv.reader([file.readline()], delimiter=separator), [])
    found: dict[str, dict[str, float]] = {}
    for line in file:
        gene = line.split(separator, 1)[0].strip().strip('"')
        if gene in wanted and gene not in found:
            cells = next(csv.reader([line], delimiter=separator), [])
            names = header[len(header) - len(cells) + 1 :] if len(cells) >= len(header) else header[1:]
            values = zip(names, map(to_number, cells[1:]), strict=False)
            found[gene] = {name: value for name, value in values if value is not None}
    return found
