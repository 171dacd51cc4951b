"""What checks and scores make of clean protocols and of protocols with a defect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from defects import DEFECTS, HELD_OUT, HELD_OUT_STRENGTH, Defect
from edits import places, says
from material import NAMES, Material, load

from bioresearcher.review.metrics import review_by_rule
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import CheckFinding, Review


@dataclass(frozen=True)
class Case:
    """A protocol with one defect, and what the review of it says beyond that of the clean one."""

    base: str
    defect: Defect
    strength: int
    new: tuple[CheckFinding, ...]
    before: Review
    after: Review

    @property
    def held_out(self) -> bool:
        """Whether it was kept aside while checks were changed."""
        return self.defect.kind in HELD_OUT or self.strength == HELD_OUT_STRENGTH

    @property
    def found(self) -> bool:
        """Whether a check that should see the defect has a new finding."""
        return any(f.gate in self.defect.gates for f in self.new)

    @property
    def lowered(self) -> bool:
        """Whether the metric the defect concerns has a lower score."""
        name = self.defect.metric
        return self.after.metrics[name].score < self.before.metrics[name].score

    @property
    def false(self) -> tuple[CheckFinding, ...]:
        """New findings that the defect does not explain."""
        explained = {*self.defect.gates, *self.defect.also}
        return tuple(f for f in self.new if f.gate not in explained)


@dataclass
class Tally:
    """Counts of one check: cases it should see, of these seen, and cases in which it cried wrongly."""

    due: int = 0
    seen: int = 0
    right: int = 0
    wrong: int = 0
    missed: list[str] = field(default_factory=list)


def cases(materials: Sequence[Material] = ()) -> Iterator[Case]:
    """Every defect at every strength in every protocol it can be put into."""
    for m in materials or [load(n) for n in NAMES]:
        before = review_by_rule(m.protocol, m.context)
        known = {(f.gate, f.message) for f in before.findings}
        for d in DEFECTS:
            for strength in (1, 2, 3):
                broken = d.make(m, strength)
                if broken is None or broken == m.protocol:
                    continue
                after = review_by_rule(broken, m.context)
                new = tuple(f for f in after.findings if (f.gate, f.message) not in known)
                yield Case(m.name, d, strength, new, before, after)


def by_check(found: Sequence[Case]) -> dict[str, Tally]:
    """For each check: it is due when it alone should see a defect, or when it was one of those that did."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for c in found:
        gates = {f.gate for f in c.new}
        hit = [g for g in c.defect.gates if g in gates]
        for g in hit or c.defect.gates[:1]:
            tallies[g].due += 1
            tallies[g].seen += bool(hit)
            if not hit:
                tallies[g].missed.append(f"{c.base}/{c.defect.kind}/{c.strength}")
        for g in gates:
            explained = g in c.defect.gates or g in c.defect.also
            tallies[g].right += explained
            tallies[g].wrong += not explained
    return dict(tallies)


def broken_protocols(m: Material) -> Iterator[tuple[str, int, Protocol]]:
    """The protocols with a defect, by kind and strength."""
    for d in DEFECTS:
        for strength in (1, 2, 3):
            broken = d.make(m, strength)
            if broken is not None and broken != m.protocol:
                yield d.kind, strength, broken


def worded_cases(wordings: Mapping[str, tuple[str, str]], materials: Sequence[Material] = ()) -> Iterator[Case]:
    """Wordings of `fresh.py`, each in one step of every protocol."""
    kinds = {d.kind: d for d in DEFECTS}
    for m in materials or [load(n) for n in NAMES]:
        before = review_by_rule(m.protocol, m.context)
        known = {(f.gate, f.message) for f in before.findings}
        for kind, sentences in wordings.items():
            wet = [s.id for s in m.protocol.steps if s.kind == "wet"]
            where = wet[:1] if kind == "wrong_unit" else places(m.protocol, 1)
            for n, words in enumerate(sentences, 1):
                if where:
                    after = review_by_rule(says(m.protocol, where, words), m.context)
                    new = tuple(f for f in after.findings if (f.gate, f.message) not in known)
                    yield Case(m.name, kinds[kind], n, new, before, after)
