"""What a person did to a run beside its gates, such as raising its budget: kept in the run folder as it happens."""

from __future__ import annotations

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.run import Decision, RunRecord
from bioresearcher.settings import BUDGET, Settings

FILE = "interventions.json"
BUDGET_CHANGED = "budget"
"""The name under which a changed budget stands among a run's decisions."""


def intervene(folder: RunFolder, what: str, said: str) -> None:
    """Note what a person did, and what was said.

    Raises:
        WorkspaceError: The run folder cannot be written.
    """
    decision = Decision(gate=what, approved=True, by="human", comment=said)
    folder.write_list([*interventions(folder), decision], FILE)


def change_budget(folder: RunFolder, settings: Settings, said: str) -> None:
    """Put another budget into a run's manifest, and note that a person said so.

    Raises:
        RunFolderError: It is no run folder.
        WorkspaceError: It cannot be written.
    """
    record, values = folder.read(RunRecord, "run.json"), settings.record()
    limits = {name: values[name] for name in BUDGET}
    folder.write(record.model_copy(update={"settings": record.settings | limits}), "run.json")
    intervene(folder, BUDGET_CHANGED, said)


def interventions(folder: RunFolder) -> tuple[Decision, ...]:
    """All of them, in the order in which they happened."""
    return folder.read_list(Decision, FILE)
