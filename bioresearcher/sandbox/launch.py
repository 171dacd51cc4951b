"""Start bubblewrap, stay its parent, and end everything when the supervisor is gone.

Called as `python -I -S launch.py LEASH UID ROOT SOURCE… -- COMMAND…`, with `-` for no UID and no ROOT; a source is
`own:` or `any:` with a path. The supervisor holds the other end of the pipe LEASH; when it hangs up, every descendant
is killed. Bubblewrap's own tie to its parent comes too late: while it sets up, a process of it could wait for a dead
parent for ever.

Started as root, everything but this parent gives up root before anything else happens. What the job needs is bound to
a place that the sandbox's own user can reach, and that user is become for good: uid 0 mapped to something else inside
a user namespace is still uid 0 for the kernel. All mounts are in a private mount namespace and vanish with it.
"""

import ctypes
import errno
import os
import select
import stat
import sys

# Only modules that are quick to import: this runs before every job.

FAILED = 125
"""Exit code when staging itself failed; bubblewrap and the job were not started."""

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_NOSUID, _NODEV, _BIND, _REC, _PRIVATE = 2, 4, 4096, 16384, 1 << 18
_SET_DEATH_SIGNAL, _CAP_DROP, _SET_CHILD_SUBREAPER, _NO_NEW_PRIVILEGES, _CAP_AMBIENT, _CLEAR_ALL = 1, 24, 36, 38, 47, 4
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same numbers on every architecture
_HERE, _EMPTY_PATH, _RECURSIVE, _CLONE_TREE, _MOVE_EMPTY_PATH = -100, 0x1000, 0x8000, 1, 4
_READ_ONLY, _IDMAP = 0x1, 0x00100000
_KILL = 9

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
    """Open a user namespace that maps one owner to another: the form in which a mount takes a mapping."""
    ready, go = os.pipe()
    stop, hold = os.pipe()
    child = os.fork()
    if child == 0:
        if LIBC.unshare(_NEW_USERS) == 0:
            os.write(go, b"1")
            os.read(stop, 1)
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
        for end in (ready, stop, hold):
            os.close(end)
        os.kill(child, _KILL)
        os.waitpid(child, 0)


class Stage:
    """Binds folders and files to `root/<index>` on a tmpfs that only this mount namespace has."""

    def __init__(self, root: str, user: int) -> None:
        self.root = root
        self.user = user
        self.maps: dict[tuple[int, int], int] = {}
        check(LIBC.unshare(_NEW_MOUNTS), "unshare")
        mount("none", "/", "", _REC | _PRIVATE)

    def bind(self, sources: list[str]) -> None:
        """Bind all sources; they are opened before the tmpfs may hide some of them."""
        handles = [os.open(source[4:], os.O_PATH | os.O_CLOEXEC) for source in sources]
        mount("tmpfs", self.root, "tmpfs", _NOSUID | _NODEV, "mode=0711,size=1m")
        for index, handle in enumerate(handles):
            target = f"{self.root}/{index}"
            status = os.fstat(handle)
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(target, 0o711)  # noqa: PTH102 - start-up time
            else:
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            # programs stay somebody else's, unless nobody else may read them
            wanted = sources[index].startswith("own:") or status.st_mode & 0o5 != 0o5
            if not wanted or status.st_uid == self.user or not self.bind_as_own(handle, target, status):
                mount(f"/proc/self/fd/{handle}", target, "", _BIND | _REC)

    def bind_as_own(self, handle: int, target: str, status: os.stat_result) -> bool:
        """Bind so that the owner's files are the sandbox user's; return False if kernel or file system cannot do that.

        Then files that only their owner may read (a user mask of 077) can be read inside.
        """
        owner = (status.st_uid, status.st_gid)
        tree = -1
        try:
            if owner not in self.maps:
                self.maps[owner] = owner_map(*owner, self.user)
            tree = LIBC.syscall(_OPEN_TREE, handle, b"", _EMPTY_PATH | _CLONE_TREE | os.O_CLOEXEC | _RECURSIVE)
            attributes = b"".join(n.to_bytes(8, sys.byteorder) for n in (_IDMAP | _READ_ONLY, 0, 0, self.maps[owner]))
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


def start(uid: int | None, root: str, sources: list[str], command: list[str]) -> None:
    """Prepare and execute bubblewrap in the child; on failure print why and end with `FAILED`."""
    try:
        if uid is not None:
            if sources:
                Stage(root, uid).bind(sources)
            become(uid)
        for index, source in enumerate(sources):
            if not os.access(f"{root}/{index}", os.R_OK):
                raise PermissionError(
                    errno.EACCES, f"{source[4:]} can only be read by its owner; make it readable for others"
                )
        # a change of user clears this, so it comes last
        check(LIBC.prctl(_SET_DEATH_SIGNAL, _KILL, 0, 0, 0), "death signal")
        os.execve(command[0], command, {})  # noqa: S606 - bubblewrap, with nothing inherited
    except OSError as error:
        os.write(2, f"staging: {error.strerror or error}\n".encode())
    os._exit(FAILED)


def children() -> list[int]:
    """Return the numbers of this process's direct children; a process that loses its parent becomes one."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123 - start-up time
            return [int(pid) for pid in file.read().split()]
    except OSError:  # an unusual kernel does not tell
        return []


def kill_all(first: int | None) -> None:
    """Kill every descendant, beginning with one that is known."""
    left = [] if first is None else [first]
    while left := left or children():
        pid = left.pop()
        os.kill(pid, _KILL)
        os.waitpid(pid, 0)


def main(arguments: list[str]) -> None:
    """Start the child and wait until it ends or the supervisor is gone."""
    split = arguments.index("--")
    leash, uid, root = int(arguments[0]), arguments[1], arguments[2]
    check(LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "subreaper")
    child = os.fork()
    if child == 0:
        start(None if uid == "-" else int(uid), root, arguments[3:split], arguments[split + 1 :])
    handle = os.pidfd_open(child)
    low, high = sorted((leash, handle))
    for first, last in ((0, low), (low + 1, high), (high + 1, 1 << 16)):
        os.closerange(first, last)
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    poller.register(leash, select.POLLHUP)
    code = 128 + _KILL
    if handle in {fd for fd, _ in poller.poll()}:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        kill_all(None)
    else:
        kill_all(child)
    os._exit(128 - code if code < 0 else code)


if __name__ == "__main__":
    main(sys.argv[1:])
