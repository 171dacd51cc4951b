"""CSL JSON, a list of references as Zotero, Mendeley and Pandoc write it; it names no files."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bioresearcher.library.canonical import UnreadablePaper, clean
from bioresearcher.sources.references import Broken, Entry


def read_csl_json(text: str) -> list[Entry | Broken]:
    """The references in their order; one that is no object or has no title is broken and says its line.

    Raises:
        UnreadablePaper: It is not JSON, or no list.
    """
    decoder = json.JSONDecoder()
    try:
        whole = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise UnreadablePaper(
            f"it is not valid JSON (line {error.lineno}: {error.msg}).", hint="Export it again."
        ) from error
    except RecursionError as error:
        raise UnreadablePaper("it is nested too deeply for a bibliography.") from error
    items = whole.get("items") if isinstance(whole, dict) else whole
    if not isinstance(items, list):
        raise UnreadablePaper("it is not a list of references.", hint="Export it as CSL JSON, BibTeX or RIS.")
    lines = _lines(text, decoder) if items is whole else []
    return [_entry(lines[n] if n < len(lines) else 0, n + 1, item) for n, item in enumerate(items)]


def _lines(text: str, decoder: json.JSONDecoder) -> list[int]:
    """The line on which each item of the list begins."""
    lines: list[int] = []
    line, at = 1, text.index("[") + 1
    counted = 0
    while True:
        while at < len(text) and (text[at].isspace() or text[at] == ","):
            at += 1
        if at >= len(text) or text[at] == "]":
            return lines
        line += text.count("\n", counted, at)
        counted = at
        lines.append(line)
        _, at = decoder.raw_decode(text, at)


def _entry(line: int, number: int, item: object) -> Entry | Broken:
    if not isinstance(item, dict):
        return Broken(line, f"reference {number} is no object.")
    title = _text(item, "title")
    label = clean(_text(item, "citation-key") or _text(item, "id") or title)[:60] or f"reference {number}"
    issued = item.get("issued")
    return Entry(
        line=line,
        label=label,
        title=title,
        authors=_authors(item.get("author")),
        date=_date(issued) if isinstance(issued, dict) else "",
        journal=_text(item, "container-title"),
        pmid=_text(item, "PMID"),
        pmcid=_text(item, "PMCID"),
        doi=_text(item, "DOI"),
        note=_text(item, "note"),
        abstract=_text(item, "abstract"),
    )


def _text(item: Mapping[str, object], name: str) -> str:
    value = item.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _authors(value: object) -> tuple[str, ...]:
    names = []
    for person in value if isinstance(value, list) else []:
        if isinstance(person, dict):
            parts = [_text(person, n) for n in ("non-dropping-particle", "family")]
            family = " ".join(filter(None, parts))
            given = _text(person, "given")
            names.append(_text(person, "literal") or (f"{family}, {given}" if family and given else family or given))
    return tuple(filter(None, names))


def _date(issued: Mapping[str, object]) -> str:
    """The year of `{"date-parts": [[2003, 7]]}`, or whatever text stands there instead."""
    parts = issued.get("date-parts")
    while isinstance(parts, list) and parts:
        parts = parts[0]
    return str(parts) if isinstance(parts, str | int) else _text(issued, "raw") or _text(issued, "literal")
