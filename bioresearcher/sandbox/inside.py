"""First process inside the sandbox: set the kernel's limits, start the job, end with it.

Called as `python -I -S inside.py TELL LEASH NAME=VALUE… -- COMMAND…` (a copy of it, so that nothing of this package
needs to be visible inside). A byte is written to the descriptor TELL when everything is set up; when the other end of
LEASH is closed – the supervisor is gone – everything ends. In a container, into which no descriptor leads, both are
`-`: its engine is the one that is told. Only the standard library is used, and nothing is imported that the job could
have prepared.
"""

import _signal  # type: ignore[import-not-found]  # the C module: `signal` itself takes 10 ms to import
import ctypes
import os
import resource
import select
import sys

_SET_DUMPABLE, _SET_CHILD_SUBREAPER = 4, 36
_INTERRUPT, _KILL, _BROKEN_PIPE, _FILE_SIZE = 2, 9, 13, 25
_REAP_MS = 100
LIBC = ctypes.CDLL(None)


def set_limits(items: list[str]) -> None:
    """Set soft and hard limits, never above the hard limit already there."""
    for item in items:
        name, text = item.split("=")
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        value = int(text) if hard == resource.RLIM_INFINITY else min(int(text), hard)
        # the hard limit of CPU time is what kills a program that ignores the signal of the soft one
        grace = 1 if name == "CPU" and value != hard else 0
        resource.setrlimit(number, (value, value + grace))


def guard() -> None:
    """Protect this process from the job, or, without a pid namespace, adopt the job's daemons to find and end them."""
    option = (_SET_DUMPABLE, 0) if os.getpid() == 1 else (_SET_CHILD_SUBREAPER, 1)
    LIBC.prctl(*option, 0, 0, 0)


def children() -> list[int]:
    """Return the numbers of this process's direct children."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123 - start-up time
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def finish(code: int) -> None:
    """End this process and every process below it; in a pid namespace the kernel does that by itself."""
    while os.getpid() != 1 and (left := children()):
        for pid in left:
            try:
                os.kill(pid, _KILL)
                os.waitpid(pid, 0)
            except OSError:
                continue
    os._exit(code)


def start(command: list[str]) -> int:
    """Fork and execute the job with default signal actions and no file descriptor but the first three."""
    child = os.fork()
    if child:
        return child
    LIBC.prctl(_SET_DUMPABLE, 1, 0, 0, 0)
    for number in (_INTERRUPT, _BROKEN_PIPE, _FILE_SIZE):  # changed by Python
        _signal.signal(number, _signal.SIG_DFL)
    os.closerange(3, 1 << 16)
    try:
        os.execv(command[0], command)  # noqa: S606 - this is the job
    except OSError as error:
        os.write(2, f"cannot start {command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def reap(child: int) -> int | None:
    """Collect ended children; return the job's exit code (128 + signal if killed), or None while it runs."""
    code = None
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] == child:
                status = os.waitstatus_to_exitcode(found[1])
                code = 128 - status if status < 0 else status
    except ChildProcessError:
        code = 255 if code is None else code
    return code


def main(arguments: list[str]) -> None:
    """Set up, notify the supervisor, start the job and wait for its end."""
    split = arguments.index("--")
    tell, leash = (None if text == "-" else int(text) for text in arguments[:2])
    guard()
    set_limits(arguments[2:split])
    _signal.signal(_INTERRUPT, _signal.SIG_IGN)
    if tell is not None:
        os.write(tell, b"1")
        os.close(tell)
    child = start(arguments[split + 1 :])
    poller = select.poll()
    poller.register(os.pidfd_open(child), select.POLLIN)
    if leash is not None:
        poller.register(leash, select.POLLHUP)
    while (code := reap(child)) is None:
        if leash in {fd for fd, _ in poller.poll(_REAP_MS)}:
            finish(128 + _KILL)
    finish(code)


if __name__ == "__main__":
    main(sys.argv[1:])
