"""The documents describe this program: short, within a screen's width, every file they name is there."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bioresearcher"
MAP = ROOT / "ARCHITECTURE.md"
DECISIONS = sorted((ROOT / "docs" / "design").glob("*.md"))
NAMING = [MAP, ROOT / "CONTRIBUTING.md", *DECISIONS]
"""Documents in which every file name is checked."""
PAGES = [*NAMING, ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = frozenset(
    "code.py code.R task.R report.md protocol.md protocol-evidence.md objective.toml cluster.toml chroma.lock".split()
)
"""Files of a run folder or of a user, which a document may name though the project has none."""
FILE = re.compile(r"[\w.<>*/-]+\.(?:py|md|toml|tsv|gz|npz|j2|txt|R|sh|lock)")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def names(path: Path) -> list[str]:
    """File names between backticks, a `<part>` of them as a wildcard."""
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S))
    return [re.sub(r"<[^>]*>", "*", span) for span in spans if FILE.fullmatch(span)]


def is_there(name: str) -> bool:
    """Whether a file of this name is in the project; one without a folder lies at its top, in docs or in data."""
    if "/" in name:
        return any(next(root.glob(name), None) for root in (ROOT, PACKAGE))
    if any((folder / name).is_file() for folder in (ROOT, PACKAGE, ROOT / "docs", ROOT / "docs" / "design")):
        return True
    return not name.endswith(".py") and any(next((ROOT / d).rglob(name), None) for d in ("agents", "bioresearcher"))


def links(path: Path) -> Iterator[Path]:
    """Files of the project that a page links to."""
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" not in target:
            yield (path.parent / target).resolve()


def too_wide(path: Path, width: int) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{path.name}:{n}: {len(line)}" for n, line in enumerate(lines, 1) if len(line) > width]


def test_the_map_fits_200_lines_of_110_characters() -> None:
    assert len(MAP.read_text(encoding="utf-8").splitlines()) <= 200
    assert too_wide(MAP, 110) == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda p: p.stem)
def test_a_page_of_decisions_fits_80_lines_of_120_characters(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 80
    assert too_wide(path, 120) == []


@pytest.mark.parametrize(("name", "width"), [("README.md", 140), ("CONTRIBUTING.md", 120), ("CHANGELOG.md", 120)])
def test_the_other_documents_fit_a_screen(name: str, width: int) -> None:
    assert too_wide(ROOT / name, width) == []


def test_the_readme_is_at_most_200_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("path", NAMING, ids=lambda p: p.stem)
def test_every_file_that_is_named_exists(path: Path) -> None:
    assert [name for name in names(path) if name not in ELSEWHERE and not is_there(name)] == []


def test_the_map_lists_every_package_in_the_order_of_the_layers() -> None:
    order = runpy.run_path(str(ROOT / "tests" / "contract" / "test_layers.py"))["ORDER"]
    text = MAP.read_text(encoding="utf-8")
    listed = [name.rstrip("/").removesuffix(".py") for name in re.findall(r"^\| `(\w+(?:/|\.py))` \|", text, re.M)]
    assert listed == order


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(path: Path) -> None:
    assert [target for target in links(path) if not target.exists()] == []


def test_every_page_is_linked_from_the_map_or_the_readme() -> None:
    linked = {*links(MAP), *links(ROOT / "README.md")}
    pages = {p for p in (ROOT / "docs").rglob("*") if p.suffix in {".md", ".toml", ".png"}}
    pages = {p for p in pages if p.name != "SKILL.md"}  # read by assistants; docs/assistants.md links their folder
    assert pages - linked == set()


def test_every_trail_is_described() -> None:
    """What a newcomer adds most often has its steps, and its place on the map."""
    steps, places = (path.read_text(encoding="utf-8") for path in (ROOT / "CONTRIBUTING.md", MAP))
    for thing in ("step", "skill", "check", "data format", "source", "approval", "provider", "setting"):
        assert re.search(rf"^## To add an? {thing}$", steps, re.M), thing
        assert re.search(rf"^- \*\*an? {thing}\*\*", places, re.M), thing
