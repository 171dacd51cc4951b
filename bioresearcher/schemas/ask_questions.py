"""Input and answer of `designer/ask_questions`: what an objective asks of data, bound to columns, levels and genes."""

from __future__ import annotations

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Objective, Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact
from bioresearcher.schemas.question import Filter, MeasureKind, Question, QuestionKind, Unbound


class ColumnTexts(Value):
    """Distinct cells of a column of names or texts, sorted, so that they say nothing of the rows they stand in."""

    dataset: str
    column: str
    cells: tuple[str, ...] = Field(description="as many as are shown")
    distinct: int = Field(description="how many there are in all")


class AskQuestionsInput(Value):
    """Input of `designer/ask_questions`."""

    objective: Objective
    datasets: tuple[Dataset, ...]
    gene_sets: tuple[str, ...] = Field(default=(), description="names of the gene sets at hand")
    texts: tuple[ColumnTexts, ...] = ()
    facts: tuple[Fact, ...] = ()
    by_rule: tuple[Question, ...] = Field(description="the questions as rules read them")
    not_understood: tuple[Unbound, ...] = Field(default=(), description="words that the rules bound to nothing")
    before: str = Field(default="", description="the answer before, where some of it was refused")
    refused: tuple[str, ...] = Field(default=(), description="what was refused of it, each with the reason")


class LevelCells(Value):
    """A level of a new column, with the cells of the source that mean it."""

    level: str
    cells: tuple[str, ...] = Field(description="copied exactly from the source")


class NewColumn(Value):
    """A column that the questions need and the data have in another form, such as patients in titles.

    It is read off one column: by its cells (`levels`), or by a field of its texts (`separator` and `field`).
    """

    dataset: str
    name: str = Field(description="lower case letters, digits and _; none that the data have")
    source: str = Field(description="the column it is read from")
    levels: tuple[LevelCells, ...] = Field(default=(), description="cells that are in none of them are not known")
    separator: str = Field(default="", description="sign or text that splits the cells; empty with `levels`")
    field: int = Field(default=0, description="the field taken, the first being 1; 0 with `levels`")
    reason: str = Field(
        description="why the source says this, and why listed cells are left out", json_schema_extra=SENTENCE
    )
    facts: tuple[str, ...] = Field(default=(), description="ids of the facts it rests on")


class NewScore(Value):
    """A covariate, predictor or outcome that is a score of a gene set at hand, or the expression of a gene."""

    dataset: str
    name: str = Field(description="lower case letters, digits and _; none that the data have")
    gene_set: str = Field(default="", description="name of the set, copied exactly; empty for a gene")
    gene: str = Field(default="", description="name of the gene in the matrix; empty for a set")


class RowsLeftOut(Value):
    """Rows that a question is asked without: those with levels of a column, or those that are named.

    Either `words` stand in the objective, a condition or a requirement, or `facts` name what is left out.
    """

    column: str = Field(default="", description="a column of the data or a new one; empty where samples are named")
    levels: tuple[str, ...] = Field(default=(), description="levels of the column whose rows are left out")
    samples: tuple[str, ...] = Field(default=(), description="names of samples, copied exactly")
    reason: str = Field(description="why they are left out", json_schema_extra=SENTENCE)
    words: str = Field(default="", description="the words that ask for it, copied exactly; empty where a fact does")
    facts: tuple[str, ...] = Field(default=(), description="ids of the facts it rests on")


class NotHeld(Value):
    """Words that a question does not hold as it is bound, because the data have nothing of the kind."""

    words: str = Field(description="copied exactly from the objective, a condition or a requirement")
    why: str = Field(description="what they ask, and what the data lack", json_schema_extra=SENTENCE)


class QuestionProposal(Value):
    """A question bound to the data; every name in it is checked against them."""

    kind: QuestionKind
    words: str = Field(description="the words of the objective or of a requirement that ask it, copied exactly")
    dataset: str = ""
    requirements: tuple[str, ...] = Field(default=(), description="ids of the requirements that say how it is asked")
    population: tuple[Filter, ...] = ()
    leave_out: tuple[RowsLeftOut, ...] = ()
    measure: MeasureKind = "none"
    genes: tuple[str, ...] = ()
    gene_sets: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    outcome: str = ""
    time_column: str = ""
    event_column: str = ""
    compared_column: str = ""
    levels: tuple[str, ...] = ()
    reference: str = ""
    unit: str = ""
    pair: str = ""
    blocks: tuple[str, ...] = ()
    adjust: tuple[str, ...] = ()
    compares_with: str = Field(default="", description="data set in which this one is to confirm a result of another")
    stated: bool = Field(default=False, description="whether the words say what is computed, and nothing is to design")
    not_held: tuple[NotHeld, ...] = ()
    cannot: str = Field(default="", description="why the data cannot answer it; empty when they can")
    otherwise: str = Field(
        default="",
        description="why it departs from the rules' reading; empty where it does not",
        json_schema_extra=SENTENCE,
    )


class QuestionProposals(Value):
    """All questions of an objective, with the columns that they need beside those of the data."""

    columns: tuple[NewColumn, ...] = ()
    scores: tuple[NewScore, ...] = ()
    questions: tuple[QuestionProposal, ...]
    understood: tuple[str, ...] = Field(
        default=(),
        description="words the rules did not understand that the questions hold, or that ask nothing of data",
    )
