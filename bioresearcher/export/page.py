"""The report as one file: a page with figures and style inside, and no link to files that do not come with it."""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.export.content import RunContent
from bioresearcher.report.html import render_html
from bioresearcher.report.run_data import load_view

_LINK: Final = re.compile(r"(<a\b[^>]*?)\shref=([\"'])(?!#|https?://|mailto:|data:)[^\"']*\2")


def one_page(content: RunContent) -> str:
    """Return the report's page; links to files of the run folder become plain text."""
    text = content.clean.text(render_html(load_view(content.folder)))
    return _LINK.sub(r"\1", text)
