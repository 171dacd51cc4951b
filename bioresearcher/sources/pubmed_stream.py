"""PubMed's XML files, read record by record: memory does not grow with the file.

They are what NLM distributes as baseline and update files, what efetch answers, and what PubMed saves as XML; plain or
gzipped. The file is hostile input: no DTD is loaded, a file that declares entities is refused, nothing is fetched, and
what is unpacked is bounded.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from bioresearcher.library.canonical import UnreadablePaper, clean

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_UNPACKED: Final = 8_000_000_000
MAX_RECORD: Final = 32_000_000
"""Bytes between the ends of two records; the largest real ones (thousands of authors) have about 3 MB."""

ROOTS: Final = frozenset(["PubmedArticleSet", "MedlineCitationSet"])
RECORDS: Final = ("PubmedArticle", "MedlineCitation", "DeleteCitation", "PubmedBookArticle")
_DOWNLOAD: Final = "Download it again; nothing of it is used."


class _Reader:
    """The unpacked bytes, with their sha256 when packed, counted so that no record can fill the memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.total = 0
        self.since_record = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(1 << 16 if size < 0 else size)
        self.total += len(data)
        self.since_record += len(data)
        if self.total > MAX_UNPACKED:
            raise UnreadablePaper(f"unpacked it has more than {MAX_UNPACKED / 1e9:.0f} GB.")
        if self.since_record > MAX_RECORD:
            raise UnreadablePaper(f"a single record in it has more than {MAX_RECORD / 1e6:.0f} MB.")
        return data


def read_records(path: Path) -> Iterator[_Element]:
    """The file's records in their order: `PubmedArticle`, `PubmedBookArticle` and `DeleteCitation` elements.

    An element is emptied when the next one is asked for, so take what is needed from it first. A bare
    `MedlineCitation` counts as a record in files whose root is `MedlineCitationSet`.

    Raises:
        UnreadablePaper: It is no PubMed XML, is cut off, damaged, or larger than the limits. Records were given before
            that was noticed: what was made of them must be thrown away.
    """
    with _errors(), _opened(path) as file:
        _check_beginning(file)
        yield from _elements(_Reader(file))


def records_of(file: IO[bytes]) -> Iterator[_Element]:
    """The records of an open file or an answer in memory, like `read_records`.

    Raises:
        UnreadablePaper: As there.
    """
    with _errors():
        _check_beginning(file)
        yield from _elements(_Reader(file))


def file_digest(path: Path) -> str:
    """The sha256 of the file as it lies there, in hex.

    Raises:
        UnreadablePaper: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadablePaper(f"it cannot be opened: {error.strerror or error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=raw) as file:
                yield file  # type: ignore[misc]  # reads bytes as any binary file does
        else:
            yield raw


@contextmanager
def _errors() -> Iterator[None]:
    """Whatever is wrong with the file as one line."""
    from lxml import etree

    try:
        yield
    except EOFError as error:
        raise UnreadablePaper("it is cut off: the compressed data end too early.", hint=_DOWNLOAD) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadablePaper("its compressed data are damaged.", hint=_DOWNLOAD) from error
    except etree.XMLSyntaxError as error:
        first = clean(str(error).splitlines()[0] if str(error) else "syntax error")[:160]
        raise UnreadablePaper(f"it is cut off or not well-formed XML: {first}.", hint=_DOWNLOAD) from error
    except OSError as error:
        raise UnreadablePaper(f"it cannot be read: {error.strerror or error}.") from error


def _check_beginning(file: IO[bytes]) -> None:
    head = file.read(2_048)
    file.seek(0)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise UnreadablePaper("the file is empty.", hint=_DOWNLOAD)
    if b"<html" in head.lower() or start[:14].lower().startswith(b"<!doctype html"):
        raise UnreadablePaper("it is a web page, not PubMed XML.", hint="Download the file itself.")
    if not start.startswith(b"<"):
        raise UnreadablePaper("it is not XML.", hint="Give PubMed's XML (.xml or .xml.gz).")


def _elements(reader: _Reader) -> Iterator[_Element]:
    from lxml import etree

    context = etree.iterparse(
        reader,
        events=("start", "end"),
        tag=(*ROOTS, *RECORDS),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    seen = False
    for event, element in context:
        if event == "start":
            if element.getparent() is None:
                _refuse_entities(element)
                seen = True
            continue
        if element.tag in RECORDS and element.getparent() is not None and element.getparent().tag in ROOTS:
            yield element
            reader.since_record = 0
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    if not seen:
        root = context.root
        name = str(root.tag)[:40] if root is not None else "nothing"
        raise UnreadablePaper(f"its root element is <{name}>, which is no PubMed XML.", hint="Give PubMed's XML.")


def _refuse_entities(root: _Element) -> None:
    declared: Any = root.getroottree().docinfo.internalDTD  # its declared type lacks `iterentities`
    if declared is not None and next(declared.iterentities(), None) is not None:
        raise UnreadablePaper("it declares entities of its own, which no file of PubMed does.")
