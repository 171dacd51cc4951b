"""What a run will be started with, as far as it has been said; and how it was understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.text.format import count_of, md
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.cli.session.layout import Sheet
    from bioresearcher.examples import ExampleInputs
    from bioresearcher.graph.prepare import Inputs
    from bioresearcher.schemas.dataset import Dataset
    from bioresearcher.schemas.paper import Failure, Paper

MOST_SHOWN = 12
"""Papers, data sets and failures that are named one by one."""


@dataclass
class Draft:
    """The entries so far. `id` is set when the objective came with one."""

    objective: str = ""
    conditions: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    papers: list[Path] = field(default_factory=list)
    data: list[Path] = field(default_factory=list)
    only_own: bool = False
    id: str = ""

    def take(self, loaded: ExampleInputs) -> None:
        """Take over what an objective file or an example says."""
        given = loaded.objective
        self.objective, self.id, self.only_own = given.text, given.id, loaded.only_own
        self.conditions, self.requirements = [*given.conditions], [r.text for r in given.requirements]
        self.papers, self.data = [*loaded.papers], [*loaded.data]

    def inputs(self) -> Inputs:
        """The inputs of a run.

        Raises:
            InputError: The objective is none.
        """
        from bioresearcher.graph.inputs import inputs_from_text, with_more
        from bioresearcher.graph.prepare import Inputs

        base = inputs_from_text(self.objective)
        if self.id:
            base = Inputs(base.objective.model_copy(update={"id": self.id}))
        return with_more(
            base, conditions=self.conditions, requirements=self.requirements, papers=self.papers, data=self.data
        )


@dataclass(frozen=True)
class Found:
    """What lies in the papers and data that were given."""

    papers: tuple[Paper, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    failures: tuple[Failure, ...] = ()


def understood(draft: Draft, found: Found, around: list[tuple[str, list[str]]]) -> Sheet:
    """A list of what was understood; `around` is more of it: a name and lines each."""
    from bioresearcher.cli.session.layout import Sheet

    failures = [f"! {one_line(f'{f.item}: {f.message}', 200)}" for f in found.failures]
    rows = [
        ("objective", [draft.objective]),
        ("conditions", draft.conditions or ["none"]),
        ("requirements", [f"R{n} {text}" for n, text in enumerate(draft.requirements, start=1)] or ["none"]),
        ("papers", [*_papers(found), *_cut(failures)] if draft.papers else ["none given"]),
        ("data", [*_datasets(found)] if draft.data else ["none given"]),
        *around,
    ]
    listed = [f"- **{name}**: " + "\n  - ".join(map(md, _cut(lines))) for name, lines in rows]
    return Sheet("\n".join(listed))


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_SHOWN
    return lines if more <= 0 else [*lines[:MOST_SHOWN], f"… and {more} more"]


def _papers(found: Found) -> Iterator[str]:
    yield f"{count_of(len(found.papers), 'paper')} found"
    for paper in found.papers:
        yield one_line(f"{paper.id}: {paper.title or 'without title'} ({paper.year or 'n.d.'})", 160)


def _datasets(found: Found) -> Iterator[str]:
    if not found.datasets:
        yield "no data set found"
    for dataset in found.datasets:
        samples = count_of(dataset.n_samples, "sample") if dataset.n_samples else "samples not known"
        files = count_of(len(dataset.files), "file")
        yield one_line(f"{dataset.id}: {dataset.title} ({samples}, {files})", 200)
