"""Output files are held against what was declared."""

from __future__ import annotations

import json
from pathlib import Path

import execution_support as lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.execution.number_sources import declared_bounds
from bioresearcher.execution.output_tables import OutputTable, numbers_in, unsupported_numbers
from bioresearcher.execution.outputs import check_outputs, struck_sentences
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, Finding, Outcome, TaskOutput

RULES = (
    ColumnRule(name="gene", max_missing=0),
    ColumnRule(name="p", numeric=True, minimum=0, maximum=1),
    ColumnRule(name="median", numeric=True),
)


def check(folder: Path, name: str, data: str | bytes, kind: str = "table", **declared):
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    output = TaskOutput(name="o", file=name, kind=kind, **declared)
    task = DryLabTask(id="T1", title="t", goal="g", step_ids=(), inputs=(), outputs=(output,), parameters={"fdr": 0.05})
    return check_outputs(task, folder, base=folder)


GOOD = "gene\tp\tmedian\nA\t0.5\t3\nB\t1e-300\tNA\n"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (GOOD, ""),
        (GOOD.replace("\t3", "\tNA"), ""),
        ("\ufeff" + GOOD, ""),
        ("p\tmedian\tgene\n0.5\t3\tA\n", ""),
        ("", "empty"),
        ("\n\n", "empty"),
        ("gene\tp\tmedian\n", "0 rows"),
        ("gene,p,median\nA,0.5,3\n", "separated by commas"),
        (GOOD.replace("median", "p"), "occurs more than once"),
        (GOOD + "C\t1\t2\t3\n", "row 4 has 4 fields"),
        (GOOD.replace("B\t1e-300\tNA", "B"), "row 3 has 1 fields"),
        (GOOD.replace("0.5", "-0.1"), "below its minimum 0"),
        (GOOD.replace("0.5", "2"), "above its maximum 1"),
        (GOOD.replace("0.5", "inf"), "above its maximum 1"),
        (GOOD.replace("0.5", "nan").replace("1e-300", ""), "NaN only"),
        (GOOD.replace("0.5", "high"), "'high' where a number"),
        (GOOD.replace("A", ""), "50% missing"),
        (GOOD.replace("A", '"A'), "1 fields"),
        (GOOD.replace("median", "median\tpadj").replace("\t3", "\t3\t0.4").replace("NA", "NA\t0.9"), "is below p 0.5"),
        (GOOD.replace("median", "median\tFDR").replace("\t3", "\t3\t0.6").replace("NA", "NA\t7"), "no probability"),
        (GOOD.replace("median", "median\tpadj").replace("\t3", "\t3\t0.6").replace("NA", "NA\tNA"), ""),
    ],
)
def test_tables(table: str, says: str, tmp_path: Path) -> None:
    report = check(tmp_path, "o.tsv", table, columns=RULES)
    assert report.outcome is (Outcome.BAD_OUTPUT if says else None), report.message
    assert says in report.message


def test_a_column_without_values_where_they_may_miss_is_a_warning(tmp_path: Path) -> None:
    report = check(tmp_path, "o.tsv", GOOD.replace("3", "NA"), columns=RULES)
    assert report.warnings == ("o.tsv: no value in column 'median'",)
    assert report.artifacts[0].summary == "2 rows × 3 columns"


def test_a_table_may_be_empty_only_where_it_is_planned_so(tmp_path: Path) -> None:
    table = "model\testimate\tp\nmain\t\t\nadjusted\t\t\n"
    assert check(tmp_path, "o.tsv", table, description="planned table of results (empty)").outcome is None
    for said in ("table of results", "results without empty cells"):
        assert "NaN only" in check(tmp_path, "o.tsv", table, description=said).message
    declared = {"description": "planned table (empty)", "columns": (ColumnRule(name="p", numeric=True),)}
    assert "NaN only" in check(tmp_path, "o.tsv", table, **declared).message


def test_rates_of_ranked_enrichment_may_lie_below_their_p_values(tmp_path: Path) -> None:
    assert check(tmp_path, "o.tsv", "set\tnes\tp\tfdr\nA\t1.1\t0.9\t0.8\n").outcome is None
    assert check(tmp_path, "o.tsv", "set\tt\tp\tfdr\nA\t1.1\t0.9\t0.8\n").outcome is Outcome.BAD_OUTPUT


def test_tables_that_are_no_text_and_row_names_as_r_writes_them(tmp_path: Path) -> None:
    assert "not UTF-8" in check(tmp_path, "o.tsv", b"a\tb\n\xff\xfe\t1\n").message
    assert check(tmp_path, "o.csv", "x,y\nrow1,1,2\nrow2,3,4\n").artifacts[0].summary == "2 rows × 3 columns"


@pytest.mark.parametrize("word", ["TODO", "Lorem ipsum dolor", "example gene", "your value here", "foo"])
def test_placeholder_words_in_tables_and_texts(word: str, tmp_path: Path) -> None:
    assert check(tmp_path, "o.tsv", f"gene\tx\n{word}\t1\n").outcome is Outcome.PLACEHOLDER
    assert check(tmp_path, "o.txt", word, "text").outcome is Outcome.PLACEHOLDER


@pytest.mark.parametrize(
    "text", ["For example, 3 samples were left out.", "todos los genes", "An example of a set: A."]
)
def test_words_that_only_look_like_placeholders(text: str, tmp_path: Path) -> None:
    assert check(tmp_path, "o.txt", text, "text").outcome is None


def picture(size=(80, 60), mark=True, kind="PNG") -> bytes:
    import io

    from PIL import Image

    image = Image.new("RGB", size, "white")
    if mark:
        image.putpixel((1, 1), (0, 0, 0))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("o.png", picture(), ""),
        ("o.jpg", picture(kind="JPEG"), ""),
        ("o.png", picture(mark=False), "blank"),
        ("o.png", picture((20, 60)), "20 × 60 pixels"),
        ("o.png", picture()[:-30], "broken"),
        ("o.png", picture(kind="GIF"), "cannot be opened"),
        ("o.png", b"not a picture", "cannot be opened"),
        (
            "o.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\x01\0\0" * 2 + b"\x08\x02\0\0\0\xef\xe2\x4e\xdb",
            "65536 × 65536 pixels",
        ),
        ("o.pdf", b"%PDF-1.4", "no known kind"),
    ],
)
def test_pictures(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    report = check(tmp_path, name, data, "figure")
    assert report.outcome is (Outcome.BAD_OUTPUT if says else None), report.message
    assert says in report.message


BARS = '<rect width="9" height="9"/><path d="M0 0L9 9"/>'


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        (BARS, ""),
        ('<defs><clipPath id="c"><rect/></clipPath></defs><g clip-path="url(#c)">' + BARS + "</g>", ""),
        ("<rect/>", "blank"),
        ("<defs>" + BARS + "</defs>", "blank"),
        (BARS + "<script>alert(1)</script>", "active content"),
        ('<g onload="alert(1)">' + BARS + "</g>", "active content"),
        (BARS + '<a href="java\nscript:alert(1)"/>', "active content"),
        (BARS + '<image href="http://example.org/x.png"/>', "outside"),
        (BARS + '<rect style="fill: url(http://example.org/x)"/>', "outside"),
        (BARS + "<style>@import 'http://example.org'</style>", "outside"),
        (BARS + "<foreignObject/>", "active content"),
        (BARS + "<g>", "well-formed"),
    ],
)
def test_vector_pictures(inner: str, says: str, tmp_path: Path) -> None:
    report = check(tmp_path, "o.svg", f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>', "figure")
    assert report.outcome is (Outcome.BAD_OUTPUT if says else None), report.message
    assert says in report.message


def test_entities_in_vector_pictures_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>' + BARS + "<text>&b;</text></svg>"
    assert "declares entities" in check(tmp_path, "o.svg", bomb, "figure").message
    assert "root is <html>" in check(tmp_path, "o.svg", "<html/>", "figure").message


def test_a_figure_of_the_plotting_library_passes(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 3, 2])
    for name in ("o.svg", "o.png"):
        figure.savefig(tmp_path / name)
        assert check(tmp_path, name, (tmp_path / name).read_bytes(), "figure").outcome is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("[]", "0 findings"),
        ("{}", "list"),
        ("[{]", "JSON"),
        ('[{"statement": "x", "more": 1}]', "more"),
        ('[{"statement": " "}]', "empty statement"),
        ('[{"statement": "n = 3", "values": {"n": 4}}]', "states 3"),
        ('[{"statement": "n = 3", "values": {"n": 3}}]', ""),
        ('[{"statement": "No gene differs."}]', ""),
    ],
)
def test_findings_files(data: str, says: str, tmp_path: Path) -> None:
    report = check(tmp_path, "o.json", data, "findings")
    assert report.outcome is (Outcome.BAD_OUTPUT if says else None), report.message
    assert says in report.message


TABLE = OutputTable(("gene", "p"), (("GATA3", "0.0083"), ("ESR1", "0.41")))


@pytest.mark.parametrize(
    ("statement", "values", "number"),
    [
        ("HR 1.51 (95 % CI 1.11 to 2.06), p = 0.008", {"hr": 1.5142, "ci": [1.108, 2.0601], "p": 0.00834}, ""),
        ("HR 1.51 (90% CI 1.11–2.06)", {"hr": 1.5142, "ci": [1.108, 2.0601]}, ""),
        ("HR 1.52", {"hr": 1.5142}, "1.52"),
        ("1,840 of 4,951 genes (37.2 %) at FDR < 0.05", {"n": 1840, "of": 4951, "share": 0.37164}, ""),
        ("37 % of genes", {"percent": 37.2}, ""),
        ("38 % of genes", {"percent": 37.2}, "38 %"),
        ("p < 1e-16", {"p": 3e-22}, ""),
        ("p < 0.001", {"p": 0.03, "n": 0.0002}, "0.001"),
        ("p = 2.3 × 10^-5", {"p": 2.31e-5}, ""),
        ("E2F, IL-6, miR-21, GSE1992, CD8+, HALLMARK_E2F and 3′UTR are names", {}, ""),
        ("logFC −2.1 of GATA3", {"x": -2.13}, ""),
        ("GATA3 is lower by 2.1", {"x": -2.13}, ""),
        ("GATA3 differs by 2.1", {"x": -2.13}, "2.1"),
        ("GATA3 has p = 0.0083", {}, ""),
        ("GATA3 has p = 0.0084", {}, "0.0084"),
        ("Median of 3.", {"median": None, "flag": True}, "3"),
        ("Between 1-2 grades", {"low": 1, "high": 2}, ""),
        ("in grade 3 tumours", {"level": "grade 3"}, ""),
        ("about 1e999 genes", {"n": 5}, "1e999"),
    ],
)
def test_every_number_of_a_statement_must_be_somewhere(statement: str, values: dict, number: str) -> None:
    finding = Finding(statement=statement, values=values)
    assert unsupported_numbers(finding, [TABLE], {"fdr": 0.05}) == ((number,) if number else ())


def test_large_tables_count_only_by_the_rows_that_are_named() -> None:
    large = OutputTable(("gene", "p"), tuple((f"G{i}", f"{i}") for i in range(2000)))
    assert unsupported_numbers(Finding(statement="G77 has 77"), [large], {}) == ()
    assert unsupported_numbers(Finding(statement="Some gene has 77"), [large], {}) == ("77",)


@given(st.floats(-1e6, 1e6, allow_nan=False), st.integers(1, 6))
def test_a_rounded_number_is_found_and_another_is_not(value: float, digits: int) -> None:
    text = f"{value:.{digits}g}"
    assert unsupported_numbers(Finding(statement=f"It is {text} here.", values={"x": value}), [], {}) == ()
    other = f"{float(text) * 1.2 + 1:.12g}"
    assert unsupported_numbers(Finding(statement=f"It is {other} here.", values={"x": value}), [], {}) == (other,)


@given(st.text(max_size=200))
def test_any_text_can_be_searched_for_numbers(text: str) -> None:
    for number in numbers_in(text):
        assert number.text.strip()


def test_a_missing_output_weighs_most_and_artifacts_are_described(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"statement": "x"}]))
    outputs = tuple(TaskOutput(name=n, file=f"{n}.json", kind="findings") for n in "ab")
    task = DryLabTask(id="T1", title="t", goal="g", step_ids=(), inputs=(), outputs=outputs)
    report = check_outputs(task, tmp_path, base=tmp_path.parent)
    assert report.outcome is Outcome.NO_OUTPUT
    assert report.message == "declared but not written: b.json"
    assert [(a.path, a.summary) for a in report.artifacts] == [(f"{tmp_path.name}/a.json", "1 findings")]


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("12 of 40 genes are called at FDR < 0.05; the smallest p is 0.3.", ()),
        ("12 of 40 genes are called at a false discovery rate of 5 %.", ()),
        ("12 of 40 genes (bootstrap 95 % interval 10 to 14).", ()),
        ("12 of 40 genes, as in Sorlie et al. 2003.", ()),
        ("12 of 40 genes with |log2 FC| ≥ 1.5.", ()),
        ("12 of 40 genes differ (p < 0.05).", ("0.05",)),
        ("12 of 40 genes differ (p = 0.05).", ("0.05",)),
        ("12 of 40 genes at FDR < 0.07.", ("0.07",)),
        ("12 of 40 genes changed by 1.5.", ("1.5",)),
        ("2003 of 40 genes.", ("2003",)),
        ("95 % of 40 genes lie in the interval.", ("95 %",)),
    ],
)
def test_usual_levels_and_declared_bounds_are_no_results(statement: str, missing: tuple[str, ...]) -> None:
    said = Finding(statement=statement, values={"genes": 12, "tested": 40, "p_min": 0.3, "ci": [10, 14]})
    assert unsupported_numbers(said, (), {}, (), (1.5, 0.05)) == missing


def test_bounds_and_parameters_of_the_registered_steps_count_and_their_other_numbers_do_not() -> None:
    step = {"action": "Call at |log2 FC| ≥ 1.5; 37 of 40 are expected.", "parameters": [{"name": "k", "value": "500"}]}
    assert declared_bounds(json.dumps(step) + "\nnot JSON") == (500.0, 1.5)


def findings_of(folder: Path, *found: dict):
    task = lib.make_task("findings")
    lib_rows = "group\tmean\tp_value\na\t1.5\t0.2\nb\t2.5\t0.4\n"
    (folder / task.outputs[0].file).write_text(lib_rows)
    (folder / next(o.file for o in task.outputs if o.name == "findings")).write_text(json.dumps(found))
    return check_outputs(task, folder, base=folder)


def test_a_sentence_with_a_number_that_nothing_computed_is_left_out_and_its_values_stand(tmp_path: Path) -> None:
    made_up = {"statement": "12 of 40 genes, more than the 33 of the pilot.", "values": {"genes": 12, "tested": 40}}
    right = {"statement": "The mean of b is 2.5.", "values": {}}
    report = findings_of(tmp_path, made_up, right)
    assert report.outcome is None
    assert [f.statement for f in report.findings] == [
        "genes = 12; tested = 40 (its sentence is left out: it states 33, which nothing computed)",
        "The mean of b is 2.5.",
    ]
    assert "states 33" in report.warnings[0]


@pytest.mark.parametrize(
    "statement",
    [
        "Of 32 sets 10 fell and 22 rose.",
        "10 of 32 sets (31 %) fell.",
        "Three sets, A, B and C, are the clearest: 3 of 32.",
        "The share is 0.284, i.e. 28.4 % of the samples.",
        "The hazard is 25.1 % higher (HR 1.251).",
    ],
)
def test_a_number_that_follows_from_the_findings_own_values_keeps_its_sentence(statement: str, tmp_path: Path) -> None:
    values = {"sets": 32, "fell": 10, "clearest": ["A", "B", "C"], "share": 0.284, "hr": 1.251}
    report = findings_of(tmp_path, {"statement": statement, "values": values})
    assert (report.outcome, report.warnings) == (None, ())
    assert [f.statement for f in report.findings] == [statement]


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("Of 32 sets 21 rose.", "21"),
        ("10 of 32 sets (41 %) fell.", "41 %"),
        ("Of the sets 42 rose and 10 fell.", "42"),  # 32 + 10, and 32 is not said
        ("4 of 32 sets are the clearest.", "4"),
        ("HR 1.251, 35.1 % higher.", "35.1 %"),
    ],
)
def test_a_number_that_follows_from_nothing_said_is_left_out(statement: str, number: str, tmp_path: Path) -> None:
    values = {"sets": 32, "fell": 10, "clearest": ["A", "B", "C"], "share": 0.284, "hr": 1.251}
    task_says = findings_of(tmp_path, {"statement": statement, "values": values})
    assert f"states {number}" in task_says.warnings[0]
    assert f"it states {number}, which nothing computed" in task_says.findings[0].statement


def test_other_sentences_of_a_finding_stand_but_those_that_go_on_from_the_wrong_one(tmp_path: Path) -> None:
    text = "12 of 40 genes rose. The pilot had 33. So the pilot was smaller. The rule is met with 12 of 40."
    report = findings_of(tmp_path, {"statement": text, "values": {"genes": 12, "tested": 40}})
    assert report.findings[0].statement == (
        "12 of 40 genes rose. The rule is met with 12 of 40. "
        "(a sentence is left out: it states 33, which nothing computed)"
    )


def test_a_rehearsal_can_ask_which_sentences_would_be_left_out(tmp_path: Path) -> None:
    task = lib.make_task("findings")
    assert struck_sentences(task, tmp_path) == ()
    findings_of(tmp_path, {"statement": "12 of 40 genes, 33 before.", "values": {"genes": 12, "tested": 40}})
    (said,) = struck_sentences(task, tmp_path)
    assert "states 33" in said


@pytest.mark.parametrize("values", [{}, {"genes": 12}], ids=["no values", "other values"])
def test_a_sentence_of_nothing_but_numbers_that_nothing_computed_is_a_failure(values: dict, tmp_path: Path) -> None:
    report = findings_of(tmp_path, {"statement": "33 of 57 genes.", "values": values})
    assert report.outcome is Outcome.BAD_OUTPUT
    assert "states 33, 57" in report.message


@pytest.mark.parametrize("table", ["name\tp\n", "name\tp\nA\tNaN\nB\tNaN\n"], ids=["no rows", "NaN only"])
def test_a_table_may_be_empty_where_its_declaration_says_so(table: str, tmp_path: Path) -> None:
    said = "genes called at FDR < 0.05; empty when none is called, p may be NaN if it cannot be estimated"
    assert check(tmp_path, "t.tsv", table, description=said).outcome is None
    assert check(tmp_path, "t.tsv", table, description="genes called; must not be left out").outcome is not None
