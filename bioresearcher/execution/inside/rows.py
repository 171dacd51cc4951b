"""Read text tables, plain or gzipped, as rows of cells; for the scripts beside this module."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def open_text(path: Path, mode: str) -> IO[str]:
    """Open a text file, keeping undecodable bytes and line ends as they are; `.gz` is (de)compressed."""
    if path.suffix.lower() == ".gz":
        binary: Any = gzip.GzipFile(path, mode + "b", compresslevel=1, mtime=0)
    else:
        binary = path.open(mode + "b")
    return io.TextIOWrapper(binary, encoding="utf-8", errors="surrogateescape", newline="")


def separator_of(path: Path, header: str) -> str:
    """Return the separator by suffix, else the commonest candidate in the header; tab when there is none."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix == ".csv":
        return max(",;", key=header.count)
    return "\t" if suffix in {".tsv", ".tab"} or "\t" in header else max("\t,;", key=header.count)


def split_rows(lines: Iterator[str], separator: str) -> Iterator[list[str]]:
    """Yield rows of cells; tabs are split as they stand, other separators with quotes."""
    if separator == "\t":
        return (line.rstrip("\r\n").split("\t") for line in lines)
    return csv.reader(lines, delimiter=separator)
