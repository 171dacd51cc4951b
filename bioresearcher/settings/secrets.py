"""Telling keys apart from settings, so that no key is stored or shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"(?:^|[_.-])(?:api_?key|key|secret|token|password|passwd|credential|bearer)s?(?:$|[_.-])", re.I)
_HARMLESS = {"api_key_env", "max_tokens", "tokens_per_minute", "ncbi_key_env"}
_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{6,}|AIza[A-Za-z0-9_-]{20,}|(?:hf|gsk|ghp|xai|pplx|nvapi)[_-][A-Za-z0-9_-]{16,})"
)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""Upper case only, as variables with keys are written everywhere: a key pasted here instead does not fit."""


def looks_like_key(text: str) -> bool:
    """Whether a text holds what looks like a provider's key."""
    return _VALUE.search(text) is not None


def is_variable_name(text: str) -> bool:
    """Whether a text can name an environment variable with a key, rather than be one."""
    return _VARIABLE.fullmatch(text) is not None and not looks_like_key(text)


def find_key(table: Mapping[str, object], where: str = "") -> str | None:
    """The first field of a parsed file that holds a key, by its name or by its value; None when there is none."""
    return next(_keys(table, where, depth=0), None)


def _keys(value: object, where: str, depth: int) -> Iterator[str]:
    if depth > 20:  # no setting lies that deep, and the rest is refused as unknown
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            place = f"{where}.{name}" if where else str(name)
            if looks_like_key(str(name)):
                yield f"{where or 'a field'} (a key stands where a name should)"
            elif str(name) not in _HARMLESS and _NAME.search(str(name)):
                yield place
            else:
                yield from _keys(inner, place, depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield from _keys(inner, f"{where}[{number}]", depth + 1)
    elif isinstance(value, str) and looks_like_key(value):
        yield where
