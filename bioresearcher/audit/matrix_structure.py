"""Structure of values by groups of samples: leading components, measured sex, and tissues that lie elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from bioresearcher.audit.matrix_groups import Grouping, aligned, eta_squared
from bioresearcher.audit.matrix_scale import scale_of
from bioresearcher.audit.tables import FactDraft, Matrix, Sheet, behind
from bioresearcher.schemas.facts import FactNumber

_SHOWN_BY = "audit.matrix_structure"
_MAX_FEATURES = 3_000
_LEADING = 5
_BETWEEN = 0.3
"""Least adjusted share of a component's variance between levels that is stated."""
_Y_GENES = ("RPS4Y1", "DDX3Y", "KDM5D", "EIF1AY", "UTY", "USP9Y", "ZFY", "TXLNGY", "NLGN4Y", "TMSB4Y")
_NORMAL = re.compile(r"(?i)\b(normal|healthy|benign|adjacent|non[- ]?tumou?r(al)?)\b")
_TUMOUR = re.compile(r"(?i)\b(tumou?rs?|cancers?|carcinomas?|adenocarcinomas?|malignant|neoplasms?|metasta\w+)\b")
_MALE = re.compile(r"(?i)^(m|male|man|men|boy)$")
_FEMALE = re.compile(r"(?i)^(f|female|woman|women|girl)$")


@dataclass(frozen=True)
class Components:
    """Scores of the samples on leading components (samples × components) and their shares of the variance."""

    scores: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]


def logarithms(values: npt.NDArray[np.float32], whole: bool) -> npt.NDArray[np.float32]:
    """Return values on a logarithmic scale: log2(x + 1) of counts and intensities, others as they are."""
    known = values[np.isfinite(values)]
    if known.size and known.min() >= 0 and (whole or scale_of(values).kind in ("counts", "linear")):
        logs: npt.NDArray[np.float32] = np.log2(np.maximum(values, 0) + 1)
        return logs
    return values


def components(logs: npt.NDArray[np.float32]) -> Components | None:
    """Compute the leading components of at most 3,000 features of highest variance; missing values lie at the mean.

    Features missing in more than half of the samples are left out. None with fewer than 6 samples or 20 features.
    """
    n = logs.shape[1]
    usable = np.flatnonzero(np.isfinite(logs).sum(1) >= max(2, 0.5 * n))
    if n < 6 or len(usable) < 20:
        return None
    parts = np.array_split(usable, 1 + len(usable) // 2_000)  # so that temporaries stay small
    variance = np.concatenate([np.nanvar(logs[part], axis=1) for part in parts])
    chosen = usable[np.argsort(-variance, kind="stable")[:_MAX_FEATURES]]
    part = logs[chosen].astype(np.float64)
    part -= np.nanmean(part, axis=1, keepdims=True)
    part = np.where(np.isfinite(part), part, 0.0)
    part -= part.mean(1, keepdims=True)
    power, vectors = np.linalg.eigh(part.T @ part)
    power, vectors = power[::-1], vectors[:, ::-1]
    total = float(power.clip(0).sum())
    if total <= 0:
        return None
    kept = min(_LEADING, n - 1)
    return Components(vectors[:, :kept] * np.sqrt(power[:kept].clip(0)), power[:kept].clip(0) / total)


def batch_facts(
    dataset: str,
    logs: npt.NDArray[np.float32],
    as_given: npt.NDArray[np.float32],
    groups: Sequence[Grouping],
) -> list[FactDraft]:
    """State how much of the leading components lies between series in names and between technical levels.

    Args:
        dataset: Its id.
        logs: Values on a logarithmic scale, those that were filled in as nan.
        as_given: The same with the values that were filled in; the same array when there are none.
        groups: Divisions of the samples; never by time, event or outcome.
    """
    technical = [g for g in groups if g.source != "study"]
    if not technical:
        return []
    parts = components(logs)
    before = components(as_given) if as_given is not logs else None
    facts = []
    for group in technical:
        fact = _component_fact(dataset, group, parts, before)
        if fact and group.source == "name" and len(technical) == len(groups):
            fact = replace(fact, weight=2)  # no column holds the groups: the names may
        facts += [fact] if fact else []
    return facts


def _component_fact(
    dataset: str, group: Grouping, parts: Components | None, before: Components | None
) -> FactDraft | None:
    if parts is None:
        return None
    between = [eta_squared(parts.scores[:, k], group.of) for k in range(parts.scores.shape[1])]
    strong = [k for k, (_, adjusted) in enumerate(between) if adjusted >= _BETWEEN and parts.shares[k] >= 0.03]
    earlier = eta_squared(before.scores[:, 0], group.of) if before is not None else None
    if not strong and (earlier is None or earlier[1] < _BETWEEN):
        return None
    numbers = []
    texts = []
    for k in strong or [0]:
        eta, adjusted = between[k]
        texts.append(f"component {k + 1} ({parts.shares[k]:.0%} of the variance) {eta:.0%} (adjusted {adjusted:.0%})")
        numbers.append(FactNumber(name=f"share of component {k + 1} between levels", value=round(eta, 4)))
        numbers.append(FactNumber(name=f"share of the variance of component {k + 1}", value=round(parts.shares[k], 4)))
    given = ""
    if before is not None and earlier is not None:
        given = (
            f"; with the values filled in as they are, component 1 ({before.shares[0]:.0%} of the variance) "
            f"{earlier[0]:.0%}"
        )
        numbers.append(FactNumber(name="share of component 1 as given", value=round(earlier[0], 4)))
    weight: Literal[2, 3] = 3 if any(between[k][1] >= 0.5 and parts.shares[k] >= 0.05 for k in strong) else 2
    sizes = ", ".join(f"{level} {size}" for level, size in list(group.sizes.items())[:10])
    rows, count = behind(f"{level}: {size}" for level, size in group.sizes.items())
    without = ", values filled in taken as missing" if before is not None else ""
    return FactDraft(
        kind="batch",
        dataset=dataset,
        statement=f"Share of the leading components' variance between levels of {group.label} ({sizes})"
        f"{without}: {'; '.join(texts)}{given}.",
        consequence="If it is no group of the study, put it into the models (or analyse within its levels) and check "
        "that results do not hang on it.",
        weight=weight,
        shown_by=f"{_SHOWN_BY}.batch_facts",
        numbers=tuple(numbers),
        rows=rows,
        row_count=count,
    )


def sex_facts(dataset: str, matrix: Matrix, logs: npt.NDArray[np.float32], sheet: Sheet) -> list[FactDraft]:
    """Compare a column of sex with XIST and genes of the Y chromosome; only where these tell the sexes apart."""
    at = {feature.upper(): i for i, feature in enumerate(matrix.features)}
    y_rows = [at[g] for g in _Y_GENES if g in at]
    if "XIST" not in at and len(y_rows) < 2:
        return []
    score = _standard(logs[at["XIST"]]) if "XIST" in at else np.zeros(len(matrix.samples))
    if y_rows:
        score = score - np.nanmean([_standard(logs[i]) for i in y_rows], axis=0)
    used = (["XIST"] if "XIST" in at else []) + [g for g in _Y_GENES if g in at]
    facts = []
    for column in sheet.columns if sheet.ids else ():
        labels = aligned(sheet, column, matrix.samples)
        female = np.array([bool(_FEMALE.match(one)) for one in labels])
        male = np.array([bool(_MALE.match(one)) for one in labels])
        if min(female.sum(), male.sum()) < 3 or female.sum() + male.sum() < 0.9 * sum(map(bool, labels)):
            continue
        fact = _sex_fact(dataset, matrix, column, score, female, male, used)
        facts += [fact] if fact else []
    return facts


def _standard(row: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Centre a gene between its quartile-like extremes, so that genes of different levels weigh the same."""
    low, high = np.nanquantile(row.astype(np.float64), (0.1, 0.9))
    return (row - (low + high) / 2) / (high - low) if high > low else np.zeros(len(row))


def _sex_fact(
    dataset: str,
    matrix: Matrix,
    column: str,
    score: npt.NDArray[np.float64],
    female: npt.NDArray[np.bool_],
    male: npt.NDArray[np.bool_],
    used: Sequence[str],
) -> FactDraft | None:
    known = np.isfinite(score)
    f, m = float(np.nanmedian(score[female])), float(np.nanmedian(score[male]))
    if f <= m:
        return None
    middle, quarter = (f + m) / 2, (f - m) / 4
    right = np.r_[score[female & known] > middle, score[male & known] < middle].mean()
    near = np.r_[score[female & known] - f, score[male & known] - m]
    if right < 0.85 or np.median(np.abs(near)) > quarter / 2:
        return None
    wrong = np.flatnonzero(known & ((female & (score < m + quarter)) | (male & (score > f - quarter))))
    unclear = np.flatnonzero(known & (female | male) & (score >= m + quarter) & (score <= f - quarter))
    unlabelled = np.flatnonzero(known & ~female & ~male)
    if not len(wrong) and not len(unlabelled):
        return None
    texts = [f"{matrix.samples[j]} labelled {'female' if female[j] else 'male'}" for j in wrong]
    told = [
        f"{matrix.samples[j]} without label, lies with {'females' if score[j] > middle else 'males'}"
        for j in unlabelled
        if score[j] < m + quarter or score[j] > f - quarter
    ]
    if not texts and not told:
        return None
    rows, count = behind([*texts, *told])
    return FactDraft(
        kind="contradiction",
        dataset=dataset,
        statement=(
            f"By {', '.join(used[:5])}{' …' if len(used) > 5 else ''} the sexes of column {column!r} are told apart "
            f"(labelled {int(female.sum())} female, {int(male.sum())} male, {len(unlabelled)} without a label, of "
            f"{len(matrix.samples)} samples): of the {int((female | male).sum())} with a label {len(wrong)} lie with "
            "the other sex"
            + (f" ({', '.join(texts[:8])}{', …' if len(texts) > 8 else ''})" if texts else "")
            + f" and {len(unclear)} in the middle half between the two sexes' medians; of the {len(unlabelled)} "
            f"without a label {len(told)} lie with one sex."
        ),
        consequence="A sample under the wrong name or a wrong entry: decide whether such samples are left out, and "
        "take measured sex for adjustment."
        if len(wrong)
        else "Measured sex can stand in for the missing labels.",
        weight=3 if len(wrong) else 1,
        shown_by=f"{_SHOWN_BY}.sex_facts",
        numbers=(
            FactNumber(name="with the other sex", value=len(wrong)),
            FactNumber(name="with a label, in the middle half between the medians", value=len(unclear)),
        ),
        rows=rows,
        row_count=count,
    )


def tissue_facts(
    dataset: str, matrix: Matrix, logs: npt.NDArray[np.float32], groups: Sequence[Grouping]
) -> list[FactDraft]:
    """State samples labelled normal that lie with the tumours or the reverse, where the two are well apart."""
    facts = []
    for group in groups:
        levels = [level for level, size in group.sizes.items() if size >= 4]
        normal = [level for level in levels if _NORMAL.search(level) and not _TUMOUR.search(_NORMAL.sub("", level))]
        tumour = [level for level in levels if _TUMOUR.search(_NORMAL.sub("", level)) and level not in normal]
        if group.source != "study" or len(levels) != 2 or len(normal) != 1 or len(tumour) != 1:
            continue
        fact = _tissue_fact(dataset, matrix, logs, group, normal[0], tumour[0])
        facts += [fact] if fact else []
    return facts


def _tissue_fact(
    dataset: str, matrix: Matrix, logs: npt.NDArray[np.float32], group: Grouping, normal: str, tumour: str
) -> FactDraft | None:
    complete = np.flatnonzero(np.isfinite(logs).all(1))
    if len(complete) < 50:
        return None
    variance = logs[complete].var(1)
    part = logs[complete[np.argsort(-variance, kind="stable")[:1_000]]].astype(np.float64)
    a, b = group.members(normal), group.members(tumour)
    own, other = {}, {}
    for members, others in ((a, b), (b, a)):
        total, far = part[:, members].sum(1), part[:, others].mean(1)
        for j in members:
            own[int(j)] = float(np.linalg.norm(part[:, j] - (total - part[:, j]) / (len(members) - 1)))
            other[int(j)] = float(np.linalg.norm(part[:, j] - far))
    wrong = [j for j in own if other[j] < 0.9 * own[j]]
    if not wrong or len(wrong) > 0.1 * len(own) or sum(own[j] < other[j] for j in own) < 0.9 * len(own):
        return None
    texts = [
        f"{matrix.samples[j]} labelled {group.of[j]} (distances: own {own[j]:.3g}, other {other[j]:.3g})"
        for j in sorted(wrong, key=lambda j: other[j] / own[j])
    ]
    rows, count = behind(texts)
    return FactDraft(
        kind="contradiction",
        dataset=dataset,
        statement=f"{len(wrong)} of {len(own)} samples of {group.name!r} lie with the other group: "
        f"{'; '.join(rows[:6])}.",
        consequence="The label, the tissue's purity or the sample may be wrong: show results without them, too.",
        weight=2,
        shown_by=f"{_SHOWN_BY}.tissue_facts",
        numbers=(FactNumber(name="samples with the other group", value=len(wrong)),),
        rows=rows,
        row_count=count,
    )
