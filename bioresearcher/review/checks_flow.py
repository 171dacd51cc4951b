"""Checks of data flow: inputs must be given or made earlier, and outputs should be used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, quote_match, short
from bioresearcher.review.vocabulary import ACQUIRE, DIFFERENTIAL, ENRICHMENT, NORMALISE, QUALITY
from bioresearcher.text.format import listing

_STEP_SOURCE = re.compile(r"step:([^/]+)/(.+)", re.S)
_DATASET_SOURCE = re.compile(r"dataset:([^/]+)/(.+)", re.S)


def _step_inputs(view: CheckedProtocol) -> Iterator[tuple[StepView, str, str]]:
    for s in view.steps:
        for i in s.step.inputs:
            m = _STEP_SOURCE.fullmatch(i.source)
            if m:
                yield s, m.group(1), m.group(2)


def unknown_output(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Inputs taken from a step or an output that does not exist."""
    for s, step_id, output in _step_inputs(view):
        maker = view.by_id.get(step_id)
        if maker is None:
            yield CheckHit(
                s.location,
                f"takes {short(output)!r} from step {short(step_id)}, which does not exist",
                "Fix the input.",
            )
        elif output not in {o.name for o in maker.step.outputs}:
            has = listing(o.name for o in maker.step.outputs) or "no outputs"
            message = f"takes {short(output)!r} from step {step_id}, which does not make it"
            yield CheckHit(s.location, message, f"Step {step_id} has: {has}.")


def later_output(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Inputs taken from the step itself or from a later one; every cycle has at least one of these."""
    for s, step_id, output in _step_inputs(view):
        maker = view.by_id.get(step_id)
        if maker is not None and maker.index >= s.index:
            which = "itself" if maker.index == s.index else f"step {step_id}, which comes later"
            yield CheckHit(
                s.location, f"takes {short(output)!r} from {which}", "Put the steps in the order of their data."
            )


def unknown_dataset_file(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Inputs taken from a data set or file that the run does not have."""
    datasets = view.context.datasets or {}
    for s in view.steps:
        for i in s.step.inputs:
            m = _DATASET_SOURCE.fullmatch(i.source)
            if m is None:
                continue
            dataset = datasets.get(m.group(1))
            if dataset is None:
                known = listing(datasets) or "none"
                message = f"takes {i.name!r} from data set {short(m.group(1))}, which this run does not have"
                yield CheckHit(s.location, message, f"Data sets of this run: {known}.")
            elif m.group(2) not in {f.name for f in dataset.files}:
                has = listing(f.name for f in dataset.files)
                message = f"takes file {short(m.group(2))!r} of {dataset.id}, which has no such file"
                yield CheckHit(s.location, message, f"Its files: {has}.")


def unreadable_source(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Inputs whose source has none of the known forms."""
    for s in view.steps:
        for i in s.step.inputs:
            known = i.source == "given" or _STEP_SOURCE.fullmatch(i.source) or _DATASET_SOURCE.fullmatch(i.source)
            if not known:
                message = f"its input {short(i.name)!r} comes from {short(i.source)!r}, which says nothing"
                yield CheckHit(s.location, message, "Write `given`, `dataset:<id>/<file>` or `step:<id>/<output>`.")


def unused_output(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Tables, models and materials that no later step takes and that are not a part's last result."""
    used = {(step_id, output) for _, step_id, output in _step_inputs(view)}
    if not used or view.from_text:
        return
    for s in view.steps:
        if s.step is s.part.steps[-1] or s.step.requirements:
            continue
        idle = [o.name for o in s.step.outputs if o.kind in {"model", "material"} and (s.step.id, o.name) not in used]
        any_used = any((s.step.id, o.name) in used for o in s.step.outputs)
        idle += [o.name for o in s.step.outputs if o.kind == "table" and not any_used]
        if idle:
            yield CheckHit(
                s.location, f"makes {listing(idle)}, which nothing uses", "Use it, or say that it is a result."
            )


def part_order(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Parts that depend on themselves, on a later part, or on one that does not exist."""
    order = {p.id: n for n, p in reversed(list(enumerate(view.protocol.parts)))}
    for number, part in enumerate(view.protocol.parts):
        for name in part.depends_on:
            if name not in order:
                yield CheckHit(f"part {part.id}", f"depends on part {short(name)}, which does not exist", "Fix it.")
            elif order[name] >= number:
                which = "itself" if order[name] == number else f"part {name}, which comes later"
                yield CheckHit(f"part {part.id}", f"depends on {which}", "Put the parts in order.")


def undeclared_dependency(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Parts that take another part's output without declaring that they depend on it."""
    if not any(p.depends_on for p in view.protocol.parts):
        return
    seen: set[tuple[str, str]] = set()
    for s, step_id, _ in _step_inputs(view):
        maker = view.by_id.get(step_id)
        if maker is None or maker.part_index == s.part_index or maker.part.id in s.part.depends_on:
            continue
        if (s.part.id, maker.part.id) not in seen:
            seen.add((s.part.id, maker.part.id))
            message = f"uses an output of part {maker.part.id} without declaring that it depends on it"
            yield CheckHit(f"part {s.part.id}", message, f"Add {maker.part.id} to what it depends on.")


_CROSS = re.compile(
    r"(?:(?P<use>\b(?:from|using|obtained|generated|produced|identified|derived|defined|established|created"
    r"|output of|results? of)\b[^.;\n]{0,40}?)"
    r"|\b(?:see|as in|specified in|described in|in)\s+)\b(?P<kind>part"
    r"|step)\s+(?P<id>\d{1,3}(?:\.\d{1,3})*)\b",
    re.I,
)


def cross_reference(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Cross-references in the text to a part or step that does not exist, or to a later one's output."""
    parts = len(view.protocol.parts)
    for s in view.steps:
        for m in _CROSS.finditer(s.body):
            name = m.group("id")
            number = int(name.split(".")[0])
            if m.group("kind").lower() == "part":
                missing, later = number > parts, number > s.part_index + 1
            elif "." in name:
                target = view.by_id.get(name)
                missing, later = target is None, target is not None and target.index > s.index
            else:
                missing, later = number > max(len(s.part.steps), len(view.steps)), False
            if missing:
                yield CheckHit(
                    s.location, f"points at something that is not there: {quote_match(m)}", "Fix the reference."
                )
            elif later and m.group("use"):
                yield CheckHit(s.location, f"takes something from later on: {quote_match(m)}", "Fix the order.")


_STAGES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("getting the data", ACQUIRE),
    ("quality control", QUALITY),
    ("normalisation", NORMALISE),
    ("differential expression", DIFFERENTIAL),
    ("enrichment", ENRICHMENT),
)


def stage_order(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Analyses in an order that cannot work, such as enrichment before there are genes to enrich."""
    first: list[StepView | None] = []
    for _, cue in _STAGES:
        dry = [s for s in view.steps if s.step.kind == "dry"]
        titled = (s for s in dry if cue.search(s.step.title))
        first.append(next(titled, None) or next((s for s in dry if cue.search(s.head)), None))
    for later, earlier in ((4, 3), (3, 2), (3, 1), (2, 0), (3, 0)):
        b, a = first[later], first[earlier]
        if a is not None and b is not None and b.index < a.index and not _both(b, _STAGES[earlier][1]):
            message = f"{_STAGES[later][0]} comes before {_STAGES[earlier][0]} ({a.location})"
            yield CheckHit(b.location, message, "Put the steps in the order of their data.")


def _both(s: StepView, cue: re.Pattern[str]) -> bool:
    return bool(cue.search(s.body))


CHECKS: tuple[Check, ...] = (
    Check("G-FLO-01", "inputs from steps exist", "error", "logical_soundness", unknown_output, (), "protocol"),
    Check("G-FLO-02", "inputs come from earlier steps", "error", "logical_soundness", later_output, (), "protocol"),
    Check("G-FLO-03", "inputs from data sets exist", "error", "logical_soundness", unknown_dataset_file, ("datasets",)),
    Check("G-FLO-04", "inputs say where they come from", "error", "logical_soundness", unreadable_source),
    Check("G-FLO-05", "outputs are used or are results", "note", "logical_soundness", unused_output, (), "protocol"),
    Check("G-FLO-06", "parts depend on earlier parts", "error", "logical_soundness", part_order, (), "protocol"),
    Check(
        "G-FLO-07",
        "dependencies of parts are declared",
        "note",
        "logical_soundness",
        undeclared_dependency,
        (),
        "protocol",
    ),
    Check(
        "G-FLO-08",
        "references between steps lead somewhere",
        "warning",
        "logical_soundness",
        cross_reference,
        (),
        "protocol",
    ),
    Check("G-FLO-09", "analyses are in a possible order", "warning", "logical_soundness", stage_order, (), "protocol"),
)
