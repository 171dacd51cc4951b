"""Content of a protocol's written forms beside its parts: the first page, what each step rests on, the sources.

Values are chosen and ordered here, as plain text; the Markdown and HTML writers escape them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Audit, Fact, LookRecord, Proposal
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import AnsweredFinding, Citation, Link, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.registration import Registration
from bioresearcher.text.format import as_sentence, count_of, timestamp_text
from bioresearcher.text.visible import clip, one_line
from bioresearcher.text.words import sentence_texts

PREPARED = "-prepared"
"""End of the id of a data set on which the audit's proposals were carried out."""
GENERAL = "general knowledge, to verify"
_FACT = re.compile(r"\b[FLNV]\d+\b")
_OURS = re.compile(r"\A(?:exit|killed)\b.*$|^<<<untrusted .*$|^>>>$", re.MULTILINE)
SHOWN_CHARS = 300
"""Characters of what a look showed, where it stands in the place of a fact."""
_REPEATS = re.compile(r"Do what step (\d+\.\d+) says\b")
_WORD = re.compile(r"[\w.%-]+")


@dataclass(frozen=True)
class Source:
    """A quote that steps rest on, named once: `label` is `S1`, `S2` and so on."""

    label: str
    evidence: Evidence
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Ground:
    """Something that a step rests on, with what is taken from it; `marks` are remarks such as the quote's label."""

    ref: str
    claims: tuple[str, ...]
    marks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The ground with its claims and remarks in parentheses."""
        said = "; ".join((*self.claims, *self.marks))
        return f"{self.ref} ({said})" if said else self.ref

    @property
    def short(self) -> str:
        """The ground without claims that facts and passages make themselves, which stand elsewhere."""
        said = "; ".join(self.claims if self.ref == GENERAL else self.marks)
        return f"{self.ref} ({said})" if said else self.ref


@dataclass(frozen=True)
class ProtocolContent:
    """A protocol with the run's values that its written forms need; without them only ids are shown.

    Attributes:
        quoted: True where the quotes stand below with their labels.
        first_page: True where the first page stands above, with the statements of facts.
        claims: True where each step says what it takes from facts and passages, and not their names alone.
    """

    protocol: Protocol
    audit: Audit = field(default_factory=Audit)
    datasets: tuple[Dataset, ...] = ()
    registration: Registration | None = None
    looks: tuple[LookRecord, ...] = ()
    quoted: bool = True
    first_page: bool = True
    claims: bool = False

    @property
    def registered(self) -> str:
        """Time and digest of the registration in a sentence, with its amendments; empty when there is none."""
        found = self.registration
        if found is None:
            return ""
        said = f"Registered {timestamp_text(found.registered)}, digest {found.digest}."
        changes = (
            f" Amended {timestamp_text(a.made)}{' after results were seen' if a.results_seen else ''}: "
            f"{as_sentence(a.reason)}"
            for a in found.amendments
        )
        last = found.amendments[-1].revision if found.amendments else found.revision
        open_now = f" Revision {self.protocol.revision} is not approved yet." if self.protocol.revision > last else ""
        return said + "".join(changes) + open_now

    @cached_property
    def facts(self) -> Mapping[str, Fact]:
        """The run's facts by id."""
        return {f.id: f for f in self.audit.facts}

    @property
    def decision_rows(self) -> tuple[tuple[str, str, str, str], ...]:
        """Decisions as (question, choice, why, what they rest on)."""
        names = {p.what: f"{p.id}: {p.what}" for p in self.carried_out}
        return tuple(
            (d.question, names.get(d.choice, d.choice), d.why, ", ".join(d.cites)) for d in self.protocol.decisions
        )

    @property
    def definition_rows(self) -> tuple[tuple[str, str], ...]:
        """Definitions as (name, text)."""
        return tuple((d.name, d.text) for d in self.protocol.definitions)

    @property
    def paper_groups(self) -> tuple[tuple[tuple[str, ...], str, str], ...]:
        """Papers as (ids of those with the same use and reason, what they are used for, reason)."""
        rows: dict[tuple[str, str], list[str]] = {}
        for paper in self.protocol.papers:
            rows.setdefault((paper.use or "**not used**", paper.reason), []).append(paper.paper_id)
        return tuple((tuple(ids), use, reason) for (use, reason), ids in rows.items())

    @property
    def paper_rows(self) -> tuple[tuple[str, str, str], ...]:
        """Papers as (ids, what they are used for, reason)."""
        return tuple((", ".join(ids), use, reason) for ids, use, reason in self.paper_groups)

    @property
    def finding_rows(self) -> tuple[tuple[str, str, str, str, str], ...]:
        """Findings of the review as (id, where, consequence, what was said, the author's answer)."""
        return tuple(
            (
                a.finding,
                a.location,
                a.consequence,
                a.said + (f" (shown by {a.look})" if a.look else ""),
                f"{_done(a)}: {a.answer}",
            )
            for a in self.protocol.answered
        )

    @property
    def open_finding_rows(self) -> tuple[tuple[str, str, str, str, str], ...]:
        """Rows of the findings that the author did not follow, or that were still found afterwards."""
        pairs = zip(self.protocol.answered, self.finding_rows, strict=True)
        return tuple(row for finding, row in pairs if finding.left or not finding.done)

    @property
    def answered_said(self) -> str:
        """Numbers of the review's findings by what became of them, in a sentence."""
        answered, still = self.protocol.answered, len(self.open_finding_rows)
        rest = f"; these {still} are open or were not followed" if still else ""
        return (
            f"{count_of(len(answered), 'finding')} of the review: {len(answered) - still} answered by a change{rest}. "
            "The run report has all of them with their answers."
        )

    @property
    def fact_rows(self) -> tuple[tuple[str, str, str], ...]:
        """Facts that shape the plan, as (id with its data set, statement, what the plan does)."""
        return tuple((self.named(f.fact), self.statement(f.fact), f.consequence) for f in self.protocol.facts)

    @property
    def look_rows(self) -> tuple[tuple[str, str, str], ...]:
        """Looks and counts that the protocol names, as (id, view, what it was to show)."""
        said = self.protocol.model_dump_json()
        return tuple((k.id, k.view, k.why) for k in self.looks if k.id and re.search(rf"\b{re.escape(k.id)}\b", said))

    @property
    def further_facts(self) -> tuple[tuple[str, str], ...]:
        """Facts that decisions or steps cite and the first page does not have, as (id with data set, statement)."""
        p = self.protocol
        cited = [i for d in p.decisions for i in d.cites]
        cited += [c.ref for s in p.steps for c in s.citations if c.kind == "fact" and c.state != "cut"]
        shown = {i for f in p.facts for i in _FACT.findall(f.fact)}
        more = sorted({i for ref in cited for i in _FACT.findall(ref)} - shown, key=lambda i: int(i[1:]))
        return tuple((self.named(i), self.statement(i)) for i in more if i in self.facts)

    def named(self, ref: str) -> str:
        """Return a fact's id with its data set, or a look's with its view."""
        fact = self.facts.get(ref)
        where = fact.dataset if fact else next((k.view for k in self.looks if k.id == ref), "")
        return f"{ref} ({where})" if where else ref

    def statement(self, ref: str) -> str:
        """Return the statements of the facts that `ref` names; of a look or count what it showed."""
        shown = {k.id: clip(_OURS.sub(" ", k.shown), SHOWN_CHARS) for k in self.looks if not k.refused}
        said = {**shown, **{i: f.statement for i, f in self.facts.items()}}
        found = [said[i] for i in _FACT.findall(ref) if said.get(i)]
        return " ".join(found) or "its statement is not at hand"

    @property
    def carried_out(self) -> tuple[Proposal, ...]:
        """Proposals on data sets that the protocol uses in their prepared form."""
        used = used_datasets(self.protocol)
        known = {d.id: d for d in self.datasets}
        prepared = {d.prepared_from: d.proposals for i, d in known.items() if i in used and d.prepared_from}
        if self.datasets:
            return tuple(p for p in self.audit.proposals if p.id in prepared.get(p.dataset, ()))
        return tuple(p for p in self.audit.proposals if f"{p.dataset}{PREPARED}" in used)

    @property
    def decided(self) -> tuple[tuple[str, ...], tuple[Proposal, ...]]:
        """Ids of the proposals carried out that a decision states word for word, and all other proposals."""
        choices = {d.choice for d in self.protocol.decisions}
        said = tuple(p.id for p in self.carried_out if p.what in choices)
        return said, tuple(p for p in self.carried_out if p.id not in said)

    def purpose(self, part: ProtocolPart) -> str:
        """Return the sentences of a part's purpose that none of its steps gives as its reason."""
        said = {s for step in part.steps for s in sentence_texts(step.rationale)}
        return " ".join(s for s in sentence_texts(part.purpose) if s not in said)

    def repeated(self, step: ProtocolStep) -> ProtocolStep | None:
        """Return the step that the action of a step says to do again."""
        named = _REPEATS.match(step.action)
        return next((s for s in self.protocol.steps if named and s.id == named[1] and s.id != step.id), None)

    def details(self, step: ProtocolStep) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the details of a step that its action and its flow do not state, as (name, values).

        A step that repeats another gives only what differs there.
        """
        first = self.repeated(step)
        data, software = unnamed(step)
        own = settings(step)
        if first is not None:
            there = {f"{p.name}: {p.value} {p.unit}".strip() for p in first.parameters}
            software = tuple(s for s in software if s not in first.software)
            kept = tuple(s for s in own if s not in there)
            others = f"{'all others' if kept else 'all'} as in step {first.id}"
            own = kept if kept == own else (*kept, others)
        rows = (
            ("Works on", (step.object,) if step.object else ()),
            ("Settings", own),
            ("Skill", (step.skill,) if step.skill else ()),
            ("Data sets", data),
            ("Software", software),
            ("Why", (step.rationale,) if step.rationale else ()),
            ("Accepted when", (step.acceptance,) if step.acceptance else ()),
        )
        return tuple((name, values) for name, values in rows if values)

    @property
    def as_given(self) -> tuple[str, ...]:
        """Data sets with a prepared form that the protocol also uses as they were given."""
        used = used_datasets(self.protocol)
        return tuple(dict.fromkeys(p.dataset for p in self.carried_out if p.dataset in used))

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """All quotes that steps rest on, each once, in the order of their first use."""
        steps: dict[tuple[str, int, int], list[str]] = {}
        first: dict[tuple[str, int, int], Evidence] = {}
        for step in self.protocol.steps:
            for link in step.links:
                first.setdefault(_place(link), link.evidence)
                steps.setdefault(_place(link), []).append(step.id)
        rows = enumerate(first.items(), 1)
        return tuple(Source(f"S{n}", e, tuple(dict.fromkeys(steps[place]))) for n, (place, e) in rows)

    @cached_property
    def _labels(self) -> Mapping[tuple[str, int, int], str]:
        return {(s.evidence.document, s.evidence.start, s.evidence.end): s.label for s in self.sources}

    def grounds(self, step: ProtocolStep) -> tuple[Ground, ...]:
        """Return what a step rests on: facts, passages, general knowledge; what was cut is left out.

        A claim in the words of the fact or of the quote, which stand elsewhere, is not said again.
        """
        rows: dict[str, tuple[list[str], list[str]]] = {}
        left = list(step.links)
        for kind in ("fact", "passage", "general"):
            for citation in (c for c in step.citations if c.kind == kind and c.state != "cut"):
                own = [k for k in left if _supports(k, citation)]
                left = [k for k in left if k not in own]
                claim = "" if self._stands(citation.ref, citation.claim, own) else citation.claim
                _row(rows, citation.ref if kind != "general" else GENERAL, claim, self._marks(own))
                if kind != "general" and citation.state == "not checked":
                    _row(rows, citation.ref, "", ("not checked",))
        for link in left:
            near = (f"similarity {link.similarity:.2f}",) if link.similarity is not None else ()
            ref = f"{link.paper_id}/{link.step_id}" if link.step_id else link.paper_id
            claim = "" if self._stands("", link.claim, [link]) else link.claim
            _row(rows, ref, claim, (*near, *self._marks([link])))
        return tuple(Ground(ref, tuple(claims), tuple(dict.fromkeys(marks))) for ref, (claims, marks) in rows.items())

    def _stands(self, ref: str, claim: str, links: Iterable[Link]) -> bool:
        """Check whether a claim is part of the fact that the first page or the appendix gives, or of a quote."""
        said = _plain(claim)
        texts = [self.facts[ref].statement] if self.first_page and ref in self.facts else []
        texts += [k.evidence.text for k in links] if self.quoted else []
        return bool(said) and any(said in _plain(text) for text in texts)

    def _marks(self, links: Iterable[Link]) -> tuple[str, ...]:
        return tuple(f"quote {self._labels[_place(k)]}" for k in links if self.quoted and _place(k) in self._labels)

    @property
    def ungrounded(self) -> tuple[str, ...]:
        """Ids of the steps that rest on general knowledge alone, or on nothing."""
        return tuple(s.id for s in self.protocol.steps if not s.grounded)


def _done(answer: AnsweredFinding) -> str:
    state = "changed" if answer.done else "**not changed**"
    return f"{state}, **still found afterwards**" if answer.left else state


def _plain(text: str) -> str:
    return one_line(text).rstrip(".").casefold()


def _place(link: Link) -> tuple[str, int, int]:
    return (link.evidence.document, link.evidence.start, link.evidence.end)


def _supports(link: Link, citation: Citation) -> bool:
    """Check whether a link is the passage that a citation names."""
    named = citation.ref in {f"{link.paper_id}/{link.step_id}", link.paper_id}
    return citation.kind == "passage" and (named or (bool(link.claim) and link.claim == citation.claim))


def _row(rows: dict[str, tuple[list[str], list[str]]], ref: str, claim: str, marks: Iterable[str]) -> None:
    claims, noted = rows.setdefault(ref, ([], []))
    said = one_line(claim).rstrip(".")
    if said and said not in claims:
        claims.append(said)
    noted += marks


def used_datasets(protocol: Protocol) -> frozenset[str]:
    """Return the ids of the data sets that steps name or read."""
    named = {d for s in protocol.steps for d in s.datasets}
    read = {i.source for s in protocol.steps for i in s.inputs if i.source.startswith("dataset:")}
    return frozenset(named | {r.removeprefix("dataset:").partition("/")[0] for r in read})


def flow(step: ProtocolStep) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the inputs as sources, with their names where the action uses these, and the outputs.

    An output is described where the action does not name it; descriptions of a skill's outputs stand in its contract.
    """
    inputs = []
    for given in step.inputs:
        if given.source == "given":
            inputs.append(given.name)
        else:
            same = given.source.rpartition("/")[2] == given.name or given.name not in step.action
            inputs.append(given.source if same else f"{given.name} ({given.source})")
    outputs = (
        f"{o.name} ({o.kind})"
        + (f" – {o.description}" if o.description and not step.skill and o.name not in step.action else "")
        for o in step.outputs
    )
    return tuple(inputs), tuple(outputs)


def settings(step: ProtocolStep) -> tuple[str, ...]:
    """Return the parameters that neither the action nor the names of the data sets state.

    A single word of the action counts only beside a word of the name.
    """
    said = [w.rstrip(".") for w in _WORD.findall(step.action.casefold())]
    left = (p for p in step.parameters if p.value not in step.datasets and not _stated(p, said))
    return tuple(f"{p.name}: {p.value} {p.unit}".strip() for p in left)


def _stated(parameter: Parameter, said: Sequence[str]) -> bool:
    words = [w.rstrip(".") for w in _WORD.findall(parameter.value.casefold())]
    there = any(said[n : n + len(words)] == words for n in range(len(said) - len(words) + 1)) if words else False
    names = [w for w in _WORD.findall(parameter.name.casefold().replace("_", " ")) if len(w) > 2]
    return there and (len(words) > 1 or any(name in said for name in names))


def unnamed(step: ProtocolStep) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the data sets and the software of a step that neither its action nor its inputs name."""
    text = f"{step.action} {' '.join(i.source for i in step.inputs)}".casefold()
    data = tuple(d for d in step.datasets if d.casefold() not in text)
    return data, tuple(s for s in step.software if s.casefold() not in text)
