"""What a source of papers or data sets can do; each module beside this one knows one service or folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Document, Failure, Paper


@dataclass(frozen=True, slots=True)
class Hits:
    """What a source answers to a query.

    Attributes:
        papers: The best of those that answer it, best first.
        total: How many answer it in all.
        translation: The query as the source understood it; empty when it does not say.
        warnings: What the source said about the query, such as a field it does not know or a phrase it ignored.
        missing: Terms of the query that no paper has, as written in the query, without quotes; with the field tag where
            only that field was looked in (`immune[Title]`).
        literal: Whether every AND must be fulfilled, so that a query that finds nothing is worth relaxing. A source
            that answers in part anyway says no.
    """

    papers: tuple[Paper, ...]
    total: int
    translation: str = ""
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    literal: bool = True


class LiteratureSource(Protocol):
    """Finds papers and gives their text."""

    @property
    def name(self) -> str:
        """What `Paper.source` says for papers from here."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that are asked over the network; empty for a source that lies on this machine."""
        ...

    async def search(self, query: str, limit: int) -> Hits:
        """The papers that answer a Boolean query best, at most `limit` of them, and how the query was understood.

        Raises:
            OutsideError: The source cannot be reached; `retryable` says whether to try again.
        """
        ...

    async def fetch(self, paper_id: str) -> Document:
        """The text of a paper that `search` returned.

        Raises:
            UnreadablePaper: There is no readable text; a `Failure` for this paper, not the end of the run.
            OutsideError: The source cannot be reached.
        """
        ...


@runtime_checkable
class FullTextSource(Protocol):
    """Has the open full text of some papers."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    async def full_text(self, paper: Paper) -> Document | None:
        """The paper's text; None when this source has none that is open.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...


@runtime_checkable
class StatusSource(Protocol):
    """Knows of papers whether they were retracted, doubted or corrected."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    async def recheck(self, papers: Sequence[Paper]) -> Sequence[Paper]:
        """Those of the papers it knows, with status and notices as it has them now.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...


class DatasetSource(Protocol):
    """Finds data sets and gives their files: search or name, inspect, and fetch what was chosen."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that are asked over the network."""
        ...

    async def search(self, query: str, limit: int) -> Sequence[Dataset]:
        """The data sets that answer a Boolean query, at most `limit`; their files are not here yet.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...

    async def named(self, accessions: Mapping[str, Sequence[str]]) -> tuple[Sequence[Dataset], Sequence[Failure]]:
        """The data sets with these accessions (accession -> where it was found), and those it does not have.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...

    async def inspect(self, dataset: Dataset) -> Dataset:
        """A data set with its samples and files described; what could not be had is in its notes."""
        ...

    async def fetch_dataset(self, dataset: Dataset) -> Dataset:
        """An inspected data set with its files present under `Dataset.root`.

        Raises:
            InputError: Nothing in it can be used.
            OutsideError: Its files cannot be had.
        """
        ...


class WebAnswer(Protocol):
    """A web server's answer."""

    @property
    def body(self) -> bytes:
        """What came."""
        ...


class Web(Protocol):
    """How sources ask web servers: politely, within limits, remembered."""

    async def get(self, url: str, params: Mapping[str, str] | None = None, *, kind: str, max_bytes: int) -> WebAnswer:
        """An answer of at most `max_bytes`; `kind` says how long it may be remembered.

        Raises:
            OutsideError: The server cannot be reached or does not give it.
        """
        ...

    async def download(self, url: str, dest: Path, *, max_bytes: int) -> object:
        """A file, whole or not at all.

        Raises:
            OutsideError: The server cannot be reached, does not give it, or it is larger than `max_bytes`.
        """
        ...
