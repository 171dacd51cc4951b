"""The extension in a real kernel: magics, a run that is drawn, and data frames."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from lab import FINISHED, unpack_lab
from nbclient import NotebookClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CELLS = [
    "%load_ext bioresearcher",
    f"import bioresearcher\nrun = bioresearcher.open_run('{FINISHED}')\nrun",
    "len(run.findings) > 0 and len(run.tasks) > 0 and len(run.evidence) > 0",
    f"answer = %ask --run {FINISHED} Which frogs live in Peru?\nanswer",
    "%%review\n# Staining\n\n1. Fix the sections in 4 % formaldehyde for 10 min.\n2. Wash with PBS.\n",
    "import asyncio\nawait asyncio.sleep(0)\nbioresearcher.review_protocol('nowhere.md')",
]


def test_a_notebook_asks_reviews_and_draws_a_run(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()  # IPython keeps its settings there
    place = unpack_lab(tmp_path)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    client = NotebookClient(
        notebook, timeout=200, resources={"metadata": {"path": str(place)}}, allow_errors=True, kernel_name="python3"
    )
    client.execute()
    loaded, drawn, counted, asked, reviewed, failed = (cell.outputs for cell in notebook.cells)
    assert loaded == []
    assert "<section" in drawn[0].data["text/html"]
    assert counted[0].data["text/plain"] == "True"
    assert "Not in the library" in asked[0].data["text/html"]
    assert "not judged" in reviewed[0].data["text/html"]
    assert failed[0].ename == "InputError"
    assert "nowhere.md is not there" in failed[0].evalue
