"""Numbers of a sentence or of a finding with the part each plays: p-value, ratio, end of an interval, samples, events.

Both are read by the same rules, so a number is compared with its own kind: 26 events are not 26 patients. Numbers that
belong together, such as a ratio with its interval, p-value and n, form a bundle.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

NAMED: Final = frozenset({"ec50", "sensitivity", "specificity", "ppv", "npv", "i2"})
"""Roles that a sentence may leave unnamed: `of cisplatin it is 4.2`."""
STATISTICS: Final = frozenset(
    {"hr", "or", "nes", "diff", "lfc", "corr", "coef", "index", "chi2", "low", "high", "p", "fdr"} | NAMED
)
"""Roles that belong to one estimate; two of a kind begin a new bundle."""
ESTIMATES: Final = frozenset({"hr", "or", "nes", "diff", "lfc", "corr", "coef", "index"})
COUNTS: Final = frozenset({"n", "events", "genes", "sets", "pairs"})
"""Roles of whole numbers that must be equal, not only close."""

_DIGITS: Final = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_POWER: Final = r"(?:[eE][-+−]?\d{1,3}|\s?[×x]\s?10\s?(?:\^|\*\*)?\s?[-−–]?\d{1,3})"
_NUMBER: Final = re.compile(rf"(?<![\w.])(?<!\w[-‐‑])[-−]?{_DIGITS}(?!\.?\d){_POWER}?(?![A-Za-z_])")
_INTERVAL: Final = re.compile(
    rf"(?:(?P<level>\d+(?:\.\d+)?)\s?%\s?)?\b(?:CI|confidence interval|interval)\b[\s:=,(\[]*(?:of |from |was |is )?"
    rf"(?P<low>[-−]?{_DIGITS})\s?(?:to|[-–—]|,|and)\s?(?P<high>[-−]?{_DIGITS})",
    re.IGNORECASE,
)
_LINK: Final = (
    r"(?:\s+per\s+\w+(?:\s\w+)?)?(?:\s*\(|\s*\[)?"
    r"(?:\s*(?:=|<|>|≤|≥|:|,|of|is|was|are|were|at|about|below|above|under|at most))*\s*[±]?$"
)
_BEFORE: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (role, re.compile(rf"(?<![\w-])(?:{names}){_LINK}", re.IGNORECASE))
    for role, names in (
        ("fdr", r"FDR|q(?:-?values?)?|adjusted p(?:[- ]?values?)?|adj\.? ?p|p[._]?adj"),
        ("p", r"p(?:[- ]?values?)?"),
        ("hr", r"HR|hazard ratios?"),
        ("or", r"OR|odds ratios?"),
        ("nes", r"NES|(?:normali[sz]ed )?enrichment scores?"),
        ("lfc", r"log2? ?(?:fold[- ]?changes?|FC)"),
        ("diff", r"(?:mean |median |standardi[sz]ed )?differences?(?: of means)?|differ(?:s|ed)? by"),
        ("corr", r"(?:median |spearman |pearson )?correlations?(?: coefficients?)?|rho|r|ρ"),
        ("coef", r"coefficients?|beta|β|slope"),
        ("index", r"C-?index|concordance|AUC|areas? under the (?:ROC )?curve|(?:adjusted )?Rand index"),
        ("chi2", r"chi-?squared?|χ2|χ²"),
        ("ec50", r"[EI][CD]50|half-maximal (?:\w+ )?(?:dose|concentration)"),
        ("sensitivity", r"sensitivity"),
        ("specificity", r"specificity"),
        ("ppv", r"PPV|positive predictive value"),
        ("npv", r"NPV|negative predictive value"),
        ("i2", r"I2|I²"),
        ("n", r"n"),
    )
)
_NAMES: Final = {
    "hr": re.compile(r"\b(?:HRs?|hazard ratios?)\b"),
    "or": re.compile(r"\b(?:ORs?|odds ratios?)\b"),
    "nes": re.compile(r"\bNES\b|\benrichment scores?\b"),
    "diff": re.compile(r"\bmean differences?\b"),
    "corr": re.compile(r"\bcorrelations?\b"),
    "index": re.compile(r"\bC-?index\b|\bconcordance\b|\bAUC\b"),
}
_AFTER: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (role, re.compile(rf"\s*(?:of (?:the )?)?(?:[\w-]+[ ]){{0,2}}?(?:{names})\b", re.IGNORECASE))
    for role, names in (
        ("events", r"events?|deaths?|relapses?|recurrences?"),
        ("pairs", r"(?:complete )?pairs?"),
        ("sets", r"(?:gene )?sets?|pathways?|terms?"),
        ("genes", r"genes?|features?|probes?|transcripts?|proteins?"),
        (
            "n",
            r"samples?|patients?|tumou?rs?|subjects?|people|women|men|participants?|cases|individuals?|donors?|rows?",
        ),
    )
)
_UNIT: Final = re.compile(
    r"\s?(?P<unit>%|percent\b|(?:years?|months?|weeks?|days?|hours?|minutes?|"
    r"mg|kg|g|ml|mm|cm|µm|nm|fold|-fold|times)\b)"
)
_UP: Final = re.compile(
    r"\b(?:higher|up|up-?regulated|increas\w+|elevat\w+|greater|more (?:highly )?expressed|over-?expressed|raised)\b",
    re.IGNORECASE,
)
_DOWN: Final = re.compile(
    r"\b(?:lower|down|down-?regulated|decreas\w+|reduced|less|under-?expressed|diminished)\b", re.IGNORECASE
)
_ENTITY: Final = re.compile(
    r"(?<![\w-])(?=[\w-]*[A-Z])(?:[A-Z][\w-]*[A-Z0-9_][\w-]*|[a-z]+[A-Z0-9][\w-]*|[A-Za-z]+\d[\w-]*)(?!\w)"
)
_NO_ENTITY: Final = re.compile(
    r"(?:HRs?|CIs?|FDR|SDs?|NES|AUC|ORs?|GSEA|ORA|PCA|DNA|RNA|mRNA|PC\d+|log2|IQR|SE|BH|C-?index|ER|PR|"
    r"T\d+(?:\.\d+)?|A\d+|I+|IV|AND|NOT|OK|In|No)(?:-\w+)?",
)
_BREAK: Final = re.compile(
    r"(?<=[.!?])\s+(?=[A-Z(“\"\d])|;\s*|,?\s+(?:but|whereas|while|although|however|though|yet)\b[,\s]*", re.IGNORECASE
)

_INSIDE: Final = re.compile(r"\([^()]*\)")
_BARE_INTERVAL: Final = re.compile(rf"\d\s?\((?P<low>[-−]?{_DIGITS})\s?(?:to|[-–—])\s?(?P<high>[-−]?{_DIGITS})[),;]")
_NAMED_INTERVAL: Final = re.compile(
    rf"\binterval\b[^()\d]{{0,40}}\((?P<low>[-−]?{_DIGITS})\s?(?:to|[-–—])\s?(?P<high>[-−]?{_DIGITS})\)"
)


@dataclass(frozen=True)
class Amount:
    """A number in a text.

    Attributes:
        role: Part it plays; empty when the words around it do not say.
        unit: `%` or a unit that stands behind it.
        sign: `<`, `>`, `≤` or `≥` in front of it.
        higher: Direction of the values it counts, with respect to the case; None when not said.
        group: `case` or `control` where it counts the samples of a group.
        round: Value of half a unit of its last digit.
    """

    text: str
    value: float
    role: str = ""
    unit: str = ""
    sign: str = ""
    higher: bool | None = None
    group: str = ""
    round: float = 0.0
    place: int = 0

    @property
    def digits(self) -> int:
        """Significant digits as written."""
        plain = re.split(r"[eE×x]", self.text.replace(",", "").lstrip("-−"))[0].strip()
        return len(plain.replace(".", "").lstrip("0")) or 1


@dataclass
class Bundle:
    """Numbers of a text that belong together, with the name they are of."""

    text: str
    amounts: list[Amount] = field(default_factory=list)
    lead: str = ""


def clauses(text: str) -> list[str]:
    """Split a text into sentences and clauses that are set against each other."""
    whole = _INSIDE.sub(lambda m: m[0].replace(";", ","), text)  # what stands in parentheses belongs together
    return [part for part in (p.strip() for p in _BREAK.split(whole)) if part]


def entities(text: str) -> list[str]:
    """Return the names in a text: genes, gene sets, accessions; abbreviations of statistics are none."""
    return [m[0].rstrip("-_") for m in _ENTITY.finditer(text) if not _NO_ENTITY.fullmatch(m[0])]


def amounts(text: str, case: re.Pattern[str], control: re.Pattern[str]) -> list[Amount]:
    """Return the numbers of a clause in order; `case` and `control` are phrases that mention the groups."""
    found: list[Amount] = []
    spans: dict[int, tuple[str, int]] = {}
    levels: set[int] = set()
    for m in _INTERVAL.finditer(text):
        spans[m.start("low")] = ("low", m.end("low"))
        spans[m.start("high")] = ("high", m.end("high"))
        if m["level"]:
            levels.add(m.start("level"))
            found.append(_amount(m["level"], "level", m.start("level")))
    for pattern in (_BARE_INTERVAL, _NAMED_INTERVAL):  # `1.87 (1.16 to 3.00)`
        for m in pattern.finditer(text):
            spans.setdefault(m.start("low"), ("low", m.end("low")))
            spans.setdefault(m.start("high"), ("high", m.end("high")))
    for pattern in (case, control):
        for m in pattern.finditer(text):
            levels.update(range(m.start(), m.end()))
    numbers = [(m, s) for m, s in _tokens(text, spans) if s not in levels]
    for place, (written, start) in enumerate(numbers):
        end = start + len(written)
        until = numbers[place + 1][1] if place + 1 < len(numbers) else len(text)
        role = spans[start][0] if start in spans else _role(text, start, end)
        if role == "level":
            continue
        unit = _UNIT.match(text, end)
        sign = re.search(r"([<>≤≥])\s*$", text[:start])
        below = re.search(
            r"\b(below|under|at most|above|over|more than|less than|fewer than|at least)\s+$", text[:start]
        )
        found.append(
            _amount(
                written,
                role,
                start,
                unit=_plain_unit(unit["unit"]) if unit else "",
                sign=sign[1] if sign else _SIGNS.get(below[1], "") if below and role in STATISTICS else "",
                higher=_direction(text, start, end, until, case, control) if not role or role in COUNTS else None,
                group=_group(text, start, end, case, control),
            )
        )
    return sorted(found, key=lambda a: a.place)


_SIGNS: Final = {"below": "<", "under": "<", "at most": "≤", "above": ">", "less than": "<", "more than": ">"}


def bundles(text: str, case: re.Pattern[str], control: re.Pattern[str], *, carried: bool = False) -> list[Bundle]:
    """Group the numbers of a text into bundles: a clause, or less where a second estimate of a kind follows.

    With `carried` a decimal number without a name is taken for another estimate of the kind named before it:
    `the HR is 1.15, adjusted it is 1.87`.
    """
    found: list[Bundle] = []
    estimate = ""
    for clause in clauses(text):
        rows = amounts(clause, case, control)
        now = Bundle(clause)
        begin = 0
        for row in rows:
            estimate = row.role if row.role in ESTIMATES else estimate
            if carried and not estimate:
                estimate = _named_before(clause[: row.place])
            if carried and estimate and not row.role and not row.unit and not row.sign and "." in row.text:
                row = replace(row, role=estimate)
            if row.role in STATISTICS and any(a.role == row.role and not a.sign for a in now.amounts) and not row.sign:
                found.append(now)
                now = Bundle(clause)
                begin = max(clause.rfind(")", 0, row.place), clause.rfind(",", 0, row.place), 0)
            if row.role in STATISTICS and not now.lead:
                before = entities(clause[begin : row.place])
                now.lead = (
                    before[-1]
                    if before and row.place - clause.rfind(before[-1], 0, row.place) - len(before[-1]) < 60
                    else ""
                )
            now.amounts.append(row)
        found.append(now)
    return found


def _named_before(text: str) -> str:
    """Return the estimate that a text names last."""
    found = [(m.end(), role) for role, names in _NAMES.items() if role in ESTIMATES for m in names.finditer(text)]
    return max(found)[1] if found else ""


def close(said: Amount, known: Amount) -> bool:
    """True if a number as written is a known one, rounded no further than what it stands for bears.

    Counts are equal. Other numbers differ by less than half a unit of the last digit written, and keep two digits;
    p-values may keep one.
    """
    if said.value == known.value:
        return True
    exact = float(known.value).is_integer() and known.round == 0.5
    if said.role in COUNTS or exact:
        return False
    if math.copysign(1, said.value) != math.copysign(1, known.value):
        return False
    off = abs(said.value - known.value)
    least = 0.35 if said.role in ("p", "fdr") else 0.05
    return off <= said.round * 1.0001 and off <= least * abs(known.value)


def _tokens(text: str, spans: dict[int, tuple[str, int]]) -> Iterator[tuple[str, int]]:
    seen: set[int] = set()
    for m in _NUMBER.finditer(text):
        seen.add(m.start())
        yield m[0], m.start()
    for start, (_, end) in spans.items():
        if start not in seen and not any(start - 1 == s for s in seen):
            yield text[start:end], start


def _amount(
    written: str,
    role: str,
    place: int,
    *,
    unit: str = "",
    sign: str = "",
    higher: bool | None = None,
    group: str = "",
) -> Amount:
    plain = written.replace(",", "").replace("−", "-").replace("–", "-").replace(" ", "")
    power = re.match(r"(-?[\d.]+)[×x]10(?:\^|\*\*)?(-?\d+)$", plain)
    value = float(f"{power[1]}e{power[2]}") if power else float(plain)
    mantissa = (power[1] if power else re.split("[eE]", plain)[0]).lstrip("-")
    exponent = int(power[2]) if power else int(re.split("[eE]", plain)[1]) if re.search("[eE]", plain) else 0
    decimals = len(mantissa.partition(".")[2])
    half = 0.5 * 10.0 ** (exponent - decimals)
    return Amount(written, value, role, unit, sign, higher, group, half, place)


def _role(text: str, start: int, end: int) -> str:
    before = text[max(0, start - 60) : start]
    if re.search(r"(?<![\w])(?!(?:n|p|r|HR|OR|FDR|NES|q)\s*=)[a-z]\w*_?\w*\s=\s$", before) and not any(
        p.search(before) for _, p in _BEFORE
    ):
        return "level"
    for role, pattern in _BEFORE:
        if pattern.search(before):
            return role
    for role, pattern in _AFTER:
        if (found := pattern.match(text, end)) and not re.search(r"\d", found[0]):
            return role
    of = re.match(r"\s+(?:of|out of)\s+(?:the\s+)?[\d,.]+", text[end:])
    if of:  # `1708 of 4695 tested genes`: both count the same
        for role, pattern in _AFTER:
            if pattern.match(text, end + of.end()):
                return role
    return ""


def _plain_unit(unit: str) -> str:
    plain = unit.strip("-").casefold()
    return "%" if plain == "percent" else plain.rstrip("s")


def _direction(
    text: str, start: int, end: int, until: int, case: re.Pattern[str], control: re.Pattern[str]
) -> bool | None:
    """Return the direction that a count is said to have: the first such word before the next number."""
    inside = re.search(r"(\w+) \($", text[:start])
    if inside and (_UP.fullmatch(inside[1]) or _DOWN.fullmatch(inside[1])):  # `lower (944) than higher (764)`
        return bool(_UP.fullmatch(inside[1])) == (control.search(text, end) is None)
    here = text[end:until]
    up, down = _UP.search(here), _DOWN.search(here)
    first = min((m for m in (up, down) if m), key=lambda m: m.start(), default=None)
    if first is None or first.start() > 60:
        return None
    higher = first is up
    rest = text[end + first.end() :]
    in_case, in_control = case.search(rest), control.search(rest)
    if in_control and (in_case is None or in_control.start() < in_case.start()):
        return not higher
    return higher


def _group(text: str, start: int, end: int, case: re.Pattern[str], control: re.Pattern[str]) -> str:
    """Return the group whose samples a number counts: `er_positive = 1 (n = 70)`, `70 ER-positive`."""
    for name, pattern in (("case", case), ("control", control)):
        for m in pattern.finditer(text):
            between = text[m.end() : start]
            if m.end() <= start and re.fullmatch(r"\s*(?:tumou?rs|samples|patients)?\s*[,(]\s*(?:n\s*=\s*)?", between):
                return name
            after = text[end : m.start()]
            if re.search(r"\d of (?:the )?$", text[:start]) and after.lstrip().startswith("with"):
                continue  # `52 of 140 with sepsis`
            if m.start() >= end and re.fullmatch(
                r"\s+(?:[\w-]+\s+){0,1}|\s+(?:samples|patients|tumou?rs) (?:with|are|were) ", after
            ):
                return name
    return ""


def ratio_of(parts: Sequence[float], share: Amount) -> bool:
    """True if a share in per cent is that of two of the counts."""
    return any(
        whole > 0 and part <= whole and abs(100 * part / whole - share.value) <= share.round * 1.0001
        for part in parts
        for whole in parts
        if part != whole
    )
