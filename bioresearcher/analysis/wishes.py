"""Wishes that a text holds: populations, groups to compare, terms of the model, pairs, endpoints and methods.

A wish is bound to columns and levels of one data set where its words name them; otherwise it is kept as words that are
bound to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import pairwise
from typing import Final

from bioresearcher.analysis.mentions import Lexicon, Mention, is_number, levels_of, mend_of
from bioresearcher.analysis.terms import (
    Method,
    Named,
    asks_pairs,
    endpoints_named,
    loose_endpoints,
    methods_named,
    word,
)
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.question import Filter, Unbound

_STRONG: Final = frozenset({"versus", "vs", "v", "against", "compared", "than", "relative", "minus"})
_JOIN: Final = _STRONG | {"and", "or", "to", "from", "with", "nor"}
_PLAIN: Final = frozenset({"in", "of", "for", "from", "with", "by"})
_BOUND: Final = frozenset(
    {"among", "within", "restricted", "limited", "restrict", "limit", "only", "amongst", "inside"}
)
_OUT: Final = frozenset({"excluding", "exclude", "excluded", "except", "omitting", "removing", "without", "remove"})
_SKIP: Final = frozenset(
    """
    the a an all adult human our these those this that to who are have had is were was invasive patient sample tumor
    cancer breast primary advanced early late stage grade status disease having whose subject individual person
    people case tissue with and or newly diagnosed both between untreated cohort subset group of population donor
    participant""".split()
)
_NOUNS: Final = frozenset(
    """
    patient sample tumor case cell cancer subject individual cohort carcinoma disease woman man group tissue people
    person donor participant mouse mice animal only alone leukemia lymphoma adenocarcinoma melanoma specimen biopsy
    subgroup population arm""".split()
)
_ADJUST: Final = re.compile(
    r"(?i)\b(?:adjust(?:ed|ing|ment|s)?\s+(?:for|by)|controll?(?:ed|ing)?\s+for|account(?:ed|ing|s)?\s+for|"
    r"correct(?:ed|ing|ion)?\s+for|independent(?:ly)?\s+(?:of|from)|conditional\s+(?:up)?on|allowing\s+for|"
    r"irrespective\s+of|regardless\s+of|with\s+covariates?|covariates?\s*(?::|are|such\s+as|including)|"
    r"(?P<block>block(?:ed|ing)?\s+(?:by|on|for)|stratif(?:ied|ying|y)\s+(?:by|for)))\s*"
)
_INCLUDED: Final = re.compile(
    r"(?i)\b(?:is|are|as|be|was|were)\s+(?:to\s+be\s+)?(?:included|used|entered|taken|modell?ed|a\s+term|terms|an?|part|in)?\s*"
    r"(?:as\s+)?(?:an?\s+)?(?:in\s+|into\s+|of\s+)?(?:the\s+)?(?:\w+\s+)?"
    r"(?:design|model|covariates?|blocking\s+(?:factor|variable)s?|regression|random\s+effects?)\b"
)
_INCLUDES: Final = re.compile(
    r"(?i)\b(?:includ(?:e|es|ing)|with|of|on)\s+(?P<items>[\w\s,&-]+?)(?=\s+as\s+(?:an?\s+)?(?:covariate|term|predictor|factor)|[.;?!]|$|\s+in\s+the\b)"
)
_MODEL_WITH: Final = re.compile(
    r"(?i)\b(?:regression|model|cox|logistic|analysis)\s+(?:with|including|of|on)\s+(?P<items>[\w\s,&.-]+?)(?=[.;?!]|$)"
)
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
_REFERENCE: Final = re.compile(
    r"(?i)\b(?:reference(?:\s+(?:level|group|category))?|baseline(?:\s+(?:level|group|category)))\s*(?:is|are|being|:|=|of)?\s*"
)
_AS_REFERENCE: Final = re.compile(
    r"(?i)^[\s,]*(?:\w+\s+)?(?:as|being|is|are)\s+(?:the\s+)?(?:reference|baseline|control|comparator)\b"
)
_NUMBER: Final = re.compile(
    r"(?i)(?P<op>older\s+than|younger\s+than|over|under|above|below|at\s+least|at\s+most|more\s+than|less\s+than|"
    r"greater\s+than|smaller\s+than|larger\s+than|up\s+to|≥|≤|>=|<=|>|<|aged|between|from)?\s*"
    r"(?P<n>\d+(?:\.\d+)?)(?:\s*(?:to|-|–|and)\s*(?P<m>\d+(?:\.\d+)?))?\s*(?:%|cm|mm|kg|years?|yrs?|y)?"
    r"(?P<tail>\s*(?:years?\s+)?(?:of\s+age|old|or\s+older|and\s+older|or\s+younger|and\s+younger|or\s+more|or\s+above|or\s+less|or\s+below))*"
)
_NOT_CELLS: Final = frozenset(
    {
        "fdr",
        "p",
        "q",
        "value",
        "fold",
        "change",
        "alpha",
        "auc",
        "log2fc",
        "lfc",
        "significance",
        "padj",
        "cutoff",
        "threshold",
    }
)
_RESTRICTED: Final = re.compile(
    r"(?i)\b(?:(?:only|just|exclusively)\s+(?:in|among|for|within)|restrict(?:ed|ing)?\s+(?:\w+\s+){0,3}?to|limit(?:ed|ing)?\s+(?:\w+\s+){0,3}?to|exclud(?:e|ing|ed)|except\s+for|other\s+than|not\s+counting)\s+(?P<a>[^.,;?!()]+)"
    r"|\b(?:in|among|within|for)\s+(?P<b>[^.,;?!()]+?)\s+(?:only|alone)\b"
    r"|\b(?P<c>[\w/+-]+(?:\s+[\w/+-]+){0,3}?)\s+only\b"
)
_NARROWING: Final = re.compile(
    r"(?i)\b(?:\w+[\s-](?:positive|negative|mutants?|mutated|wild[\s-]?type|amplified|deficient|null)|\w+-(?:low|high|resistant|sensitive|naive|na[iï]ve)|"
    r"triple[\s-]negative|men|women|males?|females?|boys|girls|children|adults?|elderly|adolescents?|pre[\s-]?menopausal|post[\s-]?menopausal|"
    r"(?:non|never|ever|former|current)?[\s-]?smokers?|stages?\s+(?:[IVX]+|\d)\w*(?:\s*(?:[-–/]|and|or|to)\s*(?:[IVX]+|\d)\w*)*|"
    r"grades?\s+(?:[IVX]+|\d)(?:\s*(?:[-–/]|and|or|to)\s*(?:[IVX]+|\d))*|early[\s-]stage|late[\s-]stage|high[\s-]risk|low[\s-]risk|"
    r"luminal(?:[\s-][AB])?|basal(?:[\s-]like)?|her2[\s-]enriched|node[\s-](?:positive|negative)|metastatic|recurrent|relapsed|refractory|"
    r"(?:un)?treated|diabetics?|obese|responders?|non[\s-]?responders?)\b"
)
_GENE_ASKED: Final = re.compile(
    r"(?:(?<=\s)|^)(?P<a>[A-Z][A-Z0-9]{1,9}(?:-[A-Z0-9]+)?)\s+(?:gene\s+|m?RNA\s+|transcript\s+)?(?:expression|mRNA|levels?|transcripts?|gene(?!s|\s+set))\b"
    r"|\b(?:expression|levels?|mRNA)\s+of\s+(?:the\s+)?(?:gene\s+)?(?P<b>[A-Z][A-Z0-9]{2,9})\b"
    r"|\b(?:[Hh]igh|[Ll]ow|[Gg]ene)\s+(?P<c>[A-Z][A-Z0-9]{2,9})\b"
)
_ALTERED: Final = re.compile(
    r"(?i)^[\s-]*(mutat\w+|mutants?|amplif\w+|delet\w+|methylat\w+|loss|fusion\w*|status|copy)\b"
)
_NO_GENE: Final = frozenset(
    {"RNA", "DNA", "MRNA", "PCR", "HR", "OS", "RFS", "DFS", "PFS", "FDR", "GO", "ROC", "AUC", "FPKM", "TPM", "CI", "SD"}
)
_SET_ASKED: Final = re.compile(
    r"(?i)\b(?:the|an?|this|our)?\s*(?P<name>(?:[\w-]+\s+){1,4}?)(?:\([^)]*\)\s*)?(?P<kind>signatures?|gene[\s-]sets?|gene[\s-]scores?|pathway[\s-]scores?|gene[\s-]programs?|metagenes?)\b"
)


_NOT_DONE: Final = (
    ("horizon", "no analysis ends the follow-up at a time; all of it is used"),
    ("separately", "one analysis is made of all groups; ask for each with “in … only”"),
)
"""Groups of words that ask for what no analysis does, with what is done instead."""


@dataclass(frozen=True)
class Compared:
    """Levels of one column that a text compares, in the order of the text."""

    column: str
    levels: tuple[str, ...]
    first: int
    end: int
    strong: bool = False
    reference: str = ""
    problem: str = ""
    single: bool = False
    syntax: bool = False
    weak: bool = False


@dataclass
class Wishes:
    """All that a text asks for; `used` are the tokens that were understood."""

    text: Text
    filters: list[tuple[Filter, int, bool]] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    by: list[Mention] = field(default_factory=list)
    columns: list[Mention] = field(default_factory=list)
    adjust: list[tuple[str, int]] = field(default_factory=list)
    adjust_all: bool = False
    blocks: list[tuple[str, int]] = field(default_factory=list)
    paired: str = ""
    endpoints: list[Named] = field(default_factory=list)
    loose: tuple[tuple[str, ...], str] = ((), "")
    methods: list[tuple[Method, Named]] = field(default_factory=list)
    genes: list[Mention] = field(default_factory=list)
    sets: list[Mention] = field(default_factory=list)
    unbound: list[tuple[Unbound, int]] = field(default_factory=list)
    stops: list[tuple[str, str, int]] = field(default_factory=list)
    reference: dict[str, str] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def use(self, first: int, end: int) -> None:
        """Mark tokens as understood."""
        self.used |= {*range(first, end)}

    def miss(self, words: str, why: str, place: int, suggestion: str = "", *, stops: bool = False) -> None:
        """Note words that are bound to nothing, at a token; with `stops` no answer without them is one."""
        words = " ".join(words.split()).strip(" ,")
        if all(u.words != words for u, _ in self.unbound):
            self.unbound.append((Unbound(words=words, why=why, suggestion=suggestion), place))
        if stops:
            self.stops.append((f"“{words}”: {why}", suggestion, place))


def read_wishes(text: Text, lexicon: Lexicon) -> Wishes:
    """Read what a text asks for, bound to a data set's columns, levels, genes and gene sets."""
    wishes = Wishes(text)
    wishes.methods = methods_named(text)
    wishes.endpoints = endpoints_named(text)
    wishes.loose = loose_endpoints(text)
    for named in (*(n for _, n in wishes.methods), *wishes.endpoints):
        wishes.use(named.first, named.end)
    _read_terms(wishes, lexicon)
    levels = [m for m in lexicon.level_mentions(text) if not {*range(m.first, m.end)} <= wishes.used]
    _read_levels(wishes, lexicon, levels)
    _read_numbers(wishes, lexicon)
    _read_restrictions(wishes, lexicon)
    _read_columns(wishes, lexicon)
    _read_features(wishes, lexicon)
    wishes.paired = asks_pairs(text.raw)
    for name, why in _NOT_DONE:
        for match in word(name).finditer(text.raw):
            wishes.miss(match[0], why, text.tokens_in(match.start(), match.end()).start)
            wishes.use(*_ends(text.tokens_in(match.start(), match.end())))
    for match in word("paired").finditer(text.raw):
        wishes.use(*_ends(text.tokens_in(match.start(), match.end())))
    return wishes


def _ends(places: range) -> tuple[int, int]:
    return places.start, places.stop


def close_to(words: str, names: Iterable[str]) -> str:
    """A suggestion with the names nearest to some words; empty when none is near."""
    near = get_close_matches(words.casefold(), {n.casefold(): n for n in names}, 2, 0.6)
    known = {n.casefold(): n for n in names}
    return f"did you mean {' or '.join(known[n] for n in near)}?" if near else ""


def _read_terms(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read covariates, blocks and strata."""
    text = wishes.text
    for match in _ADJUST.finditer(text.raw):
        stop = word("adjust_end").search(text.raw, match.end())
        end = min((b for b in (stop.start() if stop else len(text.raw), *text.breaks) if b >= match.end()), default=0)
        for place in text.tokens_in(match.start(), match.end()):
            wishes.used.add(place)
        _read_items(wishes, lexicon, match.end(), end, block=bool(match["block"]), asked=True)
    _read_included(wishes, lexicon)
    for pattern in (_MODEL_WITH, _INCLUDES):
        for match in pattern.finditer(text.raw):
            if pattern is _MODEL_WITH or " as " in text.raw[match.end() : match.end() + 4]:
                _read_items(wishes, lexicon, match.start("items"), match.end("items"), block=False, asked=False)
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
        if found:
            mention = found[0]
            if mention.problem and asked:
                wishes.miss(item, mention.problem, tokens.start, "name the column", stops=True)
            _add_term(wishes, lexicon, mention.name, tokens.start, block=block)
            wishes.use(tokens.start, tokens.stop)
        elif asked:
            _miss_term(wishes, lexicon, item, tokens.start)
            wishes.use(tokens.start, tokens.stop)


def _miss_term(wishes: Wishes, lexicon: Lexicon, item: str, place: int) -> None:
    item = re.sub(r"(?i)^\s*(?:the|an?)\s+", "", item)
    wishes.miss(
        item,
        "no column of the data holds it, so nothing can be adjusted for it",
        place,
        close_to(item, lexicon.columns),
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


def _read_levels(wishes: Wishes, lexicon: Lexicon, mentions: Sequence[Mention]) -> None:
    """Read lists of levels as groups that are compared, and levels of a population as filters."""
    text = wishes.text
    lists = _lists(text, mentions)
    strong = [c for c in lists if len(c) > 1 and _is_strong(text, c)]
    for chain in lists:
        names = tuple(dict.fromkeys(m.level for m in chain))
        column = chain[0].name
        problem = next((m.problem for m in chain if m.problem), "")
        place, end = chain[0].first, chain[-1].end
        named = _reference(text, chain)
        if named:
            wishes.reference[column] = named
        if named and len(chain) == 1:
            wishes.use(place, end)
            continue
        kind = _population(text, chain, wishes.used)
        compares = len(names) > 1 or (problem and len(chain) > 1)
        others = [c for c in lists if c is not chain and len(c) > 1 and c[0].name != column]
        if compares and (chain in strong or not kind or not others):
            compares = kind not in ("only", "without")
        elif compares:
            compares = False
        wishes.use(place, end)
        if compares:
            syntax = any(t.form in _STRONG for t in text.tokens[chain[0].end : chain[1].first])
            reference = named or (names[1] if syntax and len(names) == 2 else "")
            wishes.compared.append(
                Compared(
                    column,
                    names,
                    place,
                    end,
                    chain in strong,
                    named,
                    problem,
                    syntax=bool(reference),
                    weak=kind == "weak",
                )
            )
        elif kind:
            kept = (
                names if kind != "without" else tuple(v for v in levels_of(lexicon.columns[column]) if v not in names)
            )
            if problem:
                codes = ", ".join(f'"{v}" = "…"' for v in levels_of(lexicon.columns[column]))
                wishes.stops.append((problem, mend_of(lexicon.dataset, column, f"codes = {{{codes}}}"), place))
            words = text.words(place, min(len(text.tokens), end))
            wishes.filters.append((Filter(column=column, levels=kept, words=words), place, kind == "weak"))
        elif lexicon.columns[column].role not in ("pair", "unit", "annotation"):
            wishes.compared.append(Compared(column, names, place, end, problem=problem, single=True))


def _lists(text: Text, mentions: Sequence[Mention]) -> list[list[Mention]]:
    """Chains of mentions of levels of one column, joined by `and`, `versus` and the like.

    Where a level belongs to two columns, the column with the longer chain has it.
    """
    chains: list[list[Mention]] = []
    for name in dict.fromkeys(m.name for m in mentions):
        own = sorted({(m.first, m.end): m for m in mentions if m.name == name}.values(), key=lambda m: m.first)
        own = [m for m in own if not any(o.covers(m) for o in own)]
        chain: list[Mention] = []
        for mention in own:
            if chain and _joined(text, chain[-1], mention):
                chain.append(mention)
            else:
                chain = [mention]
                chains.append(chain)
    kept: list[list[Mention]] = []
    for chain in sorted(chains, key=lambda c: (-len({m.level for m in c}), -sum(m.end - m.first for m in c))):
        taken = {n for c in kept for m in c for n in range(m.first, m.end)}
        if not any(n in taken for m in chain for n in range(m.first, m.end)):
            kept.append(chain)
    return sorted(kept, key=lambda c: c[0].first)


def _joined(text: Text, left: Mention, right: Mention) -> bool:
    gap = text.tokens[left.end : right.first]
    between = text.between(left.end, right.first)
    if any(ch in between for ch in ".?!;") or len(gap) > 7:
        return False
    return any(t.form in _JOIN for t in gap) or (len(gap) <= 1 and bool(re.search(r"[,(/–-]", between)))


def _is_strong(text: Text, chain: Sequence[Mention]) -> bool:
    before = text.before(chain[0].first, 5)
    inside = {t.form for m, n in pairwise(chain) for t in text.tokens[m.end : n.first]}
    return "between" in before or bool(inside & _STRONG)


def _reference(text: Text, chain: Sequence[Mention]) -> str:
    """The level that a text calls the reference."""
    for mention in chain:
        left = text.raw[max(0, text.tokens[mention.first].start - 30) : text.tokens[mention.first].start]
        if (
            list(_REFERENCE.finditer(left))[-1:]
            and left.rstrip().endswith(tuple("=:egly"))
            and re.search(_REFERENCE.pattern + r"$", left)
        ):
            return mention.level
        if _AS_REFERENCE.match(text.raw[text.tokens[mention.end - 1].end :]):
            return mention.level
    return ""


def _population(text: Text, chain: Sequence[Mention], used: set[int]) -> str:
    """How words limit the population to some levels: `only`, `without`, `weak` (may be a comparison), or not."""
    first, end = chain[0].first, chain[-1].end
    left = ""
    for word_before in text.before(first, 6):
        if word_before in _OUT:
            return "without"
        if word_before in _BOUND or word_before in _PLAIN:
            left = word_before
            break
        if word_before not in _SKIP:
            break
    right = text.after(end, 4)
    gap = text.between(end, min(len(text.tokens), end + 1))
    near = right[: next((n for n, w in enumerate(right) if w not in _NOUNS and w not in _SKIP), len(right))]
    if "only" in near or "alone" in near or left in _BOUND:
        return "only"
    if text.before(first, 1)[:1] == ["only"]:
        return "only"
    if left and left != "by":
        return "weak"
    return "weak" if ":" in gap and not text.before(first, 1) else ""


def _read_numbers(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read limits of numbers, such as `older than 60` or `BMI above 30`, as filters."""
    text = wishes.text
    ages = [c for c in lexicon.columns_called(("age",)) if is_number(lexicon.columns[c])]
    for match in _NUMBER.finditer(text.raw):
        op = " ".join((match["op"] or "").lower().split())
        tail = " ".join((match["tail"] or "").lower().split())
        places = text.tokens_in(match.start(), match.end())
        if not places or not (op or "age" in tail or "old" in tail or "younger" in tail or "or " in tail):
            continue
        before = text.before(places.start, 4)
        if {*before} & _NOT_CELLS or (op in ("between", "from") and match["m"] is None):
            continue
        mentions = lexicon.column_mentions(text, max(0, places.start - 4), places.start)
        mentions = [m for m in mentions if lexicon.columns[m.name].role not in ("time", "event")]
        numeric = [m for m in mentions if is_number(lexicon.columns[m.name])]
        of_age = "age" in before[:2] or op in ("older than", "younger than", "aged") or "age" in tail or "old" in tail
        name = numeric[-1].name if numeric else ages[0] if of_age and ages else ""
        if not name:
            if of_age:
                wishes.miss(match[0], "no column of the data holds the age", places.start, stops=True)
                wishes.use(places.start, places.stop)
            continue
        low, high = float(match["n"]), float(match["m"]) if match["m"] else None
        words = text.words(numeric[-1].first if numeric else places.start, places.stop)
        wishes.filters.append((_range(name, op, tail, low, high, words), places.start, False))
        wishes.use(numeric[-1].first if numeric else places.start, places.stop)


def _range(name: str, op: str, tail: str, low: float, high: float | None, words: str) -> Filter:
    if high is not None:
        return Filter(column=name, least=low, most=high, words=words)
    if op in ("at most", "≤", "<=", "up to") or "younger" in tail or "less" in tail or "below" in tail:
        return Filter(column=name, most=low, words=words)
    if op in ("younger than", "under", "below", "less than", "smaller than", "<"):
        return Filter(column=name, most=low, below=True, words=words)
    at_least = op in ("at least", "≥", ">=", "aged", "") or "older" in tail or "more" in tail or "above" in tail
    return Filter(column=name, least=low, above=not at_least, words=words)


def _read_restrictions(wishes: Wishes, lexicon: Lexicon) -> None:
    """Note words that limit the population and are bound to nothing."""
    text = wishes.text
    constant = {c.name for c in lexicon.columns.values() if len(levels_of(c)) == 1}
    for match in _RESTRICTED.finditer(text.raw):
        group = next(g for g in ("a", "b", "c") if match[g])
        if group == "c" and re.match(r"(?i)(?:the\s+)?(?:data|own|dry|read)\b", match["c"]):
            continue
        places = text.tokens_in(match.start(group), match.end(group))
        if places and not {*places} & wishes.used and not _is_context(text, places):
            why = "the population is limited to it, and no column or level of the data is called so"
            wishes.miss(match[group], why, places.start, _levels_hint(lexicon, constant), stops=True)
            wishes.use(places.start, places.stop)
    for match in _NARROWING.finditer(text.raw):
        places = text.tokens_in(match.start(), match.end())
        if not places or {*places} & wishes.used:
            continue
        left = text.before(places.start, 4)
        heads = _PLAIN | _BOUND | {"between", "versus", "vs", "than", "and"}
        lead = next((w for w in left if w in heads or w not in _SKIP), "")
        if lead in heads or match.start() == 0:
            why = "no column or level of the data is called so"
            wishes.miss(match[0], why, places.start, _levels_hint(lexicon, constant), stops=True)
            wishes.use(places.start, places.stop)


def _is_context(text: Text, places: range) -> bool:
    """True for words that tell of what kind all samples are rather than choose some."""
    return all(text.tokens[n].form in _SKIP | _NOUNS | word_list("context") for n in places)


def word_list(name: str) -> frozenset[str]:
    """A list of plain words of `terms.toml`."""
    return frozenset(word(name).pattern.split("|"))


def _levels_hint(lexicon: Lexicon, constant: set[str]) -> str:
    said = [
        f"{c.name} ({', '.join(levels_of(c)[:6])})"
        for c in lexicon.columns.values()
        if c.role in ("group", "covariate", "batch", "other") and 1 < len(levels_of(c)) <= 8 and c.name not in constant
    ]
    return f"the columns with levels are {'; '.join(said[:6])}" if said else "no column of the data has levels"


def _read_columns(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read columns that are named beside levels and terms: what is compared by, and what is measured."""
    text = wishes.text
    for mention in lexicon.column_mentions(text):
        if {*range(mention.first, mention.end)} & wishes.used:
            continue
        column = lexicon.columns[mention.name]
        left = text.raw[: text.tokens[mention.first].start]
        called = text.words(mention.first, mention.end)
        exact = called.casefold() in {column.name.casefold(), column.name.casefold().replace("_", " ")}
        if word("by").search(left) and column.role not in ("id", "time", "event"):
            wishes.by.append(mention)
        elif column.role not in ("id", "unit", "pair", "annotation", "time", "event") or exact:
            wishes.columns.append(mention)
    for name in re.findall(r"[`“\"‘']([\w.]+)[`”\"’']|\b([a-z][a-z0-9]*_[a-z0-9_]+)\b", text.raw):
        asked = name[0] or name[1]
        if asked.casefold() not in {c.casefold() for c in lexicon.columns} and asked not in lexicon.genes:
            at = text.raw.find(asked)
            places = text.tokens_in(at, at + len(asked))
            if places and not {*places} & wishes.used and asked not in lexicon.sets:
                wishes.miss(
                    asked,
                    "no column of the data is called so",
                    places.start,
                    close_to(asked, lexicon.columns),
                    stops=True,
                )
                wishes.use(places.start, places.stop)


def _read_features(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read genes and gene sets."""
    text = wishes.text
    columns = lexicon.column_mentions(text)
    taken = {n for m in columns for n in range(m.first, m.end)}
    wishes.sets = lexicon.set_mentions(text)
    for mention in lexicon.gene_mentions(text):
        behind = text.raw[text.tokens[mention.end - 1].end :]
        if _ALTERED.match(behind) and mention.first not in taken:
            altered = text.words(mention.first, mention.end) + " " + behind.split()[0].strip(".,;?!")
            why = "no column of the data says in which samples the gene is altered"
            wishes.miss(altered, why, mention.first, close_to(altered, lexicon.columns), stops=True)
            wishes.use(mention.first, mention.end)
        elif not {*range(mention.first, mention.end)} & (wishes.used | taken):
            wishes.genes.append(mention)
    _missing_genes(wishes, lexicon, taken)
    _missing_sets(wishes, lexicon)


def _missing_genes(wishes: Wishes, lexicon: Lexicon, taken: set[int]) -> None:
    text = wishes.text
    known = {text.words(m.first, m.end).casefold() for m in wishes.genes}
    set_tokens = {n for m in wishes.sets for n in range(m.first, m.end)}
    altered = re.finditer(r"\b([A-Z][A-Z0-9]{2,9})(?=[\s-]+(?:mutat\w+|mutants?|amplif\w+|delet\w+))", text.raw)
    for match in (*_GENE_ASKED.finditer(text.raw), *altered):
        name = next(g for g in match.groups() if g)
        at = match.start(next(n for n, g in enumerate(match.groups(), 1) if g))
        places = text.tokens_in(at, at + len(name))
        if not places or {*places} & (wishes.used | taken | set_tokens):
            continue
        if name in _NO_GENE or name.casefold() in known:
            continue
        if match.re is not _GENE_ASKED:
            why = "no column of the data says in which samples the gene is altered"
        elif not lexicon.genes:
            why = "the data hold no matrix of genes"
        else:
            why = f"no row of the matrix is called so ({len(lexicon.genes):,} rows)"
        wishes.miss(
            name, why, places.start, close_to(name, lexicon.genes) if len(lexicon.genes) < 50_000 else "", stops=True
        )
        wishes.use(places.start, places.stop)


def _missing_sets(wishes: Wishes, lexicon: Lexicon) -> None:
    text = wishes.text
    if wishes.sets or any(m for m in wishes.genes):
        return
    for match in _SET_ASKED.finditer(text.raw):
        name = match["name"].strip()
        places = text.tokens_in(match.start("name"), match.end("name"))
        content = [n for n in places if text.tokens[n].form not in word_list("plain") | _SKIP]
        if not content or match["kind"].lower().startswith("gene set") or {*content} & wishes.used:
            continue
        why = "no gene set of this name is among the data" if lexicon.sets else "there are no gene sets among the data"
        hint = close_to(name.replace(" ", "_"), lexicon.sets) or "give a .gmt file with the signature's genes"
        wishes.miss(f"{text.words(content[0], places.stop)} {match['kind']}", why, content[0], hint, stops=True)
        wishes.use(places.start, places.stop)


def leftovers(wishes: Wishes, context: Iterable[str]) -> Iterator[Unbound]:
    """Words with a meaning of their own that no wish has used, each run of them once."""
    known = word_list("plain") | word_list("context") | _SKIP | _NOUNS | _JOIN | _PLAIN | _BOUND | {*context}
    for mention in (*wishes.by, *wishes.columns, *wishes.genes, *wishes.sets):
        wishes.use(mention.first, mention.end)
    for mention in wishes.sets:  # a name before another in brackets is the same: proliferation (E2F target) signature
        if "(" in wishes.text.between(mention.first, mention.first):
            wishes.use(max(0, mention.first - 2), mention.first)
    run: list[int] = []
    for n, token in enumerate((*wishes.text.tokens, None)):
        free = token is not None and n not in wishes.used and token.form not in known and not token.form.isdigit()
        if free and token is not None and len(token.form) > 2:
            run.append(n)
            continue
        if run:
            yield Unbound(
                words=wishes.text.words(run[0], run[-1] + 1),
                why="no column, level, gene or method at hand is called so",
                narrows=False,
            )
        run = []
