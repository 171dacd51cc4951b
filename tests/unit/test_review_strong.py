"""Plans as strong models write them raise no false alarm; numbers that nobody saw are found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from strong_protocols import PLANS, known, strong

from bioresearcher.review.checks import run_checks
from bioresearcher.review.checks_numbers import stated_numbers, unseen_statements
from bioresearcher.review.run_context import identifiers_in
from bioresearcher.schemas.protocol import Definition, Protocol, Rehearsal


@pytest.mark.parametrize("name", PLANS)
def test_a_sound_plan_has_neither_error_nor_warning(name: str) -> None:
    found = run_checks(strong(name), known())
    assert [(f.gate, f.severity, f.message) for f in found if f.severity != "note"] == []


def says(action: str, **more: object) -> Protocol:
    plan = strong("survival of one score")
    (part,) = plan.parts
    first = part.steps[0].model_copy(update={"action": action, "acceptance": "Done.", **more})
    return plan.model_copy(update={"parts": (part.model_copy(update={"steps": (first, *part.steps[1:])}),)})


def gates(plan: Protocol, severity: str = "warning") -> set[str]:
    return {f.gate for f in run_checks(plan, known()) if f.severity == severity}


def test_true_defects_of_the_same_kinds_are_still_found() -> None:
    assert "G-VAL-01" in gates(says("Keep pairs with Pearson R > 1.5."), "error")
    assert "G-VAL-01" in gates(says("Keep pairs with r > 4."), "error")
    assert "G-REF-05" in gates(says("Drop GSM999999."))
    assert "G-RES-01" in gates(says("The score was significantly higher in the treated group."), "error")
    assert "G-RES-01" not in gates(says("Batch is significantly associated with the score (L3)."), "error")


def test_identifiers_in_the_data_files_are_retrieved(tmp_path) -> None:
    (tmp_path / "c.tsv").write_text("pid\tarray\n1\tGSM140983\n")
    (tmp_path / "e.tsv").write_text("gene\tGSM141004\nESR1\tGSM1\n")
    made = next(iter(known().datasets.values())).model_copy(update={"root": str(tmp_path)})
    found = identifiers_in([made])
    assert found == {"GSM140983", "GSM141004"}
    bare = replace(known(), datasets={d.id: d.model_copy(update={"files": d.files[:1]}) for d in (made,)})
    plan = says("Drop GSM140983 and GSM141004.")
    assert "G-REF-05" in {f.gate for f in run_checks(plan, bare)}
    told = run_checks(plan, replace(bare, identifiers=found))
    assert not [f for f in told if f.gate == "G-REF-05" and "GSM1" in f.message]


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("After the rule 112 of 124 patients and 41 events remain.", ("112", "124", "41")),
        ("The series explains 56 % of the variance of the score.", ("56",)),
        ("Main cohort (n = 1,053).", ("1,053",)),
        ("The score correlates with purity (r = 0.62).", ("0.62",)),
        ("An array is scored when at least 30 genes remain.", ()),
        ("Use 2,000 bootstrap resamples of the patients, seed 7.", ()),
        ("Call genes at FDR < 0.05 in R 4.3 (2024).", ()),
        ("Step 2.1 needs 10 events per coefficient.", ()),
        ("Stop if 20 samples or fewer are left.", ()),
        ("The 2 cohorts and 3 series are kept apart.", ()),
        ("With 80 % power 64 patients per arm show it.", ()),
        ("Test each of the 3,051 probes; 200 shuffled group columns check the count.", ()),
        ("The 3,051 probes were read; 200 reshuffled columns follow.", ("3,051",)),
        ("12 mock samples stand beside 200 scrambled cells.", ("12", "200")),
    ],
)
def test_only_statements_about_data_have_stated_numbers(sentence: str, numbers: tuple[str, ...]) -> None:
    assert set(stated_numbers(sentence)) == set(numbers)


SHOWN = ("7 of 170 samples are metastases; 12,065 genes.", "exit 0\n   n  events\n 163  41\n rho 0.6183 grade 0.5623")


@pytest.mark.parametrize(
    ("text", "unseen"),
    [
        ("163 of 170 samples are left.", ()),
        ("4.1 % of samples are metastases, 163 patients with 41 events stay.", ()),
        ("12,065 genes; r = 0.62 with purity; 56 % of the variance.", ()),
        ("12,065 genes; r = 0.63 with purity; 57 % of the variance.", ("57", "0.63")),
        ("170 − 7 − 41 samples, hence 122 samples with no event; 129 samples in all.", ()),
        ("All 148 patients have 41 events.", ("148",)),
        ("41 of 163 patients have an event.", ()),
        ("41 of 170 samples have an event.", ("41 of 170",)),
    ],
)
def test_a_number_that_stands_in_nothing_seen_is_named_with_its_sentence(text: str, unseen: tuple[str, ...]) -> None:
    plan = says(text)
    (part,) = plan.parts
    plan = plan.model_copy(update={"parts": (part.model_copy(update={"steps": part.steps[:1]}),)})
    found = unseen_statements(plan, (*SHOWN, "124 samples"))
    assert tuple(n for f in found for n in f.numbers) == unseen
    assert all(f.location == "step 1.1" and f.sentence for f in found)
    told = [f for f in run_checks(plan, replace(known(), shown=(*SHOWN, "124 samples"))) if f.gate == "G-NUM-01"]
    assert bool(told) is bool(unseen)
    assert not told or "no fact, look, count or rehearsal shows" in told[0].message


@pytest.mark.parametrize(
    ("text", "shuffled"),
    [
        ("7,571 genes pass the filter.", ("7,571",)),
        ("The smallest set has 97 genes.", ("97",)),
        ("In the rehearsal, on shuffled groups, 7,571 genes passed.", ()),
        ("163 of 170 samples are left.", ()),
    ],
)
def test_a_number_that_only_the_rehearsal_printed_is_none_of_the_data(text: str, shuffled: tuple[str, ...]) -> None:
    plan = says(text)
    (part,) = plan.parts
    printed = Rehearsal(ok=True, shown="genes: 7571\nsmallest set: 97\nsamples: 163", sha256="0")
    plan = plan.model_copy(update={"parts": (part.model_copy(update={"steps": part.steps[:1]}),), "rehearsal": printed})
    shown = (*SHOWN, "124 samples")
    found = unseen_statements(plan, shown)
    assert tuple(n for f in found for n in f.shuffled) == shuffled
    assert not any(f.numbers for f in found)
    told = [f for f in run_checks(plan, replace(known(), shown=shown)) if f.gate == "G-NUM-01"]
    assert [("only the rehearsal, on shuffled copies, shows" in f.message) for f in told] == [True] * bool(shuffled)


@pytest.mark.parametrize(
    ("action", "vague"),
    [
        ("Probe sets that name no gene or several are left out.", False),
        ("The panel is told as one of several exchangeable ones where fewer than 5 probes are stable.", False),
        ("Of several probes the one with most Present calls stands for the gene, ties by mean.", False),
        ("Where several rows name one gene, take the row with the highest mean.", False),
        ("If a patient has several samples, keep the first by name.", False),
        ("Repeat it with several thresholds.", True),
        ("Use several samples of each group.", True),
        ("Wash once or several times.", True),
        ("Test one or several covariates.", True),
        ("Take several probes.", True),
    ],
)
def test_several_is_vague_where_an_amount_is_to_be_chosen(action: str, vague: bool) -> None:
    assert ("G-VAG-02" in gates(says(action))) is vague


@pytest.mark.parametrize(
    ("code", "seeded"),
    [
        ("rng = np.random.default_rng(SEED)", True),
        ("set.seed(7)", True),
        ("folds = StratifiedKFold(5, shuffle=True, random_state=3)", True),
        ("random.seed(11)", True),
        ("rng = np.random.default_rng()", False),
        ("folds = KFold(5, shuffle=True, random_state=None)", False),
        ("reseeded = seeds_of(table)", False),
    ],
)
@pytest.mark.parametrize("place", ["step", "definition"])
def test_a_seed_that_the_script_sets_is_not_asked_for(code: str, seeded: bool, place: str) -> None:
    action = "Choose the panel by cross-validation; take 5 folds."
    plan = says(action, skill=None, code=code if place == "step" else "")
    (part,) = plan.parts
    plan = plan.model_copy(update={"parts": (part.model_copy(update={"steps": part.steps[:1]}),)})
    if place == "definition":
        plan = plan.model_copy(update={"definitions": (Definition(name="folds", text="The folds.", code=code),)})
    assert ("G-STA-10" in gates(plan, "note")) is not seeded
