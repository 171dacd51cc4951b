"""Analysis sets: rows, levels, pairs, events and counts against an independent script, and what cannot be analysed."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lxml import etree

from bioresearcher.analysis.flow_figure import flow_svg
from bioresearcher.analysis.sets import Made, make_sets
from bioresearcher.schemas.question import (
    AnalysisSet,
    Contrast,
    Endpoint,
    Filter,
    GroupCount,
    Measure,
    Question,
    Questions,
)
from bioresearcher.sources.datasets.load import load_datasets

COLUMNS = {
    "id": {"role": "id"},
    "patient": {"role": "unit"},
    "tissue": {"role": "group", "codes": {"T": "tumour", "t": "tumour", "N": "normal"}},
    "sex": {"role": "covariate"},
    "age": {"role": "covariate", "missing_values": ["-9"]},
    "batch": {"role": "batch"},
    "months": {"role": "time", "endpoint": "OS", "unit": "months"},
    "status": {"role": "event", "endpoint": "OS", "event_level": "Dead"},
}


def described(columns: dict[str, dict[str, Any]], *, matrix: bool) -> str:
    lines = ['title = "made"', 'source = "made by a test"', ""]
    if matrix:
        lines += [
            "[[files]]",
            'name = "expression"',
            'kind = "expression"',
            'path = "e.csv"',
            'feature_column = "gene"',
        ]
    lines += ["", "[[files]]", 'name = "samples"', 'kind = "samples"', 'path = "s.csv"', 'sample_column = "id"']
    for name, values in columns.items():
        lines += ["", f"[files.columns.{name}]"]
        for key, value in values.items():
            text = (
                "{" + ", ".join(f'"{k}" = "{v}"' for k, v in value.items()) + "}"
                if isinstance(value, dict)
                else json.dumps(value)
            )
            lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def cohort(folder: Path, rows: list[dict[str, str]], *, matrix: bool = True) -> Any:
    folder.mkdir(parents=True)
    with (folder / "s.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(COLUMNS))
        writer.writeheader()
        writer.writerows(rows)
    if matrix:
        with (folder / "e.csv").open("w", newline="", encoding="utf-8") as out:
            plain = csv.writer(out)
            names = [r["id"] for r in rows][::-1]
            plain.writerow(["gene", *names])
            plain.writerows([[f"G{g}", *(f"{g + len(n)}.5" for n in names)] for g in range(4)])
    (folder / "dataset.toml").write_text(described(COLUMNS, matrix=matrix), encoding="utf-8")
    found, failures = load_datasets([folder])
    assert not failures
    return found[0]


def row(n: int, **values: str) -> dict[str, str]:
    plain = {"id": f"S{n}", "patient": f"P{n}", "tissue": "T", "sex": "F", "age": "50", "batch": "b1"}
    return {**plain, "months": "10.5", "status": "Alive", **values}


def question(dataset: Any, **values: Any) -> Question:
    return Question.model_validate({"id": "A1", "kind": "difference", "text": "", "dataset": dataset.id, **values})


def make(dataset: Any, one: Question, folder: Path) -> Made:
    return make_sets(Questions(questions=(one,)), [dataset], folder)


TISSUE = Contrast(column="tissue", case="tumour", control="normal", levels=("tumour", "normal"))
SURVIVAL = Endpoint(name="OS", time_column="months", event_column="status", event_level=("Dead",), time_unit="months")
FEATURES = Measure(kind="features")


def random_rows(seed: int) -> list[dict[str, str]]:
    rng = random.Random(seed)
    rows = []
    for p in range(rng.randint(20, 40)):
        known = {
            "patient": f"P{p}",
            "sex": rng.choice(["F", "M", ""]),
            "age": rng.choice(["-9", str(rng.randint(30, 80)), str(rng.randint(30, 80))]),
            "months": rng.choice(["", f"{rng.uniform(0, 90):.1f}", f"{rng.uniform(0, 90):.1f}", "-1"]),
            "status": rng.choice(["Dead", "Alive", "NA", "dead"]),
        }
        for tissue in rng.choice([["T"], ["N"], ["T", "N"], ["t", "N"], ["N", "T", "t"], [""]]):
            rows.append(row(len(rows), **known, tissue=tissue, batch=rng.choice(["b1", "b2", ""])))
    return rows


def as_frame(rows: list[dict[str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows).replace({"": None, "NA": None})
    frame["tissue"] = frame["tissue"].map({"T": "tumour", "t": "tumour", "N": "normal"})
    frame["age"] = pd.to_numeric(frame["age"]).where(lambda s: s != -9)
    frame["months"] = pd.to_numeric(frame["months"])
    frame["event"] = frame["status"].str.lower().map({"dead": 1, "alive": 0})
    return frame


@pytest.mark.parametrize("seed", range(12))
def test_counts_are_those_of_an_independent_script(seed: int, tmp_path: Path) -> None:
    rows = random_rows(seed)
    dataset = cohort(tmp_path / "d", rows)
    limits = (Filter(column="sex", levels=("F",)), Filter(column="age", least=45, above=True))
    wanted = {
        "A1": question(dataset, contrast=TISSUE, measure=FEATURES, pair="patient", unit="patient"),
        "A2": question(
            dataset,
            id="A2",
            kind="time to event",
            endpoint=SURVIVAL,
            population=limits,
            unit="patient",
            adjust=("batch",),
        ),
        "A3": question(dataset, id="A3", contrast=TISSUE, measure=FEATURES, population=limits[:1], blocks=("batch",)),
    }
    made = make_sets(Questions(questions=tuple(wanted.values())), [dataset], tmp_path / "sets")
    frame = as_frame(rows)

    paired = frame.dropna(subset=["tissue"]).drop_duplicates(["patient", "tissue"])
    paired = paired[paired.groupby("patient")["tissue"].transform("nunique") == 2]
    one = made.sets.of("A1")
    assert one is not None
    assert (one.n, one.pairs) == (len(paired), paired["patient"].nunique())
    assert {g.level: g.n for g in one.groups} == {"tumour": len(paired) // 2, "normal": len(paired) // 2}

    kept = frame[(frame["sex"] == "F") & (frame["age"] > 45)].dropna(subset=["months", "event"])
    kept = kept[kept["months"] >= 0].drop_duplicates("patient")
    two = made.sets.of("A2")
    assert two is not None
    assert (two.n, two.events) == (len(kept), int(kept["event"].sum()))
    assert two.complete == kept["batch"].notna().sum()
    known = kept.dropna(subset=["batch"])
    flow = list(csv.reader((tmp_path / "sets" / "A2" / "flow.csv").read_text("utf-8").splitlines()))
    said = f"complete in the covariates batch ({int(known['event'].sum())} events)"
    assert [said, str(len(kept) - len(known)), str(len(known))] in flow
    assert not any("covariates" in line for line in (tmp_path / "sets" / "A1" / "flow.csv").read_text("utf-8").split())

    women = frame[frame["sex"] == "F"].dropna(subset=["tissue"])
    three = made.sets.of("A3")
    assert three is not None
    assert {g.level: g.n for g in three.groups} == {v: int((women["tissue"] == v).sum()) for v in ("tumour", "normal")}
    for found in made.sets.sets:
        assert found.n + sum(s.left_out for s in found.flow) == found.start == len(rows)


@pytest.mark.parametrize("seed", range(3))
def test_the_set_holds_canonical_cells_and_the_matrix_of_its_rows(seed: int, tmp_path: Path) -> None:
    rows = random_rows(seed + 100)
    dataset = cohort(tmp_path / "d", rows)
    one = question(dataset, kind="time to event", endpoint=SURVIVAL, measure=Measure(kind="signature"), unit="patient")
    made = make(dataset, one, tmp_path / "sets")
    (holder,) = made.datasets
    assert (holder.id, holder.analysis_of, holder.n_samples) == (f"{dataset.id}-A1", dataset.id, made.sets.sets[0].n)
    sheet = pd.read_csv(Path(holder.root) / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    matrix = pd.read_csv(Path(holder.root) / "expression.tsv.gz", sep="\t")
    assert [*matrix.columns[1:]] == [*sheet["id"]]
    assert {*sheet["status"]} <= {"0", "1"}
    assert sheet["patient"].is_unique
    assert holder.column("event") is not None
    assert holder.questions[0].id == "A1"
    flow = json.loads((tmp_path / "sets" / "A1" / "flow.json").read_text("utf-8"))
    assert flow["n"] == len(sheet)
    assert (tmp_path / "sets" / "A1" / "flow.csv").read_text("utf-8").startswith("step,left out,left\n")


def test_a_question_about_everyone_is_answered_on_the_data_as_they_are(tmp_path: Path) -> None:
    rows = [row(n, tissue="tumour" if n % 2 else "normal", status="Dead") for n in range(12)]
    dataset = cohort(tmp_path / "d", rows)
    made = make(dataset, question(dataset, contrast=TISSUE, measure=FEATURES, unit="patient"), tmp_path / "sets")
    assert made.sets.sets[0].same_as_source
    assert made.sets.sets[0].population == dataset.id
    assert made.datasets[0].questions[0].cannot == ""


def test_a_second_question_of_a_kind_has_rows_of_its_own(tmp_path: Path) -> None:
    rows = [row(n, tissue="tumour" if n % 2 else "normal", sex="FM"[n % 3 == 0]) for n in range(24)]
    dataset = cohort(tmp_path / "d", rows)
    sex = Contrast(column="sex", case="F", control="M", levels=("F", "M"))
    both = (question(dataset, contrast=TISSUE, measure=FEATURES), question(dataset, id="A2", contrast=sex))
    made = make_sets(Questions(questions=both), [dataset], tmp_path / "sets")
    assert [s.population for s in made.sets.sets] == [dataset.id, f"{dataset.id}-A2"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"population": (Filter(column="sex", levels=("X",)),), "contrast": TISSUE}, "no row is left of 12"),
        ({"pair": "patient", "contrast": TISSUE, "measure": FEATURES}, "nobody is paired"),
        ({"kind": "time to event", "endpoint": SURVIVAL}, "1 of 12 rows have the event"),
        ({"contrast": TISSUE, "blocks": ("batch",), "measure": FEATURES}, "cannot be told from tissue"),
        ({"contrast": TISSUE, "population": (Filter(column="age", most=20),)}, "no row is left"),
        ({"contrast": TISSUE, "adjust": ("nothing",)}, "has no column 'nothing'"),
    ],
)
def test_what_cannot_be_analysed_says_why(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    rows = [row(n, tissue="TN"[n % 2], batch=f"b{n % 2}", status="Dead" if n == 0 else "Alive") for n in range(12)]
    dataset = cohort(tmp_path / "d", rows)
    made = make(dataset, question(dataset, **values), tmp_path / "sets")
    assert said in made.sets.sets[0].problem
    assert made.questions.questions[0].cannot == made.sets.sets[0].problem
    assert made.datasets == ()


def test_normal_tissue_is_no_patient_of_its_own(tmp_path: Path) -> None:
    rows = []
    for n in range(10):
        known = {"patient": f"TCGA-AA-10{n:02d}", "status": "Dead" if n % 2 else "Alive", "months": f"{n + 1}"}
        rows.append(row(n, id=f"TCGA-AA-10{n:02d}-01A", **known))
        rows.append(row(n, id=f"TCGA-AA-10{n:02d}-11A", **known))
    dataset = cohort(tmp_path / "d", rows)
    dataset = dataset.model_copy(update={"files": tuple(f for f in dataset.files)})
    one = question(
        dataset,
        kind="time to event",
        endpoint=SURVIVAL,
        measure=Measure(kind="signature", names=("S",)),
        unit="patient",
        contrast=None,
    )
    made = make(dataset, one, tmp_path / "sets")
    found = made.sets.sets[0]
    assert (found.n, found.events) == (10, 5)
    assert "normal tissue" in found.flow[0].reason


def test_times_of_those_with_and_without_the_event_are_joined(tmp_path: Path) -> None:
    rows = [row(n, months=str(10 * n + 1), status="Dead" if n % 2 else "Alive", age=str(n)) for n in range(12)]
    dataset = cohort(tmp_path / "d", rows, matrix=False)
    apart = SURVIVAL.model_copy(update={"time_column": "months", "censored_time_column": "age"})
    made = make(dataset, question(dataset, kind="time to event", endpoint=apart), tmp_path / "sets")
    (holder,) = made.datasets
    sheet = pd.read_csv(Path(holder.root) / "samples.tsv", sep="\t")
    expected = [10 * n + 1 if n % 2 else n for n in range(12)]
    assert [*sheet["OS_time"]] == expected
    assert holder.questions[0].endpoint is not None
    assert holder.questions[0].endpoint.time_column == "OS_time"
    time = holder.column("time")
    assert time is not None
    assert (time.name, time.unit) == ("OS_time", "months")


def test_rows_without_names_are_numbered(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    lines = ["site,time,status,sex", *(f"{n % 3},{n + 1},{n % 2},{'FM'[n % 4 < 2]}" for n in range(20))]
    (folder / "lung.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found, _ = load_datasets([folder])
    end = Endpoint(time_column="time", event_column="status", event_level=("1",))
    sex = Contrast(column="sex", case="M", control="F", levels=("M", "F"))
    made = make(found[0], question(found[0], kind="time to event", endpoint=end, contrast=sex), tmp_path / "sets")
    (holder,) = made.datasets
    sheet = holder.file("samples")
    assert sheet is not None
    assert sheet.sample_column == "row"
    assert made.sets.sets[0].n == 20


def test_the_flow_is_drawn_with_every_number_of_its_table(tmp_path: Path) -> None:
    rows = [row(n, sex="FM"[n % 2], tissue="NT"[n % 3 == 0], status=("Alive", "Dead")[n % 2]) for n in range(24)]
    rows[1]["tissue"] = ""
    wanted = Filter(column="sex", levels=("M",), words="in men & boys only")
    one = question(cohort(tmp_path / "d", rows), contrast=TISSUE, measure=FEATURES, population=(wanted,))
    made = make(cohort(tmp_path / "e", rows), one.model_copy(update={"dataset": "e"}), tmp_path / "out")
    found = made.sets.sets[0]
    text = (tmp_path / "out" / "A1" / "flow.svg").read_text(encoding="utf-8")
    drawn = " ".join("".join(e.itertext()) for e in etree.fromstring(text.encode()).iter() if e.tag.endswith("}text"))
    assert f"All rows: n = {found.start}" in drawn
    assert [f"Left out: {s.left_out} (" in drawn for s in found.flow] == [True, True]
    assert f"Analysed: n = {found.n}" in drawn
    assert all(f"n = {g.n}" in drawn for g in found.groups)
    assert flow_svg(found) == text
    hostile = found.model_copy(update={"contrast_column": '<script x="&">'})
    assert "<script" not in flow_svg(hostile)
    etree.fromstring(flow_svg(hostile).encode())


def test_groups_of_more_than_one_line_and_pairs_and_events_are_drawn_inside_the_figure() -> None:
    groups = tuple(GroupCount(level=f"a level with a long name {n}", n=10 + n, events=n) for n in range(7))
    rows = AnalysisSet(id="A1", question="A1", source="d", start=99, n=91, events=21, endpoint="OS", groups=groups)
    root = etree.fromstring(flow_svg(rows.model_copy(update={"pairs": 13, "contrast_column": "arm"})).encode())
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    boxes = [e for e in root.iter() if e.tag.endswith("}rect")][1:]
    assert len(boxes) == 2 + len(groups)
    assert max(float(b.get("y", 0)) + float(b.get("height", 0)) for b in boxes) < height
    assert max(float(b.get("x", 0)) + float(b.get("width", 0)) for b in boxes) < width
