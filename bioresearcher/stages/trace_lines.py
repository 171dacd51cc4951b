"""Lines of a task's script that name a column or value, or write a file: the places to read first for a number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import DryLabTask
from bioresearcher.schemas.trace import TracedLine
from bioresearcher.text.visible import one_line

MOST_LINES: Final = 6
_BYTES: Final = 2_000_000
_WRITES: Final = re.compile(r"\b(?:write_\w+|to_csv|writerows?|savetxt|write\.(?:table|csv)|fwrite|finding)\b")


def traced_lines(
    folder: RunFolder, task: DryLabTask, names: Sequence[str], files: Sequence[str]
) -> tuple[TracedLine, ...]:
    """Return the lines of the task's script, then of its helper modules, that make a column and write its file.

    Args:
        folder: The run folder.
        task: The task; its script and helpers lie in its folder.
        names: Columns and keys of the number.
        files: Names of the tables that hold it; of none, the findings are meant.
    """
    place = folder.path("tasks", task.id)
    script = place / task.code_file
    outputs = {o.name for o in task.outputs if o.file in files} | set(files)
    if not files:
        outputs |= {o.name for o in task.outputs if o.kind == "findings"}
    found: list[TracedLine] = []
    helpers = sorted(p for p in place.glob(f"*{script.suffix}") if p != script) if place.is_dir() else []
    for path in (script, *helpers):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _BYTES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines()
        own = path == script
        for number, why in sorted(_hits(text, path.suffix, names, outputs if own else set())):
            if 0 < number <= len(lines):
                at = f"tasks/{task.id}/{path.name}"
                found.append(TracedLine(file=at, line=number, text=one_line(lines[number - 1], 160), why=why))
    found.sort(key=lambda f: (not f.why.startswith("writes"), not f.file.endswith(script.name), f.line))
    writes, makes = (
        found[: sum(f.why.startswith("writes") for f in found)],
        [f for f in found if not f.why.startswith("writes")],
    )
    return (*writes[: MOST_LINES // 2], *makes[: MOST_LINES - min(len(writes), MOST_LINES // 2)])


def _hits(text: str, suffix: str, names: Sequence[str], outputs: set[str]) -> set[tuple[int, str]]:
    """Return numbers of lines with the reason; of Python by its tree, else by quoted words."""
    wanted = {n for n in names if n}
    if suffix == ".py":
        try:
            return set(_python_hits(ast.parse(text), wanted, outputs, text.splitlines()))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    hits = set()
    for number, line in enumerate(text.splitlines(), 1):
        quoted = set(re.findall(r"[\"']([^\"']{1,200})[\"']", line)) | set(re.findall(r"\b([\w.]+)\s*=(?!=)", line))
        if _WRITES.search(line) and quoted & outputs:
            hits.add((number, f"writes {sorted(quoted & outputs)[0]}"))
        elif quoted & wanted:
            hits.add((number, f"names {sorted(quoted & wanted)[0]}"))
    return hits


def _python_hits(tree: ast.AST, names: set[str], outputs: set[str], lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            line = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
            if node.value in outputs or Path(node.value).name in outputs:
                if _WRITES.search(line):
                    yield node.lineno, f"writes {node.value}"
            elif node.value in names:
                yield node.lineno, f"names {node.value}"
        elif isinstance(node, ast.keyword) and node.arg in names:
            yield node.value.lineno, f"names {node.arg}"
