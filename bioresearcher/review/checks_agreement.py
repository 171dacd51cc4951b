"""Checks of consistency: contradictory settings and statements, circular data flow, data sets found unfit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, StepView, quote_match
from bioresearcher.text.format import listing
from bioresearcher.text.visible import one_line

_GLOBAL = re.compile(
    r"(?:fdr|false discovery rate|q-?value|alpha|significance (?:level|threshold)|p-?value (?:threshold|cut-?off)"
    r"|(?:random )?seed|(?:genome )?(?:build|reference|assembly)|annotation|organism|species|time_column|event_column"
    r"|group_column|smallest fold change|log2 fold change (?:threshold|cut-?off))",
    re.I,
)
"""Parameters with one value for the whole protocol; others, such as a temperature, belong to their step."""
_LEVELS = re.compile(r"\W*(?:[<≤=]\s*)?(\d+(?:\.\d+)?(?:\s*e-?\d+)?)\s*(%)?")


def _same(name: str) -> str:
    low = re.sub(r"[\s_-]+", " ", name.strip().lower())
    return {"q value": "fdr", "qvalue": "fdr", "false discovery rate": "fdr", "random seed": "seed"}.get(low, low)


def _value(text: str) -> str:
    """Normalise a value so that `0.05`, `0.050` and `5 %` are equal; words are only lower-cased."""
    number = _LEVELS.match(text)
    if number is None:
        return " ".join(text.lower().split())
    try:
        value = float(number.group(1).replace(" ", ""))
    except ValueError:
        return text.strip().lower()
    return f"{value / 100 if number.group(2) else value:g}"


def parameters(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Settings of the whole protocol that two steps give different values."""
    stated: dict[str, dict[str, StepView]] = defaultdict(dict)
    for s in view.steps:
        for p in s.step.parameters:
            name = _same(p.name)
            if _GLOBAL.fullmatch(name) and p.value.strip() and not _both_ways(s, view, p.name):
                stated[name].setdefault(_value(p.value), s)
    for name, values in stated.items():
        if len(values) > 1:
            (first, a), (second, b) = list(values.items())[:2]
            message = f"{one_line(name, 40)} is {one_line(second, 40)} here and {one_line(first, 40)} in {a.location}"
            yield CheckHit(b.location, message, "Settle on one value, or say why they differ.")


def _both_ways(s: StepView, view: CheckedProtocol, name: str) -> bool:
    """Return True if the parameter is a column that several data sets may name differently."""
    return name.lower().endswith("_column") and len({d for x in view.steps for d in x.step.datasets}) > 1


_BUILDS = {
    "GRCh37": re.compile(r"\b(?:GRCh37|hg19)\b", re.I),
    "GRCh38": re.compile(r"\b(?:GRCh38|hg38)\b", re.I),
    "GRCm38": re.compile(r"\b(?:GRCm38|mm10)\b", re.I),
    "GRCm39": re.compile(r"\b(?:GRCm39|mm39)\b", re.I),
}
_LIFTED = re.compile(r"lift-?over|CrossMap|convert\w* (?:\w+ ){0,3}(?:coordinates|build)|both builds", re.I)
_FDR = re.compile(
    r"\b(?:FDR|false discovery rate|q-?value|adjusted p(?:-value)?)s?\s*(?:<|≤|=|of|below|at)\s*(\d*\.?\d+)\s*(%)?",
    re.I,
)
_SIZE = re.compile(
    r"\b(\d{1,6})\s+(?:\w+\s+)?(patients|controls|participants|cases|mice|animals|donors|cell lines|volunteers)\b"
    r"(?!\s+(?:per|in each|each|of each|from each|for each|for (?:validation|training|testing)))",
    re.I,
)
_TOTAL = re.compile(r"\b(?:there are|the|all|a total of|in total|of the)\s+$", re.I)


def statements(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Genome builds, false discovery rates and numbers of people that differ between steps."""
    yield from _builds(view)
    yield from _rates(view)
    yield from _sizes(view)


def _builds(view: CheckedProtocol) -> Iterator[CheckHit]:
    if _LIFTED.search(view.text):
        return
    found = {name: s for name, cue in _BUILDS.items() for s in reversed(view.steps) if cue.search(s.body)}
    for a, b in (("GRCh37", "GRCh38"), ("GRCm38", "GRCm39")):
        if a in found and b in found:
            later = max(found[a], found[b], key=lambda s: s.index)
            other = min(found[a], found[b], key=lambda s: s.index)
            message = f"uses another genome build than {other.location}: {a} and {b}"
            yield CheckHit(later.location, message, "Use one build, or lift the coordinates over.")


def _rates(view: CheckedProtocol) -> Iterator[CheckHit]:
    first: tuple[float, StepView] | None = None
    for s in view.steps:
        levels = [(float(m.group(1)) / (100 if m.group(2) else 1), m) for m in _FDR.finditer(s.body)]
        called = [(v, m) for v, m in levels if 0.02 <= v <= 1]  # 0.01 and less is how spectra and variants are called
        for value, m in called[:1]:
            if first is not None and abs(first[0] - value) > 1e-9 and not _set_enrichment(s):
                message = f"calls hits at another false discovery rate than {first[1].location} ({first[0]:g}): "
                yield CheckHit(s.location, message + quote_match(m), "Use one rate, or say why they differ.")
                return
            first = first or (value, s)


def _set_enrichment(s: StepView) -> bool:
    """Gene sets are by convention called at 0.25 where genes are at 0.05 (Subramanian et al. 2005)."""
    return bool(re.search(r"\bGSEA\b|gene[- ]set|pathway|enrichment", s.head, re.I))


def _sizes(view: CheckedProtocol) -> Iterator[CheckHit]:
    stated: dict[str, dict[int, StepView]] = defaultdict(dict)
    for s in view.steps:
        for m in _SIZE.finditer(s.body):
            if _TOTAL.search(s.body[max(0, m.start() - 14) : m.start()]):
                stated[m.group(2).lower()].setdefault(int(m.group(1)), s)
    for noun, numbers in stated.items():
        if len(numbers) > 1:
            (n, a), (k, b) = list(numbers.items())[:2]
            yield CheckHit(
                b.location, f"speaks of {k} {noun}, {a.location} of {n}", "Say how the one number becomes the other."
            )


def circle(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Steps that need each other's outputs in a circle."""
    needs: dict[str, set[str]] = {}
    for s in view.steps:
        sources = (re.fullmatch(r"step:([^/]+)/.+", i.source, re.S) for i in s.step.inputs)
        needs.setdefault(s.step.id, set()).update(m.group(1) for m in sources if m and m.group(1) in view.by_id)
    done: set[str] = set()
    for start in needs:
        path = _cycle(start, needs, done)
        if path:
            names = " → ".join(one_line(x, 20) for x in path)
            yield CheckHit(
                f"step {path[0]}", f"needs, through other steps, its own output: {names}", "Break the circle."
            )
            return


def _cycle(start: str, needs: dict[str, set[str]], done: set[str]) -> list[str]:
    """Find a path from `start` that contains a circle; steps without one are added to `done`."""
    path: list[str] = []
    waiting: list[tuple[str, Iterator[str]]] = [("", iter([start]))]
    while waiting:
        _, rest = waiting[-1]
        name = next(rest, None)
        if name is None:
            left, _ = waiting.pop()
            if path and left:
                done.add(path.pop())
        elif name in path:
            return [*path[path.index(name) :], name]
        elif name not in done:
            path.append(name)
            waiting.append((name, iter(sorted(needs.get(name, ())))))
    return []


def unfit_dataset(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Data sets used although the check of data sets in this run found them unfit."""
    checks = {c.dataset_id: c for c in view.context.checks or ()}
    used: dict[str, StepView] = {}
    for s in view.steps:
        names = [
            *s.step.datasets,
            *(i.source[8:].split("/")[0] for i in s.step.inputs if i.source.startswith("dataset:")),
        ]
        for name in names:
            used.setdefault(name, s)
    for name, s in used.items():
        check = checks.get(name)
        if check is None or check.verdict == "usable":
            continue
        reasons = listing(check.reasons, 2)
        if check.verdict == "unusable":
            yield CheckHit(
                s.location, f"uses {one_line(name, 40)}, which was found unusable: {reasons}", "Use another data set."
            )
        else:
            yield CheckHit(
                s.location, f"{one_line(name, 40)} needs work first: {reasons}", "Say how this is done.", "note"
            )


CHECKS: tuple[Check, ...] = (
    Check("G-CON-01", "settings are the same throughout", "warning", "logical_soundness", parameters, (), "protocol"),
    Check("G-CON-02", "statements do not contradict", "warning", "logical_soundness", statements, (), "protocol"),
    Check("G-FLO-10", "no step needs its own output", "error", "logical_soundness", circle, (), "protocol"),
    Check("G-DAT-12", "data sets were found fit", "error", "correctness", unfit_dataset, ("checks",)),
)
