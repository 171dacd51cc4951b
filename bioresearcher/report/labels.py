"""Labels of the report's origins and columns, and of what calls to models took."""

from __future__ import annotations

from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.usage import Usage

ORIGINS: dict[Origin, str] = {
    "offline": "computed by rule, no model",
    "model": "written by a language model",
    "mixed": "written partly by a language model, partly by rule",
    "human": "given by a person",
    "source": "as the source states it",
    "scripted": "scripted replies of a test",
}

MODEL_COLUMNS = (
    "Step", "Role", "Model", "Calls", "Tokens in", "Tokens out", "Cost", "Repaired", "By rule",
)  # fmt: skip
MODEL_NUMBERS = (False, False, False, True, True, True, True, True, True)
"""Which of these columns hold numbers."""
VARYING = (
    "Times, memory, places and the command line differ between two computations of the same; they stand in run.json "
    "and in each task’s record.json, not here. In what code printed, addresses and durations are replaced."
)
"""Why the report, which a replay repeats byte for byte, does not show them."""


def tokens_in(usage: Usage) -> str:
    """Tokens of the questions, with how many of them the provider had cached."""
    return f"{usage.input_tokens:,}" + (f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else "")


def tokens_out(usage: Usage) -> str:
    """Tokens of the answers, with how many of them were reasoning."""
    return f"{usage.output_tokens:,}" + (f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else "")


def cost(usage: Usage) -> str:
    """The cost to a hundredth of a cent, or that the model's price is not known."""
    return "not known" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"


def anchor(*parts: str) -> str:
    """An id for use within the page, made of any texts."""
    return "-".join(safe_name(p) for p in parts)
