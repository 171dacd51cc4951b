"""Analysis sets: for each question the rows and columns on which it is answered, as a data set with its flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bioresearcher.analysis.bench_tables import bench_table
from bioresearcher.analysis.derived import sheet_of, with_derived
from bioresearcher.analysis.flow import Rows, analyse
from bioresearcher.analysis.flow_figure import flow_svg
from bioresearcher.analysis.scores import members, scored, shared_genes, without_scores
from bioresearcher.audit.tables import Sheet, read_names, read_sheet
from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets, Question, Questions
from bioresearcher.sources.datasets.formats import BY_TYPE, TYPES_HEADER
from bioresearcher.sources.datasets.load import load_fetched
from bioresearcher.sources.datasets.spec import ColumnSpec, FileSpec
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits
from bioresearcher.sources.datasets.write import open_gzip, write_copy, write_table

FLOW, FIGURE, SETS = "flow.json", "flow.svg", "sets.json"
"""Files of a question's folder, and the file of the folder of all."""
ROW: Final = "row"
"""Column of the numbers of rows, where a sheet names none."""
_LIMITS: Final = TableLimits(text_bytes=8 << 30)
_MATRIX: Final = ("features", "gene", "signature", "gene sets")
BY_TYPE_MODEL: Final = "expression by cell type"
"""Name of the analysis that reads counts by cell type and donor."""
_WHOLE: Final = ("structure", "description", "synthesis")


@dataclass(frozen=True)
class Made:
    """The questions with what the data added to them, their analysis sets, and the data sets that hold them."""

    questions: Questions
    sets: AnalysisSets
    datasets: tuple[Dataset, ...]


def make_sets(questions: Questions, datasets: Sequence[Dataset], folder: Path) -> Made:
    """Make the analysis set of each question, in `folder/<question>`.

    A question is answered on the prepared copy of its data set where there is one. Where it asks for all rows as they
    are, the data set itself is its analysis set. A question whose set is empty or too small says so in `cannot`.

    Raises:
        WorkspaceError: A set cannot be written.
    """
    known = {d.id: d for d in datasets if d.analysis_of is None}
    prepared = {d.prepared_from: d for d in known.values() if d.prepared_from}
    genes = members(datasets) if any(q.scores for q in questions.questions) else {}
    settled: list[Question] = []
    sets: list[AnalysisSet] = []
    made: dict[str, Dataset] = {}
    for question in questions.questions:
        dataset = prepared.get(question.dataset) or known.get(question.dataset)
        if question.cannot or dataset is None:
            why = question.cannot or f"the data set {question.dataset} is not used"
            settled.append(question.model_copy(update={"cannot": why}))
            sets.append(AnalysisSet(id=question.id, question=question.id, source=question.dataset, problem=why))
            continue
        question = with_batches(question.model_copy(update={"dataset": dataset.id}), dataset)
        try:
            held = made.get(dataset.id, dataset)
            found, holder = _make(question, held, folder, genes)
        except InputError as error:
            found = AnalysisSet(id=question.id, question=question.id, source=dataset.id, problem=error.message)
            holder = None
        if found.problem:
            question = question.model_copy(update={"cannot": found.problem})
        elif holder is not None:
            question = one_time(question) if not found.same_as_source else question
            made[holder.id] = holder.model_copy(update={"questions": (*holder.questions, question)})
        settled.append(question)
        sets.append(found)
        _write_flow(found, folder / question.id)
    updated = questions.model_copy(update={"questions": tuple(settled)})
    return Made(updated, AnalysisSets(sets=tuple(sets)), tuple(made.values()))


def with_batches(question: Question, dataset: Dataset) -> Question:
    """Add the batches that the audit found to the model of a time to event: each has a baseline hazard of its own."""
    batch = dataset.column("batch")
    if question.kind != "time to event" or batch is None or not dataset.prepared_from:
        return question
    if batch.name in question.columns or not dataset.proposals:
        return question
    return question.model_copy(update={"blocks": (*question.blocks, batch.name)})


def _make(
    question: Question, dataset: Dataset, folder: Path, genes: Mapping[str, tuple[str, ...]]
) -> tuple[AnalysisSet, Dataset | None]:
    """Make one set: the set, and the data set that holds it (None when it cannot be analysed)."""
    listed = dataset.rows_are("study") if question.kind == "synthesis" else None
    if question.model == "mutation frequencies":
        listed = dataset.rows_are("mutated gene")
    wells = bench_table(dataset)
    if wells is not None:
        n = wells.rows
        every = AnalysisSet(id=question.id, question=question.id, source=dataset.id, start=n, n=n, units=n)
        return every.model_copy(update={"population": dataset.id, "same_as_source": True}), dataset
    if listed is not None:
        n = listed.rows if question.kind == "synthesis" else _sequenced(dataset, listed)
        every = AnalysisSet(id=question.id, question=question.id, source=dataset.id, start=n, n=n, units=n)
        return every.model_copy(update={"population": dataset.id, "same_as_source": True}), dataset
    sheet, names = read_sheet(dataset), read_names(dataset)
    if question.derived:
        sheet = with_derived(sheet_of(sheet, names), question.derived)
    if not sheet.columns:
        count = len(names.samples) if names else 0
        whole = question.kind in _WHOLE and count > 0
        problem = "" if whole else f"{dataset.id} has no sample sheet"
        found = AnalysisSet(id=question.id, question=question.id, source=dataset.id, start=count, n=count, units=count)
        found = found.model_copy(update={"problem": problem})
        rows = None
    else:
        samples = names.samples if names else None
        if question.scores:
            found, sheet, rows = _with_scores(question, dataset, sheet, samples, genes)
        else:
            found, rows = analyse(question, sheet, samples)
    if found.problem:
        return found, None
    same_kind = any(q.kind == question.kind for q in dataset.questions)
    if rows is None or (_is_whole(question, sheet, rows) and not same_kind):
        return found.model_copy(update={"population": dataset.id, "same_as_source": True}), dataset
    single = one_time(question)
    if single is not question and question.endpoint and single.endpoint:
        rows.cells[single.endpoint.time_column] = rows.cells[question.endpoint.time_column]
        question = single
    copy = _write(question, dataset, sheet, rows, folder / question.id)
    return found.model_copy(update={"population": copy.id}), copy


def _with_scores(
    question: Question,
    dataset: Dataset,
    sheet: Sheet,
    samples: Sequence[str] | None,
    genes: Mapping[str, tuple[str, ...]],
) -> tuple[AnalysisSet, Sheet, Rows]:
    """Choose the rows of a question with columns of scores: first its rows, then the scores within them."""
    found, rows = analyse(without_scores(question), sheet, samples)
    if found.problem:
        return found, sheet, rows
    if not sheet.ids or dataset.file("expression") is None:
        problem = f"{dataset.id} has no matrix whose samples its sheet names, so nothing can be scored"
        return found.model_copy(update={"problem": problem}), sheet, rows
    made = scored(question.scores, dataset, [sheet.ids[n] for n in rows.left], genes)
    if problem := "; ".join(m.problem for m in made.values() if m.problem):
        return found.model_copy(update={"problem": problem}), sheet, rows
    added = {name: [one.cells.get(i, "") for i in sheet.ids] for name, one in made.items()}
    sheet = replace(sheet, columns={**sheet.columns, **added})
    found, rows = analyse(question, sheet, samples)
    scale = (dataset.file("expression") or dataset.files[0]).scale or ""
    cautions = [*found.cautions, *shared_genes(question, genes)]
    if scale in ("counts", "linear"):
        cautions.append(f"the scores are of values that are no logarithms ({scale})")
    scores = tuple(m.made for m in made.values() if m.made is not None)
    return found.model_copy(update={"scores": scores, "cautions": tuple(cautions)}), sheet, rows


def _sequenced(dataset: Dataset, listed: DataFile) -> int:
    """The patients or samples of a list of mutations, which each row of its genes states."""
    with RowStream(Path(dataset.root) / listed.path, _LIMITS) as stream:
        first = next(iter(stream.rows(1)), ["", "", "0"])
    return int(first[2])


def one_time(question: Question) -> Question:
    """The question with one column of follow-up times, named after the endpoint, where the data have two."""
    end = question.endpoint
    if end is None or not end.censored_time_column:
        return question
    named = end.model_copy(update={"time_column": f"{end.name or 'follow_up'}_time", "censored_time_column": ""})
    return question.model_copy(update={"endpoint": named})


def _is_whole(question: Question, sheet: Sheet, rows: Rows) -> bool:
    """True if a question asks for the rows and cells of the data set as they are: only unknown ones are left out."""
    if (
        question.derived
        or question.scores
        or question.leave_out
        or not sheet.sample_column
        or question.population
        or (question.endpoint and question.endpoint.censored_time_column)
    ):
        return False
    for step in rows.steps:
        unknown = step.reason.endswith(("is not known", "time or event")) or step.reason == "not in the matrix"
        if not unknown:
            return False
    for name, cells in rows.cells.items():
        raw = sheet.known[name]
        if any(cell and cell != given for cell, given in zip(cells, raw, strict=True)):
            return False
    return True


def _write(question: Question, dataset: Dataset, sheet: Sheet, rows: Rows, folder: Path) -> Dataset:
    """Write the copy of a data set that holds a question's rows and columns in canonical form, and load it."""
    identity = safe_name(f"{dataset.id}-{question.id}")
    target = folder / "data"
    write_copy(
        target,
        dataset,
        lambda place: _files(question, dataset, sheet, rows, place),
        id=identity,
        title=f"{dataset.title}, rows of question {question.id}",
        endpoint=dataset.endpoint or (question.endpoint.name if question.endpoint else None) or None,
        notes=(f"Rows of {dataset.id} that question {question.id} is about: {question.text}",),
    )
    loaded = load_fetched(target, dataset)
    return loaded.model_copy(
        update={
            "id": identity,
            "described_by": dataset.described_by,
            "analysis_of": dataset.id,
            "prepared_from": None,
            "proposals": dataset.proposals,
            "questions": (),
            "role": dataset.role,
        }
    )


def _files(question: Question, dataset: Dataset, sheet: Sheet, rows: Rows, place: Path) -> Iterator[FileSpec]:
    ids = [sheet.ids[n] if sheet.ids else f"{ROW} {n + 1}" for n in rows.left]
    matrix = dataset.file("expression")
    if matrix is not None and question.measure.kind in (*_MATRIX, "none") and sheet.ids:
        path = place / "expression.tsv.gz"
        _write_matrix(Path(dataset.root) / matrix.path, matrix.feature_column, ids, path)
        yield FileSpec(
            name=matrix.name,
            kind="expression",
            path=path.name,
            feature_column=matrix.feature_column,
            scale=matrix.scale,
        )
    types = dataset.rows_are(BY_TYPE)
    if types is not None and question.model == BY_TYPE_MODEL and sheet.ids:
        path = place / "cell-types.tsv.gz"
        _write_matrix(Path(dataset.root) / types.path, TYPES_HEADER[0], ids, path, TYPES_HEADER[1])
        yield FileSpec(
            name=types.name, kind="table", path=path.name, feature_column=types.feature_column, row_is=BY_TYPE
        )
    name = sheet.sample_column or ROW
    others = [c for c in dict.fromkeys((*sheet.columns, *rows.cells)) if c != name]
    with (place / "samples.tsv").open("wb") as out:
        cells = (
            [identity, *((rows.cells.get(c) or sheet.columns[c])[n] for c in others)]
            for identity, n in zip(ids, rows.left, strict=True)
        )
        write_table(out, [name, *others], cells)
    described = dataset.file("samples")
    columns = {c: _column(question, sheet.described.get(c), c, plain=c in rows.cells) for c in others}
    end = question.endpoint
    if end is not None and end.time_unit and end.time_column in columns:
        columns[end.time_column] = columns[end.time_column].model_copy(update={"unit": end.time_unit})
    yield FileSpec(
        name=described.name if described else "samples",
        kind="samples",
        path="samples.tsv",
        sample_column=name,
        columns={name: ColumnSpec(role="id"), **columns},
    )


def _column(question: Question, known: Column | None, name: str, *, plain: bool) -> ColumnSpec:
    """The description of a column of an analysis set: of its role in the question, or none."""
    contrast, end = question.contrast, question.endpoint
    role, case, control, endpoint, event_level = "other", None, None, "", None
    if contrast is not None and name == contrast.column and contrast.levels:
        role, case, control = "group", contrast.case, contrast.control
    elif end is not None and name == end.time_column:
        role, endpoint = "time", end.name
    elif end is not None and name == end.event_column:
        role, endpoint, event_level = "event", end.name, "1"
    elif name == question.pair:
        role = "pair"
    elif name == question.unit:
        role = "unit"
    elif name in question.blocks:
        role = "batch"
    elif (
        name in question.adjust
        or name in {s.name for s in question.scores}
        or (question.measure.kind == "column" and name in question.measure.names)
    ):
        role = "covariate"
    elif name == question.outcome:
        role = "group" if known is not None and known.role in ("group", "event") else "covariate"
    return ColumnSpec.model_validate(
        {
            "role": role,
            "label": known.label if known else next((s.text for s in question.scores if s.name == name), ""),
            "aliases": known.aliases if known else (),
            "case": case if control is not None else None,
            "control": control if case is not None else None,
            "missing_values": () if plain or known is None else known.stated_codes,
            "unit": known.unit if known else None,
            "endpoint": endpoint,
            "event_level": event_level,
        }
    )


def _write_matrix(
    source: Path, feature_column: str | None, samples: Sequence[str], target: Path, beside: str = ""
) -> None:
    """Write the columns of some samples, in their order, after the features and a column `beside` them."""
    with RowStream(source, _LIMITS) as stream, open_gzip(target) as out:
        at = stream.header.index(feature_column) if feature_column in stream.header else 0
        place = {name.strip(): i for i, name in enumerate(stream.header) if i != at}
        keep = [at, *([place[beside]] if beside else []), *(place[s] for s in samples if s in place)]
        write_table(out, [stream.header[i] for i in keep], ([cells[i] for i in keep] for cells in stream.rows()))


def _write_flow(found: AnalysisSet, folder: Path) -> None:
    """Write the flow as JSON, as a table and as a figure."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / FLOW, found.model_dump_json(indent=2) + "\n")
    if not found.problem:
        write_text(folder / FIGURE, flow_svg(found))
    write_text(folder / "flow.csv", "\n".join(",".join(_quoted(c) for c in row) for row in flow_rows(found)) + "\n")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(ch in cell for ch in ',"\n') else cell


def flow_rows(found: AnalysisSet) -> list[tuple[str, str, str]]:
    """The flow as a table: step, rows left out, rows left; then groups and events."""
    rows = [("step", "left out", "left"), ("all rows", "", str(found.start))]
    rows += [(s.reason, str(s.left_out), str(s.left)) for s in found.flow]
    rows.append(("analysed", "", str(found.n)))
    rows += [(s.text, str(found.n - s.scored), str(s.scored)) for s in found.scores]
    if found.covariates:
        happened = f" ({found.complete_events} events)" if found.complete_events is not None else ""
        reason = f"complete in the covariates {', '.join(found.covariates)}{happened}"
        rows.append((reason, str(found.n - found.complete), str(found.complete)))
    if found.pairs is not None:
        rows.append(("complete pairs", "", str(found.pairs)))
    for group in found.groups:
        events = f" ({group.events} events)" if group.events is not None else ""
        rows.append((f"{found.contrast_column} = {group.level}{events}", "", str(group.n)))
    if found.events is not None:
        rows.append((f"{found.endpoint or 'events'}: with event", "", str(found.events)))
    return rows
