"""Whole runs with language models, through the real program, the real clients and real HTTP."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import model_server as tests
import pytest

from bioresearcher.examples import load_example

pytestmark = pytest.mark.slow

KEY = "sk-never-to-be-shown-1234567890"
CONCURRENCY = 4


@pytest.fixture
def server() -> Iterator[Any]:
    with tests.ModelServer(context=32_768, models=("test-model",)) as running:
        yield running


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """An objective with two notes and no data, so that no task is run; nothing of the environment names a model."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    source, notes = load_example("breast-cancer").papers[0], tmp_path / "notes"
    notes.mkdir()
    for name in ("benjamini-hochberg-1995.md", "perou-2000.md"):
        shutil.copy(source / name, notes)
    return ("run", "--objective", "How are breast tumours grouped by gene expression?", "--papers", str(notes))


def at(server: Any, model: str = "test-model") -> tuple[str, ...]:
    return ("--model", f"compatible:{model}", "--base-url", server.url)


def record_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return found


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "events.jsonl").read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["kind"] == kind]


def as_json(seen: Any) -> str:
    """The valid answer as a model would write it."""
    return json.dumps(tests.valid_answer(seen.body))


def repeated(server: Any) -> int:
    """Requests that were sent more than once."""
    bodies = [json.dumps(seen.body, sort_keys=True) for seen in server.calls]
    return len(bodies) - len(set(bodies))


def test_a_run_says_who_answers_what_it_will_take_and_what_it_took(
    program: Any, server: Any, asked: tuple[str, ...]
) -> None:
    done = program.run(*asked, *at(server), "--yes")
    assert done.returncode == 0, done.stderr
    assert "backend: compatible:test-model (configured" in done.stdout
    assert "forecast: about" in done.stdout
    assert "literature/report_part" in done.stdout
    assert "In all: " in done.stdout
    record = record_of(program.folder())
    assert record["backend"] == "compatible:test-model"
    assert record["forecast"]
    rows, totals = record["usage"], record["totals"]
    assert {"search/screen_paper", "literature/outline_paper", "reviewer/score_protocol"} <= {r["step"] for r in rows}
    assert {r["role"] for r in rows} == {"reader", "designer", "reviewer"} | {r["role"] for r in rows} & {"coder"}
    assert sum(r["usage"]["calls"] for r in rows) == totals["calls"] == len(server.calls)
    for name in ("input_tokens", "output_tokens", "cached_tokens"):
        assert sum(r["usage"][name] for r in rows) == totals[name]
    assert totals["cost_usd"] is None
    programmer = [r["usage"] for r in rows if r["step"].startswith("programmer/")]
    per_task = sum(u["input_tokens"] + u["output_tokens"] for u in programmer) / max(1, totals["verified"])
    assert totals["tokens_per_verified"] == (round(per_task, 1) if programmer and totals["verified"] else None)
    assert totals["cost_per_verified_usd"] is None
    assert totals["attempts"] - totals["repairs"] == len(totals["task_outcomes"]) == totals["tasks"]
    assert record["settings"]["models"]["reader"]["context"] == 32_768
    assert repeated(server) == 0


def test_each_role_asks_its_own_server_and_no_other(program: Any, server: Any, asked: tuple[str, ...]) -> None:
    with tests.ModelServer(context=32_768, models=("a",)) as other:
        Path("bioresearcher.toml").write_text(
            f'[models.default]\nmodel = "compatible:a"\nbase_url = "{other.url}"\n'
            f'[models.reviewer]\nmodel = "compatible:test-model"\nbase_url = "{server.url}"\napi_key_env = "LAB_KEY"\n',
            encoding="utf-8",
        )
        done = program.run(*asked, "--yes")
        assert done.returncode == 2
        assert "LAB_KEY" in done.stderr
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAB_KEY", KEY)
            patch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
            done = program.run(*asked, "--yes")
        assert done.returncode == 0, done.stderr
        by_role = {row["role"]: row["model"] for row in record_of(program.folder())["usage"]}
        assert by_role["reviewer"] == "compatible:test-model"
        assert by_role["reader"] == by_role["designer"] == "compatible:a"
        assert {seen.body["model"] for seen in server.calls} == {"test-model"}
        assert {seen.body["model"] for seen in other.calls} == {"a"}
        sent = {seen.headers.get("authorization") for seen in server.calls}
        assert sent == {f"Bearer {KEY}"}
        assert not any(KEY in str(seen.headers) or "somebody" in str(seen.headers) for seen in other.requests)
    for path in program.folder().rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
    assert KEY not in done.stdout + done.stderr


def test_a_used_up_budget_stops_in_order_and_the_run_goes_on_with_more(
    program: Any, server: Any, asked: tuple[str, ...]
) -> None:
    limit = 1200
    done = program.run(*asked, *at(server), "--max-tokens", str(limit), "--yes")
    assert done.returncode == 3, done.stderr
    assert "budget of 1,200 tokens is used up" in done.stderr
    assert "--max-tokens" in done.stderr
    first = record_of(program.folder())
    assert first["status"] == "stopped"
    used = [call["data"]["input_tokens"] + call["data"]["output_tokens"] for call in events(program.folder(), "call")]
    reached = next(n for n in range(len(used)) if sum(used[: n + 1]) >= limit)
    assert len(server.calls) - (reached + 1) < CONCURRENCY  # those were in flight when the limit was reached
    again = program.run("resume", str(program.folder()), "--yes")
    assert again.returncode == 3
    calls = len(server.calls)
    assert calls == first["totals"]["calls"]
    more = program.run("resume", str(program.folder()), "--yes", "--max-tokens", "900000")
    assert more.returncode == 0, more.stderr
    last = record_of(program.folder())
    assert last["status"] == "done"
    assert last["settings"]["max_tokens"] == 900_000
    assert last["totals"]["calls"] == len(server.calls) > calls
    assert repeated(server) == 0


def test_minutes_are_a_budget_too_also_without_a_model(program: Any, asked: tuple[str, ...]) -> None:
    done = program.run(*asked, "--yes", "--max-minutes", "0.001")
    assert done.returncode == 3, done.stderr
    assert "budget of 0.001 minutes is used up" in done.stderr
    more = program.run("resume", str(program.folder()), "--yes", "--max-minutes", "30")
    assert more.returncode == 0, more.stderr


def test_a_run_that_costs_money_is_not_started_without_being_agreed_to(
    program: Any, server: Any, asked: tuple[str, ...]
) -> None:
    Path("prices.toml").write_text(
        '["compatible:test-model"]\ninput = 1.0\ncached_input = 0.5\noutput = 4.0\n'
        'date = 2026-11-22\nsource = "https://prices.example.org"\n',
        encoding="utf-8",
    )
    prices = ("--prices", "prices.toml")
    done = program.run(*asked, *at(server), *prices)
    assert done.returncode == 2
    assert "USD" in done.stderr
    assert "--max-usd" in done.stderr
    assert server.calls == []
    assert not (program.workspace / "runs").exists()
    done = program.run(*asked, *at(server), *prices, "--max-usd", "0.002")
    assert done.returncode == 3, done.stderr
    record = record_of(program.folder())
    assert record["totals"]["cost_usd"] >= 0.002
    done = program.run("resume", str(program.folder()), "--yes", "--max-usd", "5")
    assert done.returncode == 0, done.stderr
    rows = record_of(program.folder())["usage"]
    total = record_of(program.folder())["totals"]["cost_usd"]
    assert total == pytest.approx(sum(row["usage"]["cost_usd"] for row in rows))
    assert 0.002 < total < 1


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda seen: tests.think(as_json(seen)), ""),
        (lambda seen: tests.fenced(as_json(seen)), ""),
        (lambda seen: tests.Answer(text=as_json(seen)[:-1]), "ReplyInvalidError"),
        (lambda seen: tests.truncated(as_json(seen)), "TruncatedError"),
        (lambda seen: tests.refused(), "RefusalError"),
        (lambda seen: tests.empty(), "EmptyReplyError"),
        (lambda seen: tests.wrong_type(seen), "ReplyInvalidError"),
    ],
    ids=["think", "fenced", "malformed", "truncated", "refused", "empty", "wrong type"],
)
def test_what_a_model_gets_wrong_never_ends_a_run_and_is_never_hidden(
    program: Any, server: Any, asked: tuple[str, ...], broken: Any, says: str
) -> None:
    server.answer = broken
    done = program.run(*asked, *at(server), "--yes")
    assert done.returncode == 0, done.stderr
    folder = program.folder()
    assert record_of(folder)["status"] == "done"
    for path in (folder / "protocol.md", folder / "report.md"):
        assert "<think>" not in path.read_text(encoding="utf-8")
    if says:
        assert says in {note["data"].get("error") for note in events(folder, "note")}
        assert says in {call["message"].partition(":")[0] for call in events(folder, "call")}
        assert any(row["by_rule"] for row in record_of(folder)["usage"])
        assert any("given by rule" in doubt for doubt in record_of(folder)["not_verified"])


def test_a_server_that_dies_ends_the_run_which_goes_on_when_it_is_back(
    program: Any, server: Any, asked: tuple[str, ...]
) -> None:
    server.answer = tests.in_turn(*[tests.valid] * 4, then=tests.error(403, "no longer", "permission_denied"))
    done = program.run(*asked, *at(server), "--yes")
    assert done.returncode == 4, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
    assert "403" in done.stderr
    assert record_of(program.folder())["status"] == "failed"
    answered = record_of(program.folder())["totals"]["calls"]
    assert answered == 4
    server.answer = tests.valid
    before = len(server.calls)
    done = program.run("resume", str(program.folder()), "--yes")
    assert done.returncode == 0, done.stderr
    record = record_of(program.folder())
    assert record["totals"]["calls"] == answered + len(server.calls) - before


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"api_key": "another"}, "OPENAI_API_KEY"),
        ({"models": ("big", "small")}, "big, small"),
        ({"context": 512}, "512"),
    ],
    ids=["wrong key", "unknown model", "context too small"],
)
def test_a_model_that_cannot_be_used_is_said_before_anything_is_made(
    program: Any, asked: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], says: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with tests.ModelServer(**how) as server:
        done = program.run(*asked, *at(server), "--yes")
    assert done.returncode in {2, 4}
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert KEY not in done.stdout + done.stderr
    assert not (program.workspace / "runs").exists()


def test_an_unreachable_server_is_one_line(program: Any, asked: tuple[str, ...]) -> None:
    done = program.run(*asked, "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--yes")
    assert done.returncode == 4
    assert "http://127.0.0.1:9/v1" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_damaged_ledger_is_moved_aside_and_said_and_what_was_spent_still_counts(
    program: Any, server: Any, asked: tuple[str, ...]
) -> None:
    assert program.run(*asked, *at(server), "--max-tokens", "1200", "--yes").returncode == 3
    folder = program.folder()
    spent = record_of(folder)["totals"]["calls"]
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "ledger.sqlite").write_bytes(b"\0not a database\0" * 500)
    before = len(server.calls)
    done = program.run("resume", str(folder), "--yes", "--max-tokens", "900000")
    assert done.returncode == 0, done.stderr
    assert "ledger.sqlite.damaged-1" in done.stdout
    assert (folder / "ledger.sqlite.damaged-1").read_bytes().startswith(b"\0not a database")
    assert record_of(folder)["totals"]["calls"] == spent + len(server.calls) - before


def test_a_ledger_of_a_newer_version_is_refused_and_left_as_it_is(
    program: Any, server: Any, asked: tuple[str, ...]
) -> None:
    assert program.run(*asked, *at(server), "--max-tokens", "1200", "--yes").returncode == 3
    path = program.folder() / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    done = program.run("resume", str(program.folder()), "--yes")
    assert done.returncode == 2
    assert "newer version" in done.stderr
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)
