"""What a run will ask of its models, from its inputs, before it starts."""

from __future__ import annotations

from bioresearcher.cards import load_cards
from bioresearcher.graph.prepare import Inputs, resources_of, runnable_skills
from bioresearcher.llm.forecast import Forecast, forecast
from bioresearcher.llm.prices import load_prices
from bioresearcher.llm.workload import ObjectiveSize, prompt_lengths, size_of
from bioresearcher.prompts import PromptBook
from bioresearcher.settings import Settings, models_by_role
from bioresearcher.sources.datasets import load_datasets
from bioresearcher.sources.papers import OwnPapers
from bioresearcher.stages import prompts as step_prompts
from bioresearcher.stages.datasets import LOOKED_AT

RECORD_CHARS = 1_600
"""Title and abstract of a paper; mean of the 720 real records of the test data: 1,602."""
FOUND_CHARS = 20_000
"""Text of a paper that is found: between an open full text (38,000 characters) and an abstract."""


def forecast_of(inputs: Inputs, settings: Settings) -> Forecast:
    """The forecast for a run whose models are settled; reads the papers and the data sets' descriptions.

    Raises:
        InputError: Papers, data, prompts, cards, skills or the price file are missing or wrong.
    """
    resources = resources_of(settings)
    papers, _ = OwnPapers(inputs.papers).load() if inputs.papers else ([], [])
    datasets, _ = load_datasets(inputs.data, settings.tables)
    size = size_of(
        inputs.objective,
        papers,
        datasets,
        list(runnable_skills(resources).values()),
        max_papers=settings.max_papers,
    )
    searched = 0 if settings.only_own else LOOKED_AT * settings.max_datasets
    size = with_found(size.model_copy(update={"max_parts": settings.max_parts, "searched": searched}), settings)
    lengths = prompt_lengths(PromptBook(resources), step_prompts.ALL)
    models = models_by_role(settings)
    return forecast(size, models, load_prices(settings.prices), load_cards(resources), lengths)


def with_found(size: ObjectiveSize, settings: Settings) -> ObjectiveSize:
    """The size with as many papers as may be found and read beside the own ones; none where none are searched."""
    if settings.only_own and not settings.pubmed_xml:
        return size
    more = max(0, settings.max_papers - size.read)
    body = RECORD_CHARS if settings.only_own else FOUND_CHARS
    return size.model_copy(
        update={
            "papers": size.papers + settings.max_judged,
            "abstracts": size.abstracts + settings.max_judged * RECORD_CHARS,
            "read": size.read + more,
            "body": size.body + more * body,
        }
    )
