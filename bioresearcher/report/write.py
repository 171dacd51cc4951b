"""Writer of the run report in all its forms."""

from __future__ import annotations

from pathlib import Path

from bioresearcher.analysis.flow_figure import flow_svg
from bioresearcher.analysis.sets import FIGURE
from bioresearcher.report.html import render_html
from bioresearcher.report.markdown import render_markdown
from bioresearcher.report.notebook import render_notebook
from bioresearcher.report.run_data import load_view
from bioresearcher.report.summaries import EVIDENCE_FILE, run_evidence_graph
from bioresearcher.runfolder import RunFolder, write_text


def write_reports(folder: RunFolder) -> tuple[Path, Path]:
    """Write `report.md`, `report.html` and `evidence.json` from the run folder's values, replacing earlier ones.

    A run with tasks also gets `notebook.ipynb`. Call it after the last change of `run.json`: the report shows the
    status and totals it finds there.

    Returns:
        The paths of the Markdown and of the HTML report.

    Raises:
        RunFolderError: The folder holds no usable `run.json`.
        WorkspaceError: The folder cannot be written.
    """
    view = load_view(folder)
    markdown, html = folder.path("report.md"), folder.path("report.html")
    write_text(markdown, render_markdown(view))
    write_text(html, render_html(view))
    if view.tasks:
        write_text(folder.path("notebook.ipynb"), render_notebook(folder, view))
    for rows in view.flows:
        if not folder.has("analysis", rows.question, FIGURE):  # a run of an earlier version
            write_text(folder.path("analysis", rows.question, FIGURE), flow_svg(rows))
    folder.write(run_evidence_graph(view), EVIDENCE_FILE)
    return markdown, html
