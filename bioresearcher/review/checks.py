"""Registry of all checks of a protocol, and the functions that run them.

A check is a pure function of a protocol and of what is known of its run; it uses no model. A check that needs
something unknown (when only a file is reviewed, the run's data sets, say) is skipped and listed as skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bioresearcher.review import (
    checks_agreement,
    checks_amounts,
    checks_code,
    checks_counts,
    checks_data,
    checks_flow,
    checks_numbers,
    checks_references,
    checks_safety,
    checks_statistics,
    checks_structure,
    checks_study,
    checks_wording,
)
from bioresearcher.review.check import Check, CheckContext, CheckedProtocol, ContextField, Scope, prepare
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.review import CheckFinding, Severity
from bioresearcher.text.visible import one_line

CHECKS: tuple[Check, ...] = (
    *checks_references.CHECKS,
    *checks_wording.CHECKS,
    *checks_structure.CHECKS,
    *checks_flow.CHECKS,
    *checks_data.CHECKS,
    *checks_numbers.CHECKS,
    *checks_amounts.CHECKS,
    *checks_counts.CHECKS,
    *checks_statistics.CHECKS,
    *checks_study.CHECKS,
    *checks_agreement.CHECKS,
    *checks_code.CHECKS,
    *checks_study.COVERAGE_CHECKS,
    *checks_safety.CHECKS,
)
"""Every check, in the order in which they run and are listed."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Most severe first. An error is certainly wrong, a warning needs a look, a note is for information."""

_SCOPES: dict[Scope, tuple[Scope, ...]] = {
    "headings": ("headings",),
    "part": ("headings", "part"),
    "protocol": ("headings", "part", "protocol"),
}


def count_severities(findings: Iterable[CheckFinding]) -> str:
    """Count findings by severity, as `2 errors, 1 warning, 0 notes`."""
    seen = Counter(f.severity for f in findings)
    return ", ".join(f"{seen[s]} {s}{'' if seen[s] == 1 else 's'}" for s in SEVERITIES)


@dataclass(frozen=True)
class Applicability:
    """Checks that could be run with what is known, and the others with what they lacked."""

    applied: tuple[str, ...]
    skipped: tuple[tuple[str, tuple[ContextField, ...]], ...]


def applicability(context: CheckContext, *, scope: Scope = "protocol") -> Applicability:
    """Divide the checks of a scope into those that can be run in a context and those that cannot."""
    chosen = [c for c in CHECKS if c.scope in _SCOPES[scope]]
    lacking = [(c.id, tuple(f for f in c.needs if not context.knows(f))) for c in chosen]
    return Applicability(
        applied=tuple(name for name, missing in lacking if not missing),
        skipped=tuple((name, missing) for name, missing in lacking if missing),
    )


def run_checks(
    protocol: Protocol, context: CheckContext | None = None, *, scope: Scope = "protocol"
) -> tuple[CheckFinding, ...]:
    """Run the checks on a protocol and return their findings.

    Findings are ordered by severity, then in the registry's order, then by place: the same protocol always
    gives the same findings. `scope` is how much of the protocol there is yet: `headings` only, the steps
    of one `part`, or the whole `protocol`; checks that need to see more are left out.
    """
    known = context or CheckContext()
    view = prepare(protocol, known)
    chosen = (c for c in CHECKS if c.scope in _SCOPES[scope] and all(known.knows(f) for f in c.needs))
    found = _once(f for check in chosen for f in _findings(check, view))
    return tuple(sorted(found, key=lambda f: SEVERITIES.index(f.severity)))


_SAME_THING = ("G-VAL-01", "G-QTY-01", "G-QTY-06")


def _once(findings: Iterable[CheckFinding]) -> list[CheckFinding]:
    """Return each finding once; the checks of values and of bench work name some impossible values alike."""
    kept: dict[object, CheckFinding] = {}
    for f in findings:
        alike = f.gate in _SAME_THING and (f.location, " ".join(f.message.split()[:2]))
        kept.setdefault(alike or f, f)
    return list(kept.values())


def _findings(check: Check, view: CheckedProtocol) -> tuple[CheckFinding, ...]:
    return tuple(
        CheckFinding(
            gate=check.id,
            severity=hit.severity or check.severity,
            location=one_line(hit.location, 60),
            message=one_line(hit.message, 400),
            suggestion=one_line(hit.suggestion, 300),
        )
        for hit in check.find(view)
    )
