# SPDX-License-Identifier: GPL-2.0-only
"""Files around the hugetlb design: names, descriptors, mounts, and what is done
to a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from poolproof.checker.conform.areas import Areas
from poolproof.checker.conform.environment import (
    NOT_INSTALLED,
    OPTIONS,
    UNKNOWN,
    GuardFails,
    NotExpressible,
    limits,
)
from poolproof.checker.conform.state import OK, cells
from poolproof.model.language import NONE_FAILS


class Files(Areas):
    """open, memfd, close, unlink, trunc, falloc, fstat, mount, umount."""

    def _need_no_limit(self, what: str) -> None:
        if self.features["mount"]:
            raise NotExpressible(f"{what} is not on the mount that has limits")
        if not self.features["unlink"]:
            raise NotExpressible(f"{what} goes with its last user; unlink is off")

    def _unused_file(self, path: str = "") -> Any:
        """A file of the design that nothing refers to; of the number at the end
        of the path, if that is one."""
        around = self.around
        used = {*around.names.values(), *around.descriptors.values()}
        used |= {a.file for a in around.areas if a.file is not None}
        number = path[len(path.rstrip("0123456789")) :]
        unused = [f for f in self.all("FILES") if f not in used]
        for file in unused:
            if number == str(file.index):
                return file
        if not unused:
            raise NotExpressible("no file is left within the bounds")
        return unused[0]

    def _keep(self, descriptor: tuple[int, int], file: Any) -> None:
        if descriptor in self.around.descriptors:
            self._close(descriptor)
        self.around.descriptors[descriptor] = file

    def _open(self, descriptor: tuple[int, int], path: str) -> str:
        mount = path.removeprefix("/mnt/").partition("/")[0]
        if mount not in self.around.mounts:
            return "err ENOENT"
        if path not in self.around.names:
            self.around.names[path] = self._unused_file(path)
        self._keep(descriptor, self.around.names[path])
        return "ok"

    def _close(self, descriptor: tuple[int, int]) -> None:
        self._drop(self.around.descriptors.pop(descriptor))

    def _drop(self, file: Any) -> None:
        """A name or a descriptor is gone: the last one is the unlink."""
        around = self.around
        if file not in (*around.names.values(), *around.descriptors.values()):
            self._step("unlink", file)

    def _trunc(self, descriptor: tuple[int, int], size: int) -> str:
        if descriptor not in self.around.descriptors:
            return "err EBADF"
        if size > self.bounds["P"]:
            raise NotExpressible(f"more than {self.bounds['P']} pages")
        file = self.around.descriptors[descriptor]
        self._need_known_order(file, size, self.bounds["P"])
        self._step("truncate", file, size)
        return "ok"

    def _need_known_order(self, file: Any, start: int, end: int) -> None:
        """The owner of a private page has its promise back if it is the last
        to lose the page. The design takes it from the owner first; the kernel
        goes through i_mmap, where an owner may be behind its children."""
        now = self.now
        if now.h.surplus_huge_pages() > 0 or not self.features["fork"]:
            return
        mine = [a for a in self.around.areas if a.file == file and not a.shared]
        for index in range(start, end):
            there = [a for a in mine if now.anon.node[a.slot, index] is not None]
            for area in there:
                mappers = [a for a in there if a in self._mappers(area, index)]
                *_, last = sorted(mappers, key=lambda a: a.pgoff)
                if len(mappers) > 1 and now.resv_owner[last.slot]:
                    raise NotExpressible(
                        "a file's page that a child has, too: who loses it first?"
                    )

    def _falloc(
        self, process: int, fd: int, mode: int, offset: int, length: int
    ) -> str:
        if (process, fd) not in self.around.descriptors:
            return "err EBADF"
        file, task = self.around.descriptors[process, fd], self.task(process)
        if mode not in (0, 1, 3) or offset + length > self.bounds["P"]:
            raise NotExpressible("falloc of that kind, or that much")
        if mode == 3:
            if self.features["private_files"]:
                self._need_one_batch(
                    a
                    for a in self.around.areas
                    if a.file == file and not a.shared and length > 1
                )
                self._need_known_order(file, offset, offset + length)
            for page in range(offset, offset + length):
                self._step("punch_hole", file, page)
            return "ok"
        if mode == 0 and not self.features["truncate"]:
            raise NotExpressible("a file that grows, and sizes are off")
        for page in range(offset, offset + length):
            grows = mode == 0 and page == offset + length - 1
            result = self._instantiate("fallocate", task, file, page, not grows)
            if result != OK:
                return f"err {result.name}"
        return "ok"

    def _instantiate(self, action: str, *arguments: Any) -> Any:
        """An action that installs a page, or allocates one and cannot."""
        fails = self.fails == NOT_INSTALLED and self.features["inject"]
        if not fails:
            return self._step(action, *arguments, True)
        try:
            result = self._step(action, *arguments, False)
        except GuardFails:
            return self._step(action, *arguments, True)  # there is one already
        self.fails = NONE_FAILS
        return result

    def _fstat(self, descriptor: tuple[int, int]) -> str:
        if descriptor not in self.around.descriptors:
            return "err EBADF"
        file = self.around.descriptors[descriptor]
        size = self.now.i_size[file] if self.features["truncate"] else UNKNOWN
        return f"ok size={size} blocks={self.now.instantiated(file)}"

    # -- mounts --

    def _mount(self, name: str, options: str) -> str:
        if name in self.around.mounts:
            return "err EEXIST"
        asked = limits(options)
        has = {b: self.bounds[b] for f, b in OPTIONS.items() if self.features[f]}
        if asked != (has if self.features["mount"] else {}):
            self._change_limits(asked)
        if asked and self._step("mount") != OK:
            return "err ENOMEM"
        self.around.mounts[name] = bool(asked)
        return "ok"

    def _change_limits(self, asked: Mapping[str, int]) -> None:
        """The design with other mount options, while it can be exchanged."""
        around = self.around
        files = {*around.names.values(), *around.descriptors.values()}
        files |= {a.file for a in around.areas} - {None}
        if files or True in around.mounts.values():
            raise NotExpressible("a second mount: the design has one")
        old = dict(zip(cells(self.now), self.now.dump(), strict=True))
        keep = [f for f in self.setting.having if f not in ("mount", *OPTIONS)]
        if asked:
            keep += ["mount", *(f for f, b in OPTIONS.items() if b in asked)]
        bounds = {**self.setting.bounds, **asked}
        self.setting = replace(self.setting, bounds=bounds, having=tuple(keep))
        self._make()
        new = dict(zip(cells(self.now), self.now.dump(), strict=True))
        self.now.load([old.get(cell, raw) for cell, raw in new.items()])

    def _umount(self, name: str) -> str:
        around = self.around
        if name not in around.mounts:
            return "err ENOENT"
        here = {p: f for p, f in around.names.items() if p.startswith(f"/mnt/{name}/")}
        limited = around.mounts[name]
        busy = {*around.descriptors.values(), *(a.file for a in around.areas)}
        if limited:
            # all files are on it, those without a name, too
            if busy - {None}:
                return "err EBUSY"
            self._step("umount")
        elif busy & {*here.values()}:
            return "err EBUSY"
        for path in here:
            file = around.names.pop(path)
            if not limited:
                self._drop(file)
        del around.mounts[name]
        return "ok"
