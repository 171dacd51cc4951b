"""Answers that fit their schema and are still of no use: the rules answer in their place, and that is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel

from bioresearcher.llm.ask import Answer, ModelClient, ask
from bioresearcher.prompts import Prompt
from bioresearcher.schemas.base import Value
from bioresearcher.text.visible import clip

In = TypeVar("In", bound=Value)
Out = TypeVar("Out", bound=BaseModel)

NOTE_CHARS = 400


async def ask_usable(
    caller: ModelClient, prompt: Prompt[In, Out], values: In, problem: Callable[[Out], str]
) -> Answer[Out]:
    """The answer to a prompt; where `problem` finds a model's answer useless, the rules' answer.

    `problem` says in a few words why an answer is of no use; empty when it can be used. The rules' own answers are
    taken as they are, and so is a model's when no rules stand behind it.

    Raises:
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
    """
    answer = await ask(caller, prompt, values)
    why = "" if answer.origin == "offline" else problem(answer.value)
    said = f"answered by rule, as the model's answer could not be used: {why}"
    stand_in = await ask_rules(caller, prompt, values, said) if why else None
    return stand_in or answer


async def ask_rules(caller: ModelClient, prompt: Prompt[In, Out], values: In, said: str) -> Answer[Out] | None:
    """The rules' answer, announced with what is said; None when no rules stand behind the model."""
    if caller.rules is None:
        return None
    tell(caller, prompt, said)
    return await ask(by_rule_only(caller), prompt, values)


def by_rule_only(caller: ModelClient) -> ModelClient:
    """The caller with the rules in the model's place, where rules stand behind it."""
    return caller if caller.rules is None else replace(caller, backend=caller.rules, rules=None)


def tell(caller: ModelClient, prompt: Prompt[In, Out], said: str) -> None:
    """Note in the event log what was made of an answer; nothing when nothing is said."""
    if said:
        message = clip(f"{prompt.name}: {said}", NOTE_CHARS)
        caller.events.emit("note", prompt.step, "info", message, prompt=prompt.name)
