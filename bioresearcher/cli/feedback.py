"""`bioresearcher run --feedback`: the protocol of a run with what a comment asks for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bioresearcher.cli.common import find_run
from bioresearcher.errors import InputError
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from bioresearcher.schemas.revision import Revision

MOST_LINES = 200
"""Lines of a difference that the terminal shows; the whole is in the run folder."""


def feedback(args: argparse.Namespace) -> int:
    """Revise a run's protocol and go on with it; the exit code."""
    from bioresearcher.cli.drive import drive
    from bioresearcher.graph.run import inputs_of, read_record, settings_of
    from bioresearcher.runfolder import RunFolder
    from bioresearcher.settings import with_budget

    refuse_other_inputs(args)
    folder = RunFolder(find_run(args.file))
    record = read_record(folder)
    if record.replay_of:
        raise InputError(
            f"{folder.root} is a replay and stays as it is.", hint=f"Comment on its origin: {record.replay_of.folder}"
        )
    settings = with_budget(settings_of(record), vars(args))
    return drive(folder, inputs_of(record), settings, args, feedback=args.feedback)


def refuse_other_inputs(args: argparse.Namespace) -> None:
    """Refuse what a run that exists cannot be given any more.

    Raises:
        InputError: No run was named, or inputs beside it.
    """
    if args.file is None:
        raise InputError("--feedback needs the run it is about.", hint='bioresearcher run --feedback "…" RUN')
    other = {"--example": args.example, "--objective": args.objective, "--papers": args.papers, "--data": args.data,
             "--requirement": args.requirement, "--condition": args.condition}  # fmt: skip
    given = [name for name, value in other.items() if value]
    if given:
        raise InputError(
            f"--feedback is about a run that exists and takes no {given[0]}.",
            hint="Say what to change in the comment, or start a new run.",
        )


def revision_lines(revision: Revision, difference: str) -> list[str]:
    """What a revision did, part by part with the reason, and the difference."""
    lines = [f"revision {revision.number}: {one_line(revision.comment, 200)}"]
    lines += [f"  part {c.part} is concerned: {one_line(c.reason, 200)}" for c in revision.concerned]
    lines += [f"  step {c.step} {c.what}: {one_line(c.why, 200)}" for c in revision.changes]
    lines += [f"  {i} is excluded" for i in revision.excluded]
    lines += [f"  requirement {r.id} added: {one_line(r.text, 200)}" for r in revision.requirements]
    lines += [f"  not done: {one_line(n, 300)}" for n in revision.not_done]
    shown = difference.splitlines()
    lines += shown[:MOST_LINES]
    if len(shown) > MOST_LINES:
        lines.append(f"… {len(shown) - MOST_LINES} more lines in revisions/{revision.number}/diff.txt")
    found = f"{count_of(len(revision.found), 'finding')} of the gates new, {len(revision.resolved)} resolved"
    lines += [f"{f.gate} {f.severity} at {f.location}: {one_line(f.message, 200)}" for f in revision.found]
    parts = ", ".join(revision.changed_parts) or "none"
    return [*lines, f"parts changed: {parts}; all others are as they were. {found}."]
