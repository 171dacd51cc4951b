"""Limits of a task as a person types them: `memory=4G time=10m`. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bioresearcher.schemas.execution import Limits
from bioresearcher.text.visible import one_line

_SIZES = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
"""Megabytes."""
_TIMES = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_GIVEN = re.compile(r"([a-z]+)=(\d{1,9}(?:\.\d{1,3})?)([a-z]*)", re.ASCII)
_MEMORY, _TIME = (16, 4 * 1024 * 1024), (1, 14 * 86_400)
"""Megabytes and seconds that are possible at least and at most."""
FORM = "memory=4G time=10m cpu=20m disk=2G processes=64"


def limits_in(words: Sequence[str], now: Limits) -> Limits | str:
    """The limits with what is typed, or what cannot be understood, in one line.

    `time` is the time that passes; the processors' time follows it unless `cpu` is given. A number without a unit is
    megabytes or seconds.
    """
    found: dict[str, float | int] = {}
    for word in words:
        given = _GIVEN.fullmatch(word.casefold())
        if given is None:
            return f"“{one_line(word, 40)}” is no limit; write {FORM}."
        name, number, unit = given[1], float(given[2]), given[3]
        if name in {"memory", "disk"}:
            value = _scaled(number, unit.removesuffix("ib").removesuffix("b") or "m", _SIZES, _MEMORY)
        elif name in {"time", "cpu"}:
            value = _scaled(number, _short(unit), _TIMES, _TIME)
        elif name == "processes":
            value = number if not unit and 1 <= number <= 4096 and number.is_integer() else None
        else:
            return f"There is no limit {name}; write {FORM}."
        if value is None:
            return f"{one_line(word, 40)}: this is not possible; write {FORM}."
        found |= _fields(name, value)
    if not found:
        return f"Say which limits: {FORM}."
    if "wall_s" in found:
        found.setdefault("cpu_s", found["wall_s"])
    return now.model_copy(update=found)


def _short(unit: str) -> str:
    """`minutes`, `min` and `m` are the same."""
    return next((k for k, w in (("s", "seconds"), ("m", "minutes"), ("h", "hours"), ("d", "days"))
                 if unit and w.startswith(unit)), unit or "s")  # fmt: skip


def _scaled(number: float, unit: str, units: dict[str, float] | dict[str, int], ends: tuple[int, int]) -> float | None:
    value = number * units[unit] if unit in units else -1.0
    return value if ends[0] <= value <= ends[1] else None


def _fields(name: str, value: float) -> dict[str, float | int]:
    if name == "memory":
        return {"memory_mb": int(value)}
    if name == "disk":
        return {"disk_mb": int(value), "file_mb": int(value)}
    return {"processes": int(value)} if name == "processes" else {"wall_s" if name == "time" else "cpu_s": value}


def limit_words(limits: Limits) -> str:
    """The limits that matter most, in words."""
    memory = f"{limits.memory_mb / 1024:g} GB" if limits.memory_mb >= 1024 else f"{limits.memory_mb} MB"
    wall = f"{limits.wall_s / 60:g} min" if limits.wall_s >= 60 else f"{limits.wall_s:g} s"
    return f"{memory}, {wall}"
