"""Readers of GEO's answers: E-utilities' summaries for `db=gds`, and the listings of its file folders.

Summaries come as JSON (version 0.3) or XML (versions 1 and 2) with the same fields under different spellings, so names
are first reduced to lower case without underscores (https://www.ncbi.nlm.nih.gov/geo/info/geo_paccess.html).
Folders: https://www.ncbi.nlm.nih.gov/geo/info/download.html; the last three digits of an accession become `nnn`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from bioresearcher.errors import InputError, ServiceAnswerError
from bioresearcher.schemas.dataset import Contents, EntryType, GeoSummary, RemoteFile
from bioresearcher.sources.datasets.formats import SUPPLEMENT_SUFFIXES
from bioresearcher.sources.datasets.table_stream import plain_suffix

if TYPE_CHECKING:
    from lxml.etree import _Element

Fields = dict[str, Any]
_MAX_SAMPLES = 5000
_KINDS: Final[dict[str, EntryType]] = {"GSE": "GSE", "GDS": "GDS", "GPL": "GPL", "GSM": "GSM"}
_PREFIX: Final = {"GDS": 0, "GPL": 100_000_000, "GSE": 200_000_000, "GSM": 300_000_000}


def uid_of(accession: str) -> str | None:
    """Return the uid of a GEO accession in `db=gds`; None if it has none."""
    match = re.fullmatch(r"(GSE|GDS|GPL|GSM)([1-9]\d{0,7})", accession)
    return str(_PREFIX[match[1]] + int(match[2])) if match else None


def read_summaries(body: bytes, name: str = "esummary") -> tuple[list[GeoSummary], dict[str, str]]:
    """Read the records of an answer, and the errors of those it does not have (uid -> message).

    Raises:
        ServiceAnswerError: The answer is none of `db=gds`: damaged, an error page, or of another database.
    """
    start = body.lstrip()[:1]
    if start == b"{":
        records = list(_from_json(body, name))
    elif start == b"<":
        records = list(_from_xml(body, name))
    else:
        raise _refused(f"{name}: neither JSON nor XML ({_shown(body)}).")
    errors = {uid: str(fields["error"]) for uid, fields in records if "error" in fields}
    found = [_summary(uid, fields, name) for uid, fields in records if "error" not in fields]
    return found, errors


def read_uids(body: bytes, name: str = "esearch") -> list[str]:
    """Read the uids of a JSON esearch answer, in its order.

    Raises:
        ServiceAnswerError: The answer is none, or the service says that the query is wrong.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refused(f"{name}: not valid JSON ({_shown(body)}).") from error
    result = data.get("esearchresult") if isinstance(data, dict) else None
    if not isinstance(result, dict):
        raise _refused(f"{name}: no esearch answer ({_shown(body)}).")
    if message := result.get("ERROR"):
        raise _refused(f"{name}: the service says {str(message)[:200]!r}.")
    uids = result.get("idlist")
    if not isinstance(uids, list):
        raise _refused(f"{name}: the esearch answer has no list of records.")
    return [str(u) for u in uids if str(u).isdecimal()]


def _refused(text: str) -> ServiceAnswerError:
    """Make an error of one line, whatever the answer held."""
    return ServiceAnswerError(" ".join(text.split()))


def _shown(body: bytes) -> str:
    text = " ".join(body[:120].decode("utf-8", "replace").split())
    return repr(text[:60])


def _from_json(body: bytes, name: str) -> Iterator[tuple[str, Fields]]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refused(f"{name}: not valid JSON; the answer may be cut off ({error}).") from error
    if isinstance(data, dict) and isinstance(message := data.get("error"), str):
        raise _refused(f"{name}: the service says {message[:200]!r}.")
    result = data.get("result") if isinstance(data, dict) else None
    uids = result.get("uids") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(uids, list):
        raise _refused(f"{name}: JSON, but no esummary answer: it has no `result.uids`.")
    for uid in uids:
        record = result.get(str(uid))
        if not isinstance(record, dict):
            raise _refused(f"{name}: the record of {str(uid)[:20]} is missing.")
        yield str(uid), {_key(k): v for k, v in record.items()}


def _from_xml(body: bytes, name: str) -> Iterator[tuple[str, Fields]]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise _refused(f"{name}: not valid XML; the answer may be cut off ({error.msg}).") from error
    if root.tag != "eSummaryResult":
        message = " ".join(str(root.xpath("string()")).split())[:120]
        raise _refused(f"{name}: no esummary answer but <{root.tag}> ({message!r}).")
    for record in root.iter("DocSum"):
        fields = {_key(item.get("Name", "")): _item(item) for item in record.findall("Item")}
        yield (record.findtext("Id") or ""), fields
    for record in root.iter("DocumentSummary"):
        uid = record.get("uid", "")
        yield uid, {_key(str(child.tag)): _element(child) for child in record.iterchildren("*")}
    for error_element in root.findall("ERROR"):
        raise _refused(f"{name}: the service says {(error_element.text or '').strip()[:200]!r}.")


def _item(item: _Element) -> object:
    """Read a field of version 1: `<Item Name= Type=List|Structure|String>`."""
    kind = item.get("Type")
    if kind == "List":
        return [_item(child) for child in item.findall("Item")]
    if kind == "Structure":
        return {_key(child.get("Name", "")): _item(child) for child in item.findall("Item")}
    return (item.text or "").strip()


def _element(element: _Element) -> object:
    """Read a field of version 2; an element with child elements is a list of values or of records."""
    children = list(element.iterchildren("*"))
    if not children:
        return (element.text or "").strip()
    if all(len(c) == 0 and c.tag in ("int", "string") for c in children):
        return [(c.text or "").strip() for c in children]
    return [{_key(str(f.tag)): _element(f) for f in c.iterchildren("*")} for c in children]


def _key(name: str) -> str:
    return name.replace("_", "").lower()


def _summary(uid: str, fields: Fields, name: str) -> GeoSummary:
    kind, accession = _KINDS.get(_text(fields, "entrytype").upper()), _text(fields, "accession")
    if kind is None or not re.fullmatch(rf"{kind}\d{{1,9}}", accession):
        raise _refused(f"{name}: record {uid[:20]} is none of GEO DataSets (no entry type and accession).")
    samples = [s for s in _list(fields, "samples") if isinstance(s, Mapping)][:_MAX_SAMPLES]
    relations = [r for k in ("relations", "extrelations") for r in _list(fields, k) if isinstance(r, Mapping)]
    number = _text(fields, "nsamples")
    return GeoSummary(
        uid=uid,
        accession=accession,
        entry_type=kind,
        title=" ".join(_text(fields, "title").split()),
        summary=_text(fields, "summary"),
        organism=_text(fields, "taxon"),
        assays=_parts(_text(fields, "gdstype")),
        platforms=tuple(f"GPL{n}" for n in _numbers(_text(fields, "gpl"))),
        series=tuple(f"GSE{n}" for n in _numbers(_text(fields, "gse"))[:50]),
        n_samples=int(number) if number.isdecimal() and len(number) < 9 else len(samples),
        samples=tuple((_text(s, "accession"), _text(s, "title")) for s in samples),
        supplementary=tuple(p.strip() for p in _text(fields, "suppfile").split(",") if p.strip()),
        published=_text(fields, "pdat"),
        pubmed_ids=tuple(str(p) for p in _list(fields, "pubmedids") if str(p).isdecimal()),
        relations=tuple(f"{_text(r, 'relationtype')} {_text(r, 'targetobject')}".strip() for r in relations),
        bioproject=_text(fields, "bioproject"),
        folder=_text(fields, "ftplink"),
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(p.strip() for p in text.split(";") if p.strip())


def _numbers(text: str) -> list[str]:
    return [p for p in re.split(r"[;,\s]+", text) if p.isdecimal()]


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _list(fields: Mapping[str, Any], key: str) -> Sequence[Any]:
    value = fields.get(key)
    return value if isinstance(value, list) else ()


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
_RAW = re.compile(
    r"\.(cel|idat|fastq|fq|bam|bw|bigwig|bedgraph|wig|bed|narrowpeak|broadpeak|gpr|pair|fcs)(\.gz)?$", re.I
)
_ARCHIVE = re.compile(r"\.(tar|tar\.gz|tgz|zip|rar|7z)$", re.I)
_WORDS = re.compile(r"readme|metadata|meta[_.-]|sample[_.-]?(info|sheet|key)|pheno|clinical|annot|filelist", re.I)


def folder_of(files_url: str, accession: str) -> str:
    """Build the URL of an accession's folder, with a slash at its end.

    Raises:
        InputError: It is no accession of GEO.
    """
    match = re.fullmatch(r"(GSE|GDS|GPL|GSM)([1-9]\d{0,8})", accession)
    if match is None:
        raise InputError(f"{accession[:40]!r} is no accession of GEO.")
    return f"{files_url.rstrip('/')}/{_FOLDERS[match[1]]}/{match[1]}{match[2][:-3]}nnn/{accession}/"


def read_listing(body: bytes, folder: str) -> list[RemoteFile]:
    """Read the files of a folder listing, with their rounded sizes; links that lead elsewhere are left out.

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
    """Guess the contents of a file from its name."""
    if name.endswith(("_series_matrix.txt.gz", "_series_matrix.txt")):
        return "series matrix"
    if _ARCHIVE.search(name):
        return "archive"
    if _RAW.search(name):
        return "raw"
    if plain_suffix(Path(name)) not in SUPPLEMENT_SUFFIXES:
        return "other"
    if _WORDS.search(name):
        return "description"
    if _RESULTS.search(name):
        return "results"
    return "values" if _VALUES.search(name) else "other"


def platform_of(name: str, default: str) -> str:
    """Find the platform in the name of a series matrix file; else `default`, the series' only one."""
    match = re.match(r"GSE\d+-(GPL\d+)_series_matrix", name)
    return match[1] if match else default
