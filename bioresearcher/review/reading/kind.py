"""Kind of a document that is given for review, with the words that show it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple, get_args

from bioresearcher.review.quantities import quantities
from bioresearcher.review.reading.sections import instructs
from bioresearcher.review.vocabulary import WET, WET_CJK
from bioresearcher.schemas.judgement import DocumentKind
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.text.format import count_of, listing
from bioresearcher.text.visible import one_line

KINDS: Final[tuple[DocumentKind, ...]] = get_args(DocumentKind)
"""All kinds, as `--kind` takes them."""

MAX_CHARACTERS: Final = 200_000
"""Characters of a document in which its kind is looked for."""


class Recognised(NamedTuple):
    """The kind of a document, and why it is held to be of that kind."""

    name: DocumentKind
    reason: str


_CUES: Final[dict[DocumentKind, tuple[int, re.Pattern[str]]]] = {
    "grant proposal": (
        3,
        re.compile(
            r"\b(?:specific aims?|principal investigator|co-investigators?|work packages?|WP ?\d"
            r"|deliverables?|milestones"
            r"|budget(?: justification)?|requested funding|funding (?:period|requested)|we propose|preliminary data"
            r"|broader impacts?|innovation|significance|state of the art|Gantt|research team|personnel costs?)\b",
            re.I,
        ),
    ),
    "trial protocol": (
        5,
        re.compile(
            r"\b(?:randomi[sz]ation|randomi[sz]ed|placebo|primary (?:endpoint|outcome)|secondary"
            r" (?:endpoints?|outcomes?)"
            r"|informed consent|eligib\w+|inclusion criteria|exclusion criteria|adverse events?|investigational \w+"
            r"|double-blind|open-label|interim analysis|data monitoring committee|trial|NCT\d{6,8}|allocation"
            r"|concealment|study visits?|sponsor|protocol amendment)\b",
            re.I,
        ),
    ),
    "animal study": (
        4,
        re.compile(
            r"\b(?:IACUC|ARRIVE|humane end-?points?|animals? (?:were|are|will be|per group)|(?:mice|rats"
            r"|pigs|rabbits|fish) (?:were|are|will be|per group)"
            r"|euthan\w+|sacrificed?|housing|cages?|vivarium|intraperitoneal\w*|i\.p\.|gavage|tail vein"
            r"|per group|C57BL/6\w*|BALB/c|Sprague[- ]Dawley|Wistar|body weight|an(?:a)?esthesia|isoflurane)\b",
            re.I,
        ),
    ),
    "analysis plan": (
        5,
        re.compile(
            r"\b(?:statistical analysis plan|SAP|hazard ratios?|confidence intervals?|propensity scores?"
            r"|covariates?|regression"
            r"|Cox (?:models?|proportional)|sensitivity anal\w+|missing data|multiple imputation|null"
            r" hypothesis|hypothes[ie]s"
            r"|sample size|power calculation|cohort (?:study|definition)|exposure|outcomes?|estimand"
            r"|intention[- ]to[- ]treat"
            r"|Bonferroni|subgroup|time-at-risk|washout|new[- ]user|negative control outcomes?|Kaplan[-–"
            r" ]Meier|databases?)\b",
            re.I,
        ),
    ),
    "dry-lab plan": (
        4,
        re.compile(
            r"\b(?:GSE\d+|TCGA\w*|RNA-?seq data|differential(?:ly)? express\w+|DESeq2|limma|edgeR|Seurat"
            r"|scanpy|count matrix|normali[sz]\w+"
            r"|FDR|data ?sets?|gene sets?|enrichment analysis|pipeline|scripts?|Python|R package|batch"
            r" effects?|PCA|UMAP|clustering"
            r"|expression matrix|download\w*|cross-validation|classifier|FASTQ|BAM|VCF|reads|alignment"
            r"|variant calling)\b",
            re.I,
        ),
    ),
}
_ANIMAL: Final = re.compile(r"\b(?:mouse|mice|rats?|rabbits?|pigs?|zebrafish|animals?)\b", re.I)
_ALIVE: Final = re.compile(
    r"\b(?:an(?:a)?esthe(?:ti[sz]e|sia)|isoflurane|ketamine|analgesi(?:a|cs?)|meloxicam|metacam|buprenorphine|carprofen"
    r"|stereota(?:ct|x)ic|sutur(?:e|es|ing)|tail vein|intraperitoneal\w*|subcutaneous\w*|i\.\s?p\.|i\.\s?v\.|s\.\s?c\."
    r"|gavage|humane endpoints?|body weight|mg/kg|per mouse|burr[- ]hole|post-?operative)",
    re.I,
)
"""Acts on animals that live on; to kill them for cells or tissue makes no animal study."""
_ALIVE_CJK: Final = re.compile(
    "麻醉|镇痛|止痛|缝合|尾静脉|腹腔注射|皮下注射|灌胃|剃毛|术后|给小鼠|注射小鼠|安乐死|体重"
)
_ANIMAL_CJK: Final = re.compile("小鼠|大鼠|家兔|裸鼠|实验动物")
_TREATED: Final = 5
"""Different ones of these words from which a protocol at the bench is one with animals."""
_PAPER_HEADING: Final = re.compile(
    r"(?mi)^[ \t]*(?:#{1,6}\s*)?(?:\d{1,2}[.)]?\s+)?(abstract|introduction|background|(?:materials? and"
    r" )?methods|methodology|results(?: and discussion)?"
    r"|discussion|conclusions?|references|acknowledge?ments|author contributions|competing interests"
    r"|funding)[ \t]*:?[ \t]*$"
)
_DONE: Final = re.compile(
    r"\b(?:we (?:found|observed|show(?:ed)?|demonstrated?|report|identified)|(?:were|was) significantly|our"
    r" (?:results|findings|data)"
    r"|results (?:show|suggest|indicate)|p ?[<=] ?0?\.\d+|et al\.?|\(?95 ?% CI|in conclusion|these (?:results|findings)"
    r"|it (?:is|was) concluded|limitations? of (?:this|our) study|doi\.org)",
    re.I,
)
_VERB: Final = re.compile(
    r"\b(?:add|incubate|centrifuge|spin|wash|resuspend|pipette|vortex|aspirate|elute|stain|mix|transfer"
    r"|dissolve|thaw|dilute|heat|cool|fix)\b",
    re.I,
)


_RCT: Final = re.compile(
    r"(?i)\brandomi[sz]ed\W+(?:\w+\W+){0,3}trial\b|\bphase (?:[1-4]|I{1,3}V?)[ab]? (?:\w+ )?(?:trial|study)\b"
)
_TO_ENROL: Final = re.compile(
    r"(?i)\b(?:patients|participants|study|trial|subjects|adults|children)\b[^.\n]{0,60}?"
    r"\bwill (?:be (?:enrolled|recruited|randomi[sz]ed|randomly|assigned|included|allocated)|enrol|recruit|include)"
)
_ALLOCATED: Final = re.compile(
    r"(?i)\b(?:mice|rats|rabbits|pigs|zebrafish|hamsters|animals)\b[^.\n]{0,60}?"
    r"\bwill be (?:randomly|randomi[sz]ed|assigned|allocated|divided)\b"
)
"""A trial that is still to enrol, and animals that are still to be assigned to groups."""
_FEW: Final = 3
"""Passages below which a text was not parted into steps; and the fewest instructions that make a protocol without
amounts."""
_TOP: Final = 600
"""Characters at the top of a document in which it says what it is."""
_HEADING: Final = r"(?im)^[\W\d_]*(?:{})\W*$"
_BOTH: Final = r"results\s*(?:and|&|/)\s*discussion"
_MARKS: Final[tuple[tuple[DocumentKind, tuple[re.Pattern[str], ...]], ...]] = (
    ("analysis plan", (re.compile(r"(?i)\bstatistical analysis plan\b"),)),
    (
        "trial protocol",
        (
            re.compile(r"(?i)\b(?:clinical )?trial protocol\b|\bstudy protocol\b"),
            re.compile(r"(?i)\bparticipants?\b|\bpatients\b"),
        ),
    ),
    (
        "finished study",
        (
            re.compile(_HEADING.format(rf"results|{_BOTH}|findings")),
            re.compile(_HEADING.format(rf"discussion|conclusions?|{_BOTH}")),
        ),
    ),
)
"""Marks that decide where all of a kind's stand in the text: what a document calls itself in its first lines, and the
headings that only a report of finished work has."""


def kind_of(text: str, protocol: Protocol) -> Recognised:
    """Say what kind of document a text is; the reason names the words that show it.

    What a document calls itself, and the headings of a report, decide; else words, headings and quantities are
    counted. A document that shows the signs of no kind is `other text`.
    """
    text = text[:MAX_CHARACTERS]
    if marked := _by_marks(text):
        return marked
    headings = {m.group(1).lower() for m in _PAPER_HEADING.finditer(text)}
    done = Counter(m.group().lower() for m in _DONE.finditer(text))
    told = {"results", "results and discussion", "discussion", "conclusion", "conclusions"} & headings
    words_of = {
        name: Counter(m.group().lower() for m in pattern.finditer(text)) for name, (_, pattern) in _CUES.items()
    }
    bench = Counter(m.group().lower() for p in (WET, WET_CJK, _VERB) for m in p.finditer(text))
    measured = list(quantities(text))
    amounts = sum(1 for q in measured if q.dimension not in ("percent", "time", "fold"))
    passages = [s.action for s in protocol.steps]
    orders = sum(map(instructs, passages))
    if not orders and len(passages) < _FEW:  # nothing told them apart: lines are what somebody wrote one by one
        passages = [line for line in text.splitlines() if line.strip()]
        orders = sum(map(instructs, passages))
    dense = amounts + bench.total() >= max(3, len(passages) // 2)
    doing = orders >= max(1, 0.4 * len(passages)) or bench.total() >= 6

    if _many(words_of["grant proposal"], "grant proposal") and not (doing and dense):
        return _by_words("grant proposal", words_of["grant proposal"])
    if len(told) >= 1 and len(headings) >= 3 and done.total() >= 3:
        said = f"has the sections {listing(sorted(headings), 6)}, and says {_quoted(done)}"
        return Recognised("finished study", said)
    if done.total() >= 12 and done.total() > orders:
        return Recognised("finished study", f"tells what was found: {_quoted(done)}")
    if planned_study := _planned_study(text):
        return planned_study
    planned: tuple[DocumentKind, ...] = ("trial protocol", "animal study", "analysis plan", "dry-lab plan")
    scored = [
        (words_of[name].total() / (2 if name == "dry-lab plan" else 1), name)
        for name in planned
        if _many(words_of[name], name)
    ]
    best = max(scored, default=None)
    if doing and dense and (best is None or bench.total() + amounts > best[0]):
        words = f"{_quoted(bench)}, {amounts} amounts, temperatures or speeds" if bench else f"{amounts} amounts"
        return _with_animals(text) or Recognised("bench protocol", f"tells what to do at the bench: {words}")
    if best is not None:
        return _by_words(best[1], words_of[best[1]])
    if (bench.total() or amounts) and (orders or WET_CJK.search(text)):
        return _with_animals(text) or Recognised(
            "bench protocol", f"tells what to do at the bench: {_quoted(bench) or f'{amounts} amounts'}"
        )
    if words_of["dry-lab plan"].total() >= 2 and orders:
        return _by_words("dry-lab plan", words_of["dry-lab plan"])
    said = f"{orders} of {len(passages)} passages tell someone to do something"
    times = sum(q.dimension == "time" for q in measured)
    if times and orders >= max(_FEW, 0.5 * len(passages)):
        return Recognised("bench protocol", f"tells what to do: {said}, {count_of(times, 'time')} given")
    return Recognised("other text", f"shows the signs of no kind of protocol: {said}, {amounts} amounts are named")


def _by_marks(text: str) -> Recognised | None:
    """Recognise what a document calls itself, or the headings that only a report has."""
    for kind, marks in _MARKS:
        marked = [mark.search(text if kind == "finished study" else text[:_TOP]) for mark in marks]
        if all(marked):
            names = dict.fromkeys(" ".join(m.group(0).split()).strip("#*: ") for m in marked if m)
            return Recognised(kind, f"has {' and '.join(f'“{x}”' for x in names)}")
    return None


def _planned_study(text: str) -> Recognised | None:
    """Recognise a trial that is still to enrol, and an experiment that is still to assign its animals."""
    trial, plan = _RCT.search(text[:_TOP]), _TO_ENROL.search(text)
    if trial and plan:
        said = f"calls itself “{one_line(trial.group(), 60)}”, says “{one_line(plan.group(), 60)}”"
        return Recognised("trial protocol", said)
    animals = _ALLOCATED.search(text)
    return Recognised("animal study", f"says “{one_line(animals.group(), 80)}”") if animals else None


def _with_animals(text: str) -> Recognised | None:
    """Take a protocol at the bench for an animal study where enough of what is done with living animals is named."""
    alive = Counter(m.group().lower() for m in _ALIVE.finditer(text))
    alive_cjk = Counter(m.group() for m in _ALIVE_CJK.finditer(text))
    if len(alive_cjk) >= _TREATED - 1 and _ANIMAL_CJK.search(text):
        return Recognised("animal study", f"treats living animals: {_quoted(alive_cjk)}")
    if len(alive) < _TREATED or not _ANIMAL.search(text):
        return None
    return Recognised("animal study", f"treats living animals: {_quoted(alive)}")


def _many(found: Counter[str], name: DocumentKind) -> bool:
    """Return True if a kind's words are there in sufficient number: different ones, not one said often."""
    return len(found) >= _CUES[name][0]


def _by_words(name: DocumentKind, found: Counter[str]) -> Recognised:
    return Recognised(name, f"speaks of {_quoted(found)}")


def _quoted(found: Counter[str]) -> str:
    words = [f"“{word}”" for word, _ in sorted(found.items(), key=lambda x: (-x[1], x[0]))]
    return listing(words, 4) if words else ""
