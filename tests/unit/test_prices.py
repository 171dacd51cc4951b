"""The price list: what it holds for, what a call costs, and how errors in a file of one's own are said."""

from __future__ import annotations

import datetime as dt
import math
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.llm.budget import MAX_FILE_BYTES, Price, Prices, load_prices
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.model import ModelSettings

TODAY = dt.date(2026, 11, 22)
OWN = '["compatible:llama"]\ninput = 0.2\noutput = 0.4\n["openai:gpt-4o-mini"]\ninput = 9\noutput = 10\n'


def model(label: str, base_url: str | None = None) -> ModelSettings:
    provider, _, name = label.partition(":")
    return ModelSettings.model_validate({"provider": provider, "model": name, "base_url": base_url})


def own_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "prices.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture(scope="module")
def shipped() -> Prices:
    return load_prices(None, today=TODAY)


def test_every_shipped_price_says_where_it_comes_from(shipped: Prices) -> None:
    assert 10 <= len(shipped.shipped) <= 25
    assert {key.split(":")[0] for key in shipped.shipped} == {"openai", "anthropic", "google"}
    for key, price in shipped.shipped.items():
        assert price.source.startswith("https://"), key
        assert price.date is not None, key
        assert dt.date(2026, 1, 1) <= price.date <= TODAY, key
        assert 0 < price.input < price.output, key
        assert price.cached_input is None or price.cached_input < price.input, key
        assert price.cache_write is None or price.cache_write > price.input, key
        if price.long is not None:
            assert price.long.input > price.input, key
            assert price.long.output > price.output, key


def test_a_call_costs_cached_input_at_its_own_price() -> None:
    price = Price(input=2, cached_input=0.5, output=8)
    usage = Usage(calls=1, input_tokens=100_000, cached_tokens=40_000, output_tokens=10_000, reasoning_tokens=9_000)
    assert price.cost(usage) == pytest.approx(0.06 * 2 + 0.04 * 0.5 + 0.01 * 8)


def test_without_a_price_for_cached_input_it_costs_like_any_other() -> None:
    usage = Usage(calls=1, input_tokens=100_000, cached_tokens=40_000)
    assert Price(input=2, output=8).cost(usage) == pytest.approx(0.2)


def test_input_that_may_have_been_written_to_a_cache_costs_at_most_too_much() -> None:
    usage = Usage(calls=1, input_tokens=100_000, cached_tokens=40_000)
    price = Price(input=2, cached_input=0.2, cache_write=2.5, output=8)
    assert price.cost(usage) == pytest.approx(0.06 * 2.5 + 0.04 * 0.2)


def test_a_long_prompt_makes_the_whole_request_dearer(shipped: Prices) -> None:
    price = shipped.of(model("google:gemini-2.5-pro"))
    assert price is not None
    short = price.cost(Usage(calls=1, input_tokens=200_000, output_tokens=1_000))
    assert short == pytest.approx(0.2 * 1.25 + 0.001 * 10)
    assert price.cost(Usage(calls=1, input_tokens=200_001, output_tokens=1_000)) == pytest.approx(
        0.200_001 * 2.5 + 0.001 * 15
    )
    assert price.cost(Usage(calls=2, input_tokens=400_000)) == pytest.approx(0.4 * 1.25)


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.sampled_from([None, 0.1, 1.0]),
    st.booleans(),
)
def test_cost_is_finite_and_never_falls_when_more_is_used(
    read: int, cached: int, written: int, cached_input: float | None, write: bool
) -> None:
    price = Price(input=1, cached_input=cached_input, cache_write=1.25 if write else None, output=4)
    usage = Usage(calls=1, input_tokens=read, cached_tokens=min(cached, read), output_tokens=written)
    more = usage + Usage(calls=0, input_tokens=5, output_tokens=5)
    assert 0 <= price.cost(usage) <= price.cost(more)
    assert math.isfinite(price.cost(usage))


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("openai:gpt-4o", "openai:gpt-4o"),
        ("openai:gpt-4o-2024-08-06", "openai:gpt-4o"),
        ("openai:gpt-4o-mini-2024-07-18", "openai:gpt-4o-mini"),
        ("anthropic:claude-haiku-4-5-20251001", "anthropic:claude-haiku-4-5"),
    ],
)
def test_a_dated_snapshot_has_the_price_of_its_model(shipped: Prices, asked: str, listed: str) -> None:
    assert shipped.of(model(asked)) == shipped.shipped[listed]


@pytest.mark.parametrize(
    "asked",
    [
        "openai:gpt-4o-audio-preview", "openai:gpt-4o-2024", "openai:gpt-4o-0806", "openai:gpt-4o-2024-13-06",
        "openai:gpt-4o-2024-0806", "openai:gpt-4o-2024-08-06-x", "openai:GPT-4o", "openai:gpt-4", "openai:ft:gpt-4o",
        "openai:gpt-4o ", "anthropic:gpt-4o", "azure:gpt-4o", "compatible:gpt-4o", "ollama:gpt-4o",
    ],
)  # fmt: skip
def test_no_other_likeness_of_names_counts(shipped: Prices, asked: str) -> None:
    assert shipped.of(model(asked)) is None


@pytest.mark.parametrize(
    ("label", "url", "known"),
    [
        ("openai:gpt-4o", "https://api.openai.com/v1", True),
        ("openai:gpt-4o", "https://api.openai.com:443/v1/", True),
        ("openai:gpt-4o", "https://eu.api.openai.com/v1", False),
        ("openai:gpt-4o", "https://api.openai.com.example.org/v1", False),
        ("openai:gpt-4o", "http://localhost:4000/v1", False),
        ("anthropic:claude-opus-5-5", "https://api.anthropic.com", True),
        ("anthropic:claude-opus-5-5", "https://proxy.example.org", False),
    ],
)
def test_a_price_holds_at_the_providers_own_address(shipped: Prices, label: str, url: str, known: bool) -> None:
    assert (shipped.of(model(label, url)) is not None) is known


def test_a_file_of_ones_own_comes_first_entry_by_entry_and_at_any_address(tmp_path: Path) -> None:
    path = own_file(tmp_path, OWN)
    prices = load_prices(path, today=TODAY)
    mine = prices.of(model("openai:gpt-4o-mini-2024-07-18", "http://localhost:4000/v1"))
    assert mine is not None
    assert (mine.input, mine.output, mine.source) == (9, 10, str(path))
    assert prices.of(model("compatible:llama", "http://gpu.example.org:8000/v1")) is not None
    assert prices.of(model("openai:gpt-4o")) == load_prices(None, today=TODAY).of(model("openai:gpt-4o"))


def test_a_price_ends_with_its_last_day() -> None:
    flash = model("google:gemini-3.8-flash")
    assert load_prices(None, today=dt.date(2026, 12, 31)).of(flash) is not None
    assert load_prices(None, today=dt.date(2027, 1, 1)).of(flash) is None


ENTRY = '["openai:x"]\ninput = 1\noutput = 2\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["openai:x"]\ninput = -1\noutput = 2', "openai:x: input: "),
        ('["openai:x"]\ninput = nan\noutput = 2', "openai:x: input: "),
        ('["openai:x"]\ninput = inf\noutput = 2', "openai:x: input: "),
        ('["openai:x"]\ninput = 1e300\noutput = 2', "openai:x: input: "),
        ('["openai:x"]\ninput = "1"\noutput = 2', "openai:x: input: "),
        ('["openai:x"]\ninput = true\noutput = 2', "openai:x: input: "),
        (f'["openai:x"]\ninput = {"9" * 400}\noutput = 2', "openai:x: input: "),
        ('["openai:x"]\noutput = 2', "openai:x: input: is missing"),
        (ENTRY + "price = 3", "openai:x: price: there is no such field"),
        (ENTRY + 'date = "2026-01-01"', "openai:x: date: "),
        (ENTRY + "date = 2026-01-01T00:00:00", "openai:x: date: "),
        (ENTRY + "context = 10", "openai:x: context: "),
        (ENTRY + "context = 128000.5", "openai:x: context: "),
        (ENTRY + "long = { over = 2000, input = 1 }", "openai:x: long.output: is missing"),
        (ENTRY + '"a\\nb" = 1', "openai:x: a\\nb: there is no such field"),
        ('"openai:x" = 1', "openai:x: expected a table"),
        ("[gpt-4o]\ninput = 1\noutput = 2", "'gpt-4o' does not name a model"),
        ('["openai:"]\ninput = 1\noutput = 2', "'openai:' does not name a model"),
        ('["acme:x"]\ninput = 1\noutput = 2', "'acme:x' does not name a model"),
        ('["openai:x\\ny"]\ninput = 1\noutput = 2', "does not name a model"),
        (ENTRY + ENTRY, "not TOML"),
        ("input = ", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        ("a = " + "9" * 5_000, "not TOML"),
        ("a = " + "[" * 50_000, "not TOML"),
    ],
)
def test_an_error_in_a_file_is_one_line_with_file_entry_and_field(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = own_file(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_prices(path, today=TODAY)
    assert caught.value.message.startswith(f"{path}: ")
    assert said in caught.value.message
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 400


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="larger than"):
        load_prices(own_file(tmp_path, b"#" * (MAX_FILE_BYTES + 1)))
    assert load_prices(own_file(tmp_path, b"#" * MAX_FILE_BYTES)).own == {}
    with pytest.raises(InputError, match="cannot be read"):
        load_prices(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        load_prices(tmp_path)


@given(st.binary(max_size=300))
def test_whatever_a_file_holds_it_is_read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(InputError):
        load_prices(own_file(Path(folder), data), today=TODAY)
