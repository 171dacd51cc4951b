"""Keeper of a kernel, inside the sandbox: takes cells from outside, has a worker run them, and bounds what they do.

Called as a job's script, `python keeper.py TASK_FILE MEMORY_MB` (a copy of it). One JSON object a line comes in
(`id`, `do`, `code`, `limit_s`), one goes out for each. The keeper alone has the two pipes to the outside: what cells,
their subprocesses or C libraries print goes into another pipe, which is read while a cell runs and of which the
beginning and the end are kept. The worker is a fork of the keeper with the variables of earlier cells. A cell over its
limit gets SIGINT, two seconds later its worker is killed and a new one made. What a cell left running is killed.
Only the standard library is used, and nothing is imported that a cell could have prepared.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import json
import linecache
import os
import platform
import resource
import select
import signal
import sys
import time
import traceback
import types
from collections.abc import Iterator
from typing import Any

_SET_DUMPABLE, _SET_CHILD_SUBREAPER = 4, 36
_TGKILL = {"x86_64": 234, "aarch64": 131}.get(platform.machine(), 0)
_LIBC = ctypes.CDLL(None)
_GRACE_S = 2.0
_KEPT = 32_768  # bytes of a cell's output that are kept of its beginning, and as many of its end
_ERROR_CHARS = 8_000
_CHUNK = 1 << 16
_LATE_S = 0.5  # for reading what was printed before a cell ended
_FIGURES = 6


class Output:
    """Beginning and end of what a cell printed."""

    def __init__(self) -> None:
        self.head = bytearray()
        self.tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Add the next bytes."""
        self.total += len(data)
        room = max(0, _KEPT - len(self.head))
        self.head += data[:room]
        self.tail += data[room:]
        if len(self.tail) > 2 * _KEPT:
            del self.tail[:-_KEPT]

    def parts(self) -> tuple[str, str]:
        """Return beginning and end as text; the end is empty when nothing was left out."""
        end = bytes(self.tail[-_KEPT:])
        if self.total <= len(self.head) + len(end):
            return (bytes(self.head) + end).decode("utf-8", "replace"), ""
        return bytes(self.head).decode("utf-8", "ignore"), end.decode("utf-8", "ignore")


class Lines:
    """Lines of JSON objects from a pipe; what was read and not used stays in the buffer."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.buffer = bytearray()

    def whole(self) -> Iterator[dict[str, Any]]:
        """Yield what is whole in the buffer; lines that are no JSON object are dropped."""
        while (end := self.buffer.find(b"\n")) >= 0:
            line = bytes(self.buffer[:end])
            del self.buffer[: end + 1]
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found

    def read(self) -> bool:
        """Read what is there; return False at the end of the pipe."""
        data = os.read(self.fd, _CHUNK)
        self.buffer += data
        return bool(data)


def write_all(fd: int, value: dict[str, Any]) -> None:
    """Write an object as a line."""
    data = json.dumps(value).encode("ascii") + b"\n"
    while data:
        data = data[os.write(fd, data) :]


# The worker
class Worker:
    """Runs cells one after the other in the namespace of a real `__main__`."""

    def __init__(self, commands: int, results: int, task_file: str) -> None:
        self.commands = Lines(commands)
        self.results = results
        self.running = False
        self.main = types.ModuleType("__main__")
        self.main.__dict__["__builtins__"] = __builtins__
        sys.modules["__main__"] = self.main
        sys.argv = ["code.py", task_file]

    def interrupt(self, number: int, frame: object) -> None:
        """Stop the cell that runs; a signal that comes late is none of the next one's."""
        if self.running:
            self.running = False
            raise KeyboardInterrupt

    def serve(self) -> None:
        """Run cells until the keeper is gone."""
        while True:
            waiting = list(self.commands.whole())
            for command in waiting:
                write_all(self.results, self.run(command))
            if not waiting and not self.commands.read():
                os._exit(0)

    def run(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run a cell; the answer says how it ended."""
        number, code = command["id"], command["code"]
        name = f"<cell {number}>"
        signal.signal(signal.SIGINT, self.interrupt)
        whole = Caught()
        error, interrupted = "", False
        figures: list[str] = []
        with whole:
            error, interrupted = self.guarded(name, code)
        if whole.error is not None:  # a signal that came between two lines of ours
            error, interrupted = "KeyboardInterrupt", True
        after = Caught()
        with after:
            figures = figures_shown()
            flush()
        if after.error is not None:  # of modules that the cell changed
            error = error or type(after.error).__name__
        return {"id": number, "error": error[-_ERROR_CHARS:], "interrupted": interrupted, "figures": figures}

    def guarded(self, name: str, code: str) -> tuple[str, bool]:
        """Compile and run code; return the error in words, and True if a signal stopped it."""
        caught = Caught()
        with caught:
            linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
            tree = ast.parse(code, name)
            last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
            # an expression in the form of an interactive session shows its value
            pieces = [compile(tree, name, "exec"), compile(ast.Interactive(last), name, "single")]
            try:
                self.running = True
                for piece in pieces:
                    exec(piece, self.main.__dict__)  # noqa: S102 - this is the job
                flush()
            finally:
                self.running = False
        if caught.error is None:
            return "", False
        if isinstance(caught.error, KeyboardInterrupt):
            return "KeyboardInterrupt", True
        return described(caught.error, name), False


class Caught:
    """Keeps whatever ends a block, also what asks to exit: an error of a cell is its result."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Keep the error."""
        self.error = error
        return True


def described(problem: BaseException, name: str) -> str:
    """Return the traceback from the cell on."""
    step = problem.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename != name:
        step = step.tb_next
    return "".join(traceback.format_exception(type(problem), problem, step)).strip()


def flush() -> None:
    """Write out what the cell printed."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def figures_shown() -> list[str]:
    """Close the figures that are open and return a line on each."""
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return []
    said = []
    for number in plt.get_fignums()[:_FIGURES]:
        figure = plt.figure(number)
        width, height = figure.get_size_inches()
        axes = []
        for ax in figure.axes:
            kinds = {"lines": ax.lines, "collections": ax.collections, "patches": ax.patches, "images": ax.images}
            drawn = ", ".join(f"{len(found)} {kind}" for kind, found in kinds.items() if len(found)) or "nothing drawn"
            ranges = "x {:.4g} to {:.4g}, y {:.4g} to {:.4g}".format(*ax.get_xlim(), *ax.get_ylim())
            names = f"title {ax.get_title()!r}, x {ax.get_xlabel()!r}, y {ax.get_ylabel()!r}"
            axes.append(f"[{names}; {drawn}; {ranges}]"[:400])
        said.append(f"figure {number}, {width:g} × {height:g} in, axes: {' '.join(axes) or 'none'}")
    plt.close("all")
    return said


# The keeper
class Keeper:
    """Has the pipes to the outside and one worker."""

    def __init__(self, commands: int, replies: int, task_file: str, memory_mb: int) -> None:
        self.commands = Lines(commands)
        self.replies = replies
        self.task_file = task_file
        self.memory_mb = memory_mb
        self.fork()

    def fork(self) -> None:
        """Make a worker with pipes of its own and no way to the outside."""
        take, self.give = os.pipe()
        hear, tell = os.pipe()
        self.printed, output = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            for fd in (self.commands.fd, self.replies, self.give, hear, self.printed):
                os.close(fd)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            _LIBC.prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
            _LIBC.prctl(_SET_DUMPABLE, 1, 0, 0, 0)
            size = self.memory_mb * 1024 * 1024
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))
            Worker(take, tell, self.task_file).serve()
        for fd in (take, tell, output):
            os.close(fd)
        self.ended = None
        self.results = Lines(hear)
        os.set_blocking(self.printed, False)

    def renew(self) -> None:
        """Kill the worker and all it started, and make a new one."""
        self.kill_others(everyone=True)
        for fd in (self.give, self.results.fd, self.printed):
            os.close(fd)
        self.fork()

    def kill_others(self, *, everyone: bool = False) -> int:
        """Kill what runs beside keeper and worker, found in the process table; return how many that were.

        With `everyone`, or where they come faster than they can be killed, the worker goes, too: it is renewed then.
        """
        killed: set[int] = set()
        for _ in range(200):
            kept = {1, os.getpid(), *([] if everyone else [self.pid])}
            others = [pid for pid in processes() if pid not in kept]
            if not others:
                self.reap()
                return len(killed)
            for pid in others:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                except OSError:
                    continue
            self.reap()
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGKILL)  # all that may be signalled but the first process and this one
        return len(killed)

    def reap(self) -> None:
        """Collect what has ended."""
        while True:
            try:
                found, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not found:
                return
            if found == self.pid:
                self.ended = status

    ended: int | None = None
    """Status of the worker, once it has ended."""

    def serve(self) -> None:
        """Answer commands until the outside is gone."""
        write_all(self.replies, {"id": 0, "ready": True})
        while True:
            for command in self.commands.whole():
                write_all(self.replies, self.answer(command))
            ready, _, _ = select.select([self.commands.fd, self.printed], [], [])
            if self.printed in ready and not self.drain(Output()):
                self.watch_idle()
            if self.commands.fd in ready and not self.commands.read():
                os._exit(0)

    def watch_idle(self) -> None:
        """Renew a worker that went away between two cells; the next answer says so."""
        self.lost_idle = True
        self.renew()

    lost_idle = False

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry a command out."""
        if command.get("do") == "reset":
            self.lost_idle = False
            self.renew()
            return {"id": command["id"], "reset": True}
        self.reap()
        if self.ended is not None:
            self.watch_idle()
        lost_before, self.lost_idle = self.lost_idle, False
        output = Output()
        found, interrupted = self.follow(command, output)
        lost = found is None
        reply: dict[str, Any] = found or {"error": self.end_in_words(interrupted), "figures": []}
        if found and interrupted and found.get("interrupted"):
            reply["error"] = "KeyboardInterrupt: the cell was stopped at its limit of time"
        left = self.kill_others()
        self.drain(output, _LATE_S)
        if lost:
            self.renew()
        head, tail = output.parts()
        figures = reply.get("figures")
        return {
            "id": command["id"],
            "error": str(reply.get("error", "")),
            "figures": [str(line) for line in figures] if isinstance(figures, list) else [],
            "out": head,
            "end": tail,
            "bytes": output.total,
            "lost": lost,
            "lost_before": lost_before,
            "interrupted": bool(interrupted),
            "left_running": left if not lost else 0,
        }

    def follow(self, command: dict[str, Any], output: Output) -> tuple[dict[str, Any] | None, bool]:
        """Give a cell to the worker and wait; return its answer, None if the worker is lost, and if it was stopped."""
        number, until = command["id"], time.monotonic() + float(command["limit_s"])
        interrupted = False
        try:
            write_all(self.give, {"id": number, "code": command["code"]})
        except OSError:
            return None, False
        while True:
            for reply in self.results.whole():
                if reply.get("id") == number:
                    return reply, interrupted
            wait = until - time.monotonic()
            if wait <= 0:
                if interrupted:
                    return None, True
                interrupted, until = True, time.monotonic() + _GRACE_S
                self.interrupt()
                continue
            ready, _, _ = select.select([self.results.fd, self.printed], [], [], min(wait, 0.5))
            if self.printed in ready:
                self.drain(output)
            if (self.results.fd in ready and not self.results.read()) or self.gone():
                yet = [reply for reply in self.results.whole() if reply.get("id") == number]
                return (yet[0] if yet else None), interrupted

    def gone(self) -> bool:
        """Return True if the worker has ended."""
        self.reap()
        return self.ended is not None

    def interrupt(self) -> None:
        """Send SIGINT to the worker's first thread, where Python handles it, also in the middle of a wait."""
        try:
            if not _TGKILL or _LIBC.syscall(_TGKILL, self.pid, self.pid, int(signal.SIGINT)) != 0:
                os.kill(self.pid, signal.SIGINT)
        except OSError:
            pass

    def end_in_words(self, interrupted: bool) -> str:
        """Say how a worker was lost."""
        if interrupted:
            return "the cell did not stop at its limit of time, so its process was killed"
        until = time.monotonic() + _LATE_S
        while not self.gone() and time.monotonic() < until:
            time.sleep(0.01)
        if self.ended is None:
            return "the cell closed its connection, so its process was killed"
        code = os.waitstatus_to_exitcode(self.ended)
        end = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the process of the cell {end}"

    def drain(self, output: Output, longest_s: float = 0.0) -> bool:
        """Read what was printed, for a while at most; return False at the end of the pipe."""
        until = time.monotonic() + longest_s
        while True:
            try:
                data = os.read(self.printed, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            output.feed(data)
            if time.monotonic() > until:
                return True


def processes() -> list[int]:
    """Return the numbers of all processes that are alive, from the process table; none where there is no table."""
    found = []
    try:
        with os.scandir("/proc") as entries:
            names = [entry.name for entry in entries if entry.name.isdigit()]
    except OSError:
        return []
    for name in names:
        try:
            file = os.open(f"/proc/{name}/stat", os.O_RDONLY)
        except OSError:
            continue
        try:
            state = os.read(file, 4096).rpartition(b")")[2].split()[:1]
        except OSError:
            state = [b"X"]
        finally:
            os.close(file)
        if state not in ([b"Z"], [b"X"]):
            found.append(int(name))
    return found


def main(arguments: list[str]) -> None:
    """Take the pipes away from everyone else, and serve."""
    commands, replies = os.dup(0), os.dup(1)  # not inherited by programs that are started
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    _LIBC.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Keeper(commands, replies, arguments[1], int(arguments[2])).serve()


if __name__ == "__main__":
    main(sys.argv)
