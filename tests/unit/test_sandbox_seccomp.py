"""The system-call filter, run by an interpreter of its own."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.errors import SandboxUnavailableError
from bioresearcher.sandbox.seccomp import program

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NOT_PERMITTED, NOT_IMPLEMENTED = REFUSE | errno.EPERM, REFUSE | errno.ENOSYS


def decide(machine: str, number: int, *args: int, arch: int | None = None) -> int:
    """What the kernel would answer: a classic BPF machine with the instructions that the filter uses."""
    padded = [*args, *[0] * (6 - len(args))]
    data = struct.pack("<IIQ6Q", number, arch or ARCH[machine], 0, *padded)
    ops = list(struct.iter_unpack("<HBBI", program(machine)))
    position, register = 0, 0
    while True:
        code, yes, no, value = ops[position]
        position += 1
        if code == 0x20:
            register = struct.unpack_from("<I", data, value)[0]
        elif code == 0x54:
            register &= value
        elif code == 0x06:
            return value
        else:
            test = {
                0x15: register == value,
                0x25: register > value,
                0x35: register >= value,
                0x45: bool(register & value),
            }[code]
            position += yes if test else no


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_is_short_enough_for_the_kernel(machine: str) -> None:
    assert len(program(machine)) % 8 == 0
    assert len(program(machine)) // 8 < 4096


@pytest.mark.parametrize(
    ("machine", "number"),
    [
        *(("x86_64", number) for number in (0, 1, 9, 59, 61, 202, 231, 257, 262, 302, 318, 334)),
        *(("aarch64", number) for number in (63, 64, 56, 93, 94, 98, 221, 222, 261, 278, 291)),
    ],
)
def test_everyday_calls_pass(machine: str, number: int) -> None:
    assert decide(machine, number) == ALLOW


@pytest.mark.parametrize(
    ("machine", "number"),
    [
        *(("x86_64", number) for number in (41, 101, 165, 272, 308, 310, 321, 323, 250, 304, 29, 240, 438, 428)),
        *(("aarch64", number) for number in (198, 117, 40, 97, 268, 270, 280, 282, 219, 265, 194, 180, 438, 428)),
    ],
)
def test_dangerous_calls_are_refused(machine: str, number: int) -> None:
    assert decide(machine, number) == NOT_PERMITTED


@pytest.mark.parametrize("number", [435, 425, 437, 500, 457, 0xFFFF])
def test_calls_with_a_fallback_and_unknown_ones_look_unimplemented(number: int) -> None:
    assert decide("x86_64", number) == NOT_IMPLEMENTED
    assert decide("aarch64", number) == NOT_IMPLEMENTED


def test_other_call_conventions_are_not_let_through() -> None:
    assert decide("x86_64", 20, arch=0x40000003) == KILL
    assert decide("x86_64", 0x40000000 | 41) == NOT_IMPLEMENTED


@pytest.mark.parametrize("bit", [0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x02000000])
def test_clone_may_make_threads_but_no_namespaces(bit: int) -> None:
    assert decide("x86_64", 56, 0x3D0F00) == ALLOW
    assert decide("x86_64", 56, 0x3D0F00 | bit) == NOT_PERMITTED


def test_only_unix_socket_pairs() -> None:
    assert decide("x86_64", 53, 1, 1) == ALLOW
    assert decide("x86_64", 53, 2, 1) == NOT_PERMITTED


def test_a_pairs_ends_talk_to_each_other_only_and_files_get_no_labels() -> None:
    assert decide("x86_64", 44, 3, 1, 2, 0, 0, 0) == ALLOW
    assert decide("x86_64", 44, 3, 1, 2, 0, 1, 110) == NOT_PERMITTED
    assert {decide("x86_64", number) for number in (42, 43, 46, 49, 50, 188, 190, 251, 288, 307)} == {NOT_PERMITTED}
    assert {decide("aarch64", number) for number in (5, 7, 30, 200, 201, 202, 203, 211, 242, 269)} == {NOT_PERMITTED}


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        (0x22, ALLOW),  # private, anonymous
        (0x01, ALLOW),  # shared, of a file
        (0x4022, ALLOW),
        (0x21, NOT_PERMITTED),  # shared, anonymous
        (0x8023, NOT_PERMITTED),  # the same, flags validated
        (0x40022, NOT_PERMITTED),  # huge pages
    ],
)
def test_memory_that_nobody_counts_cannot_be_mapped(flags: int, answer: int) -> None:
    assert decide("x86_64", 9, 0, 4096, 3, flags) == answer
    assert decide("aarch64", 222, 0, 4096, 3, flags) == answer


def test_files_cannot_be_leased_but_locked() -> None:
    assert decide("x86_64", 72, 3, 1024) == NOT_PERMITTED
    assert decide("x86_64", 72, 3, 6) == ALLOW


def test_set_id_bits_are_refused_where_a_mode_is_read() -> None:
    assert decide("x86_64", 90, 0, 0o755) == ALLOW
    assert decide("x86_64", 90, 0, 0o4755) == NOT_PERMITTED
    assert decide("x86_64", 257, 0, 0, 0o101, 0o644) == ALLOW
    assert decide("x86_64", 257, 0, 0, 0o101, 0o4755) == NOT_PERMITTED
    assert decide("x86_64", 257, 0, 0, 0, 0o4755) == ALLOW  # without O_CREAT the register holds anything


def test_keystrokes_cannot_be_injected_but_terminals_can_be_asked() -> None:
    assert decide("x86_64", 16, 0, 0x5412) == NOT_PERMITTED
    assert decide("x86_64", 16, 0, 0x541C) == NOT_PERMITTED
    assert decide("x86_64", 16, 0, 0x5413) == ALLOW


def test_address_randomisation_stays_on() -> None:
    assert decide("x86_64", 135, 0xFFFFFFFF) == ALLOW
    assert decide("x86_64", 135, 0) == ALLOW
    assert decide("x86_64", 135, 0x0040000) == NOT_PERMITTED


@given(st.integers(0, 0xFFFFFFFF), st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6))
def test_every_call_gets_one_of_four_answers(number: int, args: list[int]) -> None:
    assert decide("x86_64", number, *args) in {ALLOW, NOT_PERMITTED, NOT_IMPLEMENTED}


def test_other_processors_are_named_in_the_refusal() -> None:
    with pytest.raises(SandboxUnavailableError, match="riscv64"):
        program("riscv64")
