"""Groups that a text compares, and populations to which it is limited, by levels and by numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from bioresearcher.analysis.mentions import Lexicon, Mention, is_number, levels_of, mend_of
from bioresearcher.analysis.wishes import (
    BOUND,
    JOIN,
    NOUNS,
    PLAIN,
    SKIP,
    STRONG,
    Compared,
    Wishes,
)
from bioresearcher.analysis.words import ROMAN, Text, forms
from bioresearcher.schemas.question import Filter

_LEAVING: Final = (
    r"exclud(?:e[sd]?|ing)|except(?:ing|\s+for)?|with\s+the\s+exception\s+of|omit(?:s|ted|ting)?|remov(?:e[sd]?|ing)"
    r"|drop(?:s|ped|ping)?|discard(?:s|ed|ing)?|ignor(?:e[sd]?|ing)|disregard(?:s|ed|ing)?|apart\s+from|aside\s+from"
    r"|other\s+than|all\s+but|not\s+(?:counting|including|considering|using)|(?:leav(?:es?|ing)|left)\s+(?:out|aside)"
    r"|(?:set|put)(?:ting)?\s+aside|minus|(?:exclusion|removal|omission|elimination)\s+of"
)
"""Words that leave out what stands behind them."""
_NEGATION: Final = re.compile(
    rf"(?i)\b(?P<but>but\s+)?(?:{_LEAVING}|without|lacking|free\s+(?:of|from)|in\s+the\s+absence\s+of|neither|nor|never|non"
    r"|(?<!or )(?<!whether )not(?!\s+only)|no)[\s(“‘'\"-]*$"
)
"""Words right before a level that deny it."""
_LEFT_OUT: Final = re.compile(
    r"(?i)^(?:\s+(?:patients?|samples?|tumou?rs?|cases?|arrays?|specimens?|tissues?|cells?|lines?|women|men|disease|ones?))*\s+"
    r"(?:(?:(?:were|are|is|was|being|be|to\s+be|should\s+be|must\s+be|have\s+been)\s+)?"
    r"(?:excluded|left\s+out|left\s+aside|omitted|removed|dropped|discarded|ignored|disregarded|set\s+aside|put\s+aside"
    r"|not\s+(?:included|counted|considered|used|analy[sz]ed)))\b"
)
"""Words right behind a level that leave it out."""
_ASIDE: Final = re.compile(r"(?i)^(?:\s+\w+){0,2}?\s+(?P<word>aside|out)\b")
_TAKES: Final = re.compile(
    r"(?i)\b(?:leav(?:e|es|ing)|left|tak(?:e|es|ing)|keep(?:s|ing)?|set(?:s|ting)?|put(?:s|ting)?)\b[^.,;:?!]{0,40}$"
)
"""Both halves of “leaving cell lines out”, “setting cell lines aside”."""
_LEAVES: Final = re.compile(
    rf"(?i)\b(?:{_LEAVING}|without|lacking|aside|out|excluded|omitted|removed|dropped|discarded|ignored|disregarded)\b"
)
_FAR: Final = re.compile(
    rf"(?i)\b(?:(?:{_LEAVING}|without|lacking|free\s+(?:of|from)|in\s+the\s+absence\s+of|neither|nor|never)(?:\s+[\w-]+){{0,5}}"
    r"|(?:(?<!or )(?<!whether )not|no)(?:\s+[\w-]+){0,2})\s+$"
)
"""A denial with words between it and a level that it may be about."""
_BETWEEN: Final = (
    SKIP
    | NOUNS
    | PLAIN
    | frozenset(
        "any either be been do did does receive received receiving got get given give treated treat undergo undergone"
        " underwent show showing carry carrying which whom them he she they it as among within as so called".split()
    )
)
"""Words that may stand between a denial and the level that it denies."""
_MOST_BETWEEN: Final = 8


def denial(text: Text, first: int, end: int) -> str:
    """The words that deny or leave out a level, before or behind it; empty when none do."""
    behind = _LEFT_OUT.match(text.raw, text.tokens[end - 1].end) or _LEFT_OUT.match(
        text.raw[text.tokens[end - 1].end :]
    )
    if behind:
        return " ".join(behind[0].split())
    aside = _ASIDE.match(text.raw[text.tokens[end - 1].end :])
    if aside and (aside["word"].lower() == "aside" or _TAKES.search(text.raw[: text.tokens[first].start])):
        return f"… {aside['word']}"
    place = first
    for _ in range(_MOST_BETWEEN):
        found = _NEGATION.search(text.raw[: text.tokens[place].start])
        if found:
            return " ".join(found[0].split())
        if place == 0 or text.tokens[place - 1].form not in _BETWEEN:
            return ""
        if any(ch in ".;:?!," for ch in text.between(place, place)):
            return ""
        place -= 1
    return ""


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


_GIVEN: Final = re.compile(
    r"(?i)\b(?:(?:treated|managed)\s+(?:with|by)|exposed\s+to|given|receiv(?:e|es|ed|ing)|took|taking|taken)\s+$"
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


def read_levels(wishes: Wishes, lexicon: Lexicon, mentions: Sequence[Mention]) -> None:
    """Read lists of levels as groups that are compared, and levels of a population as filters."""
    text = wishes.text
    lists = _lists(text, mentions)
    strong = [c for c in lists if len(c) > 1 and _is_strong(text, c)]
    for chain in lists:
        names = tuple(dict.fromkeys(m.level for m in chain))
        column = chain[0].name
        if chain not in strong and text.before(chain[0].first, 1) != ["from"]:
            names = _with_those_between(text, chain, names, levels_of(lexicon.columns[column]))
        problem = next((m.problem for m in chain if m.problem), "")
        place, end = chain[0].first, chain[-1].end
        for mention in chain:
            wishes.use(mention.first - _given(text, mention.first), mention.first)
        named = _reference(text, chain)
        if named:
            wishes.reference[column] = named
        if named and len(chain) == 1:
            wishes.use(place, end)
            continue
        kind = _population(text, chain, wishes.used)
        problem = problem or _partly_denied(text, chain, levels_of(lexicon.columns[column]))
        compares = len(names) > 1 or (problem and len(chain) > 1)
        others = [c for c in lists if c is not chain and len(c) > 1 and c[0].name != column]
        if compares and (chain in strong or not kind or not others):
            compares = kind not in ("only", "without")
        elif compares:
            compares = False
        wishes.use(place, end)
        _stop_unclear(wishes, chain, kind, compares=bool(compares))
        if compares:
            syntax = any(t.form in STRONG for t in text.tokens[chain[0].end : chain[1].first])
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


def _given(text: Text, first: int) -> int:
    """Number of words before a level that only say that somebody has it: treated with, receiving, exposed to."""
    until = text.tokens[first]
    match = _GIVEN.search(text.raw[: until.end if until.form == "with" else until.start] + " ")
    return len(text.tokens_in(match.start(), match.end())) if match else 0


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
    if _LEAVES.search(denial(text, right.first, right.end)) and not denial(text, left.first, left.end):
        return False
    return any(t.form in JOIN for t in gap) or (len(gap) <= 1 and bool(re.search(r"[,(/–-]", between)))


def _is_strong(text: Text, chain: Sequence[Mention]) -> bool:
    before = text.before(chain[0].first, 5)
    inside = {t.form for m, n in pairwise(chain) for t in text.tokens[m.end : n.first]}
    return "between" in before or bool(inside & STRONG)


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
    """Limit of the population by some levels: `only`, `without`, `weak` (may be a comparison), or none."""
    first, end = chain[0].first, chain[-1].end
    if denial(text, first, end):
        return "without"
    left = ""
    for word_before in text.before(first, 6):
        if word_before in BOUND or word_before in PLAIN:
            left = word_before
            break
        if word_before not in SKIP:
            break
    right = text.after(end, 4)
    gap = text.between(end, min(len(text.tokens), end + 1))
    near = right[: next((n for n, w in enumerate(right) if w not in NOUNS and w not in SKIP), len(right))]
    if "only" in near or "alone" in near or left in BOUND:
        return "only"
    if text.before(first, 1)[:1] == ["only"]:
        return "only"
    if left and left != "by":
        return "weak"
    return "weak" if ":" in gap and not text.before(first, 1) else ""


_RANGE: Final = re.compile(r"(?i)\s*(?:to|through|-|–)\s*")


def _with_those_between(
    text: Text, chain: Sequence[Mention], names: tuple[str, ...], levels: Sequence[str]
) -> tuple[str, ...]:
    """The levels of a population with those in the middle of a range: II, too, of “stage I to III”."""
    order = sorted((n, v) for v in levels if (n := _rank(v)) is not None)
    found = dict.fromkeys(names)
    if not order:
        return names
    for one, other in pairwise(chain):
        low, high = _rank(one.level), _rank(other.level)
        if low is not None and high is not None and _RANGE.fullmatch(text.between(one.end, other.first)):
            found |= dict.fromkeys(v for n, v in order if low < n < high)
    return names if len(found) == len(names) else tuple(v for v in levels if v in found)


def _rank(level: str) -> int | None:
    """The number of a level such as 2, II, stage II or G2; None where it has none."""
    word = (forms(level) or ("",))[-1]
    digits = ROMAN.get(word, word.lstrip("abcdefghijklmnopqrstuvwxyz"))
    return int(digits) if digits.isdigit() else None


def _stop_unclear(wishes: Wishes, chain: Sequence[Mention], kind: str, *, compares: bool) -> None:
    """Stop where levels neither limit nor are compared, and where a comparison puts levels together."""
    text, column, place = wishes.text, chain[0].name, chain[0].first
    if whatever := _WHETHER.search(text.raw[: text.tokens[place].start]):
        said = f"“{whatever[0].strip()} {text.words(place, chain[-1].end)}”: this limits nothing and is no comparison"
        wishes.stops.append((said, "leave it out, or say “adjusted for”", place))
    held = any(f.column == column for f, _, _ in wishes.filters)
    if kind == "without" and held and denial(text, place, chain[-1].end).startswith("but"):
        said = f"“but not … {text.words(place, chain[-1].end)}”: it is asked where a result holds and where it does not"
        wishes.stops.append((said, "ask for each group with “in … only”", place))
    far = None if compares or kind == "without" else _FAR.search(text.raw[: text.tokens[place].start])
    between = {*text.tokens_in(far.start(), far.end())} & wishes.used if far else set()
    if far and not between and not _BROKEN.search(far[0]):
        said = f"“{far[0].strip()} {text.words(place, chain[-1].end)}”: it is not clear whom this leaves out"
        wishes.stops.append((said, "name the level that is meant, and “excluding” right before it", place))
    if compares and (words := _put_together(text, chain)):
        said = f"“{words}”: levels of {column} are put together, and no column holds them so"
        wishes.stops.append((said, f"give a column with these groups, or compare two levels of {column}", place))


_BROKEN: Final = re.compile(r"(?i)\b(?:in|among|within|between|for)\b(?=(?:\s+[\w-]+){0,2}\s+$)")
"""A preposition after which a level is of the population again: “no relation in ER-positive patients”."""
_WHETHER: Final = re.compile(r"(?i)\bwhether(?:\s+or\s+not)?\s+(?:\w+\s+){0,4}?(?:are|is|were|was|be|have|has|had)\s+$")
_TOGETHER: Final = re.compile(r"(?i)\b(?:together|combined|pooled|merged|jointly|grouped|lumped|taken as one)\b")
_EITHER: Final = re.compile(r"(?i)^[\s,]*(?:/|-|–|\bor\b|\bto\b)")


def _put_together(text: Text, chain: Sequence[Mention]) -> str:
    """The words of a comparison that puts levels together: `grade 1/2 and grade 3`, `I and II versus III and IV`."""
    if len({m.level for m in chain}) < 3:
        return ""
    words = text.words(chain[0].first, chain[-1].end)
    kinds = set()
    for one, other in pairwise(chain):
        between = text.between(one.end, other.first)
        strong = {t.form for t in text.tokens[one.end : other.first]} & STRONG
        kinds.add("strong" if strong else "either" if _EITHER.match(between) else "list")
    said = text.raw[text.tokens[chain[0].first].start : text.tokens[chain[-1].end - 1].end + 12]
    return words if len(kinds) > 1 or _TOGETHER.search(said) else ""


def _partly_denied(text: Text, chain: Sequence[Mention], levels: Sequence[str]) -> str:
    """The reason why a list is not understood of which a later level is denied: “A but not B”, “A and non-A”."""
    for n, mention in enumerate(chain):
        left = _NEGATION.search(text.raw[: text.tokens[mention.first].start])
        said = denial(text, mention.first, mention.end)
        if left and left["but"]:
            return f"“{left[0].strip()} {text.words(mention.first, mention.end)}” may leave out, or be compared"
        if n and said and not denial(text, chain[0].first, chain[0].end):
            return f"“{said} {text.words(mention.first, mention.end)}” stands in a list of {', '.join(levels)}"
    return ""


def read_numbers(wishes: Wishes, lexicon: Lexicon) -> None:
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
        start = mentions[-1].first if mentions else places.start
        denied = denial(text, start, places.stop) or denial(text, places.start, places.stop)
        words = text.words(numeric[-1].first if numeric else places.start, places.stop)
        found = _range(name, op, tail, low, high, words)
        if denied:
            if high is not None:
                wishes.stops.append((f"“{denied} {words}”: a range in the middle is not left out", "", places.start))
            found = _inverted(found)
        wishes.filters.append((found, places.start, False))
        wishes.use(numeric[-1].first if numeric else places.start, places.stop)


def _inverted(one: Filter) -> Filter:
    """The other side of a limit: what is left where those beyond it are left out."""
    if one.least is not None:
        return Filter(column=one.column, most=one.least, below=not one.above, words=one.words)
    return Filter(column=one.column, least=one.most, above=not one.below, words=one.words)


def _range(name: str, op: str, tail: str, low: float, high: float | None, words: str) -> Filter:
    if high is not None:
        return Filter(column=name, least=low, most=high, words=words)
    if op in ("at most", "≤", "<=", "up to") or "younger" in tail or "less" in tail or "below" in tail:
        return Filter(column=name, most=low, words=words)
    if op in ("younger than", "under", "below", "less than", "smaller than", "<"):
        return Filter(column=name, most=low, below=True, words=words)
    at_least = op in ("at least", "≥", ">=", "aged", "") or "older" in tail or "more" in tail or "above" in tail
    return Filter(column=name, least=low, above=not at_least, words=words)


def population_as_contrast(
    population: tuple[Filter, ...], weak: set[str], lexicon: Lexicon
) -> tuple[tuple[Filter, ...], list[str], str]:
    """Take a level that may be a population as what is compared, where a comparison is asked for and none is named.

    Two such levels may each be either, and the last value says so.
    """
    loose = [
        f
        for f in population
        if f.words in weak and len(f.levels) == 1 and len(levels_of(lexicon.columns[f.column])) == 2
    ]
    if not loose:
        return population, [], ""
    if len({f.column for f in loose}) > 1:
        either = " and ".join(f"“{f.words}”" for f in loose)
        return population, [], f"{either} may each be what is compared, or whom it is about"
    return tuple(f for f in population if f is not loose[0]), [loose[0].column], ""
