"""Entry of the audit of sample sheets: facts that shape a design, by rule, without judging any outcome's relation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from bioresearcher.audit.sheet_columns import (
    agreement_facts,
    constant_facts,
    contradiction_facts,
    level_facts,
    missing_facts,
    text_facts,
)
from bioresearcher.audit.sheet_kinds import kind_facts
from bioresearcher.audit.sheet_material import Material
from bioresearcher.audit.sheet_names import name_facts, repeat_facts
from bioresearcher.audit.sheet_outcome import batch_facts, outcome_facts
from bioresearcher.audit.sheet_planned import planned_facts
from bioresearcher.audit.tables import FactDraft, read_names, read_sheet
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset

MAX_FACTS = 25
"""Most facts about one data set's sheet and names; the gravest are kept."""

_FAMILIES: Final[tuple[Callable[[Material], Iterator[FactDraft]], ...]] = (
    kind_facts,
    repeat_facts,
    batch_facts,
    outcome_facts,
    planned_facts,
    name_facts,
    level_facts,
    agreement_facts,
    text_facts,
    missing_facts,
    contradiction_facts,
    constant_facts,
)


def sheet_facts(dataset: Dataset, objective: Objective) -> list[FactDraft]:
    """Find facts in a data set's sample sheet and names that bear on a decision of a design, the gravest first.

    Counts of events by group are counts only: nothing is tested, and no relation of an outcome is judged.

    Raises:
        InputError: The sheet or the matrix cannot be read as a table.
    """
    material = Material(dataset, objective, read_sheet(dataset), read_names(dataset))
    found = [fact for family in _FAMILIES for fact in family(material)]
    return sorted(found, key=lambda fact: -fact.weight)[:MAX_FACTS]
