"""Groups that a question compares: which level is of interest, which is the reference, and who says so."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bioresearcher.analysis.mentions import Lexicon, canonical, is_number, levels_of, mend_line
from bioresearcher.analysis.wishes import Compared, Wishes
from bioresearcher.analysis.words import CONTROL_WORDS, forms
from bioresearcher.schemas.dataset import Column
from bioresearcher.schemas.question import Contrast, Filter

NO_GROUPS = "no groups are named that a column of the data holds"
"""Reason of a comparison for which the objective names neither levels nor a column."""


class NotBoundError(Exception):
    """A part of a question that cannot be bound; `mend` says what settles it, in the description of `column` if any."""

    def __init__(self, why: str, mend: str = "", column: str = "") -> None:
        super().__init__(why)
        self.why, self.mend, self.column = why, mend, column


def controls(levels: Sequence[str]) -> list[str]:
    """Those of some levels that are a reference by their meaning."""
    found = []
    for level in levels:
        words = forms(level)
        called = " ".join(words) in CONTROL_WORDS or level.casefold() in CONTROL_WORDS or words[-1:] == ("control",)
        if called or (words and words[0] in ("non", "no", "not", "never", "without", "un")):
            found.append(level)
    return found


def contrast_of(column: Column, wanted: Compared | None, words: str = "", reference: str = "") -> Contrast:
    """Make the comparison of a column: of the levels that are wanted, else of all its levels.

    Raises:
        NotBoundError: It has fewer than two levels, or the text names levels that cannot be told apart.
    """
    if wanted is not None and wanted.problem:
        raise NotBoundError(wanted.problem, _codes_line(column), column.name)
    levels = levels_of(column)
    if wanted is None and is_number(column):
        return Contrast(column=column.name, words=words)
    if wanted is not None and not wanted.single:
        chosen = tuple(wanted.levels)
        stated = "objective"
    else:
        chosen = levels
        stated = "two levels" if len(levels) == 2 else "objective"
    if len(chosen) < 2:
        held = f"only {levels[0]!r}" if levels else "no level that is known"
        spelt = sorted({v.strip() for v in column.levels if levels and v.strip().casefold() == levels[0].casefold()})
        if len(spelt) > 1:
            apart = ", ".join(f'"{v}" = "{v} ({n})"' for n, v in enumerate(spelt, 1))
            why = f"levels {' and '.join(map(repr, spelt))} of {column.name} differ in case only and are taken as one"
            raise NotBoundError(why, mend_line(column.name, f"codes = {{{apart}}}"))
        raise NotBoundError(f"{column.name} holds {held}, so there is nothing to compare")
    if len(chosen) > 2 and wanted is not None and wanted.single:
        raise NotBoundError(
            f"{column.name} has {len(chosen)} levels ({', '.join(chosen)}) and the objective names one of them, "
            f"{wanted.levels[0]!r}",
            f"name the levels to compare, such as “{wanted.levels[0]} versus "
            f"{next(v for v in chosen if v not in wanted.levels)}”",
        )
    if len(chosen) > 2:
        reference = reference or (wanted.reference if wanted is not None else "")
        known = controls(chosen)
        meant = known[0] if len(known) == 1 else ""
        return Contrast.model_validate(
            {
                "column": column.name,
                "levels": _reference_last(chosen, reference or None),
                "stated_by": stated,
                "reference_by": "objective" if reference else "meaning" if meant else "order",
                "control": reference or meant or None,
                "words": words,
            }
        )
    case, control, by = _direction(column, chosen, wanted, reference)
    return Contrast.model_validate(
        {
            "column": column.name,
            "case": case,
            "control": control,
            "levels": (case, control),
            "stated_by": stated,
            "reference_by": by,
            "words": words,
        }
    )


def _reference_last(levels: Sequence[str], reference: str | None) -> tuple[str, ...]:
    return (*(v for v in levels if v != reference), *((reference,) if reference else ()))


def _direction(column: Column, levels: Sequence[str], wanted: Compared | None, reference: str) -> tuple[str, str, str]:
    """(case, control, who says so) of two levels."""
    first, second = levels
    control = reference or (wanted.reference if wanted is not None else "")
    if control in levels:
        return (next(v for v in levels if v != control), control, "objective")
    stated = {canonical(column, column.case or ""), canonical(column, column.control or "")}
    if column.case is not None and column.control is not None and stated == {*levels}:
        return canonical(column, column.case), canonical(column, column.control), "data"
    known = controls(levels)
    if len(known) == 1:
        return (next(v for v in levels if v not in known), known[0], "meaning")
    if wanted is not None and wanted.single and wanted.levels[0] in levels:
        return (wanted.levels[0], next(v for v in levels if v != wanted.levels[0]), "objective")
    if wanted is not None and not wanted.single:
        return first, second, "objective" if wanted.syntax else "order"
    return second, first, "order"


def _codes_line(column: Column) -> str:
    codes = ", ".join(f'"{v}" = "…"' for v in levels_of(column))
    return f"codes = {{{codes}}}"


def contradiction(contrast: Contrast | None, population: Sequence[Filter]) -> str:
    """The reason why a comparison and a population exclude each other; empty when they do not."""
    for n, one in enumerate(population):
        for other in population[n + 1 :]:
            if one.column == other.column and one.levels and other.levels and not {*one.levels} & {*other.levels}:
                return f"the population is to be {one.text} and {other.text}, which nobody is"
    if contrast is None or not contrast.levels:
        return ""
    for one in population:
        if one.column == contrast.column and one.levels and not {*contrast.levels} <= {*one.levels}:
            return (
                f"the population is limited to {one.text}, and {' is compared with '.join(contrast.levels[:2])}: "
                "one of the two wishes must go"
            )
    return ""


_SIDES = re.compile(
    r"(?i)\bbetween\s+(?:the\s+)?(?P<a>[\w-]+(?: [\w-]+){0,3})\s+and\s+(?P<b>[\w-]+)|"
    r"\bin\s+(?P<c>[\w-]+)(?:\s+\w+)?\s+than\s+(?:in\s+)?(?P<d>[\w-]+)|"
    r"\b(?P<e>[\w-]+)\s+(?:versus|vs\.?|compared\s+(?:with|to))\s+(?P<f>[\w-]+)"
)
"""Two sides of a comparison, as words."""
_ANY = frozenset("group condition arm class sample level category cohort patient two each other them".split())


_GROUPED_BY = re.compile(
    r"(?i)\b(?:differ\w*|compar\w*|chang\w*|var(?:y|ies)|associat\w*)\b[^.;?!]*?"
    r"\b(?:by|across|according to|depending on)\s+(?:the\s+)?(?P<by>[\w-]+(?:\s+(?:grade|stage|status|type|class))?)"
)
"""Words that say what groups the samples."""
_METHODS = frozenset(
    "a an mean means median least more most fold using limma deseq deseq2 pydeseq2 edger voom welch wilcoxon anova "
    "test model linear regression moderated student permutation fdr adjusted rank chance itself one two three "
    "gene".split()
)
"""Words after "by" that name a method or an amount."""


def sides_named(raw: str) -> tuple[tuple[str, int, int], ...]:
    """The two sides that a text compares by name, as in "between renal carcinoma and kidney", with their places.

    Empty when there are none, or when a side is only called a group or the like.
    """
    found = _SIDES.search(raw)
    sides = tuple((found[g], *found.span(g)) for g in "abcdef" if found[g]) if found else ()
    return sides if len(sides) == 2 and not any({*forms(side)} & _ANY for side, _, _ in sides) else ()


def _refuse_unbound(wishes: Wishes, groups: Sequence[Column]) -> None:
    """Raise where two sides are named and no level is called so: the only column of groups need not be meant."""
    sides = sides_named(wishes.text.raw)
    if not sides:
        _refuse_unknown_grouping(wishes.text.raw, groups)
        return
    said = f"“{sides[0][0]}” and “{sides[1][0]}” are compared, and no level of the data is called so"
    two = next((c for c in groups if len(levels_of(c)) == 2), None)
    if two is None:
        held = "; ".join(f"{c.name} ({', '.join(levels_of(c)[:6])})" for c in groups[:6])
        raise NotBoundError(said, f"the columns of groups are {held}" if held else "the data hold no column of groups")
    raise NotBoundError(said, _codes_line(two), two.name)


def _refuse_unknown_grouping(raw: str, groups: Sequence[Column]) -> None:
    """Raise where a text names what groups the samples, as in "differ by grade", and no column of groups is it."""
    found = _GROUPED_BY.search(raw)
    words = {*forms(found["by"])} if found else set()
    if found is None or not words or words & (_ANY | _METHODS):
        return
    known = {w for c in groups for text in (c.name, c.label or "", *c.aliases, *levels_of(c)) for w in forms(text)}
    head = found["by"].split()[-1]
    meant = words if head.casefold() in ("status", "type", "class") else {*forms(head)}  # the grade of a tumour is none
    if meant & known:
        return
    held = "; ".join(f"{c.name} ({', '.join(levels_of(c)[:6])})" for c in groups[:6])
    said = f"“{found['by']}”: no column or level of the data is called so"
    raise NotBoundError(said, f"the columns of groups are {held}" if held else "the data hold no column of groups")


def choose_contrast(
    wishes: Wishes, lexicon: Lexicon, compared: Sequence[Compared], by: Sequence[str], *, asked: bool
) -> Contrast | None:
    """The comparison of a question, from the levels and columns that its words name.

    With `asked` a comparison is needed: the one column of groups with two levels is taken, or one whose description
    states what is compared; otherwise there is none.

    Raises:
        NotBoundError: A comparison is needed and cannot be bound.
    """
    lists = sorted((c for c in compared if not c.single), key=lambda c: not c.strong)
    if lists:
        one = lists[0]
        return contrast_of(
            lexicon.columns[one.column],
            one,
            wishes.text.words(one.first, one.end),
            wishes.reference.get(one.column, ""),
        )
    if by:
        return contrast_of(lexicon.columns[by[0]], None, by[0], wishes.reference.get(by[0], ""))
    singles = [c for c in compared if c.single]
    if singles:
        _refuse_unknown_grouping(wishes.text.raw, [c for c in lexicon.columns.values() if c.role == "group"])
        one = singles[0]
        return contrast_of(lexicon.columns[one.column], one, wishes.text.words(one.first, one.end))
    if not asked:
        return None
    groups = [c for c in lexicon.columns.values() if c.role == "group" and len(levels_of(c)) > 1]
    _refuse_unbound(wishes, groups)
    stated = [
        c for c in groups if c.case is not None and c.control is not None and lexicon.dataset.described_by != "inferred"
    ]
    if len(stated) == 1:
        found = contrast_of(stated[0], None)
        return found.model_copy(update={"stated_by": "data"})
    if len(groups) == 1 and len(levels_of(groups[0])) == 2:
        return contrast_of(groups[0], None)
    said = "; ".join(f"{c.name} ({', '.join(levels_of(c)[:6])})" for c in groups[:6])
    raise NotBoundError(
        NO_GROUPS,
        f"name the levels to compare; the columns of groups are {said}"
        if said
        else "the data hold no column of groups",
    )
