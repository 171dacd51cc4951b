"""How defects are put into protocols; `defects.py` has the table of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edits import (
    added,
    chains,
    changed,
    exchanged,
    fields,
    numberless,
    part_changed,
    places,
    reordered,
    says,
    unitless,
)
from material import Material

from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, StepInput
from bioresearcher.schemas.review import MetricName

Make = Callable[[Material, int], Protocol | None]


@dataclass(frozen=True)
class Defect:
    """A kind of defect.

    Attributes:
        gates: Any of these checks seeing it counts as found.
        also: Checks whose findings follow from the defect and are no false alarm.
        make: The protocol with the defect at a strength, or None where it cannot be put in.
    """

    kind: str
    metric: MetricName
    gates: tuple[str, ...]
    make: Make
    also: tuple[str, ...] = ()


def sentence(one: str, two: str, three: str) -> Make:
    """A sentence of one of three wordings, in one, another, or many steps."""

    def make(m: Material, strength: int) -> Protocol:
        return says(m.protocol, places(m.protocol, strength), (one, two, three)[strength - 1])

    return make


def left_out(tag: str, two: str = "", three: str = "", also: tuple[str, ...] = ()) -> Make:
    """Words of a kind left out in the whole protocol; stronger with a sentence that makes it worse."""

    def make(m: Material, strength: int) -> Protocol | None:
        if tag not in m.tags():
            return None
        p = m.without({tag, *also})
        worse = ("", two, three)[strength - 1]
        return says(p, places(p, strength)[:1], worse) if worse else p

    return make


def in_kind(kind: str, one: str, two: str, three: str) -> Make:
    """Like `sentence`, in steps of the wet or dry lab only."""

    def make(m: Material, strength: int) -> Protocol | None:
        ids = [s.id for s in m.protocol.steps if s.kind == kind]
        chosen = [ids[len(ids) // 2 : len(ids) // 2 + 1], ids[-1:], ids[::2]][strength - 1]
        return says(m.protocol, chosen, (one, two, three)[strength - 1]) if ids else None

    return make


def only(names: tuple[str, ...], make: Make) -> Make:
    """For these protocols only."""
    return lambda m, strength: make(m, strength) if m.name in names else None


def _ids(p: Protocol, strength: int) -> list[str]:
    ids = [s.id for s in p.steps]
    return [[ids[len(ids) // 2]], ids[1:4], ids][strength - 1]


def fields_lost(**update: object) -> Make:
    return lambda m, strength: fields(m.protocol, _ids(m.protocol, strength), **update)


def foreign_link(m: Material, strength: int) -> Protocol:
    p = m.protocol
    link = p.steps[0].links[0]
    other = (
        link.model_copy(update={"step_id": "4.2"}),
        link.model_copy(
            update={"evidence": link.evidence.model_copy(update={"start": 900, "end": 930, "text": "x" * 30})}
        ),
        link.model_copy(update={"paper_id": "PMC7000001"}),
    )[strength - 1]
    return fields(p, places(p, strength), links=(other,))


def numbers_gone(m: Material, strength: int) -> Protocol:
    return changed(m.protocol, _ids(m.protocol, strength), numberless)


def units_gone(m: Material, strength: int) -> Protocol | None:
    with_units = [s.id for s in m.protocol.steps if s.kind == "wet" and unitless(s) != s]
    chosen = [with_units[:1], with_units[-1:], with_units][strength - 1]
    return changed(m.protocol, chosen, unitless) if with_units else None


def swapped(m: Material, strength: int) -> Protocol | None:
    p, linked = m.protocol, chains(m.protocol)
    if strength == 3:
        return reordered(p, (*p.parts[1:], p.parts[0]))
    return exchanged(p, *linked[0 if strength == 1 else -1]) if linked else None


def circular(m: Material, strength: int) -> Protocol | None:
    p, linked = m.protocol, [(a, b) for a, b in chains(m.protocol) if b.outputs]
    if not linked:
        return None
    first, second = linked[0]
    if strength == 1:
        own = StepInput(name="itself", source=f"step:{first.id}/{first.outputs[0].name}")
        return fields(p, [first.id], inputs=(*first.inputs, own))
    back = StepInput(name="back", source=f"step:{second.id}/{second.outputs[0].name}")
    p = fields(p, [first.id], inputs=(*first.inputs, back))
    if strength == 3:
        last = p.steps[-1]
        far = StepInput(name="far", source=f"step:{last.id}/{last.outputs[0].name}")
        p = fields(p, [p.steps[0].id], inputs=(*p.steps[0].inputs, far))
    return p


def dangling(m: Material, strength: int) -> Protocol:
    p = m.protocol
    source = ("step:1.1/nothing of the kind", "step:7.7/table", "step:1.9/list")[strength - 1]
    return changed(
        p,
        places(p, strength),
        lambda s: s.model_copy(update={"inputs": (*s.inputs, StepInput(name="x", source=source))}),
    )


def twice(m: Material, strength: int) -> Protocol:
    p = m.protocol
    step = p.parts[1].steps[0]
    if strength == 1:
        words = {" and ": " as well as ", " with ": " using ", "keep": "retain"}
        action = step.action
        for old, new in words.items():
            action = action.replace(old, new, 1)
        return added(p, step.model_copy(update={"action": action}), 1)
    p = added(p, step, 1)
    return p if strength == 2 else added(p, p.parts[0].steps[-1], -1)


def contradiction(m: Material, strength: int) -> Protocol:
    p = m.protocol
    first, last = p.steps[0], p.steps[-1]
    if strength == 1:
        p = fields(p, [first.id], parameters=(*first.parameters, Parameter(name="significance level", value="0.05")))
        return fields(p, [last.id], parameters=(*last.parameters, Parameter(name="significance level", value="0.20")))
    if strength == 2:
        p = says(p, [first.id], "All coordinates refer to the human genome build GRCh38.")
        return says(p, [last.id], "All coordinates refer to the human genome build GRCh37.")
    p = says(p, [first.id], "There are 40 patients and 40 controls; hits are called at FDR < 0.05.")
    return says(p, [last.id], "Use the 55 patients and 40 controls; hits are called at FDR < 0.2.")


def requirement_lost(m: Material, strength: int) -> Protocol:
    p, cover = m.protocol, m.protocol.coverage
    if strength == 1:
        return p.model_copy(update={"coverage": cover[1:]})
    if strength == 2:
        return p.model_copy(update={"coverage": (*cover[:-1], cover[-1].model_copy(update={"met": False}))})
    gone = set(cover[0].steps)
    parts = tuple(x.model_copy(update={"steps": tuple(s for s in x.steps if s.id not in gone)}) for x in p.parts)
    return p.model_copy(update={"parts": parts})


def covered_falsely(m: Material, strength: int) -> Protocol:
    p, cover = m.protocol, m.protocol.coverage
    wrong = (("9.1",), (), ("8.8", "9.9"))[strength - 1]
    changed_cover = [c.model_copy(update={"steps": wrong}) for c in (cover if strength == 3 else cover[-1:])]
    return p.model_copy(update={"coverage": (*cover[: len(cover) - len(changed_cover)], *changed_cover)})


def leakage(m: Material, strength: int) -> Protocol | None:
    p = m.protocol
    if strength == 1:
        sets = m.context.datasets or {}
        discovery = next((d.id for d in sets.values() if d.role == "discovery"), None)
        late = [s for s in p.steps if set(s.datasets) & {d.id for d in sets.values() if d.role == "validation"}]
        if not discovery or not late:
            return None
        inputs = tuple(
            i.model_copy(update={"source": f"dataset:{discovery}/{i.source.split('/')[-1]}"})
            if i.source.startswith("dataset:")
            else i
            for i in late[-1].inputs
        )
        action = late[-1].action
        for d in late[-1].datasets:
            action = action.replace(d, discovery)
        return fields(p, [late[-1].id], datasets=(discovery,), inputs=inputs, action=action)
    more = (
        "Validate the result in the same samples from which it was derived.",
        "Train on all samples and test on the same samples; no samples are kept aside.",
    )[strength - 2]
    return says(p, places(p, strength), more)


def repeated_id(m: Material, strength: int) -> Protocol:
    p = m.protocol
    steps = p.parts[0].steps
    if strength == 1:
        return fields(p, [steps[1].id], id=steps[0].id)
    if strength == 2:
        return fields(p, [p.parts[-1].steps[-1].id], id=f"{p.parts[-1].id}.12")
    return part_changed(p, 1, id=p.parts[0].id)


def empty(m: Material, strength: int) -> Protocol:
    p = m.protocol
    if strength == 1:
        return fields(p, [p.parts[1].steps[-1].id], action="Do this.", title="Analysis")
    if strength == 2:
        return fields(p, [p.steps[1].id], action="")
    return part_changed(p, -1, steps=())


def generic_titles(m: Material, strength: int) -> Protocol:
    p = m.protocol
    if strength == 1:
        return fields(p, [p.steps[2].id], title="Step 3")
    if strength == 2:
        return part_changed(p, 1, title=p.parts[0].title)
    return part_changed(fields(p, [s.id for s in p.steps], title="Step"), 0, title="Part")


def monster(m: Material, strength: int) -> Protocol:
    p = m.protocol
    part = p.parts[0]
    text = " ".join(
        f"{s.action} Then write down what was done, by whom and when, on page {n}." for n, s in enumerate(p.steps)
    )
    whole = " ".join([text] * strength)
    long = part.steps[0].model_copy(update={"action": whole + " And check it again." * 60})
    return part_changed(p, 0, steps=(long, *part.steps[1:]))


def paper_section(m: Material, strength: int) -> Protocol:
    p = m.protocol
    if strength == 1:
        step = p.parts[-1].steps[-1]
        talk = step.model_copy(
            update={
                "title": "Implications",
                "action": "Discuss the implications of the findings for the field and for patients in 2 pages.",
                "outputs": step.outputs[:1],
            }
        )
        return added(p, talk)
    title = "Discussion" if strength == 2 else "Introduction"
    part = p.parts[-1] if strength == 2 else p.parts[0]
    talk = part.steps[0].model_copy(update={"inputs": (), "title": "Background of the disease"})
    new = ProtocolPart(
        id=str(len(p.parts) + 1),
        title=title,
        purpose="Put the work in its place.",
        steps=(talk.model_copy(update={"id": f"{len(p.parts) + 1}.1", "requirements": ()}),),
    )
    return p.model_copy(update={"parts": (*p.parts, new)})


def no_purpose(m: Material, strength: int) -> Protocol:
    p = m.protocol
    for n in ((1,), (0, 1), range(len(p.parts)))[strength - 1]:
        p = part_changed(p, n, purpose="")
    return p


def wrong_column(m: Material, strength: int) -> Protocol | None:
    used = [s for s in m.protocol.steps if s.datasets and any(i.source.startswith("dataset:") for i in s.inputs)]
    sheets = [d for d in (m.context.datasets or {}).values() if any(f.columns for f in d.files)]
    if not used or not sheets or not {d.id for d in sheets} & set(used[0].datasets):
        return None
    name = ("group_column", "time_column", "batch_column")[strength - 1]
    more = Parameter(name=name, value=("responder_status", "follow_up_days", "scanner")[strength - 1])
    return fields(m.protocol, [used[0].id], parameters=(*used[0].parameters, more))


def few(m: Material, strength: int) -> Protocol:
    said = (
        "Compare two patients per group with a t-test.",
        "Use n = 2 per group and test the difference at p < 0.05.",
        "Compare one treated with one untreated sample by a t-test.",
    )[strength - 1]
    return says(m.protocol, places(m.protocol, strength), said)


def confounded(m: Material, strength: int) -> Protocol | None:
    if strength == 1:
        return m.without({"confound"}) if "confound" in m.tags() else None
    said = (
        "Process all cases in the first week and all controls in the second week.",
        "All patients are measured on one plate and all controls on another plate.",
    )[strength - 2]
    return says(m.protocol, places(m.protocol, strength), said)


def uncorrected(m: Material, strength: int) -> Protocol | None:
    if "correction" not in m.tags() or m.name in {"mendelian", "knockdown"}:
        return None
    p = m.without({"correction"})
    more = ("", "Take every feature with p < 0.05 as a hit.", "No adjustment of the p-values is made.")[strength - 1]
    late = [s.id for s in p.parts[-1].steps[:1]]
    return says(p, late, more) if more else p
