"""Offline rules of the literature agent: experiments are method sections, steps are method sentences with their quotes.

Method sentences, results and laboratory work are recognised by patterns of biomedical English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bioresearcher.papers.mining import cached_facts, labels, parameters
from bioresearcher.schemas.ask_literature import (
    JudgeReferabilityInput,
    OutlinedPart,
    OutlinePaperInput,
    OutlineSection,
    PaperOutline,
    PartAnswers,
    PartDraft,
    ReferabilityDraft,
    ReportPartInput,
    ReportStepDraft,
    ResultDraft,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import Passage
from bioresearcher.schemas.paper_report import ReportPart
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import clip
from bioresearcher.text.words import Similarity, any_word, content_words, overlap, sentence_texts

_DONE = any_word(
    """used performed carried measured normali[sz]ed computed calculated estimated compared tested adjusted obtained
    extracted defined selected filtered clustered fitted assessed determined downloaded isolated incubated stained
    sequenced hybridi[sz]ed analy[sz]ed generated identified prepared applied divided split classified scored ranked
    corrected collected quantified treated lysed transfected infected plated seeded cultured grown maintained harvested
    washed centrifuged blotted probed resuspended separated amplified cloned digested purified injected
    log-?transformed averaged excluded cent(?:re|er)ed permuted validated conducted constructed visuali[sz]ed
    summari[sz]ed annotated mapped aligned integrated retrieved merged pooled matched imputed modell?ed enriched"""
)
_DO = any_word(
    """normali[sz]e compute calculate estimate compare test adjust define select filter cluster fit assess rank score
    correct average exclude cent(?:re|er) permute validate use take apply report plot check state choose divide
    split sum standardi[sz]e draw repeat keep remove map count collect record fix start order walk control treat
    examine measure include show give describe transform log-transform restrict combine annotate derive freeze set
    stratify group convert express list specify carry evaluate summari[sz]e name hold reject multiply find write
    avoid add leave drop scale correlate assign collapse limit print match look prefer read interpret build decide
    ask begin run obtain identify"""
)
_LEAD = r"(?:(?:first|then|next|finally|before [^,]{3,60}|for [^,]{3,80}|within [^,]{3,60}|after [^,]{3,60}" + (
    r"|if [^,]{3,80}|in [^,]{3,60})?,?\s*)"
)

METHOD = re.compile(
    rf"\b(?:was|were|is|are)\s+(?:\w+ly\s+)?{_DONE}\b|\bwe\s+(?:(?:then|also|first)\s+)?{_DONE}\b", re.I
)
"""A method sentence: how something was done."""

PAST_PASSIVE = re.compile(
    r"\b(?:was|were|had\s+been|have\s+been|has\s+been)\s+(?:(?:then|also|first|all|each|both|further|not|\w+ly)\s+){0,2}"
    r"(?:\w{2,}ed|made|done|taken|given|kept|set|cut|run|put|drawn|grown|spun|frozen|chosen|read|found|lost|built|held|sought|bought|fed|"
    r"split|bound|begun|written)\b|\bwe\s+(?:(?:then|also|first|next|further|\w+ly)\s+)?(?:\w{2,}ed|made|took|ran|used|built|chose|set|"
    r"drew|grew|kept|split)\b"
    r"|\b(?:authors?|reviewers?|investigators?|researchers?|raters?|assessors?|observers?|readers?|interviewers?|technicians?"
    r"|nurses?|physicians?|pathologists?|radiologists?)\s+(?:(?:then|also|first|\w+ly)\s+)?(?:\w{2,}ed|made|read|chose|took)\b"
    r"|\b(?:mice|rats|rabbits|pigs|dogs|animals|patients|participants|volunteers|subjects|respondents|groups?|cells)\s+"
    r"(?:(?:then|also|first|each|all|\w+ly)\s+)?(?:received|underwent|completed|fasted|ingested|swallowed)\b"
    r"|\b(?:using|by\s+means\s+of|according\s+to)\b",
    re.I,
)
"""A method sentence in the looser sense that holds in method sections."""

BY_MEANS = re.compile(
    r"\b(?:using|by\s+means\s+of|according\s+to|with\s+(?:a|an|the)|if|when|defined|considered)\b", re.I
)
"""Words with which a sentence says how something was done or decided."""

FORMALITY = re.compile(
    r"\b(?:informed\s+consent|written\s+consent|ethic(?:s|al)\s+\w+|institutional\s+(?:review|animal)|IRB|IACUC|helsinki"
    r"|approved\s+by|approval\s+(?:was|number)|funded\s+by|trial\s+registration|nomenclatural\s+acts?|ZooBank|conflicts?\s+of\s+interest"
    r"|in\s+accordance\s+with\s+(?:the\s+)?(?:guide|guidelines|regulations|legislation)|according\s+to\s+\w+\s+legislation)\b",
    re.I,
)
"""Permissions and formalities, which are no steps of a study."""

FORMAL_HEADING = re.compile(
    r"\b(?:ethic\w*|consent|human\s+subjects?|nomenclatural|approval|registration|funding|patient\s+involvement|role\s+of)\b",
    re.I,
)
"""Headings over formalities."""

IMPERATIVE = re.compile(rf"^{_LEAD}{_DO}\b", re.I)
"""A sentence that instructs how to do something."""

RESULT = re.compile(
    r"\b"
    + any_word(
        """significant significantly associated_with correlated higher lower increased decreased identified revealed
        showed found differed enriched predicted highest lowest obtained confirmed detected observed elevated reduced
        up-?regulated down-?regulated overexpressed amplified achieved"""
    )
    + r"\b",
    re.I,
)
"""A sentence that may state a result."""

_WET = any_word(
    r"""incubat\w+ centrifug\w+ pipett\w+ cell_lines? cells_were_(?:seeded|cultured|transfected) antibod\w+ mice
    western_blot\w* immunoblot\w* PCR_primers? agarose immunohistochem\w+ biops\w+
    RNA_(?:was|were)_(?:extracted|isolated)
    [sh]{1,2}i?RNAs? transfect\w+ lentivir\w+ q?RT-?PCR qPCR reverse_transcri\w+ lysates? lysed plasmids? plated
    flow_cytometr\w+ ELISAs?"""
)
WET = re.compile(rf"\b{_WET}\b", re.I)
"""Work in a laboratory or clinic."""

LABORATORY = re.compile(
    rf"\b(?:{_WET}|"
    + any_word(
        r"""knock-?downs? knock(?:ing|ed)?_down knock-?outs? silenc\w+ (?:cell|tissue)_cultures? in_vivo in_vitro
        mass_spectrometr\w+ LC-MS\w* EdU wet-?lab bench xenografts? CRISPR\w* stain\w*"""
    )
    + r")\b",
    re.I,
)
"""An objective or requirement that asks for work in a laboratory."""

ASKS_HOW = re.compile(
    r"^\W*(?:how|by\s+what|(?:with|by)\s+which|(?:which|what)\s+(?:methods?|protocols?|procedures?|assays?))\b", re.I
)
"""A question for how something is done: where no data are at hand, a paper's laboratory work answers it."""

LIMITATION = re.compile(
    r"\b(?:limitations?\b|(?:needs?|ha(?:s|ve)|remains?)\s+to\s+be\s+(?:confirmed|verified|validated|tested|studied|shown|examined"
    r"|determined|elucidated)|(?:further|future|additional|more)\s+(?:studies|research|work|investigations?|experiments|trials)\b"
    r"|should\s+be\s+(?:interpreted|confirmed|treated\s+with)|with\s+caution|(?:we|it)\s+(?:could|can)\s*not\b|warrants?\b"
    r"|we\s+(?:did\s+not|only)\b|only\s+in\b[^.]*\bneed)",
    re.I,
)
"""A sentence about what a study leaves open, which is no step of it."""

FINDING = re.compile(
    r"\b(?:showed|demonstrated|revealed|exhibited|displayed|suggest(?:s|ed)?|indicat(?:es?|ed)|confirmed)\b(?!\s+(?:in\s+)?(?:fig|table))"
    r"|\b(?:was|were)\s+(?:\w+ly\s+)?(?:significantly|markedly|strongly)?\s*(?:higher|lower|greater|smaller|longer|shorter|associated"
    r"|correlated|increased|decreased|reduced|elevated)\b|\bsignificant(?:ly)?\s+(?:differ\w+|higher|lower|increase\w*|decrease\w*"
    r"|reduc\w+|associat\w+|correlat\w+)\b",
    re.I,
)
"""A sentence that tells what came out."""

METHODS_HEADING = re.compile(r"(materials?\s+and\s+)?methods?( and materials?)?|experimental procedures?", re.I)
"""The bare heading over all method sections."""


MAX_PARTS = 12
MAX_STEPS = 14
RESULT_NEAR = 0.5
"""Cosine similarity (MiniLM) from which a result belongs to a step."""
RESULTS_PER_STEP = 3
SAME_QUESTION = 0.3
"""Cosine similarity of a part with the objective or a requirement from which it pursues the same question."""
SAME_SUBJECT = 0.35
"""Mean similarity of a part and its paper's title from which it does so: a plain step of a paper on the subject."""


@dataclass(frozen=True)
class OfflineReader:
    """The rules of reading, which compare texts by `similarity`."""

    similarity: Similarity

    def outline_paper(self, values: OutlinePaperInput) -> PaperOutline:
        """Outline the experiments: the method subsections, else the method section, else the whole text."""
        methods = [s for s in values.sections if s.kind == "methods" and not FORMAL_HEADING.search(s.title)]
        said = [s for s in methods if not _is_bare(s)]
        leaves = [s for s in said if not _is_general(s)] or said or methods
        results = [s for s in values.sections if s.kind in {"results", "legend"}]
        if not leaves:
            leaves = [s for s in values.sections if s.kind not in {"title", "front", "references", "abstract"}]
            leaves = leaves or [s for s in values.sections if s.kind == "abstract"]
            whole = OutlinedPart(
                title=clip(values.title, 120),
                purpose=f"What the paper describes in {count_of(len(leaves), 'section')}.",
                sections=tuple(s.number for s in leaves),
            )
            return PaperOutline(parts=(whole,) if leaves else ())
        parts = []
        for section in leaves[:MAX_PARTS]:
            near = self._nearest_results(section, results)
            title = (
                section.title[:1].upper() + section.title[1:]
                if not _is_general(section)
                else f"{section.title}: {clip(values.title, 90)}"
            )
            parts.append(
                OutlinedPart(
                    title=title,
                    purpose=clip(_first_words(section), 200),
                    sections=(section.number, *near),
                )
            )
        return PaperOutline(parts=tuple(parts))

    def _nearest_results(self, section: OutlineSection, results: list[OutlineSection]) -> tuple[int, ...]:
        """Numbers of up to two result sections that share words with the method's heading."""
        wanted = content_words(section.title)
        scored = [(overlap(wanted, content_words(f"{r.title} {r.opening}")), r.number) for r in results]
        best = sorted((s for s in scored if s[0] >= 0.5), key=lambda s: (-s[0], s[1]))
        return tuple(number for _, number in best[:2])

    def report_part(self, values: ReportPartInput) -> PartDraft:
        """Report a step per method sentence, in order; results are sentences of result sections close to the step."""
        method: list[tuple[str, Passage]] = []
        result: list[str] = []
        described = _described(values)
        for passage in values.passages:
            for sentence in sentence_texts(passage.text):
                if not 40 <= len(sentence) <= 600 or FORMALITY.search(sentence):
                    continue
                if passage.kind in {"results", "legend"}:
                    if RESULT.search(sentence) or (
                        passage.kind == "results" and labels(cached_facts(sentence), "gene")
                    ):
                        result.append(sentence)
                elif passage.id in described and _is_method(sentence, passage):
                    method.append((sentence, passage))
        chosen = self._most_relevant(values, method)
        steps = tuple(_step(sentence) for sentence, _ in chosen)
        return PartDraft(steps=self._with_results(steps, list(dict.fromkeys(result))))

    def _most_relevant(self, values: ReportPartInput, found: list[tuple[str, Passage]]) -> list[tuple[str, Passage]]:
        if len(found) <= MAX_STEPS:
            return found
        near = self.similarity([f"{values.part.title}. {values.objective.text}"], [s for s, _ in found])[0]
        best = sorted(range(len(found)), key=lambda i: (-near[i], i))[:MAX_STEPS]
        return [found[i] for i in sorted(best)]

    def _with_results(self, steps: tuple[ReportStepDraft, ...], results: list[str]) -> tuple[ReportStepDraft, ...]:
        if not steps or not results:
            return steps
        near = self.similarity([s.action for s in steps], results)
        assigned: dict[int, list[ResultDraft]] = {}
        for number, text in enumerate(results):  # each result to the step it is nearest to
            step = max(range(len(steps)), key=lambda i: (near[i][number], -i))
            if near[step][number] >= RESULT_NEAR and len(assigned.get(step, ())) < RESULTS_PER_STEP:
                assigned.setdefault(step, []).append(ResultDraft(text=text, quote=text))
        return tuple(s.model_copy(update={"results": tuple(assigned.get(i, ()))}) for i, s in enumerate(steps))

    def judge_referability(self, values: JudgeReferabilityInput) -> ReferabilityDraft:
        """Judge each part by its similarity to the objective and its requirements."""
        report = values.report
        if not report.parts:
            return ReferabilityDraft(parts=())
        texts = [_part_text(part) for part in report.parts]
        rows = self.similarity([report.title, *texts], objective_texts(values.objective))
        names = ["the objective", *(f"requirement {r.id}" for r in values.objective.requirements)]
        paper = float(max(rows[0]))
        return ReferabilityDraft(
            parts=tuple(
                self._answers(part, [float(v) for v in row], paper, names, values)
                for part, row in zip(report.parts, rows[1:], strict=True)
            )
        )

    def _answers(
        self, part: ReportPart, near: list[float], paper: float, names: list[str], values: JudgeReferabilityInput
    ) -> PartAnswers:
        index = max(range(len(near)), key=lambda i: near[i])
        laboratory = sum(bool(WET.search(s.action)) for s in part.steps)
        wet = 3 * laboratory >= len(part.steps) and laboratory > 0
        dry_data = bool(values.datasets)
        asks = objective_texts(values.objective)
        in_laboratory = wet and any(LABORATORY.search(t) or (not dry_data and ASKS_HOW.search(t)) for t in asks)
        answers = {
            "another question": near[index] >= SAME_QUESTION or (near[index] + paper) / 2 >= SAME_SUBJECT,
            "no data at hand that its method fits": in_laboratory or (dry_data and not wet),
            "fewer than two steps": len(part.steps) >= 2,
            "laboratory work, which is not asked for": in_laboratory or not wet,
        }
        against = "; ".join(why for why, fits in answers.items() if not fits)
        same, data, enough, feasible = answers.values()
        scores = f"similarity {near[index]:.2f}, the paper's title {paper:.2f}"
        return PartAnswers(
            part_id=part.id,
            same_question=same,
            same_kind_of_data=data,
            reusable_steps=enough,
            feasible=feasible,
            reuse=_reuse(part),
            change=_change(part, dry_data=dry_data, wet=wet),
            reason=f"Closest to {names[index]} ({scores}).{f' Against it: {against}.' if against else ''}",
        )


def _reuse(part: ReportPart) -> str:
    """A sentence on what can be reused of a part: its steps, software, tests and data sets."""
    named = {
        "software": [n for s in part.steps for n in s.software],
        "tests": [n for s in part.steps for n in s.tests],
        "data sets": [n for s in part.steps for n in s.datasets],
    }
    lists = [f"{kind} {', '.join(dict.fromkeys(names))}" for kind, names in named.items() if names]
    detailed = sum(bool(s.parameters or s.software) for s in part.steps)
    whole = f"{count_of(len(part.steps), 'step')}, {detailed} with stated parameters or software"
    return clip("; ".join([whole, *lists]), 300).rstrip(".") + "."


def _change(part: ReportPart, *, dry_data: bool, wet: bool) -> str:
    """A sentence on what must be changed in a part: samples and thresholds."""
    if not dry_data and not wet:
        return "Obtain data first: none were given."
    sizes = list(dict.fromkeys(n for s in part.steps for n in s.cohorts))[:3]
    cuts = [f"{p.name} {p.value}" for s in part.steps for p in s.parameters if not p.unit][:4]
    own = f"samples ({', '.join(sizes)})" if sizes else "samples"
    own += f" and thresholds ({', '.join(dict.fromkeys(cuts))})" if cuts else " and thresholds"
    return clip(f"Replace the paper's own {own} by those of the material at hand", 300).rstrip(".") + "."


def _described(values: ReportPartInput) -> set[str]:
    """Ids of the passages that a part's steps are taken from.

    Those of its own method section where the part names one, else of all method sections, else, in a paper without
    any, of everything but results and discussion. So a sentence is a step of one part only.
    """
    methods = [p for p in values.passages if p.kind == "methods"]
    title = values.part.title.casefold()
    own = [p for p in methods if p.section and title in (p.section.casefold(), clip(p.section, 120).casefold())]
    if own or methods:
        return {p.id for p in own or methods}
    return {p.id for p in values.passages if p.kind not in ("discussion", "results", "references", "legend")}


def _is_method(sentence: str, passage: Passage) -> bool:
    """Return True for a method sentence; in method sections looser patterns are enough.

    A limitation is none, nor is a finding, unless it also says by what it was found.
    """
    if LIMITATION.search(sentence) or (FINDING.search(sentence) and not BY_MEANS.search(sentence)):
        return False
    if METHOD.search(sentence) or IMPERATIVE.match(sentence):
        return True
    if passage.kind != "methods":
        return False
    return bool(PAST_PASSIVE.search(sentence) or labels(cached_facts(sentence), "accession"))


def _first_words(section: OutlineSection) -> str:
    """The first sentence of the section without its heading."""
    title = section.title.strip()
    opening = section.opening.strip()
    if opening.casefold().startswith(title.casefold()):
        opening = opening[len(title) :].lstrip(" .:–-")
    found = sentence_texts(opening)
    return found[0] if found else title


def _is_general(section: OutlineSection) -> bool:
    """Return True if a section is the bare heading over its subsections."""
    return METHODS_HEADING.fullmatch(section.title.strip()) is not None


def _is_bare(section: OutlineSection) -> bool:
    """Return True for a heading without a word of its own below it, which stands over the sections that follow."""
    opening = " ".join(section.opening.split()).removeprefix(" ".join(section.title.split()))
    return not any(letter.isalnum() for letter in opening)


def objective_texts(objective: Objective) -> tuple[str, ...]:
    """The text of an objective and those of its requirements."""
    return (objective.text, *(r.text for r in objective.requirements))


def _part_text(part: ReportPart) -> str:
    return clip(f"{part.title}. {part.purpose} " + " ".join(s.action for s in part.steps[:4]), 900)


def _step(sentence: str) -> ReportStepDraft:
    """Make a step from a method sentence alone."""
    found = cached_facts(sentence)
    return ReportStepDraft(
        action=clip(sentence, 300),
        details=sentence,
        parameters=parameters(found),
        datasets=labels(found, "accession"),
        software=labels(found, "software"),
        quotes=(sentence,),
    )
