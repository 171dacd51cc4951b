"""What a text states literally, found by rule: accessions, software, genes, numbers with units, tests, cohort sizes.

Nothing is inferred: every find is a stretch of the text. Comparison signs are kept only where the text has them;
a sign lost in a PDF (`P ,0.001`) leaves the number without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bioresearcher.library.genes import gene_symbols
from bioresearcher.schemas.passage import Document
from bioresearcher.schemas.report import Mention, MentionKind, Parameter
from bioresearcher.sources.accessions import find_accessions

PER_KIND: Final = 200
"""Mentions of one kind that are kept of a paper."""


@dataclass(frozen=True, slots=True)
class Find:
    """Something a text states: `name` with perhaps a `value` and `unit`, at `start` to `end` of the text."""

    kind: MentionKind
    name: str
    start: int
    end: int
    value: str = ""
    unit: str = ""

    @property
    def label(self) -> str:
        """Name, value and unit as one text."""
        return " ".join(filter(None, (self.name, self.value, self.unit)))


def _any(text: str) -> str:
    """An alternative of the words of a text; `_` stands for white space."""
    return "(?:" + "|".join(word.replace("_", r"\s+") for word in text.split()) + ")"


_OTHER_ARCHIVES: Final = re.compile(
    r"\b(?:SRR|SRX|ERR|ERX|SAMN|SAMEA|EGAS|EGAD|PXD|MTBLS|phs)\d{4,}\b|\bNCT\d{8}\b|\b(?:HRA|CRA)\d{6}\b"
)
"""Archives of runs, samples, proteins, metabolites and persons, and registered trials."""

_NAMED = _any(
    r"""[Ll]imma DESeq2? edgeR GSEA GSVA ssGSEA clusterProfiler Seurat [Ss]canpy lifelines glmnet WGCNA HISAT2? Salmon
    kallisto Bowtie2? BWA SAMtools GATK featureCounts HTSeq Trimmomatic FastQC Cytoscape STRING DAVID Metascape Enrichr
    MCODE ConsensusClusterPlus CIBERSORTx? xCell ESTIMATE TIMER GEO2R Bioconductor SPSS GraphPad_Prism Prism TreeView
    STATA Stata SAS MATLAB Matlab ImageJ Fiji RMA gcRMA GCRMA MAS5 survminer pROC caret MaxQuant Mascot Perseus IPA MEGA
    BLASTN? MUSCLE ClustalW MrBayes PAUP FlowJo Image_Lab Photoshop G\*Power REDCap SigmaPlot Statistica JMP BioEdit
    Primer3 ggplot2 pheatmap biomaRt Monocle3? CellChat inferCNV Harmony sva ComBat affy oligo lumi minfi cutadapt
    StringTie Cufflinks KEGG Reactome PLINK METAL Excel Python"""
)
_WORDS_TOO = _any("SAM PAM Cluster STAR survival R JMP MEGA")
_VERSION = r"(?:,?\s*\(?\s*(?:version|ver\.|release|v\.?)\s*(?P<version>\d+(?:\.\d+)*(?:[a-z]\d*)?)\)?)"
_PRODUCT = r"(?:\s+(?:R\s+)?(?:software|package|program(?:me)?|library|tool|statistical\s+software))"
_SOFTWARE: Final = re.compile(
    rf"(?<![\w-])(?P<name>{_NAMED})(?:(?=\d{{1,2}}\s+package)\d{{1,2}})?(?![\w-]){_PRODUCT}?(?:{_VERSION}|\s(?P<bare>\d+\.\d[\d.]*(?<!\.)|(?<=SPSS\s|tata\s)\d{{1,2}}\b))?"
)
_WORDY: Final = re.compile(
    rf"(?<![\w-])(?P<name>{_WORDS_TOO})(?![\w-])(?:{_PRODUCT}?{_VERSION}|{_PRODUCT})"
    rf"|(?:\bin|\bwith|\busing)\s+(?P<r>R)(?:{_VERSION.replace('version>', 'of_r>')}"
    r"|\s(?P<bare_r>\d+\.\d+(?:\.\d+)*)(?![\w%])|(?=[.,;)\s](?!\s*[=<>]))(?!\s+(?:value|squared|and\s+[A-Z]\b)))"
)
_PACKAGE: Final = re.compile(
    r"(?:\bthe|\bR|\busing|\bwith)\s+[“‘'\"]?(?P<name>[A-Za-z][A-Za-z0-9.]*[A-Z0-9.][A-Za-z0-9.]*|[a-z]{3,12})[”’'\"]?"
    r"(?:\s+R)?\s+package\b" + f"{_VERSION}?"
)
_TITLED = r"(?P<name>[A-Z][\w+-]*(?:\s[A-Z][\w+-]*){0,2})"
_OTHER: Final = re.compile(
    rf"\b(?:[Uu]sing|[Bb]y|[Ww]ith|[Ii]n)\s+(?:the\s+)?{_TITLED}\s(?:software|program(?:me)?|package)\b{_VERSION}?"
    rf"|\b(?:[Uu]sing|[Bb]y|[Ww]ith|[Ii]n)\s+(?:the\s+)?{_TITLED.replace('name', 'other')}\s(?:v\.?\s?|version\s)?"
    r"(?P<number>\d+\.\d+(?:\.\d+)*)(?=\s?(?:software|[(;,]|\.\s|\.$))"
)
_NOT_PACKAGES: Final = frozenset(
    "following same this that statistical software present commercial each new whole full".split()
)

_SIGNS = r"[<>=≤≥~]|of|below|above|at\s+most|at\s+least|less\s+than|greater\s+than|more\s+than|set\s+(?:to|at)|was|were"
_AMOUNT = r"[-−]?(?:\d+(?:[.,]\d+)*|\.\d+(?!\.?\d))(?:\s?[×x]\s?10\^?[-−–]?\d+|[eE][-−–]?\d+)?"
_THRESHOLD: Final = re.compile(
    r"(?<!\w)(?P<name>(?:adjusted\s+|nominal\s+|corrected\s+|two-sided\s+)?[pPqQ](?:[\s-]?values?)?"
    r"|FDR|false\s+discovery\s+rate|\|?log2?\s?\(?(?:FC|fold[\s-]change)\)?\|?|fold[\s-]changes?|alpha|α|degrees?"
    r"|resolution|seed|power|confidence\s+score|integrated\s+scores?|hazard\s+ratio|odds\s+ratio|perplexity|minimum\s+count)"
    rf"\s*(?:\(?(?:threshold|cut-?off)s?\)?\s*)?(?P<sign>{_SIGNS}|(?P<lost>[,.](?=\d)|\ufffd))\s?(?:[.,\ufffd](?=\d+\.\d))?(?P<value>{_AMOUNT})"
    r"\s*(?P<unit>%|per\s?cent)?",
)
_UNITS = (
    r"%|"
    r"°\s?C|[µμmn]?[glLM](?:/(?:[mµμ]?[lL]|kg|d|day|h|well|lane|plate|mouse))?|[kmµμ]?g|mg/kg(?:/d(?:ay)?)?|[µμmn]?mol(?:/[lL])?"
    r"|[kM]?Da|kb|bp|nt|rpm|×\s?g|xg|[cmµμn]m|[kKm]?V|mA|Gy|IU|U(?:/m[lL])?|units?/m[lL]|Ci|[µμm]Ci"
    r"|h(?:ours?|rs?)?|min(?:utes?)?|s(?:ec(?:onds?)?)?|days?|weeks?|months?|years?|d"
    r"|cycles|permutations|replications|replicates|iterations|bootstraps?|folds?|fold|clusters|genes|probes|reads|cells(?:/\w+)?"
)
_ONE = r"(?:\d{1,3}(?:[ ,]\d{3})+|\d+(?:[.,]\d+)*)"
_QUANTITY: Final = re.compile(
    rf"(?<![\w.,/−-])(?P<value>(?:{_ONE}(?:\s?[×x]\s?10\^?[-−–]?\d+)?)"
    rf"(?:(?:,\s{_ONE})+,?\s(?:and|or)\s{_ONE}|\s?(?:–|-|to|±|\+/−|and|or)\s?{_ONE})?)(?:\s|-)?(?P<unit>{_UNITS})(?![\w/])"
)
_QUANTITIES: Final = {
    "temperature": r"°\s?C",
    "duration": r"h(?:ours?|rs?)?|min(?:utes?)?|s(?:ec(?:onds?)?)?|days?|weeks?|months?|years?|d",
    "share": r"%",
    "length of sequence": r"kb|bp|nt",
    "molecular mass": r"[kM]?Da",
    "speed": r"rpm|×\s?g|xg",
    "length": r"[cmµμn]m",
    "repeats": r"cycles|permutations|replications|replicates|iterations|bootstraps?",
    "folds": r"folds?",
    "number": r"clusters|genes|probes|reads|cells(?:/\w+)?",
    "volume": r"[µμm]?[lL]",
    "mass": r"[kmµμn]?g",
    "concentration": r".*/.*|[µμmn]?M|[µμmn]?mol/[lL]",
    "voltage": r"[kKm]?V",
}
_KIND_OF_UNIT: Final = tuple((name, re.compile(pattern)) for name, pattern in _QUANTITIES.items())

_TEST: Final = re.compile(
    r"\b(?:(?:paired|unpaired|two-sample|independent[\s-]samples?|two-tailed|one-tailed|two-sided|moderated|Student['’?]?s?|"
    r"Welch['’?]?s?)\s+)*t[\s-]tests?\b"
    r"|\b(?:Mann[-–\s]Whitney(?:\s+U)?|Wilcoxon(?:\s+(?:rank[\s-]sum|signed[\s-]rank))?|Kruskal[-–\s]Wallis|Fisher['’?]?s?\s+exact"
    r"|chi[-\s]squared?|Kolmogorov[-–\s]Smirnov|Shapiro[-–\s]Wilk|[Ll]og[-\s]?rank|McNemar(?:['’]s)?|Friedman(?:['’]s)?|Levene(?:['’]s)?"
    r"|Bartlett(?:['’]s)?|hypergeometric|permutation|likelihood[\s-]ratio|Wald|Cochran[-–\s]\w+|DeLong(?:['’]s)?)(?:\s+tests?)?\b"
    r"|[χΧX]\s?\^?[2²](?=\s+(?:and|tests?))"
    r"|\b(?:(?:one|two|three)-way\s+|repeated[\s-]measures\s+)?(?:AN(?:C)?OVA|MANOVA)s?\b"
    r"|\b(?:analysis|analyses)\s+of\s+(?:co)?variance\b"
    r"|\b(?:(?:uni|multi)variate\s+|multivariable\s+)?(?:Cox(?:\s+proportional[\s-]hazards?)?|logistic|linear|Poisson)"
    r"(?:\s+mixed(?:[\s-]effects?)?)?\s+(?:regressions?|models?)\b"
    r"|\b(?:generali[sz]ed\s+(?:linear(?:\s+mixed)?|additive)\s+models?|generali[sz]ed\s+estimating\s+equations|GLMMs?|(?:linear\s+)?mixed"
    r"(?:[\s-]effects?)?\s+models?)\b"
    r"|\b(?:Pearson|Spearman|Kendall)(?:['’]s)?(?:\s+(?:rank|product[\s-]moment))?(?:\s+correlations?(?:\s+coefficients?)?)?\b"
    r"|\b(?:Bonferroni|Benjamini[-–\s]+(?:and\s+)?Hochberg|Holm|Tukey(?:['’]s)?(?:\s+HSD)?|Dunnett(?:['’]s)?|Scheff[eé]|Dunn(?:['’]s)?)\b"
    r"(?:\s+(?:correction|adjustment|procedure|(?:post[\s-]hoc\s+)?tests?|method))?"
    r"|\bKaplan[-–\s]Meier\b|\bintraclass\s+correlation(?:\s+coefficients?)?\b|\bCronbach['’]?s?\s+(?:alpha|α)"
    r"|\breceiver\s+operating\s+characteristic\b|\bprincipal\s+components?\s+analysis\b|\bhierarchical\s+clustering\b|\bunpaired\s+test\b"
)

_COUNTED = _any(
    """patients specimens samples tumou?rs cases controls subjects participants individuals women men volunteers donors
    mice rats animals pigs sheep goats piglets litters fish frogs families cohorts data_sets datasets arrays profiles
    biopsies cell_lines children adults"""
)
_NUMERAL = (
    r"(?:\d{1,3}(?:[, ]\d{3})+|\d+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty"
    r"|thirty|forty|fifty)"
)
_COHORT: Final = re.compile(
    rf"(?<![\w.,–-])(?P<size>{_NUMERAL})\s+(?P<who>(?:(?!(?:and|or|of|the|with|in|to|from|by|for|per|were|was|had|as|than)\b)[A-Za-z][\w-]*\s+){{0,4}}?{_COUNTED})\b"
    r"|\b(?P<n>[nN])\s?=\s?(?P<count>\d[\d,]*)(?![\d.])",
)


def mine(text: str) -> list[Find]:
    """Everything the rules find in a text, in order of place."""
    found = [*_accessions(text), *_software(text), *_numbers(text), *_tests(text), *_cohorts(text)]
    found += [Find("gene", symbol, start, end) for symbol, start, end in gene_symbols(text)]
    return sorted(found, key=lambda f: (f.start, f.end, f.kind))


@lru_cache(maxsize=512)
def mined_of(text: str) -> tuple[Find, ...]:
    """Like `mine`, remembered: steps and parts are looked at more than once."""
    return tuple(mine(text))


def parameters(finds: Iterable[Find]) -> tuple[Parameter, ...]:
    """The numbers among finds as named values, each once."""
    made = (Parameter(name=f.name, value=f.value, unit=f.unit) for f in finds if f.kind == "number")
    return tuple(dict.fromkeys(made))


def labels(finds: Iterable[Find], kind: MentionKind) -> tuple[str, ...]:
    """The labels of one kind, each once, in order."""
    return tuple(dict.fromkeys(f.label for f in finds if f.kind == kind))


def mine_document(document: Document) -> tuple[Mention, ...]:
    """What a paper states outside its reference list and front matter: each thing once, where it stands first.

    At most 200 of a kind; numbers are taken from methods, results, legends and abstract only.
    """
    first: dict[tuple[str, str], Mention] = {}
    times: dict[tuple[str, str], int] = {}
    kinds: dict[str, int] = {}
    for section in document.sections:
        if section.kind in {"references", "front"}:
            continue
        measured = section.kind in {"methods", "results", "legend", "abstract"}
        for find in mine(document.text[section.start : section.end]):
            if find.kind in {"number", "cohort", "test"} and not measured:
                continue
            key = (find.kind, find.label.casefold())
            times[key] = times.get(key, 0) + 1
            if key in first or kinds.get(find.kind, 0) >= PER_KIND:
                continue
            kinds[find.kind] = kinds.get(find.kind, 0) + 1
            first[key] = Mention(
                kind=find.kind,
                name=find.name,
                value=find.value,
                unit=find.unit,
                section=section.title,
                start=section.start + find.start,
                end=section.start + find.end,
            )
    return tuple(m.model_copy(update={"times": times[key]}) for key, m in first.items())


def _accessions(text: str) -> Iterator[Find]:
    for found in find_accessions(text):
        yield Find("accession", found.id, found.start, found.end)
    for match in _OTHER_ARCHIVES.finditer(text):
        yield Find("accession", match[0], match.start(), match.end())


def _software(text: str) -> Iterator[Find]:
    taken: list[tuple[int, int]] = []
    for pattern in (_SOFTWARE, _PACKAGE, _WORDY, _OTHER):
        for match in pattern.finditer(text):
            groups = match.groupdict()
            group = next(g for g in ("name", "other", "r") if groups.get(g))
            name, (start, end) = " ".join(match[group].split()), match.span(group)
            if name.casefold() in _NOT_PACKAGES or any(a < end and start < b for a, b in taken):
                continue
            taken.append((start, end))
            version = next(filter(None, map(groups.get, ("version", "bare", "number", "of_r", "bare_r"))), "")
            yield Find("software", name, start, match.end(), value=version)


def _numbers(text: str) -> Iterator[Find]:
    taken: list[tuple[int, int]] = []
    for match in _THRESHOLD.finditer(text):
        name = " ".join(match["name"].split())
        if name.casefold() in {"degree", "degrees"} and match["sign"] in {"of", "was", "were", "."}:
            continue
        sign = "" if match["lost"] else " ".join(match["sign"].split())
        sign = "" if sign in {"=", "of", "was", "were", "set to", "set at"} else sign
        taken.append(match.span())
        value = match["value"]
        if match["lost"] == "." and re.fullmatch(r"0\d+", value):
            value = f".{value}"
        yield Find("number", name, *match.span(), value=f"{sign} {value}".strip(), unit=match["unit"] or "")
    for match in _QUANTITY.finditer(text):
        if not match["value"].strip("0.") or any(start < match.end() and match.start() < end for start, end in taken):
            continue
        unit = "".join(match["unit"].split())
        yield Find("number", _quantity(unit), *match.span(), value=" ".join(match["value"].split()), unit=unit)


def _quantity(unit: str) -> str:
    return next((name for name, pattern in _KIND_OF_UNIT if pattern.fullmatch(unit)), "amount")


def _tests(text: str) -> Iterator[Find]:
    for match in _TEST.finditer(text):
        yield Find("test", " ".join(match[0].split()), match.start(), match.end())


def _cohorts(text: str) -> Iterator[Find]:
    for match in _COHORT.finditer(text):
        if re.fullmatch(r"(?:19|20)\d\d", match["size"] or ""):
            continue  # a year before the noun
        if match["n"]:
            yield Find("cohort", "n", *match.span(), value=match["count"].rstrip(","))
        else:
            yield Find("cohort", " ".join(match["who"].split()), *match.span(), value=match["size"])
