"""The HTML and Markdown reports: complete, self-contained, and literal about hostile text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser

import pytest
import report_support as builder
from markdown_it import MarkdownIt

from bioresearcher.report.protocol_content import ProtocolContent
from bioresearcher.report.protocol_evidence import evidence_lines
from bioresearcher.report.protocol_markdown import body_lines, content_of, render_protocol
from bioresearcher.report.run_data import load_view
from bioresearcher.report.write import write_reports

VOID = {"meta", "link", "img", "br"}
SAFE_LINK = re.compile(
    r"#[A-Za-z0-9._-]+|data:,|(?:\.\./)?\./tasks/T\d+/\S+|(?:\.\./|\./)?(?:report/)?[a-z]+\.(?:html|md)(?:#[A-Za-z0-9._-]+)?"
    r"|https://(doi\.org|pubmed\.ncbi\.nlm\.nih\.gov|pmc\.ncbi\.nlm\.nih\.gov|www\.ncbi\.nlm\.nih\.gov)/\S+"
)


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains about tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] for _, a in self.tags if attribute in a]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return builder.build_run(tmp_path_factory.mktemp("run") / "2026-01-05-breast")


@pytest.fixture(scope="module")
def view(folder):
    return load_view(folder)


PAGES = ("report.html", *(f"report/{name}.html" for name in "evidence protocol tasks review record".split()))


@pytest.fixture(scope="module")
def every(view):
    return builder.every_page(view)


@pytest.fixture(scope="module", params=PAGES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def html(every, name):
    return every[name]


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def rendered(text):
    return Page(MarkdownIt("commonmark").enable("table").render(text))


def test_the_page_nests_and_holds_no_active_content(page):
    names = {tag for tag, _ in page.tags}
    assert page.open == []
    assert not names & {"script", "iframe", "object", "embed", "form", "input", "base", "b", "audio", "video"}
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on") or a == "style"]


def test_links_and_pictures_lead_only_where_they_may(page):
    assert [link for link in page.values("href") if not SAFE_LINK.fullmatch(link)] == []
    assert all(source.startswith("data:image/") for source in page.values("src"))


def test_the_policy_allows_the_inline_style_and_nothing_else(html, page):
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "url(" not in style
    assert "@import" not in style


def test_every_jump_has_its_target_once(every):
    ids = {name: Page(every[name]).values("id") for name in PAGES}
    assert all(len(found) == len(set(found)) for found in ids.values())
    for name in PAGES:
        for link in Page(every[name]).values("href"):
            target, _, anchor = link.partition("#")
            if anchor and not target.startswith("http"):
                folder = name.rpartition("/")[0]
                place = name if not target else "report.html" if target == "../report.html" else target
                place = f"{folder}/{place}" if folder and target and not target.startswith("..") else place
                assert anchor in ids[place], (name, link)


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_figures_have_words_and_tables_have_captions(every):
    tags = [row for name in PAGES for row in Page(every[name]).tags]
    assert all(a.get("alt", "").startswith("Figure") for tag, a in tags if tag == "img")
    tables = sum(tag == "table" for tag, _ in tags)
    assert tables == sum(tag == "caption" for tag, _ in tags) > 5


def test_the_sections_stand_on_their_pages(every):
    shown = {name: [a["id"] for tag, a in Page(every[name]).tags if tag == "h2"] for name in PAGES}
    assert shown == {
        "report.html": [f"h-{n}" for n in "answers open caveats by full methods more".split()],
        "report/evidence.html": ["h-evidence", "h-datasets"],
        "report/protocol.html": ["h-deviations", "h-protocol"],
        "report/tasks.html": ["h-found", "h-tasks"],
        "report/review.html": ["h-doubts", "h-left-out", "h-review"],
        "report/record.html": ["h-objective", "h-usage", "h-repeat"],
    }
    headings = [
        line[3:]
        for name, text in every.items()
        if name.endswith(".md")
        for line in text.splitlines()
        if line.startswith("## ")
    ]
    for heading in (
        "Objective",
        "What was found",
        "Evidence",
        "Data sets",
        "Protocol",
        "Tasks",
        "Review",
        "Usage and versions",
        "What was not verified",
        "How to reproduce",
    ):
        assert heading in headings


@pytest.mark.parametrize("kind", ["html", "md"])
def test_both_reports_say_what_matters(kind, every):
    texts = [text for name, text in every.items() if name.endswith(kind)]
    said = " ".join(Page(text).text if kind == "html" else rendered(text).text for text in texts)
    for words in (
        "2 of 4 tasks verified",
        "Sandbox: bubblewrap",
        "50 %",
        "75 %",
        "1,840 of 8,765 genes differ between ER+ and ER− tumours at FDR < 0.05.",
        "The relation did not replicate in GSE4335",
        "Did not replicate or was not confirmed",
        "1 statement withheld",
        "not stated by the source",
        "computed by rule, no model",
        "referability high",
        "the false discovery rate was controlled by the Benjamini-Hochberg procedure at 0.05",
        "found at this place",
        "first 10 of 90 rows",
        "no proteome data were given",
        "G-REQ-01",
        "GATA3",
        "bioresearcher run --example breast-cancer",
        "Level of detail",
        "retracted",
        "(malformed)",
        "page 2 holds 84 invisible letters, which were left out.",
        "the tumours of GSE1992",
        "Extends part 1: the genes found there make up the score",
        "no step of this part was learnt from a paper that was read.",
        "The batches of this cohort are not described in any paper.",
    ):
        assert words in said, words


def test_what_was_not_verified_is_never_stated_as_found(every):
    assert not [name for name, text in every.items() if "must not be shown as a result" in text]


def test_nothing_private_or_invisible_gets_in(every):
    for text in every.values():
        assert "sk-secret-value" not in text
        assert "/home/someone" not in text
        assert "/somewhere/data" not in text
        assert not set(text) & set("\x07\x1b\u202e\u200b")


def test_template_syntax_in_texts_is_not_run(every):
    assert "{{ 7*7 }}" in Page(every["report/evidence.html"]).text


def test_markdown_stays_text_in_a_renderer_that_allows_html(every):
    found = {name: rendered(text) for name, text in every.items() if name.endswith(".md")}
    for page in found.values():
        names = {tag for tag, _ in page.tags}
        assert names <= {
            *("h1", "h2", "h3", "h4", "p", "ul", "li", "a", "img", "strong", "code", "blockquote"),
            *("table", "thead", "tbody", "tr", "th", "td"),
        }
        assert [link for link in page.values("href") if not SAFE_LINK.fullmatch(link)] == []
    assert found["report/tasks.md"].values("src") == ["./tasks/T1/outputs/volcano.png", "./tasks/T2/outputs/curves.svg"]
    rows = MarkdownIt().enable("table").render(every["report/tasks.md"]).split("</tr>")
    assert max(len(re.findall(r"<t[hd][ >]", row)) for row in rows) == 14


def test_the_protocol_alone_can_be_written_with_and_without_a_run(view):
    content = content_of(view, view.protocol)
    full = "\n".join([*body_lines(content, view, 2), *evidence_lines(content, view, 2)])
    bare = render_protocol(ProtocolContent(view.protocol))
    assert "Molecular portraits of human breast tumours" in full
    assert "found at this place" in full
    assert "found at this place" not in "\n".join(body_lines(content, view, 2))
    assert "task T1: verified" in full
    assert "PMID10963602" in bare
    assert "found at this place" not in bare
    assert bare.startswith("# Hormone receptor status")
    for text in (full, bare):
        assert "**unsupported**" in text
        assert "minimum group size: 3 samples" in text


def test_writing_twice_gives_the_same_bytes(folder):
    markdown, html = write_reports(folder)
    files = [markdown, html, *sorted(folder.path("report").iterdir())]
    first = [f.read_bytes() for f in files]
    write_reports(folder)
    assert [f.read_bytes() for f in files] == first
    assert len(files) == 12
    assert (markdown.name, html.name) == ("report.md", "report.html")
    written = folder.path("report", "tasks.md").read_text(encoding="utf-8")
    assert "](<../tasks/T1/outputs/volcano.png>)" in written, "links begin in the page's own folder"


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_enough_contrast_in_light_dark_and_print(html):
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    schemes = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{([^}]*)\}", style)]
    assert len(schemes) == 3
    pairs = [(text, under) for text in ("ink", "soft", "link") for under in ("page", "card", "faint")]
    pairs += [(tone, f"{tone}-bg") for tone in ("good", "warn", "bad")]
    pairs += [("ink", f"{tone}-bg") for tone in ("good", "warn", "bad", "plain")]
    for scheme in schemes:
        for text, under in pairs:
            low, high = sorted((_luminance(scheme[text]), _luminance(scheme[under])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, under, scheme[text], scheme[under])
