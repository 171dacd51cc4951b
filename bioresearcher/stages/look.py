"""Looks: small read-only scripts that a model runs on a view of the data, and facts that they show.

A look is a process of its own in the sandbox. It sees its view and the gene sets read-only, no other view, no network,
and a work folder that is thrown away. Nothing about it raises: what was not run, failed, was killed or printed nothing
says so in the first line of what is shown.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from bioresearcher.audit.views import GENE_SETS, view_folder, view_names
from bioresearcher.errors import BioresearcherError
from bioresearcher.execution.inside import looking
from bioresearcher.execution.process import without_places
from bioresearcher.llm.converse import FAILED, Place, Seen
from bioresearcher.prompts import untrusted
from bioresearcher.runfolder import file_sha256, write_text
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.sandbox.limits import explain
from bioresearcher.schemas.conversation import FactAction, LookAction
from bioresearcher.schemas.execution import ExecResult, Limits
from bioresearcher.schemas.facts import Fact, View
from bioresearcher.stages.fact_numbers import unseen_numbers
from bioresearcher.text.visible import visible

LIMITS: Final = Limits(
    wall_s=30, cpu_s=30, memory_mb=1536, processes=16, file_mb=50, disk_mb=50, files=200, tmp_mb=50, shm_mb=16
)
"""Limits of one look."""
CODE_BYTES: Final = 8_000
SHOWN_BYTES, SHOWN_BYTES_LATER, LATER = 4096, 2048, 7
"""Bytes shown of a result, and of those from the seventh look on."""
ALL_S: Final = 180.0
"""Seconds of all looks of a conversation together."""
PACKAGES: Final = ("numpy", "pandas", "scipy", "scikit-learn", "statsmodels", "lifelines")

_TOOL = "look-3"
_ERROR_BYTES = 1500
_FAILED_BYTES = 800  # shown of what a look printed before it failed
_IN_NUMBER = r"[\w.,+-]+"
_TAIL_SHARE = 0.3
_LEFT_OUT = "[… {:,} bytes left out …]"


@dataclass(frozen=True)
class Shown:
    """Result of a look.

    Attributes:
        head: First line, ours: how it ended, and how much of its output is shown.
        body: What is shown of its output; empty if it printed nothing or was not run.
        exit_code: Exit code of the process; None if it was not run or was killed.
        killed: Name of the limit that ended it; empty otherwise.
        bytes_seen: Bytes printed before its end, as far as they were kept.
        refused: Reason why it was not run; empty when it was.
        seconds: Wall time.
    """

    head: str
    body: str = ""
    exit_code: int | None = None
    killed: str = ""
    bytes_seen: int = 0
    refused: str = ""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """Exactly what a model is shown; the output is delimited as text from outside."""
        return f"{self.head}\n{untrusted(self.body, 'output of the look')}" if self.body else self.head


async def run_look(
    sandbox: Sandbox,
    views_folder: Path,
    view: View,
    code: str,
    *,
    shown_bytes: int = SHOWN_BYTES,
    limits: Limits = LIMITS,
    names: Mapping[str, str] | None = None,
) -> Shown:
    """Run a script on a view.

    Args:
        sandbox: Where it runs; without isolation nothing is run, because the script could read the outcomes.
        views_folder: Folder of all views, as `audit.views.make_views` filled it.
        view: The view that the script sees, as `/data/view`; `table(name)` loads its files, `show(x)` prints compactly.
        code: Python.
        shown_bytes: Most bytes of its output that are shown; head and tail of longer ones.
        limits: Limits of the process tree.
        names: Sample names that the code may ask for, each with its code in the view.
    """
    folder = view_folder(views_folder, view)
    if refused := _refusal(sandbox, folder, code):
        return Shown(f"not run: {refused}", refused=refused)
    started = time.perf_counter()
    try:
        place = temporary_folder()
        try:
            result, places = await _run(sandbox, place, folder, views_folder / GENE_SETS, code, limits, names or {})
        finally:
            remove_tree(place)
    except (BioresearcherError, OSError):
        refused = "the sandbox could not be set up"
        return Shown(f"not run: {refused}", refused=refused)
    return _shown(result, places, shown_bytes, limits, time.perf_counter() - started)


def _refusal(sandbox: Sandbox, folder: Path, code: str) -> str:
    size = len(code.encode("utf-8", "replace"))
    if sandbox.name == "none":
        return "looks need a sandbox that isolates them, because outcomes are withheld"
    if size > CODE_BYTES:
        return f"the code has {size:,} bytes, more than the {CODE_BYTES:,} of a look; look at less at a time"
    if not code.strip():
        return "there is no code"
    return "" if folder.is_dir() else "the view's files are not there"


async def _run(
    sandbox: Sandbox, place: Path, view: Path, sets: Path, code: str, limits: Limits, names: Mapping[str, str]
) -> tuple[ExecResult, tuple[Path, ...]]:
    script, work = place / "code", place / "work"
    for folder in (script, work):
        folder.mkdir()
    write_text(script / "looking.py", _helper())
    write_text(script / "look.py", code.encode("utf-8", "replace").decode())
    data = {"view": view, **({"gene_sets": sets} if sets.is_dir() else {})}
    job = Job(code_dir=script, script="looking.py", work_dir=work, data=data, limits=limits)
    inside = sandbox.layout(job).data
    env = {"LOOK_VIEW": inside["view"], **({"LOOK_GENE_SETS": inside["gene_sets"]} if sets.is_dir() else {})}
    env |= {"LOOK_NAMES": json.dumps(names)} if names else {}
    job = Job(code_dir=script, script="looking.py", work_dir=work, data=data, limits=limits, env=env)
    return await sandbox.run(job), (place, view, sets, Path(sys.prefix), Path(sys.base_prefix))


@cache
def _helper() -> str:
    return Path(looking.__file__).read_text(encoding="utf-8")


def _shown(result: ExecResult, places: Sequence[Path], most: int, limits: Limits, seconds: float) -> Shown:
    """Cut and clean the output. Of a killed look only the head is shown: its end differs from run to run."""
    out = visible(without_places(result.stdout, *places)).strip("\n")
    seen = len(result.stdout.encode("utf-8", "replace"))
    killed = result.killed or ""
    failed = bool(killed) or result.exit_code != 0
    error = ""
    if not killed and (failed or not out):  # a killed process's last words differ from run to run
        error = end_of(visible(without_places(result.stderr, *places)).strip(), min(_ERROR_BYTES, most // 2))
    room = min(most - len(error.encode()), _FAILED_BYTES if failed and not killed else most)
    body = _start(out, room) if killed else head_and_tail(out, room)
    whole = len(out.encode())
    if killed:
        end = f"killed, {explain(killed, limits)}"
        size = "the beginning of its output is shown" if body else "nothing was printed"
    else:
        end = f"exit {result.exit_code}" + (" (failed)" if failed else "")
        kept = len(body.encode())
        size = f"{whole:,} bytes shown" if whole <= room else f"{kept:,} of {whole:,} bytes shown"
        size = size if out else "nothing was printed"
    parts = [p for p in (body, f"error output:\n{error}" if error else "") if p]
    return Shown(
        head=f"{end} · {size}",
        body="\n".join(parts),
        exit_code=None if killed else result.exit_code,
        killed=killed,
        bytes_seen=seen,
        seconds=round(seconds, 3),
    )


def _start(text: str, most: int) -> str:
    """Cut the end off, at a line's end or at least not in a number."""
    if len(text.encode()) <= most:
        return text
    piece = text.encode()[: max(0, most)].decode(errors="ignore")
    line, found, _ = piece.rpartition("\n")
    return line if found else re.sub(rf"(?a:{_IN_NUMBER})$", "", piece)


def end_of(text: str, most: int) -> str:
    """Cut the beginning off, at a line's end or at least not in a number."""
    if len(text.encode()) <= most:
        return text
    piece = text.encode()[-most:].decode(errors="ignore") if most > 0 else ""
    _, found, lines = piece.partition("\n")
    return lines if found else re.sub(rf"^(?a:{_IN_NUMBER})", "", piece)


def head_and_tail(text: str, most: int) -> str:
    """Cut the middle out at ends of lines, so that what is left has at most `most` bytes."""
    size = len(text.encode())
    if size <= most:
        return text
    room = max(0, most - len(_LEFT_OUT.format(size).encode()) - 2)
    tail = end_of(text, int(room * _TAIL_SHARE)) if int(room * _TAIL_SHARE) else ""
    head = _start(text, room - len(tail.encode()))
    return f"{head}\n{_LEFT_OUT.format(size - len(head.encode()) - len(tail.encode()))}\n{tail}"


class LookTool:
    """Carries out `look`: a script on one of the run's views."""

    kind = "look"
    repeatable = False
    pure = True
    """A look depends on nothing but its view and its code."""

    def __init__(
        self,
        sandbox: Sandbox,
        views_folder: Path,
        views: Iterable[View],
        *,
        prefix: str = "L",
        shown_bytes: int = SHOWN_BYTES,
    ) -> None:
        """Offer views.

        `prefix` begins the ids of looks: `L` of the designer's, `V` of the reviewer's; `shown_bytes` is the most that
        is shown of a result.
        """
        self.prefix = prefix
        self._shown_bytes = shown_bytes
        self._sandbox = sandbox
        self._folder = views_folder
        self._views = {view.id: view for view in views}

    def key(self, action: LookAction) -> str:
        """Return a digest of code and view, and of all that the script can see: files, helpers, versions."""
        view = self._views.get(action.view)
        seen = [view.digest if view else "", *_surroundings(self._folder / GENE_SETS), str(self._shown_bytes)]
        seen += [json.dumps(named, sort_keys=True)] if (named := self._named(action)) else []
        parts = [_TOOL, action.view, action.code, seen]
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()

    async def run(self, action: LookAction, place: Place) -> Seen:
        """Run the script; a refusal is a result too."""
        used = sum(_seconds(done.meta) for done in place.before)
        view = self._views.get(action.view)
        named = self._named(action)
        ran = [d.action for d in place.before if isinstance(d.action, LookAction) and not d.meta.get("refused")]
        asked = {n for action in ran for n in self._named(action)} | {*named}
        if view is None:
            shown = _not_run(f"there is no view {action.view[:60]!r}; there is {', '.join(self._views) or 'none'}")
        elif named and len(asked) > (most := most_names(len(view_names(self._folder, view)))):
            shown = _not_run(f"codes of {len(asked)} samples are asked for by name in all; at most {most} are given")
        elif used >= ALL_S:
            shown = _not_run(f"all looks together have used their {ALL_S:g} s")
        else:
            number = int(re.sub(r"\D", "", place.id) or 1)
            most = min(self._shown_bytes, SHOWN_BYTES_LATER if number >= LATER else SHOWN_BYTES)
            shown = await run_look(self._sandbox, self._folder, view, action.code, shown_bytes=most, names=named)
        return Seen(
            shown.text,
            {
                "exit_code": shown.exit_code,
                "killed": shown.killed,
                "bytes_seen": shown.bytes_seen,
                "refused": shown.refused,
                FAILED: bool(shown.refused or shown.killed or shown.exit_code),
                "seconds": shown.seconds,
            },
        )

    def _named(self, action: LookAction) -> dict[str, str]:
        """Return the samples that a look asks for by name, each with its code in the view."""
        view = self._views.get(action.view)
        if view is None or "code_of" not in action.code:
            return {}
        texts = texts_in(action.code)
        return {name: code for name, code in view_names(self._folder, view).items() if name in texts}


def most_names(samples: int) -> int:
    """Return how many samples looks may ask for by name: a few that a plan leaves out, never all in their order."""
    return max(3, samples // 10)


def texts_in(code: str) -> frozenset[str]:
    """Return the texts that stand in Python code; none where it cannot be read."""
    try:
        nodes = list(ast.walk(ast.parse(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))


def _not_run(reason: str) -> Shown:
    return Shown(f"not run: {reason}", refused=reason)


def _seconds(meta: Mapping[str, object]) -> float:
    value = meta.get("seconds", 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _surroundings(sets: Path) -> list[str]:
    """List what a look depends on beside view and code: interpreter, packages, helper module, gene sets."""
    found = [platform.python_version(), hashlib.sha256(_helper().encode()).hexdigest()]
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    if sets.is_dir():
        found += [f"{path.name} {file_sha256(path)}" for path in sorted(sets.iterdir())]
    return found


def state_fact(
    looks: Mapping[str, tuple[str, str]], action: FactAction, fact_id: str, basis: str = "", sizes: Iterable[float] = ()
) -> Fact | str:
    """Make a fact of a statement that a look showed, or return in words why it is refused.

    Args:
        looks: Id of each look -> (id of its view, exactly what it showed).
        action: The statement and the look that it rests on.
        fact_id: Id that the fact gets.
        basis: The rows and columns that the look computed with, as the program tells them; put behind the statement.
        sizes: Numbers known without what it showed: rows and samples of the view, quantiles its code asks for.
    """
    found = looks.get(action.look.strip())
    if found is None:
        return f"there is no look {action.look[:40]!r}; there is {', '.join(looks) or 'none'}"
    view, shown = found
    if not action.statement.strip():
        return "it says nothing"
    if "\n" not in shown:
        return f"{action.look.strip()} showed nothing"
    missing = unseen_numbers(action.statement, shown, sizes)
    if missing:
        listed = ", ".join(missing[:8])
        return (
            f"{action.look.strip()} does not show {listed}; state numbers as it printed them or as plain arithmetic "
            "over them (`162 = 120 + 42`, `42 of 120 (35%)`, rows of its table by a level or range), or look again"
        )
    return Fact(
        id=fact_id,
        kind="look",
        dataset=view.rpartition("/")[0],
        statement=f"{action.statement.strip()} {basis}".strip(),
        consequence=action.consequence.strip(),
        weight=2,
        shown_by=action.look.strip(),
    )
