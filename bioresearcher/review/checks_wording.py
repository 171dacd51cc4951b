"""Checks of wording: placeholders, vagueness, missing and impossible quantities, results stated in a plan."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, parameter_text, quote, quote_match
from bioresearcher.review.vocabulary import (
    NEEDS_NUMBER,
    NUMBERED_NAMES,
    OPEN_CHOICE,
    OPEN_CHOICE_CJK,
    PLACEHOLDER,
    TOOL_CHOICE,
    VAGUE,
    VAGUE_CJK,
)
from bioresearcher.text.format import listing


def placeholder(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Placeholders for text still to be written, and made-up names."""
    advice = "Write what is meant, or take the passage out."
    for s in view.steps:
        found = PLACEHOLDER.search(s.full)
        if found:
            yield CheckHit(s.location, f"holds a placeholder: {quote_match(found)}", advice)
        numbered = NUMBERED_NAMES.search(s.full)
        if numbered:
            yield CheckHit(
                s.location, f"uses made-up names: {quote_match(numbered)}", "Give the real names.", "warning"
            )
    for part in view.protocol.parts:
        found = PLACEHOLDER.search(f"{part.title}. {part.purpose} {part.reason}"[:20_000])
        if found:
            yield CheckHit(f"part {part.id}", f"holds a placeholder: {quote_match(found)}", advice)


def vague(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Words that leave the decision to whoever carries the step out."""
    for s in view.steps:
        found = list(VAGUE.finditer(s.body)) + list(VAGUE_CJK.finditer(s.body))
        if found:
            names = listing(m.group().lower() for m in found)
            yield CheckHit(
                s.location, f"is vague ({names}): {quote_match(found[0])}", "Name the value, tool or rule meant."
            )


def open_choice(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Examples instead of a decision, and two alternative tools without a rule to choose."""
    for s in view.steps:
        found = OPEN_CHOICE.search(s.body) or OPEN_CHOICE_CJK.search(s.body)
        if found:
            yield CheckHit(s.location, f"gives examples, not a choice: {quote_match(found)}", "Choose one and say why.")
        tool = next((m for m in TOOL_CHOICE.finditer(s.body) if m.group(1).lower() != m.group(2).lower()), None)
        if tool:
            message = f"leaves open {tool.group(1)} or {tool.group(2)}: {quote_match(tool)}"
            yield CheckHit(s.location, message, "Choose one, or give the rule that decides.")


def no_quantity(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps without any number that cannot be repeated without one."""
    for s in view.steps:
        verb = NEEDS_NUMBER.search(s.head)
        bare = not s.numbers and not s.step.parameters and not s.step.skill
        if verb and bare:
            message = f"“{verb.group()}” without any number or parameter"
            yield CheckHit(s.location, message, "Give the thresholds, amounts, times or settings with units.")
        elif bare and not view.from_text:
            yield CheckHit(s.location, "holds no number and no parameter", "Give the settings, if it has any.", "note")


_NUMERIC = re.compile(r"[-+]?\d+(?:\.\d+)?")
_NEEDS_UNIT = re.compile(
    r"temperature|duration|incubation|volume|concentration|dose|speed|length of time|(?:^|\s)time$", re.I
)
_CRONBACH = re.compile(r"\bCronbach", re.I)
"""Alpha is then a reliability, which is high where it is good."""
_RESULT = re.compile(r"[pq][- ]?values?\W{0,3}=", re.I)
"""A p-value that is equal to something was found; a level is below something, or of it."""
_BARE = re.compile(
    r"\b(?:incubat|centrifug|heat|cool|wash|spin)\w*\s+(?:\w+\s+){0,4}?(?:for"
    r"|at)\s+\d+(?:\.\d+)?(?=\s*(?:[.,;)]|and\b|$))",
    re.I,
)


def no_unit(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Physical quantities without a unit."""
    for s in view.steps:
        for p in s.step.parameters:
            if not p.unit and _NEEDS_UNIT.search(p.name) and _NUMERIC.fullmatch(p.value.strip()):
                yield CheckHit(s.location, f"“{parameter_text(p)}” has no unit", "Add the unit.")
        bare = _BARE.search(s.step.action)
        if bare and s.step.kind == "wet":
            yield CheckHit(s.location, f"gives a quantity without its unit: {quote_match(bare)}", "Add the unit.")


_LEVEL = re.compile(
    r"(?:\bFDR|\bfalse discovery rate|\bp[- ]?values?|\bq[- ]?values?|\badj(?:usted)?[. ]p(?:[- ]value)?"
    r"|\balpha(?!=)|\bsignificance level)"  # `alpha=0.5` without blanks is an argument of code
    r"[^\d\n.;]{0,30}?(?P<sign>[<≤=]|of|at|below|less than)\s*(?P<value>\d+(?:\.\d+)?)(?P<percent>\s*%)?",
    re.I,
)
_PH = re.compile(r"\bpH\s*(?:of|=|:)?\s*(\d{1,3}(?:\.\d+)?)")
_CELSIUS = re.compile(r"([-−–]?\d{1,5}(?:\.\d+)?)\s*(?:°\s?C|℃|degrees? Celsius)")
_SHARE = re.compile(
    r"(\d{3,6}(?:\.\d+)?)\s*%\s*(?:CO2|CO₂|O2|ethanol|FBS|viab\w+|purity|confluen\w+|humidity"
    r"|of (?:the )?(?:samples|cells))",
    re.I,
)
_FOLDS = re.compile(r"\b([01])-fold cross", re.I)
_CORRELATION = re.compile(
    r"(?:\||\b)(?:(?-i:r)|(?:Pearson|Spearman)(?:['’]?s)?\s+r|rho|ρ|correlation(?: coefficients?)?)\|?\s*"
    r"(?:>|≥|of at least|above"
    r"|of more than)\s*(\d+(?:\.\d+)?)"
    r"(?!\s*%)",
    re.I,
)
_UNIT_INTERVAL = re.compile(
    r"\b(?:AUC|AUROC|area under the (?:ROC )?curve|C-index|concordance index|R2|R²|silhouette(?: width)?|kappa"
    r"|(?:statistical )?power"
    r"|sensitivity|specificity|accuracy|Jaccard(?: index)?)\b(?:\s+\w+){0,3}?\s*"
    r"(?:>|≥|=|of at least|of|above|exceeds?|at least|over|be)\s*(\d+\.\d+|[2-9])\b(?!\s*%|\s*[a-z])",
    re.I,
)
_MINOR = re.compile(
    r"\b(?:minor allele frequenc(?:y|ies)|MAF)\b(?:\s+\w+){0,2}?\s*(?:>|≥|=|of at least|of|above"
    r"|at least)\s*(\d*\.\d+)",
    re.I,
)


def impossible_value(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Impossible quantities: probabilities above 1, pH 23, colder than absolute zero, 150 % ethanol."""
    for s in view.steps:
        for message, start, end in _impossible(s):
            yield CheckHit(s.location, f"{message}: {quote(s.body, start, end)}", "Check the number and its unit.")
        for m in () if _CRONBACH.search(s.body) else _LEVEL.finditer(s.body):
            if _RESULT.match(m.group()):
                continue
            if not m.group("percent") and 0.2 <= float(m.group("value")) <= 1 and "adj" not in m.group().lower():
                advice = "A significance threshold this high needs a reason."
                if not m.group().lower().startswith("fdr") or float(m.group("value")) > 0.25:
                    yield CheckHit(s.location, f"uses an unusual threshold: {quote_match(m)}", advice, "warning")


_BOUNDS: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("a pH above 14", _PH, 14),
    ("a share above 100 %", _SHARE, 100),
    ("a correlation above 1", _CORRELATION, 1),
    ("a share or index above 1", _UNIT_INTERVAL, 1),
    ("a minor allele frequency above 0.5", _MINOR, 0.5),
)


def _impossible(s: StepView) -> Iterator[tuple[str, int, int]]:
    for m in _LEVEL.finditer(s.body):
        if not m.group("percent") and float(m.group("value")) > 1 and not _counts_something(s.body, m.end()):
            yield "a probability above 1", *m.span()
    for what, pattern, bound in _BOUNDS:
        yield from ((what, *m.span()) for m in pattern.finditer(s.body) if float(m.group(1)) > bound)
    for m in _CELSIUS.finditer(s.body):
        sign = "-" if m.group(1)[0] in "-−–" else ""
        if sign and not _is_range(s.body, m.start()) and float(sign + m.group(1).lstrip("-−–")) < -273.15:
            yield "colder than absolute zero", *m.span()
    for m in _FOLDS.finditer(s.body):
        yield "cross-validation with fewer than two folds", *m.span()


def _counts_something(text: str, end: int) -> bool:
    """Return True if the number before `end` counts something (`p-value of 2 genes`) or goes on as a power of ten."""
    return bool(re.match(r"\s*[A-Za-z]{3,}|\s*[×x]\s*10|e-", text[end : end + 12]))


def _is_range(text: str, start: int) -> bool:
    return start > 0 and text[start - 1].isdigit()


_CLAIM = re.compile(
    r"\b(?:we|our (?:results?|analys[ie]s|data|findings))\s+(?:found|observed|identified|discovered|show(?:ed"
    r"|s)?|reveal(?:ed|s)?|demonstrate[ds]?|confirm(?:ed|s))\b"
    r"|\b(?:was|were|is|are)\s+(?:found to be\s+)?(?:significantly|strongly|markedly)\s+(?:\w+ly\s+)?"
    r"(?:higher|lower|increased|decreased|elevated|reduced|associated|correlated|enriched|up-?regulated"
    r"|down-?regulated|different|worse|better|longer|shorter)\b"
    r"|\b(?:the |our )?(?:results?|analys[ie]s|experiments?|data|study|models?|tests?) (?:showed|revealed"
    r"|demonstrated|confirmed"
    r"|indicated) that\b|\bit turned out that\b"
    r"|\b(?:the|our) (?:\w+ ){1,3}?(?:reduced|increased|decreased|lowered|raised|predicted|improved|outperformed"
    r"|suppressed"
    r"|doubled|prolonged|shortened|changed)\b(?! by (?:\w+ ){0,2}(?:at least|less|more))[^.;\n]{0,60}?\b(?:by \d"
    r"|\d+(?:\.\d+)?\s*%"
    r"|(?:AUC|HR|OR|p) ?(?:of|=|<))"
    r"|\b\d{2,}\s+(?:significant\s+)?(?:genes|DEGs|pathways|proteins)\s+(?:were|was)\s+(?:found|identified"
    r"|detected|differentially)\b",
    re.I,
)
_VALUE = re.compile(
    r"(?<![\w-])p(?:[- ]?value)?\s*=\s*(?P<p>0?\.\d{2,}|\d(?:\.\d+)?\s*(?:×|x|e)\s*(?:10)?\s*[-−^]\s*\d+)"
    r"|\b(?:HR|hazard ratio|OR|odds ratio|AUC|C-index)\s*(?:=|was|of)\s*\d+\.\d+\s*[(\[,;]?\s*(?:95\s*%"
    r"|p\s*[=<])",
    re.I,
)
_ROUND_LEVELS = {"0.05", "0.01", "0.001", "0.10", "0.005", "0.025", "0.0001", "0.0500", "0.050", "0.010"}
_OPEN_QUESTION = re.compile(
    r"\b(?:whether|if|test(?:s|ed)? (?:that|for)|hypothes\w+|determine|assess|expect\w*|list|report|select|keep"
    r"|extract|filter|genes that)\b"
    r"|^\W*(?:that|which)\b",
    re.I,
)


def result_claimed(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Results stated in a plan: they cannot be known before the study was done."""
    for s in view.steps:
        text = "\n".join((f"{s.step.title}. {s.step.action}"[:20_000], s.step.acceptance[:5_000]))
        hit = _claim(text)
        if hit:
            yield CheckHit(
                s.location, f"tells a result in a plan: {hit}", "Say what will be done and how it will be judged."
            )


def _claim(text: str) -> str:
    for m in _CLAIM.finditer(text):
        start = max(text.rfind(mark, 0, m.start()) for mark in (". ", "\n", "; ", "! "))
        if _names_source(text, m):
            continue
        if not _OPEN_QUESTION.search(text[max(start, m.start() - 200, 0) : m.start()]):
            return quote_match(m)
    for m in _VALUE.finditer(text):
        value = (m.group("p") or "").strip()
        if _names_source(text, m):
            continue
        if ("0" + value if value.startswith(".") else value) not in _ROUND_LEVELS:
            return quote_match(m)
    return ""


_SOURCE = re.compile(r"\b[FLNVQ]\d{1,3}\b")


def _names_source(text: str, match: re.Match[str]) -> bool:
    """Return True if the sentence names a fact, look or passage: it states what is known of the data already."""
    ends = [n for n in (text.find(mark, match.end()) for mark in (". ", "\n")) if n >= 0]
    start = max(text.rfind(mark, 0, match.start()) for mark in (". ", "\n"))
    return bool(_SOURCE.search(text[max(start, 0) : min(ends, default=len(text))]))


CHECKS: tuple[Check, ...] = (
    Check("G-VAG-01", "no placeholders", "error", "level_of_detail", placeholder, (), "headings"),
    Check("G-VAG-02", "no vague words where a decision is due", "warning", "level_of_detail", vague),
    Check("G-VAG-03", "choices are made, not exemplified", "warning", "level_of_detail", open_choice),
    Check("G-VAG-04", "steps that need numbers have numbers", "warning", "level_of_detail", no_quantity),
    Check("G-VAG-05", "physical quantities have units", "warning", "level_of_detail", no_unit),
    Check("G-VAL-01", "values are possible", "error", "correctness", impossible_value),
    Check("G-RES-01", "no results in a plan", "error", "correctness", result_claimed),
)
