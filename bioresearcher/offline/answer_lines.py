"""Rule that answers a question in two to five sentences made of its structured findings.

Each kind of question has its sentences: the result with its interval and n, the same under other choices, other data,
and what stays open. Statements of findings are taken over where they are sentences already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bioresearcher.analysis.group_words import group_words
from bioresearcher.schemas.answer import SentenceRole
from bioresearcher.schemas.ask_answer import (
    AnsweredQuestion,
    AnswerQuestionsInput,
    CitedFinding,
    LineDraft,
    WrittenAnswer,
)
from bioresearcher.schemas.execution import Result
from bioresearcher.text.format import number

ALPHA: Final = 0.05
MOST: Final = 5
"""Sentences of an answer."""
_CHARS: Final = 420
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")
_OPEN: Final = re.compile(
    r"doubtful|fragile|does not state|do not state|not stated|too few|missing values|no independent evidence|unsteady",
    re.IGNORECASE,
)
_LEVEL: Final = re.compile(r"(?P<with>\bwith )?\b(?P<column>[a-z]\w*_(?:positive|status)) = (?P<level>\w+)")
_WHERE: Final = re.compile(r"^In (?P<data>[\w.-]+),?\s+", re.IGNORECASE)


def answer_question(values: AnswerQuestionsInput) -> WrittenAnswer:
    """Answer a question by sentences over its findings, most telling first; empty when there is no finding."""
    if not values.findings:
        return WrittenAnswer()
    write = _BY_KIND.get(values.question.kind, _statements)
    lines = [line for line in write(values) if line.text and len(line.text) <= _CHARS]
    lines += [] if any(line.role == "open" for line in lines) else list(_open_points(values))
    kept: dict[str, LineDraft] = {}
    for line in lines:
        kept.setdefault(line.text, line)
    rows = list(kept.values())
    opened = [line for line in rows if line.role == "open"][:1]
    others = [line for line in rows if line.role != "open"][: MOST - len(opened)]
    return WrittenAnswer(sentences=tuple(others + opened))


@dataclass(frozen=True)
class _Estimate:
    """An estimate of a finding as its statement rounds it."""

    finding: CitedFinding
    value: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    events: int | None

    @classmethod
    def of(cls, finding: CitedFinding) -> _Estimate | None:
        """Read the estimate of a finding; None when it has none."""
        r, v = finding.result, finding.values
        if r is None or r.estimate is None:
            return None
        value, low, high, p = (_known(v, *names) for names in _NAMES[r.effect or "estimate"])
        n, events = _known(v, "n"), _known(v, "events")
        return cls(
            finding,
            value if value is not None else float(f"{r.estimate:.3g}"),
            low if low is not None else _rounded(r.low),
            high if high is not None else _rounded(r.high),
            p if p is not None else (None if r.p is None else float(f"{r.p:.2g}")),
            int(n) if n is not None else r.n,
            int(events) if events is not None else r.events,
        )

    @property
    def shown(self) -> str:
        """E.g. `HR per SD 1.87 (95 % CI 1.16 to 3.00, p = 0.01; n = 76, 25 events)`."""
        result = self.finding.result
        effect = result.effect if result else ""
        label = _LABELS.get(effect, effect or "estimate")
        per = re.search(rf"{re.escape(label)} (per \w+)", self.finding.statement)
        parts = (
            [f"95 % CI {_two(self.low)} to {_two(self.high)}"] if self.low is not None and self.high is not None else []
        )
        parts += [f"p = {self.p:.2g}"] if self.p is not None else []
        sizes = [f"n = {self.n:,}"] + ([f"{self.events:,} events"] if self.events is not None else [])
        name = f"{label} {per[1]}" if per else label
        inside = "; ".join(", ".join(p) for p in (parts, sizes) if p)
        return f"{name} {_two(self.value)} ({inside})"

    @property
    def clear(self) -> bool:
        """True if the estimate differs from none at the usual level."""
        return self.p is not None and self.p < ALPHA

    @property
    def higher(self) -> bool:
        """True if the estimate says more with the measure or in the case."""
        result = self.finding.result
        return self.value > (1 if result and result.effect in ("hazard ratio", "odds ratio") else 0)


_LABELS: Final[Mapping[str, str]] = {
    "hazard ratio": "HR",
    "odds ratio": "odds ratio",
    "difference of means": "mean difference",
    "difference of proportions": "difference of proportions",
    "location shift": "shift",
    "log2 fold change": "log2 fold change",
    "correlation": "correlation",
    "regression coefficient": "coefficient",
    "area under the curve": "AUC",
}
_HR: Final = (("hr",), ("hr_low",), ("hr_high",), ("p",))
_NAMES: Final[Mapping[str, Sequence[tuple[str, ...]]]] = {
    "hazard ratio": _HR,
    **{
        name: ((), (), (), ())
        for name in (*_LABELS, "estimate", "restricted mean survival time", "enrichment score")
        if name != "hazard ratio"
    },
}


def _known(values: Mapping[str, object], *names: str) -> float | None:
    found = next((values[n] for n in names if n in values), None)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _two(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if 0.1 <= abs(value) < 100 else number(value)


def _line(text: str, *findings: CitedFinding, role: SentenceRole = "result") -> LineDraft:
    return LineDraft(text=text[:1].upper() + text[1:], findings=tuple(dict.fromkeys(f.id for f in findings)), role=role)


def _data(name: str) -> str:
    """Return what a reader calls a data set: a prepared copy is called as its source."""
    return re.sub(r"-(?:prepared|A\d+)$", "", name)


def _case(q: AnsweredQuestion) -> str:
    return group_words(q.column, q.case)


def _control(q: AnsweredQuestion) -> str:
    return group_words(q.column, q.control)


# time to event, associations, single differences ------------------------------------------------------


def _effects(values: AnswerQuestionsInput) -> Iterator[LineDraft]:
    """Sentences on estimates: the one that was asked for, then other models, other data, and what contradicts it."""
    estimates = [e for e in map(_Estimate.of, values.findings) if e]
    if not estimates:
        yield from _statements(values)
        return
    main = estimates[0]
    yield _line(_effect_sentence(main, values.question), main.finding)
    said_replicated = [f for f in values.findings if isinstance(f.values.get("replicated"), bool)]
    for other in _nearest(main, estimates[1:]):
        yield from _beside(main, other, values.question)
    for finding in said_replicated:
        yield _line(_first_sentence(finding.statement, values.question), finding, role="replication")
    yield from _open_points(values)


def _measured(result: Result) -> str:
    name = result.measure
    return f"{name} score" if re.search(r"_|SIGNATURE|HALLMARK", name) else name or "measure"


def _terms(result: Result, q: AnsweredQuestion) -> str:
    """Return the terms of a model in words, by the labels of their columns where these are short."""
    named = [q.labels.get(t, t.replace("_", " ")) for t in result.terms]
    return f"with {_listed(named)} in the model" if named else ""


def _effect_sentence(one: _Estimate, q: AnsweredQuestion) -> str:
    r = one.finding.result
    if r is None:
        return ""
    where = f"in {_data(r.population)}" if r.population else ""
    what, outcome = r.measure or "the measure", q.column or "the outcome"
    terms = f", {_terms(r, q)}" if r.terms else ""
    if r.kind == "time to event" and r.contrast is not None and r.contrast.case and what == r.contrast.column:
        case, control = (group_words(r.contrast.column, x or "") for x in (r.contrast.case, r.contrast.control))
        said = (
            f"the hazard is {'higher' if one.higher else 'lower'} in {case} than in {control} samples"
            if one.clear
            else f"no difference in hazard was detected between {case} and {control} samples"
        )
    elif r.kind == "time to event":
        if one.clear:
            said = f"a higher {_measured(r)} goes with a {'higher' if one.higher else 'lower'} hazard"
        else:
            said = f"the {_measured(r)} shows no clear association with the hazard"
    elif r.contrast is not None and r.contrast.case:
        case, control = (
            group_words(r.contrast.column, r.contrast.case),
            group_words(r.contrast.column, r.contrast.control or ""),
        )
        said = (
            f"{what} is {'higher' if one.higher else 'lower'} in {case} than in {control} samples"
            if one.clear
            else f"no difference in {what} was detected between {case} and {control} samples"
        )
    else:
        said = (
            f"{what} is {'positively' if one.higher else 'negatively'} associated with {outcome}"
            if one.clear
            else f"{what} shows no clear association with {outcome}"
        )
    return f"{said} {where}{terms}: {one.shown}.".replace("  ", " ").replace(" ,", ",").replace(" :", ":")


def _beside(main: _Estimate, other: _Estimate, q: AnsweredQuestion) -> Iterator[LineDraft]:
    """Sentence on an estimate beside the main one: other terms, the data as given, or other data."""
    a, b = main.finding.result, other.finding.result
    if a is None or b is None:
        return
    same = main.clear == other.clear and main.higher == other.higher
    both = main.clear and other.clear
    changed = not same and not both
    if same:
        verdict = "the same direction" if both else "no clear association either"
    elif both:
        verdict = "the opposite direction, so the two contradict each other"
    else:
        verdict = "an association" if other.clear else "no clear association"
    cited = (main.finding, other.finding)
    if _data(a.population) != _data(b.population):
        yield _line(f"in {_data(b.population)} it is {other.shown}: {verdict}.", *cited, role="replication")
    elif a.population != b.population:
        on = ", so the answer depends on how the data were prepared" if changed else ""
        with_terms = f", {_terms(b, q)}," if b.terms else ""
        yield _line(f"in the data as given{with_terms} it is {other.shown}: {verdict}{on}.", *cited, role="robustness")
    else:
        fewer = set(b.terms) < set(a.terms)
        terms = _terms(b, q) or "without other terms in the model"
        terms = f"{terms.removesuffix(' in the model')} alone in the model" if b.terms and fewer else terms
        on = ", so the answer depends on the model" if changed else ""
        yield _line(f"{terms} it is {other.shown}: {verdict}{on}.", *cited, role="robustness")


def _nearest(main: _Estimate, others: Sequence[_Estimate]) -> list[_Estimate]:
    """Leave of several estimates on the data as given the one whose model is nearest to the main one."""
    a = main.finding.result
    if a is None:
        return list(others)
    given = [
        e
        for e in others
        if (r := e.finding.result) and r.population != a.population and _data(r.population) == _data(a.population)
    ]
    best = max(
        given, key=lambda e: len({*(e.finding.result.terms if e.finding.result else ())} & {*a.terms}), default=None
    )
    return [e for e in others if e not in given or e is best]


# differences of many features -------------------------------------------------------------------------


def _differences(values: AnswerQuestionsInput) -> Iterator[LineDraft]:
    q = values.question
    main = next((f for f in values.findings if f.result and f.result.tested), None)
    if main is None or main.result is None:
        yield from _effects(values)
        return
    r = main.result
    rows = re.search(r"tested (genes|features|probes|proteins|transcripts|pairs of gene and cell type)", main.statement)
    what = rows[1] if rows else "features"
    sizes = [
        f"{w} (n = {r.groups[level]:,})" if level in r.groups else w
        for level, w in ((q.case, _case(q)), (q.control, _control(q)))
    ]
    level = f" at FDR < {r.fdr:g}" if r.fdr else ""
    if r.called:
        split = (
            f": {r.higher:,} are higher and {r.lower:,} lower in {_case(q)}"
            if r.higher is not None and r.lower is not None
            else ""
        )
        yield _line(
            f"{r.called:,} of {r.tested:,} {what} differ between {sizes[0]} and {sizes[1]} samples{level}{split}.", main
        )
    else:
        yield _line(
            f"none of {r.tested:,} {what} differs detectably between {sizes[0]} and {sizes[1]} samples{level}.", main
        )
    for f in values.findings:
        genes, shifts, ps = (f.values.get(k) for k in ("genes", "differences", "p_values"))
        if isinstance(genes, list) and isinstance(shifts, list) and isinstance(ps, list) and r.called:
            first = [
                f"{g} (mean difference {s}, p = {p:g})" for g, s, p in list(zip(genes, shifts, ps, strict=False))[:3]
            ]
            ups = {s > 0 for s in shifts[:3] if isinstance(s, (int, float))}
            way = (
                f", all {'higher' if ups == {True} else 'lower'} in {_case(q)}"
                if len(ups) == 1 and len(first) > 1
                else ""
            )
            yield _line(f"the smallest p-values are those of {_listed(first)}{way}.", f)
        if "called_by_type" in f.values or "not_tested" in f.values:  # which cell types, and which were not tested
            yield _line(f.statement.removeprefix(f"In {f.values.get('dataset')}, "), f)
    yield from _open_points(values)


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


# gene sets --------------------------------------------------------------------------------------------


def _enrichment(values: AnswerQuestionsInput) -> Iterator[LineDraft]:
    q = values.question
    ranked, counted = [], []
    for f in values.findings:
        sets = f.values.get("sets")
        if isinstance(sets, list) and f.values.get("direction") in ("up", "down"):
            counted.append(f)
        elif f.values.get("gene_set_0"):
            ranked.append(f)
    for f in counted:
        names = [str(s) for s in f.values["sets"]] if isinstance(f.values["sets"], list) else []
        way = "higher" if f.values["direction"] == "up" else "lower"
        total, found, genes = (_known(f.values, k) for k in ("sets_tested", "significant_sets", "called_genes"))
        if total is None or found is None or genes is None:
            continue
        begin = f"among the {genes:,.0f} genes {way} in {_case(q)} samples, "
        level = _known(f.values, "fdr_threshold")
        at = f" at FDR < {level:g}" if level else ""
        if found:
            first = f": {_listed(names[:3])}" if len(names) >= found else f", first {_listed(names[:3])}"
            yield _line(f"{begin}{found:.0f} of {total:.0f} gene sets are over-represented{at}{first}.", f)
        else:
            yield _line(f"{begin}none of {total:.0f} gene sets is over-represented{at}.", f)
    for f in ranked:
        name, nes, fdr = f.values["gene_set_0"], _known(f.values, "nes_0"), _known(f.values, "fdr_0")
        label = str(f.values.get("label", ""))
        group = (
            _case(q) if label.endswith(f"= {q.case}") else _control(q) if label.endswith(f"= {q.control}") else label
        )
        passing = _known(f.values, "sets_passing")
        if nes is None or passing is None:
            continue
        bound = "at most" if re.search(r"FDR at most", f.statement) else "="
        fdr_said = f", FDR {bound} {fdr:g}" if fdr is not None else ""
        yield _line(
            f"ranking all genes, {passing:.0f} sets are enriched towards {group}, strongest {name} "
            f"(NES {nes}{fdr_said}).",
            f,
            role="robustness",
        )
    if not counted and not ranked:
        yield from _statements(values)


# statements -------------------------------------------------------------------------------------------


def _statements(values: AnswerQuestionsInput) -> Iterator[LineDraft]:
    """Sentences that findings state themselves, one of each."""
    for f in values.findings[: MOST - 1]:
        yield _line(_first_sentence(f.statement, values.question), f)


def _first_sentence(statement: str, q: AnsweredQuestion) -> str:
    return _reworded(_SENTENCE.split(statement.strip())[0], q)


def _reworded(sentence: str, q: AnsweredQuestion) -> str:
    """Return a finding's sentence in a reader's words: groups by their names, data sets by their source's."""
    where = _WHERE.match(sentence)
    if where:
        sentence = sentence[where.end() :]
    sentence = _LEVEL.sub(_level_words, sentence)
    for level in (q.case, q.control):
        if q.column and level and "=" not in group_words(q.column, level):
            sentence = sentence.replace(f"with {q.column} = {level}", f"in {group_words(q.column, level)} samples")
            sentence = sentence.replace(f"{q.column} = {level}", group_words(q.column, level))
    sentence = re.sub(r"\b([\w.]+)-prepared\b", r"\1", sentence)
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _level_words(found: re.Match[str]) -> str:
    said = group_words(found["column"], found["level"])
    if "=" in said:
        return found[0]
    return f"in {said} samples" if found["with"] else said


def _open_points(values: AnswerQuestionsInput) -> Iterable[LineDraft]:
    """Sentences of findings that tell what a result does not settle."""
    for f in values.findings:
        for sentence in _SENTENCE.split(f.statement):
            if _OPEN.search(sentence) and not re.search(r"\bhas HR|\(n = \d+\): ", sentence):
                said = re.sub(r",? as the table says", "", _reworded(sentence, values.question))
                said = re.sub(r"^It has", "The model has", said)
                yield _line(said, f, role="open")


_BY_KIND: Final[Mapping[str, Callable[[AnswerQuestionsInput], Iterator[LineDraft]]]] = {
    "time to event": _effects,
    "association": _effects,
    "difference": _differences,
    "enrichment": _enrichment,
}
