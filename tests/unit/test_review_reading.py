"""Protocols are read from many forms, and what is not one is refused in one line."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
import review_support as S
from hypothesis import given, settings
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.papers.docx import MAX_XML_BYTES
from bioresearcher.report.protocol_content import ProtocolContent
from bioresearcher.report.protocol_markdown import render_protocol
from bioresearcher.review.checks import run_checks
from bioresearcher.review.reading import protocol as read_protocol
from bioresearcher.review.reading.text import protocol_from_text
from bioresearcher.runfolder import RunFolder
from bioresearcher.text.visible import visible

DATA = Path(os.environ.get("BIORESEARCHER_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL = DATA / "protocols" / "16317"
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="test data are not here")
read = read_protocol.read_protocol


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- JSON ---------------------------------------------------------------------------------------------

PROGRAM = {
    "Part 2": {"Part 2": "Analysis", "step 1": {"implementation details": "Test 5 genes.", "Reference Source": "x"}},
    "Part 1": {
        "Part 1": "Data",
        "step 2": {"implementation details": "Check 10 samples.", "Reference Source": {"id1": {"PMC1": ["Step 3"]}}},
        "step 1": {"implementation details": "Download GSE1992.", "Reference Source": {}},
    },
}


def test_our_own_json_is_taken_as_it_is(tmp_path: Path):
    path = write(tmp_path, "protocol.json", S.clean_protocol().model_dump_json())
    reading = read(path)
    assert reading.protocol == S.clean_protocol()
    assert (reading.form, reading.warnings) == ("protocol", ())


def test_a_run_folder_is_read_by_its_protocol(tmp_path: Path):
    RunFolder(tmp_path).write(S.clean_protocol(), "protocol.json")
    assert read(tmp_path).protocol == S.clean_protocol()
    assert read(tmp_path).form == "run folder"


def test_the_experiment_program_shape_is_read_in_the_order_of_its_numbers(tmp_path: Path):
    protocol = read(write(tmp_path, "p.json", json.dumps(PROGRAM))).protocol
    assert [(p.id, p.title) for p in protocol.parts] == [("1", "Data"), ("2", "Analysis")]
    assert [s.action for s in protocol.steps] == ["Download GSE1992.", "Check 10 samples.", "Test 5 genes."]
    assert protocol.steps[0].datasets == ("GSE1992",)
    assert "PMC1 (Step 3)" in protocol.steps[1].rationale
    assert protocol.origin == "source"


def test_gaps_in_the_numbers_are_told(tmp_path: Path):
    gap = {"Part 1": PROGRAM["Part 1"], "Part 4": {"Part 4": "Late", "step 1": {"implementation details": "Stop."}}}
    reading = read(write(tmp_path, "p.json", json.dumps(gap)))
    assert any("1, 4" in w for w in reading.warnings)


@needs_data
@pytest.mark.parametrize(("number", "parts", "steps"), [(1, 5, 17), (2, 6, 18), (3, 5, 15)])
def test_the_real_flawed_protocols_are_read(number: int, parts: int, steps: int):
    reading = read(REAL / f"experiment_program{number}.json")
    assert (len(reading.protocol.parts), len(reading.protocol.steps)) == (parts, steps)


@needs_data
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, {"G-VAG-01", "G-VAG-03", "G-STA-06", "G-STA-07"}),
        (2, {"G-REF-06", "G-REF-08", "G-VAG-01", "G-STA-02", "G-SAF-01"}),
        (3, {"G-VAG-01", "G-DAT-03", "G-DAT-11", "G-STA-09", "G-SAF-01"}),
    ],
)
def test_the_checks_find_what_is_wrong_in_the_real_protocols(number: int, expected: set[str]):
    protocol = read(REAL / f"experiment_program{number}.json").protocol
    found = run_checks(protocol)
    assert expected <= {f.gate for f in found}
    assert sum(f.severity == "error" for f in found) >= 4


@needs_data
def test_invented_tcga_projects_of_the_real_protocol_are_named():
    found = run_checks(read(REAL / "experiment_program2.json").protocol)
    named = " ".join(f.message for f in found if f.gate == "G-REF-06")
    assert all(code in named for code in ("TCGA-LUS", "TCGA-LPS", "TCGA-LI-001", "TCGA-XXXX-XXXX"))


@needs_data
@pytest.mark.parametrize(
    "name", ["dry_experiment1.json", "reports/5481278_report.json", "reports/5481278_datasets.json"]
)
def test_other_json_of_the_original_system_is_refused(name: str):
    assert "protocol" in refused(REAL / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"Part 1": {"Part 1": "x",', "not valid JSON (line 1"),
        ("{'a': 1}", "not valid JSON"),
        ('{"a": 1}', "its keys are a"),
        ("[]", "a list"),
        ("3", "a single int"),
        ("{}", "it is empty"),
        ('{"metrics": {}, "findings": []}', "a review"),
        ('{"parts": [], "title": "x"}', "not a valid protocol: id"),
        ('{"Part 1": {"step 1": {"original text": "a", "implementation details": "b"}}}', "paper's report"),
        ('{"Part 1": "text"}', "not a protocol"),
        ('{"Part 1": [{"task_id": 1}]}', "dry-lab tasks"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": ' + "9" * 5000 + "}", "number too long"),
        ("", "is empty"),
    ],
)
def test_json_of_another_shape_or_malformed_is_refused(tmp_path: Path, content: str, said: str):
    assert said in refused(write(tmp_path, "x.json", content))


def test_lone_surrogates_and_control_characters_in_json_do_no_harm(tmp_path: Path):
    text = json.dumps(
        {"Part 1": {"Part 1": "A\x00\u202e", "step 1": {"implementation details": "Do \ud800 \x1b[31m it."}}}
    )
    protocol = read(write(tmp_path, "x.json", text)).protocol
    assert protocol.model_dump_json()
    assert "\x1b" not in protocol.steps[0].action


# -- text ---------------------------------------------------------------------------------------------


def test_markdown_headings_are_parts_and_labelled_lines_are_fields():
    protocol, warnings = protocol_from_text(S.CLEAN_WET, "wet.md")
    assert warnings == ()
    assert [p.title for p in protocol.parts] == ["Knock-down", "Growth"]
    assert protocol.parts[0].purpose.startswith("reduce GATA3")
    first, second = protocol.steps[0], protocol.steps[1]
    assert first.title == "Culture and seed the cells"
    assert first.kind == "wet"
    assert (first.parameters[0].name, first.parameters[0].value) == ("cells per well", "200000")
    assert second.inputs[0].source == "step:1.1/seeded plates"
    assert protocol.steps[-1].software == ("Python 3.11", "statsmodels 0.14")
    assert protocol.steps[-1].kind == "dry"


def test_wrapped_items_and_labels_inside_sentences_are_read():
    protocol, _ = protocol_from_text(S.CLEAN_TEXT, "fasting.txt")
    assert [len(p.steps) for p in protocol.parts] == [4, 3]
    assert protocol.title == "Transcriptional response of mouse liver to fasting"
    assert protocol.steps[2].acceptance == "at least 75 % of the reads are uniquely aligned."
    assert protocol.steps[1].outputs[0].name == "a table of read counts and duplication per sample"


def test_words_for_sources_are_sources_only_where_the_step_has_such_an_output():
    text = (
        "# T\n\n## Part 1: A\n\n### 1.1 Score\n\nScore it.\n\n"
        "- Inputs: samples, expression of data set GSE1; whole blood → Outputs: scores\n\n"
        "### 1.2 Test\n\nTest it.\n\n- Inputs: scores from step 1.1; reads from step 1.1 → Outputs: tests\n"
    )
    protocol, _ = protocol_from_text(text, "protocol.md")
    assert [[(i.name, i.source) for i in s.inputs] for s in protocol.steps] == [
        [("samples", "dataset:GSE1/samples"), ("expression", "dataset:GSE1/expression"), ("whole blood", "given")],
        [("scores", "step:1.1/scores"), ("reads from step 1.1", "given")],
    ]


def test_our_own_protocol_markdown_comes_back_with_its_steps_and_flow():
    limits = ("GSE1992: some samples are metastases.", "GSE4335: some samples are metastases.")
    before = S.clean_protocol().model_copy(update={"limitations": limits})
    after, _ = protocol_from_text(render_protocol(ProtocolContent(before)), "protocol.md")
    assert after.limitations == limits
    assert [(s.id, s.title) for s in after.steps] == [(s.id, s.title) for s in before.steps]
    assert [[(i.name, i.source) for i in s.inputs] for s in after.steps] == [
        [(i.name, i.source) for i in s.inputs] for s in before.steps
    ]
    assert [[o.name for o in s.outputs] for s in after.steps] == [[o.name for o in s.outputs] for s in before.steps]
    assert [f for f in run_checks(after, S.context()) if f.severity != "note"] == []


@pytest.mark.parametrize(
    ("text", "titles", "steps"),
    [
        ("# T\n\n## A\n\n- Wash twice.\n- Dry.\n\n## B\n\n- Weigh.\n", ["A", "B"], [2, 1]),
        (
            "1 Prepare\n\n1.1 Wash the dish.\n1.2 Dry the dish.\n\n2 Measure\n\n2.1 Weigh the dish.\n",
            ["Prepare", "Measure"],
            [2, 1],
        ),
        ("Step 1: Wash the dish.\nStep 2: Dry the dish.\n", ["x"], [2]),
        ("PREPARATION\n\n1) Wash.\n2) Dry.\n\nMEASUREMENT\n\n1) Weigh.\n", ["PREPARATION", "MEASUREMENT"], [2, 1]),
        ("Title\n=====\n\nA\n---\n\n* Wash.\n", ["A"], [1]),
        ("# T\n\n## Step 1: Wash\n\nWash twice.\n\n## Step 2: Dry\n\nDry it.\n", ["T"], [2]),
        (
            "## A\n\n1. Wash.\n   - with water\n   - with soap\n2. Dry.\n\n## References\n\n1. Miller 2019.\n",
            ["A"],
            [2],
        ),
        ("第一部分 准备\n步骤1:清洗。\n步骤2:干燥。\n", ["准备"], [2]),
        ("---\ntitle: T\n---\n\n## A\n\n1. Wash.\n", ["A"], [1]),
        ("## A\n\n- water\n___\n## B\n___\n**1.** Wash.\n\n**2.** Dry.\n", ["B"], [2]),
        ("T\n\nA. Fixing\na. Fix it.\nb. Wash it.\nB. Staining\na. Stain it.\n", ["Fixing", "Staining"], [2, 1]),
        ("# T\n\n## Bench\n\n- [ ] Wash.\n- [x] Dry.\n", ["Bench"], [2]),
        ("# T\n\n## Kit\n\n- tube\n\n## Work\n\n### 1. Grow\n\n1. Seed.\n1. Feed.\n", ["Grow"], [2]),
        ("T\n\nWash the dish.\nDry the dish well.\nWeigh the dish.\nStore the dish.\n", ["T"], [4]),
        ("# T\n\n### Materials\n\n- dish\n\n1. Wash the dish.\n1. Dry the dish.\n", ["Materials"], [2]),
        (
            "## A\n\n| Step | What to do | Time |\n|---|---|---|\n| 1 | Wash the dish well | 5 min |\n"
            "| 2 | Dry the dish well | - |\n",
            ["A"],
            [2],
        ),
        ("# T\n\n**Clean**\n\n1. Wash.\n\n**Dry**\n\n1. Dry.\n", ["Clean", "Dry"], [1, 1]),
    ],
)
def test_many_ways_to_write_parts_and_steps(text: str, titles: list[str], steps: list[int]):
    protocol, _ = protocol_from_text(text, "x.md")
    assert [p.title for p in protocol.parts] == titles
    assert [len(p.steps) for p in protocol.parts] == steps


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("# T\n\n## A\n\n1. Wash.\n2. Dry.\n\n## B\n\n3. Weigh.\n", ["1", "2", "3"]),
        ("# T\n\n## A\n\n1. Wash.\n2. Dry.\n\n## B\n\n1. Weigh.\n", ["1.1", "1.2", "2.1"]),
        ("# T\n\n### 2. A\n\n1. Wash.\n1. Dry.\n\n### 3. B\n\n1. Weigh.\n1. Look.\n", ["2.1", "2.2", "3.1", "3.2"]),
        ("T\n\nA. Fixing\na. Fix it.\nb. Wash it.\nB. Staining\na. Stain it.\nb. Dry.\n", ["A.a", "A.b", "B.a", "B.b"]),
        ("# T\n\n4.1. Wash.\n\n4.2. Dry.\n", ["4.1", "4.2"]),
    ],
)
def test_steps_keep_the_numbers_of_the_document(text: str, ids: list[str]):
    protocol, _ = protocol_from_text(text, "x.md")
    assert [s.id for s in protocol.steps] == ids


def test_steps_under_a_forgotten_heading_are_told():
    _, warnings = protocol_from_text("# T\n\n### Materials\n\n- dish\n\n1. Wash the dish.\n1. Dry it well.\n", "x.md")
    assert "2 numbered steps found under “Materials”" in warnings


def test_rows_of_a_table_belong_to_the_step_above_and_are_no_parts_or_steps():
    table = "| Reagent | Volume |\n| PRIMER MIX | 2 µl |\n"
    protocol, _ = protocol_from_text(f"## PCR\n\n1. Mix as in the table.\n\n{table}\n2. Run 30 cycles.\n", "x.md")
    assert [s.action for s in protocol.steps] == [
        "Mix as in the table.\nReagent | Volume\nPRIMER MIX | 2 µl",
        "Run 30 cycles.",
    ]


def test_a_part_of_tables_only_is_no_part_of_the_protocol_and_that_is_said():
    codes = "".join(f"| {n} | SNOMED |\n" for n in range(40))
    protocol, warnings = protocol_from_text(f"## Cells\n\n1. Wash them.\n\n## Codes\n\n{codes}", "x.md")
    assert [p.title for p in protocol.parts] == ["Cells"]
    assert warnings == ("40 rows of tables in “Codes” were not read as steps", "not read as steps: Codes")


def test_rows_of_sentences_are_steps_of_their_part():
    rows = (
        "| Day 1 | Seed 1000 cells into each well of the plate. |\n| Day 2 | Wash twice and count the living cells. |\n"
    )
    protocol, warnings = protocol_from_text(f"## Cells\n\n1. Thaw them.\n\n## Assay\n\n{rows}", "x.md")
    assert [(p.title, len(p.steps)) for p in protocol.parts] == [("Cells", 1), ("Assay", 2)]
    assert "nothing marks steps" in warnings[0]


def test_rows_are_steps_where_nothing_but_tables_is_there():
    protocol, warnings = protocol_from_text("# Plan\n\n| Day 1 | Seed the cells |\n| Day 2 | Count them |\n", "x.md")
    assert [s.action for s in protocol.steps] == ["Day 1 | Seed the cells", "Day 2 | Count them"]
    assert "nothing marks steps" in warnings[0]


def test_prose_is_read_by_paragraphs_and_that_is_said():
    protocol, warnings = protocol_from_text("We will wash the dish.\n\nThen we will dry it well.\n", "x.txt")
    assert len(protocol.steps) == 2
    assert "paragraphs were taken as steps" in warnings[0]


def test_of_a_table_alone_the_row_of_names_is_no_step():
    rows = "| Step | Do | Volume |\n|---|---|---|\n| 1 | Add buffer | 10 µl |\n| 2 | Add enzyme | 1 µl |\n"
    protocol, _ = protocol_from_text(rows, "x.md")
    assert [s.action for s in protocol.steps] == ["Add buffer | 10 µl", "Add enzyme | 1 µl"]
    protocol, _ = protocol_from_text("| Add buffer | 10 µl |\n| Add enzyme | 1 µl |\n", "x.md")
    assert [s.action for s in protocol.steps] == ["Add buffer | 10 µl", "Add enzyme | 1 µl"]


def test_odd_numbering_is_told():
    _, warnings = protocol_from_text("## A\n\n1. Wash it.\n3. Dry it.\n3. Weigh it.\n", "x.md")
    assert any("numbered 1, 3, 3" in w for w in warnings)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.txt", "", "empty"),
        ("x.md", "   \n\n", "no text"),
        ("x.md", "# Only a title\n", "no steps"),
        ("x.txt", b"\x00\x01\x02", "not text"),
        ("x.xlsx", "a", ".xlsx are not read"),
        ("x.doc", "a", ".docx"),
    ],
)
def test_text_that_is_no_protocol_is_refused(tmp_path: Path, name: str, content: str | bytes, said: str):
    assert said in refused(write(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", '{"Part 1": {"Part 1": "Data"}}'),
        ("x.json", '{"id": "x", "title": "x", "objective_id": "", "origin": "human", "parts": '
                   '[{"id": "1", "title": "Data", "purpose": "p"}]}'),
        ("x.md", "# Title\n\n## Data\n\n## Results\n"),
    ],
)  # fmt: skip
def test_headings_without_steps_are_read_and_the_lack_is_a_problem(tmp_path: Path, name: str, content: str):
    reading = read(write(tmp_path, name, content))
    assert reading.protocol.parts[0].title == "Data"
    assert "no steps" in reading.problem


def test_a_step_without_text_is_left_out_and_the_others_are_read(tmp_path: Path):
    steps = '"step 1": {"implementation details": 5}, "step 2": {"implementation details": "Weigh 5 g of it."}'
    reading = read(write(tmp_path, "x.json", '{"Part 1": {"Part 1": "x", ' + steps + "}}"))
    assert [s.action for s in reading.protocol.steps] == ["Weigh 5 g of it."]
    assert any("step 1 has no text" in w for w in reading.warnings)


def test_what_is_not_there_and_empty_folders_are_refused(tmp_path: Path):
    assert "is not there" in refused(tmp_path / "no.md")
    assert "without a protocol.json" in refused(tmp_path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path):
    path = tmp_path / "big.md"
    with path.open("wb") as handle:
        handle.truncate(read_protocol.MAX_BYTES + 1)
    assert "at most 20 MB" in refused(path)


def test_other_encodings_are_read_and_named(tmp_path: Path):
    assert read(write(tmp_path, "a.md", "\ufeff## A\n\n1. Wash it.\n".encode("utf-8"))).warnings == ()
    assert read(write(tmp_path, "b.md", "## A\n\n1. Wash it.\n".encode("utf-16"))).warnings == ("read as UTF-16",)
    assert "UTF-8" in read(write(tmp_path, "c.md", "## A\n\n1. Incubate at 37 \xb0C.\n".encode("cp1252"))).warnings[0]


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "# A",
                "## B",
                "### Step 1.1: C",
                "1. do",
                "- x",
                "Inputs: a; b",
                "  - n",
                "",
                "text",
                "```",
                "---",
                "Part 2: x",
                "**b**",
                "> q",
                "Outputs:",
                "1.1 y",
                "步骤1:z",
                "| a | b |",
                "| 1 | Do b c d |",
                "| 2 |",
                "|---|",
                "<!--",
                "=====",
            ]
        )
        | st.text(max_size=30),
        max_size=25,
    )
)
def test_any_text_is_read_or_refused_never_a_crash(lines: list[str]):
    text = visible("\n".join(lines))
    try:
        protocol, _ = protocol_from_text(text, "x.md")
    except InputError:
        return
    assert protocol.steps or len(protocol.parts) >= 2
    for ids in ([p.id for p in protocol.parts], [s.id for s in protocol.steps]):
        assert len(set(ids)) == len(ids)
        assert all(ids)


# -- Word and PDF -------------------------------------------------------------------------------------

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STYLES = (
    f'<w:styles {W}><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:styleId="Titel"><w:name w:val="Title"/></w:style></w:styles>'
)


def docx(path: Path, body: str, **more: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        archive.writestr("word/styles.xml", STYLES)
        for name, content in more.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def para(text: str, style: str = "", listed: bool = False) -> str:
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    properties += '<w:numPr><w:ilvl w:val="0"/></w:numPr>' if listed else ""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


BODY = (
    para("Knock-down", "Titel")
    + para("Cells", "berschrift1")
    + para("Seed 1000 cells.", listed=True)
    + para("Wash twice.", listed=True)
    + para("Counts", "berschrift1")
    + para("Count for 4 days.", listed=True)
)


def test_a_word_file_is_read_by_its_styles_and_lists(tmp_path: Path):
    reading = read(docx(tmp_path / "p.docx", BODY))
    assert reading.form == "docx"
    assert [(p.title, len(p.steps)) for p in reading.protocol.parts] == [("Cells", 2), ("Counts", 1)]
    assert reading.protocol.title == "Knock-down"


def test_macros_are_named_and_the_rest_is_read(tmp_path: Path):
    reading = read(docx(tmp_path / "p.docm", BODY, word__vbaProject="x"))
    assert len(reading.protocol.steps) == 3
    reading = read(docx(tmp_path / "p.docx", BODY, **{"word__vbaProject.bin": b"x"}))
    assert any("macros" in w for w in reading.warnings)


def test_word_files_that_attack_are_refused(tmp_path: Path):
    entity = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><w:document {W}><w:body/></w:document>'
    path = tmp_path / "x.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", entity)
    assert "document type" in refused(path)
    assert "unpacks to more than" in refused(docx(tmp_path / "bomb.docx", para("a" * MAX_XML_BYTES)))


@pytest.mark.parametrize("content", [b"PK\x03\x04broken", b"not a zip", b"\xd0\xcf\x11\xe0" + b"\0" * 600])
def test_broken_and_protected_word_files_are_refused(tmp_path: Path, content: bytes):
    assert "Word document" in refused(write(tmp_path, "x.docx", content))


def test_a_zip_that_is_no_word_file_and_one_with_broken_xml_are_refused(tmp_path: Path):
    path = tmp_path / "x.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    assert "not a Word document" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w:document>")
    assert "not valid XML" in refused(path)


def pdf(path: Path, pages: list[list[str]]) -> Path:
    """A small PDF written by hand, one text object per line."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        text = "\n".join(f"BT /F1 11 Tf 50 {760 - 16 * i} Td ({line}) Tj ET" for i, line in enumerate(lines))
        objects.append(f"<< /Length {len(text)} >>\nstream\n{text}\nendstream")
        content = len(objects)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {content} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, offsets = "%PDF-1.4\n", []
    for n, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{n} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{o:010d} 00000 n \n" for o in offsets)
    end = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
    )
    path.write_bytes((out + end + f"startxref\n{len(out)}\n%%EOF\n").encode("latin-1"))
    return path


def test_a_pdf_is_read_without_its_running_heads(tmp_path: Path):
    pages = [
        [
            "Journal of Dishes 12",
            "Part 1: Cleaning",
            "1. Wash the dishes at 60 degrees with three changes of wa-",
            "ter.",
            "1",
        ],
        ["Journal of Dishes 12", "2. Dry the dishes for 10 min.", "Part 2: Weighing", "1. Weigh each dish twice.", "2"],
        ["Journal of Dishes 12", "2. Write the weights into a table.", "3"],
    ]
    reading = read(pdf(tmp_path / "p.pdf", pages))
    assert [(p.title, len(p.steps)) for p in reading.protocol.parts] == [("Cleaning", 2), ("Weighing", 2)]
    assert "changes of water." in reading.protocol.steps[0].action
    assert "Journal" not in reading.protocol.model_dump_json()
    assert any("PDF" in w for w in reading.warnings)


def test_a_pdf_table_of_contents_is_left_out_and_that_is_said(tmp_path: Path):
    contents = ["Washing of the dishes ........ 2", "Drying of the dishes . . . . . . . 3"]
    reading = read(pdf(tmp_path / "p.pdf", [[*contents, "1. Wash the dishes well.", "2. Dry the dishes well."]]))
    assert [s.action for s in reading.protocol.steps] == ["Wash the dishes well.", "Dry the dishes well."]
    assert "the table of contents was left out" in reading.warnings


def test_scans_and_broken_pdfs_are_refused(tmp_path: Path):
    assert "looks scanned" in refused(pdf(tmp_path / "scan.pdf", [[], []]))
    whole = pdf(tmp_path / "p.pdf", [["1. Wash the dishes at 60 degrees."]]).read_bytes()
    assert "PDF is damaged" in refused(write(tmp_path, "x.pdf", b"%PDF-1.4 nothing"))
    assert "PDF is damaged" in refused(write(tmp_path, "y.pdf", b"text"))
    broken = write(tmp_path, "z.pdf", whole[:200])
    assert refused(broken)


@needs_data
def test_a_real_paper_as_pdf_is_read_as_something_reviewable():
    path = next(iter(sorted((DATA / "fulltext" / "pdf").glob("*.pdf"))))
    assert len(read(path).protocol.steps) > 3
