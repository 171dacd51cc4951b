"""Small helpers that every shipped analysis uses; also available to generated code.

An analysis is a script called as `python script.py task.json`. The task file says which files to read
(`inputs`: name -> path), what to write (`outputs`: name -> path) and the `parameters`. Nothing else is read
or written. Trouble with the data ends the script with one line on standard error and exit code 65.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

DATA_ERROR = 65
"""Exit code for data that cannot be analysed (EX_DATAERR of sysexits.h)."""

DEFAULT_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "missing", "unknown", "not available", "--")


def fail(message: str) -> NoReturn:
    """End the script: the data given do not allow this analysis. One line: what, where, what to do."""
    print(f"DATA: {message}", file=sys.stderr)
    raise SystemExit(DATA_ERROR)


@dataclass(frozen=True)
class Task:
    """A task file."""

    inputs: dict[str, Path]
    outputs: dict[str, Path]
    parameters: dict[str, Any]
    title: str
    seed: int

    def parameter(self, name: str, default: Any = None) -> Any:
        """A parameter's value; a missing or null one is `default`."""
        value = self.parameters.get(name)
        return default if value is None else value

    def need(self, name: str) -> Any:
        """A parameter that must be there."""
        if self.parameters.get(name) is None:
            fail(f"the task gives no parameter {name!r}")
        return self.parameters[name]


def load_task(argv: list[str] | None = None) -> Task:
    """The task file named as the first argument (default `task.json` beside the script)."""
    args = sys.argv[1:] if argv is None else argv
    path = Path(args[0]) if args else Path(sys.argv[0]).with_name("task.json")
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Task(
        inputs={k: Path(v) for k, v in raw.get("inputs", {}).items()},
        outputs={k: Path(v) for k, v in raw.get("outputs", {}).items()},
        parameters=raw.get("parameters", {}),
        title=raw.get("title", ""),
        seed=int(raw.get("seed", 20240917)),
    )


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """A CSV or TSV (optionally .gz) as text columns stay text; the separator follows the suffix, else is sniffed."""
    if not path.is_file():
        fail(f"{path.name}: the file is not there")
    stem = path.name.lower().removesuffix(".gz")
    separator = "\t" if stem.endswith((".tsv", ".txt", ".tab")) else "," if stem.endswith(".csv") else None
    extra: dict[str, Any] = {"sep": separator} if separator else {"sep": None, "engine": "python"}
    try:
        return pd.read_csv(path, **extra, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        fail(f"{path.name}: not a readable table ({error})")


def read_expression(path: Path, feature_column: str | None = None) -> pd.DataFrame:
    """Features × samples as floats. Rows with the same feature are averaged (and said on standard output)."""
    table = read_table(path)
    feature = feature_column if feature_column in table.columns else table.columns[0]
    table = table.dropna(subset=[feature]).set_index(feature)
    table.index = table.index.astype(str)
    numeric = table.apply(pd.to_numeric, errors="coerce")
    bad = [str(c) for c in table.columns if numeric[c].isna().sum() > table[c].isna().sum()]
    if bad:
        fail(
            f"{path.name}: column {bad[0]!r} holds text where numbers are expected ({len(bad)} such columns)"
        )
    if numeric.shape[1] == 0 or numeric.shape[0] == 0:
        fail(f"{path.name}: no numbers found")
    if numeric.index.has_duplicates:
        count = int(numeric.index.duplicated().sum())
        print(f"{path.name}: {count} rows repeat a feature name; rows of one feature are averaged")
        numeric = numeric.groupby(level=0, sort=False).mean()
    return numeric.astype(float)


def read_samples(path: Path, sample_column: str | None = None, missing: Any = ()) -> pd.DataFrame:
    """The sample sheet indexed by sample id (text); the strings in `missing` become missing values."""
    table = read_table(path, dtype=str, keep_default_na=False)
    column = sample_column if sample_column in table.columns else table.columns[0]
    table[column] = table[column].str.strip()
    if table[column].duplicated().any():
        twice = table.loc[table[column].duplicated(), column].iloc[0]
        fail(f"{path.name}: sample {twice!r} occurs more than once in column {column!r}")
    table = table.set_index(column)
    known_missing = {str(m).strip().lower() for m in (*DEFAULT_MISSING, *missing)}
    return table.apply(lambda c: c.str.strip()).map(lambda v: np.nan if v.lower() in known_missing else v)


def match_samples(
    expression: pd.DataFrame, samples: pd.DataFrame, minimum: int = 6
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables on the samples they share, in the matrix's order; too few shared samples is an error."""
    shared = [str(c) for c in expression.columns if str(c) in samples.index]
    if len(shared) < minimum:
        fail(
            f"only {len(shared)} samples are in both the matrix ({expression.shape[1]}) and the sample sheet "
            f"({len(samples)}); at least {minimum} are needed. Do the sample names match?"
        )
    renamed = expression.set_axis([str(c) for c in expression.columns], axis=1)
    return renamed[shared], samples.loc[shared]


def numeric_column(samples: pd.DataFrame, column: str) -> pd.Series:
    """A sample sheet column as floats; text that is no number is an error naming it."""
    if column not in samples.columns:
        fail(f"the sample sheet has no column {column!r} (it has: {', '.join(map(str, samples.columns))})")
    values = pd.to_numeric(samples[column], errors="coerce")
    bad = samples.loc[values.isna() & samples[column].notna(), column]
    if len(bad):
        fail(f"column {column!r} holds text where numbers are expected, e.g. {bad.iloc[0]!r}")
    return values.astype(float)


def two_groups(samples: pd.DataFrame, column: str, case: str, control: str, minimum: int = 3) -> pd.Series:
    """True for case, False for control, others dropped; groups smaller than `minimum` are an error."""
    if column not in samples.columns:
        fail(f"the sample sheet has no column {column!r} (it has: {', '.join(map(str, samples.columns))})")
    values = samples[column].dropna().astype(str)
    chosen = values[values.isin([str(case), str(control)])]
    counts = {level: int((chosen == str(level)).sum()) for level in (case, control)}
    for level, count in counts.items():
        if count < minimum:
            fail(f"group {column} = {level!r} has {count} samples; at least {minimum} are needed")
    return chosen == str(case)


def survival_table(
    samples: pd.DataFrame, time_column: str, event_column: str, minimum_events: int = 5
) -> pd.DataFrame:
    """Columns `time` and `event` (0/1) for samples with both; too few events or bad times are an error."""
    table = pd.DataFrame(
        {"time": numeric_column(samples, time_column), "event": numeric_column(samples, event_column)}
    )
    table = table.dropna()
    if not table["event"].isin([0, 1]).all():
        fail(f"column {event_column!r} must hold 0 (censored) and 1 (event) only")
    if (table["time"] < 0).any():
        fail(f"column {time_column!r} holds negative times")
    events = int(table["event"].sum())
    if events < minimum_events:
        fail(
            f"{events} events in {len(table)} samples (column {event_column!r}); at least {minimum_events} are needed"
        )
    return table


def read_gene_sets(path: Path) -> dict[str, list[str]]:
    """Gene sets of a GMT file: name -> symbols, in file order without repeats."""
    if not path.is_file():
        fail(f"{path.name}: the file is not there")
    sets: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.rstrip("\n").split("\t")
        if len(fields) >= 3:
            sets[fields[0]] = list(dict.fromkeys(f for f in fields[2:] if f))
    if not sets:
        fail(
            f"{path.name}: no gene sets found (expected: name, description, then symbols, separated by tabs)"
        )
    return sets


def write_table(table: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """Write a TSV with six significant digits, so that repeated runs give identical bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=index, float_format="%.6g", na_rep="NA")


def write_findings(findings: list[tuple[str, dict[str, Any]]], path: Path) -> None:
    """Write statements with their numbers: [{"statement": …, "values": {…}}]; every number in a statement is a value."""
    rows = [{"statement": s, "values": {k: _plain(v) for k, v in values.items()}} for s, values in findings]
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Numpy scalars as Python ones, not-a-number as None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def number(value: float, digits: int = 3) -> str:
    """A number for a sentence: significant digits, small ones in scientific notation."""
    return f"{value:.{digits}g}"


def p_value(value: float) -> str:
    """A p-value for a sentence: `p = 0.0083`, `p < 1e-16` below what double precision carries."""
    return "p < 1e-16" if value < 1e-16 else f"p = {value:.2g}"


def figure(width: float = 6.0, height: float = 4.5) -> tuple[Any, Any]:
    """A matplotlib figure and axes without a display, with the house style."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "bio"}
    )
    return plt.subplots(figsize=(width, height), layout="constrained")


def save_figure(fig: Any, path: Path) -> None:
    """Save without a date or software stamp, so that repeated runs give identical bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=150, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})
    import matplotlib.pyplot as plt

    plt.close(fig)
