"""Prompts of all steps that ask a model, each with the classes of its values and of its answer."""

from __future__ import annotations

from typing import Any

from bioresearcher.prompts import Prompt
from bioresearcher.schemas import ask_answer as answer
from bioresearcher.schemas import ask_design as design
from bioresearcher.schemas import ask_judge as judge
from bioresearcher.schemas import ask_literature as literature
from bioresearcher.schemas import ask_program as program
from bioresearcher.schemas import ask_questions as asked
from bioresearcher.schemas import ask_review as review
from bioresearcher.schemas.conversation import ActionTurn
from bioresearcher.schemas.paper import PaperAnswers, QueryPlan

PLAN_QUERIES = Prompt("search/plan_queries", literature.PlanQueriesInput, QueryPlan)
SCREEN_PAPER = Prompt("search/screen_paper", literature.ScreenPaperInput, PaperAnswers)
JUDGE_DATASET = Prompt("search/judge_dataset", literature.JudgeDatasetInput, literature.DatasetAnswers)
DESCRIBE_DATA = Prompt("search/describe_data", literature.DescribeDataInput, literature.ReadingProposals)
OUTLINE_PAPER = Prompt("literature/outline_paper", literature.OutlinePaperInput, literature.PaperOutline)
REPORT_PART = Prompt("literature/report_part", literature.ReportPartInput, literature.PartDraft)
JUDGE_REFERABILITY = Prompt(
    "literature/judge_referability", literature.JudgeReferabilityInput, literature.ReferabilityDraft
)
ANSWER_QUESTION = Prompt("literature/answer_question", literature.AnswerQuestionInput, literature.AnswerDraft)
_AUTHOR, _REVIEWER, _PROGRAMMER = "designer/opening", "reviewer/opening", "programmer/opening"
ASK_QUESTIONS = Prompt("designer/ask_questions", asked.AskQuestionsInput, asked.QuestionProposals)
EXPLORE_DATA = Prompt("designer/explore_data", design.ExploreDataInput, ActionTurn, _AUTHOR)
PLAN_PROTOCOL = Prompt("designer/plan_protocol", design.PlanProtocolInput, design.ProtocolPlan, _AUTHOR)
WRITE_STEPS = Prompt("designer/write_steps", design.WriteStepsInput, design.StepsDraft, _AUTHOR)
REVISE_PROTOCOL = Prompt("designer/revise_protocol", design.ReviseProtocolInput, design.RevisedProtocol, _AUTHOR)
MEND_SCRIPT = Prompt("designer/mend_script", design.MendScriptInput, design.MendedScript)
REPAIR_EDITS = Prompt("designer/repair_edits", design.RepairEditsInput, design.RepairedEdits, _AUTHOR)
CHOOSE_PARTS = Prompt("designer/choose_parts", design.ChoosePartsInput, design.PartsChosen)
REVISE_PART = Prompt("designer/revise_part", design.RevisePartInput, design.RevisedPart)
ANSWER_QUESTIONS = Prompt("designer/answer_questions", answer.AnswerQuestionsInput, answer.WrittenAnswer)
COMPARE_PAPERS = Prompt("literature/compare_papers", answer.ComparePapersInput, answer.PapersCompared)
EXTRACT_TASKS = Prompt("programmer/extract_tasks", program.ExtractTasksInput, program.TasksDraft)
WRITE_CODE = Prompt("programmer/write_code", program.WriteCodeInput, program.CodeDraft, _PROGRAMMER)
REPAIR_CODE = Prompt("programmer/repair_code", program.RepairCodeInput, program.CodeDraft, _PROGRAMMER)
EXAMINE_STATEMENTS = Prompt("reviewer/examine_statements", review.ExamineStatementsInput, ActionTurn, _REVIEWER)
REVIEW_PROTOCOL = Prompt("reviewer/review_protocol", review.ReviewProtocolInput, review.RankedReview, _REVIEWER)
RECHECK_FINDINGS = Prompt("reviewer/recheck_findings", review.RecheckFindingsInput, review.FindingsLeft)
JUDGE_SENTENCES = Prompt("reviewer/judge_sentences", answer.JudgeSentencesInput, answer.SentenceJudgements)
JUDGE_CLAIMS = Prompt("reviewer/judge_claims", review.JudgeClaimsInput, review.ClaimJudgements)
SCORE_PROTOCOL = Prompt("reviewer/score_protocol", program.ScoreProtocolInput, program.ProtocolScores)
JUDGE_PAGE = Prompt("reviewer/judge_page", answer.JudgePageInput, answer.JudgedPage)
JUDGE_DOCUMENT = Prompt("reviewer/judge_document", judge.JudgeDocumentInput, judge.DocumentJudgement)
VERIFY_FINDINGS = Prompt("reviewer/verify_findings", judge.VerifyFindingsInput, judge.VerifiedFindings)

ALL: tuple[Prompt[Any, Any], ...] = tuple(value for value in vars().values() if isinstance(value, Prompt))
"""All of the above, in this order."""
ON_REQUEST: tuple[Prompt[Any, Any], ...] = (
    DESCRIBE_DATA,
    CHOOSE_PARTS,
    REVISE_PART,
    ANSWER_QUESTION,
    JUDGE_DOCUMENT,
    VERIFY_FINDINGS,
)
"""Prompts used only when rules cannot read data or bind a question, a person comments or asks a question, or a document
is reviewed."""
