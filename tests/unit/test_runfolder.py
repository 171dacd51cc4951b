"""The run folder: atomic, typed, and clear about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import RunFolderError, WorkspaceError
from bioresearcher.graph.lock import RunLock
from bioresearcher.graph.run import new_run_folder, read_record
from bioresearcher.runfolder import RunFolder, safe_name, write_text
from bioresearcher.schemas.base import Objective, Requirement


@given(st.text())
def test_any_text_becomes_a_safe_file_name(text: str) -> None:
    name = safe_name(text)
    assert name
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) <= 80
    assert safe_name(name) == name


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    value = Objective(id="o", text="Größe µ → λ", requirements=(Requirement(id="R1", text="x"),))
    folder.write(value, "a", "b.json")
    folder.write_list([value, value], "list.json")
    assert folder.read(Objective, "a", "b.json") == value
    assert folder.read_list(Objective, "list.json") == (value, value)
    assert folder.read_all(Objective, "a") == (value,)


def test_a_damaged_file_is_named_with_its_field(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text('{"id": "o", "text": 3}')
    with pytest.raises(RunFolderError, match=r"o\.json is not a valid Objective: text"):
        RunFolder(tmp_path).read(Objective, "o.json")


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    write_text(tmp_path / "f", "old")
    (tmp_path / "d").mkdir()
    with pytest.raises(WorkspaceError):
        write_text(tmp_path / "d", "a folder is in the way")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d", "f"]


def test_two_processes_never_share_a_run_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with RunLock(folder), pytest.raises(RunFolderError, match="in use by process"), RunLock(folder):
        pass
    with RunLock(folder):
        pass


def test_run_folders_of_one_day_are_numbered(tmp_path: Path) -> None:
    names = [new_run_folder(tmp_path, "My objective!").root.name for _ in range(3)]
    assert names[0].endswith("-My-objective")
    assert names[1:] == [f"{names[0]}-2", f"{names[0]}-3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "has no run.json"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": 99}', "newer version"),
        ('{"format": "1"}', "newer version"),
        ('{"format": 1}', "not a valid RunRecord"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match=said):
        read_record(RunFolder(tmp_path))
