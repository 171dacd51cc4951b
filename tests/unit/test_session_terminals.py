"""The terminals of a session: what is asked, answered, and shown line by line."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from bioresearcher.cli.session.layout import Sheet, as_lines, as_text
from bioresearcher.cli.session.plain_terminal import PlainTerminal, ScriptTerminal, read_script
from bioresearcher.cli.session.prompt_terminal import LONGEST_SHOWN, Pasted, SessionCompleter, has_mark, open_history
from bioresearcher.cli.session.terminal import edit_text
from bioresearcher.errors import InputError
from bioresearcher.text.format import md_table


async def test_a_script_answers_what_is_asked_and_says_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = ScriptTerminal(["yes", ""])
    terminal.start()
    assert await terminal.ask("Use these?") == "yes"
    assert await terminal.ask("more>") == ""
    assert not terminal.ran_out
    assert await terminal.ask("and now?") is None
    assert terminal.ran_out
    assert capsys.readouterr().out == "Use these? yes\nmore> \nand now? (the script has ended)\n"


async def test_a_line_is_not_given_to_a_running_session_unless_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_text("!/status\nyes\n")
    terminal = ScriptTerminal(read_script(path))
    terminal.start()
    assert await terminal.listen(">") == "/status"
    waiting = asyncio.ensure_future(terminal.listen(">"))
    assert await terminal.ask("Use these?") == "yes"
    assert not waiting.done()
    terminal.end()
    assert await waiting is None


async def test_another_thread_with_its_own_loop_may_ask() -> None:
    terminal = ScriptTerminal(["yes"])
    terminal.start()
    got: list[str | None] = []

    def elsewhere() -> None:
        async def ask() -> None:
            got.append(await terminal.ask("gate?"))

        asyncio.run(ask())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert got == ["yes"]


def test_a_script_has_comments_empty_answers_and_answers_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_text('\ufeff# who\n\none\n""\n<<END\ntwo\n\nthree\nEND\n  four\n', encoding="utf-8")
    assert [(line.number, line.text) for line in read_script(path)] == [
        (3, "one"), (4, ""), (5, "two\n\nthree"), (10, "four"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"one\n\xff\xfe\n", ":2: is not UTF-8"), (b"<<END\none\n", ":1: the answer that begins with <<END")],
)
def test_a_script_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "s.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_script(path)


def test_a_script_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_script(tmp_path)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Standard input from a pipe; what is called with writes into it and closes it."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)

        def send(data: bytes) -> None:
            with os.fdopen(writing, "wb") as file:
                file.write(data)

        yield send


async def test_plain_lines_come_from_a_pipe_and_end_with_it(piped: Callable[[bytes], None]) -> None:
    terminal = PlainTerminal()
    terminal.start()
    piped(b"one\r\n\xff\ntwo\nthree\n\nlast")
    assert await terminal.ask("a>") == "one"
    assert await terminal.ask("b>", multiline=True) == "two\nthree"
    assert await terminal.ask("c>") == "last"
    assert await terminal.ask("d>") is None
    assert await terminal.ask("e>") is None


async def test_plain_lines_are_not_taken_while_nothing_is_asked(piped: Callable[[bytes], None]) -> None:
    terminal = PlainTerminal()
    terminal.start()
    waiting = asyncio.ensure_future(terminal.listen(">"))
    piped(b"yes\n")
    assert await terminal.ask("gate?") == "yes"
    terminal.lost()
    assert await waiting is None


async def test_plain_lines_say_that_text_is_not_utf8(
    piped: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = PlainTerminal()
    terminal.start()
    piped(b"\xff\xfe\nagain\n")
    assert await terminal.ask("a>") == "again"
    terminal.say("on a line of its own")
    said = capsys.readouterr().out
    assert "not UTF-8" in said
    assert said.splitlines()[-1] == "on a line of its own"


def test_for_line_readers_a_table_is_a_line_a_row_and_nothing_is_drawn() -> None:
    row = ("4 of 5", "PMID 12829800 Repeated observation of subtypes")
    sheet = Sheet("\n".join(("# Papers: 1", "", "> quoted", "", *md_table(("score", "paper", "year"), [(*row, "")]))))
    assert as_lines(sheet) == ["Papers: 1", "quoted", "4 of 5: paper PMID 12829800 Repeated observation of subtypes"]
    assert as_lines("[not markup]") == ["[not markup]"]
    assert as_lines(Sheet("- model: offline")) == ["model: offline"]
    assert "▌ quoted" in as_text(sheet, 40, colour=False)
    assert "\x1b" not in as_text(sheet, 40, colour=False)


@given(st.text(alphabet=st.characters(exclude_characters="\r"), max_size=50), st.integers(0, LONGEST_SHOWN * 3))
def test_a_paste_comes_back_as_it_was(beside: str, length: int) -> None:
    pasted, text = Pasted(), "ACGT\n" * (length // 5)
    line = beside + pasted.stand_in(text) + beside
    assert len(line) <= LONGEST_SHOWN + 2 * len(beside)
    assert has_mark(line) == (len(text) > LONGEST_SHOWN)
    assert pasted.put_back(line) == beside + text + beside


def test_two_hundred_kilobytes_are_one_short_mark() -> None:
    pasted = Pasted()
    mark = pasted.stand_in("x" * 200_000)
    assert mark == "[pasted text 1: 200,000 characters, 1 line]"
    assert pasted.put_back(mark) == "x" * 200_000


def test_the_history_is_for_its_owner_only_and_keeps_no_stand_ins(tmp_path: Path) -> None:
    path = tmp_path / "workspace" / "history"
    path.parent.mkdir()
    path.touch(mode=0o644)
    history = open_history(path)
    history.append_string("/status")
    history.append_string(Pasted().stand_in("x" * 200_000))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(open_history(path).load_history_strings()) == ["/status"]


def test_a_history_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").touch(mode=0o644)
    (tmp_path / "history").symlink_to(tmp_path / "target")
    open_history(tmp_path / "history").append_string("typed")
    assert (tmp_path / "target").read_bytes() == b""


def offered(text: str, words: list[str]) -> list[str]:
    completer = SessionCompleter(["/status", "/help"], lambda: words)
    with create_app_session():
        return [c.text for c in completer.get_completions(Document(text), CompleteEvent())]


def test_commands_names_and_paths_are_offered(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    assert offered("/st", []) == ["/status"]
    assert offered("drop pm", ["PMID:1", "GSE2"]) == ["PMID:1"]
    assert offered(f"@{tmp_path}/no", []) == ["tes.md"]
    assert offered("", ["yes", "no"]) == ["yes", "no"]


async def test_an_editor_changes_the_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\necho added >> "$1"\n')
    script.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(script))
    assert await edit_text("µ line\n", ".md") == "µ line\nadded\n"


@pytest.mark.parametrize(
    ("editor", "said"),
    [
        ("", "no editor is set"),
        ("false", "ended with exit code 1"),
        ("no-such-editor -x", "cannot be started"),
        ('vi "x', "cannot be understood"),
    ],
)
async def test_an_editor_that_fails_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, editor: str, said: str) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor)
    with pytest.raises(InputError, match=said):
        await edit_text("text", ".md")


async def test_a_terminal_edits_with_the_same_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "true")
    edit: Callable[[str], Awaitable[str]] = ScriptTerminal([]).edit
    assert await edit("kept") == "kept"
