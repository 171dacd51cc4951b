"""BibTeX and BibLaTeX, read with bibtexparser, which goes on after a broken entry and says where that was."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from bioresearcher.library.canonical import UnreadablePaper, clean
from bioresearcher.sources.references import Broken, Entry

if TYPE_CHECKING:
    from bibtexparser.model import Block

_TEX: Final = frozenset(["title", "author", "editor", "journal", "journaltitle", "booktitle", "abstract"])
_MARKUP: Final = re.compile(r"\\(?![%&_#${}])|(?<!\\)[$~]")
_SEPARATOR: Final = re.compile(r"(?<!\\);")
_COLON: Final = re.compile(r"(?<!\\):")


def read_bibtex(text: str) -> list[Entry | Broken]:
    """The entries in their order; a broken one says its line and why.

    LaTeX in names, titles and abstracts becomes plain text; where that fails the raw text is kept.

    Raises:
        UnreadablePaper: It is nested too deeply to be a bibliography.
    """
    from bibtexparser.entrypoint import parse_string

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # what it says of broken entries is said here
    try:
        library = parse_string(text)
        return [entry for block in library.blocks for entry in _read(block)]
    except RecursionError as error:
        raise UnreadablePaper("it is nested too deeply for a bibliography.") from error


def _read(block: Block) -> list[Entry | Broken]:
    from bibtexparser.model import (
        DuplicateBlockKeyBlock,
        DuplicateFieldKeyBlock,
        ImplicitComment,
        ParsingFailedBlock,
    )
    from bibtexparser.model import Entry as BibtexEntry

    line = (block.start_line or 0) + 1
    if isinstance(block, DuplicateBlockKeyBlock | DuplicateFieldKeyBlock):
        # two entries under one key are two papers, and of a field that stands twice the first counts
        inner = block.ignore_error_block
        return _read(inner) if inner is not None else [Broken(line, clean(str(block.error))[:200])]
    if isinstance(block, ParsingFailedBlock):
        reason = clean(str(getattr(block.error, "abort_reason", "") or block.error))[:200].rstrip(". ")
        return [Broken(line, f"the entry is broken: {reason or 'it cannot be parsed'}.")]
    if isinstance(block, ImplicitComment) and re.match(r"\s*@\w+\s*[{(]", block.comment):
        return [Broken(line, "the entry is broken: its end is missing.")]
    if not isinstance(block, BibtexEntry):
        return []
    fields: dict[str, str] = {}
    for item in block.fields:
        fields.setdefault(item.key.lower(), str(item.value))
    return [_entry(line, clean(block.key)[:60] or f"@{block.entry_type}", fields)]


def _entry(line: int, label: str, raw: Mapping[str, str]) -> Entry:
    fields = {name: _plain(value) if name in _TEX else value for name, value in raw.items()}
    eprint = fields.get("eprint", "") if fields.get("eprinttype", "").lower() in ("pubmed", "pmid") else ""
    return Entry(
        line=line,
        label=label,
        title=fields.get("title", ""),
        authors=_names(raw.get("author", raw.get("editor", ""))),
        date=fields.get("year", "") or fields.get("date", ""),
        journal=fields.get("journal", "") or fields.get("journaltitle", "") or fields.get("booktitle", ""),
        pmid=fields.get("pmid", "") or eprint,
        pmcid=fields.get("pmcid", ""),
        doi=_unescaped(fields.get("doi", "")),
        note=fields.get("note", ""),
        abstract=fields.get("abstract", ""),
        files=_files(fields.get("file", "")),
    )


def _plain(value: str) -> str:
    if not _MARKUP.search(value):  # pylatexenc takes 3 ms for an abstract in which only % is escaped
        return re.sub(r"\\([%&_#${}])|[{}]", r"\1", value)
    from pylatexenc.latex2text import LatexNodes2Text

    try:
        return str(LatexNodes2Text(keep_comments=False).latex_to_text(value.replace("\n\n", " \n")))
    except (
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        RecursionError,
    ):  # what it raises on markup it cannot follow
        return value


def _names(value: str) -> tuple[str, ...]:
    """`Last, First and Last, First`; an `and` within braces belongs to one name."""
    names, depth, start = [], 0, 0
    for match in re.finditer(r"[{}]|\s+and\s+", value):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
        elif depth <= 0:
            names.append(value[start : match.start()])
            start = match.end()
    return tuple(filter(None, (clean(_plain(name)) for name in [*names, value[start:]])))


def _unescaped(value: str) -> str:
    return re.sub(r"\\([\\:;{}_%&#$])", r"\1", value).strip()


def _files(value: str) -> tuple[str, ...]:
    """The paths of a `file` field: `title:path:type;…` with escaped separators, or a path alone."""
    found = []
    for part in _SEPARATOR.split(value):
        pieces = _COLON.split(part)
        # `C:/…` without title and type would be divided at its drive; it is refused later, so it is kept whole
        path = pieces[1] if len(pieces) >= 3 and len(pieces[0].strip()) != 1 else part
        if path.strip():
            found.append(_unescaped(path))
    return tuple(found)
