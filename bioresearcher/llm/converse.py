"""A conversation in rounds: a model names actions, tools carry them out, the results begin its next turn.

One round is one `ask`. The transcript only grows, so that the messages of a call begin with those of the call before.
Results are recorded in the ledger before they are shown and taken from it when the conversation is resumed or replayed.
Nothing that differs between two runs is put into a message. The loop does not know what the tools do.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar

from pydantic import JsonValue

from bioresearcher.errors import (
    AnswerError,
    ContextOverflowError,
    DefectError,
    EmptyReplyError,
    ReplyInvalidError,
    TruncatedError,
)
from bioresearcher.llm.ask import ModelClient, Preview, ask, preview
from bioresearcher.llm.ledger import ReplayBackend, ToolEntry
from bioresearcher.prompts import Prompt
from bioresearcher.schemas.ask_program import CodeDraft
from bioresearcher.schemas.conversation import Action, ActionTurn, BenchAction, Said, Turn
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import visible

TurnIn = TypeVar("TurnIn", bound=Turn)
Acts = ActionTurn | CodeDraft
"""An answer of a round: it has actions, and says if it is the last one."""
Actions = TypeVar("Actions", bound=Acts)
ActionIn = TypeVar("ActionIn", contravariant=True)

Stopped = Literal["finished", "rounds", "nothing new", "same answer", "no usable answer", "tokens", "context"]
"""Reason for the end of a conversation's rounds."""
_IN_WORDS: Mapping[Stopped, str] = {
    "finished": "",
    "rounds": "",
    "nothing new": "The rounds end here, as three in a row ran nothing new.",
    "same answer": "The rounds end here, as the same answer came twice and there was nothing new to run.",
    "no usable answer": "The rounds end here, as two answers in a row could not be used.",
    "tokens": "The rounds end here, as one more would be too long.",
    "context": "The rounds end here, as one more would be too long.",
}
FAILED = "failed"
"""Key of what is recorded of an action: true when it could not be carried out. It counts against no limit but that of
the rounds, and may be tried again."""
_MOST_IDLE = 3
"""Rounds in a row without anything new, after which the rest would be the same."""
_MOST_BAD = 2
"""Answers in a row that do not fit, after which the model seems unable to give one."""
_ROUNDS_SHARE = 0.7
"""Part of the model's room that rounds may fill; the rest is for the turns that write."""
_BAD_CHARACTERS = 2_000
"""Characters shown of an answer that does not fit."""


@dataclass(frozen=True)
class Seen:
    """Result of an action.

    Attributes:
        text: Exactly what the model is shown; text from outside is delimited by `prompts.untrusted`. A result that
            failed, is empty or was cut says so in a first line outside the delimiters.
        meta: What is recorded beside it and never shown, such as an exit code.
    """

    text: str
    meta: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """An action with its result.

    Attributes:
        id: E.g. `L3`; empty when it was not run, or its tool gives no ids.
        action: As the model gave it.
        text: Exactly what the model was shown.
        meta: As its tool gave it.
        refused: Reason why it was not run; empty when it was.
    """

    id: str
    action: Action | BenchAction
    text: str
    meta: Mapping[str, JsonValue] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True)
class Place:
    """Place of an action in its conversation.

    Attributes:
        id: The id that its result has, e.g. `L3`; empty when its tool gives none.
        round: Number of the round, from 1.
        before: All actions before it, in order, those that were not run included.
    """

    id: str
    round: int
    before: tuple[Done, ...]


class Tool(Protocol[ActionIn]):
    """Carries out the actions of one kind; it keeps no state of its own, as recorded results are not made again."""

    @property
    def kind(self) -> str:
        """Kind of its actions."""
        ...

    @property
    def prefix(self) -> str:
        """Letters before the number in the ids of its results, e.g. `L`; empty: they have none."""
        ...

    @property
    def repeatable(self) -> bool:
        """True when the same action may be run again, as what it works on may have changed; else it is not run."""
        ...

    @property
    def pure(self) -> bool:
        """True when the key names everything that a result depends on; else it also depends on all actions before."""
        ...

    def key(self, action: ActionIn) -> str:
        """Return a digest of the action, without its reason, and of all that the tool can see."""
        ...

    async def run(self, action: ActionIn, place: Place) -> Seen:
        """Carry it out; a failure of the action itself is a result.

        Raises:
            BioresearcherError: Something outside failed or the run stops; the conversation can be resumed.
        """
        ...


@dataclass(frozen=True)
class TalkLimits:
    """Limits of a conversation's rounds.

    Attributes:
        rounds: Rounds at most.
        actions: Actions of a round that are carried out.
        per_kind: Kind of actions -> how many of them are run in all; a kind that is not named has no limit.
        sent_tokens: Estimated tokens that all rounds may send together; the rounds end before the one that would pass
            it. Repair turns are not counted.
    """

    rounds: int
    actions: int = 4
    per_kind: Mapping[str, int] = field(default_factory=dict)
    sent_tokens: int = 55_000


@dataclass(frozen=True)
class Round:
    """A round: its actions with their results, and the problem when its answer could not be used."""

    number: int
    done: tuple[Done, ...]
    problem: str = ""


@dataclass(frozen=True)
class Talk:
    """A conversation after its rounds.

    Attributes:
        said: All messages after the system message, for the next turn.
        results: Results that were not shown yet, for the next turn.
        rounds: The rounds in order.
        stopped: Reason for the end.
        last: The last answer that could be used; None if there was none.
        sent: Estimated tokens that its rounds sent.
        failure: Error of the last answer that could not be used; None if there was none.
    """

    said: tuple[Said, ...]
    results: str
    rounds: tuple[Round, ...]
    stopped: Stopped
    last: Acts | None = None
    sent: int = 0
    failure: AnswerError | None = field(default=None, compare=False)

    @property
    def done(self) -> tuple[Done, ...]:
        """All actions in order."""
        return tuple(done for one in self.rounds for done in one.done)


async def converse(
    caller: ModelClient,
    prompt: Prompt[TurnIn, Actions],
    values: TurnIn,
    tools: Mapping[str, Tool[Any]],
    limits: TalkLimits,
    *,
    name: str,
    earlier: tuple[Done, ...] = (),
) -> Talk:
    """Let a model act in rounds until it finishes or a limit is reached.

    Args:
        caller: The door to the model. Its rules are not used: they cannot go on in the middle of a conversation.
        prompt: The turn that is asked in every round.
        values: Its values; the class has the fields `round` and `rounds`, which are set here.
        tools: Kind of actions -> its tool.
        limits: Limits of the rounds.
        name: Name of the conversation in the ledger, one of its own for each conversation of a run.
        earlier: Actions of the conversation before these rounds, under the same name; ids go on from theirs.

    Raises:
        BackendError: The model gave no answer; in a replay also: a result was not recorded.
        StoppedError: The budget is used up, or the run is stopping; all that was done is recorded.
    """
    if not {"round", "rounds"} <= type(values).model_fields.keys():
        raise DefectError(f"{prompt.name}: {type(values).__name__} has no fields for the number of the round.")
    door, hands = replace(caller, rules=None), _Hands(caller, tools, limits, name, prompt.step, earlier)
    said, results, sent, idle, bad = values.said, values.results, 0, 0, 0
    rounds: list[Round] = []
    last: Acts | None = None
    failure: AnswerError | None = None
    before, stalled = "", False
    plain = results
    stopped: Stopped | None = None
    while stopped is None:
        number = len(rounds) + 1
        turn = values.model_copy(update={"said": said, "results": results, "round": number, "rounds": limits.rounds})
        asked = preview(door, prompt, turn)
        stopped = _before(rounds, sent, asked, limits)
        if stopped is not None:
            break
        try:
            answer = await ask(door, prompt, turn)
        except ContextOverflowError:
            stopped = "context"
            break
        except AnswerError as error:
            failure, problem, bad = error, _in_words(error), bad + 1
            said = (*said, asked.user, Said(role="assistant", text=_shown(error.text)))
            rounds.append(Round(number, (), problem))
            plain, finished = problem, False
        else:
            last, bad, said = answer.value, 0, (*said, *answer.exchange)
            done = await hands.carry_out(number, answer.value)
            rounds.append(Round(number, done))
            plain, finished = _results(number, done, answer.value.finish), answer.value.finish
        sent += asked.tokens
        results = "\n\n".join(part for part in (plain, hands.left(number, sent, asked.tokens)) if part)
        ran = any(not one.refused for one in rounds[-1].done)
        stalled, before = bool(idle) and not ran and said[-1].text == before, said[-1].text
        idle = 0 if ran else idle + 1
        stopped = _after(finished, bad, idle, number >= limits.rounds) or ("same answer" if stalled else None)
    ending = _IN_WORDS[stopped]
    shown = "\n\n".join(part for part in (plain, ending) if part)
    return Talk(said, shown, tuple(rounds), stopped, last, sent, failure)


def _before(rounds: list[Round], sent: int, asked: Preview, limits: TalkLimits) -> Stopped | None:
    """Decide if a round can be asked; the share of the first one is the opening's, which cannot be helped."""
    if sent + asked.tokens > limits.sent_tokens:
        return "tokens"
    return "context" if asked.share > (_ROUNDS_SHARE if rounds else 1) else None


def _after(finished: bool, bad: int, idle: int, last: bool) -> Stopped | None:
    """Decide after a round if it was the last one."""
    if finished:
        return "finished"
    if bad >= _MOST_BAD:
        return "no usable answer"
    if idle >= _MOST_IDLE:
        return "nothing new"
    return "rounds" if last else None


class _Hands:
    """Carries out the actions of a conversation, each once."""

    def __init__(
        self,
        caller: ModelClient,
        tools: Mapping[str, Tool[Any]],
        limits: TalkLimits,
        name: str,
        step: str,
        earlier: tuple[Done, ...] = (),
    ) -> None:
        self._caller = caller
        self._tools = tools
        self._limits = limits
        self._name = name
        self._step = step
        self._known: dict[tuple[str, str], str] = {}
        self._count: Counter[str] = Counter()
        self._failed: Counter[tuple[str, str]] = Counter()
        self._ids: Counter[str] = Counter(done.id.rstrip("0123456789") for done in earlier if done.id)
        self._chain = ""
        for done in earlier:
            self._chain = _chained(self._chain, done.id, done.text)
        self._done: list[Done] = list(earlier)

    async def carry_out(self, number: int, actions: Acts) -> tuple[Done, ...]:
        """Carry out the actions of a round in order; every one has a result, also one that is not run."""
        first = len(self._done)
        for place, action in enumerate(actions.to_run, start=1):
            refused = self._refusal(place, action)
            if refused:
                self._done.append(Done("", action, f"Not run: {refused}.", refused=refused))
            else:
                self._done.append(await self._run(number, place, action))
        return tuple(self._done[first:])

    def left(self, number: int, sent: int, last: int) -> str:
        """Say what is left after a round; a round sends all that was said before it."""
        kinds = {k: most - self._count[k] for k, most in self._limits.per_kind.items() if k in self._tools}
        room = max(0, self._limits.sent_tokens - sent)
        said = [count_of(self._limits.rounds - number, "round"), *(f"{n} `{k}`" for k, n in kinds.items())]
        tokens = f"{_thousands(room)} tokens, of which the next round sends {_thousands(last)} or more"
        return f"Left: {', '.join(said)}; about {tokens}."

    def _refusal(self, place: int, action: Action | BenchAction) -> str:
        """Return the reason why an action is not run, in words; empty when it is."""
        kind = action.kind
        if kind not in self._tools:
            return f"there is no action `{kind}` here; there is {', '.join(f'`{k}`' for k in self._tools)}"
        same = self._known.get((kind, self._tools[kind].key(action)))
        if same and not self._tools[kind].repeatable:
            return f"same as {same}"
        if place > self._limits.actions:
            return f"{self._limits.actions} actions are carried out in a round"
        most = self._limits.per_kind.get(kind)
        if most is not None and self._count[kind] >= most:
            return f"no more than {most} actions `{kind}` are carried out in all"
        return ""

    async def _run(self, number: int, place: int, action: Action | BenchAction) -> Done:
        """Take a result from the ledger, or make and record it."""
        kind, tool = action.kind, self._tools[action.kind]
        own = tool.key(action)
        self._chain = _chained(self._chain, kind, own)
        self._count[kind] += 1
        label = ""
        if tool.prefix:
            self._ids[tool.prefix] += 1
            label = f"{tool.prefix}{self._ids[tool.prefix]}"
        self._known[kind, own] = label or f"action {place} of round {number}"
        tried = self._failed[kind, own]
        key = own if tool.pure else self._chain
        key = hashlib.sha256(f"{key}\0{tried}".encode()).hexdigest() if tried else key
        entry = self._caller.ledger.find_tool(self._name, kind, key)
        replayed = entry is not None
        if entry is None:
            backend = self._caller.backend
            if isinstance(backend, ReplayBackend):
                raise backend.missing(f"{self._name}: result of action {place} (`{kind}`) in round {number}")
            self._caller.admit()
            seen = await tool.run(action, Place(label, number, tuple(self._done)))
            text = visible(seen.text).strip() or "Nothing was shown."
            made = ToolEntry(key, self._name, number, place, kind, action.model_dump_json(), text, seen.meta)
            entry = self._caller.ledger.record_tool(made)
        said = f"{self._name}: {self._known[kind, own]}: {kind}"
        if entry.meta.get(FAILED):
            self._count[kind] -= 1
            self._failed[kind, own] += 1
            del self._known[kind, own]
        self._caller.events.emit("item", self._step, "info", said, round=number, place=place, replayed=replayed)
        return Done(label, action, entry.result, entry.meta)


def _chained(chain: str, *parts: str) -> str:
    """Return a digest of all that was chained before and of the next parts."""
    return hashlib.sha256("\0".join((chain, *parts)).encode("utf-8", "surrogatepass")).hexdigest()


def _results(number: int, done: tuple[Done, ...], finished: bool) -> str:
    """Write the results of a round for the model's next turn."""
    if not done:
        return "" if finished else f"Round {number} had no action."
    lines = [f"{place}. {one.action.kind} {one.id}".rstrip() + f"\n{one.text}" for place, one in enumerate(done, 1)]
    return "\n\n".join((f"Results of round {number}, in the order of its actions:", *lines))


def _thousands(number: int) -> str:
    return f"{number // 1000 * 1000:,}"


def _in_words(error: AnswerError) -> str:
    """Tell the model why its answer could not be used, without anything that differs between two runs."""
    if isinstance(error, ReplyInvalidError):
        return f"The last answer could not be used. {error.message}"
    if isinstance(error, TruncatedError):
        return "The last answer was cut off as too long, and nothing of it was carried out: give fewer actions."
    if isinstance(error, EmptyReplyError):
        return "The last answer was empty."
    return "The last answer could not be used."


def _shown(text: str) -> str:
    """Shorten an answer that could not be used; servers refuse messages without text."""
    return visible(text)[:_BAD_CHARACTERS].strip() or "(no answer)"
