"""Conversations with a model: what was said, and the actions that an agent may take in a round."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bioresearcher.schemas.base import LONG, SENTENCE, Value


class Said(Value):
    """A message of a conversation, exactly as it was sent or as the answer was recorded."""

    role: Literal["user", "assistant"]
    text: str


class Conversation(Value):
    """A conversation between two turns, as a run keeps it."""

    said: tuple[Said, ...] = Field(default=(), description="all messages after the system message, in order")
    results: str = Field(default="", description="what the next message must begin with: results not shown yet")


class Turn(Value):
    """Input of a prompt that is one turn of a conversation.

    The first turn is preceded by the conversation's opening, which is rendered from the other fields of the class;
    later turns by `said`. `results` begins the turn's own message.
    """

    said: tuple[Said, ...] = Field(default=(), description="all messages after the system message, in order")
    results: str = Field(default="", description="what the actions of the last answer showed")


class LookAction(Value):
    """Run a small read-only script on a view and see what it prints."""

    kind: Literal["look"]
    why: str = Field(description="what it is to show, and which decision depends on it", json_schema_extra=SENTENCE)
    view: str = Field(description="id of the view, as listed")
    code: str = Field(description="Python; prints what is to be seen", json_schema_extra={LONG: True})


class ReadAction(Value):
    """Ask the papers of this run; passages come back with ids."""

    kind: Literal["read"]
    why: str = Field(description="what it is needed for", json_schema_extra=SENTENCE)
    query: str
    paper: str = Field(default="", description="id of one paper; empty for all")


class FactAction(Value):
    """State a fact that a look showed; each number in it must stand in what that look printed."""

    kind: Literal["fact"]
    look: str = Field(description="id of the look, e.g. `L3`")
    statement: str = Field(description="one or two sentences with the numbers as printed", json_schema_extra=SENTENCE)
    consequence: str = Field(description="what a design must decide because of it", json_schema_extra=SENTENCE)


class Condition(Value):
    """A rule of eligibility on one column of a sample sheet."""

    column: str
    values: tuple[str, ...] = Field(default=(), description="cells that meet it, as written; empty: any that is known")
    starts: tuple[str, ...] = Field(default=(), description="beginnings of cells that meet it, too")
    contains: tuple[str, ...] = Field(default=(), description="texts inside cells that meet it, too")
    least: float | None = Field(default=None, description="smallest number that meets it")
    most: float | None = Field(default=None, description="largest number that meets it")
    outside: bool = Field(default=False, description="true: the cells that do not meet the above are kept")
    not_known: bool = Field(default=False, description="true: cells that are not known are kept, too")


class CountAction(Value):
    """Count samples and events that rules of eligibility leave, also by columns that views withhold."""

    kind: Literal["count"]
    why: str = Field(description="which decision needs the count", json_schema_extra=SENTENCE)
    dataset: str = Field(description="id of the data set")
    where: tuple[Condition, ...] = Field(description="in the order in which they are applied")
    columns: tuple[str, ...] = Field(default=(), description="columns whose levels are counted among those left")
    joint: bool = Field(default=False, description="true: the combinations of `columns` are counted; of no outcome")


class CellAction(Value):
    """Run Python in the task's kernel, which keeps the variables of earlier cells, and see what it prints."""

    kind: Literal["cell"]
    why: str = Field(description="what it is to show, and what in the script depends on it", json_schema_extra=SENTENCE)
    code: str = Field(description="Python; prints what is to be seen", json_schema_extra={LONG: True})


class ResetAction(Value):
    """Forget all variables of the task's kernel."""

    kind: Literal["reset"]
    why: str = Field(default="", json_schema_extra=SENTENCE)


BenchAction = Annotated[CellAction | ResetAction, Field(discriminator="kind")]
Action = Annotated[LookAction | ReadAction | FactAction | CountAction, Field(discriminator="kind")]


class ActionTurn(Value):
    """The answer of a round: up to four actions, carried out in order, or the end of looking."""

    do: tuple[Action, ...] = Field(default=(), max_length=4, description="actions of this round, in order")
    finish: bool = Field(description="true when nothing more needs to be looked at")

    @property
    def to_run(self) -> tuple[Action, ...]:
        """Actions to carry out: all of them, also those of the last round."""
        return self.do
