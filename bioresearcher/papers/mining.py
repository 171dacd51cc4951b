"""Text mining by patterns: accessions, software, genes, numbers with units, statistical tests and cohort sizes.

Nothing is inferred: every fact is a stretch of the text. Comparison signs are kept only where the text has them; a
sign lost in a PDF (`P ,0.001`) leaves the number without one.

Genes: approved symbols of human genes by the HGNC (CC0; the list lies beside this file), in their approved spelling;
aliases stand for several genes or for ordinary words too often to be evidence. Symbols that are also abbreviations of
other things (`PC`, `SDS`, `CAT`) count only in a list with other symbols or before a word such as `gene` or `mRNA`.

Accessions: GEO (GSE, GDS, GSM, GPL), the sequence archives' studies (SRP, ERP, DRP) and projects (PRJNA, PRJEB, PRJDB),
ArrayExpress (E-MTAB, E-MEXP, …; E-GEOD is GEO's), and TCGA project codes. Forms after the databases' own rules:
https://www.ncbi.nlm.nih.gov/geo/info/overview.html, https://ena-docs.readthedocs.io (accession numbers),
https://gdc.cancer.gov/resources-tcga-users/tcga-code-tables/tcga-study-abbreviations.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from bioresearcher.schemas.paper import Document
from bioresearcher.schemas.paper_report import Mention, MentionKind, Parameter
from bioresearcher.text.words import any_word

PER_KIND: Final = 200
"""Most mentions of one kind for a paper."""


@dataclass(frozen=True, slots=True)
class MinedFact:
    """A fact that a text states: `name` with perhaps a `value` and `unit`, at `start` to `end` of the text."""

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


def mine(text: str) -> list[MinedFact]:
    """All facts that the patterns find in a text, in order of place."""
    found = [*_accessions(text), *_software(text), *_numbers(text), *_tests(text), *_cohorts(text)]
    found += [MinedFact("gene", symbol, start, end) for symbol, start, end in gene_symbols(text)]
    return sorted(found, key=lambda f: (f.start, f.end, f.kind))


@lru_cache(maxsize=512)
def cached_facts(text: str) -> tuple[MinedFact, ...]:
    """Cached `mine`, for short texts that are mined more than once (steps, parts)."""
    return tuple(mine(text))


def parameters(facts: Iterable[MinedFact]) -> tuple[Parameter, ...]:
    """The numbers among facts as named values, each once."""
    found = (Parameter(name=f.name, value=f.value, unit=f.unit) for f in facts if f.kind == "number")
    return tuple(dict.fromkeys(found))


def labels(facts: Iterable[MinedFact], kind: MentionKind) -> tuple[str, ...]:
    """The labels of the facts of one kind, each once, in order."""
    return tuple(dict.fromkeys(f.label for f in facts if f.kind == kind))


def mine_document(document: Document) -> tuple[Mention, ...]:
    """The facts of a paper outside its reference list and front matter: each once, at its first place.

    At most 200 of a kind; numbers are taken from methods, results, legends and abstract only.
    """
    first: dict[tuple[str, str], Mention] = {}
    times: dict[tuple[str, str], int] = {}
    kinds: dict[str, int] = {}
    for section in document.sections:
        if section.kind in {"references", "front"}:
            continue
        measured = section.kind in {"methods", "results", "legend", "abstract"}
        for fact in mine(document.text[section.start : section.end]):
            if fact.kind in {"number", "cohort", "test"} and not measured:
                continue
            key = (fact.kind, fact.label.casefold())
            times[key] = times.get(key, 0) + 1
            if key in first or kinds.get(fact.kind, 0) >= PER_KIND:
                continue
            kinds[fact.kind] = kinds.get(fact.kind, 0) + 1
            first[key] = Mention(
                kind=fact.kind,
                name=fact.name,
                value=fact.value,
                unit=fact.unit,
                section=section.title,
                start=section.start + fact.start,
                end=section.start + fact.end,
            )
    return tuple(m.model_copy(update={"times": times[key]}) for key, m in first.items())


def _accessions(text: str) -> Iterator[MinedFact]:
    for found in find_accessions(text):
        yield MinedFact("accession", found.id, found.start, found.end)
    for match in _OTHER_ARCHIVES.finditer(text):
        yield MinedFact("accession", match[0], match.start(), match.end())


def _software(text: str) -> Iterator[MinedFact]:
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
            yield MinedFact("software", name, start, match.end(), value=version)


def _numbers(text: str) -> Iterator[MinedFact]:
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
        yield MinedFact("number", name, *match.span(), value=f"{sign} {value}".strip(), unit=match["unit"] or "")
    for match in _QUANTITY.finditer(text):
        if not match["value"].strip("0.") or any(start < match.end() and match.start() < end for start, end in taken):
            continue
        unit = "".join(match["unit"].split())
        yield MinedFact("number", _quantity(unit), *match.span(), value=" ".join(match["value"].split()), unit=unit)


def _quantity(unit: str) -> str:
    return next((name for name, pattern in _KIND_OF_UNIT if pattern.fullmatch(unit)), "amount")


def _tests(text: str) -> Iterator[MinedFact]:
    for match in _TEST.finditer(text):
        yield MinedFact("test", " ".join(match[0].split()), match.start(), match.end())


def _cohorts(text: str) -> Iterator[MinedFact]:
    for match in _COHORT.finditer(text):
        if re.fullmatch(r"(?:19|20)\d\d", match["size"] or ""):
            continue  # a year before the noun
        if match["n"]:
            yield MinedFact("cohort", "n", *match.span(), value=match["count"].rstrip(","))
        else:
            yield MinedFact("cohort", " ".join(match["who"].split()), *match.span(), value=match["size"])


_OTHER_ARCHIVES: Final = re.compile(
    r"\b(?:SRR|SRX|ERR|ERX|SAMN|SAMEA|EGAS|EGAD|PXD|MTBLS|phs)\d{4,}\b|\bNCT\d{8}\b|\b(?:HRA|CRA)\d{6}\b"
)
"""Accessions of runs, samples, proteins, metabolites and persons, and of registered trials."""

_NAMED = any_word(
    r"""[Ll]imma DESeq2? edgeR GSEA GSVA ssGSEA clusterProfiler Seurat [Ss]canpy lifelines glmnet WGCNA HISAT2? Salmon
    kallisto Bowtie2? BWA SAMtools GATK featureCounts HTSeq Trimmomatic FastQC Cytoscape STRING DAVID Metascape Enrichr
    MCODE ConsensusClusterPlus CIBERSORTx? xCell ESTIMATE TIMER GEO2R Bioconductor SPSS GraphPad_Prism Prism TreeView
    STATA Stata SAS MATLAB Matlab ImageJ Fiji RMA gcRMA GCRMA MAS5 survminer pROC caret MaxQuant Mascot Perseus IPA MEGA
    BLASTN? MUSCLE ClustalW MrBayes PAUP FlowJo Image_Lab Photoshop G\*Power REDCap SigmaPlot Statistica JMP BioEdit
    Primer3 ggplot2 pheatmap biomaRt Monocle3? CellChat inferCNV Harmony sva ComBat affy oligo lumi minfi cutadapt
    StringTie Cufflinks KEGG Reactome PLINK METAL Excel Python"""
)
_WORDS_TOO = any_word("SAM PAM Cluster STAR survival R JMP MEGA")
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

_COUNTED = any_word(
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

_TOKEN: Final = re.compile(r"(?<![\w-])(?:[A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*|C\d+orf\d+)(?![\w])")
_SPEAKS_OF_GENES: Final = re.compile(r"\s*(?:genes?|mRNAs?|transcripts?|proteins?|expression|knock-?(?:down|out))\b")
_LIST: Final = re.compile(r"\s*(?:,|/|;|and|or|,\s*(?:and|or))\s*")
_AMBIGUOUS: Final = frozenset(
    """ACHE ARC BID CAD CAMP CAT CHAT CLOCK COIL COPE DES DST DDT ENG FACT FAP FES GAL GEM GIF GPT HPD ICOS
    IMPACT INS KIT LIF MAL MAX MET MPO NOV NPS PAH PAM PBS PIP POLE PRL PROC PTS RAN REN REST SCT SDS SET SHE SLN
    SON SPR SRI STAR TAT TBS TES TUB VIP WAS GAN GPI HAL HRAS1 MARS NIN PKD PNP RHO ROS SAG SDC SIM CEL EMD GATC
    NHS""".split()
)


@lru_cache(maxsize=1)
def approved_symbols() -> frozenset[str]:
    """The approved symbols of human genes other than pseudogenes, about 28,000."""
    packed = Path(__file__).with_name("hgnc-symbols.txt.gz").read_bytes()
    return frozenset(line for line in gzip.decompress(packed).decode("ascii").splitlines() if not line.startswith("#"))


def gene_symbols(text: str) -> Iterator[tuple[str, int, int]]:
    """The approved symbols in a text: symbol, start, end; in order, repeats included."""
    known = approved_symbols()
    found = [m for m in _TOKEN.finditer(text) if m[0] in known]
    sure = {m.span() for m in found if not _is_ambiguous(m[0])}
    for number, match in enumerate(found):
        beside = [found[n] for n in (number - 1, number + 1) if 0 <= n < len(found)]
        listed = any(m.span() in sure and _in_one_list(text, match, m) for m in beside)
        if match.span() in sure or listed or _SPEAKS_OF_GENES.match(text, match.end()):
            yield match[0], match.start(), match.end()


def _is_ambiguous(symbol: str) -> bool:
    return len(symbol) <= 2 or symbol in _AMBIGUOUS


def _in_one_list(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    first, second = sorted((one, other), key=lambda m: m.start())
    return _LIST.fullmatch(text, first.end(), second.start()) is not None


AccessionKind = Literal["GSE", "GDS", "GSM", "GPL", "study", "project", "ArrayExpress", "TCGA"]

TCGA_PROJECTS: Final = frozenset(
    "ACC BLCA BRCA CESC CHOL COAD DLBC ESCA GBM HNSC KICH KIRC KIRP LAML LGG LIHC LUAD LUSC MESO OV PAAD PCPG PRAD "
    "READ SARC SKCM STAD TGCT THCA THYM UCEC UCS UVM".split()
)
MAX_RANGE = 20
"""Most series in a range (`GSE100-GSE104`); a longer range is a slip."""

_AROUND: Final = 60
_LONGEST: Final = {"GSE": 6, "GDS": 4, "GSM": 8, "GPL": 6}
_SHORTEST: Final = {"GSE": 2, "GDS": 3, "GSM": 4, "GPL": 2}
_KINDS: Final[dict[str, AccessionKind]] = {"GSE": "GSE", "GDS": "GDS", "GSM": "GSM", "GPL": "GPL"}
_START, _END = r"(?<![A-Za-z0-9_.])", r"(?![A-Za-z0-9_])"
_SEPARATOR = r"[ \u00a0\u2009-]?"
_GEO = re.compile(rf"{_START}(GSE|GDS|GSM|GPL)({_SEPARATOR})([1-9]\d{{0,8}}){_END}", re.ASCII)
_LOWER_GSE = re.compile(rf"{_START}gse([1-9]\d{{2,5}}){_END}", re.ASCII)
_RANGE = re.compile(r"\s?(?:-|\u2013|\u2014|to|through)\s?(?:GSE\s?)?([1-9]\d{1,5})" + _END, re.ASCII)
_STUDY = re.compile(rf"{_START}([SED]RP\d{{6,9}}){_END}", re.ASCII)
_PROJECT = re.compile(rf"{_START}(PRJ(?:NA|EB|DB)[1-9]\d{{1,8}}){_END}", re.ASCII)
_ARRAY = re.compile(rf"{_START}(E-([A-Z]{{4}})-([1-9]\d{{0,5}})){_END}", re.ASCII)
_ARRAY_KINDS: Final = frozenset("MTAB MEXP GEOD TABM MIMR MARS ATMX NASC AFMX UMCU SMDB BAIR ERAD BIOD BUGS".split())
_TCGA = re.compile(rf"{_START}TCGA[- _]([A-Z]{{2,4}}){_END}(?!-[A-Z0-9]{{4}}\b)", re.ASCII)
_GEO_CONTEXT = re.compile(r"\bGEO\b|gene expression omnibus|accession|data ?sets?\b|deposit", re.I)
_LICENCE = re.compile(r"licen[cs]|\bGNU\b|open[- ]source|copyleft", re.I)
_MOBILE = re.compile(r"[MG]Hz|\bmobile\b|cell(?:ular)? phone|\bband\b|radio ?frequency", re.I)
_SCALE = re.compile(r"self-efficacy|depression|deterioration|geriatric|\bscale\b|\bscore", re.I)


@dataclass(frozen=True)
class Accession:
    """An accession and its place in the text.

    Attributes:
        id: Normalised, e.g. `GSE1992`, `TCGA-SARC`; GEO's own `GSE1992` for `E-GEOD-1992`.
        start: First character in the text, to `end`; for a series named by a range, the place of the whole range.
    """

    id: str
    kind: AccessionKind
    start: int
    end: int


def find_accessions(text: str) -> list[Accession]:
    """The accessions of a text in order, each place once."""
    found = [*_geo(text), *_ranges(text)]
    found += [Accession(f"GSE{m[1]}", "GSE", m.start(), m.end()) for m in _LOWER_GSE.finditer(text)]
    found += [Accession(m[1], "study", m.start(), m.end()) for m in _STUDY.finditer(text)]
    found += [Accession(m[1], "project", m.start(), m.end()) for m in _PROJECT.finditer(text)]
    for m in _ARRAY.finditer(text):
        if m[2] == "GEOD":
            found.append(Accession(f"GSE{m[3]}", "GSE", m.start(), m.end()))
        elif m[2] in _ARRAY_KINDS:
            found.append(Accession(m[1], "ArrayExpress", m.start(), m.end()))
    for m in _TCGA.finditer(text):
        if m[1] in TCGA_PROJECTS:
            found.append(Accession(f"TCGA-{m[1]}", "TCGA", m.start(), m.end()))
    return sorted(set(found), key=lambda a: (a.start, a.end, len(a.id), a.id))


def normal_accession(text: str) -> str | None:
    """The normal form of an accession that a user typed, e.g. ` gse 1992` -> `GSE1992`; None when it is none."""
    word = text.strip()
    if len(word) > 40:
        return None
    if (match := re.fullmatch(r"(GSE|GDS|GSM|GPL)[ -]?([1-9]\d{0,8})", word, re.I | re.ASCII)) is not None:
        kind = match[1].upper()
        return f"{kind}{match[2]}" if len(match[2]) <= _LONGEST[kind] else None
    found = find_accessions(word.upper())
    return found[0].id if len(found) == 1 and (found[0].start, found[0].end) == (0, len(word)) else None


def _geo(text: str) -> Iterator[Accession]:
    for m in _GEO.finditer(text):
        kind, separator, digits = m[1], m[2], m[3]
        if len(digits) > _LONGEST[kind]:
            continue
        around = text[max(0, m.start() - _AROUND) : m.end() + _AROUND]
        if _meant(kind, separator, digits, around, text[m.end() : m.end() + 2]):
            yield Accession(f"{kind}{digits}", _KINDS[kind], m.start(), m.end())


def _meant(kind: str, separator: str, digits: str, around: str, after: str) -> bool:
    """Check whether a match is an accession: GPL is also a licence, GSM a network, GSE and GDS are questionnaires."""
    if kind == "GSE":  # also the General Self-Efficacy scale, with 10 items
        clear = len(digits) >= (4 if separator else _SHORTEST[kind])
        return clear or (_GEO_CONTEXT.search(around) is not None and not _SCALE.search(around))
    if separator and kind != "GPL":
        return False
    if kind == "GPL":
        version = after[:1] == "." and after[1:2].isdigit()
        return not version and not _LICENCE.search(around) and (not separator or len(digits) >= 3)
    if kind == "GSM":
        if len(digits) >= 5:
            return True
        return _GEO_CONTEXT.search(around) is not None and not _MOBILE.search(around)
    if len(digits) < _SHORTEST[kind]:
        return _GEO_CONTEXT.search(around) is not None and not _SCALE.search(around)
    return not _SCALE.search(around)


def _ranges(text: str) -> Iterator[Accession]:
    """The series after the first of a range such as `GSE100-GSE104`."""
    for m in _GEO.finditer(text):
        if m[1] != "GSE" or len(m[3]) > _LONGEST["GSE"]:
            continue
        rest = _RANGE.match(text, m.end())
        if rest is None:
            continue
        first, last = int(m[3]), int(rest[1])
        if len(rest[1]) == len(m[3]) and first < last <= first + MAX_RANGE:
            for number in range(first + 1, last + 1):
                yield Accession(f"GSE{number}", "GSE", m.start(), rest.end())
