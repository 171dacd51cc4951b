"""The packaged example: complete, honest about its sources, and what its numbers show."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from bioresearcher.errors import InputError
from bioresearcher.examples import ExampleInputs, list_examples, load_example, load_objective_file
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.sources.datasets.suitability import check_dataset

ORIGINAL = {
    "GSE1992/expression_log2.tsv.gz": "0a4cdd03f24333799694e6b42e893461535d33d80efc8d437032a3f99b1195b8",
    "GSE1992/clinical.tsv": "fb0fa6debd1806dcbe19c0c0a974a0abd7e6347b7a5b3bde04523b6671e7ab74",
    "GSE4335/expression_log2.tsv.gz": "dfb883279245f296e1ef9f2657650ed704a82c0c56cca9b82b537acff99ebd7c",
    "GSE4335/clinical.tsv": "ff9d302f1b7c3125664b894d418ca0dd788df053b620f7ebfe942b425d0424b7",
    "hallmark/h.all.v7.0.symbols.gmt": "4803c09aae50bbd96d53fc681bd5545a4c89278993c15145dd7b7c994f893516",
}


@pytest.fixture(scope="module")
def example() -> ExampleInputs:
    return load_example("breast-cancer")


@pytest.fixture(scope="module")
def datasets(example: ExampleInputs) -> dict[str, Dataset]:
    found, failures = load_datasets(example.data)
    assert not failures
    return {d.id: d for d in found}


def test_the_example_is_listed_and_whole(example: ExampleInputs) -> None:
    assert list_examples() == ("breast-cancer",)
    assert example.objective.id == "breast-cancer"
    assert [r.id for r in example.objective.requirements] == [f"R{i}" for i in range(1, 9)]
    assert all(p.exists() for p in (*example.papers, *example.data))


def test_an_unknown_example_names_the_known_ones() -> None:
    for name in ("lung", "", "../breast-cancer", "breast-cancer/data"):
        with pytest.raises(InputError, match=r"no such example\. Known examples: breast-cancer\."):
            load_example(name)


def test_both_cohorts_load_without_problems_and_are_usable(
    example: ExampleInputs, datasets: dict[str, Dataset]
) -> None:
    assert {d.id: (d.role, d.n_samples, d.n_features) for d in datasets.values()} == {
        "GSE1992": ("discovery", 124, 4951),
        "GSE4335": ("validation", 115, 4951),
        "hallmark": ("reference", 0, 0),
    }
    for dataset in datasets.values():
        assert dataset.problems == ()
        assert dataset.licence
        assert dataset.citation
        check = check_dataset(dataset, example.objective)
        assert (check.verdict, check.relevant) == ("usable", True)
    assert len(datasets["hallmark"].files[0].entries) == 50


def test_unit_and_endpoint_stay_open(datasets: dict[str, Dataset]) -> None:
    for name in ("GSE1992", "GSE4335"):
        time = datasets[name].column("time")
        assert time is not None
        assert time.unit is None
        assert datasets[name].endpoint is None
        text = " ".join(datasets[name].notes)
        assert "The unit of 'time' in clinical.tsv is not stated." in text
        assert "What counts as an event in clinical.tsv is not stated." in text
        assert "months" not in text


def test_the_numbers_are_the_originals(example: ExampleInputs, datasets: dict[str, Dataset]) -> None:
    root = example.data[0].parent
    for name, digest in ORIGINAL.items():
        assert sha256((root / name).read_bytes()).hexdigest() == digest
    listed = {f"{d.id}/{f.path}": f.sha256 for d in datasets.values() for f in d.files}
    assert listed == ORIGINAL


def test_every_data_folder_states_source_and_licence(example: ExampleInputs) -> None:
    for folder in example.data:
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert "Licence" in text
        assert re.search(r"Source|Where the numbers come from", text)


def test_what_the_notes_say_about_the_cohorts_is_true(example: ExampleInputs, datasets: dict[str, Dataset]) -> None:
    """Overlap, batch effect and gene counts are computed again from the tables."""
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    tables = {d.name: pd.read_csv(d / "expression_log2.tsv.gz", sep="\t", index_col=0) for d in example.data[:2]}
    first, second = tables["GSE1992"], tables["GSE4335"]
    assert list(first.index) == list(second.index)
    assert not set(first.columns) & set(second.columns)

    def ranks(table: object) -> object:
        return table.sub(table.median(axis=1), axis=0).rank().to_numpy().T  # type: ignore[attr-defined]

    r = np.corrcoef(ranks(first), ranks(second))
    np.fill_diagonal(r, 0)
    n = first.shape[1]
    assert [round(float(x.max()), 2) for x in (r[:n, n:], r[:n, :n], r[n:, n:])] == [0.34, 0.60, 0.69]

    centred = second.sub(second.mean(axis=1), axis=0).to_numpy()
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    series = pd.Series(second.columns).str.extract(r"^([a-z]+)")[0]
    axis = pd.Series(axes[0])
    between = axis.groupby(series).transform("mean").var(ddof=0) / axis.var(ddof=0)
    assert round(float(between), 2) == 0.96
    assert round(float(values[0] ** 2 / (values**2).sum()), 2) == 0.17
    counts = ", ".join(
        f"{k} {v}" for k, v in sorted(series.value_counts().items(), key=lambda kv: (-kv[1], kv[0] == "svj"))
    )
    assert counts in " ".join(datasets["GSE4335"].notes)

    sets = {line.split("\t")[0]: set(line.rstrip().split("\t")[2:]) for line in
            (example.data[2] / "h.all.v7.0.symbols.gmt").read_text(encoding="utf-8").splitlines()}  # fmt: skip
    genes = set(first.index)
    assert (len(set().union(*sets.values())), len(set().union(*sets.values()) & genes)) == (4384, 3470)
    assert (len(sets["HALLMARK_E2F_TARGETS"]), len(sets["HALLMARK_E2F_TARGETS"] & genes)) == (200, 162)


def test_the_sample_counts_in_the_notes_are_true(example: ExampleInputs) -> None:
    rows = [r.split("\t") for r in (example.data[0] / "clinical.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert sum(bool(re.search(r"-Met|RECUR", r[0])) for r in rows) == 5
    assert sum("post-chemo" in r[0] for r in rows) == 2
    assert {r[1] for r in rows if re.search(r"-Met|RECUR|post-chemo", r[0])} == {"1"}
    assert sum(int(r[1]) for r in rows if not re.search(r"-Met|RECUR|post-chemo", r[0])) == 28
    events = {p: [int(r[1]) for r in rows if r[0].startswith(p)] for p in ("UB", "BC")}
    assert (len(events["UB"]), sum(events["UB"]), len(events["BC"]), sum(events["BC"])) == (21, 0, 25, 14)


def test_the_filled_in_values_are_as_the_notes_say(example: ExampleInputs, datasets: dict[str, Dataset]) -> None:
    pd = pytest.importorskip("pandas")
    table = pd.read_csv(example.data[1] / "expression_log2.tsv.gz", sep="\t", index_col=0)
    commonest = pd.Series({c: table[c].value_counts().index[0] for c in table})
    held = table.eq(commonest)
    count, series = held.sum(), pd.Series({c: c.rstrip("0123456789") for c in table})
    first, small = series.isin(["svcc", "svj", "svl", "svn"]), series == "shac"
    assert (count[first].min(), count[first].max(), int(first.sum())) == (1980, 2073, 68)
    assert (count[small].min(), count[small].max()) == (1021, 1084)
    assert (count[~first & ~small].min(), count[~first & ~small].max()) == (58, 356)
    assert (commonest - table.median()).abs()[first | small].max() < 1e-9
    assert int(held.loc[:, first].all(axis=1).sum()) == 1954
    lines = (example.data[2] / "h.all.v7.0.symbols.gmt").read_text(encoding="utf-8").splitlines()
    genes = next(line.split("\t")[2:] for line in lines if line.startswith("HALLMARK_E2F_TARGETS\t"))
    share = held.loc[:, first | small].sum(axis=1) / table.shape[1]
    assert int((share[[g for g in genes if g in table.index]] > 0.2).sum()) == 42
    notes = " ".join(datasets["GSE4335"].notes)
    assert all(n in notes for n in ("1,980 to 2,073", "1,021 to 1,084", "58 to 356", "1,954", "42 are filled in"))


def test_the_method_notes_are_labelled_short_and_complete(example: ExampleInputs) -> None:
    files = sorted(example.papers[0].glob("*.md"))
    assert 8 <= len(files) <= 12
    words = 0
    for file in files:
        _, front, body = file.read_text(encoding="utf-8").split("---\n", 2)
        fields = yaml.safe_load(front)
        assert fields["type"] == "method note"
        assert "in our own words" in fields["note"]
        assert fields["title"]
        assert fields["authors"]
        assert 1950 < fields["year"] < 2024
        assert fields.get("pmid") or fields.get("doi")
        headings = re.findall(r"^## (.+)$", body, re.M)
        assert [h.split(":")[0] for h in headings] == ["Summary", "Methods in brief", "Methods to take over", "Limits"]
        count = len(body.split())
        assert 240 <= count <= 350, (file.name, count)
        words += count
    assert words < 3400


def test_an_objective_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "my data").mkdir()
    file = tmp_path / "mein ziel.toml"
    file.write_text('objective = "Find α"\nrequirements = ["a", "b"]\ndata = ["my data"]\n', encoding="utf-8")
    inputs = load_objective_file(file)
    assert inputs.objective.id == "mein-ziel"
    assert [(r.id, r.text) for r in inputs.objective.requirements] == [("R1", "a"), ("R2", "b")]
    assert inputs.data == (tmp_path / "my data",)
    assert inputs.papers == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "objective: must be given"),
        ('objective = " "', "objective: "),
        ('objectiv = "x"', "did you mean `objective`"),
        ('objective = "x"\nrequirements = "one"', "requirements: expected a list"),
        ('objective = "x"\npapers = ["nowhere"]', r"papers\[1\]: 'nowhere' is not there"),
        ('objective = "x"\ndata = ["~nobody-here/x"]', "is not there"),
        ("objective = ", "not valid TOML"),
    ],
)
def test_mistakes_in_an_objective_file_are_named(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "o.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=expected) as caught:
        load_objective_file(file)
    assert str(file) in caught.value.message


def test_an_objective_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            load_objective_file(path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes('objective = "Größe"'.encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        load_objective_file(latin)
