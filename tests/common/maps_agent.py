# SPDX-License-Identifier: GPL-2.0-only
"""A child process whose VMAs are looked at: real system calls on a window.

Run as a program with the number of pages and files: each line that it reads is
a sequence of calls, [[task, name, arguments, limit] ...] in JSON, and is
answered by [[errno, {task: VMAs}] ...], from /proc/self/smaps. A sequence gets
a fresh process as task 0; calls fork the others. Needs no privilege.
"""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import platform
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

PAGE = mmap.PAGESIZE
TASKS = 4
FILE_PAGES = 256
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 1, 2, 0x10, 0x20
MAP_LOCKED, MAP_NORESERVE, MAP_FIXED_NOREPLACE = 0x2000, 0x4000, 0x100000
MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP = 1, 2, 4
MADV = {
    "DONTFORK": 10,
    "DOFORK": 11,
    "WIPEONFORK": 18,
    "KEEPONFORK": 19,
    "HUGEPAGE": 14,
    "NOHUGEPAGE": 15,
    "POPULATE_READ": 22,
    "POPULATE_WRITE": 23,
}
PROT = {"NONE": 0, "READ": 1, "WRITE": 3}
REMAP = {"IN_PLACE": 0, "MAYMOVE": 1, "FIXED": 3, "DONTUNMAP": 5, "FIXED_DONTUNMAP": 7}
SYS_MBIND = {"x86_64": 237, "aarch64": 235}.get(platform.machine())
IPC_RMID, SHM_REMAP = 0, 0o40000
MLOCK_ONFAULT = 1

libc = ctypes.CDLL(None, use_errno=True)
LONG, INT, POINTER = ctypes.c_ulong, ctypes.c_int, ctypes.c_void_p
for _name, _types in {
    "mmap": (LONG, LONG, INT, INT, INT, ctypes.c_long),
    "munmap": (LONG, LONG),
    "mprotect": (LONG, LONG, INT),
    "madvise": (LONG, LONG, INT),
    "mlock": (LONG, LONG),
    "mlock2": (LONG, LONG, INT),
    "munlock": (LONG, LONG),
    "mremap": (LONG, LONG, LONG, INT, LONG),
    "shmat": (INT, LONG, INT),
}.items():
    _function = getattr(libc, _name)
    _function.argtypes = _types
    _function.restype = ctypes.c_long if _name in ("mmap", "mremap", "shmat") else INT
libc.syscall.restype = ctypes.c_long
FAILED = -1


class Window:
    """The calls, on pages of a range of addresses that nothing else uses. The
    files are open in all tasks: one memfd, the others on a disk."""

    def __init__(self, pages: int, files: int) -> None:
        self.base = 0x20000000
        self.end = self.base + pages * PAGE
        self.files: list[int] = []
        self.inodes: dict[tuple[str, int], int] = {}
        for k in range(files):
            if k == 0:
                fd = os.memfd_create("window")
            else:
                handle, path = tempfile.mkstemp()
                fd = os.dup(handle)
                os.close(handle)
                os.unlink(path)
            os.ftruncate(fd, FILE_PAGES * PAGE)
            self.files.append(fd)
            status = os.fstat(fd)
            device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
            self.inodes[device, status.st_ino] = k

    def at(self, page: int) -> int:
        return self.base + page * PAGE

    def call(self, name: str, arguments: Sequence[Any]) -> int:
        """The errno, 0 for success."""
        ctypes.set_errno(0)
        result = getattr(self, "do_" + name)(*arguments)
        return ctypes.get_errno() if result == FAILED else 0

    def do_mmap(
        self,
        addr: int,
        end: int,
        place: str,
        prot: str,
        noreserve: bool,
        lock: bool,
        file: int | None,
        shared: bool,
        pgoff: int,
    ) -> Any:
        flags = MAP_SHARED if shared else MAP_PRIVATE
        flags |= {"FIXED": MAP_FIXED}.get(place, MAP_FIXED_NOREPLACE)
        flags |= MAP_NORESERVE * noreserve | MAP_LOCKED * lock
        flags |= MAP_ANONYMOUS * (file is None)
        fd = -1 if file is None else self.files[file]
        size = (end - addr) * PAGE
        return libc.mmap(self.at(addr), size, PROT[prot], flags, fd, pgoff * PAGE)

    def do_shmat(self, addr: int, end: int) -> Any:
        size = (end - addr) * PAGE
        segment = libc.shmget(0, size, 0o600)
        if segment == FAILED:
            return FAILED
        result = libc.shmat(segment, self.at(addr), SHM_REMAP)
        error = ctypes.get_errno()
        libc.shmctl(segment, IPC_RMID, None)
        ctypes.set_errno(error)
        return result

    def do_munmap(self, start: int, end: int) -> Any:
        return libc.munmap(self.at(start), (end - start) * PAGE)

    def do_mprotect(self, start: int, end: int, prot: str) -> Any:
        return libc.mprotect(self.at(start), (end - start) * PAGE, PROT[prot])

    def do_madvise(self, start: int, end: int, advice: str) -> Any:
        return libc.madvise(self.at(start), (end - start) * PAGE, MADV[advice])

    def do_mlock(self, start: int, end: int, lock: str) -> Any:
        size = (end - start) * PAGE
        if lock == "NONE":
            return libc.munlock(self.at(start), size)
        if lock == "ONFAULT":
            return libc.mlock2(self.at(start), size, MLOCK_ONFAULT)
        return libc.mlock(self.at(start), size)

    def do_mbind(self, start: int, end: int, policy: str | None) -> Any:
        """MPOL_DEFAULT, or MPOL_PREFERRED or MPOL_BIND of node 0."""
        mode = {None: 0, "PREFERRED": 1, "BIND": 2}[policy]
        nodes = ctypes.c_ulong(1 if mode else 0)
        return libc.syscall(
            SYS_MBIND,
            LONG(self.at(start)),
            LONG((end - start) * PAGE),
            mode,
            ctypes.byref(nodes),
            LONG(64),
            0,
        )

    def do_mremap(self, addr: int, old: int, new: int, how: str, target: int) -> Any:
        """What moves out of the window is unmapped at once."""
        result = libc.mremap(
            self.at(addr), old * PAGE, new * PAGE, REMAP[how], self.at(target)
        )
        if result != FAILED and not self.base <= result < self.end:
            libc.munmap(result, new * PAGE)
        return result

    # -- limits --

    def limit(self, name: str) -> tuple[int, tuple[int, int]]:
        """Lowers RLIMIT_AS or RLIMIT_DATA below what is used now."""
        which = getattr(resource, name)
        old = resource.getrlimit(which)
        resource.setrlimit(which, (PAGE, old[1]))
        return which, old

    def pad(self, room: int) -> None:
        """Uses VMAs up elsewhere, until ``room`` are left below the limit: a
        split fails exactly where map_count is at max_map_count."""
        with open("/proc/sys/vm/max_map_count") as f:
            most = int(f.read())
        kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        start = libc.mmap(0, (most + 64) * PAGE, 0, kind, -1, 0)
        page = start + PAGE
        while libc.mprotect(page, PAGE, PROT["READ"]) != FAILED:
            page += 2 * PAGE
        libc.munmap(start, room * PAGE)

    # -- looking --

    def look(self) -> list[Any]:
        """The VMAs of the window, and VmLck in pages. A VMA is [start, end,
        perms, offset, file or None, VmFlags]."""
        vmas: list[Any] = []
        inside = None
        with open("/proc/self/smaps", "rb", buffering=4096) as f:
            for line in f:
                if line[:8] == b"VmFlags:":
                    if inside is not None:
                        vmas.append([*inside, line[8:].decode().split()])
                        inside = None
                elif line[0] not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
                    words = line.decode().split(maxsplit=5)
                    low, high = (int(x, 16) for x in words[0].split("-"))
                    if low >= self.end:
                        break
                    if low >= self.base:
                        inside = [
                            (low - self.base) // PAGE,
                            (high - self.base) // PAGE,
                            words[1],
                            int(words[2], 16) // PAGE,
                            None
                            if b"/SYSV" in line
                            else self.inodes.get((words[3], int(words[4]))),
                        ]
        with open("/proc/self/status") as status:
            locked = next(line for line in status if line.startswith("VmLck"))
        return [vmas, int(locked.split()[1]) * 1024 // PAGE]

    def serve(self, sockets: Sequence[socket.socket], task: int) -> None:
        """One process of a sequence: takes calls from its socket."""
        with sockets[task].makefile("rw") as stream:
            for line in stream:
                name, arguments, limited = json.loads(line)
                error = 0
                if name == "pad":
                    self.pad(*arguments)
                elif name == "fork":
                    if os.fork() == 0:
                        self.serve(sockets, arguments[0])
                elif name not in ("look", "exit"):
                    restore = self.limit(limited) if limited else None
                    error = self.call(name, arguments)
                    if restore is not None:
                        resource.setrlimit(*restore)
                stream.write(json.dumps([error, self.look()]) + "\n")
                stream.flush()
                if name == "exit":
                    break
        os._exit(0)


class Processes:
    """The processes of one sequence, seen from the one that starts them."""

    def __init__(self, window: Window) -> None:
        pairs = [socket.socketpair() for _ in range(TASKS)]
        if os.fork() == 0:
            for ours, _ in pairs:
                ours.close()
            window.serve([theirs for _, theirs in pairs], 0)
        for ours, theirs in pairs:
            theirs.close()
            ours.settimeout(20)
        self.streams = [ours.makefile("rw") for ours, _ in pairs]
        for ours, _ in pairs:
            ours.close()
        self.alive = {0}

    def take(self, task: int, name: str, arguments: list[Any], limited: str) -> Any:
        """[errno, {task: what it looks like}]"""
        answer = self.ask(task, name, arguments, limited)
        if name == "exit":
            self.alive.discard(task)
            return [0, {}]
        looks = {task: answer[1]}
        if name == "fork":
            self.alive.add(arguments[0])
            looks[arguments[0]] = self.ask(arguments[0], "look", [], "")[1]
        return [answer[0], looks]

    def ask(self, task: int, name: str, arguments: list[Any], limited: str) -> Any:
        stream = self.streams[task]
        stream.write(json.dumps([name, arguments, limited]) + "\n")
        stream.flush()
        return json.loads(stream.readline())

    def end(self) -> None:
        for task in self.alive:
            self.ask(task, "exit", [], "")
        for stream in self.streams:
            stream.close()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pages, files = (int(x) for x in sys.argv[1:])
    window = Window(pages, files)
    gc.disable()
    for line in sys.stdin:
        sequence = Processes(window)
        taken = []
        for call in json.loads(line):
            try:
                taken.append(sequence.take(*call))
            except (OSError, ValueError) as e:
                taken.append([f"the process died: {e}", {}])
                break
        else:
            sequence.end()
        print(json.dumps(taken), flush=True)


if __name__ == "__main__":
    main()
