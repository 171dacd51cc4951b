"""Payload of the sandbox's self-test: try to get out, and report as JSON which attempts succeeded.

Called as `python canary.py SECRET OUTSIDE PORT NAMES PID PROGRAM`: a file of the host that must not be readable, a
folder of the host that must not be writable, a port on which the host listens, names of environment variables of the
host, a process of the host and its program's name. It does no harm where it succeeds.
"""

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def can(action: Callable[[], object]) -> bool:
    """Return True if an action raises no OSError."""
    try:
        action()
    except OSError:
        return False
    return True


def connect(port: int) -> None:
    """Reach a service of the host."""
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def write(folder: Path) -> None:
    """Leave a file in a folder."""
    path = folder / f"canary-{os.getpid()}"
    path.write_text("x", encoding="utf-8")
    path.unlink()


def see_process(pid: int, name: str) -> None:
    """Find a process of the host by its number and the name of its program."""
    if name not in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8"):
        raise ProcessLookupError(pid)


def make_namespace() -> None:
    """Become root of a user namespace, the first move of most ways out."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def main() -> None:
    """Try everything once."""
    secret, outside, port, names, pid, program = sys.argv[1:]
    beside = Path(sys.argv[0]).parent
    found = {
        "read_secret": can(lambda: Path(secret).read_bytes()),
        "write_outside": can(lambda: write(Path(outside))),
        "write_system": can(lambda: write(Path("/usr/bin"))) or can(lambda: write(Path("/"))),
        "write_code": can(lambda: write(beside)),
        "network": can(lambda: connect(int(port))),
        "socket": can(lambda: socket.socket(socket.AF_UNIX).close()),
        "host_processes": can(lambda: see_process(int(pid), program)),
        "namespaces": can(make_namespace),
        "environment": any(name in os.environ for name in json.loads(names)),
        "write_work": can(lambda: write(Path.cwd())),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
