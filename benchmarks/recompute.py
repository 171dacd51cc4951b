"""Recompute what a run's protocol states about its data: `python benchmarks/recompute.py RUN`.

The audit is made again from the data files, and every recorded look and count is run again on freshly made views where
a sandbox isolates them. Numbers that the protocol states about the data are then looked for in what came out the same.
Exit code 1 when a fact, a look or a count came out otherwise, or a number is found nowhere.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.audit.audit import audit
from bioresearcher.audit.views import make_views
from bioresearcher.errors import BioresearcherError
from bioresearcher.graph.context import LOOKED, PASSAGES, VIEWS
from bioresearcher.graph.nodes_design import REVIEWED_FILE, REVIEWER_SEES
from bioresearcher.llm.converse import Place
from bioresearcher.review.checks_numbers import (
    COUNTS,
    UnseenStatement,
    shown_texts,
    stated_numbers,
    statements,
    unseen_statements,
)
from bioresearcher.runfolder import RunFolder
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.conversation import CountAction, LookAction
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.facts import Audit, Fact, LookRecord, PassageRead, View
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.run import RunRecord
from bioresearcher.stages.explore import CountTool
from bioresearcher.stages.look import SHOWN_BYTES, LookTool
from bioresearcher.stages.registration import FACTS, LOOKS


@dataclass(frozen=True)
class Recomputed:
    """Ids of facts, looks and counts by how they came out, and the protocol's numbers about data.

    `views` are those that could not be made as the run had them, so that its looks cannot be judged.
    """

    same: tuple[str, ...]
    other: tuple[str, ...]
    not_run: tuple[str, ...]
    views: tuple[str, ...]
    stated: int
    nowhere: tuple[UnseenStatement, ...]

    @property
    def passed(self) -> bool:
        """True when nothing came out otherwise and every number was found."""
        return not self.other and not self.nowhere and not self.views

    @property
    def lines(self) -> tuple[str, ...]:
        """The report, a fact a line."""
        lost = sum(len(s.numbers) + len(s.shuffled) for s in self.nowhere)
        share = f" ({100 * (self.stated - lost) / self.stated:.1f} %)" if self.stated else ""
        rows = [
            f"came out the same: {len(self.same)} of {len(self.same) + len(self.other)} facts, looks and counts",
            f"not run again: {', '.join(self.not_run) or 'none'}",
            f"numbers about the data found: {self.stated - lost} of {self.stated}{share}",
        ]
        rows += [f"view made otherwise than in the run, its looks were not run: {name}" for name in self.views]
        rows += [f"came out otherwise: {name}" for name in self.other]
        rows += [f"{s.said} at {s.location}: {s.sentence}" for s in self.nowhere]
        return tuple(rows)


def protocol_of(folder: RunFolder) -> Protocol:
    """Return the newest form of a run's protocol."""
    for parts in (("protocol.json",), ("design", REVIEWED_FILE), ("design", "draft.json")):
        if folder.has(*parts):
            return folder.read(Protocol, *parts)
    raise SystemExit(f"{folder.root}: there is no protocol yet; run it to the approval of the protocol first.")


async def recompute(root: Path, sandbox: Sandbox | None) -> Recomputed:
    """Recompute the facts, looks and counts of a run, and look for the numbers of its protocol in them."""
    folder = RunFolder(root)
    protocol, objective = protocol_of(folder), folder.read(RunRecord, "run.json").objective
    datasets = folder.read_all(Dataset, "datasets")
    # as the run had them when it looked: rows of questions are chosen later, and made views depend on all files
    given = tuple(d for d in datasets if d.files and d.prepared_from is None and d.analysis_of is None)
    was = folder.read(Audit, FACTS) if folder.has(FACTS) else Audit()
    now = audit(given, objective)
    made = {(f.dataset, f.kind, f.statement) for f in now.facts}
    held = tuple(f for f in was.facts if (f.dataset, f.kind, f.statement) in made)
    had = {v.id: v.digest for v in folder.read_list(View, f"{VIEWS}.json")} if folder.has(f"{VIEWS}.json") else {}
    came = await _looks(folder.read_list(LookRecord, LOOKS), given, datasets, objective, sandbox, had)
    ids = {k.id for k in came.same}
    looked = tuple(f for f in folder.read_list(Fact, LOOKED) if f.shown_by in ids)
    shown = shown_texts(
        was.model_copy(update={"facts": held}),
        looked,
        came.same,
        datasets,
        folder.read_list(PassageRead, PASSAGES),
        folder.read_all(PaperReport, "reports"),
        objective,
    )
    stated = len({n.replace(",", "") for _, s in statements(protocol) for n in stated_numbers(s)})
    return Recomputed(
        same=(*(f.id for f in held), *(k.id for k in came.same)),
        other=(*(f.id for f in was.facts if f not in held), *(k.id for k in came.other)),
        not_run=tuple(k.id for k in came.not_run),
        views=tuple(came.views),
        stated=stated,
        nowhere=unseen_statements(protocol, shown),
    )


@dataclass
class _Looks:
    """Looks and counts by how they came out."""

    same: list[LookRecord]
    other: list[LookRecord]
    not_run: list[LookRecord]
    views: list[str]


async def _looks(
    records: Sequence[LookRecord],
    given: Sequence[Dataset],
    datasets: Sequence[Dataset],
    objective: Objective,
    sandbox: Sandbox | None,
    had: Mapping[str, str],
) -> _Looks:
    """Run looks on views made anew, and counts on the sample sheets."""
    found = _Looks([], [], [], [])
    secret = hashlib.sha256("\n".join(sorted(f.sha256 for d in given for f in d.files)).encode()).digest()
    with tempfile.TemporaryDirectory() as scratch:
        views = make_views(given, objective, Path(scratch), secret)
        found.views += [v.id for v in views if had.get(v.id, v.digest) != v.digest]
        for record in (k for k in records if k.id and not k.refused):
            place = Place(record.id, record.round, ())
            if record.view.endswith(COUNTS):
                action = CountAction.model_validate({"why": "again", **json.loads(record.code)})
                seen = await CountTool(datasets).run(action, place)
            elif sandbox is None or sandbox.name == "none" or record.view in found.views:
                found.not_run.append(record)
                continue
            else:
                most = REVIEWER_SEES if record.by == "reviewer" else SHOWN_BYTES
                tool = LookTool(sandbox, Path(scratch), views, prefix=record.id[:1], shown_bytes=most)
                look = LookAction(kind="look", why=record.why, view=record.view, code=record.code)
                seen = await tool.run(look, place)
            (found.same if seen.text.strip() == record.shown.strip() else found.other).append(record)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report of a run; return the exit code."""
    parser = argparse.ArgumentParser(description="Recompute what a run's protocol states about its data.")
    parser.add_argument("run", type=Path, help="the run folder")
    root = parser.parse_args(arguments).run
    if not (root / "run.json").is_file():
        print(f"{root}: no run folder (run.json is not there); name a folder in workspace/runs.", file=sys.stderr)
        return 2
    try:
        sandbox: Sandbox | None = choose_sandbox()
    except BioresearcherError:
        sandbox = None
    found = asyncio.run(recompute(root, sandbox))
    print("\n".join(found.lines))
    return 0 if found.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
