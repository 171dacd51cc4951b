"""Sample sheets of many kinds: roles, units, codes, endpoints and contradictions, with what stays open."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bioresearcher.cli.app import main
from bioresearcher.schemas.dataset import Column, Dataset, Reading
from bioresearcher.sources.datasets.endpoints import endpoint_of, read_events, unit_of
from bioresearcher.sources.datasets.levels import missing_codes, spellings
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.units import name_columns

N = 24
IDS = [f"P{i:02}" for i in range(N)]
TIMES = [f"{i * 1.5 + 1}" for i in range(N)]


def write(path: Path, columns: Mapping[str, Sequence[str]]) -> Path:
    rows = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def matrix(path: Path, samples: Sequence[str]) -> Path:
    rows = [",".join(["gene", *samples])]
    rows += [",".join([f"G{g}", *(f"{(g * 7 + i * 3) % 11 + 0.5}" for i in range(len(samples)))]) for g in range(20)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def loaded(path: Path, store: Path | None = None) -> Dataset:
    [dataset], failures = load_datasets([path], store)
    assert failures == []
    return dataset


def column(dataset: Dataset, name: str) -> Column:
    return next(c for f in dataset.files for c in f.columns if c.name == name)


def open_on(dataset: Dataset, name: str) -> list[Reading]:
    return [r for r in dataset.readings if r.column == name and not r.sure and r.decides]


@pytest.mark.parametrize(
    ("name", "endpoint", "unit"),
    [
        ("OS", "OS", None),
        ("OS.time", "OS", None),
        ("OS_MONTHS", "OS", "months"),
        ("Overall Survival (Months)", "OS", "months"),
        ("vital_status", "OS", None),
        ("RFS_STATUS", "RFS", None),
        ("relapse-free survival days", "RFS", "days"),
        ("Disease Free Status", "DFS", None),
        ("PFS.time", "PFS", None),
        ("PFI", "PFI", None),
        ("t.dmfs", "DMFS", None),
        ("e_tdm", "TDM", None),
        ("DSS_event", "DSS", None),
        ("time", "", None),
        ("position", "", None),
        ("cost", "", None),
        ("days_to_last_followup", "", "days"),
    ],
)
def test_a_name_says_its_endpoint_and_its_unit(name: str, endpoint: str, unit: str | None) -> None:
    assert (endpoint_of(name), unit_of(name)) == (endpoint, unit)


@pytest.mark.parametrize(
    ("levels", "endpoint", "event"),
    [
        (("0", "1"), "OS", {"1"}),
        (("Alive", "Dead"), "OS", {"Dead"}),
        (("0:LIVING", "1:DECEASED"), "OS", {"1:DECEASED"}),
        (("0:DiseaseFree", "1:Recurred/Progressed"), "DFS", {"1:Recurred/Progressed"}),
        (("0:ALIVE OR DEAD TUMOR FREE", "1:DEAD WITH TUMOR"), "DSS", {"1:DEAD WITH TUMOR"}),
        (("Living", "Died of Disease", "Died of Other Causes"), "OS", {"Died of Disease", "Died of Other Causes"}),
        (("Living", "Died of Disease", "Died of Other Causes"), "DSS", {"Died of Disease"}),
        (("Disease free", "Relapsed"), "RFS", {"Relapsed"}),
        (("dead", "Dead", "alive"), "OS", {"dead", "Dead"}),
        (("no", "yes"), "RFS", {"yes"}),
        (("1", "2"), "OS", None),
        (("0", "1", "2"), "OS", None),
        (("0:DECEASED", "1:LIVING"), "OS", None),
    ],
)
def test_the_event_is_read_from_words_and_codes_or_stays_open(
    levels: Sequence[str], endpoint: str, event: set[str] | None
) -> None:
    coding = read_events("status", dict.fromkeys(levels, 5), endpoint)
    assert coding is not None
    read = Column(
        name="status",
        dtype="text",
        role="event",
        codes=tuple(coding.codes.items()),
        event_level=coding.event_level,
    )
    found = {level for level in levels if read.is_event(level)}
    assert (found if coding.event_level is not None else None) == event


def test_a_label_says_what_values_mean_and_its_other_words_do_not_unsettle_them() -> None:
    plain = read_events("event", {"0": 5, "1": 5}, label="event (1) or censored (0)")
    coded = read_events("status", {"1": 5, "2": 5}, label="1 = censored, 2 = dead")
    assert plain is not None
    assert coded is not None
    assert (plain.event_level, coded.event_level) == ("1", "dead")


def test_levels_that_are_no_event_are_none() -> None:
    assert read_events("status", {"tumour": 5, "normal": 5}) is None
    assert read_events("status", {"I": 5, "II": 5, "III": 3}) is None


def test_two_endpoints_are_two_pairs_and_none_is_the_default(tmp_path: Path) -> None:
    events = ["01"[i % 2] for i in range(N)]
    sheet = {
        "id": IDS,
        "OS_STATUS": events,
        "RFS_MONTHS": TIMES,
        "OS_MONTHS": TIMES,
        "RFS_STATUS": events[1:] + events[:1],
    }
    dataset = loaded(write(tmp_path / "s.csv", sheet))
    assert {(e.name, e.time.name, e.event.name) for e in dataset.endpoints} == {
        ("OS", "OS_MONTHS", "OS_STATUS"),
        ("RFS", "RFS_MONTHS", "RFS_STATUS"),
    }
    assert dataset.endpoint is None
    assert any("has 2 endpoints: OS ('OS_STATUS'), RFS ('RFS_STATUS')" in n for n in dataset.notes)
    assert not any("event in s.csv is not stated" in n for n in dataset.notes)


def test_an_endpoint_in_a_name_is_never_not_stated(tmp_path: Path) -> None:
    sheet = {"id": IDS, "OS.time": TIMES, "OS": ["01"[i % 2] for i in range(N)]}
    dataset = loaded(write(tmp_path / "s.csv", sheet))
    assert dataset.endpoint == "overall survival (OS), by the columns' names"
    assert not any("event in s.csv is not stated" in n for n in dataset.notes)


def test_time_to_death_and_to_the_last_contact_are_one_endpoint(tmp_path: Path) -> None:
    dead = [i % 3 == 0 for i in range(N)]
    sheet = {
        "bcr_patient_barcode": [f"TCGA-XX-{3000 + i}" for i in range(N)],
        "vital_status": ["Dead" if d else "Alive" for d in dead],
        "days_to_death": [str(100 + i) if d else "[Not Applicable]" for i, d in enumerate(dead)],
        "days_to_last_followup": ["[Not Applicable]" if d else str(90 + i) for i, d in enumerate(dead)],
    }
    [endpoint] = loaded(write(tmp_path / "s.csv", sheet)).endpoints
    assert (endpoint.name, endpoint.time.name, endpoint.time.time_of) == ("OS", "days_to_death", "event")
    assert endpoint.censored_time is not None
    assert (endpoint.censored_time.name, endpoint.censored_time.time_of) == ("days_to_last_followup", "censored")
    assert endpoint.event.event_level == "Dead"


def test_a_time_with_negative_values_is_named_and_makes_no_endpoint(tmp_path: Path) -> None:
    status = ["Dead", "Alive"] * (N // 2)
    death = [t if s == "Dead" else "--" for s, t in zip(status, TIMES, strict=True)]
    last = ["-55", *TIMES[1:]]
    columns = {"id": IDS, "vital_status": status, "days_to_death": death, "days_to_last_follow_up": last}
    dataset = loaded(write(tmp_path / "clinical.csv", columns))
    said = [r for r in dataset.readings if r.open and r.column == "days_to_last_follow_up"]
    assert "holds negative values (least -55)" in said[0].reason
    assert dataset.endpoints == ()


def test_the_same_with_names_of_the_gdc_and_without_a_named_last_contact(tmp_path: Path) -> None:
    dead = [i % 3 == 0 for i in range(N)]
    for prefix, last in (("demographic.", "diagnoses.days_to_last_follow_up"), ("", "follow_up_days")):
        sheet = {
            "case_submitter_id": IDS,
            f"{prefix}vital_status": ["Dead" if d else "Alive" for d in dead],
            f"{prefix}days_to_death": [str(100 + i) if d else "'--" for i, d in enumerate(dead)],
            last: ["'--" if d else str(90 + i) for i, d in enumerate(dead)],
        }
        [endpoint] = loaded(write(tmp_path / "s.csv", sheet)).endpoints
        assert endpoint.censored_time is not None
        assert (endpoint.time.name, endpoint.censored_time.name) == (f"{prefix}days_to_death", last)


def test_codes_in_a_name_say_the_levels_and_a_column_called_survival_stays_open(tmp_path: Path) -> None:
    coded = ["12"[i % 2] for i in range(N)]
    sheet = {"id": IDS, "survival time": TIMES, "status (1=alive 2=dead)": coded, "sex (1=male 2=female)": coded}
    dataset = loaded(write(tmp_path / "s.csv", sheet))
    [endpoint] = dataset.endpoints
    assert [endpoint.event.is_event(cell) for cell in "12"] == [False, True]
    assert column(dataset, "sex (1=male 2=female)").groups == ("male", "female")
    binary = ["01"[i % 2] for i in range(N)]
    folder = tmp_path / "own"
    folder.mkdir()
    write(folder / "s.csv", {"id": IDS, "overall_survival_months": TIMES, "overall_survival": binary})
    [reading] = open_on(loaded(folder), "overall_survival")
    assert "whether 1 means survived or died is not stated" in reading.reason
    assert main(["data", "show", str(folder), "--write"]) == 0
    described = folder / "dataset.toml"
    described.write_text(described.read_text().replace(f"# {reading.line}", reading.line))
    [endpoint] = loaded(folder).endpoints
    assert (endpoint.name, [endpoint.event.is_event(cell) for cell in "01"]) == ("OS", [True, False])


def test_one_time_and_two_events_are_asked_for(tmp_path: Path) -> None:
    binary = ["01"[i % 2] for i in range(N)]
    write(tmp_path / "s.csv", {"id": IDS, "time": TIMES, "death": binary, "relapse": binary[1:] + binary[:1]})
    dataset = loaded(tmp_path)
    assert dataset.endpoints == ()
    [reading] = open_on(dataset, "time")
    assert main(["data", "show", str(tmp_path), "--write"]) == 0
    described = tmp_path / "dataset.toml"
    described.write_text(described.read_text().replace(f"# {reading.line}", reading.line))
    [endpoint] = loaded(tmp_path).endpoints
    assert (endpoint.name, endpoint.event.name) == ("OS", "death")


def test_a_label_that_says_more_than_another_contradicts_nothing(tmp_path: Path) -> None:
    one = ["CR", "REF", "CR", "DEATH IN CR"] * 6
    other = ["CR", "REF", "CR", "CR"] * 6
    dataset = loaded(write(tmp_path / "s.csv", {"id": IDS, "state": one, "remission": other}))
    assert not any("contradict" in r.says for r in dataset.readings)


def test_one_and_two_are_asked_for_with_the_line_that_then_works(tmp_path: Path) -> None:
    sheet = {
        "inst": [str(i % 5) for i in range(N)],
        "time": [str(i % 11 + 20) for i in range(N)],
        "status": ["12"[i % 2] for i in range(N)],
        "sex": ["12"[i % 3 > 0] for i in range(N)],
    }
    write(tmp_path / "lung.csv", sheet)
    dataset = loaded(tmp_path)
    assert dataset.files[0].sample_column is None
    assert dataset.files[0].row_is == "patient"
    assert dataset.column("event") is None
    [event], [sex] = open_on(dataset, "status"), open_on(dataset, "sex")
    assert (event.line, sex.line) == ('event_level = "2"', 'codes = {"1" = "male", "2" = "female"}')
    assert main(["data", "show", str(tmp_path), "--write"]) == 0
    described = tmp_path / "dataset.toml"
    text = described.read_text(encoding="utf-8")
    described.write_text(text.replace(f"# {event.line}", event.line).replace(f"# {sex.line}", sex.line))
    mended = loaded(tmp_path)
    assert [r for r in mended.readings if r.decides and not r.sure] == []
    status, told = mended.column("event"), column(mended, "sex")
    assert status is not None
    assert (status.name, [status.is_event(cell) for cell in "12"]) == ("status", [False, True])
    assert told.groups == ("male", "female")
    assert mended.files[0].sample_column is None


def test_an_event_level_alone_makes_the_role_and_censored_ones_are_turned(tmp_path: Path) -> None:
    write(tmp_path / "s.csv", {"id": IDS, "time": TIMES, "censored": ["01"[i % 2] for i in range(N)]})
    assert [r.line for r in open_on(loaded(tmp_path), "censored")] == ['event_level = "0"']
    (tmp_path / "dataset.toml").write_text(
        'title = "t"\nsource = "s"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "s.csv"\n'
        '[files.columns.time]\nrole = "time"\n[files.columns.censored]\nevent_level = "0"\n'
    )
    event = loaded(tmp_path).column("event")
    assert event is not None
    assert [event.is_event(cell) for cell in "01"] == [True, False]


def test_spellings_of_a_level_are_one_and_short_ones_stay_open(tmp_path: Path) -> None:
    cells = ["Tumor", "tumor", "tumour ", "Normal", "normal", "NORMAL"] * 4
    dataset = loaded(write(tmp_path / "s.csv", {"id": IDS, "tissue": cells, "allele": ["A", "a", "b", "c"] * 6}))
    tissue = column(dataset, "tissue")
    assert set(tissue.groups) == {"Tumor", "Normal"}
    assert (tissue.case, tissue.control, tissue.level_of("tumour ")) == ("Tumor", "Normal", "Tumor")
    [short] = open_on(dataset, "allele")
    assert short.line.startswith("codes = {")
    assert spellings("er", {"ER+": 3, "ER-": 4}).codes == {}
    assert spellings("sex", {"M": 3, "male": 4, "F": 2}).codes == {"M": "male"}


@pytest.mark.parametrize(
    ("name", "cells", "sure", "opened"),
    [
        ("age", [*map(str, range(40, 60)), "999", "999"], {"999"}, set()),
        ("grade", ["1", "2", "3"] * 5 + ["-9"], {"-9"}, set()),
        ("grade", ["1", "2", "3"] * 5 + ["9"] * 2, {"9"}, set()),
        ("age", [*map(str, range(40, 60)), "99", "99", "99"], set(), {"99"}),
        ("marker", [*map(str, range(40, 60)), "-99", "-99"], set(), {"-99"}),
        ("log_fold", ["-2", "-9", "1.5", "-7.2", "3"], set(), set()),
        ("karnofsky", ["80", "90", "100", "99"], set(), set()),
        ("title", ["a", "b", "-9"], set(), set()),
    ],
)
def test_numbers_for_not_known_are_sure_where_they_can_be_nothing_else(
    name: str, cells: list[str], sure: set[str], opened: set[str]
) -> None:
    found = missing_codes(name, cells)
    assert (set(found.sure), set(found.open)) == (sure, opened)


def test_an_empty_list_of_missing_values_says_that_a_number_is_a_value(tmp_path: Path) -> None:
    write(tmp_path / "s.csv", {"id": IDS, "dose": [*map(str, range(20, 40)), "999", "999", "999", "999"]})
    assert [r.line for r in open_on(loaded(tmp_path), "dose")] == ['missing_values = ["999"]']
    (tmp_path / "dataset.toml").write_text(
        'title = "t"\nsource = "s"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "s.csv"\n'
        "[files.columns.dose]\nmissing_values = []\n"
    )
    dataset = loaded(tmp_path)
    assert open_on(dataset, "dose") == []
    assert column(dataset, "dose").missing == 0


def test_patients_with_several_samples_are_the_unit(tmp_path: Path) -> None:
    samples = [f"{p}_{t}" for p in IDS[:12] for t in "NT"]
    matrix(tmp_path / "m.csv", samples)
    tissue = ["normal" if s.endswith("N") else "tumour" for s in samples]
    sheet = {
        "sample": samples,
        "patient": [s[:3] for s in samples],
        "tissue": tissue,
        "pair": [s[1:3] for s in samples],
    }
    write(tmp_path / "s.csv", sheet)
    dataset = loaded(tmp_path)
    assert [column(dataset, n).role for n in sheet] == ["id", "unit", "group", "pair"]
    assert any("the unit of analysis is a patient: 12 in 24 rows, 12 several times" in r.says for r in dataset.readings)
    assert dataset.files[1].row_is == "sample"


def test_barcodes_give_the_patient_and_the_kind_of_tissue(tmp_path: Path) -> None:
    samples = [f"TCGA-B2-{2000 + i}-01A-11R" for i in range(16)] + [f"TCGA-B2-{2000 + i}-11A-11R" for i in range(8)]
    folder = tmp_path / "data"
    folder.mkdir()
    matrix(folder / "m.csv", samples)
    write(folder / "s.csv", {"sample": samples, "OS": ["01"[i % 2] for i in range(N)], "OS.time": TIMES})
    dataset = loaded(folder, tmp_path / "store")
    sheet = dataset.file("samples")
    assert sheet is not None
    assert {c.name: c.role for c in sheet.columns} == {
        "sample": "id",
        "OS": "event",
        "OS.time": "time",
        "patient": "unit",
        "tissue_by_barcode": "group",
    }
    assert set(column(dataset, "tissue_by_barcode").levels) == {"primary tumour", "solid tissue normal"}
    assert sorted(p.name for p in folder.iterdir()) == ["m.csv", "s.csv"]
    assert any("fourth field of the sample's barcode" in r.reason for r in dataset.readings)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ([f"s{i:02}_{'ALL' if i % 2 else 'AML'}" for i in range(12)], ["AML", "ALL"] * 6),
        ([f"CTRL_{i}" for i in range(4)] + [f"TRT_{i}" for i in range(4)], ["CTRL"] * 4 + ["TRT"] * 4),
        ([f"{g}{i}" for g in ("WT", "KO") for i in range(4)], ["WT"] * 4 + ["KO"] * 4),
        ([f"P{i}" for i in range(12)], None),
        ([f"sample_{i}" for i in range(12)], None),
        ([f"Patient {i}" for i in range(12)], None),
    ],
)
def test_groups_in_the_names_of_samples_make_a_sheet(
    tmp_path: Path, names: list[str], groups: list[str] | None
) -> None:
    matrix(tmp_path / "m.csv", names)
    dataset = loaded(tmp_path / "m.csv", tmp_path / "store")
    sheet = dataset.file("samples")
    assert (sheet is None) == (groups is None)
    if groups is not None:
        assert column(dataset, "group").role == "group"
        assert set(column(dataset, "group").levels) == set(groups)
        assert dataset.id == "m"
        assert [list(c.cells) for c in name_columns(names) if c.name == "group"] == [groups]


def test_labels_that_contradict_each_other_are_said(tmp_path: Path) -> None:
    group = ["tumour", "normal"] * 12
    title = [f"lung {g} tissue {i}" for i, g in enumerate(group)]
    title[3], title[4] = "lung tumour tissue 3", "lung normal tissue 4"
    dataset = loaded(write(tmp_path / "s.csv", {"id": IDS, "group": group, "title": title}))
    said = [n for n in dataset.notes if n.startswith("Labels contradict each other in 2 of 24 rows")]
    assert len(said) == 1
    assert "P03: normal by 'group', tumor by 'title'" in said[0]
    clean = [f"lung {g} tissue {i}" for i, g in enumerate(group)]
    dataset = loaded(write(tmp_path / "s.csv", {"id": IDS, "group": group, "title": clean}))
    assert not any("contradict" in r.says for r in dataset.readings)


def test_two_variables_with_the_same_words_contradict_nothing(tmp_path: Path) -> None:
    sheet = {
        "id": IDS,
        "smoker": ["yes", "no"] * 12,
        "complication": ["yes", "yes", "no", "no"] * 6,
        "diagnosis": ["lung cancer"] * N,
        "tissue": ["tumour", "normal"] * 12,
    }
    dataset = loaded(write(tmp_path / "s.csv", sheet))
    assert not any("contradict" in r.says for r in dataset.readings)


def test_a_batch_that_goes_with_the_group_is_said(tmp_path: Path) -> None:
    group = ["case"] * 12 + ["control"] * 12
    batch = ["b1"] * 2 + ["b2"] * 10 + ["b1"] * 10 + ["b2"] * 2
    dataset = loaded(write(tmp_path / "s.csv", {"id": IDS, "group": group, "batch": batch}))
    assert column(dataset, "batch").role == "batch"
    assert any("batch and group go together (b1: 2 case, 10 control" in r.says for r in dataset.readings)
    dataset = loaded(write(tmp_path / "s.csv", {"id": IDS, "group": group, "batch": ["b1", "b2"] * 12}))
    assert not any("go together" in r.says for r in dataset.readings)


def test_a_table_of_studies_is_no_matrix_of_samples(tmp_path: Path) -> None:
    sheet = {
        "study": [f"Author {2000 + i}" for i in range(8)],
        "n": [str(100 + i) for i in range(8)],
        "hr": [f"1.{i}" for i in range(8)],
        "ci_low": [f"0.{i + 1}" for i in range(8)],
        "ci_high": [f"2.{i}" for i in range(8)],
    }
    dataset = loaded(write(tmp_path / "studies.csv", sheet))
    assert (dataset.files[0].kind, dataset.files[0].row_is) == ("table", "study")
    assert column(dataset, "hr").label == "effect estimate"


def test_numbers_of_a_sheet_that_stands_alone_are_covariates(tmp_path: Path) -> None:
    sheet = {"patient_id": IDS, "age": TIMES, "crp_mg_l": TIMES, "complication": ["yes", "no"] * 12}
    dataset = loaded(write(tmp_path / "s.csv", sheet))
    assert [column(dataset, n).role for n in sheet] == ["id", "covariate", "covariate", "group"]


def test_what_a_description_leaves_open_is_read_and_what_it_states_is_kept(tmp_path: Path) -> None:
    sheet = {
        "id": IDS,
        "vital": ["Dead", "Alive"] * 12,
        "OS_MONTHS": TIMES,
        "tissue": ["Tumor", "tumor", "Normal", "normal"] * 6,
        "patient": [f"Q{i // 2}" for i in range(N)],
        "age": [*map(str, range(40, 63)), "999"],
    }
    write(tmp_path / "s.csv", sheet)
    (tmp_path / "dataset.toml").write_text(
        'title = "t"\nsource = "s"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "s.csv"\n'
        'sample_column = "id"\n[files.columns.vital]\nrole = "event"\n[files.columns.OS_MONTHS]\nrole = "time"\n'
        '[files.columns.tissue]\nrole = "group"\ncase = "tumor"\ncontrol = "Normal"\n'
        '[files.columns.age]\nrole = "other"\n'
    )
    dataset = loaded(tmp_path)
    [endpoint] = dataset.endpoints
    assert (endpoint.name, endpoint.event.event_level, endpoint.event.is_event("Dead")) == ("OS", "Dead", True)
    tissue = column(dataset, "tissue")
    assert (tissue.case, tissue.control) == ("tumor", "Normal")
    assert [tissue.level_of(c) for c in ("Tumor", "tumor", "normal")] == ["tumor", "tumor", "Normal"]
    assert column(dataset, "patient").role == "unit"
    assert column(dataset, "age").missing_values == ("999",)


def test_data_show_prints_reasons_and_what_is_to_settle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "s.csv", {"id": IDS, "time": TIMES, "status": ["12"[i % 2] for i in range(N)]})
    assert main(["data", "show", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "status: role event" in text
    assert 'Under [files.columns.status] in dataset.toml: event_level = "2"' in text
    assert main(["data", "show", str(tmp_path / "s.csv"), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["datasets"][0]["files"][0]["columns"][2]["role"] == "event"
    assert any(not r["sure"] and r["decides"] for r in shown["datasets"][0]["readings"])


def test_data_show_never_overwrites_and_describes_single_files_beside_a_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    table = write(folder / "s.csv", {"id": IDS, "group": ["a", "b"] * 12})
    assert main(["data", "show", str(table), "--write"]) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["s.csv", "s.csv.described"]
    assert loaded(folder / "s.csv.described").files[0].columns[1].role == "group"
    assert main(["data", "show", str(table), "--write"]) == 2
    assert "is there already; nothing was written" in capsys.readouterr().err
    assert main(["data", "show", str(tmp_path / "none")]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def measured(folder: Path, cells: list[list[str]]) -> Path:
    """Write a matrix of 24 samples with its sheet."""
    folder.mkdir()
    lines = ["gene," + ",".join(IDS), *(f"G{n}," + ",".join(row) for n, row in enumerate(cells))]
    (folder / "m.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write(folder / "s.csv", {"id": IDS, "group": ["a", "b"] * 12})
    return folder


def told(folder: Path, line: str, tmp_path: Path) -> list[str]:
    """Write the description of a folder, add a line to its matrix, and return the matrix's first row as it is read."""
    assert main(["data", "show", str(folder), "--write"]) == 0
    description = folder / "dataset.toml"
    text = description.read_text(encoding="utf-8")
    assert 'path = "m.csv"' in text
    description.write_text(text.replace('path = "m.csv"\n', f'path = "m.csv"\n{line}\n'), encoding="utf-8")
    [dataset], failures = load_datasets([folder], tmp_path / "store")
    assert not failures
    assert not [r for r in dataset.readings if not r.sure and r.decides]
    file = dataset.file("expression")
    assert file is not None
    plain = Path(dataset.root, file.path)
    with gzip.open(plain, "rt") if plain.suffix == ".gz" else plain.open(encoding="utf-8") as rows:
        return re.split("[\t,]", rows.read().splitlines()[1])[1:]


@pytest.mark.parametrize(("line", "first"), [("half", "0.25"), ("limit", "0.5"), ("missing", "NA")])
def test_a_line_for_values_below_a_limit_works_where_a_description_was_written(
    tmp_path: Path, line: str, first: str
) -> None:
    rows = [[("<0.5" if (n + i) % 4 == 0 else f"{1 + (n * i) % 7}.25") for i in range(24)] for n in range(40)]
    cells = told(measured(tmp_path / "study", rows), f'below_limit = "{line}"', tmp_path)
    assert cells[0] == first
    assert cells[1] == "1.25"


def test_a_line_for_zeros_works_where_a_description_was_written(tmp_path: Path) -> None:
    rows = [[("0" if (n + i) % 3 == 0 else f"{(n + 2) * (i + 3) * 98765}.5") for i in range(24)] for n in range(60)]
    folder = measured(tmp_path / "study", rows)
    [dataset], _ = load_datasets([folder], tmp_path / "first")
    assert any("count as missing" in n for n in dataset.notes)
    assert told(folder, 'zeros = "values"', tmp_path)[0] == "0"
