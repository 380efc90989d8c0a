# SPDX-License-Identifier: GPL-2.0-only
"""A command of the agent as C: one system call, or a write to a file.

The C relies on the functions of reproducer.c. The return value of a call goes to
`returned`; the output of a command that reads something goes to `result`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from poolproof.checker.conform.environment import MOVE, STATIC, NotExpressible
from poolproof.checker.conform.hugetlb import MOUNT
from poolproof.model.blocks.numa import Mode

_ADVICE = {
    "4": "MADV_DONTNEED",
    "9": "MADV_REMOVE",
    "10": "MADV_DONTFORK",
    "11": "MADV_DOFORK",
    "101": "MADV_SOFT_OFFLINE",
}
_MODES = {
    "0": "0",
    "1": "FALLOC_FL_KEEP_SIZE",
    "3": "FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE",
}
_PROTECTION = {"0": "PROT_NONE", "1": "PROT_READ", "3": "PROT_READ | PROT_WRITE"}
_MOVES = {1: "MREMAP_MAYMOVE", 2: "MREMAP_FIXED", 4: "MREMAP_DONTUNMAP"}

LOOKS = frozenset(("maps", "pmap", "numa", "fstat"))
"""Commands of a process that change nothing and only read."""

PARTS = (
    ("forks", "split_off("),
    ("policies", "bind_task("),
    ("mbind", "bind_range("),
    ("mounts", "mount_hugetlbfs("),
    ("mounts", "in_mount("),
    ("names", "in_mount("),
    ("umount", "umount_hugetlbfs("),
    ("groups", "group_"),
    ("attach", "group_attach("),
    ("maps", "maps(result)"),
    ("pmap", "pmap("),
    ("numa", "numa("),
    ("uffdcopy", "fill_page("),
    ("fstat", "file_size("),
)
"""Parts of reproducer.c, each with a text that is in the C of commands that need it."""


def operation(command: str) -> str:
    """Return the command's name: "mmap" of "w 0 mmap ..."."""
    words = command.split()
    return words[2] if words[0] == "w" else words[0]


def call_text(command: str, nodes: int) -> str:
    """Return the C of a command in one line, without what is done with its
    result: ``process 0: munmap(PAGE(0), 1 * HPAGE)``."""
    words = command.split()
    who = f"process {words[1]}: " if words[0] == "w" else ""
    text = " ".join(" ".join(statement(command, nodes)).split())
    text = text.partition("\t/*")[0].removeprefix("returned = ").removesuffix(";")
    return who + text.removesuffix(" == MAP_FAILED ? -1 : 0")


def statement(command: str, nodes: int) -> list[str]:
    """Return the C of a command, on a machine with so many nodes. Raise
    NotExpressible if there is none."""
    words = command.split()
    if words[0] == "w":
        of_process = words[2:]
        lines = [*_on_memory(of_process), *_on_file(of_process), *_on_task(of_process)]
    else:
        lines = [*_of_system(words, nodes)]
    if not lines:
        raise NotExpressible(f"no C for {command!r}")
    return lines


def _on_memory(words: Sequence[str]) -> Iterator[str]:
    match words:
        case ["mmap", page, length, flags, fd, offset, *protection]:
            file = "-1" if "A" in flags else f"fds[{fd}]"
            yield f"returned = mmap(PAGE({page}), {length} * HPAGE,"
            yield f"\t\t{_PROTECTION[protection[0] if protection else '3']},"
            yield f"\t\t{' | '.join(_kinds(flags))},"
            yield f"\t\t{file}, {offset} * HPAGE) == MAP_FAILED ? -1 : 0;"
        case ["w", page, value]:
            yield f"*(volatile long *)PAGE({page}) = {value};"
        case ["r", page]:
            yield f"(void)*(volatile long *)PAGE({page});"
        case ["munmap", page, length]:
            yield f"returned = munmap(PAGE({page}), {length} * HPAGE);"
        case ["mprotect", page, length, protection]:
            yield f"returned = mprotect(PAGE({page}), {length} * HPAGE,"
            yield f"\t\t{_PROTECTION[protection]});"
        case ["mremap", page, old, new, flags, to]:
            yield f"returned = mremap(PAGE({page}), {old} * HPAGE, {new} * HPAGE,"
            moves = [name for bit, name in _MOVES.items() if int(flags) & bit]
            where = f", PAGE({to}))" if int(flags) & 2 else ")"
            yield f"\t\t{' | '.join(moves) or '0'}{where}"
            yield "\t\t== MAP_FAILED ? -1 : 0;"
        case ["madv", page, length, advice]:
            yield f"returned = madvise(PAGE({page}), {length} * HPAGE,"
            yield f"\t\t{_ADVICE[advice]});"
        case ["uffdcopy", page, length, at, *cold]:
            yield f"returned = fill_page({page}, {length}, {at}, {int(not cold)});"
        case ["munmapb", at, size]:
            yield f"returned = munmap(PAGE(0) + {at}, {size});"
        case ["mprotectb", at, size, protection]:
            yield f"returned = mprotect(PAGE(0) + {at}, {size},"
            yield f"\t\t{_PROTECTION[protection]});"


def _kinds(flags: str) -> Iterator[str]:
    """mmap's flags for the agent's letters."""
    yield "MAP_SHARED" if "S" in flags else "MAP_PRIVATE"
    if "A" in flags:
        yield "MAP_ANONYMOUS"
        yield "MAP_HUGETLB"
    if "N" in flags:
        yield "MAP_NORESERVE"
    if "L" in flags:
        yield "MAP_POPULATE"
    yield "MAP_FIXED" if "F" in flags else "MAP_FIXED_NOREPLACE"


def _on_file(words: Sequence[str]) -> Iterator[str]:
    match words:
        case ["falloc", fd, mode, offset, length]:
            yield f"returned = fallocate(fds[{fd}], {_MODES[mode]},"
            yield f"\t\t{offset} * HPAGE, {length} * HPAGE);"
        case ["trunc", fd, size]:
            yield f"returned = ftruncate(fds[{fd}], {size} * HPAGE);"
        case ["open", fd, path]:
            name = path.rpartition("/")[2]
            yield f'fds[{fd}] = open(in_mount("{name}"),'
            yield "\t\tO_RDWR | O_CREAT | O_CLOEXEC, 0600);"
            yield f"returned = fds[{fd}];"
        case ["memfd", fd]:
            yield f'fds[{fd}] = syscall(SYS_memfd_create, "file", MFD_HUGETLB);'
            yield f"returned = fds[{fd}];"
        case ["close", fd]:
            yield f"returned = close(fds[{fd}]);"
        case ["unlink", path]:
            yield f'returned = unlink(in_mount("{path.rpartition("/")[2]}"));'
        case ["fstat", fd]:
            yield f"returned = file_size(fds[{fd}], result);"


def _on_task(words: Sequence[str]) -> Iterator[str]:
    match words:
        case ["mbind", page, length, mode, mask, flags]:
            moves = "MPOL_MF_MOVE" if int(flags) == MOVE else "0"
            words = f"{page}, {length}, {_mode(mode)}, {mask}, {moves}"
            yield f"returned = bind_range({words});"
        case ["setpol", mode, mask]:
            yield f"returned = bind_task({_mode(mode)}, {mask});"
        case ["fork", child]:
            yield f"returned = split_off({child});"
        case ["exit"]:
            yield "_exit(0);"
        case ["maps"]:
            yield "returned = maps(result);"
        case ["pmap", page, *length]:
            yield f"returned = pmap({page}, {length[0] if length else 1}, result);"
        case ["numa", page]:
            yield f"returned = numa({page}, result);"


def _mode(mode: str) -> str:
    if mode == "0":
        return "MPOL_DEFAULT"
    name = Mode(int(mode) & ~STATIC).name
    return f"MPOL_{name}" + " | MPOL_F_STATIC_NODES" * bool(int(mode) & STATIC)


def _of_system(words: Sequence[str], nodes: int) -> Iterator[str]:
    match words:
        case ["nrnode", node, count]:
            yield f"returned = set_node({node}, {count});"
        case ["nr", count]:
            if nodes == 1:
                yield f"returned = set_node(0, {count});\t/* all the nodes there are */"
            else:
                yield f'returned = write_number(POOL "nr_hugepages", {count});'
        case ["oc", count]:
            path = 'POOL "nr_overcommit_hugepages"'
            yield f"returned = write_number({path}, {count});"
        case ["spawn", process]:
            yield f"returned = start({process});"
        case ["mount", _, *options]:
            quoted = f'"{",".join(options)}"' if options else "NULL"
            yield f"returned = mount_hugetlbfs({quoted});"
        case ["umount", name]:
            known = name == MOUNT
            yield f"returned = {'umount_hugetlbfs()' if known else _no_mount(name)};"
        case ["cg", "mk", name]:
            yield f'returned = group_make("{name}");'
        case ["cg", "set", name, file, value]:
            yield f'returned = group_write("{name}", "{file}",'
            yield f'\t\t"{value}");'
        case ["cg", "attach", name, process]:
            yield f'returned = group_attach("{name}", {process});'


def _no_mount(name: str) -> str:
    """A call that has to fail: nothing is mounted there."""
    return f'umount2("{name}", 0)'
