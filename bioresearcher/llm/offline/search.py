"""Rules of the search agent."""

from __future__ import annotations

from functools import lru_cache

from bioresearcher.llm.offline.concepts import broader, find_concepts
from bioresearcher.llm.offline.queries import objective_concepts
from bioresearcher.schemas.ask_search import DatasetAnswers, JudgeDatasetInput, ScreenPaperInput
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.paper import PaperAnswers
from bioresearcher.sources.dataset_check import check_dataset
from bioresearcher.text.words import normal, overlap, sentence_texts, words

CLOSE = 0.4
"""Similarity of title and abstract to the objective above which it pursues the same question."""
NEAR = 0.3
"""Similarity below which words that are shared are taken for chance."""
METHOD_WORDS = frozenset(
    """method methods procedure normalize normalization compute computed calculate estimate regression model test score
    signature cluster clustering enrichment validate validation correction adjust cohort sample samples measured assay
    sequencing microarray microarrays profile profiles statistical statistic""".split()
)


def screen_paper(values: ScreenPaperInput) -> PaperAnswers:
    """Closed answers from shared concepts and similarity; the quote is the sentence closest to the objective."""
    objective, paper = values.objective, values.paper
    text = f"{paper.title}. {paper.abstract}"
    content = words(text)
    wanted = words(objective.text)
    named = {c.key for c in find_concepts(text)}
    subject, others = _concepts(objective)
    requirement = max((overlap(words(r.text), content) for r in objective.requirements), default=0.0)
    quote = max(sentence_texts(text), key=lambda s: (overlap(wanted, words(s)), -len(s)), default=paper.title)
    near = values.relevance >= NEAR
    shared = sorted(named & others.keys())
    same = bool(named & subject) if subject else overlap(wanted, content) >= 0.5
    said = ["It names the objective's subject" if same else "It does not name the objective's subject"]
    said += [f"It names {', '.join(others[k] for k in shared[:3])}"] if shared else []
    if objective.requirements:
        said.append(f"It shares up to {requirement:.0%} of a requirement's words")
    return PaperAnswers(
        same_condition=same,
        same_question=values.relevance >= CLOSE,
        usable_method=near and bool(METHOD_WORDS & {*content}),
        fits_data=near and overlap(words(" ".join(objective.conditions)), content) >= 0.08,
        meets_requirement=near and (requirement >= 0.25 or bool(shared)),
        quote=quote,
        reason=". ".join([f"Similarity to the objective {values.relevance:.2f}", *said]) + ".",
    )


@lru_cache(maxsize=8)
def _concepts(objective: Objective) -> tuple[frozenset[str], dict[str, str]]:
    """Keys of the objective's subject with the disease above it, and of its other concepts with their names."""
    found = objective_concepts(objective)
    above = broader(found[0]) if found else None
    subject = frozenset(c.key for c in (*found[:1], above) if c is not None and c.heading)
    return subject, {c.key: c.names[0] for c in found[1:]}


def judge_dataset(values: JudgeDatasetInput) -> DatasetAnswers:
    """Closed answers from the description; a reference collection needs no samples."""
    dataset, objective = values.dataset, values.objective
    if dataset.remote is not None and not dataset.files:
        check = check_dataset(dataset, objective)
        words_of = "its title, summary, samples and assay"
        reason = f"Judged by rule from {words_of}: {'fits' if check.relevant else 'does not fit'} the objective."
        return DatasetAnswers(
            right_condition=check.relevant,
            right_measure=check.relevant,
            right_groups=bool(dataset.remote.groups),
            quote=dataset.title,
            reason=reason,
        )
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
