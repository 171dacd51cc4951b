"""Where GEO keeps what, and its folder listings.

Folders: https://www.ncbi.nlm.nih.gov/geo/info/download.html; the last three digits of an accession become `nnn`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from bioresearcher.errors import InputError, ServiceAnswerError
from bioresearcher.schemas.dataset import Contents, RemoteFile

_FOLDERS: Final = {"GSE": "series", "GDS": "datasets", "GPL": "platforms", "GSM": "samples"}
_LINK = re.compile(r'<a href="([^"]+)">[^<]*</a>([^<\n]*)', re.I)
_SIZE = re.compile(r"(?:^|\s)(\d+(?:\.\d+)?)\s*([KMGT]?)\s*$")
_UNIT: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+()=,&@~ -]{0,199}")

_VALUES = re.compile(
    r"count|fpkm|rpkm|[tc]pm(?![a-z])|expr|norm|matrix|abundance|rma|log2|intensit|gene[_.-]?level|quantil|rld|vst|beta",
    re.I,
)
_RESULTS = re.compile(
    r"(?<![a-z])vs(?![a-z])|versus|(?<![a-z])degs?(?![a-z])|(?<![a-z])dge(?![a-z])|diff(?!use)|p[_.-]?val|fdr|signific"
    r"|deseq|edger|limma|cuffdiff|enrich|gsea|(?<![a-z])go_",
    re.I,
)
_TABLE = re.compile(r"\.(txt|tsv|csv|tab|xlsx)(\.gz)?$", re.I)
_RAW = re.compile(
    r"\.(cel|idat|fastq|fq|bam|bw|bigwig|bedgraph|wig|bed|narrowpeak|broadpeak|gpr|pair|fcs)(\.gz)?$", re.I
)
_ARCHIVE = re.compile(r"\.(tar|tar\.gz|tgz|zip|rar|7z)$", re.I)
_WORDS = re.compile(r"readme|metadata|meta[_.-]|sample[_.-]?(info|sheet|key)|pheno|clinical|annot|filelist", re.I)


def folder_of(files_url: str, accession: str) -> str:
    """The folder of an accession below the address of GEO's files, with a slash at its end.

    Raises:
        InputError: It is no accession of GEO.
    """
    match = re.fullmatch(r"(GSE|GDS|GPL|GSM)([1-9]\d{0,8})", accession)
    if match is None:
        raise InputError(f"{accession[:40]!r} is no accession of GEO.")
    return f"{files_url.rstrip('/')}/{_FOLDERS[match[1]]}/{match[1]}{match[2][:-3]}nnn/{accession}/"


def read_listing(body: bytes, folder: str) -> list[RemoteFile]:
    """The files of a folder listing, with their rounded sizes. Links that lead elsewhere are left out.

    Raises:
        ServiceAnswerError: It is no folder listing.
    """
    text = body.decode("utf-8", "replace")
    if "<a href=" not in text.lower() or "index of" not in text.lower():
        raise ServiceAnswerError(f"{folder}: no folder listing came back.")
    found = []
    for link, rest in _LINK.findall(text):
        name = unquote(link)
        if not _NAME.fullmatch(name) or ".." in name:
            continue
        size = _SIZE.search(rest)
        announced = int(float(size[1]) * _UNIT[size[2]]) if size else None
        found.append(RemoteFile(name=name, url=folder + quote(name), bytes=announced, contents=contents_of(name)))
    return found


def contents_of(name: str) -> Contents:
    """What a file's name says it holds."""
    if name.endswith(("_series_matrix.txt.gz", "_series_matrix.txt")):
        return "series matrix"
    if _ARCHIVE.search(name):
        return "archive"
    if _RAW.search(name):
        return "raw"
    if not _TABLE.search(name):
        return "other"
    if _WORDS.search(name):
        return "description"
    if _RESULTS.search(name):
        return "results"
    return "values" if _VALUES.search(name) else "other"


def platform_of(name: str, default: str) -> str:
    """The platform of a series matrix file: named in files of series with several, else the series' only one."""
    match = re.match(r"GSE\d+-(GPL\d+)_series_matrix", name)
    return match[1] if match else default
