"""Choice of skills: those that answer the questions asked of data, those that are always used, and what these need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bioresearcher.analysis.terms import methods
from bioresearcher.offline.skill_binding import Binding, Use, asked
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.question import Question, number_of
from bioresearcher.schemas.skill import DataKind
from bioresearcher.text.words import normalised

_CROSS = re.compile(r"\bcross validat\w+|\b(?:biological|technical|independent|three|two|\d+) replicates?\b")
NO_ANALYSIS = "no vetted analysis does this"
"""Beginning of the reason why a question that is bound is not answered without a model."""


def asked_for(skill: SkillBrief, text: str) -> bool:
    """Return True if one of the skill's trigger phrases is in the text.

    Cross-validation and replicate samples do not trigger a validation.
    """
    low = normalised(text)
    bare = _CROSS.sub(" ", low)
    return any(normalised(t) in (low if "cross" in t else bare) for t in skill.contract.triggers)


def design_of(question: Question) -> set[str]:
    """The parts of a question's design that a skill must be able to take."""
    found = set()
    if question.pair:
        found.add("pair")
    if question.blocks:
        found.add("blocks")
    if question.adjust:
        found.add("covariates")
    if question.contrast is not None and question.contrast.case is None and len(question.contrast.levels) > 2:
        found.add("levels")
    return found


def carries_out(skill: SkillBrief, name: str) -> bool:
    """True if a skill carries out a model or test that is asked for by name."""
    method = next((m for m in methods() if m.name == name), None)
    words = normalised(" ".join((*skill.contract.method_terms, *skill.contract.triggers)))
    return method is not None and any(normalised(term).strip() in words for term in method.vetted)


def lacks(skill: SkillBrief, question: Question) -> str:
    """The reason why a skill does not answer a question; empty when it does."""
    contract = skill.contract
    if question.kind not in contract.answers:
        return f"none answers a question of {question.kind}"
    if question.measure.kind not in contract.measures:
        what = {"none": "groups alone", "column": "a column of the sheet"}.get(question.measure.kind)
        return f"none for {question.kind} takes {what or question.measure.kind}"
    if contract.only and not {*contract.only} & {question.model, question.test}:
        return f"{skill.name} is for a {' or '.join(contract.only)}"
    missing = design_of(question) - {*contract.takes}
    if _stratifies(skill, question):
        missing -= {"blocks"}
    if missing:
        words = {"pair": "pairs", "blocks": "blocks", "covariates": "covariates", "levels": "more than two groups"}
        return f"none for {question.kind} takes {' and '.join(words[m] for m in sorted(missing))}"
    named = [n for n in (question.model, question.test) if n]
    if named and not any(carries_out(skill, n) for n in named):
        return f"none uses {' or '.join(named)}"
    return ""


_PROTEINS = re.compile(
    r"(?i)proteom|mass[\s-]spec|label[\s-]free|(?<![a-z])(?:lfq|ibaq|dia-?nn|fragpipe|maxquant)|protein_?groups|pg_?matrix|combined_protein|LC-?MS"
)
_METHYLATION = re.compile(r"(?i)methylat|(?<![a-z])beta[\s_-]?values?|(?<!\d)450k|(?<!\d)850k|(?<![a-z])EPIC(?![a-z])")


def data_kind(dataset: Dataset) -> DataKind | None:
    """The kind of a data set's matrix, by its assay, platform, file and scale; None for any other."""
    matrix = dataset.file("expression")
    if matrix is None:
        return None
    said = " ".join((dataset.assay or "", dataset.platform or "", matrix.path))
    if _METHYLATION.search(said) and matrix.scale in ("shares", "beta", "M", "percent", "log2", None):
        return "methylation"
    return "proteins" if _PROTEINS.search(said) and matrix.scale != "counts" else None


def made_for(skill: SkillBrief, kind: DataKind | None) -> bool:
    """True if a skill takes a kind of matrix; those that are made for no kind take any."""
    return not skill.contract.data or kind in skill.contract.data


def beside_answer(skill: SkillBrief) -> bool:
    """True if a skill answers no question by itself: it shows how far an answer rests on declared alternatives."""
    return "alternative" in skill.contract.needs_columns


def _stratifies(skill: SkillBrief, question: Question) -> bool:
    """True if a skill gives each level of the question's one block a stratum."""
    return len(question.blocks) == 1 and any(p.source == "batch_column" for p in skill.contract.parameters)


def shows(skill: SkillBrief, question: Question) -> bool:
    """True if a skill shows the same without the question's covariates: it may stand beside the answer."""
    bare = question.model_copy(update={"adjust": (), "model": "", "test": ""})
    return not lacks(skill, bare)


def choose_uses(objective: Objective, datasets: tuple[Dataset, ...], skills: Sequence[SkillBrief]) -> tuple[Use, ...]:
    """Choose the uses of skills that can be bound completely, in the order of their contracts.

    Where data were prepared, the skills that their contracts mark for it are used on the data as given, too, with
    what these uses read; such uses follow the others.
    """
    datasets = asked(objective, datasets)
    by_name = {s.name: s for s in skills}
    text = " ".join([objective.text, *(r.text for r in objective.requirements)])
    binding = Binding(objective, datasets)
    wanted = {s.name for s in skills if s.contract.always or asked_for(s, text)}
    wanted |= _needed_by_questions(binding, skills, wanted)
    for name in list(wanted):
        _add_upstream(by_name, name, wanted)
    chosen = _bound_uses([by_name[n] for n in wanted], binding)
    given = _as_given(datasets)
    if not given:
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
            kept.insert(0, replace(use, as_given=True, answers=()))
            read |= {(i.skill, use.main.id) for i in use.skill.contract.inputs if i.kind == "output"}
    return (*chosen, *kept)


def _as_given(datasets: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """The data as given with the questions asked of all rows of their prepared copies; empty without copies."""
    copies = {d.prepared_from: d for d in datasets if d.prepared_from is not None}
    found = []
    for dataset in datasets:
        if dataset.analysis_of is not None or dataset.prepared_from is not None:
            continue
        copy = copies.get(dataset.id)
        if copy is None:
            found.append(dataset)
            continue
        if any(q.unit for q in copy.questions):
            continue  # given, a unit may have several rows
        sheet = dataset.file("samples")
        names = {c.name for c in sheet.columns} if sheet else set()
        questions = tuple(
            q.model_copy(update={"dataset": dataset.id, "blocks": tuple(b for b in q.blocks if b in names)})
            for q in copy.questions
        )
        found.append(dataset.model_copy(update={"questions": questions or _none(dataset)}))
    return tuple(found) if copies else ()


def _none(dataset: Dataset) -> tuple[Question, ...]:
    """A question that cannot be answered, so that none is bound anew to a data set that is asked none."""
    why = "its rows are not those of the data as given"
    return (Question(id="A0", kind="description", text="", dataset=dataset.id, cannot=why),)


def _needed_by_questions(binding: Binding, skills: Sequence[SkillBrief], wanted: set[str]) -> set[str]:
    """For each question that no wanted skill answers, the first skill that does."""
    found = set()
    for dataset, question in binding.populations:
        if question.alternatives:
            found |= {s.name for s in skills if beside_answer(s) and not lacks(s, question)}
        kind = data_kind(dataset)
        able = [s for s in skills if not lacks(s, question) and not beside_answer(s) and made_for(s, kind)]
        able.sort(key=lambda s: (kind not in s.contract.data, s.contract.order, s.name))
        if able and not any(s.name in wanted for s in able):
            found.add(able[0].name)
    return found


def _bound_uses(skills: Sequence[SkillBrief], binding: Binding) -> tuple[Use, ...]:
    """The uses of the skills that can be bound completely, in the order of their contracts."""
    chosen: list[Use] = []
    step_of: dict[tuple[str, str], str] = {}
    for skill in sorted(skills, key=lambda s: (s.contract.order, s.name)):
        for use in _uses(skill, binding, skills):
            if not binding.has_columns(use) or binding.parameters(use) is None:
                continue
            if binding.inputs(use, step_of) is None:
                continue
            chosen.append(use)
            step_of[skill.name, use.main.id] = "bound"
    return _without_idle(chosen)


def _without_idle(uses: Sequence[Use]) -> tuple[Use, ...]:
    """Leave out what no use that is left reads, of skills that are used on rows of a question."""
    kept: list[Use] = []
    read: set[tuple[str, str]] = set()
    on_own_rows = {u.skill.name for u in uses if u.main.analysis_of is not None}
    for use in reversed(uses):
        spare = not use.answers and not use.skill.contract.answers and use.skill.name in on_own_rows
        if spare and (use.skill.name, use.main.id) not in read:
            continue
        kept.insert(0, use)
        read |= {(i.skill or "", use.main.id) for i in use.skill.contract.inputs if i.kind == "output"}
    return tuple(kept)


def _uses(skill: SkillBrief, binding: Binding, skills: Sequence[SkillBrief]) -> list[Use]:
    """The uses of a skill: for each question that it answers or shows, else on each measured data set."""
    if binding.discovery is None:
        return []
    contract = skill.contract
    if any(i.role == "validation" for i in contract.inputs):
        return _validating(skill, binding)
    if contract.answers and not contract.always:
        return _answering(skill, binding, skills)
    if contract.always and (contract.per_dataset or contract.answers) and not _is_read(skill, skills):
        sets = [d for d in (binding.discovery, binding.validation) if d is not None]
        sets = list({n.id: n for d in sets for n in [_with_names(d, binding)]}.values())
        return [Use(skill, d, answers=_described(skill, d, binding)) for d in sets]
    found = [Use(skill, d) for d in (binding.discovery, binding.validation) if d is not None and contract.per_dataset]
    if not contract.per_dataset:
        found = [Use(skill, binding.discovery)]
    for dataset, question in binding.populations:
        same = [n for n, u in enumerate(found) if u.main.id == dataset.id]
        if not same:
            found.append(Use(skill, dataset, question=question))
        elif found[same[0]].question is None and _measures(skill, question):
            found[same[0]] = Use(skill, dataset, question=question)
    return found


def _with_names(dataset: Dataset, binding: Binding) -> Dataset:
    """A data set, or the rows of a question made of it where its own rows have no names."""
    sheet = dataset.file("samples")
    if sheet is None or sheet.sample_column is not None:
        return dataset
    return next((d for d, _ in binding.populations if d.analysis_of == dataset.id), dataset)


def _described(skill: SkillBrief, dataset: Dataset, binding: Binding) -> tuple[str, ...]:
    """The questions of a data set that a skill answers which is always used."""
    return tuple(q.id for d, q in binding.populations if d.id == dataset.id and not lacks(skill, q))


def _measures(skill: SkillBrief, question: Question) -> bool:
    """True if what a skill computes is the measure of a question: a score of its signature or gene."""
    sources = {p.source for p in skill.contract.parameters}
    return bool(sources & {"gene_set", "genes"}) and question.measure.kind in ("signature", "gene")


def _is_read(skill: SkillBrief, skills: Iterable[SkillBrief]) -> bool:
    """True if another skill reads an output of this one."""
    return any(i.skill == skill.name for s in skills for i in s.contract.inputs)


def _answering(skill: SkillBrief, binding: Binding, skills: Sequence[SkillBrief]) -> list[Use]:
    """A use for each question that a skill answers, shows, or prepares the answer of."""
    found: list[Use] = []
    validated = {q.id for _, q in binding.populations if q.compares_with}
    for dataset, question in binding.populations:
        if question.id in validated and not skill.contract.per_dataset:
            continue
        answers = not lacks(skill, question) and made_for(skill, data_kind(dataset))
        beside = shows(skill, question) and made_for(skill, data_kind(dataset))
        feeds = _feeds(skill, question, skills)
        if beside_answer(skill):
            if question.alternatives and answers:
                found.append(Use(skill, dataset, question=question))
            continue
        if not (answers or beside or feeds) or any(u.main.id == dataset.id for u in found):
            continue
        bare = "group" in skill.contract.needs_columns and question.contrast is None  # groups are shown, not asked for
        found.append(Use(skill, dataset, question=question, answers=(question.id,) if answers and not bare else ()))
    if beside_answer(skill):
        return found
    if not found and not {"difference", "time to event", "prediction"} & {*skill.contract.answers}:
        first = binding.discovery
        found = [Use(skill, d) for d in (first, binding.validation if skill.contract.per_dataset else None) if d]
    elif skill.contract.per_dataset and binding.validation is not None and "structure" in skill.contract.answers:
        other = binding.validation
        found += [Use(skill, other)] if all(u.main.id != other.id for u in found) else []
    return found


def _feeds(skill: SkillBrief, question: Question, skills: Sequence[SkillBrief]) -> bool:
    """True if a skill that answers the question reads an output of this one, and both take its design."""
    for other in skills:
        reads = any(i.skill == skill.name for i in other.contract.inputs)
        if reads and not lacks(other, question):
            return design_of(question) <= {*skill.contract.takes}
    return False


def _validating(skill: SkillBrief, binding: Binding) -> list[Use]:
    """The use of a skill that reads a discovery and a validation set."""
    if binding.validation is None or binding.discovery is None:
        return []
    pairs = binding.populations
    again = [(d, q) for d, q in pairs if q.compares_with and not lacks(skill, q)]
    for other, second in again:
        for dataset, question in pairs:
            same = question.kind == second.kind and question.measure == second.measure
            if same and not question.compares_with and question.id != second.id:
                return [Use(skill, dataset, other, question=question, answers=(second.id,))]
    first = next((q for d, q in pairs if d.id == binding.discovery.id and shows(skill, q)), None)
    second_question = next((q for d, q in pairs if d.id == binding.validation.id and shows(skill, q)), None)
    if first is None or second_question is None:
        return []
    return [Use(skill, binding.discovery, binding.validation, question=first)]


def unanswered(question: Question, skills: Sequence[SkillBrief]) -> str:
    """The reason why no skill answers a question that is bound; empty when one does."""
    skills = [s for s in skills if not beside_answer(s)]
    said = {lacks(s, question) for s in skills}
    named = [n for n in (question.model, question.test) if n]
    lost = [n for n in named if not any(carries_out(s, n) and question.kind in s.contract.answers for s in skills)]
    if lost:
        return f"{NO_ANALYSIS} ({' and '.join(lost)}{_nearest(question, skills)})"
    if "" in said:
        return ""
    order = ("none uses", f"none for {question.kind} takes", "none answers")
    best = min(said, key=lambda w: next((n for n, o in enumerate(order) if w.startswith(o)), 9), default="")
    return f"{NO_ANALYSIS} ({best}{_nearest(question, skills)})"


def _nearest(question: Question, skills: Sequence[SkillBrief]) -> str:
    """The skill for the same kind of question that lacks least: first the measure, then parts of the design."""
    same = [s for s in skills if question.kind in s.contract.answers and not s.contract.only]
    if not same:
        return ""

    def far(s: SkillBrief) -> tuple[bool, int, int]:
        return (
            question.measure.kind not in s.contract.measures,
            len(design_of(question) - {*s.contract.takes}),
            s.contract.order,
        )

    return f"; the nearest is {min(same, key=far).name}"


def beyond_limit(
    objective: Objective, datasets: tuple[Dataset, ...], skills: Sequence[SkillBrief], limit: int
) -> tuple[str, ...]:
    """The questions for which a limit of tasks leaves none, as earlier questions with what they need come first."""
    uses = choose_uses(objective, datasets, skills)
    place = {(u.skill.name, u.main.id): n for n, u in reversed([*enumerate(uses)])}

    def needed(number: int) -> set[int]:
        use = uses[number]
        made = [i.skill for i in use.skill.contract.inputs if i.kind == "output" and i.skill and i.required]
        before = [place[name, d.id] for name in made for d in use.datasets if (name, d.id) in place]
        return {number}.union(*(needed(n) for n in before if n != number))

    kept, lost = set[int](), list[str]()
    for question_id in sorted({a for u in uses for a in u.answers}, key=number_of):
        options = [needed(n) for n, u in enumerate(uses) if question_id in u.answers]
        best = min(options, key=lambda o: len(kept | o))
        if len(kept | best) <= limit:
            kept |= best
        else:
            lost.append(question_id)
    return tuple(lost)


def unserved_skills(
    objective: Objective, datasets: tuple[Dataset, ...], skills: Sequence[SkillBrief]
) -> tuple[tuple[SkillBrief, str], ...]:
    """The skills that are asked for but cannot be used with the data at hand, each with the reason."""
    text = " ".join([objective.text, *(r.text for r in objective.requirements)])
    done = {u.skill.name for u in choose_uses(objective, datasets, skills)}
    binding = Binding(objective, datasets)
    by_name = {s.name: s for s in skills}
    wished = sorted((s for s in skills if asked_for(s, text) and s.name not in done), key=lambda s: s.contract.order)
    return tuple((s, _lacking(s, binding, by_name, frozenset())) for s in wished)


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
