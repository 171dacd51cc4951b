"""The papers of a run as Zotero's items, each with a note of the located quotes that were taken from it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.text.visible import visible

MOST_QUOTES: Final = 200
_FLAGS: Final = {"retracted": "Retracted", "concern": "Expression of concern", "corrected": "Corrected"}


@dataclass(frozen=True)
class PaperItem:
    """A paper as an item, and the note that belongs to it; the note is empty when nothing was taken from the paper."""

    paper: str
    item: Mapping[str, Any]
    note: str


def paper_items(folder: RunFolder, collection: str) -> list[PaperItem]:
    """Return the papers that a run read, in the order of their ids.

    Raises:
        RunFolderError: A file of the run cannot be used.
    """
    papers = {paper.id: paper for paper in folder.read_all(Paper, "papers")}
    reports = {report.paper_id: report for report in folder.read_all(PaperReport, "reports")}
    protocol = folder.read(Protocol, "protocol.json") if folder.has("protocol.json") else None
    return [
        PaperItem(name, _item(papers[name], collection), _note(report, folder.root.name, protocol))
        for name, report in reports.items()
        if name in papers
    ]


def _item(paper: Paper, collection: str) -> dict[str, Any]:
    extra = [f"PMID: {paper.pmid}" if paper.pmid else "", f"PMCID: {paper.pmcid}" if paper.pmcid else ""]
    tags = ["BioResearcher", *([_FLAGS[paper.status]] if paper.status in _FLAGS else [])]
    return {
        "itemType": "journalArticle",
        "title": visible(paper.title),
        "creators": [_creator(visible(name)) for name in paper.authors],
        "abstractNote": visible(paper.abstract),
        "publicationTitle": visible(paper.journal or ""),
        "date": str(paper.year or ""),
        "DOI": paper.doi or "",
        "extra": "\n".join(filter(None, extra)),
        "tags": [{"tag": tag} for tag in tags],
        "collections": [collection],
        "relations": {},
    }


def _creator(name: str) -> dict[str, str]:
    last, comma, first = name.partition(",")
    if comma:
        return {"creatorType": "author", "lastName": last.strip(), "firstName": first.strip()}
    return {"creatorType": "author", "name": name}


def _note(report: PaperReport, run: str, protocol: Protocol | None) -> str:
    rows = [*_quotes(report, protocol)]
    if not rows:
        return ""
    more = f"<p>and {len(rows) - MOST_QUOTES} more</p>" if len(rows) > MOST_QUOTES else ""
    head = f"<h1>Taken from it by the run {html.escape(run)}</h1>"
    return head + "".join(rows[:MOST_QUOTES]) + more


def _quotes(report: PaperReport, protocol: Protocol | None) -> Iterator[str]:
    """Yield each located quote with its place and the steps of the protocol that rest on it."""
    used: dict[str, list[str]] = {}
    for step in protocol.steps if protocol else ():
        for link in step.links:
            used.setdefault(link.evidence.text, []).append(step.id)
    steps_of = [step for part in report.parts for step in part.steps]
    quoted = [e for s in steps_of for e in (*s.evidence, *(q for result in s.results for q in result.evidence))]
    for evidence in dict.fromkeys(quoted):
        place = ", ".join(filter(None, [evidence.section, f"page {evidence.page}" if evidence.page else ""]))
        steps = used.get(evidence.text, [])
        rests = f" Steps {', '.join(steps)} of the protocol rest on it." if steps else ""
        quote = html.escape(visible(evidence.text))
        yield f"<blockquote><p>{quote}</p></blockquote><p>{html.escape(visible(place))}.{html.escape(rests)}</p>"
