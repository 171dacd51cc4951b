"""What the nodes work with; made once per process, never part of the state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bioresearcher.execution.folders import LIMITS
from bioresearcher.graph.added_files import Added
from bioresearcher.graph.revisions import recorded
from bioresearcher.llm.ask import ModelClient
from bioresearcher.retrieval.index import Library
from bioresearcher.runfolder import RunFolder
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.execution import DryLabTask, Limits
from bioresearcher.schemas.paper import Failure, Paper
from bioresearcher.schemas.paper_report import PaperReport, ReferabilityAnalysis
from bioresearcher.schemas.skill import Skill
from bioresearcher.settings import Settings
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.sources.protocols import DatasetSource, LiteratureSource, StatusSource
from bioresearcher.sources.pubmed_offline.source import PubmedFiles
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.program import Workbench


@dataclass(frozen=True)
class RunContext:
    """Services and inputs of a run.

    Attributes:
        sandbox: None when no sandbox works here; then tasks are not run and `sandbox_note` says why.
        literature: Where papers are searched, the researcher's own first.
        dataset_sources: Where data sets are searched; empty when no service may be asked.
        notices: Services that only say what became of papers.
        sandbox_test: What its self-test saw when the run was opened, a line a check.
        unreachable: Names of sources that failed in this process: they are not asked again and again.
        own_papers: The researcher's papers; None when none were given.
        own_records: What is known of each of them.
        pubmed_files: PubMed XML files that are searched offline; None when none were given.
        own_datasets: The researcher's data sets, described.
        input_failures: Files among them that could not be read.
        added: What a person added at the gate of the selection.
        shown_gates: Names of gates that were shown in this process.
        task_slots: How many tasks run at once.
    """

    caller: ModelClient
    folder: RunFolder
    library: Library
    objective: Objective
    settings: Settings
    skills: Mapping[str, Skill]
    sandbox: Sandbox | None
    sandbox_note: str
    literature: tuple[LiteratureSource, ...]
    dataset_sources: tuple[DatasetSource, ...]
    notices: tuple[StatusSource, ...]
    sandbox_test: tuple[str, ...]
    unreachable: set[str]
    own_papers: OwnPapers | None
    own_records: tuple[Paper, ...]
    pubmed_files: PubmedFiles | None
    own_datasets: tuple[Dataset, ...]
    input_failures: tuple[Failure, ...]
    added: Added
    shown_gates: set[str]
    task_slots: asyncio.Semaphore

    def reachable(self, failures: Iterable[Failure] = ()) -> list[LiteratureSource]:
        """The literature sources without those that failed before, here or according to the record."""
        lost = self.unreachable | {f.item for f in failures}
        return [s for s in (*self.literature, *self.added.papers) if s.name not in lost]

    def status_sources(self, failures: Iterable[Failure] = ()) -> list[StatusSource]:
        """Those that know of retractions, without those that failed before."""
        lost = self.unreachable | {f.item for f in failures}
        found = [s for s in self.reachable(failures) if isinstance(s, StatusSource)]
        return [*found, *(s for s in self.notices if s.name not in lost)]

    def bench(self) -> DesignContext:
        """What the designer works from, read from the run folder."""
        excluded = {i for r in recorded(self.folder) for i in r.excluded}
        bench = DesignContext(
            objective=self.objective,
            reports={r.paper_id: r for r in self.folder.read_all(PaperReport, "reports")},
            analyses={a.paper_id: a for a in self.folder.read_all(ReferabilityAnalysis, "analyses")},
            datasets=self.folder.read_all(Dataset, "datasets"),
            skills=self.skills,
            max_parts=self.settings.max_parts,
            checks=self.folder.read_list(DatasetCheck, "checks.json"),
        )
        return bench.without(excluded)

    def workbench(self, sandbox: Sandbox, task_id: str) -> Workbench:
        """What the programmer works with on a task; its limits are the settings', or those a person gave it."""
        own = self.folder.has("tasks", task_id, LIMITS)
        tasks = self.folder.read_list(DryLabTask, "tasks.json")
        return Workbench(
            tasks_dir=self.folder.path("tasks"),
            datasets={d.id: d for d in self.folder.read_all(Dataset, "datasets")},
            tasks={t.id: t for t in tasks},
            skills=self.skills,
            sandbox=sandbox,
            limits=self.folder.read(Limits, "tasks", task_id, LIMITS) if own else self.settings.limits,
        )
