"""Columns of a sample sheet that are outcomes or compared groups, and those that give one of them away.

A column that predicts a withheld one goes with it. Prediction is measured by the area under the ROC curve, which is the
rank statistic of Mann and Whitney divided by the product of the group sizes (Hanley JA, McNeil BJ. Radiology
1982;143:29-36, doi:10.1148/radiology.143.1.7063747). Numbers and dates are ranked as they are, in either direction;
categories, gaps, numbers of decimals and bins of numbers are scored out of fold (five folds, fixed seed), because a
column that says nothing reaches 0.98 when its levels are scored on the rows that they were fitted to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bioresearcher.audit.derived import dates
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.dataset import Column
from bioresearcher.schemas.missing import NO_GROUP, blanked, key
from bioresearcher.sources.datasets.endpoints import normal
from bioresearcher.sources.datasets.roles import names_outcome, pairs_outcome
from bioresearcher.text.words import normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAK_AUC = 0.80
"""Area from which a column gives another one away; the strongest honest covariate measured had 0.736."""
FOLDS = 5
_SEED = 20_240_617
_MAX_LEVELS = 12
_BINS = 5
_PRIOR = 2.0  # rows of the overall mean that are added to each level
_RARE = 0.05  # share of rows that a level needs to be a target of its own, where there are more than two
_COMPARISON = re.compile(
    r"\bdiffer|\bcompar|\bversus\b|\bvs\b|\bbetween\b|\bassociat|\bcorrelat|\bup-?regulat|\bdown-?regulat|\bpredict"
    r"|\bhigher\b|\blower\b|\bchang|\beffect of|\binfluenc|\bdepend|\brelat|\bby (gender|sex|group|arm)\b"
    r"|\bmarkers? (of|for)\b|\bdistinguish",
    re.IGNORECASE,
)
_ADJUSTED = re.compile(
    r"\b(adjust(?:ed|ing|ment)?|correct(?:ed|ing)?|control(?:led|ling)|account(?:ed|ing)|stratified|independent(?:ly)?)"
    r"\s+(?:for|by|of|on)\b[^.;?!]*",
    re.IGNORECASE,
)
_ONLY = re.compile(r"\b(?:in|among|within|restricted to|limited to)\b[^,.;?!]*\bonly\b", re.IGNORECASE)
_RESPONSE = re.compile(r"respon|remission|recist|(?<![a-z])pcr(?![a-z])")
_IN_TIME = re.compile(r"surviv|prognos|relapse|recurren|death|mortality|progression", re.IGNORECASE)
_SEX = re.compile(r"^(sex|gender)$|_(sex|gender)$")
_SEX_WORDS = re.compile(r"\b(men|women|males?|females?|sex|sexes|gender|boys|girls)\b", re.IGNORECASE)
_DEATH_DATE = re.compile(r"death|died|dead|deceased|relapse|recurren|progress")
_WHEN = re.compile(r"date|day|days|month|months|year|years|time|age")

Reason = Literal["endpoint", "measured value", "compared group", "gives it away"]


@dataclass(frozen=True)
class Withheld:
    """A column that is kept from the open view.

    Attributes:
        column: Its name.
        reason: The kind of reason.
        of: Of a column that gives another away, that other column; else the column itself.
        why: The reason in words, without a number that was computed from an outcome.
        auc: Area under the ROC curve of a column that gives another away; 1 for the others. For records, never shown.
        asked: True for a response whose groups the objective compares in another outcome, e.g. survival.
    """

    column: str
    reason: Reason
    of: str
    why: str
    auc: float = 1.0
    asked: bool = False


def find_withheld(
    cells: Mapping[str, Sequence[str]],
    described: Sequence[Column],
    objective: Objective,
    *,
    measured: bool,
    ids: Iterable[str] = (),
) -> tuple[Withheld, ...]:
    """Select the columns of a sample sheet that the open view must not hold.

    Outcomes are the columns with the roles time and event and those that their name or levels call one. Groups are the
    columns that a sentence of the objective compares, by name, alias or levels, adjustments left aside; where it names
    none and there is no outcome either, all columns with the role of a group. A number counts as a measured value that
    is asked about only where there is neither. Without a matrix (`measured` is False), groups are kept apart only if
    there is no outcome: then they are the outcome, and the sheet's other columns are what is compared.

    Args:
        cells: Column name -> its cells as written, all of one length.
        described: What is known of the columns; others are judged by name and values.
        objective: The question.
        measured: True if a matrix belongs to the sheet.
        ids: Columns with names of samples or persons, which are recoded and not judged.
    """
    known = {c.name: c for c in described}
    columns = {
        n: blanked(v, known[n].missing_values if n in known else ()) for n, v in cells.items() if n not in {*ids}
    }
    sentences = asked_sentences(objective)
    outcomes = {n: why for n, v in columns.items() if (why := _outcome(n, v, known.get(n)))}
    outcomes |= {
        n: "a time and an event, by their names together"
        for n in pairs_outcome([_scan(n, v) for n, v in columns.items()])
        if n not in outcomes
    }
    compared = {n: why for n, v in columns.items() if (why := _compared(n, v, known.get(n), sentences))}
    if not outcomes and not compared:
        compared = {n: why for n, v in columns.items() if (why := _asked_number(n, v, known.get(n), sentences))}
        outcomes, compared = compared, {}
        kind: Reason = "measured value"
    else:
        kind = "endpoint"
    if not outcomes and not compared:
        why = "has groups, and the objective names none: all are kept apart"
        compared = {n: why for n in columns if n in known and known[n].role == "group" and not is_technical(n)}
    if not measured:
        outcomes, compared = outcomes or compared, {}
    found = [
        Withheld(n, kind, n, f"{n}: {why}", asked=_is_compared_response(n, columns[n], known.get(n), sentences))
        for n, why in outcomes.items()
    ]
    found += [Withheld(n, "compared group", n, f"{n}: {why}") for n, why in compared.items() if n not in outcomes]
    taken = {w.column for w in found}
    targets = [(w.column, label, y) for w in found for label, y in _targets(w.column, columns[w.column])]
    for name, values in columns.items():
        if name in taken:
            continue
        best = max(((auc(values, y), of, label) for of, label, y in targets), default=(0.0, "", ""))
        if best[0] >= LEAK_AUC:
            why = f"{name}: gives {best[1]} away ({best[2]}; area under the ROC curve at least {LEAK_AUC:.2f})"
            found.append(Withheld(name, "gives it away", best[1], why, best[0]))
    return tuple(found)


def gives_away(values: Sequence[str], withheld: Iterable[Withheld], cells: Mapping[str, Sequence[str]]) -> str:
    """Return the first withheld column that these values give away by the rule; empty if none."""
    for one in (w for w in withheld if w.reason != "gives it away"):
        if any(auc(values, y) >= LEAK_AUC for _, y in _targets(one.column, blanked(cells[one.column]))):
            return one.column
    return ""


def is_technical(name: str) -> bool:
    """Return True if a column's name says that it describes how samples were processed."""
    found = re.search(
        r"batch|plate|lane|(?<![a-z])run|chip|array|slide|scan|platform|print|series|seq(uenc|_)|flow_?cell|library"
        r"|n_?(count|feature|gene|umi|read)s?(_|$)|total_(count|umi|read)s|(percent|pct|mito|ribo)_|mapped|coverage"
        r"|operator|instrument|cent(er|re)|site|lab(?![a-z])|(?<![a-z])rin(?![a-z])|depth|dye|hybridi|_prefix$",
        normal(name),
    )
    return found is not None


def asked_sentences(objective: Objective) -> tuple[str, ...]:
    """Split the objective and its requirements into sentences that compare or relate.

    Adjustments (`adjusted for age`) and restrictions (`in ER-negative tumours only`) are left out of them.
    """
    texts = (objective.text, *(r.text for r in objective.requirements))
    parts = [part for text in texts for part in re.split(r"(?<=[.?!;])\s+|\n", text)]
    return tuple(kept for part in parts if _COMPARISON.search(kept := _ONLY.sub(" ", _ADJUSTED.sub(" ", part))))


def _outcome(name: str, values: Sequence[str], column: Column | None) -> str:
    if column is not None and column.role in ("time", "event"):
        return f"has the role {column.role}"
    levels = _levels(values)
    if names_outcome(name):
        return "its name says that it holds an outcome"
    return "its values are outcomes" if names_outcome("", levels) else ""


def _scan(name: str, values: Sequence[str]) -> ColumnScan:
    scan = ColumnScan(name)
    for line, value in enumerate(values, start=2):
        scan.add(value, line)
    scan.finish()
    return scan


def _compared(name: str, values: Sequence[str], column: Column | None, sentences: Sequence[str]) -> str:
    levels = _levels(values)
    if not 2 <= len(levels) <= _MAX_LEVELS or (column is not None and column.role in ("id", "batch", "time", "event")):
        return ""
    if is_technical(name):
        return ""
    if _named(name, column, sentences):
        return "the objective compares or relates it"
    if _SEX.search(normal(name)) and any(_SEX_WORDS.search(s) for s in sentences):
        return "the objective compares or relates it"
    words = {normalised(level).strip() for level in levels if as_number(level) is None and len(level) > 1}
    words = {re.sub(r"s$", "", w) for w in words if w}
    for sentence in sentences:
        text = re.sub(r"s ", " ", normalised(sentence))
        if sum(f" {w} " in text for w in words) >= 2:
            return "the objective compares its levels"
        named = [w for w in words if len(w) > 3 and w not in _PLAIN]
        if len(levels) == 2 and any(f" {w} " in text for w in named):
            return "the objective compares one of its levels with the rest"
        sides = _SIDES.split(text, maxsplit=1)[1:]  # "in lung tissue, … between smokers and …" compares no tissues
        if any(f" {w} " in side for side in sides for w in named):
            return "the objective compares one of its levels with another"
    return ""


def _is_compared_response(name: str, values: Sequence[str], column: Column | None, sentences: Sequence[str]) -> bool:
    """Return True for a response that a sentence relates to survival or another outcome in time."""
    if not _RESPONSE.search(" ".join((normal(name), *_levels(values))).lower()):
        return False
    return bool(_compared(name, values, column, [s for s in sentences if _IN_TIME.search(s)]))


_SIDES = re.compile(r"\b(?:between|versus|vs|compar\w*|distinguish\w*|discriminat\w*|separat\w*|tells?(?= ))(?= )")
"""Words after which the sides of a comparison are named."""
_PLAIN = frozenset("true false other none unknown male female high low human mouse adult primary".split())


def _named(name: str, column: Column | None, sentences: Sequence[str]) -> bool:
    names = [name, *((column.label, *column.aliases) if column is not None else ())]
    words = {normalised(n).strip() for n in names}
    return any(f" {w} " in normalised(s) for w in words if len(w) > 1 for s in sentences)


def _asked_number(name: str, values: Sequence[str], column: Column | None, sentences: Sequence[str]) -> str:
    numbers = [as_number(v) for v in values if v]
    enough = len({n for n in numbers if n is not None}) > 2 and None not in numbers
    return "the objective asks about this value" if enough and _named(name, column, sentences) else ""


def _levels(values: Sequence[str]) -> list[str]:
    """Distinct known values in order of appearance; only the first more than can be levels."""
    found: dict[str, None] = {}
    for value in values:
        if value.strip() and key(value) not in NO_GROUP:
            found[value.strip()] = None
        if len(found) > _MAX_LEVELS:
            break
    return list(found)


def _targets(name: str, values: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Give what can be told apart of a withheld column, in words and as 0, 1 or NaN per row."""
    text = np.array([v.strip() for v in values], dtype=object)
    given = np.array([bool(v) and key(v) not in NO_GROUP for v in text])
    low = normal(name)
    if _DEATH_DATE.search(low) and _WHEN.search(low) and 0 < given.sum() < len(given):
        yield "given or not", given.astype(float)
    levels = _levels(values)
    if 2 <= len(levels) <= _MAX_LEVELS:
        sizes = {level: int((text == level).sum()) for level in levels}
        most = sum(sizes.values())
        tested = levels[:1] if len(levels) == 2 else [n for n in levels if sizes[n] >= _RARE * most]
        for level in tested:
            yield "which level" if len(levels) == 2 else f"the level {level}", np.where(given, text == level, np.nan)
        return
    numbers = _numbers(values)
    if np.isfinite(numbers).sum() > 3:
        yield "high or low", np.where(np.isfinite(numbers), numbers > np.nanmedian(numbers), np.nan)


def auc(values: Sequence[str], target: NDArray[np.float64]) -> float:
    """Area under the ROC curve with which a column tells 1 from 0; 0.5 where there are fewer than two of either.

    The largest of what its numbers or dates, its categories, its gaps and its numbers of decimals reach.

    Args:
        values: Cells, empty where missing.
        target: 0, 1, or NaN for rows that do not count.
    """
    use = np.isfinite(target)
    y = target[use].astype(bool)
    if min(y.sum(), (~y).sum()) < 2:
        return 0.5
    text = [v.strip() for v, used in zip(values, use, strict=True) if used]
    best = 0.5
    numbers = _numbers(text)
    known = np.isfinite(numbers)
    as_numbers = known.sum() >= 0.8 * sum(map(bool, text)) and known.any()
    if as_numbers and min(y[known].sum(), (~y[known]).sum()) >= 2 and known.sum() >= 0.2 * len(text):
        area = rank_auc(numbers[known], y[known])
        best = max(best, area, 1 - area)
    categories = [_bins(numbers)] if as_numbers and len(set(text)) > _BINS else [np.array(text, dtype=object)]
    if not all(text):
        categories.append(np.array([bool(v) for v in text], dtype=object))
    if as_numbers:
        categories.append(np.array([len(v.partition(".")[2]) for v in text], dtype=object))
    return max(best, *(_out_of_fold(c, y) for c in categories))


def rank_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of scores, from mid-ranks; NaN is not allowed, both groups must be there."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    n = int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def _out_of_fold(levels: NDArray[np.object_], y: NDArray[np.bool_]) -> float:
    """Score each row by the share of 1 among rows of its level in the other folds, shrunk to the mean."""
    codes: dict[object, int] = {}
    place = np.array([codes.setdefault(level, len(codes)) for level in levels])
    if len(codes) < 2:
        return 0.5
    fold = np.empty(len(y), dtype=int)
    random = np.random.default_rng(_SEED)
    for side in (True, False):
        rows = random.permutation(np.flatnonzero(y == side))
        fold[rows] = np.arange(len(rows)) % FOLDS
    mean = float(y.mean())  # one prior for all folds: a fold's own mean would rank the folds
    hits, sizes = np.zeros((FOLDS, len(codes))), np.zeros((FOLDS, len(codes)))
    np.add.at(hits, (fold, place), y)
    np.add.at(sizes, (fold, place), 1.0)
    left_hits, left = hits.sum(0) - hits, sizes.sum(0) - sizes
    score = (left_hits + _PRIOR * mean) / (left + _PRIOR)
    return rank_auc(score[fold, place], y)


def _numbers(values: Sequence[str]) -> NDArray[np.float64]:
    """Numbers or, where most cells are dates of one form, days; NaN for the others."""
    days = dates(values)
    found: list[float | None]
    if days is not None:
        found = [None if d is None else float(d.toordinal()) for d in days]
    else:
        found = [as_number(v) for v in values]
    return np.array([np.nan if n is None else n for n in found], dtype=float)


def _bins(numbers: NDArray[np.float64]) -> NDArray[np.object_]:
    edges = np.nanquantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1])
    bins = np.searchsorted(edges, numbers)
    return np.where(np.isfinite(numbers), bins, -1).astype(object)
