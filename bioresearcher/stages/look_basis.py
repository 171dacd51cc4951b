"""The rows that a fact rests on, as the program can tell them: the files its look read, and how its code chose of them.

A model says "after the filter" of a look at everything as easily as the other way round. Files and sizes are those of
the view; choices are the expressions of the code itself, so that a reader can see if a rule of the plan is among them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from bioresearcher.schemas.facts import View, ViewFile
from bioresearcher.text.visible import one_line

_CHOOSING: Final = {"query", "dropna", "head", "tail", "nlargest", "nsmallest", "sample", "drop_duplicates", "filter"}
"""Methods that take a part of a table."""
_QUANTILES: Final = {"quantile", "percentile", "nanquantile", "nanpercentile"}
_PARTLY: Final = {"nrows", "usecols", "skiprows"}
_MOST, _CHARS = 3, 60


def basis_of(code: str, view: View) -> str:
    """Return a sentence on the rows and columns that a look computed with; empty where its code cannot be read."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    found = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
    texts = {text.rsplit("/", 1)[-1] for text in found if isinstance(text, str)}
    read = [f for f in view.files if {f.name, f.name.removesuffix(".csv")} & texts]
    if not read:
        return ""
    files = "; ".join(f"{f.name}: {_size(f)}" for f in read)
    chosen = list(dict.fromkeys(_choices(tree, code)))
    more = f" and {len(chosen) - _MOST} more" if len(chosen) > _MOST else ""
    by = f"its code takes parts by {', '.join(chosen[:_MOST])}{more}" if chosen else "its code takes them whole"
    return f"(Computed on {view.id} as given, before any rule of the plan: {files}; {by}.)"


def sizes_of(view: View) -> frozenset[int]:
    """Return the numbers of rows and of columns of a view's files, and of the samples of its matrices."""
    return frozenset(n for f in view.files for n in (f.rows, f.n_columns, *([f.n_columns - 1] if _wide(f) else ())))


def quantiles_of(code: str) -> frozenset[float]:
    """Return the quantiles that a look's code asks for, each as a share and in percent."""
    try:
        calls = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    asked = (a for n in calls if _called(n) in _QUANTILES for a in (*n.args, *(k.value for k in n.keywords)))
    numbers = [c.value for argument in asked for c in ast.walk(argument) if isinstance(c, ast.Constant)]
    shares = {n / (1 if n <= 1 else 100) for n in numbers if isinstance(n, int | float) and 0 <= n <= 100}
    return frozenset(round(v, 10) for share in shares for v in (share, 100 * share))


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _wide(file: ViewFile) -> bool:
    """True for a matrix: its columns are samples, of which only the first are listed."""
    return "a column a sample" in file.what


def _size(file: ViewFile) -> str:
    if _wide(file):
        return f"{file.rows:,} features × {file.n_columns - 1:,} samples"
    return f"{file.rows:,} rows"


def _choices(tree: ast.AST, code: str) -> Iterator[str]:
    """Yield the expressions by which rows or columns are chosen."""
    known = {
        t.id: n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            for part in parts:
                meant = known.get(part.id) if isinstance(part, ast.Name) else part
                if meant is not None and _chooses(meant):
                    yield _text(meant, code)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in _CHOOSING:
                yield f".{node.func.attr}({', '.join(_text(a, code) for a in node.args)})"
            yield from (_text(k.value, code) for k in node.keywords if k.arg in _PARTLY)


def _chooses(node: ast.AST) -> bool:
    """True for a mask: a comparison, its negation or combination, `isin`, or a list of names from such a choice."""
    if isinstance(node, ast.Compare):
        return True
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Invert | ast.Not)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitAnd | ast.BitOr)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("isin", "eq", "ne", "gt", "ge", "lt", "le", "notna", "isna", "between", "startswith")
    return isinstance(node, ast.Slice) and (node.lower is not None or node.upper is not None)


def _text(node: ast.AST, code: str) -> str:
    text = one_line(ast.get_source_segment(code, node) or ast.unparse(node))
    return f"`{text if len(text) <= _CHARS else text[: _CHARS - 1] + '…'}`"
