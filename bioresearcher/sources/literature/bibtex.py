"""BibTeX and BibLaTeX: bibtexparser divides the file into entries and goes on after a broken one; values are read here.

The library's own resolution of values is not used: it leaves a second entry under the same key as it was written, does
not join strings (`"The " # title`), and takes what follows a missing comma for a part of the value.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.sources.literature.references import Reference, UnreadableReference

if TYPE_CHECKING:
    from bibtexparser.model import Block

_TEX: Final = frozenset(["title", "author", "editor", "journal", "journaltitle", "booktitle", "abstract"])
_MARKUP: Final = re.compile(r"\\(?![%&_#${}])|(?<!\\)[$~]")
_RAISED: Final = re.compile(r"\\text(super|sub)script\s*\{([^{}]*)\}")
_SEPARATOR: Final = re.compile(r"(?<!\\);")
_COLON: Final = re.compile(r"(?<!\\):")
_MONTHS: Final = {m: m for m in "jan feb mar apr may jun jul aug sep oct nov dec".split()}
_LONGEST: Final = 1_000_000
"""Longest value in characters: names of strings that name others could otherwise grow without end."""


def read_bibtex(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries in their order; a broken one is unreadable.

    LaTeX in names, titles and abstracts becomes plain text; where that fails the raw text is kept.

    Raises:
        UnreadablePaper: It is nested too deeply to be a bibliography.
    """
    from bibtexparser.model import String
    from bibtexparser.splitter import Splitter

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # broken entries are reported as `UnreadableReference`
    strings: dict[str, str] = dict(_MONTHS)
    found: list[Reference | UnreadableReference] = []
    try:
        for block in Splitter(text).split().blocks:
            if isinstance(block, String):
                value, problem = _value(str(block.value), strings)
                strings[block.key.lower()] = value if not problem else str(block.value)
            else:
                found += _entries(block, strings)
    except RecursionError as error:
        raise UnreadablePaper("it is nested too deeply for a bibliography.") from error
    return found


def _entries(block: Block, strings: Mapping[str, str]) -> list[Reference | UnreadableReference]:
    from bibtexparser.model import (
        DuplicateBlockKeyBlock,
        DuplicateFieldKeyBlock,
        Entry,
        ImplicitComment,
        ParsingFailedBlock,
    )

    line = (block.start_line or 0) + 1
    if isinstance(block, DuplicateBlockKeyBlock | DuplicateFieldKeyBlock):
        # two entries under one key are two papers, and of a field that stands twice the first counts
        inner = block.ignore_error_block
        if inner is not None:
            return _entries(inner, strings)
        return [UnreadableReference(line, clean(str(block.error))[:200])]
    if isinstance(block, ParsingFailedBlock):
        reason = clean(str(getattr(block.error, "abort_reason", "") or block.error))[:200].rstrip(". ")
        return [UnreadableReference(line, f"the entry is broken: {reason or 'it cannot be parsed'}.")]
    if isinstance(block, ImplicitComment) and re.match(r"\s*@\w+\s*[{(]", block.comment):
        return [UnreadableReference(line, "the entry is broken: its end is missing.")]
    if not isinstance(block, Entry):
        return []
    fields: dict[str, str] = {}
    for item in block.fields:
        value, problem = _value(str(item.value), strings)
        if problem:
            return [UnreadableReference(line, f"the entry is broken: {problem} after “{clean(item.key)[:40]}”.")]
        fields.setdefault(item.key.lower(), value)
    return [_entry(line, clean(block.key)[:60] or f"@{block.entry_type}", fields)]


def _value(raw: str, strings: Mapping[str, str]) -> tuple[str, str]:
    """The value of a field and what is wrong with it: parts in braces or quotes, numbers and names, joined by `#`."""
    parts: list[str] = []
    at, joined = 0, True
    while at < len(raw):
        if raw[at].isspace():
            at += 1
        elif raw[at] == "#" and not joined:
            at, joined = at + 1, True
        elif not joined:
            return "", "a comma is missing"
        else:
            end = _part_end(raw, at, r'[{}"]') or _part_end(raw, at, r'\\.|[{}"]')  # BibTeX counts `\{` as a brace, too
            if end is None:
                return "", "a brace or quotation mark is missing"
            part = raw[at:end].strip()
            parts.append(part[1:-1] if raw[at] in '{"' else strings.get(part.lower(), part))
            at, joined = end, False
    return "".join(parts)[:_LONGEST], ""


def _part_end(raw: str, start: int, signs: str) -> int | None:
    """The end of the part that begins at `start`; None if its braces or quotation marks are not closed."""
    if raw[start] not in '{"':
        if not re.search(r'[#={}"]', raw[start:]):
            return len(raw)  # words without braces are no BibTeX, but what some exports write
        found = re.compile(r"[\s#]").search(raw, start)
        return found.start() if found is not None else len(raw)
    depth = 0
    for match in re.compile(signs, re.DOTALL).finditer(raw, start):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0 and raw[start] == "{":
                return match.end()
        elif match[0] == '"' and depth == 0 and raw[start] == '"' and match.start() > start:
            return match.end()
    return None


def _entry(line: int, label: str, raw: Mapping[str, str]) -> Reference:
    fields = {name: _latex_text(value) if name in _TEX else value for name, value in raw.items()}
    eprint = fields.get("eprint", "") if fields.get("eprinttype", "").lower() in ("pubmed", "pmid") else ""
    doi = _identifier(fields.get("doi", ""))
    link = re.search(r"doi\.org/(10\.\d{4,9}/\S+)", _identifier(fields.get("url", "")))
    return Reference(
        line=line,
        label=label,
        title=fields.get("title", ""),
        authors=_names(raw.get("author", raw.get("editor", ""))),
        date=_identifier(fields.get("year", "") or fields.get("date", "")),
        journal=fields.get("journal", "") or fields.get("journaltitle", "") or fields.get("booktitle", ""),
        pmid=_identifier(fields.get("pmid", "") or eprint),
        pmcid=_identifier(fields.get("pmcid", "")),
        doi=doi or (link[1] if link else ""),
        note=fields.get("note", ""),
        abstract=fields.get("abstract", ""),
        files=_files(fields.get("file", "")),
    )


def _latex_text(value: str) -> str:
    if not _MARKUP.search(value):  # pylatexenc takes 3 ms for an abstract in which only % is escaped
        return re.sub(r"\\([%&_#${}])|[{}]", r"\1", value)
    from pylatexenc.latex2text import LatexNodes2Text

    plain = _RAISED.sub(lambda m: f"$^{{{m[2]}}}$" if m[1] == "super" else m[2], value)
    try:
        return str(LatexNodes2Text(keep_comments=False).latex_to_text(plain.replace("\n\n", " \n")))
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):  # markup that it cannot follow
        return value


def _names(value: str) -> tuple[str, ...]:
    """Split `Last, First and Last, First`; an `and` within braces belongs to one name."""
    names, depth, start = [], 0, 0
    for match in re.finditer(r"[{}]|\s+and\s+", value):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
        elif depth <= 0:
            names.append(value[start : match.start()])
            start = match.end()
    return tuple(filter(None, (clean(_latex_text(name)) for name in [*names, value[start:]])))


def _unescaped(value: str) -> str:
    return re.sub(r"\\([\\:;{}_%&#$])", r"\1", value).strip()


def _identifier(value: str) -> str:
    """An identifier or year without the braces, commands and escapes around it."""
    return re.sub(r"\\(?:url|href|path|nolinkurl)\b|[{}]", "", _unescaped(value)).strip()


def _files(value: str) -> tuple[str, ...]:
    """List the paths of a `file` field: `title:path:type;…` with escaped separators, or a path alone."""
    found = []
    for part in _SEPARATOR.split(value):
        pieces = _COLON.split(part)
        # `C:/…` without title and type would be divided at its drive; it is refused later, so it is kept whole
        path = pieces[1] if len(pieces) >= 3 and len(pieces[0].strip()) != 1 else part
        if path.strip():
            found.append(_unescaped(path))
    return tuple(found)
