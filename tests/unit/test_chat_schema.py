"""The schema a model gets, and what is sent to ask for it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, JsonValue

from bioresearcher.llm.structured_output import (
    answer_schema,
    call_options,
    has_schema_fields,
    is_mode_refusal,
    messages_for,
    modes_to_try,
    strict_schema,
)
from bioresearcher.prompts import Message
from bioresearcher.schemas import ask_design, ask_literature, ask_program, ask_review
from bioresearcher.schemas.conversation import ActionTurn, LookAction
from bioresearcher.schemas.paper import PaperAnswers, QueryPlan
from bioresearcher.schemas.review import METRICS

OUTPUTS = [
    cls
    for module in (ask_design, ask_literature, ask_program, ask_review)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, BaseModel) and cls.__module__ == module.__name__ and not cls.__name__.endswith(("Input", "Turn"))
]
# What OpenAI's strict mode refuses, by its documentation.
REFUSED = {
    "default",
    "minLength",
    "maxLength",
    "uniqueItems",
    "propertyNames",
    "patternProperties",
    "allOf",
    "oneOf",
    "title",
}


class Leaf(BaseModel):
    """A leaf."""

    title: str = Field(min_length=1, max_length=9)
    value: float | None = Field(default=None, ge=0)


class Tree(BaseModel):
    leaf: Leaf = Field(description="the first")
    other: Leaf = Leaf(title="x")
    scores: dict[Literal["a", "b"], Leaf]
    left: Tree | None = None


class Free(BaseModel):
    anything: dict[str, JsonValue]


def nodes(schema: Any, names: bool = False) -> Iterator[dict[str, Any]]:
    """All schemas within a schema; names of fields are not keywords."""
    if isinstance(schema, list):
        for item in schema:
            yield from nodes(item)
    elif isinstance(schema, dict):
        if not names:
            yield schema
        for key, value in schema.items():
            yield from nodes(value, key in {"properties", "$defs"} and not names)


@pytest.mark.parametrize("output", [*OUTPUTS, Tree, PaperAnswers, QueryPlan], ids=lambda cls: cls.__name__)
def test_the_strict_form_of_every_answer_is_what_strict_modes_want(output: type[BaseModel]) -> None:
    schema, strict = strict_schema(output, limits=False)
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    for node in nodes(schema):
        assert not node.keys() & REFUSED
        assert "$ref" not in node or len(node) == 1
        if "properties" in node:
            assert node["required"] == list(node["properties"])
            assert node["additionalProperties"] is False
        elif strict:
            assert node.get("type") != "object" or node.get("additionalProperties") is False


def test_the_schema_accepts_what_the_class_writes() -> None:
    tree = Tree(leaf=Leaf(title="a"), scores={"a": Leaf(title="b"), "b": Leaf(title="c", value=1)})
    schema, strict = strict_schema(Tree)
    assert strict
    assert not list(Draft202012Validator(schema).iter_errors(tree.model_dump(mode="json")))
    assert list(schema["properties"]["scores"]["properties"]) == ["a", "b"]
    assert schema["properties"]["leaf"]["description"] == "the first"
    assert schema["properties"]["leaf"]["properties"]["title"]["maxLength"] == 9
    assert "maxLength" not in json.dumps(strict_schema(Tree, limits=False)[0])


def test_the_metrics_of_a_review_are_named_fields() -> None:
    schema, strict = strict_schema(ask_program.ProtocolScores)
    assert strict
    assert list(schema["properties"]["metrics"]["properties"]) == list(METRICS)


def test_what_may_hold_anything_is_not_called_strict() -> None:
    schema, strict = strict_schema(Free)
    assert not strict
    assert schema["properties"]["anything"]["type"] == "object"
    assert strict_schema(ask_program.TasksDraft)[1] is False


def test_the_schema_in_words_ends_the_system_message_so_that_what_is_stable_stands_in_front() -> None:
    form = answer_schema(ask_literature.DatasetAnswers, limits=True)
    system, user = Message("system", "You judge."), Message("user", "This one.")
    sent = messages_for((system, user), "text", form)
    assert sent[0].role == "system"
    assert sent[0].content.startswith("You judge.\n\nAnswer with one JSON object")
    assert '"right_condition"' in sent[0].content
    assert sent[1:] == (user,)
    assert messages_for((system, user), "schema", form) == (system, user)
    assert messages_for((user,), "text", form)[0].role == "system"


def test_in_a_conversation_it_ends_the_message_that_was_last_when_it_was_asked() -> None:
    form = answer_schema(ActionTurn, limits=True)
    roles = ("system", "user", "assistant", "user")
    conversation = tuple(Message(role, f"{n}") for n, role in enumerate(roles))
    sent = messages_for(conversation, "text", form, at=3)
    assert sent[:3] == conversation[:3]
    assert sent[3].role == "user"
    assert sent[3].content.startswith("3\n\nAnswer with one JSON object")
    repair = (Message("assistant", "{}"), Message("user", "This does not fit."))
    assert messages_for((*conversation, *repair), "text", form, at=3) == (*sent, *repair)
    assert messages_for(conversation, "schema", form, at=3) == conversation


def test_a_round_of_actions_is_an_object_that_strict_modes_enforce_and_code_is_not_cut() -> None:
    schema, strict = strict_schema(ActionTurn)
    assert strict
    assert schema["type"] == "object"
    assert schema["properties"]["do"]["maxItems"] == 4
    look = schema["$defs"]["LookAction"]["properties"]
    assert "maxLength" not in look["code"]
    assert list(look).index("why") < list(look).index("code")
    done = ActionTurn(do=(LookAction(kind="look", why="w", view="v", code="x" * 9_000),), finish=False)
    assert not list(Draft202012Validator(schema).iter_errors(done.model_dump(mode="json")))


def test_each_provider_gets_the_schema_in_its_own_way() -> None:
    form = answer_schema(ask_literature.DatasetAnswers, limits=True)
    openai = call_options("openai", "schema", form)["extra_body"]["response_format"]
    assert openai["json_schema"] == {"name": "DatasetAnswers", "schema": form.strict, "strict": True}
    assert call_options("google", "schema", form)["response_json_schema"] == form.strict
    assert call_options("ollama", "schema", form) == {"format": form.strict}
    assert call_options("anthropic", "schema", form)["response_format"]["json_schema"]["schema"] == form.strict
    assert call_options("compatible", "text", form) == {}
    free = call_options("openai", "schema", answer_schema(Free, limits=False))["extra_body"]["response_format"]
    assert free["json_schema"]["strict"] is False


@pytest.mark.parametrize(
    ("way", "status", "said", "expected"),
    [
        ("schema", 400, "'response_format' of type 'json_schema' is not supported with this model.", True),
        ("schema", 422, "body.response_format: extra fields not permitted", True),
        ("schema", 400, "json: cannot unmarshal object into Go struct field ChatRequest.format of type string", True),
        ("schema", 400, "failed to parse grammar", True),
        ("schema", 400, "Unsupported value: 'temperature' does not support 0.5 with this model.", False),
        ("schema", 500, "json_schema went wrong", False),
        ("schema", 400, "top_p must be below 1", False),
        ("text", 400, "response_format and tools", False),
    ],
)
def test_a_server_that_does_not_know_a_way_is_understood(way: Any, status: int, said: str, expected: bool) -> None:
    assert is_mode_refusal(way, status, said) is expected


def test_following_a_form_is_having_its_fields() -> None:
    form = answer_schema(ask_literature.DatasetAnswers, limits=True)
    good = {"right_condition": 1, "right_measure": 1, "right_groups": 1, "quote": "", "reason": ""}
    assert has_schema_fields(form, json.dumps(good))
    assert not has_schema_fields(form, json.dumps({**good, "more": 1}))
    assert not has_schema_fields(form, json.dumps({"answer": good}))
    assert not has_schema_fields(form, "[]")
    assert not has_schema_fields(form, "not json")
    assert not has_schema_fields(form, '{"a":' * 50_000)


def test_the_way_that_is_set_is_the_only_one() -> None:
    assert modes_to_try("auto") == ("schema", "text")
    assert modes_to_try("text") == ("text",)
    assert modes_to_try("tools") == modes_to_try("auto")  # of earlier versions
