"""Binds inputs and parameters of skills to the questions that they answer and to data; offline rules of the programmer.

Tasks are the dry steps of the protocol, their code is that of the skills.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from pydantic import JsonValue

from bioresearcher.analysis.bench_tables import ROWS, bench_table
from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.analysis.contrasts import NotBoundError, contrast_of
from bioresearcher.analysis.endpoints import censored_time, pairs_of
from bioresearcher.analysis.mentions import levels_of
from bioresearcher.analysis.sets import with_batches
from bioresearcher.analysis.terms import endpoint_words
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.ask_program import CodeDraft, ExtractTasksInput, RepairCodeInput, TasksDraft, WriteCodeInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Column, DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, TaskInput
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import ProtocolStep, StepInput
from bioresearcher.schemas.question import Contrast, Question
from bioresearcher.schemas.skill import SkillContract, SkillInput, SkillParameter
from bioresearcher.text.words import normalised

NOT_STATED = "not stated"
"""Printed value of a parameter that its source does not state."""

NONE = "none"
"""Printed value of an empty list."""

_QUESTION_SOURCES = (
    "pair_column",
    "block_columns",
    "adjust_columns",
    "stated_columns",
    "outcome_column",
    "levels",
    "genes",
    "question_kind",
    "alternatives",
    "references",
    "test",
)

LIST_SOURCES = (
    "covariates",
    "missing_values",
    "block_columns",
    "adjust_columns",
    "stated_columns",
    "levels",
    "genes",
    "alternatives",
    "references",
)


def extract_tasks(values: ExtractTasksInput) -> TasksDraft:
    """Make a task per dry step with a skill, in protocol order; parameters are read back from the step."""
    contracts = {s.name: s.contract for s in values.skills}
    steps = [s for s in values.protocol.steps if s.kind == "dry" and s.skill in contracts]
    ids = {s.id: f"T{n}" for n, s in enumerate(steps, 1)}
    return TasksDraft(tasks=tuple(_task(s, contracts[s.skill or ""], ids) for s in steps))


def _task(step: ProtocolStep, contract: SkillContract, ids: dict[str, str]) -> DryLabTask:
    return DryLabTask(
        id=ids[step.id],
        title=step.title,
        goal=step.action,
        step_ids=(step.id,),
        questions=step.questions,
        inputs=tuple(i for i in (task_input(s.name, s.source, ids) for s in step.inputs) if i is not None),
        outputs=contract.outputs,
        parameters=_parameters(step, contract),
        language=contract.language,
        packages=contract.packages,
        skill=step.skill,
    )


def task_input(name: str, source: str, ids: Mapping[str, str] = MappingProxyType({})) -> TaskInput | None:
    """Return the input of a task for that of a step; None for what was given by hand.

    What a step makes comes from the task that `ids` names for the step, else from that which carries the step out.
    """
    kind, _, rest = source.partition(":")
    owner, _, item = rest.partition("/")
    if kind == "dataset":
        return TaskInput(name=name, dataset=owner, file=item)
    if kind == "step":
        return TaskInput(name=name, task=ids.get(owner, owner), output=item)
    return None


def _parameters(step: ProtocolStep, contract: SkillContract) -> dict[str, JsonValue]:
    printed = {p.name: p.value for p in step.parameters}
    return {p.name: _value(p, printed[p.name]) for p in contract.parameters if p.name in printed}


def _value(parameter: SkillParameter, text: str) -> JsonValue:
    """Convert a printed parameter to the type that its skill declares."""
    if text == NOT_STATED or (parameter.source == "batch_column" and text == NONE):
        return None
    if parameter.source in LIST_SOURCES or isinstance(parameter.default, tuple):
        return [] if text == NONE else [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(parameter.default, bool):
        return text.casefold() in {"true", "yes"}
    if isinstance(parameter.default, int):
        return int(float(text))
    if isinstance(parameter.default, float):
        return float(text)
    return text


def write_code(values: WriteCodeInput) -> CodeDraft:
    """Answer with the name of the task's skill, which stands for its code: an example may be an outline of it."""
    example = next((e for e in values.examples if e.name == values.task.skill), None)
    if example is None:
        return CodeDraft(code="", note="no skill carries out this task, and no model is configured")
    return CodeDraft(code=f"vetted: {example.name}", note=f"The skill {example.name}.")


def repair_code(values: RepairCodeInput) -> CodeDraft:
    """Answer with the same code, which ends the repairs: rules do not change a skill."""
    return CodeDraft(code=values.code, note="The code of a skill is not changed without a model.")


@dataclass(frozen=True)
class Use:
    """A use of a skill: `main` is the data set it analyses, `other` the validation set if it reads one.

    Attributes:
        as_given: Marks a sensitivity analysis: the same on the data as given, where the protocol uses a prepared copy.
        question: The question whose rows and columns it uses; None of a description of the data.
        answers: Ids of the questions that its findings answer; empty where it only shows or prepares something.
    """

    skill: SkillBrief
    main: Dataset
    other: Dataset | None = None
    as_given: bool = False
    question: Question | None = None
    answers: tuple[str, ...] = ()

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The data sets with samples that the use reads."""
        return (self.main,) if self.other is None else (self.main, self.other)


def asked(objective: Objective, datasets: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """Return the data sets with the questions that are asked of them, bound here where nobody has bound them yet.

    Questions bound here that need rows of their own (a part of the population, pairs) have no analysis set.
    """
    if any(d.questions for d in datasets):
        return datasets
    replaced = {d.prepared_from for d in datasets}
    sets = tuple(name for d in datasets for f in d.files for name in f.entries)
    found = bind_questions(objective, [Data(d, sets=sets) for d in datasets if d.id not in replaced]).questions
    by_id = {d.id: d for d in datasets}
    found = tuple(with_batches(q, by_id[q.dataset]) if q.dataset in by_id else q for q in found)
    settled = [
        q.model_copy(update={"cannot": "its rows were not chosen"}) if q.population or q.pair else q for q in found
    ]
    return tuple(d.model_copy(update={"questions": tuple(q for q in settled if q.dataset == d.id)}) for d in datasets)


class Binding:
    """Binds skills to the questions that are asked of data sets, and to what the descriptions say.

    A prepared copy takes the place of the data set it was made from; an analysis set holds the rows of one question.
    """

    def __init__(self, objective: Objective, datasets: tuple[Dataset, ...]) -> None:
        self._text = normalised(
            " ".join([objective.text, *(r.text for r in objective.requirements), *objective.conditions])
        )
        self._datasets = asked(objective, datasets)
        replaced = {d.prepared_from for d in self._datasets}
        usable = [d for d in self._datasets if d.id not in replaced and d.analysis_of is None]
        measured = [d for d in usable if d.file("expression") or d.file("samples") or _listed(d)]
        named = [d for d in measured if d.role == "discovery"]
        free = [d for d in measured if d.role != "validation"] or measured
        largest = max(free, key=lambda d: (d.n_samples, d.id), default=None)
        self.discovery = named[0] if named else largest
        others = [d for d in measured if d is not self.discovery and d.role == "validation"]
        self.validation = others[0] if others else None

    @property
    def populations(self) -> tuple[tuple[Dataset, Question], ...]:
        """The questions that can be answered, each with the data set that holds its rows, in their order."""
        found = [(d, q) for d in self._datasets for q in d.questions if not q.cannot]
        return tuple(sorted(found, key=lambda pair: _number(pair[1].id)))

    def reference(self) -> Dataset | None:
        """The first data set with gene sets."""
        return next((d for d in self._datasets if d.file("gene_sets") is not None and d.analysis_of is None), None)

    @cached_property
    def gene_set(self) -> str | None:
        """The gene set that a question measures; else the one all words of whose name the objective has, the longest.

        A collection's prefix (`HALLMARK_`, `KEGG_`, `GOBP_` …: the first word, when all sets share it) and plural
        endings do not count.
        """
        for _, question in self.populations:
            if question.measure.kind == "signature" and question.measure.names:
                return question.measure.names[0]
        reference = self.reference()
        sheet = reference.file("gene_sets") if reference else None
        names = sheet.entries if sheet else ()
        first = {n.split("_", 1)[0] for n in names}
        best: tuple[int, str] | None = None
        for name in names:
            label = name.split("_", 1)[1] if len(first) == 1 and "_" in name else name
            parts = normalised(label.replace("_", " ")).split()
            if parts and all(self._mentioned(p) for p in parts):
                rank = (sum(map(len, parts)), name)
                best = rank if best is None or rank[0] > best[0] else best
        return best[1] if best else None

    def _mentioned(self, word: str) -> bool:
        stem = word[:-1] if word.endswith("s") and len(word) > 3 else word
        return f" {stem} " in self._text or f" {stem}s " in self._text

    def has_columns(self, use: Use) -> bool:
        """Return True if every data set of the use has the columns that the skill needs."""
        for dataset in use.datasets:
            for role in use.skill.contract.needs_columns:
                question = self._of(use, dataset)
                if role == "alternative" and not (question and question.alternatives):
                    return False
                if role == "group" and self.contrast(dataset, question) is None:
                    return False
                if role in ("time", "event") and (question is None or question.endpoint is None):
                    return False
                if role == "covariate" and dataset.column(role) is None and not (question and question.adjust):
                    return False
        return True

    @staticmethod
    def _of(use: Use, dataset: Dataset) -> Question | None:
        """The question of a use as it is asked of one of its data sets."""
        question = use.question
        if question is None or dataset is use.main:
            return question
        same = [q for q in dataset.questions if q.kind == question.kind and not q.cannot]
        return next((q for q in same if q.measure.names == question.measure.names), next(iter(same), None))

    def comparison(self, dataset: Dataset, question: Question | None = None) -> Contrast | None:
        """The comparison of a question; without one, that of the data set's first question that has one.

        Where no question compares groups, the comparison that the data set's own description states, or that of its
        only column of groups, which has two levels: enough to show or describe samples by.
        """
        if question is not None and question.kind not in ("structure", "description"):
            return question.contrast if question.contrast and question.contrast.levels else None
        for one in dataset.questions:
            if one.contrast is not None and one.contrast.levels and not one.cannot:
                return one.contrast
        sheet = dataset.file("samples")
        groups = [c for c in sheet.columns if c.role == "group"] if sheet else []
        stated = [c for c in groups if c.case is not None and c.control is not None]
        chosen = stated[:1] or (groups if len(groups) == 1 else [])
        try:
            found = contrast_of(chosen[0], None) if chosen and len(levels_of(chosen[0])) == 2 else None
        except NotBoundError:
            return None
        return found

    def contrast(self, dataset: Dataset, question: Question | None = None) -> tuple[Column, str, str] | None:
        """Group column, case level, control level; None where no two groups are compared."""
        found = self.comparison(dataset, question)
        sheet = _described(dataset)
        column = next((c for c in sheet.columns if found and c.name == found.column), None) if sheet else None
        if found is None or column is None or found.case is None or found.control is None:
            return None
        return column, found.case, found.control

    def doubts(self, dataset: Dataset) -> tuple[str, ...]:
        """Caveats on the comparisons in a data set: choices that neither the objective nor the source states."""
        caveats = []
        for question in dataset.questions:
            contrast = question.contrast
            if contrast is None or question.cannot or contrast.case is None:
                continue
            if contrast.stated_by == "two levels" and not contrast.words:
                caveats.append(
                    f"{dataset.id}: the objective names no groups, so those of {contrast.column}, the only column of "
                    "two groups, are compared."
                )
            if contrast.reference_by == "order":
                caveats.append(
                    f"{dataset.id}: nothing says which of {contrast.case} and {contrast.control} is the reference; "
                    f"effects are those of {contrast.case} against {contrast.control}."
                )
        return tuple(dict.fromkeys(caveats))

    def why_not(self, skill: SkillBrief) -> str:
        """The reason why the data at hand do not allow a skill; empty when none is known."""
        if self.discovery is None:
            return "there is no data set with samples"
        contract, dataset = skill.contract, self.discovery
        if any(i.role == "validation" for i in contract.inputs) and self.validation is None:
            return "there is no data set of role validation"
        if any(i.kind == "expression" for i in contract.inputs) and dataset.file("expression") is None:
            return f"{dataset.id} has no matrix of measurements (features in rows, samples in columns)"
        if any(i.kind == "gene_sets" and i.required for i in contract.inputs) and self.reference() is None:
            return "there are no gene sets"
        lost = next((q for d in self._datasets for q in d.questions if q.cannot and q.kind in contract.answers), None)
        if lost is not None:
            return lost.cannot
        lacking = [r for r in contract.needs_columns if r != "alternative" and dataset.column(r) is None]
        if lacking:
            return f"{dataset.id} has no column of role {' or '.join(lacking)}"
        if any(p.source == "gene_set" and p.required for p in contract.parameters) and self.gene_set is None:
            return "the objective names none of the gene sets at hand"
        return ""

    def input_source(self, skill_input: SkillInput, use: Use, step_of: dict[tuple[str, str], str]) -> str | None:
        """The `source` of a step input; None when no data set or step fits.

        `step_of` maps (skill, data set id) to the step that runs it.
        """
        dataset = self._dataset(skill_input.role, use)
        if skill_input.kind == "output":
            step = step_of.get((skill_input.skill or "", dataset.id if dataset else "")) or step_of.get(
                (skill_input.skill or "", use.main.id)
            )
            return f"step:{step}/{skill_input.output}" if step else None
        file = dataset.file(skill_input.kind) if dataset else None
        if skill_input.row_is:
            file = dataset.rows_are(skill_input.row_is) if dataset else None
        return f"dataset:{dataset.id}/{file.name}" if dataset and file else None

    def _dataset(self, role: str, use: Use) -> Dataset | None:
        if role == "reference":
            return self.reference()
        return use.other if role == "validation" else use.main

    def inputs(self, use: Use, step_of: dict[tuple[str, str], str]) -> tuple[StepInput, ...] | None:
        """All inputs of a use; None when a required one has no source."""
        found = []
        for skill_input in use.skill.contract.inputs:
            source = self.input_source(skill_input, use, step_of)
            if source is not None:
                found.append(StepInput(name=skill_input.name, source=source))
            elif skill_input.required:
                return None
        return tuple(found)

    def parameters(self, use: Use) -> tuple[Parameter, ...] | None:
        """All parameters of a use as printed; None when a required one cannot be bound."""
        printed = []
        scored = [p for p in use.skill.contract.parameters if p.source in ("gene_set", "genes")]
        if len(scored) == 2 and all(self._value(p, use) in (None, NONE) for p in scored):
            return None  # neither a set nor genes are named: there is nothing to score
        for parameter in use.skill.contract.parameters:
            value = self._value(parameter, use)
            if value is None and parameter.source is None and not parameter.required:
                continue  # a person's or model's choice that the rules do not make
            if value is None and parameter.required and parameter.source not in {"time_unit", "endpoint", "scale"}:
                return None
            text = value if value is not None else NONE if parameter.source == "batch_column" else NOT_STATED
            printed.append(Parameter(name=parameter.name, value=text, unit=parameter.unit if value else ""))
        return tuple(printed)

    def _value(self, parameter: SkillParameter, use: Use) -> str | None:
        if parameter.source is None:
            return _printed(parameter.default)
        question = use.question
        if parameter.source == "gene_set":
            if question is not None and question.measure.kind == "signature":
                return question.measure.names[0]
            measured = question is not None and question.measure.kind in ("gene", "column", "none")
            return None if measured else self.gene_set or _printed(parameter.default)
        dataset = use.other if parameter.role == "validation" and use.other else use.main
        bound = self._from_dataset(parameter.source, dataset, self._of(use, dataset))
        return bound if bound is not None else _printed(parameter.default)

    def _from_dataset(self, source: str, dataset: Dataset, question: Question | None) -> str | None:
        sheet, matrix = dataset.file("samples"), dataset.file("expression")
        if source in {"group_column", "case", "control", "group_label"}:
            return self._of_groups(source, dataset, question)
        if source == "covariates":
            if question is not None:
                return ", ".join(_covariates(question)) or None
            columns = [c.name for c in sheet.columns if c.role == "covariate"] if sheet else []
            return ", ".join(columns) or None
        if source == "missing_values":
            values = [f"{c.name}={code}" for c in sheet.columns for code in c.stated_codes] if sheet else []
            return ", ".join(values) or None
        if source in _QUESTION_SOURCES:
            return _of_question(source, question)
        time, event = _only_endpoint(dataset)
        batch = dataset.column("batch")
        end = question.endpoint if question else None
        unit = next((c.unit for c in sheet.columns if end and c.name == end.time_column), None) if sheet else None
        simple: dict[str, str | None] = {
            "sample_column": sheet.sample_column if sheet else None,
            "feature_column": matrix.feature_column if matrix else None,
            "scale": matrix.scale if matrix else None,
            "time_column": end.time_column if end else time.name if time else None,
            "event_column": end.event_column if end else event.name if event else None,
            "batch_column": next(iter(question.blocks), None) if question else batch.name if batch else None,
            "time_unit": unit if end else time.unit if time else None,
            "endpoint": (endpoint_words(end.name) if end and end.name else None) or dataset.endpoint,
            "dataset_label": dataset.id,
        }
        return simple[source]

    def _of_groups(self, source: str, dataset: Dataset, question: Question | None) -> str | None:
        """The parameter of a comparison; all of several levels have a column, and neither case nor control."""
        found = self.comparison(dataset, question)
        sheet = _described(dataset)
        column = next((c for c in sheet.columns if found and c.name == found.column), None) if sheet else None
        if found is None or column is None:
            return None
        values = {"group_column": column.name, "case": found.case, "control": found.control}
        if dataset.analysis_of is None and column.codes and found.case and found.control:
            written = [_as_written(column, level) for level in (found.case, found.control)]
            if None in written:
                return None  # a level of several spellings: the skill would count one of them
            values |= {"case": written[0], "control": written[1]}
        return values.get(source, column.label or None)


def _described(dataset: Dataset) -> DataFile | None:
    """The file whose columns hold the groups: the sheet, or a table of wells or cells."""
    return dataset.file("samples") or bench_table(dataset)


def _as_written(column: Column, level: str) -> str | None:
    """The cell that means a level where the file stands as it was given; None when there are several."""
    cells = [cell for cell in column.levels if column.level_of(cell) == level]
    return cells[0] if len(cells) == 1 else None


def _listed(dataset: Dataset) -> bool:
    """True for a data set with a list of studies or of mutated genes, or of wells or cells, which some skills read."""
    return any(dataset.rows_are(what) is not None for what in ("study", "mutated gene", *ROWS))


def _only_endpoint(dataset: Dataset) -> tuple[Column | None, Column | None]:
    """The time and event of a data set by which it can be described as it is: its only pair, with events 0 and 1."""
    pairs = pairs_of(dataset)
    if len(pairs) != 1:
        return None, None
    _, time, event = pairs[0]
    plain = event.levels and all(as_number(v) in (0.0, 1.0) for v in event.levels)
    return (time, event) if plain and not censored_time(dataset, time) else (None, None)


def _covariates(question: Question) -> tuple[str, ...]:
    """The columns that a question adjusts for; of an association with numbers, the column that it explains."""
    if question.kind == "association" and question.outcome and question.contrast is None:
        return (question.outcome,)
    return question.adjust


def _of_question(source: str, question: Question | None) -> str | None:
    """A parameter that only a question states."""
    if question is None:
        return None
    contrast = question.contrast
    several = contrast.levels if contrast is not None and contrast.case is None else ()
    return {
        "pair_column": question.pair or None,
        "block_columns": ", ".join(question.blocks) or None,
        "adjust_columns": ", ".join(question.adjust) or None,
        "stated_columns": ", ".join(_stated(question)) or None,
        "outcome_column": question.outcome or None if contrast is None or not contrast.levels else None,
        "levels": ", ".join(several) or None,
        "genes": ", ".join(question.measure.names) or None if question.measure.kind == "gene" else None,
        "question_kind": question.kind,
        "alternatives": ", ".join(question.alternatives) or None,
        "references": ", ".join(question.references) or None,
        "test": question.test or None,
    }[source]


def _stated(question: Question) -> tuple[str, ...]:
    """The columns whose result a question asks for: those it measures, and the column that it explains."""
    measured = question.measure.names if question.measure.kind == "column" else ()
    return tuple(dict.fromkeys(n for n in (*measured, question.outcome) if n))


def _number(question_id: str) -> int:
    """The number in a question's id."""
    digits = question_id.lstrip("A")
    return int(digits) if digits.isdigit() else 0


def _printed(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, tuple):
        return ", ".join(value) or NONE
    return str(value).lower() if isinstance(value, bool) else str(value)
