"""Offline rules of the search agent: plan Boolean queries, screen papers, judge data sets.

An objective's concepts are the terms of a medical vocabulary (MeSH and a short list) that it names, and its other key
phrases. Queries join concepts in different ways, with MeSH terms and field tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal

from bioresearcher.retrieval.bm25 import terms
from bioresearcher.schemas.ask_literature import DatasetAnswers, JudgeDatasetInput, PlanQueriesInput, ScreenPaperInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import PaperAnswers, QueryPlan, SearchQuery
from bioresearcher.sources.datasets.suitability import check_dataset
from bioresearcher.sources.pubmed_offline.mesh import headings
from bioresearcher.text.words import STOP, content_words, normalised, overlap, phrases, sentence_texts

Kind = Literal["disease", "method", "topic"]

_TOKEN: Final = re.compile(r"[^\W_]+(?:[-/'’][^\W_]+)*|[.;:!?()]")
_LONGEST: Final = 6
"""Most words of a name."""
_AMBIGUOUS: Final = frozenset(
    "disease syndrome association methods solutions base weight time paper classification documentation records "
    " software publications registries risk control groups cohort survey questionnaires sample size "
    "genes genome pattern probability uncertainty calibration chromosomes exons alleles base sequence".split()
)
"""MeSH headings that are mostly plain words in an objective's text."""

_TOPICS: Final[Mapping[str, str]] = {
    "Tumor Microenvironment": "tumor microenvironment|immune microenvironment|tumor immune microenvironment|immune "
    "landscape",
    "Lymphocytes, Tumor-Infiltrating": "tumor-infiltrating lymphocytes|immune infiltration|immune cell infiltration",
    "Immunotherapy": "immunotherapy|immune checkpoint inhibitors|immune checkpoint blockade",
    "Biomarkers, Tumor": "tumor biomarkers|biomarkers|tumor markers|prognostic signature|gene signature",
    "Prognosis": "prognosis|outcome|prognostic factors",
    "Survival Analysis": "survival analysis|overall survival|survival",
    "Cell Proliferation": "cell proliferation|proliferation",
    "Drug Resistance, Neoplasm": "drug resistance|treatment resistance|chemoresistance",
    "Neoplasm Metastasis": "metastasis|metastases",
    "Macrophages": "macrophages|tumor-associated macrophages",
    "T-Lymphocytes": "T cells|T lymphocytes",
    "Receptors, Estrogen": "estrogen receptor|estrogen-receptor-positive|ER-positive",
    "Epithelial-Mesenchymal Transition": "epithelial-mesenchymal transition|EMT",
    "Neoplastic Stem Cells": "cancer stem cells",
    "Cell Cycle": "cell cycle",
    "E2F Transcription Factors": "E2F target|E2F",
    "Apoptosis": "apoptosis|programmed cell death",
    "Autophagy": "autophagy",
    "Inflammation": "inflammation",
    "Oxidative Stress": "oxidative stress",
    "Gastrointestinal Microbiome": "gut microbiome|gut microbiota|intestinal microbiota",
    "Treatment Outcome": "treatment response|treatment outcome|response to therapy",
    "Signal Transduction": "signaling pathway|signal transduction",
}
_METHODS: Final[Mapping[str, str]] = {
    "Gene Expression Profiling": "gene expression profiling|transcriptomics|transcriptome|gene expression analysis|"
    "transcriptional profiling|differential expression|differentially expressed genes|transcriptional differences",
    "RNA-Seq": "RNA sequencing|RNA-seq",
    "Single-Cell Analysis": "single-cell sequencing|single-cell RNA sequencing|scRNA-seq|single-cell analysis",
    "Oligonucleotide Array Sequence Analysis": "microarray|gene expression array",
    "Proportional Hazards Models": "Cox regression|proportional hazards",
    "Kaplan-Meier Estimate": "Kaplan-Meier|log-rank test",
    "Machine Learning": "machine learning|random forest|deep learning",
    "Principal Component Analysis": "principal component analysis|PCA",
    "Cluster Analysis": "cluster analysis|clustering|consensus clustering",
    "Gene Regulatory Networks": "gene co-expression network|WGCNA|gene regulatory network",
    "Genome-Wide Association Study": "genome-wide association study|GWAS",
    "Mendelian Randomization Analysis": "Mendelian randomization",
    "Protein Interaction Maps": "protein-protein interaction network|protein interaction",
    "Proteomics": "proteomics|proteome|mass spectrometry",
    "Metabolomics": "metabolomics|lipidomics",
    "DNA Methylation": "DNA methylation|methylation",
    "Whole Exome Sequencing": "exome sequencing",
    "Immunohistochemistry": "immunohistochemistry",
    "Flow Cytometry": "flow cytometry",
    "Gene Ontology": "gene set enrichment|pathway enrichment|functional enrichment|over-representation",
    "Reproducibility of Results": "external validation|independent validation|reproducibility",
    "Meta-Analysis as Topic": "meta-analysis",
    "Data Mining": "text mining",
}
"""MeSH headings that research on data often needs → the words of authors; the first three go into a query."""
_SAME: Final = {"cancer": "neoplasm", "tumor": "neoplasm", "malignancy": "neoplasm"}
_ACTS: Final = frozenset(["identification", "test", "tests", "testing"])
"""Stop words that are part of a name's meaning; names with them are not in the vocabulary."""
_GENERIC: Final = frozenset(
    "gene genes cohort cohorts data samples sample class classes difference differences patient patients outcome "
    "discovery independent association associated holds hold group groups set sets level levels role effect effects "
    "type types human mechanism mechanisms factor factors result results paper papers target targets signature "
    "signatures tumor tumors cell cells clinical expression positive negative important significant potential "
    "value values table tables top check score formula unit time look laptop control public publicly dataset "
    "datasets resource resources case cases sequencing significantly associated classification description adjustment "
    "overview endpoint assessment grouped".split()
)


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept of an objective; `names` are its names in titles and abstracts, the objective's own word first."""

    heading: str
    names: tuple[str, ...]
    kind: Kind
    trees: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """An identifier that is the same for all mentions of the concept."""
        return self.heading or normalised(self.names[0]).strip()


def find_concepts(text: str) -> list[Concept]:
    """Find the vocabulary's concepts in a text, in order, each once; a longer name is preferred to one inside it."""
    known = _vocabulary()
    content_words = _TOKEN.findall(text)
    found: dict[str, Concept] = {}
    at = 0
    while at < len(content_words):
        for length in range(min(_LONGEST, len(content_words) - at), 0, -1):
            name = " ".join(content_words[at : at + length])
            ends = _key(content_words[at]) and _key(content_words[at + length - 1])
            concept = known.get(_key(name)) if ends else None
            if concept is not None:
                found.setdefault(concept.key, _named_first(concept, name))
                at += length
                break
        else:
            at += 1
    return list(found.values())


def free_phrases(texts: Iterable[str], known: Sequence[Concept], limit: int) -> list[Concept]:
    """Find key phrases that no known concept covers and that are more than everyday words."""
    covered = {stem for c in known for name in c.names for stem in terms(normalised(name))}
    found = []
    for phrase in phrases(texts, 40):
        stems = terms(normalised(phrase))
        specific = [w for w in normalised(phrase).split() if w not in _GENERIC and not w.isdigit()]
        new = not covered.issuperset(terms(" ".join(specific)))
        if new and (len(stems) >= 2 or len(phrase) >= 8) and len(phrase.split()) <= 3:
            found.append(Concept("", (phrase,), "topic"))
            covered |= {*stems}
    return found[:limit]


def broader(concept: Concept) -> Concept | None:
    """The disease one level above in MeSH, of several the one with the shortest name; None for a whole chapter."""
    parents = []
    for tree in concept.trees:
        above = tree.rpartition(".")[0]
        while above.count(".") >= 1 and above not in _by_tree():
            above = above.rpartition(".")[0]
        if above.count(".") >= 1:
            parents.append(_by_tree()[above])
    parents = [p for p in parents if " by " not in p.heading]
    return min(parents, key=lambda c: (len(c.heading), c.heading), default=None)


def _named_first(concept: Concept, name: str) -> Concept:
    """The concept with the text's own name for it in front, unless a method's name begins with that."""
    own = name if name.isupper() else name.lower()
    longer = [n for n in concept.names if concept.kind == "method" and n.lower().startswith(f"{own.lower()} ")]
    first = longer[0] if longer else own
    names = (first, *(n for n in concept.names if n.lower() != first.lower()))
    return Concept(concept.heading, names, concept.kind, concept.trees)


def _key(name: str) -> tuple[str, ...]:
    """Key of a name in the vocabulary: its words in the singular without stop words, all words for a tumour as one.

    Not stems: `pancreatic` and `pancreatitis` have the same.
    """
    return tuple(_SAME.get(w, w) for w in map(_singular, normalised(name).split()) if w not in STOP)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@cache
def _vocabulary() -> dict[tuple[str, ...], Concept]:
    """Key of a name → its concept."""
    found: dict[tuple[str, ...], Concept] = {}
    for table, kind in ((_TOPICS, "topic"), (_METHODS, "method")):
        for heading, joined in table.items():
            names = tuple(joined.split("|"))
            concept = Concept(heading, names, "topic" if kind == "topic" else "method")
            for name in (*names, natural(heading)):
                found.setdefault(_key(name), concept)
    for concept in _headings():
        for name in concept.names:
            key = _key(name)
            plain = len(key) == 1 and (name.lower() in _AMBIGUOUS or len(name) < 5)
            if key and key != ("neoplasm",) and not plain and not _ACTS.intersection(normalised(name).split()):
                found.setdefault(key, concept)
    return found


@cache
def _by_tree() -> dict[str, Concept]:
    return {tree: c for c in _headings() for tree in c.trees}


@cache
def _headings() -> tuple[Concept, ...]:
    """The concepts of the shipped selection of Medical Subject Headings."""
    found = []
    for heading in headings():
        names = dict.fromkeys(natural(name) for name in (heading.name, *heading.others))
        if heading.name.endswith(" Neoplasms"):  # hardly any author writes neoplasms
            names = {**dict.fromkeys([f"{heading.name.removesuffix(' Neoplasms')} cancer"]), **names}
        kind: Kind = "disease" if heading.trees and heading.trees[0].startswith("C") else "method"
        found.append(Concept(heading.name, tuple(names), kind, heading.trees))
    return tuple(found)


def natural(heading: str) -> str:
    """A heading as authors write it: `Leukemia, Myeloid, Acute` → `Acute Myeloid Leukemia`."""
    return " ".join(reversed(heading.split(", ")))


NAMES: Final = 3
"""Most names of a concept that are searched in titles and abstracts, beside its heading."""
FEWEST: Final = 3
"""Concepts beside the subject below which the subject is also searched alone."""
MOST: Final = 8
"""Most queries of one round."""

_ACCESSION: Final = re.compile(r"\b(?:GSE|GDS|E-MTAB-|SRP|PRJNA)\d{2,9}\b")
_PUBLISHED_SERIES: Final = '"gse"[Entry Type]'


def plan_queries(values: PlanQueriesInput) -> QueryPlan:
    """Plan the queries of a round, from narrow to broad.

    Round 1 joins the subject (the first disease, else the first concept) with each topic, method and requirement.
    Round 2 takes the disease above it, and topics with methods of any disease. Round 3 searches reviews of the subject,
    and each requirement's methods alone.
    """
    objective = values.objective
    concepts = objective_concepts(objective)
    rounds = (_first, _second, _third)
    asked = {q.query for q in values.previous}
    planned = rounds[min(values.round, 3) - 1](objective, concepts) if concepts else _words_only(objective)
    new = dict.fromkeys(q for q in planned if q.query not in asked)
    distinct = {q.query: q for q in reversed(new)}
    return QueryPlan(
        literature=tuple(q for q in new if distinct[q.query] is q)[:MOST],
        datasets=tuple(_datasets(concepts)) if values.round == 1 else (),
        terms=tuple(dict.fromkeys(c.names[0] for c in concepts))[:10],
    )


def objective_concepts(objective: Objective) -> list[Concept]:
    """The concepts of an objective's sentence: its subject first, then the others in order."""
    known = find_concepts(objective.text)
    known += free_phrases([objective.text], known, 3 if known else 4)
    diseases = [c for c in known if c.kind == "disease"]
    if not diseases:
        diseases = [c for c in find_concepts(" ".join(objective.conditions)) if c.kind == "disease"][:1]
    if not diseases:  # an organ, trait or gene that is in no vocabulary says more than how it is measured
        diseases = [c for c in known if not c.heading][:1] or known[:1]
    return [*diseases, *(c for c in known if c.key not in {d.key for d in diseases})]


def block(concept: Concept, names: int = NAMES) -> str:
    """The query for a concept, in brackets: its heading, and its names in title or abstract."""
    parts = [f'"{concept.heading}"[MeSH Terms]'] if concept.heading else []
    spelled = dict.fromkeys(s for n in concept.names[:names] for s in _spellings(n, concept.kind))
    parts += [f'"{name}"[Title/Abstract]' for name in spelled]
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _spellings(name: str, kind: str) -> tuple[str, ...]:
    """A name as written, in American spelling, and, of a disease, in the plural or singular."""
    plain = name.replace("'", "").replace('"', "")
    spelled = normalised(plain).strip()
    found = [plain]
    if not re.search(r"[^a-z ]", plain.lower()) and spelled != plain.lower():
        found.append(spelled)
    last = plain.split()[-1] if plain.split() else ""
    if kind == "disease" and last.isalpha() and not last.isupper() and not last.endswith(("ss", "us", "is", "y")):
        found.append(plain[:-1] if last.endswith("s") else f"{plain}s")
    return tuple(dict.fromkeys(found))


def _join(purpose: str, *concepts: Concept) -> SearchQuery:
    return SearchQuery(query=" AND ".join(block(c) for c in concepts), purpose=purpose)


def _first(objective: Objective, concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    subject, *others = concepts
    topics = [c for c in others if c.kind != "method"]
    methods = [c for c in others if c.kind == "method"]
    if topics and methods:
        name = subject.names[0]
        yield _join(f"{name}: {topics[0].names[0]} by {methods[0].names[0]}", subject, topics[0], methods[0])
    yield from (_join(f"{subject.names[0]} and {c.names[0]}", subject, c) for c in (*topics[:2], *methods[:2]))
    yield from _same_data(objective)
    for requirement in objective.requirements:
        found = _of_text(requirement.text, concepts)
        if found:
            yield _join(f"requirement {requirement.id}: {found[0].names[0]}", subject, found[0])
    yield from (_join(f"{subject.names[0]} and {c.names[0]}", subject, c) for c in (*topics[2:], *methods[2:]))
    for condition in objective.conditions:
        for concept in [c for c in _of_text(condition, concepts) if c.heading and c.kind != "disease"][:1]:
            yield _join(f"{subject.names[0]} and {concept.names[0]}, which is at hand", subject, concept)
    if len(others) < FEWEST:
        yield _join("the objective's subject", subject)
        yield _reviews(subject)


def _second(objective: Objective, concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    subject, *others = concepts
    above = broader(subject)
    if above is not None:
        yield from (_join(f"{above.names[0]}, which holds {subject.names[0]}: {c.names[0]}", above, c) for c in others)
    topics = [c for c in others if c.kind != "method"]
    methods = [c for c in others if c.kind == "method"]
    yield from (_join(f"{t.names[0]} by {m.names[0]}", t, m) for t in topics[:2] for m in methods[:2])
    for requirement in objective.requirements:
        found = _of_text(requirement.text, concepts)
        yield from (_join(f"requirement {requirement.id}: {c.names[0]}", subject, c) for c in found[1:3])


def _third(objective: Objective, concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    subject, *others = concepts
    yield _reviews(subject)
    for requirement in objective.requirements:
        for concept in _of_text(requirement.text, concepts)[:1]:
            for other in others[:1]:
                yield _join(f"requirement {requirement.id}: {concept.names[0]} of any disease", concept, other)
    yield _join("the objective's subject", subject)


def _reviews(subject: Concept) -> SearchQuery:
    query = f'{block(subject)} AND "review"[Publication Type]'
    return SearchQuery(query=query, purpose=f"reviews of {subject.names[0]}")


def _of_text(text: str, known: Iterable[Concept]) -> list[Concept]:
    """Concepts of a requirement or condition that are not among the known ones."""
    keys = {c.key for c in known}
    found = find_concepts(text)
    found += free_phrases([text], found, 2)
    return [c for c in found if c.key not in keys]


def _same_data(objective: Objective) -> Iterator[SearchQuery]:
    """A query for studies of the data sets that the objective names."""
    text = " ".join([objective.text, *objective.conditions])
    names = dict.fromkeys(_ACCESSION.findall(text))
    if names:
        either = " OR ".join(f'"{n}"[Title/Abstract] OR "{n}"[Secondary Source ID]' for n in list(names)[:4])
        yield SearchQuery(query=f"({either})", purpose="studies of the same data sets")


def _datasets(concepts: Sequence[Concept]) -> Iterator[SearchQuery]:
    """Queries for series in GEO: the subject with each of the first concepts, then the subject alone."""
    if not concepts:
        return
    subject, *others = concepts
    for concept in [c for c in others if c.kind == "topic"][:2]:
        query = f"{_anywhere(subject)} AND {_anywhere(concept)} AND {_PUBLISHED_SERIES}"
        yield SearchQuery(query=query, purpose=f"{subject.names[0]} and {concept.names[0]}")
    yield SearchQuery(query=f"{_anywhere(subject)} AND {_PUBLISHED_SERIES}", purpose=subject.names[0])


def _anywhere(concept: Concept) -> str:
    names = dict.fromkeys(s for n in concept.names[:NAMES] for s in _spellings(n, concept.kind))
    quoted = [f'"{n}"[All Fields]' for n in names]
    return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"


def _words_only(objective: Objective) -> Iterator[SearchQuery]:
    """A query for an objective without any concept: its first words."""
    found = list(dict.fromkeys(content_words(objective.text)))[:3]
    if found:
        yield SearchQuery(query=" AND ".join(found), purpose="words of the objective")


CLOSE = 0.4
"""Similarity of title and abstract to the objective from which a paper pursues the same question."""
NEAR = 0.3
"""Similarity below which shared words are taken for chance."""
METHOD_WORDS = frozenset(
    """method methods procedure normalize normalization compute computed calculate estimate regression model test score
    signature cluster clustering enrichment validate validation correction adjust cohort sample samples measured assay
    sequencing microarray microarrays profile profiles statistical statistic""".split()
)


def screen_paper(values: ScreenPaperInput) -> PaperAnswers:
    """Screen a paper by shared concepts and similarity; the quote is the sentence that shares most words."""
    objective, paper = values.objective, values.paper
    text = f"{paper.title}. {paper.abstract}"
    content = content_words(text)
    wanted = content_words(objective.text)
    named = {c.key for c in find_concepts(text)}
    subject, others = _concepts(objective)
    requirement = max((overlap(content_words(r.text), content) for r in objective.requirements), default=0.0)
    quote = max(sentence_texts(text), key=lambda s: (overlap(wanted, content_words(s)), -len(s)), default=paper.title)
    near = values.relevance >= NEAR
    shared = sorted(named & others.keys())
    same = bool(named & subject) if subject else overlap(wanted, content) >= 0.5
    reasons = ["It names the objective's subject" if same else "It does not name the objective's subject"]
    reasons += [f"It names {', '.join(others[k] for k in shared[:3])}"] if shared else []
    if objective.requirements:
        reasons.append(f"It shares up to {requirement:.0%} of a requirement's words")
    return PaperAnswers(
        same_condition=same,
        same_question=values.relevance >= CLOSE,
        usable_method=near and bool(METHOD_WORDS & {*content}),
        fits_data=near and overlap(content_words(" ".join(objective.conditions)), content) >= 0.08,
        meets_requirement=near and (requirement >= 0.25 or bool(shared)),
        quote=quote,
        reason=". ".join([f"Similarity to the objective {values.relevance:.2f}", *reasons]) + ".",
    )


@lru_cache(maxsize=8)
def _concepts(objective: Objective) -> tuple[frozenset[str], dict[str, str]]:
    """Keys of the objective's subject and of the disease above it, and key → name of its other concepts."""
    found = objective_concepts(objective)
    above = broader(found[0]) if found else None
    subject = frozenset(c.key for c in (*found[:1], above) if c is not None and c.heading)
    return subject, {c.key: c.names[0] for c in found[1:]}


def judge_dataset(values: JudgeDatasetInput) -> DatasetAnswers:
    """Judge a data set by its description; a collection of gene sets needs no samples."""
    dataset, objective = values.dataset, values.objective
    if dataset.remote is not None and not dataset.files:
        check = check_dataset(dataset, objective)
        verdict = "fits" if check.relevant else "does not fit"
        reason = f"Judged by rule from its title, summary, samples and assay: {verdict} the objective."
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
    shared = overlap(content_words(described), content_words(_all_text(objective)))
    named = normalised(dataset.id).strip() in normalised(_all_text(objective))
    reference = dataset.file("gene_sets") is not None and dataset.file("samples") is None
    groups = dataset.column("group") is not None or dataset.column("event") is not None
    undescribed = dataset.described_by == "inferred"
    if undescribed:
        reason = "It has no description; that it fits the objective is the researcher's word."
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
