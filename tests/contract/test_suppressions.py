"""Suppressions are counted, and the counts may only fall."""

from __future__ import annotations

import json
import re
import tokenize
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNTS = Path(__file__).with_name("suppressions.json")
KINDS = {
    "noqa": re.compile(r"#\s*noqa\b(?P<code>: [A-Z]+\d+(?:, ?[A-Z]+\d+)*)?(?P<reason> - \S.*)?"),
    "type: ignore": re.compile(r"#\s*type: ignore(?P<code>\[[\w, -]+\])?(?P<reason> +#? *-? *\S.*)?"),
    "fmt: skip": re.compile(r"#\s*fmt: (?:skip|off)(?P<code>)(?P<reason>)"),
}
FOLDERS = ("bioresearcher", "agents", "benchmarks", "tests")


def suppressions(folder: str) -> list[tuple[str, str, re.Match[str]]]:
    """(kind, place, match) of every suppression in a folder's comments."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        with path.open("rb") as file:
            comments = [t for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]
        for comment in comments:
            for kind, pattern in KINDS.items():
                if match := pattern.search(comment.string):
                    found.append((kind, f"{path.relative_to(ROOT)}:{comment.start[0]}", match))
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_suppressions_only_become_fewer(folder: str) -> None:
    counts = Counter(kind for kind, _, _ in suppressions(folder))
    allowed = json.loads(COUNTS.read_text(encoding="utf-8"))[folder]
    assert {kind: counts[kind] for kind in KINDS} == allowed, (
        f"there may not be more; when there are fewer, write the counts down in {COUNTS.name}"
    )


def test_every_suppression_in_the_package_names_its_code_and_its_reason() -> None:
    bare = [
        place
        for kind, place, match in suppressions("bioresearcher")
        if kind != "fmt: skip" and not (match["code"] and match["reason"])
    ]
    assert bare == []
