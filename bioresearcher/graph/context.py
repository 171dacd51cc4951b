"""Context of the nodes: the services, inputs and memory of a run in one process; never part of the state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bioresearcher.analysis.sets import SETS
from bioresearcher.audit.audit import audit
from bioresearcher.execution.folders import LIMITS
from bioresearcher.execution.shared_runs import SharedRuns
from bioresearcher.graph.added_files import Added, digests_of_data, digests_of_papers
from bioresearcher.graph.revisions import recorded, with_revisions
from bioresearcher.graph.services import Services
from bioresearcher.llm.ask import ModelClient
from bioresearcher.retrieval.index import Library
from bioresearcher.review.check import CheckContext
from bioresearcher.review.checks_numbers import shown_texts
from bioresearcher.review.run_context import context_of_run
from bioresearcher.runfolder import RunFolder
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.execution import DryLabTask, Limits
from bioresearcher.schemas.facts import Audit, Fact, LookRecord, PassageRead, View
from bioresearcher.schemas.paper import Failure, Paper
from bioresearcher.schemas.paper_report import PaperReport, ReferabilityAnalysis
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.question import AnalysisSets, Questions
from bioresearcher.schemas.run import ChosenPath
from bioresearcher.schemas.skill import Skill
from bioresearcher.settings import Settings
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.sources.protocols import DatasetSource, LiteratureSource, StatusSource
from bioresearcher.sources.pubmed_offline.source import PubmedFiles
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.program import Workbench
from bioresearcher.stages.registration import FACTS, LOOKS, read_registration

VIEWS = "views"
DEFINITIONS = ("tasks", "protocol_definitions.py")
"""Place in the run folder of the helper module that tasks import."""
"""Folder of the views without outcomes, and the name of the file that lists them."""
QUESTIONS, ANALYSIS = "questions.json", "analysis"
"""The questions of the run, and the folder of the rows on which each is answered."""
PATH = "path.json"
"""The file that says if the run takes the short path, or why not."""
LOOKED, PASSAGES = "looked.json", "passages.json"
"""Facts that looks showed, and passages that the designer read."""


@dataclass(frozen=True)
class OwnInputs:
    """The researcher's papers and data sets, read when the run was opened.

    Attributes:
        papers: Source of the papers' texts; None when none were given.
        records: Bibliographic record of each paper.
        datasets: The data sets, described.
        failures: Files that could not be read.
        pubmed_files: PubMed XML files that are searched offline; None when none were given.
    """

    papers: OwnPapers | None
    records: tuple[Paper, ...]
    datasets: tuple[Dataset, ...]
    failures: tuple[Failure, ...]
    pubmed_files: PubmedFiles | None

    @property
    def literature(self) -> tuple[LiteratureSource, ...]:
        """The literature sources among them, own papers first."""
        return (*((self.papers,) if self.papers else ()), *((self.pubmed_files,) if self.pubmed_files else ()))


@dataclass(frozen=True)
class RunContext:
    """Services, inputs and memory of a run.

    Attributes:
        started_with: The objective without what revisions added; use `objective`.
        sandbox: None when no sandbox works here; then tasks are not run and `sandbox_note` gives the reason.
        sandbox_test: Results of its self-test when the run was opened, a line a check.
        services: Services that may be asked over the network.
        own: The researcher's papers and data sets.
        added: Files that a person added at the approval of the selection.
        task_slots: Limits how many tasks run at once.
        unreachable: Names of sources that failed in this process and are not asked again.
        shown_gates: Names of approvals that were shown in this process.
        registered_at: Time of the registration in the run that is replayed; None: it is registered now.
        audits: The last audit of this process, with what was audited; use `audited`.
        shared: Runs of the registered script that its tasks have in common.
    """

    caller: ModelClient
    folder: RunFolder
    library: Library
    started_with: Objective
    settings: Settings
    skills: Mapping[str, Skill]
    sandbox: Sandbox | None
    sandbox_note: str
    sandbox_test: tuple[str, ...]
    services: Services
    own: OwnInputs
    added: Added
    task_slots: asyncio.Semaphore
    unreachable: set[str] = field(default_factory=set)
    shown_gates: set[str] = field(default_factory=set)
    registered_at: datetime | None = None
    audits: list[tuple[tuple[Dataset, ...], Objective, Audit]] = field(default_factory=list)
    shared: dict[str, SharedRuns] = field(default_factory=dict)

    @property
    def short(self) -> bool:
        """True if the run takes the short path, which is chosen in its first step."""
        return self.folder.has(PATH) and self.folder.read(ChosenPath, PATH).short

    @property
    def objective(self) -> Objective:
        """The objective with the requirements that revisions added so far, read from the run folder."""
        return with_revisions(self.folder, self.started_with)

    @property
    def literature(self) -> tuple[LiteratureSource, ...]:
        """Sources in which papers are searched, the researcher's own first."""
        return (*self.own.literature, *self.services.literature)

    @property
    def dataset_sources(self) -> tuple[DatasetSource, ...]:
        """Sources in which data sets are searched; empty when no service may be asked."""
        return self.services.datasets

    def reachable(self, failures: Iterable[Failure] = ()) -> list[LiteratureSource]:
        """Return the literature sources without those that failed before, here or according to the record."""
        lost = self.unreachable | {f.item for f in failures}
        return [s for s in (*self.literature, *self.added.papers) if s.name not in lost]

    def status_sources(self, failures: Iterable[Failure] = ()) -> list[StatusSource]:
        """Return the sources that know of retractions, without those that failed before."""
        lost = self.unreachable | {f.item for f in failures}
        found = [s for s in self.reachable(failures) if isinstance(s, StatusSource)]
        return [*found, *(s for s in self.services.notices if s.name not in lost)]

    def input_digests(self) -> dict[str, str]:
        """Return path -> sha256 of every input file in use."""
        digests = digests_of_papers(self.own.records, self.own.papers) | digests_of_data(self.own.datasets)
        digests |= self.own.pubmed_files.digests() if self.own.pubmed_files else {}
        return dict(sorted((digests | self.added.digests()).items()))

    def audited(self, datasets: tuple[Dataset, ...]) -> Audit:
        """Audit data sets; the same ones are audited once, though questions are asked before and after the approval."""
        for known, objective, found in self.audits:
            if known == datasets and objective == self.objective:
                return found
        found = audit(datasets, self.objective)
        self.audits[:] = [(datasets, self.objective, found)]
        return found

    def bench(self) -> DesignContext:
        """Read the designer's material from the run folder."""
        excluded = {i for r in recorded(self.folder) for i in r.excluded}
        bench = DesignContext(
            objective=self.objective,
            reports={r.paper_id: r for r in self.folder.read_all(PaperReport, "reports")},
            analyses={a.paper_id: a for a in self.folder.read_all(ReferabilityAnalysis, "analyses")},
            datasets=self.folder.read_all(Dataset, "datasets"),
            skills=self.skills,
            max_parts=self.settings.max_parts,
            checks=self.folder.read_list(DatasetCheck, "checks.json"),
            papers={p.id: p for p in self.folder.read_all(Paper, "papers")},
            audit=self.folder.read(Audit, FACTS) if self.folder.has(FACTS) else Audit(),
            views=self.folder.read_list(View, f"{VIEWS}.json"),
            looks=self.folder.read_list(LookRecord, LOOKS),
            looked=self.folder.read_list(Fact, LOOKED),
            passages=self.folder.read_list(PassageRead, PASSAGES),
            questions=self.questions(),
            sets=self.analysis_sets(),
            max_tasks=self.settings.max_tasks,
        )
        return bench.without(excluded)

    def workbench(self, sandbox: Sandbox, task_id: str) -> Workbench:
        """Read the programmer's material for a task; limits are the settings', or those a person set for the task."""
        own = self.folder.has("tasks", task_id, LIMITS)
        tasks = self.folder.read_list(DryLabTask, "tasks.json")
        return Workbench(
            tasks_dir=self.folder.path("tasks"),
            datasets={d.id: d for d in self.folder.read_all(Dataset, "datasets")},
            tasks={t.id: t for t in tasks},
            skills=self.skills,
            sandbox=sandbox,
            limits=self.folder.read(Limits, "tasks", task_id, LIMITS) if own else self.settings.limits,
            questions=self.questions(),
            sets=self.analysis_sets(),
            protocol=self.folder.read(Protocol, "protocol.json") if self.folder.has("protocol.json") else None,
            definitions=self.folder.path(*DEFINITIONS).read_text("utf-8") if self.folder.has(*DEFINITIONS) else "",
            date=plan.registered[:10] if (plan := read_registration(self.folder)) else "",
            shared=self.shared,
        )

    def questions(self) -> Questions:
        """Read the run's questions; none where they were not asked yet, or by an earlier version."""
        return self.folder.read(Questions, QUESTIONS) if self.folder.has(QUESTIONS) else Questions()

    def analysis_sets(self) -> AnalysisSets:
        """Read the analysis sets of the run's questions."""
        made = self.folder.has(ANALYSIS, SETS)
        return self.folder.read(AnalysisSets, ANALYSIS, SETS) if made else AnalysisSets()

    def check_context(self) -> CheckContext:
        """Read the papers, paper reports and data sets of this run, against which a protocol is checked."""
        known = context_of_run(self.folder.root)
        bench = self.bench()
        reports = bench.reports.values()
        shown = shown_texts(
            bench.audit, bench.looked, bench.looks, bench.datasets, bench.passages, reports, bench.objective
        )
        return replace(
            known,
            paper_ids=known.paper_ids or frozenset(),
            reports=known.reports or {},
            datasets=known.datasets or {},
            skills=frozenset(self.skills),
            shown=shown,
        )
