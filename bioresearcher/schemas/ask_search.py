"""What the search agent's prompts take and give."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import Paper, SearchQuery


class PlanQueriesInput(Value):
    """For `search/plan_queries`."""

    objective: Objective
    round: int = Field(description="1 for the first round")
    previous: tuple[SearchQuery, ...] = Field(description="queries already asked")
    known_titles: tuple[str, ...] = Field(description="titles of relevant papers found so far")


class ScreenPaperInput(Value):
    """For `search/screen_paper`."""

    objective: Objective
    paper: Paper
    relevance: float = Field(description="cosine similarity of title and abstract to the objective, 0 to 1")


class JudgeDatasetInput(Value):
    """For `search/judge_dataset`."""

    objective: Objective
    dataset: Dataset


class DatasetAnswers(Value):
    """Closed questions about one data set."""

    right_condition: bool = Field(description="Are its samples from the objective's disease or condition?")
    right_measure: bool = Field(description="Does it measure what the objective needs?")
    right_groups: bool = Field(description="Does it hold the groups or outcomes to be compared, or is it a reference?")
    quote: str = Field(
        description="words copied from the description on which the answers rest", json_schema_extra=SENTENCE
    )
    reason: str = Field(description="one sentence, naming what decided", json_schema_extra=SENTENCE)
