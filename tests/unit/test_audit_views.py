"""Views without outcomes: what they withhold, that they cannot be joined, and that no outcome changes them."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.audit.derived import series_of
from bioresearcher.audit.leaks import LEAK_AUC, auc, find_withheld, rank_auc
from bioresearcher.audit.sheet_views import is_gene_table
from bioresearcher.audit.views import make_views, view_folder
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import Column
from bioresearcher.schemas.facts import View
from bioresearcher.sources.datasets.load import load_datasets

SECRET = b"a run's key"
SURVIVAL = Objective(id="s", text="Is the expression of any gene associated with overall survival?")
GROUPS = Objective(id="g", text="Which genes differ between treated and untreated tumours?")
BOTH = Objective(
    id="b", text="Which genes differ between treated and untreated tumours, and are they associated with survival?"
)


def write_data(folder: Path, sheet: dict[str, list[str]], *, genes: int = 6) -> None:
    """Write a sheet and a matrix whose numbers name sample and gene, so that no two are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sheet["sample"]
    with (folder / "samples.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(sheet)
        writer.writerows(zip(*sheet.values(), strict=True))
    with (folder / "expression.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["gene", *names])
        for gene in range(genes):
            writer.writerow([f"GENE{gene}", *(f"{gene + 1}.{i + 101}" for i in range(len(names)))])
    roles = {"time_months": "time", "death": "event", "arm": "group", "age": "covariate", "batch": "batch"}
    columns = "\n".join(f'[files.columns.{n}]\nrole = "{r}"' for n, r in roles.items() if n in sheet)
    (folder / "dataset.toml").write_text(
        'title = "Tumours"\nsource = "made for a test"\n'
        '[[files]]\nname = "expression"\nkind = "expression"\npath = "expression.csv"\nfeature_column = "gene"\n'
        f'[[files]]\nname = "samples"\nkind = "samples"\npath = "samples.csv"\nsample_column = "sample"\n{columns}\n'
    )


def make_sheet(n: int = 60, seed: int = 1) -> dict[str, list[str]]:
    rng = random.Random(seed)
    return {
        "sample": [f"{'ab'[i % 2]}x{i:03}" for i in range(n)],
        "arm": [rng.choice(["treated", "untreated"]) for _ in range(n)],
        "time_months": [f"7{rng.randrange(1000, 9999)}.5" for _ in range(n)],
        "death": [str(rng.randrange(2)) for _ in range(n)],
        "age": [str(rng.randrange(30, 80)) for _ in range(n)],
        "batch": [rng.choice(["B1", "B2"]) for _ in range(n)],
    }


def views_of(folder: Path, data: Path, objective: Objective) -> dict[str, View]:
    datasets, failures = load_datasets([data])
    assert not failures
    return {v.kind: v for v in make_views(datasets, objective, folder, SECRET)}


def all_bytes(folder: Path, view: View) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(view_folder(folder, view).rglob("*")) if p.is_file()}


def rows(folder: Path, view: View, name: str = "samples.csv") -> list[list[str]]:
    text = all_bytes(folder, view)[name].decode()
    return list(csv.reader(io.StringIO(text)))


def test_the_area_is_the_rank_statistic() -> None:
    scores, positive = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True])
    assert rank_auc(scores, positive) == pytest.approx((1 + 1 + 0.5 + 1) / 4)


def test_a_column_that_says_nothing_is_no_leak_though_its_levels_fit_the_rows() -> None:
    rng = random.Random(5)
    target = np.array([float(rng.randrange(2)) for _ in range(100)])
    assert auc([f"level {rng.randrange(60)}" for _ in range(100)], target) < LEAK_AUC
    assert auc(["given" if t else "" for t in target], target) == 1.0  # by being empty
    assert auc([f"{2000 + int(t)}-01-{i % 28 + 1:02}" for i, t in enumerate(target)], target) == 1.0  # by a date
    assert auc([f"{rng.random():.2f}" if t else f"{rng.random():.4f}" for t in target], target) > LEAK_AUC  # by digits


def test_an_outcomes_view_holds_the_outcome_alone_and_the_open_view_the_rest(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    views = views_of(tmp_path / "views", tmp_path / "data", SURVIVAL)
    assert set(views) == {"open", "outcome"}
    assert rows(tmp_path / "views", views["outcome"])[0] == ["sample", "time_months", "death"]
    assert rows(tmp_path / "views", views["open"])[0] == ["sample", "name_prefix", "arm", "age", "batch"]
    assert any(w.startswith("death: ") for w in views["open"].withheld)


def test_with_groups_and_an_outcome_no_view_holds_two_of_matrix_groups_and_outcome(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    views = views_of(tmp_path / "views", tmp_path / "data", BOTH)
    held = {k: {c for f in v.files for c in f.columns} | {f.name for f in v.files} for k, v in views.items()}
    sorts = {k: {s for s in ("matrix.csv", "arm", "death", "time_months") if s in h} for k, h in held.items()}
    assert sorts == {"open": {"matrix.csv"}, "outcome": {"death", "time_months"}, "design": {"arm"}}


def test_no_outcome_value_original_name_or_row_order_survives_in_the_open_view(tmp_path: Path) -> None:
    sheet = make_sheet()
    sheet["note"] = [
        f"patient {s} lived {t} months after the operation"
        for s, t in zip(sheet["sample"], sheet["time_months"], strict=True)
    ]
    write_data(tmp_path / "data", sheet)
    views = views_of(tmp_path / "views", tmp_path / "data", BOTH)
    files = all_bytes(tmp_path / "views", views["open"])
    for canary in (*sheet["time_months"], *sheet["sample"], "treated", "lived", "death", "time_months"):
        assert not any(canary.encode() in content for content in files.values()), canary
    for view in views.values():
        codes = [r[0] for r in rows(tmp_path / "views", view)[1:]]
        assert codes == sorted(codes)


def test_values_of_the_matrix_stay_as_written(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    views = views_of(tmp_path / "views", tmp_path / "data", BOTH)
    table = rows(tmp_path / "views", views["open"], "matrix.csv")
    original = list(csv.reader(io.StringIO((tmp_path / "data" / "expression.csv").read_text())))
    assert [r[0] for r in table] == [r[0] for r in original]
    shown, written = ({c[1:] for c in zip(*t, strict=True)} for t in (table, original))
    assert shown == written


def test_views_cannot_be_joined(tmp_path: Path) -> None:
    """By codes, by row numbers and by every shared column, no more rows find their sample than by chance."""
    sheet = make_sheet(200)
    write_data(tmp_path / "data", sheet)
    views = views_of(tmp_path / "views", tmp_path / "data", BOTH)
    folder = tmp_path / "views"
    matrix = rows(folder, views["open"], "matrix.csv")
    sample_of = {code: int(value.split(".")[1]) - 101 for code, value in zip(matrix[0][1:], matrix[1][1:], strict=True)}
    opened, design, outcome = (rows(folder, views[k]) for k in ("open", "design", "outcome"))
    assert not {r[0] for r in opened[1:]} & {r[0] for r in design[1:]}
    assert not {r[0] for r in opened[1:]} & {r[0] for r in outcome[1:]}
    times = [sheet["time_months"][sample_of[r[0]]] for r in opened[1:]]
    assert sum(t == r[1] for t, r in zip(times, outcome[1:], strict=True)) <= 8
    shared = [c for c in opened[0][1:] if c in design[0]]
    at = [(opened[0].index(c), design[0].index(c)) for c in shared]
    sizes: dict[tuple[str, ...], int] = {}
    for r in opened[1:]:
        sizes[tuple(r[a] for a, _ in at)] = sizes.get(tuple(r[a] for a, _ in at), 0) + 1
    assert not shared or min(sizes.values()) >= 5
    assert "age" not in shared
    assert not set(outcome[0][1:]) & {*opened[0], *design[0]}


def test_what_gives_an_outcome_away_goes_with_it(tmp_path: Path) -> None:
    sheet = make_sheet(80)
    sheet["autopsy"] = ["done" if d == "1" else "" for d in sheet["death"]]
    sheet["dose_mg"] = ["50" if a == "treated" else "0" for a in sheet["arm"]]
    write_data(tmp_path / "data", sheet)
    views = views_of(tmp_path / "views", tmp_path / "data", BOTH)
    held = {k: {c for f in v.files for c in f.columns} for k, v in views.items()}
    assert not {"autopsy", "dose_mg"} & held["open"]
    assert "autopsy" not in held["design"]
    assert "dose_mg" in held["design"]
    files = {f.name: f.columns for f in views["outcome"].files}
    assert files["alone.csv"] == ("autopsy",), "by itself, in an order that no code names"
    assert "autopsy" not in files["samples.csv"]
    assert [r[0] for r in rows(tmp_path / "views", views["outcome"], "alone.csv")].count("done") == sheet[
        "death"
    ].count("1")


def test_years_of_dates_and_the_series_of_ids_are_shown_without_the_dates_and_ids(tmp_path: Path) -> None:
    sheet = make_sheet()
    rng = random.Random(2)
    sheet["entered"] = [f"{rng.randrange(1, 13)}/{rng.randrange(1, 29)}/{rng.choice([1997, 1998])}" for _ in range(60)]
    sheet["cod"] = [f"{rng.choice(['3', '12', '28'])}{i:03}" for i in range(60)]
    sheet["died_on"] = [
        f"2001-{1 + i % 12:02}-{1 + i % 28:02}" if d == "1" else "" for i, d in enumerate(sheet["death"])
    ]
    sheet["transplant"] = ["no" if d == "1" else "yes" for d in sheet["death"]]
    write_data(tmp_path / "data", sheet)
    views = views_of(tmp_path / "views", tmp_path / "data", SURVIVAL)
    header, *table = rows(tmp_path / "views", views["open"])
    assert {"cod", "died_on", "died_on_year", "transplant"} & set(header) == set()
    shown = {n: sorted(r[header.index(n)] for r in table) for n in ("entered_year", "cod_prefix")}
    assert shown["entered_year"] == sorted(d[-4:] for d in sheet["entered"])
    assert shown["cod_prefix"] == sorted(c.zfill(5)[:2] for c in sheet["cod"])
    alone = rows(tmp_path / "views", views["outcome"], "alone.csv")
    assert "transplant" in alone[0]
    place = alone[0].index("transplant")
    assert sorted(r[place] for r in alone[1:]) == sorted(sheet["transplant"])


def test_small_series_numbers_that_count_and_accessions_show_no_series() -> None:
    assert series_of([f"GSM{1000 + 7 * i}" for i in range(60)]) == ()
    assert series_of([f"{i:03}" for i in range(60)]) == ()
    assert set(series_of([f"TCGA-{'02' if i % 2 else '06'}-{i * 37:04}" for i in range(60)])) == {"TCGA-02", "TCGA-06"}
    few = series_of([*(f"12{i * 9:03}" for i in range(20)), *(f"28{i * 9:03}" for i in range(20)), "43001", "43017"])
    assert sorted(set(few)) == ["12", "28", "other"]


def test_calls_and_all_features_stand_beside_the_matrix_with_its_codes(tmp_path: Path) -> None:
    sheet = make_sheet()
    write_data(tmp_path / "data", sheet)
    names = sheet["sample"]
    calls = {n: ["P" if (i + g) % 3 else "A" for g in range(6)] for i, n in enumerate(names)}
    lines = ["\t".join(["gene", *names])]
    lines += ["\t".join([f"GENE{g}", *(calls[n][g] for n in names)]) for g in range(6)]
    (tmp_path / "data" / "calls.tsv").write_text("\n".join(lines) + "\n")
    with (tmp_path / "data" / "dataset.toml").open("a") as file:
        file.write('[[files]]\nname = "calls"\nkind = "table"\npath = "calls.tsv"\nfeature_column = "gene"\n')
    opened = views_of(tmp_path / "views", tmp_path / "data", BOTH)["open"]
    matrix, shown = (rows(tmp_path / "views", opened, n) for n in ("matrix.csv", "calls.csv"))
    assert matrix[0] == shown[0]
    for place, value in enumerate(matrix[1][1:], start=1):
        sample = names[int(value.split(".")[1]) - 101]
        assert [r[place] for r in shown[1:]] == calls[sample]


def test_a_table_of_genes_of_a_data_set_without_samples_is_beside_every_view(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    genes = "TP53 EGFR MYC KRAS BRAF PTEN RB1 VEGFA CDK4 CCND1 ESR1 ERBB2 GATA3 FOXA1 AKT1 MTOR JAK2 STAT3 BCL2 MDM2"
    lines = ["pathway\tgene\tweight", *(f"W\t{g}\t{i}.5" for i, g in enumerate([*genes.split(), "NOTCH1", "CDH1"]))]
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "pathways.tsv").write_text("\n".join(lines) + "\n")
    datasets, failures = load_datasets([tmp_path / "data", tmp_path / "weights"])
    assert not failures
    views = make_views(datasets, SURVIVAL, tmp_path / "views", SECRET)
    assert {v.beside for v in views} == {(f"{datasets[1].id}-pathways.csv",)}


def test_a_prefix_of_names_is_shown_only_where_it_says_nothing_of_the_groups(tmp_path: Path) -> None:
    sheet = make_sheet()
    write_data(tmp_path / "one", sheet)
    sheet["sample"] = [f"{'N' if a == 'untreated' else 'C'}{i:03}" for i, a in enumerate(sheet["arm"])]
    write_data(tmp_path / "two", sheet)
    one, two = (views_of(tmp_path / f"views {d}", tmp_path / d, GROUPS)["open"] for d in ("one", "two"))
    assert "name_prefix" in one.files[0].columns
    assert "name_prefix" not in two.files[0].columns


def test_a_response_that_is_compared_in_survival_has_a_file_of_its_own(tmp_path: Path) -> None:
    sheet = make_sheet()
    sheet["response"] = [random.Random(i).choice(["responder", "nonresponder"]) for i in range(60)]
    write_data(tmp_path / "data", sheet)
    asked = Objective(id="r", text="Is response associated with overall survival?")
    outcome = views_of(tmp_path / "views", tmp_path / "data", asked)["outcome"]
    assert [f.columns[1:] for f in outcome.files] == [("time_months", "death"), ("response",)]
    first, second = (rows(tmp_path / "views", outcome, f.name) for f in outcome.files)
    assert not {r[0] for r in first[1:]} & {r[0] for r in second[1:]}


def test_views_are_made_once_and_again_when_files_were_changed(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    first = views_of(tmp_path / "views", tmp_path / "data", BOTH)
    path = view_folder(tmp_path / "views", first["open"]) / "samples.csv"
    stamp = path.stat().st_mtime_ns
    assert views_of(tmp_path / "views", tmp_path / "data", BOTH) == first
    assert path.stat().st_mtime_ns == stamp
    whole = path.read_bytes()
    path.write_bytes(b"death\n1\n")
    assert views_of(tmp_path / "views", tmp_path / "data", BOTH) == first
    assert path.read_bytes() == whole


def permuted(sheet: dict[str, list[str]], columns: list[str], seed: int) -> dict[str, list[str]]:
    """Exchange the rows of some columns together, so that their links to each other stay."""
    order = list(range(len(sheet["sample"])))
    random.Random(seed).shuffle(order)
    return {n: [v[i] for i in order] if n in columns else v for n, v in sheet.items()}


@given(seed=st.integers(0, 10**6), n=st.integers(40, 80))
def test_exchanging_outcomes_between_samples_changes_no_byte_of_the_other_views(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    folder = tmp_path_factory.mktemp("property")
    sheet = make_sheet(n, seed)
    sheet["autopsy"] = ["done" if d == "1" else "" for d in sheet["death"]]  # found by the rule, so withheld too
    sheet["entered"] = [f"{1 + i % 12}/{1 + i % 28}/{1997 + i % 3}" for i in range(n)]
    sheet["cod"] = [f"{'3 12 28'.split()[i % 3]}{i * 7:03}" for i in range(n)]
    write_data(folder / "one", sheet)
    write_data(folder / "two", permuted(sheet, ["time_months", "death", "autopsy"], seed + 1))
    found = []
    for name in ("one", "two"):
        (folder / name).rename(folder / "data")
        views = views_of(folder / f"views {name}", folder / "data", BOTH)
        found.append({k: all_bytes(folder / f"views {name}", views[k]) for k in ("open", "design")})
        (folder / "data").rename(folder / name)
    assert same_where_both(found[0]["open"], found[1]["open"])
    assert same_where_both(found[0]["design"], found[1]["design"])


@given(seed=st.integers(0, 10**6), n=st.integers(40, 80))
def test_exchanging_groups_between_samples_changes_no_byte_of_the_open_view(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    folder = tmp_path_factory.mktemp("property")
    sheet = make_sheet(n, seed)
    sheet["dose_mg"] = ["50" if a == "treated" else "0" for a in sheet["arm"]]
    write_data(folder / "one", sheet)
    write_data(folder / "two", permuted(sheet, ["arm", "dose_mg"], seed + 1))
    found = []
    for name in ("one", "two"):
        (folder / name).rename(folder / "data")
        views = views_of(folder / f"views {name}", folder / "data", GROUPS)
        found.append(all_bytes(folder / f"views {name}", views["open"]))
        (folder / "data").rename(folder / name)
    assert same_where_both(*found)


def same_where_both(one: dict[str, bytes], other: dict[str, bytes]) -> bool:
    """Compare files by columns: only a covariate that is withheld by chance in one of them may be missing."""
    if one.keys() != other.keys():
        return False
    for name in one:
        first, second = (list(zip(*csv.reader(io.StringIO(f[name].decode())), strict=True)) for f in (one, other))
        by_name = {c[0]: c for c in second}
        both = [c for c in first if c[0] in by_name]
        if name == "matrix.csv" and one[name] != other[name]:
            return False
        if any(c != by_name[c[0]] for c in both):
            return False
        if len(both) == len(first) == len(second) and one[name] != other[name]:
            return False
    return True


def test_adult_leukaemia_withholds_what_gives_the_relapse_away(shared_data: Path, tmp_path: Path) -> None:
    datasets, _ = load_datasets([shared_data / "expression" / "all_chiaretti"])
    asked = Objective(id="x", text="Which genes are associated with relapse in adult ALL?")
    views = {v.kind: v for v in make_views(datasets, asked, tmp_path, SECRET)}
    held = {c for f in views["open"].files for c in f.columns}
    assert not held & {"relapse", "f.u", "date last seen", "ccr", "remission", "CR", "date.cr", "transplant", "cod"}
    assert {"diagnosis", "sex", "age", "BT", "mol.biol", "mdr", "kinet"} <= held
    with (shared_data / "expression" / "all_chiaretti" / "phenotype.tsv").open() as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    relapse = np.array([{"True": 1.0, "False": 0.0}.get(r["relapse"], np.nan) for r in table])
    areas = {n: auc([r[n] for r in table], relapse) for n in ("f.u", "date last seen", "ccr", "sex", "age", "BT")}
    assert all(areas[n] >= LEAK_AUC for n in ("f.u", "date last seen", "ccr")), areas
    assert all(areas[n] < LEAK_AUC for n in ("sex", "age", "BT")), areas


def test_the_open_view_of_the_print_series_shows_what_was_filled_in(shared_data: Path, tmp_path: Path) -> None:
    datasets, _ = load_datasets([shared_data / "expression" / "breast_gse4335"])
    asked = Objective(id="x", text="Is a signature associated with survival?")
    views = {v.kind: v for v in make_views(datasets, asked, tmp_path, SECRET)}
    sheet = rows(tmp_path, views["open"])
    series = {r[0]: r[sheet[0].index("name_prefix")] for r in sheet[1:]}
    matrix = list(zip(*rows(tmp_path, views["open"], "matrix.csv"), strict=True))
    most = {c[0]: max(c[1:].count(v) for v in set(c[1:])) for c in matrix[1:]}
    assert min(most[c] for c, s in series.items() if s == "svcc") >= 1980
    assert not set(rows(tmp_path, views["outcome"])[0]) & set(sheet[0]) - {"sample"}


def test_one_level_of_several_is_compared_where_it_stands_on_a_side_of_the_comparison() -> None:
    cells = {"class": ["BCR/ABL", "NEG", "ALL1/AF4"] * 8, "organ": ["lung", "liver", "colon"] * 8}
    text = "Which genes distinguish BCR/ABL-positive from molecularly negative patients?"
    found = find_withheld(cells, (), Objective(id="o", text=text), measured=True)
    assert [(w.column, w.reason) for w in found if w.reason == "compared group"] == [("class", "compared group")]
    text = "In lung tissue, which genes differ between BCR/ABL and all others?"
    found = find_withheld(cells, (), Objective(id="o", text=text), measured=True)
    assert [w.column for w in found if w.reason == "compared group"] == ["class"]


def test_groups_are_those_that_a_sentence_compares_and_not_what_is_adjusted_for() -> None:
    cells = {"tissue": ["Tumour", "normal"] * 10, "sex": ["M", "F", "F"] * 6 + ["M", "F"]}
    asked = Objective(id="x", text="Which genes differ between tumour and normal tissue, adjusted for sex?")
    assert {w.column for w in find_withheld(cells, (), asked, measured=True)} == {"tissue"}
    only = Objective(id="x", text="In normal tissue only, do genes differ between men and women?")
    assert {w.column for w in find_withheld(cells, (), only, measured=True)} == {"sex"}
    men = Objective(id="x", text="Does expression differ between men and women?")
    assert {w.column for w in find_withheld(cells, (), men, measured=True)} == {"sex"}


def test_a_time_beside_a_status_in_other_codes_is_an_outcome_and_a_time_course_is_none() -> None:
    rng = random.Random(3)
    lung = {
        "time": [str(rng.randrange(9, 999)) for _ in range(40)],
        "status": [str(rng.choice((1, 2))) for _ in range(40)],
    }
    asked = Objective(id="x", text="Which genes change?")
    assert {w.column for w in find_withheld(lung, (), asked, measured=True)} == {"time", "status"}
    course = {"time": ["0", "6", "24", "48"] * 10, "treatment": ["drug", "vehicle"] * 20}
    assert {w.column for w in find_withheld(course, (), asked, measured=True)} == set()


# Tables of genes

PROGENY = "gene_sets/progeny_human_top100.tsv"
FORBIDDEN = {
    "overall_survival": ["12.5", "3", "40"],
    "OS_status": ["0", "1"],
    "relapse": ["yes", "no"],
    "responder": ["R", "NR"],
    "vital_status": ["alive", "dead"],
    "state": ["alive", "dead"],
    "patient": ["P1", "P2", "P3"],
    "donor_id": ["7", "8"],
    "sample": ["a1", "a2"],
    "Tumor_Sample_Barcode": ["TCGA-1", "TCGA-2"],
    "age": ["50", "61"],
    "log2FoldChange": ["1.5", "-2"],
}


def progeny(shared_data: Path) -> dict[str, list[str]]:
    lines = (shared_data / PROGENY).read_text("utf-8").splitlines()
    header, *body = (line.split("\t") for line in lines)
    return {n: [row[i] for row in body] for i, n in enumerate(header)}


def test_a_reference_table_of_genes_is_shown_as_it_is(shared_data: Path, tmp_path: Path) -> None:
    views = views_of(tmp_path / "views", shared_data / PROGENY, SURVIVAL)
    assert set(views) == {"open"}
    shown = rows(tmp_path / "views", views["open"], "table.csv")
    written = [line.split("\t") for line in (shared_data / PROGENY).read_text("utf-8").splitlines()]
    assert shown == written
    assert views["open"].withheld == ()


def test_beside_a_matrix_a_table_of_genes_is_shown_unless_it_may_hold_results(
    shared_data: Path, tmp_path: Path
) -> None:
    cells = progeny(shared_data)
    for name, columns in (("weights", ("pathway", "gene", "weight")), ("results", ("pathway", "gene", "p_value"))):
        data = tmp_path / name
        write_data(data, make_sheet())
        table = "\n".join(",".join(r) for r in zip(*([n, *cells[n]] for n in columns), strict=True))
        (data / "genes.csv").write_text(table + "\n")
        with (data / "dataset.toml").open("a") as file:
            file.write('[[files]]\nname = "genes"\nkind = "table"\npath = "genes.csv"\n')
        opened = views_of(tmp_path / f"views-{name}", data, SURVIVAL)["open"]
        assert ("table.csv" in {f.name for f in opened.files}) is (name == "weights")
        assert any(w.startswith("genes: a further table") for w in opened.withheld) is (name == "results")


@given(
    st.lists(st.sampled_from(sorted(FORBIDDEN)), min_size=1, max_size=3, unique=True),
    st.integers(0, 3),
    st.integers(25, 400),
)
def test_nothing_with_an_outcome_or_a_patient_is_taken_for_a_table_of_genes(
    shared_data: Path, added: list[str], place: int, n: int
) -> None:
    cells = {name: values[:n] for name, values in progeny(shared_data).items()}
    assert is_gene_table(cells, ())
    names = [*cells]
    names[place:place] = added
    more = {a: [FORBIDDEN[a][i % len(FORBIDDEN[a])] for i in range(n)] for a in added}
    for name in added:
        assert not is_gene_table({**cells, name: more[name]}, ())
    assert not is_gene_table({name: {**cells, **more}[name] for name in names}, ())


def test_sheets_of_patients_with_genes_in_a_column_are_no_tables_of_genes(shared_data: Path) -> None:
    genes = list(dict.fromkeys(progeny(shared_data)["gene"]))[:60]
    numbers = [str(i) for i in range(60)]
    assert not is_gene_table({"x": [f"case-{i}" for i in numbers], "driver": genes}, ()), "texts that all differ"
    assert not is_gene_table({"gene": genes, "ctrl1": numbers, "ctrl2": numbers}, ()), "columns like samples"
    assert not is_gene_table({"driver": [g for g in genes[:5] for _ in range(12)], "x": numbers}, ()), "few genes"
    roles = (Column(name="t", dtype="number", role="time"),)
    assert not is_gene_table({"gene": genes, "t": numbers}, roles)
