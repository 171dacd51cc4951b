"""The container sandbox, on an engine of the tests' own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from itertools import pairwise
from pathlib import Path

import fake_engine
import pytest

from bioresearcher.errors import InputError, SandboxUnavailableError
from bioresearcher.sandbox import seccomp
from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.bubblewrap import find_binaries
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.sandbox.container import ContainerSandbox, cpus
from bioresearcher.schemas.execution import ExecResult, Limits

BINARIES = find_binaries()
pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(not BINARIES and not os.environ.get("REQUIRE_SANDBOX"), reason="no bubblewrap on this machine"),
]
LIMITS = Limits(wall_s=20, cpu_s=20, memory_mb=300, processes=16, file_mb=8, disk_mb=24, files=200)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return fake_engine.write_engine(tmp_path / "engine", BINARIES[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("code", "work", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "t.csv").write_text("a\n1\n")
    return tmp_path


def job(folder: Path, script: str, limits: Limits = LIMITS) -> Job:
    (folder / "code" / "main.py").write_text(script)
    return Job(folder / "code", "main.py", folder / "work", data={"one": folder / "data" / "t.csv"}, limits=limits)


def run(engine: Path, folder: Path, script: str, limits: Limits = LIMITS) -> ExecResult:
    return asyncio.run(ContainerSandbox(str(engine)).run(job(folder, script, limits)))


def test_a_job_reads_its_data_writes_its_folder_and_sees_nothing_of_ours(
    engine: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    result = run(
        engine,
        folder,
        "import os\nprint(open('/data/one/t.csv').read().split(), os.getcwd(), 'A_SECRET' in os.environ)\n"
        "open('made.txt', 'w').write('yes')\nraise SystemExit(3)",
    )
    assert (result.stdout, result.exit_code, result.sandbox) == ("['a', '1'] /work False\n", 3, "container"), result
    assert (folder / "work" / "made.txt").read_text() == "yes"
    assert result.use.cpu_s == 0, "the engine's client's own time is not the job's"


def test_the_policy_is_asked_of_the_engine(engine: Path, folder: Path) -> None:
    run(engine, folder, "pass")
    (words,) = fake_engine.calls(engine.parent, "run")
    given = set(pairwise(words))
    assert {
        ("--network", "none"), ("--cap-drop", "ALL"), ("--security-opt", "no-new-privileges"), ("--pull", "never"),
        ("--memory", "300m"), ("--memory-swap", "300m"), ("--pids-limit", "18"), ("--shm-size", "64m"),
        ("--tmpfs", "/tmp:rw,nosuid,nodev,mode=1777,size=256m"), ("--ipc", "private"),
    } <= given  # fmt: skip
    assert "--read-only" in words
    user = next(value for option, value in given if option == "--user")
    assert not user.startswith("0:")
    writable = [value for option, value in given if option == "--volume" and not value.endswith(":ro")]
    assert writable == [f"{folder / 'work'}:/work:rw"]
    told = words[words.index("bioresearcher-empty:1") :]
    assert "CPU=21" in told
    assert f"FSIZE={8 * 1024 * 1024}" in told


def test_the_image_is_made_once_of_nothing_but_mount_points(engine: Path, folder: Path) -> None:
    for _ in range(2):
        run(engine, folder, "pass")
    assert len(fake_engine.calls(engine.parent, "import")) == 1
    with tarfile.open(engine.parent / "image.tar") as image:
        files = [entry.name for entry in image if entry.isfile()]
    assert files == ["etc/passwd", "etc/group", "etc/hosts", "etc/nsswitch.conf"]


@pytest.mark.parametrize(
    ("killed", "script", "change"),
    [
        ("wall_time", "import time\ntime.sleep(60)", {"wall_s": 0.7}),
        ("cpu_time", "while True: pass", {"cpu_s": 0.2}),
        ("files", "import time\nfor i in range(2000): open(str(i), 'w').close()\ntime.sleep(20)", {}),
        ("file_size", "open('big', 'wb').write(b'x' * 20_000_000)", {}),
        ("output", "while True: print('x' * 1000)", {"output_bytes": 20_000}),
    ],
)
def test_each_limit_ends_the_container_under_its_name(
    engine: Path, folder: Path, killed: str, script: str, change: dict[str, float]
) -> None:
    assert run(engine, folder, script, LIMITS.model_copy(update=change)).killed == killed


def test_a_container_ended_by_the_kernel_for_memory_is_told_so(engine: Path, folder: Path) -> None:
    fake_engine.behave(engine.parent, oom=True)
    assert run(engine, folder, "import os\nos.kill(os.getpid(), 9)").killed == "memory"
    fake_engine.behave(engine.parent)
    assert run(engine, folder, "import os\nos.kill(os.getpid(), 9)").killed is None


def test_every_container_is_removed_also_after_a_cancelled_run(engine: Path, folder: Path) -> None:
    async def cancelled() -> None:
        work = asyncio.create_task(ContainerSandbox(str(engine)).run(job(folder, "import time\ntime.sleep(60)")))
        while not any(engine.parent.glob("bioresearcher-*")):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cancelled())
    assert not list(engine.parent.glob("bioresearcher-*"))
    assert len(fake_engine.calls(engine.parent, "kill")) == 1


def test_a_killed_supervisor_leaves_no_container_running(engine: Path, folder: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from bioresearcher.sandbox.container import ContainerSandbox; from bioresearcher.sandbox.base import Job\n"
        f"job = Job(Path({str(folder / 'code')!r}), 'main.py', Path({str(folder / 'work')!r}))\n"
        f"asyncio.run(ContainerSandbox({str(engine)!r}).run(job))\n"
    )
    job(folder, "import time\ntime.sleep(60)")
    supervisor = subprocess.Popen([sys.executable, "-c", program])
    while not (found := list(engine.parent.glob("bioresearcher-*"))):
        time.sleep(0.02)
    while not (text := found[0].read_text()):
        time.sleep(0.02)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    for _ in range(500):
        if not Path("/proc", text).exists():
            break
        time.sleep(0.02)
    assert not Path("/proc", text).exists()


def test_an_engine_that_cannot_work_is_said_before_anything_runs(
    engine: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_engine.behave(engine.parent, down=True)
    with pytest.raises(SandboxUnavailableError, match="Is it running"):
        ContainerSandbox(str(engine))
    fake_engine.behave(engine.parent, refuses=True)
    with pytest.raises(SandboxUnavailableError, match="could not be started: Error: no such device"):
        run(engine, folder, "pass")
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(SandboxUnavailableError, match="another machine"):
        ContainerSandbox(str(engine))


def test_a_path_that_could_be_read_as_an_option_is_refused(engine: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a:rw,b"
    for name in ("code", "work", "data"):
        (folder / name).mkdir(parents=True)
    (folder / "data" / "t.csv").write_text("a\n")
    with pytest.raises(InputError, match="does not take"):
        run(engine, folder, "pass")


def test_it_is_chosen_by_name_only(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{engine.parent}:{os.environ['PATH']}")
    assert choose_sandbox("container").name == "container"
    monkeypatch.setattr("bioresearcher.sandbox.choose.find_binaries", lambda: (Path("/bin/false"),))
    with pytest.raises(SandboxUnavailableError) as caught:
        choose_sandbox("auto")
    assert "--sandbox container" in caught.value.hint
    assert "tried with a stand-in for an engine only" in caught.value.hint
    assert len(str(caught.value).splitlines()) == 1


def test_the_share_of_processors_bounds_the_cpu_time_of_all_processes() -> None:
    assert cpus(300, 300) == 1
    assert cpus(1, 100) == 0.1
    assert cpus(10_000, 1) == os.cpu_count()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_engine_gets_the_whole_filter_by_name(machine: str) -> None:
    profile = json.loads(json.dumps(seccomp.profile(machine)))
    refused = {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}
    assert {"socket", "ptrace", "bpf", "mount", "keyctl", "io_uring_setup", "personality"} <= refused
    bits = [a["value"] for r in profile["syscalls"] if r["names"] == ["clone"] for a in r["args"]]
    assert sum(bits) == 0x7E020000
    maps = [r["args"] for r in profile["syscalls"] if r["names"] == ["mmap"]]
    assert [[a["value"] for a in args] for args in maps] == [[0x21], [0x40000]]  # never refused as a whole
    assert ("open" in {n for r in profile["syscalls"] for n in r["names"]}) == (machine == "x86_64")
