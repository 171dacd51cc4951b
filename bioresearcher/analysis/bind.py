"""Questions of an objective and its requirements, bound to data by rule; what cannot be bound is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bioresearcher.analysis.alternatives import set_apart, with_alternatives
from bioresearcher.analysis.asks import asks_of
from bioresearcher.analysis.bench_tables import bench_questions
from bioresearcher.analysis.contrasts import NotBoundError, choose_contrast, contradiction
from bioresearcher.analysis.endpoints import bind_endpoint
from bioresearcher.analysis.measures import Ask, measure_of, number_as_measure, outcome_of, several_outcomes
from bioresearcher.analysis.mentions import Lexicon, is_number, levels_of, mend_line, mend_of
from bioresearcher.analysis.methods import with_methods
from bioresearcher.analysis.populations import population_as_contrast
from bioresearcher.analysis.reading import read_wishes
from bioresearcher.analysis.scores import not_scored
from bioresearcher.analysis.sentences import question_text
from bioresearcher.analysis.terms import endpoints_named, kinds_in, methods_named, word
from bioresearcher.analysis.unbound import leftovers
from bioresearcher.analysis.wishes import Compared, Wishes
from bioresearcher.analysis.words import Text, forms
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.question import (
    Contrast,
    Endpoint,
    Filter,
    Measure,
    Question,
    QuestionKind,
    Questions,
    Unbound,
)
from bioresearcher.text.visible import one_line

_NAME_GROUPS: Final = "name the groups that are compared, such as “differ between A and B”, or their column"
_ASSOCIATIONS: Final = "it is asked how an association differs between groups, and no analysis compares associations"
_COMPARES: Final = (
    r"(?i)\b(?:differ\w*|better|worse|longer|shorter|higher|lower|improv\w*|affect\w*|effects?|associat\w*|risk|compar\w*|"
    r"predict\w*|prognos\w*|influenc\w*|impact\w*|relat\w*|link\w*)\b"
)
"""Words that ask how a group stands to those that are not of it."""


@dataclass(frozen=True)
class Data:
    """A data set with the names of its features, and the gene sets at hand with their genes."""

    dataset: Dataset
    genes: frozenset[str] = frozenset()
    sets: tuple[str, ...] = ()
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)


def bind_questions(objective: Objective, data: Sequence[Data]) -> Questions:
    """Bind an objective and its requirements to data sets.

    A question goes to the first data set that holds all it names, the discovery set first. A part that is bound to
    nothing is among `not_understood`; where an answer without it would answer something else, the question says in
    `cannot` why it has none.
    """
    objective, declared = set_apart(objective)
    text = Text(objective.text)
    asks = asks_of(text)
    pooled = any(a.kind == "synthesis" for a in asks)
    measured = _in_order([d for d in data if _is_measured(d.dataset) or (pooled and d.dataset.rows_are("study"))])
    if not measured and (of_tables := bench_questions(objective.text, [d.dataset for d in data])):
        return Questions(questions=_numbered(of_tables))
    if not measured or not text.tokens:
        kinds = asks or [Ask("description", ((0, len(text.raw)),))]
        said = "; ".join(["there is no data set with samples", *_studies([d.dataset for d in data])])
        named = methods_named(text)
        unanswered = [
            with_methods(
                Question(id=f"A{n}", kind=a.kind, text=a.words(text) or objective.text, words=a.words(text)),
                [(m, one) for m, one in named if a.has(text, one.first)],
            ).model_copy(update={"cannot": said})
            for n, a in enumerate(kinds, 1)
        ]
        return Questions(questions=tuple(unanswered))
    readings = [(d, read_wishes(text, Lexicon.of(d.dataset, d.genes, d.sets))) for d in measured]
    found: list[Question] = []
    chosen: list[tuple[Data, Wishes]] = []
    for ask in asks:
        options = [(d, w, _bind(ask, text, d, w)) for d, w in readings]
        best = min(options, key=lambda o: bool(o[2].cannot))
        found += _one_by_one(best[2])
        chosen.append(best[:2])
        found += _validations(best[2], objective, measured, ask, text, readings)
    first = chosen[0] if chosen else readings[0]
    lost = [u for u, _ in first[1].unbound] + list(leftovers(first[1], _context(measured, objective)))
    found, more = _with_requirements(objective.requirements, found, measured)
    questions = _numbered(found)
    made = Questions(questions=questions, not_understood=tuple(dict.fromkeys((*lost, *more))), notes=_notes(questions))
    return with_alternatives(made, declared, {d.dataset.id: d.dataset for d in measured})


def _is_measured(dataset: Dataset) -> bool:
    """True for a data set with samples, a matrix or mutated genes; a table of studies has none of them."""
    kinds = ("samples", "expression")
    return any((f.kind in kinds and f.row_is != "study") or f.row_is == "mutated gene" for f in dataset.files)


def _studies(datasets: Sequence[Dataset]) -> list[str]:
    """Say of tables of studies that their rows are no samples."""
    files = [f for d in datasets for f in d.files if f.row_is == "study"]
    return [f"each of the {f.rows} rows of {f.path} is a study ({', '.join(c.name for c in f.columns)})" for f in files]


def _one_by_one(question: Question) -> list[Question]:
    """A question for each signature, and for each gene whose relation to an endpoint is asked for."""
    measure = question.measure
    alone = measure.kind == "signature" or (measure.kind == "gene" and question.kind == "time to event")
    if not alone or len(measure.names) < 2:
        return [question]
    return [question.model_copy(update={"measure": measure.model_copy(update={"names": (n,)})}) for n in measure.names]


def _in_order(data: Sequence[Data]) -> list[Data]:
    """Data sets, that of role discovery first, then the largest, validation sets last."""

    def rank(d: Data) -> tuple[int, int]:
        role = {"discovery": 0, "unspecified": 1, "validation": 2, "reference": 3}[d.dataset.role]
        return role, -d.dataset.n_samples

    return sorted(data, key=rank)


def _numbered(questions: Iterable[Question]) -> tuple[Question, ...]:
    return tuple(q.model_copy(update={"id": f"A{n}", "text": _in_words(q)}) for n, q in enumerate(questions, 1))


def _in_words(question: Question) -> str:
    """A question in a sentence; a description that cannot be given was not asked for, so the words themselves."""
    if question.kind == "description" and question.cannot and question.words:
        return f"“{one_line(question.words, 200)}”"
    return question_text(question)


def _bind(ask: Ask, text: Text, data: Data, wishes: Wishes) -> Question:
    """Bind one question to one data set."""
    lexicon = Lexicon.of(data.dataset, data.genes, data.sets)
    stops = [(why, mend) for why, mend, place in wishes.stops if ask.has(text, place)]
    population = tuple(f for f, place, weak in wishes.filters if ask.has(text, place))
    weak = {f.words for f, place, is_weak in wishes.filters if is_weak}
    endpoint: Endpoint | None = None
    contrast: Contrast | None = None
    kind = _kind_of(ask, text, wishes, lexicon)
    timed = word("survival").search(ask.words(text)) or endpoints_named(Text(ask.words(text)))
    if kind == "time to event" or (kind == "prediction" and timed):
        endpoint, stop = bind_endpoint(data.dataset, wishes, ask.words(text))
        stops += [stop] if stop else []
    outcome, columns = outcome_of(ask, text, wishes, lexicon, kind)
    measure = measure_of(ask, text, wishes, lexicon, kind, columns)
    said = several_outcomes(ask, text, wishes, outcome)
    stops += [(said, "ask for each of them alone, or write “regression of … on …”")] if said else []
    listed = kind == "time to event" and measure.kind == "column"
    compared = [c for c in wishes.compared if ask.has(text, c.first) and not listed]
    by = [m.name for m in wishes.by if ask.has(text, m.first) and m.name != outcome and not listed]
    if kind == "association" and outcome:
        by = [outcome]
        other = any(not c.single and c.strong and c.column != outcome for c in compared)
        stops += [(_ASSOCIATIONS, "ask for each group with “in … only”")] if other else []
        compared = [c for c in compared if c.column == outcome]
    asked = kind in ("difference", "enrichment") or (kind == "prediction" and not timed)
    if asked and not compared and not by:
        plain = [n for n in columns if not is_number(lexicon.columns[n]) and n not in measure.names]
        population, by, said = (
            (population, plain[:1], "") if plain else population_as_contrast(population, weak, lexicon)
        )
        stops += [(said, _NAME_GROUPS)] if said else []
    exposures = [] if listed else [n for n in columns if n not in (outcome, *measure.names)]
    if kind == "time to event" and measure.kind == "none" and not by and all(c.single for c in compared):
        by = exposures[:1]
    compares = re.search(_COMPARES, ask.words(text))
    alone = measure.kind == "none" and not by and not compared
    if kind == "time to event" and compares and alone:
        population, by, said = population_as_contrast(population, weak, lexicon)
        stops += [(said, _NAME_GROUPS)] if said else []
    compared, limits, said = _apart(compared, by, kind, measure, lexicon)
    population = (*population, *(f for f in limits if f.text not in [p.text for p in population]))
    stops += [(said, "ask for each group with “in … only”")] if said else []
    try:
        contrast = choose_contrast(wishes, lexicon, compared, by, asked=asked)
    except NotBoundError as error:
        stops.append((error.why, mend_of(data.dataset, error.column, error.mend) if error.column else error.mend))
    stops += _by_the_event(kind, contrast, lexicon)
    stops += _two_at_once(kind, contrast, compared, by, exposures, wishes, data.dataset)
    contrast, measure = number_as_measure(contrast, measure, lexicon, kind)
    stops += _asks_nothing(kind, ask.words(text))
    if kind == "time to event" and measure.kind == "none" and contrast is None and not stops:
        kind_words = "no gene, signature, column or groups are named whose relation to the endpoint is asked for"
        described = r"(?i)kaplan|median (?:\w+[\s-]+){0,3}surviv|surviv\w+ (?:of|in)|describe"
        if compares or not re.search(described, ask.words(text)):
            stops.append((kind_words, "name the gene, signature or column"))
    lost = (not_scored(s, data.members, data.genes) for s, place in wishes.scores if ask.has(text, place))
    stops += [(why, "name another set") for why in lost if why]
    said = contradiction(contrast, population)
    stops += [(said, "leave out one of the two")] if said else []
    question = Question(
        id="A0",
        kind=kind,
        text="",
        dataset=data.dataset.id,
        population=population,
        unit=unit_of(data.dataset),
        measure=measure,
        outcome=outcome,
        endpoint=endpoint,
        contrast=contrast,
        words=ask.words(text),
    )
    question = _with_terms(question, ask, text, wishes, lexicon)
    question = with_methods(question, [(m, n) for m, n in wishes.methods if ask.has(text, n.first)])
    if wishes.paired and re.search(re.escape(wishes.paired), ask.words(text)):
        pair = pair_column(data.dataset)
        if pair:
            question = question.model_copy(update={"pair": pair})
        else:
            stops.append(
                (
                    f"“{wishes.paired}”: no column of the data says which rows belong together",
                    mend_line("<its name>", 'role = "pair"'),
                )
            )
    if _of_channels(data.dataset) and kind in ("difference", "enrichment"):
        question = question.model_copy(update={"pair": pair_column(data.dataset)})
    stops += _unsure(data.dataset, question)
    stops += _lacking(data.dataset, question)
    return _stopped(question, stops, data.dataset)


def _of_channels(dataset: Dataset) -> bool:
    """True when a row is a channel of an array of two, so that rows of an array are pairs whatever is asked."""
    sheet = dataset.file("samples")
    return sheet is not None and sheet.row_is == "channel"


def _asks_nothing(kind: QuestionKind, words: str) -> list[tuple[str, str]]:
    """The reason why a text stops that asks for no description of the cohort: for nothing computed, or for more."""
    if kind != "description":
        return []
    if beyond := word("beyond").search(words):
        return [
            (
                f"no vetted analysis does this (“{one_line(beyond[0], 60)}”); a description states counts, medians, "
                "quartiles and missing values",
                "ask for a description of the cohort, or say what is compared or related to an outcome",
            )
        ]
    if kinds_in(words) or word("overview").search(words):
        return []
    return [
        (
            "the objective asks for nothing that an analysis of these data answers",
            "say what is compared, related to an outcome or described, such as “which genes differ between A and B”",
        )
    ]


def _kind_of(ask: Ask, text: Text, wishes: Wishes, lexicon: Lexicon) -> QuestionKind:
    """The kind of a question to one data set: “the effect of smoking on …” in a table without a matrix associates."""
    if ask.kind != "difference" or lexicon.dataset.file("expression") is not None:
        return ask.kind
    effect = re.search(r"(?i)\beffects? of\b.+\bon\b", ask.words(text))
    return "association" if effect and outcome_of(ask, text, wishes, lexicon, "association")[0] else ask.kind


def is_settled(question: Question, dataset: Dataset) -> Question:
    """A question that somebody else bound, with what stands against it: unsure readings, data that are not there.

    One that says itself what is computed lacks nothing beyond its columns, which are there.
    """
    lacking = [] if question.stated else _lacking(dataset, question)
    return _stopped(question, [*_unsure(dataset, question), *lacking], dataset)


def _stopped(question: Question, stops: Sequence[tuple[str, str]], dataset: Dataset) -> Question:
    """A question with all reasons why it cannot be answered, and all that would settle them."""
    why = "; ".join(dict.fromkeys(w for w, _ in stops if w))
    mend = "; ".join(dict.fromkeys(m for _, m in stops if m))
    if "dataset.toml" in mend and dataset.described_by == "inferred":
        mend += f" (`bioresearcher data show {dataset.given or dataset.root} --write` writes the file to change)"
    return question.model_copy(update={"cannot": why, "mend": mend}) if why else question


def _by_the_event(kind: QuestionKind, contrast: Contrast | None, lexicon: Lexicon) -> list[tuple[str, str]]:
    """The reason why a time to event stops whose groups are those with and without an event."""
    if kind != "time to event" or contrast is None or lexicon.columns[contrast.column].role not in ("event", "time"):
        return []
    return [(f"{contrast.column} is the event itself, and no group whose time to it is compared", "name the groups")]


def _two_at_once(
    kind: QuestionKind,
    contrast: Contrast | None,
    compared: Sequence[Compared],
    by: Sequence[str],
    exposures: Sequence[str],
    wishes: Wishes,
    dataset: Dataset,
) -> list[tuple[str, str]]:
    """The reason why a question stops that names two columns to compare by, and does not say how they go together."""
    if contrast is None or kind not in ("difference", "time to event"):
        return []
    held = {
        contrast.column,
        *(n for n, _ in (*wishes.adjust, *wishes.blocks)),
        *(f.column for f, _, _ in wishes.filters),
        *([pair_column(dataset)] if wishes.paired else []),
    }
    named = [c.column for c in compared if not c.single] + [*by] + ([*exposures] if kind == "time to event" else [])
    other = next((n for n in dict.fromkeys(named) if n not in held), "")
    if not other:
        return []
    return [(f"both {contrast.column} and {other} are named, and not how they go together", "say “adjusted for” one")]


def _apart(
    compared: Sequence[Compared], by: Sequence[str], kind: QuestionKind, measure: Measure, lexicon: Lexicon
) -> tuple[list[Compared], list[Filter], str]:
    """Tell levels that are compared from those that limit the population: (compared, filters, why neither can be).

    Where a gene or signature is related to an endpoint, groups that stand beside it limit the population.
    """
    lists = [c for c in compared if not c.single]
    scored = kind == "time to event" and measure.kind in ("gene", "signature")
    if scored and any(c.strong for c in lists):
        return [], [], _ASSOCIATIONS
    kept = [] if scored else (lists or ([] if by else [c for c in compared if c.single][:1]))
    spare = [c for c in compared if c not in kept and (c.single or (scored and not c.strong))]
    columns = {c.column for c in kept} | {*by}
    limits = [Filter(column=c.column, levels=c.levels, words=" or ".join(c.levels)) for c in spare if not c.problem]
    return kept, [f for f in limits if f.column not in columns and len(levels_of(lexicon.columns[f.column])) > 1], ""


def _with_terms(question: Question, ask: Ask, text: Text, wishes: Wishes, lexicon: Lexicon) -> Question:
    """Add covariates and blocks; `multivariable` without names means all covariates of the data."""
    taken = {question.outcome, question.contrast.column if question.contrast else ""}
    measured = question.measure.names if question.measure.kind == "column" else ()
    taken |= {*measured}
    if question.endpoint:
        taken |= {question.endpoint.time_column, question.endpoint.event_column}
    adjust = [n for n, place in wishes.adjust if ask.has(text, place) and n not in taken]
    blocks = [n for n, place in wishes.blocks if ask.has(text, place) and n not in taken]
    if wishes.adjust_all and not adjust and question.kind != "association" and len(measured) < 2:
        limited = {f.column for f in question.population}
        adjust = [c.name for c in lexicon.columns.values() if c.role == "covariate" and c.name not in taken | limited]
    scores = tuple(s for s, place in wishes.scores if ask.has(text, place))
    adjust += [s.name for s in scores]
    return question.model_copy(update={"adjust": tuple(adjust), "blocks": tuple(blocks), "scores": scores})


def unit_of(dataset: Dataset) -> str:
    """The column of the unit of analysis; empty when a row of the sheet is one."""
    column = dataset.column("unit")
    return column.name if column else ""


def pair_column(dataset: Dataset) -> str:
    """The column that says which rows belong together: of role pair, else of role unit, else one called after it."""
    for role in ("pair", "unit"):
        sheet = dataset.file("samples")
        found = next((c for c in sheet.columns if c.role == role), None) if sheet else None
        if found:
            return found.name
    sheet = dataset.file("samples")
    called = {"patient", "subject", "donor", "pair", "individual", "participant", "animal", "mouse", "person", "block"}
    for column in sheet.columns if sheet else ():
        if {*forms(column.name)} & called and column.name != (sheet.sample_column if sheet else None):
            return column.name
    return ""


def _unsure(dataset: Dataset, question: Question) -> list[tuple[str, str]]:
    """Readings that decide the question and of which nobody is sure."""
    matrix = dataset.file("expression")
    needs_matrix = question.measure.kind in ("features", "gene", "signature", "gene sets") or bool(question.scores)
    wanted = {*question.columns}
    named = {f.column for f in question.population} | {question.contrast.column if question.contrast else ""}
    several = question.measure.names if question.measure.kind == "column" and len(question.measure.names) > 1 else ()
    beside = {*question.adjust, *question.blocks, *several} - named - {question.outcome}
    found = []
    for reading in dataset.readings:
        if not reading.open:
            continue
        if reading.line.startswith("codes") and reading.column in beside:
            continue  # a model that holds a column is the same whatever its levels are called
        of_matrix = matrix is not None and reading.file == matrix.path and not reading.column
        whole = not reading.file and not reading.column
        if reading.column in wanted or (needs_matrix and of_matrix) or whole:
            where = reading.column or reading.file or dataset.id
            line = mend_line(reading.column, reading.line, reading.file) if reading.line else ""
            found.append((f"{where}: {reading.says} is not sure ({reading.reason})", line))
    return found


def _lacking(dataset: Dataset, question: Question) -> list[tuple[str, str]]:
    """Things that a question needs and the data set has not."""
    if question.kind == "synthesis" and dataset.rows_are("study") is None:
        why = f"{dataset.id} is no list of studies: no table has effects with intervals, standard errors or variances"
        return [(why, "give such a table, a row per study")]
    if question.kind != "synthesis" and not _is_measured(dataset):
        return [(said, "ask what the studies show together") for said in _studies([dataset])]
    if _of_channels(dataset) and question.kind not in ("difference", "enrichment", "description"):
        why = "each row is a channel of an array, and only differences within an array mean something"
        return [(why, "ask what differs between the two levels")]
    of_matrix = question.measure.kind in ("features", "gene", "signature", "gene sets") or question.scores
    if of_matrix and dataset.file("expression") is None:
        return [
            (f"{dataset.id} has no matrix of measurements (features in rows, samples in columns)", "give the matrix")
        ]
    if question.kind == "association" and not question.outcome:
        return [("no column of the data is named that is to be explained", "name the column of the outcome")]
    if question.kind == "association" and question.measure.kind == "none":
        return [("nothing is named that may be associated with it", "name the gene, signature or columns")]
    if question.model == "mutation frequencies" and dataset.rows_are("mutated gene") is None:
        return [(f"{dataset.id} has no list of mutations", "give the MAF file")]
    if question.model == "expression by cell type" and dataset.rows_are("gene of a cell type") is None:
        why = f"{dataset.id} has no counts of single cells with one column of cell types and one of donors"
        return [(why, "give the h5ad file with counts, `donor` and `cell_type`, or ask without cell types")]
    two = question.contrast is not None and len(question.contrast.levels) == 2
    other = {"linear model": not two, "logistic regression": two}.get(question.model, True)
    if question.kind == "association" and question.measure.kind == "column" and not other:
        held = "two levels" if two else "numbers or several levels"
        return [
            (f"a {question.model} is asked for, and {question.outcome} holds {held}", "name another model or outcome")
        ]
    return []


def _validations(
    question: Question,
    objective: Objective,
    measured: Sequence[Data],
    ask: Ask,
    text: Text,
    readings: Sequence[tuple[Data, Wishes]],
) -> list[Question]:
    """The same question in a validation set, where the words ask for it."""
    if question.kind != "time to event" or not word("validated").search(ask.words(text)):
        return []
    other = next((d for d in measured if d.dataset.role == "validation" and d.dataset.id != question.dataset), None)
    if other is None:
        return []
    wishes = next(w for d, w in readings if d is other)
    again = _bind(ask, text, other, wishes)
    return [again.model_copy(update={"compares_with": question.dataset, "adjust": (), "scores": ()})]


def _with_requirements(
    requirements: Sequence[Requirement], questions: Sequence[Question], measured: Sequence[Data]
) -> tuple[list[Question], list[Unbound]]:
    """Apply what requirements ask of the model, the pairs and the population; add questions of kinds not yet asked."""
    found, lost = list(questions), list[Unbound]()
    by_id = {d.dataset.id: d for d in measured}
    for requirement in requirements:
        text = Text(requirement.text)
        if not text.tokens:
            continue
        kinds = _kinds_of_requirement(text)
        data = by_id.get(found[0].dataset, measured[0]) if found else measured[0]
        read = {d.dataset.id: _required(text, d, questions) for d in measured}
        wishes = read[data.dataset.id]
        lost += [u.model_copy(update={"where": requirement.id}) for u, _ in wishes.unbound]
        for n in _concerned(found, kinds, wishes, text):
            own = by_id.get(found[n].dataset, data)
            mine = read[own.dataset.id]
            found[n] = _require(found[n], requirement, mine, own)
        new: tuple[QuestionKind, ...] = (
            "enrichment",
            "structure",
            "prediction",
            "description",
            "difference",
            "time to event",
        )
        for kind in [k for k in kinds if k in new and all(q.kind != k for q in found)]:
            ask = Ask(kind, ((0, len(text.raw)),))
            contrast = next((q.contrast for q in found if q.kind == "difference" and q.contrast), None)
            made = _bind(ask, text, data, wishes)
            if kind == "enrichment" and made.contrast is None and contrast is not None:
                made = made.model_copy(update={"contrast": contrast, "cannot": "", "mend": ""})
            found.append(made.model_copy(update={"requirements": (requirement.id,)}))
    return found, lost


def _required(text: Text, data: Data, questions: Sequence[Question]) -> Wishes:
    """The wishes of a requirement; a signature that a question has bound by its words need not be bound again."""
    wishes = read_wishes(text, Lexicon.of(data.dataset, data.genes, data.sets))
    said = {w for q in questions if q.measure.kind == "signature" for w in forms(q.words)}
    known = [u for u, _ in wishes.unbound if "gene set" in u.why and {*forms(u.words)} <= said]
    wishes.unbound = [(u, n) for u, n in wishes.unbound if u not in known]
    wishes.stops = [s for s in wishes.stops if all(f"“{u.words}”" not in s[0] for u in known)]
    return wishes


def _concerned(questions: Sequence[Question], kinds: Sequence[QuestionKind], wishes: Wishes, text: Text) -> list[int]:
    """The questions that a requirement is about: of its kind; without a kind, those whose model it says more about."""
    if word("validated").search(text.raw) and any(q.compares_with for q in questions):
        return [n for n, q in enumerate(questions) if q.compares_with]
    if kinds:
        return [n for n, q in enumerate(questions) if q.kind in kinds and not q.compares_with]
    strict = [f for f, _, weak in wishes.filters if not weak]
    says = (
        wishes.adjust
        or wishes.scores
        or wishes.blocks
        or wishes.paired
        or strict
        or wishes.methods
        or wishes.stops
        or wishes.unbound
    )
    return [n for n, q in enumerate(questions) if q.kind not in ("description", "structure")] if says else []


def _kinds_of_requirement(text: Text) -> tuple[QuestionKind, ...]:
    """The kinds of questions that a requirement is about; empty when it is about any."""
    found = [k for k in kinds_in(text.raw) if k not in ("association",)]
    if word("survival").search(text.raw):
        found = ["time to event", *(k for k in found if k != "difference")]
    said = word("features").search(text.raw) or re.search(r"(?i)\bdifferential", text.raw)
    if "difference" in found and (not said or "enrichment" in found):
        found.remove("difference")
    return tuple(dict.fromkeys(found))


def _require(question: Question, requirement: Requirement, wishes: Wishes, data: Data) -> Question:
    """Apply a requirement's terms, pairs and population to a question, and note that it serves it."""
    taken = {question.outcome, question.contrast.column if question.contrast else ""}
    adjust = [n for n, _ in wishes.adjust if n not in (*question.adjust, *taken)]
    blocks = [n for n, _ in wishes.blocks if n not in (*question.blocks, *taken)]
    if wishes.adjust_all and not question.adjust and not adjust and question.kind in ("time to event",):
        sheet = data.dataset.file("samples")
        adjust = [c.name for c in (sheet.columns if sheet else ()) if c.role == "covariate" and c.name not in taken]
    scores = [s for s, _ in wishes.scores if s not in question.scores]
    if question.compares_with:
        adjust, scores = [], []
    update: dict[str, object] = {
        "requirements": tuple(dict.fromkeys((*question.requirements, requirement.id))),
        "adjust": (*question.adjust, *adjust, *(s.name for s in scores)),
        "scores": (*question.scores, *scores),
        "blocks": (*question.blocks, *blocks),
    }
    strict = [f for f, _, weak in wishes.filters if not weak and f.text not in [p.text for p in question.population]]
    if strict:
        update["population"] = (*question.population, *strict)
        said = contradiction(question.contrast, (*question.population, *strict))
        if said and not question.cannot:
            update |= {"cannot": said, "mend": "leave out one of the two"}
    if wishes.paired and not question.pair and question.kind in ("difference", "enrichment"):
        pair = pair_column(data.dataset)
        update["pair"] = pair
        if not pair and not question.cannot:
            update["cannot"] = f"“{wishes.paired}” ({requirement.id}): no column says which rows belong together"
            update["mend"] = mend_line("<its name>", 'role = "pair"')
    if wishes.stops and not question.cannot:
        update |= {"cannot": wishes.stops[0][0], "mend": wishes.stops[0][1]}
    return question.model_copy(update=update)


def _context(measured: Sequence[Data], objective: Objective) -> set[str]:
    """Words that describe all the data: of titles, organisms and assays."""
    said: list[str] = [*objective.conditions]
    for d in measured:
        one = d.dataset
        said += [one.title, one.organism or "", one.assay or "", one.platform or "", one.source, *one.notes[:4]]
    return {w for text in said for w in forms(text)}


def _notes(questions: Sequence[Question]) -> tuple[str, ...]:
    """Choices by rule that a person should know."""
    said = []
    for q in questions:
        if q.contrast and q.contrast.stated_by == "two levels" and not q.contrast.words:
            said.append(f"{q.id}: the objective names no groups; {q.contrast.column} is the only column of two groups.")
        if q.contrast and q.contrast.reference_by == "order" and q.contrast.case is not None:
            said.append(
                f"{q.id}: neither objective nor data say which of {q.contrast.case} and {q.contrast.control} is the "
                f"reference; effects are given as {q.contrast.case} against {q.contrast.control}."
            )
        if q.endpoint and not q.endpoint.name:
            said.append(f"{q.id}: neither data nor objective name the endpoint of {q.endpoint.event_column}.")
    return tuple(said)


def by_id(data: Sequence[Data]) -> Mapping[str, Data]:
    """Data sets by their ids."""
    return {d.dataset.id: d for d in data}
