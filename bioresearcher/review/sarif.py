"""Reviews as SARIF 2.1.0 (OASIS), a format with which code hosts show findings beside the lines they concern."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

from pydantic import JsonValue

from bioresearcher import __version__
from bioresearcher.review.checks import CHECKS
from bioresearcher.review.render import FileReview, ProtocolComparison
from bioresearcher.schemas.review import CheckFinding
from bioresearcher.text.visible import one_line

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_TEXT = frozenset({".md", ".markdown", ".txt", ".text", ".rst", ".json"})
_REVIEWER: dict[str, JsonValue] = {
    "id": "REVIEWER",
    "shortDescription": {"text": "Found by the model that reviewed"},
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
            found += [_result(f, r, lines, index, s) for f, s in zip(r.review.findings, states, strict=True)]
            found += [_result(f, r, lines, index, "absent") for f in (change.gone if change else ())]
    failed: list[JsonValue] = [
        {"level": "error", "message": {"text": one_line(f"{r.error} {r.hint}".strip(), 600)}}
        for r in results
        if r.review is None
    ]
    run: dict[str, JsonValue] = {
        "tool": {"driver": {"name": "bioresearcher review", "version": __version__, "rules": list(rules)}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not failed, "toolExecutionNotifications": failed}],
        "results": found,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(name: str, title: str, severity: str, metric: str) -> dict[str, JsonValue]:
    return {
        "id": name,
        "shortDescription": {"text": title[:1].upper() + title[1:]},
        "defaultConfiguration": {"level": severity},
        "properties": {"metric": metric},
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


def _result(f: CheckFinding, r: FileReview, lines: _Lines, index: dict[str, int], state: str) -> JsonValue:
    text = f"{f.location}: {f.message}" + (f" {f.suggestion}" if f.suggestion else "")
    place: dict[str, JsonValue] = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(PurePath(lines.file).as_posix())},
            "region": {"startLine": 1 if state == "absent" else lines.of(f.location)},
        },
        "logicalLocations": [{"name": f.location, "kind": f.location.partition(" ")[0]}],
    }
    mark = hashlib.sha256(f"{f.gate}|{_without_numbers(f.message)}".encode()).hexdigest()[:24]
    result: dict[str, JsonValue] = {
        "ruleId": f.gate,
        "ruleIndex": index.get(f.gate, -1),
        "level": f.severity,
        "message": {"text": text},
        "locations": [place],
        "partialFingerprints": {"finding/v1": mark},
    }
    return result | ({"baselineState": state} if state else {})


def _without_numbers(text: str) -> str:
    """Mask the numbers of steps, so that fingerprints stay when steps are numbered anew."""
    return re.sub(r"\b\d+(?:\.\d+)+\b", "#", text)


class _Lines:
    """Line numbers of parts and steps in a file, found by their titles; 1 where not found or not text."""

    def __init__(self, reviewed: FileReview) -> None:
        path = Path(reviewed.file)
        self.file = str(path / "protocol.json") if path.is_dir() else reviewed.file
        self._places = reviewed.places
        self._text = ""
        if Path(self.file).suffix.lower() in _TEXT and Path(self.file).is_file():
            self._text = Path(self.file).read_text(encoding="utf-8", errors="replace")

    def of(self, location: str) -> int:
        words = self._places.get(location, "")
        at = self._text.find(words) if words else -1
        if at < 0 and words:
            at = self._text.find(json.dumps(words, ensure_ascii=False)[1:-1])
        return self._text.count("\n", 0, at) + 1 if at >= 0 else 1
