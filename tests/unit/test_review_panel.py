"""The panel: diversity and fusion as published, a cascade within its budget, and what is learnt from rated items."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_server import ModelServer, Seen

from bioresearcher.cli.app import main
from bioresearcher.errors import InputError
from bioresearcher.review.panel.calibrate import FEATURES, LEAST_ITEMS, calibrate, read_rated, same_words
from bioresearcher.review.panel.cascade import choose_thresholds, run_cascade
from bioresearcher.review.panel.decide import disagreements, fused_findings, fused_label, in_numbers, stops
from bioresearcher.review.panel.diversity import focal_diversity, generalised_diversity, plurality
from bioresearcher.review.panel.fusion import fit_rule, probabilities
from bioresearcher.schemas.judgement import JudgedFinding, Judgement
from bioresearcher.schemas.panel import Calibration, RatedFinding, RatedItem, RatedReview
from bioresearcher.schemas.review import METRICS, Metric, Review

PROTOCOL = "# Stocks\n\n1. Dissolve 1 g chloramphenicol in 40 ml ethanol for a stock of 25 mg/µl.\n2. Store it cold.\n"
UNIT = "for a stock of 25 mg/µl"


def test_diversity_is_zero_when_all_fail_together_and_one_when_none_do() -> None:
    together = np.array([[True, False, True], [True, False, True]])
    apart = np.array([[True, False, False], [False, True, False]])
    assert generalised_diversity(together) == 0
    assert generalised_diversity(apart) == 1
    assert focal_diversity(together) == 0
    assert focal_diversity(np.zeros((2, 4), dtype=bool)) is None


def test_focal_diversity_by_hand() -> None:
    # model 1 fails on samples 0, 1; model 2 on 1, 2, 3. Focal 1: p1 = (1/2 + 1) / 2, p2 = 1/2: 1 - 2/3 = 1/3.
    # Focal 2: p1 = (1 + 1/2 + 1/2) / 3, p2 = 1/3: 1 - 1/2 = 1/2.
    failed = np.array([[True, True, False, False], [False, True, True, True]])
    assert focal_diversity(failed) == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_a_vote_takes_the_first_of_equal_options() -> None:
    assert plurality(np.array([[0, 2], [1, 2], [1, 0]]), 3).tolist() == [1, 2]
    assert plurality(np.array([[1], [0]]), 2).tolist() == [0]


@given(st.integers(2, 4), st.integers(0, 10_000))
def test_a_rule_gives_the_probabilities_of_the_learner(labels: int, seed: int) -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(seed)
    x = random.normal(size=(60, 3))
    y = [str(k % labels) for k in range(60)]
    p = probabilities(fit_rule(x, y), x)
    assert np.allclose(p, LogisticRegression(max_iter=2000).fit(x, y).predict_proba(x), atol=1e-6)


def test_a_rule_of_one_label_gives_it_always() -> None:
    rule = fit_rule(np.zeros((3, 2)), ["pass"] * 3)
    assert probabilities(rule, np.ones((1, 2))).tolist() == [[1.0]]


@given(st.integers(0, 10_000), st.floats(1.0, 12.0), st.integers(1, 60))
def test_a_cascade_never_exceeds_its_budget_on_samples_it_was_not_chosen_on(seed: int, budget: float, n: int) -> None:
    random = np.random.default_rng(seed)
    costs = np.array([1.0, 3.0, 8.0])
    sure, right = random.random((3, 80)), random.random((3, 80)) < 0.6
    chosen = choose_thresholds(sure, right, costs, budget)
    assert chosen.cost <= budget + 1e-9
    run = run_cascade(random.random((3, n)) * 0.3, chosen.least, costs, budget)  # much less sure than before
    assert run.cost <= budget + 1e-9
    assert run.cost == pytest.approx(np.cumsum(costs)[run.stages].mean())


def test_a_cascade_asks_on_where_the_next_is_better_and_the_budget_allows() -> None:
    sure = np.array([[0.9, 0.8, 0.2, 0.1, 0.9, 0.8, 0.2, 0.1, 0.95, 0.15]] * 2)
    right = np.array([[True, True, False, False, True, True, False, False, True, False], [True] * 10])
    rich, poor = (choose_thresholds(sure, right, np.array([1.0, 10.0]), b) for b in (6.0, 1.0))
    assert (rich.accuracy, rich.cost) == (1.0, 6.0)
    assert (poor.accuracy, poor.cost) == (0.5, 1.0)
    with pytest.raises(ValueError, match="more than the budget"):
        choose_thresholds(sure, right, np.array([1.0, 10.0]), 0.5)


def rated(n: int, seed: int = 0) -> list[RatedItem]:
    """Documents of which `small` sees the mistakes of one kind, `large` nearly all; `noise` guesses."""
    random = np.random.default_rng(seed)
    items = []
    for k in range(n):
        bad = bool(random.random() < 0.5)
        sees = {"small": random.random() < 0.75, "large": random.random() < 0.9, "noise": random.random() < 0.5}
        reviews = {}
        for name, tokens in (("large", 9000), ("small", 1000), ("noise", 500)):
            fails = bad if sees[name] else not bad
            found = RatedFinding(
                quote=f"words {k} of it", problem="p", consequence="changes the result", confidence="sure", agreed=fails
            )
            reviews[name] = RatedReview(
                verdict="fail" if fails else "pass", scores={}, findings=(found,) if fails else (), tokens=tokens
            )
        items.append(RatedItem(item=f"d{k}", label="fail" if bad else "pass", reviews=reviews))
    return items


def test_with_few_rated_items_the_most_accurate_reviewer_decides_alone() -> None:
    found = calibrate(rated(LEAST_ITEMS - 1))
    assert found.decides == "single"
    assert found.order == ("large",)
    assert not found.rules
    assert "fewer than 50" in found.notes[0]
    cheap = calibrate(rated(LEAST_ITEMS - 1), budget=2000)
    assert cheap.order == ("small",)
    with pytest.raises(InputError, match="below the cheapest"):
        calibrate(rated(20), budget=100)


@pytest.mark.parametrize("budget", [1500, 4000, 8000, None])
def test_what_is_learnt_keeps_to_its_budget_and_is_no_worse_than_the_best_affordable(budget: float | None) -> None:
    items = rated(200)
    found = calibrate(items, budget)
    assert budget is None or found.expected_cost <= budget
    affordable = [a for name, a in found.accuracy.items() if budget is None or found.costs[name] <= budget]
    assert found.expected_accuracy >= max(affordable)
    assert list(found.order) == sorted(found.order, key=lambda name: found.costs[name])
    accuracies = [p.accuracy for p in found.ranking]
    assert accuracies == sorted(accuracies, reverse=True)
    assert Calibration.model_validate_json(found.model_dump_json()) == found
    if found.decides == "panel":
        reviews = [items[0].reviews[name] for name in found.order]
        assert fused_label(found, reviews)[0] in {"pass", "fail"}
        assert stops(found, reviews)


def test_rated_lines_are_refused_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "rated.jsonl"
    lines = [i.model_dump_json() for i in rated(3)]
    for text, said in (
        ("\n".join([*lines, "{}"]), "line 4: item"),
        ("\n".join([*lines, "not json"]), "line 4: is not JSON"),
        ("\n".join([*lines, lines[0]]), "stands twice"),
        ("", "no rated items"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_rated(path)


def a_review(verdict: str, score: float, *findings: JudgedFinding) -> Review:
    metrics = {m: Metric(score=score, evidence=(), reason="r") for m in METRICS}
    judgement = Judgement(kind="bench protocol", kind_reason="r", findings=findings)
    return Review.model_validate(
        {"metrics": metrics, "verdict": verdict, "origin": "model", "judgement": judgement.model_dump()}
    )


def judged(quote: str, consequence: str = "changes the result") -> JudgedFinding:
    return JudgedFinding.model_validate(
        {
            "id": "A1",
            "location": "step 1",
            "quote": quote,
            "problem": f"problem of {quote}",
            "why": "w",
            "consequence": consequence,
            "mend": "m",
            "confidence": "sure",
        }
    )


def test_findings_about_the_same_words_are_one_and_the_gravest_is_kept() -> None:
    reviews = {
        "a": a_review("revise", 3, judged("Add 5 µl of enzyme"), judged("Store it cold")),
        "b": a_review("fail", 2, judged("5 µl of enzyme", "invalidates the result")),
    }
    found, dropped = fused_findings(reviews, None)
    assert [(f.reviewers, f.consequence) for f in found] == [
        (("b", "a"), "invalidates the result"),
        (("a",), "changes the result"),
    ]
    assert dropped == []
    told = disagreements(reviews)
    assert [t.partition(":")[0] for t in told] == ["verdict", "mean score"]
    lone = disagreements(
        {"a": a_review("fail", 3), "b": a_review("fail", 3, judged("x y z", "invalidates the result"))}
    )
    assert lone == ("b holds that the result is invalid, a did not: problem of x y z",)
    assert not same_words("", "anything")


def test_a_finding_that_people_seldom_agree_with_is_left_out_and_told() -> None:
    items = []
    for k in range(60):
        findings = tuple(
            RatedFinding(quote=f"q {k}", consequence=c, confidence=s, agreed=s == "sure")
            for c, s in (("changes the result", "sure"), ("wording", "possible"))
        )
        items.append(
            RatedItem(
                item=str(k), label="pass", reviews={"a": RatedReview(verdict="pass", findings=findings, tokens=1)}
            )
        )
    calibration = calibrate(items)
    weak = judged("Store it cold", "wording").model_copy(update={"confidence": "possible"})
    found, dropped = fused_findings({"a": a_review("pass", 4, judged("Add it now"), weak)}, calibration)
    assert [f.quote for f in found] == ["Add it now"]
    assert found[0].probability is not None
    assert found[0].probability > 0.5
    assert "people agreed with" in dropped[0]
    assert in_numbers(a_review("pass", 4, weak)).findings[0].confidence == "possible"


def an_answer(model: str) -> dict[str, object]:
    grave = model == "large"
    finding = {
        "location": "step 1",
        "quote": UNIT,
        "problem": "Thousandfold.",
        "why": "1 g in 40 ml is 25 mg/ml.",
        "consequence": "invalidates the result",
        "mend": "Write mg/ml.",
        "confidence": "sure",
    }
    scores = [{"metric": m, "score": 2.0 if grave else 4.0, "quote": UNIT, "reason": "r"} for m in METRICS]
    base = {"kind": "bench protocol", "findings": [finding] if grave else [], "scores": scores, "summary": "s"}
    return base | {"most_serious": int(grave)}


def test_a_panel_without_calibration_asks_all_and_tells_where_they_disagree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.md").write_text(PROTOCOL, encoding="utf-8")
    with ModelServer(answer=lambda seen: an_answer(str(seen.body["model"])), models=("small", "large")) as server:
        where = ("--base-url", server.url, "--context", "32000", "--json", "--kind", "bench protocol")
        assert main(["review", "p.md", "--panel", "compatible:small,compatible:large", *where]) == 0
    row = json.loads(capsys.readouterr().out)
    panel = row["judgement"]["panel"]
    assert [(m["name"], m["asked"], m["verdict"]) for m in panel["members"]] == [
        ("compatible:small", True, "revise"),  # it found nothing, and disputed no error of the checks
        ("compatible:large", True, "fail"),
    ]
    assert panel["decided_by"] == "compatible:large"
    assert not panel["agree"]
    assert any(d.startswith("verdict") for d in panel["disagreements"])
    assert row["verdict"] == "fail"


def test_a_calibrated_panel_stops_when_the_cheap_reviewer_is_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.md").write_text(PROTOCOL, encoding="utf-8")
    names = ("compatible:small", "compatible:large")
    width = FEATURES
    always = {"labels": ("fail", "pass"), "weights": ((0.0,) * width, (0.0,) * width), "bias": (0.0, 4.0)}
    wide = always | {"weights": ((0.0,) * width * 2,) * 2}
    learnt = {"items": 80, "labels": ("fail", "pass"), "costs": dict.fromkeys(names, 1000), "decides": "panel"}
    learnt |= {"accuracy": dict.fromkeys(names, 0.8), "order": names, "rules": (always, wide), "quotas": (0.5, 0.5)}
    learnt |= {"thresholds": (0.9, 0.0), "expected_cost": 1500, "expected_accuracy": 0.9, "budget": 50_000}
    asked: list[str] = []

    def answer(seen: Seen) -> object:
        asked.append(str(seen.body["model"]))
        return an_answer(asked[-1])

    with ModelServer(answer=answer, models=("small", "large")) as server:
        where = ("--base-url", server.url, "--context", "32000", "--json", "--kind", "bench protocol")
        for threshold, wanted in ((0.9, ["small"]), (2.0, ["small", "large"])):
            asked.clear()
            Path("panel.json").write_text(
                Calibration.model_validate(learnt | {"thresholds": (threshold, 0.0)}).model_dump_json()
            )
            workspace = ("--workspace", f"w{threshold}", "--calibration", "panel.json")
            assert main(["review", "p.md", "--panel", ",".join(names), *workspace, *where]) == 0
            panel = json.loads(capsys.readouterr().out)["judgement"]["panel"]
            assert asked == wanted
            assert panel["decided_by"] == "learnt rule"
            assert [m["asked"] for m in panel["members"]] == [True, len(wanted) == 2]
    with ModelServer(models=("small", "large")) as server:
        where = ("--base-url", server.url, "--context", "32000")
        short = learnt | {"rules": (always | {"weights": ((0.0,), (0.0,))}, wide)}
        Path("short.json").write_text(Calibration.model_validate(short).model_dump_json())
        assert main(["review", "p.md", "--panel", ",".join(names), "--calibration", "short.json", *where]) == 2
        assert "another version" in capsys.readouterr().err
    with ModelServer(models=("a", "b")) as server:
        other = ("--panel", "compatible:a,compatible:b", "--base-url", server.url, "--context", "32000")
        assert main(["review", "p.md", "--calibration", "panel.json", *other]) == 2
    assert "which --panel does not name" in capsys.readouterr().err


def test_rated_documents_are_asked_about_and_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.md").write_text(PROTOCOL, encoding="utf-8")
    Path("b.md").write_text(PROTOCOL.replace("Stocks", "Other stocks"), encoding="utf-8")
    Path("rated.csv").write_text("file,label\na.md,fail\nb.md,fail\n", encoding="utf-8")
    with ModelServer(answer=lambda seen: an_answer(str(seen.body["model"])), models=("small", "large")) as server:
        where = ("--base-url", server.url, "--context", "32000")
        assert main(["review", "calibrate", "rated.csv", "--panel", "compatible:small,compatible:large", *where]) == 0
    out = capsys.readouterr().out
    assert "decides: compatible:large" in out
    found = Calibration.model_validate_json(Path("panel.json").read_bytes())
    assert found.accuracy == {"compatible:small": 0.0, "compatible:large": 1.0}
    assert min(found.costs.values()) > 500
    assert main(["review", "calibrate", "rated.jsonl"]) == 0
    assert main(["review", "calibrate", "rated.csv"]) == 2


@pytest.mark.parametrize("panel", ["one", "a,a", "a,,b"])
def test_a_panel_needs_different_names(panel: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.md"
    path.write_text(PROTOCOL, encoding="utf-8")
    assert main(["review", str(path), "--panel", panel]) == 2
    assert "two or more different models" in capsys.readouterr().err
