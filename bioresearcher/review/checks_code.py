"""Checks of the code that a protocol carries: a name means one thing in all of its parts."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit
from bioresearcher.text.visible import one_line

_LONGEST = 20_000
"""Characters of one place's code that are read."""


def one_meaning(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Names in capitals with another value, and functions with another body, than in an earlier place."""
    protocol = view.protocol
    places = [("definitions", f"definition {one_line(d.name, 40)}", d.code) for d in protocol.definitions]
    places += [(f"step {s.id}", f"step {s.id}", s.code) for s in protocol.steps]
    seen: dict[str, tuple[str, str]] = {}
    for location, place, code in places:
        for name, meaning in _meanings(code):
            first, before = seen.setdefault(name, (place, meaning))
            if before != meaning and first != place:
                what = "a function with one body" if meaning.startswith("def ") else one_line(meaning, 40)
                other = "another body" if before.startswith("def ") else one_line(before, 40)
                message = f"`{one_line(name, 40)}` is {what} here and {other} in {first}"
                yield CheckHit(location, message, "Settle on one, in a definition, or give the other its own name.")
                seen[name] = (place, meaning)


def _meanings(code: str) -> Iterator[tuple[str, str]]:
    """Yield what the top level of code names for good: constants in capitals with literal values, and functions."""
    try:
        body = ast.parse(code[:_LONGEST]).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # `checks` of the rehearsal say so
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, f"def {_body(node)}"
        elif isinstance(node, ast.Assign) and (value := _literal(node.value)):
            yield from ((t.id, value) for t in node.targets if isinstance(t, ast.Name) and t.id.isupper())


def _body(node: ast.FunctionDef) -> str:
    """Return arguments and statements of a function as text, without its docstring."""
    first = node.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return " ".join(map(ast.dump, (node.args, *(node.body[1:] if told else node.body))))


def _literal(node: ast.expr) -> str:
    """Return a literal value as text, sets in one order; empty for anything computed."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return ""
    return repr(sorted(value, key=repr)) if isinstance(value, set | frozenset) else repr(value)


CHECKS: tuple[Check, ...] = (
    Check(
        "G-CON-03", "a name in the code means one thing", "warning", "logical_soundness", one_meaning, (), "protocol"
    ),
)
