"""The collector and the removal of folders that somebody hostile has filled."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import InputError
from bioresearcher.sandbox.artifacts import MAX_DEPTH, collect, name_problem
from bioresearcher.sandbox.folders import measure, remove_tree
from bioresearcher.schemas.execution import Limits

LIMITS = Limits(file_mb=1, disk_mb=2, files=50)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def collected(work: Path, tmp_path: Path, limits: Limits = LIMITS) -> tuple[tuple[str, ...], str]:
    names, refused = collect(work, tmp_path / "dest", limits=limits)
    return names, "\n".join(refused)


def test_files_and_folders_are_copied(work: Path, tmp_path: Path) -> None:
    (work / "plots").mkdir()
    (work / "plots" / "km.png").write_bytes(b"\x89PNG")
    (work / "Tabelle größe.csv").write_text("a,b\n1,2\n")
    (work / "empty").mkdir()
    names, refused = collected(work, tmp_path)
    assert names == ("Tabelle größe.csv", "plots/km.png")
    assert refused == ""
    assert (tmp_path / "dest" / "plots" / "km.png").read_bytes() == b"\x89PNG"
    assert not (tmp_path / "dest" / "empty").exists()


def test_links_are_never_followed(work: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (work / "file.csv").symlink_to(secret)
    (work / "folder").symlink_to(tmp_path)
    (work / "loop").symlink_to(".")
    os.link(secret, work / "hard.csv")
    names, refused = collected(work, tmp_path)
    assert names == ()
    assert refused.count("it is a link") == 3
    assert "hard.csv: it has more than one name" in refused


def test_a_folder_that_is_itself_a_link_is_not_collected(work: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(work)
    with pytest.raises(InputError, match="cannot be collected"):
        collect(tmp_path / "link", tmp_path / "dest", limits=LIMITS)


def test_pipes_and_sockets_do_not_block(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(work / "table.csv")
    monkeypatch.chdir(work)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("figure.png")
        names, refused = collected(work, tmp_path)
    assert names == ()
    assert "table.csv: it is a pipe" in refused
    assert "figure.png: it is a socket" in refused


def test_sizes_are_bounded_also_of_sparse_files(work: Path, tmp_path: Path) -> None:
    with (work / "sparse.bin").open("wb") as file:
        file.truncate(1 << 40)
    for name in "abc":
        (work / f"{name}.bin").write_bytes(bytes(900_000))
    names, refused = collected(work, tmp_path)
    assert names == ("a.bin", "b.bin")
    assert "sparse.bin: it is larger than 1 MB" in refused
    assert "c.bin: all files together are larger than 2 MB" in refused


def test_too_many_and_too_deep(work: Path, tmp_path: Path) -> None:
    for number in range(60):
        (work / f"f{number:02}.txt").write_text("x")
    deep = work.joinpath(*["d"] * (MAX_DEPTH + 1))
    deep.mkdir(parents=True)
    (deep / "leaf.txt").write_text("x")
    names, refused = collected(work, tmp_path)
    assert len(names) == 50
    assert "nested more than" in refused


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.csv", "\u202egnp.exe", "\x1b[31mred.csv", "a\u200bb.csv", "cafe\u0301.csv", ".hidden", "-rf", "~x",
        " x", "x ", "x.", "CON", "nul.txt", "COM1.csv", "a:b", "a\\b", "a*b", "a\nb", "x" * 200,
        "a\u3164.tsv", "a\ufe0f.tsv", "a\u034f.tsv", "\u0301a.tsv", "a\u00a0b.tsv", "a\u2800.tsv",
    ],
)  # fmt: skip
def test_names_that_are_unsafe_somewhere_are_refused(work: Path, tmp_path: Path, name: str | bytes) -> None:
    raw = name if isinstance(name, bytes) else name.encode()
    Path(os.fsdecode(os.path.join(os.fsencode(work), raw))).write_text("x")
    names, refused = collected(work, tmp_path)
    assert names == ()
    assert "name" in refused
    assert refused.isascii()
    assert "\x1b" not in refused


def test_names_that_differ_only_in_case_do_not_overwrite_each_other(work: Path, tmp_path: Path) -> None:
    (work / "A.csv").write_text("upper")
    (work / "a.csv").write_text("lower")
    names, refused = collected(work, tmp_path)
    assert names == ("A.csv",)
    assert "a.csv: its name differs only in case" in refused


@given(st.text(max_size=80))
def test_accepted_names_are_single_visible_path_parts(name: str) -> None:
    if name_problem(name) is None:
        assert name
        assert name == name.strip()
        assert not set(name) & set("/\\\0\n\r")
        assert name not in {".", ".."}


def test_the_destination_must_be_new(work: Path, tmp_path: Path) -> None:
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "old").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        collect(work, tmp_path / "dest", limits=LIMITS)


def nest(folder: Path, depth: int) -> None:
    """Folders in folders, deeper than a path can name."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_very_deep_and_locked_folders_are_removed(work: Path) -> None:
    nest(work, 2200)
    (work / "locked" / "ro").mkdir(parents=True)
    (work / "locked" / "ro" / "x").write_text("x")
    (work / "locked" / "ro").chmod(0o555)
    (work / "locked").chmod(0)
    assert measure(work, max_entries=10_000).too_deep
    remove_tree(work)
    assert not work.exists()
    remove_tree(work)


def test_removal_does_not_follow_links(work: Path, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "x").write_text("x")
    (work / "link").symlink_to(keep)
    remove_tree(work)
    assert (keep / "x").exists()


def test_hard_links_count_once(work: Path) -> None:
    (work / "a").write_bytes(os.urandom(200_000))
    for number in range(10):
        os.link(work / "a", work / f"b{number}")
    use = measure(work, max_entries=100)
    assert use.entries == 11
    assert 200_000 <= use.allocated_bytes < 400_000
    assert use.largest_bytes == 200_000
