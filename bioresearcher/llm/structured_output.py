"""Structured output: the JSON schema of a model's answer, and the two modes of asking for it.

The modes, best first: the server's own JSON schema mode (`schema`), and the schema as text at the end of the system
message, in a conversation of the last message (`text`). With `structured = "auto"` the first that works is found by
trying: a server without JSON schemas answers with an error, or with an object that lacks the schema's fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

from pydantic import BaseModel

from bioresearcher.prompts import Message
from bioresearcher.schemas.base import LONG
from bioresearcher.schemas.model import Provider, StructuredMode

Mode = Literal["schema", "text"]
MODES: tuple[Mode, ...] = ("schema", "text")

_SAYS_NOTHING = {"title", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator", "$comment"}
_REFUSED_WHEN_STRICT = set(
    "minLength maxLength uniqueItems contains minContains maxContains minProperties maxProperties patternProperties"
    " unevaluatedProperties unevaluatedItems contentEncoding contentMediaType".split()
)
_MOST_CHARACTERS = 2000
_MOST_ITEMS = 40
"""Limits for fields without one, for servers whose grammars enforce them. Far above what an answer needs; tried with
llama.cpp, whose grammars do not get slower by them."""
_ABOUT_SCHEMAS = re.compile(
    r"response_?format|schema|json_?object|structured.?output|output_?(config|format)|grammar|guided|response_?mime"
    r"|\bformat\b|requested parameters",
    re.IGNORECASE,
)
_STATUS_OF_UNKNOWN = frozenset({400, 404, 415, 422, 501})


@dataclass(frozen=True)
class AnswerSchema:
    """Schema of an answer in the forms that providers take.

    Attributes:
        name: A name that all providers accept.
        strict: The schema with every field required and no others, for strict modes.
        enforceable: Whether strict modes take it: not if a field may hold any value.
        plain: Pydantic's schema without titles, for the text of a prompt.
    """

    name: str
    strict: dict[str, Any]
    enforceable: bool
    plain: dict[str, Any]

    @property
    def words(self) -> str:
        """End of a message for a server that takes no schema."""
        schema = json.dumps(self.plain, ensure_ascii=False, separators=(",", ":"))
        return (
            "Answer with one JSON object and nothing else: no explanation before or after it, no Markdown."
            f" It must fit this JSON schema:\n{schema}"
        )


def strict_schema(model: type[BaseModel], *, limits: bool = True) -> tuple[dict[str, Any], bool]:
    """Make the JSON schema of an answer for strict modes, and tell whether they can enforce it.

    Every property is required and no other is allowed; defaults and titles are left out; a mapping whose keys are an
    enumeration becomes an object with these properties. A node that may hold any value (a mapping with free keys, any
    JSON value, a tuple of different types) is left as it is, and the second value is then False.

    Args:
        model: The class the answer must fit.
        limits: Keep the keywords that providers' strict modes refuse and servers with grammars use (lengths of texts),
            and add such limits where there are none.
    """
    adapter = _Adapter(_schema(model), limits)
    return adapter.whole(), adapter.strict


@cache
def answer_schema(model: type[BaseModel], *, limits: bool) -> AnswerSchema:
    """Return the schemas of an answer class; made once per class."""
    schema, enforceable = strict_schema(model, limits=limits)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", model.__name__)[:64]
    plain = cast("dict[str, Any]", _without_titles(_schema(model)))
    return AnswerSchema(name, schema, enforceable, plain)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return Pydantic's schema; for a class that contains itself, the definition behind the reference."""
    schema = model.model_json_schema()
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return {**schema["$defs"][name], "$defs": schema["$defs"]} if name else schema


class _Adapter:
    """Conversion of one schema to the strict form."""

    def __init__(self, root: dict[str, Any], limits: bool) -> None:
        self._defs: dict[str, Any] = root.get("$defs", {})
        self._root = {key: value for key, value in root.items() if key != "$defs"}
        self._left_out = _SAYS_NOTHING if limits else _SAYS_NOTHING | _REFUSED_WHEN_STRICT | {LONG}
        self._limits = limits
        self.strict = True

    def whole(self) -> dict[str, Any]:
        schema = self._node(self._root, ())
        used: dict[str, Any] = {}
        waiting = _references(schema)
        while waiting:
            name = waiting.pop()
            if name not in used and name in self._defs:
                used[name] = self._node(self._defs[name], ())
                waiting |= _references(used[name])
        return {**schema, "$defs": {name: used[name] for name in self._defs if name in used}} if used else schema

    def _node(self, node: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        node = {key: value for key, value in node.items() if key not in self._left_out}
        if "$ref" in node:
            return self._reference(node, inside)
        if len(node.get("allOf", ())) == 1:
            return self._node({**node.pop("allOf")[0], **node}, inside)
        if "oneOf" in node:
            node["anyOf"] = node.pop("oneOf")
        if not node.keys() - {"description"} or node.keys() & {"prefixItems", "allOf", "not", "if"}:
            self.strict = False
        if "anyOf" in node:
            node["anyOf"] = [self._node(option, inside) for option in node["anyOf"]]
        if isinstance(node.get("items"), dict):
            node["items"] = self._node(node["items"], inside)
        if node.get("type") == "object" or "properties" in node:
            return self._object(node, inside)
        return self._bounded(node) if self._limits else node

    def _bounded(self, node: dict[str, Any]) -> dict[str, Any]:
        """Add limits to a node: a small model may continue a text or a list without end."""
        if node.pop(LONG, False):
            return node
        if node.get("type") == "array":
            return {"maxItems": _MOST_ITEMS, **node}
        if node.get("type") == "string" and not node.keys() & {"enum", "const", "format", "pattern"}:
            return {"maxLength": _MOST_CHARACTERS, **node}
        return node

    def _object(self, node: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        keys = self._resolved(node.pop("propertyNames", {})).get("enum")
        if keys and "properties" not in node and isinstance(node.get("additionalProperties"), dict):
            node["properties"] = dict.fromkeys(keys, node["additionalProperties"])
            node["additionalProperties"] = False
        if "properties" not in node and node.get("additionalProperties") is not False:
            self.strict = False
            if isinstance(node.get("additionalProperties"), dict):
                node["additionalProperties"] = self._node(node["additionalProperties"], inside)
            return node
        properties = node.get("properties", {})
        node["properties"] = {name: self._node(value, inside) for name, value in properties.items()}
        node["required"] = list(properties)
        node["additionalProperties"] = False
        return node

    def _reference(self, node: dict[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        """Keep a reference that stands alone; resolve one with other keywords, as strict modes refuse those."""
        name = node["$ref"].rpartition("/")[2]
        if len(node) == 1 or name in inside or name not in self._defs:
            return {"$ref": node["$ref"]}
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return self._node({**self._defs[name], **beside}, (*inside, name))

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._defs.get(str(node.get("$ref", "")).rpartition("/")[2], node)
        return found


def _references(node: object) -> set[str]:
    """Find the names of the definitions that a schema refers to."""
    if isinstance(node, list):
        return set().union(*map(_references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    here = {node["$ref"].rpartition("/")[2]} if isinstance(node.get("$ref"), str) else set()
    return here.union(*(_references(value) for value in node.values()))


def _without_titles(node: object, names: bool = False) -> object:
    """Remove titles from a schema; with `names` the keys are names of fields, one of which may be `title`."""
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if names or key not in {"title", LONG}}
    return {key: _without_titles(value, key in {"properties", "$defs"} and not names) for key, value in kept.items()}


def modes_to_try(setting: StructuredMode) -> tuple[Mode, ...]:
    """List the modes to try, in order."""
    if setting == "tools":
        setting = "auto"
    return MODES if setting == "auto" else (setting,)


def call_options(provider: Provider, mode: Mode, form: AnswerSchema) -> dict[str, Any]:
    """Make the arguments by which LangChain's model for this provider asks for the schema."""
    if mode == "text":
        return {}
    if provider == "google":
        return {"response_mime_type": "application/json", "response_json_schema": form.strict}
    if provider == "ollama":
        return {"format": form.strict}
    wanted: dict[str, Any] = {"name": form.name, "schema": form.strict}
    if provider != "anthropic":
        wanted["strict"] = form.enforceable
    response_format = {"type": "json_schema", "json_schema": wanted}
    # In the body itself, so that OpenAI's client does not parse the answer and raise errors of its own over it.
    return (
        {"response_format": response_format}
        if provider == "anthropic"
        else {"extra_body": {"response_format": response_format}}
    )


def messages_for(messages: tuple[Message, ...], mode: Mode, form: AnswerSchema, *, at: int = 0) -> tuple[Message, ...]:
    """Make the messages to send; in mode `text` the schema ends the message at the position `at`.

    That of a single question is the system message, 0, so that the schema stays in front. That of a conversation is the
    user's last: its turns have different schemas, and all before must be the same for providers' prefix caches.
    """
    if mode != "text":
        return messages
    if at == 0 and (not messages or messages[0].role != "system"):
        return (Message("system", form.words), *messages)
    ended = Message(messages[at].role, f"{messages[at].content.rstrip()}\n\n{form.words}")
    return (*messages[:at], ended, *messages[at + 1 :])


def is_mode_refusal(mode: Mode, status: int | None, message: str) -> bool:
    """Check whether a server's error means that it does not support this mode, or not for this schema."""
    return mode == "schema" and status in _STATUS_OF_UNKNOWN and _ABOUT_SCHEMAS.search(message) is not None


def has_schema_fields(form: AnswerSchema, text: str) -> bool:
    """Check whether a text is an object with the schema's fields: those that are required, and no others.

    The answer of a server that ignores the schema lacks them. The values of the fields are not checked.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, Mapping):
        return False
    return set(form.plain.get("required", ())) <= value.keys() <= set(form.plain.get("properties", value))
