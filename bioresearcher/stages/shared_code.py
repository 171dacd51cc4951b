"""The definitions of a protocol as a helper module that tasks import, so that a score or a set is written once.

The module is the registered code of the definitions behind the imports of the script's head. It reads no file: a
definition that reads one when it is imported, and what uses it, is left out and named. Before a task gets the module
it is imported in the sandbox, as a task would; one that cannot be imported is not offered, and the reason is told.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bioresearcher.errors import BioresearcherError
from bioresearcher.execution.process import classify
from bioresearcher.runfolder import write_text
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.protocol import Definition, Protocol
from bioresearcher.stages.script import IMPORTS
from bioresearcher.text.format import listing
from bioresearcher.text.visible import one_line

NAME: Final = "protocol_definitions"
FILE: Final = f"{NAME}.py"
LIMITS: Final = Limits(wall_s=60, cpu_s=60, memory_mb=1024)
_BUILT: Final = "build on such"
_ODD: Final = "are no Python"
_WHY: Final[Mapping[str, frozenset[str]]] = {
    "read files": frozenset(("DATA", "MADE", "FILES", "entry", "file", "table", "matrix", "gene_sets", "__file__")),
    "write files or state findings and counts": frozenset(("OUT", "check", "finding")),
    _BUILT: frozenset(),
    _ODD: frozenset(),
}
"""Why a definition is left out, with the names of the script that it then uses, which the module does not have."""
_HEAD: Final = f"{IMPORTS.rstrip()}\n\nREHEARSAL = False  # tasks run on the data themselves"
_CHECK: Final = f"import {NAME}\n"


@dataclass(frozen=True)
class SharedCode:
    """The module's text, empty when there is none, with a sentence on what was left out or why it is not offered."""

    text: str = ""
    told: str = ""


def definitions_module(protocol: Protocol) -> SharedCode:
    """Return the module of a protocol's definitions, not tried yet."""
    kept: list[Definition] = []
    left: dict[str, list[str]] = {why: [] for why in _WHY}
    lost: set[str] = set()
    for definition in protocol.definitions:
        if not definition.code.strip():
            continue
        made, used = _names(definition.code)
        why = next((w for w, names in {**_WHY, _BUILT: lost}.items() if used & names), "") if made is not None else _ODD
        if why:
            left[why].append(definition.name)
            lost |= made or set()
        else:
            kept.append(definition)
    reasons = [f"{why}: {listing(names)}" for why, names in left.items() if names]
    told = f"definitions that are no part of the helper module, as they {'; as they '.join(reasons)}" if reasons else ""
    if not kept:
        return SharedCode("", told)
    said = f'"""Definitions of the registered protocol: {listing((d.name for d in kept), 20).replace(chr(34), "")}."""'
    pieces = [f"# {one_line(d.name)}\n{d.code.strip(chr(10))}" for d in kept]
    return SharedCode("\n\n\n".join((f"{said.replace(chr(92), '/')}\n\n{_HEAD}", *pieces)) + "\n", told)


async def tried(sandbox: Sandbox, module: SharedCode) -> SharedCode:
    """Import the module in the sandbox; one that cannot be imported is returned empty, with the reason."""
    if not module.text:
        return module
    try:
        place = temporary_folder()
        try:
            code, work = place / "code", place / "work"
            for folder in (code, work):
                folder.mkdir()
            write_text(code / FILE, module.text)
            write_text(code / "code.py", _CHECK)
            result = await sandbox.run(Job(code_dir=code, script="code.py", work_dir=work, data={}, limits=LIMITS))
        finally:
            remove_tree(place)
    except (BioresearcherError, OSError):
        return SharedCode("", "the definitions could not be tried, as the sandbox could not be set up")
    ended = classify(result, LIMITS)
    if ended is None:
        return module
    return SharedCode("", f"the definitions are no helper module, as they cannot be imported: {ended[1][:300]}")


def _names(code: str) -> tuple[set[str] | None, set[str]]:
    """Return the names that code makes and those that it uses when it is imported; None for code that is no Python.

    Bodies of functions run later, but what they use must be there then, too.
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, set()
    made = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    made |= {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return made, used - set(_arguments(tree))


def _arguments(tree: ast.AST) -> Iterable[str]:
    return (n.arg for n in ast.walk(tree) if isinstance(n, ast.arg))
