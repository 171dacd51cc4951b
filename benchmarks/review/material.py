"""Clean protocols written by hand, with the run they could come from.

Words in `[[kind|…]]` are what a defect of that kind leaves out; a clean protocol has them all.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.review.check import CheckContext
from bioresearcher.review.reading.text import protocol_from_text
from bioresearcher.review.run_context import context_of_run
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.paper_report import PaperReport, ReportPart, ReportStep
from bioresearcher.schemas.protocol import Coverage, Link, Protocol

CLEAN = Path(__file__).parent / "clean"
NAMES = tuple(sorted(p.stem for p in CLEAN.glob("*.md")))
QUOTE = "The procedure followed the protocol of the manufacturer with the settings given in the table."
PAPER = "PMID30000001"
_TAGGED = re.compile(r"\[\[(\w+)\|(.*?)\]\]", re.S)


@dataclass(frozen=True)
class Material:
    """A clean protocol: its annotated source, the protocol as a designer would give it, and the run around it."""

    name: str
    source: str
    protocol: Protocol
    context: CheckContext

    @property
    def text(self) -> str:
        """The clean protocol as Markdown."""
        return untagged(self.source)

    def tags(self) -> set[str]:
        """The kinds of words that can be left out."""
        return {m.group(1) for m in _TAGGED.finditer(self.source)}

    def without(self, kinds: Collection[str], *, parts: Collection[int] = ()) -> Protocol:
        """The protocol without the words of these kinds, in these parts (all, when none are named)."""
        pieces = re.split(r"(?m)^(?=(?:\[\[\w+\|)?## Part )", self.source)
        kept = [untagged(p, kinds if not parts or n in parts else ()) for n, p in enumerate(pieces)]
        return built(self.name, "".join(kept), _spec(self.name))


def untagged(source: str, left_out: Collection[str] = ()) -> str:
    """The text with the marks taken away, and the words of the kinds left out with them."""
    return _TAGGED.sub(lambda m: "" if m.group(1) in left_out else m.group(2), source)


def load(name: str) -> Material:
    """A clean protocol by its file's name."""
    source = (CLEAN / f"{name}.md").read_text(encoding="utf-8")
    spec = _spec(name)
    return Material(name, source, built(name, untagged(source), spec), _context(name, spec))


def of_run(folder: Path) -> Material:
    """The protocol of a finished run with what the run knows; no words in it are marked."""
    protocol = Protocol.model_validate_json((folder / "protocol.json").read_text(encoding="utf-8"))
    return Material(folder.name, "", protocol, context_of_run(folder))


def _spec(name: str) -> dict[str, object]:
    return tomllib.loads((CLEAN / f"{name}.toml").read_text(encoding="utf-8"))


def built(name: str, text: str, spec: dict[str, object]) -> Protocol:
    """The protocol with links and coverage, as if a person had entered it: its fields are what counts."""
    protocol, _ = protocol_from_text(text, name)
    link = Link(paper_id=PAPER, part_id="1", step_id="1.1", evidence=_evidence(), similarity=0.7)
    requirements: list[list[object]] = spec["requirements"]  # type: ignore[assignment]
    steps = {s.id for s in protocol.steps}
    coverage = tuple(
        Coverage(requirement=f"R{n}", steps=tuple(s for s in ids if s in steps), met=True)  # type: ignore[attr-defined]
        for n, (_, ids) in enumerate(requirements, 1)
    )
    parts = tuple(
        p.model_copy(
            update={"steps": tuple(s.model_copy(update={"links": (link,), "origin": "human"}) for s in p.steps)}
        )
        for p in protocol.parts
    )
    return protocol.model_copy(update={"parts": parts, "coverage": coverage, "origin": "human", "objective_id": name})


def _evidence() -> Evidence:
    return Evidence(document=PAPER, section="Methods", start=50, end=50 + len(QUOTE), text=QUOTE)


def _context(name: str, spec: dict[str, object]) -> CheckContext:
    requirements: list[list[str]] = spec["requirements"]  # type: ignore[assignment]
    objective = Objective(
        id=name,
        text=str(spec["objective"]),
        requirements=tuple(Requirement(id=f"R{n}", text=r[0]) for n, r in enumerate(requirements, 1)),
    )
    step = ReportStep(id="1.1", action="carry it out", evidence=(_evidence(),), supported=True)
    part = ReportPart(id="1", title="Procedure", steps=(step,))
    report = PaperReport(paper_id=PAPER, title="A method", parts=(part,), quotes=1, quotes_located=1, origin="source")
    datasets = {str(d["id"]): _dataset(d) for d in spec.get("dataset", [])}  # type: ignore[attr-defined]
    return CheckContext(objective=objective, paper_ids=frozenset({PAPER}), reports={PAPER: report}, datasets=datasets)


def _dataset(spec: dict[str, object]) -> Dataset:
    given = [str(c).partition(":") for c in spec.get("columns", [])]  # type: ignore[attr-defined]
    columns = tuple(
        Column(name=n, dtype="text", role=role, levels=("a", "b") if role == "group" else ())  # type: ignore[arg-type]
        for n, _, role in given
    )
    rest = {"bytes": 1, "sha256": "0" * 64}
    if spec.get("table"):
        files = (DataFile(name="table", kind="samples", path="t.tsv", columns=columns, **rest),)
    else:
        files = (
            DataFile(name="expression", kind="expression", path="e.tsv", feature_column="gene", **rest),
            DataFile(name="samples", kind="samples", path="s.tsv", columns=columns, sample_column="sample", **rest),
        )
    accession = str(spec["id"]) if re.match(r"GSE|PRJ|GCST", str(spec["id"])) else None
    return Dataset(
        id=str(spec["id"]),
        accession=accession,
        title=str(spec["id"]),
        organism=str(spec["organism"]),
        assay=str(spec["assay"]),
        role=spec["role"],
        source="public",
        root="d",
        n_samples=spec["n"],
        files=files,
    )  # type: ignore[arg-type]
