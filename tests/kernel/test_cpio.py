# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs archive, read back field by field."""

import stat

from poolproof.checker.kernel.cpio import (
    ArchiveEntry,
    archive,
    character,
    directory,
    program,
)

_FIELDS = (
    *("inode", "mode", "uid", "gid", "links", "mtime", "size"),
    *("device_major", "device_minor", "major", "minor", "name_size", "check"),
)


def _members(data: bytes) -> list[tuple[str, dict[str, int], bytes]]:
    members = []
    at = 0
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        words = [data[at + 6 + 8 * i : at + 14 + 8 * i] for i in range(13)]
        fields = dict(zip(_FIELDS, (int(word, 16) for word in words), strict=True))
        name = data[at + 110 : at + 110 + fields["name_size"]]
        assert name.endswith(b"\0")
        start = at + 110 + fields["name_size"]
        start += -start % 4
        members.append(
            (name[:-1].decode(), fields, data[start : start + fields["size"]])
        )
        at = start + fields["size"]
        at += -at % 4
    return members


def test_archive_reads_back() -> None:
    data = archive(
        [directory("dev"), character("dev/console", 5, 1), program("init", b"\x7fELF!")]
    )
    dev, console, init, trailer = _members(data)
    assert dev[0] == "dev"
    assert stat.S_ISDIR(dev[1]["mode"])
    assert console[0] == "dev/console"
    assert stat.S_ISCHR(console[1]["mode"])
    assert (console[1]["major"], console[1]["minor"]) == (5, 1)
    assert (init[0], init[2]) == ("init", b"\x7fELF!")
    assert init[1]["mode"] == stat.S_IFREG | 0o755
    assert trailer[0] == "TRAILER!!!"


def test_every_name_and_size_is_aligned() -> None:
    for length in range(9):
        entries = [ArchiveEntry("n" * (length + 1), stat.S_IFREG, b"d" * length)] * 3
        members = _members(archive(entries))
        assert [member[2] for member in members] == [b"d" * length] * 3 + [b""]
        assert len(archive(entries)) % 4 == 0


def test_inodes_differ_and_bytes_repeat() -> None:
    entries = [directory("a"), directory("b")]
    members = _members(archive(entries))
    assert members[0][1]["inode"] != members[1][1]["inode"]
    assert archive(entries) == archive(entries)
