"""The files of a run that may leave it: cleaned values, code and outputs, and data whose licence allows it.

Never: the ledger, checkpoints, events, drafts, full texts of papers and abstracts, links, and anything that leads out
of the run folder. Files whose bytes are recorded (code, outputs, data) go as they are or not at all. Where a data set
may not be passed on, files that show its rows stay, too; each file that stays is named with its digest and the reason.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.execution.input_snapshot import find_input
from bioresearcher.export.content import RunContent
from bioresearcher.export.licences import Licence, licence_of
from bioresearcher.runfolder import file_sha256, safe_name
from bioresearcher.schemas.dataset import DataFile, Dataset

MOST_FILE: Final = 500_000_000
SHOWN_ROWS: Final = 3
"""Different names of samples from which on a text counts as showing rows of the data."""
_TEXTS: Final = (
    "run.json",
    "questions.json",
    "answer.json",
    "facts.json",
    "looks.json",
    "looked.json",
    "protocol.json",
    "protocol.md",
    "protocol-evidence.md",
    "protocol-script.py",
    "registration.json",
    "registered/*",
    "revisions/*/*.json",
    "revisions/*/*.txt",
    "tasks.json",
    "tasks/*/task.json",
    "tasks/*/record.json",
    "tasks/*/limits.json",
    "review.json",
    "rounds.json",
    "report.md",
    "report.html",
    "report/*.html",
    "evidence.json",
    "notebook.ipynb",
    "search.json",
    "screening.json",
    "checks.json",
    "datasets_found.json",
    "status.json",
    "datasets/*.json",
    "papers/*.json",
    "reports/*.json",
    "analyses/*.json",
    "analysis/sets.json",
    "analysis/*/flow.json",
    "analysis/*/flow.csv",
    "analysis/*/flow.svg",
)
"""Files that are cleaned; none of them is recorded by its bytes."""
_KEPT: Final = ("tasks/*/*.py", "tasks/*/*.R", "tasks/*/outputs/*")
"""Files that go as they are."""
_PLAIN_NAME: Final = re.compile(r"[\d.,\s-]*|.{0,3}")
_TEXT_SUFFIXES: Final = frozenset({".json", ".md", ".txt", ".tsv", ".csv", ".html", ".svg", ".ipynb", ".py", ".r"})


@dataclass(frozen=True)
class Packed:
    """A file of the crate: its path there, and its bytes or the file that holds them."""

    path: str
    sha256: str
    size: int
    data: bytes | None = None
    source: Path | None = None

    def read(self) -> bytes:
        """Return its bytes."""
        return self.data if self.data is not None else self.source.read_bytes() if self.source else b""


@dataclass(frozen=True)
class Withheld:
    """A file that stays, named by its digest."""

    path: str
    sha256: str
    reason: str
    dataset: str = ""


@dataclass(frozen=True)
class Parcel:
    """Files that leave and files that stay."""

    files: tuple[Packed, ...]
    withheld: tuple[Withheld, ...]
    licences: Mapping[str, Licence]

    @property
    def kept_data(self) -> tuple[str, ...]:
        """Ids of the data sets that stay."""
        return tuple(sorted({w.dataset for w in self.withheld if w.dataset}))


def pack(content: RunContent, *, all_data: bool = False) -> Parcel:
    """Choose the files of a run; `all_data` takes data of unknown licence, too, never those whose licence forbids it.

    Raises:
        InputError: There is nothing to give away.
    """
    datasets = content.recorded.datasets
    licences = {d.id: _licence(d, datasets) for d in datasets.values()}
    barred = {i for i, x in licences.items() if not x.allowed and (x.known or not all_data)}
    files: dict[str, Packed] = {}
    withheld: list[Withheld] = list(_inputs(content, licences, barred, files))
    names = _sample_names(content, [datasets[i] for i in sorted(barred)])
    below = _below(content, barred)
    for relative, path in _matching(content.folder.root, _TEXTS):
        data = _cleaned(content, relative, path)
        if barred and names and _shows_rows(data, relative, names):
            said = "it shows rows of data that may not be passed on"
            withheld.append(Withheld(relative, file_sha256(path), said))
        else:
            files[relative] = Packed(relative, sha256(data).hexdigest(), len(data), data=data)
    for relative, path in _matching(content.folder.root, _KEPT):
        reason = _reason(content, relative, path, barred=relative.split("/")[1] in below, names=names)
        digest = file_sha256(path)
        if reason:
            withheld.append(Withheld(relative, digest, reason))
        else:
            files[relative] = Packed(relative, digest, path.stat().st_size, source=path)
    withheld += [
        Withheld(relative, file_sha256(path), "the text of a paper belongs to its publisher")
        for relative, path in _matching(content.folder.root, ("documents/*.json",))
    ]
    if not files:
        raise InputError(f"{content.folder.root} holds nothing to give away.")
    return Parcel(tuple(sorted(files.values(), key=lambda f: f.path)), tuple(withheld), licences)


def _licence(dataset: Dataset, datasets: Mapping[str, Dataset]) -> Licence:
    """Judge a data set; a copy is never freer than what it was made of."""
    own = licence_of(dataset)
    source = datasets.get(dataset.prepared_from or dataset.analysis_of or "")
    above = _licence(source, datasets) if source is not None and source.id != dataset.id else own
    return own if above.allowed else above


def _matching(root: Path, patterns: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield plain files inside the run folder; links are passed over, on the way to a file as well."""
    base = root.resolve()
    seen = set()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            relative = path.relative_to(root).as_posix()
            inside = path.resolve() == base / relative
            if relative not in seen and inside and path.is_file() and path.stat().st_size <= MOST_FILE:
                seen.add(relative)
                yield relative, path


def _cleaned(content: RunContent, relative: str, path: Path) -> bytes:
    text = path.read_text(encoding="utf-8", errors="replace")
    if relative.startswith("papers/"):
        text = _without(text, "abstract")
    return content.clean.text(text).encode()


def _without(text: str, key: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "{}\n"
    if isinstance(value, dict) and value.get(key):
        value[key] = ""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _inputs(
    content: RunContent, licences: Mapping[str, Licence], barred: set[str], files: dict[str, Packed]
) -> Iterator[Withheld]:
    """Take the data files that tasks read; yield those that stay."""
    read = {(i.dataset, i.file) for task in content.recorded.tasks.values() for i in task.inputs if i.dataset}
    for dataset in content.recorded.datasets.values():
        for file in dataset.files:
            name = f"{dataset.id}/{file.path}"
            if (dataset.id, file.name) not in read:
                continue
            path = find_input(content.folder, dataset, file)
            if dataset.id in barred:
                yield Withheld(name, file.sha256, licences[dataset.id].reason, dataset.id)
            elif path is None:
                yield Withheld(name, file.sha256, "the file is not there as the run read it", dataset.id)
            elif path.stat().st_size > MOST_FILE:
                yield Withheld(name, file.sha256, f"it is larger than {MOST_FILE // 1_000_000} MB", dataset.id)
            else:
                place = place_of(file)
                files[place] = Packed(place, file.sha256, path.stat().st_size, source=path)


def place_of(file: DataFile) -> str:
    """Return the path of a data file in the crate, where `reproduce` looks for it."""
    return f"inputs/{file.sha256}/{safe_name(Path(file.path).name)}"


# -- rows of data that stay ---------------------------------------------------------------------------


def _below(content: RunContent, barred: set[str]) -> set[str]:
    """Return the tasks that read data that stay, directly or through earlier tasks."""
    found: set[str] = set()
    for task in content.recorded.tasks.values():
        if any(i.dataset in barred for i in task.inputs) or found.intersection(task.needs):
            found.add(task.id)
    return found


def _sample_names(content: RunContent, datasets: Iterable[Dataset]) -> frozenset[str]:
    found: set[str] = set()
    for dataset in datasets:
        for file in dataset.files:
            path = find_input(content.folder, dataset, file)
            if path is not None and file.kind in ("samples", "expression"):
                found |= _names_in(path, file)
    return frozenset(found)


def _names_in(path: Path, file: DataFile) -> set[str]:
    open_it = gzip.open if path.suffix == ".gz" else open
    try:
        with open_it(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
            first = next(lines, "")
            split = "\t" if "\t" in first else ","
            header = next(csv.reader([first], delimiter=split), [])
            if file.kind == "expression":
                return {h.strip() for h in header if h.strip() and h != file.feature_column}
            place = header.index(file.sample_column) if file.sample_column in header else 0
            return {row[place].strip() for row in csv.reader(lines, delimiter=split) if len(row) > place}
    except (OSError, EOFError, csv.Error):
        return set()


def _reason(content: RunContent, relative: str, path: Path, *, barred: bool, names: frozenset[str]) -> str:
    """Return why a recorded file stays; empty when it goes."""
    suffix = path.suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        text = path.read_text(encoding="utf-8", errors="replace")
        if not content.clean.is_clean(text):
            return "it holds a path of this machine or a secret"
    if barred and "/outputs/" in relative:
        if not names and suffix in (".tsv", ".csv"):
            return "it may show rows of data that may not be passed on"
        if suffix in _TEXT_SUFFIXES and _shows_rows(path.read_bytes(), relative, names):
            return "it shows rows of data that may not be passed on"
    return ""


def _shows_rows(data: bytes, relative: str, names: frozenset[str]) -> bool:
    """Return True if a file names samples of data that stay.

    In a table one name in its first column or header is enough; elsewhere some that are no plain numbers.
    """
    text = data.decode("utf-8", errors="replace")
    suffix = Path(relative).suffix.lower()
    if suffix in (".tsv", ".csv") and "/outputs/" in relative:
        rows = list(csv.reader(text.splitlines(), delimiter="\t" if suffix == ".tsv" else ","))
        labels = {row[0].strip() for row in rows[1:] if row} | {c.strip() for c in (rows[0] if rows else [])}
        return bool(labels & names)
    telling = (n for n in names if not _PLAIN_NAME.fullmatch(n))
    return sum(1 for _ in zip(range(SHOWN_ROWS), (n for n in telling if n in text), strict=False)) >= SHOWN_ROWS
