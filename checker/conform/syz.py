# SPDX-License-Identifier: GPL-2.0-only
"""A trace as a syzkaller program, where every call has one.

One process, at most seven huge pages of addresses (the program's own data take
the last of syzkaller's 16 MiB). A touch is MADV_POPULATE_READ or _WRITE, which
says EFAULT where a load or a store is a SIGBUS. Files are on a mount at ./m.
"""

from __future__ import annotations

from poolproof.checker.conform.script import Script
from poolproof.checker.core.bounds import show_bounds
from poolproof.checker.core.diagnostic import UserError

_BASE = 0x7F0000000000
_HPAGE = 2 << 20
_PAGES = 7
_DATA = _BASE + _PAGES * _HPAGE
_POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/"
_NODE = "/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/"
_MAP = {"S": 0x1, "P": 0x2, "A": 0x20 | 0x40000, "N": 0x4000}
_MAP_FIXED = 0x10
"""The executor has mapped these addresses for itself."""


def syz_program(script: Script) -> str:
    """The program's text. Raises UserError where a call has none."""
    heading = script.replayed.heading
    program = _Program()
    lines = [
        f"# {script.name}: {heading.title}" if heading.title else f"# {script.name}",
        f"# {heading.design}, {show_bounds(heading.bounds)}",
    ]
    for command in script.setup:
        lines += program.calls(command)
    for number, step in enumerate(script.steps, 1):
        lines.append(f"# {number}. {step.text} -> {step.result}")
        for command in step.commands:
            lines += program.calls(command)
    return "\n".join(lines) + "\n"


class _Program:
    """What is known while it is written: addresses, descriptors, data."""

    def __init__(self) -> None:
        self.pages: dict[int, int] = {}
        self.files: dict[str, str] = {}
        self.resources = 0
        self.data = _DATA

    def calls(self, command: str) -> list[str]:
        """The calls of a command. Raises UserError."""
        if command.startswith("w ") and not command.startswith("w 0 "):
            raise UserError(None, f"a syzkaller program is one process: {command!r}")
        match command.split():
            case ["spawn", _]:
                return []
            case ["nrnode", node, count]:
                return self._write(_NODE.format(node) + "nr_hugepages", count)
            case ["nr", count]:
                return self._write(_POOL + "nr_hugepages", count)
            case ["oc", count]:
                return self._write(_POOL + "nr_overcommit_hugepages", count)
            case ["mount", _, *options]:
                data = self._string(",".join(options)) if options else "0x0"
                place, kind = self._string("./m"), self._string("hugetlbfs")
                return [
                    f"mkdirat(0xffffffffffffff9c, {place}, 0x1c0)",
                    f"mount(0x0, {self._string('./m')}, {kind}, 0x0, {data})",
                ]
            case ["umount", _]:
                return [f"umount2({self._string('./m')}, 0x0)"]
            case ["w", "0", *words]:
                return self._of_process(words, command)
        raise UserError(None, f"syzkaller has no call for {command!r}")

    def _of_process(self, words: list[str], command: str) -> list[str]:
        match words:
            case ["mmap", page, length, flags, fd, offset, *_]:
                bits = sum(_MAP[f] for f in flags) | _MAP_FIXED
                file = "0xffffffffffffffff" if "A" in flags else self._file(fd, command)
                where, size = self._range(int(page), int(length))
                at = hex(int(offset) * _HPAGE)
                return [f"mmap({where}, {size}, 0x3, {hex(bits)}, {file}, {at})"]
            case ["r" | "w" as kind, page, *_]:
                where, size = self._range(int(page), 1)
                advice = "0x16" if kind == "r" else "0x17"
                return [f"madvise({where}, {size}, {advice})"]
            case ["munmap", page, length]:
                return [f"munmap({', '.join(self._range(int(page), int(length)))})"]
            case ["mprotect" | "madv" as change, page, length, how]:
                call = "madvise" if change == "madv" else "mprotect"
                where, size = self._range(int(page), int(length))
                return [f"{call}({where}, {size}, {hex(int(how))})"]
            case ["mremap", page, old, new, flags, to]:
                where, _ = self._range(int(page), int(old))
                place = self._range(int(to), int(new))[0] if int(flags) & 2 else "0x0"
                sizes = f"{hex(int(old) * _HPAGE)}, {hex(int(new) * _HPAGE)}"
                return [f"mremap({where}, {sizes}, {hex(int(flags))}, {place})"]
            case ["open", fd, path]:
                name = self._string("./m/" + path.rpartition("/")[2])
                return [
                    f"{self._new(fd)} = openat(0xffffffffffffff9c, {name}, 0x42, 0x180)"
                ]
            case ["memfd", fd]:
                name = self._string("file")
                return [f"{self._new(fd)} = memfd_create({name}, 0x4)"]
            case ["close", fd]:
                return [f"close({self._file(fd, command)})"]
            case ["unlink", path]:
                return [f"unlink({self._string('./m/' + path.rpartition('/')[2])})"]
            case ["trunc", fd, size]:
                file = self._file(fd, command)
                return [f"ftruncate({file}, {hex(int(size) * _HPAGE)})"]
            case ["falloc", fd, mode, offset, length]:
                at, size = (hex(int(n) * _HPAGE) for n in (offset, length))
                file = self._file(fd, command)
                return [f"fallocate({file}, {hex(int(mode))}, {at}, {size})"]
            case ["mbind", page, length, mode, mask, flags]:
                where, size = self._range(int(page), int(length))
                policy = self._policy(mode, mask)
                return [f"mbind({where}, {size}, {policy}, {hex(int(flags))})"]
            case ["setpol", mode, mask]:
                return [f"set_mempolicy({self._policy(mode, mask)})"]
        raise UserError(None, f"syzkaller has no call for {command!r}")

    def _policy(self, mode: str, mask: str) -> str:
        if mode == "0":
            return "0x0, 0x0, 0x0"
        kind = hex(int(mode))
        return f"{kind}, {self._room()}={hex(int(mask))}, 0x40"

    def _range(self, page: int, length: int) -> tuple[str, str]:
        """An address range; the trace's pages in the order of their first use."""
        for p in range(page, page + length):
            self.pages.setdefault(p, len(self.pages))
        first = self.pages[page]
        together = [self.pages[p] for p in range(page, page + length)]
        if len(self.pages) > _PAGES or together != [*range(first, first + length)]:
            raise UserError(None, "syzkaller's 16 MiB of addresses are not enough")
        size = hex(length * _HPAGE)
        return f"&({hex(_BASE + first * _HPAGE)}/{size})=nil", size

    def _room(self) -> str:
        self.data += 0x100
        return f"&({hex(self.data - 0x100)})"

    def _string(self, text: str) -> str:
        return f"{self._room()}='{text}\\x00'"

    def _new(self, fd: str) -> str:
        name = f"r{self.resources}"
        self.resources += 1
        self.files[fd] = name
        return name

    def _file(self, fd: str, command: str) -> str:
        if fd not in self.files:
            raise UserError(None, f"no file is open for {command!r}")
        return self.files[fd]

    def _write(self, path: str, number: str) -> list[str]:
        file = self._new(f"file {path}")
        text = f"{self._room()}='{number}'"
        return [
            f"{file} = openat(0xffffffffffffff9c, {self._string(path)}, 0x1, 0x0)",
            f"write({file}, {text}, {hex(len(number))})",
            f"close({file})",
        ]
