"""Bibliographies exported by reference managers and databases, with the files beside them.

BibTeX, BibLaTeX, RIS, CSL JSON, PubMed's MEDLINE format (.nbib), Web of Science, RefWorks, EndNote's XML and refer. An
export is known by its first lines, too: databases save theirs as `.txt`. Each format has one reader that gives
`Reference` values; everything after that is the same for all of them. An entry's files (Zotero's `file` field, RIS L1
and L2) are looked for inside the export's own folder only. An entry without a readable file becomes a record with its
abstract. A broken entry is one failure with its line; the others are read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.documents import SUFFIXES as PAPER_SUFFIXES
from bioresearcher.papers.identifiers import Identifiers, paper_id, record_document
from bioresearcher.papers.markup import inline, markup_line, markup_lines, parse_xml, tag_of
from bioresearcher.papers.notices import STATUS_BY, notice_title, targets_of
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.paper import Document, Failure, Notice, NoticeKind, Paper, Status
from bioresearcher.sources.literature.bibtex import read_bibtex
from bioresearcher.sources.literature.references import Reference, UnreadableReference
from bioresearcher.sources.literature.tagged_references import (
    read_medline,
    read_refer,
    read_refworks,
    read_ris,
    read_wos,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_BYTES: Final = 50_000_000
MAX_ENTRIES: Final = 20_000
MAX_ATTACHMENTS: Final = 2_000
_TITLE_WITHIN: Final = 6_000
"""Characters at the beginning of a text in which its title is looked for."""
_LONGEST_NAME: Final = 300
"""Longest name of an author in characters."""
_STATUS: Final = ("retracted", "concern", "corrected", "unknown")
_YEAR: Final = re.compile(r"\b(1[6-9]\d\d|20\d\d)\b")
_NOTED: Final = {
    "pmid": re.compile(r"\bPMID:?\s*([1-9][0-9]{0,8})\b", re.IGNORECASE),
    "pmcid": re.compile(r"\b(PMC[1-9][0-9]{0,8})\b"),
    "doi": re.compile(r"\bDOI:?\s*(10\.[0-9]{4,9}/\S+)", re.IGNORECASE),
}
"""Identifiers in the free text of a note."""


@dataclass(slots=True)
class Bibliography:
    """Content of a bibliography: its papers in their order, failures, and the files that its entries name."""

    path: Path
    sha256: str = ""
    papers: list[tuple[Paper, Document]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    attached: set[Path] = field(default_factory=set)

    def fail(self, line: int, message: str, hint: str = "") -> None:
        """Record a failure of the entry that begins on a line, or of the whole file (line 0)."""
        name = clean(self.path.name)[:120]
        item = f"{name}:{line}" if line else name
        self.failures.append(Failure(item=item, stage="load_papers", message=message, hint=hint))


def is_bibliography(path: Path) -> bool:
    """Return True if a file is a bibliography: by its name, or by its first lines.

    A JSON file is one if it is a list of references; a `.txt` or `.xml` file if it begins like an export.
    """
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and suffix != ".json":
        return True
    if suffix not in (".json", ".txt", ".xml", ".text"):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    if suffix == ".json":
        return re.match(rb'(?:\xef\xbb\xbf)?\s*\[\s*\{\s*"', head) is not None and b'"title"' in head
    return _reader_by_content(head.decode("utf-8", "replace")) is not None


def read_bibliography(path: Path) -> Bibliography:
    """Read the papers of a bibliography.

    Raises:
        UnreadablePaper: The file as a whole cannot be read; the message begins with its name.
    """
    found = Bibliography(path)
    try:
        data = _bytes(path)
        text = _text(data)
        reader = _reader_by_content(text[:_HEAD]) or _READERS.get(path.suffix.lower(), read_bibtex)
        entries = reader(text)
        if len(entries) > MAX_ENTRIES:
            raise UnreadablePaper(
                f"it has {len(entries):,} entries; at most {MAX_ENTRIES:,} are read.", hint="Export a collection."
            )
    except UnreadablePaper as error:
        raise UnreadablePaper(f"{clean(path.name)[:120]}: {error.message}", hint=error.hint) from error
    found.sha256 = hashlib.sha256(data).hexdigest()
    for entry in entries:
        if isinstance(entry, UnreadableReference):
            found.fail(entry.line, entry.message, "Correct it there, or export it again.")
        else:
            _add(found, entry)
    if not entries:
        found.fail(0, "it holds no entries.", "Export it again.")
    return found


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnreadablePaper(f"it has {size / 1e6:.0f} MB; bibliographies are at most {MAX_BYTES / 1e6:.0f} MB.")
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePaper(f"it cannot be opened: {error.strerror or error}.") from error


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadablePaper(f"it is not UTF-8 text (byte {error.start + 1}).", hint="Export it as UTF-8.") from error
    if not text.strip():
        raise UnreadablePaper("the file is empty.", hint="Export it again.")
    if text.lstrip().startswith("<") and _reader_by_content(text[:_HEAD]) is not read_endnote:
        raise UnreadablePaper(
            "it is a web page or XML, not a bibliography.", hint="Export it as BibTeX, RIS or CSL JSON."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _add(found: Bibliography, entry: Reference) -> None:
    """Add the files of an entry, or its record if it has none that can be read."""
    record = _record(found, entry)
    read = []
    for file in _attachments(found, entry):
        found.attached.add(file)
        if len(found.attached) > MAX_ATTACHMENTS:
            found.fail(entry.line, f"more than {MAX_ATTACHMENTS:,} attached files: {clean(file.name)} is not read.")
            continue
        try:
            read.append(_described(load_paper(file), record))
        except UnreadablePaper as error:
            found.fail(entry.line, error.message, error.hint)
    found.papers += read
    if read:
        return
    if not record.title and not record.abstract:
        found.fail(entry.line, f"{entry.label}: it has neither title nor abstract.", "Complete the entry.")
        return
    try:
        document = record_document(record)
        if entry.date.strip() and record.year is None:
            doubt = f"its date “{clean(entry.date)[:60]}” names no year."
            document = document.model_copy(update={"warnings": (*document.warnings, doubt)})
        found.papers.append((record, document))
    except UnreadablePaper:
        message = f"{entry.label}: it has neither a readable file nor an abstract."
        found.fail(entry.line, message, "Attach the paper, or export entries with their abstracts.")


_WITHDRAWN: Final = re.compile(r"\W*(retracted|withdrawn)\b(?: article| paper)?\s*[:\]]", re.IGNORECASE)
_NOTICE_TYPES: Final[Mapping[str, NoticeKind]] = {
    "retraction of publication": "retraction",
    "retraction notice": "retraction",
    "retraction": "retraction",
    "expression of concern": "concern",
    "published erratum": "correction",
    "correction": "correction",
    "correction, addition": "correction",
}
"""Publication types of notices in PubMed and Web of Science."""


def _record(found: Bibliography, entry: Reference) -> Paper:
    known = Identifiers.of(**{name: getattr(entry, name) or _noted(name, entry.note) for name in _NOTED})
    title = clean(markup_line(entry.title))
    abstract = "\n".join(markup_lines(entry.abstract))
    content = hashlib.sha256(f"{title}\n{abstract}".casefold().encode()).hexdigest()
    year = _YEAR.search(entry.date)
    types = tuple(filter(None, map(clean, entry.types)))
    kind = next((_NOTICE_TYPES[t.lower()] for t in types if t.lower() in _NOTICE_TYPES), None)
    kind = kind or notice_title(title)[0]
    targets = [Identifiers.of(**{n: _noted(n, text) for n in _NOTED}) for text in entry.notice_of]
    notices = tuple(
        Notice.model_validate({"what": what, "pmid": Identifiers.of(pmid=_noted("pmid", text)).pmid, "source": "own"})
        for what, text in entry.noticed
    )
    retracted = "Retracted Publication" in types or _WITHDRAWN.match(title)
    status: Status = min((STATUS_BY[n.what] for n in notices), key=_STATUS.index, default="unknown")
    return Paper(
        id=paper_id(known, content),
        title=title,
        authors=tuple(_name(found, entry, name) for name in map(clean, map(markup_line, entry.authors)) if name),
        year=int(year[1]) if year else None,
        journal=clean(markup_line(entry.journal)) or None,
        pmid=known.pmid,
        pmcid=known.pmcid,
        doi=known.doi,
        abstract=abstract,
        source="own",
        kind="record",
        path=clean(str(found.path)),
        sha256=found.sha256,
        publication_types=types,
        status="retracted" if retracted else status,
        notices=notices,
        notice_of=targets_of(kind, targets) if kind else (),
    )


def _noted(name: str, text: str) -> str | None:
    """An identifier in free text, or None."""
    match = _NOTED[name].search(text)
    return match[1] if match else None


def _name(found: Bibliography, entry: Reference, name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    found.fail(entry.line, f"{entry.label}: an author of {len(name):,} characters was cut.", "Correct the entry.")
    return f"{name[: _LONGEST_NAME - 1]}…"


def _attachments(found: Bibliography, entry: Reference) -> Iterator[Path]:
    """Yield the entry's papers in the export's folder; a path that leads out of it or to no file is a failure."""
    home = found.path.parent.resolve()
    for name in dict.fromkeys(entry.files):
        plain = unquote(name.removeprefix("file://")) if name.startswith("file://") else name
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", plain):
            continue  # a link
        relative = PurePosixPath(plain.replace("\\", "/"))
        shown = clean(plain)[:120]
        if relative.is_absolute() or PureWindowsPath(plain).is_absolute() or ".." in relative.parts or "\0" in plain:
            message = f"{entry.label}: its file {shown} is not inside the export's folder and was not opened."
            found.fail(entry.line, message, "Export again with files (Zotero: Export Files).")
            continue
        file = home.joinpath(relative)
        if file.suffix.lower() not in PAPER_SUFFIXES:
            found.attached.add(file.resolve())  # a snapshot of a web page, a picture
        elif not file.is_file():
            found.fail(entry.line, f"{entry.label}: its file {shown} is not there.", "Export again with files.")
        elif not file.resolve().is_relative_to(home):
            found.fail(entry.line, f"{entry.label}: its file {shown} is a link out of the export's folder.")
        else:
            yield file.resolve()


def _described(loaded: tuple[Paper, Document], record: Paper) -> tuple[Paper, Document]:
    """Complete a file's metadata by its entry, if both are one paper: same identifier, or the title in the text.

    A PDF's own metadata are guessed from its layout, so the entry's go first there; those of JATS go before the entry.
    """
    paper, document = loaded
    if not identifiers(paper) & identifiers(record) and not _holds(document.text, record.title):
        note = "the bibliography's entry names another title, which does not stand in this file."
        return paper, document.model_copy(update={"warnings": (*document.warnings, note)})
    first, second = (paper, record) if paper.kind == "jats" else (record, paper)
    update = {
        name: getattr(first, name) or getattr(second, name)
        for name in ("title", "authors", "year", "journal", "pmid", "pmcid", "doi", "abstract")
    }
    identifier = paper_id(Identifiers(**{name: update[name] for name in _NOTED}), paper.sha256 or "")
    return paper.model_copy(update={**update, "id": identifier}), document.model_copy(update={"id": identifier})


def identifiers(paper: Paper) -> set[str]:
    """Return the identifiers by which two descriptions are of the same paper."""
    return set(Identifiers(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi).keys())


def _holds(text: str, title: str) -> bool:
    def plain(value: str) -> str:
        return " ".join(re.findall(r"[^\W_]+", value.casefold()))

    wanted = plain(title)
    return len(wanted) >= 15 and wanted in plain(text[:_TITLE_WITHIN])


# CSL JSON: a list of references as Zotero, Mendeley and Pandoc write it; it names no files.


def read_csl_json(text: str) -> list[Reference | UnreadableReference]:
    """Read the references in their order; one that is no object is unreadable.

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
    lines = _csl_lines(text, decoder) if items is whole else []
    return [_csl_entry(lines[n] if n < len(lines) else 0, n + 1, item) for n, item in enumerate(items)]


def _csl_lines(text: str, decoder: json.JSONDecoder) -> list[int]:
    """Find the line on which each item of the list begins."""
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


def _csl_entry(line: int, number: int, item: object) -> Reference | UnreadableReference:
    if not isinstance(item, dict):
        return UnreadableReference(line, f"reference {number} is no object.")
    title = _csl_text(item, "title")
    label = clean(_csl_text(item, "citation-key") or _csl_text(item, "id") or title)[:60] or f"reference {number}"
    issued = item.get("issued")
    return Reference(
        line=line,
        label=label,
        title=title,
        authors=_csl_authors(item.get("author")),
        date=_csl_date(issued),
        journal=_csl_text(item, "container-title"),
        pmid=_csl_text(item, "PMID"),
        pmcid=_csl_text(item, "PMCID"),
        doi=_csl_text(item, "DOI"),
        note=_csl_text(item, "note"),
        abstract=_csl_text(item, "abstract"),
    )


def _csl_text(item: Mapping[str, object], name: str) -> str:
    value = item.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _csl_authors(value: object) -> tuple[str, ...]:
    names = []
    for person in value if isinstance(value, list) else []:
        if isinstance(person, dict):
            parts = [_csl_text(person, n) for n in ("dropping-particle", "non-dropping-particle", "family")]
            whole = (" ".join(filter(None, parts)), _csl_text(person, "given"), _csl_text(person, "suffix"))
            names.append(_csl_text(person, "literal") or ", ".join(filter(None, whole)))
        elif isinstance(person, str):
            names.append(person)
    return tuple(filter(None, names))


def _csl_date(issued: object) -> str:
    """Return the date of `{"date-parts": [[2003, 7]]}`, `{"edtf": …}`, `[{"year": 2003}]`, or the text in its place."""
    if isinstance(issued, list):
        return _csl_date(issued[0]) if issued else ""
    if not isinstance(issued, dict):
        return str(issued) if isinstance(issued, str | int) and not isinstance(issued, bool) else ""
    parts = issued.get("date-parts")
    while isinstance(parts, list) and parts:
        parts = parts[0]
    if isinstance(parts, str | int) and str(parts):
        return str(parts)
    names = ("year", "edtf", "raw", "literal", "date")
    return next((text for n in names if (text := _csl_text(issued, n))), "")


# EndNote's XML: `xml/records/record`; styled text lies in `style` elements whose `face` tells raised and lowered text.


def read_endnote(text: str) -> list[Reference | UnreadableReference]:
    """Read the records in their order.

    Raises:
        UnreadablePaper: It is not well-formed XML, or not EndNote's.
    """
    try:
        root = parse_xml(text.encode())
    except (SyntaxError, ValueError) as error:
        first = clean(str(error).partition("\n")[0])[:160]
        raise UnreadablePaper(f"it is not well-formed XML: {first}.", hint="Export it again.") from error
    if root.find("records") is None:
        raise UnreadablePaper(
            f"its root element is <{tag_of(root)[:40]}>, which is no bibliography.",
            hint="Export it as BibTeX, RIS, CSL JSON or EndNote XML.",
        )
    for style in root.iter("style"):
        face = style.get("face", "")
        style.tag = "sup" if "superscript" in face else "sub" if "subscript" in face else "style"
    return [_endnote_entry(number, record) for number, record in enumerate(root.iterfind("records/record"), 1)]


_PUBMED: Final = re.compile(r"pubmed|medline|\bnlm\b", re.IGNORECASE)


def _endnote_entry(number: int, record: _Element) -> Reference:
    def text(path: str) -> str:
        found = record.find(path)
        return " ".join(inline(found, skip=frozenset()).split()) if found is not None else ""

    title = text("titles/title")
    return Reference(
        line=0,
        label=clean(title)[:60] or f"record {number}",
        title=title,
        authors=tuple(clean(inline(e, skip=frozenset())) for e in record.iterfind("contributors/authors/author")),
        date=text("dates/year"),
        journal=text("titles/secondary-title") or text("periodical/full-title"),
        pmid=text("accession-num") if _PUBMED.search(text("remote-database-name")) else "",
        pmcid=text("custom2"),
        doi=text("electronic-resource-num"),
        note=text("notes"),
        abstract=text("abstract"),
    )


_Reader = Callable[[str], list[Reference | UnreadableReference]]
_READERS: Final[Mapping[str, _Reader]] = {
    ".bib": read_bibtex,
    ".bibtex": read_bibtex,
    ".biblatex": read_bibtex,
    ".ris": read_ris,
    ".json": read_csl_json,
    ".nbib": read_medline,
    ".medline": read_medline,
    ".ciw": read_wos,
    ".isi": read_wos,
    ".enw": read_refer,
}
SUFFIXES: Final = frozenset(_READERS)
"""Suffixes of bibliographies; a `.json` file is one if it is a list of references."""

_HEAD: Final = 65_536
_BEGINNINGS: Final[tuple[tuple[_Reader, re.Pattern[str]], ...]] = (
    (read_medline, re.compile(r"\s*OWN *- ERIC *\n")),
    (read_medline, re.compile(r"\s*PMID ?- ?\d+ *\n(?:.*\n){0,40}?(?:OWN|STAT|TI|DP|FAU|AU) *- ")),
    (read_wos, re.compile(r"\s*(?:FN [^\n]*\n(?:VR [^\n]*\n)?\s*)?PT [A-Z]\n(?:[A-Z][A-Z0-9] |   )")),
    (read_ris, re.compile(r"\s*TY {1,2}- ?[A-Z]{3,6} *\n")),
    (read_refworks, re.compile(r"\s*Refworks Export Tagged Format\n", re.IGNORECASE)),
    (read_refworks, re.compile(r"\s*RT [A-Z][^\n]*\n(?:[A-Z][A-Z0-9] [^\n]*\n){2}")),
    (read_refer, re.compile(r"\s*%0 [A-Z][^\n]*\n%")),
    (read_bibtex, re.compile(r"\s*(?:%[^\n]*\n\s*)*@[A-Za-z]+\s*\{[^,\s{}]*,\s*[\w-]+\s*=")),
    (read_endnote, re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?<xml>\s*<records>")),
)
"""Beginnings of exports, by which they are known whatever their file is called."""


def _reader_by_content(head: str) -> _Reader | None:
    """The reader of an export by its first lines; None if it is none."""
    plain = head.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return next((reader for reader, pattern in _BEGINNINGS if pattern.match(plain)), None)
