# SPDX-License-Identifier: GPL-2.0-only
"""Failing allocations: the kernel compared with the design.

In a random sequence one call is chosen, and run once for each of its allocations:
each time another one fails (/proc/self/fail-nth). The kernel's log names the function
that allocates. If the design has a branch for that failure (`may_fail`,
``installed``), the kernel must do what the branch does. If it has none, the call must
behave as if nothing had failed, or return an error and change nothing. All later
calls are compared, too, because they may show hidden damage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from poolproof.checker.conform.c_calls import operation
from poolproof.checker.conform.campaign import Plan
from poolproof.checker.conform.environment import (
    NOT_INSTALLED,
    UNKNOWN,
    Config,
    NotExpressible,
)
from poolproof.checker.conform.hugetlb import variant
from poolproof.checker.conform.known import known_differences
from poolproof.checker.conform.machine import ModelMachine
from poolproof.checker.conform.sequence import Row, Run, ask, begin, compare, finish
from poolproof.checker.conform.shrink import Found
from poolproof.checker.core.verdict import Reporter, Silent
from poolproof.checker.kernel.answer import Answer
from poolproof.checker.kernel.kernel import Hung, Kernel, SequenceOutcome, Unavailable
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import NONE_FAILS

BRANCHES = (
    ("kmalloc of a resv_map", ("resv_map_alloc", "hugetlb_reserve_pages")),
    ("kmalloc of a file_region", ("allocate_file_region_entries",)),
    ("kmalloc of a file_region", ("region_chg",)),
    ("kmalloc of a file_region", ("region_del",)),
    ("", ("hugetlb_vma_lock_alloc",)),
    ("vm_area_dup", ("__split_vma",)),
    ("vm_area_dup", ("vm_area_dup", "copy_vma")),
    ("vma_link", ("vma_link", "copy_vma")),
    ("huge_pte_alloc", ("huge_pte_alloc", "move_hugetlb_page_tables")),
    ("huge_pte_alloc", ("huge_pte_alloc", "copy_hugetlb_page_range")),
    (NOT_INSTALLED, ("hugetlb_add_to_page_cache",)),
)
"""A call that may fail in the design ("" for none), and functions that are in the call
trace of that failure in 6.12. The first row that fits counts. A split that fails
later than in vm_area_dup is the same to its callers."""

_ALLOCATORS = (
    "dump_stack",
    "should_fail",
    "kmem_cache_",
    "__kmalloc",
    "kmalloc",
    "__alloc_pages",
    "alloc_pages",
    "__folio_alloc",
    "get_free_pages",
    "mas_",
    "xas_",
    "__xas_",
)
"""Prefixes of functions that only pass an allocation on."""

_OF_THE_AGENT = frozenset(("vma_alloc_folio_noprof",))
"""Functions that allocate the agent's own memory, which belongs to no call."""

_CALLS = frozenset(
    (
        "mmap",
        "r",
        "w",
        "munmap",
        "mremap",
        "mprotect",
        "madv",
        "falloc",
        "trunc",
        "fork",
    )
)
_LIMIT = 120
"""Upper limit on the allocations of one call that are made to fail."""

_PASSES = 4
"""How often a call may have gone well before it fails, in one command."""

AS_SAID, UNHARMED, REFUSED = "as the design says", "unharmed", "refused"
CUT_SHORT, CLEARED = "cut short", "refused too late"
NOT_THERE, OTHERWISE = "not there", "otherwise"
NOT_KNOWN = "not known"


@dataclass
class Injected:
    """The outcomes of the failures. ``counts`` has, for each call, function and branch
    of the design ("" for none), how often the call went as the design says or, without
    a branch, was unharmed, was refused, or populated fewer pages. CLEARED: a
    MAP_FIXED was refused when what was there had been unmapped. NOT_THERE: one of
    these, although the design has a branch; it does not reach it in this call.
    NOT_KNOWN: the log does not say what failed (__GFP_NOWARN), for example a huge page
    on one node. ``differed`` counts the known differences, by name; ``differences`` has
    the first example of each kind with any other outcome."""

    release: str
    calls: int = 0
    failures: int = 0
    counts: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)
    differed: Counter[str] = field(default_factory=Counter)
    differences: dict[tuple[str, str, str], Found] = field(default_factory=dict)
    ended: str = ""

    def note(self, kind: tuple[str, str, str], verdict: str) -> None:
        self.failures += 1
        self.counts.setdefault(kind, Counter())[verdict] += 1


def inject(
    design: type[Hugetlb], kernel: Kernel, plan: Plan, report: Reporter | None = None
) -> Injected:
    """Return what the kernel did when allocations failed, in one call of each of the
    plan's sequences. Raise Unavailable if the kernel has no fault injection."""
    facts = kernel.facts
    design = variant(design, facts.release)
    chance = Random(plan.seed)
    done = Injected(facts.release)
    for run in plan.runs(design, facts, done):
        rows = [k for k, row in enumerate(run.rows) if operation(row.command) in _CALLS]
        if rows:
            # few kinds of calls make up most of a sequence
            wanted = chance.choice(
                sorted({operation(run.rows[k].command) for k in rows})
            )
            at = chance.choice(
                [k for k in rows if operation(run.rows[k].command) == wanted]
            )
            done.calls += 1
            failing = replace(run, setting=with_failures(run.setting))
            _sweep(design, kernel, failing, at, done)
        (report or Silent()).progress(calls=done.calls, failures=done.failures)
    return done


def with_failures(setting: Config) -> Config:
    """Return the setting with what the design's failures need."""
    more = ["regions", "descriptors", *(["inject"] * ("hugetlbfs" in setting.having))]
    having = tuple(dict.fromkeys((*setting.having, *more)))
    return replace(setting, bounds={**setting.bounds, "failures": 1}, having=having)


def _sweep(
    design: type[Hugetlb], kernel: Kernel, run: Run, at: int, done: Injected
) -> None:
    """One call of the run, each of its allocations once."""
    before = [*run.setup, *(row.command for row in run.rows[:at])]
    after = [row.command for row in run.rows[at + 1 :]]
    who, process, words = run.rows[at].command.split(" ", 2)
    for n in range(1, _LIMIT):
        command = f"{who} {process} fail {n} {words}"
        try:
            outcome = kernel.sequence([*before, command, *after])
        except Hung:
            continue
        answer = outcome.answers[len(before)]
        if answer.errno in ("ENOENT", "EACCES") and "@" not in answer.result:
            raise Unavailable("this kernel was not built with CONFIG_FAILSLAB")
        result, mark, trace = answer.result.partition(" @")
        if not mark:
            return
        frames = trace.split()
        if not _OF_THE_AGENT.isdisjoint(frames):
            continue
        answers = list(outcome.answers)
        answers[len(before)] = Answer(result, answer.counters)
        seen = replace(outcome, answers=tuple(answers))
        _judge(design, run, at, frames, seen, done)


def _judge(
    design: type[Hugetlb],
    run: Run,
    at: int,
    frames: Sequence[str],
    seen: SequenceOutcome,
    done: Injected,
) -> None:
    call = branch(frames)
    kind = (operation(run.rows[at].command), asked_by(frames), call)
    found: list[Found] = []
    said = False
    for verdict, expected in _candidates(design, run, at, call):
        shown = _shown(expected, len(run.rows), seen)
        difference = compare(expected, shown)
        if difference is None and call and verdict != AS_SAID:
            verdict = OTHERWISE if said else NOT_THERE
        if difference is None:
            done.note(kind, verdict)
            break
        said = said or verdict == AS_SAID
        found.append(
            Found(expected, shown.answers, shown.clean, difference, shown.left)
        )
    else:
        verdict = OTHERWISE if frames else NOT_KNOWN
        done.note(kind, verdict)
    if verdict == OTHERWISE:
        longest = max(found, key=lambda f: f.difference.at)
        for known in known_differences():
            if known.explains_failure(call, longest.difference):
                done.differed[known.name] += 1
                return
        done.differences.setdefault(kind, longest)


def _shown(expected: Run, rows: int, seen: SequenceOutcome) -> SequenceOutcome:
    """What the kernel did, as far as the design goes."""
    last = len(expected.setup) + len(expected.rows)
    whole = len(expected.rows) == rows
    answers = seen.answers[:last]
    return SequenceOutcome(answers, seen.clean if whole else expected.drains, seen.left)


def branch(frames: Sequence[str]) -> str:
    """Return the design's call that fails in a call trace; "" if it has none."""
    for call, functions in BRANCHES:
        if {*functions} <= {*frames}:
            return call
    return ""


def asked_by(frames: Sequence[str]) -> str:
    """Return the function that asked for the allocation."""
    for name in frames:
        if not name.startswith(_ALLOCATORS):
            return name
    return "(not in the log)"


@dataclass(frozen=True, slots=True)
class _How:
    """How a command goes: the call ``fails`` fails after it went well ``passes``
    times; or the ``answer`` is all that happens; or MAP_POPULATE gets no more than
    ``populated`` pages; or a MAP_FIXED has ``cleared`` what was there, and leaves a gap
    (mm/vma.c:vms_abort_munmap_vmas)."""

    fails: str = NONE_FAILS
    passes: int = 0
    answer: str = ""
    populated: int | None = None
    cleared: bool = False


def _candidates(
    design: type[Hugetlb], run: Run, at: int, call: str
) -> Iterator[tuple[str, Run]]:
    """What the kernel may do: what the design says first."""
    ways = [(AS_SAID, _How(call, passes)) for passes in range(_PASSES) if call]
    ways.append((UNHARMED, _How()))
    ways += [(REFUSED, _How(answer=f"{said} {UNKNOWN}")) for said in ("err", "sig")]
    if _is_map_fixed(run.rows[at].command):
        ways.append((CLEARED, _How(answer=f"err {UNKNOWN}", cleared=True)))
    pages = range(_pages_populated(run.rows[at].command))
    ways += [(CUT_SHORT, _How(populated=number)) for number in pages]
    for verdict, how in ways:
        expected = _expected(design, run, at, how)
        if expected is not None:
            yield verdict, expected


def _is_map_fixed(command: str) -> bool:
    match command.split():
        case ["w", _, "mmap", _, _, flags, *_]:
            return "F" in flags
    return False


def _clears(machine: ModelMachine, command: str) -> bool:
    """What MAP_FIXED does first. Return whether the design has a word for it."""
    who, process, _, page, length, *_ = command.split()
    try:
        machine.run(f"{who} {process} munmap {page} {length}")
    except NotExpressible:
        return False
    return True


def _pages_populated(command: str) -> int:
    match command.split():
        case ["w", _, "mmap", _, length, flags, *_] if "L" in flags:
            return int(length)
    return 0


def _expected(design: type[Hugetlb], run: Run, at: int, how: _How) -> Run | None:
    """What the design says if row ``at`` goes so. It ends where the design has no
    word for a row. None if the design does not come to the call that fails."""
    machine = begin(design, run.setting, run.setup)
    ready, rows = machine.counters(), []
    for number, row in enumerate(run.rows):
        if machine.below_zero():
            break
        if number == at and how.answer:
            if how.cleared and not _clears(machine, row.command):
                return None
            rows.append(Row(row.command, how.answer, machine.counters()))
            continue
        if number == at:
            machine.fails, machine.passes = how.fails, how.passes
            machine.populated = how.populated
        try:
            rows.append(ask(machine, row.command))
        except NotExpressible:
            if number <= at:
                return None
            return Run(run.setting, run.setup, ready, tuple(rows), False, True)
        if number == at and machine.fails != NONE_FAILS:
            return None
        machine.populated = None
    return finish(machine, run.setup, ready, rows)
