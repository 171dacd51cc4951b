"""Bibliographies that a reference manager exported: BibTeX and BibLaTeX, RIS, and CSL JSON, with the files beside them.

An entry's files (Zotero's `file` field, RIS L1 and L2) are looked for inside the export's own folder only. An entry
without a readable file is a record with its abstract. A broken entry is one failure that names its line; the others
are read.

What bibliographies of all formats say of a paper.

RIS: lines `TAG  - value`, an entry from `TY` to `ER`; other lines go on with the value above.

The format is so small that reading it takes less than a library's repair: rispy 0.10 joins an entry whose `ER` is
missing with the next one without a word, drops the last one, and knows no line numbers.

CSL JSON, a list of references as Zotero, Mendeley and Pandoc write it; it names no files.

BibTeX and BibLaTeX, read with bibtexparser, which goes on after a broken entry and says where that was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
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
    """An entry that cannot be read, and why."""

    line: int
    message: str


_TAG: Final = re.compile(r"([A-Z][A-Z0-9])  - ?(.*)")
_TITLE: Final = ("TI", "T1", "CT")
_JOURNAL: Final = ("T2", "JO", "JF", "JA", "J2")

_Fields = dict[str, list[str]]


def read_ris(text: str) -> list[Reference | UnreadableReference]:
    """The entries in their order; one without `TY`, `ER` or title is broken and says its line."""
    found: list[Reference | UnreadableReference] = []
    for line, fields, complaint in _blocks(text):
        found.append(UnreadableReference(line, complaint) if complaint else _ris_entry(line, fields))
    return found


def _blocks(text: str) -> Iterator[tuple[int, _Fields, str]]:
    """(first line, fields, what is wrong) of each entry."""
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


def _first(fields: _Fields, *tags: str) -> str:
    return next((fields[t][0] for t in tags if fields.get(t) and fields[t][0]), "")


def _ris_entry(line: int, fields: _Fields) -> Reference:
    title = _first(fields, *_TITLE)
    from_pubmed = any("pubmed" in v.lower() for t in ("DB", "DP", "SR") for v in fields.get(t, []))
    notes = [v for t in ("N1", "U1", "M1", "C1", "C2", "C6", "AN") for v in fields.get(t, [])]
    return Reference(
        line=line,
        label=clean(_first(fields, "ID") or title)[:60] or fields["TY"][0] or "entry",
        title=title,
        authors=tuple(v for t in ("AU", "A1") for v in fields.get(t, [])),
        date=_first(fields, "PY", "Y1", "DA"),
        journal=_first(fields, *_JOURNAL),
        pmid=_first(fields, "AN") if from_pubmed else "",
        doi=_first(fields, "DO"),
        note=" ".join(notes),
        abstract=_first(fields, "AB", "N2"),
        files=tuple(v for t in ("L1", "L2") for value in fields.get(t, []) for v in value.split("\n")),
    )


def read_csl_json(text: str) -> list[Reference | UnreadableReference]:
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
    return [_csl_entry(lines[n] if n < len(lines) else 0, n + 1, item) for n, item in enumerate(items)]


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
        authors=_authors(item.get("author")),
        date=_date(issued) if isinstance(issued, dict) else "",
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


def _authors(value: object) -> tuple[str, ...]:
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


def _date(issued: Mapping[str, object]) -> str:
    """The year of `{"date-parts": [[2003, 7]]}`, or whatever text stands there instead."""
    parts = issued.get("date-parts")
    while isinstance(parts, list) and parts:
        parts = parts[0]
    return str(parts) if isinstance(parts, str | int) else _csl_text(issued, "raw") or _csl_text(issued, "literal")


_TEX: Final = frozenset(["title", "author", "editor", "journal", "journaltitle", "booktitle", "abstract"])
_MARKUP: Final = re.compile(r"\\(?![%&_#${}])|(?<!\\)[$~]")
_SEPARATOR: Final = re.compile(r"(?<!\\);")
_COLON: Final = re.compile(r"(?<!\\):")


def read_bibtex(text: str) -> list[Reference | UnreadableReference]:
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


def _read(block: Block) -> list[Reference | UnreadableReference]:
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
        return _read(inner) if inner is not None else [UnreadableReference(line, clean(str(block.error))[:200])]
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
    fields = {name: _plain(value) if name in _TEX else value for name, value in raw.items()}
    eprint = fields.get("eprint", "") if fields.get("eprinttype", "").lower() in ("pubmed", "pmid") else ""
    return Reference(
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


SUFFIXES: Final = frozenset([".bib", ".bibtex", ".biblatex", ".ris", ".json"])
"""Suffixes of bibliographies; a `.json` file is one when it is a list of references."""

MAX_BYTES: Final = 50_000_000
MAX_ENTRIES: Final = 20_000
MAX_ATTACHMENTS: Final = 2_000

_YEAR: Final = re.compile(r"\b(1[6-9]\d\d|20\d\d)\b")
_NOTED: Final = {
    "pmid": re.compile(r"\bPMID:?\s*([1-9][0-9]{0,8})\b", re.IGNORECASE),
    "pmcid": re.compile(r"\b(PMC[1-9][0-9]{0,8})\b"),
    "doi": re.compile(r"\bDOI:?\s*(10\.[0-9]{4,9}/\S+)", re.IGNORECASE),
}
_TITLE_WITHIN: Final = 6_000


@dataclass(slots=True)
class Bibliography:
    """What a bibliography gave: its papers in their order, failures, and the files that its entries name."""

    sha256: str = ""
    papers: list[tuple[Paper, Document]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    attached: set[Path] = field(default_factory=set)


def is_bibliography(path: Path) -> bool:
    """Whether a file of a folder is taken for a bibliography; of JSON files only a list of references is."""
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
    """The papers of a bibliography.

    Raises:
        UnreadablePaper: The file as a whole cannot be read; the message begins with its name.
    """
    try:
        data = _bytes(path)
        entries = _entries(path, _text(data))
        if len(entries) > MAX_ENTRIES:
            raise UnreadablePaper(
                f"it has {len(entries):,} entries; at most {MAX_ENTRIES:,} are read.", hint="Export a collection."
            )
    except UnreadablePaper as error:
        raise UnreadablePaper(f"{clean(path.name)[:120]}: {error.message}", hint=error.hint) from error
    found = Bibliography(sha256=hashlib.sha256(data).hexdigest())
    for entry in entries:
        if isinstance(entry, UnreadableReference):
            _fail(found, path, entry.line, entry.message, "Correct it there, or export it again.")
        else:
            _add(found, path, entry)
    if not entries:
        _fail(found, path, 0, "it holds no entries.", "Export it again.")
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


def _entries(path: Path, text: str) -> list[Reference | UnreadableReference]:
    suffix = path.suffix.lower()
    if suffix == ".ris":
        return read_ris(text)
    if suffix == ".json":
        return read_csl_json(text)

    return read_bibtex(text)


def _fail(found: Bibliography, path: Path, line: int, message: str, hint: str = "") -> None:
    where = f"{clean(path.name)[:120]}:{line}" if line else clean(path.name)[:120]
    found.failures.append(Failure(item=where, stage="load_papers", message=message, hint=hint))


def _add(found: Bibliography, path: Path, entry: Reference) -> None:
    """An entry's files, or its record when it has none that can be read."""
    record = _record(path, found.sha256, entry)
    read = []
    for file in _attachments(found, path, entry):
        found.attached.add(file)
        if len(found.attached) > MAX_ATTACHMENTS:
            _fail(
                found,
                path,
                entry.line,
                f"more than {MAX_ATTACHMENTS:,} attached files: {clean(file.name)} is not read.",
            )
            continue
        try:
            read.append(_described(load_paper(file), record))
        except UnreadablePaper as error:
            _fail(found, path, entry.line, error.message, error.hint)
    found.papers += read
    if read:
        return
    if not record.title and not record.abstract:
        _fail(found, path, entry.line, f"{entry.label}: it has neither title nor abstract.", "Complete the entry.")
        return
    try:
        found.papers.append((record, record_document(record)))
    except UnreadablePaper:
        said = f"{entry.label}: it has neither a readable file nor an abstract."
        _fail(found, path, entry.line, said, "Attach the paper, or export entries with their abstracts.")


def _record(path: Path, sha256: str, entry: Reference) -> Paper:
    noted = {name: m[1] for name, pattern in _NOTED.items() if (m := pattern.search(entry.note))}
    found = Identifiers.of(
        pmid=entry.pmid or noted.get("pmid"),
        pmcid=entry.pmcid or noted.get("pmcid"),
        doi=entry.doi or noted.get("doi"),
    )
    title = clean(entry.title)
    abstract = "\n".join(filter(None, map(clean, entry.abstract.splitlines())))
    content = hashlib.sha256(f"{title}\n{abstract}".casefold().encode()).hexdigest()
    year = _YEAR.search(entry.date)
    return Paper(
        id=paper_id(found, content),
        title=title,
        authors=tuple(filter(None, map(clean, entry.authors))),
        year=int(year[1]) if year else None,
        journal=clean(entry.journal) or None,
        pmid=found.pmid,
        pmcid=found.pmcid,
        doi=found.doi,
        abstract=abstract,
        source="own",
        kind="record",
        path=clean(str(path)),
        sha256=sha256,
    )


def _attachments(found: Bibliography, path: Path, entry: Reference) -> Iterator[Path]:
    """The entry's files that lie in the export's folder; what leads out of it is refused, what is missing is said."""
    home = path.parent.resolve()
    for name in dict.fromkeys(entry.files):
        plain = unquote(name.removeprefix("file://")) if name.startswith("file://") else name
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", plain):
            continue  # a link
        relative = PurePosixPath(plain.replace("\\", "/"))
        shown = clean(plain)[:120]
        if relative.is_absolute() or PureWindowsPath(plain).is_absolute() or ".." in relative.parts or "\0" in plain:
            message = f"{entry.label}: its file {shown} is not inside the export's folder and was not opened."
            _fail(found, path, entry.line, message, "Export again with files (Zotero: Export Files).")
            continue
        file = home.joinpath(relative)
        if file.suffix.lower() not in PAPER_SUFFIXES:
            found.attached.add(file.resolve())  # a snapshot of a web page, a picture
        elif not file.is_file():
            _fail(found, path, entry.line, f"{entry.label}: its file {shown} is not there.", "Export again with files.")
        elif not file.resolve().is_relative_to(home):
            _fail(found, path, entry.line, f"{entry.label}: its file {shown} is a link out of the export's folder.")
        else:
            yield file.resolve()


def _described(loaded: tuple[Paper, Document], record: Paper) -> tuple[Paper, Document]:
    """A file with what the entry says of it, when it is the entry's paper: same identifier, or its title in the text.

    What a PDF says of itself is guessed from its layout, so the entry's words go first there; JATS goes before it.
    """
    paper, document = loaded
    same = {(n, getattr(paper, n)) for n in ("pmid", "pmcid", "doi") if getattr(paper, n)} & {
        (n, getattr(record, n)) for n in ("pmid", "pmcid", "doi")
    }
    if not same and not _holds(document.text, record.title):
        note = "the bibliography's entry names another title, which does not stand in this file."
        return paper, document.model_copy(update={"warnings": (*document.warnings, note)})
    first, second = (paper, record) if paper.kind == "jats" else (record, paper)
    update = {
        name: getattr(first, name) or getattr(second, name)
        for name in ("title", "authors", "year", "journal", "pmid", "pmcid", "doi", "abstract")
    }
    found = Identifiers(pmid=update["pmid"], pmcid=update["pmcid"], doi=update["doi"])
    identifier = paper_id(found, paper.sha256 or "")
    return paper.model_copy(update={**update, "id": identifier}), document.model_copy(update={"id": identifier})


def _holds(text: str, title: str) -> bool:
    def plain(value: str) -> str:
        return " ".join(re.findall(r"[^\W_]+", value.casefold()))

    wanted = plain(title)
    return len(wanted) >= 15 and wanted in plain(text[:_TITLE_WITHIN])
