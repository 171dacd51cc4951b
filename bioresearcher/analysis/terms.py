"""Fixed terms of an objective (`terms.toml`): endpoints, methods asked for by name, and kinds of questions."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from bioresearcher.analysis.words import Text
from bioresearcher.schemas.question import QuestionKind

_TERMS: Final = Path(__file__).with_name("terms.toml")


@dataclass(frozen=True)
class Method:
    """A model, test or analysis by name.

    Attributes:
        form: `model`, `test`, or `analysis` (what is neither, such as mediation).
        kind: The kind of question that it answers, when it says so.
        vetted: Words of which a skill's contract has one when it carries the method out; empty: no skill does.
    """

    name: str
    form: str
    pattern: re.Pattern[str]
    kind: QuestionKind | None = None
    vetted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """A fixed term found in a text, with its tokens."""

    name: str
    words: str
    first: int
    end: int


@cache
def _terms() -> dict[str, Any]:
    return tomllib.loads(_TERMS.read_text(encoding="utf-8"))


@cache
def word(name: str) -> re.Pattern[str]:
    """The pattern of a group of words, such as those of survival."""
    return re.compile(_terms()["words"][name], re.IGNORECASE)


@cache
def methods() -> tuple[Method, ...]:
    """The methods that an objective can ask for; earlier ones hold later ones' words."""
    return tuple(
        Method(
            name=row["name"],
            form=row["what"],
            pattern=re.compile(row["pattern"], re.IGNORECASE),
            kind=row.get("kind"),
            vetted=tuple(row.get("vetted", ())),
        )
        for row in _terms()["methods"]
    )


def endpoint_words(name: str) -> str:
    """An endpoint in words: `overall survival (OS)`."""
    known = _terms()["endpoint_words"].get(name)
    return f"{known} ({name})" if known else name


def _named(text: Text, name: str, match: re.Match[str]) -> Named | None:
    places = text.tokens_in(match.start(), match.end())
    return Named(name, match[0].strip(), places[0], places[-1] + 1) if places else None


def endpoints_named(text: Text) -> list[Named]:
    """The endpoints that a text names; words within a longer name do not count."""
    found: list[Named] = []
    for name, pattern in _terms()["endpoints"].items():
        for match in re.finditer(pattern, text.raw, re.IGNORECASE):
            one = _named(text, name, match)
            if one and not any(o.first <= one.first and one.end <= o.end for o in found):
                found.append(one)
    return sorted(found, key=lambda n: n.first)


def loose_endpoints(text: Text) -> tuple[tuple[str, ...], str]:
    """The endpoints that words such as relapse or mortality may stand for, with the words."""
    for row in _terms()["loose"]:
        if match := re.search(row["pattern"], text.raw, re.IGNORECASE):
            return tuple(row["endpoints"]), match[0]
    return (), ""


def methods_named(text: Text) -> list[tuple[Method, Named]]:
    """The models, tests and analyses that a text asks for; a name within a longer one does not count."""
    found: list[tuple[Method, Named]] = []
    for method in methods():
        for match in method.pattern.finditer(text.raw):
            one = _named(text, method.name, match)
            if one and not any(o.first <= one.first and one.end <= o.end for _, o in found):
                found.append((method, one))
    return sorted(found, key=lambda row: row[1].first)


def kinds_in(words: str) -> tuple[QuestionKind, ...]:
    """All kinds of questions that some words may ask, the most telling first."""
    return tuple(row["kind"] for row in _terms()["kinds"] if re.search(row["pattern"], words, re.IGNORECASE))


def asks_pairs(words: str) -> str:
    """The words that ask for pairs; empty when none do."""
    found = word("paired").search(words)
    return found[0] if found and not word("unpaired").search(words) else ""
