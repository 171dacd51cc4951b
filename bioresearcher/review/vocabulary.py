"""Words the gates and the metrics look for.

Lists are kept short and literal: a word stands here because it was seen in a flawed protocol or because
leaving it out let a flaw pass. All patterns are linear in the length of the text.
"""

from __future__ import annotations

import re


def words(*alternatives: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """A pattern that matches any of the alternatives as whole words (a trailing `*` allows an ending)."""
    parts = [a[:-1] + r"\w*" if a.endswith("*") and not a.endswith(r"\w*") else a for a in alternatives]
    return re.compile(r"(?<!\w)(?:" + "|".join(parts) + r")(?!\w)", flags)


# -- what a step is about -----------------------------------------------------------------------------

ACQUIRE = words("download*", "acquir*", "retriev*", "obtain*", "collect*", "load", "import the")
QUALITY = words("quality control", "qc", "quality assessment", "quality check*", "fastqc")
NORMALISE = words("normali[sz]*", "background correct*", "variance stabili[sz]*", "tmm", "rma", "gcrma", "voom")
DIFFERENTIAL = words(
    r"differential(?:ly)?[ -]express*", r"differential[ -](?:gene|abundance|methylation"
    r"|analysis)", "two-group comparison",
    r"(?:identif|determin|detect|call|find)\w* (?:\w+ ){0,3}degs?",
)  # fmt: skip
ENRICHMENT = words("enrichment", "over-?representation", "gsea", "kegg", "gene ontology", "pathway analysis")
SURVIVAL = words(
    r"kaplan[-– ]meier", r"log-?rank", "cox", "survival analysis", "survival curves?", "hazard ratios?",
    r"time[- ]to[- ]event", "prognostic",
)  # fmt: skip
COX = words("cox", r"proportional[- ]hazards? (?:model|regression)*", "coxph")
PREDICTION = words(
    "classifier", r"random forest", r"support vector", "svm", "lasso", r"elastic net",
    r"machine[- ]learning", r"neural network", r"penali[sz]ed (?:cox|regression|logistic)*",
    r"predictive model*", r"prediction model*", r"train(?:ed|ing)? (?:a |the )?(?:model|classifier)",
    r"risk model*", r"xgboost", r"deep learning",
)  # fmt: skip
CORRELATION = words("correlat*", "pearson", "spearman")
VALIDATION = words(
    r"(?:external|independent(?:ly)?) (?:validat\w*|cohorts?|data ?sets?|test(?:ing)?)",
    r"validation (?:set|cohort)", r"replicat(?:e|ion) (?:in|cohort|set)",
)  # fmt: skip
CLUSTERING = words("cluster*", "k-?means", "louvain", "leiden", "nmf", "consensus cluster*", "umap", "t-?sne")
RANDOM = words(
    "cross-?validation", "bootstrap*", "permutation*", "k-?means", "umap", "t-?sne", "random forest",
    "random split*", 
    r"randomi[sz](?:e|ed|ation)", "at random", r"[\d,]+ draws", "louvain", "leiden", "nmf", "mcmc", "subsampl*",
    "gsea",
)  # fmt: skip
COMPARISON = words(
    "compar(?:e|es|ed|ing|ison)", "versus", "vs", r"t-?tests?", "wilcoxon", "mann[-– ]whitney", "anova",
    r"differential(?:ly)?[ -]express*", "degs?",
)  # fmt: skip

# -- statistics ---------------------------------------------------------------------------------------

CORRECTION = words(
    "fdr", "false[- ]discovery", r"benjamini(?:[-– ](?:hochberg|yekutieli))?", "bh", "bonferroni", "holm",
    r"q-?values?", r"adj(?:usted|\.)?[ _-]*p", r"p[ _.-]?adj(?:ust\w*)?", r"padjustmethod", r"family-?wise",
    r"fwer", r"multiple[- ](?:testing|comparisons?|hypothes\w+)", r"westfall", r"storey", r"corrected p",
    r"permutation-based",
)  # fmt: skip
PH_CHECK = words(
    "schoenfeld", r"cox\.?_?zph", r"proportional[- ]hazards? (?:assumption|check|test|diagnostic)\w*",
    "proportionality", r"log[- ]minus[- ]log",
    r"(?:check|test|verif|assess|examin)\w* (?:\w+ ){0,4}proportional[- ]hazards?",
    r"time-varying (?:effect|coefficient)\w*", r"restricted mean survival",
)  # fmt: skip
RESAMPLING = words(
    r"cross-?validat\w*", r"\d+-fold(?! (?:change|higher|lower|dilut|increase"
    r"|decrease))", "folds", r"held?[- ]?out", r"hold[- ]?out",
    r"test (?:set|cohort|data)", r"(?:external|independent) (?:validat\w*|cohorts?|data ?sets?|test)",
    r"validation (?:set|cohort|data)", r"bootstrap\w*(?! (?:confidence|support))",
    r"out[- ]of[- ](?:bag|sample)", r"nested",
    r"train(?:ing)?[-/ ]test split",
)  # fmt: skip
REPLICATES = words(
    r"replicates?", "triplicates?", "duplicates", "in duplicate", "quadruplicate", r"n\s*[=≥>]\s*\d+",
    r"biological repeats?", r"(?:three|four|five|six|\d+) (?:independent|separate|biological|technical) \w+",
    r"repeat(?:ed)? (?:\w+ ){0,3}times", 
    r"\d+ (?:\w+ ){1,2}(?:per|in each|in either) (?:arm|group|condition)", r"sample size",
    r"power (?:analysis|calculation)",
)  # fmt: skip
CONTROL = words(
    "controls?", "vehicle", "untreated", "housekeeping", "gapdh", "actb", r"β-actin", r"beta-actin", "18s",
    "isotype", "placebo", r"wild[- ]?type", "blank", "scrambled?", "mock", r"non-?targeting",
    r"normal (?:tissue|fat|adipose|samples?)", "sham", "reference gene*", "calibrat*", "no-template", "ntc",
    "unstained", "secondary antibody only",
)  # fmt: skip
BATCH = words(
    "batch*", "combat", "harmony", "removebatcheffect", "ruv*", "surrogate variable*", "sva",
    "mixed[- ]effects?", "mixed models?",
    "random effects?", "meta-?analy*", "mnn", "integration workflow", "scvi", r"stratified by (?:study|cohort"
    r"|data ?set)",
    r"(?:normali[sz]|standardi[sz]|scor|cent|scal)\w* (?:\w+ ){0,4}(?:within|per|in each|separately)",
)  # fmt: skip
MERGE = re.compile(
    r"\b(?:merg|combin|pool|concatenat|integrat)\w*\s+(?:\w+[\s,]+){0,6}?(?:data ?sets?|cohorts?|studies"
    r"|matrices|series|GSE\d+)",
    re.I,
)
SEED = words(
    r"seeds? *[:=]? *(?:of |is )?\d+",
    r"(?:random|fixed|stated|same|recorded) seeds?",
    r"(?:fix|state|set|record)\w* (?:\w+ ){0,3}seeds?",
    r"seeds? (?:is|are|be) (?:\w+ )?(?:fixed|set|stated|recorded)",
    r"set\.seed",
    r"random[_ ]state",
    "deterministic",
)
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

SEQUENCING_ONLY = words(
    "deseq2?", "edger", "featurecounts", "htseq(?:-count)?", "fastqc", "trimmomatic", "star aligner",
    "hisat2", "salmon", "kallisto", "voom", "tmm",
)  # fmt: skip
ARRAY_ONLY = words("rma", "gcrma", "mas5", "frma", "affy", "illumina beadarray", "gpl570", "gpl96")
SEQUENCING_DATA = words(
    r"rna[- ]?seq\w*", r"rna[- ]sequencing", r"high[- ]throughput sequencing", "fastq", r"read counts?"
)
ARRAY_DATA = words(r"micro-?arrays?", "affymetrix", "agilent arrays?", "beadchips?", "probe ?sets?", "cel files?")
SOFTWARE = words(
    "deseq2?", "edger", "limma", "seurat", "scanpy", "clusterprofiler", "gseapy", "gsea", "lifelines",
    "scikit-learn", "sklearn", "statsmodels", "scipy", "numpy", "pandas", "matplotlib", "seaborn", "ggplot2",
    "pheatmap", r"survival(?= package)", "survminer", r"(?-i:STAR)", "hisat2", "bowtie2?", "bwa", "samtools",
    "gatk", "plink",
    "fastqc", "multiqc", "trimmomatic", "featurecounts", "htseq", r"(?-i:Salmon)", "kallisto", "gcrma",
    "cibersortx?", "xcell", r"(?-i:ESTIMATE)", "gsva", "ssgsea", "wgcna", "cytoscape", "imagej", "fiji",
    "cellprofiler", "flowjo", "graphpad(?: prism)?", "spss", "stata", r"(?-i:SAS)", "matlab", "python", "harmony",
    "monocle3?", r"(?-i:ComBat)", "sva", "maxquant", "mageck", "macs2", "deeptools", r"(?-i:HOMER)", "cellranger",
    "tximport", r"(?-i:STRING)", "glmnet", "xgboost", r"(?-i:R)(?= (?:package|software|environment|script"
    r"|version))",
)  # fmt: skip
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
    r"|\bto be (?:determined|decided|defined|confirmed|filled in)\b"
    r"(?!\s+(?:by|with|using|from|in|as|via|through|after|on)\b)"
    r"|\blorem ipsum\b|\bpath[/\\_]to\b|\byour[_-](?:file|data|path|dataset|sample|gene|folder|directory)\w*"
    r"|\bexample\.(?:com|org|csv|txt|tsv)\b"
    r"|[<\[{](?:insert|your|enter|fill|add|placeholder|name of|specify)\b[^>\]}\n]{0,60}[>\]}]"
    r"|[<\[{][^>\]}\n]{3,40} (?:here|goes here|tbd)[>\]}]"
    r"|[<\[{](?:to follow|pending|to come|unknown|missing)\b[^>\]}\n]{0,30}[>\]}]"
    r"|\b(?:insert|fill in|complete) (?:the )?[^.;\n]{1,50}\b(?:before|when|once|after)\b"
    r"|\bto be (?:added|completed|supplied|inserted|given) (?:later|when|once|before|after|soon)\b"
    r"|\binsert (?:\w+ )?here\b|\breference source for step \d+"
    r"|\b(?:part|report|paper|step|sample|dataset|gene)_id\d+\b|\?{3,}|_{4,}|待定|待补充|待填写|此处填写",
    re.I,
)
NUMBERED_NAMES = re.compile(
    r"\b(?:\w{0,12}sample|cell_?line|patient|antibody|drug|file)[_-]?1\b['’\"]?,\s*['‘\"]?[a-z]\w{2,20}[_-]?2\b", re.I
)
VAGUE = words(
    "appropriate(?:ly)?", "suitable", "suitably", "as needed", "as necessary",
    "if (?:needed|necessary|required)", "as required", "where applicable", "adequate(?:ly)?",
    "sufficient(?:ly)?", "reasonable", "reasonably", 
    "sensible", "sensibly", "satisfactory", "enough", "thoroughly", "roughly", r"some time", r"a while", "a few",
    r"(?:(?:poor|good|high|low)[- ]quality|bad) (?:cells|samples|reads|genes|data|spectra|images)(?! (?:with|below"
    r"|above|that|whose|\())", "properly", "etc", "and so on", "and others", "various",
    "some kind of", "a number of", "standard (?:protocols?|parameters|settings|procedures?|methods?)",
    "best practices?", "relevant (?:methods?|tools?|databases?|tests?|statistics)", "reputable",
    "state-of-the-art", "default (?:settings|parameters)", "usual (?:way|manner)", "several", "carefully",
    "as appropriate", "overnight or longer", "established (?:methods?|protocols?)", "adjust accordingly",
    "other (?:relevant|suitable) \\w+", "similar approaches",
)  # fmt: skip
VAGUE_CJK = re.compile(r"适当|合适|适量|若干|必要时|视情况|等等|酌情")
OPEN_CHOICE = words(
    r"e\.?\s?g\.",
    r"such as",
    r"for example",
    r"for instance",
    r"or similar",
    r"or equivalent",
    r"and/or",
    r"if (?:preferred|desired|you prefer|wished)",
    r"whichever (?:\w+ ){0,2}(?:works|fits|is)",
    r"(?:test|method|tool|plot|model|approach|package|statistic)s? like",
    r"or (?:another|some other|any other) \w+",
    r"or something (?:similar|like)",
    "例如",
    "比如",
)
OPEN_CHOICE_CJK = re.compile(r"例如|比如|诸如")
LITERATURE_WAVE = re.compile(
    r"\b(?:refer to|according to|based on|from|as described in|following) (?:the )?(?:relevant |existing "
    r"|published |previous |current )?"
    r"(?:literature|methodologies|publications|studies|papers)\b",
    re.I,
)
NEEDS_NUMBER = words(
    "normali[sz]*", "filter*", "threshold*", "cluster*", "classif*", "train*", "differential*", "correlat*",
    "enrich*", "align*", "trim*", "imput*", "regress*", "cross-?validat*", "bootstrap*", "permut*",
    "incubat*", "centrifug*", "dilut*", "stain*", "wash*", "cultur*", "transfect*", "extract*", "digest*",
    "elut*", "lys(?:e|es|ed|is)", "amplif*", "qpcr", "sonicat*", "titrat*", "inject*",
)  # fmt: skip

# -- cues of structure in free text -------------------------------------------------------------------

INPUT_CUE = words(
    "download*", "obtain*", "retriev*", "acquir*", "load", "input*", "using the", "use the", "sourced from",
    "derived from", r"data (?:set )?from", r"from (?:the|part|step|each|all|geo|tcga)", "based on the",
    "on the", "list of", "take*", "the same",
)  # fmt: skip
OUTPUT_CUE = words(
    "output*", "sav(?:e|es|ed|ing)", "stor(?:e|es|ed|ing)", "generat*", "produc*", "creat*", "report*",
    "tables?", "matri(?:x|ces)", "lists?", "plots?", "figures?", "heat ?maps?", "record*", "document*",
    "summar*", "catalogu?e", "yield*", "writ(?:e|es|ten)",
)  # fmt: skip
ACCEPT_CUE = re.compile(
    r"\b(?:acceptance|accept|criteri(?:on|a)|threshold|must|at least|at most|no more than|minimum|maximum"
    r"|pass(?:es|ing)?|fail\w*"
    r"|exclud\w*|verif\w*|confirm\w*|discard\w*|repeat if|stop if)\b|[≥≤<>]\s*\d|验收|阈值|至少|不低于|不超过",
    re.I,
)
EARLIER_CUE = words(
    "the (?:identified|normali[sz]ed|downloaded|acquired|selected|processed|pre-?processed|resulting|filtered"
    "|same|fitted|extracted|trained)",
    r"the \w{3,}ed \w+",
    r"(?:from|of|in) (?:the )?(?:previous|preceding|earlier|above)", r"from (?:part|step) \d",
    "after \\w+ing", "these", "this (?:list|table|matrix|model)", "raw (?:gene )?counts",
    "obtained (?:from|in)", "output of", "将上一步", "上述", "前一步",
)  # fmt: skip
WET = words(
    "incubat*", "centrifug*", "pipett*", "antibod*", "stain*", "cultur*", "transfect*", "western blot*",
    "qpcr", "rt-?qpcr", "elisa", "immunohistochemi*", "immunofluoresc*", "flow cytometr*", "facs",
    "rna extraction", "dna extraction", "extract rna", "lysis", "buffer", "mice", "mouse model*",
    "xenograft*", "biops*", "paraffin", "frozen (?:samples?|tissue)", "plasmid*", "crispr", "sirna",
    "reagent*", "µl", "μl", "ml of", "primers?", "cell lines?", "library preparation", "sequenc(?:e|ing) on",
    "microscop*", "transduc*", "lentivir*", "digest*", "implant*", "µg", "mg of", "stool", "aliquots?", 
    "gel electrophoresis",
    "assays?", "medium", "inject*", "collect (?:blood|tissue|samples?)",
    "tissue samples?", "h&e",
)  # fmt: skip
WET_CJK = re.compile(r"孵育|离心|染色|培养|抗体|提取|转染|缓冲液|小鼠|石蜡|冰冻|细胞系")
MEASURES = words(
    "qpcr", "rt-?qpcr", "western blot*", "elisa", "immunohistochemi*", "immunofluoresc*", "flow cytometr*",
    "viability assay*", "proliferation assay*", "migration assay*", "luciferase", "mtt", "cck-?8",
    "apoptosis assay*", "treat(?:ed|ment)? (?:cells|mice|with)", "knock-?(?:down|out)", "transfect*",
    "overexpress*", "xenograft*", "colony formation",
)  # fmt: skip

# -- TCGA ---------------------------------------------------------------------------------------------

TCGA_PROJECTS: dict[str, str] = {
    "ACC": "adrenocortical carcinoma", "BLCA": "bladder carcinoma", "BRCA": "breast carcinoma",
    "CESC": "cervical carcinoma", "CHOL": "cholangiocarcinoma", "COAD": "colon adenocarcinoma",
    "DLBC": "lymphoma", "ESCA": "esophageal carcinoma", "GBM": "glioblastoma", "HNSC": "head and neck carcinoma",
    "KICH": "kidney chromophobe carcinoma", "KIRC": "kidney clear cell carcinoma",
    "KIRP": "kidney papillary carcinoma", "LAML": "acute myeloid leukemia", "LGG": "lower grade glioma",
    "LIHC": "liver hepatocellular carcinoma", "LUAD": "lung adenocarcinoma",
    "LUSC": "lung squamous cell carcinoma", "MESO": "mesothelioma", "OV": "ovarian carcinoma",
    "PAAD": "pancreatic adenocarcinoma", "PCPG": "pheochromocytoma paraganglioma",
    "PRAD": "prostate adenocarcinoma", "READ": "rectum adenocarcinoma", "SARC": "sarcoma",
    "SKCM": "skin melanoma", "STAD": "stomach adenocarcinoma", "TGCT": "testicular germ cell tumor",
    "THCA": "thyroid carcinoma", "THYM": "thymoma", "UCEC": "endometrial carcinoma",
    "UCS": "uterine carcinosarcoma", "UVM": "uveal melanoma",
}  # fmt: skip
"""The 33 projects of The Cancer Genome Atlas and what each is about (Genomic Data Commons)."""

TCGA_OTHER = frozenset(
    "GTEX TARGET CPTAC ICGC GDC GEO RNA DNA CDR PANCAN COADREAD GBMLGG KIPAN STES METABRIC RNASEQ".split()
)
"""Names that follow `TCGA-` without being a project: pooled cohorts, companions, resources."""

ORGAN_WORDS: dict[str, str] = {
    "LUAD": r"lung|pulmon|nsclc", "LUSC": r"lung|pulmon|nsclc", "PAAD": r"pancrea", "BRCA": r"breast|mammary",
    "COAD": r"col(?:on|orect)", "READ": r"rect", "LIHC": r"liver|hepat", "PRAD": r"prostat", "OV": r"ovar",
    "GBM": r"gliobl|glioma|brain", "LGG": r"glioma|brain", "SKCM": r"melanom|skin", "STAD": r"stomach|gastric",
    "KIRC": r"kidney|renal", "KIRP": r"kidney|renal", "KICH": r"kidney|renal", "THCA": r"thyroid",
    "BLCA": r"bladder|urothel", "HNSC": r"head and neck|oral|laryn", "CESC": r"cervi", "UCEC": r"endometr|uter",
    "LAML": r"leuk[ae]*mi|aml", "SARC": r"sarcom", "ESCA": r"o?esophag", "ACC": r"adren", "MESO": r"mesotheli",
    "TGCT": r"testi|germ cell", "THYM": r"thym", "UVM": r"uve|ocular|eye", "UCS": r"carcinosarc|uter",
    "CHOL": r"cholangio|bile", "DLBC": r"lymphom", "PCPG": r"ph[ae]*ochromo|paragangl",
}  # fmt: skip
PAN_CANCER = words(
    r"pan-?cancer", r"all (?:33|tumou?r types|cancer types)", r"across (?:cancers|tumou?r types|cancer types)"
)
