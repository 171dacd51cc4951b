"""Cleaning an author's drafts before anything is built on them: own numbering, references that exist, bound skills.

Pure functions: the plan first, then the steps.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bioresearcher.offline.skill_binding import NOT_STATED
from bioresearcher.schemas.ask_design import PlannedPart, ProtocolPlan, ProtocolStepDraft
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.protocol import (
    OutlineLine,
    ProtocolPart,
    ProtocolStep,
    Relation,
    ReportPartRef,
    StepInput,
    StepOutput,
)
from bioresearcher.schemas.skill import Skill, SkillContract, SkillParameter
from bioresearcher.text.normalise import known_id, known_ids, plain_name, title_of
from bioresearcher.text.visible import one_line

T = TypeVar("T")
U = TypeVar("U")

MAX_PARTS = 12
MAX_STEPS = 20
"""Steps of a part, and lines of its outline."""
MAX_SOURCES = 12
MAX_OUTPUTS = 12
MAX_INPUTS = 30
_COLUMNS = ("sample_column", "feature_column", "group_column", "time_column", "event_column", "outcome_column")
_UNSTATED = ("time_unit", "endpoint", "scale")
"""Sources of parameters that a data set need not state."""


@dataclass(frozen=True)
class Known:
    """Ids that a plan may refer to.

    Attributes:
        facts: Ids of facts, of the audit and of looks.
        papers: Ids of papers that were read.
        report_parts: Paper and part of every report part.
        sources: Ids of passages that can be cited.
        datasets: Ids of data sets.
        looks: Ids of looks and counts, which may stand among the facts that shape the plan.
    """

    facts: Collection[str] = ()
    papers: Collection[str] = ()
    report_parts: Collection[tuple[str, str]] = ()
    sources: Collection[str] = ()
    datasets: Collection[str] = ()
    looks: Collection[str] = ()


def tidy_plan(
    plan: ProtocolPlan, known: Known, skills: Mapping[str, Skill], max_parts: int = MAX_PARTS
) -> tuple[ProtocolPlan, tuple[str, ...]]:
    """Number at most `max_parts` parts 1, 2, 3 …, each after those it depends on, and their lines `<part>.1` ….

    Parts without text are left out, as are lines without a title, and references to what does not exist; a cycle is
    cut where it closes. A line with a skill has the skill's outputs. Returned with it is a sentence for everything
    that was left out.
    """
    told: list[str] = []
    parts = [p for p in plan.parts if title_of(p.title, p.purpose)]
    _tell(told, len(parts) - max_parts, f"of {len(parts)} parts left out")
    parts = parts[:max_parts]
    _tell(told, sum(max(0, len(p.lines) - MAX_STEPS) for p in parts), f"lines beyond {MAX_STEPS} in a part left out")
    place: dict[str, int] = {}
    for number, part in enumerate(parts):
        place.setdefault(part.id, number)
    named = [(*p.depends_on, *(r.part for r in p.relations)) for p in parts]
    needs = [{place[i] for i in known_ids(names, place)} - {n} for n, names in enumerate(named)]
    order = in_order(parts, needs)
    number_of = {old: new for new, old in enumerate(order, 1)}
    tidied = tuple(
        _part(
            parts[old],
            number_of[old],
            sorted(number_of[n] for n in needs[old]),
            known,
            _relations(parts[old], place, number_of),
            skills,
        )
        for old in order
    )
    page, cut = _first_page(plan, known)
    return page.model_copy(update={"parts": tidied, "title": one_line(plan.title)}), (*told, *cut)


def _tell(told: list[str], count: int, what: str) -> None:
    if count > 0:
        told.append(f"{count} {what}")


def _first_page(plan: ProtocolPlan, known: Known) -> tuple[ProtocolPlan, tuple[str, ...]]:
    """Return the plan with a first page that refers to what exists only, and what was left out of it."""
    ids = {*known.facts, *known.sources}
    cited = [(c, known_id(c, ids)) for d in plan.decisions for c in d.cites]
    facts = [(f, known_id(f.fact, {*known.facts, *known.looks})) for f in plan.facts]
    papers = [(p, known_id(p.paper_id, known.papers)) for p in plan.papers]
    unknown = [c for c, found in cited if found is None]
    unknown += [f.fact for f, found in facts if found is None]
    unknown += [p.paper_id for p, found in papers if found is None]
    told = (
        (f"the plan names {', '.join(dict.fromkeys(map(title_of, unknown)))}, not there: left out",) if unknown else ()
    )
    update = {
        "decisions": tuple(
            d.model_copy(update={"cites": known_ids(d.cites, ids)}) for d in plan.decisions if title_of(d.choice)
        ),
        "facts": _each_once((found, f.model_copy(update={"fact": found})) for f, found in facts if found),
        "papers": _each_once((found, p.model_copy(update={"paper_id": found})) for p, found in papers if found),
        "not_done": tuple(n for n in plan.not_done if title_of(n.what)),
        "answer_rule": tuple(r for r in plan.answer_rule if r.strip()),
        "definitions": tuple(d for d in plan.definitions if title_of(d.name) and d.text.strip()),
    }
    return plan.model_copy(update=update), told


def _each_once(items: Iterable[tuple[str, U]]) -> tuple[U, ...]:
    """Return the first item for every id."""
    found: dict[str, U] = {}
    for name, item in items:
        found.setdefault(name, item)
    return tuple(found.values())


def _relations(part: PlannedPart, place: Mapping[str, int], number_of: Mapping[int, int]) -> dict[int, Relation]:
    """Return new number of an earlier part -> the relation of this part to it."""
    found: dict[int, Relation] = {}
    for relation in part.relations:
        name = known_id(relation.part, place)
        if name is not None:
            number = number_of[place[name]]
            reason = title_of(relation.reason)
            found.setdefault(number, relation.model_copy(update={"part": str(number), "reason": reason}))
    return found


def _part(
    part: PlannedPart,
    number: int,
    needs: Sequence[int],
    known: Known,
    relations: Mapping[int, Relation],
    skills: Mapping[str, Skill],
) -> PlannedPart:
    lines = [line for line in part.lines if title_of(line.title)][:MAX_STEPS]
    return part.model_copy(
        update={
            "id": str(number),
            "title": title_of(part.title, part.purpose),
            "depends_on": tuple(str(n) for n in needs if n < number),
            "relations": tuple(relations[n] for n in needs if n < number and n in relations),
            "learns_from": known_parts(part.learns_from, known.report_parts),
            "lines": tuple(_line(line, f"{number}.{n}", known.datasets, skills) for n, line in enumerate(lines, 1)),
        }
    )


def known_parts(refs: Sequence[ReportPartRef], known: Collection[tuple[str, str]]) -> tuple[ReportPartRef, ...]:
    """Return the references to report parts that exist, without repeats."""
    found = []
    for ref in refs:
        paper = known_id(ref.paper_id, {p for p, _ in known})
        part = known_id(ref.part_id, {n for p, n in known if p == paper})
        if paper is not None and part is not None:
            found.append(ReportPartRef(paper_id=paper, part_id=part))
    return tuple(dict.fromkeys(found))[:MAX_SOURCES]


def _line(line: OutlineLine, line_id: str, datasets: Collection[str], skills: Mapping[str, Skill]) -> OutlineLine:
    skill = known_id(line.skill, skills) if line.skill else None
    own = [o.name for o in skills[skill].contract.outputs] if skill else [plain_name(o) for o in line.outputs]
    return OutlineLine(
        id=line_id,
        title=title_of(line.title),
        datasets=known_ids(line.datasets, datasets),
        skill=skill,
        outputs=tuple(dict.fromkeys(o for o in own if o))[:MAX_OUTPUTS],
    )


def in_order(items: Sequence[T], needs: Sequence[Collection[int]]) -> list[int]:
    """Order positions so that each item follows those it needs; otherwise the given order is kept.

    A cycle is cut where it closes.
    """
    placed: list[int] = []
    begun: set[int] = set()

    def place(item: int) -> None:
        if item not in begun:
            begun.add(item)
            for needed in sorted(needs[item]):
                place(needed)
            placed.append(item)

    for item in range(len(items)):
        place(item)
    return placed


@dataclass(frozen=True)
class StepReferences:
    """Objects that steps may refer to.

    Attributes:
        parts: The whole protocol's parts with their outlines, in order.
    """

    objective: Objective
    parts: tuple[ProtocolPart, ...]
    datasets: tuple[Dataset, ...]
    skills: Mapping[str, Skill]

    def before(self, line_id: str) -> dict[str, OutlineLine]:
        """Return the lines before one, by id."""
        found: dict[str, OutlineLine] = {}
        for line in (line for part in self.parts for line in part.outline):
            if line.id == line_id:
                break
            found[line.id] = line
        return found


def match_steps(lines: Sequence[OutlineLine], drafts: Sequence[ProtocolStepDraft]) -> dict[str, ProtocolStepDraft]:
    """Return line id -> the step written for it: by id; when as many steps as lines remain, these in their order.

    Steps without an action are left out, as are those for which no line remains.
    """
    ids = [line.id for line in lines]
    found: dict[str, ProtocolStepDraft] = {}
    others = []
    for draft in drafts:
        if not draft.action.strip():
            continue
        line_id = known_id(draft.id, ids)
        if line_id is not None and line_id not in found:
            found[line_id] = draft
        else:
            others.append(draft)
    free = [i for i in ids if i not in found]
    return found | dict(zip(free, others, strict=True)) if len(free) == len(others) else found


def tidy_step(draft: ProtocolStepDraft, line: OutlineLine, ground: StepReferences) -> ProtocolStepDraft:
    """Clean the step of a line: references exist; a skill's outputs are those of its contract."""
    skill = known_id(draft.skill, ground.skills) if draft.skill else None
    inputs = _inputs(draft, line, ground)
    used = (i.source.removeprefix("dataset:").split("/")[0] for i in inputs if i.source.startswith("dataset:"))
    datasets = known_ids((*draft.datasets, *used), [d.id for d in ground.datasets])
    return draft.model_copy(
        update={
            "id": line.id,
            "title": title_of(draft.title, line.title),
            "skill": skill,
            "kind": "dry" if skill else draft.kind,
            "inputs": inputs,
            "outputs": contract_outputs(ground.skills[skill].contract) if skill else _outputs(draft, line),
            "datasets": datasets,
            "requirements": known_ids(draft.requirements, [r.id for r in ground.objective.requirements]),
        }
    )


def contract_outputs(contract: SkillContract) -> tuple[StepOutput, ...]:
    """Return the outputs of a skill as a step names them."""
    kinds = {"findings": "text"}
    return tuple(
        StepOutput.model_validate({"name": o.name, "kind": kinds.get(o.kind, o.kind), "description": o.description})
        for o in contract.outputs
    )


def _outputs(draft: ProtocolStepDraft, line: OutlineLine) -> tuple[StepOutput, ...]:
    """Return the step's outputs, with those that the outline promised to other steps."""
    found = {plain_name(o.name): o for o in reversed(draft.outputs) if plain_name(o.name)}
    own = {name: o.model_copy(update={"name": name}) for name, o in reversed(found.items())}
    for name in line.outputs:
        own.setdefault(name, StepOutput(name=name, kind="figure" if "fig" in name.casefold() else "table"))
    return tuple(own.values())


def _inputs(draft: ProtocolStepDraft, line: OutlineLine, ground: StepReferences) -> tuple[StepInput, ...]:
    """Return the inputs with a source that exists earlier, each name once."""
    before = ground.before(line.id)
    found: dict[str, StepInput] = {}
    for given in draft.inputs[:MAX_INPUTS]:
        source = source_of(given.source, before, ground.datasets)
        name = title_of(given.name) or (source or "").rsplit("/", 1)[-1]
        if source is not None:
            found.setdefault(name, StepInput(name=name, source=source))
    return tuple(found.values())


def source_of(text: str, before: Mapping[str, OutlineLine], datasets: Sequence[Dataset]) -> str | None:
    """Return the source as the protocol writes it, or None when it does not exist."""
    kind, _, rest = text.strip().partition(":")
    owner, _, item = rest.partition("/")
    if kind.strip().casefold() == "given" and not rest:
        return "given"
    if kind.casefold() == "dataset":
        dataset = next((d for d in datasets if d.id == known_id(owner, [d.id for d in datasets])), None)
        file = find_file(dataset, item) if dataset else None
        return f"dataset:{dataset.id}/{file.name}" if dataset and file else None
    if kind.casefold() == "step":
        line = before.get(known_id(owner, before) or "")
        output = known_id(item, line.outputs) if line else None
        return f"step:{line.id}/{output}" if line and output else None
    return None


def line_of(step: ProtocolStep) -> OutlineLine:
    """Return the outline line of a step as it is."""
    outputs = tuple(o.name for o in step.outputs)
    return OutlineLine(id=step.id, title=step.title, datasets=step.datasets, skill=step.skill, outputs=outputs)


def find_file(dataset: Dataset, named: str) -> DataFile | None:
    """Find a file of a data set by its name, else by its path or file name, else by its kind."""
    name = known_id(named, [f.name for f in dataset.files])
    by_name = [f for f in dataset.files if f.name == name]
    by_path = [f for f in dataset.files if named.strip() in {f.path, re.split(r"[\\/]", f.path)[-1]}]
    by_kind = [f for f in dataset.files if f.kind == named.strip()]
    return next((found[0] for found in (by_name, by_path, by_kind) if len(found) == 1), None)


def unbound(step: ProtocolStepDraft, ground: StepReferences) -> str:
    """Return what a step lacks to carry out its skill as the contract demands; empty when nothing."""
    if step.skill is None:
        return ""
    contract = ground.skills[step.skill].contract
    sources = {i.name: i.source for i in step.inputs}
    before = ground.before(step.id)
    for given in contract.inputs:
        source = sources.get(given.name)
        if source is None and given.required:
            return f"input {given.name} of {step.skill} has no source"
        if source is not None and not _fits(source, given.kind, (given.skill, given.output), before, ground.datasets):
            return f"input {given.name} of {step.skill} cannot be {title_of(source)}"
    printed = {p.name: p.value for p in step.parameters}
    if sources.get("scores", "").startswith("dataset:") and printed.get("score_column", NOT_STATED) == NOT_STATED:
        return f"parameter score_column of {step.skill} must name a column of {title_of(sources['scores'])}"
    for parameter in contract.parameters:
        value = printed.get(parameter.name)
        if value is None and _needed(parameter, step, ground.datasets):
            return f"parameter {parameter.name} of {step.skill} is not given"
        if value is not None and not _possible(value, parameter, step, ground.datasets):
            return f"parameter {parameter.name} of {step.skill} cannot be {title_of(value) or 'empty'}"
    return ""


def _needed(parameter: SkillParameter, step: ProtocolStepDraft, datasets: Sequence[Dataset]) -> bool:
    """Check whether a step needs a parameter: also the codes of missing values, where the data state some."""
    if parameter.source == "missing_values":
        columns = [c for d in datasets if d.id in step.datasets for f in d.files for c in f.columns]
        return any(c.stated_codes for c in columns)
    return parameter.required and parameter.source not in _UNSTATED


def _fits(
    source: str,
    kind: str,
    made_by: tuple[str | None, str | None],
    before: Mapping[str, OutlineLine],
    datasets: Sequence[Dataset],
) -> bool:
    """Check whether a source is of the kind that a contract's input demands."""
    owner, _, item = source.partition(":")[2].partition("/")
    if source.startswith("step:") and owner in before and before[owner].skill is None:
        return kind in ("output", "expression")  # a step's own table; the skill says when it cannot read it
    if kind == "output" and owner in before:
        return (before[owner].skill, item) == made_by
    if kind == "output" and made_by == ("signature-scoring", "scores"):
        kind = "samples"  # any column of the sheet is as good as a score
    if kind == "expression" and owner in before:
        return (before[owner].skill, item) == ("expression-filtering", "matrix")
    files = [f for d in datasets if d.id == owner for f in d.files]
    return source.startswith("dataset:") and any(f.name == item and f.kind == kind for f in files)


def _possible(value: str, parameter: SkillParameter, step: ProtocolStepDraft, datasets: Sequence[Dataset]) -> bool:
    """Check whether a printed value is possible for a contract's parameter."""
    if value == NOT_STATED:
        return not parameter.required or parameter.source in _UNSTATED
    own = [d for d in datasets if d.id in step.datasets]
    if parameter.source in _COLUMNS:
        return value in _columns(own)
    if parameter.source in {"case", "control"}:
        levels = {level for d in own for f in d.files for c in f.columns if c.role == "group" for level in c.levels}
        return value in levels or not levels
    if isinstance(parameter.default, bool):
        return value.casefold() in {"true", "false", "yes", "no"}
    if isinstance(parameter.default, int | float):
        return _is_number(value)
    return bool(value.strip())


def _columns(datasets: Sequence[Dataset]) -> set[str | None]:
    files = [f for d in datasets for f in d.files]
    return {c.name for f in files for c in f.columns} | {n for f in files for n in (f.sample_column, f.feature_column)}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def with_sources(parts: Sequence[ProtocolPart]) -> tuple[tuple[ProtocolPart, ...], tuple[str, ...]]:
    """Remove inputs that no step makes; return the parts, and those inputs as `<step> (<input>)`.

    A step that could not be written makes nothing.
    """
    made: set[str] = set()
    lost: list[str] = []
    found = []
    for part in parts:
        steps = []
        for step in part.steps:
            kept = tuple(i for i in step.inputs if not i.source.startswith("step:") or i.source in made)
            lost += [f"{step.id} ({i.name})" for i in step.inputs if i not in kept]
            made |= {f"step:{step.id}/{o.name}" for o in step.outputs}
            steps.append(step if kept == step.inputs else step.model_copy(update={"inputs": kept}))
        found.append(part.model_copy(update={"steps": tuple(steps)}))
    return tuple(found), tuple(lost)
