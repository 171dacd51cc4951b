"""How quickly papers are read and passages embedded, per CPU second (all threads of the process together)."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import time
from collections.abc import Callable, Sequence
from difflib import Match, SequenceMatcher
from pathlib import Path

from figures import SEED, Figure, counted, measured, test_data

from bioresearcher.papers.canonical import paragraphs, section_text
from bioresearcher.papers.documents import SourceFile, parse
from bioresearcher.papers.quotes import locate, split_passages
from bioresearcher.retrieval.embedding import MiniLM
from bioresearcher.schemas.paper import Document
from bioresearcher.text.words import sentences

PASSAGES = 60
BODY = ("introduction", "methods", "results", "discussion")
BOTH = ("PMC4521097", "pone.0115884")
_WORD = re.compile(r"[^\W_]+")


def measure(quick: bool) -> list[Figure]:
    """Real open-access papers; without the test data there is nothing to measure."""
    data = test_data()
    if data is None:
        return [Figure("reading papers", "not measured: set BIORESEARCHER_TEST_DATA")]
    jats = sorted(p for p in (data / "fulltext" / "jats").iterdir() if p.suffix in {".xml", ".nxml"})
    pdf = sorted((data / "fulltext" / "pdf").glob("*.pdf"))
    rounds = 2 if quick else 5
    documents = [_read(path) for path in jats]
    pages = sum(len(_read(path).pages) for path in pdf)
    passages = [p.text for d in documents for p in split_passages(d) if p.kind != "references"]
    sample = random.Random(SEED).sample(passages, PASSAGES)
    model = MiniLM()
    model.embed(["The first text loads the model."])
    return [
        *_rates("JATS articles read", "articles", rounds, len(jats), lambda: [_read(p) for p in jats], 20),
        *_rates("PDF pages read", "pages", 2 if quick else 3, pages, lambda: [_read(p) for p in pdf], 8),
        *_rates("passages embedded", "passages", 2 if quick else 3, PASSAGES, lambda: model.embed(sample)),
        *(figure for name in BOTH for figure in _recovered(data / "fulltext", name)),
    ]


def _read(path: Path) -> Document:
    """In this process, so that its CPU time is counted; `load_paper` reads PDFs in a process with limits."""
    data = path.read_bytes()
    file = SourceFile(path.stem, path.suffix, str(path), hashlib.sha256(data).hexdigest())
    return parse(file, data)[1]


def _recovered(fulltext: Path, name: str) -> list[Figure]:
    """How much of a paper's body in JATS its PDF gives, in order: words by longest matching blocks, and sentences."""
    xml, pdf = _read(fulltext / "jats" / f"{name}.xml"), _read(fulltext / "pdf" / f"{name}.pdf")
    wanted, given = (_WORD.findall(section_text(d, BODY).casefold()) for d in (xml, pdf))
    blocks = SequenceMatcher(None, wanted, given, autojunk=False).get_matching_blocks()
    spans = [s for x in xml.sections if x.kind in BODY for p in paragraphs(xml, x) for s in sentences(xml.text, *p)]
    texts = [xml.text[a:b] for a, b in spans if b - a >= 30]
    places = [e.start for e in (locate(pdf, text) for text in texts) if e is not None]
    in_order = sum(a <= b for a, b in itertools.pairwise(places))
    return [
        measured(
            f"{name}: body words of the JATS found in the PDF, in order", [100 * _size(blocks) / len(wanted)], "%"
        ),
        counted(f"{name}: body sentences of the JATS located in the PDF", len(places), len(texts)),
        Figure(f"{name}: located sentences that follow each other in the PDF too", f"{in_order + 1} of {len(places)}"),
    ]


def _size(blocks: Sequence[Match]) -> int:
    return sum(block.size for block in blocks)


def _rates(
    name: str, unit: str, rounds: int, count: int, work: Callable[[], object], least: float | None = None
) -> list[Figure]:
    """The rate per CPU second and per second of wall time."""
    per_cpu, per_wall = [], []
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.monotonic()
        work()
        per_cpu.append(count / (time.process_time() - cpu))
        per_wall.append(count / (time.monotonic() - wall))
    return [
        measured(f"{name}, by CPU time", per_cpu, f"{unit}/CPU-s", at_least=least),
        measured(f"{name}, by wall time", per_wall, f"{unit}/s"),
    ]
