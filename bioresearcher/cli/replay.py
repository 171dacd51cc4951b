"""`bioresearcher run --replay`: a finished run once more, from its recorded answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.common import find_run
from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.schemas.run import Replay, RunRecord
    from bioresearcher.settings import Settings

ALLOWED = {"replay", "workspace", "jobs", "yes", "json", "quiet", "debug", "run", "sandbox"}
"""Options that go with a replay; all others would change what it repeats. For the sandbox see `_check_sandbox`."""
MOST_DIFFERENCES = 20
_COUNTED = {"reports": "report of a paper", "analyses": "analysis of a paper", "outputs": "output"}
"""What is said with its number -> its name in the singular."""


def replay(args: argparse.Namespace) -> int:
    """Run again and compare; the exit code, 1 when something differs."""
    from bioresearcher.cli.drive import drive
    from bioresearcher.graph.replay import open_source
    from bioresearcher.graph.run import inputs_of, new_run_folder, read_record, settings_of
    from bioresearcher.runfolder import RunFolder

    _refuse_others(args)
    root = find_run(args.replay)
    record = read_record(RunFolder(root))
    _check_sandbox(args.sandbox, record)
    place = _place(args, root)
    source = open_source(root, record)
    settings = settings_of(record).model_copy(update={"workspace": place.workspace, "jobs": place.jobs})
    folder = new_run_folder(settings.workspace, record.objective.id)
    return drive(folder, inputs_of(record), settings, args, replay=source)


def _refuse_others(args: argparse.Namespace) -> None:
    """Refuse what would change objective, inputs or settings.

    Raises:
        InputError: With the first such option.
    """
    for name, value in vars(args).items():
        if name not in ALLOWED and value not in (None, False, []):
            option = "FILE" if name == "file" else "--" + name.replace("_", "-")
            raise InputError(
                f"{option} cannot be given with --replay.",
                hint="A replay takes objective, inputs and settings from the recorded run.",
            )


def _check_sandbox(asked: str | None, record: RunRecord) -> None:
    """A run folder may come from somebody else: what it holds is run unprotected only when asked for here, too.

    Raises:
        InputError: `--sandbox` is not what was recorded, or `none` was recorded and not asked for.
    """
    recorded = record.settings.get("sandbox")
    if recorded == "none" and asked is None:
        raise InputError(
            "the recorded run ran its code without a sandbox.",
            hint="Add --sandbox none to run it unprotected again, with access to your files and network.",
        )
    if asked is not None and asked != recorded:
        raise InputError(f"--sandbox {asked} cannot be given with --replay: the recorded run has {recorded!r}.")


def _place(args: argparse.Namespace, root: Path) -> Settings:
    """The settings of this process; only the workspace and the number of jobs are used.

    Raises:
        InputError: The workspace would lie in the replayed run folder.
    """
    from bioresearcher.settings import load_settings

    settings = load_settings({"workspace": args.workspace, "jobs": args.jobs})
    if settings.workspace.resolve().is_relative_to(root.resolve()):
        raise InputError(
            f"the workspace {settings.workspace} would lie in the run folder to be replayed.",
            hint="Use --workspace DIR.",
        )
    return settings


def replay_lines(replay: Replay) -> list[str]:
    """What a finished replay says: what is identical, or which files differ and what else is not as it was."""
    from bioresearcher.text.format import count_of
    from bioresearcher.text.visible import one_line

    if replay.identical:
        said = (count_of(n, _COUNTED[k], k) if k in _COUNTED else k for k, n in replay.compared.items() if n)
        return [f"identical: {', '.join(said)}"]
    number, most = len(replay.differing), MOST_DIFFERENCES
    lines = [f"{number} of {count_of(sum(replay.compared.values()), 'file')} not identical to {replay.folder}:"]
    lines += [f"differs: {name}" for name in replay.differing[:most]]
    if number > most:
        lines.append(f"and {number - most} more: see replay_of in run.json")
    return lines + [f"not as it was: {one_line(text, 200)}" for text in replay.changed[:most]]
