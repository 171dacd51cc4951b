"""Small helpers that every skill uses; also available to generated code.

A skill's script is called as `python script.py task.json`. The task file says which files to read
(`inputs`: name -> path), what to write (`outputs`: name -> path) and the `parameters`. Nothing else is read
or written. Trouble with the data ends the script with one line on standard error and exit code 65.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from biomissing import CODES, WORDS, codes_of, key, stated_codes
from bioscale import Scale, judge_scale

DATA_ERROR = 65
"""Exit code for data that cannot be analysed (EX_DATAERR of sysexits.h)."""

_SPELLED = {s for code in CODES for s in (code, code.upper(), code.title(), code.capitalize())} | {"NaN", "NaT"}
_DEFAULTS = {"keep_default_na": False, "na_values": sorted(_SPELLED)}
"""Columns of numbers with codes in their usual spelling are read as numbers at once; the others are looked at again."""

CASE_COLOUR = "#D55E00"
CONTROL_COLOUR = "#0072B2"
NEUTRAL_COLOUR = "#9A9A9A"
PALETTE = (CONTROL_COLOUR, CASE_COLOUR, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Colours that people with the common colour-vision deficiencies can tell apart (Okabe and Ito)."""


_about: ContextVar[tuple[str, ...]] = ContextVar("about", default=())


def fail(message: str) -> NoReturn:
    """End the script because the data do not allow the analysis, with one line: what, where, what to do."""
    print(f"DATA: {': '.join((*_about.get(), message))}", file=sys.stderr)
    raise SystemExit(DATA_ERROR)


@contextmanager
def about(what: str) -> Iterator[None]:
    """Put `what`, say the name of one of two cohorts, before the message of `fail`; outer names come first."""
    token = _about.set((*_about.get(), what))
    try:
        yield
    finally:
        _about.reset(token)


@dataclass(frozen=True)
class Task:
    """A task file."""

    inputs: dict[str, Path]
    outputs: dict[str, Path]
    parameters: dict[str, Any]
    title: str
    seed: int

    def input(self, name: str) -> Path:
        """Return an input file that must be there; `name in task.inputs` tests for one that may be left out."""
        if name not in self.inputs:
            fail(f"the task gives no input {name!r}")
        return self.inputs[name]

    def parameter(self, name: str, default: Any = None) -> Any:
        """Return a parameter's value; a missing or null one is `default`."""
        value = self.parameters.get(name)
        return default if value is None else value

    def need(self, name: str) -> Any:
        """Return a parameter that must be there."""
        if self.parameters.get(name) is None:
            fail(f"the task gives no parameter {name!r}")
        return self.parameters[name]


def load_task(argv: list[str] | None = None) -> Task:
    """Load the task file named as the first argument (default `task.json` beside the script)."""
    args = sys.argv[1:] if argv is None else argv
    path = Path(args[0]) if args else Path(sys.argv[0]).with_name("task.json")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Task(
            inputs={k: Path(v) for k, v in raw.get("inputs", {}).items()},
            outputs={k: Path(v) for k, v in raw.get("outputs", {}).items()},
            parameters=dict(raw.get("parameters", {})),
            title=str(raw.get("title", "")),
            seed=int(raw.get("seed", 20240917)),
        )
    except OSError as error:
        fail(f"{path.name}: the task file cannot be read ({error.strerror})")
    except (ValueError, TypeError, AttributeError) as error:
        fail(f"{path.name}: not a task file (JSON with inputs, outputs and parameters): {error}")


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """Read a CSV or TSV (optionally .gz); text columns stay text, the separator follows the suffix, else is sniffed.

    What is missing is decided for each column by `codes_of`, unless `options` of `pandas.read_csv` are given.
    A header that is one name shorter than the rows (as R writes it) gets a first column `row`. Two columns of
    the same name are an error, because nobody can tell which one is meant.
    """
    if not path.is_file():
        fail(f"{path.name}: the file is not there")
    separator = _separator(path)
    extra: dict[str, Any] = {"sep": separator} if separator else {"sep": None, "engine": "python"}
    try:
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **extra).iloc[0]
        table = pd.read_csv(path, **extra, **(options or _DEFAULTS))
    except (ValueError, EOFError, OSError, csv.Error, gzip.zlib.error) as error:  # zlib's: a damaged .gz
        fail(f"{path.name}: not a readable table ({' '.join(str(error).split())})")
    names = header[header.str.strip() != ""].str.strip()
    if names.duplicated().any():
        fail(f"{path.name}: two columns are called {names[names.duplicated()].iloc[0]!r}; give each its own name")
    table = _with_first_column(table)
    for name in () if options else table.select_dtypes(exclude="number").columns:
        missing = codes_of(map(str, table[name].unique()))
        column = blank(table[name], missing)
        table[name] = column.map(float) if missing >= WORDS else column
    return table


def _separator(path: Path) -> str | None:
    """The separator by a file's suffix; None for another suffix."""
    stem = path.name.lower().removesuffix(".gz")
    return "\t" if stem.endswith((".tsv", ".txt", ".tab")) else "," if stem.endswith(".csv") else None


def blank(column: pd.Series, missing: Collection[str]) -> pd.Series:
    """Return a column of text with NaN for the codes in `missing` (lower case, see `codes_of`)."""
    return column.map(lambda cell: np.nan if key(str(cell)) in missing else cell)


def _with_first_column(table: pd.DataFrame) -> pd.DataFrame:
    """Undo pandas' taking the first field as row names when the rows have one field more than the header."""
    if isinstance(table.index, pd.RangeIndex):
        return table
    if table.iloc[:, -1].isna().all():  # rows end in a separator: the names belong one column to the left
        names = list(table.columns)
        return table.reset_index().iloc[:, : len(names)].set_axis(names, axis=1)
    return table.reset_index(names="row")


def read_expression_rows(path: Path, feature_column: str | None = None) -> pd.DataFrame:
    """Read features × samples as floats, one row per row of the file.

    Text columns between the feature names and the first sample (a description, a second identifier) are left
    out and said on standard output. Text or infinite values among the numbers are an error.
    """
    if (found := _numbers_only(path, feature_column)) is not None:
        return found
    table = read_table(path)
    feature = feature_column if feature_column in table.columns else table.columns[0]
    table = table.loc[_named_rows(path, table, feature)].set_index(feature)
    table.index = table.index.astype(str).str.strip()
    table.columns = [str(c).strip() for c in table.columns]
    numeric = table.apply(pd.to_numeric, errors="coerce")
    if notes := _annotation_columns(table, numeric):
        print(f"{path.name}: text columns left out: {', '.join(notes)}")
        table, numeric = table.drop(columns=notes), numeric.drop(columns=notes)
    text = numeric.isna() & table.notna()
    if text.to_numpy().any():
        columns = [c for c in table.columns if text[c].any()]
        row = int(text[columns[0]].to_numpy().argmax())
        fail(
            f"{path.name}: column {columns[0]!r}, row {table.index[row]!r} holds text where a number is expected: "
            f"{str(table[columns[0]].iloc[row])[:40]!r} ({len(columns)} such columns)"
        )
    if numeric.shape[1] == 0 or numeric.shape[0] == 0:
        fail(f"{path.name}: no numbers found (expected: feature names, then one column per sample)")
    if np.isinf(numeric.to_numpy(float)).any():
        fail(f"{path.name}: holds infinite values (the logarithm of zero?); write them as NA or add an offset")
    return numeric.astype(float)


_MANY_COLUMNS = 300
"""Columns from which a matrix of numbers alone is read in parts."""
_CELLS_AT_ONCE = 2_000_000


def _numbers_only(path: Path, feature_column: str | None) -> pd.DataFrame | None:
    """Read a matrix of many samples in parts of rows, so that hardly more than its numbers is in memory.

    None for one of few, and where any column but the features' holds something else than numbers.
    """
    if not path.is_file() or (separator := _separator(path)) is None:
        return None
    head = read_table(path, nrows=2, **_DEFAULTS)  # refuses columns of the same name
    if len(head.columns) < _MANY_COLUMNS:
        return None
    feature = feature_column if feature_column in head.columns else head.columns[0]
    rows = max(1, _CELLS_AT_ONCE // len(head.columns))
    names, parts = [], []
    with pd.read_csv(path, sep=separator, chunksize=rows, **_DEFAULTS) as chunks:
        for chunk in chunks:
            values = chunk.drop(columns=[feature]) if feature in chunk.columns else chunk
            numbers = all(t.kind in "iuf" for t in values.dtypes)
            whole = isinstance(chunk.index, pd.RangeIndex) and values.shape[1] == chunk.shape[1] - 1 > 0
            if not whole or not numbers or chunk[feature].isna().any():
                return None
            names.append(chunk[feature])
            parts.append(values.to_numpy(float))
            if np.isinf(parts[-1]).any():
                return None
    if len({n.dtype for n in names}) != 1:  # none at all, or numbers among names
        return None
    matrix, at = np.empty((sum(map(len, parts)), parts[0].shape[1])), 0
    while parts:  # each part is let go as it is copied
        part = parts.pop(0)
        matrix[at : at + len(part)] = part
        at += len(part)
    table = pd.DataFrame({feature: pd.concat(names, ignore_index=True)})
    missing = codes_of(map(str, table[feature].unique()))
    named = table[feature].astype(str).str.strip()
    if named.str.lower().isin([*missing, ""]).any():
        return None
    columns = [str(c).strip() for c in head.columns if c != feature]
    return pd.DataFrame(matrix, index=pd.Index(named, name=feature), columns=columns, copy=False)


def by_rows(values: np.ndarray[Any, Any], work: Callable[[Any], Any]) -> np.ndarray[Any, Any]:
    """What `work` makes of parts of the rows, put together: what it holds in between is as small as a part."""
    step = max(1, _CELLS_AT_ONCE // max(1, values.shape[1]))
    first = work(values[:step])
    found = np.empty((len(values), *first.shape[1:]), dtype=first.dtype)
    found[:step] = first
    for start in range(step, len(values), step):
        found[start : start + step] = work(values[start : start + step])
    return found


def _named_rows(path: Path, table: pd.DataFrame, feature: str) -> list[bool]:
    """Return which rows have a feature name, and put back a name that looks like a code for "not known".

    A code such as NA is a name where a single row has it (neuraminidase of influenza), and no name where several do.
    """
    unnamed = table[feature].isna()
    if unnamed.any():
        written = read_table(path, dtype=str, keep_default_na=False, usecols=[feature])[feature].str.strip()
        single = unnamed & (written != "") & ~written.str.lower().duplicated(keep=False)
        if single.any():
            table[feature] = table[feature].astype(object).where(~single, written)
            unnamed &= ~single
    return list(~unnamed & (table[feature].astype(str).str.strip() != ""))


def _annotation_columns(table: pd.DataFrame, numeric: pd.DataFrame) -> list[str]:
    """Return the leading columns with text only, as long as a column with numbers follows."""
    holds_numbers = numeric.notna().any().to_numpy()
    if not holds_numbers.any():
        return []
    leading = table.columns[: int(holds_numbers.argmax())]
    return [str(c) for c in leading if table[c].notna().any()]


def read_expression(path: Path, feature_column: str | None = None) -> pd.DataFrame:
    """Read features × samples as floats; rows of the same feature are averaged (and reported on standard output)."""
    numeric = read_expression_rows(path, feature_column)
    if numeric.index.has_duplicates:
        count = int(numeric.index.duplicated().sum())
        print(f"{path.name}: {count} rows repeat a feature name; rows of one feature are averaged")
        numeric = numeric.groupby(level=0, sort=False).mean()
    return numeric


MOST_FILLED = 0.05
"""Largest share of missing values that may be replaced by the feature's mean: with more, samples that lack the same
features (a batch of arrays, say) become alike by the filling alone."""


def fillable(matrix: pd.DataFrame) -> pd.DataFrame:
    """Return the features with a share of missing values of at most `MOST_FILLED`; fewer than 3 are an error."""
    kept = matrix[matrix.isna().mean(axis=1) <= MOST_FILLED]
    if len(kept) < 3:
        fail(
            f"{len(kept)} of {len(matrix)} features have at most {100 * MOST_FILLED:g} % missing values; at least 3 "
            "are needed, and more than that is not filled in: leave out the samples that lack the others"
        )
    return kept


_JUDGED = 200_000
"""Most values by which the scale of a matrix is judged, taken evenly from all of it."""


def scale_of(values: np.ndarray[Any, Any]) -> Scale:
    """Judge the scale of a matrix (features × samples) by the one rule of `bioscale`."""
    every = values[:: max(1, values.size // _JUDGED)]
    return judge_scale(every.ravel().tolist(), sums=np.nansum(values, axis=0).tolist() if values.ndim == 2 else ())


def looks_linear(values: np.ndarray[Any, Any]) -> bool:
    """Return True if expression values look linear (counts, rates, intensities) rather than logarithmic."""
    return scale_of(values).kind in ("counts", "linear")


def read_samples(path: Path, sample_column: str | None = None, missing: Any = ()) -> pd.DataFrame:
    """Read the sample sheet indexed by sample id (text), with NaN for values missing by the rule of `codes_of`.

    `missing` states further codes: `column=code` for one column, `code` for all.
    """
    table = read_table(path, dtype=str, keep_default_na=False)
    column = sample_column if sample_column in table.columns else table.columns[0]
    table[column] = table[column].astype(str).str.strip()
    table = table[table[column] != ""]
    if table[column].duplicated().any():
        twice = table.loc[table[column].duplicated(), column].iloc[0]
        fail(f"{path.name}: sample {twice!r} occurs more than once in column {column!r}")
    table = table.set_index(column).map(lambda cell: str(cell).strip())
    stated = stated_codes(table.columns, map(str, missing))
    return table.apply(lambda cells: blank(cells, codes_of(cells.unique(), stated[cells.name])))


def match_samples(
    expression: pd.DataFrame, samples: pd.DataFrame, minimum: int = 6
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut both tables to the samples they share, in the matrix's order; too few shared samples is an error."""
    shared = [str(c) for c in expression.columns if str(c) in samples.index]
    if len(shared) < minimum:
        fail(
            f"only {len(shared)} samples are in both the matrix ({expression.shape[1]}) and the sample sheet "
            f"({len(samples)}); at least {minimum} are needed. Do the sample names match?"
        )
    renamed = expression.set_axis([str(c) for c in expression.columns], axis=1)
    return renamed[shared], samples.loc[shared]


def numeric_column(samples: pd.DataFrame, column: str) -> pd.Series:
    """Return a sample sheet column as floats; text that is no number is an error naming it."""
    if column not in samples.columns:
        fail(f"the sample sheet has no column {column!r} (it has: {', '.join(map(str, samples.columns))})")
    values = to_numbers(samples[column])
    if np.isinf(values).any():
        fail(f"column {column!r} holds infinite values")
    return values.astype(float)


def to_numbers(column: pd.Series) -> pd.Series:
    """Return a table's column as numbers (also infinite ones); text that is no number is an error naming it."""
    values = pd.to_numeric(column, errors="coerce")
    bad = column[values.isna() & column.notna()]
    if len(bad):
        fail(f"column {column.name!r} holds text where numbers are expected, e.g. {bad.iloc[0]!r}")
    return values


def level_text(value: Any) -> str:
    """Return a group level as text, whole numbers without a decimal point (`1.0`, `1` and 1 are the same level)."""
    text = str(value).strip()
    match = re.fullmatch(r"(-?(?:0|[1-9]\d*))\.0*", text)
    return match[1] if match else text


def group_levels(samples: pd.DataFrame, column: str) -> pd.Series:
    """Return a sample sheet column as group levels (text); missing stays missing."""
    if column not in samples.columns:
        fail(f"the sample sheet has no column {column!r} (it has: {', '.join(map(str, samples.columns))})")
    return samples[column].map(level_text, na_action="ignore")


def two_groups(samples: pd.DataFrame, column: str, case: str, control: str, minimum: int = 3) -> pd.Series:
    """Return True for case, False for control, others dropped; groups smaller than `minimum` are an error."""
    values = group_levels(samples, column).dropna()
    wanted = (level_text(case), level_text(control))
    if wanted[0] == wanted[1]:
        fail(f"case and control of column {column!r} are both {wanted[0]!r}; name two different levels")
    chosen = values[values.isin(wanted)]
    for level in wanted:
        count = int((chosen == level).sum())
        if count < minimum:
            found = ", ".join(repr(v) for v in sorted(set(values))[:8]) or "no level"
            fail(
                f"group {column} = {level!r} has {count} samples; at least {minimum} are needed (levels found: {found})"
            )
    return chosen == wanted[0]


def survival_table(samples: pd.DataFrame, time_column: str, event_column: str, minimum_events: int = 5) -> pd.DataFrame:
    """Return columns `time` and `event` (0/1) for samples with both; too few events or bad times are an error."""
    table = pd.DataFrame({"time": numeric_column(samples, time_column), "event": numeric_column(samples, event_column)})
    table = table.dropna()
    if not table["event"].isin([0, 1]).all():
        fail(f"column {event_column!r} must hold 0 (censored) and 1 (event) only")
    if (table["time"] < 0).any():
        fail(f"column {time_column!r} holds negative times")
    events = int(table["event"].sum())
    if events < minimum_events:
        fail(f"{events} events in {len(table)} samples (column {event_column!r}); at least {minimum_events} are needed")
    return table


def read_gene_sets(path: Path) -> dict[str, list[str]]:
    """Read the gene sets of a GMT file: name -> symbols, in file order without repeats."""
    if not path.is_file():
        fail(f"{path.name}: the file is not there")
    sets: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.rstrip("\n").split("\t")
        if len(fields) >= 3:
            sets[fields[0]] = list(dict.fromkeys(f for f in fields[2:] if f))
    if not sets:
        fail(f"{path.name}: no gene sets found (expected: name, description, then symbols, separated by tabs)")
    return sets


def write_table(table: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """Write a TSV (packed when it ends in .gz) with six significant digits; repeated runs give identical bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = {"method": "gzip", "compresslevel": 4, "mtime": 0} if path.suffix == ".gz" else None
    table.to_csv(path, sep="\t", index=index, float_format="%.6g", na_rep="NA", compression=packed)


Findings = Iterable[tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], dict[str, Any]]]


def write_findings(findings: Findings, path: Path) -> None:
    """Write [{"statement": …, "values": {…}, "result": {…}}]; every number in a statement is among its values.

    A finding that answers a question has a third part, its `result` (see `result`).
    """
    rows = []
    for statement, values, *structured in findings:
        row = {"statement": statement, "values": {k: _plain(v) for k, v in values.items()}}
        rows.append(row | ({"result": structured[0]} if structured else {}))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def result(task: Task, kind: str, n: int, **fields: Any) -> dict[str, Any]:
    """Return the `result` of a finding: what it says and which samples it rests on, as a question needs it.

    `kind` is `difference`, `association`, `time to event`, `prediction`, `enrichment`, `structure`, `description` or
    `synthesis`; `n` counts the rows of the sample sheet that were analysed. `fields` are any of: measure, contrast
    ({column, case, control} or {column, levels}), endpoint, time_column, event_column, effect, estimate, low, high, p,
    fdr, tested, called, higher, lower, groups ({level: n}), events, group_events ({level: events}), pairs, missing
    (rows left out for want of a value), terms (columns in the model beside measure and contrast), test.
    """
    known = {k: _plain(v) for k, v in fields.items() if v is not None}
    return {"kind": kind, "population": str(task.parameter("dataset_label") or ""), "n": int(n), **known}


def enrichment_result(task: Task, tests: pd.DataFrame, **fields: Any) -> dict[str, Any]:
    """Return the `result` of an enrichment that rests on a table of differential expression with n of both groups."""
    sizes = [int(tests[c].max()) if c in tests.columns else 0 for c in ("n_case", "n_control")]
    levels = [level_text(task.parameter(k, k)) for k in ("case", "control")]
    contrast = {"column": str(task.parameter("group_column") or ""), "case": levels[0]}
    groups = {levels[0]: sizes[0]}
    if task.parameter("control") is not None:
        contrast["control"], groups = levels[1], dict(zip(levels, sizes, strict=True))
    return result(task, "enrichment", sum(sizes), measure="gene sets", contrast=contrast, groups=groups, **fields)


def _plain(value: Any) -> Any:
    """Turn numpy scalars into Python ones and not-a-number into None, also inside lists and dictionaries."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def number(value: float, digits: int = 3) -> str:
    """Format a number for a sentence: significant digits, small ones in scientific notation."""
    return f"{value:.{digits}g}"


def rounded(value: float, digits: int = 3) -> float:
    """Round a number as `number` shows it, for the values beside a sentence."""
    return float(f"{value:.{digits}g}")


def percent(part: float, whole: float) -> float:
    """Return a part of a whole in percent, one decimal; 0 of nothing is 0."""
    return round(100 * part / whole, 1) if whole else 0.0


def listed(names: Iterable[Any], maximum: int = 5) -> str:
    """List names for a sentence: the first few, then the number of the others."""
    items = [str(n) for n in names]
    more = len(items) - maximum
    return ", ".join(items[:maximum]) + (f" and {more} more" if more > 0 else "")


def where(task: Task) -> str:
    """Return `In <data set>, ` for the start of a sentence."""
    return f"In {task.parameter('dataset_label') or 'this data set'}, "


def p_value(value: float) -> str:
    """Format a p-value for a sentence: `p = 0.0083`, `p < 1e-16` below what double precision carries."""
    return "p < 1e-16" if value < 1e-16 else f"p = {value:.2g}"


def shown_p(value: float) -> float:
    """Round a p-value as `p_value` shows it, for the values beside a sentence."""
    return max(rounded(value, 2), 1e-16)


def plain_text(text: Any, maximum: int = 60) -> str:
    """Shorten a text for a figure to one line, no part of which is taken as a formula."""
    words = " ".join(str(text).split())
    return (words if len(words) <= maximum else words[: maximum - 1] + "…").replace("$", r"\$")


def figure(width: float = 6.0, height: float = 4.5) -> tuple[Any, Any]:
    """Make a matplotlib figure and axes without a display, in the house style."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "bio"})
    return plt.subplots(figsize=(width, height), layout="constrained")


def save_figure(fig: Any, *paths: Path) -> None:
    """Save in the form of each suffix, without a date or software stamp, so that repeated runs give identical bytes."""
    import matplotlib.pyplot as plt

    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        fig.savefig(path, dpi=150, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})
    plt.close(fig)
