"""The first page, the methods in brief, and the tables of a run as a manuscript in DOCX; equal runs, equal bytes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bioresearcher.execution.output_tables import OutputTable, TableError, read_table, to_number
from bioresearcher.export.content import RunContent
from bioresearcher.report.first_page import methods
from bioresearcher.report.run_data import contained_path, load_view
from bioresearcher.schemas.answer import QuestionAnswer
from bioresearcher.stages.deviations import deviation_lines
from bioresearcher.text.format import number

if TYPE_CHECKING:
    from docx.document import Document

MOST_TABLES, MOST_ROWS, MOST_COLUMNS = 12, 12, 13
MOST_CELL: Final = 60
"""Characters of a cell; a column of longer ones, such as lists of genes, is left out."""
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
_CONTROL: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML does not allow."""


def manuscript(content: RunContent) -> bytes:
    """Return the manuscript as the bytes of a DOCX file."""
    import docx

    document = docx.Document()
    _properties(document, content)
    document.add_heading(_xml(content.title), 0)
    document.add_paragraph(_xml(content.words(content.run.objective.text)))
    document.add_heading("Answers", 1)
    document.add_paragraph(
        _xml(content.answers.headline + "." if content.answers.headline else "No question was asked of data.")
    )
    for question in content.answers.questions:
        _answer(document, content, question)
    document.add_heading("Methods in brief", 1)
    for text in _methods(content):
        document.add_paragraph(_xml(text))
    document.add_heading("Deviations from the registered plan", 1)
    for text in deviation_lines(content.deviations):
        document.add_paragraph(_xml(content.words(text)))
    _across(document)
    document.add_heading("Tables", 1)
    tables = list(_tables(content))
    if not tables:
        document.add_paragraph("No verified task wrote a table that answers a question.")
    for n, (title, file, table) in enumerate(tables, 1):
        _table(document, f"Table {n}. {title} ({file})", table)
    if content.run.not_verified:
        document.add_heading("What was not verified", 1).paragraph_format.page_break_before = True
        for text in content.run.not_verified[:40]:
            document.add_paragraph(_xml(content.words(text, 500)), style="List Bullet")
    out = io.BytesIO()
    document.save(out)
    return _repacked(out.getvalue())


def _xml(text: str) -> str:
    return _CONTROL.sub(" ", text)


def _properties(document: Document, content: RunContent) -> None:
    try:
        when = datetime.fromisoformat(content.date).astimezone(UTC).replace(tzinfo=None, microsecond=0)
    except ValueError:
        when = datetime.fromtimestamp(315_532_800, UTC).replace(tzinfo=None)  # 1980, the earliest of zip files
    core = document.core_properties
    core.title, core.author, core.comments = _xml(content.title), "", f"run {_xml(content.run.run_id)}"
    core.created = core.modified = when
    core.last_modified_by, core.revision = "", 1


def _answer(document: Document, content: RunContent, question: QuestionAnswer) -> None:
    document.add_heading(_xml(f"{question.id}. {content.words(question.text, 400)}"), 2)
    document.add_paragraph(_xml(f"{question.state}{f': {content.words(question.why, 400)}' if question.why else ''}"))
    for text, findings in content.lines_of(question):
        marks = f" [{', '.join(findings)}]" if findings else ""
        document.add_paragraph(_xml(f"{text}{marks}"), style="List Bullet")
    for paper in question.papers:
        if paper.text:
            document.add_paragraph(_xml(f"{paper.relation}: {content.words(paper.text, 400)} ({paper.paper_id})"))
    if question.flow:
        document.add_paragraph(_xml(f"Rows: {content.words(question.flow, 500)}."))


def _methods(content: RunContent) -> Iterator[str]:
    """Write what a methods section says: the report's methods in brief, the steps, the digest of the plan, models."""
    yield from map(content.words, methods(load_view(content.folder)))
    for part in content.protocol.parts if content.protocol else ():
        titles = "; ".join(content.words(s.title, 150) for s in part.steps)
        yield f"{content.words(part.title, 150)}. {content.words(part.purpose, 400)} Steps: {titles}."
    if content.deviations.registered:
        yield f"Digest of the registered plan: {content.deviations.digest}."
    yield f"Language models: {content.words(content.run.backend_reason or content.run.backend, 200)}."


def _tables(content: RunContent) -> Iterator[tuple[str, str, OutputTable]]:
    """Yield the tables of verified tasks that answer questions, in the order of the tasks."""
    answering = {t for q in content.answers.questions for t in q.tasks}
    count = 0
    for task in content.recorded.tasks.values():
        record = content.recorded.records.get(task.id)
        if task.id not in answering or record is None or not record.verified:
            continue
        for artifact in record.artifacts:
            path = contained_path(content.folder.path("tasks", task.id), artifact.path)
            if artifact.kind != "table" or path is None or not path.is_file() or count >= MOST_TABLES:
                continue
            try:
                table = read_table(path)
            except (OSError, TableError):
                continue
            count += 1
            yield content.words(task.title, 200), f"{task.id}/{Path(artifact.path).name}", table


def _across(document: Document) -> None:
    """Begin a section of pages that lie across, as tables are wide."""
    from docx.enum.section import WD_ORIENT
    from docx.shared import Cm

    section = document.add_section()
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    section.left_margin = section.right_margin = Cm(2)


def _table(document: Document, caption: str, table: OutputTable) -> None:
    rows = [[_shown(cell) for cell in row] for row in table.rows[:MOST_ROWS]]
    fits = [i for i in range(len(table.header)) if all(len(row[i]) <= MOST_CELL for row in rows)]
    shown = fits[:MOST_COLUMNS]
    cut = []
    if len(table.rows) > len(rows):
        cut.append(f"first {len(rows)} of {len(table.rows)} rows")
    if len(table.header) > len(shown):
        cut.append(f"{len(shown)} of {len(table.header)} columns")
    said = document.add_paragraph(_xml(f"{caption}{': ' + ', '.join(cut) if cut else ''}."), style="Caption")
    said.paragraph_format.keep_with_next = True
    if shown:
        _grid(document, [[table.header[i][:60] for i in shown], *([row[i] for i in shown] for row in rows)])


def _grid(document: Document, rows: list[list[str]]) -> None:
    """Write rows as a table in small type; the first is repeated on each page, and widths follow the texts."""
    from docx.oxml import OxmlElement
    from docx.shared import Emu, Pt

    grid = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
    grid.autofit = False
    section = document.sections[-1]
    room = (section.page_width or 0) - (section.left_margin or 0) - (section.right_margin or 0)
    weights = [
        max(5, *(len(row[i]) for row in rows[1:]), *map(len, re.split(r"[_ ]", rows[0][i])))
        for i in range(len(rows[0]))
    ]
    widths = [Emu(int(room * w / max(sum(weights), 70))) for w in weights]
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = width
    for n, (row, cells) in enumerate(zip(rows, grid.rows, strict=True)):
        for text, cell, width in zip(row, cells.cells, widths, strict=True):
            cell.width = width
            run = cell.paragraphs[0].add_run(_xml(text if n else text.replace("_", " ")))
            run.font.size, run.font.bold = Pt(7), n == 0
    head = grid.rows[0]._tr.get_or_add_trPr()
    head.append(OxmlElement("w:tblHeader"))


def _shown(cell: str) -> str:
    value = to_number(cell)
    return number(value) if value is not None and "." in cell else cell


def _repacked(data: bytes) -> bytes:
    """Pack a zip anew with a fixed date, so that equal contents are equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name, _EARLIEST)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, old.read(name))
    return out.getvalue()
