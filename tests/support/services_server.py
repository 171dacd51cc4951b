"""PubMed, PMC, Europe PMC and GEO on this machine, over real records: esearch, efetch, esummary, search, full text.

Queries are answered by the program's own offline index, which is tried against PubMed's rules elsewhere. Faults come on
demand.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pubmed_xml as px
from geo_server import GeoWorld

from bioresearcher.schemas.paper import Paper
from bioresearcher.sources.protocols import Hits
from bioresearcher.sources.pubmed_offline.source import PubmedFiles


@dataclass(frozen=True)
class Reply:
    """An answer; `length` is announced in the place of the real one, `delay_s` passes before it."""

    body: bytes
    kind: str = "text/xml"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    delay_s: float = 0


Fault = Callable[[str, int], Reply | None]
"""Path and number of the request → what is answered instead, or nothing."""


class World:
    """What the services have: PubMed articles, JATS by PMC id, preprints (Europe PMC results), and GEO's world."""

    def __init__(self, folder: Path, articles: list[str]) -> None:
        self.articles = {m[1]: a for a in articles if (m := re.search(r"<PMID[^>]*>(\d+)</PMID>", a))}
        self.files = PubmedFiles([px.write_file(folder / "all.xml", articles)], folder / "index")
        self.files.load()
        self.jats: dict[str, bytes] = {}
        self.preprints: list[dict[str, object]] = []
        self.histories: list[list[str]] = []
        self.open_access: dict[str, str] = {}
        self.works: list[dict[str, object]] = []
        self.geo = GeoWorld()

    def answer(self, path: str, asked: dict[str, str]) -> Reply:
        if path.endswith("/works"):
            return self._crossref(asked)
        if path.endswith("/search"):
            return self._europepmc(asked)
        if path.endswith("/fullTextXML"):
            body = self.jats.get(path.split("/")[-2])
            return Reply(body) if body else Reply(b"not there", "text/plain", 404)
        if path.endswith("/oa.fcgi"):
            return self._oa(asked["id"])
        tool = path.rpartition("/")[2].removesuffix(".fcgi")
        tools = {"esearch": self._esearch, "efetch": self._efetch, "epost": self._epost, "esummary": self._esummary,
                 "elink": self._elink, "espell": self._espell}  # fmt: skip
        if "pubmed" in (asked.get("db"), asked.get("dbfrom")) and tool in tools:
            return tools[tool](asked)
        if asked.get("db") == "pmc":
            closed = b"<pmc-articleset><article><front/></article></pmc-articleset>"
            return Reply(self.jats.get(f"PMC{asked['id']}", closed))
        status, kind, body = self.geo.answer(path, asked)
        return Reply(body, kind, status)

    def _crossref(self, asked: dict[str, str]) -> Reply:
        """Values of one filter are alternatives; only `doi` and `updates` are known."""
        wanted = [part.split(":", 1) for part in asked["filter"].lower().split(",")]
        found = []
        for work in self.works:
            updates = work.get("update-to") or []
            dois = {"doi": [work["DOI"]], "updates": [u["DOI"] for u in updates]}  # type: ignore[attr-defined]
            if any(str(doi).lower() == value for name, value in wanted for doi in dois[name]):
                found.append(work)
        message = {"total-results": len(found), "items-per-page": int(asked["rows"]), "items": found}
        page = {"status": "ok", "message-type": "work-list", "message-version": "1.0.0", "message": message}
        return Reply(json.dumps(page).encode(), "application/json")

    def _hits(self, query: str, limit: int) -> Hits:
        return self.files._search(query, limit)  # the handler's thread has no event loop

    def _esearch(self, asked: dict[str, str]) -> Reply:
        limit, start = int(asked.get("retmax", "20")), int(asked.get("retstart", "0"))
        keeps = asked.get("usehistory") == "y"
        hits = self._hits(asked["term"], 10_000 if keeps else start + limit)
        pmids = [p.pmid or "" for p in hits.papers]
        kept = self._kept(pmids) if keeps else ""
        ids = "".join(f"<Id>{p}</Id>" for p in pmids[start : start + limit])
        lost = "".join(f"<PhraseNotFound>{escape(m)}</PhraseNotFound>" for m in hits.missing)
        errors = f"<ErrorList>{lost}</ErrorList>" if lost else ""
        warned = "".join(f"<OutputMessage>{escape(w)}</OutputMessage>" for w in hits.warnings)
        return Reply(
            f"<eSearchResult><Count>{hits.total}</Count><RetMax>{len(pmids[start : start + limit])}</RetMax>"
            f"<RetStart>{start}</RetStart>{kept}<IdList>{ids}</IdList><TranslationSet/>"
            f"<QueryTranslation>{escape(hits.translation)}</QueryTranslation>"
            f"{errors}<WarningList>{warned}</WarningList></eSearchResult>".encode()
        )

    def _kept(self, pmids: list[str]) -> str:
        self.histories.append(pmids)
        return f"<QueryKey>1</QueryKey><WebEnv>MCID_{len(self.histories) - 1}</WebEnv>"

    def _ids(self, asked: dict[str, str]) -> list[str]:
        """The ids that are sent, or those of the history server."""
        if "WebEnv" not in asked:
            return asked.get("id", "").split(",")
        kept = self.histories[int(asked["WebEnv"].removeprefix("MCID_"))]
        start = int(asked.get("retstart", "0"))
        return kept[start : start + int(asked.get("retmax", "10000"))]

    def _efetch(self, asked: dict[str, str]) -> Reply:
        found = [self.articles[p] for p in self._ids(asked) if p in self.articles]
        return Reply((px.HEAD + "\n".join(found) + px.TAIL).encode())

    def _epost(self, asked: dict[str, str]) -> Reply:
        return Reply(f"<ePostResult>{self._kept(self._ids(asked))}</ePostResult>".encode())

    def _esummary(self, asked: dict[str, str]) -> Reply:
        papers = {p.pmid: p for p in self._hits(" OR ".join(f"{i}[pmid]" for i in self._ids(asked)), 10_000).papers}
        rows = [_summary(papers[i]) for i in self._ids(asked) if i in papers]
        return Reply(f"<eSummaryResult>{''.join(rows)}</eSummaryResult>".encode())

    def _elink(self, asked: dict[str, str]) -> Reply:
        """All others of the same journal: what is linked matters less than the shape."""
        (paper,) = self._hits(f"{asked['id']}[pmid]", 1).papers
        others = self._hits(f'"{paper.journal}"[ta]', 20).papers if paper.journal else ()
        links = "".join(f"<Link><Id>{p.pmid}</Id></Link>" for p in (paper, *others))
        return Reply(
            f"<eLinkResult><LinkSet><DbFrom>pubmed</DbFrom><IdList><Id>{paper.pmid}</Id></IdList><LinkSetDb>"
            f"<DbTo>pubmed</DbTo><LinkName>{asked['linkname']}</LinkName>{links}</LinkSetDb></LinkSet>"
            "</eLinkResult>".encode()
        )

    def _espell(self, asked: dict[str, str]) -> Reply:
        """Doubled letters are the only mistakes that are known."""
        better = re.sub(r"([a-z])\1+", r"\1", asked["term"])
        said = better if better != asked["term"] and self._hits(better, 1).total else ""
        return Reply(
            f"<eSpellResult><Database>pubmed</Database><Query>{escape(asked['term'])}</Query>"
            f"<CorrectedQuery>{escape(said)}</CorrectedQuery><SpelledQuery/><ERROR/></eSpellResult>".encode()
        )

    def _oa(self, pmcid: str) -> Reply:
        licence = self.open_access.get(pmcid)
        if licence is None:
            return Reply(f'<OA><error code="idIsNotOpenAccess">{pmcid} is not Open Access</error></OA>'.encode())
        record = f'<record id="{pmcid}" citation="J" license="{licence}"><link format="tgz" href="ftp://h/f.tar.gz"/>'
        return Reply(f'<OA><records returned-count="1">{record}</record></records></OA>'.encode())

    def _europepmc(self, asked: dict[str, str]) -> Reply:
        query = re.sub(r'TITLE_ABS:("[^"]*"|\S+)', r"\1[tiab]", asked["query"])
        query = re.sub(r"EXT_ID:(\d+)", r"\1[pmid]", query).replace(" AND SRC:MED", "")
        query = re.sub(r'(?:DOI|PMCID):("[^"]*"|[^\s()]+)', r"\1[aid]", query)
        query = re.sub(r'PUB_TYPE:("[^"]*"|\S+)', r"\1[pt]", query)
        hits = self._hits(query, int(asked["pageSize"]))
        rows = [_core(p) for p in hits.papers]
        rows += [r for r in self.preprints if "EXT_ID" not in asked["query"] and "DOI" not in asked["query"]]
        page = {"version": "6.9", "hitCount": hits.total + len(self.preprints), "resultList": {"result": rows}}
        return Reply(json.dumps(page).encode(), "application/json")


def _summary(paper: Paper) -> str:
    items = {"PubDate": paper.year or "", "Source": paper.journal or "", "Title": paper.title, "DOI": paper.doi or ""}
    fields = "".join(f'<Item Name="{k}" Type="String">{escape(str(v))}</Item>' for k, v in items.items())
    return f"<DocSum><Id>{paper.pmid}</Id>{fields}</DocSum>"


def _core(paper: Paper) -> dict[str, object]:
    return {
        "id": paper.pmid, "source": "MED", "pmid": paper.pmid, "doi": paper.doi, "pmcid": paper.pmcid,
        "title": paper.title, "abstractText": paper.abstract, "pubYear": str(paper.year or ""), "language": "eng",
        "authorString": ", ".join(paper.authors), "journalInfo": {"journal": {"title": paper.journal}},
        "pubTypeList": {"pubType": list(paper.publication_types)},
    }  # fmt: skip


class ServicesServer:
    """The world over HTTP on a loopback port, from `with` to the end of the block."""

    def __init__(self, world: World, fault: Fault | None = None, *, latency_s: float = 0) -> None:
        self.world = world
        self.fault = fault
        self.requests: list[str] = []
        self.addresses: list[str] = []
        self.ranges: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(urlsplit(self.path).query)

            def do_POST(self) -> None:
                self._reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def _reply(self, text: str) -> None:
                path = urlsplit(self.path).path
                asked = {k: v[0] for k, v in parse_qs(text).items()}
                server.requests.append(f"{path}?{text}")
                server.addresses.append(self.path)
                server.ranges.append(self.headers.get("Range", ""))
                reply = server.fault(path, len(server.requests)) if server.fault else None
                reply = reply or server.world.answer(path, asked)
                reply = self._rest(reply)
                time.sleep(latency_s + reply.delay_s)
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(reply.body)

            def _rest(self, reply: Reply) -> Reply:
                """The part that was asked for, where the file is the one that is meant."""
                asked, same = self.headers.get("Range", ""), self.headers.get("If-Range")
                found = re.fullmatch(r"bytes=(\d+)-", asked)
                if not found or reply.status != 200 or "ETag" not in reply.headers or same != reply.headers["ETag"]:
                    return reply
                start, size = int(found[1]), len(reply.body)
                if start >= size:
                    return Reply(b"", "text/plain", 416)
                said = {**reply.headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}
                return Reply(reply.body[start:], reply.kind, 206, said)

            def log_message(self, *_: object) -> None:
                return

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="services server")

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def settings(self, folder: Path, **more: str) -> Path:
        """A settings file that names this server for every service; `more` names others."""
        at = {
            "eutils": f"{self.root}/entrez/eutils", "europepmc": f"{self.root}/europepmc",
            "crossref": f"{self.root}/crossref",
            "pmc_oa": f"{self.root}/pmc/oa.fcgi",
            "geo_page": f"{self.root}/geo/query/acc.cgi", "geo_files": f"{self.root}/geo",
        } | more  # fmt: skip
        lines = [f"{name} = {json.dumps(value)}" for name, value in at.items()]
        path = folder / "services.toml"
        path.write_text("\n".join(["[services]", "per_second = 500", *lines]) + "\n", encoding="utf-8")
        return path

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
