"""Reads papers in JATS XML (the format of PubMed Central): metadata and canonical text with sections.

The file is hostile input: no DTD is loaded, no entity of the file's own is expanded, nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    journal_of,
    licence_of,
    members_of,
    notice_of,
    rows,
    status_of,
    title_of,
    year_of,
)
from bioresearcher.papers.markup import (
    BLOCKS,
    FORMULA,
    PICTURE,
    TABLE,
    UNREAD,
    inline,
    parse_xml,
    superscript,
    tag_of,
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
_GROUPS: Final = frozenset(["fig-group", "table-wrap-group", "floats-group", "floats-wrap"])
_APART: Final = frozenset(["title", "label", "sec-meta", "ref-list", "fn-type", "media", ""])
_MARKED: Final = {FORMULA: "formulas", TABLE: "tables", PICTURE: "other pictures"}


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
    notice = notice_of(article, meta, title)
    status, caveat = status_of(article, meta, title, notice)
    if caveat:
        builder.warn(caveat)
    authors = authors_of(meta)
    if any(name.endswith("…") for name in authors):
        builder.warn("the name of an author is longer than any name and was cut.")
    return Paper(
        id=paper_id(found, sha256),
        title=title,
        authors=authors,
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
        notice_of=notice,
    )


def _plain(abstract: _Element) -> str:
    """The abstract as one paragraph without its heading."""
    return " ".join(
        " ".join(inline(e, skip=frozenset()).split())
        for e in abstract.iter()
        if tag_of(e) == "p" or (tag_of(e) == "title" and e.getparent() is not abstract)
    )


def _write(article: _Element, meta: _Element | None, builder: DocumentBuilder, paper: Paper) -> None:
    """Write title, abstracts, keywords, notes, bodies, floats, back matter and references, in this order."""
    if paper.title:
        builder.section("Title", "title", 0, heading=False)
        builder.paragraph(paper.title)
    if meta is not None:
        _front(meta, builder)
    for notes in (n for front in children(article, "front", "front-stub") for n in children(front, "notes")):
        _part(notes, builder)
    bodies = children(article, "body")
    for body in bodies:
        _section(body, builder, title="", kind="other", level=0)
    if not bodies:
        builder.warn("the file has no body: abstract only.")
    for group in children(article, "floats-group", "floats-wrap"):
        _floats(_gather(group), builder, 1)
    for back in children(article, "back"):
        _back(back, builder)
    attached = [_attached(e) for e in article if tag_of(e) in ("sub-article", "response")]
    if attached:
        builder.warn(f"attached letters or translations (sub-articles) were not read: {'; '.join(attached[:10])}.")
    lists = [e for e in article.iter() if tag_of(e) == "ref-list" and not _within(e, "ref-list", "sub-article")]
    _references([e for e in lists if not _within(e, "response")], builder)
    _tell_marks(builder)


def _attached(part: _Element) -> str:
    """The kind and title of an attached letter, reply or translation."""
    kind = clean(part.get("article-type", "") or tag_of(part)).replace("-", " ")
    stub = child(part, "front-stub", "front")
    inner = child(stub, "article-meta") if stub is not None else None
    title = title_of(inner if inner is not None else stub) if stub is not None else ""
    return f"{kind} “{title[:80]}”" if title else kind


def _within(element: _Element, *names: str) -> bool:
    return any(tag_of(e) in names for e in element.iterancestors())


def _tell_marks(builder: DocumentBuilder) -> None:
    """Warn of what the publisher gave as pictures only."""
    told = [f"{n:,} {name}" for mark, name in _MARKED.items() if (n := builder.count(mark))]
    if told:
        listed = " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
        builder.warn(f"{listed} are pictures in the file; marks such as {FORMULA} stand in their places.")


def _front(meta: _Element, builder: DocumentBuilder) -> None:
    for element, main in abstracts_of(meta):
        title = child_text(element, "title") or ("Abstract" if main else "Summary")
        builder.section(title, "abstract", 1)
        _blocks(element, builder, level=1, kind="abstract")
    for element in children(meta, "trans-abstract"):
        builder.section(child_text(element, "title") or "Translated abstract", "front", 1)
        _blocks(element, builder, level=1, kind="front")
    for group in children(meta, "kwd-group"):
        words = [clean(inline(k)) for k in group if tag_of(k) not in ("title", "label", "")]
        if any(words):
            builder.section(child_text(group, "title") or "Keywords", "front", 1)
            builder.paragraph("; ".join(words))
    for name, people in members_of(meta):
        builder.section(f"Members of {name}" if name else "Members", "front", 1)
        builder.paragraph("; ".join(people))
    for notes in children(meta, "author-notes", "notes"):
        _part(notes, builder)
    for statement in (e for group in children(meta, "funding-group") for e in children(group, "funding-statement")):
        builder.section("Funding", "other", 1)
        builder.paragraph(inline(statement))
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
            sections += [] if _only_references(block) else [block]
        elif name in _FLOATS or name in _GROUPS or _holds_floats(block, name):
            floats += _gather(block)
        elif name not in _APART and name not in UNREAD:
            _paragraph(block, name, builder, kind)
            floats += _gather(block)
        elif name == "media":
            _media(block, builder)
            floats += _gather(block)
    _floats(floats, builder, level + 1)
    previous: SectionKind = "other"
    for section in sections:
        label, title = child_text(section, "label"), child_text(section, "title")
        stated = section_kind(title, section.get("sec-type", ""))
        inner = _inner_kind(stated, parent=kind, previous=previous, top=level == 0)
        if level == 0 and section is sections[0] and not title and len(sections) > 1:
            inner = "introduction"  # text without a heading above the first one leads into the paper
        previous = inner
        heading = f"{label} {title}".strip() or "Text"
        if level + 1 >= _MAX_DEPTH:
            builder.section(heading, inner, _MAX_DEPTH)
            builder.paragraph(inline(section, skip=frozenset(["ref-list"])))
        else:
            _section(section, builder, title=heading, kind=inner, level=level + 1)


def _only_references(section: _Element) -> bool:
    names = {tag_of(e) for e in section}
    return "ref-list" in names and names <= {"title", "label", "ref-list", ""}


def _holds_floats(block: _Element, name: str) -> bool:
    """Return True for alternatives and the like that hold figures or tables and no text of their own."""
    return name == "alternatives" and any(tag_of(e) in _FLOATS for e in block)


def _media(media: _Element, builder: DocumentBuilder) -> None:
    """Write the label and caption of a film or sound; its file is named where it is all that is there."""
    builder.paragraph(inline(media) or " ".join(_links(media, "")))


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
    if name in ("list", "def-list", "disp-quote", "fn-group", "disp-formula-group", "glossary", "ack", "notes"):
        for item in block:
            if tag_of(item) and tag_of(item) not in BLOCKS and tag_of(item) not in UNREAD:
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
        found += _gather(inner) if len(inner) or tag_of(inner) in _FLOATS else []
    return found


def _floats(elements: Iterable[_Element], builder: DocumentBuilder, level: int) -> None:
    """Write figures, tables, boxes and supplements, each as a section, and those inside them after it."""
    level = min(level, _MAX_DEPTH)
    for element in elements:
        name = tag_of(element)
        label = clean(child_text(element, "label")).rstrip(".:")
        if name == "boxed-text":
            _section(element, builder, title=_box_title(element, label), kind="other", level=level)
            continue
        if name == "supplementary-material":
            builder.section(label or "Supplementary material", "supplementary", level)
            texts = (inline(e) for e in element if tag_of(e) not in ("label", *BLOCKS, *UNREAD, ""))
            text = f"{element.text or ''} {' '.join(texts)}"
            builder.paragraph(" ".join([text, *_links(element, text)]))
        else:
            table = name == "table-wrap"
            builder.section(label or ("Table" if table else "Figure"), "table" if table else "legend", level)
            _legend(element, builder, table=table)
        _floats([f for part in element for f in _gather(part)], builder, level + 1)


def _box_title(box: _Element, label: str) -> str:
    """The heading of a box: its label and title, which may stand in its caption."""
    caption = child(box, "caption")
    title = child_text(box, "title") or (child_text(caption, "title") if caption is not None else "")
    return f"{label} {title}".strip() or "Box"


def _legend(element: _Element, builder: DocumentBuilder, *, table: bool) -> None:
    """Write a caption, the rows of a table, and all other text of a figure or table."""
    written = sum(_legend_part(part, builder) for part in element)
    pictured = any(tag_of(e) in ("graphic", "media") for e in element.iter())
    if table and pictured and not any(tag_of(e) in ("table", "tgroup", "array") for e in element.iter()):
        builder.paragraph(TABLE)
    elif not written and not any(tag_of(e) in _FLOATS for e in element.iterdescendants()):
        builder.paragraph(PICTURE)


def _legend_part(part: _Element, builder: DocumentBuilder) -> bool:
    """Write one part of a figure or table; returns False if it holds no text."""
    name = tag_of(part)
    if name == "caption":
        blocks = [e for e in part if tag_of(e) and tag_of(e) not in BLOCKS and tag_of(e) not in UNREAD]
        text = " ".join(inline(b) for b in blocks) if blocks else inline(part)
        builder.paragraph(text)
        return bool(text.strip())
    if name in ("table", "tgroup", "array", "oasis") or (name == "alternatives" and _tables(part)):
        for table in _tables(part)[:1] if name == "alternatives" else [part]:
            _table(table, builder)
        return True
    if name in ("label", "graphic", "alternatives", "") or name in BLOCKS or name in UNREAD:
        return False
    text = inline(part)
    builder.paragraph(text)
    return bool(text.strip())


def _tables(alternatives: _Element) -> list[_Element]:
    return [e for e in alternatives if tag_of(e) in ("table", "tgroup", "array")]


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
        if name == "app-group":
            _back(part, builder)
        elif name in _FLOATS or name in _GROUPS:
            _floats(_gather(part), builder, 1)
        elif name not in ("ref-list", "title", "label", ""):
            _part(part, builder)


_HEADINGS: Final = {
    "ack": "Acknowledgements",
    "fn-group": "Notes",
    "app": "Appendix",
    "author-notes": "Notes on the authors",
}


_DEFAULTS: Final[dict[str, SectionKind]] = {"app": "supplementary", "author-notes": "front"}
"""Kinds of parts whose headings name none."""


def _part(part: _Element, builder: DocumentBuilder) -> None:
    """Write a part of the front or back matter: notes, acknowledgements, an appendix."""
    name = tag_of(part)
    title = child_text(part, "title")
    label = child_text(part, "label") if name in ("app", "sec") else ""
    declared = part.get("sec-type", "") or part.get("notes-type", "") or part.get("fn-type", "")
    default = _DEFAULTS.get(name, "other")
    kind = section_kind(title, declared) or default
    heading = f"{label} {title}".strip() or _HEADINGS.get(name, "Notes")
    builder.section(heading, kind, 1)
    if name in ("sec", "app", "ack", "notes", "fn-group", "glossary", "bio", "author-notes"):
        _blocks(part, builder, level=1, kind=kind)
    else:
        _paragraph(part, name, builder, kind)


def _references(lists: list[_Element], builder: DocumentBuilder) -> None:
    """Write all reference lists as one section at the end, an entry each paragraph."""
    for ref_list in lists:
        parent = ref_list.getparent()
        above = child_text(parent, "title") if parent is not None and _only_references(parent) else ""
        if any(tag_of(e) in ("ref", "ref-list", "p") for e in ref_list):
            builder.section(child_text(ref_list, "title") or above or "References", "references", 1)
        for entry in _entries(ref_list):
            builder.paragraph(entry)


def _entries(ref_list: _Element, depth: int = 0) -> Iterator[str]:
    for entry in ref_list:
        name = tag_of(entry)
        if name == "ref-list" and depth < _MAX_DEPTH:
            yield child_text(entry, "title")
            yield from _entries(entry, depth + 1)
        elif name == "ref":
            label = child_text(entry, "label").rstrip(".")
            text = " ".join(_citation(e) for e in entry if tag_of(e) not in ("label", ""))
            yield f"{label}. {text}" if label else text
        elif name not in ("title", "label", ""):
            yield inline(entry, skip=frozenset(["ref-list"]))


_RUNNING: Final = frozenset(["sup", "sub", "italic", "bold", "sc", "underline", "inline-formula", "article-title"])


def _citation(body: _Element) -> str:
    """The text of a reference, with a space between parts that only markup separates (`<year>2003</year><volume>`)."""
    name = tag_of(body)
    if name in ("citation-alternatives", "alternatives"):
        best = min(body, key=lambda e: tag_of(e) != "mixed-citation", default=None)
        return _citation(best) if best is not None else ""
    if name in UNREAD:
        return ""
    if name == "article-title" or not len(body):
        return inline(body, skip=frozenset())
    parts = [body.text or ""]
    for part in body:
        inner = tag_of(part)
        if inner == "sup":
            parts.append(superscript(inline(part), "".join(parts)[-1:], (part.tail or "")[:1], cites=False))
        elif inner:
            parts.append(_citation(part))
        parts.append(part.tail or ("" if inner in _RUNNING else " "))
    return "".join(parts)
