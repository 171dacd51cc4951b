"""The architecture's rules, checked on the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bioresearcher"
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "schemas", "text"),
    (
        "runfolder", "resources", "yaml_lines", "settings", "events", "prompts", "cards", "skills", "examples",
        "limits", "llm", "sources", "library", "papers", "sandbox", "execution",
    ),
    ("review",),
    ("stages",),
    ("report",),
    ("graph",),
    ("batch",),
    ("cli", "__main__"),
)  # fmt: skip
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
LIMIT = 400


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "_examples" not in p.parts)


def imports(path: Path) -> set[str]:
    """Top-level parts of this package that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] + [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("bioresearcher.") and n.split(".")[1] in RANK}
    return found


def test_imports_point_downwards() -> None:
    wrong = []
    for path in modules():
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        wrong += [f"{path.relative_to(ROOT)} -> {o}" for o in imports(path) if RANK.get(own, 99) < RANK[o]]
    assert wrong == []


def test_text_is_ground_and_stands_on_errors_at_most() -> None:
    found = {module: imports(module) - {"text", "errors"} for module in (PACKAGE / "text").glob("*.py")}
    assert {path.name: names for path, names in found.items() if names} == {}


def test_every_top_level_module_has_a_layer() -> None:
    names = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir() if not p.name.startswith(("_", "."))}
    assert names - set(RANK) - {"py"} == set()


@pytest.mark.parametrize("folder", ["bioresearcher", "agents", "tests"])
def test_no_module_is_too_long(folder: str) -> None:
    limit = LIMIT if folder != "tests" else 700
    lengths = {p.relative_to(ROOT): len(p.read_text("utf-8").splitlines()) for p in (ROOT / folder).rglob("*.py")}
    assert {p: n for p, n in lengths.items() if n > limit} == {}


def test_no_dangerous_call_is_in_the_package() -> None:
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            shell = isinstance(node, ast.Call) and any(
                k.arg == "shell" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
                for k in node.keywords
            )
            if name in {"eval", "exec", "os.system", "pickle.load", "pickle.loads", "yaml.load"} or shell:
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} {name}")
    assert found == []
