"""Documents from elsewhere: other JSON, their kind, the checks' records, quantities in text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.review.checks import CHECKS, run_checks
from bioresearcher.review.metrics import review_without_model
from bioresearcher.review.quantities import quantities
from bioresearcher.review.reading.kind import KINDS, kind_of
from bioresearcher.review.reading.protocol import read_protocol
from bioresearcher.review.reading.sections import instructs, role_of
from bioresearcher.review.reading.text import protocol_from_text
from bioresearcher.review.record import Record, bounded, most_severe_in_foreign, records
from bioresearcher.review.rubrics import choose_checklists
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.text.normalise import stands_in

VERSION_3 = {
    "status_code": 0,
    "protocol": {
        "title": "Miniprep",
        "description": "<p>From the kit.</p>",
        "materials_text": "Buffer P1",
        "steps": [
            {
                "guid": "b",
                "previous_guid": "a",
                "components": [{"type_id": 1, "source": {"description": "<p>Spin at 12,000 x g.</p>"}}],
            },
            {
                "guid": "a",
                "previous_guid": None,
                "components": [
                    {"type_id": 6, "source": {"title": "Lysis"}},
                    {"type_id": 1, "source": {"description": "<p>Add 250 &micro;l P1.</p>"}},
                ],
            },
        ],
    },
}
EDITED = json.dumps({"blocks": [{"text": "Add 5 ml PBS."}], "entityMap": {}})
VERSION_4 = {
    "payload": {
        "title": "Wash",
        "steps": [
            {"number": "1", "section": "<p>Prep</p>", "step": EDITED},
            {"number": "1.1", "section": "<p>Prep</p>", "step": "<div>Mix it.</div>"},
        ],
    }
}
STEPS = [{"@id": "#b"}, {"@id": "#a"}]
GRAPH = {
    "@context": "https://schema.org",
    "@graph": [
        {
            "@id": "#p",
            "@type": "LabProtocol",
            "name": "DNA",
            "reagent": {"@id": "#r"},
            "step": [{"@id": "#b"}, {"@id": "#a"}],
        },
        {"@id": "#r", "name": "Ethanol"},
        {"@id": "#a", "@type": "HowToStep", "position": 1, "text": "Add 5 ml ethanol."},
        {"@id": "#b", "@type": "HowToStep", "position": 2, "text": "Spin at 300 x g."},
    ],
}


@pytest.mark.parametrize(
    ("data", "form", "title", "actions"),
    [
        (VERSION_3, "protocols.io", "Miniprep", ["Add 250 µl P1.", "Spin at 12,000 x g."]),
        (VERSION_4, "protocols.io", "Wash", ["Add 5 ml PBS.", "Mix it."]),
        (GRAPH, "json-ld", "DNA", ["Add 5 ml ethanol.", "Spin at 300 x g."]),
    ],
)
def test_shared_protocols_are_read_in_the_order_of_their_steps(
    data: object, form: str, title: str, actions: list[str], tmp_path: Path
):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    reading = read_protocol(path)
    assert (reading.form, reading.protocol.title) == (form, title)
    assert [s.action for s in reading.protocol.steps] == actions
    assert reading.kind.name == "bench protocol"


BENCH = "Lysis\n\n1. Add 5 ml PBS to the cells.\n2. Centrifuge at 300 x g for 5 min.\n3. Incubate at 37 °C.\n"
PLAN = (
    "# Plan\n\n## Analysis\n\n1. Fit Cox models with covariates; report hazard ratios with confidence intervals.\n"
    "2. Match the cohort on the propensity score.\n3. Repeat as a sensitivity analysis with missing data imputed.\n"
)
PAPER = (
    "# On mice\n\n## Abstract\n\nWe found an effect (p < 0.01).\n\n## Methods\n\nCells were grown.\n\n## Results\n\n"
    "We observed it, as Miller et al. did.\n\n## Discussion\n\nThese results suggest more.\n\n## References\n\n1. X.\n"
)
GRANT = "# Aims\n\n## Budget\n\nWe propose three work packages. The principal investigator lists milestones.\n"
POEM = "The fog comes\non little feet.\n\nIt sits looking\nover the city\nand then moves on.\n"
CHINESE = "# 细胞\n\n1. 加入5 ml培养基。\n2. 37 °C孵育过夜。\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (BENCH, "bench protocol"),
        (PLAN, "analysis plan"),
        (PAPER, "finished study"),
        (GRANT, "grant proposal"),
        (POEM, "other text"),
        (CHINESE, "bench protocol"),
    ],
)
def test_the_kind_of_a_document_is_said_with_words_that_show_it(text: str, kind: str):
    protocol, _ = protocol_from_text(text, "x.md")
    found = kind_of(text, protocol)
    assert found.name == kind
    assert found.reason
    assert found.name in KINDS


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("Equipment Required:", "materials"),
        ("Materials and Reagents", "materials"),
        ("Supplies and Considerations", "materials"),
        ("Before starting", "notes"),
        ("Timing", "timing"),
        ("Expected results", "results"),
        ("Conclusions", "conclusions"),
        ("Washing the plates", "part"),
        ("Preparation of buffers", "part"),
    ],
)
def test_a_section_is_known_by_its_heading(title: str, role: str):
    assert role_of(title) == role


def test_instructions_are_told_from_things_and_from_what_was_done():
    assert instructs("Add 5 ml of water.")
    assert instructs("At OD600 of 0.2 add 2.4 µg DNA.")
    assert not instructs("Magnetic stand")
    assert not instructs("The cells were washed.")


WRONG = (
    "T\n\n1. Incubate the plates at 370 °C overnight.\n2. Spin the cells at 300,000 x g.\n"
    "3. Keep a stock of 25 mg/µl.\n4. Add 10 ml PBS to each well of a 96-well plate.\n"
)
RIGHT = (
    "T\n\n1. Bake the glass slides at 180 °C for 2 h.\n2. Seed cells in complete DMEM 24 h before transfection.\n"
    "3. Centrifuge at 12,000 x g for 10 min at 4 °C.\n4. Wash the slide in tap water for 5 min.\n5. Dip it in acid.\n"
    "6. Wash the slide in tap water for 5 min.\n7. Store at -80 °C.\n8. Spin at 100,000 x g for 2 h.\n"
    "9. Add 100 µl to each well of a 96-well plate.\n10. Dissolve 1 g in 40 ml ethanol for a stock of 25 mg/ml.\n"
)


def test_gross_mistakes_are_errors_in_a_document_from_elsewhere_and_it_is_not_judged():
    review = review_without_model(protocol_from_text(WRONG, "x.txt")[0])
    assert review.verdict == "not judged"
    assert not review.judged
    places = {f.location for f in review.findings if f.severity == "error"}
    assert places == {"step 1", "step 2", "step 3", "step 4"}


def test_nothing_is_found_in_a_sound_protocol_of_the_bench():
    assert review_without_model(protocol_from_text(RIGHT, "x.txt")[0]).findings == ()


def test_the_kept_records_are_of_checks_that_exist_and_none_below_the_bar_is_severe():
    assert set(records()) <= {c.id for c in CHECKS}
    for name, record in records().items():
        most = most_severe_in_foreign(name)
        assert most in (None, "note") or (record.precision or 0) >= (0.95 if most == "error" else 0.6)


@pytest.mark.parametrize(
    ("right", "wrong", "most"),
    [(100, 0, "error"), (19, 0, "note"), (0, 0, "note"), (100, 10, "warning"), (10, 100, None), (0, 1, None)],
)
def test_a_findings_severity_is_bounded_by_what_its_check_has_shown(right: int, wrong: int, most: str | None):
    assert Record(right, wrong, clean=100, corrupted=100, on="x").most_severe == most


def test_findings_of_checks_without_a_record_are_dropped():
    made = CheckFinding(gate="REVIEWER", severity="error", location="protocol", message="m")
    assert bounded([made]) == ()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 9999), st.sampled_from(["µl", "ml", "mg", "min", "°C", "x g", "rpm", "mM", "%"]))
def test_a_quantity_is_read_as_it_is_written(number: int, unit: str):
    (found,) = quantities(f"Take {number:,} {unit} of it.")
    assert (found.number, found.unit) == (number, unit)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789 .,-–°CxgmMµlL/%()athforndipH×", max_size=80))
def test_any_step_is_checked_without_a_crash(words: str):
    for f in run_checks(protocol_from_text(f"T\n\n1. Add {words}x\n", "x.txt")[0]):
        assert f.message


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            "A blinded randomised controlled trial\n\nPatients with tetanus. The study will enrol adults.\n",
            "trial protocol",
        ),
        ("# Capstone\n\nEqual numbers of mice will be randomly assigned to three groups.\n", "animal study"),
        ("# 注射\n\n1. 小鼠剃毛, 麻醉。\n2. 给小鼠打镇痛剂。\n3. 注射小鼠 30 ul 细胞。\n4. 缝合。\n", "animal study"),
    ],
)
def test_a_planned_trial_and_animal_experiments_are_known_by_what_they_say(text: str, kind: str) -> None:
    protocol, _ = protocol_from_text(text, "plan.md")
    assert kind_of(text, protocol).name == kind


def test_a_review_of_studies_gets_the_checklist_of_reviews() -> None:
    text = "# Prognostic value of p16: a meta-analysis\n\n" + "The prognostic marker p16 and survival. " * 40
    assert [c.name for c in choose_checklists("finished study", text)] == ["PRISMA"]


@pytest.mark.parametrize(
    ("quote", "stands"), [("Dysthymia", True), ("Dys", False), ("尾静脉注射", True), ("thymia and", False)]
)
def test_a_short_quote_counts_where_it_is_a_whole_line_or_in_chinese(quote: str, stands: bool) -> None:
    assert stands_in(quote, "Negative controls:\n\n- Dysthymia\n- Burn\n\n尾静脉注射待填写\n") is stands


@pytest.mark.parametrize(
    "text",
    [
        "Determine organic matter via Loss on Ignition in the tube at 550 °C.",
        "Groups did not differ (p-value = 0.89).",
        "Cronbach's alphas of 0.70 are satisfactory.",
        "The function of this domain remains to be determined.",
        "Add 0.6 °C to these values to obtain the anomaly; incubate for 5 min.",
    ],
)
def test_what_articles_and_furnaces_say_is_no_mistake(text: str) -> None:
    protocol, _ = protocol_from_text(f"# Methods\n\n1. {text}\n", "a.md")
    assert review_without_model(protocol).findings == ()
