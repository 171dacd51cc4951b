"""Inputs and answers of the designer's prompts, those of a revision included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from bioresearcher.schemas.base import LONG, SENTENCE, Objective, Value
from bioresearcher.schemas.conversation import Turn
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.facts import Fact, LookRecord, Proposal, View
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import (
    Decision,
    Definition,
    NotDone,
    OutlineLine,
    PaperUse,
    Protocol,
    ProtocolPart,
    ProtocolStep,
    Rehearsal,
    Relation,
    ReportPartRef,
    ShapingFact,
    StepInput,
    StepOutput,
)
from bioresearcher.schemas.review import CheckFinding, RankedFinding
from bioresearcher.schemas.skill import SkillContract


class KnownStep(Value):
    """A step of a paper report, as the author of a protocol may cite it."""

    ref: str = Field(description="`<paper>/<part>.<number>`, as a citation names it")
    action: str
    parameters: tuple[Parameter, ...] = ()
    software: tuple[str, ...] = ()
    quotes: tuple[str, ...] = Field(default=(), description="the paper's own words")


class KnownPart(Value):
    """A part of a paper report with its referability; steps are given where it is worth taking up."""

    part_id: str
    title: str
    purpose: str = ""
    level: Literal["low", "medium", "high"]
    reuse: str = ""
    change: str = ""
    steps: tuple[KnownStep, ...] = ()


class KnownPaper(Value):
    """A paper that was read, as the author of a protocol sees it."""

    paper_id: str
    title: str
    read: str = Field(description="what was read of it: full text, abstract only, a note")
    warning: str = Field(default="", description="retraction or another notice; empty when there is none")
    parts: tuple[KnownPart, ...] = ()


class SkillBrief(Value):
    """Description of a skill without its code."""

    name: str
    description: str
    contract: SkillContract


class HeadingDraft(Value):
    """A part to be designed."""

    id: str = Field(description="`1`, `2`, … in order")
    title: str
    purpose: str = Field(
        description="what this part contributes to the objective, in one sentence", json_schema_extra=SENTENCE
    )
    reason: str = Field(description="why it stands here: what it needs and what needs it", json_schema_extra=SENTENCE)
    depends_on: tuple[str, ...] = Field(default=(), description="ids of earlier parts")
    relations: tuple[Relation, ...] = Field(default=(), description="one per earlier part it depends on, with why")
    learns_from: tuple[ReportPartRef, ...] = ()


class AuthorTurn(Turn):
    """Material that the author of a protocol has at hand in every turn; the conversation's opening shows all of it."""

    droppable: ClassVar[Mapping[str, int]] = {"known": 0, "skills": 0}

    objective: Objective
    datasets: tuple[Dataset, ...]
    checks: tuple[DatasetCheck, ...] = Field(default=(), description="suitability of each data set for the objective")
    views: tuple[View, ...] = ()
    facts: tuple[Fact, ...] = Field(default=(), description="those of the audit; those of looks stand in `said`")
    proposals: tuple[Proposal, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="what the audit could not look at")
    known: tuple[KnownPaper, ...] = ()
    skills: tuple[SkillBrief, ...] = ()
    max_parts: int = Field(default=12, description="parts at most")
    questions: tuple[str, ...] = Field(default=(), description="questions bound to the data, a line each, with its id")


class ExploreDataInput(AuthorTurn):
    """Input of `designer/explore_data`."""

    round: int
    rounds: int = Field(description="rounds at most")
    derived: tuple[str, ...] = Field(default=(), description="`<data set>: <column>` derived from dates and names")


class PlanProtocolInput(AuthorTurn):
    """Input of `designer/plan_protocol`."""

    fixed: tuple[ProtocolPart, ...] = Field(default=(), description="headings that a person settled; empty: none")
    findings: tuple[CheckFinding, ...] = Field(default=(), description="of checks or a person, on the draft before")


class PlannedPart(HeadingDraft):
    """A part with a line for each step that is to be written."""

    lines: tuple[OutlineLine, ...]


class ProtocolPlan(Value):
    """The plan of a protocol: its first page, its parts, and a line per step."""

    title: str
    summary: str = Field(description="two to four sentences; no results")
    decisions: tuple[Decision, ...] = Field(description="the choices a reader must know first, most important first")
    facts: tuple[ShapingFact, ...] = Field(description="facts that shape the plan, by id, with what is done about them")
    not_done: tuple[NotDone, ...]
    answer_rule: tuple[str, ...] = Field(description="which result gives which answer, fixed before any result")
    definitions: tuple[Definition, ...]
    papers: tuple[PaperUse, ...] = Field(description="every paper listed: what it is used for, or why it is not used")
    parts: tuple[PlannedPart, ...]


class CitationDraft(Value):
    """A source that a step rests on, and the claim it takes from it."""

    kind: Literal["fact", "passage", "general"]
    ref: str = Field(default="", description="fact id, `<paper>/<step>` or passage id; empty for general knowledge")
    claim: str = Field(description="what the step takes from it", json_schema_extra=SENTENCE)


class WriteStepsInput(AuthorTurn):
    """Input of `designer/write_steps`."""

    plan: ProtocolPlan
    lines: tuple[str, ...] = Field(description="ids of the lines to write now, in order")
    written: tuple[ProtocolStep, ...] = Field(default=(), description="steps written before")
    words: int = Field(default=4_000, description="words at most of the lines to write now, together")


class ProtocolStepDraft(Value):
    """One step; `id` is one of the plan's."""

    id: str
    title: str
    action: str = Field(
        description="what to do, as imperative sentences with every setting; Markdown lists and tables where they help",
        json_schema_extra={LONG: True},
    )
    rationale: str = Field(default="", description="why it is done this way, in a sentence", json_schema_extra=SENTENCE)
    parameters: tuple[Parameter, ...] = Field(default=(), description="those of the skill, if it has one")
    inputs: tuple[StepInput, ...] = ()
    outputs: tuple[StepOutput, ...] = ()
    datasets: tuple[str, ...] = ()
    questions: tuple[str, ...] = Field(default=(), description="ids of the questions that its results answer")
    software: tuple[str, ...] = ()
    acceptance: str = Field(description="a check that tells whether the step succeeded, not the hoped-for result")
    code: str = Field(
        default="",
        description="its part of the protocol's script in Python; empty for a step that is not computed",
        json_schema_extra={LONG: True},
    )
    kind: Literal["dry", "wet"]
    skill: str | None = None
    requirements: tuple[str, ...] = Field(default=(), description="ids of requirements it helps to meet")
    citations: tuple[CitationDraft, ...] = ()


class StepsDraft(Value):
    """The steps that were asked for."""

    steps: tuple[ProtocolStepDraft, ...]


class CutClaim(Value):
    """A citation that was cut, with the reason and what its source says."""

    step: str
    ref: str
    claim: str
    reason: str
    source: str = Field(default="", description="the fact, look or passage, shortened; empty: there is none")


class ReviseProtocolInput(AuthorTurn):
    """Input of `designer/revise_protocol`."""

    protocol: Protocol = Field(description="the draft that is revised, in full")
    findings: tuple[RankedFinding, ...]
    cut: tuple[CutClaim, ...] = Field(default=(), description="citations that the check refused")
    looks: tuple[LookRecord, ...] = Field(default=(), description="looks that findings rest on, shortened")


class TextEdit(Value):
    """A small change: words of the protocol and those that take their place."""

    place: str = Field(description="`step 2.1`, `part 2`, `summary`, `decisions`, `facts`, `definitions`, …")
    old: str = Field(description="words that stand there exactly once, copied letter by letter")
    new: str


class StepCode(Value):
    """Code of a step or definition, in full, in place of what it had."""

    place: str = Field(description="`step 2.1`, or `definition <name>`")
    code: str = Field(json_schema_extra={LONG: True})


class MendScriptInput(Value):
    """Input of `designer/mend_script`: the protocol, its script, and how a rehearsal of it went."""

    objective: Objective
    protocol: Protocol
    files: str = Field(description="the head of the script: the files and how they are read")
    rehearsal: Rehearsal
    shuffled: tuple[str, ...] = Field(default=(), description="columns shuffled in the copies, a line a data set")
    round: int
    rounds: int = Field(description="rehearsals that can follow at most, this answer's included")


class MendedScript(Value):
    """Changes after a rehearsal; what is not named stays as it is."""

    code: tuple[StepCode, ...] = Field(default=(), description="changed code, each place in full")
    edits: tuple[TextEdit, ...] = Field(default=(), description="small changes of texts that the rehearsal shows wrong")


class FindingAnswer(Value):
    """The author's answer to a finding."""

    finding: str
    done: bool = Field(description="whether the protocol was changed for it")
    answer: str = Field(description="what was changed, or why nothing was", json_schema_extra=SENTENCE)


class RefusedEdit(TextEdit):
    """A small change that could not be made, with the reason and the nearest text in its place."""

    why: str
    near: str = ""


class RepairEditsInput(AuthorTurn):
    """Input of `designer/repair_edits`."""

    refused: tuple[RefusedEdit, ...] = Field(description="changes that could not be made")


class RepairedEdits(Value):
    """Small changes in place of those that could not be made; one that is not needed any more is left out."""

    edits: tuple[TextEdit, ...] = ()


class RevisedProtocol(Value):
    """Changes of a protocol; what is not named stays as it is."""

    answers: tuple[FindingAnswer, ...] = Field(description="one per finding")
    edits: tuple[TextEdit, ...] = Field(default=(), description="small changes; made before all others")
    steps: tuple[ProtocolStepDraft, ...] = Field(
        default=(), description="changed steps in full under their ids, new ones under new ids of their part"
    )
    dropped: tuple[str, ...] = Field(default=(), description="ids of steps to take out")
    decisions: tuple[Decision, ...] | None = Field(default=None, description="all of them, when one changes")
    facts: tuple[ShapingFact, ...] | None = None
    not_done: tuple[NotDone, ...] | None = None
    answer_rule: tuple[str, ...] | None = None
    definitions: tuple[Definition, ...] | None = None


class ChoosePartsInput(Value):
    """Input of `designer/choose_parts`."""

    comment: str
    parts: tuple[ProtocolPart, ...]


class PartConcern(Value):
    """The answer for one part."""

    part: str
    reason: str = Field(description="why it must change for the comment, or why not", json_schema_extra=SENTENCE)
    concerned: bool = Field(description="Must this part change for the comment to be met?")


class PartsChosen(Value):
    """One answer per part."""

    parts: tuple[PartConcern, ...]


class RevisePartInput(Value):
    """Input of `designer/revise_part`."""

    droppable: ClassVar[Mapping[str, int]] = {"known": 0, "skills": 0}

    objective: Objective
    comment: str
    part: ProtocolPart
    all_parts: tuple[ProtocolPart, ...] = Field(description="the whole protocol; only its outline is shown")
    known: tuple[KnownStep, ...]
    datasets: tuple[Dataset, ...]
    skills: tuple[SkillBrief, ...]
    findings: tuple[CheckFinding, ...]


class RevisedPart(Value):
    """Changes of one part; steps that are not named stay as they are."""

    steps: tuple[ProtocolStepDraft, ...] = Field(
        default=(), description="changed steps in full under their ids, and new ones under new ids"
    )
    dropped: tuple[str, ...] = Field(default=(), description="ids of steps to take out")
    drop_part: bool = Field(default=False, description="whether the whole part is to be taken out")
    reason: str = Field(default="", description="what was done for the comment", json_schema_extra=SENTENCE)
    not_done: str = Field(default="", description="what of the comment cannot be done, and why; empty when all was")
