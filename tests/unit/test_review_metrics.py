"""Scores by rule: they spread, they rest on evidence, and the verdict follows written thresholds."""

from __future__ import annotations

import pytest
import review_support as S

from bioresearcher.review.checks import CHECKS
from bioresearcher.review.metrics import (
    FAIL_LOWEST,
    FAIL_MEAN,
    PASS_LOWEST,
    PASS_MEAN,
    RUBRIC,
    decide_verdict,
    review_by_rule,
    rubric_text,
)
from bioresearcher.review.reading.text import protocol_from_text
from bioresearcher.schemas.protocol import Protocol, ProtocolPart
from bioresearcher.schemas.review import METRICS, CheckFinding, Metric


def scores(protocol: Protocol) -> dict[str, float]:
    return {name: m.score for name, m in review_by_rule(protocol).metrics.items()}


@pytest.mark.parametrize(
    "text", ["Analyse the data.", "Do RNA-seq.", "Find the genes and validate them.", "分析数据。"]
)
def test_a_one_line_protocol_scores_near_one_and_fails(text: str):
    review = review_by_rule(protocol_from_text(text, "line.txt")[0])
    assert all(m.score < 2.2 for m in review.metrics.values())
    assert review.mean_score < 1.6
    assert review.verdict == "fail"


def test_a_good_protocol_scores_four_to_five_and_passes():
    review = review_by_rule(S.clean_protocol(), S.context())
    assert all(m.score >= 4 for m in review.metrics.values())
    assert review.verdict == "pass"
    assert review.origin == "offline"


@pytest.mark.parametrize(("text", "name"), [(S.CLEAN_WET, "wet.md"), (S.CLEAN_TEXT, "fasting.txt")])
def test_good_protocols_in_words_pass_too(text: str, name: str):
    review = review_by_rule(protocol_from_text(text, name)[0])
    assert review.verdict == "pass"
    assert review.mean_score >= 3.5


def test_a_protocol_without_steps_gets_the_lowest_scores():
    empty = Protocol(id="x", title="x", objective_id="", parts=(), origin="offline")
    bare = empty.model_copy(update={"parts": (ProtocolPart(id="1", title="Part", purpose=""),)})
    for protocol in (empty, bare):
        review = review_by_rule(protocol)
        assert review.verdict == "fail"
        assert review.mean_score < 1.6


def test_every_score_rests_on_words_or_measures_and_names_its_level():
    for protocol in (S.clean_protocol(), protocol_from_text("Analyse the data.", "x.txt")[0]):
        review = review_by_rule(protocol)
        assert set(review.metrics) == set(METRICS)
        for name, m in review.metrics.items():
            assert any("“" in e or " of " in e for e in m.evidence)
            assert "Nearest to level" in m.reason
            assert RUBRIC[name].anchors[min(5, max(1, round(m.score))) - 1] in m.reason


def test_the_review_says_that_no_model_took_part_and_what_was_not_applied():
    review = review_by_rule(S.clean_protocol())
    assert "nobody judged the science" in review.summary
    assert "not applied" in review.summary
    assert "not judged by rule" in review.metrics["correctness"].reason


def test_correctness_cannot_be_best_where_nobody_knows_what_was_retrieved():
    known, unknown = review_by_rule(S.clean_protocol(), S.context()), review_by_rule(S.clean_protocol())
    assert unknown.metrics["correctness"].score <= 4.2 < known.metrics["correctness"].score
    assert "level 5 cannot be reached" in unknown.metrics["correctness"].reason
    assert "requirements were not checked" in unknown.metrics["completeness"].reason


def test_removing_steps_fields_one_after_the_other_lowers_completeness_each_time():
    p = S.clean_protocol()
    last = scores(p)["completeness"]
    for lost in ({"acceptance": ""}, {"outputs": ()}, {"inputs": (), "datasets": ()}):
        parts = tuple(
            part.model_copy(update={"steps": tuple(s.model_copy(update=lost) for s in part.steps)}) for part in p.parts
        )
        p = p.model_copy(update={"parts": parts})
        now = scores(p)["completeness"]
        assert now < last
        last = now


def test_five_hundred_steps_are_reviewed_and_their_scores_are_finite():
    step = S.clean_protocol().parts[1].steps[0]
    steps = tuple(
        step.model_copy(update={"id": f"1.{n}", "action": f"{step.action} Repeat it for subset {n} of the samples."})
        for n in range(1, 501)
    )
    part = S.clean_protocol().parts[0].model_copy(update={"steps": steps})
    protocol = S.clean_protocol().model_copy(update={"parts": (part,), "coverage": ()})
    review = review_by_rule(protocol, S.context())
    assert all(1 <= m.score <= 5 for m in review.metrics.values())


def _metrics(*values: float) -> tuple[Metric, ...]:
    return tuple(Metric(score=v, evidence=("x",), reason="x") for v in values)


def _error(location: str) -> CheckFinding:
    return CheckFinding(gate="G-REF-06", severity="error", location=location, message="m")


def test_the_verdict_follows_the_written_thresholds():
    good = _metrics(4, 4, 4, 4, 4)
    assert decide_verdict(good, (), steps=10) == "pass"
    assert decide_verdict(good, (_error("step 1.1"),), steps=10) == "revise"
    assert decide_verdict(good, tuple(_error(f"step 1.{n}") for n in range(4)), steps=10) == "fail"
    assert decide_verdict(_metrics(*[PASS_MEAN - 0.01] * 5), (), steps=10) == "revise"
    assert decide_verdict(_metrics(5, 5, 5, 5, PASS_LOWEST - 0.01), (), steps=10) == "revise"
    assert decide_verdict(_metrics(*[FAIL_MEAN - 0.01] * 5), (), steps=10) == "fail"
    assert decide_verdict(_metrics(5, 5, 5, 5, FAIL_LOWEST - 0.01), (), steps=10) == "fail"


def test_the_rubric_has_five_different_anchors_for_each_metric():
    for name in METRICS:
        assert len(set(RUBRIC[name].anchors)) == 5
    text = rubric_text()
    assert all(anchor in text for c in RUBRIC.values() for anchor in c.anchors)
    assert rubric_text(("correctness",)).count("###") == 1


def test_every_check_concerns_a_metric_of_the_rubric():
    assert {g.metric for g in CHECKS} == set(METRICS)
