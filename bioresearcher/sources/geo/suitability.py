"""Deterministic check of a data set at its source, before its values are fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Dataset, DatasetCheck, Remote, RemoteFile
from bioresearcher.sources.datasets.files import MIN_GROUP, MIN_SAMPLES
from bioresearcher.sources.datasets.formats import SUPPLEMENT_SUFFIXES
from bioresearcher.sources.datasets.table_stream import plain_suffix
from bioresearcher.text.format import listing

MAX_BYTES = 500 << 20
"""Default limit for the bytes of one fetched file."""

_EXPRESSION = re.compile(
    r"transcriptom|expression|\brna\b|rna-?seq|mrna|\bgenes?\b|signature|microarray|immune|microenvironment", re.I
)
_KINDS = {
    "expression": re.compile(r"^expression profiling", re.I),
    "methylation": re.compile(r"methylation profiling", re.I),
    "chromatin": re.compile(r"genome binding|occupancy", re.I),
    "non-coding RNA": re.compile(r"non-coding rna", re.I),
    "genome variation": re.compile(r"genome variation|snp genotyping", re.I),
    "protein": re.compile(r"protein profiling", re.I),
}
_ASKED = {
    "methylation": r"methyl|epigen",
    "chromatin": r"chip|chromatin|histone|binding|atac|epigen",
    "non-coding RNA": r"mirna|microrna|lncrna|non-?coding|\bmir-|circrna",
    "genome variation": r"copy number|mutation|snp|variant|genom(e|ic) (variation|alteration)",
    "protein": r"protein|proteom",
}
_DISEASE = re.compile(
    r"\b\w*(?:oma|omas|emia|aemia|itis|osis|oses|opathy|opathies|plasia|plegia|algia|cancers?|tumou?rs?|diabetes"
    r"|disease|syndrome|disorder|infection|sepsis|fibrosis|asthma|stroke|obesity|autism|psoriasis|epilepsy|dementia"
    r"|hypertension|infarction|failure|lupus|covid\S*)\b",
    re.I,
)
_GENE_NAMES = re.compile(
    r"(fused|translated) in \w*sarcoma|retinoblastoma (protein|1|gene)|wilms tumou?r (protein )?1"
    r"|breast cancer (type )?[12]\b|tumou?r (protein|necrosis|suppressor)|leuka?emia inhibitory|in liposarcoma \(fus",
    re.I,
)
"""Genes and proteins named after a disease."""
_ANY_ILLNESS = frozenset("disease syndrome disorder infection failure fibrosis infarction sclerosis".split())
_WEAK = _ANY_ILLNESS | frozenset("tumor cancer carcinoma adenocarcinoma leukemia lymphoma".split())
"""Words too general to decide alone: the words before them tell which disease it is."""
_CANCER = re.compile(r"cancer|tumor|neoplas|malignan|leukemi|oma$|metasta")
_QUALIFIERS = frozenset("clear large small non primary advanced early human late familial".split())
"""Words before a disease that do not name its organ."""
_SAME = (
    "stomach gastric, liver hepatic hepatocellular, kidney renal, lung pulmonary, breast mammary, "
    "colon colorectal, brain cerebral, heart cardiac cardiovascular cardiomyopathy, skin cutaneous dermal, "
    "womb uterine endometrial endometrioid, neck squamous, obesity obese, diabetes diabetic, "
    "epilepsy epileptic seizure, schizophrenia schizophrenic, asthma asthmatic"
).split(", ")
_SYNONYMS = {word: frozenset(line.split()) for line in _SAME for word in line.split()}
_GENERIC = frozenset(
    "identify identification gene genes key significantly significant associated association associate with from "
    "public cohort cohorts data dataset datasets geo tcga expression transcriptomics transcriptomic transcriptome "
    "transcriptional profile profiles profiling analysis analyses study studies based classification using used "
    "between level levels role effect effects mechanism mechanisms biomarker biomarkers signature signatures "
    "sequencing rna human patient patients find determine whether which that this into and for the sample samples "
    "disorder disorders disease diseases syndrome acute chronic type cell cells differential differentially "
    "expressed".split()
)
"""Words that do not describe an objective's subject."""


def check_remote(dataset: Dataset, objective: Objective, organism: tuple[bool, str], *, max_bytes: int) -> DatasetCheck:
    """Check a data set that is not fetched yet; `organism` is (fits, reason).

    `unusable`: wrong organism or assay, too few samples, nothing with values, values too large to fetch, or a bundle
    of other series. `usable with work`: something must be decided or prepared by hand before an analysis.
    """
    remote = dataset.remote or Remote(url="")
    asked = "\n".join((objective.text, *objective.conditions, *(r.text for r in objective.requirements)))
    assay_fits, assay = _assay(dataset, asked)
    about, condition = _condition(dataset, remote, objective.text)
    named = dataset.accession is not None and dataset.accession.lower() in asked.lower()
    blocking = [] if organism[0] else [organism[1]]
    blocking += [] if assay_fits else [assay]
    blocking += _blocking(dataset, remote, max_bytes)
    work = _work(remote)
    there = [organism[1] if organism[0] else "", assay if assay_fits else "", condition]
    there += [f"{dataset.n_samples} samples", f"platform {dataset.platform}" if dataset.platform else ""]
    there += [*remote.groups[:6], *(label for label in remote.labels if not label.startswith("labels contradict"))]
    there += _files(remote) + [f"is a {r}" for r in remote.relations if r.startswith("SubSeries of")]
    verdict = "unusable" if blocking else "usable with work" if work else "usable"
    return DatasetCheck(
        dataset_id=dataset.id,
        verdict=verdict,
        reasons=tuple(r for r in (*blocking, *work, *there) if r),
        relevant=(about or named) and organism[0] and assay_fits,
        origin="offline",
    )


def sort_key(check: DatasetCheck, dataset: Dataset) -> tuple[int, int, int, int, str]:
    """Make the sort key, best first: relevant, verdict, number of samples, agreement of its labels, id."""
    order = {"usable": 0, "usable with work": 1, "unusable": 2}[check.verdict]
    contradicted = dataset.remote.contradicted if dataset.remote else 0
    return (not check.relevant, order, contradicted > 0, -min(dataset.n_samples, 1000), dataset.id)


def _assay(dataset: Dataset, asked: str) -> tuple[bool, str]:
    """Check the assay, with the reason; expression fits unless the objective names other assays only."""
    if not dataset.assay:
        return True, "the assay is not stated"
    kinds = [k for k, p in _KINDS.items() if any(p.search(a.strip()) for a in dataset.assay.split(";"))]
    wanted = {k for k, pattern in _ASKED.items() if re.search(pattern, asked, re.I)}
    if _EXPRESSION.search(asked) or not wanted:
        wanted.add("expression")
    if set(kinds) & wanted:
        return True, f"assay: {dataset.assay}"
    return False, f"assay {dataset.assay}, but {' or '.join(sorted(wanted))} is needed"


@dataclass(frozen=True)
class Condition:
    """Disease of an objective: its word and, for a general one, the words before it ("renal cell" carcinoma)."""

    word: str
    before: frozenset[str] = frozenset()

    def named_in(self, words: set[str]) -> set[str]:
        """Find the words of a text that name it, or a wider or narrower disease of its kind."""
        if not self.before:
            return {w for w in words if _same_kind(w, self.word)}
        which = {w for q in self.before for w in words & (_SYNONYMS.get(q, frozenset()) | {q})}
        if not which or self.word in _ANY_ILLNESS:
            return which
        kind = {w for w in words if _CANCER.search(w)}
        return which | kind if kind else set()


def _condition(dataset: Dataset, remote: Remote, objective: str) -> tuple[bool, str]:
    """Check, with the reason, that it is about the condition, or a wider or narrower one of its kind."""
    wanted = conditions_of(objective)
    text = f"{dataset.title} {remote.summary} {remote.design} {' '.join(remote.groups)}"
    words = {_plain(w) for w in re.findall(r"[A-Za-z][\w-]+", _GENE_NAMES.sub(" ", text))}
    if not wanted:
        subject = {_plain(w) for w in re.findall(r"[A-Za-z][\w-]{3,}", objective) if w.lower() not in _GENERIC}
        shared = {w for w in subject if words & _SYNONYMS.get(w, frozenset({w}))}
        enough = len(shared) >= max(1, (len(subject) + 1) // 2)
        return enough, f"shares with the objective: {', '.join(sorted(shared)[:6]) or 'no subject word'}"
    found = sorted({w for c in wanted for w in c.named_in(words)})
    names = " or ".join(sorted(" ".join([*sorted(c.before), c.word]) for c in wanted))
    if found:
        return True, f"about {', '.join(found[:4])} (the objective: {names})"
    return False, f"its description does not name {names}"


def conditions_of(text: str) -> set[Condition]:
    """Find the diseases that an objective names, in the singular."""
    found = set()
    for match in _DISEASE.finditer(text):
        word = _plain(match[0])
        before: frozenset[str] = frozenset()
        if word in _WEAK:
            phrase = re.split(r"[.,;:()]|\b(?:of|in|between|and|with|for|from|versus|vs)\b", text[: match.start()])[-1]
            words = [_plain(w) for w in re.findall(r"[A-Za-z][\w-]{2,}", phrase)][-3:]
            before = frozenset(w for w in words if w not in _GENERIC and w not in _QUALIFIERS)
        found.add(Condition(word, before))
    specific = {c for c in found if c.before or c.word not in _WEAK}
    return specific or found


def _same_kind(word: str, condition: str) -> bool:
    """Return True for equal words, the same organ, or a common ending: liposarcoma is a sarcoma."""
    if word == condition or word in _SYNONYMS.get(condition, ()):
        return True
    short, long = sorted((word, condition), key=len)
    return len(short) >= 6 and long.endswith(short) and _DISEASE.fullmatch(short) is not None


def _plain(word: str) -> str:
    low = word.lower().replace("tumour", "tumor").replace("aemia", "emia").replace("oestro", "estro")
    return low[:-1] if low.endswith("s") and not low.endswith(("ss", "sis", "tis", "us", "diabetes")) else low


def _blocking(dataset: Dataset, remote: Remote, max_bytes: int) -> list[str]:
    found = []
    if dataset.n_samples < MIN_SAMPLES:
        found.append(f"{dataset.n_samples} samples; at least {MIN_SAMPLES} are needed")
    bundled = [r for r in remote.relations if r.startswith("SuperSeries of")]
    if bundled or "superseries is composed of" in remote.summary.lower():
        names = ", ".join(r.split(":", 1)[1].strip() for r in bundled[:6])
        found.append(f"a SuperSeries that only bundles others{f' ({names})' if names else ''}: use those")
    found += [f"superseded: {r}" for r in remote.relations if r.lower().startswith("superseded by")]
    values = values_in(remote)
    if dataset.notes and not remote.inspected and not remote.files:  # it was tried
        found.append(f"neither its samples nor its files could be looked at: {dataset.notes[0]}")
    if remote.inspected and not values:
        kinds = sorted({f.contents for f in remote.files if f.contents != "series matrix"})
        empty = "the series matrix is empty and " if remote.matrix_empty else ""
        found.append(f"{empty}no file seems to hold values per sample (there: {', '.join(kinds) or 'nothing'})")
    small = [f for f in values if f.bytes is None or f.bytes <= max_bytes]
    if values and not small:
        least = min(values, key=lambda f: f.bytes or 0)
        found.append(too_large(least, max_bytes))
    return found


def too_large(file: RemoteFile, max_bytes: int) -> str:
    """Explain that a file is too large to be fetched."""
    return f"{file.name} has {_size(file.bytes or 0)}; at most {_size(max_bytes)} are fetched (max_data_mb)"


def values_in(remote: Remote) -> list[RemoteFile]:
    """List the files that may hold values per sample, the best first."""
    matrices = [] if remote.matrix_empty else [f for f in remote.files if f.contents == "series matrix"]
    tables = [f for f in remote.files if f.contents == "values"]
    unknown = [f for f in remote.files if f.contents == "other" and plain_suffix(Path(f.name)) in SUPPLEMENT_SUFFIXES]
    return [*matrices, *sorted(tables, key=_counts_first), *unknown]


def _counts_first(file: RemoteFile) -> tuple[bool, int]:
    return "count" not in file.name.lower(), file.bytes or 0


def _work(remote: Remote) -> list[str]:
    found = [label for label in remote.labels if label.startswith("labels contradict")]
    if remote.single_cell:
        found.append("single cells: values per cell must be summed per sample first")
    if not remote.inspected:
        found.append("its sample descriptions were not read")
        return found
    if not remote.groups:
        found.append("no groups to compare are seen in the sample descriptions")
    elif remote.largest_groups < MIN_GROUP:
        found.append(f"no two groups with {MIN_GROUP} samples")
    if remote.matrix_empty:
        found.append("GEO's own table is empty: a supplementary table is used")
    matrices = [f for f in remote.files if f.contents == "series matrix"]
    if len(matrices) > 1:
        found.append(f"{len(matrices)} platforms: one of them is used")
    return found


def _files(remote: Remote) -> list[str]:
    shown = [f"{f.name} ({', '.join([f.contents, *f.inside, *_sizes(f)])})" for f in remote.files]
    return [f"files: {listing(shown, each=300)}"] if shown else []


def _sizes(file: RemoteFile) -> list[str]:
    return [_size(file.bytes)] if file.bytes else []


def _size(count: int) -> str:
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
