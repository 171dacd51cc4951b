"""Bibliographies exported by a reference manager (BibTeX, BibLaTeX, RIS, CSL JSON), with the files beside them.

Each format has one reader that gives `Reference` values; everything after that is the same for all of them. An entry's
files (Zotero's `file` field, RIS L1 and L2) are looked for inside the export's own folder only. An entry without a
readable file becomes a record with its abstract. A broken entry is one failure with its line; the others are read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.documents import SUFFIXES as PAPER_SUFFIXES
from bioresearcher.papers.identifiers import Identifiers, paper_id, record_document
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.paper import Document, Failure, Paper

if TYPE_CHECKING:
    from bibtexparser.model import Block

MAX_BYTES: Final = 50_000_000
MAX_ENTRIES: Final = 20_000
MAX_ATTACHMENTS: Final = 2_000
_TITLE_WITHIN: Final = 6_000
"""Characters at the beginning of a text in which its title is looked for."""
_YEAR: Final = re.compile(r"\b(1[6-9]\d\d|20\d\d)\b")
_NOTED: Final = {
    "pmid": re.compile(r"\bPMID:?\s*([1-9][0-9]{0,8})\b", re.IGNORECASE),
    "pmcid": re.compile(r"\b(PMC[1-9][0-9]{0,8})\b"),
    "doi": re.compile(r"\bDOI:?\s*(10\.[0-9]{4,9}/\S+)", re.IGNORECASE),
}
"""Identifiers in the free text of a note."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference as its file states it; texts are raw."""

    line: int
    label: str
    title: str
    authors: tuple[str, ...] = ()
    date: str = ""
    journal: str = ""
    pmid: str = ""
    pmcid: str = ""
    doi: str = ""
    note: str = ""
    abstract: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadableReference:
    """An entry that cannot be read, and the reason."""

    line: int
    message: str


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
    """Return True if a file of a folder is a bibliography; a JSON file is one if it is a list of references."""
    suffix = path.suffix.lower()
    if suffix != ".json":
        return suffix in SUFFIXES
    try:
        with path.open("rb") as file:
            head = file.read(65_536)
    except OSError:
        return False
    return re.match(rb'(?:\xef\xbb\xbf)?\s*\[\s*\{\s*"', head) is not None and b'"title"' in head


def read_bibliography(path: Path) -> Bibliography:
    """Read the papers of a bibliography.

    Raises:
        UnreadablePaper: The file as a whole cannot be read; the message begins with its name.
    """
    found = Bibliography(path)
    try:
        data = _bytes(path)
        entries = _READERS.get(path.suffix.lower(), read_bibtex)(_text(data))
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
    if text.lstrip().startswith("<"):
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
        found.papers.append((record, record_document(record)))
    except UnreadablePaper:
        message = f"{entry.label}: it has neither a readable file nor an abstract."
        found.fail(entry.line, message, "Attach the paper, or export entries with their abstracts.")


def _record(found: Bibliography, entry: Reference) -> Paper:
    noted = {name: m[1] for name, pattern in _NOTED.items() if (m := pattern.search(entry.note))}
    known = Identifiers.of(**{name: getattr(entry, name) or noted.get(name) for name in _NOTED})
    title = clean(entry.title)
    abstract = "\n".join(filter(None, map(clean, entry.abstract.splitlines())))
    content = hashlib.sha256(f"{title}\n{abstract}".casefold().encode()).hexdigest()
    year = _YEAR.search(entry.date)
    return Paper(
        id=paper_id(known, content),
        title=title,
        authors=tuple(filter(None, map(clean, entry.authors))),
        year=int(year[1]) if year else None,
        journal=clean(entry.journal) or None,
        pmid=known.pmid,
        pmcid=known.pmcid,
        doi=known.doi,
        abstract=abstract,
        source="own",
        kind="record",
        path=clean(str(found.path)),
        sha256=found.sha256,
    )


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


# RIS: lines `TAG  - value`, an entry from `TY` to `ER`; other lines continue the value above. The format is so small
# that reading it takes less than repairing a library's result: rispy 0.10 joins an entry without `ER` with the next one
# without a word, drops the last one, and knows no line numbers.

_TAG: Final = re.compile(r"([A-Z][A-Z0-9])  - ?(.*)")
_Fields = dict[str, list[str]]


def read_ris(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries in their order; one without `TY` or `ER` is unreadable."""
    return [
        UnreadableReference(line, problem) if problem else _ris_entry(line, fields)
        for line, fields, problem in _ris_blocks(text)
    ]


def _ris_blocks(text: str) -> Iterator[tuple[int, _Fields, str]]:
    """Split the text into entries: first line, fields, and the problem if it is broken."""
    fields: _Fields = {}
    start, tag, stray = 0, "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        match = _TAG.fullmatch(raw.rstrip())
        if match is None:
            if start and tag and raw.strip():
                fields[tag][-1] += f"\n{raw.strip()}"
            elif raw.strip() and not stray:
                stray = number
                yield number, {}, f"{clean(raw)[:60]!r} is no part of an entry."
            continue
        tag, value = match[1], match[2].strip()
        if tag == "TY":
            if start:
                yield start, {}, f"the entry does not end: ER is missing before line {number}."
            start, fields, stray = number, {"TY": [value]}, 0
        elif not start:
            if not stray:
                stray = number
                yield number, {}, f"{tag} stands before the entry's first line, TY."
        elif tag == "ER":
            yield start, fields, ""
            start, fields, tag = 0, {}, ""
        else:
            fields.setdefault(tag, []).append(value)
    if start:
        yield start, {}, "the entry does not end: the file is cut before its ER."


def _values(fields: _Fields, *tags: str) -> list[str]:
    return [value for tag in tags for value in fields.get(tag, [])]


def _first(fields: _Fields, *tags: str) -> str:
    return next((fields[t][0] for t in tags if fields.get(t) and fields[t][0]), "")


def _ris_entry(line: int, fields: _Fields) -> Reference:
    title = _first(fields, "TI", "T1", "CT")
    from_pubmed = any("pubmed" in value.lower() for value in _values(fields, "DB", "DP", "SR"))
    return Reference(
        line=line,
        label=clean(_first(fields, "ID") or title)[:60] or fields["TY"][0] or "entry",
        title=title,
        authors=tuple(_values(fields, "AU", "A1")),
        date=_first(fields, "PY", "Y1", "DA"),
        journal=_first(fields, "T2", "JO", "JF", "JA", "J2"),
        pmid=_first(fields, "AN") if from_pubmed else "",
        doi=_first(fields, "DO"),
        note=" ".join(_values(fields, "N1", "U1", "M1", "C1", "C2", "C6", "AN")),
        abstract=_first(fields, "AB", "N2"),
        files=tuple(line for value in _values(fields, "L1", "L2") for line in value.split("\n")),
    )


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
        date=_csl_date(issued) if isinstance(issued, dict) else "",
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
            parts = [_csl_text(person, n) for n in ("non-dropping-particle", "family")]
            family = " ".join(filter(None, parts))
            given = _csl_text(person, "given")
            names.append(
                _csl_text(person, "literal") or (f"{family}, {given}" if family and given else family or given)
            )
    return tuple(filter(None, names))


def _csl_date(issued: Mapping[str, object]) -> str:
    """Return the year of `{"date-parts": [[2003, 7]]}`, or the text that stands there instead."""
    parts = issued.get("date-parts")
    while isinstance(parts, list) and parts:
        parts = parts[0]
    return str(parts) if isinstance(parts, str | int) else _csl_text(issued, "raw") or _csl_text(issued, "literal")


# BibTeX and BibLaTeX, read with bibtexparser, which continues after a broken entry and gives its line.

_TEX: Final = frozenset(["title", "author", "editor", "journal", "journaltitle", "booktitle", "abstract"])
_MARKUP: Final = re.compile(r"\\(?![%&_#${}])|(?<!\\)[$~]")
_SEPARATOR: Final = re.compile(r"(?<!\\);")
_COLON: Final = re.compile(r"(?<!\\):")


def read_bibtex(text: str) -> list[Reference | UnreadableReference]:
    """Read the entries in their order; a broken one is unreadable.

    LaTeX in names, titles and abstracts becomes plain text; where that fails the raw text is kept.

    Raises:
        UnreadablePaper: It is nested too deeply to be a bibliography.
    """
    from bibtexparser.entrypoint import parse_string

    logging.getLogger("bibtexparser").setLevel(logging.CRITICAL)  # broken entries are reported as `UnreadableReference`
    try:
        library = parse_string(text)
        return [entry for block in library.blocks for entry in _bibtex_block(block)]
    except RecursionError as error:
        raise UnreadablePaper("it is nested too deeply for a bibliography.") from error


def _bibtex_block(block: Block) -> list[Reference | UnreadableReference]:
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
        return _bibtex_block(inner) if inner is not None else [UnreadableReference(line, clean(str(block.error))[:200])]
    if isinstance(block, ParsingFailedBlock):
        reason = clean(str(getattr(block.error, "abort_reason", "") or block.error))[:200].rstrip(". ")
        return [UnreadableReference(line, f"the entry is broken: {reason or 'it cannot be parsed'}.")]
    if isinstance(block, ImplicitComment) and re.match(r"\s*@\w+\s*[{(]", block.comment):
        return [UnreadableReference(line, "the entry is broken: its end is missing.")]
    if not isinstance(block, BibtexEntry):
        return []
    fields: dict[str, str] = {}
    for item in block.fields:
        fields.setdefault(item.key.lower(), str(item.value))
    return [_bibtex_entry(line, clean(block.key)[:60] or f"@{block.entry_type}", fields)]


def _bibtex_entry(line: int, label: str, raw: Mapping[str, str]) -> Reference:
    fields = {name: _latex_text(value) if name in _TEX else value for name, value in raw.items()}
    eprint = fields.get("eprint", "") if fields.get("eprinttype", "").lower() in ("pubmed", "pmid") else ""
    return Reference(
        line=line,
        label=label,
        title=fields.get("title", ""),
        authors=_bibtex_names(raw.get("author", raw.get("editor", ""))),
        date=fields.get("year", "") or fields.get("date", ""),
        journal=fields.get("journal", "") or fields.get("journaltitle", "") or fields.get("booktitle", ""),
        pmid=fields.get("pmid", "") or eprint,
        pmcid=fields.get("pmcid", ""),
        doi=_unescaped(fields.get("doi", "")),
        note=fields.get("note", ""),
        abstract=fields.get("abstract", ""),
        files=_bibtex_files(fields.get("file", "")),
    )


def _latex_text(value: str) -> str:
    if not _MARKUP.search(value):  # pylatexenc takes 3 ms for an abstract in which only % is escaped
        return re.sub(r"\\([%&_#${}])|[{}]", r"\1", value)
    from pylatexenc.latex2text import LatexNodes2Text

    try:
        return str(LatexNodes2Text(keep_comments=False).latex_to_text(value.replace("\n\n", " \n")))
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):  # markup that it cannot follow
        return value


def _bibtex_names(value: str) -> tuple[str, ...]:
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


def _bibtex_files(value: str) -> tuple[str, ...]:
    """List the paths of a `file` field: `title:path:type;…` with escaped separators, or a path alone."""
    found = []
    for part in _SEPARATOR.split(value):
        pieces = _COLON.split(part)
        # `C:/…` without title and type would be divided at its drive; it is refused later, so it is kept whole
        path = pieces[1] if len(pieces) >= 3 and len(pieces[0].strip()) != 1 else part
        if path.strip():
            found.append(_unescaped(path))
    return tuple(found)


_READERS: Final[Mapping[str, Callable[[str], list[Reference | UnreadableReference]]]] = {
    ".bib": read_bibtex,
    ".bibtex": read_bibtex,
    ".biblatex": read_bibtex,
    ".ris": read_ris,
    ".json": read_csl_json,
}
SUFFIXES: Final = frozenset(_READERS)
"""Suffixes of bibliographies; a `.json` file is one if it is a list of references."""
