"""Helpers of a look: `show` prints compactly, `table` loads a file of the view, `code_of` gives a sample's code.

It runs inside the sandbox. All are built in for the look's script, and can be imported from `looking`; so are `np`,
`pd` and `stats` (numpy, pandas, scipy.stats) where the script uses these names. Run as a script, this module runs
`look.py` beside it, and tells an error in few lines.
"""

from __future__ import annotations

import ast
import builtins
import csv
import importlib
import json
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import pandas as pd

ROWS = COLUMNS = 12
_CELL = 24
_LARGE = 64 << 20
_CHUNK_ROWS = 2000
_MODULES = {"np": "numpy", "pd": "pandas", "stats": "scipy.stats"}
_FRAMES, _NAMES = 2, 40


def view() -> Path:
    """Return the folder of the view's files."""
    return Path(os.environ["LOOK_VIEW"])


def gene_sets() -> Path | None:
    """Return the folder of gene sets; None without any."""
    named = os.environ.get("LOOK_GENE_SETS")
    return Path(named) if named else None


def code_of(name: str) -> str:
    """Return the code in this view of a sample that the look's code names in full.

    Raises:
        KeyError: The view gives no code for it.
    """
    known: dict[str, str] = json.loads(os.environ.get("LOOK_NAMES") or "{}")
    if name not in known:
        raise KeyError(
            f"no code of {name!r} here: codes are given in open views, for samples named by accessions or numbers, "
            "written out in the code"
        )
    return known[name]


def table(name: str, **options: object) -> pd.DataFrame | dict[str, list[str]]:
    """Load a file: a table with all its columns as they are listed, or gene sets as name -> list of symbols.

    `options` go to `pandas.read_csv`, e.g. `nrows=100` of a large matrix. Numbers of a file of more than 64 MB that is
    read whole have single precision, else they would not fit into the memory of a look.

    Raises:
        FileNotFoundError: The view has no such file; the message lists those it has.
    """
    import pandas as pd

    folders = [folder for folder in (view(), gene_sets()) if folder is not None]
    there = {path.name: path for folder in folders for path in sorted(folder.iterdir())}
    last = name.rsplit("/", 1)[-1]
    path = there.get(last) or there.get(f"{last}.csv") or there.get(f"{last}.gmt") or _by_stem(there, last)
    if path is None:
        raise FileNotFoundError(f"no file {name!r} here; there is {', '.join(there) or 'none'}")
    if path.suffix == ".gmt":
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        return {row[0]: [gene for gene in row[2:] if gene] for row in rows if len(row) > 2}
    read = cast("Callable[..., pd.DataFrame]", pd.read_csv)
    settings = {"low_memory": False, **options}
    if path.stat().st_size <= _LARGE or {"chunksize", "iterator", "nrows", "usecols"} & settings.keys():
        return read(path, **settings)
    with pd.read_csv(path, chunksize=_CHUNK_ROWS) as chunks:
        return pd.concat([chunk.astype(dict.fromkeys(chunk.select_dtypes("number"), "float32")) for chunk in chunks])


def _by_stem(there: Mapping[str, Path], name: str) -> Path | None:
    """Find the one file that the data sets call so, whatever its suffix and the data set's name before it."""
    stem = name.split(".")[0]
    found = [path for path in there.values() if path.stem == stem or path.stem.endswith(f"-{stem}")]
    return found[0] if len(found) == 1 else None


def show(what: object, rows: int = ROWS, columns: int = COLUMNS) -> None:
    """Print at most 12 rows and 12 columns, numbers with three significant digits, and how much more there is."""
    import numpy as np
    import pandas as pd

    if isinstance(what, pd.DataFrame):
        _show_frame(what, rows, columns)
    elif isinstance(what, pd.Series):
        name = "value" if what.name is None else what.name
        _show_frame(what.to_frame(name), rows, columns)
    elif isinstance(what, np.ndarray) and what.ndim in (1, 2):
        _show_frame(pd.DataFrame(what), rows, columns)
    elif isinstance(what, Mapping):
        _show_frame(pd.DataFrame({"value": list(what.values())}, index=list(what)), rows, columns)
    elif isinstance(what, (list, tuple, set, frozenset, pd.Index)):
        _show_frame(pd.DataFrame({"value": list(what)}), rows, columns)
    else:
        _say(_cell(what))


def _show_frame(frame: pd.DataFrame, rows: int, columns: int) -> None:
    height, width = frame.shape
    part = frame.iloc[:rows, :columns]
    index = [_cell(i) for i in part.index]
    _say("\t".join(["" if frame.index.name is None else _cell(frame.index.name), *(_cell(c) for c in part.columns)]))
    for label, row in zip(index, part.itertuples(index=False, name=None), strict=True):
        _say("\t".join([label, *(_cell(value) for value in row)]))
    more = [f"{height - rows:,} more rows"] if height > rows else []
    more += [f"{width - columns:,} more columns"] if width > columns else []
    if more:
        _say(f"... {' and '.join(more)} (of {height:,} x {width:,})")


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return " / ".join(map(_cell, value))
    if isinstance(value, (bool, str)) or value is None:
        text = str(value)
        return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"
    try:
        number = float(str(value)) if not hasattr(value, "__float__") else float(cast("float", value))
    except (TypeError, ValueError):
        text = " ".join(str(value).split())
        return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.3g}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the look's own last lines and the error; of a name that is not there, which columns there are."""
    frames = [f for f in traceback.extract_tb(trace) if Path(f.filename).name == "look.py"][-_FRAMES:]
    said = [f'  File "{f.filename}", line {f.lineno}\n    {f.line}\n' for f in frames]
    said += traceback.format_exception_only(kind, error)
    sys.stderr.write("".join((*said, *(_columns() if issubclass(kind, KeyError) else ()))))


def _columns() -> list[str]:
    """Return a line with the columns of each table of the view."""
    found = []
    for path in sorted(view().glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            names = next(csv.reader(file), [])
        more = ", …" if len(names) > _NAMES else ""
        shown = names[:2] if more else names
        found.append(f"columns of {path.name}: {', '.join(shown)}{more}\n")
    return found


def _used_modules(code: str) -> dict[str, ModuleType]:
    """Import the modules whose short names a script uses."""
    try:
        names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    except (SyntaxError, ValueError):
        return {}
    return {short: importlib.import_module(name) for short, name in _MODULES.items() if short in names}


if __name__ == "__main__":
    sys.modules["looking"] = sys.modules["__main__"]
    vars(builtins).update(show=show, table=table, code_of=code_of)
    sys.excepthook = _report
    script = Path(__file__).with_name("look.py")
    vars(builtins).update(_used_modules(script.read_text(encoding="utf-8")))
    runpy.run_path(str(script), run_name="__main__")
