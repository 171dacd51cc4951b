"""Start a container engine's client, stay its parent, and have the container killed when the supervisor is gone.

Called as `python -I -S container_guard.py TELL LEASH ENGINE NAME -- COMMAND…`. A byte goes to the descriptor TELL when
the client is started. The supervisor holds the other end of the pipe LEASH: when it hangs up, however that happens, the
engine is asked to kill the container NAME. A container is no child of ours, so nothing else would end it.
"""

import os
import select
import sys

# Only modules that are quick to import: this runs before every job.

FAILED = 125
"""Exit code of the engines themselves when a container could not be started."""

_KILL = 9
_PATIENCE_MS = 10_000


def run(command: list[str]) -> int:
    """Fork and execute a program; return the number of its process."""
    child = os.fork()
    if child:
        return child
    os.closerange(3, 1 << 16)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the engine's client, as the supervisor names it
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(FAILED)


def end(child: int, patience_ms: int) -> int:
    """Return the exit code of a child, which is killed if it does not end in time."""
    handle = os.pidfd_open(child)
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    if not poller.poll(patience_ms):
        os.kill(child, _KILL)
    os.close(handle)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 128 - code if code < 0 else code


def kill_container(engine: str, name: str) -> None:
    """Have the engine kill a container, quietly also if there is none."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    end(run([engine, "kill", name]), _PATIENCE_MS)


def main(arguments: list[str]) -> None:
    """Start the client and wait until it ends or the supervisor is gone."""
    split = arguments.index("--")
    tell, leash, engine, name = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
    child = run(arguments[split + 1 :])
    os.write(tell, b"1")
    os.close(tell)
    handle = os.pidfd_open(child)
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    poller.register(leash, select.POLLHUP)
    if handle not in {fd for fd, _ in poller.poll()}:
        kill_container(engine, name)
    os._exit(end(child, _PATIENCE_MS))


if __name__ == "__main__":
    main(sys.argv[1:])
