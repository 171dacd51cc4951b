"""Where code draws random numbers, and whether their seed is fixed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_MODULES = ("random.", "numpy.random.", "secrets.")
_MAKERS = {"default_rng", "RandomState", "Random", "Generator", "PCG64", "MT19937", "Philox", "SeedSequence"}
_GENERATOR = re.compile(r"^(?:self\.)?_?(?:rng|generator|random_state|rs|prng)\.\w+$")
_INVENTS = re.compile(
    r"\.(?:rvs|make_classification|make_blobs|make_regression)$|^make_(?:classification|blobs|regression)$"
)
_SHUFFLES = re.compile(r"(?:\.sample|train_test_split|\.rvs)$")
_SEED_WORDS = {"random_state", "seed"}


@dataclass(frozen=True)
class Randomness:
    """Lines of the first random number, the first without a fixed seed, and the first in an exception handler."""

    drawn: int | None = None
    unseeded: int | None = None
    in_handler: int | None = None


def aliases_of(tree: ast.Module) -> dict[str, str]:
    """Local name -> full name, for everything imported anywhere in the file."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.split(".")[0]
                found[alias.asname or full] = full
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def full_name(node: ast.expr, aliases: dict[str, str]) -> str:
    """A dotted name with its first part resolved; calls and subscripts in it become `?`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    first = aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "?"
    return ".".join([first, *reversed(parts)])


def find_randomness(tree: ast.Module) -> Randomness:
    """Read a file for random numbers; names are followed through imports, not through assignments."""
    aliases = aliases_of(tree)
    calls = [(n, full_name(n.func, aliases)) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    seeded = {name.removesuffix("seed") for n, name in calls if name.endswith(".seed") and _has_seed(n)}
    handled = {id(n) for h in ast.walk(tree) if isinstance(h, ast.ExceptHandler) for n in ast.walk(h)}
    drawn = [n for n, name in calls if _draws(name)]
    unseeded = [n for n, name in calls if _is_unseeded(n, name, seeded)]
    in_handler = [n for n in drawn if id(n) in handled]
    return Randomness(_first(drawn), _first(unseeded), _first(in_handler))


def _first(nodes: list[ast.Call]) -> int | None:
    return min((n.lineno for n in nodes), default=None)


def _draws(name: str) -> bool:
    return name.startswith(_MODULES) or bool(_GENERATOR.match(name)) or bool(_INVENTS.search(name))


def _has_seed(node: ast.Call) -> bool:
    given = [*node.args, *(k.value for k in node.keywords)]
    return any(not (isinstance(v, ast.Constant) and v.value is None) for v in given)


def _is_unseeded(node: ast.Call, name: str, seeded: set[str]) -> bool:
    last = name.rsplit(".", 1)[-1]
    if last in _MAKERS:
        return not _has_seed(node)
    if name.startswith(_MODULES):
        return last != "seed" and not any(name.startswith(prefix) for prefix in seeded)
    return bool(_SHUFFLES.search(name)) and not any(k.arg in _SEED_WORDS for k in node.keywords)
