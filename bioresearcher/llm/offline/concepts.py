"""Concepts of an objective: what stands in it of a medical vocabulary, and key phrases that do not."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from bioresearcher.library.lexical import terms
from bioresearcher.text.words import STOP, normal, phrases

Kind = Literal["disease", "method", "topic"]

_TABLE: Final = Path(__file__).with_name("mesh.tsv.gz")
_TOKEN: Final = re.compile(r"[^\W_]+(?:[-/'’][^\W_]+)*|[.;:!?()]")
_LONGEST: Final = 6
"""Words of the longest name that is looked for."""
_AMBIGUOUS: Final = frozenset(
    "disease syndrome association methods solutions base weight time paper classification documentation records "
    " software publications registries risk control groups cohort survey questionnaires sample size "
    "genes genome pattern probability uncertainty calibration chromosomes exons alleles base sequence".split()
)
"""Names that are headings, but in an objective's text are mostly plain words."""

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
"""Headings that research on data often needs, with the words authors use; the first three names go into a query."""
_SAME: Final = {"cancer": "neoplasm", "tumor": "neoplasm", "malignancy": "neoplasm"}
_ACTS: Final = frozenset(["identification", "test", "tests", "testing"])
"""Words that `_key` leaves out although a name with them means something else without them."""
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
    """Something an objective is about; `names` are what titles and abstracts call it, the objective's word first."""

    heading: str
    names: tuple[str, ...]
    kind: Kind
    trees: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What two mentions of the same concept have in common."""
        return self.heading or normal(self.names[0]).strip()


def find_concepts(text: str) -> list[Concept]:
    """The vocabulary's concepts that a text names, in its order, each once; longer names go before those in them."""
    known = _vocabulary()
    words = _TOKEN.findall(text)
    found: dict[str, Concept] = {}
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            said = " ".join(words[at : at + length])
            ends = _key(words[at]) and _key(words[at + length - 1])
            concept = known.get(_key(said)) if ends else None
            if concept is not None:
                found.setdefault(concept.key, _called(concept, said))
                at += length
                break
        else:
            at += 1
    return list(found.values())


def free_phrases(texts: Iterable[str], known: Sequence[Concept], limit: int) -> list[Concept]:
    """Key phrases that no known concept covers and that are more than everyday words."""
    covered = {stem for c in known for name in c.names for stem in terms(normal(name))}
    found = []
    for phrase in phrases(texts, 40):
        stems = terms(normal(phrase))
        said = [w for w in normal(phrase).split() if w not in _GENERIC and not w.isdigit()]
        telling = not covered.issuperset(terms(" ".join(said)))
        if telling and (len(stems) >= 2 or len(phrase) >= 8) and len(phrase.split()) <= 3:
            found.append(Concept("", (phrase,), "topic"))
            covered |= {*stems}
    return found[:limit]


def broader(concept: Concept) -> Concept | None:
    """The disease one level above; of several the one with the shortest name. None where it is a whole chapter."""
    parents = []
    for tree in concept.trees:
        above = tree.rpartition(".")[0]
        while above.count(".") >= 1 and above not in _by_tree():
            above = above.rpartition(".")[0]
        if above.count(".") >= 1:
            parents.append(_by_tree()[above])
    parents = [p for p in parents if " by " not in p.heading]
    return min(parents, key=lambda c: (len(c.heading), c.heading), default=None)


def _called(concept: Concept, said: str) -> Concept:
    """The concept with the text's own word for it in front, unless one of its names is that word and more."""
    own = said if said.isupper() else said.lower()
    longer = [n for n in concept.names if concept.kind == "method" and n.lower().startswith(f"{own.lower()} ")]
    first = longer[0] if longer else own
    names = (first, *(n for n in concept.names if n.lower() != first.lower()))
    return Concept(concept.heading, names, concept.kind, concept.trees)


def _key(name: str) -> tuple[str, ...]:
    """The words of a name that count, in the singular; words for a tumour are one.

    Not stems: those of `pancreatic` and `pancreatitis` are the same.
    """
    return tuple(_SAME.get(w, w) for w in map(_singular, normal(name).split()) if w not in STOP)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@cache
def _vocabulary() -> dict[tuple[str, ...], Concept]:
    """Names, as stems in their order, with what they name."""
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
            if key and key != ("neoplasm",) and not plain and not _ACTS.intersection(normal(name).split()):
                found.setdefault(key, concept)
    return found


@cache
def _by_tree() -> dict[str, Concept]:
    return {tree: c for c in _headings() for tree in c.trees}


@cache
def _headings() -> tuple[Concept, ...]:
    """The shipped selection of Medical Subject Headings."""
    found = []
    for line in gzip.decompress(_TABLE.read_bytes()).decode("utf-8").splitlines():
        if line.startswith("#"):
            continue
        heading, joined, trees = line.split("\t")
        names = dict.fromkeys(natural(n) for n in (heading, *joined.split("|")) if n)
        if heading.endswith(" Neoplasms"):  # hardly any author writes neoplasms
            names = {**dict.fromkeys([f"{heading.removesuffix(' Neoplasms')} cancer"]), **names}
        found.append(
            Concept(heading, tuple(names), "disease" if trees.startswith("C") else "method", tuple(trees.split("|")))
        )
    return tuple(found)


def natural(heading: str) -> str:
    """A heading as authors write it: `Leukemia, Myeloid, Acute` → `Acute Myeloid Leukemia`."""
    return " ".join(reversed(heading.split(", ")))
