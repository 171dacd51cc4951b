"""Literature source over PubMed's XML files, without network.

Of several files a later one overrides what earlier ones say of a PMID, also when it withdraws it. Files with NLM's
names (`pubmed26n0001.xml.gz`) are taken in the order of their numbers, others in the order given.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from bioresearcher.errors import InputError, OutsideError, StoppedError
from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.identifiers import record_document
from bioresearcher.papers.notices import as_recorded
from bioresearcher.retrieval.bm25 import terms
from bioresearcher.schemas.paper import Document, Failure, Paper
from bioresearcher.sources.protocols import Hits
from bioresearcher.sources.pubmed_offline.index import SOURCE, PubmedIndex, find_index, open_index
from bioresearcher.sources.pubmed_offline.query import TranslatedQuery, Vocabulary, parse, translate
from bioresearcher.sources.pubmed_offline.records import file_digest

T = TypeVar("T")

SUFFIXES: Final = (".xml", ".xml.gz")
MAX_FILES: Final = 2_000
_NUMBERED: Final = re.compile(r"pubmed(\d{2})n(\d{4,5})\.xml(\.gz)?", re.IGNORECASE)
_SHOW_EVERY: Final = 5_000
_CANDIDATES: Final = 200
_K1, _B, _LENGTH = 1.2, 0.75, 220.0


@dataclass(slots=True)
class _File:
    """File with its index and the PMIDs that a later file overrides."""

    path: Path
    sha256: str
    index: PubmedIndex
    overridden: frozenset[int] = field(default_factory=frozenset)


class PubmedFiles(Vocabulary):
    """Literature source over PubMed XML files; their indexes are built at the first use and kept.

    `search` answers with at most `limit` papers by BM25 over all files, newest PMID first among equals.
    """

    name: Final = SOURCE
    hosts: Final[tuple[str, ...]] = ()

    def __init__(self, paths: Sequence[Path], folder: Path, show: Callable[[str], None] | None = None) -> None:
        """Take files, and the `.xml` and `.xml.gz` files of folders; nothing is read yet.

        Args:
            paths: Files and folders, earlier versions first.
            folder: Where indexes are kept (shared by runs).
            show: Called with the progress of indexing in words.

        Raises:
            InputError: A path does not exist, or a folder holds no such file.
        """
        self._folder = folder
        self._show = show
        self._paths = in_order([file for path in paths for file in _found(path)])
        if len(self._paths) > MAX_FILES:
            raise InputError(f"--pubmed-xml: {len(self._paths):,} files are more than {MAX_FILES:,}.")
        self._guard = threading.Lock()
        self._stopped = False
        self._digests: dict[Path, str] = {}
        self._loaded: tuple[list[_File], list[Failure]] | None = None

    def digests(self) -> dict[str, str]:
        """Map the path of every readable file to its sha256; nothing is indexed."""
        found = {}
        for path in self._paths:
            with suppress(UnreadablePaper):
                found[str(path)] = self._digest(path)
        return found

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return self._digests[path]

    async def unreadable(self) -> list[Failure]:
        """List a failure for each unusable file; empty if no index can be written, an error that `search` raises."""
        try:
            return (await self._in_thread(self.load))[1]
        except OutsideError:
            return []

    async def _in_thread(self, work: Callable[..., T], *values: object) -> T:
        """Run work in a thread; cancelling ends the indexing with the current record."""
        try:
            return await asyncio.to_thread(work, *values)
        except asyncio.CancelledError:
            self._stopped = True
            raise

    def _progress(self, path: Path) -> Callable[[int], None]:
        def report(records: int) -> None:
            if self._stopped:
                raise StoppedError(f"indexing {path.name} was stopped.")
            if self._show is not None and records and records % _SHOW_EVERY == 0:
                self._show(f"{path.name}: {records:,} records indexed")

        return report

    def load(self) -> tuple[dict[str, str], list[Failure]]:
        """Index every file: path → sha256 of those in use, and a failure for each other file.

        Raises:
            WorkspaceError: Indexes cannot be written.
        """
        with self._guard:
            if self._loaded is None:
                self._loaded = self._opened()
            files, failures = self._loaded
        return {str(f.path): f.sha256 for f in files}, list(failures)

    def _opened(self) -> tuple[list[_File], list[Failure]]:
        files: list[_File] = []
        failures = []
        for path in self._paths:
            name = clean(path.name)
            try:
                sha256 = self._digest(path)
                if any(f.sha256 == sha256 for f in files):
                    files = [f for f in files if f.sha256 != sha256]  # given twice: the later place counts
                index = open_index(path, sha256, self._folder, self._progress(path))
                contents = index.contents()
            except UnreadablePaper as error:
                message = f"{name}: {error.message}"
                failures.append(Failure(item=name, stage="load_papers", message=message, hint=error.hint))
                continue
            files.append(_File(path, sha256, index))
            if contents.unreadable:
                message = f"{name}: {contents.unreadable:,} records of books, or without PMID or title, were left out."
                failures.append(Failure(item=name, stage="load_papers", message=message))
            if not contents.records and not contents.deleted:
                failures.append(Failure(item=name, stage="load_papers", message=f"{name}: it holds no records."))
        _override(files)
        return files, failures

    def described(self) -> str:
        """Describe in words how many files and indexed records there are; nothing is indexed.

        Raises:
            InputError: A file cannot be read.
        """
        found = [find_index(self._digest(path), self._folder) for path in self._paths]
        records = sum(index.contents().records for index in found if index is not None)
        missing = sum(index is None for index in found)
        later = f"; {missing} will be indexed by the first run" if missing else ""
        return f"{len(found)} file{'s' * (len(found) != 1)}, {records:,} records indexed{later}"

    @property
    def _files(self) -> list[_File]:
        self.load()
        return self._loaded[0] if self._loaded else []

    async def search(self, query: str, limit: int) -> Hits:
        """Find the papers that match a Boolean query with PubMed's field tags, all of its ANDs.

        Raises:
            WorkspaceError: An index cannot be read.
        """
        return await self._in_thread(self._search, query, limit)

    def _search(self, query: str, limit: int) -> Hits:
        tree = parse(query)
        asked = translate(tree, self) if tree is not None else None
        if asked is None:
            return Hits((), 0, warnings=("the query asks for nothing that is indexed, or is nested too deeply",))
        total, candidates = 0, []
        for file in self._files:
            count, papers = self._answers(file, asked, max(limit, _CANDIDATES) if limit > 0 else 0)
            total += count
            candidates += papers
        missing = [] if total else [text for text, expression in asked.leaves if not self.matches(expression)]
        best = self._ranked(candidates, asked.stems)[: max(0, limit)]
        return Hits(tuple(best), total, asked.translation, asked.warnings, tuple(missing))

    def _answers(self, file: _File, asked: TranslatedQuery, limit: int) -> tuple[int, list[Paper]]:
        """Count a file's matching records and list the best, without those that a later file overrides."""
        if file.overridden:
            count = sum(pmid not in file.overridden for pmid in file.index.matching(asked.expression))
        else:
            count = file.index.count(asked.expression)
        return count, file.index.best(asked.expression, limit, file.overridden) if count and limit else []

    def _ranked(self, papers: list[Paper], stems: Sequence[str]) -> list[Paper]:
        """Rank papers by BM25 (Robertson and Zaragoza 2009) of title (twice) and abstract, counted over all files."""
        wanted = {stem: self._rarity(stem) for stem in dict.fromkeys(stems)}
        scored = []
        for paper in papers:
            found = terms(f"{paper.title} {paper.title} {paper.abstract}")
            counts = Counter(t for t in found if t in wanted)
            norm = _K1 * (1 - _B + _B * len(found) / _LENGTH)
            score = sum(wanted[t] * n * (_K1 + 1) / (n + norm) for t, n in counts.items())
            scored.append((score, int(paper.pmid or 0), paper))
        return [p for _, _, p in heapq.nlargest(len(scored), scored, key=lambda s: s[:2])]

    def _rarity(self, stem: str) -> float:
        total = sum(self._sizes)
        found = sum(f.index.documents(stem) for f in self._files)
        return math.log(1 + (total - found + 0.5) / (found + 0.5)) if total >= found else 0.0

    @cached_property
    def _sizes(self) -> list[int]:
        return [f.index.contents().records for f in self._files]

    async def fetch(self, paper_id: str) -> Document:
        """Return title and abstract of a record as a document.

        Raises:
            UnreadablePaper: No file holds it, or it has no abstract.
        """
        return await self._in_thread(self._fetch, paper_id)

    def _fetch(self, paper_id: str) -> Document:
        paper = self.paper(paper_id)
        if paper is None:
            raise UnreadablePaper(f"{clean(paper_id)[:80]} is not among the PubMed files.")
        return record_document(paper)

    def paper(self, paper_id: str) -> Paper | None:
        """Find the record of `PMID…` in the last file that holds or withdraws it; None if there is none."""
        match = re.fullmatch(r"PMID([1-9][0-9]{0,8})", paper_id)
        for file in reversed(self._files) if match else []:
            pmid = int(match[1]) if match else 0
            if file.index.mentions(pmid):
                return file.index.paper(pmid)
        return None

    async def recheck(self, papers: Sequence[Paper]) -> list[Paper]:
        """Update the status of papers that a file holds by PMID; files do not know later retractions."""
        return await asyncio.to_thread(self._recheck, papers)

    def _recheck(self, papers: Sequence[Paper]) -> list[Paper]:
        found = []
        for paper in papers:
            record = self.paper(f"PMID{paper.pmid}") if paper.pmid else None
            if record is not None:
                found.append(as_recorded(paper, record))
        return found

    def variants(self, prefix: str) -> list[str]:
        """List the stems of the files' words that begin with a prefix."""
        return list(dict.fromkeys(stem for f in self._files for stem in f.index.variants(prefix)))

    def years(self) -> list[int]:
        """List the years of the files' records."""
        return sorted({y for f in self._files for y in f.index.years()})

    def matches(self, expression: str) -> bool:
        """Return True if any record matches an expression."""
        return any(f.index.count(expression) for f in self._files)


def open_pubmed_files(
    paths: Sequence[Path], workspace: Path, show: Callable[[str], None] | None = None
) -> PubmedFiles | None:
    """Open files with indexes in a workspace's library; None without files.

    Raises:
        InputError: A file does not exist.
    """
    return PubmedFiles(paths, workspace / "library" / "pubmed", show) if paths else None


def in_order(paths: Sequence[Path]) -> list[Path]:
    """Sort files with NLM's names by year and number, keep other orders as given; each file once."""
    unique = list(dict.fromkeys(paths))
    names = [_NUMBERED.fullmatch(p.name) for p in unique]
    if not all(names):
        return unique
    return [p for _, p in sorted(zip(((m[1], int(m[2])) for m in names if m), unique, strict=True))]


def _found(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.name.lower().endswith(SUFFIXES) and not f.name.startswith("."))
        if not files:
            raise InputError(f"--pubmed-xml: {clean(str(path))} holds no .xml or .xml.gz file.")
        return files
    if not path.exists():
        raise InputError(f"--pubmed-xml: {clean(str(path))} does not exist.", hint="Give PubMed XML files.")
    return [path]


def _override(files: list[_File]) -> None:
    """Set for each file the PMIDs that a later one holds or withdraws."""
    import numpy as np

    if len(files) < 2:
        return
    pmids = [np.fromiter(file.index.pmids(), dtype=np.int32) for file in files]
    every = np.concatenate(pmids)
    number = np.repeat(np.arange(len(files), dtype=np.int32), [len(p) for p in pmids])
    order = np.argsort(every, kind="stable")  # of one PMID the files stay in their order
    again = np.flatnonzero(every[order][:-1] == every[order][1:])
    for n, file in enumerate(files):
        file.overridden = frozenset(every[order[again][number[order[again]] == n]].tolist())
