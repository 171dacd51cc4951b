"""First code cell of a run's notebook: runs a task's code as a process of its own, and shows its outputs.

The package copies this file as text and never imports it. Nothing in `tasks/` is changed.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from IPython.display import SVG, Image, Markdown, display

RUN = Path.cwd()  # the run folder, where this notebook lies
AGAIN = RUN / "notebook-outputs"
TIMEOUT_S = 3600


def code_folder(task_id: str) -> Path:
    """Make the folder in which a task is run: its code from the cell above, helper modules, its task file."""
    folder = AGAIN / task_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def input_path(source: dict[str, str]) -> str:
    """Find an input: a data set's file as kept with the run, or an earlier task's output, recomputed or recorded."""
    if "file" in source:
        return str((RUN / source["file"]).resolve())
    again = AGAIN / source["task"] / source["output"]
    return str(again if again.is_file() else RUN / "tasks" / source["task"] / "outputs" / source["output"])


def show(path: Path) -> None:
    """Show a figure as a picture, a table by its first rows, other files by name."""
    if path.suffix == ".png":
        display(Image(filename=str(path)))
    elif path.suffix == ".svg":
        display(SVG(filename=str(path)))
    elif path.suffix in (".tsv", ".csv"):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        display(Markdown(f"`{path.name}`, {max(0, len(lines) - 1)} rows"))
        print("\n".join(line[:160] for line in lines[:8]))
    else:
        print(path.name)


def run_task(
    task_id: str, inputs: dict[str, Any], outputs: dict[str, str], parameters: dict[str, Any], *, seed: int, title: str
) -> None:
    """Run a task's code on its inputs and show its outputs."""
    folder = code_folder(task_id)
    for module in sorted((RUN / "tasks" / task_id).iterdir()):
        if module.suffix in (".py", ".R") and module.stem != "code":
            (folder / module.name).write_bytes(module.read_bytes())
    request = {
        "task": task_id,
        "title": title,
        "inputs": {name: input_path(source) for name, source in inputs.items()},
        "outputs": {name: str(folder / file) for name, file in outputs.items()},
        "parameters": parameters,
        "seed": seed,
    }
    (folder / "task.json").write_text(json.dumps(request, indent=2), encoding="utf-8")
    command = [sys.executable, "code.py", "task.json"]
    if (folder / "code.R").is_file():
        literal = globals()["r_literal"](request)  # defined at the end of this cell
        (folder / "task.R").write_text(literal, encoding="utf-8")
        command = ["Rscript", "--vanilla", "code.R", "task.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    print(done.stdout, end="")
    if done.returncode != 0:
        print(done.stderr, end="")
        print(f"ended with exit code {done.returncode}")
    for file in outputs.values():
        if (folder / file).is_file():
            show(folder / file)
