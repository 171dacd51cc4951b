"""Lists, tables and code of a step's text are kept; nothing else of it becomes Markdown, and no word is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bioresearcher.text.blocks import md_blocks, md_spans, text_blocks

KEPT = {"p", "br", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "strong", "code", "pre"}
PIECES = (
    "- a",
    "* b",
    "  - c",
    "    - d",
    "1. one",
    "2) two",
    "17. x",
    "  3. y",
    "| a | b |",
    "|---|---|",
    "| 1 | 2 | 3 |",
    "| x \\| y |",
    "# head",
    "### **b**",
    "> q",
    "---",
    "===",
    "***",
    "```",
    "``` py",
    "~~~",
    "**bold** and `code`",
    "**x %** **(y)**z **a:**",
    "**[l]** **<b>**",
    "<b>tag</b>",
    "[l](http://x.y)",
    "![i](x)",
    "&amp; &lt;",
    "a_b_c _d_",
    "\\*",
    "",
    "  text",
    "    deep",
    "* * *",
    "- - x",
    "+ 1. z",
    "<!-- c -->",
    "[r]: http://x.y",
    "a | b",
    "--- | ---",
    ":--",
    "<http://x.y>",
    "`a|b`",
    "~x~",
)
RENDERER = MarkdownIt("commonmark").enable("table")


def tags(html: str) -> list[str]:
    return re.findall(r"<(/?\w+)", html)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=25), max_size=12).map("\n".join))
def test_only_lists_tables_code_and_bold_arise_and_all_nest(text: str) -> None:
    lines = md_blocks(text)
    assert lines[-1] == ""
    html = RENDERER.render("# Before\n\n" + "\n".join(lines) + "\nAfter\n")
    own = html.removeprefix("<h1>Before</h1>\n")
    names = tags(own)
    assert {n.removeprefix("/") for n in names} <= KEPT
    open_: list[str] = []
    for name in names:
        if name.startswith("/"):
            assert open_.pop() == name[1:]
        elif name != "br":
            open_.append(name)
    assert not open_
    assert own.rstrip().endswith("<p>After</p>")


@given(st.lists(st.sampled_from(PIECES) | st.text("ab1 |*`-\n.<", max_size=25), max_size=12).map("\n".join))
def test_no_word_is_lost(text: str) -> None:
    shown = re.sub(r"<[^>]*>", " ", RENDERER.render("\n".join(md_blocks(text))))
    shown = re.sub(r"&(?:amp|lt|gt|quot);", " ", shown)
    for word in set(re.findall(r"[a-z]{3,}", re.sub(r"```\s*\w*", "", re.sub(r"&\w+;", "", text)))):
        assert word in shown, word


def test_a_plan_of_work_keeps_its_shape() -> None:
    text = (
        "Leave out:\n1. samples of **another kind**:\n   - metastases (`-Met`)\n   - cell lines\n2. pairs\n   in part\n"
        "\n| cohort | events |\n| --- | ---: |\n| GSE1992 | 42 |\n| GSE4335 | 38 | of 118 |\n"
        "\nThen <fit> the model.\n2 rows"
    )
    assert md_blocks(text) == [
        "Leave out:",
        "",
        "1. samples of **another kind**:",
        "   - metastases (`-Met`)",
        "   - cell lines",
        "2. pairs  ",
        "   in part",
        "",
        "| cohort | events |",
        "|---|---:|",
        "| GSE1992 | 42 |",
        "| GSE4335 | 38 \\| of 118 |",
        "",
        "Then &lt;fit> the model.  ",
        "2 rows",
        "",
    ]
    assert [b.depth for b in text_blocks(text)] == [0, 1, 2, 2, 1, 0, 0]


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("# not a heading", "\\# not a heading"),
        ("a `b` c", "a `b` c"),
        ("`b`", "`b`"),
        ("2 ** 3 ** 4", "2 \\*\\* 3 \\*\\* 4"),
        ("**x** - y", "**x** - y"),
        ("**over 60 %** of **(a)** and **b:** c", "**over 60 %** of **(a)** and **b:** c"),
        ("a**(b)**c", "a\\*\\*(b)\\*\\*c"),
        ("- `x`", "\\- `x`"),
        ("", ""),
    ],
)
def test_a_line_is_literal_but_for_code_and_bold(line: str, written: str) -> None:
    assert md_spans(line) == written
