"""The reviewer tells clean protocols from broken ones: a sample of the benchmark of `benchmarks/review`."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "review"
sys.path.append(str(BENCH))

from defects import DEFECTS, HELD_OUT  # noqa: E402 - the folder has to be on the path first
from fresh import FRESH, UNSEEN  # noqa: E402
from material import NAMES, load, untagged  # noqa: E402
from score import by_check, cases, worded_cases  # noqa: E402

from bioresearcher.review.calibration.agreement import collapse_warnings  # noqa: E402
from bioresearcher.review.checks import run_checks  # noqa: E402
from bioresearcher.review.metrics import review_by_rule  # noqa: E402
from bioresearcher.review.reading.text import protocol_from_text  # noqa: E402


@pytest.mark.parametrize("name", NAMES)
def test_clean_protocols_of_seven_fields_have_no_error_and_no_warning(name: str) -> None:
    m = load(name)
    assert [f for f in run_checks(m.protocol, m.context) if f.severity != "note"] == []
    read, _ = protocol_from_text(m.text, name)
    assert [f for f in run_checks(read) if f.severity != "note"] == []
    assert review_by_rule(m.protocol, m.context).verdict == "pass"


def test_the_benchmark_is_as_large_as_it_says() -> None:
    assert len(NAMES) >= 6
    assert len({d.kind for d in DEFECTS}) >= 45
    assert {d.kind for d in DEFECTS} > HELD_OUT
    assert all("[[" not in untagged(load(n).source) for n in NAMES)


def test_defects_are_found_and_lower_the_metric_they_concern() -> None:
    found = list(cases([load("knockdown")]))
    assert len(found) > 100
    assert fmean(c.found for c in found) >= 0.9
    assert fmean(c.lowered for c in found) >= 0.9
    clean = [review_by_rule(m.protocol, m.context) for m in map(load, NAMES)]
    blatant = [c.after.metrics[c.defect.metric].score for c in found if c.strength == 3]
    assert collapse_warnings([m.score for r in clean for m in r.metrics.values()], blatant) == ()
    tallies = by_check(found)
    assert sum(t.wrong for t in tallies.values()) <= 0.03 * sum(t.right for t in tallies.values())


def test_other_wordings_are_counted_apart() -> None:
    assert set(FRESH) == set(UNSEEN)
    found = list(worded_cases(UNSEEN, [load("survival")]))
    assert len(found) > 30
    assert fmean(c.found for c in found) > 0.4
    assert all(c.before.verdict == "pass" for c in found)
