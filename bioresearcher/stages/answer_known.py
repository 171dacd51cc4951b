"""Everything that cited findings state, read once: their numbers in bundles, their words, and their groups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from bioresearcher.analysis.group_words import group_pattern
from bioresearcher.schemas.ask_answer import AnsweredQuestion, CitedFinding
from bioresearcher.schemas.execution import Result
from bioresearcher.stages.answer_numbers import COUNTS, NAMED, STATISTICS, Amount, Bundle, bundles


@dataclass(frozen=True)
class Known:
    """Everything that the cited findings state, read once."""

    question: AnsweredQuestion
    findings: tuple[CitedFinding, ...]
    case: re.Pattern[str]
    control: re.Pattern[str]
    bundles: tuple[Bundle, ...]
    amounts: tuple[Amount, ...]
    text: str

    @classmethod
    def of(cls, question: AnsweredQuestion, findings: Sequence[CitedFinding]) -> Known:
        """Read the statements, values and results of findings."""
        case = group_pattern(question.column, question.case, question.control)
        control = group_pattern(question.column, question.control, question.case)
        rows: list[Bundle] = []
        for finding in findings:
            rows += bundles(finding.statement, case, control)
            if finding.result:
                rows.append(_of_result(finding, question))
        values = [a for f in findings for a in _of_values(f.values)]
        names = [f"{k} {v}" for f in findings for k, v in f.values.items()]
        said = " ".join([*(f.statement for f in findings), *names, *(_result_words(f.result) for f in findings)])
        return cls(
            question,
            tuple(findings),
            case,
            control,
            tuple(rows),
            tuple([a for b in rows for a in b.amounts] + values),
            said,
        )

    @property
    def ratios(self) -> list[Amount]:
        """Estimates that say how many times one group is the other."""
        told = [f.result for f in self.findings if f.result and f.result.effect == "fold change"]
        return [Amount(f"{r.estimate:g}", r.estimate) for r in told if r.estimate is not None]


def plain(text: str) -> str:
    """Return a name without case, signs and spaces, for comparison."""
    return re.sub(r"[\W_]+", "", text).casefold()


def comparable(said: Amount, known: Amount) -> bool:
    """True if two numbers play the same part: of one role, unit, direction and group, as far as these are said."""
    if known.sign and not said.sign:
        return False
    if said.role in STATISTICS or said.role in COUNTS:
        alike = {said.role} | ({"coef", "lfc", "diff"} if said.role in ("coef", "lfc", "diff") else set())
        if known.role not in alike and not (said.role in ("genes", "sets", "pairs") and known.role in ("", "value")):
            return False
    elif known.role in STATISTICS and known.role not in NAMED:
        return False
    if (said.unit == "%") != (known.unit == "%"):
        return False
    if said.higher is not None and known.higher is not None and said.higher != known.higher:
        return False
    return not (said.group and known.group and said.group != known.group)


def _of_result(finding: CitedFinding, question: AnsweredQuestion) -> Bundle:
    r = finding.result
    made = Bundle(finding.statement)
    if r is None:
        return made
    role = {
        "hazard ratio": "hr",
        "odds ratio": "or",
        "correlation": "corr",
        "difference of means": "diff",
        "difference of proportions": "diff",
        "location shift": "diff",
        "log2 fold change": "lfc",
        "regression coefficient": "coef",
        "area under the curve": "index",
        "enrichment score": "nes",
        "EC50": "ec50",
        "calibration slope": "coef",
    }.get(r.effect, "")
    rows: list[tuple[float | None, str, bool | None, str]] = [
        (r.estimate, role, None, ""),
        (r.low, "low", None, ""),
        (r.high, "high", None, ""),
        (r.p, "p", None, ""),
        (None if r.tested else r.fdr, "fdr", None, ""),
        (float(r.n), "n", None, ""),
        (_float(r.events), "events", None, ""),
        (_float(r.pairs), "pairs", None, ""),
        (_float(r.tested), "", None, ""),
        (_float(r.called), "", None, ""),
        (_float(r.higher), "", True, ""),
        (_float(r.lower), "", False, ""),
    ]
    for level, n in r.groups.items():
        rows.append(
            (float(n), "n", None, "case" if level == question.case else "control" if level == question.control else "")
        )
    rows += [(float(n), "events", None, "") for n in r.group_events.values()]
    made.amounts += [
        Amount(f"{value:g}", value, kind, higher=higher, group=group)
        for value, kind, higher, group in rows
        if value is not None
    ]
    return made


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)


_KEYS: Final[tuple[tuple[str, str], ...]] = (
    (r"(?:^|_)low(?:_|$)", "low"),
    (r"(?:^|_)high(?:_|$)", "high"),
    (r"(?:^|_)p(?:_values?)?(?:_|$)", "p"),
    (r"^(?:fdr|q)(?:_\d+)?$", "fdr"),
    (r"(?:^|_)hr(?:_|$)", "hr"),
    (r"^nes_", "nes"),
    (r"^differences?$", "diff"),
    (r"c_index|^auc$", "index"),
    (r"(?:^|_)[ei][cd]50", "ec50"),
    (r"^(?:odds_ratio|or)(?:_|$)", "or"),
    (r"^rho(?:_\d+)?$", "corr"),
    (r"^sensitivity", "sensitivity"),
    (r"^specificity", "specificity"),
    (r"^ppv", "ppv"),
    (r"^npv", "npv"),
    (r"^i2", "i2"),
    (r"^n_|^n$|samples|sizes", "n"),
    (r"events", "events"),
)


def _of_values(values: Mapping[str, JsonValue]) -> Iterable[Amount]:
    for key, value in values.items():
        if re.search(r"limit|threshold|alpha|confidence|no_effect|reporting", key):
            continue
        role = next((role for pattern, role in _KEYS if re.search(pattern, key)), "value")
        unit = "%" if "percent" in key else ""
        role = "" if unit else role
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, (int, float)) and not isinstance(one, bool):
                yield Amount(f"{one:g}", float(one), role, unit, round=0.5 if float(one).is_integer() else 0.0)


def _result_words(result: Result | None) -> str:
    if result is None:
        return ""
    return " ".join([result.population, result.measure, result.effect, result.test, *result.terms, result.endpoint])
