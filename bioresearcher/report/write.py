"""Writer of the run report in all its forms."""

from __future__ import annotations

from pathlib import Path

from bioresearcher.analysis.flow_figure import flow_svg
from bioresearcher.analysis.sets import FIGURE
from bioresearcher.report import html as html_pages
from bioresearcher.report import markdown as text_pages
from bioresearcher.report.first_page_markdown import render_first_page
from bioresearcher.report.notebook import render_notebook
from bioresearcher.report.run_data import load_view
from bioresearcher.report.summaries import EVIDENCE_FILE, run_evidence_graph
from bioresearcher.runfolder import RunFolder, write_text


def _one_up(text: str) -> str:
    """Let links into the run folder begin in its folder `report`."""
    return text.replace("](<./", "](<../").replace("](<analysis/", "](<../analysis/")


def write_reports(folder: RunFolder) -> tuple[Path, Path]:
    """Write `report.md`, `report.html`, the pages in `report/` and `evidence.json`, replacing earlier ones.

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
    write_text(markdown, render_first_page(view))
    write_text(html, html_pages.render_html(view))
    for name, text in html_pages.render_pages(view).items():
        write_text(folder.path("report", f"{name}.html"), text)
    for name, text in text_pages.render_pages(view).items():
        write_text(folder.path("report", f"{name}.md"), _one_up(text))
    if view.tasks:
        write_text(folder.path("notebook.ipynb"), render_notebook(folder, view))
    for rows in view.flows:
        if not folder.has("analysis", rows.question, FIGURE):  # a run of an earlier version
            write_text(folder.path("analysis", rows.question, FIGURE), flow_svg(rows))
    folder.write(run_evidence_graph(view), EVIDENCE_FILE)
    return markdown, html
