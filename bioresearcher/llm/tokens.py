"""How long a text is for a model, without its tokenizer."""

from __future__ import annotations

from collections.abc import Iterable

from bioresearcher.prompts import Message

BYTES_PER_TOKEN = 3.2
"""Low on purpose, so that a prompt said to fit does fit: tokenizers of current models give 4 to 4.5 bytes per token of
English prose and about 3 for tables, code and gene symbols."""
_FRAME = 8
"""Tokens that a server puts around each message."""


def tokens_of(text: str) -> int:
    """Tokens of a text, estimated from its length in UTF-8, rather too many than too few."""
    return -(-len(text.encode("utf-8", "surrogatepass")) * 10 // int(BYTES_PER_TOKEN * 10))


def tokens_of_messages(messages: Iterable[Message]) -> int:
    """Tokens of a prompt, estimated."""
    return sum(tokens_of(m.content) + _FRAME for m in messages)
