"""Letters and digits of a source are those of its canonical text: nothing disappears without a mark in its place.

The sources are the real articles and answers of the test data and articles that are made up at random. The text that
is expected is taken from them by other means than the converters use: node by node, without reading any markup.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from source_letters import article_of, lost, told

from bioresearcher.papers.jats import read_jats
from bioresearcher.papers.markup import markup_lines
from bioresearcher.sources.pubmed_offline.records import read_record


def test_articles_keep_their_letters_and_digits(shared_data: Path) -> None:
    paths = sorted((shared_data / "fulltext").glob("plos/*.xml")) + sorted((shared_data / "fulltext").glob("jats/*"))
    assert len(paths) == 76
    for path in paths:
        text = read_jats(path.read_bytes(), sha256="0" * 64)[1].text
        assert lost(list(told(article_of(path))), text) == ([], 0), path.name


def test_pubmed_records_keep_their_letters_and_digits(shared_data: Path) -> None:
    seen = 0
    for path in sorted((shared_data / "pubmed" / "raw" / "efetch").glob("*.xml")):
        root = etree.fromstring(path.read_bytes(), etree.XMLParser(resolve_entities=False, recover=True))
        for record in root.iterfind("PubmedArticle") if root is not None else ():
            paper = read_record(record, source="pubmed", path="", sha256="").paper
            parts = [*record.iter("ArticleTitle"), *record.iterfind("MedlineCitation/Article/Abstract/AbstractText")]
            nodes = [str(t) for part in parts for t in part.itertext()]
            assert lost(nodes, f"{paper.title}\n{paper.abstract}") == ([], 0), paper.id
            seen += 1
    assert seen >= 30


def test_abstracts_of_europe_pmc_keep_their_letters_and_digits(shared_data: Path) -> None:
    seen = 0
    for path in sorted((shared_data / "pubmed" / "raw" / "europepmc").glob("*.json")):
        for row in (json.loads(path.read_bytes()).get("resultList") or {}).get("result") or []:
            source = row.get("abstractText")
            if source:
                nodes = re.split(r"</?(?:h4|i|b|u|p|sup|sub|br|em|strong)/?>", source)
                assert lost(nodes, "\n".join(markup_lines(source))) == ([], 0), row.get("id")
                seen += 1
    assert seen > 10


WORDS = st.text("abcXYZ059µαé <&>%", min_size=1, max_size=12)
INLINE = st.recursive(
    WORDS.map(lambda t: t.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>",
        st.sampled_from(["italic", "bold", "sup", "sub", "sc", "xref", "named-content", "ext-link", "fn"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
PARAGRAPH = st.lists(INLINE, max_size=4).map(lambda parts: f"<p>{''.join(parts)}</p>")
BLOCK = st.recursive(
    PARAGRAPH,
    lambda inner: st.builds(
        lambda form, parts: form.replace("*", "".join(parts)),
        st.sampled_from(
            [
                "<sec><title>Methods</title>*</sec>",
                "<fig><label>Figure 1</label><caption>*</caption></fig>",
                "<boxed-text>*</boxed-text>",
                "<list><list-item>*</list-item></list>",
                "<disp-quote>*</disp-quote>",
                "<table-wrap><label>T1</label><table><tr><td>a</td><td>*</td></tr></table></table-wrap>",
                "<supplementary-material>*</supplementary-material>",
                "<p>Before.*After.</p>",
            ]
        ),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


@given(st.lists(BLOCK, min_size=1, max_size=4))
def test_made_up_articles_keep_their_letters_and_digits(blocks: list[str]) -> None:
    xml = f"<article><front><article-meta/></front><body><p>Begin.</p>{''.join(blocks)}</body></article>".encode()
    _, document = read_jats(xml, sha256="0" * 64)
    assert lost(list(told(etree.fromstring(xml))), document.text) == ([], 0)


@given(
    st.lists(st.sampled_from(["<i>", "</i>", "<sup>", "</sup>", "<b", "<5% or >", "a<b>c", "<h4>", "</h4>", "x", "7"]))
)
def test_no_text_between_tags_is_lost_whatever_the_tags_are(parts: list[str]) -> None:
    text = "".join(markup_lines("".join(parts)))
    for sign in ("x", "7"):
        assert text.count(sign) == parts.count(sign)


def test_the_comparison_sees_a_loss() -> None:
    assert lost(["10", "6 cells"], "10^6 cells") == ([], 0)
    assert lost(["10", "6 cells"], "cells") == (["10", "6cells"], 3)


@pytest.mark.parametrize("given_text", ["P &lt; 0.05", "P < 0.05", "P &amp;lt; 0.05"])
def test_signs_are_the_same_however_often_they_were_escaped(given_text: str) -> None:
    assert markup_lines(given_text) == ["P < 0.05"]
