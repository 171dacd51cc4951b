"""Checks a whole batch file before anything is started; every mistake is reported with its line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bioresearcher.batch.file import Problem, RawEntry, read_batch_file
from bioresearcher.batch.schema import BatchEntry
from bioresearcher.config_text import describe_toml_error
from bioresearcher.errors import BioresearcherError, InputError
from bioresearcher.examples import load_example
from bioresearcher.graph.prepare import (
    RunInputs,
    check_inputs,
    check_names,
    check_sources,
    inputs_from_file,
    inputs_from_text,
)
from bioresearcher.graph.prepare import with_additions as more_inputs
from bioresearcher.runfolder import file_sha256, safe_name
from bioresearcher.settings import BUDGET, Settings, load_settings
from bioresearcher.settings.file import settings_from

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Tell = Callable[[str], None]
"""Reports a mistake of the entry that is checked."""
FIELDS = tuple(name for name in BatchEntry.model_fields if name != "line")
_ELSEWHERE = {
    "workspace": "it is the batch's: --workspace",
    "jobs": "it is the batch's: --jobs",
    **{name: f"it is part of the budget: budget.{name}" for name in BUDGET},
}


class BatchFileError(InputError):
    """A batch file with mistakes; nothing was started.

    Attributes:
        problems: All mistakes, by line.
    """

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: p.line))
        lines = "\n".join(f"  {path}:{p.line}: {p.message}" for p in self.problems)
        number = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems):,} mistakes"
        super().__init__(f"{path}: {number}; nothing was started.\n{lines}")


@dataclass(frozen=True)
class CheckedEntry:
    """An entry that can be started, with its inputs, and its settings over those of the batch."""

    entry: BatchEntry
    inputs: RunInputs
    settings: Settings


@dataclass(frozen=True)
class BatchFile:
    """A batch file without mistakes.

    Attributes:
        path: The file, absolute.
        sha256: Digest of its bytes.
        settings: Settings of the batch, before those of an entry.
        ready: Its entries.
    """

    path: Path
    sha256: str
    settings: Settings
    ready: tuple[CheckedEntry, ...]


def load_batch_file(path: Path, flags: Mapping[str, object]) -> BatchFile:
    """Read and check a batch file.

    Args:
        path: The file.
        flags: Options of the command line; those of budget and jobs are the batch's and left out.

    Raises:
        BatchFileError: It has mistakes; all are named with their lines.
        InputError: It cannot be read, or the settings of the batch are wrong.
    """
    flags = {name: value for name, value in flags.items() if name not in (*BUDGET, "jobs")}
    checker = _Checker(path.absolute().parent, flags)
    settings = load_settings(flags)
    found = read_batch_file(path)
    problems = [item for item in found if isinstance(item, Problem)]
    ready = []
    for item in found:
        if isinstance(item, RawEntry):
            known = len(problems)
            one = checker.check(item, problems)
            if one is not None and len(problems) == known:
                ready.append(one)
    if not found:
        problems.append(Problem(1, "holds no objective"))
    if problems:
        raise BatchFileError(path, problems)
    return BatchFile(path.absolute(), file_sha256(path), settings, tuple(ready))


@dataclass
class _Checker:
    """Checks entries one after the other; equal paths, settings and sources are checked once."""

    folder: Path
    flags: Mapping[str, object]
    lines: dict[str, int] = field(default_factory=dict)
    _paths: dict[str, Path | None] = field(default_factory=dict)
    _settings: dict[str, Settings | list[str]] = field(default_factory=dict)
    _sources: dict[tuple[object, ...], str] = field(default_factory=dict)

    def check(self, raw: RawEntry, problems: list[Problem]) -> CheckedEntry | None:
        """Check an entry; None when it has mistakes, which are added to `problems`."""
        name = raw.fields.get("id")
        prefix = f"{name}: " if isinstance(name, str) and name else ""

        def tell(message: str) -> None:
            problems.append(Problem(raw.line, prefix + message))

        if isinstance(name, str):
            if name in self.lines:
                tell(f"id: the same as that of line {self.lines[name]}")
            self.lines.setdefault(name, raw.line)
        known = len(problems)
        entry = self._entry(raw, tell)
        settings = self._settings_of(raw.fields.get("settings"), tell)
        if entry is None or settings is None or len(problems) > known:
            return None
        try:
            return self._ready(entry, settings)
        except BioresearcherError as error:
            tell(error.message)
            return None

    def _entry(self, raw: RawEntry, tell: Tell) -> BatchEntry | None:
        """Validate the fields of an entry."""
        fields = dict(raw.fields)
        if "line" in fields:
            tell("line: unknown field")
        for name in ("papers", "data"):
            if isinstance(fields.get(name), list):
                fields[name] = [self._path(name, p, tell) if isinstance(p, str) else p for p in fields[name]]
        try:
            entry = BatchEntry.model_validate(fields | {"line": raw.line})
        except ValidationError as error:
            for one in error.errors(include_url=False):
                tell(_explained(one, raw.fields))
            return None
        given = [name for name in ("objective", "example") if getattr(entry, name) is not None]
        if len(given) != 1:
            tell("objective: must be given, or example" if not given else "objective and example are both given")
            return None
        return entry

    def _path(self, name: str, text: str, tell: Tell) -> str:
        """Return the absolute path; a missing one is a mistake."""
        if text not in self._paths:
            try:
                found = self.folder / Path(text).expanduser()
                self._paths[text] = found if found.exists() else None
            except (OSError, ValueError, RuntimeError):  # over-long, NUL, an unknown user's home
                self._paths[text] = None
        path = self._paths[text]
        if path is None:
            tell(f"{name}: {text[:200]!r} is not there (paths are relative to {self.folder})")
            return text.replace("\0", "") or "?"
        return str(path.resolve())

    def _settings_of(self, raw: object, tell: Tell) -> Settings | None:
        """Return the settings of the batch with those of an entry over them."""
        if not isinstance(raw, dict):  # anything but a table is refused by the schema
            raw = {}
        key = json.dumps(raw, sort_keys=True, default=repr)
        if key not in self._settings:
            self._settings[key] = self._checked(raw)
        found = self._settings[key]
        if isinstance(found, Settings):
            return found
        for message in found:
            tell(message)
        return None

    def _checked(self, raw: dict[str, Any]) -> Settings | list[str]:
        """Return the settings, or all mistakes in them."""
        wrong = []
        for name, value in raw.items():
            if name in _ELSEWHERE:
                wrong.append(f"settings.{name}: cannot be set for one objective; {_ELSEWHERE[name]}")
                continue
            try:
                settings_from({name: value}, "settings", self.folder)
            except InputError as error:
                # the hint would list all settings there are
                text = error.message if "unknown key" in error.message else str(error)
                wrong.append(text.replace("settings: ", "settings.", 1))
        if wrong:
            return wrong
        try:
            settings = load_settings(self.flags, over=settings_from(raw, "settings", self.folder) if raw else None)
            check_names(settings)
        except InputError as error:
            return [error.message]
        return settings

    def _ready(self, entry: BatchEntry, settings: Settings) -> CheckedEntry:
        """Return the entry with its inputs, checked as `run` does."""
        if entry.example is not None:
            loaded = load_example(entry.example)
            base = inputs_from_file(loaded)
            if loaded.only_own and "only_own" not in entry.settings and self.flags.get("only_own") is None:
                settings = settings.model_copy(update={"only_own": True})
        else:
            base = inputs_from_text(entry.objective or "")
        inputs = more_inputs(
            base, conditions=entry.conditions, requirements=entry.requirements, papers=entry.papers, data=entry.data
        )
        inputs = RunInputs(inputs.objective.model_copy(update={"id": safe_name(entry.id)}), inputs.papers, inputs.data)
        check_inputs(inputs, settings)
        sources = (settings.chroma_url, settings.pubmed_xml, settings.workspace)
        if sources not in self._sources:
            try:
                check_sources(settings)
                self._sources[sources] = ""
            except BioresearcherError as error:
                self._sources[sources] = error.message
        if self._sources[sources]:
            raise InputError(self._sources[sources])
        return CheckedEntry(entry, inputs, settings.model_copy(update=budget_over(entry, settings)))


def budget_over(entry: BatchEntry, settings: Settings) -> dict[str, float | int | None]:
    """Return the limits of one run: the entry's, else those of environment and settings file."""
    return {
        name: getattr(settings, name) if getattr(entry.budget, name) is None else getattr(entry.budget, name)
        for name in BUDGET
    }


def _explained(error: ErrorDetails, fields: dict[str, Any]) -> str:
    """Return a mistake that the schema found in plain words."""
    if error["loc"] == ("id",) and error["type"] == "string_pattern_mismatch":
        return (
            f"id: {error['input'][:80]!r} must be 1 to 64 letters, digits, `.`, `_` or `-`, as it names a folder; "
            f"for example {safe_name(error['input'])[:64]}"
        )
    return describe_toml_error(error, fields, FIELDS if len(error["loc"]) == 1 else BUDGET)
