"""Take the guards out of a script, for a re-run on changed data alone.

A guard stops a script on data that are not the planned ones. The script without it shows whether what stands behind
follows the data or is fixed. Only what refuses goes; whatever is computed to decide it stays.
"""

from __future__ import annotations

import ast
from typing import Final

from bioresearcher.schemas.execution import Language

_R_GUARDS: Final = "stop <- stopifnot <- quit <- q <- function(...) invisible(NULL)\n"
_EXITS: Final = frozenset({"exit", "quit", "_exit", "fail", "abort"})


def without_guards(code: str, language: Language) -> str | None:
    """Return a script whose refusals (`raise`, `assert`, exits, `fail`) do nothing; None when it has none.

    A bare `raise` stays, and so does one inside an exception handler, as it hands on a failure.
    """
    if language == "r":
        return _R_GUARDS + code if any(word in code for word in ("stop", "quit", "q(", "bs_fail")) else None
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    disarm = _Disarm()
    tree = ast.fix_missing_locations(disarm.visit(tree))
    return ast.unparse(tree) + "\n" if disarm.count else None


class _Disarm(ast.NodeTransformer):
    """Replaces refusals by nothing, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if node.exc is None:
            return node
        self.count += 1
        return ast.Pass()

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self.count += 1
        return ast.Pass()

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Replace an exit by its arguments, which may be the call of the whole script: `sys.exit(main())`."""
        call = node.value
        if not isinstance(call, ast.Call):
            return node
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name not in _EXITS:
            return node
        self.count += 1
        return ast.Expr(ast.Tuple([a for a in call.args if not isinstance(a, ast.Starred)], ast.Load()))
