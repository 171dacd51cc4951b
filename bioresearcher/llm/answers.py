"""From what a model sent back to a reply: the JSON in it, what it cost, and the ways in which it is no answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bioresearcher.errors import ContextOverflowError, EmptyReplyError, RefusalError, TruncatedError
from bioresearcher.llm.backend import Reply
from bioresearcher.llm.tokens import tokens_of
from bioresearcher.schemas.usage import Usage

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from bioresearcher.llm.prices import Price

_OPENS = re.compile(
    r"<(?P<tag>(?:seed:)?think|thinking|thought|thoughts|reasoning|reflection|scratchpad)>|(?P<mistral>\[THINK\])"
    r"|(?P<cohere><\|START_THINKING\|>)|(?P<kimi>◁think▷)"
    r"|(?P<harmony><\|channel\|>\s*(?:analysis|commentary)\b[^<]*<\|message\|>)",
    re.IGNORECASE,
)
_CLOSES = re.compile(
    r"</(?:seed:)?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)>|\[/THINK\]"
    r"|<\|END_THINKING\|>|◁/think▷",
    re.IGNORECASE,
)
_CLOSED_BY = {"mistral": r"\[/THINK\]", "cohere": r"<\|END_THINKING\|>", "kimi": "◁/think▷"}
_CLOSED_BY["harmony"] = r"<\|(?:end|return|call|start)\|>|(?=<\|channel\|>)"
_LIKE_AN_OBJECT = re.compile(r"\{\s*(?:[\"'}]|\w+\s*:|$)")
_ONLY_AN_END = re.compile(r"\s*(?:```|~~~)?\s*(?:<\|\w+\|>|</?(?:answer|output|json)>|\s)*\Z", re.IGNORECASE)
_MOST_CANDIDATES = 200

_BYTES_PER_TOKEN_AT_MOST = 4.5
"""More than current tokenizers give for text like ours: a prompt is never taken for longer than it is."""
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
class Asked:
    """What an answer is judged against.

    Attributes:
        label: Prompt and model, to begin an error with.
        prompt: The text sent, messages and schema.
        longest: Most tokens the answer was allowed.
        price: Of the model; None when unknown.
        tool: Name of the tool offered; empty when there was none.
    """

    label: str
    prompt: str
    longest: int
    price: Price | None = None
    tool: str = ""


@dataclass(frozen=True)
class Answer:
    """A usable answer.

    Attributes:
        reply: The JSON, or the bare text where there is none in it.
        is_json: Whether it is a JSON object.
        called: Whether it came as a call of the tool.
        counted: Whether the server told the tokens; otherwise they are estimated.
    """

    reply: Reply
    is_json: bool
    called: bool
    counted: bool


def answer_of(message: AIMessage, asked: Asked, *, model: str) -> Answer:
    """The answer in a model's message.

    Raises:
        RefusalError: The model or a filter declined.
        TruncatedError: It ended at the longest allowed answer and is not complete.
        ContextOverflowError: The prompt did not fit: the model says so, or has seen far less than was sent.
        EmptyReplyError: There is nothing in it beside reasoning.
    """
    said = text_of(message)
    arguments = _arguments(message, asked.tool)
    usage, counted = usage_of(message, asked, said + (arguments or ""))
    found, complete = (arguments, True) if arguments is not None else json_in(said)
    found = _unwrapped(found, asked.tool)
    visible = without_reasoning(said) if found is None else found
    reason = finish_reason(message)
    _check_refusal(message, reason, asked, usage, visible)
    if reason == "context" or (counted and _was_cut(asked.prompt, usage)):
        raise _overflow(asked, usage, visible)
    if reason == "length" and (not complete or arguments is not None or found is None):
        raise TruncatedError(
            f"{asked.label}: the answer was cut after {usage.output_tokens or asked.longest} tokens.",
            hint="Raise `max_output` for this role (reasoning counts too), or use a model with a larger context.",
            usage=usage,
            text=visible,
        )
    if not visible.strip():
        thought = " but reasoning" if said.strip() or usage.reasoning_tokens else ""
        raise EmptyReplyError(
            f"{asked.label}: there is nothing{thought} in the answer.",
            hint="Ask another model, or raise `max_output` if it reasons for long.",
            usage=usage,
            text=said.strip(),
        )
    return Answer(Reply(visible, usage, model), found is not None, arguments is not None, counted)


def _check_refusal(message: AIMessage, reason: str, asked: Asked, usage: Usage, text: str) -> None:
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


def _overflow(asked: Asked, usage: Usage, text: str) -> ContextOverflowError:
    sent = _at_least(asked.prompt)
    return ContextOverflowError(
        f"{asked.label}: the prompt does not fit the model's context: the server used {usage.input_tokens} tokens"
        f" of about {sent} that were sent.",
        hint="Set `context` to what the server really has (for Ollama it is also asked for), or use a larger model.",
        usage=usage,
        text=text,
    )


def _was_cut(prompt: str, usage: Usage) -> bool:
    """Whether the server has seen less than half of what the prompt is at the very least.

    Some count only tokens that were not cached: where more were cached than counted, both are added.
    """
    least = _at_least(prompt)
    seen = usage.input_tokens + (usage.cached_tokens if usage.cached_tokens > usage.input_tokens else 0)
    return least >= _TOO_SHORT_TO_TELL and 0 < seen < least / 2


def _at_least(prompt: str) -> int:
    """Tokens a prompt has at the very least; runs of blanks and rules may be single tokens."""
    squeezed = re.sub(r"([\s.=_*-])\1{2,}", r"\1\1", prompt)
    return int(len(squeezed.encode("utf-8", "replace")) / _BYTES_PER_TOKEN_AT_MOST)


def finish_reason(message: AIMessage) -> str:
    """Why the model stopped: `stop`, `length`, `refusal`, `context`; empty when it is not told or unknown."""
    return _REASONS.get(_told_reason(message).lower(), "")


def has_ended(message: AIMessage) -> bool:
    """Whether the server said why the model stopped: a stream without it was broken off."""
    return bool(_told_reason(message))


def _told_reason(message: AIMessage) -> str:
    told = (message.response_metadata.get(name) for name in ("finish_reason", "stop_reason", "done_reason"))
    return next((value for value in told if isinstance(value, str) and value), "")


def usage_of(message: AIMessage, asked: Asked, said: str) -> tuple[Usage, bool]:
    """What a call used, and whether the server told it; otherwise it is estimated from the texts."""
    told: Mapping[str, Any] = message.usage_metadata or {}
    inputs, outputs = told.get("input_token_details") or {}, told.get("output_token_details") or {}
    counted = _count(told.get("input_tokens")) > 0
    usage = Usage(
        calls=1,
        input_tokens=_count(told.get("input_tokens")) or tokens_of(asked.prompt),
        cached_tokens=_count(inputs.get("cache_read")) or _cache_hits(message),
        output_tokens=_count(told.get("output_tokens")) or (0 if counted else tokens_of(said)),
        reasoning_tokens=_count(outputs.get("reasoning")),
    )
    return usage.model_copy(update={"cost_usd": asked.price.cost(usage) if asked.price else None}), counted


def _cache_hits(message: AIMessage) -> int:
    """Cached tokens by the name DeepSeek gives them."""
    raw = message.response_metadata.get("token_usage")
    return _count(raw.get("prompt_cache_hit_tokens")) if isinstance(raw, Mapping) else 0


def _count(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int | float) else 0


def _blocks(message: AIMessage) -> list[Mapping[str, Any]]:
    content = message.content
    return [b for b in content if isinstance(b, Mapping)] if isinstance(content, list) else []


def text_of(message: AIMessage) -> str:
    """The text of a message: its content, or the text blocks of it; blocks of reasoning are left out."""
    if isinstance(message.content, str):
        return message.content
    parts: list[str] = []
    for block in message.content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") in {"text", "output_text"}:
            parts.append(str(block.get("text") or ""))
    return "".join(parts)


def _arguments(message: AIMessage, tool: str) -> str | None:
    """The arguments of the tool call as JSON text, or None when there was no call."""
    if not tool:
        return None
    calls = sorted(message.tool_calls, key=lambda call: call["name"] != tool)
    if calls:
        return json.dumps(calls[0]["args"], ensure_ascii=False)
    broken: Sequence[Any] = message.invalid_tool_calls
    return (json_in(str(broken[0].get("args") or ""))[0] or str(broken[0].get("args"))) if broken else None


def _unwrapped(found: str | None, tool: str) -> str | None:
    """The arguments where a tool call was written out as text: `{"name": …, "arguments": {…}}`."""
    if not (found and tool):
        return found
    try:
        value = json.loads(found)
    except (ValueError, RecursionError):
        return found
    if isinstance(value, dict) and value.get("name") == tool and len(value) == 2:
        inner = value.get("arguments", value.get("parameters"))
        if isinstance(inner, dict):
            return json.dumps(inner, ensure_ascii=False)
        if isinstance(inner, str):
            return inner
    return found


def json_in(text: str) -> tuple[str | None, bool]:
    """The first JSON object in a text as it stands there, and whether nothing of the answer follows it.

    Reasoning (in tags, in channels, or before a closing tag whose opening one is missing), Markdown fences and words
    around the object are passed over. What begins like an object but is none is given too, so that a repair turn can
    show what is wrong with it; None means that there is nothing like an object.
    """
    whole = text.strip()
    if whole.startswith("{") and _end_of_object(whole, 0) == len(whole):
        return whole, True
    at = 0
    for _ in range(_MOST_CANDIDATES):
        brace = text.find("{", at)
        opening, closing = _OPENS.search(text, at), _CLOSES.search(text, at)
        first = min((mark.start() for mark in (opening, closing) if mark), default=len(text))
        if closing and closing.start() == first and (brace < 0 or first < brace):
            at = closing.end()
            continue
        if opening and opening.start() == first and (brace < 0 or first < brace):
            after = _end_of_reasoning(text, opening)
            if after is None:
                return _last_object(text[opening.end() :])
            at = after
            continue
        if brace < 0:
            break
        end = _end_of_object(text, brace)
        if end is None and not _LIKE_AN_OBJECT.match(text, brace):
            at = brace + 1
        elif closing and _is_reasoning(text, brace, end, opening, closing):
            at = closing.end()
        elif end is not None:
            return text[brace:end], _ONLY_AN_END.match(text, end) is not None
        else:
            end = _balanced_end(text, brace)
            return text[brace : end or len(text)].rstrip().removesuffix("```").rstrip(), end is not None
    return None, False


def _is_reasoning(
    text: str, brace: int, end: int | None, opening: re.Match[str] | None, closing: re.Match[str]
) -> bool:
    """Whether a brace stands in reasoning whose opening tag is missing: a closing tag follows, and an object after it.

    A closing tag within the object itself is part of a text in it.
    """
    if opening and opening.start() < closing.start():
        return False
    return closing.start() >= (end if end is not None else brace) and "{" in text[closing.end() :]


def _end_of_reasoning(text: str, opening: re.Match[str]) -> int | None:
    """Where the reasoning that begins with a tag ends; None when it does not."""
    kind = str(opening.lastgroup)
    ends = f"</{re.escape(opening['tag'])}>" if kind == "tag" else _CLOSED_BY[kind]
    found = re.compile(ends, re.IGNORECASE).search(text, opening.end())
    return found.end() if found else None


def _last_object(text: str) -> tuple[str | None, bool]:
    """The object that ends a text: the answer of a model that forgot to end its reasoning."""
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
    """Where the JSON object that begins here ends; None when it is none."""
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return end if isinstance(value, dict) else None


def _balanced_end(text: str, at: int) -> int | None:
    """Where the brackets that open here are closed again, texts in quotes passed over; None when they are not."""
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
    """A text in which there is no object, without reasoning and what marks channels."""
    kept, at = "", 0
    while opening := _OPENS.search(text, at):
        kept += text[at : opening.start()]
        after = _end_of_reasoning(text, opening)
        if after is None:
            return kept.strip()
        at = after
    rest = kept + text[at:]
    closings = list(_CLOSES.finditer(rest))
    rest = rest[closings[-1].end() :] if closings else rest
    return re.sub(r"<\|[\w ]+\|>(?:assistant|final)?", "", rest).strip()
