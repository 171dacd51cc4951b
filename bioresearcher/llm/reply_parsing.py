"""Parsing of a model's message: the JSON in it, its usage, and the reasons why it may not be an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bioresearcher.errors import ContextOverflowError, EmptyReplyError, RefusalError, TruncatedError
from bioresearcher.llm.backend import Reply
from bioresearcher.llm.shorten import tokens_of
from bioresearcher.schemas.base import Usage

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from bioresearcher.llm.budget import Price

_TAGS = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reasoning|reflection|scratchpad)"
_OPENS = re.compile(
    rf"<{_TAGS}>|\[THINK\]|<\|START_THINKING\|>|◁think▷|<\|channel\|>\s*(?:analysis|commentary)\b", re.IGNORECASE
)
_CLOSES = re.compile(rf"</{_TAGS}>|\[/THINK\]|<\|END_THINKING\|>|◁/think▷|<\|channel\|>\s*final\b", re.IGNORECASE)
"""Marks around the reasoning of open models, and those of gpt-oss's channels."""
_LIKE_AN_OBJECT = re.compile(r"\{\s*(?:[\"'}]|\w+\s*:|$)")
_ONLY_AN_END = re.compile(r"\s*(?:```|~~~)?\s*(?:<\|\w+\|>|</?(?:answer|output|json)>|\s)*\Z", re.IGNORECASE)
_MOST_CANDIDATES = 200

_BYTES_PER_TOKEN_AT_MOST = 4.5
"""More than current tokenizers give for the prompts' text, so that a prompt's length is never overestimated."""
_TOO_SHORT_TO_TELL = 600
_REASONS: dict[str, Literal["stop", "length", "refusal", "context"]] = {
    **dict.fromkeys("stop end_turn eos tool_calls tool_use function_call stop_sequence".split(), "stop"),
    **dict.fromkeys("length max_tokens max_output_tokens".split(), "length"),
    **dict.fromkeys(
        "content_filter refusal safety recitation blocklist prohibited_content spii image_safety model_armor".split(),
        "refusal",
    ),
    "model_context_window_exceeded": "context",
}


@dataclass(frozen=True)
class Expected:
    """Properties of the request that its answer is checked against.

    Attributes:
        label: Prompt and model; begins error messages.
        prompt: The text sent, messages and schema.
        longest: Most tokens that the answer may have.
        price: Price of the model; None when unknown.
    """

    label: str
    prompt: str
    longest: int
    price: Price | None = None


@dataclass(frozen=True)
class ParsedReply:
    """A usable answer.

    Attributes:
        reply: The JSON, or the bare text where there is none in it.
        is_json: Whether it is a JSON object.
        counted: Whether the server stated the tokens; otherwise they are estimated.
    """

    reply: Reply
    is_json: bool
    counted: bool


def parse_reply(message: AIMessage, asked: Expected, *, model: str) -> ParsedReply:
    """Extract the answer from a model's message.

    Raises:
        RefusalError: The model or a filter declined.
        TruncatedError: The answer reached the token limit and is not complete.
        ContextOverflowError: The prompt did not fit: the model reports it, or has read far less than was sent.
        EmptyReplyError: The message holds nothing besides reasoning.
    """
    content = text_of(message)
    usage, counted = usage_of(message, asked, content)
    found, complete = find_json(content)
    visible = without_reasoning(content) if found is None else found
    reason = finish_reason(message)
    _check_refusal(message, reason, asked, usage, visible)
    if reason == "context" or (counted and _was_cut(asked.prompt, usage)):
        raise _overflow(asked, usage, visible)
    if reason == "length" and (not complete or found is None):
        raise TruncatedError(
            f"{asked.label}: the answer was cut after {usage.output_tokens or asked.longest} tokens.",
            hint="Raise `max_output` for this role (reasoning counts too), or use a model with a larger context.",
            usage=usage,
            text=visible,
        )
    if not visible.strip():
        thought = " but reasoning" if content.strip() or usage.reasoning_tokens else ""
        raise EmptyReplyError(
            f"{asked.label}: there is nothing{thought} in the answer.",
            hint="Ask another model, or raise `max_output` if it reasons for long.",
            usage=usage,
            text=content.strip(),
        )
    return ParsedReply(Reply(visible, usage, model), found is not None, counted)


def _check_refusal(message: AIMessage, reason: str, asked: Expected, usage: Usage, text: str) -> None:
    refusal = message.additional_kwargs.get("refusal") or next(
        (str(b.get("refusal") or "") for b in _blocks(message) if b.get("type") == "refusal"), ""
    )
    feedback = message.response_metadata.get("prompt_feedback")
    blocked = feedback.get("block_reason") if isinstance(feedback, Mapping) else None
    if not (refusal or blocked or reason == "refusal"):
        return
    by = "The prompt was blocked" if blocked else "The model declined" if refusal else "It was stopped by a filter"
    words = f": “{' '.join(str(refusal).split())[:200]}”" if refusal else "."
    raise RefusalError(
        f"{asked.label}: no answer. {by}{words}",
        hint="Reword the objective, or give this role to another model.",
        usage=usage,
        text=str(refusal or text),
    )


def _overflow(asked: Expected, usage: Usage, text: str) -> ContextOverflowError:
    sent = _at_least(asked.prompt)
    return ContextOverflowError(
        f"{asked.label}: the prompt does not fit the model's context: the server used {usage.input_tokens} tokens"
        f" of about {sent} that were sent.",
        hint="Set `context` to what the server really has (for Ollama it is also asked for), or use a larger model.",
        usage=usage,
        text=text,
    )


def _was_cut(prompt: str, usage: Usage) -> bool:
    """Check whether the server has read less than half of the prompt's smallest possible length.

    Some servers count only tokens that were not cached: if more were cached than counted, both are added.
    """
    least = _at_least(prompt)
    seen = usage.input_tokens + (usage.cached_tokens if usage.cached_tokens > usage.input_tokens else 0)
    return least >= _TOO_SHORT_TO_TELL and 0 < seen < least / 2


def _at_least(prompt: str) -> int:
    """Estimate the least tokens of a prompt; runs of blanks and rules may be single tokens."""
    squeezed = re.sub(r"([\s.=_*-])\1{2,}", r"\1\1", prompt)
    return int(len(squeezed.encode("utf-8", "replace")) / _BYTES_PER_TOKEN_AT_MOST)


def finish_reason(message: AIMessage) -> str:
    """Return why the model stopped: `stop`, `length`, `refusal`, `context`; empty when it is missing or unknown."""
    return _REASONS.get(_stated_reason(message).lower(), "")


def has_ended(message: AIMessage) -> bool:
    """Check whether the server gave a reason for the end: a stream without one was broken off."""
    return bool(_stated_reason(message))


def _stated_reason(message: AIMessage) -> str:
    stated = (message.response_metadata.get(name) for name in ("finish_reason", "stop_reason", "done_reason"))
    return next((value for value in stated if isinstance(value, str) and value), "")


def usage_of(message: AIMessage, asked: Expected, content: str) -> tuple[Usage, bool]:
    """Return the usage of a call, and whether the server stated it; otherwise it is estimated from the texts."""
    stated: Mapping[str, Any] = message.usage_metadata or {}
    inputs, outputs = stated.get("input_token_details") or {}, stated.get("output_token_details") or {}
    counted = _count(stated.get("input_tokens")) > 0
    usage = Usage(
        calls=1,
        input_tokens=_count(stated.get("input_tokens")) or tokens_of(asked.prompt),
        cached_tokens=_count(inputs.get("cache_read")) or _cache_hits(message),
        output_tokens=_count(stated.get("output_tokens")) or (0 if counted else tokens_of(content)),
        reasoning_tokens=_count(outputs.get("reasoning")),
    )
    return usage.model_copy(update={"cost_usd": asked.price.cost(usage) if asked.price else None}), counted


def _cache_hits(message: AIMessage) -> int:
    """Return the cached tokens, which DeepSeek reports under a name of its own."""
    raw = message.response_metadata.get("token_usage")
    return _count(raw.get("prompt_cache_hit_tokens")) if isinstance(raw, Mapping) else 0


def _count(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int | float) else 0


def _blocks(message: AIMessage) -> list[Mapping[str, Any]]:
    content = message.content
    return [b for b in content if isinstance(b, Mapping)] if isinstance(content, list) else []


def text_of(message: AIMessage) -> str:
    """Return the text of a message: its content or its text blocks; blocks of reasoning are left out."""
    if isinstance(message.content, str):
        return message.content
    parts: list[str] = []
    for block in message.content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") in {"text", "output_text"}:
            parts.append(str(block.get("text") or ""))
    return "".join(parts)


def find_json(text: str) -> tuple[str | None, bool]:
    """Find the first JSON object in a text, and whether nothing but an end follows it.

    Reasoning (in tags, in channels, or before a closing tag without an opening one), Markdown fences and words around
    the object are skipped. Text that begins like an object but is invalid is returned as well, so that a repair turn
    can show the mistake; None means that there is nothing like an object.
    """
    whole = text.strip()
    if whole.startswith("{") and _end_of_object(whole, 0) == len(whole):
        return whole, True
    at = 0
    for _ in range(_MOST_CANDIDATES):
        brace, mark, closing = text.find("{", at), _OPENS.search(text, at), _CLOSES.search(text, at)
        first = min((m.start() for m in (mark, closing) if m), default=len(text))
        if first < (len(text) if brace < 0 else brace):
            if mark and mark.start() == first:
                closing = _CLOSES.search(text, mark.end())
            if closing is None:
                return _last_object(text[first:])
            at = closing.end()
            continue
        if brace < 0:
            break
        end = _end_of_object(text, brace)
        if end is None and not _LIKE_AN_OBJECT.match(text, brace):
            at = brace + 1
        elif (closing := _closing_after(text, end or brace)) is not None:
            at = closing.end()
        elif end is not None:
            return text[brace:end], _ONLY_AN_END.match(text, end) is not None
        else:
            end = _balanced_end(text, brace)
            return text[brace : end or len(text)].rstrip().removesuffix("```").rstrip(), end is not None
    return None, False


def _closing_after(text: str, at: int) -> re.Match[str] | None:
    """Find a closing mark of reasoning without an opening one, which an object follows. Marks in objects are text."""
    opening, closing = _OPENS.search(text, at), _CLOSES.search(text, at)
    if closing is None or (opening and opening.start() < closing.start()):
        return None
    return closing if "{" in text[closing.end() :] else None


def _last_object(text: str) -> tuple[str | None, bool]:
    """Find the object that ends a text: the answer of a model that forgot to close its reasoning."""
    at = text.find("{")
    for _ in range(_MOST_CANDIDATES):
        if at < 0:
            break
        end = _end_of_object(text, at)
        if end is not None and _ONLY_AN_END.match(text, end):
            return text[at:end], True
        at = text.find("{", end if end is not None else at + 1)
    return None, False


def _end_of_object(text: str, at: int) -> int | None:
    """Find the end of the JSON object that begins here; None when it is invalid."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return end if isinstance(value, dict) else None


def _balanced_end(text: str, at: int) -> int | None:
    """Find where the brackets that open here are closed, ignoring quoted texts; None when they are not."""
    depth, quoted, escaped = 0, False, False
    for position in range(at, len(text)):
        mark = text[position]
        if quoted:
            quoted = escaped or mark != '"'
            escaped = mark == "\\" and not escaped
        elif mark == '"':
            quoted = True
        elif mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return position + 1
    return None


def without_reasoning(text: str) -> str:
    """Remove reasoning and marks of channels from a text without an object."""
    kept, at = "", 0
    while opening := _OPENS.search(text, at):
        kept += text[at : opening.start()]
        closing = _CLOSES.search(text, opening.end())
        if closing is None:
            return kept.strip()
        at = closing.end()
    rest = _CLOSES.split(kept + text[at:])[-1]
    return re.sub(r"<\|[\w ]+\|>(?:assistant|final)?", "", rest).strip()
