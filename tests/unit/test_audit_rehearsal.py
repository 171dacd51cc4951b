"""Copies for a rehearsal: read as the originals are, and no byte of them depends on the outcome's or group's link."""

from __future__ import annotations

import csv
import gzip
import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_audit_views import BOTH, GROUPS, SURVIVAL, make_sheet, permuted, write_data

from bioresearcher.audit.rehearsal import AS_GIVEN, Copies, make_copies
from bioresearcher.errors import WorkspaceError
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.question import Contrast, DerivedColumn, Question
from bioresearcher.sources.datasets.load import load_datasets


def copies_of(folder: Path, data: Path, objective: Objective) -> Copies:
    datasets, failures = load_datasets([data])
    assert not failures
    return make_copies(datasets, objective, folder)


def contents(copies: Copies) -> dict[str, bytes]:
    return {f.path: (copies.folder / f.path).read_bytes() for f in copies.files}


def table(copies: Copies, name: str = "samples.csv", delimiter: str = ",") -> dict[str, list[str]]:
    path = next(copies.folder / f.path for f in copies.files if f.path.endswith(name))
    data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    rows = list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))
    return dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))


def describe(folder: Path, text: str) -> None:
    with (folder / "dataset.toml").open("a") as file:
        file.write(text)


def both_copies(
    folder: Path, one: dict[str, list[str]], two: dict[str, list[str]], objective: Objective
) -> list[Copies]:
    """Copies of two forms of one data set, each from a folder of the same name."""
    found = []
    for name, sheet in (("one", one), ("two", two)):
        write_data(folder / "data", sheet)
        found.append(copies_of(folder / name, folder / "data", objective))
        (folder / "data").rename(folder / f"data {name}")
    return found


@given(seed=st.integers(0, 10**6), n=st.integers(90, 140))
def test_exchanging_outcomes_or_groups_between_samples_changes_no_byte(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    sheet = make_sheet(n, seed)
    sheet["autopsy"] = ["done" if d == "1" else "" for d in sheet["death"]]
    sheet["dose_mg"] = ["50" if a == "treated" else "0" for a in sheet["arm"]]
    other = permuted(permuted(sheet, ["time_months", "death", "autopsy"], seed + 1), ["arm", "dose_mg"], seed + 2)
    one, two = both_copies(tmp_path_factory.mktemp("property"), sheet, other, BOTH)
    assert contents(one) == contents(two)
    assert one.digest == two.digest
    assert set(one.shuffled["data"]) == {"time_months", "death", "autopsy", "arm", "dose_mg"}


@given(seed=st.integers(0, 10**6), n=st.integers(90, 140))
def test_exchanging_names_that_give_the_group_away_changes_no_byte(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    sheet = make_sheet(n, seed)
    sheet["sample"] = [f"{a[:2]}-{i:03}" for i, a in enumerate(sheet["arm"])]
    other = permuted(sheet, ["sample"], seed + 1)
    other["arm"] = [{"tr": "treated", "un": "untreated"}[s[:2]] for s in other["sample"]]
    one, two = both_copies(tmp_path_factory.mktemp("property"), sheet, other, GROUPS)
    assert contents(one) == contents(two)
    assert all("names of samples shuffled" in f.what for f in one.files)


def test_a_copy_keeps_all_columns_samples_and_blocks(tmp_path: Path) -> None:
    sheet = make_sheet()
    write_data(tmp_path / "data", sheet)
    copies = copies_of(tmp_path / "copies", tmp_path / "data", BOTH)
    copied = table(copies)
    assert list(copied) == list(sheet)
    for name in ("sample", "age", "batch"):
        assert copied[name] == sheet[name]
    for name in ("arm", "time_months", "death"):
        assert sorted(copied[name]) == sorted(sheet[name])
        assert copied[name] != sheet[name]
    pairs = [sorted(zip(t["time_months"], t["death"], strict=True)) for t in (copied, sheet)]
    assert pairs[0] == pairs[1], "a time stays with its event"
    assert copies.shuffled == {"data": ("arm", "time_months", "death")}
    what = {f.name: f.what for f in copies.files}
    assert what == {"expression": AS_GIVEN, "samples": "columns arm, time_months, death shuffled"}
    assert contents(copies)["data/expression.csv"] == (tmp_path / "data" / "expression.csv").read_bytes()


def test_groups_and_outcomes_are_shuffled_apart_and_what_gives_both_away_alone(tmp_path: Path) -> None:
    sheet = make_sheet(120)
    sheet["death"] = [str(int((a == "treated") != (i % 12 == 0))) for i, a in enumerate(sheet["arm"])]
    sheet["told"] = [f"{a[:2]}{d}" for a, d in zip(sheet["arm"], sheet["death"], strict=True)]
    write_data(tmp_path / "data", sheet)
    copied = table(copies_of(tmp_path / "copies", tmp_path / "data", BOTH))

    def together(one: str, other: str) -> float:
        same = sum((a == "treated") == (d == "1") for a, d in zip(copied[one], copied[other], strict=True))
        return same / 120

    assert 0.3 < together("arm", "death") < 0.7, "11 of 12 in the original"
    assert 0.3 < sum(a[:2] == t[:2] for a, t in zip(copied["arm"], copied["told"], strict=True)) / 120 < 0.7
    assert 0.3 < sum(d == t[2] for d, t in zip(copied["death"], copied["told"], strict=True)) / 120 < 0.7


def test_free_texts_are_shuffled_without_the_names_in_them(tmp_path: Path) -> None:
    sheet = make_sheet()
    sheet["note"] = [
        f"Patient {s.upper()}, seen in the clinic, lived {t} months after the operation"
        for s, t in zip(sheet["sample"], sheet["time_months"], strict=True)
    ]
    write_data(tmp_path / "data", sheet)
    copied = table(copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL))
    assert all(n.startswith("Patient …, seen") for n in copied["note"])
    lived = [n.split(" lived ")[1].split()[0] for n in copied["note"]]
    assert lived == copied["time_months"] != sheet["time_months"], "the only block there is"
    both = table(copies_of(tmp_path / "both", tmp_path / "data", BOTH))
    assert [n.split(" lived ")[1].split()[0] for n in both["note"]] != both["time_months"]


def test_names_that_give_a_group_away_never_stand_beside_it(tmp_path: Path) -> None:
    sheet = make_sheet()
    sheet["title"] = [f"{i * 7:03} {a}" for i, a in enumerate(sheet["arm"])]
    sheet["alias"] = [f"al{i * 3:03}" for i in range(60)]
    write_data(tmp_path / "data", sheet)
    copied = table(copies_of(tmp_path / "copies", tmp_path / "data", GROUPS))
    assert copied["alias"] == sheet["alias"]
    assert sorted(copied["title"]) == sorted(sheet["title"])
    assert 15 < sum(t[4:] == a for t, a in zip(copied["title"], copied["arm"], strict=True)) < 45
    assert 15 < sum(t[4:] == a for t, a in zip(copied["title"], sheet["arm"], strict=True)) < 45


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), n=st.integers(90, 120))
def test_samples_of_a_patient_stay_alike_and_exchanging_patients_outcomes_changes_no_byte(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    rng = random.Random(seed)
    sheet = make_sheet(2 * n, seed)
    sheet["patient"] = [f"P{i // 2:03}" for i in range(2 * n)]
    outcomes = [(f"{rng.randrange(10, 90)}.5", str(rng.randrange(2))) for _ in range(n)]
    forms = []
    for _ in range(2):
        rng.shuffle(outcomes)
        lasting = {"time_months": [outcomes[i // 2][0] for i in range(2 * n)]}
        forms.append({**sheet, **lasting, "death": [outcomes[i // 2][1] for i in range(2 * n)]})
    one, two = both_copies(tmp_path_factory.mktemp("property"), *forms, SURVIVAL)
    assert contents(one) == contents(two)
    copied = table(one)
    of = {(p, t, d) for p, t, d in zip(copied["patient"], copied["time_months"], copied["death"], strict=True)}
    assert len(of) == n
    assert sorted((t, d) for _, t, d in of) == sorted(outcomes)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), n=st.integers(90, 120))
def test_pairs_stay_pairs_and_exchanging_their_sides_changes_no_byte(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    rng = random.Random(seed)
    sheet = make_sheet(2 * n, seed)
    sheet["patient"] = [f"P{i // 2:03}" for i in range(2 * n)]
    forms = []
    for _ in range(2):
        sides = [rng.sample(["treated", "untreated"], 2) for _ in range(n)]
        arm = [sides[i // 2][i % 2] for i in range(2 * n)]
        forms.append({**sheet, "arm": arm, "dose_mg": ["50" if a == "treated" else "0" for a in arm]})
    one, two = both_copies(tmp_path_factory.mktemp("property"), *forms, GROUPS)
    assert contents(one) == contents(two)
    copied = table(one)
    assert len(set(zip(copied["patient"], copied["arm"], strict=True))) == 2 * n
    assert set(zip(copied["arm"], copied["dose_mg"], strict=True)) == {("treated", "50"), ("untreated", "0")}
    assert n / 2 < sum(a == b for a, b in zip(copied["arm"], forms[0]["arm"], strict=True)) < 1.5 * n


def test_new_names_are_the_same_in_sheet_matrices_and_measures(tmp_path: Path) -> None:
    sheet = make_sheet()
    sheet["sample"] = [f"{i:03}_{a}" for i, a in enumerate(sheet["arm"])]  # at the end of the name
    write_data(tmp_path / "data", sheet)
    names = sheet["sample"]
    lines = ["\t".join(["gene", *names])]
    lines += ["\t".join([f"GENE{g}", *("PA"[(i + g) % 2] for i in range(60))]) for g in range(6)]
    (tmp_path / "data" / "calls.tsv").write_text("\n".join(lines) + "\n")
    describe(
        tmp_path / "data", '[[files]]\nname = "calls"\nkind = "table"\npath = "calls.tsv"\nfeature_column = "gene"\n'
    )
    copies = copies_of(tmp_path / "copies", tmp_path / "data", GROUPS)
    matrix, calls = table(copies, "expression.csv"), table(copies, "calls.tsv", "\t")
    copied = table(copies)
    assert list(matrix) == list(calls) == ["gene", *copied["sample"]]
    assert sorted(copied["sample"]) == sorted(names)
    assert copied["sample"] != names
    assert copied["age"] == sheet["age"], "a covariate stays with its values in the matrix"
    assert [matrix[s][0] for s in copied["sample"]] == [f"1.{i + 101}" for i in range(60)]


def test_a_matrix_without_a_sheet_has_its_names_on_other_samples(tmp_path: Path) -> None:
    names = [f"s{i:02}_{'ALL' if i < 20 else 'AML'}" for i in range(40)]
    text = ["\t".join(["probe", "description", *names])]
    text += ["\t".join([f"P{g}", f"about {g}", *(f"{g}.{i + 100}" for i in range(40))]) for g in range(5)]
    (tmp_path / "data").mkdir()
    with gzip.open(tmp_path / "data" / "values.tsv.gz", "wt") as file:
        file.write("\n".join(text) + "\n")
    (tmp_path / "data" / "dataset.toml").write_text(
        'title = "Leukaemia"\nsource = "made for a test"\n[[files]]\nname = "expression"\nkind = "expression"\n'
        'path = "values.tsv.gz"\nfeature_column = "probe"\n'
    )
    copies = copies_of(tmp_path / "copies", tmp_path / "data", GROUPS)
    if any(f.kind == "samples" for f in copies.files):
        pytest.fail("the sheet of this test is none")
    copied = table(copies, "values.tsv.gz", "\t")
    assert list(copied)[:2] == ["probe", "description"]
    assert sorted(list(copied)[2:]) == sorted(names)
    assert sum(n[4:] == ("ALL" if i < 20 else "AML") for i, n in enumerate(list(copied)[2:])) < 32
    rest = gzip.decompress((copies.folder / copies.files[0].path).read_bytes()).split(b"\n", 1)[1]
    assert rest.decode() == "\n".join(text[1:]) + "\n"


def test_a_further_table_keeps_its_ids_and_shuffles_the_rest(tmp_path: Path) -> None:
    sheet = make_sheet()
    sheet["patient"] = [f"P{i // 2:03}" for i in range(60)]
    write_data(tmp_path / "data", sheet)
    rows = [
        f"{s};{p};{t};relapse of {s} seen"
        for s, p, t in zip(sheet["sample"], sheet["patient"], sheet["time_months"], strict=True)
    ]
    lines = ["sample\tpatient\tfollow_up\tremark", *(r.replace(";", "\t") for r in rows)]
    (tmp_path / "data" / "later.tsv").write_text("\n".join(lines) + "\n")
    describe(tmp_path / "data", '[[files]]\nname = "later"\nkind = "table"\npath = "later.tsv"\n')
    copies = copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL)
    copied = table(copies, "later.tsv", "\t")
    assert (copied["sample"], copied["patient"]) == (sheet["sample"], sheet["patient"])
    assert sorted(copied["follow_up"]) == sorted(sheet["time_months"])
    assert copied["follow_up"] != sheet["time_months"]
    assert set(copied["remark"]) == {"relapse of … seen"}


def test_results_of_a_comparison_in_a_matrix_stand_in_other_rows(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet(), genes=30)
    path = tmp_path / "data" / "expression.csv"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([lines[0] + ",logFC,p_value", *(f"{n},{i}.5,0.{i:02}" for i, n in enumerate(lines[1:]))]) + "\n"
    )
    copies = copies_of(tmp_path / "copies", tmp_path / "data", GROUPS)
    copied = table(copies, "expression.csv")
    assert [v.split(".")[0] for v in copied["logFC"]] == [str(int(v[2:])) for v in copied["p_value"]]
    assert sorted(copied["logFC"]) == sorted(f"{i}.5" for i in range(30))
    assert copied["logFC"] != [f"{i}.5" for i in range(30)]
    assert {"logFC", "p_value"} <= set(copies.shuffled["data"])


def test_a_copy_has_the_form_of_its_file(tmp_path: Path) -> None:
    sheet = make_sheet()
    sheet["site"] = [["Köln", 'so-called "North"'][i % 2] for i in range(60)]
    write_data(tmp_path / "data", sheet)
    text = (tmp_path / "data" / "samples.csv").read_text().replace("\n", "\r\n").replace(",", "\t")
    (tmp_path / "data" / "samples.csv").unlink()
    written = b"\xef\xbb\xbf" + text.encode() + b"x\ty\tz\tz\tz\tz\tz\tz\tz\tz\r\n"
    (tmp_path / "data" / "Clinical data.TSV.gz").write_bytes(gzip.compress(written))
    toml = (tmp_path / "data" / "dataset.toml").read_text().replace("samples.csv", "Clinical data.TSV.gz")
    (tmp_path / "data" / "dataset.toml").write_text(toml)
    copies = copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL)
    path = next(f.path for f in copies.files if f.kind == "samples")
    assert path == "data/Clinical data.TSV.gz"
    copied = gzip.decompress((copies.folder / path).read_bytes())
    assert copied.startswith(b"\xef\xbb\xbfsample\tarm\t")
    lines = copied.decode("utf-8-sig").split("\r\n")
    assert len(lines) == 63
    assert lines[-2] == "\t" * 9, "a row with too many cells is blank, and has as many"
    assert "Köln" in lines[1] + lines[2]
    assert '"so-called ""North"""' in lines[1] + lines[2]


def test_copies_are_made_once_and_again_when_files_or_question_changed(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    first = copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL)
    paths = [tmp_path / "copies" / f.path for f in first.files]
    times = [p.stat().st_ino for p in paths]
    assert copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL) == first
    assert [p.stat().st_ino for p in paths] == times
    sheet = paths[1].read_bytes()
    paths[1].write_bytes(b"x")
    assert copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL) == first
    assert paths[1].read_bytes() == sheet
    assert copies_of(tmp_path / "copies", tmp_path / "data", GROUPS).shuffled != first.shuffled
    original = (tmp_path / "data" / "expression.csv").read_bytes()
    write_data(tmp_path / "data", make_sheet(50, 3))
    assert copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL).digest != first.digest
    assert (tmp_path / "data" / "expression.csv").read_bytes() != original


def test_a_file_that_cannot_be_read_is_left_out_with_a_note(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    (tmp_path / "data" / "extra.tsv.gz").write_bytes(gzip.compress(b"a\tb\n1\t2\n"))
    describe(tmp_path / "data", '[[files]]\nname = "extra"\nkind = "table"\npath = "extra.tsv.gz"\n')
    datasets, _ = load_datasets([tmp_path / "data"])
    (tmp_path / "data" / "samples.csv").write_bytes(b"sample,arm\n\0\0,1\n")
    (tmp_path / "data" / "extra.tsv.gz").write_bytes(gzip.compress(random.Random(1).randbytes(9000))[:200])
    (tmp_path / "data" / "expression.csv").unlink()
    copies = make_copies(datasets, BOTH, tmp_path / "copies")
    assert copies.files == ()
    assert len(copies.notes) == 3
    assert all(n.startswith("data: ") and "is not among the copies: " in n for n in copies.notes)
    assert copies.shuffled == {"data": ()}


def test_without_its_sheet_a_matrix_has_its_names_on_other_samples(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    datasets, _ = load_datasets([tmp_path / "data"])
    (tmp_path / "data" / "samples.csv").unlink()
    copies = make_copies(datasets, BOTH, tmp_path / "copies")
    assert [f.what for f in copies.files] == ["names of samples shuffled"]


def test_two_data_sets_of_one_folder_name_stand_apart_and_one_that_went_is_removed(tmp_path: Path) -> None:
    write_data(tmp_path / "a" / "data", make_sheet())
    datasets, _ = load_datasets([tmp_path / "a" / "data"])
    two = [datasets[0].model_copy(update={"id": name}) for name in ("x y", "x-y")]
    copies = make_copies(two, SURVIVAL, tmp_path / "copies")
    assert {f.path.split("/")[0] for f in copies.files} == {"x-y", "x-y-2"}
    make_copies(two[:1], SURVIVAL, tmp_path / "copies")
    assert [p.name for p in (tmp_path / "copies").iterdir() if p.name[0] != "."] == ["x-y"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    write_data(tmp_path / "data", make_sheet())
    (tmp_path / "copies").write_text("a file")
    with pytest.raises(WorkspaceError, match="the copies of the data cannot be written"):
        copies_of(tmp_path / "copies", tmp_path / "data", SURVIVAL)


def test_real_data_sets_are_copied_whole(shared_data: Path, tmp_path: Path) -> None:
    asked = Objective(id="x", text="Which genes are associated with relapse in adult ALL?")
    copies = copies_of(tmp_path, shared_data / "expression" / "all_chiaretti", asked)
    gone = {"relapse", "f.u", "date last seen", "ccr", "remission", "CR", "date.cr", "transplant"}
    assert set(copies.shuffled["all_chiaretti"]) == gone
    copied = table(copies, "phenotype.tsv", "\t")
    with (shared_data / "expression" / "all_chiaretti" / "phenotype.tsv").open() as file:
        original = list(csv.DictReader(file, delimiter="\t"))
    for name in copied:
        written = [r[name] or "" for r in original]
        assert sorted(copied[name]) == sorted(written)
        assert (copied[name] == written) is (name not in gone)


PATIENTS = DerivedColumn(
    name="patient",
    source="title",
    levels=tuple((f"p{i}", tuple(f"{t}{i} of one kidney, frozen" for t in "CN")) for i in range(30)),
)
TISSUES = DerivedColumn(
    name="tissue",
    source="title",
    levels=tuple((t, tuple(f"{t}{i} of one kidney, frozen" for i in range(30))) for t in "CN"),
)


def asked(column: str, levels: tuple[str, str], pair: str, derived: tuple[DerivedColumn, ...]) -> Question:
    contrast = Contrast(column=column, case=levels[0], control=levels[1], levels=levels)
    return Question(
        id="A1", kind="difference", text="Differ.", dataset="data", contrast=contrast, pair=pair, derived=derived
    )


@pytest.mark.parametrize(
    ("column", "levels", "pair", "derived"),
    [
        ("arm", ("treated", "untreated"), "patient", (PATIENTS,)),
        ("tissue", ("C", "N"), "patient", (PATIENTS, TISSUES)),
        ("tissue", ("C", "N"), "person", (TISSUES,)),
    ],
    ids=["patients in titles", "patients and tissues in titles", "tissues in titles"],
)
def test_columns_read_off_others_keep_their_pairs_and_have_no_link_to_the_rest(
    tmp_path: Path, column: str, levels: tuple[str, str], pair: str, derived: tuple[DerivedColumn, ...]
) -> None:
    sheet = make_sheet(60)
    order = random.Random(3).sample(range(60), 60)
    sheet["arm"] = ["treated" if i % 2 else "untreated" for i in order]
    sheet["title"] = [f"{'NC'[i % 2]}{i // 2} of one kidney, frozen" for i in order]
    sheet["person"] = [f"person {i // 2}" for i in order]
    question = asked(column, levels, pair, derived)
    write_data(tmp_path / "data", sheet)
    datasets, _ = load_datasets([tmp_path / "data"])
    copies = make_copies(datasets, GROUPS, tmp_path / "copies", [question])
    copy = table(copies)
    assert list(copy) == list(sheet), "columns that are read off others stand in no file"
    assert copy["title"] != sheet["title"]
    assert sorted(copy["title"]) == sorted(sheet["title"])
    read = {d.name: [d.of(cell) for cell in copy["title"]] for d in derived}
    groups = dict(zip(("treated", "untreated"), "CN", strict=True)) | {"C": "C", "N": "N"}
    held: dict[str, list[str]] = {}
    for person, group in zip((copy | read)[pair], (copy | read)[column], strict=True):
        held.setdefault(person, []).append(groups[group])
    assert len(held) == 30
    assert {tuple(sorted(found)) for found in held.values()} == {("C", "N")}


def test_a_copy_with_patients_in_titles_depends_on_no_link_either(tmp_path: Path) -> None:
    sheet = make_sheet(60)
    order = random.Random(3).sample(range(60), 60)
    sheet["arm"] = ["treated" if i % 2 else "untreated" for i in order]
    sheet["title"] = [f"{'NC'[i % 2]}{i // 2} of one kidney, frozen" for i in order]
    question = asked("arm", ("treated", "untreated"), "patient", (PATIENTS,))
    found = []
    for name, cells in (("one", sheet), ("two", permuted(sheet, ["arm", "title"], 5))):
        write_data(tmp_path / "data", cells)
        datasets, _ = load_datasets([tmp_path / "data"])
        found.append(contents(make_copies(datasets, GROUPS, tmp_path / name, [question])))
        (tmp_path / "data").rename(tmp_path / f"data {name}")
    assert found[0] == found[1]


def test_the_rows_of_a_question_stand_in_its_copy_as_in_the_copy_of_their_data_set(tmp_path: Path) -> None:
    """A script reads both: whoever is a pair in the one is a pair in the other, and the left out stay left out."""
    sheet = make_sheet(64)
    order = [*random.Random(3).sample(range(60), 60), 60, 61, 62, 63]
    sheet["arm"] = ["treated" if i % 2 else "untreated" for i in order]
    sheet["title"] = [f"{'NC'[i % 2]}{i // 2 if i < 60 else i} of one kidney, frozen" for i in order]
    write_data(tmp_path / "data", sheet)
    chosen = {name: cells[:60] for name, cells in sheet.items()}
    chosen["patient"] = [PATIENTS.of(title) for title in chosen["title"]]
    write_data(tmp_path / "rows", chosen)
    (source,), _ = load_datasets([tmp_path / "data"])
    (rows,), _ = load_datasets([tmp_path / "rows"])
    rows = rows.model_copy(update={"id": "data-A1", "analysis_of": "data"})
    question = asked("arm", ("treated", "untreated"), "patient", (PATIENTS,))
    copies = make_copies([rows, source], GROUPS, tmp_path / "copies", [question])
    whole, part = (
        dict(zip(cells["sample"], zip(cells["title"], cells["arm"], strict=True), strict=True))
        for folder in ("data", "data-A1")
        for cells in [table(copies, f"{folder}/samples.csv")]
    )
    assert part == {name: whole[name] for name in chosen["sample"]}
    read = table(copies, "data-A1/samples.csv")
    assert read["patient"] == [PATIENTS.of(title) for title in read["title"]]
    assert read["patient"] != chosen["patient"]
    held: dict[str, set[str]] = {}
    for patient, arm in zip(read["patient"], read["arm"], strict=True):
        held.setdefault(patient, set()).add(arm)
    assert len(held) == 30
    assert all(arms == {"treated", "untreated"} for arms in held.values())
    again = make_copies([rows, source], GROUPS, tmp_path / "copies", [question])
    assert again.digest == copies.digest
