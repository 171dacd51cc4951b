"""Argument lists of the commands that the doors call, one function a command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from bioresearcher.doors.program import text_of
from bioresearcher.errors import InputError

Where = Literal["library", "services"]
"""`library`: passages of the workspace's papers, nothing leaves the machine; `services`: PubMed and Europe PMC."""


def review_words(file: Path, *, kind: str = "") -> list[str]:
    """Review a protocol or run folder."""
    return ["review", "--json", *([f"--kind={text_of(kind, 'kind')}"] if kind else []), "--", str(file)]


def describe_words(data: Path, *, form: Literal["text", "json"]) -> list[str]:
    """Describe data as they are read."""
    return ["data", "show", f"--format={form}", "--", str(data)]


def search_words(query: str, workspace: Path, *, where: Where, limit: int) -> list[str]:
    """Search the library's passages, or the literature services."""
    if not 1 <= limit <= 100:
        raise InputError(f"limit: {limit} is not between 1 and 100.")
    action = "search" if where == "library" else "find"
    place = [f"--workspace={workspace}", f"--limit={limit}"]
    return ["library", action, *place, "--json", "--", text_of(query, "query")]


def ask_words(run: Path, question: str) -> list[str]:
    """Put a question to a run's papers."""
    return ["ask", "--json", "--", str(run), text_of(question, "question")]


def trace_words(run: Path, number: str) -> list[str]:
    """Trace a number of a run's report back to its data."""
    return ["trace", "--format=text", "--", str(run), text_of(number, "number")]


def reproduce_words(run: Path, *, tasks: Iterable[str] = ()) -> list[str]:
    """Execute a run's tasks again and compare."""
    return ["reproduce", "--json", *(f"--task={text_of(t, 'task')}" for t in tasks), "--", str(run)]


def run_words(
    objective: str,
    *,
    workspace: Path,
    papers: Iterable[Path] = (),
    data: Iterable[Path] = (),
    requirements: Iterable[str] = (),
    conditions: Iterable[str] = (),
    only_own: bool = False,
    max_usd: float | None = None,
    max_minutes: float | None = None,
    model: str = "",
) -> list[str]:
    """Carry an objective to its report, with the approvals given beforehand; with `max_usd` 0 no model is asked."""
    words = ["run", "--yes", f"--objective={text_of(objective, 'objective')}", f"--workspace={workspace}"]
    words += [f"--papers={path}" for path in papers] + [f"--data={path}" for path in data]
    words += [f"--requirement={text_of(text, 'requirement')}" for text in requirements]
    words += [f"--condition={text_of(text, 'condition')}" for text in conditions]
    words += ["--only-own"] if only_own else []
    if max_usd is not None:
        words += [f"--max-usd={max_usd:g}"] if max_usd > 0 else ["--backend=offline"]  # nothing to spend: no model
    words += [f"--max-minutes={max_minutes:g}"] if max_minutes is not None else []
    return words + ([f"--model={text_of(model, 'model')}"] if model else [])
