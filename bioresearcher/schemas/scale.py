"""Scale of a matrix's values: one rule for the loader, the audit, GEO's files and the skills.

Counts stay counts when a few have decimals (Salmon, RSEM, kallisto); FPKM and TPM are not logarithms, however small
they are; zeros below a gap are values that were not quantified. The limit between logarithms and others is GEO2R's
(Barrett et al. 2013, Nucleic Acids Res. 41:D991), without its exception for a lower quartile of 0, which takes FPKM of
many silent genes for logarithms. The skills have a copy of this file (`agents/skills/_lib/bioscale.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

LEAST_VALUES = 20
"""Fewer values say nothing about a scale."""
_COUNTS = re.compile(r"count|htseq|featurecounts|readspergene|numreads|expected_?reads|(?<![a-z])reads(?![a-z])")
_RATES = re.compile(r"(?<![a-z])(fpkm|rpkm|tpm|cpm)s?(?![a-z])|fpkm|rpkm")
_INTENSITIES = re.compile(
    r"(?<![a-z])(lfq|ibaq|maxlfq|intensit(y|ies)|abundances?|peak_?areas?|proteingroups)(?![a-z])"
)
_LOGS = re.compile(r"log|(?<![a-z])(rma|gcrma|vst|rlog|voom|z_?scores?)(?![a-z])")
_NORMALISED = re.compile(r"norm|(?<![a-z])(tmm|vst|rlog|adjusted|corrected|batch)(?![a-z])|scaled(?<!length.scaled)")
_FEW_NEGATIVE = 0.01
"""Share of negative values up to which whole numbers are counts with mistakes; old arrays' differences have more."""
_STANDARD = 0.02
"""Most by which mean and standard deviation of standardised values are off 0 and 1."""
_FEW_REPEATS = 0.2
"""Share of whole numbers from which values with decimals are counts: one decimal alone makes a tenth of them whole."""


class Scale(NamedTuple):
    """Scale of a matrix.

    Attributes:
        kind: `counts`, `linear` (rates, intensities), `log2`, `shares` (0 to 1), or empty when nothing can be said.
        why: The reason, from the values or from names.
        sure: False if the values allow another reading that an analysis would treat otherwise.
        zeros_missing: Whether zeros stand for values that were not quantified.
    """

    kind: str
    why: str
    sure: bool = True
    zeros_missing: bool = False


def judge_scale(values: Iterable[float], names: str = "", sums: Sequence[float] = ()) -> Scale:
    """Judge the scale of values.

    Args:
        values: The values or many of them, in any order; not finite ones are left out.
        names: Names that may tell the scale: of the file and of its columns' prefixes.
        sums: Sums of the samples, to recognise parts per million and different depths.
    """
    known = sorted(v for v in values if math.isfinite(v))
    if len(known) < LEAST_VALUES:
        return Scale("", "too few values", sure=False)
    word = re.sub(r"[^a-z0-9]+", "_", names.lower())
    if known[0] < 0:
        return _with_negative(known, word)
    return _from_zero(known, word, [s for s in sums if s > 0])


def _at(known: Sequence[float], share: float) -> float:
    return known[int(share * (len(known) - 1))]


def _with_negative(known: Sequence[float], word: str) -> Scale:
    low, quarter, high, top = (_at(known, q) for q in (0, 0.25, 0.99, 1))
    why = f"values looked at ({low:g} to {top:g}), 99th percentile {high:g}"
    below = sum(v < 0 for v in known)
    called = _COUNTS.search(word) is not None and not _NORMALISED.search(word) and not _LOGS.search(word)
    if (called or below <= _FEW_NEGATIVE * len(known)) and _is_count([v for v in known if v > 0], word, top):
        return Scale("counts", f"{why}: counts, but for {below} below 0, which no count can be", sure=False)
    middle = math.fsum(known) / len(known)
    spread = math.sqrt(math.fsum((v - middle) ** 2 for v in known) / len(known))
    if abs(middle) < _STANDARD and abs(spread - 1) < _STANDARD:
        why += "; mean 0 and standard deviation 1, so that their unit is standard deviations, not log2"
    if high > 100 or (top - low > 50 and quarter > 0):
        return Scale("linear", f"{why}: too large for logarithms")
    return Scale("log2", f"{why}: logarithms or ratios", sure=top - low <= 50)


def _from_zero(known: Sequence[float], word: str, sums: Sequence[float]) -> Scale:
    positive = [v for v in known if v > 0]
    if not positive:
        return Scale("", "all values are 0", sure=False)
    least, middle, high, top = positive[0], _at(positive, 0.5), _at(known, 0.99), known[-1]
    zeros = len(known) - len(positive)
    why = f"values looked at ({known[0]:g} to {top:g})"
    if top <= 1:
        return Scale("shares", why, sure=len(set(positive)) > 2)
    if _LOGS.search(word) and top <= 50:
        return Scale("log2", f"the name says so, and {why} fit", zeros_missing=zeros > 0 and least >= 8)
    if _is_intensity(word, least, middle, top):
        gap = zeros > 0 and (least >= 100 or _INTENSITIES.search(word) is not None) and top > 50
        return Scale(
            "linear" if top > 50 else "log2",
            f"{why}, the smallest above 0 being {least:g}: intensities",
            zeros_missing=gap or (zeros > 0 and top <= 50 and least >= 8),
        )
    if _is_count(positive, word, top):
        small = least <= 16 or zeros > 0 or len(known) < 2_000
        decimals = any(not v.is_integer() for v in positive)
        what = "estimated counts with decimals" if decimals else "whole numbers, as counts"
        return Scale("counts", f"{why}, {what}", sure=small or _COUNTS.search(word) is not None)
    return _rates_or_logs(positive, word, sums, (zeros, high, top), why)


def _is_intensity(word: str, least: float, middle: float, top: float) -> bool:
    """Tell intensities of mass spectrometers: named so, or without the small values that counts and rates have."""
    if _INTENSITIES.search(word) and not _COUNTS.search(word):
        return True
    return (top > 50 and least >= 1_000) or (top > 1e8 and middle > 1e4) or (20 < top <= 50 and least >= 8)


def _is_count(positive: Sequence[float], word: str, top: float) -> bool:
    named = _COUNTS.search(word) is not None and not _NORMALISED.search(word) and not _RATES.search(word)
    if all(v.is_integer() for v in positive):
        return top > 2 and not _RATES.search(word)
    if top <= 50:
        return False
    if named:
        return True
    part = [v for v in positive if 1 < v < 10_000]
    whole = sum(v.is_integer() for v in part)
    return len(part) >= LEAST_VALUES and whole >= _FEW_REPEATS * len(part) and not _RATES.search(word)


def _rates_or_logs(
    positive: Sequence[float], word: str, sums: Sequence[float], seen: tuple[int, float, float], why: str
) -> Scale:
    zeros, high, top = seen
    middle = _at(positive, 0.5)
    if len(sums) > 1 and all(0.98e6 < s < 1.02e6 for s in sums):
        return Scale("linear", f"{why}, every sample sums to a million")
    if top > 50 or high > 100:
        stated = _RATES.search(word) or _NORMALISED.search(word)
        deep = zeros > 0 and bool(sums) and max(sums) > 2 * min(sums) and positive[0] < 16
        text = f"{why} are too large for logarithms"
        if deep and not stated:
            return Scale("linear", f"{text}; rates or estimated counts of different depth", sure=False)
        return Scale("linear", text)
    if top > 25 and middle < top / 8:
        return Scale("linear", f"{why}, half of those above 0 below {middle:.3g}: too skewed for logarithms")
    if _RATES.search(word):
        return Scale("linear", f"the name says a rate, {why}", sure=top > 20 or (zeros > 0 and middle < 1))
    if zeros > 0.05 * len(positive) and middle < top / 15:
        return Scale("log2", f"{why}; also small rates (FPKM, TPM) look like this", sure=False)
    return Scale("log2", f"{why}, 99th percentile {high:g}: small enough for logarithms")
