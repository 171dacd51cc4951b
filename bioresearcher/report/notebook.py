"""The run as a Jupyter notebook: each task's code in a cell, with the recorded output and figures."""

from __future__ import annotations

import inspect
import json
from base64 import b64decode
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioresearcher.execution.attempt import SEED
from bioresearcher.execution.input_snapshot import find_input
from bioresearcher.execution.languages import r_literal
from bioresearcher.report.run_data import OutputFile, RunView, TaskView
from bioresearcher.report.summaries import title
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import Attempt, TaskInput
from bioresearcher.text.format import md
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from nbformat import NotebookNode

_INTRODUCTION = """Each task is two cells: the first writes its code, the second runs it on the run's data and shows \
what came out. What you see below was recorded in the run; running a cell makes it again under `notebook-outputs/`, \
beside it.

**Running a cell executes generated code without the sandbox.** `bioresearcher reproduce` does it inside one. Open the \
notebook in its run folder, with a kernel that has the packages of the run (`run.json`, `versions`)."""


def render_notebook(folder: RunFolder, view: RunView) -> str:
    """Render the notebook as JSON (nbformat 4.5), with the recorded outputs; the same run gives the same text."""
    import nbformat
    from nbformat.v4 import new_notebook

    cells = list(_cells(folder, view))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}, "title": title(view)}
    )
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def _cells(folder: RunFolder, view: RunView) -> Iterator[NotebookNode]:
    from nbformat.v4 import new_code_cell, new_markdown_cell

    yield new_markdown_cell(f"# {md(title(view))}\n\n{md(view.run.objective.text)}\n\n{_INTRODUCTION}")
    start = resources.files("bioresearcher.report").joinpath("notebook_start.py").read_text(encoding="utf-8")
    places = "".join(f"code_folder({t.task.id!r})\n" for t in view.tasks if t.has_code)
    literal = f"import math\n\n{inspect.getsource(r_literal)}"
    yield new_code_cell(f"{start}\n\n{literal}\n\n{places}".rstrip() + "\n", execution_count=1)
    count = 1
    for task in view.tasks:
        yield new_markdown_cell(_about(task))
        if not task.has_code:
            continue
        code = folder.path(task.folder, task.task.code_file)
        written = f"%%writefile notebook-outputs/{task.task.id}/{code.name}\n{code.read_text(encoding='utf-8')}"
        yield new_code_cell(written, execution_count=count + 1)
        yield new_code_cell(_call(folder, view, task), execution_count=count + 2, outputs=list(_recorded_outputs(task)))
        count += 2


def _about(task: TaskView) -> str:
    lines = [f"## {task.task.id} {md(task.task.title)}", md(task.task.goal)]
    message = f" – {md(task.record.message)}" if task.record and task.record.message else ""
    lines.append(f"Recorded outcome: **{task.outcome}**{message}")
    if task.record:
        lines += [f"- {md(finding.statement)}" for finding in task.record.findings]
    return "\n\n".join(lines)


def _call(folder: RunFolder, view: RunView, task: TaskView) -> str:
    """Write the call that runs a task; every value is a Python literal."""
    inputs = {item.name: _source(folder, view, item) for item in task.task.inputs}
    outputs = {output.name: output.file for output in task.task.outputs}
    # a round through JSON, so that nothing but plain values is written
    parameters = json.loads(json.dumps(task.task.parameters))
    return (
        f"run_task(\n    {task.task.id!r},\n    inputs={inputs!r},\n    outputs={outputs!r},\n"
        f"    parameters={parameters!r},\n    seed={SEED},\n    title={one_line(task.task.title, 200)!r},\n)"
    )


def _source(folder: RunFolder, view: RunView, item: TaskInput) -> dict[str, str]:
    if item.task is not None:
        maker = next((t.task for t in view.tasks if t.task.id == item.task), None)
        file = next((o.file for o in maker.outputs if o.name == item.output), "") if maker else ""
        return {"task": item.task, "output": file}
    dataset = next((d for d in view.datasets if d.id == item.dataset), None)
    file_of = next((f for f in dataset.files if f.name == item.file), None) if dataset else None
    path = find_input(folder, dataset, file_of) if dataset and file_of else None
    if path is None:
        return {"file": "not-kept"}
    inside = path.is_relative_to(folder.root)
    return {"file": path.relative_to(folder.root).as_posix() if inside else str(Path(path).resolve())}


def _recorded_outputs(task: TaskView) -> Iterator[Any]:
    """Outputs of the run cell: text printed by the deciding attempt, and the task's files as they are now."""
    from nbformat.v4 import new_output

    attempt = _deciding_attempt(task)
    if attempt is not None:
        for name, text in (("stdout", attempt.stdout), ("stderr", attempt.stderr if attempt.exit_code else "")):
            if text:
                yield new_output("stream", name=name, text=text)
    for output in task.outputs:
        data = _displayed(output)
        if data:
            yield new_output("display_data", data=data)


def _deciding_attempt(task: TaskView) -> Attempt | None:
    """Find the last attempt with the task's outcome."""
    attempts = task.record.attempts if task.record else ()
    return next((a for a in reversed(attempts) if a.outcome is task.outcome), None)


def _displayed(output: OutputFile) -> dict[str, str]:
    name = output.artifact.path.rsplit("/", 1)[-1]
    if output.state != "same":
        return {"text/plain": f"{name}: {output.note}"}
    if output.figure is not None:
        kind, _, data = output.figure.data_uri.removeprefix("data:").partition(";base64,")
        return {kind: data if kind == "image/png" else b64decode(data).decode("utf-8", "replace"), "text/plain": name}
    if output.table is not None:
        header = "\t".join(c.name for c in output.table.columns)
        rows = ["\t".join(shown for shown, _ in row) for row in output.table.rows]
        return {"text/plain": "\n".join([f"{name} ({output.table.extent})", header, *rows])}
    return {"text/plain": f"{name}\n{output.text}".strip()}
