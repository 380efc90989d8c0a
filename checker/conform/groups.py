# SPDX-License-Identifier: GPL-2.0-only
"""Memory policies and cgroups around the hugetlb design.

A cgroup NAME has limits; NAME/LEAF has the memory nodes of a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poolproof.checker.conform.areas import Areas
from poolproof.checker.conform.environment import (
    HUGE_PAGE,
    LIMITS,
    STATIC,
    UNLIMITED,
    NotExpressible,
    Policy,
    node_list,
)
from poolproof.model.blocks.numa import Mode


class Groups(Areas):
    """mbind, setpol, cg."""

    # -- policies --

    def mask(self, mask: str) -> frozenset[Any]:
        """The nodes of a mask as the agent reads it."""
        bits = int(mask, 0)
        if bits >> len(self.nodes):
            raise NotExpressible(f"nodes beyond the {len(self.nodes)} of the bounds")
        return frozenset(n for n in self.nodes if bits >> n.index & 1)

    def _policy(self, process: int, mode: int, mask: str) -> Policy | None:
        """The nodes and the mode of a policy; None where it is refused."""
        nodes, known = self.mask(mask), Mode.BIND
        if mode:
            known = self._mode(mode, nodes)
        elif nodes:
            return None
        mems = self.now.mpol.cpuset_current_mems_allowed(self.task(process))
        if mode and not nodes & mems:
            return None
        self.around.floating |= bool(mode) and not mode & STATIC
        return nodes, known

    def _mode(self, mode: int, nodes: frozenset[Any]) -> Mode:
        known = {m.value: m for m in Mode}.get(mode & ~STATIC)
        if known is None or (known != Mode.BIND and not self.features["policies"]):
            raise NotExpressible(f"memory policy {mode} is not modelled")
        if known == Mode.PREFERRED and len(nodes) != 1:
            raise NotExpressible("MPOL_PREFERRED is modelled with one node only")
        return known

    def _mbind(self, process: int, page: int, length: int, mode: int, mask: str) -> str:
        policy = self._policy(process, mode, mask)
        if policy is None:
            return "err EINVAL"
        if not self._covered(process, page, length):
            return self._hole("EFAULT", process, page, length)
        mpol = self.now.mpol
        for area in self._within(
            process,
            page,
            length,
            lambda a: (mpol.vm_policy[a.slot], mpol.vm_mode[a.slot]) != policy,
        ):
            self._set_policy("mbind", area.slot, policy)
        return "ok"

    def _set_mempolicy(self, process: int, mode: int, mask: str) -> str:
        policy = self._policy(process, mode, mask)
        if policy is None:
            return "err EINVAL"
        if self._first(process):
            self._set_policy("set_mempolicy", self.task(process), policy)
        return "ok"

    def _set_policy(self, action: str, whose: Any, policy: Policy) -> None:
        """The action of a task or a VMA, in the form for the policy's mode."""
        nodes, mode = policy
        if mode == Mode.BIND:
            self._step(action, whose, nodes)
        else:
            self._step(f"{action}_mode", whose, nodes, mode)

    # -- cgroups --

    def _cgroup(self, words: Sequence[str]) -> str:
        around = self.around
        match words:
            case ["mk", name]:
                if "/" in name:
                    around.mems[name] = frozenset()
                elif name != UNLIMITED:
                    around.groups.append(name)
            case ["rm", name]:
                if name in around.mems:
                    del around.mems[name]
                else:
                    around.groups[around.groups.index(name)] = ""
            case ["set", name, "cpuset.mems", nodes]:
                return self._set_mems(name, self._mems(nodes))
            case ["set", name, file, limit] if file in LIMITS:
                # bounds have it already: what a limit is cannot change
                if int(limit) // HUGE_PAGE != self.bounds[LIMITS[file]]:
                    raise NotExpressible(f"another {file} of {name}")
            case ["set", _, "cgroup.subtree_control", _] | ["opts", _] | ["get", *_]:
                pass
            case ["attach", name, process]:
                return self._attach(name, int(process))
            case _:
                raise NotExpressible("cg " + " ".join(words))
        return "ok"

    def _note_mems(self, words: Sequence[str]) -> None:
        match words:
            case ["cg", "set", name, "cpuset.mems", nodes]:
                self.around.mems[name] = self._mems(nodes)

    def _mems(self, text: str) -> frozenset[Any]:
        """A cpuset as the design has it: no nodes for "0-1", all of them."""
        nodes = frozenset(self.of("NODES", k) for k in node_list(text))
        whole = "-" in text and len(nodes) == len(self.nodes)
        return frozenset() if whole else nodes

    def _set_mems(self, name: str, mems: frozenset[Any]) -> str:
        here = [p for p, place in self.around.places.items() if place == name]
        for process in here:
            self._need_no_migration(process, mems)
        self.around.mems[name] = mems
        for process in here:
            self._confine(process, mems)
        return "ok"

    def _confine(self, process: int, mems: frozenset[Any]) -> None:
        """A process has other memory nodes now, and its task if it is the first."""
        if self.features["cpuset"] and self._first(process):
            self._step("set_cpuset", self.task(process), mems)

    def _group(self, process: int) -> str:
        """The cgroup with limits that a process is in; "" where there is none."""
        group = self.around.places[process].partition("/")[0]
        return group if group in self.around.groups else ""

    def _need_group_of_task(self, process: int) -> None:
        """What a process does is charged to its own cgroup, in the design to
        that of its task: the one where the task's first process is."""
        if self.features["cgroup"]:
            first = self.processes(self.task(process))[0]
            if self._group(process) != self._group(first):
                raise NotExpressible("a task whose processes are in several cgroups")

    def _attach(self, name: str, process: int) -> str:
        if process not in self.around.places:
            return "err ESRCH"
        mems = self.around.mems.get(name, frozenset())
        if mems != self.around.mems.get(self.around.places[process], frozenset()):
            self._need_no_migration(process, mems)
            changed = True
        else:
            changed = False
        self.around.places[process] = "" if name == "." else name
        group = name.partition("/")[0]
        cgroup = None
        if group in self.around.groups:
            cgroup = self.of("CGROUPS", self.around.groups.index(group))
        elif group not in (".", UNLIMITED):
            return "err ENOENT"
        if self._first(process) and self.features["cgroup"]:
            self._step("cgroup_attach", self.task(process), cgroup)
        if changed:
            self._confine(process, mems)
        return "ok"

    def migrates(self, process: int, mems: frozenset[Any]) -> bool:
        """Return whether other memory nodes make the kernel move a process's pages."""
        if not mems:
            return False
        return any(
            n not in mems for a in self.areas_of(process) for n in self.pages_in(a)
        )

    def _need_no_migration(self, process: int, mems: frozenset[Any]) -> None:
        if self.around.floating:
            raise NotExpressible(
                "policies without MPOL_F_STATIC_NODES change with the cpuset"
            )
        if self.migrates(process, mems):
            raise NotExpressible("cgroup v2 moves the pages of a cpuset's tasks")
