"""Objective files, and the examples that come with the package.

An objective file is TOML; only `objective` must be there. Paths are relative to the file and may lie anywhere::

    id = "liposarcoma-immune-classes"      # else made from the file's name
    objective = "Identify the immune microenvironment classes of liposarcoma and their key genes"
    conditions = ["80 RNA-seq samples", "a laptop without network"]
    requirements = ["validation in an independent cohort"]
    papers = ["papers"]                    # files or folders
    data = ["data/cohort-1", "data/cohort-2"]
    only_own = true                        # ask no literature or data service
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints, ValidationError

from bioresearcher.config_text import describe_toml_error
from bioresearcher.errors import InputError
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.base import Objective, Requirement, Value

_FOLDER = Path(__file__).resolve().with_name("_examples")
_FILE = "example.toml"
_MAX_BYTES = 1 << 20
SHORTEST, LONGEST = 10, 20_000
"""Limits of the length of an objective given as text, in characters."""

_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


@dataclass(frozen=True)
class ExampleInputs:
    """Inputs of a run: the objective, and files or folders with papers and data."""

    objective: Objective
    papers: tuple[Path, ...]
    data: tuple[Path, ...]
    only_own: bool = False


class _ObjectiveFile(Value):
    id: _Text | None = None
    objective: _Text
    conditions: tuple[_Text, ...] = ()
    requirements: tuple[_Text, ...] = ()
    papers: tuple[_Text, ...] = ()
    data: tuple[_Text, ...] = ()
    only_own: bool = False


def list_examples() -> tuple[str, ...]:
    """List the names of the packaged examples, sorted."""
    return tuple(sorted(p.parent.name for p in _FOLDER.glob(f"*/{_FILE}")))


def load_example(name: str) -> ExampleInputs:
    """Load a packaged example.

    Raises:
        InputError: There is no example of that name.
    """
    if name not in list_examples():
        known = ", ".join(list_examples()) or "none"
        raise InputError(f"--example {name}: there is no such example.", hint=f"Known examples: {known}.")
    return load_objective_file(_FOLDER / name / _FILE)


def objective_from_text(text: str) -> Objective:
    """Make an objective of a text; its id is made from the first six words.

    Raises:
        InputError: It is empty, too short, or too long.
    """
    text = " ".join(text.split())
    if len(text) < SHORTEST:
        raise InputError(
            "the objective is empty or too short to work with.", hint="Say in a sentence what to find out."
        )
    if len(text) > LONGEST:
        raise InputError(
            f"the objective has {len(text):,} characters; at most {LONGEST:,} are allowed.",
            hint="Say what to find out; give background as a text file among the papers.",
        )
    return Objective(id=safe_name(" ".join(text.split()[:6]).lower()), text=text)


def load_objective_file(path: Path) -> ExampleInputs:
    """Load an objective file; requirements get the ids `R1`, `R2`, … in order.

    Raises:
        InputError: The file cannot be read, has mistakes (all are named), or names a path that does not exist.
    """
    raw = _read(path)
    try:
        given = _ObjectiveFile.model_validate(raw)
    except ValidationError as error:
        known = list(_ObjectiveFile.model_fields)
        mistakes = "; ".join(describe_toml_error(e, raw, known) for e in error.errors())
        raise InputError(f"{path}: {mistakes}.", hint=f"Possible fields: {', '.join(known)}.") from error
    objective = Objective(
        id=safe_name(given.id or (path.resolve().parent.name if path.name == _FILE else path.stem)),
        text=given.objective,
        conditions=given.conditions,
        requirements=tuple(Requirement(id=f"R{i}", text=t) for i, t in enumerate(given.requirements, start=1)),
    )
    return ExampleInputs(
        objective=objective,
        papers=_paths(path, "papers", given.papers),
        data=_paths(path, "data", given.data),
        only_own=given.only_own,
    )


def _read(path: Path) -> dict[str, object]:
    hint = 'Give a TOML file with at least: objective = "…"'
    try:
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: is larger than 1 MB and cannot be an objective file.", hint=hint)
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text.", hint="Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: is not valid TOML: {error}.", hint=hint) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).", hint=hint) from error


def _paths(file: Path, field: str, given: tuple[str, ...]) -> tuple[Path, ...]:
    found = []
    for i, text in enumerate(given, start=1):
        try:
            path = file.parent / Path(text).expanduser()
            exists = path.exists()
        except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, the home of an unknown user
            path, exists = file, False
        if not exists:
            raise InputError(
                f"{file}: {field}[{i}]: {text!r} is not there.", hint=f"Paths are relative to {file.parent}."
            )
        found.append(path)
    return tuple(found)
