"""Readers of supplementary values (counts, TPM, FPKM …): tables linked to the samples, and archives (`GSE…_RAW.tar`).

An archive holds a table per sample; they are laid side by side. Nothing is unpacked to a path that the archive chooses:
members are read through the archive and written under our own names.
"""

from __future__ import annotations

import csv
import re
import tarfile
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import GeoSample, RemoteFile
from bioresearcher.schemas.missing import blanked, is_missing
from bioresearcher.sources.datasets.formats import excel_tables, plain_file
from bioresearcher.sources.datasets.table_stream import GZIP, LineLimits, Lines, open_lines, plain_suffix, unpacked
from bioresearcher.sources.geo.matrix import MAX_SAMPLES_SIDE_BY_SIDE, Row, SampleRows, gene_column

MEMBER_TEXT = 512 << 20
"""Most bytes of text of one archive member, unpacked."""
_PEEK = 60
_ANNOTATION = re.compile(
    r"^(length|start|end|chr\w*|chromosome|strand|width|entrez\w*|gene_?id|geneid|band|exon\w*|biotype|gc\w*|p_?val\w*"
    r"|padj|fdr|log2?_?fc|log2foldchange|basemean|stat|lfcse|t|b|logcpm|lr)$",
    re.I,
)
_TABLE = re.compile(r"(GSM\d{3,9})[^/]*\.(txt|tsv|csv|tab|counts?)(\.gz)?$", re.I)
_COUNTS = re.compile(r"expected_?count|est_?counts|numreads|^counts?$|raw_?counts?|reads|_count", re.I)
_SUMMARY = ("__", "N_", "no_feature", "ambiguous", "too_low", "not_aligned", "alignment_not")


@dataclass
class SupplementRows:
    """Supplementary table as rows of values.

    Attributes:
        path: The file; `.xlsx` or delimited text, plain or gzipped.
        samples: Names of the value columns: sample accessions where they could be linked, else as written.
        linked: How many could be linked.
        genes: Feature -> symbol, where the table has both.
    """

    path: Path
    listed: Sequence[GeoSample]
    samples: list[str] = field(default_factory=list)
    genes: dict[str, str] = field(default_factory=dict)
    linked: int = 0
    written: list[str] = field(default_factory=list)
    _places: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find the value columns and link them.

        Raises:
            InputError: The file cannot be read, or holds no columns of numbers.
        """
        with closing(self._raw()) as rows:
            header = next(rows, [])
            body = list(islice(rows, _PEEK))
        if body and len(body[0]) == len(header) + 1:
            header = ["", *header]  # R writes no name above the row names
        self._places = [i for i in range(1, len(header)) if _is_value(header[i], [r[i] for r in body if i < len(r)])]
        if not self._places or not body:
            raise InputError(f"{self.path.name}: it has no columns of numbers beside its feature names.")
        self.written = [header[i].strip() for i in self._places]
        links = link_columns(self.written, self.listed)
        self.linked = len(links)
        names = [links.get(w, w) for w in self.written]
        repeated = {n for n, count in Counter(names).items() if count > 1}
        self.samples = [w if n in repeated else n for n, w in zip(names, self.written, strict=True)]
        symbol = gene_column(header)
        at = header.index(symbol) if symbol else 0
        if at and at not in self._places:
            with closing(self._raw()) as rows:
                self.genes = {r[0]: r[at] for r in islice(rows, 1, None) if at < len(r) and not is_missing(r[at])}

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows; those without a feature name are left out."""
        with closing(self._raw()) as rows:
            for row in islice(rows, 1, None):
                if row and row[0].strip():
                    yield row[0].strip(), [row[i] if i < len(row) else "" for i in self._places]

    def _raw(self) -> Generator[list[str], None, None]:
        return _excel(self.path) if plain_suffix(self.path) == ".xlsx" else _delimited(self.path)


def _excel(path: Path) -> Generator[list[str], None, None]:
    """Yield the rows of the first sheet that has more than two."""
    with plain_file(path) as plain:
        for table in excel_tables(plain):
            head = list(islice(table.rows, 3))
            if len(head) == 3:
                yield from ([*row] for row in head)
                yield from ([*row] for row in table.rows)
                return


def _delimited(path: Path) -> Generator[list[str], None, None]:
    """Yield the rows of a text table; the separator is the most frequent in its first line, ## lines are skipped."""
    with open_lines(path) as lines:
        text = (line for line in iter(lines) if line.strip() and not line.startswith("##"))
        first = next(text, "")
        separator = max("\t,; ", key=first.count)
        try:
            yield from csv.reader(chain((first,), text), delimiter=separator)
        except csv.Error as error:
            raise InputError(f"{path.name}: cannot be read as a table ({error}).") from error


def _is_value(name: str, cells: Sequence[str]) -> bool:
    known = [c for c in blanked(cells) if c]
    if not known or _ANNOTATION.match(name.strip()):
        return False
    return sum(as_number(c) is not None for c in known) >= 0.9 * len(known)


def link_columns(columns: Sequence[str], samples: Sequence[GeoSample]) -> dict[str, str]:
    """Link columns to sample accessions by accession, title, or description, only one to one."""
    found: dict[str, str] = {}
    for names_of in (_exact_names, _loose_names):
        links: dict[str, set[str]] = {}
        for sample in samples:
            for name in names_of(sample):
                links.setdefault(name, set()).add(sample.accession)
        for column in columns:
            key = column.strip() if names_of is _exact_names else _loose(column)
            fits = links.get(key, set())
            if column not in found and len(fits) == 1:
                found[column] = next(iter(fits))
    for column in columns:
        if column not in found and (match := re.search(r"GSM\d{3,9}", column)) is not None:
            found[column] = match[0]
    taken = Counter(found.values())
    known = {s.accession for s in samples}
    return {c: s for c, s in found.items() if taken[s] == 1 and s in known}


def _exact_names(sample: GeoSample) -> set[str]:
    return {sample.accession, sample.title.strip()} - {""}


def _loose_names(sample: GeoSample) -> set[str]:
    """List the title, its part after a colon or in brackets, a short description, and naming characteristics."""
    texts = [sample.title, sample.title.split(":")[-1], *re.findall(r"[\[(]([^\])]+)[\])]", sample.title)]
    texts += [sample.description] if len(sample.description) <= 80 else []
    texts += re.findall(r"[A-Za-z0-9][\w.-]{3,40}", sample.description) if len(sample.description) <= 200 else []
    texts += [v for k, v in sample.characteristics if re.search(r"\b(id|name|sample|patient|library)\b", k, re.I)]
    return {_loose(t) for t in texts if len(_loose(t)) > 1}


def _loose(name: str) -> str:
    """Reduce to lower case letters and digits, without the X that R puts before a digit."""
    return re.sub(r"[\W_]+", "", re.sub(r"^X(?=\d)", "", name)).lower()


def read_filelist(body: bytes, archive: RemoteFile) -> RemoteFile:
    """Describe an archive by GEO's `filelist.txt`; its contents are `values` if it holds a table per sample."""
    kinds: Counter[str] = Counter()
    tables = 0
    for line in body.decode("utf-8", "replace").splitlines()[:200_000]:
        cells = line.split("\t")
        if len(cells) >= 5 and cells[0] == "File":
            kinds[cells[4].strip().upper()[:20] or "?"] += 1
            tables += _TABLE.match(cells[1].strip()) is not None
    if not kinds:
        return archive
    inside = tuple(f"{n} {kind}" for kind, n in kinds.most_common(6))
    mostly = tables >= 2 and tables >= 0.8 * sum(kinds.values())
    return archive.model_copy(update={"inside": inside, "contents": "values" if mostly else "archive"})


@contextmanager
def archive_rows(path: Path, samples: Sequence[GeoSample]) -> Iterator[SampleRows]:
    """Lay the values of the samples' tables in an archive side by side.

    Raises:
        InputError: It is no archive, or holds no table of a sample of the series.
    """
    known = {s.accession for s in samples}
    with tempfile.TemporaryDirectory(prefix="bioresearcher-") as folder:
        files: dict[str, Path] = {}
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    match = _TABLE.match(Path(member.name).name)
                    if not member.isreg() or match is None or match[1] not in known or match[1] in files:
                        continue
                    if len(files) >= MAX_SAMPLES_SIDE_BY_SIDE:
                        raise InputError(f"{path.name}: more than {MAX_SAMPLES_SIDE_BY_SIDE} samples.")
                    content = archive.extractfile(member)
                    target = Path(folder, str(len(files)))
                    if content is not None and _spill(content, match[0], target):
                        files[match[1]] = target
        except (tarfile.TarError, OSError, EOFError) as error:
            raise InputError(f"{path.name}: cannot be read as an archive ({error}).") from error
        if not files:
            raise InputError(f"{path.name}: holds no table of a sample of the series")
        yield SampleRows(list(files.values()), list(files))


def _spill(content: IO[bytes], name: str, target: Path) -> int:
    """Write feature and value of one member's table and return the number of rows."""
    packed = content.read(2) == GZIP
    content.seek(0)
    lines = Lines(unpacked(content, packed=packed), name, LineLimits(text_bytes=MEMBER_TEXT))
    text = (line for line in iter(lines) if line.strip() and not line.startswith("#"))
    head = list(islice(text, 5))
    if not head:
        return 0
    separator = max("\t,; ", key=head[0].count)
    rows = csv.reader(chain(head, text), delimiter=separator)
    first = next(rows, [])
    at, has_header = _value_column(first, [line.split(separator) for line in head[1:]])
    count = 0
    with target.open("w", encoding="utf-8") as out:
        for row in rows if has_header else chain([first], rows):
            feature = row[0].strip() if row else ""
            if at < len(row) and feature and not feature.startswith(_SUMMARY):
                out.write(f"{feature}\t{row[at].strip()}\n")
                count += 1
    return count


def _value_column(first: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[int, bool]:
    """Find the column of values (named like counts, else the last with numbers), and if there is a header."""
    width = len(first)
    numeric = [
        i for i in range(1, width) if body and all(i < len(row) and as_number(row[i]) is not None for row in body)
    ]
    has_header = any(as_number(first[i]) is None for i in numeric) if numeric else False
    if has_header:
        named = [i for i in numeric if _COUNTS.search(first[i].strip())]
        if named:
            return named[0], True
    return (numeric[-1] if numeric else max(1, width - 1)), has_header
