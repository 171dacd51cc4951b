"""The live page of a run: events as they come, none lost when the line breaks, the end, in a browser as well."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browser import CHROMIUM, browser
from report_support import build_run
from web_server import TOKEN, begin_to_work, emit, served, visited

from bioresearcher.runfolder import RunFolder
from bioresearcher.web.live import read_from


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that works, with an event."""
    made = build_run(tmp_path / "ws" / "runs" / "now")
    begin_to_work(made)
    made.path("events.jsonl").unlink(missing_ok=True)
    emit(made, kind="run", stage="run", state="start", message="x")
    note(made, 0)
    return made


def note(folder: RunFolder, number: int) -> None:
    emit(folder, kind="note", stage="x", message=f"note {number}")


def end(folder: RunFolder) -> None:
    record = json.loads(folder.path("run.json").read_text())
    folder.path("run.json").write_text(json.dumps({**record, "status": "done"}))


def told(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    """Event, id and data of each message of a stream."""
    message: dict[str, str] = {}
    for line in lines:
        if not line and message:
            yield message.get("event", ""), message.get("id", ""), message.get("data", "")
            message = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            message[name] = value


def notes(client: httpx.Client, last: str, most: int) -> tuple[list[str], str]:
    """Read so many notes from a place on, then break the line."""
    seen = []
    with client.stream("GET", "/runs/now/events", headers={"last-event-id": last} if last else {}) as stream:
        for event, place, data in told(stream.iter_lines()):
            if event == "line":
                seen.append(json.loads(data)["text"])
                last = place
            if len(seen) == most:
                break
    return seen, last


def test_a_browser_that_slept_gets_every_event_once(folder: RunFolder) -> None:
    with visited(folder.root.parents[1]) as client:
        first, last = notes(client, "", 1)
        for number in range(1, 6):
            note(folder, number)
        second, last = notes(client, last, 3)
        with folder.path("events.jsonl").open("ab") as file:
            file.write(b'{"time": "half a li')
        third, last = notes(client, last, 2)
        assert [*first, *second, *third] == [f"note {n}" for n in range(6)]
        with folder.path("events.jsonl").open("ab") as file:
            file.write(b'ne", "kind": "note", "message": "whole"}\n')
        assert notes(client, last, 1)[0] == ["whole"]


@pytest.mark.parametrize("last", ["999999999", "-1", "x", "9" * 40])
def test_a_place_that_is_none_means_the_beginning(folder: RunFolder, last: str) -> None:
    with visited(folder.root.parents[1]) as client:
        assert notes(client, last, 1)[0] == ["note 0"]


def test_the_stream_ends_with_the_run(folder: RunFolder) -> None:
    with (
        visited(folder.root.parents[1]) as client,
        client.stream("GET", "/runs/now/events") as stream,
    ):
        seen = []
        for event, _, data in told(stream.iter_lines()):
            seen.append(event)
            if event == "state" and "working" in data:
                end(folder)
        assert seen[-1] == "end"
        assert "line" in seen


def test_a_log_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_text('{"time": "t", "kind": "note", "message": "secret"}\n')
    (tmp_path / "events.jsonl").symlink_to(tmp_path / "real")
    assert [*read_from(tmp_path / "events.jsonl", 0)] == []
    assert len([*read_from(tmp_path / "real", 0)]) == 1


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
async def test_a_browser_follows_a_run_by_keyboard(folder: RunFolder, tmp_path: Path) -> None:
    with served(folder.root.parents[1]) as base:
        async with browser(tmp_path / "profile") as page:
            await page.do("Page.enable")
            await page.go(f"{base}/?token={TOKEN}")
            await page.press("Tab", 9)
            assert await page.value("document.activeElement.className") == "skip"
            for _ in range(12):
                await page.press("Tab", 9)
                if await page.value("document.activeElement.getAttribute('href')") == "/runs/now":
                    break
            await page.press("Enter", 13)
            await page.until("location.pathname === '/runs/now' && document.readyState === 'complete'")
            await page.until("document.getElementById('live').textContent.includes('working')")
            note(folder, 1)
            emit(folder, kind="step", stage="read_paper", state="start", message="PMID1")
            await page.until("document.getElementById('log').textContent.includes('note 1')")
            await page.until("document.getElementById('live').textContent.includes('read_paper')")
            assert await page.value("document.getElementById('log').textContent.split('note 0').length") == 2
            await asyncio.to_thread(end, folder)
            await page.until("document.getElementById('live').textContent.includes('has ended: done')")
            await page.size(390, 800)
            assert await page.value("document.documentElement.scrollWidth <= innerWidth")
    assert threading.active_count() < 50
