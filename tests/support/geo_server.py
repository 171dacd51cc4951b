"""GEO on this machine: esearch and esummary (`db=gds`, JSON 0.3), the accession page, folder listings and files.

What it serves is made from the real records and files of the test data; faults come on demand.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from bioresearcher.sources.datasets.table_stream import open_lines
from bioresearcher.sources.geo.soft import entities

Reply = tuple[int, str, bytes]
Fault = Callable[[str], Reply | None]


@dataclass
class GeoWorld:
    """What GEO has.

    Attributes:
        records: Accession -> fields of its esummary record.
        pages: Accession -> brief SOFT record.
        files: Path below `geo/` -> content.
        announced: Path -> size as the listing and the header say, where it is not the content's.
    """

    records: dict[str, dict[str, object]] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, int] = field(default_factory=dict)

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        if path.endswith("/esearch.fcgi"):
            return self._json(self._search(query))
        if path.endswith("/esummary.fcgi"):
            return self._json(self._summaries(query["id"].split(",")))
        if path.endswith("/acc.cgi"):
            page = self.pages.get(query["acc"])
            return (200, "geo/text", page) if page else (200, "text/html", b"<html><body>Could not find</body></html>")
        name = unquote(path.split("/geo/", 1)[-1])
        if name.endswith("/"):
            return self._listing(name)
        return (200, "application/x-gzip", self.files[name]) if name in self.files else (404, "text/html", b"Not found")

    def _json(self, data: object) -> Reply:
        return 200, "application/json", json.dumps(data).encode()

    def _search(self, query: dict[str, str]) -> object:
        """Words are joined by AND; OR groups within brackets; the entry type is a filter."""
        term = re.sub(r"\s+AND gse\[ETYP\]$", "", query["term"]).replace("[All Fields]", "")
        groups = [re.findall(r'"([^"]+)"|(\w[\w-]+)', g) for g in term.split(" AND ")]
        found = []
        for accession, record in self.records.items():
            text = f"{record['title']} {record['summary']} {record['bioproject']}".lower()
            words = [[a or b for a, b in group if (a or b) not in ("OR", "All", "Fields")] for group in groups]
            if accession.startswith("GSE") and all(any(w.lower() in text for w in group) for group in words if group):
                found.append(uid(accession))
        limit = int(query.get("retmax", "20"))
        return {"header": {"type": "esearch", "version": "0.3"},
                "esearchresult": {"count": str(len(found)), "retmax": str(limit), "retstart": "0",
                                  "idlist": found[:limit], "querytranslation": query["term"]}}  # fmt: skip

    def _summaries(self, uids: list[str]) -> object:
        known = {uid(a): {"uid": uid(a), "accession": a, **r} for a, r in self.records.items()}
        missing = "cannot get document summary"
        result: dict[str, object] = {u: known.get(u, {"uid": u, "error": missing}) for u in uids}
        return {"header": {"type": "esummary", "version": "0.3"}, "result": {"uids": uids, **result}}

    def _listing(self, name: str) -> Reply:
        inside = [f for f in self.files if f.startswith(name)]
        if not inside:
            return 404, "text/html", b"Not found"
        rows = "".join(
            f'<a href="{f.removeprefix(name)}">{f.removeprefix(name)[:20]}</a>  2020-01-01 12:00  {self._size(f)}\n'
            for f in inside
        )
        page = f'<html><head><title>Index of /geo/{name}</title></head><body><pre>\
<a href="?C=N">Name</a> <a href="/geo/">Parent Directory</a>   -   \n{rows}</pre></body></html>'
        return 200, "text/html", page.encode()

    def _size(self, name: str) -> str:
        size = float(self.announced.get(name, len(self.files[name])))
        for unit in ("", "K", "M", "G"):
            if size < 1024:
                return f"{size:.1f}{unit}".replace(".0", "") if unit else f"{int(size)}"
            size /= 1024
        return f"{size}T"


def uid(accession: str) -> str:
    base = {"GDS": 0, "GPL": 100_000_000, "GSE": 200_000_000, "GSM": 300_000_000}[accession[:3]]
    return str(base + int(accession[3:]))


def record(accession: str, title: str, summary: str, **more: object) -> dict[str, object]:
    """An esummary record as GEO gives it."""
    base: dict[str, object] = {
        "gds": "", "title": title, "summary": summary, "gpl": "", "gse": accession[3:], "taxon": "Homo sapiens",
        "entrytype": accession[:3], "gdstype": "Expression profiling by array", "pdat": "2020/01/01", "suppfile": "",
        "samples": [], "relations": [], "extrelations": [], "n_samples": 0, "pubmedids": [], "ftplink": "",
        "bioproject": "",
    }  # fmt: skip
    return base | more


def brief(family: Path) -> bytes:
    """A family file's entities without their tables, as the accession page gives them with `view=brief`."""
    out = []
    with open_lines(family) as lines:
        for entity in entities(lines):
            kind = entity.kind.capitalize()
            out.append(f"^{entity.kind} = {entity.name}")
            out += [f"!{kind}_{key} = {value}" for key, values in entity.attributes.items() for value in values]
    return ("\n".join(out) + "\n").encode()


def matrix_of(family: Path, platform: str) -> bytes:
    """The series matrix that GEO makes of a family's samples on one platform: real values, attributes above them."""
    series: dict[str, list[str]] = {}
    samples: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
    with open_lines(family) as lines:
        for entity in entities(lines):
            if entity.kind == "SERIES":
                series = entity.attributes
            elif entity.kind == "SAMPLE" and entity.first("platform_id") == platform:
                at = entity.header.index("VALUE")
                samples.append((entity.name, entity.attributes, {row[0]: row[at] for row in entity.rows()}))
    out = [f'!Series_{key}\t"{value}"' for key, values in series.items() for value in values]
    out.append("")
    for key in ("title", "geo_accession", "source_name_ch1", "organism_ch1", "description", "platform_id"):
        out.append("\t".join([f"!Sample_{key}", *(f'"{" ".join(a.get(key, [""]))}"' for _, a, _ in samples)]))
    out += ["!series_matrix_table_begin", "\t".join(['"ID_REF"', *(f'"{name}"' for name, _, _ in samples)])]
    out += ["\t".join([f'"{p}"', *(values[p] for _, _, values in samples)]) for p in samples[0][2]]
    return gzip.compress(("\n".join([*out, "!series_matrix_table_end"]) + "\n").encode(), 1, mtime=0)


def platform_of(family: Path, platform: str) -> bytes:
    """A platform's table as an annotation file."""
    out = []
    with open_lines(family) as lines:
        for entity in entities(lines):
            if entity.kind == "PLATFORM" and entity.name == platform:
                out += [f"^PLATFORM = {platform}", "!platform_table_begin", "\t".join(entity.header)]
                out += ["\t".join(row) for row in entity.rows()] + ["!platform_table_end"]
    return gzip.compress(("\n".join(out) + "\n").encode(), 1, mtime=0)


def real_world(shared: Path) -> GeoWorld:
    """GSE781 (values, GPL96) and GSE99709 (empty series matrix, counts beside it) with real series around them."""
    world = GeoWorld()
    for row in _rows(shared / "geo/series.jsonl"):
        accession = str(row["accession"])
        world.records[accession] = record(
            accession, str(row["title"]), str(row["summary"]), taxon=row["organism"],
            gdstype=str(row.get("type") or ""), n_samples=row.get("n_samples") or 12,
        )  # fmt: skip
    family = shared / "geo/soft/GSE781-GPL96_trimmed_family.soft.gz"
    world.records["GSE781"] = record(
        "GSE781", "Normal and Renal Cell Carcinoma Kidney Tissue, Human",
        "Renal clear cell carcinoma and adjacent normal kidney tissue", gpl="96", n_samples=17,
    )  # fmt: skip
    world.pages["GSE781"] = brief(family)
    world.files["series/GSEnnn/GSE781/matrix/GSE781_series_matrix.txt.gz"] = matrix_of(family, "GPL96")
    world.files["series/GSEnnn/GSE781/suppl/GSE781_RAW.tar"] = b"raw"
    world.files["platforms/GPLnnn/GPL96/annot/GPL96.annot.gz"] = platform_of(family, "GPL96")
    world.records["GDS507"] = record("GDS507", "Renal clear cell carcinoma (HG-U133B)", "Curated", gse="781", gpl="97")
    world.records["GSM11805"] = record("GSM11805", "N035 Normal Human Kidney U133A", "A sample", gse="781", gpl="96")
    _add_counts(world, shared)
    return world


def _add_counts(world: GeoWorld, shared: Path) -> None:
    matrix = shared / "geo/soft/GSE99709_series_matrix.txt.gz"
    head = gzip.decompress(matrix.read_bytes()).decode()
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in head.splitlines() if line.startswith("!Sample_title")}
    titles = [t.strip('"') for t in rows["!Sample_title"]]
    names = [n.strip('"') for n in head.split('"ID_REF"\t')[1].splitlines()[0].split("\t")]
    world.records["GSE99709"] = record(
        "GSE99709", "RNA-Sequencing of Stat3 silenced oligodendrocyte progenitor cells.",
        "Stat3 in oligodendrocyte progenitor cells, multiple sclerosis", taxon="Mus musculus",
        bioproject="PRJNA389387", gpl="17021", n_samples=12,
        gdstype="Expression profiling by high throughput sequencing",
    )  # fmt: skip
    soft = ["^SERIES = GSE99709", "!Series_title = RNA-Sequencing of Stat3 silenced oligodendrocyte progenitor cells.",
            "!Series_type = Expression profiling by high throughput sequencing", "!Series_platform_id = GPL17021",
            "!Series_relation = SubSeries of: GSE99797"]  # fmt: skip
    for name, title in zip(names, titles, strict=True):
        soft += [f"^SAMPLE = {name}", f"!Sample_title = {title}", "!Sample_type = SRA",
                 f"!Sample_characteristics_ch1 = treated with: {'CNTF' if title[1] == 'C' else 'Vehicle'}",
                 "!Sample_organism_ch1 = Mus musculus", "!Sample_data_row_count = 0"]  # fmt: skip
    world.pages["GSE99709"] = ("\n".join(soft) + "\n").encode()
    folder = "series/GSE99nnn/GSE99709"
    world.files[f"{folder}/matrix/GSE99709_series_matrix.txt.gz"] = matrix.read_bytes()
    table = ["gene," + ",".join(titles)]
    table += [f"ENSMUSG{g:011d}," + ",".join(str((g * 37 + i * 11) % 900) for i in range(12)) for g in range(1, 60)]
    world.files[f"{folder}/suppl/GSE99709_Stat3RNA-Seq-counts.csv.gz"] = gzip.compress("\n".join(table).encode())
    world.files[f"{folder}/suppl/GSE99709_Stat3RNA-Seq-significant-genes.xlsx"] = b"not read"


def _rows(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


class GeoServer:
    """The world over HTTP on a loopback port, from `with` to the end of the block. `fault` may answer instead."""

    def __init__(self, world: GeoWorld, fault: Fault | None = None) -> None:
        self.world = world
        self.fault = fault
        self.requests: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                parts = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                reply = server.fault(self.path) if server.fault else None
                status, kind, body = reply or server.world.answer(parts.path, query)
                size = server.world.announced.get(unquote(parts.path.split("/geo/", 1)[-1]), len(body))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(size))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="geo server")

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
