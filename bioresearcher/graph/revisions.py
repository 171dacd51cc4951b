"""Revisions recorded in a run folder, and the tasks that still hold after one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.execution import ColumnRule, DryLabTask, Outcome, TaskOutput, TaskRecord
from bioresearcher.schemas.run import Revision

REVISIONS_FOLDER = "revisions"


def recorded(folder: RunFolder) -> tuple[Revision, ...]:
    """Read the revisions of a run, in order."""
    base = folder.path(REVISIONS_FOLDER)
    names = [p.name for p in base.iterdir() if p.name.isdigit()] if base.is_dir() else []
    whole = [n for n in sorted(names, key=int) if folder.has(REVISIONS_FOLDER, n, "revision.json")]
    return tuple(folder.read(Revision, REVISIONS_FOLDER, n, "revision.json") for n in whole)


def with_revisions(folder: RunFolder, objective: Objective) -> Objective:
    """Return the objective with the requirements that revisions added."""
    more = [r for revision in recorded(folder) for r in revision.requirements]
    new = [r for r in more if r not in objective.requirements]
    return objective.model_copy(update={"requirements": (*objective.requirements, *new)}) if new else objective


def kept_ids(tasks: Sequence[DryLabTask], old: Sequence[DryLabTask]) -> tuple[DryLabTask, ...]:
    """Give tasks of steps that had one its old id, and new tasks ids that were never used."""
    ids = {t.step_ids: t.id for t in reversed(old)}
    free = max((int(t.id[1:]) for t in old if t.id[1:].isdigit()), default=0)
    name: dict[str, str] = {}
    for task in tasks:
        known = ids.pop(task.step_ids, None)
        free += known is None
        name[task.id] = known or f"T{free}"

    def renamed(task: DryLabTask) -> DryLabTask:
        inputs = tuple(i.model_copy(update={"task": name.get(i.task or "", i.task)}) for i in task.inputs)
        return task.model_copy(update={"id": name[task.id], "inputs": inputs})

    return tuple(map(renamed, tasks))


def settle_tasks(folder: RunFolder, tasks: Sequence[DryLabTask], old: Sequence[DryLabTask]) -> list[str]:
    """Return the ids of tasks whose records still hold: same task, same makers of its inputs; move the others' folders.

    Those go to `revisions/<n>/tasks/`, so that nothing is lost. Verified outputs also hold where a skill's rules for
    them have become laxer since.
    """
    before = {t.id: t for t in old}
    holds: list[str] = []
    for task in tasks:
        known = before.get(task.id)
        settled = known is not None and all(n in holds for n in task.needs)
        if known is not None and settled and folder.has("tasks", task.id, "record.json"):
            record = folder.read(TaskRecord, "tasks", task.id, "record.json")
            same = known == task or (record.verified and _laxer(task, known))
            if same and record.outcome is not Outcome.NOT_RUN:  # it may be run now, where it could not be then
                holds.append(task.id)
    past = folder.path(REVISIONS_FOLDER, str(max((r.number for r in recorded(folder)), default=0)), "tasks")
    for task in old:
        place = folder.path("tasks", task.id)
        if task.id not in holds and place.is_dir():
            _move(place, past / task.id)
    return holds


def _laxer(task: DryLabTask, before: DryLabTask) -> bool:
    """Return True if a task is an earlier one whose outputs need pass no rule that they did not pass then."""
    if task.model_copy(update={"outputs": before.outputs}) != before or len(task.outputs) != len(before.outputs):
        return False
    return all(_passes(new, old) for new, old in zip(task.outputs, before.outputs, strict=True))


def _passes(new: TaskOutput, old: TaskOutput) -> bool:
    """Return True if every file that keeps the old rules keeps the new ones."""
    if new.model_copy(update={"columns": old.columns, "min_rows": old.min_rows}) != old or new.min_rows > old.min_rows:
        return False
    rules = {rule.name: rule for rule in old.columns}
    return all(c.name in rules and _within(c, rules[c.name]) for c in new.columns)


def _within(new: ColumnRule, old: ColumnRule) -> bool:
    low = new.minimum is None or (old.minimum is not None and old.minimum >= new.minimum)
    high = new.maximum is None or (old.maximum is not None and old.maximum <= new.maximum)
    return low and high and old.numeric >= new.numeric and old.max_missing <= new.max_missing


def _move(place: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(place)  # an interrupted step was repeated: its content is in the target already
    else:
        place.replace(target)
