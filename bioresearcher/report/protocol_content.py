"""Content of a protocol's written forms beside its parts: the first page, what each step rests on, the sources.

Values are chosen and ordered here, as plain text; the Markdown and HTML writers escape them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from bioresearcher.papers.markup import gap_in
from bioresearcher.report.step_words import settings, unnamed
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.facts import Audit, Fact, LookRecord, Proposal
from bioresearcher.schemas.paper import Evidence
from bioresearcher.schemas.protocol import AnsweredFinding, Citation, Link, Protocol, ProtocolPart, ProtocolStep
from bioresearcher.schemas.registration import Registration
from bioresearcher.text.format import as_sentence, count_of, timestamp_text
from bioresearcher.text.visible import clip, one_line
from bioresearcher.text.words import sentence_texts

PREPARED = "-prepared"
"""End of the id of a data set on which the audit's proposals were carried out."""
GENERAL = "general knowledge, to verify"
PRACTICE = "general practice°"
PRACTICE_SAID = f"{PRACTICE[-1]} General practice: nothing that was read or seen says it. Verify it before use."
_FACT = re.compile(r"\bF\d+\b")
_KNOWN_ID = re.compile(r"\b[FLNVW]\d+\b")
_LOOK_LINES = 2
"""Lines of a look's answer that stand for it in the table of facts."""
_MOST_WORDS = 40
"""Words of a fact in the table of facts; the rest stands in the evidence."""
_MESSAGE = re.compile(
    r"^(?:\d+(?:\.\d+)?: |an edit of |Citations that were cut|Inputs that no step makes|Steps that stayed overlong"
    r"|Planned steps that the author did not write)|\bleft out: |\bof the checks of the text are left\b"
    r"|(?:correct them or list them in missing_values|beside the feature column there may be samples only)$"
)
"""Limitations that are a program's messages about the draft, and no limits of the study."""
_OF_RULES = re.compile(r"^(?:A\d+ is not answered|Not understood)\b")
"""Limitations that tell what the rules could not bind."""
_LEFT = re.compile(r"^\w+ of the review is left \([^)]*\), at (?P<place>[^:]*): (?P<said>.*)$", re.S)
_SHOWN_ROLES = ("group", "time", "event", "batch")
"""Roles of the columns that the table of data sets names."""
_TAKEN_AS = re.compile(r"\bof the sample sheet was taken as\b|^Labels contradict")
_MOST_NOTES = 5
"""Notes on how tables were made that stand in the table of data sets; what columns were taken for stands elsewhere."""
_OURS = re.compile(r"\A(?:exit|killed)\b.*$|^<<<untrusted .*$|^>>>$", re.MULTILINE)
SHOWN_CHARS = 300
"""Characters of what a look showed, where it stands in the place of a fact."""
_REPEATS = re.compile(r"Do what step (\d+\.\d+) says\b")
_REFERS = re.compile(r"As in step \d+\.\d+\.?$")


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
        titles: Titles of the papers by id.
    """

    protocol: Protocol
    audit: Audit = field(default_factory=Audit)
    datasets: tuple[Dataset, ...] = ()
    registration: Registration | None = None
    looks: tuple[LookRecord, ...] = ()
    quoted: bool = True
    first_page: bool = True
    claims: bool = False
    titles: Mapping[str, str] = field(default_factory=dict)

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
    def decision_rows(self) -> tuple[tuple[str, str, str], ...]:
        """Decisions as (decision, choice, why with the facts it rests on)."""
        plain = self.scripted and not self.claims  # the evidence gives what each rests on
        return tuple(
            (d.question, d.choice, d.why if plain else _with_facts(d.why, d.cites)) for d in self.protocol.decisions
        )

    @property
    def data_rows(self) -> tuple[tuple[str, str, str, str, str], ...]:
        """Data sets of the plan as (id, files, samples and events, columns, how its tables are made)."""
        used = used_datasets(self.protocol)
        known = {d.id: d for d in self.datasets}
        wanted = {*used, *(d.prepared_from for i, d in known.items() if i in used and d.prepared_from)}
        ordered = sorted((d for d in self.datasets if d.id in wanted), key=lambda d: (d.prepared_from or d.id, d.id))
        return tuple(self._data_row(d) for d in ordered)

    def _data_row(self, dataset: Dataset) -> tuple[str, str, str, str, str]:
        outcome = (f for f in self.audit.facts if f.kind == "outcome" and f.dataset == dataset.id)
        events = next((int(n.value) for f in outcome for n in f.numbers if n.name == "events"), None)
        said = [count_of(dataset.n_samples, "sample")] if dataset.n_samples else []
        said += [count_of(events, "event")] if events is not None else []
        if dataset.prepared_from:
            stated = {d.choice for d in self.protocol.decisions}
            done = [p.what for p in self.audit.proposals if p.id in dataset.proposals and p.what not in stated]
            decided = len(done) < len(dataset.proposals)
            how = f"from {dataset.prepared_from}{', as decided above' if decided else ''}{': ' if done else ''}"
            before = next((d for d in self.datasets if d.id == dataset.prepared_from), None)
            old = {c.name for f in before.files for c in f.columns} if before else set()
            new = [f"`{c.name}`" for f in dataset.files for c in f.columns if c.name not in old]
            added = f"those, and {', '.join(new)}" if new else "those"
            return (dataset.id, f"those of {dataset.prepared_from}", ", ".join(said), added, how + " ".join(done))
        inferred = dataset.described_by == "inferred"
        files = "; ".join(_file_words(f, inferred=inferred) for f in dataset.files)
        how = f"made of {PurePosixPath(dataset.given).name} when it was read" if dataset.given else "as given"
        how = f"the rows of a question, chosen from {dataset.analysis_of}" if dataset.analysis_of else how
        told = [n for n in dataset.notes if not _TAKEN_AS.search(n)][:_MOST_NOTES] if dataset.given else []
        how += f": {' '.join(map(as_sentence, told))}" if told else ""
        return (dataset.id, files, ", ".join(said), _column_words(dataset), how)

    @cached_property
    def scripted(self) -> bool:
        """True when the steps carry a script, which says what their lists of inputs and outputs would."""
        return any(s.code.strip() for s in self.protocol.steps)

    @cached_property
    def coded(self) -> Mapping[str, str]:
        """Code of the definitions that have some, by name."""
        return {d.name: d.code for d in self.protocol.definitions if d.code.strip()}

    @property
    def definition_rows(self) -> tuple[tuple[str, str], ...]:
        """Definitions as (name, text)."""
        return tuple((d.name, d.text) for d in self.protocol.definitions)

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
    def answered_said(self) -> str:
        """Numbers of the review's findings by what became of them, in a sentence."""
        answered = self.protocol.answered
        still = sum(a.left or not a.done for a in answered)
        rest = f"; {still} {'is' if still == 1 else 'are'} open or not followed" if still else ""
        return (
            f"{count_of(len(answered), 'finding')} of the review: {len(answered) - still} answered by a change{rest}."
        )

    @property
    def fact_rows(self) -> tuple[tuple[str, str], ...]:
        """Facts that shape the plan, as (fact with its number and data set, what the plan does)."""
        return tuple(
            (f.finding if f.finding and not self.claims else self._fact_text(f.fact, f.finding), f.consequence)
            for f in self.protocol.facts
        )

    def _fact_text(self, ref: str, finding: str = "") -> str:
        """Return a fact with its id, as whole clauses; a look only by its data set, with its answer for a review."""
        ids = _KNOWN_ID.findall(ref)
        if finding:
            return f"{', '.join(map(self.named, ids))}: {finding}" if ids else finding
        if self.claims or not ids:
            return f"{', '.join(map(self.named, ids))}: {self.statement(ref)}" if ids else self.statement(ref)
        facts = [f"{self.named(i)}: {_clauses(self.statement(i))}" for i in ids if i in self.facts or _FACT.match(i)]
        others = [i for i in ids if not _FACT.match(i)]
        where = {k.view.partition("/")[0] for k in self.looks if k.id in ids}
        seen = [f"Seen in {', '.join(sorted(where)) or 'the data'}"] if others else []
        return " ".join((*facts, *seen))

    @property
    def statements(self) -> tuple[str, ...]:
        """Limits of the study among the limitations, as sentences; what a program remarked on the draft is no such."""
        return tuple(_left_open(t) for t in self.protocol.limitations if not self._is_remark(t))

    @property
    def messages(self) -> tuple[str, ...]:
        """Remarks of programs on the draft."""
        return tuple(t for t in self.protocol.limitations if self._is_remark(t))

    def _is_remark(self, text: str) -> bool:
        """Check whether a limitation is a program's; what rules did not understand is none of a model's plan."""
        return bool(_MESSAGE.search(text) or (self.scripted and _OF_RULES.search(text)))

    @property
    def limits(self) -> tuple[tuple[str, str], ...]:
        """Limitations and what is not done, as (what, sentence); what is empty where the sentence says all."""
        left = tuple((n.what.strip().rstrip("."), as_sentence(n.why)) for n in self.protocol.not_done)
        return (*left, *(("", t) for t in self.statements))

    @property
    def references(self) -> tuple[tuple[tuple[str, ...], str, bool], ...]:
        """Papers with the same use or reason, as (ids, use or reason, used or not), those used first."""
        rows: dict[tuple[bool, str], list[str]] = {}
        for paper in self.protocol.papers:
            said = paper.use or re.sub(r"^Not used:\s*", "", paper.reason)
            rows.setdefault((not paper.use, said), []).append(paper.paper_id)
        return tuple((tuple(ids), said, not unused) for (unused, said), ids in sorted(rows.items(), key=_unused))

    @property
    def cut_rows(self) -> tuple[tuple[str, str, str, str], ...]:
        """Claims that were cut, as (step, source, claim, reason)."""
        return tuple(
            (s.id, c.ref or c.kind, c.claim, c.reason)
            for s in self.protocol.steps
            for c in s.citations
            if c.state == "cut"
        )

    @property
    def look_rows(self) -> tuple[tuple[str, str, str], ...]:
        """Looks and counts that the protocol names, as (id, view, what it was to show)."""
        said = self.protocol.model_dump_json()
        return tuple((k.id, k.view, k.why) for k in self.looks if k.id and re.search(rf"\b{re.escape(k.id)}\b", said))

    @property
    def cited_facts(self) -> tuple[tuple[str, str], ...]:
        """Facts that the protocol names, and looks that shape it, in full, as (id with its place, statement)."""
        p = self.protocol
        cited = [i for d in p.decisions for i in d.cites] + [f.fact for f in p.facts]
        cited += [c.ref for s in p.steps for c in s.citations if c.kind == "fact" and c.state != "cut"]
        cited += [text for n in p.not_done for text in (n.what, n.why)]
        more = sorted({i for ref in cited for i in _FACT.findall(ref)}, key=lambda i: int(i[1:]))
        looks = [i for f in p.facts for i in _KNOWN_ID.findall(f.fact) if not _FACT.match(i)]
        known = {*self.facts, *(k.id for k in self.looks)}
        return tuple((self.named(i), self.statement(i)) for i in (*more, *dict.fromkeys(looks)) if i in known)

    def named(self, ref: str) -> str:
        """Return a fact's id with its data set, or a look's with its view."""
        fact = self.facts.get(ref)
        where = fact.dataset if fact else next((k.view for k in self.looks if k.id == ref), "")
        return f"{ref} ({where})" if where else ref

    def statement(self, ref: str) -> str:
        """Return the statements of the facts that `ref` names; of a look or count the first lines that it showed."""
        looks = {k.id: k for k in self.looks if k.id and not k.refused}
        found = []
        for i in _KNOWN_ID.findall(ref):
            if i in self.facts:
                found.append(self.facts[i].statement)
            elif i in looks:
                lines = [line.strip() for line in _OURS.sub("", looks[i].shown).splitlines() if line.strip()]
                shown = clip(" / ".join(lines[:_LOOK_LINES]), SHOWN_CHARS)
                found.append(f"{as_sentence(looks[i].why)} {shown}".strip())
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
    def preparation_rows(self) -> tuple[tuple[str, str, str, str], ...]:
        """Preparations of the data as (id with the facts it follows from, data set, what, why)."""
        return tuple(
            (f"{p.id} ({', '.join(p.facts)})" if p.facts else p.id, p.dataset, f"{p.kind}: {p.what}", p.reason)
            for p in self.carried_out
        )

    @property
    def marked(self) -> bool:
        """True when a step rests on general practice, which is marked."""
        return any(PRACTICE in self.rests_on(s) for s in self.protocol.steps)

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
            own = kept if kept == own or not kept else (*kept, f"all others as in step {first.id}")
        else:
            own = settings(step, stated=True, known=self._known_columns(step))
        same = first is not None and step.skill == first.skill
        gaps = dict.fromkeys(self._gap(link) for link in step.links)
        rationale = "" if first is not None and _REFERS.match(step.rationale) else step.rationale
        rows = (
            ("Works on", (step.object,) if step.object else ()),
            ("Settings", own),
            ("Skill", (step.skill,) if step.skill and not same else ()),
            ("Data sets", () if first is not None or len(self.datasets) == 1 else data),
            ("Software", tuple(s for s in software if self.claims or s not in self.common_software)),
            ("Why", (rationale,) if rationale else ()),
            ("Accepted when", (step.acceptance,) if step.acceptance else ()),
            ("Quote with a gap", tuple(gap for gap in gaps if gap)),
        )
        return tuple((name, values) for name, values in rows if values)

    @cached_property
    def common_software(self) -> tuple[str, ...]:
        """Software of more than half of the steps, which is said once."""
        counted = Counter(s for step in self.protocol.steps for s in dict.fromkeys(step.software))
        return tuple(s for s, n in counted.items() if n > max(2, len(self.protocol.steps) // 2))

    def _known_columns(self, step: ProtocolStep) -> frozenset[str]:
        """Return the columns of a step's data that the table of data sets gives with their role."""
        named = {i.source.removeprefix("dataset:").partition("/")[0] for i in step.inputs} | {*step.datasets}
        files = [f for d in self.datasets if d.id in named for f in d.files]
        known = {c.name for f in files for c in f.columns if c.role in _SHOWN_ROLES}
        keys = {k for f in files for k in (f.sample_column, f.feature_column) if k}
        return frozenset(known | keys)

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

    def rests_on(self, step: ProtocolStep) -> tuple[str, ...]:
        """Return what a step rests on in few words: facts by number, papers by id, looks and practice by name."""
        found: dict[str, list[str]] = {"fact": [], "passage": [link.paper_id for link in step.links], "general": []}
        for citation in (c for c in step.citations if c.state != "cut"):
            if citation.kind == "general":
                found["general"].append(PRACTICE)
            elif citation.kind == "fact":
                found["fact"] += _FACT.findall(citation.ref) or ["a look at the data"]
            elif "/" in citation.ref:
                found["passage"].append(citation.ref.partition("/")[0])
        return tuple(dict.fromkeys(i for refs in found.values() for i in refs))

    def _stands(self, ref: str, claim: str, links: Iterable[Link]) -> bool:
        """Check whether a claim is part of the fact that the first page or the appendix gives, or of a quote."""
        said = _plain(claim)
        texts = [self.facts[ref].statement] if self.first_page and ref in self.facts else []
        texts += [k.evidence.text for k in links] if self.quoted else []
        return bool(said) and any(said in _plain(text) for text in texts)

    def _gap(self, link: Link) -> str:
        gap, label = gap_in(link.evidence.text), self._labels.get(_place(link), "the quote")
        return f"{label} of {link.paper_id}: {gap}" if gap else ""

    def _marks(self, links: Iterable[Link]) -> tuple[str, ...]:
        return tuple(f"quote {self._labels[_place(k)]}" for k in links if self.quoted and _place(k) in self._labels)

    @property
    def ungrounded(self) -> tuple[str, ...]:
        """Ids of the steps that rest on general knowledge alone, or on nothing."""
        return tuple(s.id for s in self.protocol.steps if not s.grounded)


def _clauses(text: str) -> str:
    """Return a text as far as whole clauses of it go within the words of the table of facts."""
    words = text.split()
    if len(words) <= _MOST_WORDS:
        return as_sentence(text)
    ends = [n for n, word in enumerate(words[:_MOST_WORDS], 1) if word.endswith((";", ","))]
    kept = " ".join(words[: ends[-1] if ends else _MOST_WORDS]).rstrip(";,")
    return f"{kept} (more in the evidence)."


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


def _file_words(file: DataFile, *, inferred: bool) -> str:
    size = f"{file.rows:,} features × {file.samples or 0:,} samples" if file.kind == "expression" else ""
    size = size or (f"{file.rows:,} sets" if file.kind == "gene_sets" else f"{file.rows:,} rows")
    key = file.sample_column or file.feature_column
    scale = f"read as {file.scale}, which nobody states" if inferred and file.scale else file.scale
    more = [size, *([scale] if scale else []), *([f"ids in `{key}`"] if key else [])]
    return f"{file.name} = {file.path} ({', '.join(more)})"


def _column_words(dataset: Dataset) -> str:
    """Return the columns with a role in an analysis, each with its unit or levels."""
    said = []
    for column in (c for f in dataset.files for c in f.columns if c.role in _SHOWN_ROLES):
        more = [f"{column.case} against {column.control}"] if column.case else []
        if column.role == "time":
            more.append(f"in {column.unit}" if column.unit else "unit not stated")
        if column.role == "event":
            more.append(dataset.endpoint or "endpoint not stated")
        said.append(f"{column.role} `{column.name}`" + (f" ({', '.join(more)})" if more else ""))
    return "; ".join(said)


def _with_facts(text: str, cites: Iterable[str]) -> str:
    facts = dict.fromkeys(i for c in cites for i in _KNOWN_ID.findall(c))
    return f"{text} ({', '.join(facts)})" if facts else text


def _left_open(text: str) -> str:
    """Return a limitation in plain words: of a finding that was left its place and what was said."""
    found = _LEFT.match(text)
    return f"Left open by the review ({found['place']}): {found['said']}" if found else text


def _unused(row: tuple[tuple[bool, str], list[str]]) -> bool:
    return row[0][0]
