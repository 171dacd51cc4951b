"""`%load_ext bioresearcher`: the magics `%ask` and `%%review` of a notebook.

`%ask QUESTION` asks the papers of the latest finished run, `%ask --run RUN QUESTION` those of another;
`%%review [KIND]` reviews the protocol in its cell.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from bioresearcher.doors.api import Run, ask_library, list_runs, open_run, review_protocol
from bioresearcher.doors.run_html import answer_html, review_html
from bioresearcher.errors import BioresearcherError, InputError
from bioresearcher.schemas.library import LibraryAnswer
from bioresearcher.schemas.review import Review

V = TypeVar("V")
_ASKED = re.compile(r"^(\s*(?:\w+\s*=\s*)?%ask\s+)(\S.*\?)(?=\s*$)")


class Shell(Protocol):
    """As much of IPython as is used."""

    input_transformers_cleanup: list[Callable[[list[str]], list[str]]]

    def register_magic_function(self, func: object, magic_kind: str, magic_name: str) -> None:
        """Make a function a magic."""


class Shown(Generic[V]):
    """A value that a notebook draws."""

    def __init__(self, value: V, html: str) -> None:
        self.value = value
        self._html = html

    def __repr__(self) -> str:
        return repr(self.value)

    def _repr_html_(self) -> str:
        return self._html


def load_ipython_extension(shell: Shell) -> None:
    """Register the magics."""
    shell.register_magic_function(_ask, "line", "ask")
    shell.register_magic_function(_review, "cell", "review")
    if _keep_question_marks not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_keep_question_marks)


def _keep_question_marks(lines: list[str]) -> list[str]:
    """Quote the question of `%ask`: a line that ends with `?` is a request for help to IPython."""
    if lines and lines[0].startswith("%%"):
        return lines
    return [_ASKED.sub(r"""\1'\2'""", line) for line in lines]


def _ask(line: str) -> Shown[LibraryAnswer]:
    """Ask the papers of a run: %ask [--run RUN] QUESTION."""
    words = line.strip()
    if words[:1] == words[-1:] == "'":
        words = words[1:-1]
    if words.startswith("--run"):
        name, _, words = words.removeprefix("--run").lstrip(" =").partition(" ")
        run = open_run(name)
    else:
        run = _latest()
    if not words.strip():
        raise InputError("there is no question.", hint="%ask [--run RUN] QUESTION")
    answer = ask_library(run, words.strip().strip("\"'"))
    return Shown(answer, answer_html(answer))


def _latest() -> Run:
    for run in list_runs():
        if run.state == "done":
            return run
    raise InputError("./workspace has no finished run.", hint="Name one: %ask --run RUN QUESTION")


def _review(line: str, cell: str) -> Shown[Review]:
    """Review the protocol in the cell: %%review [KIND]."""
    with tempfile.TemporaryDirectory(prefix="bioresearcher-cell-") as place:
        path = Path(place, "cell.md")
        path.write_text(cell, encoding="utf-8")
        try:
            review = review_protocol(path, kind=line.strip().strip("\"'"))
        except BioresearcherError as error:
            message = error.message.replace(str(path), "the cell").replace(path.name, "the cell")
            raise type(error)(message, hint=error.hint) from None
    return Shown(review, review_html(review))
