"""What `bioresearcher doctor --model` found, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.cli.spending import cost_text
from bioresearcher.llm.forecast import measured
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.schemas.usage import Usage
from bioresearcher.stages.conformance.material import EXAMPLE
from bioresearcher.stages.conformance.run import CheckResult
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.cli.doctor_models import Outcome

_WIDTH: Final = 300
_MOST_NOTES: Final = 8


def table_lines(outcome: Outcome) -> list[str]:
    """The table for people: two lines per role, then what it comes to."""
    models = {role: _model_text(outcome.models, role) for role in outcome.roles}
    same = len(set(models.values())) == 1
    lines = [f"model: {models[role]}" for role in list(models)[:1] if same]
    for _, group in groupby(outcome.results, key=_reason):
        first, *others = group
        lines.append(f"{', '.join(r.role for r in (first, *others)):9} {first.state:19} {_measured(first)}".rstrip())
        if not same:
            lines.append(f"  {models[first.role]}")
        detail = first.detail if first.detail.endswith((".", "!", "?", "…")) else f"{first.detail}."
        lines.append(f"  {one_line(f'{detail} {first.hint}'.strip(), _WIDTH)}")
    said = " · ".join(f"{role} {state}" for role, state in outcome.roles.items())
    notes = [f"! {one_line(note, _WIDTH)}" for note in outcome.notes[:_MOST_NOTES]]
    return [*lines, *notes, f"{said} ({outcome.seconds:.0f} s, {_spent(outcome)})", *_ahead(outcome)]


def _reason(result: CheckResult) -> tuple[str, ...]:
    """Alike for roles whose one model could not be asked at all, which are shown together."""
    return (result.model, result.state, result.detail, "" if not result.usage.calls else result.role)


def _ahead(outcome: Outcome) -> list[str]:
    """What a run of the packaged example would take; nothing when no model gave an answer."""
    if not any(result.usage.calls for result in outcome.results):
        return []
    models = outcome.models
    only = "" if len(models) == len(ROLES) else f", {' and '.join(models)} only"
    lines = [*outcome.forecast.lines, f"time: {_hours(outcome) or 'not known, as not every role gave an answer'}"]
    return [f"a run of the packaged example ({EXAMPLE}){only}", *(f"  {line}" for line in lines)]


def _hours(outcome: Outcome) -> str:
    """Time that the models would write at the speeds seen here; empty when a role's speed was not seen."""
    speeds = {result.role: result.tokens_per_second for result in outcome.results}
    whole = 0.0
    for role in outcome.models:
        speed = speeds.get(role)
        if not speed:
            return ""
        whole += outcome.forecast.of_role(role).output_tokens / speed
    low, likely, high = (
        f"{s / 60:.0f} min" for s in (whole * measured().factor[0], whole, whole * measured().factor[1])
    )
    return f"about {likely}, likely {low}–{high}, at the speed seen here, less where answers come side by side"


def _model_text(models: Mapping[Role, ModelSettings], role: str) -> str:
    model = next(model for name, model in models.items() if name == role)
    where = f" at {model.base_url}" if model.base_url else ""
    context = f", context {model.context:,}" if model.context else ""
    return f"{model.label}{where}{context}"


def _measured(result: CheckResult) -> str:
    """Seconds, speed, tokens, cost, and how the answer was made to fit; nothing when there was no answer."""
    if not result.usage.calls:
        return ""
    speed = f", {result.tokens_per_second:.0f} tokens/s" if result.tokens_per_second else ""
    reasoning = f" ({result.usage.reasoning_tokens:,} reasoning)" if result.usage.reasoning_tokens else ""
    tokens = f"{result.usage.input_tokens:,} tokens in, {result.usage.output_tokens:,} out{reasoning}"
    return f"{result.seconds:.1f} s{speed} · {tokens} · {cost_text(result.usage)} · {result.structured}"


def _spent(outcome: Outcome) -> str:
    total = sum((result.usage for result in outcome.results), Usage())
    if not total.calls:
        return "no answer"
    calls = "1 call" if total.calls == 1 else f"{total.calls} calls"
    return f"{calls}, {total.input_tokens:,} tokens in, {total.output_tokens:,} out, {cost_text(total)}"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The same, and all of the forecast, for programs."""
    return {
        "ok": outcome.ok,
        "seconds": round(outcome.seconds, 3),
        "roles": {
            role: {"model": _model_text(outcome.models, role), "state": state} for role, state in outcome.roles.items()
        },
        "checks": [
            {**result.model_dump(mode="json"), "tokens_per_second": result.tokens_per_second}
            for result in outcome.results
        ],
        "notes": list(outcome.notes),
        "forecast": {"example": EXAMPLE, **outcome.forecast.model_dump(mode="json")},
    }
