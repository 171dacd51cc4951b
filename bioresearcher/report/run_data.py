"""Reader of a run folder for the report: all values of a run, and previews of the output files of its tasks.

Missing and broken files become sentences of the report. Output files are read only inside their task's folder, up to
a size, and shown only if they still have the recorded digest.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal, TextIO, TypeVar

from bioresearcher.analysis.flow_figure import flow_svg
from bioresearcher.analysis.sets import SETS
from bioresearcher.errors import RunFolderError
from bioresearcher.execution.process import without_chance
from bioresearcher.runfolder import RunFolder, safe_name
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.execution import Artifact, DryLabTask, Outcome, TaskRecord
from bioresearcher.schemas.facts import Audit, Fact, LookRecord
from bioresearcher.schemas.missing import blanked, is_missing, is_number
from bioresearcher.schemas.paper import Document, Evidence, Paper, ScreenedPaper, SearchRound, StatusCheck
from bioresearcher.schemas.paper_report import PaperReport, ReferabilityAnalysis
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.question import AnalysisSet, AnalysisSets
from bioresearcher.schemas.registration import Deviations, Registration
from bioresearcher.schemas.review import DraftReview, Review
from bioresearcher.schemas.run import RUN_FORMAT, RunRecord
from bioresearcher.stages.deviations import deviations
from bioresearcher.stages.registration import FACTS, LOOKS, REGISTRATION, verify
from bioresearcher.text.format import file_link, number
from bioresearcher.text.visible import one_line, visible

LOOKED = "looked.json"
"""File of a run with the facts that the designer's looks showed."""
MAX_FIGURE_BYTES = 4_000_000
MAX_TABLE_BYTES = 50_000_000
MAX_TEXT_CHARACTERS = 4_000
MAX_CELL = 90
WHOLE_ROWS = 60
"""Rows of a table that is shown as a whole."""
PREVIEW_ROWS = 10
"""Rows shown of a longer one."""
PREVIEW_COLUMNS = 14

FileState = Literal["same", "changed", "missing", "refused"]

_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE[^>\[]*>\s*)*<svg\b", re.S)
_INTEGER = re.compile(r"[+-]?\d+")


# -- output files of tasks ----------------------------------------------------------------------------


@dataclass(frozen=True)
class PreviewColumn:
    """A column of a table preview."""

    name: str
    numeric: bool


@dataclass(frozen=True)
class TablePreview:
    """The first rows and columns of a table; cells are pairs (text shown, text in the file)."""

    columns: tuple[PreviewColumn, ...]
    rows: tuple[tuple[tuple[str, str], ...], ...]
    total_rows: int
    total_columns: int

    @property
    def extent(self) -> str:
        """The extent of the preview in words, such as `first 10 of 57 rows`."""
        rows = f"{self.total_rows:,} {'row' if self.total_rows == 1 else 'rows'}"
        if len(self.rows) < self.total_rows:
            rows = f"first {len(self.rows)} of {rows}"
        if len(self.columns) < self.total_columns:
            return f"{rows}, first {len(self.columns)} of {self.total_columns:,} columns"
        return rows


@dataclass(frozen=True)
class Figure:
    """A figure for embedding; width and height in pixels, 0 when the file does not state them."""

    data_uri: str
    width: int
    height: int


@dataclass(frozen=True)
class OutputFile:
    """An artifact as it is on disk now; `note` is the reason when it is not shown, or not in full."""

    artifact: Artifact
    state: FileState
    link: str | None
    table: TablePreview | None = None
    figure: Figure | None = None
    text: str = ""
    note: str = ""


def read_output(artifact: Artifact, task_dir: Path, link_prefix: str) -> OutputFile:
    """Read one artifact of a task for the report.

    Args:
        artifact: The artifact as recorded.
        task_dir: The task's folder; the artifact must lie in it, and no part of its path may be a symlink.
        link_prefix: The task's folder relative to the run folder, for the link in the report.

    Returns:
        The file with its state against the recorded sha256. A file that was changed is not shown.
    """
    path = contained_path(task_dir, artifact.path)
    if path is None:
        return OutputFile(artifact, "refused", None, note="the path leads out of the task's folder")
    if not path.is_file():
        return OutputFile(artifact, "missing", None, note="the file is not in the run folder")
    link = file_link(f"{link_prefix}/{artifact.path}")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != artifact.sha256.lower():
            return OutputFile(artifact, "changed", link, note="the file was changed after the run")
        return _read_content(artifact, path, link)
    except OSError as error:
        return OutputFile(artifact, "missing", None, note=f"the file cannot be read ({error.strerror})")


def contained_path(base: Path, relative: str) -> Path | None:
    """Return `base/relative` if it stays inside `base` without passing a symlink, else None."""
    pure = PurePosixPath(relative)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts or "\x00" in relative:
        return None
    path = base
    for part in pure.parts:
        path = path / part
        if path.is_symlink():
            return None
    return path


def _read_content(artifact: Artifact, path: Path, link: str | None) -> OutputFile:
    suffix = path.suffix.lower()
    if suffix in {".tsv", ".csv"}:
        table, note = read_table(path)
        return OutputFile(artifact, "same", link, table=table, note=note)
    if suffix in {".png", ".svg"}:
        figure, note = read_figure(path)
        return OutputFile(artifact, "same", link, figure=figure, note=note)
    if suffix in {".txt", ".md"}:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_TEXT_CHARACTERS + 1)
        cut = len(text) > MAX_TEXT_CHARACTERS
        return OutputFile(
            artifact,
            "same",
            link,
            text=visible(text[:MAX_TEXT_CHARACTERS]),
            note="only the beginning is shown" if cut else "",
        )
    return OutputFile(artifact, "same", link)


def read_table(path: Path) -> tuple[TablePreview | None, str]:
    """Read the preview of a CSV or TSV with a header row, or None and the reason."""
    if path.stat().st_size > MAX_TABLE_BYTES:
        return None, "too large to show here"
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return _preview(file, delimiter)
    except csv.Error as error:
        return None, f"not readable as a table ({error})"


def _preview(file: TextIO, delimiter: str) -> tuple[TablePreview | None, str]:
    reader: Iterator[list[str]] = csv.reader(file, delimiter=delimiter)
    header = next(reader, None)
    if not header:
        return None, "the table is empty"
    first_rows: list[list[str]] = []
    total = 0
    for row in reader:
        if row:
            total += 1
            if len(first_rows) < WHOLE_ROWS:
                first_rows.append(row)
    if total > WHOLE_ROWS:
        del first_rows[PREVIEW_ROWS:]
    width = min(len(header), PREVIEW_COLUMNS)
    cells = [[row[i] if i < len(row) else "" for i in range(width)] for row in first_rows]
    columns = tuple(
        PreviewColumn(one_line(header[i], MAX_CELL), _is_numeric([row[i] for row in cells])) for i in range(width)
    )
    rows = tuple(tuple(_cell(row[i], columns[i].numeric) for i in range(width)) for row in cells)
    return TablePreview(columns, rows, total, len(header)), ""


def _is_numeric(cells: list[str]) -> bool:
    known = [c for c in blanked(cells) if c]
    return bool(known) and all(map(is_number, known))


def _cell(raw: str, numeric: bool) -> tuple[str, str]:
    text = one_line(raw, MAX_CELL)
    # Whole numbers stay as written: they may be years or identifiers.
    decimal = numeric and is_number(text) and not is_missing(text) and not _INTEGER.fullmatch(text)
    return number(float(text)) if decimal else text, text


def read_figure(path: Path) -> tuple[Figure | None, str]:
    """Read a PNG or SVG for embedding, or None and the reason; the content decides, not the suffix."""
    if path.stat().st_size > MAX_FIGURE_BYTES:
        return None, "too large to show here"
    data = path.read_bytes()
    if data.startswith(_PNG) and len(data) >= 33 and data[12:16] == b"IHDR":
        width, height = struct.unpack(">II", data[16:24])
        return Figure(_data_uri("image/png", data), width, height), ""
    if _SVG.match(data[:4096]):
        return Figure(_data_uri("image/svg+xml", data), 0, 0), ""
    return None, "not a readable PNG or SVG"


def flow_figure(rows: AnalysisSet) -> Figure:
    """Draw the flow of an analysis set for embedding."""
    return Figure(_data_uri("image/svg+xml", flow_svg(rows).encode()), 0, 0)


def _data_uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


# -- the values of a run ------------------------------------------------------------------------------

V = TypeVar("V", bound=Value)

_MAX_PRINTED = 12_000
"""Characters of printed text that are kept, from its end; the report shows fewer."""
_PRINTED_BY_CODE = {Outcome.SYNTAX, Outcome.DEPENDENCY, Outcome.RUNTIME}
"""Outcomes whose message quotes text printed by the code."""

QuoteState = Literal["found", "not found", "not rechecked"]


@dataclass(frozen=True)
class TaskView:
    """A task with its record and its output files as they are on disk now."""

    task: DryLabTask
    folder: str
    record: TaskRecord | None = None
    outputs: tuple[OutputFile, ...] = ()
    has_code: bool = False

    @property
    def outcome(self) -> Outcome:
        """The recorded outcome; a task without a record was not run."""
        return self.record.outcome if self.record else Outcome.NOT_RUN

    @property
    def altered(self) -> tuple[OutputFile, ...]:
        """Outputs that were changed or lost since the task wrote them."""
        return tuple(o for o in self.outputs if o.state != "same")

    @property
    def verified(self) -> bool:
        """True if the task was verified and its outputs are unchanged since."""
        return self.outcome is Outcome.VERIFIED and not self.altered

    @property
    def unsandboxed(self) -> bool:
        """True if any code of the task ran without a sandbox."""
        if self.record is None:
            return False
        return "none" in {self.record.sandbox, *(a.sandbox for a in self.record.attempts)}


@dataclass(frozen=True)
class RunView:
    """All values of a run for its report.

    Attributes:
        not_used: Data sets that were found and are not used.
        missing: Parts of a finished run that are not there, as plain sentences.
        problems: Files that are there and cannot be used, as plain sentences.
        quotes: State of each quote against the stored text of its document, by `quote_key`.
        doubts: Warnings about the text from which a paper was read, by the paper's id.
        audit: Facts about the data, those of looks included, and proposals; empty in runs of earlier versions.
        looks: Looks and counts of designer and reviewer, in order.
        registration: Registration of the protocol, where it was approved.
        unregistered: Differences of the run folder from what was registered, as plain sentences.
        deviations: What was changed, added, dropped, skipped or failed since the plan was registered.
        flows: Analysis sets of the questions, those that could not be made left out.
    """

    run: RunRecord
    rounds_of_search: tuple[SearchRound, ...] = ()
    screening: tuple[ScreenedPaper, ...] = ()
    papers: tuple[Paper, ...] = ()
    status_checks: tuple[StatusCheck, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    not_used: tuple[Dataset, ...] = ()
    checks: tuple[DatasetCheck, ...] = ()
    reports: tuple[PaperReport, ...] = ()
    analyses: tuple[ReferabilityAnalysis, ...] = ()
    protocol: Protocol | None = None
    tasks: tuple[TaskView, ...] = ()
    rounds: tuple[DraftReview, ...] = ()
    review: Review | None = None
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    quotes: Mapping[tuple[str, int, int], QuoteState] = field(default_factory=dict)
    doubts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    audit: Audit = field(default_factory=Audit)
    looks: tuple[LookRecord, ...] = ()
    registration: Registration | None = None
    unregistered: tuple[str, ...] = ()
    deviations: Deviations = field(default_factory=lambda: Deviations(compared=False))
    flows: tuple[AnalysisSet, ...] = ()

    def quote_state(self, evidence: Evidence) -> QuoteState:
        """Look up whether a quote stands at its place in the stored text of its document."""
        return self.quotes.get(quote_key(evidence), "not rechecked")


def quote_key(evidence: Evidence) -> tuple[str, int, int]:
    """Identify a quote by its document and character span."""
    return (evidence.document, evidence.start, evidence.end)


def load_view(folder: RunFolder) -> RunView:
    """Read all values of a run folder, finished or not.

    Raises:
        RunFolderError: `run.json` is missing, unreadable or of a newer format: there is no run to report on.
    """
    run = folder.read(RunRecord, "run.json")
    if run.format > RUN_FORMAT:
        raise RunFolderError(
            f"{folder.path('run.json')} has format {run.format}; this version knows {RUN_FORMAT}.",
            hint="Use the version of bioresearcher that wrote it, or a newer one.",
        )
    reader = _Reader(folder)
    reports = reader.all(PaperReport, "reports")
    datasets = reader.all(Dataset, "datasets")
    used = {d.id for d in datasets}
    protocol = reader.one(Protocol, "protocol.json", "No protocol: protocol.json was not written.")
    view = RunView(
        run=run,
        rounds_of_search=reader.rows(SearchRound, "search.json"),
        screening=reader.rows(ScreenedPaper, "screening.json"),
        papers=reader.all(Paper, "papers"),
        status_checks=reader.rows(StatusCheck, "status.json"),
        datasets=datasets,
        not_used=tuple(d for d in reader.rows(Dataset, "datasets_found.json") if d.id not in used),
        checks=reader.rows(DatasetCheck, "checks.json"),
        reports=reports,
        analyses=reader.all(ReferabilityAnalysis, "analyses"),
        protocol=protocol,
        tasks=reader.tasks(),
        rounds=reader.rows(DraftReview, "rounds.json"),
        review=reader.one(Review, "review.json", "No review: review.json was not written."),
        quotes=reader.quotes(_all_evidence(reports, protocol)),
        doubts=reader.doubts(reports),
        audit=reader.audit(),
        looks=reader.rows(LookRecord, LOOKS),
        registration=reader.optional(Registration, REGISTRATION),
        unregistered=tuple(verify(folder)),
        deviations=deviations(folder),
        flows=reader.flows(),
    )
    return replace(view, missing=_missing(view, reader.missing), problems=tuple(reader.problems))


def read_audit(folder: RunFolder) -> Audit:
    """Read the facts and proposals of the audit, with the facts that the designer's looks showed; empty without any.

    Raises:
        RunFolderError: A file is damaged.
    """
    found = folder.read(Audit, FACTS) if folder.has(FACTS) else Audit()
    return found.model_copy(update={"facts": (*found.facts, *folder.read_list(Fact, LOOKED))})


class _Reader:
    """Reader of stored values that collects sentences on missing and broken files."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.missing: list[str] = []
        self.problems: list[str] = []
        self._documents: dict[str, Document | None] = {}

    def _read(self, kind: type[V], *parts: str) -> V | None:
        try:
            return self.folder.read(kind, *parts)
        except (RunFolderError, OSError):
            self.problems.append(f"{'/'.join(parts)} cannot be used: it is not a valid {kind.__name__}.")
            return None

    def one(self, kind: type[V], name: str, missing: str) -> V | None:
        """Read a value of the run's top folder, or None."""
        if self.folder.has(name):
            return self._read(kind, name)
        self.missing.append(missing)
        return None

    def optional(self, kind: type[V], name: str) -> V | None:
        """Read a value of the run's top folder that not every run has, or None."""
        return self._read(kind, name) if self.folder.has(name) else None

    def flows(self) -> tuple[AnalysisSet, ...]:
        """Read the analysis sets that were made."""
        place = ("analysis", SETS)
        found = self._read(AnalysisSets, *place) if self.folder.has(*place) else None
        return tuple(s for s in found.sets if not s.problem) if found else ()

    def audit(self) -> Audit:
        """Read the facts and proposals of the run; none when a file of them is damaged."""
        try:
            return read_audit(self.folder)
        except (RunFolderError, OSError):
            self.problems.append(f"{FACTS} or {LOOKED} cannot be used: facts about the data are not shown.")
            return Audit()

    def rows(self, kind: type[V], *parts: str) -> tuple[V, ...]:
        """Read a list of values; empty when the file is missing or broken."""
        try:
            return self.folder.read_list(kind, *parts)
        except (RunFolderError, OSError):
            self.problems.append(f"{'/'.join(parts)} cannot be used: it is not a list of {kind.__name__}.")
            return ()

    def all(self, kind: type[V], name: str) -> tuple[V, ...]:
        """Read the values in a folder in the order of file names; hidden files are skipped."""
        base = self.folder.path(name)
        files = sorted(p.name for p in base.glob("*.json") if p.is_file()) if base.is_dir() else []
        values = (self._read(kind, name, file) for file in files if not file.startswith("."))
        return tuple(v for v in values if v is not None)

    def tasks(self) -> tuple[TaskView, ...]:
        """Read the tasks in the order of their numbers."""
        base = self.folder.path("tasks")
        names = sorted((p.name for p in base.iterdir() if p.is_dir()), key=_natural) if base.is_dir() else []
        views = (self._task(name) for name in names if self.folder.has("tasks", name, "task.json"))
        return tuple(v for v in views if v is not None)

    def _task(self, name: str) -> TaskView | None:
        task = self._read(DryLabTask, "tasks", name, "task.json")
        if task is None:
            return None
        record = None
        if self.folder.has("tasks", name, "record.json"):
            record = self._read(TaskRecord, "tasks", name, "record.json")
            record = _stable_record(record, self.folder.path("tasks")) if record else None
        base = self.folder.path("tasks", name)
        artifacts = record.artifacts if record else ()
        outputs = tuple(read_output(a, base, f"tasks/{name}") for a in artifacts)
        has_code = self.folder.has("tasks", name, task.code_file)
        return TaskView(task=task, folder=f"tasks/{name}", record=record, outputs=outputs, has_code=has_code)

    def quotes(self, evidence: Iterable[Evidence]) -> dict[tuple[str, int, int], QuoteState]:
        """Check each quote against the stored text of its document."""
        by_document: dict[str, list[Evidence]] = {}
        for item in evidence:
            by_document.setdefault(item.document, []).append(item)
        states: dict[tuple[str, int, int], QuoteState] = {}
        for document, items in by_document.items():
            stored = self._document(document)
            for item in items:
                key = quote_key(item)
                if stored is None:
                    states[key] = "not rechecked"
                elif stored.text[item.start : item.end] != item.text:
                    states[key] = "not found"
                else:
                    states.setdefault(key, "found")
        return states

    def doubts(self, reports: Iterable[PaperReport]) -> dict[str, tuple[str, ...]]:
        """Collect the warnings about the text of each paper that was read; papers without one are left out."""
        stored = {r.paper_id: self._document(r.paper_id) for r in reports}
        return {paper: d.warnings for paper, d in stored.items() if d and d.warnings}

    def _document(self, name: str) -> Document | None:
        """Read a paper's stored text, once; None when there is none."""
        if name not in self._documents:
            file = f"{safe_name(name)}.json"
            there = self.folder.has("documents", file)
            self._documents[name] = self._read(Document, "documents", file) if there else None
        return self._documents[name]


def _stable_record(record: TaskRecord, place: Path) -> TaskRecord:
    """Mask addresses and durations in printed text, which a replay could not repeat; the stored file keeps them."""
    attempts = [
        a.model_copy(
            update={
                "message": _stable_message(a.outcome, a.message, place),
                "stdout": without_chance(a.stdout[-_MAX_PRINTED:], place),
                "stderr": without_chance(a.stderr[-_MAX_PRINTED:], place),
            }
        )
        for a in record.attempts
    ]
    message = _stable_message(record.outcome, record.message, place)
    return record.model_copy(update={"message": message, "attempts": tuple(attempts)})


def _stable_message(outcome: Outcome, message: str, place: Path) -> str:
    return without_chance(message, place) if outcome in _PRINTED_BY_CODE else message


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"([0-9]+)", name)]


def _all_evidence(reports: Iterable[PaperReport], protocol: Protocol | None) -> Iterable[Evidence]:
    for report in reports:
        for part in report.parts:
            for step in part.steps:
                yield from step.evidence
                for result in step.results:
                    yield from result.evidence
    for protocol_step in protocol.steps if protocol else ():
        yield from (link.evidence for link in protocol_step.links)


def _missing(view: RunView, noted: Iterable[str]) -> tuple[str, ...]:
    missing = list(noted)
    settings = view.run.settings
    if not view.papers and settings.get("papers") != []:
        missing.append("No paper: the folder papers holds none.")
    elif not view.reports and {p.id for p in view.papers} - {s.paper_id for s in view.screening if not s.kept}:
        missing.append("No report of a paper: the folder reports holds none.")
    if not view.datasets and settings.get("data") != []:
        missing.append("No data set: the folder datasets holds none.")
    if not view.tasks and settings.get("data") != []:
        missing.append("No task: the folder tasks holds none.")
    return tuple(missing)
