"""Started as root, give up root before anything else, then execute bubblewrap.

What the job needs is bound to a place that the sandbox's own user can reach, and that user is become for good.
Called as `python -I -S staging.py PLAN` with a JSON plan; only the standard library is used. It matters that the
*real* user changes: uid 0 mapped to something else inside a user namespace is still uid 0 for the kernel. All mounts
are made in a private mount namespace and vanish with it.
"""

import ctypes
import errno
import json
import os
import signal
import stat
import struct
import sys

FAILED = 125
"""Exit code when staging itself failed; bubblewrap and the job were not started."""

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_NOSUID, _NODEV, _BIND, _REC, _PRIVATE = 2, 4, 4096, 16384, 1 << 18
_SET_DEATH_SIGNAL, _CAP_DROP, _NO_NEW_PRIVILEGES, _CAP_AMBIENT, _CLEAR_ALL = 1, 24, 38, 47, 4
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same numbers on every architecture
_HERE, _EMPTY_PATH, _RECURSIVE, _CLONE_TREE, _MOVE_EMPTY_PATH = -100, 0x1000, 0x8000, 1, 4
_READ_ONLY, _IDMAP = 0x1, 0x00100000

LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise the C library's error for a failed call."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system or bind a folder."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags))
    check(LIBC.mount(*arguments, options.encode() or None), f"mount {source} on {target}")


def owner_map(uid: int, gid: int, becomes: int) -> int:
    """A descriptor of a user namespace in which one owner is another: the form in which a mount takes a mapping."""
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        if LIBC.unshare(_NEW_USERS) == 0:
            os.write(go, b"1")
            signal.pause()
        os._exit(1)
    os.close(go)
    try:
        if not os.read(ready, 1):
            raise PermissionError(errno.EPERM, "no user namespace")
        for name, number in (("uid_map", uid), ("gid_map", gid)):
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - start-up time
                file.write(f"{number} {becomes} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Stage:
    """Binds folders and files to `root/<index>` on a tmpfs that only this mount namespace has."""

    def __init__(self, root: str, user: int) -> None:
        self.root = root
        self.user = user
        self.maps: dict[tuple[int, int], int] = {}
        check(LIBC.unshare(_NEW_MOUNTS), "unshare")
        mount("none", "/", "", _REC | _PRIVATE)

    def bind(self, sources: list[str], private: list[str]) -> None:
        """Bind all sources; they are opened before the tmpfs may hide some of them."""
        handles = [os.open(source, os.O_PATH | os.O_CLOEXEC) for source in sources]
        mount("tmpfs", self.root, "tmpfs", _NOSUID | _NODEV, "mode=0711,size=1m")
        for index, handle in enumerate(handles):
            target = f"{self.root}/{index}"
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(target, 0o711)  # noqa: PTH102 - start-up time
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            closed = stat.S_IMODE(status.st_mode) & 0o5 != 0o5
            mapped = status.st_uid != self.user and (closed or sources[index] in private)
            if not mapped or not self.bind_as_own(handle, target, status):
                mount(f"/proc/self/fd/{handle}", target, "", _BIND | _REC)

    def bind_as_own(self, handle: int, target: str, status: os.stat_result) -> bool:
        """Bind so that the owner's files are the sandbox user's; false where kernel or file system cannot do that.

        Then files that only their owner may read (a user mask of 077) can be read inside.
        """
        owner = (status.st_uid, status.st_gid)
        tree = -1
        try:
            if owner not in self.maps:
                self.maps[owner] = owner_map(*owner, self.user)
            tree = LIBC.syscall(_OPEN_TREE, handle, b"", _EMPTY_PATH | _CLONE_TREE | os.O_CLOEXEC | _RECURSIVE)
            attributes = struct.pack("=QQQQ", _IDMAP | _READ_ONLY, 0, 0, self.maps[owner])
            size = ctypes.c_size_t(len(attributes))
            check(-(tree < 0), "open_tree")
            check(LIBC.syscall(_MOUNT_SETATTR, tree, b"", _EMPTY_PATH, attributes, size), "mount_setattr")
            check(LIBC.syscall(_MOVE_MOUNT, tree, b"", _HERE, os.fsencode(target), _MOVE_EMPTY_PATH), "move_mount")
        except OSError:
            return False
        finally:
            if tree >= 0:
                os.close(tree)
        return True


def become(uid: int) -> None:
    """Drop every privilege for good."""
    check(LIBC.prctl(_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0), "clear ambient capabilities")
    number = 0
    while LIBC.prctl(_CAP_DROP, number, 0, 0, 0) == 0:
        number += 1
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    check(LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no_new_privs")


def main() -> None:
    """Follow the plan; on failure say why and end with `FAILED`."""
    plan = json.loads(sys.argv[1])
    try:
        if plan["sources"]:
            Stage(plan["root"], plan["uid"]).bind(plan["sources"], plan["private"])
        become(plan["uid"])
        for index, source in enumerate(plan["sources"]):
            if not os.access(f"{plan['root']}/{index}", os.R_OK):
                raise PermissionError(
                    errno.EACCES, f"{source} can only be read by its owner; make it readable for others"
                )
        # a change of user clears this, so it comes last; the parent may be gone by now
        check(LIBC.prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0), "death signal")
        if os.getppid() != plan["parent"]:
            sys.exit(FAILED)
        os.execve(plan["command"][0], plan["command"], {})  # noqa: S606 - bubblewrap, with nothing inherited
    except OSError as error:
        os.write(2, f"staging: {error.strerror or error}\n".encode())
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
