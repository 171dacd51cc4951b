"""Deviations of a run from its registered plan: what was changed, added, dropped, skipped or failed, with reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bioresearcher.errors import RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskRecord
from bioresearcher.schemas.protocol import Protocol, ProtocolStep
from bioresearcher.schemas.registration import Amendment, Deviation, DeviationKind, Deviations, Registration
from bioresearcher.schemas.run import Decision, Revision, RunRecord
from bioresearcher.stages.registration import PROTOCOL, read_registration, registered_protocol, verify
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line

_UNNAMED = "no reason was recorded"


def deviations(folder: RunFolder) -> Deviations:
    """Compare a run with its registered plan; a damaged part of the run is a deviation, too.

    Order: changes of the plan in the order made, steps that were not carried out, tasks that failed, and files that
    differ without an amendment. Of an unfinished run, tasks that were not run yet are none.
    """
    try:
        registration = read_registration(folder)
    except RunFolderError as error:
        return Deviations(found=(Deviation(kind="not registered", said=error.message),), compared=False)
    if registration is None:
        return Deviations(compared=False)
    found: list[Deviation] = []
    compared = True
    try:
        before = registered_protocol(folder)
        now = folder.read(Protocol, PROTOCOL) if folder.has(PROTOCOL) else None
        compared = before is not None or not registration.amendments
        if before is not None and now is not None:
            found += _changes(folder, registration, before, now)
        if now is not None:
            found += _not_done(folder, now)
    except RunFolderError as error:
        found.append(Deviation(kind="not registered", said=error.message))
    found += [Deviation(kind="not registered", said=_sentence(said), reason=_UNNAMED) for said in verify(folder)]
    return Deviations(
        registered=registration.registered, digest=registration.digest, found=tuple(found), compared=compared
    )


def deviation_lines(found: Deviations) -> list[str]:
    """Write the deviations as plain lines, with a first one on the registration."""
    if not found.registered:
        said = [_line(d) for d in found.found]
        return [*said, "No plan was registered: no protocol was approved in this run."]
    plan = f"the plan registered on {found.registered} (digest {found.digest[:12]})"
    missing = [] if found.compared else ["Its steps cannot be compared: the plan as registered is not kept."]
    if not found.found:
        return [f"No deviation from {plan}.", *missing]
    return [f"{count_of(len(found.found), 'deviation')} from {plan}:", *missing, *map(_line, found.found)]


def _line(found: Deviation) -> str:
    seen = {True: "; results had been seen", False: "; before any result", None: ""}[found.results_seen]
    when = f" ({found.made}{seen})" if found.made else ""
    reason = f" Reason: {one_line(found.reason, 300)}" if found.reason else ""
    return f"{found.kind}: {one_line(found.said, 300)}{when}{reason}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


# -- changes of the plan ------------------------------------------------------------------------------


def _changes(folder: RunFolder, registration: Registration, before: Protocol, now: Protocol) -> Iterator[Deviation]:
    """Yield the steps that are other ones now; the reason is that of the revision, else that of the amendment."""
    old, new = {s.id: s for s in before.steps}, {s.id: s for s in now.steps}
    whys = _reasons(folder)
    last = registration.amendments[-1] if registration.amendments else None
    kinds: list[tuple[DeviationKind, str, ProtocolStep]] = []
    kinds += [("dropped", i, s) for i, s in old.items() if i not in new]
    kinds += [("changed", i, new[i]) for i, s in old.items() if i in new and _content(s) != _content(new[i])]
    kinds += [("added", i, s) for i, s in new.items() if i not in old]
    for kind, step_id, step in kinds:
        amendment = _amendment_of(registration, whys.get(step_id, (0, ""))[0]) or last
        reason = whys.get(step_id, (0, ""))[1] or (amendment.reason if amendment else _UNNAMED)
        yield Deviation(
            kind=kind,
            step=step_id,
            said=f"Step {step_id}, {one_line(step.title, 150)}, was {kind}.",
            reason=reason,
            made=amendment.made if amendment else "",
            results_seen=amendment.results_seen if amendment else None,
        )
    parts = {
        "answer_rule": "The rule of the answer",
        "definitions": "A definition",
        "decisions": "A choice at a glance",
    }
    for name, said in parts.items():
        if getattr(before, name) != getattr(now, name):
            yield Deviation(
                kind="changed",
                said=f"{said} was changed.",
                reason=last.reason if last else _UNNAMED,
                made=last.made if last else "",
                results_seen=last.results_seen if last else None,
            )


def _content(step: ProtocolStep) -> object:
    """Return the content of a step: the same step with other evidence is no other plan."""
    return step.model_dump(exclude={"links", "citations", "origin", "rationale", "novelty"})


def _reasons(folder: RunFolder) -> Mapping[str, tuple[int, str]]:
    """Return the last revision that touched a step, with its reason."""
    found: dict[str, tuple[int, str]] = {}
    base = folder.path("revisions")
    numbers = sorted(int(p.name) for p in base.iterdir() if p.name.isdecimal()) if base.is_dir() else []
    for number in numbers:
        if folder.has("revisions", str(number), "revision.json"):
            revision = folder.read(Revision, "revisions", str(number), "revision.json")
            comment = revision.comment.strip()
            for change in revision.changes:
                why = f"{change.why.strip()} (comment: {comment})" if comment else change.why.strip()
                found[change.step] = number, why
    return found


def _amendment_of(registration: Registration, revision: int) -> Amendment | None:
    return next((a for a in registration.amendments if revision and a.revision >= revision), None)


# -- what was not carried out -------------------------------------------------------------------------


def _not_done(folder: RunFolder, protocol: Protocol) -> Iterator[Deviation]:
    tasks = folder.read_list(DryLabTask, "tasks.json")
    record = folder.read(RunRecord, "run.json")
    done = record.status == "done"
    skipped = _skipped(record.decisions)
    covered = {step for task in tasks for step in task.step_ids}
    for step in protocol.steps if done else ():
        if step.kind == "dry" and step.id not in covered:
            said = f"Step {step.id}, {one_line(step.title, 150)}, was not carried out: no task was made of it."
            limit = record.settings.get("max_tasks")
            reason = f"at most {limit} tasks were asked for" if limit is not None else _UNNAMED
            yield Deviation(kind="skipped", step=step.id, said=said, reason=reason)
    for task in tasks:
        place = ("tasks", task.id, "record.json")
        known = folder.read(TaskRecord, *place) if folder.has(*place) else None
        outcome = known.outcome if known else Outcome.NOT_RUN
        if outcome is Outcome.VERIFIED or (outcome is Outcome.NOT_RUN and not done):
            continue
        kind: DeviationKind = "skipped" if outcome is Outcome.NOT_RUN else "failed"
        steps = ", ".join(task.step_ids)
        what = "was not run" if outcome is Outcome.NOT_RUN else f"has no verified result ({outcome})"
        yield Deviation(
            kind=kind,
            step=task.step_ids[0] if task.step_ids else "",
            task=task.id,
            said=f"Task {task.id} of step {steps or '–'}, {one_line(task.title, 120)}, {what}.",
            reason=skipped.get(task.id) or (one_line(known.message, 300) if known else _UNNAMED),
        )
    for task in tasks:
        if not task.step_ids:
            yield Deviation(kind="added", task=task.id, said=f"Task {task.id} carries out no step of the plan.")


def _skipped(decisions: tuple[Decision, ...]) -> dict[str, str]:
    """Return the tasks that a person left out, with the words of the decision."""
    found = {}
    for decision in decisions:
        if decision.gate == "approve_tasks":
            for task in decision.drop:
                found[task] = decision.comment or f"left out at the approval of the tasks (by {decision.by})"
            for task in decision.add:
                found.pop(task, None)
    return found
