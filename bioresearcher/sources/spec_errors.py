"""Mistakes in a TOML file a researcher wrote, one plain line each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def mistake(error: ErrorDetails, raw: Mapping[str, object], known: Sequence[str]) -> str:
    """One line for one Pydantic error: the field in TOML's own terms, what is wrong, what is possible.

    `raw` is the parsed file, `known` the fields that are possible where the error is.
    """
    where = _field_name(error["loc"], raw)
    kind = error["type"]
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        return f"{where}: unknown field" + (f"; did you mean `{close[0]}`?" if close else "")
    if kind == "missing":
        return f"{where}: must be given"
    if kind == "literal_error":
        return f"{where}: {error['input']!r} is not possible; use one of {error['ctx']['expected']}"
    if kind == "string_pattern_mismatch":
        return f"{where}: {error['input']!r} must begin with a letter and hold letters, digits, - or _ only"
    if kind in ("tuple_type", "string_type", "path_type"):
        wanted = "a list" if kind == "tuple_type" else "text in quotes"
        return f"{where}: expected {wanted}, not {error['input']!r}"
    return f"{where}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _field_name(loc: tuple[str | int, ...], raw: Mapping[str, object]) -> str:
    """`files[2] (samples).columns.er.role`: counted from 1, with the file's name where it has one."""
    text = ""
    at: object = raw
    for part in loc:
        at = _step(at, part)
        if isinstance(part, int):
            name = at.get("name") if isinstance(at, dict) else None
            text += f"[{part + 1}]" + (f" ({name})" if isinstance(name, str) else "")
        else:
            text += f".{part}" if text else str(part)
    return text


def _step(at: object, part: str | int) -> object:
    if isinstance(at, dict):
        return at.get(part)
    if isinstance(at, list) and isinstance(part, int) and part < len(at):
        return at[part]
    return None
