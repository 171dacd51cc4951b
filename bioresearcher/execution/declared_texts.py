"""Texts that a task declares: a rule or a definition written down before anything is looked at, frozen by its digest.

Such a text cannot follow the data. It is held against what was declared: the task's words and parameters, the text of
the protocol's steps, and its inputs. A number from elsewhere would be a result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bioresearcher.execution.number_sources import given_numbers
from bioresearcher.execution.output_comparison import file_digest
from bioresearcher.execution.output_tables import WrittenNumber, numbers_in, numbers_of, without_dates
from bioresearcher.execution.process import AttemptContext
from bioresearcher.schemas.execution import DryLabTask, TaskOutput
from bioresearcher.text.format import listing

_DECLARES: Final = re.compile(
    r"\b(?:rules?|definitions?|criteri(?:on|a)|thresholds?|froze|frozen|freeze|captions?|wordings?|decision|pre-?speci\w+)\b",
    re.IGNORECASE,
)
_MOST_BYTES: Final = 200_000


def is_declared_text(task: DryLabTask) -> bool:
    """Return True if a task writes nothing but texts (or rules as JSON) that it declares as rules or definitions."""
    return bool(task.outputs) and all(map(is_declared, task.outputs))


def declared_numbers(task: DryLabTask, source: str) -> list[float]:
    """Return the numbers in a task's words and in the text of the steps that it carries out."""
    words = " ".join((task.title, task.goal, source, *(o.description for o in task.outputs)))
    return [n.value for n in numbers_in(without_dates(words))]


def is_declared(output: TaskOutput) -> bool:
    """Return True if an output is a text, or a rule as JSON, that is declared as a rule or definition."""
    text = output.kind == "text" or (output.kind == "model" and output.file.lower().endswith(".json"))
    return text and bool(_DECLARES.search(f"{output.name.replace('_', ' ')} {output.description}"))


def held_against_declaration(context: AttemptContext, inputs: Mapping[str, Path], outputs: Path) -> tuple[str, str]:
    """Return the problem of declared texts (empty: none), and their names with digests.

    Every number of a text must stand in the task's words or parameters, in its steps' text, or in an input.
    """
    task = context.task
    known = [*declared_numbers(task, context.source), *numbers_of(dict(task.parameters))]
    known += given_numbers(task, inputs).always
    digests = []
    for output in task.outputs:
        path = outputs / output.file
        if path.stat().st_size > _MOST_BYTES:
            return f"{output.file} is too large for a declared text", ""
        stated = numbers_in(without_dates(path.read_text(encoding="utf-8")))
        strange = dict.fromkeys(n.text for n in stated if not _known(n, known))
        if strange:
            return f"{output.file} states {listing(strange, 6)}, which nobody declared: a result is no rule", ""
        digests.append(f"{output.file} sha256:{file_digest(path)[:16]}")
    return "", ", ".join(digests)


def _known(number: WrittenNumber, known: list[float]) -> bool:
    forms = (number.value, number.value * 100) if "%" in number.text else (number.value,)
    return any(abs(form - value) <= 1e-9 * max(1.0, abs(value)) for form in forms for value in known)
