"""The whole report as one file: its pages in one, figures and style inside, no link to files that stay behind."""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.export.content import RunContent
from bioresearcher.report.first_page import PAGES
from bioresearcher.report.html import render_html, render_pages
from bioresearcher.report.run_data import load_view

_MAIN: Final = re.compile(r'<main id="main">\n(.*?)</main>', re.DOTALL)
_PAGE: Final = re.compile(rf'href="(?:\.\./)?(?:report/)?({"|".join(PAGES)})\.html(?:#([^"]*))?"')
_FIRST: Final = re.compile(r'href="(?:\.\./)?report\.html(?:#([^"]*))?"')
_LINK: Final = re.compile(r"(<a\b[^>]*?)\shref=([\"'])(?!#|https?://|mailto:|data:)[^\"']*\2")


def one_page(content: RunContent) -> str:
    """Return the report's pages, one below the other; links to files of the run folder become plain text."""
    view = load_view(content.folder)
    first = render_html(view)
    behind = "".join(
        f'<section id="page-{name}" class="page-behind">\n{_main(text)}</section>\n'
        for name, text in render_pages(view).items()
    )
    whole = content.clean.text(first.replace("</main>", f"{behind}</main>", 1))
    whole = _PAGE.sub(lambda m: f'href="#{m[2] or f"page-{m[1]}"}"', whole)
    whole = _FIRST.sub(lambda m: f'href="#{m[1] or "main"}"', whole)
    return _LINK.sub(r"\1", whole)


def _main(page: str) -> str:
    """Return what stands in a page's main element, its title one level below the first page's."""
    found = _MAIN.search(page)
    inside = found[1] if found else ""
    return inside.replace("<h1>", "<h2>", 1).replace("</h1>", "</h2>", 1)
