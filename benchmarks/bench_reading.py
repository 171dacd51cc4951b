"""Reading papers: tokens of a report, its quotes, many papers side by side, memory; and the original's report beside.

The model is the tests' server on this machine: it records what it is sent. What it answers are the offline rules'
answers for the same question, so that the parts asked for are those of the paper. Tokens are counted with OpenAI's
o200k encoding when the package `bpe-openai` is installed, else with the WordPiece tokenizer that the project ships; the
figure says which. A request's JSON schema is counted as part of it.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import made_pdfs
from figures import ROOT, Figure, counted, environment, measured, test_data
from launch import peak_memory_mb
from reading_kept import measure_kept

from bioresearcher.events import EventLog
from bioresearcher.graph.run import limit_memory
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.backend import Backend, Reply, Request
from bioresearcher.llm.budget import load_prices
from bioresearcher.llm.chat import ChatBackend
from bioresearcher.llm.ledger import Ledger
from bioresearcher.offline.backend import offline_backend
from bioresearcher.papers.mining import labels, mine
from bioresearcher.papers.quotes import locate, split_passages
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Resources, load_cards
from bioresearcher.retrieval.index import Library
from bioresearcher.schemas.ask_literature import PlanQueriesInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.model import ROLES, ModelSettings
from bioresearcher.schemas.paper import Document, Paper
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.stages.passages import Relevance
from bioresearcher.stages.prompts import PLAN_QUERIES
from bioresearcher.stages.read import analyse_report, read_paper

sys.path.insert(0, str(ROOT / "tests" / "support"))
from model_server import ModelServer, Seen

OBJECTIVE = Objective(id="o", text="Identify the immune microenvironment classes of liposarcoma and their key genes")
DATA = ("D1: expression of 50 liposarcomas",)
LATENCY_S = 3.0
CONCURRENCY = 64
PARTS = 5
PAPERS = 10
TOKENS = 40_000


def measure(quick: bool) -> list[Figure]:
    """All figures of this benchmark; the comparison with the original's report is printed before them."""
    data = test_data()
    if data is None:
        return [Figure("reading into reports", "not measured: set BIORESEARCHER_TEST_DATA")]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        pdf = data / "fulltext" / "pdf" / "PMC5481278.pdf"
        figures, report, document = _tokens(place, pdf)
        figures += _all_tokens(place, sorted((data / "fulltext").glob("*/*")), quick)
        original = data / "protocols" / "16317" / "reports" / "5481278_report.json"
        figures += _beside_the_original(report, document, original)
        figures += _side_by_side(place, data)
        figures += made_pdfs.measure(data / "fulltext" / "plos", 8 if quick else None)
        return [*measure_kept(data, quick), *figures]


class Recalling:
    """The offline rules as a backend that keeps its answers by a key that a server finds in the prompt."""

    origin = "offline"

    def __init__(self, rules: Backend, key: Callable[[Request], str]) -> None:
        self._rules = rules
        self._key = key
        self.known: dict[str, Any] = {}

    async def complete(self, request: Request) -> Reply:
        reply = await self._rules.complete(request)
        self.known[self._key(request)] = json.loads(reply.text)
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rules, name)


def _key(request: Request) -> str:
    values: Any = request.values
    return str(values.part.title) if request.prompt.endswith("report_part") else request.prompt


def _caller(path: Path, backend: Any) -> ModelClient:
    resources = Resources()
    return ModelClient(backend, Ledger(path), PromptBook(resources), load_cards(resources), EventLog(None))


async def _report(caller: ModelClient, paper: Paper, document: Document) -> PaperReport:
    report = await read_paper(caller, OBJECTIVE, paper, document)
    await analyse_report(caller, OBJECTIVE, report, DATA)
    return report


def _asked(place: Path, path: Path) -> tuple[list[Seen], PaperReport, Document]:
    """What is sent for one report, and the report."""
    paper, document = load_paper(path)
    with Library(place / "library") as library:
        recalling = Recalling(offline_backend(library.similarities), _key)
        ledgers = Path(tempfile.mkdtemp(dir=place))
        by_rule = _caller(ledgers / "rules.sqlite", recalling)
        asyncio.run(_report(by_rule, paper, document))
        by_rule.ledger.close()

    def answer(seen: Seen) -> dict[str, Any]:
        schema = json.dumps(seen.body)
        if "PaperOutline" in schema:
            return recalling.known["literature/outline_paper"]
        if "ReferabilityDraft" in schema:
            return recalling.known["literature/judge_referability"]
        asked = re.search(r"Part to report: <<<untrusted part\n(.*?)\n>>>", seen.text, re.DOTALL)
        return recalling.known.get(asked[1] if asked else "", {"steps": []})

    with ModelServer(answer) as server:
        report = asyncio.run(_through(server.url, ledgers / "model.sqlite", paper, document))
        return server.calls, report, document


async def _through(url: str, ledger: Path, paper: Paper, document: Document) -> PaperReport:
    backend = _backend(url)
    caller = _caller(ledger, backend)
    try:
        return await _report(caller, paper, document)
    finally:
        await backend.aclose()
        caller.ledger.close()


def _backend(url: str) -> ChatBackend:
    settings = ModelSettings(provider="compatible", model="test-model", base_url=url, concurrency=CONCURRENCY)
    return ChatBackend(dict.fromkeys(ROLES, settings), load_prices(None))


def _tokens(place: Path, pdf: Path) -> tuple[list[Figure], PaperReport, Document]:
    name, count = _tokenizer()
    calls, report, document = _asked(place, pdf)
    used = sum(_size(seen, count) for seen in calls)
    said = f"{used:,} in {len(calls)} calls ({name})"
    figures = [
        Figure("input tokens of one report, PMC5481278.pdf", said, f"≤ {TOKENS:,}", used <= TOKENS),
        counted("stored quotes located again in their paper", *_located([(report, document)])),
    ]
    return figures, report, document


def _all_tokens(place: Path, paths: list[Path], quick: bool) -> list[Figure]:
    """The same for all test papers: the most that one takes, and all their quotes."""
    name, count = _tokenizer()
    most, reports = (0, ""), []
    for path in paths[: 3 if quick else None]:
        calls, report, document = _asked(place, path)
        reports.append((report, document))
        most = max(most, (sum(_size(seen, count) for seen in calls), path.name))
    said = f"{most[0]:,} for {most[1]} ({name})"
    title = f"most input tokens of a report, {len(reports)} papers"
    return [
        Figure(title, said, f"≤ {TOKENS:,}", most[0] <= TOKENS),
        counted(f"stored quotes located again, {len(reports)} papers", *_located(reports)),
    ]


def _located(reports: Iterable[tuple[PaperReport, Document]]) -> tuple[int, int]:
    """How many stored quotes are their document's own text at their place, outside its reference list."""
    right = total = 0
    for report, document in reports:
        for step in (s for p in report.parts for s in p.steps):
            for e in (*step.evidence, *(x for r in step.results for x in r.evidence)):
                total += 1
                listed = any(s.kind == "references" and s.start < e.end and e.start < s.end for s in document.sections)
                right += document.text[e.start : e.end] == e.text and not listed
    return right, total


def _size(seen: Seen, count: Callable[[str], int]) -> int:
    form = json.dumps(seen.body.get("response_format") or seen.body.get("tools") or "")
    return count(seen.text) + count(form)


def _tokenizer() -> tuple[str, Callable[[str], int]]:
    try:
        from bpe_openai import encoding_for_model
    except ImportError:
        from tokenizers import Tokenizer

        import bioresearcher.retrieval.embedding as embedding

        pieces = Tokenizer.from_file(str(Path(embedding.__file__).with_name("minilm-tokenizer.json")))
        pieces.no_truncation()
        pieces.no_padding()
        return "WordPiece, MiniLM", lambda text: len(pieces.encode(text).ids)
    encoding = encoding_for_model("gpt-4o")
    return "BPE, o200k", lambda text: len(encoding.encode(text))


@dataclass(frozen=True)
class Told:
    """A report as texts: what its steps say, and the quotes it gives."""

    parts: list[str]
    steps: list[str]
    quotes: list[str]

    def names(self, kind: Any) -> dict[str, str]:
        """What its steps name of one kind: in small letters, and as written; of numbers the digits alone count."""
        found = (n for text in self.steps for n in labels(mine(text), kind))
        if kind in {"number", "cohort"}:
            return {m[0]: n for n in found for m in re.finditer(r"\d+(?:[.,]\d+)*", n.replace("log2", "log"))}
        return {n.casefold(): n for n in found if len(n) > 1}


def _original(path: Path) -> Told:
    parts, steps, quotes = [], [], []
    for number, text in json.loads(path.read_text(encoding="utf-8")).items():
        part = json.loads(text)
        parts.append(part[number])
        for name, step in part.items():
            if name.startswith("step"):
                steps.append(f"{step['implementation details']} {step['results']}")
                quotes += [step["original text"], step["results original text"]]
    return Told(parts, steps, [q for q in quotes if q.strip()])


def _ours(report: PaperReport) -> Told:
    steps = [s for p in report.parts for s in p.steps]
    said = [" ".join([s.details, *s.datasets, *s.software, *(r.text for r in s.results)]) for s in steps]
    quotes = [e.text for s in steps for e in (*s.evidence, *(x for r in s.results for x in r.evidence))]
    return Told([p.title for p in report.parts], said, quotes)


def _beside_the_original(report: PaperReport, document: Document, path: Path) -> list[Figure]:
    """Prints what each report has that the other lacks, and what of it the paper has."""
    ours, theirs = _ours(report), _original(path)
    paper = document.text.casefold()
    found = sum(locate(document, q) is not None for q in theirs.quotes)
    lines = [
        "PMC5481278, the report read here by rule beside the original's",
        f"  parts: {len(ours.parts)} ({'; '.join(ours.parts)})",
        f"         {len(theirs.parts)} ({'; '.join(theirs.parts)})",
        f"  steps: {len(ours.steps)} and {len(theirs.steps)}",
        f"  quotes located: {len(ours.quotes)} of {len(ours.quotes)} and {found} of {len(theirs.quotes)}",
    ]
    invented = 0
    for kind in ("accession", "software", "test", "gene", "number", "cohort"):
        mine_, other = ours.names(kind), theirs.names(kind)
        named = kind in {"accession", "software", "gene", "test"}
        absent = [w for n, w in sorted(other.items()) if named and not all(word in paper for word in n.split())]
        invented += len(absent)
        lines += [
            f"  {kind}: only here: {_list(mine_[n] for n in sorted(mine_.keys() - other.keys()))}",
            f"  {kind}: only there: {_list(other[n] for n in sorted(other.keys() - mine_.keys()))}",
        ]
        lines += [f"  {kind}: there, and not in the paper: {_list(absent)}"] if absent else []
    print("\n".join(lines), flush=True)
    near = {p.casefold() for p in ours.parts}
    same = sum(any(_alike(t, o) for o in near) for t in theirs.parts)
    return [
        counted("the original's parts that the report has, too", same, len(theirs.parts)),
        Figure("the original's quotes that are located, same paper", f"{found} of {len(theirs.quotes)}"),
        Figure("names in the original's report that the paper has not", str(invented)),
    ]


def _alike(left: str, right: str) -> bool:
    words = [{w[:6] for w in re.findall(r"[a-z]{3,}", text.casefold())} for text in (left, right)]
    return len(words[0] & words[1]) >= 0.5 * min(map(len, words))


def _list(names: Iterable[str]) -> str:
    return "; ".join(names) or "–"


def _side_by_side(place: Path, data: Path) -> list[Figure]:
    """Ten papers at once on a server with a fixed latency, each in a process of its own.

    So many calls may be in flight that none waits for another: the way is the outline, a part, the judgement.
    """
    with _server() as url:
        command = [sys.executable, __file__, url, str(place / "many.sqlite"), str(data)]
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment(), check=True, text=True)
    told = json.loads(done.stdout)
    critical = 3 * LATENCY_S
    name = f"{PAPERS} papers side by side, {told['calls']} calls of {LATENCY_S:g} s"
    return [
        measured(f"{name}: wall over critical path ({critical:g} s)", [told["wall"] / critical], "×", at_most=1.15),
        measured("the same, CPU of the process", [told["cpu"]], "s"),
        measured("the same, peak memory", [told["peak"]], "MB", at_most=600),
    ]


def _many(url: str, ledger: Path, data: Path) -> dict[str, float]:
    """Reads the papers; wall and CPU seconds, calls and peak memory."""
    limit_memory()
    loaded = [load_paper(p) for p in sorted((data / "fulltext").glob("*/*"))[:PAPERS]]
    backend = _backend(url)
    calls: list[str] = []
    caller = replace(_caller(ledger, backend), events=EventLog(None, lambda e: calls.append(e.kind)))

    async def all_of_them() -> float:
        await ask(caller, PLAN_QUERIES, PlanQueriesInput(objective=OBJECTIVE, round=1, previous=(), known_titles=()))
        Relevance(loaded[0][1], split_passages(loaded[0][1]))
        calls.clear()  # imports and the first connection are measured elsewhere
        started = time.perf_counter()
        await asyncio.gather(*(_report(caller, paper, document) for paper, document in loaded))
        taken = time.perf_counter() - started
        await backend.aclose()
        return taken

    cpu = time.process_time()
    wall = asyncio.run(all_of_them())
    caller.ledger.close()
    used = time.process_time() - cpu
    return {"wall": wall, "cpu": used, "calls": calls.count("call"), "peak": peak_memory_mb()}


@contextmanager
def _server() -> Iterator[str]:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from model_server import ModelServer, valid_answer; "
        "s = ModelServer(lambda seen: valid_answer(seen.body, items=int(sys.argv[3])), float(sys.argv[2])); "
        "s.__enter__(); print(s.url, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(ROOT / "tests" / "support"), str(LATENCY_S), str(PARTS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    print(json.dumps(_many(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
