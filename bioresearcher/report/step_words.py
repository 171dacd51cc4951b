"""Inputs, outputs and settings of a step in words, as far as its action does not state them."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import ProtocolStep

_EMPTY = frozenset({"none", "not stated"})
_WORD = re.compile(r"[\w.%-]+")


def flow(step: ProtocolStep) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the inputs in words, with their names where the action uses these, and the outputs.

    An output is described where the action does not name it; descriptions of a skill's outputs stand in its contract.
    """
    inputs: list[str] = []
    files: dict[str, str] = {}
    for given in step.inputs:
        same = given.source.rpartition("/")[2] == given.name or given.name not in step.action
        place, _, name = given.source.removeprefix("dataset:").partition("/")
        if given.source == "given":
            inputs.append(given.name)
        elif not same:
            inputs.append(f"{given.name} ({source_words(given.source)})")
        elif given.source.startswith("dataset:") and place in files:
            joined = f"{files[place].removesuffix(f' of data set {place}')}, {source_words(given.source)}"
            inputs[inputs.index(files[place])] = files[place] = joined
        else:
            inputs.append(source_words(given.source))
            files |= {place: inputs[-1]} if given.source.startswith("dataset:") and name else {}
    outputs = (
        o.name
        + (f" ({o.kind})" if o.kind not in ("table", o.name) else "")
        + (f" – {o.description}" if o.description and not step.skill and o.name not in step.action else "")
        for o in step.outputs
    )
    return tuple(inputs), tuple(outputs)


def source_words(source: str) -> str:
    """Return an input's source in words: `scores from step 2.1`, `samples of data set GSE1`."""
    kind, _, rest = source.partition(":")
    place, _, name = rest.partition("/")
    if kind == "step" and name:
        return f"{name} from step {place}"
    return f"{name} of data set {place}" if kind == "dataset" and name else source


def settings(step: ProtocolStep, *, stated: bool = False, known: Container[str] = ()) -> tuple[str, ...]:
    """Return the parameters that neither the action nor the names of the data sets state.

    A single word of the action counts only beside a word of the name. With `stated`, those without a value are left
    out, as are columns that are `known` from the table of data sets.
    """
    said = [w.rstrip(".") for w in _WORD.findall(step.action.casefold())]
    left = (p for p in step.parameters if p.value not in step.datasets and not _stated(p, said))
    kept = (
        p
        for p in left
        if not (stated and p.value.casefold() in _EMPTY) and not (p.name.endswith("_column") and p.value in known)
    )
    return tuple(f"{p.name}: {p.value} {p.unit}".strip() for p in kept)


def _stated(parameter: Parameter, said: Sequence[str]) -> bool:
    words = [w.rstrip(".") for w in _WORD.findall(parameter.value.casefold())]
    there = any(said[n : n + len(words)] == words for n in range(len(said) - len(words) + 1)) if words else False
    names = [w for w in _WORD.findall(parameter.name.casefold().replace("_", " ")) if len(w) > 2]
    return there and (len(words) > 1 or any(name in said for name in names))


def unnamed(step: ProtocolStep) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the data sets and the software of a step that neither its action nor its inputs name."""
    text = f"{step.action} {' '.join(i.source for i in step.inputs)}".casefold()
    data = tuple(d for d in step.datasets if d.casefold() not in text)
    return data, tuple(s for s in step.software if s.casefold() not in text)
