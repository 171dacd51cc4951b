"""Checks of structure: ids, numbering, empty and duplicated parts and steps, fields a step must have."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, short
from bioresearcher.review.reading.sections import instructs
from bioresearcher.review.vocabulary import ACCEPT_CUE, EARLIER_CUE, INPUT_CUE, OUTPUT_CUE
from bioresearcher.schemas.protocol import ProtocolStep
from bioresearcher.schemas.review import Severity
from bioresearcher.text.format import listing
from bioresearcher.text.visible import one_line

LONG_STEP_WORDS = 350
"""Words of a step above which it should be split."""
NEAR_DUPLICATE = 0.8
"""Share of common words (Jaccard index) from which two steps count as one written twice."""

_GENERIC = re.compile(
    r"\W*(?:(?:step|part|section|phase|stage)\s*[\d.]*|untitled|misc(?:ellaneous)?|other|others|general"
    r"|new (?:step|part)|\d+(?:\.\d+)*)\W*",
    re.I,
)
_NOT_EXPERIMENT = re.compile(
    r"\W*(?:introduction|background|discussion|conclusions?|abstract|acknowledge?ments|literature review"
    r"|future (?:work|directions))\W*",
    re.I,
)
_RESULTS = re.compile(r"[\W\d]*(?:results?|findings)\b", re.I)
_DISCUSSION = re.compile(
    r"\W*(?:discuss|propose hypotheses|reflect on|explore the implications|link the findings)\b", re.I
)


def duplicate_ids(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Parts or steps that share an id."""
    parts = Counter(p.id for p in view.protocol.parts)
    steps = Counter(s.step.id for s in view.steps)
    for kind, counts in (("part", parts), ("step", steps)):
        for name, n in counts.items():
            if n > 1:
                yield CheckHit(f"{kind} {name}", f"the id {name!r} is used {n} times", "Number them anew.")


def numbering(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Parts that are not 1, 2, 3 …, steps that are not `<part>.1`, `<part>.2` …."""
    for number, part in enumerate(view.protocol.parts, 1):
        if part.id != str(number) and not view.protocol.revision:
            yield CheckHit(
                f"part {part.id}", f"is part number {number} but has the id {short(part.id)!r}", "Number it anew."
            )
        if view.protocol.revision and _rising(part.id, [s.id for s in part.steps]):
            continue  # ids are kept when a step is dropped
        expected = [f"{part.id}.{n}" for n in range(1, len(part.steps) + 1)]
        given = [s.id for s in part.steps]
        wrong = [g for g, e in zip(given, expected, strict=True) if g != e]
        if wrong:
            message = f"steps are not numbered {part.id}.1 to {part.id}.{len(given)}: {listing(wrong)}"
            yield CheckHit(f"part {part.id}", message, "Number them anew and mend the references to them.")


def _rising(part_id: str, steps: list[str]) -> bool:
    numbers = [int(s.removeprefix(f"{part_id}.")) for s in steps if re.fullmatch(rf"{re.escape(part_id)}\.\d+", s)]
    return len(numbers) == len(steps) and numbers == sorted(set(numbers))


def no_steps(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Protocols without parts, and parts without steps."""
    if not view.protocol.parts:
        yield CheckHit("protocol", "has no parts", "Write at least one part with steps.")
    for part in view.protocol.parts:
        if not part.steps:
            yield CheckHit(f"part {part.id}", f"“{short(part.title)}” has no steps", "Write its steps or take it out.")


def no_action(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps that do not say what to do."""
    for s in view.steps:
        if not s.step.action.strip():
            yield CheckHit(s.location, "says nothing about what to do", "Write the action.")
        elif s.words < 4:
            yield CheckHit(s.location, f"is only “{short(s.step.action)}”", "Say what is done with what.", "warning")


Cue = Callable[[str], object]
"""A search for words that stand for a field; anything true means found."""


def _input_cue(text: str) -> object:
    return INPUT_CUE.search(text) or EARLIER_CUE.search(text)


def _missing(view: CheckedProtocol, field: str, has: Callable[[ProtocolStep], object], cue: Cue) -> Iterator[CheckHit]:
    """Steps without a field. In free text a cue in the words is enough, and one finding names all steps."""
    lacking = [s for s in view.steps if not has(s.step) and not (view.from_text and cue(s.body))]
    if not view.from_text:
        yield from (CheckHit(s.location, f"names no {field}", f"State its {field}.") for s in lacking)
    elif lacking:
        message = (
            f"{len(lacking)} of {len(view.steps)} steps name no {field}: {listing((s.step.id for s in lacking), 10)}"
        )
        yield CheckHit(
            "protocol", message, f"State the {field} of each.", share_severity(len(lacking), len(view.steps))
        )


def share_severity(lacking: int, of: int) -> Severity:
    """Return `warning` when more than half lack something, else `note`."""
    return "warning" if lacking * 2 > of else "note"


def no_inputs(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps without inputs."""
    return _missing(view, "inputs", lambda s: s.inputs or s.datasets, _input_cue)


def no_outputs(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps without outputs."""
    return _missing(view, "outputs", lambda s: s.outputs, OUTPUT_CUE.search)


def no_acceptance(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps without a criterion that tells success from failure."""
    return _missing(view, "acceptance criterion", lambda s: s.acceptance.strip(), ACCEPT_CUE.search)


_TOKEN = re.compile(r"[^\W_]+", re.UNICODE)


def duplicated(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps written twice: the same words, with the same inputs, numbers and names."""
    keys = [_key(s) for s in view.steps]
    first: dict[tuple[str, ...], int] = {}
    for i, key in enumerate(keys):
        s = view.steps[i]
        if len(key[0]) >= 30 and key in first:
            other = view.steps[first[key]]
            yield CheckHit(s.location, f"repeats {other.location} word for word", "Take one of them out.")
        first.setdefault(key, i)
    for i, j in _near(view):
        if keys[i] != keys[j]:
            message = f"says nearly the same as {view.steps[i].location}"
            yield CheckHit(view.steps[j].location, message, "Merge them or say what differs.", "warning")


def _key(s: StepView) -> tuple[str, ...]:
    step = s.step
    inputs = sorted(i.source for i in step.inputs if i.source.startswith("dataset:"))  # others are made by numbering
    return (" ".join(_TOKEN.findall(step.action.lower())), *sorted(step.datasets), *inputs, *sorted(s.marks))


_COPIED = re.compile(r"^\W*(?:as (?:the|this) (?:paper|report|study) \w+ it|according to the paper)\W+", re.I)
_TOLD = re.compile(
    r"\b(?:we|here we)\b(?: \w+){0,2} \w+(?:ed|ook|ept|ade|ang|aw|ound|an)\b"
    r"|(?<!which )(?<!that )(?<!who )(?<!they )(?<!it )\b(?:was|were|had been|has been|have been)\b",
    re.I,
)


def told(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps that tell what was done elsewhere instead of what to do, as sentences copied from a paper do."""
    found = [s for s in view.steps if _tells(s)]
    severe: Severity = "error" if 3 * len(found) >= len(view.steps) else "warning"
    for s in found if len(found) > 1 else ():
        words = one_line(s.step.action, 80)
        yield CheckHit(
            s.location, f"tells what was done, not what to do: “{words}”", "Write it as an instruction.", severe
        )


def _tells(s: StepView) -> bool:
    first = re.split(r"(?<=[.;])\s", s.step.action[:600], maxsplit=1)[0]
    bare = _COPIED.sub("", first)
    return bool(_TOLD.search(bare)) and not instructs(bare) and not instructs(s.step.title)


def _near(view: CheckedProtocol) -> Iterator[tuple[int, int]]:
    """Pairs of steps whose words overlap by `NEAR_DUPLICATE`, found through their rarest words.

    Two sets that overlap this much must share one of their rarest words (prefix filtering), so only
    those pairs are compared.
    """
    bags = [frozenset(t for t in _TOKEN.findall(f"{s.step.title} {s.step.action}".lower())) for s in view.steps]
    frequency = Counter(t for bag in bags for t in bag)
    seen: dict[str, list[int]] = defaultdict(list)
    for j, bag in enumerate(bags):
        if len(bag) < 12:
            continue
        rare = sorted(bag, key=lambda t: (frequency[t], t))[: len(bag) - math.ceil(NEAR_DUPLICATE * len(bag)) + 1]
        candidates = sorted({i for t in rare for i in seen[t][-50:]})
        for i in candidates:
            overlap = len(bags[i] & bag) / len(bags[i] | bag)
            if overlap >= NEAR_DUPLICATE and _same_frame(view.steps[i], view.steps[j]):
                yield i, j
                break
        for t in rare:
            seen[t].append(j)


def _same_frame(a: StepView, b: StepView) -> bool:
    same_data = set(a.step.datasets) == set(b.step.datasets)
    same_inputs = {i.source for i in a.step.inputs} == {i.source for i in b.step.inputs}
    return same_data and same_inputs and a.marks == b.marks


def poor_titles(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Empty, generic or repeated titles."""
    parts = Counter(p.title.strip().lower() for p in view.protocol.parts if p.title.strip())
    for part in view.protocol.parts:
        if not part.title.strip() or _GENERIC.fullmatch(part.title[:200]):
            yield CheckHit(
                f"part {part.id}", f"its title “{short(part.title)}” says nothing", "Name what the part does."
            )
        elif parts[part.title.strip().lower()] > 1:
            yield CheckHit(
                f"part {part.id}", f"shares its title “{short(part.title)}” with another part", "Tell them apart."
            )
    for s in view.steps:
        if not s.step.title.strip() or _GENERIC.fullmatch(s.step.title[:200]):
            yield CheckHit(
                s.location, f"its title “{short(s.step.title)}” says nothing", "Name what the step does.", "note"
            )


def not_an_experiment(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Parts and steps of a paper rather than of an experiment; a report of finished work has them rightly."""
    if any(_RESULTS.match(part.title) for part in view.protocol.parts):
        return
    for part in view.protocol.parts:
        if _NOT_EXPERIMENT.fullmatch(part.title[:200]):
            yield CheckHit(f"part {part.id}", f"“{short(part.title)}” is no experiment", "Move it out of the protocol.")
    for s in view.steps:
        if _DISCUSSION.match(s.step.action[:200]):
            words = one_line(s.step.action, 60)
            yield CheckHit(
                s.location, f"is discussion, not an experiment: “{words}”", "Say what is measured or decided.", "note"
            )


def no_purpose(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Parts that do not say what they are for."""
    bare = [p.id for p in view.protocol.parts if not p.purpose.strip()]
    if view.from_text and bare:
        message = f"{len(bare)} of {len(view.protocol.parts)} parts do not say what they are for: {listing(bare, 10)}"
        yield CheckHit("protocol", message, "Add their purpose.", "note")
    elif bare:
        yield from (CheckHit(f"part {name}", "does not say what it is for", "Add its purpose.") for name in bare)


def too_long(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps too long to be one step."""
    for s in view.steps:
        if s.cut:
            yield CheckHit(
                s.location, "is so long that only its first 20,000 characters were looked at", "Split it.", "warning"
            )
        elif s.words > LONG_STEP_WORDS:
            yield CheckHit(
                s.location, f"is {s.words} words long", "Split it into steps that can be checked one by one."
            )


def other_script(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Protocols in a script that most checks of wording do not cover."""
    if not view.latin:
        message = "is not in Latin script: wording, statistics and safety were judged by a short list of words only"
        yield CheckHit("protocol", message, "Have these checked by a reader, or review a translation.")


CHECKS: tuple[Check, ...] = (
    Check("G-STR-01", "ids are unique", "error", "structural_soundness", duplicate_ids, (), "headings"),
    Check(
        "G-STR-02",
        "parts and steps are numbered in order",
        "warning",
        "structural_soundness",
        numbering,
        (),
        "protocol",
    ),
    Check("G-STR-03", "parts have steps", "error", "structural_soundness", no_steps),
    Check("G-STR-04", "steps say what to do", "error", "completeness", no_action),
    Check("G-STR-05", "steps name their inputs", "warning", "completeness", no_inputs),
    Check("G-STR-06", "steps name their outputs", "warning", "completeness", no_outputs),
    Check("G-STR-07", "steps have an acceptance criterion", "warning", "completeness", no_acceptance),
    Check("G-STR-08", "no step is written twice", "error", "structural_soundness", duplicated),
    Check("G-STR-14", "steps tell what to do, not what was done", "error", "logical_soundness", told, (), "protocol"),
    Check(
        "G-STR-09", "titles say something and differ", "warning", "structural_soundness", poor_titles, (), "headings"
    ),
    Check(
        "G-STR-10", "only experimental content", "warning", "structural_soundness", not_an_experiment, (), "headings"
    ),
    Check("G-STR-11", "parts say what they are for", "warning", "completeness", no_purpose, (), "headings"),
    Check("G-STR-12", "steps are short enough to be checked", "note", "structural_soundness", too_long),
    Check(
        "G-STR-13",
        "the text is in a script the checks can read",
        "note",
        "level_of_detail",
        other_script,
        (),
        "protocol",
    ),
)
