"""`notebook.ipynb`: it opens, shows what the run printed and drew, and re-runs in Jupyter."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_holds_the_recorded_outputs(finished: Path) -> None:
    notebook = nbformat.read(finished / "notebook.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    shown = [output for cell in code for output in cell.outputs if output.output_type == "display_data"]
    pictures = [o for o in shown if "image/png" in o.data]
    assert len(pictures) == len(list(finished.glob("tasks/*/outputs/*.png")))
    tables = "\n".join(o.data.get("text/plain", "") for o in shown)
    assert "differential_expression.tsv (first 10 of 4,695 rows" in tables
    assert "without the sandbox" in notebook.cells[0].source


def test_it_re_runs_in_jupyter_and_makes_the_same_outputs(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()  # Jupyter keeps its settings there
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    made = {p.relative_to(folder / "notebook-outputs").as_posix(): p for p in folder.glob("notebook-outputs/*/*")}
    recorded = sorted(folder.glob("tasks/*/outputs/*"))
    assert len(recorded) > 8
    for path in recorded:
        again = made[f"{path.parent.parent.name}/{path.name}"]
        assert digest(again) == digest(path), path.name
    streams = [o.text for c in notebook.cells for o in c.get("outputs", ()) if o.output_type == "stream"]
    assert not any("exit code" in text for text in streams)
