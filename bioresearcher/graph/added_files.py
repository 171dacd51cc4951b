"""Files that a person added in the middle of a run, recorded in its folder so that a resumed run has them, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.runfolder import RunFolder, file_sha256
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.paper import Paper
from bioresearcher.schemas.run import AddedInput, RunRecord
from bioresearcher.sources.literature.own_papers import OwnPapers

ADDED = "added.json"


@dataclass
class Added:
    """Files added so far; grows while the run goes on.

    Attributes:
        papers: Sources of the added papers' texts.
        inputs: Every file or folder that was added, with its contents.
    """

    papers: list[OwnPapers] = field(default_factory=list)
    inputs: list[AddedInput] = field(default_factory=list)

    @classmethod
    def load(cls, folder: RunFolder) -> Added:
        """Load the files added in earlier processes; a missing one is noticed where inputs are compared."""
        added = cls(inputs=list(folder.read_list(AddedInput, ADDED)))
        for one in added.inputs:
            if one.kind == "paper":
                try:
                    added.papers.append(OwnPapers([Path(one.path)]))
                except InputError:
                    continue
        return added

    def record(self, folder: RunFolder, new: Sequence[AddedInput]) -> None:
        """Record added files; the manifest first, so that a crash in between leaves nothing unexplained."""
        if not new:
            return
        self.inputs += [one for one in new if one not in self.inputs]
        record = folder.read(RunRecord, "run.json")
        folder.write(record.model_copy(update={"inputs": {**record.inputs, **self.recorded}}), "run.json")
        folder.write_list(self.inputs, ADDED)

    @property
    def recorded(self) -> dict[str, str]:
        """Path -> sha256 of every added file when it was read."""
        return {name: digest for one in self.inputs for name, digest in one.digests.items()}

    def digests(self) -> dict[str, str]:
        """Return path -> sha256 of every added file now."""
        return {name: file_sha256(Path(name)) for name in self.recorded}


def digests_of_papers(papers: Sequence[Paper], source: OwnPapers | None) -> dict[str, str]:
    """Return path -> sha256 of the files that papers were read from."""
    return {p.path: p.sha256 for p in papers if p.path and p.sha256} | (source.bibliographies if source else {})


def digests_of_data(datasets: Sequence[Dataset]) -> dict[str, str]:
    """Return path -> sha256 of the files of data sets."""
    return {str(Path(d.root, f.path)): f.sha256 for d in datasets for f in d.files}
