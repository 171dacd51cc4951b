"""Markdown of a run's sections as HTML: links lead to the web or to the run's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bioresearcher.text.visible import visible

_FRAME: Final = '<div class="scroll" tabindex="0" role="region" aria-label="Table">\n'


def as_html(markdown: str, files: str, *, below: int = 1) -> str:
    """Return Markdown as HTML, to be put into a page as it is.

    Args:
        markdown: The text; what came from outside is escaped in it.
        files: Address of the run's files, which links without a server are relative to.
        below: Levels that its headings stand below those of the page.
    """
    reader = _reader()
    tokens = [*_framed(reader.parse(visible(markdown)), below)]
    _mend_links(tokens, files)
    return str(reader.renderer.render(tokens, reader.options, {}))


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def _framed(tokens: Iterable[Token], below: int) -> Iterator[Token]:
    """Yield the tokens with headings on their level, and tables in frames that scroll and take the focus."""
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1:]) + below)}"
        if token.type == "table_open":
            yield Token("html_block", "", 0, content=_FRAME)
        yield token
        if token.type == "table_close":
            yield Token("html_block", "", 0, content="</div>\n")


def _mend_links(tokens: Iterable[Token], files: str) -> None:
    for token in tokens:
        _mend_links(token.children or (), files)
        if token.type == "link_open":
            address = str(token.attrs.get("href", ""))
            parts = urlsplit(address)
            if parts.scheme in {"http", "https"}:
                token.attrs["rel"] = "noreferrer noopener"
            elif not parts.scheme and not parts.netloc and not address.startswith(("/", "#", "\\")):
                token.attrs["href"] = files + address
            else:
                token.attrs = {}
