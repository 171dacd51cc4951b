"""Questions to tables whose rows are no samples: wells with doses, qPCR wells, cells. Their kind says what they ask."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bioresearcher.analysis.asks import asks_of
from bioresearcher.analysis.contrasts import NotBoundError, choose_contrast
from bioresearcher.analysis.mentions import Lexicon
from bioresearcher.analysis.reading import read_wishes
from bioresearcher.analysis.terms import methods_named
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.question import Measure, Question, QuestionKind

ROWS: Final[dict[str, tuple[QuestionKind, str]]] = {
    "dose": ("association", "dose-response curve"),
    "qPCR well": ("difference", "relative quantification"),
    "cell": ("difference", "abundance of cell types"),
}
"""Rows of a table -> the kind of question that it answers, and the analysis."""
_REFERENCES: Final = re.compile(
    r"(?i)(?:normali[sz]ed\s+(?:to|by|against|with)|(?:reference|housekeeping)\s+genes?|relative\s+to)\s+(?P<names>[^.;?!]+)"
)


def bench_table(dataset: Dataset) -> DataFile | None:
    """The table of wells or cells of a data set that has no samples of its own."""
    if dataset.file("samples") is not None or dataset.file("expression") is not None:
        return None
    return next((f for f in dataset.files if f.kind == "table" and f.row_is in ROWS), None)


def bench_questions(raw: str, datasets: Sequence[Dataset]) -> tuple[Question, ...]:
    """The questions of a text to such tables, each to the first table of which it asks; empty without tables."""
    tables = [(d, t) for d in datasets if (t := bench_table(d)) is not None]
    text = Text(raw)
    if not tables or not text.tokens:
        return ()
    found: list[Question] = []
    for ask in asks_of(text):
        words = ask.words(text)
        named = {m.name for m, _ in methods_named(Text(words))}
        fits = [(d, t) for d, t in tables if ROWS[t.row_is][1] in named]
        fits = fits or [(d, t) for d, t in tables if not named and ROWS[t.row_is][0] == ask.kind]
        dataset, table = (fits or tables)[0]
        kind, model = ROWS[table.row_is]
        one = Question(
            id=f"A{len(found) + 1}",
            kind=kind if fits else ask.kind,
            text="",
            dataset=dataset.id,
            measure=Measure(),
            model=model if fits else "",
            words=words,
        )
        if not fits:
            stop = f"{table.path} holds a row per {table.row_is}, of which only a {model} can be made"
            found.append(one.model_copy(update={"cannot": stop, "mend": f"ask for the {model}"}))
        else:
            found.append(_grouped(one, raw, dataset, table) if kind == "difference" else one)
    return tuple(found)


def _grouped(question: Question, raw: str, dataset: Dataset, table: DataFile) -> Question:
    """A comparison with its groups, pairs and covariates, and for qPCR its reference genes."""
    text, columns = Text(_REFERENCES.sub(" ", raw)), {c.name: _as_group(c) for c in table.columns}
    wishes = read_wishes(text, Lexicon(dataset, columns=columns))
    lexicon = Lexicon(dataset, columns=columns)
    try:
        contrast = choose_contrast(wishes, lexicon, wishes.compared, [m.name for m in wishes.by], asked=True)
    except NotBoundError as error:
        return question.model_copy(
            update={"cannot": error.why, "mend": error.mend or "name both groups as in the table"}
        )
    update: dict[str, object] = {"contrast": contrast}
    taken = {contrast.column} if contrast else set()
    update["adjust"] = tuple(dict.fromkeys(n for n, _ in wishes.adjust if n not in taken))
    update["blocks"] = tuple(dict.fromkeys(n for n, _ in wishes.blocks if n not in taken))
    if wishes.paired:
        update |= {"cannot": "no vetted analysis pairs the rows of such a table", "mend": "ask without pairs"}
    genes = {c.name for c in table.columns if {*_references(raw, table)} & {*c.levels}}  # they are measured
    if any(f.column not in taken | genes for f, _, _ in wishes.filters):
        update |= {"cannot": "rows of such a table are not chosen by rule", "mend": "give the rows that are meant"}
    if table.row_is == "qPCR well":
        references = _references(raw, table)
        update["references"] = references
        if not references:
            why = "no reference gene is named that is in the table"
            update |= {"cannot": why, "mend": "write “normalised to GAPDH” with the gene as it is called there"}
    return question.model_copy(update=update)


def _as_group(column: Column) -> Column:
    """A column of few levels can be compared, whatever role its name suggests."""
    few = len(column.levels) > 1 and column.dtype in ("text", "boolean") and column.role in ("other", "covariate")
    return column.model_copy(update={"role": "group"}) if few else column


def _references(raw: str, table: DataFile) -> tuple[str, ...]:
    """The reference genes that the words name, as they are written in the table."""
    known = {level.casefold(): level for c in table.columns if c.dtype == "text" for level in c.levels}
    found: list[str] = []
    for match in _REFERENCES.finditer(raw):
        for word in re.split(r"[\s,]+", match["names"]):
            name = known.get(word.strip("()“”\"'").casefold())
            if name is not None:
                found.append(name)
            elif found and word.casefold() not in ("and", "or", "the", ""):
                break
    return tuple(dict.fromkeys(found))
