"""Questions that an objective asks of data, the words bound to nothing, and the analysis sets they are answered on."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from pydantic import Field

from bioresearcher.schemas.base import Origin, Value

QuestionKind = Literal[
    "difference",
    "association",
    "time to event",
    "prediction",
    "enrichment",
    "structure",
    "description",
    "synthesis",
]
"""Difference: a measure between groups or within pairs. Association: a measure or column with a column that is not a
time. Time to event: with an endpoint. Prediction: of a group or endpoint for new samples. Enrichment: of gene sets.
Structure: clusters and components. Description: counts of the cohort. Synthesis: of results of several studies."""

MeasureKind = Literal["features", "gene", "signature", "column", "gene sets", "none"]
"""Features: all rows of the matrix. Gene: the named rows. Signature: a score of the named gene sets. Column: columns of
the sheet. Gene sets: all sets at hand. None: nothing is measured, as in a description or when only groups differ."""


class Filter(Value):
    """A condition on the rows of a population: levels that are kept, or a range of numbers."""

    column: str
    levels: tuple[str, ...] = Field(default=(), description="canonical levels that are kept; empty for a range")
    least: float | None = Field(default=None, description="smallest number kept")
    most: float | None = Field(default=None, description="largest number kept")
    above: bool = Field(default=False, description="whether `least` itself is left out")
    below: bool = Field(default=False, description="whether `most` itself is left out")
    words: str = Field(default="", description="words of the objective that it came from; empty when by rule")

    @property
    def text(self) -> str:
        """The condition in words, such as `er_status = negative` or `age > 50`."""
        if self.levels:
            return f"{self.column} = {' or '.join(self.levels)}"
        lower = "" if self.least is None else f"{self.column} {'>' if self.above else '≥'} {self.least:g}"
        upper = "" if self.most is None else f"{self.column} {'<' if self.below else '≤'} {self.most:g}"
        return " and ".join(part for part in (lower, upper) if part)


class Measure(Value):
    """Values that are compared or associated: all features, genes, signatures or columns."""

    kind: MeasureKind = "none"
    names: tuple[str, ...] = Field(default=(), description="genes, gene sets or columns as they are called in the data")
    cut: Literal["", "median", "stated"] = Field(default="", description="how it is split into high and low, if it is")
    words: str = ""


class DerivedColumn(Value):
    """A column that a sheet does not have, read off one that it has: by its cells, or by a field of its texts.

    Cells that are neither listed nor have the field are not known.
    """

    name: str
    source: str = Field(description="column of the sheet it is read from")
    levels: tuple[tuple[str, tuple[str, ...]], ...] = Field(
        default=(), description="(level, cells of the source that mean it); empty where a field of the text is taken"
    )
    separator: str = Field(default="", description="sign or text at which the cells are split into fields")
    field: int = Field(default=0, description="the field that is taken, the first being 1")
    reason: str = Field(default="", description="why the source says this")
    facts: tuple[str, ...] = Field(default=(), description="ids of the facts that it rests on")

    def of(self, cell: str) -> str:
        """Return the level that a cell of the source means; the empty string where it means none."""
        text = cell.strip()
        if self.levels:
            return next((level for level, cells in self.levels if text in cells), "")
        parts = text.split(self.separator) if self.separator else []
        return parts[self.field - 1].strip() if 0 < self.field <= len(parts) else ""


class ScoreColumn(Value):
    """A column of numbers that the matrix gives each sample: the score of a gene set, or the expression of a gene.

    It is made on the rows of the question alone, as the skill `signature-scoring` makes scores.
    """

    name: str
    gene_set: str = Field(default="", description="the set that is scored; empty for a gene")
    gene: str = Field(default="", description="the gene, as it is called in the matrix; empty for a set")

    @property
    def text(self) -> str:
        """The column in words, such as `the score of HALLMARK_HYPOXIA`."""
        return f"the score of {self.gene_set}" if self.gene_set else f"the expression of {self.gene}"


class Exclusion(Value):
    """Rows that a question leaves out: those with some levels of a column, or those that are named.

    Rows of which the column is not known stay in.
    """

    column: str = ""
    levels: tuple[str, ...] = Field(default=(), description="levels of the column whose rows are left out")
    samples: tuple[str, ...] = Field(default=(), description="names of rows that are left out, copied exactly")
    reason: str = Field(default="", description="why they are left out")
    words: str = Field(default="", description="words of the objective or a requirement that ask for it, if any do")
    facts: tuple[str, ...] = Field(default=(), description="ids of the facts that it rests on")

    @property
    def text(self) -> str:
        """The rows in words, such as `kind = metastasis` or `4 named samples`."""
        named = f"{len(self.samples)} named sample{'s' if len(self.samples) > 1 else ''}" if self.samples else ""
        listed = f"{self.column} = {' or '.join(self.levels)}" if self.levels else ""
        return " and ".join(part for part in (listed, named) if part)


class Endpoint(Value):
    """Event and time of a time-to-event question."""

    name: str = Field(default="", description="`OS`, `RFS`, …; empty when neither data nor objective name it")
    time_column: str = Field(description="follow-up time; where two columns hold it, that of those with the event")
    event_column: str
    censored_time_column: str = Field(default="", description="follow-up time of those without the event, if apart")
    event_level: tuple[str, ...] = Field(default=(), description="cells of the data set that mean an event")
    time_unit: str | None = None
    until: float | None = Field(default=None, description="time after which follow-up is not counted, if stated")
    words: str = ""


class Contrast(Value):
    """Groups that are compared: `case` minus (or against) `control`, or all of `levels`.

    A numeric column has no levels; its effect is stated per unit of the column.
    """

    column: str
    case: str | None = Field(default=None, description="the level of interest; None when all levels are compared")
    control: str | None = Field(default=None, description="the reference level")
    levels: tuple[str, ...] = Field(default=(), description="all levels that take part, in order; empty for a number")
    merged: tuple[tuple[str, str], ...] = Field(
        default=(), description="(level as in the data, level in the comparison) where levels are put together"
    )
    stated_by: Literal["objective", "data", "two levels", "human", "model"] = Field(
        default="objective", description="who says which levels: `two levels` when the column has no others"
    )
    reference_by: Literal["objective", "data", "meaning", "order"] = Field(
        default="objective", description="who says which is the reference; `order` when only the direction rests on it"
    )
    words: str = ""

    @property
    def text(self) -> str:
        """The comparison in words."""
        if self.case is not None and self.control is not None:
            return f"{self.column}: {self.case} against {self.control}"
        return f"{self.column}: {', '.join(self.levels)}" if self.levels else f"{self.column}, per unit"


EffectMeasure = Literal[
    "",
    "difference of means",
    "difference of proportions",
    "location shift",
    "log2 fold change",
    "hazard ratio",
    "odds ratio",
    "correlation",
    "regression coefficient",
    "restricted mean survival time",
    "area under the curve",
    "enrichment score",
    "EC50",
    "fold change",
    "calibration slope",
    "smallest detectable effect",
]


_EFFECTS: Final[tuple[tuple[str, EffectMeasure], ...]] = (
    (
        r"(?:(?:mean|median|average|paired|moderated) )*(?:log ?2?[ -]?(?:fold[ -]?changes?|fc|ratio|difference)|lfc)",
        "log2 fold change",
    ),
    (r"hr|hazard ratios?|cox hazard ratio|adjusted hazard ratio", "hazard ratio"),
    (r"or|odds ratios?|adjusted odds ratio", "odds ratio"),
    (
        r"(?:mean|average) (?:paired )?differences?|differences? (?:of|in|between) (?:the )?(?:paired )?means?",
        "difference of means",
    ),
    (
        r"(?:paired )?mean(?: of)? (?:paired )?differences?|standardi[sz]ed mean difference|cohen'?s d|hedges'? g",
        "difference of means",
    ),
    (
        r"(?:risk|rate) differences?|differences? (?:of|in|between) (?:the )?(?:proportions|shares|rates|risks)",
        "difference of proportions",
    ),
    (r"hodges[ –-]+lehmann(?: (?:estimate|estimator|shift))?|(?:median|location) shift", "location shift"),
    (
        r"(?:pearson|spearman|kendall)(?:'s)?(?: rank)?(?: correlation)?(?: coefficient)?(?: r| rho| tau)?",
        "correlation",
    ),
    (r"(?:r|rho|tau|correlation coefficients?|rank correlation)", "correlation"),
    (r"regression (?:slope|coefficients?)|slope|beta|coefficients?|regression", "regression coefficient"),
    (
        r"rmst|(?:difference (?:of|in) )?restricted mean survival(?: times?)?(?: difference)?",
        "restricted mean survival time",
    ),
    (r"auc|auroc|roc ?auc|c[ -]?(?:index|statistic)|area under the (?:roc )?curve", "area under the curve"),
    (r"n?es|normali[sz]ed enrichment score|enrichment scores?", "enrichment score"),
)
"""Other words for the effects, as patterns of whole texts."""


_KNOWN: Final[tuple[EffectMeasure, ...]] = get_args(EffectMeasure)


def effect_of(words: str) -> EffectMeasure:
    """Return the known effect that other words mean; empty for words that mean none or may mean several."""
    said = " ".join(words.replace("_", " ").split()).casefold()
    known = [e for e in _KNOWN if e and e == said] + [e for pattern, e in _EFFECTS if re.fullmatch(pattern, said)]
    return known[0] if known else ""


def number_of(question_id: str) -> int:
    """The place of a question in the objective: 2 of `A2`."""
    digits = question_id.lstrip("A")
    return int(digits) if digits.isdecimal() else 0


class Question(Value):
    """One thing that the objective or a requirement asks of data.

    `cannot` is the reason why no analysis set can be made for it, such as an empty population; such a question is
    recorded as not answered.
    """

    id: str = Field(description="`A1`, `A2`, … in the order of the objective")
    kind: QuestionKind
    text: str = Field(description="the question in one sentence, made of its fields")
    dataset: str = Field(default="", description="id of the data set; empty when none can answer")
    population: tuple[Filter, ...] = Field(default=(), description="conditions that must all hold; empty: everyone")
    unit: str = Field(default="", description="column of the unit of analysis; empty when a row of the sheet is one")
    measure: Measure = Measure()
    outcome: str = Field(default="", description="column that is explained, of an association or prediction")
    endpoint: Endpoint | None = None
    contrast: Contrast | None = None
    pair: str = Field(default="", description="column that says which rows belong together; empty when not paired")
    derived: tuple[DerivedColumn, ...] = Field(
        default=(), description="columns among these that the data do not have as such, and how they are read"
    )
    scores: tuple[ScoreColumn, ...] = Field(
        default=(), description="columns among these that are made of the matrix: scores of gene sets, single genes"
    )
    leave_out: tuple[Exclusion, ...] = Field(default=(), description="rows that are left out, each with the reason")
    blocks: tuple[str, ...] = Field(default=(), description="columns, such as batches, that the model must hold")
    adjust: tuple[str, ...] = Field(default=(), description="columns that the estimate is adjusted for")
    alternatives: tuple[str, ...] = Field(
        default=(), description="declared alternatives to the analysis, e.g. `without age`, `excluding stage = IV`"
    )
    references: tuple[str, ...] = Field(default=(), description="of qPCR: the genes that are taken as constant")
    effect: EffectMeasure = ""
    model: str = Field(default="", description="the model that is asked for by name, e.g. `cox regression`")
    test: str = Field(default="", description="the test that is asked for by name, e.g. `wilcoxon`")
    compares_with: str = Field(default="", description="id of the data set a finding is to be repeated in, if asked")
    stated: bool = Field(default=False, description="whether the words say what is computed, and nothing is to design")
    words: str = Field(default="", description="phrase of the objective or requirement that it came from")
    requirements: tuple[str, ...] = Field(default=(), description="ids of the requirements that it serves")
    cannot: str = Field(default="", description="why it cannot be answered, found before anything was computed")
    mend: str = Field(default="", description="the line of `dataset.toml` or the flag that settles `cannot`")
    origin: Origin = "offline"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the sheet that an analysis of the question reads, without repeats."""
        named: list[str] = [*(f.column for f in self.population), *(o.column for o in self.leave_out)]
        named += [self.unit, self.outcome, self.pair, *self.blocks, *self.adjust]
        named += [self.contrast.column] if self.contrast else []
        end = self.endpoint
        named += [end.time_column, end.censored_time_column, end.event_column] if end else []
        named += self.measure.names if self.measure.kind == "column" else ()
        return tuple(dict.fromkeys(n for n in named if n))


class Unbound(Value):
    """Words of the objective or a requirement that are bound to nothing."""

    words: str
    why: str = Field(description="what they seem to ask, and why nothing at hand is it")
    suggestion: str = Field(default="", description="a name in the data that comes close, or what to write instead")
    where: str = Field(default="", description="id of the requirement; empty for the objective")
    narrows: bool = Field(
        default=True, description="whether an answer without them answers something else, as with a subset or a model"
    )
    questions: tuple[str, ...] = Field(default=(), description="ids of the questions they belong to; empty for all")
    absent: bool = Field(
        default=False, description="whether they were understood, and the data have nothing of the kind"
    )


class Questions(Value):
    """All questions of a run, and what was not understood (`questions.json`)."""

    questions: tuple[Question, ...] = ()
    not_understood: tuple[Unbound, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="choices made by rule that a person should know")
    origin: Origin = "offline"

    def question(self, question_id: str) -> Question | None:
        """Return the question with an id, or None."""
        return next((q for q in self.questions if q.id == question_id), None)

    def unbound_of(self, question: Question) -> tuple[Unbound, ...]:
        """Words bound to nothing that narrow a question: without them something else is answered."""
        return tuple(
            u
            for u in self.not_understood
            if u.narrows and not u.where and (not u.questions or question.id in u.questions)
        )


class FlowStep(Value):
    """A step of the way from all rows to those that are analysed."""

    reason: str = Field(description="e.g. `er_status is not negative`, `no RFS time or event`")
    left_out: int
    left: int


class GroupCount(Value):
    """Size of a group of an analysis set, with its events where there is an endpoint."""

    level: str
    n: int
    events: int | None = None


class ScoreMade(Value):
    """A column of scores as it was made for an analysis set, with the genes that it rests on."""

    column: str
    of: str = Field(description="the gene set or the gene")
    method: str
    genes: int = Field(description="genes of the set")
    measured: int = Field(description="those that the matrix has")
    used: int = Field(description="those of them that vary and have few missing values")
    scored: int = Field(description="rows with a score")

    @property
    def text(self) -> str:
        """The column with its genes, in one line."""
        found = f"{self.used} of {self.genes} genes" if self.genes > 1 else "one gene"
        return f"{self.column}: {self.method} ({self.of}, {found})"


class AnalysisSet(Value):
    """The rows and columns on which a question is answered, with the way to them (`flow.json`).

    `population` is the id of the data set that holds it: that of the source where a question asks for all of it as it
    is, otherwise `<data set>-A1`. `problem` is the reason why it cannot be analysed.
    """

    id: str = Field(description="id of its question, `A1`")
    question: str
    source: str = Field(description="id of the data set that it was made of")
    population: str = Field(default="", description="id of the data set that holds it; empty when it was not made")
    same_as_source: bool = False
    filters: tuple[str, ...] = Field(default=(), description="conditions on the population, in words")
    unit: str = Field(default="", description="column of the unit of analysis; empty when a row is one")
    start: int = Field(default=0, description="rows at the start")
    flow: tuple[FlowStep, ...] = ()
    n: int = Field(default=0, description="rows that are analysed; of pairs, both rows count")
    units: int = Field(default=0, description="distinct units among them")
    pairs: int | None = Field(default=None, description="complete pairs, where pairs are asked for")
    groups: tuple[GroupCount, ...] = ()
    events: int | None = None
    endpoint: str = ""
    contrast_column: str = ""
    case: str | None = None
    control: str | None = None
    levels: tuple[str, ...] = ()
    terms: tuple[str, ...] = Field(default=(), description="columns that a model must hold: pair, blocks, covariates")
    scores: tuple[ScoreMade, ...] = Field(default=(), description="columns that were made of the matrix")
    complete: int = Field(default=0, description="rows in which all `terms` and measured columns are known")
    complete_events: int | None = None
    complete_groups: tuple[GroupCount, ...] = ()
    samples_digest: str = Field(default="", description="sha256 over the sorted names of the rows analysed")
    cautions: tuple[str, ...] = Field(default=(), description="e.g. a group of two, or a batch that is the group")
    problem: str = ""

    @property
    def covariates(self) -> tuple[str, ...]:
        """Those of `terms` that a model adjusts for: blocks and covariates, not the pair, which is always known."""
        return self.terms if self.pairs is None else self.terms[1:]


class AnalysisSets(Value):
    """The analysis sets of all questions of a run (`analysis/sets.json`)."""

    sets: tuple[AnalysisSet, ...] = ()

    def of(self, question_id: str) -> AnalysisSet | None:
        """Return the analysis set of a question, or None."""
        return next((s for s in self.sets if s.question == question_id), None)

    def in_population(self, dataset_id: str) -> tuple[AnalysisSet, ...]:
        """Return the analysis sets that a data set holds."""
        return tuple(s for s in self.sets if s.population == dataset_id and not s.problem)
