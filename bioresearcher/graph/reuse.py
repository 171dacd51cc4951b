"""Finding a finished run of the same request, so that nothing is computed twice."""

from __future__ import annotations

from pathlib import Path

from bioresearcher.errors import RunFolderError
from bioresearcher.graph.prepare import RunInputs, resource_digests, versions
from bioresearcher.graph.run import inputs_of, read_record
from bioresearcher.report.summaries import INCIDENTAL_SETTINGS
from bioresearcher.runfolder import RunFolder, file_sha256
from bioresearcher.settings import Settings


def find_finished(inputs: RunInputs, settings: Settings) -> RunFolder | None:
    """Return the newest finished run of the workspace with the same objective, inputs, settings, versions and prompts.

    Input files are hashed again: a run on files that changed since is not the same.
    """
    runs = settings.workspace / "runs"
    comparable = {name: value for name, value in settings.record().items() if name not in INCIDENTAL_SETTINGS}
    wanted_versions, wanted_digests = versions(), resource_digests(settings)
    for path in sorted(runs.glob("*/run.json"), key=lambda p: p.stat().st_mtime, reverse=True):
        folder = RunFolder(path.parent)
        try:
            record = read_record(folder)
        except RunFolderError:
            continue
        same = (
            record.status == "done"
            and inputs_of(record) == inputs
            and record.versions == wanted_versions
            and record.digests == wanted_digests
            and all(record.settings.get(name) == value for name, value in comparable.items())
            and folder.has("report.html")
            and all(file_sha256(Path(name)) == digest for name, digest in record.inputs.items())
        )
        if same:
            return folder
    return None
