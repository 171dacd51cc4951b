"""Offline rules of the designer: assemble the protocol from skills and, where none fits, from papers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bioresearcher.offline.read import LABORATORY, WET, objective_texts
from bioresearcher.offline.skill_binding import Binding, Use, asked_for, choose_uses, unserved_skills
from bioresearcher.schemas.ask_design import (
    DesignHeadingsInput,
    DesignOutlinesInput,
    HeadingDraft,
    HeadingsDraft,
    KnownPart,
    KnownStep,
    LearntFrom,
    OutlinesDraft,
    PartOutline,
    ProtocolStepDraft,
    SkillBrief,
    StepsDraft,
    WriteStepsInput,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.protocol import (
    OutlineLine,
    ProtocolPart,
    ProtocolStep,
    Relation,
    ReportPartRef,
    StepInput,
    StepOutput,
)
from bioresearcher.schemas.skill import SkillProtocol
from bioresearcher.text.visible import clip
from bioresearcher.text.words import Similarity, content_words, overlap, sentence_texts, weighted_overlap

LITERATURE_PARTS = 6
_CRITERIA = tuple(
    (re.compile(pattern, re.IGNORECASE), criterion)
    for pattern, criterion in (
        (r"\b(?:exclu|inclu|eligib|enrol|recruit)\w*", "A flow count gives how many were eligible, left out and why."),
        (r"\brandomi[sz]|\ballocat", "The allocation list exists, was made before treatment, and was concealed."),
        (
            r"\b(?:t[- ]test|wilcoxon|anova|chi-?squared?|log-?rank|regression|correlat|p[- ]values?|signific\w+)",
            "Every comparison is listed with its statistic, p-value and group sizes, also those without a difference.",
        ),
        (r"\b(?:false discovery|bonferroni|benjamini|multiple test)", "Raw and corrected p-values stand side by side."),
        (r"\bnormali[sz]", "Distributions of the samples before and after are plotted and overlap afterwards."),
        (
            r"\b(?:cluster|classif|group)",
            "Each sample has exactly one class, and class sizes sum to the number of samples.",
        ),
        (r"\b(?:align|map)(?:ped|ping)?\b", "The mapped share of reads is recorded for each sample."),
        (
            r"\b(?:sequenc|library prep)",
            "Reads and quality per sample are recorded; samples below the minimum are named.",
        ),
        (r"\b(?:stain|immuno|antibod|blot)", "Positive and negative controls were run alongside and read as expected."),
        (r"\b(?:PCR|amplif|primer)", "No-template controls stay negative, and replicates of a sample agree."),
        (r"\b(?:RNA|DNA|extract|isolat|purif)", "Concentration and purity of each sample are measured and recorded."),
        (
            r"\b(?:cultur|seed|transfect|grown|cells?)\b",
            "Passage number, viability and density are recorded for each vessel.",
        ),
        (r"\b(?:mice|mouse|rats?|animals?)\b", "Every animal is accounted for, with sex, age, cage and group."),
        (
            r"\b(?:download|retriev|obtain|data ?sets?)",
            "Files, versions and checksums of what was obtained are listed.",
        ),
        (r"\b(?:score|rank|weight)", "Each unit has a score with the direction of the scale stated."),
    )
)
"""Acceptance criteria by the kind of step; the first two that fit are used."""
NEAR_ENOUGH = 0.3
"""Cosine similarity (MiniLM) from which a report part is taken to be about a question."""


def open_questions(objective: Objective, chosen: Sequence[SkillBrief]) -> tuple[str, ...]:
    """The texts of the objective and its requirements that no chosen skill answers.

    These ask for laboratory work; the objective's own text is among them, too, when no chosen skill was asked for.
    """
    asked = [s for s in chosen if asked_for(s, objective.text)]
    served = asked or any(asked_for(s, r.text) for s in chosen for r in objective.requirements)
    texts = [] if served and not LABORATORY.search(objective.text) else [objective.text]
    for requirement in objective.requirements:
        if LABORATORY.search(requirement.text) and not any(asked_for(s, requirement.text) for s in chosen):
            texts.append(requirement.text)
    return tuple(texts)


def literature_headings(
    texts: Sequence[str], known: Sequence[KnownPart], similarity: Similarity, *, first: int, taken: Collection[str]
) -> list[HeadingDraft]:
    """Make a part per reusable report part close to the texts: numbered from `first`, papers in order of closeness.

    Each text gets the part nearest to it, before any gets a second one. Within a paper the parts keep its order.
    Titles differ from each other and from those `taken`.
    """
    usable = [k for k in known if k.level != "low"]
    if not texts or not usable:
        return []
    rows = similarity([f"{k.title}. {k.purpose}" for k in usable], texts)
    near = rows.max(axis=1)
    order = [*(int(i) for i in rows.argmax(axis=0)), *sorted(range(len(usable)), key=lambda i: (-near[i], i))]
    best = [i for i in dict.fromkeys(order) if near[i] >= NEAR_ENOUGH][:LITERATURE_PARTS]
    best.sort(key=lambda i: (-near[i], i))
    rank: dict[str, int] = {}
    for i in best:
        rank.setdefault(usable[i].paper_id, len(rank))
    headings: list[HeadingDraft] = []
    titles = {t.casefold() for t in taken}
    for i in sorted(best, key=lambda i: (rank[usable[i].paper_id], _number(usable[i].part_id), i)):
        part = usable[i]
        title = _unique(part, titles)
        titles.add(title.casefold())
        headings.append(
            HeadingDraft(
                id=str(first + len(headings)),
                title=title,
                purpose=clip(f"Follows “{clip(part.paper_title, 120)}”: {part.purpose or part.title}", 340),
                reason=f"Referability {part.level}: {part.reuse}",
                depends_on=(),
                learns_from=(ReportPartRef(paper_id=part.paper_id, part_id=part.part_id),),
            )
        )
    return headings


def _number(part_id: str) -> int:
    return int(part_id) if part_id.isdigit() else 0


def _unique(part: KnownPart, taken: Collection[str]) -> str:
    """The part's title with a capital; with its paper's id, and then its own, if the title is taken."""
    title = clip(part.title.strip().rstrip("."), 110)
    title = title[:1].upper() + title[1:]
    for candidate in (title, f"{title} ({part.paper_id})"):
        if candidate.casefold() not in taken:
            return candidate
    return f"{title} ({part.paper_id}, part {part.part_id})"


def action_lines(part: ProtocolPart, known: dict[tuple[str, str], KnownPart]) -> tuple[OutlineLine, ...]:
    """Make an outline line per action of the report parts a heading was taken from."""
    actions = [
        action
        for ref in part.learns_from
        if (ref.paper_id, ref.part_id) in known
        for action in known[ref.paper_id, ref.part_id].actions
    ]
    return tuple(
        OutlineLine(id=f"{part.id}.{n}", title=clip(action, 160), outputs=("result",))
        for n, action in enumerate(actions[:12], 1)
    )


def literature_step(line: OutlineLine, values: WriteStepsInput) -> ProtocolStepDraft:
    """Make a step that repeats a step of a paper and says so."""
    known = next((k for k in values.known if clip(k.action, 160) == line.title), None)
    action = known.details if known else line.title
    wet = bool(WET.search(action) or LABORATORY.search(values.part.title))
    ids = [other.id for other in values.part.outline]
    place = ids.index(line.id) if line.id in ids else 0
    source = f"step:{ids[place - 1]}/result" if place else "given"
    return ProtocolStepDraft(
        id=line.id,
        title=clip(line.title, 90),
        object="the material at hand" if not place else f"what step {ids[place - 1]} yields",
        action=f"As the paper describes it: {action}",
        rationale=f"{known.paper_id} did it this way; its settings were chosen for its own material." if known else "",
        parameters=known.parameters if known else (),
        inputs=(StepInput(name="material", source=source),),
        outputs=(StepOutput(name="result", kind="material" if wet else "table", description=_yields(line)),),
        software=known.software if known else (),
        acceptance=acceptance(line, known, wet=wet),
        kind="wet" if wet else "dry",
        learnt_from=(step_ref(known),) if known else (),
    )


def _yields(line: OutlineLine) -> str:
    return clip(f"what “{line.title.rstrip('.')}” gives", 120)


def acceptance(line: OutlineLine, known: KnownStep | None, *, wet: bool) -> str:
    """The acceptance criterion of a step from a paper: by its own settings, software, test, or by its record."""
    about = f"{known.action} {known.details}" if known else line.title
    checks = []
    if known and known.parameters:
        stated = ", ".join(f"{p.name} {p.value} {p.unit}".strip() for p in known.parameters[:4])
        checks.append(f"The {'bench record' if wet else 'log'} shows {stated}, or the deviation and its reason.")
    if known and known.software:
        checks.append(f"{' and '.join(known.software[:3])} ended without error, and the version that ran is recorded.")
    if not checks:
        checks += [criterion for pattern, criterion in _CRITERIA if pattern.search(about)][:2]
    if not checks:
        how = "with date, person and lot numbers" if wet else "with the code or settings used"
        checks.append(f"“{clip(line.title.rstrip('.'), 80)}” is on record for every sample or unit, {how}.")
    return " ".join(checks)


def step_ref(known: KnownStep) -> LearntFrom:
    """The reference to a report step, by ids."""
    return LearntFrom(paper_id=known.paper_id, part_id=known.part_id, step_id=known.step_id)


DENSE_WEIGHT = 0.6
LINK_SCORE = 0.42
LINK_SIMILARITY = 0.33
WHOLE_SIMILARITY = 0.3
"""A step is linked to a report step when cosine similarity (MiniLM) and the share of the report step's words, fused
0.6 to 0.4, reach `LINK_SCORE`, and the cosine alone `LINK_SIMILARITY`; these compare the beginning of the action, and
its whole text must reach `WHOLE_SIMILARITY`."""
PARTS_PER_HEADING = 8
CLOSEST_PARTS = 4
PART_BONUS = 0.06
"""Gain of a report step in the order, not in the score, when its part is among the closest to the heading."""
_KINDS = {"table": "table", "figure": "figure", "text": "text", "findings": "text", "model": "model"}


@dataclass(frozen=True)
class OfflineDesigner:
    """The rules of the designer, which compare texts by `similarity`."""

    similarity: Similarity

    def design_headings(self, values: DesignHeadingsInput) -> HeadingsDraft:
        """Design a part per group of skills; without usable data, a part per reusable report part."""
        uses = choose_uses(values.objective, values.datasets, values.skills)
        groups: dict[str, list[SkillBrief]] = {}
        for use in uses:
            groups.setdefault(use.skill.contract.part, [])
            if use.skill not in groups[use.skill.contract.part]:
                groups[use.skill.contract.part].append(use.skill)
        binding = Binding(values.objective, values.datasets)
        wording = {u.skill.name: _wording(u, binding) for u in reversed(uses)}
        parts = self._skill_headings(groups, wording, values) if groups else []
        chosen = [skill for skills in groups.values() for skill in skills]
        texts = open_questions(values.objective, chosen) if groups else objective_texts(values.objective)
        parts += literature_headings(texts, values.known, self.similarity, first=len(parts) + 1, taken=groups)
        parts = parts[: values.max_parts]
        return HeadingsDraft(
            title=clip(values.objective.text, 160), summary=_summary(values, uses, binding, parts), parts=tuple(parts)
        )

    def _skill_headings(
        self, groups: dict[str, list[SkillBrief]], wording: dict[str, SkillProtocol], values: DesignHeadingsInput
    ) -> list[HeadingDraft]:
        number_of = {skill.name: str(n) for n, skills in enumerate(groups.values(), 1) for skill in skills}
        texts = [f"{title}. " + " ".join(wording[s.name].action for s in skills) for title, skills in groups.items()]
        near = self._near(texts, values.known)
        parts = []
        for number, ((title, skills), row) in enumerate(zip(groups.items(), near, strict=True), 1):
            relations = _relations(skills, str(number), number_of)
            parts.append(
                HeadingDraft(
                    id=str(number),
                    title=title,
                    purpose=" ".join(_first_sentence(wording[s.name].rationale) for s in skills),
                    reason="" if relations else "It works on the data as skill_input.",
                    depends_on=tuple(r.part for r in relations),
                    relations=relations,
                    learns_from=tuple(row),
                )
            )
        return parts

    def _near(self, texts: Sequence[str], known: tuple[KnownPart, ...]) -> list[list[ReportPartRef]]:
        """The report parts closest to each text, those of low referability last."""
        if not known:
            return [[] for _ in texts]
        rows = self.similarity(texts, [f"{k.title}. {k.purpose}" for k in known])
        penalty = {"high": 0.0, "medium": 0.05, "low": 0.15}
        chosen = []
        for row in rows:
            order = sorted(range(len(known)), key=lambda i: (penalty[known[i].level] - row[i], i))
            chosen.append(
                [ReportPartRef(paper_id=known[i].paper_id, part_id=known[i].part_id) for i in order[:PARTS_PER_HEADING]]
            )
        return chosen

    def design_outlines(self, values: DesignOutlinesInput) -> OutlinesDraft:
        """Outline a line per use of a skill, or per action of the report part a heading was taken from."""
        uses = choose_uses(values.objective, values.datasets, values.skills)
        known = {(k.paper_id, k.part_id): k for k in values.known}
        binding = Binding(values.objective, values.datasets)
        outlines = []
        for part in values.parts:
            own = [u for u in uses if u.skill.contract.part == part.title]
            lines = use_lines(part.id, own, binding) if own else action_lines(part, known)
            outlines.append(PartOutline(part_id=part.id, lines=lines))
        return OutlinesDraft(parts=tuple(outlines))

    def write_steps(self, values: WriteStepsInput) -> StepsDraft:
        """Write a full step per line, with links to the report steps it was learnt from."""
        binding = Binding(values.objective, values.datasets)
        step_of = {
            (line.skill, line.datasets[0]): line.id
            for part in values.all_parts
            for line in part.outline
            if line.skill and line.datasets
        }
        skills = {s.name: s for s in values.skills}
        steps = []
        for line in values.part.outline:
            step = None
            if line.skill in skills:
                step = _skill_step(line, _use(line, skills[line.skill], values.datasets), binding, step_of)
            steps.append(step or literature_step(line, values))
        return StepsDraft(steps=self._linked(tuple(steps), values))

    def _linked(self, steps: tuple[ProtocolStepDraft, ...], values: WriteStepsInput) -> tuple[ProtocolStepDraft, ...]:
        """Steps with their requirements and the report steps closest to them."""
        skills = {s.name: s for s in values.skills}
        return tuple(
            step.model_copy(
                update={
                    "requirements": requirements_met(step, skills.get(step.skill or ""), values.objective),
                    "learnt_from": step.learnt_from or self._closest(step, values),
                }
            )
            for step in steps
        )

    def _closest(self, step: ProtocolStepDraft, values: WriteStepsInput) -> tuple[LearntFrom, ...]:
        """Up to two report steps that are close enough for a link; those of the closest parts are preferred."""
        known = values.known
        near = {(r.paper_id, r.part_id) for r in values.part.learns_from[:CLOSEST_PARTS]}
        if not known:
            return ()
        texts = [f"{k.action} {k.details}" if k.details != k.action else k.action for k in known]
        about = [f"{step.title}. {clip(step.action, 400)}", f"{step.title}. {step.action}"]
        dense, whole = self.similarity(about, [clip(t, 400) for t in texts])
        lexical = weighted_overlap(texts, f"{step.title} {step.action} {step.acceptance}")
        fused = [DENSE_WEIGHT * float(d) + (1 - DENSE_WEIGHT) * w for d, w in zip(dense, lexical, strict=True)]
        order = [f + PART_BONUS * ((k.paper_id, k.part_id) in near) for f, k in zip(fused, known, strict=True)]
        best = sorted(range(len(known)), key=lambda i: (-order[i], i))[:2]
        return tuple(
            step_ref(known[i])
            for i in best
            if fused[i] >= LINK_SCORE and dense[i] >= LINK_SIMILARITY and whole[i] >= WHOLE_SIMILARITY
        )


def _relations(skills: Sequence[SkillBrief], number: str, number_of: dict[str, str]) -> tuple[Relation, ...]:
    """The relations of a part to the parts whose outputs its skills read, one per part, in order."""
    read: dict[str, list[str]] = {}
    validates: set[str] = set()
    for skill in skills:
        for skill_input in skill.contract.inputs:
            part = number_of.get(skill_input.skill or "", number)
            if part != number:
                read.setdefault(part, []).append(
                    f"{(skill_input.output or skill_input.name).replace('_', ' ')} of {skill_input.skill}"
                )
                if any(i.role == "validation" for i in skill.contract.inputs):
                    validates.add(part)
    return tuple(
        Relation(
            part=part,
            kind="validates" if part in validates else "needs output of",
            reason=f"reads {', '.join(dict.fromkeys(what))}"
            + (", to test it on the validation set" if part in validates else ""),
        )
        for part, what in sorted(read.items(), key=lambda item: int(item[0]))
    )


def _summary(values: DesignHeadingsInput, uses: Sequence[Use], binding: Binding, parts: Sequence[HeadingDraft]) -> str:
    """A summary of the plan: data sets, origin of its parts, skills that cannot be used, and doubtful choices."""
    names = ", ".join(d.id for d in values.datasets) or "no data set"
    own = {u.skill.contract.part for u in uses}
    taken = any(p.title not in own for p in parts)
    summary = [f"A plan for the objective, on {names}."]
    if uses:
        summary.append("The analyses are skills; each step names what it was learnt from in the papers read.")
    if uses and taken:
        summary.append("Parts that no skill covers repeat what papers describe.")
    if not uses:
        summary.append("Without analysable data it is assembled from what the papers read describe.")
    elif not any(asked_for(u.skill, t) for u in uses for t in objective_texts(values.objective)):
        summary.append("No analysis that the objective names can be planned: the data are only checked and described.")
    lacking: dict[str, list[str]] = {}
    for skill, reason in unserved_skills(values.objective, values.datasets, values.skills):
        lacking.setdefault(reason, []).append(skill.name.replace("-", " "))
    for reason, what in lacking.items():
        summary.append(f"Asked for but not planned: {', '.join(what)}{f', because {reason}' if reason else ''}.")
    for dataset in dict.fromkeys(d for u in uses for d in u.datasets):
        summary += binding.doubts(dataset)
    return " ".join(summary)


def use_lines(part_id: str, uses: Sequence[Use], binding: Binding) -> tuple[OutlineLine, ...]:
    """Make an outline line per use of a skill, numbered within the part."""
    return tuple(
        OutlineLine(
            id=f"{part_id}.{n}",
            title=_title(use, binding),
            datasets=tuple(d.id for d in use.datasets),
            skill=use.skill.name,
            outputs=tuple(o.name for o in use.skill.contract.outputs),
        )
        for n, use in enumerate(uses, 1)
    )


def _title(use: Use, binding: Binding) -> str:
    """The title of a use of a skill; data sets that it does not name follow in brackets."""
    fill = {p.name: p.value for p in binding.parameters(use) or ()}
    title = _fill(use.skill.contract.protocol.title, fill)
    others = [d.id for d in use.datasets if d.id not in title]
    return f"{title} ({', '.join(others)})" if others else title


def _use(line: OutlineLine, skill: SkillBrief, datasets: tuple[Dataset, ...]) -> Use | None:
    chosen = [d for name in line.datasets for d in datasets if d.id == name]
    return Use(skill, chosen[0], chosen[1] if len(chosen) > 1 else None) if chosen else None


def _skill_step(
    line: OutlineLine, use: Use | None, binding: Binding, step_of: dict[tuple[str, str], str]
) -> ProtocolStepDraft | None:
    """The step of a skill with inputs and parameters bound; None when one cannot be bound."""
    inputs = binding.inputs(use, step_of) if use else None
    parameters = binding.parameters(use) if use else None
    if use is None or inputs is None or parameters is None:
        return None
    wording = _wording(use, binding)
    reference = binding.reference()
    used = {i.source.removeprefix("dataset:").split("/")[0] for i in inputs if i.source.startswith("dataset:")}
    sets = (*(d.id for d in use.datasets), *((reference.id,) if reference and reference.id in used else ()))
    return ProtocolStepDraft(
        id=line.id,
        title=line.title,
        object=", ".join(f"{d.n_samples} samples of {d.id}" for d in use.datasets),
        action=wording.action,
        rationale=wording.rationale,
        parameters=(*parameters, *wording.parameters),
        inputs=inputs,
        outputs=tuple(
            StepOutput.model_validate({"name": o.name, "kind": _KINDS[o.kind], "description": o.description})
            for o in use.skill.contract.outputs
        ),
        datasets=sets,
        software=wording.software,
        acceptance=wording.acceptance,
        kind="dry",
        skill=use.skill.name,
    )


def _wording(use: Use, binding: Binding) -> SkillProtocol:
    """The skill's wording for a protocol with its parameters filled in."""
    wording = use.skill.contract.protocol
    fill = {p.name: p.value for p in binding.parameters(use) or ()} | {
        "datasets": ", ".join(d.id for d in use.datasets)
    }
    texts = {f: _fill(getattr(wording, f), fill) for f in ("title", "action", "rationale", "acceptance")}
    return wording.model_copy(update=texts)


def _first_sentence(text: str) -> str:
    found = sentence_texts(text)
    return found[0] if found else ""


def _fill(text: str, values: dict[str, str]) -> str:
    """Replace `{name}` in a text; unknown names stay as they are, nothing else is interpreted."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def requirements_met(
    step: ProtocolStepDraft | ProtocolStep, skill: SkillBrief | None, objective: Objective
) -> tuple[str, ...]:
    """Ids of the requirements that ask for the step's skill, or most of whose words are in the step."""
    settings = " ".join(f"{p.name.replace('_', ' ')} {p.value}" for p in step.parameters)
    text = content_words(f"{step.title} {step.action} {step.rationale} {step.acceptance} {settings}")
    met = []
    for requirement in objective.requirements:
        asked = skill is not None and asked_for(skill, requirement.text)
        if asked or overlap(content_words(requirement.text), text) >= 0.6:
            met.append(requirement.id)
    return tuple(met)
