"""Finding the answer in what a model wrote."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from bioresearcher.errors import AnswerError, ContextOverflowError, EmptyReplyError, RefusalError, TruncatedError
from bioresearcher.llm.budget import Price
from bioresearcher.llm.reply_parsing import Expected, find_json, parse_reply, without_reasoning

TEXT = st.text(max_size=12) | st.sampled_from(
    [
        "<think>",
        "</think>",
        "```json",
        "{",
        "}",
        '"',
        "\\",
        "[/THINK]",
        "<|end|>",
        "<|channel|>final<|message|>",
        "\u2028",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=4)
MARKS = "<>{}[]|◁`"
PROSE = st.text(st.characters(blacklist_characters=MARKS, blacklist_categories=["Cs"]), max_size=40)
THOUGHTS = st.text(st.sampled_from('abc {}[]":,.\n'), max_size=40)
REASONING = st.sampled_from(
    [
        ("<think>", "</think>"),
        ("<thinking>", "</thinking>"),
        ("<Reasoning>", "</Reasoning>"),
        ("[THINK]", "[/THINK]"),
        ("", "</think>"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        ("◁think▷", "◁/think▷"),
    ]
)
FENCES = st.sampled_from([("", ""), ("```json\n", "\n```"), ("```\n", "\n```"), ("~~~json\n", "\n~~~")])
ASKED = Expected(label="search/judge_dataset (x:y)", prompt="p", longest=100)


@settings(max_examples=200, deadline=None)
@given(OBJECTS, REASONING, THOUGHTS, FENCES, PROSE, PROSE, st.booleans(), st.booleans(), st.sampled_from([None, 1]))
def test_any_object_is_recovered_exactly_whatever_stands_around_it(
    value: dict[str, Any],
    tags: tuple[str, str],
    thoughts: str,
    fence: tuple[str, str],
    before: str,
    after: str,
    ascii_only: bool,
    thinks: bool,
    indent: int | None,
) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    reasoning = f"{tags[0]}{thoughts}{tags[1]}\n" if thinks else ""
    found, _ = find_json(f"{reasoning}{before}{fence[0]}{written}{fence[1]}{after}")
    assert found == written
    assert find_json(written) == (written, True)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from('{}[]",:\\ab1<>/think|`') | st.characters(), max_size=60),
    st.sampled_from(["stop", "length", ""]),
)
def test_no_text_gives_another_error_than_that_of_an_answer(text: str, reason: str) -> None:
    message = AIMessage(content=text, response_metadata={"finish_reason": reason})
    with suppress(AnswerError):
        answer = parse_reply(message, Expected("l", "p", 10), model="x:y")
        assert answer.reply.text.strip()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<think>maybe {"a": 0}</think>{"a": 1}', '{"a": 1}'),
        ('<think>I should say {"a": 0} no {"a": 1}', '{"a": 1}'),
        ('<think>still thinking about {"a": 0} and more', None),
        ('{"a": 0} hm, no</think>\n\n{"a": 1}', '{"a": 1}'),
        ('<think>one</think> then <think>two {</think> {"a": 1}', '{"a": 1}'),
        ('Use {name} as key:\n{"a": "</think>{"}', '{"a": "</think>{"}'),
        ('{"a": 1} and also {"a": 2}', '{"a": 1}'),
        ('```json\n{"a": [1, 2,],}\n```', '{"a": [1, 2,],}'),
        ('{"a": {"b": 1}, "c": ', '{"a": {"b": 1}, "c":'),
        ("Sorry, no idea.", None),
        ("[1, 2]", None),
        ("", None),
        (
            '<|channel|>commentary to=x<|message|>{"q": 0}<|call|><|channel|>final<|message|>{"a": 1}<|return|>',
            '{"a": 1}',
        ),
        ('\ufeff  {"a": 1}\n', '{"a": 1}'),
    ],
)
def test_what_is_taken_for_the_answer(text: str, found: str | None) -> None:
    assert find_json(text)[0] == found


def test_hostile_texts_end_without_an_error_and_before_the_tests_time_limit() -> None:
    for text in (
        '{"a":' * 10_000,
        "{" * 40_000,
        '{"' + '\\"' * 40_000,
        "<think>" * 10_000,
        '{"a":{' * 10_000 + "}" * 9,
    ):
        find_json(text)
        without_reasoning(text)


def message(content: Any = "", **metadata: Any) -> AIMessage:
    usage = metadata.pop("usage", {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15})
    extra = metadata.pop("extra", {})
    return AIMessage(content=content, response_metadata=metadata, usage_metadata=usage, additional_kwargs=extra)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (message('{"a": "b', finish_reason="length"), TruncatedError),
        (message('{"a": 1', stop_reason="max_tokens"), TruncatedError),
        (message("<think>" + "hm " * 50, done_reason="length"), TruncatedError),
        (message("", finish_reason="MAX_TOKENS"), TruncatedError),
        (message("", finish_reason="content_filter"), RefusalError),
        (message('{"a": 1}', finish_reason="SAFETY"), RefusalError),
        (message("", stop_reason="refusal"), RefusalError),
        (message("", finish_reason="stop", extra={"refusal": "I cannot."}), RefusalError),
        (message([{"type": "refusal", "refusal": "No."}], finish_reason="stop"), RefusalError),
        (message("", prompt_feedback={"block_reason": "SAFETY"}), RefusalError),
        (message("", finish_reason="stop"), EmptyReplyError),
        (message("<think>what now</think>\n", finish_reason="stop"), EmptyReplyError),
        (message([{"type": "thinking", "thinking": "hm"}], stop_reason="end_turn"), EmptyReplyError),
        (message('{"a":', stop_reason="model_context_window_exceeded"), ContextOverflowError),
    ],
)
def test_each_way_of_being_no_answer_is_an_error_of_its_own_with_its_cost(
    answer: AIMessage, error: type[AnswerError]
) -> None:
    with pytest.raises(error) as caught:
        parse_reply(answer, ASKED, model="x:y")
    assert type(caught.value) is error
    assert caught.value.usage is not None
    assert caught.value.usage.output_tokens == 5
    assert "search/judge_dataset" in caught.value.message
    assert caught.value.hint


def test_a_whole_object_counts_also_when_only_blanks_were_cut_after_it() -> None:
    assert parse_reply(message('{"a": 1}\n\n   ', finish_reason="length"), ASKED, model="x:y").reply.text == '{"a": 1}'
    with pytest.raises(TruncatedError):
        parse_reply(message('{"a": 1} But wait, I', finish_reason="length"), ASKED, model="x:y")


def test_what_is_no_json_is_given_as_it_is_for_the_repair_turn() -> None:
    answer = parse_reply(message("<think>x</think>I would say yes.", finish_reason="stop"), ASKED, model="x:y")
    assert (answer.reply.text, answer.is_json) == ("I would say yes.", False)


def test_blocks_of_text_are_joined_and_blocks_of_reasoning_left_out() -> None:
    content = [
        {"type": "thinking", "thinking": '{"a": 0}'},
        {"type": "text", "text": '{"a"'},
        {"type": "text", "text": ": 1}"},
    ]
    assert parse_reply(message(content, stop_reason="end_turn"), ASKED, model="x:y").reply.text == '{"a": 1}'


def test_usage_names_cached_and_reasoning_tokens_and_the_cost() -> None:
    usage = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "total_tokens": 1100,
        "input_token_details": {"cache_read": 400},
        "output_token_details": {"reasoning": 60},
    }
    price = Price(input=1.0, cached_input=0.1, output=10.0)
    asked = Expected("l", "p", 100, price=price)
    told = parse_reply(message('{"a": 1}', usage=usage, finish_reason="stop"), asked, model="x:y").reply.usage
    assert (told.calls, told.input_tokens, told.cached_tokens, told.output_tokens, told.reasoning_tokens) == (
        1,
        1000,
        400,
        100,
        60,
    )
    assert told.cost_usd == pytest.approx((600 * 1.0 + 400 * 0.1 + 100 * 10) / 1e6)
    assert parse_reply(message('{"a": 1}', usage=usage), ASKED, model="x:y").reply.usage.cost_usd is None


def test_tokens_are_estimated_where_none_are_told() -> None:
    answer = parse_reply(message('{"a": 1}', usage=None), Expected("l", "word " * 640, 100), model="x:y")
    assert not answer.counted
    assert 900 <= answer.reply.usage.input_tokens <= 1100


def test_deepseeks_name_for_cached_tokens_is_known() -> None:
    told = message('{"a": 1}', token_usage={"prompt_cache_hit_tokens": 8})
    assert parse_reply(told, ASKED, model="x:y").reply.usage.cached_tokens == 8


def usage(read: int, cached: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": read,
        "output_tokens": 5,
        "total_tokens": read + 5,
        "input_token_details": {"cache_read": cached},
    }


def test_a_prompt_that_was_cut_without_a_word_is_an_overflow() -> None:
    asked = Expected(
        "l", "The cohort has 120 samples of well differentiated liposarcoma. " * 600, 100
    )  # about 8,000 tokens
    with pytest.raises(ContextOverflowError, match="2048 tokens of about"):
        parse_reply(message('{"a": 1}', usage=usage(2048)), asked, model="x:y")
    parse_reply(message('{"a": 1}', usage=usage(7200)), asked, model="x:y")
    parse_reply(
        message('{"a": 1}', usage=usage(300, cached=7000)), asked, model="x:y"
    )  # counts only what was not cached
    blanks = Expected("l", "gene" + " " * 60_000 + "-" * 60_000, 100)
    parse_reply(message('{"a": 1}', usage=usage(700)), blanks, model="x:y")
