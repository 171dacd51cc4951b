"""Comparison of two runs: questions, data, protocol, answers, numbers, tasks and versions.

Findings are matched by what they are about (questions, data, kind, measure, contrast, test), not by the ids of tasks,
which may shift. Numbers are compared before rounding where they are kept; versions are listed apart from results.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bioresearcher.analysis.sentences import question_text
from bioresearcher.execution.reproduce import Recorded
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.answer import Answers
from bioresearcher.schemas.execution import DryLabTask, Finding
from bioresearcher.schemas.protocol import Protocol, ProtocolStep
from bioresearcher.schemas.question import Questions
from bioresearcher.schemas.run import RunRecord
from bioresearcher.schemas.run_diff import Difference, DiffPart, RunDiff
from bioresearcher.text.visible import one_line

CLOSE = 1e-9
"""Share by which numbers may differ and still be the same."""


@dataclass(frozen=True)
class _Side:
    run: RunRecord
    recorded: Recorded
    questions: Questions
    answers: Answers
    protocol: Protocol | None

    @classmethod
    def load(cls, folder: RunFolder) -> _Side:
        run = folder.read(RunRecord, "run.json")
        return cls(
            run,
            Recorded.load(folder),
            folder.read(Questions, "questions.json") if folder.has("questions.json") else Questions(),
            folder.read(Answers, "answer.json") if folder.has("answer.json") else run.answers,
            folder.read(Protocol, "protocol.json") if folder.has("protocol.json") else None,
        )


def compare_runs(first: RunFolder, second: RunFolder) -> RunDiff:
    """Compare two runs.

    Raises:
        RunFolderError: A file of one of them is damaged.
    """
    a, b = _Side.load(first), _Side.load(second)
    found: list[Difference] = []
    compared: dict[str, int] = {}
    missing: list[str] = []
    for part, of in _PARTS.items():
        before, after = of(a), of(b)
        if not before and not after:
            continue
        if (not before or not after) and part != "objective":
            missing.append(f"{part}: only in the {'second' if after else 'first'} run")
        compared[part] = len(before.keys() | after.keys())
        found += _differing(part, before, after)
    return RunDiff(
        first=a.run.run_id,
        second=b.run.run_id,
        differences=tuple(found),
        compared=compared,
        not_compared=tuple(missing),
    )


def _differing(part: DiffPart, before: Mapping[str, object], after: Mapping[str, object]) -> Iterable[Difference]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old is not None and new is not None and _same(old, new):
            continue
        yield Difference(part=part, name=one_line(name, 300), before=_said(old), after=_said(new))


def _same(old: object, new: object) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=CLOSE, abs_tol=1e-300) or (math.isnan(old) and math.isnan(new))
    return old == new


def _said(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return one_line(text, 300) or "(empty)"


def _objective(side: _Side) -> dict[str, object]:
    given = side.run.objective
    found: dict[str, object] = {"text": given.text}
    found |= {f"condition {n}": text for n, text in enumerate(given.conditions, 1)}
    return found | {f"requirement {r.id}": r.text for r in given.requirements}


def _questions(side: _Side) -> dict[str, object]:
    found: dict[str, object] = {q.id: question_text(q) for q in side.questions.questions}
    return found | {f"not understood: {one_line(u.words, 120)}": u.words for u in side.questions.not_understood}


def _data(side: _Side) -> dict[str, object]:
    return {f"{d.id}/{f.path}": f"sha256 {f.sha256}" for d in side.recorded.datasets.values() for f in d.files}


def _protocol(side: _Side) -> dict[str, object]:
    steps = side.protocol.steps if side.protocol else ()
    return {f"step {s.id}": _Step(s) for s in steps}


class _Step:
    """A step that is equal to another one when it does the same, and reads as its title."""

    def __init__(self, step: ProtocolStep) -> None:
        self.title = step.title
        given = step.model_dump(mode="json", exclude={"links", "citations", "origin", "novelty"})
        self.content = json.dumps(given, sort_keys=True)
        self.action = step.action

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Step) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)

    def __str__(self) -> str:
        return f"{self.title}: {self.action}"


def _answers(side: _Side) -> dict[str, object]:
    found: dict[str, object] = {}
    for q in side.answers.questions:
        found[q.id] = f"{q.state}{f': {q.why}' if q.why else ''}"
        lines = [s.text for s in q.sentences] or list(q.findings)
        found |= {f"{q.id}, sentence {n}": text for n, text in enumerate(lines, 1)}
    return found | {r.id: f"{r.state}{f': {r.why}' if r.why else ''}" for r in side.answers.requirements}


def _numbers(side: _Side) -> dict[str, object]:
    found: dict[str, object] = {}
    for task in side.recorded.tasks.values():
        record = side.recorded.records.get(task.id)
        for n, finding in enumerate(record.findings if record else (), 1):
            about = _about(task, n, finding)
            k = 2
            while any(name.startswith(f"{about}: ") for name in found):
                about, k = f"{_about(task, n, finding)} ({k})", k + 1
            found |= {f"{about}: {name}": value for name, value in _values(finding).items()}
    return found


def _about(task: DryLabTask, n: int, finding: Finding) -> str:
    result = finding.result
    if result is None:
        names = ", ".join(str(v) for k, v in finding.values.items() if isinstance(v, str))[:120]
        return f"{task.title}, finding {n}{f' ({names})' if names else ''}"
    contrast = f", {result.contrast.column}" if result.contrast else ""
    terms = f", adjusted for {', '.join(result.terms)}" if result.terms else ""
    return f"{task.title}, {result.kind} of {result.measure or 'data'} in {result.population}{contrast}{terms}"


def _values(finding: Finding) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in finding.values.items():
        if isinstance(value, bool | str):
            found[name] = str(value)
        elif isinstance(value, int | float):
            found[name] = float(value)
        elif value is not None:
            found[name] = json.dumps(value, sort_keys=True)
    result = finding.result
    for name in ("estimate", "low", "high", "p", "fdr", "n", "events") if result else ():
        exact = getattr(result, name)
        if exact is not None:
            found[f"{name} (unrounded)"] = float(exact)
    return found


def _tasks(side: _Side) -> dict[str, object]:
    return {
        f"{t.id} {t.title}": str(side.recorded.records[t.id].outcome) if t.id in side.recorded.records else "not run"
        for t in side.recorded.tasks.values()
    }


def _versions(side: _Side) -> dict[str, object]:
    found: dict[str, object] = dict(side.run.versions)
    found["backend"], found["sandbox"] = side.run.backend, side.run.sandbox
    return found


_PARTS: Mapping[DiffPart, Callable[[_Side], dict[str, object]]] = {
    "objective": _objective,
    "questions": _questions,
    "data": _data,
    "protocol": _protocol,
    "answers": _answers,
    "numbers": _numbers,
    "tasks": _tasks,
    "versions": _versions,
}
