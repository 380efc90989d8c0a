# SPDX-License-Identifier: GPL-2.0-only
"""A cpio archive in the kernel's "newc" format: what an initramfs is.

Format: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One file of an archive.

    `name` has no leading slash; `mode` carries the file type (stat.S_IFREG ...);
    `device` is (major, minor) of a device node. A directory stands before what
    is in it.
    """

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(name: str) -> ArchiveEntry:
    """A directory that everybody may enter."""
    return ArchiveEntry(name, stat.S_IFDIR | 0o755)


def program(name: str, data: bytes) -> ArchiveEntry:
    """A regular file that may be executed."""
    return ArchiveEntry(name, stat.S_IFREG | 0o755, data)


def character(name: str, major: int, minor: int) -> ArchiveEntry:
    """A character device."""
    return ArchiveEntry(name, stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries: Iterable[ArchiveEntry]) -> bytes:
    """The entries as one archive, trailer included.

    The same entries give the same bytes: owner is root, times are zero.
    """
    members = [_member(number, entry) for number, entry in enumerate(entries, 1)]
    return b"".join([*members, _member(0, ArchiveEntry("TRAILER!!!", 0))])


def _member(inode: int, entry: ArchiveEntry) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (
        *(inode, entry.mode, 0, 0, links, 0, len(entry.data)),
        *(0, 0, *entry.device, len(name), 0),
    )
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
