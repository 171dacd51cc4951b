"""The parts of a run that all exports share: its values, its answer in sentences, deviations, and the cleaner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.errors import InputError
from bioresearcher.execution.reproduce import Recorded
from bioresearcher.export.clean import Cleaner
from bioresearcher.runfolder import RunFolder, write_bytes
from bioresearcher.schemas.answer import Answers, QuestionAnswer
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.question import AnalysisSets
from bioresearcher.schemas.registration import Deviations
from bioresearcher.schemas.run import RunRecord
from bioresearcher.stages.deviations import deviations
from bioresearcher.text.visible import one_line

MOST_TITLE = 200


@dataclass(frozen=True)
class RunContent:
    """A run as it is exported."""

    folder: RunFolder
    run: RunRecord
    recorded: Recorded
    answers: Answers
    sets: AnalysisSets
    protocol: Protocol | None
    deviations: Deviations
    clean: Cleaner

    @classmethod
    def load(cls, folder: RunFolder) -> RunContent:
        """Read it; an unfinished run has what is there.

        Raises:
            RunFolderError: A file is damaged.
        """
        run = folder.read(RunRecord, "run.json")
        recorded = Recorded.load(folder)
        return cls(
            folder=folder,
            run=run,
            recorded=recorded,
            answers=folder.read(Answers, "answer.json") if folder.has("answer.json") else run.answers,
            sets=folder.read(AnalysisSets, "analysis", "sets.json")
            if folder.has("analysis", "sets.json")
            else AnalysisSets(),
            protocol=folder.read(Protocol, "protocol.json") if folder.has("protocol.json") else None,
            deviations=deviations(folder),
            clean=Cleaner.of(folder, run, recorded.datasets.values()),
        )

    @property
    def title(self) -> str:
        """Title of the run: that of its protocol, else its objective."""
        given = self.protocol.title if self.protocol and self.protocol.title.strip() else self.run.objective.text
        return self.clean.text(one_line(given, MOST_TITLE)) or self.run.run_id

    @property
    def date(self) -> str:
        """Time at which the run ended, or began while it has not ended."""
        return self.run.finished or self.run.started

    def words(self, text: str, limit: int = 2_000) -> str:
        """Return a text in one line without control characters, paths and secrets."""
        return self.clean.text(one_line(text, limit))

    def lines_of(self, question: QuestionAnswer) -> list[tuple[str, tuple[str, ...]]]:
        """Return the sentences of an answer with the findings they rest on.

        The statements of findings stand for them in runs of versions that wrote no sentences.
        """
        if question.sentences:
            return [(self.words(s.text), s.findings) for s in question.sentences]
        marks = self._marks()
        return [(self.words(text), (marks[text],) if text in marks else ()) for text in question.findings]

    def _marks(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for task, record in self.recorded.records.items():
            for n, finding in enumerate(record.findings, 1):
                found.setdefault(finding.statement, f"{task}.{n}")
        return found


def write_export(path: Path, data: bytes, *, force: bool) -> None:
    """Write an export; a file that is there is replaced only when asked for.

    Raises:
        InputError: The file is there, or is a folder.
        WorkspaceError: It cannot be written.
    """
    check_target(path, force=force)
    write_bytes(path, data)


def check_target(path: Path, *, force: bool) -> None:
    """Check that a file may be written.

    Raises:
        InputError: The file is there, or is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; an export is a file.", hint="Name the file to write.")
    if path.is_symlink() or (path.exists() and not force):
        hint = "Remove the link." if path.is_symlink() else "Give another name, or --force to replace it."
        raise InputError(f"{path} is there already.", hint=hint)
