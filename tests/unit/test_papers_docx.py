"""Word files are read as their readers see them; those made to do harm end in one line, within limits."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_library_bad_files import flate_bomb, growing_tree

from bioresearcher.cli.app import main
from bioresearcher.errors import InputError
from bioresearcher.papers import reading_process
from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.docx import read_docx
from bioresearcher.review.reading.protocol import read_protocol

SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    "v": "urn:schemas-microsoft-com:vml",
}
STRICT = {
    "w": "http://purl.oclc.org/ooxml/wordprocessingml/main",
    "m": "http://purl.oclc.org/ooxml/officeDocument/math",
}


def xml(name: str, inner: str, spaces: dict[str, str] = SPACES) -> str:
    declared = " ".join(f'xmlns:{key}="{value}"' for key, value in spaces.items())
    return f"<w:{name} {declared}>{inner}</w:{name}>"


def word(body: str, *, strict: bool = False, **parts: str) -> bytes:
    """A Word file; further parts (`styles`, `numbering`, `footnotes`) are given by what stands in them."""
    spaces = SPACES | STRICT if strict else SPACES
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", xml("document", f"<w:body>{body}</w:body>", spaces))
        for name, inner in parts.items():
            archive.writestr(f"word/{name}.xml", xml(name, inner, spaces))
    return out.getvalue()


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def para(*inner: str, style: str = "", properties: str = "") -> str:
    style = f'<w:pStyle w:val="{style}"/>' if style else ""
    body = "".join(x if x.startswith("<") else run(x) for x in inner)
    return f"<w:p><w:pPr>{style}{properties}</w:pPr>{body}</w:p>"


def listed(number: int, depth: int = 0) -> str:
    return f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>'


def cell(*blocks: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{''.join(blocks) or para()}</w:tc>"


def table(*rows: list[str]) -> str:
    return "<w:tbl>" + "".join(f"<w:tr>{''.join(row)}</w:tr>" for row in rows) + "</w:tbl>"


def formula(inner: str) -> str:
    return f"<m:oMath>{inner}</m:oMath>"


def mr(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


NUMBERING = (
    '<w:abstractNum w:abstractNumId="7">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl>'
    '<w:lvl w:ilvl="2"><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="%1.%3"/><w:isLgl/></w:lvl></w:abstractNum>'
    '<w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="•"/></w:lvl>'
    '</w:abstractNum><w:abstractNum w:abstractNumId="9"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/>'
    '<w:lvlText w:val="%1"/></w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/>'
    '<w:pStyle w:val="H2"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/>'
    '</w:lvlOverride></w:num><w:num w:numId="4"><w:abstractNumId w:val="9"/></w:num>'
)
STYLES = (
    '<w:style w:styleId="T"><w:name w:val="Title"/></w:style>'
    '<w:style w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/>'
    '<w:numPr><w:numId w:val="4"/></w:numPr></w:pPr></w:style>'
    '<w:style w:styleId="H2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:numId w:val="4"/></w:numPr></w:pPr>'
    "</w:style>"
    '<w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="H1"/></w:style>'
    '<w:style w:styleId="Item"><w:name w:val="List Number"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'
    '</w:style><w:style w:styleId="Toc"><w:name w:val="toc 1"/></w:style>'
    '<w:style w:styleId="Secret"><w:name w:val="Secret"/><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:styleId="Up"><w:name w:val="Up"/><w:rPr><w:vertAlign w:val="superscript"/></w:rPr></w:style>'
)


def text_of(body: str, **parts: str) -> str:
    return read_docx(word(body, **parts))[0]


def doubts(body: str, **parts: str) -> tuple[str, ...]:
    return read_docx(word(body, **parts))[1]


def lines_of(body: str, **parts: str) -> list[str]:
    return text_of(body, **parts).split("\n\n")


def test_headings_have_the_levels_and_numbers_of_their_styles():
    body = para("Plan", style="T") + para("Cells", style="H1") + para("Seed", style="H2") + para("Count", style="Own")
    body += para("By hand", properties='<w:outlineLvl w:val="1"/>') + para("Old", style="Heading3")
    assert lines_of(body, styles=STYLES, numbering=NUMBERING) == [
        "# Plan",
        "## 1 Cells",
        "### 1.1 Seed",
        "## 2 Count",
        "### By hand",
        "#### Old",
    ]


def test_lists_keep_their_numbers_whether_the_paragraph_or_its_style_says_so():
    body = para("a", style="Item") + para("b", properties=listed(1)) + para("c", properties=listed(1, 1))
    body += para("d", properties=listed(1, 2)) + para("e", properties=listed(2)) + para("f", style="Item")
    body += para("none", style="Item", properties=listed(0)) + para("anew", properties=listed(3))
    assert lines_of(body, styles=STYLES, numbering=NUMBERING) == [
        "1. a",
        "2. b",
        "    - a) c",
        "        - 2.1 d",
        "- e",
        "3. f",
        "none",
        "1. anew",
    ]


@pytest.mark.parametrize(("form", "marks"), [("upperRoman", ["II)", "III)"]), ("upperLetter", ["B)", "C)"])])
def test_items_are_numbered_in_the_form_of_their_list(form: str, marks: list[str]):
    level = f'<w:start w:val="2"/><w:numFmt w:val="{form}"/><w:lvlText w:val="%1)"/>'
    numbering = f'<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0">{level}</w:lvl></w:abstractNum>'
    numbering += '<w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>'
    body = para("a", properties=listed(1)) + para("b", properties=listed(1))
    assert lines_of(body, numbering=numbering) == [f"- {marks[0]} a", f"- {marks[1]} b"]


def test_a_list_without_definition_is_one_of_bullets():
    assert lines_of(para("a", properties=listed(5)) + para("b", properties=listed(5, 3))) == ["- a", "            - b"]


def test_tracked_changes_are_read_as_accepted_and_counted():
    body = para("Add ", f"<w:ins>{run('5 ml')}</w:ins>", "<w:del><w:r><w:delText>9 l</w:delText></w:r></w:del>", ".")
    body += f"<w:p><w:moveFrom>{run('Wash.')}</w:moveFrom></w:p><w:p><w:moveTo>{run('Wash.')}</w:moveTo></w:p>"
    body += para("One ", properties="<w:rPr><w:del/></w:rPr>") + para("paragraph.")
    body += table(["<w:trPr><w:del/></w:trPr>", cell(para("gone"))], [cell(para("x")), cell(para("y"))])
    assert lines_of(body) == ["Add 5 ml.", "Wash.", "One paragraph.", "| x | y |"]
    assert doubts(body) == (
        "holds tracked changes (1 insertion, 2 deletions, 1 move); it was read as if all were accepted",
    )


def test_a_last_paragraph_whose_mark_was_deleted_is_not_lost():
    assert lines_of(para("Wash.") + para("Dry.", properties="<w:rPr><w:del/></w:rPr>")) == ["Wash.", "Dry."]


def test_an_item_that_was_moved_away_does_not_count():
    body = (
        para("a", style="Item") + para(f"<w:moveFrom>{run('b')}</w:moveFrom>", style="Item") + para("c", style="Item")
    )
    assert lines_of(body, styles=STYLES, numbering=NUMBERING) == ["1. a", "2. c"]


def test_hidden_text_is_left_out_and_reported():
    body = para("Shown", run("hid", "<w:vanish/>"), run(" too", '<w:vanish w:val="0"/>')) + para("den", style="Secret")
    assert lines_of(body, styles=STYLES) == ["Shown too"]
    assert doubts(body, styles=STYLES) == ("6 hidden letters left out",)


def test_a_text_box_is_read_once():
    box = f"<w:txbxContent>{para('Stop here.')}</w:txbxContent>"
    both = (
        f"<w:r><mc:AlternateContent><mc:Choice><w:drawing><wps:txbx>{box}</wps:txbx></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert lines_of(para("Wash.", both)) == ["Wash.", "Stop here."]
    assert lines_of(para("Wash.", f"<w:r><w:pict><v:textbox>{box}</v:textbox></w:pict></w:r>")) == [
        "Wash.",
        "Stop here.",
    ]


def test_content_controls_hyperlinks_and_fields_are_read():
    inner = f"<w:sdt><w:sdtPr/><w:sdtContent>{run('5 ml')}</w:sdtContent></w:sdt>"
    link = f'<w:hyperlink w:anchor="x">{run("GEO")}</w:hyperlink>'
    field = f"<w:r><w:instrText>REF x</w:instrText></w:r><w:fldSimple>{run('Table 1')}</w:fldSimple>"
    body = f"<w:sdt><w:sdtContent>{para('Add ', inner, ' from ', link, ', see ', field)}</w:sdtContent></w:sdt>"
    assert lines_of(body) == ["Add 5 ml from GEO, see Table 1"]


def test_a_table_of_contents_is_left_out_and_that_is_said():
    control = '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
    body = f"{control}<w:sdtContent>{para('Cells 3')}</w:sdtContent></w:sdt>" + para("Cells 3", style="Toc")
    assert lines_of(body + para("Wash."), styles=STYLES) == ["Wash."]
    assert doubts(body, styles=STYLES) == ("the table of contents was left out",)


def test_signs_of_symbol_fonts_become_the_characters_that_are_seen():
    signs = (
        '<w:r><w:sym w:font="Symbol" w:char="F061"/><w:noBreakHyphen/><w:sym w:font="Wingdings" w:char="F0E0"/></w:r>'
    )
    assert lines_of(para("TGF-", signs)) == ["TGF-α-→"]
    assert lines_of(
        para("5 ", run("m", '<w:rFonts w:ascii="Symbol"/>'), "g, ", run("\uf0b3", '<w:rFonts w:ascii="Symbol"/>'))
    ) == ["5 μg, ≥"]
    unknown = '<w:r><w:sym w:font="Webdings" w:char="F061"/><w:sym w:font="Symbol" w:char="D800"/></w:r>'
    assert doubts(para("x", unknown)) == ("2 signs of a symbol font not readable",)
    assert text_of(para("x", '<w:r><w:sym w:font="Arial" w:char="FFFE"/></w:r>')).startswith("x")


def test_superscripts_keep_a_number_what_it_is():
    body = para("10", run("6", '<w:vertAlign w:val="superscript"/>'), " cells, 10", run("-", '<w:rStyle w:val="Up"/>'))
    body = body.replace("</w:p>", run("3", '<w:rStyle w:val="Up"/>') + run(" M") + "</w:p>")
    assert lines_of(body, styles=STYLES) == ["10^6 cells, 10^-3 M"]


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (
            f"<m:sSup><m:e>{mr('x')}</m:e><m:sup>{mr('2')}</m:sup></m:sSup>{mr('=')}"
            f"<m:f><m:num>{mr('a')}</m:num><m:den>{mr('b')}</m:den></m:f>",
            "x^2 = (a)/(b)",
        ),
        (f"<m:sSup><m:e>{mr('x')}</m:e><m:sup>{mr('n-1')}</m:sup></m:sSup>", "x^(n - 1)"),
        (f"<m:sSup><m:e>{mr('10')}</m:e><m:sup>{mr('-6')}</m:sup></m:sSup>", "10^-6"),
        (f"<m:sSubSup><m:e>{mr('s')}</m:e><m:sub>{mr('i')}</m:sub><m:sup>{mr('2')}</m:sup></m:sSubSup>", "s_i^2"),
        (f"<m:rad><m:deg/><m:e>{mr('n')}</m:e></m:rad>", "sqrt(n)"),
        (f"<m:rad><m:deg>{mr('3')}</m:deg><m:e>{mr('n')}</m:e></m:rad>", "root(n, 3)"),
        (
            f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{mr("i=1")}</m:sub><m:sup>{mr("n")}</m:sup>'
            f"<m:e>{mr('x')}</m:e></m:nary>",
            "∑_(i = 1)^n(x)",
        ),
        (f"<m:func><m:fName>{mr('log')}</m:fName><m:e>{mr('x')}</m:e></m:func>", "log(x)"),
        (
            f'<m:d><m:dPr><m:begChr m:val="["/><m:endChr m:val=""/></m:dPr><m:e>{mr("a")}</m:e>'
            f"<m:e>{mr('b')}</m:e></m:d>",
            "[a|b",
        ),
        (
            f'<m:d><m:e><m:f><m:fPr><m:type m:val="noBar"/></m:fPr><m:num>{mr("n")}</m:num>'
            f"<m:den>{mr('k')}</m:den></m:f></m:e></m:d>",
            "(n over k)",
        ),
        (
            f"<m:m><m:mr><m:e>{mr('a')}</m:e><m:e>{mr('b')}</m:e></m:mr><m:mr><m:e>{mr('c')}</m:e></m:mr></m:m>",
            "[a,b;c]",
        ),
        (f"<m:acc><m:e>{mr('y')}</m:e></m:acc>", "y\u0302"),
        (f"<m:sPre><m:sub>{mr('6')}</m:sub><m:sup>{mr('14')}</m:sup><m:e>{mr('C')}</m:e></m:sPre>", "_6^14(C)"),
        (f"<m:limLow><m:e>{mr('lim')}</m:e><m:lim>{mr('n→∞')}</m:lim></m:limLow>", "lim_(n → ∞)"),
    ],
)
def test_formulas_become_text_by_the_rules_for_papers(inner: str, text: str):
    assert lines_of(para("So ", formula(inner), " holds")) == [f"So {text} holds"]


def test_notes_stand_below_the_paragraph_that_refers_to_them():
    reference = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    note = f'<w:footnote w:id="2">{para("Or ", reference, "10 min.")}</w:footnote>'
    body = para("Wait 5 min", reference, ".", style="Item")
    text = text_of(body, styles=STYLES, numbering=NUMBERING, footnotes=note)
    assert text == "1. Wait 5 min [note 1].\nNote 1: Or 10 min."


def test_comments_and_what_is_embedded_are_said_to_be_missing():
    body = (
        para("x", '<w:r><w:commentReference w:id="1"/></w:r>', "<w:r><w:object/></w:r>") + "<w:altChunk/><w:altChunk/>"
    )
    assert doubts(body) == ("1 comment not read", "2 embedded documents not read", "1 embedded object not read")


def test_tables_have_a_line_for_each_row_with_merged_cells_filled():
    span, down = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>'
    body = table(
        [cell(para("Day"), properties=span), cell(para("Do | it"))],
        [cell(para("1"), properties=down), cell(para("am")), cell(para("Seed"), para("cells"))],
        [cell(properties="<w:vMerge/>"), cell(para("pm")), cell(table([cell(para("a")), cell(para("b"))]))],
    )
    assert lines_of(body) == ["| Day |  | Do / it |\n| 1 | am | Seed cells |\n| 1 | pm | a, b |"]


def test_a_frame_and_a_table_that_arranges_lists_give_the_blocks_in_them():
    items = [para("Seed.", style="Item"), para("Wash.", style="Item")]
    for body in (table([cell(*items)]), table([cell(para("Cells")), cell(*items)])):
        assert lines_of(body, styles=STYLES, numbering=NUMBERING)[-2:] == ["1. Seed.", "2. Wash."]


def test_numbers_of_rows_that_word_counts_are_kept():
    rows = [[cell(para(style="Item")), cell(para("Wash it very well."))] for _ in range(2)]
    text = text_of(table(*rows), styles=STYLES, numbering=NUMBERING)
    assert text == "| 1. | Wash it very well. |\n| 2. | Wash it very well. |"


def test_a_strict_file_is_read_like_any_other():
    body = para("Plan", style="T") + para("Wash ", formula(mr("x=2")), style="Item") + table([cell(para("a")), cell()])
    data = [word(body, strict=strict, styles=STYLES, numbering=NUMBERING) for strict in (False, True)]
    assert read_docx(data[0]) == read_docx(data[1]) == ("# Plan\n\n1. Wash x = 2\n\n| a |", ())


def test_a_document_under_another_name_is_found():
    out = io.BytesIO()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(out, "w") as archive:
        for name, target, type_ in (
            ("_rels/.rels", "/word/document2.xml", "officeDocument"),
            ("word/_rels/document2.xml.rels", "own/styles7.xml", "styles"),
        ):
            relation = f'<Relationship Id="r" Type="{kind}/{type_}" Target="{target}"/>'
            archive.writestr(name, f"<Relationships>{relation}</Relationships>")
        archive.writestr("word/document2.xml", xml("document", f"<w:body>{para('Plan', style='T')}</w:body>"))
        archive.writestr("word/own/styles7.xml", xml("styles", STYLES))
    assert read_docx(out.getvalue())[0] == "# Plan"


# -- hostile files ------------------------------------------------------------------------------------


def lying(data: bytes) -> bytes:
    """A file whose directory says that its document has ten bytes."""
    at = data.index(b"PK\x01\x02")
    return data[: at + 24] + struct.pack("<I", 10) + data[at + 28 :]


def laughing() -> bytes:
    out = io.BytesIO()
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", f"{'<!-- x -->' * 1_000}<!DOCTYPE x [{entities}]><x>&a11;</x>")
    return out.getvalue()


HOSTILE = {
    "zip bomb": (lambda: word(run("a" * 41_000_000)), "unpacks to more than 40 MB"),
    "lying directory": (lambda: lying(word(run("a" * 50_000_000))), "not a readable Word document"),
    "many files": (
        lambda: word("", **{f"x{n}": "" for n in range(5_001)}),
        "more than 5,000 files",
    ),
    "endless XML": (lambda: word("<w:p>" * 1_000_000), "not valid XML"),
    "one long text": (lambda: word(para("a" * 9_000_000)), "more than 5,000,000 characters"),
    "huge merged table": (
        lambda: word(
            table(
                [cell(para("a" * 100_000), properties='<w:vMerge w:val="restart"/>')],
                *[[cell(properties="<w:vMerge/>")] * 2] * 2_000,
            )
        ),
        "more than 5,000,000 characters",
    ),
    "wide table": (
        lambda: word(table(*[[cell(para("a"), properties='<w:gridSpan w:val="9999"/>'), cell(para("a"))]] * 20_000)),
        "more than 5,000,000 characters",
    ),
    "too many elements": (lambda: word("<w:p/>" * 5_500_000), "too large"),
    "nested elements": (lambda: word("<w:ins>" * 5_000 + "</w:ins>" * 5_000), "not valid XML"),
    "entities of entities": (laughing, "document type"),
}


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch):
    """The reading process with limits that a test can wait for."""
    reader = reading_process.ReadingProcess(cpu_s=20, memory=600_000_000)
    monkeypatch.setattr(reading_process, "_READER", reader)
    yield reader
    reader.close()


def ends_in_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert main(["review", str(path), "--backend", "offline"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
    return shown.err


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_word_file_ends_in_one_line_and_the_next_is_read(name, tight, tmp_path, capsys):
    make, said = HOSTILE[name]
    bad, good = tmp_path / "bad.docx", tmp_path / "good.docx"
    bad.write_bytes(make())
    good.write_bytes(word(para("Wash the cells twice.") + para("Count them for an hour.")))
    assert said in ends_in_one_line(bad, capsys)
    assert len(read_protocol(good).protocol.steps) == 2


@pytest.mark.parametrize("tags", [("m", "mr", "e"), ("nary", "sub"), ("sSup", "sup"), ("d", "e"), ("f", "num")])
def test_formulas_in_formulas_take_no_more_time_than_others(tags: tuple[str, ...]):
    opened = "".join(f"<m:{tag}>" for tag in tags) * (220 // len(tags))
    closed = "".join(f"</m:{tag}>" for tag in reversed(tags)) * (220 // len(tags))
    with contextlib.suppress(UnreadablePaper):
        assert text_of(para("x", formula(opened + mr("y") + closed))).startswith("x")


@pytest.mark.parametrize("make", [growing_tree, flate_bomb], ids=["page tree", "packed zeros"])
def test_a_pdf_bomb_ends_in_one_line(make, tmp_path, capsys, monkeypatch):
    reader = reading_process.ReadingProcess(cpu_s=4, memory=500_000_000)
    monkeypatch.setattr(reading_process, "_READER", reader)
    path = tmp_path / "bomb.pdf"
    path.write_bytes(make())
    assert "bomb.pdf: " in ends_in_one_line(path, capsys)
    reader.close()


WHOLE = word(
    para("Plan", style="T")
    + para("Wash ", formula(mr("x=2")), style="Item")
    + table([cell(para("a")), cell(para("b"))])
    + para("x", '<w:r><w:footnoteReference w:id="2"/></w:r>'),
    styles=STYLES,
    numbering=NUMBERING,
    footnotes=f'<w:footnote w:id="2">{para("n")}</w:footnote>',
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_archive_is_read_or_refused_never_a_crash(data: st.DataObject):
    damaged = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(UnreadablePaper):
        text, warnings = read_docx(bytes(damaged))
        assert isinstance(text, str)
        assert all(isinstance(w, str) for w in warnings)


WORDS = (
    "body p r t tbl tr tc sdt sdtContent ins del txbxContent pPr rPr numPr numId ilvl pStyle style basedOn vMerge tcPr "
    "gridSpan oMath f rad nary d m mr e sSup sPre footnote footnoteReference sym lvl abstractNum num abstractNumId "
    "lvlText numStyleLink docPartGallery AlternateContent Fallback Choice outlineLvl"
).split()
ELEMENTS = st.recursive(
    st.text(alphabet="ab 1%|#\n", max_size=5),
    lambda inner: st.builds(
        lambda name, value, kids: (
            f'<w:{name} w:val="{value}" w:id="{value}" w:styleId="{value}">{"".join(kids)}</w:{name}>'
        ),
        st.sampled_from(WORDS),
        st.sampled_from(["", "1", "2", "-1", "99999999999", "a", "%1%9", "Ⅷ", "restart", "F061"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(ELEMENTS, ELEMENTS, ELEMENTS, ELEMENTS)
def test_elements_in_any_order_are_read_or_refused_never_a_crash(body: str, styles: str, numbering: str, notes: str):
    with contextlib.suppress(UnreadablePaper):
        read_docx(word(body, styles=styles, numbering=numbering, footnotes=notes))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"text", b"\xd0\xcf\x11\xe0" + b"\0" * 600])
def test_what_is_no_archive_is_refused(data: bytes):
    with pytest.raises(InputError, match="not a readable Word document"):
        read_docx(data)
