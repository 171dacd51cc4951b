"""What others rely on and must not change by accident: prompts, the graph, JSON Schemas, the lock.

`python tests/golden/test_golden.py` writes the expectations anew; a prompt whose text changed must then have a
higher version.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from bioresearcher.batch.summary import Comparison, Summary
from bioresearcher.graph.build import build_pipeline
from bioresearcher.resources import Resources
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.library import (
    EvidenceGraph,
    LibraryAnswer,
    LibraryChange,
    LibraryEntry,
    LibraryHit,
    LibraryShown,
    Without,
)
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import Review
from bioresearcher.schemas.run import RunRecord
from bioresearcher.stages.prompts import ALL

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCHEMAS = {
    "run": RunRecord,
    "report": PaperReport,
    "protocol": Protocol,
    "review": Review,
    "task": DryLabTask,
    "task-record": TaskRecord,
    "evidence": EvidenceGraph,
    "without": Without,
    "library-entry": LibraryEntry,
    "library-hit": LibraryHit,
    "library-shown": LibraryShown,
    "library-change": LibraryChange,
    "library-answer": LibraryAnswer,
    "batch-summary": Summary,
    "batch-comparison": Comparison,
}


def prompts() -> dict[str, dict[str, Any]]:
    """Version and digest of every prompt file, also of the openings that turns share."""
    found = {}
    for loaded in (p.load(Resources()) for p in ALL):
        if opening := loaded.opening:
            found[loaded.prompt.opening] = {"version": opening.front.version, "digest": opening.resource.digest}
        found[loaded.prompt.name] = {"version": loaded.front.version, "digest": loaded.resource.digest}
    return found


def mermaid() -> str:
    return build_pipeline().compile().get_graph().draw_mermaid()


def schema(name: str) -> str:
    return json.dumps(SCHEMAS[name].model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def test_a_changed_prompt_has_a_new_version() -> None:
    known = json.loads((HERE / "prompts.json").read_text(encoding="utf-8"))
    assert prompts() == known, "run `python tests/golden/test_golden.py` after raising the prompt's version"


def test_the_graph_is_as_drawn() -> None:
    assert mermaid() == (HERE / "pipeline.mmd").read_text(encoding="utf-8")


def test_the_published_schemas_are_those_of_the_classes() -> None:
    for name in SCHEMAS:
        published = ROOT / "bioresearcher" / "schemas" / "json" / f"{name}.schema.json"
        assert published.read_text(encoding="utf-8") == schema(name), name


def test_the_locks_pin_every_dependency_with_hashes_and_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name, wanted in (
        ("requirements.lock", project["project"]["dependencies"]),
        ("requirements-dev.lock", project["project"]["dependencies"] + project["dependency-groups"]["dev"]),
    ):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"://|--index|--extra|--find-links|@ ", text)
        pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.M))
        names = {re.sub(r"[-_.]+", "-", n).lower() for n in pinned}
        for requirement in wanted:
            plain = re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()
            assert plain in names, f"{name}: {plain}"
        entries = re.split(r"\n(?=\S)", text.strip())
        assert all("--hash=sha256:" in entry for entry in entries)


def write() -> None:
    old = json.loads((HERE / "prompts.json").read_text("utf-8")) if (HERE / "prompts.json").is_file() else {}
    for name, now in prompts().items():
        before = old.get(name)
        if before and before["digest"] != now["digest"] and before["version"] >= now["version"]:
            raise SystemExit(f"prompts/{name}.md changed: raise its version first")
    (HERE / "prompts.json").write_text(json.dumps(prompts(), indent=1) + "\n", encoding="utf-8")
    (HERE / "pipeline.mmd").write_text(mermaid(), encoding="utf-8")
    folder = ROOT / "bioresearcher" / "schemas" / "json"
    folder.mkdir(exist_ok=True)
    for name in SCHEMAS:
        (folder / f"{name}.schema.json").write_text(schema(name), encoding="utf-8")


if __name__ == "__main__":
    write()
