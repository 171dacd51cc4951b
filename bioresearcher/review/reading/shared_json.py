"""Protocols in the JSON of protocols.io (API versions 3 and 4) and in JSON-LD after schema.org and Bioschemas."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from bioresearcher.text.visible import visible

_BLOCK_END: Final = re.compile(r"</(?:p|div|li|h\d|tr)>|<br\s*/?>", re.I)
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")
_MAX_DEPTH: Final = 8


def shared_text(data: Mapping[str, object]) -> tuple[str, str] | None:
    """Return a shared protocol as Markdown, and the name of its form; None for JSON of another kind.

    Only what the JSON states is written: the title, the description, materials, notes, and the steps in the order of
    their numbers, each under its section.
    """
    inner = data.get("protocol") or data.get("payload")
    if isinstance(inner, Mapping) and isinstance(inner.get("steps"), list):
        data = inner
    if isinstance(data.get("steps"), list) and ("guid" in data or "title" in data):
        return _protocols_io(data), "protocols.io"
    found = _linked(data)
    return (_json_ld(*found), "json-ld") if found else None


# -- protocols.io -------------------------------------------------------------------------------------

_BESIDE: Final = (
    ("description", "Description"),
    ("materials_text", "Materials"),
    ("before_start", "Before you start"),
    ("guidelines", "Notes"),
    ("warning", "Warnings"),
)


def _protocols_io(data: Mapping[str, object]) -> str:
    lines = [f"# {_words(data.get('title')) or 'Protocol'}"]
    for key, heading in _BESIDE:
        if text := _words(data.get(key)):
            lines += ["", f"## {heading}", "", text]
    materials = data.get("materials")
    if isinstance(materials, list) and materials:
        names = [_words(m.get("name")) for m in materials if isinstance(m, Mapping)]
        lines += ["", "## Materials", "", *(f"- {name}" for name in names if name)]
    lines += ["", "## Steps"]
    section = ""
    steps = data["steps"]
    for count, step in enumerate(_ordered(steps if isinstance(steps, list) else []), 1):
        parts = dict(_components(step))
        named = _words(step.get("section")) or parts.get("section", "")
        if named and named != section:
            section = named
            lines += ["", f"## {named}"]
        text = " ".join(x for x in (_words(step.get("step")), parts.get("text", "")) if x)
        if text:
            number = _words(step.get("number")) or str(count)
            lines += ["", f"{number}. {text}"]
    return "\n".join(lines) + "\n"


def _ordered(steps: list[object]) -> list[Mapping[str, object]]:
    """Return the steps in their order: as linked by `previous_guid` where all are, else as listed."""
    listed = [s for s in steps if isinstance(s, Mapping)]
    after = {s.get("previous_guid") or None: s for s in listed if "guid" in s and "previous_guid" in s}
    chain: list[Mapping[str, object]] = []
    guid: object = None
    while guid in after and len(chain) < len(listed):
        chain.append(after[guid])
        guid = chain[-1].get("guid")
    return chain if len(chain) == len(listed) else listed


_SECTION_TYPES: Final = frozenset({6, "6"})
_TEXT_TYPES: Final = frozenset({1, "1", 17, "17"})


def _components(step: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the words of a step's components: its description, and the title of its section."""
    components = step.get("components")
    for part in components if isinstance(components, list) else ():
        if not isinstance(part, Mapping):
            continue
        source = part.get("source") if isinstance(part.get("source"), Mapping) else part.get("data")
        given: Mapping[str, object] = source if isinstance(source, Mapping) else {}
        if part.get("type_id") in _SECTION_TYPES:
            yield "section", _words(given.get("title"))
        elif part.get("type_id") in _TEXT_TYPES or str(part.get("title", "")).lower() == "description":
            yield "text", _words(given.get("description") or given.get("title"))


def _words(value: object) -> str:
    """Return the words of a value that is plain text, HTML, or the JSON of an editor (`{"blocks": [{"text": …}]}`)."""
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        return ""
    if value.lstrip().startswith('{"blocks"'):
        try:
            blocks = json.loads(value).get("blocks", [])
        except (ValueError, AttributeError, RecursionError):
            return ""
        value = " ".join(str(b.get("text", "")) for b in blocks if isinstance(b, dict))
    text = html.unescape(_TAG.sub(" ", _BLOCK_END.sub(" ", value)))
    return " ".join(visible(text).split())


# -- JSON-LD ------------------------------------------------------------------------------------------

_TYPES: Final = frozenset({"LabProtocol", "HowTo"})
_STEPS: Final = ("step", "steps", "bioschemas:step", "schema:step", "itemListElement")


def _linked(data: Mapping[str, object]) -> tuple[Mapping[str, object], dict[str, Mapping[str, object]]] | None:
    """Find the protocol in a JSON-LD document, and all nodes by their ids."""
    graph = data.get("@graph")
    listed = [x for x in graph if isinstance(x, Mapping)] if isinstance(graph, list) else [data]
    nodes = {str(x.get("@id")): x for x in listed if "@id" in x}
    of_type = [x for x in listed if _TYPES & {t.rpartition(":")[2].rpartition("/")[2] for t in _types(x)}]
    best = next((x for x in of_type if any(k in x for k in _STEPS)), of_type[0] if of_type else None)
    return (best, nodes) if best is not None else None


def _types(node: Mapping[str, object]) -> list[str]:
    value = node.get("@type")
    return [str(t) for t in value] if isinstance(value, list) else [str(value or "")]


def _json_ld(data: Mapping[str, object], nodes: Mapping[str, Mapping[str, object]]) -> str:
    lines = [f"# {_words(data.get('name') or data.get('headline')) or 'Protocol'}"]
    if text := _words(data.get("description") or data.get("abstract")):
        lines += ["", "## Description", "", text]
    for key, heading in (
        ("labEquipment", "Equipment"),
        ("reagent", "Reagents"),
        ("supply", "Materials"),
        ("tool", "Equipment"),
    ):
        names = [_label(x, nodes) for x in _several(data.get(key))]
        if any(names):
            lines += ["", f"## {heading}", "", *(f"- {name}" for name in names if name)]
    lines += ["", "## Steps"]
    lines += list(_ld_steps(data, nodes, 0))
    return "\n".join(lines) + "\n"


def _ld_steps(node: Mapping[str, object], nodes: Mapping[str, Mapping[str, object]], depth: int) -> Iterator[str]:
    steps = [x for key in _STEPS for x in _several(node.get(key))]
    if depth > _MAX_DEPTH:
        return
    resolved = [nodes.get(str(x.get("@id")), x) if isinstance(x, Mapping) else x for x in steps]
    for count, step in enumerate(sorted(resolved, key=_position), 1):
        if isinstance(step, Mapping) and any(k in step for k in _STEPS):
            if name := _words(step.get("name")):
                yield from ("", f"## {name}")
            yield from _ld_steps(step, nodes, depth + 1)
        else:
            text = (
                _words(step.get("text") or step.get("description") or step.get("name"))
                if isinstance(step, Mapping)
                else _words(step)
            )
            if text:
                yield from ("", f"{count}. {text}")


def _position(step: object) -> float:
    given = step.get("position") if isinstance(step, Mapping) else None
    return float(str(given)) if isinstance(given, int | float) or str(given).isdecimal() else 0.0


def _several(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value] if value else []


def _label(value: object, nodes: Mapping[str, Mapping[str, object]]) -> str:
    if isinstance(value, Mapping):
        node = nodes.get(str(value.get("@id")), value)
        return _words(node.get("name") or node.get("description"))
    return _words(value)
