"""Batches through the command line: a process for each objective, kills, stops, budgets, and going on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import model_server as tests
import pytest

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.examples import load_example

pytestmark = pytest.mark.slow

OBJECTIVE = "How are tumours grouped by expression?"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a note, from which objectives of a few seconds are made."""
    notes = tmp_path / "notes"
    notes.mkdir()
    shutil.copy(load_example("breast-cancer").papers[0] / "benjamini-hochberg-1995.md", notes)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(place: Path, *ids: str, **more: Any) -> str:
    entries = [{"id": name, "objective": OBJECTIVE, "papers": ["notes"], **more} for name in ids]
    (place / "b.jsonl").write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    return "b.jsonl"


def folder_of(program: Any) -> BatchFolder:
    return BatchFolder(program.workspace / "batches" / "b")


def workers(place: Path) -> list[int]:
    """The processes that carry out objectives started from a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            mine = process.name.isdigit() and process.joinpath("cwd").readlink() == place
            if mine and b"bioresearcher.batch.worker" in process.joinpath("cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_for(true: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    """Wait until something is true while a process runs."""
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def begun(program: Any, number: int) -> Callable[[], bool]:
    """Whether so many runs have come as far as their first step."""
    return lambda: len(list((program.workspace / "batches" / "b" / "runs").glob("*/run.json"))) >= number


def statuses(program: Any) -> dict[str, str]:
    return {name: outcome.status for (name, _), outcome in folder_of(program).outcomes().items()}


def lines(program: Any) -> list[str]:
    return folder_of(program).path("outcomes.jsonl").read_text("utf-8").splitlines()


def test_a_killed_worker_and_a_killed_parent_cost_no_run(program: Any, place: Path) -> None:
    command = ("batch", write(place, "one", "two"), "--jobs", "2")

    first = program.start(*command)
    wait_for(begun(program, 2), first)
    os.kill(workers(place)[0], signal.SIGKILL)
    said, errors = first.communicate(timeout=300)
    assert first.returncode == 4, errors
    assert Counter(statuses(program).values()) == {"done": 1, "failed": 1}
    assert "killed by SIGKILL; it may have been out of memory" in said
    (finished,) = (line for line in lines(program) if '"done"' in line)

    second = program.start(*command)
    wait_for(lambda: workers(place), second)
    program.kill(second)
    wait_for_no = time.monotonic() + 30
    while workers(place) and time.monotonic() < wait_for_no:
        time.sleep(0.05)
    assert workers(place) == []

    third = program.run(*command)
    assert third.returncode == 0, third.stderr
    assert "going on: 1 run done before, 1 taken up again, 0 not yet begun" in third.stdout
    assert set(statuses(program).values()) == {"done"}
    assert [line for line in lines(program) if '"done"' in line].count(finished) == 1
    assert len(lines(program)) == 3
    assert len(list(folder_of(program).path("runs").iterdir())) == 2
    protocols = {path.read_bytes() for path in folder_of(program).path("runs").glob("*/protocol.json")}
    assert len({json.loads(p)["title"] for p in protocols}) == 1

    (place / "b.jsonl").write_text((place / "b.jsonl").read_text().replace('"one"', '"uno"'))
    again = program.run("batch", "b.jsonl", "--check", "--json")
    assert json.loads(again.stdout) == {"objectives": 2, "problems": []}


def test_ctrl_c_lets_the_runs_stop_in_order_and_the_same_command_goes_on(program: Any, place: Path) -> None:
    file = write(place, "one", "two", repeats=1)
    first = program.start("batch", file, "--jobs", "1")
    wait_for(begun(program, 1), first)
    refused = program.run("batch", file)
    assert (refused.returncode, "is in use by process" in refused.stderr) == (2, True)
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=300)
    assert first.returncode == 3, errors
    assert "stopped: Ctrl-C" in errors
    assert statuses(program)["one"] in {"stopped", "done"}
    assert "two" not in statuses(program)

    other = program.run("batch", file, "--max-parts", "3")
    assert other.returncode == 2
    assert "begun with other settings: max_parts" in other.stderr

    (place / "b.jsonl").write_text(
        (place / file).read_text().replace('"two", "objective": "How', '"two", "objective": "Why')
    )
    done = program.run("batch", file, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["runs"], said["done"], said["not_begun"]) == (2, 2, 0)
    assert [outcome["id"] for outcome in said["outcomes"]] == ["one", "two"]
    assert "changed since" not in done.stdout


def test_an_objective_that_cannot_be_done_leaves_the_others_alone(program: Any, place: Path) -> None:
    broken = {"id": "broken", "objective": OBJECTIVE, "papers": ["notes"], "settings": {"prompts_dir": "prompts"}}
    (place / "prompts" / "designer").mkdir(parents=True)
    (place / "prompts" / "designer" / "write_step.md").write_text("no prompt")
    for name in Path(__file__).parents[2].joinpath("prompts", "literature").iterdir():
        (place / "prompts" / "literature").mkdir(exist_ok=True)
        (place / "prompts" / "literature" / name.name).write_text("no prompt")
    write(place, "good")
    with (place / "b.jsonl").open("a") as file:
        file.write("\n" + json.dumps(broken))
    done = program.run("batch", "b.jsonl", "--quiet")
    assert done.returncode == 4
    assert done.stdout.strip() == str(folder_of(program).root)
    assert statuses(program) == {"good": "done", "broken": "failed"}
    outcome = folder_of(program).outcomes()["broken", 1]
    assert outcome.exit_code == 2
    assert "prompts" in outcome.reason


@pytest.fixture
def server() -> Iterator[Any]:
    with tests.ModelServer(context=32_768, models=("test-model",)) as running:
        yield running


def test_the_batchs_budget_is_over_all_runs_and_repeats_have_seeds(program: Any, place: Path, server: Any) -> None:
    """Of all runs together no more calls are sent than were in flight when the tokens were used up."""
    file = write(place, "one")
    command = (
        "batch",
        file,
        "--jobs",
        "2",
        "--repeats",
        "2",
        "--model",
        "compatible:test-model",
        "--base-url",
        server.url,
    )
    unasked = program.run(*command)
    assert unasked.returncode == 2, unasked.stdout
    assert "--yes or --max-tokens" in unasked.stderr or "would cost" in unasked.stderr
    assert not folder_of(program).root.exists()

    stopped = program.run(*command, "--max-tokens", "3000")
    assert stopped.returncode == 3, stopped.stderr
    assert "the batch's budget of 3,000 tokens is used up" in stopped.stderr
    outcomes = folder_of(program).outcomes()
    spent = sum(o.totals.input_tokens + o.totals.output_tokens for o in outcomes.values())
    assert spent >= 3_000
    sent = len(server.calls)
    longest = max(len(json.dumps(seen.body)) for seen in server.calls)
    assert spent < 3_000 + 2 * 16 * longest

    done = program.run(*command, "--max-tokens", "10000000")
    assert done.returncode == 0, done.stderr
    outcomes = folder_of(program).outcomes()
    assert {key: (o.status, o.seed) for key, o in outcomes.items()} == {
        ("one", 1): ("done", 1),
        ("one", 2): ("done", 2),
    }
    assert {seen.body.get("seed") for seen in server.calls} == {1, 2}
    bodies = [json.dumps(seen.body, sort_keys=True) for seen in server.calls]
    assert len(bodies) == len(set(bodies)) > sent
