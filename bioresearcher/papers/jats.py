"""Reads papers in JATS XML (the format of PubMed Central): metadata and canonical text with sections.

The file is hostile input: no DTD is loaded, no entity of the file's own is expanded, nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from bioresearcher.papers.canonical import DocumentBuilder, UnreadablePaper, clean, section_kind
from bioresearcher.papers.identifiers import paper_id
from bioresearcher.papers.jats_xml import (
    HREF,
    abstracts_of,
    article_meta,
    authors_of,
    child,
    child_text,
    children,
    identifiers_of,
    inline,
    journal_of,
    licence_of,
    notices_of,
    parse_xml,
    rows,
    tag_of,
    title_of,
    year_of,
)
from bioresearcher.schemas.paper import Document, Paper, SectionKind

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_BYTES: Final = 50_000_000
"""A larger XML file is refused; the longest articles in PubMed Central have a few megabytes."""

_MAX_DEPTH: Final = 12
_MAX_ROWS: Final = 1_000
_MAX_ROW: Final = 4_000
_MAX_TABLE: Final = 100_000
_MAX_LINKS: Final = 20
_LINKED: Final = ("data_availability", "supplementary")
_FLOATS: Final = frozenset(["fig", "table-wrap", "supplementary-material", "boxed-text"])
_GROUPS: Final = frozenset(["fig-group", "table-wrap-group", "floats-group", "alternatives", "floats-wrap"])


def read_jats(data: bytes, *, sha256: str, path: str | None = None, source: str = "own") -> tuple[Paper, Document]:
    """Read a JATS file as a paper and its canonical text.

    Args:
        data: The file's bytes; the root is `article` or `pmc-articleset` (whose first article is read).
        sha256: Of the file.
        path: The file as the user gave it, kept in the paper.
        source: Name of the source it came from.

    Raises:
        UnreadablePaper: It is not well-formed XML, has another root, is too large or holds no text.
    """
    root = _parse(data)
    articles = [e for e in root.iter() if tag_of(e) == "article"][:2]
    if tag_of(root) not in ("article", "pmc-articleset", "OAI-PMH", "record", "metadata") or not articles:
        raise UnreadablePaper(
            f"its root element is <{tag_of(root)[:40]}>, which is no JATS article.",
            hint="Give PubMed's XML with --pubmed-xml."
            if tag_of(root) == "PubmedArticleSet"
            else "Give the full-text XML as PubMed Central or Europe PMC deliver it.",
        )
    article = articles[0]
    builder = DocumentBuilder()
    if len(articles) > 1:
        builder.warn("the file holds several articles; the first was read.")
    meta = article_meta(article)
    paper = _paper(article, meta, builder, sha256=sha256, path=path, source=source)
    _write(article, meta, builder, paper)
    return paper, builder.build(paper.id, "jats")


def _parse(data: bytes) -> _Element:
    if len(data) > MAX_BYTES:
        raise UnreadablePaper(
            f"it has {len(data) / 1e6:.0f} MB; XML papers above {MAX_BYTES / 1e6:.0f} MB are refused.",
            hint="Give single articles.",
        )
    try:
        return parse_xml(data)
    except (SyntaxError, ValueError) as error:
        first = str(error).splitlines()[0][:160] if str(error) else "syntax error"
        raise UnreadablePaper(
            f"it is not well-formed XML: {first}.", hint="Download it again or give the PDF."
        ) from error


def _paper(
    article: _Element,
    meta: _Element | None,
    builder: DocumentBuilder,
    *,
    sha256: str,
    path: str | None,
    source: str,
) -> Paper:
    if meta is None:
        builder.warn("the article has no metadata.")
        identifier = paper_id(identifiers_of(article), sha256)
        return Paper(id=identifier, title="", source=source, kind="jats", path=path, sha256=sha256)
    found = identifiers_of(meta)
    title = title_of(meta)
    status, caveats = notices_of(article, meta, title)
    for caveat in caveats:
        builder.warn(caveat)
    return Paper(
        id=paper_id(found, sha256),
        title=title,
        authors=authors_of(meta),
        year=year_of(meta),
        journal=journal_of(article),
        pmid=found.pmid,
        pmcid=found.pmcid,
        doi=found.doi,
        abstract=" ".join(clean(_plain(e)) for e, main in abstracts_of(meta) if main),
        source=source,
        kind="jats",
        path=path,
        sha256=sha256,
        licence=licence_of(meta),
        status=status,
    )


def _plain(abstract: _Element) -> str:
    """The abstract as one paragraph without its heading."""
    return " ".join(
        " ".join(inline(e, skip=frozenset()).split())
        for e in abstract.iter()
        if tag_of(e) == "p" or (tag_of(e) == "title" and e.getparent() is not abstract)
    )


def _write(article: _Element, meta: _Element | None, builder: DocumentBuilder, paper: Paper) -> None:
    """Write title, abstracts, keywords, bodies, floats, back matter and references, in this order."""
    if paper.title:
        builder.section("Title", "title", 0, heading=False)
        builder.paragraph(paper.title)
    if meta is not None:
        _front(meta, builder)
    bodies = children(article, "body")
    for body in bodies:
        _section(body, builder, title="", kind="other", level=0)
    if not bodies:
        builder.warn("the file has no body: abstract only.")
    for group in children(article, "floats-group", "floats-wrap"):
        _floats(_gather(group), builder, 1)
    references: list[_Element] = []
    for back in children(article, "back"):
        references += [e for e in back.iter() if tag_of(e) == "ref-list"]
        _back(back, builder)
    if any(tag_of(e) in ("sub-article", "response") for e in article):
        builder.warn("attached letters or translations (sub-articles) were not read.")
    _references(references, builder)


def _front(meta: _Element, builder: DocumentBuilder) -> None:
    for element, main in abstracts_of(meta):
        title = child_text(element, "title") or ("Abstract" if main else "Summary")
        builder.section(title, "abstract", 1)
        _blocks(element, builder, level=1, kind="abstract")
    for group in children(meta, "kwd-group"):
        words = [clean(inline(k)) for k in children(group, "kwd")]
        if words and group.get("kwd-group-type", "author") in ("author", "author-keywords", ""):
            builder.section("Keywords", "front", 1)
            builder.paragraph("; ".join(words))
    for custom in meta.iter():
        if tag_of(custom) == "custom-meta" and "vailab" in child_text(custom, "meta-name"):
            builder.section(child_text(custom, "meta-name"), "data_availability", 1)
            builder.paragraph(child_text(custom, "meta-value"))


def _section(element: _Element, builder: DocumentBuilder, *, title: str, kind: SectionKind, level: int) -> None:
    """Write a section: heading, its own paragraphs, its figures and tables, then its subsections."""
    if title:
        builder.section(title, kind, level)
    elif level == 0:
        led = any(tag_of(e) == "sec" for e in element)  # text above the first heading leads into the paper
        builder.section("Text", "introduction" if led else kind, 1, heading=False)
    _blocks(element, builder, level=level, kind=kind)


def _blocks(element: _Element, builder: DocumentBuilder, *, level: int, kind: SectionKind) -> None:
    floats: list[_Element] = []
    sections: list[_Element] = []
    for block in element:
        name = tag_of(block)
        if name == "sec":
            sections.append(block)
        elif name in _FLOATS or name in _GROUPS:
            floats += _gather(block)
        elif name not in ("title", "label", "sec-meta", "ref-list", ""):
            _paragraph(block, name, builder, kind)
            floats += _gather(block)
    _floats(floats, builder, level + 1)
    previous: SectionKind = "other"
    for section in sections:
        label, title = child_text(section, "label"), child_text(section, "title")
        stated = section_kind(title, section.get("sec-type", ""))
        inner = _inner_kind(stated, parent=kind, previous=previous, top=level == 0)
        previous = inner
        heading = f"{label} {title}".strip() or "Text"
        if level + 1 >= _MAX_DEPTH:
            builder.section(heading, inner, _MAX_DEPTH)
            builder.paragraph(inline(section, skip=frozenset()))
        else:
            _section(section, builder, title=heading, kind=inner, level=level + 1)


def _inner_kind(stated: SectionKind | None, *, parent: SectionKind, previous: SectionKind, top: bool) -> SectionKind:
    """The kind of a subsection: its parent's, unless it is about data or supplements.

    At the top, a section whose title names no kind, right after methods or results, belongs to them: some files
    lack the nesting that the printed paper has.
    """
    if stated in ("data_availability", "supplementary"):
        return stated
    if not top and parent not in ("other", "front"):
        return parent
    if stated is not None:
        return stated
    return previous if top and previous in ("methods", "results") else parent


def _paragraph(block: _Element, name: str, builder: DocumentBuilder, kind: SectionKind) -> None:
    """Write a block of running text; lists and quotations become one paragraph for each item."""
    if name in ("list", "def-list", "disp-quote", "fn-group", "disp-formula-group", "glossary"):
        for item in block:
            if tag_of(item):
                _paragraph(item, tag_of(item), builder, kind)
        return
    text = inline(block)
    builder.paragraph(" ".join([text, *_links(block, text)]) if kind in _LINKED else text)


def _links(element: _Element, text: str) -> list[str]:
    """The targets of an element's links (files of a supplement, data sets) that its text does not show."""
    targets = (
        clean(e.get(HREF) or "")
        for e in element.iter()
        if tag_of(e)
        in ("supplementary-material", "media", "ext-link", "uri", "self-uri", "inline-supplementary-material")
    )
    hidden = [t for t in dict.fromkeys(targets) if t and t not in text and len(t) <= 300 and not t.startswith("#")]
    return [f"<{target}>" for target in hidden[:_MAX_LINKS]]


def _gather(element: _Element) -> list[_Element]:
    """The figures, tables and boxes in an element, in order, not those inside another of them."""
    if tag_of(element) in _FLOATS:
        return [element]
    found: list[_Element] = []
    for inner in element:
        if tag_of(inner) != "sec":
            found += _gather(inner) if len(inner) or tag_of(inner) in _FLOATS else []
    return found


def _floats(elements: Iterable[_Element], builder: DocumentBuilder, level: int) -> None:
    for element in elements:
        name = tag_of(element)
        label = clean(child_text(element, "label")).rstrip(".:")
        if name == "boxed-text":
            _section(element, builder, title=label or "Box", kind="other", level=min(level, _MAX_DEPTH))
        elif name == "supplementary-material":
            builder.section(label or "Supplementary material", "supplementary", level)
            text = inline(element, skip=frozenset(["label"]))
            builder.paragraph(" ".join([text, *_links(element, text)]))
        else:
            table = name == "table-wrap"
            builder.section(label or ("Table" if table else "Figure"), "table" if table else "legend", level)
            _legend(element, builder)


def _legend(element: _Element, builder: DocumentBuilder) -> None:
    for caption in children(element, "caption"):
        title = child_text(caption, "title")
        texts = [inline(p) for p in children(caption, "p")]
        builder.paragraph(" ".join([title, *texts]) if title or texts else inline(caption))
    for part in element:
        name = tag_of(part)
        if name in ("table", "alternatives", "oasis"):
            _table(part, builder)
        elif name in ("table-wrap-foot", "p", "attrib"):
            builder.paragraph(inline(part))


def _table(table: _Element, builder: DocumentBuilder) -> None:
    """Write the rows of a table, a paragraph each, up to limits of rows and characters."""
    left_out = length = 0
    for number, row in enumerate(rows(table)):
        kept = row if len(row) <= _MAX_ROW else f"{row[:_MAX_ROW].rpartition(' | ')[0] or row[:_MAX_ROW]} | …"
        length += len(kept)
        if number >= _MAX_ROWS or length > _MAX_TABLE:
            left_out += 1
        else:
            builder.paragraph(kept)
    if left_out:
        builder.warn(f"the last {left_out:,} rows of an enormous table were left out.")


def _back(back: _Element, builder: DocumentBuilder) -> None:
    for part in back:
        name = tag_of(part)
        if name in ("ref-list", ""):
            continue
        title = child_text(part, "title")
        if name == "app-group":
            _back(part, builder)
            continue
        declared = part.get("sec-type", "") or part.get("notes-type", "") or part.get("fn-type", "")
        default: SectionKind = "supplementary" if name == "app" else "other"
        kind = section_kind(title, declared) or default
        heading = title or {"ack": "Acknowledgements", "fn-group": "Notes", "app": "Appendix"}.get(name, "Notes")
        builder.section(heading, kind, 1)
        if name in ("sec", "app", "ack", "notes", "fn-group", "glossary", "bio"):
            _blocks(part, builder, level=1, kind=kind)
        else:
            _paragraph(part, name, builder, kind)


def _references(lists: list[_Element], builder: DocumentBuilder) -> None:
    entries = [e for ref_list in lists for e in children(ref_list, "ref")]
    if not entries:
        return
    builder.section("References", "references", 1)
    for entry in entries:
        label = child_text(entry, "label").rstrip(".")
        body = child(entry, "mixed-citation", "element-citation", "citation", "nlm-citation", "citation-alternatives")
        text = _citation(body if body is not None else entry)
        builder.paragraph(f"{label}. {text}" if label else text)


def _citation(body: _Element, depth: int = 0) -> str:
    """The text of a reference, with a space between parts that only markup separates (`<year>2003</year><volume>`)."""
    if depth > 20:
        return ""
    parts = [body.text or ""]
    for part in body:
        if tag_of(part):
            parts.append(_citation(part, depth + 1))
        parts.append(part.tail or " ")
    return "".join(parts)
