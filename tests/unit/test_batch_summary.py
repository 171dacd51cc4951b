"""The summary of a batch and the comparison of two: numbers against scipy and by hand, and every form of them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import batch_support as made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.summary import (
    Comparison,
    Summary,
    compare,
    find_batch,
    mean_interval,
    ratio_interval,
    sign_flip_p,
    summarise,
)
from bioresearcher.batch.summary_output import as_csv, as_html, write_summary
from bioresearcher.cli.app import main
from bioresearcher.errors import InputError, RunFolderError


@pytest.fixture
def folder(tmp_path: Path) -> BatchFolder:
    """Three objectives, three repeats: one mixed, one that fails, one of unknown cost."""
    one, two, three = entries = [made.entry(name) for name in ("one", "two", "three")]
    batch = made.batch(tmp_path / "batches" / "first", entries, repeats=3)
    for repeat, verified in enumerate((2, 4, 3), start=1):
        made.ran(batch, one, repeat, made.totals(4, 4, verified), score=2 + repeat)
        made.ran(batch, two, repeat, made.totals(0, 0, 0), score=None, status="failed")
    made.ran(batch, three, 1, made.totals(2, 1, 0, cost_usd=None))
    made.ran(batch, three, 2, made.totals(2, 1, 0, cost_usd=1.0), status="stopped")
    return batch


def test_a_summary_counts_what_is_there_and_says_what_is_not_known(folder: BatchFolder) -> None:
    summary = summarise(folder)
    one, two, three = summary.objectives
    assert (one.tasks, one.verified, one.done, one.outcomes) == (12, 9, 3, {"bad_output": 3, "verified": 9})
    assert one.figures["verified"].value == 0.75
    low, high = one.figures["verified"].low, one.figures["verified"].high
    assert low is not None
    assert high is not None
    assert (low, high) == pytest.approx((0.5, 1.0))
    assert (one.cost_usd, one.cost_per_verified_usd, one.tokens) == (1.5, 1.5 / 9, 3000)
    assert one.figures["correctness"].value == 4
    assert (two.failed, two.figures["verified"].value, two.figures["completeness"].n) == (3, None, 0)
    assert (three.not_begun, three.stopped, three.cost_usd, three.cost_per_verified_usd) == (1, 1, None, None)
    assert (three.figures["cost_usd"].value, three.figures["execution"].value) == (None, 0.5)
    all_ = summary.overall
    assert (all_.runs, all_.done, all_.failed, all_.stopped, all_.not_begun) == (9, 4, 3, 1, 1)
    assert (all_.figures["verified"].value, all_.figures["verified"].n) == (0.375, 2)
    assert (all_.figures["verified"].low, all_.figures["verified"].high) == (0, 0.75)
    assert (all_.cost_usd, all_.figures["cost_usd"].value, all_.cost_per_verified_usd) == (None, None, None)
    assert any("All runs gave the same" in note and "two" in note for note in summary.notes)


def test_one_repeat_has_no_interval_and_says_so(tmp_path: Path) -> None:
    entries = [made.entry(name) for name in ("a", "b")]
    batch = made.batch(tmp_path / "b", entries)
    for n, one in enumerate(entries):
        made.ran(batch, one, 1, made.totals(4, 3, n))
    summary = summarise(batch)
    assert {(f.low, f.high) for row in summary.objectives for f in row.figures.values()} == {(None, None)}
    assert summary.overall.figures["verified"].low == 0
    assert "no interval per objective" in summary.notes[0]


def test_odd_folders_are_said_and_harm_nothing(tmp_path: Path, folder: BatchFolder) -> None:
    one = made.entry("one")
    review = folder.run_folder("one", 1, one.digest) / "review.json"
    review.write_text('{"metrics": 3}')
    lines = folder.path("outcomes.jsonl").read_text().splitlines()
    outside = json.loads(lines[-1]) | {"run": "../../elsewhere"}
    changed = json.loads(lines[2]) | {"digest": "0" * 16}
    folder.path("outcomes.jsonl").write_text("\n".join([*lines, "{torn", json.dumps(outside), json.dumps(changed)]))
    notes = " ".join(summarise(folder).notes)
    assert "is not a valid Review" in notes
    assert "is not in the batch's folder" in notes
    assert "one #2 was changed since it ran and is left out." in notes
    with pytest.raises(RunFolderError, match="there is no batch nowhere"):
        find_batch(Path("nowhere"), tmp_path)
    empty = made.batch(tmp_path / "empty", [made.entry("x")])
    assert summarise(empty).overall.not_begun == 1
    assert as_html(summarise(empty)).count("No task was reached") == 1


def test_every_form_has_the_same_numbers(
    folder: BatchFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_summary(folder)
    summary = Summary.model_validate_json(folder.path("summary.json").read_bytes())
    rows = list(csv.DictReader(io.StringIO(folder.path("summary.csv").read_text())))
    assert [row["id"] for row in rows] == ["one", "two", "three", "all objectives"]
    assert float(rows[0]["verified_mean"]) == summary.objectives[0].figures["verified"].value
    assert (rows[1]["verified_mean"], rows[2]["cost_usd"], rows[0]["tasks_verified"]) == ("", "", "9")
    page = folder.path("summary.html").read_text()
    assert "75 %" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert re.search(r"style-src &#39;sha256-|style-src 'sha256-", page)
    for form, begins in (("csv", "id,runs"), ("json", "{"), ("html", "<!DOCTYPE html>"), ("table", "batch first")):
        code = main(["batch", "summary", "first", "--workspace", str(tmp_path), "--format", form])
        said = capsys.readouterr().out
        assert code == 0
        assert said.lstrip().startswith(begins)
    assert as_csv(summary) == folder.path("summary.csv").read_text()
    assert main(["batch", "summary", "none", "--workspace", str(tmp_path)]) == 2


def test_what_people_wrote_is_escaped(tmp_path: Path) -> None:
    hostile = made.batch(tmp_path / "<script>alert(1)</script>\u202e", [made.entry("x")])
    page = as_html(summarise(hostile))
    assert "<script" not in page
    assert "\u202e" not in page


def second_batch(tmp_path: Path) -> BatchFolder:
    entries = [made.entry("one"), made.entry("two", conditions=("changed",)), made.entry("four")]
    batch = made.batch(tmp_path / "batches" / "second", entries, repeats=2)
    for repeat in (1, 2):
        made.ran(batch, entries[0], repeat, made.totals(4, 4, 4, cost_usd=0.25), score=5)
        made.ran(batch, entries[1], repeat, made.totals(2, 2, 2))
    made.ran(batch, entries[2], 1, made.totals(1, 1, 1))
    return batch


def test_batches_are_compared_in_pairs(folder: BatchFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compare(folder, second_batch(tmp_path))
    assert (comparison.unit, comparison.pairs, comparison.objectives) == ("objective", 4, 2)
    assert comparison.only_a == ("three #1", "three #2", "one #3", "two #3")
    assert (comparison.only_b, comparison.changed) == (("four #1",), ("two",))
    by = {one.measure: one for one in comparison.differences}
    assert (by["verified"].a, by["verified"].b, by["verified"].difference.value) == (0.75, 1.0, 0.25)
    assert (by["verified"].difference.n, by["verified"].p, by["verified"].more) == (1, None, 1)
    assert by["cost_usd"].difference.value == -0.125
    assert (by["cost_usd"].less, by["cost_usd"].same, by["cost_usd"].p) == (1, 1, 1.0)
    assert main(["batch", "compare", "first", "second", "--workspace", str(tmp_path), "--json"]) == 0
    assert Comparison.model_validate_json(capsys.readouterr().out).pairs == 4
    assert main(["batch", "compare", "first", "second", "--workspace", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "+25 points" in said
    assert "only in A: three #1, three #2, one #3, two #3" in said


def test_one_objective_is_compared_by_its_runs_and_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    one, other = made.entry("one"), made.entry("other")
    a, b = (made.batch(tmp_path / name, [one], repeats=4) for name in "ab")
    for repeat, (first, then) in enumerate(((1, 3), (2, 3), (1, 4), (2, 2)), start=1):
        made.ran(a, one, repeat, made.totals(4, 4, first))
        made.ran(b, one, repeat, made.totals(4, 4, then))
    comparison = compare(a, b)
    verified = next(d for d in comparison.differences if d.measure == "verified")
    assert (comparison.unit, verified.difference.n, verified.difference.value) == ("run", 4, 0.375)
    assert verified.p == 0.25  # differences 2, 1, 3, 0: four of sixteen sign patterns are as extreme
    elsewhere = made.batch(tmp_path / "c", [other])
    made.ran(elsewhere, other, 1, made.totals(1, 1, 1))
    with pytest.raises(InputError, match="no outcome of the same objective"):
        compare(a, elsewhere)


numbers = st.lists(st.integers(-30, 30).map(lambda n: n / 8), min_size=2, max_size=9)


@settings(max_examples=25)
@given(numbers)
def test_intervals_agree_with_scipys_bootstrap_and_hold_the_mean(values: list[float]) -> None:
    from scipy.stats import bootstrap

    low, high = mean_interval(values) or (0.0, 0.0)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    if len(set(values)) == 1:
        assert (low, high) == pytest.approx((values[0], values[0]))
        return
    other = bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=1).confidence_interval
    spread = max(values) - min(values)
    near = 0.06 * spread + 1e-9
    if len(set(values)) < len(values):  # means of resamples lie 1/8n apart, and with repeated values steps are empty
        near = max(near, 3 / 8 / len(values) + 1e-9)
    assert abs(low - other.low) <= near
    assert abs(high - other.high) <= near


@settings(max_examples=25)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=8))
def test_the_sign_flip_test_agrees_with_scipys_permutation_test(values: list[int]) -> None:
    from scipy.stats import permutation_test

    ours = sign_flip_p([float(v) for v in values])
    if not any(values):
        assert ours == 1.0
        return
    theirs = permutation_test(
        (values, [0] * len(values)),
        lambda x, y, axis: abs(np.mean(x - y, axis=axis)),
        permutation_type="samples", alternative="greater", n_resamples=np.inf, vectorized=True,
    )  # fmt: skip
    assert ours == pytest.approx(theirs.pvalue)


def test_many_units_are_flipped_at_random_and_few_give_nothing() -> None:
    assert sign_flip_p([1.0]) is None
    assert mean_interval([1.0]) is None
    assert (sign_flip_p([1.0] * 40) or 1) < 0.001
    assert 0.3 < (sign_flip_p([1.0, -1.0] * 20) or 0) <= 1
    assert ratio_interval([0.0, 4.0], [4.0, 4.0]) == (0.0, 1.0)
    low, high = mean_interval([float(n % 7) for n in range(3000)]) or (0.0, 9.0)
    assert 2.9 < low < high < 3.1
