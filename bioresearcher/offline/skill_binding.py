"""Chooses the skills of a protocol and binds their inputs and parameters to data sets; offline rules of the programmer.

The skills are those that the objective asks for, those that are always used, and those they depend on. Tasks are the
dry steps of the protocol, their code is that of the skills.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pydantic import JsonValue

from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.ask_program import CodeDraft, ExtractTasksInput, RepairCodeInput, TasksDraft, WriteCodeInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.schemas.execution import DryLabTask, TaskInput
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import ProtocolStep, StepInput
from bioresearcher.schemas.skill import SkillContract, SkillInput, SkillParameter
from bioresearcher.text.words import normalised

NOT_STATED = "not stated"
"""Printed value of a parameter that its source does not state."""

NONE = "none"
"""Printed value of an empty list."""

LIST_SOURCES = ("covariates", "missing_values", "block_columns", "adjust_columns", "stated_columns", "levels", "genes")


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
        inputs=tuple(i for i in (_input(s.name, s.source, ids) for s in step.inputs) if i is not None),
        outputs=contract.outputs,
        parameters=_parameters(step, contract),
        language=contract.language,
        packages=contract.packages,
        skill=step.skill,
    )


def _input(name: str, source: str, ids: dict[str, str]) -> TaskInput | None:
    kind, _, rest = source.partition(":")
    owner, _, item = rest.partition("/")
    if kind == "dataset":
        return TaskInput(name=name, dataset=owner, file=item)
    if kind == "step" and owner in ids:
        return TaskInput(name=name, task=ids[owner], output=item)
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


_NO_NAMES = frozenset({"true", "false", "yes", "no", "y", "n", "other"})
"""Levels of a column that mean nothing without its name."""


@dataclass(frozen=True)
class Use:
    """A use of a skill: `main` is the data set it analyses, `other` the validation set if it reads one.

    `as_given` marks a sensitivity analysis: the same on the data as given, where the protocol uses a prepared copy.
    """

    skill: SkillBrief
    main: Dataset
    other: Dataset | None = None
    as_given: bool = False

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The data sets with samples that the use reads."""
        return (self.main,) if self.other is None else (self.main, self.other)


class Binding:
    """Binds skills to data: discovery and validation sets, group column and gene set, from descriptions alone.

    A prepared copy takes the place of the data set it was made from.
    """

    def __init__(self, objective: Objective, datasets: tuple[Dataset, ...]) -> None:
        self._raw = " ".join([objective.text, *(r.text for r in objective.requirements), *objective.conditions])
        self._text = normalised(self._raw)
        self._datasets = datasets
        replaced = {d.prepared_from for d in datasets}
        usable = [d for d in datasets if d.id not in replaced]
        measured = [d for d in usable if d.file("expression") is not None or d.file("samples") is not None]
        named = [d for d in measured if d.role == "discovery"]
        free = [d for d in measured if d.role != "validation"] or measured
        largest = max(free, key=lambda d: (d.n_samples, d.id), default=None)
        self.discovery = named[0] if named else largest
        others = [d for d in measured if d is not self.discovery and d.role == "validation"]
        self.validation = others[0] if others else None

    def reference(self) -> Dataset | None:
        """The first data set with gene sets."""
        return next((d for d in self._datasets if d.file("gene_sets") is not None), None)

    @cached_property
    def gene_set(self) -> str | None:
        """The gene set all words of whose name are in the objective or a requirement; the longest such name.

        A collection's prefix (`HALLMARK_`, `KEGG_`, `GOBP_` …: the first word, when all sets share it) and plural
        endings do not count.
        """
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

    def group(self, dataset: Dataset) -> Column | None:
        """The group column to compare.

        One whose levels the objective names, else one whose name it has, else the first with a stated contrast, else
        the first.
        """
        groups = self._groups(dataset)
        by_levels = [c for c in groups if len(self._levels_named(c)) >= 2]
        named = [c for c in groups if self._column_mentioned(c)]
        stated = [c for c in groups if c.case is not None and c.control is not None]
        return next(iter([*by_levels, *[c for c in named if c in stated], *named, *stated, *groups]), None)

    @staticmethod
    def _groups(dataset: Dataset) -> list[Column]:
        sheet = dataset.file("samples")
        return [c for c in sheet.columns if c.role == "group"] if sheet else []

    def _levels_named(self, column: Column) -> list[str]:
        """The levels of a column that the objective names, in the order of the text.

        Short capitals (ALL, NEG) are matched with case; numbers and yes or no are no names.
        """
        places = {}
        for level in column.groups:
            word = level.strip()
            if word.casefold() in _NO_NAMES or not normalised(word).strip(" 0123456789"):
                continue
            if word.isupper() and len(word) <= 5:
                found = re.search(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", self._raw)
                place = found.start() if found else -1
            else:
                place = self._text.find(normalised(word))
            if place >= 0:
                places[level] = place
        return sorted(places, key=lambda level: places[level])

    def _column_mentioned(self, column: Column) -> bool:
        names = [column.name, column.label, *column.aliases]
        return any(len(n) > 1 and normalised(n.replace("_", " ")) in self._text for n in names if n)

    def has_columns(self, use: Use) -> bool:
        """Return True if every data set of the use has the columns that the skill needs."""
        for dataset in use.datasets:
            for role in use.skill.contract.needs_columns:
                if role == "group" and self.contrast(dataset) is None:
                    return False
                if dataset.column(role) is None:
                    return False
        return True

    def contrast(self, dataset: Dataset) -> tuple[Column, str, str] | None:
        """Group column, case level, control level.

        A stated contrast holds unless the objective names two other levels; without one, the two levels that the
        objective names first, else the first two.
        """
        column = self.group(dataset)
        if column is None:
            return None
        named = self._levels_named(column)
        if (
            column.case is not None
            and column.control is not None
            and (len(named) < 2 or {column.case, column.control} <= {*named})
        ):
            return column, column.case, column.control
        if len(named) >= 2:
            return column, named[0], named[1]
        groups = column.groups
        return (column, groups[1], groups[0]) if len(groups) >= 2 else None

    def doubts(self, dataset: Dataset) -> tuple[str, ...]:
        """Caveats on the comparison in a data set: choices that neither the objective nor the source states."""
        contrast, groups = self.contrast(dataset), self._groups(dataset)
        if contrast is None:
            return ()
        column, case, control = contrast
        caveats = []
        named = len(self._levels_named(column)) >= 2
        if len(groups) > 1 and not named and not self._column_mentioned(column):
            others = ", ".join(c.name for c in groups if c is not column)
            caveats.append(
                f"{dataset.id}: the objective names none of its group columns, so {column.name} is compared; "
                f"name another ({others}) in the objective to compare that."
            )
        if len(column.groups) > 2 and not named and (column.case, column.control) != (case, control):
            caveats.append(
                f"{dataset.id}: {column.name} has {len(column.groups)} levels and the objective names no two of them, "
                f"so {case} is compared with {control}."
            )
        return tuple(caveats)

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
        lacking = [r for r in contract.needs_columns if dataset.column(r) is None]
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
        for parameter in use.skill.contract.parameters:
            value = self._value(parameter, use)
            if value is None and parameter.required and parameter.source not in {"time_unit", "endpoint", "scale"}:
                return None
            text = value if value is not None else NONE if parameter.source == "batch_column" else NOT_STATED
            printed.append(Parameter(name=parameter.name, value=text, unit=parameter.unit if value else ""))
        return tuple(printed)

    def _value(self, parameter: SkillParameter, use: Use) -> str | None:
        if parameter.source is None:
            return _printed(parameter.default)
        if parameter.source == "gene_set":
            return self.gene_set or _printed(parameter.default)
        dataset = use.other if parameter.role == "validation" and use.other else use.main
        bound = self._from_dataset(parameter.source, dataset)
        return bound if bound is not None else _printed(parameter.default)

    def _from_dataset(self, source: str, dataset: Dataset) -> str | None:
        sheet, matrix = dataset.file("samples"), dataset.file("expression")
        if source in {"group_column", "case", "control", "group_label"}:
            contrast = self.contrast(dataset)
            if contrast is None:
                return None
            column, case, control = contrast
            return {"group_column": column.name, "case": case, "control": control}.get(source) or column.label or None
        if source == "covariates":
            columns = [c.name for c in sheet.columns if c.role == "covariate"] if sheet else []
            return ", ".join(columns) or None
        if source == "missing_values":
            values = [f"{c.name}={code}" for c in sheet.columns for code in c.stated_codes] if sheet else []
            return ", ".join(values) or None
        time, event, batch = dataset.column("time"), dataset.column("event"), dataset.column("batch")
        simple: dict[str, str | None] = {
            "sample_column": sheet.sample_column if sheet else None,
            "feature_column": matrix.feature_column if matrix else None,
            "scale": matrix.scale if matrix else None,
            "time_column": time.name if time else None,
            "event_column": event.name if event else None,
            "batch_column": batch.name if batch else None,
            "time_unit": time.unit if time else None,
            "endpoint": dataset.endpoint,
            "dataset_label": dataset.id,
        }
        return simple.get(source)  # what a question states (pairs, blocks, levels, genes) is in no description


def _printed(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, tuple):
        return ", ".join(value) or NONE
    return str(value).lower() if isinstance(value, bool) else str(value)


_CROSS = re.compile(r"\bcross validat\w+|\b(?:biological|technical|independent|three|two|\d+) replicates?\b")


def asked_for(skill: SkillBrief, text: str) -> bool:
    """Return True if one of the skill's trigger phrases is in the text.

    Cross-validation and replicate samples do not trigger a validation.
    """
    low = normalised(text)
    bare = _CROSS.sub(" ", low)
    return any(normalised(t) in (low if "cross" in t else bare) for t in skill.contract.triggers)


def choose_uses(objective: Objective, datasets: tuple[Dataset, ...], skills: Sequence[SkillBrief]) -> tuple[Use, ...]:
    """Choose the uses of skills that can be bound completely, in the order of their contracts.

    Where data were prepared, the skills that their contracts mark for it are used on the data as given, too, with
    what these uses read; such uses follow the others.
    """
    by_name = {s.name: s for s in skills}
    text = " ".join([objective.text, *(r.text for r in objective.requirements)])
    wanted = {s.name for s in skills if s.contract.always or asked_for(s, text)}
    for name in list(wanted):
        _add_upstream(by_name, name, wanted)
    chosen = _bound_uses([by_name[n] for n in wanted], Binding(objective, datasets))
    given = tuple(d for d in datasets if d.prepared_from is None)
    if len(given) == len(datasets):
        return chosen
    done = {u.skill.name for u in chosen}
    repeated = {n for n in wanted & done if by_name[n].contract.sensitivity}
    for name in list(repeated):
        _add_upstream(by_name, name, repeated)
    again = _bound_uses([by_name[n] for n in repeated], Binding(objective, given))
    known = {(u.skill.name, tuple(d.id for d in u.datasets)) for u in chosen}
    kept: list[Use] = []
    read: set[tuple[str | None, str]] = set()
    for use in reversed(again):
        if (use.skill.name, tuple(d.id for d in use.datasets)) in known:
            continue
        if use.skill.contract.sensitivity or (use.skill.name, use.main.id) in read:
            kept.insert(0, replace(use, as_given=True))
            read |= {(i.skill, use.main.id) for i in use.skill.contract.inputs if i.kind == "output"}
    return (*chosen, *kept)


def _bound_uses(skills: Sequence[SkillBrief], binding: Binding) -> tuple[Use, ...]:
    """The uses of the skills that can be bound completely, in the order of their contracts."""
    chosen: list[Use] = []
    step_of: dict[tuple[str, str], str] = {}
    for skill in sorted(skills, key=lambda s: (s.contract.order, s.name)):
        for use in _uses(skill, binding):
            if not binding.has_columns(use) or binding.parameters(use) is None:
                continue
            if binding.inputs(use, step_of) is None:
                continue
            chosen.append(use)
            step_of[skill.name, use.main.id] = "bound"
    return tuple(chosen)


def unserved_skills(
    objective: Objective, datasets: tuple[Dataset, ...], skills: Sequence[SkillBrief]
) -> tuple[tuple[SkillBrief, str], ...]:
    """The skills that are asked for but cannot be used with the data at hand, each with the reason."""
    text = " ".join([objective.text, *(r.text for r in objective.requirements)])
    done = {u.skill.name for u in choose_uses(objective, datasets, skills)}
    binding = Binding(objective, datasets)
    by_name = {s.name: s for s in skills}
    asked = sorted((s for s in skills if asked_for(s, text) and s.name not in done), key=lambda s: s.contract.order)
    return tuple((s, _lacking(s, binding, by_name, frozenset())) for s in asked)


def _lacking(skill: SkillBrief, binding: Binding, by_name: dict[str, SkillBrief], seen: frozenset[str]) -> str:
    """The reason why the data do not allow a skill, or one it takes its input from."""
    reason = binding.why_not(skill)
    for skill_input in skill.contract.inputs:
        if not reason and skill_input.required and skill_input.skill in by_name and skill_input.skill not in seen:
            reason = _lacking(by_name[skill_input.skill], binding, by_name, seen | {skill.name})
    return reason


def _add_upstream(by_name: dict[str, SkillBrief], name: str, wanted: set[str]) -> None:
    for skill_input in by_name[name].contract.inputs:
        if skill_input.kind == "output" and skill_input.skill in by_name and skill_input.skill not in wanted:
            wanted.add(skill_input.skill)
            _add_upstream(by_name, skill_input.skill, wanted)


def _uses(skill: SkillBrief, binding: Binding) -> list[Use]:
    """The uses of a skill: on each measured data set, or on discovery (with validation if it reads both)."""
    if binding.discovery is None:
        return []
    reads_validation = any(i.role == "validation" for i in skill.contract.inputs)
    if reads_validation:
        return [Use(skill, binding.discovery, binding.validation)] if binding.validation else []
    if skill.contract.per_dataset and binding.validation is not None:
        return [Use(skill, binding.discovery), Use(skill, binding.validation)]
    return [Use(skill, binding.discovery)]
