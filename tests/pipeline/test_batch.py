"""Batches through the command line: a process for each objective, kills, stops, budgets, and going on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import model_server as tests
import pytest

from bioresearcher.batch.folder import BatchFolder
from bioresearcher.examples import load_example

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OBJECTIVE = "How are tumours grouped by expression?"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a note, from which objectives of a few seconds are made."""
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("benjamini-hochberg-1995.md", "perou-2000.md"):
        shutil.copy(load_example("breast-cancer").papers[0] / name, notes)
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
            if mine and b"bioresearcher.batch.start" in process.joinpath("cmdline").read_bytes():
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


def test_a_worker_whose_parent_died_before_it_had_begun_does_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    command = [sys.executable, "-m", "bioresearcher.batch.start", str(gone.pid)]
    assert subprocess.run(command, input=b"no job", capture_output=True, check=False).stderr == b""


def test_kills_and_stops_cost_no_run_and_touch_no_other(program: Any, place: Path) -> None:
    poor = {"id": "poor", "objective": OBJECTIVE, "papers": ["few"]}  # nothing in its paper helps
    (place / "few").mkdir()
    shutil.copy(place / "notes" / "benjamini-hochberg-1995.md", place / "few")
    file = write(place, "one", "two")
    with (place / file).open("a", encoding="utf-8") as lines_of_file:
        lines_of_file.write("\n" + json.dumps(poor))
    command = ("batch", file, "--jobs", "2")

    first = program.start(*command)  # one worker is killed, and one objective cannot be done
    wait_for(begun(program, 2), first)
    os.kill(workers(place)[0], signal.SIGKILL)
    said, errors = first.communicate(timeout=300)
    assert first.returncode == 4, errors
    assert "killed by SIGKILL; it may have been out of memory" in said
    found = statuses(program)
    assert Counter(found.values()) == {"done": 1, "failed": 2}
    outcome = folder_of(program).outcomes()["poor", 1]
    assert (outcome.status, outcome.exit_code) == ("failed", 2)
    assert "none of the 1 papers read describes a method that can be followed" in outcome.reason
    (finished,) = (line for line in lines(program) if '"done"' in line)
    shutil.copy(place / "notes" / "perou-2000.md", place / "few")

    second = program.start(*command)  # the parent is killed, and all it started goes with it
    wait_for(lambda: len(workers(place)) == 2, second)
    for worker in workers(place):
        os.kill(worker, signal.SIGSTOP)  # so that there is something left to stop afterwards
    refused = program.run(*command)
    assert (refused.returncode, "is in use by process" in refused.stderr) == (2, True)
    program.kill(second)
    for worker in workers(place):  # one that was halted before it had tied itself to its parent looks for it now
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)
    end = time.monotonic() + 60
    while workers(place) and time.monotonic() < end:
        time.sleep(0.05)
    assert workers(place) == []
    assert len(lines(program)) == 3

    third = program.start(*command)  # Ctrl-C lets both stop in order
    wait_for(lambda: len(workers(place)) == 2, third)
    third.send_signal(signal.SIGINT)
    _, errors = third.communicate(timeout=300)
    assert (third.returncode, "stopped: Ctrl-C" in errors) == (3, True)
    assert Counter(statuses(program).values()) == {"done": 1, "stopped": 2}

    fourth = program.run(*command, "--json")
    assert fourth.returncode == 0, fourth.stderr
    told = json.loads(fourth.stdout)
    assert (told["runs"], told["done"], told["not_begun"]) == (3, 3, 0)
    assert [outcome["id"] for outcome in told["outcomes"]] == ["one", "two", "poor"]
    assert lines(program).count(finished) == 1
    assert Counter(json.loads(line)["id"] for line in lines(program) if '"done"' in line) == dict.fromkeys(found, 1)
    runs = [path.name for path in folder_of(program).path("runs").iterdir()]
    assert sorted(name.split("-")[0] for name in runs) == ["one", "poor", "poor", "two"]
    assert [name for name in runs if ".old-" in name] == [
        next(n for n in runs if n.startswith("poor")).split(".")[0] + ".old-1"
    ]


@pytest.fixture
def server() -> Iterator[Any]:
    # answers take long enough for calls that are under way together to be seen together
    with tests.ModelServer(context=32_768, models=("test-model",), latency_s=0.1) as running:
        yield running


def test_the_batchs_budget_is_over_all_runs_and_repeats_have_seeds(program: Any, place: Path, server: Any) -> None:
    """Of all runs together no more calls are sent than were in flight when the tokens were used up."""
    file = write(place, "one")
    command = ("batch", file, "--jobs", "2", "--repeats", "2", "--model", "compatible:test-model")
    command += ("--base-url", server.url)
    stopped = program.run(*command, "--max-tokens", "3000")
    assert stopped.returncode == 3, stopped.stderr
    assert "the batch's budget of 3,000 tokens is used up" in stopped.stderr
    calls = [json.loads(line) for line in folder_of(program).path("spent.jsonl").read_text().splitlines()]
    used = [call["input_tokens"] + call["output_tokens"] for call in calls if "run" in call]
    enough = next(n for n in range(1, len(used) + 1) if sum(used[:n]) >= 3_000)
    assert len(used) - enough <= server.in_flight_peak
    totals = [outcome.totals for outcome in folder_of(program).outcomes().values()]
    assert sum(t.input_tokens + t.output_tokens for t in totals) == sum(used)
    sent = len(server.calls)
    assert sum(call["calls"] for call in calls if "run" in call) == sent

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
