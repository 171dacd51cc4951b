"""The boundary and the limits, with real jobs in the real sandbox."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox, find_binaries
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.sandbox.limits import LIMIT_NAMES, explain
from bioresearcher.sandbox.probe import probe
from bioresearcher.schemas.execution import ExecResult, Limits

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("no_sandbox_skip")]

ROOT = Path(__file__).resolve().parents[2]
SMALL = Limits(
    wall_s=20, cpu_s=20, memory_mb=200, processes=24, file_mb=8, disk_mb=24, files=300, tmp_mb=16, shm_mb=16,
    output_bytes=300_000,
)  # fmt: skip


@pytest.fixture
def sandbox() -> Sandbox:
    return choose_sandbox("bubblewrap")


class Bench:
    """Writes scripts and runs them."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.secret = folder / "secret.txt"
        self.secret.write_text("secret")
        for name in ("code", "work", "data"):
            (folder / name).mkdir()
        (folder / "data" / "t.csv").write_text("a\n1\n")

    def job(self, script: str, *args: str, limits: Limits = SMALL, env: dict[str, str] | None = None) -> Job:
        (self.folder / "code" / "main.py").write_text(script)
        data = {"set": self.folder / "data", "one": self.folder / "data" / "t.csv"}
        return Job(self.folder / "code", "main.py", self.folder / "work", args, data=data, limits=limits, env=env or {})

    def run(self, script: str, *args: str, limits: Limits = SMALL, env: dict[str, str] | None = None) -> ExecResult:
        return asyncio.run(self.sandbox.run(self.job(script, *args, limits=limits, env=env)))


@pytest.fixture
def bench(sandbox: Sandbox, tmp_path: Path) -> Bench:
    return Bench(sandbox, tmp_path)


def test_a_job_reads_its_data_writes_its_folder_and_reports(bench: Bench) -> None:
    result = bench.run(
        "import os, sys, pathlib\n"
        "print(os.getcwd(), sys.argv[1:], open('/data/set/t.csv').read() == open('/data/one/t.csv').read())\n"
        "print(os.environ['TASK'], sys.path[0])\n"
        "pathlib.Path('out.txt').write_text('made')\n"
        "print('to stderr', file=sys.stderr)\nsys.exit(3)\n",
        "an argument",
        env={"TASK": "t1"},
    )
    assert result.stdout == "/work ['an argument'] True\nt1 /task\n"
    assert result.stderr == "to stderr\n"
    assert (result.exit_code, result.killed, result.sandbox) == (3, None, "bubblewrap")
    assert (bench.folder / "work" / "out.txt").read_text() == "made"
    assert result.use.wall_s > 0
    assert result.use.cpu_s > 0


ESCAPES = """
import fcntl, json, mmap, os, socket, sys, ctypes
libc = ctypes.CDLL(None, use_errno=True)
def can(action):
    try:
        return action() is not False
    except OSError:
        return False
def write(path):
    open(path, "a").close()
def call(number, *args):
    return libc.syscall(number, *args) >= 0
x86 = os.uname().machine == "x86_64"
found = {
    "inherited": [fd for fd in range(3, 300) if can(lambda: os.fstat(fd))],
    "secret": can(lambda: open(sys.argv[1]).read()),
    "shadow": can(lambda: open("/etc/shadow").read()),
    "home": can(lambda: os.listdir("/home")),
    "data": can(lambda: write("/data/set/t.csv")),
    "code": can(lambda: write("/task/main.py")),
    "root": can(lambda: write("/file")),
    "dev": can(lambda: write("/dev/file")),
    "usr": can(lambda: write("/usr/file")),
    "proc": can(lambda: write("/proc/self/oom_score_adj")),
    "inet": can(lambda: socket.socket().close()),
    "unix": can(lambda: socket.socket(socket.AF_UNIX).close()),
    "first process": can(lambda: os.listdir("/proc/1/fd")),
    "its memory": can(lambda: open("/proc/1/mem", "rb")),
    "mount": can(lambda: libc.mount(b"t", b"/work", b"tmpfs", 0, None) == 0),
    "namespace": can(lambda: libc.unshare(0x10000000) == 0),
    "memfd": can(lambda: os.memfd_create("x")),
    "shared memory": x86 and can(lambda: call(29, 0, 4096, 0o1600)),
    "keyring": x86 and can(lambda: call(250, 0, -3, 0)),
    "named socket": can(lambda: socket.socketpair(type=socket.SOCK_DGRAM)[0].bind("/work/s")),
    "foreign socket": can(lambda: socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b"x", "/work/s")),
    "descriptor in flight": can(lambda: socket.send_fds(socket.socketpair()[0], [b"x"], [0])),
    "uncounted memory": can(lambda: mmap.mmap(-1, 4096)),
    "the same by a device": can(lambda: mmap.mmap(os.open("/dev/zero", os.O_RDWR), 4096)),
    "watch": libc.inotify_init1(0) >= 0,
    "lease": can(lambda: fcntl.fcntl(os.open("/work", os.O_RDONLY), 1024, 0)),
    "terminal": can(lambda: os.openpty()),
    "spliced": can(lambda: os.splice(0, os.pipe()[1], 1)),
    "set-uid": can(lambda: (write("s"), os.chmod("s", 0o4755))),
    "set-uid at birth": can(lambda: os.open("t", os.O_CREAT | os.O_WRONLY, 0o4755)),
    "environment": [name for name in os.environ if "SECRET" in name],
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]) > 2,
}
json.dump({name: value for name, value in found.items() if value}, sys.stdout)
"""


def test_nothing_of_the_host_can_be_reached(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "x")
    leak = os.open(bench.folder, os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        result = bench.run(ESCAPES, str(bench.secret))
    finally:
        os.close(leak)
    assert (result.stdout, result.exit_code) == ("{}", 0), result.stderr


def test_ordinary_concurrency_works(bench: Bench) -> None:
    result = bench.run(
        "import asyncio, multiprocessing, subprocess, concurrent.futures as cf\n"
        "def square(x):\n    return x * x\n"
        "async def nap():\n    await asyncio.sleep(0)\n    return 'awake'\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.Pool(2) as pool:\n        print(sum(pool.map(square, range(9))))\n"
        "    with cf.ThreadPoolExecutor(2) as pool:\n        print(sum(pool.map(square, range(9))))\n"
        "    print(asyncio.run(nap()), subprocess.run(['echo', 'hi'], capture_output=True).stdout)\n"
    )
    assert result.stdout == "204\n204\nawake b'hi\\n'\n", result.stderr


HOGS = {
    "wall_time": ("import time\ntime.sleep(60)", {"wall_s": 0.5}),
    "cpu_time": ("import os\nos.fork()\nwhile True: pass", {"cpu_s": 0.5}),
    "memory": ("b = []\nwhile True: b.append(b'x' * 8_000_000)", {}),
    "processes": (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        {},
    ),
    "disk": (
        "import os, time\nfor i in range(40):\n    open(f'f{i}', 'wb').write(os.urandom(2_000_000))\n"
        "    time.sleep(.01)\ntime.sleep(20)",
        {},
    ),
    "files": ("import time\nfor i in range(5000): open(str(i), 'w').close()\ntime.sleep(20)", {}),
    "file_size": ("open('big', 'wb').write(bytes(20_000_000))", {}),
    "output": ("while True: print('x' * 100)", {}),
}


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_each_limit_ends_a_job_under_its_own_name(bench: Bench, name: str) -> None:
    script, change = HOGS[name]
    limits = SMALL.model_copy(update=change)
    result = bench.run(script, limits=limits)
    assert result.killed == name, result
    assert result.exit_code != 0
    assert explain(name, limits).startswith(f"ended by the limit {name}: it ")


EVASIONS = {
    "memory of a family": (
        "memory",
        "import os, time\nfor _ in range(4): os.fork()\nb = b'x' * 40_000_000\ntime.sleep(20)",
    ),
    "deleted but open": (
        "disk",
        "import os, time\nkeep = []\nfor i in range(9):\n    f = open('x', 'wb')\n    f.write(os.urandom(6_000_000))\n"
        "    f.flush()\n    os.unlink('x')\n    keep.append(f)\ntime.sleep(20)",
    ),
    "deleted but mapped": (
        "disk",
        # a name that looks like the end of a line must not end the search
        "import ctypes, os, time\nname = 'x\\u2028y'\nfor i in range(9):\n    f = open(name, 'w+b')\n"
        "    f.write(os.urandom(6_000_000))\n    f.flush()\n"
        "    ctypes.CDLL(None).mmap(None, 4096, 1, 1, f.fileno(), 0)\n"
        "    os.unlink(name)\n    f.close()\ntime.sleep(20)",
    ),
    "in a locked folder": (
        "disk",
        "import os, time\nos.mkdir('d')\nfor i in range(9):\n    os.chmod('d', 0o700)\n"
        "    open(f'd/{i}', 'wb').write(os.urandom(6_000_000))\n    os.chmod('d', 0)\ntime.sleep(20)",
    ),
    "many names in /tmp": (
        "files",
        "import time\nfor i in range(3000): open(f'/tmp/{i}', 'w').close()\ntime.sleep(20)",
    ),
    "too deep": (
        "files",
        "import os, time\nfor i in range(200):\n    os.mkdir('d')\n    os.chdir('d')\ntime.sleep(20)",
    ),
    "written at the very end": ("disk", "for i in range(5): open(str(i), 'wb').write(bytes(7_000_000))"),
    "burnt by children that nobody waits for": (
        "cpu_time",
        "import os, signal, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n    try:\n"
        "        child = os.fork()\n    except OSError:\n        continue\n    if child == 0:\n"
        "        end = time.process_time() + .004\n        while time.process_time() < end: pass\n"
        "        os._exit(0)",
    ),
    "buffers of pipes": (
        "memory",
        "import os, time\nkeep = []\nfor i in range(6):\n    if os.fork() == 0: break\ntry:\n"
        "    while True: keep.append(os.pipe())\nexcept OSError:\n    time.sleep(20)",
    ),
    "buffers of sockets": (
        "memory",
        "import socket, time\nkeep = []\nfor i in range(500):\n    try:\n        keep.append(socket.socketpair())\n"
        "    except OSError:\n        break\ntime.sleep(20)",
    ),
}


@pytest.mark.parametrize("name", EVASIONS)
def test_limits_see_what_is_hidden_from_them(bench: Bench, name: str) -> None:
    expected, script = EVASIONS[name]
    limits = SMALL.model_copy(update={"memory_mb": 100, "cpu_s": 1}) if name.startswith("bu") else SMALL
    assert bench.run(script, limits=limits).killed == expected


def test_memory_shared_between_processes_counts_once(bench: Bench) -> None:
    result = bench.run("import os, time\nb = b'x' * 60_000_000\nfor _ in range(3): os.fork()\ntime.sleep(.6)")
    assert result.killed is None, result


def test_ended_children_that_nobody_waits_for_are_harmless(bench: Bench) -> None:
    result = bench.run("import os, time\nfor _ in range(5):\n    if os.fork() == 0: os._exit(0)\ntime.sleep(.7)")
    assert (result.exit_code, result.killed) == (0, None)


def test_failures_that_a_limit_has_caused_carry_its_name(bench: Bench) -> None:
    assert bench.run("bytearray(50 << 30)").killed == "memory"
    assert bench.run("open('x', 'wb').truncate(1 << 40)").killed == "file_size"
    assert bench.run("for i in range(9): open(f'/tmp/{i}', 'wb').write(bytes(4_000_000))").killed == "disk"
    assert bench.run("raise MemoryError\n").killed == "memory"
    assert bench.run("print('MemoryError')\nraise ValueError('no')").killed is None


def test_output_is_cut_in_the_middle_and_cleaned(bench: Bench) -> None:
    result = bench.run("print('\\x1b[2Jfirst')\nprint('x' * 200_000)\nprint('last\\u202e')")
    assert result.stdout.startswith("first\n")
    assert result.stdout.endswith("last\n")
    assert "bytes left out" in result.stdout
    assert len(result.stdout) < 70_000


def alive(marker: str) -> list[int]:
    """Processes of this machine that carry a marker in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if marker.encode() in Path("/proc", pid, "cmdline").read_bytes():
                found.append(int(pid))
        except OSError:
            continue
    return found


STARTED_WITHIN = 60.0
"""Seconds that a busy machine may take to start a program; how soon it ends is what is tested."""


def wait_until(condition: object, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_daemons_end_with_the_job(bench: Bench) -> None:
    marker = f"daemon-{os.getpid()}-{bench.folder.name}"
    result = bench.run(
        "import os, sys, subprocess\n"
        "if os.fork() == 0:\n    os.setsid()\n"
        "    os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', sys.argv[1]])\n"
        "import time; time.sleep(.2)\n",
        marker,
    )
    assert result.exit_code == 0
    assert alive(marker) == []


def test_cancelling_kills_everything_before_it_returns(bench: Bench) -> None:
    marker = f"cancel-{os.getpid()}-{bench.folder.name}"

    async def main() -> None:
        started = bench.folder / "work" / "started"
        job = bench.job("import time\nopen('started', 'w').close()\ntime.sleep(60)", marker)
        task = asyncio.create_task(bench.sandbox.run(job))
        await asyncio.to_thread(wait_until, started.exists)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert alive(marker) == []


@pytest.mark.parametrize("moment", ["while it is set up", "while it runs"])
def test_no_process_survives_when_we_are_killed(bench: Bench, moment: str) -> None:
    marker = f"orphan-{os.getpid()}-{bench.folder.name}"
    job = bench.job("import time\nopen('started', 'w').close()\ntime.sleep(60)", marker)
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from bioresearcher.sandbox.base import Job\n"
        "from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox\n"
        "job = Job(Path(sys.argv[1]), 'main.py', Path(sys.argv[2]), (sys.argv[3],))\n"
        "asyncio.run(BubblewrapSandbox().run(job))\n"
    )
    argv = [sys.executable, "-c", program, str(job.code_dir), str(job.work_dir), marker]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with subprocess.Popen(argv, cwd=ROOT, env=env) as host:
        try:
            if moment == "while it runs":
                assert wait_until((bench.folder / "work" / "started").exists, STARTED_WITHIN)
            else:
                assert wait_until(lambda: len(alive(marker)) > 1, STARTED_WITHIN)
        finally:
            host.kill()
    assert wait_until(lambda: alive(marker) == [])


async def test_jobs_run_side_by_side(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("import sys\nopen('x', 'w').write(sys.argv[1])\nprint(sys.argv[1])")
    jobs = []
    for number in range(5):
        work = tmp_path / f"work{number}"
        work.mkdir()
        jobs.append(Job(tmp_path / "code", "main.py", work, (str(number),)))
    results = await asyncio.gather(*(sandbox.run(job) for job in jobs))
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(5)]
    assert [(job.work_dir / "x").read_text() for job in jobs] == [str(number) for number in range(5)]


def test_no_descriptor_is_left_open(bench: Bench) -> None:
    bench.run("")
    before = sorted(os.listdir("/proc/self/fd"))
    bench.run("")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_files_that_only_their_owner_may_read_can_be_given_to_a_job(bench: Bench) -> None:
    for path in (bench.folder / "data", bench.folder / "code"):
        path.chmod(0o700)
    (bench.folder / "data" / "t.csv").chmod(0o600)
    result = bench.run("print(len(open('/data/set/t.csv').read()), len(open('/data/one/t.csv').read()))")
    if "owner" in result.stderr:
        pytest.skip("this file system cannot map owners")
    assert result.stdout == "4 4\n", result.stderr


@pytest.mark.parametrize(("thorough", "limits"), [(False, 1), (True, 8)])
async def test_the_self_test_passes(sandbox: Sandbox, thorough: bool, limits: int) -> None:
    result = await probe(sandbox, thorough=thorough)
    assert [check.line for check in result.checks if not check.ok] == []
    assert result.ok
    assert sum(check.name.startswith("is ended when") for check in result.checks) == limits


def test_a_broken_bubblewrap_is_unavailable_not_a_failed_job(bench: Bench, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    bench.sandbox = BubblewrapSandbox(broken)
    with pytest.raises(SandboxUnavailableError, match="user namespaces are switched off"):
        bench.run("print(1)")


def test_every_installed_bubblewrap_works() -> None:
    assert find_binaries()
    for binary in find_binaries():
        assert BubblewrapSandbox(binary).binary == binary
