"""What `bioresearcher doctor --model` found, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.cli.spending import cost_text
from bioresearcher.llm.forecast import measured
from bioresearcher.report.text import one_line
from bioresearcher.schemas.model import ROLES, ModelSettings, Role
from bioresearcher.schemas.usage import Usage
from bioresearcher.stages.conformance.material import EXAMPLE
from bioresearcher.stages.conformance.run import CheckResult

if TYPE_CHECKING:
    from bioresearcher.cli.doctor_models import Outcome

_WIDTH: Final = 300
_MOST_NOTES: Final = 8


def table_lines(outcome: Outcome) -> list[str]:
    """The table for people: a block per role, then what it comes to."""
    models = {role: _model_text(outcome.ready.models, role) for role in outcome.roles}
    same = len(set(models.values())) == 1
    lines = [f"model: {models[role]}" for role in list(models)[:1] if same]
    for role, group in groupby(_merged(outcome), key=lambda result: result.role):
        lines.append(role if same else f"{role}: {models[role.partition(',')[0]]}")
        for result in group:
            detail = " ".join(filter(None, (_ended(result.detail), result.hint)))
            lines.append(f"  {result.check:13} {result.state:19} {_measured(result)}".rstrip())
            lines.append(f"  {'':13} {one_line(detail, _WIDTH)}")
    said = " · ".join(f"{role} {state}" for role, state in outcome.roles.items())
    notes = [f"! {one_line(note, _WIDTH)}" for note in outcome.notes[:_MOST_NOTES]]
    return [*lines, *notes, f"{said} ({outcome.seconds:.0f} s, {_spent(outcome)})", *_ahead(outcome)]


def _ahead(outcome: Outcome) -> list[str]:
    """What a run of the packaged example would take; nothing when no model gave an answer."""
    if not any(result.usage.calls for result in outcome.results):
        return []
    models = outcome.ready.models
    only = "" if len(models) == len(ROLES) else f", {' and '.join(models)} only"
    lines = [*outcome.forecast.lines, f"time: {_hours(outcome) or 'not known, as not every role gave an answer'}"]
    return [f"a run of the packaged example ({EXAMPLE}){only}", *(f"  {line}" for line in lines)]


def _hours(outcome: Outcome) -> str:
    """How long the models would write at the speeds seen here; empty when a role's speed was not seen."""
    whole = 0.0
    for role in outcome.ready.models:
        answered = [r for r in outcome.results if r.role == role and r.tokens_per_second]
        if not answered:
            return ""
        seconds, written = sum(r.seconds for r in answered), sum(r.usage.output_tokens for r in answered)
        whole += outcome.forecast.of_role(role).output_tokens * seconds / written
    low, high = (_duration(whole * factor) for factor in measured().factor)
    return (
        f"about {_duration(whole)}, likely {low}–{high}, at the speed seen here, less where answers come side by side"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"


def _merged(outcome: Outcome) -> list[CheckResult]:
    """The results; where a model could not be asked at all, its checks as one: the reason is the same."""
    found: list[CheckResult] = []
    for result in outcome.results:
        last = found[-1] if found else result
        alike = last is not result and result.state == "fails" and not (last.usage.calls or result.usage.calls)
        if alike and (last.model, last.state, last.detail) == (result.model, result.state, result.detail):
            roles = dict.fromkeys((*last.role.split(", "), result.role))
            found[-1] = last.model_copy(update={"role": ", ".join(roles), "check": "all checks"})
        else:
            found.append(result)
    return found


def _model_text(models: Mapping[Role, ModelSettings], role: str) -> str:
    model = next(model for name, model in models.items() if name == role)
    where = f" at {model.base_url}" if model.base_url else ""
    context = f", context {model.context:,}" if model.context else ""
    return f"{model.label}{where}{context}"


def _ended(detail: str) -> str:
    return detail if not detail or detail.endswith((".", "!", "?", "…")) else f"{detail}."


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
            role: {"model": _model_text(outcome.ready.models, role), "state": state}
            for role, state in outcome.roles.items()
        },
        "checks": [
            {**result.model_dump(mode="json"), "tokens_per_second": result.tokens_per_second}
            for result in outcome.results
        ],
        "notes": list(outcome.notes),
        "forecast": {"example": EXAMPLE, **outcome.forecast.model_dump(mode="json")},
    }
