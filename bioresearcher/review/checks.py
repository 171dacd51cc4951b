"""All gates, and how they are run.

Gates are pure functions of a protocol and of what is known of the run; they know no model. A gate that
needs something unknown (in reviewer-only mode, say, the run's data sets) is skipped, and that is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bioresearcher.review import (
    checks_agreement,
    checks_data,
    checks_flow,
    checks_references,
    checks_safety,
    checks_statistics,
    checks_structure,
    checks_study,
    checks_wording,
)
from bioresearcher.review.check import Check, CheckContext, CheckedProtocol, ContextField, Scope, make_view
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import CheckFinding, Severity
from bioresearcher.text.visible import one_line

__all__ = [
    "GATES",
    "SEVERITIES",
    "Applicability",
    "Check",
    "CheckContext",
    "applicability",
    "count_severities",
    "run_gates",
]

GATES: tuple[Check, ...] = (
    *checks_references.GATES,
    *checks_wording.GATES,
    *checks_structure.GATES,
    *checks_flow.GATES,
    *checks_data.GATES,
    *checks_statistics.GATES,
    *checks_study.GATES,
    *checks_agreement.GATES,
    *checks_study.PLAN_GATES,
    *checks_safety.GATES,
)
"""Every gate, in the order in which they run and are listed."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Most severe first. An error is certainly wrong, a warning needs a look, a note is for information."""

_SCOPES: dict[Scope, tuple[Scope, ...]] = {
    "headings": ("headings",),
    "part": ("headings", "part"),
    "protocol": ("headings", "part", "protocol"),
}


def count_severities(findings: Iterable[CheckFinding]) -> str:
    """`2 errors, 1 warning, 0 notes`."""
    seen = Counter(f.severity for f in findings)
    return ", ".join(f"{seen[s]} {s}{'' if seen[s] == 1 else 's'}" for s in SEVERITIES)


@dataclass(frozen=True)
class Applicability:
    """Which gates could be run with what is known, and what the others lacked."""

    applied: tuple[str, ...]
    skipped: tuple[tuple[str, tuple[ContextField, ...]], ...]


def applicability(context: CheckContext, *, scope: Scope = "protocol") -> Applicability:
    """Which gates apply in a context."""
    chosen = [g for g in GATES if g.scope in _SCOPES[scope]]
    lacking = [(g.id, tuple(f for f in g.needs if not context.knows(f))) for g in chosen]
    return Applicability(
        applied=tuple(name for name, missing in lacking if not missing),
        skipped=tuple((name, missing) for name, missing in lacking if missing),
    )


def run_gates(
    protocol: Protocol, context: CheckContext | None = None, *, scope: Scope = "protocol"
) -> tuple[CheckFinding, ...]:
    """What the gates find in a protocol.

    Findings are ordered by severity, then in the registry's order, then by place: the same protocol always
    gives the same findings. `scope` says how much of the protocol there is yet: `headings` only, the steps
    of one `part`, or the whole `protocol`; gates that need to see more are left out.
    """
    known = context or CheckContext()
    view = make_view(protocol, known)
    chosen = (g for g in GATES if g.scope in _SCOPES[scope] and all(known.knows(f) for f in g.needs))
    found = dict.fromkeys(f for gate in chosen for f in _findings(gate, view))
    return tuple(sorted(found, key=lambda f: SEVERITIES.index(f.severity)))


def _findings(gate: Check, view: CheckedProtocol) -> tuple[CheckFinding, ...]:
    return tuple(
        CheckFinding(
            gate=gate.id,
            severity=hit.severity or gate.severity,
            location=one_line(hit.location, 60),
            message=one_line(hit.message, 400),
            suggestion=one_line(hit.suggestion, 300),
        )
        for hit in gate.check(view)
    )
