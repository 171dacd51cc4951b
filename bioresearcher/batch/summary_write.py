"""A summary in its forms, and the files of it in the batch's folder."""

from __future__ import annotations

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.batch.summary import summarise
from bioresearcher.batch.summary_html import as_html
from bioresearcher.batch.summary_schema import Summary
from bioresearcher.batch.summary_text import as_csv
from bioresearcher.runfolder import write_text

FORMS = ("csv", "json", "html")


def as_text(summary: Summary, form: str) -> str:
    """The summary as `csv`, `json` or `html`."""
    if form == "json":
        return summary.model_dump_json(indent=2) + "\n"
    return as_csv(summary) if form == "csv" else as_html(summary)


def write_summary(folder: BatchFolder) -> Summary:
    """Write `summary.csv`, `summary.json` and `summary.html` of a batch as far as it got.

    Raises:
        WorkspaceError: The folder cannot be written.
    """
    summary = summarise(folder)
    for form in FORMS:
        write_text(folder.path(f"summary.{form}"), as_text(summary, form))
    return summary
