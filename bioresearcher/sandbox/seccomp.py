"""The system-call filter: a classic BPF program, assembled here so that no compiler or library is needed.

Namespaces hide files, processes and the network; what is left are kernel interfaces that no namespace covers.
The filter refuses those: sockets of any kind (a read-only bind does not stop `connect()`, and vsock and AF_ALG are
not namespaced), new namespaces and mounts, tracing and other processes' memory, keyrings, memory and disk space that
no accounting sees (memfd, System V and anonymous shared memory, pages spliced into pipes, descriptors in flight),
io_uring, bpf, perf, set-uid modes. Calls newer than the table answer "not implemented", as an older kernel would, so
that programs fall back.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bioresearcher.errors import SandboxUnavailableError

_LOAD, _JUMP_EQ, _JUMP_GT, _JUMP_GE, _JUMP_SET, _AND, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR_OFFSET, _ARCH_OFFSET, _ARGS_OFFSET = 0, 4, 16
_X32_BIT = 0x40000000
_NEWEST_KNOWN = 456
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "arm64": (1, 0xC00000B7)}

_NEW_NAMESPACES = 0x7E020000
_CREATE_FLAGS = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE: only then does open() read its mode argument
_SET_ID_BITS = 0o6000
_AF_UNIX = 1
_TERMINAL_INJECTION = (0x5412, 0x541C, 0x5423)  # TIOCSTI, TIOCLINUX, TIOCSETD
_KEEP_PERSONALITY = 0xFFFFFFFF
_SHARED_ANONYMOUS, _HUGE_PAGES = 0x21, 0x40000  # MAP_SHARED (or the validating kind) with MAP_ANONYMOUS; MAP_HUGETLB
_FILE_WATCHES = (1024, 1026)  # F_SETLEASE, F_NOTIFY


@dataclass(frozen=True)
class _Test:
    """A test of the low 32 bits of one argument; a rule applies when all its tests hold."""

    argument: int
    kind: Literal["any_bit", "all_bits", "equals", "differs"]
    value: int


# name: (x86_64, aarch64); None where the architecture has no such call
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # kernel interfaces with a large attack surface
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "lookup_dcookie": (212, 18),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "nfsservctl": (180, 42),
    "uselib": (134, None),
    "sysfs": (139, None),
    "remap_file_pages": (216, 234),
    "vmsplice": (278, 75),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "vserver": (236, None),
    # the kernel itself
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "query_module": (178, None),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "settimeofday": (164, 170),
    "adjtimex": (159, 171),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "setns": (308, 268),
    "unshare": (272, 97),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    # keyrings are shared with whoever started us
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    # memory and queues that neither RSS nor a sized tmpfs counts
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # sockets: even a read-only folder may hold one that somebody listens on
    "socket": (41, 198),
    # one end of a pair of datagram sockets can be given another address
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # a descriptor on its way to somebody keeps a deleted file on the disk, and no process shows it
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # labels that a security module reads, and that stay with the file on the host
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    # shared by the whole machine
    "ioprio_set": (251, 30),
}

# Refused as "not implemented": callers have a fallback (and the filter cannot look behind clone3's pointer).
_UNKNOWN: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "memfd_create": (319, 279),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "openat2": (437, 437),
    # a page in a pipe is counted nowhere, and keeps the whole run of pages around it
    "splice": (275, 76),
    "tee": (276, 77),
    "sendfile": (40, 71),
    # would tell a job when its folder is being looked at
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    # one number for the whole machine
    "io_setup": (206, 0),
}

# name, (x86_64, aarch64), tests: refused when all tests hold; a name may occur more than once
_PARTLY: tuple[tuple[str, tuple[int | None, int | None], tuple[_Test, ...]], ...] = (
    ("clone", (56, 220), (_Test(0, "any_bit", _NEW_NAMESPACES),)),
    # event loops use the Unix kind of pair, and send only to its other end
    ("socketpair", (53, 199), (_Test(0, "differs", _AF_UNIX),)),
    ("sendto", (44, 206), (_Test(5, "differs", 0),)),
    # pages of shared memory stay when nobody has them mapped any more; huge pages are not counted at all
    ("mmap", (9, 222), (_Test(3, "all_bits", _SHARED_ANONYMOUS),)),
    ("mmap", (9, 222), (_Test(3, "any_bit", _HUGE_PAGES),)),
    *(("fcntl", (72, 25), (_Test(1, "equals", command),)) for command in _FILE_WATCHES),
    *(("ioctl", (16, 29), (_Test(1, "equals", request),)) for request in _TERMINAL_INJECTION),
    ("personality", (135, 92), (_Test(0, "differs", 0), _Test(0, "differs", _KEEP_PERSONALITY))),
    # set-uid files would outlive the job on the host
    ("chmod", (90, None), (_Test(1, "any_bit", _SET_ID_BITS),)),
    ("fchmod", (91, 52), (_Test(1, "any_bit", _SET_ID_BITS),)),
    ("fchmodat", (268, 53), (_Test(2, "any_bit", _SET_ID_BITS),)),
    ("fchmodat2", (452, 452), (_Test(2, "any_bit", _SET_ID_BITS),)),
    ("creat", (85, None), (_Test(1, "any_bit", _SET_ID_BITS),)),
    ("open", (2, None), (_Test(1, "any_bit", _CREATE_FLAGS), _Test(2, "any_bit", _SET_ID_BITS))),
    ("openat", (257, 56), (_Test(2, "any_bit", _CREATE_FLAGS), _Test(3, "any_bit", _SET_ID_BITS))),
    ("mknod", (133, None), (_Test(1, "any_bit", _SET_ID_BITS),)),
    ("mknodat", (259, 33), (_Test(2, "any_bit", _SET_ID_BITS),)),
)


def _op(code: int, value: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, jump_true, jump_false, value)


def _refuse(number: int) -> bytes:
    return _op(_RETURN, _ERRNO | number)


def _whole(numbers: Iterable[int | None], answer: int) -> list[bytes]:
    ops: list[bytes] = []
    for number in numbers:
        if number is not None:
            ops += [_op(_JUMP_EQ, number, 0, 1), _refuse(answer)]
    return ops


def _conditional(number: int, tests: tuple[_Test, ...]) -> list[bytes]:
    """Refuse a call when all tests hold; the call's number is in the accumulator again afterwards."""
    ops = [_refuse(errno.EPERM)]
    for test in reversed(tests):
        fails = len(ops)  # jump over the remaining tests and the return
        code = _JUMP_SET if test.kind == "any_bit" else _JUMP_EQ
        jump = _op(code, test.value, fails, 0) if test.kind == "differs" else _op(code, test.value, 0, fails)
        masked = [_op(_AND, test.value)] if test.kind == "all_bits" else []
        ops = [_op(_LOAD, _ARGS_OFFSET + 8 * test.argument), *masked, jump, *ops]
    return [_op(_JUMP_EQ, number, 0, len(ops) + 1), *ops, _op(_LOAD, _NR_OFFSET)]


def _machine(machine: str | None) -> tuple[int, int]:
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        raise SandboxUnavailableError(
            f"no system-call filter is known for the processor architecture {machine!r}.",
            hint="The sandbox supports x86_64 and aarch64.",
        )
    return _MACHINES[machine]


def program(machine: str | None = None) -> bytes:
    """Return the filter as an array of `struct sock_filter`, ready for `bwrap --seccomp`.

    Raises:
        SandboxUnavailableError: There is no table of system calls for this processor architecture.
    """
    column, arch = _machine(machine)
    ops = [
        _op(_LOAD, _ARCH_OFFSET),
        _op(_JUMP_EQ, arch, 1, 0),
        _op(_RETURN, _KILL_PROCESS),  # e.g. 32-bit calls on a 64-bit kernel: other numbers, so never let through
        _op(_LOAD, _NR_OFFSET),
    ]
    if column == 0:
        ops += [_op(_JUMP_GE, _X32_BIT, 0, 1), _refuse(errno.ENOSYS)]
    ops += [_op(_JUMP_GT, _NEWEST_KNOWN, 0, 1), _refuse(errno.ENOSYS)]
    ops += _whole((numbers[column] for numbers in _UNKNOWN.values()), errno.ENOSYS)
    ops += _whole((numbers[column] for numbers in _REFUSED.values()), errno.EPERM)
    for _, numbers, tests in _PARTLY:
        number = numbers[column]
        if number is not None:
            ops += _conditional(number, tests)
    return b"".join([*ops, _op(_RETURN, _ALLOW)])


def profile(machine: str | None = None) -> dict[str, object]:
    """Return the same filter as container engines take it (OCI runtime specification, `linux.seccomp`).

    Raises:
        SandboxUnavailableError: There is no table of system calls for this processor architecture.
    """
    column, _ = _machine(machine)
    calls: list[dict[str, object]] = [
        _named([n for n, numbers in _UNKNOWN.items() if numbers[column] is not None], errno.ENOSYS),
        _named([n for n, numbers in _REFUSED.items() if numbers[column] is not None], errno.EPERM),
    ]
    for name, numbers, tests in _PARTLY:
        if numbers[column] is not None and len({test.argument for test in tests}) < len(tests):
            # engines take two tests of one argument as alternatives, so the call is refused as a whole
            calls.append(_named([name], errno.EPERM))
        elif numbers[column] is not None:
            calls += ({**_named([name], errno.EPERM), "args": args} for args in _expanded(tests))
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64" if column == 0 else "SCMP_ARCH_AARCH64"],
        "syscalls": calls,
    }


def _masked(argument: int, bits: int) -> dict[str, object]:
    return {"index": argument, "op": "SCMP_CMP_MASKED_EQ", "value": bits, "valueTwo": bits}


def _named(names: list[str], answer: int) -> dict[str, object]:
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": answer}


def _expanded(tests: tuple[_Test, ...]) -> list[list[dict[str, object]]]:
    """Return a rule per combination of bits: libseccomp compares masked values, so "any of these bits" is one a bit."""
    rules: list[list[dict[str, object]]] = [[]]
    for test in tests:
        if test.kind == "any_bit":
            bits = [1 << n for n in range(32) if test.value >> n & 1]
            ways = [_masked(test.argument, bit) for bit in bits]
        elif test.kind == "all_bits":
            ways = [_masked(test.argument, test.value)]
        else:
            kind = "SCMP_CMP_EQ" if test.kind == "equals" else "SCMP_CMP_NE"
            ways = [{"index": test.argument, "op": kind, "value": test.value}]
        rules = [[*rule, way] for rule in rules for way in ways]
    return rules
