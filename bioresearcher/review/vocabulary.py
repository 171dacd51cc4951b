"""Patterns that the checks and the metrics look for; the lists of words are in `vocabulary.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

_TABLES: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8"))


def words(*alternatives: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """Compile a pattern that matches any of the alternatives as whole words (a trailing `*` allows an ending)."""
    parts = [a[:-1] + r"\w*" if a.endswith("*") and not a.endswith(r"\w*") else a for a in alternatives]
    return re.compile(r"(?<!\w)(?:" + "|".join(parts) + r")(?!\w)", flags)


def listed(section: str, name: str) -> re.Pattern[str]:
    """Compile a list of `vocabulary.toml`."""
    return words(*_TABLES[section][name])


# -- what a step is about -----------------------------------------------------------------------------

ACQUIRE = listed("vocabulary", "acquire")
QUALITY = listed("vocabulary", "quality")
NORMALISE = listed("vocabulary", "normalise")
DIFFERENTIAL = listed("vocabulary", "differential")
ENRICHMENT = listed("vocabulary", "enrichment")
SURVIVAL = listed("vocabulary", "survival")
COX = listed("vocabulary", "cox")
PREDICTION = listed("vocabulary", "prediction")
CORRELATION = listed("vocabulary", "correlation")
VALIDATION = listed("vocabulary", "validation")
RANDOM = listed("vocabulary", "random")
COMPARISON = listed("vocabulary", "comparison")

# -- statistics ---------------------------------------------------------------------------------------

CORRECTION = listed("vocabulary", "correction")
PH_CHECK = listed("vocabulary", "ph_check")
RESAMPLING = listed("vocabulary", "resampling")
REPLICATES = listed("vocabulary", "replicates")
CONTROL = listed("vocabulary", "control")
BATCH = listed("vocabulary", "batch")
MERGE = re.compile(
    r"\b(?:merg|combin|pool|concatenat|integrat)\w*\s+(?:\w+[\s,]+){0,6}?(?:data ?sets?|cohorts?|studies"
    r"|matrices|series|GSE\d+)",
    re.I,
)
SEED = listed("vocabulary", "seed")
FLEXIBLE = re.compile(
    r"\b(?:if|in case) (?:nothing|none|no \w+|too few|few|not enough|fewer)\b[^.;\n]{0,50}\b(?:use|try|lower|raise"
    r"|relax|loosen"
    r"|increase|switch|take|change|adjust)\b|\b(?:relax|loosen|lower|raise|change|adjust)\w*\b[^.;\n]{0,40}\b(?:if"
    r"|in case|until)"
    r" (?:nothing|none|no|too few|few|not enough|enough)\b"
    r"|\b(?:set|choose|decide|fix|adjust|define)\w*\b[^.;\n]{0,50}\b(?:after|once|when) (?:looking at|seeing"
    r"|inspecting|having seen"
    r"|viewing|knowing) (?:at )?(?:the )?\w+|\b(?:try|run|perform|test) (?:several|different|various|multiple"
    r"|many)\b[^.;\n]{0,60}"
    r"\b(?:report|keep|choose|pick|select|take) (?:only )?(?:the )?(?:one|best|significant)|"
    r"\b(?:adjust|chang|relax|lower|modif|alter|tun)\w*\s+(?:\w+\s+){0,3}?"
    r"(?:thresholds?|cut-?offs?|criteria|significance levels?)(?:\s+(?:\w+\s+){0,4}?"
    r"(?:based on|depending|until|if|to obtain|according to)|\s+or\s+further\s+explor)",
    re.I,
)
BEST_CUTOFF = re.compile(
    r"\b(?:optimal|best|optimi[sz]ed|minimum p[- ]value)\s+cut-?(?:off|point)|surv_cutpoint"
    r"|cut-?(?:off|point)s?\b[^.;\n]{0,40}\b(?:smallest|lowest|best|most significant|largest separation|separates?)\b"
    r"|maximally selected",
    re.I,
)
EARLY_SELECTION = re.compile(
    r"\b(?:select|filter|scal|normali[sz]|imput)\w*\b[^.;\n]{0,120}\b(?:before|prior to|ahead of)\s+(?:the\s+)?"
    r"(?:cross-?validation|split\w*|train)"
    r"|\b(?:select|pick|choos|filter|rank|scal|standardi[sz]|normali[sz]|imput|z-scor|correct"
    r"|transform)\w*\b[^.;\n]{0,80}"
    r"\b(?:all|full|whole|entire|complete)\s+(?:the\s+)?(?:samples|patients|data(?:\s?set)?|matrix|cohort|persons"
    r"|cells)\b"
    r"[^.;\n]{0,60}\b(?:before|prior to|ahead of|then|afterwards|followed by)\b[^.;\n]{0,50}"
    r"\b(?:cross-?validat|split|divid|partition|train|test)\w*",
    re.I,
)

# -- methods and the data they are for ----------------------------------------------------------------

SEQUENCING_ONLY = listed("vocabulary", "sequencing_only")
ARRAY_ONLY = listed("vocabulary", "array_only")
SEQUENCING_DATA = listed("vocabulary", "sequencing_data")
ARRAY_DATA = listed("vocabulary", "array_data")
SOFTWARE = listed("vocabulary", "software")
TOOL = (
    "deseq2?|edger|limma|gcrma|seurat|scanpy|star|hisat2|salmon|kallisto|combat|harmony|louvain|leiden|k-means|"
    "t-sne|umap|pearson|spearman|gsva|ssgsea|cibersort|xcell|macs2|homer|plink|gatk|glmnet|bowtie2?|bwa"
    "|trimmomatic|python"
)
TOOL_CHOICE = re.compile(rf"(?<!\w)({TOOL})(?:\s*\([^()]{{0,40}}\))?\s+or\s+(?:the\s+)?({TOOL})(?!\w)", re.IGNORECASE)

# -- vagueness and placeholders -----------------------------------------------------------------------

PLACEHOLDER = re.compile(
    r"(?<!\w)(?:(?-i:TODO|TBD|TBC|TBA|FIXME)|XXX+)(?!\w)|(?<![\w-])(?-i:XX)(?=\s+[a-z]{4,})"
    r"|\b(?:will|to|must|has to|still) be (?:filled in|added|decided|chosen|named|specified|given|supplied) later\b"
    r"|(?<!remains )(?<!remain )(?<!remained )(?<!yet )\bto be (?:determined|decided|defined|confirmed|filled in)\b"
    r"(?!\s+(?:by|with|using|from|in|as|via|through|after|on)\b)"
    r"|\blorem ipsum\b|\bpath[/\\_]to\b|\byour[_-](?:file|data|path|dataset|sample|gene|folder|directory)\w*"
    r"|\bexample\.(?:com|org|csv|txt|tsv)\b"
    r"|[<\[{](?:insert|your|enter|fill|add|placeholder|name of|specify)\b[^>\]}\n]{0,60}[>\]}]"
    r"|[<\[{][^>\]}\n]{3,40} (?:here|goes here|tbd)[>\]}]"
    r"|[<\[{](?:to follow|pending|to come|unknown|missing)\b[^>\]}\n]{0,30}[>\]}]"
    r"|\b(?:insert|fill in|complete (?:the|this|these)) [^.;\n]{1,50}\b(?:before|when|once|after)\b"
    r"|\bto be (?:added|completed|supplied|inserted|given) (?:later|when|once|before|after|soon)\b"
    r"|\binsert (?:\w+ )?here\b|\breference source for step \d+"
    r"|\b(?:part|report|paper|step|sample|dataset|gene)_id\d+\b|\?{3,}|_{4,}|待定|待补充|待填写|此处填写",
    re.I,
)
NUMBERED_NAMES = re.compile(
    r"\b(?:\w{0,12}sample|cell_?line|patient|antibody|drug|file)[_-]?1\b['’\"]?,\s*['‘\"]?[a-z]\w{2,20}[_-]?2\b", re.I
)
VAGUE = listed("vocabulary", "vague")
VAGUE_CJK = re.compile(r"适当|合适|适量|若干|必要时|视情况|等等|酌情")
OPEN_CHOICE = listed("vocabulary", "open_choice")
OPEN_CHOICE_CJK = re.compile(r"例如|比如|诸如")
LITERATURE_WAVE = re.compile(
    r"\b(?:refer to|according to|based on|from|as described in|following) (?:the )?(?:relevant |existing "
    r"|published |previous |current )?"
    r"(?:literature|methodologies|publications|studies|papers)\b",
    re.I,
)
NEEDS_NUMBER = listed("vocabulary", "needs_number")

# -- cues of structure in free text -------------------------------------------------------------------

INPUT_CUE = listed("vocabulary", "input_cue")
OUTPUT_CUE = listed("vocabulary", "output_cue")
ACCEPT_CUE = re.compile(
    r"\b(?:acceptance|accept|criteri(?:on|a)|threshold|must|at least|at most|no more than|minimum|maximum"
    r"|pass(?:es|ing)?|fail\w*"
    r"|exclud\w*|verif\w*|confirm\w*|discard\w*|repeat if|stop if)\b|[≥≤<>]\s*\d|验收|阈值|至少|不低于|不超过",
    re.I,
)
EARLIER_CUE = listed("vocabulary", "earlier_cue")
WET = listed("vocabulary", "wet")
WET_CJK = re.compile(r"孵育|离心|染色|培养|抗体|提取|转染|缓冲液|小鼠|石蜡|冰冻|细胞系")
MEASURES = listed("vocabulary", "measures")

# -- TCGA ---------------------------------------------------------------------------------------------

TCGA_PROJECTS: Final[dict[str, str]] = _TABLES["tcga_projects"]
"""The 33 projects of The Cancer Genome Atlas and what each is about (Genomic Data Commons)."""

TCGA_OTHER = frozenset(
    "GTEX TARGET CPTAC ICGC GDC GEO RNA DNA CDR PANCAN COADREAD GBMLGG KIPAN STES METABRIC RNASEQ".split()
)
"""Names that follow `TCGA-` without being a project: pooled cohorts, companions, resources."""

ORGAN_WORDS: Final[dict[str, str]] = _TABLES["tcga_organs"]
"""TCGA project -> pattern of the words for its tumour or organ."""
PAN_CANCER = listed("vocabulary", "pan_cancer")
FIELD_NAMES: Final[dict[str, list[str]]] = _TABLES["field_names"]
"""A step's field -> other names of it in protocols."""
