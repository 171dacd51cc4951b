"""Prompts of all steps that ask a model, each with the classes of its values and of its answer."""

from __future__ import annotations

from typing import Any

from bioresearcher.prompts import Prompt
from bioresearcher.schemas.ask_design import (
    ChoosePartsInput,
    DesignHeadingsInput,
    DesignOutlinesInput,
    HeadingsDraft,
    OutlinesDraft,
    PartsChosen,
    RevisedPart,
    RevisePartInput,
    StepsDraft,
    WriteStepsInput,
)
from bioresearcher.schemas.ask_literature import (
    AnswerDraft,
    AnswerQuestionInput,
    DatasetAnswers,
    JudgeDatasetInput,
    JudgeReferabilityInput,
    OutlinePaperInput,
    PaperOutline,
    PartDraft,
    PlanQueriesInput,
    ReferabilityDraft,
    ReportPartInput,
    ScreenPaperInput,
)
from bioresearcher.schemas.ask_program import (
    CodeDraft,
    ExtractTasksInput,
    ProtocolScores,
    RepairCodeInput,
    ReviewDraftInput,
    ScoreProtocolInput,
    TasksDraft,
    WriteCodeInput,
)
from bioresearcher.schemas.paper import PaperAnswers, QueryPlan
from bioresearcher.schemas.review import DraftJudgement

PLAN_QUERIES = Prompt("search/plan_queries", PlanQueriesInput, QueryPlan)
SCREEN_PAPER = Prompt("search/screen_paper", ScreenPaperInput, PaperAnswers)
JUDGE_DATASET = Prompt("search/judge_dataset", JudgeDatasetInput, DatasetAnswers)
OUTLINE_PAPER = Prompt("literature/outline_paper", OutlinePaperInput, PaperOutline)
REPORT_PART = Prompt("literature/report_part", ReportPartInput, PartDraft)
JUDGE_REFERABILITY = Prompt("literature/judge_referability", JudgeReferabilityInput, ReferabilityDraft)
ANSWER_QUESTION = Prompt("literature/answer_question", AnswerQuestionInput, AnswerDraft)
DESIGN_HEADINGS = Prompt("designer/design_headings", DesignHeadingsInput, HeadingsDraft)
DESIGN_OUTLINES = Prompt("designer/design_outlines", DesignOutlinesInput, OutlinesDraft)
WRITE_STEPS = Prompt("designer/write_steps", WriteStepsInput, StepsDraft)
CHOOSE_PARTS = Prompt("designer/choose_parts", ChoosePartsInput, PartsChosen)
REVISE_PART = Prompt("designer/revise_part", RevisePartInput, RevisedPart)
EXTRACT_TASKS = Prompt("programmer/extract_tasks", ExtractTasksInput, TasksDraft)
WRITE_CODE = Prompt("programmer/write_code", WriteCodeInput, CodeDraft)
REPAIR_CODE = Prompt("programmer/repair_code", RepairCodeInput, CodeDraft)
REVIEW_DRAFT = Prompt("reviewer/review_draft", ReviewDraftInput, DraftJudgement)
SCORE_PROTOCOL = Prompt("reviewer/score_protocol", ScoreProtocolInput, ProtocolScores)

ALL: tuple[Prompt[Any, Any], ...] = tuple(value for value in vars().values() if isinstance(value, Prompt))
"""All of the above, in this order."""
ON_REQUEST: tuple[Prompt[Any, Any], ...] = (CHOOSE_PARTS, REVISE_PART, ANSWER_QUESTION)
"""Prompts used only when a person comments on the protocol or asks a question."""
