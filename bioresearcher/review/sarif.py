"""Reviews as SARIF 2.1.0 (OASIS), a format with which code hosts show findings beside the lines they concern."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from bioresearcher import __version__
from bioresearcher.review.checks import CHECKS
from bioresearcher.review.record import most_severe_in_foreign, records
from bioresearcher.review.render import FileReview, ProtocolComparison
from bioresearcher.schemas.judgement import Confidence
from bioresearcher.schemas.protocol import Consequence
from bioresearcher.schemas.review import CheckFinding, Review, Severity
from bioresearcher.text.visible import one_line

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS: Final = 25_000
"""Largest number of results of a run that a code host takes."""
MAX_DESCRIPTION: Final = 1_024
"""Largest number of characters of a rule's description."""
_TEXT = frozenset({".md", ".markdown", ".txt", ".text", ".rst", ".json", ".jsonld"})
_REVIEWER: dict[str, JsonValue] = {
    "id": "REVIEWER",
    "shortDescription": {"text": "Found by the model that reviewed"},
    "fullDescription": {
        "text": "A finding of the model in the reviewer's role, with words of the protocol that it quotes."
    },
    "help": {"text": "Read the passage and judge for yourself: a model's findings are no measurements."},
    "defaultConfiguration": {"level": "warning"},
}


def as_sarif(results: Sequence[FileReview], change: ProtocolComparison | None = None) -> str:
    """Format reviews as a SARIF run with a result per finding; with a comparison, results are new, unchanged or absent.

    Files that could not be read are notifications of an unsuccessful invocation.
    """
    rules = [_rule(c.id, c.title, c.severity, c.metric) for c in CHECKS] + [_REVIEWER]
    index = {str(r["id"]): n for n, r in enumerate(rules)}
    found: list[JsonValue] = []
    for r in results:
        if r.review is not None:
            lines = _Lines(r)
            states = _states(r.review.findings, change)
            ranked = sorted(zip(r.review.findings, _ranks(r.review), states, strict=True), key=lambda row: -row[1])
            found += [_result(f, r, rank, lines, index, state) for f, rank, state in ranked]
            found += [_result(f, r, _rank(f), lines, index, "absent") for f in (change.gone if change else ())]
    failed: list[JsonValue] = [
        {"level": "error", "message": {"text": one_line(f"{r.error} {r.hint}".strip(), 600)}}
        for r in results
        if r.review is None
    ]
    run: dict[str, JsonValue] = {
        "tool": {"driver": {"name": "bioresearcher review", "version": __version__, "rules": list(rules)}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not failed, "toolExecutionNotifications": failed}],
        "results": found[:MAX_RESULTS],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(name: str, title: str, severity: Severity, metric: str) -> dict[str, JsonValue]:
    record = records().get(name)
    said = f"On real text from elsewhere it was right in {record}." if record else "It needs what a run knows."
    text = f"{title[:1].upper()}{title[1:]}."
    return {
        "id": name,
        "shortDescription": {"text": text[:-1]},
        "fullDescription": {"text": f"{text} {said}"[:MAX_DESCRIPTION]},
        "help": {"text": f"{text} {said} All checks: bioresearcher review --list-checks."[:MAX_DESCRIPTION]},
        "defaultConfiguration": {"level": most_severe_in_foreign(name) or severity},
        "properties": {"metric": metric, "tags": [metric]},
    }


def _states(findings: Sequence[CheckFinding], change: ProtocolComparison | None) -> list[str]:
    """Baseline state of each finding: `new` or `unchanged` in a comparison, else empty."""
    if change is None:
        return [""] * len(findings)
    new = Counter(change.new)
    states = []
    for f in findings:
        states.append("new" if new[f] > 0 else "unchanged")
        new[f] -= 1
    return states


def _result(f: CheckFinding, r: FileReview, rank: float, lines: _Lines, index: dict[str, int], state: str) -> JsonValue:
    text = f"{f.location}: {f.message}" + (f" {f.suggestion}" if f.suggestion else "")
    region = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1} if state == "absent" else lines.region(f)
    place: dict[str, JsonValue] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(_relative(lines.file))},
            "region": dict(region),
        },
        "logicalLocations": [{"name": f.location, "kind": f.location.partition(" ")[0]}],
    }
    mark = hashlib.sha256(f"{f.gate}|{_without_numbers(f.message)}".encode()).hexdigest()[:24]
    result: dict[str, JsonValue] = {
        "ruleId": f.gate,
        "ruleIndex": index.get(f.gate, -1),
        "level": f.severity,
        "rank": rank,
        "message": {"text": text},
        "locations": [place],
        "partialFingerprints": {"finding/v1": mark, "primaryLocationLineHash": lines.mark(region["startLine"], mark)},
    }
    return result | ({"baselineState": state} if state else {})


_RANKS: Final[dict[Severity, float]] = {"error": 80.0, "warning": 50.0, "note": 10.0}


_BY_CONSEQUENCE: Final[dict[Consequence, float]] = {
    "invalidates the result": 90.0,
    "changes the result": 60.0,
    "weakens it": 30.0,
    "wording": 0.0,
}
_BY_CONFIDENCE: Final[dict[Confidence, float]] = {"sure": 10.0, "likely": 5.0, "possible": 0.0}


def _ranks(review: Review) -> list[float]:
    """Rank of each finding, 0 to 100: the model's by consequence, then certainty; those of checks by `_rank`."""
    judged = iter(review.judgement.findings if review.judgement else ())
    ranks = []
    for f in review.findings:
        own = next(judged, None) if f.gate == "REVIEWER" else None
        ranks.append(_BY_CONSEQUENCE[own.consequence] + _BY_CONFIDENCE[own.confidence] if own else _rank(f))
    return ranks


def _rank(f: CheckFinding) -> float:
    """Rank of a finding, 0 to 100: by severity, within one by how often its check was right."""
    record = records().get(f.gate)
    precision = record.precision if record else None
    return round(_RANKS[f.severity] + 20 * (precision or 0.0), 1)


def _relative(file: str) -> str:
    """Return a file's path from the working folder, as code hosts ask for; a file elsewhere keeps its path."""
    path = Path(file)
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix() if path.is_absolute() else path.as_posix()
    except ValueError:
        return path.as_posix()


def _without_numbers(text: str) -> str:
    """Mask the numbers of steps, so that fingerprints stay when steps are numbered anew."""
    return re.sub(r"\b\d+(?:\.\d+)+\b", "#", text)


_QUOTED: Final = re.compile(r"“([^”]{4,160})”")


class _Lines:
    """Places of parts and steps in a file, found by their words in the order of the document; else line 1."""

    def __init__(self, reviewed: FileReview) -> None:
        path = Path(reviewed.file)
        self.file = str(path / "protocol.json") if path.is_dir() else reviewed.file
        self._text = ""
        self._at: dict[str, int] = {}
        self._marks: Counter[str] = Counter()
        if Path(self.file).suffix.lower() in _TEXT and Path(self.file).is_file():
            self._text = Path(self.file).read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
        after = 0
        for location, words in reviewed.places.items():
            step = location.startswith("step ")
            at = self._find(words, after if step else 0)
            if at >= 0:
                self._at[location] = at
                after = at + 1 if step else after

    def _find(self, words: str, start: int) -> int:
        if not words:
            return -1
        escaped = json.dumps(words, ensure_ascii=False)[1:-1]
        places = (self._text.find(w, n) for n in (start, 0) for w in (words, escaped))
        return next((at for at in places if at >= 0), -1)

    def region(self, f: CheckFinding) -> dict[str, int]:
        """Return the place of a finding: of the words it quotes, or of its step or part to the end of the line."""
        at = self._at.get(f.location, -1)
        if at < 0:
            return {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1 + len(self._text.partition("\n")[0])}
        end = self._text.find("\n", at)
        end = len(self._text) if end < 0 else end
        quoted = _QUOTED.search(f.message)
        if quoted and (found := self._text.find(quoted.group(1).rstrip("."), at, end + 2_000)) >= 0:
            at, end = found, found + len(quoted.group(1).rstrip("."))
        return self._place(at, "start") | self._place(end, "end")

    def _place(self, at: int, which: str) -> dict[str, int]:
        line = self._text.count("\n", 0, at) + 1
        return {f"{which}Line": line, f"{which}Column": at - self._text.rfind("\n", 0, at)}

    def mark(self, line: int, other: str) -> str:
        """Return a fingerprint of a line's words that stays when lines above change; `other` where there is no text."""
        words = "".join(self._text.split("\n")[line - 1].split()) if self._text else other
        mark = hashlib.sha256(words.encode()).hexdigest()[:16]
        self._marks[mark] += 1
        return f"{mark}:{self._marks[mark]}"
