"""`GSE…_RAW.tar`: what is in it, by GEO's own list, and tables of single samples in it laid side by side.

Nothing is unpacked to a path of the archive's choosing: members are read through the archive, by our own names.
"""

from __future__ import annotations

import csv
import re
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import RemoteFile
from bioresearcher.schemas.geo import GeoSample
from bioresearcher.sources.geo_rows import MAX_SAMPLES_SIDE_BY_SIDE, SampleRows
from bioresearcher.sources.lines import GZIP, LineLimits, Lines, unpacked

MEMBER_TEXT = 512 << 20
"""Text of one member, unpacked."""
_TABLE = re.compile(r"(GSM\d{3,9})[^/]*\.(txt|tsv|csv|tab|counts?)(\.gz)?$", re.I)
_COUNTS = re.compile(r"expected_?count|est_?counts|numreads|^counts?$|raw_?counts?|reads|_count", re.I)
_SUMMARY = ("__", "N_", "no_feature", "ambiguous", "too_low", "not_aligned", "alignment_not")


def read_filelist(body: bytes, archive: RemoteFile) -> RemoteFile:
    """The archive with what GEO's `filelist.txt` says is in it; `values` when it holds a table per sample."""
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
    """The values of the samples' tables in an archive.

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
    """Write feature and value of one member's table; the number of rows."""
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
    """(place of the values, whether there is a header): a column named like counts, else the last one with numbers."""
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
