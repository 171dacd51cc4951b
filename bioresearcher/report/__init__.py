"""The run report, built from the run folder only: Markdown, HTML, notebook, evidence graph."""
