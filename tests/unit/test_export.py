"""What leaves with a run: crates, pages, manuscripts, protocols; and what never does."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_support import HOSTILE, build_run

from bioresearcher.cli.app import main
from bioresearcher.export.clean import ABSOLUTE, LEFT_OUT, Cleaner
from bioresearcher.export.content import RunContent
from bioresearcher.export.crate import crate_metadata, crate_zip
from bioresearcher.export.licences import licence_of
from bioresearcher.export.manuscript import manuscript
from bioresearcher.export.page import one_page
from bioresearcher.export.parcel import pack
from bioresearcher.export.protocol_forms import protocol_jsonld, protocols_io
from bioresearcher.review.reading.protocol import read_protocol
from bioresearcher.runfolder import RunFolder, file_sha256, write_text
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, TaskInput
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.run import RunRecord

SECRET = "sk-proj-abcdefghijklmnop1234567890"
SHEET = "pid\tage\nMC-104\t61\nMC-205\t55\nMC-301\t47\nMC-442\t70\n"


def with_data(root: Path, licence: str | None) -> RunFolder:
    """A run whose first task reads a sample sheet of a data set with a licence, and shows its rows in an output."""
    folder = build_run(root / "run")
    source = root / "cohort"
    source.mkdir()
    write_text(source / "clinical.tsv", SHEET)
    digest = file_sha256(source / "clinical.tsv")
    file = DataFile(name="samples", kind="samples", path="clinical.tsv", sample_column="pid", bytes=60, sha256=digest)
    dataset = Dataset(
        id="cohort", title="A cohort", source="a clinic", licence=licence, root=str(source), files=(file,)
    )
    folder.write(dataset, "datasets", "cohort.json")
    places = sorted(folder.path("tasks").glob("*/task.json"))
    tasks = [folder.read(DryLabTask, *p.relative_to(folder.root).parts) for p in places]
    mine = TaskInput(name="samples", dataset="cohort", file="samples")
    tasks[0] = tasks[0].model_copy(update={"inputs": (mine,)})
    folder.write_list(tasks, "tasks.json")
    write_text(folder.path("tasks", tasks[0].id, "outputs", "scores.tsv"), "pid\tscore\nMC-104\t0.5\n")
    write_text(folder.path("tasks", tasks[0].id, "outputs", "sums.tsv"), "n\tmean\n4\t58.25\n")
    return folder


def is_alone(page: str) -> bool:
    """A page asks for nothing beside itself: no script, frame, style or picture from elsewhere, no link to a file."""
    outside = r"<(?:script|iframe|object|embed)\b|<link\b(?![^>]*href=\"data:)|\bsrc=[\"'](?!data:)"
    return not re.search(outside + r"|<a\b[^>]*\shref=[\"'](?!#|https?:|mailto:|data:)", page)


def names_in(folder: RunFolder, *, all_data: bool = False) -> set[str]:
    return {f.path for f in pack(RunContent.load(folder), all_data=all_data).files}


@pytest.mark.parametrize(
    ("licence", "goes", "goes_when_asked"),
    [
        ("CC BY 4.0; some institute", True, True),
        ("CC0", True, True),
        ("Creative Commons Attribution 4.0 International", True, True),
        ("CC BY-NC-ND 4.0", True, True),
        ("public GEO data", True, True),
        (None, False, True),
        ("ask the authors", False, True),
        ("public; may not be redistributed", False, False),
        ("CC BY 4.0 for the text; patient data are controlled access (dbGaP)", False, False),
        ("Confidential. All rights reserved.", False, False),
        ("data use agreement", False, False),
    ],
)
def test_the_licence_field_decides_whether_data_go(
    tmp_path: Path, licence: str | None, goes: bool, goes_when_asked: bool
) -> None:
    folder = with_data(tmp_path, licence)
    assert any(n.endswith("/clinical.tsv") for n in names_in(folder)) is goes
    assert any(n.endswith("/clinical.tsv") for n in names_in(folder, all_data=True)) is goes_when_asked


def test_changed_copies_stay_where_a_licence_allows_none() -> None:
    dataset = Dataset(id="d", title="d", source="s", licence="CC BY-ND 4.0", root="", files=())
    assert licence_of(dataset).allowed
    assert not licence_of(dataset.model_copy(update={"prepared_from": "e"})).allowed


def test_rows_of_data_that_stay_leave_in_no_other_file_either(tmp_path: Path) -> None:
    folder = with_data(tmp_path, None)
    parcel = pack(RunContent.load(folder))
    whole = b"".join(f.read() for f in parcel.files)
    assert not re.findall(rb"MC-\d\d\d", whole)
    stays = {w.path: w for w in parcel.withheld}
    assert stays["cohort/clinical.tsv"].sha256 == file_sha256(tmp_path / "cohort" / "clinical.tsv")
    assert any(p.endswith("scores.tsv") for p in stays)
    assert any(f.path.endswith("sums.tsv") for f in parcel.files)


def test_data_that_stay_are_in_the_metadata_by_digest_and_reason(tmp_path: Path) -> None:
    content = RunContent.load(with_data(tmp_path, "data use agreement"))
    graph = crate_metadata(content, pack(content))["@graph"]
    digest = file_sha256(tmp_path / "cohort" / "clinical.tsv")
    (entity,) = [e for e in graph if e.get("sha256") == digest]
    assert entity["@type"] == "CreativeWork"
    assert "data use agreement" in entity["conditionsOfAccess"]
    assert not [e for e in graph if e["@id"] == "./" and digest in json.dumps(e.get("hasPart"))]


def test_prov_relations_lead_from_a_finding_to_the_data(tmp_path: Path) -> None:
    content = RunContent.load(with_data(tmp_path, "CC0"))
    graph = {e["@id"]: e for e in crate_metadata(content, pack(content))["@graph"]}
    first = next(iter(content.recorded.tasks))
    action = graph[f"#task-{first}"]
    used = {e["@id"] for e in action["used"]}
    assert any(u.startswith("inputs/") for u in used)
    assert "#environment" in used
    made = action["result"]
    for ref in made if isinstance(made, list) else [made]:
        assert graph[ref["@id"]]["wasGeneratedBy"] == {"@id": f"#task-{first}"}
    assert graph["#run"]["instrument"] == {"@id": "tasks.json"}
    files = {f.path for f in pack(content).files}
    ids = {e["@id"] for e in graph.values() if "File" in e["@type"]} - {"ro-crate-metadata.json"}
    assert ids == files


def test_every_relation_of_a_crate_has_its_entity(tmp_path: Path) -> None:
    content = RunContent.load(with_data(tmp_path, None))
    graph = crate_metadata(content, pack(content))["@graph"]
    ids = {e["@id"] for e in graph}
    found = set(re.findall(r'"@id": "((?:#|tasks|inputs)[^"]*)"', json.dumps(graph)))
    assert found <= ids


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    folder = with_data(tmp_path, "CC0")
    for make in (lambda c: crate_zip(c, pack(c)), manuscript):
        assert make(RunContent.load(folder)) == make(RunContent.load(folder))


def test_ledgers_checkpoints_links_and_what_lies_outside_never_leave(tmp_path: Path) -> None:
    folder = with_data(tmp_path, "CC0")
    outside = tmp_path / "private.json"
    write_text(outside, '{"private": 1}')
    for name in ("ledger.sqlite", "checkpoints.sqlite", "events.jsonl", "lock"):
        write_text(folder.path(name), "private")
    os.symlink(outside, folder.path("papers", "link.json"))
    os.symlink(tmp_path, folder.path("revisions"))
    os.symlink(outside, folder.path("tasks", "T1", "outputs", "link.json"))
    names = names_in(folder)
    assert not [n for n in names if "link" in n or "sqlite" in n or "events" in n or n == "lock"]
    assert b"private" not in b"".join(f.read() for f in pack(RunContent.load(folder)).files)


def test_a_script_with_a_secret_stays_and_is_named(tmp_path: Path) -> None:
    folder = with_data(tmp_path, "CC0")
    write_text(folder.path("tasks", "T1", "code.py"), f"key = '{SECRET}'\n")
    parcel = pack(RunContent.load(folder))
    assert "tasks/T1/code.py" in {w.path for w in parcel.withheld}
    assert SECRET.encode() not in crate_zip(RunContent.load(folder), parcel)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(["/home", "/Users/x", "/mnt/d", "/scratch", "C:\\Users", "/root/.config", "file:///srv"]),
    names=st.lists(st.from_regex(r"\A[a-z][a-z0-9_-]{1,8}\Z"), min_size=1, max_size=4),
    around=st.sampled_from(["{}", 'read "{}" now', "({})", "path={}", "a: {}, b", "`{}`", "['{}']"]),
)
def test_no_absolute_path_or_secret_is_left(start: str, names: list[str], around: str) -> None:
    split = "\\" if "\\" in start else "/"
    path = split.join([start, *names])
    text = Cleaner({}).text(around.format(path) + f" key {SECRET} https://user:pass1234@host/a/b")
    assert path not in text
    assert SECRET not in text
    assert "pass1234" not in text
    assert not [m for m in ABSOLUTE.findall(text) if start in m]


@pytest.mark.parametrize(
    "text",
    [
        "and/or",
        "3 mg/kg/day",
        "https://w3id.org/ro/crate/1.1",
        "/sandbox/data/x/y.tsv",
        "</p></div>",
        "1/2",
        "a/b/c.py",
    ],
)
def test_what_is_no_path_of_a_machine_is_kept(text: str) -> None:
    assert Cleaner({}).text(text) == text


def test_secrets_of_the_environment_are_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "quite-plain-words")
    folder = build_run(tmp_path / "run")
    record = folder.read(RunRecord, "run.json")
    cleaner = Cleaner.of(folder, record, ())
    assert cleaner.text("it is quite-plain-words.") == f"it is {LEFT_OUT}."
    assert str(folder.root) not in cleaner.text(f"in {folder.root}/report.md")


def test_a_page_needs_no_other_file(tmp_path: Path) -> None:
    page = one_page(RunContent.load(build_run(tmp_path / "run")))
    assert is_alone(page)
    assert str(tmp_path) not in page


def test_a_manuscript_holds_answers_methods_and_tables_whatever_the_title(tmp_path: Path) -> None:
    folder = with_data(tmp_path, "CC0")
    record = folder.read(RunRecord, "run.json")
    title = "=HYPERLINK(1)\x00\x0b " + HOSTILE + "x" * 2000
    protocol = folder.read(Protocol, "protocol.json")
    path = folder.path("protocol.json")
    data = json.loads(protocol.model_dump_json())
    data["title"] = title
    path.write_text(json.dumps(data), encoding="utf-8")
    folder.write(record, "run.json")
    content = RunContent.load(folder)
    assert len(content.title) <= 200
    document = docx.Document(io.BytesIO(manuscript(content)))
    heads = [p.text for p in document.paragraphs if p.style is not None and str(p.style.name).startswith("Heading")]
    assert {"Answers", "Methods in brief", "Deviations from the registered plan", "Tables"} <= set(heads)
    assert crate_zip(content, pack(content))
    assert is_alone(one_page(content))


@pytest.mark.parametrize(("make", "form"), [(protocol_jsonld, "json-ld"), (protocols_io, "protocols.io")])
def test_our_reader_reads_an_exported_protocol_back(tmp_path: Path, make: Any, form: str) -> None:
    folder = build_run(tmp_path / "run")
    content = RunContent.load(folder)
    assert content.protocol is not None
    file = tmp_path / "protocol.json"
    write_text(file, make(content, content.protocol))
    reading = read_protocol(file)
    assert reading.form.casefold().startswith(form.casefold()[:4])
    assert len(reading.protocol.steps) == len(content.protocol.steps)
    for mine, read in zip(content.protocol.steps, reading.protocol.steps, strict=True):
        assert mine.action.split()[0].rstrip(".") in f"{read.title} {read.action}"


def test_steps_for_protocols_io_are_a_chain(tmp_path: Path) -> None:
    content = RunContent.load(build_run(tmp_path / "run"))
    assert content.protocol is not None
    steps = json.loads(protocols_io(content, content.protocol))["steps"]
    assert [s["previous_guid"] for s in steps] == [None, *(s["guid"] for s in steps[:-1])]
    assert all(re.fullmatch(r"[0-9a-f]{32}", s["guid"]) for s in steps)


def test_the_command_never_replaces_a_file_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(with_data(tmp_path, None).root)
    out = tmp_path / "out.zip"
    write_text(out, "mine")
    assert main(["export", run, "--crate", str(out), "--html", str(tmp_path / "p.html")]) == 2
    assert out.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "p.html").exists()
    assert main(["export", run, "--crate", str(out), "--force"]) == 0
    assert "no licence is stated" in capsys.readouterr().err
    assert zipfile.is_zipfile(out)
    link = tmp_path / "link.zip"
    os.symlink(out, link)
    assert main(["export", run, "--crate", str(link), "--force"]) == 2
    assert main(["export", run, "--crate", str(tmp_path)]) == 2
    assert main(["export", run]) == 2
    assert main(["export", run, "--html", str(link), "--docx", str(link)]) == 2


def test_an_unfinished_run_is_exported_as_far_as_it_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder(tmp_path / "run")
    whole = build_run(tmp_path / "whole")
    record = whole.read(RunRecord, "run.json").model_copy(update={"status": "running", "finished": None})
    folder.write(record, "run.json")
    target = [str(tmp_path / n) for n in ("c.zip", "c.html", "c.docx")]
    args = ["--crate", target[0], "--html", target[1], "--docx", target[2]]
    assert main(["export", str(folder.root), *args]) == 0
    assert main(["export", str(folder.root), "--protocols-io", str(tmp_path / "p.json")]) == 2
    assert main(["export", str(folder.root), "--register", str(tmp_path / "r.txt")]) == 2
    assert "no registered plan" in capsys.readouterr().err
