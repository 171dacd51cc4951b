"""Parsing of files that people write: YAML with the line of every value, and one-line messages for mistakes in TOML.

YAML is refused where it could harm or surprise: aliases, which can expand without end, deep nesting, a repeated field.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

YamlNode = Any
"""A node or an event of PyYAML, which is only imported where YAML is read."""
PlainValue = Any
"""A value of YAML's own types: lists, mappings, texts, numbers, dates."""

MAX_DEPTH = 50
"""Levels of nesting; the parser in C recurses for each, and too many would crash the process."""

Place = tuple[str | int, ...]
"""Path to a value: names of fields and positions in lists."""


class YamlProblem(Exception):
    """YAML that cannot be used, and the line it is in, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line, self.message = line, message


def compose(text: str, noun: str, *, bare: bool = False) -> YamlNode:
    """Parse the only document of a text to its root node, None when it is empty; no value is constructed.

    Args:
        text: The YAML.
        noun: Names it in messages, as "a batch file".
        bare: Refuse anchors and tags as well.

    Raises:
        YamlProblem: It is not valid YAML, or uses something that is refused.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            refused = _refused(event, noun, bare=bare) if depth <= MAX_DEPTH else f"is nested too deeply for {noun}"
            if refused:
                raise YamlProblem(line_of(event), refused)
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        raise _problem(error, 1, text) from error
    _refuse_twice(root)
    return root


def _refused(event: YamlNode, noun: str, *, bare: bool) -> str:
    """Explain why an event is refused; empty when it is not."""
    import yaml

    if isinstance(event, yaml.AliasEvent):
        return f"*{event.anchor} stands for something above, which {noun} may not use"
    if bare and getattr(event, "anchor", None):
        return f"&{event.anchor} names something to be used again, which {noun} may not do; quote a text with &"
    if bare and getattr(event, "tag", None):
        return f"{event.tag} is a tag, which {noun} may not use; quote a text that begins with !"
    return ""


def _problem(error: Exception, line: int, text: str) -> YamlProblem:
    """Make an error of the parser's message and line; an unexpected end is reported on the line after the last."""
    mark, strange = getattr(error, "problem_mark", None), getattr(error, "character", None)
    if strange is not None:  # a character that YAML does not accept, which comes without a mark
        line = text.count("\n", 0, max(0, text.find(chr(strange)))) + 1
    elif mark is not None:
        line = min(mark.line + 1, len(f"{text}.".splitlines()))
    message = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return YamlProblem(line, f"is not valid YAML: {' '.join(str(message).split())}")


def _refuse_twice(root: YamlNode) -> None:
    """Refuse a mapping that gives a field twice, of which YAML would silently keep the last."""
    import yaml

    waiting = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise YamlProblem(line_of(key), f"the field {key.value!r:.60} is given twice")
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def line_of(node: YamlNode) -> int:
    """Line in which a node or an event begins, counted from 1."""
    return int(node.start_mark.line) + 1


def construct(node: YamlNode, text: str) -> PlainValue:
    """Construct the value of a node of a text: YAML's own types only.

    Raises:
        YamlProblem: It has another type, or an impossible value, such as a 30th of February.
    """
    import yaml

    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError) as error:  # also a date that is none, a list as a name
        raise _problem(error, line_of(node), text) from error


def read_as_text(root: YamlNode, clean: Callable[[str], str]) -> tuple[PlainValue, dict[Place, int]]:
    """Read a node as lists, mappings and texts (no numbers, no dates), with the line of every place in it.

    Raises:
        YamlProblem: The name of a field is not a text.
    """
    import yaml

    lines: dict[Place, int] = {}

    def read(node: YamlNode, at: Place) -> PlainValue:
        lines.setdefault(at, line_of(node))
        if isinstance(node, yaml.SequenceNode):
            return [read(item, (*at, n)) for n, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return clean("" if node.tag == "tag:yaml.org,2002:null" else node.value)
        found = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlProblem(line_of(key), "the name of a field must be a word")
            lines[*at, key.value] = line_of(key)
            found[key.value] = read(value, (*at, key.value))
        return found

    return (None if root is None else read(root, ())), lines


def describe_toml_error(error: ErrorDetails, raw: Mapping[str, object], known: Sequence[str]) -> str:
    """Describe a Pydantic error in one line: the field in TOML's own terms, the mistake, the possible values.

    Args:
        error: The error.
        raw: The parsed file.
        known: The fields that are possible at the place of the error.
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
    """Name a field like `files[2] (samples).columns.er.role`: counted from 1, with an entry's name if it has one."""
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
