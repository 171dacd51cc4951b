"""Rules of the search agent."""

from __future__ import annotations

from bioresearcher.llm.offline.text import normal, overlap, phrases, sentences, words
from bioresearcher.schemas.ask_search import DatasetAnswers, JudgeDatasetInput, ScreenPaperInput
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import PaperAnswers

METHOD_WORDS = frozenset(
    """method methods procedure normalize normalization compute computed calculate estimate regression model test score
    signature cluster clustering enrichment validate validation correction adjust cohort sample samples measured assay
    sequencing microarray microarrays profile profiles statistical statistic""".split()
)


def screen_paper(values: ScreenPaperInput) -> PaperAnswers:
    """Closed answers from shared words and similarity; the quote is the sentence closest to the objective."""
    objective, paper = values.objective, values.paper
    text = f"{paper.title}. {paper.abstract}"
    content = words(text)
    wanted = words(objective.text)
    condition = phrases([objective.text], 3)
    requirement = max((overlap(words(r.text), content) for r in objective.requirements), default=0.0)
    found = sentences(text)
    quote = max(found, key=lambda s: (overlap(wanted, words(s)), -len(s)), default=paper.title)
    same_condition = any(overlap(words(p), content) >= 0.5 for p in condition)
    same_question = values.relevance >= 0.35
    usable = len(METHOD_WORDS & set(content)) >= 2
    return PaperAnswers(
        same_condition=same_condition,
        same_question=same_question,
        usable_method=usable,
        fits_data=overlap(words(" ".join(objective.conditions)), content) >= 0.08,
        meets_requirement=requirement >= 0.25,
        quote=quote,
        reason=(
            f"Similarity to the objective {values.relevance:.2f}; shares {overlap(wanted, content):.0%} of its content "
            f"words and up to {requirement:.0%} of a requirement's."
        ),
    )


def judge_dataset(values: JudgeDatasetInput) -> DatasetAnswers:
    """Closed answers from the description; a reference collection needs no samples."""
    dataset, objective = values.dataset, values.objective
    described = " ".join(
        filter(None, [dataset.title, dataset.assay, dataset.organism, dataset.citation, *dataset.notes])
    )
    shared = overlap(words(described), words(_all_text(objective)))
    named = normal(dataset.id).strip() in normal(_all_text(objective))
    reference = dataset.file("gene_sets") is not None and dataset.file("samples") is None
    groups = dataset.column("group") is not None or dataset.column("event") is not None
    undescribed = dataset.described_by == "inferred"
    if undescribed:
        reason = "Nothing describes it, so whether it fits the objective is the researcher's word."
    else:
        reason = f"Shares {shared:.0%} of its description's words with the objective" + (
            " and is named in it." if named else "."
        )
    return DatasetAnswers(
        right_condition=reference or named or undescribed or shared >= 0.1,
        right_measure=reference or dataset.file("expression") is not None or dataset.file("table") is not None,
        right_groups=reference or groups,
        quote=dataset.title,
        reason=reason,
    )


def _all_text(objective: Objective) -> str:
    return " ".join([objective.text, *objective.conditions, *(r.text for r in objective.requirements)])
