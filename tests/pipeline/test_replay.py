"""A finished run once more from its recorded answers: the same to the last byte, without a model or a network."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import model_server as tests
import pytest

from bioresearcher.cli.app import main
from bioresearcher.cli.run_messages import replay_lines
from bioresearcher.errors import BackendError
from bioresearcher.graph.replay import changes, compare, open_source, why_missing
from bioresearcher.llm.backend import Reply, Request
from bioresearcher.llm.ledger import LEDGER_FORMAT, ReplayBackend
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.run import Replay, RunRecord

OTHER_PAPER = "doi-10.1111-j.2517-6161.1995.tb02031.x"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("resume")]

NO_SOCKETS = """
import os, socket
def refuse(*what, **more):
    with open(os.environ["SOCKETS_SEEN"], "a") as seen:
        seen.write(repr(what))
    raise OSError("no network here")
if "SOCKETS_SEEN" in os.environ:
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        setattr(socket, name, refuse)
"""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Programs started from now on cannot use a socket; each attempt is written to this file."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(NO_SOCKETS, encoding="utf-8")
    root = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(place), root]))
    monkeypatch.setenv("SOCKETS_SEEN", str(tmp_path / "sockets.txt"))
    return tmp_path / "sockets.txt"


@pytest.fixture
def read_run(read_only: Path, tmp_path: Path) -> Path:
    """A copy of the run that computes nothing, to be changed."""
    return Path(shutil.copytree(read_only, tmp_path / read_only.name))


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file and folder."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in (folder, *folder.rglob("*"))}


def manifest(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return data


def edit(folder: Path, **changed: object) -> None:
    data = {**manifest(folder), **changed}
    (folder / "run.json").write_text(json.dumps(data), encoding="utf-8")


def latest(program: Any) -> Path:
    return max((program.workspace / "runs").iterdir(), key=lambda p: p.stat().st_mtime_ns)


def test_a_replay_ends_the_same_to_the_last_byte(program: Any, finished: Path, seen: Path, results: Any) -> None:
    before = state(finished)
    done = program.run("run", "--replay", str(finished))
    assert done.returncode == 0, done.stderr
    again = program.folder()
    assert "identical: facts, protocol, 2 reports, 2 analyses, review, code, 13 outputs, report" in done.stdout
    assert results(again) == results(finished)
    for name in ("report.md", "report.html", "rounds.json", "tasks.json"):
        assert (again / name).read_bytes() == (finished / name).read_bytes(), name
    assert state(finished) == before
    assert not seen.exists()
    record, first = manifest(again), manifest(finished)
    assert record["replay_of"]["identical"] is True
    assert record["replay_of"]["changed"] == []
    assert record["replay_of"]["run_id"] == first["run_id"]
    assert record["decisions"] == first["decisions"]
    assert record["started"] != first["started"]
    with closing(sqlite3.connect(again / "ledger.sqlite")) as copy, closing(_ledger(finished)) as original:
        rows = "SELECT * FROM calls ORDER BY rowid"
        assert copy.execute(rows).fetchall() == original.execute(rows).fetchall()


def test_a_run_with_models_is_replayed_without_any(
    program: Any, small_objective: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOCKETS_SEEN")
    with tests.ModelServer(lambda asked: _model(tests, asked), context=32_768) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-for-this-run-only")
        asked = ("--backend", "chat", "--model", "compatible:test-model", "--base-url", server.url)
        budget = ("--max-tokens", "9000000", "--max-minutes", "60")
        done = program.run("run", str(small_objective), *asked, *budget, "--yes", "--quiet")
        assert done.returncode == 0, done.stderr
        calls = len(server.calls)
    first = program.folder()
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("SOCKETS_SEEN", str(seen))
    replayed = program.run("run", "--replay", str(first), "--json")
    assert replayed.returncode == 0, replayed.stderr
    record, before = json.loads(replayed.stdout), manifest(first)
    assert record["replay_of"]["differing"] == []
    assert not seen.exists()
    assert calls > 15  # of the tasks, those with a vetted analysis cost none
    assert record["usage"] == before["usage"]
    assert record["totals"]["calls"] == before["totals"]["calls"]
    assert any(row["by_rule"] for row in record["usage"])  # an answer that could not be used is not asked for again
    assert "### Models" in (first / "report" / "record.md").read_text(encoding="utf-8")


def _model(tests: Any, asked: Any) -> Any:
    """A valid answer; no answer to the last question."""
    made = tests.valid_answer(asked.body, items=2)
    if "metrics" in made:
        return tests.refused()
    return _usable(made, "", 0)


def _usable(value: Any, name: str, number: int) -> Any:
    """With ids and files that differ, and tasks that need no input."""
    if isinstance(value, dict):
        return {k: _usable(v, k, number) for k, v in value.items()}
    if isinstance(value, list):
        return [] if name == "inputs" else [_usable(v, name, n) for n, v in enumerate(value, start=1)]
    named = {"id": str(number), "part_id": str(number), "step_ids": f"{number}.1", "file": f"table{number}.tsv"}
    return named.get(name) or (f"{value} {number}" if isinstance(value, str) and value.startswith("a ") else value)


def _ledger(folder: Path) -> sqlite3.Connection:
    """Read as a file that nobody writes, so that nothing is left beside it."""
    return sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?immutable=1", uri=True)


def asked_of(folder: Path) -> tuple[str, ...]:
    """The options with which a run was started."""
    settings = manifest(folder)["settings"]
    return ("--objective", manifest(folder)["objective"]["text"], "--papers", settings["papers"][0])


def test_what_differs_is_named_and_a_replay_of_it_tells_of_the_first_run(program: Any, read_run: Path) -> None:
    (read_run / "protocol.md").write_text("Something else.", encoding="utf-8")
    edit(read_run, versions={**manifest(read_run)["versions"], "pandas": "0.1"})
    done = program.run("run", "--replay", str(read_run), "--quiet")
    assert done.returncode == 1
    once = program.folder()
    assert done.stdout == f"{once / 'report.html'}\n"
    assert manifest(once)["replay_of"]["differing"] == ["protocol.md"]
    assert "differs: protocol.md\n" in done.stderr
    assert "not as it was: version of pandas is" in done.stderr
    assert ", was 0.1" in done.stderr
    again = program.run("run", "--replay", str(once), "--json")
    assert again.returncode == 0, again.stderr
    record = json.loads(again.stdout)
    assert record["replay_of"]["identical"] is True
    assert record["replay_of"]["folder"] == str(once.resolve())
    assert record["replay_of"]["run_id"] == read_run.name
    assert (latest(program) / "report.html").read_bytes() == (read_run / "report.html").read_bytes()


def test_a_question_without_a_recorded_answer_names_what_changed(program: Any, read_only: Path, tmp_path: Path) -> None:
    own = tmp_path / "own" / "prompts" / "search"
    own.mkdir(parents=True)
    shipped = Path(__file__).resolve().parents[2] / "prompts" / "search" / "plan_queries.md"
    prompt = own / "plan_queries.md"
    prompt.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    asked = (*asked_of(read_only), "--project", str(tmp_path / "own"))
    assert program.run("run", *asked, "--yes", "--quiet").returncode == 0
    first = program.folder()
    prompt.write_text(prompt.read_text(encoding="utf-8") + "\nOne more line.\n", encoding="utf-8")
    done = program.run("run", "--replay", str(first), "--quiet")
    assert done.returncode == 4
    assert "search/plan_queries: the replayed run has no recorded answer to this question." in done.stderr
    assert "prompt, card or skill prompts/search/plan_queries is " in done.stderr
    assert "Traceback" not in done.stderr
    assert "resume" not in done.stderr
    assert manifest(latest(program))["status"] == "failed"


def test_a_killed_replay_is_resumed_as_a_replay(program: Any, read_run: Path, seen: Path) -> None:
    process = program.start("run", "--replay", str(read_run), "--quiet")
    while process.poll() is None and not list(program.workspace.glob("runs/*/reports/*.json")):
        time.sleep(0.02)
    program.kill(process)
    again = program.folder()
    done = program.run("resume", str(again), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["replay_of"]["identical"] is True
    assert not seen.exists()


def test_a_person_s_decisions_are_repeated(program: Any, read_only: Path) -> None:
    assert program.run("run", *asked_of(read_only)).returncode == 3
    first = program.folder()
    shown = resumed_by_a_person(program, first, OTHER_PAPER, "y")
    decisions = manifest(first)["decisions"]
    assert [d["by"] for d in decisions] == ["human", "human"], shown
    assert decisions[0]["drop"] == [OTHER_PAPER]
    again = program.run("run", "--replay", str(first), "--json")
    assert again.returncode == 0, again.stderr
    record = json.loads(again.stdout)
    assert record["decisions"] == decisions
    assert record["totals"]["human_interventions"] == 2
    assert record["replay_of"]["identical"] is True


def resumed_by_a_person(program: Any, folder: Path, *lines: str) -> str:
    """`resume` at a terminal at which these lines were typed; what the terminal showed."""
    person, terminal = pty.openpty()
    os.write(person, "".join(f"{line}\n" for line in lines).encode())
    process = subprocess.Popen(
        program.command("resume", str(folder)), stdin=terminal, stdout=terminal, stderr=terminal,
        env=program.environment() | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the program has ended
        while piece := os.read(person, 65536):
            shown += piece
    os.close(person)
    assert process.wait(timeout=60) == 0, shown.decode()
    return shown.decode()


def told(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line with which the program refuses."""
    assert main(["run", "--replay", *args]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, said
    return said


def test_a_run_that_is_not_there_or_not_finished(capsys: Any, finished: Path, tmp_path: Path) -> None:
    assert "there is no run folder" in told(capsys, str(tmp_path / "nowhere"))
    assert "is no run folder: it has no run.json" in told(capsys, str(tmp_path))
    for status in ("running", "stopped", "failed"):
        copy = Path(shutil.copytree(finished, tmp_path / status))
        edit(copy, status=status, stopped_by="Ctrl-C")
        said = told(capsys, str(copy))
        assert f"not finished ({status}: Ctrl-C)" in said
        assert f"bioresearcher resume {copy}" in said
    edit(copy, status="done", settings={**manifest(copy)["settings"], "max_papers": "many"})
    assert "the setting max_papers cannot be used" in told(capsys, str(copy))
    edit(copy, format=99)
    assert "newer version (format 99" in told(capsys, str(copy))


def test_a_ledger_that_cannot_be_used(capsys: Any, finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "run"))
    ledger = copy / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as db:
        db.execute("PRAGMA user_version=99")
    assert "newer version (format 99" in told(capsys, str(copy))
    with closing(sqlite3.connect(ledger, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version={LEDGER_FORMAT}")
        db.execute("DELETE FROM calls")
    assert "holds no answers" in told(capsys, str(copy))
    ledger.write_bytes(b"no database" * 500)
    assert "damaged or no ledger" in told(capsys, str(copy))
    ledger.unlink()
    assert "ledger.sqlite is missing" in told(capsys, str(copy))


def test_answers_that_a_killed_run_left_in_the_write_ahead_log_are_found(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "run"))
    db = sqlite3.connect(copy / "ledger.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(
        "INSERT INTO calls (key, prompt, model, reply, usage)"
        " SELECT 'last', prompt, model, reply, usage FROM calls LIMIT 1"
    )
    left = Path(shutil.copytree(copy, tmp_path / "left"))  # as it lies there while the program is at work
    db.close()
    assert (left / "ledger.sqlite-wal").stat().st_size
    before = state(left)
    source = open_source(left, RunFolder(left).read(RunRecord, "run.json"))
    source.copy_ledger(tmp_path / "copy.sqlite")
    assert state(left) == before
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as answers:
        assert answers.execute("SELECT count(*) FROM calls WHERE key = 'last'").fetchone() == (1,)


def test_inputs_that_changed_are_gone_or_were_added(program: Any, capsys: Any, read_run: Path, tmp_path: Path) -> None:
    there = manifest(read_run)["settings"]["papers"][0]
    notes = Path(shutil.copytree(there, tmp_path / "notes"))
    text = (read_run / "run.json").read_text(encoding="utf-8")
    (read_run / "run.json").write_text(text.replace(there, str(notes)), encoding="utf-8")
    extra = notes / "extra.md"
    extra.write_text((notes / "perou-2000.md").read_text(encoding="utf-8"), encoding="utf-8")
    done = program.run("run", "--replay", str(read_run))
    assert done.returncode == 2
    assert "extra.md was added since the run" in done.stderr
    assert not list((program.workspace / "runs").iterdir())  # no folder is left behind
    extra.unlink()
    note = notes / "perou-2000.md"
    note.write_text(note.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    assert "perou-2000.md changed since the run" in told(capsys, str(read_run))
    note.unlink()
    assert "perou-2000.md is gone" in told(capsys, str(read_run))


@pytest.mark.parametrize(
    ("option", "name"),
    [
        (("--objective", "Another objective altogether"), "--objective"),
        (("--example", "breast-cancer"), "--example"),
        (("objective.toml",), "FILE"),
        (("--papers", "papers"), "--papers"),
        (("--max-papers", "3"), "--max-papers"),
        (("--project", "."), "--project"),
        (("--reuse",), "--reuse"),
        (("--sandbox", "none"), "--sandbox none"),
    ],
)
def test_what_would_change_the_run_is_refused(capsys: Any, finished: Path, option: tuple[str, ...], name: str) -> None:
    said = told(capsys, str(finished), *option)
    assert f"{name} cannot be given with --replay" in said


def test_a_workspace_inside_the_replayed_folder_is_refused(capsys: Any, finished: Path) -> None:
    said = told(capsys, str(finished), "--workspace", str(finished / "workspace"))
    assert "would lie in the run folder to be replayed" in said
    assert not (finished / "workspace").exists()


def test_code_runs_unprotected_only_when_asked_for_here(capsys: Any, finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "run"))
    edit(copy, settings={**manifest(copy)["settings"], "sandbox": "none"})
    assert "--sandbox none" in told(capsys, str(copy))


class Recorded:
    """A backend as far as a replay looks at it."""

    name, origin = "chat", "model"

    def identity(self, request: Request) -> str:
        return f"model for {request.prompt}"

    def room(self, request: Request) -> int | None:
        return 1234

    async def complete(self, request: Request) -> Reply:
        raise AssertionError("a replay asks nobody")


async def test_a_replay_looks_like_the_recorded_backend_and_never_answers() -> None:
    request = Request("x/y", "", "reader", Nothing(), (), Nothing)
    backend = ReplayBackend(Recorded(), lambda: "The first thing that is not as it was: x.")
    assert (backend.name, backend.origin) == ("chat", "model")
    assert (backend.identity(request), backend.room(request)) == ("model for x/y", 1234)
    with pytest.raises(BackendError, match=r"x/y: the replayed run has no recorded answer.*not as it was: x\.$"):
        await backend.complete(request)


class Nothing(Value):
    """An empty value."""


def test_why_an_answer_is_missing_names_the_first_difference(finished: Path) -> None:
    before = RunFolder(finished).read(RunRecord, "run.json")
    assert changes(before, before) == ()
    assert "a task that ran otherwise" in why_missing(before, before)
    elsewhere = before.model_copy(update={"settings": {**before.settings, "workspace": "/elsewhere", "jobs": 99}})
    assert changes(before, elsewhere) == ()
    after = before.model_copy(
        update={
            "settings": {**before.settings, "max_papers": 3},
            "digests": {**before.digests, "prompts/search/plan_queries": "new"},
            "sandbox": "",
        }
    )
    said = changes(before, after)
    assert "prompts/search/plan_queries is new, was" in said[0]
    assert said[1:] == ("setting max_papers is 3, was 20", f"sandbox is none works, was {before.sandbox}")
    assert said[0] in why_missing(before, after)


def test_files_of_one_run_only_differ(tmp_path: Path) -> None:
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    for folder in (one, other):
        for name in ("protocol.md", "tasks/T1/code.py", "tasks/T1/outputs/deep/table.tsv"):
            path = folder.path(*name.split("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name, encoding="utf-8")
    assert compare(one, other) == (
        {"facts": 0, "protocol": 1, "reports": 0, "analyses": 0, "review": 0, "code": 1, "outputs": 1, "report": 0}, ()
    )  # fmt: skip
    other.path("report.md").write_text("", encoding="utf-8")
    one.path("tasks", "T1", "code.py").unlink()
    other.path("tasks", "T1", "outputs", "deep", "table.tsv").write_text("x", encoding="utf-8")
    assert compare(one, other)[1] == ("tasks/T1/code.py", "tasks/T1/outputs/deep/table.tsv", "report.md")


def test_many_differences_are_cut() -> None:
    replay = Replay(
        folder="/run", run_id="r", started="t", compared={"outputs": 40}, identical=False,
        differing=tuple(f"tasks/T1/outputs/{n}" for n in range(30)), changed=("sandbox is none works, was bubblewrap",),
    )  # fmt: skip
    lines = replay_lines(replay)
    assert lines[0] == "30 of 40 files not identical to /run:"
    assert lines[-2:] == [
        "and 10 more: see replay_of in run.json",
        "not as it was: sandbox is none works, was bubblewrap",
    ]
