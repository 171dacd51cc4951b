"""All gates and the five metrics on a protocol of 500 steps."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from types import ModuleType

from figures import Figure, measured

from bioresearcher.review.metrics import review_by_rule
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep

STEPS = 500
CLEAN = Path(__file__).parents[1] / "unit" / "conftest_review.py"


def measure(quick: bool) -> list[Figure]:
    """The clean protocol of the tests repeated, with all that a run knows about it."""
    module = _clean_module()
    protocol, context = long_protocol(module.clean_protocol()), module.context()
    if len(protocol.steps) != STEPS:
        raise RuntimeError(f"the protocol has {len(protocol.steps)} steps")
    wall, cpu = [], []
    for _ in range(2 if quick else 5):
        cpu_before, before = time.process_time(), time.monotonic()
        review_by_rule(protocol, context)
        wall.append(time.monotonic() - before)
        cpu.append(time.process_time() - cpu_before)
    return [
        measured(f"review of a protocol of {STEPS} steps, wall", wall, "s"),
        measured(f"review of a protocol of {STEPS} steps, CPU", cpu, "s"),
    ]


def _clean_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conftest_review", CLEAN)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{CLEAN} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def long_protocol(clean: Protocol) -> Protocol:
    """The protocol again and again, parts, steps and what they name numbered on, cut at `STEPS` steps."""
    parts: list[ProtocolPart] = []
    left = STEPS
    while left:
        shift = len(parts)
        for part in clean.parts:
            steps = tuple(_shifted(step, shift) for step in part.steps[:left])
            left -= len(steps)
            depends = tuple(str(int(name) + shift) for name in part.depends_on)
            if steps:
                number = str(int(part.id) + shift)
                parts.append(part.model_copy(update={"id": number, "depends_on": depends, "steps": steps}))
    return clean.model_copy(update={"parts": tuple(parts)})


def _shifted(step: ProtocolStep, shift: int) -> ProtocolStep:
    def moved(name: str) -> str:
        part, _, rest = name.partition(".")
        return f"{int(part) + shift}.{rest}"

    inputs = tuple(
        i.model_copy(update={"source": f"step:{moved(i.source.removeprefix('step:'))}"})
        if i.source.startswith("step:")
        else i
        for i in step.inputs
    )
    number = moved(step.id)
    title = step.title if shift == 0 else f"{step.title} (round {number})"
    return step.model_copy(update={"id": number, "title": title, "inputs": inputs})
