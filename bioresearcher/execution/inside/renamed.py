"""Exchange parts of names, the same in all files: what a script makes of names then changes, and nothing else.

Names of the same form (letters, digits and separators in the same order) exchange their letters and digits part by
part, so that every new name has the form that the script expects. Names stay unique.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable

_PARTS = re.compile(r"\d+|[A-Za-z]+|[^A-Za-z\d]+")
_TRIES = 20


def new_names(names: Iterable[str], rng: random.Random) -> dict[str, str]:
    """Return name -> new name for all that change; no two share a new name, and none takes that of another kept one."""
    known = dict.fromkeys(n for n in names if any(c.isalnum() for c in n))
    forms: dict[str, list[str]] = defaultdict(list)
    for name in known:
        forms[_form(name)].append(name)
    found: dict[str, str] = {}
    for alike in forms.values():
        found |= _exchanged(alike, rng)
    return _unique(found, known)


def _form(name: str) -> str:
    return "".join("0" if p[0].isdigit() else "a" if p[0].isalpha() else p for p in _PARTS.findall(name))


def _exchanged(names: list[str], rng: random.Random) -> dict[str, str]:
    columns = [list(column) for column in zip(*(_PARTS.findall(name) for name in names), strict=True)]
    for _ in range(_TRIES):
        for column in columns:
            rng.shuffle(column)
        made = ["".join(parts) for parts in zip(*columns, strict=True)]
        if len(set(made)) == len(made):
            return dict(zip(names, made, strict=True))
    rng.shuffle(made := list(names))
    return dict(zip(names, made, strict=True))


def _unique(found: dict[str, str], known: Iterable[str]) -> dict[str, str]:
    """Leave out changes that would make two names the same."""
    changed = {name: new for name, new in found.items() if name != new}
    while True:
        kept = {name for name in known if name not in changed}
        wrong = {name for name, new in changed.items() if new in kept}
        if not wrong:
            return changed
        changed = {name: new for name, new in changed.items() if name not in wrong}
