"""Shortening of prompts to a model's context: whole items are left out, the least relevant first; nothing is cut.

The input class declares the fields that may lose items (`Value.droppable`). The relevance of an item is given by the
words it shares with the rest of the question, rare words counting more (the inverse document frequency of Spärck Jones
1972), so that the same question is shortened alike on every machine and its answer is found again in the ledger.
Of a conversation only the opening is shortened, so far that the rest has room too; what was said is never left out.
Lengths in tokens are estimated without the model's tokenizer.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from bioresearcher.errors import ContextOverflowError
from bioresearcher.prompts import LoadedPrompt, Message
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.conversation import Turn
from bioresearcher.text.words import content_words

_OPENING_SHARE = 0.4
"""Part of the room that a conversation's opening takes where it can be shortened to it."""
_NUMERIC = b"0123456789,;|.\t"
"""Digits and what separates numbers in tables: 0.8 tokens each; 3.2 bytes of anything else are a token.

High on purpose, so that a prompt which seems to fit does fit. Against the tokenizers cl100k and o200k this gives 0.88
to 1.47 of the tokens of prose, code, sample sheets and tables of numbers, which have 1.3 to 1.8 bytes a token."""
_FRAME = 8
"""Tokens that a server puts around each message."""


def tokens_of(text: str) -> int:
    """Estimate the tokens of a text from its bytes in UTF-8, rather too many than too few."""
    raw = text.encode("utf-8", "surrogatepass")
    others = len(raw.translate(None, _NUMERIC))
    return -(-(256 * (len(raw) - others) + 100 * others) // 320)  # 0.8 a numeric byte, 1 / 3.2 any other


def tokens_of_messages(messages: Iterable[Message]) -> int:
    """Estimate the tokens of a prompt."""
    return sum(tokens_of(m.content) + _FRAME for m in messages)


In = TypeVar("In", bound=Value)
Out = TypeVar("Out", bound=BaseModel)


@dataclass(frozen=True)
class Dropped:
    """Items of one field that were left out."""

    field: str
    dropped: int
    of: int
    items: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.dropped} of {self.of} {self.field}"


@dataclass(frozen=True)
class Shortened(Generic[In]):
    """Values that fit, their messages, and the items that were left out."""

    values: In
    messages: tuple[Message, ...]
    dropped: tuple[Dropped, ...] = ()


def droppable(values: Value) -> Mapping[str, int]:
    """Return the fields that may lose items, with the least number to keep: none once something was said."""
    return {} if isinstance(values, Turn) and values.said else type(values).droppable


def fit(loaded: LoadedPrompt[In, Out], values: In, room: int | None) -> Shortened[In]:
    """Render a prompt with as many items as fit into `room` tokens; all of them when `room` is None.

    Fields are shortened in the order in which the class declares them.

    Raises:
        ContextOverflowError: Also the shortest form does not fit.
    """
    messages, fields = loaded.render(values), droppable(values)
    if room is None:
        return Shortened(values, messages)
    wanted = int(room * _OPENING_SHARE) if isinstance(values, Turn) and fields else room
    dropped: list[Dropped] = []
    for field, least in fields.items():
        if tokens_of_messages(messages) <= wanted:
            break
        items = tuple(getattr(values, field))
        order = _by_relevance(values, items)
        low, high = min(least, len(items)), len(items)
        while low < high:  # the largest number of items that fits
            middle = (low + high + 1) // 2
            if tokens_of_messages(loaded.render(_with(values, field, items, order[:middle]))) <= wanted:
                low = middle
            else:
                high = middle - 1
        values = _with(values, field, items, order[:low])
        if low < len(items):
            gone = tuple(_label(items[i]) for i in sorted(order[low:]))
            dropped.append(Dropped(field, len(gone), len(items), gone))
        messages = loaded.render(values)
    if tokens_of_messages(messages) <= room:
        return Shortened(values, messages, tuple(dropped))
    raise ContextOverflowError(
        f"{loaded.prompt.name}: the shortest form of the question takes about {tokens_of_messages(messages)} tokens, "
        f"the model has room for {room}.",
        hint="Use a model with a larger context for this role, or raise `context` if the server allows more.",
    )


def _with(values: In, field: str, items: Sequence[Any], kept: Sequence[int]) -> In:
    """Copy the values with only some items of a field, in their old order."""
    return values.model_copy(update={field: tuple(items[i] for i in sorted(kept))})


def _by_relevance(values: Value, items: Sequence[Any]) -> list[int]:
    """Rank the positions of the items, most relevant first; ties in the order of the text."""
    rest = values.model_dump(mode="json", exclude=set(type(values).droppable))
    query = set(content_words(json.dumps(rest, ensure_ascii=False)))
    bags = [set(content_words(_text(item))) for item in items]
    frequency = Counter(word for bag in bags for word in bag)
    weight = {word: math.log(1 + len(items) / count) for word, count in frequency.items()}

    def relevance(number: int) -> float:
        return math.fsum(sorted(weight[word] for word in bags[number] & query))

    return sorted(range(len(items)), key=lambda n: (-relevance(n), n))


def _text(item: object) -> str:
    return item.model_dump_json() if isinstance(item, BaseModel) else str(item)


def _label(item: object) -> str:
    """Name an item for the event log: by its id or name, else its first words."""
    for name in ("id", "step_id", "name", "part_id", "number"):
        value = getattr(item, name, None)
        if value is not None:
            return str(value)
    return _text(item)[:60]
