"""JATS articles become papers and canonical text; hostile XML is refused or harmless."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bioresearcher.papers.canonical import UnreadablePaper, section_text
from bioresearcher.papers.jats import read_jats
from bioresearcher.papers.jats_xml import licence_name
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.paper import Document, Paper

FRONT = (
    "<front><article-meta><article-id pub-id-type='pmid'>123</article-id>"
    "<title-group><article-title>A title</article-title></title-group></article-meta></front>"
)


def read(xml: str) -> tuple[Paper, Document]:
    data = xml.encode()
    return read_jats(data, sha256=hashlib.sha256(data).hexdigest())


def body(xml: str) -> str:
    return read(f"<article>{FRONT}<body>{xml}</body></article>")[1].text


def test_all_real_articles_have_their_parts(shared_data: Path) -> None:
    paths = sorted((shared_data / "fulltext" / "jats").iterdir())
    assert len(paths) == 12
    for path in paths:
        paper, document = load_paper(path)
        kinds = {s.kind for s in document.sections}
        assert {"title", "abstract", "methods", "results", "discussion", "references"} <= kinds, path.name
        assert all((paper.title, paper.authors, paper.year, paper.journal, paper.doi)), path.name
        assert paper.licence
        assert paper.licence.startswith("CC") or paper.licence == "public domain"
        assert paper.abstract
        assert paper.id == document.id
        assert len(section_text(document, ["methods"])) > 1_500


def test_metadata_of_a_real_article(shared_data: Path) -> None:
    paper, document = load_paper(shared_data / "fulltext" / "jats" / "PMC1289294.xml")
    assert (paper.id, paper.pmid, paper.pmcid) == ("PMID16255777", "16255777", "PMC1289294")
    assert paper.doi == "10.1186/1479-5876-3-39"
    assert paper.authors[2] == "Craig L Slingluff Jr"
    assert (paper.year, paper.journal, paper.licence) == (2005, "Journal of Translational Medicine", "CC BY 2.0")
    assert paper.status == "unknown"  # a file cannot know of a later retraction
    table = next(s for s in document.sections if s.title == "Table 1")
    assert "VMM18 | 2.0" in document.text[table.start : table.end]


def test_sections_follow_each_other_without_overlap(shared_data: Path) -> None:
    for path in (shared_data / "fulltext" / "jats").iterdir():
        _, document = load_paper(path)
        assert document.sections[0].start == 0
        assert document.sections[-1].end == len(document.text)
        for one, two in zip(document.sections, document.sections[1:], strict=False):
            assert document.text[one.end : two.start] == "\n\n"


def test_nested_sections_keep_the_kind_of_their_parent() -> None:
    _, document = read(
        f"<article>{FRONT}<body><sec><title>Methods</title><sec><title>Results of pilot</title><p>One.</p>"
        "</sec><sec sec-type='data-availability'><title>Where</title><p>GEO.</p></sec></sec></body></article>"
    )
    assert [(s.title, s.kind, s.level) for s in document.sections[1:]] == [
        ("Methods", "methods", 1),
        ("Results of pilot", "methods", 2),
        ("Where", "data_availability", 2),
    ]


def test_several_bodies_and_an_articleset_are_read() -> None:
    _, document = read(
        f"<pmc-articleset><article>{FRONT}<body><p>First.</p></body><body><p>Second.</p></body></article>"
        "<article><body><p>Other.</p></body></article></pmc-articleset>"
    )
    assert "First." in document.text
    assert "Second." in document.text
    assert "Other." not in document.text
    assert any("several articles" in w for w in document.warnings)


def test_superscripts_do_not_change_numbers() -> None:
    text = body(
        "<p>10<sup>6</sup> cells, km<sup>2</sup>, CO<sub>2</sub>, Ca<sup>2+</sup>, mc<sup>2</sup>155, shown"
        "<sup><xref ref-type='bibr'>12</xref>,<xref ref-type='bibr'>13</xref></sup> before"
        "<xref ref-type='bibr'>4</xref>, see [<xref ref-type='bibr'>5</xref>,<xref ref-type='bibr'>6</xref>].</p>"
    )
    assert "10^6 cells, km^2, CO2, Ca2+, mc^(2)155, shown [12,13] before [4], see [5,6]." in text


def test_formulas_are_readable() -> None:
    mml = "xmlns:m='http://www.w3.org/1998/Math/MathML'"
    text = body(
        f"<p>Let <m:math {mml}><m:mi>r</m:mi><m:mo>=</m:mo><m:mfrac><m:mi>a</m:mi><m:msup><m:mi>b</m:mi>"
        "<m:mn>2</m:mn></m:msup></m:mfrac></m:math> hold.</p>"
    )
    assert "Let r = (a)/(b^2) hold." in text


def test_legends_and_tables_leave_the_paragraph_whole() -> None:
    _, document = read(
        f"<article>{FRONT}<body><sec><title>Results</title><p>Before <fig><label>Fig. 1.</label><caption><p>A plot."
        "</p></caption></fig>after.</p><table-wrap><label>Table 2</label><caption><title>Counts</title></caption>"
        "<table><tr><th>gene</th><th>n</th></tr><tr><td>ESR1</td><td>3<sup>a</sup></td></tr></table>"
        "<table-wrap-foot><p>a: duplicates</p></table-wrap-foot></table-wrap></sec></body></article>"
    )
    assert "Before after." in document.text
    assert [(s.title, s.kind) for s in document.sections[2:]] == [("Fig. 1", "legend"), ("Table 2", "table")]
    assert "gene | n\n\nESR1 | 3^a\n\na: duplicates" in document.text


def test_cells_that_span_rows_and_columns_keep_the_columns() -> None:
    text = body(
        "<table-wrap><label>Table 1</label><table><thead><tr><th rowspan='2'>gene</th><th colspan='2'>cohort</th></tr>"
        "<tr><th>one</th><th>two</th></tr></thead><tbody><tr><td rowspan='2'>ESR1</td><td>1</td><td>2</td></tr>"
        "<tr><td>3</td><td rowspan='999999'>4</td></tr></tbody></table></table-wrap>"
    )
    assert "gene | cohort\n\ngene | one | two\n\nESR1 | 1 | 2\n\nESR1 | 3 | 4" in text


def test_an_enormous_table_is_cut_and_the_paper_is_read() -> None:
    row = "<tr><td>GENE</td><td>0.5</td></tr>"
    wide = f"<tr>{'<td>cell of a very wide row</td>' * 5_000}</tr>"
    _, document = read(
        f"<article>{FRONT}<body><table-wrap><label>Table 1</label><table>{wide}{row * 200_000}</table></table-wrap>"
        "<sec><title>Methods</title><p>After the table.</p></sec></body></article>"
    )
    assert len(document.text) < 110_000
    assert "After the table." in document.text
    assert any("rows of an enormous table" in w for w in document.warnings)


def test_targets_of_links_to_data_and_supplements_are_kept() -> None:
    link = "xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href"
    _, document = read(
        f"<article>{FRONT}<body><p>See <ext-link {link}='https://example.org/a'>here</ext-link>.</p>"
        f"<sec><title>Data availability</title><p>Data are <ext-link {link}='https://example.org/GSE1'>in GEO"
        "</ext-link>.</p></sec>"
        f"<supplementary-material {link}='12-S1.xls'><label>Additional file 1</label><p>Genes.</p>"
        "</supplementary-material></body></article>"
    )
    assert "See here." in document.text
    assert "Data are in GEO. <https://example.org/GSE1>" in document.text
    assert "Additional file 1\n\nGenes. <12-S1.xls>" in document.text


def test_references_are_one_section_at_the_end() -> None:
    _, document = read(
        f"<article>{FRONT}<body><p>Text.</p></body><back><ref-list><ref><label>1</label><element-citation>"
        "<name><surname>Lee</surname><given-names>K</given-names></name><source>Cell</source></element-citation>"
        "</ref></ref-list><ack><p>Thanks.</p></ack></back></article>"
    )
    last = document.sections[-1]
    assert last.kind == "references"
    assert document.text[last.start : last.end] == "References\n\n1. Lee K Cell"


@pytest.mark.parametrize(
    ("attributes", "related", "status"),
    [
        ("", "retraction-forward", "retracted"),
        ("", "concern-forward", "concern"),
        ("", "correction-forward", "corrected"),
        ("article-type='retraction'", "retracted-article", "unknown"),
    ],
)
def test_notices_are_noticed(attributes: str, related: str, status: str) -> None:
    front = FRONT.replace("</article-meta>", f"<related-article related-article-type='{related}'/></article-meta>")
    paper, document = read(f"<article {attributes}>{front}<body><p>Text.</p></body></article>")
    assert paper.status == status
    assert document.warnings


def test_licences_are_named_shortly() -> None:
    assert licence_name("https://creativecommons.org/licenses/by-nc/4.0/", "") == "CC BY-NC 4.0"
    assert licence_name("", "Creative Commons Attribution-NonCommercial License 3.0") == "CC BY-NC"
    assert licence_name("", "All rights reserved") is None


ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha"}">' for i in range(12))


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE article [<!ENTITY a11 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE article SYSTEM "http://192.0.2.1/x.dtd">',
        '<!DOCTYPE article [<!ENTITY % p SYSTEM "http://192.0.2.1/x">%p;<!ENTITY a11 "root:x">]>',
    ],
    ids=["external", "dtd", "parameter"],
)
def test_entities_of_the_file_are_never_expanded(doctype: str) -> None:
    _, document = read(f"{doctype}<article>{FRONT}<body><p>Safe &a11; text</p></body></article>")
    assert document.text == "A title\n\nSafe \ufffd text"  # its place is marked


@pytest.mark.parametrize("place", ["<p>Safe &a11;</p>", "<p id='&a11;'>Safe</p>"])
def test_a_file_of_growing_entities_is_refused_or_read_without_them(place: str) -> None:
    try:
        _, document = read(f"<!DOCTYPE article [{ENTITIES}]><article><body>{place}</body></article>")
    except UnreadablePaper:
        return
    assert document.text == "Safe"


def test_named_characters_of_a_missing_dtd_are_read() -> None:
    _, document = read(
        '<!DOCTYPE article SYSTEM "x.dtd"><article><body><p>TNF-&alpha; &nosuchthing; rose.</p></body></article>'
    )
    assert document.text == "TNF-α \ufffd rose."


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<article><body><p>x</p>", "well-formed"),
        ("<PubmedArticleSet><PubmedArticle/></PubmedArticleSet>", "PubmedArticleSet"),
        ("<article><front/></article>", "no text"),
        ("<article><body>" + "<sec>" * 3000 + "</sec>" * 3000 + "</body></article>", "well-formed"),
    ],
)
def test_what_is_no_article_is_refused_in_one_line(xml: str, message: str) -> None:
    with pytest.raises(UnreadablePaper, match=message) as caught:
        read(xml)
    assert "\n" not in str(caught.value)


def test_many_levels_of_sections_are_flattened() -> None:
    text = body("<sec><title>t</title>" * 40 + "<p>deep</p>" + "</sec>" * 40)
    assert "deep" in text
