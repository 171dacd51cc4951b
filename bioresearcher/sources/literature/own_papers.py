"""Source of the researcher's own papers: files and folders of JATS XML, PDF, notes and bibliographies."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.documents import ACCEPTED, SUFFIXES
from bioresearcher.papers.identifiers import Identifiers, paper_id
from bioresearcher.papers.notices import another_article, bind_notices
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.retrieval.bm25 import Bm25
from bioresearcher.schemas.paper import Document, Failure, Paper
from bioresearcher.sources.literature.bibliography import SUFFIXES as BIBLIOGRAPHIES
from bioresearcher.sources.literature.bibliography import identifiers, is_bibliography, read_bibliography
from bioresearcher.sources.protocols import Hits
from bioresearcher.sources.pubmed_offline.boolean import StemmedText, match, parse, positive_words

MAX_FILES: Final = 2_000
HINT: Final = f"Accepted are {ACCEPTED} and bibliographies (.bib, .ris, .nbib, CSL .json, Web of Science, EndNote)."

_NOT_READ: Final = frozenset([".doc", ".docx", ".odt", ".rtf", ".htm", ".html", ".epub", ".tex", ".ps", ".djvu"])
_EXPORTS: Final = frozenset([".rdf", ".rdfxml"])
_ABOUT: Final = ("readme", "license", "licence", "changelog", "contributing")
_PREFERENCE: Final = {"jats": 0, "pdf": 1, "note": 2, "record": 3}
_STATUS: Final = ("retracted", "concern", "corrected", "unknown", "ok")
_LEAST_SHARE: Final = 0.5

Loaded = tuple[list[tuple[Paper, Document]], list[Failure]]


@dataclass(frozen=True, slots=True)
class _Searchable:
    texts: list[StemmedText]
    lexical: Bm25


class OwnPapers:
    """Papers from files and folders of the user; read once, at the first use.

    Attributes:
        bibliographies: Path → sha256 of each bibliography that was read.
    """

    name: Final = "own"
    hosts: Final[tuple[str, ...]] = ()

    def __init__(self, paths: Sequence[Path]) -> None:
        """Take files and folders; nothing is read yet.

        Args:
            paths: A folder is searched with its subfolders; hidden files, files named README or LICENSE, and links that
                lead out of the folder are left out. A file is read whatever it is called.

        Raises:
            InputError: A path does not exist, or there is no file that could be a paper.
        """
        self._files: list[Path] = []
        self._refused: list[tuple[Path, Failure]] = []
        for path in paths:
            self._files += self._found(path)
        self._files = list(dict.fromkeys(self._files))
        if not self._files and not self._refused:
            where = ", ".join(clean(str(p)) for p in paths) or "the list of papers"
            raise InputError(f"{where} holds no papers.", hint=HINT)
        if len(self._files) > MAX_FILES:
            raise InputError(
                f"{len(self._files):,} files are more than the {MAX_FILES:,} papers one run reads.",
                hint="Give a smaller folder.",
            )
        self._guard = threading.Lock()
        self._loaded: Loaded | None = None
        self.bibliographies: dict[str, str] = {}
        self._searchable: _Searchable | None = None

    def _found(self, path: Path) -> list[Path]:
        if path.is_dir():
            return list(self._walk(path))
        if not path.exists():
            raise InputError(f"{clean(str(path))} does not exist.", hint="Give a file or folder of papers.")
        return [path]

    def _walk(self, root: Path) -> Iterator[Path]:
        home = root.resolve()
        problems: list[OSError] = []
        for folder, folders, files in os.walk(root, onerror=problems.append):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for name in sorted(files):
                file = Path(folder, name)
                suffix = file.suffix.lower()
                if name.startswith(".") or name.lower().startswith(_ABOUT):
                    continue
                if suffix in _NOT_READ:
                    self._fail(file, f"{suffix} files are not read.", HINT)
                elif suffix in _EXPORTS:
                    self._fail(
                        file, f"{suffix} files are not read.", "Export it as BibTeX, RIS, CSL JSON or EndNote XML."
                    )
                elif (suffix in SUFFIXES or is_bibliography(file)) and file.resolve().is_relative_to(home):
                    yield file
        for problem in problems:
            self._fail(Path(str(problem.filename)), f"the folder cannot be read: {problem.strerror}.")

    def _fail(self, path: Path, message: str, hint: str = "") -> None:
        self._refused.append((path, Failure(item=clean(path.name), stage="load_papers", message=message, hint=hint)))

    def load(self) -> Loaded:
        """Read all papers with their text, in the order of the files, and list a failure for each unreadable file.

        Files that hold the same paper (same PMID, PMC id, DOI or content) become one: JATS before PDF before
        note, then the longer text; metadata that the chosen file lacks are taken from the others. Two articles under
        one identifier stay two, and both say so. A retraction notice sets the status of its paper.
        """
        with self._guard:
            if self._loaded is None:
                self._loaded = self._read()
            papers, failures = self._loaded
            return list(papers), list(failures)

    def _read(self) -> Loaded:
        found: dict[Path, list[tuple[Paper, Document]]] = {}
        failures: list[Failure] = []
        attached: set[Path] = set()
        # bibliographies first: a file that one of them names is read with what its entry says
        for path in sorted(self._files, key=lambda p: not lists_papers(p)):
            try:
                if lists_papers(path):
                    read = read_bibliography(path)
                    found[path] = read.papers
                    self.bibliographies[clean(str(path))] = read.sha256
                    failures += read.failures
                    attached |= read.attached
                elif path.resolve() not in attached:
                    found[path] = [load_paper(path)]
            except UnreadablePaper as error:
                failures.append(
                    Failure(item=clean(path.name), stage="load_papers", message=error.message, hint=error.hint)
                )
        # the refusal of a web page is dropped if a bibliography names it as the snapshot of an entry
        refused = [failure for path, failure in self._refused if path.resolve() not in attached]
        merged = _merged([item for path in self._files for item in found.get(path, [])])
        bound = bind_notices(paper for paper, _ in merged)
        return [(p, document) for p, (_, document) in zip(bound, merged, strict=True)], [*refused, *failures]

    async def search(self, query: str, limit: int) -> Hits:
        """Find the papers that fulfil at least half of the query's AND clauses and nothing of its NOT, best first.

        They are ordered by the share of fulfilled clauses, then by BM25 of the words asked for. A small
        collection would otherwise answer most Boolean queries with nothing.
        """
        return await asyncio.to_thread(self._search, query, limit)

    def _search(self, query: str, limit: int) -> Hits:
        papers, _ = self.load()
        with self._guard:
            if self._searchable is None:
                texts = [f"{paper.title}\n{paper.abstract}\n{_body(document)}" for paper, document in papers]
                self._searchable = _Searchable([StemmedText.of(t) for t in texts], Bm25(texts))
            searchable = self._searchable
        tree = parse(query)
        shares = [match(tree, text) for text in searchable.texts]
        scores = searchable.lexical.scores(" ".join(positive_words(tree)))
        order = sorted(range(len(papers)), key=lambda i: (-shares[i], -scores[i], i))
        hits = [papers[i][0] for i in order if shares[i] >= _LEAST_SHARE]
        return Hits(tuple(hits[: max(0, limit)]), len(hits), literal=False)

    async def fetch(self, paper_id: str) -> Document:
        """Return the text of a paper.

        Raises:
            UnreadablePaper: No such paper is among the readable files.
        """
        papers, _ = await asyncio.to_thread(self.load)
        for paper, document in papers:
            if paper.id == paper_id:
                return document
        raise UnreadablePaper(f"{clean(paper_id)[:80]} is not among the own papers.")


def lists_papers(path: Path) -> bool:
    """Return True for a bibliography; a file that was named as one is read as one, and says what is wrong with it."""
    return path.suffix.lower() in BIBLIOGRAPHIES or is_bibliography(path)


def _body(document: Document) -> str:
    return "\n".join(document.text[s.start : s.end] for s in document.sections if s.kind != "references")


def _keys(paper: Paper, document: Document) -> set[str]:
    file = {f"file:{paper.sha256}"} if paper.kind != "record" else set()  # a bibliography holds many papers
    return {*identifiers(paper), *file, f"text:{document.sha256}", f"id:{paper.id}"}


def _merged(found: list[tuple[Paper, Document]]) -> list[tuple[Paper, Document]]:
    """Merge the entries of one paper; entries are one paper if they share any key, also through a third."""
    groups: list[tuple[set[str], list[tuple[Paper, Document]]]] = []
    for item in found:
        keys, members = _keys(*item), [item]
        apart = []
        for group in groups:
            if group[0] & keys:
                keys |= group[0]
                members = group[1] + members
            else:
                apart.append(group)
        groups = [*apart, (keys, members)]
    position = {id(item): n for n, item in enumerate(found)}
    groups.sort(key=lambda g: position[id(g[1][0])])
    return [_one(members) for _, group in groups for members in _apart(group)]


def _apart(members: list[tuple[Paper, Document]]) -> list[list[tuple[Paper, Document]]]:
    """Divide members that share an identifier and are different articles; the later ones get ids of their own."""
    divided: list[list[tuple[Paper, Document]]] = []
    for paper, document in members:
        same = next((d for d in divided if not any(another_article(paper, other) for other, _ in d)), None)
        if same is not None:
            same.append((paper, document))
            continue
        if divided:
            first = divided[0][0][0]
            shared = ", ".join(sorted(identifiers(paper) & identifiers(first))) or first.id
            doubt = f"its identifier ({shared}) also stands on another article, “{first.title[:120]}”: one is wrong."
            identifier = paper_id(Identifiers(), document.sha256)
            paper = paper.model_copy(update={"id": identifier, "pmid": None, "pmcid": None, "doi": None})
            document = document.model_copy(update={"id": identifier, "warnings": (*document.warnings, doubt)})
        divided.append([(paper, document)])
    if len(divided) > 1:
        paper, document = divided[0][0]
        others = "; ".join(f"“{d[0][0].title[:120]}”" for d in divided[1:])
        doubt = f"its identifier also stands on another article, {others}: one is wrong."
        divided[0][0] = (paper, document.model_copy(update={"warnings": (*document.warnings, doubt)}))
    return divided


def _one(members: list[tuple[Paper, Document]]) -> tuple[Paper, Document]:
    if len(members) == 1:
        return members[0]
    ordered = sorted(members, key=lambda m: (_PREFERENCE[m[0].kind], -len(m[1].text)))
    paper, document = ordered[0]
    update: dict[str, object] = {}
    for other, _ in ordered[1:]:
        for field in ("year", "journal", "pmid", "pmcid", "doi", "licence", "authors", "abstract"):
            if not getattr(paper, field) and field not in update and getattr(other, field):
                update[field] = getattr(other, field)
    update["status"] = min((m[0].status for m in members), key=_STATUS.index)
    others = ", ".join(sorted({Path(p.path or p.id).name for p, _ in ordered[1:]}))
    chosen = Path(paper.path or paper.id).name
    note = f"also given as {others}; the text of {chosen} was used."
    return (
        paper.model_copy(update=update),
        document.model_copy(update={"warnings": (*document.warnings, note)}),
    )
