"""What a job finds around it, worked out without running one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bioresearcher.errors import DefectError, InputError, SandboxUnavailableError
from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.environment import Interpreter, interpreter, variables
from bioresearcher.sandbox.mounts import check_job, layout, options


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for name in ("code", "work", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "code" / "main.py").write_text("")
    (tmp_path / "data" / "t.csv").write_text("a\n1\n")
    data = {"folder": tmp_path / "data", "file": tmp_path / "data" / "t.csv"}
    return Job(code_dir=tmp_path / "code", script="main.py", work_dir=tmp_path / "work", data=data)


def test_nothing_of_our_environment_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "x")
    env = variables(Path("/opt/python/bin/python"), "/tmp", {"TASK": "1"})
    assert "SOME_SECRET" not in env
    assert env["TASK"] == "1"
    assert env["PATH"].startswith("/opt/python/bin:")
    assert {"PYTHONHASHSEED": "0", "TZ": "UTC", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}.items() <= env.items()


def test_our_own_interpreter_keeps_its_path_and_brings_its_folders() -> None:
    found = interpreter()
    assert found.executable == Path(sys.executable)
    for prefix in {sys.prefix, sys.base_prefix}:
        shown = [*found.roots, Path("/usr")]
        assert any(Path(prefix).is_relative_to(root) for root in shown)
    assert interpreter(Path(sys.executable)) == found


def test_something_that_is_no_python_is_refused(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho hello\n")
    fake.chmod(0o755)
    with pytest.raises(InputError, match="Python"):
        interpreter(fake)
    with pytest.raises(InputError, match="no Python"):
        interpreter(tmp_path / "missing")


def test_an_interpreter_over_a_home_folder_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    fake = home / "python"
    fake.write_text(f'#!/bin/sh\necho \'["{home}", "{home}", "{home}"]\'\n')
    fake.chmod(0o755)
    with pytest.raises(SandboxUnavailableError, match="private files"):
        interpreter(fake)


def test_folders_have_fixed_names_inside(job: Job) -> None:
    inside = layout(job, Interpreter(Path("/usr/bin/python3"), ()))
    assert (inside.code, inside.work) == ("/task", "/work")
    assert inside.data == {"folder": "/data/folder", "file": "/data/file/t.csv"}


def test_an_interpreter_below_work_moves_the_jobs_folders_away(job: Job) -> None:
    python = Interpreter(Path("/work/project/.venv/bin/python"), (Path("/work/project/.venv"),))
    assert layout(job, python).work == "/sandbox/work"


def test_nothing_is_mounted_below_the_writable_folder(job: Job) -> None:
    told = options(job, interpreter(), place=str, file_fds={"/etc/passwd": 9}, show_proc=True)
    binds = [told[i + 2] for i, word in enumerate(told) if word in {"--bind", "--ro-bind", "--ro-bind-data"}]
    assert [path for path in binds if path.startswith("/work/")] == []
    assert told.count("--bind") == 1
    last_bind = told.index("--bind")
    assert [told[i + 1] for i, word in enumerate(told) if word == "--remount-ro" and i > last_bind] == [
        "/dev", "/proc", "/",
    ]  # fmt: skip
    assert [told[i - 2] for i, word in enumerate(told) if word == "--tmpfs"] == ["--size"] * 3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"script": "other.py"}, InputError, "no script"),
        ({"script": "../code/main.py"}, InputError, "no script"),
        ({"work_dir": Path("/does/not/exist")}, InputError, "does not exist"),
        ({"data": {"../x": Path("/usr")}}, InputError, "cannot be the name"),
        ({"data": {"x": Path("/does/not/exist")}}, InputError, "does not exist"),
        ({"data": {"x": Path("/")}}, DefectError, "contain each other"),
    ],
)
def test_impossible_jobs_are_refused_before_anything_starts(
    job: Job, change: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        check_job(replace(job, **change))  # type: ignore[arg-type]


def test_code_in_the_writable_folder_is_refused(job: Job) -> None:
    with pytest.raises(DefectError, match="contain each other"):
        check_job(replace(job, work_dir=job.code_dir))
