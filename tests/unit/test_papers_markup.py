"""Markup becomes text in one way: powers, formulas, headings, signs, and marks for what is only a picture."""

from __future__ import annotations

import hashlib

import pytest

from bioresearcher.papers.canonical import UnreadablePaper, section_kind
from bioresearcher.papers.jats import read_jats
from bioresearcher.papers.markup import (
    ADDRESS,
    FORMULA,
    PICTURE,
    TABLE,
    gap_in,
    inline,
    markup_line,
    markup_lines,
    parse_xml,
)
from bioresearcher.papers.quotes import locate
from bioresearcher.schemas.paper import Document, Paper
from bioresearcher.sources.pubmed_offline.records import read_record

NAMES = (
    "xmlns:xlink='http://www.w3.org/1999/xlink' xmlns:m='http://www.w3.org/1998/Math/MathML' "
    "xmlns:o='http://www.niso.org/standards/z39-96/ns/oasis-exchange/table'"
)


def text(xml: str) -> str:
    return " ".join(inline(parse_xml(f"<p {NAMES}>{xml}</p>".encode())).split())


def article(body: str, front: str = "", meta: str = "", kind: str = "research-article") -> tuple[Paper, Document]:
    data = (
        f"<article {NAMES} article-type='{kind}'><front><article-meta>{meta}</article-meta>{front}</front>"
        f"<body>{body}</body></article>"
    ).encode()
    return read_jats(data, sha256=hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("5 × 10<sup>6</sup> cells", "5 × 10^6 cells"),
        ("2.5 × 10<sup>18</sup>cm<sup>-3</sup>", "2.5 × 10^(18)cm^-3"),
        ("10<sup>− 8</sup> M, kg/m<sup>2</sup>", "10^−8 M, kg/m^2"),
        ("e<sup>−<italic>kt</italic></sup>", "e^(−kt)"),
        ("10<sup>n+1</sup> and x<sup>n</sup>", "10^(n+1) and x^n"),
        ("CD8<sup>+</sup>, Ca<sup>2+</sup>, p53<sup>−/−</sup>, Pten<sup>fl/fl</sup>", "CD8+, Ca2+, p53−/−, Pten^fl/fl"),
        ("SO<sub>4</sub><sup>2−</sup>, H<sub>2</sub>O, log<sub>10</sub>", "SO4^(2−), H2O, log10"),
        ("the 5<sup>th</sup> day, <sup>14</sup>C, P*<sup>†</sup>", "the 5th day, 14C, P*†"),
        ("DMSO<sup>a</sup>; <sup>a</sup>Adjusted", "DMSO^a; ^a Adjusted"),
        ("version 10<sub>2</sub>", "version 10_2"),
        ("P &lt; 0.05, &#945; = 5&#160;%", "P < 0.05, α = 5 %"),
        ("write to <email>a@b.org</email>.", f"write to {ADDRESS}."),
    ],
)
def test_raised_and_lowered_text_joins_no_number_and_no_word(xml: str, said: str) -> None:
    assert text(xml) == said


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("<inline-formula><tex-math>$5 \\times 10^{6}$</tex-math></inline-formula> cells", "5 \\times 10^{6} cells"),
        (
            "<inline-formula><alternatives><inline-graphic xlink:href='a.gif'/><tex-math>\\documentclass{minimal}"
            "\\begin{document}$$\\geq 2$$\\end{document}</tex-math></alternatives></inline-formula> mg",
            "\\geq 2 mg",
        ),
        (
            "a dose of <inline-formula><inline-graphic xlink:href='a.gif'/></inline-formula> mg",
            f"a dose of {FORMULA} mg",
        ),
        ("P <inline-graphic xlink:href='a.gif'/> 0.05", f"P {PICTURE} 0.05"),
        (
            "<disp-formula><m:math><m:msup><m:mn>10</m:mn><m:mrow><m:mo>−</m:mo><m:mn>6</m:mn></m:mrow></m:msup>"
            "</m:math><graphic xlink:href='a.gif'/><label>(1)</label></disp-formula>",
            "10^−6 (1)",
        ),
        (
            "<m:math><m:mfenced><m:mi>x</m:mi><m:mi>y</m:mi></m:mfenced><m:mo>=</m:mo><m:mn>2</m:mn><m:mn>5</m:mn>"
            "</m:math>",
            "(x, y) = 2 5",
        ),
    ],
)
def test_formulas_are_text_where_their_source_is_and_marks_where_they_are_pictures(xml: str, said: str) -> None:
    assert text(xml) == said


def test_a_quote_that_leaves_out_a_picture_is_given_with_its_mark() -> None:
    sentence = "Mice received a dose of {} mg/kg on the first day and were weighed every second day after that."
    gap = "<inline-formula><inline-graphic xlink:href='a.gif'/></inline-formula>"
    _, document = article(f"<sec><title>Methods</title><p>{sentence.format(gap)}</p></sec>")
    evidence = locate(document, sentence.format(FORMULA))
    assert evidence is not None
    assert FORMULA in evidence.text
    shortened = locate(document, sentence.replace("{} ", ""))
    assert shortened is None or FORMULA in shortened.text
    assert "1 formulas are pictures in the file" in " ".join(document.warnings)


def test_powers_in_pubmed_records_stay_powers() -> None:
    record = parse_xml(
        b"<PubmedArticle><MedlineCitation><PMID>7</PMID><Article><ArticleTitle>CD8<sup>+</sup> in H<sub>2</sub>O"
        b"</ArticleTitle><Abstract><AbstractText Label='METHODS'>We gave 5 \xc3\x97 10<sup>6</sup> cells at P &amp;lt; "
        b"10<sup>-8</sup>.</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>"
    )
    paper = read_record(record, source="pubmed", path="", sha256="").paper
    assert paper.title == "CD8+ in H2O"
    assert paper.abstract == "METHODS: We gave 5 × 10^6 cells at P < 10^-8."


def test_a_lost_exponent_is_no_quote() -> None:
    _, document = article("<p>Each mouse was injected with 5 × 10<sup>6</sup> tumour cells on day 7.</p>")
    for said in ("5 × 10^6", "5 × 10⁶"):
        assert locate(document, f"Each mouse was injected with {said} tumour cells on day 7.") is not None
    assert locate(document, "Each mouse was injected with 5 × 106 tumour cells on day 7.") is None


def test_tables_figures_and_boxes_are_read_wherever_they_are_nested() -> None:
    rows = "<o:row><o:entry namest='c1' nameend='c2'>Dose</o:entry><o:entry>mg</o:entry></o:row><o:row><o:entry "
    rows += "morerows='1'>Low</o:entry><o:entry>a</o:entry><o:entry>2.5</o:entry></o:row><o:row><o:entry>b</o:entry>"
    rows += "<o:entry>12.5</o:entry></o:row>"
    columns = "<o:colspec colname='c1'/><o:colspec colname='c2'/><o:colspec colname='c3'/>"
    _, document = article(
        f"<sec><title>Results</title><p>As listed.<table-wrap><label>Table 1</label><o:table><o:tgroup>{columns}"
        f"<o:tbody>{rows}</o:tbody></o:tgroup></o:table></table-wrap></p><table-wrap><label>Table 2</label><caption>"
        "<p>Weights.</p></caption><graphic xlink:href='t.jpg'/></table-wrap><fig><label>Figure 1</label><caption>"
        "<p>Design.</p></caption><p><fig><label>Figure 1—supplement 1</label><caption><p>Weighed to 0.1 g.</p>"
        "</caption></fig></p></fig><fig><label>Figure 2</label><graphic xlink:href='f.jpg'/></fig></sec>"
    )
    assert "Dose | | mg\n\nLow | a | 2.5\n\nLow | b | 12.5" in document.text
    assert f"Table 2\n\nWeights.\n\n{TABLE}" in document.text
    assert ("Figure 1—supplement 1", "legend") in [(s.title, s.kind) for s in document.sections]
    assert document.text.endswith(f"Figure 2\n\n{PICTURE}")


def test_front_notes_group_authors_and_references_in_the_body_are_read() -> None:
    people = "<contrib><name><surname>Beta</surname><given-names>Bea</given-names></name><aff>Town</aff></contrib>"
    paper, document = article(
        "<sec><title>Methods</title><p>We did.</p></sec><sec><title>References</title><ref-list><ref><label>1</label>"
        "<mixed-citation>Delta D. A paper. 2020.</mixed-citation></ref></ref-list></sec>",
        front="<notes notes-type='data-availability'><title>Data</title><p>GEO: GSE145926.</p></notes>",
        meta="<contrib-group><contrib contrib-type='author'><collab>The Consortium<contrib-group>"
        f"{people}</contrib-group></collab></contrib></contrib-group>"
        "<author-notes><fn fn-type='conflict'><p>None declared.</p></fn></author-notes>",
    )
    assert paper.authors == ("The Consortium",)
    assert "Members of The Consortium\n\nBea Beta" in document.text
    assert "None declared." in document.text
    kinds = {s.title: s.kind for s in document.sections}
    assert kinds["Data"] == "data_availability"
    assert [s.title for s in document.sections if s.kind == "references"] == ["References"]
    assert document.text.endswith("1. Delta D. A paper. 2020.")


def test_letters_beside_a_paper_are_named_and_not_read() -> None:
    data = (
        b"<article><body><p>Own words.</p></body><sub-article article-type='decision-letter'><front-stub><title-group>"
        b"<article-title>Decision letter</article-title></title-group></front-stub><body><p>Other words.</p></body>"
        b"</sub-article></article>"
    )
    _, document = read_jats(data, sha256="0" * 64)
    assert "Other words" not in document.text
    assert any("decision letter “Decision letter”" in w for w in document.warnings)


def test_an_author_of_thousands_of_characters_is_cut_and_said() -> None:
    meta = f"<contrib-group><contrib contrib-type='author'><collab>{'Name ' * 1000}</collab></contrib></contrib-group>"
    paper, document = article("<p>Text.</p>", meta=meta)
    assert len(paper.authors[0]) == 300
    assert "the name of an author is longer than any name and was cut." in document.warnings


def test_thousands_of_references_are_read_and_too_deep_nesting_is_refused() -> None:
    entries = "".join(f"<ref><mixed-citation>Entry {n}.</mixed-citation></ref>" for n in range(5_000))
    data = f"<article><body><p>Text.</p></body><back><ref-list>{entries}</ref-list></back></article>".encode()
    assert "Entry 4999." in read_jats(data, sha256="0" * 64)[1].text
    deep = f"<article><body><p>{'<bold>' * 5000}x{'</bold>' * 5000}</p></body></article>".encode()
    with pytest.raises(UnreadablePaper, match="not well-formed XML"):
        read_jats(deep, sha256="0" * 64)


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (
            "<h4>Methods</h4>We used 2 × 10<sup>6</sup> cells. Calls with <5% or a depth >100 (P<0.001, n>30).",
            ["Methods: We used 2 × 10^6 cells. Calls with <5% or a depth >100 (P<0.001, n>30)."],
        ),
        ("<jats:title>Aim</jats:title><jats:p>CO<jats:sub>2</jats:sub> &lt; 5 %</jats:p>", ["Aim: CO2 < 5 %"]),
        ("if a<b>c then <b>stop</b>", ["if a<b>c then stop"]),
        ("<p>One</p><p>Two<br/>Three</p>", ["One", "Two", "Three"]),
        ("<i>P <b>= 1</i> x</b>", ["P = 1 x"]),
        ("<math><msup><mn>10</mn><mn>6</mn></msup></math> cells", ["10^6 cells"]),
    ],
)
def test_only_tags_are_tags_and_headings_stand_before_their_text(value: str, lines: list[str]) -> None:
    assert markup_lines(value) == lines
    assert markup_line(value) == " ".join(lines)


METHODS = (
    "STAR★Methods|Online Methods|Research Design and Methods|Concise Methods|System and methods|Design and Methods|"
    "Detailed Methods|Patients|Study population|Trial design|Experimental|Protocol|Computational methods|"
    "Experimental model and subject details|2. Proposed Method|Methods/Design|Patients and Controls|Key resources table"
)


@pytest.mark.parametrize("title", METHODS.split("|"))
def test_methods_are_known_under_their_many_names(title: str) -> None:
    assert section_kind(title) == "methods"


@pytest.mark.parametrize(
    ("title", "declared", "kind"),
    [
        ("Additional analyses", "", None),
        ("Additional experiments", "", None),
        ("Supporting evidence from mice", "", None),
        ("Additional file 1", "", "supplementary"),
        ("Supporting Information", "", "supplementary"),
        ("Supplementary Materials and Methods", "", "supplementary"),
        ("Results and Discussion", "conclusions", "results"),
        ("Our approach", "materials|methods", "methods"),
    ],
)
def test_other_headings_are_what_they_say(title: str, declared: str, kind: str | None) -> None:
    assert section_kind(title, declared) == kind


def test_a_quote_with_a_mark_says_what_it_does_not_show() -> None:
    assert gap_in(f"a dose of {FORMULA} mg as in {TABLE}").startswith("a formula and a table of it")
    assert gap_in("a dose of 5 mg") == ""
