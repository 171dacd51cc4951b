"""One rule for the scale of a matrix: counts with decimals, rates, intensities, logarithms, and their copies."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from bioresearcher.audit.matrix_scale import kind_of_scale
from bioresearcher.schemas import scale
from bioresearcher.schemas.scale import judge_scale

LIBRARY = Path(__file__).resolve().parents[2] / "agents" / "skills" / "_lib"
RNG = np.random.default_rng(20260916)
COUNTS = RNG.negative_binomial(1, 0.004, (800, 8)).astype(float)
ESTIMATED = np.where(RNG.random(COUNTS.shape) < 0.5, COUNTS, np.round(COUNTS * 1.013, 3))
FPKM = np.where(RNG.random((800, 8)) < 0.3, 0, np.round(RNG.lognormal(0.5, 1.4, (800, 8)), 3))
LFQ = np.where(RNG.random((300, 8)) < 0.2, 0, np.round(2 ** RNG.normal(26, 2.5, (300, 8))))
ARRAY = np.round(RNG.normal(8, 2, (800, 8)).clip(2.5, 15), 3)


def judged(values: np.ndarray, names: str = "") -> scale.Scale:
    return judge_scale(values.ravel().tolist(), names, values.sum(axis=0).tolist())


def test_the_skills_have_this_very_rule() -> None:
    assert (LIBRARY / "bioscale.py").read_bytes() == Path(scale.__file__).read_bytes()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (COUNTS, "counts"),
        (ESTIMATED, "counts"),
        (FPKM, "linear"),
        (FPKM / FPKM.sum(axis=0) * 1e6, "linear"),
        (LFQ, "linear"),
        (np.log2(LFQ + 1), "log2"),
        (np.log2(COUNTS + 1), "log2"),
        (ARRAY, "log2"),
        (ARRAY - ARRAY.mean(axis=1, keepdims=True), "log2"),
        (np.round(2**ARRAY, 1), "linear"),
        (np.round(RNG.beta(0.5, 0.5, (500, 8)), 4), "shares"),
    ],
)
def test_values_have_the_scale_they_were_made_on(values: np.ndarray, kind: str) -> None:
    found = judged(values)
    assert (found.kind, found.sure) == (kind, True)


def test_the_audit_says_the_same() -> None:
    assert "counts" in kind_of_scale(ESTIMATED.astype(np.float32))[0]
    assert "not logarithms" in kind_of_scale(FPKM.astype(np.float32))[0]


def test_zeros_of_intensities_are_gaps_and_zeros_of_counts_and_rates_are_values() -> None:
    assert judged(LFQ).zeros_missing
    assert judged(np.log2(LFQ + 1)).zeros_missing
    assert not judged(COUNTS).zeros_missing
    assert not judged(FPKM).zeros_missing


def test_a_name_settles_the_values_leave_open() -> None:
    scaled = np.round(COUNTS * np.array([1, 1, 1, 1, 3, 3, 3, 3]) * 1.0137, 4) + 0.0001
    scaled[COUNTS == 0] = 0
    assert not judged(scaled).sure
    assert judged(scaled, "salmon.merged.gene_counts_length_scaled.tsv")[::2] == ("counts", True)
    assert judged(scaled, "GSE1_normalized_counts.txt.gz")[::2] == ("linear", True)
    assert judged(scaled, "genes_FPKM.tsv")[::2] == ("linear", True)


def test_few_values_say_nothing() -> None:
    assert judge_scale([1.0, 2.0]).kind == ""


def test_standardised_values_are_told_from_log2_and_a_range_is_that_of_what_was_looked_at() -> None:
    drawn = random.Random(7)
    found = judge_scale([drawn.gauss(0, 1) for _ in range(2_000)])
    assert "values looked at (" in found.why
    assert "their unit is standard deviations, not log2" in found.why
    assert "standard deviations" not in judge_scale([drawn.gauss(0, 2) for _ in range(2_000)]).why


def test_whole_numbers_below_0_among_counts_are_no_logarithms_and_no_intensities() -> None:
    wrong = COUNTS.copy()
    wrong[5, 3] = -7
    found = judged(wrong)
    assert found[::2] == ("counts", False)
    assert "1 below 0, which no count can be" in found.why
    many = COUNTS - 60  # differences of old arrays are whole numbers, too, and many of them lie below 0
    assert judged(many).kind == "linear"
    assert judged(many, "counts.csv")[::2] == ("counts", False)
