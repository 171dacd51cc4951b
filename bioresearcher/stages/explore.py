"""Looking before planning: the author runs small scripts on views, reads passages of papers, and keeps facts."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bioresearcher.audit.counts import count, derived_names
from bioresearcher.audit.tables import read_sheet
from bioresearcher.errors import InputError
from bioresearcher.llm.ask import ModelClient, preview
from bioresearcher.llm.converse import FAILED, Done, Place, Seen, Talk, TalkLimits, Tool, converse
from bioresearcher.prompts import untrusted
from bioresearcher.schemas.ask_design import ExploreDataInput
from bioresearcher.schemas.conversation import Conversation, CountAction, FactAction, LookAction, ReadAction
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Fact, LookRecord, PassageRead, View
from bioresearcher.schemas.paper import Evidence, Passage
from bioresearcher.stages.answer import PaperCorpus
from bioresearcher.stages.design_context import DesignContext
from bioresearcher.stages.look import state_fact
from bioresearcher.stages.look_basis import basis_of, quantiles_of, sizes_of
from bioresearcher.stages.material import material
from bioresearcher.stages.prompts import EXPLORE_DATA
from bioresearcher.text.normalise import known_id
from bioresearcher.text.words import Similarity, content_words, overlap, sentences

PER_KIND: Final = {"look": 12, "count": 12, "read": 6, "fact": 24}
"""Actions of each kind at most; a look that failed does not count."""
FULL_ROUNDS, ROUND_TOKENS = 5, 2_000
"""Rounds for which the tokens suffice, with results and answers of this size (estimate)."""
LEAST_SENT, MOST_SENT = 55_000, 80_000
"""Tokens that looking may send: a design with its review is to send no more than 160,000."""
PASSAGES: Final = 6
PASSAGE_CHARS: Final = 600


@dataclass(frozen=True)
class Explored:
    """Results of the author's looking and reading.

    Attributes:
        facts: Facts that looks showed, with ids after those of the audit.
        looks: Every look, in order.
        passages: Passages that were read, by their ids.
        talk: The conversation so far, for the turns that write.
    """

    facts: tuple[Fact, ...] = ()
    looks: tuple[LookRecord, ...] = ()
    passages: tuple[PassageRead, ...] = ()
    talk: Conversation = field(default_factory=Conversation)


def limits_for(opening: int) -> TalkLimits:
    """Return the limits of looking after an opening of so many tokens: each round sends all that was said before."""
    wanted = FULL_ROUNDS * opening + ROUND_TOKENS * FULL_ROUNDS * (FULL_ROUNDS - 1) // 2
    return TalkLimits(rounds=6, actions=4, per_kind=PER_KIND, sent_tokens=min(MOST_SENT, max(LEAST_SENT, wanted)))


async def explore_data(
    caller: ModelClient, bench: DesignContext, tools: Mapping[str, Tool[Any]], limits: TalkLimits | None = None
) -> Explored:
    """Let the author look at views and read in papers in rounds, outcomes withheld.

    Nothing is looked at by rule, or where there is neither a view nor a paper.

    Args:
        caller: The door to the model.
        bench: The author's material.
        tools: Kind of actions -> its tool: `look`, `read`, `fact`.
        limits: Limits of the rounds; by default those that fit the size of the opening.

    Raises:
        BackendError: The model gave no answer.
        StoppedError: The budget is used up, or the run is stopping.
    """
    able = {k: t for k, t in tools.items() if (bench.reports if k == "read" else bench.views)}
    if caller.by_rule or not able:
        return Explored()
    derived = await asyncio.to_thread(_derived, bench.datasets) if "count" in able else ()
    values = ExploreDataInput(**material(bench), round=1, rounds=limits_for(0).rounds, derived=derived)
    limits = limits or limits_for(preview(caller, EXPLORE_DATA, values).tokens)
    talk = await converse(caller, EXPLORE_DATA, values, able, limits, name="designer/explore_data")
    facts: list[Fact] = []
    passages: dict[str, PassageRead] = {}
    for done in talk.done:
        if "fact" in done.meta:
            facts.append(Fact.model_validate(done.meta["fact"]))
        for row in _rows(done):
            passages.setdefault(row.id, row)
    talked = Conversation(said=talk.said, results=talk.results)
    return Explored(tuple(facts), look_records(talk, "designer"), tuple(passages.values()), talked)


def _derived(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """Return the columns derived from dates and names that counts can use, each with its data set."""
    found = []
    for dataset in datasets:
        if dataset.file("samples") is not None:
            with suppress(InputError, OSError):
                found += [f"{dataset.id}: {name}" for name in derived_names(read_sheet(dataset))]
    return tuple(found)


Shows = LookAction | CountAction
"""Actions that show something of the data, which can be cited by their ids."""


def _seen_in(action: Shows) -> str:
    """Return the view that a look read, or `<data set>/counts`."""
    return action.view if isinstance(action, LookAction) else f"{action.dataset}/counts"


def look_records(talk: Talk, by: Literal["designer", "reviewer"]) -> tuple[LookRecord, ...]:
    """Return the records of a conversation's looks and counts, those that were refused without an id."""
    return tuple(
        _record(done, done.action, one.number, by)
        for one in talk.rounds
        for done in one.done
        if isinstance(done.action, Shows)
    )


def _record(done: Done, action: Shows, number: int, by: Literal["designer", "reviewer"]) -> LookRecord:
    """Return the record of a look or count from its action and what its tool noted."""
    noted = {k: v for k, v in done.meta.items() if k in ("exit_code", "killed", "bytes_seen") and v is not None}
    return LookRecord.model_validate(
        {
            "id": done.id,
            "by": by,
            "round": number,
            "why": action.why,
            "view": _seen_in(action),
            "code": action.code if isinstance(action, LookAction) else action.model_dump_json(exclude={"why"}),
            "shown": done.text,
            "refused": done.refused or str(done.meta.get("refused") or ""),
            **noted,
        }
    )


def _rows(done: Done) -> list[PassageRead]:
    found = done.meta.get("passages", [])
    return [PassageRead.model_validate(row) for row in found] if isinstance(found, list) else []


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


class ReadTool:
    """Answers `read`: the passages of the run's papers that are nearest to a query, each with an id to cite."""

    kind = "read"
    prefix = ""
    repeatable = False
    pure = False
    """The ids go on from those of earlier reads."""

    def __init__(self, corpus: PaperCorpus, similarity: Similarity | None = None) -> None:
        self._corpus = corpus
        self._similarity = similarity

    def key(self, action: ReadAction) -> str:
        """Return a digest of query and paper, and of the papers that can be read."""
        return _digest("read", action.query, action.paper, [p.id for p in self._corpus.papers])

    async def run(self, action: ReadAction, place: Place) -> Seen:
        """Find at most six passages; one that was shown before keeps its id."""
        ids = [p.id for p in self._corpus.papers]
        wanted = known_id(action.paper, ids) if action.paper.strip() else None
        if action.paper.strip() and wanted is None:
            return Seen(f"There is no paper {action.paper[:60]!r} in this run. There is: {', '.join(ids)}.")
        if not action.query.strip():
            return Seen("The query is empty: say in a few words what is looked for.")
        near = self._corpus.passages_for(action.query, self._similarity, wanted)
        shown = {(r.evidence.document, r.evidence.start): r for d in place.before for r in _rows(d)}
        number = len({r.id for r in shown.values()})
        found: dict[str, PassageRead] = {}
        for evidence in (e for p in near if (e := self._evidence(p, action.query)) is not None):
            row = shown.get((evidence.document, evidence.start))
            if row is None:
                number += 1
                row = PassageRead(id=f"Q{number}", query=action.query, evidence=evidence)
            found.setdefault(row.id, row)
            if len(found) == PASSAGES:
                break
        if not found:
            return Seen("No passage was found.")
        lines = (
            untrusted(r.evidence.text, f"{r.id}: {r.evidence.document}, {r.evidence.section}"[:120])
            for r in found.values()
        )
        return Seen("\n".join(lines), {"passages": [r.model_dump(mode="json") for r in found.values()]})

    def _evidence(self, passage: Passage, query: str) -> Evidence | None:
        """Return the run of sentences nearest to the query, at most 600 characters, located in its paper."""
        spans = list(sentences(passage.text))
        wanted = content_words(query)
        best, most = "", -1.0
        for first in range(len(spans)):
            last = first
            while last + 1 < len(spans) and spans[last + 1][1] - spans[first][0] <= PASSAGE_CHARS:
                last += 1
            text = passage.text[spans[first][0] : spans[last][1]]
            share = overlap(wanted, content_words(text))
            if share > most:
                best, most = text, share
        return self._corpus.find(best, (passage.document,)) if best else None


class CountTool:
    """Answers `count`: the flow of samples and events through rules of eligibility, by our own code."""

    kind = "count"
    repeatable = False
    pure = True
    """A count depends on nothing but the sample sheet and the rules."""

    def __init__(self, datasets: Sequence[Dataset], prefix: str = "N") -> None:
        """Offer the sample sheets; `prefix` begins the ids: `N` of the designer's counts, `W` of the reviewer's."""
        self.prefix = prefix
        self._datasets = {d.id: d for d in datasets if d.file("samples") is not None}

    def key(self, action: CountAction) -> str:
        """Return a digest of the rules and of the sample sheet."""
        dataset = self._datasets.get(action.dataset)
        sheet = dataset.file("samples") if dataset else None
        rules = [c.model_dump(mode="json") for c in action.where]
        asked = [list(action.columns), action.joint]
        return _digest("count-2", action.dataset, rules, asked, sheet.sha256 if sheet else "")

    async def run(self, action: CountAction, place: Place) -> Seen:
        """Count; a data set or column that is not there is a refusal."""
        dataset = self._datasets.get(action.dataset)
        try:
            if dataset is None:
                raise ValueError(f"there is no sample sheet of {action.dataset[:60]!r}; of {', '.join(self._datasets)}")
            sheet = await asyncio.to_thread(read_sheet, dataset)
            text = count(sheet, action.where, action.columns, joint=action.joint)
        except (ValueError, InputError, OSError) as error:
            return Seen(f"not counted: {error}", {"refused": str(error), FAILED: True})
        return Seen(untrusted(text, "counts"))


class FactTool:
    """Answers `fact`: keeps a sentence as a fact when the look it names showed every number in it."""

    kind = "fact"
    prefix = ""
    repeatable = False
    pure = False
    """The result depends on the actions before: on what a look showed, and on the next id."""

    def __init__(self, taken: Sequence[Fact], views: Sequence[View] = ()) -> None:
        """Continue the numbering of the facts that are there; `views` are those that looks read."""
        self._views = {v.id: v for v in views}
        numbers = [int(f.id[1:]) for f in taken if f.id[1:].isdigit()]
        self._last = max(numbers, default=0)

    def key(self, action: FactAction) -> str:
        """Return a digest of look and statement."""
        return _digest("fact", action.look, action.statement, self._last)

    async def run(self, action: FactAction, place: Place) -> Seen:
        """Keep the fact, or say why not."""
        looks = {d.id: (_seen_in(d.action), d.text) for d in place.before if isinstance(d.action, Shows) and d.id}
        number = self._last + sum("fact" in d.meta for d in place.before) + 1
        ran = next((d.action for d in place.before if d.id == action.look.strip()), None)
        view = self._views.get(ran.view) if isinstance(ran, LookAction) else None
        basis = basis_of(ran.code, view) if isinstance(ran, LookAction) and view is not None else ""
        known = {*quantiles_of(ran.code)} if isinstance(ran, LookAction) else set()
        known |= sizes_of(view) if view is not None else set()
        made = state_fact(looks, action, f"F{number}", basis, known)
        if isinstance(made, str):
            return Seen(f"Not kept: {made}.")
        return Seen(f"Kept as {made.id}. {basis}".strip(), {"fact": made.model_dump(mode="json")})


def tools_of(
    look: Tool[LookAction] | None, read: Tool[ReadAction] | None, bench: DesignContext
) -> dict[str, Tool[Any]]:
    """Return the author's tools by kind; a tool that is None is not offered."""
    found: dict[str, Tool[Any] | None] = {"look": look, "read": read, "count": CountTool(bench.datasets)}
    found["fact"] = FactTool(bench.audit.facts, bench.views)
    return {kind: tool for kind, tool in found.items() if tool is not None}
