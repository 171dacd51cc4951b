"""The pages of a workspace: who gets in, what is listed, what is shown of a run, and which files are given."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest
from batch_support import batch, entry, ran, totals
from report_support import build_run
from web_server import TOKEN, begin_to_work, emit, served, visited

from bioresearcher.errors import OutsideError
from bioresearcher.runfolder import RunFolder
from bioresearcher.web.catalogue import Catalogue, Filter
from bioresearcher.web.serve import listen_on

HOSTILE = "<script>alert(1)</script>“‮”<img src=x onerror=alert(2)>"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with one finished run."""
    build_run(tmp_path / "ws" / "runs" / "first")
    return tmp_path / "ws"


def run_of(workspace: Path, name: str = "first") -> RunFolder:
    return RunFolder(workspace / "runs" / name)


def edit(folder: RunFolder, **changes: object) -> None:
    record = json.loads(folder.path("run.json").read_text())
    folder.path("run.json").write_text(json.dumps({**record, **changes}))


# -- the door -------------------------------------------------------------------------------------------


def test_nobody_gets_in_without_the_token(workspace: Path) -> None:
    with served(workspace) as base:
        for path in ("/", "/runs/first", "/static/view.css", "/runs/first/files/report.html", "/?token=wrong"):
            answer = httpx.get(base + path, trust_env=False)
            assert answer.status_code == 403
            assert "first" not in answer.text


def test_the_address_with_the_token_leads_to_the_same_page_without_it(workspace: Path) -> None:
    with served(workspace) as base:
        answer = httpx.get(f"{base}//evil.example/x?token={TOKEN}&q=a%20b", trust_env=False)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/evil.example/x?q=a+b"
        assert "HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:1"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
    ],
)
def test_requests_from_elsewhere_are_refused(workspace: Path, headers: dict[str, str], status: int) -> None:
    with visited(workspace) as client:
        assert client.get("/", headers=headers).status_code == status


def test_the_pages_only_read(workspace: Path) -> None:
    with visited(workspace) as client:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert client.request(method, "/runs/first").status_code == 405


def test_every_answer_forbids_what_comes_from_elsewhere(workspace: Path) -> None:
    with visited(workspace) as client:
        for path in ("/", "/runs/first", "/runs/first/section/results", "/nowhere", "/batches"):
            answer = client.get(path)
            assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers
            assert "<style" not in answer.text
            assert "onclick" not in answer.text
            assert "http://" not in answer.text.replace("http://www.w3.org", "")


def test_a_port_has_one_server() -> None:
    with listen_on(0) as first, pytest.raises(OutsideError, match="cannot be used: Address already in use"):
        listen_on(first.getsockname()[1])


# -- lists ----------------------------------------------------------------------------------------------


def test_runs_are_listed_a_page_at_a_time_and_chosen(workspace: Path) -> None:
    source = run_of(workspace).path("run.json").read_bytes()
    for n in range(60):
        folder = workspace / "runs" / f"more-{n:02d}"
        folder.mkdir()
        (folder / "run.json").write_bytes(source)
    edit(run_of(workspace, "more-07"), status="failed")
    with visited(workspace) as client:
        first = client.get("/").text
        assert "61 runs, page 1 of 2" in first
        assert first.count('<th scope="row">') == 50
        assert client.get("/?page=2").text.count('<th scope="row">') == 11
        assert client.get("/?page=99999999999").status_code == 200
        chosen = client.get("/?state=failed&q=MORE").text
        assert "1 run found" in chosen
        assert "more-07" in chosen


def test_what_cannot_be_read_is_named_and_hides_nothing(workspace: Path) -> None:
    for name, text in (("half", '{"format": 1, "run_id": "ha'), ("newer", None), ("empty", "")):
        folder = workspace / "runs" / name
        shutil.copytree(run_of(workspace).root, folder)
        if text is not None:
            (folder / "run.json").write_text(text)
    edit(run_of(workspace, "newer"), format=99)
    (workspace / "runs" / "just-begun").mkdir()
    with visited(workspace) as client:
        page = client.get("/").text
        assert "4 runs" in page
        assert page.count("unreadable</span>") == 3
        for name in ("half", "newer", "empty"):
            shown = client.get(f"/runs/{name}")
            assert shown.status_code == 200
            assert "callout" in shown.text
            assert client.get(f"/runs/{name}/section/results").status_code == 200
        assert client.get("/runs/just-begun").status_code == 404


def test_a_damaged_file_beside_the_manifest_takes_nothing_else_away(workspace: Path) -> None:
    folder = run_of(workspace)
    folder.path("tasks.json").write_bytes(b"[{]")
    folder.path("questions.json").write_bytes(b"\xff\xfe")
    folder.path("events.jsonl").write_bytes(b'{"time": "x"}\nno event\n' + b"{" * 3_000_000)
    with visited(workspace) as client:
        assert client.get("/runs/first").status_code == 200


def test_runs_of_the_last_version_are_shown(tmp_path: Path) -> None:
    with tarfile.open(Path(__file__).parents[1] / "fixtures" / "last_version" / "lab.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    workspace = next(tmp_path.rglob("runs")).parent
    with visited(workspace) as client:
        assert "unreadable</span>" not in client.get("/").text
        for run in Catalogue(workspace).places():
            for tail in ("", "/section/status", "/section/protocol", "/section/tasks", "/section/cost"):
                assert client.get(f"/{run.key}{tail}").status_code == 200


def test_a_run_whose_process_is_gone_was_cut_off(workspace: Path) -> None:
    edit(run_of(workspace), status="running")
    run_of(workspace).path("lock").write_text("1\n")
    assert [row.state for row in Catalogue(workspace).rows(Filter())] == ["cut off"]
    begin_to_work(run_of(workspace))
    assert [row.state for row in Catalogue(workspace).rows(Filter())] == ["working"]


def test_batches_have_their_summary_and_their_runs(tmp_path: Path) -> None:
    folder = batch(tmp_path / "ws" / "batches" / "night", [entry("one")])
    build_run(folder.path("runs", "one-r1"))
    ran(folder, entry("one"), 1, totals(2, 2, 1))
    with visited(tmp_path / "ws") as client:
        assert "night" in client.get("/batches").text
        summary = client.get("/batches/night")
        assert "Verified success" in summary.text
        assert "sandbox" in summary.headers["content-security-policy"]
        assert "one-r1" in client.get("/?batch=night").text
        assert client.get("/batches/night/runs/one-r1").status_code == 200
        assert client.get("/batches/night/runs/%2e%2e").status_code == 404


# -- a run ----------------------------------------------------------------------------------------------


def test_a_finished_run_shows_its_answers_and_its_files(workspace: Path) -> None:
    run_of(workspace).path("report.html").write_text("<p>report</p>")
    with visited(workspace) as client:
        page = client.get("/runs/first").text
        assert 'class="state done"' in page
        assert "view.js" not in page
        assert "Questions and answers" in page
        for mark in ('<html lang="en">', 'href="#main"', 'id="main"', 'aria-label="This run"', 'role="status"'):
            assert mark in page
        assert 'href="/runs/first/files/report.html"' in page
        results = client.get("/runs/first/section/results").text
        assert "<li>" in results
        assert client.get("/runs/first/section/tasks?item=T1").status_code == 200
        assert client.get("/runs/first/section/tasks?item=T99").status_code == 404
        assert client.get("/runs/first/section/secrets").status_code == 404


def test_a_hostile_title_stays_text(workspace: Path) -> None:
    folder = run_of(workspace)
    record = json.loads(folder.path("run.json").read_text())
    edit(folder, objective={**record["objective"], "text": HOSTILE}, stopped_by=HOSTILE, status="stopped")
    emit(folder, kind="note", stage="x", message=HOSTILE)
    emit(folder, kind="task", stage="program_task", state="start", message=HOSTILE, data={"task": HOSTILE})
    with visited(workspace) as client:
        for path in ("/", "/runs/first", "/runs/first/section/status", f"/?q={HOSTILE}"):
            page = client.get(path).text
            assert "<script>alert" not in page
            assert "<img" not in page
            assert "‮" not in page
            assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/first/run.json",
        "/etc/passwd",
        "tasks/../../first/run.json",
        "ledger.sqlite",
        "lock",
        ".hidden",
        "linked.txt",
        "folder/secret.txt",
        "a%00b",
        "a%5cb",
        "",
        "tasks",
    ],
)
def test_no_file_out_of_the_folder_is_given(workspace: Path, tmp_path: Path, path: str) -> None:
    folder = run_of(workspace)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    folder.path("linked.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    folder.path("folder").symlink_to(tmp_path / "outside")
    for name in ("ledger.sqlite", "lock", ".hidden"):
        folder.path(name).write_text("secret")
    with visited(workspace) as client:
        answer = client.get(f"/runs/first/files/{path}")
        assert answer.status_code == 404
        assert "secret" not in answer.text
        assert "root:" not in answer.text


def test_links_out_of_the_workspace_are_neither_listed_nor_followed(workspace: Path, tmp_path: Path) -> None:
    elsewhere = build_run(tmp_path / "elsewhere" / "runs" / "other").root
    (workspace / "runs" / "link").symlink_to(elsewhere)
    (workspace / "batches").symlink_to(tmp_path / "elsewhere")
    with visited(workspace) as client:
        assert "1 run," in client.get("/").text
        for path in ("/runs/link", "/batches/runs/runs/other", "/runs/%2e%2e"):
            assert client.get(path).status_code == 404


def test_no_script_runs_in_a_file_of_a_run(workspace: Path) -> None:
    folder = run_of(workspace)
    for name in ("report/tasks.html", "tasks/T1/outputs/drawn.svg", "x.bin"):
        folder.path(name).parent.mkdir(parents=True, exist_ok=True)
        folder.path(name).write_text("<script>alert(1)</script>")
    with visited(workspace) as client:
        assert "/runs/first/files/report/tasks.html" in client.get("/runs/first").text
        for name in ("report/tasks.html", "tasks/T1/outputs/drawn.svg"):
            policy = client.get(f"/runs/first/files/{name}").headers["content-security-policy"]
            assert policy.startswith("sandbox ")
            assert "allow-scripts" not in policy
            assert "script-src" not in policy
        assert client.get("/runs/first/files/x.bin").headers["content-type"] == "application/octet-stream"


def test_a_run_by_itself_shows_nothing_else(workspace: Path) -> None:
    build_run(workspace / "runs" / "second")
    with visited(workspace, run_of(workspace).root) as client:
        assert client.get("/").headers["location"] == "/runs/first"
        assert client.get("/runs/second").status_code == 404
        assert client.get("/runs/first").status_code == 200


# -- the command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["nowhere"], "is neither a run nor a workspace"),
        ([], "there is no workspace"),
        (["--port", "70000"], "is no port"),
    ],
)
def test_the_command_refuses_what_is_no_run_in_a_line(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bioresearcher.cli.app import main

    monkeypatch.chdir(tmp_path)
    assert main(["view", *given]) == 2
    assert said in capsys.readouterr().err


def test_the_command_serves_until_it_is_stopped(workspace: Path) -> None:
    command = [sys.executable, "-m", "bioresearcher", "view", str(workspace / "runs" / "first")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=30) as client:
            answer = client.get(lines[1].strip())
            assert answer.status_code == 200
            assert answer.url.path == "/runs/first"
        process.send_signal(2)
        assert process.wait(20) == 0
