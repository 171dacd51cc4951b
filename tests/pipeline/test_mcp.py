"""The tools of an assistant, asked by the client of the official package: in memory, over pipes, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from lab import FINISHED, WAITING, unpack_lab
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from bioresearcher.doors.folders import Folders
from bioresearcher.doors.results import NOTICE
from bioresearcher.doors.server import build_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("mcp")]

TOOLS = (
    "review_protocol describe_data search_literature ask_library list_runs run_status read_answer trace_number "
    "reproduce_run start_run stop_run"
).split()
PROTOCOL = "# Staining\n\n## Part one\n\n1. Fix the sections in 4 % formaldehyde for 10 min.\n2. Wash with PBS.\n"
TOKEN = "a-token-of-a-test-and-no-secret"
START = {"objective": "Which genes differ between the groups?", "max_minutes": 5, "max_usd": 0, "only_own": True}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = unpack_lab(tmp_path)
    (place / "plan.md").write_text(PROTOCOL)
    (place / "secret").symlink_to("/etc")
    (tmp_path / "beside.md").write_text(PROTOCOL)
    monkeypatch.chdir(place)
    return place


async def agree(context: object, params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"start": True})


@asynccontextmanager
async def client_of(lab: Path, **options: Any) -> AsyncIterator[Client]:
    async with Client(build_server(Folders(lab / "workspace", [lab])), **options) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    assert next(iter(found)) == "notice"
    assert found["notice"] == NOTICE
    return found


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    text: str = result.content[0].text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_tool_has_a_small_schema_and_answers_from_a_finished_run(lab: Path, mode: str) -> None:
    async with client_of(lab, mode=mode) as client:
        tools = {t.name: t for t in (await client.list_tools()).tools}
        assert set(tools) == set(TOOLS)
        assert all(t.output_schema and t.description and len(t.description) < 200 for t in tools.values())
        assert len(json.dumps([t.model_dump(mode="json") for t in tools.values()])) < 25_000
        runs = await call(client, "list_runs")
        assert FINISHED in [r["run"] for r in runs["runs"]]
        answer = await call(client, "read_answer", run=FINISHED)
        manifest = json.loads((lab / "workspace" / "runs" / FINISHED / "run.json").read_text("utf-8"))
        assert answer["verified"] == manifest["totals"]["verified"] > 0
        assert answer["not_verified"] == [" ".join(c.split())[:600] for c in manifest["not_verified"]][:60]
        assert (await call(client, "run_status", run=WAITING))["state"] == "stopped"
        page = await client.read_resource(f"bioresearcher://runs/{FINISHED}/report")
        assert page.contents[0].text.startswith(f"[{NOTICE}]")
        assert manifest["objective"]["text"] in page.contents[0].text


async def test_a_protocol_is_reviewed_data_are_described_and_progress_is_told(lab: Path) -> None:
    told: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(done)

    async with client_of(lab) as client:
        reviewed = await call(client, "review_protocol", path="plan.md")
        assert reviewed["verdict"] == "not judged"
        assert reviewed["mean_score"] is None
        data = next(p for p in sorted((lab).rglob("*.tsv")) if "workspace" not in p.parts)
        result = await client.call_tool("describe_data", {"path": str(data.parent)}, progress_callback=progress)
        assert not result.is_error, result.content
        assert data.name in result.structured_content["text"]
    assert told
    assert told == sorted(set(told))


async def test_a_question_is_answered_with_quotes_of_the_papers_or_not_at_all(lab: Path) -> None:
    async with client_of(lab) as client:
        hits = (await call(client, "search_literature", query="false discovery rate", limit=3))["hits"]
        texts = "".join(p.read_text("utf-8") for p in (lab / "workspace/runs" / FINISHED / "documents").glob("*.json"))
        assert all(json.dumps(h["text"], ensure_ascii=False)[1:-1] in texts for h in hits)
        answer = await call(client, "ask_library", run=FINISHED, question="Which frogs live in the mountains of Peru?")
        assert answer["in_library"] is False
        assert answer["sentences"] == answer["quotes"] == []


async def test_a_number_is_traced_to_its_cell_and_one_that_is_nowhere_is_said(lab: Path) -> None:
    async with client_of(lab) as client:
        found = (await call(client, "trace_number", run=FINISHED, number="6.6"))["text"]
        assert "tasks/T1/outputs/sample_quality.tsv, row 4 (S04), column q25: 6.60625" in found
        assert "nearest" in (await call(client, "trace_number", run=FINISHED, number="123456.789"))["text"]


async def test_services_that_may_not_be_asked_are_a_problem_and_not_an_empty_answer(lab: Path) -> None:
    async with client_of(lab) as client:
        found = await call(client, "search_literature", query="breast cancer", where="services")
        assert found["hits"] == []
        assert "only_own" in found["problems"][0]


@pytest.mark.sandbox
async def test_a_task_is_executed_again_and_a_call_that_is_cancelled_leaves_the_run_as_it_was(lab: Path) -> None:
    root = lab / "workspace" / "runs" / FINISHED
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    async with client_of(lab) as client:
        task = asyncio.create_task(client.call_tool("reproduce_run", {"run": FINISHED}))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {p: p.read_bytes() for p in before} == before
        again = await call(client, "reproduce_run", run=FINISHED, tasks=["T1"])
        assert again["same"] > 0
        assert (again["differs"], again["cannot"]) == (0, 0)
        assert "has no task 'T99'" in await refused(client, "reproduce_run", run=FINISHED, tasks=["T99"])


OUTSIDE = ["../../etc", "/etc/passwd", "../beside.md", "secret", "secret/passwd", "workspace/../../beside.md"]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_no_tool_and_no_resource_reads_outside_the_folders(lab: Path, path: str) -> None:
    async with client_of(lab, elicitation_callback=agree) as client:
        for tool in ("review_protocol", "describe_data"):
            assert "outside the folders" in await refused(client, tool, path=path)
        for tool in ("read_answer", "run_status", "reproduce_run", "stop_run"):
            assert "outside the folders" in await refused(client, tool, run=path)
        assert "outside the folders" in await refused(client, "ask_library", run=path, question="What?")
        assert "outside the folders" in await refused(client, "start_run", **START, data=[path])
        for page in (f"{path}/report", f"{FINISHED}/{path}", f"{path.replace('/', '%2F')}/report"):
            with pytest.raises(MCPError):
                await client.read_resource(f"bioresearcher://runs/{page}")


async def test_garbage_for_arguments_is_refused_in_words(lab: Path) -> None:
    async with client_of(lab) as client:
        assert "query" in await refused(client, "search_literature", query="")
        assert "limit" in await refused(client, "search_literature", query="x", limit=10**9)
        assert "path" in await refused(client, "review_protocol", path=["a"])
        assert "path" in await refused(client, "review_protocol")
        assert "NUL" in await refused(client, "review_protocol", path="a\0b")
        assert "plain text" in await refused(client, "ask_library", run=FINISHED, question="@/etc/passwd")
        assert "max_minutes" in await refused(client, "start_run", objective="x y z", max_usd=1)
        assert "is none of bench protocol" in await refused(client, "review_protocol", path="plan.md", kind="--json")
        assert (await client.call_tool("no_such_tool", {})).is_error


async def test_a_run_starts_only_when_the_person_agrees(lab: Path) -> None:
    asked: list[str] = []

    async def decline(context: object, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="decline")

    async def untick(context: object, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"start": False})

    before = sorted((lab / "workspace" / "runs").iterdir())
    for answer in (decline, untick):
        async with client_of(lab, elicitation_callback=answer) as client:
            assert (await call(client, "start_run", **START))["started"] is False
    assert START["objective"] in asked[0]
    assert "No model is asked, at most 5 minutes; no literature or data service is asked" in asked[0]
    async with client_of(lab) as client:
        said = await refused(client, "start_run", **START)
        assert "cannot ask for your confirmation" in said
        assert "bioresearcher run --yes" in said
    assert sorted((lab / "workspace" / "runs").iterdir()) == before


async def test_of_ten_runs_two_start_and_stop_in_order_when_asked(lab: Path) -> None:
    data = next(p for p in sorted(lab.rglob("*.tsv")) if "workspace" not in p.parts).parent
    async with client_of(lab, elicitation_callback=agree) as client:
        arguments = {**START, "data": [str(data)]}
        results = await asyncio.gather(*(client.call_tool("start_run", arguments) for _ in range(10)))
        started = [r.structured_content["run"] for r in results if not r.is_error]
        assert len(started) == len(set(started)) == 2
        assert all("2 runs of this server are under way" in r.content[0].text for r in results if r.is_error)
        for run in started:
            stopped = await call(client, "stop_run", run=run)
            assert f"resume {lab}" in stopped["go_on"]
            status = await call(client, "run_status", run=run, wait_s=120)
            assert status["state"] in ("stopped", "done")
        assert "is no run that this server started" in await refused(client, "stop_run", run=FINISHED)


# -- over pipes ---------------------------------------------------------------------------------------------


def command(*more: str) -> list[str]:
    return [sys.executable, "-m", "bioresearcher", "mcp", "--workspace", "workspace", "--folder", ".", *more]


async def test_the_server_answers_over_pipes(lab: Path) -> None:
    program, *arguments = command()
    async with Client(StdioServerParameters(command=program, args=arguments, cwd=lab, env=dict(os.environ))) as client:
        assert FINISHED in str(await call(client, "list_runs"))
        assert (await call(client, "review_protocol", path="plan.md"))["verdict"] == "not judged"


def test_garbage_and_a_client_that_leaves_end_the_server_without_a_traceback(lab: Path) -> None:
    server = subprocess.Popen(
        command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=lab, text=True
    )
    lines = ["not json", '{"jsonrpc": "2.0"}', "[]", '{"jsonrpc": "2.0", "id": 1, "method": "x", "params": 7}', "\x00"]
    out, err = server.communicate("\n".join([*lines, '{"jsonrpc": "2.0", "id": 2, "meth']) + "\n", timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in err
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in out.splitlines())


async def test_a_run_goes_on_when_its_client_closes_in_the_middle(lab: Path) -> None:
    data = next(p for p in sorted(lab.rglob("*.tsv")) if "workspace" not in p.parts).parent
    program, *arguments = command()
    parameters = StdioServerParameters(command=program, args=arguments, cwd=lab, env=dict(os.environ))
    async with Client(parameters, elicitation_callback=agree) as client:
        run = (await call(client, "start_run", **START, data=[str(data)]))["run"]
    async with client_of(lab) as client:
        status = await call(client, "run_status", run=run)
        assert status["state"] in ("running", "done")
        root = lab / "workspace" / "runs" / run
        if status["state"] == "running":  # it holds its folder; ended in order it can be resumed
            os.kill(int((root / "lock").read_text()), signal.SIGTERM)
        assert (await call(client, "run_status", run=run, wait_s=120))["state"] in ("stopped", "done")


# -- over HTTP ----------------------------------------------------------------------------------------------


@contextmanager
def serving(lab: Path, port: int = 0) -> Iterator[str]:
    environment = os.environ | {"BIORESEARCHER_MCP_TOKEN": TOKEN}
    server = subprocess.Popen(
        command("--http", str(port)),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=lab,
        text=True,
        env=environment,
    )
    assert server.stderr is not None
    try:
        yield server.stderr.readline().strip()
    finally:
        server.send_signal(signal.SIGINT)
        said = server.communicate(timeout=60)[1]
    assert "Traceback" not in said
    assert TOKEN not in said


async def test_over_http_the_token_opens_the_tools(lab: Path) -> None:
    with serving(lab) as url:
        assert url.startswith("http://127.0.0.1:")
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            assert FINISHED in str(await call(client, "list_runs"))
            assert "outside the folders" in await refused(client, "review_protocol", path="../../etc")


def test_over_http_everything_else_is_refused(lab: Path) -> None:
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    right = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}
    with serving(lab) as url, httpx.Client(trust_env=False) as http:

        def status(headers: dict[str, str]) -> int:
            return http.post(url, json=ask, headers=headers).status_code

        assert status({}) == 401
        assert status(right | {"Authorization": "Bearer wrong"}) == 401
        assert status(right | {"Authorization": f"Bearer {TOKEN}x"}) == 401
        assert status(right | {"Authorization": "Basic YTpi"}) == 401
        assert status(right | {"Host": "evil.example"}) == 421
        assert status(right | {"Origin": "https://evil.example"}) == 403
        assert http.post(url, content=b"\xff{garbage", headers=right).status_code in (400, 415)
        port = int(url.rpartition(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as broken:
            broken.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        assert status({}) == 401  # it is still there
        second = subprocess.run(command("--http", str(port)), capture_output=True, text=True, cwd=lab, check=False)
        assert second.returncode == 4
        assert second.stderr.startswith(f"bioresearcher: error: --http {port}: the port is in use.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--http", "99999"], "is no port"),
        (["--http", "-1"], "is no port"),
        (["--folder", "nowhere"], "there is no such folder"),
    ],
)
def test_wrong_flags_are_one_line(lab: Path, arguments: list[str], said: str) -> None:
    done = subprocess.run(
        command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=lab, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr


def test_a_short_token_is_refused(lab: Path) -> None:
    done = subprocess.run(
        command("--http", "0"),
        capture_output=True,
        text=True,
        cwd=lab,
        check=False,
        env=os.environ | {"BIORESEARCHER_MCP_TOKEN": "short"},
    )
    assert done.returncode == 2
    assert "shorter than 16" in done.stderr


def test_without_the_package_the_command_to_install_it_is_said(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['mcp'] = None; sys.argv = ['bioresearcher', 'mcp']\n"
    code = hide + "from bioresearcher.cli.app import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "bioresearcher: error: `bioresearcher mcp` needs the package mcp. Install it: pip install 'bioresearcher[mcp]'"
    ]
