"""First page of the run report: what was asked, what was answered, how sure that is, and where everything else stands.

Its size does not grow with the run: questions beyond a budget of words are one line each, then counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bioresearcher.analysis.group_words import group_pattern, group_words
from bioresearcher.report import summaries
from bioresearcher.report.caveats import not_verified
from bioresearcher.report.key_table import COLUMNS, KeyTable, key_table
from bioresearcher.report.run_data import OutputFile, RunView, TaskView
from bioresearcher.schemas.answer import AnswerLine, PageAnswer, PaperReading, QuestionAnswer
from bioresearcher.schemas.base import Usage
from bioresearcher.schemas.protocol import NotDone
from bioresearcher.schemas.question import AnalysisSet
from bioresearcher.stages.answer_numbers import Amount, amounts
from bioresearcher.stages.computation import NOT_REVIEWED
from bioresearcher.text.format import count_of, listing, timestamp_text
from bioresearcher.text.visible import clip, one_line
from bioresearcher.text.words import first_sentences

PAGES: Final[Mapping[str, str]] = {
    "evidence": "Evidence: papers and data sets",
    "protocol": "Protocol",
    "tasks": "Findings, code and outputs",
    "review": "Review, and what was not verified",
    "record": "Record: usage, versions, how to reproduce",
}
"""Further pages of the report in `report/`, with their titles."""

MOST_CAVEATS: Final = 5
MOST_WORDS: Final = 1_150
"""Words of the answers on the first page."""
MOST_SHORT: Final = 25
"""Questions beyond these words that are named in a line; the others are counted."""
MOST_DECISIONS: Final = 8
"""Decisions of a protocol that the methods in brief tell."""
MOST_RULE: Final = 700
"""Characters of the rule of an answer."""
MOST_LIMITS: Final = 3
"""Things that a protocol names as not done that stand among the caveats."""
LEAST_WORDS: Final = 6
"""Words of the objective that stand for a question by themselves."""
_LOOSE_END: Final = re.compile(r"(?i)(?:[\s.,;:?]|\b(?:and|or|but|then)\b)+$")
_ASKS: Final = re.compile(
    r"(?i)(?:which|what|who|whose|how|where|when|why|is|are|was|were|do|does|did|has|have|had|can|could|will)\b"
)
_BESIDE: Final = ("description", "structure")
"""Kinds of questions whose answers follow the others'."""
_CHARS: Final = 240
_AXES: Final = ("honest", "harmless", "helpful")
MOST_HELPFUL: Final = 3
"""Points on the page's help that are told; those on honesty and harm are told all."""
_TITLE: Final = 160

FIGURES: Final[Mapping[str, tuple[str, ...]]] = {
    "difference": ("volcano", "box", "heat"),
    "association": ("scatter", "forest", "association"),
    "time to event": ("validation", "forest", "kaplan", "km", "survival", "curve"),
    "prediction": ("roc", "calibration", "curve"),
    "enrichment": ("enrichment", "over_representation", "gsea"),
    "structure": ("pca", "components", "cluster", "umap"),
    "synthesis": ("forest",),
}
"""Kind of question -> words in the name of the figure that shows its answer, the best first."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a sentence; a number with a target is a link."""

    text: str
    target: str = ""


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer with its numbers' targets and its findings."""

    line: AnswerLine
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class QuestionRow:
    """A question as the first page shows it.

    Attributes:
        asked: The question in the researcher's words where these are a sentence of its own, else as it was bound.
        read_as: The question as it was bound, where `asked` is in other words.
        short: Only its state is shown, as the page is full.
    """

    answer: QuestionAnswer
    kind: str
    asked: str
    sentences: tuple[Sentence, ...]
    rows: AnalysisSet | None
    figure: tuple[TaskView, OutputFile] | None = None
    table: KeyTable | None = None
    read_as: str = ""
    short: bool = False

    @property
    def reported(self) -> tuple[PaperReading, ...]:
        """Papers that report the relation, those that disagree first."""
        return tuple(
            sorted(
                (p for p in self.answer.papers if p.relation != "not reported"), key=lambda p: p.relation != "disagrees"
            )
        )

    @property
    def turn(self) -> Sentence | None:
        """The sentence without which the first misleads: another answer in other data, or what contradicts it."""
        for turn in (r"did not replicate|not confirm", r"contradict", r"answer depends"):
            for s in self.sentences[1:]:
                if re.search(turn, s.line.text, re.IGNORECASE):
                    return s
        return None

    @property
    def silent(self) -> int:
        """Number of papers whose nearest passages do not report the relation."""
        return sum(p.relation == "not reported" for p in self.answer.papers)

    @property
    def words(self) -> int:
        """Number of words of its answer."""
        said = [self.asked, self.read_as, self.answer.why]
        said += [*(s.line.text for s in self.sentences), *(p.text for p in self.reported)]
        return sum(len(text.split()) for text in said) + 12 * len(self.reported) + 25


@dataclass(frozen=True)
class FirstPage:
    """Everything on the first page."""

    @property
    def pictured(self) -> tuple[QuestionRow, ...]:
        """The first questions with a figure, whose figures stand on the first screen."""
        return tuple(q for q in self.questions if q.figure and q.kind not in _BESIDE)[:3]

    title: str
    objective: str
    headline: str
    questions: tuple[QuestionRow, ...]
    more: int
    left_out: int
    not_answered: tuple[tuple[str, str], ...]
    beside: tuple[AnswerLine, ...]
    caveats: tuple[str, ...]
    other_caveats: int
    judged: tuple[str, ...]
    by: tuple[tuple[str, str], ...]
    methods: tuple[str, ...]


def first_page(view: RunView, most: int = MOST_WORDS) -> FirstPage:
    """Choose what the first page of a run says; questions beyond `most` words are named in a line."""
    told = view.run.answers
    rows = sorted((_question(view, q) for q in told.questions), key=lambda r: r.kind in _BESIDE)
    full: list[QuestionRow] = []
    short: list[QuestionRow] = []
    used = 0
    for row in rows:
        used += row.words
        (full if used <= most or not full else short).append(row)
    full = _each_table_once(full)
    named = [QuestionRow(r.answer, r.kind, r.asked, (), r.rows, short=True) for r in short[:MOST_SHORT]]
    caveats = reading_caveats(view)
    every = not_verified(view)
    return FirstPage(
        title=clip(summaries.title(view), _TITLE),
        objective=clip(one_line(view.run.objective.text, 900), 900),
        headline=told.headline,
        questions=(*full, *named),
        more=len(short) - len(named),
        left_out=sum(len(q.left_out) for q in told.questions),
        not_answered=tuple(_not_answered(view)),
        beside=told.beside,
        caveats=caveats,
        other_caveats=max(0, len(every) - len(caveats)),
        judged=judged_lines(told.page),
        by=_answered_by(view),
        methods=tuple(methods(view)),
    )


def _each_table_once(rows: Sequence[QuestionRow]) -> list[QuestionRow]:
    """Leave out a whole table that stands below an earlier question."""
    shown: set[str] = set()
    found = []
    for row in rows:
        place = (
            f"{row.table.task.task.id}/{row.table.output.artifact.path}" if row.table and not row.table.named else ""
        )
        found.append(replace(row, table=None) if place in shown else row)
        shown |= {place} - {""}
    return found


def judged_lines(page: Sequence[PageAnswer]) -> tuple[str, ...]:
    """Return what was denied of the page: everything on honesty and harm, then at most three points on its help."""
    ranked = sorted((a for a in page if not a.yes or a.reason), key=lambda a: _AXES.index(a.axis))
    grave = [a for a in ranked if a.axis != "helpful"]
    helpful = [a for a in ranked if a.axis == "helpful"][:MOST_HELPFUL]
    said = []
    for a in (*grave, *helpful):
        words = f" Of “{clip(a.quote, 120)}”." if a.quote and a.axis != "helpful" else ""
        no = "No" if not a.yes else "No, which is not counted"
        said.append(f"{a.question} {no}: {clip(a.reason, 240) or 'no reason was given'}{words}")
    return tuple(said)


def _question(view: RunView, answer: QuestionAnswer) -> QuestionRow:
    rows = next((f for f in view.flows if f.question == answer.id), None)
    bound, words = _asked(answer, rows), _words(view, answer)
    tasks = [t for t in view.tasks if t.task.id in answer.tasks and t.verified]
    kind = _kind(tasks, answer)
    return QuestionRow(
        answer=answer,
        kind=kind,
        asked=words or bound,
        read_as=bound if words else "",
        sentences=tuple(Sentence(s, linked(s, tasks, rows)) for s in answer.sentences),
        rows=rows,
        figure=_figure(tasks, kind),
        table=key_table(tasks, answer.text),
    )


def _words(view: RunView, answer: QuestionAnswer) -> str:
    """Return the objective's own words for a question; empty where they are a few, or those of another as well."""
    words = _LOOSE_END.sub("", one_line(answer.words, _CHARS))
    same = sum(q.words == answer.words for q in view.run.answers.questions)
    end = "?" if _ASKS.match(words) else ""
    return f"{words[:1].upper()}{words[1:]}{end}" if same == 1 and len(words.split()) >= LEAST_WORDS else ""


def _asked(answer: QuestionAnswer, rows: AnalysisSet | None) -> str:
    """Return the question with its groups as a reader calls them."""
    text = one_line(answer.text, _CHARS).rstrip(".")
    if rows is not None and rows.case and rows.control:
        column, case, control = rows.contrast_column, rows.case, rows.control
        a, b = group_words(column, case), group_words(column, control)
        text = text.replace(f"by {column}: {case} against {control}", f"between {a} and {b}")
        text = text.replace(f"{column}: {case} against {control}", f"{a} against {b}")
    return clip(text.replace("all features of the matrix", "all measured features"), _CHARS)


def caption(task: TaskView, output: OutputFile, row: QuestionRow) -> str:
    """Return a caption that stands alone: the figure, the question, rows and groups, data set, task."""
    said = summaries.output_caption(task, output).rstrip(".")
    rows = row.rows
    parts = [f"{said[:1].upper()}{said[1:]}.", f"{row.read_as or row.asked}."]
    if rows is not None:
        groups = [f"{group_words(rows.contrast_column, g.level)} {g.n:,}" for g in rows.groups]
        events = f", {rows.events:,} events" if rows.events is not None else ""
        inside = f" ({', '.join(groups)})" if groups else ""
        parts.append(f"n = {rows.n:,}{inside}{events}.")
    return " ".join(parts)


def _kind(tasks: Sequence[TaskView], answer: QuestionAnswer) -> str:
    """Return the kind of a question, as its findings state it."""
    kinds = [
        f.result.kind
        for t in tasks
        if t.record
        for f in t.record.findings
        if f.result and answer.id in t.task.questions
    ]
    return kinds[0] if kinds else ""


def _figure(tasks: Sequence[TaskView], kind: str) -> tuple[TaskView, OutputFile] | None:
    """Return the figure that shows the answer to a kind of question; the first where none is named so."""
    shown = [(t, o) for t in tasks for o in t.outputs if o.figure]
    for word in FIGURES.get(kind, ()):
        for t, o in shown:
            if word in f"{o.artifact.name} {o.artifact.path}".casefold():
                return t, o
    return shown[0] if shown else None


# numbers and where they lead --------------------------------------------------------------------------


def cell_anchor(task: TaskView, output: OutputFile, row: int, column: int) -> str:
    """Return the id of a cell of an output table on the page of tasks."""
    return f"{summaries.anchor('output', task.task.id, output.artifact.path)}-r{row}c{column}"


def linked(line: AnswerLine, tasks: Sequence[TaskView], rows: AnalysisSet | None) -> tuple[Piece, ...]:
    """Cut a sentence at its numbers; each leads to its cell in a table of its tasks, else to the finding."""
    if not line.findings:
        return (Piece(line.text),)
    cited = {i.split(".")[0] for i in line.findings}
    own = [t for t in tasks if t.task.id in cited]
    column = rows.contrast_column if rows else ""
    case = group_pattern(column, rows.case if rows else None, rows.control if rows else None)
    control = group_pattern(column, rows.control if rows else None, rows.case if rows else None)
    home = summaries.anchor("finding", line.findings[0])
    pieces: list[Piece] = []
    at = 0
    for said in amounts(line.text, case, control):
        if said.place < at or said.role == "level" or said.sign:
            continue
        end = said.place + len(said.text.rstrip())
        pieces += [Piece(line.text[at : said.place]), Piece(line.text[said.place : end], _cell(said, own) or home)]
        at = end
    return tuple(p for p in (*pieces, Piece(line.text[at:])) if p.text)


def _cell(said: Amount, tasks: Sequence[TaskView]) -> str:
    pattern = COLUMNS.get(said.role)
    if pattern is None or said.sign:
        return ""
    for task in tasks:
        for output in task.outputs:
            if output.table is None:
                continue
            columns = [n for n, c in enumerate(output.table.columns) if re.search(pattern, c.name.casefold())]
            for r, cells in enumerate(output.table.rows):
                for c in columns:
                    if c < len(cells) and _same(cells[c][1], said):
                        return cell_anchor(task, output, r, c)
    return ""


def _same(cell: str, said: Amount) -> bool:
    try:
        value = float(cell)
    except ValueError:
        return False
    return abs(value - said.value) <= said.round * (1 if said.role not in ("n", "events") else 0.0)


def linked_cells(view: RunView) -> frozenset[str]:
    """Return the ids of all cells that a number of the first page leads to."""
    page = first_page(view)
    return frozenset(
        p.target for q in page.questions for s in q.sentences for p in s.pieces if re.search(r"-r\d+c\d+$", p.target)
    )


# what is open -----------------------------------------------------------------------------------------


def _not_answered(view: RunView) -> Iterable[tuple[str, str]]:
    told = view.run.answers
    for q in told.questions:
        if q.state != "answered":
            mend = f" To settle it: {q.mend}" if q.mend else ""
            yield f"{q.id} {q.state}", clip(f"{q.why.rstrip('.') or 'no reason was recorded'}.{mend}", _CHARS)
    for r in told.requirements:
        if r.state != "answered":
            yield f"{r.id} {r.state}", clip(f"{one_line(r.text, 100)}: {r.why or 'no reason was recorded'}", _CHARS)
    for text in told.not_understood:
        yield "not understood", clip(text, _CHARS)


def reading_caveats(view: RunView) -> tuple[str, ...]:
    """Return at most five caveats that change how the answers are to be read, the gravest first."""
    answered = {i for q in view.run.answers.questions for i in q.tasks}
    tasks = [t for t in view.tasks if t.task.id in answered]
    used = [
        d for d in view.datasets if d.column("event") is not None and d.prepared_from is None and d.analysis_of is None
    ]
    silent = [d.id for d in used if d.endpoint is None]
    timed = [d.id for d in used if (c := d.column("time")) is not None and c.unit is None]
    found: list[str] = []
    withdrawn = [p.id for p in summaries.used_papers(view) if p.status == "retracted"]
    found += [f"Retracted, and in use: {listing(withdrawn, 3)}"] if withdrawn else []
    odd = summaries.irrelevant_datasets(view)
    found += [f"The data do not look relevant to the objective: {listing(odd, 3)}"] if odd else []
    altered = [t.task.id for t in tasks if t.altered]
    found += [f"Outputs were changed since the run: {listing(altered, 5)}"] if altered else []
    bare = [t.task.id for t in tasks if t.unsandboxed]
    found += [f"Code ran without a sandbox in {listing(bare, 5)}"] if bare else []
    changed = view.deviations.found
    if changed:
        more = f" (and {count_of(len(changed) - 1, 'more deviation')})" if len(changed) > 1 else ""
        found.append(clip(f"Not as registered: {changed[0].said.rstrip('.')}{more}", _CHARS))
    found += [NOT_REVIEWED] if NOT_REVIEWED in view.run.not_verified else []
    conflict = [f"{d.id}: {p}" for d in view.datasets for p in d.problems if "conflict" in p or "label" in p]
    found += [clip(s, _CHARS) for s in conflict[:1]]
    if silent and any(f.events is not None for f in view.flows):
        found.append(
            f"What counts as an event is not stated by the source of {listing(silent, 3)}, "
            "so cohorts may count different events"
        )
    if timed and any(f.events is not None for f in view.flows):
        found.append(f"The unit of the follow-up time is not stated: {listing(timed, 3)}")
    prepared = [clip(n, 150) for n in view.run.not_verified if re.search(r"(?:Leave out|Treat as missing) ", n)]
    found += [f"The data were changed before analysis: {prepared[0].rstrip('.')}"] if prepared else []
    found += [
        clip(c, _CHARS)
        for f in view.flows
        for c in f.cautions
        if re.search(r"batch|group of|confound", c, re.IGNORECASE)
    ]
    for t in tasks:
        warned = [
            w
            for w in (t.record.warnings if t.record else ())
            if re.search(r"batch|events per variable|proportional", w)
        ]
        found += [f"{t.task.id}: {clip(w.split(': ', 1)[-1], 180)}" for w in warned]
    found += [f"Not done: {n.what.rstrip('.')}. {first_sentences(n.why, _CHARS)}" for n in _limits(view)[:MOST_LIMITS]]
    return tuple(f"{s.rstrip('.')}." for s in list(dict.fromkeys(found))[:MOST_CAVEATS])


def _limits(view: RunView) -> Sequence[NotDone]:
    """Return what the protocol says it does not do; a model's alone, as rules name only what they lack."""
    return view.protocol.not_done if view.protocol is not None and view.protocol.origin != "offline" else ()


def _answered_by(view: RunView) -> tuple[tuple[str, str], ...]:
    run = view.run
    models = sorted({row.model for row in run.usage})
    origins = {s.origin for q in run.answers.questions for s in q.sentences}
    words = (
        "rules"
        if origins <= {"offline"}
        else "rules and a language model"
        if "offline" in origins
        else "a language model"
    )
    spent = sum((r.usage for r in run.usage), Usage())
    return (
        ("Words of the answers", f"{words}; {_checked_by(view)}" if origins else "none"),
        ("Answered by", listing(models, 4) if models else "rules, no model"),
        ("Cost", summaries.cost(spent) if spent.calls else "none"),
        ("Date", timestamp_text(summaries.answering_run(view)[1])),
        ("Run", summaries.answering_run(view)[0]),
    )


def _checked_by(view: RunView) -> str:
    lines = [s for q in view.run.answers.questions for s in q.sentences]
    if not all(s.judged for s in lines if s.origin != "offline") or all(s.origin == "offline" for s in lines):
        return "every number and direction was checked by code"
    over = sum(bool(s.overruled) for s in lines)
    against = f"; {count_of(over, 'sentence stands', 'sentences stand')} against a check's objection" if over else ""
    return f"numbers were checked by code, and what each sentence claims was judged by the reviewer{against}"


# methods ----------------------------------------------------------------------------------------------

_SOFTWARE: Final = (
    "python",
    "r",
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "lifelines",
    "scikit-learn",
    "gseapy",
    "scanpy",
    "pydeseq2",
)


def methods(view: RunView) -> Iterable[str]:
    """Write in brief what a methods section says: data, rows, analyses, software with versions."""
    for d in [d for d in view.datasets if d.prepared_from is None and d.analysis_of is None][:4]:
        size = f", {count_of(d.n_samples, 'sample')}" if d.n_samples else ""
        made = one_line(", ".join(filter(None, (d.assay, d.platform))), 140)
        yield f"Data: {d.id} ({one_line(d.title, 110)}{f'; {made}' if made else ''}{size})."
    tests: dict[str, list[str]] = {}
    for t in view.tasks:
        for f in t.record.findings if t.record and t.verified and t.task.questions else ():
            r = f.result
            if r is not None and r.test:
                terms = f" with {listing(list(r.terms), 6)}" if r.terms else ""
                level = f", called at FDR < {r.fdr:g}" if r.tested and r.fdr else ""
                said = f"{r.kind}: {one_line(r.test, 80)}{terms}{level} (n = {r.n})"
                tests.setdefault(said, []).extend(q for q in t.task.questions if q not in tests.get(said, []))
    if tests:
        yield f"Analyses: {'; '.join(f'{said} for {listing(ids, 4)}' for said, ids in list(tests.items())[:8])}."
    if view.protocol is not None and view.protocol.origin != "offline":
        chosen = [first_sentences(d.choice, _CHARS) for d in view.protocol.decisions[:MOST_DECISIONS]]
        if chosen:
            yield f"Decided before any result was seen: {' '.join(chosen)}"
        if view.protocol.answer_rule:
            yield f"Rule of the answer: {first_sentences(' '.join(view.protocol.answer_rule), MOST_RULE)}"
    if view.protocol is not None:
        dry = sum(s.kind == "dry" for s in view.protocol.steps)
        frozen = f", registered {timestamp_text(view.registration.registered)}" if view.registration else ""
        yield (
            f"The protocol of {count_of(dry, 'computed step')} was fixed before any result was seen{frozen}."
            if frozen
            else (f"The protocol has {count_of(dry, 'computed step')}; it was not registered.")
        )
    checked = [t for t in view.tasks if t.verified and t.record and t.record.perturbed and t.record.perturbed.done]
    if checked:
        ran = count_of(len(checked), "task")
        yield f"Each of {ran} ran again on perturbed inputs to show that its outputs depend on the data."
    named = [f"{k} {v}" for k, v in view.run.versions.items() if k in _SOFTWARE]
    own = view.run.versions.get("bioresearcher", "")
    yield f"Software: {', '.join([*([f'BioResearcher {own}'] if own else []), *named])}."
