"""Forms: values written as YAML that a person edits, and read back.

Values of a form are untrusted text without line ends and invisible characters; everything a person types is text, never
a number or a date. A value that equals the one shown is unchanged, so a form that was not edited changes nothing. Pure
functions.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import ValidationError

from bioresearcher.config_text import Place, YamlProblem, compose, describe_toml_error, read_as_text
from bioresearcher.schemas.base import Value
from bioresearcher.text.normalise import known_id, plain_name
from bioresearcher.text.visible import one_line, visible

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from yaml import Node

V = TypeVar("V", bound=Value)
FormValue = Any
"""A text, list or mapping: of a value's dump, or as typed."""

SHORT, WIDTH = 80, 100
"""Largest text, list or row on one line, and line width of longer texts, in characters."""
MOST_CHARS = 400_000
MISTAKE_MARK = "#! "
"""Starts a line with the mistake in the line below; not read."""
QUOTING = '# A text with ": " or " #" in it goes in quotes, or on indented lines below `field: >-`.'
_NEW = {"new", "+", ""}
_NO_IDS: Mapping[str, Collection[str]] = {}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a form: line number and reason."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class FormError(Exception):
    """A form that cannot be read back; one mistake per line that is wrong."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def write(value: Value, names: Iterable[str]) -> str:
    """Write fields of a value as YAML: long texts as blocks, short lists and rows on a line."""
    import yaml

    shown = value.model_dump(include={*names})
    node = _node({name: shown[name] for name in names})
    return str(yaml.serialize(node, Dumper=yaml.SafeDumper, width=WIDTH, allow_unicode=True))


def write_items(values: Iterable[Value], names: Sequence[str]) -> str:
    """Write fields of values as the items of a list, an empty line before each."""
    return "".join("\n- " + textwrap.indent(write(value, ("id", *names)), "  ")[2:] for value in values)


def _node(value: FormValue, *, inside: bool = False) -> Node:
    """Make the YAML node of a value; empty fields of list items are left out."""
    import yaml

    if isinstance(value, dict):
        fields = {name: one for name, one in value.items() if not inside or one_line(one)}
        pairs = [(_node(name), _node(one)) for name, one in fields.items()]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=inside and len(str(fields)) <= SHORT)
    if isinstance(value, tuple):
        short = all(isinstance(one, str) for one in value) and len(str(value)) <= SHORT
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(v, inside=True) for v in value], flow_style=short)
    text = one_line(value or "")
    kind = "str" if text or inside else "null"
    return yaml.ScalarNode(f"tag:yaml.org,2002:{kind}", text, style=">" if len(text) > SHORT else None)


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list as it was typed, and its place; an item without an id is new."""

    at: Place
    id: str
    fields: Mapping[str, Any]


class Form:
    """A form as it was typed: texts, lists and mappings, with the mistakes found in it so far.

    Args:
        text: The editor's text.
        known: Names of its possible fields.

    Attributes:
        fields: Its values by field.

    Raises:
        FormError: It is too long, or cannot be read as YAML without anchors, tags and fields given twice.
    """

    def __init__(self, text: str, known: Sequence[str]) -> None:
        if len(text) > MOST_CHARS:
            raise FormError([Mistake(1, f"the text has {len(text):,} characters; at most {MOST_CHARS:,} are read")])
        # YAML does not accept invisible characters, or takes them for the end of a line
        lines = ("" if line.startswith(MISTAKE_MARK) else visible(line).replace("\n", " ") for line in text.split("\n"))
        try:
            root = compose("\n".join(lines), "a form", bare=True)
            typed, self._lines = read_as_text(root, one_line)
        except YamlProblem as problem:
            raise FormError([Mistake(problem.line, one_line(problem.message))]) from problem
        self.mistakes: list[Mistake] = []
        self._seen: set[str] = set()
        self.fields = self._known((), typed or {}, known)

    def wrong(self, at: Place, text: str) -> None:
        """Note a mistake at a place, or at the nearest enclosing place that has a line."""
        while at and at not in self._lines:
            at = at[:-1]
        self.mistakes.append(Mistake(self._lines.get(at, 1), one_line(text)[:400]))

    def done(self) -> None:
        """Raise the mistakes found so far.

        Raises:
            FormError: Holds all of them.
        """
        if self.mistakes:
            raise FormError(sorted(self.mistakes, key=lambda one: one.line))

    def _known(self, at: Place, typed: object, known: Sequence[str]) -> dict[str, Any]:
        if not isinstance(typed, dict):
            self.wrong(at, f"begin with the name of a field and a colon; there are {', '.join(known)}")
            return {}
        for name in typed:
            if name not in known:
                self.wrong((*at, name), f"there is no field {name[:60]}; there are {', '.join(known)}")
        return {name: one for name, one in typed.items() if name in known}

    def items(self, at: Place, typed: object, known: Sequence[str], most: int) -> list[Item]:
        """Return the items of a list, each with an id of its own, or none; more than `most` are a mistake."""
        if not isinstance(typed, list):
            if typed:
                self.wrong(at, f"{at[-1]} must be a list: begin each item with a hyphen, as in `- id: new`")
            return []
        found = []
        for n, one in enumerate(typed):
            fields = self._known((*at, n), one, ("id", *known))
            name = str(fields.pop("id", ""))
            if name not in _NEW and name in self._seen:
                self.wrong((*at, n, "id"), f"{name[:60]} stands here twice")
            self._seen.add(name)
            if isinstance(one, dict):
                found.append(Item((*at, n), "" if name in _NEW else name, fields))
        if len(found) > most:
            self.wrong((*at, most), f"{at[-1]}: there are {len(found)}, at most {most} can be")
        return found

    def read(
        self,
        at: Place,
        typed: Mapping[str, Any],
        old: V | None,
        new: V,
        known: Mapping[str, Collection[str]] = _NO_IDS,
    ) -> tuple[V, Mapping[str, Any]]:
        """Return the value that was typed, and its changed fields.

        Args:
            at: Its place.
            typed: Its fields; a field that is left out keeps its value.
            old: The value before; None when a person added it.
            new: An added value without any field.
            known: Possible ids by field.
        """
        before = old or new
        changed = _changes(before, typed)
        given = dict(before) | changed
        for name in ("title", "action"):
            if given.get(name) == "" and (name in changed or old is None):
                self.wrong((*at, name), f"{name} is empty")
        try:
            value = type(before).model_validate(given)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                self.wrong((*at, *one["loc"]), _mistake_in(type(before), one, typed))
            return before, {}
        for name in (n for n in changed if isinstance(getattr(value, n), tuple)):
            for n, one in enumerate(getattr(value, name)):
                if one not in getattr(before, name):
                    self._check_name((*at, name, n), getattr(one, "name", one))
        ids = {name: self._ids((*at, name), getattr(value, name), known[name]) for name in known if name in changed}
        return value.model_copy(update=ids), changed

    def _check_name(self, at: Place, name: str) -> None:
        """Note a missing name, and an output's name that other steps could not refer to."""
        if not name:
            self.wrong(at, "it has no name")
        elif "outputs" in at and plain_name(name) != name:
            self.wrong(at, f"“{name[:60]}” is no short name; use letters, digits and _")

    def _ids(self, at: Place, words: tuple[str, ...] | str | None, known: Collection[str]) -> object:
        """Return the ids that words name, without repeats; an unknown one is a mistake."""
        found = dict[str, None]()
        for n, word in enumerate((words,) if isinstance(words, str) else words or ()):
            one = known_id(word, known)
            if one is None:
                self.wrong((*at, n), f"{at[-1]}: there is no {word[:60]}; there is {', '.join(known) or 'none'}")
            else:
                found[one] = None
        return tuple(found) if isinstance(words, tuple) else next(iter(found), None)


def _mistake_in(kind: type[Value], error: ErrorDetails, typed: Mapping[str, Any]) -> str:
    """Describe the mistake in a field; for a field that a row does not have, list its fields."""
    if error["type"] != "extra_forbidden":
        return describe_toml_error(error, typed, ())
    (row, *_) = get_args(kind.model_fields[str(error["loc"][0])].annotation)
    return f"there is no field {error['loc'][-1]}; there are {', '.join(row.model_fields)}"


def _changes(before: Value, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that differ from those shown; equal items of a list are the old objects."""
    found = {}
    for name, value in typed.items():
        old, field = getattr(before, name), type(before).model_fields[name]
        if _shown(value) == _shown(old):
            continue
        if value == "" and not field.is_required():
            found[name] = field.get_default()
        elif isinstance(value, list) and isinstance(old, tuple):
            shown = [_shown(one) for one in old]
            found[name] = tuple(old[shown.index(s)] if (s := _shown(v)) in shown else v for v in value)
        else:
            found[name] = value
    return found


def _shown(value: FormValue) -> FormValue:
    """Return a value in the form that can be compared with a typed one; empty equals absent."""
    if isinstance(value, Value | dict):
        return {name: one for name, one in ((n, _shown(v)) for n, v in dict(value).items()) if one}
    return [_shown(one) for one in value] or "" if isinstance(value, tuple | list) else one_line(value or "")
