# SPDX-License-Identifier: GPL-2.0-only
"""Two tasks at once: interleavings that the model allows, reproduced on a kernel.

`HugetlbSteps` has a `yield` wherever the kernel drops a lock or has not taken it yet.
A debugger stops the first task's CPU at the function that the kernel calls next
there. Meanwhile the second task makes a call, and then the first goes on. The model
takes the same steps, and predicts the results, the counters after each step, and
whether a task waits for a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from poolproof.checker.core.compiled import Compiled
from poolproof.checker.core.ir import show_raw
from poolproof.checker.core.verdict import Step
from poolproof.checker.evidence.runner import Runner
from poolproof.checker.kernel.answer import Answer, Counters
from poolproof.checker.kernel.guest import Guest
from poolproof.model.language import Disabled
from tests.kernel.debugger import attached

FIRST, SECOND = 0, 1
"""The tasks, numbered like their processes. The first task runs on CPU 1; CPU 0 has
the agent and the second one."""


class Stop(NamedTuple):
    """Where the kernel is at a `yield`: about to call ``function``, for the
    ``times``-th time since the task's call began."""

    function: str
    times: int = 1


STOPS: Mapping[str, Mapping[str, Stop]] = {
    "vma_needs_reservation is done": {
        "fault": Stop("hugetlb_cgroup_charge_cgroup"),
    },
    "asks the buddy allocator": {"fault": Stop("alloc_surplus_hugetlb_folio")},
    "has a folio": {"fault": Stop("__vma_reservation_common", 2)},
    "region_chg is done": {"mmap_shared": Stop("hugetlb_cgroup_charge_cgroup_rsvd")},
    "allocates a surplus page": {
        "mmap": Stop("alloc_surplus_hugetlb_folio"),
        "mmap_shared": Stop("alloc_surplus_hugetlb_folio"),
    },
    "has a promise": {"mmap_shared": Stop("region_add")},
    "copies without locks": {"uffdio_copy": Stop("copy_folio_from_user", 2)},
    "zeroes the folio": {"fault": Stop("folio_zero_user")},
    "has written i_size": {"ftruncate": Stop("filemap_get_folios")},
    "has removed the pages": {"ftruncate": Stop("hugetlb_unreserve_pages")},
    "waits for hugetlb_lock": {"dontneed": Stop("free_huge_folio")},
}
"""Where Linux 6.12 is at a `yield` of HugetlbSteps, by its label, and by each call that
reaches it: those where it waits for no lock, and the one where MADV_DONTNEED frees
what it has unmapped. The first copy_folio_from_user runs with the locks held. The first
__vma_reservation_common is that of vma_needs_reservation, the second that of
vma_commit_reservation."""


class Call(NamedTuple):
    """A call of a task: an action and its arguments by name, raw, without the task."""

    task: int
    action: str
    arguments: Mapping[str, int]

    def __str__(self) -> str:
        shown = ", ".join(f"{n}={v}" for n, v in self.arguments.items())
        return f"t{self.task} {self.action}({shown})"


_WRAPPED = 1 << 63
"""An unsigned long of at least this value has fallen below zero."""


class Pool(NamedTuple):
    """The pool's counters, of the model or of the kernel."""

    total: int
    free: int
    rsvd: int
    surp: int

    @staticmethod
    def of(counters: Counters) -> Pool:
        """Return a kernel's counters. One that has wrapped is -1, as in the model."""
        found = (getattr(counters, name) for name in Pool._fields)
        return Pool(*(-1 if n >= _WRAPPED else n for n in found))


@dataclass(frozen=True)
class Seen:
    """What is seen after one part of an order: the result of a call that has ended
    ("" if none has), and the counters (None while both tasks run)."""

    what: str
    result: str
    pool: Pool | None


@dataclass(frozen=True)
class Order:
    """``before`` is made first, then ``first`` up to ``label``, then ``second`` to its
    end, or until it waits, then the rest of both, then ``after``. ``seen`` is what the
    model shows."""

    before: tuple[Call, ...]
    first: Call
    label: str
    second: Call
    waits: bool
    after: tuple[Call, ...]
    seen: tuple[Seen, ...]

    def __str__(self) -> str:
        waits = " (waits)" if self.waits else ""
        return f"{self.first} {self.label}: {self.second}{waits}"

    @property
    def stop(self) -> Stop:
        return STOPS[self.label][self.first.action]


# --- the model ---------------------------------------------------------------


class _Model:
    """A run of the compiled design, task by task."""

    def __init__(self, compiled: Compiled) -> None:
        self.runner = Runner(compiled)
        self.actions = compiled.system.action_by_name

    def label(self, task: int) -> str:
        """Where a task stands, whatever the round of a loop is; "" if it is in no
        call."""
        tasks = self.runner.tasks
        assert tasks is not None
        raw = tasks.stands[task][0]
        label = tasks.processes.places[raw - 1].label if raw else ""
        return label.partition(" [")[0]

    def begin(self, call: Call) -> str:
        """The first part of a call. Return its result; "" if it has not ended."""
        parameters = self.actions[call.action].parameters
        raw = [
            call.task if p.name == "task" else call.arguments[p.name]
            for p in parameters
        ]
        return self._take(Step(call.action, tuple(raw)))

    def go_on(self, task: int) -> str:
        """The next part of the call. Raises Disabled where it waits for a lock."""
        tasks = self.runner.tasks
        assert tasks is not None
        place = tasks.processes.places[tasks.stands[task][0] - 1]
        return self._take(Step(place.name, (task,)))

    def _take(self, step: Step) -> str:
        result = self.runner.take(step)
        if result is None:
            return ""
        expression = self.actions[step.action].result
        assert expression is not None
        return show_raw(expression.sort, result)

    def pool(self) -> Pool:
        h = self.runner.design.h
        return Pool(
            h.nr_huge_pages(),
            h.free_huge_pages(),
            h.resv_huge_pages,
            h.surplus_huge_pages(),
        )

    def alone(self, call: Call) -> str:
        """A whole call, while the other task stands still. Return its result; "" if
        it waits for a lock. Raises Disabled if it cannot begin."""
        result = self.begin(call)
        return result or self.to_the_end(call.task)

    def to_the_end(self, task: int) -> str:
        """The rest of a call. Return its result; "" if it waits for a lock."""
        result = ""
        try:
            while not result:
                result = self.go_on(task)
        except Disabled:
            return ""
        return result

    def up_to(self, call: Call, label: str) -> bool:
        """A call up to a `yield`. Return whether it comes there."""
        result = self.begin(call)
        while not result and self.label(call.task) != label:
            result = self.go_on(call.task)
        return not result


def orders(
    compiled: Compiled, before: Sequence[Call], first: Call, seconds: Sequence[Call]
) -> Iterator[Order]:
    """Yield the orders that the model allows of the first call with each second call,
    one for each of STOPS that the first call reaches. At the end both tasks unmap
    their mappings."""
    for label, calls in STOPS.items():
        if first.action not in calls:
            continue
        for second in seconds:
            found = _order(_Model(compiled), tuple(before), first, label, second)
            if found is not None:
                yield found


def _order(
    model: _Model, before: tuple[Call, ...], first: Call, label: str, second: Call
) -> Order | None:
    seen: list[Seen] = []

    def see(what: str, result: str = "") -> None:
        seen.append(Seen(what, result, model.pool()))

    for call in before:
        see(str(call), model.alone(call))
    if not model.up_to(first, label):
        return None
    see(label)
    try:
        result = model.alone(second)
    except Disabled:
        return None
    waits = not result
    see(str(second), result)
    see(str(first), model.to_the_end(FIRST))
    if waits:
        seen[-1] = replace(seen[-1], pool=None)
        see(str(second), model.to_the_end(SECOND))
    after = []
    for call in _unmaps((*before, first, second)):
        try:
            see(str(call), model.alone(call))
        except Disabled:
            continue  # it was never mapped
        after.append(call)
    return Order(before, first, label, second, waits, tuple(after), tuple(seen))


def _unmaps(calls: Sequence[Call]) -> Iterator[Call]:
    mapped = {
        (call.task, call.arguments["vma"])
        for call in calls
        if call.action.startswith("mmap")
    }
    gone = {(c.task, c.arguments["vma"]) for c in calls if c.action == "unmap"}
    for task, vma in sorted(mapped - gone):
        yield Call(task, "unmap", {"vma": vma})


# --- the kernel --------------------------------------------------------------

STRIDE = 16
"""Pages from one VMA to the next."""

_DESCRIPTOR = 10
"""The userfaultfd of a process; its files are 0, 1 ..."""

_DONTNEED = 4
"""include/uapi/asm-generic/mman-common.h:MADV_DONTNEED."""

_MOMENT = 300
"""Milliseconds after which a call waits that the model says waits."""

_LONG = 20_000
"""Milliseconds for a call to end."""


@dataclass
class _Words:
    """The agent's words for calls; ``vmas`` are the first index and the length of
    each."""

    copies: frozenset[int]
    vmas: dict[int, tuple[int, int]] = field(default_factory=dict)

    def of(self, call: Call) -> str:
        """A call in its process. Where it maps what will be copied to, `also` is to
        follow."""
        a = call.arguments
        if call.action == "ftruncate":
            return f"trunc {a['file']} {a['size']}"
        at = STRIDE * a["vma"]
        keep = "N" * a.get("noreserve", 0)
        match call.action:
            case "mmap":
                self.vmas[a["vma"]] = (0, a["length"])
                return f"mmap {at} {a['length']} PA{keep} -1 0"
            case "mmap_shared":
                length = a["end"] - a["start"]
                self.vmas[a["vma"]] = (a["start"], length)
                return f"mmap {at} {length} S{keep} {a['file']} {a['start']}"
            case "unmap":
                return f"munmap {at} {self.vmas[a['vma']][1]}"
        page = at + a["page"] - self.vmas[a["vma"]][0]
        if call.action == "fault":
            return f"w {page} 1"
        if call.action == "dontneed":
            return f"madv {page} 1 {_DONTNEED}"
        assert call.action == "uffdio_copy", call.action
        return f"ucopy {_DESCRIPTOR} {page}"

    def also(self, call: Call) -> Iterator[str]:
        if call.action == "mmap_shared" and call.task in self.copies:
            _, length = self.vmas[call.arguments["vma"]]
            start = STRIDE * call.arguments["vma"]
            yield f"w {call.task} uffd {_DESCRIPTOR} {start} {length}"


def symbols(system_map: Path) -> dict[str, int]:
    """Return the addresses of a kernel's functions, from its System.map."""
    found = {}
    for line in system_map.read_text().splitlines():
        address, kind, name = line.split()
        if kind in "tT":
            found[name] = int(address, 16)
    return found


def setup(pages: int, overcommit: int, files: int) -> list[str]:
    """Return the commands after which a kernel is where the model starts, with one
    node: pages in its pool, both processes, files that they have open."""
    commands = [f"timeout {_LONG}", f"nrnode 0 {pages}", f"oc {overcommit}", "mount m"]
    for task in (FIRST, SECOND):
        commands.append(f"spawn {task}")
        commands += [f"w {task} open {f} /mnt/m/f{f}" for f in range(files)]
    return [*commands, f"w {FIRST} cpu 1"]


def replay(
    guest: Guest, addresses: Mapping[str, int], start: Sequence[str], order: Order
) -> tuple[Seen, ...]:
    """Return what a kernel with two CPUs shows of an order. Raise Unavailable if the
    first task does not come to where it is to stop."""
    copies = (order.first, order.second)
    words = _Words(frozenset(c.task for c in copies if c.action == "uffdio_copy"))
    seen: list[Seen] = []

    def see(what: str, answer: Answer | None = None) -> None:
        counters = answer or guest.run(["counters"])[0]
        result = "" if answer is None else _result(answer)
        seen.append(Seen(what, result, Pool.of(counters.counters)))

    guest.run(start)
    for call in order.before:
        see(str(call), guest.run([f"w {call.task} {words.of(call)}"])[0])
        guest.run(list(words.also(call)))
    first, second = order.first, order.second
    stop = order.stop
    with _stopped(guest, stop, addresses[stop.function], words.of(first)):
        see(order.label)
        patience = _MOMENT if order.waits else _LONG
        begun = f"go {SECOND} {words.of(second)}"
        see(str(second), guest.run([begun, f"join {SECOND} {patience}"])[1])
    see(str(first), guest.run([f"join {FIRST} {_LONG}"])[0])
    if order.waits:
        seen[-1] = replace(seen[-1], pool=None)
        see(str(second), guest.run([f"join {SECOND} {_LONG}"])[0])
    for call in order.after:
        see(str(call), guest.run([f"w {call.task} {words.of(call)}"])[0])
    return tuple(seen)


def _result(answer: Answer) -> str:
    """The agent's answer in the model's words."""
    first, _, rest = answer.result.partition(" ")
    if first == "busy":
        return ""
    return "OK" if first == "ok" else rest.split()[0] if rest else first


@contextmanager
def _stopped(guest: Guest, stop: Stop, address: int, words: str) -> Iterator[None]:
    """The first task's call has begun, and its CPU stands; the rest of the guest
    goes on."""
    debugger = attached(guest)
    try:
        debugger.break_at(address)
        debugger.resume()
        # the guest may stop before the agent has answered
        begin = threading.Thread(target=guest.run, args=([f"go {FIRST} {words}"],))
        begin.start()
        for time in range(stop.times):
            debugger.stopped()
            debugger.forget(address)
            if time + 1 < stop.times:
                debugger.step(1)
                debugger.break_at(address)
                debugger.resume()
        debugger.resume([0])
        begin.join()
        yield
        debugger.interrupt()
    finally:
        debugger.close()
