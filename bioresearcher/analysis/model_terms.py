"""Terms that a text wants in the model: covariates, blocks, strata, and formulas."""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.analysis.mentions import Lexicon, Mention
from bioresearcher.analysis.scores import score_name
from bioresearcher.analysis.terms import (
    word,
)
from bioresearcher.analysis.wishes import (
    Wishes,
    close_to,
    ends,
)
from bioresearcher.analysis.words import forms
from bioresearcher.schemas.question import ScoreColumn

_ADJUST: Final = re.compile(
    r"(?i)\b(?:adjust(?:ed|ing|ment|s)?\s+(?:for|by)|controll?(?:ed|ing)?\s+for|account(?:ed|ing|s)?\s+for|"
    r"correct(?:ed|ing|ion)?\s+for|independent(?:ly)?\s+(?:of|from)|conditional\s+(?:up)?on|allowing\s+for|"
    r"irrespective\s+of|regardless\s+of|no\s+matter\s+(?:what|which)|over\s+and\s+above|(?:above\s+and\s+)?beyond|"
    r"(?:given|at|with|for)\s+(?:the\s+)?(?:same|equal|identical|comparable)\s+"
    r"(?!(?:patient|donor|subject|individual|wom[ae]n|m[ae]n\b|animal|mouse|mice|person|people|sample|case|time|kind|way))|"
    r"(?:(?:does|do|is|are)\s+)?not\s+(?:depend(?:ent|ing)?\s+(?:up)?on|(?:explained|driven|confounded)\s+by|due\s+to)|with\s+covariates?|covariates?\s*(?::|are|such\s+as|including)|"
    r"(?P<block>block(?:ed|ing)?\s+(?:by|on|for)|stratif(?:ied|ying|y)\s+(?:by|for)))\s*"
)


_ADJUSTED_AFTER: Final = re.compile(
    r"(?i)\b(?:once|when|if|after|with|while)\s+(?P<items>(?:(?!\b(?:once|when|if|after|with|while)\b)[\w\s,/&-]){1,80}?)(?<!,)\s+"
    r"(?:(?:is|are|was|were|has\s+been|have\s+been|being)\s+)?"
    r"(?:(?:adjusted|accounted|controlled|corrected|allowed)\s+for|taken\s+into\s+account|held\s+(?:constant|fixed))"
    r"(?=\s*(?:[.,;:?!)]|$|(?:in|among|within|and)\b))"
)
"""Covariates before the verb: `once grade is adjusted for`."""
_NOT: Final = re.compile(r"(?i)\b(?:not|never|without|no|nor|n't)\s+(?:be\s+|being\s+|any\s+)?$")


_INCLUDED: Final = re.compile(
    r"(?i)\b(?:is|are|as|be|was|were)\s+(?:to\s+be\s+)?(?:included|used|entered|taken|modell?ed|a\s+term|terms|an?|part|in)?\s*"
    r"(?:as\s+)?(?:an?\s+)?(?:in\s+|into\s+|of\s+)?(?:the\s+)?(?:\w+\s+)?"
    r"(?:design|model|covariates?|blocking\s+(?:factor|variable)s?|regression|random\s+effects?)\b|"
    r"\b(?:included|entered|modell?ed)\s+(?:in|into|as)\s+(?:the\s+|an?\s+)?(?:\w+\s+)?(?:design|model|covariate|block)s?\b"
)


_INCLUDES: Final = re.compile(
    r"(?i)\b(?:includ(?:e|es|ing)|with|of|on)\s+(?P<items>[\w\s,&-]+?)(?=\s+as\s+(?:an?\s+)?(?:covariate|term|predictor|factor|(?P<block>block))|[.;?!]|$|\s+in\s+the\b)"
)


_MODEL_WITH: Final = re.compile(
    r"(?i)\b(?:regression|model|cox|logistic|analysis)\s+(?:with|including|of|on)\s+(?P<items>[\w\s,&.-]+?)(?=[.;?!]|$)"
)


_ON: Final = re.compile(r"(?i)[\w.-]+(?:\s+[\w.-]+){0,3}\s+on\s+(?:the\s+)?[\w.-]+")
"""Both sides of a regression: “crp on age, sex and bmi”."""


_FORMULA: Final = re.compile(r"~\s*([\w.]+(?:\s*[+*:]\s*[\w.]+)*)")


_SPLIT: Final = re.compile(r"(?i)\s*(?:,|;|&|\+|/|\band\b|\bas\s+well\s+as\b|\bplus\b|\bor\b)\s*")


_ALL: Final = re.compile(
    r"(?i)^(?:(?:the|all|any|other|known|established|potential|possible|available|standard|baseline|"
    r"clinical|clinicopathologic\w*|patient|usual|important|relevant|common)\s+)*"
    r"(?:covariates?|confounders?|confounding(?: factors?)?|variables?|factors?|characteristics|parameters?|"
    r"predictors?|them|these|features)"
    r"(?:\s+at\s+hand|\s+available)?$"
)


_MULTI: Final = re.compile(r"(?i)\bmulti(?:variable|variate|ple (?:logistic|linear|cox|regression))\b")


def read_terms(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read covariates, blocks and strata."""
    text = wishes.text
    for match in _ADJUST.finditer(text.raw):
        stop = word("adjust_end").search(text.raw, match.end())
        behind = _ADJUST.search(text.raw, match.end())
        places = (stop.start() if stop else len(text.raw), behind.start() if behind else len(text.raw), *text.breaks)
        end = min((b for b in places if b >= match.end()), default=0)
        for place in text.tokens_in(match.start(), match.end()):
            wishes.used.add(place)
        if _NOT.search(text.raw[: match.start()]):
            wishes.used |= {*text.tokens_in(match.end(), end)}
            continue
        _read_items(wishes, lexicon, match.end(), end, block=bool(match["block"]), asked=True)
    for match in _ADJUSTED_AFTER.finditer(text.raw):
        _read_items(wishes, lexicon, match.start("items"), match.end("items"), block=False, asked=True)
        wishes.used |= {*text.tokens_in(match.end("items"), match.end())}
    _read_included(wishes, lexicon)
    for pattern in (_MODEL_WITH, _INCLUDES):
        for match in pattern.finditer(text.raw):
            if pattern is _MODEL_WITH and _ON.match(text.raw, match.start("items")):
                continue  # what is regressed on what is read with the outcome
            if pattern is _MODEL_WITH or " as " in text.raw[match.end() : match.end() + 4]:
                block = "block" in match.groupdict() and bool(match["block"])
                _read_items(wishes, lexicon, match.start("items"), match.end("items"), block=block, asked=False)
                if block:
                    wishes.use(*ends(text.tokens_in(match.start("block"), match.end("block") + 1)))
    if _MULTI.search(text.raw) and not wishes.adjust:
        wishes.adjust_all = True


def _read_included(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read model formulas, and sentences such as “batch is included in the design”."""
    text = wishes.text
    for match in _FORMULA.finditer(text.raw):
        _read_formula(wishes, lexicon, match)
    for match in _INCLUDED.finditer(text.raw):
        start = max((b for b in (0, *text.breaks) if b <= match.start()), default=0)
        places = text.tokens_in(start, match.start())
        for mention in lexicon.column_mentions(text, places.start, places.stop) if places else ():
            _add_term(wishes, lexicon, mention.name, mention.first)
            wishes.use(mention.first, mention.end)
        if not places or not lexicon.column_mentions(text, places.start, places.stop):
            words = text.raw[start : match.start()]
            if places and len(places) <= 5:
                _miss_term(wishes, lexicon, words, places.start)
        for place in text.tokens_in(match.start(), match.end()):
            wishes.used.add(place)


def _read_items(wishes: Wishes, lexicon: Lexicon, start: int, end: int, *, block: bool, asked: bool) -> None:
    """Read the items of a list of covariates; `asked` ones that are no column are noted."""
    place = start
    for item in _SPLIT.split(wishes.text.raw[start:end]):
        at = wishes.text.raw.find(item, place, end) if item else place
        place = max(place, at) + len(item)
        tokens = wishes.text.tokens_in(at, at + len(item))
        if not item.strip() or not tokens:
            continue
        if _ALL.match(item.strip()):
            wishes.adjust_all = True
            wishes.use(tokens.start, tokens.stop)
            continue
        found = lexicon.column_mentions(wishes.text, tokens.start, tokens.stop)
        score = _score(item, lexicon)
        if score is not None and (not found or _SCORE_WORDS.search(item)):
            if score.name not in [s.name for s, _ in wishes.scores]:
                wishes.scores.append((score, tokens.start))
            wishes.use(tokens.start, tokens.stop)
        elif found:
            mention = found[0]
            if mention.problem and asked:
                wishes.miss(item, mention.problem, tokens.start, "name the column", stops=True)
            _add_term(wishes, lexicon, mention.name, tokens.start, block=block)
            wishes.use(tokens.start, tokens.stop)
        elif asked:
            _miss_term(wishes, lexicon, item, tokens.start)
            wishes.use(tokens.start, tokens.stop)


_SCORE_WORDS: Final = re.compile(
    r"(?i)\s+(?:gene[\s-]set\s+|m?rna\s+|gene\s+)?(?:scores?|expression|signature|levels?|activity)$"
)


def _score(item: str, lexicon: Lexicon) -> ScoreColumn | None:
    """The column of scores that an item of a list means: only a gene set or gene named exactly as it stands."""
    name = _SCORE_WORDS.sub("", re.sub(r"(?i)^(?:the|an?)\s+", "", item.strip(" `'\"“”‘’")))
    name = re.sub(r"(?i)^(?:expression|scores?|levels?|activity)\s+of\s+(?:the\s+)?", "", name).strip("`'\"“”‘’")
    if name in lexicon.sets:
        return ScoreColumn(name=score_name(name, lexicon.columns), gene_set=name)
    if name in lexicon.genes:
        return ScoreColumn(name=score_name(name, lexicon.columns, gene=True), gene=name)
    return None


def _miss_term(wishes: Wishes, lexicon: Lexicon, item: str, place: int) -> None:
    item = re.sub(r"(?i)^\s*(?:the|an?)\s+", "", item)
    named = [n for n in lexicon.sets if {*forms(item)} <= {*forms(n.replace("_", " "))}][:3] if forms(item) else []
    hint = f"for the score of a gene set, write its name: {' or '.join(named)}" if named else ""
    wishes.miss(
        item,
        "no column of the data holds it, so nothing can be adjusted for it",
        place,
        hint or close_to(item, lexicon.columns),
    )


def _add_term(wishes: Wishes, lexicon: Lexicon, name: str, place: int, *, block: bool = False) -> None:
    role = lexicon.columns[name].role
    target = wishes.blocks if block or role == "batch" else wishes.adjust
    if name not in [n for n, _ in (*wishes.adjust, *wishes.blocks)]:
        target.append((name, place))


def _read_formula(wishes: Wishes, lexicon: Lexicon, match: re.Match[str]) -> None:
    """Read the terms of a model formula; the last one is the contrast, as in DESeq2, unless it is named otherwise."""
    terms = [t for t in re.split(r"\s*[+*:]\s*", match[1]) if t not in ("0", "1", ".")]
    places = wishes.text.tokens_in(match.start(), match.end())
    if places:
        wishes.use(places.start, places.stop)
    known = {n.casefold(): n for n in lexicon.columns}
    groups = [t for t in terms if t.casefold() in known and lexicon.columns[known[t.casefold()]].role == "group"]
    for term in terms:
        name = known.get(term.casefold(), "")
        if not name:
            wishes.miss(
                term, "no column of the data is called so", places.start if places else 0, close_to(term, known)
            )
        elif term in groups[-1:] or (not groups and term == terms[-1]):
            wishes.by.append(Mention(places.start, places.stop, "column", name))
        else:
            _add_term(wishes, lexicon, name, places.start)
