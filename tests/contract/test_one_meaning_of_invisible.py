"""Only `bioresearcher/text` defines which characters are invisible."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from bioresearcher.text.visible import visible

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bioresearcher"
CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "CZ", "Zl", "Zp"}
ALLOWED = {
    "execution/inside/describe_inputs.py",  # runs inside the sandbox; test_text_visible.py compares its copy
    "sandbox/supervise.py",  # the beginnings and ends of terminal sequences, which are removed whole
}


def definitions(path: Path) -> Iterator[str]:
    """String constants that name several invisible characters, or a category of them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            written = re.sub(
                r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))",
                lambda m: chr(int(m[1] or m[2] or m[3], 16)),
                node.value,
            )
            unseen = {c for c in written if visible(c) != c and not c.isspace() and unicodedata.category(c) != "Cn"}
            if len(unseen) > 1 or node.value in CATEGORIES:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.value[:60]!a}"
        elif (
            isinstance(node, ast.Attribute) and node.attr == "category" and ast.unparse(node) == "unicodedata.category"
        ):
            yield f"{path.relative_to(ROOT)}:{node.lineno} unicodedata.category"


def test_no_other_module_says_what_is_invisible() -> None:
    found: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] not in ("text", "_examples") and relative.as_posix() not in ALLOWED:
            found += definitions(path)
    accents = [f for f in found if f.startswith("bioresearcher/sandbox/artifacts.py")]
    assert found == accents
    assert len(accents) <= 1  # whether a file's name starts with an accent


def test_a_second_definition_would_be_found() -> None:
    assert len(list(definitions(PACKAGE / "text" / "visible.py"))) >= 3
