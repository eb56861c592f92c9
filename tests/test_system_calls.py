"""The filter of system calls: what it closes is closed, on each machine it knows."""

import ctypes
import errno
import re
import struct
from pathlib import Path

import pytest

from nncourse.classroom.system_calls import CLOSED, MACHINES, closing_filter

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
MACHINE_NAMES = list(MACHINES)
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def answer(program, number, architecture):
    """What the kernel does with a call, found by running the filter as it is specified."""
    data = struct.pack("=II", number, architecture)
    loaded, place = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, 8 * place)
        place += 1
        match code:
            case 0x20:
                [loaded] = struct.unpack_from("=I", data, value)
            case 0x15:
                place += if_true if loaded == value else if_false
            case 0x35:
                place += if_true if loaded >= value else if_false
            case 0x06:
                return value
            case _:
                raise AssertionError(f"opcode {code:#x}")


@pytest.mark.parametrize("machine", MACHINE_NAMES)
def test_closed_calls_are_refused_and_all_others_allowed(machine):
    column, architecture = MACHINES[machine]
    closed = {numbers[column] for numbers in CLOSED.values()}
    program = closing_filter(machine)
    for number in range(600):
        expected = REFUSE if number in closed else ALLOW
        assert answer(program, number, architecture) == expected, number


@pytest.mark.parametrize("machine", MACHINE_NAMES)
def test_calls_by_another_set_of_numbers_do_not_get_around_it(machine):
    _, architecture = MACHINES[machine]
    program = closing_filter(machine)
    assert answer(program, 0, architecture ^ 0x80000000) == KILL  # 32-bit calls of the same machine
    assert answer(program, 0x40000000 + 1, architecture) == REFUSE
    assert answer(program, 0xFFFFFFFF, architecture) == REFUSE


@pytest.mark.parametrize("machine", MACHINE_NAMES)
def test_the_numbers_are_those_of_the_kernels_headers(machine):
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not here to compare with")
    column, _ = MACHINES[machine]
    text = HEADERS[machine].read_text()
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text))
    listed = {name: numbers[column] for name, numbers in CLOSED.items() if name in known}
    assert listed == {name: int(known[name]) for name in listed}
    assert len(listed) >= len(CLOSED) - 4  # older headers lack the newest calls


def test_one_number_stands_for_one_call():
    for column in range(2):
        assert len({numbers[column] for numbers in CLOSED.values()}) == len(CLOSED)


def test_a_program_fits_the_jumps_of_its_instructions():
    assert (
        max(len(closing_filter(machine)) // ctypes.sizeof(ctypes.c_uint64) for machine in MACHINES)
        < 250
    )
