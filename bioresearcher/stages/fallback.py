"""Falling back to the offline rules when a model's valid answer is empty or unusable, with a note in the event log."""

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
    """Ask a prompt; where `problem` finds a model's answer unusable, ask the rules.

    `problem` returns in a few words why an answer is unusable; empty when it can be used. The rules' own answers are
    taken as they are, and so is a model's when there are no rules to fall back on.

    Raises:
        AnswerError: The answer cannot be used, and there are no rules to answer in its place.
    """
    answer = await ask(caller, prompt, values)
    why = "" if answer.origin == "offline" else problem(answer.value)
    said = f"answered by rule, as the model's answer could not be used: {why}"
    stand_in = await ask_rules(caller, prompt, values, said) if why else None
    return stand_in or answer


async def ask_rules(caller: ModelClient, prompt: Prompt[In, Out], values: In, said: str) -> Answer[Out] | None:
    """Ask the rules, with a note in the event log; None when there are no rules to fall back on."""
    if caller.rules is None:
        return None
    note(caller, prompt, said)
    return await ask(by_rule_only(caller), prompt, values)


def by_rule_only(caller: ModelClient) -> ModelClient:
    """Return the client with the rules in the model's place, where there are rules."""
    return caller if caller.rules is None else replace(caller, backend=caller.rules, rules=None)


def note(caller: ModelClient, prompt: Prompt[In, Out], text: str) -> None:
    """Write a note on an answer into the event log; an empty text writes nothing."""
    if text:
        message = clip(f"{prompt.name}: {text}", NOTE_CHARS)
        caller.events.emit("note", prompt.step, "info", message, prompt=prompt.name)
