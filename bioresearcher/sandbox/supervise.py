"""Start a job's first process, capture its output, watch its limits, and end its whole process tree.

The first process of ours holds a leash: a pipe that hangs up when we let go of it or die, however we die; then it kills
everything below it. Captured output is bounded, valid text without control sequences. `Running.finish` blocks and
belongs on a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.environment import Interpreter
from bioresearcher.sandbox.limits import SAMPLE_S, Watchdog, kernel_limits, refused_by_kernel
from bioresearcher.sandbox.processes import tree
from bioresearcher.schemas.execution import ExecResult, Limits, ResourceUse
from bioresearcher.text.visible import visible

SHOWN_BYTES = 64 * 1024
"""Bytes kept of each stream: half from its beginning, half from its end."""

_READ_BYTES = 1 << 16
_KILL_HARDER_S = 2.0
_LAST_OUTPUT_S = 1.0
_GIVE_UP_S = 30.0
_KILLED = 137

_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # operating system commands: titles, clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # device control strings and the like
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor movements
    r"|\x1b[ -/]*[0-~]?"
)


def clean(text: str) -> str:
    """Return the visible text without terminal sequences.

    Every kind of line end becomes a newline, so that a progress bar cannot overwrite what stood before it.
    """
    return visible(_SEQUENCES.sub("", text))


class Capture:
    """Keeps the beginning and the end of a stream of any length, in bounded memory."""

    def __init__(self, shown_bytes: int = SHOWN_BYTES) -> None:
        self._head_room = shown_bytes // 2
        self._tail_room = shown_bytes - self._head_room
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the stream."""
        self.total += len(data)
        if room := self._head_room - len(self._head):
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail.append(data)
            self._tail_size += len(data)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._tail_room:
            self._tail_size -= len(self._tail.popleft())

    def text(self) -> str:
        """Return the cleaned bytes that were kept, with a line that counts those left out, if any."""
        tail = b"".join(self._tail)[-self._tail_room :]
        left_out = self.total - len(self._head) - len(tail)
        if not left_out:
            return clean((bytes(self._head) + tail).decode("utf-8", "replace"))
        head, end = (clean(part.decode("utf-8", "replace")) for part in (bytes(self._head), tail))
        return f"{head}\n[… {left_out:,} bytes left out …]\n{end}"


@dataclass(frozen=True)
class Pipes:
    """Two pipes between us and the first process.

    Attributes:
        ready: Our end of the pipe over which a byte says that the job is about to start; `tell` is its other end.
        leash: The end that the first process watches: it hangs up when we are gone. `hand` is our end.
    """

    ready: int
    tell: int
    leash: int
    hand: int

    @classmethod
    def make(cls) -> Pipes:
        """Open both pipes."""
        ready, tell = os.pipe()
        leash, hand = os.pipe()
        return cls(ready, tell, leash, hand)

    def close(self) -> None:
        """Close our ends; for when nothing was started."""
        os.close(self.ready)
        os.close(self.hand)


@dataclass(frozen=True)
class ProcessSpec:
    """A process to start.

    Attributes:
        command: Program and arguments.
        env: Its whole environment.
        folder: Its current directory.
        fds: Descriptors it inherits under the same numbers; closed here once it has started.
        info_fd: Descriptor from which bubblewrap's report of the first process's number is read; None without it.
        pipes: The pipes that connect us with the first process.
        by_leash: True if the job is ended by letting go of the leash alone, because it is no descendant of ours (a
            container is the engine's); then only its folder, its output and the clock are watched here.
        talk: The descriptors that become its standard input and output, closed here once it has started; None: it gets
            no input, and its output is captured.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    folder: str
    fds: tuple[int, ...]
    info_fd: int | None
    pipes: Pipes
    by_leash: bool = False
    talk: tuple[int, int] | None = None


@dataclass(frozen=True)
class Ended:
    """The end of a process. `set_up` is false if the job itself never started."""

    exit_code: int
    killed: str | None
    stdout: str
    stderr: str
    use: ResourceUse
    set_up: bool

    def result(self, sandbox: str) -> ExecResult:
        """Return the job's result, with the limit that the watchdog or the kernel enforced, if any."""
        killed = self.killed or refused_by_kernel(self.exit_code, self.stderr)
        return ExecResult(
            exit_code=self.exit_code or (_KILLED if killed else 0),
            stdout=self.stdout,
            stderr=self.stderr,
            killed=killed,
            use=self.use,
            sandbox=sandbox,
        )


def first_process(
    job: Job, python: Interpreter, pipes: Pipes | None, *, program: str, code: str, own_user_namespace: bool
) -> list[str]:
    """Return the command that sets the kernel's limits and then runs the job's script.

    Args:
        job: What to run.
        python: The interpreter of the first process, and of the script unless the job names a program.
        pipes: The pipes of which it gets `tell` and `leash`; None for a container, into which no descriptor leads.
        program: Path of `inside.py` as the first process sees it.
        code: The code folder as the script sees it.
        own_user_namespace: True if processes are counted for this job alone (see `kernel_limits`).
    """
    limits = kernel_limits(job.limits, own_user_namespace=own_user_namespace)
    executable = str(python.executable)
    ends = ("-", "-") if pipes is None else (str(pipes.tell), str(pipes.leash))
    return [
        *(executable, "-I", "-S", program, *ends),
        *(f"{name}={value}" for name, value in limits.items()),
        "--",
        *(job.program or (executable,)),
        f"{code}/{job.script}",
        *job.args,
    ]


def data_file(data: bytes) -> int:
    """Return a descriptor of an unnamed file in memory, from which a child can read the data."""
    handle = os.memfd_create("data")
    with os.fdopen(os.dup(handle), "wb") as file:
        file.write(data)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


class Running:
    """A started job, which `finish` follows to its end."""

    def __init__(self, process: subprocess.Popen[bytes], spec: ProcessSpec, limits: Limits, work: Path) -> None:
        self._process = process
        self._spec = spec
        self._limits = limits
        self._started_s = time.monotonic()
        self._watchdog = Watchdog(limits, work, started_s=self._started_s, isolated=spec.info_fd is not None)
        self._captures = {"stdout": Capture(), "stderr": Capture()}
        self._handle = os.pidfd_open(process.pid)
        self._cancel = os.eventfd(0)
        self._info = b""
        self._first: int | None = None if spec.info_fd is not None else process.pid
        self._first_handle: int | None = None
        self._hand: int | None = spec.pipes.hand
        self._killed: str | None = None
        self._kill_s: float | None = None
        self._ended_s: float | None = None
        self._cpu_s = 0.0
        self._set_up = False
        self._closed = False
        self._lock = threading.Lock()
        self.looks_s = SAMPLE_S
        """Seconds between looks of the watchdog; more of them while nothing is to be watched."""

    def cancel(self) -> None:
        """End the job soon; may be called from any thread."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._cancel, 1)

    def finish(self) -> Ended:
        """Block until the job has ended, whatever ends it; nothing of it is alive afterwards."""
        try:
            with selectors.DefaultSelector() as selector:
                self._register(selector)
                while not self._over(selector):
                    for key, _ in selector.select(self._pause()):
                        key.data(selector, key.fd)
                    self._look()
        finally:
            self._close()
        return self._result()

    def _register(self, selector: selectors.BaseSelector) -> None:
        process = self._process
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream.fileno(), selectors.EVENT_READ, self._reader(self._captures[name]))
        selector.register(self._handle, selectors.EVENT_READ, self._on_end)
        selector.register(self._cancel, selectors.EVENT_READ, self._on_cancel)
        selector.register(self._spec.pipes.ready, selectors.EVENT_READ, self._on_ready)
        if self._spec.info_fd is not None:
            selector.register(self._spec.info_fd, selectors.EVENT_READ, self._on_info)

    def _pause(self) -> float:
        if self._ended_s is not None:
            return 0.02
        return max(0.001, min(self.looks_s, self._started_s + self._limits.wall_s - time.monotonic() + 0.001))

    def _reader(self, capture: Capture) -> Callable[[selectors.BaseSelector, int], None]:
        def read(selector: selectors.BaseSelector, fd: int) -> None:
            with suppress(BlockingIOError):
                data = os.read(fd, _READ_BYTES)
                capture.feed(data)
                if not data:
                    selector.unregister(fd)
                elif sum(each.total for each in self._captures.values()) > self._limits.output_bytes:
                    self._kill("output")

        return read

    def _on_ready(self, selector: selectors.BaseSelector, fd: int) -> None:
        self._set_up = os.read(fd, 1) == b"1"
        selector.unregister(fd)

    def _on_info(self, selector: selectors.BaseSelector, fd: int) -> None:
        self._info += (data := os.read(fd, _READ_BYTES))
        with suppress(ValueError, KeyError):
            self._first = int(json.loads(self._info)["child-pid"])
            with suppress(OSError):
                self._first_handle = os.pidfd_open(self._first)
        if not data or self._first is not None:
            selector.unregister(fd)

    def _on_cancel(self, selector: selectors.BaseSelector, fd: int) -> None:
        selector.unregister(fd)
        self._kill("cancelled")

    def _on_end(self, selector: selectors.BaseSelector, fd: int) -> None:
        selector.unregister(fd)
        _, status, usage = os.wait4(self._process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        if not self._spec.by_leash:  # else it is the engine's client that was waited for
            self._cpu_s = usage.ru_utime + usage.ru_stime
        self._ended_s = time.monotonic()
        self._signal_all()

    def _look(self) -> None:
        """Run the watchdog, and kill again what did not die at once."""
        now = time.monotonic()
        if self._ended_s is not None:
            return
        if self._kill_s is None:
            root = None if self._spec.by_leash else self._first or self._process.pid
            if passed := self._watchdog.check(root, now, set_up=self._set_up):
                self._kill(passed)
        elif now - self._kill_s > _KILL_HARDER_S:
            self._let_go()

    def _kill(self, why: str) -> None:
        if self._kill_s is None:
            self._killed = why
            self._kill_s = time.monotonic()
            self._signal_all()

    def _signal_all(self) -> None:
        """Kill the first process inside; its namespace dies with it, and bubblewrap then ends by itself."""
        if self._spec.info_fd is None and not self._spec.by_leash:
            self._kill_tree()
        if self._first_handle is not None:
            with suppress(OSError):
                signal.pidfd_send_signal(self._first_handle, signal.SIGKILL)
        else:
            self._let_go()

    def _kill_tree(self) -> None:
        """Kill the processes that were seen of a tree without a namespace and are still the same."""
        known = {(each.pid, each.started) for each in self._watchdog.last_seen}
        alive = tree(self._process.pid) if self._ended_s is None else []
        orphans = [one for pid, _ in known for one in tree(pid)[:1] if (one.pid, one.started) in known]
        for process in [*alive, *orphans]:
            with suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)

    def _let_go(self) -> None:
        if self._hand is not None:
            os.close(self._hand)
            self._hand = None

    def _over(self, selector: selectors.BaseSelector) -> bool:
        """Return True once the process has been waited for, all inside is dead, and the output has been read."""
        if self._ended_s is None:
            return False
        waited_s = time.monotonic() - self._ended_s
        if self._first_handle is not None and waited_s < _GIVE_UP_S:
            poller = select.poll()
            poller.register(self._first_handle, select.POLLIN)
            if not poller.poll(0):
                return False
        streams = {stream.fileno() for stream in (self._process.stdout, self._process.stderr) if stream}
        return waited_s > _LAST_OUTPUT_S or not streams & set(selector.get_map())

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self._cancel)
        self._let_go()
        for fd in (self._handle, self._first_handle, self._spec.info_fd, self._spec.pipes.ready):
            if fd is not None:
                os.close(fd)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _result(self) -> Ended:
        code = self._process.returncode
        use = ResourceUse(
            wall_s=round((self._ended_s or time.monotonic()) - self._started_s, 3),
            cpu_s=round(max(self._cpu_s, self._watchdog.cpu_s), 3),
            peak_memory_mb=round(self._watchdog.peak_memory_mb, 1),
        )
        return Ended(
            exit_code=128 - code if code < 0 else code,
            killed=self._killed or (self._watchdog.last_check() if self._set_up else None),
            stdout=self._captures["stdout"].text(),
            stderr=self._captures["stderr"].text(),
            use=use,
            set_up=self._set_up,
        )


def start(spec: ProcessSpec, limits: Limits, work: Path) -> Running:
    """Start a process that inherits the given descriptors and nothing else of ours, in a session of its own.

    Raises:
        SandboxUnavailableError: The program cannot be started.
    """
    fds = (*spec.fds, *(spec.talk or ()), spec.pipes.tell, spec.pipes.leash)
    with ExitStack() as undo:
        undo.callback(spec.pipes.close)
        if spec.info_fd is not None:
            undo.callback(os.close, spec.info_fd)
        try:
            process = subprocess.Popen(
                list(spec.command),
                env=dict(spec.env),
                cwd=spec.folder,
                pass_fds=(*spec.fds, spec.pipes.tell, spec.pipes.leash),
                stdin=spec.talk[0] if spec.talk else subprocess.DEVNULL,
                stdout=spec.talk[1] if spec.talk else subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxUnavailableError(f"{spec.command[0]} cannot be started: {error.strerror}.") from error
        finally:
            for fd in fds:
                os.close(fd)
        undo.pop_all()
    # if memory gets short on the whole machine, this goes first
    with suppress(OSError):
        Path(f"/proc/{process.pid}/oom_score_adj").write_text("500", encoding="ascii")
    return Running(process, spec, limits, work)


async def wait(running: Running) -> Ended:
    """Wait for a job without blocking the event loop; cancelling the wait kills the job and waits for its death."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Ended] = loop.create_future()

    def deliver(ended: Ended | None, error: BaseException | None) -> None:
        if future.done():
            return
        if ended is not None:
            future.set_result(ended)
        else:
            future.set_exception(error or RuntimeError("no result"))

    def work() -> None:
        ended: Ended | None = None
        failure: BaseException | None = None
        try:
            ended = running.finish()
        except BaseException as error:  # noqa: BLE001 - handed over to the waiting task
            failure = error
        with suppress(RuntimeError):  # the loop may have been closed without waiting for us
            loop.call_soon_threadsafe(deliver, ended, failure)

    threading.Thread(target=work, name="sandbox", daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        running.cancel()
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if error := future.exception():
            raise error from None
        raise
