"""The gate of the selection as a conversation, through the real graph, with services on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geo_server
import pubmed_xml as px
import pytest
from gate_script import Script
from services_server import ServicesServer, World

from bioresearcher.cli.approvals import answer_approval
from bioresearcher.errors import RunFolderError
from bioresearcher.examples import load_example
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.replay import open_source
from bioresearcher.graph.run import Runner, inputs_of, new_run_folder, read_record, settings_of
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.run import Decision, RunRecord
from bioresearcher.settings import load_settings

QUESTION = Objective(id="groups", text="How are breast tumours grouped by gene expression?")
NOTES = load_example("breast-cancer").papers[0]
ABSTRACT = "Gene expression of breast tumours was measured on microarrays and grouped by hierarchical clustering."
RETRACTED = '<CommentsCorrectionsList><CommentsCorrections RefType="RetractionIn"><RefSource>J</RefSource>\
<PMID>39999999</PMID></CommentsCorrections></CommentsCorrectionsList><MeshHeadingList>'
TABLE = ["gene\t" + "\t".join(f"S{n}" for n in range(12))]
TABLE += [f"G{g}\t" + "\t".join(f"{5 + (g * n) % 7}.{n % 10}" for n in range(12)) for g in range(30)]


@dataclass
class Desk:
    """A workspace, one own note, and a person who types what is written beforehand."""

    root: Path
    flags: dict[str, Any] = field(default_factory=dict)
    script: Script = field(default_factory=Script)
    commands: list[str] = field(default_factory=list)

    async def _answer(self, question: dict[str, Any], context: RunContext) -> Decision | None:
        async def command(line: str) -> bool:
            self.commands.append(line)
            return line == "/status"

        return await answer_approval(question, context, self.script, command)

    async def run(self, *lines: str, folder: RunFolder | None = None, width: int = 80) -> tuple[RunRecord, RunFolder]:
        """Start a run or go on with one."""
        self.script = Script(*lines, width=width)
        if folder is None:
            settings = load_settings(
                {"workspace": self.root / "ws", "backend": "offline", "sandbox": "none", **self.flags}
            )
            folder, inputs = new_run_folder(settings.workspace, "groups"), RunInputs(QUESTION, (self.root / "notes",))
        else:
            record = read_record(folder)
            settings, inputs = settings_of(record), inputs_of(record)
        return await Runner(folder, inputs, settings, answer=self._answer).run(), folder


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "notes").mkdir()
    shutil.copy(NOTES / "perou-2000.md", tmp_path / "notes")
    return Desk(tmp_path, {"only_own": True})


@pytest.fixture
def asking(desk: Desk) -> Iterator[tuple[Desk, ServicesServer]]:
    """A desk at which services are asked: four papers, of which one is retracted, and a series."""
    about = {"title": "Groups of breast tumours by gene expression", "abstract": ABSTRACT, "year": 2010, "journal": "J"}
    far = {"title": "A census of alpine marmots", "abstract": "Marmots were counted.", "year": 2001, "journal": "M"}
    articles = [px.article({**about, "doi": "10.1000/a"}, 11), px.article(far, 12)]
    articles.append(px.article({**far, "title": "Marmots withdrawn"}, 13).replace("<MeshHeadingList>", RETRACTED, 1))
    world = World(desk.root / "world", articles)
    world.geo.records["GSE4711"] = geo_server.record("GSE4711", "Marmot tissue", "Marmots.", n_samples=4)
    with ServicesServer(world) as server:
        desk.flags = {"only_own": False, "config": server.settings(desk.root)}
        yield desk, server


def values(folder: RunFolder, name: str) -> Any:
    return json.loads(folder.path(name).read_text("utf-8"))


async def test_what_is_added_by_id_is_fetched_checked_and_recorded(asking: tuple[Desk, ServicesServer]) -> None:
    desk, _ = asking
    record, folder = await desk.run(
        "/status", "/nothing", "why 1", "add PMID:12", "add PMID:13", "no thanks", "add PMID:13", "yes",
        "add PMID:99 GSE4711 E-MTAB-62", "drop PMID11", "no",
    )  # fmt: skip
    text = " ".join(desk.script.text.split())
    assert desk.commands == ["/status", "/nothing"]
    assert "“/nothing” is no command of the session" in text
    assert "PMID12 “A census of alpine marmots” (2001, from pubmed) is added." in text
    assert text.count("PMID13 is RETRACTED: It is retracted (PMID 39999999)") == 2
    assert "PMID13 stays out." in text
    assert "PMID:99: no paper of this name was found (pubmed, europepmc asked)." in text
    assert "GSE4711 “Marmot tissue”" in text
    assert "E-MTAB-62 was not looked up: ArrayExpress is not asked" in text
    assert (record.status, record.stopped_by) == ("stopped", "declined at approve_selection")
    last = record.decisions[-1]
    assert last.papers[-2:] == ("PMID12", "PMID13")
    assert "PMID11" not in last.papers
    assert [d.confirmed for d in record.decisions if d.confirmed] == [("PMID13",)]
    assert [d.typed for d in record.decisions if not d.changed] == []
    screening = {row["paper_id"]: row for row in values(folder, "screening.json")}
    assert screening["PMID12"]["kept"]
    assert screening["PMID12"]["decided_by"] == "person"
    assert screening["PMID12"]["reason"].startswith("Added at the approval")
    asked = [
        row
        for r in values(folder, "search.json")
        for row in r["trail"]
        if row["purpose"] == "added at the approval: PMID:12"
    ]
    assert [(row["source"], row["found"]) for row in asked] == [("pubmed", ["PMID12"]), ("europepmc", ["PMID12"])]
    assert record.totals.human_interventions == len(record.decisions) == 6


async def test_a_service_that_is_not_there_is_said_and_the_gate_stays_open(asking: tuple[Desk, ServicesServer]) -> None:
    desk, server = asking
    dead = "http://127.0.0.1:9"
    desk.flags["config"] = server.settings(desk.root, eutils=f"{dead}/eutils", europepmc=f"{dead}/rest")
    record, _ = await desk.run("add PMID:12", "add GSE4711")
    text = " ".join(desk.script.text.split())
    assert "PMID:12 was not found before, and no service can be reached now (europepmc, pubmed)" in text
    assert "127.0.0.1:9 cannot be reached" in text
    assert (record.status, record.stopped_by) == ("stopped", "the approval approve_selection is open")
    assert record.totals.human_interventions == 0, "nothing was changed"


async def test_files_that_are_added_are_inputs_of_the_run_also_when_it_goes_on_and_is_replayed(desk: Desk) -> None:
    data, note = desk.root / "cohort.tsv", desk.root / "my paper.md"
    data.write_text("\n".join(TABLE) + "\n", encoding="utf-8")
    shutil.copy(NOTES / "sorlie-2001.md", note)
    first, folder = await desk.run(f"add {note}", f"add {data}", "add PMID:5", "drop 1", width=40)
    assert first.stopped_by == "the approval approve_selection is open"
    assert max(len(line) for line in desk.script.text.splitlines() if "add /" not in line) <= 40
    assert "--only-own" in desk.script.text
    assert {str(note), str(data)} <= first.inputs.keys()

    record, _ = await desk.run("list", "done", "no", folder=folder)
    assert record.stopped_by == "declined at approve_protocol"
    assert "Papers to read: 1" in desk.script.text
    assert "Data sets to use: 1" in desk.script.text
    (report,) = folder.path("reports").glob("*.json")
    (paper,) = record.decisions[-2].papers
    assert report.stem == paper
    assert values(folder, f"papers/{paper}.json")["path"] == str(note)
    assert record.totals.human_interventions == 5, (
        "add, add, drop, done, no; the PMID that could not be had changed nothing"
    )

    original = note.read_bytes()
    note.write_bytes(original + b"\nmore\n")
    with pytest.raises(RunFolderError, match=r"my paper\.md changed since the run started"):
        await desk.run("no", folder=folder)
    note.write_bytes(original)
    done = record.model_copy(update={"status": "done"})
    folder.write(done, "run.json")
    source = open_source(folder.root, done)
    again = new_run_folder(desk.root / "ws", "again")
    replayed = await Runner(again, inputs_of(done), settings_of(done), replay=source).run()
    assert replayed.stopped_by == "declined at approve_protocol"
    assert replayed.decisions == record.decisions
    assert replayed.inputs == record.inputs
    for name in ("protocol.json", "screening.json"):
        assert again.path(name).read_bytes() == folder.path(name).read_bytes(), name


async def test_a_file_of_a_paper_that_was_found_is_read_in_its_place(asking: tuple[Desk, ServicesServer]) -> None:
    desk, _ = asking
    note = desk.root / "eleven.md"
    note.write_text("---\ntitle: Groups of breast tumours\npmid: '11'\nyear: 2010\n---\n# Methods\n\nWe clustered.\n")
    record, folder = await desk.run(f"add paper {note}", "no")
    assert "PMID11" in record.decisions[-1].papers
    assert values(folder, "papers/PMID11.json")["source"] == "own"
