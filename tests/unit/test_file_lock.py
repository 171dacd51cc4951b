"""One holder at a time, of processes, threads and tasks; nobody keeps a lock beyond the holder's end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bioresearcher.limits.file_lock import single_flight, take_lock, wait_for_lock

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from bioresearcher.limits.file_lock import take_lock
held = take_lock(Path(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_lock_keeps_out_others_of_the_same_process_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    held = take_lock(path)
    assert held is not None
    assert take_lock(path) is None
    held.close()
    held.close()
    with wait_for_lock(path, look_s=0.01):
        assert take_lock(path) is None
    assert take_lock(path) is not None


def test_what_is_in_a_locked_file_stays(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("one\n")
    with wait_for_lock(tmp_path / "lines", look_s=0.01):
        assert (tmp_path / "lines").read_text() == "one\n"


def test_a_killed_holder_frees_its_lock_although_what_it_had_started_goes_on(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        assert take_lock(tmp_path / "lock") is None
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
        os.kill(child, 0)
        held = take_lock(tmp_path / "lock")
        assert held is not None
        held.close()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_folder_that_is_a_file_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="Not a directory"):
        take_lock(tmp_path / "file" / "lock")


async def test_a_lock_file_that_its_holder_removed_is_no_lock_for_who_comes_then(tmp_path: Path) -> None:
    async with single_flight(tmp_path / "lock", patience_s=1):
        (tmp_path / "lock").unlink()
        async with single_flight(tmp_path / "lock", patience_s=1) as waited:
            assert not waited
    assert [*tmp_path.iterdir()] == []
