"""Untrusted text in reports, and numbers for reading."""

from __future__ import annotations

import html
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bioresearcher.text import format as text
from bioresearcher.text.visible import one_line

NASTY = st.text(
    alphabet=st.one_of(
        st.sampled_from("<>&\"'`*_[]()!#|\\~$+-=.:/ \t\n\r0123abZ;{}@^\u00a0\u202e\u200b\x00\x1b\u2028é−"),
        st.characters(codec="utf-8"),
    ),
    max_size=60,
)


def rendered_text(page: str) -> str:
    return html.unescape(page)


@given(NASTY)
@example("<script>alert(1)</script>")
@example("[a](javascript:alert(1))")
@example("1. no list")
@example("--- ")
@example("- - -")
@example("= ")
@example("&lt;b&gt; &#106;avascript")
@example("a\\|b")
@example("<!-- -->")
@example("x <")
@example("<https://evil.example>")
@example("![x](y)\n\n# heading")
def test_markdown_shows_any_text_literally(raw):
    shown = MarkdownIt("commonmark").render(text.md(raw)).strip()
    plain = one_line(raw)
    expected = f"<p>{plain}</p>" if plain else ""
    assert rendered_text(shown) == expected


@given(NASTY)
def test_any_text_stays_in_its_table_cell(raw):
    table = f"| a | b |\n|---|---|\n| {text.md(raw)} | {text.md_code(raw)} |\n"
    page = MarkdownIt("commonmark").enable("table").render(table)
    assert page.count("<td>") == 2
    assert set(_tags(page)) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


def _tags(page: str) -> list[str]:
    from html.parser import HTMLParser

    found: list[str] = []

    class Collect(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append(tag)

    Collect().feed(page)
    return found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1840, "1,840"),
        (0.0083, "0.0083"),
        (1.23456789, "1.235"),
        (2.1e-31, "2.10e-31"),
        (12345678.9, "1.23e+07"),
        (5.0, "5"),
        (True, "yes"),
        (math.inf, "∞"),
        (math.nan, "not a number"),
    ],
)
def test_numbers_read_well(value, shown):
    assert text.number(value) == shown


@given(st.floats() | st.integers())
def test_every_number_can_be_shown(value):
    assert text.number(value)


def test_values_of_any_json_shape_are_shown():
    value = {"p": 0.00001, "ci": [0.9, 1.8], "note": None, "ok": True, "empty": []}
    assert text.value_text(value) == "p: 1.00e-05; ci: 0.9, 1.8; note: not known; ok: yes; empty: none"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.412, "0.41 s"), (4.2, "4.2 s"), (72.4, "72 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_time_spans(seconds, shown):
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2_000_000_000, "2.0 GB")]
)
def test_sizes(count, shown):
    assert text.size(count) == shown


def test_a_share_reads_100_only_when_it_is_all():
    assert text.percent(999, 1000) == "99 %"
    assert text.percent(3, 3) == "100 %"
    assert text.percent(0, 0) == "–"


def test_only_well_formed_identifiers_become_links():
    assert text.doi_link("10.1038/35021093") == "https://doi.org/10.1038/35021093"
    assert text.pmid_link("10963602") == "https://pubmed.ncbi.nlm.nih.gov/10963602/"
    assert text.accession_link("GSE1992").endswith("acc=GSE1992")
    for bad in ("javascript:alert(1)", "10.1/x y", '10.1038/"><script>', "", None, "1 2", "GSE1992&x=1", "PMC1/../.."):
        assert text.doi_link(bad) is None
        assert text.pmid_link(bad) is None
        assert text.pmcid_link(bad) is None
        assert text.accession_link(bad) is None


@given(st.text(min_size=1, max_size=30))
def test_a_file_link_never_leaves_the_folder_nor_has_a_scheme(path):
    link = text.file_link(path)
    if link is not None:
        assert link.startswith("./")
        assert "/../" not in link
        assert not set(link) & set("<>\"' \n:")


def test_settings_named_like_credentials_are_left_out():
    assert text.setting_text("api_key", "sk-1") == "(left out)"
    assert text.setting_text("max_tokens", 10) == "10"


@pytest.mark.parametrize(("raw", "said"), [("x", "x."), ("x..", "x."), ("x…", "x…"), ("Why?", "Why?"), ("", "")])
def test_sentences_end_once(raw, said):
    assert text.as_sentence(raw) == said
