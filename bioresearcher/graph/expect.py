"""Forecast of a run from its inputs, before it starts."""

from __future__ import annotations

from bioresearcher.cards import load_cards
from bioresearcher.graph.prepare import Inputs, resources_of
from bioresearcher.llm.forecast import Forecast, forecast, size_of
from bioresearcher.llm.prices import load_prices
from bioresearcher.settings import Settings, models_by_role
from bioresearcher.sources.datasets import load_datasets
from bioresearcher.sources.papers import OwnPapers
from bioresearcher.stages.datasets import LOOKED_AT

RECORD_CHARS = 1_600
"""Title and abstract of a paper; mean of the 720 real records of the test data: 1,602."""
FOUND_CHARS = 20_000
"""Text of a paper that is found: between an open full text (38,000 characters) and an abstract."""


def forecast_of(inputs: Inputs, settings: Settings) -> Forecast:
    """The forecast for a run whose models are settled; reads the papers and the data sets' descriptions.

    Where literature and data are searched, as many papers as may be found and read are counted beside the own ones,
    and half of the data sets that may be looked at.

    Raises:
        InputError: Papers, data, cards or the price file are missing or wrong.
    """
    papers, _ = OwnPapers(inputs.papers).load() if inputs.papers else ([], [])
    datasets, _ = load_datasets(inputs.data, settings.tables)
    size = size_of(papers, datasets, max_papers=settings.max_papers, max_parts=settings.max_parts)
    if not settings.only_own:
        size = size.model_copy(update={"datasets": size.datasets + LOOKED_AT * settings.max_datasets // 2})
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
