# SPDX-License-Identifier: GPL-2.0-only
"""What system calls and faults end in, with the kernel's numbers.

include/uapi/asm-generic/errno-base.h; a signal's number is the exit status
that a shell shows for it, 128 and the signal.
"""

from enum import Enum


class Errno(Enum):
    """The result of a system call or of a page fault."""

    OK = 0
    ENOENT = 2
    EAGAIN = 11
    ENOMEM = 12
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    EINVAL = 22
    ENOSPC = 28
    SIGBUS = 135
    OOM = 137
    """VM_FAULT_OOM: the OOM killer has its way."""


OK = Errno.OK
ENOENT = Errno.ENOENT
EAGAIN = Errno.EAGAIN
ENOMEM = Errno.ENOMEM
EFAULT = Errno.EFAULT
EBUSY = Errno.EBUSY
EEXIST = Errno.EEXIST
EINVAL = Errno.EINVAL
ENOSPC = Errno.ENOSPC
SIGBUS = Errno.SIGBUS
OOM = Errno.OOM
