"""YAML with the lines it stands in, for files and forms that people write.

Refuses what could harm or surprise: aliases, which can stand for endlessly much, deep nesting, a field given twice.

Mistakes in a TOML file a researcher wrote, one plain line each.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


DEEPEST = 50
"""Levels of nesting; the parser in C calls itself for each, and would end the process when there are too many."""

Place = tuple[str | int, ...]
"""Names of fields and positions in lists that lead to a value."""


class YamlProblem(Exception):
    """YAML that cannot be used, and the line it is in, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line, self.message = line, message


def compose(text: str, noun: str, *, bare: bool = False) -> Any:  # noqa: ANN401 - a node of PyYAML, imported late
    """The root node of the only document, None when it is empty; nothing is constructed of it.

    Args:
        text: The YAML.
        noun: Names it in messages, as "a batch file".
        bare: Refuse anchors and tags, too.

    Raises:
        YamlProblem: It is no YAML, or holds what is refused.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            refused = _refused(event, noun, bare=bare) if depth <= DEEPEST else f"is nested too deeply for {noun}"
            if refused:
                raise YamlProblem(line_of(event), refused)
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        raise _problem(error, 1, text) from error
    _refuse_twice(root)
    return root


def _refused(event: Any, noun: str, *, bare: bool) -> str:  # noqa: ANN401 - an event of PyYAML, imported late
    import yaml

    if isinstance(event, yaml.AliasEvent):
        return f"*{event.anchor} stands for something above, which {noun} may not use"
    if bare and getattr(event, "anchor", None):
        return f"&{event.anchor} names something to be used again, which {noun} may not do; quote a text with &"
    if bare and getattr(event, "tag", None):
        return f"{event.tag} is a tag, which {noun} may not use; quote a text that begins with !"
    return ""


def _problem(error: Exception, line: int, text: str) -> YamlProblem:
    """The parser's message and its line; at the end of a text without a line's end that is the line after the last."""
    mark, strange = getattr(error, "problem_mark", None), getattr(error, "character", None)
    if strange is not None:  # a character that YAML does not accept, which comes without a mark
        line = text.count("\n", 0, max(0, text.find(chr(strange)))) + 1
    elif mark is not None:
        line = min(mark.line + 1, len(f"{text}.".splitlines()))
    message = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return YamlProblem(line, f"is not valid YAML: {' '.join(str(message).split())}")


def _refuse_twice(root: Any) -> None:  # noqa: ANN401 - a node of PyYAML, imported late
    """Refuse a mapping that gives a field twice, of which YAML would keep the last one without a word."""
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


def line_of(node: Any) -> int:  # noqa: ANN401 - of PyYAML, imported late
    """The line in which a node or an event begins, counted from 1."""
    return int(node.start_mark.line) + 1


def construct(node: Any, text: str) -> Any:  # noqa: ANN401 - a node of PyYAML, and the plain value it stands for
    """The plain value of a node of a text: YAML's own types only.

    Raises:
        YamlProblem: It has another type, or one that cannot be, such as a date that is none.
    """
    import yaml

    try:
        return yaml.constructor.SafeConstructor().construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError) as error:  # also a date that is none, a list as a name
        raise _problem(error, line_of(node), text) from error


def texts(root: Any, clean: Callable[[str], str]) -> tuple[Any, dict[Place, int]]:  # noqa: ANN401 - as `construct`
    """A node as lists, mappings and texts, none taken for a number or a date, and the line of every place in it.

    Raises:
        YamlProblem: The name of a field is no text.
    """
    import yaml

    lines: dict[Place, int] = {}

    def read(node: Any, at: Place) -> Any:  # noqa: ANN401 - as above
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
