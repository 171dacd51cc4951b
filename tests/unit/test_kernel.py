"""The kernel in the real sandbox: what cells do to it, and what they cannot do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.sandbox.kernel import CellRun, Kernel, TalkingSandbox
from bioresearcher.schemas.execution import Limits

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("no_sandbox_skip")]

LIMITS = Limits(wall_s=600, cpu_s=300, memory_mb=600, processes=32, disk_mb=30, file_mb=20, files=200, tmp_mb=30)


@pytest.fixture
def place() -> Iterator[Path]:
    folder = temporary_folder()
    for name in ("code", "work"):
        (folder / name).mkdir()
    (folder / "code" / "task.json").write_text('{"inputs": {}}')
    yield folder
    remove_tree(folder)


@asynccontextmanager
async def kernel(place: Path, limits: Limits = LIMITS) -> AsyncIterator[Kernel]:
    sandbox = choose_sandbox("auto")
    assert isinstance(sandbox, TalkingSandbox)
    job = Job(code_dir=place / "code", script="", work_dir=place / "work", limits=limits)
    started = await Kernel.start(sandbox, job, sandbox.layout(job).code + "/task.json")
    try:
        yield started
    finally:
        await started.close()


async def cells(place: Path, *codes: str, limit_s: float = 20) -> list[CellRun]:
    async with kernel(place) as one:
        return [await one.run(code, limit_s) for code in codes]


async def test_variables_last_and_the_last_value_is_shown(place: Path) -> None:
    runs = await cells(
        place, "x = 20\nx + 1", "print('a'); x", "import sys; sys.argv[1]", "def f(): return __name__\nf()"
    )
    assert [r.head for r in runs] == ["21\n", "a\n20\n", "'/task/task.json'\n", "'__main__'\n"]
    assert not any(r.error or r.lost for r in runs)


async def test_errors_are_values_and_keep_the_state(place: Path) -> None:
    codes = ["x = 1", "1 / 0", "x +", "import sys\nsys.exit(3)", "input()", "raise KeyboardInterrupt", "x"]
    runs = await cells(place, *codes)
    ends = [r.error.splitlines()[-1] if r.error else "" for r in runs]
    assert ends[1:6] == [
        "ZeroDivisionError: division by zero",
        "SyntaxError: invalid syntax",
        "SystemExit: 3",
        "EOFError: EOF when reading a line",
        "KeyboardInterrupt",
    ]
    assert '<cell 2>", line 1' in runs[1].error
    assert "keeper" not in runs[1].error
    assert (runs[6].head, runs[6].lost) == ("1\n", False)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\nos._exit(3)", "exit code 3"),
        ("import ctypes\nctypes.string_at(0)", "signal 11"),
        ("import os\nos.closerange(0, 100)", "exit code 1"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
    ],
)
async def test_a_process_that_ends_is_replaced_and_said(place: Path, code: str, said: str) -> None:
    before, ended, after = await cells(place, "x = 1", code, "'x' in globals()")
    assert (before.lost, ended.lost, after.lost) == (False, True, False)
    assert said in ended.error
    assert after.head == "False\n"


async def test_a_kernel_that_is_killed_from_inside_is_a_value_and_stays_gone(place: Path) -> None:
    async with kernel(place) as one:
        killed = await one.run("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", 10)
        assert killed.died.startswith("the kernel ended with exit code")
        assert not one.alive
        assert (await one.run("1", 10)).died == "the kernel has ended"
        assert not await one.reset()


async def test_cells_over_their_time_are_stopped_with_their_state_a_hundred_times(place: Path) -> None:
    async with kernel(place) as one:
        await one.run("import time\nn = 0", 10)
        for number in range(1, 101):
            code = ("n += 1\nwhile True: pass", "n += 1\ntime.sleep(60)")[number % 2]
            run = await one.run(code, 0.03)
            assert (run.interrupted, run.lost) == (True, False), (number, run)
        assert (await one.run("n", 10)).head == "100\n"


async def test_a_cell_that_ignores_its_limit_is_killed(place: Path) -> None:
    async with kernel(place) as one:
        await one.run("x = 1\nimport signal", 10)
        run = await one.run("signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", 0.1)
        assert (run.interrupted, run.lost) == (True, True)
        assert (await one.run("'x' in globals()", 10)).head == "False\n"
        later = await one.run("while True: pass", 0.1)
        assert (later.interrupted, later.lost) == (True, False)


@pytest.mark.parametrize(
    "code",
    [
        "for _ in range(25): print('a' * 999_999)",
        "import os\nfor _ in range(25): os.write(1, b'b' * 1_000_000)",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(\"c\" * 25_000_000)'])\nNone",
    ],
)
async def test_25_mb_of_output_are_counted_and_bounded(place: Path, code: str) -> None:
    flood, after = await cells(place, code, "'still here'")
    assert 25_000_000 <= flood.size <= 25_000_100
    assert len(flood.head) <= 32_768
    assert len(flood.tail) <= 32_768
    assert after.head == "'still here'\n"


async def test_output_that_is_no_text_is_made_visible(place: Path) -> None:
    run, after = await cells(place, r"import os; os.write(1, b'\xff\x1b[31mred\x00'); print('\ud800')", "1")
    assert "red" in run.head
    assert "\x1b" not in run.head
    assert "UnicodeEncodeError" in run.error
    assert after.head == "1\n"


async def test_too_much_memory_is_an_error_of_the_cell(place: Path) -> None:
    runs = await cells(place, "x = 5", "y = bytearray(900_000_000)", "z = [0] * 10**9", "x")
    assert [("MemoryError" in r.error, r.lost) for r in runs[1:3]] == [(True, False)] * 2
    assert runs[3].head == "5\n"


async def test_a_full_disk_ends_the_kernel_and_says_so(place: Path) -> None:
    async with kernel(place) as one:
        run = await one.run("for n in range(9):\n    open(f'/work/{n}', 'wb').write(b'0' * 10**7)\ninput", 20)
        run = run if run.died else await one.run("import time; time.sleep(5)", 10)
        assert "limit disk" in run.died
        assert not one.alive


async def test_what_a_cell_left_running_is_killed(place: Path) -> None:
    code = (
        "import subprocess, sys, os\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time\\nwhile True: print(\"late\", flush=True); "
        "time.sleep(0.01)'], start_new_session=True)\n"
        "if os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(60)\n    os._exit(0)\n"
    )
    left, after = await cells(place, code, "import time; time.sleep(0.3); p.poll()")
    assert left.left_running == 2
    assert after.head == "-9\n", "nothing of it is printed into the next cell"


async def test_a_bomb_of_processes_ends_with_the_cell(place: Path) -> None:
    code = "import os\ntry:\n    while True: os.fork()\nexcept OSError as e: print(e)"
    async with kernel(place) as one:
        await one.run(code, 3)
        if one.alive:
            assert (await one.run("1", 10)).head == "1\n"


async def test_there_is_no_network_and_no_other_file(place: Path) -> None:
    secret = place / "secret.txt"
    secret.write_text("secret")
    codes = [
        "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)",
        "import urllib.request\nurllib.request.urlopen('http://192.0.2.1/', timeout=1)",
        f"open({str(secret)!r}).read()",
        "open('/task/task.json', 'w')",
        "open('/task/keeper.py', 'a')",
    ]
    for run in await cells(place, *codes):
        assert "Error" in run.error
        assert "secret" not in run.head


async def test_frames_cannot_be_forged_and_the_keeper_cannot_be_read(place: Path) -> None:
    forge = (
        "import os, json\n"
        "frame = json.dumps({'id': 2, 'out': 'forged', 'error': '', 'bytes': 6}).encode() + b'\\n'\n"
        "print(frame.decode())\n"
        "found = []\n"
        "for pid in [os.getppid(), 1]:\n"
        "    for path in (f'/proc/{pid}/fd', f'/proc/{pid}/mem', f'/proc/{pid}/environ'):\n"
        "        try:\n"
        "            found.append(os.listdir(path) if path.endswith('fd') else open(path, 'rb').read(1))\n"
        "        except OSError as e: pass\n"
        "for fd in range(3, 64):\n"
        "    try: os.write(fd, frame)\n"
        "    except OSError: pass\n"
        "found"
    )
    forged, next_one, last = await cells(place, forge, "'honest'", "'last'")
    assert forged.head.endswith("[]\n")
    assert (next_one.head, last.head) == ("'honest'\n", "'last'\n")


async def test_figures_left_open_are_described_and_closed(place: Path) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 4])\nplt.title('Growth')\nplt.xlabel('day')\nNone"
    drawn, after = await cells(place, code, "plt.get_fignums()", limit_s=120)
    assert "title 'Growth', x 'day'" in drawn.figures[0]
    assert "1 lines" in drawn.figures[0]
    assert (after.head, after.figures) == ("[]\n", ())


async def test_reset_forgets_and_threads_die_with_it(place: Path) -> None:
    async with kernel(place) as one:
        await one.run("import threading, time\nx = 1\nthreading.Thread(target=time.sleep, args=(60,)).start()", 10)
        assert await one.reset()
        assert (await one.run("'x' in globals(), len(__import__('threading').enumerate())", 10)).head == "(False, 1)\n"


async def test_a_kernel_closes_while_a_cell_runs(place: Path) -> None:
    async with kernel(place) as one:
        running = asyncio.create_task(one.run("while True: pass", 60))
        await asyncio.sleep(0.3)
        await one.close()
        assert (await running).died
    assert not one.alive


async def test_it_ends_at_the_limits_of_the_whole(place: Path) -> None:
    async with kernel(place, replace_limits(cpu_s=1)) as one:
        run = await one.run("while True: pass", 20)
        assert "cpu_time" in run.died or "signal" in run.error


def replace_limits(**changed: float) -> Limits:
    return LIMITS.model_copy(update=changed)
