"""Tasks that run the registered script of a protocol: its steps as they were registered, without a model's call.

The code of a protocol's steps is one script, whose later steps use what earlier ones left in memory. A task carries
out one to three neighbouring steps of a part: its code is the script from the beginning to its last step, word for
word, behind a head that takes files from the task instead of a folder. So nothing has to be found out about which step
needs which, and draws of random numbers are those of the whole script. What the task declares is what its own steps
write into `OUT` and state by `finding`; what steps before it write is not kept for it.

Each task's code is so the beginning of the next one's: `execution/shared_runs.py` runs the longest once on the same
inputs, and every task takes from that run what its own part wrote.

`check` keeps a count instead of stopping, because the same code is also run on changed data, where no count is the
planned one; `with_counts` stops the task after the run where a count on the true data is another.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from bioresearcher.execution.attempt import AttemptResult
from bioresearcher.execution.code_checks import is_installed
from bioresearcher.execution.folders import attempt_folder
from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, Outcome, OutputKind, TaskCode, TaskInput, TaskOutput
from bioresearcher.schemas.protocol import Protocol, ProtocolStep, Rehearsal
from bioresearcher.stages.script import SCRIPT_BYTES, heading_of, task_head
from bioresearcher.text.normalise import plain_name, title_of

STEPS_A_TASK: Final = 3
"""Neighbouring steps of a part that one task carries out at most."""
COUNTS: Final = "counts.tsv"
FINDINGS: Final = "findings.json"
_KINDS: Final[Mapping[str, OutputKind]] = {
    ".tsv": "table",
    ".csv": "table",
    ".png": "figure",
    ".svg": "figure",
    ".txt": "text",
    ".md": "text",
    ".json": "model",
}
_READERS: Final = {"table", "matrix", "gene_sets", "file", "entry"}
_ELSEWHERE: Final = {"DATA", "MADE", "FILES", "__file__", "environ", "argv", "cwd", "_TASK", "_PARTS", "_begin", "_end"}
"""Names by which code reads files otherwise than through the head's functions, or learns where and for whom it runs."""
_READ_AGAIN: Final = {"read_csv", "read_table", "read_json", "read_text", "exists", "is_file"}
"""Calls that read what a step before has written."""
_FILE: Final = re.compile(r"[A-Za-z0-9][\w.+-]{0,79}")
_MOST_TOLD: Final = 3


def script_tasks(protocol: Protocol, datasets: Sequence[Dataset], held: Iterable[str] = ()) -> tuple[DryLabTask, ...]:
    """Return the tasks that the registered code of steps carries out, in the protocol's order, as `S1`, `S2`, ….

    Steps without code, wet steps, steps that are `held` by other tasks, and those whose code cannot run as a task (it
    reads files past the script's head, imports what is not installed, or lies behind the place where the last
    rehearsal ended) have none.
    """
    able = _able(protocol, {*held})
    idle = [s.id for s in protocol.steps if s.id in able and not _leaves_something(s, protocol.rehearsal)]
    groups = together(protocol, able, idle)
    return tuple(filter(None, (_task(f"S{n}", protocol, group, datasets) for n, group in enumerate(groups, 1))))


def together(protocol: Protocol, able: Iterable[str], idle: Iterable[str] = ()) -> tuple[tuple[ProtocolStep, ...], ...]:
    """Return the steps that tasks carry out together: neighbours of a part, at most three, groups alike in size.

    Steps that are `idle`, as they leave nothing to hold a task by, do not count and go with their neighbours; a group
    of idle steps only goes with the next group, the last one with the group before.
    """
    chosen, still = {*able}, {*idle}
    runs: list[list[ProtocolStep]] = []
    for part in protocol.parts:
        runs.append([])
        for step in part.steps:
            if step.id in chosen:
                runs[-1].append(step)
            elif runs[-1]:
                runs.append([])
    groups: list[list[ProtocolStep]] = []
    waiting: list[ProtocolStep] = []
    for run in filter(None, runs):
        busy = sum(s.id not in still for s in run)
        if not busy:
            waiting += run
            continue
        count = -(-busy // STEPS_A_TASK)
        ends = [round(n * busy / count) for n in range(1, count + 1)]
        made: list[list[ProtocolStep]] = [waiting]
        seen, waiting = 0, []
        for step in run:
            if seen == ends[len(made) - 1] and step.id not in still:
                made.append([])
            made[-1].append(step)
            seen += step.id not in still
        groups += made
    if waiting and groups:
        groups[-1] += waiting
    elif waiting:
        groups.append(waiting)
    return tuple(map(tuple, groups))


def registered_code(
    protocol: Protocol, datasets: Sequence[Dataset], task: DryLabTask, tasks: Iterable[DryLabTask] = ()
) -> TaskCode | None:
    """Return the registered code that carries out a task of `script_tasks`; None for any other task."""
    return registered_codes(protocol, datasets, (*tasks, task)).get(task.id)


def registered_codes(
    protocol: Protocol, datasets: Sequence[Dataset], tasks: Iterable[DryLabTask]
) -> dict[str, TaskCode]:
    """Return task id -> the registered code of those of the tasks that have some, in the script's order.

    Each is a beginning of the next, word for word.
    """
    known = {t.id: t for t in tasks}
    parts = {t.id: steps for t in known.values() if (steps := _steps_of(protocol, t))}
    if not parts:
        return {}
    files = _script_files(protocol, datasets)
    parts = {i: steps for i, steps in parts.items() if _fits(protocol, known[i], steps, files)}
    begins = {steps[0].id: i for i, steps in parts.items()}
    ends = {steps[-1].id: i for i, steps in parts.items()}
    text = '"""The registered script, to the end of a task\'s steps."""\n\n' + task_head(files).rstrip("\n")
    found = {}
    for step_id, title, code in _before(protocol, protocol.steps):
        if step_id in begins:
            text += f"\n\n\n# Task {begins[step_id]}\n_begin()"
        text += f"\n\n\n# {title}\n" + code.strip("\n")
        if step_id in ends:
            text += f"\n\n\n_end({ends[step_id]!r})\n"
            note = "The registered code of its steps, unchanged."
            found[ends[step_id]] = TaskCode(code=text, origin=protocol.origin, note=note)
        if len(found) == len(parts):
            break
    return found


def _steps_of(protocol: Protocol, task: DryLabTask) -> list[ProtocolStep]:
    """Return the steps of a task, all of which have code; none for a task that is not of the script."""
    steps = [s for s in protocol.steps if s.id in task.step_ids]
    coded = task.skill is None and all(s.code.strip() for s in steps)
    stated = any(o.name == "findings" and o.file == FINDINGS for o in task.outputs)
    return steps if coded and stated else []


def _fits(protocol: Protocol, task: DryLabTask, steps: Sequence[ProtocolStep], files: Sequence[_File]) -> bool:
    """Check that a task's code can run as one, and that its inputs are the files which that code reads."""
    before = _before(protocol, steps)
    if not all(_runs_alone(code) for _, _, code in before):
        return False
    read = _read_by(before, files)
    return [(given, d.id, f.name) for given, d, f in read] == [(i.name, i.dataset, i.file) for i in task.inputs]


def with_counts(result: AttemptResult, task: DryLabTask, folder: Path) -> AttemptResult:
    """Return the attempt at a task; one that saw other counts than the protocol fixed is `blocked`, and says which."""
    file = next((a for a in result.artifacts if a.name == "counts" and a.path.endswith(COUNTS)), None)
    if file is None or result.attempt.exit_code != 0 or not any(o.file == COUNTS for o in task.outputs):
        return result
    differing = differing_counts(folder / file.path)
    if not differing:
        return result
    message = f"DATA: counts that the protocol fixed beforehand are others on these data: {differing}"[:1000]
    attempt = result.attempt.model_copy(update={"outcome": Outcome.BLOCKED, "message": message})
    write_text(attempt_folder(folder, attempt.number) / "attempt.json", attempt.model_dump_json(indent=2) + "\n")
    return replace(result, attempt=attempt, findings=())


def differing_counts(path: Path) -> str:
    """Return the counts of a table of `check`s that are not the planned ones; empty when all are."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return f"{path.name} cannot be read: {error}"
    wrong = [f"{r['what']}: {r['seen']}, planned {r['planned']}" for r in rows if r.get("same") != "yes"]
    more = f" (and {len(wrong) - _MOST_TOLD} more)" if len(wrong) > _MOST_TOLD else ""
    return "; ".join(wrong[:_MOST_TOLD]) + more


def _able(protocol: Protocol, held: set[str]) -> tuple[str, ...]:
    """Return the ids of the steps whose registered code can run as a task."""
    rehearsal = protocol.rehearsal
    ended = rehearsal.place if rehearsal is not None and not rehearsal.ok else ""
    if rehearsal is not None and not rehearsal.ok and not ended.startswith("step "):
        return ()  # its head, a definition or a limit ended it: no step was seen to run
    if not all(_runs_alone(d.code) for d in protocol.definitions):
        return ()
    found = []
    size = sum(len(d.code.encode("utf-8", "replace")) for d in protocol.definitions)
    for step in protocol.steps:
        size += len(step.code.encode("utf-8", "replace"))
        if f"step {step.id}" == ended or not _runs_alone(step.code) or size > SCRIPT_BYTES:
            break
        if step.kind == "dry" and step.skill is None and step.code.strip() and step.id not in held:
            found.append(step.id)
    return tuple(found)


def _leaves_something(step: ProtocolStep, rehearsal: Rehearsal | None) -> bool:
    return any(True for _ in _written(step.code, rehearsal.files if rehearsal and rehearsal.ok else ()))


def _runs_alone(code: str) -> bool:
    """Check that code is Python, reads files through the head's functions only, and imports what is installed."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in ast.walk(tree):
        if (isinstance(node, ast.Name) and node.id in _ELSEWHERE) or (
            isinstance(node, ast.Attribute) and node.attr in _ELSEWHERE
        ):
            return False
        if isinstance(node, ast.Import) and not all(is_installed(a.name.split(".")[0]) for a in node.names):
            return False
        if isinstance(node, ast.ImportFrom) and not is_installed((node.module or "").split(".")[0] or "-"):
            return False
    return True


_Piece = tuple[str, str, str]
"""A step's id (empty for a definition), a heading and the code."""


def _before(protocol: Protocol, steps: Sequence[ProtocolStep]) -> tuple[_Piece, ...]:
    """Return definitions and steps with code up to the last of `steps`, in the order of the script."""
    last = protocol.steps.index(steps[-1])
    pieces = [("", f"Definition: {heading_of(d.name)}", d.code) for d in protocol.definitions]
    pieces += [(s.id, f"Step {s.id}: {heading_of(s.title)}", s.code) for s in protocol.steps[: last + 1]]
    return tuple(p for p in pieces if p[2].strip())


def _task(
    name: str, protocol: Protocol, steps: Sequence[ProtocolStep], datasets: Sequence[Dataset]
) -> DryLabTask | None:
    """Return the task of a group of steps; None when their code reads no file."""
    pieces = _before(protocol, steps)
    files = _read_by(pieces, _script_files(protocol, datasets))
    if not files:
        return None
    known = protocol.rehearsal.files if protocol.rehearsal is not None and protocol.rehearsal.ok else ()
    outputs = _outputs(steps, known, [f.path for _, _, f in files])
    if any(_calls(code, {"check"}) for _, _, code in pieces):
        counts = {"description": "counts that the protocol fixed beforehand, and what was seen", "min_rows": 0}
        outputs.append(TaskOutput.model_validate({"name": "counts", "file": COUNTS, "kind": "table", **counts}))
    said = "what the steps state of their results"
    outputs.append(TaskOutput(name="findings", file=FINDINGS, kind="findings", description=said))
    return DryLabTask(
        id=name,
        title=title_of("; ".join(s.title for s in steps)),
        goal="\n".join(s.action for s in steps),
        step_ids=tuple(s.id for s in steps),
        questions=tuple(dict.fromkeys(q for s in steps for q in s.questions)),
        inputs=tuple(TaskInput(name=given, dataset=d.id, file=f.name) for given, d, f in files),
        outputs=tuple(outputs),
    )


_File = tuple[str, Dataset, DataFile]
"""A file with its data set and the name of the tasks' input."""


def _script_files(protocol: Protocol, datasets: Sequence[Dataset]) -> list[_File]:
    """Return the files that the script may read, as far as its code can be read."""
    pieces = []
    for piece in _before(protocol, protocol.steps):
        if not _runs_alone(piece[2]):
            break
        pieces.append(piece)
    files = [(d, f) for d in datasets for f in d.files]
    named = [(plain_name(f"f{n}_{d.id}_{f.name}"), d, f) for n, (d, f) in enumerate(files, 1)]
    return _read_by(pieces, named)


def _begun(identity: str, texts: Iterable[str]) -> bool:
    """Tell that code puts the id of a question's rows together from pieces, as in `f"cohort-{question}"`."""
    return any(t and identity.startswith(t) and identity.removeprefix(t).lstrip("-A").isdecimal() for t in texts)


def _read_by(pieces: Iterable[_Piece], files: Sequence[_File]) -> list[_File]:
    """Return those of the files that code may read.

    Where every call names data set and file, these; else all files of the data sets that the code names anywhere.
    """
    named: set[tuple[str, str]] = set()
    texts: set[str] = set()
    plain = True
    for tree in (ast.parse(code) for _, _, code in pieces):
        texts |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        for call in _calls_of(tree, _READERS):
            said = [a.value if isinstance(a, ast.Constant) else None for a in call.args]
            said += ["expression"] if len(said) == 1 and getattr(call.func, "id", "") == "matrix" else []
            if len(said) == 2 and all(isinstance(s, str) for s in said) and not call.keywords:
                named.add((str(said[0]), str(said[1])))
            else:
                plain = False
    found = []
    for given, dataset, file in files:
        names = {(dataset.id, file.name), (dataset.id, PurePosixPath(file.path).name)}
        meant = dataset.id in texts or (not plain and dataset.analysis_of is not None and _begun(dataset.id, texts))
        if meant and (not plain or names & named):
            found.append((given, dataset, file))
    return found


def _outputs(steps: Sequence[ProtocolStep], rehearsed: Sequence[str], taken: Iterable[str]) -> list[TaskOutput]:
    """Return the files that the steps' code names and writes, under the steps' names for them where these are known.

    After a rehearsal that ran to its end, a file counts that was written in it.
    """
    used = {PurePosixPath(t).name.casefold() for t in taken} | {COUNTS, FINDINGS, "task.json"}
    found: list[TaskOutput] = []
    for step in steps:
        free = list(step.outputs)
        for file in _written(step.code, rehearsed):
            if file.casefold() in used:
                continue
            used.add(file.casefold())
            kind = _KINDS[PurePosixPath(file).suffix.lower()]
            stem = PurePosixPath(file).stem
            same = [o for o in free if _key(o.name) == _key(stem)]
            alike = [o for o in free if o.kind == kind and (_key(o.name) in _key(stem) or _key(stem) in _key(o.name))]
            output = next(iter(same or alike), None)
            if output is not None:
                free.remove(output)
            name = plain_name(output.name if output else stem) or kind
            name = name if name not in {o.name for o in found} | {"counts", "findings"} else f"{name}_{len(found)}"
            said = output.description if output else ""
            found.append(TaskOutput(name=name, file=file, kind=kind, description=said))
    return found


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _written(code: str, rehearsed: Sequence[str]) -> Iterable[str]:
    """Yield names of files in the code's texts that it does not read, and rehearsed ones that fit a text with gaps."""
    tree = ast.parse(code)
    inner = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    reads = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "attr", "") in _READ_AGAIN]
    inner |= {id(n) for call in reads for n in ast.walk(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            if _is_output(node.value) and (not rehearsed or node.value in rehearsed):
                yield node.value
        elif isinstance(node, ast.JoinedStr) and id(node) not in inner:
            texts = [str(v.value) if isinstance(v, ast.Constant) else None for v in node.values]
            pattern = "".join(".+" if t is None else re.escape(t) for t in texts)
            if any(texts):
                yield from (f for f in rehearsed if _is_output(f) and re.fullmatch(pattern, f))


def _is_output(text: str) -> bool:
    return bool(_FILE.fullmatch(text)) and safe_name(text) == text and PurePosixPath(text).suffix.lower() in _KINDS


def _calls_of(tree: ast.AST, names: set[str]) -> list[ast.Call]:
    calls = (n for n in ast.walk(tree) if isinstance(n, ast.Call))
    return [c for c in calls if isinstance(c.func, ast.Name) and c.func.id in names]


def _calls(code: str, names: set[str]) -> bool:
    return bool(_calls_of(ast.parse(code), names))
