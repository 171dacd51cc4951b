"""A stand-in for a container engine's program, for tests: runs what it is told to in bubblewrap, and keeps a record.

`write_engine(folder)` makes an executable `podman` there. It understands version, image inspect, import, run, kill,
inspect and rm, in the forms in which Docker and Podman take them. It is no boundary and checks none: what is asked of
the engine is read from its record (`calls.jsonl`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python} -IS
import json, os, signal, subprocess, sys
from pathlib import Path
home = Path({home!r})
words = sys.argv[1:]
with (home / "calls.jsonl").open("a") as record:
    record.write(json.dumps(words) + "\\n")
behaviour = json.loads((home / "behaviour.json").read_text())
if behaviour.get("down"):
    sys.exit("Cannot connect to the daemon. Is it running?")
if words[0] == "version":
    print("5.0")
elif words[:2] == ["image", "inspect"]:
    sys.exit(0 if (home / "image.tar").exists() else "no such image")
elif words[0] == "import":
    (home / "image.tar").write_bytes(sys.stdin.buffer.read())
elif words[0] == "kill":
    os.kill(int((home / words[1]).read_text()), signal.SIGKILL)
elif words[0] == "inspect":
    print("true" if behaviour.get("oom") else "false")
elif words[0] == "rm":
    (home / words[-1]).unlink(missing_ok=True)
elif words[0] == "run":
    if behaviour.get("refuses"):
        print("Error: no such device", file=sys.stderr)
        sys.exit(125)
    at = words.index("bioresearcher-empty:1")
    options, command = words[1:at], words[at + 1:]
    told, name = ["--unshare-pid", "--unshare-net", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"], ""
    for link in ("/bin", "/lib", "/lib64", "/sbin"):
        if os.path.islink(link):
            told += ["--symlink", os.readlink(link), link]
    pairs = list(zip(options, options[1:]))
    for option, value in pairs:
        if option == "--volume":
            source, target, mode = value.split(":")
            told += ["--bind" if mode == "rw" else "--ro-bind", source, target]
        elif option == "--env":
            told += ["--setenv", *value.split("=", 1)]
        elif option == "--name":
            name = value
        elif option == "--workdir":
            told += ["--chdir", value]
    read, write = os.pipe()
    os.set_inheritable(write, True)
    child = subprocess.Popen([{bwrap!r}, "--clearenv", "--info-fd", str(write), *told, "--as-pid-1", "--", *command],
                             pass_fds=(write,))
    os.close(write)
    with os.fdopen(read) as info:
        first = json.load(info)["child-pid"]
    (home / name).write_text(str(first))
    code = child.wait()
    sys.exit(128 - code if code < 0 else code)
"""


def write_engine(folder: Path, bwrap: Path) -> Path:
    """The program's path; it starts jobs with the bubblewrap program `bwrap`."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "podman"
    program.write_text(_PROGRAM.format(python=sys.executable, home=str(folder), bwrap=str(bwrap)), encoding="utf-8")
    program.chmod(0o755)
    behave(folder)
    return program


def behave(folder: Path, **how: bool) -> None:
    """Change how it behaves: `down` (no service), `refuses` (run fails), `oom` (the kernel ended it for memory)."""
    (folder / "behaviour.json").write_text(json.dumps(how), encoding="utf-8")


def calls(folder: Path, verb: str) -> list[list[Any]]:
    """The recorded calls of one verb, arguments only."""
    lines = (folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    return [words[1:] for words in map(json.loads, lines) if words[0] == verb]
