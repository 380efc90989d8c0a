# SPDX-License-Identifier: GPL-2.0-only
"""Sequences of calls: drawn at random, taken by the model, by the kernel.

A call is (task, name, arguments, limited), all of it JSON. `Modelled` takes
it on model.designs.probes.address_space under CPython, and says what the window must
look like; maps_agent does the same with system calls.
"""

from __future__ import annotations

import errno
import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poolproof.model.blocks.errno import Errno
from poolproof.model.blocks.vma.address_space import (
    VM,
    AddressSpace,
    Advice,
    Fail,
    Lock,
    Mark,
    Place,
    Prot,
    Remap,
)
from poolproof.model.blocks.vma.versions import AddressSpace612, AddressSpace618
from poolproof.model.designs.probes.address_space import INODES, C, M, P, Vmas
from poolproof.model.designs.probes.address_space import POLICIES as POLICIES_
from poolproof.model.designs.probes.address_space import TASKS as TASKS_
from poolproof.model.language import Disabled, Element, declared

Call = tuple[int, str, tuple[Any, ...], str]
Look = tuple[Any, ...]

PAGES = 12
SCRATCH = PAGES + 1
"""What mremap moves out of the window is here, in the model, for a moment."""
MOST = 6
TOTAL = SCRATCH + MOST
TASKS = 3
FILES = 2
SEGMENTS = 3
FILE_PAGES = 256
POLICIES = ("PREFERRED", "BIND")
AGENT = Path(__file__).with_name("maps_agent.py")

LETTERS = {
    "rd": VM.READ,
    "wr": VM.WRITE,
    "sh": VM.SHARED,
    "ac": VM.ACCOUNT,
    "nr": VM.NORESERVE,
    "lo": VM.LOCKED,
    "lf": VM.LOCKONFAULT,
    "dc": VM.DONTCOPY,
    "wf": VM.WIPEONFORK,
    "hg": VM.HUGEPAGE,
    "nh": VM.NOHUGEPAGE,
}


class _Limited(AddressSpace):
    """A call with a limit is one that meets it."""

    def injected(self) -> None:
        if self.fail is not Fail.NONE:
            raise Disabled
        super().injected()


class _Segments(_Limited):
    """A System V segment has vm_ops->close, and its own get_unmapped_area."""

    def vma_multi_allowed(self, task: Any, page: Any) -> Any:
        return VM.CLOSE not in self.vm_flags[task, page]


class _Segments618(_Segments, AddressSpace618):
    pass


class _Limited612(_Limited, AddressSpace612):
    pass


class Segments72(Vmas):
    """v7.2 with such files."""

    mm = _Segments(TASKS_, P, INODES, POLICIES_, M, C)


class Segments618(Vmas):
    """v6.18 with such files."""

    mm = _Segments618(TASKS_, P, INODES, POLICIES_, M, C)


class Segments612(Vmas):
    """v6.12, where mremap moves one VMA and does not ask."""

    mm = _Limited612(TASKS_, P, INODES, POLICIES_, M, C)


class Modelled:
    """The design under CPython, driven by calls."""

    def __init__(self, room: int = 0, design: type[Vmas] = Segments618) -> None:
        bounds = {
            "P": TOTAL,
            "T": TASKS,
            "F": FILES + SEGMENTS,
            "Q": len(POLICIES),
            "C": 9 * TASKS * TOTAL,
            "M": room or 1000,
        }
        _, features = declared(design)
        self.design: Any = design(bounds, (), list(features))
        self.tasks = [Element("TASKS", "t", k) for k in range(TASKS)]
        self.room = room
        self.start = self.design.dump()
        self.reset()

    def reset(self) -> None:
        self.design.load(self.start)
        self.alive = {0}
        self.sizes: dict[int, int] = {}
        """Pages of each segment; touching one beyond its end is an error that
        the model does not have."""

    def file(self, which: int | None) -> Element | None:
        return None if which is None else Element("INODES", "f", which)

    def take(self, call: Call) -> int | None:
        """The errno, or None where the call is not for this state."""
        before = self.design.dump()
        try:
            return self._take(*call)
        except Disabled:
            self.design.load(before)
            return None

    def _take(self, who: int, name: str, a: tuple[Any, ...], limited: str) -> int:
        if who not in self.alive:
            raise Disabled
        task, d = self.tasks[who], self.design
        fail = (Fail.LIMIT if limited else Fail.NONE, 1)
        match name:
            case "mmap":
                addr, end, place, prot, noreserve, lock, file, shared, pgoff = a
                result = d.mmap(
                    task,
                    addr,
                    end,
                    Place[place],
                    Prot[prot],
                    noreserve,
                    lock,
                    self.file(file),
                    shared,
                    pgoff,
                    False,
                    *fail,
                )
            case "shmat":
                used = {
                    d.mm.vm_file[task, p]
                    for p in range(TOTAL)
                    if d.mm.vm_file[task, p] is not None
                }
                new = [
                    k
                    for k in range(FILES, FILES + SEGMENTS)
                    if self.file(k) not in used
                ]
                if not new:
                    raise Disabled
                self.sizes[new[0]] = a[1] - a[0]
                result = d.mmap(
                    task,
                    *a,
                    Place.FIXED,
                    Prot.WRITE,
                    False,
                    False,
                    self.file(new[0]),
                    True,
                    0,
                    True,
                    *fail,
                )
            case "munmap":
                result = d.munmap(task, *a, *fail)
            case "mprotect":
                result = d.mprotect(task, *a[:2], Prot[a[2]], *fail)
            case "madvise" if a[2].startswith("POPULATE"):
                if not self.vma(who, a[0]) or self.beyond(task, *a[:2]):
                    raise Disabled
                flags = d.mm.vm_flags[task, a[0]]
                needed = VM.WRITE if a[2] == "POPULATE_WRITE" else VM.READ
                if needed not in flags or a[1] != a[0] + 1:
                    raise Disabled
                if needed is VM.WRITE and VM.SHARED not in flags:
                    d.write_fault(task, a[0])
                result = Errno.OK
            case "madvise":
                result = d.madvise(task, *a[:2], Advice[a[2]], *fail)
            case "mlock":
                if a[2] == "LOCKED" and self.beyond(task, *a[:2]):
                    raise Disabled
                result = d.mlock(task, *a[:2], Lock[a[2]], *fail)
            case "mbind":
                policy = None
                if a[2] is not None:
                    policy = Element("POLICIES", "mpol", POLICIES.index(a[2]))
                result = d.mbind(task, *a[:2], policy, *fail)
            case "mremap":
                addr, old, length, how, target = a
                result = self._mremap(task, addr, old, length, how, target, fail)
            case "fork":
                if a[0] in self.alive:
                    raise Disabled
                result = d.fork(task, self.tasks[a[0]], *fail)
                self.alive.add(a[0])
            case "exit":
                if who == 0:
                    raise Disabled
                d.mm.exit_mmap(task)
                self.alive.discard(who)
                result = Errno.OK
            case _:
                raise ValueError(name)
        d.check_ranges()
        return 0 if result is Errno.OK else int(getattr(errno, result.name))

    def _mremap(
        self,
        task: Element,
        addr: int,
        old: int,
        new: int,
        how: str,
        target: int,
        fail: tuple[Fail, int],
    ) -> Errno:
        """Without an address the kernel moves out of the window."""
        mm = self.design.mm
        if how == "MAYMOVE":
            target = 0
            end = addr + old
            if new > old and not (
                mm.vma_end(task, addr) == end and mm.unmapped(task, end, addr + new)
            ):
                target = SCRATCH
        mm.inject(*fail)
        result: Errno = mm.mremap(task, addr, old, new, Remap[how], target)
        mm.injected()
        if how == "MAYMOVE" and target and result is Errno.OK:
            mm.munmap(task, SCRATCH, SCRATCH + new)
        return result

    def beyond(self, task: Element, start: int, end: int) -> bool:
        mm = self.design.mm
        return any(
            file is not None
            and p + mm.shift[task, p] >= self.sizes.get(file.index, FILE_PAGES)
            for p in range(start, end)
            for file in [mm.vm_file[task, p]]
        )

    def vma(self, who: int, page: int) -> bool:
        return self.design.mm.mark[self.tasks[who], page] is not Mark.HOLE

    def look(self, who: int) -> Look:
        """What maps_agent.Window.look should say of the task."""
        mm, task = self.design.mm, self.tasks[who]
        vmas: list[Any] = []
        for p in range(TOTAL):
            mark = mm.mark[task, p]
            if mark is Mark.START:
                flags = mm.vm_flags[task, p]
                file = mm.vm_file[task, p]
                known = file is not None and file.index < FILES
                vmas.append(
                    [
                        p,
                        p + 1,
                        frozenset(f for f in flags if f is not VM.CLOSE),
                        p + mm.shift[task, p] if file is not None else 0,
                        file.index if known else None,
                    ]
                )
            elif mark is Mark.INSIDE:
                vmas[-1][1] = p + 1
        return (tuple(tuple(v) for v in vmas), mm.locked_vm[task])


def seen(look: Any) -> Look:
    """The agent's answer in the same form."""
    vmas, locked = look
    return (
        tuple(
            (
                start,
                end,
                frozenset(LETTERS[w] for w in flags if w in LETTERS),
                offset,
                file,
            )
            for start, end, _, offset, file, flags in vmas
        ),
        locked,
    )


# --- what to call ---------------------------------------------------------


class Draw:
    """Random calls that mostly make sense: ranges lie in what is mapped, with
    ends at VMA boundaries more often than chance would have it."""

    def __init__(self, seed: int, model: Modelled) -> None:
        self.random = random.Random(seed)
        self.model = model
        self.padded = model.room > 0

    def runs(self, who: int, mapped: bool) -> list[tuple[int, int]]:
        """The maximal ranges of pages that are mapped, or are not."""
        found: list[tuple[int, int]] = []
        for p in range(PAGES):
            if self.model.vma(who, p) is mapped:
                if found and found[-1][1] == p:
                    found[-1] = (found[-1][0], p + 1)
                else:
                    found.append((p, p + 1))
        return found

    def range(self, who: int, mapped: bool = True) -> tuple[int, int]:
        r, mm, task = self.random, self.model.design.mm, self.model.tasks[who]
        runs = self.runs(who, mapped)
        first, last = 0, PAGES
        if runs and r.random() < 0.9:
            first, last = r.choice(runs)
        edges = [
            p
            for p in range(first, last + 1)
            if p == last or mm.mark[task, p] is not Mark.INSIDE
        ]
        pick = [
            r.choice(edges) if r.random() < 0.5 else r.randint(first, last)
            for _ in range(2)
        ]
        low, high = min(pick), max(pick)
        if low == high:
            low, high = (low, low + 1) if low < last else (low - 1, low)
        return low, high

    def call(self) -> Call:
        r = self.random
        who = r.choice(sorted(self.model.alive))
        kinds = {
            "mmap": 12,
            "munmap": 8,
            "mprotect": 22,
            "madvise": 18,
            "mlock": 8,
            "mremap": 24,
            "mbind": 6,
            "touch": 16,
            "shmat": 2,
            "fork": 0 if self.padded else 3,
            "exit": 0 if self.padded else 1,
        }
        if len(self.runs(who, True)) == 0:
            kinds = {"mmap": 1}
        [name] = r.choices(list(kinds), list(kinds.values()))
        low, high = self.range(who)
        limited = ""
        arguments: tuple[Any, ...] = (low, high)
        match name:
            case "mmap":
                place = r.choice(("FIXED", "FIXED", "FREE", "FREE", "NOREPLACE"))
                low, high = self.range(who, place == "FIXED" and r.random() < 0.5)
                file = r.choice((None, None, None, None, 0, 1))
                shared = file is not None and r.random() < 0.5
                arguments = (
                    low,
                    high,
                    place,
                    r.choice(("NONE", "READ", "WRITE", "WRITE")),
                    r.random() < 0.1,
                    r.random() < 0.05,
                    file,
                    shared,
                    r.choice((low, low, r.randrange(PAGES))) if file is not None else 0,
                )
            case "shmat":
                arguments = (low, min(high, low + 4))
            case "munmap":
                arguments = (low, min(high, low + r.randint(1, 4)))
            case "mprotect":
                arguments = (low, high, r.choice(("NONE", "READ", "WRITE", "WRITE")))
            case "madvise":
                arguments = (low, high, r.choice([a.name for a in Advice]))
            case "touch":
                name = "madvise"
                what = "POPULATE_READ" if r.random() < 0.1 else "POPULATE_WRITE"
                arguments = (low, low + 1, what)
            case "mlock":
                kind = r.choice(("NONE", "NONE", "LOCKED", "ONFAULT"))
                arguments = (low, high, kind)
            case "mbind":
                arguments = (low, high, r.choice((None, *POLICIES)))
            case "fork":
                arguments = (r.randrange(1, TASKS),)
            case "exit":
                arguments = ()
            case "mremap":
                arguments = self.mremap(low, high)
        if r.random() < 0.06 and not self.padded:
            limits = {
                "mmap": "RLIMIT_AS",
                "mremap": "RLIMIT_AS",
                "mprotect": "RLIMIT_DATA",
            }
            limited = limits.get(name, "")
        return who, name, arguments, limited

    def mremap(self, low: int, high: int) -> tuple[Any, ...]:
        r = self.random
        kinds = ["IN_PLACE", "FIXED", "FIXED", "FIXED", "DONTUNMAP", "FIXED_DONTUNMAP"]
        how = r.choice(kinds if self.padded else [*kinds, "MAYMOVE"])
        old = new = high - low
        resize = 0.05 if "DONTUNMAP" in how else 0.6
        if r.random() < resize:
            new = r.randrange(1, PAGES + 1)
        if how == "MAYMOVE":
            new = min(new, MOST)
        if r.random() < 0.03:
            old = 0
        new = min(new, PAGES - low)
        target = 0
        if how not in ("IN_PLACE", "MAYMOVE"):
            targets = range(PAGES - new + 1)
            apart = [t for t in targets if t + new <= low or low + old <= t]
            adjacent = [t for t in apart if t in (low + old, low - new)]
            target = r.choice(targets)
            if apart and r.random() < 0.9:
                target = r.choice(apart)
            if adjacent and r.random() < 0.3:
                target = r.choice(adjacent)
        return low, old, new, how, target


# --- the comparison -------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """The first call after which model and kernel differ."""

    calls: tuple[Call, ...]
    task: int
    before: Look
    model: tuple[int, Look]
    kernel: tuple[int | str, Look | None]

    def __str__(self) -> str:
        lines = [f"{w}: {n}{a!r} {x}".rstrip() for w, n, a, x in self.calls]
        lines.append(f"task {self.task} before: {_show(self.before)}")
        lines.append(f"model : errno {self.model[0]}, {_show(self.model[1])}")
        lines.append(f"kernel: errno {self.kernel[0]}, {_show(self.kernel[1])}")
        return "\n".join(lines)


def _show(look: Look | None) -> str:
    if look is None:
        return "nothing"
    vmas = "".join(
        f"\n    {s:2}-{e:2} {' '.join(sorted(f.name for f in flags)):40}"
        + (f" file {file} at {offset}" if file is not None else "")
        for s, e, flags, offset, file in look[0]
    )
    return f"locked {look[1]}{vmas}"


class Kernel:
    """The agent's end."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(AGENT), str(TOTAL), str(FILES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, calls: list[Any]) -> list[Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(calls) + "\n")
        self.process.stdin.flush()
        answer: list[Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)


def draw(model: Modelled, seed: int, length: int) -> list[Call]:
    """A sequence whose every call is one for its state."""
    model.reset()
    random_calls = Draw(seed, model)
    calls: list[Call] = []
    for _ in range(20 * length):
        call = random_calls.call()
        taken = model.take(call)
        if taken is None and call[3]:
            call = (*call[:3], "")
            taken = model.take(call)
        if taken is not None:
            calls.append(call)
        if len(calls) == length:
            break
    return calls


def compare(model: Modelled, kernel: Kernel, calls: list[Call]) -> Difference | None:
    """Takes the calls on both; those that are not for their state are left
    out (a shrunk sequence has some)."""
    model.reset()
    expected: list[tuple[Call, int, dict[int, Look], dict[int, Look]]] = []
    for call in calls:
        before = {who: model.look(who) for who in range(TASKS)}
        result = model.take(call)
        if result is not None:
            concerned = [call[0]]
            if call[1] == "fork":
                concerned.append(call[2][0])
            after = {who: model.look(who) for who in concerned if call[1] != "exit"}
            expected.append((call, result, before, after))
    prologue = [[0, "pad", [model.room], ""]] if model.room else []
    answers = kernel.run([*prologue, *(e[0] for e in expected)])[len(prologue) :]
    taken: list[Call] = []
    for (call, result, before, after), (error, looks) in zip(
        expected, answers, strict=False
    ):
        taken.append(call)
        real = {int(who): seen(look) for who, look in looks.items()}
        for who, look in after.items():
            if error != result or real.get(who) != look:
                return Difference(
                    tuple(taken),
                    who,
                    before[who],
                    (result, look),
                    (error, real.get(who)),
                )
    return None


def shrink(model: Modelled, kernel: Kernel, found: Difference) -> Difference:
    """Leaves out calls while model and kernel still differ."""
    again = True
    while again:
        again = False
        for k in reversed(range(len(found.calls) - 1)):
            calls = [*found.calls[:k], *found.calls[k + 1 :]]
            smaller = compare(model, kernel, calls)
            if smaller is not None:
                found, again = smaller, True
                break
    return found
