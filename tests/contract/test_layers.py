"""The architecture's rules, checked on the source itself."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bioresearcher"
ORDER = (
    "text schemas errors config_text resources runfolder events progress prompts skills settings examples limits "
    "papers retrieval sources audit analysis llm offline sandbox execution review stages report export graph batch "
    "web doors cli __main__"
).split()
"""Every top-level module and package; each may import only what stands before it."""
RANK = {name: rank for rank, name in enumerate(ORDER)}
LIMIT = 600
MOST_MODULES = 548
ALONE = ROOT / "tests" / "contract" / "single_importers.txt"


def modules() -> dict[str, Path]:
    """Dotted name -> file, of all modules of the package."""
    found = {}
    for path in sorted(p for p in PACKAGE.rglob("*.py") if "_examples" not in p.parts):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> set[str]:
    """The package's modules that a module imports, also inside functions and for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names]
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
    return found & set(known)


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    """Module -> the modules it imports."""
    known = modules()
    return {name: imported(path, known) - {name} for name, path in known.items()}


def room(module: str) -> str:
    """The top-level package or module that a module lies in."""
    return module.split(".")[1] if "." in module else ""


def test_imports_point_downwards_in_one_total_order(arrows: dict[str, set[str]]) -> None:
    wrong = [
        f"{module} -> {other}"
        for module, others in arrows.items()
        for other in others
        if room(module) != room(other) and room(other) and RANK[room(module)] < RANK[room(other)]
    ]
    assert wrong == []


def test_every_top_level_module_has_its_place_in_the_order() -> None:
    names = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir() if not p.name.startswith(("_", "."))}
    assert names - set(RANK) - {"py"} == set()


def test_no_modules_import_each_other_in_a_circle(arrows: dict[str, set[str]]) -> None:
    left = {module: set(others) for module, others in arrows.items()}
    while free := {module for module, others in left.items() if not others}:
        left = {module: others - free for module, others in left.items() if module not in free}
    assert sorted(left) == []


def test_there_are_not_too_many_modules() -> None:
    assert len(modules()) <= MOST_MODULES


def test_a_module_with_one_importer_in_its_own_package_has_a_reason(arrows: dict[str, set[str]]) -> None:
    importers = defaultdict(set)
    for module, others in arrows.items():
        for other in others:
            importers[other].add(module)
    alone = {
        module.removeprefix("bioresearcher.")
        for module, users in importers.items()
        if len(users) == 1
        and module.rpartition(".")[0] == next(iter(users)).rpartition(".")[0]
        and modules()[module].name != "__init__.py"
    }
    reasons = dict(line.split(": ", 1) for line in ALONE.read_text(encoding="utf-8").splitlines() if ": " in line)
    assert alone - set(reasons) == set(), "merge it into its importer, or give the reason"
    assert set(reasons) - alone == set(), "no longer alone: take it out of the table"


def test_data_is_read_only_from_the_own_package() -> None:
    """A path that climbs out of its package is an arrow that imports do not show."""
    climbing = []
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in {"parent", "parents"}
                and "__file__" in ast.unparse(node)
            ):
                climbing.append(name)
    allowed = {"bioresearcher.resources", "bioresearcher.graph.prepare"}
    assert set(climbing) - allowed == set()


@pytest.mark.parametrize("folder", ["bioresearcher", "agents", "benchmarks", "tests"])
def test_no_module_is_too_long(folder: str) -> None:
    limit = LIMIT if folder != "tests" else 700
    lengths = {p.relative_to(ROOT): len(p.read_text("utf-8").splitlines()) for p in (ROOT / folder).rglob("*.py")}
    assert {p: n for p, n in lengths.items() if n > limit} == {}


RUNS_CELLS = "bioresearcher.sandbox.keeper"
"""A script that is copied into the sandbox and runs cells there; never a part of this program's own process."""


def test_the_script_that_runs_cells_is_imported_by_nobody(arrows: dict[str, set[str]]) -> None:
    assert not arrows[RUNS_CELLS]
    assert [module for module, others in arrows.items() if RUNS_CELLS in others] == []


def test_no_dangerous_call_is_in_the_package() -> None:
    found = []
    for path in (path for name, path in modules().items() if name != RUNS_CELLS):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            shell = isinstance(node, ast.Call) and any(
                k.arg == "shell" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
                for k in node.keywords
            )
            if name in {"eval", "exec", "os.system", "pickle.load", "pickle.loads", "yaml.load"} or shell:
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} {name}")
    assert found == []


def test_docstrings_begin_with_the_thing_and_not_with_a_question() -> None:
    asking = re.compile(r"(?:What|Who|Whose|Whether|Where|When|Which|How)\b")
    found = []
    for path in modules().values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            body = getattr(node, "body", None)
            for one in body if isinstance(body, list) else []:
                value = one.value if isinstance(one, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and asking.match(value.value):
                    found.append(f"{path.relative_to(ROOT)}:{one.lineno} {value.value.splitlines()[0]}")
    assert found == []
