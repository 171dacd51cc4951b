"""Record of each check on real text from elsewhere: how often it was right, and how severe its findings may be there.

The numbers are in `record.toml`; `benchmarks/bench_review.py --record` measures them anew.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from bioresearcher.schemas.review import CheckFinding, Severity

ERROR_FROM: Final = 0.95
"""Lowest precision of a check whose findings may be errors."""
WARNING_FROM: Final = 0.60
"""Lowest precision of a check whose findings may be warnings; below it a check is not applied to foreign documents."""
FEWEST: Final = 20
"""Fewest findings from which a precision is a measurement; a check with fewer gives notes."""


@dataclass(frozen=True)
class Record:
    """Findings of a check in real documents and in copies of them in which one value was corrupted.

    Attributes:
        right: Findings at the corrupted place, or of a mistake the authors made themselves.
        wrong: Findings in documents as they are, where nothing is wrong.
        clean: Documents as they are.
        corrupted: Copies with one corrupted value.
        on: The collection.
    """

    right: int
    wrong: int
    clean: int
    corrupted: int
    on: str

    @property
    def findings(self) -> int:
        """Number of findings that were judged."""
        return self.right + self.wrong

    @property
    def precision(self) -> float | None:
        """Share of right findings where every second document holds one mistake; None without findings."""
        false = self.wrong * self.corrupted / self.clean if self.clean else self.wrong
        return self.right / (self.right + false) if self.findings else None

    @property
    def most_severe(self) -> Severity | None:
        """Most severe that a finding may be in a foreign document; None: the check is not applied to one."""
        precision = self.precision
        if precision is not None and precision < WARNING_FROM:
            return None
        if precision is None or self.findings < FEWEST:
            return "note"
        return "error" if precision >= ERROR_FROM else "warning"

    def __str__(self) -> str:
        """Say the record in a line, such as `99.2 % of 310 findings (protocols of protocols.io)`."""
        if self.precision is None:
            return f"no finding yet in {self.clean} documents ({self.on})"
        return f"{self.precision:.1%} of {self.findings} findings ({self.on})"


@cache
def records() -> Mapping[str, Record]:
    """Return the record of each check that was measured, by the check's id."""
    path = Path(__file__).with_name("record.toml")
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Record(**values) for name, values in read.items()}


def most_severe_in_foreign(check: str) -> Severity | None:
    """Most severe that a check's finding may be in a foreign document; None for a check without a record."""
    record = records().get(check)
    return record.most_severe if record else None


_ORDER: Final[tuple[Severity, ...]] = ("error", "warning", "note")


def bounded(findings: Iterable[CheckFinding]) -> tuple[CheckFinding, ...]:
    """Return the findings that count in a foreign document, none more severe than its check's record allows."""
    kept = []
    for f in findings:
        most = most_severe_in_foreign(f.gate)
        if most is not None:
            severity = _ORDER[max(_ORDER.index(f.severity), _ORDER.index(most))]
            kept.append(f if severity == f.severity else f.model_copy(update={"severity": severity}))
    return tuple(sorted(kept, key=lambda f: _ORDER.index(f.severity)))
