"""The description of data in a session: shown, what is open asked one by one, and corrected line by line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bioresearcher.cli.session.layout import Sheet
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.errors import InputError
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.schemas.dataset import Dataset, Reading

MOST_COLUMNS: Final = 12
"""Columns without a role that are shown one by one."""
Ask = Callable[[str], Awaitable[str | None]]
HELP: Final = (
    'COLUMN.KEY = VALUE corrects a column (age.role = covariate, er.codes = {"1" = "positive"}), scale = log2 a '
    "matrix; `show` shows the description, `transpose` makes a copy of a table of patients with features in rows, "
    "Enter ends."
)
_COLUMN: Final = re.compile(r"(?P<column>.+)\.(?P<key>[a-z_]+)\s*=\s*(?P<value>.+)")
_FILE: Final = re.compile(r"(?P<key>scale|zeros|thousands|below_limit)\s*=\s*(?P<value>.+)")


class DataDescription:
    """The description of the data that were given, as the person settles and corrects it.

    Attributes:
        paths: Files and folders of the data; one that had to be copied is replaced by its copy.
    """

    def __init__(self, terminal: Terminal, ask: Ask, paths: list[Path], workspace: Path) -> None:
        self._terminal = terminal
        self._ask = ask
        self.paths = paths
        self._workspace = workspace
        self._shown: set[str] = set()
        self._left: set[tuple[str, str, str]] = set()

    async def settle(self, datasets: tuple[Dataset, ...]) -> bool | None:
        """Show what is new and ask for what is open; True when something was settled, None when the input ended."""
        settled = False
        for dataset in datasets:
            key = "".join([dataset.root, *(f.sha256 for f in dataset.files)])
            if key not in self._shown:
                self._shown.add(key)
                self.show(dataset)
            done = await self._questions(dataset)
            if done is None:
                return None
            settled = settled or done
            if done:
                break  # what is written changes how the other columns are read
        return settled

    def show(self, dataset: Dataset) -> None:
        """Print a data set's description."""
        from bioresearcher.cli.data import description_lines

        self._terminal.say(Sheet("\n".join(description_lines(dataset, MOST_COLUMNS))))

    async def _questions(self, dataset: Dataset) -> bool | None:
        from bioresearcher.sources.datasets.correct import open_readings

        for reading in open_readings(dataset):
            name = (dataset.id, reading.column or reading.file, reading.line)
            if name in self._left or dataset.described_by == "source":
                continue
            done = await self._question(dataset, reading)
            if done is None or done:
                return done
            self._left.add(name)
        return False

    async def _question(self, dataset: Dataset, reading: Reading) -> bool | None:
        """Ask for one reading until it is settled or left open."""
        from bioresearcher.sources.datasets.correct import OPEN, filled

        line = reading.line.partition("  # ")[0]
        place = ", ".join(filter(None, (reading.file, reading.column)))
        self._terminal.say(one_line(f"{place}: {reading.says} is not sure ({reading.reason}).", 400))
        ways = "its value" if OPEN in line else "yes, another value"
        while True:
            answer = await self._ask(f"{one_line(reading.line, 120)} ({ways}, the line, or Enter: leave it open)>")
            if answer is None:
                return None
            if not answer.strip():
                return False
            try:
                await asyncio.to_thread(self._set, dataset, reading.file, reading.column, filled(reading.line, answer))
            except InputError as error:
                self._terminal.say(str(error))
            else:
                return True

    async def correct(self, read: Callable[[], tuple[Dataset, ...]], asked: str) -> bool:
        """Take corrections until there are no more; False when the input ended."""
        if asked == "transpose":
            try:
                await asyncio.to_thread(self._transpose, await asyncio.to_thread(read))
            except InputError as error:
                self._terminal.say(str(error))
            return True
        self._terminal.say(HELP)
        while True:
            line = await self._ask("describe>")
            if line is None:
                return False
            said = line.strip()
            if not said or said.lower() in {"back", "done"}:
                return True
            try:
                datasets = await asyncio.to_thread(read)
                if said.lower() in {"help", "?"}:
                    self._terminal.say(HELP)
                elif said.lower() == "show":
                    for dataset in datasets:
                        self.show(dataset)
                elif said.lower() == "transpose":
                    await asyncio.to_thread(self._transpose, datasets)
                else:
                    await asyncio.to_thread(self._corrected, datasets, said)
            except InputError as error:
                self._terminal.say(str(error))

    def _corrected(self, datasets: tuple[Dataset, ...], said: str) -> None:
        from bioresearcher.sources.datasets.correct import as_line

        if match := _COLUMN.fullmatch(said):
            found = [(d, f) for d in datasets for f in d.files if any(c.name == match["column"] for c in f.columns)]
            if not found:
                names = ", ".join(c.name for d in datasets for f in d.files for c in f.columns)
                raise InputError(f"no column is called {match['column']!r}.", hint=f"There are {names[:300]}.")
            dataset, file = found[0]
            self._set(dataset, file.path, match["column"], as_line(match["key"], match["value"]))
        elif match := _FILE.fullmatch(said):
            matrices = [(d, f) for d in datasets for f in d.files if f.kind == "expression"]
            if not matrices:
                raise InputError("there is no matrix among the data.", hint="Only a matrix has a scale.")
            dataset, file = matrices[0]
            self._set(dataset, file.path, "", as_line(match["key"], match["value"]))
        else:
            raise InputError(f"{said[:60]!r} is no correction.", hint=HELP)

    def _set(self, dataset: Dataset, file: str, column: str, line: str) -> None:
        """Set a line of the description, which is written first where there is none."""
        from bioresearcher.sources.datasets.correct import check_level, set_line, write_description
        from bioresearcher.sources.datasets.spec import DESCRIPTION

        check_level(dataset, file, column, line)
        folder = Path(dataset.root)
        if dataset.described_by == "inferred":
            given = self._given(dataset)
            folder = write_description(given, dataset, self._workspace / "described" / dataset.id).parent
            if folder.resolve() != given.resolve() and not folder.resolve().is_relative_to(given.resolve()):
                self.paths[self.paths.index(given)] = folder
        elif not (folder / DESCRIPTION).exists():
            folder = self._given(dataset)
        set_line(folder, file, column, line)
        where = f"[{column}] " if column else ""
        self._terminal.say(f"{where}{line}: written to {folder / DESCRIPTION}")

    def _given(self, dataset: Dataset) -> Path:
        """The path among those given that a data set was read from.

        Raises:
            InputError: It cannot be told.
        """
        root = Path(dataset.root).resolve()
        inside = [p for p in self.paths if p.is_dir() and root.is_relative_to(p.resolve())]
        named = [p for p in self.paths if dataset.title in (p.name, p.resolve().name)]
        only = self.paths if len(self.paths) == 1 else []
        for found in (inside, named, only):
            if found:
                return found[0]
        raise InputError(
            f"{dataset.id}: it cannot be told which of the given paths holds it.",
            hint="`bioresearcher data show PATH --write` writes its description.",
        )

    def _transpose(self, datasets: tuple[Dataset, ...]) -> None:
        from bioresearcher.sources.datasets.convert import turned_copy

        wide = [d for d in datasets if d.file("expression") is None and d.file("samples") is not None]
        if not wide:
            raise InputError("no table of samples without a matrix is among the data.", hint="Nothing to transpose.")
        for dataset in wide:
            given, sheet = self._given(dataset), dataset.file("samples")
            source = given if given.is_file() or sheet is None else Path(dataset.root, sheet.path)
            digest = next(f.sha256 for f in dataset.files)[:8]
            folder = turned_copy(source, self._workspace / "turned" / f"{dataset.id}-{digest}")
            self.paths[self.paths.index(given)] = folder
            self._terminal.say(f"{source.name}: turned, features in rows; {folder} is used in its place.")
