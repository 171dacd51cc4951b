"""PubMed XML for tests and benchmarks, written of the real records in the test data."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<PubmedArticleSet>\n'
TAIL = "</PubmedArticleSet>\n"


def raw_articles(data: Path) -> list[str]:
    """The articles of real efetch answers, as they are."""
    found = []
    for path in sorted((data / "pubmed/raw/efetch").glob("*.xml")):
        found += re.findall(r"<PubmedArticle>.*?</PubmedArticle>", path.read_text("utf-8"), re.DOTALL)
    return found


def article(record: dict[str, object], pmid: int) -> str:
    """A record of `records.jsonl` as an article with its fields in their places."""

    def text(name: str) -> str:
        return escape(str(record.get(name) or ""))

    parts = [f"<AbstractText>{escape(p)}</AbstractText>" for p in str(record.get("abstract") or "").split("\n") if p]
    mesh = "".join(
        f'<MeshHeading><DescriptorName MajorTopicYN="N">{escape(m)}</DescriptorName></MeshHeading>'
        for m in record.get("mesh") or []  # type: ignore[attr-defined]
    )
    types = "".join(
        f"<PublicationType>{escape(t)}</PublicationType>"
        for t in record.get("publication_types") or ["Journal Article"]  # type: ignore[attr-defined]
    )
    doi = f'<ArticleId IdType="doi">{text("doi")}</ArticleId>' if record.get("doi") else ""
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE"><PMID Version="1">{pmid}</PMID><Article><Journal>'
        f"<JournalIssue><PubDate><Year>{record.get('year') or ''}</Year></PubDate></JournalIssue>"
        f"<Title>{text('journal')}</Title></Journal><ArticleTitle>{text('title')}</ArticleTitle>"
        f"<Abstract>{''.join(parts)}</Abstract><Language>eng</Language>"
        f"<PublicationTypeList>{types}</PublicationTypeList></Article><MeshHeadingList>{mesh}</MeshHeadingList>"
        f"</MedlineCitation><PubmedData><ArticleIdList>{doi}</ArticleIdList></PubmedData></PubmedArticle>"
    )


def renumbered(text: str, pmid: int) -> str:
    """An article under another PMID."""
    return re.sub(r"(<MedlineCitation[^>]*>\s*<PMID[^>]*>)\d+", rf"\g<1>{pmid}", text, count=1)


def all_articles(data: Path) -> list[str]:
    """Every real record: the raw answers, and `records.jsonl` with a number where it has no PMID."""
    lines = (data / "pubmed/records.jsonl").read_text("utf-8").strip().split("\n")
    records = [json.loads(line) for line in lines]
    # the raw answers last: some of them are also in `records.jsonl`, with fewer fields
    return [article(r, int(r["pmid"] or 99_000_000 + n)) for n, r in enumerate(records)] + raw_articles(data)


def repeated(articles: list[str], count: int, first: int = 1) -> Iterator[str]:
    """`count` articles, repeated in turn under PMIDs from `first` on."""
    for n in range(count):
        yield renumbered(articles[n % len(articles)], first + n)


def write_file(path: Path, articles: Iterable[str]) -> Path:
    """A PubMed XML file; packed when its name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        gzip.open(path, "wt", 6, encoding="utf-8") if path.suffix == ".gz" else path.open("w", encoding="utf-8") as out
    ):
        out.write(HEAD)
        for text in articles:
            out.write(text + "\n")
        out.write(TAIL)
    return path
