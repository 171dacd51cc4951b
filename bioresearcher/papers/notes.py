"""Reads a researcher's own notes: Markdown or plain text, with or without front matter.

    ---
    title: Repeated observation of breast tumor subtypes in independent gene expression data sets
    authors: [T. Sørlie, R. Tibshirani]
    year: 2003
    journal: Proc Natl Acad Sci USA
    doi: 10.1073/pnas.0932692100
    type: method note
    note: written by the laboratory; not the paper's text
    ---
    ## Methods
    ...

Headings become sections, lists one paragraph for each item, tables one for each row. Raw HTML, pictures and
link targets are left out: only text that a reader of the rendered note sees is text.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.papers.canonical import DocumentBuilder, UnreadablePaper, clean, section_kind
from bioresearcher.papers.identifiers import Identifiers, paper_id
from bioresearcher.schemas.paper import Document, Paper, SectionKind

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_BYTES: Final = 5_000_000
_MAX_FRONT_MATTER: Final = 20_000
_MAX_SAID: Final = 200
"""Letters of what a note says of itself."""
_FIELDS: Final = frozenset(
    ["title", "authors", "year", "journal", "pmid", "pmcid", "doi", "type", "licence", "license", "abstract", "note"]
)
_ALIASES: Final = {"author": "authors", "license": "licence"}


def read_note(
    data: bytes, *, sha256: str, name: str = "", path: str | None = None, source: str = "own"
) -> tuple[Paper, Document]:
    """Read a note as a paper and its canonical text.

    Without front matter the first top heading is the title, else the file's name.

    Raises:
        UnreadablePaper: Not UTF-8 text, too large, empty, or front matter that is not a list of known fields.
    """
    if len(data) > MAX_BYTES:
        raise UnreadablePaper(f"it has {len(data) / 1e6:.0f} MB; notes are at most {MAX_BYTES / 1e6:.0f} MB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadablePaper(f"it is not UTF-8 text (byte {error.start + 1}).", hint="Save it as UTF-8.") from error
    if "\0" in text:
        raise UnreadablePaper("it is not text: it holds zero bytes.", hint="Give Markdown or plain text.")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    header, body = _split(lines)
    builder = DocumentBuilder()
    fields = _fields(header, builder) if header is not None else {}
    tokens = _tokens("\n".join(body))
    title = _text(fields, "title") or _first_heading(tokens) or name or "Note"
    paper = _paper(fields, title=title, sha256=sha256, path=path, source=source)
    builder.section("Title", "title", 0, heading=False)
    builder.paragraph(paper.title)
    abstract = _write(tokens, builder, paper.title)
    document = builder.build(paper.id, "note")
    if len(document.sections) < 2:
        raise UnreadablePaper("the note has no text below its title.", hint="Write what the paper did.")
    return paper.model_copy(update={"abstract": paper.abstract or abstract}), document


def _split(lines: Sequence[str]) -> tuple[list[str] | None, Sequence[str]]:
    """The lines of the front matter (None without) and of the body."""
    if not lines or lines[0].rstrip() != "---":
        return None, lines
    for i, line in enumerate(lines[1:], 1):
        if line.rstrip() in ("---", "..."):
            return list(lines[1:i]), lines[i + 1 :]
    raise UnreadablePaper(
        "its front matter, which begins with ---, does not end.", hint="Close it with a line of three hyphens."
    )


def _fields(header: list[str], builder: DocumentBuilder) -> dict[str, Any]:
    import yaml

    text = "\n".join(header)
    if len(text) > _MAX_FRONT_MATTER:
        raise UnreadablePaper(f"its front matter is longer than {_MAX_FRONT_MATTER:,} characters.")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise UnreadablePaper("its front matter uses YAML aliases, which are not accepted.")
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 2})" if mark is not None else ""
        raise UnreadablePaper(
            f"its front matter is not valid YAML{where}.", hint="Put values with a colon in quotes."
        ) from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UnreadablePaper(
            "its front matter is not a list of fields.", hint="Write one `field: value` on each line."
        )
    fields = {_ALIASES.get(str(k).lower(), str(k).lower()): v for k, v in loaded.items()}
    for key in fields:
        if key not in _FIELDS:
            builder.warn(f"front matter: field {clean(key)[:40]!r} is not known and was left out.")
    return fields


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        raise UnreadablePaper(f"front matter: {key} must be a single text.")
    return clean(str(value))


def _authors(fields: dict[str, Any]) -> tuple[str, ...]:
    value = fields.get("authors")
    if isinstance(value, list):
        if any(isinstance(v, (dict, list)) for v in value):
            raise UnreadablePaper("front matter: authors must be a list of names.")
        return tuple(filter(None, (clean(str(v)) for v in value)))
    text = _text(fields, "authors")
    return tuple(filter(None, (clean(part) for part in text.split(";" if ";" in text else ","))))


def _year(fields: dict[str, Any]) -> int | None:
    text = _text(fields, "year")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1600 <= int(text[:6]) <= 2200):
        raise UnreadablePaper(f"front matter: year {text[:20]!r} is no year.", hint="Write four digits.")
    return int(text)


def _paper(fields: dict[str, Any], *, title: str, sha256: str, path: str | None, source: str) -> Paper:
    stated = {key: _text(fields, key) for key in ("pmid", "pmcid", "doi")}
    found = Identifiers.of(**stated)
    for key, value in stated.items():
        if value and getattr(found, key) is None:
            raise UnreadablePaper(f"front matter: {key} {value[:40]!r} is not a valid {key.upper()}.")
    return Paper(
        id=paper_id(found, sha256),
        title=title,
        authors=_authors(fields),
        year=_year(fields),
        journal=_text(fields, "journal") or None,
        pmid=found.pmid,
        pmcid=found.pmcid,
        doi=found.doi,
        abstract=_text(fields, "abstract"),
        source=source,
        kind="note",
        path=path,
        sha256=sha256,
        licence=_text(fields, "licence") or None,
        note=_text(fields, "note")[:_MAX_SAID],
    )


def _tokens(body: str) -> list[Token]:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True, "maxNesting": 20}).enable("table").parse(body)


def _inline(token: Token) -> str:
    parts = []
    for child in token.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
    return "".join(parts)


def _first_heading(tokens: list[Token]) -> str:
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open":
            return clean(_inline(following)) if token.tag == "h1" else ""
    return ""


def _blocks(tokens: list[Token]) -> Iterator[tuple[int, str]]:
    """The blocks with text, each as (heading level or 0, text); a table row is one block."""
    level = 0
    cells: list[str] | None = None
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close" and cells is not None:
            yield 0, " | ".join(cells)
            cells = None
        elif token.type == "inline":
            text = clean(_inline(token))
            if cells is not None:
                cells.append(text)
            elif text:
                yield level, text
            level = 0
        elif token.type in ("fence", "code_block"):
            yield 0, token.content


def _write(tokens: list[Token], builder: DocumentBuilder, title: str) -> str:
    """Write the sections; returns the text of the abstract, empty without one."""
    abstract: list[str] = []
    kinds: list[SectionKind] = ["other"] * 7
    builder.section("Text", "other", 1, heading=False)
    kind: SectionKind = "other"
    for level, text in _blocks(tokens):
        if not level:
            builder.paragraph(text)
            if kind == "abstract":
                abstract.append(text)
            continue
        if level == 1 and clean(text) == title:
            continue
        kind = section_kind(text) or kinds[level - 1]
        kinds[level:] = [kind] * (len(kinds) - level)
        builder.section(text, kind, level)
    return " ".join(abstract)
