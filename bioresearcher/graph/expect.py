"""What a run will ask of its models, from its inputs, before it starts."""

from __future__ import annotations

from bioresearcher.cards import load_cards
from bioresearcher.graph.prepare import Inputs, resources_of, runnable_skills, tables_of
from bioresearcher.llm.forecast import Forecast, forecast
from bioresearcher.llm.prices import load_prices
from bioresearcher.llm.workload import prompt_lengths, size_of
from bioresearcher.prompts import PromptBook
from bioresearcher.settings import Settings, models_by_role
from bioresearcher.sources.datasets import load_datasets
from bioresearcher.sources.papers import OwnPapers
from bioresearcher.stages import prompts as step_prompts


def forecast_of(inputs: Inputs, settings: Settings) -> Forecast:
    """The forecast for a run whose models are settled; reads the papers and the data sets' descriptions.

    Raises:
        InputError: Papers, data, prompts, cards, skills or the price file are missing or wrong.
    """
    resources = resources_of(settings)
    papers, _ = OwnPapers(inputs.papers).load() if inputs.papers else ([], [])
    datasets, _ = load_datasets(inputs.data, tables_of(settings))
    size = size_of(
        inputs.objective,
        papers,
        datasets,
        list(runnable_skills(resources).values()),
        max_papers=settings.max_papers,
    ).model_copy(update={"max_parts": settings.max_parts})
    lengths = prompt_lengths(PromptBook(resources), step_prompts.ALL)
    models = models_by_role(settings)
    return forecast(size, models, load_prices(settings.prices), load_cards(resources), lengths)
