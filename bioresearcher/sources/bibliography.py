"""Bibliographies that a reference manager exported: BibTeX and BibLaTeX, RIS, and CSL JSON, with the files beside them.

An entry's files (Zotero's `file` field, RIS L1 and L2) are looked for inside the export's own folder only. An entry
without a readable file is a record with its abstract. A broken entry is one failure that names its line; the others
are read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final
from urllib.parse import unquote

from bioresearcher.library.canonical import UnreadablePaper, clean
from bioresearcher.library.documents import SUFFIXES as PAPER_SUFFIXES
from bioresearcher.library.documents import load_paper
from bioresearcher.library.identifiers import Identifiers, paper_id
from bioresearcher.library.records import record_document
from bioresearcher.schemas.paper import Failure, Paper
from bioresearcher.schemas.passage import Document
from bioresearcher.sources.references import Broken, Entry

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
        if isinstance(entry, Broken):
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


def _entries(path: Path, text: str) -> list[Entry | Broken]:
    suffix = path.suffix.lower()
    if suffix == ".ris":
        from bioresearcher.sources.ris import read_ris

        return read_ris(text)
    if suffix == ".json":
        from bioresearcher.sources.csl_json import read_csl_json

        return read_csl_json(text)
    from bioresearcher.sources.bibtex import read_bibtex

    return read_bibtex(text)


def _fail(found: Bibliography, path: Path, line: int, message: str, hint: str = "") -> None:
    where = f"{clean(path.name)[:120]}:{line}" if line else clean(path.name)[:120]
    found.failures.append(Failure(item=where, stage="load_papers", message=message, hint=hint))


def _add(found: Bibliography, path: Path, entry: Entry) -> None:
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


def _record(path: Path, sha256: str, entry: Entry) -> Paper:
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


def _attachments(found: Bibliography, path: Path, entry: Entry) -> Iterator[Path]:
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
