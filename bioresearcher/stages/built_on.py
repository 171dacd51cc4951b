"""Findings and code of the tasks that a task builds on, as its programmer is told of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskRecord

FINDINGS: Final = 8
"""Findings of one task that are told at most."""
FINDING_CHARS: Final = 300
CODE_CHARS: Final = 6_000
"""Characters of code of all these tasks together; a script is shown whole or not at all."""


def was_ended(folder: Path) -> bool:
    """Return True for a finished task whose code did not come to its end, so that its files may be parts."""
    record = _record(folder / "record.json")
    return record is not None and record.outcome.rank <= Outcome.KILLED.rank


def told_of(tasks_dir: Path, makers: Iterable[DryLabTask]) -> tuple[str, ...]:
    """Return a text per task on what it found and how, from the folders of finished tasks; none of a task without.

    Of a task with a skill the skill is named; its code is no example of what was decided in this run.
    """
    room, told = CODE_CHARS, []
    for task in makers:
        folder = tasks_dir / task.id
        record = _record(folder / "record.json")
        if record is None:
            continue
        lines = [f"- {f.statement}" for f in record.findings if len(f.statement) <= FINDING_CHARS][:FINDINGS]
        said = [f"Task {task.id}, {task.title}, found:", *lines] if lines else []
        code = "" if task.skill else _text(folder / task.code_file)
        if code and len(code) <= room:
            room -= len(code)
            said += [f"The code of task {task.id}:", f"```{task.language}\n{code.strip()}\n```"]
        elif task.skill:
            said += [f"Task {task.id} is the vetted analysis {task.skill}."]
        if said:
            told.append("\n".join(said))
    return tuple(told)


def _record(path: Path) -> TaskRecord | None:
    try:
        return TaskRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
