# SPDX-License-Identifier: GPL-2.0-only
"""The hugetlb design in a state, the system around it, and the counters that a
kernel would show.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import product, repeat
from typing import Any

from poolproof.checker.conform.environment import (
    NOT_INSTALLED,
    Config,
    DesignBreaks,
    Environment,
    GuardFails,
    NotExpressible,
    Refused,
    Taken,
)
from poolproof.checker.core.source import shown_source
from poolproof.checker.kernel.answer import Charge, Counters, Gigantic, NodePool, Space
from poolproof.model.blocks.errno import Errno
from poolproof.model.designs.hugetlb import names as hugetlb
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import (
    NONE_FAILS,
    Disabled,
    ModelError,
    OutOfRange,
    Values,
    assume,
    declared,
    require,
)
from poolproof.model.language.failures import choice

OK = Errno.OK


def bounds_for(design: type[Hugetlb], setting: Config) -> dict[str, int]:
    """Return those of the setting's bounds that the design has, and what follows from
    them."""
    known = declared(design)[0]
    bounds = {n: v for n, v in setting.bounds.items() if n in known}
    if "STEP" in known:
        bounds["STEP"] = bounds["nodes"] * bounds["CAP"]
    return bounds


class State:
    """The design in a state, and its environment.

    ``taken`` are the actions of the last command; each is taken inside
    ``watch``. The call ``fails`` is to fail after it succeeded ``passes`` times; once
    it has failed, ``fails`` is NONE_FAILS. A counter that fell below zero is -1 and
    stays there; from then on the design predicts nothing exact. ``populated`` is the
    limit on what MAP_POPULATE gets, in pages, if it is cut short for another reason.
    """

    def __init__(self, design: type[Hugetlb], setting: Config) -> None:
        self.design = design
        self.setting = setting
        self.around = Environment()
        self.taken: list[Taken] = []
        self.fails = NONE_FAILS
        self.passes = 0
        self.populated: int | None = None
        self.watch: Callable[[], AbstractContextManager[object]] = nullcontext
        self._make()
        self._start()

    def _start(self) -> None:
        setting = self.setting
        alloc, free = setting.cursors
        if self.features["surplus"]:
            self.now.h.next_nid_to_free = self.nodes[free]
            if self.features["resize"]:
                self.now.h.next_nid_to_alloc = self.nodes[alloc]
            if self.features["sysctl"] and setting.bare:
                self.now.h.nr_overcommit_huge_pages = 0

    def _make(self) -> None:
        setting = self.setting
        design: Any = self.design
        self.now: Any = design(bounds_for(self.design, setting), having=setting.having)
        binding = self.now._binding
        self.bounds: Mapping[str, int] = binding.bounds
        self.features: Mapping[str, bool] = binding.features
        self._values = {
            name: binding.values(getattr(hugetlb, name))
            for name in ("NODES", "TASKS", "VMAS", "FILES", "CGROUPS")
        }
        self.nodes: tuple[Any, ...] = tuple(self._values["NODES"])

    def of(self, domain: str, k: int) -> Any:
        """The element of a scalarset with a number. Raises NotExpressible."""
        values = self._values[domain]
        if not 0 <= k < len(values):
            raise NotExpressible(f"{domain} has no element {k} within the bounds")
        return values.python(k)

    def all(self, domain: str) -> list[Any]:
        return list(self._values[domain])

    def saved(self) -> tuple[tuple[int, ...], Environment]:
        return self.now.dump(), self.around.copy()

    def put_back(self, saved: tuple[tuple[int, ...], Environment]) -> None:
        state, around = saved
        self.now.load(state)
        self.around = around.copy()

    def renumber(self, to: Mapping[int, int]) -> None:
        """Exchange numbers of VMAs. They mean nothing, because VMAS is a scalarset."""
        old = iter(self.now.dump())
        new: list[int] = []
        for slot in self.now._slots:
            rows = product(*(range(v.lo, v.hi + 1) for v in slot.index))
            cells = {
                row: self._with_numbers(slot.values, next(old), to) for row in rows
            }
            at = {
                tuple(map(self._with_numbers, slot.index, row, repeat(to))): row
                for row in cells
            }
            new += [cells[at[row]] for row in cells]
        self.now.load(new)

    def _with_numbers(self, values: Values, raw: int, to: Mapping[int, int]) -> int:
        """Return the raw value with the VMAs renumbered."""
        if values == self._values["VMAS"] or (
            values.kind == "element" and values.name == self._values["VMAS"].name
        ):
            return to.get(raw, raw)
        if values.inner is not None and values.inner == self._values["VMAS"]:
            bits = range(len(values.inner))
            return sum(1 << to.get(k, k) for k in bits if raw >> k & 1)
        return raw

    def _step(self, action: str, *arguments: Any) -> Any:
        sizes = self._sizes_with_errors()
        try:
            with self.watch():
                result = self._take(action, arguments)
        except Disabled as e:
            shown = ", ".join(map(str, arguments))
            raise GuardFails(f"{action}({shown}): {failed_require(e)}") from e
        except (OutOfRange, AssertionError) as e:
            raise DesignBreaks(f"{action}: {e}") from e
        except ModelError as e:
            raise NotExpressible(str(e)) from e
        if any(self.now.h.nr_huge_pages_node[n] < size for n, size in sizes.items()):
            raise NotExpressible("which free page leaves a node with a memory error")
        if result is None:  # an action that cannot fail
            result = OK
        self.taken.append(Taken(action, arguments, result))
        return result

    def _sizes_with_errors(self) -> Mapping[Any, int]:
        """The pages of each node that has free ones with memory errors. The design does
        not know where in the free list they are."""
        h = self.now.h
        if not self.features["poison"]:
            return {}
        return {n: h.nr_huge_pages_node[n] for n in self.nodes if h.bad[n] > 0}

    def _take(self, action: str, arguments: tuple[Any, ...]) -> Any:
        """The action; with its failure, if it comes to the call that is to fail."""
        step, before = self.now.step, self.now.dump()
        if self.fails in (NONE_FAILS, NOT_INSTALLED):
            return step(action, *arguments)
        for number in range(1, self.passes + 2):
            try:
                result = step(action, *arguments, fails=choice(self.fails, number))
            except Disabled:
                self.passes -= number - 1
                break
            if number == self.passes + 1:
                self.fails = NONE_FAILS
                return result
            self.now.load(before)
        return step(action, *arguments)

    def _must(self, action: str, *arguments: Any) -> None:
        """As `_step`. Raises Refused where the action fails."""
        result = self._step(action, *arguments)
        if result != OK:
            raise Refused(result.name)

    # -- what the kernel should show --

    def counters(self) -> Counters:
        """What the kernel should show."""
        h, now = self.now.h, self.now
        pools = tuple(
            NodePool(
                h.nr_huge_pages_node[n],
                h.free_huge_pages_node[n],
                h.surplus_huge_pages_node[n],
            )
            for n in self.nodes
        )
        charges: list[tuple[str, Charge]] = []
        for k, name in enumerate(self.around.groups):
            if name and self.features["cgroup"]:
                cg = self.of("CGROUPS", k)
                charge = Charge(now.usage.usage[cg], now.rsvd.usage[cg])
                charges.append((name, charge))
        return Counters(
            h.nr_huge_pages(),
            h.free_huge_pages(),
            h.resv_huge_pages,
            h.surplus_huge_pages(),
            nodes=pools,
            cgroups=tuple(sorted(charges)),
            mounts=tuple(
                (name, self._space(limited))
                for name, limited in sorted(self.around.mounts.items())
            ),
            gigantic=self._gigantic() if self.features["demote"] else None,
        )

    def _gigantic(self) -> Gigantic:
        pages = self.now.gigantic
        return Gigantic(pages, pages, self.now.gigantic_resv(), 0)

    def _space(self, limited: bool) -> Space:
        """fs/hugetlbfs/inode.c:hugetlbfs_statfs."""
        if not limited:
            return Space(0, 0)
        if not self.features["size"]:
            return Space(-1, -1)
        size = self.bounds["MAX"]
        return Space(size, size - self.now.spool.used_hpages)

    def below_zero(self) -> bool:
        """Return whether a counter has lost its meaning."""
        used = -1 if self.features["mount"] and self.features["size"] else 0
        if used:
            used = self.now.spool.used_hpages
        return bool(self.now.h.is_lost() or used < 0)

    def full(self) -> bool:
        """Return whether a node has come to the capacity that the bounds give it."""
        h = self.now.h
        return any(h.nr_huge_pages_node[n] >= self.bounds["CAP"] for n in self.nodes)

    # -- tasks --

    def task(self, process: int) -> Any:
        """The process's task of the design: their numbers agree modulo T."""
        return self.of("TASKS", process % self.bounds["T"])

    def processes(self, task: Any) -> list[int]:
        """The live processes of a task, oldest first."""
        return [p for p in self.around.places if self.task(p) == task]

    def _first(self, process: int) -> bool:
        """Return whether what it does to itself is what its task does."""
        return self.processes(self.task(process))[0] == process


def cells(design: Any) -> list[tuple[str, int]]:
    """The names of the values that `dump` gives."""
    cells = []
    for slot in design._slots:
        size = math.prod(len(values) for values in slot.index)
        cells += [(slot.name, k) for k in range(size)]
    return cells


def failed_require(disabled: Disabled) -> str:
    """Where the `require` or `assume` stands that an action met, and its text."""
    frames = traceback.extract_tb(disabled.__traceback__)
    guards = (require.__name__, assume.__name__)
    place = next((f for f in reversed(frames) if f.name not in guards), frames[-1])
    return f"{shown_source(place.filename)}:{place.lineno}: {place.line}"
