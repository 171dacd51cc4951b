"""Checks of a sentence of an answer against the findings it cites; what fails one is left out.

Every number must be one of the findings', in the same part (a p-value is no ratio), with what belongs to it and of the
same name; directions, significance, replication, comparisons and units must be theirs; nothing is causal where groups
were not assigned at random; nothing advises on treatment. Pure functions, by words alone, without understanding.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import resources
from typing import Final

from bioresearcher.analysis.group_words import group_words
from bioresearcher.papers.injection import suspicion
from bioresearcher.schemas.ask_answer import AnsweredQuestion, CitedFinding, LineDraft
from bioresearcher.stages.answer_claims import significant, why_not_claimed
from bioresearcher.stages.answer_known import Known, comparable, plain
from bioresearcher.stages.answer_numbers import (
    COUNTS,
    STATISTICS,
    Amount,
    Bundle,
    amounts,
    bundles,
    clauses,
    close,
    entities,
    ratio_of,
)
from bioresearcher.stages.answer_tables import counted_so

MOST_CHARS: Final = 500
"""Characters of a sentence."""
_MULTIPLE: Final = re.compile(
    r"\b(?:twice|double[ds]?|doubling|two-?fold|three-?fold|triple[ds]?|four-?fold|ten-?fold|half|halved|"
    r"a third|a quarter|(?:the |a )?(?:vast )?majority|most of)\b",
    re.IGNORECASE,
)
_LIST: Final = re.compile(r"[^.;:()\d]{0,80}(?::|\()\s*([^;:()]+?)\s*(?:[.;)]|$)")
_PER: Final = re.compile(r"\bper\s+(?:one\s+)?(\w+)", re.IGNORECASE)
_QUOTED: Final = re.compile(r"“[^”]*”|\"[^\"]*\"")
_SPELT: Final = {
    w: n for n, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}
_LOWER_BY: Final = re.compile(
    r"\b(?:falls?|fell|drop(?:s|ped)?|declin\w+|decreas\w+|lower|smaller|less|lighter|shorter|fewer|reduced)\b",
    re.IGNORECASE,
)
_HIGHER_BY: Final = re.compile(
    r"\b(?:rises?|rose|increas\w+|higher|greater|more|longer|heavier|grew|grows?)\b", re.IGNORECASE
)
_SPELT_WAY: Final = re.compile(
    rf"\b({'|'.join(_SPELT)})\b(?= (?:[\w-]+ ){{0,3}}(?:is|are|was|were) "
    r"(?:higher|lower|up|down|enriched|increased|decreased|more|less)\b)",
    re.IGNORECASE,
)
_OTHERWISE: Final = re.compile(r"\b(?:dis|un|non-?|in)(\w{4,})\b", re.IGNORECASE)
_RANGE: Final = re.compile(r"(-?\d+\.\d+) to (-?\d+\.\d+)")
_PART_OF: Final = re.compile(r"(?<![\d.,])(\d[\d,]*) (?:of|out of) (?:the |all )?(\d[\d,]*) (?=[a-z])")
_SPELT_COUNT: Final = re.compile(
    r"\b("
    + "|".join(_SPELT)
    + r")\s+(?:of\s+\S+\s+)?(?:[\w-]+\s+){0,2}?"
    + r"(events?|deaths?|samples?|patients?|tumou?rs?|genes?|(?:gene )?sets?|pairs?|cohorts?|components?)\b",
    re.IGNORECASE,
)


@cache
def _words(table: str, name: str) -> re.Pattern[str]:
    text = resources.files("bioresearcher.stages").joinpath("answer_words.toml").read_text(encoding="utf-8")
    return re.compile("|".join(rf"\b(?:{p})(?!\w)" for p in tomllib.loads(text)[table][name]), re.IGNORECASE)


def why_left_out(draft: LineDraft, question: AnsweredQuestion, findings: Sequence[CitedFinding]) -> str:
    """Return in a few words why a sentence is left out; empty when no check fails."""
    known_ids = {f.id for f in findings}
    if not draft.text.strip():
        return "it is empty"
    if len(draft.text) > MOST_CHARS:
        return "it is too long for a sentence"
    if not draft.findings:
        return "it names no finding"
    unknown = [i for i in draft.findings if i not in known_ids]
    if unknown:
        return f"{unknown[0]} is no finding of a verified task that answers {question.id}"
    if said := suspicion(draft.text):
        return f"it {said}"
    cited = [f for f in findings if f.id in draft.findings]
    if draft.role == "result" and all(f.role == "robustness" and f.result is None for f in cited):
        return "a result rests on a finding that is held against the question"
    known = Known.of(question, cited)
    text = draft.text
    checks = (
        advised(text),
        caused(text, question),
        _strength(text, known),
        _names(text, known),
        _numbers(text, known),
        _units(text, known),
        why_not_claimed(text, known),
    )
    return next((c for c in checks if c), "")


def advice(text: str) -> str:
    """Return the words by which a text advises on the treatment of patients; empty when it does not."""
    found = _words("clinical", "words").search(text)
    return found[0] if found else ""


def advised(text: str) -> str:
    """Return the objection to a sentence that advises on treatment; empty where it does not."""
    found = advice(text)
    return f"it advises on treatment (“{found}”)" if found else ""


def causal_word(text: str, *, randomised: bool) -> str:
    """Return the word by which a sentence claims a cause that its design does not bear; empty when it claims none.

    Quoted words and terms of the field do not count, nor does a claim that the clause itself takes back.
    """
    bare = _words("causal", "terms").sub(" ", _QUOTED.sub(" ", text))
    pattern = _words("causal", "randomised" if randomised else "observational")
    for clause in clauses(bare):
        for found in pattern.finditer(clause):
            before = clause[: found.start()]
            near = re.split(r",\s(?:and|so|which|as|it|this)\b", before)[-1]
            if not _words("causal", "denied").search(near):
                return found[0]
    return ""


def caused(text: str, question: AnsweredQuestion) -> str:
    """Return the objection to a sentence that claims a cause its design does not bear; empty where it claims none."""
    found = causal_word(text, randomised=question.randomised)
    return f"“{found}” claims a cause, which the design does not show" if found else ""


def _strength(text: str, known: Known) -> str:
    shown = all(significant(f) for f in known.findings)
    for found in _words("strength", "words").finditer(_QUOTED.sub(" ", text)):
        if shown and found[0].casefold().startswith("tend"):  # of what is shown it says no more than the finding
            continue
        if not re.search(rf"\b{re.escape(found[0])}\b", known.text, re.IGNORECASE):
            return f"“{found[0]}” says more than the finding"
    return ""


def _names(text: str, known: Known) -> str:
    q = known.question
    allowed = plain(
        " ".join(
            [
                known.text,
                q.text,
                q.words,
                q.flow,
                group_words(q.column, q.case),
                group_words(q.column, q.control),
                *q.terms,
            ]
        )
    )
    missing = [n for n in entities(text) if plain(n) not in allowed]
    return f"{missing[0]} is in none of its findings" if missing else ""


def _numbers(text: str, known: Known) -> str:
    counts = [a.value for a in known.amounts if not a.unit and float(a.value).is_integer() and a.role not in STATISTICS]
    parts = _parts_of(text, known)
    text = _SPELT_WAY.sub(lambda m: str(_SPELT[m[1].casefold()]), text)
    if wrong := _turned_part(text, known):
        return f"{wrong} counts the opposite in its findings"
    for bundle in map(partial(_as_signed, known=known), bundles(text, known.case, known.control, carried=True)):
        for said in bundle.amounts:
            if said.value in parts or _follows(said, bundle, known) or _is_null(said, bundle, known):
                continue
            if problem := _number(said, bundle, known, counts):
                return problem
        if problem := _together(bundle, known):
            return problem
    for found in _SPELT_COUNT.finditer(text):
        number = float(_SPELT[found[1].casefold()])
        if number not in {a.value for a in known.amounts} and not re.search(
            rf"\b{found[1]}\b", known.text, re.IGNORECASE
        ):
            return f"“{found[0]}” is in none of its findings"
    return ""


def _parts_of(text: str, known: Known) -> set[float]:
    """Return counts said as `88 of 402 patients` where both are known: the whole as n, the part as any count."""
    wholes = {k.value for k in known.amounts if k.role == "n"}
    counts = {k.value for k in known.amounts if k.role in ("", "value", "n", "events") and not k.unit}
    turned = bool(_otherwise(text, known))
    return {
        part
        for part, whole in _pairs_of(text)
        if whole in wholes and part < whole and ((whole - part) if turned else part) in counts
    }


def _pairs_of(text: str) -> list[tuple[float, float]]:
    return [(float(m[1].replace(",", "")), float(m[2].replace(",", ""))) for m in _PART_OF.finditer(text)]


def _otherwise(text: str, known: Known) -> str:
    """Return the word of a text that turns a word of the findings over: `disagree` where they say `agree`."""
    for found in _OTHERWISE.finditer(text):
        said = known.text.casefold()
        if re.search(rf"\b{re.escape(found[1].casefold())}", said) and found[0].casefold() not in said:
            return found[0]
    return ""


def _turned_part(text: str, known: Known) -> str:
    """Return a part of a whole that a sentence gives to the opposite of what the findings count."""
    counts = {k.value for k in known.amounts if not k.unit}
    for part, whole in _pairs_of(text) if _otherwise(text, known) else ():
        if {part, whole} <= counts and whole - part not in counts:
            return f"{part:g} of {whole:g}"
    return ""


def _as_signed(bundle: Bundle, known: Known) -> Bundle:
    """Read `falls by 28 (21 to 35)` as -28 (-35 to -21) where these are the findings' numbers."""
    if not _LOWER_BY.search(bundle.text) or _HIGHER_BY.search(bundle.text):
        return bundle
    roles = {"", "diff", "coef", "lfc", "corr", "low", "high"}
    below = {round(-k.value, 9) for k in known.amounts if k.value < 0 and k.role in roles | {"value"}}
    other = {"low": "high", "high": "low"}
    rows = [
        replace(a, value=-a.value, role=other.get(a.role, a.role or "coef"))
        if a.role in roles and a.value > 0 and a.unit != "%" and round(a.value, 9) in below
        else a
        for a in bundle.amounts
    ]
    return Bundle(bundle.text, rows, bundle.lead)


def _follows(said: Amount, bundle: Bundle, known: Known) -> bool:
    """True of `the odds are 28 % lower` beside a ratio of odds of 0.72: the same number said otherwise."""
    if said.unit != "%":
        return False
    for word, role in (("odds", "or"), ("hazard", "hr")):
        if re.search(rf"\b{word}s?\b", bundle.text, re.IGNORECASE):
            ratios = [k.value for k in known.amounts if k.role == role and not k.sign]
            lower = re.search(r"\b(?:lower|smaller|reduced)\b", bundle.text, re.IGNORECASE)
            if any(abs(100 * (1 - r if lower else r - 1) - said.value) <= said.round for r in ratios):
                return True
    return False


def _is_null(said: Amount, bundle: Bundle, known: Known) -> bool:
    """True of the 1 or 0 in `the interval holds 1` where one of the findings does, or `excludes 1` where none does."""
    word = re.search(
        r"\b(holds?|includes?|contains?|crosses|spans?|excludes?) (?:the value )?$", bundle.text[: said.place]
    )
    if word is None or said.value not in (0, 1):
        return False
    ends = [[a.value for role in ("low", "high") for a in b.amounts if a.role == role] for b in known.bundles]
    holds = [row[0] <= said.value <= row[-1] for row in ends if len(row) > 1] + [
        float(low) <= said.value <= float(high) for low, high in _RANGE.findall(known.text)
    ]
    return not any(holds) if word[1].startswith("exclude") else any(holds)


def _number(said: Amount, bundle: Bundle, known: Known, counts: Sequence[float]) -> str:
    if said.sign and said.role in STATISTICS:
        return _threshold(said, known)
    turned = {k.higher for k in known.amounts if k.value == said.value and k.higher is not None}
    if said.higher is not None and turned and said.higher not in turned:
        return f"its direction is not that of {said.text}"
    same = [k for k in known.amounts if comparable(said, k)]
    if any(close(said, k) for k in same):
        return ""
    if not said.unit and not said.sign and (said.role in COUNTS or not said.role) and said.value.is_integer():
        counted = {name: n for f in known.findings for name, n in f.counts.items()}
        if _lists(said, bundle.text, known) or counted_so(
            bundle.text, said.value, counted, rows=said.role in ("genes", "sets", "")
        ):
            return ""
    if said.unit == "%":
        if ratio_of(counts, said):
            return ""
        if any(
            close(said, Amount(k.text, k.value * 100, round=said.round))
            for k in known.amounts
            if not k.unit and 0 < k.value < 1
        ):
            return ""
    name = {"p": "as a p-value", "hr": "as a ratio", "n": "as a number of samples"}.get(
        said.role, f"as {said.role}" if said.role else ""
    )
    return f"{said.text}{said.unit if said.unit == '%' else ''} is in none of its findings{f' {name}' if name else ''}"


def _lists(said: Amount, text: str, known: Known) -> bool:
    """True if a number counts the names that its clause lists behind it, all of which are its findings'."""
    found = _LIST.match(text[said.place + len(said.text) :])
    items = [i.strip() for i in re.split(r",\s*(?:and\s+)?|\s+and\s+", found[1]) if i.strip()] if found else []
    stated = plain(known.text)
    return len({*items}) == len(items) == said.value and all(plain(i) and plain(i) in stated for i in items)


def _threshold(said: Amount, known: Known) -> str:
    rows = [k for k in known.amounts if k.role in (said.role, "fdr" if said.role == "p" else "p")]
    written = [k for k in rows if k.sign == said.sign and k.value == said.value]
    exact = [k for k in rows if not k.sign]
    holds = {
        "<": lambda v: v < said.value,
        "≤": lambda v: v <= said.value,
        ">": lambda v: v > said.value,
        "≥": lambda v: v >= said.value,
    }
    fits = any(holds[said.sign](k.value) for k in exact)
    same_lead = written and (said.role == "fdr" or not exact)
    return "" if fits or same_lead else f"{said.sign} {said.text} does not hold for its findings"


def _together(bundle: Bundle, known: Known) -> str:
    """Return which numbers of a bundle do not stand together in any finding, or are of another name."""
    core = [a for a in bundle.amounts if a.role in STATISTICS and a.role != "i2" and not a.sign]
    if not core:
        return ""
    other = [a for a in bundle.amounts if a.role in ("n", "events", "genes") and not a.group]
    fits = [k for k in known.bundles if all(any(comparable(a, b) and close(a, b) for b in k.amounts) for a in core)]
    if not fits:
        return f"{', '.join(a.text for a in core)} do not belong together in its findings"
    leads = {plain(k.lead) for k in known.bundles if k.lead}
    lead = plain(bundle.lead)
    if lead and len(leads) > 1 and any(lead in one or one in lead for one in leads):
        fits = [k for k in fits if k.lead and (lead in plain(k.lead) or plain(k.lead) in lead)]
        if not fits:
            return f"{core[0].text} is not of {bundle.lead} in its findings"
    for a in other if lead or len(core) > 1 or any(c.role not in ("p", "fdr") for c in core) else ():
        beside = [b for k in fits for b in k.amounts if b.role == a.role]
        if beside and not any(close(a, b) for b in beside):
            return f"{a.text} {a.role if a.role != 'n' else 'samples'} do not belong to {core[0].text}"
    return ""


def _units(text: str, known: Known) -> str:
    for clause in clauses(text):
        for said in amounts(clause, known.case, known.control):
            if said.unit in ("fold", "time") and any(close(said, k) for k in known.ratios):
                continue
            if said.unit and said.unit != "%":
                fits = [k for k in known.amounts if k.unit == said.unit and close(said, k)]
                if not fits and not re.search(rf"\b{re.escape(said.text)}[ -]?{said.unit}", known.text, re.IGNORECASE):
                    return f"the unit “{said.unit}” is not in its findings"
    for found in _PER.finditer(text):
        each = re.search(rf"\beach\b.*\b{re.escape(found[1])}s?\b", known.text, re.IGNORECASE)
        told = (
            found[1].casefold() == "cent"
            or (found[1].isalpha() and each)
            or re.search(rf"\bper {re.escape(found[1])}\b", known.text, re.IGNORECASE)
        )
        if not told and re.search(r"\d", text):
            return f"“{found[0]}” is not in its findings"
    for level in re.findall(r"(\d+(?:\.\d+)?)\s?%\s?(?:CI|confidence)", text):
        if re.search(r"%\s?(?:CI|confidence)", known.text) and not re.search(
            rf"{level}\s?%\s?(?:CI|confidence)", known.text
        ):
            return f"its interval is not of {level} %"
    found_multiple = _MULTIPLE.search(text)
    if found_multiple and not _multiple_holds(found_multiple[0].casefold(), known):
        return f"“{found_multiple[0]}” does not follow from its findings"
    return ""


def _multiple_holds(word: str, known: Known) -> bool:
    ratios = [k.value for k in known.amounts if k.role in ("hr", "or") and not k.sign]
    ratios += [2 ** abs(k.value) for k in known.amounts if k.role == "lfc"]
    if re.search(rf"\b{re.escape(word)}\b", known.text, re.IGNORECASE):
        return True
    wanted = {"twice": 2, "doubl": 2, "two": 2, "three": 3, "tripl": 3, "four": 4, "ten": 10}
    for begin, times in wanted.items():
        if word.startswith(begin):
            return any(abs(r - times) <= 0.15 * times for r in ratios)
    shares = [
        100 * a / b
        for f in known.findings
        if f.result and f.result.tested
        for a, b in ((f.result.called or 0, f.result.tested),)
    ] + [k.value for k in known.amounts if k.unit == "%"]
    if word.startswith("hal"):
        return any(45 <= s <= 55 for s in shares) or any(0.45 <= r <= 0.55 for r in ratios)
    if "third" in word or "quarter" in word:
        middle = 33.3 if "third" in word else 25
        return any(abs(s - middle) <= 3 for s in shares)
    return any(s > 50 for s in shares)
