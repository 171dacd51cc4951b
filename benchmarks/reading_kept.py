"""Text as its publisher wrote it: letters and digits kept, sections, quotes and speed, by kind of source.

The articles are divided in two halves by the parity of the sha256 of their file names; rules were made on the first.
`reading/sections.txt` says by hand which kind each top section of 64 articles has.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from figures import ROOT, Figure, measured
from lxml import etree

from bioresearcher.papers.canonical import section_at
from bioresearcher.papers.jats import read_jats
from bioresearcher.papers.markup import ADDRESS, MARKS, markup_lines
from bioresearcher.papers.quotes import MIN_CHARACTERS, locate
from bioresearcher.schemas.paper import Document
from bioresearcher.sources.pubmed_offline.records import read_record
from bioresearcher.text.words import sentences

sys.path.insert(0, str(ROOT / "tests" / "support"))
from source_letters import article_of, letters, lost, mark_exponents, name, signed, told

KINDS = {"introduction": "I", "methods": "M", "results": "R", "discussion": "D", "supplementary": "S"}
SECTIONS = Path(__file__).with_name("reading") / "sections.txt"


def first_half(path: Path) -> bool:
    """True for the half of the files on which rules were made."""
    return int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 2 == 0


def measure_kept(data: Path, quick: bool) -> list[Figure]:
    """The figures; `quick` takes every fourth article."""
    articles = sorted((data / "fulltext").glob("plos/*.xml"))[:: 4 if quick else 1]
    halves = (
        ("first half", [p for p in articles if first_half(p)]),
        ("second half", [p for p in articles if not first_half(p)]),
    )
    figures = []
    for half, paths in halves:
        figures.append(_share(f"JATS, {len(paths)} articles, {half}", (_article(p) for p in paths)))
    others = sorted((data / "fulltext" / "jats").iterdir())
    figures.append(_share(f"JATS, {len(others)} other articles", (_article(p) for p in others)))
    figures.append(_share("PubMed XML, real answers", _pubmed(data)))
    figures.append(_share("abstracts of Europe PMC, real answers", _europe_pmc(data)))
    figures += [_sections(half, paths) for half, paths in halves]
    figures += [_quotes(articles), _speed(articles)]
    return figures


def _share(title: str, pairs: Iterable[tuple[list[str], str]]) -> Figure:
    kept = total = 0
    for source, text in pairs:
        nodes, few = lost(source, text)
        size = sum(len(letters(n)) for n in source)
        total += size
        kept += size - max(few, sum(map(len, nodes)))
    share = f"{100 * kept / total:.4f} % of {total:,}" if total else "nothing"
    return Figure(f"letters and digits kept: {title}", share, "all", kept == total > 0)


def _article(path: Path) -> tuple[list[str], str]:
    return list(told(article_of(path))), read_jats(path.read_bytes(), sha256="0" * 64)[1].text


def _pubmed(data: Path) -> Iterable[tuple[list[str], str]]:
    for path in sorted((data / "pubmed" / "raw" / "efetch").glob("*.xml")):
        root: Any = etree.fromstring(path.read_bytes(), etree.XMLParser(resolve_entities=False, recover=True))
        for record in root.iterfind("PubmedArticle"):
            paper = read_record(record, source="pubmed", path="", sha256="").paper
            parts = [*record.iter("ArticleTitle"), *record.iterfind("MedlineCitation/Article/Abstract/AbstractText")]
            yield [str(t) for part in parts for t in part.itertext()], f"{paper.title}\n{paper.abstract}"


def _europe_pmc(data: Path) -> Iterable[tuple[list[str], str]]:
    for path in sorted((data / "pubmed" / "raw" / "europepmc").glob("*.json")):
        for row in (json.loads(path.read_bytes()).get("resultList") or {}).get("result") or []:
            source = row.get("abstractText") or ""
            yield re.split(r"</?(?:h4|i|b|u|p|sup|sub|br|em|strong)/?>", source), "\n".join(markup_lines(source))


def _sections(half: str, paths: Sequence[Path]) -> Figure:
    """Kinds of top sections as annotated, over the articles of one half."""
    lines = [line.split() for line in SECTIONS.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    wanted = {words[0]: "".join(words[1:]) for words in lines}
    right = total = 0
    for path in paths:
        found = _kinds(path)
        right += sum(a == b for a, b in zip(found, wanted[path.stem], strict=True))
        total += len(found)
    return Figure(f"kinds of top sections right, {len(paths)} articles, {half}", f"{right} of {total}")


def _kinds(path: Path) -> str:
    """The kinds that the program gives the text of the body's top sections, in their order."""
    body = next((e for e in article_of(path) if name(e) == "body"), None)
    _, document = read_jats(path.read_bytes(), sha256="0" * 64)
    places = [i for i, c in enumerate(document.text) for _ in letters(c)]
    plain = letters(document.text)
    return "".join(_kind(e, document, plain, places) for e in (body if body is not None else ()) if name(e) == "sec")


def _kind(section: Any, document: Document, plain: str, places: Sequence[int]) -> str:
    title = next((e for e in section if name(e) == "title"), None)
    heading = letters("".join(title.itertext())) if title is not None else ""
    nodes = [letters(str(t))[:80] for e in section if e is not title for t in e.itertext()]
    own = next((n for n in nodes if len(n) >= 12 and plain.count(n) == 1), None)
    if own is not None:
        found = section_at(document, places[plain.index(own)])
    else:  # a section of files alone
        found = next((s for s in document.sections if s.level == 1 and letters(s.title) == heading), None)
    return KINDS.get(found.kind, "O") if found else "?"


def _quotes(paths: Sequence[Path]) -> Figure:
    """Sentences of methods and results as quotes: located, and the publisher's own in all letters, digits and signs."""
    equal = total = 0
    for path in paths:
        source = signed("".join(told(mark_exponents(article_of(path)))))
        _, document = read_jats(path.read_bytes(), sha256="0" * 64)
        for section in (s for s in document.sections if s.kind in ("methods", "results")):
            for start, end in list(sentences(document.text, section.start, section.end))[1:40:4]:
                said = document.text[start:end]
                if len(said) < MIN_CHARACTERS or len(said) > 1_000 or "\n" in said:
                    continue
                total += 1
                evidence = locate(document, said)
                pieces = re.split("|".join(map(re.escape, (*MARKS, ADDRESS))), evidence.text if evidence else "\0")
                equal += evidence is not None and all(signed(p) in source for p in pieces)
    return Figure(
        "sentences as quotes: located, and the publisher's own letters, digits and signs",
        f"{equal:,} of {total:,}",
        "all",
        equal == total > 0,
    )


def _speed(paths: Sequence[Path]) -> Figure:
    data = [p.read_bytes() for p in paths]
    started = time.process_time()
    for body in data:
        read_jats(body, sha256="0" * 64)
    return measured(
        "JATS read per second of CPU", [len(data) / (time.process_time() - started)], "articles", at_least=20
    )
