"""What the server in `model_server.py` saw and says: answers, faults, and an answer fitting any JSON schema."""

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MODEL = "test-model"


@dataclass(frozen=True)
class Seen:
    """A request: its path, its JSON body, its headers (names in lower case), and when it came and was answered.

    Times are of the monotonic clock; `finished` is None until the whole answer has been handed to the network.
    """

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]
    at: float
    finished: float | None = None

    @property
    def text(self) -> str:
        """The contents of all messages."""
        return "\n".join(contents(self.body))


@dataclass(frozen=True)
class Tokens:
    """What the answer claims to have used; cached are part of the prompt, reasoning is part of the completion."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        text: The message's content.
        status: The HTTP status; `error` is the body's error where it is not 200.
        headers: Beside the usual ones.
        delay_s: Wait before the first byte, beside the server's own latency.
        finish_reason: `stop`, `length`, `content_filter`, …
        refusal: The message's `refusal`.
        reasoning: The message's `reasoning_content`, as some servers give it.
        tool_call: Arguments of a call of the first tool offered; JSON text or a value.
        usage: None: about a token per four characters.
        no_usage: Leave usage out.
        drop: Close the connection when `sent` of the answer is out (0: nothing, also no status).
        sent: The part of the answer that is sent before the connection is dropped.
        chunks: Pieces the text is streamed in when the request asks for a stream.
        raw: The body as it is, instead of all the above.
        error: Message, type and code of an error.
    """

    text: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    finish_reason: str = "stop"
    refusal: str | None = None
    reasoning: str | None = None
    tool_call: str | dict[str, Any] | None = None
    usage: Tokens | None = None
    no_usage: bool = False
    drop: bool = False
    sent: float = 0.5
    chunks: int = 4
    raw: bytes | None = None
    error: Mapping[str, Any] = field(default_factory=dict)


Answering = Callable[[Seen], Answer | str | dict[str, Any]]


def valid_answer(body: Mapping[str, Any], *, items: int = 1) -> dict[str, Any]:
    """A small answer that fits the JSON schema the request carries; always the same for the same schema.

    The schema is that of `response_format`, else the first tool's parameters, else the last one in the text of the
    messages. Only required fields are given; lists have `items` elements where the schema allows.

    Raises:
        ValueError: The request carries no schema.
    """
    schema = schema_of(body)
    if schema is None:
        raise ValueError("the request carries no JSON schema")
    made = _fitting(schema, schema, "answer", items)
    assert isinstance(made, dict)
    return made


def schema_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The JSON schema a request carries, or None."""
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return form["json_schema"]["schema"]
    for tool in body.get("tools") or []:
        return tool["function"]["parameters"]
    return _schema_in("\n".join(contents(body)))


def _schema_in(text: str) -> dict[str, Any] | None:
    """The last outermost JSON object in a text that looks like a schema."""
    found, at, decoder = None, text.find("{"), json.JSONDecoder()
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            if isinstance(value, dict) and ("properties" in value or "$ref" in value):
                found = value
        at = text.find("{", end)
    return found


def _fitting(schema: Any, root: dict[str, Any], name: str, items: int, depth: int = 0) -> Any:
    """A value that fits a schema; lists end where a schema contains itself."""
    while "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            options = [o for o in schema[word] if o.get("type") != "null"] or schema[word]
            return _fitting(options[0], root, name, items, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if kind == "object":
        needed = schema.get("required", [])
        fields = {k: v for k, v in schema.get("properties", {}).items() if k in needed}
        return {k: _fitting(v, root, k, items, depth + 1) for k, v in fields.items()}
    if kind == "array":
        wanted = max(schema.get("minItems", 0), items if depth < 12 else 0)
        element = schema.get("items", {})
        number = min(wanted, schema.get("maxItems", wanted))
        return [_fitting(element, root, name, items, depth + 1) for _ in range(number)]
    return _scalar(kind, schema, name)


def _scalar(kind: str, schema: Mapping[str, Any], name: str) -> Any:
    if kind in {"integer", "number"}:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1 if "exclusiveMinimum" in schema else 0)
        return min(math.ceil(low) if kind == "integer" else low, schema.get("maximum", low))
    if kind in {"boolean", "null"}:
        return True if kind == "boolean" else None
    text = f"a {name.replace('_', ' ')}".ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def rate_limited(retry_after: float | str | None = 1, *, code: str = "rate_limit_exceeded", **headers: str) -> Answer:
    """429; `retry_after` in seconds or as the header's text."""
    wait = {} if retry_after is None else {"Retry-After": str(retry_after)}
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(error(429, "Rate limit reached.", code), headers={**wait, **extra})


def error(status: int, message: str = "It did not work.", code: str | None = None) -> Answer:
    """An error in OpenAI's form."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return Answer(status=status, error={"message": message, "type": kind, "param": None, "code": code})


def context_exceeded(limit: int = 8192, asked: int = 9000) -> Answer:
    """400 as given when prompt and answer do not fit the model's context."""
    words = f"This model's maximum context length is {limit} tokens. However, your messages resulted in {asked} tokens."
    return error(400, words, "context_length_exceeded")


def unknown_model(name: str = MODEL) -> Answer:
    """404 for the model's name."""
    return error(404, f"The model `{name}` does not exist or you do not have access to it.", "model_not_found")


def think(text: str, thoughts: str = "Let me see. {maybe: this?}") -> Answer:
    """The text after a block of reasoning."""
    return Answer(text=f"<think>\n{thoughts}\n</think>\n\n{text}")


def fenced(text: str, *, around: bool = True) -> Answer:
    """The text in a Markdown fence, with words around it."""
    block = f"```json\n{text}\n```"
    return Answer(text=f"Here is the answer:\n\n{block}\n\nI hope this helps." if around else block)


def truncated(text: str, part: float = 0.5) -> Answer:
    """The beginning of the text, cut at the longest answer."""
    return Answer(text=text[: int(len(text) * part)], finish_reason="length")


def refused(text: str = "I'm sorry, I cannot help with that.") -> Answer:
    """A refusal in the field made for it."""
    return Answer(refusal=text)


def empty() -> Answer:
    """An answer with nothing in it."""
    return Answer(text="")


def dropped(text: str = "{}", sent: float = 0.5) -> Answer:
    """The connection is closed when a part of the answer is out."""
    return Answer(text=text, drop=True, sent=sent)


def wrong_type(seen: Seen | None = None) -> Answer:
    """JSON that does not fit: every field of the valid answer has another type, or a list where there is no schema."""
    if seen is None or schema_of(seen.body) is None:
        return Answer(text='[1, "two", null]')
    return Answer(text=json.dumps({k: 0 if isinstance(v, str) else "no" for k, v in valid_answer(seen.body).items()}))


def malformed() -> Answer:
    """200 with a body that is no JSON."""
    return Answer(raw=b'{"id": "x", "choices": [{"mess')


def valid(seen: Seen) -> Answer | str | dict[str, Any]:
    """The valid answer to a request with a schema, `ok` to one without."""
    return "ok" if schema_of(seen.body) is None else valid_answer(seen.body)


def no_schema_support(then: Answering = valid) -> Answering:
    """400 to requests with a JSON schema in `response_format`."""
    words = "response_format.type 'json_schema' is not supported by this server"
    return _without(lambda body: (body.get("response_format") or {}).get("type") == "json_schema", words, then)


def no_tools_support(then: Answering = valid) -> Answering:
    """400 to requests with tools."""
    return _without(lambda body: bool(body.get("tools")), f"registry/{MODEL} does not support tools", then)


def _without(feature: Callable[[dict[str, Any]], bool], words: str, then: Answering) -> Answering:
    return lambda seen: error(400, words) if feature(seen.body) else then(seen)


def in_turn(*answers: Answer | str | dict[str, Any] | Answering, then: Answering = valid) -> Answering:
    """The answers one after the other, whoever asks, and `then` for ever."""
    left: Iterator[Answer | str | dict[str, Any] | Answering] = iter(answers)
    lock = threading.Lock()

    def answer(seen: Seen) -> Answer | str | dict[str, Any]:
        with lock:
            item = next(left, then)
        return item(seen) if callable(item) else item

    return answer


def contents(body: Mapping[str, Any]) -> list[str]:
    """The texts of a request's messages."""
    found: list[str] = []
    for message in body.get("messages") or []:
        content = message.get("content") or ""
        found += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return found
