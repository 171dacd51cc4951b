"""A proposed question held against the data: names, levels, endpoints, pairs, and columns read off other columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bioresearcher.analysis.bind import Data, unit_of
from bioresearcher.analysis.contrasts import NotBoundError, contradiction, contrast_of
from bioresearcher.analysis.derived import with_derived
from bioresearcher.analysis.endpoints import censored_time, event_cells
from bioresearcher.analysis.flow import canonical_cells
from bioresearcher.analysis.mentions import is_number, levels_of
from bioresearcher.analysis.methods import with_methods
from bioresearcher.analysis.scores import not_scored
from bioresearcher.analysis.terms import methods_named
from bioresearcher.analysis.wishes import Compared
from bioresearcher.analysis.words import Text
from bioresearcher.audit.tables import Sheet
from bioresearcher.schemas.ask_questions import NewColumn, NewScore, QuestionProposal, RowsLeftOut
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column
from bioresearcher.schemas.facts import Fact
from bioresearcher.schemas.question import (
    Contrast,
    DerivedColumn,
    Endpoint,
    Exclusion,
    Filter,
    Measure,
    Question,
    ScoreColumn,
)

MOST_LEVELS: Final = 12
"""Levels of a new column, at most, for it to hold groups."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NO_NAME: Final = "the name is taken, or is not of lower case letters, digits and _"


@dataclass(frozen=True)
class Refused:
    """A part of an answer that is refused, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Names:
    """The names that a question may use: columns with their descriptions, genes and gene sets."""

    data: Data
    sheet: Sheet
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, data: Data, sheet: Sheet) -> Names:
        """The names of a data set, its sheet's columns without a description among them."""
        plain = {name: Column(name=name, dtype="text") for name in sheet.columns}
        return cls(data, sheet, plain | sheet.described)

    def with_columns(self, derived: Iterable[DerivedColumn], scores: Iterable[ScoreColumn] = ()) -> Names:
        """The names with columns that are read off others, and with columns of scores."""
        listed = tuple(derived)
        sheet = with_derived(self.sheet, listed)
        made = {}
        for one in listed:
            levels = sorted({cell for cell in sheet.known.get(one.name, []) if cell})
            few = tuple(levels) if len(levels) <= MOST_LEVELS else ()
            made[one.name] = Column(name=one.name, dtype="text", role="other", levels=few)
        for score in scores:
            made[score.name] = Column(name=score.name, dtype="number", role="covariate", label=score.text)
        return replace(self, sheet=sheet, columns={**self.columns, **made})


def score_columns(
    proposed: Iterable[NewScore], sources: Mapping[str, Names]
) -> tuple[list[tuple[str, ScoreColumn]], list[Refused]]:
    """Return the columns of scores that can be made, each with its data set, and those that are refused."""
    found: list[tuple[str, ScoreColumn]] = []
    refused = []
    for one in proposed:
        dataset = one.dataset or (next(iter(sources)) if len(sources) == 1 else "")
        taken = {c.name for d, c in found if d == dataset}
        try:
            found.append((dataset, _score(one, sources.get(dataset), taken)))
        except NotBoundError as error:
            refused.append(Refused(f"score {one.name!r}", error.why))
    return found, refused


def _score(one: NewScore, source: Names | None, taken: Collection[str]) -> ScoreColumn:
    if source is None:
        raise NotBoundError(f"there is no data set {one.dataset!r} with samples")
    if not _NAME.fullmatch(one.name) or one.name in taken or one.name in source.columns:
        raise NotBoundError(_NO_NAME)
    data = source.data
    if bool(one.gene_set) is bool(one.gene):
        raise NotBoundError("give either a gene set or a gene")
    if one.gene and one.gene not in data.genes:
        raise NotBoundError(f"there is no gene {one.gene!r} in the matrix of {data.dataset.id}")
    if one.gene_set and one.gene_set not in data.sets:
        raise NotBoundError(f"there is no gene set {one.gene_set!r}")
    made = ScoreColumn(name=one.name, gene_set=one.gene_set, gene=one.gene)
    if why := not_scored(made, data.members, data.genes):
        raise NotBoundError(why)
    return made


def coverage_said(column: ScoreColumn, data: Data) -> str:
    """Say on how many genes a column of scores rests, by the names of the matrix."""
    if column.gene:
        return f"Column {column.name} is {column.text} in {data.dataset.id}."
    genes = data.members.get(column.gene_set, ())
    here = sum(g in data.genes for g in genes)
    return f"Column {column.name} is {column.text}: {here} of its {len(genes)} genes are in {data.dataset.id}."


def where_said(objective: Objective, words: str) -> str:
    """Return where words of an objective stand: `objective`, the id of a requirement, or empty for nowhere."""
    wanted = _plain(words)
    if not wanted:
        return ""
    if any(wanted in _plain(text) for text in (objective.text, *objective.conditions)):
        return "objective"
    return next((r.id for r in objective.requirements if wanted in _plain(r.text)), "")


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().strip("“”\"'.")


def derived_columns(
    proposed: Iterable[NewColumn], sources: Mapping[str, Names], facts: Collection[str]
) -> tuple[list[tuple[str, DerivedColumn]], list[Refused]]:
    """Return the new columns that hold, each with its data set, and those that are refused."""
    found: list[tuple[str, DerivedColumn]] = []
    refused = []
    for one in proposed:
        dataset = one.dataset or (next(iter(sources)) if len(sources) == 1 else "")
        taken = {c.name for d, c in found if d == dataset}
        try:
            found.append((dataset, _column(one, sources.get(dataset), taken, facts)))
        except NotBoundError as error:
            refused.append(Refused(f"column {one.name!r}", error.why))
    return found, refused


def _column(one: NewColumn, source: Names | None, taken: Collection[str], facts: Collection[str]) -> DerivedColumn:
    if source is None:
        raise NotBoundError(f"there is no data set {one.dataset!r} with samples")
    if not _NAME.fullmatch(one.name) or one.name in taken or one.name in source.columns:
        raise NotBoundError(_NO_NAME)
    if one.source not in source.sheet.columns:
        raise NotBoundError(f"there is no column {one.source!r} to read it from")
    by_cells, by_field = bool(one.levels), bool(one.separator) and one.field > 0
    if by_cells is by_field:
        raise NotBoundError("give either levels with their cells, or a separator and a field")
    known = {cell for cell in source.sheet.known[one.source] if cell}
    listed = [cell.strip() for level in one.levels for cell in level.cells]
    strange = next((c for c in listed if c not in known), "")
    if strange:
        raise NotBoundError(f"{one.source} has no cell {strange!r}")
    twice = next((c for c in listed if listed.count(c) > 1), "")
    if twice:
        raise NotBoundError(f"the cell {twice!r} stands in more than one place")
    if lost := next((f for f in one.facts if f not in facts), ""):
        raise NotBoundError(f"there is no fact {lost}")
    made = DerivedColumn(
        name=one.name,
        source=one.source,
        levels=tuple((level.level, tuple(c.strip() for c in level.cells)) for level in one.levels),
        separator=one.separator if by_field else "",
        field=one.field if by_field else 0,
        reason=one.reason,
        facts=one.facts,
    )
    if len({level for cell in known if (level := made.of(cell))}) < 2:
        raise NotBoundError(f"it would hold fewer than two different values of {one.source}")
    return made


def bound(
    proposal: QuestionProposal,
    before: Sequence[Question],
    named: Names,
    derived: Sequence[DerivedColumn],
    scores: Sequence[ScoreColumn] = (),
    facts: Sequence[Fact] = (),
) -> Question | str:
    """Return the question that a proposal makes, or the reason why it is refused.

    Args:
        proposal: The proposal.
        before: The rules' questions of the same words.
        named: The names of its data set, new columns among them.
        derived: The new columns of its data set.
        scores: The columns of scores of its data set.
        facts: The facts that rows may be left out for.
    """
    try:
        _not_as_groups(proposal, {s.name for s in scores})
        question = _made(proposal, named, facts)
    except NotBoundError as error:
        return error.why
    if said := contradiction(question.contrast, question.population):
        return said
    compared = {*question.contrast.levels} if question.contrast else set()
    for out in question.leave_out:
        if question.contrast and out.column == question.contrast.column and (both := compared & {*out.levels}):
            return f"{' and '.join(sorted(both))} is compared and left out"
    lost = [line for q in before for line in _left_out(q, question) if not q.cannot or len(before) == 1]
    if lost and not proposal.otherwise and not proposal.cannot:
        return f"the rules read {lost[0]}, which it leaves out, and `otherwise` does not say why"
    used = tuple(d for d in derived if d.name in question.columns)
    made = tuple(s for s in scores if s.name in question.columns)
    own = next((s for s in made if s.gene_set and s.gene_set in question.measure.names), None)
    if own is not None:
        return f"{own.gene_set} is what is measured, so nothing can be adjusted for it"
    return question.model_copy(update={"derived": used, "scores": made})


def _not_as_groups(proposal: QuestionProposal, scores: Collection[str]) -> None:
    """Refuse columns of scores where groups or rows are told by a column: they are made within the rows alone.

    Raises:
        NotBoundError: One is used so.
    """
    places = [*(f.column for f in proposal.population), *(o.column for o in proposal.leave_out), *proposal.blocks]
    places += [proposal.compared_column, proposal.pair, proposal.unit, proposal.time_column, proposal.event_column]
    if wrong := next((n for n in places if n in scores), ""):
        raise NotBoundError(f"{wrong} is a score, which only `adjust`, `columns` and `outcome` take")


def _left_out_rows(one: RowsLeftOut, named: Names, facts: Sequence[Fact]) -> Exclusion:
    """Hold rows that are left out against the data, and against the facts where no words ask for it."""
    if bool(one.column) is not bool(one.levels) or not (one.levels or one.samples):
        raise NotBoundError("`leave_out` names neither levels of a column nor samples")
    if one.column:
        cells = canonical_cells(named.sheet, one.column) if one.column in named.sheet.columns else []
        held = {*levels_of(named.columns[one.column]), *cells}
        if strange := next((v for v in one.levels if v not in held), ""):
            raise NotBoundError(f"{one.column} has no level {strange!r}")
    labels = {*named.sheet.labels}
    if strange := next((s for s in one.samples if s not in labels), ""):
        raise NotBoundError(f"there is no sample {strange!r}")
    known = {f.id: f for f in facts if f.dataset == named.data.dataset.id}
    if lost := next((f for f in one.facts if f not in known), ""):
        raise NotBoundError(f"there is no fact {lost} of {named.data.dataset.id}")
    if not one.words and not one.facts:
        raise NotBoundError("rows are left out for no words of the objective and no fact")
    if not one.words:
        said = " ".join(" ".join((known[f].statement, *known[f].rows)) for f in one.facts)
        wanted = (*one.samples, *one.levels)
        if strange := next((n for n in wanted if not re.search(rf"(?i)(?<!\w){re.escape(n)}(?!\w)", said)), ""):
            raise NotBoundError(f"no fact that it cites names {strange!r}")
    return Exclusion(
        column=one.column,
        levels=one.levels,
        samples=tuple(dict.fromkeys(one.samples)),
        reason=one.reason,
        words=one.words,
        facts=one.facts,
    )


def _made(proposal: QuestionProposal, named: Names, facts: Sequence[Fact]) -> Question:
    """The question with the fields that a proposal sets.

    Raises:
        NotBoundError: A name or value is not in the data, or parts of it do not go together.
    """
    columns = named.columns
    used = [*(f.column for f in proposal.population), *(o.column for o in proposal.leave_out)]
    used += [proposal.time_column, proposal.event_column, proposal.compared_column, proposal.pair, proposal.unit]
    used += [proposal.outcome, *proposal.columns, *proposal.blocks, *proposal.adjust]
    if lost := next((n for n in used if n and n not in columns), ""):
        raise NotBoundError(f"there is no column {lost!r}")
    for one in proposal.population:
        _check_filter(one, columns[one.column])
    question = Question(
        id="A0",
        kind=proposal.kind,
        text="",
        dataset=named.data.dataset.id,
        population=proposal.population,
        leave_out=tuple(_left_out_rows(o, named, facts) for o in proposal.leave_out),
        unit=proposal.unit or unit_of(named.data.dataset),
        measure=_measure(proposal, named),
        outcome=proposal.outcome,
        endpoint=_endpoint(proposal, named),
        contrast=_contrast(proposal, columns),
        pair=proposal.pair,
        blocks=tuple(dict.fromkeys(proposal.blocks)),
        adjust=tuple(dict.fromkeys(proposal.adjust)),
        compares_with=proposal.compares_with,
        stated=proposal.stated,
        words=proposal.words,
        requirements=proposal.requirements,
        origin="model",
    )
    asks_groups = question.kind in ("difference", "enrichment") and not proposal.cannot
    if asks_groups and question.contrast is None:
        raise NotBoundError("it names no groups that are compared")
    if question.pair and (question.contrast is None or not question.contrast.levels):
        raise NotBoundError("pairs are named and no levels that are compared within them")
    return with_methods(question, methods_named(Text(proposal.words)))


def _check_filter(one: Filter, column: Column) -> None:
    strange = [v for v in one.levels if v not in levels_of(column)]
    if strange:
        raise NotBoundError(f"{column.name} has no level {strange[0]!r}")
    if not one.levels and (one.least is None and one.most is None):
        raise NotBoundError(f"nothing is said of {column.name}")
    if not one.levels and not is_number(column):
        raise NotBoundError(f"{column.name} holds no numbers")


def _endpoint(proposal: QuestionProposal, named: Names) -> Endpoint | None:
    if not (proposal.time_column and proposal.event_column):
        if proposal.kind == "time to event" and not proposal.cannot:
            raise NotBoundError("it names no time and event")
        return None
    time, event = named.columns[proposal.time_column], named.columns[proposal.event_column]
    cells = event_cells(event)
    if time.role != "time" or event.role != "event" or not cells:
        raise NotBoundError(f"{time.name} and {event.name} are not described as a time and an event")
    if time.endpoint != event.endpoint:
        raise NotBoundError(f"{time.name} and {event.name} belong to different endpoints")
    return Endpoint(
        name=event.endpoint,
        time_column=time.name,
        event_column=event.name,
        event_level=cells,
        censored_time_column=censored_time(named.data.dataset, time),
        time_unit=time.unit,
    )


def _contrast(proposal: QuestionProposal, columns: Mapping[str, Column]) -> Contrast | None:
    if not proposal.compared_column:
        return None
    column = columns[proposal.compared_column]
    strange = [v for v in (*proposal.levels, proposal.reference) if v and v not in levels_of(column)]
    if strange:
        raise NotBoundError(f"{column.name} has no level {strange[0]!r}")
    wanted = Compared(column.name, proposal.levels, 0, 0) if len(proposal.levels) > 1 else None
    found = contrast_of(column, wanted, reference=proposal.reference)
    return found.model_copy(update={"stated_by": "model"})


def _measure(proposal: QuestionProposal, named: Names) -> Measure:
    strange = [g for g in proposal.genes if g not in named.data.genes]
    strange += [s for s in proposal.gene_sets if s not in named.data.sets]
    if strange:
        raise NotBoundError(f"there is no {strange[0]!r} among the genes and gene sets")
    names = {"gene": proposal.genes, "signature": proposal.gene_sets, "column": proposal.columns}.get(proposal.measure)
    if names is not None and not names:
        field = {"gene": "genes", "signature": "gene_sets", "column": "columns"}[proposal.measure]
        raise NotBoundError(f"the measure is a {proposal.measure}, and `{field}` names none")
    return Measure(kind=proposal.measure, names=names or ())


def _left_out(by_rule: Question, found: Question) -> Iterable[str]:
    """Name what a question of the rules holds and another of the same words does not."""
    if by_rule.dataset != found.dataset:
        return
    held = {f.text for f in found.population}
    gone = {o.column: {*o.levels} for o in found.leave_out}
    yield from (
        f.text
        for f in by_rule.population
        if f.text not in held and not (f.levels and f.column in gone and not gone[f.column] & {*f.levels})
    )
    if by_rule.pair and not found.pair:
        yield f"pairs by {by_rule.pair}"
    if by_rule.endpoint and found.endpoint and by_rule.endpoint.event_column != found.endpoint.event_column:
        yield f"the endpoint {by_rule.endpoint.name or by_rule.endpoint.event_column}"
    if by_rule.contrast and found.contrast and by_rule.contrast.column != found.contrast.column:
        yield f"groups of {by_rule.contrast.column}"
    yield from (f"“adjusted for {n}”" for n in by_rule.adjust if n not in (*found.adjust, *found.blocks))
    yield from (f"blocks of {n}" for n in by_rule.blocks if n not in (*found.adjust, *found.blocks, found.pair))
