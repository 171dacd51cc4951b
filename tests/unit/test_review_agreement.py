"""Agreement: coefficients against published and independently computed numbers, strata, bins, charts, bad files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from bioresearcher.cli.app import main
from bioresearcher.review.calibration.agreement import (
    aggregate,
    alpha,
    collapse_warnings,
    counts_of,
    item_coincidences,
    jensen_shannon_distance,
    kappa,
    machine_collapse,
    measure_agreement,
    observed_agreement,
    separation,
)
from bioresearcher.review.calibration.charts import draw_perception
from bioresearcher.review.calibration.ratings import Ratings, read_ratings

PUBLISHED = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), part C: four observers, twelve units."""

FLEISS = """0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"""
"""A published table of ten subjects, fourteen raters and five categories; its mean agreement is given as 0.378."""


def published() -> list[tuple[int, ...]]:
    rows = [line.split() for line in PUBLISHED.strip().split("\n")]
    return [tuple(int(x) - 1 for x in unit if x != ".") for unit in zip(*rows, strict=True)]


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(level: str, value: float) -> None:
    together = item_coincidences(counts_of(published(), 5)).sum(axis=0)
    assert alpha(together, level, (1, 2, 3, 4, 5)) == pytest.approx(value, abs=0.0005)


def test_kappa_of_a_published_table_and_as_another_library_computes_it() -> None:
    from statsmodels.stats.inter_rater import fleiss_kappa

    table = np.array([[float(x) for x in row.split()] for row in FLEISS.split("|")])
    agreed = observed_agreement(table)
    assert agreed.mean() == pytest.approx(0.378, abs=0.0005)
    assert kappa(agreed, 5) == pytest.approx((0.378 - 0.2) / 0.8, abs=0.001)
    assert kappa(agreed, 5) == pytest.approx(fleiss_kappa(table, method="randolph"))


def rated(path: Path) -> Ratings:
    """Forty items, three people and a machine that is a little generous."""
    rng = random.Random(7)
    lines = ["item,rater,label,machine"]
    for n in range(40):
        true = rng.randint(1, 5)
        people = [min(5, max(1, true + rng.choice([-1, 0, 0, 0, 1]))) for _ in range(3)]
        machine = min(5, max(1, true + rng.choice([-1, 0, 1, 1])))
        lines += [f"i{n},r{k},{label},{machine}" for k, label in enumerate(people)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_ratings(path)


def test_the_numbers_are_those_of_two_independent_implementations(tmp_path: Path) -> None:
    """Alpha by the package `krippendorff` 0.9.0 (GPL: not a dependency), JS_b by the code of the paper's authors."""
    found = measure_agreement(rated(tmp_path / "r.csv"))
    whole = found.strata[0]
    assert whole.alpha_hh.value == pytest.approx(0.8161266045597513)
    assert whole.alpha_hm.value == pytest.approx(0.8112749944042379)
    assert whole.kappa_hh.value == pytest.approx(0.375)
    assert whole.jsd == pytest.approx(0.2624195558053085)
    nominal = measure_agreement(read_ratings(tmp_path / "r.csv", level="nominal")).strata[0]
    interval = measure_agreement(read_ratings(tmp_path / "r.csv", level="interval")).strata[0]
    assert nominal.alpha_hh.value == pytest.approx(0.37554661535770506)
    assert interval.alpha_hh.value == pytest.approx(0.8123357280532679)


def test_strata_are_by_what_people_disagree_on_and_bins_add_up(tmp_path: Path) -> None:
    found = measure_agreement(rated(tmp_path / "r.csv"))
    names = [s.name for s in found.strata]
    assert names == ["all items", "people agree (1 label)", "2 different labels", "3 or more labels"]
    assert sum(s.items for s in found.strata[1:]) == found.items == 40
    assert found.strata[1].alpha_hh.value == 1
    assert sum(b.weight for b in found.bins) == pytest.approx(1)
    assert found.strata[0].jsd == pytest.approx(sum(b.weight * (b.jsd or 0) for b in found.bins))
    assert found.strata[0].alpha_hh.low < found.strata[0].alpha_hh.value < found.strata[0].alpha_hh.high
    assert 0 < found.jsd_people < found.strata[0].jsd


def test_perfect_and_opposite_machines() -> None:
    assert jensen_shannon_distance(np.array([1.0, 0, 0]), np.array([1.0, 0, 0])) == 0
    assert jensen_shannon_distance(np.array([1.0, 0, 0]), np.array([0, 0, 1.0])) == pytest.approx(np.sqrt(np.log(2)))
    assert aggregate((4, 0, 4, 0), "ordinal") == 0
    assert aggregate((2, 1, 2), "nominal") == 2
    assert aggregate((2, 1), "nominal") == 1


def test_words_are_nominal_and_machines_can_be_raters(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    path.write_text(
        "Item\tRater\tLabel\nx\ta\tgood\nx\tb\tGood\nx\tjudge\tbad\ny\ta\tbad\ny\tb\tbad\ny\tjudge\tbad\n",
        encoding="utf-8",
    )
    ratings = read_ratings(path, machines=["judge"])
    assert ratings.level == "nominal"
    assert [len(i.machine) for i in ratings.items] == [1, 1]
    found = measure_agreement(ratings)
    assert found.strata[0].kappa_hh.value == 1
    assert found.strata[0].kappa_hm.value == 0


def test_a_label_nobody_gave_counts_for_kappa(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("item,rater,label\na,x,1\na,y,2\nb,x,2\nb,y,2\n", encoding="utf-8")
    two = measure_agreement(read_ratings(path))
    five = measure_agreement(read_ratings(path, scale=["1", "2", "3", "4", "5"]))
    assert two.strata[0].kappa_hh.value == pytest.approx(0)
    assert five.strata[0].kappa_hh.value == pytest.approx((0.5 - 0.2) / 0.8)
    assert any("no machine labels" in n for n in two.notes)


def test_a_machine_that_says_four_to_everything_is_called_out(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    rows = ["item,rater,label,machine"] + [f"i{n},{r},{1 + n % 5},4" for n in range(30) for r in "ab"]
    path.write_text("\n".join(rows), encoding="utf-8")
    found = measure_agreement(read_ratings(path))
    assert any("collapse: 100% of machine labels are at 4" in w for w in found.warnings)
    assert any("do not separate" in w for w in found.warnings)
    assert not any("collapse" in w for w in measure_agreement(rated(tmp_path / "fine.csv")).warnings)


def test_more_agreement_than_people_reach_is_no_praise(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    rows = ["item,rater,label,machine"]
    rng = random.Random(1)
    for n in range(60):
        labels = sorted(rng.randint(1, 5) for _ in range(3))
        rows += [f"i{n},r{k},{x},{labels[1]}" for k, x in enumerate(labels)]
    path.write_text("\n".join(rows), encoding="utf-8")
    assert any("no proof of quality" in w for w in measure_agreement(read_ratings(path)).warnings)


def test_scores_that_separate_give_no_warning_and_others_do() -> None:
    assert separation([4, 3], [1, 2]) == 1
    assert separation([3], [3]) == 0.5
    assert collapse_warnings([4.0, 4.2, 4.1], [2.0, 3.0, 3.5]) == ()
    flat = collapse_warnings([4.0] * 6, [4.0] * 6)
    assert len(flat) == 3
    assert "do not separate" in flat[0]
    assert machine_collapse([(1, 1), (5, 5)], scale=(1, 2, 3, 4, 5)) == ()
    with pytest.raises(ValueError):
        separation([], [1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("item,label\nx,1\n", "no column rater"),
        ("a;b\n1;2\n", "no column item, label, rater"),
        ("item,rater,label\n", "no label by a person"),
        ("item,rater,label\nx,a,1\nx,a,2\n", "line 3: a labels x both 1 and 2"),
        ('item,rater,label\n"x,a,1\n', "not a readable table"),
        ("item,rater,label\n" + "\n".join(f"x{n},a,{n}.5" for n in range(60)), "60 different labels"),
        ("", "no column"),
    ],
)
def test_ratings_that_cannot_be_used_are_refused(text: str, said: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["review", "agreement", str(path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") <= 2


def test_the_command_prints_and_draws(tmp_path: Path, capsys) -> None:
    rated(tmp_path / "r.csv")
    png, svg = tmp_path / "charts" / "p.png", tmp_path / "p.svg"
    assert main(["review", "agreement", str(tmp_path / "r.csv"), "--chart", str(png), "--chart", str(svg)]) == 0
    assert "α people" in capsys.readouterr().out
    with Image.open(png) as image:
        assert image.width > 600
        assert len(image.convert("RGB").getcolors(1 << 24)) > 10
    tree = etree.fromstring(svg.read_bytes())
    assert tree.tag.endswith("svg")
    assert "people say 3" in svg.read_text(encoding="utf-8")
    assert main(["review", "agreement", str(tmp_path / "r.csv"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["strata"][0]["items"] == 40
    assert main(["review", "agreement", str(tmp_path / "r.csv"), "--format", "markdown"]) == 0
    assert "## Perception" in capsys.readouterr().out
    assert main(["review", "agreement", str(tmp_path / "no.csv")]) == 2
    assert main(["review", "agreement", str(tmp_path / "r.csv"), "--chart", "p.pdf"]) == 2


def test_labels_with_signs_of_mathematics_are_drawn_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("item,rater,label,machine\na,x,$^,b\nb,x,b,b\n", encoding="utf-8")
    draw_perception(measure_agreement(read_ratings(path)), tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000
