"""What a source of papers or data sets can do; each module beside this one knows one service or folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.passage import Document


class LiteratureSource(Protocol):
    """Finds papers and gives their text."""

    @property
    def name(self) -> str:
        """What `Paper.source` says for papers from here."""
        ...

    async def search(self, query: str, limit: int) -> Sequence[Paper]:
        """The papers that answer a Boolean query best, best first, at most `limit`.

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


class DatasetSource(Protocol):
    """Finds data sets and gives their files."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    async def search(self, query: str, limit: int) -> Sequence[Dataset]:
        """The data sets that answer a Boolean query best, best first, at most `limit`.

        Raises:
            OutsideError: The source cannot be reached.
        """
        ...

    async def fetch(self, dataset_id: str) -> Dataset:
        """The data set with its files present under `Dataset.root`.

        Raises:
            InputError: The source has no such data set.
            OutsideError: Its files cannot be had.
        """
        ...
