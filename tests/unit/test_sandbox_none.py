"""Running without isolation, choosing a sandbox, and the command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bioresearcher.errors import InputError, SandboxUnavailableError
from bioresearcher.sandbox import choose
from bioresearcher.sandbox.__main__ import main
from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.choose import UnsandboxedSandbox, choose_sandbox
from bioresearcher.sandbox.probe import probe
from bioresearcher.schemas.execution import ExecResult, Limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the watchdog reads Linux's /proc")
LIMITS = Limits(wall_s=20, cpu_s=20, memory_mb=300, processes=16, file_mb=8, disk_mb=24, files=200)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("code", "work", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "t.csv").write_text("a\n1\n")
    return tmp_path


def run(folder: Path, script: str, *args: str, limits: Limits = LIMITS) -> ExecResult:
    (folder / "code" / "main.py").write_text(script)
    data = {"one": folder / "data" / "t.csv"}
    job = Job(folder / "code", "main.py", folder / "work", args, data=data, limits=limits)
    return asyncio.run(UnsandboxedSandbox().run(job))


def test_a_job_runs_where_its_folders_are_with_a_clean_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    job = Job(folder / "code", "main.py", folder / "work", data={"one": folder / "data" / "t.csv"})
    inside = UnsandboxedSandbox().layout(job)
    assert inside.data["one"] == str(folder / "data" / "t.csv")
    result = run(folder, "import os, sys\nprint(os.getcwd(), 'A_SECRET' in os.environ, open(sys.argv[1]).read())",
                 inside.data["one"])  # fmt: skip
    assert result.stdout == f"{folder / 'work'} False a\n1\n\n"
    assert (result.sandbox, result.exit_code) == ("none", 0)


@pytest.mark.parametrize(
    ("killed", "script", "change"),
    [
        ("wall_time", "import time\ntime.sleep(60)", {"wall_s": 0.5}),
        ("memory", "b = []\nwhile True: b.append(b'x' * 8_000_000)", {"memory_mb": 100}),
        ("processes", "import subprocess as s, time\nk = [s.Popen(['sleep', '20']) for _ in range(12)]\ntime.sleep(20)",
         {"processes": 6}),
        ("files", "import time\nfor i in range(2000): open(str(i), 'w').close()\ntime.sleep(20)", {}),
    ],
)  # fmt: skip
def test_limits_hold_without_isolation_too(folder: Path, killed: str, script: str, change: dict[str, float]) -> None:
    assert run(folder, script, limits=LIMITS.model_copy(update=change)).killed == killed


def test_daemons_are_found_and_ended(folder: Path) -> None:
    result = run(
        folder,
        "import os, time\npid = os.fork()\n"
        "if pid == 0:\n    os.setsid()\n    time.sleep(60)\nprint(pid)\ntime.sleep(.2)\n",
    )
    assert not Path("/proc", result.stdout.strip()).exists()


async def test_the_self_test_says_that_nothing_holds(tmp_path: Path) -> None:
    result = await probe(UnsandboxedSandbox())
    assert not result.ok
    assert {check.name for check in result.checks if not check.ok} >= {
        "cannot open sockets",
        "cannot reach the network",
        "cannot see the processes of this machine",
    }


def test_none_is_only_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_sandbox("none").name == "none"
    monkeypatch.setattr(choose, "find_binaries", tuple)
    monkeypatch.setattr("bioresearcher.sandbox.bubblewrap.find_binaries", tuple)
    for wanted in ("auto", "bubblewrap"):
        with pytest.raises(SandboxUnavailableError, match="bubblewrap is not installed") as caught:
            choose_sandbox(wanted)
        assert "none" in caught.value.hint


def test_an_unknown_sandbox_is_bad_input() -> None:
    with pytest.raises(InputError, match="podman"):
        choose_sandbox("podman")


def test_exec_shows_output_and_ends_with_the_scripts_code(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = folder / "s.py"
    script.write_text("import sys\nprint('out', sys.argv[1:])\nprint('err', file=sys.stderr)\nsys.exit(7)")
    argv = ["exec", "--sandbox", "none", "--script", str(script), "--workdir", str(folder / "work"), "--", "--x"]
    assert main(argv) == 7
    assert capfd.readouterr() == ("out ['--x']\n", "err\n")


def test_exec_says_which_limit_ended_the_script(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = folder / "s.py"
    script.write_text("import time\ntime.sleep(60)")
    argv = ["exec", "--sandbox", "none", "--script", str(script), "--workdir", str(folder / "work"), "--wall-s", "0.4"]
    assert main(argv) != 0
    assert "ended by the limit wall_time: it ran longer than 0.4 s" in capfd.readouterr().err


def test_bad_arguments_are_one_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "--script", str(folder / "no.py"), "--workdir", str(folder / "work")]) == 2
    assert main(["collect", str(folder / "missing"), str(folder / "dest")]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 2


def test_collect_copies_and_says_what_it_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "work" / "a.csv").write_text("x")
    (folder / "work" / "l.csv").symlink_to("/etc/passwd")
    assert main(["collect", str(folder / "work"), str(folder / "dest")]) == 0
    assert capfd.readouterr() == ("collected a.csv\n", "refused l.csv: it is a link\n")


def test_modules_in_the_current_folder_are_not_imported(folder: Path) -> None:
    """A job's folder may be the current one: what it left there must not run in our process."""
    for name in ("argparse", "asyncio", "json", "tempfile", "pydantic"):
        (folder / "work" / f"{name}.py").write_text("raise SystemExit('poisoned')")
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "bioresearcher.sandbox", "collect", "--help"],
        cwd=folder / "work",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "poisoned" in done.stderr + done.stdout) == (0, False), done.stderr
