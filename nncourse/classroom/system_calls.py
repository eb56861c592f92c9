"""The system calls that are closed to a student's process, as a filter for the kernel.

What computes with NumPy needs none of them. Closed are the ways around a limit (memory that belongs
to no process, queues and keys of the kernel), into other processes, into new namespaces, and onto
any network; each of them answers "not permitted".

Source: Linux, Documentation/userspace-api/seccomp_filter.rst; numbers from the tables of system
calls of each machine, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

# name: (number on x86_64, number on aarch64)
CLOSED: dict[str, tuple[int, int]] = {
    # memory and queues that outlive a process or count for none
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "flock": (73, 32),  # a file that all can read is a place to leave signs
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "open_by_handle_at": (304, 265),
    # networks
    "socket": (41, 198),
    "socketpair": (53, 199),
    # wide doors into the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, AUDIT_ARCH

_FIRST_X32_NUMBER = 0x40000000  # a second set of numbers for the same calls on x86_64
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_LOAD, _RETURN = 0x20, 0x06  # opcodes of classic BPF
_JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST = 0x15, 0x35


@dataclass(frozen=True)
class _Step:
    code: int
    value: int
    if_true: int = 0  # instructions to pass over
    if_false: int = 0

    def packed(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


def closing_filter(machine: str | None = None) -> bytes | None:
    """Program of the filter for ``machine``, this one when None.

    None for an unknown machine, where the other walls have to do.

    >>> len(closing_filter("x86_64")) % 8, closing_filter("sparc")
    (0, None)
    """
    machine = machine or platform.machine()
    if machine not in MACHINES:
        return None
    column, architecture = MACHINES[machine]
    numbers = sorted({numbers[column] for numbers in CLOSED.values()})
    steps = [
        _Step(_LOAD, 4),  # the architecture
        _Step(_JUMP_IF_EQUAL, architecture, if_true=1),
        _Step(_RETURN, _KILL),
        _Step(_LOAD, 0),  # the number of the call
        _Step(_JUMP_IF_AT_LEAST, _FIRST_X32_NUMBER, if_true=len(numbers) + 1),
        *(
            _Step(_JUMP_IF_EQUAL, number, if_true=len(numbers) - i)
            for i, number in enumerate(numbers)
        ),
        _Step(_RETURN, _ALLOW),
        _Step(_RETURN, _REFUSE),
    ]
    return b"".join(step.packed() for step in steps)
