"""What a run is started with, put together and checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.examples import ExampleInputs, objective_from_text
from bioresearcher.graph.prepare import Inputs, pubmed_files
from bioresearcher.schemas.objective import Requirement
from bioresearcher.settings import Settings
from bioresearcher.stages.selection import named_id


def inputs_from_text(text: str) -> Inputs:
    """The inputs of an objective in words; its id is made from the first of them.

    Raises:
        InputError: It is empty, too short, or too long to be one.
    """
    return Inputs(objective_from_text(text))


def inputs_from_file(loaded: ExampleInputs) -> Inputs:
    """The inputs of an objective file or an example."""
    return Inputs(loaded.objective, loaded.papers, loaded.data)


def with_more(
    base: Inputs,
    *,
    conditions: Iterable[str] = (),
    requirements: Iterable[str] = (),
    papers: Iterable[Path] = (),
    data: Iterable[Path] = (),
) -> Inputs:
    """Inputs with more conditions, requirements, papers and data; requirements are numbered on."""
    asked = [*base.objective.requirements]
    for text in requirements:
        asked.append(Requirement(id=f"R{len(asked) + 1}", text=text))
    objective = base.objective.model_copy(
        update={"conditions": (*base.objective.conditions, *conditions), "requirements": tuple(asked)}
    )
    return Inputs(objective, (*base.papers, *(p.resolve() for p in papers)), (*base.data, *(p.resolve() for p in data)))


def check_names(settings: Settings) -> None:
    """Refuse what cannot be an id.

    Raises:
        InputError: With the first such name.
    """
    for option, names in (("--include", settings.include), ("--exclude", settings.exclude)):
        for name in names:
            named_id(name, option)
    both = {named_id(n) for n in settings.include} & {named_id(n) for n in settings.exclude}
    if both:
        raise InputError(f"{min(both)} is named by both --include and --exclude.")


def check_inputs(inputs: Inputs, settings: Settings) -> None:
    """Refuse a run that has nothing to work with.

    Raises:
        InputError: A path is not there, or there are neither papers nor data to search.
    """
    missing = [p for p in (*inputs.papers, *inputs.data) if not p.exists()]
    if missing:
        raise InputError(f"{missing[0]} is not there.", hint="Check --papers and --data.")
    if settings.only_own and not settings.pubmed_xml and not inputs.papers and not inputs.data:
        raise InputError("there are neither papers nor data.", hint="Give --papers DIR and/or --data DIR.")


def check_sources(settings: Settings) -> None:
    """Refuse settings that name a vector server or PubMed files that cannot be used; opens both.

    Raises:
        InputError: A file is not there.
        WorkspaceError: The server does not answer.
    """
    if settings.chroma_url:
        from bioresearcher.library.dense_server import connect, end

        end(connect(settings.chroma_url))
    if settings.pubmed_xml:
        pubmed_files(settings)
