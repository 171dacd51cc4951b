"""Protocols of the sources of papers and data sets; each module beside this one implements one service or folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Document, Failure, Paper


@dataclass(frozen=True, slots=True)
class Hits:
    """Answer of a source to a query.

    Attributes:
        papers: The best matches, best first.
        total: Number of papers that match it in all.
        translation: The query as the source understood it; empty if it does not report that.
        warnings: Warnings about the query, such as an unknown field or an ignored phrase.
        missing: Terms of the query that no paper has, as written in the query, without quotes; with the field tag where
            only that field was searched (`immune[Title]`).
        literal: True if every AND must be fulfilled, so that a query without hits is worth relaxing; False for a
            source that also gives partial matches.
    """

    papers: tuple[Paper, ...]
    total: int
    translation: str = ""
    warnings: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    literal: bool = True


class LiteratureSource(Protocol):
    """Source that finds papers and gives their text."""

    @property
    def name(self) -> str:
        """Value of `Paper.source` for papers from here."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that are asked over the network; empty for a source on this machine."""
        ...

    async def search(self, query: str, limit: int) -> Hits:
        """Find the papers that match a Boolean query best, at most `limit`, with the translation of the query.

        Raises:
            OutsideError: The source cannot be reached; `retryable` says whether to try again.
        """
        ...

    async def fetch(self, paper_id: str) -> Document:
        """Fetch the text of a paper that `search` returned.

        Raises:
            UnreadablePaper: There is no readable text; a `Failure` for this paper, not the end of the run.
            OutsideError: The source cannot be reached.
        """
        ...


@runtime_checkable
class FullTextSource(Protocol):
    """Source of the open full text of some papers."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    async def full_text(self, paper: Paper) -> Document | None:
        """Fetch the paper's text; None if this source has none that is open.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...


@runtime_checkable
class StatusSource(Protocol):
    """Source of the retractions, concerns and corrections of papers."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    async def recheck(self, papers: Sequence[Paper]) -> Sequence[Paper]:
        """Return those of the papers it knows, with title, authors, status and notices as it has them now.

        A title and authors of another article show that the paper's identifier is not its own.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...


class DatasetSource(Protocol):
    """Source that finds data sets by query or accession, inspects them, and fetches the chosen ones."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that are asked over the network."""
        ...

    async def search(self, query: str, limit: int) -> Sequence[Dataset]:
        """Find the data sets that match a Boolean query, at most `limit`, without their files.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...

    async def named(self, accessions: Mapping[str, Sequence[str]]) -> tuple[Sequence[Dataset], Sequence[Failure]]:
        """Find the data sets with these accessions (accession -> where it was found), and list those it lacks.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...

    async def inspect(self, dataset: Dataset) -> Dataset:
        """Describe the samples and files of a data set; its notes name what could not be fetched."""
        ...

    async def fetch_dataset(self, dataset: Dataset) -> Dataset:
        """Fetch the files of an inspected data set to `Dataset.root`.

        Raises:
            InputError: Nothing in it can be used.
            OutsideError: Its files cannot be had.
        """
        ...


class WebAnswer(Protocol):
    """Answer of a web server."""

    @property
    def body(self) -> bytes:
        """Content."""
        ...


class Web(Protocol):
    """HTTP client of the sources, with rate limits and stored answers."""

    async def get(self, url: str, params: Mapping[str, str] | None = None, *, kind: str, max_bytes: int) -> WebAnswer:
        """Get an answer of at most `max_bytes`; its `kind` decides how long it may be stored.

        Raises:
            OutsideError: The server cannot be reached or does not give it.
        """
        ...

    async def download(self, url: str, dest: Path, *, max_bytes: int) -> object:
        """Download a file, whole or not at all.

        Raises:
            OutsideError: The server cannot be reached, does not give it, or it is larger than `max_bytes`.
        """
        ...
