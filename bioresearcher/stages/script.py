"""The script of a protocol: the code of its definitions and steps, in their order, behind a head that reads the files.

The script stands alone: it needs Python with the packages it imports and the files of the data sets, nothing of this
program. Its head is ours; everything else is the author's code, unchanged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.ask_design import StepCode
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.text.normalise import known_id
from bioresearcher.text.visible import one_line

SCRIPT_BYTES: Final = 60_000
"""Bytes of a script at most."""
CODE_CHARS: Final = 12_000
"""Characters of code that one task's programmer is shown, the task's own steps always in full."""
SCRIPT_FILE: Final = "protocol-script.py"
MADE_FOLDER: Final = "protocol-data"
"""Folder beside the script with the tables that were made of the given files before it."""

IMPORTS: Final = """import gzip
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
"""
_TASK_IMPORTS: Final = IMPORTS.replace("import os\n", "import shutil\n")

_PLACES: Final = '''
DATA = Path(os.environ.get("DATA", "data"))  # the folder of the files as they were given
MADE = Path(__file__).resolve().with_name("protocol-data")  # tables that were made of them before this script
OUT = Path(os.environ.get("OUT", "."))  # the folder of tables and figures
REHEARSAL = bool(os.environ.get("REHEARSAL"))  # true where DATA holds copies with shuffled outcomes and groups
FILES = {
%s
}


def entry(dataset, name):
    """Return the path of a file and its column of features; name is the short name or that of the file."""
    for (of, short), (path, features) in FILES.items():
        if of == dataset and name in (short, Path(path).name):
            known = [place / path for place in (DATA, MADE) if (place / path).is_file()]
            found = known or sorted(DATA.rglob(Path(path).name))
            if len(found) != 1 and not known:
                raise FileNotFoundError(f"{path} is {'twice' if found else 'not'} below {DATA} and not in {MADE}")
            return found[0], features
    raise FileNotFoundError(f"there is no file {name!r} of {dataset!r}; there is {', '.join(map(str, FILES))}")
'''

_TASK_PLACES: Final = '''
_TASK = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
_PARTS = _TASK.get("parts") or {_TASK["task"]: _TASK["outputs"]}  # of the tasks that this run carries out
OUT = Path.cwd() / "steps"  # the folder of tables and figures, of which each task keeps its own
OUT.mkdir(exist_ok=True)
REHEARSAL = False
FILES = {
%s
}


def entry(dataset, name):
    """Return the path of a file and its column of features; name is the short name or that of the file."""
    for (of, short), (given, file_name, features) in FILES.items():
        if of == dataset and name in (short, file_name):
            return Path(_TASK["inputs"][given]), features
    raise FileNotFoundError(f"there is no file {name!r} of {dataset!r}; there is {', '.join(map(str, FILES))}")
'''

_READERS: Final = '''

def file(dataset, name):
    """Return the path of a file."""
    return entry(dataset, name)[0]


def table(dataset, name):
    """Read a table with every cell as text; an empty cell is an empty text."""
    path = file(dataset, name)
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig") as lines:
        head = lines.readline()
    return pd.read_csv(path, sep=max("\\t;,", key=head.count), dtype=str, keep_default_na=False, encoding="utf-8-sig")


def matrix(dataset, name="expression"):
    """Read a matrix as numbers: rows are features, columns are samples; columns without any number are left out."""
    cells = table(dataset, name)
    cells = cells.set_index(entry(dataset, name)[1] or cells.columns[0])
    return cells.apply(pd.to_numeric, errors="coerce").dropna(axis=1, how="all")


def gene_sets(dataset, name):
    """Read gene sets: name -> list of symbols."""
    rows = [line.split("\\t") for line in file(dataset, name).read_text(encoding="utf-8").splitlines()]
    return {row[0]: [gene for gene in row[2:] if gene] for row in rows if len(row) > 2}


_FINDINGS = []


def finding(statement, values=None, **result):
    """Print a result in words and keep it with its numbers; what answers a question has kind=, n=, estimate= …."""
    print(statement)
    numbers = {name: value for name, value in result.items() if not isinstance(value, (str, type(None)))}
    kept = {"statement": str(statement), "values": _plain({**numbers, **(values or {})})}
    _FINDINGS.append(kept | ({"result": _plain(result)} if result else {}))
    (OUT / "findings.json").write_text(json.dumps(_FINDINGS, indent=1, ensure_ascii=False), encoding="utf-8")


def _plain(value):
    """Return numbers of numpy as those of Python, and none that is not finite."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray, pd.Series, pd.Index)):
        return [_plain(one) for one in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
'''

_CHECK: Final = '''

def check(what, seen, planned, shuffled=False):
    """Print a count, and stop where it is not the planned one; a rehearsal does not test those of shuffled columns."""
    print(f"{what}: {seen}" + ("" if seen == planned else f" (planned: {planned})"))
    if seen != planned and not (REHEARSAL and shuffled):
        raise ValueError(f"{what}: {seen}, planned {planned}: stop and find the reason")
'''

_TASK_CHECK: Final = '''

_COUNTS = []


def check(what, seen, planned, shuffled=False):
    """Print and keep a count; a program reads after the run whether each is the planned one, and stops if not."""
    same = bool(np.all(seen == planned))
    print(f"{what}: {seen}" + ("" if same else f" (planned: {planned})"))
    kept = {"what": str(what), "seen": _plain(seen), "planned": _plain(planned), "same": "yes" if same else "no"}
    _COUNTS.append(kept)


_BEFORE, _FIRST, _LEFT = set(), 0, set(_PARTS)


def _begin():
    """Begin the part of a task."""
    global _BEFORE, _FIRST
    _FINDINGS.clear()
    _BEFORE, _FIRST = {path.name for path in OUT.iterdir()}, len(_COUNTS)


def _end(task):
    """End the part of a task: what it declares, and nothing that steps before have written, is kept."""
    if task not in _PARTS:
        return
    outputs = {name: Path(place) for name, place in _PARTS[task].items()}
    names = {place.name for place in outputs.values()}
    folder = outputs["findings"].parent
    folder.mkdir(exist_ok=True)
    if "counts" in outputs:
        kept = pd.DataFrame(_COUNTS, columns=["what", "seen", "planned", "same"])
        kept.to_csv(OUT / outputs["counts"].name, sep="\t", index=False)
    if not _FINDINGS:
        for count in _COUNTS[_FIRST:]:
            finding(f"{count['what']}: {count['seen']}", {"seen": count["seen"]})
    if not _FINDINGS:
        for name in sorted(n for n in names if n.endswith((".tsv", ".csv")) and n != "counts.tsv"):
            rows = len(pd.read_csv(OUT / name, sep="\t" if name.endswith(".tsv") else ",", dtype=str))
            finding(f"{name} has {rows} rows.", {"rows": rows})
    if not _FINDINGS:
        finding("The steps ran to their end and state no number.")
    for path in OUT.iterdir():
        if path.is_file() and (path.name in names or path.name not in _BEFORE):
            shutil.copyfile(path, folder / path.name)
    _LEFT.discard(task)
    if not _LEFT:
        shutil.rmtree(OUT)
    if "parts" in _TASK:
        print(f"[end of the part of task {task}]", flush=True)
        watch = sys.modules.get("sitecustomize")  # it notes in a re-run whether random numbers were drawn so far
        if hasattr(watch, "note_so_far"):
            watch.note_so_far(str(folder))
        (folder / "part-ended").touch()
'''


@dataclass(frozen=True)
class Script:
    """A script with the place in the protocol of each of its lines.

    Attributes:
        places: For each piece of the author's code its place (`step 2.1`, `definition Score`), its first line and its
            last, counted from 1.
    """

    text: str
    places: tuple[tuple[str, int, int], ...]

    def place_of(self, line: int | None) -> str:
        """Return the place of a line; empty for a line of the head, and for none."""
        return next((p for p, first, last in self.places if line is not None and first <= line <= last), "")


def heading_of(text: str) -> str:
    """Return a title as it stands in a comment: one line, in which nothing begins a tag."""
    return _TAG.sub("< ", one_line(text))


def script_of(protocol: Protocol, datasets: Sequence[Dataset]) -> Script | None:
    """Return the script of a protocol; None when neither a step nor a definition has code."""
    pieces = [(f"definition {d.name}", heading_of(d.name), d.code) for d in protocol.definitions]
    pieces += [(f"step {s.id}", f"Step {s.id}: {heading_of(s.title)}", s.code) for s in protocol.steps]
    pieces = [piece for piece in pieces if piece[2].strip()]
    if not pieces:
        return None
    title = heading_of(protocol.title).replace('"', "'").replace("\\", "/")
    lines = [f'"""{title}', "", "DATA names the folder of the files as given, OUT that of the results.", '"""', ""]
    lines += head_of(datasets).splitlines()
    places = []
    for place, heading, code in pieces:
        lines += ["", "", f"# {heading}"]
        first = len(lines) + 1
        lines += code.strip("\n").splitlines()
        places.append((place, first, len(lines)))
    return Script("\n".join(lines) + "\n", tuple(places))


def head_of(datasets: Sequence[Dataset]) -> str:
    """Return the script's head: imports, the files, and functions that read them."""
    rows = (
        f"    ({d.id!r}, {f.name!r}): ({where!r}, {f.feature_column!r}),"
        for d in datasets
        for f in d.files
        for where in [place_of(d, f)]
    )
    return IMPORTS + _PLACES % "\n".join(rows) + _READERS + _CHECK


def task_head(files: Sequence[tuple[str, Dataset, DataFile]]) -> str:
    """Return the head of a task that runs a part of the script: files by (input name, data set, file)."""
    rows = (
        f"    ({d.id!r}, {f.name!r}): ({given!r}, {PurePosixPath(f.path).name!r}, {f.feature_column!r}),"
        for given, d, f in files
    )
    return _TASK_IMPORTS + _TASK_PLACES % "\n".join(rows) + _READERS + _TASK_CHECK


_TAG: Final = re.compile(r"<(?=[A-Za-z/!?])")
_READ_BY_NAME: Final = re.compile(r"""\b(?:table|matrix|gene_sets|file)\(\s*(["'])(.+?)\1""")


def made_files(protocol: Protocol, datasets: Sequence[Dataset]) -> tuple[tuple[Dataset, DataFile], ...]:
    """Return the files that the script may read and nobody gave: converted, completed or prepared tables.

    The rows of a question are among them where code reads them by their own name.
    """
    code = "\n".join((*(d.code for d in protocol.definitions), *(s.code for s in protocol.steps)))
    read = {m[2] for m in _READ_BY_NAME.finditer(code)}
    made = (d for d in datasets if (d.id in read if d.analysis_of else (d.given or d.prepared_from) and d.id in code))
    return tuple((d, f) for d in made for f in d.files)


def place_of(dataset: Dataset, file: DataFile) -> str:
    """Return the path of a file below the folder that holds its data set."""
    return f"{safe_name(dataset.id)}/{PurePosixPath(file.path).name}"


def code_for(protocol: Protocol, step_ids: Sequence[str], module: str = "") -> str:
    """Return the code of steps with that of definitions, and of earlier steps, the nearest first, as far as it fits.

    Steps without code have that of the definitions; empty when these have none either. With a `module`, the code of
    definitions stands there, and a line says so.
    """
    own = [s for s in protocol.steps if s.id in step_ids and s.code.strip()]
    known = [d.code for d in protocol.definitions if d.code.strip()]
    pieces = [f"# These definitions can be imported: from {module} import …", *known] if module and known else known
    if not own:
        return "\n\n".join(p.strip("\n") for p in pieces)
    chosen = {s.id for s in own}
    room = CODE_CHARS - sum(map(len, (*pieces, *(s.code for s in own))))
    before = protocol.steps[: protocol.steps.index(own[-1])]
    for step in (s for s in reversed(before) if s.code.strip() and s.id not in chosen):
        room -= len(step.code)
        if room < 0:
            break
        chosen.add(step.id)
    pieces += [f"# Step {s.id}: {heading_of(s.title)}\n{s.code}" for s in protocol.steps if s.id in chosen]
    return "\n\n".join(p.strip("\n") for p in pieces)


def problem_of(script: Script) -> tuple[str, str]:
    """Return why a script cannot be run and the place of it; empty when it can be tried."""
    if len(script.text.encode("utf-8", "replace")) > SCRIPT_BYTES:
        return f"the script has more than {SCRIPT_BYTES:,} bytes", ""
    try:
        ast.parse(script.text)
    except SyntaxError as error:
        return f"line {error.lineno} is no Python: {error.msg}", script.place_of(error.lineno)
    except (ValueError, RecursionError) as error:
        return f"the script is no Python: {error}", ""
    return "", ""


def with_code(protocol: Protocol, changed: Iterable[StepCode]) -> tuple[Protocol, tuple[str, ...]]:
    """Return the protocol with code put in, and the places that are not there."""
    steps = [s.id for s in protocol.steps]
    names = [d.name for d in protocol.definitions]
    new: dict[str, str] = {}
    lost = []
    for piece in changed:
        place = _place(piece.place, steps, names)
        if place:
            new[place] = piece.code.strip("\n")
        else:
            lost.append(one_line(piece.place)[:60])
    return _coded(protocol, new), tuple(lost)


def _place(named: str, steps: Sequence[str], names: Sequence[str]) -> str:
    if (found := re.search(r"(?<![\d.])\d{1,3}\.\d{1,3}(?![\d.])", named)) and known_id(found[0], steps):
        return f"step {found[0]}"
    name = re.sub(r"(?i)^\s*definitions?\b[\s:]*", "", named).strip(" .`\"'")
    known = next((n for n in names if n.casefold().strip(" .") == name.casefold()), None)
    return f"definition {known}" if known is not None else ""


def _coded(protocol: Protocol, new: Mapping[str, str]) -> Protocol:
    if not new:
        return protocol
    definitions = tuple(
        d.model_copy(update={"code": new.get(f"definition {d.name}", d.code)}) for d in protocol.definitions
    )
    parts = tuple(
        p.model_copy(
            update={"steps": tuple(s.model_copy(update={"code": new.get(f"step {s.id}", s.code)}) for s in p.steps)}
        )
        for p in protocol.parts
    )
    return protocol.model_copy(update={"definitions": definitions, "parts": parts})
